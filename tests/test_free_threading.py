"""Calls from many Python threads at once, with and without a global lock: the bits of one thread.

NumPy, SciPy and pytest are enough to run it, so it is what tests wheels for CPython without that lock.
"""

import pickle
import sys
import sysconfig
import threading

import numpy as np
import pytest

import fastgmmmi as fg
from fastgmmmi import parallel

WITHOUT_LOCK = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
N_THREADS = 8


def at_once(work, arguments):
    """What work returns for each argument, all of them at the same time, each on a thread of its own."""
    results = [None] * len(arguments)
    start = threading.Barrier(len(arguments))

    def run(place):
        start.wait()
        try:
            results[place] = work(arguments[place])
        except BaseException as error:
            results[place] = error

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def columns(seed, n=120):
    """x, y and labels of a sample, each seed its own."""
    x, noise = np.random.default_rng(seed).normal(size=(2, n))
    y = x**2 * (seed % 3) / 2 + 0.6 * x + 0.8 * noise
    return x, y, np.where(noise > 0, "up", "down")


def estimate_pair(seed):
    x, y, _ = columns(seed)
    return fg.mutual_information(x, y, n_bootstrap=10, max_components=5, rng=seed, threads=1 + seed % 3)


def estimate_labels(seed):
    x, y, labels = columns(seed)
    return fg.mutual_information(x, labels, given=y, n_bootstrap=6, max_components=3, rng=seed, threads=2)


def estimate_entropy(seed):
    x, y, _ = columns(seed)
    return fg.entropy(np.column_stack([x, y]), n_bootstrap=6, max_components=3, rng=seed), fg.kl_divergence(
        x, y, n_bootstrap=6, max_components=3, rng=seed
    )


def estimate_matrix(seed):
    x, y, labels = columns(seed)
    table = {"x": x, "y": y, "labels": labels}
    matrix = fg.mutual_information_matrix(table, n_bootstrap=4, max_components=3, rng=seed, threads=2)
    return matrix.values.tolist(), matrix.standard_errors.tolist()


def use_mixture(seed):
    x, y, _ = columns(seed)
    mixture = fg.GaussianMixture(n_components=2, rng=seed).fit(np.column_stack([x, y]))
    draws = mixture.sample(50, rng=seed)
    return (
        draws.tobytes(),
        mixture.log_density(draws).tobytes(),
        mixture.entropy(),
        mixture.mutual_information([0], [1]),
    )


def bits(result):
    """All that a result holds; NaN is equal to itself here."""
    return pickle.dumps(result)


@pytest.mark.parametrize("work", [estimate_pair, estimate_labels, estimate_entropy, estimate_matrix, use_mixture])
def test_different_data_at_once_give_the_bits_of_one_after_the_other(work):
    seeds = range(N_THREADS)
    expected = [bits(work(seed)) for seed in seeds]
    assert len(set(expected)) == N_THREADS
    assert [bits(result) for result in at_once(work, seeds)] == expected


def test_helpers_asked_for_at_once_do_each_task_once():
    parallel._forget_helpers()
    called = []

    def ask(number):
        futures = []
        parallel.start(lambda: called.append(number), 2, futures)
        for future in futures:
            future.result(timeout=10)

    at_once(ask, range(N_THREADS))
    assert sorted(called) == sorted(2 * list(range(N_THREADS)))


def test_one_result_and_one_mixture_serve_many_threads():
    x, y, _ = columns(1)
    arguments = {"n_bootstrap": 20, "max_components": 3, "marginals": "gaussianize", "rng": 0}
    expected = fg.mutual_information(x, y, **arguments)
    wanted = expected.pointwise(x, y).tobytes(), expected.confidence_interval(0.9), expected.model.entropy()
    fresh = fg.mutual_information(x, y, **arguments)  # nothing of it is computed yet that is kept

    def look(_):
        return fresh.pointwise(x, y).tobytes(), fresh.confidence_interval(0.9), fresh.model.entropy()

    assert at_once(look, range(N_THREADS)) == [wanted] * N_THREADS


def test_errors_stay_on_their_thread():
    def work(seed):
        x, y, _ = columns(seed)
        return fg.mutual_information(x, np.full(120, 1.0) if seed % 2 else y, n_bootstrap=0, max_components=2, rng=0)

    kinds = [type(result) for result in at_once(work, range(N_THREADS))]
    assert kinds == [fg.MIResult, fg.DegenerateDataError] * (N_THREADS // 2)


@pytest.mark.skipif(not WITHOUT_LOCK, reason="this Python always has its global lock")
def test_import_leaves_the_lock_off():
    assert not sys._is_gil_enabled()
