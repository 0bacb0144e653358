/* Labels: the combinations that occur are the classes, sorted by the labels of x, then y, then given. Each has a mixture of its own. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

typedef struct labelled_row {
    int32_t labels[3];
    uint32_t row; /* among those of positive weight */
} labelled_row;

static int compare_rows(const void *left, const void *right) {
    const labelled_row *a = left, *b = right;
    int order = fgm_compare_labels(a->labels, b->labels);
    return order ? order : (a->row > b->row) - (a->row < b->row);
}

static const fgm_variable *variable_of(const fgm_data *data, int v) { return v == 0 ? &data->x : v == 1 ? &data->y : &data->given; }

/* Rows of positive weight with their labels; those that no variable has are 0. */
static int read_rows(const fgm_data *data, labelled_row *rows /* (n_rows) */, fgm_fault *fault) {
    uint32_t next = 0;
    for (int64_t i = 0; i < data->n; ++i) {
        if (data->sample_weight && data->sample_weight[i] == 0.0) continue;
        for (int v = 0; v < 3; ++v) {
            const fgm_variable *variable = variable_of(data, v);
            int32_t label = variable->labels ? variable->labels[i] : 0;
            if (label < 0 || (variable->labels && label >= variable->n_classes)) {
                fault->variable = v;
                return FGM_ERROR_LABELS;
            }
            rows[next].labels[v] = label;
        }
        rows[next].row = next;
        ++next;
    }
    return FGM_OK;
}

/* Labels of one variable that occur in a list of classes. */
static int count_labels(const fgm_classes *classes, int v, int n_classes, int *n_labels) {
    char *seen = calloc((size_t)n_classes, 1);
    if (!seen) return FGM_ERROR_MEMORY;
    *n_labels = 0;
    for (int c = 0; c < classes->n; ++c) {
        char *at = &seen[classes->labels[3 * c + v]];
        *n_labels += !*at;
        *at = 1;
    }
    free(seen);
    return FGM_OK;
}

static int check_classes(const fgm_data *data, const fgm_classes *classes, int64_t n_rows, fgm_fault *fault) {
    for (int v = 0; v < 3; ++v) {
        const fgm_variable *variable = variable_of(data, v);
        if (!variable->labels) continue;
        int n_labels;
        FGM_TRY(count_labels(classes, v, variable->n_classes, &n_labels));
        fault->variable = v;
        if (n_labels == 1 && variable->d == 0 && v < 2) return FGM_ERROR_ONE_CLASS;
        if (n_labels == n_rows) return FGM_ERROR_TOO_MANY_CLASSES;
        fault->variable = -1;
    }
    bool mixed = data->x.d + data->y.d + data->given.d > 0;
    return mixed && classes->n == n_rows && n_rows > 1 ? FGM_ERROR_TOO_MANY_CLASSES : FGM_OK;
}

static int allocate_classes(fgm_classes *classes, int n) {
    classes->labels = calloc((size_t)n * 3, sizeof *classes->labels);
    classes->first = calloc((size_t)n + 1, sizeof *classes->first);
    classes->n = n;
    return classes->labels && classes->first ? FGM_OK : FGM_ERROR_MEMORY;
}

/* Numbers the runs of equal labels in sorted rows. */
static int number_classes(const labelled_row *rows, int64_t n_rows, int32_t *class_of, fgm_classes *classes) {
    int n = 0, c = -1;
    for (int64_t i = 0; i < n_rows; ++i) n += i == 0 || fgm_compare_labels(rows[i - 1].labels, rows[i].labels) != 0;
    FGM_TRY(allocate_classes(classes, n));
    for (int64_t i = 0; i < n_rows; ++i) {
        if (i == 0 || fgm_compare_labels(rows[i - 1].labels, rows[i].labels) != 0) {
            memcpy(classes->labels + 3 * ++c, rows[i].labels, 3 * sizeof *classes->labels);
            classes->first[c] = i;
        }
        class_of[rows[i].row] = c;
    }
    classes->first[n] = n_rows;
    return FGM_OK;
}

static int find_labelled(const fgm_data *data, int64_t n_rows, int32_t *class_of, fgm_classes *classes, fgm_fault *fault) {
    labelled_row *rows = malloc((size_t)n_rows * sizeof *rows);
    int status = rows ? read_rows(data, rows, fault) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) {
        qsort(rows, (size_t)n_rows, sizeof *rows, compare_rows);
        status = number_classes(rows, n_rows, class_of, classes);
    }
    free(rows);
    return status == FGM_OK ? check_classes(data, classes, n_rows, fault) : status;
}

int fgm_classes_find(const fgm_data *data, int64_t n_rows, int32_t **class_of, fgm_classes *classes, fgm_fault *fault) {
    *class_of = calloc((size_t)n_rows, sizeof **class_of);
    if (!*class_of) return FGM_ERROR_MEMORY;
    if (data->x.labels || data->y.labels || data->given.labels) return find_labelled(data, n_rows, *class_of, classes, fault);
    FGM_TRY(allocate_classes(classes, 1));
    classes->first[1] = n_rows;
    return FGM_OK;
}

void fgm_classes_release(fgm_classes *classes) {
    free(classes->labels);
    free(classes->first);
    memset(classes, 0, sizeof *classes);
}

int fgm_classes_search(const int32_t *labels, int n, const int32_t *wanted) {
    int low = 0, high = n;
    while (low < high) {
        int middle = low + (high - low) / 2, order = fgm_compare_labels(labels + 3 * middle, wanted);
        if (order == 0) return middle;
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return -1;
}

int fgm_model_allocate(fgm_model *model, int n_classes, int d, const int32_t *labels) {
    model->n_classes = n_classes;
    model->d = d;
    model->labels = labels;
    model->probabilities = fgm_allocate((size_t)n_classes);
    model->mixtures = calloc((size_t)n_classes, sizeof *model->mixtures);
    return model->probabilities && model->mixtures ? FGM_OK : FGM_ERROR_MEMORY;
}

void fgm_model_release(fgm_model *model) {
    for (int c = 0; model->mixtures && c < model->n_classes; ++c) fgm_mixture_release(&model->mixtures[c]);
    fgm_release(model->probabilities);
    free(model->mixtures);
    memset(model, 0, sizeof *model);
}

void fgm_model_set_probabilities(fgm_model *model, fgm_samples samples, const int64_t *first, bool equal) {
    double total = 0.0;
    for (int c = 0; c < model->n_classes; ++c) {
        double weight = fgm_training_of(fgm_rows(samples, first[c], first[c + 1])).total_weight;
        model->probabilities[c] = equal && weight > 0.0 ? 1.0 : weight;
        total += model->probabilities[c];
    }
    for (int c = 0; c < model->n_classes; ++c) model->probabilities[c] /= total;
}
