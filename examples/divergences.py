"""Two quantities that fastgmmmi does not have, averaged over its mixtures: a user writes them in Numba.

The Renyi information of order a between x and y, log E[(p(x, y) / (p(x) p(y)))^(a - 1)] / (a - 1), and the Hellinger
distance of two densities, H² = 1 - E_p[sqrt(q / p)]. `GaussianMixture.expect` calls the compiled function at every node
without the interpreter; here both mixtures are single Gaussians, where closed forms say how right the numbers are.

    python examples/divergences.py
"""

import math

import numba
import numpy as np
from numba import types

import fastgmmmi as fg
from fastgmmmi import jit

FUNCTION_OF_A_POINT = types.float64(types.intc, types.CPointer(types.float64))


@numba.njit
def log_density(weights, means, covariances, point):
    """Logarithm of a mixture's density at one point, (d,)."""
    out = np.empty(1)
    jit.log_density(weights, means, covariances, point.reshape(1, -1), out)
    return out[0]


def parameters(mixture):
    """Give what the functions of jit take."""
    return mixture.weights, mixture.means, mixture.covariances


def renyi_information(g, order):
    """Renyi information between the two variables of a mixture, in nats, and the error of its integral."""
    weights, means, covariances = parameters(g)
    _, x_means, x_covariances = parameters(g.marginal(0))
    _, y_means, y_covariances = parameters(g.marginal(1))

    @numba.cfunc(FUNCTION_OF_A_POINT)
    def power_of_ratio(d, address):
        point = numba.carray(address, (2,))
        ratio = log_density(weights, means, covariances, point)
        ratio -= log_density(weights, x_means, x_covariances, point[:1])
        ratio -= log_density(weights, y_means, y_covariances, point[1:])
        return math.exp((order - 1) * ratio)

    power, error = g.expect(power_of_ratio)
    return math.log(power) / (order - 1), error / power / abs(order - 1)


def hellinger_distance(p, q):
    """Hellinger distance of two mixtures, from 0 to 1, and the error of its integral."""
    d = p.means.shape[1]
    p_weights, p_means, p_covariances = parameters(p)
    q_weights, q_means, q_covariances = parameters(q)

    @numba.cfunc(FUNCTION_OF_A_POINT)
    def root_of_ratio(_, address):
        point = numba.carray(address, (d,))
        log_p = log_density(p_weights, p_means, p_covariances, point)
        log_q = log_density(q_weights, q_means, q_covariances, point)
        return math.exp(0.5 * (log_q - log_p))

    affinity, error = p.expect(root_of_ratio)
    distance = math.sqrt(max(1 - affinity, 0))
    return distance, error / (2 * distance)


def renyi_of_gaussian(correlation, order):
    """Closed form: Gil, Alajaji and Linder 2013, Information Sciences 249, 124."""
    mixed = 1 - ((1 - order) * correlation) ** 2
    return math.log(mixed) / (2 * (1 - order)) - math.log(1 - correlation**2) / 2


def hellinger_of_gaussians(p_mean, p_covariance, q_mean, q_covariance):
    """Closed form: Pardo 2006, Statistical Inference Based on Divergence Measures, p. 51."""
    middle, shift = (p_covariance + q_covariance) / 2, p_mean - q_mean
    determinants = np.linalg.det(p_covariance) * np.linalg.det(q_covariance)
    affinity = determinants**0.25 / np.linalg.det(middle) ** 0.5
    return math.sqrt(1 - affinity * math.exp(-shift @ np.linalg.solve(middle, shift) / 8))


def main():
    """Compare with the closed forms, and measure a fitted mixture."""
    correlation, order = 0.6, 1.5
    g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, correlation], [correlation, 1.0]]])
    value, error = renyi_information(g, order)
    print(f"Renyi information    {value:.6f} ± {error:.1g}, exactly {renyi_of_gaussian(correlation, order):.6f}")

    p_mean, p_covariance = np.array([0.0, 1.0]), np.array([[1.0, 0.5], [0.5, 2.0]])
    q_mean, q_covariance = np.array([1.0, 0.0]), np.array([[2.0, -0.3], [-0.3, 1.0]])
    p = fg.GaussianMixture.from_parameters([1.0], [p_mean], [p_covariance])
    q = fg.GaussianMixture.from_parameters([1.0], [q_mean], [q_covariance])
    value, error = hellinger_distance(p, q)
    exact = hellinger_of_gaussians(p_mean, p_covariance, q_mean, q_covariance)
    print(f"Hellinger distance   {value:.6f} ± {error:.1g}, exactly {exact:.6f}")

    x, noise = np.random.default_rng(0).normal(size=(2, 2000))
    fitted = fg.mutual_information(x, x**2 + 0.5 * noise, rng=0, n_bootstrap=0).model
    for order in (0.5, 0.999):
        value, error = renyi_information(fitted, order)
        print(f"of a fitted mixture with {fitted.n_components} components, order {order}: {value:.4f} ± {error:.1g}")
    print(f"its mutual information, where the order is 1: {fitted.mutual_information(0, 1):.4f}")


if __name__ == "__main__":
    main()
