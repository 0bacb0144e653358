/* From rows as users have them to columns that can be fitted: checked, shuffled, standardised or mapped to normal scores.
 *
 * Standardising leaves mutual information as it is and makes every tolerance relative; values are first scaled by a power of two, so that
 * squares neither overflow nor vanish. Normal scores (van der Waerden 1952) put Phi^-1 of the mid-rank in place of each value, ranks being
 * cumulative weights, ties sharing the middle of theirs: invariant under any monotone map, and light-tailed.
 *
 * Rounded data repeat values, and a component that shrinks onto one of them would gain likelihood without bound. The resolution of a column is
 * the median, over rows whose value occurs more than once, of the distance to the nearest other value; no component may be narrower than it.
 */
#include "core.h"
#include "random.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RESOLUTION_ROWS 65536
#define DEGENERATE 1e-12      /* 1 - R^2 of a column on those before it, below which it counts as a linear function of them */
#define SELECTION_PASSES 100
#define PRIOR 1e-3            /* of the data's covariance, lent to each component as one row's worth */
#define WIDEST_RESOLUTION 0.5 /* a column of few values must still leave room for components: floor at most half a standard deviation */

/* ---- sorting ------------------------------------------------------------------------------------------------------------------- */

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

typedef struct ranked {
    double value;
    uint32_t row;
} ranked;

static int compare_ranked(const void *left, const void *right) {
    const ranked *a = left, *b = right;
    int by_value = (a->value > b->value) - (a->value < b->value);
    return by_value ? by_value : (a->row > b->row) - (a->row < b->row);
}

static int rank_column(const double *values /* (n) */, int64_t n, uint32_t *ranks /* (n) */) {
    ranked *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < n; ++i) sorted[i] = (ranked){values[i], (uint32_t)i};
    qsort(sorted, (size_t)n, sizeof *sorted, compare_ranked);
    for (int64_t i = 0; i < n; ++i) ranks[i] = sorted[i].row;
    free(sorted);
    return FGM_OK;
}

/* ---- resolution ----------------------------------------------------------------------------------------------------------------- */

double fgm_resolution(const double *sorted, int64_t n) {
    double largest = fmax(fabs(sorted[0]), fabs(sorted[n - 1])), rounding = 16.0 * DBL_EPSILON * largest;
    double *gaps = malloc((size_t)n * sizeof *gaps);
    if (!gaps) return 0.0;
    int64_t n_gaps = 0;
    for (int64_t first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && sorted[last] - sorted[last - 1] <= rounding; ++last) {
        }
        if (last - first < 2) continue;
        double below = first > 0 ? sorted[first] - sorted[first - 1] : INFINITY, above = last < n ? sorted[last] - sorted[last - 1] : INFINITY;
        double gap = fmin(below, above);
        for (int64_t i = first; i < last && isfinite(gap); ++i) gaps[n_gaps++] = gap;
    }
    double resolution = 0.0;
    if (n_gaps > 0) {
        qsort(gaps, (size_t)n_gaps, sizeof *gaps, compare_doubles);
        resolution = gaps[n_gaps / 2];
    }
    free(gaps);
    return resolution;
}

static int find_resolution(const double *column /* (n) */, int64_t n, double *resolution) {
    int64_t m = n < RESOLUTION_ROWS ? n : RESOLUTION_ROWS;
    double *sorted = malloc((size_t)m * sizeof *sorted);
    if (!sorted) return FGM_ERROR_MEMORY;
    memcpy(sorted, column, (size_t)m * sizeof *sorted);
    qsort(sorted, (size_t)m, sizeof *sorted, compare_doubles);
    *resolution = fgm_resolution(sorted, m);
    free(sorted);
    return FGM_OK;
}

/* ---- normal scores --------------------------------------------------------------------------------------------------------------- */

void fgm_score_rows(const double *values, const uint32_t *ranks, int64_t n, const double *weights, double *scores) {
    double total = 0.0, below = 0.0;
    for (int64_t i = 0; i < n; ++i) total += weights ? weights[i] : 1.0;
    for (int64_t first = 0, last; first < n; first = last) {
        double tied = 0.0;
        for (last = first; last < n && values[ranks[last]] == values[ranks[first]]; ++last) tied += weights ? weights[ranks[last]] : 1.0;
        double middle = (below + 0.5 * tied) / total;
        double score = fgm_normal_quantile(fmin(fmax(middle, 0.5 / total * DBL_EPSILON), 1.0 - DBL_EPSILON));
        for (int64_t i = first; i < last; ++i) scores[ranks[i]] = score;
        below += tied;
    }
}

int fgm_normal_scores(const double *column, int64_t n, const double *sample_weight, double *knots, double *scores, int64_t *n_knots) {
    if (n < 1 || n > UINT32_MAX) return FGM_ERROR_TOO_FEW_SAMPLES;
    uint32_t *ranks = malloc((size_t)n * sizeof *ranks);
    double *row_scores = malloc((size_t)n * sizeof *row_scores);
    int status = ranks && row_scores ? rank_column(column, n, ranks) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) {
        fgm_score_rows(column, ranks, n, sample_weight, row_scores);
        int64_t count = 0;
        for (int64_t i = 0; i < n; ++i) {
            double value = column[ranks[i]];
            if (count > 0 && knots[count - 1] == value) continue;
            knots[count] = value;
            scores[count++] = row_scores[ranks[i]];
        }
        *n_knots = count;
    }
    free(ranks);
    free(row_scores);
    return status;
}

int fgm_apply_normal_scores(const double *knots, const double *scores, int64_t n_knots, const double *values, int64_t n, double *out) {
    if (n_knots < 2) return FGM_ERROR_CONSTANT;
    for (int64_t i = 0; i < n; ++i) {
        int64_t low = 0, high = n_knots - 1; /* the piece [low, high] around the value, an end piece outside the knots */
        while (high - low > 1) {
            int64_t middle = low + (high - low) / 2;
            if (knots[middle] <= values[i]) {
                low = middle;
            } else {
                high = middle;
            }
        }
        double slope = (scores[high] - scores[low]) / (knots[high] - knots[low]);
        out[i] = values[i] == knots[high] ? scores[high] : scores[low] + (values[i] - knots[low]) * slope;
    }
    return FGM_OK;
}

/* ---- standardising ---------------------------------------------------------------------------------------------------------------- */

static double weight_of(const double *weights, int64_t i) { return weights ? weights[i] : 1.0; }

/* Mean and standard deviation of one column, which is then standardised in place. False where it is constant but for rounding. */
static bool standardize_column(double *column /* (n) */, int64_t n, const double *weights /* (n) or NULL */, double *location, double *scale) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; ++i) {
        low = fmin(low, column[i]);
        high = fmax(high, column[i]);
    }
    double largest = fmax(fabs(low), fabs(high));
    if (!(high - low > 8.0 * DBL_EPSILON * largest)) return false;
    int exponent;
    frexp(largest, &exponent);
    double unit = ldexp(1.0, exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent), total = 0.0, sum = 0.0, rest = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        total += weight_of(weights, i);
        sum += weight_of(weights, i) * (column[i] / unit);
    }
    double mean = sum / total;
    for (int64_t i = 0; i < n; ++i) rest += weight_of(weights, i) * (column[i] / unit - mean);
    mean += rest / total;
    /* The spread may be far smaller than the values: scale once more, by the range, before squaring. */
    double range = (high / unit - low / unit);
    for (int64_t i = 0; i < n; ++i) {
        double centred = (column[i] / unit - mean) / range;
        square += weight_of(weights, i) * centred * centred;
    }
    double deviation = sqrt(square / total) * range;
    for (int64_t i = 0; i < n; ++i) column[i] = (column[i] / unit - mean) / deviation;
    *location = mean * unit;
    *scale = deviation * unit;
    return true;
}

/* ---- preparing -------------------------------------------------------------------------------------------------------------------- */

static int check_weights(const double *weights, int64_t n, double *total, int64_t *n_positive) {
    *total = 0.0;
    *n_positive = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (!(weight_of(weights, i) >= 0.0) || !isfinite(weight_of(weights, i))) return FGM_ERROR_WEIGHTS;
        *total += weight_of(weights, i);
        *n_positive += weight_of(weights, i) > 0.0;
    }
    return *total > 0.0 && isfinite(*total) ? FGM_OK : FGM_ERROR_WEIGHTS;
}

/* Where each row goes: a random permutation, so that any run of rows is a random sample. */
static uint32_t *shuffle(int64_t n, uint64_t seed) {
    uint32_t *places = malloc((size_t)n * sizeof *places);
    if (!places) return NULL;
    uint64_t key = fgm_stream(seed, FGM_STREAM_FOLDS, UINT64_MAX);
    for (int64_t i = 0; i < n; ++i) {
        int64_t other = (int64_t)(fgm_random_uniform(key, (uint64_t)i) * (double)(i + 1));
        places[i] = places[other];
        places[other] = (uint32_t)i;
    }
    return places;
}

/* Columns in random order; rows of weight zero are left out. */
static int fill_columns(fgm_prepared *prepared, const double *x, const double *y, int64_t n, int dx, int dy, const double *sample_weight,
                        double mean_weight, uint64_t seed, int32_t *fault_column) {
    int64_t stride = prepared->samples.stride, taken = 0;
    double *columns = prepared->memory, *weights = columns + (int64_t)prepared->d * stride;
    uint32_t *places = shuffle(prepared->n, seed);
    if (!places) return FGM_ERROR_MEMORY;
    int status = FGM_OK;
    for (int64_t i = 0; i < n && status == FGM_OK; ++i) {
        if (weight_of(sample_weight, i) == 0.0) continue;
        int64_t place = places[taken++];
        for (int j = 0; j < dx + dy; ++j) {
            double value = j < dx ? x[i * dx + j] : y[i * dy + j - dx];
            if (!isfinite(value)) {
                *fault_column = j;
                status = FGM_ERROR_NOT_FINITE;
            }
            columns[j * stride + place] = value;
        }
        if (sample_weight) weights[place] = sample_weight[i] / mean_weight;
    }
    free(places);
    return status;
}

static int transform_columns(fgm_prepared *prepared, int marginals, int32_t *fault_column) {
    int64_t n = prepared->n, stride = prepared->samples.stride;
    if (marginals == FGM_MARGINALS_GAUSSIANIZE) {
        prepared->ranks = malloc((size_t)n * (size_t)prepared->d * sizeof *prepared->ranks);
        if (!prepared->ranks) return FGM_ERROR_MEMORY;
    }
    for (int j = 0; j < prepared->d; ++j) {
        double *column = prepared->memory + j * stride;
        if (!standardize_column(column, n, prepared->samples.weights, &prepared->location[j], &prepared->scale[j])) {
            *fault_column = j;
            return FGM_ERROR_CONSTANT;
        }
        if (prepared->ranks) {
            uint32_t *ranks = prepared->ranks + j * n;
            double *scores = fgm_allocate((size_t)n);
            int status = scores ? rank_column(column, n, ranks) : FGM_ERROR_MEMORY;
            if (status == FGM_OK) fgm_score_rows(column, ranks, n, prepared->samples.weights, scores);
            if (status == FGM_OK) memcpy(column, scores, (size_t)n * sizeof *scores);
            fgm_release(scores);
            FGM_TRY(status);
        }
        FGM_TRY(find_resolution(column, n, &prepared->resolution[j]));
    }
    return FGM_OK;
}

static void set_floor(fgm_prepared *prepared, const fgm_options *options) {
    for (int j = 0; j < prepared->d; ++j) {
        double width = fmin(prepared->resolution[j], WIDEST_RESOLUTION);
        prepared->settings.floor[j] = fmax(options->reg_covar, width * width);
    }
}

/* Takes the prior from the correlation matrix, whose pivots are 1 - R^2 of a column on the ones before it. */
static int set_prior(fgm_prepared *prepared, int32_t *fault_column) {
    int d = prepared->d;
    double correlation[FGM_TRIANGLE(FGM_MAX_DIMENSION)], total = 0.0;
    fgm_samples samples = prepared->samples;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            const double *left = samples.columns + i * samples.stride, *right = samples.columns + j * samples.stride;
            double sum = 0.0;
            total = 0.0;
            for (int64_t row = 0; row < samples.n; ++row) {
                sum += weight_of(samples.weights, row) * left[row] * right[row];
                total += weight_of(samples.weights, row);
            }
            correlation[FGM_TRIANGLE(i) + j] = sum / total;
            prepared->settings.prior[FGM_TRIANGLE(i) + j] = PRIOR * sum / total;
        }
    }
    for (int i = 0; i < d; ++i) {
        double *row = correlation + FGM_TRIANGLE(i), variance = row[i];
        for (int j = 0; j < i; ++j) {
            const double *other = correlation + FGM_TRIANGLE(j);
            for (int m = 0; m < j; ++m) row[j] -= row[m] * other[m];
            row[j] /= other[j];
            row[i] -= row[j] * row[j];
        }
        if (!(row[i] > DEGENERATE * variance)) {
            *fault_column = i;
            return FGM_ERROR_COLLINEAR;
        }
        row[i] = sqrt(row[i]);
    }
    return FGM_OK;
}

static int check_options(const fgm_options *options) {
    if (options->size != sizeof *options) return FGM_ERROR_VERSION;
    bool valid = options->n_components >= 0 && options->n_components <= FGM_MAX_COMPONENTS && options->max_components >= 1 &&
                 options->max_components <= FGM_MAX_COMPONENTS && options->criterion >= FGM_CRITERION_CV && options->criterion <= FGM_CRITERION_BIC &&
                 options->init >= FGM_INIT_KMEANSPP && options->init <= FGM_INIT_KMEANS_SKLEARN && options->n_folds >= 2 && options->n_folds <= 64 &&
                 options->n_inits >= 1 && options->patience >= 1 && options->max_iter >= 1 && options->tol >= 0.0 && isfinite(options->tol) &&
                 options->reg_covar > 0.0 && isfinite(options->reg_covar) && options->init_scale >= 0.0 && isfinite(options->init_scale) &&
                 options->marginals >= FGM_MARGINALS_NONE && options->marginals <= FGM_MARGINALS_GAUSSIANIZE && options->n_bootstrap >= 0 &&
                 options->reselect >= -1 && options->reselect <= 1 && options->integration_tol > 0.0 && isfinite(options->integration_tol);
    return valid ? FGM_OK : FGM_ERROR_OPTION;
}

static int fill_prepared(fgm_prepared *prepared, const double *x, const double *y, int64_t n, int dx, int dy, const double *sample_weight,
                         const fgm_options *options, uint64_t seed, int32_t *fault_column) {
    double total;
    FGM_TRY(check_weights(sample_weight, n, &total, &prepared->n));
    if (prepared->n < 2 * (prepared->d + 2)) return FGM_ERROR_TOO_FEW_SAMPLES;
    if (prepared->n < (int64_t)options->n_components * (prepared->d + 1)) return FGM_ERROR_TOO_MANY_COMPONENTS;
    int64_t stride = (prepared->n + 7) / 8 * 8;
    prepared->memory = fgm_allocate((size_t)stride * (size_t)(prepared->d + (sample_weight ? 1 : 0)));
    if (!prepared->memory) return FGM_ERROR_MEMORY;
    const double *weights = sample_weight ? prepared->memory + (int64_t)prepared->d * stride : NULL;
    prepared->samples = (fgm_samples){prepared->n, stride, prepared->d, prepared->memory, weights};
    FGM_TRY(fill_columns(prepared, x, y, n, dx, dy, sample_weight, total / (double)prepared->n, seed, fault_column));
    FGM_TRY(transform_columns(prepared, options->marginals, fault_column));
    set_floor(prepared, options);
    prepared->settings.options = options;
    /* By default a fit stops where all the samples together have less than this to gain: far below what moves an estimate. */
    prepared->settings.tol = options->tol > 0.0 ? options->tol : fmin(1e-4, 5e-3 / (double)prepared->n);
    prepared->settings.selection_passes = options->max_iter < SELECTION_PASSES ? options->max_iter : SELECTION_PASSES;
    prepared->settings.selection_tol = fmin(1e-4, 10.0 * prepared->settings.tol);
    return set_prior(prepared, fault_column);
}

int fgm_prepare(fgm_prepared *prepared, const double *x, const double *y, int64_t n, int dx, int dy, const double *sample_weight,
                const fgm_options *options, uint64_t seed, int32_t *fault_column) {
    memset(prepared, 0, sizeof *prepared);
    *fault_column = -1;
    FGM_TRY(check_options(options));
    if (dx < 1 || dy < 0 || dx + dy > FGM_MAX_DIMENSION) return FGM_ERROR_DIMENSION;
    if (n < 1 || n > UINT32_MAX) return FGM_ERROR_TOO_FEW_SAMPLES;
    prepared->dx = dx;
    prepared->d = dx + dy;
    int status = fill_prepared(prepared, x, y, n, dx, dy, sample_weight, options, seed, fault_column);
    if (status != FGM_OK) fgm_prepared_release(prepared);
    return status;
}

void fgm_prepared_release(fgm_prepared *prepared) {
    fgm_release(prepared->memory);
    free(prepared->ranks);
    prepared->memory = NULL;
    prepared->ranks = NULL;
}
