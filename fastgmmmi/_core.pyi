"""Types of the binding. Arrays are C-contiguous float64 and are not modified."""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

_Floats: TypeAlias = NDArray[np.float64]
_Columns: TypeAlias = NDArray[np.int32]
_Variable: TypeAlias = tuple[_Floats | None, _Columns | None, int]  # values (n, d), labels (n,), number of labels
_Variables: TypeAlias = tuple[_Variable, _Variable, _Variable]  # x, y, given
_Options: TypeAlias = dict[str, int | float]
_Poll: TypeAlias = Callable[[int, int], object] | None

class _Fit(TypedDict):
    n_components: int
    converged: bool
    n_iter: int
    log_likelihood: float
    weights: _Floats  # (K,)
    means: _Floats  # (K, d)
    covariances: _Floats  # (K, d, d)
    scores: _Floats  # (max_components,)

class _Information(_Fit):  # of all classes, one after the other; scores (n_classes, max_components)
    value: float
    standard_error: float
    plug_in: float
    integration_error: float
    acceleration: float
    smaller_entropy: float | None
    corrected: float
    degrees_of_freedom: float  # NaN where columns are not scores of Student's t
    shortfall: float
    shortfall_error: float
    marginals_error: float
    n_copies: int
    marginals: int
    integral: int
    error: int
    n_small_classes: int
    n_failed: int
    reselected: bool
    diverging: bool
    bootstrap: _Floats  # (n_bootstrap,)
    location: _Floats  # (d,)
    scale: _Floats  # (d,)
    resolution: _Floats  # (d,)
    class_labels: _Columns  # (n_classes, 3)
    class_probabilities: _Floats  # (n_classes,)
    class_components: _Columns  # (n_classes,)

QUANTITIES: Final[dict[str, int]]
CRITERIA: Final[dict[str, int]]
INITS: Final[dict[str, int]]
MARGINALS: Final[dict[str, int]]
INTEGRALS: Final[dict[str, int]]
ERRORS: Final[dict[str, int]]
POINT_FUNCTIONS: Final[tuple[str, str]]
STATUS_TEXTS: Final[tuple[str, ...]]  # by error code
_C_API: Final[object]  # the capsule of fastgmmmi.h

class CoreError(Exception):
    name: str
    fault_column: int
    fault_variable: int
    def __init__(self, name: str, text: str, fault_column: int = -1, fault_variable: int = -1) -> None: ...

def information(
    quantity: int,
    variables: _Variables,
    sample_weight: _Floats | None,
    groups: _Columns | None,
    options: _Options,
    seed: int,
    threads: int,
    poll: _Poll,
) -> _Information: ...
def information_range(
    quantity: int,
    variables: _Variables,
    sample_weight: _Floats | None,
    groups: _Columns | None,
    options: _Options,
    seed: int,
    class_components: _Columns,
    weights: _Floats,
    means: _Floats,
    covariances: _Floats,
    first: int,
    count: int,
) -> tuple[_Floats, _Floats]: ...
def pointwise(
    quantity: int,
    variables: _Variables,
    class_labels: _Columns,
    class_probabilities: _Floats,
    class_components: _Columns,
    weights: _Floats,
    means: _Floats,
    covariances: _Floats,
) -> _Floats: ...
def is_finite(values: _Floats) -> bool: ...
def count_values(column: _Floats, most: int) -> int: ...
def copies(variables: Sequence[_Variable]) -> tuple[_Columns, int]: ...
def finish(
    bootstrap: _Floats,
    centres: _Floats,
    plug_in: float,
    corrected: float,
    shortfall: float,
    shortfall_error: float,
    marginals_error: float,
) -> tuple[float, float, int]: ...
def fit(X: _Floats, sample_weight: _Floats | None, options: _Options, seed: int, threads: int, poll: _Poll) -> _Fit: ...
def log_density(weights: _Floats, means: _Floats, covariances: _Floats, X: _Floats) -> _Floats: ...
def responsibilities(weights: _Floats, means: _Floats, covariances: _Floats, X: _Floats) -> _Floats: ...
def sample(weights: _Floats, means: _Floats, covariances: _Floats, seed: int, n: int) -> _Floats: ...
def marginal(means: _Floats, covariances: _Floats, columns: _Columns) -> tuple[_Floats, _Floats]: ...
def conditional(
    weights: _Floats, means: _Floats, covariances: _Floats, columns: _Columns, values: _Floats
) -> tuple[_Floats, _Floats, _Floats]: ...
def entropy(weights: _Floats, means: _Floats, covariances: _Floats, tol: float, seed: int) -> tuple[float, float]: ...
def mixture_mutual_information(
    weights: _Floats,
    means: _Floats,
    covariances: _Floats,
    x_columns: _Columns,
    y_columns: _Columns,
    given_columns: _Columns,
    tol: float,
    seed: int,
) -> tuple[float, float]: ...
def kl_divergence(
    weights_p: _Floats,
    means_p: _Floats,
    covariances_p: _Floats,
    weights_q: _Floats,
    means_q: _Floats,
    covariances_q: _Floats,
    tol: float,
    seed: int,
) -> tuple[float, float]: ...
def expect(
    weights: _Floats,
    means: _Floats,
    covariances: _Floats,
    function: object,
    tol: float,
    seed: int,
) -> tuple[float, float, _Floats | None]: ...
def normal_scores(column: _Floats, sample_weight: _Floats | None) -> tuple[_Floats, _Floats]: ...
def apply_normal_scores(knots: _Floats, scores: _Floats, values: _Floats) -> _Floats: ...
def student_scores(degrees_of_freedom: float, scores: _Floats) -> _Floats: ...
def exp(values: _Floats) -> _Floats: ...
def log(values: _Floats) -> _Floats: ...
def this_core() -> int: ...
def cpu_tier() -> str: ...
def set_cpu_tier(tier: str) -> None: ...
def version() -> str: ...
def default_options() -> dict[str, int | float]: ...
