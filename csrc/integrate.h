/* Inside of the integrals: generators of nodes, and what they are asked to integrate. integrate.c chooses between them.
 *
 * A generator hands blocks of nodes to a callback, which writes a value for each; it sums them with its own weights and estimates the error.
 */
#ifndef FGM_INTEGRATE_H
#define FGM_INTEGRATE_H

#include "core.h"

/* Nodes come in blocks of at most this many. */
#define FGM_NODE_BLOCK 256

/* Writes the integrand's value at each node. */
typedef void (*fgm_integrand)(void *data, fgm_samples nodes, double *values /* (n) */);

/* ---- terms (integrate.c): a quantity as a sum of entropies ---------------------------------------------------------------------------- */

#define FGM_MAX_TERMS 4

/* One entropy of a sum: coefficient * H(columns first .. first+d-1, labels), in column order x, given, y. Classes that share these labels make a
 * group, whose components stand together; their weights add up to 1. */
typedef struct fgm_term {
    fgm_mixture mixture;   /* of all groups; no components where d = 0; its memory is the term's */
    int first;
    double coefficient;
    int n_groups;
    int *starts;           /* (n_groups + 1) first component of each group */
    int *group_of;         /* (n_classes), -1 for a class of probability 0 */
    double *probabilities; /* (n_groups) */
    double *pack;          /* (K, 1 + d + d(d+1)/2) */
    double *memory;        /* of all but the pack */
} fgm_term;

struct fgm_terms {
    int n_terms, n_classes, n_components;
    fgm_term terms[FGM_MAX_TERMS]; /* the first is the joint density: its groups are the classes */
    int32_t columns[FGM_MAX_DIMENSION]; /* of the model in the order x, given, y */
    double *weights;       /* (K) of the joint density: class probability times weight */
    int *class_of;         /* (K) */
    double *memory;        /* packs; below, of a block of nodes */
    double *logs;          /* (K, FGM_NODE_BLOCK) */
    double *shares;        /* (FGM_NODE_BLOCK) */
    double *label_entropy; /* (FGM_NODE_BLOCK) */
    double *kernel_work;
    double *nodes;         /* (d, FGM_NODE_BLOCK) */
};

static inline int fgm_components_of(const fgm_term *at, int group) { return at->starts[group + 1] - at->starts[group]; }

static inline const double *fgm_group_pack(const fgm_term *at, int group) {
    return at->pack + (size_t)at->starts[group] * FGM_PACK_STRIDE((size_t)at->mixture.d);
}

/* ---- trapezoid rule on a lattice (integrate_lattice.c): integrals over all space, up to three dimensions -------------------------- */

#define FGM_LATTICE_DIMENSION 3

/* The lattice x = spacing B i, i integer, within the union of the ellipsoids |factor_k^-1 (x - mean_k)| <= radius_k. */
typedef struct fgm_lattice {
    int n_components, d;
    const double *means;   /* (K, d) */
    const double *factors; /* (K, d(d+1)/2): lower Cholesky factors, packed by rows */
    const double *radii;   /* (K) */
    const double *basis;   /* (d(d+1)/2): B, lower triangular, packed by rows */
} fgm_lattice;

/* Integral of the integrand. The spacing is refined until the estimated error is below tol or more than max_nodes would be needed.
 * scale is the integrand's size (of the integral of its modulus, roughly), from which the first spacing is guessed. */
void fgm_lattice_integrate(const fgm_lattice *lattice, fgm_integrand integrand, void *data, double scale, double tol, double max_nodes, double *value,
                           double *error, double *work);

/* Doubles of work memory. */
size_t fgm_lattice_work_size(int n_components, int d);

/* An upper bound of the number of nodes at the first spacing. */
double fgm_lattice_predict_nodes(const fgm_lattice *lattice, double scale, double tol);

/* Shrinks the ellipsoid of basis into that of factor, so that the lattice resolves both. False where rounding leaves nothing of it. */
bool fgm_lattice_shrink_basis(int d, const double *factor /* (d(d+1)/2) */, double *basis /* (d(d+1)/2) */);

/* Radius outside of which a component of this weight adds less than allowance to the integral of p log p. */
double fgm_lattice_radius(int d, double weight, double allowance);

/* Product of the diagonal of a lower triangular factor. */
static inline double fgm_factor_volume(int d, const double *factor /* (d(d+1)/2) */) {
    double volume = 1.0;
    for (int i = 0; i < d; ++i) volume *= factor[FGM_TRIANGLE(i) + i];
    return volume;
}

/* ---- entropy by lattices (integrate_entropy.c), up to three dimensions -------------------------------------------------------------- */

/* *affordable is false, and nothing computed, where there are so many components, or their widths differ so much, that it would be more work. */
int fgm_lattice_entropy(const fgm_mixture *mixture, double tol, double max_work, double *value, double *error, bool *affordable);

/* ---- randomised quasi-Monte Carlo (integrate_random.c): expectations under a mixture, any dimension ---------------------------------- */

/* Writes the integrand's value at nodes drawn from one component. */
typedef void (*fgm_component_integrand)(void *data, int component, fgm_samples nodes, double *values /* (n) */);

/* Expectation of the integrand. scale is the size of values that points may have missed, node_cost about the time of one value in
 * nanoseconds. The work ends at a limit, with the error reached. */
int fgm_random_expectation(const fgm_mixture *mixture, fgm_component_integrand integrand, void *data, double scale, double node_cost, double tol,
                           uint64_t seed, double *value, double *error);

/* Nanoseconds of K log-densities and exponentials. */
double fgm_node_cost(int n_components, int d);

/* ---- divergence (integrate_divergence.c) ---------------------------------------------------------------------------------------------------------
 */

/* Kullback-Leibler divergence of two mixtures over the same variables, the expectation under p of log(p / q). Never below zero. */
int fgm_integrate_divergence(const fgm_mixture *p, const fgm_mixture *q, double tol, uint64_t seed, double *value, double *error);

#endif
