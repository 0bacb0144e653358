/* How many components: cross-validated log-likelihood, AIC or BIC.
 *
 * For K = 1, 2, ... one fit per fold to the other folds, scored by the mean log-density of the rows left out (their weights counting);
 * AIC and BIC score one fit to all rows by its log-likelihood less (parameters) / n or less (parameters) ln n / (2 n). The search ends when
 * patience further numbers have not beaten the best by least_gain, counted anew after every improvement. The fit to all rows then starts from the
 * folds' fits at the chosen K, of which the one with the highest likelihood of all rows is followed.
 *
 * Rows are in random order, so that folds are runs of rows and a training set is at most two runs: nothing is copied. Copies of a row are one
 * row with a weight, so they never stand on both sides; nor do rows of one group.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDS 64
#define ALWAYS_FOLLOWED 500 /* rows, up to which a fit to the end costs little */
#define USELESS_GAIN 2.0 /* nats for each parameter of a component, four times what one is expected to gain that means nothing */

typedef struct search {
    fgm_samples samples;
    const fgm_fit_settings *settings;
    uint64_t key;
    fgm_monitor *monitor; /* NULL where folds are fitted in parallel: each task has its own */
    int n_folds;          /* 1 for AIC and BIC: nothing is left out */
    int n_components;     /* being tried */
    int attempt;          /* starting point being tried, or FGM_BEST_START */
    fgm_mixture latest[MAX_FOLDS], best[MAX_FOLDS];
    double held_out[MAX_FOLDS], held_out_weight[MAX_FOLDS];
    double trained[MAX_FOLDS]; /* objective of the latest fit */
    bool one_is_best;          /* so far: the data look like one Gaussian */
} search;

/* Trains on all but one fold and scores that one. */
static int fit_fold(search *state, int fold, fgm_fitter *fitter, fgm_monitor *monitor) {
    int64_t n = state->samples.n, first = fgm_fold_start(state->samples, fold, state->n_folds);
    int64_t last = fgm_fold_start(state->samples, fold + 1, state->n_folds);
    bool left_out = state->n_folds > 1;
    fgm_training training = left_out ? fgm_training_without(state->samples, first, last) : fgm_training_of(state->samples);
    fgm_mixture fitted, *previous = state->n_components > 1 ? &state->latest[fold] : NULL; /* for "split" */
    fgm_fit_outcome outcome;
    /* Along the ridges of a Gaussian's likelihood under more components, a fit that gains no more than this is not worth following to the end. */
    double useless = USELESS_GAIN * FGM_PACK_STRIDE(state->samples.d) / training.total_weight;
    bool gives_up = previous && state->one_is_best && n > ALWAYS_FOLLOWED;
    double worth = gives_up ? state->trained[fold] + useless : -INFINITY;
    FGM_TRY(fgm_mixture_allocate(&fitted, state->n_components, state->samples.d));
    int status = fgm_fit_from_start(fitter, &training, state->settings, fgm_stream(state->key, FGM_STREAM_FOLDS, (uint64_t)fold), state->attempt,
                                    previous, worth, monitor, &fitted, &outcome);
    state->trained[fold] = outcome.objective;
    if (status == FGM_OK && left_out) {
        status = fgm_mean_log_density(fitter, &fitted, fgm_rows(state->samples, first, last), monitor, &state->held_out[fold],
                                      &state->held_out_weight[fold]);
    } else if (status == FGM_OK) {
        state->held_out[fold] = outcome.log_likelihood;
        state->held_out_weight[fold] = training.total_weight;
    }
    fgm_mixture_release(&state->latest[fold]);
    state->latest[fold] = fitted;
    return status;
}

static int fold_task(void *task_data, int64_t index, int is_caller) {
    search *state = task_data;
    volatile int64_t nothing_done = 0;
    fgm_monitor own = fgm_monitor_start(state->settings->options, &nothing_done, state->settings->options->n_bootstrap, is_caller);
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, state->n_components, state->samples.d));
    int status = fit_fold(state, (int)index, fitter, state->monitor ? state->monitor : &own);
    fgm_fitter_destroy(fitter);
    return status;
}

static int fit_folds(search *state) {
    if (!state->monitor) return fgm_run(state->settings->options, state->n_folds, fold_task, state);
    for (int fold = 0; fold < state->n_folds; ++fold) FGM_TRY(fold_task(state, fold, 0));
    return FGM_OK;
}

static double score(const search *state) {
    double sum = 0.0, weight = 0.0;
    for (int fold = 0; fold < state->n_folds; ++fold) {
        if (!(state->held_out_weight[fold] > 0.0)) continue;
        sum += state->held_out[fold] * state->held_out_weight[fold];
        weight += state->held_out_weight[fold];
    }
    double parameters = (double)state->n_components * FGM_PACK_STRIDE(state->samples.d) - 1.0;
    int criterion = state->settings->options->criterion;
    double penalty = criterion == FGM_CRITERION_AIC   ? parameters / weight
                     : criterion == FGM_CRITERION_BIC ? 0.5 * parameters * log(weight) / weight
                                                      : 0.0;
    return sum / weight - penalty;
}

/* Least improvement of the score that counts; AIC and BIC are minus twice the score of all samples. */
static double least_gain(const search *state) {
    const fgm_options *options = state->settings->options;
    if (options->criterion == FGM_CRITERION_CV) return options->least_gain + state->settings->least_evidence / fgm_effective_samples(state->samples);
    return 0.5 * options->least_gain / fgm_training_of(state->samples).total_weight;
}

static int keep_best(search *state) {
    for (int fold = 0; fold < state->n_folds; ++fold) {
        fgm_mixture copy;
        FGM_TRY(fgm_mixture_allocate(&copy, state->n_components, state->samples.d));
        fgm_mixture_copy(&copy, &state->latest[fold]);
        fgm_mixture_release(&state->best[fold]);
        state->best[fold] = copy;
    }
    return FGM_OK;
}

/* One number of components, whose fits are left in best where their score beats the mark. gmm-mi's own starting points are far away: after a short
 * run their components still overlap, and which of them is best does not show. So each is fitted to the end in every fold, as there, and the one
 * with the best score counts. */
static int try_number(search *state, double mark, double *reached) {
    const fgm_options *options = state->settings->options;
    bool is_far = options->init >= FGM_INIT_RANDOM && state->n_components > 1;
    for (int attempt = 0; attempt < (is_far ? options->n_inits : 1); ++attempt) {
        state->attempt = is_far ? attempt : FGM_BEST_START;
        FGM_TRY(fit_folds(state));
        double now = score(state);
        if (attempt > 0 && !(now > *reached)) continue;
        *reached = now;
        if (now > mark || mark == -INFINITY) FGM_TRY(keep_best(state));
    }
    return FGM_OK;
}

/* Tries 1, 2, ... components; *chosen is the best number, whose fits are left in best. */
static int try_numbers(search *state, int most, double *scores /* (max_components) or NULL */, int *chosen) {
    double mark = -INFINITY, reached;
    for (int k = 1; k <= most && k <= *chosen + state->settings->options->patience; ++k) {
        state->n_components = k;
        state->one_is_best = *chosen == 1;
        FGM_TRY(try_number(state, mark, &reached));
        if (scores) scores[k - 1] = reached;
        if (reached > mark || k == 1) {
            mark = reached + least_gain(state);
            *chosen = k;
        }
    }
    return FGM_OK;
}

/* A fixed number: one fit to all rows; "split" needs the fits before it. */
static int fit_fixed(search *state, int n_components) {
    double reached;
    state->n_folds = 1;
    for (int k = state->settings->options->init == FGM_INIT_SPLIT ? 1 : n_components; k <= n_components; ++k) {
        state->n_components = k;
        FGM_TRY(try_number(state, -INFINITY, &reached));
    }
    return FGM_OK;
}

/* The final fit to all rows from the best of the folds' fits and the guess. */
static int fit_all(search *state, fgm_monitor *monitor, const fgm_mixture *guess, fgm_selection *selection) {
    fgm_training training = fgm_training_of(state->samples);
    fgm_fitter *fitter;
    int k = state->best[0].n_components;
    FGM_TRY(fgm_fitter_create(&fitter, k, state->samples.d));
    const fgm_mixture *start = &state->best[0];
    double highest = -INFINITY;
    int status = FGM_OK, n_candidates = state->n_folds + (guess && guess->n_components == k);
    for (int i = 0; i < n_candidates && k > 1 && n_candidates > 1 && status == FGM_OK; ++i) {
        const fgm_mixture *candidate = i < state->n_folds ? &state->best[i] : guess;
        double mean, weight;
        status = fgm_mean_log_density(fitter, candidate, state->samples, monitor, &mean, &weight);
        if (mean > highest) {
            highest = mean;
            start = candidate;
        }
    }
    if (status == FGM_OK) status = fgm_mixture_allocate(&selection->mixture, k, state->samples.d);
    if (status == FGM_OK) {
        fgm_mixture_copy(&selection->mixture, start);
        status = fgm_maximise(fitter, &training, state->settings, state->settings->tol, -INFINITY, state->settings->options->max_iter, monitor,
                              &selection->mixture, &selection->outcome);
        if (status != FGM_OK) fgm_mixture_release(&selection->mixture);
    }
    fgm_fitter_destroy(fitter);
    return status;
}

static int64_t largest_fold(const search *state) {
    int64_t largest = 0;
    for (int fold = 0; fold < state->n_folds; ++fold) {
        int64_t rows = fgm_fold_start(state->samples, fold + 1, state->n_folds) - fgm_fold_start(state->samples, fold, state->n_folds);
        largest = rows > largest ? rows : largest;
    }
    return largest;
}

/* More components than this leave fewer than two training rows for each mean and axis of a component. */
static int most_components(const search *state) {
    const fgm_options *options = state->settings->options;
    int64_t rows = state->samples.n - (state->n_folds > 1 ? largest_fold(state) : 0);
    int64_t bearable = rows / (2 * (state->samples.d + 1));
    int64_t most = options->max_components < bearable ? options->max_components : bearable;
    return most < 1 ? 1 : (int)most;
}

int fgm_select(fgm_samples samples, const fgm_fit_settings *settings, uint64_t key, bool parallel, fgm_monitor *monitor, const fgm_mixture *guess,
               fgm_selection *selection) {
    const fgm_options *options = settings->options;
    search *state = calloc(1, sizeof *state);
    if (!state) return FGM_ERROR_MEMORY;
    state->samples = samples;
    state->settings = settings;
    state->key = key;
    state->monitor = parallel ? NULL : monitor;
    state->n_folds = options->criterion == FGM_CRITERION_CV ? options->n_folds : 1;
    if (state->n_folds > 1 && samples.n - largest_fold(state) < samples.d + 2) state->n_folds = 1; /* nearly all rows are of one group */
    int chosen = 1, status;
    for (int k = 0; selection->scores && k < options->max_components; ++k) selection->scores[k] = NAN;
    if (options->n_components > 0) {
        status = fit_fixed(state, options->n_components);
    } else {
        bool scored = state->n_folds > 1 || options->criterion != FGM_CRITERION_CV;
        status = try_numbers(state, scored ? most_components(state) : 1, selection->scores, &chosen);
    }
    if (status == FGM_OK) status = fit_all(state, monitor, guess, selection);
    for (int fold = 0; fold < MAX_FOLDS; ++fold) {
        fgm_mixture_release(&state->latest[fold]);
        fgm_mixture_release(&state->best[fold]);
    }
    free(state);
    return status;
}
