import numpy as np
import pytest
from scipy import stats

import fastgmmmi as fg


def pairs(kind, rng, n):
    """Independent x and y."""
    match kind:
        case "uniform squares":
            return rng.random((2, n))
        case "discs":
            return [
                np.sqrt(rng.random((n, 1))) * np.column_stack([np.cos(a), np.sin(a)])
                for a in rng.uniform(0, 2 * np.pi, (2, n))
            ]
        case "Student-t":
            return rng.standard_t(2, size=(2, n))
        case "exponential":
            return rng.exponential(size=(2, n))
        case "label":
            return rng.normal(size=n), rng.choice(["a", "b", "c"], n)
        case "labels":
            return rng.integers(0, 3, (2, n)).astype(str)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["uniform squares", "discs", "Student-t", "exponential", "label", "labels"])
def test_p_values_are_uniform_under_independence(kind):
    """Kolmogorov and Smirnov over 300 data sets; p-values come in steps of 1/100."""
    p_values = []
    for seed in range(300):
        x, y = pairs(kind, np.random.default_rng([seed, 1]), 160)
        r = fg.independence_test(x, y, n_permutations=99, max_components=3, rng=seed)
        p_values.append(r.p_value - np.random.default_rng(seed).random() / 100)
    assert stats.kstest(p_values, "uniform").pvalue > 0.005


@pytest.mark.slow
@pytest.mark.parametrize("condition", ["labels", "numbers", "table"])
def test_p_values_are_uniform_under_conditional_independence(condition):
    """x and y depend on each other through z alone."""
    p_values = []
    for seed in range(100):
        rng = np.random.default_rng([seed, 2])
        z, a, b = rng.normal(size=(3, 200))
        if condition != "numbers":
            z = (z > 0).astype(float)
        x, y = z + a, 2 * z + b
        if condition == "table":
            x, y = x > 0.5, y > 1
        given = z if condition == "numbers" else z.astype(str)
        r = fg.independence_test(x, y, given=given, n_permutations=49, n_components=1, rng=seed)
        p_values.append(r.p_value - np.random.default_rng(seed).random() / 50)
    assert stats.kstest(p_values, "uniform").pvalue > 0.005


@pytest.mark.parametrize("condition", [None, "labels", "numbers"])
def test_dependence_is_found(condition):
    x, noise, z = np.random.default_rng(3).normal(size=(3, 400))
    given = {None: None, "labels": np.where(z > 0, "a", "b"), "numbers": z}[condition]
    r = fg.independence_test(x + z, x**2 + 0.5 * noise, given=given, n_permutations=99, rng=0)
    assert r.p_value == 0.01
    assert r.statistic > r.null_distribution.max()
    assert r.n_samples == 400


def test_a_table_is_tested_by_its_information():
    rng = np.random.default_rng(4)
    x = rng.integers(0, 3, 200)
    y = np.where(rng.random(200) < 0.3, x, rng.integers(0, 3, 200))
    z = rng.integers(0, 2, 200)
    for given in (None, z):
        discrete = "both" if given is None else ("x", "y", "given")
        r = fg.independence_test(x, y, given=given, discrete=discrete, rng=0)
        expected = fg.mutual_information(x, y, given=given, discrete=discrete, n_bootstrap=0)
        assert r.statistic == pytest.approx(expected.plug_in, abs=1e-12)
        assert r.p_value < 0.05
    table = np.histogram2d(x, y, 3)[0]
    chi2 = stats.chi2_contingency(table, lambda_="log-likelihood").pvalue
    r = fg.independence_test(x, y, discrete="both", n_permutations=9999, rng=0)
    assert r.p_value == pytest.approx(chi2, abs=0.01)


def test_permutations_stay_within_labels():
    """Rows that are alone with their label cannot move, so every permutation is the data."""
    rng = np.random.default_rng(5)
    x, y = rng.integers(0, 2, (2, 60))
    r = fg.independence_test(x, y, given=np.arange(60) // 2, discrete=("x", "y", "given"), n_permutations=99, rng=0)
    assert 0 < r.p_value <= 1
    r = fg.independence_test(x, y, given=x, discrete=("x", "y", "given"), n_permutations=99, rng=0)
    assert r.p_value == 1
    assert r.statistic == pytest.approx(0, abs=1e-12)


def test_the_same_bits_for_any_number_of_threads():
    x, noise, z = np.random.default_rng(6).normal(size=(3, 200))
    for given in (None, z):
        one, two = (
            fg.independence_test(x, noise, given=given, n_permutations=20, rng=3, threads=threads) for threads in (1, 2)
        )
        assert one.null_distribution.tobytes() == two.null_distribution.tobytes()
        assert (one.statistic, one.p_value) == (two.statistic, two.p_value)


def test_progress_and_missing_rows():
    x, y = np.random.default_rng(7).normal(size=(2, 100))
    x[3] = np.nan
    seen = []
    r = fg.independence_test(
        x, y, n_permutations=50, missing="drop", rng=0, progress=lambda done, total: seen.append((done, total))
    )
    assert (r.n_samples, r.n_dropped) == (99, 1)
    assert seen[-1] == (50, 50)


@pytest.mark.parametrize(
    ("x", "keywords", "message"),
    [
        (np.zeros(100), {}, "x is constant"),
        (np.arange(20.0), {}, "20 rows, too few to fit one half and test the other: 32 are needed"),
        (np.arange(100.0), {"n_permutations": 0}, "n_permutations must be a whole number of at least 1"),
        (np.arange(100.0), {"given": np.arange(99.0)}, "given has 99 rows but x has 100"),
        (np.full(100, "a"), {}, "x has one label only"),
    ],
)
def test_faults(x, keywords, message):
    y = np.random.default_rng(8).normal(size=len(x))
    with pytest.raises(ValueError, match=f"^{message}"):
        fg.independence_test(x, y, rng=0, **keywords)
