/* Labels, conditions, entropy and divergence: the same job through one door, its bits however it is split, its log ratios, and every error. */
#include "check.h"

#define N 240
#define REPLICATES 6
#define MOST 40
#define CLASSES 6

/* Columns and labels that depend on each other. */
typedef struct table {
    double x[N], y[N], z[N];
    int32_t a[N], b[N], sample[N], half[N];
} table;

static table draw_table(uint64_t key) {
    table t;
    for (int i = 0; i < N; ++i) {
        uint64_t counter = 5 * (uint64_t)i;
        t.a[i] = (int32_t)(3.0 * fgm_random_uniform(key, counter));
        t.b[i] = fgm_random_uniform(key, counter + 1) < 0.3 + 0.2 * t.a[i];
        t.x[i] = fgm_random_normal(key, counter + 2) + t.a[i];
        t.y[i] = 0.6 * t.x[i] + 0.8 * fgm_random_normal(key, counter + 3);
        t.z[i] = fgm_random_normal(key, counter + 4) - t.x[i];
        t.sample[i] = i % 3 == 0;
        t.half[i] = i >= N / 2;
    }
    return t;
}

static fgm_variable column(const double *values) { return (fgm_variable){.values = values, .d = 1}; }
static fgm_variable label(const int32_t *labels, int n_classes) { return (fgm_variable){.labels = labels, .n_classes = n_classes}; }

static fgm_data data_of(int quantity, fgm_variable x, fgm_variable y, fgm_variable given) {
    return (fgm_data){.size = sizeof(fgm_data), .n = N, .x = x, .y = y, .given = given, .quantity = quantity};
}

static fgm_options quick(int marginals) {
    fgm_options options;
    fgm_options_init(&options);
    options.max_components = 3;
    options.n_bootstrap = REPLICATES;
    options.marginals = marginals;
    return options;
}

typedef struct outcome {
    fgm_result result;
    double bootstrap[REPLICATES], centres[REPLICATES], scores[3 * CLASSES], weights[MOST], means[4 * MOST], covariances[16 * MOST];
    double location[4], scale[4], probabilities[CLASSES];
    int32_t labels[3 * CLASSES], components[CLASSES];
} outcome;

static int run(const fgm_data *data, const fgm_options *options, outcome *o) {
    memset(o, 0, sizeof *o);
    o->result = (fgm_result){.size = sizeof o->result,
                             .bootstrap = o->bootstrap,
                             .centres = o->centres,
                             .scores = o->scores,
                             .weights = o->weights,
                             .means = o->means,
                             .covariances = o->covariances,
                             .location = o->location,
                             .scale = o->scale,
                             .class_labels = o->labels,
                             .class_probabilities = o->probabilities,
                             .class_components = o->components};
    return fgm_information(data, options, 7, &o->result);
}

static bool same_bits(const double *left, const double *right, size_t count) { return memcmp(left, right, count * sizeof *left) == 0; }

/* ---- the same bits ---------------------------------------------------------------------------------------------------------------- */

static int run_backwards(void *data, int64_t n_tasks, fgm_task task, void *task_data) {
    (void)data;
    for (int64_t i = n_tasks - 1; i >= 0; --i) FGM_TRY(task(task_data, i, i == 0));
    return FGM_OK;
}

/* The whole, the whole backwards, ranges, and without arrays; classes and components within the sizes foretold. */
static void check_job(const fgm_data *data, int marginals, int n_classes, const char *name) {
    fgm_options options = quick(marginals);
    outcome o, other;
    check_status(run(data, &options, &o), FGM_OK, name);
    check(o.result.n_classes == n_classes, "%s: %d classes, should be %d", name, o.result.n_classes, n_classes);
    options.run_tasks = run_backwards;
    check_status(run(data, &options, &other), FGM_OK, name);
    check(same_bits(o.bootstrap, other.bootstrap, REPLICATES) && same_bits(&o.result.value, &other.result.value, 1) &&
              same_bits(o.covariances, other.covariances, MOST),
          "%s: the order of tasks changes no bit", name);
    options.run_tasks = NULL;
    double bootstrap[REPLICATES], centres[REPLICATES];
    for (int first = 0; first < REPLICATES; first += 4) {
        int count = REPLICATES - first < 4 ? REPLICATES - first : 4;
        check_status(fgm_information_range(data, &options, 7, o.components, o.weights, o.means, o.covariances, first, count, bootstrap + first,
                                           centres + first),
                     FGM_OK, name);
    }
    check(same_bits(bootstrap, o.bootstrap, REPLICATES) && same_bits(centres, o.centres, REPLICATES), "%s: ranges give the bits of the whole", name);
    fgm_result bare = {.size = sizeof bare};
    check_status(fgm_information(data, &options, 7, &bare), FGM_OK, name);
    check(same_bits(&bare.value, &o.result.value, 1), "%s: without arrays, the same bits", name);
    int32_t most_classes;
    int64_t most;
    check_status(fgm_result_sizes(data, &options, &most_classes, &most), FGM_OK, name);
    check(most_classes == n_classes && most >= o.result.n_components && most <= MOST, "%s: sizes", name);
}

static void test_jobs(int marginals) {
    table t = draw_table(1);
    const fgm_variable none = {0}, x = column(t.x), y = column(t.y), z = column(t.z), a = label(t.a, 3), b = label(t.b, 2);
    fgm_variable both = a;
    both.values = t.z;
    both.d = 1;
    const struct {
        const char *name;
        int n_classes;
        fgm_data data;
    } cases[] = {
        {"numbers and a label", 3, data_of(FGM_QUANTITY_INFORMATION, x, a, none)},
        {"a label and numbers given a label", 6, data_of(FGM_QUANTITY_INFORMATION, a, x, b)},
        {"two labels given numbers", 6, data_of(FGM_QUANTITY_INFORMATION, a, b, x)},
        {"numbers given a label", 2, data_of(FGM_QUANTITY_INFORMATION, x, y, b)},
        {"numbers given numbers", 1, data_of(FGM_QUANTITY_INFORMATION, x, y, z)},
        {"numbers given both", 3, data_of(FGM_QUANTITY_INFORMATION, x, y, both)},
        {"labels", 6, data_of(FGM_QUANTITY_INFORMATION, a, b, none)},
        {"entropy", 1, data_of(FGM_QUANTITY_ENTROPY, x, none, none)},
        {"divergence", 2, data_of(FGM_QUANTITY_DIVERGENCE, x, label(t.sample, 2), none)},
        {"paired divergence", 2, data_of(FGM_QUANTITY_PAIRED_DIVERGENCE, y, label(t.half, 2), none)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) check_job(&cases[i].data, marginals, cases[i].n_classes, cases[i].name);
}

/* Through the old door and the new, and the parts of a vector. */
static void test_two_continuous_variables(void) {
    table t = draw_table(2);
    fgm_options options = quick(FGM_MARGINALS_STANDARDIZE);
    fgm_data data = data_of(FGM_QUANTITY_INFORMATION, column(t.x), column(t.y), (fgm_variable){0});
    fgm_result old = {.size = sizeof old}, new = {.size = sizeof new};
    check_status(fgm_mutual_information(t.x, t.y, N, 1, 1, NULL, &options, 7, &old), FGM_OK, "two columns");
    check_status(fgm_information(&data, &options, 7, &new), FGM_OK, "two columns as data");
    check(same_bits(&old.value, &new.value, 1) && same_bits(&old.standard_error, &new.standard_error, 1), "the same bits");
    check(new.n_classes == 1 && new.n_small_classes == 0 && isnan(new.smaller_entropy), "one class, no table");
    double *together = numbers(2 * N); /* y from the last row to the first, x between */
    for (int i = 0; i < N; ++i) {
        together[2 * (N - 1 - i)] = t.y[i];
        together[2 * i + 1] = t.x[i];
    }
    fgm_result apart = {.size = sizeof apart};
    data.x = (fgm_variable){.values = together + 1, .d = 1, .stride = 2};
    data.y = (fgm_variable){.values = together + 2 * (N - 1), .d = 1, .stride = -2};
    check_status(fgm_information(&data, &options, 7, &apart), FGM_OK, "rows that are apart");
    check(same_bits(&apart.value, &new.value, 1) && same_bits(&apart.standard_error, &new.standard_error, 1), "the same bits where rows are apart");
    free(together);
}

/* ---- numbers by hand --------------------------------------------------------------------------------------------------------------- */

static void test_table(void) {
    table t = draw_table(3);
    fgm_options options = quick(FGM_MARGINALS_STANDARDIZE);
    fgm_data data = data_of(FGM_QUANTITY_INFORMATION, label(t.a, 3), label(t.b, 2), (fgm_variable){0});
    double counts[3][2] = {{0}}, rows[3] = {0}, columns[2] = {0}, information = 0.0, entropy = 0.0;
    for (int i = 0; i < N; ++i) {
        counts[t.a[i]][t.b[i]] += 1.0 / N;
        rows[t.a[i]] += 1.0 / N;
        columns[t.b[i]] += 1.0 / N;
    }
    for (int i = 0; i < 6; ++i) information += counts[i / 2][i % 2] * log(counts[i / 2][i % 2] / (rows[i / 2] * columns[i % 2]));
    for (int j = 0; j < 2; ++j) entropy -= columns[j] * log(columns[j]);
    outcome o;
    check_status(run(&data, &options, &o), FGM_OK, "a table");
    check(fabs(o.result.plug_in - information) < 1e-13, "table: %.15g, should be %.15g", o.result.plug_in, information);
    check(fabs(o.result.value - information + (5.0 - 2.0 - 1.0) / (2.0 * N)) < 1e-4, "less a bias near that of Miller (1955)");
    check(fabs(o.result.smaller_entropy - entropy) < 1e-13 && o.result.n_components == 0, "smaller entropy");
    double ratios[N], mean = 0.0;
    check_status(fgm_pointwise(&data, o.result.n_classes, o.labels, o.probabilities, o.components, NULL, NULL, NULL, ratios), FGM_OK, "log ratios");
    for (int i = 0; i < N; ++i) mean += ratios[i] / N;
    check(fabs(mean - information) < 1e-13, "the mean of the log ratio is the information");
    t.a[0] = -1;
    check_status(fgm_pointwise(&data, o.result.n_classes, o.labels, o.probabilities, o.components, NULL, NULL, NULL, ratios), FGM_OK, "log ratios");
    check(ratios[0] == -INFINITY && isfinite(ratios[1]), "an unknown label has probability 0");
}

/* A class of one row: its mean, and three parts in four of the covariance within classes. */
static void test_small_class(void) {
    table t = draw_table(4);
    fgm_options options = quick(FGM_MARGINALS_STANDARDIZE);
    for (int i = 0; i < N; ++i) t.a[i] = i == 5 ? 2 : t.a[i] % 2;
    fgm_data data = data_of(FGM_QUANTITY_INFORMATION, column(t.x), label(t.a, 3), (fgm_variable){0});
    outcome o;
    check_status(run(&data, &options, &o), FGM_OK, "a class of one row");
    double means[2] = {0}, counts[2] = {0}, within = 0.0;
    for (int i = 0; i < N; ++i) {
        if (i == 5) continue;
        means[t.a[i]] += t.x[i];
        counts[t.a[i]] += 1.0;
    }
    for (int i = 0; i < N; ++i) within += i == 5 ? 0.0 : pow(t.x[i] - means[t.a[i]] / counts[t.a[i]], 2) / N;
    int last = o.result.n_components - 1;
    check(o.result.n_small_classes == 1 && o.components[2] == 1, "one class is small");
    check(fabs(o.location[0] + o.scale[0] * o.means[last] - t.x[5]) < 1e-12, "its mean is its row");
    check(fabs(o.covariances[last] * o.scale[0] * o.scale[0] / within - 0.75) < 1e-12, "its covariance is shrunk");
    for (int i = 0; i < REPLICATES; ++i) check(isfinite(o.bootstrap[i]), "replicate %d", i);
}

/* A fixed number of components is too many for a class of nine rows, and arrays are as large as foretold. */
static void test_unbearable_number(void) {
    table t = draw_table(6);
    fgm_options options = quick(FGM_MARGINALS_STANDARDIZE);
    for (int i = 0; i < N; ++i) t.a[i] = i < 9 ? 2 : t.a[i] % 2;
    fgm_data data = data_of(FGM_QUANTITY_INFORMATION, column(t.x), label(t.a, 3), (fgm_variable){0});
    options.n_components = 6;
    int32_t classes, components[3];
    int64_t most;
    check_status(fgm_result_sizes(&data, &options, &classes, &most), FGM_OK, "sizes");
    double *weights = numbers((size_t)most), *means = numbers((size_t)most), *covariances = numbers((size_t)most);
    fgm_result result = {.size = sizeof result, .weights = weights, .means = means, .covariances = covariances, .class_components = components};
    check_status(fgm_information(&data, &options, 1, &result), FGM_OK, "six components, or what a class can bear");
    check(most == 16 && result.n_components == 16 && components[2] == 4, "six, six and four components");
    free(weights);
    free(means);
    free(covariances);
}

/* KL of two Gaussians: log s + (1 + m^2) / (2 s^2) - 1/2. */
static void test_divergence_of_mixtures(void) {
    double value, error, one = 1.0, mean_p = 0.0, mean_q = 1.0, s = 1.5, square = s * s;
    check_status(fgm_kl_divergence(1, 1, &one, &mean_p, &one, 1, &one, &mean_q, &square, 1e-6, 0, &value, &error), FGM_OK, "divergence");
    check(fabs(value - (log(s) + 2.0 / (2.0 * square) - 0.5)) < 1e-13, "divergence of two Gaussians: %.15g", value);
    check_status(fgm_kl_divergence(1, 1, &one, &mean_p, &one, 1, &one, &mean_q, &square, 0.0, 0, &value, &error), FGM_ERROR_OPTION, "no tolerance");
    square = -1.0;
    check_status(fgm_kl_divergence(1, 1, &one, &mean_p, &one, 1, &one, &mean_q, &square, 1e-6, 0, &value, &error), FGM_ERROR_NOT_POSITIVE_DEFINITE,
                 "q is none");
}

/* ---- errors ------------------------------------------------------------------------------------------------------------------------- */

static void check_fault(fgm_data data, int expected, int column, int variable, const char *name) {
    fgm_options options = quick(FGM_MARGINALS_STANDARDIZE);
    fgm_result result = {.size = sizeof result};
    check_status(fgm_information(&data, &options, 1, &result), expected, name);
    check(result.fault_column == column && result.fault_variable == variable, "%s: column %d, variable %d", name, result.fault_column,
          result.fault_variable);
}

static void test_errors(void) {
    table t = draw_table(5);
    const fgm_variable none = {0}, x = column(t.x), y = column(t.y), b = label(t.b, 2);
    int32_t zeros[N] = {0}, each[N], tens[N], ones[N];
    double shifted[N];
    for (int i = 0; i < N; ++i) {
        each[i] = i;
        tens[i] = i / 16;
        ones[i] = i % 16;
        shifted[i] = t.x[i] + t.b[i];
    }
    const int information = FGM_QUANTITY_INFORMATION, divergence = FGM_QUANTITY_DIVERGENCE, paired = FGM_QUANTITY_PAIRED_DIVERGENCE;
    check_fault(data_of(information, x, label(zeros, 2), none), FGM_ERROR_ONE_CLASS, -1, 1, "one label");
    check_fault(data_of(information, x, y, label(zeros, 2)), FGM_OK, -1, -1, "one label of given");
    check_fault(data_of(information, label(each, N), x, none), FGM_ERROR_TOO_MANY_CLASSES, -1, 0, "a label for each row");
    check_fault(data_of(information, x, label(tens, 16), label(ones, 16)), FGM_ERROR_TOO_MANY_CLASSES, -1, -1, "a class for each row");
    check_fault(data_of(information, x, label(t.a, 2), none), FGM_ERROR_LABELS, -1, 1, "a label beyond n_classes");
    check_fault(data_of(information, x, y, x), FGM_ERROR_COLLINEAR, 2, -1, "given is x");
    check_fault(data_of(information, x, column(shifted), b), FGM_ERROR_COLLINEAR, 1, -1, "y is x inside classes");
    check_fault(data_of(information, x, none, none), FGM_ERROR_DIMENSION, -1, -1, "no y");
    check_fault(data_of(FGM_QUANTITY_ENTROPY, x, y, none), FGM_ERROR_DIMENSION, -1, -1, "entropy of two");
    check_fault(data_of(FGM_QUANTITY_ENTROPY, b, none, none), FGM_ERROR_DIMENSION, -1, -1, "entropy of a label");
    check_fault(data_of(divergence, x, y, none), FGM_ERROR_DIMENSION, -1, -1, "samples without labels");
    check_fault(data_of(divergence, x, label(zeros, 2), none), FGM_ERROR_ONE_CLASS, -1, 1, "one sample");
    check_fault(data_of(paired, x, b, none), FGM_ERROR_LABELS, -1, -1, "pairs that are not halves");
    check_fault(data_of(4, x, y, none), FGM_ERROR_OPTION, -1, -1, "no such quantity");
    zeros[0] = zeros[1] = zeros[2] = 1;
    check_fault(data_of(divergence, x, label(zeros, 2), none), FGM_ERROR_TOO_FEW_SAMPLES, -1, 1, "three rows of q");
    t.y[3] = NAN;
    check_fault(data_of(information, b, x, y), FGM_ERROR_NOT_FINITE, 1, -1, "NaN in given");
    fgm_data other = data_of(information, x, b, none);
    other.size -= 8;
    check_fault(other, FGM_ERROR_VERSION, -1, -1, "data of another size");
}

int main(void) {
    for (int marginals = FGM_MARGINALS_NONE; marginals <= FGM_MARGINALS_GAUSSIANIZE; ++marginals) test_jobs(marginals);
    test_two_continuous_variables();
    test_table();
    test_small_class();
    test_unbearable_number();
    test_divergence_of_mixtures();
    test_errors();
    return summary();
}
