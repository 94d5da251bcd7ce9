import pytest

from pricing_assets.core.gate import V1
from pricing_assets.store.comps import update_comps
from pricing_assets.store.decisions import decide
from pricing_assets.store.gate import flag_items, score_items
from pricing_assets.store.intake import store_scans
from pricing_assets.store.queue import finish_scans
from pricing_assets.store.status import call_counts, status
from resources.database import Database
from tests.examples import DAY, NOON, SOLD, commit, readings, reply, sales, scan


def test_an_empty_platform_is_all_zeros(database: Database) -> None:
    found = status(database, "default")
    assert found["scans"] == {
        "accepted": 0,
        "rejected": 0,
        "pending": 0,
        "rejected_by_reason": {},
    }
    assert found["items"] == found["items_scored"] == found["in_training"] == 0
    assert found["mean_training_quality"] == 0
    assert found["tiers"] == {"excellent": 0, "good": 0, "fair": 0, "poor": 0}
    assert found["calls"] == {
        "made": 0,
        "saved": 0,
        "errors": 0,
        "cost_usd": 0.0,
        "saved_usd": 0.0,
    }


def test_everything_is_counted(database: Database) -> None:
    file = readings([1, 2, 3], bad=["97800", "97801"])
    store_scans(database, [file], user_id="default", received_at=NOON)
    sales(database, 1, ["20.00"] * 20)
    sales(database, 2, ["1.00"] * 3)
    update_comps(database, now=NOON)
    score_items(database, V1, now=NOON)
    flag_items(database, V1, now=NOON)
    found = status(database, "default")
    assert found["scans"] == {
        "accepted": 3,
        "rejected": 2,
        "pending": 3,
        "rejected_by_reason": {"check_digit": 2},
    }
    assert (found["items"], found["items_scored"], found["in_training"]) == (3, 2, 1)
    assert found["mean_training_quality"] == 0.5
    assert found["tiers"] == {"excellent": 1, "good": 0, "fair": 0, "poor": 1}


def test_calls_are_counted_with_what_they_cost_and_saved(database: Database) -> None:
    scan(database, 1, 1)
    decide(database, now=NOON, run_id="run-1")
    commit(database, reply(1, SOLD), reply(1, "open_library", error="answered 503"))
    commit(database, reply(1, SOLD, NOON + DAY), run_id="run-2")
    assert status(database, "default")["calls"] == {
        "made": 3,
        "saved": 4,
        "errors": 1,
        "cost_usd": 0.008,
        "saved_usd": 0.004,
    }
    one = call_counts(database, "run-2")
    assert (one["made"], one["saved"], one["errors"], one["cost_usd"]) == (1, 0, 0, 0.004)


def test_pending_goes_down_when_scans_are_finished(database: Database) -> None:
    scan(database, 1)
    decide(database, now=NOON, run_id="run-1")
    sources = ("open_library", "google_books", "ebay_browse", SOLD)
    commit(database, *(reply(1, source, error="answered 503") for source in sources))
    assert status(database, "default")["scans"]["pending"] == 1
    finish_scans(database, now=NOON)
    assert status(database, "default")["scans"]["pending"] == 0
    assert status(database, "default")["scans"]["accepted"] == 1


def test_the_scans_are_one_users(database: Database) -> None:
    scan(database, 1, 2, user_id="ann")
    scan(database, 3, user_id="bob")
    accepted = {
        user: status(database, user)["scans"]["accepted"] for user in ("ann", "bob", "carol")
    }
    assert accepted == {"ann": 2, "bob": 1, "carol": 0}
    assert status(database, "ann")["items"] == 3


def test_scans_are_not_read_without_their_owner(database: Database) -> None:
    with pytest.raises(ValueError, match="user_id is empty"):
        status(database, "")
