/* The whole job, and every decision that is left to the library: fit, integral, bias correction, error bar.
 *
 * With theta the mixture fitted to all the data and theta*_b those of the bootstrap replicates,
 *   plug_in = MI(theta),   value = 2 plug_in - mean_b MI(theta*_b),   standard_error = sd_b MI(theta*_b):
 * the plug-in overestimates by about what the replicates overestimate the plug-in (Efron and Tibshirani 1993, chapter 10).
 * Where replicates choose their number of components anew, see fgm_finish in fastgmmmi.h.
 */
#include "core.h"

#include <math.h>
#include <string.h>

#define DIVERGING_COMPONENTS 10
#define DIVERGING_GAIN 0.4 /* nats per sample */
#define RESELECT_UP_TO 500 /* samples: above, the number of components hardly adds to the error bar */

void fgm_options_init(fgm_options *options) {
    memset(options, 0, sizeof *options);
    options->size = sizeof *options;
    options->max_components = 50;
    options->criterion = FGM_CRITERION_CV;
    options->init = FGM_INIT_SPLIT;
    options->n_folds = 5;
    options->n_inits = 3;
    options->patience = 2;
    options->max_iter = 1000;
    options->tol = 0.0;
    options->reg_covar = 1e-12;
    options->marginals = FGM_MARGINALS_STANDARDIZE;
    options->n_bootstrap = 100;
    options->reselect = -1;
    options->integration_tol = 1e-5;
}

/* ---- results out ---------------------------------------------------------------------------------------------------------------- */

/* Parameters of a mixture in coordinates x = location + scale z. Each pointer may be NULL. */
static void export_mixture(const fgm_mixture *mixture, const double *location /* (d) or NULL */, const double *scale /* (d) or NULL */,
                           double *weights, double *means, double *covariances) {
    int d = mixture->d;
    if (weights) memcpy(weights, mixture->weights, (size_t)mixture->n_components * sizeof(double));
    for (int k = 0; k < mixture->n_components; ++k) {
        for (int j = 0; means && j < d; ++j) {
            double mean = mixture->means[k * d + j];
            means[k * d + j] = location ? location[j] + scale[j] * mean : mean;
        }
        if (!covariances) continue;
        double *covariance = covariances + (size_t)k * (size_t)d * (size_t)d;
        fgm_mixture_covariance(mixture, k, covariance);
        for (int i = 0; scale && i < d * d; ++i) covariance[i] *= scale[i / d] * scale[i % d];
    }
}

/* The reverse: allocates. The bootstrap starts from what comes out here, so that it gives the same bits in a process that was handed the exported
 * parameters. */
static int import_mixture(fgm_mixture *mixture, int n_components, int d, const double *location /* (d) or NULL */,
                          const double *scale /* (d) or NULL */, const double *weights, const double *means, const double *covariances) {
    size_t k = (size_t)n_components, size = (size_t)d;
    double *inside = fgm_allocate(k * size * (size + 1)), *inside_covariances = inside ? inside + k * size : NULL;
    if (!inside) return FGM_ERROR_MEMORY;
    for (size_t i = 0; i < k * size; ++i) inside[i] = location ? (means[i] - location[i % size]) / scale[i % size] : means[i];
    for (size_t i = 0; i < k * size * size; ++i) {
        inside_covariances[i] = scale ? covariances[i] / scale[i / size % size] / scale[i % size] : covariances[i];
    }
    int status = fgm_mixture_from_parameters(mixture, n_components, d, weights, inside, inside_covariances);
    fgm_release(inside);
    return status;
}

int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed, fgm_fit_result *result) {
    if (result->size != sizeof *result) return FGM_ERROR_VERSION;
    fgm_prepared prepared;
    FGM_TRY(fgm_prepare(&prepared, X, NULL, n, d, 0, sample_weight, options, seed, &result->fault_column));
    volatile int64_t done = 0;
    fgm_monitor monitor = fgm_monitor_start(options, &done, 0, 1);
    fgm_selection selection = {.scores = result->scores};
    int status = fgm_select(prepared.samples, &prepared.settings, seed, true, &monitor, NULL, &selection);
    if (status == FGM_OK) {
        result->n_components = selection.mixture.n_components;
        result->converged = selection.outcome.converged;
        result->n_iter = selection.outcome.n_iter;
        result->log_likelihood = selection.outcome.log_likelihood;
        for (int j = 0; j < d; ++j) result->log_likelihood -= log(prepared.scale[j]);
        export_mixture(&selection.mixture, prepared.location, prepared.scale, result->weights, result->means, result->covariances);
        fgm_mixture_release(&selection.mixture);
    }
    fgm_prepared_release(&prepared);
    return status;
}

/* ---- pointwise --------------------------------------------------------------------------------------------------------------------- */

#define ROWS 256

/* log p(x, y) / (p(x) p(y)) at runs of rows. */
typedef struct ratio {
    fgm_mixture x, y;
    double *memory, *joint_pack, *x_pack, *y_pack, *work;
} ratio;

static void release_ratio(ratio *state) {
    fgm_release(state->memory);
    fgm_mixture_release(&state->x);
    fgm_mixture_release(&state->y);
}

static int create_ratio(const fgm_mixture *mixture, int dx, ratio *state) {
    int k = mixture->n_components, d = mixture->d;
    int32_t columns[FGM_MAX_DIMENSION];
    for (int j = 0; j < d; ++j) columns[j] = j;
    memset(state, 0, sizeof *state);
    FGM_TRY(fgm_mixture_marginal(&state->x, mixture, columns, dx));
    int status = fgm_mixture_marginal(&state->y, mixture, columns + dx, d - dx);
    size_t stride = (size_t)k * (size_t)FGM_PACK_STRIDE(d);
    size_t work = fgm_work_size(k, d) + fgm_work_size(k, dx) + fgm_work_size(k, d - dx);
    if (status == FGM_OK) state->memory = fgm_allocate(3 * stride + work);
    if (!state->memory) {
        release_ratio(state);
        return status == FGM_OK ? FGM_ERROR_MEMORY : status;
    }
    state->joint_pack = state->memory;
    state->x_pack = state->joint_pack + stride;
    state->y_pack = state->x_pack + stride;
    state->work = state->y_pack + stride;
    fgm_pack(mixture, state->joint_pack);
    fgm_pack(&state->x, state->x_pack);
    fgm_pack(&state->y, state->y_pack);
    return FGM_OK;
}

static void evaluate_ratio(const ratio *state, fgm_samples rows, double *out /* (rows.n), at most ROWS */) {
    double x_density[ROWS], y_density[ROWS];
    int k = state->x.n_components, dx = state->x.d;
    fgm_samples x = rows, y = rows;
    x.d = dx;
    y.d = rows.d - dx;
    y.columns += dx * rows.stride;
    fgm_get_kernels()->log_density(k, state->joint_pack, rows, out, state->work);
    fgm_get_kernels()->log_density(k, state->x_pack, x, x_density, state->work);
    fgm_get_kernels()->log_density(k, state->y_pack, y, y_density, state->work);
    for (int64_t i = 0; i < rows.n; ++i) out[i] -= x_density[i] + y_density[i];
}

/* Weighted mean, standard deviation and skewness of the pointwise log ratio over the data: shifted sums, one pass. */
static int pointwise_moments(const fgm_mixture *mixture, int dx, fgm_samples samples, double shift, double *deviation, double *skewness) {
    ratio state;
    FGM_TRY(create_ratio(mixture, dx, &state));
    double total = 0.0, sums[3] = {0.0, 0.0, 0.0}, values[ROWS];
    for (int64_t first = 0; first < samples.n; first += ROWS) {
        fgm_samples rows = fgm_rows(samples, first, first + ROWS);
        evaluate_ratio(&state, rows, values);
        for (int64_t i = 0; i < rows.n; ++i) {
            double weight = rows.weights ? rows.weights[i] : 1.0, value = values[i] - shift;
            total += weight;
            sums[0] += weight * value;
            sums[1] += weight * value * value;
            sums[2] += weight * value * value * value;
        }
    }
    release_ratio(&state);
    double mean = sums[0] / total, variance = fmax(sums[1] / total - mean * mean, 0.0);
    double third = sums[2] / total - 3.0 * mean * sums[1] / total + 2.0 * mean * mean * mean;
    *deviation = sqrt(variance);
    *skewness = variance > 0.0 ? third / (variance * *deviation) : 0.0;
    return FGM_OK;
}

/* ---- the job ------------------------------------------------------------------------------------------------------------------------ */

int fgm_finish(const double *bootstrap, const double *centres, int64_t n_bootstrap, fgm_result *result) {
    int64_t n = 0;
    double sum = 0.0, centre = 0.0, square = 0.0;
    for (int64_t i = 0; i < n_bootstrap; ++i) {
        if (isnan(bootstrap[i])) continue;
        sum += bootstrap[i];
        centre += centres[i];
        ++n;
    }
    for (int64_t i = 0; i < n_bootstrap; ++i) {
        double difference = bootstrap[i] - sum / (double)n;
        if (!isnan(bootstrap[i])) square += difference * difference;
    }
    result->n_failed = (int32_t)(n_bootstrap - n);
    result->value = n_bootstrap > 0 ? 2.0 * result->plug_in - centre / (double)n : result->plug_in;
    result->standard_error = n > 1 ? sqrt(square / (double)(n - 1)) : NAN;
    return FGM_OK;
}

static bool reselects(const fgm_options *options, int64_t n) {
    if (options->n_components > 0 || options->reselect == 0) return false;
    return options->reselect == 1 || n <= RESELECT_UP_TO;
}

/* Above dimension 3 the integral need only be a tenth of the standard error, which is about the deviation of the log ratio / sqrt(n). */
static double integration_tol(const fgm_options *options, int d, double deviation, int64_t n) {
    return d <= 3 ? options->integration_tol : fmax(options->integration_tol, 0.1 * deviation / sqrt((double)n));
}

/* Where y is a function of x, the fit follows the curve with ever more and narrower components: many of them, of which the second half still gains
 * much log-density on held-out rows. Thresholds by measurement, docs/method.md. */
static bool is_diverging(const double *scores /* (max_components) */, int n_components) {
    return n_components >= DIVERGING_COMPONENTS && scores[n_components - 1] - scores[n_components / 2 - 1] > DIVERGING_GAIN;
}

/* The mixture fitted to all the data, its MI, and what the error bar needs of them. */
static int fit_all(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, fgm_selection *selection, fgm_result *result) {
    volatile int64_t done = 0;
    fgm_monitor monitor = fgm_monitor_start(options, &done, options->n_bootstrap, 1);
    double *scores = result->scores ? result->scores : fgm_allocate((size_t)options->max_components);
    if (!scores) return FGM_ERROR_MEMORY;
    selection->scores = scores;
    int status = fgm_select(prepared->samples, &prepared->settings, seed, true, &monitor, NULL, selection);
    if (status == FGM_OK) result->diverging = options->n_components == 0 && is_diverging(scores, selection->mixture.n_components);
    if (!result->scores) fgm_release(scores);
    FGM_TRY(status);
    double deviation, skewness;
    FGM_TRY(pointwise_moments(&selection->mixture, prepared->dx, prepared->samples, 0.0, &deviation, &skewness));
    result->acceleration = skewness / (6.0 * sqrt((double)prepared->n));
    result->n_components = selection->mixture.n_components;
    result->converged = selection->outcome.converged;
    result->n_iter = selection->outcome.n_iter;
    result->log_likelihood = selection->outcome.log_likelihood;
    result->reselected = reselects(options, prepared->n);
    return fgm_integrate_mutual_information(&selection->mixture, prepared->dx, integration_tol(options, prepared->d, deviation, prepared->n), seed,
                                            &result->plug_in, &result->integration_error);
}

/* Replicates, helped by the information at the fit that they start from. */
static int run_informed(fgm_bootstrap *bootstrap) {
    fgm_samples samples = bootstrap->prepared->samples;
    fgm_training training = fgm_training_of(samples);
    fgm_monitor monitor = fgm_monitor_start(bootstrap->options, &bootstrap->done, bootstrap->count, 1);
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, bootstrap->mixture->n_components, samples.d));
    fgm_curvature curvature;
    int status = fgm_find_curvature(fitter, &training, bootstrap->mixture, &monitor, &curvature);
    bootstrap->curvature = &curvature;
    if (status == FGM_OK) status = fgm_run_bootstrap(bootstrap);
    fgm_curvature_release(&curvature);
    fgm_fitter_destroy(fitter);
    return status;
}

static int run_bootstrap(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, int n_components, const double *weights,
                         const double *means, const double *covariances, int64_t first, int64_t count, double *values, double *centres) {
    bool identity = options->marginals == FGM_MARGINALS_NONE;
    fgm_mixture mixture;
    FGM_TRY(import_mixture(&mixture, n_components, prepared->d, identity ? prepared->location : NULL, identity ? prepared->scale : NULL, weights,
                           means, covariances));
    double deviation, skewness;
    int status = pointwise_moments(&mixture, prepared->dx, prepared->samples, 0.0, &deviation, &skewness);
    if (status == FGM_OK) {
        fgm_bootstrap bootstrap = {
            .prepared = prepared,
            .options = options,
            .mixture = &mixture,
            .seed = seed,
            .integration_tol = integration_tol(options, prepared->d, deviation, prepared->n),
            .reselect = reselects(options, prepared->n),
            .first = first,
            .values = values,
            .centres = centres,
            .count = count,
        };
        status = run_informed(&bootstrap);
    }
    fgm_mixture_release(&mixture);
    return status;
}

static void export_result(const fgm_prepared *prepared, const fgm_options *options, const fgm_mixture *mixture, fgm_result *result) {
    bool identity = options->marginals == FGM_MARGINALS_NONE;
    export_mixture(mixture, identity ? prepared->location : NULL, identity ? prepared->scale : NULL, result->weights, result->means,
                   result->covariances);
    for (int j = 0; j < prepared->d; ++j) {
        if (result->location) result->location[j] = identity ? 0.0 : prepared->location[j];
        if (result->scale) result->scale[j] = identity ? 1.0 : prepared->scale[j];
        if (result->resolution) result->resolution[j] = prepared->resolution[j] * prepared->scale[j];
    }
}

/* A copy of result whose arrays are all there: those that the caller left out are in one block of memory. */
static int complete_result(const fgm_result *result, int n_components, int d, int64_t n_bootstrap, fgm_result *complete, double **memory) {
    size_t k = (size_t)n_components, size = (size_t)d;
    *complete = *result;
    *memory = fgm_allocate(k * (1 + size + size * size) + 2 * (size_t)n_bootstrap);
    if (!*memory) return FGM_ERROR_MEMORY;
    if (!result->weights) complete->weights = *memory;
    if (!result->means) complete->means = *memory + k;
    if (!result->covariances) complete->covariances = *memory + k * (1 + size);
    if (!result->bootstrap) complete->bootstrap = *memory + k * (1 + size + size * size);
    if (!result->centres) complete->centres = *memory + k * (1 + size + size * size) + n_bootstrap;
    return FGM_OK;
}

static int estimate(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, fgm_result *result) {
    fgm_selection selection = {0};
    int status = fit_all(prepared, options, seed, &selection, result);
    if (status != FGM_OK) {
        fgm_mixture_release(&selection.mixture);
        return status;
    }
    int n_components = selection.mixture.n_components;
    fgm_result complete;
    double *memory;
    status = complete_result(result, n_components, prepared->d, options->n_bootstrap, &complete, &memory);
    if (status == FGM_OK) {
        export_result(prepared, options, &selection.mixture, &complete);
        status = run_bootstrap(prepared, options, seed, n_components, complete.weights, complete.means, complete.covariances, 0, options->n_bootstrap,
                               complete.bootstrap, complete.centres);
    }
    if (status == FGM_OK) status = fgm_finish(complete.bootstrap, complete.centres, options->n_bootstrap, result);
    fgm_release(memory);
    fgm_mixture_release(&selection.mixture);
    return status;
}

int fgm_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                           const fgm_options *options, uint64_t seed, fgm_result *result) {
    if (result->size != sizeof *result) return FGM_ERROR_VERSION;
    if (dy < 1) return FGM_ERROR_DIMENSION;
    fgm_prepared prepared;
    FGM_TRY(fgm_prepare(&prepared, x, y, n, dx, dy, sample_weight, options, seed, &result->fault_column));
    int status = estimate(&prepared, options, seed, result);
    fgm_prepared_release(&prepared);
    return status;
}

int fgm_bootstrap_range(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight, const fgm_options *options,
                        uint64_t seed, int32_t n_components, const double *weights, const double *means, const double *covariances, int64_t first,
                        int64_t count, double *bootstrap, double *centres) {
    fgm_prepared prepared;
    int32_t fault_column;
    if (dy < 1) return FGM_ERROR_DIMENSION;
    FGM_TRY(fgm_prepare(&prepared, x, y, n, dx, dy, sample_weight, options, seed, &fault_column));
    int status = run_bootstrap(&prepared, options, seed, n_components, weights, means, covariances, first, count, bootstrap, centres);
    fgm_prepared_release(&prepared);
    return status;
}
