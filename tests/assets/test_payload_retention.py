from datetime import timedelta

from pricing_assets.schema import tables as t
from pricing_assets.store.sessions import begin_session
from tests.runs import Platform, isbns, metadata


def test_the_job_removes_what_has_expired_and_says_how_much(platform: Platform) -> None:
    platform.scan(isbns(2))
    with platform.database() as database:
        begin_session(database, "killed", ("metadata",), 9, now=platform.clock.now())
    platform.run()
    # The session of a run that nobody knows of is closed by this one's check.
    assert platform.count(t.training_sessions, t.training_sessions.c.status == "running") == 0
    assert platform.count(t.training_sessions, t.training_sessions.c.status == "failed") == 1
    bodies = platform.count(t.payloads)
    before = metadata(platform.run("remove_expired_payloads"), "payload_retention")
    assert (before["bodies_removed"], before["bodies_kept"]) == (0, bodies)
    # eBay's bodies may be kept for 7 days, Google's for 30, Open Library's for ever.
    later = platform.at(platform.clock.now() + timedelta(days=8))
    after = metadata(later.run("remove_expired_payloads"), "payload_retention")
    asks = platform.count(t.payloads, t.payloads.c.source == "sandbox:ebay_browse")
    assert (after["bodies_removed"], after["bodies_kept"]) == (asks, bodies - asks)
    assert after["bytes_removed"] > 0
    assert "sandbox:ebay_browse" in after["removed_by_source"]
