"""Tables for people, with the machine and the versions that they were made with."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import programs

import fastgmmmi

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


def publish(name: str, text: str, record: bool) -> None:
    """Print the report; where it is one for the record, write benchmarks/results/NAME.md as well."""
    print(text)
    if record:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
