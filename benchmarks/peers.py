"""The packages that the benchmarks stand beside, each in an environment of its own.

`python benchmarks/peers.py` makes the environments (about 1.5 GB) in ~/.cache/fastgmmmi-peers, or where FASTGMMMI_PEERS
says. gmm-mi 0.8.2 needs an old scikit-learn, hence the pins.
"""

import atexit
import json
import os
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np
import report

GMM_MI = "gmm-mi==0.8.2"
# Name of an environment, and what it holds. The package named npeet is not on the registry; npeet-plus continues it.
ENVIRONMENTS = {
    "gmm-mi": [GMM_MI, "scikit-learn==1.5.2", "numpy<2.3"],
    "scikit-learn": ["scikit-learn>=1.9"],
    "nearest-neighbours": ["ennemi>=1.5", "infomeasure>=0.6.3", "npeet-plus>=0.2"],
}
# Nearest-neighbour estimates, which have no error bars: package, its environment, and worker.py's call.
NEIGHBOURS = {
    "scikit-learn": ("scikit-learn", "ksg_scikit_learn"),
    "ennemi": ("nearest-neighbours", "ksg_ennemi"),
    "infomeasure": ("nearest-neighbours", "ksg_infomeasure"),
    "npeet-plus": ("nearest-neighbours", "ksg_npeet"),
}
FOR_SCALARS_ONLY = ("scikit-learn", "ennemi")
# gmm-mi's published runs (Piras et al. 2023, 501 data sets each), what it calls the bootstrap mean: mean error, quoted
# error, scatter, and how many per cent of its 68% and 95% intervals hold the truth.
PUBLISHED = {
    ("D5", 1_000): (0.0170, 0.0159, 0.0172, 44, 82),
    ("D5", 10_000): (0.0013, 0.0048, 0.0051, 62, 94),
    ("D5", 50_000): (0.0003, 0.0021, 0.0028, 54, 88),
}
# These slow a peer down where a machine sets them.
HANDICAPS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # gmm-mi is faster so: its matrices are small
WORKER = Path(__file__).with_name("worker.py")


def folder() -> Path:
    """Where the environments are."""
    return Path(os.environ.get("FASTGMMMI_PEERS", Path.home() / ".cache" / "fastgmmmi-peers"))


def interpreter(environment: str) -> Path:
    """Python of an environment, there or not."""
    return folder() / environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install() -> None:
    """Make every environment that is not there."""
    for environment, requirements in ENVIRONMENTS.items():
        if not interpreter(environment).exists():
            print(f"{environment}: {' '.join(requirements)}", flush=True)
            venv.create(folder() / environment, with_pip=True)
            subprocess.run([interpreter(environment), "-m", "pip", "install", "--quiet", *requirements], check=True)


class Worker:
    """A process that runs worker.py in one environment and answers calls."""

    def __init__(self, python: Path, **variables: str) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in HANDICAPS}
        self.process = subprocess.Popen(
            [python, WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=tempfile.gettempdir(),
            env=environment | variables,
        )
        self.arrays = tempfile.TemporaryDirectory()
        atexit.register(self.close)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()
        self.arrays.cleanup()

    def call(self, name: str, arrays: dict[str, np.ndarray], **options) -> dict:
        """Run one of worker.py's functions there."""
        paths = {argument: str(Path(self.arrays.name) / f"{argument}.npy") for argument in arrays}
        for argument, path in paths.items():
            np.save(path, arrays[argument])
        print(json.dumps({"call": name, "arrays": paths, "options": options}), file=self.process.stdin, flush=True)
        reply = self.process.stdout.readline()
        return json.loads(reply) if reply else {"failed": "the process ended"}


def start(environment: str, **variables: str) -> Worker | None:
    """A worker for a peer; None where its environment has not been made."""
    return Worker(interpreter(environment), **variables) if interpreter(environment).exists() else None


def start_ours(**variables: str) -> Worker:
    """A worker that runs the fastgmmmi of this interpreter."""
    return Worker(Path(sys.executable), **variables)


def versions() -> str:
    """What is installed of each peer, as one sentence."""
    script = (
        "import sys; from importlib.metadata import version; "
        "print(*(f'{name} {version(name)}' for name in sys.argv[1:]), sep=', ')"
    )
    parts = []
    for environment, requirements in ENVIRONMENTS.items():
        if interpreter(environment).exists():
            names = {re.match(r"[\w-]+", requirement)[0]: None for requirement in [*requirements, "numpy"]}
            command = [interpreter(environment), "-c", script, *names]
            parts.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        else:
            parts.append(f"{environment} absent")
    return f"Peers, each in its own environment: {'; '.join(parts)}."


def published_table() -> str:
    """gmm-mi's published runs."""
    rows = [
        [case, f"{n:,}", f"{error:+.4f}", f"{quoted:.4f}", f"{scatter:.4f}", f"{covers68} / {covers95}"]
        for (case, n), (error, quoted, scatter, covers68, covers95) in PUBLISHED.items()
    ]
    return (
        "gmm-mi's published runs (Piras et al. 2023, 501 data sets each), what it calls the bootstrap mean:\n\n"
        + report.table(["case", "n", "mean error", "quoted error", "scatter", "covers, %"], rows)
    )


if __name__ == "__main__":
    install()
