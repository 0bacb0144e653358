/* Prints estimates of one kind each, to compare builds, processors and tiers: .ci/cross. A line is a name and the value, the error bar and the
 * plug-in estimate, with all their digits. */
#include "check.h"

#define N 300
#define D 6

static double X[N * D], x[N * D], y[N * D];
static int32_t labels[N];

static void print_estimate(const char *name, int32_t d_x, int32_t d_y, int32_t n_labels, void (*change)(fgm_options *options)) {
    fgm_data data = {.size = sizeof data, .n = N};
    data.x = (fgm_variable){.values = x, .d = d_x};
    if (d_y > 0) data.y = (fgm_variable){.values = y, .d = d_y};
    if (n_labels > 0) data.y = (fgm_variable){.labels = labels, .n_classes = n_labels};
    data.quantity = d_y + n_labels > 0 ? FGM_QUANTITY_INFORMATION : FGM_QUANTITY_ENTROPY;
    fgm_options options;
    fgm_options_init(&options);
    options.n_bootstrap = 20;
    if (change) change(&options);
    fgm_result result = {.size = sizeof result};
    int status = fgm_information(&data, &options, 7, &result);
    check_status(status, FGM_OK, name);
    printf("%s %.17g %.17g %.17g\n", name, result.value, result.standard_error, result.plug_in);
}

static void choose_anew(fgm_options *options) { options->reselect = 1; }
static void take_scores(fgm_options *options) { options->marginals = FGM_MARGINALS_GAUSSIANIZE; }
static void take_student_scores(fgm_options *options) { options->marginals = FGM_MARGINALS_STUDENTIZE; }
static void choose_by_bic(fgm_options *options) {
    options->criterion = FGM_CRITERION_BIC;
    options->init = FGM_INIT_KMEANSPP;
}

/* Columns of X (n, d) from first on, (n, count). */
static void take(double *to, int first, int count, int d) {
    for (int i = 0; i < N; ++i) {
        for (int j = 0; j < count; ++j) to[i * count + j] = X[i * d + first + j];
    }
}

int main(void) {
    if (fgm_sample(5, 2, D5_WEIGHTS, D5_MEANS, D5_COVARIANCES, 11, N, X) != FGM_OK) abort();
    take(x, 0, 1, 2);
    take(y, 1, 1, 2);
    for (int i = 0; i < N; ++i) labels[i] = (y[i] > 0.5) + (y[i] > 1.5);
    print_estimate("pair", 1, 1, 0, NULL);
    print_estimate("pair,choice-in-each-replicate", 1, 1, 0, choose_anew);
    print_estimate("pair,normal-scores", 1, 1, 0, take_scores);
    print_estimate("pair,Student-t-scores", 1, 1, 0, take_student_scores);
    print_estimate("pair,BIC-and-k-means++", 1, 1, 0, choose_by_bic);
    print_estimate("labels", 1, 0, 3, NULL);
    print_estimate("entropy", 1, 0, 0, NULL);
    parameters p = draw_parameters(2, D, 5);
    if (fgm_sample(2, D, p.weights, p.means, p.covariances, 12, N, X) != FGM_OK) abort();
    release_parameters(&p);
    take(x, 0, 3, D);
    take(y, 3, 3, D);
    print_estimate("six-dimensions", 3, 3, 0, NULL);
    return n_failed > 0;
}
