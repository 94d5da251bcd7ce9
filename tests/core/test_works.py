from collections.abc import Sequence

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pricing_assets.core.editions import work_fingerprint, work_fingerprint_sql
from pricing_assets.core.works import works_sql
from resources.compute import duckdb_connection

Known = tuple[str | None, str | None, str | None]
"""The source's own key, the title and the authors of an edition."""

AUSTEN = "Jane Austen"

EDITIONS = st.lists(
    st.tuples(
        st.sampled_from([None, None, "OL1W", "OL2W", "OL3W"]),
        st.sampled_from([None, "Emma", "Persuasion", "Sanditon", "Lady Susan"]),
        st.just(AUSTEN),
    ),
    min_size=1,
    max_size=12,
)
PAIRS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=5)


def works(*known: Known, accepted: Sequence[tuple[int, int]] = ()) -> list[str]:
    columns = {
        "item_id": [f"item-{place}" for place in range(len(known))],
        **{
            name: pa.array([row[index] for row in known], pa.string())
            for index, name in enumerate(("work_key", "title", "authors"))
        },
    }
    pairs = {
        name: pa.array([f"item-{pair[side]}" for pair in accepted], pa.string())
        for side, name in enumerate(("item_id", "other_item_id"))
    }
    fingerprint = work_fingerprint_sql("title", "authors")
    editions = f"(SELECT item_id, work_key, {fingerprint} AS fingerprint FROM known)"
    with duckdb_connection() as duck:
        duck.register("known", pa.table(columns))
        duck.register("accepted", pa.table(pairs))
        found = dict(
            duck.execute(
                f"SELECT item_id, work_key FROM ({works_sql(editions, 'accepted')})"
            ).fetchall()
        )
    return [found[item] for item in columns["item_id"]]


def test_the_sources_own_key_counts() -> None:
    assert works(("OL1W", "Emma", AUSTEN), ("OL1W", None, None)) == ["OL1W", "OL1W"]


def test_an_edition_without_a_key_joins_those_of_its_fingerprint() -> None:
    found = works(
        ("OL2W", "Emma", AUSTEN),
        (None, "EMMA: a novel", "Austen, Jane"),
        ("OL1W", "Emma (Penguin Classics)", AUSTEN),
        (None, "Persuasion", AUSTEN),
    )
    assert found[:3] == ["OL2W", "OL1W", "OL1W"]
    assert found[3] == work_fingerprint("Persuasion", AUSTEN)


def test_editions_share_a_work_whatever_their_spelling() -> None:
    found = works(
        (None, "Les Misérables", "Victor Hugo"),
        (None, "LES MISERABLES: a novel", "Victor Hugo, Norman Denny"),
        (None, "Les  Misérables (Penguin Classics)", "victor hugo & others"),
    )
    assert len(set(found)) == 1
    assert found[0].startswith("work:")


def test_another_title_or_author_is_another_work() -> None:
    found = works(
        (None, "Emma", AUSTEN),
        (None, "Emma", "Alexander McCall Smith"),
        (None, "Persuasion", AUSTEN),
        (None, "Emma", None),
    )
    assert len(set(found)) == 4


def test_titles_in_any_script_name_their_work() -> None:
    found = works(
        (None, "Война и мир", "Лев Толстой"),
        (None, "Анна Каренина", "Лев Толстой"),
        (None, "война и мир: роман", "Лев Толстой"),
        (None, "罪と罰", "ドストエフスキー"),
    )
    assert all(work.startswith("work:") for work in found)
    assert found[0] == found[2]
    assert len(set(found)) == 3


def test_an_item_of_which_nothing_is_known_is_its_own_work() -> None:
    assert works((None, None, AUSTEN), (None, "", None), (None, "...", None)) == [
        *("item-0", "item-1", "item-2")
    ]


def test_an_accepted_pair_makes_both_works_one() -> None:
    known: list[Known] = [
        ("OL7W", "Emma", AUSTEN),
        ("OL7W", "Emma Woodhouse", AUSTEN),
        (None, "Emma Woodhouse", AUSTEN),
        (None, "Emma, or the Matchmaker", AUSTEN),
        ("OL5W", "Persuasion", AUSTEN),
        ("OL6W", "Sanditon", AUSTEN),
    ]
    assert works(*known, accepted=[(0, 3)])[:4] == ["OL7W"] * 4
    # A pair of one of them with a third joins all three.
    assert works(*known, accepted=[(0, 3), (4, 3)]) == [*["OL5W"] * 5, "OL6W"]


@settings(deadline=None, max_examples=15)
@given(EDITIONS, PAIRS)
def test_a_work_is_whole(known: list[Known], pairs: list[tuple[int, int]]) -> None:
    """What has to be together is: an own key, a fingerprint without a key, an accepted pair."""
    accepted = [pair for pair in pairs if max(pair) < len(known)]
    found = works(*known, accepted=accepted)
    for a, b in accepted:
        assert found[a] == found[b]
    for place, (key, title, authors) in enumerate(known):
        for other, (other_key, other_title, other_authors) in enumerate(known):
            if key is not None and key == other_key:
                assert found[place] == found[other]
            fingerprint = work_fingerprint(title, authors)
            if fingerprint and fingerprint == work_fingerprint(other_title, other_authors):
                if key is other_key is None:
                    assert found[place] == found[other]
                if key is None and other_key is not None:
                    assert not found[place].startswith("work:")


@settings(deadline=None, max_examples=15)
@given(EDITIONS, PAIRS)
def test_the_order_of_editions_and_pairs_changes_nothing(
    known: list[Known], pairs: list[tuple[int, int]]
) -> None:
    # An item without a title and key is named by its place, which is another one backwards.
    titled = [edition for edition in known if edition[0] or edition[1]]
    last = len(titled) - 1
    accepted = [pair for pair in pairs if max(pair) <= last]
    backwards = [(last - b, last - a) for a, b in reversed(accepted)]
    assert works(*titled, accepted=accepted) == works(*titled[::-1], accepted=backwards)[::-1]
