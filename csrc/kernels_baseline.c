/* The tier that every processor runs: 128-bit registers (SSE2, NEON) where the compiler has vectors, plain doubles elsewhere. */
#if defined(__SSE2__)
#include <immintrin.h>
#endif
#if defined(__GNUC__)
#define FGM_LANES 2
#else
#define FGM_LANES 1
#endif
#if defined(__x86_64__) || defined(_M_X64)
#define FGM_TIER baseline
#else
#define FGM_TIER portable
#endif
#include "kernels.h"
