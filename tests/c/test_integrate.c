/* Integrals of mixtures against values had in other ways.
 *
 * Golden numbers without a closed form come from composite Gauss-Legendre quadrature (8 to 14 points a panel; panels of 0.7 to 1.5 standard
 * deviations of every component on every axis, out to 9), where two resolutions agree to the digits given. Others are closed forms, or follow
 * from theorems: information adds up over independent pairs, does not change under affine maps of either side, and is the entropy of the label
 * where components lie far apart.
 *
 * Build: cc -std=c11 -Icsrc -Ifastgmmmi/include tests/c/test_integrate.c csrc/[*].c -lm
 */
#include "integrate.h"
#include "random.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int n_passed, n_failed;

static void check(bool ok, const char *name) {
    if (ok) {
        ++n_passed;
    } else {
        ++n_failed;
        printf("FAILED: %s\n", name);
    }
}

/* The error is within three times the reported one, and the reported one within tol. */
static void check_value(double value, double error, double truth, double tol, const char *name) {
    bool ok = fabs(value - truth) <= 3.0 * error + 1e-11 && error <= tol && error >= 0.0;
    if (!ok) printf("  %s: %.12g, should be %.12g; reported error %.2g, true %.2g\n", name, value, truth, error, fabs(value - truth));
    check(ok, name);
}

/* ---- mixtures ---------------------------------------------------------------------------------------------------------------------- */

typedef struct example {
    int n_components, d;
    double weights[8], means[24], covariances[72];
} example;

/* Three of Piras et al. (2023), and one with widths of 1 : 100. */
static const example D1 = {1, 2, {1}, {-1, 1}, {.5, .2, .2, .5}};
static const example D3p = {3, 2, {.3, .45, .25}, {-3, 3, 2, 4, -2.5, 5}, {1, 0, 0, .1, .5, .2, .2, .5, .1, .05, .05, .1}};
static const example D5 = {5, 2, {.2, .35, .15, .12, .18}, {-1, 1, 0, 2, -1.5, 2, 2, 1, -.25, 0}, {1,   0,  0,  .1,  .5,  .2, .2, .5,   .1,   .05,
                                                                                                   .05, .1, .5, -.1, -.1, .9, .2, -.05, -.05, .1}};
static const example narrow = {3, 2, {.5, .3, .2}, {0, 0, .7, -.4, -.5, .8}, {1, .3, .3, 1, 1e-4, 2e-5, 2e-5, 1e-4, 4e-4, -1e-4, -1e-4, 1e-4}};
static const example line = {3, 1, {.4, .35, .25}, {-1, .3, .35}, {1, .04, .0001}};
static const example space = {3, 3, {.5, .3, .2}, {0, 0, 0, 1, -.5, .7, -.8, 1, .2}, {1,   .3, .2,  .3, .8, -.1,  .2,  -.1,  .9, .3, .1,  0, .1, .25,
                                                                                      .05, 0,  .05, .4, .2, -.05, .03, -.05, .3, 0,  .03, 0, .15}};

static const int32_t columns[FGM_MAX_DIMENSION] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
                                                   22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
                                                   44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* Information of the two columns of a mixture in the plane. */
static int integrate_plane(const fgm_mixture *mixture, double tol, uint64_t seed, double *value, double *error) {
    return fgm_integrate_information(mixture, (fgm_parts){columns, columns + 1, NULL, 1, 1, 0}, tol, seed, value, error);
}

static fgm_mixture build(const example *e) {
    fgm_mixture mixture;
    if (fgm_mixture_from_parameters(&mixture, e->n_components, e->d, e->weights, e->means, e->covariances) != FGM_OK) abort();
    return mixture;
}

static void check_information(const example *e, int n_x, int n_y, int n_given, double truth, const char *name) {
    for (double tol = 1e-2; tol > 1e-9; tol /= 31.0) {
        double value, error;
        int status = fgm_mixture_mutual_information(e->n_components, e->d, e->weights, e->means, e->covariances, columns, n_x, columns + n_x, n_y,
                                                    columns + n_x + n_y, n_given, tol, 1, &value, &error);
        check(status == FGM_OK, name);
        check_value(value, error, truth, tol, name);
    }
}

static void check_entropy(const example *e, double truth, const char *name) {
    for (double tol = 1e-2; tol > 1e-9; tol /= 31.0) {
        double value, error;
        check(fgm_entropy(e->n_components, e->d, e->weights, e->means, e->covariances, tol, 1, &value, &error) == FGM_OK, name);
        check_value(value, error, truth, tol, name);
    }
}

/* Every pair of components of two mixtures of independent variables. */
static fgm_mixture product(const example *a, const example *b) {
    fgm_mixture left = build(a), right = build(b), out;
    int d = a->d + b->d;
    if (fgm_mixture_allocate(&out, a->n_components * b->n_components, d) != FGM_OK) abort();
    for (int k = 0; k < out.n_components; ++k) {
        int i = k / b->n_components, j = k % b->n_components;
        double *factor = out.factors + k * FGM_TRIANGLE(d);
        out.weights[k] = left.weights[i] * right.weights[j];
        memcpy(out.means + k * d, left.means + i * a->d, (size_t)a->d * sizeof(double));
        memcpy(out.means + k * d + a->d, right.means + j * b->d, (size_t)b->d * sizeof(double));
        memset(factor, 0, FGM_TRIANGLE((size_t)d) * sizeof(double));
        memcpy(factor, left.factors + i * FGM_TRIANGLE(a->d), FGM_TRIANGLE((size_t)a->d) * sizeof(double));
        for (int row = 0; row < b->d; ++row) {
            const double *from = right.factors + j * FGM_TRIANGLE(b->d) + FGM_TRIANGLE(row);
            memcpy(factor + FGM_TRIANGLE(a->d + row) + a->d, from, ((size_t)row + 1) * sizeof(double));
        }
    }
    fgm_mixture_release(&left);
    fgm_mixture_release(&right);
    return out;
}

/* A random mixture: widths spread over a ratio, orientations uniform (d <= 3). */
static fgm_mixture random_mixture(uint64_t key, int n_components, int d, double ratio, double spread) {
    fgm_mixture mixture;
    double total = 0.0;
    uint64_t counter = 0;
    if (fgm_mixture_allocate(&mixture, n_components, d) != FGM_OK) abort();
    for (int k = 0; k < n_components; ++k) {
        double *factor = mixture.factors + k * FGM_TRIANGLE(d), width = pow(ratio, -fgm_random_uniform(key, counter++));
        total += mixture.weights[k] = fgm_random_uniform(key, counter++);
        for (int j = 0; j < d; ++j) mixture.means[k * d + j] = spread * fgm_random_normal(key, counter++);
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j < i; ++j) factor[FGM_TRIANGLE(i) + j] = 0.5 * width * fgm_random_normal(key, counter++);
            factor[FGM_TRIANGLE(i) + i] = width * exp(0.5 * fgm_random_normal(key, counter++));
        }
    }
    for (int k = 0; k < n_components; ++k) mixture.weights[k] /= total;
    return mixture;
}

/* ---- tests ------------------------------------------------------------------------------------------------------------------------- */

/* Quantiles from scipy.special.ndtri 1.17. */
static void test_normal_quantile(void) {
    static const double table[][2] = {{1e-300, -37.047096299361201}, {1e-180, -28.642286179286181}, {1e-30, -11.464024688443613},
                                      {1e-10, -6.3613409024040557},  {0.02, -2.0537489106318225},   {0.3, -0.52440051270804089}};
    for (size_t i = 0; i < sizeof table / sizeof *table; ++i) {
        double probability = table[i][0], quantile = fgm_normal_quantile(probability);
        check(fabs(quantile / table[i][1] - 1.0) < 2e-15, "normal quantile");
        if (probability > 0.01) check(fabs(fgm_normal_quantile(1.0 - probability) + quantile) < 1e-14, "normal quantile is odd");
    }
    check(fgm_normal_quantile(0.5) == 0.0, "normal quantile at 1/2");
    check(fgm_normal_quantile(0.0) == -INFINITY && fgm_normal_quantile(1.0) == INFINITY, "normal quantile at the ends");
    check(isnan(fgm_normal_quantile(-0.1)) && isnan(fgm_normal_quantile(1.1)) && isnan(fgm_normal_quantile(NAN)), "normal quantile outside");
}

static void test_golden(void) {
    check_information(&D1, 1, 1, 0, -0.5 * log(1.0 - 0.16), "D1");
    check_information(&D3p, 1, 1, 0, 0.38881453369233, "D3p");
    check_information(&D5, 1, 1, 0, 0.16805279930869, "D5");
    check_information(&narrow, 1, 1, 0, 0.91657473273105, "widths 1 : 100");
    check_information(&space, 1, 1, 1, 0.10185308047, "conditional information in space");
    check_information(&space, 2, 1, 0, 0.11249117567, "information of a pair and one");
    check_entropy(&line, 0.49774069963013, "entropy on the line");
    check_entropy(&D5, 2.72853965122768, "entropy of D5");
    check_entropy(&space, 3.73141407582, "entropy in space");
}

/* One component: (log det Sxz + log det Syz - log det Sz - log det S) / 2, here for 21 independent triples with partial correlation r. */
static void test_single_component(void) {
    static double mean[63], covariance[63 * 63];
    double weight = 1.0, truth = 0.0, value, error;
    int32_t x[21], y[21], z[21];
    for (int i = 0; i < 21; ++i) {
        double a = 0.02 * i, b = 0.5, c = 0.8 - 0.05 * i; /* correlations xy, xz, yz; columns i, 21 + i, 42 + i */
        x[i] = i;
        y[i] = 21 + i;
        z[i] = 42 + i;
        covariance[x[i] * 64] = covariance[y[i] * 64] = covariance[z[i] * 64] = 1.0;
        covariance[x[i] * 63 + y[i]] = covariance[y[i] * 63 + x[i]] = a;
        covariance[x[i] * 63 + z[i]] = covariance[z[i] * 63 + x[i]] = b;
        covariance[y[i] * 63 + z[i]] = covariance[z[i] * 63 + y[i]] = c;
        double partial = (a - b * c) / sqrt((1.0 - b * b) * (1.0 - c * c));
        truth -= 0.5 * log(1.0 - partial * partial);
    }
    int status = fgm_mixture_mutual_information(1, 63, &weight, mean, covariance, x, 21, y, 21, z, 21, 1e-9, 1, &value, &error);
    check(status == FGM_OK, "one component in 63 dimensions");
    check(fabs(value - truth) < 1e-12 && fabs(value - truth) <= 3.0 * error && error < 1e-11, "one component in 63 dimensions");
    check(fgm_entropy(1, 63, &weight, mean, covariance, 1e-9, 1, &value, &error) == FGM_OK && error < 1e-11, "entropy in 63 dimensions");
}

static void test_shapes(void) {
    double value, error;
    /* Far apart: the entropy of the label plus the components' own information. */
    example far = {3, 2, {.3, .3, .4}, {0, 0, 1e5, 2e5, -3e5, 1e5}, {1, .5, .5, 1, 1e-4, 0, 0, 1e-4, 2, 0, 0, 3}};
    check_information(&far, 1, 1, 0, -0.6 * log(.3) - 0.4 * log(.4) - 0.15 * log(.75), "far apart");
    /* So far that a lattice has no integers for it. */
    far.means[2] = far.means[3] = 1e9;
    far.covariances[4] = far.covariances[7] = 1e-18;
    fgm_mixture mixture = build(&far);
    check(integrate_plane(&mixture, 1e-3, 1, &value, &error) == FGM_OK, "very far apart");
    check_value(value, error, -0.6 * log(.3) - 0.4 * log(.4) - 0.15 * log(.75), 1e-3, "very far apart");
    fgm_mixture_release(&mixture);
    /* Correlation .9999 in both components; quadrature in rotated coordinates. */
    example strong = {2, 2, {.3, .7}, {0, 0, .5, .6}, {1, .9999, .9999, 1, 1, .9999, .9999, 1}};
    check_information(&strong, 1, 1, 0, 3.71026846561506, "strong correlation");
    /* Crossing needles: one lattice at 1 : 10^4; too large for one at 1 : 10^6, where sampling takes over. */
    example needles = {2, 2, {.5, .5}, {0, 0, 0, 0}, {1, 0, 0, 1e-8, 1e-8, 0, 0, 1}};
    mixture = build(&needles);
    check(integrate_plane(&mixture, 1e-4, 1, &value, &error) == FGM_OK, "needles");
    check_value(value, error, 0.69077723930875, 1e-4, "needles of 1 : 10^4");
    fgm_mixture_release(&mixture);
    needles.covariances[3] = needles.covariances[4] = 1e-12;
    mixture = build(&needles);
    check(integrate_plane(&mixture, 1e-4, 1, &value, &error) == FGM_OK, "needles");
    check_value(value, error, 0.6931051914432, 1e-4, "needles of 1 : 10^6");
    fgm_mixture_release(&mixture);
}

/* Light and empty components change nothing; nor do scales and shifts of either side. */
static void test_invariance(void) {
    example light = D5;
    light.n_components = 7;
    light.weights[5] = 1e-12;
    light.means[10] = light.means[11] = 3.0;
    light.covariances[20] = light.covariances[23] = 1e-6;
    light.means[12] = 1e9;
    light.covariances[24] = 1e12;
    light.covariances[27] = 1e-12;
    check_information(&light, 1, 1, 0, 0.16805279930869, "a component of weight 1e-12 and one of 0");
    example scaled = D5;
    for (int k = 0; k < 5; ++k) {
        scaled.means[2 * k] = 1e4 * scaled.means[2 * k] + 7e5;
        scaled.means[2 * k + 1] *= -1e-3;
        scaled.covariances[4 * k] *= 1e8;
        scaled.covariances[4 * k + 1] *= -10.0;
        scaled.covariances[4 * k + 2] *= -10.0;
        scaled.covariances[4 * k + 3] *= 1e-6;
    }
    check_information(&scaled, 1, 1, 0, 0.16805279930869, "scaled and shifted");
}

/* Independent pairs (x1, y1), (x2, y2): I(x1, x2; y1, y2) is the sum; so is the entropy. Order of the columns: x1 y1 x2 y2. */
static void test_sampling(void) {
    fgm_mixture four = product(&D3p, &D5), more = product(&space, &D1);
    int32_t x[] = {0, 2}, y[] = {1, 3}, z[] = {2, 4};
    double value, error, again, other;
    for (double tol = 1e-2; tol > 5e-4; tol /= 4.0) {
        for (uint64_t seed = 0; seed < 8; ++seed) {
            check(fgm_integrate_information(&four, (fgm_parts){x, y, NULL, 2, 2, 0}, tol, seed, &value, &error) == FGM_OK, "two pairs");
            check_value(value, error, 0.38881453369233 + 0.16805279930869, tol, "information of two pairs");
            check(fgm_integrate_entropy(&four, tol, seed, &value, &error) == FGM_OK, "entropy of two pairs");
            check_value(value, error, 2.59291504704615 + 2.72853965122768, tol, "entropy of two pairs");
            /* (x; y | z, u) with u independent of the rest. */
            check(fgm_integrate_information(&more, (fgm_parts){x, y, z, 1, 1, 2}, tol, seed, &value, &error) == FGM_OK, "conditional");
            check_value(value, error, 0.10185308047, tol, "conditional information by sampling");
        }
    }
    fgm_integrate_entropy(&four, 1e-3, 5, &value, &error);
    fgm_integrate_entropy(&four, 1e-3, 5, &again, &error);
    fgm_integrate_entropy(&four, 1e-3, 6, &other, &error);
    check(value == again && value != other, "the seed decides");
    /* Nearly the same mixture: errors cancel. */
    four.means[0] += 1e-6;
    fgm_integrate_entropy(&four, 1e-3, 5, &again, &error);
    check(fabs(again - value) < 1e-5, "the same points for nearly the same mixture");
    fgm_mixture_release(&four);
    fgm_mixture_release(&more);
}

/* Loose against tight tolerance: different lattices. */
static void test_sweep(void) {
    for (uint64_t i = 0; i < 240; ++i) {
        int d = 1 + (int)(i % 3), n_components = 2 + (int)(i % 9);
        double ratio = pow(10.0, (double)(i % 7) / (d == 3 ? 4.0 : 2.0)), spread = pow(10.0, (double)(i % 5) - 2.0);
        fgm_mixture mixture = random_mixture(fgm_random_bits(11, i), n_components, d, ratio, spread);
        double tol = d == 3 ? 1e-3 : 1e-4, value, error, truth, truth_error;
        fgm_integrate_entropy(&mixture, tol, 1, &value, &error);
        fgm_integrate_entropy(&mixture, 1e-3 * tol, 1, &truth, &truth_error);
        check_value(value, error + truth_error, truth, 1.01 * tol, "random mixture");
        fgm_mixture_release(&mixture);
    }
}

static double divergence(const fgm_mixture *p, const fgm_mixture *q, double tol, double *error) {
    double value = NAN;
    check(fgm_integrate_divergence(p, q, tol, 1, &value, error) == FGM_OK, "divergence");
    return value;
}

static void test_divergence(void) {
    example other_line = {2, 1, {.6, .4}, {-.5, .5}, {.5, 1.2}}, flat = {1, 2, {1}, {.5, .5}, {2, 0, 0, 3}};
    fgm_mixture p = build(&line), q = build(&other_line), five = build(&D5), gaussian = build(&flat), one = build(&D1);
    double error, value = divergence(&p, &q, 1e-6, &error);
    check_value(value, error, 0.96941469532233, 1e-6, "divergence on the line");
    value = divergence(&q, &p, 1e-6, &error);
    check_value(value, error, 0.78740887527703, 1e-6, "divergence on the line, the other way");
    value = divergence(&five, &five, 1e-6, &error);
    check_value(value, error, 0.0, 1e-6, "divergence from itself");
    /* The cross entropy with a Gaussian is a closed form. */
    double cross = log(2.0 * 3.14159265358979324) + 0.5 * log(6.0);
    for (int k = 0; k < 5; ++k) {
        const double *mean = D5.means + 2 * k, *covariance = D5.covariances + 4 * k;
        double x = covariance[0] + (mean[0] - .5) * (mean[0] - .5), y = covariance[3] + (mean[1] - .5) * (mean[1] - .5);
        cross += D5.weights[k] * 0.5 * (x / 2.0 + y / 3.0);
    }
    value = divergence(&five, &gaussian, 1e-6, &error);
    check_value(value, error, cross - 2.72853965122768, 1e-6, "divergence from a Gaussian");
    /* Two Gaussians: (tr S^-1 Sigma + delta^T S^-1 delta - d + log det S / det Sigma) / 2. */
    value = divergence(&one, &gaussian, 1e-6, &error);
    check_value(value, error, 0.5 * (.25 + .5 / 3.0 + 2.25 / 2.0 + .25 / 3.0 - 2.0 + log(6.0 / .21)), 1e-12, "divergence of Gaussians");
    fgm_mixture p4 = product(&D3p, &D5), q4 = product(&D1, &D5);
    fgm_mixture three = build(&D3p);
    double part_error, part = divergence(&three, &one, 1e-8, &part_error);
    value = divergence(&p4, &q4, 0.02 * part, &error);
    check_value(value, error, part, 0.02 * part, "divergence by sampling");
    check(fgm_integrate_divergence(&p, &five, 1e-3, 1, &value, &error) == FGM_ERROR_DIMENSION, "different dimensions");
    fgm_mixture_release(&p);
    fgm_mixture_release(&q);
    fgm_mixture_release(&five);
    fgm_mixture_release(&gaussian);
    fgm_mixture_release(&one);
    fgm_mixture_release(&p4);
    fgm_mixture_release(&q4);
    fgm_mixture_release(&three);
}

static int information_status(const int32_t *x, int n_x, const int32_t *y, int n_y, const int32_t *given, int n_given, double tol) {
    double value, error;
    return fgm_mixture_mutual_information(3, 3, space.weights, space.means, space.covariances, x, n_x, y, n_y, given, n_given, tol, 1, &value,
                                          &error);
}

static void test_arguments(void) {
    int32_t zero = 0, one = 1, two = 2, three = 3, minus = -1, twice[] = {0, 0};
    check(information_status(&zero, 1, &one, 1, &two, 1, 1e-3) == FGM_OK, "columns");
    check(information_status(&zero, 1, &one, 1, NULL, 0, 1e-3) == FGM_OK, "fewer columns");
    check(information_status(&zero, 1, &zero, 1, NULL, 0, 1e-3) == FGM_ERROR_COLUMNS, "column on both sides");
    check(information_status(twice, 2, &one, 1, NULL, 0, 1e-3) == FGM_ERROR_COLUMNS, "column twice");
    check(information_status(&zero, 1, &three, 1, NULL, 0, 1e-3) == FGM_ERROR_COLUMNS, "column too large");
    check(information_status(&zero, 1, &minus, 1, NULL, 0, 1e-3) == FGM_ERROR_COLUMNS, "column negative");
    check(information_status(&zero, 1, &one, 1, &one, 1, 1e-3) == FGM_ERROR_COLUMNS, "column given and used");
    check(information_status(&zero, 0, &one, 1, NULL, 0, 1e-3) == FGM_ERROR_COLUMNS, "no columns");
    check(information_status(&zero, 1, &one, 1, NULL, -1, 1e-3) == FGM_ERROR_COLUMNS, "negative number of columns");
    check(information_status(&zero, 1, &one, 1, NULL, 0, 0.0) == FGM_ERROR_OPTION, "tolerance zero");
    check(information_status(&zero, 1, &one, 1, NULL, 0, NAN) == FGM_ERROR_OPTION, "tolerance not a number");
    double value, error;
    check(fgm_entropy(0, 3, space.weights, space.means, space.covariances, 1e-3, 1, &value, &error) == FGM_ERROR_OPTION, "no components");
    check(fgm_entropy(3, 0, space.weights, space.means, space.covariances, 1e-3, 1, &value, &error) == FGM_ERROR_DIMENSION, "no dimensions");
    check(fgm_entropy(3, 3, space.weights, space.means, space.covariances, -1.0, 1, &value, &error) == FGM_ERROR_OPTION, "negative tolerance");
}

int main(void) {
    test_normal_quantile();
    test_golden();
    test_single_component();
    test_shapes();
    test_invariance();
    test_sampling();
    test_sweep();
    test_divergence();
    test_arguments();
    printf("%d passed, %d failed\n", n_passed, n_failed);
    return n_failed > 0;
}
