/* Picks the tier of kernels when the library loads: the best that this processor runs, or the one that FASTGMMMI_CPU names if it runs that. */
#include "core.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
extern const fgm_kernels fgm_kernels_baseline, fgm_kernels_v3, fgm_kernels_v4;

/* Best first. */
static const fgm_kernels *const tiers[] = {&fgm_kernels_v4, &fgm_kernels_v3, &fgm_kernels_baseline};

static bool supported(const fgm_kernels *kernels) {
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
              __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    return kernels == &fgm_kernels_v4 ? v4 : kernels == &fgm_kernels_v3 ? v3 : true;
}
#else
#if defined(__x86_64__) || defined(_M_X64)
extern const fgm_kernels fgm_kernels_baseline;
static const fgm_kernels *const tiers[] = {&fgm_kernels_baseline};
#else
extern const fgm_kernels fgm_kernels_portable;
static const fgm_kernels *const tiers[] = {&fgm_kernels_portable};
#endif

static bool supported(const fgm_kernels *kernels) {
    (void)kernels;
    return true;
}
#endif

#define N_TIERS ((int)(sizeof tiers / sizeof *tiers))

static const fgm_kernels *current;

static const fgm_kernels *find_tier(const char *name) {
    for (int i = 0; name && i < N_TIERS; ++i) {
        if (strcmp(name, tiers[i]->tier) == 0 && supported(tiers[i])) return tiers[i];
    }
    return NULL;
}

static const fgm_kernels *choose_tier(void) {
    const fgm_kernels *forced = find_tier(getenv("FASTGMMMI_CPU"));
    for (int i = 0; !forced; ++i) {
        if (supported(tiers[i])) forced = tiers[i];
    }
    return forced;
}

#if defined(__GNUC__)
__attribute__((constructor)) static void choose_at_load(void) { current = choose_tier(); }
#endif

const fgm_kernels *fgm_get_kernels(void) {
    if (!current) current = choose_tier();
    return current;
}

const char *fgm_cpu_tier(void) { return fgm_get_kernels()->tier; }

int fgm_set_cpu_tier(const char *tier) {
    const fgm_kernels *found = find_tier(tier);
    if (!found) return FGM_ERROR_OPTION;
    current = found;
    return FGM_OK;
}

void fgm_exp(const double *in, int64_t n, double *out) { fgm_get_kernels()->exp(n, in, out); }
void fgm_log(const double *in, int64_t n, double *out) { fgm_get_kernels()->log(n, in, out); }
