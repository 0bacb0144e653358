"""What holds for any data: invariances of mutual_information, drawn by hypothesis, always the same examples."""

import math
import warnings
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgmmmi as fg

examples = settings(derandomize=True, deadline=None, max_examples=25, database=None)


class Table(NamedTuple):
    """Rows of x (n, dx) and y (n, dy): Gaussian, bent, skew or in two clusters."""

    kind: str
    n: int
    dx: int
    dy: int
    seed: int

    def columns(self):
        rng = np.random.default_rng(self.seed)
        x, y = rng.normal(size=(self.n, self.dx)), rng.normal(size=(self.n, self.dy))
        if self.kind == "gaussian":
            return x, y + 0.7 * x[:, :1]
        if self.kind == "bent":
            return x, 0.4 * y + x[:, :1] ** 2
        if self.kind == "skew":
            return x, np.exp(y + 0.3 * x[:, :1])
        shift = 5.0 * (rng.random((self.n, 1)) > 0.4)
        return x + shift, y - shift


KINDS = st.sampled_from(["gaussian", "bent", "skew", "clusters"])
SEEDS = st.integers(0, 2**32)
ONE_OR_TWO = st.integers(1, 2)


def tables(dx=ONE_OR_TWO, dy=ONE_OR_TWO):
    return st.builds(Table, KINDS, st.integers(60, 150), dx, dy, SEEDS)


def estimate(x, y, **keywords):
    """The estimate with few replicates; that a fit was cut short or a column looks odd is beside the point here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fg.mutual_information(x, y, **{"n_bootstrap": 5, "rng": 1, **keywords})


def assert_same(found, expected, tolerance):
    """Value, plug-in, replicates and error bar, to an absolute tolerance in nats."""
    assert found.n_components == expected.n_components
    for name in ("value", "plug_in", "standard_error", "bootstrap_distribution"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=0, atol=tolerance, err_msg=name)


@given(tables(), st.floats(-150, 150), st.floats(-150, 150))
@examples
def test_scale(table, x_exponent, y_exponent):
    x, y = table.columns()
    assert_same(estimate(x * 10.0**x_exponent, y * 10.0**y_exponent), estimate(x, y), 1e-9)


@given(tables(), st.floats(-1e8, 1e8), st.floats(-1e8, 1e8))
@examples
def test_offset(table, x_offset, y_offset):
    """Adding 1e8 rounds the data to 1.5e-8, which moves an estimate by about as much: 1e-6 as promised."""
    x, y = table.columns()
    assert_same(estimate(x + x_offset, y + y_offset), estimate(x, y), 1e-6)


@given(tables(dy=st.just(1)), st.booleans(), st.booleans())
@examples
def test_sign(table, flip_x, flip_y):
    """Up to dimension 3; above, a mirrored mixture meets other random numbers: values differ by its error."""
    x, y = table.columns()
    assert_same(estimate(-x if flip_x else x, -y if flip_y else y), estimate(x, y), 1e-9)


@given(tables())
@examples
def test_symmetry(table):
    """Columns are fitted in an order of their own, so only rounding is left, whatever the number of components."""
    x, y = table.columns()
    assert_same(estimate(y, x), estimate(x, y), 1e-9)


@given(tables(dx=st.just(3)), st.permutations(range(3)))
@examples
def test_order_of_columns(table, order):
    x, y = table.columns()
    assert_same(estimate(x[:, order], y), estimate(x, y), 1e-9)


@given(tables())
@examples
def test_plug_in_is_not_negative_and_value_adds_up(table):
    found = estimate(*table.columns(), reselect=False)
    assert found.plug_in >= 0
    assert found.value == pytest.approx(2 * found.plug_in - found.bootstrap_distribution.mean(), abs=1e-12)
    assert found.integration_error >= 0
    assert (found.bootstrap_distribution >= 0).all()


@given(tables())
@examples
def test_normal_scores_are_invariant_under_monotone_maps(table):
    """Ranks stay, so even the bits do."""
    x, y = table.columns()
    expected = estimate(x, y, marginals="gaussianize")
    assert_same(estimate(np.exp(x), y**3 + 10 * y, marginals="gaussianize"), expected, 1e-10)
    assert_same(estimate(np.arctan(x), y, marginals="gaussianize"), expected, 1e-10)


@given(tables(), st.sampled_from([("bits", math.log(2)), ("bans", math.log(10))]))
@examples
def test_units(table, unit):
    name, nats = unit
    found, expected = estimate(*table.columns(), units=name), estimate(*table.columns())
    for quantity in ("value", "standard_error", "plug_in", "integration_error", "bootstrap_distribution"):
        np.testing.assert_allclose(np.multiply(getattr(found, quantity), nats), getattr(expected, quantity), rtol=1e-13)
    np.testing.assert_allclose(
        np.multiply(found.confidence_interval(0.9), nats), expected.confidence_interval(0.9), rtol=1e-12
    )


@given(tables(), st.sampled_from(["standardize", "gaussianize", "none"]), st.booleans())
@examples
def test_inputs_are_left_as_they_were(table, marginals, weighted):
    x, y = table.columns()
    weights = np.linspace(0, 1, len(x)) if weighted else None
    before = [array.tobytes() for array in (x, y, weights) if array is not None]
    estimate(x, y, marginals=marginals, sample_weight=weights)
    assert [array.tobytes() for array in (x, y, weights) if array is not None] == before


@given(tables(), st.integers(0, 2**64 - 1))
@examples
def test_the_same_seed_gives_the_same_bits(table, seed):
    first, second = (estimate(*table.columns(), rng=seed, threads=threads) for threads in (1, 3))
    assert (first.value, first.standard_error) == (second.value, second.standard_error)


@given(st.integers(0, 2**32), st.floats(-0.95, 0.95))
@examples
def test_one_component_is_the_closed_form(seed, rho):
    x, noise = np.random.default_rng(seed).normal(size=(2, 80))
    y = rho * x + math.sqrt(1 - rho**2) * noise
    expected = -0.5 * math.log1p(-(np.corrcoef(x, y)[0, 1] ** 2))
    assert estimate(x, y, n_components=1).plug_in == pytest.approx(expected, abs=1e-12)


@given(tables(), st.integers(0, 2**32))
@examples
def test_the_order_of_rows_does_not_matter_to_one_component(table, seed):
    x, y = table.columns()
    order = np.random.default_rng(seed).permutation(len(x))
    found, expected = (estimate(a, b, n_components=1, n_bootstrap=0) for a, b in ((x[order], y[order]), (x, y)))
    assert found.plug_in == pytest.approx(expected.plug_in, abs=1e-12)
