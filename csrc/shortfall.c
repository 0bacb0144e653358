/* What the mixture misses, and what it makes up.
 *
 * Where dependence bends in several dimensions, as many components as it takes cannot be learned, and the mixture that describes held-out rows best
 * is far short of the information there is. Nearest neighbours assume no shape, but in several dimensions they are far from near, and fall short as
 * well. So both are asked together: with N the estimate from nearest neighbours, shortfall = N(data) - mean_s N(sample s of the mixture, of as many
 * rows). Where the mixture is right it is zero, whatever N's bias. Elsewhere the biases cancel so far as the data and the mixture are alike from one
 * neighbour to the next, and what is left is information that the mixture does not hold. It is taken for what it is only where it stands out of its
 * noise.
 *
 * N is the second estimator of Kraskov, Stögbauer and Grassberger (2004) with one neighbour: the nearest row by the largest of all differences of
 * columns; for x and y each, how many rows are no farther than it is. It sees most where columns matter alike, so x and y are each multiplied by
 * G^(1/4), with G the sum of grad T grad T^T over rows, T the log ratio: that is half-way, by logarithms, to where T is equally steep in all
 * directions.
 *
 * A mixture can also claim what is not there: hard edges in several dimensions take many components, which do not fall apart into those of x and
 * those of y. A fit of highest likelihood says of its own rows, on average, what it says of its samples, or a little more: rows on which the log
 * ratio is less by far are not samples of it, and the information lies between what it claims and what the rows bear out. And where the number of
 * components was chosen, chance has chosen it now and then. So what the rows deny, and what is no more than chance can bring about, is put to rows
 * that a fit has not seen: where they cannot be told from pairs of x and y of different rows, there is no information.
 */
#include "core.h"
#include "random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_COLUMNS 3            /* two columns a mixture describes well, and cheaply */
#define N_SAMPLES 8                /* of the mixture */
#define STANDS_OUT 4.0             /* standard deviations */
#define IS_BORNE_OUT 3.0           /* the same where the rows' mean says so too, or cannot say anything */
#define SAYS_MORE 1.0              /* standard deviations of the rows' mean */
#define DENIED 4.0                 /* standard deviations of the rows' mean, which the likelihood ties to what the mixture claims */
#define IS_TOLD 2.0                /* standard deviations of how often rows can be told from pairs of different rows */
#define MAY_BE_TOLD 1.5            /* the same where rows do not deny: more is taken to be there than where they do */
#define MOST_PAIRS (1 << 25)       /* of rows, for one N: with many rows, neighbours of some are looked for among all */
#define FEW_PAIRS (1 << 19)        /* under one Gaussian, which took no time */
#define LEAST_ASKED 512            /* rows whose neighbours are looked for: of fewer little can be said, unless there are no more */
#define COARSE 0.02                /* resolution in standard deviations; what is rounded less is looked at: ties make N of the data smaller */
#define GRADIENT_ROWS 1024
#define LEAST_STEEPNESS 1e-3       /* of the steepest direction's eigenvalue of G */
#define NOTHING 1e-12              /* an eigenvalue of rounding */
#define LANES 16
#define BLOCK 128

/* ---- how steep the log ratio is -------------------------------------------------------------------------------------------------- */

/* The mixture of some columns, in the order given. */
static int take_columns(const fgm_mixture *whole, const int32_t *columns, int d, fgm_mixture *part) {
    FGM_TRY(fgm_mixture_allocate(part, whole->n_components, d));
    memcpy(part->weights, whole->weights, (size_t)whole->n_components * sizeof(double));
    for (int k = 0; k < whole->n_components; ++k) {
        FGM_TRY(
            fgm_mixture_take_columns(whole, k, columns, d, part->means + (size_t)k * (size_t)d, part->factors + (size_t)k * FGM_TRIANGLE((size_t)d)));
    }
    return FGM_OK;
}

/* One component: its log-density, and the gradient of that, L^-T L^-1 (mean - z). */
static double component_gradient(int d, double weight, const double *mean, const double *factor, const double *z, double *gradient) {
    double term = log(weight);
    for (int i = 0; i < d; ++i) {
        double difference = mean[i] - z[i];
        for (int j = 0; j < i; ++j) difference -= factor[FGM_TRIANGLE(i) + j] * gradient[j];
        gradient[i] = difference / factor[FGM_TRIANGLE(i) + i];
        term -= log(factor[FGM_TRIANGLE(i) + i]) + 0.5 * gradient[i] * gradient[i];
    }
    for (int i = d - 1; i >= 0; --i) {
        for (int j = i + 1; j < d; ++j) gradient[i] -= factor[FGM_TRIANGLE(j) + i] * gradient[j];
        gradient[i] /= factor[FGM_TRIANGLE(i) + i];
    }
    return term;
}

/* Gradient of the mixture's log-density: that of the components, by their shares. */
static void mixture_gradient(const fgm_mixture *mixture, const double *z /* (d) */, double *work /* (K, 1 + d) */, double *gradient /* (d) */) {
    size_t d = (size_t)mixture->d;
    double largest = -INFINITY, total = 0.0;
    memset(gradient, 0, d * sizeof *gradient);
    for (int k = 0; k < mixture->n_components; ++k) {
        double *term = work + (size_t)k * (1 + d);
        *term = component_gradient(mixture->d, mixture->weights[k], mixture->means + (size_t)k * d, mixture->factors + (size_t)k * FGM_TRIANGLE(d), z,
                                   term + 1);
        if (*term > largest) largest = *term;
    }
    for (int k = 0; k < mixture->n_components; ++k) {
        const double *term = work + (size_t)k * (1 + d);
        double share = exp(*term - largest);
        total += share;
        for (size_t j = 0; j < d; ++j) gradient[j] += share * term[1 + j];
    }
    for (size_t j = 0; j < d; ++j) gradient[j] /= total;
}

/* The columns of x or of y, and the matrix that they are multiplied by. */
typedef struct side {
    int d;
    const int32_t *columns; /* (d) */
    fgm_mixture mixture;    /* of these columns */
    double *root;           /* (d, d): G, then G^(1/4) */
} side;

/* Adds the outer product of T's gradient at one row. */
static void add_gradient(const side *of, const double *z, const double *whole /* gradient of log p(x, y) */, double *work) {
    double own[FGM_MAX_DIMENSION], at[FGM_MAX_DIMENSION];
    for (int j = 0; j < of->d; ++j) at[j] = z[of->columns[j]];
    mixture_gradient(&of->mixture, at, work, own);
    for (int j = 0; j < of->d; ++j) own[j] = whole[of->columns[j]] - own[j];
    for (int i = 0; i < of->d; ++i) {
        for (int j = 0; j < of->d; ++j) of->root[i * of->d + j] += own[i] * own[j];
    }
}

/* G of both sides. */
static int find_steepness(const fgm_mixture *mixture, fgm_samples rows, side sides[2]) {
    double *work = fgm_allocate((size_t)mixture->n_components * (size_t)(1 + rows.d));
    if (!work) return FGM_ERROR_MEMORY;
    for (int64_t i = 0; i < rows.n; ++i) {
        double z[FGM_MAX_DIMENSION], gradient[FGM_MAX_DIMENSION];
        for (int j = 0; j < rows.d; ++j) z[j] = rows.columns[j * rows.stride + i];
        mixture_gradient(mixture, z, work, gradient);
        for (int s = 0; s < 2; ++s) add_gradient(&sides[s], z, gradient, work);
    }
    fgm_release(work);
    return FGM_OK;
}

/* G becomes G^(1/4). */
static void take_fourth_root(side *of, double *eigenvalues /* (d, d): diagonal */, const double *vectors /* (d, d) */, double least) {
    int d = of->d;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j < d; ++j) {
            double sum = 0.0;
            for (int m = 0; m < d; ++m) {
                sum += vectors[i * d + m] * vectors[j * d + m] * sqrt(sqrt(fmax(eigenvalues[m * d + m], least)));
            }
            of->root[i * d + j] = sum;
        }
    }
}

static int find_roots(const fgm_mixture *mixture, fgm_samples rows, side sides[2]) {
    size_t squares[2] = {(size_t)sides[0].d * (size_t)sides[0].d, (size_t)sides[1].d * (size_t)sides[1].d};
    double steepest = 0.0, *memory = fgm_allocate(2 * (squares[0] + squares[1]));
    if (!memory) return FGM_ERROR_MEMORY;
    double *values[2] = {memory, memory + 2 * squares[0]}, *vectors[2] = {values[0] + squares[0], values[1] + squares[1]};
    int status = find_steepness(mixture, rows, sides);
    for (int s = 0; status == FGM_OK && s < 2; ++s) {
        memcpy(values[s], sides[s].root, squares[s] * sizeof(double));
        fgm_symmetric_eigen(sides[s].d, values[s], vectors[s]);
        for (int j = 0; j < sides[s].d; ++j) steepest = fmax(steepest, values[s][j * (sides[s].d + 1)]);
    }
    for (int s = 0; status == FGM_OK && s < 2; ++s) take_fourth_root(&sides[s], values[s], vectors[s], LEAST_STEEPNESS * steepest + NOTHING);
    fgm_release(memory);
    return status;
}

/* ---- nearest neighbours ------------------------------------------------------------------------------------------------------------ */

/* One set of rows, multiplied; rows to a full number of lanes are infinitely far away. */
typedef struct cloud {
    int64_t n, stride;
    float *columns[2];   /* (d, stride) of x, and of y */
    float *distances[2]; /* (stride): from one row to each, in x, and in y */
} cloud;

static float larger(float a, float b) { return a > b ? a : b; }

/* Largest difference of columns from one row to each. */
static void find_distances(const float *columns, int64_t stride, int d, int64_t row, float *distances) {
    for (int j = 0; j < d; ++j, columns += stride) {
        float at = columns[row];
        for (int64_t i = 0; j == 0 && i < stride; ++i) distances[i] = fabsf(columns[i] - at);
        for (int64_t i = 0; j > 0 && i < stride; ++i) distances[i] = larger(distances[i], fabsf(columns[i] - at));
    }
    distances[row] = INFINITY;
}

/* Floats that are not negative are in the order of their bits, whose smallest compilers find in registers. */
static int32_t order_of(float distance) {
    int32_t bits;
    memcpy(&bits, &distance, sizeof bits);
    return bits;
}

/* The first of the nearest rows. */
static int64_t find_nearest(const float *x, const float *y, int64_t stride) {
    int32_t nearest = INT32_MAX;
    int64_t row = 0;
    for (int64_t start = 0; start < stride; start += BLOCK) {
        int64_t end = start + BLOCK < stride ? start + BLOCK : stride;
        int32_t lowest = INT32_MAX;
        for (int64_t i = start; i < end; ++i) {
            int32_t order = order_of(larger(x[i], y[i]));
            lowest = order < lowest ? order : lowest;
        }
        if (lowest >= nearest) continue;
        nearest = lowest;
        row = start;
    }
    while (order_of(larger(x[row], y[row])) != nearest) ++row;
    return row;
}

/* Rows no farther than that. */
static int64_t count_within(const float *distances, int64_t stride, float radius) {
    int32_t counts[LANES] = {0};
    int64_t sum = 0;
    for (int64_t i = 0; i < stride; i += LANES) {
        for (int lane = 0; lane < LANES; ++lane) counts[lane] += distances[i + lane] <= radius;
    }
    for (int lane = 0; lane < LANES; ++lane) sum += counts[lane];
    return sum;
}

/* digamma(n) - digamma(1), n = 1 .. n: harmonic numbers. */
static void find_digammas(int64_t n, double *digammas /* (n + 1) */) {
    digammas[0] = digammas[1] = 0.0;
    for (int64_t i = 2; i <= n; ++i) digammas[i] = digammas[i - 1] + 1.0 / (double)(i - 1);
}

/* N, averaged over the first rows, and the variance of that average. */
static int find_information(const cloud *rows, const side sides[2], const double *digammas, int64_t n_asked, fgm_monitor *monitor, double *mean,
                            double *variance) {
    double sum = 0.0, square = 0.0, work = (double)rows->n * (double)(sides[0].d + sides[1].d);
    for (int64_t i = 0; i < n_asked; ++i) {
        double value = digammas[rows->n] - 1.0;
        for (int s = 0; s < 2; ++s) find_distances(rows->columns[s], rows->stride, sides[s].d, i, rows->distances[s]);
        int64_t nearest = find_nearest(rows->distances[0], rows->distances[1], rows->stride);
        for (int s = 0; s < 2; ++s) value -= digammas[count_within(rows->distances[s], rows->stride, rows->distances[s][nearest])];
        sum += value;
        square += value * value;
        FGM_TRY(fgm_monitor_add(monitor, 0.1 * work));
    }
    *mean = sum / (double)n_asked;
    *variance = fmax(square / (double)n_asked - *mean * *mean, 0.0) / (double)n_asked;
    return FGM_OK;
}

/* ---- the data and samples of the mixture ------------------------------------------------------------------------------------------- */

typedef struct comparison {
    const fgm_prepared *prepared;
    const fgm_mixture *mixture;
    uint64_t seed;
    side sides[2];
    const double *digammas;
    int64_t n_asked;
    double information[1 + N_SAMPLES], variance[1 + N_SAMPLES]; /* of the data, then of the samples */
} comparison;

static int allocate_cloud(const comparison *all, cloud *rows) {
    int64_t n = all->prepared->n, d = all->prepared->d, stride = (n + LANES - 1) / LANES * LANES;
    *rows = (cloud){.n = n, .stride = stride};
    float *memory = (float *)fgm_allocate((size_t)((d + 2) * stride) / 2 + 1);
    if (!memory) return FGM_ERROR_MEMORY;
    rows->columns[0] = memory;
    rows->columns[1] = memory + all->sides[0].d * stride;
    rows->distances[0] = memory + d * stride;
    rows->distances[1] = rows->distances[0] + stride;
    for (int64_t j = 0; j < d; ++j) {
        for (int64_t i = n; i < stride; ++i) memory[j * stride + i] = INFINITY;
    }
    return FGM_OK;
}

/* A row, multiplied. */
static void put_row(const comparison *all, const double *z /* (d) */, int64_t place, cloud *rows) {
    for (int s = 0; s < 2; ++s) {
        const side *of = &all->sides[s];
        for (int i = 0; i < of->d; ++i) {
            double sum = 0.0;
            for (int j = 0; j < of->d; ++j) sum += of->root[i * of->d + j] * z[of->columns[j]];
            rows->columns[s][i * rows->stride + place] = (float)sum;
        }
    }
}

static void put_data(const comparison *all, cloud *rows) {
    fgm_samples samples = all->prepared->samples;
    for (int64_t i = 0; i < samples.n; ++i) {
        double z[FGM_MAX_DIMENSION];
        for (int j = 0; j < samples.d; ++j) z[j] = samples.columns[j * samples.stride + i];
        put_row(all, z, i, rows);
    }
}

static void put_sample(const comparison *all, int64_t sample, cloud *rows) {
    double drawn[FGM_MAX_DIMENSION];
    uint64_t key = fgm_stream(all->seed, FGM_STREAM_SHORTFALL, (uint64_t)sample);
    for (int64_t i = 0; i < rows->n; ++i) {
        fgm_mixture_draw(all->mixture, key, i, 1, drawn);
        put_row(all, drawn, i, rows);
    }
}

/* Index 0 is the data. */
static int ask_neighbours(void *task_data, int64_t index, int is_caller) {
    comparison *all = task_data;
    volatile int64_t nothing_done = 0;
    const fgm_options *options = all->prepared->settings.options;
    fgm_monitor monitor = fgm_monitor_start(options, &nothing_done, options->n_bootstrap, is_caller);
    cloud rows;
    FGM_TRY(allocate_cloud(all, &rows));
    if (index == 0) put_data(all, &rows);
    if (index > 0) put_sample(all, index, &rows);
    int status = find_information(&rows, all->sides, all->digammas, all->n_asked, &monitor, &all->information[index], &all->variance[index]);
    fgm_release((double *)rows.columns[0]);
    return status;
}

/* Of the difference, two ways: by how values scatter within a set of rows, and by how samples do. The larger counts. Rows that bend more than the
 * mixture have a mean log ratio above what it claims, as a rule; those of one Gaussian have what it claims, whatever they are. */
static void conclude(const comparison *all, double excess, double *shortfall, double *error) {
    double mean = 0.0, scatter = 0.0, within = all->variance[0];
    for (int s = 1; s <= N_SAMPLES; ++s) mean += all->information[s] / N_SAMPLES;
    for (int s = 1; s <= N_SAMPLES; ++s) {
        scatter += (all->information[s] - mean) * (all->information[s] - mean) / (N_SAMPLES - 1);
        within = fmax(within, all->variance[s]);
    }
    double difference = all->information[0] - mean, deviation = sqrt((1.0 + 1.0 / N_SAMPLES) * fmax(scatter, within));
    bool is_borne_out = all->mixture->n_components == 1 || excess > SAYS_MORE;
    if (difference > (is_borne_out ? IS_BORNE_OUT : STANDS_OUT) * deviation) {
        *shortfall = difference;
        *error = deviation;
    }
}

/* Of how many rows the neighbours are looked for; 0 where they would have nothing to say, or take too long: they are asked of several columns, and of
 * rows that are independent, count alike and were not rounded to a lattice. */
static int64_t count_asked(const fgm_prepared *prepared, const fgm_model *model) {
    const fgm_layout *layout = &prepared->layout;
    bool is_pair = layout->quantity == FGM_QUANTITY_INFORMATION && layout->d[0] > 0 && layout->d[1] > 0 && layout->d[2] == 0 && model->n_classes == 1;
    if (!is_pair || prepared->d < LEAST_COLUMNS || prepared->samples.weights || prepared->samples.groups) return 0;
    for (int j = 0; j < prepared->d; ++j) {
        if (prepared->resolution[j] > COARSE) return 0;
    }
    int64_t n = prepared->n, affordable = (model->mixtures[0].n_components > 1 ? MOST_PAIRS : FEW_PAIRS) / n;
    return n <= affordable ? n : affordable < LEAST_ASKED ? 0 : affordable;
}

static int prepare_sides(comparison *all) {
    const int32_t *columns = all->prepared->layout.columns;
    for (int s = 0; s < 2; ++s) {
        side *of = &all->sides[s];
        of->d = all->prepared->layout.d[s];
        of->columns = columns;
        columns += of->d;
        of->root = fgm_allocate((size_t)of->d * (size_t)of->d);
        if (!of->root) return FGM_ERROR_MEMORY;
        memset(of->root, 0, (size_t)of->d * (size_t)of->d * sizeof *of->root);
        FGM_TRY(take_columns(all->mixture, of->columns, of->d, &of->mixture));
    }
    return find_roots(all->mixture, fgm_rows(all->prepared->samples, 0, GRADIENT_ROWS), all->sides);
}

static double deviation_of(const fgm_moments *moments, double integration_error) {
    return sqrt(moments->variance + integration_error * integration_error);
}

double fgm_find_excess(const fgm_moments *moments, double information, double integration_error) {
    double deviation = deviation_of(moments, integration_error);
    return deviation > 0.0 ? (moments->mean - information) / deviation : 0.0;
}

bool fgm_is_denied(const fgm_moments *moments, double information, double integration_error) {
    return fgm_find_excess(moments, information, integration_error) < -DENIED;
}

bool fgm_may_be_chance(const fgm_mixture *mixture, double information, double n) {
    double n_parameters = (double)mixture->n_components * (double)FGM_PACK_STRIDE(mixture->d) - 1.0;
    return mixture->n_components > 1 && n * information < n_parameters;
}

void fgm_take_off(const fgm_moments *moments, double information, double integration_error, double told, double *shortfall, double *error) {
    bool is_denied = fgm_is_denied(moments, information, integration_error), is_told = told > (is_denied ? IS_TOLD : MAY_BE_TOLD);
    if (is_told && !is_denied) return;
    *shortfall += is_told ? 0.5 * (moments->mean - information) : -information;
    *error = hypot(*error, deviation_of(moments, integration_error));
}

int fgm_find_shortfall(const fgm_prepared *prepared, const fgm_model *model, double excess, uint64_t seed, double *shortfall, double *error) {
    *shortfall = *error = 0.0;
    int64_t n_asked = count_asked(prepared, model);
    if (n_asked == 0) return FGM_OK;
    comparison all = {.prepared = prepared, .mixture = &model->mixtures[0], .seed = seed, .n_asked = n_asked};
    double *digammas = fgm_allocate((size_t)prepared->n + 1);
    int status = digammas ? prepare_sides(&all) : FGM_ERROR_MEMORY;
    if (status == FGM_OK) {
        find_digammas(prepared->n, digammas);
        all.digammas = digammas;
        status = fgm_run(prepared->settings.options, 1 + N_SAMPLES, INFINITY, ask_neighbours, &all);
    }
    if (status == FGM_OK) conclude(&all, excess, shortfall, error);
    for (int s = 0; s < 2; ++s) {
        fgm_mixture_release(&all.sides[s].mixture);
        fgm_release(all.sides[s].root);
    }
    fgm_release(digammas);
    return status;
}
