"""Pictures: what is drawn, with which words, and that nothing else needs matplotlib."""

import dataclasses
import subprocess
import sys

import matplotlib
import numpy as np
import pandas as pd
import pytest

import fastgmmmi as fg

matplotlib.use("agg")
from matplotlib import pyplot

QUICK = {"n_bootstrap": 8, "n_components": 1, "rng": 0}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def r(xy):
    x, y = (pd.Series(values, name=name) for values, name in zip(xy, ("tension", "length"), strict=True))
    return fg.mutual_information(x, y, units="bits", **QUICK)


@pytest.fixture(scope="module")
def X():
    X = np.random.default_rng(0).normal(size=(100, 4))
    X[:, 3] = 1
    return pd.DataFrame(X, columns=["length", "depth", "mass", "flat"])


def texts(ax):
    return [text.get_text() for text in ax.texts]


def overlapping(figure):
    """Pairs of texts of a figure that cover each other."""
    figure.draw_without_rendering()
    shown = [
        text
        for text in figure.findobj(matplotlib.text.Text)
        if text.get_visible() and text.get_text() and not text.get_rotation() % 90
    ]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    return [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[:i] if box.overlaps(other)]


# ---- results ---------------------------------------------------------------------------------------------------------


def test_two_panels(r, xy):
    data, bootstrap = r.plot()
    assert (data.get_xlabel(), data.get_ylabel()) == ("tension", "length")
    points = data.collections[0].get_offsets()
    assert np.array_equal(points, np.column_stack(xy))
    assert bootstrap.get_xlabel() == "mutual information (bits)"
    assert bootstrap.get_title() == r.amount()
    assert sum(patch.get_height() for patch in bootstrap.patches[1:]) == 8
    assert overlapping(data.figure) == []


def test_contours_hold_the_fractions_of_the_samples(r, xy):
    ax = r.plot()[0]
    density = r.model.log_density(np.column_stack(r.transform(*xy)))
    levels = ax.collections[1].levels
    assert [(density > level).mean() for level in levels] == pytest.approx([0.95, 0.75, 0.5, 0.25], abs=0.01)


def test_in_given_axes(r):
    figure, (left, right) = pyplot.subplots(1, 2)
    assert r.plot(left) is left
    assert left.get_xlabel() == "tension"
    assert right.get_xlabel() == ""
    axes = r.plot([left, right])
    assert axes[1] is right
    assert right.get_xlabel() == "mutual information (bits)"
    with pytest.raises(ValueError, match=r"^ax has 3 axes, but there are 2 panels to draw$"):
        r.plot(pyplot.subplots(1, 3)[1])
    assert len(figure.axes) == 2


def test_vectors_have_the_bootstrap_alone(xy):
    two = np.column_stack(xy)
    ax = fg.mutual_information(two, xy[0][::-1], **QUICK).plot()
    assert ax.get_xlabel() == "mutual information (nats)"


def test_without_replicates_the_data_alone(r, xy):
    ax = fg.mutual_information(*xy, **{**QUICK, "n_bootstrap": 0}).plot()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    nothing = dataclasses.replace(r, bootstrap_distribution=np.array([]), _data=None)
    with pytest.raises(ValueError, match=r"^there is nothing to draw"):
        nothing.plot()


def test_results_from_files_have_the_bootstrap_alone(r, tmp_path):
    r.save(tmp_path / "r")
    assert fg.MIResult.load(tmp_path / "r").plot().get_xlabel() == "mutual information (bits)"


def test_many_samples_are_thinned():
    x, y = np.random.default_rng(0).normal(size=(2, 12_345))
    ax = fg.mutual_information(x, y, **{**QUICK, "n_bootstrap": 0}).plot()
    assert 4000 < len(ax.collections[0].get_offsets()) <= 5000


@pytest.mark.parametrize("marginals", ["gaussianize", "none"])
def test_other_marginals(xy, marginals):
    ax = fg.mutual_information(*xy, marginals=marginals, **{**QUICK, "n_bootstrap": 0}).plot()
    assert len(ax.collections[1].get_paths()) == 4


def test_classes(xy):
    labels = np.where(xy[1] > 0, "high", "low")
    for x, y in ((xy[0], labels), (labels, xy[0])):
        ax = fg.mutual_information(x, y, **QUICK).plot()[0]
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["high", "low"]
        for line in ax.lines:
            assert np.trapezoid(line.get_ydata(), line.get_xdata()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("n_classes", [4, 12, 20])
def test_many_classes(n_classes):
    codes = np.arange(600) % n_classes
    x = pd.Series(codes + np.random.default_rng(0).normal(size=600), name="length")
    y = pd.Series(codes, name="kind")
    ax = fg.mutual_information(x, y, discrete="y", **QUICK).plot()[0]
    assert ax.get_xlabel() == "length"
    assert len(ax.lines) == n_classes
    assert (ax.get_legend() is None) == (n_classes == 20)
    assert len({tuple(line.get_color()) for line in ax.lines}) == n_classes


def test_given_has_the_bootstrap_alone(xy):
    ax = fg.mutual_information(*xy, given=xy[0] ** 2, **QUICK).plot()
    assert ax.get_xlabel() == "conditional mutual information (nats)"
    assert fg.entropy(xy[0], **QUICK).plot().get_xlabel() == "entropy (nats)"
    assert fg.kl_divergence(*xy, **QUICK).plot().get_xlabel() == "divergence (nats)"


def test_two_discrete_sides_have_the_bootstrap_alone(xy):
    ax = fg.mutual_information(*(values > 0 for values in xy), **QUICK).plot()
    assert ax.get_xlabel() == "mutual information (nats)"


# ---- matrices --------------------------------------------------------------------------------------------------------


def test_cells_hold_value_and_error(X):
    m = fg.mutual_information_matrix(X, units="bits", **QUICK)
    ax = m.plot()
    assert [label.get_text() for label in ax.get_xticklabels()] == list(X)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(X)
    assert len(texts(ax)) == 6
    value, error = texts(ax)[0].split("\n±")
    decimals = len(error.partition(".")[2])
    assert float(value) == pytest.approx(m.values[0, 1], abs=0.51 * 10**-decimals)
    assert float(error) == pytest.approx(m.standard_errors[0, 1], abs=0.51 * 10**-decimals)
    assert len(ax.patches) == 6  # what failed, hatched: all that the constant column has to do with
    assert ax.images[0].colorbar.ax.get_ylabel() == "mutual information\n(bits)"
    assert overlapping(ax.figure) == []


@pytest.mark.parametrize(("p", "q"), [(1, 1), (3, 13), (6, 6), (13, 3), (16, 16), (30, 30)])
def test_nothing_overlaps(p, q):
    rng = np.random.default_rng(0)
    x, y = (pd.DataFrame(rng.normal(size=(30, k))).add_prefix("feature ") for k in (p, q))
    ax = fg.mutual_information_matrix(x, y, **{**QUICK, "n_bootstrap": 2}).plot()
    assert overlapping(ax.figure) == []
    assert len(texts(ax)) == (p * q if p < 20 else 0)
    assert len(ax.get_xticks()) == q


def test_small_axes_and_many_columns():
    m = fg.mutual_information_matrix(np.random.default_rng(0).normal(size=(20, 120)), **{**QUICK, "n_bootstrap": 0})
    _, ax = pyplot.subplots(figsize=(3, 3))
    assert m.plot(ax) is ax
    assert texts(ax) == []
    assert len(ax.get_xticks()) <= 50


def test_without_errors(X):
    m = fg.mutual_information_matrix(X[["length", "depth"]], **{**QUICK, "n_bootstrap": 0})
    assert set(texts(m.plot())) == {f"{m.values[0, 1]:.2f}"}


# ---- matplotlib ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "drawn", ["mutual_information(x, x**2, n_components=1)", "mutual_information_matrix([x, x**2])"]
)
def test_without_matplotlib(drawn):
    code = "import sys; sys.modules['matplotlib'] = None; import numpy as np; import fastgmmmi as fg\n"
    code += "x = np.random.default_rng(0).normal(size=60)\n"
    code += f"try: fg.{drawn.replace('[x, x**2]', 'np.column_stack([x, x**2])')}.plot()\n"
    code += "except ImportError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "drawing needs matplotlib: pip install matplotlib, or fastgmmmi[plot]\n"
