"""Frankfurter: the ECB's rates and those of other banks as JSON, for when the ECB is out."""

from datetime import timedelta

import httpx

from pricing_assets.core.answers import ItemQuery
from resources.sources import wire
from resources.sources.base import Licence
from resources.sources.credentials import Credentials
from resources.sources.rates import RateSource, period_of


class Frankfurter(RateSource):
    """Rates against the euro."""

    name = "frankfurter"
    longest_period = timedelta(days=80)  # longer ones are thinned out, or refused
    base_url = "https://api.frankfurter.dev"
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=True,
        train="yes",
        note="Free and open; its figures are those that central banks publish for reuse.",
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the days of the period."""
        first, last = period_of(query)
        return httpx.Request("GET", f"{self.base_url}/v1/{first}..{last}", params={"base": "EUR"})

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``message``."""
        try:
            match wire.read_json(response.content):
                case {"message": str(message)}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)
