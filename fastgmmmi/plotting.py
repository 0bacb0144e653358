"""Pictures of results; matplotlib is imported here and nowhere else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

try:
    from matplotlib import pyplot
    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle
except ImportError:
    raise ImportError("drawing needs matplotlib: pip install matplotlib, or fastgmmmi[plot]") from None

from .errors import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .inputs import Floats, Variable
    from .matrix import MIMatrix
    from .results import MIResult

    Panel: TypeAlias = Callable[[MIResult, Axes], None]

_MOST_POINTS = 5000
_CONTOURS = (0.95, 0.75, 0.5, 0.25)  # fractions of the samples inside
_GRID = 400
_MOST_CLASSES = 15  # in a legend
_POINTS, _LINES, _BAND = "tab:blue", "black", "tab:orange"


def open_no_windows() -> None:
    """Draw into files alone."""
    pyplot.switch_backend("agg")


def save(result: MIResult | MIMatrix, path: str) -> None:
    """Draw a result into a file."""
    result.plot()
    pyplot.savefig(path)
    pyplot.close()


# ---- one result ------------------------------------------------------------------------------------------------------


def plot_result(result: MIResult, ax: Axes | Sequence[Axes] | None) -> Axes | NDArray[np.object_]:
    """Draw what there is of a result: see MIResult.plot."""
    panels = _panels(result)
    if not panels:
        raise ValueError(
            "there is nothing to draw: no bootstrap replicates, and no two scalars with their data; raise n_bootstrap"
        )
    if ax is None:
        _, axes = pyplot.subplots(1, len(panels), figsize=(4.6 * len(panels), 4), layout="constrained", squeeze=False)
        axes = axes[0]
    else:
        axes = np.array([ax] if isinstance(ax, Axes) else list(ax), dtype=object)
    if len(axes) > len(panels):
        raise ValueError(f"ax has {len(axes)} axes, but there are {len(panels)} panels to draw")
    for panel, one in zip(panels, axes, strict=False):
        panel(result, one)
    return axes if len(axes) > 1 else axes[0]


def _panels(result: MIResult) -> list[Panel]:
    panels: list[Panel] = []
    variables = _variables(result)
    if len(variables) == 2 and result.quantity == "information":
        if all(_is_scalar(variable) for variable in variables):
            panels.append(_draw_samples)
        elif any(_is_scalar(variable) for variable in variables) and any(variable.d == 0 for variable in variables):
            panels.append(_draw_classes)
    if np.count_nonzero(np.isfinite(result.bootstrap_distribution)) > 1:
        panels.append(_draw_bootstrap)
    return panels


def _draw_samples(result: MIResult, ax: Axes) -> None:
    """Two scalars: the samples, and contours of the mixture where it has them."""
    model: Any = result.model
    x, y = (variable.values[:, 0] for variable in _variables(result))
    shown = slice(None, None, max(1, math.ceil(len(x) / _MOST_POINTS)))
    ax.scatter(x[shown], y[shown], s=_dot(len(x[shown])), color=_POINTS, alpha=0.35, linewidths=0, rasterized=True)
    columns, lines = _reach(x), _reach(y)
    grid = np.column_stack([part.ravel() for part in np.meshgrid(*result.transform(columns, lines))])
    height = model.log_density(grid).reshape(len(lines), len(columns))
    at_samples = model.log_density(np.column_stack(tuple(result.transform(x[shown], y[shown]))))
    levels = np.unique(np.quantile(at_samples, [1 - inside for inside in _CONTOURS]))
    ax.contour(columns, lines, height, levels=levels, colors=_LINES, linewidths=0.8, linestyles="solid")
    ax.set(xlabel=_name(result, 0), ylabel=_name(result, 1), xlim=columns[[0, -1]], ylim=lines[[0, -1]])
    ax.set_title(f"{count(result.n_samples, 'sample')}, {count(result.n_components, 'component')}", fontsize="medium")


def _draw_classes(result: MIResult, ax: Axes) -> None:
    """A scalar and a label: the density of the one within each class of the other."""
    models: Any = result.model
    scalar = 0 if _is_scalar(_variables(result)[0]) else 1
    reach = _reach(_variables(result)[scalar].values[:, 0])
    arguments = [np.full(len(reach), next(iter(models)), dtype=object)] * 2  # the map is the same for every label
    arguments[scalar] = reach
    mapped = result.transform(*arguments)[scalar]
    slope = np.gradient(mapped, reach)
    if len(models) <= 10:
        colours = [f"C{place}" for place in range(len(models))]
    else:
        colours = list(pyplot.get_cmap("turbo")(np.linspace(0.08, 0.92, len(models))))
    for (label, model), colour in zip(models.items(), colours, strict=True):
        ax.plot(reach, np.exp(model.log_density(mapped[:, None])) * slope, color=colour, label=str(label))
    ax.set(xlabel=_name(result, scalar), ylabel="density within each class", xlim=reach[[0, -1]])
    ax.set_ylim(0, (1.2 + 0.08 * math.ceil(len(models) / 4)) * ax.get_ylim()[1])  # room for the legend
    if len(models) <= _MOST_CLASSES:
        ax.legend(title=_name(result, 1 - scalar), loc="upper center", ncols=4, fontsize="small", framealpha=0.9)
    ax.set_title(f"{count(result.n_samples, 'sample')}, {count(len(models), 'class', 'classes')}", fontsize="medium")


def _draw_bootstrap(result: MIResult, ax: Axes) -> None:
    """The replicates, and the value with its interval."""
    replicates = result.bootstrap_distribution[np.isfinite(result.bootstrap_distribution)]
    low, high = result.confidence_interval()
    bins = min(40, max(8, round(2 * len(replicates) ** 0.5)))
    ax.axvspan(low, high, color=_BAND, alpha=0.25, linewidth=0, label="95% interval")
    ax.hist(replicates, bins=bins, color=_POINTS, alpha=0.6, label=f"{len(replicates)} replicates, uncorrected")
    ax.axvline(result.value, color=_BAND, label="value")
    ax.axvline(result.plug_in, color=_LINES, linestyle=":", label="fit to all the data")
    ax.set(xlabel=f"{_quantity(result)} ({result.units})", ylabel="replicates")
    ax.set_ylim(top=1.4 * ax.get_ylim()[1])  # room for the legend
    ax.legend(loc="upper center", ncols=2, fontsize="small", framealpha=0.9)
    ax.set_title(result.amount(), fontsize="medium")


def _quantity(result: MIResult) -> str:
    """Name what was estimated."""
    if result.quantity == "information":
        return "mutual information" if len(result._sides) == 2 else "conditional mutual information"
    return result.quantity


def _is_scalar(variable: Variable) -> bool:
    return variable.d == 1 and variable.codes is None


def _variables(result: MIResult) -> tuple[Variable, ...]:
    return result._data.variables if result._data is not None else ()


def _name(result: MIResult, side: int) -> str:
    """Name of x (0) or y (1): that of its column, or else of the argument."""
    variable = _variables(result)[side]
    return str(variable.columns[0]) if variable.columns else variable.argument


def _reach(values: Floats) -> Floats:
    """Give places that cover the values with a margin."""
    low, high = values.min(), values.max()
    margin = 0.06 * (high - low)
    return np.linspace(low - margin, high + margin, _GRID)


def _dot(n: int) -> float:
    """Give the size of a dot where there are n of them."""
    return float(np.clip(4000 / n, 3, 20))


# ---- a matrix --------------------------------------------------------------------------------------------------------

_CELL = (0.75, 0.5)  # inches, with numbers in it
_SMALL_CELL = 0.27
_MOST_CELLS = 16  # along an axis, with numbers in them
_MOST_LABELS = 50  # along an axis
_LEAST_TEXT = 6.5  # points
_LEAST, _MOST = 1.5, 14.0  # inches of the cells of a figure that we make


def plot_matrix(matrix: MIMatrix, ax: Axes | None) -> Axes:
    """Draw a matrix as a heat map: see MIMatrix.plot."""
    p, q = matrix.values.shape
    if ax is None:
        width, height = _CELL if max(p, q) <= _MOST_CELLS else (_SMALL_CELL, _SMALL_CELL)
        beside = 1.6 + 0.08 * _longest(matrix.row_names)
        below = 0.4 + 0.06 * _longest(matrix.column_names)
        cells = np.clip([width * q, height * p], _LEAST, _MOST)
        size = float(cells[0]) + beside, float(cells[1]) + below
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    top = max(float(np.nanmax(matrix.values, initial=0.0)), 1e-9)
    image = ax.imshow(np.ma.masked_invalid(matrix.values), cmap="Blues", vmin=0, vmax=top, aspect="auto")
    ax.figure.colorbar(image, ax=ax, label=f"mutual information\n({matrix.units})", fraction=0.1, pad=0.02)
    ax.set_facecolor("0.92")  # where there is no value
    _label_axis(ax.xaxis, matrix.column_names)
    _label_axis(ax.yaxis, matrix.row_names)
    if _longest(matrix.column_names) > 3:
        ax.tick_params(axis="x", labelrotation=45)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    ax.tick_params(length=0)
    ax.spines[:].set_color("0.8")
    for i, j in np.argwhere(matrix.errors != None):  # noqa: E711 (elementwise)
        ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, hatch="////", edgecolor="0.6", linewidth=0))
    _write_numbers(matrix, ax, top)
    return ax


def _label_axis(axis: Any, names: Sequence[object]) -> None:
    """Put names along an axis, or as many of them as there is room for."""
    step = math.ceil(len(names) / _MOST_LABELS)
    size = "medium" if len(names) <= _MOST_CELLS else "x-small"
    axis.set_ticks(range(0, len(names), step), [str(name) for name in names[::step]], fontsize=size)


def _write_numbers(matrix: MIMatrix, ax: Axes, top: float) -> None:
    """Write value and error into each cell, where there is room."""
    figure = ax.figure.canvas.figure
    figure.draw_without_rendering()  # settles the layout
    box = ax.get_window_extent()
    width, height = (box.width / matrix.values.shape[1] / figure.dpi, box.height / matrix.values.shape[0] / figure.dpi)
    errors = matrix.standard_errors[np.isfinite(matrix.standard_errors)]
    typical = float(np.median(errors)) if errors.size else 0.0
    decimals = max(0, -math.floor(math.log10(typical))) if typical > 0 else 2
    longest = len(f"±{top:.{decimals}f}")
    size = min(10.0, 72 * width / (0.7 * longest), 72 * height / (2.9 if errors.size else 1.6))
    if size < _LEAST_TEXT:
        return
    for (i, j), value in np.ndenumerate(matrix.values):
        if math.isfinite(value):
            error = matrix.standard_errors[i, j]
            text = f"{value:z.{decimals}f}" + (f"\n±{error:.{decimals}f}" if math.isfinite(error) else "")
            colour = "white" if value > 0.6 * top else "black"
            ax.text(j, i, text, ha="center", va="center", fontsize=size, color=colour, linespacing=1.1)


def _longest(names: Sequence[object]) -> int:
    return max(len(str(name)) for name in names)
