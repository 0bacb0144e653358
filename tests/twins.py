"""Short, slow NumPy twins of what the core computes, by definition, for tests to compare it with."""

import contextlib
import itertools

import numpy as np
from scipy.special import digamma, eval_hermitenorm, factorial, logsumexp, ndtri
from scipy.stats import chi2, rankdata

from fastgmmmi import _core

# ---- calls of the core -----------------------------------------------------------------------------------------------


def pair(x, y, weights=None):
    """Two continuous variables as the core takes them: quantity, variables, weights and groups."""
    return _core.QUANTITIES["information"], ((x, None, 0), (y, None, 0), (None, None, 0)), weights, None


def copies(*columns):
    """The first row that is like each, and how many rows are like an earlier one, where these count as copies."""
    n = len(columns[0])
    _, firsts, numbers = np.unique(np.column_stack(columns), axis=0, return_index=True, return_inverse=True)
    n_fine = sum(len(np.unique(column)) >= 0.9 * len(firsts) for column in columns)
    are_repeated = np.gcd.reduce(np.bincount(numbers.reshape(-1))) > 1
    if len(firsts) <= 20 or n - len(firsts) < 0.05 * n or (n_fine < 2 and not are_repeated):
        return None
    return firsts[numbers.reshape(-1)], n - len(firsts)


def looks_gaussian(X):
    """Neither low moments nor cells of the whitened columns tell rows (n, 2) from those of one Gaussian, at 10%."""
    n = len(X)
    bins = min(max(int(np.sqrt(n / 4)), 7), 16)
    u, v = np.linalg.solve(np.linalg.cholesky(np.cov(X.T, bias=True)), (X - X.mean(0)).T)
    moments = sum(
        n
        * np.mean(eval_hermitenorm(i, u) * eval_hermitenorm(order - i, v)) ** 2
        / (factorial(i) * factorial(order - i))
        for order in (3, 4)
        for i in range(order + 1)
    )
    edges = ndtri(np.arange(bins + 1) / bins)
    counts = np.histogram2d(u, v, bins=[edges, edges])[0]
    cells = np.sum((counts - n / bins**2) ** 2) * bins**2 / n
    return moments < chi2.isf(0.1, 9) and cells < chi2.isf(0.1, bins**2 - 6)


# ---- instructions of the processor -----------------------------------------------------------------------------------


@contextlib.contextmanager
def on_tier(name):
    """Compute with one set of instructions for a while."""
    before = _core.cpu_tier()
    _core.set_cpu_tier(name)
    try:
        yield
    finally:
        _core.set_cpu_tier(before)


def tiers():
    """List the sets of instructions that this machine can run."""
    found = []
    for name in ("portable", "baseline", "v3", "v4"):
        with contextlib.suppress(_core.CoreError), on_tier(name):
            found.append(name)
    return found


# ---- random numbers: SplitMix64 with a key for each purpose, csrc/random.h -------------------------------------------

FOLDS, STARTS, BOOTSTRAP, INTEGRAL, SAMPLE, SHORTFALL = 1, 2, 3, 4, 5, 8
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
    return z ^ (z >> 31)


def stream(seed, purpose, index):
    """Key of a stream of numbers."""
    key = mix(seed + _GOLDEN & _MASK)
    key = mix(key ^ (purpose * 0xD1342543DE82EF95 & _MASK))
    return mix(key ^ (index * 0xDA942042E4DD58B5 + 0x2545F4914F6CDD1D & _MASK))


def random_bits(key, count):
    return [mix(key + i * _GOLDEN & _MASK) for i in range(count)]


def uniforms(key, count):
    return np.array([((bits >> 12) + 0.5) * 2.0**-52 for bits in random_bits(key, count)])


def row_keys(columns):
    """Key of each row: of its ranks in the columns, from the middle, whichever way up and in any order these are."""
    ranks = [[int(rank) for rank in 2 * rankdata(column) - len(column) - 1] for column in columns]
    rows = range(len(columns[0]))
    keys = [sum(mix(abs(column[i]) + 1) for column in ranks) & _MASK for i in rows]
    directions = [sum(rank * (key >> 40) for rank, key in zip(column, keys, strict=True)) for column in ranks]
    assert len(set(map(abs, directions))) == len(columns)  # of data without symmetries
    for column, direction in zip(ranks, directions, strict=True):
        base, sign = mix(abs(direction)), -1 if direction < 0 else 1
        keys = [key + mix(base + sign * rank & _MASK) & _MASK for key, rank in zip(keys, column, strict=True)]
    assert len(set(keys)) == len(keys)  # of rows that differ
    return keys


def places(X, seed, weights=None):
    """Where each row goes before folds are cut: in a random order that goes by what is in the rows."""
    key = stream(seed, FOLDS, _MASK)
    rows = row_keys([*X.T] if weights is None else [*X.T, weights])
    return np.argsort(np.argsort([mix(key + row * _GOLDEN & _MASK) for row in rows]))


def column_order(Z, seed, weights=None):
    """Standardised columns as they are fitted: by the sizes of the values of the row in the first place."""
    return np.argsort(np.abs(Z[np.argmin(places(Z, seed, weights))]))


def bootstrap_weights(seed, replicate, n):
    """Poisson(1) weight of each row, by inversion of a 32-bit uniform number."""
    bits = random_bits(stream(seed, BOOTSTRAP, replicate), (n + 1) // 2)
    halves = np.array([half for two in bits for half in (two & 0xFFFFFFFF, two >> 32)])[:n]
    terms = np.cumprod([np.exp(-1.0), *(1.0 / k for k in range(1, 12))])
    return np.searchsorted(np.round(np.cumsum(terms) * 2.0**32), halves, side="right").astype(float)


def sample(weights, means, covariances, seed, n):
    return draw(weights, means, covariances, stream(seed, SAMPLE, 0), n)


def draw(weights, means, covariances, key, n):
    """Draw component and normal deviates of a row from d + 1 numbers in a row of the stream."""
    d = means.shape[1]
    numbers = uniforms(key, n * (d + 1)).reshape(n, d + 1)
    component = np.minimum(np.searchsorted(np.cumsum(weights), numbers[:, 0]), len(weights) - 1)
    factors = np.linalg.cholesky(covariances)
    return means[component] + np.einsum("nij,nj->ni", factors[component], ndtri(numbers[:, 1:]))


# ---- mixtures --------------------------------------------------------------------------------------------------------


def component_log_density(weights, means, covariances, X):
    """Logarithm of each component's weighted density, (n, K)."""
    terms = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        factor = np.linalg.cholesky(covariance)
        z = np.linalg.solve(factor, (X - mean).T)
        log_determinant = 2.0 * np.log(np.diag(factor)).sum()
        with np.errstate(divide="ignore"):
            terms.append(
                np.log(weight) - 0.5 * ((z**2).sum(axis=0) + log_determinant + len(mean) * np.log(2.0 * np.pi))
            )
    return np.array(terms).T


def log_density(weights, means, covariances, X):
    return logsumexp(component_log_density(weights, means, covariances, X), axis=1)


def responsibilities(weights, means, covariances, X):
    terms = component_log_density(weights, means, covariances, X)
    return np.exp(terms - logsumexp(terms, axis=1, keepdims=True))


def conditional(weights, means, covariances, columns, values):
    """Density of the other columns where these have given values."""
    others = np.setdiff1d(np.arange(means.shape[1]), columns)
    log_weights, new_means, new_covariances = [], [], []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        inner = covariance[np.ix_(columns, columns)]
        gain = covariance[np.ix_(others, columns)] @ np.linalg.inv(inner)
        one = component_log_density([weight], [mean[columns]], [inner], np.array([values]))
        log_weights.append(one[0, 0])
        new_means.append(mean[others] + gain @ (values - mean[columns]))
        new_covariances.append(covariance[np.ix_(others, others)] - gain @ covariance[np.ix_(columns, others)])
    return np.exp(log_weights - logsumexp(log_weights)), np.array(new_means), np.array(new_covariances)


def gaussian_information(covariance, dx):
    """Mutual information of the first dx columns of a Gaussian with the others."""
    x, y, both = (np.linalg.slogdet(part)[1] for part in (covariance[:dx, :dx], covariance[dx:, dx:], covariance))
    return 0.5 * (x + y - both)


# ---- fits ------------------------------------------------------------------------------------------------------------

PRIOR = 1e-3  # of the data's covariance, lent to each component as one row's worth: csrc/em.c


def mean_and_covariance(X, weights):
    mean = np.average(X, axis=0, weights=weights)
    return mean, np.einsum("n,ni,nj->ij", weights, X - mean, X - mean) / weights.sum()


def em_step(weights, means, covariances, X, sample_weight):
    """One step of EM with the covariance prior; rows count by their weight, whose mean is 1."""
    sample_weight = sample_weight / sample_weight.mean()
    prior = PRIOR * mean_and_covariance(X, sample_weight)[1]
    shares = responsibilities(weights, means, covariances, X) * sample_weight[:, None]
    counts = shares.sum(axis=0)
    moments = [mean_and_covariance(X, share) for share in shares.T]
    new_covariances = [covariance + prior / count for (_, covariance), count in zip(moments, counts, strict=True)]
    return counts / counts.sum(), np.array([mean for mean, _ in moments]), np.array(new_covariances)


def gradient(weights, means, covariances, X):
    """Of the log-density, (n, d)."""
    shares = responsibilities(weights, means, covariances, X)
    parts = [
        share[:, None] * np.linalg.solve(covariance, (mean - X).T).T
        for share, mean, covariance in zip(shares.T, means, covariances, strict=True)
    ]
    return np.sum(parts, axis=0)


def neighbour_information(x, y):
    """Kraskov, Stögbauer and Grassberger's second estimate, of one neighbour; distances in single precision."""
    n = len(x)
    apart = [np.abs(part[:, None] - part).max(axis=2) for part in (x.astype(np.float32), y.astype(np.float32))]
    for distances in apart:
        np.fill_diagonal(distances, np.inf)
    nearest = np.maximum(*apart).argmin(axis=1)
    within = [(distances <= distances[range(n), nearest][:, None]).sum(axis=1) for distances in apart]
    return digamma(1) - 1 + digamma(n) - (digamma(within[0]) + digamma(within[1])).mean()


def shortfall(weights, means, covariances, x, y, seed, n_samples=8):
    """Information between neighbours beyond that in samples of the mixture, of at most 1,024 rows."""
    Z = np.hstack([x, y])
    sides = [list(range(x.shape[1])), list(range(x.shape[1], Z.shape[1]))]
    whole = gradient(weights, means, covariances, Z)
    steepness = []
    for side in sides:
        slope = whole[:, side] - gradient(weights, means[:, side], covariances[:, side][:, :, side], Z[:, side])
        steepness.append(np.linalg.eigh(slope.T @ slope))
    least = 1e-3 * max(values.max() for values, _ in steepness) + 1e-12
    roots = [vectors * np.maximum(values, least) ** 0.25 @ vectors.T for values, vectors in steepness]
    order = column_order(Z, seed)
    inside = means[:, order], covariances[:, order][:, :, order]

    def information(rows):
        return neighbour_information(*(rows[:, side] @ root for side, root in zip(sides, roots, strict=True)))

    found = []
    for index in range(1, n_samples + 1):
        rows = np.empty_like(Z)
        rows[:, order] = draw(weights, *inside, stream(seed, SHORTFALL, index), len(Z))
        found.append(information(rows))
    return information(Z) - np.mean(found)


def rounded(weights, means, covariances):
    """A mixture between two fits of its selection: numbers to multiples of 2^-20 of each component's own scales."""

    def nearest(values, scales):
        units = 2.0 ** (np.frexp(scales)[1] - 20)
        return np.round(values / units) * units

    factors = np.linalg.cholesky(covariances)
    scales = np.diagonal(factors, axis1=1, axis2=2)
    weights, factors = nearest(weights, weights), nearest(factors, scales[:, :, None])
    return weights / weights.sum(), nearest(means, scales), factors @ factors.transpose(0, 2, 1)


def objective(weights, means, covariances, X, sample_weight):
    """What EM maximises, per sample: the log-likelihood less the penalty of the prior."""
    prior = PRIOR * mean_and_covariance(X, sample_weight)[1]
    penalty = 0.5 * sum(np.trace(np.linalg.solve(covariance, prior)) for covariance in covariances)
    return np.average(log_density(weights, means, covariances, X), weights=sample_weight) - penalty / len(X)


def cross_validated_gaussian(X, seed, n_folds):
    """Score of one component: mean log-density of each fold under the Gaussian of the others."""
    shuffled = np.empty_like(X)
    shuffled[places(X, seed)] = X
    ends = [fold * len(X) // n_folds for fold in range(n_folds + 1)]
    total = 0.0
    for first, last in itertools.pairwise(ends):
        mean, covariance = mean_and_covariance(
            np.delete(shuffled, slice(first, last), axis=0), np.ones(len(X) - last + first)
        )
        total += log_density([1.0], [mean], [covariance], shuffled[first:last]).sum()
    return total / len(X)


# ---- normal scores ---------------------------------------------------------------------------------------------------


def normal_scores(column, weights):
    """Distinct values, and for each the normal quantile of the weight below it and half of its own."""
    knots, inverse = np.unique(column, return_inverse=True)
    tied = np.bincount(inverse, weights=weights)
    return knots, ndtri((np.cumsum(tied) - 0.5 * tied) / tied.sum())
