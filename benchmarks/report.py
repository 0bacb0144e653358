"""Tables for people, with the machine and the versions that they were made with."""

import argparse
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import programs

import fastgmmmi

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RESULTS = Path(__file__).with_name("results")


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown, columns aligned."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(cells):
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)])


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    for unit, size in (("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def with_error(values: np.ndarray, digits: int = 4) -> str:
    """Mean and its Monte Carlo error."""
    if not values.size:
        return ""
    spread = f" ± {mean_error(values):.{digits}f}" if values.size > 1 else ""
    return f"{values.mean():+.{digits}f}{spread}"


def mean_error(values: np.ndarray) -> float:
    """Monte Carlo error of a mean."""
    return float(values.std(ddof=1) / np.sqrt(values.size))


def deviation_error(values: np.ndarray) -> float:
    """Monte Carlo error of the standard deviation of values of any distribution."""
    squares = (values - values.mean()) ** 2
    return float(squares.std() / np.sqrt(values.size * squares.mean()) / 2)


def share_error(held: np.ndarray) -> float:
    """Binomial error of a share; (k + 1/2) / (n + 1) in place of k / n, so that it is not 0 where all or none hold."""
    share = (np.count_nonzero(held) + 0.5) / (held.size + 1)
    return float(np.sqrt(share * (1 - share) / held.size))


def percent(held: np.ndarray) -> str:
    """Share and its binomial error."""
    return f"{100 * held.mean():.1f} ± {100 * share_error(held):.1f}"


def verdict(missed: list[str]) -> str:
    """Whether all bounds are met, and which are not."""
    return f"missed: {', '.join(missed)}" if missed else "met"


def add_run_options(parser: argparse.ArgumentParser, seeds: int) -> None:
    """How many runs, and on how many processes."""
    parser.add_argument("--seeds", type=int, default=seeds, help="data sets for each row")
    parser.add_argument("--processes", type=int, default=cores(), help="each of one thread")
    parser.add_argument(
        "--table-only", dest="processes", action="store_const", const=0, help="run nothing, print what there is"
    )
    parser.add_argument("--record", action="store_true", help="write the table even where runs are missing")


def machine() -> str:
    """Where and with what this runs, as one paragraph."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    model = names[0] if names else platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("fastgmmmi", "numpy", "scipy"))
    return (
        f"{datetime.date.today()}; {model}, {cores()} cores, tier {fastgmmmi.cpu_tier()}; "
        f"{programs.compiler_version()}; Python {platform.python_version()}, {versions}"
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def machine_tiers() -> list[str]:
    """CPU tiers that the installed library runs here, from the plainest to the one that it picks by itself."""
    command = [sys.executable, "-c", "import fastgmmmi; print(fastgmmmi.cpu_tier())"]
    found = []
    for tier in ("portable", "baseline", "v3", "v4"):
        variables = os.environ | {"FASTGMMMI_CPU": tier}
        reply = subprocess.run(
            command, env=variables, cwd=tempfile.gettempdir(), capture_output=True, text=True, check=True
        )
        if reply.stdout.strip() == tier:
            found.append(tier)
    return found


def publish(name: str, text: str, record: bool, figure: "Figure | None" = None) -> None:
    """Print the report; where it is one for the record, write benchmarks/results/NAME.md and .png as well.

    The picture of what is not for the record goes to the folder of temporary files.
    """
    print(text)
    folder = RESULTS if record else Path(tempfile.gettempdir())
    if record:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if figure is not None:
        figure.savefig(folder / f"{name}.png", dpi=100, metadata={"Software": None})
        print(f"picture: {folder / name}.png", file=sys.stderr)
