"""All pairs of columns: the same bits as pair by pair, whoever computes them, and no pair spoils another."""

import _thread
import dataclasses
import json
import pickle
import sys
import threading
import time
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import fastgmmmi as fg
from fastgmmmi import matrix as matrix_module
from fastgmmmi import parallel

QUICK = {"n_bootstrap": 6, "max_components": 3, "rng": 5}


@pytest.fixture(scope="module")
def X():
    """Four columns, (150, 4); the first and the third go together."""
    X = np.random.default_rng(0).normal(size=(150, 4))
    X[:, 2] += X[:, 0]
    X.flags.writeable = False
    return X


@pytest.fixture(scope="module")
def m(X):
    return fg.mutual_information_matrix(X, **QUICK)


@pytest.fixture(scope="module")
def cross(X):
    """Three columns against one."""
    return fg.mutual_information_matrix(X[:, :3], X[:, 3], **QUICK)


# ---- pairs -----------------------------------------------------------------------------------------------------------


def test_every_pair_is_what_mutual_information_gives(X, m):
    for i, j in np.ndindex(4, 4):
        if i == j:
            continue
        first, second = sorted((i, j))
        r = fg.mutual_information(X[:, first], X[:, second], **QUICK)
        assert m.results[i, j] == r
        assert (m.values[i, j], m.standard_errors[i, j]) == tuple(r)
        assert m.n_samples[i, j] == 150
        assert m.errors[i, j] is None
    assert m.symmetric
    assert m.row_names == m.column_names == (0, 1, 2, 3)
    assert m.values.shape == (4, 4)


def test_the_diagonal_is_not_computed(m):
    assert np.isnan(np.diag(m.values)).all()
    assert np.isnan(np.diag(m.standard_errors)).all()
    assert list(np.diag(m.errors)) == [None] * 4
    with pytest.raises(ValueError, match=r"^the diagonal is not computed"):
        m.results[1, 1]


def test_columns_against_columns(X, m, cross):
    assert cross.values.shape == (3, 1)
    assert not cross.symmetric
    assert np.array_equal(cross.values[:, 0], m.values[:3, 3])
    assert cross.results[-1, 0] == m.results[2, 3]
    with pytest.raises(IndexError):
        cross.results[0, 1]


def test_a_pair_does_not_depend_on_the_other_columns(X, m):
    some = fg.mutual_information_matrix(X[:, [0, 2]], **QUICK)
    assert some.results[0, 1] == m.results[0, 2]


def test_units(X, m):
    bits = fg.mutual_information_matrix(X, units="bits", **QUICK)
    for name in ("values", "standard_errors"):
        np.testing.assert_allclose(getattr(bits, name), getattr(m, name) / np.log(2), rtol=1e-12)
    np.testing.assert_allclose(bits.confidence_interval(), np.array(m.confidence_interval()) / np.log(2), rtol=1e-12)
    np.testing.assert_allclose(bits.information_gap()[:2], np.array(m.information_gap()[:2]) / np.log(2), rtol=1e-12)


def test_weights(X):
    weight = 1.0 + np.arange(150) % 2
    m = fg.mutual_information_matrix(X[:, :2], X[:, 2], sample_weight=weight, **QUICK)
    r = fg.mutual_information(X[:, 1], X[:, 2], sample_weight=weight, **QUICK)
    assert m.results[1, 0] == r


def test_intervals(m):
    low, high = m.confidence_interval(0.8, "percentile")
    assert (low[0, 2], high[2, 0]) == m.results[0, 2].confidence_interval(0.8, "percentile")
    assert np.array_equal(np.isnan(low), np.isnan(m.values))
    with pytest.raises(ValueError, match=r"^level must be between 0 and 1"):
        m.confidence_interval(95)


def test_no_bootstrap(X):
    m = fg.mutual_information_matrix(X[:, :2], X[:, 2:], **{**QUICK, "n_bootstrap": 0})
    assert np.isfinite(m.values).all()
    assert np.isnan(m.standard_errors).all()
    assert m.results[0, 0].standard_error is None
    assert np.isnan(m.information_gap().standard_error).all()
    assert np.isfinite(m.information_gap().value).all()
    with pytest.raises(ValueError, match="there are 0; raise n_bootstrap"):
        m.confidence_interval()


# ---- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_tables_keep_their_names(X, m, table):
    found = fg.mutual_information_matrix(table({name: X[:, j] for j, name in enumerate("abcd")}), **QUICK)
    assert found.row_names == found.column_names == tuple("abcd")
    assert np.array_equal(found.values, m.values, equal_nan=True)


def test_lists_and_series(X, cross):
    found = fg.mutual_information_matrix(X[:, :3].tolist(), pd.Series(X[:, 3], name="target"), **QUICK)
    assert found.row_names == (0, 1, 2)
    assert found.column_names == ("target",)
    assert np.array_equal(found.values, cross.values)


def test_masked_arrays(X):
    masked = np.ma.masked_greater(X, 1.5)
    plain = np.where(X > 1.5, np.nan, X)
    first, second = (fg.mutual_information_matrix(data, missing="drop", **QUICK) for data in (masked, plain))
    assert first == second


def test_the_columns_are_referred_to(X):
    columns = {name: X[:, j].copy() for j, name in enumerate("ab")}
    m = fg.mutual_information_matrix(pa.table(columns), **QUICK)
    first, second = (m.results[0, 1]._data.variables for _ in range(2))
    assert all(np.shares_memory(a.values, b.values) for a, b in zip(first, second, strict=True))


# ---- missing values and faults ---------------------------------------------------------------------------------------


@pytest.fixture
def gaps(X):
    """Rows missing here and there, and columns that have nothing to say."""
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame.loc[:9, "a"] = np.nan
    frame.loc[5:19, "b"] = np.nan
    return frame.assign(flat=1.0, nothing=np.nan)


def test_rows_are_dropped_pair_by_pair(gaps):
    m = fg.mutual_information_matrix(gaps[["a", "b", "c"]], missing="drop", **QUICK)
    assert m.n_dropped[np.triu_indices(3, 1)].tolist() == [20, 10, 15]
    assert (m.n_samples + m.n_dropped)[0, 1] == 150
    r = fg.mutual_information(gaps["a"], gaps["b"], missing="drop", **QUICK)
    assert m.results[0, 1] == r


def test_missing_values_are_refused_by_default(gaps):
    with pytest.raises(ValueError, match=r"^X has 10 NaN values, the first in row 0, column 'a'; pass missing='drop'"):
        fg.mutual_information_matrix(gaps[["c", "a"]])
    with pytest.raises(ValueError, match=r"^Y has 15 NaN values, the first in row 5, column 'b'"):
        fg.mutual_information_matrix(gaps[["c"]], gaps[["d", "b"]])


def test_a_bad_column_does_not_spoil_the_rest(gaps, m):
    found = fg.mutual_information_matrix(gaps[["c", "flat", "d", "nothing"]], missing="drop", **QUICK)
    assert found.values[0, 2] == m.values[2, 3]
    assert np.isfinite(found.values).sum() == 2
    assert found.errors[0, 1] == found.errors[1, 0]
    assert found.errors[0, 1] == "X column 'flat' is constant, so no information about it can be estimated"
    assert found.errors[3, 2].startswith("no row is without NaN")
    assert np.isnan(found.standard_errors[0, 1])
    assert np.isnan(found.confidence_interval()[0][0, 1])
    assert repr(found) == "MIMatrix(4 x 4, nats, 5 failed)"
    with pytest.raises(ValueError, match=r"^X column 'flat' is constant"):
        found.results[0, 1]


def test_copies_of_a_column_are_collinear(X):
    m = fg.mutual_information_matrix(X[:, [0, 0, 1]], **QUICK)
    assert m.errors[0, 1].startswith("X column 1 is an exact linear function of the other columns")
    assert np.isfinite(m.values[0, 2])


def test_too_few_rows(X):
    m = fg.mutual_information_matrix(X[:2], **QUICK)
    assert "2 rows, too few to fit a density" in m.errors[0, 1]


TWO_NAMED_A = pd.DataFrame(np.arange(15.0).reshape(5, 3), columns=["a", "b", "a"])


@pytest.mark.parametrize(
    ("X", "Y", "keywords", "message"),
    [
        (np.zeros((5, 1)), None, {}, "X alone must have at least two columns, got 1; or pass Y as well"),
        (np.zeros((0, 3)), None, {}, "X column 0 is empty"),
        (np.zeros((5, 0)), None, {}, "X has no columns"),
        (pd.DataFrame(), None, {}, "X has no columns"),
        (np.zeros((5, 2, 2)), None, {}, r"X must be columns, \(n, d\) or \(n,\), got an array of shape"),
        (3.0, None, {}, r"X must be columns, \(n, d\) or \(n,\), got an array of shape \(\)"),
        (np.zeros((5, 2)), np.zeros(4), {}, "Y has 4 rows but X has 5"),
        (np.full((5, 2), np.inf), None, {"missing": "drop"}, "X has 5 infinite values, the first in row 0, column 0"),
        (np.zeros((5, 2), complex), None, {}, "X column 0 is complex"),
        (np.zeros((5, 2)), None, {"sample_weight": np.ones(4)}, "sample_weight has 4 rows but X has 5"),
        (np.zeros((5, 2)), None, {"sample_weight": -np.ones(5)}, "sample_weight has 5 negative values"),
        (np.zeros((5, 2)), None, {"units": "bit"}, "units must be one of"),
        (np.zeros((5, 2)), None, {"missing": "keep"}, "missing must be one of"),
        (np.zeros((5, 2)), None, {"n_bootstrap": -1}, "n_bootstrap must be a whole number"),
        (np.zeros((5, 2)), None, {"threads": 0}, "threads must be a whole number"),
        (np.zeros((5, 2)), None, {"executor": 2}, "executor must be a concurrent.futures.Executor"),
        (np.zeros((5, 2)), None, {"progress": 2}, "progress must be True, False or a callable"),
        (np.zeros((5, 2)), None, {"discrete": ["z"]}, "discrete names 'z', but there is no such column"),
        (np.zeros((5, 2)), None, {"discrete": [True]}, "discrete is a mask of 1, but there are 2 columns"),
        (TWO_NAMED_A, None, {}, r"X has several columns named 'a' \(numbers 0, 2\): rename them"),
        (np.zeros((5, 2)), TWO_NAMED_A, {}, r"Y has several columns named 'a' \(numbers 0, 2\): rename them"),
    ],
)
def test_faults_of_arguments(X, Y, keywords, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        fg.mutual_information_matrix(X, Y, **keywords)


def test_warnings_come_once(X):
    steps = np.arange(150) % 3
    columns = np.column_stack([X[:, 0], steps, X[:, 1]])
    with pytest.warns(UserWarning, match=r"^X column 1 takes only 3 distinct values.*name it in discrete") as caught:
        m = fg.mutual_information_matrix(columns, n_components=1, n_bootstrap=0)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert m.warnings == (str(caught[0].message),)
    confirmed = fg.mutual_information_matrix(columns, discrete=[None, False, None], n_components=1, n_bootstrap=0)
    assert confirmed.warnings == ()
    with pytest.warns(fg.ConvergenceWarning, match=r"^3 pairs, the first 0 and 1: the fit stopped"):
        m = fg.mutual_information_matrix(X[:, :3], n_components=4, max_iter=1, n_bootstrap=0, rng=0)
    assert len(m.warnings) == 1
    assert not m.results[0, 1].converged
    assert m.results[0, 1].warnings[0].startswith("the fit stopped")


# ---- discrete columns ------------------------------------------------------------------------------------------------


def test_mixed_columns(X):
    labels = np.where(X[:, 0] > 0, "high", "low")
    codes = (X[:, 1] > 0) + 0
    frame = pd.DataFrame({"x": X[:, 0], "codes": codes, "labels": labels})
    m = fg.mutual_information_matrix(frame, discrete="codes", **QUICK)
    x = frame["x"]
    assert m.results[0, 1] == fg.mutual_information(x, codes, discrete="y", **QUICK)
    assert m.results[0, 2] == fg.mutual_information(x, labels, **QUICK)
    assert m.results[1, 2] == fg.mutual_information(codes, labels, discrete="both", **QUICK)
    assert fg.mutual_information_matrix(frame, discrete=[False, True, True], **QUICK) == m
    assert fg.mutual_information_matrix(frame, discrete=[None, True, None], executor=Here(), **QUICK) == m


def test_discrete_columns_on_both_sides(X):
    codes = (X[:, 1] > 0) + 0
    r = fg.mutual_information(X[:, 0], codes, discrete="y", **QUICK)
    for discrete in ([False, True], ["code"]):
        m = fg.mutual_information_matrix({"x": X[:, 0]}, {"code": codes}, discrete=discrete, **QUICK)
        assert m.results[0, 0] == r
    m = fg.mutual_information_matrix({"code": codes}, {"x": X[:, 0], "code": codes}, discrete="code", **QUICK)
    assert m.results[0, 1].value == pytest.approx(np.log(2), abs=0.01)


def test_labels_survive_a_file(X, tmp_path):
    labels = pd.Categorical(np.where(X[:, 0] > 0, "high", "low"))
    columns = {"x": X[:, 0], "label": labels, "flag": X[:, 1] > 0}
    m = fg.mutual_information_matrix(columns, marginals="standardize", **QUICK)
    m.save(tmp_path / "m")
    loaded = fg.MIMatrix.load(tmp_path / "m")
    assert loaded == m
    for pair in ((0, 1), (1, 2)):
        assert loaded.results[pair] == m.results[pair]
    x, y = [0.1, 0.2], ["low", "high"]
    assert np.array_equal(loaded.results[0, 1].pointwise(x, y), m.results[0, 1].pointwise(x, y))
    with pytest.raises(
        ValueError, match=r"^the result was loaded from a file, which does not hold the data; pass x and y$"
    ):
        loaded.results[0, 1].pointwise()


def test_faults_of_labels(X):
    labels = np.where(X[:, 0] > 0, "high", None)
    m = fg.mutual_information_matrix({"x": X[:, 1], "label": labels, "z": X[:, 2]}, missing="drop", **QUICK)
    assert m.errors[0, 1].startswith("X column 'label' has one label only")
    assert m.errors[0, 2] is None
    with pytest.raises(ValueError, match=r"^X column 'label' has \d+ missing labels, the first in row"):
        fg.mutual_information_matrix({"x": X[:, 1], "label": labels}, **QUICK)
    nothing = fg.mutual_information_matrix({"x": X[:, 1], "label": [None] * 150}, missing="drop", **QUICK)
    assert nothing.errors[0, 1].startswith("no row is without NaN")


def test_replicates_are_fitted_to_the_same_rows_whatever_the_labels():
    """So a column, its noisy copy and its label move together, about a column and about a label."""
    x, noise, other = np.random.default_rng(0).normal(size=(3, 600))
    y = x + noise
    columns = {"y": y, "copy": y + 0.1 * other, "label": np.digitize(y, [-1, 0, 1]).astype(str)}
    m = fg.mutual_information_matrix({"x": x, "sign": x > 0}, columns, n_components=1, n_bootstrap=100, rng=0)
    for i in range(2):
        replicates = [m.results[i, j].bootstrap_distribution for j in range(3)]
        assert np.corrcoef(replicates).min() > 0.7


def test_strings_that_are_to_be_continuous(X):
    with pytest.raises(ValueError, match="labels"):
        fg.mutual_information_matrix(pd.DataFrame({"x": X[:, 0], "labels": "a"}), discrete=[False, False], **QUICK)


# ---- the largest and the second --------------------------------------------------------------------------------------


def test_information_gap(X, m):
    gap = m.information_gap()
    assert gap.largest[0] == 2
    assert gap.largest[2] == 0
    for i, row in enumerate(m.values):
        second, first = np.argsort(np.nan_to_num(row, nan=-1))[-2:]
        assert (gap.largest[i], gap.second[i]) == (first, second)
        assert gap.value[i] == row[first] - row[second]
        difference = m.results[i, first].bootstrap_distribution - m.results[i, second].bootstrap_distribution
        assert gap.standard_error[i] == pytest.approx(difference.std(ddof=1), rel=1e-12)


def test_replicates_of_pairs_are_fitted_to_the_same_rows():
    """So the gap between a column and its noisy copy has a much smaller error than independent estimates would."""
    x, noise, other = np.random.default_rng(0).normal(size=(3, 400))
    columns = np.column_stack([x + noise, x + noise + 0.1 * other])
    m = fg.mutual_information_matrix(x, columns, n_components=1, n_bootstrap=50, rng=0)
    gap = m.information_gap()
    assert gap.standard_error[0] < 0.3 * np.hypot(*m.standard_errors[0])


@pytest.mark.slow
def test_the_error_of_the_gap_is_its_scatter():
    rng = np.random.default_rng(1)
    values, errors = [], []
    for seed in range(60):
        x, common, first, second = rng.normal(size=(4, 300))
        columns = np.column_stack([x + 0.6 * common + 0.4 * first, x + 0.6 * common + 0.8 * second])
        m = fg.mutual_information_matrix(x, columns, n_components=1, n_bootstrap=50, rng=seed)
        gap = m.information_gap()
        values.append(gap.value[0] if gap.largest[0] == 0 else -gap.value[0])
        errors.append(gap.standard_error[0])
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)


def test_rows_without_two_values(gaps):
    m = fg.mutual_information_matrix(gaps[["c", "flat"]], gaps[["a", "flat"]], missing="drop", **QUICK)
    gap = m.information_gap()
    assert gap.largest == gap.second == (None, None)
    assert np.isnan(gap.value).all()
    one = fg.mutual_information_matrix(gaps["c"], gaps["d"], **QUICK).information_gap()
    assert one.largest == (None,)


# ---- who computes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 5, 40])
def test_threads_give_the_same_bits(X, m, threads):
    assert fg.mutual_information_matrix(X, threads=threads, **QUICK) == m


class Here(Executor):
    """An executor that computes at once, and keeps what it was given; it can fail."""

    def __init__(self, fail_at=None):
        self.fail_at = fail_at
        self.jobs = []
        self.futures = []

    def submit(self, function, /, *arguments):
        future = Future()
        self.jobs.append(arguments)
        self.futures.append(future)
        if len(self.jobs) == self.fail_at:
            future.set_exception(OSError("a worker is gone"))
        elif self.fail_at is None:
            future.set_result(function(*arguments))
        return future


def test_executors_give_the_same_bits(X, m, cross):
    assert fg.mutual_information_matrix(X, executor=Here(), **QUICK) == m
    assert fg.mutual_information_matrix(X[:, :3], X[:, 3], executor=Here(), **QUICK) == cross
    with ThreadPoolExecutor(2) as executor:
        assert fg.mutual_information_matrix(X, executor=executor, **QUICK) == m


def test_processes(X, m):
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        assert fg.mutual_information_matrix(X, executor=executor, **QUICK) == m


@pytest.mark.parametrize(("p", "q"), [(40, 0), (30, 20), (1, 300), (300, 1), (2, 2), (2, 0)])
def test_blocks_hold_every_pair_once_and_few_columns(p, q):
    rng = np.random.default_rng(0)
    executor = Here()
    Y = rng.normal(size=(12, q)) if q else None
    X = rng.normal(size=(12, p))
    m = fg.mutual_information_matrix(X, Y, executor=executor, n_components=1, n_bootstrap=0, rng=0)
    assert m == fg.mutual_information_matrix(X, Y, n_components=1, n_bootstrap=0, rng=0)
    blocks = [pairs for _, pairs, *_ in executor.jobs]
    pairs = [pair for block in blocks for pair in block]
    assert len(pairs) == len(set(pairs)) == (p * q or p * (p - 1) // 2)
    assert len(blocks) <= 2 * parallel.RANGES
    for table, block, *_ in executor.jobs:
        assert set(table.rows) == {i for i, _ in block}
        assert set(table.columns) == {j for _, j in block}
    if p * q == 600:
        assert max(len(table.rows) + len(table.columns) for table, *_ in executor.jobs) <= 8


def test_an_error_cancels_what_has_not_begun(X):
    executor = Here(fail_at=2)
    with pytest.raises(OSError, match="a worker is gone"):
        fg.mutual_information_matrix(X, executor=executor, **QUICK)
    assert all(future.cancelled() or future.exception() for future in executor.futures)


@pytest.mark.parametrize("threads", [1, 3])
def test_an_unforeseen_error_ends_the_job(X, monkeypatch, threads):
    def fail(table, pair, *_):
        if pair == (1, 2):
            raise MemoryError("no more")
        time.sleep(0.01)
        return ValueError("not this one")

    monkeypatch.setattr(matrix_module, "_estimate_pair", fail)
    with pytest.raises(MemoryError, match="no more"):
        fg.mutual_information_matrix(X, threads=threads, **QUICK)


@pytest.mark.parametrize("executor", [None, Here()])
def test_progress_is_reported(X, m, executor):
    seen = []
    found = fg.mutual_information_matrix(
        X, executor=executor, progress=lambda done, total: seen.append((done, total)), **QUICK
    )
    assert found == m
    assert seen == sorted(seen)
    assert seen[-1] == (6, 6)
    assert {total for _, total in seen} == {6}


def test_bar(X, m, capsys):
    assert fg.mutual_information_matrix(X, progress=True, **QUICK) == m
    assert "6/6" in capsys.readouterr().err


@pytest.fixture
def long_job():
    """Arguments of a matrix that takes minutes, be it of few pairs or of many."""
    x = np.random.default_rng(0).normal(size=(20_000, 3))
    x[:, 1] = x[:, 0] ** 3 + 0.1 * x[:, 1]
    x[:, 2] = np.sin(3 * x[:, 0]) + 0.1 * x[:, 2]
    return {"X": x, "n_bootstrap": 10_000, "reselect": True, "rng": 0}


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_an_interrupt_ends_the_job(long_job, threads):
    timer = threading.Timer(0.5, _thread.interrupt_main)
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fg.mutual_information_matrix(**long_job, threads=threads)
    assert time.monotonic() - began < 10  # of minutes
    timer.join()
    began = time.process_time()
    time.sleep(1)
    assert time.process_time() - began < 0.5  # the helpers have ended too


def test_an_error_in_progress_ends_the_job(long_job):
    def stop(done, total):
        raise LookupError(f"{done} of {total}")

    began = time.monotonic()
    with pytest.raises(LookupError, match="of 3"):
        fg.mutual_information_matrix(**long_job, threads=2, progress=stop)
    assert time.monotonic() - began < 10  # of minutes


# ---- as an object ----------------------------------------------------------------------------------------------------


def test_frozen(m):
    with pytest.raises(dataclasses.FrozenInstanceError):
        m.values = m.values
    for name in ("values", "standard_errors", "errors", "n_samples", "n_dropped"):
        assert not getattr(m, name).flags.writeable


def test_repr(m, cross):
    assert repr(m) == "MIMatrix(4 x 4, nats)"
    assert repr(cross) == "MIMatrix(3 x 1, nats)"


def test_pickle(m):
    other = pickle.loads(pickle.dumps(m))
    assert other == m
    assert np.array_equal(other.results[0, 2].pointwise(), m.results[0, 2].pointwise())
    assert m != m.values[0, 1]


def test_to_dict_is_json(m):
    numbers = m.to_dict()
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["values"][0][0] is None
    assert numbers["values"][0][2] == m.values[0, 2]
    assert numbers["confidence_interval"]["low"][0][2] == m.results[0, 2].confidence_interval()[0]


def test_to_dataframe(gaps, m, cross):
    frame = m.to_dataframe()
    assert frame.columns.tolist() == [
        *("row", "column", "value", "standard_error", "low", "high", "units"),
        *("n_samples", "n_dropped", "n_components", "error"),
    ]
    assert frame[["row", "column"]].to_numpy().tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    line = frame.loc[1]
    assert (line["value"], line["standard_error"]) == tuple(m.results[0, 2])
    assert (line["low"], line["high"]) == m.results[0, 2].confidence_interval()
    assert line["n_components"] == m.results[0, 2].n_components
    assert len(cross.to_dataframe()) == 3
    failed = fg.mutual_information_matrix(gaps[["c", "flat"]], **QUICK).to_dataframe()
    assert failed.loc[0, "error"].startswith("X column 'flat' is constant")
    assert np.isnan(failed.loc[0, "value"])


def test_to_dataframe_without_pandas(m, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match=r"^to_dataframe needs pandas: pip install pandas$"):
        m.to_dataframe()


def test_save_and_load(gaps, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        m = fg.mutual_information_matrix(gaps, missing="drop", units="bits", **QUICK)
    m.save(tmp_path / "m")
    loaded = fg.MIMatrix.load(tmp_path / "m")
    assert loaded == m
    assert loaded.row_names == m.row_names
    assert loaded.errors[0, 4] == m.errors[0, 4]
    assert loaded.results[0, 2] == m.results[0, 2]
    assert repr(loaded.results[0, 2].model) == repr(m.results[0, 2].model)
    with pytest.raises(ValueError, match="does not hold the data"):
        loaded.results[0, 2].pointwise()
    np.testing.assert_array_equal(loaded.information_gap().standard_error, m.information_gap().standard_error)
    loaded.save(tmp_path / "again")
    assert fg.MIMatrix.load(tmp_path / "again") == m


def test_files_without_any_value(tmp_path):
    m = fg.mutual_information_matrix(np.zeros((30, 2)), n_bootstrap=0)
    m.save(tmp_path / "m")
    assert fg.MIMatrix.load(tmp_path / "m") == m


def test_files_of_another_kind_are_refused(m, tmp_path):
    m.results[0, 1].save(tmp_path / "r")
    with pytest.raises(ValueError, match="holds a MIResult in format 1, not a MIMatrix"):
        fg.MIMatrix.load(tmp_path / "r")


@pytest.mark.slow
def test_many_pairs_take_little_memory_and_little_python():
    import tracemalloc

    X = np.random.default_rng(0).normal(size=(20, 120))
    keywords = {"n_components": 1, "n_bootstrap": 0, "rng": 0, "threads": 1}
    tracemalloc.start()
    m = fg.mutual_information_matrix(X, **keywords)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_pairs = 120 * 119 // 2
    assert held / n_pairs < 1000
    assert m.values.shape == (120, 120)

    def count_calls(work):  # of Python's functions, and not seconds: those are another's on a busy machine
        n_calls = 0

        def count(frame, event, argument):
            nonlocal n_calls
            n_calls += event == "call"

        sys.setprofile(count)
        try:
            work()
        finally:
            sys.setprofile(None)
        return n_calls

    of_all = count_calls(lambda: fg.mutual_information_matrix(X, **keywords))
    of_one = count_calls(lambda: fg.mutual_information(X[:, 0], X[:, 1], **keywords))
    assert of_all < of_one * n_pairs / 2
