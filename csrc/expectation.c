/* Expectation of any function under a mixture, component by component: E_p f = sum over k of w_k E_k f.
 *
 * Nothing is known of f, its size least of all, so tolerances are relative to E|f|. That, and the largest |f|, come from a few random points of
 * each component. Where f is zero at all of them it counts as the indicator of something rare: an error of 3 / n is then allowed for n points that
 * have not met it, which is 95% sure (the rule of three).
 *
 * Up to three dimensions the trapezoid rule on a lattice in each component's own coordinates (integrate_lattice.c) then finds E_k f; for a smooth f
 * a thousand nodes reach rounding. Where f jumps or bends so sharply that the lattice's own estimate of its error stays above the tolerance, and in
 * more dimensions, it is randomised quasi-Monte Carlo (integrate_random.c), unless that errs by more. Nodes depend on the mixture, the seed and the
 * values of f alone.
 *
 * A function is handed blocks of rows, so that one call serves many points whatever language it is written in. After a block that fails it is not
 * called any more: NaN in place of its values ends every refinement.
 */
#include "integrate.h"

#include <math.h>
#include <string.h>

/* About what a compiled function of a few logarithms takes, in nanoseconds. A constant: nodes must not depend on a clock. */
#define NANOSECONDS_OF_A_CALL 60.0

#define MAX_LATTICE_NODES 1e6 /* of all components */
#define RARE_SIZE 30.0        /* integrate_random.c allows a tenth of it */
#define LATTICE_RADIUS 9.0    /* a Gaussian of three dimensions has 1e-16 outside */

typedef struct average {
    const fgm_mixture *mixture;
    fgm_function function;
    void *function_data;
    double *fault;  /* (d) or NULL */
    bool of_modulus;
    double largest; /* |f| so far */
    int component;  /* whose density the lattice's integrand is multiplied by */
    int status;
    double *rows;   /* (FGM_NODE_BLOCK, d) */
} average;

/* Values of the function at the nodes; FGM_ERROR_NOT_FINITE where one is not finite, with its place. */
static int call_function(average *a, fgm_samples nodes, double *values) {
    int d = nodes.d;
    for (int64_t i = 0; i < nodes.n; ++i) {
        for (int j = 0; j < d; ++j) a->rows[i * d + j] = nodes.columns[j * nodes.stride + i];
    }
    FGM_TRY(a->function(a->function_data, a->rows, nodes.n, values));
    for (int64_t i = 0; i < nodes.n; ++i) {
        if (isfinite(values[i])) continue;
        for (int j = 0; a->fault && j < d; ++j) a->fault[j] = nodes.columns[j * nodes.stride + i];
        return FGM_ERROR_NOT_FINITE;
    }
    return FGM_OK;
}

static void find_values(average *a, fgm_samples nodes, double *values) {
    if (a->status == FGM_OK) a->status = call_function(a, nodes, values);
    for (int64_t i = 0; i < nodes.n; ++i) {
        if (a->status != FGM_OK) {
            values[i] = NAN;
            continue;
        }
        if (fabs(values[i]) > a->largest) a->largest = fabs(values[i]);
        if (a->of_modulus) values[i] = fabs(values[i]);
    }
}

static void random_integrand(void *data, int component, fgm_samples nodes, double *values) {
    (void)component;
    find_values(data, nodes, values);
}

/* Times the component's density. */
static void lattice_integrand(void *data, fgm_samples nodes, double *values) {
    average *a = data;
    int d = nodes.d;
    const double *mean = a->mixture->means + a->component * d, *factor = a->mixture->factors + a->component * FGM_TRIANGLE(d);
    double constant = pow(2.0 * 3.14159265358979323846, -0.5 * d) / fgm_factor_volume(d, factor);
    find_values(a, nodes, values);
    for (int64_t i = 0; i < nodes.n; ++i) {
        double z[FGM_LATTICE_DIMENSION], square = 0.0;
        for (int j = 0; j < d; ++j) {
            z[j] = nodes.columns[j * nodes.stride + i] - mean[j];
            for (int m = 0; m < j; ++m) z[j] -= factor[FGM_TRIANGLE(j) + m] * z[m];
            z[j] /= factor[FGM_TRIANGLE(j) + j];
            square += z[j] * z[j];
        }
        values[i] *= constant * exp(-0.5 * square);
    }
}

static int expect_by_lattices(average *a, double modulus, double tol, double *value, double *error) {
    int d = a->mixture->d;
    double *work = fgm_allocate(fgm_lattice_work_size(1, d)), radius = LATTICE_RADIUS;
    if (!work) return FGM_ERROR_MEMORY;
    double max_nodes = MAX_LATTICE_NODES / a->mixture->n_components;
    *value = *error = 0.0;
    for (a->component = 0; a->component < a->mixture->n_components && a->status == FGM_OK; ++a->component) {
        const double *factor = a->mixture->factors + a->component * FGM_TRIANGLE(d);
        fgm_lattice lattice = {1, d, a->mixture->means + a->component * d, factor, &radius, factor};
        double part, part_error, weight = a->mixture->weights[a->component];
        if (!(weight > 0.0)) continue;
        fgm_lattice_integrate(&lattice, lattice_integrand, a, modulus, tol, max_nodes, &part, &part_error, work);
        *value += weight * part;
        *error += weight * part_error;
    }
    fgm_release(work);
    return a->status;
}

static int expect(average *a, double tol, uint64_t seed, double *value, double *error) {
    double modulus = 0.0, random_value = 0.0, random_error = 0.0;
    a->of_modulus = true;
    FGM_TRY(fgm_random_expectation(a->mixture, random_integrand, a, 0.0, NANOSECONDS_OF_A_CALL, INFINITY, seed, &modulus, error));
    FGM_TRY(a->status);
    a->of_modulus = false;
    *error = INFINITY;
    if (!(modulus > 0.0)) {
        modulus = 1.0;
        a->largest = RARE_SIZE;
    } else if (a->mixture->d <= FGM_LATTICE_DIMENSION) {
        FGM_TRY(expect_by_lattices(a, modulus, tol * modulus, value, error));
    }
    if (*error <= tol * modulus) return FGM_OK;
    FGM_TRY(fgm_random_expectation(a->mixture, random_integrand, a, a->largest, NANOSECONDS_OF_A_CALL, tol * modulus, seed, &random_value,
                                   &random_error));
    if (random_error < *error) {
        *value = random_value;
        *error = random_error;
    }
    return a->status;
}

int fgm_expect(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, fgm_function function,
               void *function_data, double tol, uint64_t seed, double *value, double *error, double *fault) {
    fgm_mixture mixture;
    if (!(tol > 0.0)) return FGM_ERROR_OPTION;
    FGM_TRY(fgm_mixture_from_parameters(&mixture, n_components, d, weights, means, covariances));
    average a = {.mixture = &mixture, .function = function, .function_data = function_data, .fault = fault, .status = FGM_OK};
    a.rows = fgm_allocate((size_t)d * FGM_NODE_BLOCK);
    int status = a.rows ? expect(&a, tol, seed, value, error) : FGM_ERROR_MEMORY;
    fgm_release(a.rows);
    fgm_mixture_release(&mixture);
    return status;
}
