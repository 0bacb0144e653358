"""Estimates of information from samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from . import _core, parallel, results
from .errors import ConvergenceWarning
from .inputs import choice, core_options, pair, samples, seed_from
from .mixture import NOT_CONVERGED

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import ArrayLike

    from .inputs import Rng, Samples
    from .parallel import Poll


def mutual_information(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    discrete: str | Sequence[str] | None = None,
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
    Estimate the mutual information of x and y, with an error bar.

    Parameters
    ----------
    x : array_like, (n, dx) or (n,)
        Samples of the first variable; or with `y` left out both, (n, 2). Lists, arrays of any numeric type and layout,
        masked arrays, and pandas, polars and pyarrow columns and tables will do. Rows of x and y belong together.
    y : array_like, (n, dy) or (n,), optional
        Samples of the second variable.
    given : None
        Conditional mutual information: not available yet.
    discrete : {None, "neither"}
        Discrete variables are not available yet.
    sample_weight : array_like, (n,), optional
        Nonnegative weights; their scale is without effect.
    groups : None
        Groups of rows: not available yet.
    n_components : int, optional
        Number of components of the mixture; None selects it.
    max_components : int
        Largest number tried.
    criterion : {"cv", "aic", "bic"}
        What selects the number of components: cross-validated log-likelihood, or an information criterion.
    init : str, optional
        Starting points: "kmeans++", "split", or one of gmm-mi's "random", "minmax", "kmeans", "randomized_kmeans",
        "random_sklearn", "kmeans_sklearn". For this and the keywords below that are None, the core's measured default.
    n_folds : int, optional
        Folds of the cross-validation.
    n_inits : int, optional
        Starting points of each fit.
    patience : int, optional
        Numbers of components tried beyond the best one.
    marginals : {"auto", "gaussianize", "standardize", "none"}
        Map taken of each column first; mutual information does not change under it. "gaussianize": normal scores of the
        ranks. "auto" takes "standardize"; a measured choice comes later.
    family : {"gaussian"}
        The mixture's components.
    integration_tol : float
        Error of the integral aimed at, in nats, up to dimension 3; above, it is a tenth of the standard error.
    integral : {"auto", "model"}
        Expectation under the fitted mixture; "auto" takes "model".
    error : {"bootstrap"}
        Where the error bar comes from.
    n_bootstrap : int
        Bootstrap replicates. With 0 there is no error bar, and the value is not corrected for bias.
    reselect : bool or "auto"
        Whether every replicate chooses its number of components anew; "auto" does so up to 500 samples, where that
        choice is a large part of the uncertainty.
    tol : float, optional
        EM stops where less log-likelihood than this is left to gain per sample, in nats. None: 0.005 over all samples.
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
    NotImplementedError
        For what is not available yet; the message names what is.

    Warns
    -----
    UserWarning
        If a column looks discrete: at most 20 distinct values, each taken 5 times or more on average. If the estimate
        grows with every component, so that y looks like a function of x.
    ConvergenceWarning
        If the fit stopped at `max_iter` passes, or replicates could not be fitted.

    Notes
    -----
    The estimate is that of GMM-MI (Piras et al. 2023, Mach. Learn.: Sci. Technol. 4, 025006, arXiv:2211.00024): the
    expectation ``MI = E[log p(x, y) / (p(x) p(y))]`` under a Gaussian mixture ``p`` fitted to the samples, whose number
    of components is the one with the best held-out likelihood. Refitting to resampled data gives replicates, and with
    them the bias-corrected value ``2 MI - mean(replicates)`` and its standard error (Efron and Tibshirani 1993).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> r = fg.mutual_information(x, x + noise, rng=0)  # exactly log(2) / 2 = 0.347 nats
    >>> bool(abs(r.value - np.log(2) / 2) < 3 * r.standard_error)
    True
    """
    refuse_what_is_to_come(given=given, discrete=discrete, groups=groups, family=family, integral=integral, error=error)
    choice("units", units, results.UNITS)
    choice("missing", missing, ("raise", "drop"))
    options = core_options(
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        integration_tol=integration_tol,
        n_bootstrap=n_bootstrap,
        reselect=reselect,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
    )
    if executor is not None and not hasattr(executor, "submit"):
        raise ValueError(f"executor must be a concurrent.futures.Executor, got {executor!r}")
    threads = parallel.resolve_threads(threads)
    seed = seed_from(rng)
    data = samples(pair(x, y), sample_weight, missing)
    looks = data.discrete_looks()
    for message in looks:
        warnings.warn(message, UserWarning, stacklevel=2)
    with parallel.reporting(progress, n_bootstrap) as poll:
        found = estimate(data, options, seed, threads, executor, poll)
    noted = findings(found)
    for message, category in noted:
        warnings.warn(message, category, stacklevel=2)
    messages = (*looks, *(message for message, _ in noted))
    taken = "standardize" if marginals == "auto" else marginals
    return results.from_core(found, data, units, taken, seed, messages)


def estimate(
    data: Samples, options: dict[str, int | float], seed: int, threads: int, executor: Executor | None, poll: Poll
) -> dict[str, Any]:
    """Run the whole job for checked variables; an error of the core becomes one that names the column."""
    try:
        return parallel.mutual_information(data, options, seed, threads, executor, poll)
    except _core.CoreError as fault:
        raise data.explain(fault) from None


def refuse_what_is_to_come(
    given: object, discrete: object, groups: object, family: object, integral: object, error: object
) -> None:
    """Say which keyword is not available yet, and what is."""
    if given is not None:
        raise NotImplementedError(
            "given is not available yet; mutual_information(x, y) is, and so is "
            "GaussianMixture.mutual_information(x_columns, y_columns, given)"
        )
    if discrete is not None:
        sides = [discrete] if isinstance(discrete, str) or not isinstance(discrete, Sequence) else discrete
        for side in sides:
            choice("discrete", side, ("neither", "x", "y", "both", "given"))
        if discrete != "neither":
            raise NotImplementedError(f"discrete={discrete!r} is not available yet; continuous x and y are")
    if groups is not None:
        raise NotImplementedError("groups is not available yet; rows that are independent of each other are")
    if family != "gaussian":
        raise NotImplementedError(f"family={family!r} is not available; family='gaussian' is")
    if choice("integral", integral, ("auto", "model", "data")) == "data":
        raise NotImplementedError("integral='data' is not available yet; integral='model' is")
    if choice("error", error, ("bootstrap", "delta")) == "delta":
        raise NotImplementedError("error='delta' is not available yet; error='bootstrap' is")


def findings(found: dict[str, Any]) -> list[tuple[str, type[Warning]]]:
    """Put into words what a user should know about an estimate."""
    findings: list[tuple[str, type[Warning]]] = []
    if not found["converged"]:
        findings.append((NOT_CONVERGED, ConvergenceWarning))
    if found["n_failed"]:
        message = (
            f"{found['n_failed']} of {len(found['bootstrap'])} bootstrap replicates could not be fitted; they are NaN"
        )
        findings.append((message, ConvergenceWarning))
    if found["diverging"]:
        message = (
            "the estimate kept growing with the number of components, so y looks like a function of x without noise, "
            "for which mutual information is infinite"
        )
        findings.append((message, UserWarning))
    return findings
