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
    function: Any = f.ctypes if _is_numba(f) else f
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
        expected = " or ".join(f"'{signature}'" for signature in _core.POINT_FUNCTIONS)
        raise ValueError(f"f must have the signature {expected}, got '{found.signature}'")
    return tuple.__getitem__(found, 0)


def _is_numba(f: object) -> bool:
    return type(f).__module__.partition(".")[0] == "numba" and hasattr(f, "ctypes")


def _is_scipy(f: object) -> bool:
    return any(kind.__name__ == "LowLevelCallable" for kind in type(f).__mro__)
