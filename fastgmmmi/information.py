"""Estimates of information from samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from . import _core, parallel, results
from .errors import ConvergenceWarning, count
from .inputs import choice, core_options, discrete_sides, pair, samples, seed_from, two_samples, variable
from .mixture import NOT_CONVERGED

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike

    from .inputs import Rng, Samples

    _Function = TypeVar("_Function", bound=Callable[..., Any])

_KEYWORDS = """\
    n_components : int, optional
        Number of components of each mixture; None selects it.
    max_components : int
        Largest number tried.
    criterion : {"cv", "aic", "bic"}
        What selects the number of components: cross-validated log-likelihood, or an information criterion.
    init : str, optional
        Starting points: "kmeans++", "split", or one of gmm-mi's "random", "minmax", "kmeans", "randomized_kmeans",
        "random_sklearn", "kmeans_sklearn". It hardly matters. For this and the keywords below that are None, the core's
        measured default.
    n_folds : int, optional
        Folds of the cross-validation. With 2, half of the rows choose too few components; from 3 on it hardly matters.
    n_inits : int, optional
        Starting points of each fit.
    patience : int, optional
        Numbers of components tried beyond the best one. With 1 the search stops short where it takes two components
        more to gain anything; beyond 2 it hardly matters. By default a search ends after two components where these are
        no better than one and two columns look like one Gaussian.
    marginals : {"auto", "gaussianize", "studentize", "standardize", "none"}
        Map taken of each continuous column first; information does not change under it. "gaussianize": normal scores of
        the ranks, which an entropy cannot take. "studentize": scores of Student's t, and one multivariate t
        distribution, its degrees of freedom fitted, in place of a mixture of free components: for heavy tails that come
        together; numbers only. "auto" takes the one of "standardize", "gaussianize" and "studentize" that tells
        held-out pairs best from pairs that do not belong together; it is "standardize" where one Gaussian fits best,
        where there is a condition, and for entropies and divergences. With `n_components` it does not take
        "studentize".
    family : {"gaussian"}
        The mixture's components.
    integration_tol : float
        Error of the integral aimed at, in nats, up to dimension 3; above, it is a tenth of the standard error.
    integral : {"auto", "model", "data"}
        What the log ratio is averaged over: "model", the fitted mixture itself; "data", the samples, each under a fit
        to the folds that do not hold it. "auto" takes "model".
    error : {"bootstrap", "delta"}
        Where the error bar comes from: resampling, or the infinitesimal jackknife, which needs one fit only and knows
        nothing of the choice of the number of components.
    n_bootstrap : int
        Bootstrap replicates. With 0 the value is not corrected for bias, and with 1 or none there is no error bar.
        "delta" needs none.
    reselect : bool or "auto"
        Whether every replicate chooses its number of components anew, by the held-out log-densities of the rows that it
        draws; "auto" does so up to 20,000 samples, above which that choice is a small part of the uncertainty; where
        there are classes, of those of up to 20,000 samples.
    tol : float, optional
        EM stops where less log-likelihood than this is left to gain per sample, in nats. None: 0.005 over all samples,
        and Newton's method then goes on to the very maximum. Above 1e-4 components that overlap are not told apart, and
        error bars may be a quarter off.
    reg_covar : float, optional
        Smallest variance of a component, relative to the variance of its column.
    max_iter : int, optional
        Largest number of EM passes of one fit.
    units : {"nats", "bits", "bans"}
        Units of the result.
    missing : {"raise", "drop"}
        What to do with rows that hold NaN in any argument. Infinities are always an error.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Source of the seed; an int is the seed itself, None is a fresh one. The same seed gives the same bits.
    threads : int, optional
        None: the cores that this process may use. Results do not depend on it.
    executor : concurrent.futures.Executor, optional
        Computes the bootstrap replicates, in other processes or on other machines. Results do not depend on it.
    progress : bool or callable
        True shows a bar (this needs tqdm); a callable is called with the replicates done and their total.
    """


def _with_keywords(function: _Function) -> _Function:
    """Put the description of the shared keywords where a docstring says so."""
    if function.__doc__:  # none under python -OO
        function.__doc__ = function.__doc__.replace("    {keywords}\n", _KEYWORDS.rstrip(" "))
    return function


@_with_keywords
def mutual_information(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    discrete: str | Collection[str] | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_components: int | None = None,
    max_components: int = 50,
    criterion: str = "cv",
    init: str | None = None,
    n_folds: int | None = None,
    n_inits: int | None = None,
    patience: int | None = None,
    marginals: str = "auto",
    family: str = "gaussian",
    integration_tol: float = 1e-5,
    integral: str = "auto",
    error: str = "bootstrap",
    n_bootstrap: int = 100,
    reselect: bool | Literal["auto"] = "auto",
    tol: float | None = None,
    reg_covar: float | None = None,
    max_iter: int | None = None,
    units: str = "nats",
    missing: str = "raise",
    rng: Rng = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> results.MIResult:
    """
    Estimate the mutual information of x and y, or that given a third variable, with an error bar.

    Parameters
    ----------
    x : array_like, (n, dx) or (n,)
        Samples of the first variable; or with `y` left out both, (n, 2). Lists, arrays of any numeric type and layout,
        masked arrays, and pandas, polars and pyarrow columns and tables will do. Rows of x and y belong together.
        Strings, booleans, categoricals and objects other than numbers are class labels.
    y : array_like, (n, dy) or (n,), optional
        Samples of the second variable, likewise.
    given : array_like, (n, dz) or (n,), optional
        Samples of the variable that is conditioned on, likewise.
    discrete : str or collection of str, optional
        Which of "x", "y" and "given" hold class labels though their dtype is a number; "both" is x and y. The others go
        by their dtype, as all do with None. With "neither" strings are an error. Several columns of labels make one.
    sample_weight : array_like, (n,), optional
        Nonnegative weights; their scale is without effect.
    groups : array_like, (n,), optional
        Labels: rows of one group (repeated measurements of a thing, blocks of a time series) are resampled and folded
        together. None: each row is its own, unless rows are copies of others.
    {keywords}

    Returns
    -------
    MIResult
        Value, standard error, interval, diagnostics and the fitted mixture, or one for each class.

    Raises
    ------
    ValueError
        If an argument is not usable; the message names it, the fault, how often it occurs and the first place.
    DegenerateDataError
        If a column is constant, or an exact linear function of the others, or there is one label only. It is a
        ValueError.

    Warns
    -----
    UserWarning
        If a column looks discrete: at most 20 distinct values, each taken 5 times or more on average. If classes have
        few samples. If at least 5% of the rows are copies of others: in two columns or more whose single values are not
        rounded so far that rows meet by chance, or because all rows were repeated. If the estimate grows with every
        component, so that y looks like a function of x. If nearest neighbours find information that the mixture misses,
        or its own rows bear out some of what it claims, but not all (`MIResult.shortfall`).
    ConvergenceWarning
        If a fit stopped at `max_iter` passes, or replicates could not be fitted.

    See Also
    --------
    entropy : Of one variable.
    kl_divergence : Between the densities of two samples.

    Notes
    -----
    The estimate is that of GMM-MI (Piras et al. 2023, Mach. Learn.: Sci. Technol. 4, 025006, arXiv:2211.00024): the
    expectation ``MI = E[log p(x, y) / (p(x) p(y))]`` under a Gaussian mixture ``p`` fitted to the samples, whose number
    of components is the one with the best held-out likelihood. Refitting to resampled data gives replicates, and with
    them the bias-corrected value ``2 MI - mean(replicates)`` and its standard error (Efron and Tibshirani 1993).

    Given a third variable it is ``E[log p(x, y, z) p(z) / (p(x, z) p(y, z))]``. With labels there is one mixture of all
    continuous columns for each combination of labels that occurs, and each density above is the sum of those of its
    classes, weighted by their probabilities, which the data give too. A class of fewer than ``2 (d + 2)`` samples, d
    being the number of continuous columns, takes a single Gaussian whose covariance is shrunk towards the one within
    all classes, which counts as d + 2 samples. Where x and y are both discrete, and given discrete or absent, the
    estimate is that of their table less its bias, which the jackknife of second order finds (Zahl 1977, Ecology 58,
    907; Schucany, Gray and Owen 1971, J. Am. Stat. Assoc. 66, 524).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> r = fg.mutual_information(x, x + noise, rng=0)  # exactly log(2) / 2 = 0.347 nats
    >>> bool(abs(r.value - np.log(2) / 2) < 3 * r.standard_error)
    True
    >>> sign = np.where(x > 0, "positive", "negative")
    >>> bool(fg.mutual_information(x, sign, rng=0, n_bootstrap=0).value < np.log(2))
    True
    """
    job = Job(
        groups=groups,
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        family=family,
        integration_tol=integration_tol,
        integral=integral,
        error=error,
        n_bootstrap=n_bootstrap,
        reselect=reselect,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        units=units,
        missing=missing,
        rng=rng,
        threads=threads,
        executor=executor,
        progress=progress,
    )
    sides = discrete_sides(discrete, given is not None)
    conditions = () if given is None else (variable("given", given, sides[2]),)
    data = samples((*pair(x, y, sides[:2]), *conditions), sample_weight, missing, groups=groups)
    return job.run(data, [] if discrete == "neither" else data.discrete_looks())


@_with_keywords
def entropy(
    x: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_components: int | None = None,
    max_components: int = 50,
    criterion: str = "cv",
    init: str | None = None,
    n_folds: int | None = None,
    n_inits: int | None = None,
    patience: int | None = None,
    marginals: str = "auto",
    family: str = "gaussian",
    integration_tol: float = 1e-5,
    integral: str = "auto",
    error: str = "bootstrap",
    n_bootstrap: int = 100,
    reselect: bool | Literal["auto"] = "auto",
    tol: float | None = None,
    reg_covar: float | None = None,
    max_iter: int | None = None,
    units: str = "nats",
    missing: str = "raise",
    rng: Rng = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> results.MIResult:
    """
    Estimate the differential entropy of x, with an error bar.

    Parameters
    ----------
    x : array_like, (n, d) or (n,)
        Samples of numbers.
    sample_weight : array_like, (n,), optional
        Nonnegative weights; their scale is without effect.
    groups : array_like, (n,), optional
        Labels: rows of one group (repeated measurements of a thing, blocks of a time series) are resampled and folded
        together. None: each row is its own, unless rows are copies of others.
    {keywords}

    Returns
    -------
    MIResult
        Value, standard error, interval, diagnostics and the fitted mixture.

    Raises
    ------
    ValueError
        If an argument is not usable; the message names it, the fault, how often it occurs and the first place.
    DegenerateDataError
        If a column is constant, or an exact linear function of the others. It is a ValueError.

    Warns
    -----
    UserWarning
        If at least 5% of the rows are copies of others, as in `mutual_information`.
    ConvergenceWarning
        If a fit stopped at `max_iter` passes, or replicates could not be fitted.

    See Also
    --------
    mutual_information : The estimator, explained.

    Notes
    -----
    ``H = -E[log p(x)]`` under a mixture fitted to the samples; the method is that of `mutual_information`. It refers to
    the units of the data: x times c has the entropy ``H + log |c|`` for each column, and may be negative.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x = np.random.default_rng(0).normal(size=500)
    >>> r = fg.entropy(x, rng=0)  # exactly log(2 pi e) / 2 = 1.419 nats
    >>> bool(abs(r.value - np.log(2 * np.pi * np.e) / 2) < 3 * r.standard_error)
    True
    """
    job = Job(
        groups=groups,
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        family=family,
        integration_tol=integration_tol,
        integral=integral,
        error=error,
        n_bootstrap=n_bootstrap,
        reselect=reselect,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        units=units,
        missing=missing,
        rng=rng,
        threads=threads,
        executor=executor,
        progress=progress,
    )
    choice("marginals", marginals, ("auto", "standardize", "none"))
    return job.run(samples((variable("x", x),), sample_weight, missing, "entropy", groups))


@_with_keywords
def kl_divergence(
    x: ArrayLike,
    y: ArrayLike,
    *,
    paired: bool = False,
    groups: ArrayLike | None = None,
    n_components: int | None = None,
    max_components: int = 50,
    criterion: str = "cv",
    init: str | None = None,
    n_folds: int | None = None,
    n_inits: int | None = None,
    patience: int | None = None,
    marginals: str = "auto",
    family: str = "gaussian",
    integration_tol: float = 1e-5,
    integral: str = "auto",
    error: str = "bootstrap",
    n_bootstrap: int = 100,
    reselect: bool | Literal["auto"] = "auto",
    tol: float | None = None,
    reg_covar: float | None = None,
    max_iter: int | None = None,
    units: str = "nats",
    missing: str = "raise",
    rng: Rng = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> results.MIResult:
    """
    Estimate the Kullback-Leibler divergence between the densities of two samples, with an error bar.

    Parameters
    ----------
    x : array_like, (n, d) or (n,)
        Samples of numbers, from p.
    y : array_like, (m, d) or (m,)
        Samples of numbers, from q.
    paired : bool
        Whether row i of x and row i of y belong together: they are resampled together then, and dropped together.
    groups : array_like, (n,) or (n + m,), optional
        Labels: rows of one group are resampled and folded together. Of pairs, or of the rows of x, then those of y.
    {keywords}

    Returns
    -------
    MIResult
        Value, standard error, interval, diagnostics and the fitted mixtures.

    Raises
    ------
    ValueError
        If an argument is not usable; the message names it, the fault, how often it occurs and the first place.
    DegenerateDataError
        If a column is constant, or an exact linear function of the others. It is a ValueError.

    Warns
    -----
    ConvergenceWarning
        If a fit stopped at `max_iter` passes, or replicates could not be fitted.

    See Also
    --------
    GaussianMixture.kl_divergence : Of two mixtures.

    Notes
    -----
    ``KL(p || q) = E[log p(x) / q(x)]`` under p, with a mixture fitted to each sample, both in the coordinates that
    standardise all rows together; the method is that of `mutual_information`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, y = np.random.default_rng(0).normal(size=(2, 500))
    >>> r = fg.kl_divergence(x, y + 1, rng=0)  # exactly 1/2
    >>> bool(abs(r.value - 0.5) < 3 * r.standard_error)
    True
    """
    job = Job(
        groups=groups,
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        family=family,
        integration_tol=integration_tol,
        integral=integral,
        error=error,
        n_bootstrap=n_bootstrap,
        reselect=reselect,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        units=units,
        missing=missing,
        rng=rng,
        threads=threads,
        executor=executor,
        progress=progress,
    )
    if not isinstance(paired, bool):
        raise ValueError(f"paired must be True or False, got {paired!r}")
    return job.run(two_samples(variable("x", x), variable("y", y), paired, missing, groups))


def estimate(
    data: Samples,
    options: dict[str, int | float],
    seed: int,
    threads: int = 1,
    executor: Executor | None = None,
    poll: parallel.Poll = None,
) -> dict[str, Any]:
    """Estimate from checked data and coded options: what the core returns, in nats, its errors in words."""
    if options.get("marginals") == _core.MARGINALS["studentize"]:
        labelled = [each.argument for each in data.variables if each.codes is not None]
        reason = (
            f"{labelled[0]} has labels"
            if labelled
            else f"{data.quantity} is not invariant under it"
            if data.quantity != "information"
            else "it has no n_components"
            if options.get("n_components")
            else None
        )
        if reason:
            raise ValueError(f"marginals='studentize' cannot be taken: {reason}")
    try:
        return parallel.estimate(data, options, seed, threads, executor, poll)
    except _core.CoreError as fault:
        raise data.explain(fault) from None


class Job:
    """The keywords that all estimates share, checked in the order that users see them."""

    def __init__(
        self,
        *,
        groups: object,
        family: object,
        units: str,
        missing: str,
        rng: Rng,
        threads: int | None,
        executor: Executor | None,
        progress: bool | Callable[[int, int], object],
        **options: Any,
    ) -> None:
        choice("family", family, ("gaussian",))
        self.groups = groups
        self.units: str = choice("units", units, results.UNITS)
        choice("missing", missing, ("raise", "drop"))
        self.options = core_options(**options)
        if executor is not None and not hasattr(executor, "submit"):
            raise ValueError(f"executor must be a concurrent.futures.Executor, got {executor!r}")
        self.threads = parallel.resolve_threads(threads)
        self.executor = executor
        self.progress = progress
        self.seed = seed_from(rng)

    def run(self, data: Samples, looks: list[str] | None = None) -> results.MIResult:
        """Estimate, warn, and present; called by the function that the user called."""
        looks = looks or []
        for message in looks:
            warnings.warn(message, UserWarning, stacklevel=3)
        n_bootstrap = int(self.options["n_bootstrap"])
        with parallel.reporting(self.progress, n_bootstrap) as poll:
            found = estimate(data, self.options, self.seed, self.threads, self.executor, poll)
        noted = findings(found)
        for message, category in noted:
            warnings.warn(message, category, stacklevel=3)
        messages = (*looks, *(message for message, _ in noted))
        return results.from_core(found, data, self.units, self.seed, messages)


def copies_found(n_copies: int) -> str:
    """Say what was found, and what was done."""
    return (
        f"{count(n_copies, 'row is a copy of another', 'rows are copies of others')}; they are resampled and folded "
        "together with these, or else they would look like dependence: pass groups=np.arange(n), n the number of rows, "
        "if each is an observation of its own"
    )


def findings(found: dict[str, Any]) -> list[tuple[str, type[Warning]]]:
    """Put into words what a user should know about an estimate."""
    findings: list[tuple[str, type[Warning]]] = []
    if found["n_copies"]:
        findings.append((copies_found(found["n_copies"]), UserWarning))
    if not found["converged"]:
        findings.append((NOT_CONVERGED, ConvergenceWarning))
    if found["n_failed"]:
        message = (
            f"{found['n_failed']} of {len(found['bootstrap'])} bootstrap replicates could not be fitted; they are NaN"
        )
        findings.append((message, ConvergenceWarning))
    if found["n_small_classes"]:
        few = count(found["n_small_classes"], "class", "classes")
        message = (
            f"{few} of {len(found['class_components'])} have fewer than {2 * (found['means'].shape[1] + 2)} samples; "
            "each takes one Gaussian whose covariance leans on that within all classes"
        )
        findings.append((message, UserWarning))
    if -found["plug_in"] < found["shortfall"] < 0:  # a value of 0 speaks for itself
        message = (
            f"the mixture claims more than its own rows bear out; {-found['shortfall']:.2g} nats are taken off the "
            "value, and, since it describes the data badly, added to its standard error"
        )
        findings.append((message, UserWarning))
    if found["shortfall"] > 0:
        message = (
            f"nearest neighbours find {found['shortfall']:.2g} nats that the mixture misses; they are part of the "
            "value, and, since as much may be missing still, of its standard error"
        )
        findings.append((message, UserWarning))
    if found["diverging"]:
        message = (
            "the estimate kept growing with the number of components, so y looks like a function of x without noise, "
            "for which mutual information is infinite"
        )
        findings.append((message, UserWarning))
    return findings
