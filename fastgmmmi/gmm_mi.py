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

from . import _composed, _core, files, parallel
from .errors import ConvergenceWarning, DegenerateDataError, NotFittedError, count
from .inputs import Samples, Variable, choice, complete, core_options, positive_number, variable, whole_number
from .mixture import GaussianMixture

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from ._composed import Mixture
    from .inputs import Floats

    Estimate: TypeAlias = tuple[np.float64, np.float64 | None]

__all__ = ["EstimateMI", "GMMFitParamHolder", "MIDistParamHolder", "SelectComponentsParamHolder"]

_SEED = 0  # of everything random: the same data give the same answer
_INTEGRATION_TOL = 1e-5  # nats, up to dimension 3
_INTEGRATION_TOL_ABOVE = 1e-3  # the Monte Carlo integral of gmm-mi errs by 2.5e-3
_NEGLIGIBLE = 1e-6  # a reg_covar below this part of a variance is left to the core, whose floor is relative

INIT_TYPES = ("random", "minmax", "kmeans", "randomized_kmeans", "random_sklearn", "kmeans_sklearn")
METRIC_METHODS = ("valid", "aic", "bic")
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
        Added to the variances of each component, in the data's units squared.
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


# ---- one fitted mixture ----------------------------------------------------------------------------------------------


class _Fit(NamedTuple):
    """The mixture of all the data, or of one class."""

    X: Floats  # (n, d)
    mixture: Mixture
    metrics: dict[int, float]  # of each number of components tried, larger is better; empty where it was fixed
    converged: bool  # the fit, and the search where there was one

    @property
    def n_components(self) -> int:
        return len(self.mixture[0])


def _spread(X: Floats) -> float:
    """Geometric mean of the columns' standard deviations: one unit for all of them, as the core's options want it."""
    with np.errstate(all="ignore"):
        spread = float(np.exp(np.log(X.std(axis=0)).mean()))
    return spread if 0.0 < spread < math.inf else 1.0  # a constant column, which the core will report


def _options(X: Floats, fit: GMMFitParamHolder, select: SelectComponentsParamHolder) -> dict[str, int | float]:
    """Parameters of gmm-mi as options of the core, whose reg_covar and scale are relative to the data's spread."""
    spread = _spread(X)
    options = core_options(
        init=fit.init_type,
        n_folds=select.n_folds,
        n_inits=select.n_inits,
        tol=fit.threshold_fit,
        max_iter=fit.max_iter,
        marginals="none",
        reselect=False,
        integration_tol=_INTEGRATION_TOL,
    )
    if fit.reg_covar > 0:
        relative = min(fit.reg_covar / spread / spread, 1.0)
        options["reg_covar"] = max(relative, float(_core.default_options()["reg_covar"]))
    if fit.scale is not None:
        options["init_scale"] = fit.scale if fit.init_type == "randomized_kmeans" else fit.scale / spread
    return options


def _least_variance(X: Floats) -> float:
    with np.errstate(all="ignore"):
        return float(X.var(axis=0).min())


def _adds_to_variances(X: Floats, fit: GMMFitParamHolder) -> bool:
    """Whether reg_covar is large enough to be felt; the core keeps variances above it, and does not add it."""
    return fit.reg_covar > _NEGLIGIBLE * _least_variance(X)


def _criteria(X: Floats, found: Mapping[str, Any]) -> dict[str, float]:
    """AIC and BIC of a fit to all the data."""
    (n, d), k = X.shape, found["n_components"]
    parameters, log_likelihood = k * (d + 1) * (d + 2) // 2 - 1, n * found["log_likelihood"]
    return {"aic": 2 * parameters - 2 * log_likelihood, "bic": parameters * math.log(n) - 2 * log_likelihood}


def _metric(X: Floats, options: dict[str, int | float], method: str, n_components: int) -> float:
    """What selects, larger is better; of a criterion it is minus that, as in gmm-mi."""
    if method == "valid":
        return _composed.cross_validate(X, options, n_components, _SEED).score
    return -_criteria(X, _composed.fit_whole(X, options, n_components, _SEED))[method]


def _search(
    X: Floats, options: dict[str, int | float], select: SelectComponentsParamHolder
) -> tuple[int, dict[int, float], bool]:
    """Try 1, 2, ... components: the best number, the metric of each, and whether the search came to an end."""
    rows, d = len(X) - math.ceil(len(X) / select.n_folds), X.shape[1]
    if rows < 2 * (d + 2):
        raise _core.CoreError("ERROR_TOO_FEW_SAMPLES", "too few samples")
    most = rows // (2 * (d + 1))  # as many as the samples of a fit can bear
    best, highest, waited = 1, -math.inf, 0
    metrics: dict[int, float] = {}
    for k in range(1, min(select.max_components, most) + 1):
        metrics[k] = _metric(X, options, select.metric_method, k)
        if metrics[k] > highest + select.threshold_components or k == 1:
            best, highest, waited = k, metrics[k], 0
        else:
            waited += 1
        if waited == select.patience:
            return best, metrics, True
    return best, metrics, False


def _fit_mixture(
    data: Variable, label: str, fit: GMMFitParamHolder, select: SelectComponentsParamHolder, verbose: bool
) -> _Fit:
    """Select the number of components, and fit them to all the data."""
    X = data.values
    options = _options(X, fit, select)
    metrics: dict[int, float] = {}
    n_components, ended = select.fixed_components_number, True
    try:
        if not select.fixed_components:
            n_components, metrics, ended = _search(X, options, select)
        found = _composed.fit_whole(X, options, n_components, _SEED)
    except _core.CoreError as error:
        raise _explained(error, data, label) from None
    mixture, converged = _composed.mixture_of(found), found["converged"]
    if _adds_to_variances(X, fit):
        if fit.reg_covar > _least_variance(X):
            message = f"{label}reg_covar={fit.reg_covar:g} is more than the variance of a column, and swamps it"
            warnings.warn(message, UserWarning, stacklevel=4)
        mixture, converged = _composed.em(X, None, mixture, fit.reg_covar, fit.threshold_fit, fit.max_iter)
    if verbose:
        print(f"{label}{count(len(mixture[0]), 'component')}, {'' if converged and ended else 'not '}converged")
    return _Fit(X, mixture, metrics, converged and ended)


def _explained(error: _core.CoreError, data: Variable, label: str) -> ValueError:
    """Say which class it is about, where there is one."""
    explained = Samples((data,), None, 0).explain(error)
    return type(explained)(f"{label}{explained}")


# ---- bootstrap -------------------------------------------------------------------------------------------------------


def _information(mixture: Mixture) -> float:
    """Mutual information of the first two variables, given the others where there are any."""
    d = mixture[1].shape[1]
    first, second, rest = (np.array(columns, np.int32) for columns in ([0], [1], range(2, d)))
    tol = _INTEGRATION_TOL if d <= 3 else _INTEGRATION_TOL_ABOVE
    return _core.mixture_mutual_information(*mixture, first, second, rest, tol, _SEED)[0]


def _divergence(mixture: Mixture, order: str) -> float:
    """Kullback-Leibler divergence between the first two variables."""
    weights, means, covariances = mixture
    first, second = ((weights, *_core.marginal(means, covariances, np.array([column], np.int32))) for column in (0, 1))
    return _composed.kl_divergence(*((first, second) if order == "forward" else (second, first)))


def _core_bootstrap(found: _Fit, options: dict[str, int | float], total: int) -> Floats:
    """Information in each replicate, all of it in the core; threads share the replicates."""
    x, y = (np.ascontiguousarray(found.X[:, [column]]) for column in (0, 1))
    bounds = np.linspace(0, total, min(parallel.resolve_threads(None), total) + 1).astype(int).tolist()
    job = (x, y, None, options, _SEED, *found.mixture)
    spans = [(first, last - first) for first, last in pairwise(bounds)]
    return np.concatenate([values for values, _ in parallel.share(lambda s: _core.bootstrap_range(*job, *s), spans)])


def _distribution(
    fits: Sequence[_Fit], fit: GMMFitParamHolder, total: int, quantity: Callable[[Sequence[Mixture]], float]
) -> Floats:
    """A quantity of the mixtures, in each of total resamples; without any, of the mixtures fitted to all the data."""
    if total < 1:
        return np.array([quantity([found.mixture for found in fits])])
    settings = fit.reg_covar, fit.threshold_fit, fit.max_iter

    def replicate(index: int) -> float:
        rngs = (np.random.default_rng([_SEED, index, stream]) for stream in range(len(fits)))
        try:
            return quantity(
                [_composed.replicate(f.X, f.mixture, rng, *settings) for f, rng in zip(fits, rngs, strict=True)]
            )
        except _core.CoreError:
            return math.nan

    return np.array(parallel.share(replicate, range(total)))


def _information_distribution(
    found: _Fit, fit: GMMFitParamHolder, select: SelectComponentsParamHolder, total: int
) -> Floats:
    """Information in each resample: by the core where it can."""
    if total < 1 or found.X.shape[1] > 2 or _adds_to_variances(found.X, fit):
        return _distribution([found], fit, total, lambda mixtures: _information(mixtures[0]))
    return _core_bootstrap(found, {**_options(found.X, fit, select), "n_bootstrap": total}, total)


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
    _fits: dict[Any, _Fit]  # by class; under None where there are no classes
    _is_categorical: bool
    _found: dict[Any, dict[int, dict[str, Any]]]  # what results_dict shows, once it was asked for

    __slots__ = (
        "KL_mean",
        "KL_std",
        "MI_mean",
        "MI_std",
        "__weakref__",
        "_fits",
        "_found",
        "_is_categorical",
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
        self._accept({}, is_categorical=False)

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
        data = _joint(X, Y)
        self._accept({None: _fit_mixture(data, "", self.gmm_fit_params, self.sel_comp_params, verbose)})

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
        found = self._fitted("fit", is_categorical=False)[None]
        choice("kl_order", kl_order, KL_ORDERS)
        base = _base(base)
        self.mi_dist_params = _holder("mi_dist_params", mi_dist_params, MIDistParamHolder)
        fit, total = self.gmm_fit_params, self.mi_dist_params.n_bootstrap
        self.MI_mean, self.MI_std = _mean_and_std(
            _information_distribution(found, fit, self.sel_comp_params, total), total, base
        )
        self.KL_mean = self.KL_std = None
        if include_kl:
            values = _distribution([found], fit, total, lambda mixtures: _divergence(mixtures[0], kl_order))
            self.KL_mean, self.KL_std = _mean_and_std(values, total, base)
        if verbose:
            print(f"MI {self.MI_mean} ± {self.MI_std}")
        return self.MI_mean, self.MI_std

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
        classes = _classes(X, Y)
        fits = {
            label: _fit_mixture(data, f"class {label!r}: ", self.gmm_fit_params, self.sel_comp_params, verbose)
            for label, data in classes.items()
        }
        self._accept(fits, is_categorical=True)

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
        fits = list(self._fitted("fit_categorical", is_categorical=True).values())
        base = _base(base)
        self.mi_dist_params = _holder("mi_dist_params", mi_dist_params, MIDistParamHolder)
        total = self.mi_dist_params.n_bootstrap
        tol = _INTEGRATION_TOL if fits[0].X.shape[1] <= 3 else _INTEGRATION_TOL_ABOVE
        values = _distribution(
            fits, self.gmm_fit_params, total, lambda mixtures: _composed.class_information(mixtures, tol)
        )
        self.MI_mean, self.MI_std = _mean_and_std(values, total, base)
        self.KL_mean = self.KL_std = None
        if verbose:
            print(f"MI {self.MI_mean} ± {self.MI_std}")
        return self.MI_mean, self.MI_std

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
        return bool(self._fits)

    @property
    def converged(self) -> bool:
        """Whether the fits converged, and the searches for the number of components came to an end."""
        return self.fit_done and all(found.converged for found in self._fits.values())

    @property
    def best_components(self) -> Any:
        """Number of components; of a categorical fit, a dict from class to number; None before a fit."""
        return self._by_class({label: found.n_components for label, found in self._fits.items()})

    @property
    def model(self) -> Any:
        """The fitted `fastgmmmi.GaussianMixture`; of a categorical fit, a dict from class to mixture; None before."""
        return self._by_class(
            {label: GaussianMixture.from_parameters(*found.mixture) for label, found in self._fits.items()}
        )

    @property
    def results_dict(self) -> Any:
        """
        The search for the number of components, as a dict from each number tried to what was found there.

        That is a dict of: `metric` (what selected; larger is better), `valid_score`, `aic` and `bic`, where the number
        was not fixed; `best_seed` and `best_fold_in_init` (the starting point with the largest mean `best_val_score`,
        the held-out log-likelihood per sample, and its best fold); `all_ws`, `all_ms`, `all_ps` (weights, means and
        precisions, (n_inits, n_folds, ...)), `convergence_flags`, and `all_lcurves`. The curves come two by two, of
        the samples fitted and of those held out, for each fold of each starting point: mean log-likelihood per sample
        at each pass of plain EM from the same starting points. All this is worked out when it is first asked for. Of a
        categorical fit, a dict from class to such a dict. Empty before a fit.
        """
        if not self._found:
            self._found = {
                label: _records(found, self.gmm_fit_params, self.sel_comp_params) for label, found in self._fits.items()
            }
        return self._by_class(self._found) or {}

    @property
    def lcurves(self) -> Any:
        """The learning curves of the number of components selected: its `all_lcurves` in `results_dict`."""
        if not self._is_categorical:
            return self.results_dict[self.best_components]["all_lcurves"] if self._fits else None
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

        found = self._fitted("fit", is_categorical=False)[None]
        if ax is None:
            ax = pyplot.subplots()[1]
        for mean, covariance in zip(found.mixture[1][:, :2], found.mixture[2][:, :2, :2], strict=True):
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

        found = self._fitted("fit", is_categorical=False)[None]
        d = found.X.shape[1]
        names = [f"x{j}" for j in range(d)] if parameters is None else [*parameters]
        ranges = (
            [*found.X.T]
            if extents is None
            else [extents[n] for n in names]
            if isinstance(extents, Mapping)
            else [*extents]
        )
        if len(names) != d or len(ranges) != d:
            raise ValueError(f"parameters and extents must be one for each of the {d} variables")
        draws = self.model.sample(len(found.X) if n_samples is None else n_samples, rng=_SEED)
        axes = [np.linspace(np.min(r), np.max(r), 100) for r in ranges]
        figure, panels = pyplot.subplots(d, d, sharex="col", squeeze=False, figsize=(2.5 * d, 2.5 * d))
        for i in range(d):
            _draw_marginal(panels[i, i], self.model.marginal(i), found.X[:, i], axes[i])
            panels[-1, i].set_xlabel(names[i])
            for j in range(d):
                if j > i:
                    panels[i, j].axis("off")
                elif j < i:
                    pair = self.model.marginal([j, i])
                    _draw_contours(panels[i, j], pair, found.X[:, [j, i]], draws[:, [j, i]], axes[j], axes[i], kwargs)
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
        if not self._fits:
            raise NotFittedError("there is nothing to save; call fit first")
        holders = {name: getattr(self, name) for name in _HOLDERS}
        numbers = {
            "is_categorical": self._is_categorical,
            "estimates": {name: getattr(self, name) for name in _ESTIMATES},
            "holders": {name: holder and asdict(holder) for name, holder in holders.items()},
            "fits": [(_portable(label), found.metrics, found.converged) for label, found in self._fits.items()],
        }
        arrays = {
            f"{part}{i}": array
            for i, found in enumerate(self._fits.values())
            for part, array in zip(_PARTS, (found.X, *found.mixture), strict=True)
        }
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
        fits = {}
        for i, (label, metrics, converged) in enumerate(numbers["fits"]):
            X, weights, means, covariances = (arrays[f"{part}{i}"] for part in _PARTS)
            by_number = {int(k): metric for k, metric in metrics.items()}
            fits[label] = _Fit(X, (weights, means, covariances), by_number, converged)
        self._accept(fits, numbers["is_categorical"])
        for attribute, kind in _HOLDERS.items():
            values = numbers["holders"][attribute]
            setattr(self, attribute, values and kind(**values))
        for attribute, value in numbers["estimates"].items():
            setattr(self, attribute, None if value is None else np.float64(value))

    def __repr__(self) -> str:
        if not self._fits:
            return "EstimateMI(not fitted)"
        return f"EstimateMI({self.best_components} components, MI {self.MI_mean} ± {self.MI_std})"

    def _accept(self, fits: dict[Any, _Fit], is_categorical: bool = False) -> None:
        """Take new fits, and forget what belonged to the old ones."""
        self._fits = fits
        self._is_categorical = is_categorical
        self._found = {}
        self.MI_mean = self.MI_std = self.KL_mean = self.KL_std = None

    def _fitted(self, method: str, is_categorical: bool) -> dict[Any, _Fit]:
        if not self._fits or self._is_categorical != is_categorical:
            raise NotFittedError(f"this EstimateMI is not fitted for that; call {method} first")
        return self._fits

    def _by_class(self, values: dict[Any, Any]) -> Any:
        return values if self._is_categorical else values.get(None)


_HOLDERS = {
    "gmm_fit_params": GMMFitParamHolder,
    "sel_comp_params": SelectComponentsParamHolder,
    "mi_dist_params": MIDistParamHolder,
}
_ESTIMATES = ("MI_mean", "MI_std", "KL_mean", "KL_std")
_PARTS = ("X", "weights", "means", "covariances")


def _file(name: str | os.PathLike[str]) -> str:
    path = os.fspath(name)
    return path if path.endswith(".npz") else f"{path}.npz"


def _portable(label: object) -> object:
    """A class label as JSON can hold it."""
    plain = label.item() if isinstance(label, np.generic) else label
    return plain if plain is None or isinstance(plain, str | int | float) else str(plain)


# ---- data ------------------------------------------------------------------------------------------------------------


def _joint(X: object, Y: object) -> Variable:
    """The columns of X, or X and Y beside each other."""
    first = variable("X", X)
    if Y is None:
        if first.values.shape[1] < 2:
            raise ValueError("X must have two columns or more, (n, d), where Y is not given; it has 1 column")
        complete(first)
        return first
    second = variable("Y", Y)
    for given in (first, second):
        if given.values.shape[1] != 1:
            raise ValueError(f"{given.argument} must be (n,) or (n, 1) where Y is given, got {given.values.shape}")
    _same_rows(len(first.values), len(second.values))
    values = np.column_stack([complete(first), complete(second)])
    return Variable("X and Y", values, ["X", "Y"])


def _same_rows(n: int, n_other: int) -> None:
    if n != n_other:
        raise ValueError(f"Y has {count(n_other, 'row')} but X has {n}")


def _classes(X: object, Y: object) -> dict[Any, Variable]:
    """Samples of each class, in the order in which classes appear."""
    data = variable("X", X)
    if Y is None:
        if data.values.shape[1] < 2:
            raise ValueError("X must have a column of classes after the others where Y is not given; it has 1 column")
        labels: list[Any] = data.values[:, -1].tolist()
        columns = None if data.columns is None else data.columns[:-1]
        data = Variable("X", np.ascontiguousarray(data.values[:, :-1]), columns)
    else:
        labels = _labels(Y)
    complete(data)
    _same_rows(len(data.values), len(labels))
    rows: dict[Any, list[int]] = {}
    for row, label in enumerate(labels):
        if label is None or label != label or type(label).__name__ == "NAType":
            raise ValueError(f"Y has missing labels, the first in row {row}")
        rows.setdefault(label, []).append(row)
    if len(rows) < 2:
        raise DegenerateDataError("Y holds one class only, so there is no information about it")
    return {label: data._replace(values=data.values[chosen]) for label, chosen in rows.items()}


def _labels(Y: Any) -> list[Any]:
    """One label per sample."""
    if isinstance(Y, list | tuple):
        return [*Y]
    array: NDArray[Any] = np.asarray(Y)
    if array.size != max(array.shape, default=0):
        raise ValueError(f"Y must hold one label per sample, (n,), got shape {array.shape}")
    return array.ravel().tolist()


# ---- learning curves -------------------------------------------------------------------------------------------------


def _records(found: _Fit, fit: GMMFitParamHolder, select: SelectComponentsParamHolder) -> dict[int, dict[str, Any]]:
    """What gmm-mi keeps of its search, of every number of components that was tried."""
    X, options = found.X, _options(found.X, fit, select)
    records = {}
    for k in found.metrics or [found.n_components]:
        begun = _composed.cross_validate(X, {**options, "max_iter": 1}, k, _SEED).mixtures
        records[k] = _record(_composed.cross_validate(X, options, k, _SEED), begun, fit)
        if found.metrics:
            records[k] |= _criteria(X, _composed.fit_whole(X, options, k, _SEED))
            records[k] |= {"valid_score": records[k]["best_val_score"], "metric": found.metrics[k]}
    return records


def _record(starts: _composed.Starts, begun: Sequence[Mixture], fit: GMMFitParamHolder) -> dict[str, Any]:
    """Each fit with one number of components, and its learning curves."""
    shape = starts.held_out.shape
    scores = starts.held_out.mean(axis=1)
    best = int(scores.argmax())
    weights, means, covariances = (np.array(arrays) for arrays in zip(*starts.mixtures, strict=True))
    curves = []
    for i, start in enumerate(begun):
        train, test = starts.training[i % shape[1]], starts.testing[i % shape[1]]
        passes: list[tuple[Mixture, float]] = []
        _composed.em(train, None, start, fit.reg_covar, fit.threshold_fit, fit.max_iter, passes.append)
        curves.append(np.array([log_likelihood for _, log_likelihood in passes]))
        curves.append(np.array([_core.log_density(*mixture, test).mean() for mixture, _ in passes]))
    return {
        "best_seed": best,
        "best_val_score": scores[best],
        "best_fold_in_init": int(starts.held_out[best].argmax()),
        "all_lcurves": curves,
        "all_ws": weights.reshape(*shape, *weights.shape[1:]),
        "all_ms": means.reshape(*shape, *means.shape[1:]),
        "all_ps": np.linalg.inv(covariances).reshape(*shape, *covariances.shape[1:]),
        "convergence_flags": starts.converged,
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
