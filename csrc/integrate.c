/* Entropy and mutual information of Gaussian mixtures, one or one for each class, each with an estimate of its error.
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
 *
 * Labels. Where variables are discrete there is one mixture for each class, a combination of labels. With l the labels of a set of variables,
 * P_l their probability and p_l the mixture of the classes that share them (a group), restricted to the set's columns,
 *
 *   H(set) = sum over l of P_l (H(p_l) - log P_l),
 *
 * so that each term of the sum above is a sum over groups; in a table nothing else is left. A node of class c meets one group of each term.
 */
#include "integrate.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_LOG_SHARE -45.0 /* 3e-20: what is less at every node of a block is left out */

/* ---- terms --------------------------------------------------------------------------------------------------------------------- */

typedef struct member {
    int32_t labels[3];
    int class;
} member;

static int compare_members(const void *left, const void *right) {
    const member *a = left, *b = right;
    int order = fgm_compare_labels(a->labels, b->labels);
    return order ? order : (a->class > b->class) - (a->class < b->class);
}

/* Classes of positive probability, those of one group together. */
static int list_members(const fgm_model *model, unsigned labelled, member *members /* (n_classes) */) {
    int n_members = 0;
    for (int c = 0; c < model->n_classes; ++c) {
        if (!(model->probabilities[c] > 0.0)) continue;
        member *at = &members[n_members++];
        for (int v = 0; v < 3; ++v) at->labels[v] = labelled & FGM_BIT(v) ? model->labels[3 * c + v] : 0;
        at->class = c;
    }
    if (n_members > 1) qsort(members, (size_t)n_members, sizeof *members, compare_members);
    return n_members;
}

static int allocate_term(fgm_term *at, const fgm_terms *terms, int n_columns, int n_members) {
    int n_components = n_columns > 0 ? terms->n_components : 0;
    size_t size = fgm_mixture_size(n_components, n_columns), n_numbers = (size_t)(n_members + 1 + terms->n_classes);
    at->memory = fgm_allocate(size + (size_t)n_members + (n_numbers * sizeof(int) + sizeof(double) - 1) / sizeof(double));
    if (!at->memory) return FGM_ERROR_MEMORY;
    at->mixture = fgm_mixture_at(at->memory, n_components, n_columns);
    at->probabilities = at->memory + size;
    at->starts = (int *)(at->probabilities + n_members);
    at->group_of = at->starts + n_members + 1;
    return FGM_OK;
}

/* The columns of one class's components, from place on. */
static int take_class(fgm_term *at, const fgm_mixture *mixture, const int32_t *columns, double probability, int place) {
    int d = at->mixture.d;
    for (int k = 0; k < mixture->n_components; ++k, ++place) {
        at->mixture.weights[place] = probability * mixture->weights[k];
        FGM_TRY(fgm_mixture_take_columns(mixture, k, columns, d, at->mixture.means + (size_t)place * (size_t)d,
                                         at->mixture.factors + (size_t)place * FGM_TRIANGLE((size_t)d)));
    }
    return FGM_OK;
}

static int fill_term(fgm_term *at, const fgm_terms *terms, const fgm_model *model, const member *members, int n_members) {
    int place = 0;
    at->n_groups = 0;
    for (int c = 0; c < model->n_classes; ++c) at->group_of[c] = -1;
    for (int i = 0; i < n_members; ++i) {
        int c = members[i].class;
        if (i == 0 || fgm_compare_labels(members[i - 1].labels, members[i].labels) != 0) {
            at->starts[at->n_groups] = place;
            at->probabilities[at->n_groups++] = 0.0;
        }
        at->group_of[c] = at->n_groups - 1;
        at->probabilities[at->n_groups - 1] += model->probabilities[c];
        if (at->mixture.d == 0) continue;
        FGM_TRY(take_class(at, &model->mixtures[c], terms->columns + at->first, model->probabilities[c], place));
        place += model->mixtures[c].n_components;
    }
    at->starts[at->n_groups] = place;
    for (int g = 0; g < at->n_groups; ++g) {
        for (int k = at->starts[g]; k < at->starts[g + 1]; ++k) at->mixture.weights[k] /= at->probabilities[g];
    }
    return FGM_OK;
}

/* labelled: bits of the variables whose labels the term tells apart. */
static int add_term(fgm_terms *terms, const fgm_model *model, int first, int n_columns, unsigned labelled, double coefficient) {
    fgm_term *at = &terms->terms[terms->n_terms++];
    member only, *members = model->n_classes == 1 ? &only : malloc((size_t)model->n_classes * sizeof *members);
    if (!members) return FGM_ERROR_MEMORY;
    int n_members = list_members(model, labelled, members);
    at->first = first;
    at->coefficient = coefficient;
    int status = allocate_term(at, terms, n_columns, n_members);
    if (status == FGM_OK) status = fill_term(at, terms, model, members, n_members);
    if (members != &only) free(members);
    return status;
}

/* What the joint density's components weigh, and which class they belong to. */
static int list_components(fgm_terms *terms, const fgm_model *model) {
    const fgm_term *joint = &terms->terms[0];
    terms->weights = fgm_allocate((size_t)joint->mixture.n_components);
    terms->class_of = malloc((size_t)(joint->mixture.n_components + 1) * sizeof *terms->class_of);
    if (!terms->weights || !terms->class_of) return FGM_ERROR_MEMORY;
    for (int c = 0; c < model->n_classes; ++c) {
        int g = joint->group_of[c];
        for (int k = g < 0 ? 0 : joint->starts[g]; g >= 0 && k < joint->starts[g + 1]; ++k) {
            terms->weights[k] = joint->probabilities[g] * joint->mixture.weights[k];
            terms->class_of[k] = c;
        }
    }
    return FGM_OK;
}

static void start_terms(fgm_terms *terms, const fgm_model *model) {
    memset(terms, 0, sizeof *terms);
    terms->n_classes = model->n_classes;
    for (int c = 0; c < model->n_classes; ++c) {
        if (model->probabilities[c] > 0.0) terms->n_components += model->mixtures[c].n_components;
    }
}

static void release_terms(fgm_terms *terms) {
    for (int t = 0; t < terms->n_terms; ++t) fgm_release(terms->terms[t].memory);
    fgm_release(terms->weights);
    fgm_release(terms->memory);
    free(terms->class_of);
}

/* Some group has more than one component: not all is known in closed form. */
static bool needs_nodes(const fgm_terms *terms) {
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        for (int g = 0; g < at->n_groups; ++g) {
            int n = 0;
            for (int k = at->starts[g]; k < at->starts[g + 1]; ++k) n += at->mixture.weights[k] > 0.0;
            if (n > 1) return true;
        }
    }
    return false;
}

/* Entropy of the labels. */
static double label_information(const fgm_term *at) {
    double entropy = 0.0;
    for (int g = 0; g < at->n_groups; ++g) entropy -= at->probabilities[g] * log(at->probabilities[g]);
    return entropy;
}

/* ---- by lattices ----------------------------------------------------------------------------------------------------------------- */

static fgm_mixture group_mixture(const fgm_term *at, int group) {
    size_t first = (size_t)at->starts[group], d = (size_t)at->mixture.d;
    return (fgm_mixture){fgm_components_of(at, group), at->mixture.d, at->mixture.weights + first, at->mixture.means + first * d,
                         at->mixture.factors + first * FGM_TRIANGLE(d)};
}

/* Every dimension multiplies nodes, so larger parts get more of the tolerance: in proportion to d^2. */
static int sum_by_lattices(const fgm_terms *terms, double tol, double max_work, double *value, double *error, bool *affordable) {
    double shares = 0.0;
    for (int t = 0; t < terms->n_terms; ++t) shares += terms->terms[t].mixture.d * terms->terms[t].mixture.d;
    *value = *error = 0.0;
    *affordable = true;
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        double share = at->mixture.d * at->mixture.d / shares;
        for (int g = 0; at->mixture.d > 0 && g < at->n_groups; ++g) {
            fgm_mixture group = group_mixture(at, g);
            double entropy = 0.0, entropy_error = 0.0;
            FGM_TRY(fgm_lattice_entropy(&group, share * tol, max_work, &entropy, &entropy_error, affordable));
            if (!*affordable) return FGM_OK;
            *value += at->coefficient * (at->probabilities[g] * entropy);
            *error += at->probabilities[g] * entropy_error;
        }
        *value += at->coefficient * label_information(at);
    }
    return FGM_OK;
}

/* ---- by closed forms and sampling ------------------------------------------------------------------------------------------------- */

/* Packs, and memory for a block of nodes where there will be any. */
static int allocate_packs(fgm_terms *terms, bool has_nodes) {
    size_t size = 0, work = 0, largest = 1;
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        if (at->mixture.d == 0) continue;
        size += (size_t)at->mixture.n_components * FGM_PACK_STRIDE((size_t)at->mixture.d);
        for (int g = 0; g < at->n_groups; ++g) {
            size_t needed = fgm_work_size(fgm_components_of(at, g), at->mixture.d), k = (size_t)fgm_components_of(at, g);
            if (needed > work) work = needed;
            if (k > largest) largest = k;
        }
    }
    size_t d = (size_t)terms->terms[0].mixture.d;
    double *at = terms->memory = fgm_allocate(size + (has_nodes ? work + (largest + 2 + d) * FGM_NODE_BLOCK : 0));
    if (!at) return FGM_ERROR_MEMORY;
    for (int t = 0; t < terms->n_terms; ++t) {
        if (terms->terms[t].mixture.d == 0) continue;
        terms->terms[t].pack = at;
        fgm_pack(&terms->terms[t].mixture, at);
        at += (size_t)terms->terms[t].mixture.n_components * FGM_PACK_STRIDE((size_t)terms->terms[t].mixture.d);
    }
    if (!has_nodes) return FGM_OK;
    terms->logs = at;
    terms->shares = terms->logs + largest * FGM_NODE_BLOCK;
    terms->label_entropy = terms->shares + FGM_NODE_BLOCK;
    terms->nodes = terms->label_entropy + FGM_NODE_BLOCK;
    terms->kernel_work = terms->nodes + d * FGM_NODE_BLOCK;
    return FGM_OK;
}

/* Sum over the terms of coefficient * (H(labels) + sum over groups of P_g sum over k of w_k (H(N_k) - log w_k)), and what rounding leaves of it. */
static double closed_part(const fgm_terms *terms, double *rounding) {
    double total = 0.0;
    *rounding = 0.0;
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        int d = at->mixture.d;
        for (int g = 0; g < at->n_groups; ++g) {
            for (int k = at->starts[g]; k < at->starts[g + 1]; ++k) {
                double weight = at->mixture.weights[k];
                if (!(weight > 0.0)) continue;
                double entropy = at->probabilities[g] * (weight * (0.5 * d - at->pack[(size_t)k * FGM_PACK_STRIDE((size_t)d)]));
                total += at->coefficient * entropy;
                *rounding += 4.0 * DBL_EPSILON * (fabs(entropy) + at->probabilities[g] * weight * d);
            }
        }
        total += at->coefficient * label_information(at);
    }
    return total;
}

/* Whether a component's share, exp(t), is worth a thought at any node. Nodes are drawn from one component, which is far from most others. */
static bool is_present(int n, const double *t) {
    double largest = -INFINITY;
    for (int b = 0; b < n; ++b) largest = t[b] > largest ? t[b] : largest;
    return !(largest < LEAST_LOG_SHARE);
}

/* H(r) of a group at each node: with t_k = log w_k N_k - their maximum, log sum e^t - sum t e^t / sum e^t. */
static void find_label_entropy(fgm_terms *terms, const fgm_term *at, int group, fgm_samples nodes) {
    const fgm_kernels *kernels = fgm_get_kernels();
    int n_components = fgm_components_of(at, group), n = (int)nodes.n;
    nodes.d = at->mixture.d;
    nodes.columns += at->first * nodes.stride;
    kernels->component_log_density(n_components, fgm_group_pack(at, group), nodes, terms->logs, terms->kernel_work);
    double largest[FGM_NODE_BLOCK], total[FGM_NODE_BLOCK] = {0}, weighted[FGM_NODE_BLOCK] = {0};
    memcpy(largest, terms->logs, (size_t)n * sizeof *largest);
    for (int k = 1; k < n_components; ++k) {
        for (int b = 0; b < n; ++b) largest[b] = terms->logs[k * n + b] > largest[b] ? terms->logs[k * n + b] : largest[b];
    }
    for (int k = 0; k < n_components; ++k) {
        double *t = terms->logs + k * n;
        for (int b = 0; b < n; ++b) t[b] -= largest[b];
        if (!is_present(n, t)) continue;
        kernels->exp(n, t, terms->shares);
        for (int b = 0; b < n; ++b) {
            total[b] += terms->shares[b];
            weighted[b] += terms->shares[b] * t[b];
        }
    }
    kernels->log(n, total, terms->label_entropy);
    for (int b = 0; b < n; ++b) terms->label_entropy[b] -= weighted[b] / total[b];
}

static void label_integrand(void *data, int component, fgm_samples nodes, double *values) {
    fgm_terms *terms = data;
    int c = terms->class_of[component];
    memset(values, 0, (size_t)nodes.n * sizeof *values);
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        int group = at->group_of[c];
        if (at->mixture.d == 0 || fgm_components_of(at, group) == 1) continue;
        find_label_entropy(terms, at, group, nodes);
        for (int b = 0; b < nodes.n; ++b) values[b] -= at->coefficient * terms->label_entropy[b];
    }
}

double fgm_node_cost(int n_components, int d) { return n_components * (2.5 + 0.5 * d + 0.035 * d * d); }

/* Of a node of an average component. */
static double mean_node_cost(const fgm_terms *terms) {
    double cost = 0.0;
    for (int t = 0; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        for (int g = 0; at->mixture.d > 0 && g < at->n_groups; ++g) {
            int k = fgm_components_of(at, g);
            cost += (double)k / terms->n_components * fgm_node_cost(k, at->mixture.d);
        }
    }
    return cost;
}

static int sum_by_sampling(fgm_terms *terms, const fgm_model *model, double tol, uint64_t seed, double *value, double *error) {
    double rounding, sampled = 0.0;
    bool has_nodes = needs_nodes(terms);
    FGM_TRY(allocate_packs(terms, has_nodes));
    double closed = closed_part(terms, &rounding);
    *error = 0.0;
    if (has_nodes) {
        FGM_TRY(list_components(terms, model));
        fgm_mixture joint = terms->terms[0].mixture;
        joint.weights = terms->weights;
        FGM_TRY(fgm_random_expectation(&joint, label_integrand, terms, 1.0, mean_node_cost(terms), tol, seed, &sampled, error));
    }
    *value = closed + sampled;
    *error += rounding;
    return FGM_OK;
}

static int evaluate(fgm_terms *terms, const fgm_model *model, double tol, double max_work, uint64_t seed, double *value, double *error) {
    bool done = false;
    if (terms->terms[0].mixture.d <= FGM_LATTICE_DIMENSION && needs_nodes(terms)) FGM_TRY(sum_by_lattices(terms, tol, max_work, value, error, &done));
    return done ? FGM_OK : sum_by_sampling(terms, model, tol, seed, value, error);
}

/* ---- entropy and information -------------------------------------------------------------------------------------------------------- */

static const int32_t no_labels[3];

/* A mixture as the model of one class. */
static fgm_model model_of(const fgm_mixture *mixture, double *one) {
    *one = 1.0;
    return (fgm_model){1, mixture->d, no_labels, one, (fgm_mixture *)mixture};
}

static int add_entropy(fgm_terms *terms, const fgm_model *model) {
    start_terms(terms, model);
    for (int j = 0; j < model->d; ++j) terms->columns[j] = j;
    return add_term(terms, model, 0, model->d, 0, 1.0);
}

static void copy_sorted(const int32_t *columns, int n, int32_t *to) {
    for (int i = 0; i < n; ++i) {
        int place = i;
        for (; place > 0 && to[place - 1] > columns[i]; --place) to[place] = to[place - 1];
        to[place] = columns[i];
    }
}

/* Columns in the order x, given, y, so that every part is a range of them. Each part is sorted, and x the one that has the first column of the model,
 * so that nodes do not depend on how the parts are named. */
static int add_information(fgm_terms *terms, const fgm_model *model, fgm_parts parts) {
    int32_t sorted[3][FGM_MAX_DIMENSION];
    copy_sorted(parts.x, parts.n_x, sorted[0]);
    copy_sorted(parts.y, parts.n_y, sorted[1]);
    copy_sorted(parts.given, parts.n_given, sorted[2]);
    bool swapped = parts.n_x > 0 && parts.n_y > 0 && sorted[1][0] < sorted[0][0];
    int x = swapped ? 1 : 0, y = 1 - x, n_x = swapped ? parts.n_y : parts.n_x, n_y = swapped ? parts.n_x : parts.n_y, n_given = parts.n_given;
    start_terms(terms, model);
    memcpy(terms->columns, sorted[x], (size_t)n_x * sizeof *terms->columns);
    memcpy(terms->columns + n_x, sorted[2], (size_t)n_given * sizeof *terms->columns);
    memcpy(terms->columns + n_x + n_given, sorted[y], (size_t)n_y * sizeof *terms->columns);
    FGM_TRY(add_term(terms, model, 0, n_x + n_given + n_y, FGM_BIT(0) | FGM_BIT(1) | FGM_BIT(2), -1.0));
    FGM_TRY(add_term(terms, model, 0, n_x + n_given, FGM_BIT(x) | FGM_BIT(2), 1.0));
    FGM_TRY(add_term(terms, model, n_x, n_given + n_y, FGM_BIT(y) | FGM_BIT(2), 1.0));
    return add_term(terms, model, n_x, n_given, FGM_BIT(2), -1.0);
}

/* Two terms whose difference is log p(x) / q(x) at a row of p, class 0: the group of a class is the other class in the second. */
static int add_divergence(fgm_terms *terms, const fgm_model *model) {
    start_terms(terms, model);
    for (int j = 0; j < model->d; ++j) terms->columns[j] = j;
    for (int t = 0; t < 2; ++t) {
        FGM_TRY(add_term(terms, model, 0, model->d, FGM_BIT(1), t == 0 ? -1.0 : 1.0));
        fgm_term *at = &terms->terms[t];
        for (int g = 0; g < at->n_groups; ++g) at->probabilities[g] = 1.0;
        for (int c = 0; c < model->n_classes; ++c) at->group_of[c] = t == 0 ? c : 1 - c;
    }
    return FGM_OK;
}

/* The terms of a quantity. */
static int add_quantity(fgm_terms *terms, const fgm_model *model, const fgm_layout *layout) {
    const int32_t *columns = layout->columns;
    if (layout->quantity == FGM_QUANTITY_ENTROPY) return add_entropy(terms, model);
    if (layout->quantity != FGM_QUANTITY_INFORMATION) return add_divergence(terms, model);
    int n_x = layout->d[0], n_y = layout->d[1];
    return add_information(terms, model, (fgm_parts){columns, columns + n_x, columns + n_x + n_y, n_x, n_y, layout->d[2]});
}

int fgm_integrate_entropy(const fgm_mixture *mixture, double tol, uint64_t seed, double *value, double *error) {
    double one;
    fgm_model model = model_of(mixture, &one);
    fgm_layout layout = {.quantity = FGM_QUANTITY_ENTROPY, .d = {mixture->d, 0, 0}};
    return fgm_integrate_model(&model, &layout, tol, FGM_MAX_WORK, seed, value, error);
}

int fgm_integrate_information(const fgm_mixture *mixture, fgm_parts parts, double tol, uint64_t seed, double *value, double *error) {
    *value = *error = 0.0;
    if (parts.n_x == 0 || parts.n_y == 0) return FGM_OK;
    double one;
    fgm_model model = model_of(mixture, &one);
    fgm_terms terms;
    int status = add_information(&terms, &model, parts);
    if (status == FGM_OK) status = evaluate(&terms, &model, tol, FGM_MAX_WORK, seed, value, error);
    release_terms(&terms);
    *value = fmax(*value, 0.0);
    return status;
}

int fgm_integrate_model(const fgm_model *model, const fgm_layout *layout, double tol, double max_work, uint64_t seed, double *value, double *error) {
    if (fgm_is_divergence(layout)) {
        return fgm_integrate_divergence(&model->mixtures[0], &model->mixtures[1], tol, seed, value, error);
    }
    fgm_terms terms;
    int status = add_quantity(&terms, model, layout);
    if (status == FGM_OK) status = evaluate(&terms, model, tol, max_work, seed, value, error);
    release_terms(&terms);
    if (layout->quantity == FGM_QUANTITY_INFORMATION) *value = fmax(*value, 0.0);
    return status;
}

/* ---- tables -------------------------------------------------------------------------------------------------------------------------- */

static double count_log_count(double count) { return count > 0.0 ? count * log(count) : 0.0; }

/* First and second backward difference of count log count; where count is large, by the series, for the digits of the second. */
static void differences(double count, double *first, double *second) {
    double one = count_log_count(count - 1.0), two = count_log_count(count - 2.0);
    *first = count_log_count(count) - one;
    *second = *first - (one - two);
    if (count > 50.0) {
        double inverse = 1.0 / (count - 1.0), square = inverse * inverse;
        *first = log(count) - (count - 1.0) * log1p(-1.0 / count);
        *second = inverse * (1.0 + square * (1.0 / 6.0 + square * (1.0 / 15.0 + square / 28.0)));
    }
}

/* Bias of a table's entropy at n samples by the jackknife of second order (Schucany, Gray and Owen 1971):
 *   H - (n^2 H - 2 (n-1)^2 H_1 + (n-2)^2 H_2) / 2,
 * H_k the mean of the entropies without k of the samples. With L(m) = m log m, (n-k) H_k is L(n-k) less the sum over groups of the mean of L(count
 * left); all of it is put together from differences of L, since n^2 H would leave no digits. */
static double jackknife_bias(const fgm_term *at, double n) {
    double first, second, before;
    if (n < 3.0) return 0.0; /* one or two rows with nearly all the weight */
    differences(n, &first, &second);
    before = first - second; /* L(n-1) - L(n-2) */
    double corrected = before + 0.5 * n * second;
    for (int g = 0; g < at->n_groups; ++g) {
        double probability = at->probabilities[g], count = n * probability;
        if (!(count > 0.0)) continue;
        differences(count, &first, &second);
        double both = probability * (count - 1.0) / (n - 1.0); /* that two samples are of the group */
        corrected -= probability * first + (0.5 * n - 1.0) * both * second;
    }
    return label_information(at) - corrected;
}

int fgm_table_statistics(const fgm_model *model, const fgm_layout *layout, double n, double *bias, double *smaller_entropy) {
    fgm_terms terms;
    int status = add_quantity(&terms, model, layout);
    if (status == FGM_OK) {
        *bias = 0.0;
        for (int t = 0; t < terms.n_terms; ++t) *bias += terms.terms[t].coefficient * jackknife_bias(&terms.terms[t], n);
        *smaller_entropy = fmin(label_information(&terms.terms[1]), label_information(&terms.terms[2])) - label_information(&terms.terms[3]);
    }
    release_terms(&terms);
    return status;
}

/* ---- pointwise ----------------------------------------------------------------------------------------------------------------------- */

int fgm_terms_create(fgm_terms **terms, const fgm_model *model, const fgm_layout *layout) {
    *terms = malloc(sizeof **terms);
    if (!*terms) return FGM_ERROR_MEMORY;
    int status = add_quantity(*terms, model, layout);
    return status == FGM_OK ? allocate_packs(*terms, true) : status;
}

void fgm_terms_destroy(fgm_terms *terms) {
    if (terms) release_terms(terms);
    free(terms);
}

static void take_nodes(fgm_terms *terms, fgm_samples rows) {
    for (int j = 0; j < terms->terms[0].mixture.d; ++j) {
        memcpy(terms->nodes + j * FGM_NODE_BLOCK, rows.columns + terms->columns[j] * rows.stride, (size_t)rows.n * sizeof(double));
    }
}

/* Takes coefficient * log p of one term off the values: of each it is the expectation of its -log p. */
static void take_off_term(fgm_terms *terms, const fgm_term *at, int class, int64_t n, double *values) {
    int group = at->group_of[class];
    double log_probability = log(at->probabilities[group]);
    if (at->mixture.d > 0) {
        fgm_samples nodes = {n, FGM_NODE_BLOCK, at->mixture.d, terms->nodes + at->first * FGM_NODE_BLOCK, NULL, NULL};
        fgm_get_kernels()->log_density(fgm_components_of(at, group), fgm_group_pack(at, group), nodes, terms->logs, terms->kernel_work);
    }
    for (int64_t i = 0; i < n; ++i) values[i] -= at->coefficient * (log_probability + (at->mixture.d > 0 ? terms->logs[i] : 0.0));
}

void fgm_terms_evaluate(fgm_terms *terms, int class, fgm_samples rows, double *out) {
    take_nodes(terms, rows);
    memset(out, 0, (size_t)rows.n * sizeof *out);
    for (int t = 0; t < terms->n_terms; ++t) take_off_term(terms, &terms->terms[t], class, rows.n, out);
}

void fgm_terms_evaluate_joint(fgm_terms *terms, fgm_samples rows, double *out) {
    take_nodes(terms, rows);
    memset(out, 0, (size_t)rows.n * sizeof *out);
    take_off_term(terms, &terms->terms[0], 0, rows.n, out);
}

void fgm_terms_evaluate_alone(fgm_terms *terms, int column, fgm_samples rows, double *out) {
    take_nodes(terms, rows);
    memset(out, 0, (size_t)rows.n * sizeof *out);
    for (int t = 1; t < terms->n_terms; ++t) {
        const fgm_term *at = &terms->terms[t];
        bool is_of_column = false;
        for (int j = at->first; j < at->first + at->mixture.d; ++j) is_of_column |= terms->columns[j] == column;
        if (is_of_column) take_off_term(terms, at, 0, rows.n, out);
    }
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
