"""GaussianMixture against NumPy twins and closed forms."""

import copy
import math
import pickle

import numpy as np
import pytest
from scipy import stats

import fastgmmmi as fg


@pytest.fixture
def mixture(mixture_parameters):
    return fg.GaussianMixture.from_parameters(*mixture_parameters)


@pytest.fixture
def gaussian():
    covariance = np.array([[1.0, 0.6, 0.2], [0.6, 2.0, -0.3], [0.2, -0.3, 0.5]])
    return fg.GaussianMixture.from_parameters([1.0], [[1.0, 2.0, 3.0]], [covariance]), covariance


def densities(parameters, X):
    """The weighted density of each component, (n, K)."""
    return np.column_stack([w * stats.multivariate_normal(m, c).pdf(X) for w, m, c in zip(*parameters, strict=True)])


# ---- a mixture that is given -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e155, 1e300, 1e-160, 1e-300])
def test_variances_beyond_numbers_are_refused(scale):
    X = np.random.default_rng(0).normal(size=(100, 2)) * [1, scale]
    with pytest.raises(ValueError, match=r"^X column 1 has values so large or small that their variance is no number"):
        fg.GaussianMixture(n_components=2, rng=0).fit(X)


def test_parameters_are_kept(mixture, mixture_parameters):
    for found, given in zip((mixture.weights, mixture.means, mixture.covariances), mixture_parameters, strict=True):
        np.testing.assert_allclose(found, given, rtol=1e-15)
    assert mixture.n_components == 2
    assert mixture.log_likelihood is mixture.n_iter is mixture.converged is None
    assert mixture.selection == {}
    assert repr(mixture) == "GaussianMixture(2 components, 3 variables)"


def test_log_density_and_responsibilities(mixture, mixture_parameters):
    X = np.random.default_rng(0).normal(size=(700, 3)) * 3
    expected = densities(mixture_parameters, X)
    np.testing.assert_allclose(mixture.log_density(X), np.log(expected.sum(axis=1)), rtol=1e-12)
    found = mixture.responsibilities(X)
    np.testing.assert_allclose(found, expected / expected.sum(axis=1, keepdims=True), atol=1e-12)


def test_a_component_of_weight_zero_does_not_count():
    pair = fg.GaussianMixture.from_parameters([0.0, 1.0], [[5.0], [0.0]], [[[1.0]], [[1.0]]])
    np.testing.assert_allclose(pair.log_density([0.0, 5.0]), stats.norm.logpdf([0.0, 5.0]), rtol=1e-12)
    np.testing.assert_array_equal(pair.responsibilities([5.0]), [[0.0, 1.0]])


def test_samples_have_the_moments(mixture, mixture_parameters):
    weights, means, covariances = mixture_parameters
    X = mixture.sample(200_000, rng=1)
    mean = weights @ means
    second = np.einsum("k,kij->ij", weights, covariances) + np.einsum("k,ki,kj->ij", weights, means, means)
    covariance = second - np.outer(mean, mean)
    spread = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((X.mean(axis=0) - mean) / spread, 0, atol=0.01)
    np.testing.assert_allclose((np.cov(X.T) - covariance) / np.outer(spread, spread), 0, atol=0.02)


def test_samples_follow_the_seed(mixture):
    assert np.array_equal(mixture.sample(5, rng=3), mixture.sample(5, rng=3))
    assert not np.array_equal(mixture.sample(5), mixture.sample(5))


def test_marginal(mixture, mixture_parameters):
    _, means, covariances = mixture_parameters
    kept = mixture.marginal([2, 0])
    np.testing.assert_allclose(kept.means, means[:, [2, 0]], rtol=1e-12)
    np.testing.assert_allclose(kept.covariances, covariances[:, [2, 0]][:, :, [2, 0]], rtol=1e-12)
    assert mixture.marginal(np.int64(1)).means.shape == (2, 1)


def test_conditional_is_joint_over_marginal(mixture):
    X = np.random.default_rng(0).normal(size=(20, 3))
    X[:, [2, 0]] = [0.5, -1.0]
    conditional = mixture.conditional([2, 0], [0.5, -1.0])
    expected = mixture.log_density(X) - mixture.marginal([2, 0]).log_density(X[:, [2, 0]])
    np.testing.assert_allclose(conditional.log_density(X[:, 1]), expected, rtol=1e-9)


def test_entropy_of_a_gaussian(gaussian):
    mixture, covariance = gaussian
    expected = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * covariance)[1]
    assert mixture.entropy() == pytest.approx(expected, abs=1e-5)
    assert type(mixture.entropy()) is float


def test_entropy_of_a_mixture(mixture):
    estimate = -mixture.log_density(mixture.sample(200_000, rng=2)).mean()
    assert mixture.entropy() == pytest.approx(estimate, abs=0.01)


def test_mutual_information_of_a_gaussian(gaussian):
    mixture, covariance = gaussian

    def log_determinant(*columns):
        return np.linalg.slogdet(covariance[np.ix_(columns, columns)])[1]

    plain = (log_determinant(0, 2) + log_determinant(1) - log_determinant(0, 1, 2)) / 2
    assert mixture.mutual_information([0, 2], 1) == pytest.approx(plain, abs=1e-5)
    conditional = (log_determinant(0, 2) + log_determinant(1, 2) - log_determinant(0, 1, 2) - log_determinant(2)) / 2
    assert mixture.mutual_information(0, 1, given=2) == pytest.approx(conditional, abs=1e-5)
    assert mixture.mutual_information(1, 0, given=[2], integration_tol=1e-3) == pytest.approx(conditional, abs=1e-3)


# ---- fit -------------------------------------------------------------------------------------------------------------


def test_one_component_is_mean_and_covariance():
    X = np.random.default_rng(0).normal(size=(300, 3)) @ np.random.default_rng(1).normal(size=(3, 3)) * [1, 1e-5, 1e5]
    fitted = fg.GaussianMixture(n_components=1, rng=0).fit(X)
    np.testing.assert_allclose(fitted.means[0], X.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(fitted.covariances[0], np.cov(X.T, bias=True), rtol=1e-6)
    assert fitted.log_likelihood == pytest.approx(fitted.log_density(X).mean(), rel=1e-9)
    assert fitted.converged
    assert fitted.n_iter >= 1


def test_components_are_found(mixture):
    separate = fg.GaussianMixture.from_parameters([0.3, 0.7], [[-4.0, 0.0], [4.0, 0.0]], [np.eye(2), np.eye(2)])
    fitted = fg.GaussianMixture(criterion="bic", rng=0).fit(separate.sample(2000, rng=0))
    assert fitted.n_components == 2
    assert max(fitted.selection, key=fitted.selection.get) == 2
    order = np.argsort(fitted.means[:, 0])
    np.testing.assert_allclose(fitted.weights[order], [0.3, 0.7], atol=0.04)
    np.testing.assert_allclose(fitted.means[order], separate.means, atol=0.2)


def test_weights_count_rows():
    X = np.random.default_rng(0).normal(size=(100, 2))
    weighted = fg.GaussianMixture(n_components=1, rng=0).fit(X, sample_weight=1.0 + (np.arange(100) < 20))
    repeated = fg.GaussianMixture(n_components=1, rng=0).fit(np.r_[X, X[:20]])
    np.testing.assert_allclose(weighted.covariances, repeated.covariances, rtol=1e-6)


def test_fit_returns_itself_and_can_be_repeated():
    X = np.random.default_rng(0).normal(size=(100, 2))
    mixture = fg.GaussianMixture(n_components=1, rng=0)
    assert mixture.fit(X) is mixture
    assert mixture.fit(X[:, 0]).means.shape == (1, 1)


def test_missing_rows_can_be_dropped():
    X = np.random.default_rng(0).normal(size=(100, 2))
    with_gaps = np.r_[X, [[np.nan, 1.0]]]
    with pytest.raises(ValueError, match=r"^X has 1 NaN value, the first in row 100, column 0; pass missing='drop'"):
        fg.GaussianMixture().fit(with_gaps)
    dropped = fg.GaussianMixture(n_components=1, missing="drop", rng=0).fit(with_gaps)
    assert np.array_equal(dropped.means, fg.GaussianMixture(n_components=1, rng=0).fit(X).means)


def test_threads_give_the_same_bits():
    X = np.random.default_rng(0).normal(size=(1000, 2)) ** 3
    one, two = (fg.GaussianMixture(rng=0, threads=threads).fit(X) for threads in (1, 2))
    assert np.array_equal(one.covariances, two.covariances)


def test_a_fit_cut_short_warns():
    X = np.random.default_rng(0).normal(size=(100, 2)) ** 3
    with pytest.warns(fg.ConvergenceWarning, match="stopped at max_iter passes"):
        assert not fg.GaussianMixture(n_components=3, max_iter=1, rng=0).fit(X).converged


def test_degenerate_data():
    with pytest.raises(fg.DegenerateDataError, match=r"^X is constant"):
        fg.GaussianMixture().fit(np.ones(100))
    with pytest.raises(ValueError, match=r"^X holds strings"):
        fg.GaussianMixture().fit(["a", "b"])


@pytest.mark.parametrize("keywords", [{"criterion": "likelihood"}, {"n_components": 0}, {"missing": "omit"}])
def test_bad_keyword_values(keywords):
    with pytest.raises(ValueError, match=f"^{next(iter(keywords))} must be "):
        fg.GaussianMixture(**keywords).fit(np.arange(50.0))


# ---- bad input -------------------------------------------------------------------------------------------------------


def test_nothing_without_a_fit(tmp_path):
    mixture = fg.GaussianMixture(n_components=3)
    assert repr(mixture) == "GaussianMixture(not fitted)"
    assert mixture.n_components == 3
    assert not hasattr(mixture, "weights")
    for ask in (
        lambda: mixture.log_density([[0.0]]),
        lambda: mixture.sample(1),
        lambda: mixture.marginal(0),
        lambda: mixture.save(tmp_path / "g.npz"),
        mixture.entropy,
    ):
        with pytest.raises(fg.NotFittedError, match="call fit first"):
            ask()


IDENTITY = [[1.0, 0.0], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("weights", "means", "covariances", "message"),
    [
        ([1.0], [0.0, 0.0], [IDENTITY], r"shapes \(K,\), \(K, d\) and \(K, d, d\), got \(1,\), \(2,\)"),
        ([0.5, 0.5], [[0.0, 0.0]], [IDENTITY], "shapes"),
        ([1.0], [[0.0, 0.0]], IDENTITY, "shapes"),
        ([], np.empty((0, 2)), np.empty((0, 2, 2)), "shapes"),
        ([0.5], [[0.0, 0.0]], [IDENTITY], "^weights must have the sum 1, got 0.5"),
        ([-0.5, 1.5], [[0.0, 0.0]] * 2, [IDENTITY] * 2, "^weights must be nonnegative"),
        ([1.0], [[np.nan, 0.0]], [IDENTITY], "^means must be finite"),
        ([1.0], [[0.0, 0.0]], [[[1.0, 0.5], [0.0, 1.0]]], r"^covariances\[0\] is not symmetric"),
        ([0.5, 0.5], [[0.0, 0.0]] * 2, [IDENTITY, [[1.0, 2.0], [2.0, 1.0]]], r"^covariances\[1\] is not positive def"),
        ([1.0], [[0.0, 0.0]], [[[0.0, 0.0], [0.0, 0.0]]], r"^covariances\[0\] is not positive definite"),
    ],
)
def test_bad_parameters(weights, means, covariances, message):
    with pytest.raises(ValueError, match=message):
        fg.GaussianMixture.from_parameters(weights, means, covariances)


def test_bad_points(mixture):
    with pytest.raises(ValueError, match=r"^X has 1 column but the mixture has 3 variables"):
        mixture.log_density([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"^X has 1 NaN or infinite value, the first in row 0, column 1"):
        mixture.responsibilities([[0.0, np.inf, 2.0]])


@pytest.mark.parametrize("columns", [3, -1, [0, 0], [], 0.0, "a", [[0]], [True]])
def test_bad_columns(mixture, columns):
    for ask in (
        lambda: mixture.marginal(columns),
        lambda: mixture.conditional(columns, 0.0),
        lambda: mixture.mutual_information(0, columns),
        lambda: mixture.mutual_information(0, 1, given=columns),
    ):
        with pytest.raises(ValueError, match="must be distinct whole numbers from 0 to 2, got"):
            ask()


def test_columns_in_common(mixture):
    with pytest.raises(ValueError, match="must have no variable in common"):
        mixture.mutual_information([0, 1], [1, 2])
    with pytest.raises(ValueError, match="must have no variable in common"):
        mixture.mutual_information(0, 1, given=1)


def test_bad_conditions(mixture):
    with pytest.raises(ValueError, match="so no other is left"):
        mixture.conditional([0, 1, 2], [0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match=r"^values must have one number per column, 2, got 1"):
        mixture.conditional([0, 1], 0.0)
    with pytest.raises(ValueError, match=r"^values has 1 NaN or infinite value"):
        mixture.conditional(0, np.nan)


@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_bad_sample_sizes(mixture, n):
    with pytest.raises(ValueError, match=r"^n must be a whole number"):
        mixture.sample(n)


def test_bad_tolerance(mixture):
    with pytest.raises(ValueError, match=r"^integration_tol must be a number above 0"):
        mixture.entropy(integration_tol=0)


# ---- as an object ----------------------------------------------------------------------------------------------------


def same(left, right):
    return all(
        np.array_equal(getattr(left, name), getattr(right, name)) for name in ("weights", "means", "covariances")
    )


def test_pickle_and_copy(mixture):
    for other in (pickle.loads(pickle.dumps(mixture)), copy.deepcopy(mixture)):
        assert same(mixture, other)


def test_save_and_load(mixture, tmp_path):
    fitted = fg.GaussianMixture(max_components=np.int64(3), rng=7).fit(mixture.sample(300, rng=0))
    fitted.save(tmp_path / "fitted")
    loaded = fg.GaussianMixture.load(tmp_path / "fitted")
    assert same(fitted, loaded)
    for name in ("log_likelihood", "n_iter", "converged", "selection", "n_components"):
        assert getattr(loaded, name) == getattr(fitted, name)
    assert loaded.get_params() == fitted.get_params()
    mixture.save(tmp_path / "given")
    assert same(mixture, fg.GaussianMixture.load(tmp_path / "given"))


def test_a_generator_is_not_saved(mixture, tmp_path):
    fitted = fg.GaussianMixture(n_components=1, rng=np.random.default_rng(0)).fit(mixture.sample(300, rng=0))
    fitted.save(tmp_path / "fitted")
    assert fg.GaussianMixture.load(tmp_path / "fitted").get_params()["rng"] is None


def test_foreign_files_are_refused(tmp_path):
    np.savez(tmp_path / "foreign.npz", a=np.ones(3))
    (tmp_path / "text.npz").write_text("weights")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"weights": 1}))
    np.savez(tmp_path / "object.npz", header=np.array({"kind": "GaussianMixture"}))
    np.save(tmp_path / "array.npy", np.ones(3))
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match="is not a file that fastgmmmi saved"):
            fg.GaussianMixture.load(path)
    with pytest.raises(FileNotFoundError):
        fg.GaussianMixture.load(tmp_path / "nowhere")


def test_keywords():
    mixture = fg.GaussianMixture(n_components=2, criterion="bic")
    assert mixture.get_params()["criterion"] == "bic"
    assert fg.GaussianMixture(**mixture.get_params()).get_params() == mixture.get_params()
    assert mixture.set_params(n_components=1, tol=1e-4) is mixture
    assert mixture.get_params()["tol"] == 1e-4
    with pytest.raises(ValueError, match=r"must be one of 'n_components', .*got 'n_component'"):
        mixture.set_params(n_component=1)


def test_a_fit_leaves_the_keywords():
    mixture = fg.GaussianMixture(rng=0).fit(np.random.default_rng(0).normal(size=100))
    assert mixture.n_components == len(mixture.weights)
    assert mixture.get_params()["n_components"] is None


def test_scikit_learn_can_clone():
    base = pytest.importorskip("sklearn.base")
    mixture = fg.GaussianMixture(n_components=1, rng=3).fit(np.random.default_rng(0).normal(size=100))
    cloned = base.clone(mixture)
    assert cloned.get_params() == mixture.get_params()
    assert not hasattr(cloned, "weights")
