import sqlalchemy as sa

from pricing_assets.core.gate import V1, V2
from pricing_assets.schema import tables as t
from tests.assets.conftest import BOOKS, Processed
from tests.runs import metadata


def test_every_flag_is_the_policys_word_with_its_reason(processed: Processed) -> None:
    rows = processed.platform.rows(
        sa.select(
            t.items, t.gate_evaluations.c.reason, t.gate_evaluations.c.passed,
        )
        .join(t.gate_evaluations, t.gate_evaluations.c.item_id == t.items.c.id)
        .where(t.gate_evaluations.c.policy == V1.name)
    )  # fmt: skip
    assert len(rows) == BOOKS
    for row in rows:
        expected = V1.passes(
            row.sold_comps_count, row.sold_comps_median, row.sold_comps_is_estimate
        )
        assert row.in_training is row.passed is expected
        assert ("needs" in row.reason) is not expected
    assert {row.in_training for row in rows} == {True, False}


def test_what_it_shows_is_what_is_stored(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "in_training_flags")
    platform = processed.platform
    assert shown["dagster/row_count"] == shown["gated_now"] == BOOKS
    assert shown["in_training"] == platform.count(t.items, t.items.c.in_training)
    evaluations = t.gate_evaluations.c
    assert platform.count(t.gate_evaluations, evaluations.policy == V2.name) == BOOKS
    assert shown["admitted_by_v2"] == platform.count(
        t.gate_evaluations, evaluations.policy == V2.name, evaluations.passed
    )
    assert shown["scans_finished"] == BOOKS + 1
    assert "data:image/png;base64," in shown["reasons"]


def test_no_scan_is_pending_after_the_flags(processed: Processed) -> None:
    scans = t.scans.c
    left = processed.platform.count(
        t.scans, scans.status == "accepted", scans.processed_at.is_(None)
    )
    assert left == 0
