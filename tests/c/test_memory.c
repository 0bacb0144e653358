/* Where memory runs out at any point of any function, it returns FGM_ERROR_MEMORY and has freed what it took.
 *
 * The linker sends the core's malloc, calloc, realloc and free here (-Wl,--wrap=malloc and so on). Each job first runs with memory enough, which
 * counts its allocations; then one allocation fails, the first, the second, ..., alone, and then all from there on.
 */
#include "check.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void __real_free(void *memory);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void __wrap_free(void *memory);

static int64_t n_calls, n_live, fail_first = -1, fail_last = -1; /* calls that fail, of those since n_calls was 0 */

static bool fails(void) {
    int64_t call = n_calls++;
    return call >= fail_first && call <= fail_last;
}

static void *counted(void *memory) {
    n_live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size) { return fails() ? NULL : counted(__real_malloc(size)); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : counted(__real_calloc(count, size)); }
void *__wrap_realloc(void *memory, size_t size) { return fails() ? NULL : memory ? __real_realloc(memory, size) : counted(__real_malloc(size)); }
void __wrap_free(void *memory) {
    n_live -= memory != NULL;
    __real_free(memory);
}

/* ---- data: 40 rows of two pairs of columns that depend on each other, and of labels --------------------------------------------- */

enum { N = 40, DIFFERENT = 30, MOST = 2, REPLICATES = 2, D = 5 };

static double columns[4][N], rows[2 * N], copied_rows[2 * N], weights_of_rows[N];
static int32_t two_labels[N], six_labels[N], halves[N];

static void fill_data(void) {
    for (int i = 0; i < N; ++i) {
        two_labels[i] = (int32_t)(fgm_random_uniform(8, (uint64_t)i) * 2.0);
        six_labels[i] = i % 6;
        halves[i] = i >= N / 2;
        weights_of_rows[i] = 0.5 + fgm_random_uniform(9, (uint64_t)i);
        double common = fgm_random_normal(10, (uint64_t)i) + 4.0 * two_labels[i];
        for (int j = 0; j < 4; ++j) columns[j][i] = common + fgm_random_normal(11 + (uint64_t)j, (uint64_t)i);
        columns[2][i] = round(10.0 * columns[2][i]) / 10.0; /* ties */
        rows[2 * i] = columns[0][i];
        rows[2 * i + 1] = columns[1][i];
        for (int j = 0; j < 2; ++j) copied_rows[2 * i + j] = rows[2 * (i % DIFFERENT) + j];
    }
}

static fgm_options small_options(void) {
    fgm_options options;
    fgm_options_init(&options);
    options.max_components = MOST;
    options.marginals = FGM_MARGINALS_STANDARDIZE;
    options.n_bootstrap = REPLICATES;
    options.reselect = 1;
    return options;
}

/* Room for any result of this data. */
static double bootstrap[REPLICATES], centres[REPLICATES], scores[N * MOST], weights[N * MOST], means[N * MOST * D], covariances[N * MOST * D * D];
static double probabilities[N];
static int32_t labels[3 * N], components[N];
static fgm_result result;

static int estimate(fgm_data data, fgm_options options) {
    data.size = sizeof data;
    data.n = N;
    result = (fgm_result){
        .size = sizeof result,
        .bootstrap = bootstrap,
        .centres = centres,
        .scores = scores,
        .weights = weights,
        .means = means,
        .covariances = covariances,
        .class_labels = labels,
        .class_probabilities = probabilities,
        .class_components = components,
    };
    return fgm_information(&data, &options, 1, &result);
}

/* ---- jobs: each runs one function of the library once --------------------------------------------------------------------------- */

static int information_of_two_columns(void) {
    fgm_options options = small_options();
    result = (fgm_result){.size = sizeof result};
    return fgm_mutual_information(columns[0], columns[1], N, 1, 1, weights_of_rows, &options, 1, &result);
}

static int information_of_normal_scores(void) {
    fgm_options options = small_options();
    options.marginals = FGM_MARGINALS_GAUSSIANIZE;
    options.reselect = 0;
    return estimate((fgm_data){.x = {rows, NULL, 2, 0}, .y = {columns[2], NULL, 1, 0}}, options);
}

static int information_of_student_scores(void) {
    fgm_options options = small_options();
    options.marginals = FGM_MARGINALS_STUDENTIZE;
    options.integral = FGM_INTEGRAL_DATA;
    options.n_folds = 2;
    return estimate((fgm_data){.x = {rows, NULL, 2, 0}, .y = {columns[2], NULL, 1, 0}}, options);
}

static int information_under_the_better_map(void) {
    fgm_options options = small_options();
    options.marginals = FGM_MARGINALS_AUTO;
    options.n_components = MOST; /* one alone would need no other map */
    options.n_bootstrap = 0;
    options.n_folds = 2;
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {columns[2], NULL, 1, 0}}, options);
}

static int information_that_neighbours_look_at(void) {
    fgm_options options = small_options();
    options.n_components = MOST;
    options.n_bootstrap = 0;
    return estimate((fgm_data){.x = {rows, NULL, 2, 0}, .y = {columns[3], NULL, 1, 0}}, options);
}

/* Those of a mixture that is denied. */
static int ranks_of_pairs(void) {
    fgm_options options = small_options();
    fgm_data data = {.size = sizeof data, .n = N, .x = {.values = columns[0], .d = 1}, .y = {.values = columns[1], .d = 1}};
    fgm_prepared prepared = {0};
    fgm_model model = {0};
    fgm_fault fault;
    double deviations;
    int status = fgm_prepare(&prepared, &data, &options, 1, &fault);
    if (status == FGM_OK) status = fgm_model_allocate(&model, 1, 2, prepared.classes.labels);
    if (status == FGM_OK) {
        static const double halves_of_one[] = {0.5, 0.5}, centres_of_two[] = {-0.5, -0.5, 0.5, 0.5}, units[] = {1, 0, 0, 1, 1, 0, 0, 1};
        model.probabilities[0] = 1.0;
        status = fgm_mixture_from_parameters(&model.mixtures[0], 2, 2, halves_of_one, centres_of_two, units);
    }
    if (status == FGM_OK) status = fgm_rank_pairs(&prepared, &model, &deviations);
    fgm_model_release(&model);
    fgm_prepared_release(&prepared);
    return status;
}

static int run_in_order(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    (void)data;
    for (int64_t i = 0; i < n_tasks; ++i) FGM_TRY(task(task_data, i, 1));
    return FGM_OK;
}

static int do_nothing(const fgm_options *options, void *data) {
    (void)options, (void)data;
    return FGM_OK;
}

static int crew(void) {
    fgm_options options = small_options();
    options.run_tasks = run_in_order;
    return fgm_with_crew(&options, INFINITY, do_nothing, NULL);
}

static int information_over_the_data_in_groups(void) {
    fgm_options options = small_options();
    options.integral = FGM_INTEGRAL_DATA;
    options.n_folds = 2;
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {NULL, two_labels, 0, 2}, .groups = six_labels}, options);
}

static int information_by_delta(void) {
    fgm_options options = small_options();
    options.error = FGM_ERROR_BY_DELTA;
    options.n_components = MOST;
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {NULL, two_labels, 0, 2}}, options);
}

static int divergence_by_delta(void) {
    fgm_options options = small_options();
    options.error = FGM_ERROR_BY_DELTA;
    options.n_components = MOST;
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {NULL, halves, 0, 2}, .quantity = FGM_QUANTITY_DIVERGENCE}, options);
}

static int information_with_labels_given_numbers(void) {
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {NULL, two_labels, 0, 2}, .given = {columns[2], NULL, 1, 0}}, small_options());
}

static int information_given_many_labels(void) {
    return estimate((fgm_data){.x = {columns[0], NULL, 1, 0}, .y = {columns[1], NULL, 1, 0}, .given = {NULL, six_labels, 0, 6}}, small_options());
}

static int information_of_labels(void) {
    return estimate((fgm_data){.x = {NULL, six_labels, 0, 6}, .y = {NULL, two_labels, 0, 2}, .sample_weight = weights_of_rows}, small_options());
}

static int entropy_of_samples(void) { return estimate((fgm_data){.x = {rows, NULL, 2, 0}, .quantity = FGM_QUANTITY_ENTROPY}, small_options()); }

static int entropy_of_copies(void) { return estimate((fgm_data){.x = {copied_rows, NULL, 2, 0}, .quantity = FGM_QUANTITY_ENTROPY}, small_options()); }

static int divergence_of_samples(void) {
    fgm_data data = {.x = {columns[0], NULL, 1, 0}, .y = {NULL, halves, 0, 2}, .quantity = FGM_QUANTITY_DIVERGENCE};
    return estimate(data, small_options());
}

static int divergence_of_pairs(void) {
    fgm_data data = {.x = {rows, NULL, 2, 0}, .y = {NULL, halves, 0, 2}, .quantity = FGM_QUANTITY_PAIRED_DIVERGENCE};
    return estimate(data, small_options());
}

static int range_of_replicates(void) {
    static const double weight = 1.0, mean[2] = {0.0, 0.0}, covariance[4] = {1.0, 0.5, 0.5, 1.0};
    fgm_options options = small_options();
    return fgm_bootstrap_range(columns[0], columns[1], N, 1, 1, NULL, &options, 1, 1, &weight, mean, covariance, 0, REPLICATES, bootstrap, centres);
}

static int pointwise(void) {
    static const int32_t known[] = {0, 0, 0, 0, 1, 0}, one_each[] = {1, 1};
    static const double half[] = {0.5, 0.5}, one[] = {1.0, 1.0}, none[] = {0.0, 0.0};
    fgm_data data = {.size = sizeof data, .n = N, .x = {columns[0], NULL, 1, 0}, .y = {NULL, two_labels, 0, 2}};
    return fgm_pointwise(&data, 2, known, half, one_each, one, none, one, weights);
}

static int sizes_of_a_result(void) {
    fgm_data data = {.size = sizeof data, .n = N, .x = {columns[0], NULL, 1, 0}, .y = {NULL, two_labels, 0, 2}};
    fgm_options options = small_options();
    int32_t n_classes;
    int64_t n_components;
    return fgm_result_sizes(&data, &options, &n_classes, &n_components);
}

static int fit_from(int init) {
    fgm_options options = small_options();
    options.init = init;
    fgm_fit_result fit = {.size = sizeof fit, .weights = weights, .means = means, .covariances = covariances, .scores = scores};
    return fgm_fit(rows, N, 2, NULL, &options, 1, &fit);
}

static int fit_from_splits(void) { return fit_from(FGM_INIT_SPLIT); }
static int fit_from_kmeans(void) { return fit_from(FGM_INIT_KMEANSPP); }
static int fit_from_random(void) { return fit_from(FGM_INIT_RANDOM); }
static int fit_from_gmm_mi(void) { return fit_from(FGM_INIT_RANDOMIZED_KMEANS); }

static int normal_scores(void) {
    int64_t n_knots;
    return fgm_normal_scores(columns[2], N, weights_of_rows, means, scores, &n_knots);
}

/* Mixtures of two components in d dimensions. */
static parameters mixtures[D + 1], others[D + 1];

static int of_mixture(int (*function)(int32_t, int32_t, const double *, const double *, const double *, const double *, int64_t, double *)) {
    const parameters *p = &mixtures[2];
    return function(2, 2, p->weights, p->means, p->covariances, rows, N, means);
}

static int log_density(void) { return of_mixture(fgm_log_density); }
static int responsibilities(void) { return of_mixture(fgm_responsibilities); }

static int sample(void) {
    const parameters *p = &mixtures[2];
    return fgm_sample(2, 2, p->weights, p->means, p->covariances, 1, N, means);
}

static int entropy_in(int d) {
    const parameters *p = &mixtures[d];
    double value, error;
    return fgm_entropy(2, d, p->weights, p->means, p->covariances, 1e-2, 1, &value, &error);
}

static int entropy_in_1(void) { return entropy_in(1); }
static int entropy_in_3(void) { return entropy_in(3); }
static int entropy_in_5(void) { return entropy_in(D); }

static int divergence_in(int d) {
    const parameters *p = &mixtures[d], *q = &others[d];
    double value, error;
    return fgm_kl_divergence(d, 2, p->weights, p->means, p->covariances, 2, q->weights, q->means, q->covariances, 1e-2, 1, &value, &error);
}

static int divergence_in_1(void) { return divergence_in(1); }
static int divergence_in_5(void) { return divergence_in(D); }

static int information_of_a_mixture(void) {
    static const int32_t x[] = {0}, y[] = {2}, given[] = {1};
    const parameters *p = &mixtures[3];
    double value, error;
    return fgm_mixture_mutual_information(2, 3, p->weights, p->means, p->covariances, x, 1, y, 1, given, 1, 1e-2, 1, &value, &error);
}

/* It jumps, so that up to three dimensions lattices and random points both have their turn. */
static int is_positive(void *data, const double *points, int64_t n, double *values) {
    int d = *(const int *)data;
    for (int64_t i = 0; i < n; ++i) values[i] = points[i * d] > 0.0;
    return FGM_OK;
}

static int expectation_in(int d) {
    const parameters *p = &mixtures[d];
    double value, error;
    return fgm_expect(2, d, p->weights, p->means, p->covariances, is_positive, &d, 1e-3, 1, &value, &error, NULL);
}
static int expectation_in_1(void) { return expectation_in(1); }
static int expectation_in_5(void) { return expectation_in(D); }

/* What the header says of these: they allocate nothing. */
static void run_without(void) {
    static double out_weights[2], out_means[4], out_covariances[8], work[20000], out[2 * N];
    static const int32_t first[] = {0};
    static const double at[] = {0.5}, knots[] = {0.0, 1.0};
    const parameters *p = &mixtures[2];
    fgm_options options;
    fgm_result finished = {.size = sizeof finished};
    int status = FGM_OK;
    check(fgm_density_work_size(2, 2) <= sizeof work / sizeof *work, "room for the work of a density: %zu", fgm_density_work_size(2, 2));
    fail_first = 0;
    fail_last = INT64_MAX;
    n_calls = 0;
    fgm_options_init(&options);
    status |= fgm_log_density_in(2, 2, p->weights, p->means, p->covariances, rows, N, out, work);
    status |= fgm_responsibilities_in(2, 2, p->weights, p->means, p->covariances, rows, N, out, work);
    status |= fgm_marginal(2, 2, p->means, p->covariances, first, 1, out_means, out_covariances);
    status |= fgm_conditional(2, 2, p->weights, p->means, p->covariances, first, 1, at, out_weights, out_means, out_covariances);
    status |= fgm_apply_normal_scores(knots, knots, 2, columns[0], N, out);
    status |= fgm_finish(bootstrap, centres, REPLICATES, &finished);
    status |= fgm_set_cpu_tier(fgm_cpu_tier());
    fgm_exp(columns[0], N, out);
    fgm_log(out, N, out);
    fail_first = fail_last = -1;
    check_status(status, FGM_OK, "functions that allocate nothing");
    check(n_calls == 0 && fgm_version() && fgm_strerror(FGM_OK), "functions that allocate nothing called malloc %d times", (int)n_calls);
}

/* ---- the trial -------------------------------------------------------------------------------------------------------------------- */

static void run_out(const char *name, int (*job)(void)) {
    fail_first = fail_last = -1;
    n_calls = 0;
    int64_t live = n_live;
    check_status(job(), FGM_OK, name);
    int64_t n_allocations = n_calls;
    check(n_allocations > 0 && n_live == live, "%s: %d allocations, %d blocks left", name, (int)n_allocations, (int)(n_live - live));
    for (int and_later = 0; and_later < 2; ++and_later) {
        for (int64_t i = 0; i < n_allocations; ++i) {
            fail_first = i;
            fail_last = and_later ? INT64_MAX : i;
            n_calls = 0;
            int status = job();
            check(status == FGM_ERROR_MEMORY && n_live == live, "%s without allocation %d of %d%s: \"%s\", %d blocks left", name, (int)i,
                  (int)n_allocations, and_later ? " and those after it" : "", fgm_strerror(status), (int)(n_live - live));
            n_live = live;
        }
    }
    fail_first = fail_last = -1;
}

#define RUN_OUT(job) run_out(#job, job)

int main(void) {
    fill_data();
    for (int d = 1; d <= D; ++d) {
        mixtures[d] = draw_parameters(2, d, 20 + (uint64_t)d);
        others[d] = draw_parameters(2, d, 30 + (uint64_t)d);
    }
    RUN_OUT(information_of_two_columns);
    RUN_OUT(information_of_normal_scores);
    RUN_OUT(information_of_student_scores);
    RUN_OUT(information_under_the_better_map);
    RUN_OUT(information_that_neighbours_look_at);
    RUN_OUT(ranks_of_pairs);
    RUN_OUT(crew);
    RUN_OUT(information_over_the_data_in_groups);
    RUN_OUT(information_by_delta);
    RUN_OUT(divergence_by_delta);
    RUN_OUT(information_with_labels_given_numbers);
    RUN_OUT(information_given_many_labels);
    RUN_OUT(information_of_labels);
    RUN_OUT(entropy_of_samples);
    RUN_OUT(entropy_of_copies);
    RUN_OUT(divergence_of_samples);
    RUN_OUT(divergence_of_pairs);
    RUN_OUT(range_of_replicates);
    RUN_OUT(pointwise);
    RUN_OUT(sizes_of_a_result);
    RUN_OUT(fit_from_splits);
    RUN_OUT(fit_from_kmeans);
    RUN_OUT(fit_from_random);
    RUN_OUT(fit_from_gmm_mi);
    RUN_OUT(normal_scores);
    RUN_OUT(log_density);
    RUN_OUT(responsibilities);
    RUN_OUT(sample);
    RUN_OUT(entropy_in_1);
    RUN_OUT(entropy_in_3);
    RUN_OUT(entropy_in_5);
    RUN_OUT(divergence_in_1);
    RUN_OUT(divergence_in_5);
    RUN_OUT(information_of_a_mixture);
    RUN_OUT(expectation_in_1);
    RUN_OUT(expectation_in_5);
    run_without();
    for (int d = 1; d <= D; ++d) {
        release_parameters(&mixtures[d]);
        release_parameters(&others[d]);
    }
    return summary();
}
