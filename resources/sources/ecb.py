"""The European Central Bank: euro reference rates of every working day since 1999.

One file has the whole history, another one the last 90 days. They are published at about 16:00
in Frankfurt; a day is never changed afterwards.
"""

from datetime import timedelta

import httpx

from pricing_assets.core.answers import ItemQuery
from resources.sources.base import Licence
from resources.sources.credentials import Credentials
from resources.sources.rates import RateSource, period_of

_HISTORY = "/stats/eurofxref/eurofxref-hist.zip"
_LAST_90_DAYS = "/stats/eurofxref/eurofxref-hist-90d.xml"
_SHORT = timedelta(days=85)
"""Days that the smaller file has for certain: it ends on the last working day."""


class Ecb(RateSource):
    """Reference rates against the euro."""

    name = "ecb"
    base_url = "https://www.ecb.europa.eu"
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=True,
        train="yes",
        note="The ECB lets its statistics be used freely where it is named as their source.",
    )

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the smallest file that has the period."""
        first, last = period_of(query)
        path = _LAST_90_DAYS if last - first <= _SHORT else _HISTORY
        return httpx.Request("GET", self.base_url + path, headers={"Accept": "*/*"})
