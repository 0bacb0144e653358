"""Tasks of known information in the manner of the BMI benchmark (Czyż et al. 2023).

Gaussian and Student-t variables of one to five dimensions a side, seen through invertible maps, and uniform noise;
written from the descriptions of the paper.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln, ndtr, psi

Maps = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


@dataclass(frozen=True)
class Task:
    """How x (n, dx) and y (n, dy) are drawn, and their information in nats."""

    name: str
    truth: float
    sample: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


# ---- Gaussian and Student-t ------------------------------------------------------------------------------------------


def dense(dx: int, dy: int, correlation: float = 0.5) -> np.ndarray:
    """Every variable correlated with every other."""
    return np.full((dx + dy, dx + dy), correlation) + (1 - correlation) * np.eye(dx + dy)


def sparse(dx: int, dy: int, pairs: int = 2, correlation: float = 0.8) -> np.ndarray:
    """Pairs of one variable of x and one of y correlated, all else independent."""
    covariance = np.eye(dx + dy)
    for i in range(min(pairs, dx, dy)):
        covariance[i, dx + i] = covariance[dx + i, i] = correlation
    return covariance


def gaussian_information(covariance: np.ndarray, dx: int) -> float:
    """From determinants."""
    parts = covariance[:dx, :dx], covariance[dx:, dx:], covariance
    x, y, joint = (np.linalg.slogdet(part)[1] for part in parts)
    return float(0.5 * (x + y - joint))


def student_excess(freedom: float, dx: int, dy: int) -> float:
    """What the tails add to the information of a Gaussian (Arellano-Valle, Contreras-Reyes and Genton 2013)."""

    def part(a: float) -> float:
        return gammaln(a / 2) - a / 2 * psi(a / 2)

    return float(part(freedom) + part(freedom + dx + dy) - part(freedom + dx) - part(freedom + dy))


def drawn(covariance: np.ndarray, dx: int, freedom: float | None = None) -> Callable:
    """Sampler of a Gaussian, or of a Student-t distribution of that dispersion."""
    root = np.linalg.cholesky(covariance)

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        rows = rng.normal(size=(n, len(root))) @ root.T
        if freedom is not None:
            rows /= np.sqrt(rng.chisquare(freedom, size=(n, 1)) / freedom)
        return rows[:, :dx], rows[:, dx:]

    return sample


# ---- maps ------------------------------------------------------------------------------------------------------------


def half_cube(x: np.ndarray) -> np.ndarray:
    """Lengthen the tails."""
    return x * np.sqrt(np.abs(x))


def wiggle_x(x: np.ndarray) -> np.ndarray:
    """Bend the line three times, and stay monotone."""
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def wiggle_y(y: np.ndarray) -> np.ndarray:
    """Bend it otherwise."""
    return y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)


def spiral(x: np.ndarray, speed: float = 1.0) -> np.ndarray:
    """Turn the first two variables, and the next two, by an angle that grows with the length of the row."""
    turned = x.copy()
    angle = speed * (x**2).sum(axis=1)
    for i in range(0, x.shape[1] - 1, 2):
        a, b = x[:, i], x[:, i + 1]
        turned[:, i], turned[:, i + 1] = np.cos(angle) * a - np.sin(angle) * b, np.sin(angle) * a + np.cos(angle) * b
    return turned


def swiss_roll(x: np.ndarray) -> np.ndarray:
    """Roll one uniform variable up in the plane."""
    angle = 3 * np.pi / 2 * (1 + 2 * ndtr(x[:, 0]))
    return np.column_stack([angle * np.cos(angle), angle * np.sin(angle)]) / 21


def same(x: np.ndarray) -> np.ndarray:
    """Leave it."""
    return x


# ---- the tasks -------------------------------------------------------------------------------------------------------


def through(
    name: str, covariance: np.ndarray, dx: int, maps: Maps = (same, same), freedom: float | None = None
) -> Task:
    """A Gaussian or Student-t distribution seen through invertible maps of x and of y."""
    truth = gaussian_information(covariance, dx)
    if freedom is not None:
        truth += student_excess(freedom, dx, len(covariance) - dx)
    source = drawn(covariance, dx, freedom)

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = source(rng, n)
        return maps[0](x), maps[1](y)

    return Task(name, truth, sample)


def noisy(width: float) -> Task:
    """y = x + u, x uniform in (0, 1) and u in (-width, width)."""

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((n, 1))
        return x, x + rng.uniform(-width, width, (n, 1))

    truth = 1 / (4 * width) if width > 0.5 else width - np.log(2 * width)
    return Task(f"uniform noise {width:g}", float(truth), sample)


def tasks() -> list[Task]:
    """Up to 5 + 5 dimensions."""
    pair = np.array([[1, 0.75], [0.75, 1]])
    found = [
        through("normal 1 x 1", pair, 1),
        through("normal cdf 1 x 1", pair, 1, (ndtr, ndtr)),
        through("half-cube 1 x 1", pair, 1, (half_cube, half_cube)),
        through("wiggly 1 x 1", pair, 1, (wiggle_x, wiggle_y)),
        through("swiss roll 2 x 1", pair, 1, (swiss_roll, ndtr)),
        noisy(0.1),
        noisy(0.75),
        through("Student-t 1 x 1 (dof 1)", np.eye(2), 1, freedom=1),
        through("asinh of Student-t 1 x 1 (dof 1)", np.eye(2), 1, (np.arcsinh, np.arcsinh), 1),
        through("bimodal 1 x 1", pair, 1, (lambda x: ndtr(x) ** 3, lambda y: np.sinh(y))),
        through("normal 1 x 5 dense", dense(1, 5), 1),
    ]
    for d in (2, 3, 5):
        size = f"{d} x {d}"
        found += [
            through(f"normal {size} dense", dense(d, d), d),
            through(f"normal {size} two pairs", sparse(d, d), d),
            through(f"normal cdf {size} two pairs", sparse(d, d), d, (ndtr, ndtr)),
            through(f"half-cube {size} two pairs", sparse(d, d), d, (half_cube, half_cube)),
            through(f"Student-t {size} (dof 1)", np.eye(2 * d), d, freedom=1),
            through(f"Student-t {size} (dof 2)", np.eye(2 * d), d, freedom=2),
            through(f"Student-t {size} (dof 3)", np.eye(2 * d), d, freedom=3),
            through(f"asinh of Student-t {size} (dof 2)", np.eye(2 * d), d, (np.arcsinh, np.arcsinh), 2),
            through(f"spiral {size} two pairs", sparse(d, d), d, (spiral, same)),
        ]
    return found
