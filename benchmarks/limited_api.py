"""Two builds of fastgmmmi, call by call: `python benchmarks/limited_api.py FIRST.whl SECOND.whl`.

Made for the price of the limited API: `python -m build --wheel` gives the abi3 wheel, and one for this Python alone
where ABI3 is set to False in setup.py. Each wheel is unpacked and run with the NumPy of this Python; one process for
each takes turns of calls. Times are processor time on one thread, which other work does not lengthen much.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from functools import partial
from pathlib import Path

import numpy as np

CALLS = {  # name: (what is timed, calls in a turn)
    "an estimate, n=200, no bootstrap": ("fg.mutual_information(x, y, n_bootstrap=0, threads=1, rng=0)", 20),
    "an estimate, n=200, 50 bootstraps": ("fg.mutual_information(x, y, n_bootstrap=50, threads=1, rng=0)", 2),
    "log-density of one sample": ("mixture.log_density(point)", 1000),
    "binding alone, log-density of one sample": ("fg._core.log_density(*parameters, point)", 5000),
}


def prepare():
    """What the calls need."""
    import fastgmmmi as fg

    x, noise = np.random.default_rng(0).normal(size=(2, 200))
    mixture = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [np.eye(2)])
    parameters = mixture.weights, mixture.means, mixture.covariances
    return {
        "fg": fg,
        "x": x,
        "y": 0.6 * x + 0.8 * noise,
        "mixture": mixture,
        "parameters": parameters,
        "point": np.zeros((1, 2)),
    }


def serve():
    """Time a turn of the calls named on each line of the input."""
    names = prepare()
    for line in sys.stdin:
        statement, repeats = CALLS[line.rstrip("\n")]
        code = compile(statement, "call", "eval")
        start = time.process_time()
        for _ in range(repeats):
            eval(code, names)
        print((time.process_time() - start) / repeats, flush=True)


class Build:
    """A wheel, unpacked, and a process that has imported it."""

    def __init__(self, wheel, folder):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        self.where = {"cwd": folder, "env": {**os.environ, "PYTHONPATH": str(folder)}, "text": True}
        command = [sys.executable, Path(__file__).resolve(), "--serve"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **self.where)

    def seconds(self, name):
        """One turn of calls: seconds of one of them."""
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def import_seconds(self):
        """A fresh process that has NumPy and imports the package."""
        script = "import time, numpy; start = time.process_time(); import fastgmmmi; print(time.process_time() - start)"
        command = [sys.executable, "-c", script]
        return float(subprocess.run(command, stdout=subprocess.PIPE, check=True, **self.where).stdout)

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(name, first, second, turns):
    """Print a row: medians of interleaved turns."""
    times = np.array([[first(), second()] for _ in range(turns)])
    medians = np.median(times, axis=0)
    ratios = times[:, 1] / times[:, 0]
    error = 1.2533 * ratios.std(ddof=1) / np.sqrt(turns)  # of a median, were ratios normal
    print(
        f"| {name} | {medians[0] * 1e6:.2f} | {medians[1] * 1e6:.2f} | {np.median(ratios):.3f} ± {error:.3f} |",
        flush=True,
    )


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", nargs="*", help="two of them")
    parser.add_argument("--turns", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    if len(arguments.wheels) != 2:
        parser.error("two wheels are needed")
    with tempfile.TemporaryDirectory() as folder:
        builds = [Build(wheel, Path(folder, str(place))) for place, wheel in enumerate(arguments.wheels)]
        names = " | ".join(Path(wheel).name for wheel in arguments.wheels)
        print(f"| work, microseconds | {names} | ratio |\n|---|---|---|---|")
        for name in CALLS:
            compare(name, *(partial(build.seconds, name) for build in builds), arguments.turns)
        compare("import, after NumPy's", *(build.import_seconds for build in builds), arguments.turns // 10)
        for build in builds:
            build.close()


if __name__ == "__main__":
    main()
