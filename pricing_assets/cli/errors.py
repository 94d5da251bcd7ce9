"""What the command line says when it cannot go on."""

import sqlite3
from pathlib import Path

import click
import sqlalchemy as sa

from pricing_assets.core.training import SchemaMismatch
from pricing_assets.store.merges import NotMerged
from pricing_assets.store.partitions import NotDetached
from pricing_assets.store.reviews import NotForReview
from pricing_assets.store.training_publish import NotPublished
from pricing_assets.store.training_set import NothingToBuild
from pricing_assets.store.training_verify import NotATrainingSet
from resources.database import DatabaseUnavailable, redacted
from resources.exchange_rates import UnreadableRates
from resources.scan_files import UnreadableFile
from resources.settings import SettingsError


class Refusal(click.ClickException):
    """A failure that was foreseen: shown as one sentence, exit code 1."""

    exit_code = 1


def explained(error: Exception) -> str | None:
    """Return a foreseen failure as a sentence for a person; None for one that is a bug."""
    match error:
        case DatabaseUnavailable() | UnreadableFile() | UnreadableRates() | SettingsError():
            return str(error)
        case NothingToBuild() | NotForReview() | SchemaMismatch():
            return str(error)
        case NotATrainingSet() | NotPublished() | NotMerged() | NotDetached():
            return str(error)
        case sa.exc.OperationalError() | sa.exc.DatabaseError() | sqlite3.Error():
            cause = redacted(str(getattr(error, "orig", error))).strip()
            return f"the database refused: {cause}. Check PRICING_DATABASE_URL and PRICING_HOME."
        case OSError(filename=str() | Path() as place, strerror=str() as reason):
            # A place that cannot be used, or a disk that is full.
            return f"{place}: {reason}. Check PRICING_HOME, DAGSTER_HOME and the disk."
        case _:
            return None
