/* Expectations under a mixture by randomised quasi-Monte Carlo, component by component.
 *
 *   E_p f = sum over k of w_k E_k f,    E_k f = mean of f(mu_k + L_k z) over standard normal z.
 *
 * For each component z runs over a lattice sequence (quasi_random.h) mapped by the normal quantile, under N_SHIFTS independent random shifts. The
 * mean over shifts is unbiased and its standard error is estimated from their scatter (Cranley and Patterson 1976; L'Ecuyer and Lemieux 2000).
 * Points are doubled for those components whose share of the error is too large, until the total meets tol or the work reaches its limit; the
 * points that are there stay. Shifts are keyed by seed, component and shift alone: two mixtures of nearly the same parameters are seen by
 * the same points, so that the errors of their difference cancel.
 *
 * The error reported is SAFETY standard errors, and UNSEEN * scale / number of points for what no point may have met: components that overlap in
 * their tails only, say, where the integrand is of size scale but which less than one point in a thousand meets, and then in none of the shifts.
 * Were the means over shifts normal, an error of three times that would have probability 2e-5. They are not quite: UNSEEN was calibrated on 1,200
 * integrals over random mixtures of 4 to 10 dimensions, and of 2,640 others one was off by more (3.07 times).
 *
 * Memory layout, one block: sums over points for each component and shift (K, N_SHIFTS), numbers of points per shift (K), variances (K),
 * columns (d, 256), uniform numbers (256), values (256).
 */
#include "integrate.h"
#include "quasi_random.h"
#include "random.h"

#include <math.h>
#include <string.h>

#define N_SHIFTS 16
#define SAFETY 2.0
#define UNSEEN 0.1
#define FIRST_POINTS 32 /* per shift; fewer where there are very many components */
#define MAX_POINTS (1 << 20)
#define MAX_NANOSECONDS 5e8

typedef struct sampler {
    const fgm_mixture *mixture;
    fgm_component_integrand integrand;
    void *data;
    uint64_t seed;
    double scale;
    double *sums;      /* (K, N_SHIFTS) */
    double *points;    /* (K) */
    double *variances; /* (K) of the weighted mean */
    double *columns;   /* (d, FGM_NODE_BLOCK) */
    double *uniform;   /* (FGM_NODE_BLOCK) */
    double *values;    /* (FGM_NODE_BLOCK) */
} sampler;

/* Columns of z become columns of mu + L z; from the last variable down, so that it can be done in place. */
static void map_to_component(const sampler *s, int component, int n) {
    int d = s->mixture->d;
    const double *factor = s->mixture->factors + (size_t)component * (size_t)FGM_TRIANGLE(d), *mean = s->mixture->means + component * d;
    for (int i = d - 1; i >= 0; --i) {
        double *column = s->columns + i * FGM_NODE_BLOCK, diagonal = factor[FGM_TRIANGLE(i) + i];
        for (int b = 0; b < n; ++b) column[b] = mean[i] + diagonal * column[b];
        for (int j = 0; j < i; ++j) {
            const double *other = s->columns + j * FGM_NODE_BLOCK;
            double entry = factor[FGM_TRIANGLE(i) + j];
            for (int b = 0; b < n; ++b) column[b] += entry * other[b];
        }
    }
}

/* Uniform numbers of one coordinate for a block of the flat index shift * count + point, from start on. */
static void fill_uniform(sampler *s, int component, int coordinate, int64_t start, int64_t count, int n, const uint64_t *mirrored /* (n) */) {
    for (int b = 0; b < n;) {
        int64_t shift = (start + b) / count, left = (shift + 1) * count - start;
        int end = left < n ? (int)left : n;
        uint64_t key = fgm_stream(s->seed, FGM_STREAM_INTEGRAL, (uint64_t)(component * N_SHIFTS + shift));
        uint64_t offset = fgm_random_bits(key, (uint64_t)coordinate);
        for (; b < end; ++b) s->uniform[b] = fgm_lattice_coordinate(mirrored[b], coordinate, offset);
    }
}

/* Points first .. first+count-1 of the lattice sequence under each shift; count is a power of two. */
static void add_points(sampler *s, int component, int64_t first, int64_t count) {
    int d = s->mixture->d;
    uint64_t mirrored[FGM_NODE_BLOCK];
    for (int64_t start = 0; start < N_SHIFTS * count; start += FGM_NODE_BLOCK) {
        int n = N_SHIFTS * count - start < FGM_NODE_BLOCK ? (int)(N_SHIFTS * count - start) : FGM_NODE_BLOCK;
        for (int b = 0; b < n; ++b) mirrored[b] = fgm_mirror_bits((uint64_t)(first + ((start + b) & (count - 1))));
        for (int j = 0; j < d; ++j) {
            fill_uniform(s, component, j, start, count, n, mirrored);
            fgm_get_kernels()->normal_quantile(n, s->uniform, s->columns + j * FGM_NODE_BLOCK);
        }
        map_to_component(s, component, n);
        s->integrand(s->data, component, (fgm_samples){n, FGM_NODE_BLOCK, d, s->columns, NULL, NULL}, s->values);
        for (int b = 0; b < n; ++b) s->sums[component * N_SHIFTS + (start + b) / count] += s->values[b];
    }
    s->points[component] += (double)count;
}

/* The component's share of the expectation; its variance goes to variances. */
static double weighted_mean(sampler *s, int component) {
    const double *sums = s->sums + component * N_SHIFTS;
    double scale = s->mixture->weights[component] / s->points[component], mean = 0.0, squares = 0.0;
    for (int shift = 0; shift < N_SHIFTS; ++shift) mean += sums[shift] / N_SHIFTS;
    for (int shift = 0; shift < N_SHIFTS; ++shift) squares += (sums[shift] - mean) * (sums[shift] - mean);
    s->variances[component] = scale * scale * squares / (N_SHIFTS * (N_SHIFTS - 1));
    return scale * mean;
}

/* What the component's points may not have seen, of its mean. */
static double unseen(const sampler *s, int component) { return UNSEEN * s->scale / (s->points[component] * N_SHIFTS); }

/* Doubles the points where the error is above its share. False where there is nothing to do, or the work has reached its limit. */
static bool refine(sampler *s, double tol, double node_cost, double *nanoseconds) {
    int n_components = s->mixture->n_components;
    double allowed = tol * tol / (4.0 * SAFETY * SAFETY * n_components);
    bool refined = false;
    for (int k = 0; k < n_components; ++k) {
        double more = s->points[k] * N_SHIFTS * node_cost;
        if (!(s->mixture->weights[k] > 0.0) || (s->variances[k] <= allowed && unseen(s, k) <= 0.5 * tol)) continue;
        if (2.0 * s->points[k] > MAX_POINTS || *nanoseconds + more > MAX_NANOSECONDS) continue;
        add_points(s, k, (int64_t)s->points[k], (int64_t)s->points[k]);
        *nanoseconds += more;
        refined = true;
    }
    return refined;
}

static void sample(sampler *s, double tol, double node_cost, double *value, double *error) {
    int n_components = s->mixture->n_components;
    int64_t first = FIRST_POINTS;
    while (first > 1 && (double)first * N_SHIFTS * n_components * node_cost > 0.5 * MAX_NANOSECONDS) first /= 2;
    double nanoseconds = (double)first * N_SHIFTS * n_components * node_cost;
    for (int k = 0; k < n_components; ++k) {
        if (s->mixture->weights[k] > 0.0) add_points(s, k, 0, first);
    }
    do {
        double variance = 0.0, missed = 0.0;
        *value = 0.0;
        for (int k = 0; k < n_components; ++k) {
            if (!(s->mixture->weights[k] > 0.0)) continue;
            *value += weighted_mean(s, k);
            variance += s->variances[k];
            missed += s->mixture->weights[k] * unseen(s, k);
        }
        *error = SAFETY * sqrt(variance) + missed;
    } while (*error > tol && refine(s, tol, node_cost, &nanoseconds));
}

int fgm_random_expectation(const fgm_mixture *mixture, fgm_component_integrand integrand, void *data, double scale, double node_cost, double tol,
                           uint64_t seed, double *value, double *error) {
    size_t k = (size_t)mixture->n_components, d = (size_t)mixture->d;
    double *memory = fgm_allocate(k * (N_SHIFTS + 2) + (d + 2) * FGM_NODE_BLOCK);
    if (!memory) return FGM_ERROR_MEMORY;
    sampler s = {mixture, integrand, data, seed, scale, memory, memory + k * N_SHIFTS, NULL, NULL, NULL, NULL};
    s.variances = s.points + k;
    s.columns = s.variances + k;
    s.uniform = s.columns + d * FGM_NODE_BLOCK;
    s.values = s.uniform + FGM_NODE_BLOCK;
    memset(memory, 0, k * (N_SHIFTS + 2) * sizeof *memory);
    /* Making the node itself: quantiles, and the product with the factor. */
    double making = 8.0 * (double)d + 0.15 * (double)(d * d);
    sample(&s, tol, node_cost + making, value, error);
    fgm_release(memory);
    return FGM_OK;
}
