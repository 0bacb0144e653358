"""Many runs over data sets with seeds: shared among processes, kept in a file, gone on with where they were stopped."""

import functools
import hashlib
import json
import signal
import sys
import time
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import cases
import numpy as np
import peers
import report

import fastgmmmi
from fastgmmmi import _core

Key = tuple[str | int | float | bool, ...]  # the arguments of a run


@functools.cache
def build() -> str:
    """What tells one build of the core from another."""
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()[:16]


@functools.cache
def peer(environment: str) -> peers.Worker | None:
    """The worker of the calling process."""
    return peers.start(environment)


def data(case: cases.Case, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """One data set of a case."""
    return case.sample(np.random.default_rng([seed, n, zlib.crc32(case.name.encode())]), n)


def estimate(x: np.ndarray, y: np.ndarray, seed: int, **options) -> dict:
    """Our estimate, on one thread."""
    start = time.perf_counter()
    result = fastgmmmi.mutual_information(x, y, rng=seed, threads=1, **options)
    record = {"seconds": time.perf_counter() - start, "value": result.value, "standard_error": result.standard_error}
    record |= {f"interval{level}": result.confidence_interval(level / 100) for level in (68, 95)}
    return record | {"n_components": result.n_components}


def numbers(records: Iterable[dict], name: str) -> np.ndarray:
    """One number of every record."""
    return np.array([record[name] for record in records], float)


def holds(records: list[dict], level: int, truth: float) -> np.ndarray:
    """Which intervals hold the truth."""
    low, high = np.transpose([record[f"interval{level}"] for record in records])
    return (low <= truth) & (truth <= high)


def collect(
    name: str, run: Callable[..., dict], keys: list[Key], processes: int, build: str | None = None
) -> dict[Key, dict]:
    """What run(*key) gives for every key, old or new: kept in results/NAME.jsonl for each build, run in their order.

    Ctrl-C ends it early, and so do no processes, with what there is.
    """
    build = build or globals()["build"]()
    path = report.RESULTS / f"{name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = {tuple(record["key"]): record for record in map(json.loads, lines) if record["build"] == build}
    found = {key: kept[key] for key in keys if key in kept}
    missing = [key for key in dict.fromkeys(keys) if key not in found]
    if not missing or not processes:
        return found
    path.parent.mkdir(exist_ok=True)
    pool = ProcessPoolExecutor(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    with path.open("a") as store:
        try:
            futures = {pool.submit(run, *key): key for key in missing}
            for count, future in enumerate(as_completed(futures), 1):
                key = futures[future]
                found[key] = {"build": build, "key": key, **future.result()}
                print(json.dumps(found[key]), file=store, flush=True)
                print(f"\r{name}: {count} of {len(missing)}", end="", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            signal.signal(
                signal.SIGINT, signal.SIG_IGN
            )  # a second one would break off the end of the pool, which hangs
            print("\nstopped; the same command goes on", end="", file=sys.stderr)
        finally:
            pool.shutdown(cancel_futures=True)
    print(file=sys.stderr)
    return found
