/* A Gaussian mixture: p(x) = sum_k w_k N(x; mu_k, L_k L_k^T).
 *
 * Covariances are kept as lower Cholesky factors L, packed by rows (L00 L10 L11 L20 ...), so that log-determinants, whitening and
 * sampling need no further decomposition. A marginal over columns c takes the block of Sigma; a conditional is, component by component,
 *   mu_a + S_ac S_cc^-1 (v - mu_c),  S_aa - S_ac S_cc^-1 S_ca,  weight proportional to w N(v; mu_c, S_cc),
 * which in a Cholesky factor of the columns ordered (c, a) is read off its blocks.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TWO_PI 1.8378770664093454836

size_t fgm_mixture_size(int n_components, int d) { return (size_t)n_components * (size_t)(1 + d + FGM_TRIANGLE(d)); }

fgm_mixture fgm_mixture_at(double *memory, int n_components, int d) {
    size_t k = (size_t)n_components;
    return (fgm_mixture){n_components, d, memory, memory ? memory + k : NULL, memory ? memory + k + k * (size_t)d : NULL};
}

int fgm_mixture_allocate(fgm_mixture *mixture, int n_components, int d) {
    *mixture = fgm_mixture_at(fgm_allocate(fgm_mixture_size(n_components, d)), n_components, d);
    return mixture->weights ? FGM_OK : FGM_ERROR_MEMORY;
}

void fgm_mixture_release(fgm_mixture *mixture) {
    fgm_release(mixture->weights);
    memset(mixture, 0, sizeof *mixture);
}

void fgm_mixture_copy(fgm_mixture *to, const fgm_mixture *from) {
    size_t k = (size_t)from->n_components, d = (size_t)from->d;
    to->n_components = from->n_components;
    to->d = from->d;
    memmove(to->weights, from->weights, k * sizeof(double));
    memmove(to->means, from->means, k * d * sizeof(double));
    memmove(to->factors, from->factors, k * FGM_TRIANGLE(d) * sizeof(double));
}

bool fgm_cholesky(double *packed, int d) {
    double column[FGM_MAX_DIMENSION]; /* of the factor; what is right of it has it taken off at once, as sums of their own that need not wait */
    for (int m = 0; m < d; ++m) {
        double *row = packed + FGM_TRIANGLE(m), square = row[m];
        if (!(square > 0.0) || !isfinite(square)) return false;
        row[m] = sqrt(square);
        for (int i = m + 1; i < d; ++i) {
            double *below = packed + FGM_TRIANGLE(i);
            column[i] = below[m] /= row[m];
            for (int j = m + 1; j <= i; ++j) below[j] -= column[i] * column[j];
        }
    }
    return true;
}

/* The lower triangle of a full symmetric matrix (d, d), of the columns listed, packed by rows. */
static void pack_columns(const double *full /* (d, d) */, int d, const int32_t *columns /* (n_columns) or NULL: all */, int n_columns,
                         double *packed /* (n(n+1)/2) */) {
    for (int i = 0; i < n_columns; ++i) {
        for (int j = 0; j <= i; ++j) {
            int row = columns ? columns[i] : i, column = columns ? columns[j] : j;
            packed[FGM_TRIANGLE(i) + j] = full[(size_t)row * (size_t)d + (size_t)column];
        }
    }
}

static double factor_product(const double *factor /* (d(d+1)/2) */, int i, int j) {
    double sum = 0.0;
    for (int m = 0; m <= (i < j ? i : j); ++m) sum += factor[FGM_TRIANGLE(i) + m] * factor[FGM_TRIANGLE(j) + m];
    return sum;
}

void fgm_mixture_covariance(const fgm_mixture *mixture, int component, double *covariance) {
    int d = mixture->d;
    const double *factor = mixture->factors + (size_t)component * (size_t)FGM_TRIANGLE(d);
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) covariance[i * d + j] = covariance[j * d + i] = factor_product(factor, i, j);
    }
}

static int check_shape(int32_t n_components, int32_t d) {
    if (d < 1 || d > FGM_MAX_DIMENSION) return FGM_ERROR_DIMENSION;
    return n_components < 1 || n_components > FGM_MAX_COMPONENTS ? FGM_ERROR_OPTION : FGM_OK;
}

/* Their total. */
static int check_weights(int n_components, const double *weights, double *total) {
    *total = 0.0;
    for (int k = 0; k < n_components; ++k) {
        if (!(weights[k] >= 0.0) || !isfinite(weights[k])) return FGM_ERROR_WEIGHTS;
        *total += weights[k];
    }
    return *total > 0.0 && isfinite(*total) ? FGM_OK : FGM_ERROR_WEIGHTS;
}

static int fill_mixture(fgm_mixture *mixture, const double *weights, const double *means, const double *covariances) {
    int d = mixture->d;
    double total;
    FGM_TRY(check_weights(mixture->n_components, weights, &total));
    for (int k = 0; k < mixture->n_components; ++k) {
        mixture->weights[k] = weights[k] / total;
        for (int j = 0; j < d; ++j) {
            if (!isfinite(means[k * d + j])) return FGM_ERROR_NOT_FINITE;
            mixture->means[k * d + j] = means[k * d + j];
        }
        double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        pack_columns(covariances + (size_t)k * (size_t)d * (size_t)d, d, NULL, d, factor);
        if (!fgm_cholesky(factor, d)) return FGM_ERROR_NOT_POSITIVE_DEFINITE;
    }
    return FGM_OK;
}

int fgm_mixture_from_parameters(fgm_mixture *mixture, int n_components, int d, const double *weights, const double *means,
                                const double *covariances) {
    FGM_TRY(check_shape(n_components, d));
    FGM_TRY(fgm_mixture_allocate(mixture, n_components, d));
    int status = fill_mixture(mixture, weights, means, covariances);
    if (status != FGM_OK) fgm_mixture_release(mixture);
    return status;
}

int fgm_mixture_take_columns(const fgm_mixture *mixture, int component, const int32_t *columns, int n_columns, double *mean, double *factor) {
    int d = mixture->d, leading = 0;
    const double *whole = mixture->factors + (size_t)component * (size_t)FGM_TRIANGLE(d);
    while (leading < n_columns && columns[leading] == leading) ++leading;
    for (int i = 0; i < n_columns; ++i) mean[i] = mixture->means[component * d + columns[i]];
    if (leading == n_columns) {
        memcpy(factor, whole, FGM_TRIANGLE((size_t)n_columns) * sizeof *factor);
        return FGM_OK;
    }
    for (int i = 0; i < n_columns; ++i) {
        for (int j = 0; j <= i; ++j) factor[FGM_TRIANGLE(i) + j] = factor_product(whole, columns[i], columns[j]);
    }
    return fgm_cholesky(factor, n_columns) ? FGM_OK : FGM_ERROR_NOT_POSITIVE_DEFINITE;
}

void fgm_pack(const fgm_mixture *mixture, double *pack) {
    int d = mixture->d;
    for (int k = 0; k < mixture->n_components; ++k) {
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d), *mean = mixture->means + (size_t)k * (size_t)d;
        double *parameters = pack + (size_t)k * (size_t)FGM_PACK_STRIDE(d), *offset = parameters + 1, *whitener = offset + d;
        double log_determinant = 0.0;
        for (int i = 0; i < d; ++i) {
            const double *row = factor + FGM_TRIANGLE(i);
            double inverse = 1.0 / row[i], projected = 0.0;
            log_determinant += log(row[i]);
            for (int j = 0; j < i; ++j) {
                double sum = 0.0;
                for (int m = j; m < i; ++m) sum += row[m] * whitener[FGM_TRIANGLE(m) + j];
                whitener[FGM_TRIANGLE(i) + j] = -sum * inverse;
            }
            whitener[FGM_TRIANGLE(i) + i] = inverse * 0.70710678118654752440;
            for (int j = 0; j < i; ++j) projected += whitener[FGM_TRIANGLE(i) + j] * mean[j];
            offset[i] = -(projected + whitener[FGM_TRIANGLE(i) + i] * mean[i]);
        }
        /* A component of weight zero takes no part: its terms lie below any other by more than exp can show. */
        double weight = mixture->weights[k];
        parameters[0] = (weight > 0.0 ? log(weight) : -1e300) - log_determinant - 0.5 * d * LOG_TWO_PI;
    }
}

/* ---- public functions --------------------------------------------------------------------------------------------------------- */

#define CHUNK 1024 /* rows that are turned into columns at a time */

/* An evaluation of densities over rows, all of it in the caller's work memory: the mixture, its parameters as the kernels read them, a chunk of rows
 * in columns, what the kernels need, and a term of each component at each row of the chunk. */
typedef struct evaluation {
    fgm_mixture mixture;
    double *pack, *columns, *terms, *work;
} evaluation;

size_t fgm_density_work_size(int32_t n_components, int32_t d) {
    if (check_shape(n_components, d) != FGM_OK) return 0;
    return fgm_mixture_size(n_components, d) + (size_t)n_components * (size_t)FGM_PACK_STRIDE(d) + (size_t)(d + n_components) * CHUNK +
           fgm_work_size(n_components, d);
}

static int start_evaluation(evaluation *state, int n_components, int d, const double *weights, const double *means, const double *covariances,
                            double *memory) {
    FGM_TRY(check_shape(n_components, d));
    state->mixture = fgm_mixture_at(memory, n_components, d);
    state->pack = memory + fgm_mixture_size(n_components, d);
    state->columns = state->pack + (size_t)n_components * (size_t)FGM_PACK_STRIDE(d);
    state->terms = state->columns + (size_t)d * CHUNK;
    state->work = state->terms + (size_t)n_components * CHUNK;
    FGM_TRY(fill_mixture(&state->mixture, weights, means, covariances));
    fgm_pack(&state->mixture, state->pack);
    return FGM_OK;
}

/* Rows first, first + 1, ... of X as columns. */
static fgm_samples take_chunk(const evaluation *state, const double *X /* (n, d) */, int64_t n, int64_t first) {
    int d = state->mixture.d;
    int64_t count = n - first < CHUNK ? n - first : CHUNK;
    for (int64_t i = 0; i < count; ++i) {
        for (int j = 0; j < d; ++j) state->columns[j * CHUNK + i] = X[(first + i) * d + j];
    }
    return (fgm_samples){count, CHUNK, d, state->columns, NULL, NULL};
}

int fgm_log_density_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                       int64_t n, double *out, double *work) {
    evaluation state;
    FGM_TRY(start_evaluation(&state, n_components, d, weights, means, covariances, work));
    for (int64_t first = 0; first < n; first += CHUNK) {
        fgm_get_kernels()->log_density(n_components, state.pack, take_chunk(&state, X, n, first), out + first, state.work);
    }
    return FGM_OK;
}

int fgm_log_density(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                    int64_t n, double *out) {
    double *work = fgm_allocate(fgm_density_work_size(n_components, d));
    int status = work ? fgm_log_density_in(n_components, d, weights, means, covariances, X, n, out, work) : FGM_ERROR_MEMORY;
    fgm_release(work);
    return status;
}

/* Probabilities of the components at one sample. Where every density is zero, even in logarithms, the sample says nothing: the weights. */
static void share_out(const fgm_mixture *mixture, const double *terms /* (K, stride) */, int64_t stride, double *out /* (K) */) {
    double largest = terms[0], sum = 0.0;
    for (int k = 1; k < mixture->n_components; ++k) largest = terms[k * stride] > largest ? terms[k * stride] : largest;
    for (int k = 0; k < mixture->n_components; ++k) {
        out[k] = largest == -INFINITY ? mixture->weights[k] : exp(terms[k * stride] - largest);
        sum += out[k];
    }
    for (int k = 0; k < mixture->n_components; ++k) out[k] /= sum;
}

int fgm_responsibilities_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                            int64_t n, double *out, double *work) {
    evaluation state;
    FGM_TRY(start_evaluation(&state, n_components, d, weights, means, covariances, work));
    for (int64_t first = 0; first < n; first += CHUNK) {
        fgm_samples rows = take_chunk(&state, X, n, first);
        fgm_get_kernels()->component_log_density(n_components, state.pack, rows, state.terms, state.work);
        for (int64_t i = 0; i < rows.n; ++i) share_out(&state.mixture, state.terms + i, rows.n, out + (first + i) * n_components);
    }
    return FGM_OK;
}

int fgm_responsibilities(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                         int64_t n, double *out) {
    double *work = fgm_allocate(fgm_density_work_size(n_components, d));
    int status = work ? fgm_responsibilities_in(n_components, d, weights, means, covariances, X, n, out, work) : FGM_ERROR_MEMORY;
    fgm_release(work);
    return status;
}

void fgm_mixture_draw(const fgm_mixture *mixture, uint64_t key, int64_t first, int64_t n, double *X) {
    int d = mixture->d;
    for (int64_t i = 0; i < n; ++i) {
        uint64_t counter = (uint64_t)(first + i) * (uint64_t)(d + 1);
        double uniform = fgm_random_uniform(key, counter), normal[FGM_MAX_DIMENSION];
        int k = 0;
        while (k + 1 < mixture->n_components && (uniform -= mixture->weights[k]) > 0.0) ++k;
        for (int j = 0; j < d; ++j) normal[j] = fgm_random_normal(key, counter + 1 + (uint64_t)j);
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        for (int j = 0; j < d; ++j) {
            double value = mixture->means[k * d + j];
            for (int m = 0; m <= j; ++m) value += factor[FGM_TRIANGLE(j) + m] * normal[m];
            X[i * d + j] = value;
        }
    }
}

int fgm_sample(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, uint64_t seed, int64_t n,
               double *X) {
    fgm_mixture mixture;
    FGM_TRY(fgm_mixture_from_parameters(&mixture, n_components, d, weights, means, covariances));
    fgm_mixture_draw(&mixture, fgm_stream(seed, FGM_STREAM_SAMPLE, 0), 0, n, X);
    fgm_mixture_release(&mixture);
    return FGM_OK;
}

/* Distinct and within range; the columns that are left over follow in order. */
static int split_columns(int32_t d, const int32_t *columns, int32_t n_columns, int32_t *order /* (d) */) {
    bool taken[FGM_MAX_DIMENSION] = {false};
    if (n_columns < 1 || n_columns > d) return FGM_ERROR_COLUMNS;
    for (int i = 0; i < n_columns; ++i) {
        if (columns[i] < 0 || columns[i] >= d || taken[columns[i]]) return FGM_ERROR_COLUMNS;
        taken[columns[i]] = true;
        order[i] = columns[i];
    }
    for (int j = 0, next = n_columns; j < d; ++j) {
        if (!taken[j]) order[next++] = j;
    }
    return FGM_OK;
}

int fgm_marginal(int32_t n_components, int32_t d, const double *means, const double *covariances, const int32_t *columns, int32_t n_columns,
                 double *out_means, double *out_covariances) {
    int32_t order[FGM_MAX_DIMENSION];
    FGM_TRY(check_shape(n_components, d));
    FGM_TRY(split_columns(d, columns, n_columns, order));
    for (int k = 0; k < n_components; ++k) {
        for (int i = 0; i < n_columns; ++i) {
            out_means[k * n_columns + i] = means[k * d + columns[i]];
            for (int j = 0; j < n_columns; ++j) {
                out_covariances[(k * n_columns + i) * n_columns + j] = covariances[(k * d + columns[i]) * d + columns[j]];
            }
        }
    }
    return FGM_OK;
}

/* One component's conditional; *log_weight is log N(values; mu_c, S_cc). */
static int condition_component(int d, int n_columns, const int32_t *order, const double *mean /* (d) */, const double *covariance /* (d, d) */,
                               const double *values /* (n_columns) */, double *log_weight, double *out_mean, double *out_covariance) {
    double factor[FGM_TRIANGLE(FGM_MAX_DIMENSION)], z[FGM_MAX_DIMENSION];
    int left = d - n_columns;
    pack_columns(covariance, d, order, d, factor);
    if (!fgm_cholesky(factor, d)) return FGM_ERROR_NOT_POSITIVE_DEFINITE;
    *log_weight = -0.5 * n_columns * LOG_TWO_PI;
    for (int i = 0; i < n_columns; ++i) {
        const double *row = factor + FGM_TRIANGLE(i);
        z[i] = values[i] - mean[order[i]];
        for (int j = 0; j < i; ++j) z[i] -= row[j] * z[j];
        z[i] /= row[i];
        *log_weight -= 0.5 * z[i] * z[i] + log(row[i]);
    }
    for (int i = 0; i < left; ++i) {
        const double *row = factor + FGM_TRIANGLE(n_columns + i);
        out_mean[i] = mean[order[n_columns + i]];
        for (int j = 0; j < n_columns; ++j) out_mean[i] += row[j] * z[j];
        for (int j = 0; j <= i; ++j) {
            const double *other = factor + FGM_TRIANGLE(n_columns + j);
            double sum = 0.0;
            for (int m = n_columns; m <= n_columns + j; ++m) sum += row[m] * other[m];
            out_covariance[i * left + j] = out_covariance[j * left + i] = sum;
        }
    }
    return FGM_OK;
}

int fgm_conditional(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const int32_t *columns,
                    int32_t n_columns, const double *values, double *out_weights, double *out_means, double *out_covariances) {
    int32_t order[FGM_MAX_DIMENSION];
    FGM_TRY(check_shape(n_components, d));
    FGM_TRY(split_columns(d, columns, n_columns, order));
    int left = d - n_columns;
    if (left < 1) return FGM_ERROR_COLUMNS;
    double largest = -INFINITY, total;
    FGM_TRY(check_weights(n_components, weights, &total));
    total = 0.0;
    for (int k = 0; k < n_components; ++k) {
        double log_weight;
        FGM_TRY(condition_component(d, n_columns, order, means + k * d, covariances + (size_t)k * (size_t)d * (size_t)d, values, &log_weight,
                                    out_means + k * left, out_covariances + (size_t)k * (size_t)left * (size_t)left));
        out_weights[k] = log_weight + log(weights[k]);
        if (out_weights[k] > largest) largest = out_weights[k];
    }
    if (!isfinite(largest)) return FGM_ERROR_NOT_FINITE;
    for (int k = 0; k < n_components; ++k) total += out_weights[k] = exp(out_weights[k] - largest);
    for (int k = 0; k < n_components; ++k) out_weights[k] /= total;
    return FGM_OK;
}
