# cython: language_level=3, boundscheck=False, wraparound=False, freethreading_compatible=True
"""The binding: arrays in, arrays out, no decisions. See include/fastgmmmi.h for what each function does."""

from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.string cimport memcpy
from cpython.exc cimport PyErr_CheckSignals
from cpython.pycapsule cimport PyCapsule_GetContext, PyCapsule_GetName, PyCapsule_GetPointer, PyCapsule_New
from fastgmmmi.types cimport (
    FGM_OK, FGM_ERROR_MEMORY, FGM_ERROR_CANCELLED, FGM_ERROR_OPTION, FGM_ERROR_NOT_FINITE,
    FGM_CRITERION_CV, FGM_CRITERION_AIC, FGM_CRITERION_BIC,
    FGM_INIT_KMEANSPP, FGM_INIT_SPLIT, FGM_INIT_RANDOM, FGM_INIT_MINMAX, FGM_INIT_KMEANS,
    FGM_INIT_RANDOMIZED_KMEANS, FGM_INIT_RANDOM_SKLEARN, FGM_INIT_KMEANS_SKLEARN,
    FGM_MARGINALS_NONE, FGM_MARGINALS_STANDARDIZE, FGM_MARGINALS_GAUSSIANIZE, FGM_MARGINALS_AUTO, FGM_MARGINALS_STUDENTIZE,
    FGM_INTEGRAL_MODEL, FGM_INTEGRAL_DATA, FGM_ERROR_BY_BOOTSTRAP, FGM_ERROR_BY_DELTA,
    FGM_QUANTITY_INFORMATION, FGM_QUANTITY_ENTROPY, FGM_QUANTITY_DIVERGENCE, FGM_QUANTITY_PAIRED_DIVERGENCE,
    fgm_data, fgm_fit_result, fgm_function, fgm_options, fgm_result, fgm_task, fgm_variable,
)

import numpy as np

cdef extern from *:
    """
    #include <stdint.h>
    #include <time.h>
    #if defined(_MSC_VER)
    #include <intrin.h>
    static int64_t fgm_next_index(volatile int64_t *counter) { return _InterlockedExchangeAdd64((volatile __int64 *)counter, 1); }
    #else
    static int64_t fgm_next_index(volatile int64_t *counter) { return __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }
    #endif
    static double fgm_wall_clock(void) {
        struct timespec now;
        timespec_get(&now, TIME_UTC);
        return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
    }
    #if defined(__linux__)
    #include <sched.h>
    static int fgm_this_core(void) { return sched_getcpu(); }
    #else
    static int fgm_this_core(void) { return -1; }
    #endif
    """
    int64_t fgm_next_index(volatile int64_t *counter) noexcept nogil
    double fgm_wall_clock() noexcept nogil
    int fgm_this_core() noexcept nogil

cdef extern from "fastgmmmi.h" nogil:
    ctypedef struct fgm_api:
        pass
    const fgm_api *fgm_get_api()
    const char *fgm_strerror(int status)
    const char *fgm_version()
    const char *fgm_cpu_tier()
    int fgm_set_cpu_tier(const char *tier)
    void fgm_options_init(fgm_options *options)
    int fgm_log_density(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                        const double *X, int64_t n, double *out)
    int fgm_responsibilities(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                             const double *X, int64_t n, double *out)
    int fgm_sample(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                   uint64_t seed, int64_t n, double *X)
    int fgm_marginal(int32_t n_components, int32_t d, const double *means, const double *covariances, const int32_t *columns,
                     int32_t n_columns, double *out_means, double *out_covariances)
    int fgm_conditional(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                        const int32_t *columns, int32_t n_columns, const double *values, double *out_weights, double *out_means,
                        double *out_covariances)
    int fgm_entropy(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances,
                    double tol, uint64_t seed, double *entropy, double *error)
    int fgm_mixture_mutual_information(int32_t n_components, int32_t d, const double *weights, const double *means,
                                       const double *covariances, const int32_t *x_columns, int32_t n_x, const int32_t *y_columns,
                                       int32_t n_y, const int32_t *given_columns, int32_t n_given, double tol, uint64_t seed,
                                       double *value, double *error)
    int fgm_fit(const double *X, int64_t n, int32_t d, const double *sample_weight, const fgm_options *options, uint64_t seed,
                fgm_fit_result *result)
    int fgm_kl_divergence(int32_t d, int32_t n_components_p, const double *weights_p, const double *means_p, const double *covariances_p,
                          int32_t n_components_q, const double *weights_q, const double *means_q, const double *covariances_q, double tol,
                          uint64_t seed, double *value, double *error)
    int fgm_expect(int32_t n_components, int32_t d, const double *weights, const double *means, const double *covariances, fgm_function function,
                   void *function_data, double tol, uint64_t seed, double *value, double *error, double *fault)
    int fgm_result_sizes(const fgm_data *data, const fgm_options *options, int32_t *n_classes, int64_t *n_components)
    int fgm_information(const fgm_data *data, const fgm_options *options, uint64_t seed, fgm_result *result)
    int fgm_information_range(const fgm_data *data, const fgm_options *options, uint64_t seed, const int32_t *class_components,
                              const double *weights, const double *means, const double *covariances, int64_t first, int64_t count,
                              double *bootstrap, double *centres)
    int fgm_pointwise(const fgm_data *data, int32_t n_classes, const int32_t *class_labels, const double *class_probabilities,
                      const int32_t *class_components, const double *weights, const double *means, const double *covariances, double *out)
    int fgm_finish(const double *bootstrap, const double *centres, int64_t n_bootstrap, fgm_result *result)
    int fgm_normal_scores(const double *column, int64_t n, const double *sample_weight, double *knots, double *scores, int64_t *n_knots)
    int fgm_apply_normal_scores(const double *knots, const double *scores, int64_t n_knots, const double *values, int64_t n, double *out)
    int fgm_student_scores(double degrees_of_freedom, int64_t n, const double *scores, double *out)
    int fgm_copies(const fgm_variable *variables, int32_t n_variables, int64_t n, int32_t *groups, int64_t *n_copies)
    void fgm_exp(const double *values, int64_t n, double *out)
    void fgm_log(const double *values, int64_t n, double *out)

# The table of functions for extension modules: fastgmmmi_import() of fastgmmmi.h. A capsule's name is its dotted path.
_C_API = PyCapsule_New(<void *>fgm_get_api(), "fastgmmmi._core._C_API", NULL)

CRITERIA = {"cv": FGM_CRITERION_CV, "aic": FGM_CRITERION_AIC, "bic": FGM_CRITERION_BIC}
INITS = {
    "kmeans++": FGM_INIT_KMEANSPP,
    "split": FGM_INIT_SPLIT,
    "random": FGM_INIT_RANDOM,
    "minmax": FGM_INIT_MINMAX,
    "kmeans": FGM_INIT_KMEANS,
    "randomized_kmeans": FGM_INIT_RANDOMIZED_KMEANS,
    "random_sklearn": FGM_INIT_RANDOM_SKLEARN,
    "kmeans_sklearn": FGM_INIT_KMEANS_SKLEARN,
}
QUANTITIES = {
    "information": FGM_QUANTITY_INFORMATION,
    "entropy": FGM_QUANTITY_ENTROPY,
    "divergence": FGM_QUANTITY_DIVERGENCE,
    "paired divergence": FGM_QUANTITY_PAIRED_DIVERGENCE,
}
MARGINALS = {
    "auto": FGM_MARGINALS_AUTO,
    "none": FGM_MARGINALS_NONE,
    "standardize": FGM_MARGINALS_STANDARDIZE,
    "gaussianize": FGM_MARGINALS_GAUSSIANIZE,
    "studentize": FGM_MARGINALS_STUDENTIZE,
}
INTEGRALS = {"model": FGM_INTEGRAL_MODEL, "data": FGM_INTEGRAL_DATA}
ERRORS = {"bootstrap": FGM_ERROR_BY_BOOTSTRAP, "delta": FGM_ERROR_BY_DELTA}

cdef extern from *:
    """
    static const struct { int code; const char *name; } fgm_status_names[] = {
    #define FGM_STATUS_NAME(name, code, text) {code, #name},
        FGM_STATUS_LIST(FGM_STATUS_NAME)
    };
    static const char *fgm_status_name(int status) {
        for (size_t i = 0; i < sizeof fgm_status_names / sizeof *fgm_status_names; ++i) {
            if (fgm_status_names[i].code == status) return fgm_status_names[i].name;
        }
        return "ERROR_UNKNOWN";
    }
    """
    const char *fgm_status_name(int status) noexcept nogil


cdef status_texts():
    texts = []
    while fgm_status_name(len(texts)) != b"ERROR_UNKNOWN":
        texts.append(fgm_strerror(len(texts)).decode())
    return tuple(texts)

STATUS_TEXTS = status_texts()


class CoreError(Exception):
    """An error code of the core: its name, its text, and the column and the variable that it is about (-1: none)."""

    def __init__(self, name, text, fault_column=-1, fault_variable=-1):
        super().__init__(name, text, fault_column, fault_variable)
        self.name = name
        self.fault_column = fault_column
        self.fault_variable = fault_variable

    def __str__(self):
        return self.args[1]


cdef int check(int status, int fault_column=-1, int fault_variable=-1) except -1:
    if status == FGM_OK:
        return 0
    if status == FGM_ERROR_MEMORY:
        raise MemoryError(fgm_strerror(status).decode())
    raise CoreError(fgm_status_name(status).decode(), fgm_strerror(status).decode(), fault_column, fault_variable)


# ---- one call: threads, progress, cancellation ---------------------------------------------------------------------------------

def this_core():
    """The number of the core that the calling thread is on; -1 where the system does not tell."""
    return fgm_this_core()


cdef double SECONDS_BETWEEN_POLLS = 0.05

cdef struct Loop:
    fgm_task task
    void *data
    int64_t n
    int64_t next
    int status


cdef void run_loop(Loop *loop, int is_caller) noexcept nogil:
    """Take indices until none is left or a task has failed."""
    cdef int64_t index
    cdef int status
    while loop.status == FGM_OK:
        index = fgm_next_index(&loop.next)
        if index >= loop.n:
            return
        status = loop.task(loop.data, index, is_caller)
        if status != FGM_OK:
            loop.status = status


cdef class HelperLoop:
    """What a helper thread calls."""

    cdef Loop *loop

    def __call__(self):
        with nogil:
            run_loop(self.loop, 0)


cdef struct Watch:
    void *call
    double last


cdef class Call:
    """The surroundings of one call of the core."""

    cdef fgm_options options
    cdef int cancel
    cdef int threads
    cdef Watch watch
    cdef int64_t done
    cdef object poll
    cdef object exception

    def __cinit__(self, dict options, int threads, poll):
        fgm_options_init(&self.options)
        fill_options(&self.options, options)
        self.cancel = 0
        self.threads = threads
        self.poll = poll
        self.exception = None
        self.watch.call = <void *>self
        self.watch.last = fgm_wall_clock()
        self.options.cancel = &self.cancel
        self.options.poll = poll_call
        self.options.poll_data = &self.watch
        if threads > 1:
            self.options.run_tasks = run_tasks
            self.options.runner_data = <void *>self

    cdef int look(self, int64_t done) noexcept:
        """Nonzero where the call is to end: a signal has come, or poll raised."""
        if self.exception is not None:
            return 1
        try:
            PyErr_CheckSignals()
            if self.poll is not None:
                self.done = max(self.done, done)
                self.poll(self.done, self.options.n_bootstrap)
        except BaseException as exception:
            self.interrupt(exception)
            return 1
        return 0

    cdef void interrupt(self, exception) noexcept:
        if self.exception is None:
            self.exception = exception
        self.cancel = 1

    cdef void wait_for(self, future) noexcept:
        """Until a helper has ended, whatever is raised meanwhile: it uses the stack of the caller. One that has not begun is not needed."""
        while True:
            try:
                if future.cancel() or future.done():
                    return
                future.exception(SECONDS_BETWEEN_POLLS)
            except TimeoutError:
                self.look(0)
            except BaseException as exception:
                self.interrupt(exception)

    cdef int finish(self, int status, int fault_column=-1, int fault_variable=-1) except -1:
        if self.exception is not None:
            raise self.exception
        return check(status, fault_column, fault_variable)


cdef int poll_call(void *data, int64_t done, int64_t total) noexcept nogil:
    cdef Watch *watch = <Watch *>data
    cdef double now = fgm_wall_clock()
    if 0 <= now - watch.last < SECONDS_BETWEEN_POLLS:
        return 0
    watch.last = now
    return look_again(watch.call, done)


cdef int look_again(void *call, int64_t done) noexcept with gil:
    return (<Call>call).look(done)


cdef int run_tasks(void *call, int64_t n_tasks, fgm_task task, void *task_data) noexcept with gil:
    return run_on_threads(<Call>call, n_tasks, task, task_data)


cdef int run_on_threads(Call call, int64_t n_tasks, fgm_task task, void *task_data) noexcept:
    """The calling thread and helpers share the indices; every helper has ended when this returns."""
    cdef Loop loop
    cdef HelperLoop helper = HelperLoop.__new__(HelperLoop)
    loop.task = task
    loop.data = task_data
    loop.n = n_tasks
    loop.next = 0
    loop.status = FGM_OK
    helper.loop = &loop
    futures = []
    try:
        from fastgmmmi import parallel
        parallel.start(helper, min(call.threads, n_tasks) - 1, futures)
    except BaseException as exception:
        call.interrupt(exception)
    with nogil:
        run_loop(&loop, 1)
    for future in futures:
        call.wait_for(future)
    return loop.status


cdef int fill_options(fgm_options *options, dict values) except -1:
    for name, value in values.items():
        if name == "n_components":
            options.n_components = value
        elif name == "max_components":
            options.max_components = value
        elif name == "criterion":
            options.criterion = value
        elif name == "init":
            options.init = value
        elif name == "n_folds":
            options.n_folds = value
        elif name == "n_inits":
            options.n_inits = value
        elif name == "patience":
            options.patience = value
        elif name == "max_iter":
            options.max_iter = value
        elif name == "tol":
            options.tol = value
        elif name == "reg_covar":
            options.reg_covar = value
        elif name == "init_scale":
            options.init_scale = value
        elif name == "marginals":
            options.marginals = value
        elif name == "n_bootstrap":
            options.n_bootstrap = value
        elif name == "reselect":
            options.reselect = value
        elif name == "equal_classes":
            options.equal_classes = value
        elif name == "integration_tol":
            options.integration_tol = value
        elif name == "least_gain":
            options.least_gain = value
        elif name == "least_variance":
            options.least_variance = value
        elif name == "integral":
            options.integral = value
        elif name == "error":
            options.error = value
        else:
            raise KeyError(name)
    return 0


def default_options():
    """The defaults of fgm_options_init."""
    cdef fgm_options options
    fgm_options_init(&options)
    return {
        "n_components": options.n_components,
        "max_components": options.max_components,
        "criterion": options.criterion,
        "init": options.init,
        "n_folds": options.n_folds,
        "n_inits": options.n_inits,
        "patience": options.patience,
        "max_iter": options.max_iter,
        "tol": options.tol,
        "reg_covar": options.reg_covar,
        "init_scale": options.init_scale,
        "marginals": options.marginals,
        "n_bootstrap": options.n_bootstrap,
        "reselect": options.reselect,
        "equal_classes": options.equal_classes,
        "integration_tol": options.integration_tol,
        "least_gain": options.least_gain,
        "least_variance": options.least_variance,
        "integral": options.integral,
        "error": options.error,
    }


# ---- the jobs --------------------------------------------------------------------------------------------------------------------

cdef double *address(double[::1] array) noexcept:
    return &array[0] if array.shape[0] > 0 else NULL


cdef int32_t *integer_address(int32_t[::1] array) noexcept:
    return &array[0] if array.shape[0] > 0 else NULL


cdef class Data:
    """Arrays as the core takes them, kept alive: (values (n, d) or None, labels (n,) or None, number of labels) for x, y and given."""

    cdef fgm_data data
    cdef object kept

    def __cinit__(self, int quantity, variables, const double[::1] sample_weight, const int32_t[::1] groups):
        self.kept = (variables, sample_weight, groups)
        self.data.size = sizeof(self.data)
        self.data.quantity = quantity
        self.data.reserved = 0
        self.data.sample_weight = NULL
        if sample_weight is not None:
            self.data.sample_weight = &sample_weight[0]
        self.data.groups = NULL
        if groups is not None:
            self.data.groups = &groups[0]
        fill_variable(&self.data.x, &self.data.n, variables[0])
        fill_variable(&self.data.y, &self.data.n, variables[1])
        fill_variable(&self.data.given, &self.data.n, variables[2])


cdef int fill_variable(fgm_variable *variable, int64_t *n, arrays) except -1:
    cdef const double[:, :] values
    cdef const int32_t[::1] labels
    values, labels, variable.n_classes = arrays
    variable.stride = 0
    variable.values = NULL
    variable.labels = NULL
    variable.d = 0
    if values is not None:
        n[0] = values.shape[0]
        variable.d = <int32_t>values.shape[1]
        if values.shape[0] > 0 and values.shape[1] > 0:
            variable.values = &values[0, 0]
            variable.stride = values.strides[0] // <int64_t>sizeof(double)
            if variable.stride * <int64_t>sizeof(double) != values.strides[0] or (variable.stride == 0 and values.shape[0] > 1) or (
                    variable.d > 1 and values.strides[1] != <int64_t>sizeof(double)):
                raise ValueError("rows must be whole numbers apart, and the numbers of a row side by side")
    if labels is not None:
        n[0] = labels.shape[0]
        variable.labels = &labels[0] if labels.shape[0] > 0 else NULL
    return 0


def is_finite(const double[:, :] values):
    """Tell whether there is neither NaN nor infinity."""
    cdef double sum = 0.0
    cdef Py_ssize_t i, j
    with nogil:
        for i in range(values.shape[0]):
            for j in range(values.shape[1]):
                sum += 0.0 * values[i, j]
    return sum == 0.0


def count_values(const double[:] column, int most):
    """Count distinct values, up to one more than the most that are of interest, which is at most 63."""
    cdef double found[64]
    cdef int n_found = 0, place
    cdef Py_ssize_t i
    with nogil:
        for i in range(column.shape[0]):
            place = 0
            while place < n_found and found[place] != column[i]:
                place += 1
            if place == n_found:
                found[n_found] = column[i]
                n_found += 1
                if n_found > most:
                    break
    return n_found


def copies(variables):
    """Give the groups of rows that are copies of others, and how many are: fgm_copies. Variables are arrays as in Data."""
    cdef int32_t n_variables = len(variables)
    cdef int64_t n = 0, n_copies = 0
    cdef unsigned char[::1] memory = np.empty(n_variables * sizeof(fgm_variable), np.uint8)
    cdef fgm_variable *to = <fgm_variable *>&memory[0]
    cdef int32_t *address
    cdef int status
    for i in range(n_variables):
        fill_variable(&to[i], &n, variables[i])
    groups = np.empty(n, np.int32)
    address = integer_address(groups)
    with nogil:
        status = fgm_copies(to, n_variables, n, address, &n_copies)
    check(status)
    return groups, n_copies


def information(int quantity, variables, const double[::1] sample_weight, const int32_t[::1] groups, dict options, uint64_t seed, int threads,
                poll):
    cdef Call call = Call(options, threads, poll)
    cdef Data data = Data(quantity, variables, sample_weight, groups)
    cdef int32_t d = data.data.x.d + data.data.y.d + data.data.given.d, n_classes = 0
    cdef int64_t most = 0
    cdef fgm_result result
    cdef int status
    result.size = sizeof(result)
    result.fault_column = result.fault_variable = -1
    with nogil:
        fgm_result_sizes(&data.data, &call.options, &n_classes, &most)  # what is wrong with the data, the job itself says
    bootstrap = np.empty(max(call.options.n_bootstrap, 0) if call.options.error == FGM_ERROR_BY_BOOTSTRAP else 0)
    scores = np.empty(n_classes * max(call.options.max_components, 0))
    weights, means, covariances = np.empty(most), np.empty(most * d), np.empty(most * d * d)
    location, scale, resolution = np.empty(d), np.empty(d), np.empty(d)
    class_labels, class_components = np.empty(3 * n_classes, np.int32), np.empty(n_classes, np.int32)
    class_probabilities = np.empty(n_classes)
    result.bootstrap = address(bootstrap)
    result.centres = NULL
    result.scores = address(scores)
    result.weights = address(weights)
    result.means = address(means)
    result.covariances = address(covariances)
    result.location = address(location)
    result.scale = address(scale)
    result.resolution = address(resolution)
    result.class_labels = integer_address(class_labels)
    result.class_components = integer_address(class_components)
    result.class_probabilities = address(class_probabilities)
    with nogil:
        status = fgm_information(&data.data, &call.options, seed, &result)
    call.finish(status, result.fault_column, result.fault_variable)
    k = result.n_components
    return {
        "value": result.value,
        "standard_error": result.standard_error,
        "plug_in": result.plug_in,
        "corrected": result.corrected,
        "degrees_of_freedom": result.degrees_of_freedom,
        "shortfall": result.shortfall,
        "shortfall_error": result.shortfall_error,
        "marginals_error": result.marginals_error,
        "n_copies": result.n_copies,
        "marginals": result.marginals,
        "integral": call.options.integral,
        "error": call.options.error,
        "integration_error": result.integration_error,
        "acceleration": result.acceleration,
        "log_likelihood": result.log_likelihood,
        "smaller_entropy": result.smaller_entropy if result.smaller_entropy == result.smaller_entropy else None,
        "n_components": k,
        "n_small_classes": result.n_small_classes,
        "converged": bool(result.converged),
        "n_iter": result.n_iter,
        "n_failed": result.n_failed,
        "reselected": bool(result.reselected),
        "diverging": bool(result.diverging),
        "bootstrap": bootstrap,
        "scores": scores.reshape(n_classes, -1),
        "weights": weights[:k].copy(),
        "means": means[: k * d].reshape(k, d).copy(),
        "covariances": covariances[: k * d * d].reshape(k, d, d).copy(),
        "location": location,
        "scale": scale,
        "resolution": resolution,
        "class_labels": class_labels.reshape(n_classes, 3),
        "class_probabilities": class_probabilities,
        "class_components": class_components,
    }


def information_range(int quantity, variables, const double[::1] sample_weight, const int32_t[::1] groups, dict options, uint64_t seed,
                      int32_t[::1] class_components, double[::1] weights, double[:, ::1] means, double[:, :, ::1] covariances, int64_t first, int64_t count):
    cdef Call call = Call(options, 1, None)
    cdef Data data = Data(quantity, variables, sample_weight, groups)
    cdef double *mean_address = &means[0, 0] if means.size > 0 else NULL
    cdef double *covariance_address = &covariances[0, 0, 0] if covariances.size > 0 else NULL
    cdef double *weight_address = address(weights)
    cdef int32_t *component_address = integer_address(class_components)
    cdef int status
    values, centres = np.empty(count), np.empty(count)
    cdef double *to_values = address(values)
    cdef double *to_centres = address(centres)
    with nogil:
        status = fgm_information_range(&data.data, &call.options, seed, component_address, weight_address, mean_address, covariance_address,
                                       first, count, to_values, to_centres)
    call.finish(status)
    return values, centres


def pointwise(int quantity, variables, int32_t[:, ::1] class_labels, double[::1] class_probabilities, int32_t[::1] class_components,
              double[::1] weights, double[:, ::1] means, double[:, :, ::1] covariances):
    cdef Data data = Data(quantity, variables, None, None)
    cdef double *mean_address = &means[0, 0] if means.size > 0 else NULL
    cdef double *covariance_address = &covariances[0, 0, 0] if covariances.size > 0 else NULL
    cdef double *weight_address = address(weights)
    cdef int status
    out = np.empty(data.data.n)
    cdef double *to = address(out)
    with nogil:
        status = fgm_pointwise(&data.data, <int32_t>class_labels.shape[0], &class_labels[0, 0], &class_probabilities[0], &class_components[0],
                               weight_address, mean_address, covariance_address, to)
    check(status)
    return out


def finish(double[::1] bootstrap, double[::1] centres, double plug_in, double corrected, double shortfall, double shortfall_error,
           double marginals_error):
    cdef fgm_result result
    result.plug_in = plug_in
    result.corrected = corrected
    result.is_corrected = corrected == corrected
    result.shortfall = shortfall
    result.shortfall_error = shortfall_error
    result.marginals_error = marginals_error
    check(fgm_finish(address(bootstrap), address(centres), bootstrap.shape[0], &result))
    return result.value, result.standard_error, result.n_failed


def fit(const double[:, ::1] X, const double[::1] sample_weight, dict options, uint64_t seed, int threads, poll):
    cdef Call call = Call(options, threads, poll)
    cdef int most = call.options.n_components if call.options.n_components > 0 else call.options.max_components
    cdef int64_t n = X.shape[0]
    cdef int32_t d = <int32_t>X.shape[1]
    cdef const double *weight_address = NULL
    cdef fgm_fit_result result
    cdef int status
    if sample_weight is not None:
        weight_address = &sample_weight[0]
    scores = np.empty(call.options.max_components)
    weights, means, covariances = np.empty(most), np.empty(most * d), np.empty(most * d * d)
    result.size = sizeof(result)
    result.fault_column = -1
    result.scores = address(scores)
    result.weights = address(weights)
    result.means = address(means)
    result.covariances = address(covariances)
    with nogil:
        status = fgm_fit(&X[0, 0], n, d, weight_address, &call.options, seed, &result)
    call.finish(status, result.fault_column)
    k = result.n_components
    return {
        "n_components": k,
        "converged": bool(result.converged),
        "n_iter": result.n_iter,
        "log_likelihood": result.log_likelihood,
        "weights": weights[:k].copy(),
        "means": means[: k * d].reshape(k, d).copy(),
        "covariances": covariances[: k * d * d].reshape(k, d, d).copy(),
        "scores": scores,
    }


# ---- mixtures ---------------------------------------------------------------------------------------------------------------------

def log_density(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, const double[:, ::1] X):
    cdef int status
    cdef int64_t n = X.shape[0]
    out = np.empty(n)
    cdef double *to = address(out)
    if n > 0:
        with nogil:
            status = fgm_log_density(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0],
                                     &covariances[0, 0, 0], &X[0, 0], n, to)
        check(status)
    return out


def responsibilities(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, const double[:, ::1] X):
    cdef int status
    cdef int64_t n = X.shape[0]
    out = np.empty(n * means.shape[0])
    cdef double *to = address(out)
    if n > 0:
        with nogil:
            status = fgm_responsibilities(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0],
                                          &covariances[0, 0, 0], &X[0, 0], n, to)
        check(status)
    return out.reshape(n, means.shape[0])


def sample(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, uint64_t seed, int64_t n):
    cdef int status
    out = np.empty(n * means.shape[1])
    cdef double *to = address(out)
    if n > 0:
        with nogil:
            status = fgm_sample(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0], &covariances[0, 0, 0],
                                seed, n, to)
        check(status)
    return out.reshape(n, means.shape[1])


def marginal(const double[:, ::1] means, const double[:, :, ::1] covariances, const int32_t[::1] columns):
    cdef int k = <int>means.shape[0], m = <int>columns.shape[0]
    out_means, out_covariances = np.empty(k * m), np.empty(k * m * m)
    check(fgm_marginal(k, <int32_t>means.shape[1], &means[0, 0], &covariances[0, 0, 0], &columns[0] if m > 0 else NULL, m,
                       address(out_means), address(out_covariances)))
    return out_means.reshape(k, m), out_covariances.reshape(k, m, m)


def conditional(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, const int32_t[::1] columns,
                const double[::1] values):
    cdef int k = <int>means.shape[0], m = <int>columns.shape[0], left = max(<int>means.shape[1] - m, 0)
    out_weights, out_means, out_covariances = np.empty(k), np.empty(k * left), np.empty(k * left * left)
    check(fgm_conditional(k, <int32_t>means.shape[1], &weights[0], &means[0, 0], &covariances[0, 0, 0], &columns[0] if m > 0 else NULL, m,
                          &values[0] if m > 0 else NULL, address(out_weights), address(out_means), address(out_covariances)))
    return out_weights, out_means.reshape(k, left), out_covariances.reshape(k, left, left)


def entropy(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, double tol, uint64_t seed):
    cdef double value = 0.0, error = 0.0
    cdef int status
    with nogil:
        status = fgm_entropy(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0], &covariances[0, 0, 0], tol, seed,
                             &value, &error)
    check(status)
    return value, error


def mixture_mutual_information(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances,
                               const int32_t[::1] x_columns, const int32_t[::1] y_columns, const int32_t[::1] given_columns, double tol,
                               uint64_t seed):
    cdef double value = 0.0, error = 0.0
    cdef int status
    cdef int32_t n_x = <int32_t>x_columns.shape[0], n_y = <int32_t>y_columns.shape[0], n_given = <int32_t>given_columns.shape[0]
    cdef const int32_t *x_address = &x_columns[0] if n_x > 0 else NULL
    cdef const int32_t *y_address = &y_columns[0] if n_y > 0 else NULL
    cdef const int32_t *given_address = &given_columns[0] if n_given > 0 else NULL
    with nogil:
        status = fgm_mixture_mutual_information(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0],
                                                &covariances[0, 0, 0], x_address, n_x, y_address, n_y, given_address, n_given, tol, seed,
                                                &value, &error)
    check(status)
    return value, error


def kl_divergence(const double[::1] weights_p, const double[:, ::1] means_p, const double[:, :, ::1] covariances_p,
                  const double[::1] weights_q, const double[:, ::1] means_q, const double[:, :, ::1] covariances_q, double tol, uint64_t seed):
    cdef double value = 0.0, error = 0.0
    cdef int status
    with nogil:
        status = fgm_kl_divergence(<int32_t>means_p.shape[1], <int32_t>means_p.shape[0], &weights_p[0], &means_p[0, 0],
                                   &covariances_p[0, 0, 0], <int32_t>means_q.shape[0], &weights_q[0], &means_q[0, 0],
                                   &covariances_q[0, 0, 0], tol, seed, &value, &error)
    check(status)
    return value, error


# ---- expectation of any function ---------------------------------------------------------------------------------------------------

ctypedef double (*PointFunction)(int d, double *point) noexcept nogil
ctypedef double (*PointFunctionOfData)(int d, double *point, void *user_data) noexcept nogil

# Of compiled functions of one point. SciPy makes the signature the name of the capsule that holds the address.
POINT_FUNCTIONS = ("double (int, double *, void *)", "double (int, double *)")


cdef class PythonFunction:
    """Of blocks of points, (n, d) -> (n,)."""

    cdef object function
    cdef int d
    cdef Call call

    cdef int evaluate(self, const double *points, int64_t n, double *values) noexcept:
        cdef double[:, ::1] block
        cdef const double[::1] found
        try:
            array = np.empty((n, self.d))
            block = array
            memcpy(&block[0, 0], points, n * self.d * sizeof(double))
            answer = np.asarray(self.function(array))
            if answer.shape != (n,):
                raise ValueError(f"f must give one number for each of {n} points, ({n},), got shape {answer.shape}")
            if answer.dtype.kind not in "biuf":
                raise ValueError(f"f must give real numbers, got dtype {answer.dtype}")
            found = np.ascontiguousarray(answer, np.float64)
            memcpy(values, &found[0], n * sizeof(double))
            return FGM_OK
        except BaseException as exception:
            self.call.interrupt(exception)
            return FGM_ERROR_CANCELLED


cdef int call_python(void *function, const double *points, int64_t n, double *values) noexcept with gil:
    return (<PythonFunction>function).evaluate(points, n, values)


cdef struct CompiledFunction:
    void *address
    void *user_data
    bint takes_user_data
    int d
    Watch *watch


cdef int call_compiled(void *data, const double *points, int64_t n, double *values) noexcept nogil:
    cdef CompiledFunction *function = <CompiledFunction *>data
    cdef int64_t i
    for i in range(n):
        if function.takes_user_data:
            values[i] = (<PointFunctionOfData>function.address)(function.d, <double *>points + i * function.d, function.user_data)
        else:
            values[i] = (<PointFunction>function.address)(function.d, <double *>points + i * function.d)
    return FGM_ERROR_CANCELLED if poll_call(function.watch, 0, 0) else FGM_OK


def expect(const double[::1] weights, const double[:, ::1] means, const double[:, :, ::1] covariances, function, double tol, uint64_t seed):
    """(E[f], its error, None), or where f is not finite somewhere (NaN, NaN, that point). function is a callable, or a capsule of SciPy's."""
    cdef Call call = Call({}, 1, None)
    cdef PythonFunction python = PythonFunction.__new__(PythonFunction)
    cdef CompiledFunction compiled
    cdef fgm_function caller = call_python
    cdef void *data = <void *>python
    cdef const char *name
    cdef double value = 0.0, error = 0.0
    cdef int status
    python.function = function
    python.d = compiled.d = <int>means.shape[1]
    python.call = call
    if not callable(function):
        name = PyCapsule_GetName(function)
        compiled.address = PyCapsule_GetPointer(function, name)
        compiled.user_data = PyCapsule_GetContext(function)
        compiled.takes_user_data = name.decode() == POINT_FUNCTIONS[0]
        compiled.watch = &call.watch
        caller, data = call_compiled, <void *>&compiled
    fault = np.empty(means.shape[1])
    cdef double *to_fault = address(fault)
    with nogil:
        status = fgm_expect(<int32_t>means.shape[0], <int32_t>means.shape[1], &weights[0], &means[0, 0], &covariances[0, 0, 0], caller, data, tol,
                            seed, &value, &error, to_fault)
    if status == FGM_ERROR_NOT_FINITE:
        return float("nan"), float("nan"), fault
    call.finish(status)
    return value, error, None


# ---- marginal maps, exp and log, the tier ------------------------------------------------------------------------------------------

def normal_scores(const double[::1] column, const double[::1] sample_weight):
    cdef int64_t n_knots = 0, n = column.shape[0]
    cdef const double *weight_address = NULL
    cdef int status
    if sample_weight is not None:
        weight_address = &sample_weight[0]
    knots, scores = np.empty(n), np.empty(n)
    cdef double *to_knots = address(knots)
    cdef double *to_scores = address(scores)
    with nogil:
        status = fgm_normal_scores(&column[0], n, weight_address, to_knots, to_scores, &n_knots)
    check(status)
    return knots[:n_knots].copy(), scores[:n_knots].copy()


def apply_normal_scores(const double[::1] knots, const double[::1] scores, const double[::1] values):
    out = np.empty(values.shape[0])
    if values.shape[0] > 0:
        check(fgm_apply_normal_scores(&knots[0], &scores[0], knots.shape[0], &values[0], values.shape[0], address(out)))
    return out


def student_scores(double degrees_of_freedom, const double[::1] scores):
    out = np.empty(scores.shape[0])
    if scores.shape[0] > 0:
        check(fgm_student_scores(degrees_of_freedom, scores.shape[0], &scores[0], address(out)))
    return out


def exp(const double[::1] values):
    out = np.empty(values.shape[0])
    if values.shape[0] > 0:
        fgm_exp(&values[0], values.shape[0], address(out))
    return out


def log(const double[::1] values):
    out = np.empty(values.shape[0])
    if values.shape[0] > 0:
        fgm_log(&values[0], values.shape[0], address(out))
    return out


def cpu_tier():
    """
    Give the set of processor instructions in use.

    Returns
    -------
    str
        "baseline", "v3" or "v4", the levels of x86-64; "portable" on other processors. The environment variable
        FASTGMMMI_CPU forces one that this processor has.

    Examples
    --------
    >>> import fastgmmmi as fg
    >>> fg.cpu_tier() in ("baseline", "v3", "v4", "portable")
    True
    """
    return fgm_cpu_tier().decode()


def set_cpu_tier(str tier):
    check(fgm_set_cpu_tier(tier.encode()))


def version():
    return fgm_version().decode()
