/* Calls of the installed core from C, for embedding.py: one after the other, and shared over POSIX threads.
 *
 * Nothing is linked: embedding.py passes the table of functions that the capsule fastgmmmi._core._C_API holds.
 */
#include "fastgmmmi.h"

#include <pthread.h>

/* One small call, n_calls times. The sum keeps the compiler from thinking any of them needless. */
double call_log_density(const fgm_api *api, const double *weights, const double *means, const double *covariances, const double *x, int64_t n_calls) {
    double sum = 0.0, out;
    for (int64_t i = 0; i < n_calls; ++i) {
        api->fgm_log_density(1, 1, weights, means, covariances, x, 1, &out);
        sum += out;
    }
    return sum;
}

double call_entropy(const fgm_api *api, const double *weights, const double *means, const double *covariances, int64_t n_calls) {
    double sum = 0.0, value, error;
    for (int64_t i = 0; i < n_calls; ++i) {
        api->fgm_entropy(1, 1, weights, means, covariances, 1e-5, 0, &value, &error);
        sum += value;
    }
    return sum;
}

typedef struct estimates {
    const fgm_api *api;
    const double *xs, *ys; /* (m, n) */
    double *values;        /* (m) */
    int64_t m, n, next;
} estimates;

static double estimate(const fgm_api *api, const double *x, const double *y, int64_t n, int64_t seed) {
    fgm_options options;
    fgm_result result = {.size = sizeof result};
    api->fgm_options_defaults(&options, sizeof options);
    options.n_bootstrap = 0;
    return api->fgm_mutual_information(x, y, n, 1, 1, NULL, &options, (uint64_t)seed, &result) == FGM_OK ? result.value : 0.0;
}

static void *take_estimates(void *data) {
    estimates *e = data;
    for (int64_t i; (i = __atomic_fetch_add(&e->next, 1, __ATOMIC_RELAXED)) < e->m;) {
        e->values[i] = estimate(e->api, e->xs + i * e->n, e->ys + i * e->n, e->n, i);
    }
    return NULL;
}

/* Row i of xs and ys with seed i. Nonzero where a thread cannot be started. */
int estimate_all(const fgm_api *api, const double *xs, const double *ys, int64_t m, int64_t n, double *values, int n_threads) {
    estimates e = {api, xs, ys, values, m, n, 0};
    pthread_t threads[64];
    int started = 0, status = 0;
    for (; started < n_threads - 1 && status == 0; ++started) {
        if ((status = pthread_create(&threads[started], NULL, take_estimates, &e)) != 0) break;
    }
    take_estimates(&e);
    for (int i = 0; i < started; ++i) pthread_join(threads[i], NULL);
    return status;
}
