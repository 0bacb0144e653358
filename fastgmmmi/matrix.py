"""All pairs of columns: their mutual information as a matrix.

Every pair is one whole job of the core. The threads, or the workers of an executor, share the pairs.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from inspect import Signature
from itertools import starmap
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np

from . import files, information, parallel
from .errors import count
from .inputs import Samples, Variable, column, copies, named_columns, samples, variable
from .results import UNITS, MIResult, from_core, plain

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    import pandas
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Integers, Rng
    from .parallel import Poll

Pair: TypeAlias = tuple[int, int]
_Layout: TypeAlias = tuple[tuple[str, str, tuple[int, ...]], ...]  # name, type and shape of numbers in a row

_SCALARS: dict[str, Callable[[float], float | None]] = {
    "float": float,
    "int": int,
    "bool": bool,
    "NoneType": lambda _: None,
}
_NOTHING = "the diagonal is not computed: a column tells all about itself"


class Table(NamedTuple):
    """Columns that were read and checked once, by their numbers, and the weights of the rows."""

    rows: Mapping[int, Variable]
    columns: Mapping[int, Variable]
    row_names: tuple[object, ...]
    column_names: tuple[object, ...]
    sample_weight: Floats | None
    symmetric: bool
    groups: Integers | None = None

    def pairs(self) -> list[Pair]:
        """Give the pairs to compute, once each."""
        return [(i, j) for i in self.rows for j in self.columns if not self.symmetric or i < j]

    def samples(self, pair: Pair) -> Samples:
        """Put two columns together, without the rows that one of them misses."""
        i, j = pair
        return samples((self.rows[i], self.columns[j]), self.sample_weight, "drop", groups=self.groups)

    def part(self, pairs: Iterable[Pair]) -> Table:
        """Give what some pairs need."""
        rows, columns = (sorted(set(numbers)) for numbers in zip(*pairs, strict=True))
        return self._replace(rows={i: self.rows[i] for i in rows}, columns={j: self.columns[j] for j in columns})

    def label(self, pair: Pair) -> str:
        """Name a pair in messages."""
        i, j = pair
        return f"{self.row_names[i]} and {self.column_names[j]}"


class Estimate(NamedTuple):
    """What the core found for a pair, in nats: the numbers behind an MIResult are one array."""

    value: float
    standard_error: float
    n_samples: int
    n_dropped: int
    notes: tuple[tuple[str, type[Warning]], ...]
    layout: _Layout
    numbers: Floats


class InformationGap(NamedTuple):
    """For each row of a matrix: how far the largest value is above the second largest."""

    value: Floats  # (p,)
    standard_error: Floats  # (p,)
    largest: tuple[object, ...]  # names of columns, None where there are not two values
    second: tuple[object, ...]


@dataclass(frozen=True, repr=False, eq=False)
class MIMatrix:
    """Mutual information of pairs of columns, with error bars.

    What `mutual_information_matrix` returns; it is not made by hand. Arrays are of shape (p, q): p rows, q columns.

    Attributes
    ----------
    values : ndarray, (p, q)
        Bias-corrected estimates, in `units`; NaN where a pair could not be estimated, and on the diagonal of a
        symmetric matrix.
    standard_errors : ndarray, (p, q)
        Their standard errors, in `units`; NaN where ``n_bootstrap=0``.
    errors : ndarray of object, (p, q)
        Why a pair could not be estimated, as text; None elsewhere.
    row_names, column_names : tuple
        Names of the columns that were passed, numbers from 0 for those of an array.
    n_samples, n_dropped : ndarray of int, (p, q)
        Rows that each pair used, and rows left out because one of the two columns misses them.
    n_bootstrap : int
        Bootstrap replicates of each pair.
    units : str
        "nats", "bits" or "bans".
    symmetric : bool
        Whether rows and columns are the same.
    marginals : str
        The map of the columns that was asked for; each of `results` says which was taken.
    error : str
        Where the error bars come from: "bootstrap" or "delta".
    seed : int
        Seed of every pair: ``rng=seed`` gives the same matrix again.
    warnings : tuple of str
        What the user was warned of.

    Notes
    -----
    The matrix refers to the columns, for `results`, and keeps the replicates and the mixture of every pair in one small
    array per pair.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, noise = np.random.default_rng(0).normal(size=(2, 400))
    >>> m = fg.mutual_information_matrix(np.column_stack([x, noise]), x + noise, rng=0)
    >>> m
    MIMatrix(2 x 1, nats)
    >>> m.results[0, 0] == fg.mutual_information(x, x + noise, rng=m.seed)
    True
    """

    __signature__: ClassVar = Signature()  # users do not make matrices

    values: Floats
    standard_errors: Floats
    errors: NDArray[np.object_]
    row_names: tuple[object, ...]
    column_names: tuple[object, ...]
    n_samples: NDArray[np.int64]
    n_dropped: NDArray[np.int64]
    n_bootstrap: int
    units: str
    symmetric: bool
    marginals: str
    error: str
    seed: int
    warnings: tuple[str, ...]
    _numbers: Mapping[Pair, tuple[_Layout, Floats]]
    _table: Table

    @property
    def results(self) -> _Results:
        """The full result of each pair, ``m.results[i, j]``, an `MIResult` built on access.

        In a symmetric matrix ``m.results[i, j]`` and ``m.results[j, i]`` are the same: x is the column that comes
        first. A ValueError says why there is none.
        """
        return _Results(self)

    def confidence_interval(self, level: float = 0.95, method: str = "bca") -> tuple[Floats, Floats]:
        """
        Give a confidence interval of every pair.

        Parameters
        ----------
        level : float
            Confidence, between 0 and 1, for each pair by itself.
        method : {"bca", "percentile", "basic", "normal"}
            As in `MIResult.confidence_interval`.

        Returns
        -------
        low : ndarray, (p, q)
            Lower ends, in `units`; NaN where `standard_errors` are.
        high : ndarray, (p, q)
            Upper ends, in `units`.

        Raises
        ------
        ValueError
            If there are fewer than two replicates, or `level` or `method` is not one of those allowed.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgmmmi as fg
        >>> X = np.random.default_rng(0).normal(size=(200, 3))
        >>> low, high = fg.mutual_information_matrix(X, rng=0).confidence_interval(0.9)
        >>> low.shape
        (3, 3)
        """
        if not self._has_intervals:
            raise ValueError(
                f"an interval needs at least 2 bootstrap replicates, there are {self.n_bootstrap}; raise n_bootstrap"
            )
        ends = np.full((2, *self.values.shape), np.nan)
        for i, j in self._numbers:
            if math.isfinite(self.standard_errors[i, j]):
                ends[:, i, j] = self.results[i, j].confidence_interval(level, method)
                if self.symmetric:
                    ends[:, j, i] = ends[:, i, j]
        return ends[0], ends[1]

    def information_gap(self) -> InformationGap:
        """
        Compare, in each row, the largest value with the second largest.

        Returns
        -------
        InformationGap
            A named tuple of arrays and tuples of length p: `value`, the difference, in `units`; `standard_error`, its
            error; `largest` and `second`, the names of the two columns. Value and error are NaN, and the names None,
            in a row of fewer than two values; the error is NaN too where there are no replicates.

        Notes
        -----
        The error is the standard deviation of ``replicate b of one pair - replicate b of the other``. Both are fitted
        to the same resampled rows, since all pairs share one seed, so the error knows how the two estimates move
        together: it is smaller than the errors in quadrature where the two columns carry the same information. Where
        ``missing="drop"`` left the pairs with different rows, their replicates are independent, and the error comes out
        as that quadrature sum.

        The two columns are those that came out on top. Where several are as good, their order is partly luck: the gap
        is never below zero, and one below two errors says no more than that the columns cannot be told apart.

        Examples
        --------
        >>> import numpy as np
        >>> import fastgmmmi as fg
        >>> x, y, noise = np.random.default_rng(0).normal(size=(3, 400))
        >>> columns = np.column_stack([x, y, x + noise])
        >>> gap = fg.mutual_information_matrix(x + 0.1 * y, columns, rng=0).information_gap()
        >>> gap.largest, gap.second
        ((0,), (2,))
        >>> bool(gap.value[0] > 2 * gap.standard_error[0])
        True
        """
        p = len(self.row_names)
        value, standard_error = np.full((2, p), np.nan)
        names: list[tuple[object, object]] = []
        for i in range(p):
            order = np.argsort(-self.values[i], kind="stable")[:2]  # NaN goes last
            if len(order) < 2 or np.isnan(self.values[i, order[1]]):
                names.append((None, None))
                continue
            first, second = map(int, order)
            value[i] = self.values[i, first] - self.values[i, second]
            differences = self._replicates((i, first)) - self._replicates((i, second))
            differences = differences[np.isfinite(differences)]
            if len(differences) > 1:
                standard_error[i] = differences.std(ddof=1)
            names.append((self.column_names[first], self.column_names[second]))
        largest, seconds = zip(*names, strict=True)
        return InformationGap(value, standard_error, largest, seconds)

    def plot(self, ax: Axes | None = None) -> Axes:
        """
        Draw the matrix as a heat map, with value and error in each cell where there is room.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; None makes a figure of a suitable size.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn in.

        Raises
        ------
        ImportError
            If matplotlib is not there.

        Notes
        -----
        Pairs that could not be estimated are hatched. The colours start at zero, and values below it have its colour.
        """
        from .plotting import plot_matrix

        return plot_matrix(self, ax)

    def to_dataframe(self) -> pandas.DataFrame:
        """
        Give a pandas table with one line per pair.

        Returns
        -------
        pandas.DataFrame
            Columns row, column, value, standard_error, low, high (of the 95% interval), units, n_samples, n_dropped,
            n_components and error (why there is no value). A symmetric matrix has each pair once.

        Raises
        ------
        ImportError
            If pandas is not there.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_dataframe needs pandas: pip install pandas") from None
        return pandas.DataFrame(list(self.records()), columns=list(RECORD))

    def records(self) -> Iterator[dict[str, Any]]:
        """
        Give the pairs one by one, as `to_dataframe` has them.

        Yields
        ------
        dict
            One pair: names as in `to_dataframe`.
        """
        low, high = self._intervals()
        for i, j in np.ndindex(*self.values.shape):
            if self.symmetric and i >= j:
                continue
            found = self._found((i, j)) if (i, j) in self._numbers else {}
            line = (
                self.row_names[i],
                self.column_names[j],
                float(self.values[i, j]),
                float(self.standard_errors[i, j]),
                float(low[i, j]),
                float(high[i, j]),
                self.units,
                int(self.n_samples[i, j]),
                int(self.n_dropped[i, j]),
                found.get("n_components"),
                self.errors[i, j],
            )
            yield dict(zip(RECORD, line, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """
        Give all numbers of the matrix as plain Python objects that JSON can hold; NaN becomes None.

        Returns
        -------
        dict
            Attribute to value, arrays as lists of rows; "confidence_interval" holds "low" and "high" at 95%.
        """
        low, high = map(_nested, self._intervals())
        return {
            "row_names": list(map(plain, self.row_names)),
            "column_names": list(map(plain, self.column_names)),
            "values": _nested(self.values),
            "standard_errors": _nested(self.standard_errors),
            "confidence_interval": {"low": low, "high": high} if self._has_intervals else None,
            "errors": self.errors.tolist(),
            "n_samples": self.n_samples.tolist(),
            "n_dropped": self.n_dropped.tolist(),
            "n_bootstrap": self.n_bootstrap,
            "units": self.units,
            "symmetric": self.symmetric,
            "marginals": self.marginals,
            "error": self.error,
            "seed": self.seed,
            "warnings": list(self.warnings),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Save the matrix with the result of every pair, except the data that it was made from.

        Parameters
        ----------
        path : path-like
            File to write, in NumPy's .npz format. Names that are neither text nor whole numbers become text.
        """
        layouts: dict[_Layout, int] = {}
        kinds = [layouts.setdefault(layout, len(layouts)) for layout, _ in self._numbers.values()]
        header = {
            "row_names": list(map(plain, self.row_names)),
            "column_names": list(map(plain, self.column_names)),
            "row_labels": [_labels(variable) for variable in self._table.rows.values()],
            "column_labels": [_labels(variable) for variable in self._table.columns.values()],
            "errors": [[i, j, text] for (i, j), text in np.ndenumerate(self.errors) if text is not None],
            "layouts": list(layouts),
            **{name: getattr(self, name) for name in _SAVED_NUMBERS},
        }
        arrays: dict[str, Any] = {name: getattr(self, name) for name in _SAVED_ARRAYS}
        arrays["pairs"] = np.array(list(self._numbers), dtype=np.int64).reshape(-1, 2)
        arrays["kinds"] = np.array(kinds, dtype=np.int64)
        arrays["numbers"] = np.concatenate([np.empty(0), *(numbers for _, numbers in self._numbers.values())])
        files.save(path, type(self).__name__, header, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> MIMatrix:
        """
        Load a matrix; this runs no code from the file.

        Parameters
        ----------
        path : path-like
            File that `save` wrote.

        Returns
        -------
        MIMatrix
            The matrix; the `pointwise` of its results needs data.

        Raises
        ------
        ValueError
            If the file is not one that `save` wrote.
        """
        header, arrays = files.load(path, cls.__name__)
        errors = np.full(arrays["values"].shape, None, dtype=object)
        for i, j, text in header["errors"]:
            errors[i, j] = text
        layouts = [tuple((name, kind, tuple(shape)) for name, kind, shape in lines) for lines in header["layouts"]]
        kinds = [layouts[kind] for kind in arrays["kinds"].tolist()]
        parts = np.split(arrays["numbers"], np.cumsum([_size(layout) for layout in kinds]))  # the last one is empty
        pairs = map(tuple, arrays["pairs"].tolist())
        rows, columns = tuple(header["row_names"]), tuple(header["column_names"])
        return cls(
            **{name: header[name] for name in _SAVED_NUMBERS if name != "warnings"},
            **{name: _read_only(arrays[name]) for name in _SAVED_ARRAYS},
            warnings=tuple(header["warnings"]),
            errors=_read_only(errors),
            row_names=rows,
            column_names=columns,
            _numbers=dict(zip(pairs, zip(kinds, parts[:-1], strict=True), strict=True)),
            _table=Table(
                dict(enumerate(starmap(_without_data, zip(rows, header["row_labels"], strict=True)))),
                dict(enumerate(starmap(_without_data, zip(columns, header["column_labels"], strict=True)))),
                rows,
                columns,
                None,
                header["symmetric"],
            ),
        )

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, MIMatrix) else NotImplemented

    def __repr__(self) -> str:
        p, q = self.values.shape
        failed = sum(text is not None for text in self.errors.flat) // (2 if self.symmetric else 1)
        return f"MIMatrix({p} x {q}, {self.units}{f', {failed} failed' if failed else ''})"

    @property
    def _has_intervals(self) -> bool:
        return self.n_bootstrap > 1 or self.error == "delta"

    def _intervals(self) -> tuple[Floats, Floats]:
        """Give the 95% intervals, NaN where there are none."""
        if self._has_intervals:
            return self.confidence_interval()
        nothing = np.full(self.values.shape, np.nan)
        return nothing, nothing

    def _found(self, pair: Pair) -> dict[str, Any]:
        """Give what the core returned for a pair."""
        layout, numbers = self._numbers[min(pair, pair[::-1]) if self.symmetric else pair]
        return _unpack(layout, numbers)

    def _replicates(self, pair: Pair) -> Floats:
        replicates: Floats = self._found(pair)["bootstrap"] * UNITS[self.units]
        return replicates


class _Results:
    """The results of a matrix, by row and column."""

    def __init__(self, matrix: MIMatrix) -> None:
        self._matrix = matrix

    def __getitem__(self, pair: Pair) -> MIResult:
        m = self._matrix
        i, j = (range(length)[place] for place, length in zip(pair, m.values.shape, strict=True))
        if m.symmetric and i > j:
            i, j = j, i
        if (i, j) not in m._numbers:
            raise ValueError(m.errors[i, j] or _NOTHING)
        found = m._found((i, j))
        messages = tuple(message for message, _ in information.findings(found))
        variables = m._table.rows[i], m._table.columns[j]
        held = len(variables[0].values) > 0
        data = m._table.samples((i, j)) if held else Samples(variables, None, 0)
        x, y = data.variables
        data = data._replace(variables=(x._replace(argument="x"), y._replace(argument="y")))
        result = from_core(found, data, m.units, m.seed, messages)
        if held:
            return result
        n_samples, n_dropped = int(m.n_samples[i, j]), int(m.n_dropped[i, j])
        return replace(result, n_samples=n_samples, n_dropped=n_dropped, _data=None)


RECORD = (
    "row",
    "column",
    "value",
    "standard_error",
    "low",
    "high",
    "units",
    "n_samples",
    "n_dropped",
    "n_components",
    "error",
)
_SAVED_NUMBERS = ("n_bootstrap", "units", "symmetric", "marginals", "error", "seed", "warnings")
_SAVED_ARRAYS = ("values", "standard_errors", "n_samples", "n_dropped")


def mutual_information_matrix(
    X: ArrayLike | Mapping[Any, ArrayLike],
    Y: ArrayLike | Mapping[Any, ArrayLike] | None = None,
    *,
    discrete: str | Sequence[object] | None = None,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_components: int | None = None,
    max_components: int = 50,
    criterion: str = "cv",
    init: str | None = None,
    n_folds: int | None = None,
    n_inits: int | None = None,
    patience: int | None = None,
    marginals: str = "auto",
    family: str = "gaussian",
    integration_tol: float = 1e-5,
    integral: str = "auto",
    error: str = "bootstrap",
    n_bootstrap: int = 100,
    reselect: bool | Literal["auto"] = "auto",
    tol: float | None = None,
    reg_covar: float | None = None,
    max_iter: int | None = None,
    units: str = "nats",
    missing: str = "raise",
    rng: Rng = None,
    threads: int | None = None,
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], object] = False,
) -> MIMatrix:
    """
    Estimate the mutual information of every pair of columns, with error bars.

    Parameters
    ----------
    X : array_like, (n, p) or (n,)
        Columns that are the rows of the matrix. Tables of pandas, polars and pyarrow, and dicts of columns, keep the
        names; columns of an array are numbered from 0.
    Y : array_like, (n, q) or (n,), optional
        Columns that are the columns of the matrix. Left out, they are those of `X`: the matrix is symmetric, and its
        diagonal is NaN and not computed.
    discrete : str or sequence, optional
        Columns that are discrete: their names (a name counts wherever it occurs), or a mask for the columns of `X`,
        then those of `Y`: True discrete, False continuous, None by dtype. What is not named goes by its dtype: strings,
        bools and categoricals are discrete, numbers are not.
    sample_weight : array_like, (n,), optional
        Nonnegative weights of the rows; their scale is without effect.
    groups : array_like, (n,), optional
        As in `mutual_information`.
    n_components, max_components, criterion, init, n_folds, n_inits, patience : optional
        Selection of the number of components of each pair, as in `mutual_information`.
    marginals, family, integration_tol, integral : optional
        Maps of the columns, the mixture and its integral, as in `mutual_information`.
    error, n_bootstrap, reselect : optional
        Error bars, as in `mutual_information`. With ``n_bootstrap=0`` standard errors are NaN.
    tol, reg_covar, max_iter : optional
        Of one EM fit, as in `mutual_information`.
    units : {"nats", "bits", "bans"}
        Units of the result.
    missing : {"raise", "drop"}
        What to do with NaN; "drop" leaves out, pair by pair, the rows that one of the two columns misses. Infinities
        are always an error.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Source of the seed, which is that of every pair; see Notes.
    threads : int, optional
        Threads that share the pairs; None: the cores that this process may use. Results do not depend on it.
    executor : concurrent.futures.Executor, optional
        Computes blocks of pairs, in other processes or on other machines; each block takes with it the columns that it
        needs. Results do not depend on it.
    progress : bool or callable
        True shows a bar (this needs tqdm); a callable is called with the pairs done and their total.

    Returns
    -------
    MIMatrix
        Values, standard errors and intervals, (p, q), and the full result of each pair.

    Raises
    ------
    ValueError
        If an argument is not usable, or columns share a name. A pair that cannot be estimated (a constant column, say)
        is no error: its value is NaN, and `MIMatrix.errors` says why.

    Warns
    -----
    UserWarning
        Once for each column that looks discrete, and once for all pairs that grow with every component. If rows of the
        table are copies of others, as in `mutual_information`.
    ConvergenceWarning
        Once for all pairs whose fit, or some of whose replicates, did not converge.

    See Also
    --------
    mutual_information : One pair, and what the keywords mean.

    Notes
    -----
    Each pair is computed as ``mutual_information(X[:, i], Y[:, j], rng=seed)`` computes it (for a symmetric matrix with
    i < j), to the bit, with one seed for the whole matrix. So a pair does not depend on the other columns, on the
    split, or on who computes it. And since equal seeds draw equal rows, replicate b of every pair is fitted to the same
    resampled rows: differences between pairs have error bars that know how the pairs move together
    (`MIMatrix.information_gap`).

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> x, y, noise = np.random.default_rng(0).normal(size=(3, 400))
    >>> m = fg.mutual_information_matrix(np.column_stack([x, y, x + noise]), rng=0)
    >>> m.values.shape
    (3, 3)
    >>> bool(m.values[0, 2] > 0.2 > m.values[0, 1])
    True
    """
    job = information.Job(
        groups=groups,
        n_components=n_components,
        max_components=max_components,
        criterion=criterion,
        init=init,
        n_folds=n_folds,
        n_inits=n_inits,
        patience=patience,
        marginals=marginals,
        family=family,
        integration_tol=integration_tol,
        integral=integral,
        error=error,
        n_bootstrap=n_bootstrap,
        reselect=reselect,
        tol=tol,
        reg_covar=reg_covar,
        max_iter=max_iter,
        units=units,
        missing=missing,
        rng=rng,
        threads=threads,
        executor=executor,
        progress=progress,
    )
    table, unsure = read_table(X, Y, discrete, sample_weight, missing, groups=groups)
    _check_names("X", table.row_names)
    _check_names("Y", table.column_names)
    advice = "name it in discrete if it holds labels, or pass a mask that says False"
    looks = [look for each in unsure for look in each.discrete_looks(advice)]
    columns = [*table.rows.values(), *(() if table.symmetric else table.columns.values())]
    if groups is None:
        together, n_copies = copies(columns)
        if n_copies:
            table = table._replace(groups=together)
            looks.insert(0, information.copies_found(n_copies))
    for message in looks:
        warnings.warn(message, UserWarning, stacklevel=2)
    pairs = table.pairs()
    with parallel.reporting(job.progress, len(pairs), "pairs") as poll:
        estimates = estimate(table, pairs, job.options, job.seed, job.threads, job.executor, poll)
    noted = _notes(table, estimates)
    for message, category in noted:
        warnings.warn(message, category, stacklevel=2)
    messages = (*looks, *(message for message, _ in noted))
    return _assemble(estimates, table, n_bootstrap, units, marginals, error, job.seed, messages)


# ---- the columns -----------------------------------------------------------------------------------------------------


def read_table(
    X: object,
    Y: object,
    discrete: str | Sequence[object] | None,
    sample_weight: object,
    missing: str,
    arguments: tuple[str, str] = ("X", "Y"),
    groups: object = None,
) -> tuple[Table, list[Variable]]:
    """Read and check every column of X and of Y, once; Y=None stands for X. Give, too, those whose dtype decided."""
    named = [(arguments[0], name, values) for name, values in named_columns(arguments[0], X)]
    p = len(named)
    if Y is not None:
        named += [(arguments[1], name, values) for name, values in named_columns(arguments[1], Y)]
    elif p == 1:
        raise ValueError("X alone must have at least two columns, got 1; or pass Y as well")
    names = tuple(name for _, name, _ in named)
    flags = _mask(discrete, names)
    variables = [column(*parts, flag) for parts, flag in zip(named, flags, strict=True)]
    rows, others = variables[:p], variables[:p] if Y is None else variables[p:]
    for each in variables:
        if len(each.values) != len(rows[0].values):
            found = count(len(each.values), "row")
            raise ValueError(f"{each.argument} has {found} but {arguments[0]} has {len(rows[0].values)}")
        if missing == "raise" or not each.missing.all():
            samples((each,), sample_weight, missing, groups=groups)  # raises where something is wrong
    weight = None if sample_weight is None else np.ascontiguousarray(variable("sample_weight", sample_weight).values)
    other_names = names[:p] if Y is None else names[p:]
    codes = None if groups is None else variable("groups", groups, True).codes
    table = Table(dict(enumerate(rows)), dict(enumerate(others)), names[:p], other_names, weight, Y is None, codes)
    return table, [each for each, flag in zip(variables, flags, strict=True) if flag is None]


def _check_names(argument: str, names: Sequence[object]) -> None:
    """Refuse columns of one name: nobody could tell them apart in the result."""
    repeated = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if repeated is not None:
        where = ", ".join(str(place) for place, name in enumerate(names) if name == repeated)
        raise ValueError(f"{argument} has several columns named {repeated!r} (numbers {where}): rename them")


def _mask(discrete: str | Sequence[object] | None, names: Sequence[object]) -> list[bool | None]:
    """Tell for each column whether it is discrete, None where its dtype says it, from a mask or from names."""
    if discrete is None:
        return [None] * len(names)
    wanted = [discrete] if isinstance(discrete, str) else list(discrete)
    if wanted and all(flag is None or isinstance(flag, bool | np.bool_) for flag in wanted):
        if len(wanted) != len(names):
            raise ValueError(f"discrete is a mask of {len(wanted)}, but there are {count(len(names), 'column')}")
        return [None if flag is None else bool(flag) for flag in wanted]
    for name in wanted:
        if name not in names:
            raise ValueError(f"discrete names {name!r}, but there is no such column")
    return [True if name in wanted else None for name in names]


# ---- the pairs -------------------------------------------------------------------------------------------------------


def estimate(
    table: Table,
    pairs: Sequence[Pair],
    options: dict[str, int | float],
    seed: int,
    threads: int,
    executor: Executor | None,
    poll: Poll,
) -> dict[Pair, Estimate | ValueError]:
    """Compute pairs, on threads or on an executor; a pair that fails gives its error."""
    estimates: dict[Pair, Estimate | ValueError] = {}
    layouts: dict[_Layout, _Layout] = {}

    def keep(pair: Pair, found: Estimate | ValueError) -> None:
        if isinstance(found, Estimate):
            found = found._replace(layout=layouts.setdefault(found.layout, found.layout))  # pairs share it
        estimates[pair] = found

    if executor is None:
        threads_each = max(1, threads // max(1, len(pairs)))
        parallel.each(
            lambda pair, look: keep(pair, _estimate_pair(table, pair, options, seed, threads_each, look)),
            pairs,
            threads,
            poll,
        )
        return {pair: estimates[pair] for pair in pairs}

    def submit(*block: Pair) -> Future[list[Estimate | ValueError]]:
        return executor.submit(_estimate_block, table.part(block), block, options, seed)

    with closing(parallel.completed(submit, _blocks(pairs))) as parts:
        for block, found in parts:
            for pair, one in zip(block, found, strict=True):
                keep(pair, one)
            if poll is not None:
                poll(len(estimates), len(pairs))
    return {pair: estimates[pair] for pair in pairs}


def _blocks(pairs: Sequence[Pair]) -> Iterator[tuple[Pair, ...]]:
    """Cut pairs into blocks of neighbouring rows and columns, so that each block needs few columns."""
    p, q = (len(set(numbers)) for numbers in zip(*pairs, strict=True))
    size = len(pairs) / parallel.RANGES
    height = min(p, math.ceil(math.sqrt(size)))
    width = min(q, math.ceil(size / height))
    height = min(p, math.ceil(size / width))
    blocks: dict[Pair, list[Pair]] = {}
    for i, j in pairs:
        blocks.setdefault((i // height, j // width), []).append((i, j))
    return map(tuple, blocks.values())


def _estimate_block(
    table: Table, pairs: Sequence[Pair], options: dict[str, int | float], seed: int
) -> list[Estimate | ValueError]:
    """Run in a worker of an executor."""
    return [_estimate_pair(table, pair, options, seed, 1, None) for pair in pairs]


def _estimate_pair(
    table: Table, pair: Pair, options: dict[str, int | float], seed: int, threads: int, poll: Poll
) -> Estimate | ValueError:
    try:
        data = table.samples(pair)
        found = information.estimate(data, options, seed, threads, None, poll)
    except ValueError as fault:
        return type(fault)(str(fault))  # a fresh one, without the frames that hold the data
    notes = tuple(information.findings(found))
    tried = np.isfinite(np.atleast_2d(found["scores"])).any(axis=0)
    found["scores"] = found["scores"][..., : np.count_nonzero(tried)]
    return Estimate(found["value"], found["standard_error"], data.n, data.n_dropped, notes, *_pack(found))


def _pack(found: Mapping[str, Any]) -> tuple[_Layout, Floats]:
    """Put numbers and arrays into one array: a tenth of the memory of as many objects."""
    layout: list[tuple[str, str, tuple[int, ...]]] = []
    numbers: list[float] = []  # a list, since NumPy takes longer over one number than over a hundred
    for name, value in found.items():
        if isinstance(value, np.ndarray):
            layout.append((name, value.dtype.str, value.shape))
            numbers += value.ravel().tolist()
        else:
            layout.append((name, type(value).__name__, ()))
            numbers.append(math.nan if value is None else value)
    return tuple(layout), np.array(numbers, dtype=np.float64)


def _unpack(layout: _Layout, numbers: Floats) -> dict[str, Any]:
    """Undo `_pack`."""
    found: dict[str, Any] = {}
    first = 0
    for name, kind, shape in layout:
        part = numbers[first : first + math.prod(shape)]
        found[name] = _SCALARS[kind](part[0]) if kind in _SCALARS else part.reshape(shape).astype(kind)
        first += len(part)
    return found


def _size(layout: _Layout) -> int:
    return sum(math.prod(shape) for _, _, shape in layout)


# ---- the matrix ------------------------------------------------------------------------------------------------------


def _assemble(
    estimates: dict[Pair, Estimate | ValueError],
    table: Table,
    n_bootstrap: int,
    units: str,
    marginals: str,
    error: str,
    seed: int,
    messages: tuple[str, ...],
) -> MIMatrix:
    """Make the matrix of what was found."""
    shape = len(table.rows), len(table.columns)
    values, standard_errors = np.full((2, *shape), np.nan)
    n_samples, n_dropped = np.zeros((2, *shape), dtype=np.int64)
    errors = np.full(shape, None, dtype=object)
    numbers: dict[Pair, tuple[_Layout, Floats]] = {}
    for pair, found in estimates.items():
        for place in {pair, pair[::-1]} if table.symmetric else {pair}:
            if isinstance(found, ValueError):
                errors[place] = str(found)
            else:
                values[place] = found.value * UNITS[units]
                standard_errors[place] = found.standard_error * UNITS[units]
                n_samples[place], n_dropped[place] = found.n_samples, found.n_dropped
        if isinstance(found, Estimate):
            numbers[pair] = found.layout, found.numbers
    return MIMatrix(
        values=_read_only(values),
        standard_errors=_read_only(standard_errors),
        errors=_read_only(errors),
        row_names=table.row_names,
        column_names=table.column_names,
        n_samples=_read_only(n_samples),
        n_dropped=_read_only(n_dropped),
        n_bootstrap=n_bootstrap if error == "bootstrap" else 0,
        units=units,
        symmetric=table.symmetric,
        marginals=marginals,
        error=error,
        seed=seed,
        warnings=messages,
        _numbers=numbers,
        _table=table,
    )


def _notes(table: Table, estimates: dict[Pair, Estimate | ValueError]) -> list[tuple[str, type[Warning]]]:
    """Say once, of all pairs, what a user should know."""
    noted: dict[tuple[str, type[Warning]], list[Pair]] = {}
    for pair, found in estimates.items():
        if isinstance(found, Estimate):
            for note in found.notes:
                noted.setdefault(note, []).append(pair)
    return [
        (f"{count(len(pairs), 'pair')}, the first {table.label(pairs[0])}: {message}", category)
        for (message, category), pairs in noted.items()
    ]


def _read_only(array: Any) -> Any:
    array.flags.writeable = False
    return array


def _labels(variable: Variable) -> list[Any] | None:
    """Give the labels of a discrete column as JSON can hold them; None for numbers."""
    return None if variable.codes is None else list(map(plain, variable.labels))


def _without_data(name: object, labels: Sequence[object] | None) -> Variable:
    """Stand for a column of a matrix from a file."""
    if labels is None:
        return Variable("", np.empty((0, 1)), [name])
    return Variable("", np.empty((0, 0)), [name], np.empty(0, np.int32), tuple(labels))


def _nested(array: Floats) -> list[list[float | None]]:
    return [[number if math.isfinite(number) else None for number in row] for row in array.tolist()]
