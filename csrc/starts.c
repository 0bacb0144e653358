/* Starting points of EM.
 *
 * All but "split" are responsibilities (K, m) of m rows, evenly spread over the training rows, from which one M step gives weights, means and
 * covariances, or they are given outright:
 *   kmeans++            seeds drawn with probability proportional to the squared distance to the nearest seed (Arthur and Vassilvitskii 2007),
 *                       then Lloyd's iterations; clusters of few rows borrow from the pooled covariance
 *   split               the fit with one component fewer, one component cut in two along a principal axis, moments kept
 *   random, minmax      equal weights, covariances s^2 I, means at random rows plus N(0, s^2), or uniform over the data's range
 *   kmeans(_sklearn)    as kmeans++, without borrowing
 *   randomized_kmeans   the same, each mean then pushed by s draws from its cluster's covariance (s = 1 by default)
 *   random_sklearn      uniform random responsibilities
 * The last six are gmm-mi's, from the description in Piras et al. 2023 and its README. Scale s by default: K balls of radius s fill the data's
 * bounding box, s = ((volume / K) Gamma(d/2 + 1))^(1/d) / sqrt(pi).
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <string.h>

#define START_ROWS 4096
#define START_ROWS_OF_ONE 512 /* one pass leads to the same maximum from wherever it starts */
#define SHORT_ROWS 2048  /* rows of a short run */
#define SHORT_PASSES 15
#define LLOYD_ITERATIONS 12
#define NEARBY_PASSES 60   /* by a curvature from elsewhere, before a fit goes on without */
#define SPLIT_DISTANCE 0.7 /* of the means from their middle, in standard deviations */

/* Rows that a start is made from, and memory for it. */
typedef struct sketch {
    int m, d, k;
    double *memory;
    double *columns;          /* (d, m) */
    double *weights;          /* (m) */
    double *responsibilities; /* (K, m) */
    double *distances;        /* (m) */
} sketch;

static int take_sketch(sketch *rows, const fgm_training *training, int k) {
    int64_t n = fgm_count_rows(training);
    int d = training->parts[0].d, most = k == 1 ? START_ROWS_OF_ONE : START_ROWS, m = n < most ? (int)n : most;
    rows->m = m;
    rows->d = d;
    rows->k = k;
    rows->memory = fgm_allocate((size_t)m * (size_t)(d + k + 2));
    if (!rows->memory) return FGM_ERROR_MEMORY;
    rows->columns = rows->memory;
    rows->weights = rows->columns + (size_t)d * (size_t)m;
    rows->distances = rows->weights + m;
    rows->responsibilities = rows->distances + m;
    int64_t step = n / m, excess = n % m, place = 0, over = 0; /* place = i n / m, without a division */
    for (int i = 0; i < m; ++i, place += step, over += excess) {
        if (over >= m) {
            over -= m;
            ++place;
        }
        int64_t row = place;
        fgm_samples part = training->parts[0];
        if (row >= part.n) {
            row -= part.n;
            part = training->parts[1];
        }
        for (int j = 0; j < d; ++j) rows->columns[j * m + i] = part.columns[j * part.stride + row];
        rows->weights[i] = part.weights ? part.weights[row] : 1.0;
    }
    return FGM_OK;
}

/* ---- k-means ------------------------------------------------------------------------------------------------------------------- */

static double squared_distance(const sketch *rows, int i, const double *center) {
    double sum = 0.0;
    for (int j = 0; j < rows->d; ++j) {
        double difference = rows->columns[j * rows->m + i] - center[j];
        sum += difference * difference;
    }
    return sum;
}

static void row_of(const sketch *rows, int i, double *to) {
    for (int j = 0; j < rows->d; ++j) to[j] = rows->columns[j * rows->m + i];
}

/* A row with probability proportional to weight times distance (NULL: to weight). */
static int draw_row(const sketch *rows, const double *distances, double uniform) {
    double total = 0.0;
    for (int i = 0; i < rows->m; ++i) total += rows->weights[i] * (distances ? distances[i] : 1.0);
    if (!(total > 0.0)) return (int)(uniform * rows->m);
    double target = uniform * total;
    for (int i = 0; i < rows->m; ++i) {
        target -= rows->weights[i] * (distances ? distances[i] : 1.0);
        if (target < 0.0) return i;
    }
    return rows->m - 1;
}

static void seed_centers(const sketch *rows, uint64_t key, double *centers /* (K, d) */) {
    int first = draw_row(rows, NULL, fgm_random_uniform(key, 0));
    row_of(rows, first, centers);
    for (int i = 0; i < rows->m; ++i) rows->distances[i] = squared_distance(rows, i, centers);
    for (int k = 1; k < rows->k; ++k) {
        int row = draw_row(rows, rows->distances, fgm_random_uniform(key, (uint64_t)k));
        row_of(rows, row, centers + k * rows->d);
        for (int i = 0; i < rows->m; ++i) rows->distances[i] = fmin(rows->distances[i], squared_distance(rows, i, centers + k * rows->d));
    }
}

/* Responsibilities become 1 for the nearest center, 0 for others. */
static bool assign(const sketch *rows, const double *centers /* (K, d) */) {
    bool changed = false;
    for (int i = 0; i < rows->m; ++i) {
        int nearest = 0;
        double least = INFINITY;
        for (int k = 0; k < rows->k; ++k) {
            double distance = squared_distance(rows, i, centers + k * rows->d);
            if (distance < least) {
                least = distance;
                nearest = k;
            }
        }
        for (int k = 0; k < rows->k; ++k) {
            double *share = rows->responsibilities + k * rows->m + i, now = k == nearest ? 1.0 : 0.0;
            changed |= *share != now;
            *share = now;
        }
    }
    return changed;
}

static void cluster(const sketch *rows, uint64_t key, double *centers /* (K, d) */) {
    seed_centers(rows, key, centers);
    memset(rows->responsibilities, 0, (size_t)rows->k * (size_t)rows->m * sizeof(double));
    for (int iteration = 0; iteration < LLOYD_ITERATIONS && assign(rows, centers); ++iteration) {
        for (int k = 0; k < rows->k; ++k) {
            const double *shares = rows->responsibilities + k * rows->m;
            double count = 0.0;
            for (int i = 0; i < rows->m; ++i) count += shares[i] * rows->weights[i];
            if (!(count > 0.0)) continue;
            for (int j = 0; j < rows->d; ++j) {
                double sum = 0.0;
                for (int i = 0; i < rows->m; ++i) sum += shares[i] * rows->weights[i] * rows->columns[j * rows->m + i];
                centers[k * rows->d + j] = sum / count;
            }
        }
    }
}

/* ---- from responsibilities ----------------------------------------------------------------------------------------------------- */

static double weighted_mean(const sketch *rows, const double *shares, int j, double count) {
    double sum = 0.0;
    for (int i = 0; i < rows->m; ++i) sum += shares[i] * rows->weights[i] * rows->columns[j * rows->m + i];
    return sum / count;
}

/* Sums of squares and products about the mean, packed by rows. */
static void scatter_matrix(const sketch *rows, const double *shares, const double *mean, double *packed) {
    for (int a = 0; a < rows->d; ++a) {
        for (int b = 0; b <= a; ++b) {
            const double *left = rows->columns + a * rows->m, *right = rows->columns + b * rows->m;
            double sum = 0.0;
            for (int i = 0; i < rows->m; ++i) sum += shares[i] * rows->weights[i] * (left[i] - mean[a]) * (right[i] - mean[b]);
            packed[FGM_TRIANGLE(a) + b] = sum;
        }
    }
}

/* One M step. borrowed: rows' worth of the pooled covariance that each component is lent. */
static void mixture_from_responsibilities(const sketch *rows, const double *floor, double borrowed, fgm_mixture *mixture) {
    int d = rows->d, triangle = FGM_TRIANGLE(d);
    double pooled[FGM_TRIANGLE(FGM_MAX_DIMENSION)] = {0}, total = 0.0;
    for (int k = 0; k < rows->k; ++k) {
        const double *shares = rows->responsibilities + k * rows->m;
        double *mean = mixture->means + k * d, *factor = mixture->factors + (size_t)k * (size_t)triangle, count = 0.0;
        for (int i = 0; i < rows->m; ++i) count += shares[i] * rows->weights[i];
        mixture->weights[k] = count;
        total += count;
        for (int j = 0; j < d; ++j) mean[j] = count > 0.0 ? weighted_mean(rows, shares, j, count) : rows->columns[j * rows->m + k % rows->m];
        scatter_matrix(rows, shares, mean, factor);
        for (int p = 0; p < triangle; ++p) pooled[p] += factor[p];
    }
    for (int k = 0; k < rows->k; ++k) {
        double *factor = mixture->factors + (size_t)k * (size_t)triangle, count = mixture->weights[k] + borrowed;
        for (int p = 0; p < triangle; ++p) factor[p] = count > 0.0 ? (factor[p] + borrowed * pooled[p] / total) / count : pooled[p] / total;
        fgm_floor_and_factor(floor, d, factor);
        /* An empty cluster starts with the weight of one row. */
        mixture->weights[k] = fmax(mixture->weights[k], total / rows->m);
    }
    double sum = 0.0;
    for (int k = 0; k < rows->k; ++k) sum += mixture->weights[k];
    for (int k = 0; k < rows->k; ++k) mixture->weights[k] /= sum;
}

/* ---- gmm-mi's -------------------------------------------------------------------------------------------------------------------- */

static void column_range(const sketch *rows, int j, double *low, double *high) {
    *low = INFINITY;
    *high = -INFINITY;
    for (int i = 0; i < rows->m; ++i) {
        *low = fmin(*low, rows->columns[j * rows->m + i]);
        *high = fmax(*high, rows->columns[j * rows->m + i]);
    }
}

static double ball_radius(const sketch *rows) {
    double log_volume = 0.0, low, high;
    for (int j = 0; j < rows->d; ++j) {
        column_range(rows, j, &low, &high);
        log_volume += log(high - low);
    }
    return exp((log_volume - log(rows->k) + lgamma(0.5 * rows->d + 1.0)) / rows->d) / sqrt(3.14159265358979323846);
}

static void scatter_balls(const sketch *rows, const double *floor, uint64_t key, double scale, bool over_range, fgm_mixture *mixture) {
    int d = rows->d;
    double radius = scale > 0.0 ? scale : ball_radius(rows), low, high;
    for (int j = 0; j < d; ++j) radius = fmax(radius, sqrt(floor[j]));
    uint64_t counter = 0;
    for (int k = 0; k < rows->k; ++k) {
        mixture->weights[k] = 1.0 / rows->k;
        int row = draw_row(rows, NULL, fgm_random_uniform(key, counter++));
        for (int j = 0; j < d; ++j) {
            column_range(rows, j, &low, &high);
            mixture->means[k * d + j] = over_range ? low + (high - low) * fgm_random_uniform(key, counter++)
                                                   : rows->columns[j * rows->m + row] + radius * fgm_random_normal(key, counter++);
            for (int i = 0; i <= j; ++i) mixture->factors[(size_t)k * FGM_TRIANGLE(d) + FGM_TRIANGLE(j) + i] = i == j ? radius : 0.0;
        }
    }
}

static void push_means(uint64_t key, double scale, fgm_mixture *mixture) {
    int d = mixture->d;
    uint64_t counter = UINT64_C(1) << 32;
    for (int k = 0; k < mixture->n_components; ++k) {
        double normal[FGM_MAX_DIMENSION];
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        for (int j = 0; j < d; ++j) normal[j] = (scale > 0.0 ? scale : 1.0) * fgm_random_normal(key, counter++);
        for (int j = 0; j < d; ++j) {
            for (int i = 0; i <= j; ++i) mixture->means[k * d + j] += factor[FGM_TRIANGLE(j) + i] * normal[i];
        }
    }
}

static void random_responsibilities(const sketch *rows, uint64_t key) {
    for (int i = 0; i < rows->m; ++i) {
        double sum = 0.0;
        for (int k = 0; k < rows->k; ++k) {
            sum += rows->responsibilities[k * rows->m + i] = fgm_random_uniform(key, (uint64_t)i * (uint64_t)rows->k + (uint64_t)k);
        }
        for (int k = 0; k < rows->k; ++k) rows->responsibilities[k * rows->m + i] /= sum;
    }
}

/* ---- split ----------------------------------------------------------------------------------------------------------------------- */

/* The component with the attempt-th largest weight; past the last, the next principal axis of the largest again. */
static void split(const fgm_mixture *previous, const double *floor, int attempt, fgm_mixture *mixture) {
    int d = previous->d, k = previous->n_components, rank = attempt % k, axis = attempt / k % d, chosen = 0;
    for (int candidate = 0; candidate < k; ++candidate) {
        int heavier = 0;
        for (int other = 0; other < k; ++other) {
            heavier += previous->weights[other] > previous->weights[candidate] ||
                       (previous->weights[other] == previous->weights[candidate] && other < candidate);
        }
        if (heavier == rank) chosen = candidate;
    }
    double covariance[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION], eigen[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION],
        vectors[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION];
    fgm_mixture_covariance(previous, chosen, covariance);
    memcpy(eigen, covariance, (size_t)d * (size_t)d * sizeof(double));
    fgm_symmetric_eigen(d, eigen, vectors);
    int column = 0; /* of the axis-th largest eigenvalue */
    for (int candidate = 0; candidate < d; ++candidate) {
        int larger = 0;
        for (int other = 0; other < d; ++other) {
            larger += eigen[other * d + other] > eigen[candidate * d + candidate] ||
                      (eigen[other * d + other] == eigen[candidate * d + candidate] && other < candidate);
        }
        if (larger == axis) column = candidate;
    }
    fgm_mixture_copy(mixture, previous);
    mixture->n_components = k + 1;
    double variance = eigen[column * d + column], shift = SPLIT_DISTANCE * sqrt(variance);
    double *factor = mixture->factors + (size_t)chosen * (size_t)FGM_TRIANGLE(d), *twin = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
    for (int i = 0; i < d; ++i) {
        double along = vectors[i * d + column];
        mixture->means[k * d + i] = previous->means[chosen * d + i] - shift * along;
        mixture->means[chosen * d + i] += shift * along;
        for (int j = 0; j <= i; ++j) factor[FGM_TRIANGLE(i) + j] = covariance[i * d + j] - shift * shift * along * vectors[j * d + column];
    }
    fgm_floor_and_factor(floor, d, factor);
    memcpy(twin, factor, (size_t)FGM_TRIANGLE(d) * sizeof(double));
    mixture->weights[chosen] = mixture->weights[k] = 0.5 * previous->weights[chosen];
}

/* Whether starting points are splits, of which there is one for each component and axis: further ones repeat them. */
static bool splits(const fgm_fit_settings *settings, const fgm_mixture *previous) { return previous && settings->options->init == FGM_INIT_SPLIT; }

/* ---- the choice ------------------------------------------------------------------------------------------------------------------ */

static int start_one(const fgm_training *training, const fgm_fit_settings *settings, fgm_mixture *mixture) {
    sketch rows;
    FGM_TRY(take_sketch(&rows, training, 1));
    for (int i = 0; i < rows.m; ++i) rows.responsibilities[i] = 1.0;
    mixture_from_responsibilities(&rows, settings->floor, 0.0, mixture);
    fgm_release(rows.memory);
    return FGM_OK;
}

int fgm_start(const fgm_training *training, const fgm_fit_settings *settings, uint64_t key, int attempt, const fgm_mixture *previous,
              fgm_mixture *mixture) {
    const fgm_options *options = settings->options;
    int k = mixture->n_components;
    if (k == 1) return start_one(training, settings, mixture);
    if (splits(settings, previous)) {
        split(previous, settings->floor, attempt, mixture);
        return FGM_OK;
    }
    sketch rows;
    FGM_TRY(take_sketch(&rows, training, k));
    uint64_t attempt_key = fgm_stream(key, FGM_STREAM_STARTS, (uint64_t)attempt * FGM_MAX_COMPONENTS + (uint64_t)k);
    switch (options->init) {
    case FGM_INIT_RANDOM: scatter_balls(&rows, settings->floor, attempt_key, options->init_scale, false, mixture); break;
    case FGM_INIT_MINMAX: scatter_balls(&rows, settings->floor, attempt_key, options->init_scale, true, mixture); break;
    case FGM_INIT_RANDOM_SKLEARN:
        random_responsibilities(&rows, attempt_key);
        mixture_from_responsibilities(&rows, settings->floor, 0.0, mixture);
        break;
    default:
        cluster(&rows, attempt_key, mixture->means); /* the means serve as centers first */
        mixture_from_responsibilities(&rows, settings->floor,
                                      options->init == FGM_INIT_KMEANSPP || options->init == FGM_INIT_SPLIT ? rows.d + 1.0 : 0.0, mixture);
        if (options->init == FGM_INIT_RANDOMIZED_KMEANS) push_means(attempt_key, options->init_scale, mixture);
    }
    fgm_release(rows.memory);
    return FGM_OK;
}

/* At most SHORT_ROWS of the training rows. */
static fgm_training shorten(const fgm_training *training) {
    int64_t n = fgm_count_rows(training);
    if (n <= SHORT_ROWS) return *training;
    fgm_training shorter = *training;
    shorter.total_weight = 0.0;
    for (int part = 0; part < training->n_parts; ++part) {
        shorter.parts[part] = fgm_rows(training->parts[part], 0, training->parts[part].n * SHORT_ROWS / n);
        shorter.total_weight += fgm_training_of(shorter.parts[part]).total_weight;
    }
    return shorter;
}

/* The nearest multiple of 2^-20 times the scale, of which the power of two counts. */
static double round_to(double value, double scale) {
    int exponent;
    frexp(scale, &exponent);
    return ldexp(nearbyint(ldexp(value, 20 - exponent)), exponent - 20);
}

/* To six digits of each component's own scale. Fits amplify rounding, and here each begins where another ended: so it begins at the same bits
 * wherever that was the same but for rounding. */
static void round_mixture(fgm_mixture *mixture) {
    int d = mixture->d;
    double total = 0.0;
    for (int k = 0; k < mixture->n_components; ++k) {
        double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        total += mixture->weights[k] = round_to(mixture->weights[k], mixture->weights[k]);
        for (int i = 0; i < d; ++i) {
            double scale = factor[FGM_TRIANGLE(i) + i];
            mixture->means[k * d + i] = round_to(mixture->means[k * d + i], scale);
            for (int j = 0; j <= i; ++j) factor[FGM_TRIANGLE(i) + j] = round_to(factor[FGM_TRIANGLE(i) + j], scale);
        }
    }
    for (int k = 0; k < mixture->n_components; ++k) mixture->weights[k] /= total;
}

/* The best of the starting points after some passes. */
static int choose_start(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, uint64_t key, const fgm_mixture *previous,
                        fgm_monitor *monitor, fgm_mixture *mixture) {
    fgm_mixture attempt;
    FGM_TRY(fgm_mixture_allocate(&attempt, mixture->n_components, mixture->d));
    fgm_training shorter = shorten(training);
    fgm_fit_outcome outcome;
    double best = -INFINITY;
    int status = FGM_OK, passes = settings->selection_passes < SHORT_PASSES ? settings->selection_passes : SHORT_PASSES;
    int n_inits = settings->options->n_inits;
    if (splits(settings, previous) && n_inits > previous->n_components * mixture->d) n_inits = previous->n_components * mixture->d;
    for (int i = 0; i < n_inits && status == FGM_OK; ++i) {
        attempt.n_components = mixture->n_components;
        status = fgm_start(training, settings, key, i, previous, &attempt);
        if (status == FGM_OK) status = fgm_em(fitter, &shorter, settings, NULL, settings->selection_tol, passes, monitor, &attempt, &outcome);
        if (status == FGM_OK && (i == 0 || outcome.objective > best)) {
            best = outcome.objective;
            fgm_mixture_copy(mixture, &attempt);
        }
    }
    fgm_mixture_release(&attempt);
    return status;
}

int fgm_fit_from_mixture(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, double worth, fgm_monitor *monitor,
                         fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    if (mixture->n_components > 1) round_mixture(mixture);
    FGM_TRY(fgm_maximise(fitter, training, settings, settings->selection_tol, worth, settings->selection_passes, monitor, mixture, outcome));
    if (mixture->n_components > 1) round_mixture(mixture);
    return FGM_OK;
}

int fgm_fit_nearby(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature, double worth,
                   fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    int passes = settings->selection_passes < NEARBY_PASSES ? settings->selection_passes : NEARBY_PASSES;
    if (curvature->memory) {
        FGM_TRY(fgm_em(fitter, training, settings, curvature, settings->nearby_tol, passes, monitor, mixture, outcome));
        round_mixture(mixture);
        if (outcome->converged) return FGM_OK;
    }
    return fgm_fit_from_mixture(fitter, training, settings, worth, monitor, mixture, outcome);
}

int fgm_fit_from_start(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, uint64_t key, int attempt,
                       const fgm_mixture *previous, double worth, fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    if (mixture->n_components == 1 || settings->options->n_inits == 1) attempt = 0;
    FGM_TRY(attempt == FGM_BEST_START ? choose_start(fitter, training, settings, key, previous, monitor, mixture)
                                      : fgm_start(training, settings, key, attempt, previous, mixture));
    return fgm_fit_from_mixture(fitter, training, settings, worth, monitor, mixture, outcome);
}
