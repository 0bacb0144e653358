/* The bootstrap (Efron 1979): the same fit under random weights, many times.
 *
 * A replicate gives each row a Poisson(1) weight, drawn from the row's place and the replicate's number alone: the multinomial bootstrap but
 * for the total, by which every statistic is divided (Hanley and MacGibbon 2006). So any range of replicates can be computed anywhere. The 37%
 * of rows with weight zero are left out. A replicate starts from the fit to all the data, or, where the choice of the number of components is a
 * large part of the uncertainty, repeats that choice too; copies of a row carry one weight, so cross-validation never trains on what it tests.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* P(Poisson(1) <= k) 2^32, rounded, for k = 0, 1, ...: a 32-bit number has drawn the count of bounds that it reaches. */
static const uint32_t poisson_bounds[] = {
    1580030169u, 3160060337u, 3950075422u, 4213413783u, 4279248374u, 4292415292u,
    4294609778u, 4294923276u, 4294962463u, 4294966817u, 4294967253u, 4294967292u,
};

static void draw_weights(uint64_t key, int64_t first, int count, double *weights /* (count) */) {
    uint32_t bits[256];
    for (int i = 0; i < count; i += 2) {
        uint64_t two = fgm_random_bits(key, (uint64_t)(first + i) / 2);
        bits[i] = (uint32_t)two;
        bits[i + 1] = (uint32_t)(two >> 32);
    }
    for (int i = 0; i < count; ++i) {
        int32_t drawn = 0;
        for (size_t k = 0; k < sizeof poisson_bounds / sizeof *poisson_bounds; ++k) drawn += bits[i] >= poisson_bounds[k];
        weights[i] = drawn;
    }
}

/* The rows that a replicate draws. */
typedef struct replicate {
    int64_t n;         /* rows of positive weight */
    double *memory;
    double *columns;   /* (d, n) */
    double *weights;   /* (n) */
    uint32_t *rows;    /* (n): their places in the prepared data */
} replicate;

static void release_replicate(replicate *drawn) {
    fgm_release(drawn->memory);
    free(drawn->rows);
}

/* Places and weights of the rows drawn; in random order where they are to be cut into folds. */
static int draw_rows(const fgm_bootstrap *bootstrap, uint64_t key, replicate *drawn) {
    fgm_samples samples = bootstrap->prepared->samples;
    int64_t capacity = samples.n;
    drawn->rows = malloc((size_t)capacity * sizeof *drawn->rows);
    double *weights = drawn->rows ? fgm_allocate((size_t)capacity) : NULL;
    if (!weights) return FGM_ERROR_MEMORY;
    drawn->n = 0;
    for (int64_t first = 0; first < samples.n; first += 256) {
        double block[256];
        int count = samples.n - first < 256 ? (int)(samples.n - first) : 256;
        draw_weights(key, first, count, block);
        for (int i = 0; i < count; ++i) {
            double weight = samples.weights ? block[i] * samples.weights[first + i] : block[i];
            drawn->rows[drawn->n] = (uint32_t)(first + i);
            weights[drawn->n] = weight;
            drawn->n += weight > 0.0;
        }
    }
    if (bootstrap->reselect) {
        uint64_t shuffle_key = fgm_stream(key, FGM_STREAM_FOLDS, 0);
        for (int64_t i = drawn->n - 1; i > 0; --i) {
            int64_t other = (int64_t)(fgm_random_uniform(shuffle_key, (uint64_t)i) * (double)(i + 1));
            uint32_t row = drawn->rows[i];
            double weight = weights[i];
            drawn->rows[i] = drawn->rows[other];
            drawn->rows[other] = row;
            weights[i] = weights[other];
            weights[other] = weight;
        }
    }
    drawn->memory = fgm_allocate((size_t)drawn->n * (size_t)(samples.d + 1));
    if (drawn->memory) {
        drawn->columns = drawn->memory;
        drawn->weights = drawn->memory + drawn->n * samples.d;
        memcpy(drawn->weights, weights, (size_t)drawn->n * sizeof *weights);
    }
    fgm_release(weights);
    return drawn->memory ? FGM_OK : FGM_ERROR_MEMORY;
}

/* Normal scores are taken anew under the replicate's weights, since the map is estimated too. */
static int score_again(const fgm_prepared *prepared, replicate *drawn) {
    int64_t n = prepared->n;
    double *weights = fgm_allocate((size_t)n * 2), *scores = weights ? weights + n : NULL;
    if (!weights) return FGM_ERROR_MEMORY;
    memset(weights, 0, (size_t)n * sizeof *weights);
    for (int64_t i = 0; i < drawn->n; ++i) weights[drawn->rows[i]] = drawn->weights[i];
    for (int j = 0; j < prepared->d; ++j) {
        fgm_score_rows(prepared->samples.columns + j * prepared->samples.stride, prepared->ranks + j * n, n, weights, scores);
        for (int64_t i = 0; i < drawn->n; ++i) drawn->columns[j * drawn->n + i] = scores[drawn->rows[i]];
    }
    fgm_release(weights);
    return FGM_OK;
}

static int draw_replicate(const fgm_bootstrap *bootstrap, uint64_t key, replicate *drawn) {
    FGM_TRY(draw_rows(bootstrap, key, drawn));
    const fgm_prepared *prepared = bootstrap->prepared;
    if (prepared->ranks) return score_again(prepared, drawn);
    for (int j = 0; j < prepared->d; ++j) {
        const double *column = prepared->samples.columns + j * prepared->samples.stride;
        for (int64_t i = 0; i < drawn->n; ++i) drawn->columns[j * drawn->n + i] = column[drawn->rows[i]];
    }
    return FGM_OK;
}

/* The fit to the rows drawn, from the fit to all the data on, converged as far as the error bar needs (docs/method.md). Allocates. */
static int refit(const fgm_bootstrap *bootstrap, fgm_samples samples, fgm_monitor *monitor, fgm_mixture *mixture) {
    const fgm_fit_settings *settings = &bootstrap->prepared->settings;
    int k = bootstrap->mixture->n_components;
    fgm_training training = fgm_training_of(samples);
    fgm_fit_outcome outcome;
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, k, samples.d));
    int status = fgm_mixture_allocate(mixture, k, samples.d);
    if (status == FGM_OK) {
        fgm_mixture_copy(mixture, bootstrap->mixture);
        status = fgm_em(fitter, &training, settings, bootstrap->curvature, settings->selection_tol, settings->selection_passes, monitor, mixture,
                        &outcome);
        if (status != FGM_OK) fgm_mixture_release(mixture);
    }
    fgm_fitter_destroy(fitter);
    return status;
}

/* MI of a mixture, which is released. */
static int integrate_and_release(const fgm_bootstrap *bootstrap, fgm_mixture *mixture, double *value) {
    double error;
    int status = fgm_integrate_mutual_information(mixture, bootstrap->prepared->dx, bootstrap->integration_tol, bootstrap->seed, value, &error);
    fgm_mixture_release(mixture);
    return status;
}

/* MI of mixtures fitted to the rows drawn: with the number of components chosen anew where that is asked for, and its centre. */
static int estimate_replicate(const fgm_bootstrap *bootstrap, uint64_t key, const replicate *drawn, fgm_monitor *monitor, double *value,
                              double *centre) {
    const fgm_prepared *prepared = bootstrap->prepared;
    fgm_samples samples = {drawn->n, drawn->n, prepared->d, drawn->columns, drawn->weights};
    if (bootstrap->reselect) {
        fgm_selection selection = {0};
        FGM_TRY(fgm_select(samples, &prepared->settings, key, false, monitor, bootstrap->mixture, &selection));
        int chosen = selection.mixture.n_components;
        FGM_TRY(integrate_and_release(bootstrap, &selection.mixture, value));
        *centre = *value;
        if (chosen == bootstrap->mixture->n_components) return FGM_OK;
    }
    fgm_mixture fixed;
    double fixed_value;
    FGM_TRY(refit(bootstrap, samples, monitor, &fixed));
    FGM_TRY(integrate_and_release(bootstrap, &fixed, &fixed_value));
    if (!bootstrap->reselect) *value = fixed_value;
    *centre = 0.5 * (*value + fixed_value);
    return FGM_OK;
}

static int run_replicate(void *task_data, int64_t index, int is_caller) {
    fgm_bootstrap *bootstrap = task_data;
    fgm_monitor monitor = fgm_monitor_start(bootstrap->options, &bootstrap->done, bootstrap->count, is_caller);
    uint64_t key = fgm_stream(bootstrap->seed, FGM_STREAM_BOOTSTRAP, (uint64_t)(bootstrap->first + index));
    replicate drawn = {0};
    int status = draw_replicate(bootstrap, key, &drawn);
    double value = NAN, centre = NAN;
    if (status == FGM_OK && drawn.n >= bootstrap->prepared->d + 2) {
        status = estimate_replicate(bootstrap, key, &drawn, &monitor, &value, &centre);
        if (status == FGM_ERROR_NOT_POSITIVE_DEFINITE) {
            status = FGM_OK;
            value = centre = NAN;
        }
    }
    release_replicate(&drawn);
    bootstrap->values[index] = value;
    bootstrap->centres[index] = centre;
#if defined(__GNUC__)
    __atomic_fetch_add(&bootstrap->done, 1, __ATOMIC_RELAXED);
#else
    bootstrap->done += 1; /* only shown as progress: a lost count does no harm */
#endif
    return status == FGM_OK ? fgm_monitor_add(&monitor, 1e9) : status;
}

int fgm_run_bootstrap(fgm_bootstrap *bootstrap) { return fgm_run(bootstrap->options, bootstrap->count, run_replicate, bootstrap); }
