/* Entropy, mutual information and divergence of Gaussian mixtures, each with an estimate of its error.
 *
 * Up to three dimensions by lattices of the trapezoid rule, which converge exponentially: an information is a sum of entropies,
 *
 *   I(x; y | z) = H(x, z) + H(y, z) - H(z) - H(x, y, z),
 *
 * because each entropy can be had in coordinates that suit it (integrate_entropy.c). Above, and where the widths of components differ so much that
 * the lattices would be too large, by randomised quasi-Monte Carlo (integrate_random.c) on what is left when all that is known is taken out.
 * With r_k = w_k N_k / p the responsibilities,
 *
 *   E_p[-log p] = sum over k of w_k (H(N_k) - log w_k) - E_p[H(r(x))],    H(r) = - sum over k of r_k log r_k,
 *
 * (the chain rule for sample and label), so that only the entropy of the label given the sample needs nodes: bounded by log K, zero where
 * components do not overlap. The same holds for every part of an information; in total
 *
 *   I(x; y | z) = sum over k of w_k I_k(x; y | z) + [what labels add: closed] + E_p[H(r(x,y,z)) + H(r(z)) - H(r(x,z)) - H(r(y,z))].
 *
 * A single component needs no nodes in any dimension.
 */
#include "integrate.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_TERMS 4
#define MAX_LATTICE_WORK 3e8

/* One entropy of a sum: coefficient * H(columns first .. first+d-1 of the joint mixture). */
typedef struct term {
    fgm_mixture mixture;
    int first;
    double coefficient;
    double *pack; /* (K, 1 + d + d(d+1)/2) */
} term;

typedef struct entropy_sum {
    int n_terms, n_components;
    term terms[MAX_TERMS]; /* the first is the joint mixture */
    double *memory;        /* packs; below, of a block of nodes */
    double *logs, *shares; /* (K, FGM_NODE_BLOCK) */
    double *label_entropy; /* (FGM_NODE_BLOCK) */
    double *kernel_work;
} entropy_sum;

/* ---- terms --------------------------------------------------------------------------------------------------------------------- */

/* The mixture of some columns. Leading columns in order are cut from the factor, which keeps all its digits. */
static int take_columns(fgm_mixture *out, const fgm_mixture *mixture, const int32_t *columns /* (n_columns) */, int n_columns) {
    int d = mixture->d;
    for (int j = 0; j < n_columns; ++j) {
        if (columns[j] != j) return fgm_mixture_marginal(out, mixture, columns, n_columns);
    }
    FGM_TRY(fgm_mixture_allocate(out, mixture->n_components, n_columns));
    for (int k = 0; k < mixture->n_components; ++k) {
        size_t size = FGM_TRIANGLE((size_t)n_columns);
        out->weights[k] = mixture->weights[k];
        memcpy(out->means + k * n_columns, mixture->means + k * d, (size_t)n_columns * sizeof(double));
        memcpy(out->factors + (size_t)k * size, mixture->factors + (size_t)k * FGM_TRIANGLE((size_t)d), size * sizeof(double));
    }
    return FGM_OK;
}

static int add_term(entropy_sum *sum, const fgm_mixture *mixture, const int32_t *columns, int first, int n_columns, double coefficient) {
    if (n_columns == 0) return FGM_OK;
    term *added = &sum->terms[sum->n_terms];
    added->first = first;
    added->coefficient = coefficient;
    added->pack = NULL;
    FGM_TRY(take_columns(&added->mixture, mixture, columns + first, n_columns));
    ++sum->n_terms;
    return FGM_OK;
}

static void release_terms(entropy_sum *sum) {
    for (int t = 0; t < sum->n_terms; ++t) fgm_mixture_release(&sum->terms[t].mixture);
    fgm_release(sum->memory);
}

static bool single_component(const fgm_mixture *mixture) {
    int n = 0;
    for (int k = 0; k < mixture->n_components; ++k) n += mixture->weights[k] > 0.0;
    return n == 1;
}

/* ---- by lattices ----------------------------------------------------------------------------------------------------------------- */

/* Every dimension multiplies nodes, so larger parts get more of the tolerance: in proportion to d^2. */
static int sum_by_lattices(const entropy_sum *sum, double tol, double *value, double *error, bool *affordable) {
    double shares = 0.0;
    for (int t = 0; t < sum->n_terms; ++t) shares += sum->terms[t].mixture.d * sum->terms[t].mixture.d;
    *value = *error = 0.0;
    *affordable = true;
    for (int t = 0; t < sum->n_terms && *affordable; ++t) {
        const term *at = &sum->terms[t];
        double entropy = 0.0, entropy_error = 0.0, share = at->mixture.d * at->mixture.d / shares;
        FGM_TRY(fgm_lattice_entropy(&at->mixture, share * tol, &entropy, &entropy_error, affordable));
        *value += at->coefficient * entropy;
        *error += entropy_error;
    }
    return FGM_OK;
}

/* ---- by closed forms and sampling ------------------------------------------------------------------------------------------------- */

static int allocate_packs(entropy_sum *sum) {
    size_t k = (size_t)sum->n_components, size = (2 * k + 1) * FGM_NODE_BLOCK, work = 0;
    for (int t = 0; t < sum->n_terms; ++t) {
        int d = sum->terms[t].mixture.d;
        size += k * FGM_PACK_STRIDE((size_t)d);
        if (fgm_work_size(sum->n_components, d) > work) work = fgm_work_size(sum->n_components, d);
    }
    double *at = sum->memory = fgm_allocate(size + work);
    if (!at) return FGM_ERROR_MEMORY;
    for (int t = 0; t < sum->n_terms; ++t) {
        sum->terms[t].pack = at;
        fgm_pack(&sum->terms[t].mixture, at);
        at += k * FGM_PACK_STRIDE((size_t)sum->terms[t].mixture.d);
    }
    sum->logs = at;
    sum->shares = sum->logs + k * FGM_NODE_BLOCK;
    sum->label_entropy = sum->shares + k * FGM_NODE_BLOCK;
    sum->kernel_work = sum->label_entropy + FGM_NODE_BLOCK;
    return FGM_OK;
}

/* Sum over the terms of coefficient * sum over k of w_k (H(N_k) - log w_k), and what rounding leaves of it. */
static double closed_part(const entropy_sum *sum, double *rounding) {
    double total = 0.0;
    *rounding = 0.0;
    for (int t = 0; t < sum->n_terms; ++t) {
        const term *at = &sum->terms[t];
        int d = at->mixture.d;
        for (int k = 0; k < sum->n_components; ++k) {
            double weight = at->mixture.weights[k];
            if (!(weight > 0.0)) continue;
            double entropy = weight * (0.5 * d - at->pack[(size_t)k * FGM_PACK_STRIDE((size_t)d)]);
            total += at->coefficient * entropy;
            *rounding += 4.0 * DBL_EPSILON * (fabs(entropy) + weight * d);
        }
    }
    return total;
}

/* H(r) at each node: with t_k = log w_k N_k - their maximum, log sum e^t - sum t e^t / sum e^t. */
static void find_label_entropy(entropy_sum *sum, const term *at, fgm_samples nodes) {
    const fgm_kernels *kernels = fgm_get_kernels();
    int n_components = sum->n_components, n = (int)nodes.n;
    nodes.d = at->mixture.d;
    nodes.columns += at->first * nodes.stride;
    kernels->component_log_density(n_components, at->pack, nodes, sum->logs, sum->kernel_work);
    double largest[FGM_NODE_BLOCK], total[FGM_NODE_BLOCK] = {0}, weighted[FGM_NODE_BLOCK] = {0};
    memcpy(largest, sum->logs, (size_t)n * sizeof *largest);
    for (int k = 1; k < n_components; ++k) {
        for (int b = 0; b < n; ++b) largest[b] = sum->logs[k * n + b] > largest[b] ? sum->logs[k * n + b] : largest[b];
    }
    for (int k = 0; k < n_components; ++k) {
        for (int b = 0; b < n; ++b) sum->logs[k * n + b] -= largest[b];
    }
    kernels->exp((int64_t)n_components * n, sum->logs, sum->shares);
    for (int k = 0; k < n_components; ++k) {
        for (int b = 0; b < n; ++b) {
            total[b] += sum->shares[k * n + b];
            weighted[b] += sum->shares[k * n + b] * sum->logs[k * n + b];
        }
    }
    kernels->log(n, total, sum->label_entropy);
    for (int b = 0; b < n; ++b) sum->label_entropy[b] -= weighted[b] / total[b];
}

static void label_integrand(void *data, fgm_samples nodes, double *values) {
    entropy_sum *sum = data;
    memset(values, 0, (size_t)nodes.n * sizeof *values);
    for (int t = 0; t < sum->n_terms; ++t) {
        find_label_entropy(sum, &sum->terms[t], nodes);
        for (int b = 0; b < nodes.n; ++b) values[b] -= sum->terms[t].coefficient * sum->label_entropy[b];
    }
}

/* Nanoseconds of K log-densities and exponentials. */
static double node_cost(int n_components, int d) { return n_components * (2.5 + 0.5 * d + 0.035 * d * d); }

static int sum_by_sampling(entropy_sum *sum, double tol, uint64_t seed, double *value, double *error) {
    double rounding, sampled = 0.0, cost = 0.0;
    FGM_TRY(allocate_packs(sum));
    double closed = closed_part(sum, &rounding);
    *error = 0.0;
    if (!single_component(&sum->terms[0].mixture)) {
        for (int t = 0; t < sum->n_terms; ++t) cost += node_cost(sum->n_components, sum->terms[t].mixture.d);
        FGM_TRY(fgm_random_expectation(&sum->terms[0].mixture, label_integrand, sum, 1.0, cost, tol, seed, &sampled, error));
    }
    *value = closed + sampled;
    *error += rounding;
    return FGM_OK;
}

static int evaluate(entropy_sum *sum, double tol, uint64_t seed, double *value, double *error) {
    bool done = false;
    if (sum->terms[0].mixture.d <= FGM_LATTICE_DIMENSION && !single_component(&sum->terms[0].mixture)) {
        FGM_TRY(sum_by_lattices(sum, tol, value, error, &done));
    }
    return done ? FGM_OK : sum_by_sampling(sum, tol, seed, value, error);
}

/* ---- entropy and information -------------------------------------------------------------------------------------------------------- */

int fgm_integrate_entropy(const fgm_mixture *mixture, double tol, uint64_t seed, double *value, double *error) {
    entropy_sum sum = {1, mixture->n_components, {{*mixture, 0, 1.0, NULL}}, NULL, NULL, NULL, NULL, NULL};
    int status = evaluate(&sum, tol, seed, value, error);
    fgm_release(sum.memory);
    return status;
}

/* Columns in the order x, given, y, so that every part is a range of them. */
static int add_information(entropy_sum *sum, const fgm_mixture *mixture, fgm_parts parts) {
    int32_t columns[FGM_MAX_DIMENSION];
    int n_x = parts.n_x, n_given = parts.n_given, n_y = parts.n_y;
    memcpy(columns, parts.x, (size_t)n_x * sizeof *columns);
    if (n_given > 0) memcpy(columns + n_x, parts.given, (size_t)n_given * sizeof *columns);
    memcpy(columns + n_x + n_given, parts.y, (size_t)n_y * sizeof *columns);
    FGM_TRY(add_term(sum, mixture, columns, 0, n_x + n_given + n_y, -1.0));
    FGM_TRY(add_term(sum, mixture, columns, 0, n_x + n_given, 1.0));
    FGM_TRY(add_term(sum, mixture, columns, n_x, n_given + n_y, 1.0));
    return add_term(sum, mixture, columns, n_x, n_given, -1.0);
}

int fgm_integrate_information(const fgm_mixture *mixture, fgm_parts parts, double tol, uint64_t seed, double *value, double *error) {
    *value = *error = 0.0;
    if (parts.n_x == 0 || parts.n_y == 0) return FGM_OK;
    entropy_sum sum = {.n_components = mixture->n_components};
    int status = add_information(&sum, mixture, parts);
    if (status == FGM_OK) status = evaluate(&sum, tol, seed, value, error);
    release_terms(&sum);
    *value = fmax(*value, 0.0);
    return status;
}

int fgm_integrate_mutual_information(const fgm_mixture *mixture, int dx, double tol, uint64_t seed, double *value, double *error) {
    int32_t columns[FGM_MAX_DIMENSION];
    for (int j = 0; j < mixture->d; ++j) columns[j] = j;
    fgm_parts parts = {columns, columns + dx, NULL, dx, mixture->d - dx, 0};
    return fgm_integrate_information(mixture, parts, tol, seed, value, error);
}

/* ---- divergence --------------------------------------------------------------------------------------------------------------------- */

typedef struct divergence {
    const fgm_mixture *p, *q;
    double *memory, *pack_p, *pack_q;
    double *log_p, *log_q; /* (FGM_NODE_BLOCK) */
    double *kernel_work;
    double *radii, *sizes; /* (K of p) */
    double basis[FGM_TRIANGLE(FGM_LATTICE_DIMENSION)];
    double *lattice_work;
} divergence;

static int allocate_divergence(divergence *D) {
    size_t d = (size_t)D->p->d, k_p = (size_t)D->p->n_components, k_q = (size_t)D->q->n_components, stride = FGM_PACK_STRIDE(d);
    size_t work_p = fgm_work_size(D->p->n_components, D->p->d), work_q = fgm_work_size(D->q->n_components, D->p->d);
    size_t kernel_size = work_p > work_q ? work_p : work_q;
    size_t lattice_size = d <= FGM_LATTICE_DIMENSION ? fgm_lattice_work_size(D->p->n_components, D->p->d) : 0;
    D->memory = fgm_allocate((k_p + k_q) * stride + 2 * FGM_NODE_BLOCK + kernel_size + 2 * k_p + lattice_size);
    if (!D->memory) return FGM_ERROR_MEMORY;
    D->pack_p = D->memory;
    D->pack_q = D->pack_p + k_p * stride;
    D->log_p = D->pack_q + k_q * stride;
    D->log_q = D->log_p + FGM_NODE_BLOCK;
    D->kernel_work = D->log_q + FGM_NODE_BLOCK;
    D->radii = D->kernel_work + kernel_size;
    D->sizes = D->radii + k_p;
    D->lattice_work = D->sizes + k_p;
    fgm_pack(D->p, D->pack_p);
    fgm_pack(D->q, D->pack_q);
    return FGM_OK;
}

/* log(p / q) */
static void ratio_integrand(void *data, fgm_samples nodes, double *values) {
    divergence *D = data;
    const fgm_kernels *kernels = fgm_get_kernels();
    kernels->log_density(D->p->n_components, D->pack_p, nodes, D->log_p, D->kernel_work);
    kernels->log_density(D->q->n_components, D->pack_q, nodes, D->log_q, D->kernel_work);
    for (int b = 0; b < nodes.n; ++b) values[b] = D->log_p[b] - D->log_q[b];
}

/* p log(p / q) */
static void density_ratio_integrand(void *data, fgm_samples nodes, double *values) {
    divergence *D = data;
    ratio_integrand(data, nodes, values);
    fgm_get_kernels()->exp(nodes.n, D->log_p, D->log_p);
    for (int b = 0; b < nodes.n; ++b) values[b] *= D->log_p[b];
}

/* Mean under component k of p of log of a weighted component of q: peak - |P mu + offset|^2 - |P L|^2, P and offset as fgm_pack has them. */
static double mean_log_density(const fgm_mixture *p, int k, const double *parameters /* (1 + d + d(d+1)/2) */) {
    int d = p->d;
    const double *mean = p->means + k * d, *factor = p->factors + (size_t)k * FGM_TRIANGLE((size_t)d), *offset = parameters + 1;
    double total = parameters[0];
    for (int i = 0; i < d; ++i) {
        const double *row = offset + d + FGM_TRIANGLE(i);
        double center = offset[i];
        for (int j = 0; j <= i; ++j) {
            double spread = 0.0;
            for (int m = j; m <= i; ++m) spread += row[m] * factor[FGM_TRIANGLE(m) + j];
            center += row[j] * mean[j];
            total -= spread * spread;
        }
        total -= center * center;
    }
    return total;
}

/* The largest mean log-density under component k of p that a single component of q reaches: a lower bound of the mean of log q. */
static double best_mean_log_density(const divergence *D, int k) {
    size_t stride = FGM_PACK_STRIDE((size_t)D->p->d);
    double best = -INFINITY;
    for (int j = 0; j < D->q->n_components; ++j) best = fmax(best, mean_log_density(D->p, k, D->pack_q + (size_t)j * stride));
    return best;
}

static bool find_basis(divergence *D) {
    int d = D->p->d, triangle = FGM_TRIANGLE(d);
    memcpy(D->basis, D->p->factors, (size_t)triangle * sizeof(double));
    for (int side = 0; side < 2; ++side) {
        const fgm_mixture *mixture = side == 0 ? D->p : D->q;
        for (int k = 0; k < mixture->n_components; ++k) {
            if (!(mixture->weights[k] > 0.0)) continue;
            if (!fgm_lattice_shrink_basis(d, mixture->factors + k * triangle, D->basis)) return false;
        }
    }
    return true;
}

/* One lattice within the ellipsoids of p that resolves the components of both. False where it would be too large. */
static bool divergence_by_lattice(divergence *D, double tol, double *value, double *error) {
    int n = D->p->n_components, d = D->p->d;
    double scale = 0.0, tail = 0.03 * tol / n;
    if (!find_basis(D)) return false;
    for (int k = 0; k < n; ++k) {
        double own = D->pack_p[k * FGM_PACK_STRIDE(d)] - 0.5 * d;
        double size = D->p->weights[k] * (1.0 + fabs(own - best_mean_log_density(D, k)));
        D->radii[k] = size > 0.0 ? fgm_lattice_radius(d, size, tail) : 0.0;
        scale += size;
    }
    fgm_lattice lattice = {n, d, D->p->means, D->p->factors, D->radii, D->basis};
    double max_nodes = MAX_LATTICE_WORK / (8.0 + n + D->q->n_components);
    if (!(fgm_lattice_predict_nodes(&lattice, scale, tol) < max_nodes)) return false;
    fgm_lattice_integrate(&lattice, density_ratio_integrand, D, scale, 0.9 * tol, max_nodes, value, error, D->lattice_work);
    *error += 2.0 * n * tail + 16.0 * DBL_EPSILON * scale;
    return true;
}

static int find_divergence(divergence *D, double tol, uint64_t seed, double *value, double *error) {
    int d = D->p->d, n_p = D->p->n_components, n_q = D->q->n_components;
    if (n_p == 1 && n_q == 1) {
        double own = D->pack_p[0] - 0.5 * d, other = mean_log_density(D->p, 0, D->pack_q);
        *value = own - other;
        *error = 8.0 * DBL_EPSILON * (fabs(own) + fabs(other) + d);
        return FGM_OK;
    }
    if (d <= FGM_LATTICE_DIMENSION && divergence_by_lattice(D, tol, value, error)) return FGM_OK;
    return fgm_random_expectation(D->p, ratio_integrand, D, 1.0, node_cost(n_p + n_q, d), tol, seed, value, error);
}

int fgm_integrate_divergence(const fgm_mixture *p, const fgm_mixture *q, double tol, uint64_t seed, double *value, double *error) {
    if (p->d != q->d) return FGM_ERROR_DIMENSION;
    divergence D = {.p = p, .q = q};
    FGM_TRY(allocate_divergence(&D));
    int status = find_divergence(&D, tol, seed, value, error);
    fgm_release(D.memory);
    *value = fmax(*value, 0.0);
    return status;
}

/* ---- public functions ------------------------------------------------------------------------------------------------------------------ */

int fgm_entropy(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, double tol, uint64_t seed,
                double *entropy, double *error) {
    if (!(tol > 0.0)) return FGM_ERROR_OPTION;
    fgm_mixture mixture;
    FGM_TRY(fgm_mixture_from_parameters(&mixture, n_components, d, weights, means, covariances));
    int status = fgm_integrate_entropy(&mixture, tol, seed, entropy, error);
    fgm_mixture_release(&mixture);
    return status;
}

/* Marks columns as taken; false where one is out of range or was taken before. */
static bool take_distinct(const int32_t *columns, int32_t n_columns, int32_t d, bool *taken /* (d) */) {
    for (int i = 0; i < n_columns; ++i) {
        if (columns[i] < 0 || columns[i] >= d || taken[columns[i]]) return false;
        taken[columns[i]] = true;
    }
    return true;
}

int fgm_mixture_mutual_information(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                                   const int32_t *x_columns, int32_t n_x, const int32_t *y_columns, int32_t n_y, const int32_t *given_columns,
                                   int32_t n_given, double tol, uint64_t seed, double *value, double *error) {
    bool taken[FGM_MAX_DIMENSION] = {false};
    if (!(tol > 0.0)) return FGM_ERROR_OPTION;
    if (d < 1 || d > FGM_MAX_DIMENSION) return FGM_ERROR_DIMENSION;
    if (n_x < 1 || n_y < 1 || n_given < 0) return FGM_ERROR_COLUMNS;
    if (!take_distinct(x_columns, n_x, d, taken) || !take_distinct(y_columns, n_y, d, taken)) return FGM_ERROR_COLUMNS;
    if (!take_distinct(given_columns, n_given, d, taken)) return FGM_ERROR_COLUMNS;
    fgm_mixture mixture;
    FGM_TRY(fgm_mixture_from_parameters(&mixture, n_components, d, weights, means, covariances));
    fgm_parts parts = {x_columns, y_columns, given_columns, n_x, n_y, n_given};
    int status = fgm_integrate_information(&mixture, parts, tol, seed, value, error);
    fgm_mixture_release(&mixture);
    return status;
}
