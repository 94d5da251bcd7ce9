import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import sqlalchemy as sa

from pricing_assets.schema import tables as t
from resources.exchange_rates import read_exchange_rates
from resources.sandbox.ecb import Ecb
from resources.sandbox.exchange_rates import BEGINS
from resources.sandbox.market import Market
from resources.sandbox.wire import Call
from tests.runs import NOON, Platform, metadata

FRIDAY = NOON.replace(day=23, hour=16)
PERIOD = {"base": "EUR", "rates": {"2026-10-19": {"USD": 1.25, "GBP": 0.8}}}


def update(platform: Platform) -> dict[str, Any]:
    return metadata(platform.run("update_exchange_rates"), "exchange_rates")


@contextmanager
def without_the_ecb(frankfurter: dict[str, Any] | None) -> Iterator[str]:
    """A server on which the ECB has nothing, and Frankfurter what is given."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = frankfurter is not None and self.path.startswith("/frankfurter/v1/")
            body = json.dumps(frankfurter if answers else {"message": "not found"}).encode()
            self.send_response(200 if answers else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_the_first_run_takes_all_days_and_later_ones_what_is_new(platform: Platform) -> None:
    first = update(platform)
    # At noon the day's own rates are not there yet.
    assert (first["answered_by"], first["newest_day"]) == ("sandbox:ecb", "2026-10-19")
    assert first["rates_added"] == first["dagster/row_count"] == platform.count(t.exchange_rates)
    assert first["currencies"] == 10
    assert "![USD for one unit" in first["levels"]
    assert "sandbox:ecb" in first["preview"]
    oldest = platform.rows(sa.select(sa.func.min(t.exchange_rates.c.day)))
    assert oldest[0][0] == BEGINS
    again = update(platform.at(FRIDAY))
    # Four days of nine currencies: one had ended.
    assert (again["newest_day"], again["rates_added"]) == ("2026-10-23", 36)
    calls = t.api_calls.c
    sizes = platform.rows(sa.select(calls.size_bytes).order_by(calls.id))
    assert sizes[0].size_bytes > sizes[1].size_bytes > 0


def test_frankfurter_is_asked_when_the_ecb_is_out(platform: Platform) -> None:
    with without_the_ecb(PERIOD) as url:
        found = update(platform.with_sandbox(url))
    assert found["answered_by"] == "sandbox:frankfurter"
    assert (found["rates_added"], found["newest_day"]) == (2, "2026-10-19")
    calls = t.api_calls.c
    assert [
        tuple(call)
        for call in platform.rows(sa.select(calls.source, calls.result).order_by(calls.id))
    ] == [("sandbox:ecb", "error"), ("sandbox:frankfurter", "found")]


def test_when_nobody_answers_the_run_says_what_to_do(platform: Platform) -> None:
    with without_the_ecb(None) as url:
        result = platform.with_sandbox(url).run("update_exchange_rates", fails=True)
    (failed,) = [e for e in result.all_events if e.is_step_failure]
    said = str(failed.step_failure_data.user_failure_data)
    for words in ("ecb about rates", "frankfurter about rates", "answered 404", "rates load FILE"):
        assert words in said


def test_the_simulated_rates_of_a_day_are_always_the_same() -> None:
    vendor = Ecb({}, Market(0))

    def rates(file: str, now: Any = FRIDAY) -> dict[tuple[date, str], Any]:
        answer = vendor.answer(Call({}, {}, now, path_params={"file": file}))
        assert answer.status == 200
        rows = read_exchange_rates(answer.body()).to_pylist()
        return {(r["day"], r["currency"]): r["usd_per_unit"] for r in rows}

    history, recent = rates("eurofxref-hist.zip"), rates("eurofxref-hist-90d.xml")
    assert recent.items() <= history.items()
    assert rates("eurofxref-hist-90d.xml", FRIDAY.replace(month=9)).items() <= history.items()
    days = {day for day, _ in history}
    assert not [day for day in days if day.weekday() > 4]
    assert max(day for day, currency in history if currency == "BGN") == date(2025, 12, 31)
    body = vendor.answer(
        Call({}, {}, FRIDAY, path_params={"file": "eurofxref-hist-90d.xml"})
    ).body()
    assert b"simulated" in body
