"""Many runs over data sets with seeds: shared among processes, kept in a file, gone on with where they were stopped."""

import functools
import hashlib
import json
import signal
import sys
import threading
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

STOPPED = threading.Event()  # by Ctrl-C: nothing more is run
Key = tuple[str | int | float | bool, ...]  # the arguments of a run


@functools.cache
def build() -> str:
    """What tells one build of the core from another."""
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()[:16]


@functools.cache
def peer(environment: str) -> peers.Worker | None:
    """The worker of the calling process, on one thread."""
    return peers.start(environment, **peers.ONE_THREAD)


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


def grouped(records: dict[Key, dict]) -> dict[Key, list[dict]]:
    """Records by their keys without the last, the seed, where there are two, as errors of means need, or more."""
    groups = {}
    for key, record in records.items():
        groups.setdefault(key[:-1], []).append(record)
    return {key: found for key, found in groups.items() if len(found) > 1}


def collect(
    name: str, run: Callable[..., dict], keys: list[Key], processes: int, version: str | None = None
) -> dict[Key, dict]:
    """What run(*key) gives for every key, old or new, in their order; Ctrl-C and no processes leave out what lacks.

    Runs are kept in results/NAME.jsonl and hold for one version, which is the build of our core where nothing is said.
    """
    version = version or build()
    path = report.RESULTS / f"{name}.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = {tuple(record["key"]): record for record in map(json.loads, lines) if record["build"] == version}
    found = {key: kept.get(key) for key in keys}
    missing = [key for key, record in found.items() if record is None]
    path.parent.mkdir(exist_ok=True)
    with path.open("a") as store:

        def keep(key, record):
            found[key] = {"build": version, "key": key, **record}
            print(json.dumps(found[key]), file=store, flush=True)

        if missing and processes and not STOPPED.is_set():
            run_all(run, missing, processes, keep)
    return {key: record for key, record in found.items() if record is not None}


def run_all(run: Callable[..., dict], keys: list[Key], processes: int, keep: Callable[[Key, dict], None]) -> None:
    """Hand over what run(*key) gives as soon as it is done, until Ctrl-C."""
    pool = ProcessPoolExecutor(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        futures = {pool.submit(run, *key): key for key in keys}
        for count, future in enumerate(as_completed(futures), 1):
            keep(futures[future], future.result())
            print(f"\r{count} of {len(keys)}", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        STOPPED.set()
        print("\nstopped; the same command goes on", end="", file=sys.stderr)
    finally:
        before = signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # a second Ctrl-C would break off the pool's end: it hangs
        pool.shutdown(cancel_futures=True)
        signal.signal(signal.SIGINT, before)
    print(file=sys.stderr)
