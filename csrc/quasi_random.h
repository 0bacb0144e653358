/* Quasi-random numbers: a rank-1 lattice sequence with random shifts.
 *
 * Point i of the sequence is frac(v(i) z + shift), v(i) the bits of i mirrored at the binary point, z the generating vector. The first 2^m
 * points are then a lattice rule for every m, so that doubling their number keeps the ones that are there (Hickernell, Hong, L'Ecuyer and
 * Lemieux 2000). z was constructed for this file, component by component, for all 2^8 .. 2^20 points at once (Cools, Kuo and Nuyens 2006) with
 * product weights 1/j and the worst-case error of the space of periodic functions of smoothness 1. The tent map 1 - |2u - 1| makes smooth functions
 * periodic (Hickernell 2002). All is integer arithmetic modulo 2^64, so that points are the same everywhere.
 */
#ifndef FGM_QUASI_RANDOM_H
#define FGM_QUASI_RANDOM_H

#include "core.h"

/* Generating vector, modulo 2^20. */
static inline uint32_t fgm_lattice_generator(int dimension) {
    static const uint32_t generator[FGM_MAX_DIMENSION] = {
        1,       443165, 90285,   491957, 898625, 285201, 111893, 836765,  217925, 528353, 473421,  148557, 926809, 911397, 248441,  872217,
        864229,  421241, 683185,  309433, 89017,  716421, 480637, 1043081, 60901,  145533, 1008613, 275577, 912253, 948093, 677809,  127105,
        1039997, 229965, 660905,  312341, 196937, 630657, 27057,  61721,   547661, 388125, 345065,  95925,  818301, 583245, 1045321, 559949,
        358577,  740941, 1002569, 423397, 380749, 950809, 789529, 618113,  414849, 160285, 744421,  103501, 788453, 671977, 237793,  622257,
    };
    return generator[dimension];
}

static inline uint64_t fgm_mirror_bits(uint64_t i) {
    i = (i >> 32) | (i << 32);
    i = ((i >> 16) & UINT64_C(0x0000ffff0000ffff)) | ((i & UINT64_C(0x0000ffff0000ffff)) << 16);
    i = ((i >> 8) & UINT64_C(0x00ff00ff00ff00ff)) | ((i & UINT64_C(0x00ff00ff00ff00ff)) << 8);
    i = ((i >> 4) & UINT64_C(0x0f0f0f0f0f0f0f0f)) | ((i & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4);
    i = ((i >> 2) & UINT64_C(0x3333333333333333)) | ((i & UINT64_C(0x3333333333333333)) << 2);
    return ((i >> 1) & UINT64_C(0x5555555555555555)) | ((i & UINT64_C(0x5555555555555555)) << 1);
}

/* One coordinate of a shifted point, mirrored = fgm_mirror_bits(i), in (0, 1), never 0 or 1. */
static inline double fgm_lattice_coordinate(uint64_t mirrored, int dimension, uint64_t shift) {
    uint64_t u = mirrored * fgm_lattice_generator(dimension) + shift;
    u = (u >> 63 ? ~u : u) << 1; /* the tent map */
    return ((double)(u >> 12) + 0.5) * 0x1p-52;
}

#endif
