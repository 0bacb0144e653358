/* What the tests of the core share: a count of checks, a generator of mixtures, and the mixture D5 of Piras et al. (2023). */
#ifndef FGM_CHECK_H
#define FGM_CHECK_H

#include "core.h"
#include "random.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_passed, n_failed;

/* Counts a check; where it fails, says which. */
__attribute__((format(printf, 2, 3))) static inline void check(bool ok, const char *format, ...) {
    if (ok) {
        ++n_passed;
        return;
    }
    ++n_failed;
    va_list arguments;
    va_start(arguments, format);
    printf("FAILED: ");
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

static inline void check_status(int status, int expected, const char *name) {
    check(status == expected, "%s: \"%s\", should be \"%s\"", name, fgm_strerror(status), fgm_strerror(expected));
}

/* To be returned from main. */
static inline int summary(void) {
    printf("%d passed, %d failed (%s)\n", n_passed, n_failed, fgm_cpu_tier());
    return n_failed > 0;
}

/* Memory of exactly that size, so that the address sanitiser sees a step beyond it. */
static inline double *numbers(size_t count) {
    double *memory = malloc(count * sizeof *memory + (count == 0));
    if (!memory) abort();
    return memory;
}

typedef struct parameters {
    int n_components, d;
    double *weights, *means, *covariances; /* (K), (K, d), (K, d, d) */
} parameters;

static inline void release_parameters(parameters *p) {
    free(p->weights);
    free(p->means);
    free(p->covariances);
}

/* Weights between 1 and 2 before they are normalised; means within 2 of the origin; covariances A A^T with A lower triangular, its diagonal between
 * 0.5 and 1.5 and the rest within 0.4 / sqrt(d) of zero, so that condition numbers are modest in any dimension. */
static inline parameters draw_parameters(int n_components, int d, uint64_t key) {
    parameters p = {n_components, d, numbers((size_t)n_components), numbers((size_t)(n_components * d)), numbers((size_t)(n_components * d * d))};
    double *factor = numbers((size_t)(d * d)), total = 0.0;
    uint64_t counter = 0;
    for (int k = 0; k < n_components; ++k) total += p.weights[k] = 1.0 + fgm_random_uniform(key, counter++);
    for (int k = 0; k < n_components; ++k) p.weights[k] /= total;
    for (int i = 0; i < n_components * d; ++i) p.means[i] = 4.0 * fgm_random_uniform(key, counter++) - 2.0;
    for (int k = 0; k < n_components; ++k) {
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j < d; ++j) {
                double uniform = fgm_random_uniform(key, counter++);
                factor[i * d + j] = j > i ? 0.0 : j == i ? 0.5 + uniform : (0.8 * uniform - 0.4) / sqrt(d);
            }
        }
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j < d; ++j) {
                double sum = 0.0;
                for (int m = 0; m < d; ++m) sum += factor[i * d + m] * factor[j * d + m];
                p.covariances[(k * d + i) * d + j] = sum;
            }
        }
    }
    free(factor);
    return p;
}

/* Allocates. */
static inline fgm_mixture mixture_of(const parameters *p) {
    fgm_mixture mixture;
    if (fgm_mixture_from_parameters(&mixture, p->n_components, p->d, p->weights, p->means, p->covariances) != FGM_OK) abort();
    return mixture;
}

static const double D5_WEIGHTS[5] = {.2, .35, .15, .12, .18};
static const double D5_MEANS[10] = {-1, 1, 0, 2, -1.5, 2, 2, 1, -.25, 0};
static const double D5_COVARIANCES[20] = {1, 0, 0, .1, .5, .2, .2, .5, .1, .05, .05, .1, .5, -.1, -.1, .9, .2, -.05, -.05, .1};

/* n draws of D5, (n, 2). */
static inline double *draw_d5(int64_t n, uint64_t seed) {
    double *X = numbers((size_t)n * 2);
    if (fgm_sample(5, 2, D5_WEIGHTS, D5_MEANS, D5_COVARIANCES, seed, n, X) != FGM_OK) abort();
    return X;
}

#endif
