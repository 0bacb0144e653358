/* How fast one core takes exponentials in first-level cache: exp_rate, at the tier that FASTGMMMI_CPU names.
 *
 * Prints the tier and the nanoseconds per exponential: the least over many runs of a few milliseconds, since this is a limit.
 */
#include "core.h"

#include <stdio.h>
#include <time.h>

/* Processor time, which other work on the machine does not lengthen. */
static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(void) {
    enum { IN_CACHE = 1024, ROUNDS = 2000, RUNS = 200 }; /* in and out are 8 kB each */
    static double in[IN_CACHE], out[IN_CACHE];
    for (int i = 0; i < IN_CACHE; ++i) in[i] = -20.0 * i / IN_CACHE; /* terms less their maximum */
    double least = 1.0;
    for (int run = 0; run < RUNS; ++run) {
        double before = seconds();
        for (int round = 0; round < ROUNDS; ++round) fgm_get_kernels()->exp(IN_CACHE, in, out);
        double taken = seconds() - before;
        least = taken < least ? taken : least;
    }
    printf("%s %.4f\n", fgm_cpu_tier(), 1e9 * least / ((double)IN_CACHE * ROUNDS));
    return 0;
}
