/* The bootstrap (Efron 1979): the same fit under random weights, many times.
 *
 * A replicate gives each row, or each group of rows, a Poisson(1) weight, drawn from its number and the replicate's alone: the multinomial
 * bootstrap but for the total, by which every statistic is divided (Hanley and MacGibbon 2006). So any range of replicates can be computed anywhere.
 * The 37% of rows with weight zero are left out. A replicate starts from the fit to all the data, or, where its weights choose another number of
 * components (fgm_trials_choose), from the fit with that number.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_OF_ONE 512  /* from which on a replicate of one component draws its rows in its pass: a covariance needs no counting of those drawn */
#define LOOK_AT_ONCE 1e9 /* work after which a monitor looks */
#define PASSES 10        /* of a replicate of several components, about */
#define WORK_BESIDES 2000.0 /* its passes, in terms of densities */
#define CHOSEN 0.6     /* share of the estimate with the numbers that replicates choose; of that with the given number, the rest */
#define SCATTERED 0.85 /* share that the choice has in how far a replicate is off: what goes into the value scatters less than one choice */

/* The numbers of components that a replicate is fitted with. */
enum { DRAWN, CAUTIOUS, GIVEN, RULES }; /* chosen by its weights; the same by the cautious; that of the fit to all the data */

/* The rows that a replicate draws. */
typedef struct replicate {
    int64_t n;      /* rows of positive weight */
    double *memory; /* of what follows */
    double *columns; /* (d, n) */
    double *weights; /* (n) */
    uint32_t *rows;  /* (n): their places in the prepared data */
    uint32_t *groups; /* (n), or NULL where each row is its own group */
    int64_t *first;  /* (n_classes + 1): runs of the classes */
    bool is_drawn_in_passes; /* then nothing is kept, and rows are all rows */
} replicate;

/* Weights of all rows. A row's goes by its number in the data, so that jobs on the same rows with the same seed draw the same rows, whatever the
 * columns and labels: then replicates of different jobs can be compared. */
static void draw_all_weights(const fgm_prepared *prepared, uint64_t key, double *weights /* (n) */, double *by_number /* (n): overwritten */) {
    int64_t n = prepared->n;
    double *drawn = prepared->draws ? by_number : weights;
    for (int64_t first = 0; first < n; first += FGM_DRAWN_AT_ONCE) {
        fgm_get_kernels()->draw_weights(key, first, n - first < FGM_DRAWN_AT_ONCE ? (int)(n - first) : FGM_DRAWN_AT_ONCE, drawn + first);
    }
    for (int64_t i = 0; prepared->draws && i < n; ++i) weights[i] = drawn[prepared->draws[i]];
}

/* Places and weights of the rows drawn, class by class. */
static void keep_drawn(const fgm_prepared *prepared, replicate *drawn) {
    const fgm_classes *classes = &prepared->classes;
    const double *sample_weights = prepared->samples.weights;
    double *weights = drawn->weights;
    drawn->n = 0;
    for (int c = 0; c < classes->n; ++c) {
        drawn->first[c] = drawn->n;
        for (int64_t i = classes->first[c]; i < classes->first[c + 1]; ++i) {
            double weight = sample_weights ? weights[i] * sample_weights[i] : weights[i];
            drawn->rows[drawn->n] = (uint32_t)i;
            weights[drawn->n] = weight;
            drawn->n += weight > 0.0;
        }
    }
    drawn->first[classes->n] = drawn->n;
}

static int draw_rows(const fgm_bootstrap *bootstrap, uint64_t key, replicate *drawn) {
    const fgm_prepared *prepared = bootstrap->prepared;
    bool has_groups = prepared->samples.groups != NULL;
    size_t n = (size_t)prepared->n, d = (size_t)(prepared->d > 0 ? prepared->d : 1); /* a table draws too */
    size_t places = (n * (has_groups ? 2 : 1) * sizeof(uint32_t) + sizeof(double) - 1) / sizeof(double);
    drawn->memory = fgm_allocate(n * (1 + d) + (size_t)(prepared->classes.n + 1) + places);
    if (!drawn->memory) return FGM_ERROR_MEMORY;
    drawn->columns = drawn->memory;
    drawn->weights = drawn->columns + n * d;
    drawn->first = (int64_t *)(drawn->weights + n);
    drawn->rows = (uint32_t *)(drawn->first + prepared->classes.n + 1);
    draw_all_weights(prepared, key, drawn->weights, drawn->columns);
    keep_drawn(prepared, drawn);
    if (!has_groups) return FGM_OK;
    drawn->groups = drawn->rows + n;
    for (int64_t i = 0; i < drawn->n; ++i) drawn->groups[i] = prepared->samples.groups[drawn->rows[i]];
    return FGM_OK;
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

/* Whether rows may be drawn in every pass and never kept: then a replicate of many rows takes no memory, and one component, which needs one pass,
 * less time. Some jobs need them otherwise than row by row. */
static bool may_draw_in_passes(const fgm_bootstrap *bootstrap) {
    const fgm_prepared *prepared = bootstrap->prepared;
    bool are_kept = prepared->ranks || prepared->samples.groups || bootstrap->options->integral == FGM_INTEGRAL_DATA;
    return !are_kept && prepared->d > 0 && prepared->classes.n == 1 && prepared->student.freedom == 0.0;
}

static bool is_drawn_in_passes(const fgm_bootstrap *bootstrap, const int16_t *numbers) {
    int n_components = bootstrap->model->mixtures[0].n_components;
    if (!bootstrap->by_number.columns) return false;
    bool is_single = n_components == 1 && (!numbers || (numbers[DRAWN] <= 1 && numbers[CAUTIOUS] <= 1));
    return is_single || (bootstrap->prepared->n >= FGM_MANY_ROWS && !bootstrap->trials && n_components < FGM_CROWD);
}

/* All rows in the order in which replicates draw them, which are copies where they stand in another; NULL where none will be drawn in passes. */
static int sort_by_number(fgm_bootstrap *bootstrap, double **copies) {
    const fgm_prepared *prepared = bootstrap->prepared;
    fgm_samples from = prepared->samples, *to = &bootstrap->by_number;
    int64_t n = prepared->n;
    *copies = NULL;
    *to = (fgm_samples){0};
    if (!may_draw_in_passes(bootstrap) || n < ROWS_OF_ONE) return FGM_OK;
    if (prepared->draws && bootstrap->model->mixtures[0].n_components > 1) return FGM_OK;
    *to = from;
    if (!prepared->draws) return FGM_OK;
    int n_columns = from.weights ? from.d + 1 : from.d;
    *copies = fgm_allocate((size_t)n * (size_t)n_columns);
    if (!*copies) return FGM_ERROR_MEMORY;
    for (int j = 0; j < n_columns; ++j) {
        const double *column = j < from.d ? from.columns + j * from.stride : from.weights;
        for (int64_t i = 0; i < n; ++i) (*copies)[j * n + prepared->draws[i]] = column[i];
    }
    *to = (fgm_samples){n, n, from.d, *copies, from.weights ? *copies + from.d * n : NULL, NULL};
    return FGM_OK;
}

static int draw_replicate(const fgm_bootstrap *bootstrap, uint64_t key, replicate *drawn) {
    if (drawn->is_drawn_in_passes) {
        drawn->memory = fgm_allocate(2);
        if (!drawn->memory) return FGM_ERROR_MEMORY;
        drawn->first = (int64_t *)drawn->memory;
        drawn->first[0] = 0;
        drawn->n = drawn->first[1] = bootstrap->prepared->n;
        return FGM_OK;
    }
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
static int refit(const fgm_mixture *from, const fgm_curvature *curvature, const fgm_fit_settings *settings, const fgm_training *training,
                 fgm_monitor *monitor, fgm_mixture *mixture) {
    int k = from->n_components;
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, k, from->d));
    int status = fgm_mixture_allocate(mixture, k, from->d);
    if (status == FGM_OK) {
        fgm_mixture_copy(mixture, from);
        status = fgm_refit(fitter, training, settings, curvature, monitor, mixture);
        if (status != FGM_OK) fgm_mixture_release(mixture);
    }
    fgm_fitter_destroy(fitter);
    return status;
}

/* One replicate at work. */
typedef struct replicate_fit {
    const fgm_bootstrap *bootstrap;
    const replicate *drawn;
    fgm_samples samples; /* the rows drawn; all rows where they are drawn in passes */
    uint64_t key;
    const int16_t *numbers; /* (2, n_classes): drawn and cautious; NULL: that given */
    double gain;            /* of the fits to all the data with the numbers drawn, over the plug-in */
    fgm_monitor *monitor;
    double *within; /* (d(d+1)/2) covariance within classes of the rows drawn */
    fgm_model model;
    double student_information; /* where columns are scores of Student's t */
} replicate_fit;

static int number_of(const replicate_fit *fit, int class, int rule) {
    bool is_chosen = fit->numbers && rule != GIVEN && fit->bootstrap->trials[class].n > 0;
    return is_chosen ? fit->numbers[rule * fit->model.n_classes + class] : fit->bootstrap->model->mixtures[class].n_components;
}

static bool same_numbers(const replicate_fit *fit, int rule, int other) {
    for (int c = 0; c < fit->model.n_classes; ++c) {
        if (number_of(fit, c, rule) != number_of(fit, c, other)) return false;
    }
    return true;
}

static int fit_drawn_class(replicate_fit *fit, int class, int rule) {
    const fgm_bootstrap *bootstrap = fit->bootstrap;
    const fgm_prepared *prepared = bootstrap->prepared;
    const fgm_mixture *whole = &bootstrap->model->mixtures[class];
    fgm_samples rows = fgm_rows(fit->samples, fit->drawn->first[class], fit->drawn->first[class + 1]);
    fgm_mixture *mixture = &fit->model.mixtures[class];
    fgm_mixture_release(mixture);
    if (fgm_is_small_class(prepared, class) || rows.n < prepared->d + 2) {
        return fgm_small_class_mixture(mixture, rows, fit->within, prepared->settings.floor);
    }
    fgm_fit_settings settings;
    fgm_class_settings(prepared, class, &settings);
    int number = number_of(fit, class, rule);
    fgm_training training = fit->drawn->is_drawn_in_passes ? fgm_training_of_draws(rows, fit->key, number == 1) : fgm_training_of(rows);
    if (number == whole->n_components) return refit(whole, &bootstrap->curvatures[class], &settings, &training, fit->monitor, mixture);
    const fgm_trials *trials = &bootstrap->trials[class];
    return refit(&trials->fits[number - 1], &trials->curvatures[number - 1], &settings, &training, fit->monitor, mixture);
}

static int fit_student(replicate_fit *fit) {
    const fgm_prepared *prepared = fit->bootstrap->prepared;
    fgm_student student = {0};
    FGM_TRY(fgm_student_fit(fit->samples, &prepared->student, &student));
    int status = fgm_student_information(&student, &prepared->layout, &fit->student_information);
    fgm_student_release(&student);
    return status;
}

static int fit_drawn(replicate_fit *fit) {
    const fgm_prepared *prepared = fit->bootstrap->prepared;
    if (prepared->student.freedom > 0.0) return fit_student(fit);
    FGM_TRY(fgm_model_allocate(&fit->model, prepared->classes.n, prepared->d, prepared->classes.labels));
    fgm_model_set_probabilities(&fit->model, fit->samples, fit->drawn->first, prepared->settings.options->equal_classes);
    fit->within = fgm_allocate(FGM_TRIANGLE((size_t)prepared->d));
    if (!fit->within) return FGM_ERROR_MEMORY;
    if (prepared->classes.n > 1) fgm_within_covariance(fit->samples, fit->drawn->first, prepared->classes.n, fit->within);
    for (int c = 0; prepared->d > 0 && c < fit->model.n_classes; ++c) {
        if (fit->model.probabilities[c] > 0.0) FGM_TRY(fit_drawn_class(fit, c, DRAWN));
    }
    return FGM_OK;
}

static int integrate(const replicate_fit *fit, double *value) {
    const fgm_bootstrap *bootstrap = fit->bootstrap;
    double error;
    if (bootstrap->prepared->student.freedom > 0.0) {
        *value = fit->student_information;
        return FGM_OK;
    }
    if (bootstrap->options->integral == FGM_INTEGRAL_DATA) {
        fgm_moments moments;
        FGM_TRY(fgm_find_moments(&fit->model, &bootstrap->prepared->layout, fit->samples, fit->drawn->first, &moments));
        *value = moments.mean + bootstrap->log_volume;
        return FGM_OK;
    }
    FGM_TRY(fgm_integrate_model(&fit->model, &bootstrap->prepared->layout, bootstrap->integration_tol, bootstrap->integration_work, bootstrap->seed,
                                value, &error));
    *value += bootstrap->log_volume;
    return FGM_OK;
}

/* Classes that another rule gives other numbers of components are fitted anew. */
static int change_numbers(replicate_fit *fit, int from, int to) {
    for (int c = 0; c < fit->model.n_classes; ++c) {
        if (fit->model.probabilities[c] > 0.0 && number_of(fit, c, from) != number_of(fit, c, to)) FGM_TRY(fit_drawn_class(fit, c, to));
    }
    return FGM_OK;
}

/* The estimate from mixtures fitted to the rows drawn, with the number of components chosen anew where that is asked for, and its centre. */
static int estimate_replicate(replicate_fit *fit, double *value, double *centre) {
    double values[RULES];
    FGM_TRY(fit_drawn(fit));
    FGM_TRY(integrate(fit, value));
    *centre = *value;
    if (fit->bootstrap->options->integral == FGM_INTEGRAL_DATA || !fit->numbers) return FGM_OK; /* an integral over the data knows its bias */
    values[DRAWN] = *value;
    for (int rule = DRAWN + 1, fitted = DRAWN; rule < RULES; ++rule) {
        int same = DRAWN;
        while (!same_numbers(fit, rule, same)) ++same;
        if (same == rule) {
            FGM_TRY(change_numbers(fit, fitted, rule));
            FGM_TRY(integrate(fit, &values[rule]));
            fitted = rule;
        } else {
            values[rule] = values[same];
        }
    }
    if (!fit->bootstrap->gains) {
        *centre = 0.5 * (values[CAUTIOUS] + values[GIVEN]);
        return FGM_OK;
    }
    *value = values[GIVEN] + SCATTERED * (values[DRAWN] - values[GIVEN]);
    *centre = values[GIVEN] + CHOSEN * (values[CAUTIOUS] - values[GIVEN] - 2.0 * fit->gain);
    return FGM_OK;
}

/* A sample that must be fitted for itself needs rows enough for a covariance. */
static bool can_be_fitted(const fgm_prepared *prepared, const replicate *drawn) {
    bool alone = prepared->classes.n == 1 || fgm_is_divergence(&prepared->layout);
    for (int c = 0; alone && c < prepared->classes.n; ++c) {
        if (drawn->first[c + 1] - drawn->first[c] < prepared->d + 2) return false;
    }
    return drawn->n > 0;
}

static int run_replicate(void *task_data, int64_t index, int is_caller) {
    fgm_bootstrap *bootstrap = task_data;
    fgm_monitor monitor = fgm_monitor_start(bootstrap->options, &bootstrap->done, bootstrap->count, is_caller);
    uint64_t key = fgm_stream(bootstrap->seed, FGM_STREAM_BOOTSTRAP, (uint64_t)(bootstrap->first + index));
    const int16_t *numbers = bootstrap->numbers ? bootstrap->numbers + index * 2 * bootstrap->model->n_classes : NULL;
    replicate drawn = {.is_drawn_in_passes = is_drawn_in_passes(bootstrap, numbers)};
    int status = draw_replicate(bootstrap, key, &drawn);
    double value = NAN, centre = NAN;
    if (status == FGM_OK && can_be_fitted(bootstrap->prepared, &drawn)) {
        fgm_samples samples = {drawn.n, drawn.n, bootstrap->prepared->d, drawn.columns, drawn.weights, drawn.groups};
        if (drawn.is_drawn_in_passes) samples = bootstrap->by_number;
        replicate_fit fit = {.bootstrap = bootstrap, .drawn = &drawn, .samples = samples, .key = key, .numbers = numbers, .monitor = &monitor};
        if (bootstrap->gains) fit.gain = bootstrap->gains[index];
        status = estimate_replicate(&fit, &value, &centre);
        fgm_release(fit.within);
        fgm_model_release(&fit.model);
        if (status == FGM_ERROR_NOT_POSITIVE_DEFINITE) {
            status = FGM_OK;
            value = centre = NAN;
        }
    }
    fgm_release(drawn.memory);
    bootstrap->values[index] = value;
    bootstrap->centres[index] = centre;
#if defined(__GNUC__)
    __atomic_fetch_add(&bootstrap->done, 1, __ATOMIC_RELAXED);
#else
    bootstrap->done += 1; /* only shown as progress: a lost count does no harm */
#endif
    return status == FGM_OK ? fgm_monitor_add(&monitor, LOOK_AT_ONCE) : status;
}

/* ---- the numbers of components ------------------------------------------------------------------------------------------------- */

/* What a replicate's weights choose. */
static int choose_numbers(void *task_data, int64_t index, int is_caller) {
    fgm_bootstrap *bootstrap = task_data;
    const fgm_prepared *prepared = bootstrap->prepared;
    const double *sample_weights = prepared->samples.weights;
    uint64_t key = fgm_stream(bootstrap->seed, FGM_STREAM_BOOTSTRAP, (uint64_t)(bootstrap->first + index));
    int n_classes = bootstrap->model->n_classes;
    fgm_monitor monitor = fgm_monitor_start(bootstrap->options, &bootstrap->done, bootstrap->count, is_caller);
    double *weights = fgm_allocate(2 * (size_t)prepared->n);
    if (!weights) return FGM_ERROR_MEMORY;
    draw_all_weights(prepared, key, weights, weights + prepared->n);
    for (int64_t i = 0; sample_weights && i < prepared->n; ++i) weights[i] *= sample_weights[i];
    int16_t *drawn = bootstrap->numbers + (index * 2 + DRAWN) * n_classes, *cautious = bootstrap->numbers + (index * 2 + CAUTIOUS) * n_classes;
    for (int c = 0; c < n_classes; ++c) {
        const fgm_trials *trials = &bootstrap->trials[c];
        int numbers[2] = {0, 0};
        if (trials->n > 0) fgm_trials_choose(trials, weights + prepared->classes.first[c], &numbers[0], &numbers[1]);
        drawn[c] = (int16_t)numbers[0];
        cautious[c] = (int16_t)numbers[1];
    }
    fgm_release(weights);
    return fgm_monitor_add(&monitor, LOOK_AT_ONCE);
}

/* Fits to all the data that replicates ask for, other than those at hand. */
typedef struct other_fits {
    fgm_bootstrap *bootstrap;
    int64_t n;
    int32_t (*wanted)[2]; /* (n): class and number of components */
} other_fits;

static int make_other_fit(void *task_data, int64_t index, int is_caller) {
    other_fits *fits = task_data;
    const fgm_prepared *prepared = fits->bootstrap->prepared;
    int class = fits->wanted[index][0], number = fits->wanted[index][1];
    volatile int64_t nothing_done = 0;
    fgm_monitor monitor = fgm_monitor_start(prepared->settings.options, &nothing_done, fits->bootstrap->count, is_caller);
    fgm_fit_settings settings;
    fgm_class_settings(prepared, class, &settings);
    return fgm_trials_fit(&fits->bootstrap->trials[class], number, fgm_class_rows(prepared, class), &settings, &monitor);
}

static bool is_wanted(const fgm_bootstrap *bootstrap, int class, int number) {
    int n_classes = bootstrap->model->n_classes;
    if (number == bootstrap->model->mixtures[class].n_components) return false;
    for (int64_t i = 0; i < 2 * bootstrap->count; ++i) {
        if (bootstrap->numbers[i * n_classes + class] == number) return true;
    }
    return false;
}

static int make_other_fits(fgm_bootstrap *bootstrap) {
    int n_classes = bootstrap->model->n_classes;
    int64_t most = 0;
    for (int c = 0; c < n_classes; ++c) most += bootstrap->trials[c].n;
    other_fits fits = {.bootstrap = bootstrap, .wanted = malloc((size_t)(most + 1) * sizeof *fits.wanted)};
    if (!fits.wanted) return FGM_ERROR_MEMORY;
    for (int c = 0; c < n_classes; ++c) {
        for (int k = 1; k <= bootstrap->trials[c].n; ++k) {
            if (!is_wanted(bootstrap, c, k)) continue;
            fits.wanted[fits.n][0] = c;
            fits.wanted[fits.n++][1] = k;
        }
    }
    int status = fits.n > 0 ? fgm_run(bootstrap->options, fits.n, INFINITY, make_other_fit, &fits) : FGM_OK;
    free(fits.wanted);
    return status;
}

/* For all replicates, so that fits with other numbers than the one chosen are made once, and only those that are asked for. */
static int find_numbers(fgm_bootstrap *bootstrap) {
    int n_classes = bootstrap->model->n_classes;
    bool is_choice = false;
    for (int c = 0; bootstrap->trials && c < n_classes; ++c) is_choice |= bootstrap->trials[c].n > 1;
    if (!is_choice) return FGM_OK;
    bootstrap->numbers = malloc((size_t)bootstrap->count * 2 * (size_t)n_classes * sizeof *bootstrap->numbers);
    if (!bootstrap->numbers) return FGM_ERROR_MEMORY;
    double work = 0.0;
    for (int c = 0; c < n_classes; ++c) work += (double)bootstrap->trials[c].n_rows * bootstrap->trials[c].n;
    FGM_TRY(fgm_run(bootstrap->options, bootstrap->count, work * (double)bootstrap->count, choose_numbers, bootstrap));
    return make_other_fits(bootstrap);
}

/* Values under fits to all the data, with the numbers of components given and with all that replicates choose, once each. */
typedef struct whole_values {
    const fgm_bootstrap *bootstrap;
    int64_t n;
    int64_t *first; /* (n): the first replicate that chooses these numbers; GIVEN_TO_ALL: those given */
    double *values; /* (n) */
} whole_values;

#define GIVEN_TO_ALL (-1)

static int number_drawn(const fgm_bootstrap *bootstrap, int64_t replicate, int class) {
    bool is_chosen = replicate != GIVEN_TO_ALL && bootstrap->trials[class].n > 0;
    return is_chosen ? bootstrap->numbers[replicate * 2 * bootstrap->model->n_classes + class] : bootstrap->model->mixtures[class].n_components;
}

static bool are_numbers_equal(const fgm_bootstrap *bootstrap, int64_t replicate, int64_t other) {
    for (int c = 0; c < bootstrap->model->n_classes; ++c) {
        if (number_drawn(bootstrap, replicate, c) != number_drawn(bootstrap, other, c)) return false;
    }
    return true;
}

static int integrate_whole(void *task_data, int64_t index, int is_caller) {
    const whole_values *all = task_data;
    const fgm_bootstrap *bootstrap = all->bootstrap;
    fgm_model whole = *bootstrap->model;
    double error;
    (void)is_caller; /* there is nothing to report: it takes no longer than a replicate */
    whole.mixtures = malloc((size_t)whole.n_classes * sizeof *whole.mixtures); /* views of those that there are */
    if (!whole.mixtures) return FGM_ERROR_MEMORY;
    for (int c = 0; c < whole.n_classes; ++c) {
        const fgm_mixture *given = &bootstrap->model->mixtures[c];
        int number = number_drawn(bootstrap, all->first[index], c);
        whole.mixtures[c] = number == given->n_components ? *given : bootstrap->trials[c].fits[number - 1];
    }
    int status = fgm_integrate_model(&whole, &bootstrap->prepared->layout, bootstrap->integration_tol, bootstrap->integration_work, bootstrap->seed,
                                     &all->values[index], &error);
    free(whole.mixtures);
    return status;
}

/* Whether what replicates choose counts in the value. Not where the data have chosen one component: some replicates choose more by chance, none less,
 * and the value would be too large. */
static bool counts_choices(const fgm_bootstrap *bootstrap) {
    bool are_several = false;
    for (int c = 0; c < bootstrap->model->n_classes; ++c) are_several |= bootstrap->model->mixtures[c].n_components > 1;
    return bootstrap->numbers && bootstrap->options->integral != FGM_INTEGRAL_DATA && are_several;
}

/* What the fits to all the data with each replicate's numbers have more than the plug-in. */
static int find_gains(fgm_bootstrap *bootstrap) {
    int64_t count = bootstrap->count, *which = malloc((size_t)(2 * count + 1) * sizeof *which);
    whole_values all = {.bootstrap = bootstrap, .n = 1, .first = which ? which + count : NULL};
    bootstrap->gains = fgm_allocate((size_t)count);
    all.values = fgm_allocate((size_t)count + 1);
    int status = which && bootstrap->gains && all.values ? FGM_OK : FGM_ERROR_MEMORY;
    if (status == FGM_OK) all.first[0] = GIVEN_TO_ALL;
    for (int64_t i = 0; status == FGM_OK && i < count; ++i) {
        which[i] = 0;
        while (which[i] < all.n && !are_numbers_equal(bootstrap, i, all.first[which[i]])) ++which[i];
        if (which[i] == all.n) all.first[all.n++] = i;
    }
    if (status == FGM_OK) status = fgm_run(bootstrap->options, all.n, INFINITY, integrate_whole, &all);
    for (int64_t i = 0; status == FGM_OK && i < count; ++i) bootstrap->gains[i] = all.values[which[i]] - all.values[0];
    free(which);
    fgm_release(all.values);
    return status;
}

int fgm_find_curvatures(const fgm_prepared *prepared, const fgm_model *model, fgm_curvature *curvatures) {
    volatile int64_t nothing_done = 0;
    fgm_monitor monitor = fgm_monitor_start(prepared->settings.options, &nothing_done, prepared->settings.options->n_bootstrap, 1);
    for (int c = 0; model->d > 0 && c < model->n_classes; ++c) {
        if (model->mixtures[c].n_components < 2 || prepared->student.freedom > 0.0) continue;
        fgm_training training = fgm_training_of(fgm_class_rows(prepared, c));
        fgm_fitter *fitter;
        FGM_TRY(fgm_fitter_create(&fitter, model->mixtures[c].n_components, model->d));
        int status = fgm_find_curvature(fitter, &training, &model->mixtures[c], &monitor, &curvatures[c]);
        fgm_fitter_destroy(fitter);
        FGM_TRY(status);
    }
    return FGM_OK;
}

void fgm_release_curvatures(fgm_curvature *curvatures, int n_classes) {
    for (int c = 0; c < n_classes; ++c) fgm_curvature_release(&curvatures[c]);
    free(curvatures);
}

static double work_of_replicates(const fgm_bootstrap *bootstrap) {
    double work = WORK_BESIDES;
    for (int c = 0; c < bootstrap->model->n_classes; ++c) {
        int k = bootstrap->model->mixtures[c].n_components;
        work += (double)(bootstrap->prepared->classes.first[c + 1] - bootstrap->prepared->classes.first[c]) * k * (k > 1 ? PASSES : 1);
    }
    return work * (double)bootstrap->count;
}

int fgm_run_bootstrap(fgm_bootstrap *bootstrap) {
    int n_classes = bootstrap->model->n_classes;
    bootstrap->curvatures = calloc((size_t)n_classes, sizeof *bootstrap->curvatures);
    if (!bootstrap->curvatures) return FGM_ERROR_MEMORY;
    double *copies = NULL;
    int status = fgm_find_curvatures(bootstrap->prepared, bootstrap->model, bootstrap->curvatures);
    if (status == FGM_OK) status = find_numbers(bootstrap);
    if (status == FGM_OK && counts_choices(bootstrap)) status = find_gains(bootstrap);
    if (status == FGM_OK) status = sort_by_number(bootstrap, &copies);
    if (status == FGM_OK) status = fgm_run(bootstrap->options, bootstrap->count, work_of_replicates(bootstrap), run_replicate, bootstrap);
    fgm_release(copies);
    free(bootstrap->numbers);
    fgm_release(bootstrap->gains);
    fgm_release_curvatures(bootstrap->curvatures, n_classes);
    return status;
}
