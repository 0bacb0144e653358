/* Mutual information of two columns of a CSV file, on several threads: estimate FILE X Y SEED N_BOOTSTRAP N_THREADS
 *
 * X and Y are names in the header of the file. Prints value and standard error in nats.
 */
#include <fastgmmmi.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- threads: the library hands out a loop over indices, and this program decides who runs it -------------------------------- */

typedef struct loop {
    fgm_task task;
    void *task_data;
    int64_t n_tasks, next;
    int status;
    pthread_mutex_t mutex;
} loop;

static int64_t next_index(loop *shared, int status) {
    pthread_mutex_lock(&shared->mutex);
    if (shared->status == FGM_OK) shared->status = status;
    int64_t index = shared->status == FGM_OK && shared->next < shared->n_tasks ? shared->next++ : -1;
    pthread_mutex_unlock(&shared->mutex);
    return index;
}

static void run_loop(loop *shared, int is_caller) {
    int status = FGM_OK;
    for (int64_t index; (index = next_index(shared, status)) >= 0;) status = shared->task(shared->task_data, index, is_caller);
}

static void *helper(void *shared) {
    run_loop(shared, 0);
    return NULL;
}

enum { MOST_THREADS = 64, STACK = 1 << 19 }; /* musl's own stacks are too small */

static int run_tasks(void *n_threads, int64_t n_tasks, fgm_task task, void *task_data) {
    loop shared = {.task = task, .task_data = task_data, .n_tasks = n_tasks, .mutex = PTHREAD_MUTEX_INITIALIZER};
    pthread_t helpers[MOST_THREADS];
    int n_helpers = 0;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    while (n_helpers < *(const int *)n_threads - 1 && pthread_create(&helpers[n_helpers], &attributes, helper, &shared) == 0) ++n_helpers;
    pthread_attr_destroy(&attributes);
    run_loop(&shared, 1);
    for (int i = 0; i < n_helpers; ++i) pthread_join(helpers[i], NULL);
    pthread_mutex_destroy(&shared.mutex);
    return shared.status;
}

/* ---- two columns of a file ------------------------------------------------------------------------------------------------------ */

enum { LONGEST_LINE = 65536 };

/* The field of a line that has that number, cut off at its end; NULL where there are fewer. */
static char *field(char *line, int number) {
    for (; number > 0; --number) {
        line = strchr(line, ',');
        if (!line) return NULL;
        ++line;
    }
    line[strcspn(line, ",\r\n")] = '\0';
    return line;
}

static int column_of(const char *header, const char *name) {
    static char line[LONGEST_LINE];
    for (int number = 0;; ++number) {
        const char *found = field(strcpy(line, header), number);
        if (!found || strcmp(found, name) == 0) return found ? number : -1;
    }
}

static int read_number(const char *line, int column, double *number) {
    static char copy[LONGEST_LINE];
    char *text = field(strcpy(copy, line), column), *end;
    if (!text || !*text) return -1;
    *number = strtod(text, &end);
    return *end ? -1 : 0;
}

/* Rows of the file in which both are numbers; their count, or -1. */
static int64_t read_columns(const char *path, const char *x_name, const char *y_name, double **x, double **y) {
    static char line[LONGEST_LINE];
    int64_t n = 0, capacity = 0;
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file)) return -1;
    int x_column = column_of(line, x_name), y_column = column_of(line, y_name);
    if (x_column < 0 || y_column < 0) return -1;
    while (fgets(line, sizeof line, file)) {
        if (n == capacity) {
            capacity = 2 * capacity + 1024;
            *x = realloc(*x, (size_t)capacity * sizeof **x);
            *y = realloc(*y, (size_t)capacity * sizeof **y);
            if (!*x || !*y) return -1;
        }
        n += read_number(line, x_column, *x + n) == 0 && read_number(line, y_column, *y + n) == 0;
    }
    fclose(file);
    return n;
}

int main(int count, char **arguments) {
    double *x = NULL, *y = NULL;
    if (count != 7) {
        fprintf(stderr, "usage: estimate FILE X Y SEED N_BOOTSTRAP N_THREADS\n");
        return 2;
    }
    int64_t n = read_columns(arguments[1], arguments[2], arguments[3], &x, &y);
    if (n < 0) {
        fprintf(stderr, "estimate: no file %s with columns %s and %s\n", arguments[1], arguments[2], arguments[3]);
        return 2;
    }
    uint64_t seed = strtoull(arguments[4], NULL, 10);
    int n_threads = atoi(arguments[6]) < MOST_THREADS ? atoi(arguments[6]) : MOST_THREADS;
    fgm_options options;
    fgm_options_init(&options);
    options.n_bootstrap = atoi(arguments[5]);
    options.run_tasks = run_tasks;
    options.runner_data = &n_threads;
    fgm_result result = {.size = sizeof result};
    int status = fgm_mutual_information(x, y, n, 1, 1, NULL, &options, seed, &result);
    free(x);
    free(y);
    if (status != FGM_OK) {
        fprintf(stderr, "estimate: %s\n", fgm_strerror(status));
        return 2;
    }
    printf("%.17g %.17g\n", result.value, result.standard_error);
    return 0;
}
