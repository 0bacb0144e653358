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
    double *X = draw_d5(ROWS, 3), *scores = numbers(ROWS), mean, score = 0.0, largest = 0.0;
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
    check_status(fgm_cross_fit(&prepared, &model, &mean, scores), FGM_OK, "cross-fit");
    const double *x = prepared.samples.columns + prepared.layout.columns[0] * prepared.samples.stride,
                 *y = prepared.samples.columns + prepared.layout.columns[1] * prepared.samples.stride;
    double matched = 0.0, told = 0.0, mismatched = 0.0, *expected = numbers(ROWS);
    memset(expected, 0, ROWS * sizeof *expected);
    for (int fold = 0; fold < FOLDS; ++fold) {
        int64_t first = (int64_t)fold * ROWS / FOLDS, last = (int64_t)(fold + 1) * ROWS / FOLDS, n = last - first;
        gaussian g = moments_without(x, y, first, last);
        double in_fold = 0.0;
        for (int64_t i = 0; i < n; ++i) {
            double t = log_ratio(g, x[first + i], y[first + i]);
            matched += t;
            told -= log1p(MISMATCHED * exp(-t));
            expected[first + i] -= log1p(MISMATCHED * exp(-t));
            for (int64_t s = -SHIFTS; s <= SHIFTS; ++s) {
                int64_t shift = s < 0 ? n - -s * n / (2 * SHIFTS + 1) : s * n / (2 * SHIFTS + 1), other = (i + shift) % n;
                if (s == 0) continue;
                double pair = -log1p(exp(log_ratio(g, x[first + i], y[first + other])) / MISMATCHED);
                expected[first + i] += pair; /* ten of them: M times their mean */
                expected[first + other] += pair;
                in_fold += pair;
            }
        }
        for (int64_t i = first; i < last; ++i) expected[i] -= in_fold / (double)n;
        mismatched += in_fold;
    }
    for (int64_t i = 0; i < ROWS; ++i) {
        largest = fmax(largest, fabs(scores[i] - expected[i]));
        score += scores[i] / ROWS;
    }
    check(fabs(mean - matched / ROWS) < 1e-12, "mean log ratio is off by %g", mean - matched / ROWS);
    check(largest < 1e-12, "scores are off by up to %g", largest);
    check(fabs(score - (told + mismatched) / ROWS) < 1e-12, "their mean is off by %g", score - (told + mismatched) / ROWS);
    check(score > -log1p(MISMATCHED) - MISMATCHED * log1p(1.0 / MISMATCHED), "dependence is told better than by tossing coins: %g", score);
    fgm_model_release(&model);
    fgm_prepared_release(&prepared);
    free(columns);
    free(scores);
    free(expected);
    free(X);
}

/* Odds of a normal mean: with differences of mean m and standard error s, P(N(2 m, s) > 0) to the rest. */
static void test_odds(void) {
    const double a[] = {1.0, 2.0, 0.5, 3.0, 1.5, 2.5}, b[] = {0.5, 2.5, 0.0, 1.0, 2.0, 2.0}, weights[] = {1.0, 2.0, 1.0, 0.5, 1.0, 3.0};
    const uint32_t groups[] = {0, 0, 1, 2, 2, 2};
    fgm_samples rows = {.n = 6};
    double share = 0.5 * erfc(-2.0 * 2.5 / sqrt(2.0 * 4.208333333333333)); /* sums: of differences 2.5, of their squares about the mean 4.2083 */
    check(fabs(fgm_odds(rows, a, b) - share / (1.0 - share)) < 1e-12, "odds of six rows: %g", fgm_odds(rows, a, b));
    check(fabs(fgm_odds(rows, a, b) * fgm_odds(rows, b, a) - 1.0) < 1e-12, "either way round");
    check(fgm_odds(rows, a, a) == 1.0, "what is equal");
    rows.weights = weights;
    rows.groups = groups; /* weighted differences about their mean, 2.0 / 8.5, by group */
    double mean = 2.0 / 8.5, first = -0.5 - 3.0 * mean, second = 0.5 - mean, third = 2.0 - 4.5 * mean;
    share = 0.5 * erfc(-2.0 * 2.0 / sqrt(2.0 * (first * first + second * second + third * third)));
    check(fabs(fgm_odds(rows, a, b) - share / (1.0 - share)) < 1e-12, "odds of three groups: %g", fgm_odds(rows, a, b));
    rows = (fgm_samples){.n = 1};
    check(fgm_odds(rows, a, b) == INFINITY && fgm_odds(rows, b, a) == 0.0, "no scatter, no doubt");
}

enum { PAIRS = 600, DATA_SETS = 100 };

/* Deviations by which rows of some correlation are told from pairs of different rows. */
static double deviations_of_pairs(double rho, uint64_t seed, bool are_labelled) {
    double *x = numbers(PAIRS), *y = numbers(PAIRS), deviations;
    int32_t labels[PAIRS];
    fgm_fault fault;
    fgm_options options;
    fgm_prepared prepared;
    fgm_model model;
    fgm_options_init(&options);
    for (uint64_t i = 0; i < PAIRS; ++i) {
        x[i] = fgm_random_normal(2 * seed, i);
        y[i] = rho * x[i] + sqrt(1.0 - rho * rho) * fgm_random_normal(2 * seed + 1, i);
        labels[i] = (int32_t)(i % 2);
    }
    fgm_data data = {.size = sizeof data, .n = PAIRS, .x = {.values = x, .d = 1}, .y = {.values = y, .d = 1}};
    if (are_labelled) data.y = (fgm_variable){.labels = labels, .n_classes = 2};
    if (fgm_prepare(&prepared, &data, &options, 5, &fault) != FGM_OK) abort();
    const double weights[] = {0.5, 0.5}, means[] = {-0.5, -0.5, 0.5, 0.5}, covariances[] = {1, 0, 0, 1, 1, 0, 0, 1}, ones[] = {1, 1};
    if (fgm_model_allocate(&model, prepared.classes.n, prepared.d, prepared.classes.labels) != FGM_OK) abort();
    for (int c = 0; c < model.n_classes; ++c) {
        model.probabilities[c] = 1.0 / model.n_classes;
        if (fgm_mixture_from_parameters(&model.mixtures[c], 2, prepared.d, weights, means, prepared.d > 1 ? covariances : ones) != FGM_OK) abort();
    }
    check_status(fgm_rank_pairs(&prepared, &model, &deviations), FGM_OK, "ranks");
    fgm_model_release(&model);
    fgm_prepared_release(&prepared);
    free(x);
    free(y);
    return deviations;
}

/* Where x and y are independent they are those of a normal distribution: of 100, three standard errors of the mean and of the mean square. */
static void test_pairs_of_different_rows(void) {
    double sum = 0.0, square = 0.0, told = deviations_of_pairs(0.3, 1, false);
    for (uint64_t seed = 1; seed <= DATA_SETS; ++seed) {
        double deviations = deviations_of_pairs(0.0, seed, false);
        sum += deviations;
        square += deviations * deviations;
    }
    check(fabs(sum / DATA_SETS) < 3.0 / sqrt(DATA_SETS), "independent: %g deviations in the mean", sum / DATA_SETS);
    check(square / DATA_SETS < 1.0 + 3.0 * sqrt(2.0 / DATA_SETS), "independent: %g in the square", square / DATA_SETS);
    check(told > 3.0, "a correlation of .3: %g deviations", told);
    check(deviations_of_pairs(0.0, 1, true) == INFINITY, "labels have no pairs of different rows");
}

int main(void) {
    test_pairs_of_different_rows();
    test_one_gaussian();
    test_odds();
    return summary();
}
