/* Memory aligned for the widest registers. */
#include "core.h"

#include <stdlib.h>

#define ALIGNMENT 64

double *fgm_allocate(size_t count) {
    if (count > (SIZE_MAX - 2 * ALIGNMENT) / sizeof(double)) return NULL;
    /* The address that malloc gave is kept just before the aligned one. */
    char *raw = malloc(count * sizeof(double) + ALIGNMENT + sizeof(void *));
    if (!raw) return NULL;
    uintptr_t aligned = ((uintptr_t)raw + sizeof(void *) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    ((void **)aligned)[-1] = raw;
    return (double *)aligned;
}

void fgm_release(double *memory) {
    if (memory) free(((void **)(void *)memory)[-1]);
}
