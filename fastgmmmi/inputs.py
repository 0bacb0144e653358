"""What users pass in, validated and coded for the core; nothing else.

An argument that is a native, C-contiguous float64 array reaches the core as it is. Everything else (lists, other dtypes
and layouts, masked arrays, pandas, polars and pyarrow columns and tables) is copied into one. Nothing is modified.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from . import _core
from .errors import count, from_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Integers: TypeAlias = NDArray[np.int32]
    Rng: TypeAlias = int | np.integer[Any] | np.random.SeedSequence | np.random.Generator | None

ROLES = ("x", "y", "given")
_FEW_VALUES = 20
_VISITS = 5


class Variable(NamedTuple):
    """One argument as samples: continuous columns, labels, or both."""

    argument: str
    values: Floats  # (n, d), numbers of a row side by side; rows may be apart; d may be 0
    columns: Sequence[object] | None  # names or numbers of these columns; None for one-dimensional data without a name
    codes: Integers | None = None  # (n,) places in labels, -1 where missing
    labels: tuple[object, ...] = ()

    def label(self, column: int) -> str:
        """Name a column in messages."""
        return self.argument if self.columns is None else f"{self.argument} {_column(self.columns[column])}"

    def place(self, row: int, column: int) -> str:
        """Name a place in messages."""
        return f"row {row}" if self.columns is None else f"row {row}, {_column(self.columns[column])}"

    @property
    def d(self) -> int:
        """Number of continuous columns."""
        return int(self.values.shape[1])

    def discrete_looks(self, advice: str) -> list[str]:
        """Describe each column that takes few distinct values, each of them often."""
        return [
            f"{self.label(j)} takes only {n_values} distinct values, so it looks discrete; it is treated as "
            f"continuous: {advice}"
            for j in range(self.d)
            if (n_values := _few_values(self.values[:, j])) > 1
        ]

    @property
    def missing(self) -> NDArray[np.bool_]:
        """Rows that hold NaN or no label."""
        rows = np.asarray(np.isnan(self.values).any(axis=1))
        return rows if self.codes is None else rows | (self.codes < 0)

    def take(self, rows: NDArray[np.bool_]) -> Variable:
        """Keep some rows."""
        return self._replace(values=self.values[rows], codes=None if self.codes is None else self.codes[rows])

    @property
    def arrays(self) -> tuple[Floats | None, Integers | None, int]:
        """What the core takes."""
        return self.values if self.d else None, self.codes, len(self.labels)


ABSENT = (None, None, 0)


class Samples(NamedTuple):
    """Arguments that were checked together: x, y and given; or one; or the two samples of a divergence."""

    variables: tuple[Variable, ...]
    sample_weight: Floats | None  # (n,)
    n_dropped: int
    quantity: str = "information"  # a key of _core.QUANTITIES
    groups: Integers | None = None  # (n,) numbers of the groups of rows; of the rows of x, then of y, in a divergence

    @property
    def n(self) -> int:
        """Number of samples."""
        counted = self.variables if "divergence" in self.quantity else self.variables[:1]
        return sum(len(variable.values) for variable in counted)

    @property
    def arrays(self) -> tuple[int, tuple[Any, Any, Any], Floats | None, Integers | None]:
        """What the core takes: the quantity, x, y and given, the weights and the groups."""
        arrays: list[Any] = [variable.arrays for variable in self.variables]
        if "divergence" in self.quantity:
            values = [variable.values for variable in self.variables]
            sample = np.repeat(np.arange(2, dtype=np.int32), [len(part) for part in values])
            arrays = [(np.concatenate(values), None, 0), (None, sample, 2)]
        x, y, given = (*arrays, ABSENT, ABSENT)[:3]
        return _core.QUANTITIES[self.quantity], (x, y, given), self.sample_weight, self.groups

    def explain(self, error: _core.CoreError) -> ValueError:
        """Turn an error of the core into one that names the argument and the column."""
        at = self.variables[error.fault_variable] if error.fault_variable >= 0 else None
        named = (at,) if at is not None else self.variables
        columns: tuple[Variable, ...]
        if "divergence" in self.quantity:
            columns = (at or self.variables[0],)
            n = len(at.values) if at is not None else self.n
        else:
            columns, n = self.variables, self.n
        arguments = " and ".join(dict.fromkeys(variable.argument for variable in named))
        labels = [variable.label(j) for variable in columns for j in range(variable.d)]
        if self.sample_weight is None:
            rows = count(n, "row")
        else:
            rows = count(int(np.count_nonzero(self.sample_weight)), "row") + " with positive weight"
        return from_core(error, arguments, labels, rows)

    def discrete_looks(self) -> list[str]:
        """Describe each column that takes few distinct values, each of them often."""
        return [
            look
            for role, variable in zip(ROLES, self.variables, strict=False)
            for look in variable.discrete_looks(f"pass discrete={role!r} if it holds labels, or discrete='neither'")
        ]


def copies(variables: Sequence[Variable]) -> tuple[Integers | None, int]:
    """Number the rows so that copies of one share its place, and count all others; None where there are none."""
    groups, n_copies = _core.copies([each.arrays for each in variables])
    return (groups, n_copies) if n_copies else (None, 0)


# ---- arrays ----------------------------------------------------------------------------------------------------------


def variable(argument: str, data: object, discrete: bool | None = False) -> Variable:
    """Read one argument as samples; discrete is True, False or None, which leaves it to each column's dtype."""
    if hasattr(data, "columns"):
        pairs = _table_columns(argument, data)
        found = _combined(
            argument, [(name, _read(f"{argument} {_column(name)}", column, discrete)) for name, column in pairs]
        )
    else:
        found = _array(argument, data, discrete)
    if found.values.size == 0 and (found.codes is None or found.codes.size == 0):
        raise ValueError(f"{argument} is empty: its shape is {found.values.shape}")
    return found


def named_columns(argument: str, data: Any) -> list[tuple[object, Any]]:
    """Give the columns of a table, a dict or an array, (n, d) or (n,), with their names, or numbers from 0."""
    if hasattr(data, "columns") or isinstance(data, Mapping):
        return _table_columns(argument, data)
    array = data if hasattr(data, "dtype") else _as_array(argument, data)[0]
    if np.ndim(array) == 1:
        return [(getattr(array, "name", None) or 0, array)]
    if np.ndim(array) != 2:
        raise ValueError(f"{argument} must be columns, (n, d) or (n,), got an array of shape {np.shape(array)}")
    if array.shape[1] == 0:
        raise ValueError(f"{argument} has no columns")
    return [(j, array[:, j]) for j in range(array.shape[1])]


def column(argument: str, name: object, data: object, discrete: bool | None) -> Variable:
    """Read one column of a table as samples (n, 1), or as labels."""
    label = f"{argument} {_column(name)}"
    found = variable(label, data, discrete)
    values = np.ascontiguousarray(found.values)  # which will be read for many pairs
    return found._replace(argument=argument if found.d else label, columns=[name], values=values)


def pair(x: object, y: object, discrete: Sequence[bool | None] = (False, False)) -> tuple[Variable, Variable]:
    """Read x and y, or the two columns of x where y is None."""
    if y is not None:
        return variable("x", x, discrete[0]), variable("y", y, discrete[1])
    if hasattr(x, "columns"):
        pairs = _table_columns("x", x)
    else:
        array, _ = _as_array("x", x)
        block = np.ma.asarray(x) if hasattr(x, "filled") else array
        pairs = list(enumerate(block.T if block.ndim == 2 else [block]))
    if len(pairs) != 2:
        raise ValueError(f"x alone must have two columns, (n, 2), got {len(pairs)}; or pass y as well")
    left, right = (
        _combined("x", [(name, _read(f"x {_column(name)}", column, side))])
        for (name, column), side in zip(pairs, discrete, strict=True)
    )
    return left, right


def samples(
    variables: tuple[Variable, ...],
    sample_weight: object,
    missing: str,
    quantity: str = "information",
    groups: object = None,
) -> Samples:
    """Check arguments against each other; missing is "raise" or "drop" (rows with NaN in any of them)."""
    given = variables
    if groups is not None:
        given = (*given, variable("groups", groups, True))
    if sample_weight is not None:
        given = (*given, variable("sample_weight", sample_weight))
        if given[-1].d != 1:
            raise ValueError(f"sample_weight must have one number per row, (n,), got shape {given[-1].values.shape}")
    for other in given[1:]:
        if len(other.values) != len(given[0].values):
            rows = count(len(other.values), "row")
            raise ValueError(f"{other.argument} has {rows} but {given[0].argument} has {len(given[0].values)}")
    n_dropped = 0
    if not all(_core.is_finite(v.values) and (v.codes is None or (v.codes >= 0).all()) for v in given):
        for v in given:
            _reject(v, np.isinf(v.values), "infinite value", "")
            if missing == "raise":
                advice = "; pass missing='drop' to drop such rows"
                _reject(v, np.isnan(v.values), "NaN value", advice)
                _reject_unlabelled(v, advice)
        keep = ~np.any([v.missing for v in given], axis=0)
        n_dropped = len(keep) - int(np.count_nonzero(keep))
        if n_dropped == len(keep):
            raise ValueError(f"no row is without NaN, so missing='drop' leaves none of the {n_dropped} rows")
        given = tuple(v.take(keep) for v in given)
    weight = None
    if sample_weight is not None:
        _reject(given[-1], given[-1].values < 0, "negative value", "")
        weight = np.ascontiguousarray(given[-1].values).reshape(-1)
        if not weight.any():
            raise ValueError("sample_weight is zero in every row")
    codes = None if groups is None else _numbered(given[len(variables)].codes)
    if codes is not None and quantity == "paired divergence":
        codes = np.tile(codes, 2)
    return Samples(given[: len(variables)], weight, n_dropped, quantity, codes)


def _numbered(codes: Any) -> Integers:
    """Number what is left of the codes from 0."""
    return np.unique(codes, return_inverse=True)[1].reshape(-1).astype(np.int32)


def two_samples(x: Variable, y: Variable, paired: bool, missing: str, groups: object = None) -> Samples:
    """Check the two samples of a divergence, of which rows belong together where they are paired."""
    if y.d != x.d:
        raise ValueError(f"y has {count(y.d, 'column')} but x has {x.d}")
    if paired:
        return samples((x, y), None, missing, "paired divergence", groups)
    parts = [samples((each,), None, missing) for each in (x, y)]
    n_dropped = sum(part.n_dropped for part in parts)
    codes = None if groups is None else _groups_of_both(groups, x, y)
    return Samples((parts[0].variables[0], parts[1].variables[0]), None, n_dropped, "divergence", codes)


def _groups_of_both(groups: object, x: Variable, y: Variable) -> Integers:
    """Number the groups of the rows of x, then of y, that miss nothing."""
    read = variable("groups", groups, True)
    n, m = len(x.values), len(y.values)
    if read.codes is None or len(read.codes) != n + m:
        rows = count(len(read.values), "row")
        raise ValueError(f"groups has {rows} but x and y have {n} + {m}: give those of x, then those of y")
    _reject_unlabelled(read, "")
    return _numbered(read.codes[~np.concatenate([x.missing, y.missing])])


def complete(variable: Variable) -> Floats:
    """Give the values of an argument that must not hold NaN, infinities or missing labels."""
    if not _core.is_finite(variable.values):
        _reject(variable, ~np.isfinite(variable.values), "NaN or infinite value", "")
    _reject_unlabelled(variable, "")
    return np.ascontiguousarray(variable.values)


def is_constant(variable: Variable) -> bool:
    """Tell whether a variable of one column, which misses nothing, is always the same."""
    return bool(np.ptp(variable.values if variable.codes is None else variable.codes) == 0)


def _column(name: object) -> str:
    return f"column {name!r}" if isinstance(name, str) else f"column {name}"


def _reject(variable: Variable, faulty: NDArray[np.bool_], fault: str, advice: str) -> None:
    n_faulty = int(np.count_nonzero(faulty))
    if n_faulty:
        place = variable.place(*divmod(int(np.argmax(faulty)), faulty.shape[1]))
        raise ValueError(f"{variable.argument} has {count(n_faulty, fault)}, the first in {place}{advice}")


def _reject_unlabelled(variable: Variable, advice: str) -> None:
    if variable.codes is not None and (n_missing := int(np.count_nonzero(variable.codes < 0))):
        row = int(np.argmax(variable.codes < 0))
        raise ValueError(f"{variable.argument} has {count(n_missing, 'missing label')}, the first in row {row}{advice}")


def _table_columns(argument: str, table: Any) -> list[tuple[object, Any]]:
    """Give the names and columns of a pandas, polars or pyarrow table."""
    if hasattr(table, "column_names"):  # pyarrow
        pairs = list(zip(table.column_names, table.columns, strict=True))
    elif hasattr(table, "items"):  # pandas, where names may repeat, or a dict
        pairs = list(table.items())
    else:  # polars
        pairs = list(zip(table.columns, table, strict=True))
    if not pairs:
        raise ValueError(f"{argument} has no columns")
    return pairs


def _combined(argument: str, columns: Sequence[tuple[object, Floats | _Coded]]) -> Variable:
    """Make one variable of named columns: those of numbers side by side, the labels of the others as one label."""
    names = [name for name, column in columns if not isinstance(column, _Coded)]
    numbers = [column for _, column in columns if not isinstance(column, _Coded)]
    coded = [column for _, column in columns if isinstance(column, _Coded)]
    n = len(numbers[0] if numbers else coded[0].codes)
    if len(numbers) == 1:
        values = numbers[0].reshape(-1, 1)
    else:
        values = np.column_stack(numbers) if numbers else np.empty((n, 0))
    return Variable(argument, values, names, *_joint(coded) if coded else ())


def _array(argument: str, data: object, discrete: bool | None) -> Variable:
    found = _read(argument, data, discrete)
    array = found.codes if isinstance(found, _Coded) else found
    if array.ndim not in (1, 2):
        got = f"an array of shape {array.shape}" if array.ndim else f"a single {type(data).__name__}"
        raise ValueError(f"{argument} must hold samples, (n,) or (n, d), got {got}")
    if isinstance(found, _Coded):
        return Variable(argument, np.empty((len(found.codes), 0)), None, *found)
    if found.ndim == 2:
        return Variable(argument, found, range(found.shape[1]))
    name = getattr(data, "name", None)
    return Variable(argument, found.reshape(-1, 1), [name] if isinstance(name, str) and name else None)


def _read(label: str, data: Any, discrete: bool | None) -> Floats | _Coded:
    """Give data as a float64 array, missing values as NaN, or as codes of labels."""
    array, masked = _as_array(label, data)
    what = "is categorical" if _is_categorical(data) else _kind(label, array)
    if array.ndim in (1, 2) and (discrete or (discrete is None and what)):
        return _coded(label, array, masked)
    if what:
        raise ValueError(f"{label} {what}; only numbers can be continuous")
    numbers = _numbers(label, array)
    if masked is not None:
        numbers = numbers.copy()
        numbers[masked] = np.nan
    return numbers


def _as_array(label: str, data: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Give data as an array, and which of its elements are masked."""
    if type(data) is np.ndarray:
        return data, None
    if hasattr(data, "filled"):  # a masked array
        array = np.asarray(data.data)
        return array, np.broadcast_to(data.mask, array.shape)
    try:
        array = np.asarray(data, dtype=object if _is_categorical(data) else None)
        if isinstance(data, list | tuple) and array.dtype.kind in "US":  # where NaN has become the word
            array = np.array(data, dtype=object)
        return array, None
    except ValueError:
        if not isinstance(data, list | tuple):
            raise
        raise ValueError(f"{label} is ragged: its rows differ in length") from None


def _kind(label: str, array: NDArray[Any]) -> str:
    """Say what makes an array discrete; nothing where it holds numbers."""
    match array.dtype.kind:
        case "f" | "i" | "u":
            return ""
        case "b":
            return "holds booleans"
        case "U" | "S" | "T":
            return "holds strings"
        case "O":
            return _object_kind(array)
        case "c":
            raise ValueError(f"{label} is complex; only real numbers have a mutual information here")
        case _:
            return f"holds values of dtype {array.dtype}"


def _object_kind(array: NDArray[np.object_]) -> str:
    what = ""
    for kind in set(map(type, array.flat)):
        if _is_missing_type(kind):
            continue
        if issubclass(kind, bool | np.bool_):
            what = what or "holds booleans"
        elif issubclass(kind, str | bytes):
            what = what or "holds strings"
        elif not issubclass(kind, numbers.Real | Decimal):
            return f"holds values of type {kind.__name__}"
    return what


def _is_missing_type(kind: type) -> bool:
    return kind is type(None) or kind.__name__ in ("NAType", "NaTType")


def _numbers(label: str, array: NDArray[Any]) -> Floats:
    """Convert an array of numbers to float64."""
    if array.dtype.kind == "O":
        converted = (math.nan if _is_missing_type(type(value)) else float(value) for value in array.flat)
        return np.fromiter(converted, np.float64, array.size).reshape(array.shape)
    if array.dtype != np.float64:
        with np.errstate(over="ignore"):  # a long double may become infinite, which is reported as such
            array = np.asarray(array, dtype=np.float64)
    if array.ndim == 2 and array.shape[1] > 1 and array.strides[1] != array.itemsize:
        array = np.ascontiguousarray(array)
    is_usable = array.flags.aligned and all(stride and stride % array.itemsize == 0 for stride in array.strides)
    return array if is_usable else array.copy()


def _is_categorical(data: object) -> bool:
    if type(data) is np.ndarray:  # whose dtypes are not, and take long to name
        return False
    dtype = getattr(data, "dtype", getattr(data, "type", None))  # pyarrow says type
    return str(dtype).lower().startswith(("categor", "enum", "dictionary"))


# ---- labels ----------------------------------------------------------------------------------------------------------


class _Coded(NamedTuple):
    """A column of labels."""

    codes: Integers  # (n,) places in labels, -1 where missing
    labels: tuple[object, ...]


def _coded(label: str, array: NDArray[Any], masked: NDArray[np.bool_] | None) -> _Coded:
    """Number the labels of a column; those of several columns make one."""
    if array.ndim == 2:
        masks = [None] * array.shape[1] if masked is None else list(masked.T)
        return _joint([_coded(label, column, mask) for column, mask in zip(array.T, masks, strict=True)])
    if array.dtype.kind in "OT":
        codes, labels = _object_codes(label, array.astype(object))
    else:
        distinct, places = np.unique(array, return_inverse=True)
        labels = tuple(distinct.tolist())
        codes = places.astype(np.int32)
        if array.dtype.kind in "fmM":
            codes[array != array] = -1
            labels = tuple(value for value, kept in zip(labels, distinct == distinct, strict=True) if kept)
    if masked is not None:
        codes[masked] = -1
    return _Coded(codes, labels)


def _object_codes(label: str, array: NDArray[np.object_]) -> tuple[Integers, tuple[object, ...]]:
    values = [value.item() if isinstance(value, np.generic) else value for value in array]
    present = [value for value in values if not _is_missing(value)]
    try:
        distinct = list(dict.fromkeys(present))
    except TypeError:
        kinds = sorted({type(value).__name__ for value in present})
        raise ValueError(f"{label} holds values of type {' and '.join(kinds)}, which can be no labels") from None
    with suppress(TypeError):  # of several types: as they come
        distinct = sorted(distinct)
    places = {value: place for place, value in enumerate(distinct)}
    codes = (-1 if _is_missing(value) else places[value] for value in values)
    return np.fromiter(codes, np.int32, len(values)), tuple(distinct)


def _is_missing(value: object) -> bool:
    return _is_missing_type(type(value)) or (isinstance(value, float) and value != value)


def _joint(columns: Sequence[_Coded]) -> _Coded:
    """Number the combinations of labels that occur."""
    if len(columns) == 1:
        return columns[0]
    stacked = np.column_stack([column.codes for column in columns])
    complete = (stacked >= 0).all(axis=1)
    distinct, codes = np.unique(stacked[complete], axis=0, return_inverse=True)
    joint = np.full(len(stacked), -1, np.int32)
    joint[complete] = codes.reshape(-1)
    labels = (
        tuple(column.labels[code] for column, code in zip(columns, row, strict=True)) for row in distinct.tolist()
    )
    return _Coded(joint, tuple(labels))


def recoded(variable: Variable, labels: Sequence[object]) -> Variable:
    """Number a variable's labels as others were; -1 for a label that was not among them."""
    if variable.codes is None:
        return variable
    places = {label: place for place, label in enumerate(labels)}
    moved = np.array([places.get(label, -1) for label in variable.labels], np.int32)
    return variable._replace(codes=moved[variable.codes], labels=tuple(labels))


def _few_values(column: Floats) -> int:
    """Count distinct values; 0 where the column looks continuous: many values, or none of them often."""
    n_values = _core.count_values(column, _FEW_VALUES)
    return n_values if n_values <= min(_FEW_VALUES, len(column) // _VISITS) else 0


# ---- keywords --------------------------------------------------------------------------------------------------------


def discrete_sides(discrete: str | Collection[str] | None, given: bool) -> tuple[bool | None, ...]:
    """Tell for x, y and given whether it is discrete; None leaves it to the dtype."""
    if discrete is None:
        return None, None, None
    if discrete == "neither":
        return False, False, False
    named = [discrete] if isinstance(discrete, str) or not isinstance(discrete, Collection) else list(discrete)
    for side in named:
        choice("discrete", side, ("x", "y", "given", *(("both", "neither") if isinstance(discrete, str) else ())))
    if "given" in named and not given:
        raise ValueError("discrete names given, which is None")
    return tuple(True if side in named or (discrete == "both" and side != "given") else None for side in ROLES)


def choice(name: str, value: object, allowed: Iterable[object]) -> Any:
    """Give value where it is one of those allowed."""
    allowed = list(allowed)
    if not isinstance(value, Hashable) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def whole_number(name: str, value: object, low: int, high: int = 2**31 - 1) -> int:
    """Give value as an int where it is a whole number within bounds."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
        bounds = f"from {low} to {high}" if high < 2**31 - 1 else f"of at least {low}"
        raise ValueError(f"{name} must be a whole number {bounds}, got {value!r}")
    return int(value)


def positive_number(name: str, value: object) -> float:
    """Give value as a float where it is a finite number above zero."""
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.integer | np.floating)
        or not 0 < value < math.inf
    ):
        raise ValueError(f"{name} must be a number above 0, got {value!r}")
    return float(value)


def core_options(**keywords: object) -> dict[str, int | float]:
    """Code keywords as the core's options; None leaves the core's default where that is measured."""
    try:
        return _coded_options(**keywords).copy()
    except TypeError:  # something that cannot be remembered, which is refused here
        return _coded_options.__wrapped__(**keywords)


@lru_cache(typed=True)  # most calls are with the same keywords as the one before
def _coded_options(**keywords: object) -> dict[str, int | float]:
    return {
        name: _CODES[name](name, value)
        for name, value in keywords.items()
        if value is not None or name not in _MEASURED
    }


def seed_from(rng: Rng) -> int:
    """Give the core's seed, as the interface promises: an int is the seed itself."""
    if rng is None:
        return int.from_bytes(os.urandom(8), "little")
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool):
        if not 0 <= rng < 2**64:
            raise ValueError(f"rng must be at least 0 and below 2**64, got {rng}")
        return int(rng)
    if isinstance(rng, np.random.SeedSequence):
        return int(rng.generate_state(1, np.uint64)[0])
    if isinstance(rng, np.random.Generator):
        return int(rng.integers(0, 2**64, dtype=np.uint64))
    raise TypeError(f"rng must be None, an int, a numpy SeedSequence or a numpy Generator, got {rng!r}")


_Code: TypeAlias = Callable[[str, object], int | float]


def _whole(low: int, high: int = 2**31 - 1) -> _Code:
    return lambda name, value: whole_number(name, value, low, high)


def _named(codes: dict[Any, int]) -> _Code:
    return lambda name, value: codes[choice(name, value, codes)]


_MEASURED = {"n_components", "init", "n_folds", "n_inits", "patience", "tol", "reg_covar", "max_iter"}
_CODES: dict[str, _Code] = {
    "n_components": _whole(1, 1024),
    "max_components": _whole(1, 1024),
    "criterion": _named(_core.CRITERIA),
    "init": _named(_core.INITS),
    "n_folds": _whole(2, 64),
    "n_inits": _whole(1),
    "patience": _whole(1),
    "max_iter": _whole(1),
    "tol": positive_number,
    "reg_covar": positive_number,
    "marginals": _named(_core.MARGINALS),
    "n_bootstrap": _whole(0),
    "reselect": _named({"auto": -1, True: 1, False: 0}),
    "integration_tol": positive_number,
    "integral": _named({"auto": _core.INTEGRALS["model"], **_core.INTEGRALS}),
    "error": _named(_core.ERRORS),
}
