/* What nearest neighbours find beyond the mixture, against closed forms; tests/twins.py has its definition. And what rows deny it. */
#include "check.h"

#define N 2000

/* x = (a, b), y = rho a + sqrt(1 - rho^2) c of independent normal a, b, c. */
static void draw_rows(double rho, double *x /* (N, 2) */, double *y /* (N) */) {
    for (uint64_t i = 0; i < N; ++i) {
        x[2 * i] = fgm_random_normal(1, i);
        x[2 * i + 1] = fgm_random_normal(2, i);
        y[i] = rho * x[2 * i] + sqrt(1.0 - rho * rho) * fgm_random_normal(3, i);
    }
}

/* Two components whose sum is the standard normal distribution: there is nothing that x and y say about each other. */
static void fill_model(fgm_model *model, const int32_t *labels) {
    static const double weights[] = {0.3, 0.7}, means[6] = {0.0}, covariances[18] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    if (fgm_model_allocate(model, 1, 3, labels) != FGM_OK) abort();
    model->probabilities[0] = 1.0;
    if (fgm_mixture_from_parameters(&model->mixtures[0], 2, 3, weights, means, covariances) != FGM_OK) abort();
}

static int count_polls(void *data, int64_t done, int64_t total) {
    int *left = data;
    check(done == 0 && total == 100, "no replicate is finished: %d of %d", (int)done, (int)total);
    return --*left < 0;
}

/* The whole of it is missing: neighbours' bias is the same for data and samples only so far as both are alike, so rho is moderate. */
static void test_all_is_missing(double rho) {
    double *x = numbers(2 * N), *y = numbers(N), shortfall, error, truth = -0.5 * log1p(-rho * rho);
    int cancel = 0, polls = 1000;
    fgm_fault fault;
    fgm_options options;
    fgm_prepared prepared;
    fgm_model model;
    draw_rows(rho, x, y);
    fgm_options_init(&options);
    options.cancel = &cancel;
    options.poll = count_polls;
    options.poll_data = &polls;
    fgm_data data = {.size = sizeof data, .n = N, .x = {.values = x, .d = 2}, .y = {.values = y, .d = 1}};
    if (fgm_prepare(&prepared, &data, &options, 5, &fault) != FGM_OK) abort();
    fill_model(&model, prepared.classes.labels);
    check_status(fgm_find_shortfall(&prepared, &model, 0.0, 1, &shortfall, &error), FGM_OK, "shortfall");
    check(polls < 1000, "polled %d times", 1000 - polls);
    if (rho == 0.0) {
        check(shortfall == 0.0 && error == 0.0, "nothing is missing, but %g +- %g is found", shortfall, error);
    } else {
        check(error > 0.0 && error < 0.05, "error %g", error);
        check(fabs(shortfall - truth) < 3.0 * error + 0.05 * truth, "%g +- %g is found of %g", shortfall, error, truth);
    }
    polls = 0;
    check_status(fgm_find_shortfall(&prepared, &model, 0.0, 1, &shortfall, &error), FGM_ERROR_CANCELLED, "a poll that says no");
    polls = 1000;
    cancel = 1;
    check_status(fgm_find_shortfall(&prepared, &model, 0.0, 1, &shortfall, &error), FGM_ERROR_CANCELLED, "cancelled");
    fgm_model_release(&model);
    fgm_prepared_release(&prepared);
    free(x);
    free(y);
}

/* What neighbours find between three and four deviations counts where the rows say more than the mixture claims. */
static void test_witness(void) {
    double *x = numbers(2 * N), *y = numbers(N), found[2], error[2];
    int n_between = 0;
    fgm_options options;
    fgm_fault fault;
    fgm_options_init(&options);
    for (int step = 0; step < 3; ++step) {
        fgm_prepared prepared;
        fgm_model model;
        draw_rows(0.55 + 0.02 * step, x, y);
        fgm_data data = {.size = sizeof data, .n = N, .x = {.values = x, .d = 2}, .y = {.values = y, .d = 1}};
        if (fgm_prepare(&prepared, &data, &options, 5, &fault) != FGM_OK) abort();
        fill_model(&model, prepared.classes.labels);
        for (int i = 0; i < 2; ++i) check_status(fgm_find_shortfall(&prepared, &model, i ? 1.1 : 0.9, 1, &found[i], &error[i]), FGM_OK, "shortfall");
        double deviations = found[1] > 0.0 ? found[1] / error[1] : 0.0;
        n_between += deviations > 3.0 && deviations <= 4.0;
        check(found[0] == (deviations > 4.0 ? found[1] : 0.0), "%g deviations with a witness: %g without", deviations, found[0]);
        fgm_model_release(&model);
        fgm_prepared_release(&prepared);
    }
    check(n_between > 0, "nothing between three and four deviations");
    free(x);
    free(y);
}

/* Of the rows: four deviations, in which the integral's own error counts; what neighbours found before is kept. What they do not
 * deny is there, or not. */
static void test_excess(void) {
    fgm_moments moments = {.mean = 0.1, .deviation = 1.0, .variance = 1e-4};
    check(!fgm_is_denied(&moments, 0.139, 0.0), "3.9 deviations");
    check(!fgm_is_denied(&moments, 0.061, 0.0) && !fgm_is_denied(&moments, -1.0, 0.0), "rows that say more");
    check(!fgm_is_denied(&moments, 0.141, 0.01), "2.9 deviations");
    check(fgm_is_denied(&moments, 0.141, 0.0), "4.1 deviations");
    double shortfall = 0.2, error = 0.03;
    fgm_take_off(&moments, 0.141, 0.0, 2.1, &shortfall, &error);
    check(fabs(shortfall - 0.1795) < 1e-15 && fabs(error - hypot(0.03, 0.01)) < 1e-15, "half of .041 off .2: %g +- %g", shortfall, error);
    shortfall = 0.0, error = 0.0;
    fgm_take_off(&moments, 0.141, 0.0, 1.9, &shortfall, &error);
    check(shortfall == -0.141 && fabs(error - 0.01) < 1e-15, "nothing can be told: %g +- %g", shortfall, error);
    shortfall = 0.0, error = 0.0;
    fgm_take_off(&moments, 0.1, 0.0, 1.6, &shortfall, &error);
    check(shortfall == 0.0 && error == 0.0, "told, and not denied: %g +- %g", shortfall, error);
    fgm_take_off(&moments, 0.1, 0.0, 1.4, &shortfall, &error);
    check(shortfall == -0.1 && fabs(error - 0.01) < 1e-15, "not told, and not denied: %g +- %g", shortfall, error);
}

/* Eleven parameters in two dimensions are charged eleven nats, whatever the number of rows. */
static void test_chance(void) {
    fgm_mixture two = {.n_components = 2, .d = 2}, one = {.n_components = 1, .d = 2};
    check(fgm_may_be_chance(&two, 0.0109, 1000.0) && !fgm_may_be_chance(&two, 0.0111, 1000.0), "what eleven parameters are charged");
    check(!fgm_may_be_chance(&two, 0.0109, 2000.0), "of twice as many rows");
    check(!fgm_may_be_chance(&one, 0.0001, 1000.0), "one Gaussian was not chosen by chance");
}

int main(void) {
    test_excess();
    test_chance();
    test_witness();
    test_all_is_missing(0.0);
    test_all_is_missing(0.6);
    test_all_is_missing(0.8);
    return summary();
}
