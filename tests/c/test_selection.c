/* The search for the number of components: what replicates are left to choose from, and pilots. */
#include "check.h"

#define ROWS 400
#define MANY_ROWS 6000 /* enough for pilots: folds of 1,200 */
#define FEWER_ROWS 1000 /* enough for halves */
#define FEW_ROWS 150 /* of one Gaussian that replicates now and then take for more */
#define FOLDS 5
#define MOST 6

/* A sample in random order, standardised, and what a search of it needs. */
typedef struct problem {
    double *X;
    fgm_options options;
    fgm_prepared prepared;
    fgm_fit_settings settings;
    fgm_monitor monitor;
} problem;

static volatile int64_t nothing_done = 0;

static void pose(problem *p, double *X, int64_t n, int criterion) {
    fgm_fault fault;
    p->X = X;
    fgm_options_init(&p->options);
    p->options.max_components = MOST;
    p->options.criterion = criterion;
    fgm_data data = {.size = sizeof data, .n = n, .x = {.values = X, .d = 2}, .quantity = FGM_QUANTITY_ENTROPY};
    if (fgm_prepare(&p->prepared, &data, &p->options, 5, &fault) != FGM_OK) abort();
    fgm_class_settings(&p->prepared, 0, &p->settings);
    p->monitor = fgm_monitor_start(&p->options, &nothing_done, 0, 1);
}

static void put_away(problem *p) {
    fgm_prepared_release(&p->prepared);
    free(p->X);
}

/* Allocates the mixture; trials are to be released. */
static fgm_selection search(problem *p, double *scores /* (MOST) */, fgm_trials **trials) {
    fgm_selection selection = {.scores = scores};
    if (trials) {
        selection.trials = *trials = calloc(1, sizeof **trials);
        if (!*trials) abort();
    }
    check_status(fgm_select(p->prepared.samples, &p->settings, 11, false, &p->monitor, &selection), FGM_OK, "search");
    return selection;
}

static double *draw_gaussian(int64_t n) {
    double *X = numbers((size_t)n * 2);
    for (int64_t i = 0; i < n; ++i) {
        X[2 * i] = fgm_random_normal(7, (uint64_t)(2 * i));
        X[2 * i + 1] = 0.6 * X[2 * i] + 0.8 * fgm_random_normal(7, (uint64_t)(2 * i + 1));
    }
    return X;
}

/* ---- what is left behind --------------------------------------------------------------------------------------------------------- */

/* Under one component a row's held-out log-density is that of the Gaussian with the moments of all rows outside its fold. */
static void test_held_out_density_of_one_gaussian(void) {
    problem p;
    pose(&p, draw_d5(ROWS, 3), ROWS, FGM_CRITERION_CV);
    fgm_trials *trials;
    fgm_selection selection = search(&p, NULL, &trials);
    fgm_samples rows = p.prepared.samples;
    const double *x = rows.columns, *y = rows.columns + rows.stride;
    double worst = 0.0;
    for (int fold = 0; fold < FOLDS; ++fold) {
        int64_t first = fold * ROWS / FOLDS, last = (fold + 1) * ROWS / FOLDS;
        double n = 0.0, mx = 0.0, my = 0.0, xx = 0.0, xy = 0.0, yy = 0.0;
        for (int64_t i = 0; i < ROWS; ++i) {
            if (i >= first && i < last) continue;
            n += 1.0;
            mx += x[i];
            my += y[i];
        }
        mx /= n;
        my /= n;
        for (int64_t i = 0; i < ROWS; ++i) {
            if (i >= first && i < last) continue;
            xx += (x[i] - mx) * (x[i] - mx) / n;
            xy += (x[i] - mx) * (y[i] - my) / n;
            yy += (y[i] - my) * (y[i] - my) / n;
        }
        double determinant = xx * yy - xy * xy;
        for (int64_t i = first; i < last; ++i) {
            double a = x[i] - mx, b = y[i] - my, square = (yy * a * a - 2.0 * xy * a * b + xx * b * b) / determinant;
            double expected = -0.5 * square - 0.5 * log(determinant) - log(2.0 * 3.14159265358979323846);
            worst = fmax(worst, fabs(trials->log_density[0][i] - expected));
        }
    }
    check(worst < 1e-12, "held-out log-density of one Gaussian is off by %g", worst);
    fgm_trials_release(trials, 1);
    fgm_mixture_release(&selection.mixture);
    put_away(&p);
}

/* With every row once, the trials choose what the search has chosen; asking for them changes nothing. */
static void test_the_data_choose_what_was_chosen(int criterion) {
    problem p;
    double scores[MOST], alone[MOST], weights[ROWS];
    pose(&p, draw_d5(ROWS, 3), ROWS, criterion);
    fgm_trials *trials;
    fgm_selection selection = search(&p, scores, &trials), other = search(&p, alone, NULL);
    for (int i = 0; i < ROWS; ++i) weights[i] = 1.0;
    int chosen, cautious, again;
    fgm_trials_choose(trials, weights, &chosen, &cautious);
    check(chosen == selection.mixture.n_components && chosen > 1, "criterion %d: %d chosen, then %d", criterion, selection.mixture.n_components,
          chosen);
    check(memcmp(scores, alone, sizeof scores) == 0 && other.mixture.n_components == chosen, "criterion %d: trials change the search", criterion);
    for (int k = 0; k < trials->n; ++k) {
        double sum = 0.0;
        for (int i = 0; i < ROWS; ++i) sum += trials->log_density[k][i];
        double tol = criterion == FGM_CRITERION_CV ? 1e-12 : 1e-6; /* the mixture is rounded after its likelihood was taken */
        check(fabs(sum / ROWS - trials->penalty[k] - scores[k]) < tol, "criterion %d: mean density of %d components", criterion, k + 1);
    }
    for (int i = 0; i < ROWS; ++i) weights[i] *= 1e-3;
    fgm_trials_choose(trials, weights, &again, &cautious);
    check(again == chosen && cautious <= chosen, "criterion %d: the scale of the weights counts", criterion);
    fgm_trials_release(trials, 1);
    fgm_mixture_release(&selection.mixture);
    fgm_mixture_release(&other.mixture);
    put_away(&p);
}

static void check_choice(const fgm_trials *trials, const double *weights, bool by_the_cautious, int expected, const char *why) {
    int chosen[2];
    fgm_trials_choose(trials, weights, &chosen[0], &chosen[1]);
    check(chosen[by_the_cautious] == expected, "%s", why);
}

/* A choice by hand: scores are 0, 1, 1.05, none and 3.2 under equal weights of the first two rows. The third is within the least gain of the second,
 * and with patience of 1 the fifth is too far away; with 3 it is reached, unless the price of its components eats the gain. */
static void test_choice_by_hand(void) {
    double first[] = {0.0, 0.0, -INFINITY}, second[] = {0.5, 1.5, 7.0}, third[] = {1.05, 1.05, -3.0}, fifth[] = {6.4, 0.0, 1.0};
    double *densities[] = {first, second, third, NULL, fifth}, penalty[] = {0.0, 0.0, 0.0, 0.0, 0.0}, weights[] = {1.0, 1.0, 0.0};
    fgm_trials trials = {.n = 5, .n_rows = 3, .log_density = densities, .penalty = penalty, .least_gain = 0.1, .price = 0.4, .patience = 1};
    check_choice(&trials, weights, false, 2, "patience of 1 stops at 2");
    trials.patience = 3;
    check_choice(&trials, weights, false, 5, "patience of 3 reaches 5");
    check_choice(&trials, weights, true, 5, "at .4 for a component 3.2 - 2.0 beats 1.0 - .8");
    trials.price = 0.75;
    check_choice(&trials, weights, true, 2, "at .75 for a component it does not, 1.0 - 1.5 beats 0.0 - .75");
    trials.price = 1.0;
    check_choice(&trials, weights, true, 1, "at 1.0 nothing beats one component");
    weights[0] = 0.0; /* scores of 0, 1.5, 1.05, 0 */
    trials.least_gain = 0.0;
    check_choice(&trials, weights, false, 2, "other weights choose another number");
    penalty[1] = 2.0;
    check_choice(&trials, weights, false, 3, "a penalty counts");
}

/* ---- pilots ------------------------------------------------------------------------------------------------------------------------ */

/* Each fold's few passes end where a fit to the same rows ends that is followed to its maximum. The search leaves a gain of t = .05 nats in all, so
 * its parameters are off by a displacement of squared length 2 t in the information of four folds, along which the fifth changes by about
 * sqrt(2 t / 4) = .16 nats; here, by six times that at most. */
static void check_folds(problem *p, const fgm_trials *trials, const fgm_mixture *chosen) {
    int k = chosen->n_components;
    int64_t n = p->prepared.n;
    double *expected = numbers((size_t)n);
    fgm_fitter *fitter;
    fgm_mixture mixture;
    check_status(fgm_fitter_create(&fitter, k, 2), FGM_OK, "fitter");
    check_status(fgm_mixture_allocate(&mixture, k, 2), FGM_OK, "mixture");
    for (int fold = 0; fold < FOLDS; ++fold) {
        int64_t first = fold * n / FOLDS, last = (fold + 1) * n / FOLDS;
        fgm_training training = fgm_training_without(p->prepared.samples, first, last);
        fgm_fit_outcome outcome;
        fgm_mixture_copy(&mixture, chosen);
        check_status(fgm_maximise(fitter, &training, &p->settings, 1e-9, -INFINITY, 1000, &p->monitor, &mixture, &outcome), FGM_OK, "maximise");
        check(outcome.converged, "fold %d", fold);
        fgm_fitter_log_density(fitter, &mixture, fgm_rows(p->prepared.samples, first, last), expected + first);
        double sum = 0.0;
        for (int64_t i = first; i < last; ++i) sum += trials->log_density[k - 1][i] - expected[i];
        check(fabs(sum) < 1.0, "fold %d of %d components ends %g nats elsewhere", fold, k, sum);
    }
    fgm_mixture_release(&mixture);
    fgm_fitter_destroy(fitter);
    free(expected);
}

/* Of one Gaussian nothing else is fitted to all folds. */
static void test_pilots_of_one_gaussian(void) {
    double scores[MOST];
    problem p;
    pose(&p, draw_gaussian(MANY_ROWS), MANY_ROWS, FGM_CRITERION_CV);
    fgm_selection selection = search(&p, scores, NULL);
    check(selection.mixture.n_components == 1 && isfinite(scores[0]), "one Gaussian is one Gaussian");
    check(isnan(scores[1]) && isnan(scores[2]), "pilots say so: %g, %g", scores[1], scores[2]);
    fgm_mixture_release(&selection.mixture);
    put_away(&p);
}

/* Of five components as many are found, by any runner, from pilots and from halves alike. */
static void test_ways_to_folds(int64_t n) {
    double scores[MOST], alone[MOST];
    problem p;
    pose(&p, draw_d5(n, 4), n, FGM_CRITERION_CV);
    fgm_trials *trials;
    fgm_selection selection = search(&p, scores, &trials);
    check(selection.mixture.n_components >= 4, "%d components of D5", selection.mixture.n_components);
    for (int k = 0; k < selection.mixture.n_components; ++k) {
        check(isfinite(scores[k]) && (k == 0 || scores[k] > scores[0]), "score of %d components: %g", k + 1, scores[k]);
    }
    check_folds(&p, trials, &selection.mixture);
    fgm_mixture_release(&selection.mixture);
    fgm_selection parallel = {.scores = alone};
    check_status(fgm_select(p.prepared.samples, &p.settings, 11, true, &p.monitor, &parallel), FGM_OK, "search by tasks");
    check(memcmp(scores, alone, sizeof scores) == 0, "tasks give the same bits");
    fgm_mixture_release(&parallel.mixture);
    fgm_trials_release(trials, 1);
    put_away(&p);
}

/* Held-out log-density of all rows under the folds' fits that a fit to all rows leads to. */
static double held_out_from(problem *p, const fgm_mixture *whole) {
    double sum = 0.0;
    fgm_fitter *fitter;
    fgm_mixture mixture;
    check_status(fgm_fitter_create(&fitter, whole->n_components, 2), FGM_OK, "fitter");
    check_status(fgm_mixture_allocate(&mixture, whole->n_components, 2), FGM_OK, "mixture");
    for (int fold = 0; fold < FOLDS; ++fold) {
        int64_t first = fold * p->prepared.n / FOLDS, last = (fold + 1) * p->prepared.n / FOLDS;
        fgm_training training = fgm_training_without(p->prepared.samples, first, last);
        fgm_fit_outcome outcome;
        double mean, weight;
        fgm_mixture_copy(&mixture, whole);
        check_status(fgm_maximise(fitter, &training, &p->settings, 1e-9, -INFINITY, 1000, &p->monitor, &mixture, &outcome), FGM_OK, "maximise");
        check_status(fgm_mean_log_density(fitter, &mixture, fgm_rows(p->prepared.samples, first, last), &p->monitor, &mean, &weight), FGM_OK,
                     "held-out rows");
        sum += mean * weight;
    }
    fgm_fitter_destroy(fitter);
    fgm_mixture_release(&mixture);
    return sum;
}

/* One half of each of these five has missed a component of D5. Its folds look again: if they did not, held-out rows would say 13 to 57 nats less of
 * five components. */
static void test_a_half_that_has_missed_a_component(void) {
    double scores[MOST];
    const uint64_t seeds[] = {14, 24, 42, 43, 48};
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; ++i) {
        problem p;
        pose(&p, draw_d5(FEWER_ROWS, seeds[i]), FEWER_ROWS, FGM_CRITERION_CV);
        fgm_selection selection = search(&p, scores, NULL);
        fgm_mixture_release(&selection.mixture);
        p.options.n_components = 5;
        selection = search(&p, NULL, NULL);
        double lost = held_out_from(&p, &selection.mixture) - FEWER_ROWS * scores[4];
        check(lost < 6.0, "folds of data set %d lose %g nats", (int)seeds[i], lost);
        fgm_mixture_release(&selection.mixture);
        put_away(&p);
    }
}

/* ---- what replicates make of it ---------------------------------------------------------------------------------------------------- */

#define REPLICATES 40

/* Replicates of a mixture of one class; trials NULL: its number of components is fixed. */
static void resample(problem *p, fgm_mixture *mixture, fgm_trials *trials, double *values /* (REPLICATES) */, double *centres /* (REPLICATES) */) {
    double probability = 1.0;
    fgm_model model = {.n_classes = 1, .d = 2, .labels = p->prepared.classes.labels, .probabilities = &probability, .mixtures = mixture};
    fgm_bootstrap bootstrap = {
        .prepared = &p->prepared,
        .options = &p->options,
        .model = &model,
        .trials = trials,
        .seed = 3,
        .integration_tol = 1e-6,
        .integration_work = FGM_MAX_WORK,
        .values = values,
        .centres = centres,
        .count = REPLICATES,
    };
    check_status(fgm_run_bootstrap(&bootstrap), FGM_OK, "bootstrap");
}

static double integrate(problem *p, fgm_mixture *mixture) {
    double probability = 1.0, value = NAN, error;
    fgm_model model = {.n_classes = 1, .d = 2, .labels = p->prepared.classes.labels, .probabilities = &probability, .mixtures = mixture};
    check_status(fgm_integrate_model(&model, &p->prepared.layout, 1e-6, FGM_MAX_WORK, 3, &value, &error), FGM_OK, "integral");
    return value;
}

/* Values and centres, put together from what each replicate's weights choose and from replicates of each number by itself. */
static void test_numbers_that_replicates_choose(void) {
    double values[REPLICATES], centres[REPLICATES], of_number[MOST][REPLICATES], ignored[REPLICATES], whole[MOST], weights[ROWS], drawn[ROWS];
    problem p;
    pose(&p, draw_d5(ROWS, 3), ROWS, FGM_CRITERION_CV);
    fgm_trials *trials;
    fgm_selection selection = search(&p, NULL, &trials);
    int given = selection.mixture.n_components, n_others = 0, n_cautious = 0;
    check(given > 1, "%d components", given);
    resample(&p, &selection.mixture, trials, values, centres);
    for (int k = 1; k <= trials->n && k <= MOST; ++k) {
        fgm_mixture *mixture = k == given ? &selection.mixture : &trials->fits[k - 1];
        if (mixture->n_components != k) continue; /* no replicate asks for it */
        resample(&p, mixture, NULL, of_number[k - 1], ignored);
        whole[k - 1] = integrate(&p, mixture);
    }
    for (int i = 0; i < REPLICATES; ++i) {
        int chosen, cautious;
        for (int64_t first = 0; first < ROWS; first += FGM_DRAWN_AT_ONCE) {
            int count = ROWS - first < FGM_DRAWN_AT_ONCE ? (int)(ROWS - first) : FGM_DRAWN_AT_ONCE;
            fgm_get_kernels()->draw_weights(fgm_stream(3, FGM_STREAM_BOOTSTRAP, (uint64_t)i), first, count, drawn + first);
        }
        for (int row = 0; row < ROWS; ++row) weights[row] = drawn[p.prepared.draws[row]];
        fgm_trials_choose(trials, weights, &chosen, &cautious);
        double fixed = of_number[given - 1][i], free = of_number[chosen - 1][i], gain = whole[chosen - 1] - whole[given - 1];
        double value = 0.85 * free + 0.15 * fixed, centre = 0.6 * of_number[cautious - 1][i] + 0.4 * fixed - 1.2 * gain;
        check(fabs(values[i] - value) < 1e-6 && fabs(centres[i] - centre) < 1e-6, "replicate %d is %g about %g instead of %g about %g", i, values[i],
              centres[i], value, centre);
        n_others += chosen != given;
        n_cautious += cautious != chosen;
    }
    check(n_others > 3 && n_cautious > 3, "%d choose otherwise, %d cautiously", n_others, n_cautious);
    fgm_mixture_release(&selection.mixture);
    fgm_trials_release(trials, 1);
    put_away(&p);
}

/* Where the data have chosen one component, what replicates choose is not in the value, but in the error bar. */
static void test_one_component_is_not_added_to(void) {
    double values[REPLICATES], centres[REPLICATES], fixed[REPLICATES], ignored[REPLICATES];
    problem p;
    pose(&p, draw_gaussian(FEW_ROWS), FEW_ROWS, FGM_CRITERION_CV);
    p.options.patience = 2; /* not the rule by which a search of one Gaussian ends */
    fgm_trials *trials;
    fgm_selection selection = search(&p, NULL, &trials);
    check(selection.mixture.n_components == 1, "%d components", selection.mixture.n_components);
    resample(&p, &selection.mixture, trials, values, centres);
    resample(&p, &selection.mixture, NULL, fixed, ignored);
    int n_others = 0;
    for (int i = 0; i < REPLICATES; ++i) {
        check(fabs(centres[i] - fixed[i]) < 1e-12, "centre %d is %g instead of %g", i, centres[i], fixed[i]); /* the cautious choose one too */
        n_others += fabs(values[i] - fixed[i]) > 1e-6;
    }
    check(n_others > 0, "no replicate chooses otherwise");
    fgm_mixture_release(&selection.mixture);
    fgm_trials_release(trials, 1);
    put_away(&p);
}

int main(void) {
    test_held_out_density_of_one_gaussian();
    for (int criterion = FGM_CRITERION_CV; criterion <= FGM_CRITERION_BIC; ++criterion) test_the_data_choose_what_was_chosen(criterion);
    test_choice_by_hand();
    test_pilots_of_one_gaussian();
    test_ways_to_folds(MANY_ROWS);
    test_ways_to_folds(FEWER_ROWS);
    test_a_half_that_has_missed_a_component();
    test_numbers_that_replicates_choose();
    test_one_component_is_not_added_to();
    return summary();
}
