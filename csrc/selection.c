/* How many components: cross-validated log-likelihood, AIC or BIC.
 *
 * For K = 1, 2, ... one fit per fold to the other folds, scored by the mean log-density of the rows left out (their weights counting);
 * AIC and BIC score one fit to all rows by its log-likelihood less (parameters) / n or less (parameters) ln n / (2 n). The search ends when
 * patience further numbers have not beaten the best by least_gain, counted anew after every improvement; after two components already where those
 * have not and two columns look like one Gaussian (normality.c), since three components would find what two have missed only if there were something.
 * The fit to all rows then starts from the folds' fits at the chosen K, of which the one with the highest likelihood of all rows is followed.
 *
 * Where rows are many, the search for a starting point and the way from there go to a pilot: a fit to one fold only. From there it is a few passes,
 * under the pilot's curvature, to a fit to half of the folds, and from that under its own to fits to all rows but those of one fold of the other
 * half. Where they are fewer, halves look for starting points themselves, and where folds gain less from one of them than from the other, these look
 * again. So no fold is scored by a fit that has seen it, however it began.
 *
 * Which number another sample of the rows would have chosen can be told without a fit: the held-out log-densities of the rows count by other weights
 * (fgm_trials; Kishino, Miyata and Hasegawa 1990 compare phylogenies so).
 *
 * Rows are in random order, so that folds are runs of rows and a training set is at most two runs: nothing is copied. Copies of a row in
 * a replicate are one row with a weight, so they never stand on both sides; nor do rows of one group.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FOLDS 64
#define ALWAYS_FOLLOWED 500 /* rows, up to which a fit to the end costs little */
#define PILOT_ROWS 1000 /* of a fold, from which on it is enough for a pilot */
#define HALF_ROWS 400 /* of a half, from which on it is enough to look for starting points in, of at most so many columns: in more, halves differ */
#define HALF_COLUMNS 2
#define HAS_MISSED 8.0 /* nats of all rows that folds gain less from one half than from the other */
#define FEWEST_ROWS_TO_SPLIT_BY 4096
#define ROWS_OF_A_PARAMETER 40
#define LEAST -1e300 /* log-density, of which multiples are finite */
#define USELESS_GAIN 2.0 /* nats for each parameter of a component, four times what one is expected to gain that means nothing */

/* Fits to fold 0 and to fold 1. */
typedef struct pilots {
    int n_components; /* 0: none yet */
    fgm_mixture fits[2];
    bool converged[2];
    double scores[2]; /* of all other rows */
    double trained[2]; /* objectives */
} pilots;

/* A fit to about half of the rows, with its curvature, which has no memory where it did not converge. */
typedef struct half {
    fgm_mixture fit;
    fgm_curvature curvature;
    double trained; /* objective */
} half;

typedef struct search {
    fgm_samples samples;
    const fgm_fit_settings *settings;
    uint64_t key;
    fgm_monitor *monitor; /* NULL where folds are fitted in parallel: each task has its own */
    int n_folds; /* 1 for AIC and BIC: nothing is left out */
    int n_components; /* being tried */
    int attempt; /* starting point being tried, or FGM_BEST_START */
    fgm_mixture latest[MAX_FOLDS], best[MAX_FOLDS];
    fgm_mixture before[MAX_FOLDS]; /* latest of one component fewer */
    double held_out[MAX_FOLDS], held_out_weight[MAX_FOLDS];
    double trained[MAX_FOLDS], trained_before[MAX_FOLDS]; /* objectives */
    bool is_on_the_way; /* to a number that is fixed: these fits only say where to split */
    bool one_is_best; /* so far: the data look like one Gaussian */
    bool has_pilots, has_halves;
    int poorer; /* half, of which folds look for starting points of their own; -1: neither */
    pilots now, next; /* of the number being tried, and of the one after it, where tasks have got ahead */
    double first_scores[2]; /* of the pilots with one component */
    half halves[2]; /* that of fold 0 and that of fold 1 */
    fgm_trials *trials; /* or NULL */
    double *log_density; /* (n): of each row, where there are trials */
} search;

static fgm_samples fold_rows(const search *state, int fold) {
    return fgm_rows(state->samples, fgm_fold_start(state->samples, fold, state->n_folds), fgm_fold_start(state->samples, fold + 1, state->n_folds));
}

/* Along the ridges of a Gaussian's likelihood under more components, a fit that gains no more than this is not worth following to the end. */
static double worth_of(const search *state, bool has_previous, double trained, double weight) {
    bool gives_up = has_previous && state->one_is_best && state->samples.n > ALWAYS_FOLLOWED;
    return gives_up ? trained + USELESS_GAIN * FGM_PACK_STRIDE(state->samples.d) / weight : -INFINITY;
}

/* Trains a pilot of the next number on one fold, and scores all others. */
static int fit_pilot(search *state, int fold, fgm_fitter *fitter, fgm_monitor *monitor) {
    fgm_training training = fgm_training_of(fold_rows(state, fold));
    int64_t first = fgm_fold_start(state->samples, fold, state->n_folds), last = first + training.parts[0].n;
    fgm_training others = fgm_training_without(state->samples, first, last);
    const fgm_mixture *previous = state->now.n_components > 0 ? &state->now.fits[fold] : NULL;
    fgm_mixture *fitted = &state->next.fits[fold];
    fgm_fit_outcome outcome;
    FGM_TRY(fgm_mixture_allocate(fitted, state->next.n_components, state->samples.d));
    FGM_TRY(fgm_fit_from_start(fitter, &training, state->settings, fgm_stream(state->key, FGM_STREAM_FOLDS, (uint64_t)fold), FGM_BEST_START, previous,
                               worth_of(state, previous != NULL, state->now.trained[fold], training.total_weight), monitor, fitted, &outcome));
    state->next.converged[fold] = outcome.converged;
    state->next.trained[fold] = outcome.objective;
    state->next.scores[fold] = 0.0;
    for (int part = 0; part < 2; ++part) {
        double mean, weight;
        if (others.parts[part].n == 0) continue;
        FGM_TRY(fgm_mean_log_density(fitter, fitted, others.parts[part], monitor, &mean, &weight));
        state->next.scores[fold] += mean * weight;
    }
    return FGM_OK;
}

/* Folds 1 .. n/2 are the half of fold 1, the others that of fold 0. */
static int half_of(const search *state, int fold) { return fold > 0 && fold <= state->n_folds / 2 ? 1 : 0; }

/* The half that a fold's fit begins from: the other one. */
static int from_half(const search *state, int fold) { return 1 - half_of(state, fold); }

static fgm_training half_rows(const search *state, int half) {
    int64_t first = fgm_fold_start(state->samples, 1, state->n_folds), last = fgm_fold_start(state->samples, 1 + state->n_folds / 2, state->n_folds);
    return half == 1 ? fgm_training_of(fgm_rows(state->samples, first, last)) : fgm_training_without(state->samples, first, last);
}

static int64_t smaller_half(const search *state) {
    fgm_training halves[2] = {half_rows(state, 0), half_rows(state, 1)};
    int64_t n[2] = {fgm_count_rows(&halves[0]), fgm_count_rows(&halves[1])};
    return n[0] < n[1] ? n[0] : n[1];
}

static void release_half(half *some) {
    fgm_mixture_release(&some->fit);
    fgm_curvature_release(&some->curvature);
}

/* Trains on one half, from the pilot of a fold in it on, or where there are none from a starting point of its own. */
static int fit_half(search *state, int index, fgm_fitter *fitter, fgm_monitor *monitor) {
    half *fitted = &state->halves[index], before = *fitted;
    fgm_training training = half_rows(state, index);
    double worth = worth_of(state, state->n_components > 1, before.trained, training.total_weight);
    fgm_fit_outcome outcome;
    *fitted = (half){0};
    int status = fgm_mixture_allocate(&fitted->fit, state->n_components, state->samples.d);
    if (status == FGM_OK && state->has_pilots) {
        const fgm_mixture *pilot = &state->now.fits[index];
        fgm_training piloted = fgm_training_of(fold_rows(state, index));
        fgm_curvature curvature = {0};
        fgm_mixture_copy(&fitted->fit, pilot);
        if (state->now.converged[index]) status = fgm_find_curvature(fitter, &piloted, pilot, monitor, &curvature);
        if (status == FGM_OK) status = fgm_fit_nearby(fitter, &training, state->settings, &curvature, worth, monitor, &fitted->fit, &outcome);
        fgm_curvature_release(&curvature);
    } else if (status == FGM_OK) {
        status = fgm_fit_from_start(fitter, &training, state->settings, fgm_stream(state->key, FGM_STREAM_FOLDS, (uint64_t)index), FGM_BEST_START,
                                    state->n_components > 1 ? &before.fit : NULL, worth, monitor, &fitted->fit, &outcome);
    }
    release_half(&before);
    FGM_TRY(status);
    fitted->trained = outcome.objective;
    return outcome.converged ? fgm_find_curvature(fitter, &training, &fitted->fit, monitor, &fitted->curvature) : FGM_OK;
}

/* One Gaussian describes the other rows better than the pilots do: fits to more rows would hardly gain what those fits cost. */
static bool pilots_lose(const search *state) {
    double gain = 0.0;
    for (int i = 0; i < 2; ++i) gain += state->now.scores[i] - state->first_scores[i];
    return state->one_is_best && state->n_components > 1 && !(gain > 0.0);
}

/* Trains on all but one fold and scores that one; a second time where the half that it began from was the poorer one. */
static int fit_fold(search *state, int fold, fgm_fitter *fitter, fgm_monitor *monitor) {
    bool is_second = state->poorer >= 0;
    if (is_second && from_half(state, fold) != state->poorer) return FGM_OK;
    if (!is_second) {
        fgm_mixture_release(&state->before[fold]);
        state->before[fold] = state->latest[fold];
        state->latest[fold] = (fgm_mixture){0};
        state->trained_before[fold] = state->trained[fold];
    }
    int64_t first = fgm_fold_start(state->samples, fold, state->n_folds), last = fgm_fold_start(state->samples, fold + 1, state->n_folds);
    bool left_out = state->n_folds > 1;
    fgm_training training = left_out ? fgm_training_without(state->samples, first, last) : fgm_training_of(state->samples);
    fgm_mixture fitted, *previous = state->n_components > 1 ? &state->before[fold] : NULL; /* for "split" */
    fgm_fit_outcome outcome;
    double worth = worth_of(state, previous != NULL, state->trained_before[fold], training.total_weight);
    FGM_TRY(fgm_mixture_allocate(&fitted, state->n_components, state->samples.d));
    int status;
    if (state->is_on_the_way) worth = NAN;
    if (state->has_halves && previous && !is_second) {
        const half *other = &state->halves[from_half(state, fold)];
        fgm_mixture_copy(&fitted, &other->fit);
        status = fgm_fit_nearby(fitter, &training, state->settings, &other->curvature, worth, monitor, &fitted, &outcome);
    } else {
        status = fgm_fit_from_start(fitter, &training, state->settings, fgm_stream(state->key, FGM_STREAM_FOLDS, (uint64_t)fold), state->attempt,
                                    previous, worth, monitor, &fitted, &outcome);
    }
    state->trained[fold] = outcome.objective;
    fgm_samples scored = left_out ? fgm_rows(state->samples, first, last) : state->samples;
    if (status == FGM_OK && left_out) {
        status = fgm_mean_log_density(fitter, &fitted, scored, monitor, &state->held_out[fold], &state->held_out_weight[fold]);
    } else if (status == FGM_OK) {
        state->held_out[fold] = outcome.log_likelihood;
        state->held_out_weight[fold] = training.total_weight;
    }
    if (status == FGM_OK && state->trials) fgm_fitter_log_density(fitter, &fitted, scored, state->log_density + (left_out ? first : 0));
    fgm_mixture_release(&state->latest[fold]);
    state->latest[fold] = fitted;
    return status;
}

typedef int fit_step(search *state, int index, fgm_fitter *fitter, fgm_monitor *monitor);

static int fit_task(search *state, fit_step *step, int64_t index, int n_components, int is_caller) {
    volatile int64_t nothing_done = 0;
    fgm_monitor own = fgm_monitor_start(state->settings->options, &nothing_done, state->settings->options->n_bootstrap, is_caller);
    fgm_monitor *monitor = state->monitor ? state->monitor : &own;
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, n_components, state->samples.d));
    int status = step(state, (int)index, fitter, monitor);
    fgm_fitter_destroy(fitter);
    return status;
}

static int pilot_task(void *task_data, int64_t index, int is_caller) {
    search *state = task_data;
    return fit_task(state, fit_pilot, index, state->next.n_components, is_caller);
}

static int half_task(void *task_data, int64_t index, int is_caller) {
    search *state = task_data;
    return fit_task(state, fit_half, index, state->n_components, is_caller);
}

/* The folds, then pilots of the next number. */
static int fold_task(void *task_data, int64_t index, int is_caller) {
    search *state = task_data;
    if (index >= state->n_folds) return pilot_task(task_data, index - state->n_folds, is_caller);
    return fit_task(state, fit_fold, index, state->n_components, is_caller);
}

#define PASSES 40 /* of a fit of several components from its start, about */
#define PASS_WORK 500.0 /* besides its rows, in terms of densities */

static int run(search *state, int n_tasks, fgm_task task) {
    int k = state->n_components, passes = k > 1 ? PASSES : 1;
    double work = n_tasks * passes * (PASS_WORK + (double)state->samples.n * k);
    if (!state->monitor) return fgm_run(state->settings->options, n_tasks, work, task, state);
    for (int i = 0; i < n_tasks; ++i) FGM_TRY(task(state, i, 0));
    return FGM_OK;
}

/* What a criterion takes off the mean log-density of the rows that were fitted. */
static double penalty(const search *state, double weight) {
    double parameters = (double)state->n_components * FGM_PACK_STRIDE(state->samples.d) - 1.0;
    int criterion = state->settings->options->criterion;
    return criterion == FGM_CRITERION_AIC ? parameters / weight : criterion == FGM_CRITERION_BIC ? 0.5 * parameters * log(weight) / weight : 0.0;
}

static double score(const search *state) {
    double sum = 0.0, weight = 0.0;
    for (int fold = 0; fold < state->n_folds; ++fold) {
        if (!(state->held_out_weight[fold] > 0.0)) continue;
        sum += state->held_out[fold] * state->held_out_weight[fold];
        weight += state->held_out_weight[fold];
    }
    return sum / weight - penalty(state, weight);
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

/* From a mixture to the maximum of the likelihood of all rows. */
static int maximise_all(fgm_samples samples, const fgm_fit_settings *settings, fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    fgm_training training = fgm_training_of(samples);
    fgm_fitter *fitter;
    FGM_TRY(fgm_fitter_create(&fitter, mixture->n_components, samples.d));
    int status = fgm_maximise(fitter, &training, settings, settings->tol, -INFINITY, settings->options->max_iter, monitor, mixture, outcome);
    fgm_fitter_destroy(fitter);
    return status;
}

/* Of several fits the one with the highest likelihood of all rows. */
static int find_likeliest(search *state, const fgm_mixture *fits, int n_fits, fgm_monitor *monitor, const fgm_mixture **likeliest) {
    fgm_fitter *fitter;
    double highest = -INFINITY;
    *likeliest = &fits[0];
    if (n_fits == 1 || fits[0].n_components == 1) return FGM_OK;
    FGM_TRY(fgm_fitter_create(&fitter, fits[0].n_components, state->samples.d));
    int status = FGM_OK;
    for (int i = 0; i < n_fits && status == FGM_OK; ++i) {
        double mean, weight;
        status = fgm_mean_log_density(fitter, &fits[i], state->samples, monitor, &mean, &weight);
        if (mean > highest) {
            highest = mean;
            *likeliest = &fits[i];
        }
    }
    fgm_fitter_destroy(fitter);
    return status;
}

/* What replicates need to know of the latest fits. */
static int record_trial(search *state) {
    fgm_trials *trials = state->trials;
    int place = state->n_components - 1;
    const fgm_mixture *start;
    volatile int64_t nothing_done = 0;
    trials->n = state->n_components;
    fgm_monitor own = fgm_monitor_start(state->settings->options, &nothing_done, state->settings->options->n_bootstrap, 0);
    if (!trials->log_density[place]) trials->log_density[place] = fgm_allocate((size_t)state->samples.n);
    if (!trials->log_density[place]) return FGM_ERROR_MEMORY;
    memcpy(trials->log_density[place], state->log_density, (size_t)state->samples.n * sizeof *state->log_density);
    double weight = fgm_training_of(state->samples).total_weight, trained = 0.0;
    for (int fold = 0; fold < state->n_folds; ++fold) trained += state->trained[fold] / state->n_folds;
    trials->worth[place] = worth_of(state, place > 0, trained, weight);
    trials->penalty[place] = penalty(state, weight);
    FGM_TRY(find_likeliest(state, state->latest, state->n_folds, state->monitor ? state->monitor : &own, &start));
    fgm_mixture_release(&trials->fits[place]);
    FGM_TRY(fgm_mixture_allocate(&trials->fits[place], state->n_components, state->samples.d));
    fgm_mixture_copy(&trials->fits[place], start);
    int from = from_half(state, (int)(start - state->latest));
    half *near = &state->halves[from]; /* whose fits the folds are done with */
    fgm_curvature_release(&trials->curvatures[place]);
    trials->curvatures[place] = (fgm_curvature){0};
    if (from == state->poorer) return FGM_OK; /* it is not near */
    trials->curvatures[place] = near->curvature;
    near->curvature = (fgm_curvature){0};
    return FGM_OK;
}

static void release_pilots(pilots *some) {
    for (int fold = 0; fold < 2; ++fold) fgm_mixture_release(&some->fits[fold]);
    some->n_components = 0;
}

static void expect_pilots(search *state, int n_components) {
    release_pilots(&state->next);
    state->next.n_components = n_components;
}

/* Those of the number being tried, where no tasks have made them. */
static int take_pilots(search *state) {
    if (state->next.n_components != state->n_components) {
        expect_pilots(state, state->n_components);
        FGM_TRY(run(state, 2, pilot_task));
    }
    release_pilots(&state->now);
    state->now = state->next;
    state->next = (pilots){0};
    if (state->n_components == 1) memcpy(state->first_scores, state->now.scores, sizeof state->first_scores);
    return FGM_OK;
}

/* What one component more has gained tells whether a half, of fewer rows than its folds learn from, has missed something: folds gain less from it
 * than from the other. Then these look for starting points among their own rows. */
static int make_up_for_poorer_half(search *state) {
    double gains[2] = {0.0, 0.0}, counts[2] = {0.0, 0.0};
    for (int fold = 0; fold < state->n_folds; ++fold) {
        gains[from_half(state, fold)] += state->trained[fold] - state->trained_before[fold];
        counts[from_half(state, fold)] += 1.0;
    }
    double rows = fgm_effective_samples(state->samples) * (1.0 - 1.0 / state->n_folds);
    double more = rows * (gains[0] / counts[0] - gains[1] / counts[1]);
    if (!(fabs(more) > HAS_MISSED)) return FGM_OK;
    state->poorer = more > 0.0 ? 1 : 0;
    return run(state, state->n_folds, fold_task);
}

/* One number of components, whose fits are left in best where their score beats the mark. gmm-mi's own starting points are far away: after a short
 * run their components still overlap, and which of them is best does not show. So each is fitted to the end in every fold, as there, and the one
 * with the best score counts. The score is NaN where pilots say that there is nothing to gain. Where it is certain that the next number will be
 * tried, whatever comes of this one, tasks that have no fold left to fit make its pilots. */
static int try_number(search *state, double mark, bool next_is_certain, double *reached) {
    const fgm_options *options = state->settings->options;
    bool is_far = options->init >= FGM_INIT_RANDOM && state->n_components > 1;
    int n_tasks = state->n_folds;
    *reached = NAN;
    if (state->has_pilots) FGM_TRY(take_pilots(state));
    if (state->has_pilots && pilots_lose(state)) return FGM_OK;
    if (state->has_halves) FGM_TRY(run(state, 2, half_task));
    if (state->has_pilots && next_is_certain && !state->one_is_best) {
        expect_pilots(state, state->n_components + 1);
        n_tasks += 2;
    }
    for (int attempt = 0; attempt < (is_far ? options->n_inits : 1); ++attempt) {
        state->attempt = is_far ? attempt : FGM_BEST_START;
        state->poorer = -1;
        FGM_TRY(run(state, n_tasks, fold_task));
        if (state->has_halves && !state->has_pilots && state->n_components > 1) FGM_TRY(make_up_for_poorer_half(state));
        double now = score(state);
        if (attempt > 0 && !(now > *reached)) continue;
        *reached = now;
        if (now > mark || mark == -INFINITY) FGM_TRY(keep_best(state));
        if (state->trials) FGM_TRY(record_trial(state));
    }
    return FGM_OK;
}

/* Two components were no better than one, and there is nothing that three could find. A patience beyond the default is taken at its word, and
 * gmm-mi's starting points come with gmm-mi's search. */
static bool nothing_is_left(const search *state, int chosen) {
    const fgm_options *options = state->settings->options;
    bool may_end = options->criterion == FGM_CRITERION_CV && options->init < FGM_INIT_RANDOM && options->patience <= FGM_DEFAULT_PATIENCE;
    return may_end && state->n_components == 2 && chosen == 1 && fgm_looks_gaussian(state->samples);
}

/* Tries 1, 2, ... components; *chosen is the best number, whose fits are left in best. */
static int try_numbers(search *state, int most, double *scores /* (max_components) or NULL */, int *chosen) {
    double mark = -INFINITY, reached;
    for (int k = 1; k <= most && k <= *chosen + state->settings->options->patience; ++k) {
        state->n_components = k;
        state->one_is_best = *chosen == 1;
        FGM_TRY(try_number(state, mark, k + 1 <= most && k + 1 <= *chosen + state->settings->options->patience, &reached));
        if (scores) scores[k - 1] = reached;
        if (reached > mark || k == 1) {
            mark = reached + least_gain(state);
            *chosen = k;
        }
        if (nothing_is_left(state, *chosen)) return FGM_OK;
    }
    return FGM_OK;
}

/* Rows that tell where components of so many are to be split next; many times their parameters. */
static fgm_samples rows_to_split_by(fgm_samples samples, int n_components) {
    int64_t wanted = ROWS_OF_A_PARAMETER * n_components * FGM_PACK_STRIDE(samples.d);
    if (wanted < FEWEST_ROWS_TO_SPLIT_BY) wanted = FEWEST_ROWS_TO_SPLIT_BY;
    return 3 * wanted < 2 * samples.n ? fgm_rows(samples, 0, wanted) : samples;
}

/* A fixed number: one fit to all rows; "split" needs the fits before it, for which a part of many rows is enough. */
static int fit_fixed(search *state, int n_components) {
    fgm_samples all = state->samples;
    double reached;
    state->n_folds = 1;
    for (int k = state->settings->options->init == FGM_INIT_SPLIT ? 1 : n_components; k <= n_components; ++k) {
        state->n_components = k;
        state->is_on_the_way = k < n_components;
        state->samples = state->is_on_the_way ? rows_to_split_by(all, k) : all;
        FGM_TRY(try_number(state, -INFINITY, false, &reached));
    }
    return FGM_OK;
}

/* The final fit to all rows from the best of the folds' fits. */
static int fit_all(search *state, fgm_monitor *monitor, fgm_selection *selection) {
    const fgm_mixture *start;
    FGM_TRY(find_likeliest(state, state->best, state->n_folds, monitor, &start));
    FGM_TRY(fgm_mixture_allocate(&selection->mixture, start->n_components, state->samples.d));
    fgm_mixture_copy(&selection->mixture, start);
    int status = maximise_all(state->samples, state->settings, monitor, &selection->mixture, &selection->outcome);
    if (status != FGM_OK) fgm_mixture_release(&selection->mixture);
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

static int prepare_trials(search *state, fgm_trials *trials) {
    const fgm_options *options = state->settings->options;
    size_t most = (size_t)options->max_components;
    double share = state->n_folds > 1 ? 1.0 - 1.0 / state->n_folds : INFINITY; /* of rows that held-out densities are learned from */
    state->trials = trials;
    state->log_density = fgm_allocate((size_t)state->samples.n);
    trials->log_density = calloc(most, sizeof *trials->log_density);
    trials->fits = calloc(most, sizeof *trials->fits);
    trials->curvatures = calloc(most, sizeof *trials->curvatures);
    trials->penalty = calloc(most, sizeof *trials->penalty);
    trials->worth = calloc(most, sizeof *trials->worth);
    trials->n_rows = state->samples.n;
    trials->least_gain = least_gain(state);
    trials->price = FGM_PACK_STRIDE(state->samples.d) / (share * fgm_effective_samples(state->samples));
    trials->patience = options->patience;
    return state->log_density && trials->log_density && trials->fits && trials->curvatures && trials->penalty && trials->worth ? FGM_OK
                                                                                                                               : FGM_ERROR_MEMORY;
}

int fgm_select(fgm_samples samples, const fgm_fit_settings *settings, uint64_t key, bool parallel, fgm_monitor *monitor, fgm_selection *selection) {
    const fgm_options *options = settings->options;
    search *state = calloc(1, sizeof *state);
    if (!state) return FGM_ERROR_MEMORY;
    state->samples = samples;
    state->settings = settings;
    state->key = key;
    state->monitor = parallel ? NULL : monitor;
    state->poorer = -1;
    state->n_folds = options->criterion == FGM_CRITERION_CV ? options->n_folds : 1;
    if (state->n_folds > 1 && samples.n - largest_fold(state) < samples.d + 2) state->n_folds = 1; /* nearly all rows are of one group */
    int chosen = 1, status = FGM_OK;
    for (int k = 0; selection->scores && k < options->max_components; ++k) selection->scores[k] = NAN;
    if (options->n_components > 0) {
        status = fit_fixed(state, options->n_components);
    } else {
        bool scored = state->n_folds > 1 || options->criterion != FGM_CRITERION_CV;
        state->has_pilots =
            state->n_folds > 1 && options->init < FGM_INIT_RANDOM && fold_rows(state, 0).n >= PILOT_ROWS && fold_rows(state, 1).n >= PILOT_ROWS;
        bool halves_suffice = samples.d <= HALF_COLUMNS && smaller_half(state) >= HALF_ROWS;
        state->has_halves = /* of two folds each is all that the other is learned from */
            state->has_pilots || (state->n_folds > 2 && options->init < FGM_INIT_RANDOM && halves_suffice);
        if (selection->trials && scored) status = prepare_trials(state, selection->trials);
        if (status == FGM_OK) status = try_numbers(state, scored ? most_components(state) : 1, selection->scores, &chosen);
    }
    if (status == FGM_OK) status = fit_all(state, monitor, selection);
    for (int fold = 0; fold < MAX_FOLDS; ++fold) {
        fgm_mixture_release(&state->latest[fold]);
        fgm_mixture_release(&state->before[fold]);
        fgm_mixture_release(&state->best[fold]);
    }
    release_pilots(&state->now);
    release_pilots(&state->next);
    for (int i = 0; i < 2; ++i) release_half(&state->halves[i]);
    fgm_release(state->log_density);
    free(state);
    return status;
}

/* ---- the choice, again ---------------------------------------------------------------------------------------------------------- */

/* Sum of weights times log-densities in four chains; a row without weight counts nothing, even where its density is 0. No branches, which nothing
 * could foretell. */
static double weighted_sum(int64_t n, const double *weights, const double *values) {
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int chain = 0; chain < 4; ++chain) sums[chain] += weights[i + chain] * (values[i + chain] > LEAST ? values[i + chain] : LEAST);
    }
    for (; i < n; ++i) sums[i % 4] += weights[i] * (values[i] > LEAST ? values[i] : LEAST);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

/* The number that these scores choose where a component costs so much. */
static int choose_by(const fgm_trials *trials, const double *scores, double price) {
    double mark = -INFINITY;
    int chosen = 1;
    for (int k = 1; k <= trials->n && k <= chosen + trials->patience; ++k) {
        if (!trials->log_density[k - 1]) continue;
        double reached = scores[k - 1] - k * price;
        if (reached > mark || k == 1) {
            mark = reached + trials->least_gain;
            chosen = k;
        }
    }
    return chosen;
}

void fgm_trials_choose(const fgm_trials *trials, const double *weights, int *chosen, int *cautious) {
    double scores[FGM_MAX_COMPONENTS], total = fgm_training_of((fgm_samples){.n = trials->n_rows, .weights = weights}).total_weight;
    for (int k = 0; k < trials->n; ++k) {
        if (trials->log_density[k]) scores[k] = weighted_sum(trials->n_rows, weights, trials->log_density[k]) / total - trials->penalty[k];
    }
    *chosen = choose_by(trials, scores, 0.0);
    *cautious = choose_by(trials, scores, trials->price);
}

int fgm_trials_fit(fgm_trials *trials, int number, fgm_samples samples, const fgm_fit_settings *settings, fgm_monitor *monitor) {
    fgm_training training = fgm_training_of(samples);
    fgm_fitter *fitter;
    fgm_fit_outcome outcome;
    fgm_mixture *mixture = &trials->fits[number - 1];
    fgm_curvature near = trials->curvatures[number - 1];
    trials->curvatures[number - 1] = (fgm_curvature){0};
    int status = fgm_fitter_create(&fitter, number, samples.d);
    if (status == FGM_OK) status = fgm_fit_nearby(fitter, &training, settings, &near, trials->worth[number - 1], monitor, mixture, &outcome);
    fgm_curvature_release(&near);
    if (status == FGM_OK) status = fgm_find_curvature(fitter, &training, mixture, monitor, &trials->curvatures[number - 1]);
    fgm_fitter_destroy(fitter);
    return status;
}

void fgm_trials_release(fgm_trials *trials, int n_classes) {
    for (int c = 0; trials && c < n_classes; ++c) {
        for (int k = 0; k < trials[c].n; ++k) {
            fgm_mixture_release(&trials[c].fits[k]);
            fgm_curvature_release(&trials[c].curvatures[k]);
            fgm_release(trials[c].log_density[k]);
        }
        free(trials[c].fits);
        free(trials[c].curvatures);
        free(trials[c].log_density);
        free(trials[c].penalty);
        free(trials[c].worth);
    }
    free(trials);
}
