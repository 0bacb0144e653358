/* The whole job, and every decision that is left to the library: fit, integral, bias correction, error bar.
 *
 * With theta the mixture fitted to all the data and theta*_b those of the bootstrap replicates,
 *   plug_in = MI(theta),   value = 2 plug_in - mean_b MI(theta*_b),   standard_error = sd_b MI(theta*_b):
 * the plug-in overestimates by about what the replicates overestimate the plug-in (Efron and Tibshirani 1993, chapter 10).
 * Where replicates choose their number of components anew, see fgm_finish in fastgmmmi.h.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIVERGING_COMPONENTS 10
#define DIVERGING_GAIN 0.4 /* nats per sample */
#define FEW_CLASSES 4 /* up to this many, threads share the folds of a class, else the classes */
#define REPLICATE_TOL 0.05 /* standard errors */
#define REPLICATE_WORK 1e7
#define RESELECT_UP_TO 500 /* samples: above, the number of components hardly adds to the error bar */

void fgm_options_defaults(fgm_options *options, size_t size) {
    const fgm_options defaults = {
        .size = size,
        .max_components = 50,
        .criterion = FGM_CRITERION_CV,
        .init = FGM_INIT_SPLIT,
        .n_folds = 5,
        .n_inits = 3,
        .patience = 2,
        .max_iter = 1000,
        .tol = 0.0,
        .reg_covar = 1e-12,
        .marginals = FGM_MARGINALS_STANDARDIZE,
        .n_bootstrap = 100,
        .reselect = -1,
        .integration_tol = 1e-5,
    };
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

/* ---- results out ---------------------------------------------------------------------------------------------------------------- */

/* Parameters of a mixture of prepared columns in the order of the data; in the data's units where in_units. Each pointer may be NULL. */
static void export_mixture(const fgm_mixture *mixture, const fgm_prepared *prepared, bool in_units, double *weights, double *means,
                           double *covariances) {
    int d = mixture->d;
    const int32_t *columns = prepared->layout.columns;
    const double *location = prepared->location, *scale = prepared->scale;
    double inside[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION];
    if (weights) memcpy(weights, mixture->weights, (size_t)mixture->n_components * sizeof(double));
    for (int k = 0; k < mixture->n_components; ++k) {
        for (int j = 0; means && j < d; ++j) {
            double mean = mixture->means[k * d + columns[j]];
            *means++ = in_units ? location[columns[j]] + scale[columns[j]] * mean : mean;
        }
        if (!covariances) continue;
        fgm_mixture_covariance(mixture, k, inside);
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j < d; ++j) {
                double covariance = inside[columns[i] * d + columns[j]];
                *covariances++ = in_units ? covariance * scale[columns[i]] * scale[columns[j]] : covariance;
            }
        }
    }
}

/* The reverse: allocates. The bootstrap starts from what comes out here, so that it gives the same bits in a process that was handed the exported
 * parameters. */
static int import_mixture(fgm_mixture *mixture, const fgm_prepared *prepared, int n_components, bool in_units, const double *weights,
                          const double *means, const double *covariances) {
    size_t k = (size_t)n_components, d = (size_t)prepared->d;
    const int32_t *columns = prepared->layout.columns;
    const double *location = prepared->location, *scale = prepared->scale;
    double *inside = fgm_allocate(k * d * (d + 1)), *inside_covariances = inside ? inside + k * d : NULL;
    if (!inside) return FGM_ERROR_MEMORY;
    for (size_t i = 0; i < k * d; ++i) {
        size_t column = (size_t)columns[i % d];
        inside[i / d * d + column] = in_units ? (means[i] - location[column]) / scale[column] : means[i];
    }
    for (size_t i = 0; i < k * d * d; ++i) {
        size_t row = (size_t)columns[i / d % d], column = (size_t)columns[i % d];
        inside_covariances[i / (d * d) * (d * d) + row * d + column] = in_units ? covariances[i] / scale[row] / scale[column] : covariances[i];
    }
    int status = fgm_mixture_from_parameters(mixture, n_components, (int)d, weights, inside, inside_covariances);
    fgm_release(inside);
    return status;
}

int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed, fgm_fit_result *result) {
    if (result->size != sizeof *result) return FGM_ERROR_VERSION;
    fgm_data data = {.size = sizeof data, .n = n, .x = {.values = X, .d = d}, .sample_weight = sample_weight, .quantity = FGM_QUANTITY_ENTROPY};
    fgm_prepared prepared;
    fgm_fault fault;
    int prepared_status = fgm_prepare(&prepared, &data, options, seed, &fault);
    result->fault_column = fault.column;
    FGM_TRY(prepared_status);
    fgm_fit_settings settings;
    fgm_class_settings(&prepared, 0, &settings);
    volatile int64_t done = 0;
    fgm_monitor monitor = fgm_monitor_start(options, &done, 0, 1);
    fgm_selection selection = {.scores = result->scores};
    int status = fgm_select(prepared.samples, &settings, seed, true, &monitor, NULL, &selection);
    if (status == FGM_OK) {
        result->n_components = selection.mixture.n_components;
        result->converged = selection.outcome.converged;
        result->n_iter = selection.outcome.n_iter;
        result->log_likelihood = selection.outcome.log_likelihood;
        for (int j = 0; j < d; ++j) result->log_likelihood -= log(prepared.scale[j]);
        export_mixture(&selection.mixture, &prepared, true, result->weights, result->means, result->covariances);
        fgm_mixture_release(&selection.mixture);
    }
    fgm_prepared_release(&prepared);
    return status;
}

static bool is_divergence(const fgm_layout *layout) {
    return layout->quantity == FGM_QUANTITY_DIVERGENCE || layout->quantity == FGM_QUANTITY_PAIRED_DIVERGENCE;
}

/* ---- pointwise --------------------------------------------------------------------------------------------------------------------- */

/* Weighted mean, standard deviation and skewness over the data of what the quantity is the expectation of. A divergence is one over p alone. */
static int pointwise_moments(const fgm_model *model, const fgm_prepared *prepared, double *deviation, double *skewness) {
    fgm_terms *terms;
    double total = 0.0, sums[3] = {0.0, 0.0, 0.0}, values[FGM_TERMS_ROWS];
    bool divergence = is_divergence(&prepared->layout);
    int status = fgm_terms_create(&terms, model, &prepared->layout);
    for (int c = 0; status == FGM_OK && c < (divergence ? 1 : model->n_classes); ++c) {
        fgm_samples samples = fgm_class_rows(prepared, c);
        for (int64_t first = 0; first < samples.n; first += FGM_TERMS_ROWS) {
            fgm_samples rows = fgm_rows(samples, first, first + FGM_TERMS_ROWS);
            fgm_terms_evaluate(terms, c, rows, values);
            for (int64_t i = 0; i < rows.n; ++i) {
                double weight = rows.weights ? rows.weights[i] : 1.0, value = values[i];
                total += weight;
                sums[0] += weight * value;
                sums[1] += weight * value * value;
                sums[2] += weight * value * value * value;
            }
        }
    }
    fgm_terms_destroy(terms);
    FGM_TRY(status);
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

bool fgm_reselects(const fgm_options *options, int64_t n) {
    if (options->n_components > 0 || options->reselect == 0) return false;
    return options->reselect == 1 || n <= RESELECT_UP_TO;
}

uint64_t fgm_class_key(uint64_t key, int class) { return class == 0 ? key : fgm_stream(key, FGM_STREAM_CLASS, (uint64_t)class); }

/* Above dimension 3 the integral need only be a tenth of the standard error, which is about the deviation of the log ratio / sqrt(n). */
static double integration_tol(const fgm_options *options, int d, double deviation, int64_t n) {
    return d <= 3 ? options->integration_tol : fmax(options->integration_tol, 0.1 * deviation / sqrt((double)n));
}

/* Where y is a function of x, the fit follows the curve with ever more and narrower components: many of them, of which the second half still gains
 * much log-density on held-out rows. Thresholds by measurement, docs/method.md. */
static bool is_diverging(const double *scores /* (max_components) */, int n_components) {
    return n_components >= DIVERGING_COMPONENTS && scores[n_components - 1] - scores[n_components / 2 - 1] > DIVERGING_GAIN;
}

/* The fits to all the data, one for each class. */
typedef struct class_fits {
    const fgm_prepared *prepared;
    uint64_t seed;
    fgm_model model;
    fgm_fit_outcome *outcomes; /* (n_classes) */
    double *scores;            /* (n_classes, max_components) */
    double *within;            /* (d(d+1)/2) covariance within classes */
    bool folds_in_parallel;    /* else classes are */
} class_fits;

static int allocate_fits(class_fits *fits, const fgm_prepared *prepared, uint64_t seed) {
    const fgm_classes *classes = &prepared->classes;
    size_t scores = (size_t)classes->n * (size_t)prepared->settings.options->max_components, within = FGM_TRIANGLE((size_t)prepared->d);
    *fits = (class_fits){.prepared = prepared, .seed = seed, .folds_in_parallel = classes->n <= FEW_CLASSES};
    fits->outcomes = calloc((size_t)classes->n, sizeof *fits->outcomes);
    fits->scores = fgm_allocate(scores + within);
    if (!fits->outcomes || !fits->scores) return FGM_ERROR_MEMORY;
    fits->within = fits->scores + scores;
    for (size_t i = 0; i < scores; ++i) fits->scores[i] = NAN;
    FGM_TRY(fgm_model_allocate(&fits->model, classes->n, prepared->d, classes->labels));
    fgm_model_set_probabilities(&fits->model, prepared->samples, classes->first, prepared->settings.options->equal_classes);
    fgm_within_covariance(prepared->samples, classes->first, classes->n, fits->within);
    return FGM_OK;
}

static void release_fits(class_fits *fits) {
    fgm_model_release(&fits->model);
    free(fits->outcomes);
    fgm_release(fits->scores);
}

static int fit_small_class(class_fits *fits, int class, fgm_samples rows, fgm_monitor *monitor) {
    fgm_fitter *fitter;
    double weight;
    fgm_mixture *mixture = &fits->model.mixtures[class];
    FGM_TRY(fgm_small_class_mixture(mixture, rows, fits->within, fits->prepared->settings.floor));
    FGM_TRY(fgm_fitter_create(&fitter, 1, rows.d));
    int status = fgm_mean_log_density(fitter, mixture, rows, monitor, &fits->outcomes[class].log_likelihood, &weight);
    fits->outcomes[class].converged = true;
    fgm_fitter_destroy(fitter);
    return status;
}

static int fit_class(void *task_data, int64_t index, int is_caller) {
    class_fits *fits = task_data;
    int class = (int)index;
    volatile int64_t nothing_done = 0;
    const fgm_options *options = fits->prepared->settings.options;
    fgm_monitor monitor = fgm_monitor_start(options, &nothing_done, options->n_bootstrap, is_caller);
    fgm_samples rows = fgm_class_rows(fits->prepared, class);
    if (fgm_is_small_class(fits->prepared, class)) return fit_small_class(fits, class, rows, &monitor);
    fgm_fit_settings settings;
    fgm_class_settings(fits->prepared, class, &settings);
    fgm_options bearable = *options; /* a fixed number of components, but where a class cannot bear it */
    int64_t most = rows.n / (rows.d + 1);
    if (bearable.n_components > most) bearable.n_components = (int32_t)most;
    settings.options = &bearable;
    fgm_selection selection = {.scores = fits->scores + (size_t)index * (size_t)options->max_components};
    FGM_TRY(fgm_select(rows, &settings, fgm_class_key(fits->seed, class), fits->folds_in_parallel, &monitor, NULL, &selection));
    fits->model.mixtures[class] = selection.mixture;
    fits->outcomes[class] = selection.outcome;
    return FGM_OK;
}

static int fit_classes(class_fits *fits) {
    if (fits->prepared->d == 0) return FGM_OK;
    if (!fits->folds_in_parallel) return fgm_run(fits->prepared->settings.options, fits->model.n_classes, fit_class, fits);
    for (int c = 0; c < fits->model.n_classes; ++c) FGM_TRY(fit_class(fits, c, 1));
    return FGM_OK;
}

/* What the fits say of themselves. */
static void summarise_fits(const class_fits *fits, fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    const fgm_options *options = prepared->settings.options;
    bool two_sides = prepared->layout.d[0] > 0 && prepared->layout.d[1] > 0;
    result->n_classes = fits->model.n_classes;
    result->converged = 1;
    result->n_components = result->n_iter = result->reselected = result->diverging = result->n_small_classes = 0;
    result->log_likelihood = 0.0;
    for (int c = 0; prepared->d > 0 && c < fits->model.n_classes; ++c) {
        const fgm_fit_outcome *outcome = &fits->outcomes[c];
        int k = fits->model.mixtures[c].n_components;
        bool is_small = fgm_is_small_class(prepared, c);
        result->n_components += k;
        result->converged &= outcome->converged;
        result->n_iter = outcome->n_iter > result->n_iter ? outcome->n_iter : result->n_iter;
        result->log_likelihood += fits->model.probabilities[c] * outcome->log_likelihood;
        result->reselected |= !is_small && fgm_reselects(options, fgm_class_rows(prepared, c).n);
        result->diverging |= two_sides && options->n_components == 0 && is_diverging(fits->scores + (size_t)c * (size_t)options->max_components, k);
        result->n_small_classes += is_small;
    }
}

static bool is_table(const fgm_prepared *prepared) { return prepared->d == 0; }

/* The log of the volume that columns were shrunk by: entropy is in their own units. */
static double log_volume(const fgm_prepared *prepared) {
    double sum = 0.0;
    if (prepared->layout.quantity != FGM_QUANTITY_ENTROPY) return 0.0;
    for (int j = 0; j < prepared->d; ++j) sum += log(prepared->scale[j]);
    return sum;
}

/* Number of samples of equal weight that say as much (Kish 1965). */
static double effective_samples(fgm_samples samples) {
    if (!samples.weights) return (double)samples.n;
    double sum = 0.0, squares = 0.0;
    for (int64_t i = 0; i < samples.n; ++i) {
        sum += samples.weights[i];
        squares += samples.weights[i] * samples.weights[i];
    }
    return sum * sum / squares;
}

/* The fits to all the data, what is estimated of them, and what the error bar needs. */
static int fit_all(class_fits *fits, const fgm_options *options, uint64_t seed, fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    double deviation, skewness, bias;
    FGM_TRY(fit_classes(fits));
    summarise_fits(fits, result);
    FGM_TRY(pointwise_moments(&fits->model, prepared, &deviation, &skewness));
    int64_t n = is_divergence(&prepared->layout) ? fgm_class_rows(prepared, 0).n : prepared->n;
    result->acceleration = skewness / (6.0 * sqrt((double)n));
    result->smaller_entropy = NAN;
    if (is_table(prepared)) {
        FGM_TRY(fgm_table_statistics(&fits->model, &prepared->layout, (double)prepared->n, &bias, &result->smaller_entropy));
    }
    FGM_TRY(fgm_integrate_model(&fits->model, &prepared->layout, integration_tol(options, prepared->d, deviation, prepared->n), FGM_MAX_WORK, seed,
                                &result->plug_in, &result->integration_error));
    result->plug_in += log_volume(prepared);
    return FGM_OK;
}

/* Replicates from the model fitted to all the data. */
static int run_bootstrap(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, const fgm_model *model, int64_t first,
                         int64_t count, double *values, double *centres) {
    double deviation, skewness, centre, error, bias, entropy;
    FGM_TRY(pointwise_moments(model, prepared, &deviation, &skewness));
    fgm_bootstrap bootstrap = {
        .prepared = prepared,
        .options = options,
        .model = model,
        .seed = seed,
        .integration_tol = integration_tol(options, prepared->d, deviation, prepared->n),
        .integration_work = FGM_MAX_WORK,
        .log_volume = log_volume(prepared),
        .first = first,
        .values = values,
        .centres = centres,
        .count = count,
    };
    if (prepared->d == 3 && prepared->classes.n > 1) { /* many components at once in space: what the error bar needs, in little time */
        bootstrap.integration_tol = fmax(options->integration_tol, REPLICATE_TOL * deviation / sqrt((double)prepared->n));
        bootstrap.integration_work = REPLICATE_WORK;
    }
    if (is_table(prepared)) { /* 2 plug_in - centre is then plug_in - bias */
        FGM_TRY(fgm_integrate_model(model, &prepared->layout, options->integration_tol, FGM_MAX_WORK, seed, &centre, &error));
        FGM_TRY(fgm_table_statistics(model, &prepared->layout, effective_samples(prepared->samples), &bias, &entropy));
        centre += bias;
        bootstrap.centre = &centre;
    }
    return fgm_run_bootstrap(&bootstrap);
}

/* Parameters of all classes, one after the other. */
static void export_model(const fgm_prepared *prepared, const fgm_model *model, fgm_result *result) {
    bool identity = prepared->settings.options->marginals == FGM_MARGINALS_NONE;
    size_t place = 0, d = (size_t)prepared->d;
    for (int c = 0; c < model->n_classes; ++c) {
        if (result->class_components) result->class_components[c] = model->mixtures[c].n_components;
        if (d == 0) continue;
        export_mixture(&model->mixtures[c], prepared, identity, result->weights ? result->weights + place : NULL,
                       result->means ? result->means + place * d : NULL, result->covariances ? result->covariances + place * d * d : NULL);
        place += (size_t)model->mixtures[c].n_components;
    }
}

/* The reverse: the bootstrap starts from what comes out here, so that it gives the same bits in a process that was handed the exported parameters. */
static int import_model(const fgm_prepared *prepared, const int32_t *class_components, const double *weights, const double *means,
                        const double *covariances, fgm_model *model) {
    bool identity = prepared->settings.options->marginals == FGM_MARGINALS_NONE;
    size_t place = 0, d = (size_t)prepared->d;
    FGM_TRY(fgm_model_allocate(model, prepared->classes.n, prepared->d, prepared->classes.labels));
    fgm_model_set_probabilities(model, prepared->samples, prepared->classes.first, prepared->settings.options->equal_classes);
    for (int c = 0; prepared->d > 0 && c < model->n_classes; ++c) {
        FGM_TRY(import_mixture(&model->mixtures[c], prepared, class_components[c], identity, weights + place, means + place * d,
                               covariances + place * d * d));
        place += (size_t)class_components[c];
    }
    return FGM_OK;
}

static void export_result(const class_fits *fits, fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    const fgm_options *options = prepared->settings.options;
    bool identity = options->marginals == FGM_MARGINALS_NONE;
    size_t n_classes = (size_t)fits->model.n_classes;
    export_model(prepared, &fits->model, result);
    for (int j = 0; j < prepared->d; ++j) {
        int place = prepared->layout.columns[j];
        if (result->location) result->location[j] = identity ? 0.0 : prepared->location[place];
        if (result->scale) result->scale[j] = identity ? 1.0 : prepared->scale[place];
        if (result->resolution) result->resolution[j] = prepared->resolution[place] * prepared->scale[place];
    }
    if (result->scores) memcpy(result->scores, fits->scores, n_classes * (size_t)options->max_components * sizeof *result->scores);
    if (result->class_labels) memcpy(result->class_labels, fits->model.labels, 3 * n_classes * sizeof *result->class_labels);
    if (result->class_probabilities) memcpy(result->class_probabilities, fits->model.probabilities, n_classes * sizeof(double));
}

/* A copy of result whose arrays are all there: those that the caller left out are in memory. */
static int complete_result(const fgm_result *result, int d, int64_t n_bootstrap, fgm_result *complete, double **memory) {
    size_t k = (size_t)result->n_components, size = (size_t)d, classes = (size_t)result->n_classes;
    *complete = *result;
    *memory = fgm_allocate(k * (1 + size + size * size) + 2 * (size_t)n_bootstrap + classes);
    if (!*memory) return FGM_ERROR_MEMORY;
    if (!result->weights) complete->weights = *memory;
    if (!result->means) complete->means = *memory + k;
    if (!result->covariances) complete->covariances = *memory + k * (1 + size);
    if (!result->bootstrap) complete->bootstrap = *memory + k * (1 + size + size * size);
    if (!result->centres) complete->centres = *memory + k * (1 + size + size * size) + n_bootstrap;
    if (!result->class_components) complete->class_components = (int32_t *)(*memory + k * (1 + size + size * size) + 2 * n_bootstrap);
    return FGM_OK;
}

static int run_exported(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, const int32_t *class_components,
                        const double *weights, const double *means, const double *covariances, int64_t first, int64_t count, double *values,
                        double *centres) {
    fgm_model model = {0};
    int status = import_model(prepared, class_components, weights, means, covariances, &model);
    if (status == FGM_OK) status = run_bootstrap(prepared, options, seed, &model, first, count, values, centres);
    fgm_model_release(&model);
    return status;
}

static int estimate(const fgm_prepared *prepared, const fgm_options *options, uint64_t seed, fgm_result *result) {
    class_fits fits;
    fgm_result complete;
    double *memory = NULL;
    int status = allocate_fits(&fits, prepared, seed);
    if (status == FGM_OK) status = fit_all(&fits, options, seed, result);
    if (status == FGM_OK) status = complete_result(result, prepared->d, options->n_bootstrap, &complete, &memory);
    if (status == FGM_OK) {
        export_result(&fits, &complete);
        status = run_exported(prepared, options, seed, complete.class_components, complete.weights, complete.means, complete.covariances, 0,
                              options->n_bootstrap, complete.bootstrap, complete.centres);
    }
    if (status == FGM_OK) status = fgm_finish(complete.bootstrap, complete.centres, options->n_bootstrap, result);
    fgm_release(memory);
    release_fits(&fits);
    return status;
}

int fgm_information(const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result) {
    if (result->size != sizeof *result) return FGM_ERROR_VERSION;
    fgm_prepared prepared;
    fgm_fault fault;
    int status = fgm_prepare(&prepared, data, options, seed, &fault);
    result->fault_column = fault.column;
    result->fault_variable = fault.variable;
    FGM_TRY(status);
    status = estimate(&prepared, options, seed, result);
    fgm_prepared_release(&prepared);
    return status;
}

int fgm_information_range(const fgm_data *data, const fgm_options *options, uint64_t seed, const int32_t *class_components, const double *weights,
                          const double *means, const double *covariances, int64_t first, int64_t count, double *bootstrap, double *centres) {
    fgm_prepared prepared;
    fgm_fault fault;
    FGM_TRY(fgm_prepare(&prepared, data, options, seed, &fault));
    int status = run_exported(&prepared, options, seed, class_components, weights, means, covariances, first, count, bootstrap, centres);
    fgm_prepared_release(&prepared);
    return status;
}

int fgm_result_sizes(const fgm_data *data, const fgm_options *options, int32_t *n_classes, int64_t *n_components) {
    if (data->size != sizeof *data) return FGM_ERROR_VERSION;
    if (data->n < 1 || data->n > UINT32_MAX) return FGM_ERROR_TOO_FEW_SAMPLES;
    int64_t d = (int64_t)data->x.d + data->y.d + data->given.d, n_rows = data->n, most = options->max_components;
    for (int64_t i = 0; data->sample_weight && i < data->n; ++i) n_rows -= data->sample_weight[i] == 0.0;
    if (n_rows < 1) return FGM_ERROR_WEIGHTS;
    if (options->n_components > 0) most = options->n_components;
    int32_t *class_of = NULL;
    fgm_classes classes = {0};
    fgm_fault fault;
    int status = fgm_classes_find(data, n_rows, &class_of, &classes, &fault);
    *n_classes = classes.n;
    *n_components = 0;
    for (int c = 0; status == FGM_OK && c < classes.n; ++c) {
        int64_t bearable = (classes.first[c + 1] - classes.first[c]) / (d + 1);
        *n_components += bearable < 1 ? 1 : bearable < most ? bearable : most;
    }
    fgm_classes_release(&classes);
    free(class_of);
    return status;
}

/* Two continuous variables. */
static fgm_data pair_of(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight) {
    return (fgm_data){.size = sizeof(fgm_data), .n = n, .x = {x, NULL, dx, 0}, .y = {y, NULL, dy, 0}, .sample_weight = sample_weight};
}

int fgm_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                           const fgm_options *options, uint64_t seed, fgm_result *result) {
    fgm_data data = pair_of(x, y, n, dx, dy, sample_weight);
    return fgm_information(&data, options, seed, result);
}

int fgm_bootstrap_range(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight, const fgm_options *options,
                        uint64_t seed, int32_t n_components, const double *weights, const double *means, const double *covariances, int64_t first,
                        int64_t count, double *bootstrap, double *centres) {
    fgm_data data = pair_of(x, y, n, dx, dy, sample_weight);
    return fgm_information_range(&data, options, seed, &n_components, weights, means, covariances, first, count, bootstrap, centres);
}

/* ---- pointwise, of any rows ----------------------------------------------------------------------------------------------------------- */

/* Class of each row, -1 where it is none of those known. */
static void find_row_classes(const fgm_data *data, const int32_t *class_labels, int n_classes, int32_t *class_of /* (n) */) {
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    for (int64_t i = 0; i < data->n; ++i) {
        int32_t wanted[3] = {0, 0, 0};
        for (int v = 0; v < 3; ++v) {
            if (variables[v].labels) wanted[v] = variables[v].labels[i];
        }
        class_of[i] = fgm_classes_search(class_labels, n_classes, wanted);
    }
}

/* Up to FGM_TERMS_ROWS rows as columns. */
static void gather_rows(const fgm_data *data, const int64_t *rows, int n, double *columns /* (d, FGM_TERMS_ROWS) */) {
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    for (int v = 0; v < 3; ++v) {
        for (int j = 0; j < variables[v].d; ++j, columns += FGM_TERMS_ROWS) {
            for (int i = 0; i < n; ++i) columns[i] = variables[v].values[rows[i] * variables[v].d + j];
        }
    }
}

/* Rows of each class in turn, by counting: order lists them, first (n_classes + 1) their runs. */
static void sort_rows(int64_t n, const int32_t *class_of, int n_classes, int64_t *first, int64_t *order) {
    memset(first, 0, (size_t)(n_classes + 1) * sizeof *first);
    for (int64_t i = 0; i < n; ++i) {
        if (class_of[i] >= 0) ++first[class_of[i] + 1];
    }
    for (int c = 0; c < n_classes; ++c) first[c + 1] += first[c];
    for (int64_t i = 0; i < n; ++i) {
        if (class_of[i] >= 0) order[first[class_of[i]]++] = i;
    }
    for (int c = n_classes; c > 0; --c) first[c] = first[c - 1];
    first[0] = 0;
}

static int evaluate_rows(const fgm_data *data, const fgm_model *model, const fgm_layout *layout, const int64_t *first, const int64_t *order,
                         double *out) {
    fgm_terms *terms;
    double values[FGM_TERMS_ROWS], *columns = fgm_allocate((size_t)model->d * FGM_TERMS_ROWS);
    int status = columns ? fgm_terms_create(&terms, model, layout) : FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < data->n; ++i) out[i] = -INFINITY;
    for (int c = 0; status == FGM_OK && c < model->n_classes; ++c) {
        for (int64_t at = first[c]; at < first[c + 1]; at += FGM_TERMS_ROWS) {
            int n = first[c + 1] - at < FGM_TERMS_ROWS ? (int)(first[c + 1] - at) : FGM_TERMS_ROWS;
            gather_rows(data, order + at, n, columns);
            fgm_terms_evaluate(terms, c, (fgm_samples){n, FGM_TERMS_ROWS, model->d, columns, NULL}, values);
            for (int i = 0; i < n; ++i) out[order[at + i]] = values[i];
        }
    }
    if (columns) fgm_terms_destroy(terms);
    fgm_release(columns);
    return status;
}

static int fill_model(fgm_model *model, const double *class_probabilities, const int32_t *class_components, const double *weights,
                      const double *means, const double *covariances) {
    size_t place = 0, d = (size_t)model->d;
    for (int c = 0; c < model->n_classes; ++c) {
        model->probabilities[c] = class_probabilities[c];
        if (d == 0) continue;
        FGM_TRY(fgm_mixture_from_parameters(&model->mixtures[c], class_components[c], model->d, weights + place, means + place * d,
                                            covariances + place * d * d));
        place += (size_t)class_components[c];
    }
    return FGM_OK;
}

int fgm_pointwise(const fgm_data *data, int32_t n_classes, const int32_t *class_labels, const double *class_probabilities,
                  const int32_t *class_components, const double *weights, const double *means, const double *covariances, double *out) {
    if (data->size != sizeof *data) return FGM_ERROR_VERSION;
    int d = data->x.d + data->y.d + data->given.d;
    fgm_layout layout = fgm_layout_of(data);
    fgm_model model = {0};
    int32_t *class_of = malloc((size_t)data->n * sizeof *class_of);
    int64_t *order = malloc((size_t)(data->n + n_classes + 1) * sizeof *order);
    int status = class_of && order ? fgm_model_allocate(&model, n_classes, d, class_labels) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) status = fill_model(&model, class_probabilities, class_components, weights, means, covariances);
    if (status == FGM_OK) {
        find_row_classes(data, class_labels, n_classes, class_of);
        sort_rows(data->n, class_of, n_classes, order + data->n, order);
        status = evaluate_rows(data, &model, &layout, order + data->n, order, out);
    }
    fgm_model_release(&model);
    free(class_of);
    free(order);
    return status;
}
