/* fastgmmmi for C++17: views of the caller's memory in, values out, exceptions for errors. Everything here calls fastgmmmi.h, which says what it
 * means.
 *
 * Nothing is copied on the way in, and the library keeps no view after a call returns. All objects are plain values. In an extension module for
 * Python, define FASTGMMMI_IMPORT in every source file that includes this one, and call fastgmmmi_import() in each, as fastgmmmi.h says.
 */
#ifndef FASTGMMMI_HPP
#define FASTGMMMI_HPP

#include "fastgmmmi.h"

#include <algorithm>
#include <new>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace fastgmmmi {

/* An error code of the library other than FGM_ERROR_MEMORY, which is std::bad_alloc. column: the one it is about, or -1. */
class error : public std::runtime_error {
  public:
    explicit error(int status, int column = -1) : std::runtime_error(fgm_strerror(status)), status_(status), column_(column) {}
    int status() const noexcept { return status_; }
    int column() const noexcept { return column_; }

  private:
    int status_, column_;
};

inline void check(int status, int column = -1) {
    if (status == FGM_ERROR_MEMORY) throw std::bad_alloc();
    if (status != FGM_OK) throw error(status, column);
}

/* Numbers that stand one after the other in somebody else's memory: std::span is C++20's. */
template <typename T> class span {
  public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    /* Any container with data() and size(): std::vector, std::array, std::span. */
    template <typename Container, typename = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container &>().data()), T *>>,
              typename = decltype(std::declval<Container &>().size())>
    constexpr span(Container &container) noexcept : data_(container.data()), size_(container.size()) {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr T &operator[](std::size_t i) const noexcept { return data_[i]; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }

  private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/* Samples of d variables, (n, d), one row per sample. One variable is any container of doubles. */
class samples {
  public:
    samples(span<const double> values, std::int32_t d) : values_(values), d_(d) {
        if (d < 1 || values.size() % static_cast<std::size_t>(d) != 0) {
            throw std::invalid_argument("samples: the number of values must be a multiple of d, which must be at least 1");
        }
    }
    template <typename Container, typename = std::enable_if_t<std::is_constructible_v<span<const double>, Container &>>>
    samples(Container &column) : samples(span<const double>(column), 1) {}

    const double *data() const noexcept { return values_.data(); }
    std::int64_t n() const noexcept { return static_cast<std::int64_t>(values_.size()) / d_; }
    std::int32_t d() const noexcept { return d_; }

  private:
    span<const double> values_;
    std::int32_t d_;
};

/* fgm_options with the defaults in: change fields. */
struct options : fgm_options {
    options() { fgm_options_init(this); }
};

/* A value and the estimate of the error of its integral, nats. */
struct integral {
    double value, error;
};

/* Gaussian mixture: weights (K), means (K, d), covariances (K, d, d). */
class mixture {
  public:
    mixture(std::vector<double> weights, std::vector<double> means, std::vector<double> covariances)
        : weights_(std::move(weights)), means_(std::move(means)), covariances_(std::move(covariances)) {
        std::size_t k = weights_.size(), d = k ? means_.size() / k : 0;
        if (k == 0 || d == 0 || means_.size() != k * d || covariances_.size() != k * d * d) {
            throw std::invalid_argument("mixture: K weights, K d means and K d d covariances are needed, K and d at least 1");
        }
    }

    std::int32_t n_components() const noexcept { return static_cast<std::int32_t>(weights_.size()); }
    std::int32_t d() const noexcept { return static_cast<std::int32_t>(means_.size() / weights_.size()); }
    const std::vector<double> &weights() const noexcept { return weights_; }
    const std::vector<double> &means() const noexcept { return means_; }
    const std::vector<double> &covariances() const noexcept { return covariances_; }

    /* (n) */
    std::vector<double> log_density(samples X) const {
        check_dimension(X.d());
        std::vector<double> out(static_cast<std::size_t>(X.n()));
        check(fgm_log_density(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), X.data(), X.n(), out.data()));
        return out;
    }

    /* (n, K) */
    std::vector<double> responsibilities(samples X) const {
        check_dimension(X.d());
        std::vector<double> out(static_cast<std::size_t>(X.n()) * weights_.size());
        check(fgm_responsibilities(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), X.data(), X.n(), out.data()));
        return out;
    }

    /* (n, d) */
    std::vector<double> sample(std::int64_t n, std::uint64_t seed) const {
        std::vector<double> X(static_cast<std::size_t>(n) * static_cast<std::size_t>(d()));
        check(fgm_sample(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), seed, n, X.data()));
        return X;
    }

    mixture marginal(span<const std::int32_t> columns) const {
        std::size_t k = weights_.size(), m = columns.size();
        std::vector<double> means(k * m), covariances(k * m * m);
        check(fgm_marginal(n_components(), d(), means_.data(), covariances_.data(), columns.data(), static_cast<std::int32_t>(m), means.data(),
                           covariances.data()));
        return mixture(weights_, std::move(means), std::move(covariances));
    }

    mixture conditional(span<const std::int32_t> columns, span<const double> values) const {
        std::size_t k = weights_.size(), whole = static_cast<std::size_t>(d()), left = whole - std::min(columns.size(), whole);
        if (values.size() != columns.size()) throw std::invalid_argument("mixture::conditional: one value for each column is needed");
        std::vector<double> weights(k), means(k * left), covariances(k * left * left);
        check(fgm_conditional(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), columns.data(),
                              static_cast<std::int32_t>(columns.size()), values.data(), weights.data(), means.data(), covariances.data()));
        return mixture(std::move(weights), std::move(means), std::move(covariances));
    }

    integral entropy(double tol = 1e-5, std::uint64_t seed = 0) const {
        integral found{};
        check(fgm_entropy(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), tol, seed, &found.value, &found.error));
        return found;
    }

    integral mutual_information(span<const std::int32_t> x, span<const std::int32_t> y, span<const std::int32_t> given = {}, double tol = 1e-5,
                                std::uint64_t seed = 0) const {
        integral found{};
        check(fgm_mixture_mutual_information(n_components(), d(), weights_.data(), means_.data(), covariances_.data(), x.data(), count(x), y.data(),
                                             count(y), given.data(), count(given), tol, seed, &found.value, &found.error));
        return found;
    }

    integral kl_divergence(const mixture &other, double tol = 1e-5, std::uint64_t seed = 0) const {
        integral found{};
        check_dimension(other.d());
        check(fgm_kl_divergence(d(), n_components(), weights_.data(), means_.data(), covariances_.data(), other.n_components(), other.weights_.data(),
                                other.means_.data(), other.covariances_.data(), tol, seed, &found.value, &found.error));
        return found;
    }

  private:
    static std::int32_t count(span<const std::int32_t> columns) noexcept { return static_cast<std::int32_t>(columns.size()); }
    void check_dimension(std::int32_t other) const {
        if (other != d()) throw error(FGM_ERROR_DIMENSION);
    }

    std::vector<double> weights_, means_, covariances_;
};

/* The maximum likelihood mixture of samples, and how the fit went. */
struct fit_result {
    mixture model;
    double log_likelihood; /* weighted mean per sample, nats */
    int n_iter;
    bool converged;
};

inline void check_weights(span<const double> sample_weight, std::int64_t n) {
    if (sample_weight.size() != 0 && static_cast<std::int64_t>(sample_weight.size()) != n) {
        throw std::invalid_argument("sample_weight: one weight for each sample is needed");
    }
}

inline fit_result fit(samples X, std::uint64_t seed, const fgm_options &options = fastgmmmi::options(), span<const double> sample_weight = {}) {
    check_weights(sample_weight, X.n());
    std::size_t most = static_cast<std::size_t>(std::max(options.n_components > 0 ? options.n_components : options.max_components, 1));
    std::size_t d = static_cast<std::size_t>(X.d());
    std::vector<double> weights(most), means(most * d), covariances(most * d * d);
    fgm_fit_result found{};
    found.size = sizeof found;
    found.fault_column = -1;
    found.weights = weights.data();
    found.means = means.data();
    found.covariances = covariances.data();
    const int status = fgm_fit(X.data(), X.n(), X.d(), sample_weight.data(), &options, seed, &found);
    check(status, found.fault_column);
    std::size_t k = static_cast<std::size_t>(found.n_components);
    weights.resize(k);
    means.resize(k * d);
    covariances.resize(k * d * d);
    return {mixture(std::move(weights), std::move(means), std::move(covariances)), found.log_likelihood, found.n_iter, found.converged != 0};
}

/* Mutual information with its error bar, nats. */
struct estimate {
    double value;          /* bias-corrected */
    double standard_error; /* NaN without a bootstrap */
    double plug_in, integration_error;
    int n_components;
    bool converged;
    std::vector<double> bootstrap; /* (n_bootstrap): a replicate that failed is NaN */
    double shortfall;              /* what the mixture misses, or, below 0, makes up: part of value and standard_error */
    double marginals_error; /* scatter of the value over maps of the columns that held-out rows can hardly tell apart: part of standard_error */
    std::int64_t n_copies; /* samples that are copies of others, which they were resampled and folded with */
};

/* I(x; y), or I(x; y | given). sample_weight: one for each sample, or none. */
inline estimate mutual_information(samples x, samples y, std::uint64_t seed, const fgm_options &options = fastgmmmi::options(),
                                   span<const double> sample_weight = {}, const samples *given = nullptr) {
    check_weights(sample_weight, x.n());
    if (y.n() != x.n() || (given && given->n() != x.n()))
        throw std::invalid_argument("mutual_information: as many samples of each variable are needed");
    fgm_data data{};
    data.size = sizeof data;
    data.n = x.n();
    data.x = {x.data(), nullptr, x.d(), 0, 0};
    data.y = {y.data(), nullptr, y.d(), 0, 0};
    if (given) data.given = {given->data(), nullptr, given->d(), 0, 0};
    data.sample_weight = sample_weight.data();
    data.quantity = FGM_QUANTITY_INFORMATION;
    std::vector<double> bootstrap(static_cast<std::size_t>(std::max(options.n_bootstrap, 0)));
    fgm_result found{};
    found.size = sizeof found;
    found.fault_column = -1;
    found.bootstrap = bootstrap.data();
    const int status = fgm_information(&data, &options, seed, &found);
    check(status, found.fault_column);
    return {found.value,          found.standard_error, found.plug_in,   found.integration_error, found.n_components,
            found.converged != 0, std::move(bootstrap), found.shortfall, found.marginals_error,   found.n_copies};
}

} // namespace fastgmmmi

#endif
