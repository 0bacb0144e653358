/* fastgmmmi: mutual information by Gaussian mixtures, with an error bar. The public C interface, for C99 and C++ or later.
 *
 * Two ways to use it
 * ------------------
 * (a) Compile csrc/ of the source distribution into a program, or link libfastgmmmi that was built from it: include this header, call fgm_*.
 * (b) From an extension module for Python, call the core of the installed package, so that both share one core, its CPU tier and its fixes:
 *         #include <Python.h>
 *         #define FASTGMMMI_IMPORT
 *         #include "fastgmmmi.h"    the folder is what fastgmmmi.get_include() gives
 *     and call fastgmmmi_import() once in each C file that does so, with the GIL, when the module is initialised; it returns 0, or -1 with an ImportError
 *     set. The same names fgm_* are then pointers to functions, and nothing is linked. A module works with every later release of the same
 *     FGM_ABI_VERSION.
 *
 * Conventions
 * -----------
 * - Arrays are plain pointers to double; the comment at each pointer is its shape, rows first (C order). Inputs and outputs must not overlap.
 * - Samples are (n, d): one row per sample. Mixtures are weights (K), means (K, d), covariances (K, d, d); weights need not add up to 1.
 * - Information and entropy are in nats, densities per unit of the data. Units of data are the caller's.
 * - Every function that can fail returns FGM_OK (0) or an error code whose text is fgm_strerror(code). On error the outputs are unspecified. The errors named at a
 *   function are those beyond FGM_ERROR_MEMORY, which any function may return that does not say "Allocates nothing".
 * - A function that takes a mixture returns FGM_ERROR_DIMENSION (d), FGM_ERROR_OPTION (n_components), FGM_ERROR_WEIGHTS, FGM_ERROR_NOT_FINITE or
 *   FGM_ERROR_NOT_POSITIVE_DEFINITE where that is at fault: "those of a mixture" below. Pointers are not checked.
 * - No function prints, aborts, starts a thread, reads a file or keeps a pointer after it returns.
 *   All are thread-safe and reentrant: there is no mutable global state except fgm_set_cpu_tier, which is for tests. Callers may share inputs between
 *   threads, but not outputs.
 * - All memory that is passed in, for results too, is the caller's before, during and after. What a function needs beyond that it allocates with malloc
 *   and has freed when it returns, also on error.
 * - Same inputs, options and seed give the same bits on one build and CPU tier, however the work is split over threads.
 */
#ifndef FASTGMMMI_H
#define FASTGMMMI_H

#include <stddef.h>
#include <stdint.h>

#if defined(FASTGMMMI_IMPORT) && !defined(Py_PYTHON_H)
#error "FASTGMMMI_IMPORT is for extension modules of Python: include Python.h before fastgmmmi.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header, and of the library built with it. */
#define FGM_VERSION "0.1.0"

/* Grows when code compiled against an older header cannot work any more: a function of the table changes or goes, or a structure changes other than by
 * fields at its end, whose size field tells which fields a caller knows. */
#define FGM_ABI_VERSION 1

/* What a public function is declared by. FGM_FUNCTION(type, name, (parameters)) also names its type, name_function, for the table of functions below. */
#if defined(FASTGMMMI_SHARED) && defined(_WIN32) /* the library itself, built to be shared */
#define FGM_EXPORT __declspec(dllexport)
#elif defined(FASTGMMMI_SHARED) && defined(__GNUC__)
#define FGM_EXPORT __attribute__((visibility("default")))
#else
#define FGM_EXPORT
#endif
#if !defined(FASTGMMMI_IMPORT)
#define FGM_FUNCTION(type, name, parameters) \
    typedef type name##_function parameters; \
    FGM_EXPORT name##_function name
#elif defined(__GNUC__)
#define FGM_FUNCTION(type, name, parameters) \
    typedef type name##_function parameters; \
    static name##_function *name __attribute__((unused))
#else
#define FGM_FUNCTION(type, name, parameters) \
    typedef type name##_function parameters; \
    static name##_function *name
#endif

#define FGM_MAX_DIMENSION 64
#define FGM_MAX_COMPONENTS 1024

/* One list of errors: the enum here, the texts in status.c and the Python exceptions all come from it. */
#define FGM_STATUS_LIST(X) \
    X(OK, 0, "success") \
    X(ERROR_MEMORY, 1, "out of memory") \
    X(ERROR_CANCELLED, 2, "cancelled by the caller") \
    X(ERROR_OPTION, 3, "an option has a value that is not allowed") \
    X(ERROR_DIMENSION, 4, "the number of variables must be at least 1 and at most 64 in total") \
    X(ERROR_NOT_FINITE, 5, "the data contain NaN or infinity") \
    X(ERROR_WEIGHTS, 6, "weights must be finite, nonnegative and not all zero") \
    X(ERROR_TOO_FEW_SAMPLES, 7, "too few samples for the number of variables") \
    X(ERROR_TOO_MANY_COMPONENTS, 8, "more components than the samples can bear") \
    X(ERROR_CONSTANT, 9, "a column is constant, so its information is undefined") \
    X(ERROR_COLLINEAR, 10, "a column is a linear function of the others, so mutual information is infinite or undefined") \
    X(ERROR_NOT_POSITIVE_DEFINITE, 11, "a covariance matrix is not positive definite") \
    X(ERROR_COLUMNS, 12, "column numbers must be distinct and within the mixture's dimension") \
    X(ERROR_VERSION, 13, "a structure's size field does not match this version of the library") \
    X(ERROR_ONE_CLASS, 14, "a discrete variable has one label only, so its information is zero or undefined") \
    X(ERROR_LABELS, 15, "labels must be at least 0 and below n_classes") \
    X(ERROR_TOO_MANY_CLASSES, 16, "as many classes as samples, so nothing can be learned about any of them") \
    X(ERROR_GROUPS, 17, "group numbers must be at least 0 and below n, and paired rows of one group") \
    X(ERROR_FEW_GROUPS, 18, "all rows are of one group, so their scatter cannot be learned")

typedef enum fgm_status {
#define FGM_STATUS_ENUM(name, code, text) FGM_##name = code,
    FGM_STATUS_LIST(FGM_STATUS_ENUM)
#undef FGM_STATUS_ENUM
} fgm_status;

/* Text of an error code; never NULL, never to be freed. Allocates nothing. */
FGM_FUNCTION(const char *, fgm_strerror, (int status));

/* Version of the library, "major.minor.patch"; FGM_VERSION is the header's. Allocates nothing. */
FGM_FUNCTION(const char *, fgm_version, (void));

/* CPU tier in use: "baseline", "v3" or "v4" (x86-64 levels), "portable" elsewhere. FASTGMMMI_CPU in the environment can force one. Allocates
 * nothing. */
FGM_FUNCTION(const char *, fgm_cpu_tier, (void));

/* Force a tier by name (for tests; not while another thread computes). FGM_ERROR_OPTION where this machine cannot run it. Allocates nothing. */
FGM_FUNCTION(int, fgm_set_cpu_tier, (const char *tier));

typedef enum fgm_criterion { FGM_CRITERION_CV = 0, FGM_CRITERION_AIC = 1, FGM_CRITERION_BIC = 2 } fgm_criterion;

/* Starting points of EM; the last six are gmm-mi's (Piras et al. 2023), "split" starts from the fit with one component fewer. */
typedef enum fgm_init {
    FGM_INIT_KMEANSPP = 0,
    FGM_INIT_SPLIT = 1,
    FGM_INIT_RANDOM = 2,
    FGM_INIT_MINMAX = 3,
    FGM_INIT_KMEANS = 4,
    FGM_INIT_RANDOMIZED_KMEANS = 5,
    FGM_INIT_RANDOM_SKLEARN = 6,
    FGM_INIT_KMEANS_SKLEARN = 7
} fgm_init;

/* How columns are transformed before the fit. To studentise is to take the scores of Student's t in place of normal ones, and one multivariate t
 * distribution in place of free components: for numbers only, whose components nobody counts. "auto" measures which of these maps describes the
 * dependence of x and y better on held-out rows; with a condition, and for entropies and divergences, it standardises. */
typedef enum fgm_marginals {
    FGM_MARGINALS_NONE = 0,
    FGM_MARGINALS_STANDARDIZE = 1,
    FGM_MARGINALS_GAUSSIANIZE = 2,
    FGM_MARGINALS_AUTO = 3,
    FGM_MARGINALS_STUDENTIZE = 4
} fgm_marginals;

/* What a fitted density is integrated over: itself, or the data, each row under a fit to the folds that do not hold it. */
typedef enum fgm_integral { FGM_INTEGRAL_MODEL = 0, FGM_INTEGRAL_DATA = 1 } fgm_integral;

/* Error bars by the bootstrap, or by the infinitesimal jackknife, which needs one fit only. */
typedef enum fgm_error { FGM_ERROR_BY_BOOTSTRAP = 0, FGM_ERROR_BY_DELTA = 1 } fgm_error;

/* A task is one index of a parallel loop. is_caller is nonzero on the thread that called the library, which alone polls. */
typedef int (*fgm_task)(void *task_data, int64_t index, int is_caller);

/* Runs task(task_data, i, is_caller) for i = 0 .. n_tasks-1 in any order on any threads, waits for all, returns the first nonzero status or 0. It is
 * called once for a job, with more tasks than there are threads: the first one does the job, those that run meanwhile help it, and those that begin
 * later return at once. So one thread for each processor is enough, the calling one among them. */
typedef int (*fgm_run_tasks)(void *runner_data, int64_t n_tasks, fgm_task task, void *task_data);

/* Called now and then (about every millisecond of work) by the thread that called the library; nonzero cancels.
 * done of total bootstrap replicates are finished. */
typedef int (*fgm_poll)(void *poll_data, int64_t done, int64_t total);

typedef struct fgm_options {
    size_t size;                 /* sizeof(fgm_options), set by fgm_options_init */
    int32_t n_components;        /* 0: selected by the criterion */
    int32_t max_components;      /* largest number tried */
    int32_t criterion;           /* fgm_criterion */
    int32_t init;                /* fgm_init */
    int32_t n_folds;             /* cross-validation folds */
    int32_t n_inits;             /* starting points of each fit */
    int32_t patience;            /* numbers of components tried beyond the best one; up to 2, none beyond two components where these are no better than
                                  * one and two columns look like one Gaussian */
    int32_t max_iter;            /* EM passes of one fit */
    double tol;                  /* EM stops where less log-likelihood than this per sample is left to gain, nats; 0: 0.005 / n, and then Newton's method
                                  * goes on to the very maximum */
    double reg_covar;            /* smallest variance of a component, relative to the variance of its column */
    double init_scale;           /* scale s of gmm-mi's starting points; 0: its default */
    int32_t marginals;           /* fgm_marginals */
    int32_t n_bootstrap;         /* replicates; 0: no error bar */
    int32_t reselect;            /* choose the number of components anew in every replicate: 1, 0, or -1: where it matters */
    int32_t equal_classes;       /* 1: classes count as equally probable, whatever their numbers of samples; 0: as the data have them */
    double integration_tol;      /* nats, up to dimension 3; above, a tenth of the standard error */
    const volatile int *cancel;  /* NULL, or polled: nonzero ends the call with FGM_ERROR_CANCELLED */
    fgm_run_tasks run_tasks;     /* NULL: a plain loop on the calling thread */
    void *runner_data;           /* first argument of run_tasks */
    fgm_poll poll;               /* NULL: none */
    void *poll_data;             /* first argument of poll */
    double least_gain;           /* least improvement that counts in the choice of the number of components: nats per sample, of AIC and BIC their units;
                                  * 0: any, but for log C nats in all where there are C classes */
    double least_variance;       /* smallest variance of a component in the data's own units squared, beside reg_covar; 0: none */
    int32_t integral;            /* fgm_integral */
    int32_t error;               /* fgm_error */
} fgm_options;

/* Fills the first size bytes of options with the defaults, size included. Allocates nothing. */
FGM_FUNCTION(void, fgm_options_defaults, (fgm_options *options, size_t size));

/* Defaults. Call first, then change fields. The size is that of the caller's header, whatever the library has appended since. */
static inline void fgm_options_init(fgm_options *options) { fgm_options_defaults(options, sizeof *options); }

/* ---- Mixtures: weights (K), means (K, d), covariances (K, d, d) ----------------------------------------------------------- */

/* Natural logarithm of the density at each row of X; NaN where the row holds one. Errors: those of a mixture. */
FGM_FUNCTION(int, fgm_log_density, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const double *X,           /* (n, d) */
             int64_t n,
             double *out));             /* (n) */

/* Probability of each component at each row of X: rows add up to 1, and are NaN where that of X holds one. Errors: those of a mixture. */
FGM_FUNCTION(int, fgm_responsibilities, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const double *X,           /* (n, d) */
             int64_t n,
             double *out));             /* (n, K) */

/* The same two in work memory of the caller's, which need not be aligned or cleared: they allocate nothing. The rest of the library works on memory
 * whose size depends on the data, and takes it from malloc. */
FGM_FUNCTION(int, fgm_log_density_in, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const double *X,           /* (n, d) */
             int64_t n,
             double *out,               /* (n) */
             double *work));            /* (fgm_density_work_size(K, d)) */
FGM_FUNCTION(int, fgm_responsibilities_in, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const double *X,           /* (n, d) */
             int64_t n,
             double *out,               /* (n, K) */
             double *work));            /* (fgm_density_work_size(K, d)) */

/* Doubles of that work memory, for any n; 0 where n_components or d is not allowed. Allocates nothing. */
FGM_FUNCTION(size_t, fgm_density_work_size, (int32_t n_components, int32_t d));

/* n independent draws; row i depends on the mixture, the seed and i alone. Errors: those of a mixture. */
FGM_FUNCTION(int, fgm_sample, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             uint64_t seed, int64_t n,
             double *X));               /* (n, d) */

/* The mixture of some of the columns, in the order given. The number of components and the weights stay. Errors: FGM_ERROR_DIMENSION,
 * FGM_ERROR_OPTION (n_components), FGM_ERROR_COLUMNS. Allocates nothing. */
FGM_FUNCTION(int, fgm_marginal, (int32_t n_components, int32_t d,
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const int32_t *columns, int32_t n_columns,
             double *out_means,         /* (K, n_columns) */
             double *out_covariances)); /* (K, n_columns, n_columns) */

/* The mixture of the other columns (in their order) where the given columns have the given values. Errors: those of a mixture; FGM_ERROR_COLUMNS,
 * also where no column is left; FGM_ERROR_NOT_FINITE where the values are not finite, or so far out that their density is zero even in
 * logarithms. Allocates nothing. */
FGM_FUNCTION(int, fgm_conditional, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const int32_t *columns, int32_t n_columns,
             const double *values,      /* (n_columns) */
             double *out_weights,       /* (K) */
             double *out_means,         /* (K, d - n_columns) */
             double *out_covariances)); /* (K, d - n_columns, d - n_columns) */

/* Differential entropy, nats. tol > 0 is the error aimed at, nats; the estimate of the error made comes back in *error. seed matters above
 * dimension 3. Errors: those of a mixture, FGM_ERROR_OPTION (tol). */
FGM_FUNCTION(int, fgm_entropy, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             double tol, uint64_t seed, double *entropy, double *error));

/* Mutual information between two sets of columns, given a third, which may be empty (n_given = 0, given_columns NULL), nats. Never below zero.
 * tol, seed and *error as in fgm_entropy. Errors: those of a mixture, FGM_ERROR_OPTION (tol), FGM_ERROR_COLUMNS. */
FGM_FUNCTION(int, fgm_mixture_mutual_information, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             const int32_t *x_columns, int32_t n_x,
             const int32_t *y_columns, int32_t n_y,
             const int32_t *given_columns, int32_t n_given,
             double tol, uint64_t seed, double *value, double *error));

/* Kullback-Leibler divergence KL(p || q) of two mixtures over the same variables, nats. Never below zero. tol, seed and *error as in fgm_entropy.
 * Errors: those of a mixture, FGM_ERROR_OPTION (tol). */
FGM_FUNCTION(int, fgm_kl_divergence, (int32_t d,
             int32_t n_components_p,
             const double *weights_p,     /* (K_p) */
             const double *means_p,       /* (K_p, d) */
             const double *covariances_p, /* (K_p, d, d) */
             int32_t n_components_q,
             const double *weights_q,     /* (K_q) */
             const double *means_q,       /* (K_q, d) */
             const double *covariances_q, /* (K_q, d, d) */
             double tol, uint64_t seed, double *value, double *error));

/* A function to be averaged: writes its value at each point. Nonzero, a status, ends the call that called it. */
typedef int (*fgm_function)(void *function_data, const double *points /* (n, d) */, int64_t n, double *values /* (n) */);

/* Expectation of any function under the mixture, over nodes that the mixture, the seed and the function's values decide. tol is the error aimed at,
 * relative to the expectation of |f|; the estimate of the error made comes back in *error. The function is called on the calling thread.
 * Errors: those of a mixture; FGM_ERROR_OPTION (tol); FGM_ERROR_NOT_FINITE where a value is NaN or infinite; what the function returned. */
FGM_FUNCTION(int, fgm_expect, (int32_t n_components, int32_t d,
             const double *weights,     /* (K) */
             const double *means,       /* (K, d) */
             const double *covariances, /* (K, d, d) */
             fgm_function function, void *function_data,
             double tol, uint64_t seed, double *value, double *error,
             double *fault));           /* (d): point whose value is not finite; or NULL */

/* ---- Fit ------------------------------------------------------------------------------------------------------------------- */

/* Outcome of fgm_fit. Set size; each pointer may be NULL. Arrays hold max_components (or n_components where it is fixed) components. */
typedef struct fgm_fit_result {
    size_t size;                /* sizeof(fgm_fit_result) */
    int32_t n_components;
    int32_t converged;
    int32_t n_iter;             /* EM passes of the final fit */
    int32_t fault_column;       /* column that an error is about, or -1 */
    double log_likelihood;      /* weighted mean per sample, nats */
    double *weights;            /* (K) */
    double *means;              /* (K, d) */
    double *covariances;        /* (K, d, d) */
    double *scores;             /* (max_components): selection score of 1, 2, ... components per sample, larger is better, NaN where not tried */
} fgm_fit_result;

/* Fit a mixture by weighted maximum likelihood, in the data's own coordinates (standardised inside). Errors: FGM_ERROR_VERSION, FGM_ERROR_OPTION,
 * FGM_ERROR_DIMENSION, FGM_ERROR_WEIGHTS, FGM_ERROR_TOO_FEW_SAMPLES (fewer than 2 (d + 2)), FGM_ERROR_TOO_MANY_COMPONENTS, FGM_ERROR_NOT_FINITE,
 * FGM_ERROR_CONSTANT, FGM_ERROR_COLLINEAR; FGM_ERROR_CANCELLED. options->run_tasks may call the library from other threads until this returns. */
FGM_FUNCTION(int, fgm_fit, (const double *X, /* (n, d) */
             int64_t n, int32_t d,
             const double *sample_weight,    /* (n) or NULL */
             const fgm_options *options, uint64_t seed, fgm_fit_result *result));

/* ---- The whole job ----------------------------------------------------------------------------------------------------------- */

/* Outcome of a job. Set size; each pointer may be NULL. d is the number of columns of all variables together, in the order x, y, given.
 *
 * Where variables are discrete there is one mixture of the continuous columns for each class, that is, each combination of labels that occurs. The
 * parameters of all classes stand one after the other: K is the number of components of all of them, and weights add up to 1 in each class. */
typedef struct fgm_result {
    size_t size;                /* sizeof(fgm_result) */
    double value;               /* bias-corrected estimate; plug_in where n_bootstrap = 0 and the error is by bootstrap */
    double standard_error;      /* NaN where n_bootstrap < 2 and the error is by bootstrap */
    double plug_in;             /* of the mixtures fitted to all the data, or cross-fitted where the integral is over the data */
    double integration_error;   /* of plug_in's integral; 0 for one over the data */
    double acceleration;        /* of the BCa interval: with U the influence of a row, or of a group, sum U^3 / (6 (sum U^2)^1.5) */
    double log_likelihood;      /* mean per sample of the continuous columns given the class, in the transformed coordinates */
    int32_t n_components;       /* K */
    int32_t converged;
    int32_t n_iter;
    int32_t n_failed;           /* replicates that could not be fitted: NaN in bootstrap */
    int32_t reselected;         /* 1: every replicate chose its number of components */
    int32_t fault_column;       /* column that an error is about, or -1 */
    int32_t diverging;          /* 1: the estimate kept growing with the number of components: y looks like a function of x */
    int32_t marginals;          /* fgm_marginals that was taken */
    double *bootstrap;          /* (n_bootstrap): estimate of each replicate */
    double *centres;            /* (n_bootstrap): what the bias correction takes from each replicate, see fgm_finish */
    double *scores;             /* (n_classes, max_components) */
    double *weights;            /* (K) */
    double *means;              /* (K, d) in transformed coordinates */
    double *covariances;        /* (K, d, d) */
    double *location;           /* (d): transformed = (data - location) / scale, before normal scores are taken */
    double *scale;              /* (d) */
    double *resolution;         /* (d): spacing of rounded data in its own units, 0 where none was found */
    double smaller_entropy;     /* where x and y are discrete: the smaller of H(x | given), H(y | given) in the table; else NaN */
    int32_t n_classes;          /* 1 where no variable is discrete */
    int32_t n_small_classes;    /* classes of fewer than 2 (d + 2) rows, which share one covariance */
    int32_t fault_variable;     /* 0 x, 1 y, 2 given: variable whose labels an error is about, or -1 */
    int32_t is_corrected;       /* 1: the bias is not learned from replicates, and corrected is the value without it */
    int32_t *class_labels;      /* (n_classes, 3): labels of x, y and given; 0 where a variable has none */
    double *class_probabilities; /* (n_classes) */
    int32_t *class_components;  /* (n_classes) */
    double corrected;           /* for tables, integrals over the data and FGM_ERROR_BY_DELTA */
    double degrees_of_freedom;  /* of Student's t, where columns are its scores; else NaN */
    double shortfall;           /* information that nearest neighbours find in the data and not in samples of the model; below 0, half of what the
                                 * model claims beyond the mean log ratio of its rows, or all that it claims, where that is much more than these say
                                 * or no more than chance may bring about, and held-out rows cannot be told from pairs of different rows: then value
                                 * is 0. Part of value, and, as the model may still be as far off, of standard_error. 0 where none was found, or
                                 * looked for */
    double shortfall_error;     /* its standard deviation, likewise part of standard_error */
    double marginals_error;     /* scatter of the value over the maps of the columns that held-out rows can hardly tell apart, likewise part of
                                 * standard_error; 0 where one map is sure, was asked for, or was chosen on a sample of the rows */
    int64_t n_copies;           /* rows, or pairs of a paired divergence, that are copies of others, which they were resampled and folded with, see
                                 * fgm_copies; 0 where groups are given */
} fgm_result;

/* A variable: continuous columns, labels, or both. All zero where it is absent. */
typedef struct fgm_variable {
    const double *values;       /* (n, d), each row of numbers side by side, or NULL where d = 0 */
    const int32_t *labels;      /* (n): 0 .. n_classes-1, or NULL */
    int32_t d;
    int32_t n_classes;          /* labels that may occur */
    int64_t stride;             /* of values: numbers from the start of a row to that of the next; 0 stands for d */
} fgm_variable;

/* What is to be estimated. */
typedef enum fgm_quantity {
    FGM_QUANTITY_INFORMATION = 0,      /* I(x; y | given); given may be absent */
    FGM_QUANTITY_ENTROPY = 1,          /* differential entropy of the columns of x, in their own units */
    FGM_QUANTITY_DIVERGENCE = 2,       /* KL(p || q): x holds the rows of both samples, y labels them 0 (p) and 1 (q) */
    FGM_QUANTITY_PAIRED_DIVERGENCE = 3 /* the same; rows i and i + n/2 belong together and are resampled together */
} fgm_quantity;

typedef struct fgm_data {
    size_t size;                 /* sizeof(fgm_data) */
    int64_t n;
    fgm_variable x, y, given;
    const double *sample_weight; /* (n) or NULL */
    int32_t quantity;            /* fgm_quantity */
    int32_t reserved;            /* 0 */
    const int32_t *groups;       /* (n): 0 .. n-1: rows of one group are resampled and folded together; NULL: each row is its own group, but for
                                  * copies, see fgm_copies */
} fgm_data;

/* The most classes and components that a result of this job can hold, to size its arrays. Errors: FGM_ERROR_VERSION, FGM_ERROR_TOO_FEW_SAMPLES,
 * FGM_ERROR_WEIGHTS, FGM_ERROR_LABELS, FGM_ERROR_ONE_CLASS, FGM_ERROR_TOO_MANY_CLASSES. */
FGM_FUNCTION(int, fgm_result_sizes, (const fgm_data *data, const fgm_options *options, int32_t *n_classes, int64_t *n_components));

/* Number rows so that those that are copies of others share theirs, which is the place of the first. *n_copies counts all but the first of each. It is
 * 0, and groups are unspecified, where fewer than 5% of the rows are copies, or equal rows may be rounded ones that meet by chance: unless two columns
 * at least take nine tenths as many values as there are different rows, or the numbers of times that rows occur have a common divisor. Jobs without
 * groups take what this finds, and so does fgm_fit: on both sides of a fold copies would look like dependence. Rows are those of all variables
 * together, of which there may be any number. */
FGM_FUNCTION(int, fgm_copies, (const fgm_variable *variables, /* (n_variables) */
             int32_t n_variables, int64_t n,
             int32_t *groups,                                 /* (n) */
             int64_t *n_copies));

/* Any estimate: fit, bias correction and error bar by bootstrap. With x and y both discrete it is that of their table, corrected by the
 * jackknife. Errors: those of fgm_fit and fgm_result_sizes; fault_column and fault_variable of the result say what they are about. */
FGM_FUNCTION(int, fgm_information, (const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result));

/* Replicates first .. first+count-1 of the same job, given the mixtures fitted to all the data, as fgm_information gave them in its result: any
 * range, any process, same bits. Errors: those of fgm_information, and those of a mixture. */
FGM_FUNCTION(int, fgm_information_range, (const fgm_data *data, const fgm_options *options, uint64_t seed,
             const int32_t *class_components, /* (n_classes) */
             const double *weights,           /* (K) */
             const double *means,             /* (K, d) in transformed coordinates */
             const double *covariances,       /* (K, d, d) */
             int64_t first, int64_t count,
             double *bootstrap,               /* (count) */
             double *centres));               /* (count) */

/* At each row of data in transformed coordinates: log p(x,y|z) / (p(x|z) p(y|z)), -log p(x), or log p(x) / q(x), nats. Labels that the fit has
 * not seen, or that are below 0, have probability 0: -infinity. The arrays are those of a result. Errors: FGM_ERROR_VERSION, those of a mixture. */
FGM_FUNCTION(int, fgm_pointwise, (const fgm_data *data, int32_t n_classes,
             const int32_t *class_labels,       /* (n_classes, 3) */
             const double *class_probabilities, /* (n_classes) */
             const int32_t *class_components,   /* (n_classes) */
             const double *weights,             /* (K) */
             const double *means,               /* (K, d) */
             const double *covariances,         /* (K, d, d) */
             double *out));                     /* (n) */

/* fgm_information of two continuous variables. */
FGM_FUNCTION(int, fgm_mutual_information, (const double *x, /* (n, dx) */
             const double *y,                               /* (n, dy) */
             int64_t n, int32_t dx, int32_t dy,
             const double *sample_weight,                   /* (n) or NULL */
             const fgm_options *options, uint64_t seed, fgm_result *result));

/* fgm_information_range of the same. */
FGM_FUNCTION(int, fgm_bootstrap_range, (const double *x, /* (n, dx) */
             const double *y,                            /* (n, dy) */
             int64_t n, int32_t dx, int32_t dy,
             const double *sample_weight,                /* (n) or NULL */
             const fgm_options *options, uint64_t seed,
             int32_t n_components,
             const double *weights,                      /* (K) */
             const double *means,                        /* (K, d) in transformed coordinates */
             const double *covariances,                  /* (K, d, d) */
             int64_t first, int64_t count,
             double *bootstrap,                          /* (count) */
             double *centres));                          /* (count) */

/* value, standard_error and n_failed of result: corrected where is_corrected, else 2 plug_in - mean(centres), and the standard deviation of bootstrap.
 * Where replicates choose their number of components anew, and the data have chosen more than one, value is made of two corrected estimates: .4 with the
 * number of the full fit, and .6 with the numbers that replicates choose, corrected by replicates with the number that half as many rows would choose,
 * since a search is biased towards few components. A centre holds what that takes from a replicate and adds to plug_in; bootstrap is .15 with the number
 * of the full fit. Where the data have chosen one component, a centre is the mean of both corrections, and the plug-in that of one.
 * Then shortfall is added to value, which is 0 where shortfall is -plug_in, and the squares of shortfall, shortfall_error and marginals_error to that
 * of standard_error.
 * Errors: FGM_ERROR_VERSION. Allocates nothing. */
FGM_FUNCTION(int, fgm_finish, (const double *bootstrap, /* (n_bootstrap) */
             const double *centres,                     /* (n_bootstrap) */
             int64_t n_bootstrap, fgm_result *result));

/* ---- Marginal maps ------------------------------------------------------------------------------------------------------------ */

/* Normal scores of one column: the distinct values, sorted, and the score of each (ties share the mean rank). *n_knots is the number of them.
 * Errors: FGM_ERROR_TOO_FEW_SAMPLES where n < 1. Values must be finite. */
FGM_FUNCTION(int, fgm_normal_scores, (const double *column, /* (n) */
             int64_t n,
             const double *sample_weight,                   /* (n) or NULL */
             double *knots,                                 /* (n) */
             double *scores,                                /* (n) */
             int64_t *n_knots));

/* The map applied to other values: linear between knots, constant slope of the end pieces outside, so that it stays monotone. Errors:
 * FGM_ERROR_CONSTANT where n_knots < 2. Allocates nothing. */
FGM_FUNCTION(int, fgm_apply_normal_scores, (const double *knots, /* (n_knots) */
             const double *scores,                               /* (n_knots) */
             int64_t n_knots,
             const double *values,                               /* (n) */
             int64_t n,
             double *out));                                      /* (n) */

/* Scores of Student's t, of so many degrees of freedom, in place of normal ones. NaN stays NaN; a size beyond 9 counts as 9. FGM_ERROR_OPTION where
 * degrees_of_freedom is below 0.4 or not finite. */
FGM_FUNCTION(int, fgm_student_scores, (double degrees_of_freedom, int64_t n, const double *scores /* (n) */, double *out /* (n) */));

/* exp and log as the kernels compute them (for tests): within 2 ulp; exp is 0 below -708 and infinity above 709. Allocate nothing. */
FGM_FUNCTION(void, fgm_exp, (const double *in /* (n) */, int64_t n, double *out /* (n) */));
FGM_FUNCTION(void, fgm_log, (const double *in /* (n) */, int64_t n, double *out /* (n) */));

/* ---- The table of functions ------------------------------------------------------------------------------------------------------ */

/* Every public function, in the order of the table: new ones are appended, and none is moved, changed or taken away without a new FGM_ABI_VERSION. */
#define FGM_FUNCTIONS(X) \
    X(fgm_version) \
    X(fgm_strerror) \
    X(fgm_cpu_tier) \
    X(fgm_set_cpu_tier) \
    X(fgm_options_defaults) \
    X(fgm_log_density) \
    X(fgm_responsibilities) \
    X(fgm_sample) \
    X(fgm_marginal) \
    X(fgm_conditional) \
    X(fgm_entropy) \
    X(fgm_mixture_mutual_information) \
    X(fgm_kl_divergence) \
    X(fgm_fit) \
    X(fgm_result_sizes) \
    X(fgm_information) \
    X(fgm_information_range) \
    X(fgm_pointwise) \
    X(fgm_mutual_information) \
    X(fgm_bootstrap_range) \
    X(fgm_finish) \
    X(fgm_normal_scores) \
    X(fgm_apply_normal_scores) \
    X(fgm_exp) \
    X(fgm_log) \
    X(fgm_density_work_size) \
    X(fgm_log_density_in) \
    X(fgm_responsibilities_in) \
    X(fgm_expect) \
    X(fgm_student_scores) \
    X(fgm_copies)

/* What the capsule fastgmmmi._core._C_API of the installed package points to. The first three members have their places for ever. */
typedef struct fgm_api {
    int32_t abi_version; /* FGM_ABI_VERSION of the library */
    size_t size;         /* sizeof(fgm_api) of the library */
#define FGM_API_MEMBER(name) name##_function *name;
    FGM_FUNCTIONS(FGM_API_MEMBER)
#undef FGM_API_MEMBER
} fgm_api;

#ifndef FASTGMMMI_IMPORT
/* The table of this library; it lives as long as the library is loaded. Allocates nothing. */
FGM_EXPORT const fgm_api *fgm_get_api(void);
#else
/* Points fgm_* of this C file to the core of the installed package. With the GIL; 0, or -1 with an ImportError set that says what to install. */
static inline int fastgmmmi_import(void) {
    const fgm_api *api = (const fgm_api *)PyCapsule_Import("fastgmmmi._core._C_API", 0);
    if (!api) return -1;
    if (api->abi_version != FGM_ABI_VERSION) {
        PyErr_Format(PyExc_ImportError,
                     "this module was compiled with the header of fastgmmmi %s (ABI version %d), but fastgmmmi %s (ABI version %d) is installed: "
                     "compile the module again, or install fastgmmmi %s",
                     FGM_VERSION, FGM_ABI_VERSION, api->fgm_version(), (int)api->abi_version, FGM_VERSION);
        return -1;
    }
    if (api->size < sizeof(fgm_api)) {
        PyErr_Format(PyExc_ImportError,
                     "this module was compiled with the header of fastgmmmi %s (%zu bytes of functions), but fastgmmmi %s (%zu bytes), which is older, is "
                     "installed: upgrade with pip install 'fastgmmmi>=%s'",
                     FGM_VERSION, sizeof(fgm_api), api->fgm_version(), api->size, FGM_VERSION);
        return -1;
    }
#define FGM_IMPORT_FUNCTION(name) name = api->name;
    FGM_FUNCTIONS(FGM_IMPORT_FUNCTION)
#undef FGM_IMPORT_FUNCTION
    return 0;
}
#endif

#ifdef __cplusplus
}
#endif

#endif
