"""Frankfurter as the sandbox plays it: ``/v1/2026-10-01..2026-10-20``, the ECB's days as JSON."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from resources.sandbox.exchange_rates import CURRENCIES, published_days, units_per_euro
from resources.sandbox.wire import Call, Reply, Vendor


@dataclass
class Frankfurter(Vendor):
    """The same simulated reference rates."""

    source: ClassVar[str] = "frankfurter"
    path: ClassVar[str] = "/v1/{period}"

    def refusal(self, call: Call) -> Reply | None:
        """Let everyone in."""
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, {"message": "too many requests"}, {"Retry-After": "1"})

    def answer(self, call: Call) -> Reply:
        """Return the days of a period."""
        first, _, last = call.path_params["period"].partition("..")
        try:
            begins, ends = date.fromisoformat(first), date.fromisoformat(last)
        except ValueError:
            return Reply(404, {"message": "not found"})
        days = [day for day in published_days(begins, call.now) if day <= ends]
        if not days:
            return Reply(404, {"message": "not found"})
        return Reply(
            200,
            {
                "amount": 1.0,
                "base": "EUR",
                "start_date": days[0].isoformat(),
                "end_date": days[-1].isoformat(),
                "rates": {
                    day.isoformat(): {
                        currency: float(rate)
                        for currency in CURRENCIES
                        if (rate := units_per_euro(currency, day))
                    }
                    for day in days
                },
            },
        )
