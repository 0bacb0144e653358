"""Tasks of known information, those of the BMI benchmark and more of their kinds: `python benchmarks/tasks.py`.

Gaussian and Student-t variables, seen through invertible maps, and uniform noise; written from the descriptions of Czyż
et al. (2023) and the parameters of their list. Nearest neighbours for vectors stand beside, and in 25 + 25 dimensions
canonical correlations. Writes benchmarks/results/tasks.md and tasks.png; finished runs are kept in tasks.jsonl.
"""

import argparse
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import peers
import report
import runs
from matplotlib.figure import Figure
from scipy.special import gammaln, ndtr, ndtri, psi

import fastgmmmi

Maps = tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]]


@dataclass(frozen=True)
class Task:
    """How x (n, dx) and y (n, dy) are drawn, and their information in nats."""

    name: str
    truth: float
    sample: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


SAMPLES, SEEDS = 5_000, 3
GOALS = {"mean": (np.mean, 0.035), "median": (np.median, 0.012), "largest": (np.max, 0.25)}

# ---- Gaussian and Student-t ------------------------------------------------------------------------------------------


def dense(dx: int, dy: int, correlation: float = 0.5) -> np.ndarray:
    """Every variable correlated with every other."""
    return np.full((dx + dy, dx + dy), correlation) + (1 - correlation) * np.eye(dx + dy)


def sparse(dx: int, dy: int, pairs: int = 2, correlation: float = 0.8) -> np.ndarray:
    """Pairs of one variable of x and one of y correlated, all else independent."""
    covariance = np.eye(dx + dy)
    for i in range(min(pairs, dx, dy)):
        covariance[i, dx + i] = covariance[dx + i, i] = correlation
    return covariance


def gaussian_information(covariance: np.ndarray, dx: int) -> float:
    """From determinants."""
    parts = covariance[:dx, :dx], covariance[dx:, dx:], covariance
    x, y, joint = (np.linalg.slogdet(part)[1] for part in parts)
    return float(0.5 * (x + y - joint))


def student_excess(freedom: float, dx: int, dy: int) -> float:
    """What the tails add to the information of a Gaussian (Arellano-Valle, Contreras-Reyes and Genton 2013)."""

    def part(a: float) -> float:
        return gammaln(a / 2) - a / 2 * psi(a / 2)

    return float(part(freedom) + part(freedom + dx + dy) - part(freedom + dx) - part(freedom + dy))


def drawn(covariance: np.ndarray, dx: int, freedom: float | None = None) -> Callable:
    """Sampler of a Gaussian, or of a Student-t distribution of that dispersion."""
    root = np.linalg.cholesky(covariance)

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        rows = rng.normal(size=(n, len(root))) @ root.T
        if freedom is not None:
            rows /= np.sqrt(rng.chisquare(freedom, size=(n, 1)) / freedom)
        return rows[:, :dx], rows[:, dx:]

    return sample


# ---- maps ------------------------------------------------------------------------------------------------------------


def half_cube(x: np.ndarray) -> np.ndarray:
    """Lengthen the tails."""
    return x * np.sqrt(np.abs(x))


def wiggle_x(x: np.ndarray) -> np.ndarray:
    """Bend the line three times, and stay monotone."""
    return x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1) + 0.03 * np.sin(3.3 * x - 2.5)


def wiggle_y(y: np.ndarray) -> np.ndarray:
    """Bend it otherwise."""
    return y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)


def turned(x: np.ndarray, first: int, speed: float) -> np.ndarray:
    """Turn two neighbouring variables by an angle that grows with the squared length of the row."""
    out, angle = x.copy(), speed * (x**2).sum(axis=1)
    a, b = x[:, first], x[:, first + 1]
    out[:, first], out[:, first + 1] = np.cos(angle) * a - np.sin(angle) * b, np.sin(angle) * a + np.cos(angle) * b
    return out


def spirals(before: Callable[[np.ndarray], np.ndarray], d: int) -> Maps:
    """A map, then spirals in the first two variables of x and in the second and third of y."""
    return lambda x: turned(before(x), 0, 1 / d), lambda y: turned(before(y), 1, 1 / d)


def bimodal(x: np.ndarray, low: float, high: float, share: float) -> np.ndarray:
    """From a normal variable to a mixture of two about low and high, by its distribution function, interpolated."""
    grid = np.linspace(low - 9, high + 9, 100_001)
    return np.interp(x, ndtri(share * ndtr(grid - low) + (1 - share) * ndtr(grid - high)), grid)


def swiss_roll(x: np.ndarray) -> np.ndarray:
    """Roll one uniform variable up in the plane."""
    angle = 3 * np.pi / 2 * (1 + 2 * ndtr(x[:, 0]))
    return np.column_stack([angle * np.cos(angle), angle * np.sin(angle)]) / 21


def same(x: np.ndarray) -> np.ndarray:
    """Leave it."""
    return x


# ---- the tasks -------------------------------------------------------------------------------------------------------


def through(
    name: str, covariance: np.ndarray, dx: int, maps: Maps = (same, same), freedom: float | None = None
) -> Task:
    """A Gaussian or Student-t distribution seen through invertible maps of x and of y."""
    truth = gaussian_information(covariance, dx)
    if freedom is not None:
        truth += student_excess(freedom, dx, len(covariance) - dx)
    source = drawn(covariance, dx, freedom)

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = source(rng, n)
        return maps[0](x), maps[1](y)

    return Task(name, truth, sample)


def noisy(width: float) -> Task:
    """y = x + u, x uniform in (0, 1) and u in (-width, width)."""

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x = rng.random((n, 1))
        return x, x + rng.uniform(-width, width, (n, 1))

    truth = 1 / (4 * width) if width > 0.5 else width - np.log(2 * width)
    return Task(f"uniform noise {width:g}", float(truth), sample)


PAIR = np.array([[1, 0.75], [0.75, 1]])


def student(d: int, freedom: float) -> Task:
    """Uncorrelated, d variables a side."""
    return through(f"Student-t {d} x {d} (dof {freedom:g})", np.eye(2 * d), d, freedom=freedom)


def asinh_student(d: int, freedom: float) -> Task:
    """The same with shorter tails."""
    name = f"asinh of Student-t {d} x {d} (dof {freedom:g})"
    return through(name, np.eye(2 * d), d, (np.arcsinh, np.arcsinh), freedom)


def two_pairs(kind: str, d: int, maps: Maps = (same, same)) -> Task:
    """Two pairs of correlated variables, seen through maps."""
    return through(f"{kind} {d} x {d} two pairs", sparse(d, d), d, maps)


def bmi_tasks() -> list[Task]:
    """The 33 tasks of the benchmark that have at most 5 + 5 dimensions."""
    return [
        through("normal 1 x 1", PAIR, 1),
        through("normal cdf 1 x 1", PAIR, 1, (ndtr, ndtr)),
        noisy(0.1),
        noisy(0.75),
        through("bimodal 1 x 1", PAIR, 1, (lambda x: bimodal(x, 0, 5, 0.3), lambda y: bimodal(y, -1, 3, 0.5))),
        through("wiggly 1 x 1", PAIR, 1, (wiggle_x, wiggle_y)),
        through("half-cube 1 x 1", PAIR, 1, (half_cube, half_cube)),
        student(1, 1),
        asinh_student(1, 1),
        through("swiss roll 2 x 1", PAIR, 1, (swiss_roll, ndtr)),
        *(through(f"normal {d} x {d} dense", dense(d, d), d) for d in (2, 3, 5)),
        *(two_pairs("normal", d) for d in (2, 3, 5)),
        *(student(d, freedom) for d, freedom in ((2, 1), (2, 2), (3, 2), (3, 3), (5, 2), (5, 3))),
        *(two_pairs("normal cdf", d, (ndtr, ndtr)) for d in (3, 5)),
        *(two_pairs("half-cube", d, (half_cube, half_cube)) for d in (3, 5)),
        *(two_pairs("spiral", d, spirals(same, d)) for d in (3, 5)),
        *(two_pairs("spiral of normal cdf", d, spirals(ndtr, d)) for d in (3, 5)),
        *(asinh_student(d, freedom) for d, freedom in ((2, 1), (3, 2), (5, 2))),
    ]


def square_on_its_corner() -> Task:
    """Uniform u and v in (-1, 1), x = u + v and y = u - v: x and y have 1/2 + log 2 nats each, both together log 8."""

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        u, v = rng.uniform(-1, 1, (2, n, 1))
        return u + v, u - v

    return Task("square on its corner", float(1 - np.log(2)), sample)


def triangle() -> Task:
    """The smaller and the larger of two uniform numbers have 1/2 - log 2 nats each, both -log 2."""

    def sample(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        x, y = np.sort(rng.random((2, n, 1)), axis=0)
        return x, y

    return Task("triangle", float(1 - np.log(2)), sample)


def further_tasks() -> list[Task]:
    """More of these kinds: nothing was chosen by them."""
    wiggles = (wiggle_x, wiggle_y)
    return [
        through("exp and cube of normal 1 x 1", PAIR, 1, (np.exp, lambda y: y**3)),
        through("normal 1 x 5 dense", dense(1, 5), 1),
        through("wiggly normal 3 x 3 dense", dense(3, 3), 3, wiggles),
        through("Student-t 1 x 1 (dof 2), correlated", PAIR, 1, freedom=2),
        through("Student-t 2 x 3 (dof 3), dense", dense(2, 3), 2, freedom=3),
        through("wiggly Student-t 2 x 2 (dof 2), dense", dense(2, 2), 2, wiggles, 2),
        student(3, 1),
        student(5, 1),
        student(2, 3),
        student(2, 5),
        two_pairs("half-cube", 2, (half_cube, half_cube)),
        two_pairs("normal cdf", 2, (ndtr, ndtr)),
        two_pairs("fast spiral of x", 2, (lambda x: turned(x, 0, 1.0), same)),
        two_pairs("fast spiral of x", 3, (lambda x: turned(x, 0, 1.0), same)),
        two_pairs("wiggly", 4, wiggles),
        noisy(0.3),
        noisy(2),
        square_on_its_corner(),
        triangle(),
    ]


def high_tasks() -> list[Task]:
    """Tasks of the benchmark in 25 + 25 dimensions."""
    d = 25
    return [
        through(f"normal {d} x {d} dense", dense(d, d), d),
        two_pairs("normal", d),
        two_pairs("normal cdf", d, (ndtr, ndtr)),
        two_pairs("half-cube", d, (half_cube, half_cube)),
        two_pairs("spiral", d, spirals(same, d)),
        two_pairs("spiral of normal cdf", d, spirals(ndtr, d)),
    ]


HIGH = "The BMI benchmark in 25 + 25 dimensions"
GAUSSIANS = ["normal 25 x 25 dense", "normal 25 x 25 two pairs"]
TASKS = {
    "The BMI benchmark up to 5 + 5 dimensions": bmi_tasks(),
    "More of these kinds": further_tasks(),
    HIGH: high_tasks(),
}

# ---- runs and tables -------------------------------------------------------------------------------------------------


def named(name: str) -> Task:
    """A task by its name."""
    return next(task for tasks in TASKS.values() for task in tasks if task.name == name)


def run(name: str, seed: int) -> dict:
    """One data set through our estimator, nearest neighbours for vectors, and canonical correlations."""
    task = named(name)
    x, y = task.sample(np.random.default_rng([seed, zlib.crc32(name.encode())]), SAMPLES)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        r = fastgmmmi.mutual_information(x, y, rng=seed, threads=1)
    record = {"error": r.value - task.truth, "quoted": r.standard_error, "components": r.n_components}
    record |= {"marginals": r.marginals, "seconds": time.perf_counter() - start}
    worker = runs.peer("nearest-neighbours")
    value = worker.call("ksg_npeet", {"x": x, "y": y}).get("value") if worker else None
    record["ksg"] = np.nan if value is None else value - task.truth
    record["cca"] = gaussian_information(np.cov(np.hstack([x, y]).T), x.shape[1]) - task.truth
    return record


def mean_errors(tasks: list[Task], records: dict[runs.Key, dict], name: str) -> np.ndarray:
    """A task's error is the mean over its data sets."""
    return np.array([np.mean([r[name] for key, r in records.items() if key[0] == task.name]) for task in tasks])


def row(task: Task, found: list[dict]) -> list[str]:
    """One row."""
    errors = {name: np.mean([record[name] for record in found]) for name in ("error", "ksg", "cca")}
    scatter = np.std([record["error"] for record in found], ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.nan
    return [
        task.name,
        f"{task.truth:.3f}",
        f"{errors['error']:+.4f} ± {scatter:.4f}",
        f"{np.mean([record['quoted'] for record in found]):.4f}",
        *(f"{errors[name]:+.4f}" if np.isfinite(errors[name]) else "absent" for name in ("ksg", "cca")),
        ", ".join(sorted({record["marginals"] for record in found})),
        " ".join(str(record["components"]) for record in found),
        report.duration(np.median([record["seconds"] for record in found])),
    ]


HEADER = [
    "task",
    "truth",
    "mean error",
    "quoted error",
    "KSG (npeet)",
    "canonical correlations",
    "map",
    "components",
    "time, one thread",
]


def summary(tasks: list[Task], records: dict[runs.Key, dict]) -> str:
    """Mean, median and largest error over tasks."""
    ours, ksg = (abs(mean_errors(tasks, records, name)) for name in ("error", "ksg"))
    rows = [
        [name, f"{of(ours):.4f}", f"{of(ksg):.4f}", f"{goal:g}", "met" if of(ours) <= goal else "missed"]
        for name, (of, goal) in GOALS.items()
    ]
    return report.table(["|error| over tasks", "fastgmmmi", "KSG (npeet)", "goal", "verdict"], rows)


def high_summary(tasks: list[Task], records: dict[runs.Key, dict]) -> str:
    """Whether canonical correlations, of Gaussians, or nearest neighbours come nearer in 25 + 25 dimensions."""
    rows = []
    for name, peer, among in (
        ("no farther off than canonical correlations, of Gaussians", "cca", GAUSSIANS),
        ("nearer than KSG (npeet)", "ksg", [task.name for task in tasks]),
    ):
        asked = [task for task in tasks if task.name in among]
        ours, theirs = (abs(mean_errors(asked, records, which)) for which in ("error", peer))
        reached = int(np.sum(ours <= theirs))
        rows.append([name, f"{reached} of {len(asked)}", "all", "met" if reached == len(asked) else "missed"])
    return report.table(["|error|", "tasks", "goal", "verdict"], rows)


def picture(records: dict[runs.Key, dict]) -> Figure:
    """The error of every task beside that of nearest neighbours."""
    figure = Figure(figsize=(9, 9), layout="constrained")
    ax = figure.subplots()
    tasks = [task for each in TASKS.values() for task in each if any(key[0] == task.name for key in records)]
    places = np.arange(len(tasks))
    for name, label, marker in (("ksg", "nearest neighbours (npeet)", "x"), ("error", "fastgmmmi", "o")):
        ax.plot(mean_errors(tasks, records, name), places, marker, label=label, markersize=4)
    ax.axvline(0, color="tab:green", linewidth=0.8)
    ax.set_yticks(places, [task.name for task in tasks], fontsize=6)
    ax.invert_yaxis()
    ax.set_xlabel("mean error, nats")
    ax.legend()
    return figure


def main() -> None:
    """Run what is missing and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    report.add_run_options(parser, SEEDS)
    options = parser.parse_args()
    keys = [(task.name, seed) for tasks in TASKS.values() for task in tasks for seed in range(options.seeds)]
    records = runs.collect("tasks", run, keys, options.processes)
    parts = [
        f"# Tasks of many kinds\n\n{report.machine()}.",
        f"n = {SAMPLES:,}, up to {options.seeds} data sets for each task, errors in nats; every option at its default; "
        f"behind ± the Monte Carlo error. {peers.versions()}",
    ]
    for title, tasks in TASKS.items():
        present = [task for task in tasks if any(key[0] == task.name for key in records)]
        if not present:
            continue
        rows = [row(task, [record for key, record in records.items() if key[0] == task.name]) for task in present]
        of_all = high_summary if tasks is TASKS[HIGH] else summary
        parts += [f"## {title}", report.table(HEADER, rows), of_all(present, records)]
    complete = options.seeds >= SEEDS and len(records) == len(keys)
    report.publish("tasks", "\n\n".join(parts), options.record or complete, picture(records))


if __name__ == "__main__":
    main()
