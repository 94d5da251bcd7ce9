from hypothesis import given
from hypothesis import strategies as st

from resources.sandbox.traffic import Traffic

SECOND = 1_000_000_000
steps = st.lists(
    st.integers(0, SECOND * 3 // 2) | st.sampled_from([0, SECOND, SECOND - 1]), max_size=60
)


def run(rate: int, gaps: list[int]) -> tuple[Traffic, list[int], list[int]]:
    clock = [0]
    traffic = Traffic(rate, lambda: clock[0])
    arrived, let_in = [], []
    for gap in gaps:
        clock[0] += gap
        now = traffic.arrive("a")
        arrived.append(now)
        taken = traffic.let_in("a", now)
        if taken:
            let_in.append(now)
        traffic.replied("a", 200 if taken else 429, ["x"] if taken else [])
    return traffic, arrived, let_in


def busiest(times: list[int]) -> int:
    return max((sum(t - SECOND < other <= t for other in times) for t in times), default=0)


@given(rate=st.integers(1, 8), gaps=steps)
def test_no_second_lets_in_more_than_the_rate_and_none_is_turned_away_below_it(
    rate: int, gaps: list[int]
) -> None:
    traffic, arrived, let_in = run(rate, gaps)
    last_seconds = {now: sum(now - SECOND < other <= now for other in let_in) for now in arrived}
    assert all(count <= rate for count in last_seconds.values())
    turned_away = set(arrived) - set(let_in)
    assert all(last_seconds[now] == rate for now in turned_away)
    assert traffic.stats().get("429s", {}).get("a", 0) == len(arrived) - len(let_in)


@given(gaps=steps)
def test_counters_are_exact(gaps: list[int]) -> None:
    traffic, arrived, _ = run(0, gaps)
    stats = traffic.stats()
    if not gaps:
        assert stats["requests"] == {}
        return
    assert stats["requests"] == stats["answered"] == {"a": len(gaps)}
    assert stats["429s"] == {}
    assert stats["max_requests_in_1s"] == {"a": busiest(arrived)}
    assert traffic.asked() == {"a": {"x": len(gaps)}}


def test_sources_do_not_share_a_limit() -> None:
    traffic = Traffic(1, lambda: 5)
    assert traffic.let_in("a", traffic.arrive("a"))
    assert traffic.let_in("b", traffic.arrive("b"))
    assert not traffic.let_in("a", traffic.arrive("a"))
