"""Estimates and tests where x and y are independent, and the power of the test: `python benchmarks/independence.py`.

Writes benchmarks/results/independence.md and independence.png. Finished runs are kept in independence.jsonl there;
Ctrl-C prints what there is, and the same command goes on from there. `--table-only` runs nothing.
"""

import argparse
from collections.abc import Callable

import cases
import numpy as np
import report
import runs
from matplotlib.figure import Figure
from scipy import stats
from scipy.spatial import distance

import fastgmmmi

SIZES = [500, 10_000]
SEEDS = 300
PERMUTATIONS = 199
LEVEL = 0.05
CORRELATIONS = [0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4]
POWER, POWER_SAMPLES = "power", 200
FAR = 3  # quoted errors of the data set itself
LEAST_SHARE, LARGEST_BIAS, LEAST_UNIFORMITY = 93, 0.2, 0.01  # per cent, quoted errors, p-value of Kolmogorov-Smirnov


def disc(rng: np.random.Generator, n: int) -> np.ndarray:
    """Uniform in a disc."""
    radius, angle = np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def twice(name: str, draw: Callable[[np.random.Generator, int], np.ndarray]) -> cases.Case:
    """Two variables that are drawn alike and independently."""
    return cases.Case(name, 0.0, lambda rng, n: (draw(rng, n), draw(rng, n)), "independent")


CASES = [
    twice("uniform 1+1", lambda rng, n: rng.random(n)),
    twice("uniform discs 2+2", disc),
    twice("Student-t (dof 2) 1+1", lambda rng, n: rng.standard_t(2, n)),
    twice("exponential 1+1", lambda rng, n: rng.standard_exponential(n)),
]

# ---- runs ------------------------------------------------------------------------------------------------------------


def p_value(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """Of our test."""
    return fastgmmmi.independence_test(x, y, n_permutations=PERMUTATIONS, rng=seed, threads=1).p_value


def permutation_p_value(statistic: Callable[[np.ndarray], float], n: int, seed: int) -> float:
    """Of a statistic of the order of the rows of x, which is large where x and y depend on each other."""
    rng = np.random.default_rng(seed)
    null = np.array([statistic(rng.permutation(n)) for _ in range(PERMUTATIONS)])
    return float((1 + np.count_nonzero(null >= statistic(np.arange(n)))) / (1 + PERMUTATIONS))


def correlation(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """P-value of Pearson's, its sign left out."""
    x, y = x - x.mean(), y - y.mean()
    return permutation_p_value(lambda order: abs(x[order] @ y), len(x), seed)


def distance_correlation(x: np.ndarray, y: np.ndarray, seed: int) -> float:
    """P-value of that of Székely, Rizzo and Bakirov (2007), which finds dependence of any kind."""

    def centred(values):
        distances = distance.squareform(distance.pdist(values[:, None]))
        means = distances.mean(0)
        return distances - means - means[:, None] + means.mean()

    a, b = centred(x), centred(y)
    return permutation_p_value(lambda order: float(np.sum(a[np.ix_(order, order)] * b)), len(x), seed)


TESTS = {
    "independence_test": p_value,
    "correlation, half the rows": lambda x, y, seed: correlation(x[::2], y[::2], seed),
    "correlation": correlation,
    "distance correlation": distance_correlation,
}


def run(name: str, value: float, seed: int) -> dict:
    """One data set of n = value rows, estimated and tested, or one of correlation value, tested in every way."""
    if name == POWER:
        x, y = runs.data(cases.gaussian(value), POWER_SAMPLES, seed)
        return {test: p_value_of(x, y, seed) for test, p_value_of in TESTS.items()}
    x, y = runs.data(next(case for case in CASES if case.name == name), value, seed)
    return runs.estimate(x, y, seed) | {"p_value": p_value(x, y, seed)}


# ---- tables ----------------------------------------------------------------------------------------------------------

HEADER = [
    "case",
    "n",
    "data sets",
    "quoted error",
    "mean / quoted error",
    "largest value",
    f"values above {FAR:g} of their own errors",
    "95% intervals hold 0, %",
    f"p-values of at most {LEVEL:g}, %",
    "uniform (Kolmogorov-Smirnov p)",
    "components",
    "verdict",
]


def row(name: str, n: int, records: list[dict]) -> list[str]:
    """One row."""
    values, errors = runs.numbers(records, "value"), runs.numbers(records, "standard_error")
    quoted = errors.mean()
    held, p_values = runs.holds(records, 95, 0.0), runs.numbers(records, "p_value")
    # Under independence a p-value of k permutations is one of k + 1 steps, each as likely, and any place in the step.
    uniform = stats.kstest(p_values - np.random.default_rng(0).random(p_values.size) / (PERMUTATIONS + 1), "uniform")
    met = {
        "95%": 100 * held.mean() >= LEAST_SHARE,
        "mean": abs(values.mean()) <= LARGEST_BIAS * quoted,
        "p-values": uniform.pvalue >= LEAST_UNIFORMITY,
    }
    return [
        name,
        f"{n:,}",
        str(len(records)),
        f"{quoted:.5f}",
        report.with_error(values / quoted, 2),
        f"{values.max():.4f}",
        str(np.count_nonzero(values > FAR * errors)),
        report.percent(held),
        report.percent(p_values <= LEVEL),
        f"{uniform.pvalue:.2f}",
        f"{runs.numbers(records, 'n_components').mean():.1f}",
        report.verdict([bound for bound, is_met in met.items() if not is_met]),
    ]


def power_table(groups: dict[float, list[dict]]) -> str:
    """How often each test finds the dependence."""
    rows = [
        [f"{rho:g}", str(len(records)), *(report.percent(runs.numbers(records, name) <= LEVEL) for name in TESTS)]
        for rho, records in groups.items()
    ]
    return report.table(["correlation", "data sets", *(f"{name}, %" for name in TESTS)], rows)


def picture(groups: dict[tuple[str, int], list[dict]], powers: dict[float, list[dict]]) -> Figure:
    """The distribution of the p-values of each cell, and power over correlation."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.axline((0, 0), slope=1, color="tab:green", linewidth=0.8)
    for (name, n), records in groups.items():
        left.ecdf(runs.numbers(records, "p_value"), label=f"{name}, {n:,}", linewidth=1)
    left.set(xlabel="p-value, x and y independent", ylabel="share below")
    for name in TESTS:
        found = [runs.numbers(records, name) <= LEVEL for records in powers.values()]
        errors = [100 * report.share_error(each) for each in found]
        right.errorbar(list(powers), [100 * each.mean() for each in found], errors, label=name, linewidth=1, capsize=2)
    right.axhline(100 * LEVEL, color="tab:green", linewidth=0.8)
    right.set(xlabel=f"correlation, n = {POWER_SAMPLES}", ylabel=f"p-values of at most {LEVEL:g}, %")
    for ax in (left, right):
        ax.legend(fontsize=7)
    return figure


def main() -> None:
    """Run what is missing and publish the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES)
    report.add_run_options(parser, SEEDS)
    options = parser.parse_args()
    cells = [(case.name, n) for n in options.sizes for case in CASES]
    wanted = [(POWER, rho) for rho in CORRELATIONS] + cells
    keys = [(*cell, seed) for cell in wanted for seed in range(options.seeds)]
    records = runs.collect("independence", run, keys, options.processes)
    groups = runs.grouped(records)
    powers = {rho: found for (name, rho), found in groups.items() if name == POWER}
    groups = {cell: groups[cell] for cell in cells if cell in groups}
    text = (
        f"# Independence\n\n{report.machine()}.\n\nEvery option at its default but n_permutations={PERMUTATIONS}, up "
        f"to {options.seeds} data sets for each row; nats; behind ± the Monte Carlo error. Goals for a row: at least "
        f"{LEAST_SHARE}% of the 95% intervals hold 0, the mean is within {LARGEST_BIAS} quoted errors of 0, and the "
        f"p-values are uniform (Kolmogorov and Smirnov's p is at least {LEAST_UNIFORMITY}).\n\n"
        f"{report.table(HEADER, [row(*cell, found) for cell, found in groups.items()])}\n\n"
        f"## Power\n\nWhat the half of the rows costs that independence_test fits: the share of p-values of at most "
        f"{LEVEL:g}, pairs of Gaussians, n = {POWER_SAMPLES}. Beside it permutation tests of |Pearson's correlation|, "
        "which knows what kind of dependence there is, on all or half of the rows, and of the distance correlation.\n\n"
        f"{power_table(powers)}"
    )
    complete = options.seeds >= SEEDS and set(options.sizes) >= set(SIZES) and len(records) == len(keys)
    report.publish("independence", text, options.record or complete, picture(groups, powers))


if __name__ == "__main__":
    main()
