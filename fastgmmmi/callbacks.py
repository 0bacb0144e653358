"""Functions that users hand over: Python's as they are, compiled ones as the address that the core calls."""

from __future__ import annotations

import ctypes
from typing import Any

from . import _core

_CTYPES_FUNCTION: Any = ctypes.CFUNCTYPE(None).__bases__[0]


def function_of_points(f: Any) -> Any:
    """Give what `_core.expect` takes: the callable, or a capsule whose name is the signature and whose context is data.

    A Numba cfunc and a ctypes function are Python callables too; what is meant is the compiled function.
    """
    function = _compiled_by_numba(f) if type(f).__module__.partition(".")[0] == "numba" else f
    if not (_is_scipy(function) or isinstance(function, _CTYPES_FUNCTION)):
        if callable(f):
            return f
        raise ValueError(
            f"f must be a Python callable, a scipy.LowLevelCallable, a Numba cfunc or a ctypes function, got {f!r}"
        )
    if isinstance(function, _CTYPES_FUNCTION) and function.argtypes is None:
        raise ValueError("f is a ctypes function whose argtypes are not set; set them, and its restype")
    from scipy import LowLevelCallable

    found = LowLevelCallable(function)
    if found.signature not in _core.POINT_FUNCTIONS:
        raise _another_signature(found.signature)
    return tuple.__getitem__(found, 0)


def _compiled_by_numba(f: Any) -> Any:
    """Give the ctypes function of a cfunc; what njit makes has none, and is a Python callable like any other."""
    try:
        return getattr(f, "ctypes", f)
    except TypeError:  # a type that C does not have
        raise _another_signature(getattr(f, "_sig", "one that C does not have")) from None


def _another_signature(got: object) -> ValueError:
    expected = " or ".join(f"'{signature}'" for signature in _core.POINT_FUNCTIONS)
    return ValueError(f"f must have the signature {expected}, got '{got}'")


def _is_scipy(f: object) -> bool:
    return any(kind.__name__ == "LowLevelCallable" for kind in type(f).__mro__)
