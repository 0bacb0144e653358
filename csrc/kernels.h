/* The hot loops: densities of blocks of samples, and the fused E and M step.
 *
 * Included once by each kernels_*.c, which has set the CPU target, FGM_LANES and FGM_TIER (a suffix for the table's name).
 *
 * Work goes by blocks of fgm_block_size samples (at most 256) that stay in cache. For each block:
 *   terms    t_k = peak_k - |P_k x + offset_k|^2 = log w_k N_k(x), component by component, parameters in registers;
 *   normalise m = max_k t_k, e_k = exp(t_k - m), r_k = weight e_k / sum e, log-density = m + log sum e;
 *   moments  sum r, sum r z, sum r z z^T of z = P x + offset, component by component, sums in registers.
 * So E and M are one pass, and no array of all samples by components ever exists. Moments in whitened coordinates lose no digits when a
 * component is narrow and far from the origin. Up to dimension FGM_UNROLLED the compiler unrolls everything and z is computed twice;
 * above, z is kept for the block and the triangular products are tiled, so that a loaded number serves several multiplications. Moments go by whole
 * rows up to dimension FGM_STRIPS, and by tiles above.
 *
 * Memory layout of work, for B samples a block: terms (K, B), scale (B), padded columns (d, B), padded weights (B), and above
 * dimension FGM_UNROLLED z (K, d, B) and weighted z (d, B).
 */
#include "core.h"
#include "normal_quantile.h"
#include "random.h"
#include "vecmath.h"

#define ROOT_TWO 1.41421356237309504880

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

typedef struct block {
    int size;              /* samples, a multiple of FGM_LANES: the last ones may be padding of weight 0 */
    int count;             /* samples that are real */
    int64_t stride;        /* distance of columns */
    const double *columns; /* (d, stride) */
    const double *weights; /* (size) */
    bool equal;            /* all weights are 1, or 0 where padding */
} block;

typedef struct block_memory {
    int size;          /* B */
    double *terms;     /* (K, B) */
    double *scale;     /* (B) */
    double *columns;   /* (d, B) */
    double *weights;   /* (B) */
    double *whitened;  /* (K, d, B) */
    double *weighted;  /* (d, B) */
} block_memory;

static block_memory divide_memory(int n_components, int d, double *work) {
    block_memory memory;
    memory.size = fgm_block_size(n_components, d);
    memory.terms = work;
    memory.scale = memory.terms + (size_t)n_components * memory.size;
    memory.columns = memory.scale + memory.size;
    memory.weights = memory.columns + (size_t)d * memory.size;
    memory.whitened = memory.weights + memory.size;
    memory.weighted = memory.whitened + (size_t)n_components * d * memory.size;
    return memory;
}

/* The block that starts at a row; padded copies are made only where rows are missing to a full register, or weights are all 1. */
static block take_block(fgm_samples samples, int64_t start, block_memory memory) {
    block taken;
    int64_t left = samples.n - start;
    taken.count = left < memory.size ? (int)left : memory.size;
    taken.size = (taken.count + FGM_LANES - 1) / FGM_LANES * FGM_LANES;
    taken.stride = samples.stride;
    taken.columns = samples.columns + start;
    taken.weights = samples.weights ? samples.weights + start : memory.weights;
    taken.equal = !samples.weights;
    bool ragged = taken.size != taken.count;
    if (ragged || !samples.weights) {
        for (int b = 0; b < taken.size; ++b) memory.weights[b] = b >= taken.count ? 0.0 : samples.weights ? samples.weights[start + b] : 1.0;
        taken.weights = memory.weights;
    }
    if (ragged) {
        for (int j = 0; j < samples.d; ++j) {
            const double *column = taken.columns + j * samples.stride;
            for (int b = 0; b < taken.size; ++b) memory.columns[j * memory.size + b] = column[b < taken.count ? b : 0];
        }
        taken.columns = memory.columns;
        taken.stride = memory.size;
    }
    return taken;
}

/* z_i = (P x + offset)_i at LANES samples. */
FGM_INLINE vec whiten(int i, const double *offset, const double *whitener, const vec *x) {
    vec z = vec_fill(offset[i]);
    for (int j = 0; j <= i; ++j) z += whitener[FGM_TRIANGLE(i) + j] * x[j];
    return z;
}

/* ---- terms ------------------------------------------------------------------------------------------------------------------- */

FGM_INLINE void terms_unrolled(const int d, block samples, const double *parameters /* (1 + d + d(d+1)/2) */, double *terms /* (size) */) {
    const double *offset = parameters + 1, *whitener = offset + d;
    for (int b = 0; b < samples.size; b += FGM_LANES) {
        vec x[FGM_UNROLLED];
        for (int j = 0; j < d; ++j) x[j] = vec_load(samples.columns + j * samples.stride + b);
        vec term = vec_fill(parameters[0]);
        for (int i = 0; i < d; ++i) {
            vec z = whiten(i, offset, whitener, x);
            term -= z * z;
        }
        vec_store(terms + b, term);
    }
}

/* Rows i, i + 1, .. of z at some registers of samples: a tile of sums, so that what is loaded serves several multiplications. Their squares are taken
 * off the terms. */
FGM_INLINE void whiten_tile(const int rows, const int registers, int i, block samples, int b, const double *offset, const double *whitener,
                            double *terms, double *whitened /* (d, block_stride) */, int block_stride) {
    vec z[3][4];
    const double *row[3];
    for (int r = 0; r < rows; ++r) {
        row[r] = whitener + FGM_TRIANGLE(i + r);
        for (int g = 0; g < registers; ++g) z[r][g] = vec_fill(offset[i + r]);
    }
    for (int j = 0; j <= i; ++j) {
        for (int g = 0; g < registers; ++g) {
            vec x = vec_load(samples.columns + j * samples.stride + b + g * FGM_LANES);
            for (int r = 0; r < rows; ++r) z[r][g] += row[r][j] * x;
        }
    }
    for (int c = 1; c < rows; ++c) { /* the triangle at the diagonal */
        for (int g = 0; g < registers; ++g) {
            vec x = vec_load(samples.columns + (i + c) * samples.stride + b + g * FGM_LANES);
            for (int r = c; r < rows; ++r) z[r][g] += row[r][i + c] * x;
        }
    }
    for (int g = 0; g < registers; ++g) {
        vec term = vec_load(terms + b + g * FGM_LANES);
        for (int r = 0; r < rows; ++r) {
            term -= z[r][g] * z[r][g];
            vec_store(whitened + (i + r) * block_stride + b + g * FGM_LANES, z[r][g]);
        }
        vec_store(terms + b + g * FGM_LANES, term);
    }
}

/* Some rows of z, and what they take off the terms, over the whole block. */
FGM_INLINE void whiten_rows(const int rows, int i, block samples, const double *offset, const double *whitener, double *terms,
                            double *whitened /* (d, block_stride) */, int block_stride) {
    int b = 0;
    for (; b + 4 * FGM_LANES <= samples.size; b += 4 * FGM_LANES) {
        whiten_tile(rows, 4, i, samples, b, offset, whitener, terms, whitened, block_stride);
    }
    for (; b < samples.size; b += FGM_LANES) whiten_tile(rows, 1, i, samples, b, offset, whitener, terms, whitened, block_stride);
}

static void terms_general(int d, block samples, const double *parameters /* (1 + d + d(d+1)/2) */, double *terms /* (size) */,
                          double *whitened /* (d, block_stride) */, int block_stride) {
    const double *offset = parameters + 1, *whitener = offset + d;
    int i = 0;
    for (int b = 0; b < samples.size; b += FGM_LANES) vec_store(terms + b, vec_fill(parameters[0]));
    for (; i + 3 <= d; i += 3) whiten_rows(3, i, samples, offset, whitener, terms, whitened, block_stride);
    if (d - i == 2) whiten_rows(2, i, samples, offset, whitener, terms, whitened, block_stride);
    if (d - i == 1) whiten_rows(1, i, samples, offset, whitener, terms, whitened, block_stride);
}

/* log w_k N_k(x) of one component over a block; above FGM_UNROLLED z is left in whitened. */
static void block_terms(int d, block samples, const double *parameters, double *terms, double *whitened, int block_stride) {
    switch (d) {
    case 1: terms_unrolled(1, samples, parameters, terms); break;
    case 2: terms_unrolled(2, samples, parameters, terms); break;
    case 3: terms_unrolled(3, samples, parameters, terms); break;
    case 4: terms_unrolled(4, samples, parameters, terms); break;
    default: terms_general(d, samples, parameters, terms, whitened, block_stride);
    }
}

/* ---- normalise --------------------------------------------------------------------------------------------------------------- */

/* Shares of two terms at some registers: of exp(term - maximum) one is 1. Maxima and sums come back. is_short: to 13 digits, for EM. */
FGM_INLINE void share_two(const bool is_short, const int registers, double *first, double *second, vec *maximum, vec *sum) {
    vec smaller[FGM_AT_ONCE], whole = vec_fill(1.0);
    mask is_larger[FGM_AT_ONCE];
    for (int g = 0; g < registers; ++g) {
        vec one = vec_load(first + g * FGM_LANES), two = vec_load(second + g * FGM_LANES);
        is_larger[g] = vec_less(one, two);
        maximum[g] = vec_max(one, two);
        smaller[g] = vec_min(two, one) - maximum[g]; /* NaN if either is */
    }
    (is_short ? vec_exp_short : vec_exp)(registers, smaller);
    for (int g = 0; g < registers; ++g) {
        vec_store(first + g * FGM_LANES, vec_select(is_larger[g], smaller[g], whole));
        vec_store(second + g * FGM_LANES, vec_select(is_larger[g], whole, smaller[g]));
        sum[g] = whole + smaller[g];
    }
}

static int everyone(int n_components, int *present /* (K) */) {
    for (int k = 0; k < n_components; ++k) present[k] = k;
    return n_components;
}

/* The largest term of each sample at some registers. */
FGM_INLINE void find_maximum(const int registers, int n_components, const double *terms /* (K, stride) */, int stride, double *maximum) {
    vec largest[FGM_AT_ONCE];
    for (int g = 0; g < registers; ++g) largest[g] = vec_load(terms + g * FGM_LANES);
    for (int k = 1; k < n_components; ++k) {
        for (int g = 0; g < registers; ++g) largest[g] = vec_max(vec_load(terms + k * stride + g * FGM_LANES), largest[g]);
    }
    for (int g = 0; g < registers; ++g) vec_store(maximum + g * FGM_LANES, largest[g]);
}

/* Which components count in a block: where it is likely to meet few of them, those are left out whose share is below FGM_NEGLIGIBLE at every sample.
 * The maximum of each sample's terms goes to maximum. */
#define FGM_NEGLIGIBLE -45.0 /* the logarithm: 3e-20 */

#define BLOCKS_UNSEEN 3 /* after one that meets all components */

static int find_present(int n_components, bool meets_few, int size, const double *terms /* (K, stride) */, int stride, double *maximum /* (size) */,
                        int *present /* (K) */) {
    int n_present = 0, b = 0;
    for (; b + FGM_AT_ONCE * FGM_LANES <= size; b += FGM_AT_ONCE * FGM_LANES) {
        find_maximum(FGM_AT_ONCE, n_components, terms + b, stride, maximum + b);
    }
    for (; b < size; b += FGM_LANES) find_maximum(1, n_components, terms + b, stride, maximum + b);
    if (!meets_few) return everyone(n_components, present);
    for (int k = 0; k < n_components; ++k) {
        vec below = vec_fill(1.0);
        for (int b = 0; b < size; b += FGM_LANES) {
            vec distance = vec_load(terms + k * stride + b) - vec_load(maximum + b);
            below = vec_select(vec_less(distance, vec_fill(FGM_NEGLIGIBLE)), below, vec_fill(0.0));
        }
        present[n_present] = k;
        n_present += vec_sum(below) < FGM_LANES;
    }
    return n_present;
}

/* Terms of those present become exp(term - maximum); sums of these come back: at some registers. */
FGM_INLINE void share_many(const bool is_short, const int registers, int n_present, const int *present, double *terms /* (K, stride) */, int stride,
                           const vec *maximum, vec *sum) {
    for (int g = 0; g < registers; ++g) sum[g] = vec_fill(0.0);
    for (int i = 0; i < n_present; ++i) {
        double *term = terms + present[i] * stride;
        vec own[FGM_AT_ONCE];
        for (int g = 0; g < registers; ++g) own[g] = vec_load(term + g * FGM_LANES) - maximum[g];
        (is_short ? vec_exp_short : vec_exp)(registers, own);
        for (int g = 0; g < registers; ++g) {
            vec_store(term + g * FGM_LANES, own[g]);
            sum[g] += own[g];
        }
    }
}

/* Shares at some registers of a block, from b on, where the maxima are in memory.scale for more than two components. */
FGM_INLINE void share(const bool is_short, const int registers, int n_components, int b, block_memory memory, int n_present, const int *present,
                      vec *maximum, vec *sum) {
    double *terms = memory.terms + b;
    if (n_components == 2) {
        share_two(is_short, registers, terms, terms + memory.size, maximum, sum);
    } else {
        for (int g = 0; g < registers; ++g) maximum[g] = vec_load(memory.scale + b + g * FGM_LANES);
        share_many(is_short, registers, n_present, present, terms, memory.size, maximum, sum);
    }
}

#define FGM_FACTORS 16 /* sums of shares, each at most K, whose product has one logarithm */

/* Weighted log-densities of the rows so far: total + log product. */
typedef struct likelihood {
    vec total, product;
    int n_factors;
} likelihood;

FGM_INLINE void add_log_product(likelihood *sums) {
    vec_log(1, &sums->product);
    sums->total += sums->product;
    sums->product = vec_fill(1.0);
    sums->n_factors = 0;
}

FGM_INLINE void normalise_registers(const int registers, int n_components, block samples, int b, block_memory memory, int n_present,
                                    const int *present, likelihood *sums) {
    vec maximum[FGM_AT_ONCE], sum[FGM_AT_ONCE], weight[FGM_AT_ONCE];
    share(true, registers, n_components, b, memory, n_present, present, maximum, sum);
    for (int g = 0; g < registers; ++g) {
        weight[g] = vec_load(samples.weights + b + g * FGM_LANES);
        vec_store(memory.scale + b + g * FGM_LANES, weight[g] / sum[g]);
    }
    if (!samples.equal) vec_log(registers, sum);
    for (int g = 0; g < registers; ++g) {
        sums->total += weight[g] * (samples.equal ? maximum[g] : maximum[g] + sum[g]);
        if (!samples.equal) continue;
        sums->product *= vec_select(vec_less(vec_fill(0.0), weight[g]), sum[g], vec_fill(1.0));
        if (++sums->n_factors == FGM_FACTORS) add_log_product(sums);
    }
}

/* Terms become shares and scale weight / sum, so that a responsibility is their product. Returns the weighted sum of log-densities. */
static double block_normalise(int n_components, block samples, block_memory memory, bool meets_few, int *n_present, int *present /* (K) */) {
    likelihood sums = {vec_fill(0.0), vec_fill(1.0), 0};
    *n_present = n_components <= 2 ? everyone(n_components, present)
                                   : find_present(n_components, meets_few, samples.size, memory.terms, memory.size, memory.scale, present);
    if (n_components == 1) {
        for (int b = 0; b < samples.size; b += FGM_LANES) {
            vec weight = vec_load(samples.weights + b);
            sums.total += weight * vec_load(memory.terms + b);
            vec_store(memory.terms + b, vec_fill(1.0));
            vec_store(memory.scale + b, weight);
        }
        return vec_sum(sums.total);
    }
    int b = 0;
    for (; b + FGM_AT_ONCE * FGM_LANES <= samples.size; b += FGM_AT_ONCE * FGM_LANES) {
        normalise_registers(FGM_AT_ONCE, n_components, samples, b, memory, *n_present, present, &sums);
    }
    for (; b < samples.size; b += FGM_LANES) normalise_registers(1, n_components, samples, b, memory, *n_present, present, &sums);
    if (sums.n_factors > 0) add_log_product(&sums);
    return vec_sum(sums.total);
}

/* ---- moments ----------------------------------------------------------------------------------------------------------------- */

FGM_INLINE void moments_unrolled(const int d, block samples, const double *parameters, const double *terms /* (size) */,
                                 const double *scale /* (size) */, double *moments /* (1 + d + d(d+1)/2) */) {
    const double *offset = parameters + 1, *whitener = offset + d;
    vec sums[FGM_MOMENT_STRIDE(FGM_UNROLLED)], *first = sums + 1, *second = first + d;
    for (int i = 0; i < FGM_MOMENT_STRIDE(d); ++i) sums[i] = vec_fill(0.0);
    for (int b = 0; b < samples.size; b += FGM_LANES) {
        vec x[FGM_UNROLLED], z[FGM_UNROLLED];
        for (int j = 0; j < d; ++j) x[j] = vec_load(samples.columns + j * samples.stride + b);
        vec responsibility = vec_load(terms + b) * vec_load(scale + b);
        sums[0] += responsibility;
        for (int i = 0; i < d; ++i) {
            z[i] = whiten(i, offset, whitener, x);
            vec weighted = responsibility * z[i];
            first[i] += weighted;
            for (int j = 0; j <= i; ++j) second[FGM_TRIANGLE(i) + j] += weighted * z[j];
        }
    }
    vec_add_sums(FGM_MOMENT_STRIDE(d), 1.0, sums, moments);
}

/* Sums over the block of weighted z_i times z_j for up to three rows i and four columns j. */
FGM_INLINE void moment_tile(const int rows, const int columns, int i, int j, int size, const double *weighted /* (d, block_stride) */,
                            const double *whitened /* (d, block_stride) */, int block_stride, double *second /* (d(d+1)/2) */) {
    vec sums[3][4];
    for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < columns; ++c) sums[r][c] = vec_fill(0.0);
    }
    for (int b = 0; b < size; b += FGM_LANES) {
        vec left[3];
        for (int r = 0; r < rows; ++r) left[r] = vec_load(weighted + (i + r) * block_stride + b);
        for (int c = 0; c < columns; ++c) {
            vec right = vec_load(whitened + (j + c) * block_stride + b);
            for (int r = 0; r < rows; ++r) sums[r][c] += left[r] * right;
        }
    }
    for (int r = 0; r < rows; ++r) {
        for (int c = 0; c < columns; ++c) {
            if (j + c <= i + r) second[FGM_TRIANGLE(i + r) + j + c] += vec_sum(sums[r][c]);
        }
    }
}

/* Some rows of the second moments, from the first column to the diagonal. */
FGM_INLINE void moment_rows(const int rows, int i, int size, const double *weighted /* (d, block_stride) */,
                            const double *whitened /* (d, block_stride) */, int block_stride, double *second /* (d(d+1)/2) */) {
    int j = 0, columns = i + rows;
    for (; j + 4 <= columns; j += 4) moment_tile(rows, 4, i, j, size, weighted, whitened, block_stride, second);
    for (; j + 2 <= columns; j += 2) moment_tile(rows, 2, i, j, size, weighted, whitened, block_stride, second);
    if (j < columns) moment_tile(rows, 1, i, j, size, weighted, whitened, block_stride, second);
}

#define FGM_STRIPS 12 /* dimensions up to which the sums of a row of second moments stay in registers */

/* First moments of some rows, and second ones of these with all rows up to their own. */
FGM_INLINE void moment_strip(const int rows, const int i, int d, int size, const double *responsibilities /* (size) */,
                             const double *whitened /* (d, block_stride) */, int block_stride, double *moments /* (1 + d + d(d+1)/2) */) {
    vec of_first[3], of_second[3][FGM_STRIPS];
    double *first = moments + 1, *second = first + d;
    for (int r = 0; r < rows; ++r) {
        of_first[r] = vec_fill(0.0);
        for (int j = 0; j <= i + r; ++j) of_second[r][j] = vec_fill(0.0);
    }
    for (int b = 0; b < size; b += FGM_LANES) {
        vec weighted[3], responsibility = vec_load(responsibilities + b);
        for (int r = 0; r < rows; ++r) {
            weighted[r] = responsibility * vec_load(whitened + (i + r) * block_stride + b);
            of_first[r] += weighted[r];
        }
        for (int j = 0; j < i + rows; ++j) {
            vec right = vec_load(whitened + j * block_stride + b);
            for (int r = j > i ? j - i : 0; r < rows; ++r) of_second[r][j] += weighted[r] * right;
        }
    }
    for (int r = 0; r < rows; ++r) {
        first[i + r] += vec_sum(of_first[r]);
        vec_add_sums(i + r + 1, 1.0, of_second[r], second + FGM_TRIANGLE(i + r));
    }
}

/* As many rows at once as there are registers for their sums. */
static void moments_in_strips(int d, int size, const double *responsibilities, const double *whitened, int block_stride, double *moments) {
    moment_strip(3, 0, d, size, responsibilities, whitened, block_stride, moments);
    moment_strip(2, 3, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 5) moment_strip(1, 5, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 6) moment_strip(1, 6, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 7) moment_strip(1, 7, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 8) moment_strip(1, 8, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 9) moment_strip(1, 9, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 10) moment_strip(1, 10, d, size, responsibilities, whitened, block_stride, moments);
    if (d > 11) moment_strip(1, 11, d, size, responsibilities, whitened, block_stride, moments);
}

static void moments_in_tiles(int d, int size, const double *responsibilities, const double *whitened /* (d, block_stride) */, int block_stride,
                             double *weighted /* (d, block_stride) */, double *moments) {
    double *first = moments + 1, *second = first + d;
    for (int i = 0; i < d; ++i) {
        vec sum = vec_fill(0.0);
        for (int b = 0; b < size; b += FGM_LANES) {
            vec product = vec_load(responsibilities + b) * vec_load(whitened + i * block_stride + b);
            sum += product;
            vec_store(weighted + i * block_stride + b, product);
        }
        first[i] += vec_sum(sum);
    }
    int i = 0;
    for (; i + 3 <= d; i += 3) moment_rows(3, i, size, weighted, whitened, block_stride, second);
    if (d - i == 2) moment_rows(2, i, size, weighted, whitened, block_stride, second);
    if (d - i == 1) moment_rows(1, i, size, weighted, whitened, block_stride, second);
}

/* Shares become responsibilities. */
static void moments_general(int d, block samples, double *shares /* (size) */, block_memory memory, const double *whitened /* (d, B) */,
                            double *moments /* (1 + d + d(d+1)/2) */) {
    vec count = vec_fill(0.0);
    for (int b = 0; b < samples.size; b += FGM_LANES) {
        vec responsibility = vec_load(shares + b) * vec_load(memory.scale + b);
        count += responsibility;
        vec_store(shares + b, responsibility);
    }
    moments[0] += vec_sum(count);
    if (d <= FGM_STRIPS) {
        moments_in_strips(d, samples.size, shares, whitened, memory.size, moments);
    } else {
        moments_in_tiles(d, samples.size, shares, whitened, memory.size, memory.weighted, moments);
    }
}

static void block_moments(int d, block samples, const double *parameters, double *terms, block_memory memory, const double *whitened,
                          double *moments) {
    switch (d) {
    case 1: moments_unrolled(1, samples, parameters, terms, memory.scale, moments); break;
    case 2: moments_unrolled(2, samples, parameters, terms, memory.scale, moments); break;
    case 3: moments_unrolled(3, samples, parameters, terms, memory.scale, moments); break;
    case 4: moments_unrolled(4, samples, parameters, terms, memory.scale, moments); break;
    default: moments_general(d, samples, terms, memory, whitened, moments);
    }
}

/* ---- missing information ------------------------------------------------------------------------------------------------------ */

/* Scores of one component at one register: 1, z_i, z_i z_j - delta_ij of its standardised z, times a factor for each sample. */
FGM_INLINE void store_scores(int d, const vec *z /* (d): z / sqrt 2 */, vec factor, double *scores /* (1 + d + d(d+1)/2, FGM_SCORE_BLOCK) */) {
    double *first = scores + FGM_SCORE_BLOCK, *second = first + d * FGM_SCORE_BLOCK;
    vec_store(scores, factor);
    for (int i = 0; i < d; ++i) {
        vec scaled = factor * z[i];
        vec_store(first + i * FGM_SCORE_BLOCK, ROOT_TWO * scaled);
        for (int j = 0; j < i; ++j) vec_store(second + (FGM_TRIANGLE(i) + j) * FGM_SCORE_BLOCK, 2.0 * scaled * z[j]);
        vec_store(second + (FGM_TRIANGLE(i) + i) * FGM_SCORE_BLOCK, 2.0 * scaled * z[i] - factor);
    }
}

/* Over a block, with r the responsibility and w the weight: scores times r sqrt(w) to own, and times (1 - r) sqrt(w) to others. */
static void block_scores(int d, block samples, const double *whitened /* (d, FGM_SCORE_BLOCK) */, const double *terms, const double *scale,
                         const double *root, double *own, double *others) {
    for (int b = 0; b < samples.size; b += FGM_LANES) {
        vec z[FGM_MAX_DIMENSION], factor = vec_load(terms + b) * vec_load(scale + b);
        for (int i = 0; i < d; ++i) z[i] = vec_load(whitened + i * FGM_SCORE_BLOCK + b);
        store_scores(d, z, factor, own + b);
        store_scores(d, z, vec_load(root + b) - factor, others + b);
    }
}

/* Adds sign times the products of some rows and some columns, summed over a block, to a part of a matrix. */
FGM_INLINE void product_tile(const int n_rows, const int n_columns, const double sign, int size, const double *rows /* (n_rows, FGM_SCORE_BLOCK) */,
                             const double *columns /* (n_columns, FGM_SCORE_BLOCK) */, double *matrix /* (n_rows, stride) */, size_t stride) {
    vec sums[3][4];
    for (int r = 0; r < n_rows; ++r) {
        for (int c = 0; c < n_columns; ++c) sums[r][c] = vec_fill(0.0);
    }
    for (int b = 0; b < size; b += FGM_LANES) {
        vec left[3];
        for (int r = 0; r < n_rows; ++r) left[r] = vec_load(rows + r * FGM_SCORE_BLOCK + b);
        for (int c = 0; c < n_columns; ++c) {
            vec right = vec_load(columns + c * FGM_SCORE_BLOCK + b);
            for (int r = 0; r < n_rows; ++r) sums[r][c] += left[r] * right;
        }
    }
    for (int r = 0; r < n_rows; ++r) vec_add_sums(n_columns, sign, sums[r], matrix + (size_t)r * stride);
}

/* The same for up to three rows and any number of columns: twelve sums are what sixteen registers can hold. */
FGM_INLINE void product_rows(const int n_rows, int n_columns, const double sign, int size, const double *rows, const double *columns, double *matrix,
                             size_t stride) {
    int j = 0;
    for (; j + 4 <= n_columns; j += 4) product_tile(n_rows, 4, sign, size, rows, columns + j * FGM_SCORE_BLOCK, matrix + j, stride);
    for (; j + 2 <= n_columns; j += 2) product_tile(n_rows, 2, sign, size, rows, columns + j * FGM_SCORE_BLOCK, matrix + j, stride);
    if (j < n_columns) product_tile(n_rows, 1, sign, size, rows, columns + j * FGM_SCORE_BLOCK, matrix + j, stride);
}

/* Adds sign times the products of q rows with n columns, or, where is_triangle, with those up to the diagonal. */
FGM_INLINE void add_products(const bool is_triangle, const double sign, int size, int q, const double *rows, int n, const double *columns,
                             double *matrix, size_t stride) {
    for (int i = 0; i < q; i += 3) {
        int n_rows = q - i < 3 ? q - i : 3, n_columns = is_triangle ? i + n_rows : n;
        const double *from = rows + i * FGM_SCORE_BLOCK;
        double *to = matrix + (size_t)i * stride;
        switch (n_rows) {
        case 1: product_rows(1, n_columns, sign, size, from, columns, to, stride); break;
        case 2: product_rows(2, n_columns, sign, size, from, columns, to, stride); break;
        default: product_rows(3, n_columns, sign, size, from, columns, to, stride);
        }
    }
}

/* The same with columns of the first n components present, q of each: those of components next to each other are one run. */
static void add_products_by_runs(const double sign, int size, int n_rows, const double *rows, int n, const int *present, int q,
                                 const double *columns /* (n, q, FGM_SCORE_BLOCK) */, double *matrix /* (n_rows, stride) */, size_t stride) {
    for (int first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && present[last] == present[last - 1] + 1; ++last) {
        }
        add_products(false, sign, size, n_rows, rows, (last - first) * q, columns + (size_t)first * (size_t)q * FGM_SCORE_BLOCK,
                     matrix + present[first] * q, stride);
    }
}

/* A component with itself lacks w r (1 - r) u u^T, the product of what block_scores gives; with another one - w r_k r_l u_k u_l^T. */
static void add_score_products(int n_components, const double *pack, fgm_samples samples, double *matrix, double *work) {
    int d = samples.d, q = FGM_PACK_STRIDE(d), n_present, present[FGM_MAX_COMPONENTS];
    size_t stride = fgm_padded(n_components * q);
    block_memory memory = divide_memory(n_components, d, work);
    memory.size = memory.size < FGM_SCORE_BLOCK ? memory.size : FGM_SCORE_BLOCK;
    double *whitened = work + fgm_work_size(n_components, d), *root = whitened + d * FGM_SCORE_BLOCK, *unused = root + FGM_SCORE_BLOCK;
    double *others = unused + FGM_SCORE_BLOCK, *scores = others + q * FGM_SCORE_BLOCK;
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        for (int k = 0; k < n_components; ++k) block_terms(d, taken, pack + k * q, memory.terms + k * memory.size, whitened, FGM_SCORE_BLOCK);
        block_normalise(n_components, taken, memory, n_components >= FGM_CROWD, &n_present, present);
        for (int b = 0; b < taken.size; ++b) {
            root[b] = sqrt(taken.weights[b]);
            memory.scale[b] = root[b] > 0.0 ? memory.scale[b] / root[b] : 0.0;
        }
        for (int i = 0; i < n_present; ++i) {
            int k = present[i];
            double *own = scores + (size_t)i * (size_t)q * FGM_SCORE_BLOCK, *square = matrix + (size_t)k * (size_t)q * (stride + 1);
            /* z again: keeping it for all components would take the room of the scores */
            terms_general(d, taken, pack + k * q, unused, whitened, FGM_SCORE_BLOCK);
            block_scores(d, taken, whitened, memory.terms + k * memory.size, memory.scale, root, own, others);
            add_products_by_runs(-1.0, taken.size, q, own, i, present, q, scores, matrix + (size_t)k * (size_t)q * stride, stride);
            add_products(true, 1.0, taken.size, q, own, q, others, square, stride);
        }
    }
}

/* Up to dimension FGM_UNROLLED the products of the scores of two components are found later (curvature.c), from sums over the rows: of w r_k r_l, or
 * of w r_k (1 - r_k), times the monomials of degree up to four in the z of k, in two dimensions 15 sums instead of 36.
 *
 * With h = (1, z) these are h_i h_j h_m h_o, where i, j, m, o do not rise. */
FGM_INLINE void monomials(const int d, block samples, const double *parameters, const double *terms, const double *scale,
                          double *out /* (FGM_MONOMIALS(d), FGM_SCORE_BLOCK) */) {
    const double *offset = parameters + 1, *whitener = offset + d;
    for (int b = 0; b < samples.size; b += FGM_LANES) {
        vec x[FGM_UNROLLED], h[FGM_UNROLLED + 1] = {vec_fill(1.0)}, factor = vec_load(terms + b) * vec_load(scale + b);
        for (int j = 0; j < d; ++j) x[j] = vec_load(samples.columns + j * samples.stride + b);
        for (int i = 0; i < d; ++i) h[i + 1] = ROOT_TWO * whiten(i, offset, whitener, x);
        double *to = out + b;
        for (int i = 0; i <= d; ++i) {
            vec one = factor * h[i];
            for (int j = 0; j <= i; ++j) {
                vec two = one * h[j];
                for (int m = 0; m <= j; ++m) {
                    vec three = two * h[m];
                    for (int o = 0; o <= m; ++o, to += FGM_SCORE_BLOCK) vec_store(to, three * h[o]);
                }
            }
        }
    }
}

static void block_monomials(int d, block samples, const double *parameters, const double *terms, const double *scale, double *out) {
    switch (d) {
    case 1: monomials(1, samples, parameters, terms, scale, out); break;
    case 2: monomials(2, samples, parameters, terms, scale, out); break;
    case 3: monomials(3, samples, parameters, terms, scale, out); break;
    default: monomials(4, samples, parameters, terms, scale, out);
    }
}

static void add_overlaps(int n_components, const double *pack, fgm_samples samples, double *sums /* (K, FGM_MONOMIALS(d), K) */, double *work) {
    int d = samples.d, q = FGM_PACK_STRIDE(d), n_monomials = FGM_MONOMIALS(d), n_present, present[FGM_MAX_COMPONENTS];
    size_t stride = (size_t)n_components, size = (size_t)n_monomials * stride;
    block_memory memory = divide_memory(n_components, d, work);
    memory.size = memory.size < FGM_SCORE_BLOCK ? memory.size : FGM_SCORE_BLOCK;
    double *inverse = work + fgm_work_size(n_components, d), *rows = inverse + FGM_SCORE_BLOCK, *shares = rows + n_monomials * FGM_SCORE_BLOCK;
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        for (int k = 0; k < n_components; ++k) block_terms(d, taken, pack + k * q, memory.terms + k * memory.size, NULL, 0);
        block_normalise(n_components, taken, memory, n_components >= FGM_CROWD, &n_present, present);
        for (int b = 0; b < taken.size; ++b) inverse[b] = taken.weights[b] > 0.0 ? memory.scale[b] / taken.weights[b] : 0.0;
        for (int i = 0; i < n_present; ++i) {
            int k = present[i];
            const double *terms = memory.terms + k * memory.size;
            double *share = shares + i * FGM_SCORE_BLOCK;
            block_monomials(d, taken, pack + k * q, terms, memory.scale, rows);
            for (int b = 0; b < taken.size; ++b) share[b] = 1.0 - terms[b] * inverse[b];
            add_products_by_runs(1.0, taken.size, n_monomials, rows, i + 1, present, 1, shares, sums + (size_t)k * size, stride);
            for (int b = 0; b < taken.size; ++b) share[b] = terms[b] * inverse[b];
        }
    }
}

static void missing_information(int n_components, const double *pack, fgm_samples samples, double *sums, double *work) {
    if (samples.d <= FGM_UNROLLED) {
        add_overlaps(n_components, pack, samples, sums, work);
    } else {
        add_score_products(n_components, pack, samples, sums, work);
    }
}

/* ---- the table --------------------------------------------------------------------------------------------------------------- */

/* One component has all of every row, and the sum of its terms is that of its moments: peak n - sum |z|^2. */
static void single_pass(const double *parameters, fgm_samples samples, double *moments, double *log_likelihood, block_memory memory) {
    int d = samples.d, stride = FGM_MOMENT_STRIDE(d);
    double sums[FGM_MOMENT_STRIDE(FGM_UNROLLED)] = {0.0}, squares = 0.0;
    for (int b = 0; b < memory.size; ++b) memory.terms[b] = 1.0;
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        block_memory weighted = memory;
        weighted.scale = (double *)taken.weights; /* which is only read */
        block_moments(d, taken, parameters, memory.terms, weighted, NULL, sums);
    }
    for (int i = 0; i < d; ++i) squares += sums[1 + d + FGM_TRIANGLE(i) + i];
    for (int i = 0; i < stride; ++i) moments[i] += sums[i];
    fgm_add_compensated(log_likelihood, parameters[0] * sums[0] - squares);
}

static void em_pass(int n_components, const double *pack, fgm_samples samples, double *moments, double *log_likelihood, double *work) {
    int d = samples.d, parameter_stride = FGM_PACK_STRIDE(d), moment_stride = FGM_MOMENT_STRIDE(d), n_present, present[FGM_MAX_COMPONENTS];
    block_memory memory = divide_memory(n_components, d, work);
    if (n_components == 1 && d <= FGM_UNROLLED) {
        single_pass(pack, samples, moments, log_likelihood, memory);
        return;
    }
    int unseen = 0; /* blocks to go before components that are not there are looked for again */
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        for (int k = 0; k < n_components; ++k) {
            block_terms(d, taken, pack + k * parameter_stride, memory.terms + k * memory.size, memory.whitened + (size_t)k * d * memory.size,
                        memory.size);
        }
        bool meets_few = n_components >= FGM_CROWD && unseen == 0;
        fgm_add_compensated(log_likelihood, block_normalise(n_components, taken, memory, meets_few, &n_present, present));
        if (meets_few && n_present == n_components)
            unseen = BLOCKS_UNSEEN;
        else
            unseen -= unseen > 0;
        for (int i = 0; i < n_present; ++i) {
            int k = present[i];
            block_moments(d, taken, pack + k * parameter_stride, memory.terms + k * memory.size, memory,
                          memory.whitened + (size_t)k * d * memory.size, moments + k * moment_stride);
        }
    }
}

/* The first count lanes, or all where count is more. */
static void store_lanes(double *to, vec from, int count) {
    if (count >= FGM_LANES) {
        vec_store(to, from);
        return;
    }
    double lanes[FGM_LANES];
    vec_store(lanes, from);
    for (int lane = 0; lane < count; ++lane) to[lane] = lanes[lane];
}

FGM_INLINE void store_log_density(const int registers, int n_components, block samples, int b, block_memory memory, int n_present, const int *present,
                                  double *out) {
    vec maximum[FGM_AT_ONCE], sum[FGM_AT_ONCE];
    if (n_components == 1) {
        for (int g = 0; g < registers; ++g)
            store_lanes(out + b + g * FGM_LANES, vec_load(memory.terms + b + g * FGM_LANES), samples.count - b - g * FGM_LANES);
        return;
    }
    share(false, registers, n_components, b, memory, n_present, present, maximum, sum);
    vec_log(registers, sum);
    for (int g = 0; g < registers; ++g) store_lanes(out + b + g * FGM_LANES, maximum[g] + sum[g], samples.count - b - g * FGM_LANES);
}

static void log_density(int n_components, const double *pack, fgm_samples samples, double *out, double *work) {
    int d = samples.d, parameter_stride = FGM_PACK_STRIDE(d), n_present = 0, present[FGM_MAX_COMPONENTS];
    block_memory memory = divide_memory(n_components, d, work);
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        for (int k = 0; k < n_components; ++k) {
            block_terms(d, taken, pack + k * parameter_stride, memory.terms + k * memory.size, memory.whitened, memory.size);
        }
        if (n_components > 2) n_present = find_present(n_components, true, taken.size, memory.terms, memory.size, memory.scale, present);
        int b = 0;
        for (; b + FGM_AT_ONCE * FGM_LANES <= taken.size; b += FGM_AT_ONCE * FGM_LANES) {
            store_log_density(FGM_AT_ONCE, n_components, taken, b, memory, n_present, present, out + start);
        }
        for (; b < taken.size; b += FGM_LANES) store_log_density(1, n_components, taken, b, memory, n_present, present, out + start);
    }
}

static void component_log_density(int n_components, const double *pack, fgm_samples samples, double *out, double *work) {
    int d = samples.d, parameter_stride = FGM_PACK_STRIDE(d);
    block_memory memory = divide_memory(n_components, d, work);
    for (int64_t start = 0; start < samples.n; start += memory.size) {
        block taken = take_block(samples, start, memory);
        for (int k = 0; k < n_components; ++k) {
            block_terms(d, taken, pack + k * parameter_stride, memory.terms, memory.whitened, memory.size);
            memcpy(out + (int64_t)k * samples.n + start, memory.terms, (size_t)taken.count * sizeof *out);
        }
    }
}

/* ---- weights of the bootstrap -------------------------------------------------------------------------------------------------- */

/* P(Poisson(1) <= k) 2^32, rounded, for k = 0, 1, ...: a 32-bit number has drawn the count of bounds that it reaches. */
static const uint32_t poisson_bounds[] = {
    1580030169u, 3160060337u, 3950075422u, 4213413783u, 4279248374u, 4292415292u,
    4294609778u, 4294923276u, 4294962463u, 4294966817u, 4294967253u, 4294967292u,
};

static void draw_weights(uint64_t key, int64_t first, int count, double *weights) {
    uint32_t bits[FGM_DRAWN_AT_ONCE];
    for (int i = 0; i < count; i += 2) {
        uint64_t two = fgm_random_bits(key, (uint64_t)(first + i) / 2);
        bits[i] = (uint32_t)two;
        bits[i + 1] = (uint32_t)(two >> 32);
    }
    for (int i = 0; i < count; ++i) {
        int32_t drawn = 0;
        for (size_t k = 0; k < sizeof poisson_bounds / sizeof *poisson_bounds; ++k) drawn += bits[i] >= poisson_bounds[k];
        weights[i] = drawn;
    }
}

/* ---- exp and log ---------------------------------------------------------------------------------------------------------------- */

/* exp (which = 0) or log (1). Above 709.78 exp is infinite. */
FGM_INLINE void apply_registers(const int registers, const int which, const double *in, double *out) {
    vec x[FGM_AT_ONCE];
    mask is_infinite[FGM_AT_ONCE];
    for (int g = 0; g < registers; ++g) {
        x[g] = vec_load(in + g * FGM_LANES);
        is_infinite[g] = vec_less(vec_fill(709.78271289338397), x[g]);
    }
    if (which == 0) {
        vec_exp(registers, x);
        for (int g = 0; g < registers; ++g) x[g] = vec_select(is_infinite[g], vec_fill(INFINITY), x[g]);
    } else {
        vec_log(registers, x);
    }
    for (int g = 0; g < registers; ++g) vec_store(out + g * FGM_LANES, x[g]);
}

FGM_INLINE void apply(const int which, int64_t n, const double *in, double *out) {
    int64_t i = 0;
    for (; i + FGM_AT_ONCE * FGM_LANES <= n; i += FGM_AT_ONCE * FGM_LANES) apply_registers(FGM_AT_ONCE, which, in + i, out + i);
    for (; i + FGM_LANES <= n; i += FGM_LANES) apply_registers(1, which, in + i, out + i);
    if (i == n) return;
    double lanes[FGM_LANES];
    for (int lane = 0; lane < FGM_LANES; ++lane) lanes[lane] = i + lane < n ? in[i + lane] : 1.0;
    apply_registers(1, which, lanes, lanes);
    memcpy(out + i, lanes, (size_t)(n - i) * sizeof *out);
}

static void apply_exp(int64_t n, const double *in, double *out) { apply(0, n, in, out); }
static void apply_log(int64_t n, const double *in, double *out) { apply(1, n, in, out); }

/* ---- normal quantiles ------------------------------------------------------------------------------------------------------------ */

/* The tails are found where a lane is in one. False where one is too far out, or is no probability. */
FGM_INLINE bool quantile_register(vec p, vec *quantile) {
    vec q = p - 0.5, x = FGM_MIDDLE * FGM_MIDDLE - q * q, zero = vec_fill(0.0);
    mask is_lower = vec_less(q, zero), is_tail = vec_less(x, zero);
    *quantile = q * FGM_MIDDLE_QUANTILE(x);
    if (!vec_any(is_tail)) return true;
    vec tail = vec_select(is_tail, vec_select(is_lower, p, 1.0 - p), vec_fill(0.05)), r = tail;
    vec_log(1, &r);
    r = vec_select(vec_less(zero, tail), vec_sqrt(-r), vec_fill(INFINITY));
    vec size = FGM_NEAR_TAIL_QUANTILE(r - 1.6);
    *quantile = vec_select(is_tail, vec_select(is_lower, -size, size), *quantile);
    return !vec_any(vec_less(vec_fill(FGM_NEAR_TAIL), r));
}

static void normal_quantile(int64_t n, const double *probabilities, double *quantiles) {
    double lanes[FGM_LANES];
    for (int64_t i = 0; i < n; i += FGM_LANES) {
        int count = n - i < FGM_LANES ? (int)(n - i) : FGM_LANES;
        const double *from = probabilities + i;
        vec quantile;
        if (count < FGM_LANES) {
            for (int lane = 0; lane < FGM_LANES; ++lane) lanes[lane] = lane < count ? from[lane] : 0.5;
            from = lanes;
        }
        if (!quantile_register(vec_load(from), &quantile)) {
            for (int lane = 0; lane < count; ++lane) quantiles[i + lane] = fgm_normal_quantile(from[lane]);
        } else {
            store_lanes(quantiles + i, quantile, count);
        }
    }
}

#define FGM_STRINGIFY_(x) #x
#define FGM_STRINGIFY(x) FGM_STRINGIFY_(x)

const fgm_kernels JOIN(fgm_kernels_, FGM_TIER) = {
    FGM_STRINGIFY(FGM_TIER), em_pass, missing_information, log_density, component_log_density, draw_weights, apply_exp, apply_log, normal_quantile,
};
