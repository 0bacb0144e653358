/* Whether two columns look like one Gaussian. */
#include "check.h"

#define SAMPLES 400
#define ROWS 500
#define PI 3.14159265358979323846

typedef enum shape { GAUSSIAN, WAVE, CROSS, SKEW } shape;

/* Columns x, y of one shape; the key tells samples apart. */
static void draw(shape kind, uint64_t key, int64_t n, double *columns /* (2, n) */) {
    for (int64_t i = 0; i < n; ++i) {
        uint64_t at = 4 * (uint64_t)i;
        double u = fgm_random_uniform(key, at), x = fgm_random_normal(key, at + 1), z = fgm_random_normal(key, at + 2);
        double sign = fgm_random_uniform(key, at + 3) < 0.5 ? -1.0 : 1.0;
        columns[i] = kind == WAVE ? fgm_normal_quantile(u) : x;
        columns[n + i] = kind == GAUSSIAN ? 0.6 * x + 0.8 * z
                         : kind == WAVE   ? sin(6.0 * PI * u) + 0.5 * z
                         : kind == CROSS  ? 0.6 * sign * x + 0.8 * z
                                          : exp(0.3 * z);
    }
}

static int count_gaussian(shape kind, int n_samples, int64_t n) {
    double *columns = numbers(2 * (size_t)n);
    int count = 0;
    for (int s = 0; s < n_samples; ++s) {
        draw(kind, 1000 * (uint64_t)kind + (uint64_t)s, n, columns);
        count += fgm_looks_gaussian((fgm_samples){.n = n, .stride = n, .d = 2, .columns = columns});
    }
    free(columns);
    return count;
}

/* One sample in ten fails each test, which hardly depend on each other: 81 of 100 pass, +- 2.0 for 400 samples. */
static void test_gaussians(void) {
    const int64_t sizes[3] = {60, ROWS, 3000};
    for (int s = 0; s < 3; ++s) {
        double share = (double)count_gaussian(GAUSSIAN, SAMPLES, sizes[s]) / SAMPLES;
        check(share > 0.75 && share < 0.91, "of Gaussians with %d rows %g pass", (int)sizes[s], share);
    }
}

static void test_other_shapes(void) {
    const shape kinds[3] = {WAVE, CROSS, SKEW};
    for (int k = 0; k < 3; ++k) {
        int count = count_gaussian(kinds[k], SAMPLES / 10, ROWS);
        check(count == 0, "%d of shape %d pass", count, (int)kinds[k]);
    }
}

/* Statistics do not change with scales and offsets. */
static void test_units(void) {
    double columns[2 * ROWS];
    fgm_normality before, after;
    draw(CROSS, 5, ROWS, columns);
    fgm_samples samples = {.n = ROWS, .stride = ROWS, .d = 2, .columns = columns};
    fgm_find_normality(samples, &before);
    for (int i = 0; i < ROWS; ++i) {
        columns[i] = 3.0 + 100.0 * columns[i];
        columns[ROWS + i] = -7.0 + 0.01 * columns[ROWS + i];
    }
    fgm_find_normality(samples, &after);
    check(before.bins == 11 && after.bins == 11, "%d and %d bins", before.bins, after.bins);
    check(fabs(after.moments - before.moments) < 1e-9 * before.moments, "moments %g, before %g", after.moments, before.moments);
    check(fabs(after.cells - before.cells) < 1e-9 * before.cells, "cells %g, before %g", after.cells, before.cells);
}

/* Where nothing can be said, it is not said that there is one Gaussian. */
static void test_what_is_not_looked_at(void) {
    double columns[3 * ROWS], weights[ROWS];
    draw(GAUSSIAN, 6, ROWS, columns);
    for (int i = 0; i < ROWS; ++i) {
        columns[2 * ROWS + i] = fgm_random_normal(3, (uint64_t)i);
        weights[i] = 1.0;
    }
    check(fgm_looks_gaussian((fgm_samples){.n = ROWS, .stride = ROWS, .d = 2, .columns = columns}), "two columns do not pass");
    check(!fgm_looks_gaussian((fgm_samples){.n = ROWS, .stride = ROWS, .d = 2, .columns = columns, .weights = weights}), "weights pass");
    check(!fgm_looks_gaussian((fgm_samples){.n = ROWS, .stride = ROWS, .d = 3, .columns = columns}), "three columns pass");
    memcpy(columns + ROWS, columns, ROWS * sizeof *columns);
    check(!fgm_looks_gaussian((fgm_samples){.n = ROWS, .stride = ROWS, .d = 2, .columns = columns}), "equal columns pass");
}

int main(void) {
    test_gaussians();
    test_other_shapes();
    test_units();
    test_what_is_not_looked_at();
    return summary();
}
