"""Rebrickable: metadata of minifigures by its own numbers (``fig-000123``).

It numbers figures its own way and maps them to no other catalogue's, so it is asked about no
other number. A figure has neither year nor theme: those belong to the sets it came in. The
limit is about a request a second; who goes on after 429 is locked out by address. Its
catalogue is to be had as files, which bulk users are asked to take.
"""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import quote

import httpx
from pydantic import Field

from pricing_assets.core.answers import Answer, ItemQuery
from pricing_assets.core.categories.minifigure import is_rebrickable
from resources.sources import bibliographic, wire
from resources.sources.base import (
    Licence,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials
from resources.sources.wire import Count, Text, Wire

_AVAILABLE_IN = re.compile(r"available in (\d{1,6}) seconds?")


class _Minifigure(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"set_num", "name"})

    number: Text = Field(alias="set_num")
    name: Text = Field(min_length=1)
    parts: Count | None = Field(None, alias="num_parts", ge=0, le=100_000)
    image: Text = Field("", alias="set_img_url")


class Rebrickable(Source):
    """Metadata of a minifigure."""

    name = "rebrickable"
    kind = "metadata"
    categories = ("minifigure",)
    base_url = "https://rebrickable.com"
    rate_per_second = 1.0
    cost_per_call_usd = Decimal(0)
    freshness = timedelta(days=90)
    credential_names = ("REBRICKABLE_API_KEY",)
    not_found_statuses = frozenset({404})
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=False,
        train="with agreement",
        note=(
            "Rebrickable offers its catalogue as files for any purpose, which bulk users are to "
            "take; what the API's answers may be used for is not said."
        ),
    )

    def covers(self, query: ItemQuery) -> bool:
        """Whether the number is Rebrickable's own."""
        return is_rebrickable(query.natural_key)

    def request(self, query: ItemQuery, credentials: Credentials) -> httpx.Request:
        """Ask for the minifigure."""
        number = quote(query.natural_key, safe="")
        return httpx.Request(
            "GET",
            f"{self.base_url}/api/v3/lego/minifigs/{number}/",
            headers={"Authorization": f"key {credentials.require('REBRICKABLE_API_KEY')}"},
        )

    def error(self, response: httpx.Response) -> SourceError | None:
        """Take the waiting time from the words, where no header has it."""
        failure = super().error(response)
        if isinstance(failure, RetryableError) and failure.retry_after is None:
            wait = _AVAILABLE_IN.search(str(failure))
            return RetryableError(str(failure), retry_after=float(wait[1]) if wait else None)
        return failure

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``detail``."""
        try:
            match wire.read_json(response.content):
                case {"detail": str(message)}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read a minifigure."""
        problems: list[str] = []
        figure = _Minifigure.read(document, "", problems)
        if figure is None:
            raise UnparsablePayload("body", "; ".join(problems))
        if figure.number.lower() != query.natural_key:
            problems.append(
                f"set_num: asked about {query.natural_key}, answered about "
                f"{wire.excerpt(figure.number, 40)}"
            )
            return Answer("not_found", problems=tuple(problems))
        fields = bibliographic.known(
            {
                "name": figure.name,
                "set_number": query.natural_key,
                "part_count": figure.parts or None,  # 0 is written where nobody has counted
                "image": figure.image,
            }
        )
        return Answer("found", fields, problems=tuple(problems))
