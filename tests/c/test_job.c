/* The whole job: its value and error bar, replicates computed anywhere, in any order, the normal scores, and every error. */
#include "check.h"

#include <float.h>

#define N 200
#define MOST 6
#define REPLICATES 8

static fgm_options small_options(void) {
    fgm_options options;
    fgm_options_init(&options);
    options.marginals = FGM_MARGINALS_STANDARDIZE;
    options.max_components = MOST;
    options.n_bootstrap = REPLICATES;
    return options;
}

/* Columns of D5 as x and y, (n, 1) each. */
typedef struct pair {
    double x[N], y[N];
} pair;

static pair draw_pair(uint64_t seed) {
    pair p;
    double *X = draw_d5(N, seed);
    for (int i = 0; i < N; ++i) {
        p.x[i] = X[2 * i];
        p.y[i] = X[2 * i + 1];
    }
    free(X);
    return p;
}

/* A result with all of its arrays. */
typedef struct outcome {
    fgm_result result;
    double bootstrap[REPLICATES], centres[REPLICATES], scores[MOST], weights[MOST], means[2 * MOST], covariances[4 * MOST];
    double location[2], scale[2], resolution[2];
} outcome;

static int run(const pair *p, const double *weights, fgm_options options, uint64_t seed, outcome *o) {
    memset(o, 0, sizeof *o);
    o->result = (fgm_result){
        .size = sizeof o->result,
        .bootstrap = o->bootstrap,
        .centres = o->centres,
        .scores = o->scores,
        .weights = o->weights,
        .means = o->means,
        .covariances = o->covariances,
        .location = o->location,
        .scale = o->scale,
        .resolution = o->resolution,
    };
    return fgm_mutual_information(p->x, p->y, N, 1, 1, weights, &options, seed, &o->result);
}

static bool same_bits(const double *left, const double *right, size_t count) { return memcmp(left, right, count * sizeof *left) == 0; }

static bool same_outcome(const outcome *a, const outcome *b) {
    size_t k = (size_t)a->result.n_components;
    return a->result.n_components == b->result.n_components && same_bits(&a->result.value, &b->result.value, 1) &&
           same_bits(&a->result.standard_error, &b->result.standard_error, 1) && same_bits(&a->result.plug_in, &b->result.plug_in, 1) &&
           same_bits(a->bootstrap, b->bootstrap, REPLICATES) && same_bits(a->centres, b->centres, REPLICATES) &&
           same_bits(a->means, b->means, 2 * k) && same_bits(a->covariances, b->covariances, 4 * k);
}

/* ---- what the numbers mean -------------------------------------------------------------------------------------------------------------------- */

static void test_value_and_error(void) {
    pair p = draw_pair(1);
    outcome o;
    check_status(run(&p, NULL, small_options(), 3, &o), FGM_OK, "the job");
    double mean = 0.0, centre = 0.0, square = 0.0;
    for (int i = 0; i < REPLICATES; ++i) {
        mean += o.bootstrap[i] / REPLICATES;
        centre += o.centres[i] / REPLICATES;
    }
    for (int i = 0; i < REPLICATES; ++i) square += (o.bootstrap[i] - mean) * (o.bootstrap[i] - mean);
    double value = 2.0 * o.result.plug_in - centre, error = sqrt(square / (REPLICATES - 1));
    check(fabs(o.result.value - value) < 1e-14, "value %.15g, should be 2 plug_in - mean of centres = %.15g", o.result.value, value);
    check(fabs(o.result.standard_error - error) < 1e-14, "standard error %.15g, should be %.15g", o.result.standard_error, error);
    check(o.result.reselected && o.result.n_failed == 0 && o.result.fault_column == -1 && o.result.plug_in > 0.0, "its other numbers");
    int32_t x = 0, y = 1;
    double again, integration_error;
    int k = o.result.n_components;
    check_status(fgm_mixture_mutual_information(k, 2, o.weights, o.means, o.covariances, &x, 1, &y, 1, NULL, 0, 1e-7, 3, &again, &integration_error),
                 FGM_OK, "information of the mixture");
    check(fabs(again - o.result.plug_in) < 3.0 * o.result.integration_error + 1e-7, "plug_in %.10g, its mixture's information %.10g",
          o.result.plug_in, again);
    double *log_density = numbers(N), *rows = numbers(2 * N), likelihood = 0.0;
    for (int i = 0; i < N; ++i) {
        rows[2 * i] = (p.x[i] - o.location[0]) / o.scale[0];
        rows[2 * i + 1] = (p.y[i] - o.location[1]) / o.scale[1];
    }
    check_status(fgm_log_density(k, 2, o.weights, o.means, o.covariances, rows, N, log_density), FGM_OK, "density of the data");
    for (int i = 0; i < N; ++i) likelihood += log_density[i] / N;
    check(fabs(likelihood - o.result.log_likelihood) < 1e-12, "log-likelihood %.15g, should be %.15g", o.result.log_likelihood, likelihood);
    free(log_density);
    free(rows);
}

static void test_without_bootstrap(void) {
    pair p = draw_pair(1);
    outcome o;
    fgm_options options = small_options();
    options.n_bootstrap = 0;
    check_status(run(&p, NULL, options, 3, &o), FGM_OK, "the job without replicates");
    check(o.result.value == o.result.plug_in && isnan(o.result.standard_error), "no replicates: the plug-in, and no error bar");
}

/* Replicates that failed are left out of the mean and the deviation, and counted. */
static void test_finish(void) {
    const double bootstrap[] = {1.0, NAN, 2.0, 4.5}, centres[] = {1.5, NAN, 2.5, 3.5}, none[] = {NAN};
    fgm_result result = {.size = sizeof result, .plug_in = 3.0};
    check_status(fgm_finish(bootstrap, centres, 4, &result), FGM_OK, "finish");
    check(fabs(result.value - 3.5) < 1e-15 && result.n_failed == 1, "finish: value %g, %d failed", result.value, result.n_failed);
    check(fabs(result.standard_error - sqrt(3.25)) < 1e-15, "finish: standard error %g", result.standard_error);
    check_status(fgm_finish(bootstrap, centres, 1, &result), FGM_OK, "finish");
    check(result.value == 4.5 && isnan(result.standard_error), "one replicate corrects, but has no deviation");
    check_status(fgm_finish(NULL, NULL, 0, &result), FGM_OK, "finish");
    check(result.value == 3.0 && isnan(result.standard_error) && result.n_failed == 0, "no replicate");
    check_status(fgm_finish(none, none, 1, &result), FGM_OK, "finish");
    check(result.n_failed == 1 && isnan(result.standard_error), "only failures");
}

/* ---- the same bits
 * ---------------------------------------------------------------------------------------------------------------------------------- */

static int run_backwards(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    (void)data;
    for (int64_t i = n_tasks - 1; i >= 0; --i) FGM_TRY(task(task_data, i, i == 0));
    return FGM_OK;
}

static void test_any_range_any_order(int marginals, int reselect) {
    pair p = draw_pair(2);
    outcome o, other;
    fgm_options options = small_options();
    options.marginals = marginals;
    options.reselect = reselect;
    check_status(run(&p, NULL, options, 3, &o), FGM_OK, "the job");
    options.run_tasks = run_backwards;
    check_status(run(&p, NULL, options, 3, &other), FGM_OK, "the job backwards");
    check(same_outcome(&o, &other), "marginals %d, reselect %d: the order of tasks changes no bit", marginals, reselect);
    options.run_tasks = NULL;
    double bootstrap[REPLICATES], centres[REPLICATES];
    static const int64_t ends[] = {0, 1, 5, 5, REPLICATES};
    for (int i = 0; i < 4; ++i) {
        check_status(fgm_bootstrap_range(p.x, p.y, N, 1, 1, NULL, &options, 3, o.result.n_components, o.weights, o.means, o.covariances, ends[i],
                                         ends[i + 1] - ends[i], bootstrap + ends[i], centres + ends[i]),
                     FGM_OK, "a range of replicates");
    }
    check(same_bits(bootstrap, o.bootstrap, REPLICATES) && same_bits(centres, o.centres, REPLICATES),
          "marginals %d, reselect %d: ranges give the bits of the whole", marginals, reselect);
    options.n_bootstrap = 3; /* replicate 2 is replicate 2 of any number */
    check_status(run(&p, NULL, options, 3, &other), FGM_OK, "the job with fewer replicates");
    check(same_bits(other.bootstrap, o.bootstrap, 3), "fewer replicates are the first ones");
}

static void test_arrays_may_be_left_out(void) {
    pair p = draw_pair(2);
    outcome o;
    fgm_options options = small_options();
    fgm_result bare = {.size = sizeof bare};
    check_status(run(&p, NULL, options, 3, &o), FGM_OK, "the job");
    check_status(fgm_mutual_information(p.x, p.y, N, 1, 1, NULL, &options, 3, &bare), FGM_OK, "the job without arrays");
    check(same_bits(&bare.value, &o.result.value, 1) && same_bits(&bare.standard_error, &o.result.standard_error, 1),
          "without arrays: the same bits");
}

static void test_seeds(void) {
    pair p = draw_pair(2);
    outcome first, other;
    check_status(run(&p, NULL, small_options(), 0, &first), FGM_OK, "the job");
    for (uint64_t seed = 1; seed < 6; ++seed) {
        check_status(run(&p, NULL, small_options(), seed, &other), FGM_OK, "the job");
        check(!same_bits(first.bootstrap, other.bootstrap, REPLICATES), "seeds 0 and %d differ", (int)seed);
    }
    check_status(run(&p, NULL, small_options(), UINT64_MAX, &other), FGM_OK, "the largest seed");
}

/* Only the proportions of weights count: to rounding for any scale, to the bit for powers of two. */
static void test_weights(void) {
    pair p = draw_pair(2);
    double weights[N], doubled[N], scaled[N];
    for (int i = 0; i < N; ++i) {
        weights[i] = i % 4 ? 0.5 + fgm_random_uniform(1, (uint64_t)i) : 0.0;
        doubled[i] = 1024.0 * weights[i];
        scaled[i] = 3.7e-200 * weights[i];
    }
    outcome o, other;
    check_status(run(&p, weights, small_options(), 3, &o), FGM_OK, "the job with weights");
    check_status(run(&p, doubled, small_options(), 3, &other), FGM_OK, "the job with 1024 times the weights");
    check(same_outcome(&o, &other), "1024 times the weights give the same bits");
    check_status(run(&p, scaled, small_options(), 3, &other), FGM_OK, "the job with tiny weights");
    check(fabs(o.result.value - other.result.value) < 1e-9, "weights times 3.7e-200: %.12g, should be %.12g", other.result.value, o.result.value);
    check_status(run(&p, NULL, small_options(), 3, &other), FGM_OK, "the job without weights");
    check(fabs(o.result.value - other.result.value) > 1e-6, "weights count");
}

/* ---- normal scores
 * ------------------------------------------------------------------------------------------------------------------------------------ */

static void test_normal_scores(void) {
    const double column[] = {3.0, 1.0, 2.0, 2.0, 5.0}, weights[] = {1.0, 2.0, 0.5, 0.5, 1.0};
    double knots[5], scores[5], values[] = {1.0, 1.5, 2.0, 5.0, 0.0, 7.0, 3.0}, out[7];
    int64_t n_knots;
    check_status(fgm_normal_scores(column, 5, NULL, knots, scores, &n_knots), FGM_OK, "normal scores");
    const double probabilities[] = {0.1, 0.4, 0.7, 0.9}, distinct[] = {1.0, 2.0, 3.0, 5.0};
    check(n_knots == 4 && same_bits(knots, distinct, 4), "knots are the distinct values");
    for (int i = 0; i < 4; ++i) {
        double expected = fgm_normal_quantile(probabilities[i]);
        check(fabs(scores[i] - expected) < 1e-14, "score %d is %.15g, should be %.15g", i, scores[i], expected);
    }
    check_status(fgm_apply_normal_scores(knots, scores, n_knots, values, 7, out), FGM_OK, "scores of other values");
    check(out[0] == scores[0] && out[2] == scores[1] && out[3] == scores[3] && out[6] == scores[2], "knots have their own scores");
    check(fabs(out[1] - 0.5 * (scores[0] + scores[1])) < 1e-15, "linear between knots");
    check(fabs(out[4] - (2.0 * scores[0] - scores[1])) < 1e-14 && fabs(out[5] - (2.0 * scores[3] - scores[2])) < 1e-14, "and beyond the ends");
    check_status(fgm_normal_scores(column, 5, weights, knots, scores, &n_knots), FGM_OK, "weighted scores");
    const double weighted[] = {0.2, 0.5, 0.7, 0.9};
    for (int i = 0; i < 4; ++i) check(fabs(scores[i] - fgm_normal_quantile(weighted[i])) < 1e-14, "weighted score %d", i);
    check_status(fgm_apply_normal_scores(knots, scores, 1, values, 7, out), FGM_ERROR_CONSTANT, "one knot");
    check_status(fgm_normal_scores(column, 0, NULL, knots, scores, &n_knots), FGM_ERROR_TOO_FEW_SAMPLES, "no row");
}

/* ---- errors
 * --------------------------------------------------------------------------------------------------------------------------------------------- */

static void check_fault(pair p, const double *weights, int expected, int column, const char *name) {
    outcome o;
    check_status(run(&p, weights, small_options(), 1, &o), expected, name);
    check(o.result.fault_column == column, "%s: column %d, should be %d", name, o.result.fault_column, column);
}

static void test_bad_data(void) {
    const pair sound = draw_pair(1);
    pair p = sound;
    double weights[N];
    p.x[7] = NAN;
    check_fault(p, NULL, FGM_ERROR_NOT_FINITE, 0, "NaN in x");
    p = sound;
    p.y[N - 1] = -INFINITY;
    check_fault(p, NULL, FGM_ERROR_NOT_FINITE, 1, "infinity in y");
    p = sound;
    for (int i = 0; i < N; ++i) p.y[i] = 1e300;
    check_fault(p, NULL, FGM_ERROR_CONSTANT, 1, "a constant y");
    for (int i = 0; i < N; ++i) p.y[i] = 3.0 + (i % 2) * DBL_EPSILON;
    check_fault(p, NULL, FGM_ERROR_CONSTANT, 1, "y constant but for rounding");
    for (int i = 0; i < N; ++i) p.y[i] = 5.0 - 1e-100 * p.x[i];
    check_fault(p, NULL, FGM_ERROR_CONSTANT, 1, "y constant since x is too small");
    for (int i = 0; i < N; ++i) p.y[i] = 5.0 - 0.1 * p.x[i];
    check_fault(p, NULL, FGM_ERROR_COLLINEAR, 1, "y a linear function of x");
    for (int i = 0; i < N; ++i) weights[i] = 1.0;
    weights[5] = -1.0;
    check_fault(sound, weights, FGM_ERROR_WEIGHTS, -1, "a negative weight");
    weights[5] = NAN;
    check_fault(sound, weights, FGM_ERROR_WEIGHTS, -1, "a weight of NaN");
    weights[5] = INFINITY;
    check_fault(sound, weights, FGM_ERROR_WEIGHTS, -1, "an infinite weight");
    for (int i = 0; i < N; ++i) weights[i] = 0.0;
    check_fault(sound, weights, FGM_ERROR_WEIGHTS, -1, "all weights zero");
    weights[0] = weights[1] = weights[2] = 1.0;
    check_fault(sound, weights, FGM_ERROR_TOO_FEW_SAMPLES, -1, "three rows of positive weight");
    p = sound; /* constant where it counts */
    for (int i = 0; i < N; ++i) {
        weights[i] = i % 2;
        if (i % 2) p.x[i] = 4.0;
    }
    check_fault(p, weights, FGM_ERROR_CONSTANT, 0, "x constant over the rows of positive weight");
}

static void test_bad_shapes(void) {
    pair p = draw_pair(1);
    outcome o;
    fgm_options options = small_options();
    o.result = (fgm_result){.size = sizeof o.result};
    check_status(fgm_mutual_information(p.x, p.y, N, 0, 1, NULL, &options, 1, &o.result), FGM_ERROR_DIMENSION, "no x");
    check_status(fgm_mutual_information(p.x, p.y, N, 1, 0, NULL, &options, 1, &o.result), FGM_ERROR_DIMENSION, "no y");
    check_status(fgm_mutual_information(p.x, p.y, 4, 32, 33, NULL, &options, 1, &o.result), FGM_ERROR_DIMENSION, "65 variables");
    check_status(fgm_mutual_information(p.x, p.y, 7, 1, 1, NULL, &options, 1, &o.result), FGM_ERROR_TOO_FEW_SAMPLES, "7 rows");
    check_status(fgm_mutual_information(p.x, p.y, 8, 1, 1, NULL, &options, 1, &o.result), FGM_OK, "8 rows");
    check_status(fgm_mutual_information(p.x, p.y, 0, 1, 1, NULL, &options, 1, &o.result), FGM_ERROR_TOO_FEW_SAMPLES, "no rows");
    options.n_components = 67;
    check_status(fgm_mutual_information(p.x, p.y, N, 1, 1, NULL, &options, 1, &o.result), FGM_ERROR_TOO_MANY_COMPONENTS, "67 components of 200 rows");
    options = small_options();
    check_status(fgm_fit(p.x, N, 0, NULL, &options, 1, &(fgm_fit_result){.size = sizeof(fgm_fit_result)}), FGM_ERROR_DIMENSION, "fit of no variable");
    check_status(fgm_bootstrap_range(p.x, p.y, N, 1, 0, NULL, &options, 1, 1, o.weights, o.means, o.covariances, 0, 1, o.bootstrap, o.centres),
                 FGM_ERROR_DIMENSION, "range without y");
    o.weights[0] = 1.0;
    memset(o.means, 0, sizeof o.means);
    memset(o.covariances, 0, sizeof o.covariances);
    check_status(fgm_bootstrap_range(p.x, p.y, N, 1, 1, NULL, &options, 1, 1, o.weights, o.means, o.covariances, 0, 1, o.bootstrap, o.centres),
                 FGM_ERROR_NOT_POSITIVE_DEFINITE, "range from a singular mixture");
}

static void test_sizes(void) {
    pair p = draw_pair(1);
    outcome o;
    fgm_options options = small_options();
    options.size -= 8;
    check_status(run(&p, NULL, options, 1, &o), FGM_ERROR_VERSION, "options of another size");
    options = small_options();
    o.result.size += 8;
    check_status(fgm_mutual_information(p.x, p.y, N, 1, 1, NULL, &options, 1, &o.result), FGM_ERROR_VERSION, "a result of another size");
    check_status(fgm_fit(p.x, N, 1, NULL, &options, 1, &(fgm_fit_result){.size = 1}), FGM_ERROR_VERSION, "a fit's result of another size");
}

#define REFUSED(field, bad) \
    do { \
        fgm_options options = small_options(); \
        options.field = (bad); \
        check_status(run(&p, NULL, options, 1, &o), FGM_ERROR_OPTION, #field " = " #bad); \
    } while (0)

static void test_bad_options(void) {
    pair p = draw_pair(1);
    outcome o;
    REFUSED(n_components, -1);
    REFUSED(n_components, FGM_MAX_COMPONENTS + 1);
    REFUSED(max_components, 0);
    REFUSED(max_components, FGM_MAX_COMPONENTS + 1);
    REFUSED(criterion, -1);
    REFUSED(criterion, 3);
    REFUSED(init, -1);
    REFUSED(init, 8);
    REFUSED(n_folds, 1);
    REFUSED(n_folds, 65);
    REFUSED(n_inits, 0);
    REFUSED(patience, 0);
    REFUSED(max_iter, 0);
    REFUSED(tol, -1e-9);
    REFUSED(tol, NAN);
    REFUSED(reg_covar, 0.0);
    REFUSED(reg_covar, NAN);
    REFUSED(init_scale, -1.0);
    REFUSED(init_scale, NAN);
    REFUSED(marginals, -1);
    REFUSED(marginals, 5);
    REFUSED(integral, 2);
    REFUSED(integral, -1);
    REFUSED(error, 2);
    REFUSED(error, -1);
    REFUSED(n_bootstrap, -1);
    REFUSED(reselect, 2);
    REFUSED(reselect, -2);
    REFUSED(integration_tol, 0.0);
    REFUSED(integration_tol, NAN);
}

/* ---- early ends
 * ------------------------------------------------------------------------------------------------------------------------------------- */

typedef struct progress {
    int polls;
    int64_t stop_at, done, total;
    bool ordered;
} progress;

static int follow(void *data, int64_t done, int64_t total) {
    progress *seen = data;
    seen->polls += 1;
    seen->ordered &= done >= seen->done && done <= total;
    seen->done = done;
    seen->total = total;
    return done >= seen->stop_at;
}

static void test_progress_and_cancelling(void) {
    pair p = draw_pair(1);
    outcome o;
    fgm_options options = small_options();
    progress seen = {.stop_at = 1000, .ordered = true};
    options.poll = follow;
    options.poll_data = &seen;
    check_status(run(&p, NULL, options, 1, &o), FGM_OK, "a job that is followed");
    check(seen.polls > 0 && seen.ordered && seen.total == REPLICATES, "progress goes up to %d replicates", (int)seen.total);
    seen = (progress){.stop_at = 2, .ordered = true};
    check_status(run(&p, NULL, options, 1, &o), FGM_ERROR_CANCELLED, "a poll that stops after two replicates");
    check(seen.done == 2, "it stops at once");
    int cancel = 1;
    options = small_options();
    options.cancel = &cancel;
    check_status(run(&p, NULL, options, 1, &o), FGM_ERROR_CANCELLED, "a job that is cancelled");
    check_status(fgm_bootstrap_range(p.x, p.y, N, 1, 1, NULL, &options, 1, 1, (double[]){1}, (double[]){0, 0}, (double[]){1, 0, 0, 1}, 0, REPLICATES,
                                     o.bootstrap, o.centres),
                 FGM_ERROR_CANCELLED, "a range that is cancelled");
}

static void test_texts(void) {
    static const int codes[] = {
#define CODE(name, code, text) FGM_##name,
        FGM_STATUS_LIST(CODE)
#undef CODE
    };
    const char *unknown = fgm_strerror(-1);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; ++i) {
        check(codes[i] == (int)i && strlen(fgm_strerror(codes[i])) > 0 && strcmp(fgm_strerror(codes[i]), unknown) != 0, "text of code %d", codes[i]);
    }
    check(strlen(fgm_version()) >= 5 && strlen(unknown) > 0, "version, and the text of an unknown code");
}

int main(void) {
    test_value_and_error();
    test_without_bootstrap();
    test_finish();
    for (int marginals = FGM_MARGINALS_NONE; marginals <= FGM_MARGINALS_GAUSSIANIZE; ++marginals) {
        test_any_range_any_order(marginals, 0);
        test_any_range_any_order(marginals, 1);
    }
    test_any_range_any_order(FGM_MARGINALS_STUDENTIZE, 0);
    test_arrays_may_be_left_out();
    test_seeds();
    test_weights();
    test_normal_scores();
    test_bad_data();
    test_bad_shapes();
    test_sizes();
    test_bad_options();
    test_progress_and_cancelling();
    test_texts();
    return summary();
}
