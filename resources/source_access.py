"""Which world the source clients talk to: the vendors, or the sandbox.

In the sandbox profile a sandbox is started on a free loopback port when none is named, so
that a run works with nothing else running; it ends with the run.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from types import TracebackType
from typing import Self

from resources import sandbox
from resources.clock import Clock
from resources.sandbox.process import SandboxProcess
from resources.settings import Settings
from resources.sources import registered_sources
from resources.sources.base import Source
from resources.sources.client import Credentials, SourceClient

SANDBOX_RATE = 300
"""Requests a second to each source of the sandbox, which allows as many."""


class SourceAccess:
    """The registered sources, and clients that reach them in the settings' profile.

    A context manager: leaving it stops a sandbox that it started.
    """

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._sandbox: AbstractContextManager[SandboxProcess] | None = None
        self._origin = settings.sandbox_url
        self.sources: Mapping[str, Source] = registered_sources()
        self.prefix = settings.source_prefix

    def __enter__(self) -> Self:
        """Return itself; a sandbox is started by the first client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the sandbox, if it was started here."""
        if self._sandbox is not None:
            self._sandbox.__exit__(kind, error, traceback)
            self._sandbox, self._origin = None, self._settings.sandbox_url

    def source(self, stored_name: str) -> Source:
        """Return a source by the name under which it is stored."""
        return self.sources[stored_name.removeprefix(self.prefix)]

    @asynccontextmanager
    async def client(self) -> AsyncIterator[SourceClient]:
        """Open a client for this profile."""
        if self._settings.profile == "live":
            async with SourceClient(
                credentials=Credentials.from_env(), now=self._clock.now
            ) as client:
                yield client
            return
        origin = self._origin or self._start_sandbox()
        moment = self._clock.fixed
        async with SourceClient(
            credentials=Credentials(
                {
                    "GOOGLE_BOOKS_API_KEY": sandbox.GOOGLE_BOOKS_API_KEY,
                    "EBAY_CLIENT_ID": sandbox.EBAY_CLIENT_ID,
                    "EBAY_CLIENT_SECRET": sandbox.EBAY_CLIENT_SECRET,
                    "SEARCHAPI_API_KEY": sandbox.SEARCHAPI_API_KEY,
                    "BRICKLINK_CONSUMER_KEY": sandbox.BRICKLINK_CONSUMER_KEY,
                    "BRICKLINK_CONSUMER_SECRET": sandbox.BRICKLINK_CONSUMER_SECRET,
                    "BRICKLINK_TOKEN": sandbox.BRICKLINK_TOKEN,
                    "BRICKLINK_TOKEN_SECRET": sandbox.BRICKLINK_TOKEN_SECRET,
                    "REBRICKABLE_API_KEY": sandbox.REBRICKABLE_API_KEY,
                    "PRICING_CONTACT": "sandbox@localhost",
                }
            ),
            now=self._clock.now,
            base_urls={name: origin + path for name, path in sandbox.BASE_PATHS.items()},
            label_prefix=self.prefix,
            rate_overrides=dict.fromkeys(sandbox.BASE_PATHS, SANDBOX_RATE),
            headers=_market_date(moment),
        ) as client:
            yield client

    def _start_sandbox(self) -> str:
        process = SandboxProcess(catalogue=self._settings.catalogue, rate=SANDBOX_RATE)
        self._sandbox = process
        self._origin = process.__enter__().url
        return self._origin


def _market_date(moment: datetime | None) -> dict[str, str]:
    return {"X-Sandbox-Now": moment.isoformat()} if moment else {}
