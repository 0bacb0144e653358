"""The functions of the core that work on mixtures and on single numbers, against their twins, on every tier."""

import decimal
import os
import subprocess
import sys

import numpy as np
import pytest
import twins
from scipy import stats

from fastgmmmi import _core

TIERS = twins.tiers()
DIMENSIONS = [*range(1, 13), 33, 64]


def mixture(n_components, d, seed):
    """Parameters whose covariances have condition numbers of about 10."""
    rng = np.random.default_rng(seed)
    factors = np.tril(rng.normal(size=(n_components, d, d)), -1) * 0.3 / np.sqrt(d)
    factors[:, range(d), range(d)] = rng.uniform(0.5, 1.5, size=(n_components, d))
    weights = rng.dirichlet(np.full(n_components, 5.0))
    return weights, rng.normal(size=(n_components, d)), np.ascontiguousarray(factors @ factors.transpose(0, 2, 1))


# ---- exp and log -----------------------------------------------------------------------------------------------------


def units_in_last_place(values, arguments, function):
    """Distance of values from the exact function, which has 40 digits here, in units in the last place."""
    with decimal.localcontext() as context:
        context.prec = 40
        context.Emin, context.Emax = -999999, 999999
        distances = []
        for value, argument in zip(values.tolist(), arguments.tolist(), strict=True):
            exact = getattr(decimal.Decimal(argument), function)()
            unit = np.spacing(abs(float(exact)))
            distances.append(abs(float((decimal.Decimal(value) - exact) / decimal.Decimal(unit))))
    return np.array(distances)


def exp_arguments():
    rng = np.random.default_rng(0)
    near_zero = np.array([sign * 2.0**-e for e in range(1, 54) for sign in (-1, 1)])
    halves = (rng.integers(-1020, 1022, 200) + 0.5) * np.log(2)
    return np.concatenate([rng.uniform(-708, 709, 600), near_zero, halves, [-708.0, 709.0, 0.0]])


def log_arguments():
    rng = np.random.default_rng(1)
    anywhere = 2.0 ** rng.uniform(-1022, 1023.9, 600)
    near_one = np.array([1 + sign * 2.0**-e for e in range(2, 53) for sign in (-1, 1)])
    edges = [np.sqrt(0.5), np.nextafter(np.sqrt(0.5), 0), sys.float_info.min, sys.float_info.max, 1.0]
    return np.concatenate([anywhere, near_one, rng.uniform(0.5, 2, 200), edges])


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize(("function", "arguments"), [("exp", exp_arguments()), ("ln", log_arguments())])
def test_exp_and_log_are_within_two_units(tier, function, arguments):
    with twins.on_tier(tier):
        values = _core.exp(arguments) if function == "exp" else _core.log(arguments)
    assert units_in_last_place(values, arguments, function).max() <= 2


@pytest.mark.parametrize("tier", TIERS)
def test_special_values(tier):
    arguments = np.array([-np.inf, -1e300, -709, 0, -0.0, 710, 1e4, 1e308, np.inf, np.nan])
    with twins.on_tier(tier):
        np.testing.assert_array_equal(_core.exp(arguments), [0, 0, 0, 1, 1, *[np.inf] * 4, np.nan])
        assert _core.exp(np.array([-708.0]))[0] > 0
        assert np.isfinite(_core.exp(np.array([709.0]))[0])
        assert _core.log(np.array([1.0]))[0] == 0


@pytest.mark.parametrize("tier", TIERS)
def test_the_environment_forces_a_tier(tier):
    script = "import fastgmmmi._core as core; print(core.cpu_tier())"
    environment = {**os.environ, "FASTGMMMI_CPU": tier}
    shown = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == tier


def test_unknown_tiers_are_refused():
    before = _core.cpu_tier()
    with pytest.raises(_core.CoreError, match="not allowed"):
        _core.set_cpu_tier("v2")
    assert _core.cpu_tier() == before


# ---- densities -------------------------------------------------------------------------------------------------------
# Rounding: z = L^-1 (x - mu) is off by about d u cond(L) |z|, u = 1.1e-16, and the log-density by twice that relative
# to |z|^2 / 2. With cond(L) below 10 and d up to 64, 2e-12 of (1 + |log-density|) leaves a factor of 10.
TOLERANCE = 2e-12


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", DIMENSIONS)
def test_log_density_and_responsibilities(tier, d):
    with twins.on_tier(tier):
        for n_components in (1, 2, 3, 8, 20):
            parameters = mixture(n_components, d, seed=d)
            X = 3 * np.random.default_rng(d).normal(size=(83, d))
            X[5] += 1e5
            expected = twins.log_density(*parameters, X)
            np.testing.assert_allclose(_core.log_density(*parameters, X), expected, rtol=TOLERANCE, atol=TOLERANCE)
            near = np.delete(X, 5, axis=0)
            found = _core.responsibilities(*parameters, near)
            np.testing.assert_allclose(found, twins.responsibilities(*parameters, near), rtol=0, atol=100 * TOLERANCE)
            np.testing.assert_allclose(_core.responsibilities(*parameters, X).sum(axis=1), 1, rtol=1e-14)


def test_log_density_is_scipys():
    weights, means, covariances = mixture(4, 5, seed=0)
    X = np.random.default_rng(0).normal(size=(50, 5))
    parts = [w * stats.multivariate_normal(m, S).pdf(X) for w, m, S in zip(weights, means, covariances, strict=True)]
    np.testing.assert_allclose(_core.log_density(weights, means, covariances, X), np.log(sum(parts)), rtol=1e-11)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", [2, 6])
def test_every_number_of_rows(tier, d):
    """A row's density does not depend on the rows beside it, whether they fill the registers or not."""
    parameters = mixture(3, d, seed=1)
    X = np.random.default_rng(2).normal(size=(600, d))
    with twins.on_tier(tier):
        whole = _core.log_density(*parameters, X)
        for n in [*range(1, 70), 127, 128, 129, 255, 256, 257, 511, 512, 513, 600]:
            assert _core.log_density(*parameters, X[:n]).tobytes() == whole[:n].tobytes()
    assert _core.log_density(*parameters, X[:0]).shape == (0,)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("n_components", [1, 2, 5])
@pytest.mark.parametrize("d", [1, 2, 4, 7])
def test_far_points(tier, n_components, d):
    parameters = mixture(n_components, d, seed=3)
    X = np.zeros((5, d))
    X[:, 0] = [1e5, -1e150, 1e160, 1e200, np.nan]
    with twins.on_tier(tier):
        found = _core.log_density(*parameters, X)
        shares = _core.responsibilities(*parameters, X)
    np.testing.assert_allclose(found[0], twins.log_density(*parameters, X[:1])[0], rtol=TOLERANCE)
    assert found[1] < -1e299
    assert (found[2:4] < -1e299).all()  # minus infinity will do, NaN will not
    assert np.isnan(found[4])
    np.testing.assert_allclose(shares[:4].sum(axis=1), 1, rtol=1e-14)
    assert np.isnan(shares[4]).all()


def test_components_of_weight_zero_do_not_count():
    weights, means, covariances = mixture(3, 2, seed=4)
    weights[1] = 0
    weights /= weights.sum()
    X = np.vstack([np.random.default_rng(5).normal(size=(40, 2)), means, [[1e6, 1e6]]])
    kept = [0, 2]
    np.testing.assert_array_equal(_core.responsibilities(weights, means, covariances, X)[:, 1], 0)
    found = _core.log_density(weights, means, covariances, X)
    np.testing.assert_allclose(found, twins.log_density(weights[kept], means[kept], covariances[kept], X), rtol=1e-13)


@pytest.mark.parametrize("d", [1, 2, 3, 5, 12, 64])
def test_tiers_agree(d):
    """They order sums differently and may fuse multiplications, so results differ by rounding alone."""
    parameters = mixture(6, d, seed=6)
    X = np.random.default_rng(7).normal(size=(101, d))
    results = []
    for tier in TIERS:
        with twins.on_tier(tier):
            results.append((_core.log_density(*parameters, X), _core.responsibilities(*parameters, X)))
    for densities, shares in results[1:]:
        np.testing.assert_allclose(densities, results[0][0], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(shares, results[0][1], rtol=1e-9, atol=1e-13)


# ---- draws, marginals, conditionals, normal scores -------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_draws(d, seed):
    parameters = mixture(3, d, seed=8)
    np.testing.assert_allclose(_core.sample(*parameters, seed, 300), twins.sample(*parameters, seed, 300), atol=1e-13)


def test_draws_follow_the_mixture():
    """Each column's distribution function at its draws is uniform (Kolmogorov and Smirnov, at one in ten thousand)."""
    weights, means, covariances = mixture(3, 2, seed=9)
    X = _core.sample(weights, means, covariances, 0, 4000)
    for j in range(2):
        spreads = np.sqrt(covariances[:, j, j])
        levels = stats.norm.cdf(X[:, j : j + 1], means[:, j], spreads) @ weights
        assert stats.kstest(levels, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("columns", [[0], [3, 1], [2, 0, 3]])
def test_marginal_and_conditional(columns):
    weights, means, covariances = mixture(4, 4, seed=10)
    index = np.array(columns, dtype=np.int32)
    found_means, found_covariances = _core.marginal(means, covariances, index)
    np.testing.assert_array_equal(found_means, means[:, columns])
    np.testing.assert_array_equal(found_covariances, covariances[:, columns][:, :, columns])
    values = np.array([0.3, -0.2, 0.8])[: len(columns)]
    found = _core.conditional(weights, means, covariances, index, values)
    for part, expected in zip(found, twins.conditional(weights, means, covariances, columns, values), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("decimals", [0, 1, 16])
def test_normal_scores(weighted, decimals):
    rng = np.random.default_rng(11)
    column = np.round(rng.normal(size=200), decimals)
    weights = rng.uniform(0.1, 2, size=200) if weighted else None
    knots, scores = _core.normal_scores(column, weights)
    expected_knots, expected_scores = twins.normal_scores(column, np.ones(200) if weights is None else weights)
    np.testing.assert_array_equal(knots, expected_knots)
    np.testing.assert_allclose(scores, expected_scores, atol=1e-13)
    if not weighted:
        ranks = (stats.rankdata(column) - 0.5) / 200
        np.testing.assert_allclose(_core.apply_normal_scores(knots, scores, column), stats.norm.ppf(ranks), atol=1e-13)


def test_normal_scores_between_and_beyond_the_values():
    knots, scores = np.array([0.0, 1.0, 3.0]), np.array([-1.0, 0.5, 1.0])
    values = np.array([-2.0, 0.0, 0.5, 2.0, 3.0, 5.0])
    np.testing.assert_allclose(
        _core.apply_normal_scores(knots, scores, values), [-4, -1, -0.25, 0.75, 1, 1.5], rtol=1e-15
    )
