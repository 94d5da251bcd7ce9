"""How well the value of an item foretells its next sales, beside two plain ways.

For a moment only the sales until then are known; `market` is compared with every sale of
the following four weeks, and so are the last sale and the plain median. Two series:

- real: weekly prices of trading cards with the quantity sold (reference data,
  `PRICING_REFERENCE_DATA`; not measured without it). A week in which at least one copy sold
  is one observation, at its last day. It is the average of the week's sales and not a
  single sale, so it scatters less than single sales do, and the last one is hard to beat.
- simulated: the sandbox's market, where single copies in five conditions scatter around a
  value that hardly moves.

The constants of `pricing_assets.core.valuation.V1` were chosen on the moments `CHOSEN_ON` of
the real series (`--choose` prints the search for those that move `market`; the widths were
set there so that about half of the sales are within quick to patient) and are reported on
`REPORTED_ON`; no held-back sale of the one part is in the other. Figures of the later part
and of the simulated market were seen while the shape of the formula was being found, so
they are less of a surprise than those of a series never looked at. Half-lives shorter than
those of `V1` fit the real series a little better and the simulated market worse. Coverage is
the part of the held-back sales within quick to patient, and within low to high.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa

from pricing_assets.core.valuation import V1, Method, valuation_sql
from resources.compute import duckdb_connection
from resources.sandbox.catalogue import bundled_catalogue
from resources.sandbox.market import SALES_WINDOW, Market

ROOT = Path(__file__).resolve().parent.parent

SERIES = "pokemon_tcgplayer_weekly_sales.csv"
HELD_BACK = timedelta(days=28)

CHOSEN_ON = [datetime(2024, 2, 6, tzinfo=UTC) + k * HELD_BACK for k in range(6)]
"""Moments that the constants were chosen on; the last held-back sale is of 23 July 2024."""

REPORTED_ON = [datetime(2024, 7, 23, tzinfo=UTC) + k * HELD_BACK for k in range(5)]
"""Moments that are reported; the last held-back sale is of 10 December 2024."""

SIMULATED_ON = [datetime(2026, 8, 1, tzinfo=UTC) + k * HELD_BACK for k in range(3)]
SIMULATED_BOOKS = 400
SEED = 1

PREDICTORS = ("market", "last", "median")
"""The value, and the two plain ways: the last sale and the plain median of all."""

Figures = dict[str, float | int]


def real_series(reference: Path) -> pa.Table:
    """Return the real weekly prices as observations.

    Args:
        reference: Directory of the reference data.

    Raises:
        FileNotFoundError: The series is absent.
    """
    path = reference / "datasets" / "cards" / SERIES
    if not path.is_file():
        raise FileNotFoundError(f"no series at {path}")
    with duckdb_connection() as duck:
        return duck.sql(
            f"""
            SELECT card_id AS item_id, variant, 'sold' AS kind,
                CAST(price AS DECIMAL(12, 2)) AS price_usd,
                CAST(end_date AS TIMESTAMPTZ) AS happened_at,
                'fixed_price' AS listing_type, 1.0::DOUBLE AS match_confidence
            FROM read_csv('{path}')
            WHERE quantity_sold > 0 AND price > 0 AND NOT isnan(price)
            """
        ).to_arrow_table()


def simulated_series() -> pa.Table:
    """Return sales of the simulated market, from 360 days before to the end of all moments."""
    market = Market(SEED)
    last = SIMULATED_ON[-1] + HELD_BACK
    windows = [last - k * SALES_WINDOW for k in range(5)]
    sales = [
        (book.isbn13, sale)
        for book in bundled_catalogue(SIMULATED_BOOKS)
        for window in windows
        for sale in market.sales(book, window)
    ]
    return pa.table(
        {
            "item_id": [item for item, _ in sales],
            "variant": pa.nulls(len(sales), pa.string()),
            "kind": ["sold"] * len(sales),
            "price_usd": pa.array(
                [Decimal(sale.price_cents) / 100 for _, sale in sales], pa.decimal128(12, 2)
            ),
            "happened_at": pa.array([sale.at for _, sale in sales], pa.timestamp("us", "UTC")),
            "listing_type": [sale.listing_type for _, sale in sales],
            "match_confidence": [1.0] * len(sales),
        }
    )


def measure(series: pa.Table, moments: Iterable[datetime], method: Method = V1) -> Figures:
    """Return how well the value and the plain ways foretell the held-back sales.

    Args:
        series: Observations with the columns of `valuation_sql`.
        moments: When only the sales until then are known.
        method: The constants.

    Returns:
        held_back (sales compared); moments, and better_than_both (at how many of them the log
        error of `market` was below that of both others); of each of `PREDICTORS` the median
        absolute percentage error `<name>_ape` and the median absolute log error `<name>_ale`;
        coverage and wide_coverage (parts of 1).
    """
    with duckdb_connection() as duck:
        duck.register("series", series)
        for place, moment in enumerate(moments):
            create = "CREATE TABLE foretold AS" if place == 0 else "INSERT INTO foretold"
            duck.execute(
                f"{create} {_foretold_sql(method)}",
                {"moment": moment, "until": moment + HELD_BACK},
            )
        return _figures(duck)


def _foretold_sql(method: Method) -> str:
    return f"""
    WITH plain AS (
        SELECT item_id, variant, max_by(price_usd, (happened_at, price_usd)) AS last
        FROM series WHERE happened_at <= $moment GROUP BY item_id, variant
    )
    SELECT $moment AS moment, CAST(s.price_usd AS DOUBLE) AS price,
        s.price_usd BETWEEN quick AND patient AS covered,
        s.price_usd BETWEEN low AND high AS widely_covered,
        {", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in PREDICTORS)}
    FROM series s
    JOIN ({valuation_sql("series", method=method)}) v
        ON v.item_id = s.item_id AND v.variant IS NOT DISTINCT FROM s.variant
    JOIN plain p ON p.item_id = s.item_id AND p.variant IS NOT DISTINCT FROM s.variant
    WHERE s.happened_at > $moment AND s.happened_at <= $until
    """


def _figures(duck: duckdb.DuckDBPyConnection) -> Figures:
    errors = ", ".join(
        f"median(abs({name} / price - 1)) AS {name}_ape, "
        f"median(abs(ln({name} / price))) AS {name}_ale"
        for name in PREDICTORS
    )
    statement = f"""
        WITH by_moment AS (SELECT moment, {errors} FROM foretold GROUP BY moment)
        SELECT count(*) AS held_back, {errors},
            count(*) FILTER (WHERE covered) / count(*) AS coverage,
            count(*) FILTER (WHERE widely_covered) / count(*) AS wide_coverage,
            (SELECT count(*) FROM by_moment) AS moments,
            (SELECT count(*) FROM by_moment WHERE market_ale < least(last_ale, median_ale))
                AS better_than_both
        FROM foretold
    """
    row: Figures
    (row,) = duck.sql(statement).to_arrow_table().to_pylist()
    return row


def choose(series: pa.Table) -> list[tuple[float, Figures, Method]]:
    """Return the methods of a grid, best first, by the log error on the earlier moments.

    The first number is the method's median absolute log error over that of the last sale.
    """
    grid = [
        replace(V1, slow_days=slow, fast_days=fast, steady_step=steady, loose_step=loose,
                carry_share=carry)
        for slow, fast, (steady, loose), carry in itertools.product(
            (21, 30, 45), (2, 4), ((30_000, 150_000), (80_000, 160_000)), (0, 10, 20)
        )
    ]  # fmt: skip
    found = [(method, measure(series, CHOSEN_ON, method)) for method in grid]
    ranked = [(figures["market_ale"] / figures["last_ale"], figures, m) for m, figures in found]
    return sorted(ranked, key=lambda entry: entry[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; 0 even where the reference data is absent, with a line saying so."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backtest", description=__doc__)
    parser.add_argument(
        "--choose", action="store_true", help="print the search for the constants, minutes long"
    )
    options = parser.parse_args(arguments)
    reference = Path(
        os.environ.get("PRICING_REFERENCE_DATA") or ROOT.parent / "shared" / "data"
    ).resolve()
    print("Backtest of the value: median errors over the sales of the following four weeks")
    print(f"{'':52}{'sales':>7}{'error':>16}{'in quick-':>11}{'in low-':>9}")
    print(f"{'':52}{'':>7}{'%':>8}{'ln':>8}{'patient':>11}{'high':>9}")
    try:
        real = real_series(reference)
    except FileNotFoundError as absent:
        print(f"real series not measured: {absent}; set PRICING_REFERENCE_DATA to its directory")
    else:
        if options.choose:
            _print_choice(real)
        until = (CHOSEN_ON[-1] + HELD_BACK).date()
        _print(f"real series until {until}: constants chosen here", measure(real, CHOSEN_ON))
        _print(f"real series after {until}: only reported", measure(real, REPORTED_ON))
    _print(f"simulated market, {SIMULATED_BOOKS} books", measure(simulated_series(), SIMULATED_ON))
    return 0


def _print(title: str, figures: Figures) -> None:
    better = f"{figures['better_than_both']} of {figures['moments']}"
    print(f"{title:52}{figures['held_back']:7,}")
    for name, said in zip(PREDICTORS, ("market", "last sale", "plain median"), strict=True):
        line = f"  {said:50}{'':7}{figures[f'{name}_ape']:8.2%}{figures[f'{name}_ale']:8.4f}"
        if name == "market":
            line += f"{figures['coverage']:11.1%}{figures['wide_coverage']:9.1%}"
            line += f"   better than both at {better} moments"
        print(line)


def _print_choice(series: pa.Table) -> None:
    for ratio, figures, method in choose(series):
        print(
            f"{ratio:7.4f} of the last sale's error, coverage {figures['coverage']:.3f}: "
            f"slow {method.slow_days} d, fast {method.fast_days} d, steps "
            f"{method.steady_step / 1e4:g} to {method.loose_step / 1e4:g} %, "
            f"carry {method.carry_share} %"
        )


if __name__ == "__main__":
    sys.exit(main())
