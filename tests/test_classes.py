"""Labels, conditions, entropy and divergence: closed forms, quadrature of what was fitted, and every fault named."""

import itertools
import math
import pickle
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars as pl
import pytest
import twins
from scipy import special, stats

import fastgmmmi as fg
from fastgmmmi import _core, inputs

ONE = {"n_components": 1, "n_bootstrap": 0, "rng": 0, "threads": 1}
NAMES = np.array(["red", "green", "blue"])


def close_to(r, truth):
    """Whether an estimate is within four of its errors."""
    return abs(r.value - truth) < 4 * r.standard_error


def labelled(n, probabilities, means, deviations, seed=0):
    """Numbers of Gaussian classes, and their labels."""
    rng = np.random.default_rng(seed)
    codes = rng.choice(len(probabilities), size=n, p=probabilities)
    return np.asarray(means)[codes] + np.asarray(deviations)[codes] * rng.normal(size=n), codes


def line_information(probabilities, means, deviations):
    """Information of a label about a number: entropy of the pooled density by quadrature less those of its classes."""
    probabilities, means, deviations = map(np.asarray, (probabilities, means, deviations))
    x = np.arange((means - 12 * deviations).min(), (means + 12 * deviations).max(), deviations.min() / 50)
    density = sum(p * stats.norm.pdf(x, m, s) for p, m, s in zip(probabilities, means, deviations, strict=True))
    pooled = -np.trapezoid(special.xlogy(density, density), x)
    return pooled - np.sum(probabilities * (0.5 * math.log(2 * math.pi * math.e) + np.log(deviations)))


# ---- a label and numbers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 10, 50])
@pytest.mark.parametrize("ratio", [1, 100])
def test_gaussian_classes(n_classes, ratio):
    probabilities = np.geomspace(1, ratio, n_classes)
    probabilities /= probabilities.sum()
    means, deviations = np.linspace(0, 0.8 * n_classes, n_classes), np.linspace(0.5, 1.5, n_classes)
    x, codes = labelled(4000, probabilities, means, deviations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if ratio > 1 else "error", UserWarning)  # rare classes may be small
        r = fg.mutual_information(x, codes, discrete="y", n_components=1, rng=0)
    assert close_to(r, line_information(probabilities, means, deviations))
    found = r._classes.probabilities
    models = [(model.means[0, 0], math.sqrt(model.covariances[0, 0, 0])) for model in r.model.values()]
    assert r.plug_in == pytest.approx(line_information(found, *zip(*models, strict=True)), abs=1e-5)
    assert abs(r.pointwise().mean() - r.plug_in) < 4 * r.standard_error


def test_the_sides_can_be_swapped():
    x, codes = labelled(300, [0.3, 0.7], [0, 1], [1, 2])
    names = NAMES[codes]
    left, right = fg.mutual_information(x, names, rng=0), fg.mutual_information(names, x, rng=0)
    assert left.value == pytest.approx(right.value, rel=1e-12)  # the same sum in another order
    assert left.model.keys() == right.model.keys() == {"red", "green"}
    np.testing.assert_allclose(left.pointwise(), right.pointwise(), rtol=1e-9, atol=1e-12)


def test_one_gaussian_per_class_by_hand():
    """Means and covariances of the classes, shares for probabilities, in every dimension."""
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 3, 400)
    X = rng.normal(size=(400, 2)) + codes[:, None]
    r = fg.mutual_information(X, NAMES[codes], marginals="none", **ONE)
    assert r._classes.probabilities == pytest.approx([np.mean(NAMES[codes] == name) for name in sorted(NAMES)])
    for name, model in r.model.items():
        mean, covariance = twins.mean_and_covariance(X[NAMES[codes] == name], np.ones((NAMES[codes] == name).sum()))
        np.testing.assert_allclose(model.means[0], mean, atol=1e-6)
        np.testing.assert_allclose(model.covariances[0], covariance, rtol=1e-3)
    joint = np.array([r.model[name].log_density(row[None])[0] for name, row in zip(NAMES[codes], X, strict=True)])
    shares = np.log(r._classes.probabilities)
    pooled = special.logsumexp([s + m.log_density(X) for s, m in zip(shares, r.model.values(), strict=True)], axis=0)
    np.testing.assert_allclose(r.pointwise(), joint - pooled, rtol=1e-9, atol=1e-12)


def test_five_dimensions_agree_with_sampling():
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 4, 2000)
    X = rng.normal(size=(2000, 5)) + 0.5 * codes[:, None]
    r = fg.mutual_information(X, NAMES[codes % 3], **ONE)
    draws = [model.sample(40_000, rng=1) for model in r.model.values()]
    ratios = [
        r.pointwise(X * r._scale + r._location, [name] * len(X)).mean() for name, X in zip(r.model, draws, strict=True)
    ]
    assert r.plug_in == pytest.approx(np.sum(r._classes.probabilities * ratios), abs=0.01)


def test_classes_can_count_as_equally_probable():
    """In the fit and in every replicate, whatever their numbers of samples, and where one is not drawn at all."""
    x, codes = labelled(900, [0.6, 0.3, 0.1], [0, 2, 4], [1, 0.5, 1])
    variables = (x[:, None], None, 0), (None, codes.astype(np.int32), 3), (None, None, 0)
    options = {"n_components": 1, "n_bootstrap": 30, "equal_classes": 1, "marginals": _core.MARGINALS["standardize"]}
    found = _core.information(0, variables, None, None, options, 0, 1, None)
    np.testing.assert_allclose(found["class_probabilities"], 1 / 3, rtol=1e-14)
    deviations = np.sqrt(found["covariances"].ravel())
    exact = line_information(found["class_probabilities"], found["means"].ravel(), deviations)
    assert found["plug_in"] == pytest.approx(exact, abs=1e-5)
    assert found["bootstrap"].mean() == pytest.approx(exact, abs=0.02)
    parameters = [found[name] for name in ("class_components", "weights", "means", "covariances")]
    again, _ = _core.information_range(0, variables, None, None, options, 0, *parameters, 10, 5)
    assert again.tobytes() == found["bootstrap"][10:15].tobytes()
    few = (np.r_[x, 30.0][:, None], None, 0), (None, np.r_[codes, 3].astype(np.int32), 4), (None, None, 0)
    replicates = _core.information(0, few, None, None, options, 0, 1, None)["bootstrap"]
    drawn = replicates > exact + 0.15  # which tells the fourth class from the others
    assert 0.4 < drawn.mean() < 0.9
    np.testing.assert_allclose(replicates[~drawn], exact, atol=0.1)


def test_many_classes_finish():
    rng = np.random.default_rng(5)
    codes = np.r_[np.arange(1000), rng.integers(0, 1000, 19_000)]
    x = codes + rng.normal(size=20_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        r = fg.mutual_information(x, codes, discrete="y", n_components=1, n_bootstrap=10, rng=0)
    assert r.value == pytest.approx(line_information(np.full(1000, 1e-3), np.arange(1000), np.ones(1000)), abs=0.05)


def test_never_below_zero_nor_above_the_entropy_of_the_label():
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 2, 100)
    assert fg.mutual_information(rng.normal(size=100), codes == 1, **ONE).plug_in >= 0
    far = fg.mutual_information(100 * codes + rng.normal(size=100), codes == 1, **ONE)
    share = codes.mean()
    assert far.plug_in == pytest.approx(-special.xlogy(share, share) - special.xlogy(1 - share, 1 - share), abs=1e-5)


def test_weights_count_rows():
    x, codes = labelled(300, [0.3, 0.7], [0, 1], [1, 2])
    weight = 1.0 + (np.arange(300) < 50)
    weighted = fg.mutual_information(x, NAMES[codes], sample_weight=weight, **ONE)
    repeated = fg.mutual_information(np.r_[x, x[:50]], NAMES[np.r_[codes, codes[:50]]], **ONE)
    assert weighted.value == pytest.approx(repeated.value, abs=1e-5)
    nothing = fg.mutual_information(np.r_[x, 5.0], [*NAMES[codes], "no"], sample_weight=[*np.ones(300), 0], **ONE)
    assert set(nothing.model) == {"red", "green"}


@pytest.mark.parametrize("marginals", ["standardize", "gaussianize", "none"])
def test_marginals(marginals):
    x, codes = labelled(1000, [0.5, 0.5], [0, 1], [1, 1])
    r = fg.mutual_information(np.exp(x) if marginals == "gaussianize" else x, NAMES[codes], marginals=marginals, rng=0)
    assert close_to(r, line_information([0.5, 0.5], [0, 1], [1, 1]))
    image, labels = r.transform([1.0, 2.0], ["red", "green"])
    assert list(labels) == ["red", "green"]
    assert image.shape == (2,)


def test_each_class_selects():
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 2, 800)
    x = np.where(codes, rng.normal(size=800), 6 * rng.integers(0, 2, 800) + rng.normal(size=800))
    r = fg.mutual_information(x, codes, discrete="y", n_bootstrap=0, rng=0)
    assert r.model[0].n_components == 2
    assert r.model[1].n_components == 1
    assert r.n_components == 3
    assert r.selection[0].keys() >= {1, 2}
    assert r.selection == {label: model.selection for label, model in r.model.items()}


# ---- conditions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dx", "dy", "dz"), [(1, 1, 1), (2, 2, 2), (1, 1, 5)])
def test_gaussian_conditions(dx, dy, dz):
    rng = np.random.default_rng(dx + dy + dz)
    factor = np.eye(dx + dy + dz) + 0.4 * rng.normal(size=(dx + dy + dz, dx + dy + dz))
    X = rng.normal(size=(2000, dx + dy + dz)) @ factor.T
    x, y, z = X[:, :dx], X[:, dx : dx + dy], X[:, dx + dy :]

    def information(covariance):
        parts = [*range(dx)], [*range(dx, dx + dy)], [*range(dx + dy, dx + dy + dz)]
        volumes = [
            np.linalg.slogdet(covariance[np.ix_(columns, columns)])[1]
            for columns in (parts[0] + parts[2], parts[1] + parts[2], parts[2], range(dx + dy + dz))
        ]
        return 0.5 * (volumes[0] + volumes[1] - volumes[2] - volumes[3])

    r = fg.mutual_information(x, y, given=z, n_components=1, rng=0)
    assert close_to(r, information(factor @ factor.T))
    assert r.plug_in == pytest.approx(information(np.cov(X.T)), abs=1e-4)
    assert r.pointwise().mean() == pytest.approx(r.plug_in, abs=0.01)
    assert r.model.means.shape == (1, dx + dy + dz)
    for image, part in zip(r.transform(x, y, z), (x, y, z), strict=True):
        np.testing.assert_allclose(image, (part - part.mean(axis=0)) / part.std(axis=0))


def test_chain_and_collider():
    x, e, f = np.random.default_rng(8).normal(size=(3, 1000))
    middle = 0.8 * x + 0.6 * e
    assert close_to(fg.mutual_information(x, 0.8 * middle + 0.6 * f, given=middle, rng=0), 0.0)
    assert close_to(fg.mutual_information(x, e, given=x + e + f, rng=0), 0.5 * math.log(4 / 3))


def test_mixtures_in_the_condition():
    """One mixture for all columns, against the twin on the fitted mixture."""
    rng = np.random.default_rng(9)
    z = rng.integers(0, 2, 1000) * 4 + rng.normal(size=1000)
    x, y = rng.normal(size=(2, 1000)) + z
    r = fg.mutual_information(x, y, given=z, n_bootstrap=0, rng=0)
    assert r.plug_in == pytest.approx(r.model.mutual_information(0, 1, given=2), abs=2e-5)


def test_labels_in_the_condition():
    rng = np.random.default_rng(10)
    codes, correlations = rng.integers(0, 3, 3000), np.array([0.0, 0.5, 0.9])
    x, e = rng.normal(size=(2, 3000))
    y = correlations[codes] * x + np.sqrt(1 - correlations[codes] ** 2) * e
    r = fg.mutual_information(x + codes, y - codes, given=NAMES[codes], rng=0)
    assert close_to(r, np.mean(-np.log(1 - correlations**2) / 2))
    by_class = [model.mutual_information(0, 1) for model in r.model.values()]
    assert r.plug_in == pytest.approx(np.sum(r._classes.probabilities * by_class), abs=1e-5)


def test_labels_on_both_sides_given_numbers():
    """Both labels follow from the number alone: nothing is left."""
    rng = np.random.default_rng(11)
    z = rng.normal(size=2000)
    x, y = (special.expit(2 * z) > rng.random((2, 2000))).astype(bool)
    assert fg.mutual_information(x, y, rng=0).value > 0.05
    assert close_to(fg.mutual_information(x, y, given=z, rng=0), 0.0)


def test_conditions_of_both_kinds():
    """A table of numbers and labels is one condition: the chain through both."""
    rng = np.random.default_rng(12)
    codes, z, e, f = rng.integers(0, 2, 2000), *rng.normal(size=(3, 2000))
    given = pd.DataFrame({"z": z, "c": NAMES[codes]})
    r = fg.mutual_information(z + 3 * codes + e, z - 3 * codes + f, given=given, n_components=1, rng=0)
    assert close_to(r, 0.0)
    assert set(r.model) == {("red",), ("green",)} or set(r.model) == {"red", "green"}
    assert np.array_equal(r.pointwise(), r.pointwise(z + 3 * codes + e, z - 3 * codes + f, given))


# ---- tables ----------------------------------------------------------------------------------------------------------


def table_information(counts):
    p = counts / counts.sum()
    return stats.entropy(p.sum(axis=0)) + stats.entropy(p.sum(axis=1)) - stats.entropy(p.ravel())


def ways_to_leave_one_out(counts):
    """Counts without one sample, and the share of the samples that leave these counts."""
    for cell in map(tuple, np.argwhere(counts > 0)):
        without = counts.copy()
        without[cell] -= 1
        yield without, counts[cell] / counts.sum()


def test_a_table_by_hand():
    rng = np.random.default_rng(13)
    x = rng.integers(0, 3, 300)
    y = np.where(rng.random(300) < 0.5, x, rng.integers(0, 4, 300))
    counts = np.zeros((3, 4))
    np.add.at(counts, (x, y), 1)
    r = fg.mutual_information(x, y, discrete="both", rng=0)
    assert r.plug_in == pytest.approx(table_information(counts), abs=1e-14)
    without_one, without_two = 0.0, 0.0
    for one, first in ways_to_leave_one_out(counts):
        without_one += first * table_information(one)
        without_two += first * sum(second * table_information(two) for two, second in ways_to_leave_one_out(one))
    corrected = (300**2 * r.plug_in - 2 * 299**2 * without_one + 298**2 * without_two) / 2
    assert r.value == pytest.approx(corrected, abs=1e-9)
    assert (r.model, r.n_components, r.selection) == (None, 0, {})
    entropies = [stats.entropy(counts.sum(axis=axis)) for axis in (0, 1)]
    assert r.normalized == pytest.approx(r.value / min(entropies))
    p = counts / 300
    expected = np.log(p[x, y] / (p.sum(axis=1)[x] * p.sum(axis=0)[y]))
    np.testing.assert_allclose(r.pointwise(), expected, atol=1e-12)
    assert fg.mutual_information(x, y, discrete="both", n_bootstrap=0).value == r.plug_in
    assert r.bootstrap_distribution.mean() == pytest.approx(2 * r.plug_in - r.value, abs=0.02)


def test_the_correction_of_a_table_keeps_its_digits():
    """An independent table of a million rows: the bias is 1 / 2n, far below the last digit of n² H."""
    x, y = np.indices((2, 2)).reshape(2, 4).repeat(250_000, axis=1)
    assert fg.mutual_information(x, y, discrete="both", n_bootstrap=2, rng=0).value == pytest.approx(-5e-7, rel=1e-4)


def test_a_conditional_table():
    rng = np.random.default_rng(14)
    x, z = rng.integers(0, 2, (2, 1000))
    y = np.where(rng.random(1000) < 0.8, x ^ z, 1 - (x ^ z))
    r = fg.mutual_information(x, y, given=z, discrete=("x", "y", "given"), rng=0)
    parts = [np.histogram2d(x[z == c], y[z == c], 2)[0] for c in (0, 1)]
    assert r.plug_in == pytest.approx(sum(part.sum() / 1000 * table_information(part) for part in parts))
    assert close_to(r, math.log(2) - stats.entropy([0.2, 0.8]))
    assert abs(fg.mutual_information(x, y, discrete="both", rng=0).value) < 0.01


def test_a_label_tells_all_of_itself():
    labels = NAMES[np.random.default_rng(15).integers(0, 3, 200)]
    r = fg.mutual_information(labels, [name.upper() for name in labels], rng=0)
    assert r.normalized == 1
    assert repr(r).endswith("(n=200, 3 cells)")


# ---- entropy and divergence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
def test_entropy_of_gaussians(d):
    rng = np.random.default_rng(d)
    factor = np.eye(d) + 0.5 * rng.normal(size=(d, d))
    X = 100 * rng.normal(size=(1000, d)) @ factor.T + 7
    r = fg.entropy(X, n_components=1, rng=0)
    assert close_to(r, stats.multivariate_normal(cov=1e4 * factor @ factor.T).entropy())
    assert r.pointwise().mean() == pytest.approx(r.plug_in, abs=1e-3)
    plain = fg.entropy(X, n_components=1, rng=0, marginals="none")
    assert plain.value == pytest.approx(r.value, abs=1e-8)
    assert plain.plug_in == pytest.approx(plain.model.entropy(), abs=1e-5)
    np.testing.assert_allclose(plain.pointwise(X[:9]), -plain.model.log_density(X[:9]), rtol=1e-12)
    assert r.normalized is r.correlation is None
    assert r.transform(X).shape == X.shape


def test_entropy_of_a_mixture():
    rng = np.random.default_rng(16)
    x = 0.5 * rng.normal(size=2000) + 3 * (rng.random(2000) < 0.3)
    grid = np.linspace(-5, 8, 100_001)
    density = 0.7 * stats.norm.pdf(grid, 0, 0.5) + 0.3 * stats.norm.pdf(grid, 3, 0.5)
    r = fg.entropy(x, rng=0)
    assert close_to(r, -np.trapezoid(special.xlogy(density, density), grid))
    assert fg.entropy(x, rng=0, units="bits").value == pytest.approx(r.value / math.log(2))
    with pytest.raises(ValueError, match=r"^marginals must be one of 'auto', 'standardize', 'none', got"):
        fg.entropy(x, marginals="gaussianize")


@pytest.mark.parametrize("marginals", ["auto", "gaussianize", "none"])
def test_divergence_of_gaussians(marginals):
    rng = np.random.default_rng(17)
    x, y = rng.normal(size=800), 1 + 1.5 * rng.normal(size=600)
    r = fg.kl_divergence(x, y, rng=0, marginals=marginals)
    assert close_to(r, math.log(1.5) + 2 / (2 * 1.5**2) - 0.5)
    assert r.n_samples == 1400
    assert r.model["x"].kl_divergence(r.model["y"]) == pytest.approx(r.plug_in, abs=2e-5)
    left, right = r.transform(x, y)
    expected = r.model["x"].log_density(left) - r.model["y"].log_density(left)
    np.testing.assert_allclose(r.pointwise(), expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(r.pointwise(x[:5]), r.pointwise()[:5])
    assert right.shape == (600,)


def test_divergence_of_vectors_and_mixtures():
    rng = np.random.default_rng(18)
    X = rng.normal(size=(1500, 2)) + 4 * rng.integers(0, 2, (1500, 1))
    Y = 2 * rng.normal(size=(1500, 2)) + 2
    r = fg.kl_divergence(X, Y, n_components=2, n_bootstrap=50, rng=0)
    p = fg.GaussianMixture.from_parameters([0.5, 0.5], [[0, 0], [4, 4]], [np.eye(2)] * 2)
    q = fg.GaussianMixture.from_parameters([1.0], [[2.0, 2.0]], [4 * np.eye(2)])
    assert close_to(r, p.kl_divergence(q))


def test_pairs_are_resampled_together():
    """Shifted copies: the difference is the same in every replicate, and so is hardly uncertain."""
    x = np.random.default_rng(19).normal(size=400)
    paired, apart = (fg.kl_divergence(x, x + 1, paired=p, n_components=1, rng=0) for p in (True, False))
    assert close_to(paired, 0.5)
    assert paired.standard_error < 0.7 * apart.standard_error
    with pytest.raises(ValueError, match=r"^y has 399 rows but x has 400$"):
        fg.kl_divergence(x, x[1:], paired=True)
    with pytest.raises(ValueError, match=r"^paired must be True or False, got 'yes'$"):
        fg.kl_divergence(x, x, paired="yes")


def test_divergence_drops_rows_of_each_sample():
    x, y = np.random.default_rng(20).normal(size=(2, 100))
    x, y = x.copy(), y.copy()
    x[[0, 1]] = y[1] = np.nan
    assert fg.kl_divergence(x, y, missing="drop", **ONE).n_samples == 197
    assert fg.kl_divergence(x, y, missing="drop", paired=True, **ONE).n_samples == 196


def test_divergence_of_mixtures_against_quadrature(mixture_parameters):
    weights, means, covariances = mixture_parameters
    p = fg.GaussianMixture.from_parameters(weights, means, covariances).marginal(0)
    q = fg.GaussianMixture.from_parameters(weights[::-1], means, covariances).marginal(0)
    grid = np.linspace(-25, 25, 100_001)
    log_p, log_q = p.log_density(grid), q.log_density(grid)
    assert p.kl_divergence(q) == pytest.approx(np.trapezoid(np.exp(log_p) * (log_p - log_q), grid), abs=2e-5)
    with pytest.raises(ValueError, match=r"^other must be a GaussianMixture, got 3$"):
        p.kl_divergence(3)
    with pytest.raises(ValueError, match=r"^other has 3 variables but this mixture has 1$"):
        p.kl_divergence(fg.GaussianMixture.from_parameters(weights, means, covariances))
    with pytest.raises(fg.NotFittedError):
        p.kl_divergence(fg.GaussianMixture())


# ---- what is a label -------------------------------------------------------------------------------------------------

LABELS = {
    "strings": lambda names: names,
    "list": lambda names: names.tolist(),
    "objects": lambda names: names.astype(object),
    "bytes": lambda names: np.char.encode(names),
    "pandas": pd.Series,
    "pandas categorical": lambda names: pd.Series(names, dtype="category"),
    "polars": pl.Series,
    "polars categorical": lambda names: pl.Series(names, dtype=pl.Categorical),
    "table": lambda names: pd.DataFrame({"p": names}),
    "tuples": lambda names: pd.Series([(name, 1) for name in names]),
    "numpy strings": lambda names: names.astype(np.dtypes.StringDType()),
}


@pytest.mark.parametrize("kind", LABELS)
def test_kinds_of_labels_give_the_same_bits(kind):
    x, codes = labelled(200, [0.3, 0.3, 0.4], [0, 1, 2], [1, 1, 1])
    expected = fg.mutual_information(x, NAMES[codes], **ONE)
    assert fg.mutual_information(x, LABELS[kind](NAMES[codes]), **ONE).value == expected.value


def test_pyarrow_labels():
    pa = pytest.importorskip("pyarrow")
    x, codes = labelled(200, [0.3, 0.3, 0.4], [0, 1, 2], [1, 1, 1])
    expected = fg.mutual_information(x, NAMES[codes], **ONE)
    encoded = pa.array(NAMES[codes].tolist()).dictionary_encode()
    assert fg.mutual_information(x, encoded, **ONE).value == expected.value


def test_numbers_can_be_labels_and_labels_cannot_be_numbers():
    x, codes = labelled(200, [0.3, 0.7], [0, 1], [1, 1])
    r = fg.mutual_information(x, 2 * codes, discrete="y", **ONE)
    assert set(r.model) == {0, 2}
    assert fg.mutual_information(x, 0.5 * codes, discrete=["y"], **ONE).value == r.value
    assert fg.mutual_information(x, codes.astype(bool), **ONE).value == r.value
    swapped = fg.mutual_information(np.column_stack([codes, x]), discrete="x", **ONE)
    assert swapped.value == pytest.approx(r.value, abs=1e-12)
    frame = pd.DataFrame({"name": NAMES[codes], "x": x})
    assert fg.mutual_information(frame, **ONE).value == pytest.approx(r.value, abs=1e-12)
    with pytest.warns(UserWarning, match=r"^y takes only 2 distinct values, so it looks discrete"):
        fg.mutual_information(x, codes, **ONE)
    assert isinstance(fg.mutual_information(x, codes, discrete="neither", **ONE).model, fg.GaussianMixture)
    with pytest.raises(ValueError, match=r"^y holds strings; only numbers can be continuous$"):
        fg.mutual_information(x, NAMES[codes], discrete="neither", **ONE)
    with pytest.raises(ValueError, match=r"^discrete names given, which is None$"):
        fg.mutual_information(x, codes, discrete="given", **ONE)


def test_object_columns_of_numbers_are_continuous(xy):
    x, y = xy
    objects = fg.mutual_information(x, y.astype(object), **ONE)
    assert objects.value == fg.mutual_information(x, y, **ONE).value


def test_several_columns_make_one_label():
    rng = np.random.default_rng(21)
    pairs = rng.integers(0, 2, (400, 2))
    x = rng.normal(size=400) + pairs @ [1, 2]
    r = fg.mutual_information(x, pairs, discrete="y", **ONE)
    assert set(r.model) == set(itertools.product((0, 1), repeat=2))
    assert r.value == fg.mutual_information(x, pairs @ [2, 1], discrete="y", **ONE).value
    two = fg.mutual_information(x, pairs[:, 0], given=pairs[:, 1], discrete=("y", "given"), **ONE)
    assert set(two.model) == set(r.model)


def test_missing_labels_are_raised_or_dropped():
    x, codes = labelled(100, [0.5, 0.5], [0, 1], [1, 1])
    names = NAMES[codes].astype(object)
    names[[3, 7]] = None, math.nan
    for labels in (
        names,
        pd.Series(names, dtype="category"),
        pl.Series([n if isinstance(n, str) else None for n in names]),
    ):
        with pytest.raises(ValueError, match=r"^y has 2 missing labels, the first in row 3; pass missing='drop'"):
            fg.mutual_information(x, labels, **ONE)
        r = fg.mutual_information(x, labels, missing="drop", **ONE)
        assert (r.n_samples, r.n_dropped) == (98, 2)
    with pytest.raises(ValueError, match=r"^y has 2 missing labels, the first in row 3"):
        fg.mutual_information(x, names.tolist(), **ONE)
    masked = np.ma.array(codes, mask=np.arange(100) == 5)
    assert fg.mutual_information(x, masked, discrete="y", missing="drop", **ONE).n_dropped == 1


# ---- few samples, and what cannot be ---------------------------------------------------------------------------------


def test_a_class_of_one_sample():
    x, codes = labelled(200, [0.5, 0.5], [0, 1], [1, 2])
    with pytest.warns(UserWarning, match=r"^1 class of 3 have fewer than 6 samples") as caught:
        r = fg.mutual_information([*x, 0.5], [*NAMES[codes], "single"], n_bootstrap=20, rng=0)
    assert caught[0].filename == __file__
    assert r.warnings == (str(caught[0].message),)
    assert np.isfinite(r.bootstrap_distribution).all()
    place = r.transform([0.5], ["single"])[0]
    assert r.model["single"].means[0] == pytest.approx(place)
    within = np.mean(np.r_[x[codes == 0] - x[codes == 0].mean(), x[codes == 1] - x[codes == 1].mean(), 0] ** 2)
    assert r.model["single"].covariances[0, 0, 0] * r._scale[0] ** 2 == pytest.approx(within * 3 / 4)


def test_a_class_that_cannot_bear_the_number_of_components():
    x, codes = labelled(200, [0.5, 0.5], [0, 1], [1, 2])
    r = fg.mutual_information([*x, *range(8)], [*NAMES[codes], *["rare"] * 8], n_components=6, n_bootstrap=5, rng=0)
    assert [r.model[name].n_components for name in ("green", "rare", "red")] == [6, 4, 6]


@pytest.mark.parametrize("seed", range(5))
def test_few_samples_in_every_class(seed):
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(20), 3)
    with pytest.warns(UserWarning, match="20 classes of 20 have fewer than"):
        r = fg.mutual_information(rng.normal(size=(60, 2)) + codes[:, None], codes, discrete="y", rng=0, n_bootstrap=20)
    assert 0 < r.value < math.log(20) + 1


@pytest.mark.parametrize("d", [1, 2])
def test_tied_values_inside_a_class(d):
    """A class whose column is constant is no error: a label can tell no more than its entropy."""
    rng = np.random.default_rng(22)
    codes = np.repeat([0, 1, 2], 50)
    X = rng.normal(size=(150, d)) + codes[:, None]
    X[codes == 1, 0] = 0.25
    r = fg.mutual_information(X, NAMES[codes], n_bootstrap=10, rng=0)
    assert 0 < r.value < math.log(3)
    with pytest.warns(UserWarning, match="so it looks discrete"):
        r = fg.mutual_information(1.0 * codes, NAMES[codes], n_bootstrap=10, rng=0)
    assert 0.5 < r.plug_in < math.log(3)  # values that repeat are taken as rounded: components cannot be narrow


x, noise, z = np.random.default_rng(23).normal(size=(3, 100))
names = NAMES[np.arange(100) % 3]
NOT_POSSIBLE = {
    "one label": (lambda: fg.mutual_information(x, ["a"] * 100), "y has one label only, so the information is 0"),
    "one label of both": (lambda: fg.mutual_information(["a"] * 100, names), "x has one label only"),
    "a label each": (lambda: fg.mutual_information(x, np.arange(100), discrete="y"), "y: as many classes as there are"),
    "a class each": (
        lambda: fg.mutual_information(x, np.arange(100) // 10, given=np.arange(100) % 10, discrete=("y", "given")),
        "x and y and given: as many classes as there are samples (100 rows)",
    ),
    "given is x": (lambda: fg.mutual_information(x, noise, given=x), "given is an exact linear function of the other"),
    "given is linear": (
        lambda: fg.mutual_information(x, noise, given=np.column_stack([z, x - 2 * noise])),
        "given column 1 is an exact linear function",
    ),
    "x is y inside classes": (
        lambda: fg.mutual_information(x, x + np.arange(100) % 3, given=names),
        "y is an exact linear function of the other columns",
    ),
    "constant": (lambda: fg.mutual_information(np.ones(100), names), "x is constant"),
    "constant given": (lambda: fg.mutual_information(x, noise, given=np.ones(100)), "given is constant"),
    "NaN in given": (lambda: fg.mutual_information(x, noise, given=[math.nan] * 100), "given has 100 NaN values"),
    "NaN": (lambda: fg.mutual_information([math.nan] * 100, names), "x has 100 NaN values, the first in row 0"),
    "infinity": (lambda: fg.mutual_information([math.inf] * 100, names), "x has 100 infinite values"),
    "lengths": (lambda: fg.mutual_information(x, names[:50]), "y has 50 rows but x has 100"),
    "given's length": (lambda: fg.mutual_information(x, noise, given=z[:50]), "given has 50 rows but x has 100"),
    "three samples": (lambda: fg.mutual_information([1.0, 2, 3], ["a", "b", "a"]), "x and y: 3 rows, too few to fit a"),
    "three cells": (lambda: fg.mutual_information(["a", "b", "a"], ["a", "b", "b"]), "x and y: 3 rows, too few for a"),
    "empty": (lambda: fg.mutual_information([], []), "x is empty"),
    "empty labels": (lambda: fg.mutual_information(x, np.array([], str)), "y is empty"),
    "empty entropy": (lambda: fg.entropy([]), "x is empty"),
    "constant entropy": (lambda: fg.entropy(np.ones(100)), "x is constant"),
    "short entropy": (lambda: fg.entropy([1.0, 2.0, 3.0]), "x: 3 rows, too few to fit a density of 1 variable"),
    "short divergence": (lambda: fg.kl_divergence(x, x[:3]), "y: 3 rows, too few to fit a density of 1 variable"),
    "constant divergence": (lambda: fg.kl_divergence(x, np.ones(50)), "y is constant"),
    "collinear divergence": (
        lambda: fg.kl_divergence(np.column_stack([x, x]), np.column_stack([x, z])),
        "x column 1 is an exact linear function of the other columns",
    ),
    "columns of a divergence": (lambda: fg.kl_divergence(x, np.column_stack([x, z])), "y has 2 columns but x has 1"),
}


@pytest.mark.parametrize("case", NOT_POSSIBLE)
def test_what_cannot_be_is_named(case):
    call, message = NOT_POSSIBLE[case]
    with pytest.raises(ValueError, match=r"^" + re.escape(message)) as raised:
        call()
    degenerate = any(word in message for word in ("constant", "linear", "one label"))
    assert isinstance(raised.value, fg.DegenerateDataError) == degenerate


# ---- results ---------------------------------------------------------------------------------------------------------


def estimates():
    rng = np.random.default_rng(24)
    x, y, z = rng.normal(size=(3, 150))
    codes = rng.integers(0, 3, 150)
    quick = {"n_bootstrap": 6, "rng": 0}
    return {
        "label": lambda **k: fg.mutual_information(x + codes, NAMES[codes], **quick, **k),
        "label, scores": lambda **k: fg.mutual_information(
            x + codes, NAMES[codes], marginals="gaussianize", **quick, **k
        ),
        "label, raw": lambda **k: fg.mutual_information(x + codes, NAMES[codes], marginals="none", **quick, **k),
        "table": lambda **k: fg.mutual_information(NAMES[codes], codes > 0, **quick, **k),
        "given": lambda **k: fg.mutual_information(x, x + y, given=z, **quick, **k),
        "given labels": lambda **k: fg.mutual_information(x, x + y, given=codes, discrete="given", **quick, **k),
        "given both": lambda **k: fg.mutual_information(
            NAMES[codes], codes > 0, given=pd.DataFrame({"z": z, "c": y > 0}), n_components=1, **quick, **k
        ),
        "four dimensions": lambda **k: fg.mutual_information(
            np.column_stack([x, y, z, x - codes]), NAMES[codes], n_components=1, **quick, **k
        ),
        "entropy": lambda **k: fg.entropy(x, **quick, **k),
        "divergence": lambda **k: fg.kl_divergence(x, y[:100] + 1, **quick, **k),
        "paired": lambda **k: fg.kl_divergence(x, x + y, paired=True, marginals="gaussianize", **quick, **k),
    }


@pytest.mark.filterwarnings("ignore:[0-9]+ class:UserWarning")
@pytest.mark.parametrize("kind", estimates())
def test_threads_and_executors_give_the_same_bits(kind):
    estimate = estimates()[kind]
    expected = estimate(threads=1)
    for threads in (2, 3):
        assert estimate(threads=threads) == expected
    with ThreadPoolExecutor(2) as executor:
        assert estimate(executor=executor) == expected


@pytest.mark.filterwarnings("ignore:[0-9]+ class:UserWarning")
@pytest.mark.parametrize("kind", estimates())
def test_results_survive_files_and_pickles(kind, tmp_path):
    r = estimates()[kind]()
    r.save(tmp_path / "r")
    loaded = fg.MIResult.load(tmp_path / "r")
    assert loaded == pickle.loads(pickle.dumps(r)) == r
    assert repr(loaded) == repr(r)
    assert loaded.normalized == r.normalized
    assert type(loaded.model) is type(r.model)
    if isinstance(r.model, dict):
        assert loaded.model.keys() == r.model.keys()
        assert loaded.selection == r.selection
    with pytest.raises(ValueError, match="does not hold the data; pass x"):
        loaded.pointwise()
    assert np.isfinite(r.pointwise()).all()


def test_new_data():
    r = estimates()["label"]()
    assert r.pointwise([0.0, 0.0], ["red", "purple"])[1] == -math.inf
    with pytest.raises(ValueError, match=r"^y has 1 missing label, the first in row 1"):
        r.pointwise([0.0, 0.0], ["red", None])
    with pytest.raises(ValueError, match=r"^given is given, but the result has none"):
        r.pointwise([0.0], ["red"], given=[1.0])
    conditional = estimates()["given"]()
    with pytest.raises(ValueError, match=r"^given is missing: the result is conditional on it"):
        conditional.pointwise([0.0], [1.0])
    assert conditional.pointwise([0.0], [1.0], [0.5]).shape == (1,)


def test_the_internal_entry_is_the_public_estimate(xy):
    """For callers that check once and estimate often."""
    x, y = xy
    data = inputs.samples(inputs.pair(x, y), None, "raise")
    options = inputs.core_options(n_bootstrap=5, marginals="auto", reselect="auto", max_components=50)
    from fastgmmmi.information import estimate

    found = estimate(data, options, 3)
    assert found["value"] == fg.mutual_information(x, y, n_bootstrap=5, rng=3).value
    with pytest.raises(fg.DegenerateDataError, match="y is an exact linear function"):
        estimate(inputs.samples(inputs.pair(x, 2 * x), None, "raise"), options, 3)


def test_quantities_have_codes():
    assert list(_core.QUANTITIES) == ["information", "entropy", "divergence", "paired divergence"]
