"""Intake: a file of 1,000,000 scans, from its bytes to its rows."""

from collections.abc import Iterator

import sqlalchemy as sa

from benchmarks.running import Found, Place, Stopwatch
from benchmarks.synthetic import NOW, new_database, settle, write_scan_file
from pricing_assets.schema import tables as t
from pricing_assets.store.intake import Readings, store_scans
from resources.database import Database
from resources.inbox import content_hash
from resources.scan_files import read_scans

SCANS = 1_000_000
FILE = "scans.csv"


def prepare(place: Place) -> Found:
    """Write the file and make an empty database."""
    with Stopwatch() as watch:
        write_scan_file(place.directory / FILE, SCANS)
        settle(new_database(place.url))
    return Found(watch.seconds)


def ours(place: Place) -> Found:
    """Do what `pricing scan --file` does."""
    database = Database(place.url)
    with Stopwatch() as watch:
        count = store_scans(database, _of_file(place), user_id="default", received_at=NOW)
    stored = database.scalar(sa.select(sa.func.count()).select_from(t.scans))
    items = database.scalar(sa.select(sa.func.count()).select_from(t.items))
    if count.read != SCANS or stored != SCANS:
        raise RuntimeError(f"{SCANS:,} scans in the file, {count.read:,} read, {stored:,} stored")
    return Found(
        watch.seconds,
        {"accepted": count.accepted, "rejected": count.rejected, "items": items},
        {"scans_per_second": round(SCANS / watch.seconds)},
    )


def _of_file(place: Place) -> Iterator[Readings]:
    path = place.directory / FILE
    origin = content_hash(path)
    for batch in read_scans(path):
        yield Readings(origin, path.name, batch)
