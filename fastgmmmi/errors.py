"""Errors and warnings of the package, and the words in which the core's error codes reach users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._core import CoreError


class DegenerateDataError(ValueError):
    """Data for which mutual information is infinite or undefined: constant or exactly collinear columns."""


class NotFittedError(ValueError, AttributeError):
    """A mixture is asked for what only a fit can give. The bases are those of scikit-learn's error of this name."""


class ConvergenceWarning(UserWarning):
    """A fit stopped at its largest number of passes, or a bootstrap replicate could not be fitted."""


def from_core(error: CoreError, columns: Sequence[str], n_samples: int) -> ValueError:
    """Turn an error of the core into what a user can act on; columns are the labels of the core's columns."""
    column = columns[error.fault_column] if error.fault_column >= 0 else "a column"
    match error.name:
        case "ERROR_CONSTANT":
            return DegenerateDataError(f"{column} is constant, so no information about it can be estimated")
        case "ERROR_COLLINEAR":
            return DegenerateDataError(
                f"{column} is an exact linear function of the other columns, so the information is infinite or "
                "undefined; leave that column out"
            )
        case "ERROR_TOO_FEW_SAMPLES":
            return ValueError(f"{n_samples} samples are too few for {_count(len(columns), 'variable')}")
        case "ERROR_TOO_MANY_COMPONENTS":
            return ValueError(
                f"n_components is more than {n_samples} samples of {_count(len(columns), 'variable')} can bear"
            )
        case "ERROR_DIMENSION":
            return ValueError(f"there are {len(columns)} columns in total; at least 1 and at most 64 are possible")
        case _:
            return ValueError(str(error))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
