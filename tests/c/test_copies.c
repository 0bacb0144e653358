/* Rows that are copies of others: in views, with labels, among few and many, and where they are not to be seen. */
#include "check.h"

#define KINDS 90
#define TIMES 3
#define ROWS (KINDS * TIMES)

static double *view; /* (ROWS, 2) in a table of five columns, each row TIMES times */
static int32_t labels[ROWS];

static void test_views_and_labels(void) {
    int32_t groups[ROWS];
    int64_t n_copies = -1;
    fgm_variable variables[2] = {{.values = view, .d = 2, .stride = 5}, {.labels = labels, .n_classes = 4}};
    check_status(fgm_copies(variables, 2, ROWS, groups, &n_copies), FGM_OK, "copies");
    check(n_copies == ROWS - KINDS, "%d copies", (int)n_copies);
    for (int i = 0; i < ROWS; ++i) check(groups[i] == i % KINDS, "row %d is like row %d", i, groups[i]);
    labels[ROWS - 1] ^= 1; /* one row is its own now, and columns tell: labels are part of rows */
    check_status(fgm_copies(variables, 2, ROWS, groups, &n_copies), FGM_OK, "another label");
    check(n_copies == ROWS - KINDS - 1 && groups[ROWS - 1] == ROWS - 1, "%d copies beside another label", (int)n_copies);
    labels[ROWS - 1] ^= 1;
    check_status(fgm_copies(variables, 2, KINDS, groups, &n_copies), FGM_OK, "each once");
    check(n_copies == 0, "%d copies of rows that are there once", (int)n_copies);
    check_status(fgm_copies(variables + 1, 1, ROWS, groups, &n_copies), FGM_OK, "labels alone");
    check(n_copies == 0, "%d copies of labels alone", (int)n_copies);
    check_status(fgm_copies(variables, 2, 1, groups, &n_copies), FGM_OK, "one row");
    check(n_copies == 0, "%d copies of one row", (int)n_copies);
}

/* A job without groups is that with the groups that are found. */
static void test_a_job_takes_them(void) {
    int32_t groups[ROWS];
    fgm_options options;
    fgm_result found = {.size = sizeof found}, told = {.size = sizeof told};
    fgm_options_init(&options);
    options.n_bootstrap = 5;
    fgm_data data = {.size = sizeof data, .n = ROWS, .x = {.values = view, .d = 1, .stride = 5}, .y = {.values = view + 1, .d = 1, .stride = 5}};
    check_status(fgm_information(&data, &options, 1, &found), FGM_OK, "without groups");
    for (int i = 0; i < ROWS; ++i) groups[i] = i % KINDS;
    data.groups = groups;
    check_status(fgm_information(&data, &options, 1, &told), FGM_OK, "with groups");
    check(found.n_copies == ROWS - KINDS && told.n_copies == 0, "%d and %d copies", (int)found.n_copies, (int)told.n_copies);
    check(found.value == told.value && found.standard_error == told.standard_error, "value %g, %g", found.value, told.value);
}

int main(void) {
    double *X = draw_d5(KINDS, 1);
    view = numbers(5 * ROWS);
    for (int i = 0; i < ROWS; ++i) {
        for (int j = 0; j < 5; ++j) view[5 * i + j] = j < 2 ? X[2 * (i % KINDS) + j] : i + 0.5 * j;
        labels[i] = i % KINDS % 4;
    }
    test_views_and_labels();
    test_a_job_takes_them();
    free(view);
    free(X);
    return summary();
}
