import signal

import numpy as np
import pytest

# A shell's background jobs ignore Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def xy():
    """Two correlated columns, (200,) each, read-only."""
    x, noise = np.random.default_rng(0).normal(size=(2, 200))
    y = 0.6 * x + 0.8 * noise
    x.flags.writeable = y.flags.writeable = False
    return x, y


@pytest.fixture(scope="session")
def mixture_parameters():
    """Weights, means and covariances of two components in three dimensions."""
    weights = np.array([0.4, 0.6])
    means = np.array([[-1.0, 0.0, 2.0], [1.0, 0.5, -1.0]])
    factors = np.random.default_rng(1).normal(size=(2, 3, 3)) + 2 * np.eye(3)
    return weights, means, factors @ factors.transpose(0, 2, 1)
