/* Crews: threads that stay for a whole job. Threads are POSIX threads here, which the thread sanitiser can watch: .ci/c-tests runs it under that too.
 */
#include "check.h"
#include "threads.h"

#include <pthread.h>

/* ---- a runner ---- */

enum { MOST_THREADS = 8, STACK = 1 << 22 }; /* of which sanitisers take most; musl's own would be smaller */

typedef struct runner {
    int n_threads;
    bool caller_is_last; /* it begins when another thread has begun */
    fgm_task task;
    void *task_data;
    int64_t n_tasks;
    volatile int64_t next, runs;
} runner;

static void run_loop(runner *all, int is_caller) {
    for (int64_t i; (i = fgm_atomic_add(&all->next, 1)) < all->n_tasks;) all->task(all->task_data, i, is_caller);
}

static void *be_helper(void *data) {
    run_loop(data, 0);
    return NULL;
}

static int run_tasks(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    runner *all = data;
    pthread_t helpers[MOST_THREADS];
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstacksize(&attributes, STACK) != 0) abort();
    all->task = task;
    all->task_data = task_data;
    all->n_tasks = n_tasks;
    fgm_atomic_store(&all->next, 0);
    fgm_atomic_add(&all->runs, 1);
    for (int i = 1; i < all->n_threads; ++i) {
        if (pthread_create(&helpers[i], &attributes, be_helper, all) != 0) abort();
    }
    while (all->caller_is_last && fgm_atomic_load(&all->next) == 0) fgm_pause();
    run_loop(all, 1);
    for (int i = 1; i < all->n_threads; ++i) pthread_join(helpers[i], NULL);
    pthread_attr_destroy(&attributes);
    return FGM_OK;
}

static fgm_options options_of(runner *threads) {
    fgm_options options;
    fgm_options_init(&options);
    options.run_tasks = run_tasks;
    options.runner_data = threads;
    return options;
}

/* ---- batches in batches ---- */

enum { OUTER = 23, INNER = 17, FAILS = 11, DEEP = 80 };

typedef struct counts {
    const fgm_options *options;
    volatile int64_t seen[OUTER][INNER];
    int fails_with, depth;
    int64_t at; /* outer index of the inner tasks of this copy */
    struct counts *whole;
} counts;

static int inner(void *data, int64_t index, int is_caller) {
    counts *own = data;
    (void)is_caller;
    fgm_atomic_add(&own->whole->seen[own->at][index], 1);
    return own->whole->fails_with != FGM_OK && own->at == FAILS && index == FAILS ? own->whole->fails_with : FGM_OK;
}

static int outer(void *data, int64_t index, int is_caller) {
    counts own = {.at = index, .whole = data};
    (void)is_caller;
    return fgm_run(own.whole->options, INNER, 1e4, inner, &own);
}

static int count_all(const fgm_options *options, void *data) {
    counts *all = data;
    all->options = options;
    check(fgm_crew_of(options) != NULL, "a job that is worth it has a crew");
    return fgm_run(options, OUTER, INFINITY, outer, all);
}

static void test_batches(int n_threads) {
    for (int caller_is_last = 0; caller_is_last < 2 && n_threads > 1; ++caller_is_last) {
        runner threads = {.n_threads = n_threads, .caller_is_last = caller_is_last};
        fgm_options options = options_of(&threads);
        counts all = {.fails_with = FGM_OK};
        int64_t n_once = 0;
        check_status(fgm_with_crew(&options, INFINITY, count_all, &all), FGM_OK, "batches");
        for (int i = 0; i < OUTER * INNER; ++i) n_once += all.seen[i / INNER][i % INNER] == 1;
        check(n_once == OUTER * INNER, "%d threads: every task is done once", n_threads);
        check(threads.runs == 1, "%d threads: they are asked for once", n_threads);
        counts failing = {.fails_with = FGM_ERROR_NOT_FINITE};
        check_status(fgm_with_crew(&options, INFINITY, count_all, &failing), FGM_ERROR_NOT_FINITE, "a batch that fails");
    }
}

static int go_down(void *data, int64_t index, int is_caller) {
    counts *all = data;
    (void)is_caller;
    if (index > 0 || all->depth == DEEP) return FGM_OK;
    ++all->depth;
    return fgm_run(all->options, 2, INFINITY, go_down, all);
}

static int descend(const fgm_options *options, void *data) {
    counts *all = data;
    all->options = options;
    return go_down(all, 0, 1);
}

static void test_more_batches_than_slots(void) {
    runner threads = {.n_threads = 2};
    fgm_options options = options_of(&threads);
    counts all = {.fails_with = FGM_OK};
    check_status(fgm_with_crew(&options, INFINITY, descend, &all), FGM_OK, "a deep nest");
    check(all.depth == DEEP, "a deep nest: %d of its levels", all.depth);
}

/* ---- no crew ---- */

static int refuse(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    (void)data, (void)n_tasks, (void)task, (void)task_data;
    return FGM_ERROR_MEMORY;
}

static int look_for_crew(const fgm_options *options, void *data) {
    *(bool *)data = fgm_crew_of(options) || options->run_tasks;
    return FGM_OK;
}

static void test_no_crew(void) {
    runner threads = {.n_threads = 2};
    fgm_options options = options_of(&threads);
    bool found = true;
    check_status(fgm_with_crew(&options, 1.0, look_for_crew, &found), FGM_OK, "a small job");
    check(!found && threads.runs == 0, "a small job asks for no thread");
    options.run_tasks = refuse;
    check_status(fgm_with_crew(&options, INFINITY, look_for_crew, &found), FGM_ERROR_MEMORY, "a runner that refuses");
    options.size = 1;
    check_status(fgm_with_crew(&options, INFINITY, look_for_crew, &found), FGM_ERROR_VERSION, "options of another version");
}

/* ---- whole jobs ---- */

enum { N = 6000, MOST = 8, REPLICATES = 12 };

typedef struct outcome {
    fgm_result result;
    double weights[MOST], means[2 * MOST], covariances[4 * MOST], bootstrap[REPLICATES], centres[REPLICATES];
} outcome;

static int estimate(const double *x, const double *y, fgm_options options, outcome *o) {
    memset(o, 0, sizeof *o);
    options.max_components = MOST;
    options.n_bootstrap = REPLICATES;
    o->result = (fgm_result){.size = sizeof o->result, .n_components = MOST, .n_classes = 1, .weights = o->weights, .means = o->means};
    o->result.covariances = o->covariances;
    o->result.bootstrap = o->bootstrap;
    o->result.centres = o->centres;
    return fgm_mutual_information(x, y, N, 1, 1, NULL, &options, 3, &o->result);
}

static void draw_pair(double *x, double *y) {
    for (int i = 0; i < N; ++i) {
        x[i] = log(-log(fgm_random_uniform(1, (uint64_t)i)));
        y[i] = log(-log(fgm_random_uniform(2, (uint64_t)i))) - x[i];
    }
}

static void test_bits(void) {
    double *x = numbers(N), *y = numbers(N);
    outcome alone, together;
    fgm_options options;
    fgm_options_init(&options);
    draw_pair(x, y);
    check_status(estimate(x, y, options, &alone), FGM_OK, "an estimate alone");
    check(alone.result.n_components > 1, "several components");
    for (int n_threads = 1; n_threads <= 5; n_threads += 2) {
        runner threads = {.n_threads = n_threads};
        check_status(estimate(x, y, options_of(&threads), &together), FGM_OK, "an estimate by a crew");
        check(memcmp(alone.weights, together.weights, sizeof alone - offsetof(outcome, weights)) == 0 && alone.result.value == together.result.value,
              "%d threads change no bit", n_threads);
    }
    free(x);
    free(y);
}

static int refuse_third_poll(void *data, int64_t done, int64_t total) {
    (void)done, (void)total;
    return ++*(int *)data >= 3;
}

/* The caller polls, whoever does the job. */
static void test_cancelling(void) {
    double *x = numbers(N), *y = numbers(N);
    draw_pair(x, y);
    for (int caller_is_last = 0; caller_is_last < 2; ++caller_is_last) {
        runner threads = {.n_threads = 3, .caller_is_last = caller_is_last};
        int polls = 0;
        outcome o;
        fgm_options options = options_of(&threads);
        options.poll = refuse_third_poll;
        options.poll_data = &polls;
        check_status(estimate(x, y, options, &o), FGM_ERROR_CANCELLED, "an estimate whose poll says no");
        check(polls >= 3, "it was asked: %d", polls);
    }
    free(x);
    free(y);
}

int main(void) {
    for (int n_threads = 1; n_threads <= MOST_THREADS; n_threads += 1 + (n_threads > 2)) test_batches(n_threads);
    test_more_batches_than_slots();
    test_no_crew();
    test_bits();
    test_cancelling();
    return summary();
}
