"""How far estimates move with each setting: `python benchmarks/settings.py`.

One setting at a time is moved from its default, on the same data sets. Writes benchmarks/results/settings.md and
settings.png. Finished runs are kept in settings.jsonl and settings-gmm-mi.jsonl there; Ctrl-C prints what there is, and
the same command goes on from there. `--table-only` runs nothing.
"""

import argparse

import cases
import numpy as np
import peers
import report
import runs
from matplotlib.figure import Figure

SIZES = [1_000, 10_000]
CASES = ["Gaussian rho=0.6", "gamma-exponential a=1, logs", "D5"]
SEEDS = 20
GMM_MI_CELLS = [(name, n) for n in SIZES for name in CASES]
GMM_MI_SEEDS = 5
LONG_CELLS = GMM_MI_CELLS[4:]  # minutes each of gmm-mi, seconds each elsewhere: fewer data sets, fewer values
LONG_SEEDS = 2
LARGEST_SHIFT, LARGEST_CHANGE = 0.3, 20  # of the value, in default error bars; of the error bar, in per cent
DEFAULT = "default"
# Where the default has one of a setting's values, that value is left out; those of None are the core's own.
SETTINGS = {
    "n_inits": [1, 2, 3, 5, 10],
    "n_folds": [2, 3, 4, 7, 10],
    "patience": [1, 3, 4, 5],
    "tol": [1e-6, 1e-5, 1e-4, 1e-3],
    "reg_covar": [1e-12, 1e-10, 1e-8, 1e-6],
    "init": [
        "split",
        "kmeans++",
        "random",
        "minmax",
        "kmeans",
        "randomized_kmeans",
        "random_sklearn",
        "kmeans_sklearn",
    ],
    "n_bootstrap": [20, 50, 200, 500],
    "max_components": [20, 100],
}
# Which argument of worker.py's call takes a setting of gmm-mi's, and its name there; the others are the call's own.
THEIR_NAMES = {
    "tol": ("fit", "threshold_fit"),
    "reg_covar": ("fit", "reg_covar"),
    "init": ("fit", "init_type"),
    "n_bootstrap": ("distribution", "n_bootstrap"),
}
OURS_ONLY = ["split", "kmeans++"]
# In long cells gmm-mi is left out where a value is its own default, lies between others, or takes a quarter of an hour.
LEFT_OUT_IF_LONG = {
    "n_inits": [2, 3, 5],
    "n_folds": [2, 3, 4, 7],
    "patience": [1, 3, 4],
    "tol": [1e-5, 1e-4],
    "reg_covar": [1e-12, 1e-10, 1e-8],
    "init": ["random_sklearn"],
    "n_bootstrap": [50, 500],
    "max_components": [100],
}

Value = int | float | str


def run(name: str, n: int, setting: str, value: Value, seed: int) -> dict:
    """One data set with one setting moved."""
    options = {} if setting == DEFAULT else {setting: value}
    return runs.estimate(*runs.data(cases.named(name), n, seed), seed, **options)


def run_gmm_mi(name: str, n: int, setting: str, value: Value, seed: int) -> dict:
    """The same of gmm-mi."""
    x, y = runs.data(cases.named(name), n, seed)
    options = {} if setting == DEFAULT else {setting: value}
    if setting in THEIR_NAMES:
        holder, option = THEIR_NAMES[setting]
        options = {holder: {option: value}}
    return runs.peer("gmm-mi").call("gmm_mi", {"x": x, "y": y}, **options)


def their_seeds(cell: tuple[str, int], setting: str, value: Value, seeds: int) -> range:
    """The data sets of gmm-mi's with one value of a setting."""
    if value in OURS_ONLY or (cell in LONG_CELLS and value in LEFT_OUT_IF_LONG.get(setting, [])):
        return range(0)
    return range(min(seeds, LONG_SEEDS) if cell in LONG_CELLS else seeds)


def moves(groups: dict, name: str, n: int, setting: str, value: Value) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of the value in default error bars, and changes of the error bar in per cent, data set by data set."""
    moved, default = (
        {record["key"][-1]: record for record in groups.get((name, n, *which), []) if "failed" not in record}
        for which in ((setting, value), (DEFAULT, 0))
    )
    pairs = [(moved[seed], default[seed]) for seed in moved if seed in default]
    shifts = [(new["value"] - old["value"]) / old["standard_error"] for new, old in pairs]
    changes = [100 * (new["standard_error"] / old["standard_error"] - 1) for new, old in pairs]
    return np.array(shifts, float), np.array(changes, float)


def failures(groups: dict, name: str, n: int, setting: str, value: Value) -> str:
    """How many data sets gave no estimate, where any did not."""
    count = sum("failed" in record for record in groups.get((name, n, setting, value), []))
    return f" ({count} failed)" if count else ""


def row(setting: str, value: Value, groups: dict, theirs: dict, cells: list[tuple[str, int]]) -> list[list[str]]:
    """A row for each cell that has been run with this setting."""
    rows = []
    for name, n in cells:
        shifts, changes = moves(groups, name, n, setting, value)
        if shifts.size > 1:
            met = {
                "value": abs(shifts.mean()) < LARGEST_SHIFT,
                "error bar": abs(changes.mean()) < LARGEST_CHANGE,
            }
            numbers = [report.with_error(shifts, 2), f"{abs(shifts).mean():.2f}", report.with_error(changes, 1)]
            numbers += [
                report.with_error(each, digits)
                for each, digits in zip(moves(theirs, name, n, setting, value), (2, 1), strict=True)
            ]
            numbers[3] += failures(theirs, name, n, setting, value)
            verdict = report.verdict([bound for bound, is_met in met.items() if not is_met])
            rows.append([setting, f"{value}", name, f"{n:,}", str(shifts.size), *numbers, verdict])
    return rows


HEADER = [
    "setting",
    "value",
    "case",
    "n",
    "data sets",
    "mean shift / error bar",
    "mean absolute shift",
    "change of the error bar, %",
    "gmm-mi: mean shift / error bar",
    "gmm-mi: change of the error bar, %",
    "verdict",
]


def largest(source: dict, cells: list[tuple[str, int]], setting: str, which: int, digits: int) -> str:
    """The mean move that is farthest from 0 over the values of a setting and over cells, and where it is."""
    found = [
        (moves(source, *cell, setting, value)[which], f"{value}; {cell[0]}, {cell[1]:,}")
        for value in SETTINGS[setting]
        for cell in cells
    ]
    found = [(numbers, place) for numbers, place in found if numbers.size > 1]
    if not found:
        return ""
    numbers, place = max(found, key=lambda pair: abs(pair[0].mean()))
    return f"{report.with_error(numbers, digits)} ({place})"


def summary_table(groups: dict, theirs: dict, cells: list[tuple[str, int]], settings: list[str]) -> str:
    """One row for each setting."""
    rows = [
        [
            setting,
            *(largest(groups, cells, setting, which, 2 - which) for which in (0, 1)),
            *(largest(theirs, GMM_MI_CELLS, setting, which, 2 - which) for which in (0, 1)),
        ]
        for setting in settings
    ]
    names = ["shift / error bar", "change of the error bar, %"]
    return report.table(
        ["setting", *(f"largest mean {name}" for name in names), *(f"gmm-mi's {name}" for name in names)], rows
    )


def picture(groups: dict, theirs: dict, cells: list[tuple[str, int]], points: list[tuple[str, Value]]) -> Figure:
    """Mean shifts of value and error bar, setting by setting, against the goals."""
    figure = Figure(figsize=(9, 1.5 + 0.19 * len(points)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    everyone = [(f"{name}, {n:,}", groups, (name, n), "o") for name, n in cells]
    everyone += [(f"gmm-mi, {name}, {n:,}", theirs, (name, n), "x") for name, n in GMM_MI_CELLS]
    for offset, (label, source, cell, marker) in zip(np.linspace(0.3, -0.3, len(everyone)), everyone, strict=True):
        found = [(-place + offset, moves(source, *cell, *which)) for place, which in enumerate(points)]
        found = [(place, both) for place, both in found if both[0].size > 1]
        for i, ax in enumerate(panels):
            means = [both[i].mean() for _, both in found]
            bars = [report.mean_error(both[i]) for _, both in found]
            places = [place for place, _ in found]
            ax.errorbar(means, places, xerr=bars, fmt=marker, markersize=3, elinewidth=0.8, label=label)
    for ax, bound, name in zip(
        panels, (LARGEST_SHIFT, LARGEST_CHANGE), ("shift / error bar", "change of the error bar, %"), strict=True
    ):
        ax.axvspan(-bound, bound, color="tab:green", alpha=0.15)
        ax.set_xlabel(f"mean {name}")
    panels[0].set_yticks(-np.arange(len(points)), [f"{setting} = {value}" for setting, value in points], fontsize=7)
    panels[1].legend(fontsize=6)
    return figure


def main() -> None:
    """Run what is missing and publish the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="SETTING")
    parser.add_argument("--gmm-mi", type=int, default=GMM_MI_SEEDS, metavar="SEEDS", help="data sets of gmm-mi's")
    report.add_run_options(parser, SEEDS)
    options = parser.parse_args()
    cells = [(name, n) for n in options.sizes for name in CASES]
    points = [(setting, value) for setting in options.settings for value in SETTINGS[setting]]
    keys = [
        (*cell, *point, seed) for cell in cells for point in [(DEFAULT, 0), *points] for seed in range(options.seeds)
    ]
    groups = runs.grouped(runs.collect("settings", run, keys, options.processes))
    their_keys = [
        (*cell, *point, seed)
        for cell in GMM_MI_CELLS
        for point in [(DEFAULT, 0), *points]
        for seed in their_seeds(cell, *point, options.gmm_mi)
    ]
    processes = options.processes if peers.interpreter("gmm-mi").exists() else 0
    theirs = runs.grouped(runs.collect("settings-gmm-mi", run_gmm_mi, their_keys, processes, peers.GMM_MI))
    rows = [line for point in points for line in row(*point, groups, theirs, cells)]
    text = (
        f"# Settings\n\n{report.machine()}.\n\nOne setting at a time moved from its default, the same up to "
        f"{options.seeds} data sets; gmm-mi from its own default, {options.gmm_mi} data sets, "
        f"{LONG_SEEDS} where one estimate of gmm-mi's takes minutes (D5 and the gamma-exponential, n=10,000), with the "
        f"values farthest from its default only. Behind ± is the Monte "
        f"Carlo error. Goals: the mean shift is less than {LARGEST_SHIFT} error bars, that of the error bar "
        f"less than {LARGEST_CHANGE}%. {peers.versions()}\n\n"
        f"{summary_table(groups, theirs, cells, options.settings)}\n\n{report.table(HEADER, rows)}"
    )
    complete = options.seeds >= SEEDS and len(rows) == sum(map(len, SETTINGS.values())) * len(SIZES) * len(CASES)
    report.publish("settings", text, options.record or complete, picture(groups, theirs, cells, points))


if __name__ == "__main__":
    main()
