from datetime import timedelta

import pytest
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store import payloads
from pricing_assets.store.answers import commit_replies
from pricing_assets.store.evidence import SourceFacts
from pricing_assets.store.payloads import Removed, kept_bodies, remove_expired
from resources.database import Database
from tests.examples import DAY, NOON, SOLD, commit, listing, reply, row, rows, scan, set_licence


def test_bodies_past_their_retention_go_and_everything_else_stays(database: Database) -> None:
    scan(database, *range(4))
    old = [reply(number, SOLD, listings=[listing("a", "9.00")]) for number in range(3)]
    commit(database, *old, reply(0, "open_library", fields={"title": "A"}))
    commit(database, reply(3, SOLD, NOON + DAY))
    set_licence(database, SOLD, payload_retention_days=90)
    before = {table.name: rows(database, table) for table in (t.price_listings, t.api_calls)}
    # Open Library lets us keep everything for ever, and book 3 was fetched a day later.
    assert remove_expired(database, now=NOON + 90 * DAY - timedelta(seconds=1)) == []
    now = NOON + 90 * DAY
    size = sum(len(answer.body) for answer in old)
    assert remove_expired(database, now=now) == [Removed(SOLD, 3, size)]
    assert kept_bodies(database) == 2
    stored = {found["sha256"]: found for found in rows(database, t.payloads)}
    for answer in old:
        found = stored[answer.sha256 or ""]
        assert (found["body_zstd"], found["removed_at"]) == (b"", now)
        assert found["size_bytes"] == len(answer.body)
    assert {
        table.name: rows(database, table) for table in (t.price_listings, t.api_calls)
    } == before
    assert remove_expired(database, now=now) == []


def test_many_bodies_go_in_more_than_one_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payloads, "BODIES_A_TRANSACTION", 2)
    scan(database, *range(5))
    commit(database, *(reply(number, SOLD) for number in range(5)))
    (removed,) = remove_expired(database, now=NOON + 1000 * DAY)
    assert removed.bodies == 5
    assert kept_bodies(database) == 0


def test_of_a_source_that_lets_us_keep_no_body_none_is_kept(database: Database) -> None:
    scan(database, 1)
    answer = reply(1, SOLD, listings=[listing("a", "9.00")])
    facts = {SOLD: SourceFacts("sold", DAY, store_payloads=False)}
    commit_replies(database, [answer], facts, run_id="run", now=NOON)
    found = row(database, t.payloads)
    assert (found.sha256, found.size_bytes) == (answer.sha256, len(answer.body))
    assert (found.body_zstd, found.removed_at) == (b"", NOON)
    assert database.scalar(sa.select(t.price_listings.c.payload_sha256)) == answer.sha256
