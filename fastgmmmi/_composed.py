"""What gmm_mi.py needs and the core does not do yet, composed of what it does. Each part goes when the core has it.

A mixture is (weights (K,), means (K, d), covariances (K, d, d)).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from . import _core

if TYPE_CHECKING:
    from .inputs import Floats

    Mixture: TypeAlias = tuple[Floats, Floats, Floats]

_PRIOR = 1e-3  # rows' worth of the data's covariance lent to a component, as in the core (csrc/marginals.c)
_LEAST_ROWS = 1e-10  # a component of fewer rows has vanished


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
    there = rows > _LEAST_ROWS * weight.sum()
    shares, rows = shares[there], rows[there]
    means = shares @ X / rows[:, None]
    covariances = np.empty((*means.shape, X.shape[1]))
    for k, mean in enumerate(means):
        centred = X - mean
        covariances[k] = ((shares[k] * centred.T) @ centred + prior) / rows[k] + reg_covar * np.eye(X.shape[1])
    return rows / rows.sum(), means, covariances


def replicates(
    X: Floats, start: Mixture, rng: np.random.Generator, reg_covar: float, tol: float, max_iter: int
) -> Iterator[Mixture]:
    """Refit to one bootstrap resample after another, from the mixture fitted to all the data."""
    while True:
        counts = rng.poisson(1.0, len(X))
        drawn = counts > 0
        yield em(np.ascontiguousarray(X[drawn]), counts[drawn].astype(float), start, reg_covar, tol, max_iter)[0]


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
