# cython: language_level=3, boundscheck=False, wraparound=False
"""A module in Cython that estimates information with the core of the installed fastgmmmi, without the GIL."""

from libc.string cimport memset

from fastgmmmi.cython_api cimport FGM_OK, fgm_mutual_information, fgm_options, fgm_options_init, fgm_result, fgm_strerror


def mutual_information(const double[:, ::1] x, const double[:, ::1] y, unsigned long long seed, int n_bootstrap):
    """Value and standard error of the information between x (n, dx) and y (n, dy), in nats."""
    cdef fgm_options options
    cdef fgm_result result
    cdef int status
    if x.shape[0] != y.shape[0] or x.shape[0] == 0:
        raise ValueError("x and y must have the same number of rows, at least one")
    fgm_options_init(&options)
    options.n_bootstrap = n_bootstrap
    memset(&result, 0, sizeof(result))  # no array is asked for
    result.size = sizeof(result)
    with nogil:
        status = fgm_mutual_information(&x[0, 0], &y[0, 0], x.shape[0], <int>x.shape[1], <int>y.shape[1], NULL, &options, seed, &result)
    if status != FGM_OK:
        raise ValueError(fgm_strerror(status).decode())
    return result.value, result.standard_error


cdef api double squared_distance(int d, double *point, void *centre) noexcept nogil:
    """Of a point from centre (d): for GaussianMixture.expect, by scipy.LowLevelCallable.from_cython."""
    cdef double total = 0.0
    cdef int j
    for j in range(d):
        total += (point[j] - (<double *>centre)[j]) ** 2
    return total
