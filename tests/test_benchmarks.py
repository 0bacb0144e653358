"""The truths that benchmarks/ measures errors from, by quadrature of the densities, and the samplers beside them."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import digamma

import fastgmmmi
from fastgmmmi import _core

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def load(name):
    """Import a file of benchmarks/."""
    specification = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where its dataclasses look for their types
    specification.loader.exec_module(module)
    return module


cases, class_cases = load("cases"), load("class_cases")
programs, report, peers = load("programs"), load("report"), load("peers")  # which the next ones import
runs, instructions, speed = load("runs"), load("instructions"), load("speed")
hotspots, large, tasks = load("hotspots"), load("large"), load("tasks")
MIXTURES = {"D1": cases.D1, "D3p": cases.D3P, "D5": cases.D5, "ring of 8": cases.RING}


def test_no_benchmark_stands_in_for_a_package_that_another_one_needs():
    # A script's folder comes first where Python looks for modules: coverage.py there was what Numba took for coverage.
    code = "import sys; sys.path.insert(0, sys.argv[1]); import matplotlib.figure, numba, numpy, scipy.stats, tqdm"
    subprocess.run([sys.executable, "-c", code, str(BENCHMARKS)], check=True)


@pytest.mark.parametrize(
    ("name", "area", "ends", "density"),
    [
        ("square on its corner", 8, (-2, 2), lambda x: (2 - abs(x)) / 4),
        ("triangle", 0.5, (0, 1), lambda x: 2 * (1 - x)),
    ],
)
def test_hard_edges(name, area, ends, density):
    # Uniform over the area, and y is distributed as x or as 1 - x.
    task = tasks.named(name)
    entropy = integrate.quad(lambda x: -density(x) * np.log(density(x)), *ends, points=[sum(ends) / 2])[0]
    assert task.truth == pytest.approx(2 * entropy - np.log(area), abs=1e-7)
    x, _ = task.sample(np.random.default_rng(0), 2000)
    share = np.vectorize(lambda end: integrate.quad(density, ends[0], end)[0])
    assert stats.kstest(x[:, 0], share).pvalue > 1e-3


@pytest.mark.parametrize("a", [0.3, 0.5, 2])
def test_weinman(a):
    # Given x, y is x plus an exponential of mean a, so that MI = h(y) - h(a E) = h(y) - (1 + ln a).
    rates = np.array([2, 1 / a + 1e-9])

    def integrand(y):
        density = np.prod(rates) / (rates[1] - rates[0]) * (np.exp(-rates[0] * y) - np.exp(-rates[1] * y))
        return -density * np.log(density) if density > 0 else 0.0

    entropy, _ = integrate.quad(integrand, 0, np.inf, limit=500)
    assert cases.weinman(a).truth == pytest.approx(entropy - 1 - np.log(a), abs=1e-6)


@pytest.mark.parametrize("a", [0.3, 1, 10])
def test_gamma_exponential(a):
    # The density of y is a (1 + y)^-(a + 1); its entropy is taken in t = ln(1 + y). Given x it is 1 - ln x.
    entropy, _ = integrate.quad(lambda t: -a * np.exp(-a * t) * (np.log(a) - (a + 1) * t), 0, np.inf)
    assert cases.gamma_exponential(a).truth == pytest.approx(entropy - 1 + digamma(a), abs=1e-9)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_multivariate_gaussian(d):
    covariance = (np.eye(2 * d) + 1) / 2
    parts = covariance[:d, :d], covariance[d:, d:], covariance
    x, y, joint = (np.linalg.slogdet(part).logabsdet for part in parts)
    case = cases.multivariate_gaussian(d)
    assert case.truth == pytest.approx((x + y - joint) / 2, abs=1e-12)
    draws = np.hstack(case.sample(np.random.default_rng(0), 100_000))
    np.testing.assert_allclose(np.cov(draws.T), covariance, atol=0.03)


@pytest.mark.parametrize("name", MIXTURES)
def test_mixture(name):
    mixture = MIXTURES[name]
    # The trapezoid rule converges spectrally on a smooth density that vanishes at the edges.
    x, y = np.linspace(-10, 10, 2001), np.linspace(-5, 10, 1501)
    density = np.zeros((x.size, y.size))
    for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
        precision = np.linalg.inv(covariance)
        dx, dy = x[:, None] - mean[0], y[None] - mean[1]
        square = precision[0, 0] * dx**2 + 2 * precision[0, 1] * dx * dy + precision[1, 1] * dy**2
        density += weight * np.sqrt(np.linalg.det(precision)) / (2 * np.pi) * np.exp(-square / 2)
    cell = (x[1] - x[0]) * (y[1] - y[0])
    independent = density.sum(1, keepdims=True) * density.sum(0, keepdims=True) * cell
    inside = density > 1e-300
    information = (density[inside] * np.log(density[inside] / independent[inside])).sum() * cell
    assert cases.named(name).truth == pytest.approx(information, abs=1e-6)


def test_mixture_of_vectors():
    # The exact log ratio at quasi-random points of each component, randomised eight times.
    mixture = cases.MIXTURE_3_2
    sides = slice(None), slice(None, mixture.dx), slice(mixture.dx, None)

    def log_density(points, side):
        densities = [
            weight * stats.multivariate_normal(mean[side], covariance[side, side]).pdf(points[:, side])
            for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True)
        ]
        return np.log(np.sum(densities, axis=0))

    def estimate(seed):
        normal = stats.norm.ppf(stats.qmc.Sobol(5, rng=seed).random_base2(12))
        total = 0.0
        for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
            joint, x, y = (log_density(mean + normal @ np.linalg.cholesky(covariance).T, side) for side in sides)
            total += weight * np.mean(joint - x - y)
        return total

    estimates = np.array([estimate(seed) for seed in range(8)])
    error = estimates.std(ddof=1) / np.sqrt(8)
    assert error < 3e-4
    assert cases.named("mixture 3+2").truth == pytest.approx(estimates.mean(), abs=4 * error)
    core, quoted = _core.mixture_mutual_information(
        mixture.weights,
        mixture.means,
        mixture.covariances,
        *(np.array(columns, np.int32) for columns in ([0, 1, 2], [3, 4], [])),
        1e-4,
        0,
    )
    assert cases.named("mixture 3+2").truth == pytest.approx(core, abs=4 * quoted + 1e-5)


@pytest.mark.parametrize("case", [*cases.CASES, *cases.MORE], ids=lambda case: case.name)
def test_sampler_is_keyed_by_its_generator(case):
    first, second = (case.sample(np.random.default_rng(3), 50) for _ in range(2))
    for left, right in zip(first, second, strict=True):
        assert left.shape[0] == 50
        assert np.isfinite(left).all()
        np.testing.assert_array_equal(left, right)


def test_log_gamma_has_the_mean_and_variance_of_its_law():
    from scipy.special import polygamma

    draws = cases.log_gamma(np.random.default_rng(0), 0.3, 200_000)
    assert draws.mean() == pytest.approx(digamma(0.3), abs=0.04)
    assert draws.var() == pytest.approx(float(polygamma(1, 0.3)), rel=0.03)


def class_truth(name):
    return next(case.truth for case in class_cases.CASES if case.name == name)


def test_truths_with_labels_and_conditions():
    def integrand(x):
        densities = np.exp(-0.5 * (x - np.array([0, 1])) ** 2) / np.sqrt(2 * np.pi)
        return np.sum(0.5 * densities * np.log(densities / densities.mean()))

    assert class_truth("2 classes") == pytest.approx(integrate.quad(integrand, -9, 10)[0], abs=1e-7)
    assert class_truth("10 classes, independent") == pytest.approx(0, abs=1e-9)
    assert class_truth("chain") == pytest.approx(0, abs=1e-12)
    assert class_truth("collider") == pytest.approx(0.5 * np.log(4 / 3))
    table = np.array([[3, 1], [1, 3]]) / 8
    assert class_truth("2 x 2 labels") == pytest.approx(np.sum(table * np.log(4 * table)))
    assert class_truth("3 x 3 labels, independent") == pytest.approx(0, abs=1e-12)


def test_monte_carlo_errors():
    # Deviations and shares scatter as they say, over many samples of a law that is not Gaussian.
    samples = np.random.default_rng(0).exponential(size=(2000, 300))
    errors = [report.deviation_error(sample) for sample in samples]
    assert np.mean(errors) == pytest.approx(samples.std(axis=1, ddof=1).std(), rel=0.15)
    held = samples < 1
    assert np.mean([report.share_error(each) for each in held]) == pytest.approx(held.mean(axis=1).std(), rel=0.05)
    assert report.share_error(np.ones(300, bool)) > 0


def test_runs_hold_for_one_version(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    lines = [
        {"build": build, "key": ["D1", 200, seed], "value": seed} for build in ("old", "new") for seed in (1, 0, 7)
    ]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines[:-1]))
    keys = [("D1", 200, seed) for seed in range(9)]
    old, new = (runs.collect("some", dict, keys, 0, version) for version in ("old", "new"))
    assert [record["value"] for record in old.values()] == [0, 1, 7]
    assert list(new) == keys[:2]
    assert [len(group) for group in runs.grouped(old).values()] == [3]


# ---- speed -----------------------------------------------------------------------------------------------------------


def test_a_row_without_a_measurement_is_not_met():
    tables = speed.Tables()
    ours = speed.Timings([1e-3, 2e-3, 9e-3])
    tables.compare("work", ours, "peer", speed.Timings([0.2]), 100)
    tables.compare("work", ours, "peer", speed.Timings([0.1]), 100)
    tables.compare("work", ours, "peer", speed.Timings(), 100)
    tables.limit("work", ours, 2e-3)
    assert [row[-1] for row in tables.times] == ["met", "missed", "not measured", "met"]
    assert [row[3] for row in tables.times[:3]] == ["200 ms", "100 ms", "absent"]


def test_monte_carlo_stands_for_the_integral():
    X = np.column_stack(cases.D5.sample(np.random.default_rng(0), 2000))
    mixture = fastgmmmi.GaussianMixture(3, rng=0).fit(X)
    np.testing.assert_allclose(speed.log_density(mixture, X, [0, 1]), mixture.log_density(X))
    value, error = speed.monte_carlo(mixture, np.random.default_rng(0))
    assert value == pytest.approx(mixture.mutual_information(0, 1), abs=4 * error)
    assert error < 4e-3


def test_counts_fail_only_where_they_grow():
    record = {"one": 1000, "two": 1000}
    assert not instructions.compare({"one": 1050, "two": 500}, record)[1]
    lines, grew = instructions.compare({"one": 1051, "two": 1000, "new": 5}, record)
    assert grew
    assert lines == ["one: 1,051, +5.1% on the record", "two: 1,000, +0.0% on the record", "new: 5, no record"]


def test_every_compiler_on_record_has_every_job():
    records = json.loads(instructions.RECORD.read_text(encoding="utf-8"))
    assert all(set(record) == set(instructions.JOBS) for record in records.values())


def test_stages_of_addresses():
    printed = """0x401000
vec_exp
/a/csrc/vecmath.h:90
normalise
/a/csrc/kernels.h:210
em_pass
/a/csrc/kernels.h:399
0x402000
fgm_pack
/a/csrc/mixture.c:7
0x7f00
??
??:0"""
    stages = [hotspots.stage(frames) for frames in hotspots.read_frames(printed.splitlines())]
    assert stages == ["exponentials and logarithms", "mixture.c", "C library"]
    text = hotspots.table([dict.fromkeys(stages, 30.0)] * 3)
    assert text.count("30.0") == 9


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_of_a_process_of_its_own(tmp_path):
    n = 50_000
    (time, *_), (_, _, relative, *_), (_, first, *_) = large.in_memory([n], tmp_path)
    assert time == f"n={n:,}: time"
    assert 0.5 < float(relative.split()[0]) < 20
    assert 0 < float(first.removesuffix(" MB")) < 20
    rows = large.from_file(n, tmp_path)
    assert [row[-1] for row in rows] == ["", "met", "", "met"]
