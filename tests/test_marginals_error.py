"""How far a value depends on the map of the columns, where held-out rows hardly tell which is best."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import fastgmmmi as fg

MAPS = ("standardize", "gaussianize", "studentize")


def logs(n, seed, a=0.3):
    """Logarithms of a gamma and an exponential variable: skewed, so that several maps may do."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1 / a, size=n)
    return np.log(x), np.log(rng.exponential(size=n) / x)


@pytest.fixture(scope="module")
def unsure():
    """The first of a few data sets whose maps can hardly be told apart."""
    for seed in range(10):
        xy = logs(200, seed)
        r = fg.mutual_information(*xy, rng=seed)
        if r.marginals_error > 0.2 * r.standard_error:
            return xy, seed, r
    raise AssertionError("all are sure")


def test_it_is_part_of_the_error_bar_only(unsure):
    xy, seed, r = unsure
    asked = fg.mutual_information(*xy, rng=seed, marginals=r.marginals)
    assert asked.marginals_error == 0
    assert (r.value, r.plug_in) == (asked.value, asked.plug_in)
    np.testing.assert_array_equal(r.bootstrap_distribution, asked.bootstrap_distribution)
    assert r.standard_error == pytest.approx(math.hypot(asked.standard_error, r.marginals_error))
    for method in ("normal", "percentile", "basic", "bca"):
        (low, high), (left, right) = (each.confidence_interval(0.68, method) for each in (r, asked))
        assert low < left < right < high
        assert high - low == pytest.approx(math.hypot(right - left, 2 * 0.994458 * r.marginals_error))


def test_it_is_a_deviation_of_what_the_maps_give(unsure):
    """No distribution over values has a deviation beyond half of their range; over the data they are known exactly."""
    xy, seed, _ = unsure
    options = {"rng": seed, "integral": "data", "error": "delta"}
    values = [fg.mutual_information(*xy, marginals=name, **options).value for name in MAPS]
    assert 0 < fg.mutual_information(*xy, **options).marginals_error <= np.ptp(values) / 2 * (1 + 1e-9)


def test_other_ways_to_the_same_number(unsure):
    xy, seed, r = unsure
    assert fg.mutual_information(*xy[::-1], rng=seed).marginals_error == r.marginals_error
    assert fg.mutual_information(*xy, rng=seed, units="bits").marginals_error == pytest.approx(
        r.marginals_error / math.log(2)
    )
    with ThreadPoolExecutor(2) as executor:
        other = fg.mutual_information(*xy, rng=seed, executor=executor)
    assert (other.standard_error, other.marginals_error) == (r.standard_error, r.marginals_error)
    assert json.loads(json.dumps(r.to_dict()))["marginals_error"] == r.marginals_error
    delta = fg.mutual_information(*xy, rng=seed, error="delta")
    assert delta.marginals_error == r.marginals_error
    assert delta.standard_error > r.marginals_error
    over_data = fg.mutual_information(*xy, rng=seed, integral="data")
    assert over_data.standard_error > over_data.marginals_error > 0
    weighted = fg.mutual_information(*xy, rng=seed, sample_weight=np.full(200, 3.0))
    assert weighted.marginals_error == pytest.approx(r.marginals_error, rel=1e-6)


def test_rows_of_a_group_count_once():
    """Rows that are there twice make no map surer. As groups of their own they fall into other folds."""
    options = {"n_components": 3, "integral": "data", "error": "delta"}
    less = more = 0
    for seed in range(40):
        twice = [np.repeat(column, 2) for column in logs(200, seed)]
        together, alone = (
            fg.mutual_information(*twice, groups=groups, rng=seed, **options).marginals_error
            for groups in (np.repeat(np.arange(200), 2), np.arange(400))
        )
        less += alone < together
        more += alone > together
    assert less > 1.5 * more


def test_where_one_map_is_sure_it_is_nothing():
    x, noise = np.random.default_rng(0).normal(size=(2, 500))
    assert fg.mutual_information(x, x + noise, rng=0).marginals_error == 0  # one Gaussian: no other map is tried
    rng = np.random.default_rng(1)
    clusters = rng.normal(size=(2, 1_000)) + 4 * rng.integers(2, size=1_000)
    assert fg.mutual_information(*clusters, rng=0).marginals_error < 0.001
    assert fg.mutual_information(*logs(3_000, 0), rng=0, n_bootstrap=2).marginals_error == 0  # chosen on a sample


def test_labels_have_maps_too():
    rng = np.random.default_rng(3)
    label = rng.integers(2, size=300)
    skewed = np.exp(rng.normal(size=300)) + label
    r = fg.mutual_information(skewed, label, discrete="y", rng=0)
    asked = fg.mutual_information(skewed, label, discrete="y", rng=0, marginals=r.marginals)
    assert r.standard_error == pytest.approx(math.hypot(asked.standard_error, r.marginals_error))
