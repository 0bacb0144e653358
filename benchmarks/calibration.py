"""How often intervals hold the truth, and errors in units of those quoted: `python benchmarks/calibration.py`.

Writes benchmarks/results/calibration.md and calibration.png. Finished runs are kept in calibration.jsonl there; small
data sets come first, and Ctrl-C prints what there is; the same command goes on from there. `--table-only` runs nothing.
"""

import argparse
import sys
from dataclasses import dataclass

import cases
import numpy as np
import peers
import report
import runs
from matplotlib.figure import Figure

GAUSSIANS = [f"Gaussian rho={rho:g}" for rho in (0.3, 0.6, 0.9)]
GAMMAS = [f"gamma-exponential a={a:g}, logs" for a in (0.3, 1, 10)]
NAMES = ["D1", "D3p", "D5", "ring of 8", "mixture 3+2", *GAUSSIANS, *GAMMAS]
SIZES = [200, 1_000, 10_000]
MANY = 50_000  # for D5 and the Gaussians
SEEDS = 300

LEVELS = (68, 95)
BANDS = {68: (60.5, 75.5), 95: (91, 98.5)}  # per cent of intervals that should hold the truth, in a cell
POOLED_BANDS = {68: (66, 70), 95: (94, 96)}
LARGEST_BIAS, LARGEST_POOLED_BIAS = 0.25, 0.1  # standard errors
PULL_BAND = (0.85, 1.15)
FAR_FROM_ZERO = 5  # standard errors; nearer to 0 estimates are not Gaussian, and pulls say little

Cell = tuple[str, int]  # case, samples


def run(name: str, n: int, seed: int) -> dict:
    """One data set."""
    return runs.estimate(*runs.data(cases.named(name), n, seed), seed)


def cells(names: list[str], sizes: list[int]) -> list[Cell]:
    """What is measured, in the order of the table."""
    return [(name, n) for name in names for n in sizes if n < MANY or name == "D5" or name in GAUSSIANS]


@dataclass(frozen=True)
class Calibration:
    """What the runs of one cell say; each number has its Monte Carlo error beside it."""

    truth: float
    quoted: float
    bias: float  # in units of the mean quoted error
    bias_error: float
    scatter: float
    scatter_error: float
    held: dict[int, np.ndarray]  # for each level, which intervals hold the truth
    pull: float  # standard deviation of error / quoted error
    pull_error: float
    n_components: np.ndarray

    def missed(self) -> list[str]:
        """The bounds that are not met."""
        shares = {level: 100 * held.mean() for level, held in self.held.items()}
        met = {f"{level}%": low <= shares[level] <= high for level, (low, high) in BANDS.items()}
        met["bias"] = abs(self.bias) < LARGEST_BIAS
        met["pull"] = self.truth <= FAR_FROM_ZERO * self.quoted or PULL_BAND[0] <= self.pull <= PULL_BAND[1]
        return [name for name, is_met in met.items() if not is_met]


def calibration(truth: float, records: list[dict]) -> Calibration:
    """Of one cell."""
    values, quoted = (runs.numbers(records, name) for name in ("value", "standard_error"))
    errors, pulls = values - truth, (values - truth) / quoted
    return Calibration(
        truth,
        quoted.mean(),
        errors.mean() / quoted.mean(),
        report.mean_error(errors) / quoted.mean(),
        errors.std(ddof=1),
        report.deviation_error(errors),
        {level: runs.holds(records, level, truth) for level in LEVELS},
        pulls.std(ddof=1),
        report.deviation_error(pulls),
        runs.numbers(records, "n_components"),
    )


HEADER = [
    "case",
    "n",
    "data sets",
    "truth",
    "quoted error",
    "scatter",
    "mean error / quoted",
    "68% intervals hold it, %",
    "95%",
    "sd of error / quoted",
    "components",
    "gmm-mi, published: mean error / quoted",
    "68 / 95%",
    "verdict",
]


def row(cell: Cell, found: Calibration) -> list[str]:
    """One row."""
    name, n = cell
    published = peers.PUBLISHED.get(cell)
    smallest, largest = found.n_components.min(), found.n_components.max()
    return [
        name,
        f"{n:,}",
        str(found.n_components.size),
        f"{found.truth:.4f}",
        f"{found.quoted:.4f}",
        f"{found.scatter:.4f} ± {found.scatter_error:.4f}",
        f"{found.bias:+.2f} ± {found.bias_error:.2f}",
        *(report.percent(found.held[level]) for level in LEVELS),
        f"{found.pull:.2f} ± {found.pull_error:.2f}",
        f"{found.n_components.mean():.1f} ({smallest:.0f} to {largest:.0f})",
        f"{published[0] / published[1]:+.2f}" if published else "",
        f"{published[3]} / {published[4]}" if published else "",
        report.verdict(found.missed()),
    ]


def pooled_table(found: list[Calibration]) -> str:
    """Over all cells: a cell of fewer data sets counts as much as any other."""
    biases, errors = (np.array([getattr(each, name) for each in found]) for name in ("bias", "bias_error"))
    bias, error = biases.mean(), np.sqrt((errors**2).sum()) / biases.size
    rows = []
    for level, (low, high) in POOLED_BANDS.items():
        share = 100 * np.mean([each.held[level].mean() for each in found])
        share_error = 100 * np.sqrt(np.sum([report.share_error(each.held[level]) ** 2 for each in found])) / len(found)
        verdict = report.verdict([] if low <= share <= high else [f"{level}%"])
        rows.append([f"{level}% intervals hold it, %", f"{share:.1f} ± {share_error:.1f}", f"{low} to {high}", verdict])
    verdict = report.verdict([] if abs(bias) < LARGEST_POOLED_BIAS else ["bias"])
    rows.append(["mean error / quoted", f"{bias:+.3f} ± {error:.3f}", f"within {LARGEST_POOLED_BIAS}", verdict])
    return report.table(["over all cells", "mean of the cells", "goal", "verdict"], rows)


def picture(found: dict[Cell, Calibration]) -> Figure:
    """Shares of intervals that hold the truth and mean errors, cell by cell, against the bands."""
    figure = Figure(figsize=(10, 1.2 + 0.17 * len(found)), layout="constrained")
    panels = figure.subplots(1, 3, sharey=True)
    places = -np.arange(len(found))
    published = [
        (place, peers.PUBLISHED[cell]) for place, cell in zip(places, found, strict=True) if cell in peers.PUBLISHED
    ]
    style = {"fmt": "o", "markersize": 3, "elinewidth": 1, "color": "tab:blue", "label": "fastgmmmi"}
    for i, (ax, level) in enumerate(zip(panels, LEVELS, strict=False)):
        held = [each.held[level] for each in found.values()]
        errors = [100 * report.share_error(each) for each in held]
        ax.axvspan(*BANDS[level], color="tab:green", alpha=0.15)
        ax.axvline(level, color="tab:green", linewidth=0.8)
        ax.errorbar([100 * each.mean() for each in held], places, xerr=errors, **style)
        ax.plot([row[3 + i] for _, row in published], [place for place, _ in published], "x", color="tab:red")
        ax.set_xlabel(f"{level}% intervals that hold the truth, %")
    ax = panels[2]
    ax.axvspan(-LARGEST_BIAS, LARGEST_BIAS, color="tab:green", alpha=0.15)
    errors = [each.bias_error for each in found.values()]
    ax.errorbar([each.bias for each in found.values()], places, xerr=errors, **style)
    marks = [row[0] / row[1] for _, row in published], [place for place, _ in published]
    ax.plot(*marks, "x", color="tab:red", label="gmm-mi, published")
    ax.set_xlabel("mean error / quoted error")
    ax.legend(fontsize=7)
    panels[0].set_yticks(places, [f"{name}, {n:,}" for name, n in found], fontsize=7)
    panels[0].set_ylim(places[-1] - 0.7, 0.7)
    return figure


def main() -> None:
    """Run what is missing and publish the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=NAMES, default=NAMES, metavar="CASE")
    parser.add_argument("--sizes", nargs="+", type=int, default=[*SIZES, MANY])
    report.add_run_options(parser, SEEDS)
    options = parser.parse_args()
    chosen = cells(options.cases, options.sizes)
    keys = [(name, n, seed) for name, n in sorted(chosen, key=lambda cell: cell[1]) for seed in range(options.seeds)]
    records = runs.collect("calibration", run, keys, options.processes)
    groups = runs.grouped(records)
    found = {cell: calibration(cases.named(cell[0]).truth, groups[cell]) for cell in chosen if cell in groups}
    if not found:
        sys.exit("nothing to print yet")
    text = (
        f"# Calibration\n\n{report.machine()}.\n\nErrors of values, quoted errors and intervals, every option at its "
        f"default, up to {options.seeds} data sets for each row; nats. Behind ± is the Monte Carlo error. Goals for a "
        f"row: the mean error is below {LARGEST_BIAS} quoted errors, {BANDS[68][0]} to {BANDS[68][1]}% of the 68% and "
        f"{BANDS[95][0]} to {BANDS[95][1]}% of the 95% intervals hold the truth, and, where the truth is more than "
        f"{FAR_FROM_ZERO} quoted errors from 0, the standard deviation of error / quoted error is {PULL_BAND[0]} to "
        f"{PULL_BAND[1]}.\n\n{report.table(HEADER, [row(cell, each) for cell, each in found.items()])}\n\n"
        f"{pooled_table(list(found.values()))}\n\n{peers.published_table()}"
    )
    complete = options.seeds >= SEEDS and len(found) == len(cells(NAMES, [*SIZES, MANY])) and len(records) == len(keys)
    report.publish("calibration", text, options.record or complete, picture(found))


if __name__ == "__main__":
    main()
