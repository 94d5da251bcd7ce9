"""The sandbox's exchange rates: made up, and the same for a day whenever it is asked for.

They wander around a level that is about right, on working days only, as banks publish them.
One currency has ended, as real ones do.
"""

import math
from datetime import UTC, date, datetime, timedelta

from resources.sandbox.wire import stable_number

BEGINS = date(2023, 1, 2)
PUBLISHED_AT_HOUR = 15
"""Hour of the day, in UTC, from which its rates are there."""

_LEVELS = {
    "USD": 1.1, "JPY": 140.0, "GBP": 0.86, "CHF": 1.02, "CAD": 1.47, "AUD": 1.6, "SEK": 10.8,
    "PLN": 4.4, "BRL": 5.6, "BGN": 1.9558,
}  # fmt: skip
CURRENCIES = tuple(_LEVELS)
_ENDED = {"BGN": date(2025, 12, 31)}


def published_days(first: date, now: datetime) -> list[date]:
    """Return the working days from a day on whose rates are there, the oldest first."""
    at = now.astimezone(UTC)
    last = at.date() - timedelta(days=at.hour < PUBLISHED_AT_HOUR)
    first = max(first, BEGINS)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def units_per_euro(currency: str, day: date) -> str | None:
    """Return what one euro costs in a currency as text; None where there is no rate."""
    if day > _ENDED.get(currency, date.max):
        return None
    phase = stable_number("rates", currency) / 2**64 * math.tau
    noise = stable_number("rates", currency, day.isoformat()) / 2**64 - 0.5
    at = day.toordinal()
    drift = 0.05 * math.sin(at / 400 + phase) + 0.02 * math.sin(at / 45 + 3 * phase)
    rate = _LEVELS[currency] * (1 + drift + 0.004 * noise)
    return f"{rate:.{2 if rate >= 100 else 4}f}"
