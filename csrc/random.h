/* A counter-based random generator: any number of a stream can be had on its own, so that work can be split in any way.
 *
 * The n-th number of a stream is the SplitMix64 finaliser (Steele, Lea and Flood 2014, variant 13 of Stafford's mixers) applied to
 * key + n * golden ratio: the sequence of SplitMix64 started at key. A stream's key is mixed from the seed, the purpose and the index.
 */
#ifndef FGM_RANDOM_H
#define FGM_RANDOM_H

#include <stdint.h>

typedef enum fgm_purpose {
    FGM_STREAM_FOLDS = 1,
    FGM_STREAM_STARTS = 2,
    FGM_STREAM_BOOTSTRAP = 3,
    FGM_STREAM_INTEGRAL = 4,
    FGM_STREAM_SAMPLE = 5,
    FGM_STREAM_CLASS = 6,
    FGM_STREAM_MAP = 7,
    FGM_STREAM_SHORTFALL = 8
} fgm_purpose;

static inline uint64_t fgm_mix(uint64_t z) {
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t fgm_stream(uint64_t seed, fgm_purpose purpose, uint64_t index) {
    uint64_t key = fgm_mix(seed + UINT64_C(0x9e3779b97f4a7c15));
    key = fgm_mix(key ^ ((uint64_t)purpose * UINT64_C(0xd1342543de82ef95)));
    return fgm_mix(key ^ (index * UINT64_C(0xda942042e4dd58b5) + UINT64_C(0x2545f4914f6cdd1d)));
}

static inline uint64_t fgm_random_bits(uint64_t key, uint64_t counter) { return fgm_mix(key + counter * UINT64_C(0x9e3779b97f4a7c15)); }

/* Uniform in (0, 1), never 0 or 1. */
static inline double fgm_random_uniform(uint64_t key, uint64_t counter) { return ((double)(fgm_random_bits(key, counter) >> 12) + 0.5) * 0x1p-52; }

/* Standard normal, by inversion. */
double fgm_normal_quantile(double probability);
static inline double fgm_random_normal(uint64_t key, uint64_t counter) { return fgm_normal_quantile(fgm_random_uniform(key, counter)); }

#endif
