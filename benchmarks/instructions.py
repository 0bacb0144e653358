"""Instructions that fixed jobs take, beside those on record: `python benchmarks/instructions.py`.

Run it with a Python that has NumPy and setuptools; valgrind counts, at tier v3, since it knows no AVX-512. The record,
benchmarks/results/instructions.json, is kept for each compiler. Fails where a count is more than 5% above it; --record
writes it anew. Where valgrind, that tier or a record of this compiler is missing, it says so and passes.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import cases
import numpy as np
import programs

RECORD = Path(__file__).with_name("results") / "instructions.json"
TIER = "v3"
MOST_GROWTH = 1.05
JOBS = {  # sampler, n, replicates, reselect; valgrind takes about a minute for 10^9 instructions
    "D5, n=600, 20 replicates": (cases.D5.sample, 600, 20, 0),
    "Gaussian rho=0.6, n=200, 100 replicates that choose": (cases.gaussian(0.6).sample, 200, 100, 1),
}


def write_data(path: Path, sample: cases.Sampler, n: int) -> None:
    """Write x and y as job.c reads them, to 2^-20: what a BLAS rounds differently must not change a count."""
    (np.round(np.array(sample(np.random.default_rng(1), n)) * 2**20) / 2**20).tofile(path)


def count_instructions(program: Path, job: str, folder: Path) -> int | None:
    """Instructions of one job; None where this machine does not run the tier."""
    sample, n, replicates, reselect = JOBS[job]
    data = folder / "data"
    write_data(data, sample, n)
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}", program, data]
    reply = subprocess.run(
        [*command, *map(str, (n, replicates, reselect, 1))],
        env=os.environ | {"FASTGMMMI_CPU": TIER},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(re.search(r"Collected : (\d+)", reply.stderr)[1]) if reply.stdout.startswith(TIER) else None


def main() -> int:
    """Count, compare and, where asked to, record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help="write the counts of this compiler to the record")
    options = parser.parse_args()
    if not shutil.which("valgrind"):
        print("instructions not counted: no valgrind")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        program = programs.compile_program("job", folder)
        counts = {job: count_instructions(program, job, Path(folder)) for job in JOBS}
    if None in counts.values():
        print(f"instructions not counted: no tier {TIER} here")
        return 0
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    key = f"{programs.compiler_version()}, {platform.machine()}"
    lines, grew = compare(counts, records.get(key, {}))
    print(f"Instructions at tier {TIER}, {key}:", *lines, sep="\n")
    if options.record:
        RECORD.write_text(json.dumps(records | {key: counts}, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    if grew:
        print("Too many. Where that is meant, commit what `python benchmarks/instructions.py --record` writes.")
    return int(grew)


def compare(counts: dict[str, int], record: dict[str, int]) -> tuple[list[str], bool]:
    """Say how each count stands to the record, and whether any grew too much."""
    lines = [
        f"{job}: {count:,}" + (f", {count / record[job] - 1:+.1%} on the record" if job in record else ", no record")
        for job, count in counts.items()
    ]
    return lines, any(count > MOST_GROWTH * record.get(job, count) for job, count in counts.items())


if __name__ == "__main__":
    sys.exit(main())
