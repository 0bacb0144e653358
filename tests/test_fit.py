"""Fits and the job's estimates, against their twins and against what they must not depend on."""

import numpy as np
import pytest
import twins

from fastgmmmi import _core

TIERS = twins.tiers()
CLUSTERS = np.array([1, 1, 1]) / 3, 8.0 * np.array([[0, 0], [1, 0], [0, 1]]), np.array([np.eye(2)] * 3)
INITS = [name for name in _core.INITS if name != "split"]  # which starts like k-means++ where there is no fit to split


def fit(X, weights=None, seed=1, threads=1, **options):
    names = {"init": _core.INITS, "criterion": _core.CRITERIA}
    options = {name: names[name][value] if name in names else value for name, value in options.items()}
    return _core.fit(np.ascontiguousarray(X), weights, options, seed, threads, None)


def job(X, weights=None, seed=1, dx=1, **options):
    x, y = np.ascontiguousarray(X[:, :dx]), np.ascontiguousarray(X[:, dx:])
    return _core.information(*twins.pair(x, y, weights), options, seed, 1, None)


def parameters(fitted):
    return fitted["weights"], fitted["means"], fitted["covariances"]


def overlapping(d, n, seed=0):
    """Draws of four components that overlap."""
    rng = np.random.default_rng(seed)
    means = 1.5 * rng.normal(size=(4, d))
    factors = np.tril(0.3 * rng.normal(size=(4, d, d))) + np.eye(d) * rng.uniform(0.5, 1.2, size=(4, 1, 1))
    return _core.sample(np.array([0.4, 0.3, 0.2, 0.1]), means, factors @ factors.transpose(0, 2, 1), seed, n)


def standardize(X, weights=None):
    mean, covariance = twins.mean_and_covariance(X, np.ones(len(X)) if weights is None else weights)
    return (X - mean) / np.sqrt(np.diag(covariance)), mean, np.sqrt(np.diag(covariance))


# ---- the M and the E step --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 12, 33])
def test_one_component_is_mean_and_covariance(tier, d):
    X = np.random.default_rng(d).normal(size=(300, d)) @ np.random.default_rng(1).normal(size=(d, d)) + 5
    weights = np.random.default_rng(2).exponential(size=300)
    with twins.on_tier(tier):
        fitted = fit(X, weights, n_components=1)
    mean, covariance = twins.mean_and_covariance(X, weights)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(fitted["means"][0], mean, rtol=0, atol=1e-13 * (spread + abs(mean)).max())
    np.testing.assert_allclose(
        fitted["covariances"][0] / np.outer(spread, spread), covariance / np.outer(spread, spread), atol=1e-12
    )
    likelihood = np.average(twins.log_density([1.0], [mean], [covariance], X), weights=weights)
    np.testing.assert_allclose(fitted["log_likelihood"], likelihood, rtol=1e-11)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("init", ["kmeans++", "random", "random_sklearn"])
@pytest.mark.parametrize("d", [1, 2, 3, 5, 9])
def test_two_steps(tier, init, d):
    """With one start, one pass returns it, and two passes are one step to choose K and one step of the final fit."""
    X = overlapping(d, 411)
    weights = np.random.default_rng(3).exponential(size=411)
    options = {"n_components": 4, "n_inits": 1, "init": init}
    # Columns stand as the fit orders them, since the rounding between its two parts depends on that.
    X = X[:, twins.column_order(standardize(X, weights)[0], 1, weights)]
    with twins.on_tier(tier):
        before, after = (fit(X, weights, max_iter=passes, **options) for passes in (1, 2))
    Z, mean, spread = standardize(X, weights)
    start = before["weights"], (before["means"] - mean) / spread, before["covariances"] / np.outer(spread, spread)
    stepped = twins.em_step(*twins.rounded(*twins.em_step(*start, Z, weights)), Z, weights)
    # The start comes back through the data's own units, so a few more roundings than a step has: 1e-11 is plenty.
    np.testing.assert_allclose(after["weights"], stepped[0], rtol=1e-11)
    np.testing.assert_allclose((after["means"] - mean) / spread, stepped[1], atol=1e-11)
    np.testing.assert_allclose(after["covariances"] / np.outer(spread, spread), stepped[2], atol=1e-11)
    likelihood = np.average(twins.log_density(*parameters(after), X), weights=weights)
    np.testing.assert_allclose(after["log_likelihood"], likelihood, atol=1e-11)
    assert not before["converged"]


@pytest.mark.parametrize("init", ["kmeans++", "kmeans", "minmax"])
def test_the_maximum_is_that_of_plain_em(init):
    X = overlapping(2, 500)
    options = {"n_components": 4, "n_inits": 1, "init": init}
    start = fit(X, max_iter=1, **options)
    fitted = fit(X, tol=1e-12, max_iter=10_000, **options)
    Z, mean, spread = standardize(X)
    ones = np.ones(len(X))
    scaled = [
        (p["weights"], (p["means"] - mean) / spread, p["covariances"] / np.outer(spread, spread))
        for p in (start, fitted)
    ]
    plain, reached = scaled[0], twins.objective(*scaled[1], Z, ones)
    for _ in range(3000):
        stepped = twins.em_step(*plain, Z, ones)
        moved = max(abs(a - b).max() for a, b in zip(plain, stepped, strict=True))
        plain = stepped
        if moved < 1e-9:
            break
    assert fitted["converged"]
    assert reached >= twins.objective(*plain, Z, ones) - 1e-9
    assert reached < twins.objective(*plain, Z, ones) + 0.01  # the same maximum or, by a long step, a better one
    assert twins.objective(*twins.em_step(*scaled[1], Z, ones), Z, ones) < reached + 1e-9


@pytest.mark.parametrize("init", _core.INITS)
@pytest.mark.parametrize("d", [1, 3])
def test_every_start_reaches_the_likelihood_of_the_truth(init, d):
    """At four components a fit beats the density that the data come from, by about half a nat for each parameter."""
    X = overlapping(d, 800, seed=5)
    fitted = fit(X, n_components=4, init=init, n_inits=4, tol=1e-7)
    rng = np.random.default_rng(5)
    means = 1.5 * rng.normal(size=(4, d))
    factors = np.tril(0.3 * rng.normal(size=(4, d, d))) + np.eye(d) * rng.uniform(0.5, 1.2, size=(4, 1, 1))
    truth = twins.log_density([0.4, 0.3, 0.2, 0.1], means, factors @ factors.transpose(0, 2, 1), X)
    assert fitted["log_likelihood"] > truth.mean() - 0.01
    assert fitted["log_likelihood"] < truth.mean() + 0.1


def test_a_part_of_many_rows_is_enough_to_split_by():
    """Fits with fewer components see 4,096 of 9,000 rows; the maximum is that of a start which needs no such fits."""
    X = overlapping(2, 9000)
    split, clusters = (fit(X, n_components=4, init=init) for init in ("split", "kmeans++"))
    assert split["log_likelihood"] == pytest.approx(clusters["log_likelihood"], abs=1e-8)
    np.testing.assert_allclose(np.sort(split["weights"]), np.sort(clusters["weights"]), atol=1e-4)
    Z, mean, spread = standardize(X)
    scaled = split["weights"], (split["means"] - mean) / spread, split["covariances"] / np.outer(spread, spread)
    ones = np.ones(len(X))
    assert twins.objective(*twins.em_step(*scaled, Z, ones), Z, ones) < twins.objective(*scaled, Z, ones) + 1e-9


# ---- the choice ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_folds", [2, 5, 7])
def test_score_of_one_component_by_cross_validation(n_folds):
    X = overlapping(2, 203)
    Z, _, _ = standardize(X)
    fitted = fit(X, seed=9, max_components=1, n_folds=n_folds)
    np.testing.assert_allclose(fitted["scores"], [twins.cross_validated_gaussian(Z, 9, n_folds)], rtol=1e-12)


@pytest.mark.parametrize(("criterion", "penalty"), [("aic", 1.0), ("bic", 0.5 * np.log(203))])
def test_score_of_one_component_by_an_information_criterion(criterion, penalty):
    X = overlapping(2, 203)
    Z, _, _ = standardize(X)
    mean, covariance = twins.mean_and_covariance(Z, np.ones(203))
    likelihood = twins.log_density([1.0], [mean], [covariance], Z).mean()
    fitted = fit(X, max_components=1, criterion=criterion)
    np.testing.assert_allclose(fitted["scores"], [likelihood - 5 * penalty / 203], rtol=1e-12)  # 2 + 3 parameters


@pytest.mark.parametrize("criterion", _core.CRITERIA)
@pytest.mark.parametrize("init", _core.INITS)
def test_clusters_are_counted(criterion, init):
    clusters = _core.sample(*CLUSTERS, 3, 300)
    assert fit(clusters, criterion=criterion, init=init, max_components=8)["n_components"] >= 3
    gaussian = np.random.default_rng(4).normal(size=(300, 2))
    if criterion != "aic":  # which is known to take too many
        assert fit(gaussian, criterion=criterion, init=init, max_components=8)["n_components"] == 1


def test_a_search_ends_early_where_two_columns_look_like_one_gaussian():
    ended = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(int(rng.integers(60, 700)), 2)) @ [[1.0, 0.5], [0.0, 0.8]]
        X[:, 1] += seed % 4 * 0.1 * X[:, 0] ** 2  # three in four are bent
        Z, _, _ = standardize(X)
        Z = Z[:, twins.column_order(Z, seed)]
        scores = fit(X, seed=seed, max_components=4)["scores"]
        if scores[1] > scores[0]:
            assert not np.isnan(scores[2])
            continue
        ended.append(np.isnan(scores[2]))
        assert ended[-1] == twins.looks_gaussian(Z)
    assert 10 < sum(ended) < len(ended) - 5


def test_only_a_plain_search_ends_early():
    X = np.random.default_rng(0).normal(size=(300, 2))
    assert twins.looks_gaussian(X)

    def tried(X, weights=None, **options):
        return np.count_nonzero(~np.isnan(fit(X, weights, **options)["scores"]))

    assert tried(X) == 2
    assert tried(X, patience=1) == 2
    assert tried(X, patience=3) == 4
    assert tried(X, criterion="bic") == 3
    assert tried(X, init="random") == 3
    assert tried(X, np.random.default_rng(1).uniform(0.9, 1, size=300)) == 3
    assert tried(X, np.ones(300)) == 2  # weights that are all the same are none
    assert tried(X[:, :1]) == 3


@pytest.mark.parametrize("patience", [1, 2, 5])
def test_patience(patience):
    fitted = fit(_core.sample(*CLUSTERS, 3, 300), patience=patience, max_components=20)
    tried = np.flatnonzero(np.isfinite(fitted["scores"])) + 1
    assert tried.tolist() == list(range(1, fitted["n_components"] + patience + 1))
    assert np.nanargmax(fitted["scores"]) + 1 == fitted["n_components"]


def test_a_gain_that_is_too_small_does_not_count():
    clusters = _core.sample(*CLUSTERS, 3, 300)
    for criterion in _core.CRITERIA:
        scores = fit(clusters, criterion=criterion)["scores"]
        gain = (scores[1] - scores[0]) * (
            1 if criterion == "cv" else 2 * 300
        )  # that of a criterion is in its own units
        assert fit(clusters, criterion=criterion, patience=1, least_gain=0.99 * gain)["n_components"] > 1
        assert fit(clusters, criterion=criterion, patience=1, least_gain=1.01 * gain)["n_components"] == 1


def test_limits():
    clusters = _core.sample(*CLUSTERS, 3, 300)
    assert fit(clusters, max_components=2)["n_components"] == 2
    for n_components in (1, 2, 7, 60):
        assert fit(clusters, n_components=n_components)["n_components"] == n_components


# ---- weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_components", [1, 3])
def test_the_scale_of_weights_does_not_matter(n_components):
    X = overlapping(2, 300)
    weights = np.random.default_rng(5).exponential(size=300)
    expected = fit(X, weights, n_components=n_components)
    for scale in (1e-200, 0.3, 1e200):
        found = fit(X, scale * weights, n_components=n_components)
        np.testing.assert_allclose(found["log_likelihood"], expected["log_likelihood"], rtol=1e-12)
        np.testing.assert_allclose(np.sort(found["means"], axis=0), np.sort(expected["means"], axis=0), rtol=1e-9)
    doubled = fit(X, np.full(300, 2.0), n_components=n_components)
    assert doubled["means"].tobytes() == fit(X, n_components=n_components)["means"].tobytes()


def test_weights_count_rows():
    """One component: exactly. Three clusters: but for the prior, worth a thousandth of a row of 600 or of 900."""
    X = _core.sample(*CLUSTERS, 3, 600)
    counts = np.random.default_rng(6).integers(0, 4, size=600)
    repeated = np.repeat(X, counts, axis=0)
    for n_components, tolerance in ((1, 1e-12), (3, 1e-3)):
        weighted = fit(X, counts.astype(float), n_components=n_components, tol=1e-10)
        copied = fit(repeated, n_components=n_components, tol=1e-10)
        order = [np.lexsort(fitted["means"].round(1).T) for fitted in (weighted, copied)]
        for name in ("means", "covariances"):
            np.testing.assert_allclose(weighted[name][order[0]], copied[name][order[1]], atol=tolerance)
        np.testing.assert_allclose(weighted["log_likelihood"], copied["log_likelihood"], rtol=1e-8)


@pytest.mark.parametrize("placeholder", [0.0, -999.0, 1e6])
@pytest.mark.parametrize("n_components", [1, 3])
def test_rows_of_weight_zero_are_as_if_left_out(placeholder, n_components):
    """Wherever they lie, often at one place that stands for a missing value."""
    X = _core.sample(*CLUSTERS, 3, 300)
    padded = np.vstack([X, np.full((150, 2), placeholder)])
    found = fit(padded, np.repeat([1.0, 0.0], [300, 150]), n_components=n_components, tol=1e-10)
    expected = fit(X, n_components=n_components, tol=1e-10)
    order = [np.lexsort(fitted["means"].round(1).T) for fitted in (found, expected)]
    np.testing.assert_allclose(found["log_likelihood"], expected["log_likelihood"], rtol=1e-8)
    np.testing.assert_allclose(found["means"][order[0]], expected["means"][order[1]], atol=1e-4)


# ---- rounded data ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 4])
@pytest.mark.parametrize("resolution", [0.1, 0.5])
def test_no_component_is_narrower_than_the_resolution(d, resolution):
    X = np.round(overlapping(d, 400) / resolution) * resolution
    for init in ("kmeans++", "split", "random_sklearn"):
        for covariance in fit(X, n_components=20, init=init, max_components=20)["covariances"]:
            least = np.linalg.eigvalsh(covariance - resolution**2 * np.eye(d))[0]
            assert least > -1e-8 * resolution**2


@pytest.mark.parametrize("init", ["split", "random_sklearn"])
def test_fits_at_the_floor_converge(init):
    """Newton's method knows nothing of it, so EM goes on there."""
    X = overlapping(2, 400) * [1.0, 100.0]
    free = fit(X, n_components=4, init=init)
    for part in (0.5, 1.5):
        least = part * np.linalg.eigvalsh(free["covariances"])[:, 0].max()
        found = fit(X, n_components=4, init=init, least_variance=least)
        assert found["converged"]
        assert np.linalg.eigvalsh(found["covariances"]).min() == pytest.approx(least, rel=1e-6)
        assert found["log_likelihood"] < free["log_likelihood"]
    one = fit(X, n_components=1, least_variance=1e11)
    np.testing.assert_allclose(one["covariances"], [1e6 * np.diag(X.var(axis=0))])  # where it is cut off


def test_ties_never_turn_into_information():
    """Rounding to tenths of a standard deviation: the truth, 0.22 nats, loses about 0.001 by it."""
    x, noise = np.random.default_rng(7).normal(size=(2, 500))
    rounded = np.column_stack([np.round(x, 1), np.round(0.6 * x + 0.8 * noise, 1)])
    exact, found = job(np.column_stack([x, 0.6 * x + 0.8 * noise]), n_bootstrap=0), job(rounded, n_bootstrap=0)
    np.testing.assert_allclose(found["resolution"], 0.1, rtol=1e-9)
    assert abs(found["plug_in"] - exact["plug_in"]) < 0.02


# ---- the job ---------------------------------------------------------------------------------------------------------


def test_value_is_twice_the_plug_in_less_the_mean_of_the_replicates():
    found = job(overlapping(2, 200), n_components=2, n_bootstrap=15)  # the number is fixed, so replicates are centres
    np.testing.assert_allclose(found["value"], 2 * found["plug_in"] - found["bootstrap"].mean(), rtol=1e-13)
    quoted = np.hypot(found["bootstrap"].std(ddof=1), found["marginals_error"])
    np.testing.assert_allclose(found["standard_error"], quoted, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dx", [1, 2])
def test_replicates_are_fits_under_poisson_weights(weighted, dx):
    X = overlapping(3, 150)
    weights = np.random.default_rng(8).exponential(size=150) if weighted else None
    found = job(X, weights, seed=77, dx=dx, n_components=1, n_bootstrap=6)
    for replicate, value in enumerate(found["bootstrap"]):
        drawn = twins.bootstrap_weights(77, replicate, 150) * (1.0 if weights is None else weights)
        expected = twins.gaussian_information(twins.mean_and_covariance(X, drawn)[1], dx)
        assert abs(value - expected) < 1e-12
    expected = twins.gaussian_information(
        twins.mean_and_covariance(X, np.ones(150) if weights is None else weights)[1], dx
    )
    assert abs(found["plug_in"] - expected) < 1e-12


def test_replicates_take_normal_scores_anew():
    X = overlapping(2, 150)
    found = job(X, seed=5, n_components=1, n_bootstrap=4, marginals=_core.MARGINALS["gaussianize"])
    for replicate, value in enumerate(found["bootstrap"]):
        drawn = twins.bootstrap_weights(5, replicate, 150)
        rows = drawn > 0
        scores = [np.interp(column, *twins.normal_scores(column[rows], drawn[rows])) for column in X.T]
        covariance = twins.mean_and_covariance(np.column_stack(scores)[rows], drawn[rows])[1]
        assert abs(value - twins.gaussian_information(covariance, 1)) < 1e-11


def test_poisson_weights_are_poisson():
    """Counts of 0, 1, 2, 3 and more in 40,000 draws within 4.5 standard deviations."""
    drawn = np.concatenate([twins.bootstrap_weights(seed, 0, 400) for seed in range(100)])
    for k, probability in enumerate(np.exp(-1) / np.array([1, 1, 2, 6])):
        spread = np.sqrt(len(drawn) * probability * (1 - probability))
        assert abs((drawn == k).sum() - len(drawn) * probability) < 4.5 * spread
