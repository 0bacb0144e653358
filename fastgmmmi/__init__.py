"""Mutual information with an error bar, by Gaussian mixtures and a compiled core."""

from ._core import cpu_tier, version
from .errors import ConvergenceWarning, DegenerateDataError, NotFittedError
from .files import get_include
from .information import mutual_information
from .mixture import GaussianMixture
from .parallel import set_num_threads
from .results import MIResult

__version__ = version()

__all__ = [
    "ConvergenceWarning",
    "DegenerateDataError",
    "GaussianMixture",
    "MIResult",
    "NotFittedError",
    "__version__",
    "cpu_tier",
    "get_include",
    "mutual_information",
    "set_num_threads",
]
