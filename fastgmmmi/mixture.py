"""GaussianMixture: a density with full covariances, fitted to samples or given by its parameters."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from . import _core, callbacks, files
from .errors import ConvergenceWarning, NotFittedError, count
from .inputs import choice, complete, core_options, positive_number, samples, seed_from, variable, whole_number
from .parallel import resolve_threads

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from .inputs import Floats, Rng

NOT_CONVERGED = "the fit stopped at max_iter passes before it converged; a larger max_iter or tol lets it"
_INTEGRATION_TOL = 1e-5  # nats
_INTEGRATION_SEED = 0  # of the randomised integrals above dimension 3: the same mixture gives the same number


ARRAYS = ("weights", "means", "covariances")


class Fitted(NamedTuple):
    """What a fit finds; the last four are None or empty where the parameters were given."""

    weights: Floats
    means: Floats
    covariances: Floats
    log_likelihood: float | None = None
    n_iter: int | None = None
    converged: bool | None = None
    selection: Mapping[int, float] | None = None

    @classmethod
    def from_core(cls, found: Mapping[str, Any]) -> Self:
        """Take what the core returned."""
        for name in ARRAYS:
            found[name].flags.writeable = False
        return cls(
            found["weights"],
            found["means"],
            found["covariances"],
            log_likelihood=found["log_likelihood"],
            n_iter=found["n_iter"],
            converged=bool(found["converged"]),
            selection={k: score for k, score in enumerate(found["scores"].tolist(), start=1) if score == score},
        )

    def split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give numbers and arrays apart, for a file."""
        numbers = self._asdict()
        return numbers, {name: numbers.pop(name) for name in ARRAYS}

    @classmethod
    def join(cls, numbers: dict[str, Any], arrays: dict[str, Any]) -> Self:
        """Undo `split`, after JSON has made text of the keys."""
        selection = numbers["selection"] and {int(k): score for k, score in numbers["selection"].items()}
        return cls(*(arrays[name] for name in ARRAYS), **{**numbers, "selection": selection})


class GaussianMixture:
    """Gaussian mixture with full covariances.

    Parameters
    ----------
    n_components : int, optional
        Number of components; None selects it.
    max_components : int
        Largest number tried.
    criterion : {"cv", "aic", "bic"}
        What selects the number of components: cross-validated log-likelihood, or an information criterion.
    init : str, optional
        Starting points: "kmeans++", "split", or one of gmm-mi's "random", "minmax", "kmeans", "randomized_kmeans",
        "random_sklearn", "kmeans_sklearn". For this and the keywords below that are None, the core's measured default.
    n_folds : int, optional
        Folds of the cross-validation. With 2, half of the rows choose too few components; from 3 on it hardly matters.
    n_inits : int, optional
        Starting points of each fit.
    patience : int, optional
        Numbers of components tried beyond the best one. With 1 the search stops short where it takes two components
        more to gain anything; beyond 2 it hardly matters. By default a search ends after two components where these are
        no better than one and two columns look like one Gaussian.
    tol : float, optional
        EM stops where less log-likelihood than this is left to gain per sample, in nats. None: 0.005 over all samples,
        and Newton's method then goes on to the very maximum. Above 1e-4 components that overlap are not told apart.
    reg_covar : float, optional
        Smallest variance of a component, relative to the variance of its column.
    max_iter : int, optional
        Largest number of EM passes.
    missing : {"raise", "drop"}
        What to do with rows that hold NaN.
    rng : int, numpy.random.SeedSequence or numpy.random.Generator, optional
        Source of the seed; None is a fresh one.
    threads : int, optional
        None: the cores that this process may use. Results do not depend on it.

    See Also
    --------
    mutual_information : The estimate with its error bar, from samples.

    Notes
    -----
    The density is ``p(x) = sum_k w_k N(x | mu_k, S_k)``, fitted by weighted maximum likelihood with the EM algorithm.
    Data are standardised inside, so the result does not depend on their units. Information is in nats.
    The method is that of Piras et al. (2023), arXiv:2211.00024.

    Examples
    --------
    >>> import numpy as np
    >>> import fastgmmmi as fg
    >>> X = np.random.default_rng(0).normal(size=(500, 2))
    >>> g = fg.GaussianMixture(n_components=1, rng=0).fit(X)
    >>> g
    GaussianMixture(1 component, 2 variables)
    >>> g.means.shape, g.covariances.shape
    ((1, 2), (1, 2, 2))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        max_components: int = 50,
        criterion: str = "cv",
        init: str | None = None,
        n_folds: int | None = None,
        n_inits: int | None = None,
        patience: int | None = None,
        tol: float | None = None,
        reg_covar: float | None = None,
        max_iter: int | None = None,
        missing: str = "raise",
        rng: Rng = None,
        threads: int | None = None,
    ) -> None:
        self._keywords: dict[str, Any] = {
            "n_components": n_components,
            "max_components": max_components,
            "criterion": criterion,
            "init": init,
            "n_folds": n_folds,
            "n_inits": n_inits,
            "patience": patience,
            "tol": tol,
            "reg_covar": reg_covar,
            "max_iter": max_iter,
            "missing": missing,
            "rng": rng,
            "threads": threads,
        }
        self._fitted: Fitted | None = None

    @classmethod
    def from_parameters(cls, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> Self:
        """
        Make a mixture from its parameters.

        Parameters
        ----------
        weights : array_like, (K,)
            Nonnegative, with sum one.
        means : array_like, (K, d)
            Mean of each component.
        covariances : array_like, (K, d, d)
            Covariance matrix of each component, symmetric and positive definite.

        Returns
        -------
        GaussianMixture
            The mixture. Its log_likelihood, n_iter and converged are None, since it was not fitted.

        Raises
        ------
        ValueError
            If shapes do not agree, or a parameter is not what is said above.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> round(g.mutual_information(0, 1), 4)
        0.2231
        """
        return cls()._with(_validated(*(np.array(array, np.float64) for array in (weights, means, covariances))))

    def fit(self, X: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """
        Fit the mixture by weighted maximum likelihood.

        Parameters
        ----------
        X : array_like, (n, d) or (n,)
            Samples.
        sample_weight : array_like, (n,), optional
            Nonnegative weights.

        Returns
        -------
        GaussianMixture
            The object itself.

        Raises
        ------
        ValueError
            If data or keywords are not usable, variances that no number can hold among them; the message says why and
            where.
        DegenerateDataError
            If a column is constant, or a linear function of the others.

        Warns
        -----
        ConvergenceWarning
            If the fit stopped at `max_iter` passes.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> fg.GaussianMixture(n_components=1).fit([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).means.round(6)
        array([[3.5]])
        """
        keywords = dict(self._keywords)
        seed = seed_from(keywords.pop("rng"))
        threads = resolve_threads(keywords.pop("threads"))
        missing = choice("missing", keywords.pop("missing"), ("raise", "drop"))
        options = core_options(**keywords)
        data = samples((variable("X", X),), sample_weight, missing)
        try:
            X = np.ascontiguousarray(data.variables[0].values)
            found = _core.fit(X, data.sample_weight, options, seed, threads, None)
        except _core.CoreError as error:
            raise data.explain(error) from None
        variances = np.einsum("kii->ik", found["covariances"])
        beyond = ~((variances >= np.finfo(float).tiny) & (variances < np.inf)).all(axis=1)
        if beyond.any():
            name = data.variables[0].label(int(np.argmax(beyond)))
            raise ValueError(f"{name} has values so large or small that their variance is no number; scale them first")
        if not found["converged"]:
            warnings.warn(NOT_CONVERGED, ConvergenceWarning, stacklevel=2)
        return self._with(Fitted.from_core(found))

    @property
    def n_components(self) -> int | None:
        """Number of components: of the fit, or before it the keyword."""
        return self._keywords["n_components"] if self._fitted is None else len(self._fitted.weights)

    @property
    def weights(self) -> Floats:
        """Weight of each component, (K,)."""
        return self._state.weights

    @property
    def means(self) -> Floats:
        """Mean of each component, (K, d)."""
        return self._state.means

    @property
    def covariances(self) -> Floats:
        """Covariance matrix of each component, (K, d, d)."""
        return self._state.covariances

    @property
    def log_likelihood(self) -> float | None:
        """Weighted mean log-likelihood per sample, in nats; None where the parameters were given."""
        return self._state.log_likelihood

    @property
    def n_iter(self) -> int | None:
        """EM passes of the final fit; None where the parameters were given."""
        return self._state.n_iter

    @property
    def converged(self) -> bool | None:
        """Whether the fit converged; None where the parameters were given."""
        return self._state.converged

    @property
    def selection(self) -> dict[int, float]:
        """Score of each number of components tried, larger is better; empty where none was."""
        return dict(self._state.selection or {})

    def log_density(self, X: ArrayLike) -> Floats:
        """
        Give the natural logarithm of the density.

        Parameters
        ----------
        X : array_like, (n, d), or (n,) where d is 1
            Points.

        Returns
        -------
        ndarray, (n,)
            ``log p(x)`` of each point.

        Raises
        ------
        ValueError
            If X has another number of columns, NaN or infinities.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
        >>> g.log_density([0.0]).round(4)
        array([-0.9189])
        """
        return _core.log_density(*self._parameters, self._points(X))

    def responsibilities(self, X: ArrayLike) -> Floats:
        """
        Give the probability of each component at each point.

        Parameters
        ----------
        X : array_like, (n, d), or (n,) where d is 1
            Points.

        Returns
        -------
        ndarray, (n, K)
            Probabilities; each row has sum one.

        Raises
        ------
        ValueError
            If X has another number of columns, NaN or infinities.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([0.5, 0.5], [[-1.0], [1.0]], [[[1.0]], [[1.0]]])
        >>> g.responsibilities([0.0])
        array([[0.5, 0.5]])
        """
        return _core.responsibilities(*self._parameters, self._points(X))

    def sample(self, n: int, rng: Rng = None) -> Floats:
        """
        Draw from the mixture.

        Parameters
        ----------
        n : int
            Number of draws.
        rng : int, numpy.random.SeedSequence or numpy.random.Generator, optional
            Source of the seed; None is a fresh one.

        Returns
        -------
        ndarray, (n, d)
            Draws.

        Raises
        ------
        ValueError
            If `n` is not a whole number of at least 1.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> g.sample(3, rng=0).shape
        (3, 2)
        """
        return _core.sample(*self._parameters, seed_from(rng), whole_number("n", n, 1, 2**62))

    def marginal(self, columns: int | Sequence[int]) -> Self:
        """
        Give the mixture of some of the variables.

        Parameters
        ----------
        columns : int or sequence of int
            Variables to keep, in the order wanted, counted from 0.

        Returns
        -------
        GaussianMixture
            With as many components, and the same weights.

        Raises
        ------
        ValueError
            If `columns` are not distinct variables of the mixture.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 5.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> g.marginal(1).means
        array([[5.]])
        """
        weights, means, covariances = self._parameters
        kept = self._columns("columns", columns)
        return type(self)()._with(Fitted(weights, *_core.marginal(means, covariances, kept)))

    def conditional(self, columns: int | Sequence[int], values: ArrayLike) -> Self:
        """
        Give the mixture of the other variables where some have known values.

        Parameters
        ----------
        columns : int or sequence of int
            Variables that are known, counted from 0; not all of them.
        values : array_like, (len(columns),)
            Their values.

        Returns
        -------
        GaussianMixture
            Of the other variables, in their order.

        Raises
        ------
        ValueError
            If `columns` are not distinct variables of the mixture, or are all of them, or `values` do not match.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> g.conditional(0, 2.0).means
        array([[1.2]])
        """
        known = self._columns("columns", columns)
        if len(known) == self._state.means.shape[1]:
            raise ValueError("columns are all variables of the mixture, so no other is left")
        at = complete(variable("values", np.atleast_1d(values))).reshape(-1)
        if len(at) != len(known):
            raise ValueError(f"values must have one number per column, {len(known)}, got {len(at)}")
        return type(self)()._with(Fitted(*_core.conditional(*self._parameters, known, at)))

    def entropy(self, *, integration_tol: float = _INTEGRATION_TOL) -> float:
        """
        Compute the differential entropy.

        Parameters
        ----------
        integration_tol : float
            Error of the integral aimed at, in nats.

        Returns
        -------
        float
            ``-E[log p(x)]``, in nats.

        Raises
        ------
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
        >>> round(g.entropy(), 4)
        1.4189
        """
        tol = positive_number("integration_tol", integration_tol)
        return _core.entropy(*self._parameters, tol, _INTEGRATION_SEED)[0]

    def mutual_information(
        self,
        x_columns: int | Sequence[int],
        y_columns: int | Sequence[int],
        given: int | Sequence[int] | None = None,
        *,
        integration_tol: float = _INTEGRATION_TOL,
    ) -> float:
        """
        Compute the mutual information between two sets of variables, conditional on a third where given.

        Parameters
        ----------
        x_columns, y_columns : int or sequence of int
            Variables, counted from 0.
        given : int or sequence of int, optional
            Variables that are conditioned on.
        integration_tol : float
            Error of the integral aimed at, in nats.

        Returns
        -------
        float
            ``E[log p(x, y | z) / (p(x | z) p(y | z))]`` in nats, never below zero.

        Raises
        ------
        ValueError
            If the columns are not distinct variables of the mixture.
        NotFittedError
            If the mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> round(g.mutual_information(0, 1), 4)
        0.2231
        """
        x, y = self._columns("x_columns", x_columns), self._columns("y_columns", y_columns)
        z = np.empty(0, np.int32) if given is None else self._columns("given", given)
        if len(set(x) | set(y) | set(z)) < len(x) + len(y) + len(z):
            raise ValueError("x_columns, y_columns and given must have no variable in common")
        tol = positive_number("integration_tol", integration_tol)
        return _core.mixture_mutual_information(*self._parameters, x, y, z, tol, _INTEGRATION_SEED)[0]

    def kl_divergence(self, other: GaussianMixture, *, integration_tol: float = _INTEGRATION_TOL) -> float:
        """
        Compute the Kullback-Leibler divergence of this mixture from another.

        Parameters
        ----------
        other : GaussianMixture
            A mixture of as many variables.
        integration_tol : float
            Error of the integral aimed at, in nats.

        Returns
        -------
        float
            ``E[log p(x) / q(x)]`` under this mixture p, q being the other; in nats, never below zero.

        Raises
        ------
        ValueError
            If the other is no mixture, or one of another number of variables.
        NotFittedError
            If a mixture has not been fitted.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> p = fg.GaussianMixture.from_parameters([1.0], [[0.0]], [[[1.0]]])
        >>> q = fg.GaussianMixture.from_parameters([1.0], [[1.0]], [[[1.0]]])
        >>> round(p.kl_divergence(q), 9)
        0.5
        """
        if not isinstance(other, GaussianMixture):
            raise ValueError(f"other must be a GaussianMixture, got {other!r}")
        d, d_other = self._state.means.shape[1], other._state.means.shape[1]
        if d_other != d:
            raise ValueError(f"other has {count(d_other, 'variable')} but this mixture has {d}")
        tol = positive_number("integration_tol", integration_tol)
        return _core.kl_divergence(*self._parameters, *other._parameters, tol, _INTEGRATION_SEED)[0]

    def expect(self, f: Any, *, integration_tol: float = _INTEGRATION_TOL) -> tuple[float, float]:
        """
        Compute the expectation of any function.

        Parameters
        ----------
        f : callable, scipy.LowLevelCallable, numba.cfunc or ctypes function
            A Python callable takes points, (m, d), and gives their values, (m,). A compiled function takes one point,
            ``double (int d, double *point)`` or ``double (int d, double *point, void *user_data)``, and is called
            without the GIL; so it must not use Python.
        integration_tol : float
            Error of the integral aimed at, relative to ``E|f(x)|``.

        Returns
        -------
        value : float
            ``E[f(x)]`` under the mixture.
        error : float
            Estimate of the error of the integral, in the units of f.

        Raises
        ------
        ValueError
            If a value of f is NaN or infinite, if f does not give one number per point, or if a compiled function has
            another signature.
        NotFittedError
            If the mixture has not been fitted.

        See Also
        --------
        entropy, mutual_information, kl_divergence : Expectations with methods of their own.

        Notes
        -----
        ``E[f(x)] = sum_k w_k E_k[f(x)]``, each over a lattice in the coordinates of the component (the trapezoid rule;
        Trefethen and Weideman 2014, SIAM Review 56, 385) in up to three dimensions where f is smooth, otherwise over
        randomised quasi-Monte Carlo points (L'Ecuyer and Lemieux 2000, Management Science 46, 1214). The same mixture
        and function have the same nodes, in whichever language the function is written, and whatever Python raises
        inside of it is passed on.

        Examples
        --------
        >>> import fastgmmmi as fg
        >>> g = fg.GaussianMixture.from_parameters([1.0], [[0.0, 0.0]], [[[1.0, 0.6], [0.6, 1.0]]])
        >>> value, error = g.expect(lambda points: points[:, 0] * points[:, 1])
        >>> round(value, 6), error < 1e-5
        (0.6, True)
        """
        tol = positive_number("integration_tol", integration_tol)
        function = callbacks.function_of_points(f)
        value, error, fault = _core.expect(*self._parameters, function, tol, _INTEGRATION_SEED)
        if fault is not None:
            raise ValueError(f"f is NaN or infinite at the point {fault.tolist()}")
        return value, error

    def save(self, path: str | os.PathLike[str]) -> None:
        """
        Save the mixture and its keywords, except a generator passed as rng.

        Parameters
        ----------
        path : path-like
            File to write, in NumPy's .npz format.

        Raises
        ------
        NotFittedError
            If the mixture has not been fitted.
        """
        numbers, arrays = self._state.split()
        rng = self._keywords["rng"]
        keywords = {**self._keywords, "rng": rng if isinstance(rng, int | np.integer) else None}
        files.save(path, type(self).__name__, {**numbers, "keywords": keywords}, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """
        Load a mixture; this runs no code from the file.

        Parameters
        ----------
        path : path-like
            File that `save` wrote.

        Returns
        -------
        GaussianMixture
            The mixture.

        Raises
        ------
        ValueError
            If the file is not one that `save` wrote.
        """
        numbers, arrays = files.load(path, cls.__name__)
        return cls(**numbers.pop("keywords"))._with(Fitted.join(numbers, arrays))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """
        Give the keywords, as scikit-learn's estimators do.

        Parameters
        ----------
        deep : bool
            Without effect: no keyword is an estimator.

        Returns
        -------
        dict
            Keyword to value.
        """
        return dict(self._keywords)

    def set_params(self, **params: Any) -> Self:
        """
        Change keywords, as scikit-learn's estimators do.

        Parameters
        ----------
        **params
            Keyword to value.

        Returns
        -------
        GaussianMixture
            The object itself.

        Raises
        ------
        ValueError
            If there is no such keyword.
        """
        for name in params:
            choice("a keyword of GaussianMixture", name, self._keywords)
        self._keywords.update(params)
        return self

    def __repr__(self) -> str:
        if self._fitted is None:
            return "GaussianMixture(not fitted)"
        n_components, d = self._fitted.means.shape
        return f"GaussianMixture({count(n_components, 'component')}, {count(d, 'variable')})"

    @property
    def _state(self) -> Fitted:
        if self._fitted is None:
            raise NotFittedError("this GaussianMixture has not been fitted; call fit first")
        return self._fitted

    @property
    def _parameters(self) -> tuple[Floats, Floats, Floats]:
        return self._state[:3]

    def _with(self, fitted: Fitted) -> Self:
        self._fitted = fitted
        return self

    def _points(self, X: ArrayLike) -> Floats:
        points = variable("X", X)
        d = self._state.means.shape[1]
        if points.values.shape[1] != d:
            columns = count(points.values.shape[1], "column")
            raise ValueError(f"X has {columns} but the mixture has {count(d, 'variable')}")
        return complete(points)

    def _columns(self, argument: str, columns: int | Sequence[int]) -> NDArray[np.int32]:
        array = np.atleast_1d(columns)
        d = self._state.means.shape[1]
        allowed = array.ndim == 1 and array.dtype.kind in "iu" and ((array >= 0) & (array < d)).all()
        if not allowed or len(set(array.tolist())) < len(array):
            raise ValueError(f"{argument} must be distinct whole numbers from 0 to {d - 1}, got {columns!r}")
        return np.ascontiguousarray(array, np.int32)


def _validated(weights: Floats, means: Floats, covariances: Floats) -> Fitted:
    """Check parameters that a user gave."""
    shapes = weights.shape, means.shape, covariances.shape
    if (
        weights.size == 0
        or means.ndim != 2
        or shapes
        != (
            means.shape[:1],
            means.shape,
            (*means.shape, means.shape[1]),
        )
    ):
        raise ValueError(
            "weights, means and covariances must have the shapes (K,), (K, d) and (K, d, d), "
            f"got {shapes[0]}, {shapes[1]} and {shapes[2]}"
        )
    for name, array in (("weights", weights), ("means", means), ("covariances", covariances)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} must be finite")
    if (weights < 0).any():
        raise ValueError(f"weights must be nonnegative, got {weights.min():g} at {weights.argmin()}")
    if abs(weights.sum() - 1) > 1e-6:
        raise ValueError(f"weights must have the sum 1, got {weights.sum():g}")
    transposed = covariances.transpose(0, 2, 1)
    largest = np.abs(covariances).max(axis=(1, 2), keepdims=True)
    symmetric = np.abs(covariances - transposed) <= 1e-8 * largest
    for k in range(len(weights)):
        if not symmetric[k].all():
            raise ValueError(f"covariances[{k}] is not symmetric")
        try:
            _core.log_density(np.ones(1), means[k : k + 1], covariances[k : k + 1], means[k : k + 1])
        except _core.CoreError:
            raise ValueError(f"covariances[{k}] is not positive definite") from None
    return Fitted(weights / weights.sum(), means, np.ascontiguousarray((covariances + transposed) / 2))
