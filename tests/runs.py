"""A platform of a test's own: its state, its database, and real Dagster runs against a sandbox.

Nothing here stands in for anything: the sandbox is a process that is asked over a socket, a
run is recorded in an instance, a database is migrated.
"""

import atexit
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest
import sqlalchemy as sa

from pricing_assets.build import build_defs
from pricing_assets.cli import main
from pricing_assets.schema import tables as t
from pricing_assets.store.decisions import counts_by_reason
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.database import AnySelect, Database
from resources.sandbox.catalogue import Book, bundled_catalogue
from resources.sandbox.process import SandboxProcess
from resources.settings import Settings
from tests.conftest import ROOT, sqlite_template

SANDBOX_SOURCES = (
    *("booksrun", "ebay_browse", "google_books", "open_library", "searchapi_ebay_sold"),
)
"""Those that are asked about a book."""

SOURCES_OF_PEOPLE = ("wikidata", "wikimedia_commons")

Asked = Counter[tuple[str, str]]
"""How often a sandbox answered about each (source, ISBN-13)."""


def isbns(count: int, start: int = 0) -> list[str]:
    """ISBN-13s of the bundled catalogue, which a sandbox knows."""
    return [book.isbn13 for book in _bundled()[start : start + count]]


@functools.cache
def _bundled() -> list[Book]:
    return bundled_catalogue()


@functools.cache
def _http() -> httpx.Client:
    """The client that asks sandboxes over and over: to make one takes 25 ms of the processor."""
    client = httpx.Client(timeout=10)
    atexit.register(client.close)
    return client


def asked(sandbox_url: str) -> Asked:
    answer = _http().get(f"{sandbox_url}/_sandbox/asked").raise_for_status().json()
    return Counter(
        {
            (source, isbn): n
            for source, by in answer.items()
            for isbn, n in by.items()
            if source not in SOURCES_OF_PEOPLE
        }
    )


def drop(inbox: Path, name: str, content: str | bytes, *, seconds_ago: float = 60) -> Path:
    """Put a file into the inbox that was last written a while ago."""
    inbox.mkdir(parents=True, exist_ok=True)
    path = inbox / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    moment = path.stat().st_mtime - seconds_ago
    os.utime(path, (moment, moment))
    return path


@dataclass(frozen=True)
class Platform:
    settings: Settings
    instance: dg.DagsterInstance
    clock: Clock

    def at(self, moment: datetime) -> "Platform":
        """The same platform at another time."""
        return replace(self, clock=Clock(moment))

    def with_sandbox(self, url: str) -> "Platform":
        return replace(self, settings=replace(self.settings, sandbox_url=url))

    def definitions(self) -> dg.Definitions:
        return build_defs(self.settings, {"clock": self.clock})

    @contextmanager
    def database(self) -> Iterator[Database]:
        with open_database(self.settings) as database:
            yield database

    def rows(self, statement: AnySelect) -> Sequence[sa.Row[Any]]:
        with self.database() as database:
            return database.rows(statement)

    def count(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        statement = sa.select(sa.func.count()).select_from(table).where(*conditions)
        with self.database() as database:
            return int(database.scalar(statement) or 0)

    def count_item_calls(self) -> int:
        """How many calls about items are on record."""
        return self.count(t.api_calls, t.api_calls.c.item_id.is_not(None))

    def scan(self, codes: Sequence[str], name: str = "scans.txt") -> Path:
        return drop(self.settings.inbox, name, "".join(f"{code}\n" for code in codes))

    def run(
        self,
        job: str = "process_scans",
        *,
        partition: str | None = None,
        ops: Mapping[str, Mapping[str, object]] | None = None,
        fails: bool = False,
    ) -> dg.ExecuteInProcessResult:
        """Run a job; it has to succeed, or to fail where that is said."""
        result = (
            self.definitions()
            .resolve_job_def(job)
            .execute_in_process(
                instance=self.instance,
                partition_key=partition,
                raise_on_error=False,
                run_config={"ops": {name: {"config": dict(c)} for name, c in (ops or {}).items()}},
            )
        )
        assert result.success is not fails, _errors(result)
        return result


def reasons(platform: Platform, run_id: str) -> Counter[str]:
    """How many calls a run's decisions made or saved, by reason."""
    calls: Counter[str] = Counter()
    with platform.database() as database:
        for count in counts_by_reason(database, run_id):
            calls[count.reason] += count.calls
    return calls


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    """What an asset's materialization in this run said of itself."""
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def evaluation(
    result: dg.ExecuteInProcessResult, name: str = "unified_index"
) -> dg.AssetCheckEvaluation:
    """What a check of this run found."""
    (found,) = [
        evaluation
        for evaluation in result.get_asset_check_evaluations()
        if evaluation.check_name == name
    ]
    return found


def make_dagster_home(home: Path) -> None:
    """Make a directory a Dagster home with the project's own instance file, and no run yet."""
    shutil.copytree(_dagster_home(), home, dirs_exist_ok=True)


@functools.cache
def _dagster_home() -> Path:
    """A home whose storage is there: to create its tables takes a second."""
    home = Path(tempfile.mkdtemp(prefix="pricing-dagster-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    shutil.copyfile(ROOT / "dagster_home" / "dagster.yaml", home / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_runs_count() == 0
        assert instance.all_instigator_state() == []
    return home


NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """A sandbox that knows the first 200 books of the bundled catalogue."""
    with SandboxProcess(size=200) as sandbox:
        yield sandbox.url


@pytest.fixture
def platform(tmp_path: Path, sandbox_url: str) -> Iterator[Platform]:
    """A platform on SQLite with nothing in it, at noon of 20 October 2026."""
    with new_platform(tmp_path, sandbox_url, Clock(NOON)) as platform:
        yield platform


@contextmanager
def new_platform(directory: Path, sandbox_url: str, clock: Clock) -> Iterator[Platform]:
    """A platform on SQLite under a directory."""
    make_dagster_home(directory / "dagster_home")
    home = directory / "home"
    home.mkdir(parents=True)
    (home / "pricing.db").write_bytes(sqlite_template())
    settings = Settings(
        home=home,
        database_url=f"sqlite:///{home}/pricing.db",
        profile="sandbox",
        sandbox_url=sandbox_url,
    )
    with dg.DagsterInstance.from_config(str(directory / "dagster_home")) as instance:
        yield Platform(settings, instance, clock)


COMMAND = (sys.executable, "-c", "from pricing_assets.cli import main; main()")
"""The installed `pricing` script does the same; this one runs from the tree."""


def pricing(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def pricing_here(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in this process: the same entry point, without the second of imports."""
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", ["pricing", *arguments])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), err.getvalue())


def valued_items(platform: Platform) -> list[tuple[Any, ...]]:
    """Comps, score and flag of every item: what two ways to the same state must agree on."""
    i = t.items.c
    return [
        tuple(row)
        for row in platform.rows(
            sa.select(
                *(i.natural_key, i.title, i.metadata_source, i.quality_score),
                *(i.sold_comps_count, i.sold_comps_min, i.sold_comps_median, i.sold_comps_max),
                *(i.ebay_active_count, i.sold_comps_source),
                *(i.training_quality_score, i.in_training),
            ).order_by(i.natural_key)
        )
    ]


def _errors(result: dg.ExecuteInProcessResult) -> str:
    return json.dumps(
        [str(event.event_specific_data)[:3000] for event in result.all_events if event.is_failure]
    )
