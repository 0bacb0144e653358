"""The same bits whoever computes, the same digits on whatever processor, and an end where one is asked for."""

import itertools
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import twins

from fastgmmmi import _core

TIERS = twins.tiers()


def data(kind, n, seed):
    """Columns x and y, (n, 1) each, of three kinds: one Gaussian, a bent one, a skew one."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    y = {"gaussian": 0.6 * x + 0.8 * noise, "bent": x**2 + 0.3 * noise, "skew": np.exp(0.3 * x + noise)}[kind]
    return np.ascontiguousarray(x[:, None]), np.ascontiguousarray(y[:, None])


def job(x, y, threads=1, seed=3, **options):
    options = {"n_bootstrap": 12, **options}
    return _core.information(*twins.pair(x, y), options, seed, threads, None)


def bits(result):
    return {name: np.asarray(value).tobytes() for name, value in result.items()}


# ---- threads and ranges ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("options", [{}, {"reselect": 0}, {"marginals": 2}, {"criterion": 2, "init": 6}])
def test_threads_give_the_same_bits(tier, options):
    x, y = data("bent", 200, 1)
    with twins.on_tier(tier):
        expected = bits(job(x, y, **options))
        for threads in (2, 3):
            assert bits(job(x, y, threads, **options)) == expected


def test_threads_give_the_same_bits_where_pilots_go_first():
    """From 5,000 rows on."""
    x, y = data("bent", 5500, 1)
    expected = bits(job(x, y, n_bootstrap=6))
    assert bits(job(x, y, 2, n_bootstrap=6)) == expected


@pytest.mark.parametrize("tier", TIERS)
def test_threads_give_the_same_bits_in_six_dimensions(tier):
    """Where integrals are randomised."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 250, 3))
    with twins.on_tier(tier):
        expected = bits(job(x, y + 0.5 * x, n_components=2, n_bootstrap=6))
        for threads in (2, 3):
            assert bits(job(x, y + 0.5 * x, threads, n_components=2, n_bootstrap=6)) == expected


@pytest.mark.parametrize("options", [{}, {"reselect": 0}, {"marginals": 0}, {"marginals": 2}])
def test_ranges_give_the_bits_of_the_whole(options):
    x, y = data("skew", 150, 4)
    options = {"n_bootstrap": 12, **options}
    whole = job(x, y, **options)
    options["marginals"] = whole["marginals"]
    mixture = whole["class_components"], whole["weights"], whole["means"], whole["covariances"]
    for cuts in ([0, 12], [0, 1, 12], [0, 5, 6, 12]):
        parts = [
            _core.information_range(*twins.pair(x, y), options, 3, *mixture, first, last - first)
            for first, last in itertools.pairwise(cuts)
        ]
        bootstrap, centres = (np.concatenate(column) for column in zip(*parts, strict=True))
        assert bootstrap.tobytes() == whole["bootstrap"].tobytes()
        known = (whole[name] for name in ("plug_in", "corrected", "shortfall", "shortfall_error", "marginals_error"))
        assert _core.finish(bootstrap, centres, *known)[:2] == (whole["value"], whole["standard_error"])


def test_seeds_differ():
    x, y = data("gaussian", 100, 5)
    seeds = [0, 1, 2, 3, 2**32, 2**63, 2**64 - 1]
    assert len({job(x, y, seed=seed, n_components=1)["value"] for seed in seeds}) == len(seeds)


def test_a_process_of_its_own_gives_the_same_bits():
    script = """
import numpy as np
from fastgmmmi import _core
x, noise = np.random.default_rng(1).normal(size=(2, 200))
x, y = (np.ascontiguousarray(column[:, None]) for column in (x, x**2 + 0.3 * noise))
sides = (x, None, 0), (y, None, 0), (None, None, 0)
print(_core.information(0, sides, None, None, {"n_bootstrap": 12}, 3, 2, None)["value"].hex())
"""
    shown = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert shown[0] == shown[1] == job(*data("bent", 200, 1))["value"].hex() + "\n"


# ---- tiers -----------------------------------------------------------------------------------------------------------

NUMBERS = [
    "value",
    "standard_error",
    "plug_in",
    "log_likelihood",
    "acceleration",
    "bootstrap",
    "weights",
    "means",
    "covariances",
]


@pytest.mark.parametrize("kind", ["gaussian", "bent", "skew"])
@pytest.mark.parametrize("n", [60, 100, 300, 3000])
@pytest.mark.parametrize("marginals", [1, 2])
def test_tiers_agree(kind, n, marginals):
    """To 1e-9 of numbers of order one, though a fit repeats rounding dozens of times.

    Fits of hundreds of passes along a flat likelihood amplify it to 1e-6 and more: docs/design.md.
    """
    x, y = data(kind, n, 6)
    results = []
    for tier in TIERS:
        with twins.on_tier(tier):
            results.append(job(x, y, marginals=marginals))
    for other in results[1:]:
        assert other["n_components"] == results[0]["n_components"]
        for name in NUMBERS:
            np.testing.assert_allclose(other[name], results[0][name], rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("seed", range(12))
def test_tiers_agree_where_components_are_starved(seed):
    """Small samples with narrow components, where rounding once moved single replicates by up to 1 nat."""
    x, y = data("bent" if seed % 2 else "skew", 60 + 7 * seed, seed)
    results = []
    for tier in TIERS:
        with twins.on_tier(tier):
            results.append(job(x, y))
    for other in results[1:]:
        np.testing.assert_allclose(other["bootstrap"], results[0]["bootstrap"], rtol=1e-9, atol=1e-9)


# ---- an end ----------------------------------------------------------------------------------------------------------

LONG_JOB = """
import sys
import numpy as np
import fastgmmmi as fg
rng = np.random.default_rng(0)
n, d, n_components, threads = map(int, sys.argv[1:])
x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
print("ready", flush=True)
try:
    fg.mutual_information(
        x, y, n_components=n_components, max_components=n_components, threads=threads, tol=1e-12, rng=1
    )
except KeyboardInterrupt:
    print("interrupted", flush=True)
    sys.exit(0)
sys.exit(1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("n", "d", "n_components"),
    [
        pytest.param(300_000, 1, 60, id="many passes"),
        pytest.param(300_000, 1, 1000, id="one long pass"),
        pytest.param(200_000, 4, 100, id="eight dimensions"),
        pytest.param(20_000, 1, 0, id="many replicates"),
    ],
)
def test_an_interrupt_ends_a_process(n, d, n_components, threads):
    script = LONG_JOB
    if n_components == 0:  # the number is chosen, and replicates go on for minutes
        script = script.replace("n_components=n_components, max_components=n_components", "n_bootstrap=1_000_000")
    arguments = [str(argument) for argument in (n, d, n_components, threads)]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.6)  # into the job
        assert process.poll() is None
        sent = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        elapsed = time.monotonic() - sent
        assert process.wait(10) == 0
    assert elapsed < 5  # of minutes
