"""Drop-in for code written for the gmm-mi package, version 0.8.2: its names and its defaults, on the core of this one.

The answers are gmm-mi's own quantities: mean and standard deviation of the bootstrap distribution, without correction
of the bias. `fastgmmmi.mutual_information` is what new code should call. docs/gmm_mi.md lists what differs.

gmm-mi's source was not read for this: the names are those of its published interface.
"""

from __future__ import annotations

import math
import numbers
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from . import _core, files, parallel
from .errors import ConvergenceWarning, DegenerateDataError, NotFittedError, count
from .information import findings
from .inputs import Samples, Variable, choice, complete, core_options, positive_number, variable, whole_number
from .mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Integers

    Mixture: TypeAlias = tuple[Floats, Floats, Floats]  # weights (K,), means (K, d), covariances (K, d, d)
    Estimate: TypeAlias = tuple[np.float64, np.float64 | None]

__all__ = ["EstimateMI", "GMMFitParamHolder", "MIDistParamHolder", "SelectComponentsParamHolder"]

_SEED = 0  # of everything random: the same data give the same answer
_INTEGRATION_TOL = 1e-5  # nats; of information up to dimension 3, above it is a tenth of the error

INIT_TYPES = ("random", "minmax", "kmeans", "randomized_kmeans", "random_sklearn", "kmeans_sklearn")
METRIC_METHODS = ("valid", "aic", "bic")
_CRITERIA = {"valid": "cv", "aic": "aic", "bic": "bic"}
INTEGRAL_METHODS = ("MC", "quad")
KL_ORDERS = ("forward", "reverse")


# ---- parameters ------------------------------------------------------------------------------------------------------

_Check: TypeAlias = Callable[[str, object], Any]


def _nonnegative_number(name: str, value: object) -> float:
    """Give value as a float where it is zero or a finite number above."""
    return 0.0 if isinstance(value, numbers.Real) and value == 0 else positive_number(name, value)


class _ParamHolder:
    """Parameters that are checked whenever they are set; setting one that does not exist is an AttributeError."""

    __slots__ = ()
    _checks: ClassVar[Mapping[str, _Check]]

    def __setattr__(self, name: str, value: object) -> None:
        if name not in self._checks:
            raise AttributeError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(self._checks)}")
        object.__setattr__(self, name, self._checks[name](name, value))


@dataclass(slots=True)
class GMMFitParamHolder(_ParamHolder):
    """
    How one mixture is fitted.

    Parameters
    ----------
    init_type : {"random_sklearn", "random", "minmax", "kmeans", "randomized_kmeans", "kmeans_sklearn"}
        Starting points of EM.
    scale : float, optional
        Radius of the balls that "random" and "minmax" start from, in the data's units; of "randomized_kmeans", how far
        the means are pushed, in standard deviations of their clusters. None: balls that fill the data's bounding box,
        and 1.
    threshold_fit : float
        EM stops where less log-likelihood than this is left to gain per sample, in nats.
    reg_covar : float
        Smallest variance of a component in any direction, in the data's units squared.
    max_iter : int
        Largest number of EM passes.

    Raises
    ------
    ValueError
        If a value is not one of those allowed, now or when it is set later.
    AttributeError
        If a parameter is set that does not exist.

    Examples
    --------
    >>> from fastgmmmi.gmm_mi import GMMFitParamHolder
    >>> GMMFitParamHolder(init_type="kmeans")
    GMMFitParamHolder(init_type='kmeans', scale=None, threshold_fit=1e-05, reg_covar=1e-15, max_iter=10000)
    """

    init_type: str = "random_sklearn"
    scale: float | None = None
    threshold_fit: float = 1e-5
    reg_covar: float = 1e-15
    max_iter: int = 10000

    _checks: ClassVar[Mapping[str, _Check]] = {
        "init_type": lambda name, value: choice(name, value, INIT_TYPES),
        "scale": lambda name, value: None if value is None else positive_number(name, value),
        "threshold_fit": positive_number,
        "reg_covar": _nonnegative_number,
        "max_iter": lambda name, value: whole_number(name, value, 1),
    }


@dataclass(slots=True)
class SelectComponentsParamHolder(_ParamHolder):
    """
    How the number of components is selected.

    Parameters
    ----------
    n_inits : int
        Starting points of each fit.
    n_folds : int
        Folds of the cross-validation.
    metric_method : {"valid", "aic", "bic"}
        What selects: the log-likelihood of held-out samples, or an information criterion.
    threshold_components : float
        Least improvement of the metric that counts: nats per sample for "valid", units of the criterion otherwise.
    patience : int
        Numbers of components tried without an improvement before the search ends.
    max_components : int
        Largest number tried.
    fixed_components_number : int
        Number of components; 0 selects it.

    Raises
    ------
    ValueError
        If a value is not one of those allowed, now or when it is set later.
    AttributeError
        If a parameter is set that does not exist.

    Examples
    --------
    >>> from fastgmmmi.gmm_mi import SelectComponentsParamHolder
    >>> select = SelectComponentsParamHolder(n_folds=5)
    >>> select.patience = 2
    """

    n_inits: int = 3
    n_folds: int = 2
    metric_method: str = "valid"
    threshold_components: float = 1e-5
    patience: int = 1
    max_components: int = 50
    fixed_components_number: int = 0

    _checks: ClassVar[Mapping[str, _Check]] = {
        "n_inits": lambda name, value: whole_number(name, value, 1),
        "n_folds": lambda name, value: whole_number(name, value, 2, 64),
        "metric_method": lambda name, value: choice(name, value, METRIC_METHODS),
        "threshold_components": _nonnegative_number,
        "patience": lambda name, value: whole_number(name, value, 1),
        "max_components": lambda name, value: whole_number(name, value, 1, 1024),
        "fixed_components_number": lambda name, value: whole_number(name, value, 0, 1024),
    }

    @property
    def fixed_components(self) -> bool:
        """Whether the number of components is fixed."""
        return self.fixed_components_number > 0


@dataclass(slots=True)
class MIDistParamHolder(_ParamHolder):
    """
    How the distribution of the estimate is found.

    Parameters
    ----------
    n_bootstrap : int
        Bootstrap replicates. Below 1, the estimate is that of the mixture fitted to all the data.
    integral_method : {"MC", "quad"}
        Both stand for the deterministic integral of this package.
    MC_samples : float
        Without effect: the integral is deterministic.

    Raises
    ------
    ValueError
        If a value is not one of those allowed, now or when it is set later.
    AttributeError
        If a parameter is set that does not exist.

    Examples
    --------
    >>> from fastgmmmi.gmm_mi import MIDistParamHolder
    >>> MIDistParamHolder(n_bootstrap=100)
    MIDistParamHolder(n_bootstrap=100, integral_method='MC', MC_samples=100000.0)
    """

    n_bootstrap: int = 50
    integral_method: str = "MC"
    MC_samples: float = 1e5

    _checks: ClassVar[Mapping[str, _Check]] = {
        "n_bootstrap": lambda name, value: whole_number(name, value, -(2**31)),
        "integral_method": lambda name, value: choice(name, value, INTEGRAL_METHODS),
        "MC_samples": positive_number,
    }


_AnyHolder = GMMFitParamHolder | SelectComponentsParamHolder | MIDistParamHolder


def _holder(argument: str, given: object, kind: type[Any]) -> Any:
    """Give what was passed, or the defaults."""
    if given is not None and not isinstance(given, kind):
        raise TypeError(f"{argument} must be a {kind.__name__}, got {given!r}")
    return kind() if given is None else given


# ---- the fit ---------------------------------------------------------------------------------------------------------


class _Fit(NamedTuple):
    """What was fitted: one mixture of all columns, or one for each class, their parameters one after the other."""

    samples: Samples  # the columns one by one: x, y, and the others as given; or x, and the classes as y
    class_components: Integers  # (n_classes,), 1 where there are no classes
    weights: Floats  # (K,)
    means: Floats  # (K, d)
    covariances: Floats  # (K, d, d)
    metrics: list[dict[int, float]]  # of each class: of each number tried, larger is better; empty where it was fixed
    plug_in: float
    converged: bool  # the fits, and the searches where there were any

    @property
    def is_categorical(self) -> bool:
        return self.samples.variables[1].codes is not None

    @property
    def labels(self) -> tuple[Any, ...]:
        """The classes; None alone where there are none."""
        return self.samples.variables[1].labels if self.is_categorical else (None,)

    @property
    def X(self) -> Floats:
        """All columns, (n, d)."""
        return _columns(self.samples)

    @property
    def parts(self) -> dict[Any, _Part]:
        """What belongs to each class."""
        X, codes, last = self.X, self.samples.variables[1].codes, np.cumsum(self.class_components).tolist()
        parts = {}
        for c, (label, k, metrics) in enumerate(zip(self.labels, self.class_components, self.metrics, strict=True)):
            mine = slice(last[c] - int(k), last[c])
            mixture = self.weights[mine], self.means[mine], self.covariances[mine]
            parts[label] = _Part(X if codes is None else X[codes == c], mixture, metrics)
        return parts


class _Part(NamedTuple):
    """The mixture of one class, or of all rows."""

    X: Floats  # (n, d)
    mixture: Mixture
    metrics: dict[int, float]

    @property
    def n_components(self) -> int:
        return len(self.mixture[0])


def _columns(samples: Samples) -> Floats:
    """All continuous columns beside each other."""
    return np.column_stack([variable.values for variable in samples.variables])


def _log_widths(X: Floats) -> Floats:
    """Logarithm of the standard deviation of each column, whatever its unit."""
    with np.errstate(all="ignore"):
        unit = np.abs(X).max(axis=0)
        widths: Floats = np.log(unit) + np.log((X / unit).std(axis=0))
    return widths


def _options(X: Floats, fit: GMMFitParamHolder, select: SelectComponentsParamHolder) -> dict[str, int | float]:
    """Parameters of gmm-mi as options of the core, whose scale is relative to the spread of the data."""
    options = core_options(
        n_components=select.fixed_components_number or None,
        max_components=select.max_components,
        criterion=_CRITERIA[select.metric_method],
        init=fit.init_type,
        n_folds=select.n_folds,
        n_inits=select.n_inits,
        patience=select.patience,
        tol=fit.threshold_fit,
        max_iter=fit.max_iter,
        marginals="none",
        n_bootstrap=0,
        reselect=False,
        integration_tol=_INTEGRATION_TOL,
    )
    options |= {
        "equal_classes": 1,
        "least_gain": select.threshold_components,
        "least_variance": fit.reg_covar,
    }
    if fit.scale is not None:
        spread = 1.0 if fit.init_type == "randomized_kmeans" else math.exp(_log_widths(X).mean())
        options["init_scale"] = fit.scale / spread if 0 < spread < math.inf else fit.scale  # the core tells why it is 0
    return options


def _fit_mixtures(samples: Samples, fit: GMMFitParamHolder, select: SelectComponentsParamHolder, verbose: bool) -> _Fit:
    """Select numbers of components and fit them, all of it in the core."""
    X = _columns(samples)
    try:
        found = _core.information(
            *samples.arrays, _options(X, fit, select), _SEED, parallel.resolve_threads(None), None
        )
    except _core.CoreError as error:
        raise samples.explain(error) from None
    for message, category in findings(dict(found)):
        warnings.warn(message, category, stacklevel=3)
    if 0.5 * math.log(max(fit.reg_covar, 5e-324)) > _log_widths(X).min():
        message = f"reg_covar={fit.reg_covar:g} is more than the variance of a column, and swamps it"
        warnings.warn(message, UserWarning, stacklevel=3)
    rows = np.bincount(samples.variables[1].codes) if samples.variables[1].codes is not None else [len(X)]
    metrics = [_in_units(select.metric_method, scores, X, n) for scores, n in zip(found["scores"], rows, strict=True)]
    ended = all(
        not tried or len(tried) - k == select.patience
        for tried, k in zip(metrics, found["class_components"].tolist(), strict=True)
    )
    fitted = _Fit(
        samples,
        found["class_components"],
        found["weights"],
        found["means"],
        found["covariances"],
        metrics,
        found["plug_in"],
        found["converged"] and ended,
    )
    if verbose:
        for label, part in fitted.parts.items():
            what = f"class {label!r}: " if fitted.is_categorical else ""
            print(f"{what}{count(part.n_components, 'component')}, {'' if fitted.converged else 'not '}converged")
    return fitted


def _in_units(method: str, scores: Floats, X: Floats, n: int) -> dict[int, float]:
    """Scores of the core, of n standardised samples, as gmm-mi has them: of a criterion, minus its value."""
    tried = scores[~np.isnan(scores)] - _log_widths(X).sum()
    return dict(enumerate((tried if method == "valid" else 2 * n * tried).tolist(), 1))


# ---- bootstrap -------------------------------------------------------------------------------------------------------


def _information_distribution(found: _Fit, options: dict[str, int | float], total: int) -> Floats:
    """Information in each of total resamples, by the core; without any, that of the fit."""
    if total < 1:
        return np.array([found.plug_in])
    options = {**options, "n_bootstrap": total}
    parameters = found.class_components, found.weights, found.means, found.covariances
    job = (*found.samples.arrays, options, _SEED, *parameters)
    bounds = np.linspace(0, total, min(parallel.resolve_threads(None), total) + 1).astype(int).tolist()
    spans = [(first, last - first) for first, last in pairwise(bounds)]
    parts = parallel.share(lambda span: _core.information_range(*job, *span), spans)
    return np.concatenate([values for values, _ in parts])


def _divergence_distribution(found: _Fit, options: dict[str, int | float], total: int, order: str) -> Floats:
    """Divergence of the first two variables in each of total resamples; without any, that of the fit."""
    X, n_components = found.X, len(found.weights)
    if total < 1:
        return np.array([_divergence((found.weights, found.means, found.covariances), order)])

    def replicate(index: int) -> float:
        drawn = np.random.default_rng([_SEED, index]).poisson(1.0, len(X)).astype(float)
        try:
            fit = _core.fit(X, drawn, {**options, "n_components": n_components}, _SEED, 1, None)
        except _core.CoreError:
            return math.nan
        return _divergence((fit["weights"], fit["means"], fit["covariances"]), order)

    return np.array(parallel.share(replicate, range(total)))


def _divergence(mixture: Mixture, order: str) -> float:
    """Kullback-Leibler divergence between the first two variables."""
    weights, means, covariances = mixture
    columns = (0, 1) if order == "forward" else (1, 0)
    p, q = ((weights, *_core.marginal(means, covariances, np.array([column], np.int32))) for column in columns)
    return _core.kl_divergence(*p, *q, _INTEGRATION_TOL, _SEED)[0]


def _mean_and_std(values: Floats, total: int, base: float) -> Estimate:
    """Mean and standard deviation of the replicates that could be fitted, in units of log(base)."""
    there = values[~np.isnan(values)] / math.log(base)
    if not there.size:
        raise DegenerateDataError("none of the bootstrap replicates could be fitted")
    if there.size < values.size:
        message = f"{values.size - there.size} of {total} bootstrap replicates could not be fitted; they are left out"
        warnings.warn(message, ConvergenceWarning, stacklevel=3)
    return there.mean(), None if total < 1 else there.std(ddof=1) if there.size > 1 else np.float64(np.nan)


def _base(base: object) -> float:
    """Check the base of the logarithm."""
    if positive_number("base", base) == 1:
        raise ValueError("base must not be 1")
    return positive_number("base", base)


# ---- the estimator ---------------------------------------------------------------------------------------------------


class EstimateMI:
    """
    Mutual information as the gmm-mi package estimates it.

    Parameters
    ----------
    gmm_fit_params : GMMFitParamHolder, optional
        How one mixture is fitted.
    select_components_params : SelectComponentsParamHolder, optional
        How the number of components is selected.

    Attributes
    ----------
    MI_mean, MI_std : float
        Mean and standard deviation of the bootstrap distribution; `MI_std` is None without a bootstrap. Both are None
        before an estimate.
    KL_mean, KL_std : float
        The same of the Kullback-Leibler divergence between the two marginals, where that was asked for; else None.
    best_components : int
        Number of components selected; of a categorical fit, a dict from class to number. None before a fit.
    converged : bool
        Whether the fit converged and the search for the number of components came to an end before `max_components`.
    fit_done : bool
        Whether there is a fit.
    gmm_fit_params, sel_comp_params, mi_dist_params
        The parameters in use.

    See Also
    --------
    fastgmmmi.mutual_information : For new code: corrects the bias, and its error bar includes the selection.

    Notes
    -----
    Results depend on the data and parameters alone; every seed is fixed. Piras et al. (2023), arXiv:2211.00024,
    describe the method.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgmmmi.gmm_mi import EstimateMI
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> MI_mean, MI_std = EstimateMI().fit_estimate(np.column_stack([x, x + noise]))  # exactly log(2) / 2 = 0.347
    >>> bool(abs(MI_mean - np.log(2) / 2) < 3 * MI_std)
    True
    """

    gmm_fit_params: GMMFitParamHolder
    sel_comp_params: SelectComponentsParamHolder
    mi_dist_params: MIDistParamHolder | None
    MI_mean: np.float64 | None
    MI_std: np.float64 | None
    KL_mean: np.float64 | None
    KL_std: np.float64 | None
    _fit: _Fit | None
    _found: dict[Any, dict[int, dict[str, Any]]]  # what results_dict shows, once it was asked for

    __slots__ = (
        "KL_mean",
        "KL_std",
        "MI_mean",
        "MI_std",
        "__weakref__",
        "_fit",
        "_found",
        "gmm_fit_params",
        "mi_dist_params",
        "sel_comp_params",
    )

    def __init__(
        self,
        gmm_fit_params: GMMFitParamHolder | None = None,
        select_components_params: SelectComponentsParamHolder | None = None,
    ) -> None:
        self.gmm_fit_params = _holder("gmm_fit_params", gmm_fit_params, GMMFitParamHolder)
        self.sel_comp_params = _holder(
            "select_components_params", select_components_params, SelectComponentsParamHolder
        )
        self.mi_dist_params = None
        self._accept(None)

    def fit(self, X: ArrayLike, Y: ArrayLike | None = None, verbose: bool = False) -> None:
        """
        Fit a mixture to the joint distribution.

        Parameters
        ----------
        X : array_like, (n, 2) or (n, d), or (n,) where Y is given
            Samples. With more than two columns the information is that of the first two given the others.
        Y : array_like, (n,), optional
            Samples of the second variable.
        verbose : bool
            Print what was selected.

        Raises
        ------
        ValueError
            If data are not usable: NaN, infinities, shapes, too few samples; the message says which and where.
        DegenerateDataError
            If a column is constant, or a linear function of the others. It is a ValueError.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> mi = EstimateMI()
        >>> mi.fit(np.random.default_rng(0).normal(size=(500, 2)))
        >>> mi.best_components, mi.converged
        (1, True)
        """
        self._accept(_fit_mixtures(_joint(X, Y), self.gmm_fit_params, self.sel_comp_params, verbose))

    def estimate(
        self,
        mi_dist_params: MIDistParamHolder | None = None,
        include_kl: bool = False,
        kl_order: str = "forward",
        base: float = math.e,
        verbose: bool = False,
    ) -> Estimate:
        """
        Estimate the mutual information of the mixture that was fitted.

        Parameters
        ----------
        mi_dist_params : MIDistParamHolder, optional
            How the distribution is found.
        include_kl : bool
            Whether to estimate the Kullback-Leibler divergence between the first two variables as well, into `KL_mean`
            and `KL_std`.
        kl_order : {"forward", "reverse"}
            KL(x || y) or KL(y || x).
        base : float
            Base of the logarithm; e gives nats, 2 bits.
        verbose : bool
            Print the estimate.

        Returns
        -------
        MI_mean : float
            Mean of the bootstrap distribution.
        MI_std : float
            Its standard deviation; None without a bootstrap.

        Raises
        ------
        NotFittedError
            If nothing was fitted by `fit`.
        ValueError
            If an argument is not one of those allowed.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI, MIDistParamHolder
        >>> mi = EstimateMI()
        >>> mi.fit(np.random.default_rng(0).normal(size=(500, 2)))
        >>> bits, error = mi.estimate(MIDistParamHolder(n_bootstrap=20), base=2)
        """
        found = self._fitted("fit", is_categorical=False)
        choice("kl_order", kl_order, KL_ORDERS)
        estimate = self._estimate(found, mi_dist_params, base, verbose)
        if include_kl and self.mi_dist_params is not None:
            total = self.mi_dist_params.n_bootstrap
            values = _divergence_distribution(found, self._options(found), total, kl_order)
            self.KL_mean, self.KL_std = _mean_and_std(values, total, base)
        return estimate

    def fit_estimate(
        self,
        X: ArrayLike,
        Y: ArrayLike | None = None,
        mi_dist_params: MIDistParamHolder | None = None,
        include_kl: bool = False,
        kl_order: str = "forward",
        base: float = math.e,
        verbose: bool = False,
    ) -> Estimate:
        """
        Fit a mixture, and estimate its mutual information.

        Parameters
        ----------
        X : array_like, (n, 2) or (n, d), or (n,) where Y is given
            Samples. With more than two columns the information is that of the first two given the others.
        Y : array_like, (n,), optional
            Samples of the second variable.
        mi_dist_params : MIDistParamHolder, optional
            How the distribution is found.
        include_kl : bool
            Whether to estimate the Kullback-Leibler divergence between the first two variables as well.
        kl_order : {"forward", "reverse"}
            KL(x || y) or KL(y || x).
        base : float
            Base of the logarithm; e gives nats, 2 bits.
        verbose : bool
            Print what was selected, and the estimate.

        Returns
        -------
        MI_mean : float
            Mean of the bootstrap distribution.
        MI_std : float
            Its standard deviation; None without a bootstrap.

        Raises
        ------
        ValueError
            If data or an argument are not usable; the message says why.
        DegenerateDataError
            If a column is constant, or a linear function of the others. It is a ValueError.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> x, y = np.random.default_rng(0).normal(size=(2, 500))
        >>> MI_mean, MI_std = EstimateMI().fit_estimate(x, y)  # exactly 0
        >>> bool(MI_mean < 0.02)
        True
        """
        self.fit(X, Y, verbose)
        return self.estimate(mi_dist_params, include_kl, kl_order, base, verbose)

    def fit_categorical(self, X: ArrayLike, Y: ArrayLike | None = None, verbose: bool = False) -> None:
        """
        Fit a mixture to the samples of each class.

        Parameters
        ----------
        X : array_like, (n,) or (n, d)
            Samples of the continuous variable. Where Y is left out, the last column holds the classes.
        Y : array_like, (n,), optional
            Class of each sample: numbers, strings or any other values.
        verbose : bool
            Print what was selected.

        Raises
        ------
        ValueError
            If data are not usable; the message says why, and in which class.
        DegenerateDataError
            If there is one class only, or a column is constant within a class. It is a ValueError.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> x = np.random.default_rng(0).normal(size=600)
        >>> mi = EstimateMI()
        >>> mi.fit_categorical(x, ["a", "b", "c"] * 200)
        >>> list(mi.best_components)
        ['a', 'b', 'c']
        """
        self._accept(_fit_mixtures(_classes(X, Y), self.gmm_fit_params, self.sel_comp_params, verbose))

    def estimate_categorical(
        self, mi_dist_params: MIDistParamHolder | None = None, base: float = math.e, verbose: bool = False
    ) -> Estimate:
        """
        Estimate the mutual information of the variable and the class that were fitted.

        Parameters
        ----------
        mi_dist_params : MIDistParamHolder, optional
            How the distribution is found.
        base : float
            Base of the logarithm; e gives nats, 2 bits.
        verbose : bool
            Print the estimate.

        Returns
        -------
        MI_mean : float
            Mean of the bootstrap distribution.
        MI_std : float
            Its standard deviation; None without a bootstrap.

        Raises
        ------
        NotFittedError
            If nothing was fitted by `fit_categorical`.
        ValueError
            If an argument is not one of those allowed.

        Notes
        -----
        ``MI = (1/C) sum_c KL(p(x|c) || p(x))`` with ``p(x) = (1/C) sum_c p(x|c)``: all C classes count as equally
        probable, as in gmm-mi, whatever their numbers of samples. Each class is resampled on its own.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> x, labels = np.random.default_rng(0).normal(size=300), np.arange(300) % 2
        >>> mi = EstimateMI()
        >>> mi.fit_categorical(x + 3 * labels, labels)
        >>> MI_mean, MI_std = mi.estimate_categorical(base=2)  # of at most one bit
        """
        return self._estimate(self._fitted("fit_categorical", is_categorical=True), mi_dist_params, base, verbose)

    def fit_estimate_categorical(
        self,
        X: ArrayLike,
        Y: ArrayLike | None = None,
        mi_dist_params: MIDistParamHolder | None = None,
        base: float = math.e,
        verbose: bool = False,
    ) -> Estimate:
        """
        Fit a mixture to each class, and estimate the mutual information of the variable and the class.

        Parameters
        ----------
        X : array_like, (n,) or (n, d)
            Samples of the continuous variable. Where Y is left out, the last column holds the classes.
        Y : array_like, (n,), optional
            Class of each sample: numbers, strings or any other values.
        mi_dist_params : MIDistParamHolder, optional
            How the distribution is found.
        base : float
            Base of the logarithm; e gives nats, 2 bits.
        verbose : bool
            Print what was selected, and the estimate.

        Returns
        -------
        MI_mean : float
            Mean of the bootstrap distribution.
        MI_std : float
            Its standard deviation; None without a bootstrap.

        Raises
        ------
        ValueError
            If data or an argument are not usable; the message says why.
        DegenerateDataError
            If there is one class only, or a column is constant within a class. It is a ValueError.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> x, labels = np.random.default_rng(0).normal(size=300), np.arange(300) % 2
        >>> MI_mean, MI_std = EstimateMI().fit_estimate_categorical(x + 3 * labels, labels)
        """
        self.fit_categorical(X, Y, verbose)
        return self.estimate_categorical(mi_dist_params, base, verbose)

    # ---- what a fit found ----

    @property
    def fit_done(self) -> bool:
        """Whether there is a fit."""
        return self._fit is not None

    @property
    def converged(self) -> bool:
        """Whether the fits converged, and the searches for the number of components came to an end."""
        return self._fit is not None and self._fit.converged

    @property
    def best_components(self) -> Any:
        """Number of components; of a categorical fit, a dict from class to number; None before a fit."""
        return self._by_class(lambda part: part.n_components)

    @property
    def model(self) -> Any:
        """The fitted `fastgmmmi.GaussianMixture`; of a categorical fit, a dict from class to mixture; None before."""
        return self._by_class(lambda part: GaussianMixture.from_parameters(*part.mixture))

    @property
    def results_dict(self) -> Any:
        """
        The search for the number of components, as a dict from each number tried to what was found there.

        That is a dict of: `metric` (what selected; larger is better), `valid_score`, `aic` and `bic`, where the number
        was not fixed; and, of one more fit from each starting point in each fold, `best_seed` and `best_fold_in_init`
        (the starting point with the largest mean `best_val_score`, the held-out log-likelihood per sample, and its best
        fold), `all_ws`, `all_ms`, `all_ps` (weights, means and precisions, (n_inits, n_folds, ...)),
        `convergence_flags`, and `all_lcurves`: two by two, of the samples fitted and of those held out, arrays of one
        number, the mean log-likelihood per sample where the fit has ended. All this is worked out when it is first
        asked for. Of a categorical fit, a dict from class to such a dict. Empty before a fit.
        """
        if self._fit is None:
            return {}
        if not self._found:
            options = self._options(self._fit)
            self._found = {
                label: _records(part, options, self.sel_comp_params) for label, part in self._fit.parts.items()
            }
        return self._found if self._fit.is_categorical else self._found[None]

    @property
    def lcurves(self) -> Any:
        """The learning curves of the number of components selected: its `all_lcurves` in `results_dict`."""
        if self._fit is None:
            return None
        if not self._fit.is_categorical:
            return self.results_dict[self.best_components]["all_lcurves"]
        return {label: found[self.best_components[label]]["all_lcurves"] for label, found in self.results_dict.items()}

    def plot_fitted_model(self, ax: Any = None, **kwargs: Any) -> Any:
        """
        Draw the components: the ellipse of two standard deviations of each, and its mean.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes new axes.
        **kwargs
            Properties of matplotlib's Ellipse, such as color and alpha.

        Returns
        -------
        matplotlib.axes.Axes
            The axes. With more than two variables they show the first two.

        Raises
        ------
        NotFittedError
            If nothing was fitted by `fit`.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> mi = EstimateMI()
        >>> mi.fit(np.random.default_rng(0).normal(size=(500, 2)))
        >>> ax = mi.plot_fitted_model(color="salmon", alpha=0.3)  # needs matplotlib
        """
        from matplotlib import pyplot
        from matplotlib.patches import Ellipse

        found = self._fitted("fit", is_categorical=False)
        if ax is None:
            ax = pyplot.subplots()[1]
        for mean, covariance in zip(found.means[:, :2], found.covariances[:, :2, :2], strict=True):
            variances, directions = np.linalg.eigh(covariance)
            angle = math.degrees(math.atan2(directions[1, 1], directions[0, 1]))
            height, width = 4.0 * np.sqrt(variances)
            ellipse = ax.add_patch(Ellipse(mean, width, height, angle=angle, **{"alpha": 0.3, **kwargs}))
            ax.scatter(*mean, marker="x", color=ellipse.get_facecolor()[:3])
        ax.autoscale_view()
        return ax

    def plot_fitted_contours(
        self,
        parameters: Sequence[str] | None = None,
        extents: Sequence[tuple[float, float]] | Mapping[str, tuple[float, float]] | None = None,
        n_samples: int | None = None,
        **kwargs: Any,
    ) -> Any:
        """
        Draw the fitted density over the data: contours that hold 68 and 95% of it, and the marginals.

        Parameters
        ----------
        parameters : sequence of str, optional
            Names of the variables.
        extents : sequence of (low, high), or dict from name to them, optional
            Range of each variable; None takes that of the data.
        n_samples : int, optional
            Draws from the mixture that set the levels of the contours; None: as many as there are data.
        **kwargs
            Properties of matplotlib's contour, such as colors.

        Returns
        -------
        matplotlib.figure.Figure
            The figure: a panel for each variable, and one for each pair.

        Raises
        ------
        NotFittedError
            If nothing was fitted by `fit`.
        ValueError
            If `parameters` or `extents` are not one for each variable.

        Examples
        --------
        >>> import numpy as np
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> mi = EstimateMI()
        >>> mi.fit(np.random.default_rng(0).normal(size=(500, 2)))
        >>> figure = mi.plot_fitted_contours(parameters=["x", "y"])  # needs matplotlib
        """
        from matplotlib import pyplot

        X = self._fitted("fit", is_categorical=False).X
        d = X.shape[1]
        names = [f"x{j}" for j in range(d)] if parameters is None else [*parameters]
        ranges = (
            [*X.T] if extents is None else [extents[n] for n in names] if isinstance(extents, Mapping) else [*extents]
        )
        if len(names) != d or len(ranges) != d:
            raise ValueError(f"parameters and extents must be one for each of the {d} variables")
        draws = self.model.sample(len(X) if n_samples is None else n_samples, rng=_SEED)
        axes = [np.linspace(np.min(r), np.max(r), 100) for r in ranges]
        figure, panels = pyplot.subplots(d, d, sharex="col", squeeze=False, figsize=(2.5 * d, 2.5 * d))
        for i in range(d):
            _draw_marginal(panels[i, i], self.model.marginal(i), X[:, i], axes[i])
            panels[-1, i].set_xlabel(names[i])
            for j in range(d):
                if j > i:
                    panels[i, j].axis("off")
                elif j < i:
                    pair = self.model.marginal([j, i])
                    _draw_contours(panels[i, j], pair, X[:, [j, i]], draws[:, [j, i]], axes[j], axes[i], kwargs)
            if i > 0:
                panels[i, 0].set_ylabel(names[i])
        return figure

    def save(self, name: str | os.PathLike[str]) -> None:
        """
        Save data, parameters, fits and estimates.

        Parameters
        ----------
        name : path-like
            File to write; .npz is added where it is missing. Class labels other than numbers and strings become
            strings.

        Raises
        ------
        NotFittedError
            If there is no fit.

        Examples
        --------
        >>> import numpy as np, os, tempfile
        >>> from fastgmmmi.gmm_mi import EstimateMI
        >>> mi, same = EstimateMI(), EstimateMI()
        >>> mi.fit(np.random.default_rng(0).normal(size=(500, 2)))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     mi.save(os.path.join(folder, "mi"))
        ...     same.load(os.path.join(folder, "mi"))
        >>> same.estimate() == mi.estimate()
        True
        """
        found = self._fit
        if found is None:
            raise NotFittedError("there is nothing to save; call fit first")
        holders = {name: getattr(self, name) for name in _HOLDERS}
        numbers = {
            "labels": [_portable(label) for label in found.labels],
            "metrics": found.metrics,
            "plug_in": found.plug_in,
            "converged": found.converged,
            "estimates": {name: getattr(self, name) for name in _ESTIMATES},
            "holders": {name: holder and asdict(holder) for name, holder in holders.items()},
        }
        arrays = {name: getattr(found, name) for name in _ARRAYS}
        if found.is_categorical:
            arrays["codes"] = found.samples.variables[1].codes
        files.save(_file(name), type(self).__name__, numbers, arrays)

    def load(self, name: str | os.PathLike[str]) -> None:
        """
        Take over what `save` wrote; this runs no code from the file.

        Parameters
        ----------
        name : path-like
            The name that was given to `save`.

        Raises
        ------
        ValueError
            If the file is not one that `save` wrote.

        Examples
        --------
        See `save`.
        """
        numbers, arrays = files.load(_file(name), type(self).__name__)
        X, codes = Variable("X", arrays["X"], None), arrays.get("codes")
        labels = Variable("Y", np.empty((len(X.values), 0)), None, codes, tuple(numbers["labels"]))
        samples = _by_column(X) if codes is None else Samples((X, labels), None, 0)
        metrics = [{int(k): metric for k, metric in tried.items()} for tried in numbers["metrics"]]
        components, weights, means, covariances = (arrays[name] for name in _ARRAYS[1:])
        scalars = numbers["plug_in"], numbers["converged"]
        self._accept(_Fit(samples, components, weights, means, covariances, metrics, *scalars))
        for attribute, kind in _HOLDERS.items():
            values = numbers["holders"][attribute]
            setattr(self, attribute, values and kind(**values))
        for attribute, value in numbers["estimates"].items():
            setattr(self, attribute, None if value is None else np.float64(value))

    def __repr__(self) -> str:
        if self._fit is None:
            return "EstimateMI(not fitted)"
        return f"EstimateMI({self.best_components} components, MI {self.MI_mean} ± {self.MI_std})"

    def _accept(self, fit: _Fit | None) -> None:
        """Take a new fit, and forget what belonged to the old one."""
        self._fit = fit
        self._found = {}
        self.MI_mean = self.MI_std = self.KL_mean = self.KL_std = None

    def _fitted(self, method: str, is_categorical: bool) -> _Fit:
        if self._fit is None or self._fit.is_categorical != is_categorical:
            raise NotFittedError(f"this EstimateMI is not fitted for that; call {method} first")
        return self._fit

    def _options(self, fit: _Fit) -> dict[str, int | float]:
        return _options(fit.X, self.gmm_fit_params, self.sel_comp_params)

    def _estimate(self, found: _Fit, distribution: MIDistParamHolder | None, base: float, verbose: bool) -> Estimate:
        """Mean and standard deviation of the information, which are kept."""
        base = _base(base)
        self.mi_dist_params = _holder("mi_dist_params", distribution, MIDistParamHolder)
        total = self.mi_dist_params.n_bootstrap
        values = _information_distribution(found, self._options(found), total)
        self.MI_mean, self.MI_std = _mean_and_std(values, total, base)
        self.KL_mean = self.KL_std = None
        if verbose:
            print(f"MI {self.MI_mean} ± {self.MI_std}")
        return self.MI_mean, self.MI_std

    def _by_class(self, of_part: Callable[[_Part], Any]) -> Any:
        if self._fit is None:
            return None
        found = {label: of_part(part) for label, part in self._fit.parts.items()}
        return found if self._fit.is_categorical else found[None]


_HOLDERS = {
    "gmm_fit_params": GMMFitParamHolder,
    "sel_comp_params": SelectComponentsParamHolder,
    "mi_dist_params": MIDistParamHolder,
}
_ESTIMATES = ("MI_mean", "MI_std", "KL_mean", "KL_std")
_ARRAYS = ("X", "class_components", "weights", "means", "covariances")


def _file(name: str | os.PathLike[str]) -> str:
    path = os.fspath(name)
    return path if path.endswith(".npz") else f"{path}.npz"


def _portable(label: object) -> object:
    """A class label as JSON can hold it."""
    plain = label.item() if isinstance(label, np.generic) else label
    return plain if plain is None or isinstance(plain, str | int | float) else str(plain)


# ---- data ------------------------------------------------------------------------------------------------------------


def _by_column(data: Variable) -> Samples:
    """The first column as x, the second as y, the others as given."""
    columns = range(data.d) if data.columns is None else data.columns
    slices = [slice(0, 1), slice(1, 2), slice(2, None)][: min(data.d, 3)]
    parts = (data._replace(values=np.ascontiguousarray(data.values[:, s]), columns=columns[s]) for s in slices)
    return Samples(tuple(parts), None, 0)


def _joint(X: object, Y: object) -> Samples:
    """The columns of X, or X and Y."""
    first = variable("X", X)
    if Y is None:
        if first.d < 2:
            raise ValueError("X must have two columns or more, (n, d), where Y is not given; it has 1 column")
        complete(first)
        return _by_column(first)
    second = variable("Y", Y)
    for given in (first, second):
        if given.d != 1:
            raise ValueError(f"{given.argument} must be (n,) or (n, 1) where Y is given, got {given.values.shape}")
        complete(given)
    return _same_rows(first, second)


def _same_rows(first: Variable, second: Variable) -> Samples:
    n, n_other = len(first.values), len(second.values)
    if n != n_other:
        raise ValueError(f"Y has {count(n_other, 'row')} but X has {n}")
    return Samples((first, second), None, 0)


def _classes(X: object, Y: object) -> Samples:
    """Samples and their classes, which are numbered in the order in which they appear."""
    data = variable("X", X)
    if Y is None:
        if data.d < 2:
            raise ValueError("X must have a column of classes after the others where Y is not given; it has 1 column")
        labels: list[Any] = data.values[:, -1].tolist()
        columns = None if data.columns is None else data.columns[:-1]
        data = data._replace(values=np.ascontiguousarray(data.values[:, :-1]), columns=columns)
    else:
        labels = _labels(Y)
    complete(data)
    numbers: dict[Any, int] = {}
    codes = [-1 if _is_missing(label) else numbers.setdefault(label, len(numbers)) for label in labels]
    classes = Variable("Y", np.empty((len(labels), 0)), None, np.array(codes, np.int32), tuple(numbers))
    complete(classes)
    return _same_rows(data, classes)


def _is_missing(label: Any) -> bool:
    return label is None or label != label or type(label).__name__ == "NAType"


def _labels(Y: Any) -> list[Any]:
    """One label per sample."""
    if isinstance(Y, list | tuple):
        return [*Y]
    array: NDArray[Any] = np.asarray(Y)
    if array.size != max(array.shape, default=0):
        raise ValueError(f"Y must hold one label per sample, (n,), got shape {array.shape}")
    return array.ravel().tolist()


# ---- the search as gmm-mi tells of it --------------------------------------------------------------------------------


def _records(
    part: _Part, options: dict[str, int | float], select: SelectComponentsParamHolder
) -> dict[int, dict[str, Any]]:
    """What gmm-mi keeps of every number of components that was tried."""
    records = {k: _of_folds(part.X, {**options, "n_components": k}) for k in part.metrics or [part.n_components]}
    if not part.metrics:
        return records
    (n, d), most = part.X.shape, len(part.metrics)
    valid, aic = (_all_metrics(part.X, options, method, most) for method in ("valid", "aic"))
    method, sign = select.metric_method, 1 if select.metric_method == "valid" else -1
    for k, metric in part.metrics.items():
        parameters = k * (d + 1) * (d + 2) // 2 - 1
        records[k] |= {"valid_score": valid[k], "aic": -aic[k], "bic": parameters * (math.log(n) - 2) - aic[k]}
        records[k] |= {"metric": metric, "valid_score" if method == "valid" else method: sign * metric}
    return records


def _all_metrics(X: Floats, options: dict[str, int | float], method: str, most: int) -> dict[int, float]:
    """Metrics by another method, of 1, 2, ... most components."""
    criterion = _core.CRITERIA[_CRITERIA[method]]
    search = {**options, "criterion": criterion, "n_components": 0, "max_components": most, "patience": most}
    return _in_units(method, _core.fit(X, None, search, _SEED, 1, None)["scores"], X, len(X))


def _of_folds(X: Floats, options: dict[str, int | float]) -> dict[str, Any]:
    """Fit one number of components in every fold from every starting point."""
    n_inits, n_folds = int(options["n_inits"]), int(options["n_folds"])
    order, folds = np.random.default_rng(_SEED).permutation(len(X)), np.arange(len(X)) % n_folds
    training = [X[order[folds != fold]] for fold in range(n_folds)]
    testing = [X[order[folds == fold]] for fold in range(n_folds)]
    jobs = [(rows, None, {**options, "n_inits": 1}, _SEED + i, 1, None) for i in range(n_inits) for rows in training]
    fits = parallel.share(lambda job: _core.fit(*job), jobs)
    fitted = np.array([fit["log_likelihood"] for fit in fits])
    parameters = [(fit["weights"], fit["means"], fit["covariances"]) for fit in fits]
    held_out = np.array([_core.log_density(*p, testing[i % n_folds]).mean() for i, p in enumerate(parameters)])
    weights, means, covariances = (
        np.array(arrays).reshape(n_inits, n_folds, *arrays[0].shape) for arrays in zip(*parameters, strict=True)
    )
    by_start = held_out.reshape(n_inits, n_folds)
    best = int(by_start.mean(axis=1).argmax())
    return {
        "best_seed": best,
        "best_val_score": by_start[best].mean(),
        "best_fold_in_init": int(by_start[best].argmax()),
        "all_lcurves": [np.array([value]) for both in zip(fitted, held_out, strict=True) for value in both],
        "all_ws": weights,
        "all_ms": means,
        "all_ps": np.linalg.inv(covariances),
        "convergence_flags": [fit["converged"] for fit in fits],
    }


# ---- plots -----------------------------------------------------------------------------------------------------------


def _draw_marginal(panel: Any, density: GaussianMixture, data: Floats, grid: Floats) -> None:
    panel.hist(data, bins="auto", range=(grid[0], grid[-1]), density=True, color="0.8")
    panel.plot(grid, np.exp(density.log_density(grid)))
    panel.set_yticks([])


def _draw_contours(
    panel: Any, density: GaussianMixture, data: Floats, draws: Floats, x: Floats, y: Floats, style: dict[str, Any]
) -> None:
    points = np.stack(np.meshgrid(x, y), axis=-1)
    log_density = density.log_density(points.reshape(-1, 2)).reshape(points.shape[:2])
    levels = np.quantile(density.log_density(draws), [0.05, 0.32])  # 95 and 68% of the draws lie above
    panel.scatter(*data.T, s=2, color="0.7")
    panel.contour(x, y, log_density, levels=levels, **style)
