"""The documents of a build: the card, the page and the Croissant description."""

import json
import re
import sys
from contextlib import redirect_stderr
from html.parser import HTMLParser

import pyarrow.parquet as pq
import pytest

from pricing_assets.core.croissant import DATA_TYPES
from pricing_assets.core.training import TABLES
from tests.training_sets import NOVEMBER, OCTOBER, BuiltSets, built_sets

__all__ = ("built_sets",)

HEADINGS = (
    *("Load it", "Rows by category and split", "Label", "Evidence", "Policies"),
    *("What was rejected, and why", "Drift", "Changes", "Missing values"),
    *("Sources and licences", "Columns", "Known limits"),
)


class Page(HTMLParser):
    """What a page is made of: tags, what they refer to, texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.references: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in ("meta", "rect"):
            self.open.append(tag)
        self.references += [str(v) for k, v in attrs if k in ("src", "href", "srcset", "data")]

    def handle_endtag(self, tag: str) -> None:
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("month", [OCTOBER, NOVEMBER])
def test_the_card_and_the_page_say_the_same(built_sets: BuiltSets, month: str) -> None:
    path = built_sets.month(month).path
    card = (path / "card.md").read_text()
    page = Page((path / "card.html").read_text())
    assert tuple(re.findall(r"^## (.+)$", card, re.MULTILINE)) == HEADINGS
    for heading in HEADINGS:
        assert heading in page.texts
    numbers = set(re.findall(r"\$[0-9][0-9.,]*[0-9]", card))
    assert len(numbers) > 5
    assert all(number in " ".join(page.texts) for number in numbers)


def test_the_page_needs_nothing_from_elsewhere(built_sets: BuiltSets) -> None:
    text = (built_sets.month(NOVEMBER).path / "card.html").read_text()
    page = Page(text)
    assert page.open == []
    assert page.references == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"url\(|@import|https?:", text)
    assert 'name="viewport" content="width=device-width' in text
    assert page.tags.count("svg") == 5


def test_what_a_source_says_is_shown_as_text(built_sets: BuiltSets) -> None:
    """A licence note is a person's text; it must not become markup."""
    from pricing_assets.core.training_page import page
    from pricing_assets.store.training_places import facts_of

    build = built_sets.month(OCTOBER)
    source = next(iter(build.manifest["sources"]))
    manifest = {**build.manifest, "licences": {source: {"note": "<script>x</script>"}}}
    text = page(manifest, facts_of(build))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_first_month_says_that_it_has_nothing_to_compare(built_sets: BuiltSets) -> None:
    card = (built_sets.month(OCTOBER).path / "card.md").read_text()
    assert "no comparable build of the month before" in card
    assert "every example is an added one" in card
    assert "Against 2026-10" in (built_sets.month(NOVEMBER).path / "card.md").read_text()


@pytest.mark.filterwarnings("ignore::Warning:(rdflib|mlcroissant)")
def test_the_reference_reader_of_croissant_finds_nothing_wrong_and_reads_the_rows(
    built_sets: BuiltSets,
) -> None:
    # It logs by absl, which keeps the standard error that it finds when it is imported and closes
    # it when logging is set up anew, as Dagster does: pytest's own would be gone for all tests.
    with redirect_stderr(sys.__stderr__):
        import mlcroissant  # takes 1.5 s, which only this test has to wait for

    build = built_sets.month(OCTOBER)
    dataset = mlcroissant.Dataset(jsonld=build.path / "croissant.json")
    assert dataset.metadata.ctx.issues.report() == ""
    read = [row["examples/natural_key"].decode() for row in dataset.records("examples")]
    stored = pq.read_table(build.path / "examples.parquet", columns=["natural_key"])
    assert read == stored["natural_key"].to_pylist()
    assert len(read) > 0
    sold = [row["sales/source_listing_id"] for row in dataset.records("sales")]
    assert len(sold) == build.manifest["rows"]["sales"] > 0


def test_croissant_describes_every_column_of_every_file(built_sets: BuiltSets) -> None:
    build = built_sets.month(OCTOBER)
    found = json.loads((build.path / "croissant.json").read_text())
    assert found["@type"] == "sc:Dataset"
    assert found["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {entry["@id"]: entry for entry in found["distribution"]}
    sets_of_files = {"sales-files": files.pop("sales-files")}
    assert sets_of_files["sales-files"]["@type"] == "cr:FileSet"
    assert set(files) == {
        name for table in build.manifest["tables"].values() for name in table["files"]
    }
    for name, entry in files.items():
        assert entry["@type"] == "cr:FileObject"
        assert entry["sha256"] == build.manifest["files"][name]["sha256"]
        assert entry["contentSize"] == f"{(build.path / name).stat().st_size} B"
    sets = {record["@id"]: record for record in found["recordSet"]}
    for name, table in TABLES.items():
        fields = sets[name]["field"]
        assert [field["name"] for field in fields] == [c.name for c in table.columns]
        for field, column in zip(fields, table.columns, strict=True):
            assert field["@id"] == f"{name}/{column.name}"
            assert field["dataType"] == DATA_TYPES[column.type]
            if table.bucketed:
                assert field["source"]["fileSet"]["@id"] in sets_of_files
            else:
                assert field["source"]["fileObject"]["@id"] in files
            assert field["source"]["extract"] == {"column": column.name}
            assert field["description"].startswith(f"{column.role}: ")
