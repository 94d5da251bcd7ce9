"""Catalogue files: which tables there are, what their rows must hold, and what they say.

Rebrickable's dumps are five tables that name each other: a figure has neither theme nor year
of its own, so it gets the first year of the sets that it came in, and the theme that most of
them are of, else the earliest one's, at the root of the themes' tree. A file of cards has all
in one row.

Everything is judged and joined in DuckDB, all rows at once. Reading the files is
`resources.catalogue_files`, where the items go is `store.catalogue`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pricing_assets.core.categories import card, minifigure
from pricing_assets.core.licences import FILES

REASONS: Mapping[str, str] = {
    "columns": "the row has another number of columns than the header",
    "nul": "the line holds NUL characters: the file was damaged there",
    "key": "what names the row is missing or has another form",
    "name": "the name is missing",
    "number": "a number of it cannot be read",
    "repeated": "an earlier row has the same name",
    "unknown": "it names a row of another file that is in none of these files",
}
"""Why a row is not used."""


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """One kind of file.

    Attributes:
        needs: Columns by which it is known.
        may_have: Further columns that are read.
        key: SQL of what names a row; two rows of one key are a repetition.
        faults: SQL of what is wrong with a row, by `REASONS`, the first that holds counts.
    """

    name: str
    needs: tuple[str, ...]
    may_have: tuple[str, ...]
    key: str
    faults: Mapping[str, str]


def _not_whole(column: str) -> str:
    return f"NOT regexp_full_match({column}, '-?[0-9]{{1,9}}')"


def _no_year(column: str) -> str:
    return f"NOT regexp_full_match({column}, '(19|20)[0-9]{{2}}')"


GAME_CARD = "[a-z0-9]+-[a-z0-9_!?]+"

TABLES: Mapping[str, CatalogueTable] = {
    table.name: table
    for table in (
        CatalogueTable(
            "figures",
            ("fig_num", "name", "num_parts"),
            ("img_url",),
            "fig_num",
            {
                "key": "NOT regexp_full_match(fig_num, 'fig-[0-9]{6}')",
                "name": "name = ''",
                "number": f"num_parts <> '' AND {_not_whole('num_parts')}",
            },
        ),
        CatalogueTable(
            "sets",
            ("set_num", "name", "year", "theme_id"),
            (),
            "set_num",
            {"key": "set_num = ''", "number": f"{_no_year('year')} OR {_not_whole('theme_id')}"},
        ),
        CatalogueTable(
            "themes",
            ("id", "name", "parent_id"),
            (),
            "id",
            {
                "key": _not_whole("id"),
                "name": "name = ''",
                "number": f"parent_id <> '' AND {_not_whole('parent_id')}",
            },
        ),
        CatalogueTable(
            "inventories",
            ("id", "version", "set_num"),
            (),
            "id",
            {"key": f"{_not_whole('id')} OR set_num = ''"},
        ),
        CatalogueTable(
            "inventory_figures",
            ("inventory_id", "fig_num", "quantity"),
            (),
            "inventory_id || ' ' || fig_num",
            {
                "key": _not_whole("inventory_id"),
                "unknown": "inventory_id NOT IN (SELECT id FROM inventories) "
                "OR fig_num NOT IN (SELECT fig_num FROM figures)",
            },
        ),
        CatalogueTable(
            "game_cards",
            ("id", "name", "rarity", "release_date"),
            ("collection", "set_name", "images_url"),
            "lower(id)",
            {
                "key": f"NOT regexp_full_match(lower(id), '{GAME_CARD}')",
                "name": "name = ''",
                "number": f"release_date <> '' AND {_no_year('left(release_date, 4)')}",
            },
        ),
        CatalogueTable(
            "cards",
            ("year", "set_name", "number", "player_or_character"),
            ("parallel", "print_run", "manufacturer", "rarity", "language", "name", "image"),
            "concat_ws('|', year, set_name, number, player_or_character, parallel, print_run)",
            {
                "key": "set_name = '' OR number || player_or_character = ''",
                "number": f"year <> '' AND {_no_year('left(year, 4)')} "
                f"OR print_run <> '' AND {_not_whole('print_run')}",
            },
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Items that come out of some tables.

    Attributes:
        source: Name under which what is said of them is stored.
        tables: The tables they come from; the first has a row for each.
        items: SQL giving file, line, code (what names the item) and a column for each field of the
            category that the catalogue knows, null where it does not.
        natural_key: Of the item that a code names; None where it names none.
        licence: What its content may be used for, as a source's licence has it.
    """

    source: str
    category: str
    tables: tuple[str, ...]
    items: str
    natural_key: Callable[[str], str | None]
    licence: Mapping[str, object]


_FREE = {
    "store_payloads": False,
    "payload_retention_days": None,
    "display_max_age_hours": None,
    "redistribute": True,
    "train": "yes",
    "note": "Rebrickable offers its catalogue as files for any purpose.",
}
_THEIRS = {
    **_FREE,
    "redistribute": False,
    "train": "with agreement",
    "note": "Whoever made the file may have rights in it: look before it is passed on.",
}

CATALOGUES = (
    Catalogue(
        FILES + "rebrickable",
        "minifigure",
        ("figures", "sets", "themes", "inventories", "inventory_figures"),
        """
        WITH RECURSIVE roots AS (
            SELECT id, name AS root FROM themes
            WHERE parent_id = '' OR parent_id NOT IN (SELECT id FROM themes)
            UNION
            SELECT t.id, r.root FROM themes t JOIN roots r ON t.parent_id = r.id
        ),
        came_in AS (
            SELECT DISTINCT l.fig_num, s.set_num, CAST(s.year AS INTEGER) AS year, r.root
            FROM inventory_figures l
            JOIN inventories i ON i.id = l.inventory_id
            JOIN sets s ON s.set_num = i.set_num
            LEFT JOIN roots r ON r.id = s.theme_id
        ),
        first_years AS (SELECT fig_num, min(year) AS year FROM came_in GROUP BY fig_num),
        main_themes AS (
            SELECT fig_num, root AS theme FROM came_in WHERE root IS NOT NULL
            GROUP BY fig_num, root
            QUALIFY row_number() OVER (
                PARTITION BY fig_num ORDER BY count(*) DESC, min(year), root) = 1
        )
        SELECT f.file, f.line, f.fig_num AS code, f.name, f.fig_num AS set_number, theme, year,
            nullif(try_cast(num_parts AS INTEGER), 0) AS part_count,
            nullif(img_url, '') AS image
        FROM figures f LEFT JOIN first_years USING (fig_num) LEFT JOIN main_themes USING (fig_num)
        """,
        minifigure.natural_key,
        _FREE,
    ),
    Catalogue(
        FILES + "cards",
        "card",
        ("game_cards",),
        """
        SELECT file, line, lower(id) AS code, name,
            coalesce(nullif(set_name, ''), nullif(collection, '')) AS set_name,
            try_cast(left(release_date, 4) AS INTEGER) AS year,
            upper(regexp_extract(id, '-([^-]+)$', 1)) AS number,
            nullif(rarity, '') AS rarity, nullif(images_url, '') AS image
        FROM game_cards
        """,
        card.natural_key,
        _THEIRS,
    ),
    Catalogue(
        FILES + "cards",
        "card",
        ("cards",),
        """
        SELECT file, line,
            concat_ws('|', left(year, 4), set_name, number, player_or_character, parallel,
                print_run) AS code,
            coalesce(nullif(name, ''), nullif(player_or_character, '')) AS name,
            nullif(player_or_character, '') AS player_or_character, set_name,
            try_cast(left(year, 4) AS INTEGER) AS year, nullif(number, '') AS number,
            nullif(parallel, '') AS parallel, try_cast(print_run AS INTEGER) AS print_run,
            nullif(manufacturer, '') AS manufacturer, nullif(rarity, '') AS rarity,
            nullif(language, '') AS language, nullif(image, '') AS image
        FROM cards
        """,
        card.key_of_parts,
        _THEIRS,
    ),
)


def judge_sql(table: CatalogueTable, rows: str) -> str:
    """Return the DuckDB statement that judges the rows of one kind of file.

    Args:
        rows: Relation with columns file, line, fault and those of the table, as text.

    Returns:
        A statement with those columns, trimmed, and key, reason: null for a row that is used.
    """
    columns = (*table.needs, *table.may_have)
    trimmed = ", ".join(f"trim({column}) AS {column}" for column in columns)
    faults = " ".join(f"WHEN {fault} THEN '{reason}'" for reason, fault in table.faults.items())
    return f"""
        WITH trimmed AS (SELECT file, line, fault, {trimmed} FROM {rows}),
        judged AS (
            SELECT *, left({table.key}, 128) AS key,
                CASE WHEN fault IS NOT NULL THEN fault {faults} END AS reason
            FROM trimmed
        )
        SELECT * EXCLUDE (reason), CASE
            WHEN reason IS NULL AND row_number() OVER (
                PARTITION BY key, reason ORDER BY file, line) > 1 THEN 'repeated'
            ELSE reason END AS reason
        FROM judged
    """
