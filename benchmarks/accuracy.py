"""Errors, error bars and coverage where the truth is known: `python benchmarks/accuracy.py`.

Writes benchmarks/results/accuracy.md, unless options leave something out. Finished runs are kept in
benchmarks/results/accuracy.jsonl, so that a stopped run goes on where it was, for the same build. Nearest neighbours
of four packages (accuracy-neighbours.jsonl) and gmm-mi stand beside where `python benchmarks/peers.py` has installed
them.
`--integral` compares the integral of fixed mixtures with an independent adaptive one, `--bits` compares the bits of
results over threads and CPU tiers, `--discrete` measures estimates with labels and conditions, entropies and
divergences, and writes benchmarks/results/discrete.md. `--delta` measures the error bars without resampling (delta.md).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import cases
import class_cases
import numpy as np
import peers
import report
import runs
from scipy import integrate

import fastgmmmi
from fastgmmmi import _core

SIZES = [200, 2_000, 20_000]
DELTA_SIZES = [200, 1_000, 5_000]
BITS_SEEDS = 4
GMM_MI_SAMPLES = 200  # larger ones take it minutes
NEIGHBOUR_SEEDS = 20
NEIGHBOUR_SIZES = SIZES[:2]  # larger ones take some packages seconds each

# ---- single runs -----------------------------------------------------------------------------------------------------


def run(case_name: str, n: int, seed: int, with_gmm_mi: bool) -> dict:
    """One data set through every estimator, on one thread."""
    case = cases.named(case_name)
    x, y = runs.data(case, n, seed)
    record = {"case": case.name, "n": n, **runs.estimate(x, y, seed)}
    if with_gmm_mi and (worker := runs.peer("gmm-mi")):
        record["gmm_mi"] = worker.call("gmm_mi", {"x": x, "y": y}).get("value")
    return record


def run_neighbour(package: str, case_name: str, n: int, seed: int) -> dict:
    """The same data set through one package's nearest neighbours."""
    environment, call = peers.NEIGHBOURS[package]
    x, y = runs.data(cases.named(case_name), n, seed)
    return runs.peer(environment).call(call, {"x": x, "y": y})


def run_all(chosen: list[cases.Case], sizes: list[int], seeds: int, gmm_mi_seeds: int, processes: int) -> list[dict]:
    """Every run asked for, old or new."""
    keys = [
        (case.name, n, seed, case.kind == "hard edge" and n == GMM_MI_SAMPLES and seed < gmm_mi_seeds)
        for n in sizes
        for case in chosen
        for seed in range(seeds)
    ]
    return list(runs.collect("accuracy", run, keys, processes).values())


def run_neighbours(chosen: list[cases.Case], sizes: list[int], seeds: int, processes: int) -> dict[runs.Key, dict]:
    """Every run of the packages that are installed; scalars alone where a package takes no vectors."""
    keys = [
        (package, case.name, n, seed)
        for package, (environment, _) in peers.NEIGHBOURS.items()
        if peers.interpreter(environment).exists()
        for case in chosen
        if package not in peers.FOR_SCALARS_ONLY or runs.data(case, 2, 0)[0].ndim == 1
        for n in sizes
        if n in NEIGHBOUR_SIZES
        for seed in range(min(seeds, NEIGHBOUR_SEEDS))
    ]
    return runs.collect("accuracy-neighbours", run_neighbour, keys, processes, peers.versions())


# ---- the table of errors ---------------------------------------------------------------------------------------------

HEADER = [
    "case",
    "n",
    "truth",
    "mean error",
    "quoted error",
    "mean error / quoted",
    "scatter",
    "covers 68 / 95, %",
    "largest pull",
    "time, one thread",
    "gmm-mi's mean error",
    "verdict",
]


def verdict(case: cases.Case, bias: float, largest_pull: float, covers: list[float]) -> str:
    """Bounds: 0.35 quoted errors for the mean, 5 for each; at independence the interval holds 0 as often as it says."""
    if case.kind == "hard edge":
        return "reported"
    if case.kind == "independent":
        return "met" if covers[0] >= 68 and covers[1] >= 95 else "missed"
    return "met" if abs(bias) <= 0.35 and largest_pull <= 5 else "missed"


def summary(case: cases.Case, n: int, records: list[dict]) -> list[str]:
    """One row."""
    values, quoted = (runs.numbers(records, name) for name in ("value", "standard_error"))
    errors = values - case.truth
    covers = [100 * np.mean(runs.holds(records, level, case.truth)) for level in (68, 95)]
    pull, bias = np.abs(errors / quoted).max(), errors.mean() / quoted.mean()
    theirs = np.array([record["gmm_mi"] for record in records if record.get("gmm_mi") is not None]) - case.truth
    return [
        case.name,
        f"{n:,}",
        f"{case.truth:.4f}",
        report.with_error(errors),
        f"{quoted.mean():.4f}",
        f"{bias:+.2f}",
        f"{values.std(ddof=1):.4f}" if len(records) > 1 else "",
        f"{covers[0]:.0f} / {covers[1]:.0f}",
        f"{pull:.1f}",
        report.duration(np.median([record["seconds"] for record in records])),
        report.with_error(theirs),
        verdict(case, bias, pull, covers),
    ]


def error_table(chosen: list[cases.Case], sizes: list[int], records: list[dict]) -> str:
    """Rows by case and size."""
    groups = defaultdict(list)
    for record in records:
        groups[record["case"], record["n"]].append(record)
    rows = [summary(case, n, groups[case.name, n]) for case in chosen for n in sizes]
    return report.table(HEADER, rows)


def neighbour_table(
    chosen: list[cases.Case], sizes: list[int], records: list[dict], neighbours: dict[runs.Key, dict]
) -> str:
    """Mean errors on the same data sets: ours, and those of nearest neighbours, package by package."""
    ours = {tuple(record["key"][:3]): record["value"] for record in records}
    rows = []
    for case in chosen:
        for n in (n for n in sizes if n in NEIGHBOUR_SIZES):
            seeds = [seed for seed in range(NEIGHBOUR_SEEDS) if (case.name, n, seed) in ours]
            found = [
                [neighbours.get((package, case.name, n, seed), {}).get("value") for seed in seeds]
                for package in peers.NEIGHBOURS
            ]
            columns = [[ours[case.name, n, seed] for seed in seeds], *found]
            errors = [np.array([value for value in column if value is not None]) - case.truth for column in columns]
            rows.append([case.name, f"{n:,}", *map(report.with_error, errors)])
    return report.table(["case", "n", "fastgmmmi", *peers.NEIGHBOURS], rows)


# ---- labels, conditions, entropy, divergence -------------------------------------------------------------------------


def run_class_case(case_name: str, n: int, seed: int) -> list[float]:
    """One data set: value, error, ends of two intervals, seconds; NaN where one class only was drawn."""
    case = next(case for case in class_cases.CASES if case.name == case_name)
    arguments = case.sample(np.random.default_rng([seed, n, zlib.crc32(case.name.encode())]), n)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes with few samples
        try:
            r = getattr(fastgmmmi, case.function)(**arguments, **case.keywords, rng=seed, threads=1)
        except fastgmmmi.DegenerateDataError:
            return [np.nan] * 7
    seconds = time.perf_counter() - start
    return [r.value, r.standard_error, *r.confidence_interval(0.68), *r.confidence_interval(0.95), seconds]


def class_summary(case: class_cases.ClassCase, n: int, runs: np.ndarray) -> list[str]:
    """One row. Bounds: a quarter of the quoted error for the mean; 95% intervals cover 91 to 98.5%, or more at 0.

    Hard edges are reported only.
    """
    n_undefined = np.count_nonzero(np.isnan(runs[:, 0]))
    runs = runs[~np.isnan(runs[:, 0])]
    errors, quoted = runs[:, 0] - case.truth, runs[:, 1].mean()
    low68, high68, low95, high95 = runs[:, 2:6].T
    covers = [
        100 * np.mean((low <= case.truth) & (case.truth <= high)) for low, high in ((low68, high68), (low95, high95))
    ]
    met = abs(errors.mean()) <= 0.25 * quoted and covers[1] >= 91 and (covers[1] <= 98.5 or abs(case.truth) < 1e-9)
    is_hard = getattr(case, "kind", "") == "hard edge"
    return [
        case.name + (f" (but {n_undefined} of one class)" if n_undefined else ""),
        f"{n:,}",
        f"{case.truth:.4f}",
        report.with_error(errors),
        f"{quoted:.4f}",
        f"{errors.mean() / quoted:+.2f}",
        f"{errors.std(ddof=1):.4f}",
        f"{covers[0]:.0f} / {covers[1]:.1f}",
        report.duration(np.median(runs[:, 6])),
        "reported" if is_hard else "met" if met else "missed",
    ]


def run_delta(case_name: str, n: int, seed: int) -> list[float]:
    """The same of one data set of two variables, without resampling."""
    case = cases.named(case_name)
    r = runs.estimate(*runs.data(case, n, seed), seed, error="delta")
    return [r["value"], r["standard_error"], *r["interval68"], *r["interval95"], r["seconds"]]


def class_table(
    chosen: list[class_cases.ClassCase] | list[cases.Case],
    sizes: list[int],
    seeds: int,
    processes: int,
    run: Callable[[str, int, int], list[float]] = run_class_case,
) -> str:
    """Rows by case and size."""
    rows = []
    with ProcessPoolExecutor(processes) as pool:
        for case in chosen:
            for n in sizes:
                jobs = ([case.name] * seeds, [n] * seeds, range(seeds))
                runs = np.array(list(pool.map(run, *jobs, chunksize=4)))
                rows.append(class_summary(case, n, runs))
                print(*rows[-1], sep=" | ", file=sys.stderr, flush=True)
    header = [*HEADER[:8], "time, one thread", "verdict"]
    return report.table(header, rows)


# ---- integrals of fixed mixtures -------------------------------------------------------------------------------------


def fixed_mixtures() -> dict[str, cases.Mixture]:
    """The mixtures whose integrals are compared."""
    rng = np.random.default_rng(20)
    roots = rng.standard_normal((20, 2, 2))
    covariances = 0.1 * (roots @ roots.transpose(0, 2, 1)) + 0.02 * np.eye(2)
    many = cases.Mixture(rng.dirichlet(np.ones(20)), 2 * rng.standard_normal((20, 2)), covariances)
    widths = [(1, 0.5, 1), (1e-4, 8e-5, 1e-4), (1e-4, 0, 1)]
    unequal = cases.plane_mixture([0.6, 0.2, 0.2], [(0, 0), (0.7, -0.4), (-1, 1)], widths)
    return {"D1": cases.D1, "D3p": cases.D3P, "D5": cases.D5, "widths 1:100": unequal, "20 components": many}


def log_density(points: np.ndarray, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Logarithm of a mixture's density at points (n, d)."""
    roots = np.linalg.cholesky(covariances)
    whitened = np.linalg.solve(roots[:, None], (points[None] - means[:, None])[..., None])[..., 0]
    peaks = (
        np.log(weights) - np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(1) - 0.5 * means.shape[1] * np.log(2 * np.pi)
    )
    return np.logaddexp.reduce(peaks[:, None] - 0.5 * (whitened**2).sum(-1), axis=0)


def adaptive_integral(mixture: cases.Mixture) -> float:
    """MI by SciPy's adaptive cubature over each component's own coordinates, cut where narrower components are."""
    weights, means, covariances = mixture.weights, mixture.means, mixture.covariances

    def log_ratio(points):
        joint = log_density(points, weights, means, covariances)
        sides = (log_density(points[:, [i]], weights, means[:, [i]], covariances[:, [i]][:, :, [i]]) for i in (0, 1))
        return joint - sum(sides)

    total = 0.0
    for weight, mean, root in zip(weights, means, np.linalg.cholesky(covariances), strict=True):

        def integrand(z, mean=mean, root=root):
            return np.exp(-0.5 * (z**2).sum(1)) / (2 * np.pi) * log_ratio(mean + z @ root.T)

        inverse = np.linalg.inv(root)
        centres = (means - mean) @ inverse.T
        spreads = np.sqrt(np.diagonal(inverse @ covariances @ inverse.T, axis1=1, axis2=2))
        cuts = []
        for i in (0, 1):
            narrow = spreads[:, i] < 0.3
            edges = (centres[narrow, i, None] + spreads[narrow, i, None] * [-6, -2, 2, 6]).ravel()
            cuts.append(np.unique(np.concatenate([[-9, 0, 9], edges[np.abs(edges) < 9]])))
        for left, right in zip(cuts[0], cuts[0][1:], strict=False):
            for low, high in zip(cuts[1], cuts[1][1:], strict=False):
                total += weight * integrate.cubature(integrand, [left, low], [right, high], rtol=0, atol=1e-9).estimate
    return float(total)


def integral_table() -> str:
    """Our integral of each mixture beside the adaptive one."""
    header = ["mixture", "components", "adaptive", "fastgmmmi", "error", "integration_error", "time", "verdict"]
    rows = []
    for name, mixture in fixed_mixtures().items():
        columns = [np.array(numbers, np.int32) for numbers in ([0], [1], [])]
        parameters = (mixture.weights, mixture.means, mixture.covariances)
        start = time.perf_counter()
        value, quoted = _core.mixture_mutual_information(*parameters, *columns, 1e-5, 0)
        seconds = time.perf_counter() - start
        reference = adaptive_integral(mixture)
        error = abs(value - reference)
        met = error <= 1e-5 and error <= 3 * quoted + 1e-8  # the reference itself is good to about 1e-8
        numbers = [f"{reference:.8f}", f"{value:.8f}", f"{error:.1e}", f"{quoted:.1e}", report.duration(seconds)]
        rows.append([name, str(len(mixture.weights)), *numbers, "met" if met else "missed"])
    return report.table(header, rows)


# ---- bits ------------------------------------------------------------------------------------------------------------

BITS_SCRIPT = """
import json, numpy as np, fastgmmmi
rng = np.random.default_rng(0)
x, y, z, w = rng.standard_normal((4, 600))
jobs = [(x, 0.6 * x + 0.8 * y, {}), (np.log(np.abs(x)), y * x, {"n_bootstrap": 50, "reselect": False}),
        (np.column_stack([x, y]), np.column_stack([x + z, y + w]), {"n_bootstrap": 20})]
answers = []
for threads in (1, 2, 3):
    results = [fastgmmmi.mutual_information(a, b, rng=1, threads=threads, **options) for a, b, options in jobs]
    answers.append([[r.value, r.standard_error, *r.bootstrap_distribution] for r in results])
print(json.dumps([fastgmmmi.cpu_tier(), [[[v.hex() for v in row] for row in answer] for answer in answers]]))
"""


def bits_table() -> str:
    """Whether 1, 2 and 3 threads give the same bits on each tier, and how far tiers differ."""
    rows, plainest = [], None
    for tier in report.machine_tiers():
        variables = os.environ | {"FASTGMMMI_CPU": tier}
        command = [sys.executable, "-c", BITS_SCRIPT]
        output = subprocess.run(
            command, env=variables, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=True
        )
        used, answers = json.loads(output.stdout)
        same = used == tier and answers[0] == answers[1] == answers[2]
        numbers = np.array([float.fromhex(number) for row in answers[0] for number in row])
        plainest = numbers if plainest is None else plainest
        difference = np.nanmax(np.abs(numbers / plainest - 1))
        rows.append(
            [
                tier,
                "same bits" if same else "differ",
                f"{difference:.1e}",
                "met" if same and difference <= 1e-9 else "missed",
            ]
        )
    return report.table(
        ["tier", "1, 2 and 3 threads", "largest relative difference to the first tier", "verdict"], rows
    )


# ---- rounding --------------------------------------------------------------------------------------------------------


def answer(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Value and standard error of a short job."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        r = fastgmmmi.mutual_information(x, y, rng=0, n_bootstrap=20)
    return np.array([r.value, r.standard_error])


def rounding_table(seeds: int) -> str:
    """How far other rounding moves value and error: of another tier, and of an offset of 1e8 in both variables."""
    rows = []
    best = _core.cpu_tier()
    for case in cases.CASES:
        for n in (200, 2000):
            tiers, offset = [], []
            for seed in range(seeds):
                x, y = case.sample(np.random.default_rng([seed, n]), n)
                answers = []
                for tier in report.machine_tiers():
                    _core.set_cpu_tier(tier)
                    answers.append(answer(x, y))
                _core.set_cpu_tier(best)
                tiers.append(max(np.max(np.abs(other / answers[0] - 1)) for other in answers[1:] or answers))
                offset.append(abs(answer(x + 1e8, y + 1e8)[0] - answer(x, y)[0]))
            met = max(tiers) <= 1e-9 and max(offset) <= 1e-6
            numbers = [f"{max(tiers):.1e}", f"{max(offset):.1e}", "met" if met else "missed"]
            rows.append([case.name, f"{n:,}", *numbers])
    header = ["case", "n", "tiers, relative (1e-9)", "offset of 1e8, nats (1e-6)", "verdict"]
    return (
        f"The largest of {seeds} data sets; value and standard error over tiers, value under the offset.\n\n"
        + report.table(header, rows)
    )


def main() -> None:
    """Run what is asked for and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [case.name for case in (*cases.CASES, *class_cases.CASES)]
    parser.add_argument("--cases", nargs="+", choices=names, metavar="CASE")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument(
        "--gmm-mi", type=int, default=0, metavar="SEEDS", help="seeds of gmm-mi itself (3 s and more each)"
    )
    parser.add_argument("--processes", type=int, default=report.cores())
    parser.add_argument("--quick", action="store_true", help="5 seeds, not the largest size")
    parser.add_argument("--integral", action="store_true", help="only the integrals of fixed mixtures")
    parser.add_argument(
        "--bits",
        nargs="?",
        type=int,
        const=BITS_SEEDS,
        metavar="SEEDS",
        help="only the bits over threads and tiers, and rounding over so many data sets a row",
    )
    parser.add_argument("--discrete", action="store_true", help="only labels, conditions, entropies and divergences")
    parser.add_argument("--delta", action="store_true", help="only error bars without resampling")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.sizes = 5, options.sizes[:2]
    chosen = [case for case in cases.CASES if not options.cases or case.name in options.cases]
    if options.discrete:
        chosen = [case for case in class_cases.CASES if not options.cases or case.name in options.cases]
        table = class_table(chosen, options.sizes, options.seeds, options.processes)
        complete = options.seeds >= 200 and len(chosen) == len(class_cases.CASES)
        report.publish("discrete", f"# Labels and conditions\n\n{report.machine()}.\n\n{table}", record=complete)
        return
    if options.delta:
        sizes = DELTA_SIZES if options.sizes == SIZES else options.sizes
        table = class_table(chosen, sizes, options.seeds, options.processes, run_delta)
        complete = options.seeds >= 100 and len(chosen) == len(cases.CASES) and sizes == DELTA_SIZES
        report.publish("delta", f"# Errors without resampling\n\n{report.machine()}.\n\n{table}", record=complete)
        return
    everything = not options.integral and options.bits is None
    parts = [f"# Accuracy\n\n{report.machine()}."]
    if everything:
        records = run_all(chosen, options.sizes, options.seeds, options.gmm_mi, options.processes)
        neighbours = run_neighbours(chosen, options.sizes, options.seeds, options.processes)
        parts += [
            f"## Estimates\n\n{options.seeds} data sets for each row, every option at its default; errors in nats. "
            f"{peers.versions()}",
            error_table(chosen, options.sizes, records),
            peers.published_table(),
            f"## Beside nearest neighbours\n\nMean errors over {min(options.seeds, NEIGHBOUR_SEEDS)} of these data "
            "sets, nats. Packages are as they come (k = 3; infomeasure 4), and none gives an error bar; scikit-learn "
            "and ennemi take scalars only.",
            neighbour_table(chosen, options.sizes, records, neighbours),
        ]
    if everything or options.integral:
        parts += ["## Integrals of fixed mixtures, to 1e-5 nats", integral_table()]
    if everything or options.bits is not None:
        parts += ["## The same bits", bits_table(), "## Rounding", rounding_table(options.bits or BITS_SEEDS)]
    complete = everything and options.seeds >= 100 and len(chosen) == len(cases.CASES) and options.sizes == SIZES
    report.publish("accuracy", "\n\n".join(parts), record=complete)


if __name__ == "__main__":
    main()
