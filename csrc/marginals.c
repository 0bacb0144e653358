/* From rows as users have them to columns that can be fitted: checked, standardised or mapped to normal scores.
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

#define RESOLUTION_ROWS 32768
#define DEGENERATE 1e-12      /* 1 - R^2 of a column on those before it, below which it counts as a linear function of them */
#define LANES 8               /* of sums that are made side by side */
#define BLOCK 256             /* rows of which products are summed at a time */
#define SELECTION_PASSES 100
#define PRIOR 1e-3            /* of the data's covariance, lent to each component as one row's worth */
#define HIGHEST_FLOOR 1e6     /* variances of a column: nothing is left of the data by then */
#define WIDEST_RESOLUTION 0.5 /* a column of few values must still leave room for components: floor at most half a standard deviation */

/* ---- resolution ----------------------------------------------------------------------------------------------------------------- */

double fgm_resolution(double *sorted, int64_t n, double *gaps) {
    double largest = fmax(fabs(sorted[0]), fabs(sorted[n - 1])), rounding = 16.0 * DBL_EPSILON * largest;
    int64_t n_gaps = 0;
    for (int64_t first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && sorted[last] - sorted[last - 1] <= rounding; ++last) {
        }
        if (last - first < 2) continue;
        double below = first > 0 ? sorted[first] - sorted[first - 1] : INFINITY, above = last < n ? sorted[last] - sorted[last - 1] : INFINITY;
        double gap = fmin(below, above);
        for (int64_t i = first; i < last && isfinite(gap); ++i) gaps[n_gaps++] = gap;
    }
    fgm_sort(gaps, sorted, n_gaps);
    return n_gaps > 0 ? gaps[n_gaps / 2] : 0.0;
}

static int find_resolution(const double *column /* (n) */, const uint32_t *ranks /* (n) or NULL */, int64_t n, double *resolution) {
    int64_t m = n < RESOLUTION_ROWS ? n : RESOLUTION_ROWS;
    double *sorted = malloc(2 * (size_t)m * sizeof *sorted);
    if (!sorted) return FGM_ERROR_MEMORY;
    if (ranks && m == n) {
        for (int64_t i = 0; i < n; ++i) sorted[i] = column[ranks[i]];
    } else {
        memcpy(sorted, column, (size_t)m * sizeof *sorted);
        fgm_sort(sorted, sorted + m, m);
    }
    *resolution = fgm_resolution(sorted, m, sorted + m);
    free(sorted);
    return FGM_OK;
}

/* ---- normal scores --------------------------------------------------------------------------------------------------------------- */

void fgm_score_rows(const double *values, const uint32_t *ranks, int64_t n, const double *weights, double *scores) {
    double total = fgm_training_of((fgm_samples){.n = n, .weights = weights}).total_weight, below = 0.0, middles[BLOCK];
    double lowest = 0.5 / total * DBL_EPSILON, highest = 1.0 - DBL_EPSILON;
    int64_t lasts[BLOCK], first = 0, row = 0; /* lasts: of each run of equal values, the place after it */
    while (first < n) {
        int n_runs = 0;
        for (; n_runs < BLOCK && first < n; ++n_runs) {
            double value = values[ranks[first]], tied = fgm_weight_of(weights, ranks[first]);
            for (++first; first < n && values[ranks[first]] == value; ++first) tied += fgm_weight_of(weights, ranks[first]);
            middles[n_runs] = below + 0.5 * tied;
            lasts[n_runs] = first;
            below += tied;
        }
        for (int run = 0; run < n_runs; ++run) {
            double share = middles[run] / total;
            share = share < lowest ? lowest : share;
            middles[run] = share > highest ? highest : share;
        }
        fgm_get_kernels()->normal_quantile(n_runs, middles, middles);
        for (int run = 0; run < n_runs; ++run) {
            for (; row < lasts[run]; ++row) scores[ranks[row]] = middles[run];
        }
    }
}

int fgm_normal_scores(const double *column, int64_t n, const double *sample_weight, double *knots, double *scores, int64_t *n_knots) {
    if (n < 1 || n > UINT32_MAX) return FGM_ERROR_TOO_FEW_SAMPLES;
    uint32_t *ranks = malloc((size_t)n * sizeof *ranks);
    double *row_scores = malloc((size_t)n * sizeof *row_scores);
    int status = ranks && row_scores ? fgm_rank(column, n, ranks) : FGM_ERROR_MEMORY;
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

/* Mean and standard deviation of one column, which is then standardised in place. False where it is constant but for rounding. */
static bool standardize_column(double *column /* (n) */, int64_t n, const double *weights /* (n) or NULL */, double *location, double *scale) {
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < n; ++i) { /* all of them finite, so that fmin and fmax, which are calls, have nothing to add */
        low = column[i] < low ? column[i] : low;
        high = column[i] > high ? column[i] : high;
    }
    double largest = fmax(fabs(low), fabs(high));
    if (!(high - low > 8.0 * DBL_EPSILON * largest)) return false;
    int exponent;
    frexp(largest, &exponent);
    /* A power of two, by whose inverse it is exact to multiply. */
    double unit = ldexp(1.0, exponent > 1000 ? 1000 : exponent < -1000 ? -1000 : exponent), inverse = 1.0 / unit;
    double total = 0.0, sum = 0.0, rest = 0.0, square = 0.0;
    for (int64_t i = 0; i < n; ++i) {
        total += fgm_weight_of(weights, i);
        sum += fgm_weight_of(weights, i) * (column[i] * inverse);
    }
    double mean = sum / total;
    for (int64_t i = 0; i < n; ++i) rest += fgm_weight_of(weights, i) * (column[i] * inverse - mean);
    mean += rest / total;
    /* The spread may be far smaller than the values: scale once more, by the range, before squaring. */
    double range = (high * inverse - low * inverse);
    for (int64_t i = 0; i < n; ++i) {
        double centred = (column[i] * inverse - mean) / range;
        square += fgm_weight_of(weights, i) * centred * centred;
    }
    double deviation = sqrt(square / total) * range;
    for (int64_t i = 0; i < n; ++i) column[i] = (column[i] * inverse - mean) / deviation;
    *location = mean * unit;
    *scale = deviation * unit;
    return true;
}

/* ---- preparing -------------------------------------------------------------------------------------------------------------------- */

static int check_weights(const double *weights, int64_t n, double *total, int64_t *n_positive) {
    *total = 0.0;
    *n_positive = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (!(fgm_weight_of(weights, i) >= 0.0) || !isfinite(fgm_weight_of(weights, i))) return FGM_ERROR_WEIGHTS;
        *total += fgm_weight_of(weights, i);
        *n_positive += fgm_weight_of(weights, i) > 0.0;
    }
    return *total > 0.0 && isfinite(*total) ? FGM_OK : FGM_ERROR_WEIGHTS;
}

/* Columns to be transformed, each by itself. */
typedef struct transform {
    fgm_prepared *prepared;
    bool are_ranked, are_scored;
    bool is_constant[FGM_MAX_DIMENSION];
} transform;

static int transform_column(void *task_data, int64_t j, int is_caller) {
    (void)is_caller; /* there is nothing to report: it takes no longer than a pass or two */
    transform *all = task_data;
    fgm_prepared *prepared = all->prepared;
    int64_t n = prepared->n;
    double *column = prepared->memory + j * prepared->samples.stride;
    all->is_constant[j] = !standardize_column(column, n, prepared->samples.weights, &prepared->location[j], &prepared->scale[j]);
    if (all->is_constant[j]) return FGM_OK;
    uint32_t *ranks = prepared->ranks ? prepared->ranks + j * n : NULL;
    if (all->are_scored) {
        double *scores = fgm_allocate((size_t)n);
        int status = !scores ? FGM_ERROR_MEMORY : all->are_ranked ? FGM_OK : fgm_rank(column, n, ranks);
        if (status == FGM_OK) fgm_score_rows(column, ranks, n, prepared->samples.weights, scores);
        if (status == FGM_OK) memcpy(column, scores, (size_t)n * sizeof *scores);
        fgm_release(scores);
        FGM_TRY(status);
    }
    return find_resolution(column, ranks, n, &prepared->resolution[j]);
}

static int transform_columns(fgm_prepared *prepared, const fgm_options *options, fgm_fault *fault) {
    transform all = {.prepared = prepared, .are_ranked = prepared->ranks};
    all.are_scored = options->marginals == FGM_MARGINALS_GAUSSIANIZE || options->marginals == FGM_MARGINALS_STUDENTIZE;
    if (all.are_scored && !all.are_ranked) {
        prepared->ranks = malloc((size_t)prepared->n * (size_t)prepared->d * sizeof *prepared->ranks);
        if (!prepared->ranks) return FGM_ERROR_MEMORY;
    }
    if (prepared->n < FGM_MANY_ROWS) {
        FGM_TRY(fgm_run(options, prepared->d, FGM_VALUE_WORK * (double)prepared->n * prepared->d, transform_column, &all));
    } else { /* one by one: sorting two at a time would take the memory twice */
        for (int j = 0; j < prepared->d; ++j) FGM_TRY(transform_column(&all, j, 1));
    }
    if (!all.are_scored) { /* replicates have no use for them */
        free(prepared->ranks);
        prepared->ranks = NULL;
    }
    for (int j = 0; j < prepared->d; ++j) {
        if (!all.is_constant[j]) continue;
        fault->column = j;
        return FGM_ERROR_CONSTANT;
    }
    return FGM_OK;
}

/* Whether a column comes before another: by the sizes of their values, row by row, which do not know of names or signs. */
static bool comes_before(const double *column, const double *other, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        if (fabs(column[i]) != fabs(other[i])) return fabs(column[i]) < fabs(other[i]);
    }
    return false;
}

static void swap_columns(fgm_prepared *prepared, int a, int b) {
    double *left = prepared->memory + a * prepared->samples.stride, *right = prepared->memory + b * prepared->samples.stride;
    double *pairs[3][2] = {{&prepared->location[a], &prepared->location[b]},
                           {&prepared->scale[a], &prepared->scale[b]},
                           {&prepared->resolution[a], &prepared->resolution[b]}};
    for (int64_t i = 0; i < prepared->n; ++i) {
        double value = left[i];
        left[i] = right[i];
        right[i] = value;
    }
    for (int64_t i = 0; prepared->ranks && i < prepared->n; ++i) {
        uint32_t *one = prepared->ranks + a * prepared->n + i, *other = prepared->ranks + b * prepared->n + i, row = *one;
        *one = *other;
        *other = row;
    }
    for (int i = 0; i < 3; ++i) {
        double value = *pairs[i][0];
        *pairs[i][0] = *pairs[i][1];
        *pairs[i][1] = value;
    }
}

/* Columns into their own order: a fit depends on the order, if only through the way it takes, and an estimate must not. */
static void order_columns(fgm_prepared *prepared) {
    int32_t user[FGM_MAX_DIMENSION]; /* the data's number of the column at each place */
    int d = prepared->d;
    for (int j = 0; j < d; ++j) user[j] = j;
    for (int place = 0; place < d; ++place) {
        int lowest = place;
        for (int j = place + 1; j < d; ++j) {
            const double *columns = prepared->memory;
            if (comes_before(columns + j * prepared->samples.stride, columns + lowest * prepared->samples.stride, prepared->n)) lowest = j;
        }
        if (lowest == place) continue;
        swap_columns(prepared, place, lowest);
        int32_t moved = user[place];
        user[place] = user[lowest];
        user[lowest] = moved;
    }
    for (int place = 0; place < d; ++place) prepared->layout.columns[user[place]] = place;
}

static void set_floor(fgm_prepared *prepared, const fgm_options *options) {
    for (int j = 0; j < prepared->d; ++j) {
        double width = fmin(prepared->resolution[j], WIDEST_RESOLUTION), scale = prepared->scale[j];
        double least = fmin(options->least_variance / scale / scale, HIGHEST_FLOOR);
        prepared->settings.floor[j] = fmax(fmax(options->reg_covar, least), width * width);
    }
}

/* Sum of left (right - at), in lanes. */
static double sum_of_products(const double *left, const double *right, double at, int64_t n) {
    double sums[LANES] = {0.0}, sum = 0.0;
    int64_t row = 0;
    for (; row + LANES <= n; row += LANES) {
        for (int lane = 0; lane < LANES; ++lane) sums[lane] += left[row + lane] * (right[row + lane] - at);
    }
    for (; row < n; ++row) sum += left[row] * (right[row] - at);
    for (int lane = 0; lane < LANES; ++lane) sum += sums[lane];
    return sum;
}

/* Weighted sums of products about a center, packed by rows; the total weight comes back. */
static double add_products(fgm_samples samples, const double *center /* (d) */, double *products) {
    double left[BLOCK], total = 0.0;
    for (int64_t first = 0; first < samples.n; first += BLOCK) {
        fgm_samples rows = fgm_rows(samples, first, first + BLOCK);
        for (int i = 0; i < rows.d; ++i) {
            const double *column = rows.columns + i * rows.stride;
            for (int64_t row = 0; row < rows.n; ++row) left[row] = fgm_weight_of(rows.weights, row) * (column[row] - center[i]);
            for (int j = 0; j <= i; ++j) {
                products[FGM_TRIANGLE(i) + j] += sum_of_products(left, rows.columns + j * rows.stride, center[j], rows.n);
            }
        }
        for (int64_t row = 0; row < rows.n; ++row) total += fgm_weight_of(rows.weights, row);
    }
    return total;
}

static void find_center(fgm_samples samples, double *center /* (d) */) {
    for (int j = 0; j < samples.d; ++j) {
        double sum = 0.0, total = 0.0;
        for (int64_t row = 0; row < samples.n; ++row) {
            sum += fgm_weight_of(samples.weights, row) * samples.columns[j * samples.stride + row];
            total += fgm_weight_of(samples.weights, row);
        }
        center[j] = sum / total;
    }
}

void fgm_within_covariance(fgm_samples samples, const int64_t *first, int n_classes, double *covariance) {
    double center[FGM_MAX_DIMENSION] = {0.0}, total = 0.0;
    int triangle = FGM_TRIANGLE(samples.d);
    memset(covariance, 0, (size_t)triangle * sizeof *covariance);
    for (int c = 0; c < n_classes; ++c) {
        if (first[c] == first[c + 1]) continue;
        fgm_samples rows = fgm_rows(samples, first[c], first[c + 1]);
        if (n_classes > 1) find_center(rows, center); /* the mean of all rows is 0 already */
        total += add_products(rows, center, covariance);
    }
    for (int i = 0; i < triangle; ++i) covariance[i] /= total;
}

/* The pivots of a correlation matrix are 1 - R^2 of a column on the ones before it. A column that does not vary is left out. */
static int check_collinear(const double *covariance, int d, fgm_fault *fault) {
    double factor[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    memcpy(factor, covariance, (size_t)FGM_TRIANGLE(d) * sizeof *factor);
    for (int i = 0; i < d; ++i) {
        double *row = factor + FGM_TRIANGLE(i), variance = row[i];
        for (int j = 0; j < i; ++j) {
            const double *other = factor + FGM_TRIANGLE(j);
            for (int m = 0; m < j; ++m) row[j] -= row[m] * other[m];
            row[j] /= other[j];
            row[i] -= row[j] * row[j];
        }
        if (!(variance > DEGENERATE)) {
            memset(row, 0, (size_t)i * sizeof *row);
            row[i] = 1.0;
            continue;
        }
        if (!(row[i] > DEGENERATE * variance)) {
            fault->column = i;
            return FGM_ERROR_COLLINEAR;
        }
        row[i] = sqrt(row[i]);
    }
    return FGM_OK;
}

/* Columns that are linear functions of others make a density singular: over all rows, and where x and y both have columns within classes too. */
static int check_columns(const fgm_prepared *prepared, fgm_fault *fault) {
    double covariance[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    const fgm_classes *classes = &prepared->classes;
    const int64_t all[2] = {0, prepared->n};
    fgm_within_covariance(prepared->samples, all, 1, covariance);
    FGM_TRY(check_collinear(covariance, prepared->d, fault));
    if (classes->n == 1 || prepared->layout.d[0] == 0 || prepared->layout.d[1] == 0) return FGM_OK;
    fgm_within_covariance(prepared->samples, classes->first, classes->n, covariance);
    return check_collinear(covariance, prepared->d, fault);
}

/* Each sample of a divergence must bear a fit of its own. */
static int check_samples(const fgm_prepared *prepared, fgm_fault *fault) {
    double covariance[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    for (int c = 0; c < 2; ++c) {
        fault->variable = c;
        if (fgm_is_small_class(prepared, c)) return FGM_ERROR_TOO_FEW_SAMPLES;
        fgm_samples rows = fgm_class_rows(prepared, c);
        double center[FGM_MAX_DIMENSION];
        find_center(rows, center);
        memset(covariance, 0, sizeof covariance);
        double total = add_products(rows, center, covariance);
        for (int i = 0; i < FGM_TRIANGLE(prepared->d); ++i) covariance[i] /= total;
        for (int j = 0; j < prepared->d; ++j) {
            fault->column = j;
            if (!(covariance[FGM_TRIANGLE(j) + j] > DEGENERATE)) return FGM_ERROR_CONSTANT;
        }
        fault->column = -1;
        FGM_TRY(check_collinear(covariance, prepared->d, fault));
    }
    fault->variable = -1;
    return FGM_OK;
}

/* By default a fit stops where all the samples together have less than this to gain: far below what moves an estimate. A tolerance that the caller
 * gives is that of every fit. */
static void set_tolerances(fgm_fit_settings *settings, int64_t n) {
    const fgm_options *options = settings->options;
    settings->tol = options->tol > 0.0 ? options->tol : fmin(1e-4, 5e-3 / (double)n);
    settings->selection_passes = options->max_iter < SELECTION_PASSES ? options->max_iter : SELECTION_PASSES;
    settings->selection_tol = options->tol > 0.0 ? options->tol : fmin(1e-4, 10.0 * settings->tol);
    settings->nearby_tol = options->tol > 0.0 ? options->tol : fmin(1e-4, 20.0 * settings->tol);
}

/* ---- classes ------------------------------------------------------------------------------------------------------------------------ */

fgm_samples fgm_class_rows(const fgm_prepared *prepared, int class) {
    return fgm_rows(prepared->samples, prepared->classes.first[class], prepared->classes.first[class + 1]);
}

bool fgm_is_small_class(const fgm_prepared *prepared, int class) { return fgm_class_rows(prepared, class).n < 2 * (prepared->d + 2); }

static int find_priors(fgm_prepared *prepared) {
    size_t triangle = FGM_TRIANGLE((size_t)prepared->d), size = (size_t)prepared->classes.n * triangle;
    prepared->priors = fgm_allocate(size);
    if (!prepared->priors) return FGM_ERROR_MEMORY;
    memset(prepared->priors, 0, size * sizeof *prepared->priors);
    for (int c = 0; c < prepared->classes.n; ++c) {
        double center[FGM_MAX_DIMENSION] = {0.0}, *prior = prepared->priors + (size_t)c * triangle;
        fgm_samples rows = fgm_class_rows(prepared, c);
        if (prepared->classes.n > 1) find_center(rows, center); /* the mean of all rows is 0 already */
        double total = add_products(rows, center, prior);
        for (size_t i = 0; i < triangle; ++i) prior[i] = PRIOR * prior[i] / total;
    }
    return FGM_OK;
}

void fgm_class_settings(const fgm_prepared *prepared, int class, fgm_fit_settings *settings) {
    size_t triangle = FGM_TRIANGLE((size_t)prepared->d);
    *settings = prepared->settings;
    set_tolerances(settings, fgm_class_rows(prepared, class).n);
    /* The more classes there are, the more of them would take a component too many, whose biases add up. */
    bool has_rule = settings->options->least_gain > 0.0; /* of the caller's */
    if (!has_rule && !fgm_is_divergence(&prepared->layout)) settings->least_evidence = log((double)prepared->classes.n);
    settings->prior = prepared->priors + (size_t)class * triangle;
}

int fgm_small_class_mixture(fgm_mixture *mixture, fgm_samples rows, const double *within, const double *floor) {
    int d = rows.d;
    FGM_TRY(fgm_mixture_allocate(mixture, 1, d));
    mixture->weights[0] = 1.0;
    find_center(rows, mixture->means);
    for (int i = 0; i < FGM_TRIANGLE(d); ++i) mixture->factors[i] = (d + 2) * within[i];
    double total = add_products(rows, mixture->means, mixture->factors);
    for (int i = 0; i < FGM_TRIANGLE(d); ++i) mixture->factors[i] /= total + d + 2;
    fgm_floor_and_factor(floor, d, mixture->factors);
    return FGM_OK;
}

/* Normal scores become those of the t distribution that fits them. */
static int studentize(fgm_prepared *prepared) {
    FGM_TRY(fgm_student_fit(prepared->samples, NULL, &prepared->student));
    double *scores = fgm_allocate((size_t)prepared->n);
    int status = scores ? FGM_OK : FGM_ERROR_MEMORY;
    for (int j = 0; status == FGM_OK && j < prepared->d; ++j) {
        double *column = prepared->memory + j * prepared->samples.stride;
        memcpy(scores, column, (size_t)prepared->n * sizeof *scores);
        status = fgm_student_scores(prepared->student.freedom, prepared->n, scores, column);
    }
    fgm_release(scores);
    return status;
}

/* ---- preparing -------------------------------------------------------------------------------------------------------------------- */

static int check_options(const fgm_options *options) {
    if (options->size != sizeof *options) return FGM_ERROR_VERSION;
    bool valid = options->n_components >= 0 && options->n_components <= FGM_MAX_COMPONENTS && options->max_components >= 1 &&
                 options->max_components <= FGM_MAX_COMPONENTS && options->criterion >= FGM_CRITERION_CV && options->criterion <= FGM_CRITERION_BIC &&
                 options->init >= FGM_INIT_KMEANSPP && options->init <= FGM_INIT_KMEANS_SKLEARN && options->n_folds >= 2 && options->n_folds <= 64 &&
                 options->n_inits >= 1 && options->patience >= 1 && options->max_iter >= 1 && options->tol >= 0.0 && isfinite(options->tol) &&
                 options->reg_covar > 0.0 && isfinite(options->reg_covar) && options->init_scale >= 0.0 && isfinite(options->init_scale) &&
                 options->marginals >= FGM_MARGINALS_NONE && options->marginals <= FGM_MARGINALS_STUDENTIZE && options->n_bootstrap >= 0 &&
                 options->reselect >= -1 && options->reselect <= 1 && options->equal_classes >= 0 && options->equal_classes <= 1 &&
                 options->integration_tol > 0.0 && isfinite(options->integration_tol) && options->least_gain >= 0.0 &&
                 isfinite(options->least_gain) && options->least_variance >= 0.0 && isfinite(options->least_variance) &&
                 options->integral >= FGM_INTEGRAL_MODEL && options->integral <= FGM_INTEGRAL_DATA && options->error >= FGM_ERROR_BY_BOOTSTRAP &&
                 options->error <= FGM_ERROR_BY_DELTA;
    return valid ? FGM_OK : FGM_ERROR_OPTION;
}

static bool has_columns(const fgm_variable *variable) { return variable->d > 0 && variable->values && !variable->labels; }

int fgm_check_data(const fgm_data *data) {
    const fgm_variable *x = &data->x, *y = &data->y, *given = &data->given;
    if (data->size != sizeof *data) return FGM_ERROR_VERSION;
    if (data->n < 1 || data->n > UINT32_MAX) return FGM_ERROR_TOO_FEW_SAMPLES;
    if (x->d < 0 || y->d < 0 || given->d < 0 || (int64_t)x->d + y->d + given->d > FGM_MAX_DIMENSION) return FGM_ERROR_DIMENSION;
    bool absent = given->d == 0 && !given->labels;
    switch (data->quantity) {
    case FGM_QUANTITY_INFORMATION: return (x->d > 0 || x->labels) && (y->d > 0 || y->labels) ? FGM_OK : FGM_ERROR_DIMENSION;
    case FGM_QUANTITY_ENTROPY: return has_columns(x) && y->d == 0 && !y->labels && absent ? FGM_OK : FGM_ERROR_DIMENSION;
    case FGM_QUANTITY_PAIRED_DIVERGENCE:
        if (data->n % 2 != 0 || data->sample_weight) return FGM_ERROR_OPTION;
        for (int64_t i = 0; y->labels && i < data->n; ++i) {
            if (y->labels[i] != (i >= data->n / 2)) return FGM_ERROR_LABELS;
        }
    /* fall through */
    case FGM_QUANTITY_DIVERGENCE: return has_columns(x) && y->d == 0 && y->labels && y->n_classes == 2 && absent ? FGM_OK : FGM_ERROR_DIMENSION;
    default: return FGM_ERROR_OPTION;
    }
}

static int fill_prepared(fgm_prepared *prepared, const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_fault *fault) {
    double total;
    FGM_TRY(check_weights(data->sample_weight, data->n, &total, &prepared->n));
    if (prepared->n < 2 * (prepared->d + 2)) return FGM_ERROR_TOO_FEW_SAMPLES;
    int64_t stride = (prepared->n + 7) / 8 * 8;
    prepared->memory = fgm_allocate((size_t)stride * (size_t)(prepared->d + (data->sample_weight ? 1 : 0)));
    if (!prepared->memory) return FGM_ERROR_MEMORY;
    const double *weights = data->sample_weight ? prepared->memory + (int64_t)prepared->d * stride : NULL;
    prepared->samples = (fgm_samples){prepared->n, stride, prepared->d, prepared->memory, weights, NULL};
    FGM_TRY(fgm_fill_rows(prepared, data, options, seed, fault));
    if (data->groups) prepared->samples.groups = prepared->draws;
    if (prepared->classes.n == 1 && prepared->n < (int64_t)options->n_components * (prepared->d + 1)) return FGM_ERROR_TOO_MANY_COMPONENTS;
    FGM_TRY(transform_columns(prepared, options, fault));
    prepared->settings.options = options;
    set_tolerances(&prepared->settings, prepared->n);
    if (fgm_is_divergence(&prepared->layout)) {
        FGM_TRY(check_samples(prepared, fault));
    }
    FGM_TRY(check_columns(prepared, fault));
    order_columns(prepared);
    set_floor(prepared, options);
    return options->marginals == FGM_MARGINALS_STUDENTIZE ? studentize(prepared) : find_priors(prepared);
}

fgm_layout fgm_layout_of(const fgm_data *data) {
    fgm_layout layout = {.quantity = data->quantity, .d = {data->x.d, data->y.d, data->given.d}};
    for (int j = 0; j < FGM_MAX_DIMENSION; ++j) layout.columns[j] = j;
    return layout;
}

int fgm_prepare(fgm_prepared *prepared, const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_fault *fault) {
    memset(prepared, 0, sizeof *prepared);
    fault->column = fault->variable = -1;
    FGM_TRY(check_options(options));
    FGM_TRY(fgm_check_data(data));
    bool is_continuous = data->quantity == FGM_QUANTITY_INFORMATION && !data->x.labels && !data->y.labels && !data->given.labels;
    if (options->marginals == FGM_MARGINALS_STUDENTIZE && (!is_continuous || options->n_components > 0)) return FGM_ERROR_OPTION;
    prepared->layout = fgm_layout_of(data);
    prepared->d = data->x.d + data->y.d + data->given.d;
    int status = fill_prepared(prepared, data, options, seed, fault);
    if (status != FGM_OK) fgm_prepared_release(prepared);
    return status;
}

void fgm_prepared_release(fgm_prepared *prepared) {
    fgm_classes_release(&prepared->classes);
    fgm_release(prepared->memory);
    fgm_student_release(&prepared->student);
    free(prepared->draws);
    free(prepared->ranks);
    fgm_release(prepared->priors);
    prepared->memory = NULL;
    prepared->draws = NULL;
    prepared->ranks = NULL;
    prepared->priors = NULL;
}
