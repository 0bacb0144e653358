"""A test of independence, by permutation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from . import parallel, results
from .errors import count
from .information import estimate
from .inputs import Samples, copies, core_options, discrete_sides, pair, samples, seed_from, variable, whole_number

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Rng, Variable
    from .parallel import Poll
    from .results import Coded, MIResult

    Order: TypeAlias = NDArray[np.intp]
    Statistic: TypeAlias = Callable[[Order], float]
    Draw: TypeAlias = Callable[[np.random.Generator | None], Order]  # None gives the order of the data

SWEEPS = 50  # of swaps over all rows, between two permutations under a condition
_LEAST = -745.0  # what a log ratio of minus infinity counts as: the logarithm of the smallest double


@dataclass(frozen=True)
class IndependenceTest:
    """What `independence_test` returns.

    Attributes
    ----------
    statistic : float
        Information found, in nats: the mean log ratio of the rows that were not fitted, or that of a table.
    p_value : float
        Share of permutations whose statistic is as large, the data themselves counted among them.
    null_distribution : ndarray, (n_permutations,)
        Statistics of the permutations.
    n_samples : int
        Rows used.
    n_dropped : int
        Rows left out because something was missing.
    """

    statistic: float
    p_value: float
    null_distribution: Floats = field(repr=False)
    n_samples: int
    n_dropped: int


def independence_test(
    x: ArrayLike,
    y: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    n_permutations: int = 999,
    discrete: str | Collection[str] | None = None,
    n_components: int | None = None,
    max_components: int = 50,
    criterion: str = "cv",
    init: str | None = None,
    n_folds: int | None = None,
    n_inits: int | None = None,
    patience: int | None = None,
    marginals: str = "auto",
    tol: float | None = None,
    reg_covar: float | None = None,
    max_iter: int | None = None,
    missing: str = "raise",
    rng: Rng = None,
    threads: int | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> IndependenceTest:
    """
    Test whether x and y are independent, given a third variable where there is one.

    Parameters
    ----------
    x, y, given : array_like, (n, d) or (n,)
        As in `mutual_information`.
    n_permutations : int
        Permutations; no p-value can be below ``1 / (n_permutations + 1)``.
    discrete : {"x", "y", "both", "neither"} or collection of str, optional
        As in `mutual_information`.
    n_components, max_components, criterion, init, n_folds, n_inits, patience : optional
        Selection of the number of components, as in `mutual_information`.
    marginals, tol, reg_covar, max_iter : optional
        Maps of the columns and the fits, as in `mutual_information`.
    missing : {"raise", "drop"}
        What to do with rows that hold NaN in any argument.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Source of the seed, as in `mutual_information`.
    threads : int, optional
        None: the cores that this process may use. Results do not depend on it.
    progress : bool or callable
        True shows a bar (this needs tqdm); a callable is called with the permutations done and their total.

    Returns
    -------
    IndependenceTest
        The statistic and its p-value.

    Raises
    ------
    ValueError
        If an argument is not usable, or there are fewer than 8 (d + 2) rows, d being the number of continuous columns.
    DegenerateDataError
        If a column is constant, or an exact linear function of the others. It is a ValueError.

    Warns
    -----
    UserWarning
        If at least 5% of the rows are copies of others, as in `mutual_information`: they are left out.

    See Also
    --------
    mutual_information : How much one variable tells about the other, with an error bar.

    Notes
    -----
    A mixture is fitted to one half of the rows, chosen at random. The statistic is the mean of its log ratio
    ``log p(x, y) / (p(x) p(y))`` over the other half, and its null distribution comes from permuting x there. Nothing
    was fitted to the rows that are permuted, so under independence the p-value is uniform, whatever the data are like
    (Phipson and Smyth 2010). The half that is fitted is the price: a dependence is found as by a test of half the rows.

    Given labels, rows are permuted among those of the same label, which is exact too. Given numbers, permutations are
    drawn in proportion to the density of x given z (Berrett, Wang, Barber and Samworth 2020), for which a second
    mixture is fitted to the first half, so that the test is as exact as that density is good.

    Where x and y are both discrete, and given discrete or absent, nothing is fitted: the statistic is the information
    of the table of all rows.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 500))
    >>> fg.independence_test(x, x**2 + noise, rng=0).p_value
    0.001
    >>> bool(fg.independence_test(x, noise, rng=0).p_value > 0.05)
    True
    """
    options = core_options(
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        n_bootstrap=0,
        integral="model",
        error="bootstrap",
    )
    total = whole_number("n_permutations", n_permutations, 1)
    seed, threads = seed_from(rng), parallel.resolve_threads(threads)
    sides = discrete_sides(discrete, given is not None)
    conditions = () if given is None else (variable("given", given, sides[2]),)
    data = samples((*pair(x, y, sides[:2]), *conditions), None, missing)
    firsts, n_copies = copies(data.variables)
    if firsts is not None:
        left_out = count(n_copies, "row is a copy of another and is", "rows are copies of others and are")
        warnings.warn(f"{left_out} left out: each row must be an observation of its own", UserWarning, stacklevel=2)
        originals = firsts == np.arange(data.n)
        data = data._replace(variables=tuple(each.take(originals) for each in data.variables))
    d = sum(each.d for each in data.variables)
    if data.n < 8 * (d + 2):
        raise ValueError(
            f"{count(data.n, 'row')}, too few to fit one half and test the other: {8 * (d + 2)} are needed"
        )
    if d == 0:
        estimate(data, options, seed, threads)  # which says what is wrong with a table
        statistic, rows = _of_table(data.variables), np.arange(data.n)
        draw = _permutations(data.variables[2:], rows)
    else:
        statistic, draw = _of_halves(data, options, seed, threads)
    null = np.empty(total)

    def work(b: int, _: Poll) -> None:
        null[b] = statistic(draw(np.random.default_rng([seed, 1, b])))

    with parallel.reporting(progress, total, "permutations") as poll:
        found = statistic(draw(None))
        parallel.each(work, range(total), threads, poll)
    null.flags.writeable = False
    # Sums in another order differ by rounding, which must not tell equal tables apart.
    p_value = (1 + np.count_nonzero(null >= found - 1e-12 * max(1.0, abs(found)))) / (total + 1)
    return IndependenceTest(found, float(p_value), null, data.n, data.n_dropped)


def _of_halves(data: Samples, options: dict[str, int | float], seed: int, threads: int) -> tuple[Statistic, Draw]:
    """Fit one half; give the statistic of the other half for an order of x, and what draws such orders."""
    order = np.random.default_rng([seed, 0]).permutation(data.n)
    first, second = np.zeros((2, data.n), bool)
    first[order[: data.n // 2]], second[order[data.n // 2 :]] = True, True
    parts = [tuple(each.take(rows) for each in data.variables) for rows in (first, second)]
    result = _fit(parts[0], options, seed, threads)
    arrays = result._coded(parts[1])

    def statistic(order: Order) -> float:
        ratios = result._evaluate([_reordered(arrays[0], order), *arrays[1:]])
        return float(np.maximum(ratios, _LEAST).mean())

    rows = np.arange(len(parts[1][0].values))
    if len(data.variables) < 3 or data.variables[2].d == 0:
        return statistic, _permutations(parts[1][2:], rows)
    link = _fit((parts[0][0], parts[0][2]), options, seed, threads)
    return statistic, _conditional_permutations(link, (parts[1][0], parts[1][2]), seed)


def _fit(variables: tuple[Variable, ...], options: dict[str, int | float], seed: int, threads: int) -> MIResult:
    data = Samples(variables, None, 0)
    return results.from_core(estimate(data, options, seed, threads), data, "nats", seed, ())


def _reordered(arrays: Coded, order: Order) -> Coded:
    values, codes, n_labels = arrays
    return None if values is None else values[order], None if codes is None else codes[order], n_labels


def _of_table(variables: tuple[Variable, ...]) -> Statistic:
    """Give the information of the table of x in some order, y, and given: sums of count log count."""
    x, y = (np.asarray(each.codes, np.int64) for each in variables[:2])
    z = np.asarray(variables[2].codes, np.int64) if len(variables) == 3 else np.zeros_like(x)
    n_x, n_y = x.max() + 1, y.max() + 1
    fixed = _count_log_count(z * n_y + y) - _count_log_count(z)

    def statistic(order: Order) -> float:
        permuted = z * n_x + x[order]
        total = _count_log_count(permuted * n_y + y) - _count_log_count(permuted) - fixed
        return float(total / len(order))

    return statistic


def _count_log_count(codes: NDArray[np.int64]) -> float:
    counts = np.unique(codes, return_counts=True)[1]
    return float(np.sum(counts * np.log(counts)))


# ---- permutations ----------------------------------------------------------------------------------------------------


def _permutations(conditions: tuple[Variable, ...], rows: Order) -> Draw:
    """Draw orders of the rows, within each label where there is a condition of labels."""
    codes = conditions[0].codes if conditions else None
    by_label = None if codes is None else np.argsort(codes, kind="stable")

    def draw(rng: np.random.Generator | None) -> Order:
        if rng is None:
            return rows
        if by_label is None or codes is None:
            return rng.permutation(len(rows))
        order = np.empty_like(rows)
        order[by_label] = np.lexsort((rng.random(len(rows)), codes))
        return order

    return draw


def _conditional_permutations(link: MIResult, variables: tuple[Variable, ...], seed: int) -> Draw:
    """Draw orders of x in proportion to the density of x given z, by swaps of pairs.

    All start from one order that was drawn from the data, so that the data and the draws are exchangeable.
    """
    x, z = link._coded(variables)
    n = len(variables[0].values)
    rows = np.arange(n)

    def ratios(order: Order, places: Order) -> Floats:
        return np.maximum(link._evaluate([_reordered(x, order), _reordered(z, places)]), _LEAST)

    def sweeps(order: Order, rng: np.random.Generator) -> Order:
        order = order.copy()
        for _ in range(SWEEPS):
            i, j = rng.permutation(n)[: n // 2 * 2].reshape(2, -1)
            odds = ratios(order[j], i) + ratios(order[i], j) - ratios(order[i], i) - ratios(order[j], j)
            swap = np.log(rng.random(len(i))) < -np.logaddexp(0, -odds)
            i, j = i[swap], j[swap]
            order[i], order[j] = order[j], order[i]
        return order

    center = sweeps(rows, np.random.default_rng([seed, 2]))
    return lambda rng: rows if rng is None else sweeps(center, rng)
