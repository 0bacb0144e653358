"""Data whose mutual information is known: closed forms, and mixtures integrated to more digits than are used.

tests/test_benchmarks.py checks each truth by quadrature of the density.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

Sampler = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A joint distribution of x and y."""

    name: str
    truth: float  # nats
    sample: Sampler
    kind: str  # "gaussian", "independent", "mixture" or "hard edge"


@dataclass(frozen=True)
class Mixture:
    """Weights (K), means (K, d), covariances (K, d, d) of x, the first dx columns, and y."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    dx: int = 1

    def sample(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """First and second variable of n draws."""
        components = rng.choice(len(self.weights), size=n, p=self.weights)
        noise = rng.standard_normal((n, self.means.shape[1], 1))
        draws = self.means[components] + (np.linalg.cholesky(self.covariances)[components] @ noise)[..., 0]
        sides = draws[:, : self.dx], draws[:, self.dx :]
        return sides if draws.shape[1] > 2 else tuple(side[:, 0] for side in sides)


def plane_mixture(weights: list, means: list, covariances: list) -> Mixture:
    """A mixture of two variables; each covariance is given as [xx, xy, yy]."""
    full = np.array([[[xx, xy], [xy, yy]] for xx, xy, yy in covariances], float)
    return Mixture(np.asarray(weights, float), np.asarray(means, float), full)


# Three of the test mixtures of Piras et al. (2023).
D1 = plane_mixture([1], [(-1, 1)], [(0.5, 0.2, 0.5)])
D3P = plane_mixture([0.3, 0.45, 0.25], [(-3, 3), (2, 4), (-2.5, 5)], [(1, 0, 0.1), (0.5, 0.2, 0.5), (0.1, 0.05, 0.1)])
D5 = plane_mixture(
    [0.2, 0.35, 0.15, 0.12, 0.18],
    [(-1, 1), (0, 2), (-1.5, 2), (2, 1), (-0.25, 0)],
    [(1, 0, 0.1), (0.5, 0.2, 0.5), (0.1, 0.05, 0.1), (0.5, -0.1, 0.9), (0.2, -0.05, 0.1)],
)


def ring(n_components: int, radius: float, along: float, across: float) -> Mixture:
    """Equal components around a circle, each of a deviation along it and another across."""
    angles = 2 * np.pi * np.arange(n_components) / n_components
    outwards = np.column_stack([np.cos(angles), np.sin(angles)])
    squares = outwards[:, :, None] * outwards[:, None, :]
    covariances = along**2 * (np.eye(2) - squares) + across**2 * squares
    return Mixture(np.full(n_components, 1 / n_components), radius * outwards, covariances)


RING = ring(8, 2, 0.25, 0.1)


def three_and_two() -> Mixture:
    """Three components in 3 + 2 dimensions whose places and shapes both tell."""
    means = np.array([[0, 0, 0, 0, 0], [2, 1, -1, 1.5, -1], [-1, 2, 1, -1, -1.5]], float)
    factors = np.eye(5) + 0.25 * np.random.default_rng(1).standard_normal((3, 5, 5))
    return Mixture(np.array([0.5, 0.3, 0.2]), means, factors @ factors.transpose(0, 2, 1), dx=3)


MIXTURE_3_2 = three_and_two()


def gaussian(rho: float) -> Case:
    """Two variables with correlation rho."""

    def sample(rng, n):
        x = rng.standard_normal(n)
        return x, rho * x + np.sqrt(1 - rho**2) * rng.standard_normal(n)

    return Case(f"Gaussian rho={rho:g}", 0.5 * np.log(1 / (1 - rho**2)), sample, "gaussian" if rho else "independent")


def multivariate_gaussian(d: int) -> Case:
    """d + d variables, all correlations 1/2: the covariance I/2 + 1/2 of size m has determinant (m + 1) / 2^m."""

    def sample(rng, n):
        draws = np.sqrt(0.5) * (rng.standard_normal((n, 2 * d)) + rng.standard_normal((n, 1)))
        return draws[:, :d], draws[:, d:]

    return Case(f"Gaussian {d}+{d}", np.log(d + 1) - 0.5 * np.log(2 * d + 1), sample, "gaussian")


def gamma_exponential(a: float) -> Case:
    """x ~ Gamma(a), y ~ Exp(rate x), both by their logarithms."""

    def sample(rng, n):
        log_x = log_gamma(rng, a, n)
        return log_x, np.log(rng.standard_exponential(n)) - log_x

    return Case(f"gamma-exponential a={a:g}, logs", digamma(a + 1) - np.log(a), sample, "hard edge")


def log_gamma(rng: np.random.Generator, a: float, n: int) -> np.ndarray:
    """Logarithm of Gamma(a) without underflow: Gamma(a) = Gamma(a + 1) U^(1/a)."""
    return np.log(rng.standard_gamma(a + 1, n)) - rng.standard_exponential(n) / a


def weinman(a: float) -> Case:
    """x ~ Exp(rate 2), y = x + a E with E ~ Exp(1), both by their logarithms (Darbellay and Vajda 1999)."""

    def sample(rng, n):
        x = rng.standard_exponential(n) / 2
        return np.log(x), np.log(x + a * rng.standard_exponential(n))

    if a < 0.5:
        truth = np.log((1 - 2 * a) / (2 * a)) + digamma(1 / (1 - 2 * a)) - digamma(1)
    elif a == 0.5:
        truth = -digamma(1)
    else:
        truth = np.log((2 * a - 1) / (2 * a)) + digamma(2 * a / (2 * a - 1)) - digamma(1)
    return Case(f"Weinman a={a:g}, logs", truth, sample, "hard edge")


CASES = [
    *(gaussian(rho) for rho in (0, 0.3, 0.6, 0.9, 0.99)),
    *(multivariate_gaussian(d) for d in (2, 3, 5)),
    Case("D1", 0.087177, D1.sample, "mixture"),
    Case("D3p", 0.388815, D3P.sample, "mixture"),
    Case("D5", 0.168053, D5.sample, "mixture"),
    *(gamma_exponential(a) for a in (0.3, 1, 10)),
    *(weinman(a) for a in (0.3, 2)),
]

# What only calibration.py measures.
MORE = [
    Case("ring of 8", 1.133658, RING.sample, "mixture"),
    Case("mixture 3+2", 0.628122, MIXTURE_3_2.sample, "mixture"),
]


def named(name: str) -> Case:
    """The case of that name."""
    return next(case for case in [*CASES, *MORE] if case.name == name)
