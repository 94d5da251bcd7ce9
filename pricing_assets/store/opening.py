"""Opening the central database as every process does: migrated, with its sources registered."""

from collections.abc import Iterator
from contextlib import contextmanager

from pricing_assets.schema.migrate import upgrade
from pricing_assets.store.partitions import make_weeks
from pricing_assets.store.sources import register_sources
from resources.clock import Clock
from resources.database import Database
from resources.settings import Settings
from resources.sources import registered_sources
from resources.sources.base import Source
from resources.sources.credentials import Credentials


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the central database, brought to this version, with its sources registered.

    Also makes the inbox, so that there is a place to drop files into.
    """
    database = Database(settings.database_url)
    try:
        settings.inbox.mkdir(parents=True, exist_ok=True)
        upgrade(database)
        make_weeks(database, now=Clock.from_env().now())
        register(database, settings)
        yield database
    finally:
        database.close()


def register(database: Database, settings: Settings) -> None:
    """Give every registered source its row, and activate those that are to be asked."""
    sources = registered_sources()
    register_sources(
        database,
        sources,
        settings.source_prefix,
        unusable=sources.keys() - usable_sources(settings).keys(),
    )


def usable_sources(settings: Settings) -> dict[str, Source]:
    """Return the sources that can be asked: all in the sandbox, those with credentials live.

    A source without its credentials is not asked, rather than failed for every item.
    """
    sources = registered_sources()
    if settings.profile == "sandbox":
        return sources
    credentials = Credentials.from_env()
    return {
        name: source
        for name, source in sources.items()
        if not source.missing_credentials(credentials)
    }
