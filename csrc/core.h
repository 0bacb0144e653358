/* Declarations shared inside the core. Nothing here is public.
 *
 * Layout: inside, samples are columns. A sample set of n rows and d variables is one block of d * stride doubles, variable j
 * starting at columns + j * stride, so that the lanes of a vector register hold neighbouring samples.
 */
#ifndef FGM_CORE_H
#define FGM_CORE_H

#include "fastgmmmi.h"

#include <stdbool.h>

#define FGM_TRIANGLE(d) ((d) * ((d) + 1) / 2)

/* Return from the caller with the status where it is not FGM_OK. */
#define FGM_TRY(expression)                                                                                                                                            \
    do {                                                                                                                                                               \
        int status_ = (expression);                                                                                                                                    \
        if (status_ != FGM_OK) return status_;                                                                                                                         \
    } while (0)

/* ---- memory ---------------------------------------------------------------------------------------------------------------- */

/* count doubles, aligned to 64 bytes; NULL where there is no memory. */
double *fgm_allocate(size_t count);
void fgm_release(double *memory);

/* ---- samples --------------------------------------------------------------------------------------------------------------- */

typedef struct fgm_samples {
    int64_t n;
    int64_t stride;        /* distance of columns, at least n */
    int d;
    const double *columns; /* (d, stride) */
    const double *weights; /* (n), or NULL: all 1 */
} fgm_samples;

/* Rows [first, last) of a sample set, sharing its memory. */
fgm_samples fgm_rows(fgm_samples samples, int64_t first, int64_t last);

/* ---- mixtures -------------------------------------------------------------------------------------------------------------- */

/* One block of memory that holds weights, means and factors. */
typedef struct fgm_mixture {
    int n_components;
    int d;
    double *weights; /* (K) */
    double *means;   /* (K, d) */
    double *factors; /* (K, d(d+1)/2): lower Cholesky factor of each covariance, packed by rows: L00 L10 L11 L20 ... */
} fgm_mixture;

/* Memory for n_components components; every field is set, values are not. */
int fgm_mixture_allocate(fgm_mixture *mixture, int n_components, int d);
void fgm_mixture_release(fgm_mixture *mixture);
void fgm_mixture_copy(fgm_mixture *to, const fgm_mixture *from);

/* Allocates and fills. FGM_ERROR_NOT_POSITIVE_DEFINITE where a covariance is not. Weights are normalised. */
int fgm_mixture_from_parameters(fgm_mixture *mixture, int n_components, int d, const double *weights, const double *means, const double *covariances);

/* Covariance of one component, (d, d). */
void fgm_mixture_covariance(const fgm_mixture *mixture, int component, double *covariance);

/* Allocates the mixture of some columns, in the order given. */
int fgm_mixture_marginal(fgm_mixture *out, const fgm_mixture *mixture, const int32_t *columns, int n_columns);

/* Lower Cholesky factor, packed by rows, of a symmetric matrix packed by rows; in place. False where it is not positive definite. */
bool fgm_cholesky(double *packed, int d);

/* ---- kernels --------------------------------------------------------------------------------------------------------------- */

/* What the kernels read for each component: the logarithm of its peak density times its weight, an offset, and the whitening
 * factor P = L^-1 / sqrt(2), packed by rows, so that log(w_k N_k(x)) = peak - |P x + offset|^2. */
#define FGM_PACK_STRIDE(d) (1 + (d) + FGM_TRIANGLE(d))
void fgm_pack(const fgm_mixture *mixture, double *pack /* (K, 1 + d + d(d+1)/2) */);

/* What one pass of EM gathers for each component, in its own whitened coordinates z = P x + offset, with r the weighted
 * responsibility: sum r, sum r z_i, sum r z_i z_j (j <= i). */
#define FGM_MOMENT_STRIDE(d) (1 + (d) + FGM_TRIANGLE(d))

typedef struct fgm_kernels {
    const char *tier;
    /* Adds to moments (K, 1 + d + d(d+1)/2) and to the compensated pair log_likelihood[0] + log_likelihood[1]. work: fgm_work_size doubles. */
    void (*em_pass)(int n_components, const double *pack, fgm_samples samples, double *moments, double *log_likelihood, double *work);
    /* Log-density of each sample. */
    void (*log_density)(int n_components, const double *pack, fgm_samples samples, double *out /* (n) */, double *work);
    /* Log of each component's weighted density, component by component: out (K, n). */
    void (*component_log_density)(int n_components, const double *pack, fgm_samples samples, double *out, double *work);
    void (*exp)(int64_t n, const double *in, double *out);
    void (*log)(int64_t n, const double *in, double *out);
} fgm_kernels;

const fgm_kernels *fgm_get_kernels(void);

/* Up to this dimension the kernels are unrolled. */
#define FGM_UNROLLED 4

/* Samples in a block: what K components need should fit the first-level cache, or the second where d is large. */
static inline int fgm_block_size(int n_components, int d) {
    int per_sample = d <= FGM_UNROLLED ? n_components : n_components * (d + 1) + d;
    int room = d <= FGM_UNROLLED ? 2048 : 16384;
    int size = room / per_sample / 32 * 32;
    return size < 32 ? 32 : size > 256 ? 256 : size;
}

/* Doubles of work memory that any kernel needs. */
static inline size_t fgm_work_size(int n_components, int d) {
    size_t per_sample = (size_t)n_components + 2 + (size_t)d + (d > FGM_UNROLLED ? (size_t)(n_components + 1) * (size_t)d : 0);
    return (size_t)fgm_block_size(n_components, d) * per_sample;
}

/* ---- random numbers -------------------------------------------------------------------------------------------------------- */
/* See random.h. */

/* ---- integrals ------------------------------------------------------------------------------------------------------------- */

/* Columns of a mixture that make up the parts of an information: I(x; y | given). n_given may be 0. */
typedef struct fgm_parts {
    const int32_t *x, *y, *given;
    int n_x, n_y, n_given;
} fgm_parts;

/* The plain case: the first dx columns against the others. */
int fgm_integrate_mutual_information(const fgm_mixture *mixture, int dx, double tol, uint64_t seed, double *value, double *error);

/* Any case. The value is never below zero. */
int fgm_integrate_information(const fgm_mixture *mixture, fgm_parts parts, double tol, uint64_t seed, double *value, double *error);

int fgm_integrate_entropy(const fgm_mixture *mixture, double tol, uint64_t seed, double *value, double *error);

#endif
