"""A module that estimates information through cffi, with the core of the installed fastgmmmi."""

import numpy as np
from _consumer import ffi, lib

if lib.connect() < 0:
    raise ImportError("fastgmmmi is not the one that this module was built for; its reason is printed above")


def mutual_information(x, y, seed, n_bootstrap):
    """Value and standard error of the information between x (n, dx) and y (n, dy), in nats."""
    x, y = np.ascontiguousarray(x, np.float64), np.ascontiguousarray(y, np.float64)
    if len(x) != len(y):
        raise ValueError("x and y must have the same number of rows")
    found = ffi.new("double[2]")
    pointers = (ffi.from_buffer("double[]", array) for array in (x, y))
    shapes = len(x), x.shape[1], y.shape[1]
    status = lib.mutual_information(*pointers, *shapes, seed, n_bootstrap, found, found + 1)
    if status:
        raise ValueError(ffi.string(lib.describe(status)).decode())
    return found[0], found[1]
