"""Files dropped into the inbox, through the sensor and a whole run."""

from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from sensors.new_scans import new_scans
from tests.runs import Platform, drop, isbns, metadata

crossed = pytest.mark.parametrize(
    ("migrated_url", "dagster_instance"),
    [("sqlite", "postgresql"), ("postgresql", "sqlite")],
    indirect=True,
)


def requests(platform: Platform, cursor: str | None = None) -> int:
    with platform.database() as database:
        result: Any = new_scans(
            dg.build_sensor_context(
                instance=platform.instance,
                cursor=cursor,
                resources={
                    "database": database,
                    "clock": platform.clock,
                    "settings": platform.settings,
                },
            )
        )
    return len(getattr(result, "run_requests", None) or [])


@crossed
def test_what_is_dropped_is_taken_flagged_and_put_away(platform: Platform) -> None:
    books = isbns(12)
    inbox = platform.settings.inbox
    assert requests(platform) == 0
    drop(inbox, "scanner.txt", "\n".join(books[:4]))
    drop(inbox, "export.csv", "Title,ISBN13\n" + "".join(f"a,{isbn}\n" for isbn in books[4:8]))
    drop(inbox, "app.jsonl", "".join(f'{{"code": "{isbn}"}}\n' for isbn in books[8:]))
    drop(inbox, "export.xlsx", b"PK\x03\x04" + bytes(300))
    drop(inbox, "download.csv.part", books[0])
    assert requests(platform) == 1
    result = platform.run()
    assert metadata(result, "raw_scans")["files_refused"] == 1
    assert metadata(result, "raw_scans")["accepted"] == 12
    assert requests(platform) == 0
    flagged = platform.count(t.items, t.items.c.in_training_as_of.is_not(None))
    assert flagged == platform.count(t.items) == 12
    assert {path.name for path in (inbox / "done").iterdir()} == {
        *("scanner.txt", "export.csv", "app.jsonl")
    }
    assert {path.name for path in (inbox / "rejected").iterdir()} == {
        *("export.xlsx", "export.xlsx.report.txt")
    }
    assert [path.name for path in inbox.iterdir() if path.is_file()] == ["download.csv.part"]
    origins = platform.rows(
        sa.select(t.scans.c.origin_name, sa.func.count().label("n"))
        .group_by(t.scans.c.origin_name)
        .order_by(t.scans.c.origin_name)
    )
    assert [tuple(row) for row in origins] == [
        *(("app.jsonl", 4), ("export.csv", 4), ("scanner.txt", 4))
    ]


@crossed
def test_a_run_that_cannot_put_a_file_away_is_made_good_by_the_next(platform: Platform) -> None:
    """Rows are stored before the file moves, so that a failure in between loses nothing."""
    books = isbns(5)
    path = platform.scan(books)
    in_the_way = platform.settings.inbox / "done"
    in_the_way.write_text("not a directory")
    platform.run(fails=True)
    assert platform.count(t.scans) >= 5
    assert path.is_file()
    in_the_way.unlink()
    platform.run()
    assert not path.exists()
    mine = t.scans.c.origin_name == path.name
    assert platform.count(t.scans, mine) == 5
    assert platform.count(t.scans, mine, t.scans.c.processed_at.is_(None)) == 0
