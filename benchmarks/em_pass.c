/* Times the EM kernel alone, on one core: em_pass N D K FILE, at the tier that FASTGMMMI_CPU names.
 *
 * FILE holds doubles: the samples by columns (d, n), weights (K), means (K, d), covariances (K, d, d). Prints the tier and the
 * nanoseconds per sample and component: the median over passes of about half a second.
 */
#include "core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Processor time, which other work on the machine does not lengthen. */
static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int ascending(const void *left, const void *right) {
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

int main(int count, char **arguments) {
    if (count != 5) return 2;
    int64_t n = atoll(arguments[1]);
    int d = atoi(arguments[2]), n_components = atoi(arguments[3]);
    size_t in_samples = (size_t)d * (size_t)n, in_mixture = (size_t)n_components * (1 + (size_t)d + (size_t)d * (size_t)d);
    double *columns = fgm_allocate(in_samples), *weights = fgm_allocate(in_mixture);
    double *pack = fgm_allocate((size_t)n_components * FGM_PACK_STRIDE(d)), *work = fgm_allocate(fgm_work_size(n_components, d));
    double *moments = fgm_allocate((size_t)n_components * FGM_MOMENT_STRIDE(d));
    FILE *file = fopen(arguments[4], "rb");
    if (!columns || !weights || !pack || !work || !moments || !file) return 1;
    if (fread(columns, sizeof *columns, in_samples, file) != in_samples || fread(weights, sizeof *weights, in_mixture, file) != in_mixture) return 1;
    fclose(file);

    double *means = weights + n_components, *covariances = means + n_components * d;
    fgm_mixture mixture;
    if (fgm_mixture_from_parameters(&mixture, n_components, d, weights, means, covariances) != FGM_OK) return 1;
    fgm_pack(&mixture, pack);
    fgm_samples samples = {.n = n, .stride = n, .d = d, .columns = columns, .weights = NULL};

    enum { MOST_PASSES = 4000 };
    static double times[MOST_PASSES];
    int passes = 0;
    for (double start = seconds(), end = start; passes < MOST_PASSES && (passes < 5 || end - start < 0.5); ++passes) {
        double log_likelihood[2] = {0, 0}, before = seconds();
        memset(moments, 0, (size_t)n_components * FGM_MOMENT_STRIDE(d) * sizeof *moments);
        fgm_get_kernels()->em_pass(n_components, pack, samples, moments, log_likelihood, work);
        end = seconds();
        times[passes] = end - before;
    }
    qsort(times, (size_t)passes, sizeof *times, ascending);
    printf("%s %.4f\n", fgm_cpu_tier(), 1e9 * times[passes / 2] / ((double)n * n_components));
    return 0;
}
