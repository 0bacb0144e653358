"""The core called from Cython, Numba and cffi: each in tests/consumers is built, and has the bits of Python."""

import functools
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
from abi.snapshot import SNAPSHOT, exported_signatures
from numba import njit, prange

import fastgmmmi as fg
from fastgmmmi import jit

CONSUMERS = Path(__file__).parent / "consumers"
SEED, N_BOOTSTRAP = 7, 20


def run(*command, **variables):
    """What a command prints, away from the checkout; where it fails, its output is the test's."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=variables.pop("cwd"), env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def install(tmp_path_factory):
    """Install a package of tests/consumers against the installed fastgmmmi, in a folder of its own."""

    @functools.cache
    def install(name):
        if not any(path.match("fastgmmmi/cython_api.pxd") for path in importlib.metadata.files("fastgmmmi")):
            pytest.skip("an editable install is not what other packages build against")
        work = tmp_path_factory.mktemp(name)
        shutil.copytree(CONSUMERS / name, work / "package")
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index")
        run(*pip, "--target", work / "installed", work / "package", cwd=work)
        return work / "installed"

    return install


ESTIMATE = """
import sys
import numpy as np
x, y = np.load(sys.argv[1])
if sys.argv[2] == "columns":
    x, y = x.reshape(-1, 1), y.reshape(-1, 1)
import consumer
print(*map(float.__repr__, consumer.mutual_information(x, y, int(sys.argv[3]), int(sys.argv[4]))))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory, xy):
    path = tmp_path_factory.mktemp("data") / "xy.npy"
    np.save(path, np.array(xy))
    return path


@pytest.fixture(scope="module")
def expected(xy):
    result = fg.mutual_information(*xy, rng=SEED, n_bootstrap=N_BOOTSTRAP)
    return f"{result.value!r} {result.standard_error!r}\n"


@pytest.fixture(scope="module", params=["cython", "cffi", "numba"])
def consumer(request, install):
    """The folder in which one consumer is installed."""
    return install(request.param)


def test_consumers_give_the_bits_of_python(consumer, data, expected):
    estimate = (sys.executable, "-W", "error", "-c", ESTIMATE, data, "columns", SEED, N_BOOTSTRAP)
    assert run(*estimate, cwd=consumer, PYTHONPATH=str(consumer)) == expected
    failing = (
        ESTIMATE.replace("print", "x[3] = np.nan\ntry:\n    print").rstrip()
        + "\nexcept ValueError as error: print(error)"
    )
    command = (sys.executable, "-W", "error", "-c", failing, data, "columns", SEED, N_BOOTSTRAP)
    assert run(*command, cwd=consumer, PYTHONPATH=str(consumer)) == "the data contain NaN or infinity\n"


def test_functions_of_cython_modules_can_be_averaged(install):
    script = """
import ctypes, numpy as np, fastgmmmi as fg, consumer
from scipy import LowLevelCallable
g = fg.GaussianMixture.from_parameters([1.0], [[1.0, 2.0]], [np.diag([3.0, 4.0])])
centre = np.array([0.0, 1.0])
data = centre.ctypes.data_as(ctypes.c_void_p)
f = LowLevelCallable.from_cython(consumer, "squared_distance", user_data=data)
print(round(g.expect(f)[0], 9))
"""
    folder = install("cython")
    assert run(sys.executable, "-c", script, cwd=folder, PYTHONPATH=str(folder)) == "9.0\n"


# ---- what is exported ------------------------------------------------------------------------------------------------


def broken_signatures(was, now):
    """What modules compiled against the functions that were cannot import now, and what to do; empty if nothing."""
    lines = [
        f"was: {signature} {name}\nis:  {now.get(name, 'nothing')}"
        for name, signature in was.items()
        if now.get(name) != signature
    ]
    return lines and "\n".join(
        [
            "functions that fastgmmmi/cython_api.pxd exports have changed:",
            *lines,
            "Modules compiled against an earlier release could not be imported any more. Put them back, and give what",
            "is new a name of its own; or raise FGM_ABI_VERSION in fastgmmmi.h and say so in CHANGELOG.md. What no",
            "release contains yet may change freely. `python tests/abi/snapshot.py` writes the snapshot.",
        ]
    )


def test_exported_signatures_stay():
    recorded = json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    assert len(recorded) > 20
    if broken := broken_signatures(recorded, exported_signatures()):
        pytest.fail(broken)


def test_added_signatures_pass_and_changed_ones_fail():
    was = exported_signatures()
    assert not broken_signatures(was, {**was, "fgm_later": "int (double)"})
    changed = broken_signatures(was, {**was, "fgm_strerror": "char const *(long)"})
    assert "was: char const *(int) fgm_strerror\nis:  char const *(long)\n" in changed
    assert "is:  nothing" in broken_signatures({**was, "fgm_gone": "int (double)"}, was)


def test_cython_has_every_function_of_the_header():
    header = (Path(fg.get_include()) / "fastgmmmi.h").read_text(encoding="utf-8")
    names = re.findall(r"X\((fgm_\w+)\)", header[header.index("#define FGM_FUNCTIONS(X)") :])
    assert len(names) > 20
    assert set(names) <= set(exported_signatures())


def test_cython_has_every_constant_and_field_of_the_header():
    folder = Path(fg.get_include())
    header = re.sub(r"/\*.*?\*/", "", (folder / "fastgmmmi.h").read_text(encoding="utf-8"), flags=re.S)
    declared = set(re.findall(r"\w+", (folder.parent / "types.pxd").read_text(encoding="utf-8")))
    constants = [f"FGM_{name}" for name in re.findall(r"X\((\w+), \d+,", header)]
    for body in re.findall(r"typedef enum \w+ \{([^#}]*)\}", header):
        constants += re.findall(r"\bFGM_\w+", body)
    assert len(constants) > 30
    assert set(constants) <= declared
    for name, body in re.findall(r"typedef struct (\w+) \{([^#}]*)\}", header):
        if name == "fgm_api":
            continue
        fields = {field for line in body.split(";") for field in re.findall(r"(\w+)(?=,|$)", line.strip())}
        assert fields - {"reserved", "reserved_2"} <= declared, name


# ---- Numba: the same bits --------------------------------------------------------------------------------------------


@njit(nogil=True)
def information(x, y, seed, n_bootstrap):
    return jit.mutual_information(x, y, seed, n_bootstrap)


@njit(nogil=True)
def all_of_a_mixture(weights, means, covariances, dx, X, out):
    jit.log_density(weights, means, covariances, X, out=out)
    entropy = jit.entropy(weights, means, covariances)
    return entropy, jit.mixture_mutual_information(weights, means, covariances, dx)


@pytest.mark.parametrize("call", [information, jit.mutual_information], ids=["njit", "python"])
@pytest.mark.parametrize("seed", [0, 7, 2**63 - 1])
def test_estimate_has_the_bits_of_python(call, seed, xy):
    result = fg.mutual_information(*xy, rng=seed, n_bootstrap=N_BOOTSTRAP)
    assert call(*xy, seed, N_BOOTSTRAP) == (result.value, result.standard_error)


def test_copies_of_rows_are_found_by_the_core(xy):
    x, y = (np.tile(column, 3) for column in xy)
    with pytest.warns(UserWarning, match="rows are copies of others"):
        result = fg.mutual_information(x, y, rng=1, n_bootstrap=N_BOOTSTRAP)
    assert information(x, y, 1, N_BOOTSTRAP) == (result.value, result.standard_error)


def test_seeds_of_64_bits(xy):
    seed = 2**64 - 1
    result = fg.mutual_information(*xy, rng=seed, n_bootstrap=2)
    assert jit.mutual_information(*xy, seed, 2) == (result.value, result.standard_error)
    assert information(*xy, np.uint64(seed), 2) == (result.value, result.standard_error)


def test_vectors(xy):
    x = np.column_stack([xy[0], np.roll(xy[1], 1)])
    result = fg.mutual_information(x, xy[1], rng=0, n_bootstrap=0)
    value, standard_error = information(x, xy[1].reshape(-1, 1), 0, 0)
    assert value == result.value
    assert np.isnan(standard_error)


@pytest.mark.parametrize("call", [all_of_a_mixture, all_of_a_mixture.py_func], ids=["njit", "python"])
def test_mixtures_have_the_bits_of_python(call, mixture_parameters):
    g = fg.GaussianMixture.from_parameters(*mixture_parameters)
    X, out = g.sample(10, rng=0), np.empty(10)
    entropy, information = call(g.weights, g.means, g.covariances, 1, X, out)
    assert entropy == g.entropy()
    assert information == g.mutual_information(0, [1, 2])
    assert (out == g.log_density(X)).all()


def test_mixtures_of_many_variables():
    d = 64
    g = fg.GaussianMixture.from_parameters([0.3, 0.7], np.zeros((2, d)), [np.eye(d) + 0.5, np.eye(d)])
    found = jit.mixture_mutual_information(g.weights, g.means, g.covariances, 63)
    assert found == g.mutual_information(range(63), 63)


# ---- Numba: threads --------------------------------------------------------------------------------------------------


@njit(nogil=True, parallel=True)
def informations(xs, ys, out):
    for i in prange(len(xs)):
        out[i] = jit.mutual_information(xs[i], ys[i], i, 0)[0]


def test_parallel_loops(xy):
    xs, ys = np.array([np.roll(xy[0], i) for i in range(40)]), np.tile(xy[1], (40, 1))
    out = np.full(40, np.nan)
    informations(xs, ys, out)
    for i in range(0, 40, 13):
        assert out[i] == fg.mutual_information(xs[i], ys[i], rng=i, n_bootstrap=0).value
    assert not np.isnan(out).any()


def test_errors_in_parallel_loops_can_be_caught(install, xy):
    folder = install("numba")
    script = f"""
import numpy as np, consumer
xs, ys = np.tile(np.load({str(folder / "xy.npy")!r}), (8, 1, 1)).transpose(1, 0, 2).copy()
ys[[0, 7]] = 1.0
print(np.isnan(consumer.mutual_informations(xs, ys, 0)).nonzero()[0].tolist())
"""
    np.save(folder / "xy.npy", np.array(xy))
    assert run(sys.executable, "-W", "error", "-c", script, cwd=folder, PYTHONPATH=str(folder)) == "[0, 7]\n"


# ---- Numba: errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [information, jit.mutual_information], ids=["njit", "python"])
def test_unusable_data(call, xy):
    x, y = xy
    for arguments, message in (
        ((x, np.ones_like(y), 0, 0), "a column is constant"),
        ((x, 2 * x, 0, 0), "linear function"),
        ((np.where(x > 2, np.nan, x), y, 0, 0), "NaN or infinity"),
        ((x[:0], y[:0], 0, 0), "too few samples"),
        ((x[:3], y[:3], 0, 0), "too few samples"),
        ((x, y[:-1], 0, 0), "x and y must have the same number of rows"),
        ((np.zeros((200, 64)), y, 0, 0), "at most 64"),
        ((np.zeros((200, 0)), y, 0, 0), "at least 1"),
        ((x, y, -1, 0), "seed must be at least 0"),
        ((x, y, 0, -1), "n_bootstrap must be at least 0"),
        ((x, y, 0, 2**31), "n_bootstrap must be at least 0 and below"),
    ):
        with pytest.raises(ValueError, match=message):
            call(*arguments)


def test_unusable_mixtures(mixture_parameters):
    weights, means, covariances = mixture_parameters
    X, out = np.zeros((5, 3)), np.empty(5)
    for call in (all_of_a_mixture, all_of_a_mixture.py_func):
        for arguments, message in (
            ((weights[:1], means, covariances, 1, X, out), "must have the shapes"),
            ((weights, means, covariances[:, :2].copy(), 1, X, out), "must have the shapes"),
            ((weights, means, -covariances, 1, X, out), "not positive definite"),
            ((-weights, means, covariances, 1, X, out), "weights must be"),
            ((weights, means, covariances, 3, X, out), "dx must be"),
            ((weights, means, covariances, 0, X, out), "dx must be"),
            ((weights, means, covariances, 1, X[:, :2].copy(), out), "X and out must have the shapes"),
            ((weights, means, covariances, 1, X, out[:4]), "X and out must have the shapes"),
        ):
            with pytest.raises(ValueError, match=message):
                call(*arguments)


def test_types_and_layouts(xy, mixture_parameters):
    x, y = xy
    for arguments, message in (
        ((x[::2], y[::2], 0, 0), "x must be C-contiguous and aligned, got .*: np.ascontiguousarray"),
        ((x, np.zeros((200, 4))[:, :2], 0, 0), "y must be C-contiguous"),
        ((x.astype(np.float32), y, 0, 0), "x must be an array of float64, got array.float32"),
        ((x, np.arange(200), 0, 0), "y must be an array of float64, got array.int64"),
        ((x, 1.0, 0, 0), "y must be an array of float64, got float64"),
        ((x.reshape(2, 10, 10), y, 0, 0), "x must have 1 or 2 dimensions, got 3"),
        ((x, y, 0.5, 0), "seed must be an integer, got float64"),
        ((x, y, 0, True), "n_bootstrap must be an integer, got bool"),
    ):
        with pytest.raises(ValueError, match=message):
            jit.mutual_information(*arguments)
        with pytest.raises(numba.TypingError, match=message):
            information(*arguments)
    out = np.empty(1)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="out must be writeable"):
        jit.log_density(*mixture_parameters, np.zeros((1, 3)), out)
    with pytest.raises(TypeError, match="missing a required argument: 'n_bootstrap'"):
        jit.mutual_information(x, y, 0)


# ---- Numba: other processes ------------------------------------------------------------------------------------------

TWICE = """
import sys
import numpy as np
x, y = np.load(sys.argv[1])
import consumer
value, standard_error = consumer.mutual_information(x, y, 7, 20)
stats = consumer.mutual_information.stats
print(value, standard_error, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


def test_cached_code_runs_in_another_process(install, data, expected, tmp_path):
    folder = install("numba")
    surroundings = {"cwd": folder, "PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = (run(sys.executable, "-W", "error", "-c", TWICE, data, **surroundings).split() for _ in range(2))
    assert first[:2] == second[:2] == expected.split()
    assert (first[2:], second[2:]) == (["0", "1"], ["1", "0"])  # hits and misses


def test_entry_point_makes_the_names_known(tmp_path):
    script = """
import llvmlite.binding, sys
from numba import njit
assert llvmlite.binding.address_of_symbol("fastgmmmi.fgm_entropy") is None
assert njit(lambda x: x + 1)(1) == 2
assert "fastgmmmi.jit" in sys.modules
print(llvmlite.binding.address_of_symbol("fastgmmmi.fgm_entropy") is not None)
"""
    assert run(sys.executable, "-W", "error", "-c", script, cwd=tmp_path) == "True\n"


def test_a_broken_fastgmmmi_leaves_jit_unharmed(tmp_path):
    """Where our module cannot be imported, Numba warns and goes on."""
    (tmp_path / "fastgmmmi").mkdir()
    (tmp_path / "fastgmmmi" / "__init__.py").write_text("raise ImportError('no core')\n")
    script = "from numba import njit; print(njit(lambda x: x + 1)(1))"
    assert run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(tmp_path)) == "2\n"


def test_without_numba_the_import_says_what_to_install(tmp_path):
    (tmp_path / "numba.py").write_text("raise ImportError('not here')\n")
    script = """
import fastgmmmi
try:
    import fastgmmmi.jit
except ImportError as error:
    print(error)
"""
    printed = run(sys.executable, "-c", script, cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert printed == "fastgmmmi.jit needs Numba: pip install numba, or fastgmmmi[numba]\n"


# ---- the documentation -----------------------------------------------------------------------------------------------


def test_documentation_shows_the_packages_that_are_tested():
    root = CONSUMERS.parents[1]
    page = (root / "docs" / "compiled.md").read_text(encoding="utf-8")
    shown = re.findall(r"```\w+\n(.*?)```\n", page, re.S)
    names = ("cython/consumer.pyx", "cython/setup.py", "numba/consumer.py", "cffi/build.py", "cffi/consumer.py")
    paths = [*(CONSUMERS / name for name in names), root / "examples" / "divergences.py"]
    assert shown == [path.read_text(encoding="utf-8") for path in paths]
