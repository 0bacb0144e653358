# cython: language_level=3, boundscheck=False, wraparound=False
"""The calls of embedding_calls.c from Cython, for embedding.py."""

from fastgmmmi.cython_api cimport fgm_entropy, fgm_log_density


def call_log_density(const double[::1] weights, const double[::1] means, const double[::1] covariances, const double[::1] x, long long n_calls):
    cdef double total = 0.0, out = 0.0
    cdef long long i
    with nogil:
        for i in range(n_calls):
            fgm_log_density(1, 1, &weights[0], &means[0], &covariances[0], &x[0], 1, &out)
            total += out
    return total


def call_entropy(const double[::1] weights, const double[::1] means, const double[::1] covariances, long long n_calls):
    cdef double total = 0.0, value = 0.0, error = 0.0
    cdef long long i
    with nogil:
        for i in range(n_calls):
            fgm_entropy(1, 1, &weights[0], &means[0], &covariances[0], 1e-5, 0, &value, &error)
            total += value
    return total
