// The C++ header: what it gives is what the functions of fastgmmmi.h give, and what they refuse it throws.
#include "fastgmmmi.hpp"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>

static int n_passed, n_failed;

static void check(bool ok, const char *name) {
    ++(ok ? n_passed : n_failed);
    if (!ok) std::printf("FAILED: %s\n", name);
}

static bool same(const std::vector<double> &left, const std::vector<double> &right) {
    return left.size() == right.size() && std::memcmp(left.data(), right.data(), left.size() * sizeof(double)) == 0;
}

template <typename Failure, typename Call> static void check_throws(Call call, const char *message, const char *name) {
    try {
        call();
        check(false, name);
    } catch (const Failure &failure) {
        check(std::strcmp(failure.what(), message) == 0, name);
    }
}

static const std::vector<double> WEIGHTS = {.4, .6}, MEANS = {-1, 0, 1, .5}, COVARIANCES = {1, .3, .3, 2, .5, -.1, -.1, 1};

static void test_mixture() {
    const fastgmmmi::mixture m(WEIGHTS, MEANS, COVARIANCES);
    const double *w = WEIGHTS.data(), *mu = MEANS.data(), *S = COVARIANCES.data();
    check(m.n_components() == 2 && m.d() == 2, "shape");

    std::vector<double> X(20), densities(10), shares(20), drawn = m.sample(10, 3);
    fgm_sample(2, 2, w, mu, S, 3, 10, X.data());
    check(same(drawn, X), "sample");
    fgm_log_density(2, 2, w, mu, S, X.data(), 10, densities.data());
    check(same(m.log_density({X, 2}), densities), "log_density");
    fgm_responsibilities(2, 2, w, mu, S, X.data(), 10, shares.data());
    check(same(m.responsibilities({X, 2}), shares), "responsibilities");

    const std::array<std::int32_t, 1> first{0}, second{1};
    const std::array<double, 1> at{.7};
    fastgmmmi::mixture of_second = m.marginal(second), given_first = m.conditional(first, at);
    check(same(of_second.weights(), WEIGHTS) && same(of_second.means(), {0, .5}) && same(of_second.covariances(), {2, 1}), "marginal");
    std::vector<double> x = {.7, -.2}, y = {-.2};
    // p(x, y) = p(x) p(y | x)
    const double difference = m.log_density({x, 2})[0] - m.marginal(first).log_density(at)[0] - given_first.log_density(y)[0];
    check(std::fabs(difference) < 1e-13, "conditional");

    double value, error;
    fgm_entropy(2, 2, w, mu, S, 1e-5, 0, &value, &error);
    check(m.entropy().value == value && m.entropy().error == error, "entropy");
    fgm_mixture_mutual_information(2, 2, w, mu, S, first.data(), 1, second.data(), 1, nullptr, 0, 1e-5, 0, &value, &error);
    check(m.mutual_information(first, second).value == value && value > 0, "mutual information of a mixture");
    check(m.kl_divergence(m).value < 1e-10, "divergence from itself");

    check_throws<fastgmmmi::error>([&] { m.marginal(fastgmmmi::span<const std::int32_t>()); },
                                   "column numbers must be distinct and within the mixture's dimension", "marginal of no column");
    check_throws<fastgmmmi::error>([&] { m.log_density(y); }, "the number of variables must be at least 1 and at most 64 in total",
                                   "samples of another dimension");
    check_throws<std::invalid_argument>([] { fastgmmmi::mixture(WEIGHTS, MEANS, WEIGHTS); },
                                        "mixture: K weights, K d means and K d d covariances are needed, K and d at least 1", "shapes of a mixture");
    check_throws<std::invalid_argument>([&] { m.log_density({y, 2}); },
                                        "samples: the number of values must be a multiple of d, which must be at least 1", "half a row");
}

static void test_jobs() {
    const fastgmmmi::mixture truth(WEIGHTS, MEANS, COVARIANCES);
    const std::vector<double> X = truth.sample(120, 5);
    std::vector<double> x(120), y(120), weights(120, 1.0);
    for (std::size_t i = 0; i < 120; ++i) {
        x[i] = X[2 * i];
        y[i] = X[2 * i + 1];
        weights[i] = i % 3 == 0 ? .5 : 1.;
    }
    fastgmmmi::options options;
    options.max_components = 4;
    options.n_bootstrap = 5;

    std::vector<double> w(4), mu(8), S(16), bootstrap(5);
    fgm_fit_result fit{};
    fit.size = sizeof fit;
    fit.weights = w.data();
    fit.means = mu.data();
    fit.covariances = S.data();
    check(fgm_fit(X.data(), 120, 2, weights.data(), &options, 1, &fit) == FGM_OK, "fgm_fit");
    const auto k = static_cast<std::size_t>(fit.n_components);
    w.resize(k);
    mu.resize(2 * k);
    S.resize(4 * k);
    const auto fitted = fastgmmmi::fit({X, 2}, 1, options, weights);
    check(same(fitted.model.weights(), w) && same(fitted.model.means(), mu) && same(fitted.model.covariances(), S), "fit");
    check(fitted.log_likelihood == fit.log_likelihood && fitted.n_iter == fit.n_iter && fitted.converged, "how the fit went");

    fgm_result result{};
    result.size = sizeof result;
    result.bootstrap = bootstrap.data();
    check(fgm_mutual_information(x.data(), y.data(), 120, 1, 1, nullptr, &options, 1, &result) == FGM_OK, "fgm_mutual_information");
    const auto found = fastgmmmi::mutual_information(x, y, 1, options);
    check(found.value == result.value && found.standard_error == result.standard_error && found.plug_in == result.plug_in &&
              found.shortfall == result.shortfall && found.marginals_error == result.marginals_error && found.n_copies == 0,
          "mutual_information");
    check(same(found.bootstrap, bootstrap) && found.n_components == result.n_components, "its bootstrap");
    const fastgmmmi::samples given = x;
    const std::vector<double> Z = truth.sample(120, 6);
    const fastgmmmi::samples other(Z, 2);
    fgm_data data{};
    data.size = sizeof data;
    data.n = 120;
    data.x = {Z.data(), nullptr, 2, 0, 0};
    data.y = {x.data(), nullptr, 1, 0, 0};
    data.given = {y.data(), nullptr, 1, 0, 0};
    data.sample_weight = weights.data();
    check(fgm_information(&data, &options, 1, &result) == FGM_OK, "fgm_information");
    const fastgmmmi::samples condition = y;
    check(fastgmmmi::mutual_information(other, x, 1, options, weights, &condition).value == result.value, "given a third variable");
    check_throws<fastgmmmi::error>([&] { fastgmmmi::mutual_information(x, y, 1, options, {}, &given); },
                                   "a column is a linear function of the others, so mutual information is infinite or undefined", "given x itself");

    try {
        const std::vector<double> constant(120, 3.0);
        fastgmmmi::mutual_information(x, constant, 1, options);
        check(false, "a constant column");
    } catch (const fastgmmmi::error &failure) {
        check(failure.status() == FGM_ERROR_CONSTANT && failure.column() == 1, "a constant column");
    }
    y.pop_back();
    check_throws<std::invalid_argument>([&] { fastgmmmi::mutual_information(x, y, 1, options); },
                                        "mutual_information: as many samples of each variable are needed", "a sample less of y");
    check_throws<std::invalid_argument>([&] { fastgmmmi::fit({X, 2}, 1, options, y); }, "sample_weight: one weight for each sample is needed",
                                        "a weight less");
}

int main() {
    test_mixture();
    test_jobs();
    std::printf("%d passed, %d failed (%s)\n", n_passed, n_failed, fgm_cpu_tier());
    return n_failed > 0;
}
