/* The kernels of the tier in use, against plain loops in long double that read the same packed parameters.
 *
 * Rounding of a term t = peak - sum z_i^2, z = P x + offset, in double (u = 2^-53): each z_i is off by at most (i + 3) u (|offset_i| + sum |P_ij
 * x_j|), so t by at most the sum of 2 |z_i| times that, plus (d + 2) u (|peak| + sum z_i^2). The plain loops add up this bound; exp, log and the
 * normalisation add 8 u and (K + 4) u |log-density|. Moments are sums of positive multiples of such terms: their bound is the same for each sample,
 * plus (n + d) u for the addition and 8e-14 for the exponential, which has 13 digits there.
 */
#include "check.h"

#include <float.h>

#define UNIT (0.5L * DBL_EPSILON)
#define OF_SHORT_EXP 8e-14L

/* ---- exp and log ------------------------------------------------------------------------------------------------------------------- */

/* Where long double is no longer than double, the reference itself may be off by one unit. */
#define MOST_ULP (LDBL_MANT_DIG > 60 ? 2.0L : 3.0L)

/* Distance from the exact value in units in the last place of a double near it. */
static long double ulp_distance(double value, long double exact) {
    int exponent;
    frexpl(exact, &exponent);
    return fabsl((long double)value - exact) / ldexpl(1.0L, exponent - 53);
}

typedef void (*kernel_function)(const double *, int64_t, double *);
typedef long double (*exact_function)(long double);

/* Collects arguments; each batch is computed and compared. */
typedef struct comparison {
    kernel_function function;
    exact_function exact;
    int count;
    double arguments[1000], values[1000], worst_argument;
    long double worst;
} comparison;

static void compare_batch(comparison *c) {
    c->function(c->arguments, c->count, c->values);
    for (int i = 0; i < c->count; ++i) {
        long double distance = ulp_distance(c->values[i], c->exact(c->arguments[i]));
        if (distance > c->worst) {
            c->worst = distance;
            c->worst_argument = c->arguments[i];
        }
    }
    c->count = 0;
}

static void compare(comparison *c, double argument) {
    c->arguments[c->count++] = argument;
    if (c->count == 1000) compare_batch(c);
}

static void finish_comparison(comparison *c, const char *name) {
    compare_batch(c);
    check(c->worst <= MOST_ULP, "%s is off by %.3Lf units in the last place at %a", name, c->worst, c->worst_argument);
}

static void test_exp(void) {
    comparison c = {.function = fgm_exp, .exact = expl};
    for (int i = 0; i <= 100000; ++i) compare(&c, -708.0 + 1417.0 * i / 100000.0);
    for (int e = -60; e <= 9; ++e) {
        for (int i = 0; i < 200; ++i) {
            double size = ldexp(1.0 + i / 200.0, e);
            if (size <= 708.0) compare(&c, -size);
            if (size <= 709.0) compare(&c, size);
        }
    }
    /* Beside the halves of multiples of ln 2, where the reduced argument is largest. */
    for (int k = -1020; k < 1022; ++k) {
        double half = (k + 0.5) * 0.69314718055994530942;
        compare(&c, nextafter(half, -1e9));
        compare(&c, half);
        compare(&c, nextafter(half, 1e9));
    }
    finish_comparison(&c, "exp");
}

static void test_log(void) {
    comparison c = {.function = fgm_log, .exact = logl};
    for (int e = -1022; e <= 1023; ++e) {
        for (int i = 0; i < 50; ++i) compare(&c, ldexp(1.0 + i / 50.0, e));
    }
    for (int i = 0; i < 100000; ++i) compare(&c, 0.5 + 1.6 * i / 100000.0);
    for (int e = 1; e <= 52; ++e) {
        compare(&c, 1.0 + ldexp(1.0, -e));
        compare(&c, 1.0 - ldexp(1.0, -e));
        compare(&c, sqrt(0.5) * (1.0 + ldexp(1.0, -e)));
        compare(&c, sqrt(0.5) * (1.0 - ldexp(1.0, -e)));
    }
    compare(&c, DBL_MIN);
    compare(&c, DBL_MAX);
    finish_comparison(&c, "log");
}

static void test_special_values(void) {
    const double arguments[] = {-INFINITY, -1e300, -745.0, -708.1, 0.0, -0.0, 710.0, 1e4, DBL_MAX, INFINITY, NAN};
    const double expected[] = {0.0, 0.0, 0.0, 0.0, 1.0, 1.0, INFINITY, INFINITY, INFINITY, INFINITY, NAN};
    enum { COUNT = sizeof arguments / sizeof *arguments };
    double values[COUNT], one = 1.0, zero;
    fgm_exp(arguments, COUNT, values);
    for (int i = 0; i < COUNT; ++i) {
        check(isnan(expected[i]) ? isnan(values[i]) : values[i] == expected[i], "exp(%g) is %g", arguments[i], values[i]);
    }
    fgm_log(&one, 1, &zero);
    check(zero == 0.0, "log(1) is %g", zero);
    for (int n = 0; n <= 17; ++n) { /* no value beyond the n-th is touched */
        double *in = numbers((size_t)n), *out = numbers((size_t)n);
        for (int i = 0; i < n; ++i) in[i] = 0.1 * i;
        fgm_exp(in, n, out);
        bool ok = true;
        for (int i = 0; i < n; ++i) ok &= fabs(out[i] - exp(in[i])) <= 2.0 * DBL_EPSILON * exp(in[i]);
        check(ok, "exp of %d numbers", n);
        free(in);
        free(out);
    }
}

/* ---- densities and moments ---------------------------------------------------------------------------------------------------------------- */

/* One mixture, samples of it, and memory of exactly the sizes that the kernels are promised. */
typedef struct bench {
    int k, d;
    int64_t n;
    double *pack, *columns, *weights, *work;
    fgm_mixture mixture;
} bench;

static bench set_up(int k, int d, int64_t n, uint64_t key) {
    parameters p = draw_parameters(k, d, fgm_stream(key, FGM_STREAM_SAMPLE, 1));
    if (k > 2) p.weights[1] = 0.0;
    fgm_mixture mixture = mixture_of(&p);
    bench b = {k,      d, n, numbers((size_t)(k * FGM_PACK_STRIDE(d))), numbers((size_t)(n * d)), numbers((size_t)n), numbers(fgm_work_size(k, d)),
               mixture};
    fgm_pack(&mixture, b.pack);
    for (int64_t i = 0; i < n * d; ++i) b.columns[i] = 3.0 * fgm_random_normal(key, (uint64_t)i);
    for (int64_t i = 0; i < n; ++i) b.weights[i] = i % 5 == 3 ? 0.0 : fgm_random_uniform(~key, (uint64_t)i);
    /* Some samples lie far out. */
    if (n > 10) b.columns[7] = 1e5;
    release_parameters(&p);
    return b;
}

static void take_down(bench *b) {
    fgm_mixture_release(&b->mixture);
    free(b->pack);
    free(b->columns);
    free(b->weights);
    free(b->work);
}

/* z (d) and the term of one component at one sample, and the bound of its rounding. */
static long double plain_term(const bench *b, int k, int64_t i, long double *z, long double *bound) {
    const double *peak = b->pack + k * FGM_PACK_STRIDE(b->d), *offset = peak + 1, *whitener = offset + b->d;
    long double square = 0.0L;
    *bound = 0.0L;
    for (int row = 0; row < b->d; ++row) {
        long double size = fabsl(offset[row]);
        z[row] = offset[row];
        for (int j = 0; j <= row; ++j) {
            long double product = (long double)whitener[FGM_TRIANGLE(row) + j] * b->columns[j * b->n + i];
            z[row] += product;
            size += fabsl(product);
        }
        square += z[row] * z[row];
        *bound += 2.0L * fabsl(z[row]) * (row + 3) * UNIT * size;
    }
    *bound += (b->d + 2) * UNIT * (fabsl((long double)*peak) + square);
    return *peak - square;
}

/* Log-density of one sample, responsibilities (K) and z (K, d), and the bound of its rounding. */
static long double plain_log_density(const bench *b, int64_t i, long double *shares, long double *z, long double *bound) {
    long double largest = -INFINITY, sum = 0.0L;
    *bound = 0.0L;
    for (int k = 0; k < b->k; ++k) {
        long double own;
        shares[k] = plain_term(b, k, i, z + k * b->d, &own);
        largest = fmaxl(largest, shares[k]);
        if (shares[k] > -1e299L) *bound = fmaxl(*bound, own);
    }
    for (int k = 0; k < b->k; ++k) sum += shares[k] = expl(shares[k] - largest);
    for (int k = 0; k < b->k; ++k) shares[k] /= sum;
    long double log_density = largest + logl(sum);
    *bound += UNIT * (8.0L + (b->k + 4) * fabsl(log_density));
    return log_density;
}

static void test_densities(const bench *b, const char *name) {
    fgm_samples samples = {b->n, b->n, b->d, b->columns, NULL, NULL};
    double *out = numbers((size_t)b->n), *terms = numbers((size_t)(b->n * b->k));
    long double shares[32], z[32 * FGM_MAX_DIMENSION], bound, own, worst = 0.0L, worst_term = 0.0L;
    fgm_get_kernels()->log_density(b->k, b->pack, samples, out, b->work);
    fgm_get_kernels()->component_log_density(b->k, b->pack, samples, terms, b->work);
    for (int64_t i = 0; i < b->n; ++i) {
        long double exact = plain_log_density(b, i, shares, z, &bound);
        worst = fmaxl(worst, fabsl(out[i] - exact) / bound);
        for (int k = 0; k < b->k; ++k) {
            long double term = plain_term(b, k, i, z, &own);
            worst_term = fmaxl(worst_term, fabsl(terms[k * b->n + i] - term) / own);
        }
    }
    check(worst <= 1.0L, "log_density, %s: %.2Lg times its bound", name, worst);
    check(worst_term <= 1.0L, "component_log_density, %s: %.2Lg times its bound", name, worst_term);
    free(out);
    free(terms);
}

static void test_em_pass(const bench *b, bool weighted, const char *name) {
    int stride = FGM_MOMENT_STRIDE(b->d);
    fgm_samples samples = {b->n, b->n, b->d, b->columns, weighted ? b->weights : NULL, NULL};
    double *moments = numbers((size_t)(b->k * stride)), sum[2] = {1.0, 0.0};
    for (int i = 0; i < b->k * stride; ++i) moments[i] = 1.0; /* the pass adds */
    fgm_get_kernels()->em_pass(b->k, b->pack, samples, moments, sum, b->work);
    long double *exact = malloc((size_t)(2 * b->k * stride) * sizeof *exact), *bounds = exact + b->k * stride;
    long double shares[32], z[32 * FGM_MAX_DIMENSION], bound, total = 1.0L, total_bound = 4.0L * UNIT;
    for (int i = 0; i < b->k * stride; ++i) {
        exact[i] = 1.0L;
        bounds[i] = (long double)(b->n + 4) * UNIT;
    }
    for (int64_t i = 0; i < b->n; ++i) {
        long double weight = weighted ? b->weights[i] : 1.0L, log_density = plain_log_density(b, i, shares, z, &bound);
        total += weight * log_density;
        total_bound += weight * (bound + OF_SHORT_EXP + (long double)(b->n + 4) * UNIT * fabsl(log_density));
        for (int k = 0; k < b->k; ++k) {
            const long double *own = z + k * b->d;
            long double share = weight * shares[k], relative = 2.0L * bound + OF_SHORT_EXP + (long double)(b->n + 3 * b->d + 16) * UNIT;
            long double *moment = exact + k * stride, *limit = bounds + k * stride;
            *moment++ += share;
            *limit++ += share * relative;
            for (int row = 0; row < b->d; ++row) {
                *moment++ += share * own[row];
                *limit++ += share * relative * (fabsl(own[row]) + 40.0L);
            }
            for (int row = 0; row < b->d; ++row) {
                for (int j = 0; j <= row; ++j) {
                    *moment++ += share * own[row] * own[j];
                    *limit++ += share * relative * (fabsl(own[row]) + 40.0L) * (fabsl(own[j]) + 40.0L);
                }
            }
        }
    }
    long double worst = 0.0L;
    for (int i = 0; i < b->k * stride; ++i) worst = fmaxl(worst, fabsl(moments[i] - exact[i]) / bounds[i]);
    check(worst <= 1.0L, "moments, %s: %.2Lg times their bound", name, worst);
    check(fabsl(sum[0] + (long double)sum[1] - total) <= total_bound, "log-likelihood, %s: off by %.2Lg, bound %.2Lg", name,
          fabsl(sum[0] + (long double)sum[1] - total), total_bound);
    free(moments);
    free(exact);
}

/* The covariance of (1{k} u_k), u = (1, y, y_i y_j - delta_ij), y = sqrt(2) z, under the responsibilities, summed over samples. loss: by how
 * much more it may be off where widths differ. */
static void test_missing_information(const bench *b, bool weighted, long double loss, const char *name) {
    int q = FGM_PACK_STRIDE(b->d), parameters = b->k * q;
    size_t padded = fgm_padded(parameters);
    fgm_samples samples = {b->n, b->n, b->d, b->columns, weighted ? b->weights : NULL, NULL};
    double *work = numbers(fgm_score_work_size(b->k, b->d));
    fgm_curvature curvature = {0};
    check_status(fgm_curvature_prepare(&curvature, b->k, b->d), FGM_OK, "memory");
    fgm_get_kernels()->missing_information(b->k, b->pack, fgm_rows(samples, 0, b->n / 3), curvature.missing, work);
    fgm_get_kernels()->missing_information(b->k, b->pack, fgm_rows(samples, b->n / 3, b->n), curvature.missing, work); /* it adds */
    fgm_curvature_fill(&curvature, &b->mixture);
    long double *exact = calloc((size_t)(2 * parameters * parameters), sizeof *exact), *sizes = exact + parameters * parameters;
    long double *score = malloc((size_t)parameters * sizeof *score), shares[32], z[32 * FGM_MAX_DIMENSION], bound;
    for (int64_t row = 0; row < b->n; ++row) {
        long double weight = weighted ? b->weights[row] : 1.0L;
        plain_log_density(b, row, shares, z, &bound);
        for (int k = 0; k < b->k; ++k) {
            long double *own = score + k * q;
            *own++ = 1.0L;
            for (int i = 0; i < b->d; ++i) *own++ = sqrtl(2.0L) * z[k * b->d + i];
            for (int i = 0; i < b->d; ++i) {
                for (int j = 0; j <= i; ++j) *own++ = 2.0L * z[k * b->d + i] * z[k * b->d + j] - (i == j ? 1.0L : 0.0L);
            }
        }
        for (int i = 0; i < parameters; ++i) {
            for (int j = 0; j <= i; ++j) {
                long double joint = weight * shares[i / q] * score[i] * score[j], apart = shares[j / q];
                exact[i * parameters + j] += (i / q == j / q ? joint : 0.0L) - joint * apart;
                sizes[i * parameters + j] += (1.0L + bound / UNIT) * fabsl(joint) * (i / q == j / q ? 1.0L : apart);
            }
        }
    }
    long double worst = 0.0L;
    for (int i = 0; i < parameters; ++i) {
        for (int j = 0; j <= i; ++j) {
            long double off = fabsl(curvature.matrix[(size_t)i * padded + (size_t)j] - exact[i * parameters + j]);
            worst = fmaxl(worst, off / (UNIT * (1e-30L + 40.0L * sizes[i * parameters + j])));
        }
    }
    check(worst <= loss * (long double)b->n, "missing information, %s: %.3Lg roundings", name, worst);
    fgm_curvature_release(&curvature);
    free(work);
    free(exact);
    free(score);
}

static void test_shape(int k, int d, int64_t n) {
    char name[64];
    snprintf(name, sizeof name, "K=%d, d=%d, n=%d", k, d, (int)n);
    bench b = set_up(k, d, n, (uint64_t)(k * 1000000 + d * 1000 + n));
    test_densities(&b, name);
    test_em_pass(&b, false, name);
    test_em_pass(&b, true, name);
    if (k * FGM_PACK_STRIDE(d) <= 100) {
        test_missing_information(&b, false, 1.0L, name);
        test_missing_information(&b, true, 1.0L, name);
    }
    take_down(&b);
}

/* By registers as one by one: in the middle, in both tails, far out, at the ends and outside, for any count. */
static void test_normal_quantile(void) {
    enum { COUNT_OF_P = 4000 };
    const double special[] = {0.0, 1.0, 0.5, 0.075, 0.925, 1e-300, 5e-324, 1e-11, 1.4e-11, 1.0 - 1e-16, -0.1, 1.1, -INFINITY, INFINITY, NAN};
    double p[COUNT_OF_P], quantiles[COUNT_OF_P], worst = 0.0;
    int n_special = (int)(sizeof special / sizeof *special);
    for (int i = 0; i < COUNT_OF_P; ++i) {
        double u = fgm_random_uniform(31, (uint64_t)i);
        p[i] = i % 7 == 0 ? special[i / 7 % n_special] : i % 7 == 1 ? exp(-40.0 * u) : i % 7 == 2 ? 1.0 - exp(-30.0 * u) : u;
    }
    for (int n = 0; n <= COUNT_OF_P; n += n < 40 ? 1 : 1320) {
        for (int i = 0; i < COUNT_OF_P; ++i) quantiles[i] = 7.0;
        fgm_get_kernels()->normal_quantile(n, p, quantiles);
        for (int i = 0; i < n; ++i) {
            double expected = fgm_normal_quantile(p[i]);
            bool is_same = isnan(expected) ? isnan(quantiles[i]) : isinf(expected) ? quantiles[i] == expected : true;
            check(is_same, "normal quantile of %g: %g", p[i], quantiles[i]);
            if (isfinite(expected)) worst = fmax(worst, fabs(quantiles[i] - expected) / fmax(fabs(expected), 1e-10));
        }
        if (n < COUNT_OF_P) check(quantiles[n] == 7.0, "normal quantiles: written past %d", n);
    }
    check(worst < 2e-14, "normal quantiles by registers are off by a relative %g", worst);
}

/* One component is a thousand times narrower than the one that it lies in, on either side of the pair. */
static void test_narrow_component(void) {
    enum { N_ROWS = 240 };
    const double ratio = 1e-3;
    for (int narrow = 0; narrow < 2; ++narrow) {
        fgm_mixture mixture;
        if (fgm_mixture_allocate(&mixture, 2, 2) != FGM_OK) abort();
        for (int k = 0; k < 2; ++k) {
            double scale = k == narrow ? ratio : 1.0, *factor = mixture.factors + 3 * k;
            mixture.weights[k] = 0.5;
            mixture.means[2 * k] = k == narrow ? 0.5 : 0.0;
            mixture.means[2 * k + 1] = k == narrow ? -0.3 : 0.0;
            factor[0] = scale;
            factor[1] = 0.5 * scale;
            factor[2] = 0.8 * scale;
        }
        bench b = {2, 2, N_ROWS, numbers(2 * FGM_PACK_STRIDE(2)), numbers(2 * N_ROWS), numbers(N_ROWS), numbers(fgm_work_size(2, 2)), mixture};
        fgm_pack(&mixture, b.pack);
        for (int i = 0; i < N_ROWS; ++i) {
            double spread = i % 2 ? 1.0 : 4.0 * ratio; /* where neither component has all of a row, too */
            b.columns[i] = (i % 2 ? 0.0 : 0.5) + spread * fgm_random_normal(21, (uint64_t)(2 * i));
            b.columns[N_ROWS + i] = (i % 2 ? 0.0 : -0.3) + spread * fgm_random_normal(21, (uint64_t)(2 * i + 1));
            b.weights[i] = 1.0;
        }
        test_missing_information(&b, false, 1.0L / (ratio * ratio), "a narrow component");
        take_down(&b);
    }
}

/* A chunk of rows of a longer set gives what the rows alone give: the rest of the columns is neither read nor counted. */
static void test_rows(void) {
    bench b = set_up(3, 2, 600, 5);
    double whole[600], part[37];
    fgm_samples samples = {b.n, b.n, b.d, b.columns, b.weights, NULL};
    fgm_get_kernels()->log_density(b.k, b.pack, samples, whole, b.work);
    fgm_get_kernels()->log_density(b.k, b.pack, fgm_rows(samples, 101, 138), part, b.work);
    check(memcmp(whole + 101, part, sizeof part) == 0, "log_density of rows 101 to 137");
    check(fgm_rows(samples, 590, 700).n == 10, "rows end where the samples end");
    take_down(&b);
}

static void test_far_points_and_nan(void) {
    for (int d = 1; d <= 6; ++d) {
        for (int k = 1; k <= 3; ++k) {
            bench b = set_up(k, d, 9, 77);
            double out[9];
            b.columns[0] = 1e160;
            b.columns[1] = -1e200;
            b.columns[2] = NAN;
            fgm_samples samples = {b.n, b.n, d, b.columns, NULL, NULL};
            fgm_get_kernels()->log_density(k, b.pack, samples, out, b.work);
            check(!isnan(out[0]) && out[0] < -1e299, "density at 1e160 is %g, d=%d, K=%d", out[0], d, k);
            check(!isnan(out[1]) && out[1] < -1e299, "density at 1e200 is %g, d=%d, K=%d", out[1], d, k);
            check(isnan(out[2]), "density at NaN is %g, d=%d, K=%d", out[2], d, k);
            bool finite = true;
            for (int i = 3; i < 9; ++i) finite &= isfinite(out[i]);
            check(finite, "densities beside far points, d=%d, K=%d", d, k);
            take_down(&b);
        }
    }
}

static void test_tiers(void) {
    const char *now = fgm_cpu_tier(), *forced = getenv("FASTGMMMI_CPU");
    check(!forced || strcmp(now, forced) == 0, "tier %s, though %s is asked for", now, forced ? forced : "");
    check_status(fgm_set_cpu_tier("v2"), FGM_ERROR_OPTION, "a tier that does not exist");
    check_status(fgm_set_cpu_tier(NULL), FGM_ERROR_OPTION, "no tier");
    check(fgm_cpu_tier() == now, "a tier refused changes nothing");
    check_status(fgm_set_cpu_tier(now), FGM_OK, "the tier in use");
}

int main(void) {
    static const int components[] = {1, 2, 3, 7, 20}, dimensions[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 33, 64};
    test_exp();
    test_log();
    test_special_values();
    for (int n = 1; n <= 600; ++n) test_shape(3, n % 12 + 1, n);
    for (size_t i = 0; i < sizeof dimensions / sizeof *dimensions; ++i) {
        for (size_t j = 0; j < sizeof components / sizeof *components; ++j) test_shape(components[j], dimensions[i], dimensions[i] > 12 ? 67 : 131);
    }
    test_rows();
    test_narrow_component();
    test_normal_quantile();
    test_far_points_and_nan();
    test_tiers();
    return summary();
}
