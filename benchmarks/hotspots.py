"""Where the time of whole jobs goes, by perf: `python benchmarks/hotspots.py`.

Run it with the Python that has fastgmmmi installed, on Linux with perf and addr2line (binutils). Writes
benchmarks/results/hotspots.md, unless --quick samples for a shorter time.
"""

import argparse
import collections
import re
import subprocess
import tempfile
from pathlib import Path

import cases
import instructions
import programs
import report

JOBS = {  # sampler and n; every default
    "Gaussian rho=0.6, n=200": (cases.gaussian(0.6).sample, 200),
    "gamma-exponential a=1, logs, n=10,000": (cases.gamma_exponential(1).sample, 10_000),
    "D5, n=2,000": (cases.D5.sample, 2_000),
}
STAGES = {  # by the name of a function, the innermost first; everything else goes by its file
    r"vec_exp|vec_log": "exponentials and logarithms",
    r"missing_information|add_(score_)?products|block_scores|add_overlaps|(block_)?monomials": (
        "information for Newton's method: sums of products"
    ),
    r"(block_)?terms_?|whiten": "terms: whitening",
    r"(block_)?moment": "moments",
    r"(block_)?normalise": "normalising, without exponentials",
}
SAMPLES_PER_SECOND = 2000
LEAST_SHARE = 1  # percent; what is below in every job is summed up
EXPLANATION = (
    "Percent of the processor time of the core, on one thread, every default (100 bootstraps), repeated for some "
    "seconds; perf samples the program counter, and inlined functions count apart."
)


def stage(frames: list[tuple[str, str]]) -> str:
    """Name what an address does, from its functions and files, innermost first."""
    for function, _ in frames:
        for pattern, name in STAGES.items():
            if re.match(pattern, function):
                return name
    file = Path(frames[-1][1]).name
    return file if file.endswith((".c", ".h")) else "C library"


def read_frames(lines: list[str]) -> list[list[tuple[str, str]]]:
    """Split what addr2line -a -i -f prints: an address, then for each frame two lines, a function and its place."""
    found: list[list[tuple[str, str]]] = []
    for line in lines:
        if re.fullmatch(r"0x[0-9a-f]+", line):
            found.append([])
            function = None
        elif function is None:
            function = line
        else:
            found[-1].append((function, line.split(":")[0]))
            function = None
    return found


def profile(program: Path, job: str, seconds: float, folder: Path) -> dict[str, float]:
    """Percent of the time of each stage."""
    sample, n = JOBS[job]
    data, record = folder / "data", folder / "perf.data"
    instructions.write_data(data, sample, n)
    command = [program, data, str(n), "100", "-1"]
    repeats = 1
    while (taken := programs.processor_seconds([*command, str(repeats)])) < seconds / 4:
        repeats *= 2
    repeats = max(1, round(repeats * seconds / taken))
    events = ["-e", "cpu-clock:u", "-F", str(SAMPLES_PER_SECOND)]
    subprocess.run(
        ["perf", "record", "-q", *events, "-o", record, *command, str(repeats)], check=True, stdout=subprocess.DEVNULL
    )
    script = ["perf", "script", "-i", record, "-F", "ip"]
    addresses = subprocess.run(script, capture_output=True, text=True, check=True).stdout.split()
    counts = collections.Counter(addresses)
    command = ["addr2line", "-a", "-i", "-f", "-e", program, *counts]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    shares: collections.Counter[str] = collections.Counter()
    for count, frames in zip(counts.values(), read_frames(lines), strict=True):
        shares[stage(frames)] += 100 * count / len(addresses)
    return shares


def main() -> None:
    """Profile and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a second each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        program = programs.compile_program("job", folder, "-g", "-no-pie")
        shares = [profile(program, job, 1 if options.quick else 10, Path(folder)) for job in JOBS]
    text = f"# Where the time goes\n\n{report.machine()}.\n\n{EXPLANATION}\n\n{table(shares)}"
    report.publish("hotspots", text, record=not options.quick)


def table(shares: list[dict[str, float]]) -> str:
    """Stages by what they take of all jobs together."""
    stages = sorted(set().union(*shares), key=lambda stage: -sum(job.get(stage, 0) for job in shares))
    large = [stage for stage in stages if max(job.get(stage, 0) for job in shares) >= LEAST_SHARE]
    rows = [[stage, *(f"{job.get(stage, 0):.1f}" for job in shares)] for stage in large]
    rows.append(["the rest", *(f"{sum(job.values()) - sum(job.get(s, 0) for s in large):.1f}" for job in shares)])
    return report.table(["stage", *JOBS], rows)


if __name__ == "__main__":
    main()
