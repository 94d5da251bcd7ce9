import io
import json
import zipfile
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.exchange_rates import (
    SCHEMA,
    UnreadableRates,
    read_exchange_rates,
    read_exchange_rates_file,
)

EIGHTH = Decimal("0.00000001")
HISTORY = b"""Date,USD,JPY,CYP,GBP,
2026-11-20,1.25,200,N/A,0.8,
2026-11-19,N/A,201,N/A,0.81,
2026-11-18,1.2,199.5,,N/A,
"""
XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
    xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube>
<Cube time="2026-11-20"><Cube currency="USD" rate="1.25"/><Cube currency="GBP" rate="0.8"/></Cube>
<Cube time="2026-11-19"><Cube currency="USD" rate="1.2"/></Cube>
</Cube></gesmes:Envelope>"""
V1_DAY = {"amount": 1.0, "base": "EUR", "date": "2026-11-20", "rates": {"USD": 1.25, "GBP": 0.8}}
V1_PERIOD = {
    "amount": 1.0,
    "base": "USD",
    "start_date": "2026-11-19",
    "end_date": "2026-11-20",
    "rates": {"2026-11-19": {"EUR": 0.8}, "2026-11-20": {"EUR": 0.5, "JPY": 160}},
}
V2 = [
    {"date": "2026-11-20", "base": "EUR", "quote": "EUR", "rate": 1.0},
    {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": 1.25},
    {"date": "2026-11-20", "base": "EUR", "quote": "GBP", "rate": 0.8},
]
Found = dict[tuple[str, str], Decimal]


def rates(body: bytes, source: str = "ecb") -> Found:
    table = read_exchange_rates(body)
    assert table.schema == SCHEMA
    rows = table.to_pylist()
    assert {row["source"] for row in rows} == {source}
    keys = [(row["day"], row["currency"]) for row in rows]
    assert keys == sorted(set(keys))
    return {(str(row["day"]), row["currency"]): row["usd_per_unit"] for row in rows}


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return file.getvalue()


def test_the_ecbs_history_with_its_gaps() -> None:
    found = rates(HISTORY)
    assert found == {
        ("2026-11-20", "EUR"): Decimal("1.25"),
        ("2026-11-20", "GBP"): Decimal("1.5625"),
        ("2026-11-20", "JPY"): Decimal("0.00625"),
        ("2026-11-18", "EUR"): Decimal("1.2"),
        ("2026-11-18", "JPY"): Decimal("0.00601504"),
    }
    assert rates(b"\xef\xbb\xbf" + HISTORY.replace(b"\n", b"\r\n")) == found
    assert rates(zipped(history_csv=HISTORY)) == found


def test_the_ecbs_90_days() -> None:
    assert rates(XML) == {
        ("2026-11-20", "EUR"): Decimal("1.25"),
        ("2026-11-20", "GBP"): Decimal("1.5625"),
        ("2026-11-19", "EUR"): Decimal("1.2"),
    }


def test_frankfurter() -> None:
    day = {("2026-11-20", "EUR"): Decimal("1.25"), ("2026-11-20", "GBP"): Decimal("1.5625")}
    assert rates(as_json(V1_DAY), "frankfurter") == day
    assert rates(as_json(V2), "frankfurter") == day
    assert rates(as_json(V1_PERIOD), "frankfurter") == {
        ("2026-11-19", "EUR"): Decimal("1.25"),
        ("2026-11-20", "EUR"): Decimal(2),
        ("2026-11-20", "JPY"): Decimal("0.00625"),
    }
    many = {**V1_DAY, "amount": 200, "rates": {"USD": 250, "GBP": 160}}
    assert rates(as_json(many), "frankfurter") == day


quoted = st.dictionaries(
    st.sampled_from(["USD", "GBP", "JPY", "SEK"]),
    st.decimals("0.0001", "30000", places=4),
    min_size=1,
)


@given(st.dictionaries(st.dates(date(1999, 1, 4), date(2026, 11, 20)), quoted, max_size=6))
@settings(max_examples=20, deadline=None)
def test_every_format_gives_the_same_rates(days: dict[date, dict[str, Decimal]]) -> None:
    expected = {
        (str(day), currency): (units["USD"] / value).quantize(EIGHTH, ROUND_HALF_UP)
        for day, units in days.items()
        if "USD" in units
        for currency, value in [("EUR", Decimal(1)), *units.items()]
        if currency != "USD"
    }
    expected = {key: rate for key, rate in expected.items() if rate}
    names = ["USD", "GBP", "JPY", "SEK"]
    lines = [",".join(["Date", *names]) + ","]
    lines += [
        ",".join([str(day), *(f"{units.get(n, 'N/A')}" for n in names)]) + ","
        for day, units in days.items()
    ]
    cubes = "".join(
        f'<Cube time="{day}">'
        + "".join(f'<Cube currency="{n}" rate="{v}"/>' for n, v in units.items())
        + "</Cube>"
        for day, units in days.items()
    )
    quotes = [(day, n, v) for day, units in days.items() for n, v in units.items()]
    v1 = {str(day): {n: float(v) for n, v in units.items()} for day, units in days.items()}
    bodies = {
        "\n".join(lines).encode(): "ecb",
        f"<Cube>{cubes}</Cube>".encode(): "ecb",
        as_json({"base": "EUR", "rates": v1}): "frankfurter",
        as_json(
            [{"date": str(d), "base": "EUR", "quote": n, "rate": float(v)} for d, n, v in quotes]
        ): "frankfurter",
    }
    for body, source in bodies.items():
        if expected:
            assert rates(body, source) == expected
        else:
            with pytest.raises(UnreadableRates):
                read_exchange_rates(body)


BOMB = b"""<!DOCTYPE c [<!ENTITY a "1"><!ENTITY b "&a;&a;">]><Cube>&b;</Cube>"""
OUTSIDE = b"""<!DOCTYPE c SYSTEM "file:///etc/hostname"><Cube/>"""
UNREADABLE = {
    "empty": (b"", "begins with"),
    "a page": (b"<html><p>hello</html>", "not XML"),
    "another table": (b"a,b\n1,2\n", "begins with"),
    "no rows": (b"Date,USD,\n", "no rate to USD"),
    "no usd": (b"Date,JPY,\n2026-11-20,1,\n", "no rate to USD"),
    "a word": (b"Date,USD,\n2026-11-20,much,\n", "USD on 2026-11-20: not a rate: 'much'"),
    "a negative rate": (b"Date,USD,\n2026-11-20,-1.2,\n", "not a rate"),
    "zero": (b"Date,USD,\n2026-11-20,0.0,\n", "a rate of zero"),
    "not a number": (b"Date,USD,\n2026-11-20,NaN,\n", "not a rate"),
    "another calendar": (b"Date,USD,\n20 November 2026,1.2,\n", "not a day"),
    "a day without hyphens": (b"Date,USD,\n20261120,1.2,\n", "Date: not a day: '20261120'"),
    "a day of a week": (b"Date,USD,\n2026-W47-5,1.2,\n", "Date: not a day"),
    "a day with slashes": (b"Date,USD,\n2026/11/20,1.2,\n", "Date: not a day"),
    "the year 0": (b"Date,USD,\n0000-11-20,1.2,\n", "Date: not a day"),
    "other digits": ("Date,USD,\n2026-11-20,1.\u0661,\n".encode(), "USD on .*: not a rate"),
    "beyond its digits": (b"Date,USD,\n2026-11-20,999999999999.99999999999999,\n", "too large"),
    "beyond usd's digits": (
        b"Date,USD,GBP,\n2026-11-20,100000,0.000000001,\n",
        "GBP on 2026-11-20: one would cost over 10,000,000,000 USD",
    ),
    "a short line": (b"Date,USD,GBP,\n2026-11-20,1\n", "not a table"),
    "a currency twice": (b"Date,USD,USD,\n2026-11-20,1,2,\n", "twice"),
    "not a code": (b"Date,USD,pound,\n2026-11-20,1,2,\n", "not a currency's code: 'pound'"),
    "two rates": (b"Date,USD,\n2026-11-20,1,\n2026-11-20,2,\n", "two different rates of USD"),
    "a damaged zip": (zipped(a_csv=HISTORY)[:-30], "damaged zip"),
    "a zip of two": (zipped(a_csv=HISTORY, b_csv=HISTORY), "2 csv files"),
    "entities": (BOMB, "document type"),
    "an outside entity": (OUTSIDE, "document type"),
    "a rate without a day": (b'<Cube currency="USD" rate="1"/>', "before the first day"),
    "a cube without a rate": (b'<Cube time="2026-11-20"><Cube currency="USD"/></Cube>', "a rate"),
    "half of a json": (b'{"base":', "not JSON"),
    "not found": (as_json({"message": "not found"}), "said: 'not found'"),
    "no base": (as_json({**V1_DAY, "base": None}), "base: not a currency"),
    "a list of rates": (as_json({**V1_DAY, "rates": [1]}), "not an object"),
    "true": (as_json({**V1_DAY, "rates": {"USD": True}}), "not a rate"),
    "a week's day": (as_json({**V1_DAY, "date": "2026-W47-5"}), "date: not a day: '2026-W47-5'"),
    "a day of several": (as_json({**V1_DAY, "date": ["2026-11-20"]}), "date: not a day"),
    "a quote of a week": (as_json([{**V2[1], "date": "20261120"}]), "date: not a day: '20261120'"),
    "next to nothing": (
        b'{"base": "USD", "date": "2026-11-20", "rates": {"EUR": 0.00000000001}}',
        "EUR on 2026-11-20: one would cost over 10,000,000,000 USD",
    ),
    "of a tiny amount": (as_json({**V1_DAY, "amount": 1e-12, "rates": {"USD": 9}}), "too large"),
    "an amount of zero": (as_json({**V1_DAY, "amount": 0}), "amount: a rate of zero"),
    "a number": (as_json([1]), r"\[0\]: not an object"),
    "two bases": (as_json([*V2, {**V2[1], "base": "GBP"}]), "more than one base"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_says_where_and_why(name: str, tmp_path: Path) -> None:
    body, says = UNREADABLE[name]
    path = tmp_path / "rates.bin"
    path.write_bytes(body)
    with pytest.raises(UnreadableRates, match=f"rates.bin: .*{says}"):
        read_exchange_rates_file(path)


@given(st.binary(max_size=60) | st.sampled_from([HISTORY, XML, as_json(V2)]), st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(body)))
    changed = body[:cut] + data.draw(st.binary(max_size=3)) + body[cut:]
    try:
        table = read_exchange_rates(changed)
    except UnreadableRates:
        return
    assert table.num_rows > 0
    assert min(table["usd_per_unit"].to_pylist()) > 0


# --- reference data, in place -------------------------------------------------------------


def test_the_real_history_of_the_ecb(reference_data: Path) -> None:
    fx = reference_data / "datasets" / "fx"
    history = (fx / "eurofxref-hist.csv").read_bytes()
    table = read_exchange_rates(zipped(history_csv=history))
    assert table.equals(read_exchange_rates(history))
    days = table["day"].to_pylist()
    assert min(days) == date(1999, 1, 4)
    assert len(set(days)) == history.count(b"\n") - 1
    assert {"EUR", "GBP", "JPY", "ZAR"} <= set(table["currency"].to_pylist())
    recent = read_exchange_rates_file(fx / "ecb_eurofxref-hist-90d.xml").to_pylist()
    by_key = {(r["day"], r["currency"]): r["usd_per_unit"] for r in table.to_pylist()}
    assert len(recent) > 1000
    assert all(by_key[r["day"], r["currency"]] == r["usd_per_unit"] for r in recent)
