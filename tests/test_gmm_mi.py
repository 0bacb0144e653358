"""The drop-in for gmm-mi: its interface, the effect of each parameter, closed forms, files and errors."""

import copy
import functools
import inspect
import math
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpydoc.validate import validate
from scipy import integrate, stats

import fastgmmmi as fg
from fastgmmmi import gmm_mi
from fastgmmmi.gmm_mi import EstimateMI, GMMFitParamHolder, MIDistParamHolder, SelectComponentsParamHolder

ONE = SelectComponentsParamHolder(fixed_components_number=1)
NO_BOOTSTRAP = MIDistParamHolder(n_bootstrap=0)


def gaussian(n, rho=0.6, seed=0):
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return np.column_stack([x, rho * x + math.sqrt(1 - rho**2) * noise])


def clusters(n, seed=0):
    """Three well separated bumps, so that more components than one pay."""
    rng = np.random.default_rng(seed)
    centres = np.array([[-4.0, 0.0], [0.0, 4.0], [4.0, 1.0]])[rng.integers(3, size=n)]
    return centres + rng.normal(size=(n, 2)) * [0.5, 1.0]


def labelled(n=600, seed=0):
    labels = np.arange(n) % 3
    return np.random.default_rng(seed).normal(size=n) + 2.0 * labels, labels


@pytest.fixture
def axes():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


# ---- code written for gmm-mi -----------------------------------------------------------------------------------------


def test_a_script_with_defaults():
    rng = np.random.default_rng(13579)
    X = rng.multivariate_normal(np.zeros(2), np.array([[1, 0.6], [0.6, 1]]), 200)
    mi_estimator = EstimateMI()
    MI_mean, MI_std = mi_estimator.fit_estimate(X)
    MI_mean_bits, MI_std_bits = EstimateMI().fit_estimate(X[:, 0], X[:, 1], base=2)
    assert abs(MI_mean - 0.2231) < 4 * MI_std
    assert MI_mean_bits == pytest.approx(MI_mean / math.log(2), rel=1e-12)
    assert MI_std_bits == pytest.approx(MI_std / math.log(2), rel=1e-12)


def test_a_script_with_every_parameter(tmp_path):
    gmm_fit_params = GMMFitParamHolder(
        init_type="randomized_kmeans", scale=0.5, threshold_fit=1e-6, reg_covar=1e-12, max_iter=1000
    )
    select_components_params = SelectComponentsParamHolder(
        n_inits=2, n_folds=3, metric_method="valid", threshold_components=1e-4, patience=2, max_components=10
    )
    mi_dist_params = MIDistParamHolder(n_bootstrap=20, integral_method="quad", MC_samples=1e4)
    mi_estimator = EstimateMI(gmm_fit_params=gmm_fit_params, select_components_params=select_components_params)
    mi_estimator.fit(clusters(500), verbose=False)
    assert mi_estimator.fit_done
    assert mi_estimator.converged
    assert mi_estimator.best_components == 3
    result = mi_estimator.estimate(
        mi_dist_params=mi_dist_params, include_kl=True, kl_order="forward", base=2, verbose=False
    )
    assert result == (mi_estimator.MI_mean, mi_estimator.MI_std)
    assert mi_estimator.KL_mean > 0
    assert mi_estimator.KL_std > 0
    mi_estimator.save(str(tmp_path / "fitted"))
    restored = EstimateMI()
    restored.load(str(tmp_path / "fitted"))
    assert restored.MI_mean == mi_estimator.MI_mean


def test_a_script_with_classes():
    x, labels = labelled()
    MI_mean, MI_std = EstimateMI().fit_estimate_categorical(x, labels, mi_dist_params=MIDistParamHolder(20))
    mi_estimator = EstimateMI()
    mi_estimator.fit_categorical(x.reshape(-1, 1), labels)
    assert mi_estimator.estimate_categorical(MIDistParamHolder(20)) == (MI_mean, MI_std)
    together = EstimateMI().fit_estimate_categorical(np.column_stack([x, labels]), mi_dist_params=MIDistParamHolder(20))
    assert together == (MI_mean, MI_std)


def parameters(function):
    return {p.name: p.default for p in inspect.signature(function).parameters.values() if p.name != "self"}


def test_signatures_are_those_of_gmm_mi():
    required = inspect.Parameter.empty
    estimate = {"mi_dist_params": None, "include_kl": False, "kl_order": "forward", "base": math.e, "verbose": False}
    categorical = {"mi_dist_params": None, "base": math.e, "verbose": False}
    data = {"X": required, "Y": None}
    assert parameters(EstimateMI) == {"gmm_fit_params": None, "select_components_params": None}
    assert list(parameters(EstimateMI.fit).items()) == [*data.items(), ("verbose", False)]
    assert list(parameters(EstimateMI.estimate).items()) == [*estimate.items()]
    assert list(parameters(EstimateMI.fit_estimate).items()) == [*data.items(), *estimate.items()]
    assert list(parameters(EstimateMI.fit_categorical).items()) == [*data.items(), ("verbose", False)]
    assert list(parameters(EstimateMI.estimate_categorical).items()) == [*categorical.items()]
    assert list(parameters(EstimateMI.fit_estimate_categorical).items()) == [*data.items(), *categorical.items()]
    assert list(parameters(GMMFitParamHolder).items()) == [
        ("init_type", "random_sklearn"),
        ("scale", None),
        ("threshold_fit", 1e-5),
        ("reg_covar", 1e-15),
        ("max_iter", 10000),
    ]
    assert list(parameters(SelectComponentsParamHolder).items()) == [
        ("n_inits", 3),
        ("n_folds", 2),
        ("metric_method", "valid"),
        ("threshold_components", 1e-5),
        ("patience", 1),
        ("max_components", 50),
        ("fixed_components_number", 0),
    ]
    assert list(parameters(MIDistParamHolder).items()) == [
        ("n_bootstrap", 50),
        ("integral_method", "MC"),
        ("MC_samples", 1e5),
    ]


# ---- closed forms ----------------------------------------------------------------------------------------------------


def test_gaussian_information():
    X = gaussian(500)
    value, error = EstimateMI(None, ONE).fit_estimate(X, mi_dist_params=NO_BOOTSTRAP)
    assert error is None
    assert value == pytest.approx(-0.5 * math.log(1 - np.corrcoef(X.T)[0, 1] ** 2), abs=1e-6)


@pytest.mark.parametrize("d", [3, 4])
def test_conditional_gaussian_information(d):
    rng = np.random.default_rng(1)
    z = rng.normal(size=(800, d - 2))
    x = z[:, 0] + rng.normal(size=800)
    y = z[:, -1] + 0.6 * x + rng.normal(size=800)
    X = np.column_stack([x, y, z])
    precision = np.linalg.inv(np.cov(X.T))
    partial = precision[0, 1] ** 2 / (precision[0, 0] * precision[1, 1])
    exact = -0.5 * math.log(1 - partial)
    value, _ = EstimateMI(None, ONE).fit_estimate(X, mi_dist_params=NO_BOOTSTRAP)
    assert value == pytest.approx(exact, abs=1e-5 if d == 3 else 1e-3)
    mean, error = EstimateMI(None, ONE).fit_estimate(X, mi_dist_params=MIDistParamHolder(30))
    assert abs(mean - exact) < error
    # The asymptotic error of a correlation, by the delta method.
    assert error == pytest.approx(math.sqrt(partial / 800), rel=0.4)


@pytest.mark.parametrize("order", ["forward", "reverse"])
def test_divergence_of_gaussians(order):
    rng = np.random.default_rng(2)
    X = np.column_stack([rng.normal(size=2000), 1 + 2 * rng.normal(size=2000)])
    (m, s), (m_other, s_other) = (
        (column.mean(), column.std()) for column in (X.T if order == "forward" else X.T[::-1])
    )
    exact = math.log(s_other / s) + (s**2 + (m - m_other) ** 2) / (2 * s_other**2) - 0.5
    estimator = EstimateMI(None, ONE)
    estimator.fit_estimate(X, mi_dist_params=NO_BOOTSTRAP, include_kl=True, kl_order=order, base=2)
    assert estimator.KL_mean == pytest.approx(exact / math.log(2), abs=1e-6)
    assert estimator.KL_std is None
    estimator.estimate(MIDistParamHolder(30), include_kl=True, kl_order=order)
    assert estimator.KL_mean == pytest.approx(exact, abs=2 * estimator.KL_std)
    estimator.estimate(MIDistParamHolder(5))
    assert estimator.KL_mean is estimator.KL_std is None


def test_divergence_of_mixtures_is_that_of_their_marginals():
    estimator = EstimateMI()
    estimator.fit_estimate(clusters(600), mi_dist_params=NO_BOOTSTRAP, include_kl=True)
    model = estimator.model
    assert model.n_components == 3
    assert estimator.KL_mean == pytest.approx(model.marginal(0).kl_divergence(model.marginal(1)), abs=1e-6)
    estimator.estimate(MIDistParamHolder(20), include_kl=True)
    assert estimator.KL_mean == pytest.approx(model.marginal(0).kl_divergence(model.marginal(1)), rel=0.1)
    assert 0 < estimator.KL_std < 0.2 * estimator.KL_mean


def class_information(densities):
    """Classes equally probable."""

    def integrand(t):
        values = np.array([density.pdf(t) for density in densities])
        return sum(value * math.log(value / values.mean()) for value in values) / len(values)

    return integrate.quad(integrand, -8, 14, limit=200)[0]


def test_information_on_a_class():
    x, labels = labelled()
    exact = class_information([stats.norm(x[labels == c].mean(), x[labels == c].std()) for c in range(3)])
    value, _ = EstimateMI(None, ONE).fit_estimate_categorical(x, labels, NO_BOOTSTRAP)
    assert value == pytest.approx(exact, abs=1e-5)
    mean, error = EstimateMI(None, ONE).fit_estimate_categorical(x, labels)
    truth = class_information([stats.norm(2 * c, 1) for c in range(3)])
    assert abs(mean - truth) < 4 * error


def test_classes_count_alike_whatever_their_numbers():
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [4000, 1000])
    value, _ = EstimateMI(None, ONE).fit_estimate_categorical(rng.normal(size=5000) + 2 * labels, labels, NO_BOOTSTRAP)
    assert value == pytest.approx(class_information([stats.norm(0, 1), stats.norm(2, 1)]), abs=0.02)


def test_several_variables_and_a_class():
    rng = np.random.default_rng(4)
    labels = np.arange(900) % 3
    X = np.column_stack([rng.normal(size=900) + 2 * labels, rng.normal(size=900)])
    one, _ = EstimateMI(None, ONE).fit_estimate_categorical(X[:, 0], labels, NO_BOOTSTRAP)
    two, _ = EstimateMI(None, ONE).fit_estimate_categorical(X, labels, NO_BOOTSTRAP)
    assert two == pytest.approx(one, abs=0.02)


@pytest.mark.parametrize(
    "names",
    [("a", "b", "c"), (5.5, -1.0, 7.0), (True, False, "other"), ((1, 2), (3, 4), (5, 6)), (10, 20, 30)],
    ids=str,
)
def test_classes_may_be_any_values(names):
    x, labels = labelled()
    expected = EstimateMI(None, ONE).fit_estimate_categorical(x, labels, MIDistParamHolder(5))
    assert (
        EstimateMI(None, ONE).fit_estimate_categorical(x, [names[c] for c in labels], MIDistParamHolder(5)) == expected
    )


def test_the_distribution_is_that_of_the_core():
    X = gaussian(300)
    x, y = np.ascontiguousarray(X[:, :1]), np.ascontiguousarray(X[:, 1:])
    r = fg.mutual_information(x, y, n_components=1, n_bootstrap=50, reselect=False, marginals="none", rng=0)
    mean, error = EstimateMI(None, ONE).fit_estimate(X)
    assert mean == pytest.approx(r.bootstrap_distribution.mean(), rel=1e-9)
    assert error == pytest.approx(r.standard_error, rel=1e-9)


# ---- parameters of the fit -------------------------------------------------------------------------------------------


def value(X, n_bootstrap=0, select=None, **fit):
    estimator = EstimateMI(GMMFitParamHolder(**fit), select)
    return estimator.fit_estimate(X, mi_dist_params=MIDistParamHolder(n_bootstrap))[0]


def test_reg_covar_is_a_floor_in_the_units_of_the_data():
    X = gaussian(400) * [1.0, 3.0]
    covariance = np.cov(X.T, ddof=0)
    variances, directions = np.linalg.eigh(covariance)
    raised = directions @ np.diag(np.maximum(variances, 0.8)) @ directions.T
    assert variances[0] < 0.8 < variances[1]
    exact = -0.5 * math.log(1 - raised[0, 1] ** 2 / (raised[0, 0] * raised[1, 1]))
    assert value(X, select=ONE, reg_covar=0.8) == pytest.approx(exact, abs=1e-5)
    assert value(10 * X, select=ONE, reg_covar=80.0) == pytest.approx(exact, abs=1e-5)
    assert value(10 * X, select=ONE, reg_covar=0.8) == pytest.approx(value(X, select=ONE), abs=1e-9)
    assert value(X, n_bootstrap=30, select=ONE, reg_covar=0.8) == pytest.approx(exact, abs=0.03)
    assert value(X, select=ONE, reg_covar=0.0) == pytest.approx(value(X, select=ONE), abs=1e-9)


def test_units_of_the_data_do_not_matter_while_reg_covar_is_small():
    X = clusters(300)
    expected = value(X)
    for unit in (1e-3, 1e8, 1e100):
        assert value(unit * X) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e-100])
def test_reg_covar_that_swamps_the_data_is_warned_of(unit):
    with pytest.warns(UserWarning, match="reg_covar=1e-15 is more than the variance"):
        assert 0 <= value(unit * gaussian(300)) < 1e-3
    assert value(1e-9 * gaussian(300), select=ONE, reg_covar=0.0) == pytest.approx(value(gaussian(300), select=ONE))


def test_reg_covar_of_several_components():
    X = clusters(600)
    three = SelectComponentsParamHolder(fixed_components_number=3)
    assert value(X, select=three, reg_covar=1.0) < value(X, select=three) - 0.01


def test_scale_is_in_the_units_of_the_data():
    X = clusters(300)
    many = SelectComponentsParamHolder(fixed_components_number=6, n_inits=1)
    for init_type in ("random", "minmax"):
        narrow = value(X, select=many, init_type=init_type, scale=0.3)
        assert value(1000 * X, select=many, init_type=init_type, scale=300.0) == pytest.approx(narrow, abs=1e-6)
        assert value(X, select=many, init_type=init_type, scale=3.0) != narrow
    pushed = value(X, select=many, init_type="randomized_kmeans", scale=0.5)
    assert value(1000 * X, select=many, init_type="randomized_kmeans", scale=0.5) == pytest.approx(pushed, abs=1e-6)
    assert value(X, select=many, init_type="randomized_kmeans", scale=2.0) != pushed


@pytest.mark.parametrize("init_type", gmm_mi.INIT_TYPES)
def test_every_starting_point_finds_the_clusters(init_type):
    estimator = EstimateMI(GMMFitParamHolder(init_type=init_type))
    estimator.fit(clusters(600))
    assert estimator.best_components >= 3


def test_starting_points_differ():
    many = SelectComponentsParamHolder(fixed_components_number=8, n_inits=1)
    assert len({value(clusters(300), select=many, init_type=init_type) for init_type in gmm_mi.INIT_TYPES}) >= 5


def test_threshold_fit_and_max_iter():
    X = clusters(600)
    many = SelectComponentsParamHolder(fixed_components_number=6, n_inits=1)
    exact = value(X, select=many, threshold_fit=1e-9)
    assert value(X, select=many, threshold_fit=1e-1) != exact
    hurried = EstimateMI(GMMFitParamHolder(max_iter=2), many)
    with pytest.warns(fg.ConvergenceWarning, match="max_iter"):
        hurried.fit(X)
    assert not hurried.converged


# ---- parameters of the search ----------------------------------------------------------------------------------------


def search(X, **parameters):
    estimator = EstimateMI(None, SelectComponentsParamHolder(**parameters))
    estimator.fit(X)
    return estimator


def test_fixed_number():
    estimator = search(gaussian(300), fixed_components_number=4)
    assert estimator.best_components == 4
    assert estimator.sel_comp_params.fixed_components
    assert estimator.converged
    assert list(estimator.results_dict) == [4]


def test_max_components_ends_the_search():
    estimator = search(clusters(600), max_components=2)
    assert estimator.best_components == 2
    assert not estimator.converged


def test_threshold_components():
    X = clusters(600)
    assert search(X).best_components == 3
    assert search(X, threshold_components=10.0).best_components == 1
    scores = {k: found["metric"] for k, found in search(X).results_dict.items()}
    assert scores[2] - scores[1] > 0.05
    assert search(X, threshold_components=0.05).best_components == 3


def test_threshold_of_a_criterion_is_in_its_units():
    X = clusters(600)
    gains = [found["bic"] for found in search(X, metric_method="bic").results_dict.values()]
    assert search(X, metric_method="bic", threshold_components=gains[0] - gains[1] + 1).best_components != 2
    assert search(X, metric_method="bic", threshold_components=1e6).best_components == 1


def test_patience_and_folds_and_inits():
    X = gaussian(300)
    assert list(search(X, patience=1).results_dict) == [1, 2]
    assert list(search(X, patience=3).results_dict) == [1, 2, 3, 4]
    two, five = (search(X, n_folds=n_folds).results_dict[1]["metric"] for n_folds in (2, 5))
    assert two != five
    assert np.shape(search(X, n_inits=2, n_folds=4).results_dict[2]["all_ms"]) == (2, 4, 2, 2)


@pytest.mark.parametrize("method", gmm_mi.METRIC_METHODS)
def test_metric_method(method):
    estimator = search(clusters(600), metric_method=method)
    assert estimator.best_components == 3 or (method == "aic" and estimator.best_components == 4)  # AIC takes too many
    results = estimator.results_dict
    for k, found in results.items():
        sign = 1 if method == "valid" else -1
        assert found["metric"] == sign * found["valid_score" if method == "valid" else method]
        assert found["bic"] - found["aic"] == pytest.approx((6 * k - 1) * (math.log(600) - 2))
    assert max(results, key=lambda k: results[k]["metric"]) == estimator.best_components


def test_records_of_the_search():
    X = clusters(400)
    estimator = search(X)
    keys = {"aic", "bic", "metric", "valid_score", "best_seed", "best_val_score", "best_fold_in_init"}
    keys |= {"all_lcurves", "all_ws", "all_ms", "all_ps", "convergence_flags"}
    for k, found in estimator.results_dict.items():
        assert set(found) == keys
        assert found["all_ws"].shape == (3, 2, k)
        assert found["all_ms"].shape == (3, 2, k, 2)
        assert found["all_ps"].shape == (3, 2, k, 2, 2)
        assert len(found["all_lcurves"]) == 12
        assert len(found["convergence_flags"]) == 6
        assert found["valid_score"] == found["metric"] == pytest.approx(found["best_val_score"], abs=0.2)
        assert estimator.results_dict is estimator.results_dict
    curves = estimator.lcurves
    assert curves is estimator.results_dict[3]["all_lcurves"]
    assert np.mean(curves[::2]) > np.mean(curves[1::2]) > -4  # likelihoods of samples fitted, and of those held out
    assert EstimateMI().results_dict == {}
    assert EstimateMI().lcurves is None


def test_records_of_classes():
    x, labels = labelled()
    estimator = EstimateMI()
    estimator.fit_categorical(x, np.array(["p", "q", "r"])[labels])
    assert set(estimator.best_components) == set(estimator.results_dict) == set(estimator.lcurves) == {"p", "q", "r"}
    assert estimator.model["q"].means.shape == (estimator.best_components["q"], 1)


# ---- parameters of the distribution ----------------------------------------------------------------------------------


def test_bootstrap_numbers():
    estimator = EstimateMI()
    estimator.fit(gaussian(300))
    without = estimator.estimate(NO_BOOTSTRAP)
    assert without[1] is None
    assert NO_BOOTSTRAP.n_bootstrap == 0
    assert estimator.estimate(MIDistParamHolder(n_bootstrap=-1)) == without
    assert np.isnan(estimator.estimate(MIDistParamHolder(n_bootstrap=1))[1])
    assert estimator.estimate(MIDistParamHolder(20)) != estimator.estimate(MIDistParamHolder(21))
    assert estimator.estimate() == estimator.estimate(MIDistParamHolder(50))


def test_integrals_are_deterministic():
    estimator = EstimateMI()
    estimator.fit(gaussian(300))
    assert estimator.estimate(MIDistParamHolder(10, "quad")) == estimator.estimate(MIDistParamHolder(10, "MC", 1e3))


def test_the_error_is_that_of_the_estimate():
    estimates, errors = np.transpose([EstimateMI().fit_estimate(gaussian(500, seed=seed)) for seed in range(40)])
    assert errors.mean() == pytest.approx(estimates.std(ddof=1), rel=0.35)
    # The asymptotic error of a Gaussian's information is rho / sqrt(n).
    assert np.median(errors) == pytest.approx(0.6 / math.sqrt(500), rel=0.1)


def test_replicates_that_cannot_be_fitted_are_left_out():
    estimator = EstimateMI(None, ONE)
    estimator.fit(gaussian(8))
    with pytest.warns(
        fg.ConvergenceWarning, match="of 200 bootstrap replicates could not be fitted; they are left out"
    ):
        mean, error = estimator.estimate(MIDistParamHolder(200))
    assert 0 < mean < 5
    assert 0 < error < 5


def test_a_class_of_few_samples_leans_on_the_others():
    x = np.concatenate([5 + np.arange(4.0) / 4, gaussian(200)[:, 0]])
    labels = np.repeat(["few", "many"], [4, 200])
    with pytest.warns(UserWarning, match="1 class of 2 have fewer than 6 samples"):
        mean, error = EstimateMI().fit_estimate_categorical(x, labels, MIDistParamHolder(200))
    assert 0.5 < mean < math.log(2)
    assert 0 < error < 0.3


def test_classes_that_tell_all():
    """Values that are constant within each class say which it is, but for the width that repeated values have here."""
    x = np.repeat([1.0, 2.0], 20)
    assert 0.6 < EstimateMI().fit_estimate_categorical(x, x, NO_BOOTSTRAP)[0] < math.log(2)


# ---- state -----------------------------------------------------------------------------------------------------------


def test_the_same_again():
    X = clusters(300)
    results = [EstimateMI().fit_estimate(X, include_kl=True) for _ in range(2)]
    assert results[0] == results[1]
    x, labels = labelled()
    assert EstimateMI().fit_estimate_categorical(x, labels) == EstimateMI().fit_estimate_categorical(x, labels)


def test_threads_do_not_matter():
    X = clusters(300)
    results = []
    for threads in (1, 3):
        fg.set_num_threads(threads)
        results.append(EstimateMI().fit_estimate(X))
    fg.set_num_threads(None)
    assert results[0] == results[1]


def test_a_second_fit_fits():
    estimator = EstimateMI()
    estimator.fit_estimate(gaussian(300))
    other = gaussian(300, rho=0.95, seed=1)
    estimator.fit(other)
    assert estimator.MI_mean is None
    assert estimator.estimate() == EstimateMI().fit_estimate(other)
    x, labels = labelled()
    estimator.fit_categorical(x, labels)
    with pytest.raises(fg.NotFittedError, match="call fit first"):
        estimator.estimate()
    with pytest.raises(fg.NotFittedError, match="call fit first"):
        estimator.plot_fitted_model()


def test_a_failed_fit_keeps_the_old_one():
    estimator = EstimateMI()
    expected = estimator.fit_estimate(gaussian(300))
    with pytest.raises(ValueError, match="NaN"):
        estimator.fit([[1.0, np.nan]] * 10)
    assert estimator.estimate() == expected


def test_data_are_not_modified():
    X = gaussian(300)
    before = X.copy()
    estimator = EstimateMI()
    estimator.fit(X)
    np.testing.assert_array_equal(X, before)


def test_a_typo_is_an_attribute_error():
    estimator = EstimateMI()
    for thing, name in (
        (estimator, "MI_men"),
        (GMMFitParamHolder(), "reg_cover"),
        (SelectComponentsParamHolder(), "max_component"),
        (MIDistParamHolder(), "n_bootstraps"),
    ):
        with pytest.raises(AttributeError):
            setattr(thing, name, 1)
        with pytest.raises(AttributeError):
            getattr(thing, name)
    with pytest.raises(AttributeError, match="max_component'; it has n_inits, n_folds"):
        SelectComponentsParamHolder().max_component = 3


def test_before_and_after_a_fit():
    estimator = EstimateMI()
    assert not estimator.fit_done
    assert not estimator.converged
    assert estimator.best_components is estimator.model is estimator.MI_mean is estimator.MI_std is None
    assert repr(estimator) == "EstimateMI(not fitted)"
    for method in (estimator.estimate, estimator.estimate_categorical, estimator.plot_fitted_contours):
        with pytest.raises(fg.NotFittedError):
            method()
    estimator.fit_estimate(gaussian(300))
    assert repr(estimator).startswith("EstimateMI(1 components, MI 0.")
    assert isinstance(estimator.model, fg.GaussianMixture)


def test_copies_and_pickles():
    estimator = EstimateMI()
    expected = estimator.fit_estimate(gaussian(300))
    for other in (copy.deepcopy(estimator), pickle.loads(pickle.dumps(estimator))):
        assert other.estimate() == expected
    assert pickle.loads(pickle.dumps(MIDistParamHolder(7))) == MIDistParamHolder(7)


def test_verbose_prints(capsys):
    EstimateMI().fit_estimate(gaussian(300))
    assert capsys.readouterr() == ("", "")
    EstimateMI().fit_estimate(gaussian(300), verbose=True)
    assert capsys.readouterr().out.startswith("1 component, converged\nMI 0.")
    EstimateMI().fit_estimate_categorical(*labelled(), verbose=True)
    assert "class 2: " in capsys.readouterr().out


def test_what_is_imported():
    script = "import sys, fastgmmmi.gmm_mi; print(any(m in sys.modules for m in ('matplotlib', 'scipy', 'pandas')))"
    command = [sys.executable, "-c", script]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "False\n"


# ---- files -----------------------------------------------------------------------------------------------------------


def test_save_and_load(tmp_path):
    estimator = EstimateMI(GMMFitParamHolder("kmeans"), SelectComponentsParamHolder(patience=2))
    estimator.fit_estimate(clusters(300), mi_dist_params=MIDistParamHolder(10), include_kl=True)
    estimator.save(tmp_path / "some.name")
    assert [path.name for path in tmp_path.iterdir()] == ["some.name.npz"]
    with np.load(tmp_path / "some.name.npz", allow_pickle=False) as archive:
        assert all(array.dtype != object for array in archive.values())
    other = EstimateMI()
    assert other.load(tmp_path / "some.name.npz") is None
    for name in ("MI_mean", "MI_std", "KL_mean", "KL_std", "best_components", "converged", "fit_done"):
        assert getattr(other, name) == getattr(estimator, name)
    for name in ("gmm_fit_params", "sel_comp_params", "mi_dist_params"):
        assert getattr(other, name) == getattr(estimator, name)
    assert other.estimate() == estimator.estimate()
    assert list(other.results_dict) == list(estimator.results_dict)
    np.testing.assert_array_equal(other.lcurves[0], estimator.lcurves[0])


def test_save_and_load_classes(tmp_path):
    x, labels = labelled()
    for names, loaded in (
        (("a", "b", "c"), ("a", "b", "c")),
        (((1, 2), None, 3), None),
        ((0, 1.5, True), (0, 1.5, True)),
    ):
        if loaded is None:
            names, loaded = ((1, 2), "b", 3), ("(1, 2)", "b", 3)
        estimator, other = EstimateMI(), EstimateMI()
        estimator.fit_categorical(x, [names[c] for c in labels])
        estimator.save(tmp_path / "m")
        other.load(tmp_path / "m")
        assert tuple(other.best_components) == loaded
        assert other.estimate_categorical(MIDistParamHolder(3)) == estimator.estimate_categorical(MIDistParamHolder(3))


def test_other_files_are_refused(tmp_path):
    fg.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]]).save(tmp_path / "g.npz")
    (tmp_path / "n.npz").write_text("nothing")
    for name in ("g", "n"):
        with pytest.raises(ValueError, match=rf"{name}\.npz"):
            EstimateMI().load(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        EstimateMI().load(tmp_path / "missing")
    with pytest.raises(fg.NotFittedError, match="nothing to save"):
        EstimateMI().save(tmp_path / "unfitted")


# ---- plots -----------------------------------------------------------------------------------------------------------


def test_plot_of_the_model(axes):
    estimator = EstimateMI(None, SelectComponentsParamHolder(fixed_components_number=2))
    estimator.fit(clusters(300))
    ax = axes.subplots()[1]
    assert estimator.plot_fitted_model(ax=ax, color="salmon", alpha=0.5) is ax
    ellipses = ax.patches
    assert len(ellipses) == 2
    assert ellipses[0].get_alpha() == 0.5
    covariance = estimator.model.covariances[0]
    np.testing.assert_allclose(
        sorted([ellipses[0].width, ellipses[0].height]), 4 * np.sqrt(np.linalg.eigvalsh(covariance))
    )
    assert estimator.plot_fitted_model() is not ax


def test_the_ellipse_leans_as_the_data_do(axes):
    estimator = EstimateMI(None, ONE)
    estimator.fit(gaussian(500, rho=0.9))
    ellipse = estimator.plot_fitted_model().patches[0]
    assert ellipse.width > ellipse.height
    assert ellipse.angle % 180 == pytest.approx(45, abs=5)


def test_plot_of_contours(axes):
    estimator = EstimateMI()
    estimator.fit(clusters(300))
    figure = estimator.plot_fitted_contours(
        parameters=["a", "b"], extents=[(-7, 7), (-5, 9)], n_samples=500, colors="k"
    )
    assert figure.axes[2].get_xlabel() == "a"
    assert figure.axes[2].get_ylabel() == figure.axes[3].get_xlabel() == "b"
    same = estimator.plot_fitted_contours(["a", "b"], {"b": (-5, 9), "a": (-7, 7)}, 500)
    assert len(same.axes[2].collections) == len(figure.axes[2].collections)
    assert len(estimator.plot_fitted_contours().axes) == 4
    with pytest.raises(ValueError, match="each of the 2 variables"):
        estimator.plot_fitted_contours(parameters=["a"])


# ---- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.zeros(10), None, "X must have two columns or more"),
        (np.zeros((10, 1)), None, "X must have two columns or more"),
        (np.full((10, 2), np.nan), None, "X has 20 NaN or infinite values, the first in row 0"),
        (np.arange(10.0), [np.inf] * 10, "Y has 10 NaN or infinite values"),
        (np.zeros((10, 2)), np.zeros(10), "X must be .n,. or .n, 1. where Y is given"),
        (np.zeros(10), np.zeros((10, 3)), "Y must be .n,. or .n, 1. where Y is given"),
        (np.zeros(10), np.zeros(9), "Y has 9 rows but X has 10"),
        (np.zeros((0, 2)), None, "X is empty"),
        ([["a", "b"]], None, "X holds strings"),
        (np.arange(4.0).reshape(2, 2), None, "2 rows, too few"),
        (np.column_stack([np.arange(50.0), np.ones(50)]), None, "X column 1 is constant"),
        (np.column_stack([np.arange(50.0), np.arange(50.0)]), None, "exact linear function"),
        (np.arange(50.0), np.arange(50.0), "Y.* exact linear function"),
    ],
)
def test_data_that_cannot_be_used(X, Y, message):
    with pytest.raises(ValueError, match=message):
        EstimateMI().fit_estimate(X, Y)


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.arange(10.0), None, "column of classes"),
        (np.arange(10.0), np.zeros(9), "Y has 9 rows but X has 10"),
        (np.arange(10.0), np.zeros((10, 2)), "one label per sample"),
        (np.arange(10.0), [*"aaaaaaaaa", None], "Y has 1 missing label, the first in row 9"),
        (np.arange(10.0), [*[1.0] * 9, math.nan], "missing label"),
        (np.arange(10.0), ["a"] * 10, "Y has one label only"),
        (np.arange(10.0), np.arange(10), "as many classes as there are samples"),
        (np.arange(4.0), [*"aabb"], "4 rows, too few"),
        (np.ones(40), np.repeat([0, 1], 20), "X is constant"),
        ([np.nan] * 10, [*"aaaaabbbbb"], "X has 10 NaN"),
    ],
)
def test_classes_that_cannot_be_used(X, Y, message):
    with pytest.raises(ValueError, match=message):
        EstimateMI().fit_estimate_categorical(X, Y)


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (GMMFitParamHolder, "init_type", "random_skl"),
        (GMMFitParamHolder, "init_type", "kmeans++"),
        (GMMFitParamHolder, "scale", 0.0),
        (GMMFitParamHolder, "threshold_fit", -1.0),
        (GMMFitParamHolder, "reg_covar", -1.0),
        (GMMFitParamHolder, "max_iter", 0),
        (SelectComponentsParamHolder, "n_inits", 0),
        (SelectComponentsParamHolder, "n_folds", 1),
        (SelectComponentsParamHolder, "metric_method", "cv"),
        (SelectComponentsParamHolder, "threshold_components", math.nan),
        (SelectComponentsParamHolder, "patience", 0),
        (SelectComponentsParamHolder, "max_components", 0),
        (SelectComponentsParamHolder, "fixed_components_number", -1),
        (MIDistParamHolder, "n_bootstrap", 2.5),
        (MIDistParamHolder, "integral_method", "gauss"),
        (MIDistParamHolder, "MC_samples", 0),
    ],
)
def test_parameters_that_cannot_be_used(kind, name, value):
    with pytest.raises(ValueError, match=name):
        kind(**{name: value})
    with pytest.raises(ValueError, match=name):
        setattr(kind(), name, value)


@pytest.mark.parametrize("argument", [{"base": 0}, {"base": 1}, {"base": -2.0}, {"kl_order": "sideways"}])
def test_arguments_that_cannot_be_used(argument):
    with pytest.raises(ValueError, match=next(iter(argument))):
        EstimateMI().fit_estimate(gaussian(100), **argument)


def test_holders_in_each_other_s_place():
    with pytest.raises(TypeError, match="gmm_fit_params must be a GMMFitParamHolder"):
        EstimateMI(SelectComponentsParamHolder())
    with pytest.raises(TypeError, match="mi_dist_params must be a MIDistParamHolder"):
        EstimateMI().fit_estimate(gaussian(100), mi_dist_params=50)


# ---- documentation ---------------------------------------------------------------------------------------------------


def names():
    for exported in gmm_mi.__all__:
        yield exported
        members = vars(getattr(gmm_mi, exported))
        yield from (f"{exported}.{name}" for name, member in members.items() if name[0] != "_" and callable(member))


@pytest.mark.parametrize("name", [*names()])
def test_docstring_is_numpydoc(name):
    other_layout = {"GL01", "GL02", "ES01", "SA01", "EX01", "RT02", "PR02"}
    assert functools.reduce(getattr, name.split("."), gmm_mi).__doc__
    errors = validate(f"fastgmmmi.gmm_mi.{name}")["errors"]
    assert [text for code, text in errors if code not in other_layout] == []


def test_the_page_s_example_runs(capsys):
    page = (Path(__file__).parent.parent / "docs" / "gmm_mi.md").read_text(encoding="utf-8")
    exec(compile(re.search(r"```python\n(.*?)```", page, re.S)[1], "gmm_mi.md", "exec"), {})
    assert re.fullmatch(r"\(0\.\d+ ± 0\.\d+\) nats, \d components\n", capsys.readouterr().out)


def test_examples_run(axes):
    import doctest

    assert doctest.testmod(gmm_mi).failed == 0
