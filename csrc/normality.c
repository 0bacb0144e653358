/* Whether two columns look like one Gaussian, so that a search for more components may end early.
 *
 * Two tests that see different things. The mean third and fourth order Hermite polynomials of the whitened columns u, v,
 *   n sum_{i + j = 3, 4} (mean of h_i(u) h_j(v))^2 / (i! j!),
 * is the smooth test of order four (Neyman 1937), chi-square with nine degrees of freedom, which sees what is skew, heavy or curved. Pearson's
 * chi-square over cells that are equally probable sees what is finer: a wave whose low moments are those of a Gaussian. With m^2 cells it has about
 * m^2 - 6 degrees of freedom, five numbers having been learned from the rows.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <string.h>

#define ROWS_OF_A_CELL 4 /* about, on average, until there are cells enough */
#define FEWEST_BINS 7
#define MOST_BINS 16
#define GRID 256    /* steps over the middle of the line */
#define STEPS 32.0  /* of one standard deviation: edges are .15 apart or more */
#define LEVEL_QUANTILE 1.2815515655446004 /* standard normal, of .9 */
#define N_MOMENTS 9
#define LARGEST_MOMENTS 14.683656573259837 /* of nine degrees of freedom, one time in ten */

static const double factorials[5] = {1.0, 1.0, 2.0, 6.0, 24.0};

/* The chi-square of many degrees of freedom that is exceeded one time in ten (Wilson and Hilferty 1931). */
static double limit(double degrees_of_freedom) {
    double spread = 2.0 / (9.0 * degrees_of_freedom), root = 1.0 - spread + LEVEL_QUANTILE * sqrt(spread);
    return degrees_of_freedom * root * root * root;
}

/* Edges between bins, with a grid so fine that none of its steps has two: a place is found without a search. */
typedef struct bins {
    double edges[MOST_BINS]; /* in order, then infinity */
    uint8_t before[GRID];    /* edges in the steps before */
} bins;

static int step_of(double value) {
    double step = GRID / 2 + value * STEPS;
    return (int)(step > 0.0 ? step < GRID - 1 ? step : GRID - 1 : 0.0);
}

static void divide(int n, bins *found) {
    for (int i = 0; i < MOST_BINS; ++i) found->edges[i] = i + 1 < n ? fgm_normal_quantile((i + 1.0) / n) : INFINITY;
    for (int step = 0, edge = 0; step < GRID; ++step) {
        while (edge + 1 < n && step_of(found->edges[edge]) < step) ++edge;
        found->before[step] = (uint8_t)edge;
    }
}

static int place(const bins *all, double value) {
    int before = all->before[step_of(value)];
    return before + (value > all->edges[before]);
}

static void hermite(double x, double *values /* (5) */) {
    double square = x * x;
    values[0] = 1.0;
    values[1] = x;
    values[2] = square - 1.0;
    values[3] = x * (square - 3.0);
    values[4] = square * (square - 6.0) + 3.0;
}

/* Means, and the Cholesky factor of the covariance: standard deviation of the first column, and of the second its part along and across. */
static void find_shape(fgm_samples samples, double *means /* (2) */, double *factor /* (3) */) {
    const double *x = samples.columns, *y = samples.columns + samples.stride;
    double n = (double)samples.n, sums[2] = {0.0, 0.0}, xx = 0.0, xy = 0.0, yy = 0.0;
    for (int64_t i = 0; i < samples.n; ++i) {
        sums[0] += x[i];
        sums[1] += y[i];
    }
    means[0] = sums[0] / n;
    means[1] = sums[1] / n;
    for (int64_t i = 0; i < samples.n; ++i) {
        double a = x[i] - means[0], b = y[i] - means[1];
        xx += a * a;
        xy += a * b;
        yy += b * b;
    }
    factor[0] = sqrt(xx / n);
    factor[1] = xy / n / factor[0];
    factor[2] = sqrt(yy / n - factor[1] * factor[1]);
}

void fgm_find_normality(fgm_samples samples, fgm_normality *found) {
    const double *x = samples.columns, *y = samples.columns + samples.stride;
    double n = (double)samples.n, means[2], factor[3], sums[N_MOMENTS] = {0.0};
    int64_t counts[MOST_BINS * MOST_BINS] = {0};
    int n_bins = (int)sqrt(n / ROWS_OF_A_CELL);
    n_bins = n_bins < FEWEST_BINS ? FEWEST_BINS : n_bins > MOST_BINS ? MOST_BINS : n_bins;
    bins all;
    divide(n_bins, &all);
    find_shape(samples, means, factor);
    for (int64_t i = 0; i < samples.n; ++i) {
        double u = (x[i] - means[0]) / factor[0], v = (y[i] - means[1] - factor[1] * u) / factor[2], of_u[5], of_v[5];
        hermite(u, of_u);
        hermite(v, of_v);
        for (int k = 0; k <= 3; ++k) sums[k] += of_u[k] * of_v[3 - k];
        for (int k = 0; k <= 4; ++k) sums[4 + k] += of_u[k] * of_v[4 - k];
        ++counts[place(&all, u) * MOST_BINS + place(&all, v)];
    }
    found->bins = n_bins;
    found->moments = found->cells = 0.0;
    for (int k = 0; k <= 3; ++k) found->moments += sums[k] * sums[k] / (n * factorials[k] * factorials[3 - k]);
    for (int k = 0; k <= 4; ++k) found->moments += sums[4 + k] * sums[4 + k] / (n * factorials[k] * factorials[4 - k]);
    for (int i = 0; i < n_bins; ++i) {
        for (int j = 0; j < n_bins; ++j) {
            double expected = n / (n_bins * n_bins), beyond = (double)counts[i * MOST_BINS + j] - expected;
            found->cells += beyond * beyond / expected;
        }
    }
}

bool fgm_looks_gaussian(fgm_samples samples) {
    if (samples.d != 2 || samples.weights) return false;
    fgm_normality found;
    fgm_find_normality(samples, &found);
    return found.moments < LARGEST_MOMENTS && found.cells < limit(found.bins * found.bins - 6.0);
}
