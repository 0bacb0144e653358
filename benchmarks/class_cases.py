"""Estimates with labels, conditions, entropies and divergences whose truth is known, for `accuracy.py --discrete`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logsumexp, xlogy

HALF_LOG_TWO_PI_E = 0.5 * np.log(2 * np.pi * np.e)


@dataclass(frozen=True)
class ClassCase:
    """What is passed to one of the package's functions, and what it should find."""

    name: str
    truth: float  # nats
    sample: Callable[[np.random.Generator, int], dict[str, Any]]  # keyword arguments
    function: str = "mutual_information"
    keywords: dict[str, Any] = field(default_factory=dict)


# ---- a label and a number --------------------------------------------------------------------------------------------


def line_entropy(weights, means, deviations) -> float:
    """Entropy of a mixture on the line, by the trapezoid rule."""
    x = np.arange((means - 12 * deviations).min(), (means + 12 * deviations).max(), deviations.min() / 50)
    logs = np.log(weights / deviations) - 0.5 * ((x[:, None] - means) / deviations) ** 2 - 0.5 * np.log(2 * np.pi)
    log_density = logsumexp(logs, axis=1)
    return float(-np.trapezoid(np.exp(log_density) * log_density, x))


def label_case(name: str, weights, means, deviations) -> ClassCase:
    """Gaussian classes; the information is the pooled entropy less that of the classes."""
    weights, means, deviations = (np.asarray(numbers, float) for numbers in (weights, means, deviations))
    weights = weights / weights.sum()

    def sample(rng, n):
        codes = rng.choice(len(weights), size=n, p=weights)
        return {"x": means[codes] + deviations[codes] * rng.normal(size=n), "y": codes}

    within = np.sum(weights * (HALF_LOG_TWO_PI_E + np.log(deviations)))
    return ClassCase(name, line_entropy(weights, means, deviations) - within, sample, keywords={"discrete": "y"})


def label_cases() -> list[ClassCase]:
    """2, 10 and 50 classes, as many samples in each or up to 1:100."""
    cases = [
        label_case("2 classes", [1, 1], [0, 1], [1, 1]),
        label_case("2 classes, 1:100", [100, 1], [0, 2], [1, 0.5]),
    ]
    for k, spread in ((10, np.linspace(0.5, 1.5, 10)), (50, np.ones(50))):
        means = np.linspace(0, {10: 6, 50: 20}[k], k)
        cases.append(label_case(f"{k} classes", np.ones(k), means, spread))
        cases.append(label_case(f"{k} classes, 1:100", np.geomspace(1, 100, k), means, spread))
    for k in (2, 10):
        cases.append(label_case(f"{k} classes, independent", np.ones(k), np.zeros(k), np.ones(k)))
    return cases


# ---- conditions ------------------------------------------------------------------------------------------------------


def gaussian_condition(name: str, dx: int, dy: int, dz: int, factor: np.ndarray) -> ClassCase:
    """Gaussian x, y and z of covariance factor factor^T; the information is one of determinants."""
    covariance = factor @ factor.T
    x, y, z = np.split(np.arange(dx + dy + dz), [dx, dx + dy])
    parts = [np.r_[x, z], np.r_[y, z], z, np.r_[x, y, z]]
    volumes = [np.linalg.slogdet(covariance[np.ix_(part, part)])[1] for part in parts]

    def sample(rng, n):
        rows = rng.normal(size=(n, dx + dy + dz)) @ factor.T
        return {"x": rows[:, x], "y": rows[:, y], "given": rows[:, z]}

    return ClassCase(name, float(0.5 * (volumes[0] + volumes[1] - volumes[2] - volumes[3])), sample)


def given_label(rng, n):
    """Correlation 0, .5 and .9 in three classes, which also move x and y."""
    codes, x, noise = rng.integers(0, 3, n), *rng.normal(size=(2, n))
    rho = np.array([0, 0.5, 0.9])[codes]
    return {"x": x + codes, "y": rho * x + np.sqrt(1 - rho**2) * noise - 2 * codes, "given": codes}


def condition_cases() -> list[ClassCase]:
    """Gaussians of three shapes, a chain x -> z -> y, a collider, and labels as the condition."""
    rng = np.random.default_rng(1)
    cases = [
        gaussian_condition(f"given z, {dx} + {dy} + {dz}", dx, dy, dz, np.eye(d) + 0.4 * rng.normal(size=(d, d)))
        for dx, dy, dz in ((1, 1, 1), (2, 2, 2), (1, 1, 5))
        for d in [dx + dy + dz]
    ]
    chain = np.array([[1, 0, 0], [0.64, 0.6, 0.48], [0.8, 0, 0.6]])
    collider = np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 1]])
    cases += [gaussian_condition("chain", 1, 1, 1, chain), gaussian_condition("collider", 1, 1, 1, collider)]
    truth = -(np.log(1 - 0.25) + np.log(1 - 0.81)) / 6
    return [*cases, ClassCase("given a label", float(truth), given_label, keywords={"discrete": "given"})]


# ---- tables ----------------------------------------------------------------------------------------------------------


def table_case(name: str, counts) -> ClassCase:
    """Two labels, the probabilities of whose combinations are proportional to counts."""
    p = np.asarray(counts, float) / np.sum(counts)
    truth = xlogy(p, p).sum() - xlogy(p.sum(0), p.sum(0)).sum() - xlogy(p.sum(1), p.sum(1)).sum()

    def sample(rng, n):
        x, y = np.divmod(rng.choice(p.size, size=n, p=p.ravel()), p.shape[1])
        return {"x": x, "y": y}

    return ClassCase(name, float(truth), sample, keywords={"discrete": "both"})


def table_given(rng, n):
    """y is x with probability 0, .4 or .8, as z says, and else at random."""
    x, y, z = rng.integers(0, 3, (3, n))
    return {"x": x, "y": np.where(rng.random(n) < 0.4 * z, x, y), "given": z}


def table_cases() -> list[ClassCase]:
    """Small and larger tables, independent ones, and one given a third label."""
    rng = np.random.default_rng(5)
    tables = [(1 - p) / 9 * np.ones((3, 3)) + p / 3 * np.eye(3) for p in (0, 0.4, 0.8)]
    truth = np.mean([xlogy(table, 9 * table).sum() for table in tables])
    every = {"discrete": ("x", "y", "given")}
    return [
        table_case("2 x 2 labels", [[3, 1], [1, 3]]),
        table_case("5 x 4 labels", rng.random((5, 4)) ** 3),
        table_case("10 x 10 labels", rng.random((10, 10)) ** 4),
        table_case("3 x 3 labels, independent", np.ones((3, 3))),
        table_case("10 x 10 labels, independent", np.ones((10, 10))),
        ClassCase("3 x 3 labels given 3", float(truth), table_given, keywords=every),
    ]


# ---- entropy and divergence ------------------------------------------------------------------------------------------


def other_cases() -> list[ClassCase]:
    """Of Gaussians, and one mixture."""
    two = np.array([0.7, 0.3]), np.array([0.0, 3.0]), np.array([0.5, 0.5])

    def mixture(rng, n):
        return {"x": 0.5 * rng.normal(size=n) + 3 * (rng.random(n) < 0.3)}

    def moved(shift, scale):
        return lambda rng, n: {"x": rng.normal(size=n), "y": shift + scale * rng.normal(size=n)}

    def pairs(rng, n):
        x, noise = rng.normal(size=(2, n))
        return {"x": x, "y": 1 + 0.8 * x + 0.6 * noise}

    wider = float(np.log(1.5) + 1 / (2 * 1.5**2) - 0.5)
    return [
        ClassCase("entropy, 1", HALF_LOG_TWO_PI_E, lambda rng, n: {"x": rng.normal(size=n)}, "entropy"),
        ClassCase("entropy, 3", 3 * HALF_LOG_TWO_PI_E, lambda rng, n: {"x": rng.normal(size=(n, 3))}, "entropy"),
        ClassCase("entropy, a mixture", line_entropy(*two), mixture, "entropy"),
        ClassCase("divergence, moved", 0.5, moved(1, 1), "kl_divergence"),
        ClassCase("divergence, wider", wider, moved(0, 1.5), "kl_divergence"),
        ClassCase("divergence, equal", 0.0, moved(0, 1), "kl_divergence"),
        ClassCase("divergence, paired", 0.5, pairs, "kl_divergence", {"paired": True}),
    ]


CASES = [*label_cases(), *condition_cases(), *table_cases(), *other_cases()]
