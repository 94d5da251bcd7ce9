import json
import os
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from pricing_assets.assets.raw_scans import take_inbox
from pricing_assets.schema import tables as t
from pricing_assets.store.intake import IntakeCount
from resources.clock import Clock
from tests.assets.conftest import BOOKS, JUNK, Processed
from tests.runs import NOON, Platform, drop, isbns, metadata


def take(platform: Platform, max_files: int = 1_000) -> tuple[IntakeCount, int]:
    with platform.database() as database:
        return take_inbox(database, platform.clock, platform.settings, max_files)


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []


def test_every_reading_is_kept_with_its_item_or_its_reason(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "raw_scans")
    assert shown["accepted"] == BOOKS + 1
    assert shown["rejected"] == len(JUNK)
    assert shown["dagster/row_count"] == BOOKS + 1 + len(JUNK)
    assert shown["pending"] == BOOKS + 1
    assert shown["files_refused"] == 0
    assert "day.txt" in shown["preview"]
    assert "data:image/png;base64," in shown["rejected_by_reason"]
    scans = processed.platform.rows(
        sa.select(t.scans.c.code, t.scans.c.reason, t.scans.c.note, t.scans.c.line)
        .where(t.scans.c.status == "rejected")
        .order_by(t.scans.c.line)
    )
    assert [row.code for row in scans] == list(JUNK)
    assert [row.line for row in scans] == list(range(BOOKS + 2, BOOKS + 2 + len(JUNK)))
    assert all(row.reason and row.note for row in scans)
    assert len({row.reason for row in scans}) == len(JUNK)


def test_repeated_scans_are_one_item(platform: Platform) -> None:
    isbn = isbns(1)[0]
    platform.scan([isbn, f"{isbn[:3]}-{isbn[3:]}", f" {isbn} "])
    taken, refused = take(platform)
    assert taken == IntakeCount(read=3, accepted=3)
    assert refused == 0
    assert platform.count(t.items) == platform.count(t.books) == 1


def test_a_read_file_moves_to_done(platform: Platform) -> None:
    path = platform.scan(isbns(2), "morning.txt")
    take(platform)
    assert names(platform.settings.inbox) == ["done"]
    assert names(platform.settings.inbox / "done") == ["morning.txt"]
    assert not path.exists()


def test_the_same_content_twice_adds_nothing(platform: Platform) -> None:
    platform.scan(isbns(5), "monday.txt")
    assert take(platform)[0] == IntakeCount(read=5, accepted=5)
    platform.scan(isbns(5), "copy of monday.txt")
    assert take(platform)[0] == IntakeCount(read=5, known=5)
    assert platform.count(t.scans) == 5
    assert names(platform.settings.inbox / "done") == ["copy of monday.txt", "monday.txt"]


def test_the_same_content_twice_in_one_batch_adds_nothing(platform: Platform) -> None:
    platform.scan(isbns(5), "a.txt")
    platform.scan(isbns(5), "b.txt")
    assert take(platform)[0] == IntakeCount(read=10, accepted=5, known=5)


def test_files_of_one_name_are_all_kept(platform: Platform) -> None:
    """The clock stands still here, as a fast machine's may between two moves."""
    contents = [isbns(1, start) for start in range(4)]
    for content in contents:
        platform.scan(content, "scans.txt")
        take(platform)
    done = platform.settings.inbox / "done"
    assert sorted(path.read_text().split() for path in done.iterdir()) == sorted(contents)
    assert all(path.suffix == ".txt" for path in done.iterdir())


def test_a_file_that_is_still_being_written_is_not_touched(platform: Platform) -> None:
    path = drop(platform.settings.inbox, "growing.txt", isbns(1)[0], seconds_ago=0)
    drop(platform.settings.inbox, "download.csv.part", isbns(1)[0])
    drop(platform.settings.inbox, ".hidden.txt", isbns(1)[0])
    (platform.settings.inbox / "folder").mkdir()
    assert take(platform) == (IntakeCount(), 0)
    assert names(platform.settings.inbox) == [
        *(".hidden.txt", "download.csv.part", "folder", "growing.txt")
    ]
    os.utime(path, (0, 0))
    assert take(platform)[0].accepted == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PK\x03\x04" + bytes(400), "Excel"),
        (b"%PDF-1.7 " + bytes(range(256)), "PDF"),
        (b"\x00\x01\x02\x03" * 200, ""),
    ],
    ids=["workbook", "pdf", "binary"],
)
def test_an_unreadable_file_is_set_aside_and_the_others_go_on(
    platform: Platform, content: bytes, reason: str
) -> None:
    platform.scan(isbns(2), "a good one.txt")
    drop(platform.settings.inbox, "broken.csv", content)
    platform.scan(isbns(2, 2), "z good one.txt")
    taken, refused = take(platform)
    assert (taken.accepted, refused) == (4, 1)
    rejected = platform.settings.inbox / "rejected"
    assert names(rejected) == ["broken.csv", "broken.csv.report.txt"]
    assert (rejected / "broken.csv").read_bytes() == content
    report = (rejected / "broken.csv.report.txt").read_text("utf-8")
    assert "broken.csv" in report
    assert reason in report
    assert len(report.partition("Reason:")[2].splitlines()[0].strip()) > 10
    assert "To do:" in report
    assert names(platform.settings.inbox / "done") == ["a good one.txt", "z good one.txt"]


def test_unreadable_files_of_one_name_keep_their_own_reports(platform: Platform) -> None:
    for number in range(3):
        drop(platform.settings.inbox, "broken.csv", b"%PDF-1.7 " + bytes([number]) * 300)
        take(platform)
    rejected = platform.settings.inbox / "rejected"
    files = [path for path in rejected.iterdir() if not path.name.endswith(".report.txt")]
    assert len({path.read_bytes() for path in files}) == 3
    assert all(path.with_name(path.name + ".report.txt").is_file() for path in files)


def test_a_file_that_vanishes_meanwhile_stops_nothing(platform: Platform) -> None:
    class Deletes(Clock):
        """Asked for the time between the look into the inbox and the reading."""

        def now(self) -> datetime:
            gone.unlink(missing_ok=True)
            return super().now()

    gone = platform.scan(isbns(1), "gone.txt")
    platform.scan(isbns(2, 1), "stays.txt")
    with platform.database() as database:
        taken, refused = take_inbox(database, Deletes(NOON), platform.settings, 10)
    assert taken.accepted == 2
    assert refused == 0
    assert names(platform.settings.inbox / "done") == ["stays.txt"]


def test_no_more_files_than_allowed_are_taken(platform: Platform) -> None:
    for number, isbn in enumerate(isbns(7)):
        platform.scan([isbn], f"{number}.txt")
    assert take(platform, max_files=3)[0].accepted == 3
    assert len(names(platform.settings.inbox / "done")) == 3
    assert take(platform)[0].accepted == 4


def test_lines_and_times_come_from_the_file(platform: Platform) -> None:
    first, second = isbns(2)
    rows = [
        {"isbn": first, "scanned_at": "2026-10-01T08:30:00+02:00"},
        {"isbn": second},
    ]
    drop(platform.settings.inbox, "s.jsonl", "\n".join(json.dumps(row) for row in rows))
    take(platform)
    scans = platform.rows(
        sa.select(t.scans.c.line, t.scans.c.scanned_at, t.scans.c.received_at).order_by(
            t.scans.c.line
        )
    )
    assert [row.line for row in scans] == [1, 2]
    assert scans[0].scanned_at == datetime.fromisoformat("2026-10-01T06:30:00+00:00")
    assert scans[1].scanned_at == NOON
    assert {row.received_at for row in scans} == {NOON}
