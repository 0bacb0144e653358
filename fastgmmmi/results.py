"""MIResult: an estimate of mutual information and what belongs to it."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from inspect import Signature
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import _core, files
from .errors import count
from .inputs import choice, complete, pair
from .mixture import Fitted, GaussianMixture

if TYPE_CHECKING:
    from statistics import NormalDist

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Samples, Variable

UNITS = {"nats": 1.0, "bits": 1 / math.log(2), "bans": 1 / math.log(10)}
_INTERVALS = ("bca", "percentile", "basic", "normal")


@dataclass(frozen=True, repr=False, eq=False)
class MIResult:
    """Mutual information with its error bar.

    What `mutual_information` returns; it is not made by hand. A result is a pair too, ``value, error = r``, and a
    number, ``float(r)``.

    Attributes
    ----------
    value : float
        Bias-corrected estimate, in `units`: twice `plug_in` less the mean of the replicates. Where these choose their
        number of components, each counts for this with the mean of two fits: that choice and `n_components`. The value
        may be below zero.
    standard_error : float or None
        Standard deviation of the bootstrap distribution, in `units`; None where ``n_bootstrap=0``.
    plug_in : float
        Mutual information of the mixture that was fitted to all the data, in `units`; never below zero.
    integration_error : float
        Estimated error of the integral behind `plug_in`, in `units`.
    bootstrap_distribution : ndarray, (n_bootstrap,)
        Mutual information of each replicate, as it is, in `units`; NaN where a replicate could not be fitted.
    n_samples, n_dropped : int
        Rows used, and rows left out because they hold NaN.
    n_components : int
        Components of the mixture.
    units : str
        "nats", "bits" or "bans".
    converged : bool
        Whether the fit to all the data converged.
    reselected : bool
        Whether every replicate chose its number of components anew.
    warnings : tuple of str
        What the user was warned of.
    model : GaussianMixture
        The mixture fitted to all the data, in transformed coordinates, x before y.
    marginals : str
        The map taken of each column: "standardize", "gaussianize" or "none".
    selection : dict
        Number of components to its score, larger is better, for those that were tried.
    seed : int
        Seed of the random numbers: ``rng=seed`` gives the same result again.

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
    n_samples: int
    n_dropped: int
    n_components: int
    units: str
    converged: bool
    reselected: bool
    warnings: tuple[str, ...]
    model: GaussianMixture
    marginals: str
    selection: dict[int, float]
    seed: int
    _acceleration: float
    _dimensions: tuple[int, int]
    _location: Floats
    _scale: Floats
    _data: Samples | None

    def confidence_interval(self, level: float = 0.95, method: str = "bca") -> tuple[float, float]:
        """
        Give a confidence interval from the bootstrap distribution.

        Parameters
        ----------
        level : float
            Confidence, between 0 and 1.
        method : {"bca", "percentile", "basic", "normal"}
            "bca": bias-corrected and accelerated, about `value`. "percentile": quantiles of the bootstrap
            distribution as it is. "basic": these mirrored at `plug_in`. "normal": `value` and `standard_error`.

        Returns
        -------
        low : float
            Lower end, in `units`. Like the upper one it may be below zero.
        high : float
            Upper end, in `units`.

        Raises
        ------
        ValueError
            If there are fewer than two replicates, or `level` or `method` is not one of those allowed.

        Notes
        -----
        The bootstrap distribution is biased twice where the estimate is not: its replicates are moved to the mean
        `value` first. "bca" (Efron 1987) then takes their quantiles; z0 is the median bias that is left, and the
        acceleration is the skewness of the pointwise log ratio over 6 sqrt(n). Where the replicates chose their number
        of components (`reselected`), "bca" covers the "normal" interval too. Replicates that failed are left out.

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
        if len(replicates) < 2 or self.standard_error is None:
            raise ValueError(
                f"an interval needs at least 2 bootstrap replicates, there are {len(replicates)}; raise n_bootstrap"
            )
        normal = NormalDist()
        tails = (1 - level) / 2, (1 + level) / 2
        if method == "normal":
            low, high = (self.value + normal.inv_cdf(p) * self.standard_error for p in tails)
        elif method == "percentile":
            low, high = np.quantile(replicates, tails)
        elif method == "basic":
            high, low = 2 * self.plug_in - np.quantile(replicates, tails)
        else:
            mean = replicates.mean()
            below = np.count_nonzero(replicates < mean) + np.count_nonzero(replicates == mean) / 2
            z0 = normal.inv_cdf(below / len(replicates))
            levels = [_bca_level(normal, p, z0, self._acceleration) for p in tails]
            low, high = self.value - mean + np.quantile(replicates, levels)
            if (
                self.reselected
            ):  # the replicates mix several fits, and the shape of a mixture says little of one estimate
                low = min(low, self.value + normal.inv_cdf(tails[0]) * self.standard_error)
                high = max(high, self.value + normal.inv_cdf(tails[1]) * self.standard_error)
        return float(low), float(high)

    @property
    def normalized(self) -> None:
        """Mutual information over the smaller entropy where both sides are discrete; None for continuous data."""
        return None

    @property
    def correlation(self) -> float:
        """Correlation of two Gaussians with this mutual information: ``sqrt(1 - exp(-2 MI))``, 0 for MI below 0."""
        return math.sqrt(-math.expm1(-2 * max(self.value, 0.0) / UNITS[self.units]))

    def transform(self, x: ArrayLike, y: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """
        Apply the marginal maps to new data.

        Parameters
        ----------
        x : array_like, (n, dx) or (n,)
            Values of x; or with `y` left out both, (n, 2).
        y : array_like, (n, dy) or (n,), optional
            Values of y.

        Returns
        -------
        x : ndarray, (n, dx) or (n,)
            In the coordinates of `model`; one-dimensional where the argument was.
        y : ndarray, (n, dy) or (n,)
            Likewise.

        Raises
        ------
        ValueError
            If dimensions are others than those of the data, or there are NaN or infinities.
        """
        left, right = self._mapped(*pair(x, y))
        return (
            left.reshape(-1) if np.ndim(x) == 1 else left,
            right.reshape(-1) if y is not None and np.ndim(y) == 1 else right,
        )

    def pointwise(self, x: ArrayLike | None = None, y: ArrayLike | None = None) -> Floats:
        """
        Give the log ratio ``log p(x, y) / (p(x) p(y))`` at each sample.

        Parameters
        ----------
        x, y : array_like, optional
            New data, as in `transform`; None takes the data that the estimate was made from.

        Returns
        -------
        ndarray, (n,)
            Pointwise mutual information under the fitted mixture, in `units`.

        Raises
        ------
        ValueError
            If dimensions are others than those of the data, or there are NaN or infinities, or the result was loaded
            from a file, which does not hold the data, and none are passed.
        """
        if x is not None:
            left, right = self._mapped(*pair(x, y))
        elif y is not None:
            raise ValueError("y is given without x")
        else:
            left, right = self._mapped(*self._kept_data().variables)
        if len(left) != len(right):
            raise ValueError(f"y has {count(len(right), 'row')} but x has {len(left)}")
        dx = self._dimensions[0]
        columns = range(sum(self._dimensions))
        joint = self.model.log_density(np.hstack([left, right]))
        x_alone = self.model.marginal(columns[:dx]).log_density(left)
        y_alone = self.model.marginal(columns[dx:]).log_density(right)
        return (joint - x_alone - y_alone) * UNITS[self.units]

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
        interval = self.confidence_interval() if sum(map(math.isfinite, replicates)) > 1 else None
        return {
            "value": _finite(self.value),
            "standard_error": _finite(self.standard_error),
            "confidence_interval": interval and list(interval),
            "units": self.units,
            "plug_in": self.plug_in,
            "integration_error": self.integration_error,
            "bootstrap_distribution": [_finite(replicate) for replicate in replicates],
            "n_samples": self.n_samples,
            "n_dropped": self.n_dropped,
            "n_components": self.n_components,
            "converged": self.converged,
            "reselected": self.reselected,
            "warnings": list(self.warnings),
            "marginals": self.marginals,
            "selection": {str(k): score for k, score in self.selection.items()},
            "correlation": self.correlation,
            "seed": self.seed,
            "model": {name: getattr(self.model, name).tolist() for name in ("weights", "means", "covariances")},
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Save the result, except the data that it was made from.

        Parameters
        ----------
        path : path-like
            File to write, in NumPy's .npz format.
        """
        model, arrays = self.model._state.split()
        numbers = {name: getattr(self, name) for name in _SAVED_NUMBERS}
        arrays |= {name: getattr(self, name) for name in _SAVED_ARRAYS}
        for j, (knots, scores) in enumerate(self._normal_scores):
            arrays |= {f"knots_{j}": knots, f"scores_{j}": scores}
        files.save(path, type(self).__name__, {**numbers, "model": model}, arrays)

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
        fitted = Fitted.join(numbers.pop("model"), arrays)
        numbers |= {name: tuple(numbers[name]) for name in ("warnings", "_dimensions")}
        numbers |= {name: arrays[name] for name in _SAVED_ARRAYS}
        result = cls(
            **numbers,
            n_components=len(fitted.weights),
            selection=dict(fitted.selection or {}),
            model=GaussianMixture()._with(fitted),
            _data=None,
        )
        columns = range(sum(result._dimensions)) if result.marginals == "gaussianize" else ()
        result.__dict__["_normal_scores"] = [(arrays[f"knots_{j}"], arrays[f"scores_{j}"]) for j in columns]
        return result

    def __float__(self) -> float:
        return self.value

    def __iter__(self) -> Iterator[float | None]:
        return iter((self.value, self.standard_error))

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, MIResult) else NotImplemented

    def __repr__(self) -> str:
        return f"{self.amount()} (n={self.n_samples}, {count(self.n_components, 'component')})"

    def amount(self) -> str:
        """
        Give value, error and units as text, the error to two digits.

        Returns
        -------
        str
            For instance "0.214 ± 0.043 nats".
        """
        return amount(self.value, self.standard_error, self.units)

    def _kept_data(self) -> Samples:
        if self._data is None:
            raise ValueError("the result was loaded from a file, which does not hold the data; pass x and y")
        return self._data

    @cached_property
    def _normal_scores(self) -> list[tuple[Floats, Floats]]:
        """The map of each column to normal scores, after location and scale; empty where none is taken."""
        if self.marginals != "gaussianize":
            return []
        data = self._kept_data()
        columns = np.hstack([variable.values for variable in data.variables])
        return [
            _core.normal_scores(np.ascontiguousarray((column - location) / scale), data.sample_weight)
            for column, location, scale in zip(columns.T, self._location, self._scale, strict=True)
        ]

    def _mapped(self, x: Variable, y: Variable) -> tuple[Floats, Floats]:
        """Map x and y to the coordinates of the model."""
        dx, dy = self._dimensions
        return self._map(x, slice(0, dx)), self._map(y, slice(dx, dx + dy))

    def _map(self, variable: Variable, columns: slice) -> Floats:
        values = complete(variable)
        location, scale = self._location[columns], self._scale[columns]
        if values.shape[1] != len(scale):
            columns_found = count(values.shape[1], "column")
            raise ValueError(f"{variable.argument} has {columns_found}, the data had {len(scale)}")
        mapped = (values - location) / scale
        for j, (knots, scores) in enumerate(self._normal_scores[columns]):
            mapped[:, j] = _core.apply_normal_scores(knots, scores, np.ascontiguousarray(mapped[:, j]))
        return mapped


_SAVED_ARRAYS = ("bootstrap_distribution", "_location", "_scale")
_SAVED_NUMBERS = (
    "value",
    "standard_error",
    "plug_in",
    "integration_error",
    "n_samples",
    "n_dropped",
    "units",
    "converged",
    "reselected",
    "warnings",
    "marginals",
    "seed",
    "_acceleration",
    "_dimensions",
)


def from_core(
    found: Mapping[str, Any], data: Samples, units: str, marginals: str, seed: int, warnings: tuple[str, ...]
) -> MIResult:
    """Make a result of what the core returned, in nats, for checked data."""
    unit = UNITS[units]
    bootstrap = found["bootstrap"] * unit
    bootstrap.flags.writeable = False
    fitted = Fitted.from_core(found)
    x, y = data.variables
    return MIResult(
        value=found["value"] * unit,
        standard_error=found["standard_error"] * unit if len(bootstrap) else None,
        plug_in=found["plug_in"] * unit,
        integration_error=found["integration_error"] * unit,
        bootstrap_distribution=bootstrap,
        n_samples=data.n,
        n_dropped=data.n_dropped,
        n_components=found["n_components"],
        units=units,
        converged=bool(found["converged"]),
        reselected=bool(found["reselected"]),
        warnings=warnings,
        model=GaussianMixture()._with(fitted),
        marginals=marginals,
        selection=dict(fitted.selection or {}),
        seed=seed,
        _acceleration=found["acceleration"],
        _dimensions=(x.values.shape[1], y.values.shape[1]),
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


def _bca_level(normal: NormalDist, tail: float, z0: float, acceleration: float) -> float:
    """Quantile of the bootstrap distribution that takes the place of a tail (Efron 1987, equation 3.8)."""
    z = z0 + normal.inv_cdf(tail)
    shrink = 1 - acceleration * z
    return normal.cdf(z0 + z / shrink) if shrink > 0 else float(z > 0)


def _finite(number: float | None) -> float | None:
    return number if number is not None and math.isfinite(number) else None
