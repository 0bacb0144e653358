"""Errors and warnings of the package, and the words in which the core's error codes reach users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import CoreError


class DegenerateDataError(ValueError):
    """Data for which information is infinite or undefined: constant or exactly collinear columns, or a single label."""


class NotFittedError(ValueError, AttributeError):
    """A mixture is asked for what only a fit can give. The bases are those of scikit-learn's error of this name."""


class ConvergenceWarning(UserWarning):
    """A fit stopped at its largest number of passes, or a bootstrap replicate could not be fitted."""


def from_core(error: CoreError, arguments: str, columns: Sequence[str], rows: str) -> ValueError:
    """Turn an error of the core into what a user can act on.

    The words for it: the names of the arguments, the label of each of the core's columns, and how many rows there are.
    """
    column = columns[error.fault_column] if error.fault_column >= 0 else "a column"
    variables = count(len(columns), "variable")
    match error.name:
        case "ERROR_CONSTANT":
            return DegenerateDataError(f"{column} is constant, so no information about it can be estimated")
        case "ERROR_COLLINEAR":
            return DegenerateDataError(
                f"{column} is an exact linear function of the other columns, so the information is infinite or "
                "undefined; leave that column out"
            )
        case "ERROR_TOO_FEW_SAMPLES" if not columns:
            return ValueError(f"{arguments}: {rows}, too few for a table")
        case "ERROR_TOO_FEW_SAMPLES":
            return ValueError(f"{arguments}: {rows}, too few to fit a density of {variables}")
        case "ERROR_ONE_CLASS":
            return DegenerateDataError(f"{arguments} has one label only, so the information is 0 or undefined")
        case "ERROR_TOO_MANY_CLASSES":
            return ValueError(
                f"{arguments}: as many classes as there are samples ({rows}), so nothing can be learned of any"
            )
        case "ERROR_FEW_GROUPS":
            return ValueError("groups holds one group only, so the scatter of groups cannot be learned")
        case "ERROR_TOO_MANY_COMPONENTS":
            return ValueError(f"n_components is more than {rows} of {variables} can bear")
        case "ERROR_DIMENSION":
            return ValueError(f"{arguments}: {len(columns)} columns in total; at least 1 and at most 64 are possible")
        case _:
            return ValueError(f"{arguments}: {error}")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Give a number with its noun."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
