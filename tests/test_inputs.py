"""What users pass in: every kind of array is understood, every fault is named."""

import decimal
import fractions
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastgmmmi as fg
from fastgmmmi import _core, inputs

QUICK = {"n_components": 1, "n_bootstrap": 0, "rng": 0, "threads": 1}


def value(x, y=None, **keywords):
    return fg.mutual_information(x, y, **QUICK, **keywords).value


@pytest.fixture(scope="module")
def whole_numbers():
    """Whole numbers of many distinct values, (200,) each, which every numeric type can hold."""
    rng = np.random.default_rng(2)
    x = rng.permutation(200) - 100
    return x, np.clip(x // 2 + rng.integers(-30, 31, 200), -110, 110)


# ---- kinds of arrays -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", ">f4", "i1", "i2", ">i4", "i8", "longdouble", "O"])
def test_numeric_types_give_the_same_bits(whole_numbers, dtype):
    x, y = whole_numbers
    assert value(x.astype(dtype), y.astype(dtype)) == value(x.astype(float), y.astype(float))


def test_unsigned_integers(whole_numbers):
    x, y = whole_numbers
    assert value((x + 100).astype("u1"), (y + 110).astype("u8")) == value(x + 100.0, y + 110.0)


LAYOUTS = {
    "fortran": lambda a: np.asfortranarray(a),
    "strided rows": lambda a: np.repeat(a, 2, axis=0)[::2],
    "strided columns": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "unaligned": lambda a: np.frombuffer(b"." + a.tobytes(), np.float64, a.size, 1).reshape(a.shape),
    "matrix": lambda a: np.asmatrix(a),
    "list": lambda a: a.tolist(),
    "tuple of arrays": lambda a: tuple(a),
    "masked, nothing masked": lambda a: np.ma.array(a),
    "pandas": lambda a: pd.DataFrame(a, columns=["p", "q"]),
    "pandas, one name twice": lambda a: pd.DataFrame(a, columns=["p", "p"]),
    "pandas, nullable": lambda a: pd.DataFrame(a).astype("Float64"),
    "polars": lambda a: pl.DataFrame(a, schema=["p", "q"]),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_same_bits_and_are_not_modified(xy, layout):
    plain = np.column_stack(xy)
    given = LAYOUTS[layout](plain)
    assert value(given) == value(*xy)
    assert np.array_equal(np.asarray(given), plain)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series,
        pl.Series,
        list,
        lambda a: a[:, np.newaxis],
        lambda a: pd.Series(a).astype("Float64"),
        lambda a: [decimal.Decimal(v) for v in a],
        lambda a: [fractions.Fraction(v) for v in a],
        lambda a: pd.DataFrame({"p": a}),
    ],
)
def test_columns_give_the_same_bits(xy, column):
    x, y = xy
    assert value(column(x), column(y)) == value(x, y)


def test_pyarrow_columns(xy):
    pa = pytest.importorskip("pyarrow")
    x, y = xy
    table = pa.table({"p": x, "q": y})
    assert value(table) == value(table["p"], table["q"]) == value(pa.array(x), pa.array(y)) == value(x, y)


def test_memory_mapped_arrays(xy, tmp_path):
    np.save(tmp_path / "xy.npy", np.column_stack(xy))
    mapped = np.load(tmp_path / "xy.npy", mmap_mode="r")
    assert value(mapped) == value(mapped[:, 0], mapped[:, 1]) == value(*xy)


def test_numbers_of_a_row_side_by_side_are_not_copied(xy):
    x, _ = xy
    wide = np.ones((6, 4))
    for view in (x, x[::-3], wide, wide[::2], wide[:, 1:3], wide[:, 3]):
        assert np.shares_memory(inputs.variable("x", view).values, view)
    left, right = inputs.pair(wide[:, 1:3], None)
    assert np.shares_memory(left.values, wide[:, 1])
    assert np.shares_memory(right.values, wide[:, 2])
    assert not np.shares_memory(inputs.variable("x", wide[:, ::2]).values, wide)
    assert not np.shares_memory(inputs.column("X", 0, wide[:, 0], False).values, wide)  # to be read for many pairs


def test_repeated_rows_are_copied(xy):
    """Their distance is 0, which to the core means rows that touch: it would read beyond them."""
    x, _ = xy
    one, many = np.broadcast_to(1.0, len(x)), np.broadcast_to([1.0, 2.0], (len(x), 2))
    for given_rows in (one, many, many.T[:, :2]):
        read = inputs.variable("y", given_rows).values
        assert 0 not in read.strides
        assert np.array_equal(read.reshape(given_rows.shape), given_rows)
    for y in (one, many):
        with pytest.raises(fg.DegenerateDataError, match=r"^y .*constant"):
            fg.mutual_information(x, y, n_bootstrap=0, rng=0)


@pytest.mark.parametrize("rows", [np.broadcast_to([1.0, 2.0], (9, 2)), np.asfortranarray(np.ones((9, 2)))])
def test_the_core_rejects_rows_that_it_cannot_read(rows):
    y = np.arange(9.0)[:, None]
    with pytest.raises(ValueError, match=r"^rows must be whole numbers apart"):
        _core.information(0, ((rows, None, 0), (y, None, 0), (None, None, 0)), None, None, {}, 0, 1, None)


@pytest.mark.filterwarnings("ignore:nearest neighbours")  # y is a function of x
def test_rows_of_several_numbers_may_be_apart(xy):
    wide = np.column_stack([*xy, xy[0] ** 2, xy[1] ** 2])
    options = {"n_components": 2, "n_bootstrap": 3, "rng": 0}
    plain = fg.mutual_information(wide[:, :2].copy(), wide[:, 2:].copy(), **options)
    assert fg.mutual_information(wide[:, :2], wide[:, 2:], **options) == plain
    assert fg.mutual_information(wide[::-1, :2][::-1], wide[:, 2:], **options) == plain
    weight = np.column_stack([np.arange(1.0, len(wide) + 1)] * 2)
    weighted = fg.mutual_information(wide[:, :2], wide[:, 2:], sample_weight=weight[:, 0], **options)
    assert weighted == fg.mutual_information(wide[:, :2], wide[:, 2:], sample_weight=weight[:, 0].copy(), **options)
    assert (
        fg.GaussianMixture(2, rng=0).fit(wide[:, :2]).means
        == fg.GaussianMixture(2, rng=0).fit(wide[:, :2].copy()).means
    ).all()


@pytest.mark.parametrize("scale", [1e-150, 1e150])
def test_scale_does_not_matter(xy, scale):
    x, y = xy
    assert value(x * scale, y) == pytest.approx(value(x, y), abs=1e-9)


def test_offset_does_not_matter(xy):
    x, y = xy
    assert value(x + 1e8, y - 1e8) == pytest.approx(value(x, y), abs=1e-6)


# ---- missing values --------------------------------------------------------------------------------------------------

MISSING = {
    "NaN": lambda a: a,
    "masked": lambda a: np.ma.masked_invalid(a),
    "masked whole array": lambda a: np.ma.array(np.nan_to_num(a), mask=np.isnan(a)),
    "None in a list": lambda a: [None if v != v else v for v in a],
    "pandas NA": lambda a: pd.array(a, dtype="Float64"),
    "pandas NA in a Series": lambda a: pd.Series([pd.NA if v != v else v for v in a], dtype="Float64"),
    "polars null": lambda a: pl.Series([None if v != v else v for v in a]),
}


@pytest.mark.parametrize("kind", MISSING)
def test_missing_values(xy, kind):
    x, y = (a.copy() for a in xy)
    x[[17, 30]] = y[[30, 40]] = np.nan
    with pytest.raises(
        ValueError, match=r"^x has 2 NaN values, the first in row 17; pass missing='drop' to drop such rows$"
    ):
        value(MISSING[kind](x), y)
    kept = ~np.isnan(x + y)
    r = fg.mutual_information(MISSING[kind](x), y, missing="drop", **QUICK)
    assert (r.n_samples, r.n_dropped) == (197, 3)
    assert r.value == value(x[kept], y[kept])


def test_missing_integers_in_tables(whole_numbers):
    x, y = whole_numbers
    frame = pd.DataFrame({"p": x, "q": y}).astype("Int64")
    frame.loc[5, "q"] = pd.NA
    with pytest.raises(ValueError, match=r"^x has 1 NaN value, the first in row 5, column 'q'"):
        value(frame)
    assert fg.mutual_information(frame, missing="drop", **QUICK).n_dropped == 1


def test_a_missing_weight_drops_its_row(xy):
    x, y = xy
    weight = np.ones(200)
    weight[3] = np.nan
    with pytest.raises(ValueError, match=r"^sample_weight has 1 NaN value, the first in row 3"):
        value(x, y, sample_weight=weight)
    r = fg.mutual_information(x, y, sample_weight=weight, missing="drop", **QUICK)
    assert r.n_dropped == 1
    assert r.value == pytest.approx(value(np.delete(x, 3), np.delete(y, 3)), abs=1e-6)


def test_nothing_left(xy):
    with pytest.raises(ValueError, match="no row is without NaN"):
        value(np.full(200, np.nan), xy[1], missing="drop")


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_faults_are_counted_and_placed(data):
    n, d = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 4))
    places = data.draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, d - 1)), min_size=1, unique=True))
    fault = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    values = np.zeros((n, d))
    for place in places:
        values[place] = fault
    row, column = min(places)
    name = ("NaN" if fault != fault else "infinite") + " value" + "s" * (len(places) > 1)
    with pytest.raises(ValueError, match=rf"^x has {len(places)} {name}, the first in row {row}, column {column}"):
        inputs.samples((inputs.variable("x", values),), None, "raise")


def test_a_fault_beyond_the_first_block_is_found():
    values = np.zeros((100_000, 2))
    values[99_999, 1] = np.inf
    with pytest.raises(ValueError, match=r"^X has 1 infinite value, the first in row 99999, column 1$"):
        inputs.samples((inputs.variable("X", values),), None, "drop")


# ---- bad input -------------------------------------------------------------------------------------------------------

FAULTS = {
    "infinity": ([np.inf] + [0.0] * 199, "x has 1 infinite value, the first in row 0"),
    "number": (1.5, "x must hold samples, (n,) or (n, d), got a single float"),
    "nothing": (None, "x must hold samples, (n,) or (n, d), got a single NoneType"),
    "three dimensions": (
        np.zeros((200, 2, 2)),
        "x must hold samples, (n,) or (n, d), got an array of shape (200, 2, 2)",
    ),
    "empty": ([], "x is empty: its shape is (0, 1)"),
    "no columns": (np.zeros((200, 0)), "x is empty: its shape is (200, 0)"),
    "no columns in a table": (pd.DataFrame(), "x has no columns"),
    "lengths": (np.zeros(199), "y has 200 rows but x has 199"),
    "complex": (np.zeros(200, complex), "x is complex"),
    "ragged": ([[1.0, 2.0], [3.0]], "x is ragged: its rows differ in length"),
    "dates": (np.zeros(200, "M8[s]"), "x has one label only"),
    "objects": ([{}] * 200, "x holds values of type dict, which can be no labels"),
    "one label": (["a"] * 200, "x has one label only, so the information is 0 or undefined"),
    "a label each": ([f"{i}" for i in range(200)], "x: as many classes as there are samples (200 rows)"),
    "no label": (
        ["a", None] * 100,
        "x has 100 missing labels, the first in row 1; pass missing='drop' to drop such rows",
    ),
    "half a label": ([["a", "b"], [None, "b"]] * 100, "x has 100 missing labels, the first in row 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(xy, fault):
    x, message = FAULTS[fault]
    with pytest.raises(ValueError, match=r"^" + re.escape(message)):
        value(x, xy[1])


NOT_NUMBERS = {
    "strings": (["a", "b"] * 100, "holds strings"),
    "bytes": (np.array([b"a", b"b"] * 100), "holds strings"),
    "booleans": (np.arange(200) % 2 == 0, "holds booleans"),
    "objects": (pd.Series([(1,), None] * 100), "holds values of type tuple"),
    "complex objects": ([1j, None] * 100, "holds values of type complex"),
    "dates": (np.zeros(200, "M8[s]"), "holds values of dtype datetime64[s]"),
    "pandas categorical": (pd.Series([1, 2] * 100, dtype="category"), "is categorical"),
    "pandas strings": (pd.Series(["a", None] * 100), "holds strings"),
    "polars categorical": (pl.Series(["a", "b"] * 100, dtype=pl.Categorical), "is categorical"),
    "polars booleans": (pl.Series([True, None] * 100), "holds booleans"),
    "a table": (pd.DataFrame({"p": [1.0] * 200, "q": ["a"] * 200}), "column 'q' holds strings"),
}


@pytest.mark.parametrize("kind", NOT_NUMBERS)
def test_what_only_numbers_can_be(xy, kind):
    data, what = NOT_NUMBERS[kind]
    message = rf"^[xyX] {re.escape(what)}; only numbers can be continuous$"
    for call in (
        lambda: value(xy[0], data, discrete="neither"),
        lambda: fg.entropy(data, **QUICK),
        lambda: fg.kl_divergence(xy[0], data, **QUICK),
        lambda: fg.GaussianMixture(rng=0).fit(data),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_one_array_needs_two_columns(xy):
    for x, columns in ((xy[0], 1), (np.zeros((9, 3)), 3)):
        with pytest.raises(
            ValueError, match=rf"^x alone must have two columns, \(n, 2\), got {columns}; or pass y as well$"
        ):
            value(x)


def test_faults_in_one_array_are_placed_in_it(xy):
    both = np.column_stack(xy)
    both[3, 1] = np.nan
    with pytest.raises(ValueError, match=r"^x has 1 NaN value, the first in row 3, column 1"):
        value(both)
    both[:, 1] = 5.0
    with pytest.raises(fg.DegenerateDataError, match=r"^x column 1 is constant"):
        value(both)


WEIGHTS = {
    "negative": (np.r_[np.ones(198), -1, -2], "sample_weight has 2 negative values, the first in row 198"),
    "zero": (np.zeros(200), "sample_weight is zero in every row"),
    "infinite": (np.r_[np.ones(199), np.inf], "sample_weight has 1 infinite value, the first in row 199"),
    "length": (np.ones(199), "sample_weight has 199 rows but x has 200"),
    "columns": (np.ones((200, 2)), "sample_weight must have one number per row, (n,), got shape (200, 2)"),
    "strings": (["a"] * 200, "sample_weight holds strings"),
}


@pytest.mark.parametrize("fault", WEIGHTS)
def test_faults_of_weights_are_named(xy, fault):
    weight, message = WEIGHTS[fault]
    with pytest.raises(ValueError, match=r"^" + re.escape(message)):
        value(*xy, sample_weight=weight)


def test_constant_columns(xy):
    x, y = xy
    with pytest.raises(fg.DegenerateDataError, match=r"^y is constant"):
        value(x, np.full(200, 0.1))
    with pytest.raises(fg.DegenerateDataError, match=r"^x column 1 is constant"):
        value(np.column_stack([x, np.ones(200)]), y)
    with pytest.raises(fg.DegenerateDataError, match=r"^x column 'p' is constant"):
        value(pd.Series(np.ones(200), name="p"), y)


def test_linear_dependence(xy):
    x, y = xy
    with pytest.raises(fg.DegenerateDataError, match=r"^y is an exact linear function of the other columns"):
        value(x, 3 - 2 * x)
    with pytest.raises(fg.DegenerateDataError, match=r"^y column 1 is an exact linear function"):
        value(x, np.column_stack([y, x + y]))


def test_too_few_samples():
    with pytest.raises(ValueError, match=r"^x and y: 3 rows, too few to fit a density of 2 variables"):
        fg.mutual_information([1.0, 2.0, 4.0], [1.0, 3.0, 2.0])


def test_too_few_samples_of_positive_weight(xy):
    with pytest.raises(ValueError, match=r"^x and y: 4 rows with positive weight, too few to fit a density of 2"):
        fg.mutual_information(*xy, sample_weight=1.0 * (np.arange(200) < 4))


def test_too_many_components(xy):
    with pytest.raises(ValueError, match=r"^n_components is more than 200 rows of 2 variables can bear"):
        fg.mutual_information(*xy, n_components=150)


def test_too_many_columns():
    with pytest.raises(ValueError, match=r"^x and y: 66 columns in total; at least 1 and at most 64"):
        fg.mutual_information(*np.random.default_rng(0).normal(size=(2, 500, 33)))


# ---- columns that look discrete --------------------------------------------------------------------------------------


def test_few_distinct_values_look_discrete(xy):
    codes = np.arange(200) % 3
    with pytest.warns(UserWarning, match=r"^y takes only 3 distinct values, so it looks discrete") as caught:
        r = fg.mutual_information(xy[0], codes, **QUICK)
    assert r.warnings == tuple(str(warning.message) for warning in caught)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("column", "count"),
    [
        (np.arange(100) % 20, 20),
        (np.arange(99) % 20, 0),
        (np.arange(1000) % 21, 0),
        (np.repeat(np.arange(30), 1000), 0),
        (np.repeat(np.arange(3), 50_000), 3),
        (np.ones(50), 1),
        (np.random.default_rng(0).normal(size=1000), 0),
    ],
)
def test_rule_of_few_values(column, count):
    assert inputs._few_values(column.astype(float)) == count


def test_rounded_measurements_do_not_look_discrete():
    data = pd.read_csv(Path(__file__).parents[1] / "examples" / "penguins.csv")
    fg.mutual_information(data["bill_length_mm"], data["flipper_length_mm"], missing="drop", **QUICK)


# ---- keywords --------------------------------------------------------------------------------------------------------

BAD_KEYWORDS = {
    "n_components": [0, -1, 1.0, True, "two", 1025],
    "max_components": [0, 1025, None],
    "criterion": ["likelihood", 1, ["cv"]],
    "init": ["k-means"],
    "n_folds": [1, 65],
    "n_inits": [0],
    "patience": [0],
    "marginals": ["ranks"],
    "family": ["student"],
    "integral": ["exact"],
    "error": ["jackknife"],
    "integration_tol": [0, -1e-3, np.nan, np.inf, "small"],
    "n_bootstrap": [-1, 2.5, None],
    "reselect": ["yes", 2],
    "tol": [0, -1, "tight"],
    "reg_covar": [0, -1],
    "max_iter": [0],
    "units": ["hartleys"],
    "missing": ["omit"],
    "rng": [-1, 2**64],
    "threads": [0, -1, 1.5],
    "executor": [4],
    "progress": ["bar", None],
    "discrete": ["z", 3, ("x", "q"), ("both",)],
}


@pytest.mark.parametrize(("keyword", "bad"), [(k, bad) for k, values in BAD_KEYWORDS.items() for bad in values])
def test_bad_keyword_values(xy, keyword, bad):
    with pytest.raises(ValueError, match=rf"^{keyword} must be .*, got "):
        fg.mutual_information(*xy, **{keyword: bad})


def test_allowed_names_are_listed(xy):
    with pytest.raises(ValueError, match=r"^units must be one of 'nats', 'bits', 'bans', got 'bit'$"):
        fg.mutual_information(*xy, units="bit")


@pytest.mark.parametrize("value", [np.array(["auto"]), np.array(["auto", "none"]), ["auto"], {}])
def test_what_can_be_no_name_is_refused_every_time(xy, value):
    for _ in range(2):  # keywords that were coded before are remembered
        with pytest.raises(ValueError, match=r"^marginals must be one of 'auto', .*, got "):
            fg.mutual_information(*xy, marginals=value)


def test_values_that_compare_equal_are_told_apart(xy):
    assert len(fg.mutual_information(*xy, n_components=1, n_bootstrap=1, rng=0).bootstrap_distribution) == 1
    for equal in (True, 1.0):
        with pytest.raises(ValueError, match=r"^n_bootstrap must be a whole number of at least 0, got "):
            fg.mutual_information(*xy, n_components=1, n_bootstrap=equal, rng=0)


def test_unknown_keyword(xy):
    with pytest.raises(TypeError, match="n_bootstraps"):
        fg.mutual_information(*xy, n_bootstraps=3)


@pytest.mark.parametrize("rng", [True, 1.0, "seed", np.random])
def test_what_is_no_source_of_random_numbers(xy, rng):
    with pytest.raises(TypeError, match=r"^rng must be None, an int, a numpy SeedSequence or a numpy Generator"):
        fg.mutual_information(*xy, rng=rng)


def test_seeds():
    assert inputs.seed_from(2**64 - 1) == 2**64 - 1
    assert inputs.seed_from(np.uint64(7)) == 7
    assert inputs.seed_from(np.random.SeedSequence(5)) == np.random.SeedSequence(5).generate_state(1, np.uint64)[0]
    drawn = np.random.default_rng(5).integers(0, 2**64, dtype=np.uint64)
    generator = np.random.default_rng(5)
    assert inputs.seed_from(generator) == drawn != inputs.seed_from(generator)
    assert inputs.seed_from(None) != inputs.seed_from(None)
