"""MIResult: intervals against a NumPy twin, and what a small frozen object must do."""

import dataclasses
import json
import pickle

import numpy as np
import pytest
from scipy import stats

import fastgmmmi as fg

METHODS = ("bca", "percentile", "basic", "normal")


@pytest.fixture(scope="module")
def r(xy):
    return fg.mutual_information(*xy, rng=0, reselect=False)


def bca(replicates, value, acceleration, level):
    """The interval of Efron (1987) for the bias-corrected estimate, whose replicates are moved to the mean value."""
    moved = replicates - replicates.mean() + value
    z0 = stats.norm.ppf((moved < value).mean())
    z = z0 + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    return np.quantile(moved, stats.norm.cdf(z0 + z / (1 - acceleration * z)), method="weibull")


# ---- intervals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_intervals(r, level):
    tails = [(1 - level) / 2, (1 + level) / 2]
    quantiles = np.quantile(r.bootstrap_distribution, tails, method="weibull")
    expected = {
        "bca": bca(r.bootstrap_distribution, r.value, r._acceleration, level),
        "percentile": quantiles,
        "basic": 2 * r.plug_in - quantiles[::-1],
        "normal": r.value + r.standard_error * stats.norm.ppf(tails),
    }
    for method in METHODS:
        np.testing.assert_allclose(r.confidence_interval(level, method), expected[method], rtol=1e-9)
    assert r.confidence_interval() == r.confidence_interval(0.95, "bca")


def test_bca_lies_half_way_to_the_normal_interval_where_replicates_reselect(r):
    anew = dataclasses.replace(r, reselected=True)
    for level in (0.5, 0.95):
        ends = np.array([r.confidence_interval(level, method) for method in ("bca", "normal")])
        np.testing.assert_allclose(anew.confidence_interval(level), ends.mean(axis=0), rtol=1e-12)


def test_acceleration_moves_the_interval(r):
    plain, moved = (dataclasses.replace(r, _acceleration=a).confidence_interval() for a in (0.0, 0.1))
    assert moved[0] > plain[0]
    assert moved[1] > plain[1]
    extreme = dataclasses.replace(r, _acceleration=1.0).confidence_interval()
    assert extreme[1] == pytest.approx(r.bootstrap_distribution.max() - r.bootstrap_distribution.mean() + r.value)


def test_failed_replicates_are_left_out(r):
    with_failures = np.r_[np.nan, r.bootstrap_distribution, np.nan]
    failed = dataclasses.replace(r, bootstrap_distribution=with_failures)
    for method in METHODS:
        assert failed.confidence_interval(method=method) == r.confidence_interval(method=method)


def test_equal_replicates_give_an_interval(r):
    equal = dataclasses.replace(r, bootstrap_distribution=np.full(10, r.plug_in), value=r.plug_in, standard_error=0.0)
    for method in METHODS:
        assert equal.confidence_interval(method=method) == pytest.approx((r.plug_in, r.plug_in))


@pytest.mark.parametrize("level", [0, 1, -0.5, 95, np.nan])
def test_bad_levels(r, level):
    with pytest.raises(ValueError, match=r"^level must be between 0 and 1, got"):
        r.confidence_interval(level)


def test_bad_method(r):
    with pytest.raises(ValueError, match=r"^method must be one of 'bca', 'percentile', 'basic', 'normal', got 'bc'"):
        r.confidence_interval(method="bc")


def test_too_few_replicates(r):
    for replicates in ([], [0.2], [0.2, np.nan]):
        few = dataclasses.replace(r, bootstrap_distribution=np.array(replicates))
        with pytest.raises(ValueError, match="needs at least 2 bootstrap replicates"):
            few.confidence_interval()


# ---- as an object ----------------------------------------------------------------------------------------------------


def test_number_and_pair(r):
    value, error = r
    assert (value, error) == (r.value, r.standard_error)
    assert float(r) == r.value


@pytest.mark.parametrize(
    ("value", "error", "n_components", "text"),
    [
        (0.2142, 0.0431, 1, "0.214 ± 0.043 nats (n=200, 1 component)"),
        (0.2142, 0.00996, 2, "0.214 ± 0.010 nats (n=200, 2 components)"),
        (-0.0004, 0.021, 1, "0.000 ± 0.021 nats (n=200, 1 component)"),
        (5.26, 1.24, 1, "5.3 ± 1.2 nats (n=200, 1 component)"),
        (123.4, 12.0, 1, "123 ± 12 nats (n=200, 1 component)"),
        (0.123456, None, 1, "0.1235 nats (n=200, 1 component)"),
        (0.123456, np.nan, 1, "0.1235 nats (n=200, 1 component)"),
    ],
)
def test_repr(r, value, error, n_components, text):
    assert repr(dataclasses.replace(r, value=value, standard_error=error, n_components=n_components)) == text


def test_frozen(r):
    with pytest.raises(dataclasses.FrozenInstanceError):
        r.value = 1.0
    for array in (r.bootstrap_distribution, r.model.weights, r.model.means, r.model.covariances):
        assert not array.flags.writeable


def test_equality(r, xy):
    assert r == fg.mutual_information(*xy, rng=0, reselect=False)
    assert r != fg.mutual_information(*xy, rng=1, reselect=False)
    assert r != r.value


def test_pickle(r):
    other = pickle.loads(pickle.dumps(r))
    assert other == r
    assert np.array_equal(other.pointwise(), r.pointwise())


def test_to_dict_is_json(r):
    numbers = r.to_dict()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["value"] == r.value
    assert numbers["confidence_interval"] == list(r.confidence_interval())
    assert numbers["selection"] == {str(k): score for k, score in r.selection.items()}
    failed = dataclasses.replace(r, bootstrap_distribution=np.array([0.1, np.nan, 0.2])).to_dict()
    assert failed["bootstrap_distribution"] == [0.1, None, 0.2]
    plain = dataclasses.replace(r, bootstrap_distribution=np.array([]), standard_error=None).to_dict()
    assert plain["standard_error"] is plain["confidence_interval"] is None


def test_normalized_is_for_discrete_variables(r):
    assert r.normalized is None


def test_correlation(r):
    assert r.correlation == pytest.approx(np.sqrt(1 - np.exp(-2 * r.value)))
    assert dataclasses.replace(r, value=-0.1).correlation == 0


# ---- maps and pointwise values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("marginals", ["standardize", "gaussianize", "none"])
def test_transform(xy, marginals):
    x, y = xy
    r = fg.mutual_information(x, y, marginals=marginals, n_components=1, n_bootstrap=0, rng=0)
    transformed = r.transform(x, y)
    for column, image in zip(xy, transformed, strict=True):
        assert image.shape == column.shape
        assert np.array_equal(np.argsort(image), np.argsort(column))
        if marginals == "none":
            np.testing.assert_array_equal(image, column)
        if marginals == "standardize":
            np.testing.assert_allclose(image, (column - column.mean()) / column.std(), rtol=1e-9)
        if marginals == "gaussianize":
            np.testing.assert_allclose(image, stats.norm.ppf((stats.rankdata(column) - 0.5) / 200), atol=1e-9)
    np.testing.assert_allclose(r.model.means[0], [image.mean() for image in transformed], atol=1e-6)
    left, right = r.transform(np.column_stack(xy))
    assert left.shape == right.shape == (200, 1)
    assert np.array_equal(left[:, 0], transformed[0])
    assert np.array_equal(right[:, 0], transformed[1])
    assert r.transform([0.5], [[0.1]])[1].shape == (1, 1)


@pytest.mark.parametrize("marginals", ["standardize", "gaussianize", "none"])
def test_pointwise(xy, marginals):
    r = fg.mutual_information(*xy, marginals=marginals, n_bootstrap=0, rng=0)
    joint = r.model.log_density(np.column_stack(r.transform(*xy)))
    left, right = r.transform(*xy)
    expected = joint - r.model.marginal(0).log_density(left) - r.model.marginal(1).log_density(right)
    np.testing.assert_allclose(r.pointwise(), expected, rtol=1e-12, atol=1e-14)
    assert np.array_equal(r.pointwise(), r.pointwise(*xy))
    assert np.array_equal(r.pointwise(), r.pointwise(np.column_stack(xy)))
    assert r.pointwise().mean() == pytest.approx(r.plug_in, abs=0.05)


def test_pointwise_of_vectors():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(500, 2)), rng.normal(size=(500, 3))
    y[:, :2] += x
    r = fg.mutual_information(x, y, n_components=1, n_bootstrap=0, rng=0)
    assert r.pointwise().shape == (500,)
    assert r.pointwise().mean() == pytest.approx(r.plug_in, abs=0.01)
    assert [image.shape for image in r.transform(x[:3], y[:3])] == [(3, 2), (3, 3)]


def test_pointwise_leaves_out_dropped_rows(xy):
    x, y = (a.copy() for a in xy)
    x[3] = np.nan
    r = fg.mutual_information(x, y, missing="drop", n_components=1, n_bootstrap=0, rng=0)
    assert r.pointwise().shape == (199,)


def test_the_data_are_referred_to(xy):
    x = xy[0].copy()
    r = fg.mutual_information(x, xy[1], n_components=1, n_bootstrap=0, rng=0)
    assert np.shares_memory(r._data.variables[0].values, x)


def test_bad_new_data(r):
    with pytest.raises(ValueError, match=r"^x has 2 columns, the data had 1"):
        r.transform(np.zeros((5, 2)), np.zeros(5))
    with pytest.raises(ValueError, match=r"^y has 1 NaN or infinite value, the first in row 1"):
        r.pointwise([0.0, 1.0], [0.0, np.nan])
    with pytest.raises(ValueError, match=r"^y has 2 rows but x has 1"):
        r.pointwise([0.0], [0.0, 1.0])
    with pytest.raises(ValueError, match=r"^y is given without x"):
        r.pointwise(y=[0.0])


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("marginals", ["standardize", "gaussianize", "none"])
def test_save_and_load(xy, tmp_path, marginals):
    r = fg.mutual_information(*xy, marginals=marginals, units="bits", n_bootstrap=5, rng=0)
    r.save(tmp_path / "r")
    loaded = fg.MIResult.load(tmp_path / "r")
    assert loaded == r
    assert loaded.warnings == r.warnings
    assert loaded.confidence_interval() == r.confidence_interval()
    assert np.array_equal(loaded.pointwise(*xy), r.pointwise())
    with pytest.raises(ValueError, match="does not hold the data; pass x and y"):
        loaded.pointwise()
    loaded.save(tmp_path / "again")
    assert fg.MIResult.load(tmp_path / "again") == r


def test_without_error_bar(xy, tmp_path):
    r = fg.mutual_information(*xy, n_bootstrap=0, rng=0)
    r.save(tmp_path / "r")
    assert fg.MIResult.load(tmp_path / "r") == r


def test_files_of_another_kind_are_refused(r, tmp_path):
    r.model.save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a GaussianMixture in format 1, not a MIResult in format 1"):
        fg.MIResult.load(tmp_path / "model")
