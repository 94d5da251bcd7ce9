"""Exchange rates as they are published: the bodies and files of the ECB and of Frankfurter.

Every format becomes one table (day, currency, usd_per_unit, source). The ECB quotes against
the euro and Frankfurter against the base that was asked for; a rate to USD is the cross
over that base, exact to half of the eighth decimal. Units of a currency that is worth very
little have few digits left in eight decimals, and one worth nothing in them is left out.

Formats, told apart by their first bytes:

- `eurofxref-hist.csv`: days by currencies, `N/A` where there is none, a comma at the end of
  each line; and the zip file with it, as the ECB ships it
- `eurofxref-hist-90d.xml` and `eurofxref-daily.xml`: Cube elements
- Frankfurter v1: one day or a period in an object; v2: a list of quotes

Which rate converts an amount is in `pricing_assets.core.rates`; who is asked for them, in
`resources.sources`.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

import pyarrow as pa
import pyarrow.csv

from resources.compute import duckdb_connection
from resources.sources.wire import excerpt, read_json, shown

ECB, FRANKFURTER = "ecb", "frankfurter"

SCHEMA = pa.schema(
    [
        ("day", pa.date32()),
        ("currency", pa.string()),
        ("usd_per_unit", pa.decimal128(18, 8)),
        ("source", pa.string()),
    ]
)
"""Columns of every table of rates, sorted by day and currency."""

MAX_BYTES = 64 * 1024 * 1024
"""Size of what a zip file unpacks to that is still read. The ECB's whole
history has 2 MB."""

_CURRENCY = re.compile(r"[A-Z]{3}")
_NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,40})?")
_LEAST, _LIMIT = Decimal("1e-12"), Decimal("1e12")
_QUOTES = pa.schema(
    [
        ("day", pa.date32()),
        ("base", pa.string()),
        ("quote", pa.string()),
        ("rate", pa.decimal128(24, 12)),
    ]
)
"""What one unit of the base cost in the quote: the common form of all formats."""

Quote = tuple[date, str, str, Decimal]


class UnreadableRates(ValueError):
    """A body that holds no exchange rates we can read; the message says where and why."""


def read_exchange_rates_file(path: Path) -> pa.Table:
    """Return the rates of a file in any of the formats.

    Raises:
        OSError: It cannot be read.
        UnreadableRates: It is in none of the formats; the message begins with its name.
    """
    try:
        return read_exchange_rates(path.read_bytes())
    except UnreadableRates as error:
        raise UnreadableRates(f"{path.name}: {error}") from error


def read_exchange_rates(body: bytes) -> pa.Table:
    """Return the rates in a body in any of the formats, as a table of `SCHEMA`.

    Raises:
        UnreadableRates: It is in none of the formats, or a part of it cannot be read.
    """
    start = body[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PK\x03\x04"):
        return _to_usd(_ecb_csv(_unzipped(body)), ECB)
    if start.startswith(b"<"):
        return _to_usd(_table(_ecb_xml(body)), ECB)
    if start.startswith((b"{", b"[")):
        return _to_usd(_table(_frankfurter(body)), FRANKFURTER)
    return _to_usd(_ecb_csv(body), ECB)


# --- the cross to USD ---------------------------------------------------------------------


def _to_usd(quotes: pa.Table, source: str) -> pa.Table:
    """Return what a unit of each currency cost in USD: (USD per base) / (units per base)."""
    with duckdb_connection() as duck:
        duck.register("quotes", quotes)
        twice = duck.sql(
            "SELECT day, quote, count(DISTINCT rate) AS rates FROM quotes GROUP BY day, quote "
            "HAVING rates > 1 ORDER BY day, quote LIMIT 1"
        ).fetchall()
        if twice:
            raise UnreadableRates(f"two different rates of {twice[0][1]} on {twice[0][0]}")
        duck.execute(
            """
            CREATE TEMP TABLE crossed AS
            WITH units AS (
                SELECT DISTINCT day, base, quote AS currency,
                    CAST(rate * 1000000000000 AS HUGEINT) AS units FROM quotes
                UNION
                SELECT DISTINCT day, base, base, CAST(1000000000000 AS HUGEINT) FROM quotes
            )
            SELECT u.day, u.currency,
                (200000000 * usd.units + u.units) // (2 * u.units) AS eighths
            FROM units u JOIN units usd
                ON usd.day = u.day AND usd.base = u.base AND usd.currency = 'USD'
            WHERE u.currency <> 'USD'
            """
        )
        beyond = duck.sql(
            "SELECT currency, day FROM crossed WHERE eighths >= 1000000000000000000 "
            "ORDER BY day, currency LIMIT 1"
        ).fetchall()
        if beyond:
            raise UnreadableRates(
                f"{beyond[0][0]} on {beyond[0][1]}: one would cost over 10,000,000,000 USD, which "
                "no currency does"
            )
        table = duck.sql(
            """
            SELECT day, currency,
                CAST(eighths AS DECIMAL(18, 0)) * 0.00000001::DECIMAL(9, 8) AS usd_per_unit,
                $source AS source
            FROM crossed WHERE eighths > 0 ORDER BY day, currency
            """,
            params={"source": source},
        ).to_arrow_table()
    if table.num_rows == 0:
        raise UnreadableRates(
            "no rate to USD: the quotes have to be against USD, or to have one of USD"
        )
    return table.cast(SCHEMA)


def _table(quotes: Iterator[Quote]) -> pa.Table:
    rows = list(quotes)
    if len({base for _, base, _, _ in rows}) > 1:
        raise UnreadableRates("quotes against more than one base; ask for one at a time")
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return pa.table(columns, schema=_QUOTES)


def _rate(text: object, where: str, amount: Decimal = Decimal(1)) -> Decimal:
    """Return what one costs where an amount costs so much: above 0, rounded to twelve decimals."""
    # A JSON number such as 1e-05 is written out.
    plain = f"{text:f}" if isinstance(text, Decimal) and text.is_finite() else str(text)
    if isinstance(text, bool) or not _NUMBER.fullmatch(plain):
        raise UnreadableRates(f"{where}: not a rate: {shown(text)}")
    # Beyond the limit a Decimal has no digits left for twelve decimals.
    rate = min(Decimal(plain) / amount, _LIMIT).quantize(_LEAST)
    if not rate:
        raise UnreadableRates(f"{where}: a rate of zero: {shown(text)}")
    if rate == _LIMIT:
        raise UnreadableRates(f"{where}: too large a rate: {shown(text)}")
    return rate


def _day(text: object, where: str) -> date:
    """Return the day of YYYY-MM-DD; ISO 8601's other forms, such as 2026-W47-5, are none."""
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise UnreadableRates(f"{where}: not a day: {shown(text)}")
    return day


def _code(text: object, where: str) -> str:
    if not isinstance(text, str) or not _CURRENCY.fullmatch(text):
        raise UnreadableRates(f"{where}: not a currency's code: {shown(text)}")
    return text


# --- ECB ----------------------------------------------------------------------------------


def _unzipped(body: bytes) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [info for info in archive.infolist() if info.filename.endswith(".csv")]
            if len(names) != 1:
                raise UnreadableRates(f"a zip file with {len(names)} csv files instead of one")
            with archive.open(names[0]) as file:
                # The size that the archive states is not believed.
                content = file.read(MAX_BYTES + 1)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise UnreadableRates(f"a damaged zip file: {error}") from error
    if len(content) > MAX_BYTES:
        raise UnreadableRates(f"the zip file unpacks to more than {MAX_BYTES:,} bytes")
    return content


def _ecb_csv(body: bytes) -> pa.Table:
    header = body.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0].decode("utf-8", "replace")
    names = [name.strip() for name in header.rstrip("\r").split(",")]
    currencies = [name for name in names[1:] if name]
    if names[0] != "Date" or not currencies:
        raise UnreadableRates(
            f"neither rates of the ECB nor of Frankfurter: it begins with {shown(header)}"
        )
    for name in currencies:
        _code(name, "the first line")
    if len(set(currencies)) < len(currencies):
        raise UnreadableRates("the first line: a currency stands there twice")
    # The comma at the end of the lines makes a column without a name.
    columns = [name or f"blank_{place}" for place, name in enumerate(names)]
    try:
        wide = pyarrow.csv.read_csv(
            io.BytesIO(body),
            read_options=pyarrow.csv.ReadOptions(column_names=columns, skip_rows=1),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()),
                include_columns=["Date", *currencies],
            ),
        )
    except pa.ArrowInvalid as error:
        raise UnreadableRates(f"not a table of rates: {excerpt(str(error))}") from error
    with duckdb_connection() as duck:
        duck.register("wide", wide)
        duck.execute(
            """
            CREATE TEMP TABLE long AS
            SELECT trim("Date") AS day, currency, trim(value) AS value
            FROM (UNPIVOT wide ON COLUMNS(* EXCLUDE ("Date")) INTO NAME currency VALUE value)
            WHERE trim(value) NOT IN ('', 'N/A')
            """
        )
        wrong = duck.sql(
            """
            SELECT day, currency, value FROM long
            WHERE strftime(TRY_CAST(day AS DATE), '%Y-%m-%d') IS DISTINCT FROM day
                OR day < '0001'
                OR NOT regexp_full_match(value, $number)
                OR coalesce(TRY_CAST(value AS DECIMAL(24, 12)), 0) = 0
            ORDER BY ALL LIMIT 1
            """,
            params={"number": _NUMBER.pattern},
        ).fetchall()
        for day, currency, value in wrong:
            _day(day, "Date")
            _rate(value, f"{currency} on {day}")
        return duck.sql(
            "SELECT CAST(day AS DATE) AS day, 'EUR' AS base, currency AS quote, "
            "CAST(value AS DECIMAL(24, 12)) AS rate FROM long"
        ).to_arrow_table()


def _ecb_xml(body: bytes) -> Iterator[Quote]:
    """Read Cube elements; a document type, and so every entity of its own, is refused."""
    quotes: list[Quote] = []
    day: list[date] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name.rpartition(" ")[2] != "Cube":
            return
        if "time" in attributes:
            day[:] = [_day(attributes["time"], "Cube time")]
        elif "currency" in attributes:
            if not day:
                raise UnreadableRates("a rate before the first day")
            where = f"Cube of {day[0]}"
            currency = _code(attributes["currency"], where)
            quotes.append((day[0], "EUR", currency, _rate(attributes.get("rate"), where)))

    def refuse(*_: Any) -> NoReturn:
        raise UnreadableRates("the XML has a document type of its own, which rates never have")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.ExternalEntityRefHandler = refuse
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise UnreadableRates(f"not XML: {error}") from error
    yield from quotes


# --- Frankfurter --------------------------------------------------------------------------


def _frankfurter(body: bytes) -> Iterator[Quote]:
    try:
        document = read_json(body.removeprefix(b"\xef\xbb\xbf"))
    except ValueError as error:
        raise UnreadableRates(f"not JSON: {error}") from error
    if isinstance(document, list):
        for place, record in enumerate(document):
            yield from _frankfurter_quote(record, f"[{place}]")
        return
    if "rates" not in document:
        raise UnreadableRates(f"Frankfurter said: {shown(document.get('message', 'no rates'))}")
    base = _code(document.get("base"), "base")
    amount = _rate(document.get("amount", 1), "amount")
    rates = document["rates"]
    days = rates if "date" not in document else {str(document["date"]): rates}
    if not isinstance(days, dict):
        raise UnreadableRates(f"rates: not an object: {shown(days)}")
    for text, quotes in days.items():
        day = _day(text, "date")
        if not isinstance(quotes, dict):
            raise UnreadableRates(f"rates of {day}: not an object: {shown(quotes)}")
        for quote, rate in quotes.items():
            where = f"rates of {day}"
            yield day, base, quote, _rate(rate, f"{where}: {_code(quote, where)}", amount)


def _frankfurter_quote(record: object, where: str) -> Iterator[Quote]:
    if not isinstance(record, dict):
        raise UnreadableRates(f"{where}: not an object: {shown(record)}")
    base, quote = (_code(record.get(name), f"{where}.{name}") for name in ("base", "quote"))
    # A base is also quoted against itself.
    if base != quote:
        day = _day(record.get("date"), f"{where}.date")
        yield day, base, quote, _rate(record.get("rate"), f"{where}.rate")
