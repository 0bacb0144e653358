/* Mixtures: factors, marginals, conditionals, densities, draws, the covariance floor, and every error they give. */
#include "check.h"

#include <float.h>

/* ---- linear algebra ------------------------------------------------------------------------------------------------------------------ */

static void test_covariance_round_trip(void) {
    static const int dimensions[] = {1, 2, 3, 7, 33, 64};
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; ++i) {
        int d = dimensions[i];
        parameters p = draw_parameters(2, d, 10 + i);
        fgm_mixture mixture = mixture_of(&p);
        double *covariance = numbers((size_t)(d * d)), worst = 0.0;
        for (int k = 0; k < 2; ++k) {
            fgm_mixture_covariance(&mixture, k, covariance);
            /* Cholesky is backward stable: |L L^T - S| <= (d + 1) u sqrt(S_ii S_jj), and the diagonal is below 3. */
            for (int j = 0; j < d * d; ++j) worst = fmax(worst, fabs(covariance[j] - p.covariances[k * d * d + j]));
        }
        check(worst <= 3.0 * (d + 1) * DBL_EPSILON, "covariance of its own factor, d=%d: off by %g", d, worst);
        free(covariance);
        fgm_mixture_release(&mixture);
        release_parameters(&p);
    }
}

static void test_cholesky_refuses(void) {
    double singular[] = {1.0, 1.0, 1.0}, indefinite[] = {1.0, 2.0, 1.0}, negative[] = {-1.0}, not_a_number[] = {NAN}, infinite[] = {INFINITY};
    check(!fgm_cholesky(singular, 2), "singular");
    check(!fgm_cholesky(indefinite, 2), "indefinite");
    check(!fgm_cholesky(negative, 1), "negative");
    check(!fgm_cholesky(not_a_number, 1), "NaN");
    check(!fgm_cholesky(infinite, 1), "infinite");
}

/* A = V diag(values) V^T with V orthogonal, to 1e-13 of the largest eigenvalue (Jacobi rotations are backward stable). */
static void test_eigen(void) {
    static const int dimensions[] = {1, 2, 3, 5, 16, 64};
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; ++i) {
        int d = dimensions[i];
        parameters p = draw_parameters(1, d, 20 + i);
        double *a = numbers((size_t)(d * d)), *vectors = numbers((size_t)(d * d)), worst = 0.0, largest = 0.0;
        memcpy(a, p.covariances, (size_t)(d * d) * sizeof *a);
        fgm_symmetric_eigen(d, a, vectors);
        for (int r = 0; r < d; ++r) {
            largest = fmax(largest, a[r * d + r]);
            for (int s = 0; s < d; ++s) {
                double rebuilt = 0.0, product = 0.0;
                for (int m = 0; m < d; ++m) {
                    rebuilt += vectors[r * d + m] * vectors[s * d + m] * a[m * d + m];
                    product += vectors[m * d + r] * vectors[m * d + s];
                }
                worst = fmax(worst, fmax(fabs(rebuilt - p.covariances[r * d + s]), fabs(product - (r == s))));
            }
        }
        check(worst <= 1e-13 * fmax(largest, 1.0), "eigenvalues and vectors, d=%d: off by %g", d, worst);
        free(a);
        free(vectors);
        release_parameters(&p);
    }
}

/* Raised eigenvalues, in units of the floor, are max(1, eigenvalue); what lies above stays as it is to the last bit. */
static void test_floor(void) {
    double floor[] = {0.01, 0.04}, kept[] = {1.0, 0.3, 0.5}, raised[] = {1.0, 0.1999, 0.04}, factor[3];
    memcpy(factor, kept, sizeof kept);
    check(!fgm_floor_and_factor(floor, 2, factor), "a covariance above the floor is not raised");
    check(fgm_cholesky(kept, 2) && memcmp(factor, kept, sizeof kept) == 0, "and keeps its bits");
    memcpy(factor, raised, sizeof raised);
    check(fgm_floor_and_factor(floor, 2, factor), "a covariance below the floor is raised");
    /* In units of the floor: [[100, 9.995], [9.995, 1]], eigenvalues 50.5 +- sqrt(49.5^2 + 9.995^2); only the second is below 1. */
    double s00 = factor[0] * factor[0], s10 = factor[1] * factor[0], s11 = factor[1] * factor[1] + factor[2] * factor[2];
    double trace = s00 / 0.01 + s11 / 0.04, determinant = s00 / 0.01 * s11 / 0.04 - s10 * s10 / 0.0004;
    double expected = 50.5 + sqrt(49.5 * 49.5 + 9.995 * 9.995);
    check(fabs(trace - (expected + 1.0)) < 1e-12 * expected, "raised: trace %.15g, should be %.15g", trace, expected + 1.0);
    check(fabs(determinant - expected) < 1e-11 * expected, "raised: determinant %.15g, should be %.15g", determinant, expected);
    double zero[] = {0.0, 0.0, 0.0}; /* all rows at one place */
    check(fgm_floor_and_factor(floor, 2, zero), "a covariance of zero is raised");
    check(fabs(zero[0] - 0.1) < 1e-15 && zero[1] == 0.0 && fabs(zero[2] - 0.2) < 1e-15, "to the floor itself");
}

static void test_normal_quantile(void) {
    double worst = 0.0;
    for (int i = 1; i < 4000; ++i) {
        double p = i / 4000.0 * (i % 2 ? 1.0 : 1e-6), z = fgm_normal_quantile(p);
        worst = fmax(worst, fabs(0.5 * erfc(-z * 0.70710678118654752440) / p - 1.0) / (1.0 + z * z));
    }
    /* An error e of z changes p by the factor 1 + |z| e / (1 - 1/z^2 ...): relative error 1e-16 of z becomes z^2 1e-16 of p. */
    check(worst < 8.0 * DBL_EPSILON, "normal quantile: relative error %g of p per 1 + z^2", worst);
    check(fgm_normal_quantile(0.5) == 0.0, "quantile of one half");
    check(fgm_normal_quantile(0.0) == -INFINITY && fgm_normal_quantile(1.0) == INFINITY, "quantiles of 0 and 1");
    check(isnan(fgm_normal_quantile(-0.1)) && isnan(fgm_normal_quantile(1.1)) && isnan(fgm_normal_quantile(NAN)), "quantiles of no probability");
}

/* ---- densities, marginals, conditionals -------------------------------------------------------------------------------------------------- */

/* log sum w_k N(x; mu_k, S_k) by way of Cholesky factors in long double. */
static double plain_log_density(const parameters *p, const double *x) {
    int d = p->d;
    long double terms[32], largest = -INFINITY, sum = 0.0L, factor[8][8], z[8];
    for (int k = 0; k < p->n_components; ++k) {
        long double term = logl((long double)p->weights[k]) - 0.5L * d * logl(6.28318530717958647692528676655900577L);
        for (int i = 0; i < d; ++i) {
            z[i] = (long double)x[i] - p->means[k * d + i];
            for (int j = 0; j <= i; ++j) {
                long double entry = p->covariances[(k * d + i) * d + j];
                for (int m = 0; m < j; ++m) entry -= factor[i][m] * factor[j][m];
                factor[i][j] = i == j ? sqrtl(entry) : entry / factor[j][j];
            }
            for (int j = 0; j < i; ++j) z[i] -= factor[i][j] * z[j];
            z[i] /= factor[i][i];
            term -= 0.5L * z[i] * z[i] + logl(factor[i][i]);
        }
        terms[k] = term;
        largest = fmaxl(largest, term);
    }
    for (int k = 0; k < p->n_components; ++k) sum += expl(terms[k] - largest);
    return (double)(largest + logl(sum));
}

static void test_log_density(void) {
    for (int d = 1; d <= 8; ++d) {
        parameters p = draw_parameters(4, d, 30 + (uint64_t)d);
        double *X = numbers((size_t)(2100 * d)), *out = numbers(2100), worst = 0.0; /* two full chunks and a part */
        for (int i = 0; i < 2100 * d; ++i) X[i] = 4.0 * fgm_random_normal(1, (uint64_t)i);
        X[0] = 1e5;
        check_status(fgm_log_density(4, d, p.weights, p.means, p.covariances, X, 2100, out), FGM_OK, "log_density");
        for (int i = 0; i < 2100; ++i) {
            double exact = plain_log_density(&p, X + i * d);
            worst = fmax(worst, fabs(out[i] - exact) / (1.0 + fabs(exact)));
        }
        /* z is off by some u times the condition number, below 30 d, and t by twice that relative to t. */
        check(worst <= 60.0 * d * DBL_EPSILON, "log_density, d=%d: relative error %g", d, worst);
        free(X);
        free(out);
        release_parameters(&p);
    }
}

static void test_responsibilities(void) {
    parameters p = draw_parameters(5, 3, 41);
    p.weights[2] = 0.0;
    enum { N = 1500 };
    double *X = numbers(N * 3), *out = numbers(N * 5), worst = 0.0, worst_sum = 0.0;
    for (int i = 0; i < N * 3; ++i) X[i] = 3.0 * fgm_random_normal(2, (uint64_t)i);
    X[0] = 1e9; /* where log-densities have lost their digits after the point */
    X[3] = 1e200;
    X[6] = NAN;
    check_status(fgm_responsibilities(5, 3, p.weights, p.means, p.covariances, X, N, out), FGM_OK, "responsibilities");
    for (int i = 0; i < N; ++i) {
        double sum = 0.0;
        for (int k = 0; k < 5; ++k) sum += out[i * 5 + k];
        if (i == 2) {
            check(isnan(sum), "responsibilities at NaN sum to %g", sum);
            continue;
        }
        worst_sum = fmax(worst_sum, fabs(sum - 1.0));
        if (i < 3) continue;
        double both = plain_log_density(&p, X + i * 3);
        for (int k = 0; k < 5; ++k) {
            parameters one = {1, 3, p.weights + k, p.means + 3 * k, p.covariances + 9 * k};
            double expected = p.weights[k] > 0.0 ? exp(plain_log_density(&one, X + i * 3) - both) : 0.0;
            worst = fmax(worst, fabs(out[i * 5 + k] - expected));
        }
    }
    check(worst_sum <= 8.0 * DBL_EPSILON, "responsibilities sum to 1 but for %g", worst_sum);
    check(worst <= 1e-12, "responsibilities: off by %g", worst);
    check(out[5 + 2] == 0.0, "a component of weight zero takes no far point");
    free(X);
    free(out);
    release_parameters(&p);
}

/* In work memory of exactly the size asked for, at an odd place and full of NaN, the bits are the same. */
static void test_work_of_the_caller(void) {
    for (int d = 1; d <= 8; d += 7) {
        enum { N = 1100 };
        parameters p = draw_parameters(5, d, 45);
        double *X = numbers((size_t)(N * d)), *own = numbers(N * 5), *ours = numbers(N * 5);
        size_t size = fgm_density_work_size(5, d);
        double *memory = numbers(size + 1), *work = memory + 1;
        for (int i = 0; i < N * d; ++i) X[i] = 3.0 * fgm_random_normal(4, (uint64_t)i);
        X[d] = NAN;
        for (size_t i = 0; i < size; ++i) work[i] = NAN;
        check_status(fgm_log_density(5, d, p.weights, p.means, p.covariances, X, N, own), FGM_OK, "log_density");
        check_status(fgm_log_density_in(5, d, p.weights, p.means, p.covariances, X, N, ours, work), FGM_OK, "log_density in work memory");
        check(memcmp(own, ours, N * sizeof *own) == 0, "log_density in work memory, d=%d", d);
        check(isnan(own[1]) && !isnan(own[0]), "the log-density of a row with NaN, and of no other, is NaN, d=%d", d);
        check_status(fgm_responsibilities(5, d, p.weights, p.means, p.covariances, X, N, own), FGM_OK, "responsibilities");
        check_status(fgm_responsibilities_in(5, d, p.weights, p.means, p.covariances, X, N, ours, work), FGM_OK, "responsibilities in work memory");
        check(memcmp(own, ours, N * 5 * sizeof *own) == 0, "responsibilities in work memory, d=%d", d);
        free(X);
        free(own);
        free(ours);
        free(memory);
        release_parameters(&p);
    }
    check(fgm_density_work_size(0, 2) == 0 && fgm_density_work_size(1, FGM_MAX_DIMENSION + 1) == 0, "no work memory for shapes that are not allowed");
    check_status(fgm_log_density_in(0, 2, NULL, NULL, NULL, NULL, 0, NULL, NULL), FGM_ERROR_OPTION, "log_density of no component in no memory");
}

/* p(x) = p(x_c) p(x_a | x_c) at any x, and marginals and conditionals of the core are those. */
static void test_marginal_and_conditional(void) {
    for (int d = 2; d <= 7; ++d) {
        parameters p = draw_parameters(3, d, 50 + (uint64_t)d);
        int n_columns = d / 2, left = d - n_columns;
        int32_t columns[8];
        bool taken[8] = {false};
        double x[8], fixed[8], rest[8];
        for (int i = 0; i < n_columns; ++i) taken[columns[i] = d - 1 - 2 * i] = true; /* in falling order */
        for (int j = 0; j < d; ++j) x[j] = 1.5 * fgm_random_normal(3, (uint64_t)(10 * d + j));
        for (int i = 0; i < n_columns; ++i) fixed[i] = x[columns[i]];
        for (int j = 0, next = 0; j < d; ++j) {
            if (!taken[j]) rest[next++] = x[j];
        }
        parameters marginal = draw_parameters(3, n_columns, 0), conditional = draw_parameters(3, left, 0);
        memcpy(marginal.weights, p.weights, 3 * sizeof(double));
        check_status(fgm_marginal(3, d, p.means, p.covariances, columns, n_columns, marginal.means, marginal.covariances), FGM_OK, "marginal");
        check_status(fgm_conditional(3, d, p.weights, p.means, p.covariances, columns, n_columns, fixed, conditional.weights, conditional.means,
                                     conditional.covariances),
                     FGM_OK, "conditional");
        double whole = plain_log_density(&p, x), parts = plain_log_density(&marginal, fixed) + plain_log_density(&conditional, rest);
        check(fabs(whole - parts) <= 1e-12 * (1.0 + fabs(whole)), "marginal times conditional, d=%d: %.15g, should be %.15g", d, parts, whole);
        fgm_mixture inside = mixture_of(&p), taken_columns;
        check_status(fgm_mixture_allocate(&taken_columns, 3, n_columns), FGM_OK, "memory");
        for (int k = 0; k < 3; ++k) {
            check_status(fgm_mixture_take_columns(&inside, k, columns, n_columns, taken_columns.means + k * n_columns,
                                                  taken_columns.factors + k * FGM_TRIANGLE(n_columns)),
                         FGM_OK, "marginal of a mixture");
        }
        double covariance[64], worst = 0.0;
        fgm_mixture_covariance(&taken_columns, 2, covariance);
        for (int i = 0; i < n_columns * n_columns; ++i) {
            worst = fmax(worst, fabs(covariance[i] - marginal.covariances[2 * n_columns * n_columns + i]));
        }
        check(worst <= 1e-14, "marginal of a mixture: off by %g", worst);
        fgm_mixture_release(&taken_columns);
        fgm_mixture_release(&inside);
        release_parameters(&marginal);
        release_parameters(&conditional);
        release_parameters(&p);
    }
}

/* ---- draws ---------------------------------------------------------------------------------------------------------------------------------- */

static void test_sample(void) {
    enum { N = 100000 };
    double *X = draw_d5(N, 9), *again = draw_d5(N / 3, 9), *other = draw_d5(10, 10);
    check(memcmp(X, again, N / 3 * 2 * sizeof *X) == 0, "a shorter run of draws is the beginning of a longer one");
    check(memcmp(X, other, 10 * 2 * sizeof *X) != 0, "another seed gives other draws");
    /* Moments within 5 standard errors: variances below 2 and fourth moments below 20 on both axes. */
    double mean[2] = {0.0, 0.0}, expected[2] = {0.0, 0.0}, product[3] = {0.0, 0.0, 0.0}, second[3] = {0.0, 0.0, 0.0};
    for (int k = 0; k < 5; ++k) {
        const double *mu = D5_MEANS + 2 * k, *S = D5_COVARIANCES + 4 * k;
        for (int j = 0; j < 2; ++j) expected[j] += D5_WEIGHTS[k] * mu[j];
        second[0] += D5_WEIGHTS[k] * (S[0] + mu[0] * mu[0]);
        second[1] += D5_WEIGHTS[k] * (S[1] + mu[0] * mu[1]);
        second[2] += D5_WEIGHTS[k] * (S[3] + mu[1] * mu[1]);
    }
    for (int i = 0; i < N; ++i) {
        const double *x = X + 2 * i;
        for (int j = 0; j < 2; ++j) mean[j] += x[j] / N;
        product[0] += x[0] * x[0] / N;
        product[1] += x[0] * x[1] / N;
        product[2] += x[1] * x[1] / N;
    }
    for (int j = 0; j < 2; ++j)
        check(fabs(mean[j] - expected[j]) < 5.0 * sqrt(2.0 / N), "mean %d of draws: %g, should be %g", j, mean[j], expected[j]);
    for (int j = 0; j < 3; ++j) {
        check(fabs(product[j] - second[j]) < 5.0 * sqrt(20.0 / N), "second moment %d of draws: %g, should be %g", j, product[j], second[j]);
    }
    double none[] = {0.0, 1.0}, means[] = {-1.0, 1.0}, variances[] = {1e-6, 1e-6}, drawn[200];
    bool ok = true;
    check_status(fgm_sample(2, 1, none, means, variances, 4, 200, drawn), FGM_OK, "sample");
    for (int i = 0; i < 200; ++i) ok &= drawn[i] > 0.9;
    check(ok, "a component of weight zero is never drawn");
    free(X);
    free(again);
    free(other);
}

/* ---- errors --------------------------------------------------------------------------------------------------------------------------------- */

static int density(int k, int d, double weight, double mean, double variance) {
    double weights[2] = {weight, 0.5}, means[2] = {mean, 0.0}, covariances[2] = {variance, 1.0}, x[2] = {0.0, 0.0}, out;
    return fgm_log_density(k, d, weights, means, covariances, x, 1, &out);
}

static void test_errors(void) {
    check_status(density(2, 1, 0.5, 0.0, 1.0), FGM_OK, "a sound mixture");
    check_status(density(0, 1, 0.5, 0.0, 1.0), FGM_ERROR_OPTION, "no component");
    check_status(density(FGM_MAX_COMPONENTS + 1, 1, 0.5, 0.0, 1.0), FGM_ERROR_OPTION, "too many components");
    check_status(density(2, 0, 0.5, 0.0, 1.0), FGM_ERROR_DIMENSION, "no variable");
    check_status(density(2, FGM_MAX_DIMENSION + 1, 0.5, 0.0, 1.0), FGM_ERROR_DIMENSION, "too many variables");
    check_status(density(2, 1, -0.5, 0.0, 1.0), FGM_ERROR_WEIGHTS, "a negative weight");
    check_status(density(2, 1, NAN, 0.0, 1.0), FGM_ERROR_WEIGHTS, "a weight of NaN");
    check_status(density(2, 1, INFINITY, 0.0, 1.0), FGM_ERROR_WEIGHTS, "an infinite weight");
    check_status(density(1, 1, 0.0, 0.0, 1.0), FGM_ERROR_WEIGHTS, "all weights zero");
    check_status(density(2, 1, 0.5, NAN, 1.0), FGM_ERROR_NOT_FINITE, "a mean of NaN");
    check_status(density(2, 1, 0.5, 0.0, 0.0), FGM_ERROR_NOT_POSITIVE_DEFINITE, "a variance of zero");
    check_status(density(2, 1, 0.5, 0.0, NAN), FGM_ERROR_NOT_POSITIVE_DEFINITE, "a variance of NaN");

    double means[20], covariances[20], weights[5], value = 0.0;
    const int32_t first[] = {0}, below[] = {-1}, beyond[] = {2}, twice[] = {0, 0}, both[] = {0, 1};
    check_status(fgm_marginal(5, 2, D5_MEANS, D5_COVARIANCES, first, 1, means, covariances), FGM_OK, "marginal of one column");
    check_status(fgm_marginal(5, 2, D5_MEANS, D5_COVARIANCES, first, 0, means, covariances), FGM_ERROR_COLUMNS, "marginal of no column");
    check_status(fgm_marginal(5, 2, D5_MEANS, D5_COVARIANCES, below, 1, means, covariances), FGM_ERROR_COLUMNS, "marginal of column -1");
    check_status(fgm_marginal(5, 2, D5_MEANS, D5_COVARIANCES, beyond, 1, means, covariances), FGM_ERROR_COLUMNS, "marginal of column 2");
    check_status(fgm_marginal(5, 2, D5_MEANS, D5_COVARIANCES, twice, 2, means, covariances), FGM_ERROR_COLUMNS, "marginal of a column twice");
    check_status(fgm_conditional(5, 2, D5_WEIGHTS, D5_MEANS, D5_COVARIANCES, both, 2, means, weights, means, covariances), FGM_ERROR_COLUMNS,
                 "conditional on every column");
    value = INFINITY;
    check_status(fgm_conditional(5, 2, D5_WEIGHTS, D5_MEANS, D5_COVARIANCES, first, 1, &value, weights, means, covariances), FGM_ERROR_NOT_FINITE,
                 "conditional on infinity");
    value = 0.0;
    const double negative[] = {.2, -.35, .15, .12, .18};
    check_status(fgm_conditional(5, 2, negative, D5_MEANS, D5_COVARIANCES, first, 1, &value, weights, means, covariances), FGM_ERROR_WEIGHTS,
                 "conditional with a negative weight");
    check(strcmp(fgm_strerror(FGM_ERROR_COLUMNS), fgm_strerror(-7)) != 0 && fgm_strerror(1000) != NULL, "every code has a text");
}

int main(void) {
    test_covariance_round_trip();
    test_cholesky_refuses();
    test_eigen();
    test_floor();
    test_normal_quantile();
    test_log_density();
    test_responsibilities();
    test_work_of_the_caller();
    test_marginal_and_conditional();
    test_sample();
    test_errors();
    return summary();
}
