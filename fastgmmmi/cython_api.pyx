# cython: language_level=3, freethreading_compatible=True
"""The functions that cython_api.pxd declares: each calls the core of the package, through its table, which is in no other module a second time."""

from libc.string cimport memset

cdef extern from "fastgmmmi.h" nogil:  # with FASTGMMMI_IMPORT, see setup.py; parameters are checked by the C compiler
    int fastgmmmi_import() except -1 with gil
    const char *core_version "fgm_version"(...)
    const char *core_strerror "fgm_strerror"(...)
    const char *core_cpu_tier "fgm_cpu_tier"(...)
    int core_set_cpu_tier "fgm_set_cpu_tier"(...)
    void core_options_defaults "fgm_options_defaults"(...)
    int core_log_density "fgm_log_density"(...)
    int core_responsibilities "fgm_responsibilities"(...)
    int core_sample "fgm_sample"(...)
    int core_marginal "fgm_marginal"(...)
    int core_conditional "fgm_conditional"(...)
    int core_entropy "fgm_entropy"(...)
    int core_mixture_mutual_information "fgm_mixture_mutual_information"(...)
    int core_kl_divergence "fgm_kl_divergence"(...)
    int core_fit "fgm_fit"(...)
    int core_result_sizes "fgm_result_sizes"(...)
    int core_information "fgm_information"(...)
    int core_information_range "fgm_information_range"(...)
    int core_pointwise "fgm_pointwise"(...)
    int core_mutual_information "fgm_mutual_information"(...)
    int core_bootstrap_range "fgm_bootstrap_range"(...)
    int core_finish "fgm_finish"(...)
    int core_normal_scores "fgm_normal_scores"(...)
    int core_apply_normal_scores "fgm_apply_normal_scores"(...)
    int core_student_scores "fgm_student_scores"(...)
    int core_copies "fgm_copies"(...)
    void core_exp "fgm_exp"(...)
    void core_log "fgm_log"(...)
    size_t core_density_work_size "fgm_density_work_size"(...)
    int core_log_density_in "fgm_log_density_in"(...)
    int core_responsibilities_in "fgm_responsibilities_in"(...)
    int core_expect "fgm_expect"(...)

fastgmmmi_import()


cdef const char *fgm_version() noexcept nogil:
    return core_version()


cdef const char *fgm_strerror(int status) noexcept nogil:
    return core_strerror(status)


cdef const char *fgm_cpu_tier() noexcept nogil:
    return core_cpu_tier()


cdef int fgm_set_cpu_tier(const char *tier) noexcept nogil:
    return core_set_cpu_tier(tier)


cdef void fgm_options_defaults(fgm_options *options, size_t size) noexcept nogil:
    core_options_defaults(options, size)


cdef int fgm_log_density(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                         int64_t n, double *out) noexcept nogil:
    return core_log_density(n_components, d, weights, means, covariances, X, n, out)


cdef int fgm_responsibilities(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                              int64_t n, double *out) noexcept nogil:
    return core_responsibilities(n_components, d, weights, means, covariances, X, n, out)


cdef int fgm_sample(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, uint64_t seed, int64_t n,
                    double *X) noexcept nogil:
    return core_sample(n_components, d, weights, means, covariances, seed, n, X)


cdef int fgm_marginal(int32_t n_components, int32_t d, const double *means, const double *covariances, const int32_t *columns, int32_t n_columns,
                      double *out_means, double *out_covariances) noexcept nogil:
    return core_marginal(n_components, d, means, covariances, columns, n_columns, out_means, out_covariances)


cdef int fgm_conditional(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                         const int32_t *columns, int32_t n_columns, const double *values, double *out_weights, double *out_means,
                         double *out_covariances) noexcept nogil:
    return core_conditional(n_components, d, weights, means, covariances, columns, n_columns, values, out_weights, out_means, out_covariances)


cdef int fgm_entropy(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, double tol,
                     uint64_t seed, double *entropy, double *error) noexcept nogil:
    return core_entropy(n_components, d, weights, means, covariances, tol, seed, entropy, error)


cdef int fgm_mixture_mutual_information(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                                        const int32_t *x_columns, int32_t n_x, const int32_t *y_columns, int32_t n_y, const int32_t *given_columns,
                                        int32_t n_given, double tol, uint64_t seed, double *value, double *error) noexcept nogil:
    return core_mixture_mutual_information(n_components, d, weights, means, covariances, x_columns, n_x, y_columns, n_y, given_columns, n_given, tol,
                                           seed, value, error)


cdef int fgm_kl_divergence(int32_t d, int32_t n_components_p, const double *weights_p, const double *means_p, const double *covariances_p,
                           int32_t n_components_q, const double *weights_q, const double *means_q, const double *covariances_q, double tol,
                           uint64_t seed, double *value, double *error) noexcept nogil:
    return core_kl_divergence(d, n_components_p, weights_p, means_p, covariances_p, n_components_q, weights_q, means_q, covariances_q, tol, seed,
                              value, error)


cdef int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed,
                 fgm_fit_result *result) noexcept nogil:
    return core_fit(X, n, d, sample_weight, options, seed, result)


cdef int fgm_result_sizes(const fgm_data *data, const fgm_options *options, int32_t *n_classes, int64_t *n_components) noexcept nogil:
    return core_result_sizes(data, options, n_classes, n_components)


cdef int fgm_information(const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result) noexcept nogil:
    return core_information(data, options, seed, result)


cdef int fgm_information_range(const fgm_data *data, const fgm_options *options, uint64_t seed, const int32_t *class_components,
                               const double *weights, const double *means, const double *covariances, int64_t first, int64_t count, double *bootstrap,
                               double *centres) noexcept nogil:
    return core_information_range(data, options, seed, class_components, weights, means, covariances, first, count, bootstrap, centres)


cdef int fgm_pointwise(const fgm_data *data, int32_t n_classes, const int32_t *class_labels, const double *class_probabilities,
                       const int32_t *class_components, const double *weights, const double *means, const double *covariances,
                       double *out) noexcept nogil:
    return core_pointwise(data, n_classes, class_labels, class_probabilities, class_components, weights, means, covariances, out)


cdef int fgm_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                                const fgm_options *options, uint64_t seed, fgm_result *result) noexcept nogil:
    return core_mutual_information(x, y, n, dx, dy, sample_weight, options, seed, result)


cdef int fgm_bootstrap_range(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, const double *sample_weight,
                             const fgm_options *options, uint64_t seed, int32_t n_components, const double *weights, const double *means,
                             const double *covariances, int64_t first, int64_t count, double *bootstrap, double *centres) noexcept nogil:
    return core_bootstrap_range(x, y, n, dx, dy, sample_weight, options, seed, n_components, weights, means, covariances, first, count, bootstrap,
                                centres)


cdef int fgm_finish(const double *bootstrap, const double *centres, int64_t n_bootstrap, fgm_result *result) noexcept nogil:
    return core_finish(bootstrap, centres, n_bootstrap, result)


cdef int fgm_normal_scores(const double *column, int64_t n, const double *sample_weight, double *knots, double *scores,
                           int64_t *n_knots) noexcept nogil:
    return core_normal_scores(column, n, sample_weight, knots, scores, n_knots)


cdef int fgm_apply_normal_scores(const double *knots, const double *scores, int64_t n_knots, const double *values, int64_t n,
                                 double *out) noexcept nogil:
    return core_apply_normal_scores(knots, scores, n_knots, values, n, out)


cdef int fgm_student_scores(double degrees_of_freedom, int64_t n, const double *scores, double *out) noexcept nogil:
    return core_student_scores(degrees_of_freedom, n, scores, out)


cdef int fgm_copies(const fgm_variable *variables, int32_t n_variables, int64_t n, int32_t *groups, int64_t *n_copies) noexcept nogil:
    return core_copies(variables, n_variables, n, groups, n_copies)


cdef void fgm_exp(const double *values, int64_t n, double *out) noexcept nogil:
    core_exp(values, n, out)


cdef void fgm_log(const double *values, int64_t n, double *out) noexcept nogil:
    core_log(values, n, out)


cdef size_t fgm_density_work_size(int32_t n_components, int32_t d) noexcept nogil:
    return core_density_work_size(n_components, d)


cdef int fgm_log_density_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, const double *X,
                            int64_t n, double *out, double *work) noexcept nogil:
    return core_log_density_in(n_components, d, weights, means, covariances, X, n, out, work)


cdef int fgm_responsibilities_in(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                                 const double *X, int64_t n, double *out, double *work) noexcept nogil:
    return core_responsibilities_in(n_components, d, weights, means, covariances, X, n, out, work)


cdef int fgm_expect(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, fgm_function function,
                    void *function_data, double tol, uint64_t seed, double *value, double *error, double *fault) noexcept nogil:
    return core_expect(n_components, d, weights, means, covariances, function, function_data, tol, seed, value, error, fault)


cdef int default_mutual_information(const double *x, const double *y, int64_t n, int32_t dx, int32_t dy, uint64_t seed, int32_t n_bootstrap,
                                    double *value, double *standard_error) noexcept nogil:
    cdef fgm_options options
    cdef fgm_result result
    cdef int status
    fgm_options_init(&options)
    options.n_bootstrap = n_bootstrap
    memset(&result, 0, sizeof(result))
    result.size = sizeof(result)
    status = core_mutual_information(x, y, n, dx, dy, NULL, &options, seed, &result)
    value[0] = result.value
    standard_error[0] = result.standard_error
    return status
