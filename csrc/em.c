/* Maximum likelihood by expectation-maximisation (Dempster, Laird and Rubin 1977) with Anderson acceleration, then by Newton's method.
 *
 * One pass of the kernel gives the log-likelihood at the current parameters theta and the moments for the EM image G(theta). In the whitened
 * coordinates of a component (mean mu, factor L) with m = E[z], C = Cov[z] under its responsibilities,
 *   mu' = mu + L m,   L' = L chol(C),   w' = sum of responsibilities / total weight.
 * Covariances are kept above a floor, Sigma - diag(floor) >= 0, by the constrained M step: eigenvalues of the covariance scaled by the floor
 * are raised to one, which maximises the expected log-likelihood under the constraint, so EM still never goes down.
 *
 * A component that shrinks onto a few rows would gain without bound, so the log-likelihood carries a penalty, -sum_k tr(A Sigma_k^-1) / 2, that
 * is, a covariance prior (Fraley and Raftery 2007) worth one row with a thousandth of the data's covariance: Sigma' = S / N + A / N. It keeps the
 * fit equivariant under linear maps and moves a component of N rows by a relative 1e-3 / N of the data's covariance.
 *
 * Acceleration (Anderson 1965; Walker and Ni 2011; Henderson and Varadhan 2019 for EM): on theta = (log w, mu, L with log diagonal), the next
 * point is G_t - sum gamma_i (G_{i+1} - G_i), gamma the least-squares solution of f_t ~ sum gamma_i (f_{i+1} - f_i), f = G - theta, in the metric
 * of the complete-data information. A point whose log-likelihood is lower than the one before is thrown away for the plain EM step, so the
 * likelihood never falls. In that metric W the gradient per sample is W f, so f W (step) / 2 estimates how much log-likelihood is left to gain:
 * the fit has converged when that is below the tolerance.
 *
 * That estimate is blind along ridges, where EM creeps for hundreds of passes and extrapolation amplifies rounding. Newton's method with the
 * observed information (curvature.c) is not: it ends at the very maximum, wherever rounding has led it on the way, and its own estimate of what is
 * left to gain is exact there. Fits to replicates begin near the fit to all the data and share its curvature, which halves their passes.
 */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LOG_TWO_PI 1.8378770664093454836
#define NEWTON_PARAMETERS 256 /* the most for which the curvature is worth its time */
#define CURVATURE_PASSES 0.125 /* the time that it takes, in passes for each parameter */
#define NEWTON_TOL 1e-4       /* of the tolerance: a Newton step more costs little, and what rounding has done on the way is forgotten */
#define NEWTON_FROM 10        /* passes of EM before, if it has not converged by then; more where a curvature takes long */
#define MANY_PARAMETERS 96    /* half a pass more for each beyond these */
#define NEWTON_SHARE 3.0      /* from there on the time of so many times the passes allowed, most of it for curvatures; with many parameters once */
#define LEAST_PROGRESS 1e5    /* of Newton's tolerance: 0.5 nats in all, while the number of components is being chosen */
#define OUTDATED 0.1          /* a step that leaves more than this of what was left asks for a new matrix */
#define REALISED 0.5          /* but not on a ridge, where a damped step has gained this much of what it promised, */
#define GROWN 4.0             /* the next one promises at most so many times as much, */
#define RIDGE_STEPS 3         /* and no more than so many steps go by the same matrix */
#define LEAST_DAMPING 1e-3
#define CHORD_DAMPING 0.1     /* by measurement: replicates reach the same log-likelihood in half the passes */
#define REPLICATE_TOL 3e-4    /* nats per sample, the most that a replicate may leave: less than its share where rows are few */
#define FAR 2.0               /* Newton steps: a replicate's last step is not looked at, unless acceleration has made it as long as this, */
#define MOVED 0.5             /* or a component moves by this part of its own width */
#define DRAWN_ROWS 4096       /* drawn at once: with their columns they stay in second-level cache */
#define HISTORY 6
#define INDEPENDENT 5e-2 /* part of a change that must be new for it to count */
#define CHUNK_WORK 5e7 /* rows times components times (d + 1)^2 between looks at the monitor: some hundredths of a second */

struct fgm_fitter {
    double *memory; /* of what follows, but for the curvature, slices and rows drawn */
    size_t work_size;
    double *pack, *moments, *work;
    double *theta, *image, *residual, *metric, *previous_image, *previous_residual, *step, *target; /* (parameters) each */
    double *image_changes, *residual_changes, *directions, *direction_images; /* (HISTORY, parameters) */
    fgm_mixture current, next;
    fgm_curvature curvature;
    bool at_floor;      /* the EM image of the best point meets it */
    double *slices;     /* of slices_size, made where first needed */
    size_t slices_size;
    double *drawn;      /* (d + 1, DRAWN_ROWS), made where first needed */
};

int fgm_fitter_create(fgm_fitter **fitter, int max_components, int d) {
    size_t parameters = (size_t)max_components * (size_t)FGM_PACK_STRIDE(d);
    /* Fewer components can mean larger blocks, so the most that any number up to max_components needs. */
    size_t work = 0;
    for (int k = 1; k <= max_components; ++k) work = fgm_work_size(k, d) > work ? fgm_work_size(k, d) : work;
    fgm_fitter *created = calloc(1, sizeof *created);
    *fitter = created;
    if (!created) return FGM_ERROR_MEMORY;
    size_t mixture = fgm_mixture_size(max_components, d), moments = parameters + 2;
    created->memory = fgm_allocate(work + parameters * (9 + 4 * HISTORY) + moments + 2 * mixture);
    if (!created->memory) {
        fgm_fitter_destroy(created);
        *fitter = NULL;
        return FGM_ERROR_MEMORY;
    }
    double **pieces[] = {
        &created->pack, &created->theta, &created->image, &created->residual, &created->metric, &created->previous_image, &created->previous_residual,
        &created->step, &created->target};
    created->work = created->memory;
    created->work_size = work;
    double *next = created->memory + work;
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; ++i, next += parameters) *pieces[i] = next;
    created->image_changes = next;
    created->residual_changes = next + HISTORY * parameters;
    created->directions = next + 2 * HISTORY * parameters;
    created->direction_images = next + 3 * HISTORY * parameters;
    created->moments = next + 4 * HISTORY * parameters;
    created->current = fgm_mixture_at(created->moments + moments, max_components, d);
    created->next = fgm_mixture_at(created->moments + moments + mixture, max_components, d);
    return FGM_OK;
}

void fgm_fitter_destroy(fgm_fitter *fitter) {
    if (!fitter) return;
    fgm_release(fitter->memory);
    fgm_release(fitter->drawn);
    fgm_release(fitter->slices);
    fgm_curvature_release(&fitter->curvature);
    free(fitter);
}

/* ---- the floor ---------------------------------------------------------------------------------------------------------------- */

void fgm_symmetric_eigen(int d, double *a /* (d, d) */, double *vectors /* (d, d): columns */) {
    for (int i = 0; i < d * d; ++i) vectors[i] = i % (d + 1) == 0 ? 1.0 : 0.0;
    for (int sweep = 0; sweep < 60; ++sweep) {
        double off = 0.0, diagonal = 0.0;
        for (int i = 0; i < d; ++i) {
            diagonal += a[i * d + i] * a[i * d + i];
            for (int j = 0; j < i; ++j) off += a[i * d + j] * a[i * d + j];
        }
        if (off <= 1e-32 * diagonal) return;
        for (int p = 1; p < d; ++p) {
            for (int q = 0; q < p; ++q) {
                double apq = a[p * d + q];
                if (apq == 0.0) continue;
                double theta = (a[q * d + q] - a[p * d + p]) / (2.0 * apq);
                double t = (theta >= 0.0 ? 1.0 : -1.0) / (fabs(theta) + sqrt(theta * theta + 1.0));
                double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
                for (int m = 0; m < d; ++m) {
                    double left = a[m * d + p], right = a[m * d + q];
                    a[m * d + p] = c * left - s * right;
                    a[m * d + q] = s * left + c * right;
                }
                for (int m = 0; m < d; ++m) {
                    double left = a[p * d + m], right = a[q * d + m];
                    a[p * d + m] = c * left - s * right;
                    a[q * d + m] = s * left + c * right;
                    left = vectors[m * d + p], right = vectors[m * d + q];
                    vectors[m * d + p] = c * left - s * right;
                    vectors[m * d + q] = s * left + c * right;
                }
            }
        }
    }
}

/* Raises the eigenvalues of the covariance, in units of the floor, to at least one. */
static void raise_to_floor(const double *floor, int d, double *packed) {
    double scaled[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION], vectors[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION];
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            scaled[i * d + j] = scaled[j * d + i] = packed[FGM_TRIANGLE(i) + j] / sqrt(floor[i] * floor[j]);
        }
    }
    fgm_symmetric_eigen(d, scaled, vectors);
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            double sum = 0.0;
            for (int m = 0; m < d; ++m) {
                double value = scaled[m * d + m];
                sum += vectors[i * d + m] * vectors[j * d + m] * (value > 1.0 ? value : 1.0);
            }
            packed[FGM_TRIANGLE(i) + j] = sum * sqrt(floor[i] * floor[j]);
        }
    }
}

static bool is_above_floor(const double *floor, int d, const double *packed) {
    double difference[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    memcpy(difference, packed, (size_t)FGM_TRIANGLE(d) * sizeof(double));
    for (int i = 0; i < d; ++i) difference[FGM_TRIANGLE(i) + i] -= floor[i] * (1.0 - 1e-9);
    return fgm_cholesky(difference, d);
}

bool fgm_floor_and_factor(const double *floor, int d, double *packed) {
    bool raised = !is_above_floor(floor, d, packed);
    if (raised) raise_to_floor(floor, d, packed);
    /* Rounding can leave an indefinite matrix only where condition numbers exceed 1e15: then the floor alone is the covariance. */
    double kept[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    memcpy(kept, packed, (size_t)FGM_TRIANGLE(d) * sizeof(double));
    if (fgm_cholesky(packed, d)) return raised;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) packed[FGM_TRIANGLE(i) + j] = i == j ? sqrt(fmax(kept[FGM_TRIANGLE(i) + i], floor[i])) : 0.0;
    }
    return true;
}

/* ---- one pass ----------------------------------------------------------------------------------------------------------------- */

/* Rows of a training set, some at a time. */
typedef struct chunks {
    const fgm_training *training;
    int part;
    int64_t next, most;  /* rows of the part that were taken; rows to take at once */
    bool are_all_passed; /* rows not drawn too, with weight 0 */
    fgm_samples rows;    /* taken */
} chunks;

static int begin_chunks(fgm_fitter *fitter, const fgm_training *training, double work_of_a_row, chunks *all) {
    *all = (chunks){.training = training, .most = (int64_t)(CHUNK_WORK / work_of_a_row) / 1024 * 1024 + 1024};
    if (!training->is_drawn) return FGM_OK;
    all->most = DRAWN_ROWS;
    if (!fitter->drawn) fitter->drawn = fgm_allocate((size_t)(training->parts[0].d + 1) * DRAWN_ROWS);
    return fitter->drawn ? FGM_OK : FGM_ERROR_MEMORY;
}

/* The rows taken with their weights of the bootstrap, which are in the fitter's memory. */
static void weigh_chunk(fgm_fitter *fitter, uint64_t key, int64_t first, fgm_samples *rows) {
    double *weights = fitter->drawn;
    for (int64_t at = 0; at < rows->n; at += FGM_DRAWN_AT_ONCE) {
        int count = rows->n - at < FGM_DRAWN_AT_ONCE ? (int)(rows->n - at) : FGM_DRAWN_AT_ONCE;
        fgm_get_kernels()->draw_weights(key, first + at, count, weights + at);
        for (int i = 0; rows->weights && i < count; ++i) weights[at + i] *= rows->weights[at + i];
    }
    rows->weights = weights;
}

/* The rows taken whose weights of the bootstrap are positive, in the fitter's memory, in place of these. */
static void draw_chunk(fgm_fitter *fitter, uint64_t key, int64_t first, fgm_samples *rows) {
    double drawn[FGM_DRAWN_AT_ONCE], *columns = fitter->drawn, *weights = fitter->drawn + rows->d * DRAWN_ROWS;
    int places[FGM_DRAWN_AT_ONCE];
    int64_t taken = 0;
    for (int64_t at = 0; at < rows->n; at += FGM_DRAWN_AT_ONCE) {
        int count = rows->n - at < FGM_DRAWN_AT_ONCE ? (int)(rows->n - at) : FGM_DRAWN_AT_ONCE, present = 0;
        fgm_get_kernels()->draw_weights(key, first + at, count, drawn);
        for (int i = 0; i < count; ++i) {
            double weight = rows->weights ? drawn[i] * rows->weights[at + i] : drawn[i];
            places[present] = i;
            drawn[present] = weight;
            present += weight > 0.0;
        }
        memcpy(weights + taken, drawn, (size_t)present * sizeof *drawn);
        for (int j = 0; j < rows->d; ++j) {
            const double *from = rows->columns + j * rows->stride + at;
            double *to = columns + j * DRAWN_ROWS + taken;
            for (int i = 0; i < present; ++i) to[i] = from[places[i]];
        }
        taken += present;
    }
    *rows = (fgm_samples){taken, DRAWN_ROWS, rows->d, columns, weights, NULL};
}

static bool next_chunk(fgm_fitter *fitter, chunks *all) {
    for (; all->part < all->training->n_parts; ++all->part, all->next = 0) {
        fgm_samples part = all->training->parts[all->part];
        if (all->next >= part.n) continue;
        all->rows = fgm_rows(part, all->next, all->next + all->most);
        if (all->training->is_drawn) {
            (all->are_all_passed ? weigh_chunk : draw_chunk)(fitter, all->training->draw, all->next, &all->rows);
        }
        all->next += all->most;
        return true;
    }
    return false;
}

#define MOST_SLICES 8
#define SLICE_WORK 4096.0 /* terms of densities of two columns: some microseconds */
#define LEAST_ROWS 256    /* a slice has a multiple of these: whole blocks */

/* Rows of a chunk whose sums are found apart, by whichever member of a crew has nothing else to do, and then added in their order. */
typedef struct slices {
    fgm_samples rows;
    int n_components;
    const double *pack;
    int64_t n_slices, n_rows; /* n_rows of a slice, but for the last */
    size_t n_sums, work_size;
    double *memory; /* for each slice: n_sums, padded to whole registers, and work_size */
    void (*find)(int n_components, const double *pack, fgm_samples rows, double *sums /* (n_sums) */, double *work);
} slices;

/* Into so many slices that each is worth sharing. work: of a row. */
static void divide(slices *all, double work) {
    double most = (double)all->rows.n * work / SLICE_WORK;
    int64_t wanted = most < MOST_SLICES ? (int64_t)most : MOST_SLICES;
    all->n_rows = wanted < 2 ? all->rows.n : (all->rows.n + wanted * LEAST_ROWS - 1) / (wanted * LEAST_ROWS) * LEAST_ROWS;
    all->n_slices = all->n_rows > 0 ? (all->rows.n + all->n_rows - 1) / all->n_rows : 0;
}

static size_t whole_registers(size_t n) { return (n + 7) / 8 * 8; }

static void find_slice(const slices *all, int64_t index, double *sums) {
    fgm_samples rows = fgm_rows(all->rows, index * all->n_rows, (index + 1) * all->n_rows);
    memset(sums, 0, all->n_sums * sizeof *sums);
    all->find(all->n_components, all->pack, rows, sums, sums + whole_registers(all->n_sums));
}

static int slice_task(void *task_data, int64_t index, int is_caller) {
    const slices *all = task_data;
    (void)is_caller;
    find_slice(all, index, all->memory + (size_t)index * (whole_registers(all->n_sums) + all->work_size));
    return FGM_OK;
}

static int reserve_slices(fgm_fitter *fitter, size_t wanted) {
    if (wanted <= fitter->slices_size) return FGM_OK;
    fgm_release(fitter->slices);
    fitter->slices = fgm_allocate(wanted);
    fitter->slices_size = fitter->slices ? wanted : 0;
    return fitter->slices ? FGM_OK : FGM_ERROR_MEMORY;
}

/* Adds the sums of each slice to total, in place where there is one only. */
static int add_slices(fgm_fitter *fitter, slices *all, double work, fgm_monitor *monitor, void (*add)(size_t n, double *total, const double *sums),
                      double *total) {
    if (all->n_slices == 1) {
        bool has_room = all->work_size <= fitter->work_size;
        if (!has_room) FGM_TRY(reserve_slices(fitter, all->work_size));
        all->find(all->n_components, all->pack, all->rows, total, has_room ? fitter->work : fitter->slices);
        return FGM_OK;
    }
    bool is_shared = all->n_slices > 1 && fgm_crew_has_idle(monitor->crew);
    size_t size = whole_registers(all->n_sums) + all->work_size;
    FGM_TRY(reserve_slices(fitter, is_shared ? size * (size_t)all->n_slices : size));
    all->memory = fitter->slices;
    if (is_shared) FGM_TRY(fgm_crew_run(monitor->crew, all->n_slices, work, slice_task, all));
    for (int64_t i = 0; i < all->n_slices; ++i) {
        double *sums = all->memory + (is_shared ? (size_t)i * size : 0);
        if (!is_shared) find_slice(all, i, sums);
        add(all->n_sums, total, sums);
    }
    return FGM_OK;
}

/* Moments, and a compensated pair for the log-likelihood. */
static void find_moments(int n_components, const double *pack, fgm_samples rows, double *sums, double *work) {
    fgm_get_kernels()->em_pass(n_components, pack, rows, sums, sums + n_components * FGM_MOMENT_STRIDE(rows.d), work);
}

static void add_moments(size_t n, double *total, const double *sums) {
    for (size_t i = 0; i < n - 2; ++i) total[i] += sums[i];
    fgm_add_compensated(total + n - 2, sums[n - 2]);
    total[n - 1] += sums[n - 1];
}

static void add_products(size_t n, double *total, const double *sums) {
    for (size_t i = 0; i < n; ++i) total[i] += sums[i];
}

static int run_pass(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor, double *log_likelihood) {
    int k = mixture->n_components, d = mixture->d;
    double work_of_a_row = (k == 1 ? 0.4 : k) * (1.0 + d * d) / 5.0;
    chunks all;
    FGM_TRY(begin_chunks(fitter, training, (double)k * (d + 1) * (d + 1), &all));
    all.are_all_passed = k == 1; /* a pass is cheaper than leaving out rows */
    fgm_pack(mixture, fitter->pack);
    slices parts = {.n_components = k, .pack = fitter->pack, .n_sums = (size_t)k * (size_t)FGM_MOMENT_STRIDE(d) + 2, .find = find_moments};
    parts.work_size = fgm_work_size(k, d);
    memset(fitter->moments, 0, parts.n_sums * sizeof(double));
    while (next_chunk(fitter, &all)) {
        parts.rows = all.rows;
        divide(&parts, training->is_drawn ? 0.0 : work_of_a_row);
        FGM_TRY(add_slices(fitter, &parts, work_of_a_row * (double)all.rows.n, monitor, add_moments, fitter->moments));
        FGM_TRY(fgm_monitor_add(monitor, (double)all.rows.n * k));
    }
    *log_likelihood = (fitter->moments[parts.n_sums - 2] + fitter->moments[parts.n_sums - 1]) / training->total_weight;
    return FGM_OK;
}

static void find_products(int n_components, const double *pack, fgm_samples rows, double *sums, double *work) {
    fgm_get_kernels()->missing_information(n_components, pack, rows, sums, work);
}

#define WORK_OF_A_PRODUCT 0.06 /* of two scores */

/* The information at a mixture, not yet factorised. */
static int find_curvature(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor,
                          fgm_curvature *curvature) {
    int k = mixture->n_components, d = mixture->d;
    size_t parameters = (size_t)(k * FGM_PACK_STRIDE(d));
    double work_of_a_row = 0.5 * WORK_OF_A_PRODUCT * (double)(parameters * parameters);
    FGM_TRY(fgm_curvature_prepare(curvature, k, d));
    chunks all;
    FGM_TRY(begin_chunks(fitter, training, (double)(parameters * parameters), &all));
    fgm_pack(mixture, fitter->pack);
    slices parts = {.n_components = k, .pack = fitter->pack, .n_sums = curvature->n_missing, .find = find_products};
    parts.work_size = fgm_score_work_size(k, d);
    while (next_chunk(fitter, &all)) {
        parts.rows = all.rows;
        divide(&parts, training->is_drawn ? 0.0 : work_of_a_row);
        FGM_TRY(add_slices(fitter, &parts, work_of_a_row * (double)all.rows.n, monitor, add_products, curvature->missing));
        FGM_TRY(fgm_monitor_add(monitor, (double)all.rows.n * (double)parameters));
    }
    fgm_curvature_complete(curvature, mixture, training->total_weight);
    return FGM_OK;
}

int fgm_mean_log_density(fgm_fitter *fitter, const fgm_mixture *mixture, fgm_samples samples, fgm_monitor *monitor, double *mean, double *weight) {
    /* The EM pass, its moments unused: one more kernel would save little, since this runs once where passes run hundreds of times. */
    fgm_training all = fgm_training_of(samples);
    *weight = all.total_weight;
    return run_pass(fitter, &all, mixture, monitor, mean);
}

void fgm_fitter_log_density(fgm_fitter *fitter, const fgm_mixture *mixture, fgm_samples samples, double *out) {
    fgm_pack(mixture, fitter->pack);
    fgm_get_kernels()->log_density(mixture->n_components, fitter->pack, samples, out, fitter->work);
}

/* sum_k tr(A Sigma_k^-1) / 2, from the kernel's parameters: P = L^-1 / sqrt 2. */
static double prior_penalty(int n_components, int d, const double *pack, const double *prior /* (d(d+1)/2) */) {
    double penalty = 0.0;
    for (int k = 0; k < n_components && n_components > 1; ++k) {
        const double *whitener = pack + (size_t)k * (size_t)FGM_PACK_STRIDE(d) + 1 + d;
        for (int i = 0; i < d; ++i) {
            const double *row = whitener + FGM_TRIANGLE(i);
            for (int a = 0; a <= i; ++a) {
                double sum = 0.5 * row[a] * prior[FGM_TRIANGLE(a) + a];
                for (int b = 0; b < a; ++b) sum += row[b] * prior[FGM_TRIANGLE(a) + b];
                penalty += 2.0 * row[a] * sum;
            }
        }
    }
    return penalty;
}

/* The M step of one component, in place of next's; true where the floor was met. Covariance C of z is 2 (S / N) - m m^T since the kernel's z carries
 * 1 / sqrt 2. */
static bool maximise_component(const fgm_mixture *at, const double *moments /* (1 + d + d(d+1)/2) */, double total_weight,
                               const fgm_fit_settings *settings, int k, fgm_mixture *next) {
    int d = at->d;
    size_t triangle = (size_t)FGM_TRIANGLE(d);
    const double *mean = at->means + k * d, *factor = at->factors + k * triangle, *first = moments + 1, *second = first + d;
    double *new_mean = next->means + k * d, *new_factor = next->factors + k * triangle;
    double count = moments[0], m[FGM_MAX_DIMENSION], whitened[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    next->weights[k] = count / total_weight;
    if (!(count > 1e-10 * total_weight)) { /* nothing to learn from: the component stays where it is and fades */
        memcpy(new_mean, mean, (size_t)d * sizeof(double));
        memcpy(new_factor, factor, triangle * sizeof(double));
        return false;
    }
    for (int i = 0; i < d; ++i) m[i] = first[i] / count;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) whitened[FGM_TRIANGLE(i) + j] = 2.0 * (second[FGM_TRIANGLE(i) + j] / count - m[i] * m[j]);
    }
    for (int i = 0; i < d; ++i) {
        double shift = 0.0;
        for (int j = 0; j <= i; ++j) shift += factor[FGM_TRIANGLE(i) + j] * m[j];
        new_mean[i] = mean[i] + 1.41421356237309504880 * shift;
    }
    /* Sigma' = L C L^T. */
    double product[FGM_MAX_DIMENSION * FGM_MAX_DIMENSION];
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j < d; ++j) {
            double sum = 0.0;
            for (int l = 0; l <= i; ++l) sum += factor[FGM_TRIANGLE(i) + l] * whitened[l >= j ? FGM_TRIANGLE(l) + j : FGM_TRIANGLE(j) + l];
            product[i * d + j] = sum;
        }
    }
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            double sum = 0.0;
            for (int l = 0; l <= j; ++l) sum += product[i * d + l] * factor[FGM_TRIANGLE(j) + l];
            new_factor[FGM_TRIANGLE(i) + j] = sum + (at->n_components > 1 ? settings->prior[FGM_TRIANGLE(i) + j] / count : 0.0);
        }
    }
    return fgm_floor_and_factor(settings->floor, d, new_factor);
}

/* The M step; true where a component met the floor. */
static bool maximise(const fgm_mixture *at, const double *moments, double total_weight, const fgm_fit_settings *settings, fgm_mixture *next) {
    next->n_components = at->n_components;
    next->d = at->d;
    bool raised = false;
    for (int k = 0; k < at->n_components; ++k) {
        raised |= maximise_component(at, moments + (size_t)k * (size_t)FGM_MOMENT_STRIDE(at->d), total_weight, settings, k, next);
    }
    return raised;
}

/* ---- acceleration ------------------------------------------------------------------------------------------------------------- */

/* theta: for each component log weight, mean, factor with the logarithm of its diagonal. */
static void to_vector(const fgm_mixture *mixture, double *theta) {
    int d = mixture->d;
    for (int k = 0; k < mixture->n_components; ++k, theta += FGM_PACK_STRIDE(d)) {
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        theta[0] = log(fmax(mixture->weights[k], 1e-300));
        memcpy(theta + 1, mixture->means + k * d, (size_t)d * sizeof(double));
        memcpy(theta + 1 + d, factor, (size_t)FGM_TRIANGLE(d) * sizeof(double));
        for (int i = 0; i < d; ++i) theta[1 + d + FGM_TRIANGLE(i) + i] = log(factor[FGM_TRIANGLE(i) + i]);
    }
}

/* False where a number is out of range or a covariance below the floor. */
static bool from_vector(const double *theta, const double *floor, fgm_mixture *mixture) {
    int d = mixture->d;
    double largest = -INFINITY, total = 0.0, packed[FGM_TRIANGLE(FGM_MAX_DIMENSION)];
    for (int k = 0; k < mixture->n_components; ++k) largest = fmax(largest, theta[k * FGM_PACK_STRIDE(d)]);
    for (int k = 0; k < mixture->n_components; ++k, theta += FGM_PACK_STRIDE(d)) {
        double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        total += mixture->weights[k] = exp(theta[0] - largest);
        memcpy(mixture->means + k * d, theta + 1, (size_t)d * sizeof(double));
        memcpy(factor, theta + 1 + d, (size_t)FGM_TRIANGLE(d) * sizeof(double));
        for (int i = 0; i < d; ++i) {
            double *diagonal = factor + FGM_TRIANGLE(i) + i;
            if (!(fabs(*diagonal) < 300.0)) return false;
            *diagonal = exp(*diagonal);
        }
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j <= i; ++j) {
                double sum = 0.0;
                for (int m = 0; m <= j; ++m) sum += factor[FGM_TRIANGLE(i) + m] * factor[FGM_TRIANGLE(j) + m];
                packed[FGM_TRIANGLE(i) + j] = sum;
            }
        }
        if (!is_above_floor(floor, d, packed)) return false;
    }
    for (int k = 0; k < mixture->n_components; ++k) mixture->weights[k] /= total;
    return isfinite(total);
}

/* Diagonal of the complete-data information per sample, about: for each parameter the curvature of the log-likelihood. */
static void fill_metric(const fgm_mixture *mixture, double *metric) {
    int d = mixture->d;
    for (int k = 0; k < mixture->n_components; ++k, metric += FGM_PACK_STRIDE(d)) {
        const double *factor = mixture->factors + (size_t)k * (size_t)FGM_TRIANGLE(d);
        double weight = mixture->weights[k];
        metric[0] = weight;
        for (int i = 0; i < d; ++i) {
            double inverse = 1.0 / factor[FGM_TRIANGLE(i) + i];
            metric[1 + i] = weight * inverse * inverse;
            for (int j = 0; j < i; ++j) metric[1 + d + FGM_TRIANGLE(i) + j] = weight * inverse * inverse;
            metric[1 + d + FGM_TRIANGLE(i) + i] = 2.0 * weight;
        }
    }
}

/* In four chains, of which none waits for another. */
static double weighted_product(size_t n, const double *metric, const double *a, const double *b) {
    double sums[4] = {0.0, 0.0, 0.0, 0.0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int chain = 0; chain < 4; ++chain) sums[chain] += metric[i + chain] * a[i + chain] * b[i + chain];
    }
    for (; i < n; ++i) sums[0] += metric[i] * a[i] * b[i];
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

static void subtract(size_t n, double factor, const double *from, double *to) {
    for (size_t i = 0; i < n; ++i) to[i] -= factor * from[i];
}

/* step = G - sum gamma_i (G_{i+1} - G_i) - theta. The least squares go by Gram and Schmidt, newest change first, the same combinations being taken of
 * the changes of G. A change that the newer ones explain to a relative INDEPENDENT is left out: it would only amplify rounding. */
static void anderson_step(fgm_fitter *fitter, size_t parameters, int depth, int newest) {
    int kept = 0;
    memcpy(fitter->step, fitter->residual, parameters * sizeof(double));
    for (int age = 0; age < depth; ++age) {
        size_t slot = (size_t)((newest - age + HISTORY) % HISTORY) * parameters;
        double *direction = fitter->directions + (size_t)kept * parameters, *image = fitter->direction_images + (size_t)kept * parameters;
        memcpy(direction, fitter->residual_changes + slot, parameters * sizeof(double));
        memcpy(image, fitter->image_changes + slot, parameters * sizeof(double));
        double square = weighted_product(parameters, fitter->metric, direction, direction);
        for (int i = 0; i < kept; ++i) {
            const double *earlier = fitter->directions + (size_t)i * parameters;
            double along = weighted_product(parameters, fitter->metric, earlier, direction);
            subtract(parameters, along, earlier, direction);
            subtract(parameters, along, fitter->direction_images + (size_t)i * parameters, image);
        }
        double rest = weighted_product(parameters, fitter->metric, direction, direction);
        if (!(rest > INDEPENDENT * INDEPENDENT * square)) continue;
        double scale = 1.0 / sqrt(rest);
        for (size_t p = 0; p < parameters; ++p) {
            direction[p] *= scale;
            image[p] *= scale;
        }
        subtract(parameters, weighted_product(parameters, fitter->metric, direction, fitter->residual), image, fitter->step);
        ++kept;
    }
}

/* Changes since the last pass go to a slot of the history. */
static void remember(fgm_fitter *fitter, size_t parameters, int slot) {
    double *image_change = fitter->image_changes + (size_t)slot * parameters, *residual_change = fitter->residual_changes + (size_t)slot * parameters;
    for (size_t p = 0; p < parameters; ++p) {
        image_change[p] = fitter->image[p] - fitter->previous_image[p];
        residual_change[p] = fitter->residual[p] - fitter->previous_residual[p];
    }
}

/* One component needs one pass, which finds the total weight too: its maximum is the sample mean and covariance. */
static int fit_single(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, fgm_monitor *monitor, fgm_mixture *mixture,
                      fgm_fit_outcome *outcome) {
    double before;
    FGM_TRY(run_pass(fitter, training, mixture, monitor, &before));
    fgm_training weighed = *training;
    weighed.total_weight = fitter->moments[0];
    bool raised = maximise(mixture, fitter->moments, weighed.total_weight, settings, &fitter->next);
    fgm_mixture_copy(mixture, &fitter->next);
    outcome->n_iter = 1;
    outcome->converged = true;
    int d = mixture->d;
    outcome->log_likelihood = -0.5 * d * (LOG_TWO_PI + 1.0);
    for (int i = 0; i < d; ++i) outcome->log_likelihood -= log(mixture->factors[FGM_TRIANGLE(i) + i]);
    if (raised) FGM_TRY(run_pass(fitter, &weighed, mixture, monitor, &outcome->log_likelihood));
    outcome->objective = outcome->log_likelihood;
    return FGM_OK;
}

/* ---- the fit -------------------------------------------------------------------------------------------------------------------- */

/* The best point so far is mixture, its EM image the fitter's next; theta and residual belong to it. The fitter's current is what is tried. */
typedef struct fit {
    const fgm_training *training;
    const fgm_fit_settings *settings;
    fgm_monitor *monitor;
    fgm_mixture *mixture;
    fgm_fit_outcome *outcome;
    size_t parameters;
} fit;

static fit begin(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, fgm_monitor *monitor, fgm_mixture *mixture,
                 fgm_fit_outcome *outcome) {
    fgm_mixture_copy(&fitter->current, mixture);
    *outcome = (fgm_fit_outcome){.log_likelihood = -INFINITY, .objective = -INFINITY};
    return (fit){training, settings, monitor, mixture, outcome, (size_t)mixture->n_components * (size_t)FGM_PACK_STRIDE(mixture->d)};
}

/* A pass at current, which becomes the best point where its objective is not lower. */
static int try_current(fgm_fitter *fitter, const fit *state, bool *accepted) {
    double log_likelihood;
    FGM_TRY(run_pass(fitter, state->training, &fitter->current, state->monitor, &log_likelihood));
    ++state->outcome->n_iter;
    double penalty = prior_penalty(state->mixture->n_components, state->mixture->d, fitter->pack, state->settings->prior);
    double objective = log_likelihood - penalty / state->training->total_weight, best = state->outcome->objective;
    *accepted = best == -INFINITY || objective >= best - 1e-14 * fabs(best);
    if (!*accepted) return FGM_OK;
    state->outcome->objective = objective;
    state->outcome->log_likelihood = log_likelihood;
    fgm_mixture_copy(state->mixture, &fitter->current);
    fitter->at_floor = maximise(&fitter->current, fitter->moments, state->training->total_weight, state->settings, &fitter->next);
    to_vector(&fitter->current, fitter->theta);
    to_vector(&fitter->next, fitter->image);
    for (size_t p = 0; p < state->parameters; ++p) fitter->residual[p] = fitter->image[p] - fitter->theta[p];
    return FGM_OK;
}

/* current = the best point + step; false where that is no mixture above the floor. */
static bool take_step(fgm_fitter *fitter, size_t parameters, const double *floor) {
    for (size_t p = 0; p < parameters; ++p) fitter->target[p] = fitter->theta[p] + fitter->step[p];
    return from_vector(fitter->target, floor, &fitter->current);
}

/* EM, accelerated. With a curvature, of a fit nearby, its Newton step takes the place of the EM step. Where it converges, step leads on from the best
 * point. */
static int accelerate(fgm_fitter *fitter, const fit *state, const fgm_curvature *curvature, double tol, int max_iter) {
    size_t parameters = state->parameters;
    int depth = 0, slot = 0;
    bool have_previous = false, is_em_step = false; /* is_em_step: of the best point */
    while (state->outcome->n_iter < max_iter) {
        bool accepted;
        FGM_TRY(try_current(fitter, state, &accepted));
        if (!accepted && is_em_step) { /* which cannot lower the likelihood but for rounding: nothing is left to gain */
            memset(fitter->step, 0, parameters * sizeof(double));
            state->outcome->converged = true;
            return FGM_OK;
        }
        if (!accepted) { /* overshot: back to the EM step of the last good point */
            fgm_mixture_copy(&fitter->current, &fitter->next);
            is_em_step = true;
            have_previous = false;
            depth = slot = 0;
            continue;
        }
        double newton_gain = 0.0;
        if (curvature) {
            newton_gain = fgm_newton_step(curvature, state->mixture, fitter->residual, fitter->step);
            memcpy(fitter->residual, fitter->step, parameters * sizeof(double));
            for (size_t p = 0; p < parameters; ++p) fitter->image[p] = fitter->theta[p] + fitter->step[p];
        }
        fill_metric(&fitter->next, fitter->metric);
        if (have_previous) {
            remember(fitter, parameters, slot);
            slot = (slot + 1) % HISTORY;
            if (depth < HISTORY) ++depth;
        }
        anderson_step(fitter, parameters, depth, (slot + HISTORY - 1) % HISTORY);
        double em_gain = 0.5 * weighted_product(parameters, fitter->metric, fitter->residual, fitter->residual);
        double left = 0.5 * weighted_product(parameters, fitter->metric, fitter->residual, fitter->step);
        if (curvature ? newton_gain < tol : em_gain < tol && fabs(left) < tol && (depth >= 2 || em_gain < 1e-4 * tol)) {
            state->outcome->converged = true;
            return FGM_OK;
        }
        memcpy(fitter->previous_image, fitter->image, parameters * sizeof(double));
        memcpy(fitter->previous_residual, fitter->residual, parameters * sizeof(double));
        have_previous = true;
        is_em_step = (depth == 0 && !curvature) || !take_step(fitter, state->parameters, state->settings->floor);
        if (is_em_step) fgm_mixture_copy(&fitter->current, &fitter->next);
    }
    return FGM_OK;
}

/* With at least this damping; returns what it took. The matrix, scaled by the complete information, is at most one, so little is ever needed. */
static double factorise_damped(fgm_curvature *curvature, double damping) {
    while (!fgm_curvature_factorise(curvature, damping) && damping < 1e9) damping = fmax(LEAST_DAMPING, 2.0 * damping);
    return damping;
}

/* Newton's method from the best point on, to where less than tol is left to gain; below the objective worth it gives up where a curvature brings
 * little on a ridge. It is damped (Levenberg 1944) where the information is not positive definite or a step fails, and goes along ridges a few steps
 * at a time by the same matrix. It knows nothing of the floor, and ends where that is met. */
static int polish(fgm_fitter *fitter, const fit *state, double tol, double worth, int max_iter) {
    bool accepted;
    double reached = -INFINITY, before = -INFINITY, least_progress = LEAST_PROGRESS * tol;
    double damping = 0.0, expected = INFINITY, left_to_spend = (state->parameters > MANY_PARAMETERS ? 1.0 : NEWTON_SHARE) * max_iter;
    int failures = 0, ridge_steps = 0;
    fgm_curvature *curvature = &fitter->curvature;
    fgm_mixture_copy(&fitter->current, state->mixture);
    if (state->outcome->n_iter == max_iter) return FGM_OK;
    state->outcome->converged = false;
    FGM_TRY(try_current(fitter, state, &accepted));
    if (!accepted) return FGM_OK; /* the point that it was at: no number is its likelihood */
    for (; state->outcome->n_iter < max_iter && left_to_spend > 0.0 && !fitter->at_floor; left_to_spend -= 1.0) {
        double left = expected, gained = state->outcome->objective - before;
        if (accepted && expected < INFINITY) left = fgm_newton_step(curvature, state->mixture, fitter->residual, fitter->step);
        bool is_slow = accepted && !(left < OUTDATED * expected), is_on_ridge = is_slow && damping > 0.0;
        if (is_on_ridge && state->outcome->objective < worth && state->outcome->objective - reached < least_progress) return FGM_OK;
        bool goes_on = is_on_ridge && ridge_steps < RIDGE_STEPS && gained > REALISED * expected && left < GROWN * expected;
        bool is_outdated = accepted ? is_slow && !goes_on : ridge_steps > 0;
        ridge_steps = goes_on ? ridge_steps + 1 : 0;
        if (is_outdated) {
            reached = state->outcome->objective;
            FGM_TRY(find_curvature(fitter, state->training, state->mixture, state->monitor, curvature));
            left_to_spend -= CURVATURE_PASSES * (double)state->parameters;
            if (accepted && failures == 0) damping = damping > LEAST_DAMPING ? 0.2 * damping : 0.0;
        } else if (!accepted) {
            damping = fmax(LEAST_DAMPING, 5.0 * damping);
        }
        if (is_outdated || !accepted) {
            damping = factorise_damped(curvature, damping);
            left = fgm_newton_step(curvature, state->mixture, fitter->residual, fitter->step);
        }
        if (left < tol && damping > 0.0) { /* perhaps only for the damping */
            damping = fgm_curvature_factorise(curvature, 0.0) ? 0.0 : damping;
            if (damping == 0.0) left = fgm_newton_step(curvature, state->mixture, fitter->residual, fitter->step);
        }
        if (left < tol) {
            state->outcome->converged = true;
            return FGM_OK;
        }
        failures = accepted ? 0 : failures + 1;
        expected = left;
        before = state->outcome->objective;
        accepted = false;
        if (failures > 4) {
            fgm_mixture_copy(&fitter->current, &fitter->next);
        } else if (!take_step(fitter, state->parameters, state->settings->floor)) {
            continue;
        }
        FGM_TRY(try_current(fitter, state, &accepted));
    }
    return FGM_OK;
}

/* ---- the order of rows ------------------------------------------------------------------------------------------------------------ */

#define SORTED_BLOCKS 4 /* from so many blocks of rows on, sorting takes less time than it saves */
#define LOOK_ROWS 256

/* The training rows in an order in which those of the same two leading components stand together: blocks of rows then meet few components, and the
 * kernels leave out the others. */
typedef struct sorted_rows {
    fgm_training training;
    double *memory; /* columns (d, n), weights (n) */
} sorted_rows;

/* For each row first * K + second, the components of which it has the most. terms: (K, LOOK_ROWS). */
static void find_leaders(fgm_fitter *fitter, const fgm_training *training, int n_components, double *terms, uint32_t *leaders /* (n) */) {
    for (int part = 0; part < training->n_parts; ++part) {
        fgm_samples samples = training->parts[part];
        for (int64_t at = 0; at < samples.n; at += LOOK_ROWS) {
            fgm_samples rows = fgm_rows(samples, at, at + LOOK_ROWS);
            fgm_get_kernels()->component_log_density(n_components, fitter->pack, rows, terms, fitter->work);
            for (int64_t i = 0; i < rows.n; ++i) {
                int first = 0, second = 1;
                for (int k = 1; k < n_components; ++k) {
                    double term = terms[k * rows.n + i];
                    if (term > terms[first * rows.n + i]) {
                        second = first;
                        first = k;
                    } else if (second == first || term > terms[second * rows.n + i]) {
                        second = k;
                    }
                }
                *leaders++ = (uint32_t)(first * n_components + second);
            }
        }
    }
}

/* Copies rows to their places: those of each leader in turn, by counting. */
static void place_rows(const fgm_training *training, int64_t n, const uint32_t *leaders /* (n) */, uint32_t *next /* (K^2 + 1): zero */,
                       uint32_t n_leaders, sorted_rows *sorted) {
    int d = training->parts[0].d;
    double *columns = sorted->memory, *weights = columns + n * d;
    for (int64_t i = 0; i < n; ++i) ++next[leaders[i] + 1];
    for (uint32_t leader = 0; leader < n_leaders; ++leader) next[leader + 1] += next[leader];
    for (int part = 0; part < training->n_parts; ++part) {
        fgm_samples samples = training->parts[part];
        for (int64_t i = 0; i < samples.n; ++i) {
            int64_t place = next[*leaders++]++;
            for (int j = 0; j < d; ++j) columns[j * n + place] = samples.columns[j * samples.stride + i];
            if (samples.weights) weights[place] = samples.weights[i];
        }
    }
    fgm_samples rows = {n, n, d, columns, training->parts[0].weights ? weights : NULL, NULL};
    sorted->training = (fgm_training){.parts = {rows}, .n_parts = 1, .total_weight = training->total_weight};
}

/* As they are, without memory of their own, where sorting would not pay. */
static int sort_rows(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, sorted_rows *sorted) {
    int k = mixture->n_components, d = mixture->d;
    int64_t n = fgm_count_rows(training);
    *sorted = (sorted_rows){.training = *training};
    if (training->is_drawn || k < FGM_CROWD || n < SORTED_BLOCKS * fgm_block_size(k, d)) return FGM_OK;
    size_t n_leaders = (size_t)k * (size_t)k;
    uint32_t *next = calloc(n_leaders + 1 + (size_t)n, sizeof *next);
    double *terms = fgm_allocate((size_t)k * LOOK_ROWS);
    sorted->memory = fgm_allocate((size_t)n * (size_t)(d + 1));
    bool allocated = next && terms && sorted->memory;
    if (allocated) {
        uint32_t *leaders = next + n_leaders + 1;
        fgm_pack(mixture, fitter->pack);
        find_leaders(fitter, training, k, terms, leaders);
        place_rows(training, n, leaders, next, (uint32_t)n_leaders, sorted);
    } else {
        fgm_release(sorted->memory);
    }
    fgm_release(terms);
    free(next);
    return allocated ? FGM_OK : FGM_ERROR_MEMORY;
}

/* ---- the two fits ----------------------------------------------------------------------------------------------------------------- */

int fgm_em(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature, double tol,
           int max_iter, fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    if (mixture->n_components == 1) return fit_single(fitter, training, settings, monitor, mixture, outcome);
    sorted_rows sorted;
    FGM_TRY(sort_rows(fitter, training, mixture, &sorted));
    fit state = begin(fitter, &sorted.training, settings, monitor, mixture, outcome);
    int status = accelerate(fitter, &state, curvature && curvature->memory ? curvature : NULL, tol, max_iter);
    fgm_release(sorted.memory);
    return status;
}

/* The step is taken where the objective there, of which a pass tells, is above that of the best point. */
static int take_step_if_it_gains(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, double objective,
                                 fgm_monitor *monitor, fgm_mixture *mixture) {
    fgm_mixture stepped;
    fgm_fit_outcome outcome;
    FGM_TRY(fgm_mixture_allocate(&stepped, mixture->n_components, mixture->d));
    fgm_mixture_copy(&stepped, &fitter->current);
    int status = fgm_em(fitter, training, settings, NULL, settings->tol, 1, monitor, &stepped, &outcome);
    if (status == FGM_OK && outcome.objective > objective) fgm_mixture_copy(mixture, &stepped);
    fgm_mixture_release(&stepped);
    return status;
}

/* The longest step of a component, in its own widths and logarithms of them: there what the matrix promises may not hold. */
static double longest_move(const fgm_fitter *fitter, const fgm_mixture *mixture) {
    size_t stride = (size_t)FGM_PACK_STRIDE(mixture->d);
    double longest = 0.0;
    for (int k = 0; k < mixture->n_components; ++k) {
        const double *step = fitter->step + (size_t)k * stride;
        longest = fmax(longest, weighted_product(stride, fitter->metric + (size_t)k * stride, step, step) / fitter->metric[(size_t)k * stride]);
    }
    return sqrt(longest);
}

double fgm_replicate_tol(const fgm_fit_settings *settings, size_t n_parameters) {
    bool is_given = settings->options->tol > 0.0;
    return is_given ? settings->tol : fmin(REPLICATE_TOL, 8.0 * (double)n_parameters * settings->tol);
}

int fgm_refit(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature,
              fgm_monitor *monitor, fgm_mixture *mixture) {
    fgm_fit_outcome outcome;
    bool informed = mixture->n_components > 1 && curvature->memory;
    size_t parameters = (size_t)mixture->n_components * (size_t)FGM_PACK_STRIDE(mixture->d);
    double tol = informed ? fgm_replicate_tol(settings, parameters) : settings->selection_tol;
    FGM_TRY(fgm_em(fitter, training, settings, curvature, tol, settings->selection_passes, monitor, mixture, &outcome));
    if (!informed || !outcome.converged) return FGM_OK;
    double newton = weighted_product(parameters, fitter->metric, fitter->residual, fitter->residual);
    double step = weighted_product(parameters, fitter->metric, fitter->step, fitter->step);
    bool is_long = step > FAR * FAR * newton || longest_move(fitter, mixture) > MOVED;
    if (!take_step(fitter, parameters, settings->floor)) return FGM_OK;
    if (is_long) return take_step_if_it_gains(fitter, training, settings, outcome.objective, monitor, mixture);
    fgm_mixture_copy(mixture, &fitter->current);
    return FGM_OK;
}

static bool has_curvature(const fgm_mixture *mixture) {
    return mixture->n_components > 1 && mixture->n_components * FGM_PACK_STRIDE(mixture->d) <= NEWTON_PARAMETERS;
}

/* EM, Newton's method, and EM again where a component met its floor. */
static int climb(fgm_fitter *fitter, const fit *state, double tol, double worth, int max_iter) {
    bool informed = has_curvature(state->mixture) && state->settings->options->tol == 0.0;
    int before = NEWTON_FROM + (state->parameters > MANY_PARAMETERS ? (int)(state->parameters - MANY_PARAMETERS) / 2 : 0);
    FGM_TRY(accelerate(fitter, state, NULL, tol, informed && max_iter > before ? before : max_iter));
    if (isnan(worth) && state->parameters > MANY_PARAMETERS && state->outcome->converged) return FGM_OK;
    if (informed && !fitter->at_floor) FGM_TRY(polish(fitter, state, NEWTON_TOL * tol, worth, max_iter));
    if (!fitter->at_floor || state->outcome->converged) return FGM_OK;
    fgm_mixture_copy(&fitter->current, state->mixture);
    return accelerate(fitter, state, NULL, tol, max_iter);
}

int fgm_maximise(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, double tol, double worth, int max_iter,
                 fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome) {
    if (mixture->n_components == 1) return fit_single(fitter, training, settings, monitor, mixture, outcome);
    sorted_rows sorted;
    FGM_TRY(sort_rows(fitter, training, mixture, &sorted));
    fit state = begin(fitter, &sorted.training, settings, monitor, mixture, outcome);
    int status = climb(fitter, &state, tol, worth, max_iter);
    fgm_release(sorted.memory);
    return status;
}

int fgm_observe_curvature(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor,
                          fgm_curvature *curvature) {
    FGM_TRY(find_curvature(fitter, training, mixture, monitor, curvature));
    factorise_damped(curvature, 0.0);
    return FGM_OK;
}

int fgm_find_curvature(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor, fgm_curvature *curvature) {
    memset(curvature, 0, sizeof *curvature);
    if (!has_curvature(mixture)) return FGM_OK;
    int status = find_curvature(fitter, training, mixture, monitor, curvature);
    if (status == FGM_OK) {
        factorise_damped(curvature, CHORD_DAMPING);
    } else {
        fgm_curvature_release(curvature);
    }
    return status;
}
