"""Rows that are copies of others: they must not look like dependence, and rounded rows that meet are no copies."""

import numpy as np
import pytest

import fastgmmmi as fg
from fastgmmmi import inputs

FOUND = r"^300 of 400 rows are copies of others; they are resampled and folded together"


def rows(n, seed=0):
    """Two columns for x and two for y."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, x @ [[1.0, 0.3], [0.2, 0.8]] + rng.normal(size=(n, 2))


def looked_at(*columns):
    return inputs.copies([inputs.variable(f"column {j}", column) for j, column in enumerate(columns)])


@pytest.mark.parametrize("marginals", ["auto", "standardize", "gaussianize", "none"])
def test_copies_say_what_the_rows_say(marginals):
    x, y = rows(100)
    once = fg.mutual_information(x, y, rng=0, marginals=marginals)
    with pytest.warns(UserWarning, match=FOUND):
        r = fg.mutual_information(np.repeat(x, 4, axis=0), np.repeat(y, 4, axis=0), rng=0, marginals=marginals)
    assert r.n_components <= 2
    assert abs(r.value - once.value) < once.standard_error
    assert r.standard_error > 0.7 * once.standard_error
    assert r.warnings[0].endswith("pass groups=np.arange(n) if each row is an observation of its own")


def test_two_columns_entropies_and_tables():
    x, y = (column[:, 0] for column in rows(100))
    copied = np.tile(x, 4), np.tile(y, 4)
    with pytest.warns(UserWarning, match=FOUND):
        r = fg.mutual_information(*copied, rng=0, n_bootstrap=20)
    assert abs(r.value - fg.mutual_information(x, y, rng=0, n_bootstrap=20).value) < 0.1
    with pytest.warns(UserWarning, match=FOUND):
        assert abs(fg.entropy(np.stack(copied, axis=1), rng=0).value - fg.entropy(np.stack([x, y], axis=1)).value) < 0.2
    with pytest.warns(UserWarning, match=FOUND):
        m = fg.mutual_information_matrix(np.stack(copied, axis=1), rng=0, n_bootstrap=20)
    np.testing.assert_array_equal(m.results[0, 1].bootstrap_distribution, r.bootstrap_distribution)
    assert m.warnings == r.warnings


def test_groups_say_that_they_are_none():
    x, y = (column[:, 0] for column in rows(100))
    options = {"n_components": 1, "n_bootstrap": 50, "rng": 0}
    own = fg.mutual_information(np.tile(x, 4), np.tile(y, 4), groups=np.arange(400), **options)
    assert own.warnings == ()
    assert own.standard_error < 0.7 * fg.mutual_information(x, y, **options).standard_error


def test_what_counts_as_copies():
    (x, _), (y, _) = (column.T for column in rows(400))
    assert looked_at(x, y) is None
    assert looked_at(np.round(x, 1), np.round(y, 1)) is None  # equal rows by chance
    assert looked_at(np.round(x, 1), y) is None
    assert looked_at(np.tile(x, 2)) is None  # one column: ties
    assert looked_at(np.tile(x, 2), np.repeat(y, 2)) is None  # columns repeat, rows do not
    assert looked_at(np.zeros(400), np.zeros(400)) is None
    assert looked_at(np.arange(400) % 20, np.arange(400) % 20) is None  # looks discrete
    coarse = np.round(x, 1)
    assert len(np.unique(looked_at(*(np.tile(column, 2) for column in (x, y, coarse, np.ones(400)))))) == 400
    assert looked_at(np.tile(x, 2), np.tile(coarse, 2)) is None  # one column cannot tell
    few = np.r_[0:400, 0:20]
    assert looked_at(x[few], y[few]) is None
    many = np.r_[0:400, 0:40]
    numbers = looked_at(x[many], y[many])
    assert len(np.unique(numbers)) == 400
    np.testing.assert_array_equal(numbers[400:], numbers[:40])
    labels = np.arange(800) % 2
    with_labels = [inputs.variable("x", np.tile(np.stack([x, y], axis=1), (2, 1))), inputs.variable("y", labels, True)]
    assert len(np.unique(inputs.copies(with_labels))) == 400
    with_labels[1] = inputs.variable("y", np.repeat([0, 1], 400), True)
    assert inputs.copies(with_labels) is None


def test_copies_among_many_rows():
    """More than are looked at one by one."""
    x, y = np.random.default_rng(0).normal(size=(2, 80_000))
    assert looked_at(x, y) is None
    assert looked_at(np.tile(x, 2), np.tile(y, 2)).max() == 79_999
