/* exp and log without branches, on FGM_LANES doubles at a time.
 *
 * A file that includes this first sets its CPU target and defines FGM_LANES. vec is a GNU C vector of that many doubles (gcc and clang
 * lower it to whatever registers the target has), or one plain double where the compiler has no such vectors, so that one source serves
 * every tier.
 *
 * exp: x = k ln 2 + r with |r| <= ln 2 / 2 (Cody and Waite 1980), exp r = 1 + r + r^2 q(r) with q of degree 9, interpolated at Chebyshev
 * nodes (relative error 1.6e-17), then 2^k by adding k to the exponent.
 * log: x = 2^e m with m in [sqrt(1/2), sqrt 2), s = (m - 1) / (m + 1), log m = 2 s + s^3 q(s^2) with q of degree 6, interpolated at Chebyshev
 * nodes (relative error 3e-17), written as f - (f^2/2 - s (f^2/2 + R)), f = m - 1, so that f, which is exact, carries the leading digits.
 * Even and odd powers of a polynomial are summed apart: two chains of half the length take half the time where latency counts. So it does where
 * processors look ahead a few dozen instructions only: both functions take several registers at once, step by step, of which none waits for
 * another.
 */
#ifndef FGM_VECMATH_H
#define FGM_VECMATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FGM_INLINE static inline __attribute__((always_inline))
#else
#define FGM_INLINE static inline
#endif

#if FGM_LANES > 1
typedef double vec __attribute__((vector_size(8 * FGM_LANES)));
typedef int64_t ivec __attribute__((vector_size(8 * FGM_LANES)));
typedef uint64_t uvec __attribute__((vector_size(8 * FGM_LANES)));
#define VEC_BITS(x) ((uvec)(x))
#define VEC_FROM_BITS(x) ((vec)(x))
#define VEC_TRUE(mask) ((uvec)(mask))
#else
typedef double vec;
typedef uint64_t uvec;
FGM_INLINE uvec vec_bits(vec x) {
    uvec bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
FGM_INLINE vec vec_from_bits(uvec bits) {
    vec x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
#define VEC_BITS(x) vec_bits(x)
#define VEC_FROM_BITS(x) vec_from_bits(x)
#define VEC_TRUE(mask) (-(uvec)(mask))
#endif

FGM_INLINE vec vec_load(const double *from) {
    vec x;
    memcpy(&x, from, sizeof x);
    return x;
}

FGM_INLINE void vec_store(double *to, vec x) { memcpy(to, &x, sizeof x); }

FGM_INLINE vec vec_fill(double x) {
    vec filled = {0};
    return filled + x;
}

/* Halves are added to each other until one number is left. */
FGM_INLINE double vec_sum(vec x) {
#if FGM_LANES == 1
    return x;
#elif FGM_LANES == 2
    return x[0] + x[1];
#else
#if FGM_LANES == 8
    __m256d four = _mm512_castpd512_pd256(x) + _mm512_extractf64x4_pd(x, 1);
#else
    __m256d four = x;
#endif
    __m128d two = _mm256_castpd256_pd128(four) + _mm256_extractf128_pd(four, 1);
    return two[0] + two[1];
#endif
}

#if FGM_LANES >= 4
/* The sums of four, each by the same halves. */
FGM_INLINE __m256d vec_four_sums(const vec *x) {
#if FGM_LANES == 8
    __m512d ab = _mm512_shuffle_f64x2(x[0], x[1], 0x44) + _mm512_shuffle_f64x2(x[0], x[1], 0xee);
    __m512d cd = _mm512_shuffle_f64x2(x[2], x[3], 0x44) + _mm512_shuffle_f64x2(x[2], x[3], 0xee);
    __m512d twos = _mm512_shuffle_f64x2(ab, cd, 0x88) + _mm512_shuffle_f64x2(ab, cd, 0xdd);
    __m256d acbd = _mm256_hadd_pd(_mm512_castpd512_pd256(twos), _mm512_extractf64x4_pd(twos, 1));
#else
    __m256d ab = _mm256_permute2f128_pd(x[0], x[1], 0x20) + _mm256_permute2f128_pd(x[0], x[1], 0x31);
    __m256d cd = _mm256_permute2f128_pd(x[2], x[3], 0x20) + _mm256_permute2f128_pd(x[2], x[3], 0x31);
    __m256d acbd = _mm256_hadd_pd(ab, cd);
#endif
    return _mm256_permute4x64_pd(acbd, 0xd8);
}
#endif

/* Adds the sums of n vectors, times a factor, to n numbers. */
FGM_INLINE void vec_add_sums(const int n, const double factor, const vec *x, double *to) {
    int i = 0;
#if FGM_LANES >= 4
    for (; i + 4 <= n; i += 4) _mm256_storeu_pd(to + i, factor * vec_four_sums(x + i) + _mm256_loadu_pd(to + i));
#endif
    for (; i < n; ++i) to[i] += factor * vec_sum(x[i]);
}

/* Comparisons give a mask, which has a register of its own where there are 512 bits. A comparison with NaN is false. vec_max and vec_min are the
 * second argument where either is NaN. */
#if FGM_LANES == 8
typedef __mmask8 mask;
FGM_INLINE mask vec_less(vec a, vec b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
FGM_INLINE vec vec_select(mask which, vec yes, vec no) { return _mm512_mask_blend_pd(which, no, yes); }
FGM_INLINE vec vec_zero_where(mask which, vec x) { return _mm512_maskz_mov_pd((mask)~which, x); }
#else
typedef uvec mask;
FGM_INLINE mask vec_less(vec a, vec b) { return VEC_TRUE(a < b); }
FGM_INLINE vec vec_select(mask which, vec yes, vec no) { return VEC_FROM_BITS(VEC_BITS(no) ^ (which & (VEC_BITS(yes) ^ VEC_BITS(no)))); }
FGM_INLINE vec vec_zero_where(mask which, vec x) { return VEC_FROM_BITS(VEC_BITS(x) & ~which); }
#endif

#if FGM_LANES == 8
FGM_INLINE vec vec_max(vec a, vec b) { return _mm512_max_pd(a, b); }
FGM_INLINE vec vec_min(vec a, vec b) { return _mm512_min_pd(a, b); }
#elif FGM_LANES == 4
FGM_INLINE vec vec_max(vec a, vec b) { return _mm256_max_pd(a, b); }
FGM_INLINE vec vec_min(vec a, vec b) { return _mm256_min_pd(a, b); }
#elif FGM_LANES == 2 && defined(__SSE2__)
FGM_INLINE vec vec_max(vec a, vec b) { return _mm_max_pd(a, b); }
FGM_INLINE vec vec_min(vec a, vec b) { return _mm_min_pd(a, b); }
#else
FGM_INLINE vec vec_max(vec a, vec b) { return vec_select(vec_less(b, a), a, b); }
FGM_INLINE vec vec_min(vec a, vec b) { return vec_select(vec_less(a, b), a, b); }
#endif

#if FGM_LANES == 8
FGM_INLINE bool vec_any(mask which) { return which != 0; }
FGM_INLINE vec vec_sqrt(vec x) { return _mm512_sqrt_pd(x); }
#elif FGM_LANES == 4
FGM_INLINE bool vec_any(mask which) { return _mm256_movemask_pd((vec)which) != 0; }
FGM_INLINE vec vec_sqrt(vec x) { return _mm256_sqrt_pd(x); }
#elif FGM_LANES == 2
FGM_INLINE bool vec_any(mask which) { return (which[0] | which[1]) != 0; }
FGM_INLINE vec vec_sqrt(vec x) { return (vec){sqrt(x[0]), sqrt(x[1])}; }
#else
FGM_INLINE bool vec_any(mask which) { return which != 0; }
FGM_INLINE vec vec_sqrt(vec x) { return sqrt(x); }
#endif

#define FGM_AT_ONCE 4 /* registers, the most that the functions below take */

#define ONE_OVER_LN2 0x1.71547652b82fep0
#define ROUND_TO_INTEGER 0x1.8p52 /* added, it leaves no bits for a fraction */

/* x 2^k, where that is a normal number; k is in the last bits of shifted. */
FGM_INLINE vec vec_times_power(vec x, vec shifted) {
#if FGM_LANES == 8
    return _mm512_scalef_pd(x, shifted - ROUND_TO_INTEGER);
#else
    return VEC_FROM_BITS(VEC_BITS(x) + (VEC_BITS(shifted) << 52));
#endif
}

/* x[i] = 2^k (1 + r + r^2 q), of which even + r odd is q. */
FGM_INLINE void finish_exp(const int n, vec *x, const vec *shifted, const vec *r, const vec *square, vec *even, const vec *odd) {
    for (int i = 0; i < n; ++i) even[i] = (odd[i] * r[i] + even[i]) * square[i] + r[i] + 1.0;
    for (int i = 0; i < n; ++i) x[i] = vec_times_power(even[i], shifted[i]);
}

/* x[i] = exp(x[i]) for x <= 709; 0 below -708 (where the result would be subnormal); NaN stays NaN. */
FGM_INLINE void vec_exp(const int n, vec *x) {
    vec shifted[FGM_AT_ONCE], r[FGM_AT_ONCE], square[FGM_AT_ONCE], even[FGM_AT_ONCE], odd[FGM_AT_ONCE];
    for (int i = 0; i < n; ++i) shifted[i] = x[i] * ONE_OVER_LN2 + ROUND_TO_INTEGER;
    for (int i = 0; i < n; ++i) {
        vec k = shifted[i] - ROUND_TO_INTEGER;
        r[i] = x[i] - k * 0x1.62e42feep-1;       /* leading bits of ln 2: the product is exact */
        r[i] = r[i] - k * 0x1.a39ef35793c76p-33; /* the rest of ln 2 */
    }
    for (int i = 0; i < n; ++i) square[i] = r[i] * r[i];
    for (int i = 0; i < n; ++i) even[i] = 0x1.289185613a3d6p-22 * square[i] + 0x1.a019b90d2ae7ap-16;
    for (int i = 0; i < n; ++i) odd[i] = 0x1.af38a9b0ec855p-26 * square[i] + 0x1.71de0dae63bb3p-19;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.6c16c1788bd90p-10;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.a01a01a7c41d5p-13;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.5555555553d63p-5;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.11111111109b3p-7;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.0000000000001p-1;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.5555555555556p-3;
    mask is_small[FGM_AT_ONCE];
    for (int i = 0; i < n; ++i) is_small[i] = vec_less(x[i], vec_fill(-708.0));
    finish_exp(n, x, shifted, r, square, even, odd);
    for (int i = 0; i < n; ++i) x[i] = vec_zero_where(is_small[i], x[i]);
}

/* The same to 13 digits, for x from -45 or so up: enough for responsibilities, and three multiplications of fourteen less. q is of degree 7 (relative
 * error 7e-14), and ln 2 rounded once, which costs a relative 2e-17 |x|, or 1e-16 |x| without fused multiplication. Below -700 it stays 1e-304. */
FGM_INLINE void vec_exp_short(const int n, vec *x) {
    vec shifted[FGM_AT_ONCE], r[FGM_AT_ONCE], square[FGM_AT_ONCE], even[FGM_AT_ONCE], odd[FGM_AT_ONCE];
    for (int i = 0; i < n; ++i) x[i] = vec_max(vec_fill(-700.0), x[i]); /* NaN stays */
    for (int i = 0; i < n; ++i) shifted[i] = x[i] * ONE_OVER_LN2 + ROUND_TO_INTEGER;
    for (int i = 0; i < n; ++i) r[i] = x[i] - (shifted[i] - ROUND_TO_INTEGER) * 0x1.62e42fefa39efp-1;
    for (int i = 0; i < n; ++i) square[i] = r[i] * r[i];
    for (int i = 0; i < n; ++i) even[i] = 0x1.a136bf03ec612p-16 * square[i] + 0x1.6c166bde96885p-10;
    for (int i = 0; i < n; ++i) odd[i] = 0x1.72ad458027fbcp-19 * square[i] + 0x1.a019c36bc053cp-13;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.55555565c7e0ep-5;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.111111170bc08p-7;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.fffffffffe062p-2;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.5555555554f96p-3;
    finish_exp(n, x, shifted, r, square, even, odd);
}

/* x[i] = log(x[i]) for x positive, normal and finite. */
FGM_INLINE void vec_log(const int n, vec *x) {
    const uint64_t sqrt_half = UINT64_C(0x3fe6a09e667f3bcd);
    vec e[FGM_AT_ONCE], f[FGM_AT_ONCE], s[FGM_AT_ONCE], z[FGM_AT_ONCE], square[FGM_AT_ONCE], even[FGM_AT_ONCE], odd[FGM_AT_ONCE];
    for (int i = 0; i < n; ++i) {
        uvec exponent = (VEC_BITS(x[i]) - sqrt_half + (UINT64_C(1024) << 52)) >> 52; /* never negative */
        e[i] = VEC_FROM_BITS(exponent | UINT64_C(0x4330000000000000)) - (0x1p52 + 1024.0);
        vec m = VEC_FROM_BITS(VEC_BITS(x[i]) - ((exponent - 1024) << 52));
        f[i] = m - 1.0;
        s[i] = f[i] / (m + 1.0);
    }
    for (int i = 0; i < n; ++i) z[i] = s[i] * s[i];
    for (int i = 0; i < n; ++i) square[i] = z[i] * z[i];
    for (int i = 0; i < n; ++i) even[i] = 0x1.2b59b713616c9p-3 * square[i] + 0x1.7462b58e46ebep-3;
    for (int i = 0; i < n; ++i) odd[i] = 0x1.39fe42e9740a7p-3 * square[i] + 0x1.c71c62e26208bp-3;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.2492492df3ba9p-2;
    for (int i = 0; i < n; ++i) odd[i] = odd[i] * square[i] + 0x1.99999999952ccp-2;
    for (int i = 0; i < n; ++i) even[i] = even[i] * square[i] + 0x1.5555555555558p-1;
    for (int i = 0; i < n; ++i) {
        vec half_square = 0.5 * f[i] * f[i];
        vec tail = s[i] * (half_square + z[i] * (odd[i] * z[i] + even[i])) + e[i] * 0x1.a39ef35793c76p-33;
        x[i] = e[i] * 0x1.62e42feep-1 - ((half_square - tail) - f[i]);
    }
}

#endif
