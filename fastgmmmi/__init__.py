"""Mutual information with an error bar, by Gaussian mixtures and a compiled core."""

try:
    from ._core import cpu_tier, version
except ModuleNotFoundError as error:
    if error.name != "fastgmmmi._core":
        raise
    raise ImportError(
        "this is the source folder of fastgmmmi, which holds no compiled core: start Python in another folder, "
        "or build it here with `pip install -e .`"
    ) from None
from .errors import ConvergenceWarning, DegenerateDataError, NotFittedError
from .features import mutual_info_classif, mutual_info_regression
from .files import get_include
from .independence import IndependenceTest, independence_test
from .information import entropy, kl_divergence, mutual_information
from .matrix import MIMatrix, mutual_information_matrix
from .mixture import GaussianMixture
from .parallel import set_num_threads
from .results import MIResult

__version__ = version()

__all__ = [
    "ConvergenceWarning",
    "DegenerateDataError",
    "GaussianMixture",
    "IndependenceTest",
    "MIMatrix",
    "MIResult",
    "NotFittedError",
    "__version__",
    "cpu_tier",
    "entropy",
    "get_include",
    "independence_test",
    "kl_divergence",
    "mutual_info_classif",
    "mutual_info_regression",
    "mutual_information",
    "mutual_information_matrix",
    "set_num_threads",
]
