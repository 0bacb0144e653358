/* The quantity at single rows: what it is the expectation of, log p(x,y|z) / (p(x|z) p(y|z)), -log p(x), or log p(x) / q(x). */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- over the data ------------------------------------------------------------------------------------------------------------------- */

/* Sums over units, rows or groups, of products of the unit's weight w and its weighted sum s. */
typedef struct unit_sums {
    double w, s;       /* of the unit at hand */
    double total, sum; /* of w and s */
    double ww, ws, ss, www, wws, wss, sss;
    double square; /* of the values themselves, weighted */
} unit_sums;

static void close_unit(unit_sums *sums) {
    double w = sums->w, s = sums->s;
    sums->total += w;
    sums->sum += s;
    sums->ww += w * w;
    sums->ws += w * s;
    sums->ss += s * s;
    sums->www += w * w * w;
    sums->wws += w * w * s;
    sums->wss += w * s * s;
    sums->sss += s * s * s;
    sums->w = sums->s = 0.0;
}

static void add_rows(unit_sums *sums, fgm_samples rows, const double *values) {
    for (int64_t i = 0; i < rows.n; ++i) {
        double weight = rows.weights ? rows.weights[i] : 1.0;
        sums->w += weight;
        sums->s += weight * values[i];
        sums->square += weight * values[i] * values[i];
        if (!rows.groups || i + 1 == rows.n || rows.groups[i] != rows.groups[i + 1]) close_unit(sums);
    }
}

/* Influence of a unit: s - mean w. */
static fgm_moments moments_of(const unit_sums *sums) {
    double mean = sums->sum / sums->total;
    double second = sums->ss - 2.0 * mean * sums->ws + mean * mean * sums->ww;
    double third = sums->sss - 3.0 * mean * sums->wss + 3.0 * mean * mean * sums->wws - mean * mean * mean * sums->www;
    return (fgm_moments){
        .mean = mean,
        .deviation = sqrt(fmax(sums->square / sums->total - mean * mean, 0.0)),
        .variance = fmax(second, 0.0) / (sums->total * sums->total),
        .acceleration = second > 0.0 ? third / (6.0 * second * sqrt(second)) : 0.0,
    };
}

int fgm_find_moments(const fgm_model *model, const fgm_layout *layout, fgm_samples samples, const int64_t *first, fgm_moments *moments) {
    fgm_terms *terms;
    double values[FGM_TERMS_ROWS];
    unit_sums sums = {0};
    int status = fgm_terms_create(&terms, model, layout);
    for (int c = 0; status == FGM_OK && c < (fgm_is_divergence(layout) ? 1 : model->n_classes); ++c) {
        for (int64_t at = first[c]; at < first[c + 1]; at += FGM_TERMS_ROWS) {
            fgm_samples rows = fgm_rows(samples, at, at + FGM_TERMS_ROWS < first[c + 1] ? at + FGM_TERMS_ROWS : first[c + 1]);
            fgm_terms_evaluate(terms, c, rows, values);
            add_rows(&sums, rows, values);
        }
    }
    fgm_terms_destroy(terms);
    FGM_TRY(status);
    *moments = moments_of(&sums);
    return FGM_OK;
}

/* ---- of any rows ----------------------------------------------------------------------------------------------------------- */

/* Class of each row, -1 where it is none of those known. */
static void find_row_classes(const fgm_data *data, const int32_t *class_labels, int n_classes, int32_t *class_of /* (n) */) {
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    for (int64_t i = 0; i < data->n; ++i) {
        int32_t wanted[3] = {0, 0, 0};
        for (int v = 0; v < 3; ++v) {
            if (variables[v].labels) wanted[v] = variables[v].labels[i];
        }
        class_of[i] = fgm_classes_search(class_labels, n_classes, wanted);
    }
}

/* Up to FGM_TERMS_ROWS rows as columns. */
static void gather_rows(const fgm_data *data, const int64_t *rows, int n, double *columns /* (d, FGM_TERMS_ROWS) */) {
    const fgm_variable variables[3] = {data->x, data->y, data->given};
    for (int v = 0; v < 3; ++v) {
        for (int j = 0; j < variables[v].d; ++j, columns += FGM_TERMS_ROWS) {
            for (int i = 0; i < n; ++i) columns[i] = variables[v].values[rows[i] * variables[v].d + j];
        }
    }
}

/* Rows of each class in turn, by counting: order lists them, first (n_classes + 1) their runs. */
static void sort_rows(int64_t n, const int32_t *class_of, int n_classes, int64_t *first, int64_t *order) {
    memset(first, 0, (size_t)(n_classes + 1) * sizeof *first);
    for (int64_t i = 0; i < n; ++i) {
        if (class_of[i] >= 0) ++first[class_of[i] + 1];
    }
    for (int c = 0; c < n_classes; ++c) first[c + 1] += first[c];
    for (int64_t i = 0; i < n; ++i) {
        if (class_of[i] >= 0) order[first[class_of[i]]++] = i;
    }
    for (int c = n_classes; c > 0; --c) first[c] = first[c - 1];
    first[0] = 0;
}

static int evaluate_rows(const fgm_data *data, const fgm_model *model, const fgm_layout *layout, const int64_t *first, const int64_t *order,
                         double *out) {
    fgm_terms *terms;
    double values[FGM_TERMS_ROWS], *columns = fgm_allocate((size_t)model->d * FGM_TERMS_ROWS);
    int status = columns ? fgm_terms_create(&terms, model, layout) : FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < data->n; ++i) out[i] = -INFINITY;
    for (int c = 0; status == FGM_OK && c < model->n_classes; ++c) {
        for (int64_t at = first[c]; at < first[c + 1]; at += FGM_TERMS_ROWS) {
            int n = first[c + 1] - at < FGM_TERMS_ROWS ? (int)(first[c + 1] - at) : FGM_TERMS_ROWS;
            gather_rows(data, order + at, n, columns);
            fgm_terms_evaluate(terms, c, (fgm_samples){n, FGM_TERMS_ROWS, model->d, columns, NULL, NULL}, values);
            for (int i = 0; i < n; ++i) out[order[at + i]] = values[i];
        }
    }
    if (columns) fgm_terms_destroy(terms);
    fgm_release(columns);
    return status;
}

static int fill_model(fgm_model *model, const double *class_probabilities, const int32_t *class_components, const double *weights,
                      const double *means, const double *covariances) {
    size_t place = 0, d = (size_t)model->d;
    for (int c = 0; c < model->n_classes; ++c) {
        model->probabilities[c] = class_probabilities[c];
        if (d == 0) continue;
        FGM_TRY(fgm_mixture_from_parameters(&model->mixtures[c], class_components[c], model->d, weights + place, means + place * d,
                                            covariances + place * d * d));
        place += (size_t)class_components[c];
    }
    return FGM_OK;
}

int fgm_pointwise(const fgm_data *data, int32_t n_classes, const int32_t *class_labels, const double *class_probabilities,
                  const int32_t *class_components, const double *weights, const double *means, const double *covariances, double *out) {
    if (data->size != sizeof *data) return FGM_ERROR_VERSION;
    int d = data->x.d + data->y.d + data->given.d;
    fgm_layout layout = fgm_layout_of(data);
    fgm_model model = {0};
    int32_t *class_of = malloc((size_t)data->n * sizeof *class_of);
    int64_t *order = malloc((size_t)(data->n + n_classes + 1) * sizeof *order);
    int status = class_of && order ? fgm_model_allocate(&model, n_classes, d, class_labels) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) status = fill_model(&model, class_probabilities, class_components, weights, means, covariances);
    if (status == FGM_OK) {
        find_row_classes(data, class_labels, n_classes, class_of);
        sort_rows(data->n, class_of, n_classes, order + data->n, order);
        status = evaluate_rows(data, &model, &layout, order + data->n, order, out);
    }
    fgm_model_release(&model);
    free(class_of);
    free(order);
    return status;
}
