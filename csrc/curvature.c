/* The observed information of a mixture's parameters, and the Newton step that it gives.
 *
 * In the coordinates of a component of mean mu and factor L, mu' = mu + L m and L' = L (I + T) with T lower triangular, the score of a row
 * is u = (1, z, z_i z_j - delta_ij), z = L^-1 (x - mu). The information of the complete data is diagonal there,
 *   D = w (1, 1, .., 1, 2 on the diagonal of T),
 * and what is lost by not seeing the components is the mean of the covariance of (1{k} u_k) under the responsibilities r of a row (Louis 1982),
 *   C_kl = E[(delta_kl r_k - r_k r_l) u_k u_l^T].
 * D^-1 C is the rate matrix of EM (Dempster, Laird and Rubin 1977), so with f the EM step, (D - C)^-1 D f is the Newton step to where f = 0. It is
 * exact where f = 0 and needs no derivative of the prior or of the floor, which f knows; they change C by a part in the rows of a component.
 */
#include "core.h"

#include <math.h>
#include <string.h>

#define SMALLEST_PIVOT 1e-9 /* of the scaled information: EM would need as many passes as its inverse */

int fgm_curvature_prepare(fgm_curvature *curvature, int n_components, int d) {
    size_t padded = fgm_padded(n_components * FGM_PACK_STRIDE(d)), size = padded * (padded + 2);
    if (size > curvature->capacity) {
        fgm_curvature_release(curvature);
        curvature->memory = fgm_allocate(size);
        if (!curvature->memory) return FGM_ERROR_MEMORY;
        curvature->capacity = size;
    }
    curvature->n_components = n_components;
    curvature->d = d;
    curvature->matrix = curvature->memory;
    curvature->diagonal = curvature->matrix + padded * padded;
    curvature->root = curvature->diagonal + padded;
    memset(curvature->matrix, 0, padded * padded * sizeof(double));
    return FGM_OK;
}

void fgm_curvature_release(fgm_curvature *curvature) {
    fgm_release(curvature->memory);
    memset(curvature, 0, sizeof *curvature);
}

void fgm_curvature_complete(fgm_curvature *curvature, const fgm_mixture *mixture, double total_weight) {
    int d = mixture->d, stride = FGM_PACK_STRIDE(d);
    size_t parameters = (size_t)(mixture->n_components * stride), padded = fgm_padded((int)parameters);
    double *root = curvature->root;
    for (int k = 0; k < mixture->n_components; ++k) {
        double complete = sqrt(fmax(mixture->weights[k], 1e-300));
        for (int p = 0; p < stride; ++p) root[k * stride + p] = complete;
        for (int i = 0; i < d; ++i) root[k * stride + 1 + d + FGM_TRIANGLE(i) + i] = complete * sqrt(2.0);
    }
    for (size_t i = 0; i < parameters; ++i) {
        double *row = curvature->matrix + i * padded;
        for (size_t j = 0; j <= i; ++j) row[j] = (i == j ? 1.0 : 0.0) - row[j] / (total_weight * root[i] * root[j]);
        curvature->diagonal[i] = row[i];
    }
}

#define PIVOTS 4 /* eliminated from the rows below at a time, so that these are read and written less often */

/* Pivots first .. first + count - 1 among themselves. */
static bool eliminate_pivots(double *matrix, size_t n, size_t stride, size_t first, size_t count) {
    for (size_t k = first; k < first + count; ++k) {
        double *row = matrix + k * stride;
        for (size_t above = first; above < k; ++above) {
            const double *other = matrix + above * stride;
            double factor = other[k];
            for (size_t j = k; j < n; ++j) row[j] -= factor * other[j];
        }
        if (!(row[k] > SMALLEST_PIVOT)) return false;
        double scale = 1.0 / sqrt(row[k]);
        for (size_t j = k; j < n; ++j) row[j] *= scale;
    }
    return true;
}

/* The factor's transpose goes to the upper triangle, so that the inner loops run along rows. */
bool fgm_curvature_factorise(fgm_curvature *curvature, double damping) {
    size_t n = (size_t)(curvature->n_components * FGM_PACK_STRIDE(curvature->d)), stride = fgm_padded((int)n);
    double *matrix = curvature->matrix;
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < i; ++j) matrix[j * stride + i] = matrix[i * stride + j];
        matrix[i * stride + i] = curvature->diagonal[i] + damping;
    }
    for (size_t k = 0; k < n; k += PIVOTS) {
        size_t count = n - k < PIVOTS ? n - k : PIVOTS;
        if (!eliminate_pivots(matrix, n, stride, k, count)) return false;
        if (count < PIVOTS) break; /* no rows below */
        const double *one = matrix + k * stride, *two = one + stride, *three = two + stride, *four = three + stride;
        for (size_t i = k + PIVOTS; i < n; ++i) {
            double a = one[i], b = two[i], c = three[i], d = four[i], *below = matrix + i * stride;
            if (a == 0.0 && b == 0.0 && c == 0.0 && d == 0.0) continue;
            for (size_t j = i; j < n; ++j) below[j] = below[j] - a * one[j] - b * two[j] - c * three[j] - d * four[j];
        }
    }
    return true;
}

/* A change of (log w, mu, L with log diagonal) in the local coordinates of each component. */
static void to_local(const fgm_mixture *mixture, const double *step, double *local) {
    int d = mixture->d;
    for (int k = 0; k < mixture->n_components; ++k, step += FGM_PACK_STRIDE(d), local += FGM_PACK_STRIDE(d)) {
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d), *change = step + 1 + d;
        double *mean = local + 1, *turn = mean + d;
        local[0] = step[0];
        for (int i = 0; i < d; ++i) {
            const double *row = factor + FGM_TRIANGLE(i);
            double inverse = 1.0 / row[i];
            mean[i] = step[1 + i];
            for (int m = 0; m < i; ++m) mean[i] -= row[m] * mean[m];
            mean[i] *= inverse;
            for (int j = 0; j < i; ++j) {
                double sum = change[FGM_TRIANGLE(i) + j];
                for (int m = j; m < i; ++m) sum -= row[m] * turn[FGM_TRIANGLE(m) + j];
                turn[FGM_TRIANGLE(i) + j] = sum * inverse;
            }
            turn[FGM_TRIANGLE(i) + i] = change[FGM_TRIANGLE(i) + i];
        }
    }
}

/* Back, in place: rows from the last up, since each needs the ones above. */
static void from_local(const fgm_mixture *mixture, double *change /* (K, 1 + d + d(d+1)/2) */) {
    int d = mixture->d;
    for (int k = 0; k < mixture->n_components; ++k, change += FGM_PACK_STRIDE(d)) {
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        double *mean = change + 1, *turn = mean + d;
        for (int i = d - 1; i >= 0; --i) {
            const double *row = factor + FGM_TRIANGLE(i);
            double sum = 0.0;
            for (int m = 0; m <= i; ++m) sum += row[m] * mean[m];
            mean[i] = sum;
            for (int j = 0; j < i; ++j) {
                sum = 0.0;
                for (int m = j; m <= i; ++m) sum += row[m] * turn[FGM_TRIANGLE(m) + j];
                turn[FGM_TRIANGLE(i) + j] = sum;
            }
        }
    }
}

/* Vector becomes its solution by the transposed factor; the squared length of that comes back. */
static double solve_lower(const fgm_curvature *curvature, double *vector) {
    size_t n = (size_t)(curvature->n_components * FGM_PACK_STRIDE(curvature->d)), padded = fgm_padded((int)n);
    double length = 0.0;
    for (size_t i = 0; i < n; ++i) {
        const double *row = curvature->matrix + i * padded;
        vector[i] /= row[i];
        length += vector[i] * vector[i];
        for (size_t j = i + 1; j < n; ++j) vector[j] -= row[j] * vector[i];
    }
    return length;
}

static void solve_upper(const fgm_curvature *curvature, double *vector) {
    size_t n = (size_t)(curvature->n_components * FGM_PACK_STRIDE(curvature->d)), padded = fgm_padded((int)n);
    for (size_t i = n; i-- > 0;) {
        const double *row = curvature->matrix + i * padded;
        for (size_t j = i + 1; j < n; ++j) vector[i] -= row[j] * vector[j];
        vector[i] /= row[i];
    }
}

static void divide_by_root(const fgm_curvature *curvature, double *vector) {
    for (int i = 0; i < curvature->n_components * FGM_PACK_STRIDE(curvature->d); ++i) vector[i] /= curvature->root[i];
}

double fgm_curvature_forward(const fgm_curvature *curvature, double *vector) {
    divide_by_root(curvature, vector);
    return solve_lower(curvature, vector);
}

void fgm_curvature_solve(const fgm_curvature *curvature, double *vector) {
    fgm_curvature_forward(curvature, vector);
    solve_upper(curvature, vector);
    divide_by_root(curvature, vector);
}

double fgm_newton_step(const fgm_curvature *curvature, const fgm_mixture *at, const double *residual, double *step) {
    to_local(at, residual, step);
    for (int i = 0; i < at->n_components * FGM_PACK_STRIDE(at->d); ++i) step[i] *= curvature->root[i];
    double left = solve_lower(curvature, step);
    solve_upper(curvature, step);
    divide_by_root(curvature, step);
    from_local(at, step);
    return 0.5 * left;
}
