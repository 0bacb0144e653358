"""Threads, executors and progress. The core decides what is computed; here is only who computes it."""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import numpy as np

from . import _core
from .inputs import whole_number

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from .inputs import Floats, Samples

    Poll: TypeAlias = Callable[[int, int], object] | None

_MOST_HELPERS = 1024
_SECONDS_BETWEEN_REPORTS = 0.02
RANGES = 64  # pieces of a job handed to an executor: enough for a cluster, few enough that data travel seldom

_Item = TypeVar("_Item")
_Job = TypeVar("_Job", bound=tuple[Any, ...])
_Result = TypeVar("_Result")

_default_threads: int | None = None
_idle_helpers: deque[_Helper] = deque()


# ---- threads ---------------------------------------------------------------------------------------------------------


def set_num_threads(n: int | None) -> None:
    """Set the number of threads used where ``threads`` is None.

    Parameters
    ----------
    n : int or None
        At least 1. None goes back to the cores that this process may use.

    Raises
    ------
    ValueError
        If `n` is not a whole number of at least 1.

    Notes
    -----
    Results do not depend on the number of threads.

    Examples
    --------
    >>> import fastgmmmi as fg
    >>> fg.set_num_threads(1)
    >>> fg.set_num_threads(None)
    """
    global _default_threads
    _default_threads = None if n is None else whole_number("n", n, 1)


def resolve_threads(threads: int | None) -> int:
    """Give the number of threads to use; None is the default: what was set, else the cores this process may use."""
    if threads is not None:
        return whole_number("threads", threads, 1)
    return _default_threads or usable_cores()


def usable_cores() -> int:
    """Count the cores that affinity and the control group leave to this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return int(min(cores, cgroup_cores()))


@cache
def cgroup_cores(membership: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> float:
    """Cores that the quotas of the control group and its parents allow, rounded up; infinity without a quota."""
    try:
        with open(membership) as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:  # not Linux
        return math.inf
    allowed = math.inf
    for _, controllers, path in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = os.path.join(root, controllers) if controllers else root  # version 2 has no list of controllers
        parts = path.strip("/").split("/")
        for depth in range(len(parts) + 1):
            allowed = min(allowed, _quota(os.path.join(mount, *parts[:depth])))
    return allowed


def _quota(group: str) -> float:
    """Cores that one control group may use, rounded up."""
    for names in (["cpu.max"], ["cpu.cfs_quota_us", "cpu.cfs_period_us"]):  # version 2, version 1
        with suppress(OSError, ValueError):  # not there, or "max"
            quota, period = map(int, " ".join(_read(os.path.join(group, name)) for name in names).split())
            if quota > 0:
                return math.ceil(quota / period)
    return math.inf


def _read(path: str) -> str:
    with open(path) as file:
        return file.read()


def start(function: Callable[[], object], count: int, futures: list[Future[object]]) -> None:
    """Run function on count helper threads, or on fewer where no more can be had: the calling thread works too.

    A future goes to futures before its thread can begin, so that the caller knows of all of them whatever is raised
    here. One that has not begun can be cancelled; function is not called after that.
    """
    from concurrent.futures import Future

    cores = _cores_around()
    with suppress(RuntimeError):  # no more threads, or the interpreter is shutting down
        for _ in range(min(count, _MOST_HELPERS)):
            # A future of our own: where a helper's thread cannot be started its task is kept, and would run later.
            futures.append(Future())
            _idle_helper().submit(futures[-1], function, cores)


class _Cores(NamedTuple):
    """Where threads may run, and where helpers of the calling thread are to begin."""

    allowed: set[int]
    others: set[int]


def _cores_around() -> _Cores | None:
    """Give the cores that the calling thread may use, and all of them but its own; None where there is no other."""
    core = _core.this_core()
    if core < 0 or not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    others = allowed - {core}
    return _Cores(allowed, others) if others else None


class _Helper:
    """A thread that waits for tasks.

    Linux on a virtual machine was seen to wake a thread on the core of whoever wakes it, where it waits for
    milliseconds, while another core sleeps. So a helper is kept off that core until it has begun.
    """

    def __init__(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        self._thread_id: int | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="fastgmmmi", initializer=self._introduce)

    def _introduce(self) -> None:
        self._thread_id = threading.get_native_id()

    def submit(self, future: Future[object], function: Callable[[], object], cores: _Cores | None) -> None:
        """Run function once, and be idle again before its result is known; also where future is cancelled before."""

        def taken_back(future: Future[object]) -> None:
            if future.cancelled():
                self.rest()

        future.add_done_callback(taken_back)
        if cores and self._thread_id is not None:
            with suppress(OSError):
                os.sched_setaffinity(self._thread_id, cores.others)
        self._executor.submit(self._run, future, function, cores)

    def rest(self) -> None:
        """Be there for the next caller."""
        _idle_helpers.append(self)

    def _run(self, future: Future[object], function: Callable[[], object], cores: _Cores | None) -> None:
        if cores:
            with suppress(OSError):
                os.sched_setaffinity(0, cores.allowed)
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = function()
        except BaseException as error:
            self.rest()
            future.set_exception(error)
        else:
            self.rest()
            future.set_result(result)


def _idle_helper() -> _Helper:
    try:
        return _idle_helpers.pop()
    except IndexError:
        return _Helper()


def _forget_helpers() -> None:
    """Drop the threads of the parent: they do not exist in a forked child."""
    _idle_helpers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_helpers)


def share(function: Callable[[Any], Any], arguments: Sequence[Any]) -> list[Any]:
    """Map function over arguments: the calling thread and helpers share them, as many as threads are the default."""
    results: list[Any] = [None] * len(arguments)
    waiting = list(enumerate(arguments))[::-1]

    def work() -> None:
        while waiting:
            try:
                place, argument = waiting.pop()
            except IndexError:  # another thread was faster
                return
            results[place] = function(argument)

    futures: list[Future[object]] = []
    start(work, min(resolve_threads(None), len(arguments)) - 1, futures)
    try:
        work()
    finally:
        waiting.clear()
        begun = [future for future in futures if not future.cancel()]
    for future in begun:
        future.result()
    return results


def each(work: Callable[[_Item, Poll], object], items: Iterable[_Item], threads: int, poll: Poll) -> None:
    """Call work(item, look) for every item, on this thread and on helpers; the first error ends it.

    The core calls look now and then, so that long work ends too. poll is called with the items done and their total.
    """
    waiting = deque(items)
    total = len(waiting)
    done: list[None] = []
    faults: list[BaseException] = []
    helpers: list[Future[object]] = []

    def look(*_: int) -> None:
        if faults:
            raise faults[0]

    def report(*_: int) -> None:
        look()
        if poll is not None:
            poll(len(done), total)

    def take(look: Callable[..., None]) -> None:
        try:
            while not faults:
                try:
                    item = waiting.popleft()
                except IndexError:  # another thread has taken the last one
                    return
                work(item, look)
                done.append(None)
                look()
        except BaseException as fault:
            faults.append(fault)

    try:
        start(lambda: take(look), min(threads, total) - 1, helpers)
        take(report)
        for helper in helpers:
            while not (faults or helper.cancel() or helper.done()):
                with suppress(TimeoutError):
                    helper.exception(_SECONDS_BETWEEN_REPORTS)
                report()
    except BaseException as fault:
        faults.append(fault)  # helpers see it
        raise
    look()


# ---- executors -------------------------------------------------------------------------------------------------------


def estimate(
    data: Samples, options: dict[str, int | float], seed: int, threads: int, executor: Executor | None, poll: Poll
) -> dict[str, Any]:
    """Run the whole job: on threads, or with the bootstrap replicates handed to an executor."""
    total = int(options["n_bootstrap"])
    if executor is None or total == 0 or options["error"] == _core.ERRORS["delta"]:
        return dict(_core.information(*data.arrays, options, seed, threads, poll))
    fitted = _core.information(*data.arrays, {**options, "n_bootstrap": 0}, seed, threads, None)
    options = {**options, "marginals": fitted["marginals"]}  # the map that was chosen
    parameters = fitted["class_components"], fitted["weights"], fitted["means"], fitted["covariances"]
    job = (*data.arrays, options, seed, *parameters)
    bootstrap, centres = _collect(lambda *span: executor.submit(_core.information_range, *job, *span), total, poll)
    known = (fitted[name] for name in ("plug_in", "corrected", "shortfall", "shortfall_error", "marginals_error"))
    value, standard_error, n_failed = _core.finish(bootstrap, centres, *known)
    finished = {"bootstrap": bootstrap, "value": value, "standard_error": standard_error, "n_failed": n_failed}
    return {**fitted, **finished}


def _collect(submit: Callable[[int, int], Future[tuple[Floats, Floats]]], total: int, poll: Poll) -> Floats:
    """Submit ranges that make up total, and put their results in order."""
    size = math.ceil(total / RANGES)
    collected = np.empty((2, total))
    done = 0
    ranges = [(first, min(size, total - first)) for first in range(0, total, size)]
    with closing(completed(submit, ranges)) as parts:
        for (first, count), part in parts:
            collected[:, first : first + count] = part
            done += count
            if poll is not None:
                poll(done, total)
    return collected


def completed(submit: Callable[..., Future[_Result]], jobs: Iterable[_Job]) -> Generator[tuple[_Job, _Result]]:
    """Submit jobs, and give each with its result as it ends; an error, or closing, cancels what has not begun."""
    from concurrent.futures import as_completed

    submitted: dict[Future[_Result], _Job] = {}
    try:
        for job in jobs:
            submitted[submit(*job)] = job
        for future in as_completed(submitted):
            yield submitted[future], future.result()
    except BaseException:
        for future in submitted:
            future.cancel()
        raise


# ---- progress --------------------------------------------------------------------------------------------------------


@contextmanager
def reporting(progress: bool | Callable[[int, int], object], total: int, unit: str = "replicates") -> Iterator[Poll]:
    """Give the function to call with (done, total): none, a bar's, or the user's own."""
    if progress is False:
        yield None
        return
    if progress is not True and not callable(progress):
        raise ValueError(f"progress must be True, False or a callable taking (done, total), got {progress!r}")
    with bar(total, unit) if progress is True else nullcontext(progress) as report:
        yield report
        report(total, total)


@contextmanager
def bar(total: int, unit: str = "replicates", **style: Any) -> Iterator[Callable[[int, int], object]]:
    """Give the function that moves a tqdm bar."""
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install tqdm, or fastgmmmi[all]") from None
    with tqdm(total=total, unit=f" {unit}", **style) as shown:
        yield lambda done, total: shown.update(done - shown.n)
