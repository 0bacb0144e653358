"""Ranking of features by their information about a target, with the signatures of scikit-learn."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .errors import DegenerateDataError, count
from .inputs import choice, complete, core_options, is_constant, named_columns, seed_from
from .matrix import Estimate, estimate, read_table
from .parallel import resolve_threads, usable_cores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from .inputs import Floats, Rng


def mutual_info_regression(
    X: ArrayLike,
    y: ArrayLike,
    *,
    discrete_features: Literal["auto"] | bool | Sequence[bool] | Sequence[int] = "auto",
    random_state: Rng | np.random.RandomState = None,
    n_jobs: int | None = None,
) -> Floats:
    """
    Estimate the mutual information of each feature and a continuous target.

    Parameters
    ----------
    X : array_like, (n, p)
        Features: an array, or a table of pandas, polars or pyarrow.
    y : array_like, (n,)
        Target.
    discrete_features : {"auto"}, bool, mask or sequence of int
        Which features are discrete: all or none of them, a mask of bools, or their numbers. "auto": strings, bools and
        categoricals are, by their dtype.
    random_state : int, RandomState, Generator or SeedSequence, optional
        Source of the seed.
    n_jobs : int, optional
        Threads: -1 means all cores, and None the number that `set_num_threads` set, or else all cores. Results do not
        depend on it.

    Returns
    -------
    ndarray, (p,)
        Mutual information in nats, at least 0.

    Raises
    ------
    ValueError
        If an argument is not usable, or a feature cannot be estimated.

    Warns
    -----
    UserWarning
        If a feature looks discrete and ``discrete_features="auto"`` takes it as continuous.

    See Also
    --------
    mutual_information_matrix : The same with error bars.

    Notes
    -----
    The signature is that of ``sklearn.feature_selection.mutual_info_regression``, so that it can be the
    ``score_func`` of ``SelectKBest``. Its `n_neighbors` and `copy` are left out: there are no neighbours here, and `X`
    is never modified. Values are the plug-in estimate, without a bootstrap, clipped at zero. A constant feature has no
    information. One that is an exact linear function of the target has infinitely much.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> X = np.random.default_rng(0).normal(size=(500, 3))
    >>> y = X[:, 1] + 0.5 * X[:, 2] ** 2
    >>> scores = fg.mutual_info_regression(X, y, random_state=0)
    >>> np.argsort(-scores).tolist()
    [1, 2, 0]
    """
    return _score(X, y, False, discrete_features, random_state, n_jobs)


def mutual_info_classif(
    X: ArrayLike,
    y: ArrayLike,
    *,
    discrete_features: Literal["auto"] | bool | Sequence[bool] | Sequence[int] = "auto",
    random_state: Rng | np.random.RandomState = None,
    n_jobs: int | None = None,
) -> Floats:
    """
    Estimate the mutual information of each feature and a discrete target.

    Parameters
    ----------
    X : array_like, (n, p)
        Features: an array, or a table of pandas, polars or pyarrow.
    y : array_like, (n,)
        Labels of classes: numbers, strings, bools or categoricals.
    discrete_features : {"auto"}, bool, mask or sequence of int
        As in `mutual_info_regression`.
    random_state : int, RandomState, Generator or SeedSequence, optional
        Source of the seed.
    n_jobs : int, optional
        As in `mutual_info_regression`.

    Returns
    -------
    ndarray, (p,)
        Mutual information in nats, at least 0.

    Raises
    ------
    ValueError
        If an argument is not usable, or a feature cannot be estimated.

    Warns
    -----
    UserWarning
        If a feature looks discrete and ``discrete_features="auto"`` takes it as continuous.

    See Also
    --------
    mutual_info_regression : For a continuous target; what is said there of the signature holds here.
    """
    return _score(X, y, True, discrete_features, random_state, n_jobs)


def _score(
    X: Any, y: Any, discrete_target: bool, discrete_features: object, random_state: Any, n_jobs: int | None
) -> Floats:
    p = len(named_columns("X", X))
    if len(named_columns("y", y)) != 1:
        raise ValueError(f"y must be one column, (n,), got shape {np.shape(y)}")
    flags = [*_mask(discrete_features, p), discrete_target]
    table, unsure = read_table(X, y, flags, None, "drop", arguments=("X", "y"))
    for variable in (*table.rows.values(), *table.columns.values()):
        complete(variable)
    for variable in unsure:
        for look in variable.discrete_looks("name it in discrete_features if it holds labels, or pass False there"):
            warnings.warn(look, UserWarning, stacklevel=3)
    target = table.columns[0]
    constant = {i for i in range(p) if is_constant(table.rows[i]) or is_constant(target)}
    pairs = [(i, 0) for i in range(p) if i not in constant]
    options = core_options(max_components=50, n_bootstrap=0)
    estimates = estimate(table, pairs, options, _seed(random_state), _threads(n_jobs), None, None)
    scores = np.zeros(p)
    for (i, _), found in estimates.items():
        if isinstance(found, Estimate):
            scores[i] = max(found.value, 0.0)
        elif isinstance(found, DegenerateDataError):  # a scalar that is not constant: it is collinear with the target
            scores[i] = np.inf
        else:
            raise found
    return scores


def _mask(discrete_features: Any, p: int) -> list[bool | None]:
    """Tell for each feature whether it is discrete; None: its dtype says it."""
    if isinstance(discrete_features, str):
        choice("discrete_features", discrete_features, ["auto"])
        return [None] * p
    chosen = np.asarray(discrete_features)
    if chosen.dtype == bool and chosen.shape in ((), (p,)):
        return [bool(flag) for flag in np.broadcast_to(chosen, p)]
    if chosen.dtype.kind in "iu" and chosen.ndim == 1 and not np.any((chosen < 0) | (chosen >= p)):
        return [i in chosen for i in range(p)]
    raise ValueError(
        f"discrete_features must be 'auto', a bool, a mask of {count(p, 'feature')} or numbers of features, "
        f"got {discrete_features!r}"
    )


def _seed(random_state: Any) -> int:
    """Give the seed; scikit-learn's users may hold a RandomState."""
    if hasattr(random_state, "randint"):
        return int(random_state.randint(2**63))
    return seed_from(random_state)


def _threads(n_jobs: int | None) -> int:
    """Give the number of threads; -1 is all cores, -2 all but one."""
    if isinstance(n_jobs, int | np.integer) and n_jobs < 0:
        return max(1, usable_cores() + 1 + int(n_jobs))
    return resolve_threads(n_jobs)
