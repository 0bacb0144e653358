"""GaussianMixture.expect: any function averaged, in Python or compiled, against closed forms and against each other."""

import ctypes
import math
import signal
import threading
import time

import numba
import numpy as np
import pytest
from numba import types
from scipy import LowLevelCallable

import fastgmmmi as fg

POINT = types.CPointer(types.float64)
C_DOUBLES = ctypes.POINTER(ctypes.c_double)


@pytest.fixture
def mixture(mixture_parameters):
    return fg.GaussianMixture.from_parameters(*mixture_parameters)


@numba.cfunc(types.float64(types.intc, POINT))
def wave(d, point):
    total = 0.0
    for j in range(d):
        total += point[j]
    return math.cos(0.5 * total)


@numba.cfunc(types.float64(types.intc, POINT, types.voidptr))
def wave_of_data(d, point, data):
    scale = numba.carray(data, 1, dtype=np.float64)[0]
    total = 0.0
    for j in range(d):
        total += point[j]
    return math.cos(scale * total)


def python_wave(points):
    return np.cos(0.5 * points.sum(axis=1))


def wave_truth(weights, means, covariances):
    """E cos(t x) = cos(t mu) exp(-t² s² / 2) for the sum x of a component's columns."""
    mean, variance = means.sum(axis=1), covariances.sum(axis=(1, 2))
    return float((weights * np.cos(0.5 * mean) * np.exp(-0.125 * variance)).sum())


def test_closed_form(mixture, mixture_parameters):
    value, error = mixture.expect(python_wave)
    assert abs(value - wave_truth(*mixture_parameters)) <= error < 1e-5


@pytest.mark.parametrize("d", [1, 2, 3, 5, 9])
def test_moments_in_every_dimension(d):
    rng = np.random.default_rng(d)
    weights, means = np.array([0.2, 0.5, 0.3]), rng.normal(size=(3, d))
    factors = rng.normal(size=(3, d, d)) / d**0.5 + np.eye(d)
    covariances = factors @ factors.transpose(0, 2, 1)
    g = fg.GaussianMixture.from_parameters(weights, means, covariances)
    value, error = g.expect(lambda points: points[:, 0] * points[:, -1])
    truth = weights @ (covariances[:, 0, -1] + means[:, 0] * means[:, -1])
    size = weights @ (covariances[:, 0, 0] + means[:, 0] ** 2)  # no smaller than the tolerance is relative to
    size += weights @ (covariances[:, -1, -1] + means[:, -1] ** 2)
    assert abs(value - truth) <= 3 * error
    assert error <= 1e-4 * size  # in many dimensions the work has a limit


def test_functions_that_jump(mixture, mixture_parameters):
    weights, means, covariances = mixture_parameters
    for threshold in (-1.0, 0.3, 2.0):
        value, error = mixture.expect(lambda points, threshold=threshold: points[:, 1] > threshold)
        tails = [
            0.5 * math.erfc((threshold - mean[1]) / (2 * covariance[1, 1]) ** 0.5)
            for mean, covariance in zip(means, covariances, strict=True)
        ]
        assert abs(value - weights @ tails) <= 3 * error < 1e-3


def test_what_first_points_do_not_meet():
    g = fg.GaussianMixture.from_parameters([1.0], np.zeros((1, 2)), [np.eye(2)])
    value, error = g.expect(lambda points: points[:, 0] > 4)
    assert abs(value - 0.5 * math.erfc(4 / 2**0.5)) <= 3 * error < 1e-4
    nothing, error = g.expect(lambda points: np.zeros(len(points)))
    assert nothing == 0
    assert 0 < error <= 1e-5


def test_tolerance_and_scale(mixture, mixture_parameters):
    def ratio(points):
        return 1e-6 / (1 + points[:, 0] ** 2)

    loose, tight = mixture.expect(ratio, integration_tol=1e-2), mixture.expect(ratio, integration_tol=1e-6)
    assert tight[1] <= 1e-12
    assert loose[1] <= 1e-8
    assert tight[1] < loose[1]
    assert abs(loose[0] - tight[0]) <= 3 * loose[1]
    with pytest.raises(ValueError, match=r"^integration_tol must be a number above 0"):
        mixture.expect(ratio, integration_tol=0)


# ---- compiled functions ----------------------------------------------------------------------------------------------


@ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, C_DOUBLES)
def ctypes_wave(d, point):
    return math.cos(0.5 * sum(point[j] for j in range(d)))


SCALE = np.array([0.5])
SCALE_POINTER = SCALE.ctypes.data_as(ctypes.c_void_p)


@pytest.mark.parametrize(
    "f",
    [
        wave,
        wave.ctypes,
        ctypes_wave,
        LowLevelCallable(wave.ctypes),
        LowLevelCallable(ctypes_wave),
        LowLevelCallable(wave_of_data.ctypes, user_data=SCALE_POINTER),
        LowLevelCallable(LowLevelCallable(wave_of_data.ctypes, user_data=SCALE_POINTER)),
    ],
    ids=["cfunc", "cfunc.ctypes", "ctypes", "scipy-cfunc", "scipy-ctypes", "user-data", "nested"],
)
def test_compiled_functions_agree_with_python(mixture, f):
    np.testing.assert_allclose(mixture.expect(f), mixture.expect(python_wave), rtol=1e-12)


def test_what_njit_makes_is_a_python_callable(mixture):
    @numba.njit
    def compiled(points):
        return np.cos(0.5 * points.sum(axis=1))

    np.testing.assert_allclose(mixture.expect(compiled), mixture.expect(python_wave), rtol=1e-12)


def test_in_many_dimensions():
    g = fg.GaussianMixture.from_parameters([0.5, 0.5], np.vstack([np.zeros(6), np.ones(6)]), [np.eye(6)] * 2)
    (value, error), (python_value, python_error) = g.expect(wave), g.expect(python_wave)
    assert value == pytest.approx(python_value, rel=1e-12)
    assert error == pytest.approx(python_error, rel=1e-6)
    assert abs(value - wave_truth(g.weights, g.means, g.covariances)) <= 3 * error


def test_signatures_that_are_something_else(mixture):
    @numba.cfunc(types.float64(types.float64))
    def of_a_number(x):
        return x

    @numba.cfunc(types.complex128(types.intc, POINT))
    def complex_of_a_point(d, point):
        return 1j

    for f, signature in (
        (complex_of_a_point, "(int32, float64*) -> complex128"),
        (of_a_number, "double (double)"),
        (of_a_number.ctypes, "double (double)"),
        (ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, C_DOUBLES)(lambda d, point: 0), "int (int, double *)"),
        (LowLevelCallable(wave.ctypes, signature="double (int, double *, double)"), "double (int, double *, double)"),
    ):
        with pytest.raises(
            ValueError, match=r"^f must have the signature 'double \(int, double \*, void \*\)'"
        ) as info:
            mixture.expect(f)
        assert str(info.value).endswith(f"got '{signature}'")
    with pytest.raises(ValueError, match=r"argtypes are not set"):
        mixture.expect(ctypes.CDLL(None).sin)
    with pytest.raises(ValueError, match=r"^f must be a Python callable, .* got 3$"):
        mixture.expect(3)


def test_compiled_functions_run_without_the_gil(mixture):
    @numba.cfunc(types.float64(types.intc, POINT))
    def slow(d, point):
        total = 0.0
        for i in range(100):
            total += math.sin(point[0] + i)
        return total

    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.002):
            ticks.append(time.perf_counter())

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.perf_counter()
    mixture.expect(slow)
    end = time.perf_counter()
    stop.set()
    thread.join()
    assert end - start > 0.03
    assert sum(start < moment < end for moment in ticks) >= 3


# ---- what goes wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite(mixture, bad):
    @numba.cfunc(types.float64(types.intc, POINT))
    def compiled(d, point):
        return bad if point[0] > 1 else 0.0

    def python(points):
        return np.where(points[:, 0] > 1, bad, 0.0)

    messages = []
    for f in (python, compiled):
        with pytest.raises(ValueError, match=r"^f is NaN or infinite at the point \[") as info:
            mixture.expect(f)
        messages.append(str(info.value))
    assert messages[0] == messages[1]
    assert float(messages[0].partition("[")[2].partition(",")[0]) > 1


def test_values_of_another_shape_or_kind(mixture):
    with pytest.raises(
        ValueError, match=r"^f must give one number for each of 256 points, \(256,\), got shape \(256, 3\)"
    ):
        mixture.expect(lambda points: points)
    with pytest.raises(ValueError, match=r"got shape \(\)"):
        mixture.expect(lambda points: 1.0)
    with pytest.raises(ValueError, match=r"^f must give real numbers, got dtype complex128"):
        mixture.expect(lambda points: points[:, 0] + 1j)


def test_what_the_function_raises_comes_through(mixture):
    with pytest.raises(ZeroDivisionError):
        mixture.expect(lambda points: 1 / 0)
    with pytest.raises(fg.NotFittedError):
        fg.GaussianMixture().expect(python_wave)


def test_the_points_are_the_functions_own(mixture):
    def spoil(points):
        values = python_wave(points)
        points[:] = np.nan
        return values

    assert mixture.expect(spoil) == mixture.expect(python_wave)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that sends a signal")
def test_signals_end_compiled_functions(mixture):
    @numba.cfunc(types.float64(types.intc, POINT))
    def slow(d, point):
        total = 0.0
        for i in range(20_000):  # a quarter of a millisecond, and hours in all
            total += math.sin(point[0] + i)
        return total if total > 0 else 1.0

    def interrupt(*_):
        raise InterruptedError("enough")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    start = time.perf_counter()
    try:
        with pytest.raises(InterruptedError, match="enough"):
            mixture.expect(slow)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.perf_counter() - start < 5
