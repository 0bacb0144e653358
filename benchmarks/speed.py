"""Speed of fastgmmmi beside its peers, interleaved in one run: `python benchmarks/speed.py`.

Run it with the Python that has fastgmmmi installed; `python benchmarks/peers.py` installs the peers once, and a peer
that is not installed is named absent. Writes benchmarks/results/speed.md, unless --quick or --rows leaves rows out.
With --matrix it times tables of many pairs instead, and writes benchmarks/results/matrix.md.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cases
import numpy as np
import peers
import programs
import report

import fastgmmmi
from fastgmmmi import _core, inputs, parallel

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
CALLS_OF_OURS = 5  # for one of a slow peer's
REST = 0.3  # seconds before each call of a whole job or fit: threads of BLAS and OpenMP go on spinning after a peer's
EXPLANATION = (
    "Medians of interleaved calls in one run; ratios are the peer's time over ours. Whole jobs may use every core, and "
    "have another data set in every round. Before each of their calls and of fits, ours and theirs, there is a rest of "
    f"{REST} s, in which threads that another library has left spinning come to an end. "
    "EM passes are processor time on one core, per sample and component, n=10,000; scikit-learn's is a long fit less a "
    "short one, and uses the whole processor where our tier is forced down. A fit: ours finds its starting point, from "
    "which scikit-learn begins too, with the tolerance that leaves at most 1e-7 nats per sample to gain; by how much "
    "it ends above ours, nats per sample, is our prior's doing."
)
HEADER = ["work", "fastgmmmi", "beside", "its time", "ratio", "goal", ""]


@dataclass
class Timings:
    """Seconds of repeated calls of one function, and its last answer."""

    seconds: list[float] = field(default_factory=list)
    reply: dict = field(default_factory=dict)

    def add(self, reply: dict) -> None:
        """Take one answer of a worker."""
        self.reply = reply
        if "seconds" in reply:
            self.seconds.append(reply["seconds"])

    @property
    def median(self) -> float:
        """NaN where no call succeeded."""
        return float(np.median(self.seconds)) if self.seconds else np.nan

    @property
    def cell(self) -> str:
        """The median as a cell of a table."""
        return report.duration(self.median) if self.seconds else self.reply.get("failed", "absent")

    @property
    def estimate(self) -> str:
        """Value, with its error where there is one."""
        if "value" not in self.reply:
            return self.reply.get("failed", "absent")
        error = self.reply.get("standard_error")
        return f"{self.reply['value']:.4f}" + (f" ± {error:.4f}" if error is not None else "")


@dataclass
class Tables:
    """Rows of times beside one peer, of times beside all nearest neighbours, and of estimates."""

    times: list[list[str]] = field(default_factory=list)
    neighbours: list[list[str]] = field(default_factory=list)
    estimates: list[list[str]] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Take a row, and show it at once."""
        self.times.append(list(cells))
        print(" | ".join(cells), file=sys.stderr, flush=True)

    def compare(self, work: str, ours: Timings, name: str, peer: Timings, goal: float | None = None) -> None:
        """Add a row whose goal is a ratio of times."""
        ratio = peer.median / ours.median
        cells = ["", ""] if goal is None else [f"at least {goal:g} x", verdict(ratio, ratio >= goal)]
        self.add(work, ours.cell, name, peer.cell, "" if np.isnan(ratio) else f"{ratio:.3g} x", *cells)

    def limit(self, work: str, ours: Timings, seconds: float) -> None:
        """Add a row whose goal is a time."""
        reached = verdict(ours.median, ours.median <= seconds)
        self.add(work, ours.cell, "", "", "", f"at most {report.duration(seconds)}", reached)


def verdict(measured: float, reached: bool) -> str:
    """Last cell of a row with a goal."""
    return "not measured" if np.isnan(measured) else "met" if reached else "missed"


# ---- whole jobs ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A data set, whether gmm-mi finishes it in seconds, and how many times faster than it every default is to be."""

    case: cases.Case
    n: int
    gmm_mi: str  # "quick", "slow" or "never"
    goal: float | None = None


JOBS = [
    Job(cases.gaussian(0.6), 200, "quick", goal=200),
    Job(cases.gaussian(0.6), 2_000, "quick", goal=500),
    Job(cases.gaussian(0.6), 10_000, "quick", goal=500),
    Job(cases.gaussian(0.6), 100_000, "never"),
    Job(cases.gamma_exponential(1), 1_000, "slow"),
    Job(cases.gamma_exponential(1), 10_000, "slow", goal=500),
]
LIKE_FOR_LIKE_GOAL = 1000
LIKE_FOR_LIKE = {"n_bootstrap": 50, "reselect": False, "rng": 0}
NEIGHBOURS_TO_MATCH = ("scikit-learn", "ennemi")


def run_jobs(tables: Tables, repeats: int, quick: bool) -> None:
    """Whole jobs beside gmm-mi, which has error bars, and nearest neighbours, which have none."""
    ours, gmm_mi = peers.start_ours(), peers.start("gmm-mi")
    neighbours = {name: (peers.start(environment), call) for name, (environment, call) in peers.NEIGHBOURS.items()}
    for job in JOBS:
        gmm_mi_runs = job.gmm_mi == "quick" or (job.gmm_mi == "slow" and not quick)
        like, default, theirs = Timings(), Timings(), Timings() if gmm_mi_runs else Timings(reply={"failed": "not run"})
        neighbour_times = {name: Timings() for name in peers.NEIGHBOURS}
        for seed in range(repeats):
            arrays = dict(zip("xy", job.case.sample(np.random.default_rng(seed), job.n), strict=True))
            if seed == 0:  # what is done once in a process is not timed
                ours.call("fastgmmmi", arrays, **LIKE_FOR_LIKE)
                for worker, call in neighbours.values():
                    if worker:
                        worker.call(call, arrays)
            if gmm_mi and gmm_mi_runs:
                theirs.add(after_rest(gmm_mi.call, "gmm_mi", arrays))
            for _ in range(CALLS_OF_OURS):
                like.add(after_rest(ours.call, "fastgmmmi", arrays, **LIKE_FOR_LIKE))
                default.add(after_rest(ours.call, "fastgmmmi", arrays, rng=0))
                for name, (worker, call) in neighbours.items():
                    if worker:
                        neighbour_times[name].add(after_rest(worker.call, call, arrays))
        work = f"{job.case.name}, n={job.n:,}"
        if gmm_mi_runs:
            tables.compare(f"{work}: 50 bootstraps, reselect=False", like, "gmm-mi", theirs, LIKE_FOR_LIKE_GOAL)
            tables.compare(f"{work}: every default", default, "gmm-mi", theirs, job.goal)
        fastest = min(NEIGHBOURS_TO_MATCH, key=lambda name: np.nan_to_num(neighbour_times[name].median, nan=np.inf))
        tables.compare(f"{work}: 50 bootstraps, reselect=False", like, f"KSG of {fastest}", neighbour_times[fastest], 1)
        tables.compare(f"{work}: every default", default, f"KSG of {fastest}", neighbour_times[fastest], 1)
        tables.neighbours.append([work, *(times.cell for times in (like, default, *neighbour_times.values()))])
        estimates = [times.estimate for times in (like, default, theirs, *neighbour_times.values())]
        tables.estimates.append([work, f"{job.case.truth:.4f}", *estimates])


# ---- one pass of EM --------------------------------------------------------------------------------------------------

PASSES = [(2, 1), (2, 2), (2, 4), (2, 8), (2, 16), (1, 4), (3, 4), (5, 4), (10, 4), (25, 4), (50, 4)]  # d, K
PASS_SAMPLES = 10_000
PASS_LIMITS = {"v3": 1.6e-9, "v4": 1.3e-9}  # seconds per sample and component, d=2
LEAST_RATIOS = {1: 10, 2: 10, 3: 10, 5: 20, 10: 10, 25: 5, 50: 4}  # by d, on the best tier


def pass_arrays(d: int, n_components: int) -> dict[str, np.ndarray]:
    """Samples, and overlapping components around them."""
    rng = np.random.default_rng(d)
    return {
        "X": rng.standard_normal((PASS_SAMPLES, d)),
        "weights": np.full(n_components, 1 / n_components),
        "means": 0.5 * rng.standard_normal((n_components, d)),
        "precisions": np.tile(np.eye(d), (n_components, 1, 1)),  # and covariances
    }


def time_pass(program: Path, tier: str, arrays: dict[str, np.ndarray], data: Path) -> dict:
    """Seconds per sample and component of em_pass at one tier."""
    n, d = arrays["X"].shape
    columns, *parameters = arrays.values()
    data.write_bytes(b"".join(part.tobytes() for part in (columns.T.copy(), *parameters)))
    command = [program, str(n), str(d), str(len(arrays["weights"])), data]
    variables = os.environ | {"FASTGMMMI_CPU": tier}
    used, nanoseconds = subprocess.run(
        command, env=variables, capture_output=True, text=True, check=True
    ).stdout.split()
    if used != tier:
        raise RuntimeError(f"em_pass ran tier {used} where {tier} was asked for")
    return {"seconds": 1e-9 * float(nanoseconds)}


def run_passes(tables: Tables, repeats: int, quick: bool) -> None:
    """One EM pass on one core, per sample and component, at each tier."""
    peer = peers.start("scikit-learn", **ONE_THREAD)
    tiers = report.machine_tiers()
    with tempfile.TemporaryDirectory() as folder:
        program = programs.compile_program("em_pass", folder)
        for d, n_components in PASSES[:5] if quick else PASSES:
            arrays = pass_arrays(d, n_components)
            ours, theirs = {tier: Timings() for tier in tiers}, Timings()
            if peer:
                peer.call("mixture_scikit_learn", arrays, passes=1)
            for _ in range(repeats):
                for tier, times in ours.items():
                    times.add(time_pass(program, tier, arrays, Path(folder) / "data"))
                if peer:
                    reply = peer.call("mixture_scikit_learn", arrays, passes=20 + 200 // n_components)
                    theirs.add({name: value / (PASS_SAMPLES * n_components) for name, value in reply.items()})
            for tier, times in ours.items():
                work = f"EM pass, d={d}, K={n_components}, {tier}"
                goal = LEAST_RATIOS[d] if tier == tiers[-1] else None
                tables.compare(work, times, "scikit-learn GaussianMixture", theirs, goal)
            for tier, seconds in PASS_LIMITS.items() if d == 2 else ():
                times = ours.get(tier, Timings(reply={"failed": "not on this machine"}))
                tables.limit(f"EM pass, d={d}, K={n_components}, {tier}", times, seconds)


# ---- fits ------------------------------------------------------------------------------------------------------------

MOST_LEFT = 1e-7  # nats per sample
TOLERANCES = [10.0**-decade for decade in range(3, 13)]


@dataclass(frozen=True)
class Fit:
    """Samples, a number of components, and how many times faster than scikit-learn we want to be."""

    name: str
    X: np.ndarray
    n_components: int
    goal: float


def fits() -> list[Fit]:
    """Overlapping components in two dimensions and in ten."""
    rng = np.random.default_rng(1)
    plane = np.column_stack(cases.D5.sample(rng, 10_000))
    roots, means = rng.standard_normal((4, 10, 10)) / 10**0.5, 0.5 * rng.standard_normal((4, 10))
    components = rng.integers(0, 4, 10_000)
    tall = means[components] + np.einsum("nij,nj->ni", roots[components], rng.standard_normal((10_000, 10)))
    return [Fit("D5", plane, 5, goal=100), Fit("4 Gaussians", tall, 4, goal=10)]


def run_fits(tables: Tables, repeats: int, quick: bool) -> None:
    """A whole fit, and that of scikit-learn with the tolerance that leaves no more to gain than MOST_LEFT.

    Ours chooses its starting point as well; scikit-learn's is handed it. The prior of ours keeps it from the maximum of
    the likelihood itself: the row says by how much theirs ends above it.
    """
    peer = peers.start("scikit-learn")
    for fit in fits()[: 1 if quick else None]:
        ours, theirs = Timings(), Timings()
        begun = fastgmmmi.GaussianMixture(fit.n_components, tol=1e9, rng=0).fit(fit.X)
        start = {"weights": begun.weights, "means": begun.means, "precisions": np.linalg.inv(begun.covariances)}
        arrays = {"X": fit.X, **start}
        log_likelihood = fastgmmmi.GaussianMixture(fit.n_components, rng=0).fit(fit.X).log_likelihood
        name, tolerance = "scikit-learn", None
        if peer:
            replies = {tol: peer.call("fit_scikit_learn", arrays, tol=tol) for tol in TOLERANCES}
            end = max(log_likelihood, *(reply.get("log_likelihood", -np.inf) for reply in replies.values()))
            enough = [tol for tol, reply in replies.items() if reply.get("log_likelihood", -np.inf) >= end - MOST_LEFT]
            theirs.reply = {"failed": "ends lower"}
            tolerance = enough[0] if enough else None
        if tolerance is not None:
            passes, above = replies[tolerance]["n_iter"], end - log_likelihood
            name = f"scikit-learn, tol={tolerance:.0e}, {passes:,} passes; ends {above:.1e} above"
        for _ in range(repeats):
            for _ in range(CALLS_OF_OURS):
                ours.add(after_rest(timed_call, fastgmmmi.GaussianMixture(fit.n_components, rng=0).fit, fit.X))
            if tolerance is not None:
                theirs.add(after_rest(peer.call, "fit_scikit_learn", arrays, tol=tolerance))
        work = f"fit, {fit.name}, d={fit.X.shape[1]}, K={fit.n_components}, n={len(fit.X):,}"
        tables.compare(work, ours, name, theirs, fit.goal)


def after_rest(call: Callable[..., dict], *arguments: object, **options: object) -> dict:
    """What a call gives once threads of the one before have come to rest."""
    time.sleep(REST)
    return call(*arguments, **options)


def timed_call(function: Callable[..., object], *arguments: object, **options: object) -> dict:
    """Seconds of one call in this process."""
    start = time.perf_counter()
    function(*arguments, **options)
    return {"seconds": time.perf_counter() - start}


# ---- integrals -------------------------------------------------------------------------------------------------------

DRAWS = 100_000


def monte_carlo(mixture: fastgmmmi.GaussianMixture, rng: np.random.Generator) -> tuple[float, float]:
    """Information of the two variables of a mixture, and its error, as it is written with NumPy."""
    components = rng.choice(len(mixture.weights), DRAWS, p=mixture.weights)
    roots = np.linalg.cholesky(mixture.covariances)
    draws = mixture.means[components] + np.einsum("nij,nj->ni", roots[components], rng.standard_normal((DRAWS, 2)))
    parts = [log_density(mixture, draws, columns) for columns in ([0, 1], [0], [1])]
    ratios = parts[0] - parts[1] - parts[2]
    return ratios.mean(), ratios.std() / DRAWS**0.5


def log_density(mixture: fastgmmmi.GaussianMixture, X: np.ndarray, columns: list[int]) -> np.ndarray:
    """Logarithm of the density of some variables of a mixture."""
    covariances = mixture.covariances[:, columns][:, :, columns]
    offsets = X[:, None, columns] - mixture.means[:, columns]
    squares = np.einsum("nki,kij,nkj->nk", offsets, np.linalg.inv(covariances), offsets)
    peaks = np.log(mixture.weights) - 0.5 * np.log(np.linalg.det(2 * np.pi * covariances))
    return np.logaddexp.reduce(peaks - 0.5 * squares, axis=1)


def run_integrals(tables: Tables, repeats: int, quick: bool) -> None:
    """Information of a fitted mixture to 1e-5 nats, beside Monte Carlo."""
    X = np.column_stack(cases.gamma_exponential(1).sample(np.random.default_rng(1), 10_000))
    mixture = fastgmmmi.GaussianMixture(8, rng=0).fit(X)
    ours, theirs = Timings(), Timings()
    rng = np.random.default_rng(0)
    for _ in range(repeats):
        for _ in range(20):
            ours.add(timed_call(mixture.mutual_information, 0, 1, integration_tol=1e-5))
        theirs.add(timed_call(monte_carlo, mixture, rng))
    _, error = monte_carlo(mixture, rng)
    work = "MI of a fitted mixture to 1e-5 nats, K=8"
    tables.compare(work, ours, f"Monte Carlo, {DRAWS:,} draws, ± {error:.1e} nats", theirs)
    tables.limit(work, ours, 0.3e-3)


# ---- threads ---------------------------------------------------------------------------------------------------------


def run_threads(tables: Tables, repeats: int, quick: bool) -> None:
    """Two threads beside one."""
    x, y = cases.gamma_exponential(1).sample(np.random.default_rng(1), 10_000)
    columns = factor_model(500, 65)[: 100 if quick else None]
    left, right = columns[:, :25], columns[:, 25:]

    def estimate(threads):
        fastgmmmi.mutual_information(x, y, rng=0, threads=threads)

    def matrix(threads):
        fastgmmmi.mutual_information_matrix(left, right, n_bootstrap=0, rng=0, threads=threads)

    name = cases.gamma_exponential(1).name
    works = {
        f"{name}, n=10,000: every default, 2 threads": estimate,
        f"25 x 40 pairs, n={len(left)}, no bootstrap, 2 threads": matrix,
    }
    for work, function in works.items():
        one, two = Timings(), Timings()
        for _ in range(repeats):
            one.add(timed_call(function, 1))
            two.add(timed_call(function, 2))
        tables.compare(work, two, "1 thread", one, 1.8)


# ---- start-up --------------------------------------------------------------------------------------------------------


def seconds_of(statement: str) -> float:
    """Run one statement in a fresh interpreter, away from the checkout."""
    script = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    command = [sys.executable, "-c", script]
    return float(subprocess.run(command, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=True).stdout)


def run_imports(tables: Tables, repeats: int, quick: bool) -> None:
    """Import time beside NumPy's, in fresh processes."""
    ours, theirs = Timings(), Timings()
    for _ in range(5 * repeats):
        ours.add({"seconds": seconds_of("import fastgmmmi")})
        theirs.add({"seconds": seconds_of("import numpy")})
    ratio = theirs.median / ours.median
    cells = [report.duration(ours.median), "import numpy", report.duration(theirs.median), f"{ratio:.2f} x"]
    tables.add("import fastgmmmi", *cells, "at most 1.3 times", verdict(ratio, 1 / ratio <= 1.3))


COLD_START = """
import sys
import numpy
import fastgmmmi
x, y = numpy.load(sys.argv[1])
fastgmmmi.mutual_information(x, y, rng=0)
"""


def run_cold_start(tables: Tables, repeats: int, quick: bool) -> None:
    """A process from its start to the end of one estimate, beside one that imports NumPy."""
    ours, theirs = Timings(), Timings()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data.npy"
        np.save(data, cases.gaussian(0.6).sample(np.random.default_rng(1), 1_000))
        for _ in range(5 * repeats):
            for times, script in ((ours, COLD_START), (theirs, "import numpy")):
                times.add(timed_call(subprocess.run, [sys.executable, "-c", script, data], cwd=folder, check=True))
    ratio = ours.median / theirs.median
    cells = [ours.cell, 'python -c "import numpy"', theirs.cell, f"{1 / ratio:.2f} x"]
    tables.add("process with one estimate, n=1,000", *cells, "at most 1.5 times", verdict(ratio, ratio <= 1.5))


def run_overhead(tables: Tables, repeats: int, quick: bool) -> None:
    """What a call takes beyond the core, whose own time includes what the binding allocates and copies."""
    x, y = cases.gaussian(0.6).sample(np.random.default_rng(1), 200)
    call, core = Timings(), Timings()
    data = inputs.samples(inputs.pair(x, y), None, "raise")
    options = {**_core.default_options(), "n_components": 1, "n_bootstrap": 0}
    threads = parallel.resolve_threads(None)
    for _ in range(200 * repeats):
        call.add(timed_call(fastgmmmi.mutual_information, x, y, n_components=1, n_bootstrap=0, rng=0))
        core.add(timed_call(_core.information, *data.arrays, options, 0, threads, None))
    work = "one call, n=200, one component, no bootstrap"
    overhead = call.median - core.median
    tables.add(work, call.cell, "the core alone", core.cell, "", "", "")
    cells = [report.duration(overhead), "", "", "", "at most 0.3 ms", verdict(overhead, overhead <= 0.3e-3)]
    tables.add(f"{work}: what Python takes", *cells)


# ---- many pairs ------------------------------------------------------------------------------------------------------

MATRIX_EXPLANATION = (
    "Stand-ins with synthetic data for tables that people publish. Times are medians of calls in one run and may use "
    "every core, unless a number of threads is given. Memory is what the process grew by at most."
)


def latents_and_labels() -> tuple[np.ndarray, np.ndarray]:
    """Six latents, (48,000, 6), each of which leans on one of six labels of 4 to 15 classes."""
    rng = np.random.default_rng(1)
    labels = np.column_stack([rng.integers(0, n_classes, 48_000) for n_classes in (4, 6, 8, 10, 12, 15)])
    return labels / labels.max(axis=0) * rng.uniform(1, 6, 6) + rng.normal(size=labels.shape), labels


def latents_and_properties() -> tuple[np.ndarray, np.ndarray]:
    """Three latents, (4,300, 3), and thirteen properties that are bent and noisy functions of them."""
    rng = np.random.default_rng(2)
    latents = rng.normal(size=(4300, 3))
    mixed = latents @ rng.normal(size=(3, 13)) + rng.normal(size=(4300, 13))
    bent = [mixed, np.exp(mixed / 2), np.abs(mixed) + 0.2 * rng.normal(size=mixed.shape)]
    return latents, np.column_stack([bent[j % 3][:, j] for j in range(13)])


def factor_model(n: int, p: int) -> np.ndarray:
    """Columns, (n, p), that share twenty hidden factors."""
    rng = np.random.default_rng(3)
    return rng.normal(size=(n, 20)) @ rng.normal(size=(20, p)) / 20**0.5 + 0.5 * rng.normal(size=(n, p))


def run_matrices(tables: Tables, repeats: int, quick: bool) -> None:
    """Tables of pairs, with error bars; and all pairs of 500 columns without, beside nearest neighbours."""
    x, y = latents_and_labels()
    work = "6 x 6 latents and labels, n=48,000, 100 bootstraps"
    tables.limit(work, matrix_times({"x": x, "y": y}, repeats, discrete=[False] * 6 + [True] * 6), 10)
    x, y = latents_and_properties()
    work = "3 x 13 continuous pairs, n=4,300, 100 bootstraps"
    tables.limit(work, matrix_times({"x": x, "y": y}, repeats), 10)

    n, p = 1000, 100 if quick else 500
    x = factor_model(n, p)
    skewed = x[:, :60] + 0.2 * x[:, :60] ** 2  # takes several components
    for threads in dict.fromkeys((1, report.cores())):
        times = matrix_times({"x": skewed}, 1, n_bootstrap=0, threads=threads)
        work = f"all pairs of 60 skewed columns, n={n:,}, no bootstrap, {threads} thread{'' if threads == 1 else 's'}"
        tables.add(work, times.cell, "", "", "", "", "")
    times = matrix_times({"x": x}, 1, n_bootstrap=0)
    targets = np.arange(0, p, p // 10)
    theirs = Timings()
    if peer := peers.start("scikit-learn"):
        reply = peer.call("ksg_scikit_learn_columns", {"x": x, "targets": targets})
        pairs_timed, pairs = len(targets) * p, p * (p - 1) / 2
        theirs.add({name: value / pairs_timed * pairs for name, value in reply.items()})
    work = f"all pairs of {p} columns, n={n:,}, no bootstrap"
    tables.compare(work, times, f"scikit-learn KSG, from {len(targets) * p:,} pairs", theirs)
    megabytes = times.reply.get("megabytes", np.nan)
    tables.add(f"{work}: memory", f"{megabytes:.0f} MB", "", "", "", "", "")


def matrix_times(arrays: dict[str, np.ndarray], repeats: int, **options) -> Timings:
    """Seconds of a whole matrix, each in a process of its own, since peak memory never falls."""
    times = Timings()
    for _ in range(repeats):
        worker = peers.start_ours()
        times.add(worker.call("fastgmmmi_matrix", arrays, rng=0, **options))
        worker.close()
    return times


SECTIONS = {
    "jobs": run_jobs,
    "passes": run_passes,
    "fits": run_fits,
    "integrals": run_integrals,
    "threads": run_threads,
    "imports": run_imports,
    "cold-start": run_cold_start,
    "overhead": run_overhead,
}


def main() -> None:
    """Run the sections asked for and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--repeats", type=int, default=3, help="interleaved rounds (default: 3)")
    parser.add_argument("--quick", action="store_true", help="one round, without the long jobs and the high dimensions")
    parser.add_argument("--matrix", action="store_true", help="tables of many pairs instead")
    options = parser.parse_args()
    tables = Tables()
    if options.matrix:
        run_matrices(tables, 1 if options.quick else options.repeats, options.quick)
        times = report.table(HEADER, tables.times)
        text = f"# Many pairs\n\n{report.machine()}.\n{peers.versions()}\n\n{MATRIX_EXPLANATION}\n\n{times}"
        report.publish("matrix", text, record=not options.quick)
        return
    for section in options.rows:
        SECTIONS[section](tables, 1 if options.quick else options.repeats, options.quick)
    text = (
        f"# Speed\n\n{report.machine()}.\n{peers.versions()}\n\n{EXPLANATION}\n\n{report.table(HEADER, tables.times)}"
    )
    if tables.estimates:
        header = ["work", "fastgmmmi, 50 bootstraps", "fastgmmmi, every default", *peers.NEIGHBOURS]
        text += "\n\nBeside nearest neighbours (KSG), which have no error bar:\n\n" + report.table(
            header, tables.neighbours
        )
        header = ["work", "truth", "fastgmmmi, 50 bootstraps", "fastgmmmi, every default", "gmm-mi", *peers.NEIGHBOURS]
        text += f"\n\nThe estimates of the last round, in nats:\n\n{report.table(header, tables.estimates)}"
    report.publish("speed", text, record=not options.quick and options.rows == list(SECTIONS))


if __name__ == "__main__":
    main()
