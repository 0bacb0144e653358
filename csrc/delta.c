/* An error bar and a bias without resampling: the infinitesimal jackknife (Jaeckel 1972; Efron 1982) of a quantity Q = E[T] of fitted densities.
 *
 * With s_i the score of row i and H the observed information of the fit, a row more moves the parameters by H^-1 s_i. The gradient of Q is E[T s]
 * under the model, since what T itself changes by has the mean 0. So the influence of a row is
 *   U_i = n s_i^T H^-1 E[T s],    variance = sum (U_i - mean U)^2 / n^2 + |bias| / n,
 * the last for where the gradient vanishes, as at independence (a quadratic form of bias c / 2n has the variance c / 2n^2). Groups count by their
 * sums.
 *
 * The bias is that of the entropies Q is a sum of: the entropy of a fitted density is too small by tr(J H^-1) / 2, with J = sum s_t s_t^T of that
 * density's scores, which for the density that was fitted is the number of its parameters (Wilks 1938), and for one of its marginals fewer.
 *
 * The two samples of a divergence are taken for independent there.
 *
 * Coordinates are the local ones of curvature.c. With B = (F^-1 L_S)^T, F F^T the covariance of the columns S and L_S the rows of the component's
 * factor, the score of the marginal is r (1, v, v_i v_j - (B B^T)_ij) with v = B z_S, the mean of z given x_S. The first of them, of the total
 * weight, is one too many for a density; it stands for the class probabilities where there are classes, and in sum its trace is 1.
 *
 * Rows are in random order, and what is wanted are means over them: the first few thousand of each class serve for all.
 */
#include "integrate.h"
#include "quasi_random.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_ROWS 16384
#define LEAST_ROWS 1024
#define WORK 4e8 /* rows times the square of the number of parameters */
#define LARGEST_RULE 32
#define LATTICE_POINTS 4096

/* How the coordinates of one component come from those of a term's columns. */
typedef struct projection {
    double *turn; /* (d, d_S): B */
    double *hat;  /* (d(d+1)/2): B B^T */
} projection;

typedef struct delta {
    const fgm_prepared *prepared;
    const fgm_model *model;
    bool divergence;
    fgm_terms *terms;
    fgm_curvature *curvatures; /* (n_classes) */
    int64_t *rows;             /* (n_classes): so many of each class are looked at */
    double *weight;            /* (n_classes): of all its rows */
    double *looked_at;         /* (n_classes): weight of the rows looked at */
    double total;              /* weight */
    projection *projections[FGM_MAX_TERMS]; /* (K) */
    double *memory;            /* of the projections */
    double *responsibilities;  /* (K, FGM_NODE_BLOCK) */
    double *kernel_work;
    double **gradients;        /* (n_classes) of (p) */
    double *score, *copy;      /* (the largest p) */
    double traces[FGM_MAX_TERMS];
} delta;

static int parameters_of(const delta *state, int class) { return state->model->mixtures[class].n_components * FGM_PACK_STRIDE(state->model->d); }

/* Whether a class belongs to a group of a term. Those of a divergence are the samples themselves. */
static bool is_member(const delta *state, const fgm_term *at, int group, int class) {
    return state->model->probabilities[class] > 0.0 && (state->divergence ? class == group : at->group_of[class] == group);
}

/* ---- memory -------------------------------------------------------------------------------------------------------------------------------- */

static void find_projection(const fgm_mixture *whole, int component, const fgm_term *at, const int32_t *columns, int place, projection *to) {
    int d = whole->d, n = at->mixture.d;
    const double *root = whole->factors + (size_t)component * (size_t)FGM_TRIANGLE(d);
    const double *factor = at->mixture.factors + (size_t)place * (size_t)FGM_TRIANGLE(n);
    for (int j = 0; j < n; ++j) {
        const double *row = factor + FGM_TRIANGLE(j);
        for (int i = 0; i < d; ++i) {
            double sum = i <= columns[j] ? root[FGM_TRIANGLE(columns[j]) + i] : 0.0;
            for (int m = 0; m < j; ++m) sum -= row[m] * to->turn[i * n + m];
            to->turn[i * n + j] = sum / row[j];
        }
    }
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            double sum = 0.0;
            for (int m = 0; m < n; ++m) sum += to->turn[i * n + m] * to->turn[j * n + m];
            to->hat[FGM_TRIANGLE(i) + j] = sum;
        }
    }
}

static int find_projections(delta *state) {
    const fgm_model *model = state->model;
    size_t d = (size_t)model->d, k = (size_t)state->terms->n_components, each = d * d + FGM_TRIANGLE(d);
    state->memory = fgm_allocate((size_t)state->terms->n_terms * k * each + 1);
    if (!state->memory) return FGM_ERROR_MEMORY;
    double *memory = state->memory;
    for (int t = 0; t < state->terms->n_terms; ++t) {
        const fgm_term *at = &state->terms->terms[t];
        state->projections[t] = malloc((k + 1) * sizeof *state->projections[t]);
        if (!state->projections[t]) return FGM_ERROR_MEMORY;
        for (int group = 0, place = 0; at->mixture.d > 0 && group < at->n_groups; ++group) {
            for (int c = 0; c < model->n_classes; ++c) {
                for (int m = 0; is_member(state, at, group, c) && m < model->mixtures[c].n_components; ++m, ++place, memory += each) {
                    projection *to = &state->projections[t][place];
                    *to = (projection){memory, memory + d * (size_t)at->mixture.d};
                    find_projection(&model->mixtures[c], m, at, state->terms->columns + at->first, place, to);
                }
            }
        }
    }
    return FGM_OK;
}

/* How many rows of each class, and what they weigh. */
static int choose_rows(delta *state, int most_parameters) {
    const fgm_prepared *prepared = state->prepared;
    int n_classes = state->model->n_classes;
    double share = fmin(1.0, fmin(MOST_ROWS, fmax(LEAST_ROWS, WORK / most_parameters / most_parameters)) / (double)prepared->n);
    state->rows = malloc((size_t)n_classes * sizeof *state->rows);
    state->weight = fgm_allocate(2 * (size_t)n_classes);
    if (!state->rows || !state->weight) return FGM_ERROR_MEMORY;
    state->looked_at = state->weight + n_classes;
    for (int c = 0; c < n_classes; ++c) {
        fgm_samples rows = fgm_class_rows(prepared, c);
        state->rows[c] = (int64_t)ceil(share * (double)rows.n);
        state->weight[c] = fgm_training_of(rows).total_weight;
        state->looked_at[c] = fgm_training_of(fgm_rows(rows, 0, state->rows[c])).total_weight;
        state->total += state->weight[c];
    }
    return FGM_OK;
}

static int find_curvatures(delta *state) {
    const fgm_model *model = state->model;
    volatile int64_t nothing_done = 0;
    const fgm_options *options = state->prepared->settings.options;
    fgm_monitor monitor = fgm_monitor_start(options, &nothing_done, 0, 1);
    state->curvatures = calloc((size_t)model->n_classes, sizeof *state->curvatures);
    if (!state->curvatures) return FGM_ERROR_MEMORY;
    for (int c = 0; c < model->n_classes; ++c) {
        if (!(model->probabilities[c] > 0.0)) continue;
        fgm_training training = fgm_training_of(fgm_class_rows(state->prepared, c));
        fgm_fitter *fitter;
        FGM_TRY(fgm_fitter_create(&fitter, model->mixtures[c].n_components, model->d));
        int status = fgm_observe_curvature(fitter, &training, &model->mixtures[c], &monitor, &state->curvatures[c]);
        fgm_fitter_destroy(fitter);
        FGM_TRY(status);
    }
    return FGM_OK;
}

static int prepare(delta *state) {
    const fgm_model *model = state->model;
    int largest = 1;
    size_t n_classes = (size_t)model->n_classes, work = 0;
    for (int c = 0; c < model->n_classes; ++c) largest = parameters_of(state, c) > largest ? parameters_of(state, c) : largest;
    FGM_TRY(fgm_terms_create(&state->terms, model, &state->prepared->layout));
    FGM_TRY(find_projections(state));
    FGM_TRY(choose_rows(state, largest));
    FGM_TRY(find_curvatures(state));
    for (int t = 0; t < state->terms->n_terms; ++t) {
        const fgm_term *at = &state->terms->terms[t];
        for (int g = 0; at->mixture.d > 0 && g < at->n_groups; ++g) {
            size_t needed = fgm_work_size(fgm_components_of(at, g), at->mixture.d);
            work = needed > work ? needed : work;
        }
    }
    state->responsibilities = fgm_allocate((size_t)state->terms->n_components * FGM_NODE_BLOCK + 1);
    state->kernel_work = fgm_allocate(work + 1);
    state->score = fgm_allocate(2 * (size_t)largest);
    state->gradients = calloc(n_classes, sizeof *state->gradients);
    if (!state->responsibilities || !state->kernel_work || !state->score || !state->gradients) return FGM_ERROR_MEMORY;
    state->copy = state->score + largest;
    for (int c = 0; c < model->n_classes; ++c) {
        state->gradients[c] = fgm_allocate((size_t)parameters_of(state, c) + 1);
        if (!state->gradients[c]) return FGM_ERROR_MEMORY;
        memset(state->gradients[c], 0, (size_t)parameters_of(state, c) * sizeof(double));
    }
    return FGM_OK;
}

static void release(delta *state) {
    for (int c = 0; c < state->model->n_classes; ++c) {
        if (state->curvatures) fgm_curvature_release(&state->curvatures[c]);
        if (state->gradients) fgm_release(state->gradients[c]);
    }
    for (int t = 0; t < FGM_MAX_TERMS; ++t) free(state->projections[t]);
    fgm_terms_destroy(state->terms);
    fgm_release(state->memory);
    fgm_release(state->weight);
    fgm_release(state->responsibilities);
    fgm_release(state->kernel_work);
    fgm_release(state->score);
    free(state->curvatures);
    free(state->gradients);
    free(state->rows);
}

/* ---- scores -------------------------------------------------------------------------------------------------------------------------------- */

/* A block of rows in the order of the terms' columns. */
static fgm_samples take_block(delta *state, fgm_samples rows) {
    double *nodes = state->terms->nodes;
    for (int j = 0; j < rows.d; ++j) {
        memcpy(nodes + j * FGM_NODE_BLOCK, rows.columns + state->terms->columns[j] * rows.stride, (size_t)rows.n * sizeof *nodes);
    }
    return (fgm_samples){rows.n, FGM_NODE_BLOCK, rows.d, nodes, rows.weights, NULL};
}

/* Responsibilities of the components of a group at a block: (K, n). Without columns they are the weights. */
static void find_responsibilities(delta *state, const fgm_term *at, int group, fgm_samples block) {
    const fgm_kernels *kernels = fgm_get_kernels();
    int n_components = fgm_components_of(at, group), n = (int)block.n;
    double *shares = state->responsibilities, total[FGM_NODE_BLOCK] = {0.0}, largest[FGM_NODE_BLOCK];
    block.d = at->mixture.d;
    block.columns += at->first * block.stride;
    kernels->component_log_density(n_components, fgm_group_pack(at, group), block, shares, state->kernel_work);
    for (int b = 0; b < n; ++b) largest[b] = -INFINITY;
    for (int i = 0; i < n_components * n; ++i) largest[i % n] = fmax(largest[i % n], shares[i]);
    for (int i = 0; i < n_components * n; ++i) shares[i] -= largest[i % n];
    kernels->exp((int64_t)n_components * n, shares, shares);
    for (int i = 0; i < n_components * n; ++i) total[i % n] += shares[i];
    for (int i = 0; i < n_components * n; ++i) shares[i] /= total[i % n];
}

/* z_S of a row under one component. */
static void whiten(const fgm_term *at, int component, fgm_samples block, int row, double *z /* (d_S) */) {
    int n = at->mixture.d;
    const double *offset = at->pack + (size_t)component * (size_t)FGM_PACK_STRIDE(n) + 1, *matrix = offset + n;
    for (int i = 0; i < n; ++i) {
        double sum = offset[i];
        for (int j = 0; j <= i; ++j) sum += matrix[FGM_TRIANGLE(i) + j] * block.columns[(at->first + j) * block.stride + row];
        z[i] = sum * sqrt(2.0);
    }
}

/* Score of one row in the parameters of one class of a group, whose components begin at place (in the group). */
static void find_score(const delta *state, int t, int group, int class, int place, fgm_samples block, int row, double *score) {
    const fgm_term *at = &state->terms->terms[t];
    const fgm_mixture *mixture = &state->model->mixtures[class];
    int d = mixture->d, n = at->mixture.d, stride = FGM_PACK_STRIDE(d);
    double z[FGM_MAX_DIMENSION], v[FGM_MAX_DIMENSION];
    memset(score, 0, (size_t)(mixture->n_components * stride) * sizeof *score);
    for (int k = 0; k < mixture->n_components; ++k, score += stride) {
        if (n == 0) {
            score[0] = mixture->weights[k] * state->model->probabilities[class] / at->probabilities[group];
            continue;
        }
        int component = at->starts[group] + place + k;
        const projection *from = &state->projections[t][component];
        double share = state->responsibilities[(size_t)(place + k) * (size_t)block.n + (size_t)row];
        whiten(at, component, block, row, z);
        score[0] = share;
        for (int i = 0; i < d; ++i) {
            v[i] = 0.0;
            for (int m = 0; m < n; ++m) v[i] += from->turn[i * n + m] * z[m];
            score[1 + i] = share * v[i];
            for (int j = 0; j <= i; ++j) {
                int p = FGM_TRIANGLE(i) + j;
                score[1 + d + p] = share * (v[i] * v[j] - from->hat[p]);
            }
        }
    }
}

/* Calls visit(score, class) for each class of the row's group in a term. */
typedef void (*visitor)(delta *state, int t, int class, double weight, const double *score);

static void visit_scores(delta *state, int t, int group, fgm_samples block, int row, double weight, visitor visit) {
    const fgm_term *at = &state->terms->terms[t];
    int place = 0;
    for (int c = 0; c < state->model->n_classes; ++c) {
        if (!is_member(state, at, group, c)) continue;
        find_score(state, t, group, c, place, block, row, state->score);
        visit(state, t, c, weight, state->score);
        place += state->model->mixtures[c].n_components;
    }
}

static double product(const double *a, const double *b, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; ++i) sum += a[i] * b[i];
    return sum;
}

/* Share of a class's weight in what is averaged over. */
static double share_of(const delta *state, int class) { return state->divergence ? 1.0 : state->weight[class] / state->total; }

/* Adds w s^T H^-1 s. */
static void add_trace(delta *state, int t, int class, double weight, const double *score) {
    int n = parameters_of(state, class);
    memcpy(state->copy, score, (size_t)n * sizeof *score);
    state->traces[t] += weight * fgm_curvature_forward(&state->curvatures[class], state->copy) / share_of(state, class);
}

static void add_gradient(delta *state, int t, int class, double weight, const double *score) {
    (void)t;
    for (int i = 0; i < parameters_of(state, class); ++i) state->gradients[class][i] += weight * score[i];
}

/* ---- sums over rows --------------------------------------------------------------------------------------------------------------------------- */

/* Nodes and weights of Gauss and Hermite for the standard normal density: the eigenvalues of the Jacobi matrix (Golub and Welsch 1969). */
static void find_rule(int n, double *nodes /* (n) */, double *weights /* (n) */) {
    double matrix[LARGEST_RULE * LARGEST_RULE] = {0.0}, vectors[LARGEST_RULE * LARGEST_RULE];
    for (int i = 1; i < n; ++i) matrix[i * n + i - 1] = matrix[(i - 1) * n + i] = sqrt((double)i);
    fgm_symmetric_eigen(n, matrix, vectors);
    for (int i = 0; i < n; ++i) {
        nodes[i] = matrix[i * n + i];
        weights[i] = vectors[i] * vectors[i];
    }
}

/* Points for expectations under the standard normal density: products of Gauss-Hermite rules up to three dimensions, above a lattice. */
typedef struct normal_points {
    int d, n_nodes; /* of the rule */
    int count;
    double nodes[LARGEST_RULE], weights[LARGEST_RULE];
} normal_points;

static normal_points choose_points(int d) {
    normal_points points = {.d = d, .n_nodes = d == 1 ? LARGEST_RULE : d == 2 ? 24 : 10, .count = LATTICE_POINTS};
    if (d > 3) return points;
    find_rule(points.n_nodes, points.nodes, points.weights);
    points.count = 1;
    for (int j = 0; j < d; ++j) points.count *= points.n_nodes;
    return points;
}

static double place_point(const normal_points *points, int index, double *z /* (d) */) {
    double weight = 1.0;
    if (points->d > 3) {
        for (int j = 0; j < points->d; ++j) {
            uint64_t shift = fgm_stream(0, FGM_STREAM_INTEGRAL, (uint64_t)j);
            z[j] = fgm_normal_quantile(fgm_lattice_coordinate(fgm_mirror_bits((uint64_t)index), j, shift));
        }
        return 1.0 / LATTICE_POINTS;
    }
    for (int j = 0; j < points->d; ++j, index /= points->n_nodes) {
        z[j] = points->nodes[index % points->n_nodes];
        weight *= points->weights[index % points->n_nodes];
    }
    return weight;
}

/* Points first .. first+n-1 of one component as columns (d, FGM_NODE_BLOCK), and their weights. */
static void place_nodes(const normal_points *points, const fgm_mixture *mixture, int component, int first, int n, double *columns, double *weights) {
    int d = mixture->d;
    const double *factor = mixture->factors + (size_t)component * (size_t)FGM_TRIANGLE(d);
    double z[FGM_MAX_DIMENSION];
    for (int b = 0; b < n; ++b) {
        weights[b] = mixture->weights[component] * place_point(points, first + b, z);
        for (int i = 0; i < d; ++i) {
            double sum = mixture->means[component * d + i];
            for (int j = 0; j <= i; ++j) sum += factor[FGM_TRIANGLE(i) + j] * z[j];
            columns[i * FGM_NODE_BLOCK + b] = sum;
        }
    }
}

static void add_nodes(delta *state, int class, fgm_samples rows, const double *weights) {
    double values[FGM_NODE_BLOCK];
    fgm_terms_evaluate(state->terms, class, rows, values);
    fgm_samples nodes = take_block(state, rows);
    for (int t = 0; t < (state->divergence ? 2 : 1); ++t) {
        const fgm_term *at = &state->terms->terms[t];
        int group = at->group_of[class];
        find_responsibilities(state, at, group, nodes);
        for (int b = 0; b < nodes.n; ++b) visit_scores(state, t, group, nodes, b, t == 0 ? weights[b] * values[b] : -weights[b], add_gradient);
    }
}

/* E[T s] under the density of one class, but for the class's share. The second sample of a divergence has its gradient under the density of the
 * first. */
static int find_gradient(delta *state, int class) {
    const fgm_mixture *mixture = &state->model->mixtures[class];
    normal_points points = choose_points(mixture->d);
    double weights[FGM_NODE_BLOCK], *columns = fgm_allocate((size_t)mixture->d * FGM_NODE_BLOCK);
    if (!columns) return FGM_ERROR_MEMORY;
    for (int k = 0; k < mixture->n_components; ++k) {
        for (int first = 0; first < points.count; first += FGM_NODE_BLOCK) {
            int n = points.count - first < FGM_NODE_BLOCK ? points.count - first : FGM_NODE_BLOCK;
            place_nodes(&points, mixture, k, first, n, columns, weights);
            add_nodes(state, class, (fgm_samples){n, FGM_NODE_BLOCK, mixture->d, columns, NULL, NULL}, weights);
        }
    }
    fgm_release(columns);
    return FGM_OK;
}

/* Traces from the rows of one class. */
static void find_traces(delta *state, int class) {
    fgm_samples rows = fgm_rows(fgm_class_rows(state->prepared, class), 0, state->rows[class]);
    double scale = state->divergence ? 1.0 / state->looked_at[class] : state->weight[class] / state->looked_at[class] / state->total;
    for (int64_t first = 0; first < rows.n; first += FGM_NODE_BLOCK) {
        fgm_samples block = fgm_rows(rows, first, first + FGM_NODE_BLOCK);
        fgm_samples nodes = take_block(state, block);
        for (int t = 0; t < state->terms->n_terms; ++t) {
            const fgm_term *at = &state->terms->terms[t];
            int group = at->group_of[class];
            if (at->mixture.d > 0) find_responsibilities(state, at, group, nodes);
            for (int row = 0; row < nodes.n; ++row) {
                double weight = scale * (nodes.weights ? nodes.weights[row] : 1.0);
                visit_scores(state, t, group, nodes, row, weight, add_trace);
            }
        }
    }
}

/* w U of the rows looked at of one class: its joint density is a group of the first term. */
static void find_influences(delta *state, int class, double *influences /* (rows) */) {
    fgm_samples rows = fgm_rows(fgm_class_rows(state->prepared, class), 0, state->rows[class]);
    const fgm_term *joint = &state->terms->terms[0];
    int group = joint->group_of[class];
    for (int64_t first = 0; first < rows.n; first += FGM_NODE_BLOCK) {
        fgm_samples nodes = take_block(state, fgm_rows(rows, first, first + FGM_NODE_BLOCK));
        find_responsibilities(state, joint, group, nodes);
        for (int row = 0; row < nodes.n; ++row) {
            find_score(state, 0, group, class, 0, nodes, row, state->score);
            influences[first + row] = product(state->score, state->gradients[class], parameters_of(state, class));
        }
    }
}

/* Sum over groups of the squared sum of w (U - mean). */
static double sum_squares(fgm_samples rows, const double *influences, double mean) {
    double sum = 0.0, unit = 0.0;
    for (int64_t i = 0; i < rows.n; ++i) {
        unit += (rows.weights ? rows.weights[i] : 1.0) * (influences[i] - mean);
        if (rows.groups && i + 1 < rows.n && rows.groups[i] == rows.groups[i + 1]) continue;
        sum += unit * unit;
        unit = 0.0;
    }
    return sum;
}

static double weighted_mean(fgm_samples rows, const double *influences, double *weight) {
    double sum = 0.0;
    *weight = 0.0;
    for (int64_t i = 0; i < rows.n; ++i) {
        double own = rows.weights ? rows.weights[i] : 1.0;
        sum += own * influences[i];
        *weight += own;
    }
    return sum / *weight;
}

static fgm_samples rows_looked_at(const delta *state, int class) { return fgm_rows(fgm_class_rows(state->prepared, class), 0, state->rows[class]); }

/* Variance from the influences of each class, one after the other. */
static double sum_information(const delta *state, const double *influences) {
    double mean = 0.0, variance = 0.0, weight;
    const double *at = influences;
    for (int c = 0; c < state->model->n_classes; at += state->rows[c++])
        mean += share_of(state, c) * weighted_mean(rows_looked_at(state, c), at, &weight);
    at = influences;
    for (int c = 0; c < state->model->n_classes; at += state->rows[c++]) {
        variance += sum_squares(rows_looked_at(state, c), at, mean) * state->weight[c] / state->looked_at[c];
    }
    return variance / (state->total * state->total);
}

static double sum_divergence(const delta *state, double *influences) {
    double *parts[2] = {influences, influences + state->rows[0]}, variance = 0.0, weight;
    for (int c = 0; c < 2; ++c) {
        double mean = weighted_mean(rows_looked_at(state, c), parts[c], &weight);
        for (int64_t i = 0; i < state->rows[c]; ++i) parts[c][i] -= mean;
    }
    bool paired = state->prepared->layout.quantity == FGM_QUANTITY_PAIRED_DIVERGENCE;
    for (int64_t i = 0; paired && i < state->rows[0]; ++i) parts[0][i] += parts[1][i];
    for (int c = 0; c < (paired ? 1 : 2); ++c) {
        variance += sum_squares(rows_looked_at(state, c), parts[c], 0.0) / (state->weight[c] * state->looked_at[c]);
    }
    return variance;
}

static int find(delta *state, double n_effective, double *variance, double *bias) {
    const fgm_prepared *prepared = state->prepared;
    int n_classes = state->model->n_classes;
    int64_t n = 0;
    FGM_TRY(prepare(state));
    for (int c = 0; c < (state->divergence ? 1 : n_classes); ++c) {
        if (!(state->model->probabilities[c] > 0.0)) continue;
        FGM_TRY(find_gradient(state, c));
        find_traces(state, c);
    }
    for (int c = 0; c < n_classes; ++c) {
        fgm_curvature_solve(&state->curvatures[c], state->gradients[c]);
        n += state->rows[c];
    }
    double *influences = fgm_allocate((size_t)n + 1);
    if (!influences) return FGM_ERROR_MEMORY;
    n = 0;
    for (int c = 0; c < n_classes; n += state->rows[c++]) find_influences(state, c, influences + n);
    *bias = 0.0;
    for (int t = 0; t < state->terms->n_terms; ++t) {
        double samples = state->divergence ? (double)fgm_class_rows(prepared, t).n : n_effective;
        double sign = state->divergence ? 1.0 : -state->terms->terms[t].coefficient;
        *bias += sign * (state->traces[t] - 1.0) / (2.0 * samples);
    }
    *variance = (state->divergence ? sum_divergence(state, influences) : sum_information(state, influences)) + fabs(*bias) / n_effective;
    fgm_release(influences);
    return FGM_OK;
}

int fgm_find_delta(const fgm_prepared *prepared, const fgm_model *model, double n_effective, double *variance, double *bias) {
    delta state = {.prepared = prepared, .model = model, .divergence = fgm_is_divergence(&prepared->layout)};
    int status = find(&state, n_effective, variance, bias);
    release(&state);
    return status;
}
