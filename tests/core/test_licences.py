from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pricing_assets.core.licences import (
    NO_AGREEMENT,
    NO_REDISTRIBUTION,
    NO_TRAINING,
    SIMULATED,
    Terms,
)

NOON = datetime(2026, 10, 20, 12, tzinfo=UTC)


def terms(
    train: str, *, redistribute: bool, agreement: str | None = None, source: str = "x"
) -> Terms:
    return Terms(source, True, None, 6, redistribute, train, agreement, NOON if agreement else None)


@given(
    st.sampled_from(["yes", "with agreement", "no"]),
    st.booleans(),
    st.sampled_from([None, "Contract 17"]),
    st.booleans(),
)
def test_what_bars_from_training(
    train: str, redistribute: bool, agreement: str | None, internal: bool
) -> None:
    found = terms(train, redistribute=redistribute, agreement=agreement)
    bar = found.bars_from_training(internal=internal)
    trains = train == "yes" or (train == "with agreement" and agreement is not None)
    assert (bar is None) == (trains and (redistribute or internal))
    assert (bar == NO_TRAINING) == (train == "no")
    assert (bar == NO_AGREEMENT) == (train == "with agreement" and agreement is None)
    assert (bar == NO_REDISTRIBUTION) == (trains and not redistribute and not internal)
    ours = terms(train, redistribute=redistribute, source=f"{SIMULATED}x")
    assert ours.bars_from_training(internal=internal) is None


@given(st.integers(0, 100))
def test_a_price_may_be_shown_until_its_age(hours: int) -> None:
    found = terms("yes", redistribute=True)
    assert found.may_show(NOON, NOON + timedelta(hours=hours)) == (hours <= 6)


def test_a_licence_in_a_word() -> None:
    assert terms("yes", redistribute=True).word() == "trains, may leave"
    assert terms("with agreement", redistribute=False).word() == "trains with agreement, internal"
    assert terms("no", redistribute=False).word() == "never trains, internal"
