/* Entropy of a mixture in up to three dimensions: a telescoping sum of lattice integrals, from the broad components to the narrow.
 *
 * With the components sorted by volume and q_j the (unnormalised) mixture of the first j of them,
 *
 *   -H(p) = integral of q_1 log q_1 + sum over groups of integral of (q_b log q_b - q_a log q_a),    the group being components a < k <= b.
 *
 * The first term is a closed form. In the others, with g the density of the group and q = q_a + g,
 *
 *   q log q - q_a log q_a = g log q + q_a log(1 + g / q_a),
 *
 * free of cancellation and gone where g is gone: a group needs nodes only inside its own ellipsoids, and only as fine as components up to b ask
 * for. So a narrow component inside a broad one costs as much as one beside it. log q is taken relative to a constant c of the group, whose
 * share c times the group's weight is known.
 *
 * Entropy follows affine maps, so each group has a lattice of its own shape: its basis is an ellipsoid inside those of all components up to b.
 * A strong correlation that components share then costs nothing. Groups are formed by predicted work: a component joins the group before it
 * unless a lattice of its own comes cheaper.
 *
 * Memory layout, one block: the sorted mixture (weights, means, factors), its pack, bases (K, d(d+1)/2), volumes (K), radii (K), ends (K), five
 * arrays of a block of nodes, work of the kernels, work of the lattice.
 */
#include "integrate.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MAX_D FGM_LATTICE_DIMENSION
#define LOG_TWO_PI 1.8378770664093454836

/* Work is counted in evaluations of one component at one node, about a nanosecond. A group costs GROUP_WORK besides its nodes, a node NODE_WORK
 * besides its components. In a group of several, ellipsoids overlap: about SHARED of their volume is left. Times depend little on all three. */
#define GROUP_WORK 2000.0
#define NODE_WORK 8.0
#define SHARED 0.8

typedef struct plan {
    int d;
    fgm_mixture sorted; /* broad to narrow, weights positive, centred */
    double *pack;       /* (K, 1 + d + d(d+1)/2) */
    double *bases;      /* (K, d(d+1)/2): basis that resolves components 0 .. k */
    double *volumes;    /* (K) product of the factor's diagonal */
    double *radii;      /* (K) */
    double *ends;       /* (K): of the group that starts at a component, exclusive */
    double *previous, *group, *log_ratio, *gain, *peak; /* (FGM_NODE_BLOCK) */
    double *kernel_work, *lattice_work;
    int first, last;    /* the group at hand, last exclusive */
    double constant;
} plan;

static void group_integrand(void *data, fgm_samples nodes, double *values) {
    plan *p = data;
    const fgm_kernels *kernels = fgm_get_kernels();
    kernels->log_density(p->first, p->pack, nodes, p->previous, p->kernel_work);
    kernels->log_density(p->last - p->first, p->pack + p->first * FGM_PACK_STRIDE(p->d), nodes, p->group, p->kernel_work);
    for (int i = 0; i < nodes.n; ++i) {
        values[i] = p->previous[i] > p->group[i] ? p->previous[i] : p->group[i];
        p->log_ratio[i] = -fabs(p->group[i] - p->previous[i]);
    }
    kernels->exp(nodes.n, values, p->peak);
    kernels->exp(nodes.n, p->log_ratio, p->log_ratio);
    for (int i = 0; i < nodes.n; ++i) p->gain[i] = 1.0 + p->log_ratio[i];
    kernels->log(nodes.n, p->gain, p->gain);
    for (int i = 0; i < nodes.n; ++i) {
        double lead = p->group[i] - p->previous[i], larger = p->peak[i], smaller = larger * p->log_ratio[i];
        double log_q = values[i] + p->gain[i] - p->constant;
        values[i] = lead > 0.0 ? larger * log_q + smaller * (lead + p->gain[i]) : smaller * log_q + larger * p->gain[i];
    }
}

/* ---- plan ---------------------------------------------------------------------------------------------------------------------- */

/* Kernel work for any number of components up to n: their blocks grow as components get fewer. */
static size_t largest_work_size(int n_components, int d) {
    size_t largest = 0;
    for (int k = 1; k <= n_components; ++k) {
        if (fgm_work_size(k, d) > largest) largest = fgm_work_size(k, d);
    }
    return largest;
}

static int allocate_plan(plan *p, int n_components, int d) {
    size_t k = (size_t)n_components, triangle = FGM_TRIANGLE((size_t)d), pack = FGM_PACK_STRIDE((size_t)d);
    size_t kernel_size = largest_work_size(n_components, d);
    double *memory =
        fgm_allocate(k * (4 + (size_t)d + 2 * triangle + pack) + 5 * FGM_NODE_BLOCK + kernel_size + fgm_lattice_work_size(n_components, d));
    if (!memory) return FGM_ERROR_MEMORY;
    p->d = d;
    p->sorted = (fgm_mixture){0, d, memory, memory + k, memory + k * (1 + (size_t)d)};
    p->pack = p->sorted.factors + k * triangle;
    p->bases = p->pack + k * pack;
    p->volumes = p->bases + k * triangle;
    p->radii = p->volumes + k;
    p->ends = p->radii + k;
    p->previous = p->ends + k;
    p->group = p->previous + FGM_NODE_BLOCK;
    p->log_ratio = p->group + FGM_NODE_BLOCK;
    p->gain = p->log_ratio + FGM_NODE_BLOCK;
    p->peak = p->gain + FGM_NODE_BLOCK;
    p->kernel_work = p->peak + FGM_NODE_BLOCK;
    p->lattice_work = p->kernel_work + kernel_size;
    return FGM_OK;
}

static void release_plan(plan *p) { fgm_release(p->sorted.weights); }

/* Copies the components of positive weight, sorted by volume, with the mixture's mean as the origin. */
static void sort_components(plan *p, const fgm_mixture *mixture) {
    int d = p->d, triangle = FGM_TRIANGLE(d), n = 0;
    double center[MAX_D] = {0};
    for (int k = 0; k < mixture->n_components; ++k) {
        for (int j = 0; j < d; ++j) center[j] += mixture->weights[k] * mixture->means[k * d + j];
    }
    for (int k = 0; k < mixture->n_components; ++k) {
        if (!(mixture->weights[k] > 0.0)) continue;
        double volume = fgm_factor_volume(d, mixture->factors + k * triangle);
        int place = n++;
        while (place > 0 && p->volumes[place - 1] < volume) --place;
        size_t behind = (size_t)(n - 1 - place);
        memmove(p->volumes + place + 1, p->volumes + place, behind * sizeof(double));
        memmove(p->sorted.weights + place + 1, p->sorted.weights + place, behind * sizeof(double));
        memmove(p->sorted.means + (place + 1) * d, p->sorted.means + place * d, behind * (size_t)d * sizeof(double));
        memmove(p->sorted.factors + (place + 1) * triangle, p->sorted.factors + place * triangle, behind * (size_t)triangle * sizeof(double));
        p->volumes[place] = volume;
        p->sorted.weights[place] = mixture->weights[k];
        for (int j = 0; j < d; ++j) p->sorted.means[place * d + j] = mixture->means[k * d + j] - center[j];
        memcpy(p->sorted.factors + place * triangle, mixture->factors + k * triangle, (size_t)triangle * sizeof(double));
    }
    p->sorted.n_components = n;
}

/* False where components are so thin that no basis resolves them all. */
static bool find_bases(plan *p) {
    int triangle = FGM_TRIANGLE(p->d);
    memcpy(p->bases, p->sorted.factors, (size_t)triangle * sizeof(double));
    for (int k = 1; k < p->sorted.n_components; ++k) {
        double *basis = p->bases + k * triangle;
        memcpy(basis, basis - triangle, (size_t)triangle * sizeof(double));
        if (!fgm_lattice_shrink_basis(p->d, p->sorted.factors + k * triangle, basis)) return false;
    }
    return true;
}

static fgm_lattice group_lattice(const plan *p, int first, int last) {
    int d = p->d, triangle = FGM_TRIANGLE(d);
    return (fgm_lattice){
        last - first, d, p->sorted.means + first * d, p->sorted.factors + first * triangle, p->radii + first, p->bases + (last - 1) * triangle};
}

static double group_weight(const plan *p, int first, int last) {
    double weight = 0.0;
    for (int k = first; k < last; ++k) weight += p->sorted.weights[k];
    return weight;
}

static double predict_work(const plan *p, int first, int last, double tol) {
    fgm_lattice lattice = group_lattice(p, first, last);
    double nodes = fgm_lattice_predict_nodes(&lattice, group_weight(p, first, last), tol);
    return nodes * (last - first > 1 ? SHARED : 1.0) * (NODE_WORK + last) + GROUP_WORK;
}

/* End of the group that starts at a component, and its work. */
static int find_group(const plan *p, int first, double tol, double *work) {
    int last = first + 1;
    *work = predict_work(p, first, last, tol);
    for (; last < p->sorted.n_components; ++last) {
        double merged = predict_work(p, first, last + 1, tol);
        if (merged > *work + predict_work(p, last, last + 1, tol)) break;
        *work = merged;
    }
    return last;
}

/* ---- sum ----------------------------------------------------------------------------------------------------------------------- */

/* Entropy of p_k = weight times a Gaussian, minus the integral of p_k log p_k. */
static double closed_entropy(const plan *p, int k) {
    double log_peak = p->pack[k * FGM_PACK_STRIDE(p->d)];
    return p->sorted.weights[k] * (0.5 * p->d - log_peak);
}

/* Rounding: of log-densities where components are far from the origin in their own widths, and of the sums. */
static double rounding_error(const plan *p, double value) {
    double error = 8.0 * DBL_EPSILON * fabs(value);
    for (int k = 0; k < p->sorted.n_components; ++k) {
        const double *parameters = p->pack + k * FGM_PACK_STRIDE(p->d);
        double distance = 1.0 + fabs(parameters[0]);
        for (int j = 0; j < p->d; ++j) distance += fabs(parameters[1 + j]);
        error += 0.5 * DBL_EPSILON * p->sorted.weights[k] * distance;
    }
    return error;
}

static void add_group(plan *p, int first, int last, double tol, double *value, double *error) {
    double weight = group_weight(p, first, last), entropy = 0.0, integral, aliasing;
    for (int k = first; k < last; ++k) entropy += closed_entropy(p, k);
    p->first = first;
    p->last = last;
    p->constant = -entropy / weight;
    fgm_lattice lattice = group_lattice(p, first, last);
    fgm_lattice_integrate(&lattice, group_integrand, p, weight, tol, FGM_MAX_WORK / (NODE_WORK + last), &integral, &aliasing, p->lattice_work);
    *value -= integral + p->constant * weight;
    *error += aliasing;
}

static bool integrate_groups(plan *p, double tol, double max_work, double *value, double *error) {
    int n = p->sorted.n_components;
    double total_work = 0.0, tail = 0.03 * tol / n;
    *value = closed_entropy(p, 0);
    *error = 0.0;
    if (n == 1) return true;
    for (int k = 0; k < n; ++k) p->radii[k] = fgm_lattice_radius(p->d, p->sorted.weights[k], tail);
    if (!find_bases(p)) return false;
    int n_groups = 0;
    for (int first = 1; first < n; ++n_groups) {
        double work;
        int last = find_group(p, first, tol / n, &work);
        p->ends[first] = last;
        first = last;
        total_work += work;
    }
    if (!(total_work < max_work)) return false;
    for (int first = 1; first < n; --n_groups) {
        double left = 0.9 * tol - *error;
        int last = (int)p->ends[first];
        add_group(p, first, last, fmax(left, 0.1 * tol) / n_groups, value, error);
        first = last;
    }
    *error += 2.0 * tail * (n - 1);
    return true;
}

int fgm_lattice_entropy(const fgm_mixture *mixture, double tol, double max_work, double *value, double *error, bool *affordable) {
    plan p;
    FGM_TRY(allocate_plan(&p, mixture->n_components, mixture->d));
    sort_components(&p, mixture);
    fgm_pack(&p.sorted, p.pack);
    *affordable = integrate_groups(&p, fmax(tol, 1e-13), max_work, value, error);
    if (*affordable) *error += rounding_error(&p, *value);
    release_plan(&p);
    return FGM_OK;
}
