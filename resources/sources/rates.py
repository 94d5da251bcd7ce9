"""What publishers of exchange rates have in common: they are asked for days, and about no item.

Where each of them is, and what it is asked, is in its own module; how their bodies are read is
in `resources.exchange_rates`.
"""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.exchange_rates import UnreadableRates, read_exchange_rates
from resources.sources.base import Source, UnreadableBody

CATEGORY = "rates"


def rates_query(first: date, last: date) -> ItemQuery:
    """Return the question for the rates of a period, both ends included."""
    return ItemQuery("", CATEGORY, f"{first}..{last}")


def period_of(query: ItemQuery) -> tuple[date, date]:
    """Return the first and the last day that a question of `rates_query` is about."""
    first, _, last = query.natural_key.partition("..")
    return date.fromisoformat(first), date.fromisoformat(last)


class RateSource(Source):
    """A publisher of exchange rates. What it answered is in the reply's body.

    Attributes:
        longest_period: The longest period that it is asked for; None is without limit.
    """

    longest_period: ClassVar[timedelta | None] = None

    kind = "rates"
    categories = ()
    rate_per_second = 1.0
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=1)

    def covers(self, query: ItemQuery) -> bool:
        """Whether it is asked for rates at all."""
        return query.category == CATEGORY

    def document(self, response: httpx.Response) -> Any:
        """Return the body as a table of rates."""
        try:
            return read_exchange_rates(response.content)
        except UnreadableRates as error:
            raise UnreadableBody("body", str(error)) from None

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Say that there are rates: a body that holds none cannot be read."""
        return Answer("found")
