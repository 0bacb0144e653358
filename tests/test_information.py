"""The estimate: closed forms, its rules, and that every keyword does what it says."""

import math
import subprocess
import sys
import warnings

import numpy as np
import pytest

import fastgmmmi as fg
from fastgmmmi import _core


def gaussian(rho, n, seed):
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    return x, rho * x + math.sqrt(1 - rho**2) * noise


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9, 0.99])
def test_bivariate_gaussian(rho):
    r = fg.mutual_information(*gaussian(rho, 2000, 3), rng=0)
    assert abs(r.value + math.log(1 - rho**2) / 2) < 4 * r.standard_error
    assert r.standard_error < 0.05
    assert r.converged


def test_independence():
    r = fg.mutual_information(*gaussian(0, 1000, 4), rng=0)
    low, high = r.confidence_interval()
    assert low < 0 < high
    assert r.plug_in >= 0


def test_vectors():
    rng = np.random.default_rng(5)
    x, noise = rng.normal(size=(2, 2000, 2))
    r = fg.mutual_information(x, x + noise, n_components=1, rng=0)
    assert abs(r.value - math.log(2)) < 4 * r.standard_error
    assert r.model.means.shape == (1, 4)


def test_one_component_is_the_correlation(xy):
    r = fg.mutual_information(*xy, n_components=1, n_bootstrap=0, rng=0)
    assert r.value == pytest.approx(-math.log(1 - np.corrcoef(*xy)[0, 1] ** 2) / 2, abs=1e-6)
    assert r.correlation == pytest.approx(abs(np.corrcoef(*xy)[0, 1]), abs=1e-6)


def test_no_bootstrap(xy):
    r = fg.mutual_information(*xy, n_bootstrap=0, rng=0)
    assert r.value == r.plug_in
    assert r.standard_error is None
    assert r.bootstrap_distribution.shape == (0,)
    with pytest.raises(ValueError, match="raise n_bootstrap"):
        r.confidence_interval()


def test_one_replicate_has_no_scatter(xy):
    r = fg.mutual_information(*xy, n_components=1, n_bootstrap=1, rng=0)
    assert r.value == pytest.approx(2 * r.plug_in - r.bootstrap_distribution[0], rel=1e-12)
    assert r.standard_error is None
    with pytest.raises(ValueError, match="at least 2 bootstrap replicates, there are 1; raise n_bootstrap"):
        r.confidence_interval()


def test_bias_correction(xy):
    r = fg.mutual_information(*xy, n_components=1, n_bootstrap=30, rng=0)
    assert r.value == pytest.approx(2 * r.plug_in - r.bootstrap_distribution.mean(), rel=1e-12)
    assert r.standard_error == pytest.approx(r.bootstrap_distribution.std(ddof=1), rel=1e-12)


def test_one_array_is_its_two_columns(xy):
    assert fg.mutual_information(np.column_stack(xy), rng=0) == fg.mutual_information(*xy, rng=0)


def test_the_seed_decides(xy):
    r = fg.mutual_information(*xy, rng=1)
    assert r == fg.mutual_information(*xy, rng=np.int64(1))
    assert r.value != fg.mutual_information(*xy, rng=2).value
    fresh = fg.mutual_information(*xy)
    assert fresh == fg.mutual_information(*xy, rng=fresh.seed)


@pytest.mark.parametrize(("units", "per_nat"), [("bits", 1 / math.log(2)), ("bans", 1 / math.log(10))])
def test_units(xy, units, per_nat):
    nats, other = (fg.mutual_information(*xy, units=u, n_components=1, rng=0) for u in ("nats", units))
    assert other.units == units
    for name in ("value", "standard_error", "plug_in", "integration_error", "bootstrap_distribution"):
        np.testing.assert_allclose(getattr(other, name), per_nat * np.array(getattr(nats, name)), rtol=1e-12)
    np.testing.assert_allclose(other.confidence_interval(), per_nat * np.array(nats.confidence_interval()), rtol=1e-12)
    np.testing.assert_allclose(other.pointwise(), per_nat * nats.pointwise(), rtol=1e-12)
    assert other.correlation == pytest.approx(nats.correlation)


def test_weights_count_rows(xy):
    x, y = xy
    weight = 1.0 + (np.arange(200) < 50)
    weighted = fg.mutual_information(x, y, sample_weight=weight, n_components=1, n_bootstrap=0, rng=0)
    own = {"groups": np.arange(250), "n_components": 1, "n_bootstrap": 0, "rng": 0}
    repeated = fg.mutual_information(np.r_[x, x[:50]], np.r_[y, y[:50]], **own)
    assert weighted.value == pytest.approx(repeated.value, abs=1e-6)
    scaled = fg.mutual_information(x, y, sample_weight=1e-3 * weight, n_components=1, n_bootstrap=0, rng=0)
    assert scaled.value == pytest.approx(weighted.value, abs=1e-9)


def test_selection(xy):
    r = fg.mutual_information(*xy, n_bootstrap=0, rng=0)
    assert r.n_components == max(r.selection, key=r.selection.get)
    assert set(range(1, r.n_components + 1)) <= set(r.selection)
    capped = fg.mutual_information(*xy, max_components=1, n_bootstrap=0, rng=0)
    assert set(capped.selection) == {1}


def test_criteria(xy):
    scores = {}
    for criterion in _core.CRITERIA:
        r = fg.mutual_information(*xy, criterion=criterion, marginals="standardize", n_bootstrap=0, rng=0)
        assert r.n_components == max(r.selection, key=r.selection.get)
        scores[criterion] = r.selection
    for k in scores["aic"].keys() & scores["bic"].keys():
        per_parameter = (math.log(200) / 2 - 1) / 200  # Akaike 1974, Schwarz 1978; scores are per sample
        assert scores["aic"][k] - scores["bic"][k] == pytest.approx((6 * k - 1) * per_parameter)


@pytest.mark.parametrize("init", _core.INITS)
def test_starting_points(xy, init):
    r = fg.mutual_information(*xy, init=init, n_components=2, n_bootstrap=5, rng=0)
    assert 0 < r.value < 1


@pytest.mark.parametrize("marginals", _core.MARGINALS)
def test_marginals(xy, marginals):
    r = fg.mutual_information(*xy, marginals=marginals, rng=0)
    assert abs(r.value - 0.2231) < 4 * r.standard_error
    assert r.marginals == ("standardize" if marginals == "auto" else marginals)


@pytest.mark.parametrize("n", [200, 6000])
def test_normal_scores_are_invariant_under_monotone_maps(n):
    """With every other default: the choice of the number of components, pilots and replicates that choose among it."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=n)
    y = x**2 + rng.normal(size=n)
    keywords = {"marginals": "gaussianize", "n_bootstrap": 10, "rng": 0}
    plain = fg.mutual_information(x, y, **keywords)
    assert plain.n_components > 1
    for a, b in ((np.exp(x), y**3), (x.argsort().argsort(), y), (x**3, np.arcsinh(y))):
        mapped = fg.mutual_information(a, b, **keywords)
        assert mapped.value == pytest.approx(plain.value, abs=1e-10)
        assert mapped.standard_error == pytest.approx(plain.standard_error, abs=1e-10)


def test_reselection(xy):
    assert fg.mutual_information(*xy, n_bootstrap=5, rng=0, reselect=True).reselected
    assert not fg.mutual_information(*xy, n_bootstrap=5, rng=0, reselect=False).reselected
    assert not fg.mutual_information(*xy, n_components=1, n_bootstrap=5, rng=0).reselected


def test_replicates_that_choose_the_same_number_are_the_same():
    """Bit for bit those of a fixed choice; others differ, and so does the mean that the bias correction takes."""
    rng = np.random.default_rng(12)
    x, noise = rng.normal(size=(2, 150))
    y = 0.5 * x**2 + noise
    chosen, fixed = (fg.mutual_information(x, y, rng=0, marginals="standardize", reselect=r) for r in (True, False))
    same = chosen.bootstrap_distribution == fixed.bootstrap_distribution
    assert 0 < np.count_nonzero(same) < same.size
    assert chosen.plug_in == fixed.plug_in
    assert chosen.value != fixed.value
    assert chosen.standard_error > fixed.standard_error


@pytest.mark.parametrize("seed", [0, 4, 6])
def test_the_numbers_that_replicates_choose_count_too(seed):
    """Data choose two components: a replicate that chooses one is .85 of that, and the value changes."""
    x, noise = np.random.default_rng(seed).normal(size=(2, 200))
    y = 0.25 * x**2 + 0.5 * x + noise
    keywords = {"rng": seed, "marginals": "standardize"}
    chosen, fixed = (fg.mutual_information(x, y, max_components=2, reselect=r, **keywords) for r in (True, False))
    one = fg.mutual_information(x, y, n_components=1, **keywords).bootstrap_distribution
    two = fixed.bootstrap_distribution
    others = chosen.bootstrap_distribution != two
    assert chosen.n_components == 2
    assert 0.1 < others.mean() < 0.5
    np.testing.assert_allclose(chosen.bootstrap_distribution[others], (0.15 * two + 0.85 * one)[others], rtol=1e-9)
    assert abs(chosen.value - fixed.value) > 1e-3


def test_replicates_choose_up_to_20_000_samples():
    x, y = gaussian(0.6, 20_001, 5)
    keywords = {"n_bootstrap": 2, "rng": 0, "marginals": "standardize", "max_components": 1}
    assert fg.mutual_information(x[1:], y[1:], **keywords).reselected
    assert not fg.mutual_information(x, y, **keywords).reselected


def test_a_fit_cut_short_warns(xy):
    with pytest.warns(fg.ConvergenceWarning, match="stopped at max_iter passes") as caught:
        r = fg.mutual_information(*xy, n_components=4, max_iter=1, n_bootstrap=0, rng=0)
    assert not r.converged
    assert r.warnings == tuple(str(warning.message) for warning in caught)
    assert caught[0].filename == __file__


@pytest.fixture
def core_finds(monkeypatch):
    """Change what the core returns."""
    whole_job = _core.information

    def core_finds(change):
        monkeypatch.setattr(_core, "information", lambda *arguments: change(whole_job(*arguments)))

    return core_finds


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_function_without_noise_warns(noise):
    """Found by how much the second half of the components gains on held-out rows; with noise that is little."""
    x, e = np.random.default_rng(1).normal(size=(2, 1000))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        r = fg.mutual_information(x, np.sin(3 * x) + noise * e, n_bootstrap=0, rng=0)
    assert r.warnings == tuple(str(warning.message) for warning in caught)
    assert ["y looks like a function of x without noise" in message for message in r.warnings] == [True] * (noise == 0)


def test_replicates_that_fail_are_counted(xy, core_finds):
    def fail_three(found):
        found["bootstrap"][:3] = np.nan
        replicates = found["bootstrap"]
        value, standard_error, n_failed = _core.finish(
            replicates, replicates, found["plug_in"], found["corrected"], 0, 0, 0
        )
        return {**found, "value": value, "standard_error": standard_error, "n_failed": n_failed}

    core_finds(fail_three)
    with pytest.warns(fg.ConvergenceWarning, match=r"^3 of 20 bootstrap replicates could not be fitted; they are NaN$"):
        r = fg.mutual_information(*xy, n_components=1, n_bootstrap=20, rng=0)
    assert np.isnan(r.bootstrap_distribution).sum() == 3
    assert r.value == pytest.approx(2 * r.plug_in - np.nanmean(r.bootstrap_distribution))
    for method in ("bca", "percentile", "basic", "normal"):
        low, high = r.confidence_interval(method=method)
        assert low < high


def test_inputs_are_left_alone(xy):
    x, y = (a.copy() for a in xy)
    fg.mutual_information(x, y, n_components=1, n_bootstrap=5, rng=0)
    assert np.array_equal(x, xy[0])
    assert np.array_equal(y, xy[1])


def test_import_is_light():
    heavy = [
        "scipy",
        "pandas",
        "concurrent.futures",
        "json",
        "csv",
        "argparse",
        "statistics",
        "numpy.random",
        "tqdm",
        "zipfile",
    ]
    code = "import sys, numpy; before = {*sys.modules}; import fastgmmmi; "
    code += f"print([name for name in {heavy} if name in {{*sys.modules}} - before])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names():
    assert sorted(name for name in vars(fg) if name in fg.__all__) == sorted(fg.__all__)
    assert fg.__version__ == _core.version()
    assert fg.cpu_tier() in {"baseline", "v3", "v4", "portable"}
