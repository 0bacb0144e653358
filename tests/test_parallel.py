"""Threads, executors, progress: who computes does not change what comes out."""

import _thread
import os
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import fastgmmmi as fg
from fastgmmmi import parallel


@pytest.fixture(scope="module")
def job():
    """Arguments of an estimate that takes some selecting."""
    x, noise = np.random.default_rng(0).normal(size=(2, 400))
    return {"x": x, "y": x**2 + noise, "n_bootstrap": 30, "max_components": 6, "rng": 0}


@pytest.fixture(scope="module")
def expected(job):
    return fg.mutual_information(**job, threads=1)


@pytest.fixture
def long_job():
    """Arguments of an estimate that takes minutes."""
    x, noise = np.random.default_rng(0).normal(size=(2, 50_000))
    return {"x": x**3, "y": x + noise, "n_bootstrap": 500_000, "reselect": True, "rng": 0}


# ---- threads ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_give_the_same_bits(job, expected, threads):
    assert fg.mutual_information(**job, threads=threads) == expected


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_what_is_shared_comes_back_in_order(threads):
    parallel.set_num_threads(threads)
    try:
        assert parallel.share(lambda n: n * n, range(50)) == [n * n for n in range(50)]
        assert parallel.share(abs, []) == []
        with pytest.raises(ZeroDivisionError):
            parallel.share(lambda n: 1 // (n - 20), range(50))
    finally:
        parallel.set_num_threads(None)


def test_calls_from_several_threads(job, expected):
    with ThreadPoolExecutor(3) as pool:
        results = [pool.submit(fg.mutual_information, **job, threads=2) for _ in range(3)]
        assert all(future.result() == expected for future in results)


def test_default_number_of_threads():
    assert parallel.resolve_threads(None) == parallel.usable_cores() >= 1
    assert parallel.resolve_threads(np.int64(3)) == 3
    fg.set_num_threads(5)
    try:
        assert parallel.resolve_threads(None) == 5
        assert parallel.resolve_threads(2) == 2
    finally:
        fg.set_num_threads(None)
    assert parallel.resolve_threads(None) == parallel.usable_cores()


@pytest.mark.parametrize("n", [0, -2, 1.0, True, "all"])
def test_bad_numbers_of_threads(n):
    with pytest.raises(ValueError, match=r"^n must be a whole number"):
        fg.set_num_threads(n)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_affinity_counts():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert parallel.usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "150000 100000"}, 2),
        ("0::/\n", {"cpu.max": "max 100000"}, float("inf")),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000", "a/b/cpu.max": "800000 100000"}, 1),
        ("0::/elsewhere\n", {"cpu.max": "300000 100000"}, 3),
        ("0::/a\n", {}, float("inf")),
        (
            "5:devices:/a\n3:cpu,cpuacct:/a\n0::/\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "50000", "cpu,cpuacct/a/cpu.cfs_period_us": "100000"},
            1,
        ),
        ("3:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, float("inf")),
    ],
)
def test_quota_of_the_control_group(tmp_path, membership, files, cores):
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    assert parallel.cgroup_cores(str(tmp_path / "membership"), str(tmp_path / "root")) == cores


def test_no_control_groups(tmp_path):
    assert parallel.cgroup_cores(str(tmp_path / "nothing")) == float("inf")


def started(function, count):
    futures = []
    parallel.start(function, count, futures)
    return futures


def test_start_runs_the_function_on_every_helper():
    meeting = threading.Barrier(3)
    futures = started(meeting.wait, 3)
    assert sorted(future.result(timeout=10) for future in futures) == [0, 1, 2]


def test_errors_of_helpers_are_kept():
    (future,) = started(lambda: 1 / 0, 1)
    assert isinstance(future.exception(timeout=10), ZeroDivisionError)


def test_helpers_are_used_again():
    """Also one that has not begun when its task is taken back."""
    parallel._forget_helpers()
    gate = threading.Event()
    (busy,) = started(gate.wait, 1)
    (helper,) = started(threading.get_ident, 1)
    first = helper.result(timeout=10)
    (helper,) = started(threading.get_ident, 1)
    assert helper.result(timeout=10) == first
    gate.set()
    busy.result(timeout=10)
    for _ in range(20):
        for future in started(threading.get_ident, 1):
            future.cancel()
    used = {future.result(timeout=10) for future in started(threading.get_ident, 1)}
    assert len(used) == 1
    assert len(parallel._idle_helpers) == 2


def test_helpers_rest_after_an_error():
    parallel._forget_helpers()
    (failing,) = started(lambda: 1 / 0, 1)
    assert isinstance(failing.exception(timeout=10), ZeroDivisionError)
    assert len(parallel._idle_helpers) == 1
    assert started(lambda: 2, 1)[0].result(timeout=10) == 2


def test_columns_of_many_rows_are_shared_among_threads():
    """With the same bits, and the same column is blamed."""
    x, noise = np.random.default_rng(0).normal(size=(2, 5000))
    results = [fg.mutual_information(x, x + noise, n_bootstrap=4, rng=0, threads=threads) for threads in (1, 2, 3)]
    assert results[0] == results[1] == results[2]
    for threads in (1, 2, 3):
        with pytest.raises(fg.DegenerateDataError, match=r"^x is constant"):
            fg.mutual_information(np.ones(5000), np.zeros(5000), threads=threads)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be told where to run")
def test_helpers_begin_on_another_core_and_may_use_all():
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("there is one core")
    started(threading.get_ident, 1)[0].result(timeout=10)  # from now on there is one to wake
    places = []
    for _ in range(20):
        time.sleep(0.01)  # asleep, as its core is
        ours = fg._core.this_core()
        (helper,) = started(lambda: (fg._core.this_core(), os.sched_getaffinity(0)), 1)
        theirs, may_use = helper.result(timeout=10)
        assert may_use == allowed
        places.append(theirs == ours)
    assert sum(places) <= 5  # either may move meanwhile


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads cannot be told where to run")
def test_a_caller_that_may_use_one_core(job, expected):
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert fg.mutual_information(**job, threads=3) == expected
    finally:
        os.sched_setaffinity(0, allowed)
    assert started(lambda: os.sched_getaffinity(0), 1)[0].result(timeout=10) == allowed


def test_no_more_threads(job, expected, monkeypatch):
    """Where no thread can be started, the calling thread does all the work and nothing is called later."""

    def cannot_start(_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(parallel, "_idle_helpers", deque())
    monkeypatch.setattr(threading.Thread, "start", cannot_start)
    called = []
    futures = started(lambda: called.append(1), 3)
    assert len(futures) == 1
    assert futures[0].cancel()
    assert fg.mutual_information(**job, threads=3) == expected
    monkeypatch.undo()
    started(threading.Event().is_set, 1)[0].result(timeout=10)
    assert called == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_threads_work_in_a_forked_child():
    code = """
import os, warnings
import numpy as np
import fastgmmmi as fg
warnings.simplefilter("ignore", DeprecationWarning)  # of fork in a process that has threads
x, noise = np.random.default_rng(0).normal(size=(2, 300))
estimate = lambda: fg.mutual_information(x, x + noise, n_bootstrap=10, rng=0, threads=3).value
before = estimate()
child = os.fork()
if child == 0:
    os._exit(0 if estimate() == before else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert estimate() == before
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_work_at_exit():
    code = """
import atexit
import numpy as np
import fastgmmmi as fg
x, noise = np.random.default_rng(0).normal(size=(2, 300))
atexit.register(lambda: print(fg.mutual_information(x, x + noise, n_bootstrap=5, rng=0, threads=3).n_samples))
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=60, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("300\n", "")


# ---- executors -------------------------------------------------------------------------------------------------------


class Here(Executor):
    """An executor that computes at once, and can fail."""

    def __init__(self, fail_at=None):
        self.fail_at = fail_at
        self.futures = []

    def submit(self, function, /, *arguments):
        future = Future()
        self.futures.append(future)
        if len(self.futures) == self.fail_at:
            future.set_exception(OSError("a worker is gone"))
        elif self.fail_at is None:
            future.set_result(function(*arguments))
        return future


@pytest.mark.parametrize("n_bootstrap", [1, 30, 64, 65, 130])
def test_executors_give_the_same_bits(job, n_bootstrap):
    job = {**job, "n_bootstrap": n_bootstrap, "n_components": 1}
    plain, handed = (fg.mutual_information(**job, executor=executor) for executor in (None, Here()))
    assert np.array_equal(plain.bootstrap_distribution, handed.bootstrap_distribution)
    assert plain.value == handed.value


@pytest.mark.parametrize("marginals", ["standardize", "gaussianize", "none"])
def test_threads_as_an_executor(job, marginals):
    job = {**job, "marginals": marginals, "sample_weight": 1 + np.arange(400) % 3, "reselect": True}
    with ThreadPoolExecutor(3) as executor:
        assert fg.mutual_information(**job, executor=executor) == fg.mutual_information(**job)


def test_many_dimensions_on_an_executor():
    """Above dimension 3 the tolerance of the integral follows the standard error; every path must take the same."""
    x, y = np.random.default_rng(0).normal(size=(2, 300, 3))
    job = {"x": x, "y": x + y, "n_components": 2, "n_bootstrap": 5, "rng": 0}
    assert fg.mutual_information(**job, executor=Here()) == fg.mutual_information(**job)


def test_processes(job, expected):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert fg.mutual_information(**job, executor=executor) == expected


def test_an_executor_has_nothing_to_do_without_a_bootstrap(job):
    executor = Here()
    assert fg.mutual_information(**{**job, "n_bootstrap": 0}, executor=executor).standard_error is None
    assert executor.futures == []


def test_an_error_cancels_what_has_not_begun(job):
    executor = Here(fail_at=2)
    with pytest.raises(OSError, match="a worker is gone"):
        fg.mutual_information(**job, executor=executor)
    assert all(future.cancelled() or future.exception() for future in executor.futures)


def test_faults_of_the_data_are_named_with_an_executor(xy):
    with pytest.raises(fg.DegenerateDataError, match=r"^y is constant"):
        fg.mutual_information(xy[0], np.ones(200), executor=Here())


# ---- progress and interruption ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", [None, Here()])
def test_progress_is_reported(job, expected, executor):
    seen = []
    r = fg.mutual_information(**job, executor=executor, progress=lambda done, total: seen.append((done, total)))
    assert r == expected
    assert seen == sorted(seen)
    assert seen[-1] == (30, 30)
    assert {total for _, total in seen} == {30}


def test_bar(job, expected, capsys):
    pytest.importorskip("tqdm")
    assert fg.mutual_information(**job, progress=True) == expected
    assert "30/30" in capsys.readouterr().err


def test_bar_without_tqdm(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"^progress=True needs tqdm: pip install tqdm, or fastgmmmi\[all\]$"):
        fg.mutual_information(**job, progress=True)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_in_progress_ends_the_job(long_job, threads):
    def stop(done, total):
        raise LookupError(f"{done} of {total}")

    began = time.monotonic()
    with pytest.raises(LookupError, match="of 500000"):
        fg.mutual_information(**long_job, threads=threads, progress=stop)
    assert time.monotonic() - began < 10  # of minutes


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_ends_the_job(long_job, threads):
    began = time.monotonic()
    timer = threading.Timer(0.5, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fg.mutual_information(**long_job, threads=threads)
    assert time.monotonic() - began < 10  # of minutes
    timer.join()
