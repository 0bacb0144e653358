"""Scores of Student's t: the map, the fit, its information, and when it is taken."""

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import twins
from scipy import optimize, special, stats

import fastgmmmi as fg
from fastgmmmi import _core


def student(freedom, dispersion, n, seed):
    """Draws of a t distribution, one column for each row of its dispersion."""
    rng = np.random.default_rng(seed)
    normal = rng.multivariate_normal(np.zeros(len(dispersion)), dispersion, size=n)
    return normal / np.sqrt(rng.chisquare(freedom, size=(n, 1)) / freedom)


def information(freedom, dispersion, dx):
    """Closed form of Arellano-Valle, Contreras-Reyes and Genton (2013)."""

    def part(a):
        return special.gammaln(a / 2) - a / 2 * special.psi(a / 2)

    d = len(dispersion)
    parts = dispersion[:dx, :dx], dispersion[dx:, dx:], dispersion
    x, y, joint = (np.linalg.slogdet(part)[1] for part in parts)
    return (x + y - joint) / 2 + part(freedom) + part(freedom + d) - part(freedom + dx) - part(freedom + d - dx)


def correlated(d, rho):
    return np.full((d, d), rho) + (1 - rho) * np.eye(d)


# ---- the map ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [0.5, 1, 2.7, 10, 200])
def test_scores_are_quantiles_of_student_t(freedom):
    scores = np.linspace(-5, 5, 1001)
    found = _core.student_scores(freedom, scores)
    expected = stats.t.isf(stats.norm.sf(np.abs(scores)), freedom) * np.sign(scores)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_array_equal(found, -_core.student_scores(freedom, -scores))


def test_scores_of_far_values_are_finite_and_in_order():
    scores = np.array([-40.0, -9.5, -8.0, 0.0, 1e-300, 8.0, 8.9, 40.0])
    found = _core.student_scores(0.7, scores)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()
    assert found[3] == 0
    unknown = _core.student_scores(2.0, np.array([np.nan, 1.0, np.inf]))
    np.testing.assert_array_equal(np.isnan(unknown), [True, False, False])


@pytest.mark.parametrize("freedom", [0.0, -1.0, math.nan, math.inf])
def test_scores_need_degrees_of_freedom(freedom):
    with pytest.raises(_core.CoreError):
        _core.student_scores(freedom, np.zeros(3))


# ---- the fit ---------------------------------------------------------------------------------------------------------


def copula_likelihood(parameters, scores, weights):
    """Mean log-density of a t copula: log of the degrees of freedom, then a Cholesky factor by rows."""
    d = scores.shape[1]
    freedom, factor = math.exp(parameters[0]), np.zeros((d, d))
    factor[np.tril_indices(d)] = parameters[1:]
    z = stats.t.ppf(special.ndtr(scores), freedom)
    joint = stats.multivariate_t.logpdf(z, shape=factor @ factor.T, df=freedom)
    return np.average(joint - stats.t.logpdf(z, freedom).sum(axis=1), weights=weights)


@pytest.mark.parametrize("weighted", [False, True])
def test_fit_is_the_maximum_of_the_likelihood(weighted):
    X = student(3, correlated(3, 0.4), 400, 1)
    weights = np.random.default_rng(2).uniform(0.2, 2, 400) if weighted else np.ones(400)
    r = fg.mutual_information(
        X[:, :1], X[:, 1:], marginals="studentize", n_bootstrap=0, rng=0, sample_weight=weights if weighted else None
    )
    scores = np.column_stack(
        [twins.normal_scores(column, weights)[1][stats.rankdata(column).astype(int) - 1] for column in X.T]
    )
    start = np.concatenate([[1.0], np.eye(3)[np.tril_indices(3)]])
    best = optimize.minimize(
        lambda p: -copula_likelihood(p, scores, weights), start, method="BFGS", options={"gtol": 1e-7}
    )
    assert math.log(r.degrees_of_freedom) == pytest.approx(best.x[0], abs=1e-3)
    factor = np.zeros((3, 3))
    factor[np.tril_indices(3)] = best.x[1:]
    assert r.plug_in == pytest.approx(information(math.exp(best.x[0]), factor @ factor.T, 1), abs=3e-4)
    assert r.model.log_likelihood == pytest.approx(-best.fun, abs=1e-6)


def test_plug_in_is_the_closed_form():
    X = student(2, correlated(5, 0.3), 1000, 3)
    r = fg.mutual_information(X[:, :2], X[:, 2:], marginals="studentize", n_bootstrap=0, rng=0)
    dispersion = r.model.covariances[0]  # of any component, up to a factor
    assert r.plug_in == pytest.approx(information(r.degrees_of_freedom, dispersion, 2), rel=1e-12)
    assert r.integration_error == 0


def test_conditional_information_is_a_sum_of_closed_forms():
    X = student(3, correlated(3, 0.5), 2000, 4)
    x, y, z = X.T
    r = fg.mutual_information(x, y, given=z, marginals="studentize", n_bootstrap=20, rng=0)
    dispersion, freedom = r.model.covariances[0], r.degrees_of_freedom
    order = np.ix_([0, 2, 1], [0, 2, 1])  # x, given, y
    both, one = information(freedom, dispersion[order], 1), information(freedom, dispersion[[0, 2]][:, [0, 2]], 1)
    assert r.plug_in == pytest.approx(both - one, rel=1e-10)
    truth = information(3, correlated(3, 0.5), 1) - information(3, correlated(2, 0.5), 1)
    assert abs(r.value - truth) < 4 * r.standard_error


def test_model_stands_for_the_t_distribution():
    X = student(1.5, correlated(4, 0.3), 1500, 5)
    r = fg.mutual_information(X[:, :2], X[:, 2:], marginals="studentize", n_bootstrap=0, rng=0)
    model, u = r.model, np.random.default_rng(0).normal(size=(200, 4)) * np.geomspace(0.1, 30, 200)[:, None]
    assert r.n_components == len(model.weights) <= 64
    shape = model.covariances[0] / np.trace(model.covariances[0])  # but for a factor, which is fitted

    def difference(log_factor):
        exact = stats.multivariate_t.logpdf(u, shape=math.exp(log_factor) * shape, df=r.degrees_of_freedom)
        return model.log_density(u) - exact

    best = optimize.minimize_scalar(
        lambda log_factor: (difference(log_factor) ** 2).sum(), bounds=(-5, 5), method="bounded"
    )
    np.testing.assert_allclose(difference(best.x), 0, atol=1e-3)
    assert model.mutual_information([0, 1], [2, 3]) == pytest.approx(r.plug_in, abs=1e-3)


def test_nearly_gaussian_data_meet_the_end_of_the_range():
    X = np.random.default_rng(6).multivariate_normal([0, 0], correlated(2, 0.6), size=1000)
    r = fg.mutual_information(X, marginals="studentize", n_bootstrap=20, rng=0)
    assert r.degrees_of_freedom > 20
    assert abs(r.value + math.log(1 - 0.36) / 2) < 4 * r.standard_error


# ---- errors and error bars -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["bootstrap", "delta"])
def test_error_bars(error):
    """Of 60 data sets: pulls of mean 0 and deviation 1, within four standard deviations of either."""
    truth, pulls = information(2, correlated(4, 0.3), 2), []
    for seed in range(60):
        X = student(2, correlated(4, 0.3), 500, 100 + seed)
        r = fg.mutual_information(X[:, :2], X[:, 2:], marginals="studentize", error=error, n_bootstrap=60, rng=seed)
        pulls.append((r.value - truth) / r.standard_error)
    assert abs(np.mean(pulls)) < 4 / math.sqrt(60)
    assert abs(np.std(pulls) - 1) < 4 / math.sqrt(120)


@pytest.mark.parametrize("integral", ["model", "data"])
def test_integrals_agree(integral):
    X = student(2, correlated(2, 0.5), 2000, 8)
    r = fg.mutual_information(X, marginals="studentize", integral=integral, n_bootstrap=30, rng=0)
    assert abs(r.value - information(2, correlated(2, 0.5), 1)) < 4 * r.standard_error


def test_monotone_maps_change_nothing():
    X = student(2, correlated(3, 0.5), 300, 9)
    expected = fg.mutual_information(X[:, :1], X[:, 1:], marginals="studentize", n_bootstrap=10, rng=0)
    r = fg.mutual_information(np.arcsinh(X[:, :1]), X[:, 1:] ** 3, marginals="studentize", n_bootstrap=10, rng=0)
    assert r.value == pytest.approx(expected.value, abs=1e-10)
    assert r.standard_error == pytest.approx(expected.standard_error, abs=1e-10)
    exchanged = fg.mutual_information(X[:, 1:], -X[:, :1], marginals="studentize", n_bootstrap=10, rng=0)
    assert exchanged.value == pytest.approx(expected.value, abs=1e-8)


def test_same_bits_for_threads_and_executors_and_nearly_for_tiers():
    X = student(2, correlated(4, 0.3), 700, 10)
    options = {"marginals": "studentize", "n_bootstrap": 12, "rng": 3}
    expected = fg.mutual_information(X[:, :2], X[:, 2:], threads=1, **options)
    for threads in (2, 3):
        r = fg.mutual_information(X[:, :2], X[:, 2:], threads=threads, **options)
        assert r.bootstrap_distribution.tobytes() == expected.bootstrap_distribution.tobytes()
    with ThreadPoolExecutor(2) as executor:
        r = fg.mutual_information(X[:, :2], X[:, 2:], executor=executor, **options)
    assert r.bootstrap_distribution.tobytes() == expected.bootstrap_distribution.tobytes()
    for tier in twins.tiers():
        with twins.on_tier(tier):
            r = fg.mutual_information(X[:, :2], X[:, 2:], **options)
        np.testing.assert_allclose(r.bootstrap_distribution, expected.bootstrap_distribution, rtol=1e-8)
        assert r.value == pytest.approx(expected.value, rel=1e-9)


def test_groups_and_repeated_rows():
    """Every row twice: plain error bars are too small by sqrt 2, those by groups are not."""
    X = np.repeat(student(2, correlated(2, 0.5), 400, 11), 2, axis=0)
    options = {"marginals": "studentize", "n_bootstrap": 100, "rng": 0}
    plain = fg.mutual_information(X, groups=np.arange(800), **options).standard_error
    grouped = fg.mutual_information(X, groups=np.arange(800) // 2, **options).standard_error
    assert 1.2 < grouped / plain < 1.7


# ---- results ---------------------------------------------------------------------------------------------------------


def test_new_data_and_files(tmp_path):
    X = student(2, correlated(3, 0.4), 500, 12)
    r = fg.mutual_information(X[:, :1], X[:, 1:], marginals="studentize", n_bootstrap=5, rng=0)
    u, v = r.transform(X[:, :1], X[:, 1:])
    ranks = (stats.rankdata(X[:, 0]) - 0.5) / 500
    np.testing.assert_allclose(u[:, 0], stats.t.ppf(ranks, r.degrees_of_freedom), rtol=1e-6)
    model = r.model
    expected = (
        model.log_density(np.hstack([u, v]))
        - model.marginal([0]).log_density(u)
        - model.marginal([1, 2]).log_density(v)
    )
    np.testing.assert_allclose(r.pointwise(), expected, atol=1e-10)
    new = r.pointwise(X[:5, :1], X[:5, 1:])
    np.testing.assert_allclose(new, r.pointwise()[:5], atol=1e-12)
    r.save(tmp_path / "r.npz")
    loaded = fg.results.MIResult.load(tmp_path / "r.npz")
    assert loaded.to_dict() == r.to_dict()
    assert loaded.degrees_of_freedom == r.degrees_of_freedom
    np.testing.assert_array_equal(loaded.pointwise(X[:5, :1], X[:5, 1:]), new)


# ---- when it is taken ------------------------------------------------------------------------------------------------


def test_auto_takes_it_for_heavy_tails_that_come_together():
    X = student(2, np.eye(6), 3000, 13)
    r = fg.mutual_information(np.arcsinh(X[:, :3]), X[:, 3:], n_bootstrap=50, rng=0)
    assert r.marginals == "studentize"
    assert abs(r.value - information(2, np.eye(6), 3)) < 4 * r.standard_error


def test_auto_takes_it_where_a_few_pairs_would_decide():
    """A bound on E[exp T], which the tails decide, took other maps in five of these eight. One is nearly a tie."""
    taken = []
    for seed in range(1, 9):
        x, y = student(2, correlated(2, 0.75), 2000, seed).T
        taken.append(fg.mutual_information(x, y, n_bootstrap=0, rng=seed).marginals)
    assert taken.count("studentize") >= 7


def test_as_many_degrees_of_freedom_as_are_looked_for_are_none():
    """The information is a Gaussian's, which is nothing for independent parts: under 196 it would be 5e-5 at least."""
    X = np.random.default_rng(3).normal(size=(20_000, 4))
    r = fg.mutual_information(X[:, :2], X[:, 2:], marginals="studentize", n_bootstrap=0, rng=0)
    assert r.degrees_of_freedom > 195
    dispersion = r.model.covariances[0]
    determinants = [np.linalg.det(dispersion[part, part]) for part in (slice(2), slice(2, 4), slice(4))]
    assert r.plug_in == pytest.approx(0.5 * math.log(determinants[0] * determinants[1] / determinants[2]), rel=1e-9)


def test_auto_does_not_take_it_elsewhere():
    rng = np.random.default_rng(14)
    x = rng.normal(size=800)
    bent = fg.mutual_information(x, np.sin(3 * x) + 0.3 * rng.normal(size=800), n_bootstrap=0, rng=0)
    assert bent.marginals != "studentize"
    assert bent.degrees_of_freedom is None
    heavy = student(1, np.eye(4), 800, 19)
    with pytest.warns(UserWarning, match="more than its own rows bear out"):  # three Gaussians are too few
        fixed = fg.mutual_information(heavy[:, :2], heavy[:, 2:], n_components=3, n_bootstrap=0, rng=0)
    assert fixed.n_components == 3
    assert fixed.marginals in ("standardize", "gaussianize")


@pytest.mark.parametrize(
    ("keywords", "reason"),
    [({"discrete": "y"}, "y has labels"), ({"n_components": 2}, "n_components")],
)
def test_refusals(keywords, reason):
    rng = np.random.default_rng(16)
    x, y = rng.normal(size=50), rng.integers(0, 3, size=50)
    with pytest.raises(ValueError, match=f"studentize.*{reason}"):
        fg.mutual_information(x, y.astype(str) if "discrete" in keywords else y + x, marginals="studentize", **keywords)


def test_refusals_of_other_quantities():
    x = np.random.default_rng(17).normal(size=50)
    with pytest.raises(ValueError, match="marginals must be one of"):
        fg.entropy(x, marginals="studentize")
    with pytest.raises(ValueError, match="divergence is not invariant"):
        fg.kl_divergence(x, x + 1, marginals="studentize")


def test_equal_columns_are_an_error():
    x = student(1, np.eye(1), 200, 18)[:, 0]
    with pytest.raises(fg.DegenerateDataError):
        fg.mutual_information(x, x**3, marginals="studentize")
