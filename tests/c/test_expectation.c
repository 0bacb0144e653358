/* Expectations of functions against closed forms, and what happens where the function fails.
 *
 * Build: cc -std=c11 -Icsrc -Ifastgmmmi/include tests/c/test_expectation.c csrc/[*].c -lm
 */
#include "check.h"

typedef struct moment {
    int d;
    int64_t n_points;
    double fail_above; /* first coordinate above which the function fails */
    double value;      /* there; or where it is 0, a status is returned */
} moment;

/* x_first * x_last */
static int product(void *data, const double *points, int64_t n, double *values) {
    moment *m = data;
    for (int64_t i = 0; i < n; ++i) {
        const double *point = points + i * m->d;
        values[i] = point[0] * point[m->d - 1];
        if (!(point[0] > m->fail_above)) continue;
        if (m->value == 0.0) return 77;
        values[i] = m->value;
    }
    m->n_points += n;
    return FGM_OK;
}

static void test_moments(void) {
    for (int d = 1; d <= 6; ++d) {
        for (int K = 1; K <= 3; ++K) {
            parameters p = draw_parameters(K, d, (uint64_t)(10 * d + K));
            moment m = {d, 0, INFINITY, 0.0};
            double value, error, truth = 0.0, size = 0.0;
            for (int k = 0; k < K; ++k) {
                const double *mean = p.means + k * d, *covariance = p.covariances + k * d * d;
                truth += p.weights[k] * (covariance[d - 1] + mean[0] * mean[d - 1]);
                size += p.weights[k] * (covariance[0] + mean[0] * mean[0] + covariance[d * d - 1] + mean[d - 1] * mean[d - 1]);
            }
            check_status(fgm_expect(K, d, p.weights, p.means, p.covariances, product, &m, 1e-5, 0, &value, &error, NULL), FGM_OK, "expect");
            check(fabs(value - truth) <= 3.0 * error, "moment, d=%d, K=%d: %.12g, should be %.12g; error %.2g", d, K, value, truth, error);
            check(error <= (d <= 3 ? 1e-5 : 1e-4) * size, "error, d=%d, K=%d: %.2g", d, K, error);
            check(d > 3 || m.n_points < 200000 * K, "d=%d, K=%d took %lld points", d, K, (long long)m.n_points);
            release_parameters(&p);
        }
    }
}

static void test_faults(void) {
    double value, error, fault[6];
    const double bad[] = {NAN, INFINITY, -INFINITY};
    for (int d = 1; d <= 6; d += 5) {
        parameters p = draw_parameters(2, d, 5);
        for (int i = 0; i < 3; ++i) {
            moment m = {d, 0, 1.5, bad[i]};
            int status = fgm_expect(2, d, p.weights, p.means, p.covariances, product, &m, 1e-5, 0, &value, &error, fault);
            check_status(status, FGM_ERROR_NOT_FINITE, "not finite");
            check(fault[0] > 1.5, "d=%d: place of the fault, %g", d, fault[0]);
            check(m.n_points < 200000, "d=%d: called on, %lld points", d, (long long)m.n_points);
        }
        moment m = {d, 0, 1.5, 0.0};
        check_status(fgm_expect(2, d, p.weights, p.means, p.covariances, product, &m, 1e-5, 0, &value, &error, NULL), 77, "own status");
        check_status(fgm_expect(2, d, p.weights, p.means, p.covariances, product, &m, 0.0, 0, &value, &error, NULL), FGM_ERROR_OPTION, "tol");
        p.weights[0] = -1.0;
        check_status(fgm_expect(2, d, p.weights, p.means, p.covariances, product, &m, 1e-5, 0, &value, &error, NULL), FGM_ERROR_WEIGHTS, "weights");
        release_parameters(&p);
    }
}

int main(void) {
    test_moments();
    test_faults();
    return summary();
}
