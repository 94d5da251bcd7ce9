import pytest
import sqlalchemy as sa

from pricing_assets.core.gate import QUALITY_TIERS, V1
from pricing_assets.schema import tables as t
from tests.assets.conftest import BOOKS, Processed
from tests.runs import metadata


def test_every_score_is_the_policys(processed: Processed) -> None:
    items = processed.platform.rows(sa.select(t.items))
    assert len(items) == BOOKS
    for item in items:
        expected = V1.score(item.sold_comps_count, item.sold_comps_median)
        assert item.training_quality_score == pytest.approx(expected)
        assert item.training_quality_as_of == item.sold_comps_as_of
    assert len({item.training_quality_score for item in items}) > 3


def test_what_it_shows_is_what_is_stored(processed: Processed) -> None:
    shown = metadata(processed.runs["process_scans"], "training_quality_scores")
    items = processed.platform.rows(sa.select(t.items))
    scores = [item.training_quality_score for item in items]
    assert shown["dagster/row_count"] == shown["scored_now"] == BOOKS
    assert shown["mean_score"] == pytest.approx(sum(scores) / BOOKS, abs=1e-4)
    tiers = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in shown["tiers"].splitlines()[2:]
    ]
    assert [(name, float(least)) for name, least, _ in tiers] == list(QUALITY_TIERS)
    assert sum(int(count) for _, _, count in tiers) == BOOKS
    _, least = QUALITY_TIERS[0]
    assert int(tiers[0][2]) == sum(score >= least for score in scores)
    assert "data:image/png;base64," in shown["score_distribution"]
    assert shown["preview"].count("\n") > 2
