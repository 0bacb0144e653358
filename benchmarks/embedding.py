"""What a call of the core costs from C, Cython and Numba, and many small estimates: `python benchmarks/embedding.py`.

Run it with the Python that has fastgmmmi installed, with its extras `test` and `numba`. Writes
benchmarks/results/embedding.md, unless --quick does less of it.
"""

import argparse
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import report

import fastgmmmi
from fastgmmmi import jit

HERE = Path(__file__).resolve().parent
MOST_OVERHEAD = 1e-6  # seconds per call
N_ESTIMATES, N_SAMPLES = 10_000, 100
EXPLANATION = (
    "Every caller reaches the one core of the installed package. Calls: of the smallest work there is, one point or a "
    "closed form in one dimension, in a loop; medians over interleaved rounds; what a caller takes beyond C, which "
    "calls through the table of functions, is its overhead. Estimates: mutual information of 100 samples of Gaussians, "
    "rho=0.6, without bootstrap, number of components chosen; each caller gives the same bits."
)

# ---- the callers -----------------------------------------------------------------------------------------------------


def load_c(folder: Path) -> ctypes.CDLL:
    """Compile embedding_calls.c."""
    library = folder / "embedding_calls.so"
    flags = ["-std=gnu11", "-O2", "-shared", "-fPIC", "-pthread", f"-I{fastgmmmi.get_include()}"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, HERE / "embedding_calls.c", "-o", library], check=True)
    functions = ctypes.CDLL(str(library))
    functions.call_log_density.restype = functions.call_entropy.restype = ctypes.c_double
    return functions


def load_cython(folder: Path):
    """Compile embedding_cython.pyx."""
    (folder / "embedding_cython.pyx").write_bytes((HERE / "embedding_cython.pyx").read_bytes())
    command = [sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "--quiet", "embedding_cython.pyx"]
    variables = os.environ | {"CFLAGS": f"-O2 -I{fastgmmmi.get_include()}"}
    subprocess.run(command, cwd=folder, env=variables, check=True, stdout=subprocess.DEVNULL)
    sys.path.insert(0, str(folder))
    import embedding_cython

    return embedding_cython


def table_of_functions() -> ctypes.c_void_p:
    """Give the address that the capsule holds."""
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.c_void_p(get_pointer(fastgmmmi._core._C_API, b"fastgmmmi._core._C_API"))


@numba.njit(nogil=True)
def njit_log_density(weights, means, covariances, x, n_calls):
    """Call as call_log_density of embedding_calls.c does."""
    out = np.empty(1)
    total = 0.0
    for _ in range(n_calls):
        jit.log_density(weights, means, covariances, x, out)
        total += out[0]
    return total


@numba.njit(nogil=True)
def njit_entropy(weights, means, covariances, n_calls):
    """Call as call_entropy of embedding_calls.c does."""
    total = 0.0
    for _ in range(n_calls):
        total += jit.entropy(weights, means, covariances)
    return total


@numba.njit(nogil=True, parallel=True)
def njit_estimates(xs, ys, values):
    """Estimate from row i of xs and ys with seed i."""
    for i in numba.prange(len(xs)):
        values[i] = jit.mutual_information(xs[i], ys[i], i, 0)[0]


# ---- overhead --------------------------------------------------------------------------------------------------------


def seconds(function: Callable[[], object]) -> float:
    """Time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def medians(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Time of each function, taken in turns."""
    for function in functions.values():
        function()  # to compile, and to fill caches
    times = [{name: seconds(function) for name, function in functions.items()} for _ in range(rounds)]
    return {name: float(np.median([each[name] for each in times])) for name in functions}


def overhead_rows(in_c: ctypes.CDLL, in_cython, rounds: int, n_calls: int) -> list[list[str]]:
    """Small calls from C, Cython and Numba."""
    api, n = table_of_functions(), ctypes.c_int64(n_calls)
    one, zero = np.ones(1), np.zeros(1)
    mixture = one, zero, one
    shaped = one, zero.reshape(1, 1), one.reshape(1, 1, 1)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in mixture]
    point = zero.ctypes.data_as(ctypes.c_void_p)
    calls = {
        "log density of one point": {
            "C": lambda: in_c.call_log_density(api, *pointers, point, n),
            "Cython": lambda: in_cython.call_log_density(*mixture, zero, n_calls),
            "njit": lambda: njit_log_density(*shaped, zero.reshape(1, 1), n_calls),
        },
        "entropy of one Gaussian": {
            "C": lambda: in_c.call_entropy(api, *pointers, n),
            "Cython": lambda: in_cython.call_entropy(*mixture, n_calls),
            "njit": lambda: njit_entropy(*shaped, n_calls),
        },
    }
    rows = []
    for work, functions in calls.items():
        if len({function() for function in functions.values()}) > 1:
            raise RuntimeError(f"{work}: the callers do not agree")
        taken = {name: each / n_calls for name, each in medians(functions, rounds).items()}
        for caller in ("Cython", "njit"):
            beyond = taken[caller] - taken["C"]
            cells = [report.duration(taken["C"]), report.duration(taken[caller]), f"{1e9 * beyond:.0f} ns"]
            rows.append([work, caller, *cells, "below 1 µs", "met" if beyond < MOST_OVERHEAD else "missed"])
    return rows


# ---- many small estimates --------------------------------------------------------------------------------------------


def python_estimates(xs: np.ndarray, ys: np.ndarray, values: np.ndarray, threads: int) -> None:
    """Estimate from row i of xs and ys with seed i, on threads of Python."""

    def estimate(i: int) -> None:
        options = {"n_bootstrap": 0, "rng": i, "threads": 1}
        values[i] = fastgmmmi.mutual_information(xs[i], ys[i], **options).value

    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(estimate, range(len(xs)), chunksize=100):
            pass


def throughput_rows(in_c: ctypes.CDLL, rounds: int, n_estimates: int) -> list[list[str]]:
    """Estimates per second from C, Numba and Python, on one thread and on two."""
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(n_estimates, N_SAMPLES))
    ys = 0.6 * xs + 0.8 * rng.normal(size=xs.shape)
    api = table_of_functions()

    def from_c(values: np.ndarray, threads: int) -> None:
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (xs, ys, values)]
        sizes = ctypes.c_int64(n_estimates), ctypes.c_int64(N_SAMPLES)
        if in_c.estimate_all(api, *pointers[:2], *sizes, pointers[2], threads):
            raise RuntimeError("threads could not be started")

    def from_njit(values: np.ndarray, threads: int) -> None:
        numba.set_num_threads(threads)
        njit_estimates(xs, ys, values)

    def from_python(values: np.ndarray, threads: int) -> None:
        python_estimates(xs, ys, values, threads)

    callers = {"C, POSIX threads": from_c, "Numba, prange": from_njit, "Python, threads": from_python}
    thread_counts = [1, 2] if report.cores() >= 2 else [1]
    values = {name: np.empty(n_estimates) for name in callers}
    jobs = {
        (name, threads): lambda caller=caller, name=name, threads=threads: caller(values[name], threads)
        for name, caller in callers.items()
        for threads in thread_counts
    }
    taken = medians(jobs, rounds)
    first = values["C, POSIX threads"]
    if not all((first == other).all() for other in values.values()):
        raise RuntimeError("the callers do not agree")
    rows = []
    for name in callers:
        one, most = taken[name, 1], taken[name, thread_counts[-1]]
        rates = [f"{n_estimates / each:,.0f} / s" for each in (one, most)]
        rows.append([name, report.duration(one / n_estimates), *rates, f"{one / most:.2f} x"])
    return rows


def main() -> None:
    """Measure, and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="interleaved rounds (default: 7)")
    parser.add_argument("--quick", action="store_true", help="three rounds of less")
    options = parser.parse_args()
    rounds, share = (3, 20) if options.quick else (options.repeats, 1)
    with tempfile.TemporaryDirectory() as name:
        in_c, in_cython = load_c(Path(name)), load_cython(Path(name))
        calls = overhead_rows(in_c, in_cython, rounds, 200_000 // share)
        estimates = throughput_rows(in_c, rounds, N_ESTIMATES // share)
    header = ["one call", "from", "C takes", "this takes", "overhead", "goal", ""]
    text = f"# Embedding\n\n{report.machine()}; Numba {numba.__version__}.\n\n{EXPLANATION}\n\n"
    text += report.table(header, calls)
    header = [f"{N_ESTIMATES // share:,} estimates from", "each, on one thread", "one thread", "two threads", "scaling"]
    text += f"\n\n{report.table(header, estimates)}"
    report.publish("embedding", text, record=not options.quick)


if __name__ == "__main__":
    main()
