/* Kullback-Leibler divergence of two mixtures over the same variables, with an estimate of its error.
 *
 * Two single Gaussians: closed form. Up to three dimensions one lattice (integrate_lattice.c) within the ellipsoids of p that resolves the components
 * of both; above, and where it would be too large, randomised quasi-Monte Carlo (integrate_random.c) on log p / q.
 */
#include "integrate.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_LATTICE_WORK 3e8

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
static void ratio_integrand(void *data, int component, fgm_samples nodes, double *values) {
    divergence *D = data;
    (void)component;
    const fgm_kernels *kernels = fgm_get_kernels();
    kernels->log_density(D->p->n_components, D->pack_p, nodes, D->log_p, D->kernel_work);
    kernels->log_density(D->q->n_components, D->pack_q, nodes, D->log_q, D->kernel_work);
    for (int b = 0; b < nodes.n; ++b) values[b] = D->log_p[b] - D->log_q[b];
}

/* p log(p / q) */
static void density_ratio_integrand(void *data, fgm_samples nodes, double *values) {
    divergence *D = data;
    ratio_integrand(data, 0, nodes, values);
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
    return fgm_random_expectation(D->p, ratio_integrand, D, 1.0, fgm_node_cost(n_p + n_q, d), tol, seed, value, error);
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

int fgm_kl_divergence(int32_t d, int32_t n_components_p, const double *weights_p, const double *means_p, const double *covariances_p,
                      int32_t n_components_q, const double *weights_q, const double *means_q, const double *covariances_q, double tol, uint64_t seed,
                      double *value, double *error) {
    if (!(tol > 0.0)) return FGM_ERROR_OPTION;
    fgm_mixture p, q;
    FGM_TRY(fgm_mixture_from_parameters(&p, n_components_p, d, weights_p, means_p, covariances_p));
    int status = fgm_mixture_from_parameters(&q, n_components_q, d, weights_q, means_q, covariances_q);
    if (status == FGM_OK) {
        status = fgm_integrate_divergence(&p, &q, tol, seed, value, error);
        fgm_mixture_release(&q);
    }
    fgm_mixture_release(&p);
    return status;
}
