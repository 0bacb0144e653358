"""Functions of the core for code that Numba compiles: `from fastgmmmi import jit`. Needs Numba.

They run without the GIL where the caller does (`njit(nogil=True)`), in parallel loops, and in cached code. That calls
the core by name: importing this module tells LLVM the address that each name has in this process.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from . import _core

try:
    import llvmlite.binding
    from numba import njit, typeof, types
    from numba.core.errors import TypingError
    from numba.extending import get_cython_function_address, overload
except ImportError as error:
    raise ImportError("fastgmmmi.jit needs Numba: pip install numba, or fastgmmmi[numba]") from error

if TYPE_CHECKING:
    from .inputs import Floats

    _Function = TypeVar("_Function", bound=Callable[..., Any])

__all__ = ["entropy", "log_density", "mixture_mutual_information", "mutual_information"]


def init() -> None:
    """Be the entry point for which Numba imports this module before it loads cached code. Importing is all it takes.

    Numba does so at the first use of njit, which is below where this module itself is what is imported.
    """


# ---- the core's functions, by name -----------------------------------------------------------------------------------

_ADDRESS, _SIZE, _COUNT = types.uintp, types.int64, types.int32


def _external(name: str, *parameters: types.Type) -> types.ExternalFunction:
    symbol = f"fastgmmmi.{name}"
    llvmlite.binding.add_symbol(symbol, get_cython_function_address("fastgmmmi.cython_api", name))
    return types.ExternalFunction(symbol, types.int32(*parameters))


_MIXTURE = (_COUNT, _COUNT, _ADDRESS, _ADDRESS, _ADDRESS)  # K, d, weights, means, covariances
_log_density = _external("fgm_log_density", *_MIXTURE, _ADDRESS, _SIZE, _ADDRESS)
_entropy = _external("fgm_entropy", *_MIXTURE, types.float64, types.uint64, _ADDRESS, _ADDRESS)
_mixture_mutual_information = _external(
    "fgm_mixture_mutual_information",
    *_MIXTURE,
    *(_ADDRESS, _COUNT) * 3,
    types.float64,
    types.uint64,
    _ADDRESS,
    _ADDRESS,
)
_mutual_information = _external(
    "default_mutual_information",
    *(_ADDRESS, _ADDRESS, _SIZE, _COUNT, _COUNT, types.uint64, _COUNT, _ADDRESS, _ADDRESS),
)

_TEXTS = _core.STATUS_TEXTS
_OUT_OF_MEMORY = _TEXTS.index("out of memory")
_TOL, _SEED = 1e-5, 0  # of an integral: GaussianMixture's, for the same bits
_ALL_COLUMNS = np.arange(64, dtype=np.int32)  # as many as a mixture can have
_COLUMN_SIZE = _ALL_COLUMNS.itemsize


@njit  # type: ignore[untyped-decorator]
def _raise_fault(status: int) -> None:
    if status == _OUT_OF_MEMORY:
        raise MemoryError("out of memory")
    if status != 0:
        raise ValueError(_TEXTS[status])


@njit  # type: ignore[untyped-decorator]
def _check_mixture(weights: Floats, means: Floats, covariances: Floats) -> None:
    n_components, d = means.shape
    if len(weights) != n_components or covariances.shape != (n_components, d, d):
        raise ValueError("weights, means and covariances must have the shapes (K,), (K, d) and (K, d, d)")


# ---- one function for Python and for compiled code -------------------------------------------------------------------

_INTEGER = (0,)  # wanted of an argument, in place of the numbers of dimensions that an array may have


def _fault(name: str, kind: types.Type, wanted: tuple[int, ...]) -> str | None:
    """Say what is wrong with an argument of this type, where an integer or an array of so many dimensions is wanted."""
    if wanted == _INTEGER:
        return None if isinstance(kind, types.Integer) else f"{name} must be an integer, got {kind}"
    if not isinstance(kind, types.Array) or kind.dtype != types.float64:
        return f"{name} must be an array of float64, got {kind}"
    if kind.ndim not in wanted:
        return f"{name} must have {' or '.join(map(str, wanted))} dimensions, got {kind.ndim}"
    if kind.layout != "C" or not kind.aligned:
        return f"{name} must be C-contiguous and aligned, got {kind}: np.ascontiguousarray({name}) is"
    return f"{name} must be writeable" if name == "out" and not kind.mutable else None


def _compiled(**wanted: tuple[int, ...]) -> Callable[[_Function], _Function]:
    """Let a function be called from Python and from compiled code, where the types of its arguments are what is wanted.

    Numba compiles its body for both.
    """

    def decorate(function: _Function) -> _Function:
        signature = inspect.signature(function)
        compiled = njit(nogil=True)(function)

        def faults(kinds: dict[str, types.Type]) -> str | None:
            return next((fault for name, kind in kinds.items() if (fault := _fault(name, kind, wanted[name]))), None)

        @functools.wraps(function)
        def from_python(*arguments: Any, **keywords: Any) -> Any:
            bound = signature.bind(*arguments, **keywords)
            for name, value in bound.arguments.items():
                if isinstance(value, int) and value >= 2**63:  # Numba takes every int for a signed one
                    bound.arguments[name] = np.uint64(value)
            if fault := faults({name: typeof(value) for name, value in bound.arguments.items()}):
                raise ValueError(fault)
            return compiled(*bound.args)

        @functools.wraps(function)  # Numba compares the signatures of what it calls
        def from_compiled_code(*kinds: types.Type, **keywords: types.Type) -> _Function:
            if fault := faults(signature.bind(*kinds, **keywords).arguments):
                raise TypingError(fault)
            return function

        overload(from_python)(from_compiled_code)
        return from_python  # type: ignore[return-value]

    return decorate


@_compiled(weights=(1,), means=(2,), covariances=(3,), X=(2,), out=(1,))
def log_density(weights: Floats, means: Floats, covariances: Floats, X: Floats, out: Floats) -> None:
    """
    Write the natural logarithm of a mixture's density at each point.

    Parameters
    ----------
    weights : ndarray, (K,)
        Weight of each component; all arrays are float64 and C-contiguous.
    means : ndarray, (K, d)
        Mean of each component.
    covariances : ndarray, (K, d, d)
        Covariance matrix of each component.
    X : ndarray, (n, d)
        Points.
    out : ndarray, (n,)
        Where the logarithms go.

    Raises
    ------
    ValueError
        If shapes do not agree, or weights or covariances are not those of a mixture. In compiled code, arrays of
        another type or layout are a numba.TypingError.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgmmmi import jit
    >>> out = np.empty(1)
    >>> jit.log_density(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1)), np.zeros((1, 1)), out)
    >>> out.round(4)
    array([-0.9189])
    """
    _check_mixture(weights, means, covariances)
    n_components, d = means.shape
    if X.shape[1] != d or len(out) != len(X):
        raise ValueError("X and out must have the shapes (n, d) and (n,), d being that of means")
    _raise_fault(
        _log_density(
            np.int32(n_components),
            np.int32(d),
            weights.ctypes.data,
            means.ctypes.data,
            covariances.ctypes.data,
            X.ctypes.data,
            len(X),
            out.ctypes.data,
        )
    )


@_compiled(weights=(1,), means=(2,), covariances=(3,))
def entropy(weights: Floats, means: Floats, covariances: Floats) -> float:
    """
    Compute the differential entropy of a mixture.

    Parameters
    ----------
    weights : ndarray, (K,)
        Weight of each component; all arrays are float64 and C-contiguous.
    means : ndarray, (K, d)
        Mean of each component.
    covariances : ndarray, (K, d, d)
        Covariance matrix of each component.

    Returns
    -------
    float
        ``-E[log p(x)]`` in nats, the same bits as ``GaussianMixture.entropy()``.

    Raises
    ------
    ValueError
        If shapes do not agree, or weights or covariances are not those of a mixture. In compiled code, arrays of
        another type or layout are a numba.TypingError.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgmmmi import jit
    >>> round(jit.entropy(np.ones(1), np.zeros((1, 1)), np.ones((1, 1, 1))), 4)
    1.4189
    """
    _check_mixture(weights, means, covariances)
    n_components, d = means.shape
    found = np.empty(2)
    _raise_fault(
        _entropy(
            np.int32(n_components),
            np.int32(d),
            weights.ctypes.data,
            means.ctypes.data,
            covariances.ctypes.data,
            _TOL,
            np.uint64(_SEED),
            found.ctypes.data,
            found[1:].ctypes.data,
        )
    )
    return float(found[0])


@_compiled(weights=(1,), means=(2,), covariances=(3,), dx=_INTEGER)
def mixture_mutual_information(weights: Floats, means: Floats, covariances: Floats, dx: int) -> float:
    """
    Compute the mutual information between the first dx variables of a mixture and the others.

    Parameters
    ----------
    weights : ndarray, (K,)
        Weight of each component; all arrays are float64 and C-contiguous.
    means : ndarray, (K, d)
        Mean of each component.
    covariances : ndarray, (K, d, d)
        Covariance matrix of each component.
    dx : int
        At least 1 and below d.

    Returns
    -------
    float
        In nats, the same bits as ``GaussianMixture.mutual_information(range(dx), range(dx, d))``.

    Raises
    ------
    ValueError
        If shapes do not agree, or weights or covariances are not those of a mixture. In compiled code, arrays of
        another type or layout are a numba.TypingError.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgmmmi import jit
    >>> covariances = np.array([[[1.0, 0.6], [0.6, 1.0]]])
    >>> round(jit.mixture_mutual_information(np.ones(1), np.zeros((1, 2)), covariances, 1), 4)
    0.2231
    """
    _check_mixture(weights, means, covariances)
    n_components, d = means.shape
    if dx < 1 or dx >= d or d > len(_ALL_COLUMNS):
        raise ValueError("dx must be at least 1 and below d, the number of variables, and d at most 64")
    found = np.empty(2)
    _raise_fault(
        _mixture_mutual_information(
            np.int32(n_components),
            np.int32(d),
            weights.ctypes.data,
            means.ctypes.data,
            covariances.ctypes.data,
            _ALL_COLUMNS.ctypes.data,
            np.int32(dx),
            _ALL_COLUMNS.ctypes.data + np.uintp(dx * _COLUMN_SIZE),
            np.int32(d - dx),
            np.uintp(0),
            np.int32(0),
            _TOL,
            np.uint64(_SEED),
            found.ctypes.data,
            found[1:].ctypes.data,
        )
    )
    return float(found[0])


@_compiled(x=(1, 2), y=(1, 2), seed=_INTEGER, n_bootstrap=_INTEGER)
def mutual_information(x: Floats, y: Floats, seed: int, n_bootstrap: int) -> tuple[float, float]:
    """
    Estimate the mutual information of x and y, with an error bar.

    Parameters
    ----------
    x : ndarray, (n,) or (n, dx)
        Samples of the first variable; both arrays are float64 and C-contiguous.
    y : ndarray, (n,) or (n, dy)
        Samples of the second variable.
    seed : int
        At least 0; in ``fastgmmmi.mutual_information`` it is `rng`.
    n_bootstrap : int
        Bootstrap replicates. With 0 the value is not corrected for bias, and with 1 or none there is no error bar: NaN.

    Returns
    -------
    value : float
        In nats, the same bits as ``fastgmmmi.mutual_information(x, y, rng=seed, n_bootstrap=n_bootstrap)``.
    standard_error : float
        Its standard error; NaN where `n_bootstrap` is 0.

    Raises
    ------
    ValueError
        If the data hold NaN or infinity, are constant or collinear, too few, or of different lengths, or if another
        argument is not usable. In compiled code, arrays of another type or layout are a numba.TypingError.

    Notes
    -----
    It runs on the calling thread alone: in a parallel loop the estimates are shared over threads, not their replicates.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgmmmi import jit
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> value, standard_error = jit.mutual_information(x, x + noise, 0, 20)  # exactly log(2) / 2
    >>> bool(abs(value - np.log(2) / 2) < 3 * standard_error)
    True
    """
    n = len(x)
    if len(y) != n:
        raise ValueError("x and y must have the same number of rows")
    if seed < 0:
        raise ValueError("seed must be at least 0")
    if n_bootstrap < 0 or n_bootstrap > 2147483647:
        raise ValueError("n_bootstrap must be at least 0 and below 2**31")
    found = np.empty(2)
    _raise_fault(
        _mutual_information(
            x.ctypes.data,
            y.ctypes.data,
            n,
            np.int32(1 if x.ndim == 1 else x.shape[-1]),
            np.int32(1 if y.ndim == 1 else y.shape[-1]),
            np.uint64(seed),
            np.int32(n_bootstrap),
            found.ctypes.data,
            found[1:].ctypes.data,
        )
    )
    return found[0], found[1]
