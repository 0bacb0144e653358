/* Fits: EM and its acceleration, the floor, starting points, the choice of the number of components, and how a fit ends early. */
#include "check.h"

#include <float.h>

#define N 1200
#define MOST 12

static fgm_options options_of(int n_components) {
    fgm_options options;
    fgm_options_init(&options);
    options.n_components = n_components;
    options.max_components = MOST;
    return options;
}

/* Standardised D5 and what a fit of it needs. */
typedef struct problem {
    double *X;
    fgm_options options;
    fgm_prepared prepared;
    fgm_training training;
    fgm_fitter *fitter;
    fgm_monitor monitor;
} problem;

static volatile int64_t nothing_done = 0;

/* X: (n, 2), which is the problem's from now on. */
static void pose_of(problem *p, fgm_options options, double *X, int64_t n, const double *weights) {
    fgm_fault fault;
    p->X = X;
    p->options = options;
    fgm_data data = {.size = sizeof data, .n = n, .x = {.values = p->X, .d = 2}, .sample_weight = weights, .quantity = FGM_QUANTITY_ENTROPY};
    if (fgm_prepare(&p->prepared, &data, &p->options, 5, &fault) != FGM_OK) abort();
    fgm_class_settings(&p->prepared, 0, &p->prepared.settings);
    if (fgm_fitter_create(&p->fitter, MOST, 2) != FGM_OK) abort();
    p->training = fgm_training_of(p->prepared.samples);
    p->monitor = fgm_monitor_start(&p->options, &nothing_done, 0, 1);
}

static void pose(problem *p, fgm_options options, const double *weights) { pose_of(p, options, draw_d5(N, 3), N, weights); }

static void put_away(problem *p) {
    fgm_fitter_destroy(p->fitter);
    fgm_prepared_release(&p->prepared);
    free(p->X);
}

/* A start of K components; allocates. */
static fgm_mixture start(problem *p, int n_components, int attempt) {
    fgm_mixture mixture;
    if (fgm_mixture_allocate(&mixture, n_components, 2) != FGM_OK) abort();
    if (fgm_start(&p->training, &p->prepared.settings, 17, attempt, NULL, &mixture) != FGM_OK) abort();
    return mixture;
}

/* EM of a copy of a start. */
static fgm_fit_outcome fit_copy(problem *p, const fgm_mixture *from, double tol, int passes, fgm_mixture *fitted) {
    fgm_fit_outcome outcome;
    if (fgm_mixture_allocate(fitted, from->n_components, from->d) != FGM_OK) abort();
    fgm_mixture_copy(fitted, from);
    if (fgm_em(p->fitter, &p->training, &p->prepared.settings, NULL, tol, passes, &p->monitor, fitted, &outcome) != FGM_OK) abort();
    return outcome;
}

/* ---- EM -------------------------------------------------------------------------------------------------------------------------------------- */

/* Cut after 1, 2, 3, ... passes, one and the same run never goes down by more than the rounding of a mean of N numbers. What goes up is the
 * objective, the likelihood less the penalty of the prior. */
static void test_objective_never_falls(int init) {
    fgm_options options = options_of(5);
    options.init = init;
    problem p;
    pose(&p, options, NULL);
    fgm_mixture from = start(&p, 5, 0), fitted;
    double before = -INFINITY, lowest = 0.0, first = 0.0;
    for (int passes = 1; passes <= 50; ++passes) {
        fgm_fit_outcome outcome = fit_copy(&p, &from, 1e-14, passes, &fitted);
        if (passes == 1) first = outcome.objective;
        lowest = fmin(lowest, outcome.objective - before);
        check(outcome.n_iter <= passes, "init %d: %d passes where %d are allowed", init, outcome.n_iter, passes);
        before = outcome.objective;
        fgm_mixture_release(&fitted);
    }
    check(lowest >= -4.0 * DBL_EPSILON * fabs(before), "init %d: the objective fell by %g", init, -lowest);
    check(before > first + 0.01, "init %d: from %g only to %g", init, first, before);
    fgm_mixture_release(&from);
    put_away(&p);
}

/* Two passes are one plain step, so runs of two passes are EM without acceleration: 1,000 steps of it come to the same maximum. */
static void test_acceleration_finds_the_maximum_of_plain_em(void) {
    problem p;
    pose(&p, options_of(3), NULL);
    fgm_mixture from = start(&p, 3, 0), accelerated, plain, next;
    fgm_fit_outcome fast = fit_copy(&p, &from, 1e-12, 5000, &accelerated), slow = fit_copy(&p, &from, 1e-300, 1, &plain);
    for (int step = 0; step < 1000; ++step) {
        slow = fit_copy(&p, &plain, 1e-300, 2, &next);
        fgm_mixture_copy(&plain, &next);
        fgm_mixture_release(&next);
    }
    check(fast.converged, "accelerated EM converges");
    check(fabs(fast.objective - slow.objective) < 1e-9, "accelerated EM ends at %.12g, plain EM at %.12g", fast.objective, slow.objective);
    check(fast.n_iter < 400, "in %d passes", fast.n_iter);
    double worst = 0.0;
    for (int i = 0; i < 3; ++i) worst = fmax(worst, fabs(plain.weights[i] - accelerated.weights[i]));
    check(worst < 1e-4, "weights differ by %g", worst);
    fgm_mixture_release(&from);
    fgm_mixture_release(&accelerated);
    fgm_mixture_release(&plain);
    put_away(&p);
}

/* Where EM says that less than tol is left to gain, a run to the end gains less than a few times that. (It is an estimate: a tolerance of 1e-3 can
 * stop on a plateau. The largest that the core itself uses is 1e-4.) */
static void test_tolerance(void) {
    static const double tolerances[] = {1e-4, 1e-6, 1e-8};
    problem p;
    pose(&p, options_of(5), NULL);
    fgm_mixture from = start(&p, 5, 0), fitted, end;
    for (int i = 0; i < 3; ++i) {
        fgm_fit_outcome loose = fit_copy(&p, &from, tolerances[i], 5000, &fitted), tight = fit_copy(&p, &fitted, 1e-13, 5000, &end);
        check(loose.converged, "tol %g: converged", tolerances[i]);
        check(tight.objective - loose.objective < 5.0 * tolerances[i], "tol %g: %g was left to gain", tolerances[i],
              tight.objective - loose.objective);
        fgm_mixture_release(&fitted);
        fgm_mixture_release(&end);
    }
    fgm_mixture_release(&from);
    put_away(&p);
}

/* What the caller gives is that of every fit; else fits that matter less are coarser, up to 1e-4 a sample, replicates' up to 3e-4. */
static void test_given_tolerance(void) {
    fgm_options options = options_of(5);
    for (int given = 0; given < 2; ++given) {
        problem p;
        if (given) options.tol = 1e-9;
        pose(&p, options, NULL);
        const fgm_fit_settings *settings = &p.prepared.settings;
        double nats[] = {settings->tol * N, settings->selection_tol * N, settings->nearby_tol * N, fgm_replicate_tol(settings, 6) * N,
                         fgm_replicate_tol(settings, 30) * N};
        static const double expected[] = {0.005, 0.05, 0.1, 0.24, 0.36}; /* the last would be 1.2 of more rows */
        for (int i = 0; i < 5; ++i) {
            check(fabs(nats[i] - (given ? N * 1e-9 : expected[i])) < 1e-12, "tolerance %d, given %d: %g nats of all rows", i, given, nats[i]);
        }
        put_away(&p);
    }
}

/* ---- Newton's method ------------------------------------------------------------------------------------------------------------------------- */

/* From several points, some on ridges where accelerated EM stops too early, the end is a maximum: what plain EM would still change there is as small
 * as rounding leaves it, and the objective is not below that of EM. */
static void test_newton_ends_at_the_maximum(void) {
    problem p;
    pose(&p, options_of(9), NULL);
    for (int attempt = 0; attempt < 4; ++attempt) {
        for (int k = 2; k <= 9; ++k) {
            fgm_mixture from = start(&p, k, attempt), em, newton, moved;
            fgm_fit_outcome loose = fit_copy(&p, &from, 1e-6, 300, &em), end;
            if (fgm_mixture_allocate(&newton, k, 2) != FGM_OK) abort();
            fgm_mixture_copy(&newton, &em);
            if (fgm_maximise(p.fitter, &p.training, &p.prepared.settings, 1e-9, -INFINITY, 2000, &p.monitor, &newton, &end) != FGM_OK) abort();
            check(end.converged, "K=%d, start %d: converged", k, attempt);
            check(end.objective >= loose.objective - 4.0 * DBL_EPSILON * fabs(loose.objective), "K=%d, start %d: from %.12g to %.12g", k, attempt,
                  loose.objective, end.objective);
            fit_copy(&p, &newton, 1e-300, 2, &moved);
            double worst = 0.0;
            for (int i = 0; i < k; ++i) worst = fmax(worst, fabs(moved.weights[i] - newton.weights[i]));
            check(worst < 1e-6, "K=%d, start %d: EM still moves weights by %g", k, attempt, worst);
            fgm_mixture_release(&from);
            fgm_mixture_release(&em);
            fgm_mixture_release(&newton);
            fgm_mixture_release(&moved);
        }
    }
    put_away(&p);
}

/* A sample that is no number is kept out by what prepares the data; where it came in, Newton's method would have no point to start from. */
static void test_no_number_ends_a_fit(void) {
    problem p;
    pose(&p, options_of(3), NULL);
    fgm_mixture from = start(&p, 3, 0);
    double *columns = (double *)p.prepared.samples.columns, kept = columns[5];
    columns[5] = NAN;
    fgm_fit_outcome outcome;
    int status = fgm_maximise(p.fitter, &p.training, &p.prepared.settings, 1e-9, -INFINITY, 100, &p.monitor, &from, &outcome);
    check(status == FGM_OK && !outcome.converged && isnan(outcome.objective), "status %d, converged %d, at %g", status, outcome.converged,
          outcome.objective);
    columns[5] = kept;
    fgm_mixture_release(&from);
    put_away(&p);
}

/* Five components at the maximum for all rows; allocates. */
static fgm_fit_outcome fit_to_the_end(problem *p, fgm_mixture *fitted) {
    fgm_mixture from = start(p, p->options.n_components, 0);
    fgm_fit_outcome end;
    fit_copy(p, &from, 1e-5, 300, fitted);
    if (fgm_maximise(p->fitter, &p->training, &p->prepared.settings, 1e-12, -INFINITY, 2000, &p->monitor, fitted, &end) != FGM_OK) abort();
    fgm_mixture_release(&from);
    return end;
}

/* Near a maximum one Newton step squares the distance: what is left to gain falls by far more than any linear method would bring. */
static void test_newton_step(void) {
    problem p;
    pose(&p, options_of(5), NULL);
    fgm_mixture fitted, stepped;
    fgm_fit_outcome end = fit_to_the_end(&p, &fitted), after;
    fgm_curvature curvature;
    for (int i = 0; i < 5; ++i) fitted.means[2 * i] += 1e-3 * (i % 2 ? 1.0 : -1.0);
    fgm_fit_outcome pushed = fit_copy(&p, &fitted, 1e-300, 1, &stepped);
    fgm_mixture_release(&stepped);
    double lost = end.objective - pushed.objective;
    check_status(fgm_find_curvature(p.fitter, &p.training, &fitted, &p.monitor, &curvature), FGM_OK, "information");
    check(fgm_curvature_factorise(&curvature, 0.0), "the information at a maximum is positive definite");
    if (fgm_mixture_allocate(&stepped, 5, 2) != FGM_OK) abort();
    fgm_mixture_copy(&stepped, &fitted);
    if (fgm_em(p.fitter, &p.training, &p.prepared.settings, &curvature, 1e-300, 2, &p.monitor, &stepped, &after) != FGM_OK) abort();
    check(lost > 1e-7 && end.objective - after.objective < 0.02 * lost, "of %g lost %g is left after one step", lost,
          end.objective - after.objective);
    fgm_curvature_release(&curvature);
    fgm_mixture_release(&fitted);
    fgm_mixture_release(&stepped);
    put_away(&p);
}

static void draw_replicate(int64_t n, int replicate, double *weights /* (n) */) {
    uint64_t key = fgm_stream(3, FGM_STREAM_BOOTSTRAP, (uint64_t)replicate);
    for (int64_t first = 0; first < n; first += FGM_DRAWN_AT_ONCE) {
        fgm_get_kernels()->draw_weights(key, first, n - first < FGM_DRAWN_AT_ONCE ? (int)(n - first) : FGM_DRAWN_AT_ONCE, weights + first);
    }
}

/* Of replicates of D5: what a refit leaves to gain is about what it is told to leave, in a handful of passes; the step that it takes without looking
 * gains more than half of what the same passes leave without it. */
static void test_refit(void) {
    problem p;
    pose(&p, options_of(5), NULL);
    fgm_mixture whole, mixture;
    fgm_fit_outcome outcome, end;
    fgm_curvature curvature;
    const fgm_fit_settings *settings = &p.prepared.settings;
    double tol = fgm_replicate_tol(settings, 30);
    fit_to_the_end(&p, &whole);
    check_status(fgm_find_curvature(p.fitter, &p.training, &whole, &p.monitor, &curvature), FGM_OK, "information");
    if (fgm_mixture_allocate(&mixture, 5, 2) != FGM_OK) abort();
    double *weights = numbers(N), left = 0.0, left_without = 0.0;
    int passes = 0, replicates = 20;
    for (int replicate = 0; replicate < replicates; ++replicate) {
        draw_replicate(N, replicate, weights);
        fgm_samples rows = p.prepared.samples;
        rows.weights = weights;
        fgm_training training = fgm_training_of(rows);
        fgm_mixture_copy(&mixture, &whole);
        if (fgm_em(p.fitter, &training, settings, &curvature, tol, 100, &p.monitor, &mixture, &outcome) != FGM_OK) abort();
        passes += outcome.n_iter;
        left_without -= outcome.objective / replicates;
        fgm_mixture_copy(&mixture, &whole);
        check_status(fgm_refit(p.fitter, &training, settings, &curvature, &p.monitor, &mixture), FGM_OK, "refit");
        if (fgm_em(p.fitter, &training, settings, NULL, 1e-300, 1, &p.monitor, &mixture, &outcome) != FGM_OK) abort();
        left -= outcome.objective / replicates;
        if (fgm_maximise(p.fitter, &training, settings, 1e-10, -INFINITY, 2000, &p.monitor, &mixture, &end) != FGM_OK) abort();
        left_without += end.objective / replicates;
        left += end.objective / replicates;
    }
    check(passes < 10 * replicates, "%d passes for %d replicates", passes, replicates);
    check(left < 2.0 * tol, "%g is left where %g was allowed", left, tol);
    check(left < 0.5 * left_without, "%g is left with the last step, %g without", left, left_without);
    free(weights);
    fgm_curvature_release(&curvature);
    fgm_mixture_release(&whole);
    fgm_mixture_release(&mixture);
    put_away(&p);
}

/* A long last step is looked at: of 54,000 replicates of gamma-exponentials, logs, the first two lost 20 and 15 nats by one that acceleration had
 * made long, the others 12 and 6 by one that moved a component by half of its own width. */
static void test_long_last_step(void) {
    const int64_t n = 1000;
    const struct {
        uint64_t seed;
        int n_components, replicate;
    } cases[] = {{1002, 4, 198}, {1002, 3, 177}, {1004, 7, 177}, {1002, 6, 185}};
    double weights[1000];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        double *X = numbers((size_t)n * 2);
        for (int64_t row = 0; row < n; ++row) {
            uint64_t seed = cases[i].seed, first = (uint64_t)(2 * row);
            double x = -log(fgm_random_uniform(seed, first)), y = -log(fgm_random_uniform(seed, first + 1)) / x;
            X[2 * row] = log(x);
            X[2 * row + 1] = log(y);
        }
        problem p;
        pose_of(&p, options_of(cases[i].n_components), X, n, NULL);
        const fgm_fit_settings *settings = &p.prepared.settings;
        fgm_mixture whole, mixture;
        fgm_fit_outcome without, with;
        fgm_curvature curvature;
        fit_to_the_end(&p, &whole);
        check_status(fgm_find_curvature(p.fitter, &p.training, &whole, &p.monitor, &curvature), FGM_OK, "information");
        if (fgm_mixture_allocate(&mixture, cases[i].n_components, 2) != FGM_OK) abort();
        draw_replicate(n, cases[i].replicate, weights);
        fgm_samples rows = p.prepared.samples;
        rows.weights = weights;
        fgm_training training = fgm_training_of(rows);
        fgm_mixture_copy(&mixture, &whole);
        double tol = fgm_replicate_tol(settings, (size_t)cases[i].n_components * 6);
        if (fgm_em(p.fitter, &training, settings, &curvature, tol, settings->selection_passes, &p.monitor, &mixture, &without) != FGM_OK) abort();
        fgm_mixture_copy(&mixture, &whole);
        check_status(fgm_refit(p.fitter, &training, settings, &curvature, &p.monitor, &mixture), FGM_OK, "refit");
        if (fgm_em(p.fitter, &training, settings, NULL, 1e-300, 1, &p.monitor, &mixture, &with) != FGM_OK) abort();
        double gained = (with.objective - without.objective) * training.total_weight;
        check(without.converged && gained > -1e-9, "the last step of replicate %d gains %g nats", cases[i].replicate, gained);
        fgm_curvature_release(&curvature);
        fgm_mixture_release(&whole);
        fgm_mixture_release(&mixture);
        put_away(&p);
    }
}

/* One component is the weighted mean and covariance, in one pass, and its log-likelihood is -(d (ln 2 pi + 1) + ln det S) / 2. */
static void test_single_component(void) {
    double *weights = numbers(N), total = 0.0, mean[2] = {0.0, 0.0}, S[3] = {0.0, 0.0, 0.0};
    double *X = draw_d5(N, 3);
    for (int i = 0; i < N; ++i) total += weights[i] = i % 7 ? fgm_random_uniform(8, (uint64_t)i) : 0.0;
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < 2; ++j) mean[j] += weights[i] * X[2 * i + j] / total;
    }
    for (int i = 0; i < N; ++i) {
        double a = X[2 * i] - mean[0], b = X[2 * i + 1] - mean[1];
        S[0] += weights[i] * a * a / total;
        S[1] += weights[i] * a * b / total;
        S[2] += weights[i] * b * b / total;
    }
    double found_weight, found_mean[2], found_S[4];
    fgm_options options = options_of(1);
    fgm_fit_result result = {.size = sizeof result, .weights = &found_weight, .means = found_mean, .covariances = found_S};
    check_status(fgm_fit(X, N, 2, weights, &options, 1, &result), FGM_OK, "fit of one component");
    double worst = fabs(found_weight - 1.0);
    for (int j = 0; j < 2; ++j) worst = fmax(worst, fabs(found_mean[j] - mean[j]));
    for (int j = 0; j < 4; ++j) worst = fmax(worst, fabs(found_S[j] - S[j == 3 ? 2 : j == 0 ? 0 : 1]));
    check(worst < 1e-13, "one component: off by %g", worst);
    double expected = -0.5 * (2.0 * (log(6.283185307179586477) + 1.0) + log(S[0] * S[2] - S[1] * S[1]));
    check(fabs(result.log_likelihood - expected) < 1e-13, "one component: log-likelihood %.15g, should be %.15g", result.log_likelihood, expected);
    check(result.n_components == 1 && result.converged && result.n_iter == 1, "one component: one pass");
    free(weights);
    free(X);
}

/* ---- the floor --------------------------------------------------------------------------------------------------------------------------------- */

/* Sigma - diag(width^2) of every component is nonnegative, in the data's own coordinates. */
static void check_widths(const fgm_fit_result *result, double width, const char *name) {
    double least = INFINITY;
    for (int k = 0; k < result->n_components; ++k) {
        const double *S = result->covariances + 4 * k;
        double a = S[0] - width * width, b = S[3] - width * width, half = 0.5 * (a - b);
        least = fmin(least, 0.5 * (a + b) - sqrt(half * half + S[1] * S[1]));
    }
    check(least >= -1e-8 * width * width, "%s: a component is narrower than the resolution by %g", name, -least / (width * width));
}

static void test_rounded_data(void) {
    double *X = draw_d5(N, 3), weights[MOST], means[2 * MOST], covariances[4 * MOST];
    for (int i = 0; i < 2 * N; ++i) X[i] = 0.25 * nearbyint(4.0 * X[i]);
    for (int init = FGM_INIT_KMEANSPP; init <= FGM_INIT_KMEANS_SKLEARN; ++init) {
        char name[32];
        snprintf(name, sizeof name, "rounded data, init %d", init);
        fgm_options options = options_of(MOST);
        options.init = init;
        fgm_fit_result result = {.size = sizeof result, .weights = weights, .means = means, .covariances = covariances};
        check_status(fgm_fit(X, N, 2, NULL, &options, 1, &result), FGM_OK, name);
        check_widths(&result, 0.25, name);
    }
    free(X);
}

static int compare_doubles(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Beside the C library's sort, on numbers of all sizes and signs, with ties, and on numbers whose upper halves are all the same; equal values keep
 * their order. */
static void test_sorting(void) {
    static const int sizes[] = {0, 1, 2, 3, 100, 3000, 2000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
        int n = sizes[s];
        double *values = numbers((size_t)n), *sorted = numbers((size_t)n), *expected = numbers((size_t)n), *spare = numbers((size_t)n);
        uint32_t *ranks = malloc((size_t)n * sizeof *ranks + 1);
        if (!ranks) abort();
        for (int i = 0; i < n; ++i) {
            double normal = fgm_random_normal(31, (uint64_t)i);
            values[i] = i % 5 == 0 ? (i % 10 == 0 ? 0.0 : -0.0) : i % 5 == 1 ? nearbyint(normal) : ldexp(normal, i % 5 == 2 ? 900 : -900 + i % 7);
            if (n == 2000) values[i] = 1.0 + nearbyint(300.0 * normal) * 0x1p-50;
        }
        if (n == 100) values[3] = INFINITY, values[4] = -INFINITY, values[5] = 5e-324, values[6] = -5e-324;
        memcpy(sorted, values, (size_t)n * sizeof *values);
        memcpy(expected, values, (size_t)n * sizeof *values);
        qsort(expected, (size_t)n, sizeof *expected, compare_doubles);
        fgm_sort(sorted, spare, n);
        bool same = true, in_order = true;
        for (int i = 0; i < n; ++i) same &= sorted[i] == expected[i];
        check(same, "%d numbers sorted", n);
        if (n > 0) check_status(fgm_rank(values, n, ranks), FGM_OK, "ranks");
        for (int i = 1; i < n; ++i) {
            double before = values[ranks[i - 1]], now = values[ranks[i]];
            in_order &= before < now || (before == now && ranks[i - 1] < ranks[i]);
        }
        check(in_order, "%d numbers ranked", n);
        free(values);
        free(sorted);
        free(expected);
        free(spare);
        free(ranks);
    }
}

/* Rows drawn in every pass give what rows with the same weights give, but for the order of sums; in weighted samples as well. */
static void test_rows_drawn_in_passes(void) {
    enum { MANY = 10001 };
    double *X = draw_d5(MANY, 3), *columns = numbers(2 * MANY), *own = numbers(MANY), *weights = numbers(MANY + FGM_DRAWN_AT_ONCE);
    fgm_options options = options_of(0);
    fgm_fit_settings settings = {.options = &options, .selection_passes = 10, .floor = {1e-9, 1e-9}, .prior = (double[]){1e-3, 0.0, 1e-3}};
    fgm_monitor monitor = fgm_monitor_start(&options, &nothing_done, 0, 1);
    for (int i = 0; i < MANY; ++i) {
        columns[i] = X[2 * i];
        columns[MANY + i] = X[2 * i + 1];
        own[i] = 0.5 + fgm_random_uniform(4, (uint64_t)i);
    }
    for (int job = 0; job < 4; ++job) {
        int weighted = job % 2, k = job < 2 ? 3 : 1;
        fgm_samples rows = {MANY, MANY, 2, columns, weighted ? own : NULL, NULL};
        for (int first = 0; first < MANY; first += FGM_DRAWN_AT_ONCE) {
            fgm_get_kernels()->draw_weights(99, first, MANY - first < FGM_DRAWN_AT_ONCE ? MANY - first : FGM_DRAWN_AT_ONCE, weights + first);
        }
        for (int i = 0; weighted && i < MANY; ++i) weights[i] *= own[i];
        fgm_samples kept = {MANY, MANY, 2, columns, weights, NULL};
        fgm_training trainings[2] = {fgm_training_of(kept), fgm_training_of_draws(rows, 99, k == 1)};
        check(k == 1 || fabs(trainings[0].total_weight - trainings[1].total_weight) < 1e-9, "total weight of rows drawn");
        fgm_mixture fits[2];
        fgm_curvature curvatures[2];
        fgm_fitter *fitter;
        if (fgm_fitter_create(&fitter, k, 2) != FGM_OK) abort();
        for (int i = 0; i < 2; ++i) {
            fgm_fit_outcome outcome;
            if (fgm_mixture_allocate(&fits[i], k, 2) != FGM_OK) abort();
            if (fgm_start(&trainings[0], &settings, 17, 0, NULL, &fits[i]) != FGM_OK) abort();
            check_status(fgm_em(fitter, &trainings[i], &settings, NULL, 1e-12, 8, &monitor, &fits[i], &outcome), FGM_OK, "EM of rows drawn");
            check_status(fgm_find_curvature(fitter, &trainings[i], &fits[i], &monitor, &curvatures[i]), FGM_OK, "curvature of rows drawn");
        }
        double worst = 0.0;
        for (int i = 0; i < k; ++i) worst = fmax(worst, fabs(fits[0].weights[i] - fits[1].weights[i]));
        for (int i = 0; i < 2 * k; ++i) worst = fmax(worst, fabs(fits[0].means[i] - fits[1].means[i]));
        for (int i = 0; i < 3 * k; ++i) worst = fmax(worst, fabs(fits[0].factors[i] - fits[1].factors[i]));
        for (int i = 0; k > 1 && i < 18; ++i) worst = fmax(worst, fabs(curvatures[0].root[i] / curvatures[1].root[i] - 1.0));
        check(worst < 1e-9, "rows drawn in passes, weighted %d, %d components: off by %g", weighted, k, worst);
        for (int i = 0; i < 2; ++i) {
            fgm_mixture_release(&fits[i]);
            fgm_curvature_release(&curvatures[i]);
        }
        fgm_fitter_destroy(fitter);
    }
    free(X);
    free(columns);
    free(own);
    free(weights);
}

/* Every place is taken once; two keys agree about as often as chance does. */
static void test_scattered_places(void) {
    static const int sizes[] = {1, 2, 3, 4, 5, 1000, 4096, 4097};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; ++s) {
        int n = sizes[s], agreed = 0, fixed = 0;
        char *taken = calloc((size_t)n, 1);
        bool once = true;
        if (!taken) abort();
        for (int i = 0; i < n; ++i) {
            uint32_t place = fgm_scattered_place(77, n, (uint32_t)i);
            once &= place < (uint32_t)n && !taken[place];
            if (place < (uint32_t)n) taken[place] = 1;
            agreed += place == fgm_scattered_place(78, n, (uint32_t)i);
            fixed += place == (uint32_t)i;
        }
        check(once, "%d places are a permutation", n);
        check(n < 1000 || (agreed < 10 && fixed < 10), "%d places: %d agree, %d are their own", n, agreed, fixed);
        free(taken);
    }
}

static double resolution_of(const double *sorted, int64_t n) {
    double own[8], work[8];
    memcpy(own, sorted, (size_t)n * sizeof *own);
    return fgm_resolution(own, n, work);
}

static void test_resolution(void) {
    double rounded[] = {0.0, 0.5, 0.5, 1.0, 1.0, 1.0, 1.5, 3.0}, distinct[] = {0.0, 0.1, 0.3, 0.7}, constant[] = {2.0, 2.0};
    check(resolution_of(rounded, 8) == 0.5, "resolution of rounded values: %g", resolution_of(rounded, 8));
    check(resolution_of(distinct, 4) == 0.0, "no resolution where no value occurs twice");
    check(resolution_of(constant, 2) == 0.0, "no resolution of one value");
    check(resolution_of(rounded, 1) == 0.0, "no resolution of one row");
}

/* ---- the choice ----------------------------------------------------------------------------------------------------------------------------------
 */

typedef struct fitted {
    fgm_fit_result result;
    double weights[MOST], means[2 * MOST], covariances[4 * MOST], scores[MOST];
} fitted;

static int fit(const double *X, int64_t n, const double *weights, fgm_options options, uint64_t seed, fitted *f) {
    f->result =
        (fgm_fit_result){.size = sizeof f->result, .weights = f->weights, .means = f->means, .covariances = f->covariances, .scores = f->scores};
    return fgm_fit(X, n, 2, weights, &options, seed, &f->result);
}

/* Three clusters at 8 standard deviations from each other. */
static double *draw_clusters(int64_t n) {
    static const double weights[] = {1, 1, 1}, means[] = {0, 0, 8, 0, 0, 8}, covariances[] = {1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1};
    double *X = numbers((size_t)n * 2);
    if (fgm_sample(3, 2, weights, means, covariances, 21, n, X) != FGM_OK) abort();
    return X;
}

static void test_choice(void) {
    double *clusters = draw_clusters(400), *gaussian = numbers(800);
    for (int i = 0; i < 800; ++i) gaussian[i] = fgm_random_normal(4, (uint64_t)i);
    for (int criterion = FGM_CRITERION_CV; criterion <= FGM_CRITERION_BIC; ++criterion) {
        fgm_options options = options_of(0);
        fitted f;
        options.criterion = criterion;
        check_status(fit(gaussian, 400, NULL, options, 1, &f), FGM_OK, "fit of a Gaussian");
        check(f.result.n_components == 1 || criterion == FGM_CRITERION_AIC, "criterion %d: %d components for a Gaussian", criterion,
              f.result.n_components);
        check_status(fit(clusters, 400, NULL, options, 1, &f), FGM_OK, "fit of three clusters");
        bool right = f.result.n_components == 3 || (criterion == FGM_CRITERION_AIC && f.result.n_components > 3); /* AIC is known to take too many */
        check(right, "criterion %d: %d components for three clusters", criterion, f.result.n_components);
        int tried = f.result.n_components + options.patience, best = 0;
        bool ok = true;
        for (int k = 0; k < MOST; ++k) {
            ok &= (isnan(f.scores[k]) != 0) == (k >= tried);
            if (f.scores[k] > f.scores[best]) best = k;
        }
        check(ok, "criterion %d: scores up to %d components and no more", criterion, tried);
        check(best + 1 == f.result.n_components, "criterion %d: the best score is chosen", criterion);
        options.patience = 5;
        check_status(fit(clusters, 400, NULL, options, 1, &f), FGM_OK, "fit with more patience");
        int last = f.result.n_components + 5;
        check((last > MOST || !isnan(f.scores[last - 1])) && (last >= MOST || isnan(f.scores[last])), "criterion %d: patience is kept", criterion);
        options.max_components = 2;
        options.patience = 2;
        check_status(fit(clusters, 400, NULL, options, 1, &f), FGM_OK, "fit of at most two");
        check(f.result.n_components == 2, "criterion %d: %d components where 2 are allowed", criterion, f.result.n_components);
    }
    free(clusters);
    free(gaussian);
}

static void test_fixed_number(void) {
    double *X = draw_clusters(400);
    for (int k = 1; k <= MOST; ++k) {
        fitted f;
        check_status(fit(X, 400, NULL, options_of(k), 1, &f), FGM_OK, "fit of a fixed number");
        double total = 0.0;
        for (int i = 0; i < k; ++i) total += f.weights[i];
        check(f.result.n_components == k && fabs(total - 1.0) < 1e-14, "%d components, weights adding up to %.15g", f.result.n_components, total);
        check(isnan(f.scores[0]), "a fixed number is not scored");
    }
    free(X);
}

/* Every starting point finds three clusters. The likelihood of the truth is ln(1/3) - ln(2 pi) - 1 per sample; a fit is above its sample mean. */
static void test_starting_points(void) {
    double *X = draw_clusters(600), truth = log(1.0 / 3.0) - log(6.283185307179586477) - 1.0;
    for (int init = FGM_INIT_KMEANSPP; init <= FGM_INIT_KMEANS_SKLEARN; ++init) {
        fgm_options options = options_of(3);
        options.init = init;
        options.n_inits = 5;
        options.tol = 1e-8; /* random responsibilities start close to a saddle, where loose tolerances stop */
        fitted f;
        check_status(fit(X, 600, NULL, options, 2, &f), FGM_OK, "fit from a starting point");
        /* 5 standard errors of a mean of 600 log-densities of standard deviation 1. */
        check(fabs(f.result.log_likelihood - truth) < 5.0 / sqrt(600.0), "init %d: log-likelihood %g, should be about %g", init,
              f.result.log_likelihood, truth);
        check(f.result.converged, "init %d: converged", init);
    }
    free(X);
}

/* ---- early ends
 * ------------------------------------------------------------------------------------------------------------------------------------ */

static int refuse_poll(void *data, int64_t done, int64_t total) {
    (void)done;
    (void)total;
    return ++*(int *)data >= 3;
}

/* Tasks from the last to the first: no result may depend on their order. */
static int run_backwards(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    ++*(int *)data;
    for (int64_t i = n_tasks - 1; i >= 0; --i) FGM_TRY(task(task_data, i, i == 0));
    return FGM_OK;
}

static void test_cancelling(void) {
    double *X = draw_d5(N, 3);
    int cancel = 1, polls = 0;
    fitted f;
    fgm_options options = options_of(0);
    options.cancel = &cancel;
    options.patience = MOST;
    options.tol = 1e-12;
    check_status(fit(X, N, NULL, options, 1, &f), FGM_ERROR_CANCELLED, "fit with cancel set");
    options.cancel = NULL;
    options.poll = refuse_poll;
    options.poll_data = &polls;
    check_status(fit(X, N, NULL, options, 1, &f), FGM_ERROR_CANCELLED, "fit whose poll says no");
    check(polls == 3, "a poll that said no is not asked again: %d", polls);
    free(X);
}

/* A dispersion of NaN is an error, not a fit that has converged. */
static void test_dispersion_of_nan(void) {
    double *columns = numbers(400);
    fgm_student start = {.freedom = 3.0}, found = {0};
    for (int i = 0; i < 400; ++i) columns[i] = i == 7 ? NAN : fgm_random_normal(1, (uint64_t)i);
    if (fgm_mixture_allocate(&start.dispersion, 1, 2) != FGM_OK) abort();
    memset(start.dispersion.means, 0, 2 * sizeof(double));
    memcpy(start.dispersion.factors, (double[]){1.0, 0.0, 1.0}, 3 * sizeof(double));
    start.dispersion.weights[0] = 1.0;
    check_status(fgm_student_fit_dispersion((fgm_samples){200, 200, 2, columns, NULL, NULL}, &start, &found), FGM_ERROR_NOT_POSITIVE_DEFINITE,
                 "dispersion of NaN");
    fgm_mixture_release(&start.dispersion);
    free(columns);
}

#define STUDENT_ROWS 500

/* Normal scores of t-distributed pairs, whose squared scales are means of so many squares of normal numbers. */
static double *draw_student_scores(int freedom) {
    double *values = numbers(2 * STUDENT_ROWS), *scores = numbers(2 * STUDENT_ROWS);
    for (int i = 0; i < STUDENT_ROWS; ++i) {
        double square = 0.0, first = fgm_random_normal(1, (uint64_t)i), second = fgm_random_normal(2, (uint64_t)i);
        for (int j = 0; j < freedom; ++j) square += pow(fgm_random_normal(3 + (uint64_t)j, (uint64_t)i), 2.0) / freedom;
        values[i] = first / sqrt(square);
        values[STUDENT_ROWS + i] = (0.6 * first + 0.8 * second) / sqrt(square);
    }
    for (int i = 0; i < 2 * STUDENT_ROWS; ++i) {
        const double *column = values + i / STUDENT_ROWS * STUDENT_ROWS;
        double rank = 0.5;
        for (int j = 0; j < STUDENT_ROWS; ++j) rank += column[j] < values[i];
        scores[i] = fgm_normal_quantile(rank / STUDENT_ROWS);
    }
    free(values);
    return scores;
}

/* Roughly: to a thousandth of a nat, whether the tails are those of one degree of freedom or hardly heavier than a Gaussian's. */
static void test_rough_student(void) {
    static const int freedoms[] = {1, 3, 10, 100};
    for (int i = 0; i < 4; ++i) {
        double *scores = draw_student_scores(freedoms[i]);
        fgm_samples rows = {STUDENT_ROWS, STUDENT_ROWS, 2, scores, NULL, NULL};
        fgm_student rough = {0}, whole = {0};
        check_status(fgm_student_fit_roughly(rows, &rough), FGM_OK, "rough fit of t");
        check_status(fgm_student_fit(rows, NULL, &whole), FGM_OK, "fit of t");
        double less = whole.log_likelihood - rough.log_likelihood;
        check(less > -1e-9 && less < 1e-3, "%d degrees of freedom: %g instead of %g, %g nats a row less", freedoms[i], rough.freedom, whole.freedom,
              less);
        fgm_student_release(&rough);
        fgm_student_release(&whole);
        free(scores);
    }
}

static void test_runner(void) {
    double *X = draw_d5(N, 3);
    int runs = 0;
    fitted forwards, backwards;
    fgm_options options = options_of(0);
    check_status(fit(X, N, NULL, options, 1, &forwards), FGM_OK, "fit");
    options.run_tasks = run_backwards;
    options.runner_data = &runs;
    check_status(fit(X, N, NULL, options, 1, &backwards), FGM_OK, "fit with a runner");
    int k = forwards.result.n_components;
    check(runs == 1, "one crew for the fit: %d", runs);
    check(backwards.result.n_components == k && memcmp(forwards.means, backwards.means, (size_t)k * 2 * sizeof(double)) == 0 &&
              memcmp(forwards.covariances, backwards.covariances, (size_t)k * 4 * sizeof(double)) == 0 &&
              memcmp(&forwards.result.log_likelihood, &backwards.result.log_likelihood, sizeof(double)) == 0,
          "the order of the folds changes no bit");
    free(X);
}

static void test_outputs_may_be_left_out(void) {
    double *X = draw_d5(N, 3);
    fgm_options options = options_of(0);
    fgm_fit_result result = {.size = sizeof result};
    check_status(fgm_fit(X, N, 2, NULL, &options, 1, &result), FGM_OK, "fit without arrays");
    check(result.n_components > 1 && isfinite(result.log_likelihood), "fit without arrays: its numbers");
    free(X);
}

int main(void) {
    for (int init = FGM_INIT_KMEANSPP; init <= FGM_INIT_KMEANS_SKLEARN; ++init) {
        if (init != FGM_INIT_SPLIT) test_objective_never_falls(init); /* split starts like k-means++ where there is no fit to split */
    }
    test_acceleration_finds_the_maximum_of_plain_em();
    test_tolerance();
    test_given_tolerance();
    test_newton_ends_at_the_maximum();
    test_newton_step();
    test_refit();
    test_long_last_step();
    test_no_number_ends_a_fit();
    test_single_component();
    test_rounded_data();
    test_sorting();
    test_scattered_places();
    test_rows_drawn_in_passes();
    test_resolution();
    test_choice();
    test_fixed_number();
    test_starting_points();
    test_cancelling();
    test_dispersion_of_nan();
    test_rough_student();
    test_runner();
    test_outputs_may_be_left_out();
    return summary();
}
