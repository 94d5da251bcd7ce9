"""Raw scans: every reading of a code becomes a row, accepted with its item or refused."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from pricing_assets.assets.presentation import OWNERS, bars, column_schema, preview
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.intake import IntakeCount, Readings, pending_count, store_scans
from pricing_assets.store.status import status
from resources.clock import Clock
from resources.database import Database
from resources.inbox import archive, content_hash, refuse, waiting_files
from resources.scan_files import UnreadableFile, read_scans
from resources.settings import DEFAULT_USER, Settings

FILES_A_GROUP = 500
"""Files whose rows are stored before the first of them is moved away."""

_log = logging.getLogger(__name__)


class RawScansConfig(dg.Config):
    """How much one run takes from the inbox."""

    max_files: int = 5_000


@dg.asset(
    description="Every scan as it came: accepted scans with their item, refused ones with "
    "line and reason. Takes what waits in the inbox; scans made by `pricing scan` are "
    "already here.",
    group_name="intake",
    owners=OWNERS,
    kinds={"python", "sql"},
    tags={"layer": "raw"},
    metadata={"dagster/column_schema": column_schema(t.scans)},
)
def raw_scans(
    context: dg.AssetExecutionContext,
    config: RawScansConfig,
    database: dg.ResourceParam[Database],
    clock: dg.ResourceParam[Clock],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[None]:
    """Store the inbox's scans and report what is pending."""
    taken, refused = take_inbox(database, clock, settings, config.max_files)
    if taken.read or refused:
        _log.info(
            f"inbox: {number_of(taken.read, 'reading')}, {taken.accepted:,} accepted, "
            f"{taken.rejected:,} rejected, {taken.known:,} known before; "
            f"{number_of(refused, 'file')} refused"
        )
    pending = pending_count(database, now=clock.now())
    _log.info(f"{number_of(pending, 'scan is', 'scans are')} pending")
    scans = status(database, DEFAULT_USER)["scans"]
    reasons = sorted(scans["rejected_by_reason"].items(), key=lambda entry: -entry[1])
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": scans["accepted"] + scans["rejected"],
            "accepted": scans["accepted"],
            "rejected": scans["rejected"],
            "pending": pending,
            "files_refused": refused,
            "preview": preview(
                database,
                sa.select(
                    t.scans.c.id, t.scans.c.code, t.scans.c.status, t.scans.c.note,
                    t.scans.c.origin_name, t.scans.c.line,
                ).order_by(t.scans.c.id.desc()),
            ),
            "rejected_by_reason": bars("Rejected scans by reason", "scans", reasons[:10])
            if reasons
            else dg.MetadataValue.md("*no scan was rejected*"),
        }
    )  # fmt: skip


def take_inbox(
    database: Database, clock: Clock, settings: Settings, max_files: int
) -> tuple[IntakeCount, int]:
    """Store the scans of the files that wait in the inbox, and move the files away.

    A file moves only after its rows are committed, so a crash in between reads it again
    and adds nothing. A file that cannot be read is set aside and the others go on.

    Returns:
        The counts, and how many files were refused.
    """
    files = islice(waiting_files(settings.inbox, settings.inbox_settle_seconds), max_files)
    total, refused = IntakeCount(), 0
    while group := list(islice(files, FILES_A_GROUP)):
        unreadable: dict[Path, str] = {}
        total += store_scans(
            database,
            _readings(group, unreadable),
            user_id=DEFAULT_USER,
            received_at=clock.now(),
        )
        for path in group:
            # It may be gone meanwhile: a person, or another run, took it.
            with suppress(FileNotFoundError):
                if path in unreadable:
                    refuse(path, unreadable[path], clock.now())
                else:
                    archive(path, clock.now())
        refused += len(unreadable)
        _log.info("%s scans stored", f"{total.read:,}")
    return total, refused


def _readings(files: list[Path], unreadable: dict[Path, str]) -> Iterator[Readings]:
    for path in files:
        try:
            origin = content_hash(path)
            for batch in read_scans(path):
                yield Readings(origin, path.name, batch)
        except UnreadableFile as error:
            unreadable[path] = str(error)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable[path] = f"the file cannot be opened: {error.strerror}"
