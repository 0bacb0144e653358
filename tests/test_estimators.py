"""What stands beside the bootstrap of rows and the model integral.

Groups, the infinitesimal jackknife, integrals over the data, and the choice of the map.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import fastgmmmi as fg

QUICK = {"n_bootstrap": 20, "rng": 0}


@pytest.fixture(scope="module")
def mixed():
    """Two components, n = 400."""
    g = fg.GaussianMixture.from_parameters(
        [0.6, 0.4], [[0, 0], [2, 2]], [[[1, 0.6], [0.6, 1]], [[0.4, -0.2], [-0.2, 0.5]]]
    )
    return g.sample(400, rng=3)


# ---- groups ----------------------------------------------------------------------------------------------------------


def test_copies_in_groups_say_no_more_than_one_of_them(mixed):
    many = {"n_bootstrap": 300, "n_components": 2, "rng": 0}
    once = fg.mutual_information(mixed, groups=np.arange(400), **many)
    copies = fg.mutual_information(np.repeat(mixed, 3, axis=0), groups=np.repeat(np.arange(400), 3), **many)
    assert copies.value == pytest.approx(once.value, abs=0.2 * once.standard_error)
    assert copies.standard_error == pytest.approx(once.standard_error, rel=0.2)  # 4 errors of 300 replicates
    own = {**many, "groups": np.arange(1200)}
    assert fg.mutual_information(np.repeat(mixed, 3, axis=0), **own).standard_error < 0.7 * once.standard_error
    deltas = [
        fg.mutual_information(np.repeat(mixed, k, axis=0), groups=np.repeat(np.arange(400), k), error="delta", rng=0)
        for k in (1, 3)
    ]
    assert deltas[1].standard_error == pytest.approx(deltas[0].standard_error, rel=0.05)
    plain = fg.mutual_information(np.repeat(mixed, 3, axis=0), error="delta", **own | {"n_bootstrap": 0})
    assert plain.standard_error < 0.65 * deltas[0].standard_error


@pytest.mark.slow
def test_blocks_of_a_series_cover_where_rows_do_not():
    """Two autoregressive series whose innovations are correlated: blocks of 50 of 2,000 rows, 60 series."""
    truth, covered = -0.5 * math.log(1 - 0.5**2), {"blocks": 0, "rows": 0}
    for seed in range(60):
        innovations = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=2100)
        rows = np.zeros((2100, 2))
        for i in range(1, 2100):
            rows[i] = 0.9 * rows[i - 1] + innovations[i]
        for name, groups in (("blocks", np.arange(2000) // 50), ("rows", None)):
            r = fg.mutual_information(rows[100:], groups=groups, n_components=1, rng=0)
            low, high = r.confidence_interval(0.68)
            covered[name] += low < truth < high
    assert 30 <= covered["blocks"] <= 52  # 68% of 60 is 41 +- 3.6
    assert covered["rows"] <= 24


@pytest.mark.parametrize("labels", ["strings", "floats", "frame"])
def test_groups_are_any_labels(mixed, labels):
    codes = np.arange(400) // 4
    groups = {"strings": codes.astype(str), "floats": codes * 0.5, "frame": pd.Series(codes).astype("category")}[labels]
    expected = fg.mutual_information(mixed, groups=codes, **QUICK)
    assert fg.mutual_information(mixed, groups=groups, **QUICK).standard_error == pytest.approx(
        expected.standard_error, rel=0.5
    )


def test_groups_everywhere(mixed):
    """Labels, conditions, entropies, divergences and matrices take groups, with any number of threads."""
    x, y = mixed.T
    groups = np.arange(400) // 2
    calls = {
        "label": lambda **k: fg.mutual_information(x, y > 1, **k),
        "given": lambda **k: fg.mutual_information(x, y, given=x > 1, **k),
        "entropy": lambda **k: fg.entropy(x, **k),
        "paired": lambda **k: fg.kl_divergence(x, y, paired=True, **k),
    }
    for name, call in calls.items():
        one, two = (call(groups=groups, threads=threads, **QUICK) for threads in (1, 2))
        assert one == two, name
        assert one.standard_error > 0
    r = fg.kl_divergence(x, y, groups=np.r_[groups, groups], **QUICK)
    assert r.standard_error > 0
    m = fg.mutual_information_matrix({"x": x, "y": y, "z": y > 1}, groups=groups, **QUICK)
    assert m.results[0, 1] == fg.mutual_information(x, y, groups=groups, **QUICK)


def test_groups_with_missing_rows(mixed):
    x, y = mixed.T.copy()
    x[[3, 50]] = np.nan
    groups = np.arange(400) // 2
    r = fg.mutual_information(x, y, groups=groups, missing="drop", **QUICK)
    kept = ~np.isnan(x)
    assert r.n_dropped == 2
    assert r.value == fg.mutual_information(x[kept], y[kept], groups=groups[kept], **QUICK).value
    labels = np.where(np.arange(400) == 7, None, groups.astype(str))
    with pytest.raises(ValueError, match=r"^groups has 1 missing label, the first in row 7"):
        fg.mutual_information(*mixed.T, groups=labels, **QUICK)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.arange(399), "groups has 399 rows but x has 400"),
        (np.zeros(400), "groups holds one group only"),
    ],
)
def test_faults_of_groups(mixed, groups, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fg.mutual_information(*mixed.T, groups=groups, **QUICK)


def test_faults_of_the_groups_of_a_divergence(mixed):
    x, y = mixed.T
    with pytest.raises(
        ValueError, match=r"^groups has 400 rows but x and y have 400 \+ 400: give those of x, then those"
    ):
        fg.kl_divergence(x, y, groups=np.arange(400), **QUICK)


def test_one_large_group_is_no_crash(mixed):
    groups = np.where(np.arange(400) < 390, 0, np.arange(400))
    r = fg.mutual_information(mixed, groups=groups, **QUICK)
    assert np.isfinite(r.value)


# ---- the infinitesimal jackknife -------------------------------------------------------------------------------------


@pytest.mark.parametrize("rho", [0.3, 0.9])
def test_delta_of_a_gaussian(rho):
    """By hand: the influence of a row on -log(1 - r²)/2 is that of the log ratio, and the bias is 1 / 2n."""
    n = 5000
    X = np.random.default_rng(5).multivariate_normal([1, 2], [[1, rho], [rho, 1]], size=n)
    r = fg.mutual_information(X, error="delta", n_components=1, rng=0)
    assert r.plug_in - r.value == pytest.approx(1 / (2 * n), rel=0.1)
    influence = r.pointwise()
    expected = math.sqrt(influence.var() / n + (r.plug_in - r.value) / n)
    assert r.standard_error == pytest.approx(expected, rel=1e-6)
    assert r.standard_error == pytest.approx(rho / math.sqrt(n), rel=0.1)  # in theory
    low, high = r.confidence_interval(0.95)
    assert high - low == pytest.approx(2 * 1.959964 * r.standard_error)
    assert r.confidence_interval(0.95) == r.confidence_interval(0.95, "normal")
    assert r.bootstrap_distribution.shape == (0,)
    assert r.to_dict()["confidence_interval"] == [low, high]


def test_delta_in_six_dimensions():
    """Where the gradient is taken over a lattice of points: of a Gaussian the influence is the log ratio."""
    rng = np.random.default_rng(7)
    X = rng.normal(size=(2000, 6)) @ (np.eye(6) + 0.4 * rng.normal(size=(6, 6)))
    r = fg.mutual_information(X[:, :3], X[:, 3:], error="delta", n_components=1, marginals="standardize", rng=0)
    assert r.standard_error == pytest.approx(r.pointwise().std() / math.sqrt(2000), rel=0.15)


def test_delta_is_the_derivative_by_weights(mixed):
    """Refits with one row a little heavier, each: the influence as it is defined."""
    options = {"n_components": 2, "n_bootstrap": 0, "marginals": "none", "integration_tol": 1e-9, "rng": 0}
    X, step = mixed[:80], 0.05
    plug_in = fg.mutual_information(X, **options).plug_in
    influence = np.empty(80)
    for i in range(80):
        ends = []
        for sign in (1, -1):
            weight = np.ones(80)
            weight[i] += sign * step
            ends.append(fg.mutual_information(X, sample_weight=weight, **options).plug_in)
        influence[i] = 80 * (ends[0] - ends[1]) / (2 * step)
    influence -= influence.mean()
    r = fg.mutual_information(X, **{**options, "error": "delta"})
    second_order = (plug_in - r.value) / 80
    assert math.sqrt(r.standard_error**2 - second_order) == pytest.approx(
        math.sqrt(np.sum(influence**2)) / 80, rel=0.15
    )


def test_delta_agrees_with_the_bootstrap(mixed):
    """Where the number of components is known and there are many rows, error and bias are those of resampling."""
    x, y = mixed.T
    z = x + np.random.default_rng(6).normal(size=400)
    calls = {
        "information": lambda **k: fg.mutual_information(x, y, n_components=2, **k),
        "given": lambda **k: fg.mutual_information(x, y, given=z, n_components=2, **k),
        "label": lambda **k: fg.mutual_information(x, y > 1, n_components=1, **k),
        "given a label": lambda **k: fg.mutual_information(x, y, given=z > 0, n_components=1, **k),
        "entropy": lambda **k: fg.entropy(x, n_components=2, **k),
        "table": lambda **k: fg.mutual_information(x > 0, y > 1, **k),
        "divergence": lambda **k: fg.kl_divergence(x, y[:300] + 0.5, n_components=1, **k),
        "paired": lambda **k: fg.kl_divergence(x, y + 0.5, paired=True, n_components=1, **k),
    }
    for name, call in calls.items():
        bootstrap = call(n_bootstrap=400, rng=0)
        delta = call(error="delta", rng=0)
        assert delta.standard_error == pytest.approx(bootstrap.standard_error, rel=0.25), name
        apart = 0.5 if name == "paired" else 0.25  # the bias takes the samples of a divergence for independent
        assert abs(delta.value - bootstrap.value) < apart * bootstrap.standard_error, name


def test_delta_does_without_replicates(mixed):
    r = fg.mutual_information(mixed, error="delta", rng=0)
    with pytest.raises(ValueError, match="method='basic' needs bootstrap replicates, which error='delta' does without"):
        r.confidence_interval(method="basic")
    m = fg.mutual_information_matrix(mixed, error="delta", rng=0)
    assert m.standard_errors[0, 1] == r.standard_error
    low, high = m.confidence_interval()
    assert (low[0, 1], high[0, 1]) == r.confidence_interval()
    assert np.isnan(m.information_gap().standard_error).all()


# ---- integrals over the data -----------------------------------------------------------------------------------------


def test_the_data_integral_of_a_table_is_its_information(mixed):
    x, y = mixed.T
    ours = fg.mutual_information(x > 0, y > 1, integral="data", **QUICK)
    assert ours.value == fg.mutual_information(x > 0, y > 1, **QUICK).value


def test_the_data_integral_is_cross_fitted(mixed):
    """It is lower than the mean log ratio under the fit to all rows, and the value lies between, at 5/9 to 4/9."""
    r = fg.mutual_information(mixed, integral="data", **QUICK)
    within = r.pointwise().mean()
    assert r.plug_in < r.value < within
    assert r.value == pytest.approx((5 * within + 4 * r.plug_in) / 9, abs=1e-10)
    assert r.integration_error == 0
    assert r.integral == "data"
    for method in ("bca", "basic", "percentile", "normal"):
        low, high = r.confidence_interval(method=method)
        assert low < within
        assert high > r.plug_in
    assert fg.mutual_information(mixed, integral="data", n_bootstrap=0, rng=0).value == r.plug_in


def test_both_integrals_agree_where_the_model_is_right():
    """Mean difference over 40 data sets within its own error, and far within the quoted one."""
    differences = []
    for seed in range(40):
        X = np.random.default_rng(seed).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=500)
        model, data = (
            fg.mutual_information(X, integral=integral, error="delta", rng=0) for integral in ("model", "data")
        )
        differences.append((data.value - model.value) / model.standard_error)
    assert abs(np.mean(differences)) < 0.1


def test_the_data_integral_everywhere(mixed):
    x, y = mixed.T
    for call in (
        lambda **k: fg.mutual_information(x, y > 1, **k),
        lambda **k: fg.mutual_information(x, y, given=y > 1, **k),
        lambda **k: fg.entropy(x, **k),
        lambda **k: fg.kl_divergence(x, y, **k),
    ):
        one, two = (call(integral="data", threads=threads, **QUICK) for threads in (1, 2))
        assert one == two
        assert abs(one.value - call(**QUICK).value) < 2 * one.standard_error


# ---- the map of the columns ------------------------------------------------------------------------------------------


def test_auto_takes_the_better_map():
    rng = np.random.default_rng(8)
    X = rng.multivariate_normal([0, 0], [[1, 0.75], [0.75, 1]], size=1000)
    assert fg.mutual_information(X, n_bootstrap=0, rng=0).marginals == "standardize"
    seen = fg.mutual_information(ndtr(X), n_bootstrap=0, rng=0)
    assert seen.marginals == "gaussianize"
    assert seen.plug_in == fg.mutual_information(ndtr(X), marginals="gaussianize", n_bootstrap=0, rng=0).plug_in
    u = rng.random(1000)
    edges = fg.mutual_information(u, u + rng.uniform(-0.1, 0.1, 1000), n_bootstrap=0, rng=0)
    assert edges.marginals == "standardize"
    assert fg.mutual_information(ndtr(X), given=u, n_bootstrap=0, rng=0).marginals == "standardize"
    assert fg.entropy(ndtr(X), n_bootstrap=0, rng=0).marginals == "standardize"


def test_auto_decides_on_a_sample_of_many_rows():
    X = np.random.default_rng(9).multivariate_normal([0, 0], [[1, 0.75], [0.75, 1]], size=6000)
    r = fg.mutual_information(np.exp(X), n_bootstrap=3, rng=0)
    assert r.marginals == "gaussianize"
    fixed = fg.mutual_information(np.exp(X), marginals="gaussianize", n_bootstrap=3, rng=0)
    assert r.bootstrap_distribution.tobytes() == fixed.bootstrap_distribution.tobytes()
    assert fg.mutual_information(X[:, 0], X[:, 1], rng=0, n_bootstrap=0).marginals == "standardize"
    labelled = fg.mutual_information(np.exp(X[:, 0]), X[:, 1] > 0, n_bootstrap=0, rng=0)
    assert labelled.marginals in ("standardize", "gaussianize")


def test_monotone_maps_change_nothing_under_normal_scores():
    x, y = np.random.default_rng(10).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=300).T
    x, y = x.copy(), y.copy()
    expected = fg.mutual_information(x, y, marginals="gaussianize", **QUICK)
    for u, v in ((x**3, np.exp(y)), (np.argsort(np.argsort(x)), 5 * y - 3), (ndtr(x), y)):
        r = fg.mutual_information(u, v, marginals="gaussianize", discrete="neither", **QUICK)
        assert abs(r.value - expected.value) < 1e-10
        assert abs(r.standard_error - expected.standard_error) < 1e-10


def test_auto_looks_beyond_one_gaussian_chosen_for_want_of_rows():
    """In 8 + 8 dimensions 300 rows bear one Gaussian only, whose normal scores fit long-tailed columns better."""
    X = np.random.default_rng(20).multivariate_normal(np.zeros(16), 0.5 * np.eye(16) + 0.5, size=300)
    cubes = X**3
    r = fg.mutual_information(cubes[:, :8], cubes[:, 8:], n_bootstrap=0, rng=0)
    assert r.n_components == 1
    assert r.marginals == "gaussianize"
    plain = fg.mutual_information(X[:, :8], X[:, 8:], n_bootstrap=0, rng=0)
    assert plain.marginals == "standardize"


ORDER_COUNTS_FOR_NOTHING = {
    "plain": {},
    "normal scores": {"marginals": "gaussianize"},
    "over the data": {"integral": "data"},
    "weights": {"sample_weight": np.random.default_rng(5).exponential(size=400)},
    "groups": {"groups": np.arange(400) // 3},
    "labels": {"discrete": "y"},
    "given": {"given": np.random.default_rng(6).normal(size=400)},
}


@pytest.mark.parametrize("kind", ORDER_COUNTS_FOR_NOTHING)
def test_the_order_of_rows_counts_for_nothing(kind):
    """But for which rows replicates draw: by their numbers in the data, as all jobs on these do."""
    shifts = []
    for seed in range(5):
        rng = np.random.default_rng([seed, 400])
        x = np.log(rng.gamma(1, size=400))
        y = np.log(rng.exponential(size=400)) - x
        if kind == "labels":
            y = np.digitize(y, [-1, 0, 1])
        order = rng.permutation(400)
        options = ORDER_COUNTS_FOR_NOTHING[kind]
        moved = {name: value[order] if isinstance(value, np.ndarray) else value for name, value in options.items()}
        for replicates in (0, 20):
            one = fg.mutual_information(x, y, n_bootstrap=replicates, rng=seed, **options)
            other = fg.mutual_information(x[order], y[order], n_bootstrap=replicates, rng=seed, **moved)
            assert (one.plug_in, one.n_components, one.marginals) == (
                other.plug_in,
                other.n_components,
                other.marginals,
            )
        shifts.append((other.value - one.value) / one.standard_error)
    assert np.sqrt(np.mean(np.square(shifts))) < 1


def test_the_order_of_rows_counts_for_nothing_in_other_quantities():
    rng = np.random.default_rng(0)
    X, Y = rng.normal(size=(300, 2)) ** 3, rng.normal(size=(300, 2))
    order = rng.permutation(300)
    quiet = {"n_bootstrap": 0, "rng": 1}
    assert fg.entropy(X, **quiet).value == fg.entropy(X[order], **quiet).value
    assert fg.kl_divergence(X, Y, **quiet).value == fg.kl_divergence(X[order], Y, **quiet).value
    paired = fg.kl_divergence(X, Y, paired=True, **quiet)
    assert paired.value == fg.kl_divergence(X[order], Y[order], paired=True, **quiet).value
    one, other = (fg.GaussianMixture(rng=1).fit(rows) for rows in (X, X[order]))
    np.testing.assert_array_equal(one.means, other.means)


@pytest.mark.parametrize("n", [400, 3_000])
def test_rows_that_weigh_nothing_are_none(n):
    """Other rows as they would be alone, above 2,000 rows too, where the map is chosen on a sample of them."""
    rng = np.random.default_rng(n)
    x = rng.gamma(1, size=n)
    y = rng.exponential(size=n) / x
    present = rng.random(n) < 0.6
    keywords = {"rng": 0, "n_bootstrap": 10}
    weighted = fg.mutual_information(x, y, sample_weight=np.where(present, 2.5, 0), **keywords)
    alone = fg.mutual_information(x[present], y[present], **keywords)
    assert (weighted.value, weighted.standard_error) == (alone.value, alone.standard_error)
    assert weighted.marginals == alone.marginals


def test_equal_rows_and_their_order():
    """Rows that cannot be told apart are exchanged without a trace; weights that are all the same are none."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=500).round(1)
    y = (x + rng.normal(size=500)).round(1)
    order = rng.permutation(500)
    one = fg.mutual_information(x, y, n_bootstrap=0, rng=2)
    assert fg.mutual_information(x[order], y[order], n_bootstrap=0, rng=2).value == one.value
    weighted = fg.mutual_information(x, y, sample_weight=np.full(500, 3.0), n_bootstrap=0, rng=2)
    assert weighted.value == one.value
