"""Decodo's scraper API as its sources have it in common: one order, one job, its status.

``POST /v2/scrape`` loads one page while we wait. Two codes say how it went: the HTTP status of
the call, and ``status_code`` of the job in ``results``, which is what the page's own site
answered. What a page holds is in that source's module.
"""

import re
from abc import abstractmethod
from typing import Any, ClassVar

import httpx

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources import wire
from resources.sources.base import (
    CredentialsRefused,
    PermanentError,
    RetryableError,
    Source,
    SourceError,
    UnparsablePayload,
)
from resources.sources.credentials import Credentials

JOB_FAULTED = frozenset({204, 408, 429, 612, 613})
CONTENT_PATH = "results[0].content"
"""Where the page is in an answer, as problems name it."""


class DecodoSource(Source):
    """One site's pages as Decodo loads them.

    Attributes:
        page_statuses: Statuses of a job whose content is a page to read.
        retryable_statuses: Statuses of a job, below 500, of which another one may go well.
    """

    base_url = "https://scraper-api.decodo.com"
    rate_per_second = 10.0  # 30 on the plans that we know of; a smaller plan has fewer
    allowance = "decodo"
    credential_names = ("DECODO_AUTHENTICATION", "DECODO_PASSWORD")
    # The vendor loads the page while we wait, and gives up after 150 s.
    read_timeout = 150.0
    total_timeout = 160.0
    page_statuses: ClassVar[frozenset[int]] = frozenset({200})
    retryable_statuses: ClassVar[frozenset[int]] = JOB_FAULTED

    @abstractmethod
    def read_content(self, query: ItemQuery, content: Any) -> Answer:
        """Return what the page says, as the vendor passes it on at `CONTENT_PATH`.

        Raises:
            SourceError: It is not the page that was ordered.
        """

    def missing_page(self) -> Answer:
        """Return what it means that the site has no such page (404).

        Raises:
            PermanentError: It says nothing of the item.
        """
        return Answer("not_found")

    def order(self, **what: Any) -> httpx.Request:
        """Return the request of one job."""
        return httpx.Request("POST", f"{self.base_url}/v2/scrape", json=what)

    def auth(self, credentials: Credentials) -> httpx.Auth:
        """Return the user's login."""
        return httpx.BasicAuth(
            credentials.require("DECODO_AUTHENTICATION"), credentials.require("DECODO_PASSWORD")
        )

    def error_detail(self, response: httpx.Response) -> str:
        """Return ``message``."""
        try:
            match wire.read_json(response.content):
                case {"message": str(message)} | {"error": str(message)}:
                    return wire.excerpt(message)
        except ValueError:
            pass
        return super().error_detail(response)

    def error(self, response: httpx.Response) -> SourceError | None:
        """Take a job that is not done, which the vendor answers with 204, for a retry."""
        if response.status_code == httpx.codes.NO_CONTENT:
            return RetryableError("answered 204: the page is not there yet")
        return super().error(response)

    def read(self, query: ItemQuery, document: Any) -> Answer:
        """Read the page of the one job."""
        match document:
            case {"results": [dict(job), *_]}:
                pass
            case {"message": str(message)}:
                raise _failure(wire.excerpt(message))
            case _:
                raise UnparsablePayload("results", "no job in the answer")
        status = job.get("status_code", httpx.codes.OK)
        if status == httpx.codes.NOT_FOUND:
            return self.missing_page()
        if not isinstance(status, int) or status not in self.page_statuses:
            raise self._job_failure(status)
        return self.read_content(query, job.get("content"))

    def _job_failure(self, status: object) -> SourceError:
        sentence = f"answered that its job ended with {wire.shown(status)}"
        if isinstance(status, int) and (status in self.retryable_statuses or status >= 500):
            return RetryableError(sentence)
        return PermanentError(sentence)


def _failure(message: str) -> SourceError:
    sentence = f"answered an error: {message}"
    if re.search(r"(?i)unauthori[sz]ed|credential|authenticat", message):
        return CredentialsRefused(f"{sentence}; check DECODO_AUTHENTICATION and DECODO_PASSWORD")
    return PermanentError(sentence)
