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

    Args:
        sandbox_rate: Requests a second that each source of the sandbox is asked.
    """

    def __init__(
        self, settings: Settings, clock: Clock, *, sandbox_rate: int = SANDBOX_RATE
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._sandbox_rate = sandbox_rate
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
                credentials=Credentials.from_env(),
                now=self._clock.now,
                limits_directory=self._settings.limits,
            ) as client:
                yield client
            return
        origin = self._origin or self._start_sandbox()
        moment = self._clock.fixed
        async with SourceClient(
            credentials=Credentials(
                {
                    name: sandbox.credential(name)
                    for source in self.sources.values()
                    for name in source.credential_names
                }
            ),
            now=self._clock.now,
            # Of every source, also of one that the sandbox does not play: none may go out.
            base_urls={name: origin + sandbox.base_path(name) for name in self.sources},
            label_prefix=self.prefix,
            rate_overrides=dict.fromkeys(self.sources, self._sandbox_rate),
            headers=_market_date(moment),
            limits_directory=self._settings.limits,
        ) as client:
            yield client

    def _start_sandbox(self) -> str:
        process = SandboxProcess(catalogue=self._settings.catalogue, rate=self._sandbox_rate)
        self._sandbox = process
        self._origin = process.__enter__().url
        return self._origin


def _market_date(moment: datetime | None) -> dict[str, str]:
    return {"X-Sandbox-Now": moment.isoformat()} if moment else {}
