"""Rows that are copies of others: they must not look like dependence, and rounded rows that meet are no copies."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import twins

import fastgmmmi as fg
from fastgmmmi import inputs

FOUND = r"^300 rows are copies of others; they are resampled and folded together"


def rows(n, seed=0):
    """Two columns for x and two for y."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, x @ [[1.0, 0.3], [0.2, 0.8]] + rng.normal(size=(n, 2))


def looked_at(*columns):
    """The groups that the core finds, which are the twin's."""
    groups, n_copies = inputs.copies([inputs.variable(f"column {j}", column) for j, column in enumerate(columns)])
    expected = twins.copies(*columns)
    if expected is None:
        assert (groups, n_copies) == (None, 0)
        return None
    np.testing.assert_array_equal(groups, expected[0])
    assert n_copies == expected[1]
    return groups


@pytest.mark.parametrize("marginals", ["auto", "standardize", "gaussianize", "none"])
def test_copies_say_what_the_rows_say(marginals):
    x, y = rows(100)
    once = fg.mutual_information(x, y, rng=0, marginals=marginals)
    with pytest.warns(UserWarning, match=FOUND):
        r = fg.mutual_information(np.repeat(x, 4, axis=0), np.repeat(y, 4, axis=0), rng=0, marginals=marginals)
    assert r.n_components <= 2
    assert abs(r.value - once.value) < once.standard_error
    assert r.standard_error > 0.7 * once.standard_error
    assert r.warnings[0].endswith("groups=np.arange(n), n the number of rows, if each is an observation of its own")


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
    assert looked_at(np.r_[x, x[:100]]) is None  # one column: ties
    assert looked_at(np.tile(x, 2)) is not None  # unless there are nothing but
    assert looked_at(np.tile(x, 2), np.repeat(y, 2)) is None  # columns repeat, rows do not
    assert looked_at(np.zeros(400), np.zeros(400)) is None
    assert looked_at(np.arange(400) % 20, np.arange(400) % 20) is None  # looks discrete
    coarse = np.round(x, 1)
    assert len(np.unique(looked_at(*(np.tile(column, 2) for column in (x, y, coarse, np.ones(400)))))) == 400
    few = np.r_[0:400, 0:200]
    assert looked_at(x[few], coarse[few]) is None  # one column cannot tell
    assert looked_at(np.tile(x, 2), np.tile(coarse, 2)) is not None  # but all rows were repeated
    coarse = np.round(x[:150] * 5), np.round(y[:150] * 5)
    assert looked_at(*coarse) is None
    assert looked_at(*(np.tile(column, 3) for column in coarse)).max() < 150
    assert looked_at(*(np.r_[np.tile(column, 3), column[:1]] for column in coarse)) is None
    few = np.r_[0:400, 0:20]
    assert looked_at(x[few], y[few]) is None
    many = np.r_[0:400, 0:40]
    numbers = looked_at(x[many], y[many])
    assert len(np.unique(numbers)) == 400
    np.testing.assert_array_equal(numbers[400:], numbers[:40])
    labels = np.arange(800) % 2
    with_labels = [inputs.variable("x", np.tile(np.stack([x, y], axis=1), (2, 1))), inputs.variable("y", labels, True)]
    groups, n_copies = inputs.copies(with_labels)
    np.testing.assert_array_equal(groups, np.tile(np.arange(400), 2))
    assert n_copies == 400
    with_labels[1] = inputs.variable("y", np.repeat([0, 1], 400), True)
    assert inputs.copies(with_labels) == (None, 0)
    assert looked_at(np.r_[0.0, x], np.r_[0.0, y]) is None
    zeros = np.r_[0.0, -0.0, x[:30], x[:30]], np.r_[1.0, 1.0, y[:30], y[:30]]
    np.testing.assert_array_equal(looked_at(*zeros), twins.copies(*zeros)[0])  # both zeros are one


def test_few_copies_among_many_rows():
    """Of which but a few are looked for among all."""
    x, y = np.random.default_rng(0).normal(size=(2, 80_000))
    assert looked_at(x, y) is None
    assert looked_at(np.tile(x, 2), np.tile(y, 2)).max() == 79_999
    some = np.r_[0:80_000, 0:4_500]  # 5.3%
    assert looked_at(x[some], y[some]) is not None


def test_samples_of_divergences():
    """In a pair of samples a copy is a pair; without pairs it is a row of the same sample."""
    x, y = (column[:, 0] for column in rows(100))
    xy = np.tile(x, 4), np.tile(y, 4)
    with pytest.warns(UserWarning, match=FOUND):
        r = fg.kl_divergence(*xy, paired=True, rng=0)
    once = fg.kl_divergence(x, y, paired=True, rng=0)
    assert r.standard_error > 0.7 * once.standard_error
    some = [np.r_[column[:100], column[:50]] for column in xy]
    assert fg.kl_divergence(*some, rng=0, n_bootstrap=0).warnings == ()  # of one column each: ties
    a, b = rows(100)
    with pytest.warns(UserWarning, match="^600 rows are copies"):
        fg.kl_divergence(np.tile(a, (4, 1)), np.tile(b, (4, 1)), rng=0, n_bootstrap=0)
    assert fg.kl_divergence(a, a, rng=0, n_bootstrap=0).warnings == ()  # one row of each sample


def test_independence_test_leaves_copies_out():
    x, y = rows(200)[0].T
    with pytest.warns(UserWarning, match=r"^600 rows are copies of others and are left out"):
        r = fg.independence_test(np.tile(x, 4), np.tile(y, 4), rng=0, n_permutations=49)
    once = fg.independence_test(x, y, rng=0, n_permutations=49)
    assert (r.p_value, r.statistic, r.n_samples) == (once.p_value, once.statistic, 200)


def test_a_mixture_does_not_take_copies_for_structure():
    """Copies on both sides of a fold would be told by components of their own."""
    X = np.repeat(rows(100)[0], 4, axis=0)
    assert fg.GaussianMixture(rng=0).fit(X).n_components <= 2


def test_every_executor_finds_them():
    x, y = (np.tile(column[:, 0], 4) for column in rows(100))
    with pytest.warns(UserWarning, match=FOUND):
        r = fg.mutual_information(x, y, rng=0, n_bootstrap=20)
    with ThreadPoolExecutor(2) as executor, pytest.warns(UserWarning, match=FOUND):
        other = fg.mutual_information(x, y, rng=0, n_bootstrap=20, executor=executor)
    np.testing.assert_array_equal(r.bootstrap_distribution, other.bootstrap_distribution)
