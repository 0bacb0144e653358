# The functions of fastgmmmi.h for Cython, with its types: shapes, units, errors and who owns memory are said there.
#
# Functions come from the installed core, so that a package that cimports them links nothing. Pass fastgmmmi.get_include() as include_dirs, where the
# compiler finds fastgmmmi.h. Cython compares signatures as strings when a module is imported: none may change (tests/abi).

from libc.stdint cimport int32_t, int64_t, uint64_t

from fastgmmmi.types cimport *

cdef const char *fgm_version() noexcept nogil
cdef const char *fgm_strerror(int status) noexcept nogil
cdef const char *fgm_cpu_tier() noexcept nogil
cdef int fgm_set_cpu_tier(const char *tier) noexcept nogil
cdef void fgm_options_defaults(fgm_options *options, size_t size) noexcept nogil
cdef int fgm_log_density(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                         int64_t n, double *out) noexcept nogil
cdef int fgm_responsibilities(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                              int64_t n, double *out) noexcept nogil
cdef int fgm_sample(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, uint64_t seed, int64_t n,
                    double *X) noexcept nogil
cdef int fgm_marginal(int32_t n_components, int32_t d, const double *means, const double *covariances, const int32_t *columns, int32_t n_columns,
                      double *out_means, double *out_covariances) noexcept nogil
cdef int fgm_conditional(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                         const int32_t *columns, int32_t n_columns, const double *values, double *out_weights, double *out_means,
                         double *out_covariances) noexcept nogil
cdef int fgm_entropy(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, double tol,
                     uint64_t seed, double *entropy, double *error) noexcept nogil
cdef int fgm_mixture_mutual_information(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                                        const int32_t *x_columns, int32_t n_x, const int32_t *y_columns, int32_t n_y, const int32_t *given_columns,
                                        int32_t n_given, double tol, uint64_t seed, double *value, double *error) noexcept nogil
cdef int fgm_kl_divergence(int32_t d, int32_t n_components_p, const double *weights_p, const double *means_p, const double *covariances_p,
                           int32_t n_components_q, const double *weights_q, const double *means_q, const double *covariances_q, double tol,
                           uint64_t seed, double *value, double *error) noexcept nogil
cdef int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed,
                 fgm_fit_result *result) noexcept nogil
cdef int fgm_result_sizes(const fgm_data *data, const fgm_options *options, int32_t *n_classes, int64_t *n_components) noexcept nogil
cdef int fgm_information(const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result) noexcept nogil
cdef int fgm_information_range(const fgm_data *data, const fgm_options *options, uint64_t seed, const int32_t *class_components,
                               const double *weights, const double *means, const double *covariances, int64_t first, int64_t count, double *bootstrap,
                               double *centres) noexcept nogil
cdef int fgm_pointwise(const fgm_data *data, int32_t n_classes, const int32_t *class_labels, const double *class_probabilities,
                       const int32_t *class_components, const double *weights, const double *means, const double *covariances,
                       double *out) noexcept nogil
cdef int fgm_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                                const fgm_options *options, uint64_t seed, fgm_result *result) noexcept nogil
cdef int fgm_bootstrap_range(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                             const fgm_options *options, uint64_t seed, int32_t n_components, const double *weights, const double *means,
                             const double *covariances, int64_t first, int64_t count, double *bootstrap, double *centres) noexcept nogil
cdef int fgm_finish(const double *bootstrap, const double *centres, int64_t n_bootstrap, fgm_result *result) noexcept nogil
cdef int fgm_normal_scores(const double *column, int64_t n, const double *sample_weight, double *knots, double *scores,
                           int64_t *n_knots) noexcept nogil
cdef int fgm_apply_normal_scores(const double *knots, const double *scores, int64_t n_knots, const double *values, int64_t n,
                                 double *out) noexcept nogil
cdef int fgm_student_scores(double degrees_of_freedom, int64_t n, const double *scores, double *out) noexcept nogil
cdef int fgm_copies(const fgm_variable *variables, int32_t n_variables, int64_t n, int32_t *groups, int64_t *n_copies) noexcept nogil
cdef void fgm_exp(const double *values, int64_t n, double *out) noexcept nogil
cdef void fgm_log(const double *values, int64_t n, double *out) noexcept nogil
cdef size_t fgm_density_work_size(int32_t n_components, int32_t d) noexcept nogil
cdef int fgm_log_density_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                            int64_t n, double *out, double *work) noexcept nogil
cdef int fgm_responsibilities_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                                 const double *X, int64_t n, double *out, double *work) noexcept nogil
cdef int fgm_expect(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, fgm_function function,
                    void *function_data, double tol, uint64_t seed, double *value, double *error, double *fault) noexcept nogil

# For jit.py, which fills no structures: fgm_mutual_information with the default options but for n_bootstrap.
cdef int default_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, uint64_t seed, int32_t n_bootstrap,
                                    double *value, double *standard_error) noexcept nogil


# The size is that of the caller's header, whatever the library has appended since.
cdef inline void fgm_options_init(fgm_options *options) noexcept nogil:
    fgm_options_defaults(options, sizeof(fgm_options))
