from collections.abc import Callable

from alembic.config import Config

from pricing_assets.schema.migrate import _config
from resources.database import Database
from tests.examples import database, hypertable

__all__ = ("database", "hypertable")


def migrate(database: Database, to: Callable[[Config, str], None], revision: str) -> None:
    """Take a database up or down to a revision."""
    with database.begin() as connection:
        to(_config(connection), revision)
