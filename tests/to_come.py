"""What is written against the interface before it is there: tests of it are skipped until it is."""

import warnings

import numpy as np
import pytest

import fastgmmmi as fg


def _missing(**keywords):
    x = np.random.default_rng(0).normal(size=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            fg.mutual_information(x, n_bootstrap=0, rng=0, **keywords)
        except (NotImplementedError, ValueError):
            return True
    return False


LABELS = ["a", "b", "c"] * 20
needs_discrete = pytest.mark.skipif(_missing(y=LABELS), reason="discrete variables are not available yet")
needs_given = pytest.mark.skipif(
    _missing(y=np.arange(60.0), given=np.sin(np.arange(60.0))), reason="given is not available yet"
)
