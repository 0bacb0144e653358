/* Student's t distribution as the law of the scores of all columns together: heavy tails that come together in several variables, with two kinds of
 * parameters only, where a mixture of free Gaussians would need many components that few rows inform.
 *
 * With T the distribution function of t in one dimension and nu degrees of freedom, z = T^-1(Phi(score)) has t marginals whatever the data's were,
 * and the density of a row of d columns, of dispersion S, is proportional to det(S)^-1/2 (1 + q / nu)^-(nu + d)/2, q = z' S^-1 z. It maximises the
 * likelihood of the copula: log density of the row less those of its columns, since z itself depends on nu.
 *
 * S, for given nu: S' = sum w u z z' / sum w u, u = (nu + d) / (nu + q) (Kent, Tyler and Vardi 1994). Near the maximum that step goes the way but for
 * 2 / (nu + d + 2) of it, in all directions alike where the t distribution holds (E[B^2] of a beta-distributed B = q / (nu + q)), so it is lengthened
 * by (nu + d + 2) / (nu + d): some five passes in all.
 *
 * nu: the root of l(nu e^h) - l(nu e^-h), l the likelihood maximised over S: smooth enough for the method of false position.
 *
 * Entropy: log det(S) / 2 + c(d) with c(d) = ln G(nu/2) - ln G((nu+d)/2) + (nu+d)/2 (psi((nu+d)/2) - psi(nu/2)) + d/2 ln(nu pi); information is a sum
 * of them (Arellano-Valle, Contreras-Reyes and Genton 2013). As a mixture: t is Gaussian given a scale, z ~ N(0, S / u) with u ~ Gamma(nu/2, nu/2),
 * and the trapezoid rule over log u makes that a sum of Gaussians.
 */
#include "core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FEWEST 0.5          /* degrees of freedom */
#define MOST 200.0          /* nothing tells more from a Gaussian */
#define FIRST 4.0           /* where the search begins */
#define STRIDE 0.25         /* its first step, in log nu */
#define ROUGH_STRIDE 0.7   /* of a rough search */
#define OFFSET 0.02         /* h above */
#define ROOT_TOL 1e-7
#define NEARBY_STEPS 3      /* from a fit nearby: the third moves nu by some 1e-5 of itself */
#define DISPERSION_TOL 1e-11
#define SEARCH_TOL 1e-7     /* the likelihood is off by its square */
#define DISPERSION_PASSES 100
#define TABLE_RATE 32       /* entries for each unit of a normal score */
#define TABLE_END 9         /* beyond is a probability of 1e-19 */
#define TABLE_SIZE (TABLE_END * TABLE_RATE + 2)
#define APPROACH 4          /* units of the score beyond the table, where it begins */
#define LEAST_FREEDOM 0.4   /* for which that can be represented */
#define TAIL 1e-5           /* probability of scales beyond the last component */
#define SPACING 1.2         /* of log u, in its standard deviations given q: the density is off by less than 1e-3 */
#define BLOCK 256

/* ln Gamma and its derivative for x > 0: by recurrence to x >= 10, then Stirling's series. */
static double log_gamma(double x) {
    double shift = 0.0;
    for (; x < 10.0; x += 1.0) shift += log(x);
    double r = 1.0 / (x * x);
    double series = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r * (1.0 / 1680 - r * (1.0 / 1188 - r * 691.0 / 360360))))) / x;
    return (x - 0.5) * log(x) - x + 0.91893853320467274178 + series - shift;
}

static double digamma(double x) {
    double shift = 0.0;
    for (; x < 10.0; x += 1.0) shift += 1.0 / x;
    double r = 1.0 / (x * x);
    double series = r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132 - r * 691.0 / 32760)))));
    return log(x) - 0.5 / x - series - shift;
}

/* ln of the density at the centre, of unit dispersion. */
static double log_peak(double freedom, int d) {
    return log_gamma(0.5 * (freedom + d)) - log_gamma(0.5 * freedom) - 0.5 * d * log(freedom * 3.14159265358979323846);
}

/* ---- scores ------------------------------------------------------------------------------------------------------------------------ */

/* asinh of T^-1(Phi(g)) and its slope at g = 0, 1 / TABLE_RATE, ...: the solution of dz/dg = phi(g) / t(z) by Runge and Kutta's method, from far out
 * inwards, since an error keeps its size in probability: of a small one, far out, nothing is left further in. */
typedef struct score_table {
    int size; /* entries that are filled, the last one beyond the largest score */
    double value[TABLE_SIZE], slope[TABLE_SIZE];
} score_table;

static double log_normal(double g) { return -0.5 * g * g - 0.91893853320467274178; }

static double log_student(double freedom, double peak, double z) { return peak - 0.5 * (freedom + 1.0) * log1p(z * z / freedom); }

static double score_slope(double freedom, double peak, double g, double value) {
    double grown = exp(value), shrunk = 1.0 / grown, z = 0.5 * (grown - shrunk);
    double log_density = peak - 0.5 * (freedom + 1.0) * log(1.0 + z * z / freedom);
    return exp(log_normal(g) - log_density) / (0.5 * (grown + shrunk));
}

/* Far out, by bisection, from what the tails begin with: phi(g) / g = t(z) (nu + z^2) / (nu z). */
static double find_far_value(double freedom, double peak, double g) {
    double low = 0.0, high = 690.0, tail = log_normal(g) - log(g);
    for (int i = 0; i < 60; ++i) {
        double middle = 0.5 * (low + high), z = sinh(middle);
        double own = log_student(freedom, peak, z) + log1p(z * z / freedom) - log(z);
        if (own > tail) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Runge and Kutta's step from g to g - step; first is the slope at g. */
static double step_inwards(double freedom, double peak, double g, double step, double value, double first) {
    double second = score_slope(freedom, peak, g - 0.5 * step, value - 0.5 * step * first);
    double third = score_slope(freedom, peak, g - 0.5 * step, value - 0.5 * step * second);
    double fourth = score_slope(freedom, peak, g - step, value - step * third);
    return value - step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth);
}

static void fill_table(double freedom, double largest_score, score_table *table) {
    static const int steps[] = {8, 4, 2, 1}; /* towards the table, of its own: a unit of the score with each */
    double peak = log_peak(freedom, 1), entry = 1.0 / TABLE_RATE;
    table->size = (int)(fmin(largest_score, TABLE_END) * TABLE_RATE) + 2;
    int place = table->size - 1 + APPROACH * TABLE_RATE;
    double value = find_far_value(freedom, peak, place * entry);
    for (int unit = 0; unit < APPROACH; ++unit) {
        for (int i = 0; i < TABLE_RATE / steps[unit]; ++i, place -= steps[unit]) {
            double g = place * entry;
            value = step_inwards(freedom, peak, g, steps[unit] * entry, value, score_slope(freedom, peak, g, value));
        }
    }
    for (; place >= 0; --place) {
        double g = place * entry;
        table->value[place] = value;
        table->slope[place] = score_slope(freedom, peak, g, value);
        value = step_inwards(freedom, peak, g, entry, value, table->slope[place]);
    }
    table->value[0] = 0.0;
}

static double find_largest(int64_t n, const double *scores) {
    double largest = 0.0;
    for (int64_t i = 0; i < n; ++i) largest = fmax(largest, fabs(scores[i]));
    return largest;
}

/* Between entries by cubics of the same slopes; a score beyond the table counts as its end. */
static void apply_table(const score_table *table, int64_t n, const double *scores, double *out) {
    for (int64_t i = 0; i < n; ++i) {
        double place = fmin(fabs(scores[i]) * TABLE_RATE, table->size - 1.0);
        int entry = place < table->size - 1 ? (int)place : table->size - 2;
        double s = place - entry, left = table->value[entry], right = table->value[entry + 1];
        double a = table->slope[entry] / TABLE_RATE - (right - left), b = -table->slope[entry + 1] / TABLE_RATE + (right - left);
        out[i] = left + s * (right - left) + s * (1.0 - s) * (a * (1.0 - s) + b * s);
    }
    for (int64_t first = 0; first < n; first += BLOCK) {
        double grown[BLOCK];
        int64_t count = n - first < BLOCK ? n - first : BLOCK;
        fgm_get_kernels()->exp(count, out + first, grown);
        for (int64_t i = 0; i < count; ++i) out[first + i] = copysign(0.5 * (grown[i] - 1.0 / grown[i]), scores[first + i]);
    }
}

int fgm_student_scores(double freedom, int64_t n, const double *scores, double *out) {
    if (!(freedom >= LEAST_FREEDOM && isfinite(freedom))) return FGM_ERROR_OPTION;
    score_table *table = malloc(sizeof *table);
    if (!table) return FGM_ERROR_MEMORY;
    fill_table(freedom, find_largest(n, scores), table);
    apply_table(table, n, scores, out);
    for (int64_t i = 0; i < n; ++i) {
        if (isnan(scores[i])) out[i] = NAN;
    }
    free(table);
    return FGM_OK;
}

/* ---- fit --------------------------------------------------------------------------------------------------------------------------- */

typedef struct fit {
    fgm_samples scores;  /* normal */
    fgm_samples columns; /* z, weighted by w u */
    double *memory, *weights, *distances, *logs, *work;
    score_table *table;
    fgm_student *student;
    double total;         /* weight */
    double largest_score; /* in size */
} fit;

static double weight_of(const fit *state, int64_t i) { return state->scores.weights ? state->scores.weights[i] : 1.0; }

static int begin(fit *state, fgm_samples scores, fgm_student *student) {
    int64_t n = scores.n;
    int d = scores.d;
    *state = (fit){.scores = scores, .student = student};
    state->table = malloc(sizeof *state->table);
    state->memory = fgm_allocate((size_t)n * (size_t)(d + 3) + fgm_work_size(1, d));
    if (!state->table || !state->memory) return FGM_ERROR_MEMORY;
    state->weights = state->memory + n * d;
    state->distances = state->weights + n;
    state->logs = state->distances + n;
    state->work = state->logs + n;
    state->columns = (fgm_samples){n, n, d, state->memory, state->weights, NULL};
    for (int64_t i = 0; i < n; ++i) state->total += weight_of(state, i);
    for (int j = 0; j < d; ++j) state->largest_score = fmax(state->largest_score, find_largest(n, scores.columns + j * scores.stride));
    return FGM_OK;
}

static void end(fit *state) {
    fgm_release(state->memory);
    free(state->table);
}

/* q of each row, and the weights w u of the next step. Returns their sum. */
static double find_weights(fit *state, const double *pack) {
    int64_t n = state->columns.n;
    double freedom = state->student->freedom, sum = 0.0;
    fgm_get_kernels()->log_density(1, pack, state->columns, state->distances, state->work);
    for (int64_t i = 0; i < n; ++i) {
        state->distances[i] = 2.0 * (pack[0] - state->distances[i]);
        state->weights[i] = weight_of(state, i) * (freedom + state->columns.d) / (freedom + state->distances[i]);
        sum += state->weights[i];
    }
    return sum;
}

/* L (I + factor (C - I)) L^T in place of L L^T; false where that is not positive definite. */
static bool step_dispersion(fgm_mixture *dispersion, const double *change /* (d(d+1)/2): C - I, packed by rows */, double factor) {
    int d = dispersion->d;
    double inner[FGM_TRIANGLE(FGM_MAX_DIMENSION)], outer[FGM_TRIANGLE(FGM_MAX_DIMENSION)], *old = dispersion->factors;
    for (int i = 0; i < FGM_TRIANGLE(d); ++i) inner[i] = factor * change[i];
    for (int i = 0; i < d; ++i) inner[FGM_TRIANGLE(i) + i] += 1.0;
    if (!fgm_cholesky(inner, d)) return false;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) {
            double sum = 0.0;
            for (int m = j; m <= i; ++m) sum += old[FGM_TRIANGLE(i) + m] * inner[FGM_TRIANGLE(m) + j];
            outer[FGM_TRIANGLE(i) + j] = sum;
        }
    }
    memcpy(old, outer, (size_t)FGM_TRIANGLE(d) * sizeof *old);
    return true;
}

/* The largest size; NaN if any is. */
static double find_size(int n, const double *values) {
    double largest = 0.0;
    for (int i = 0; i < n; ++i) {
        double size = fabs(values[i]);
        if (isnan(size)) return size;
        largest = size > largest ? size : largest;
    }
    return largest;
}

/* S at the degrees of freedom, from where it is; then q belongs to it. */
static int fit_dispersion(fit *state, double tol) {
    int d = state->columns.d;
    double pack[FGM_PACK_STRIDE(FGM_MAX_DIMENSION)], moments[FGM_MOMENT_STRIDE(FGM_MAX_DIMENSION)], likelihood[2] = {0.0, 0.0};
    double freedom = state->student->freedom, lengthened = (freedom + d + 2.0) / (freedom + d);
    for (int pass = 0; pass < DISPERSION_PASSES; ++pass) {
        double *second = moments + 1 + d;
        fgm_pack(&state->student->dispersion, pack);
        double sum = find_weights(state, pack);
        memset(moments, 0, (size_t)FGM_MOMENT_STRIDE(d) * sizeof *moments);
        fgm_get_kernels()->em_pass(1, pack, state->columns, moments, likelihood, state->work);
        for (int i = 0; i < d; ++i) {
            for (int j = 0; j <= i; ++j) {
                double *change = &second[FGM_TRIANGLE(i) + j];
                *change = 2.0 * *change / sum - (i == j); /* the kernel's z carries 1 / sqrt 2 */
            }
        }
        double largest = find_size(FGM_TRIANGLE(d), second);
        if (!isfinite(largest)) return FGM_ERROR_NOT_POSITIVE_DEFINITE;
        if (largest < tol) return FGM_OK;
        if (!step_dispersion(&state->student->dispersion, second, lengthened) && !step_dispersion(&state->student->dispersion, second, 1.0)) {
            return FGM_ERROR_NOT_POSITIVE_DEFINITE;
        }
    }
    return FGM_OK;
}

/* Sum of w ln(1 + squares / nu). */
static double sum_logs(fit *state, const double *squares) {
    double sum = 0.0, inverse = 1.0 / state->student->freedom;
    for (int64_t i = 0; i < state->columns.n; ++i) state->logs[i] = 1.0 + squares[i] * inverse;
    fgm_get_kernels()->log(state->columns.n, state->logs, state->logs);
    for (int64_t i = 0; i < state->columns.n; ++i) sum += weight_of(state, i) * state->logs[i];
    return sum;
}

/* The likelihood of the copula at some degrees of freedom, per unit of weight, and S there. */
static int likelihood_at(fit *state, double freedom, double tol, double *likelihood) {
    int d = state->columns.d;
    int64_t n = state->columns.n;
    fgm_student *student = state->student;
    student->freedom = freedom;
    fill_table(freedom, state->largest_score, state->table);
    double sum = 0.0;
    for (int j = 0; j < d; ++j) {
        double *column = state->memory + j * n;
        apply_table(state->table, n, state->scores.columns + j * state->scores.stride, column);
        for (int64_t i = 0; i < n; ++i) state->distances[i] = column[i] * column[i];
        sum += 0.5 * (freedom + 1.0) * sum_logs(state, state->distances);
    }
    FGM_TRY(fit_dispersion(state, tol));
    sum -= 0.5 * (freedom + d) * sum_logs(state, state->distances);
    *likelihood = sum / state->total + log_peak(freedom, d) - d * log_peak(freedom, 1);
    for (int i = 0; i < d; ++i) *likelihood -= log(student->dispersion.factors[FGM_TRIANGLE(i) + i]);
    return FGM_OK;
}

/* What the likelihood gains about a point, in log nu. */
static int find_rise(fit *state, double at, double *rise) {
    double below, above;
    FGM_TRY(likelihood_at(state, exp(at - OFFSET), SEARCH_TOL, &below));
    FGM_TRY(likelihood_at(state, exp(at + OFFSET), SEARCH_TOL, &above));
    *rise = above - below;
    return FGM_OK;
}

/* Root of the rise in [left, right], its values there of opposite sign: false position, the side that stays halved (Dowell and Jarratt 1971). */
static int find_root(fit *state, double left, double left_rise, double right, double right_rise, double *root) {
    int last_side = 0;
    *root = left;
    for (int i = 0; i < 60; ++i) {
        double next = (left * right_rise - right * left_rise) / (right_rise - left_rise), rise, moved = fabs(next - *root);
        *root = next;
        if (moved < ROOT_TOL || right - left < ROOT_TOL) return FGM_OK;
        FGM_TRY(find_rise(state, next, &rise));
        if (rise == 0.0) return FGM_OK;
        int side = rise > 0.0 ? -1 : 1;
        if (side < 0) {
            left = next;
            left_rise = rise;
            if (last_side == side) right_rise *= 0.5;
        } else {
            right = next;
            right_rise = rise;
            if (last_side == side) left_rise *= 0.5;
        }
        last_side = side;
    }
    return FGM_OK;
}

/* Slope of the rise about a root. */
static int find_slope(fit *state, double root, double *slope) {
    double left, right;
    FGM_TRY(find_rise(state, root - OFFSET, &left));
    FGM_TRY(find_rise(state, root + OFFSET, &right));
    *slope = (right - left) / (2.0 * OFFSET);
    return FGM_OK;
}

/* log nu from that of a fit nearby: a step with the slope there, then secants. False where they lead away, or out of the range. */
static int follow(fit *state, const fgm_student *start, double *best, bool *arrived) {
    double lowest = log(FEWEST) + OFFSET, highest = log(MOST) - OFFSET, at = log(start->freedom), slope = start->slope, rise, next_rise, step = 0.0;
    *arrived = false;
    if (!(slope < 0.0) || at <= lowest || at >= highest) return FGM_OK;
    FGM_TRY(find_rise(state, at, &rise));
    for (int i = 0;; ++i) {
        double next = at - rise / slope;
        if (!(next > lowest && next < highest) || (i > 0 && fabs(next - at) > fabs(step))) return FGM_OK;
        step = next - at;
        if (i == NEARBY_STEPS - 1 || step == 0.0) {
            *best = next;
            *arrived = true;
            return FGM_OK;
        }
        FGM_TRY(find_rise(state, next, &next_rise));
        slope = (next_rise - rise) / step;
        at = next;
        rise = next_rise;
        if (!(slope < 0.0)) return FGM_OK;
    }
}

/* log nu of the largest likelihood: steps that double lead to a change of sign, or to an end of the range. */
static int find_freedom(fit *state, double start, double *best) {
    double lowest = log(FEWEST) + OFFSET, highest = log(MOST) - OFFSET, at = fmin(fmax(start, lowest), highest), rise, next_rise, stride = STRIDE;
    FGM_TRY(find_rise(state, at, &rise));
    for (;; stride *= 2.0) {
        double next = rise > 0.0 ? fmin(at + stride, highest) : fmax(at - stride, lowest);
        *best = at;
        if (next == at || rise == 0.0) return FGM_OK;
        FGM_TRY(find_rise(state, next, &next_rise));
        if ((next_rise > 0.0) != (rise > 0.0)) {
            return next > at ? find_root(state, at, rise, next, next_rise, best) : find_root(state, next, next_rise, at, rise, best);
        }
        at = next;
        rise = next_rise;
    }
}

/* log nu of about the largest likelihood: steps by ROUGH_STRIDE upwards or downwards until it falls, or to an end of the range, and a parabola. */
static int find_freedom_roughly(fit *state, double *best) {
    double lowest = log(FEWEST), highest = log(MOST), at = log(FIRST), here, ahead, behind, stride = ROUGH_STRIDE;
    FGM_TRY(likelihood_at(state, exp(at), SEARCH_TOL, &here));
    FGM_TRY(likelihood_at(state, exp(at - stride), SEARCH_TOL, &behind));
    FGM_TRY(likelihood_at(state, exp(at + stride), SEARCH_TOL, &ahead));
    if (behind > here) { /* downwards */
        double other = behind;
        behind = ahead;
        ahead = other;
        stride = -stride;
    }
    while (ahead > here && at + 2.0 * stride > lowest && at + 2.0 * stride < highest) {
        at += stride;
        behind = here;
        here = ahead;
        FGM_TRY(likelihood_at(state, exp(at + stride), SEARCH_TOL, &ahead));
    }
    double bend = 2.0 * here - ahead - behind; /* 0: flat */
    *best = ahead > here ? at + stride : bend > 0.0 ? at + 0.5 * stride * (ahead - behind) / bend : at;
    return FGM_OK;
}

/* A fit of the identity as dispersion. */
static int allocate(fgm_student *student, int d) {
    FGM_TRY(fgm_mixture_allocate(&student->dispersion, 1, d));
    memset(student->dispersion.means, 0, (size_t)d * sizeof(double));
    student->dispersion.weights[0] = 1.0;
    for (int i = 0; i < d; ++i) {
        for (int j = 0; j <= i; ++j) student->dispersion.factors[FGM_TRIANGLE(i) + j] = i == j;
    }
    return FGM_OK;
}

int fgm_student_fit(fgm_samples scores, const fgm_student *start, fgm_student *student) {
    fit state;
    double best;
    FGM_TRY(allocate(student, scores.d));
    if (start) fgm_mixture_copy(&student->dispersion, &start->dispersion);
    bool arrived = false;
    int status = begin(&state, scores, student);
    if (status == FGM_OK && start) status = follow(&state, start, &best, &arrived);
    if (status == FGM_OK && !arrived) status = find_freedom(&state, log(start ? start->freedom : FIRST), &best);
    if (status == FGM_OK && !start) status = find_slope(&state, best, &student->slope);
    if (status == FGM_OK) status = likelihood_at(&state, exp(best), DISPERSION_TOL, &student->log_likelihood);
    end(&state);
    if (status != FGM_OK) fgm_student_release(student);
    return status;
}

int fgm_student_fit_roughly(fgm_samples scores, fgm_student *student) {
    fit state;
    double best;
    FGM_TRY(allocate(student, scores.d));
    int status = begin(&state, scores, student);
    if (status == FGM_OK) status = find_freedom_roughly(&state, &best);
    if (status == FGM_OK) status = likelihood_at(&state, exp(best), SEARCH_TOL, &student->log_likelihood);
    end(&state);
    if (status != FGM_OK) fgm_student_release(student);
    return status;
}

int fgm_student_fit_dispersion(fgm_samples columns, const fgm_student *start, fgm_student *student) {
    fit state;
    FGM_TRY(allocate(student, columns.d));
    fgm_mixture_copy(&student->dispersion, &start->dispersion);
    student->freedom = start->freedom;
    int status = begin(&state, columns, student);
    if (status == FGM_OK) {
        for (int j = 0; j < columns.d; ++j) {
            memcpy(state.memory + j * columns.n, columns.columns + j * columns.stride, (size_t)columns.n * sizeof(double));
        }
        status = fit_dispersion(&state, DISPERSION_TOL);
    }
    end(&state);
    if (status != FGM_OK) fgm_student_release(student);
    return status;
}

void fgm_student_release(fgm_student *student) {
    fgm_mixture_release(&student->dispersion);
    student->freedom = 0.0;
}

/* ---- what follows from it ----------------------------------------------------------------------------------------------------------- */

/* Whether the degrees of freedom are as many as are looked for: then it stands for a Gaussian, of which independent parts have no information, while
 * under so many they have a little, in replicates too. */
static bool is_gaussian(const fgm_student *student) { return student->freedom >= MOST * exp(-1.5 * OFFSET); }

/* Entropy of some of x, y and given, but for d/2 ln(nu pi), which informations do without. */
static int find_entropy(const fgm_student *student, const fgm_layout *layout, unsigned sides, double *entropy) {
    int32_t columns[FGM_MAX_DIMENSION];
    double mean[FGM_MAX_DIMENSION], factor[FGM_TRIANGLE(FGM_MAX_DIMENSION)], half = 0.5 * student->freedom;
    int d = 0, first = 0;
    for (int v = 0; v < 3; first += layout->d[v++]) {
        for (int j = 0; j < layout->d[v] && (sides & FGM_BIT(v)); ++j) { /* in their order, whatever the variables are called */
            int32_t column = layout->columns[first + j];
            int place = d++;
            for (; place > 0 && columns[place - 1] > column; --place) columns[place] = columns[place - 1];
            columns[place] = column;
        }
    }
    *entropy = 0.0;
    if (d == 0) return FGM_OK;
    FGM_TRY(fgm_mixture_take_columns(&student->dispersion, 0, columns, d, mean, factor));
    if (!is_gaussian(student)) {
        *entropy = log_gamma(half) - log_gamma(half + 0.5 * d) + (half + 0.5 * d) * (digamma(half + 0.5 * d) - digamma(half));
    }
    for (int i = 0; i < d; ++i) *entropy += log(factor[FGM_TRIANGLE(i) + i]);
    return FGM_OK;
}

int fgm_student_information(const fgm_student *student, const fgm_layout *layout, double *information) {
    static const struct {
        unsigned sides;
        double sign;
    } terms[] = {{FGM_BIT(0) | FGM_BIT(2), 1.0}, {FGM_BIT(1) | FGM_BIT(2), 1.0}, {FGM_BIT(0) | FGM_BIT(1) | FGM_BIT(2), -1.0}, {FGM_BIT(2), -1.0}};
    *information = 0.0;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; ++i) {
        double entropy;
        FGM_TRY(find_entropy(student, layout, terms[i].sides, &entropy));
        *information += terms[i].sign * entropy;
    }
    *information = fmax(*information, 0.0);
    return FGM_OK;
}

int fgm_student_mixture(const fgm_student *student, int most, fgm_mixture *mixture) {
    int d = student->dispersion.d;
    double half = 0.5 * student->freedom;
    /* Pr(u < e^low) is about (half e^low)^half / Gamma(half + 1); above high, where half e^high = half + 6 sqrt(half) + 12, there is less. */
    double low = (log(TAIL) + log_gamma(half + 1.0)) / half - log(half), high = log((half + 6.0 * sqrt(half) + 12.0) / half);
    double finest = SPACING * sqrt(2.0 / (student->freedom + d));
    int wanted = (int)((high - low) / finest) + 1, k = wanted < most ? wanted : most;
    double spacing = k == wanted ? finest : (high - low) / k;
    if (k < wanted) low += 0.5 * spacing;
    FGM_TRY(fgm_mixture_allocate(mixture, k, d));
    memset(mixture->means, 0, (size_t)k * (size_t)d * sizeof(double));
    double total = 0.0;
    for (int i = 0; i < k; ++i) {
        double log_scale = low + i * spacing, deviation = exp(-0.5 * log_scale);
        total += mixture->weights[i] = exp(half * (log_scale - exp(log_scale) + 1.0));
        for (int j = 0; j < FGM_TRIANGLE(d); ++j) mixture->factors[i * FGM_TRIANGLE(d) + j] = deviation * student->dispersion.factors[j];
    }
    for (int i = 0; i < k; ++i) mixture->weights[i] /= total;
    return FGM_OK;
}
