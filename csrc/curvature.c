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
    size_t padded = fgm_padded(n_components * FGM_PACK_STRIDE(d)), k = (size_t)n_components;
    size_t n_sums = d <= FGM_UNROLLED ? k * k * FGM_MONOMIALS((size_t)d) : 0, size = padded * (padded + 2) + n_sums;
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
    curvature->missing = n_sums > 0 ? curvature->root + padded : curvature->matrix;
    curvature->n_missing = n_sums > 0 ? n_sums : padded * padded;
    memset(curvature->missing, 0, curvature->n_missing * sizeof(double));
    return FGM_OK;
}

void fgm_curvature_release(fgm_curvature *curvature) {
    fgm_release(curvature->memory);
    memset(curvature, 0, sizeof *curvature);
}

/* ---- products of scores from sums of monomials --------------------------------------------------------------------------------------
 *
 * With h = (1, z) the scores of a component are h_i h_j - [i = j > 0], i >= j, in the order 1, z_i, z_i z_j. h of another component is a lower
 * triangular function of it, A h. So the products of both are E[r r' h_i h_j (A h)_r (A h)_s], and need E[r r' h_i h_j h_m h_o] only. What is lost to
 * rounding grows as the square of how much narrower the other component is. */

typedef double small_matrix[FGM_UNROLLED + 1][FGM_UNROLLED + 1];

/* A of another component. */
static void map_between(int d, const fgm_mixture *mixture, int from, int to, small_matrix map) {
    const double *factor = mixture->factors + (size_t)from * (size_t)FGM_TRIANGLE(d),
                 *other = mixture->factors + (size_t)to * (size_t)FGM_TRIANGLE(d);
    const double *mean = mixture->means + from * d, *other_mean = mixture->means + to * d;
    map[0][0] = 1.0;
    for (int j = 1; j <= d; ++j) map[0][j] = 0.0;
    for (int i = 0; i < d; ++i) {
        const double *row = other + FGM_TRIANGLE(i);
        for (int j = 0; j <= d; ++j) {
            double sum = j == 0 ? mean[i] - other_mean[i] : j <= i + 1 ? factor[FGM_TRIANGLE(i) + j - 1] : 0.0;
            for (int m = 0; m < i; ++m) sum -= row[m] * map[m + 1][j];
            map[i + 1][j] = sum / row[i];
        }
    }
}

/* The place of h_i h_j h_m h_o, i >= j and m >= o, among those in which all four fall, in their order. */
static int place_of_monomial(int i, int j, int m, int o) {
    int first = i > m ? i : m, last = j < o ? j : o, one = i > m ? m : i, other = j < o ? o : j;
    int second = one > other ? one : other, third = one > other ? other : one;
    return first * (first + 1) * (first + 2) * (first + 3) / 24 + second * (second + 1) * (second + 2) / 6 + third * (third + 1) / 2 + last;
}

/* The place of h_i h_j, i >= j, among the scores. */
static int place_of_score(int d, int i, int j) { return j > 0 ? 1 + d + FGM_TRIANGLE(i - 1) + j - 1 : i; }

#define MOST_SCORES FGM_PACK_STRIDE(FGM_UNROLLED)

/* The products of a component's scores with those of another one, or of itself. */
static void products_of_scores(int d, const double *sums, size_t stride, const int places[MOST_SCORES][FGM_UNROLLED + 1][FGM_UNROLLED + 1],
                               const small_matrix map, double products[MOST_SCORES][MOST_SCORES]) {
    for (int p = 0; p < FGM_PACK_STRIDE(d); ++p) {
        small_matrix half; /* E[r r' h_i h_j h_m (A h)_r] */
        for (int m = 0; m <= d; ++m) {
            double moments[FGM_UNROLLED + 1];
            for (int o = 0; o <= d; ++o) moments[o] = sums[(size_t)places[p][m][o] * stride];
            for (int r = 0; r <= d; ++r) {
                half[m][r] = 0.0;
                for (int o = 0; o <= r; ++o) half[m][r] += map[r][o] * moments[o];
            }
        }
        for (int r = 0; r <= d; ++r) {
            for (int s = 0; s <= r; ++s) {
                double sum = r == s && r > 0 ? -half[0][0] : 0.0;
                for (int m = 0; m <= s; ++m) sum += map[s][m] * half[m][r];
                products[p][place_of_score(d, r, s)] = sum;
            }
        }
    }
    for (int i = 1; i <= d; ++i) {
        double *squares = products[place_of_score(d, i, i)];
        for (int p = 0; p < FGM_PACK_STRIDE(d); ++p) squares[p] -= products[0][p];
    }
}

/* The lower triangle of the matrix: what a component lacks with itself, w r (1 - r) u u^T, and with another, - w r r' u u'^T. */
void fgm_curvature_fill(fgm_curvature *curvature, const fgm_mixture *mixture) {
    if (curvature->missing == curvature->matrix) return;
    int d = mixture->d, k = mixture->n_components, q = FGM_PACK_STRIDE(d), places[MOST_SCORES][FGM_UNROLLED + 1][FGM_UNROLLED + 1];
    size_t padded = fgm_padded(k * q);
    for (int i = 0; i <= d; ++i) {
        for (int j = 0; j <= i; ++j) {
            int (*own)[FGM_UNROLLED + 1] = places[place_of_score(d, i, j)];
            for (int m = 0; m <= d; ++m) {
                for (int o = 0; o <= m; ++o) own[m][o] = own[o][m] = place_of_monomial(i, j, m, o);
            }
        }
    }
    for (int own = 0; own < k; ++own) {
        for (int other = 0; other <= own; ++other) {
            small_matrix map;
            double products[MOST_SCORES][MOST_SCORES], sign = other == own ? 1.0 : -1.0;
            map_between(d, mixture, own, other, map);
            products_of_scores(d, curvature->missing + own * FGM_MONOMIALS(d) * k + other, (size_t)k,
                               (const int (*)[FGM_UNROLLED + 1][FGM_UNROLLED + 1]) places, (const double (*)[FGM_UNROLLED + 1]) map, products);
            for (int p = 0; p < q; ++p) {
                double *row = curvature->matrix + (size_t)(own * q + p) * padded + (size_t)(other * q);
                for (int o = 0; o < q; ++o) row[o] = sign * products[p][o];
            }
        }
    }
}

void fgm_curvature_complete(fgm_curvature *curvature, const fgm_mixture *mixture, double total_weight) {
    int d = mixture->d, stride = FGM_PACK_STRIDE(d);
    size_t parameters = (size_t)(mixture->n_components * stride), padded = fgm_padded((int)parameters);
    double *root = curvature->root;
    fgm_curvature_fill(curvature, mixture);
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

/* Four chains, of which none waits for another. */
static double sum_of_products(const double *left, const double *right, size_t n) {
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int chain = 0; chain < 4; ++chain) sums[chain] += left[i + chain] * right[i + chain];
    }
    for (; i < n; ++i) sums[0] += left[i] * right[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void solve_upper(const fgm_curvature *curvature, double *vector) {
    size_t n = (size_t)(curvature->n_components * FGM_PACK_STRIDE(curvature->d)), padded = fgm_padded((int)n);
    for (size_t i = n; i-- > 0;) {
        const double *row = curvature->matrix + i * padded;
        vector[i] = (vector[i] - sum_of_products(row + i + 1, vector + i + 1, n - i - 1)) / row[i];
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
