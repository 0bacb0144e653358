"""Many samples: whether time is linear in them, and what memory they take: `python benchmarks/large.py`.

Run it with the Python that has fastgmmmi installed, on Linux, where memory can be read. Ten million samples and a file
of fifty million take minutes, 3 GB of memory and 1 GB of disk. Writes benchmarks/results/large.md, unless --most or
--file-rows make it smaller.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import cases
import numpy as np
import report

SIZES = (100_000, 1_000_000, 10_000_000)
FILE_ROWS = 50_000_000
MOST_MEMORY = 1.5  # times the input array
MOST_MEMORY_OF_FILE = 1e9  # bytes
MOST_SLOPE = 1.2  # time per sample, relative to the smallest size
EXPLANATION = (
    "Each row is a process of its own. Gaussian mixture D5 in two dimensions. In memory: K=4, 20 bootstraps, columns "
    "standardised, x and y contiguous; memory is the peak of the process less what it held before, which is the input "
    "and what a first call with 1,000 rows has left: that is code, modules and a thread, once in a process. In a file: "
    "one .npy array of two columns, opened with `mmap_mode='r'`, K=2, no bootstrap; memory is the most that the "
    "process held beyond pages of the file."
)

# What a process of its own runs: it prints seconds and bytes. The peak that getrusage tells begins at the parent's.
MEMORY = """
import json, sys, threading, time
import numpy as np
import fastgmmmi
def memory(kind):
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith(kind))
"""
IN_MEMORY = f"""{MEMORY}
x, y = np.load(sys.argv[1])
options = {{"n_components": 4, "n_bootstrap": 20, "marginals": "standardize", "rng": 0}}
first = memory("VmRSS")
fastgmmmi.mutual_information(x[:1000], y[:1000], **options)
before, start = memory("VmRSS"), time.perf_counter()
fastgmmmi.mutual_information(x, y, **options)
seconds = time.perf_counter() - start
print(json.dumps({{"seconds": seconds, "bytes": memory("VmHWM") - before, "first": before - first}}))
"""
FROM_FILE = f"""{MEMORY}
def watch():
    global most
    while not done.wait(0.01):
        most = max(most, memory("RssAnon"))
X = np.load(sys.argv[1], mmap_mode="r")
before = most = memory("RssAnon")
done = threading.Event()
watcher = threading.Thread(target=watch)
watcher.start()
start = time.perf_counter()
if sys.argv[2] == "GaussianMixture":
    fastgmmmi.GaussianMixture(2, rng=0).fit(X)
else:
    fastgmmmi.mutual_information(X, n_components=2, n_bootstrap=0, marginals="standardize", rng=0)
seconds = time.perf_counter() - start
done.set()
watcher.join()
print(json.dumps({{"seconds": seconds, "bytes": most - before}}))
"""


def run_alone(script: str, *arguments: object) -> dict:
    """What a script prints, in a process of its own away from the checkout."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    reply = subprocess.run(command, cwd=tempfile.gettempdir(), stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(reply.stdout)


def verdict(reached: bool) -> str:
    """Last cell of a row with a goal."""
    return "met" if reached else "missed"


def in_memory(sizes: list[int], folder: Path) -> list[list[str]]:
    """Rows of arrays in memory."""
    rows, first, firsts = [], None, []
    for n in sizes:
        data = folder / "data.npy"
        np.save(data, cases.D5.sample(np.random.default_rng(1), n))
        reply = run_alone(IN_MEMORY, data)
        per_sample, memory = reply["seconds"] / n, reply["bytes"] / (16 * n)
        first = first or per_sample
        slope = per_sample / first
        goals = f"at most {MOST_SLOPE:g} times the smallest's time per sample", verdict(slope <= MOST_SLOPE)
        rows.append([f"n={n:,}: time", report.duration(reply["seconds"]), f"{slope:.2f} x per sample", *goals])
        goals = f"at most {MOST_MEMORY:g} times the input", verdict(memory <= MOST_MEMORY)
        rows.append([f"n={n:,}: memory", f"{reply['bytes'] / 1e6:.1f} MB", f"{memory:.2f} x the input", *goals])
        firsts.append(reply["first"] / 1e6)
    rows.append(["n=1,000, the first call: memory that it leaves", f"{np.median(firsts):.1f} MB", "", "", ""])
    return rows


def from_file(n: int, folder: Path) -> list[list[str]]:
    """Rows of a file that is larger than the memory it may take."""
    data = folder / "data.npy"
    array = np.lib.format.open_memmap(data, mode="w+", dtype=float, shape=(n, 2))
    rng = np.random.default_rng(1)
    for start in range(0, n, 1_000_000):
        rows = min(1_000_000, n - start)
        array[start : start + rows] = np.column_stack(cases.D5.sample(rng, rows))
    del array
    rows = []
    for work in ("GaussianMixture", "mutual_information"):
        reply = run_alone(FROM_FILE, data, work)
        goals = f"at most {MOST_MEMORY_OF_FILE / 1e9:g} GB", verdict(reply["bytes"] <= MOST_MEMORY_OF_FILE)
        name = f"file of {n:,} x 2, {16 * n / 1e9:.2g} GB: {work}"
        rows.append([f"{name}: time", report.duration(reply["seconds"]), "", "", ""])
        relative = f"{reply['bytes'] / (16 * n):.2f} x the file"
        rows.append([f"{name}: memory", f"{reply['bytes'] / 1e6:.0f} MB", relative, *goals])
    return rows


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=SIZES[-1], help="leave out larger samples")
    parser.add_argument("--file-rows", type=int, default=FILE_ROWS, help="rows of the file; 0 leaves it out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = in_memory([n for n in SIZES if n <= options.most], Path(folder))
        rows += from_file(options.file_rows, Path(folder)) if options.file_rows else []
    header = ["work", "measured", "relative", "goal", ""]
    text = f"# Many samples\n\n{report.machine()}.\n\n{EXPLANATION}\n\n{report.table(header, rows)}"
    report.publish("large", text, record=(options.most, options.file_rows) == (SIZES[-1], FILE_ROWS))


if __name__ == "__main__":
    main()
