/* Where rows stand: whatever the order in which they come, whichever way up their columns are and in whatever order. */
#if defined(__unix__) || defined(__APPLE__)
#define _DEFAULT_SOURCE /* for memory that must not be read */
#include <sys/mman.h>
#endif

#include "check.h"

#define ROWS 300
#define LABELS 3

static double *rows;             /* (ROWS, 2) of D5 */
static double weights[ROWS];     /* between 1 and 2 */
static int32_t labels[ROWS], groups[ROWS];

static fgm_prepared prepare(const fgm_data *data, uint64_t seed) {
    fgm_options options;
    fgm_prepared prepared;
    fgm_fault fault;
    fgm_options_init(&options);
    options.marginals = FGM_MARGINALS_GAUSSIANIZE;
    check_status(fgm_prepare(&prepared, data, &options, seed, &fault), FGM_OK, "prepare");
    return prepared;
}

/* All that fits see of the rows. */
static bool are_alike(const fgm_prepared *one, const fgm_prepared *other) {
    bool alike = one->n == other->n && one->d == other->d && one->classes.n == other->classes.n;
    size_t n = (size_t)one->n, stride = (size_t)one->samples.stride;
    for (int j = 0; alike && j < one->d; ++j) {
        alike = memcmp(one->memory + j * stride, other->memory + j * stride, n * sizeof(double)) == 0 &&
                memcmp(one->ranks + j * n, other->ranks + j * n, n * sizeof(uint32_t)) == 0;
    }
    alike = alike && memcmp(one->classes.first, other->classes.first, (size_t)(one->classes.n + 1) * sizeof(int64_t)) == 0;
    if (alike && one->samples.weights) alike = memcmp(one->samples.weights, other->samples.weights, n * sizeof(double)) == 0;
    for (int64_t i = 1; alike && one->samples.groups && i < one->n; ++i) { /* the same runs */
        alike = (one->draws[i] == one->draws[i - 1]) == (other->draws[i] == other->draws[i - 1]);
    }
    return alike;
}

typedef enum content { PLAIN, WEIGHTED, LABELLED, GROUPED, PAIRED, KINDS } content;

static fgm_data data_of(content kind, const double *X, const double *sample_weight, const int32_t *label, const int32_t *group) {
    static int32_t halves[ROWS];
    for (int i = 0; i < ROWS; ++i) halves[i] = i >= ROWS / 2;
    fgm_data data = {.size = sizeof data, .n = ROWS, .x = {.values = X, .d = 1, .stride = 2}, .y = {.values = X + 1, .d = 1, .stride = 2}};
    if (kind == WEIGHTED) data.sample_weight = sample_weight;
    if (kind == LABELLED) data.y = (fgm_variable){.labels = label, .n_classes = LABELS};
    if (kind == GROUPED) data.groups = group;
    if (kind == PAIRED) {
        data.quantity = FGM_QUANTITY_PAIRED_DIVERGENCE;
        data.x.d = 2;
        data.y = (fgm_variable){.labels = halves, .n_classes = 2};
    }
    return data;
}

/* A permutation of the rows, of pairs for the sake of PAIRED. */
static void exchange_rows(double *X, double *sample_weight, int32_t *label, int32_t *group, int32_t *number) {
    for (int i = 0; i < ROWS; ++i) {
        int pair = i % (ROWS / 2), from = (pair * 77 + 13) % (ROWS / 2) + i / (ROWS / 2) * (ROWS / 2);
        for (int j = 0; j < 2; ++j) X[2 * i + j] = rows[2 * from + j];
        sample_weight[i] = weights[from];
        label[i] = labels[from];
        group[i] = groups[from];
        number[i] = from;
    }
}

static void test_any_order_of_rows(void) {
    double X[2 * ROWS], sample_weight[ROWS];
    int32_t label[ROWS], group[ROWS], number[ROWS];
    exchange_rows(X, sample_weight, label, group, number);
    for (int kind = PLAIN; kind < KINDS; ++kind) {
        fgm_data data = data_of(kind, rows, weights, labels, groups), moved = data_of(kind, X, sample_weight, label, group);
        fgm_prepared one = prepare(&data, 1), other = prepare(&moved, 1), third = prepare(&data, 2);
        check(are_alike(&one, &other), "kind %d: the order of rows counts", kind);
        check(!are_alike(&one, &third), "kind %d: the seed counts for nothing", kind);
        bool same_draws = true;
        for (int i = 0; kind == PLAIN && i < ROWS; ++i) same_draws = same_draws && number[other.draws[i]] == (int)one.draws[i];
        check(same_draws, "replicates draw a row by its number in the data");
        fgm_prepared_release(&one);
        fgm_prepared_release(&other);
        fgm_prepared_release(&third);
    }
}

/* Columns are turned, mapped and exchanged: rows stay where they were, and columns come back into their own order. */
static void test_any_way_up(void) {
    double X[2 * ROWS], Z[2 * ROWS];
    fgm_data data = data_of(PLAIN, rows, NULL, NULL, NULL);
    for (int i = 0; i < ROWS; ++i) {
        X[2 * i] = exp(rows[2 * i + 1]);
        X[2 * i + 1] = -5.0 * rows[2 * i] + 3.0;
        Z[2 * i] = -rows[2 * i];
        Z[2 * i + 1] = rows[2 * i + 1];
    }
    fgm_data turned = data_of(PLAIN, X, NULL, NULL, NULL), mirrored = data_of(PLAIN, Z, NULL, NULL, NULL);
    fgm_prepared one = prepare(&data, 1), other = prepare(&turned, 1), third = prepare(&mirrored, 1);
    check(memcmp(one.draws, other.draws, ROWS * sizeof *one.draws) == 0, "columns turned, mapped and exchanged");
    check(memcmp(one.draws, third.draws, ROWS * sizeof *one.draws) == 0, "a column turned");
    fgm_prepared_release(&one);
    fgm_prepared_release(&other);
    fgm_prepared_release(&third);
}

/* Equal rows are in the same fold as often as chance has it: of 300 rows of 30 kinds about one in 33 follows one of its kind. */
static void test_equal_rows_are_parted(void) {
    double X[2 * ROWS];
    int n_alike = 0;
    for (int i = 0; i < 2 * ROWS; ++i) X[i] = rows[i % 60];
    fgm_data data = data_of(PLAIN, X, NULL, NULL, NULL);
    for (uint64_t seed = 0; seed < 20; ++seed) {
        fgm_prepared prepared = prepare(&data, seed);
        for (int i = 1; i < ROWS; ++i) n_alike += prepared.memory[i] == prepared.memory[i - 1];
        fgm_prepared_release(&prepared);
    }
    double expected = 20.0 * (ROWS - 1) * 9.0 / (ROWS - 1);
    check(fabs(n_alike - expected) < 4.5 * sqrt(expected), "%d rows follow an equal one, %g are expected", n_alike, expected);
}

/* The same rows are taken, in any order, with their weights; those that weigh nothing are none. */
static void test_a_sample_of_rows(void) {
    double X[2 * ROWS], sample_weight[ROWS], taken[ROWS], other[ROWS];
    int32_t label[ROWS], group[ROWS], number[ROWS];
    fgm_options options;
    fgm_options_init(&options);
    weights[7] = 0.0;
    exchange_rows(X, sample_weight, label, group, number);
    fgm_data data = data_of(WEIGHTED, rows, weights, NULL, NULL), moved = data_of(WEIGHTED, X, sample_weight, NULL, NULL);
    check_status(fgm_thin_out(&data, &options, 100, 1, taken), FGM_OK, "thin out");
    check_status(fgm_thin_out(&moved, &options, 100, 1, other), FGM_OK, "thin out");
    int n_taken = 0;
    bool are_the_same = true;
    for (int i = 0; i < ROWS; ++i) {
        n_taken += taken[i] > 0.0;
        are_the_same = are_the_same && other[i] == taken[number[i]] && (taken[i] == 0.0 || taken[i] == weights[i]);
    }
    check(n_taken == 100 && are_the_same && taken[7] == 0.0, "%d rows are taken", n_taken);
    weights[7] = 1.0;
}

/* Many rows are a permutation too; and a sample of them is as large as was asked for. */
static void test_many_rows(void) {
    int64_t n = FGM_MANY_ROWS;
    double *X = numbers(2 * (size_t)n), *taken = numbers((size_t)n), sum = 0.0;
    int32_t *group = malloc((size_t)n * sizeof *group);
    fgm_options options;
    fgm_options_init(&options);
    for (int64_t i = 0; i < n; ++i) {
        X[2 * i] = (double)i;
        X[2 * i + 1] = sin((double)i);
        group[i] = (int32_t)(i / 2);
    }
    fgm_data data = {.size = sizeof data, .n = n, .x = {.values = X, .d = 1, .stride = 2}, .y = {.values = X + 1, .d = 1, .stride = 2}};
    for (int grouped = 0; grouped < 2; ++grouped) {
        data.groups = grouped ? group : NULL;
        fgm_prepared prepared = prepare(&data, 1);
        int64_t n_together = 0, x = prepared.layout.columns[0];
        bool is_permutation = true;
        for (int64_t i = 0; i < n; ++i) taken[i] = 0.0;
        for (int64_t i = 0; i < n; ++i) { /* by ranks, as x counts up */
            uint32_t place = prepared.ranks[x * n + i];
            is_permutation = is_permutation && taken[place]++ == 0.0;
            if (i % 2) n_together += llabs((int64_t)place - prepared.ranks[x * n + i - 1]) == 1;
        }
        check(is_permutation, "each place is taken once");
        check(grouped ? n_together == n / 2 : n_together < 30, "%d pairs stand together", (int)n_together);
        check((prepared.draws != NULL) == grouped, "rows of their own are drawn by their places");
        fgm_prepared_release(&prepared);
    }
    check_status(fgm_thin_out(&data, &options, 500, 1, taken), FGM_OK, "thin out");
    for (int64_t i = 0; i < n; ++i) sum += taken[i];
    check(sum == 500.0, "%g rows are taken", sum);
    free(X);
    free(taken);
    free(group);
}

#if defined(MAP_ANONYMOUS)
/* Many rows are read once, from the first to the last, as a file that is mapped should be: nothing is looked at beyond a number that is none. */
static void test_many_rows_are_read_in_order(void) {
    const int64_t n = 200000, bad = 90000, forbidden = 98304; /* where pages of 64 KB and less begin */
    size_t size = 2 * (size_t)n * sizeof(double);
    double *X = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(X != MAP_FAILED, "memory that can be locked");
    if (X == MAP_FAILED) return;
    for (int64_t i = 0; i < 2 * n; ++i) X[i] = fgm_random_uniform(7, (uint64_t)i);
    X[2 * bad + 1] = INFINITY;
    check(mprotect(X + 2 * forbidden, size - 2 * (size_t)forbidden * sizeof(double), PROT_NONE) == 0, "rows from %d on are locked", (int)forbidden);
    fgm_data data = {.size = sizeof data, .n = n, .x = {X, NULL, 1, 0, 2}, .y = {X + 1, NULL, 1, 0, 2}};
    fgm_options options;
    fgm_prepared prepared;
    fgm_fault fault = {-1, -1};
    fgm_options_init(&options);
    check_status(fgm_prepare(&prepared, &data, &options, 3, &fault), FGM_ERROR_NOT_FINITE, "a number that is none");
    check(fault.column == 1, "it is in column %d", fault.column);
    munmap(X, size);
}
#endif

int main(void) {
    rows = draw_d5(ROWS, 1);
    for (int i = 0; i < ROWS; ++i) {
        weights[i] = 1.0 + fgm_random_uniform(5, (uint64_t)i);
        labels[i] = i % 7 % LABELS;
        groups[i] = i % (ROWS / 2) / 4;
    }
    test_any_order_of_rows();
    test_any_way_up();
    test_equal_rows_are_parted();
    test_a_sample_of_rows();
    test_many_rows();
#if defined(MAP_ANONYMOUS)
    test_many_rows_are_read_in_order();
#endif
    free(rows);
    return summary();
}
