import pyarrow as pa

from pricing_assets.core.works import work_sql
from resources.compute import duckdb_connection

Known = tuple[str | None, str | None, str | None]


def works(*known: Known) -> list[str]:
    columns = {
        "place": list(range(len(known))),
        **{
            name: pa.array([row[index] for row in known], pa.string())
            for index, name in enumerate(("work_key", "title", "authors"))
        },
    }
    with duckdb_connection() as duck:
        duck.register("editions", pa.table(columns))
        work = work_sql("work_key", "title", "authors", "'item-' || place")
        return [
            found
            for (found,) in duck.execute(f"SELECT {work} FROM editions ORDER BY place").fetchall()
        ]


def test_the_sources_own_key_counts() -> None:
    assert works(("OL1W", "Emma", "Jane Austen"), ("OL1W", None, None)) == ["OL1W", "OL1W"]


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
        (None, "Emma", "Jane Austen"),
        (None, "Emma", "Alexander McCall Smith"),
        (None, "Persuasion", "Jane Austen"),
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
    assert works((None, None, "Jane Austen"), (None, "", None), (None, "...", None)) == [
        *("item-0", "item-1", "item-2")
    ]
