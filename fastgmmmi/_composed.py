"""What gmm_mi.py needs and the core does not do yet, composed of what it does. Each part goes when the core has it.

A mixture is (weights (K,), means (K, d), covariances (K, d, d)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from . import _core, parallel

if TYPE_CHECKING:
    from .inputs import Floats

    Mixture: TypeAlias = tuple[Floats, Floats, Floats]

_PRIOR = 1e-3  # rows' worth of the data's covariance lent to a component, as in the core (csrc/marginals.c)
_LEAST_ROWS = 1e-10  # a component of fewer rows has vanished, and stays where it is


def em(
    X: Floats,
    sample_weight: Floats | None,
    start: Mixture,
    reg_covar: float,
    tol: float,
    max_iter: int,
    watch: Callable[[tuple[Mixture, float]], object] | None = None,
) -> tuple[Mixture, bool]:
    """Run plain EM from start until a pass gains less than tol per sample; reg_covar is added to each variance.

    Gives the mixture, and whether it converged. The watch sees every mixture and its mean log-likelihood.
    """
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    prior = _PRIOR * np.cov(X, rowvar=False, aweights=weight, ddof=0).reshape(2 * X.shape[1:])
    mixture, previous = start, -np.inf
    for _ in range(max_iter):
        log_likelihood = float(weight @ _core.log_density(*mixture, X) / weight.sum())
        if watch is not None:
            watch((mixture, log_likelihood))
        if abs(log_likelihood - previous) < tol:
            return mixture, True
        previous = log_likelihood
        mixture = _em_pass(X, weight, mixture, prior if len(mixture[0]) > 1 else 0 * prior, reg_covar)
    return mixture, False


def _em_pass(X: Floats, weight: Floats, mixture: Mixture, prior: Floats, reg_covar: float) -> Mixture:
    shares = _core.responsibilities(*mixture, X).T * weight
    rows = shares.sum(axis=1)
    means, covariances = mixture[1].copy(), mixture[2].copy()
    for k in np.flatnonzero(rows > _LEAST_ROWS * weight.sum()):
        means[k] = shares[k] @ X / rows[k]
        centred = X - means[k]
        covariances[k] = ((shares[k] * centred.T) @ centred + prior) / rows[k] + reg_covar * np.eye(X.shape[1])
    return rows / rows.sum(), means, covariances


class Starts(NamedTuple):
    """Fits from each starting point in each fold."""

    training: list[Floats]  # (n_folds)
    testing: list[Floats]  # (n_folds)
    mixtures: list[Mixture]  # (n_inits * n_folds)
    converged: list[bool]  # (n_inits * n_folds)
    held_out: Floats  # (n_inits, n_folds): mean log-likelihood of the samples left out

    @property
    def score(self) -> float:
        """Of the best starting point: its mean over the folds."""
        return float(self.held_out.mean(axis=1).max())


def cross_validate(X: Floats, options: dict[str, int | float], n_components: int, seed: int) -> Starts:
    """Fit in every fold from every starting point, each to the end.

    The core chooses between starting points after a few passes. From random responsibilities that is too soon: all
    components still overlap.
    """
    n_inits, n_folds = int(options["n_inits"]), int(options["n_folds"])
    order, folds = np.random.default_rng(seed).permutation(len(X)), np.arange(len(X)) % n_folds
    training = [X[order[folds != fold]] for fold in range(n_folds)]
    testing = [X[order[folds == fold]] for fold in range(n_folds)]
    fits = _from_starts(training, options, n_components, n_inits, seed)
    held_out = [_core.log_density(*mixture_of(f), testing[i % n_folds]).mean() for i, f in enumerate(fits)]
    return Starts(
        training,
        testing,
        [mixture_of(found) for found in fits],
        [found["converged"] for found in fits],
        np.reshape(held_out, (n_inits, n_folds)),
    )


def mixture_of(found: Any) -> Mixture:
    """Take the parameters out of what the core gives."""
    return found["weights"], found["means"], found["covariances"]


def fit_whole(X: Floats, options: dict[str, int | float], n_components: int, seed: int) -> Any:
    """Fit to all the data from every starting point, each to the end; the best of them, as the core gives it."""
    return max(
        _from_starts([X], options, n_components, int(options["n_inits"]), seed),
        key=lambda found: found["log_likelihood"],
    )


def _from_starts(
    samples: list[Floats], options: dict[str, int | float], n_components: int, n_inits: int, seed: int
) -> list[Any]:
    """Fit to all samples from the first starting point, then from the second, ..."""
    options = {**options, "n_components": n_components, "n_inits": 1}
    different = 1 if n_components == 1 else n_inits
    jobs = [(rows, None, options, seed + init, 1, None) for init in range(different) for rows in samples]
    return parallel.share(lambda job: _core.fit(*job), jobs) * (n_inits // different)


def replicate(
    X: Floats, start: Mixture, rng: np.random.Generator, reg_covar: float, tol: float, max_iter: int
) -> Mixture:
    """Refit to a bootstrap resample, from the mixture fitted to all the data."""
    counts = rng.poisson(1.0, len(X))
    drawn = counts > 0
    if np.count_nonzero(drawn) < X.shape[1] + 2:
        raise _core.CoreError("ERROR_TOO_FEW_SAMPLES", "too few samples")
    return em(X[drawn], counts[drawn].astype(float), start, reg_covar, tol, max_iter)[0]


def kl_divergence(p: Mixture, q: Mixture) -> float:
    """KL(p || q) of two mixtures of one variable, in nats: Gauss-Legendre pieces as narrow as the components there."""
    reach = np.linspace(-9.0, 9.0, 181)
    edges = np.unique(np.concatenate([(m + np.sqrt(c[:, 0]) * reach).ravel() for _, m, c in (p, q)]))
    nodes, weights = np.polynomial.legendre.leggauss(3)
    half = 0.5 * np.diff(edges)[:, None]
    points = (edges[:-1, None] + half * (1.0 + nodes)).reshape(-1, 1)
    log_p, log_q = _core.log_density(*p, points), _core.log_density(*q, points)
    return float((half * weights).ravel() @ (np.exp(log_p) * (log_p - log_q)))


def pooled(mixtures: Sequence[Mixture]) -> Mixture:
    """Mix mixtures in equal parts."""
    weights, means, covariances = (np.concatenate(arrays) for arrays in zip(*mixtures, strict=True))
    return weights / len(mixtures), means, covariances


def class_information(mixtures: Sequence[Mixture], tol: float) -> float:
    """Information on a class, all classes being equally probable: h(p) - sum_c h(p_c) / C."""
    conditional = sum(_core.entropy(*mixture, tol, 0)[0] for mixture in mixtures) / len(mixtures)
    return _core.entropy(*pooled(mixtures), tol, 0)[0] - conditional
