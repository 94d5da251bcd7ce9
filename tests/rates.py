"""The conversion of one amount as a person would write it, beside the statement for many."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from pricing_assets.core.rates import MAX_AGE_DAYS, USD

_CENT = Decimal("0.01")
_MOST = Decimal("9999999999.99")


class NoRate(ValueError):
    """An amount that cannot be converted; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency cost on a day.

    Attributes:
        usd_per_unit: Above 0; eight decimals are kept.
        source: Who published it. Of two sources of one day the first by name counts.
    """

    day: date
    currency: str
    usd_per_unit: Decimal
    source: str = ""


@dataclass(frozen=True, slots=True)
class Converted:
    """An amount in USD with the rate that was used and the day it is of."""

    usd: Decimal
    rate: Decimal
    rate_day: date


class Rates:
    """Rates by currency and day."""

    def __init__(self, rates: Iterable[Rate], max_age_days: int = MAX_AGE_DAYS) -> None:
        """Take the rates and for how many days each holds."""
        self._days: dict[str, list[date]] = {}
        self._values: dict[tuple[str, date], Decimal] = {}
        self._max_age_days = max_age_days
        for rate in sorted(rates, key=lambda rate: (rate.currency, rate.day, rate.source)):
            if (rate.currency, rate.day) not in self._values:
                self._values[rate.currency, rate.day] = rate.usd_per_unit
                self._days.setdefault(rate.currency, []).append(rate.day)

    def convert(self, amount: Decimal, currency: str, day: date) -> Converted:
        """Return the amount in USD, by the last rate on or before the day.

        Raises:
            NoRate: The currency is unknown, has no rate yet, or only one too old, or the
                result is too large to be kept.
        """
        currency = currency.strip().upper()
        if currency == USD:
            return Converted(_kept(amount, currency), Decimal(1), day)
        days = self._days.get(currency)
        if days is None:
            raise NoRate(_unknown(currency))
        place = bisect_right(days, day)
        if place == 0:
            raise NoRate(f"no rate of {currency} on or before {day}")
        found = days[place - 1]
        if day - found > timedelta(days=self._max_age_days):
            raise NoRate(
                f"the last rate of {currency} on or before {day} is of {found}, "
                f"more than {self._max_age_days} days before"
            )
        rate = self._values[currency, found]
        return Converted(_kept(amount * rate, currency), rate, found)


def _unknown(currency: str) -> str:
    return f"unknown currency {currency}: no source has a rate of it"


def _kept(amount: Decimal, currency: str) -> Decimal:
    usd = amount.quantize(_CENT, ROUND_HALF_UP)
    if abs(usd) > _MOST:
        raise NoRate(f"the amount in {currency} is too large to be kept")
    return usd
