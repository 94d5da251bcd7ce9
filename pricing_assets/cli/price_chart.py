"""Pictures of a price history: characters for a terminal, and PNG.

Not here: which prices there are, and which may be shown (`store.price_history`).
"""

import io
from collections.abc import Sequence
from decimal import Decimal

from rich.text import Text

from pricing_assets.store.price_history import PriceDay, PriceHistory

ROWS = 13
"""Rows of the terminal's chart, without its axis; every third has its price."""

MARKET, CARRIED, RANGE, SOLD, ABOVE, BELOW = "━", "┄", "░", "●", "▲", "▼"
LEGEND = (
    f"{MARKET} market  {CARRIED} carried forward  {RANGE} quick to patient  {SOLD} sold  "
    f"{ABOVE}{BELOW} sold beyond"
)
_STYLES = {MARKET: "bold blue", CARRIED: "blue", RANGE: "dim", SOLD: "green"}

INK, ACCENT, GRID, GREEN = "#30343b", "#3b6ea8", "#dfe3e8", "#5a9367"


def terminal_chart(history: PriceHistory, width: int) -> Text:
    """Return the chart as lines of at most `width` characters, readable without colour."""
    bounds = _bounds(history)
    if bounds is None:
        return Text("No price to draw.")
    low, high = bounds
    labels = [f"{low + (high - low) * (ROWS - 1 - row) / (ROWS - 1):,.2f}" for row in range(ROWS)]
    margin = max(map(len, labels)) + 2
    columns = max(width - margin, 10)
    cells = _cells(history, columns, low, high)
    chart = Text(no_wrap=True)
    for row in range(ROWS):
        label = labels[row] if row % 3 == 0 else ""
        chart.append(f"{label:>{margin - 2}} ┤")
        for cell in cells[row]:
            chart.append(cell, _STYLES.get(cell, ""))
        chart.append("\n")
    chart.append(f"{'':>{margin - 1}}└{'─' * columns}\n")
    first, last = (f"{history.days[place].day:%Y-%m-%d}" for place in (0, -1))
    between = max(columns - len(first) - len(last), 1)
    chart.append(f"{'':>{margin}}{first}{'':>{between}}{last}\n")
    for line in _wrapped(LEGEND, width):
        chart.append(f"{line}\n")
    chart.rstrip()
    return chart


def picture(history: PriceHistory, title: str) -> bytes:
    """Return the chart as a PNG: the market in steps, its range, and the sales."""
    # The object API: pyplot keeps figures alive for ever and wants a display.
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.grid(color=GRID, linewidth=0.6)
    at = [float(date2num(day.day)) for day in history.days]  # type: ignore[no-untyped-call]
    ends = [*at, at[-1] + 1]
    ranges = [day.range for day in history.days]
    quick, patient, market = (
        [_number(value) for value in (*values, values[-1])]
        for values in (
            [None if r is None else r[0] for r in ranges],
            [None if r is None else r[1] for r in ranges],
            [day.market for day in history.days],
        )
    )
    axes.fill_between(
        ends, quick, patient, step="post", color=ACCENT, alpha=0.18, lw=0, label="quick to patient"
    )
    axes.step(
        ends, market, where="post", color=ACCENT, lw=1.1, ls=":", label="market, carried forward"
    )
    news = [(x, _number(d.market)) for x, d in zip(at, history.days, strict=True) if not d.carried]
    axes.hlines(
        [price for _, price in news], [x for x, _ in news], [x + 1 for x, _ in news],
        color=ACCENT, lw=2.2, label="market on days with news",
    )  # fmt: skip
    bounds = _bounds(history)
    if bounds is not None:
        low, high = map(float, bounds)
        axes.set_ylim(low, high)
        axes.scatter(
            [float(date2num(s.at)) for s in history.sales],  # type: ignore[no-untyped-call]
            [min(max(float(sale.price), low), high) for sale in history.sales],
            s=12, color=GREEN, alpha=0.6, lw=0, label="sold (at an edge: beyond)", clip_on=False,
        )  # fmt: skip
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.set_xlim(ends[0], ends[-1])
    axes.set_ylabel("USD")
    # As it is: a $ in a title begins no formula.
    simulated = "  (SIMULATED)" if history.simulated else ""
    axes.set_title(f"{title}{simulated}", loc="left", color=INK, fontsize=11, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _bounds(history: PriceHistory) -> tuple[Decimal, Decimal] | None:
    """Return the prices between which is drawn; None where there is nothing to draw.

    Half as much again as the ranges span: a signed copy at eight times the price would
    otherwise make a flat line of everything else.
    """
    prices = [price for day in history.days for price in (*(day.range or ()), day.market) if price]
    if not prices:
        prices = [sale.price for sale in history.sales]
    if not prices:
        return None
    low, high = min(prices), max(prices)
    room = max((high - low) / 2, high / 20, Decimal("0.05"))
    return max(low - room, Decimal(0)), high + room


def _cells(history: PriceHistory, columns: int, low: Decimal, high: Decimal) -> list[list[str]]:
    """Return the characters of the chart, row by row from the top."""
    cells = [[" "] * columns for _ in range(ROWS)]
    count = len(history.days)

    def row_of(price: Decimal) -> int:
        place = round((high - price) / (high - low) * (ROWS - 1))
        return min(max(place, 0), ROWS - 1)

    for column in range(columns):
        day = _shown_in(history.days, column * count // columns, (column + 1) * count // columns)
        if day.range is not None:
            quick, patient = day.range
            for row in range(row_of(patient), row_of(quick) + 1):
                cells[row][column] = RANGE
        if day.market is not None:
            cells[row_of(day.market)][column] = CARRIED if day.carried else MARKET
    begin = history.days[0].day
    for sale in history.sales:
        column = (2 * (sale.at.date() - begin).days + 1) * columns // (2 * count)
        if 0 <= column < columns:
            mark = ABOVE if sale.price > high else BELOW if sale.price < low else SOLD
            row = row_of(sale.price)
            if cells[row][column] not in (MARKET, CARRIED):
                cells[row][column] = mark
    return cells


def _shown_in(days: Sequence[PriceDay], first: int, end: int) -> PriceDay:
    """Return the day that a column stands for: of several the last with news."""
    those = days[first : max(end, first + 1)]
    return next((day for day in reversed(those) if not day.carried), those[-1])


def _wrapped(legend: str, width: int) -> list[str]:
    lines = [""]
    for entry in legend.split("  "):
        if lines[-1] and len(lines[-1]) + len(entry) + 2 > width:
            lines.append("")
        lines[-1] += f"  {entry}" if lines[-1] else entry
    return lines


def _number(price: Decimal | None) -> float:
    """Return a price as a plot takes it: a gap where there is none."""
    return float("nan") if price is None else float(price)
