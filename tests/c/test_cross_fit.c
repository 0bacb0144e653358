/* Rows under fits that have not seen them: the mean log ratio, and how well it tells pairs from pairs that do not belong together. */
#include "check.h"

#define ROWS 403 /* folds of 80 and 81, neither a multiple of any register */
#define FOLDS 5
#define SHIFTS 5
#define MISMATCHED 10.0

/* log p(x, y) / (p(x) p(y)) under the Gaussian with the moments of all rows outside a fold. */
typedef struct gaussian {
    double mx, my, xx, xy, yy;
} gaussian;

static gaussian moments_without(const double *x, const double *y, int64_t first, int64_t last) {
    gaussian g = {0};
    double n = (double)(ROWS - (last - first));
    for (int64_t i = 0; i < ROWS; ++i) {
        if (i >= first && i < last) continue;
        g.mx += x[i] / n;
        g.my += y[i] / n;
    }
    for (int64_t i = 0; i < ROWS; ++i) {
        if (i >= first && i < last) continue;
        g.xx += (x[i] - g.mx) * (x[i] - g.mx) / n;
        g.xy += (x[i] - g.mx) * (y[i] - g.my) / n;
        g.yy += (y[i] - g.my) * (y[i] - g.my) / n;
    }
    return g;
}

static double log_ratio(gaussian g, double x, double y) {
    double a = (x - g.mx) / sqrt(g.xx), b = (y - g.my) / sqrt(g.yy), rho = g.xy / sqrt(g.xx * g.yy);
    return -0.5 * log1p(-rho * rho) - 0.5 * (a * a - 2.0 * rho * a * b + b * b) / (1.0 - rho * rho) + 0.5 * (a * a + b * b);
}

static void test_one_gaussian(void) {
    fgm_fault fault;
    fgm_options options;
    fgm_prepared prepared;
    fgm_model model;
    double *X = draw_d5(ROWS, 3), mean, score;
    fgm_options_init(&options);
    options.n_components = 1;
    options.n_folds = FOLDS;
    double *columns = numbers(2 * ROWS);
    for (int64_t i = 0; i < 2 * ROWS; ++i) columns[i % 2 * ROWS + i / 2] = X[i];
    for (int64_t i = 0; i < ROWS; ++i) columns[ROWS + i] += columns[i];
    fgm_data data = {.size = sizeof data,
                     .n = ROWS,
                     .x = {.values = columns, .d = 1},
                     .y = {.values = columns + ROWS, .d = 1},
                     .quantity = FGM_QUANTITY_INFORMATION};
    if (fgm_prepare(&prepared, &data, &options, 5, &fault) != FGM_OK) abort();
    if (fgm_model_allocate(&model, 1, 2, prepared.classes.labels) != FGM_OK) abort();
    model.probabilities[0] = 1.0;
    if (fgm_mixture_allocate(&model.mixtures[0], 1, 2) != FGM_OK) abort();
    fgm_mixture whole = model.mixtures[0];
    whole.weights[0] = whole.factors[0] = whole.factors[2] = 1.0;
    whole.means[0] = whole.means[1] = whole.factors[1] = 0.0;
    check_status(fgm_cross_fit(&prepared, &model, &mean, &score), FGM_OK, "cross-fit");
    const double *x = prepared.samples.columns + prepared.layout.columns[0] * prepared.samples.stride,
                 *y = prepared.samples.columns + prepared.layout.columns[1] * prepared.samples.stride;
    double matched = 0.0, told = 0.0, mismatched = 0.0, pairs = 0.0;
    for (int fold = 0; fold < FOLDS; ++fold) {
        int64_t first = (int64_t)fold * ROWS / FOLDS, last = (int64_t)(fold + 1) * ROWS / FOLDS, n = last - first;
        gaussian g = moments_without(x, y, first, last);
        for (int64_t i = 0; i < n; ++i) {
            double t = log_ratio(g, x[first + i], y[first + i]);
            matched += t;
            told -= log1p(MISMATCHED * exp(-t));
            for (int64_t s = 1; s <= SHIFTS; ++s) {
                int64_t shift = s * n / (2 * SHIFTS + 1);
                mismatched -= log1p(exp(log_ratio(g, x[first + i], y[first + (i + shift) % n])) / MISMATCHED);
                mismatched -= log1p(exp(log_ratio(g, x[first + i], y[first + (i + n - shift) % n])) / MISMATCHED);
                pairs += 2.0;
            }
        }
    }
    check(fabs(mean - matched / ROWS) < 1e-12, "mean log ratio is off by %g", mean - matched / ROWS);
    check(fabs(score - told / ROWS - MISMATCHED * mismatched / pairs) < 1e-12, "score is off by %g",
          score - told / ROWS - MISMATCHED * mismatched / pairs);
    check(score > -log1p(MISMATCHED) - MISMATCHED * log1p(1.0 / MISMATCHED), "dependence is told better than by tossing coins: %g", score);
    fgm_model_release(&model);
    fgm_prepared_release(&prepared);
    free(columns);
    free(X);
}

int main(void) {
    test_one_gaussian();
    return summary();
}
