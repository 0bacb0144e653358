/* Declarations shared inside the core. Nothing here is public.
 *
 * Layout: inside, samples are columns. A sample set of n rows and d variables is one block of d * stride doubles, variable j
 * starting at columns + j * stride, so that the lanes of a vector register hold neighbouring samples.
 */
#ifndef FGM_CORE_H
#define FGM_CORE_H

#include "fastgmmmi.h"

#include <stdbool.h>

#define FGM_TRIANGLE(d) ((d) * ((d) + 1) / 2)

/* Return from the caller with the status where it is not FGM_OK. */
#define FGM_TRY(expression) \
    do { \
        int status_ = (expression); \
        if (status_ != FGM_OK) return status_; \
    } while (0)

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

/* count doubles, aligned to 64 bytes; NULL where there is no memory. */
double *fgm_allocate(size_t count);
void fgm_release(double *memory);

/* ---- sums ------------------------------------------------------------------------------------------------------------------ */

/* Neumaier's sum: pair[0] the sum, pair[1] what rounding took from it. */
static inline void fgm_add_compensated(double *pair, double value) {
    double sum = pair[0] + value;
    double larger = pair[0] * pair[0] >= value * value ? pair[0] : value, smaller = larger == value ? pair[0] : value;
    pair[1] += (larger - sum) + smaller;
    pair[0] = sum;
}

/* ---- sorting -------------------------------------------------------------------------------------------------------------- */

/* Of numbers, none of them NaN. */
void fgm_sort(double *values /* (n) */, double *spare /* (n) */, int64_t n);

/* Places of values from the smallest up, equal ones in their order. */
int fgm_rank(const double *values /* (n) */, int64_t n, uint32_t *ranks /* (n) */);

/* ---- samples --------------------------------------------------------------------------------------------------------------- */

typedef struct fgm_samples {
    int64_t n;
    int64_t stride;        /* distance of columns, at least n */
    int d;
    const double *columns; /* (d, stride) */
    const double *weights; /* (n), or NULL: all 1 */
    const uint32_t *groups; /* (n): the rows of one group stand together; or NULL: each row is its own */
} fgm_samples;

/* Of row i; rows without weights weigh one each. */
static inline double fgm_weight_of(const double *weights /* (n) or NULL */, int64_t i) { return weights ? weights[i] : 1.0; }

/* Rows [first, last) of a sample set, sharing its memory. */
fgm_samples fgm_rows(fgm_samples samples, int64_t first, int64_t last);

/* How many groups: what is independent of each other. */
int64_t fgm_count_groups(fgm_samples samples);

/* Number of samples of equal weight that say as much (Kish 1965). */
double fgm_effective_samples(fgm_samples samples);

/* By the weights of the samples. */
double fgm_weighted_mean(fgm_samples samples, const double *values /* (n) */);

/* First row of a fold of so many; folds hold whole groups. Rows must be in random order. */
int64_t fgm_fold_start(fgm_samples samples, int fold, int n_folds);

/* ---- mixtures -------------------------------------------------------------------------------------------------------------- */

/* One block of memory that holds weights, means and factors. */
typedef struct fgm_mixture {
    int n_components;
    int d;
    double *weights; /* (K) */
    double *means;   /* (K, d) */
    double *factors; /* (K, d(d+1)/2): lower Cholesky factor of each covariance, packed by rows: L00 L10 L11 L20 ... */
} fgm_mixture;

/* Doubles that a mixture takes, and every field where it is to stand in memory of that size, which may be NULL. */
size_t fgm_mixture_size(int n_components, int d);
fgm_mixture fgm_mixture_at(double *memory, int n_components, int d);

/* Memory for n_components components; every field is set, values are not. */
int fgm_mixture_allocate(fgm_mixture *mixture, int n_components, int d);
void fgm_mixture_release(fgm_mixture *mixture);
void fgm_mixture_copy(fgm_mixture *to, const fgm_mixture *from);

/* Allocates and fills. FGM_ERROR_NOT_POSITIVE_DEFINITE where a covariance is not. Weights are normalised. */
int fgm_mixture_from_parameters(fgm_mixture *mixture, int n_components, int d, const double *weights, const double *means, const double *covariances);

/* Covariance of one component, (d, d). */
void fgm_mixture_covariance(const fgm_mixture *mixture, int component, double *covariance);

/* One component of the mixture of some columns, in the order given. Leading columns in order are cut from the factor, which keeps all its digits. */
int fgm_mixture_take_columns(const fgm_mixture *mixture, int component, const int32_t *columns, int n_columns, double *mean /* (n_columns) */,
                             double *factor /* (n_columns(n_columns+1)/2) */);

/* Rows first .. first + n - 1 of the mixture's random sample of that key. */
void fgm_mixture_draw(const fgm_mixture *mixture, uint64_t key, int64_t first, int64_t n, double *X /* (n, d) */);

/* Lower Cholesky factor, packed by rows, of a symmetric matrix packed by rows; in place. False where it is not positive definite. */
bool fgm_cholesky(double *packed, int d);

/* Eigenvalues and vectors of a symmetric matrix by cyclic Jacobi rotations; a is overwritten, its diagonal the eigenvalues. */
void fgm_symmetric_eigen(int d, double *a /* (d, d) */, double *vectors /* (d, d): columns */);

/* ---- kernels --------------------------------------------------------------------------------------------------------------- */

/* What the kernels read for each component: the logarithm of its peak density times its weight, an offset, and the whitening
 * factor P = L^-1 / sqrt(2), packed by rows, so that log(w_k N_k(x)) = peak - |P x + offset|^2. */
#define FGM_PACK_STRIDE(d) (1 + (d) + FGM_TRIANGLE(d))
void fgm_pack(const fgm_mixture *mixture, double *pack /* (K, 1 + d + d(d+1)/2) */);

/* What one pass of EM gathers for each component, in its own whitened coordinates z = P x + offset, with r the weighted
 * responsibility: sum r, sum r z_i, sum r z_i z_j (j <= i). */
#define FGM_MOMENT_STRIDE(d) (1 + (d) + FGM_TRIANGLE(d))

#define FGM_DRAWN_AT_ONCE 256

typedef struct fgm_kernels {
    const char *tier;
    /* Adds to moments (K, 1 + d + d(d+1)/2) and to the compensated pair log_likelihood[0] + log_likelihood[1]. work: fgm_work_size doubles. */
    void (*em_pass)(int n_components, const double *pack, fgm_samples samples, double *moments, double *log_likelihood, double *work);
    /* Adds what the information is made of that a sample lacks for not showing its component, see curvature.c: above dimension FGM_UNROLLED to the
     * lower triangle of a matrix (p, p), p = fgm_padded(K (1 + d + d(d+1)/2)), else to sums (K, FGM_MONOMIALS(d), K). work: fgm_score_work_size. */
    void (*missing_information)(int n_components, const double *pack, fgm_samples samples, double *sums, double *work);
    /* Log-density of each sample. */
    void (*log_density)(int n_components, const double *pack, fgm_samples samples, double *out /* (n) */, double *work);
    /* Log of each component's weighted density, component by component: out (K, n). */
    void (*component_log_density)(int n_components, const double *pack, fgm_samples samples, double *out, double *work);
    /* Poisson weights of rows first .. first + count - 1 under the bootstrap; first is even, count at most FGM_DRAWN_AT_ONCE. */
    void (*draw_weights)(uint64_t key, int64_t first, int count, double *weights /* (count) */);
    void (*exp)(int64_t n, const double *in, double *out);
    void (*log)(int64_t n, const double *in, double *out);
    void (*normal_quantile)(int64_t n, const double *probabilities, double *quantiles);
} fgm_kernels;

const fgm_kernels *fgm_get_kernels(void);

/* Up to this dimension the kernels are unrolled. */
#define FGM_UNROLLED 4

/* Samples in a block: what K components need should fit the first-level cache, or the second where d is large. */
static inline int fgm_block_size(int n_components, int d) {
    int per_sample = d <= FGM_UNROLLED ? n_components : n_components * (d + 1) + d;
    int room = d <= FGM_UNROLLED ? 2048 : 16384;
    int size = room / per_sample / 32 * 32;
    return size < 32 ? 32 : size > 256 ? 256 : size;
}

/* Doubles of work memory that any kernel needs. */
static inline size_t fgm_work_size(int n_components, int d) {
    size_t per_sample = (size_t)n_components + 2 + (size_t)d + (d > FGM_UNROLLED ? (size_t)(n_components + 1) * (size_t)d : 0);
    return (size_t)fgm_block_size(n_components, d) * per_sample;
}

/* Matrices of parameters are padded to full tiles of four. */
static inline size_t fgm_padded(int parameters) { return (size_t)(parameters + 3) / 4 * 4; }

/* From so many components on, rows are sorted by component before a fit, so that a block meets few, and the kernels look which. */
#define FGM_CROWD 10

/* Samples in a block of scores. */
#define FGM_SCORE_BLOCK 128

/* Of degree up to four. */
#define FGM_MONOMIALS(d) (((d) + 1) * ((d) + 2) * ((d) + 3) * ((d) + 4) / 24)

static inline size_t fgm_score_work_size(int n_components, int d) {
    size_t k = (size_t)n_components, monomials = FGM_MONOMIALS((size_t)d);
    size_t of_scores = ((size_t)d + 2 + (k + 1) * FGM_PACK_STRIDE((size_t)d)) * FGM_SCORE_BLOCK;
    size_t of_monomials = (1 + monomials + k) * FGM_SCORE_BLOCK;
    return fgm_work_size(n_components, d) + (d <= FGM_UNROLLED ? of_monomials : of_scores);
}

/* ---- one long job ----------------------------------------------------------------------------------------------------------- */

/* Cancellation and progress, for one thread. */
typedef struct fgm_monitor {
    const volatile int *cancel;
    fgm_poll poll; /* NULL on all threads but the caller's */
    void *poll_data;
    volatile int64_t *done; /* shared between threads */
    int64_t total;
    double work; /* since the last look */
    struct fgm_crew *crew; /* or NULL */
} fgm_monitor;

/* Where is_caller is not zero it polls, but not on a crew's helpers. */
fgm_monitor fgm_monitor_start(const fgm_options *options, volatile int64_t *done, int64_t total, int is_caller);

/* Adds work (samples times components); about every millisecond looks whether to stop: FGM_ERROR_CANCELLED. */
int fgm_monitor_add(fgm_monitor *monitor, double work);

/* Threads that stay for a whole job: see crew.c. */
typedef struct fgm_crew fgm_crew;
typedef int fgm_crew_job(const fgm_options *options, void *data);

/* Does the job, with a crew brought by options->run_tasks where all its work, about as many terms of densities, is worth one. The job is to use the
 * options that it is given. */
int fgm_with_crew(const fgm_options *options, double work, fgm_crew_job *job, void *data);

/* The one that the options of a job belong to, or NULL. */
fgm_crew *fgm_crew_of(const fgm_options *options);

/* Whether somebody waits for something to do. NULL: nobody. */
bool fgm_crew_has_idle(fgm_crew *crew);
bool fgm_crew_is_cancelled(fgm_crew *crew);

/* Whether this thread is a member that did not call the library. */
bool fgm_is_on_helper(void);

/* Runs the tasks, and returns the first status that was not FGM_OK. */
int fgm_crew_run(fgm_crew *crew, int64_t n_tasks, double work, fgm_task task, void *task_data);

/* The same by the crew that the options belong to, or one task after the other where there is none, or all their work is less than sharing it takes.
 */
int fgm_run(const fgm_options *options, int64_t n_tasks, double work, fgm_task task, void *task_data);

/* ---- fits ------------------------------------------------------------------------------------------------------------------- */

/* Samples that a fit learns from: up to two runs of rows, since a cross-validation fold leaves a gap. */
typedef struct fgm_training {
    fgm_samples parts[2];
    int n_parts;
    bool is_drawn; /* rows have weights of the bootstrap besides their own, which are drawn anew in every pass, instead of kept */
    uint64_t draw; /* key of these */
    double total_weight;
} fgm_training;

fgm_training fgm_training_of(fgm_samples samples);
/* All rows under weights of the bootstrap. Their total stays 0 for one component, whose one pass finds it. */
fgm_training fgm_training_of_draws(fgm_samples samples, uint64_t key, bool is_for_one);
/* All rows but [first, last). */
fgm_training fgm_training_without(fgm_samples samples, int64_t first, int64_t last);
int64_t fgm_count_rows(const fgm_training *training);

typedef struct fgm_fit_settings {
    const fgm_options *options;
    double tol;                           /* of a final fit, nats per sample */
    double selection_tol;                 /* of a fit that only helps to choose the number of components */
    double nearby_tol;                    /* of such a fit under the curvature of another, which takes long for the last of it */
    int selection_passes;                 /* the most EM passes of such a fit */
    double least_evidence;                /* held-out log-likelihood that one component more must gain in all, nats */
    double floor[FGM_MAX_DIMENSION];      /* smallest variance of a component along each column: Sigma - diag(floor) stays nonnegative */
    const double *prior;                  /* A, packed by rows: the fit maximises log-likelihood - sum_k tr(A Sigma_k^-1) / 2 */
} fgm_fit_settings;

/* Memory for fits of up to max_components components; one per thread. */
typedef struct fgm_fitter fgm_fitter;
int fgm_fitter_create(fgm_fitter **fitter, int max_components, int d);
void fgm_fitter_destroy(fgm_fitter *fitter);

/* The observed information of a mixture's parameters, factorised: it turns an EM step into a Newton step. See curvature.c. */
typedef struct fgm_curvature {
    int n_components, d;
    double *memory;
    size_t capacity;  /* doubles of memory */
    double *matrix;   /* (p, p), p = fgm_padded(K (1 + d + d(d+1)/2)): lower triangle scaled by the complete information, upper its factor */
    double *diagonal; /* (p): of the matrix */
    double *root;     /* (p): roots of the complete information */
    double *missing;  /* (n_missing): what kernels->missing_information adds to; above dimension FGM_UNROLLED the matrix */
    size_t n_missing;
} fgm_curvature;

/* For that many components: nothing is missing yet. Memory that is large enough is used again. */
int fgm_curvature_prepare(fgm_curvature *curvature, int n_components, int d);
void fgm_curvature_release(fgm_curvature *curvature);

/* The lower triangle of the matrix becomes what is missing; the mixture is the one that kernels saw. */
void fgm_curvature_fill(fgm_curvature *curvature, const fgm_mixture *mixture);

/* The matrix becomes the curvature at the mixture, of which samples of that weight lack what is missing. */
void fgm_curvature_complete(fgm_curvature *curvature, const fgm_mixture *mixture, double total_weight);

/* Factorises the matrix plus damping on its diagonal; false where that is not positive definite. */
bool fgm_curvature_factorise(fgm_curvature *curvature, double damping);

/* With M the factorised matrix in the local coordinates of the components: v^T M^-1 v, which overwrites v; and v = M^-1 v. */
double fgm_curvature_forward(const fgm_curvature *curvature, double *vector);
void fgm_curvature_solve(const fgm_curvature *curvature, double *vector);

/* The Newton step that belongs to an EM step (residual), both in EM's coordinates; returns how much log-likelihood it is to gain, per sample. */
double fgm_newton_step(const fgm_curvature *curvature, const fgm_mixture *at, const double *residual, double *step);

typedef struct fgm_fit_outcome {
    double log_likelihood; /* weighted mean per sample */
    double objective;      /* the same less the penalty of the prior: what EM maximises */
    int n_iter;
    bool converged;
} fgm_fit_outcome;

/* EM from mixture, which becomes the fit. curvature: of a fit nearby, which saves passes; NULL or empty: none. */
int fgm_em(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature, double tol,
           int max_iter, fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome);

/* What a fit to a replicate's rows may leave to gain, nats per sample: it begins at the fit to all the data, half a nat for each parameter below its
 * maximum, and goes on until a twelfth of that is left. */
double fgm_replicate_tol(const fgm_fit_settings *settings, size_t n_parameters);

/* EM to a replicate's rows from mixture, the fit to all the data, under its curvature, as far as an error bar needs: the last step, whose gain by its
 * own estimate is below fgm_replicate_tol, is taken without a pass, unless it is long. */
int fgm_refit(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature,
              fgm_monitor *monitor, fgm_mixture *mixture);

/* From mixture to the very maximum: EM, then Newton's method; but where the caller gave a tolerance, EM until that is met. Below the objective worth,
 * -INFINITY for none, Newton's method gives up on ridges of the likelihood. NAN: the fit only says where to split, and Newton's method is left out
 * where EM has converged and a curvature would take long. */
int fgm_maximise(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, double tol, double worth, int max_iter,
                 fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome);

/* The curvature at a fit, damped so that fits to replicates can use it. To be released. Where it would be too large, or there is one component, it
 * stays empty, which fgm_em takes as none. */
int fgm_find_curvature(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor, fgm_curvature *curvature);

/* The curvature at a fit of any number of components, damped only as far as it must be, per unit of weight. To be released. */
int fgm_observe_curvature(fgm_fitter *fitter, const fgm_training *training, const fgm_mixture *mixture, fgm_monitor *monitor,
                          fgm_curvature *curvature);

/* Log-density of each sample. */
void fgm_fitter_log_density(fgm_fitter *fitter, const fgm_mixture *mixture, fgm_samples samples, double *out /* (n) */);

/* Weighted mean log-density of samples, and their total weight. */
int fgm_mean_log_density(fgm_fitter *fitter, const fgm_mixture *mixture, fgm_samples samples, fgm_monitor *monitor, double *mean, double *weight);

/* Covariance (packed by rows) of a component becomes its Cholesky factor, after raising it to the floor where it is below (then true). */
bool fgm_floor_and_factor(const double *floor /* (d) */, int d, double *packed /* (d(d+1)/2) */);

/* Fills mixture (n_components and d set) with a starting point. previous: the fit with one component fewer, or NULL. attempt: 0, 1, ... */
int fgm_start(const fgm_training *training, const fgm_fit_settings *settings, uint64_t key, int attempt, const fgm_mixture *previous,
              fgm_mixture *mixture);

/* Fit with mixture->n_components from one starting point, or, attempt being FGM_BEST_START, from the best of several after a short run. worth: see
 * fgm_maximise. */
#define FGM_BEST_START (-1)
int fgm_fit_from_start(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, uint64_t key, int attempt,
                       const fgm_mixture *previous, double worth, fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome);

/* The same from a mixture that is given. */
int fgm_fit_from_mixture(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, double worth, fgm_monitor *monitor,
                         fgm_mixture *mixture, fgm_fit_outcome *outcome);

/* The same from a mixture fitted to rows of the same kind; with its curvature few passes are needed. */
int fgm_fit_nearby(fgm_fitter *fitter, const fgm_training *training, const fgm_fit_settings *settings, const fgm_curvature *curvature, double worth,
                   fgm_monitor *monitor, fgm_mixture *mixture, fgm_fit_outcome *outcome);

#define FGM_DEFAULT_PATIENCE 2 /* numbers of components tried beyond the best one */

/* Two tests of whether two columns, without weights, look like one Gaussian: see normality.c. */
typedef struct fgm_normality {
    double moments; /* chi-square of those of third and fourth order */
    double cells;   /* chi-square of bins^2 cells */
    int bins;
} fgm_normality;
void fgm_find_normality(fgm_samples samples, fgm_normality *found);

/* Neither test sees anything, nine times in ten where that is so; false where there are weights or another number of columns. */
bool fgm_looks_gaussian(fgm_samples samples);

/* What a search for the number of components leaves, so that replicates can choose anew: see fgm_trials_choose. */
typedef struct fgm_trials {
    int n;                /* numbers 1 .. n were tried; 0: there is no choice */
    int64_t n_rows;
    double **log_density; /* (n) of (n_rows): under fits that do not know a row, but for AIC and BIC; NULL: given up early */
    double *penalty; /* (n): what the criterion takes off the mean */
    double *worth; /* (n): objective below which a fit to all rows gives up on a ridge */
    fgm_mixture *fits; /* (n): where a fit to all rows starts, then that fit */
    fgm_curvature *curvatures; /* (n): at it, or near it until that fit */
    double least_gain; /* of the score */
    double price; /* of a component, for the cautious */
    int patience;
} fgm_trials;

/* The number of components that these weights of the rows would have chosen. The cautious pay for a component what its fit costs in log-density at
 * half the rows. */
void fgm_trials_choose(const fgm_trials *trials, const double *weights /* (n_rows) */, int *chosen, int *cautious);

/* The fit to all rows, and its curvature. */
int fgm_trials_fit(fgm_trials *trials, int number, fgm_samples samples, const fgm_fit_settings *settings, fgm_monitor *monitor);
void fgm_trials_release(fgm_trials *trials, int n_classes);

/* How many components, by the criterion; then the fit to all samples. Rows must be in random order: folds are runs of rows. */
typedef struct fgm_selection {
    fgm_mixture mixture; /* allocated by fgm_select */
    fgm_fit_outcome outcome;
    double *scores; /* (max_components) or NULL */
    fgm_trials *trials; /* all zero, to be filled; or NULL */
} fgm_selection;

/* Fits of the folds may go to options->run_tasks if parallel. */
int fgm_select(fgm_samples samples, const fgm_fit_settings *settings, uint64_t key, bool parallel, fgm_monitor *monitor, fgm_selection *selection);

/* ---- random numbers -------------------------------------------------------------------------------------------------------- */
/* See random.h. */

/* ---- classes ----------------------------------------------------------------------------------------------------------------- */

#define FGM_BIT(i) (1u << (i))

/* Which columns belong to which variable, and what is asked of them. */
typedef struct fgm_layout {
    int quantity; /* fgm_quantity */
    int d[3]; /* columns of x, y, given */
    int32_t columns[FGM_MAX_DIMENSION]; /* where the model has them, in that order */
} fgm_layout;

static inline bool fgm_is_divergence(const fgm_layout *layout) {
    return layout->quantity == FGM_QUANTITY_DIVERGENCE || layout->quantity == FGM_QUANTITY_PAIRED_DIVERGENCE;
}

/* Columns of the model as they are in the data. */
fgm_layout fgm_layout_of(const fgm_data *data);

/* Combinations of labels that occur, sorted. One class where no variable has labels. */
typedef struct fgm_classes {
    int n;
    int32_t *labels; /* (n, 3): of x, y, given; 0 where a variable has none */
    int64_t *first; /* (n + 1): rows of class c are first[c] .. first[c+1]-1 */
} fgm_classes;

/* What an error is about: a column, or the labels of a variable; -1 where it is neither. */
typedef struct fgm_fault {
    int32_t column, variable;
} fgm_fault;

static inline int fgm_compare_labels(const int32_t *a /* (3) */, const int32_t *b /* (3) */) {
    for (int v = 0; v < 3; ++v) {
        if (a[v] != b[v]) return a[v] < b[v] ? -1 : 1;
    }
    return 0;
}

/* Number of the class of each row of positive weight, in their order, and the classes. Both are allocated. */
int fgm_classes_find(const fgm_data *data, int64_t n_rows, int32_t **class_of /* (n_rows) */, fgm_classes *classes, fgm_fault *fault);
void fgm_classes_release(fgm_classes *classes);

/* The class of a combination of labels in a sorted list, or -1. */
int fgm_classes_search(const int32_t *labels /* (n, 3) */, int n, const int32_t *wanted /* (3) */);

/* A mixture of the continuous columns for each class. */
typedef struct fgm_model {
    int n_classes, d;
    const int32_t *labels; /* (n_classes, 3), not owned */
    double *probabilities; /* (n_classes) */
    fgm_mixture *mixtures; /* (n_classes): without components where d = 0 or the probability is 0 */
} fgm_model;

int fgm_model_allocate(fgm_model *model, int n_classes, int d, const int32_t *labels);
void fgm_model_release(fgm_model *model);

/* Share of the total weight of each class, whose rows are first[c] .. first[c+1]-1; where equal, the same for all that have any. */
void fgm_model_set_probabilities(fgm_model *model, fgm_samples samples, const int64_t *first /* (n_classes + 1) */, bool equal);

/* ---- Student's t ------------------------------------------------------------------------------------------------------------- */

/* A t distribution about the origin. */
typedef struct fgm_student {
    double freedom; /* degrees of freedom; 0: there is no such fit */
    fgm_mixture dispersion; /* one component */
    double log_likelihood; /* of the copula, mean per row */
    double slope; /* for fits nearby, see student.c */
} fgm_student;

/* Both degrees of freedom and dispersion, to normal scores. start: a fit nearby, or NULL. Allocates, unless it fails. */
int fgm_student_fit(fgm_samples scores, const fgm_student *start, fgm_student *student);

/* The same with degrees of freedom to some per cent, for a third of the time. */
int fgm_student_fit_roughly(fgm_samples scores, fgm_student *student);

/* The dispersion only, to columns with t marginals of start's degrees of freedom. */
int fgm_student_fit_dispersion(fgm_samples columns, const fgm_student *start, fgm_student *student);
void fgm_student_release(fgm_student *student);

/* In closed form. */
int fgm_student_information(const fgm_student *student, const fgm_layout *layout, double *information);

/* A mixture of at most so many Gaussians about the origin that is, nearly, the same distribution. Allocates. */
int fgm_student_mixture(const fgm_student *student, int most, fgm_mixture *mixture);

/* ---- data in, transformed ---------------------------------------------------------------------------------------------------- */

/* Rows class by class, in random order inside a class, transformed, ready to be fitted. Columns are in an order of their own, layout.columns, which
 * does not depend on that of the data, so that neither do estimates. */
typedef struct fgm_prepared {
    int64_t n;
    int d;
    fgm_layout layout;
    fgm_classes classes;
    double *memory; /* columns and weights */
    uint32_t *draws; /* (n): which of a replicate's weights is that of each row: its group, or its number in the data; NULL: its place */
    uint32_t *ranks; /* (d, n): rows of each column from the smallest value up; NULL unless scores are to be taken anew in replicates */
    fgm_samples samples;
    fgm_fit_settings settings; /* of a fit to all rows; each class has its own, fgm_class_settings */
    double *priors; /* (n_classes, d(d+1)/2): of each class's fit, which every replicate asks for */
    double location[FGM_MAX_DIMENSION], scale[FGM_MAX_DIMENSION], resolution[FGM_MAX_DIMENSION];
    fgm_student student; /* the fit to all rows, whose scores the columns are, where that is the map */
} fgm_prepared;

/* Whether the variables are such that the quantity is defined, and there are rows. */
int fgm_check_data(const fgm_data *data);

#define FGM_MANY_ROWS 65536 /* from which on their memory counts: rows stand as they came, shuffled, and replicates keep none */

#define FGM_VALUE_WORK 30.0 /* of ranking, or of standardising, a value, in terms of densities */

/* Rows in random places that go by what is in them: columns, which must be finite, and weights, classes, draws; and ranks, unless they are many. */
int fgm_fill_rows(fgm_prepared *prepared, const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_fault *fault);

/* Rows of positive weight. */
int64_t fgm_count_present(const fgm_data *data);

/* The weights of a random sample of the rows, which goes by what is in them: all others weigh nothing. */
int fgm_thin_out(const fgm_data *data, const fgm_options *options, int64_t n_wanted, uint64_t seed, double *weights /* (n) */);

/* Where a row of n goes under a random permutation that takes no memory: a Feistel network over the next power of two, walked until it is inside
 * (Black and Rogaway 2002). */
uint32_t fgm_scattered_place(uint64_t key, int64_t n, uint32_t row);

/* Checks, shuffles and transforms. */
int fgm_prepare(fgm_prepared *prepared, const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_fault *fault);
void fgm_prepared_release(fgm_prepared *prepared);

/* Rows of one class. */
fgm_samples fgm_class_rows(const fgm_prepared *prepared, int class);

/* A class of few rows has a Gaussian whose covariance is shrunk towards that within all classes. */
bool fgm_is_small_class(const fgm_prepared *prepared, int class);

/* Settings of the fit to one class: tolerances for its number of rows, the prior from its own covariance. */
void fgm_class_settings(const fgm_prepared *prepared, int class, fgm_fit_settings *settings);

/* Covariance of rows about the means of their classes, packed by rows. */
void fgm_within_covariance(fgm_samples samples, const int64_t *first /* (n_classes + 1) */, int n_classes, double *covariance);

/* Allocates the Gaussian of a class of few rows: the covariance within all classes counts as d + 2 rows. */
int fgm_small_class_mixture(fgm_mixture *mixture, fgm_samples rows, const double *within, const double *floor);

/* Spacing of rounded values in a column that is sorted up, and lost: 0 where no value occurs twice. */
double fgm_resolution(double *sorted /* (n) */, int64_t n, double *work /* (n) */);

/* Normal scores of a column's rows under weights: ranks (n) lists its rows from the smallest value up, values (n) are the values. */
void fgm_score_rows(const double *values, const uint32_t *ranks, int64_t n, const double *weights /* (n) or NULL */, double *scores /* (n) */);

/* Whether replicates choose the number of components of a class anew. */
bool fgm_reselects(const fgm_prepared *prepared, int class);

/* Key of a class's random numbers. */
uint64_t fgm_class_key(uint64_t key, int class);

/* What a replicate of the bootstrap starts from. */
typedef struct fgm_bootstrap {
    const fgm_prepared *prepared;
    const fgm_options *options;
    const fgm_model *model; /* fitted to all the data */
    fgm_curvature *curvatures; /* (n_classes): at its mixtures */
    fgm_trials *trials; /* (n_classes): of those whose number of components is chosen anew; NULL: of none */
    int16_t *numbers; /* (count, 2, n_classes): chosen so, and by the cautious */
    double *gains; /* (count): of the fits to all the data with the numbers chosen, over the plug-in */
    fgm_samples by_number; /* all rows in the order in which replicates draw them, where these may do so in passes */
    uint64_t seed;
    double integration_tol, integration_work;
    double log_volume; /* added to each value */
    int64_t first;
    double *values; /* (count): replicate first + i goes to values[i] */
    double *centres; /* (count): what the bias correction takes from it */
    volatile int64_t done;
    int64_t count;
} fgm_bootstrap;

/* The curvature at each class's fit, which helps fits nearby. */
int fgm_find_curvatures(const fgm_prepared *prepared, const fgm_model *model, fgm_curvature *curvatures /* (n_classes), zero */);
void fgm_release_curvatures(fgm_curvature *curvatures, int n_classes);

/* Replicates first .. first + count - 1, by options->run_tasks. A replicate that cannot be fitted is NaN. */
int fgm_run_bootstrap(fgm_bootstrap *bootstrap);

/* ---- integrals ------------------------------------------------------------------------------------------------------------- */

/* Columns of a mixture that make up the parts of an information: I(x; y | given). n_given may be 0. */
typedef struct fgm_parts {
    const int32_t *x, *y, *given;
    int n_x, n_y, n_given;
} fgm_parts;

/* Of one mixture. The value is never below zero. */
int fgm_integrate_information(const fgm_mixture *mixture, fgm_parts parts, double tol, uint64_t seed, double *value, double *error);

/* Of a model: the quantity of the layout. Information and divergence are never below zero. Lattices of more work than max_work (about a nanosecond
 * is one) give way to random points. */
#define FGM_MAX_WORK 3e8
int fgm_integrate_model(const fgm_model *model, const fgm_layout *layout, double tol, double max_work, uint64_t seed, double *value, double *error);

int fgm_integrate_entropy(const fgm_mixture *mixture, double tol, uint64_t seed, double *value, double *error);

/* Of a table (d = 0): the bias of its information at n samples by the jackknife, and the smaller of H(x | given) and H(y | given). */
int fgm_table_statistics(const fgm_model *model, const fgm_layout *layout, double n, double *bias, double *smaller_entropy);

/* What the quantity is the expectation of, at rows of one class. */
typedef struct fgm_terms fgm_terms;
int fgm_terms_create(fgm_terms **terms, const fgm_model *model, const fgm_layout *layout);
void fgm_terms_destroy(fgm_terms *terms);
#define FGM_TERMS_ROWS 256
void fgm_terms_evaluate(fgm_terms *terms, int class, fgm_samples rows /* at most FGM_TERMS_ROWS */, double *out);

/* The part of it that the density of x and y has, and that of the variable which has a column: of one class without a condition. */
void fgm_terms_evaluate_joint(fgm_terms *terms, fgm_samples rows, double *out);
void fgm_terms_evaluate_alone(fgm_terms *terms, int column, fgm_samples rows, double *out);

/* ---- over the data ------------------------------------------------------------------------------------------------------------ */

/* Of the quantity's terms over rows: weighted mean and standard deviation; the variance of the mean, and the acceleration of Efron's (1987)
 * intervals. */
typedef struct fgm_moments {
    double mean, deviation, variance, acceleration;
} fgm_moments;

int fgm_find_moments(const fgm_model *model, const fgm_layout *layout, fgm_samples samples, const int64_t *first /* (n_classes + 1) */,
                     fgm_moments *moments);

/* Mean of the quantity's terms, each row under fits to the folds that do not hold it; and, where scores is not NULL, a proper score of the log
 * ratio at each row, by whose mean maps of the columns can be compared. */
int fgm_cross_fit(const fgm_prepared *prepared, const fgm_model *whole, double *mean, double *scores /* (n) or NULL */);

/* Whether rows can be told from pairs of x and y of different rows, whatever a fit to other rows is worth: how often its log ratio is higher, in
 * standard deviations above half of the time. INFINITY where there are no such pairs. */
int fgm_rank_pairs(const fgm_prepared *prepared, const fgm_model *whole, double *deviations);

/* Odds that scores are better than others in other data of this kind: from the scatter of their difference over rows, or groups of rows. */
double fgm_odds(fgm_samples rows, const double *scores /* (n) */, const double *others /* (n) */);

/* By how much the terms' mean over the rows that a model was fitted to is above its information, in standard deviations of that mean. */
double fgm_find_excess(const fgm_moments *moments, double information, double integration_error);

/* Information that nearest neighbours find in the data beyond what they find in samples of the mixture, and its standard deviation; 0 where it is not
 * beyond its noise, of which an excess allows less, or nothing is to be looked for. See shortfall.c. */
int fgm_find_shortfall(const fgm_prepared *prepared, const fgm_model *model, double excess, uint64_t seed, double *shortfall, double *error);

/* Whether what a model claims, its information, is far above the mean of its terms over the rows that it was fitted to. */
bool fgm_is_denied(const fgm_moments *moments, double information, double integration_error);

/* Whether a mixture of several components claims no more than chance can bring about where their number was chosen: not as much as Akaike (1974)
 * charges for its parameters, a nat of all rows each. */
bool fgm_may_be_chance(const fgm_mixture *mixture, double information, double n);

/* Less than nothing is missing: adds, where rows cannot be told from pairs of different rows, by fgm_rank_pairs, all that is claimed, taken off, else
 * half of what is denied. */
void fgm_take_off(const fgm_moments *moments, double information, double integration_error, double told, double *shortfall, double *error);

/* Variance and bias of the quantity's estimate by the infinitesimal jackknife. */
int fgm_find_delta(const fgm_prepared *prepared, const fgm_model *model, double n_effective, double *variance, double *bias);

#endif
