# Types and constants of fastgmmmi.h. Other packages get them from cython_api.pxd.

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from "fastgmmmi.h" nogil:
    enum:
        FGM_ABI_VERSION, FGM_MAX_DIMENSION, FGM_MAX_COMPONENTS

    ctypedef enum fgm_status:
        FGM_OK, FGM_ERROR_MEMORY, FGM_ERROR_CANCELLED, FGM_ERROR_OPTION, FGM_ERROR_DIMENSION, FGM_ERROR_NOT_FINITE, FGM_ERROR_WEIGHTS
        FGM_ERROR_TOO_FEW_SAMPLES, FGM_ERROR_TOO_MANY_COMPONENTS, FGM_ERROR_CONSTANT, FGM_ERROR_COLLINEAR, FGM_ERROR_NOT_POSITIVE_DEFINITE
        FGM_ERROR_COLUMNS, FGM_ERROR_VERSION, FGM_ERROR_ONE_CLASS, FGM_ERROR_LABELS, FGM_ERROR_TOO_MANY_CLASSES
        FGM_ERROR_GROUPS, FGM_ERROR_FEW_GROUPS

    ctypedef enum fgm_criterion:
        FGM_CRITERION_CV, FGM_CRITERION_AIC, FGM_CRITERION_BIC

    ctypedef enum fgm_init:
        FGM_INIT_KMEANSPP, FGM_INIT_SPLIT, FGM_INIT_RANDOM, FGM_INIT_MINMAX, FGM_INIT_KMEANS
        FGM_INIT_RANDOMIZED_KMEANS, FGM_INIT_RANDOM_SKLEARN, FGM_INIT_KMEANS_SKLEARN

    ctypedef enum fgm_marginals:
        FGM_MARGINALS_NONE, FGM_MARGINALS_STANDARDIZE, FGM_MARGINALS_GAUSSIANIZE, FGM_MARGINALS_AUTO, FGM_MARGINALS_STUDENTIZE

    ctypedef enum fgm_integral:
        FGM_INTEGRAL_MODEL, FGM_INTEGRAL_DATA

    ctypedef enum fgm_error:
        FGM_ERROR_BY_BOOTSTRAP, FGM_ERROR_BY_DELTA

    ctypedef enum fgm_quantity:
        FGM_QUANTITY_INFORMATION, FGM_QUANTITY_ENTROPY, FGM_QUANTITY_DIVERGENCE, FGM_QUANTITY_PAIRED_DIVERGENCE

    ctypedef int (*fgm_task)(void *task_data, int64_t index, int is_caller) noexcept nogil
    ctypedef int (*fgm_run_tasks)(void *runner_data, int64_t n_tasks, fgm_task task, void *task_data) noexcept nogil
    ctypedef int (*fgm_poll)(void *poll_data, int64_t done, int64_t total) noexcept nogil
    ctypedef int (*fgm_function)(void *function_data, const double *points, int64_t n, double *values) noexcept nogil

    ctypedef struct fgm_options:
        size_t size
        int32_t n_components, max_components, criterion, init, n_folds, n_inits, patience, max_iter
        double tol, reg_covar, init_scale
        int32_t marginals, n_bootstrap, reselect, equal_classes
        double integration_tol
        const volatile int *cancel
        fgm_run_tasks run_tasks
        void *runner_data
        fgm_poll poll
        void *poll_data
        double least_gain, least_variance
        int32_t integral, error

    ctypedef struct fgm_fit_result:
        size_t size
        int32_t n_components, converged, n_iter, fault_column
        double log_likelihood
        double *weights
        double *means
        double *covariances
        double *scores

    ctypedef struct fgm_result:
        size_t size
        double value, standard_error, plug_in, integration_error, acceleration, log_likelihood
        int32_t n_components, converged, n_iter, n_failed, reselected, fault_column, diverging, marginals
        double *bootstrap
        double *centres
        double *scores
        double *weights
        double *means
        double *covariances
        double *location
        double *scale
        double *resolution
        double smaller_entropy
        int32_t n_classes, n_small_classes, fault_variable, is_corrected
        int32_t *class_labels
        double *class_probabilities
        int32_t *class_components
        double corrected
        double degrees_of_freedom
        double shortfall, shortfall_error, marginals_error
        int64_t n_copies

    ctypedef struct fgm_variable:
        const double *values
        const int32_t *labels
        int32_t d, n_classes
        int64_t stride

    ctypedef struct fgm_data:
        size_t size
        int64_t n
        fgm_variable x, y, given
        const double *sample_weight
        int32_t quantity, reserved
        const int32_t *groups
