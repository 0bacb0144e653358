"""A module that estimates information in code that Numba compiles, caches and runs on several threads."""

import numpy as np
from numba import njit, prange

from fastgmmmi import jit


@njit(nogil=True, cache=True)
def mutual_information(x, y, seed, n_bootstrap):
    """Value and standard error of the information between x, (n,) or (n, dx), and y, in nats."""
    return jit.mutual_information(x, y, seed, n_bootstrap)


@njit(nogil=True, cache=True)
def value_or_nan(x, y, seed):
    """Give NaN where the data cannot be used: Numba loses an exception that leaves the body of a parallel loop."""
    try:
        return jit.mutual_information(x, y, seed, 0)[0]
    except Exception:
        return np.nan


@njit(nogil=True, parallel=True, cache=True)
def mutual_informations(xs, ys, seed):
    """Information between each row of xs and that of ys, (m, n), without error bars."""
    values = np.empty(len(xs))
    for i in prange(len(xs)):
        values[i] = value_or_nan(xs[i], ys[i], seed)
    return values
