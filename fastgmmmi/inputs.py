"""What users pass in, validated and coded for the core; nothing else.

An argument that is a native, C-contiguous float64 array reaches the core as it is. Everything else (lists, other dtypes
and layouts, masked arrays, pandas, polars and pyarrow columns and tables) is copied into one. Nothing is modified.
"""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from . import _core
from .errors import count, from_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Rng: TypeAlias = int | np.integer[Any] | np.random.SeedSequence | np.random.Generator | None

_BLOCK = 65536  # numbers looked at in one go, so that no temporary array grows with the data
_FEW_VALUES = 20
_VISITS = 5


class Variable(NamedTuple):
    """One argument as samples."""

    argument: str
    values: Floats  # (n, d)
    columns: Sequence[object] | None  # names or numbers of the columns; None for one-dimensional data without a name

    def label(self, column: int) -> str:
        """Name a column in messages."""
        return self.argument if self.columns is None else f"{self.argument} {_column(self.columns[column])}"

    def place(self, row: int, column: int) -> str:
        """Name a place in messages."""
        return f"row {row}" if self.columns is None else f"row {row}, {_column(self.columns[column])}"


class Samples(NamedTuple):
    """Arguments that were checked together."""

    variables: tuple[Variable, ...]
    sample_weight: Floats | None  # (n,)
    n_dropped: int

    @property
    def n(self) -> int:
        """Number of samples."""
        return len(self.variables[0].values)

    def explain(self, error: _core.CoreError) -> ValueError:
        """Turn an error of the core into one that names the argument and the column."""
        arguments = " and ".join(dict.fromkeys(variable.argument for variable in self.variables))
        labels = [variable.label(j) for variable in self.variables for j in range(variable.values.shape[1])]
        if self.sample_weight is None:
            rows = count(self.n, "row")
        else:
            rows = count(int(np.count_nonzero(self.sample_weight)), "row") + " with positive weight"
        return from_core(error, arguments, labels, rows)

    def discrete_looks(self) -> list[str]:
        """Describe each column that takes few distinct values, each of them often."""
        return [
            f"{variable.label(j)} takes only {n_values} distinct values, so it looks discrete; "
            "it is treated as continuous, and discrete variables are not available yet"
            for variable in self.variables
            for j in range(variable.values.shape[1])
            if (n_values := _few_values(variable.values[:, j])) > 1
        ]


# ---- arrays ----------------------------------------------------------------------------------------------------------


def variable(argument: str, data: object) -> Variable:
    """Read one argument as samples (n, d)."""
    values, columns = _table(argument, data) if hasattr(data, "columns") else _array(argument, data)
    if values.size == 0:
        raise ValueError(f"{argument} is empty: its shape is {values.shape}")
    return Variable(argument, values, columns)


def pair(x: object, y: object) -> tuple[Variable, Variable]:
    """Read x and y, or the two columns of x where y is None."""
    first = variable("x", x)
    if y is not None:
        return first, variable("y", y)
    if first.values.shape[1] != 2:
        raise ValueError(f"x alone must have two columns, (n, 2), got {first.values.shape[1]}; or pass y as well")
    columns = first.columns or range(2)
    left, right = (np.ascontiguousarray(first.values[:, j : j + 1]) for j in range(2))
    return Variable("x", left, columns[:1]), Variable("x", right, columns[1:])


def samples(variables: tuple[Variable, ...], sample_weight: object, missing: str) -> Samples:
    """Check arguments against each other; missing is "raise" or "drop" (rows with NaN in any of them)."""
    given = variables
    if sample_weight is not None:
        given = (*variables, variable("sample_weight", sample_weight))
        if given[-1].values.shape[1] != 1:
            raise ValueError(f"sample_weight must have one number per row, (n,), got shape {given[-1].values.shape}")
    for other in given[1:]:
        if len(other.values) != len(given[0].values):
            rows = count(len(other.values), "row")
            raise ValueError(f"{other.argument} has {rows} but {given[0].argument} has {len(given[0].values)}")
    n_dropped = 0
    if not all(is_finite(v.values) for v in given):
        for v in given:
            _reject(v, np.isinf(v.values), "infinite value", "")
            if missing == "raise":
                _reject(v, np.isnan(v.values), "NaN value", "; pass missing='drop' to drop such rows")
        keep = ~np.any([np.isnan(v.values).any(axis=1) for v in given], axis=0)
        n_dropped = len(keep) - int(np.count_nonzero(keep))
        if n_dropped == len(keep):
            raise ValueError(f"no row is without NaN, so missing='drop' leaves none of the {n_dropped} rows")
        given = tuple(v._replace(values=v.values[keep]) for v in given)
    weight = None
    if sample_weight is not None:
        _reject(given[-1], given[-1].values < 0, "negative value", "")
        weight = given[-1].values.reshape(-1)
        if not weight.any():
            raise ValueError("sample_weight is zero in every row")
    return Samples(given[: len(variables)], weight, n_dropped)


def complete(variable: Variable) -> Floats:
    """Give the values of an argument that must not hold NaN or infinities."""
    if not is_finite(variable.values):
        _reject(variable, ~np.isfinite(variable.values), "NaN or infinite value", "")
    return variable.values


def is_finite(values: Floats) -> bool:
    """Tell whether there is neither NaN nor infinity, a block at a time."""
    flat = values.reshape(-1)
    return all(bool(np.isfinite(flat[i : i + _BLOCK]).all()) for i in range(0, flat.size, _BLOCK))


def _column(name: object) -> str:
    return f"column {name!r}" if isinstance(name, str) else f"column {name}"


def _reject(variable: Variable, faulty: NDArray[np.bool_], fault: str, advice: str) -> None:
    n_faulty = int(np.count_nonzero(faulty))
    if n_faulty:
        place = variable.place(*divmod(int(np.argmax(faulty)), faulty.shape[1]))
        raise ValueError(f"{variable.argument} has {count(n_faulty, fault)}, the first in {place}{advice}")


def named_columns(argument: str, data: Any) -> list[tuple[object, Any]]:
    """Give the columns of a table, a dict or an array, (n, d) or (n,), with their names, or numbers from 0."""
    if hasattr(data, "columns") or isinstance(data, Mapping):
        return _table_columns(argument, data)
    array = data if hasattr(data, "dtype") else np.asarray(data)
    if np.ndim(array) == 1:
        return [(getattr(array, "name", None) or 0, array)]
    if np.ndim(array) != 2:
        raise ValueError(f"{argument} must be columns, (n, d) or (n,), got an array of shape {np.shape(array)}")
    if array.shape[1] == 0:
        raise ValueError(f"{argument} has no columns")
    return [(j, array[:, j]) for j in range(array.shape[1])]


def column(argument: str, name: object, data: object) -> Variable:
    """Read one column of a table as samples (n, 1)."""
    return variable(f"{argument} {_column(name)}", data)._replace(argument=argument, columns=[name])


def _table(argument: str, table: Any) -> tuple[Floats, list[object]]:
    """Read a pandas, polars or pyarrow table."""
    pairs = _table_columns(argument, table)
    columns = [_numbers(f"{argument} {_column(name)}", column) for name, column in pairs]
    values = columns[0].reshape(-1, 1) if len(columns) == 1 else np.column_stack(columns)
    return values, [name for name, _ in pairs]


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


def _array(argument: str, data: object) -> tuple[Floats, Sequence[object] | None]:
    values = _numbers(argument, data)
    if values.ndim == 1:
        name = getattr(data, "name", None)
        return values.reshape(-1, 1), [name] if isinstance(name, str) and name else None
    if values.ndim == 2:
        return values, range(values.shape[1])
    got = f"an array of shape {values.shape}" if values.ndim else f"a single {type(data).__name__}"
    raise ValueError(f"{argument} must hold samples, (n,) or (n, d), got {got}")


def _numbers(label: str, data: Any) -> Floats:
    """Give data as a float64 array, missing values as NaN."""
    if type(data) is np.ndarray:
        array = data
    elif hasattr(data, "filled"):  # a masked array
        array = _numbers(label, np.asarray(data.data)).copy()
        array[np.broadcast_to(data.mask, array.shape)] = np.nan
    else:
        if _is_categorical(data):
            raise _discrete(label, "is categorical")
        try:
            array = np.asarray(data)
        except ValueError:
            if not isinstance(data, list | tuple):
                raise
            raise ValueError(f"{label} is ragged: its rows differ in length") from None
    match array.dtype.kind:
        case "f" | "i" | "u":
            with np.errstate(over="ignore"):  # a long double may become infinite, which is reported as such
                array = np.asarray(array, dtype=np.float64, order="C")
        case "O":
            array = _object_numbers(label, array)
        case "b":
            raise _discrete(label, "holds booleans")
        case "U" | "S" | "T":
            raise _discrete(label, "holds strings")
        case "c":
            raise ValueError(f"{label} is complex; only real numbers have a mutual information here")
        case _:
            raise ValueError(f"{label} has dtype {array.dtype}, which is not a number")
    return array if array.flags.aligned else array.copy()


def _object_numbers(label: str, array: NDArray[np.object_]) -> Floats:
    """Convert an array of Python numbers and missing values."""
    missing = set()
    for kind in set(map(type, array.flat)):
        if kind is type(None) or kind.__name__ == "NAType":
            missing.add(kind)
        elif issubclass(kind, bool | np.bool_):
            raise _discrete(label, "holds booleans")
        elif issubclass(kind, str | bytes):
            raise _discrete(label, "holds strings")
        elif not issubclass(kind, numbers.Number) or (
            issubclass(kind, numbers.Complex) and not issubclass(kind, numbers.Real)
        ):
            raise ValueError(f"{label} holds values of type {kind.__name__}, which are not real numbers")
    converted = (math.nan if type(value) in missing else float(value) for value in array.flat)
    return np.fromiter(converted, np.float64, array.size).reshape(array.shape)


def _is_categorical(data: object) -> bool:
    dtype = getattr(data, "dtype", getattr(data, "type", None))  # pyarrow says type
    return str(dtype).lower().startswith(("categor", "enum", "dictionary"))


def _discrete(label: str, what: str) -> ValueError:
    return ValueError(f"{label} {what}; discrete variables are not available yet, only numbers")


def _few_values(column: Floats) -> int:
    """Count distinct values; 0 where the column looks continuous: many values, or none of them often."""
    seen: set[float] = set(column[:64].tolist())
    for start in range(64, len(column), _BLOCK):
        if len(seen) > _FEW_VALUES:
            break
        seen.update(np.unique(column[start : start + _BLOCK]).tolist())
    return len(seen) if len(seen) <= min(_FEW_VALUES, len(column) // _VISITS) else 0


# ---- keywords --------------------------------------------------------------------------------------------------------


def choice(name: str, value: object, allowed: Iterable[object]) -> Any:
    """Give value where it is one of those allowed."""
    allowed = list(allowed)
    if value not in allowed:
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
    "marginals": _named({"auto": _core.MARGINALS["standardize"], **_core.MARGINALS}),
    "n_bootstrap": _whole(0),
    "reselect": _named({"auto": -1, True: 1, False: 0}),
    "integration_tol": positive_number,
}
