"""The command line: ``fastgmmmi mi FILE X Y``, ``fastgmmmi matrix FILE`` and ``fastgmmmi info``."""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NoReturn
from zipfile import BadZipFile

import numpy as np

from . import __version__, cpu_tier, mutual_information, mutual_information_matrix
from .errors import count
from .parallel import bar, resolve_threads
from .results import UNITS, amount

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .matrix import MIMatrix
    from .results import MIResult

_MISSING = ("", "NA")  # and what float() takes for NaN
_MISSING_TEXT = (*_MISSING, "NaN", "nan")
_OPTIONAL_PARTS = ("scipy", "tqdm", "pyarrow", "matplotlib", "numba", "dask")
_INTERRUPTED = 130  # 128 and the number of the signal, as shells have it
_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Command and its arguments; None takes those of the process.

    Returns
    -------
    int
        Exit status: 0, 2 after an error that was named on standard error, 130 after an interruption.
    """
    try:
        options = _parser().parse_args(arguments)
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the flush at exit does not fail again
        return _BROKEN_PIPE
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ValueError, ImportError, MemoryError) as error:
        return _fail(str(error) or "out of memory")
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(_fail(f"{message}; see {self.prog} --help"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastgmmmi", description="Mutual information with an error bar.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"fastgmmmi {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    mi = commands.add_parser("mi", help="mutual information of two columns of a file", allow_abbrev=False)
    mi.add_argument("file", metavar="FILE", help="CSV or TSV with a header, .npy, .npz, .parquet; - is standard input")
    mi.add_argument("x", metavar="X", help="column name, or number from 0")
    mi.add_argument("y", metavar="Y", help="column name, or number from 0")
    mi.add_argument("--given", nargs="+", default=[], metavar="Z", help="columns that are conditioned on")
    mi.add_argument("--discrete", choices=["x", "y", "both"], help="columns of numbers that are class labels")
    _add_common(mi)
    mi.set_defaults(run=_run_mi)

    matrix = commands.add_parser("matrix", help="mutual information of all pairs of columns", allow_abbrev=False)
    matrix.add_argument("file", metavar="FILE", help="as for mi")
    both = "names or numbers from 0; default: the columns that --{} does not name, or all against all"
    matrix.add_argument("--rows", nargs="+", metavar="A", help=both.format("columns"))
    matrix.add_argument("--columns", nargs="+", metavar="C", help=both.format("rows"))
    matrix.add_argument("--discrete", nargs="+", metavar="A", help="names of columns of numbers that are class labels")
    matrix.add_argument("--csv", metavar="OUT.csv", help="write a line per pair")
    _add_common(matrix)
    matrix.set_defaults(run=_run_matrix)

    info = commands.add_parser("info", help="version, CPU tier, threads, optional parts", allow_abbrev=False)
    info.set_defaults(run=_run_info)
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every estimate takes."""
    add = parser.add_argument
    add("--units", choices=list(UNITS), default="nats", help="units of the result (default: %(default)s)")
    add("--bootstrap", type=int, default=100, metavar="N", help="replicates (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="S", help="of the random numbers (default: %(default)s)")
    add("--threads", type=int, metavar="N", help="default: the cores this process may use")
    add("--json", action="store_true", help="print one JSON object")
    add("--plot", metavar="OUT.png", help="draw the result, in any format of matplotlib")


def _fail(message: str) -> int:
    print("fastgmmmi:", " ".join(message.split()), file=sys.stderr)
    return 2


# ---- commands --------------------------------------------------------------------------------------------------------


def _run_mi(options: argparse.Namespace) -> None:
    _prepare_plot(options)
    x, y, *given = read_columns(options.file, [options.x, options.y, *options.given])
    with _progress_bar(options.bootstrap) as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are printed below, one line each
        result = mutual_information(
            x,
            y,
            given=_table(options.given, given),
            discrete=options.discrete,
            n_bootstrap=options.bootstrap,
            units=options.units,
            missing="drop",
            rng=options.seed,
            threads=options.threads,
            progress=progress,
        )
    _print_warnings(result.warnings)
    _save_plot(result, options)
    if options.json:
        print(json.dumps({"x": options.x, "y": options.y, "given": options.given, **_numbers(result)}, allow_nan=False))
    else:
        _print_table(_lines(result))


def _prepare_plot(options: argparse.Namespace) -> None:
    """Find out before the work whether there is matplotlib, and let it open no window."""
    if options.plot:
        from .plotting import open_no_windows

        open_no_windows()


def _save_plot(result: MIResult | MIMatrix, options: argparse.Namespace) -> None:
    if options.plot:
        from .plotting import save

        save(result, options.plot)


def _print_warnings(messages: Iterable[str]) -> None:
    for message in messages:
        print("fastgmmmi: warning:", message, file=sys.stderr)


def _progress_bar(total: int, unit: str = "replicates") -> AbstractContextManager[Any]:
    """A bar on the terminal where work is long; False where there is no terminal, or no tqdm."""
    if sys.stderr.isatty() and find_spec("tqdm"):
        return bar(total, unit, delay=1, leave=False)
    return nullcontext(False)


def _numbers(result: MIResult) -> dict[str, Any]:
    numbers = result.to_dict()
    for detail in ("bootstrap_distribution", "model"):
        del numbers[detail]
    return numbers


def _lines(result: MIResult) -> Iterator[tuple[str, str]]:
    numbers = _numbers(result)
    yield "mutual information" if len(result._sides) == 2 else "conditional MI", result.amount()
    if numbers["confidence_interval"]:
        low, high = result.confidence_interval()
        yield "95% interval", f"{low:z.4g} to {high:z.4g} {result.units}"
    yield "samples used", str(result.n_samples)
    yield "rows dropped", f"{result.n_dropped} (missing values)" if result.n_dropped else "0"
    if any(side.labels is not None for side in result._sides):
        yield "classes", str(len(result._classes.labels))
    if result.n_components:
        yield "components", str(result.n_components)
    yield "seed", str(result.seed)


def _run_matrix(options: argparse.Namespace) -> None:
    _prepare_plot(options)
    rows, columns = _matrix_columns(options)
    n_pairs = len(rows) * len(columns) if columns else len(rows) * (len(rows) - 1) // 2
    with _progress_bar(n_pairs, "pairs") as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are printed below, one line each
        m = mutual_information_matrix(
            _table([column.name for column in rows], rows),
            _table([column.name for column in columns], columns),
            discrete=options.discrete,
            n_bootstrap=options.bootstrap,
            units=options.units,
            missing="drop",
            rng=options.seed,
            threads=options.threads,
            progress=progress,
        )
    pairs = list(m.records())
    failures = [f"{pair['row']} and {pair['column']}: {pair['error']}" for pair in pairs if pair["error"]]
    if len(failures) == len(pairs):
        raise ValueError(f"no pair could be estimated; {failures[0]}")
    _print_warnings([*m.warnings, *failures])
    if options.csv:
        with open(options.csv, "w", newline="", encoding="utf-8") as file:
            lines = csv.DictWriter(file, list(pairs[0]))
            lines.writeheader()
            lines.writerows({name: "" if value != value else value for name, value in pair.items()} for pair in pairs)
    _save_plot(m, options)
    if options.json:
        print(json.dumps(m.to_dict(), allow_nan=False))
    else:
        _print_pairs(pairs, m)


def _matrix_columns(options: argparse.Namespace) -> tuple[list[_Column], list[_Column]]:
    """Give the columns for the rows of the matrix, and for its columns: none of these where it is symmetric."""
    if options.rows and options.columns:
        both = read_columns(options.file, [*options.rows, *options.columns])
        return both[: len(options.rows)], both[len(options.rows) :]
    every = read_columns(options.file)
    named = options.rows or options.columns
    if not named:
        return every, []
    chosen = [_find(name, [column.name for column in every], options.file) for name in named]
    picked, rest = [every[i] for i in chosen], [every[i] for i in range(len(every)) if i not in chosen]
    if not rest:
        raise ValueError(f"{options.file}: --{'rows' if options.rows else 'columns'} names every column")
    return (picked, rest) if options.rows else (rest, picked)


def _print_pairs(pairs: Sequence[dict[str, Any]], m: MIMatrix) -> None:
    """Print a line per pair, and what is common to them."""
    widths = [max(len(str(pair[side])) for pair in pairs) for side in ("row", "column")]
    for pair in pairs:
        names = (f"{pair[side]!s:<{width}}" for side, width in zip(("row", "column"), widths, strict=True))
        print(*names, amount(pair["value"], pair["standard_error"], m.units), sep="  ")
    dropped = [pair["n_dropped"] for pair in pairs if not pair["error"]]
    print()
    _print_table(
        [
            ("pairs", str(len(pairs))),
            ("rows dropped", f"up to {max(dropped)} in a pair (missing values)" if any(dropped) else "0"),
            ("seed", str(m.seed)),
        ]
    )


def _run_info(options: argparse.Namespace) -> None:
    parts = {part: "yes" if find_spec(part) else "no" for part in _OPTIONAL_PARTS}
    _print_table(
        [("version", __version__), ("CPU tier", cpu_tier()), ("threads", str(resolve_threads(None))), *parts.items()]
    )


def _print_table(lines: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> None:
    for name, value in lines:
        print(f"{name:<20}{value}")


# ---- files -----------------------------------------------------------------------------------------------------------


class _Column(np.ndarray[Any, Any]):
    """Values that know their name, for messages."""

    name: str


def _table(names: Sequence[str], columns: Sequence[NDArray[Any]]) -> Any:
    """Give several columns as one argument; None where there is none."""
    return _Table(zip(names, columns, strict=True)) if columns else None


class _Table:
    """Columns with names, which may be of different kinds."""

    def __init__(self, columns: Iterable[tuple[str, NDArray[Any]]]) -> None:
        self.columns = list(columns)

    def items(self) -> list[tuple[str, NDArray[Any]]]:
        """Give pairs of name and column."""
        return self.columns


def read_columns(path: str, wanted: Sequence[str] | None = None) -> list[_Column]:
    """
    Read columns of a file: numbers with missing values as NaN, or text with missing values as None.

    Parameters
    ----------
    path : str
        File; its ending says what it is, and text with a header is assumed. "-" is standard input.
    wanted : sequence of str, optional
        Names or numbers of the columns; None wants all of them.

    Returns
    -------
    list of ndarray
        The columns.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not what its name says, or has no such column.
    ImportError
        If a Parquet file is to be read and pyarrow is not there.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending in (".npy", ".npz"):
        found: list[tuple[str, Any]] = _numpy_columns(path, wanted)
    elif ending in (".parquet", ".pq"):
        found = _parquet_columns(path, wanted)
    else:
        with nullcontext(sys.stdin.buffer) if path == "-" else open(path, "rb") as file:
            found = _text_columns(file, path, "\t" if ending in (".tsv", ".tab") else None, wanted)
    columns: list[_Column] = []
    for name, values in found:
        column = _as_array(values).view(_Column)
        column.name = name
        columns.append(column)
    return columns


def _find_all(wanted: Sequence[str] | None, names: Sequence[str], path: str) -> list[int]:
    """Find columns; None is all of them."""
    return list(range(len(names))) if wanted is None else [_find(column, names, path) for column in wanted]


def _as_array(values: Any) -> NDArray[Any]:
    """Give a column as an array, labels as objects, so that they can be missing."""
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind in "UST" else array


def _find(column: str, names: Sequence[str], path: str) -> int:
    """Find a column by its name, or else by its number."""
    if names.count(column) == 1:
        return names.index(column)
    if column in names:
        raise ValueError(f"{path}: {names.count(column)} columns are named {column!r}")
    if column.isdecimal() and int(column) < len(names):
        return int(column)
    raise ValueError(f"{path}: no column {column!r}; there are {', '.join(names)}")


def _text_columns(
    file: IO[bytes], path: str, delimiter: str | None, wanted: Sequence[str] | None
) -> list[tuple[str, Any]]:
    """Read columns of comma-, semicolon- or tab-separated text."""
    lines = _decoded(file, path)
    first = next(lines, "")
    rows = csv.reader(chain([first], lines), delimiter=delimiter or max(",\t;", key=first.count))
    try:
        names = [name.strip() for name in next(rows)]
        _check_header(names, path)
        positions = _find_all(wanted, names, path)
        columns: list[list[str]] = [[] for _ in positions]
        for row in rows:
            if len(row) != len(names):
                if not row:  # a blank line
                    continue
                fields = count(len(row), "field")
                raise ValueError(f"{path}: line {rows.line_num} has {fields}, the header has {len(names)}")
            for values, position in zip(columns, positions, strict=True):
                values.append(row[position])
    except csv.Error as error:
        raise ValueError(f"{path}: line {rows.line_num}: {error}") from None
    found = [_numbers_or_text(names[position], values) for position, values in zip(positions, columns, strict=True)]
    return [(names[position], values) for position, values in zip(positions, found, strict=True)]


def _decoded(file: IO[bytes], path: str) -> Iterator[str]:
    """Decode lines, without the mark that some programs put first."""
    position = 0
    for number, line in enumerate(file, start=1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            place = f"position {position + error.start}, in line {number}"
            raise ValueError(f"{path}: not UTF-8: byte 0x{error.object[error.start]:02x} at {place}") from None
        position += len(line)


def _check_header(names: list[str], path: str) -> None:
    """Refuse a first line that is empty or holds data; whole numbers can be names."""
    if not any(names):
        raise ValueError(f"{path}: the first line is empty; it must be a header with the names of the columns")
    try:
        numbers = list(map(float, names))
    except ValueError:
        return
    if not all(map(float.is_integer, numbers)):
        raise ValueError(f"{path}: the first line holds numbers; it must be a header with the names of the columns")


def _numbers_or_text(name: str, fields: list[str]) -> list[Any]:
    """Give a column's numbers, or its text where a field is not a number; a column of both is worth a word."""
    numbers = list(map(_number, fields))
    if None not in numbers:
        return numbers
    text = [None if field.strip() in _MISSING_TEXT else field.strip() for field in fields]
    if any(number is not None and not math.isnan(number) for number in numbers):
        first = fields[numbers.index(None)]
        print(f"fastgmmmi: warning: column {name!r} is taken as class labels: {first!r} is no number", file=sys.stderr)
    return text


def _number(field: str) -> float | None:
    """Read a number, NaN where it is missing; None where it is text."""
    try:
        return math.nan if field.strip() in _MISSING else float(field)
    except ValueError:
        return None


def _numpy_columns(path: str, wanted: Sequence[str] | None) -> list[tuple[str, Any]]:
    """Read fields or columns of an array, or arrays of an archive."""
    with open(path, "rb") as file:
        try:
            data = np.load(file, allow_pickle=False)
            if isinstance(data, np.ndarray):
                return _array_columns(data, path, wanted)
            names = [data.files[position] for position in _find_all(wanted, data.files, path)]
            return [(name, data[name]) for name in names]
        except (EOFError, BadZipFile) as error:
            raise ValueError(f"{path}: not a file that NumPy saved: {error}") from None


def _array_columns(data: NDArray[Any], path: str, wanted: Sequence[str] | None) -> list[tuple[str, Any]]:
    if data.dtype.names:
        names = [data.dtype.names[position] for position in _find_all(wanted, data.dtype.names, path)]
        return [(name, data[name]) for name in names]
    if data.ndim != 2:
        raise ValueError(f"{path}: an array of shape {data.shape}; rows and columns, or named fields, are needed")
    positions = _find_all(wanted, list(map(str, range(data.shape[1]))), path)
    return [(str(position), data[:, position]) for position in positions]


def _parquet_columns(path: str, wanted: Sequence[str] | None) -> list[tuple[str, Any]]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise ImportError(f"{path}: reading Parquet needs pyarrow: pip install pyarrow") from None
    schema = parquet.read_schema(path)
    names = [schema.names[position] for position in _find_all(wanted, schema.names, path)]
    table = parquet.read_table(path, columns=names)
    return [(name, table.column(name)) for name in names]
