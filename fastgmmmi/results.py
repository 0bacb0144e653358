"""MIResult: an estimate of information and what belongs to it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import Signature
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from . import _core, files
from .errors import count
from .inputs import ABSENT, ROLES, choice, complete, pair, recoded, variable
from .mixture import ARRAYS, Fitted, GaussianMixture

if TYPE_CHECKING:
    from statistics import NormalDist

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Integers, Samples, Variable

    Coded: TypeAlias = tuple[Floats | None, Integers | None, int]  # values (n, d), labels (n,)

UNITS = {"nats": 1.0, "bits": 1 / math.log(2), "bans": 1 / math.log(10)}
_SCORES = ("gaussianize", "studentize")  # the maps that go by ranks
_INTERVALS = ("bca", "percentile", "basic", "normal")
_MAPS, _INTEGRALS, _ERRORS = (
    {code: name for name, code in codes.items()} for codes in (_core.MARGINALS, _core.INTEGRALS, _core.ERRORS)
)


class Side(NamedTuple):
    """What one variable was: its continuous columns, and its labels where it had some."""

    argument: str
    d: int
    labels: tuple[object, ...] | None


class Classes(NamedTuple):
    """Combinations of labels that occurred; a single one where no variable is discrete."""

    labels: Integers  # (n_classes, 3): places in the labels of x, y and given
    probabilities: Floats  # (n_classes,)
    components: Integers  # (n_classes,)


@dataclass(frozen=True, repr=False, eq=False)
class MIResult:
    """Information with its error bar.

    What `mutual_information`, `entropy` and `kl_divergence` return; it is not made by hand. A result is a pair too,
    ``value, error = r``, and a number, ``float(r)``.

    Attributes
    ----------
    value : float
        Bias-corrected estimate, in `units`: twice `plug_in` less the mean of the replicates. Where these choose their
        number of components, each counts for this with the mean of two fits: that choice and `n_components`. Where x
        and y are both discrete it is `plug_in` less the bias that the jackknife finds; under ``error="delta"``, less
        the analytic bias; where `integral` is "data", a mean of the log ratio within and across folds whose biases
        cancel. The value may be below zero.
    standard_error : float or None
        Standard deviation of the bootstrap distribution, or by the infinitesimal jackknife, in `units`, with
        `marginals_error` and `shortfall` in squares; None where there are fewer than two replicates.
    plug_in : float
        Of the mixture that was fitted to all the data, or of the table, in `units`. Mutual information and divergence
        are never below zero here.
    integration_error : float
        Estimated error of the integral behind `plug_in`, in `units`.
    bootstrap_distribution : ndarray, (n_bootstrap,)
        Estimate of each replicate, as it is, in `units`; NaN where a replicate could not be fitted. Where it chose a
        number of components, and the data more than one, .15 of it is with the number of the fit to all the data.
    shortfall : float
        Information that nearest neighbours find in the data but not in samples of the mixture, in `units`; below zero
        half of what the mixture claims beyond the mean log ratio of the rows that it was fitted to, or all that it
        claims, and `value` is 0, where held-out rows cannot be told from pairs of different rows: they are asked where
        it claims far more than that mean, or several components were chosen and claim no more than chance may bring
        about. 0 where neither stands out of its noise, or was looked for. It is part of `value`, and, since the
        mixture may be as far off still, of `standard_error`, together with its own error.
    marginals_error : float
        How far the value depends on which map was taken of the columns, in `units`: its standard deviation over maps
        that held-out rows can hardly tell apart. 0 where one is sure, was asked for, or was chosen on a sample of the
        rows.
    n_samples, n_dropped : int
        Rows used, and rows left out because they hold NaN; of both samples for a divergence.
    n_components : int
        Components of the mixture; of all mixtures where there are several, 0 for a table.
    units : str
        "nats", "bits" or "bans".
    converged : bool
        Whether the fits to all the data converged.
    reselected : bool
        Whether every replicate chose its number of components anew.
    warnings : tuple of str
        What the user was warned of.
    model : GaussianMixture, dict or None
        The mixture fitted to all the data, in transformed coordinates, x before y before given. With discrete variables
        a dict: label to the mixture of the continuous columns in that class, or tuple of labels where several variables
        are discrete. For a divergence a dict of "x" and "y". None where no column is continuous.
    marginals : str
        The map taken of each column: "standardize", "gaussianize", "studentize" or "none".
    degrees_of_freedom : float or None
        Of Student's t distribution where `marginals` is "studentize", whose scores the columns became; the components
        of `model` are then a scale mixture that stands for it, to 1e-3 of its density where `max_components` allows as
        many as that takes, while `plug_in` is exact.
        Else None.
    integral : str
        What the log ratio was averaged over: the fitted "model", or the "data".
    error : str
        Where the error bar comes from: "bootstrap" or "delta".
    selection : dict
        Number of components to its score, larger is better, for those that were tried; where `model` is a dict, a dict
        of such dicts.
    seed : int
        Seed of the random numbers: ``rng=seed`` gives the same result again.
    quantity : str
        "information", "entropy", "divergence" or "paired divergence".

    Notes
    -----
    The result refers to the arrays that were passed, and does not copy them.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> r = fg.mutual_information(x, x + noise, rng=0)
    >>> value, error = r
    >>> low, high = r.confidence_interval()
    >>> low < value < high
    True
    """

    __signature__: ClassVar = Signature()  # users do not make results

    value: float
    standard_error: float | None
    plug_in: float
    integration_error: float
    bootstrap_distribution: Floats
    shortfall: float
    marginals_error: float
    n_samples: int
    n_dropped: int
    n_components: int
    units: str
    converged: bool
    reselected: bool
    warnings: tuple[str, ...]
    model: GaussianMixture | dict[Any, GaussianMixture] | None
    marginals: str
    degrees_of_freedom: float | None
    integral: str
    error: str
    selection: dict[Any, Any]
    seed: int
    quantity: str
    _acceleration: float
    _shortfall_error: float
    _smaller_entropy: float | None
    _sides: tuple[Side, ...]
    _classes: Classes
    _location: Floats
    _scale: Floats
    _data: Samples | None

    def confidence_interval(self, level: float = 0.95, method: str = "bca") -> tuple[float, float]:
        """
        Give a confidence interval.

        Parameters
        ----------
        level : float
            Confidence, between 0 and 1.
        method : {"bca", "percentile", "basic", "normal"}
            "bca": bias-corrected and accelerated, about `value`. "percentile": quantiles of the bootstrap
            distribution as it is. "basic": these mirrored at `plug_in`. "normal": `value` and `standard_error`, which
            is what "bca" means too under ``error="delta"``.

        Returns
        -------
        low : float
            Lower end, in `units`. Like the upper one it may be below zero.
        high : float
            Upper end, in `units`.

        Raises
        ------
        ValueError
            If there are fewer than two replicates for a method that needs them, or `level` or `method` is not one of
            those allowed.

        Notes
        -----
        The bootstrap distribution is biased twice where the estimate is not: its replicates are moved to the mean
        `value` first. "bca" (Efron 1987) then takes their quantiles; z0 is the median bias that is left, and the
        acceleration is the skewness of the pointwise log ratio over 6 sqrt(n). Where the replicates chose their number
        of components (`reselected`), "bca" lies half-way to the "normal" interval. Replicates that failed are left out.
        A `shortfall` is added to what comes from replicates, and each half of the interval and the quantile of a normal
        distribution with the shortfall, its error and `marginals_error` as its deviation are added in squares.
        Quantiles are those that a further replicate would fall below with the probability asked for: the k-th of B
        ordered replicates stands for ``k / (B + 1)``.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgmmmi as fg
        >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
        >>> low, high = fg.mutual_information(x, x + noise, rng=0).confidence_interval(0.9)
        """
        from statistics import NormalDist

        choice("method", method, _INTERVALS)
        if not 0 < level < 1:
            raise ValueError(f"level must be between 0 and 1, got {level!r}")
        replicates = self.bootstrap_distribution[np.isfinite(self.bootstrap_distribution)]
        if self.error == "delta":
            if method in ("percentile", "basic"):
                raise ValueError(f"method={method!r} needs bootstrap replicates, which error='delta' does without")
            method = "normal"
        elif len(replicates) < 2:
            raise ValueError(
                f"an interval needs at least 2 bootstrap replicates, there are {len(replicates)}; raise n_bootstrap"
            )
        normal = NormalDist()
        tails = (1 - level) / 2, (1 + level) / 2
        error = math.nan if self.standard_error is None else self.standard_error
        missing = math.hypot(self.shortfall, self._shortfall_error, self.marginals_error)
        error = math.sqrt(max(error**2 - missing**2, 0.0))
        if method == "normal":
            low, high = (self.value + normal.inv_cdf(p) * error for p in tails)
        elif method == "percentile":
            low, high = self.shortfall + _quantiles(replicates, tails)
        elif method == "basic":
            middle = self.plug_in if self.integral == "model" else (self.value + replicates.mean()) / 2
            high, low = self.shortfall + 2 * middle - _quantiles(replicates, tails)
        else:
            mean = replicates.mean()
            below = np.count_nonzero(replicates < mean) + np.count_nonzero(replicates == mean) / 2
            z0 = normal.inv_cdf(below / len(replicates))
            levels = [_bca_level(normal, p, z0, self._acceleration) for p in tails]
            low, high = self.value - mean + _quantiles(replicates, levels)
            # Where they choose, replicates mix several fits, and the shape of a mixture says little of one estimate.
            if self.reselected:
                low = (low + self.value + normal.inv_cdf(tails[0]) * error) / 2
                high = (high + self.value + normal.inv_cdf(tails[1]) * error) / 2
        further = math.hypot((high - low) / 2, normal.inv_cdf(tails[1]) * missing) - (high - low) / 2
        return float(low - further), float(high + further)

    @property
    def normalized(self) -> float | None:
        """Information over the smaller entropy where x and y are both discrete, at most 1; else None."""
        if self._smaller_entropy is None:
            return None
        return min(self.value / (self._smaller_entropy * UNITS[self.units]), 1.0)

    @property
    def correlation(self) -> float | None:
        """Correlation of two Gaussians with this information: ``sqrt(1 - exp(-2 MI))``, 0 for MI below 0; else None."""
        if self.quantity != "information":
            return None
        return math.sqrt(-math.expm1(-2 * max(self.value, 0.0) / UNITS[self.units]))

    def transform(
        self, x: ArrayLike, y: ArrayLike | None = None, given: ArrayLike | None = None
    ) -> NDArray[Any] | tuple[NDArray[Any], ...]:
        """
        Apply the marginal maps to new data.

        Parameters
        ----------
        x : array_like, (n, dx) or (n,)
            Values of x; or with `y` left out both, (n, 2).
        y : array_like, (n, dy) or (n,), optional
            Values of y, where there was one.
        given : array_like, (n, dz) or (n,), optional
            Values of given, where there was one.

        Returns
        -------
        tuple of ndarray, or ndarray for an entropy
            Each argument in the coordinates of `model`; one-dimensional where it was. Labels stay as they are.

        Raises
        ------
        ValueError
            If dimensions are others than those of the data, or there are NaN or infinities.
        """
        arguments: tuple[Any, ...] = (x, y, given) if y is not None or len(self._sides) == 1 else (x, x, given)
        mapped: list[NDArray[Any]] = []
        for argument, side, values in zip(arguments, self._sides, self._mapped(self._read(x, y, given)), strict=False):
            flat = values.reshape(-1) if np.ndim(argument) == 1 else values
            mapped.append(flat if side.d else np.asarray(argument))
        return mapped[0] if len(mapped) == 1 else tuple(mapped)

    def pointwise(
        self, x: ArrayLike | None = None, y: ArrayLike | None = None, given: ArrayLike | None = None
    ) -> Floats:
        """
        Give what the estimate is the mean of, at each sample.

        Parameters
        ----------
        x, y, given : array_like, optional
            New data, as in `transform`; None takes the data that the estimate was made from. A divergence takes x.

        Returns
        -------
        ndarray, (n,)
            Under the fitted mixtures, in `units`: ``log p(x, y) / (p(x) p(y))``, conditional on given where there is
            one; ``-log p(x)`` for an entropy; ``log p(x) / q(x)`` for a divergence. A combination of labels that the
            data do not hold has probability 0 and gives minus infinity. A `shortfall` is in none of them.

        Raises
        ------
        ValueError
            If dimensions are others than those of the data, or there are NaN or infinities, or the result was loaded
            from a file, which does not hold the data, and none are passed.
        """
        if x is not None:
            variables = self._read(x, y, given)
        elif y is not None or given is not None:
            raise ValueError(f"{'y' if y is not None else 'given'} is given without x")
        else:
            variables = self._kept_data().variables
        if self._is_divergence:
            variables = variables[:1]
        for other in variables[1:]:
            if len(other.values) != len(variables[0].values):
                rows = count(len(other.values), "row")
                raise ValueError(f"{other.argument} has {rows} but x has {len(variables[0].values)}")
        return self._evaluate(self._coded(variables))

    def _coded(self, variables: Sequence[Variable]) -> list[Coded]:
        """Give each variable as the core takes it, in the coordinates of the model."""
        return [
            (values if values.shape[1] else None, recoded(each, side.labels or ()).codes, 0)
            for values, each, side in zip(self._mapped(variables), variables, self._sides, strict=False)
        ]

    def _evaluate(self, arrays: list[Coded]) -> Floats:
        """Give what the estimate is the mean of, at rows in the coordinates of the model."""
        if self._is_divergence:
            arrays = [*arrays, (None, np.zeros(len(arrays[0][0]), np.int32), 2)]  # type: ignore[arg-type]
        x_arrays, y_arrays, given_arrays = (*arrays, ABSENT, ABSENT)[:3]
        quantity = _core.QUANTITIES[self.quantity.removeprefix("paired ")]
        values = _core.pointwise(quantity, (x_arrays, y_arrays, given_arrays), *self._classes, *self._parameters)
        if self.quantity == "entropy":
            values += np.log(self._scale).sum()
        return values * UNITS[self.units]

    def plot(self, ax: Axes | Sequence[Axes] | None = None) -> Axes | NDArray[np.object_]:
        """
        Draw the data under the mixture, and the bootstrap distribution with the value and its interval.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or a sequence of them, optional
            Where to draw, as many panels as there are axes. None makes a figure with every panel that there is.

        Returns
        -------
        matplotlib.axes.Axes or ndarray of them
            What was drawn in; one Axes where there is one panel.

        Raises
        ------
        ImportError
            If matplotlib is not there.
        ValueError
            If there is nothing to draw, or there are more axes than panels.

        Notes
        -----
        The first panel needs two scalars: the samples (at most 5,000 of them) in their own units, under contours of the
        mixture's density in the coordinates of `model`, which hold 25, 50, 75 and 95% of the samples. Where one side is
        discrete it shows the densities of the other within each class. The second needs two replicates or more. They
        are drawn as they are, so they lie about `plug_in` plus its bias; `value` is corrected for it.
        """
        from .plotting import plot_result

        return plot_result(self, ax)

    def to_dict(self) -> dict[str, Any]:
        """
        Give all numbers as plain Python objects that JSON can hold; NaN becomes None.

        Returns
        -------
        dict
            Attribute to value; `model` becomes a dict of its parameters.
        """
        replicates = self.bootstrap_distribution.tolist()
        has_interval = self.error == "delta" or sum(map(math.isfinite, replicates)) > 1
        interval = self.confidence_interval() if has_interval else None
        return {
            "value": _finite(self.value),
            "standard_error": _finite(self.standard_error),
            "confidence_interval": interval and list(interval),
            "units": self.units,
            "plug_in": self.plug_in,
            "integration_error": self.integration_error,
            "bootstrap_distribution": [_finite(replicate) for replicate in replicates],
            "shortfall": self.shortfall,
            "marginals_error": self.marginals_error,
            "n_samples": self.n_samples,
            "n_dropped": self.n_dropped,
            "n_components": self.n_components,
            "converged": self.converged,
            "reselected": self.reselected,
            "warnings": list(self.warnings),
            "marginals": self.marginals,
            "degrees_of_freedom": self.degrees_of_freedom,
            "integral": self.integral,
            "error": self.error,
            "selection": _string_keys(self.selection),
            "correlation": self.correlation,
            "normalized": self.normalized,
            "seed": self.seed,
            "quantity": self.quantity,
            "model": self._model_dict(),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Save the result, except the data that it was made from.

        Parameters
        ----------
        path : path-like
            File to write, in NumPy's .npz format.
        """
        fitted = [model._state for model in self._models]
        numbers = {name: getattr(self, name) for name in _SAVED_NUMBERS}
        numbers |= {"models": [mixture.split()[0] for mixture in fitted]}
        numbers |= {"sides": [(side.argument, side.d, plain(side.labels)) for side in self._sides]}
        arrays = {name: getattr(self, name) for name in _SAVED_ARRAYS}
        arrays |= {f"class_{name}": array for name, array in self._classes._asdict().items()}
        arrays |= dict(zip(ARRAYS, self._parameters, strict=True))
        for j, (knots, scores) in enumerate(self._scores):
            arrays |= {f"knots_{j}": knots, f"scores_{j}": scores}
        files.save(path, type(self).__name__, numbers, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MIResult:
        """
        Load a result; this runs no code from the file.

        Parameters
        ----------
        path : path-like
            File that `save` wrote.

        Returns
        -------
        MIResult
            The result; its `pointwise` needs data.

        Raises
        ------
        ValueError
            If the file is not one that `save` wrote.
        """
        numbers, arrays = files.load(path, cls.__name__)
        classes = Classes(*(arrays[f"class_{name}"] for name in Classes._fields))
        sides = tuple(Side(argument, d, _hashable(labels)) for argument, d, labels in numbers.pop("sides"))
        ends = np.cumsum(classes.components)[:-1]
        parts = zip(*(np.split(arrays[name], ends) for name in ARRAYS), strict=True)
        models = [
            GaussianMixture()._with(Fitted.join(model, dict(zip(ARRAYS, part, strict=True))))
            for model, part in zip(numbers.pop("models"), parts, strict=False)
        ]
        numbers |= {"warnings": tuple(numbers["warnings"])} | {name: arrays[name] for name in _SAVED_ARRAYS}
        model, selection = _keyed(models, classes, sides, numbers["quantity"])
        result = cls(**numbers, model=model, selection=selection, _sides=sides, _classes=classes, _data=None)
        columns = range(len(result._scale)) if result.marginals in _SCORES else ()
        result.__dict__["_scores"] = [(arrays[f"knots_{j}"], arrays[f"scores_{j}"]) for j in columns]
        return result

    def __float__(self) -> float:
        return self.value

    def __iter__(self) -> Iterator[float | None]:
        return iter((self.value, self.standard_error))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, MIResult) else NotImplemented

    def __repr__(self) -> str:
        classes = len(self._classes.labels)
        if self.model is None:
            parts = [f"{classes} cells"]
        else:
            parts = [count(classes, "class", "classes")] if classes > 1 and not self._is_divergence else []
            parts.append(count(self.n_components, "component"))
        return f"{self.amount()} ({', '.join([f'n={self.n_samples}', *parts])})"

    def amount(self) -> str:
        """
        Give value, error and units as text, the error to two digits.

        Returns
        -------
        str
            For instance "0.214 ± 0.043 nats".
        """
        return amount(self.value, self.standard_error, self.units)

    @property
    def _is_divergence(self) -> bool:
        return "divergence" in self.quantity

    @property
    def _models(self) -> list[GaussianMixture]:
        """The mixtures, class by class."""
        if self.model is None:
            return []
        return list(self.model.values()) if isinstance(self.model, dict) else [self.model]

    @property
    def _parameters(self) -> tuple[Floats, ...]:
        """Weights, means and covariances of all classes, one after the other."""
        if not self._models:
            return np.empty(0), np.empty((0, 0)), np.empty((0, 0, 0))
        parameters = zip(*(model._parameters for model in self._models), strict=True)
        return tuple(np.concatenate(arrays) for arrays in parameters)

    def _model_dict(self) -> Any:
        if not isinstance(self.model, dict):
            return self.model and _model_numbers(self.model)
        probabilities = self._classes.probabilities.tolist()
        return [
            {"label": plain(label), "probability": probability, **_model_numbers(model)}
            for (label, model), probability in zip(self.model.items(), probabilities, strict=True)
        ]

    def _kept_data(self) -> Samples:
        if self._data is None:
            arguments = ", ".join(side.argument for side in self._sides[:-1])
            arguments = f"{arguments} and {self._sides[-1].argument}" if arguments else self._sides[-1].argument
            raise ValueError(f"the result was loaded from a file, which does not hold the data; pass {arguments}")
        return self._data

    def _read(self, x: object, y: object, given: object) -> tuple[Variable, ...]:
        """Read new data as what the data were: numbers, or labels."""
        discrete = [side.labels is not None and (side.d == 0 or None) for side in self._sides]
        arguments = dict(zip(ROLES, (x, y, given), strict=True))
        for role in ROLES[len(self._sides) :]:
            if arguments[role] is not None:
                raise ValueError(f"{role} is given, but the result has none")
        if len(self._sides) == 1:
            variables = [variable("x", x, discrete[0])]
        elif y is None and self._is_divergence:
            variables = [variable("x", x, False)]
        else:
            variables = list(pair(x, y, discrete[:2]))
        if len(self._sides) == 3:
            if given is None:
                raise ValueError("given is missing: the result is conditional on it")
            variables.append(variable("given", given, discrete[2]))
        return tuple(variables)

    @cached_property
    def _scores(self) -> list[tuple[Floats, Floats]]:
        """The map of each column to scores of its ranks, after location and scale; empty where none is taken."""
        if self.marginals not in _SCORES:
            return []
        data = self._kept_data()
        parts = [each.values for each in data.variables]
        columns = np.concatenate(parts) if self._is_divergence else np.hstack(parts)
        maps = [
            _core.normal_scores(np.ascontiguousarray((column - location) / scale), data.sample_weight)
            for column, location, scale in zip(columns.T, self._location, self._scale, strict=True)
        ]
        freedom = self.degrees_of_freedom
        return maps if freedom is None else [(knots, _core.student_scores(freedom, scores)) for knots, scores in maps]

    def _mapped(self, variables: Sequence[Variable]) -> list[Floats]:
        """Map the continuous columns of each variable to the coordinates of the model."""
        first, mapped = 0, []
        for each, side in zip(variables, self._sides, strict=False):
            mapped.append(self._map(each, side, slice(first, first + side.d)))
            first += 0 if self._is_divergence else side.d
        return mapped

    def _map(self, variable: Variable, side: Side, columns: slice) -> Floats:
        values = complete(variable)
        if values.shape[1] != side.d:
            raise ValueError(f"{variable.argument} has {count(values.shape[1], 'column')}, the data had {side.d}")
        if (variable.codes is None) != (side.labels is None):
            raise ValueError(f"{variable.argument} {'has no' if side.labels else 'has'} labels, unlike the data")
        mapped = (values - self._location[columns]) / self._scale[columns]
        for j, (knots, scores) in enumerate(self._scores[columns]):
            mapped[:, j] = _core.apply_normal_scores(knots, scores, np.ascontiguousarray(mapped[:, j]))
        return mapped


_SAVED_ARRAYS = ("bootstrap_distribution", "_location", "_scale")
_SAVED_NUMBERS = (
    "value",
    "standard_error",
    "plug_in",
    "integration_error",
    "shortfall",
    "marginals_error",
    "n_samples",
    "n_dropped",
    "n_components",
    "units",
    "converged",
    "reselected",
    "warnings",
    "marginals",
    "degrees_of_freedom",
    "integral",
    "error",
    "seed",
    "quantity",
    "_acceleration",
    "_shortfall_error",
    "_smaller_entropy",
)


def from_core(found: Mapping[str, Any], data: Samples, units: str, seed: int, warnings: tuple[str, ...]) -> MIResult:
    """Make a result of what the core returned, in nats, for checked data."""
    unit = UNITS[units]
    bootstrap = found["bootstrap"] * unit
    bootstrap.flags.writeable = False
    error = _ERRORS[found["error"]]
    classes = Classes(found["class_labels"], found["class_probabilities"], found["class_components"])
    sides = tuple(Side(v.argument, v.d, None if v.codes is None else v.labels) for v in data.variables)
    model, selection = _keyed(_models(found), classes, sides, data.quantity)
    return MIResult(
        value=found["value"] * unit,
        standard_error=found["standard_error"] * unit if len(bootstrap) > 1 or error == "delta" else None,
        plug_in=found["plug_in"] * unit,
        integration_error=found["integration_error"] * unit,
        bootstrap_distribution=bootstrap,
        shortfall=found["shortfall"] * unit,
        marginals_error=found["marginals_error"] * unit,
        n_samples=data.n,
        n_dropped=data.n_dropped,
        n_components=found["n_components"],
        units=units,
        converged=bool(found["converged"]),
        reselected=bool(found["reselected"]),
        warnings=warnings,
        model=model,
        marginals=_MAPS[found["marginals"]],
        degrees_of_freedom=None if math.isnan(found["degrees_of_freedom"]) else found["degrees_of_freedom"],
        integral=_INTEGRALS[found["integral"]],
        error=error,
        selection=selection,
        seed=seed,
        quantity=data.quantity,
        _acceleration=found["acceleration"],
        _shortfall_error=found["shortfall_error"] * unit,
        _smaller_entropy=found["smaller_entropy"],
        _sides=sides,
        _classes=classes,
        _location=found["location"],
        _scale=found["scale"],
        _data=data,
    )


def amount(value: float, error: float | None, units: str) -> str:
    """Give value, error and units as text, the error to two digits."""
    if error is None or not 0 < error < math.inf:
        return f"{value:z.4g} {units}"
    decimals = max(0, 1 - int(f"{error:.1e}".partition("e")[2]))
    return f"{value:z.{decimals}f} ± {error:.{decimals}f} {units}"


def _models(found: Mapping[str, Any]) -> list[GaussianMixture]:
    """Cut what the core returned into the mixture of each class; how a fit went is known of a single one."""
    if found["n_components"] == 0:
        return []
    if len(found["class_components"]) == 1:
        return [GaussianMixture()._with(Fitted.from_core({**found, "scores": found["scores"][0]}))]
    parts = zip(*(np.split(found[name], np.cumsum(found["class_components"])[:-1]) for name in ARRAYS), strict=True)
    nothing = {"log_likelihood": None, "n_iter": None, "converged": True}
    return [
        GaussianMixture()._with(Fitted.from_core({**nothing, "scores": scores, **dict(zip(ARRAYS, part, strict=True))}))
        for part, scores in zip(parts, found["scores"], strict=True)
    ]


def _keyed(
    models: list[GaussianMixture], classes: Classes, sides: Sequence[Side], quantity: str
) -> tuple[GaussianMixture | dict[Any, GaussianMixture] | None, dict[Any, Any]]:
    """Give the model, with the labels of its classes, and its selection likewise."""
    if not models:
        return None, {}
    if "divergence" in quantity:
        keys: list[Any] = ["x", "y"]
    elif any(side.labels is not None for side in sides):
        rows = [
            tuple(side.labels[code] for side, code in zip(sides, codes, strict=False) if side.labels is not None)
            for codes in classes.labels.tolist()
        ]
        keys = [row[0] if len(row) == 1 else row for row in rows]
    else:
        return models[0], models[0].selection
    return dict(zip(keys, models, strict=True)), {key: model.selection for key, model in zip(keys, models, strict=True)}


def _model_numbers(model: GaussianMixture) -> dict[str, Any]:
    return {name: getattr(model, name).tolist() for name in ARRAYS}


def _string_keys(mapping: Any) -> Any:
    return {str(key): _string_keys(value) for key, value in mapping.items()} if isinstance(mapping, dict) else mapping


def plain(label: Any) -> Any:
    """Give labels as JSON can hold them."""
    if isinstance(label, tuple):
        return [plain(part) for part in label]
    return label if label is None or isinstance(label, str | bool | int | float) else str(label)


def _hashable(label: Any) -> Any:
    """Undo what JSON makes of tuples."""
    return tuple(_hashable(part) for part in label) if isinstance(label, list) else label


def _quantiles(replicates: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles without the bias of the usual ones, which put 3.4% beyond each end of a 95% interval of 100."""
    return np.asarray(np.quantile(replicates, levels, method="weibull"))


def _bca_level(normal: NormalDist, tail: float, z0: float, acceleration: float) -> float:
    """Quantile of the bootstrap distribution that takes the place of a tail (Efron 1987, equation 3.8)."""
    z = z0 + normal.inv_cdf(tail)
    shrink = 1 - acceleration * z
    return normal.cdf(z0 + z / shrink) if shrink > 0 else float(z > 0)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
