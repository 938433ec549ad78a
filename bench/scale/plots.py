"""Plots as SVG files, readable on a light and on a dark page.

Lines have colours that do on both; text and axes turn light where the reader's system is dark, by a
style sheet in the file. The same figures give the same bytes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt  # after its backend is chosen

BLUE, ORANGE, GREEN, PURPLE = "#3b82c4", "#d9822b", "#2e9e6b", "#b061c4"
INK, LIGHT_INK = "#444444", "#cccccc"
GRID, DARK_GRID = "#dddddd", "#3c3c3c"

_STYLE = f"""<style>@media (prefers-color-scheme: dark) {{
[style*="fill: {INK}"] {{ fill: {LIGHT_INK} !important }}
[style*="stroke: {INK}"] {{ stroke: {LIGHT_INK} !important }}
[style*="stroke: {GRID}"] {{ stroke: {DARK_GRID} !important }}
}}</style>"""

mpl.rcParams.update(
    {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "smtp-poplock",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.grid": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "grid.color": GRID,
        "xtick.color": INK,
        "ytick.color": INK,
        "legend.frameon": False,
        "savefig.transparent": True,
        "figure.constrained_layout.use": True,
    }
)


@contextmanager
def figure(path: Path, rows: int = 1, columns: int = 1, height: float = 3.0) -> Iterator[Any]:
    """Axes to draw on; written to `path` at the end."""
    drawn, axes = plt.subplots(rows, columns, figsize=(7.2, height))
    yield axes
    drawn.savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    plt.close(drawn)
    text = path.read_text()
    head, defs, rest = text.partition("<defs>")
    tidy = "\n".join(line.rstrip() for line in (head + _STYLE + defs + rest).splitlines())
    path.write_text(tidy + "\n")


def titled(axes: Any, title: str, columns: int = 0, rows: int = 1) -> None:
    """A title and under it, above the lines, the legend; call it when the lines are drawn."""
    axes.set_title(title, pad=6 + 15 * rows * (columns > 0))
    if columns:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=columns,
            borderpad=0,
            borderaxespad=0.2,
            handlelength=1.2,
            columnspacing=1.2,
            labelspacing=0.3,
        )


def slower_than(axes: Any, times: Sequence[float], label: str, colour: str) -> None:
    """The share of the times that are longer than x, down to one in ten thousand."""
    ordered = sorted(times)
    count = len(ordered)
    # A few hundred points draw the same line as a hundred thousand.
    steps = sorted({int(count * (1 - 10 ** (-4 * i / 200))) for i in range(201)})
    points = [i for i in steps if i < count]
    axes.plot(
        [ordered[i] * 1e3 for i in points],
        [1 - i / count for i in points],
        color=colour,
        label=label,
    )
    axes.set_xscale("log")
    axes.set_yscale("log")
