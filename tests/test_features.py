"""Ranking of features: scikit-learn's meaning, in scikit-learn's places."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

import fastgmmmi as fg


@pytest.fixture(scope="module")
def data():
    """Five features, (300, 5), of which the second and the fifth tell about the target, (300,)."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 5))
    return X, X[:, 1] + X[:, 4] ** 2 + 0.2 * rng.normal(size=300)


def test_scores_are_the_plug_in_estimates(data):
    X, y = data
    scores = fg.mutual_info_regression(X, y, random_state=3)
    assert scores.shape == (5,)
    for j in range(5):
        assert scores[j] == fg.mutual_information(X[:, j], y, n_bootstrap=0, rng=3).value
    assert (scores >= 0).all()


def test_select_k_best(data):
    X, y = data
    selector = SelectKBest(fg.mutual_info_regression, k=2).fit(X, y)
    assert selector.get_support(indices=True).tolist() == [1, 4]


def test_pipeline(data):
    X, y = data
    model = make_pipeline(SelectKBest(fg.mutual_info_regression, k=2), LinearRegression()).fit(X, y)
    assert model[0].get_support(indices=True).tolist() == [1, 4]
    assert model.predict(X).shape == (300,)


@pytest.mark.parametrize("kind", [int, str, bool])
def test_classes(data, kind):
    X, y = data
    labels = (y > np.median(y)).astype(int).astype(kind)
    model = make_pipeline(SelectKBest(fg.mutual_info_classif, k=2), LogisticRegression()).fit(X, labels)
    assert model[0].get_support(indices=True).tolist() == [1, 4]
    scores = fg.mutual_info_classif(X, labels, random_state=0)
    r = fg.mutual_information(X[:, 1], labels, discrete="y", n_bootstrap=0, rng=0)
    assert scores[1] == r.value


def test_discrete_features(data):
    X, y = data
    X = X.copy()
    X[:, 1] = X[:, 1] > 0
    expected = fg.mutual_information(X[:, 1], y, discrete="x", n_bootstrap=0, rng=0).value
    for discrete in ([1], [False, True, False, False, False]):
        assert fg.mutual_info_regression(X, y, discrete_features=discrete, random_state=0)[1] == expected
    frame = pd.DataFrame(X[:, [0, 1]], columns=["a", "b"]).assign(b=lambda f: np.where(f.b > 0, "yes", "no"))
    assert fg.mutual_info_regression(frame, y, random_state=0)[1] == pytest.approx(expected)


def test_seeds_and_threads(data):
    X, y = data
    first = fg.mutual_info_regression(X, y, random_state=0)
    for n_jobs in (1, 3, -1, -2, -100):
        assert np.array_equal(fg.mutual_info_regression(X, y, random_state=0, n_jobs=n_jobs), first)
    for random_state in (None, np.random.default_rng(0), np.random.RandomState(0), np.random.SeedSequence(0)):
        assert fg.mutual_info_regression(X, y, random_state=random_state).argmax() == first.argmax()
    again = (fg.mutual_info_regression(X, y, random_state=np.random.RandomState(1)) for _ in range(2))
    assert np.array_equal(*again)


def test_a_constant_feature_has_no_information(data):
    X, y = data
    scores = fg.mutual_info_regression(np.column_stack([X, np.ones(300)]), y, random_state=0)
    assert scores[5] == 0
    assert scores[1] > 0.1
    assert fg.mutual_info_regression(X, np.ones(300)).tolist() == [0] * 5


def test_a_copy_of_the_target_has_all_information(data):
    X, y = data
    scores = fg.mutual_info_regression(np.column_stack([X, 2 - 3 * y]), y, random_state=0)
    assert scores[5] == np.inf
    selector = SelectKBest(fg.mutual_info_regression, k=1).fit(np.column_stack([X, y]), y)
    assert selector.get_support(indices=True).tolist() == [5]


def test_tables_and_columns(data):
    X, y = data
    expected = fg.mutual_info_regression(X, y, random_state=0)
    frame = pd.DataFrame(X, columns=list("abcde"))
    for target in (pd.Series(y), y[:, None], y.tolist(), pd.DataFrame({"y": y})):
        assert np.array_equal(fg.mutual_info_regression(frame, target, random_state=0), expected)


def test_looks_discrete(data):
    X, y = data
    steps = np.column_stack([X[:, 0], np.arange(300) % 4])
    with pytest.warns(UserWarning, match=r"^X column 1 takes only 4 distinct values") as caught:
        fg.mutual_info_regression(steps, y)
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fg.mutual_info_regression(steps, y, discrete_features=False)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"discrete_features": "all"}, "discrete_features must be one of 'auto', got 'all'"),
        ({"discrete_features": [True]}, "discrete_features must be 'auto', a bool, a mask of 5 features or numbers"),
        ({"discrete_features": [5]}, "discrete_features must be 'auto'"),
        ({"discrete_features": 0.5}, "discrete_features must be 'auto'"),
        ({"n_jobs": 0}, "threads must be a whole number of at least 1, got 0"),
        ({"y": np.zeros((300, 2))}, r"y must be one column, \(n,\), got shape \(300, 2\)"),
        ({"y": np.zeros(4)}, "y has 4 rows but X has 300"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "X column 0 is empty"),
        ({"X": np.arange(6.0).reshape(2, 3) ** 2, "y": np.arange(2.0)}, "X and y: 2 rows"),
    ],
)
def test_faults(data, keywords, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fg.mutual_info_regression(**{"X": data[0], "y": data[1], **keywords})


def test_missing_values(data):
    X, y = data[0].copy(), data[1]
    X[7, 2] = np.nan
    with pytest.raises(ValueError, match=r"^X has 1 NaN or infinite value, the first in row 7, column 2$"):
        fg.mutual_info_regression(X, y)
