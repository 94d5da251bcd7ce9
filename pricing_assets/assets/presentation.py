"""What an asset shows of itself in the UI: column schema, preview table, plot."""

import base64
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa

from pricing_assets.store import circuits, ledger
from pricing_assets.store.savings import Week
from resources.database import AnySelect, Database, arrow_type
from resources.settings import Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

OWNERS = ["team:pricing"]
"""Owners shown on every asset."""

PREVIEW_ROWS = 8
_CELL_LENGTH = 60
CHARACTER = 0.0105
"""Width of a character in a picture, as a share of the picture's."""

MOMENTS_LABELLED = 15
INK, ACCENT, GRID = "#30343b", "#3b6ea8", "#dfe3e8"


def column_schema(table: sa.Table, *names: str) -> dg.TableSchema:
    """Return a table's columns, or those that are named, as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=str(arrow_type(column.type)),
                description=column.doc,
                constraints=dg.TableColumnConstraints(nullable=bool(column.nullable)),
            )
            for column in table.columns
            if not names or column.name in names
        ]
    )


def preview(database: Database, statement: AnySelect) -> dg.MarkdownMetadataValue:
    """Return the first rows of a select as a Markdown table."""
    rows = database.rows(statement.limit(PREVIEW_ROWS))
    names = [column.name for column in statement.selected_columns]
    return markdown_table(names, [tuple(row) for row in rows])


def markdown_table(
    names: Sequence[str], rows: Sequence[Sequence[object]]
) -> dg.MarkdownMetadataValue:
    """Return rows as a Markdown table; long cells are cut, None is empty.

    A column's name is broken at its underscores: the UI cuts off what is wider than its page.
    """
    if not rows:
        return dg.MetadataValue.md("*none*")
    lines = [
        "| " + " | ".join(name.replace("_", " ") for name in names) + " |",
        "|" + " --- |" * len(names),
    ]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def calls_shown(
    database: Database, settings: Settings, run_id: str, kinds: tuple[str, ...], *, now: datetime
) -> dict[str, dg.MarkdownMetadataValue]:
    """Return the calls of a run to sources of some kinds, and the sources left in peace."""
    calls = ledger.calls_of_run(database, run_id, kinds, now=now)
    in_peace = circuits.troubles(database, settings.limits, settings.source_prefix)
    return {
        "calls_by_source": markdown_table(ledger.COLUMNS, [ledger.cells(one) for one in calls]),
        "sources_left_in_peace": markdown_table(
            circuits.COLUMNS, [circuits.cells(trouble) for trouble in in_peace]
        ),
    }


def histogram(
    title: str, unit: str, edges: Sequence[float], counts: Sequence[int]
) -> dg.MarkdownMetadataValue:
    """Return a histogram as a picture; `edges` has one element more than `counts`."""

    def draw(axes: "Axes") -> None:
        widths = [right - left for left, right in pairwise(edges)]
        axes.bar(edges[:-1], counts, widths, align="edge", color=ACCENT, edgecolor="white")
        axes.set_xlabel(unit)
        axes.set_ylabel("items")
        _short_numbers(axes.yaxis)

    return _picture(title, draw)


def bars(title: str, unit: str, values: Sequence[tuple[str, float]]) -> dg.MarkdownMetadataValue:
    """Return named values as horizontal bars, each with its number."""

    def draw(axes: "Axes") -> None:
        drawn = axes.barh([name for name, _ in values], [v for _, v in values], color=ACCENT)
        axes.bar_label(drawn, fmt="{:,.0f}", padding=3, color=INK)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.set_xlabel(unit)
        # Each bar has its number: no scale, and no lines to read it off.
        axes.grid(visible=False)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    longest = max((len(name) for name, _ in values), default=0)
    return _picture(title, draw, left=0.04 + CHARACTER * longest, bottom=0.1)


def line(title: str, unit: str, points: Sequence[tuple[str, float]]) -> dg.MarkdownMetadataValue:
    """Return values over labelled moments as a line with its points."""

    def draw(axes: "Axes") -> None:
        axes.plot([at for at, _ in points], [v for _, v in points], color=ACCENT, marker="o")
        axes.set_ylim(bottom=0)
        axes.set_ylabel(unit)
        _short_numbers(axes.yaxis)
        _label_some(axes, len(points))

    return _picture(title, draw)


def lines(
    title: str,
    unit: str,
    at: Sequence[str],
    values: Mapping[str, Sequence[float]],
    *,
    from_zero: bool = True,
) -> dg.MarkdownMetadataValue:
    """Return several named values over the same labelled moments, a line each.

    Args:
        from_zero: Whether the axis begins at zero; not where only changes tell something.
    """

    def draw(axes: "Axes") -> None:
        for name, series in values.items():
            axes.plot(at, series, marker="o", label=name, markersize=4)
        if from_zero:
            axes.set_ylim(bottom=0)
        axes.set_ylabel(unit)
        _short_numbers(axes.yaxis)
        _label_some(axes, len(at))
        axes.legend(frameon=False)

    return _picture(title, draw)


def weekly(title: str, weeks: Sequence[Week]) -> dg.MarkdownMetadataValue:
    """Return the calls made and saved by week as bars, and the USD saved as a line."""
    if not weeks:
        return dg.MetadataValue.md("*nothing yet*")

    def draw(axes: "Axes") -> None:
        names = [f"{week.monday:%d %b}" for week in weeks]
        made = [week.calls_to_make for week in weeks]
        axes.bar(names, [week.calls_saved for week in weeks], color=ACCENT, label="saved")
        axes.bar(names, made, 0.35, color=GRID, edgecolor=INK, label="made")
        axes.set_ylabel("calls")
        _short_numbers(axes.yaxis)
        axes.tick_params(axis="x", rotation=30)
        axes.legend(loc="upper left", frameon=False)
        usd = axes.twinx()
        usd.plot(names, [week.saved_usd for week in weeks], color=INK, marker="o")
        usd.set_ylim(bottom=0)
        usd.set_ylabel("USD saved")
        _short_numbers(usd.yaxis)

    return _picture(title, draw, right=0.9)


def _short_numbers(axis: "Axis") -> None:
    """Write 125,000 as 125k: as it is it does not fit beside the picture."""
    from matplotlib.ticker import EngFormatter

    axis.set_major_formatter(EngFormatter(sep=""))


def _label_some(axes: "Axes", moments: int) -> None:
    """Label as many of the moments as are read side by side."""
    axes.set_xticks(range(0, moments, -(-moments // MOMENTS_LABELLED) or 1))
    axes.tick_params(axis="x", rotation=30)


def _picture(
    title: str, draw: Any, *, left: float = 0.11, bottom: float = 0.25, right: float = 0.98
) -> dg.MarkdownMetadataValue:
    """Return what `draw` draws between margins, as shares of the width and the height.

    To fit the margins to the labels is to draw twice, and pictures are half of a small run.
    """
    # The object API: pyplot keeps figures alive for ever and wants a display.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.2), dpi=110)
    axes = figure.subplots()
    figure.subplots_adjust(left, bottom, right, 0.89)
    axes.grid(axis="both", color=GRID, linewidth=0.6)
    draw(axes)
    # At a height that is given: to find the lowest free one takes a seventh of the time.
    axes.set_title(title, loc="left", y=1.0, color=INK, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{encoded})")


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    text = text.replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= _CELL_LENGTH else text[: _CELL_LENGTH - 1] + "…"
