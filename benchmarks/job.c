/* One whole job on one thread, to count its instructions or to see where its time goes: job FILE N REPLICATES RESELECT REPEATS.
 *
 * FILE holds doubles: x (N), then y (N). RESELECT is that of fgm_options. Prints the tier, the estimate and its error.
 */
#include "fastgmmmi.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments) {
    if (count != 6) return 2;
    size_t n = (size_t)atoll(arguments[2]);
    double *xy = malloc(2 * n * sizeof *xy);
    FILE *file = fopen(arguments[1], "rb");
    if (!xy || !file || fread(xy, sizeof *xy, 2 * n, file) != 2 * n) return 1;
    fclose(file);
    fgm_options options;
    fgm_options_init(&options);
    options.n_bootstrap = atoi(arguments[3]);
    options.reselect = atoi(arguments[4]);
    fgm_result result = {.size = sizeof result};
    for (int repeat = atoi(arguments[5]); repeat > 0; --repeat) {
        if (fgm_mutual_information(xy, xy + n, (int64_t)n, 1, 1, NULL, &options, 0, &result) != FGM_OK) return 1;
    }
    printf("%s %.10f %.10f\n", fgm_cpu_tier(), result.value, result.standard_error);
    free(xy);
    return 0;
}
