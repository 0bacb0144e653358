/* The whole job, and every decision that is left to the library: fit, integral, bias correction, error bar.
 *
 * With theta the mixture fitted to all the data and theta*_b those of the bootstrap replicates,
 *   plug_in = MI(theta),   value = 2 plug_in - mean_b MI(theta*_b),   standard_error = sd_b MI(theta*_b):
 * the plug-in overestimates by about what the replicates overestimate the plug-in (Efron and Tibshirani 1993, chapter 10).
 * Where replicates choose their number of components anew, see fgm_finish in fastgmmmi.h. Tables, integrals over the data and the infinitesimal
 * jackknife know their bias without replicates.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DIVERGING_COMPONENTS 10
#define DIVERGING_GAIN 0.4 /* nats per sample */
#define FEW_CLASSES 4 /* up to this many, threads share the folds of a class, else the classes */
#define STUDENT_COMPONENTS 20 /* Gaussians, below which they stand for Student's t too roughly */
#define NOT_NORMAL 20.0       /* of chi-squared of two degrees of freedom: once in 22,000 normal columns */
#define N_MAPS 3
#define HOPELESS 1e-4 /* odds below which a map, fitted roughly, is not fitted well */
#define UNLIKELY 0.02 /* odds below which a map is not reckoned with */
#define MAP_ROWS 1000 /* on which the map of the columns is chosen, and half as many for each column */
#define MAP_FOLDS 3   /* where these are but a sample */
#define REPLICATE_TOL 0.05 /* standard errors */
#define REPLICATE_WORK 1e7
#define RESELECT_UP_TO 20000 /* samples: above, the number of components hardly adds to the error bar */

void fgm_options_defaults(fgm_options *options, size_t size) {
    const fgm_options defaults = {
        .size = size,
        .max_components = 50,
        .criterion = FGM_CRITERION_CV,
        .init = FGM_INIT_SPLIT,
        .n_folds = 5,
        .n_inits = 3,
        .patience = FGM_DEFAULT_PATIENCE,
        .max_iter = 1000,
        .tol = 0.0,
        .reg_covar = 1e-12,
        .marginals = FGM_MARGINALS_AUTO,
        .n_bootstrap = 100,
        .reselect = -1,
        .integration_tol = 1e-5,
    };
    memcpy(options, &defaults, size < sizeof defaults ? size : sizeof defaults);
}

/* ---- rows that belong together ---------------------------------------------------------------------------------------------------- */

/* The data as they are, but that copies of a row are its group where nobody has said what the groups are. *groups is to be freed. */
static int take_copies_together(const fgm_data *data, fgm_data *grouped, int32_t **groups, int64_t *n_copies) {
    *grouped = *data;
    *groups = NULL;
    *n_copies = 0;
    if (fgm_check_data(data) != FGM_OK || data->groups) return FGM_OK; /* what is wrong with the data is told where they are read */
    bool is_paired = data->quantity == FGM_QUANTITY_PAIRED_DIVERGENCE;
    fgm_variable variables[3] = {data->x, data->y, data->given};
    int64_t n = data->n;
    if (is_paired) { /* a row of one sample belongs to that of the other */
        n /= 2;
        variables[1] = data->x;
        variables[1].values += n * (data->x.stride ? data->x.stride : data->x.d);
    }
    *groups = malloc((size_t)data->n * sizeof **groups);
    if (!*groups) return FGM_ERROR_MEMORY;
    FGM_TRY(fgm_copies(variables, 3, n, *groups, n_copies));
    if (is_paired) memcpy(*groups + n, *groups, (size_t)n * sizeof **groups);
    if (*n_copies > 0) grouped->groups = *groups;
    return FGM_OK;
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

#define PASSES_OF_A_FIT 200 /* of one component, in the search for how many there are; about */

/* About how many terms of densities a job on so many samples takes, of those of two columns. */
static double work_of_job(int64_t n, int64_t d, const fgm_options *options) {
    double columns = d < FGM_MAX_DIMENSION ? (double)d : FGM_MAX_DIMENSION;
    return (double)n * (PASSES_OF_A_FIT + (double)options->n_bootstrap) * (1.0 + columns * columns) / 5.0;
}

typedef struct fit_job {
    fgm_data data;
    uint64_t seed;
    fgm_fit_result *result;
} fit_job;

static int do_fit(const fgm_options *options, void *job_data) {
    fit_job *job = job_data;
    fgm_data grouped;
    fgm_fit_result *result = job->result;
    fgm_prepared prepared = {0};
    fgm_fault fault = {-1, -1};
    int32_t *groups;
    int64_t n_copies;
    int status = take_copies_together(&job->data, &grouped, &groups, &n_copies);
    if (status == FGM_OK) status = fgm_prepare(&prepared, &grouped, options, job->seed, &fault);
    free(groups);
    result->fault_column = fault.column;
    FGM_TRY(status);
    fgm_fit_settings settings;
    fgm_class_settings(&prepared, 0, &settings);
    volatile int64_t done = 0;
    fgm_monitor monitor = fgm_monitor_start(options, &done, 0, 1);
    fgm_selection selection = {.scores = result->scores};
    status = fgm_select(prepared.samples, &settings, job->seed, true, &monitor, &selection);
    if (status == FGM_OK) {
        result->n_components = selection.mixture.n_components;
        result->converged = selection.outcome.converged;
        result->n_iter = selection.outcome.n_iter;
        result->log_likelihood = selection.outcome.log_likelihood;
        for (int j = 0; j < prepared.d; ++j) result->log_likelihood -= log(prepared.scale[j]);
        export_mixture(&selection.mixture, &prepared, true, result->weights, result->means, result->covariances);
        fgm_mixture_release(&selection.mixture);
    }
    fgm_prepared_release(&prepared);
    return status;
}

int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed, fgm_fit_result *result) {
    if (result->size != sizeof *result) return FGM_ERROR_VERSION;
    fit_job job = {.seed = seed, .result = result};
    job.data = (fgm_data){.size = sizeof job.data, .n = n, .x = {.values = X, .d = d}, .sample_weight = sample_weight};
    job.data.quantity = FGM_QUANTITY_ENTROPY;
    return fgm_with_crew(options, work_of_job(n, d, options), do_fit, &job);
}

/* ---- the job ------------------------------------------------------------------------------------------------------------------------ */

/* What no replicate knows of. What the mixture misses, or makes up, belongs to the value; and as it may still be as far off, to the error. Where all
 * is made up, nothing is left to be corrected. */
static void add_what_replicates_miss(fgm_result *result) {
    double error = result->standard_error, map = result->marginals_error, missed = result->shortfall, its_error = result->shortfall_error;
    result->value = missed < 0.0 && missed == -result->plug_in ? 0.0 : result->value + missed;
    result->standard_error = sqrt(error * error + map * map + missed * missed + its_error * its_error);
}

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
    result->value = n_bootstrap == 0 ? result->plug_in : result->is_corrected ? result->corrected : 2.0 * result->plug_in - centre / (double)n;
    result->standard_error = n > 1 ? sqrt(square / (double)(n - 1)) : NAN;
    add_what_replicates_miss(result);
    return FGM_OK;
}

bool fgm_reselects(const fgm_prepared *prepared, int class) {
    const fgm_options *options = prepared->settings.options;
    if (options->n_components > 0 || options->reselect == 0 || prepared->student.freedom > 0.0) return false;
    return options->reselect == 1 || fgm_count_groups(fgm_class_rows(prepared, class)) <= RESELECT_UP_TO;
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
    fgm_trials *trials;        /* (n_classes), or NULL where no replicate will choose */
    bool folds_in_parallel;    /* else classes are */
    double plug_in, integration_error; /* under the model, once it is integrated; else NaN */
} class_fits;

static bool any_reselects(const fgm_prepared *prepared) {
    for (int c = 0; prepared->d > 0 && c < prepared->classes.n; ++c) {
        if (!fgm_is_small_class(prepared, c) && fgm_reselects(prepared, c)) return true;
    }
    return false;
}

static int allocate_fits(class_fits *fits, const fgm_prepared *prepared, uint64_t seed, bool for_replicates) {
    const fgm_classes *classes = &prepared->classes;
    size_t scores = (size_t)classes->n * (size_t)prepared->settings.options->max_components, within = FGM_TRIANGLE((size_t)prepared->d);
    *fits = (class_fits){.prepared = prepared, .seed = seed, .folds_in_parallel = classes->n <= FEW_CLASSES, .plug_in = NAN};
    fits->outcomes = calloc((size_t)classes->n, sizeof *fits->outcomes);
    fits->scores = fgm_allocate(scores + within);
    if (!fits->outcomes || !fits->scores) return FGM_ERROR_MEMORY;
    if (for_replicates && any_reselects(prepared)) {
        fits->trials = calloc((size_t)classes->n, sizeof *fits->trials);
        if (!fits->trials) return FGM_ERROR_MEMORY;
    }
    fits->within = fits->scores + scores;
    for (size_t i = 0; i < scores; ++i) fits->scores[i] = NAN;
    FGM_TRY(fgm_model_allocate(&fits->model, classes->n, prepared->d, classes->labels));
    fgm_model_set_probabilities(&fits->model, prepared->samples, classes->first, prepared->settings.options->equal_classes);
    fgm_within_covariance(prepared->samples, classes->first, classes->n, fits->within);
    return FGM_OK;
}

static void release_fits(class_fits *fits) {
    fgm_trials_release(fits->trials, fits->model.n_classes);
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
    if (fits->prepared->student.freedom > 0.0) {
        fits->outcomes[class] = (fgm_fit_outcome){.log_likelihood = fits->prepared->student.log_likelihood, .converged = true};
        return fgm_student_mixture(&fits->prepared->student, options->max_components, &fits->model.mixtures[class]);
    }
    if (fgm_is_small_class(fits->prepared, class)) return fit_small_class(fits, class, rows, &monitor);
    fgm_fit_settings settings;
    fgm_class_settings(fits->prepared, class, &settings);
    fgm_options bearable = *options; /* a fixed number of components, but where a class cannot bear it */
    int64_t most = rows.n / (rows.d + 1);
    if (bearable.n_components > most) bearable.n_components = (int32_t)most;
    settings.options = &bearable;
    fgm_selection selection = {.scores = fits->scores + (size_t)index * (size_t)options->max_components};
    if (fits->trials && fgm_reselects(fits->prepared, class)) selection.trials = &fits->trials[class];
    FGM_TRY(fgm_select(rows, &settings, fgm_class_key(fits->seed, class), fits->folds_in_parallel, &monitor, &selection));
    fits->model.mixtures[class] = selection.mixture;
    fits->outcomes[class] = selection.outcome;
    return FGM_OK;
}

static int fit_classes(class_fits *fits) {
    if (fits->prepared->d == 0) return FGM_OK;
    if (!fits->folds_in_parallel) return fgm_run(fits->prepared->settings.options, fits->model.n_classes, INFINITY, fit_class, fits);
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
        result->reselected |= !is_small && fgm_reselects(prepared, c);
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

/* Of the means of the log ratio over the data, within and across folds: the mean that has no bias, see cross_fit.c. */
static double average_without_bias(double n_folds, double within, double across) {
    return (n_folds * within + (n_folds - 1.0) * across) / (2.0 * n_folds - 1.0);
}

static int average_over_data(const class_fits *fits, const fgm_moments *moments, double *across, double *corrected) {
    FGM_TRY(fgm_cross_fit(fits->prepared, &fits->model, across, NULL));
    *corrected = average_without_bias(fits->prepared->settings.options->n_folds, moments->mean, *across);
    return FGM_OK;
}

/* Whether a claim is so small that it may be chance's, and can be put to pairs: none is where the number of components was asked for. */
static bool may_be_chance(const class_fits *fits, const fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    const fgm_mixture *mixture = &fits->model.mixtures[0];
    const int32_t *d = prepared->layout.d;
    bool is_pair = d[0] > 0 && d[1] > 0 && d[2] == 0 && prepared->classes.n == 1 && prepared->student.freedom == 0.0;
    return is_pair && prepared->settings.options->n_components == 0 && result->shortfall == 0.0 &&
           fgm_may_be_chance(mixture, fits->plug_in, fgm_effective_samples(prepared->samples));
}

/* What the mixture claims, and held-out rows do not bear out, where its own rows deny it or it is small; that is dear, and seldom. */
static int take_off_what_is_made_up(const class_fits *fits, const fgm_moments *moments, fgm_result *result) {
    double told;
    if (!fgm_is_denied(moments, fits->plug_in, fits->integration_error) && !may_be_chance(fits, result)) return FGM_OK;
    FGM_TRY(fgm_rank_pairs(fits->prepared, &fits->model, &told));
    fgm_take_off(moments, fits->plug_in, fits->integration_error, told, &result->shortfall, &result->shortfall_error);
    return FGM_OK;
}

/* Value without its bias, where that is not learned from replicates, and the standard error by the infinitesimal jackknife where that is asked for.
 * Of Student's t the jackknife takes the influence to be the log ratio itself, which it is where the model holds.
 */
static int correct(const class_fits *fits, const fgm_moments *moments, fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    const fgm_options *options = prepared->settings.options;
    double variance = moments->variance, bias, across, n = fgm_effective_samples(prepared->samples);
    if (is_table(prepared)) {
        FGM_TRY(fgm_table_statistics(&fits->model, &prepared->layout, n, &bias, &result->smaller_entropy));
        result->corrected = result->plug_in - bias;
    } else if (options->error == FGM_ERROR_BY_DELTA && prepared->student.freedom > 0.0) {
        if (!result->is_corrected) FGM_TRY(average_over_data(fits, moments, &across, &result->corrected));
    } else if (options->error == FGM_ERROR_BY_DELTA) {
        FGM_TRY(fgm_find_delta(prepared, &fits->model, n, &variance, &bias));
        if (!result->is_corrected) result->corrected = result->plug_in - bias;
    }
    if (options->error == FGM_ERROR_BY_DELTA) result->standard_error = sqrt(variance);
    result->is_corrected |= is_table(prepared) || options->error == FGM_ERROR_BY_DELTA;
    return FGM_OK;
}

/* The quantity under the fits themselves. */
static int integrate_fits(class_fits *fits, double deviation) {
    const fgm_prepared *prepared = fits->prepared;
    if (!isnan(fits->plug_in)) return FGM_OK;
    fits->integration_error = 0.0;
    if (prepared->student.freedom > 0.0) return fgm_student_information(&prepared->student, &prepared->layout, &fits->plug_in);
    double tol = integration_tol(prepared->settings.options, prepared->d, deviation, prepared->n);
    return fgm_integrate_model(&fits->model, &prepared->layout, tol, FGM_MAX_WORK, fits->seed, &fits->plug_in, &fits->integration_error);
}

/* The estimate from the fits to all the data, and what the error bar needs. */
static int evaluate_fits(class_fits *fits, fgm_result *result) {
    const fgm_prepared *prepared = fits->prepared;
    const fgm_options *options = prepared->settings.options;
    fgm_moments moments;
    summarise_fits(fits, result);
    FGM_TRY(fgm_find_moments(&fits->model, &prepared->layout, prepared->samples, prepared->classes.first, &moments));
    result->acceleration = moments.acceleration;
    result->smaller_entropy = result->corrected = result->standard_error = NAN;
    result->shortfall = result->shortfall_error = 0.0;
    result->degrees_of_freedom = prepared->student.freedom > 0.0 ? prepared->student.freedom : NAN;
    result->is_corrected = 0;
    result->marginals = options->marginals == FGM_MARGINALS_AUTO ? FGM_MARGINALS_STANDARDIZE : options->marginals;
    if (options->integral == FGM_INTEGRAL_DATA && !is_table(prepared)) {
        double volume = log_volume(prepared), across;
        FGM_TRY(average_over_data(fits, &moments, &across, &result->corrected));
        result->plug_in = across + volume;
        result->corrected += volume;
        result->is_corrected = 1;
        result->integration_error = 0.0;
    } else {
        FGM_TRY(integrate_fits(fits, moments.deviation));
        result->plug_in = fits->plug_in + log_volume(prepared);
        result->integration_error = fits->integration_error;
    }
    if (options->integral == FGM_INTEGRAL_MODEL) {
        double excess = fgm_find_excess(&moments, fits->plug_in, fits->integration_error);
        FGM_TRY(fgm_find_shortfall(prepared, &fits->model, excess, fits->seed, &result->shortfall, &result->shortfall_error));
        if (prepared->layout.quantity == FGM_QUANTITY_INFORMATION && !is_table(prepared)) FGM_TRY(take_off_what_is_made_up(fits, &moments, result));
    }
    return correct(fits, &moments, result);
}

/* Replicates from the model fitted to all the data. */
static int run_bootstrap(const fgm_prepared *prepared, uint64_t seed, const fgm_model *model, fgm_trials *trials, int64_t first, int64_t count,
                         double *values, double *centres) {
    const fgm_options *options = prepared->settings.options;
    fgm_moments moments;
    if (count == 0) return FGM_OK;
    FGM_TRY(fgm_find_moments(model, &prepared->layout, prepared->samples, prepared->classes.first, &moments));
    fgm_bootstrap bootstrap = {
        .prepared = prepared,
        .options = options,
        .model = model,
        .trials = trials,
        .seed = seed,
        .integration_tol = integration_tol(options, prepared->d, moments.deviation, prepared->n),
        .integration_work = FGM_MAX_WORK,
        .log_volume = log_volume(prepared),
        .first = first,
        .values = values,
        .centres = centres,
        .count = count,
    };
    if (prepared->d == 3) { /* lattices in space are large, those of many components above all: what the error bar needs, in little time */
        bootstrap.integration_tol = fmax(options->integration_tol, REPLICATE_TOL * moments.deviation / sqrt((double)prepared->n));
        bootstrap.integration_work = REPLICATE_WORK;
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

static int run_exported(const fgm_prepared *prepared, uint64_t seed, fgm_trials *trials, const int32_t *class_components, const double *weights,
                        const double *means, const double *covariances, int64_t first, int64_t count, double *values, double *centres) {
    fgm_model model = {0};
    int status = import_model(prepared, class_components, weights, means, covariances, &model);
    if (status == FGM_OK) status = run_bootstrap(prepared, seed, &model, trials, first, count, values, centres);
    fgm_model_release(&model);
    return status;
}

/* Data prepared and fitted under one map of the columns. */
typedef struct candidate {
    fgm_options options; /* with that map */
    fgm_prepared prepared;
    class_fits fits;
    double *scores; /* (n): how well the dependence is described at each row, when it has not been learned from; NULL until they are asked for */
    double score; /* the mean of these */
    double across; /* mean of the log ratio there */
} candidate;

static int prepare_candidate(candidate *fitted, const fgm_data *data, const fgm_options *options, int marginals, uint64_t seed, fgm_fault *fault) {
    memset(fitted, 0, sizeof *fitted);
    fitted->options = *options;
    fitted->options.marginals = marginals;
    if (options->error == FGM_ERROR_BY_DELTA) fitted->options.n_bootstrap = 0;
    FGM_TRY(fgm_prepare(&fitted->prepared, data, &fitted->options, seed, fault));
    return allocate_fits(&fitted->fits, &fitted->prepared, seed, fitted->options.n_bootstrap > 0);
}

static int fit_candidate(candidate *fitted, const fgm_data *data, const fgm_options *options, int marginals, uint64_t seed, fgm_fault *fault) {
    FGM_TRY(prepare_candidate(fitted, data, options, marginals, seed, fault));
    return fit_classes(&fitted->fits);
}

static void release_candidate(candidate *fitted) {
    fgm_release(fitted->scores);
    release_fits(&fitted->fits);
    fgm_prepared_release(&fitted->prepared);
    memset(fitted, 0, sizeof *fitted);
}

/* Whether one Gaussian for each class is what was chosen: then the columns need no other map. */
static bool is_gaussian(const candidate *fitted) {
    for (int c = 0; fitted->prepared.d > 0 && c < fitted->fits.model.n_classes; ++c) {
        if (fitted->fits.model.mixtures[c].n_components > 1) return false;
    }
    return true;
}

/* Jarque and Bera's (1980) statistic of one column: from its skewness and kurtosis, chi-squared of two degrees of freedom where it is normal. */
static double normality(fgm_samples rows, int column) {
    const double *values = rows.columns + column * rows.stride;
    double total = 0.0, mean = 0.0, second = 0.0, third = 0.0, fourth = 0.0;
    for (int64_t i = 0; i < rows.n; ++i) {
        double weight = rows.weights ? rows.weights[i] : 1.0;
        total += weight;
        mean += weight * values[i];
    }
    mean /= total;
    for (int64_t i = 0; i < rows.n; ++i) {
        double weight = rows.weights ? rows.weights[i] : 1.0, centred = values[i] - mean, square = centred * centred;
        second += weight * square;
        third += weight * square * centred;
        fourth += weight * square * square;
    }
    double variance = second / total;
    if (!(variance > 0.0)) return 0.0;
    double skewness = third / total / (variance * sqrt(variance)), excess = fourth / total / (variance * variance) - 3.0;
    return fgm_effective_samples(rows) / 6.0 * (skewness * skewness + 0.25 * excess * excess);
}

/* Whether every column looks normal within every class: one Gaussian may be chosen because the rows are too few for more. */
static bool looks_normal(const fgm_prepared *prepared) {
    for (int c = 0; c < prepared->classes.n; ++c) {
        for (int j = 0; j < prepared->d; ++j) {
            if (normality(fgm_class_rows(prepared, c), j) > NOT_NORMAL) return false;
        }
    }
    return true;
}

/* More rows than these hardly change which map is best. */
static int64_t map_rows(const fgm_data *data) { return MAP_ROWS + MAP_ROWS / 2 * ((int64_t)data->x.d + data->y.d); }

/* Whether one multivariate t distribution may stand for all components, of which it takes a few dozen in their turn. */
static bool may_studentize(const fgm_data *data, const fgm_options *options) {
    return !data->x.labels && !data->y.labels && options->n_components == 0 && options->max_components >= STUDENT_COMPONENTS;
}

static int find_scores(candidate *fitted) {
    fgm_samples rows = fitted->prepared.samples;
    fitted->scores = fgm_allocate((size_t)rows.n);
    if (!fitted->scores) return FGM_ERROR_MEMORY;
    FGM_TRY(fgm_cross_fit(&fitted->prepared, &fitted->fits.model, &fitted->across, fitted->scores));
    fitted->score = fgm_weighted_mean(rows, fitted->scores);
    return FGM_OK;
}

/* About the value under one map: an integral over the model is too large by about as much as the mean over the data is. */
static int find_rough_value(candidate *fitted, double *value) {
    const fgm_prepared *prepared = &fitted->prepared;
    fgm_moments moments;
    FGM_TRY(fgm_find_moments(&fitted->fits.model, &prepared->layout, prepared->samples, prepared->classes.first, &moments));
    *value = average_without_bias(fitted->options.n_folds, moments.mean, fitted->across);
    if (fitted->options.integral == FGM_INTEGRAL_DATA) return FGM_OK;
    FGM_TRY(integrate_fits(&fitted->fits, moments.deviation));
    *value += fitted->fits.plug_in - moments.mean;
    return FGM_OK;
}

/* How far the value scatters over maps, by the odds that each is the best (Buckland, Burnham and Augustin 1997). */
static int find_spread(candidate *tried, int n_tried, int best, double *spread) {
    double odds[N_MAPS], values[N_MAPS], total = 0.0, mean = 0.0, square = 0.0;
    int n_likely = 0;
    *spread = 0.0;
    for (int i = 0; i < n_tried; ++i) {
        odds[i] = i == best ? 1.0 : fgm_odds(tried[best].prepared.samples, tried[i].scores, tried[best].scores);
        if (odds[i] < UNLIKELY) odds[i] = 0.0;
        n_likely += odds[i] > 0.0;
    }
    if (n_likely < 2) return FGM_OK;
    for (int i = 0; i < n_tried; ++i) {
        if (odds[i] == 0.0) continue;
        FGM_TRY(find_rough_value(&tried[i], &values[i]));
        total += odds[i];
        mean += odds[i] * values[i];
    }
    mean /= total;
    for (int i = 0; i < n_tried; ++i) square += odds[i] > 0.0 ? odds[i] * (values[i] - mean) * (values[i] - mean) : 0.0;
    *spread = sqrt(square / total);
    return FGM_OK;
}

/* Scores of the t distribution whose degrees of freedom are known roughly, from columns that are normal scores already. */
static int find_rough_student_scores(const candidate *gaussianized, double *scores /* (n) */) {
    fgm_prepared rough = gaussianized->prepared;
    fgm_model model = {0};
    fgm_samples from = rough.samples;
    double across, *columns = fgm_allocate((size_t)from.n * (size_t)from.d);
    if (!columns) return FGM_ERROR_MEMORY;
    rough.samples.columns = columns;
    rough.samples.stride = from.n;
    int status = fgm_student_fit_roughly(from, &rough.student);
    for (int j = 0; status == FGM_OK && j < from.d; ++j) {
        status = fgm_student_scores(rough.student.freedom, from.n, from.columns + j * from.stride, columns + j * from.n);
    }
    if (status == FGM_OK) status = fgm_model_allocate(&model, rough.classes.n, rough.d, rough.classes.labels);
    if (status == FGM_OK) {
        fgm_model_set_probabilities(&model, rough.samples, rough.classes.first, gaussianized->options.equal_classes);
        status = fgm_student_mixture(&rough.student, gaussianized->options.max_components, &model.mixtures[0]);
    }
    if (status == FGM_OK) status = fgm_cross_fit(&rough, &model, &across, scores);
    fgm_model_release(&model);
    fgm_student_release(&rough.student);
    fgm_release(columns);
    return status;
}

/* Whether held-out rows are described so much better by the best of the free maps that Student's t, fitted roughly, need not be fitted well. */
static int is_hopeless(const candidate *gaussianized, const candidate *best, bool *hopeless) {
    fgm_samples rows = best->prepared.samples;
    double *scores = fgm_allocate((size_t)rows.n);
    int status = scores ? find_rough_student_scores(gaussianized, scores) : FGM_ERROR_MEMORY;
    *hopeless = status == FGM_OK && fgm_odds(rows, scores, best->scores) < HOPELESS;
    fgm_release(scores);
    return status;
}

static const int maps[N_MAPS] = {FGM_MARGINALS_STANDARDIZE, FGM_MARGINALS_GAUSSIANIZE, FGM_MARGINALS_STUDENTIZE};

#define N_FREE_MAPS 2 /* the first ones, whose components are free */

typedef struct map_trials {
    candidate *tried; /* (N_MAPS): of standardised columns prepared, perhaps fitted */
    const fgm_data *data;
    const fgm_options *options;
    uint64_t seed;
    bool first_is_fitted;
    int status[N_FREE_MAPS];
    fgm_fault faults[N_FREE_MAPS];
} map_trials;

static int try_map(void *task_data, int64_t index, int is_caller) {
    map_trials *all = task_data;
    candidate *fitted = &all->tried[index];
    int status = FGM_OK;
    (void)is_caller;
    if (index > 0) status = prepare_candidate(fitted, all->data, all->options, maps[index], all->seed, &all->faults[index]);
    if (status == FGM_OK && !(index == 0 && all->first_is_fitted)) status = fit_classes(&fitted->fits);
    all->status[index] = status == FGM_OK ? find_scores(fitted) : status;
    return FGM_OK;
}

/* Fits under every map that may be the best. Where one Gaussian is enough, and not for want of rows, columns are only standardised. */
static int try_maps(candidate *tried /* (N_MAPS) */, int *n_tried, int *best, const fgm_data *data, const fgm_options *options, uint64_t seed,
                    fgm_fault *fault) {
    map_trials all = {.tried = tried, .data = data, .options = options, .seed = seed};
    *best = 0;
    *n_tried = 1;
    FGM_TRY(prepare_candidate(&tried[0], data, options, maps[0], seed, fault));
    all.first_is_fitted = options->n_components == 1 || looks_normal(&tried[0].prepared); /* alone, as nothing else may be needed */
    if (all.first_is_fitted) FGM_TRY(fit_classes(&tried[0].fits));
    if (all.first_is_fitted && is_gaussian(&tried[0])) return FGM_OK;
    FGM_TRY(fgm_run(options, N_FREE_MAPS, INFINITY, try_map, &all));
    for (int i = 0; i < N_FREE_MAPS; ++i) {
        if (all.status[i] != FGM_OK && i > 0) *fault = all.faults[i];
        FGM_TRY(all.status[i]);
        if (tried[i].score > tried[*best].score) *best = i;
    }
    *n_tried = N_FREE_MAPS;
    if (!may_studentize(data, options) || is_gaussian(&tried[*best])) return FGM_OK;
    candidate *student = &tried[N_FREE_MAPS];
    bool hopeless;
    int status = is_hopeless(&tried[1], &tried[*best], &hopeless);
    if (status == FGM_OK && hopeless) return FGM_OK;
    if (status == FGM_OK) status = fit_candidate(student, data, options, maps[N_FREE_MAPS], seed, fault);
    if (status == FGM_OK) status = find_scores(student);
    if (status == FGM_ERROR_NOT_POSITIVE_DEFINITE) return FGM_OK; /* there is no such distribution: the caller releases what there is of it */
    FGM_TRY(status);
    if (student->score > tried[*best].score) *best = N_FREE_MAPS;
    ++*n_tried;
    return FGM_OK;
}

/* The fits under the best of standardised columns, normal scores and those of Student's t, by their scores on held-out rows; and how far the value
 * depends on that, where it is asked for. */
static int compare_maps(candidate *best, const fgm_data *data, const fgm_options *options, uint64_t seed, double *spread, fgm_fault *fault) {
    candidate tried[N_MAPS] = {0};
    int n_tried, chosen;
    int status = try_maps(tried, &n_tried, &chosen, data, options, seed, fault);
    if (status == FGM_OK && spread) status = find_spread(tried, n_tried, chosen, spread);
    if (status == FGM_OK) {
        *best = tried[chosen];
        memset(&tried[chosen], 0, sizeof *tried);
        best->prepared.settings.options = &best->options; /* after the move: its parts know each other by address */
        best->fits.prepared = &best->prepared;
    }
    for (int i = 0; i < N_MAPS; ++i) release_candidate(&tried[i]);
    return status;
}

/* The best map of a random sample of the rows. Where that cannot be fitted, all of them may, or they say better what is wrong. */
static int find_map(const fgm_data *data, const fgm_options *options, uint64_t seed, int *map) {
    fgm_data sample = *data;
    candidate fitted = {0};
    fgm_fault fault;
    double *weights = fgm_allocate((size_t)data->n);
    if (!weights) return FGM_ERROR_MEMORY;
    sample.sample_weight = weights;
    fgm_options fewer = *options;
    fewer.n_bootstrap = 0; /* nothing is kept for replicates */
    if (fewer.n_folds > MAP_FOLDS) fewer.n_folds = MAP_FOLDS;
    int status = fgm_thin_out(data, options, map_rows(data), seed, weights);
    if (status == FGM_OK) status = compare_maps(&fitted, &sample, &fewer, seed, NULL, &fault);
    *map = status == FGM_OK ? fitted.options.marginals : FGM_MARGINALS_STANDARDIZE;
    release_candidate(&fitted);
    fgm_release(weights);
    return status == FGM_ERROR_MEMORY || status == FGM_ERROR_CANCELLED ? status : FGM_OK;
}

/* Where rows are many, the map is chosen on a sample of them; but columns that all look normal are looked at as they are first. */
static int fit_best_map(candidate *fitted, const fgm_data *data, const fgm_options *options, uint64_t seed, double *spread, fgm_fault *fault) {
    bool is_pair = data->quantity == FGM_QUANTITY_INFORMATION && data->given.d == 0 && !data->given.labels && data->x.d + data->y.d > 0;
    if (!is_pair) return fit_candidate(fitted, data, options, FGM_MARGINALS_STANDARDIZE, seed, fault);
    if (fgm_count_present(data) <= map_rows(data)) return compare_maps(fitted, data, options, seed, spread, fault);
    FGM_TRY(prepare_candidate(fitted, data, options, FGM_MARGINALS_STANDARDIZE, seed, fault));
    bool is_fitted = looks_normal(&fitted->prepared);
    if (is_fitted) FGM_TRY(fit_classes(&fitted->fits));
    if (is_fitted && is_gaussian(fitted)) return FGM_OK;
    int map;
    FGM_TRY(find_map(data, options, seed, &map));
    if (map == FGM_MARGINALS_STANDARDIZE) return is_fitted ? FGM_OK : fit_classes(&fitted->fits);
    release_candidate(fitted);
    return fit_candidate(fitted, data, options, map, seed, fault);
}

static int estimate(candidate *fitted, uint64_t seed, fgm_result *result) {
    fgm_result complete;
    double *memory = NULL;
    int64_t n_bootstrap = fitted->options.n_bootstrap;
    FGM_TRY(evaluate_fits(&fitted->fits, result));
    int status = complete_result(result, fitted->prepared.d, n_bootstrap, &complete, &memory);
    if (status == FGM_OK) {
        export_result(&fitted->fits, &complete);
        status = run_exported(&fitted->prepared, seed, fitted->fits.trials, complete.class_components, complete.weights, complete.means,
                              complete.covariances, 0, n_bootstrap, complete.bootstrap, complete.centres);
    }
    if (status == FGM_OK && fitted->options.error == FGM_ERROR_BY_DELTA) {
        result->value = result->corrected;
        result->n_failed = 0;
        add_what_replicates_miss(result);
    } else if (status == FGM_OK) {
        status = fgm_finish(complete.bootstrap, complete.centres, n_bootstrap, result);
    }
    fgm_release(memory);
    return status;
}

typedef struct information_job {
    const fgm_data *data;
    uint64_t seed;
    fgm_result *result;
} information_job;

static int find_information(const fgm_options *options, void *job_data) {
    information_job *job = job_data;
    fgm_result *result = job->result;
    candidate fitted = {0};
    fgm_fault fault = {-1, -1};
    fgm_data grouped;
    int32_t *groups;
    result->marginals_error = 0.0;
    int status = take_copies_together(job->data, &grouped, &groups, &result->n_copies);
    if (status == FGM_OK && options->marginals == FGM_MARGINALS_AUTO) {
        status = fit_best_map(&fitted, &grouped, options, job->seed, &result->marginals_error, &fault);
    } else if (status == FGM_OK) {
        status = fit_candidate(&fitted, &grouped, options, options->marginals, job->seed, &fault);
    }
    free(groups);
    result->fault_column = fault.column;
    result->fault_variable = fault.variable;
    if (status == FGM_OK) status = estimate(&fitted, job->seed, result);
    release_candidate(&fitted);
    return status;
}

static int64_t columns_of(const fgm_data *data) { return (int64_t)data->x.d + data->y.d + data->given.d; }

int fgm_information(const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result) {
    if (result->size != sizeof *result || options->size != sizeof *options) return FGM_ERROR_VERSION;
    information_job job = {data, seed, result};
    return fgm_with_crew(options, work_of_job(data->n, columns_of(data), options), find_information, &job);
}

typedef struct range_job {
    const fgm_data *data;
    uint64_t seed;
    const int32_t *class_components;
    const double *weights, *means, *covariances;
    int64_t first, count;
    double *bootstrap, *centres;
} range_job;

static int find_range(const fgm_options *options, void *job_data) {
    range_job *job = job_data;
    fgm_data grouped;
    fgm_prepared prepared = {0};
    fgm_fault fault;
    int32_t *groups;
    int64_t n_copies;
    int status = take_copies_together(job->data, &grouped, &groups, &n_copies);
    if (status == FGM_OK) status = fgm_prepare(&prepared, &grouped, options, job->seed, &fault);
    free(groups);
    FGM_TRY(status);
    class_fits fits = {0};
    if (job->count > 0 &&
        any_reselects(&prepared)) { /* what replicates choose from is not handed over: it comes out of the search with the same bits */
        status = allocate_fits(&fits, &prepared, job->seed, true);
        if (status == FGM_OK) status = fit_classes(&fits);
    }
    if (status == FGM_OK) {
        status = run_exported(&prepared, job->seed, fits.trials, job->class_components, job->weights, job->means, job->covariances, job->first,
                              job->count, job->bootstrap, job->centres);
    }
    release_fits(&fits);
    fgm_prepared_release(&prepared);
    return status;
}

int fgm_information_range(const fgm_data *data, const fgm_options *options, uint64_t seed, const int32_t *class_components, const double *weights,
                          const double *means, const double *covariances, int64_t first, int64_t count, double *bootstrap, double *centres) {
    if (options->size == sizeof *options && options->marginals == FGM_MARGINALS_AUTO) return FGM_ERROR_OPTION;
    range_job job = {data, seed, class_components, weights, means, covariances, first, count, bootstrap, centres};
    return fgm_with_crew(options, work_of_job(data->n, columns_of(data), options), find_range, &job);
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
    bool may_be_student = options->marginals == FGM_MARGINALS_STUDENTIZE || options->marginals == FGM_MARGINALS_AUTO;
    if (may_be_student && options->n_components == 0 && *n_components < options->max_components) *n_components = options->max_components;
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
