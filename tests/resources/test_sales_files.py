from pathlib import Path
from typing import Any

import pytest

from pricing_assets.core.sales import MappingError, SaleMapping, read_mapping
from resources import sales_files
from resources.sales_files import mapping_of, read_sales
from resources.scan_files import UnreadableFile

TOML = """
source = "my-sales"
category = "book"
currency = "USD"

[columns]
code = "ISBN"
price = "Sold for"
"""


@pytest.fixture
def mapping() -> SaleMapping:
    columns = {"code": "ISBN", "price": "Sold for"}
    return read_mapping({"source": "my-sales", "category": "book", "columns": columns})


def read(path: Path, content: str | bytes, mapping: SaleMapping) -> list[dict[str, Any]]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [row for batch in read_sales(path, mapping) for row in batch.to_pylist()]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_csv_by_the_names_of_its_columns(tmp_path: Path, mapping: SaleMapping, mark: str) -> None:
    text = f"\ufeffSold for{mark}x{mark}ISBN\r\n9.99{mark}{mark}a\r\n\r\n1{mark}2{mark}b\r\n"
    found = read(tmp_path / "sales.csv", text, mapping)
    assert [(row["line"], row["code"], row["price"]) for row in found] == [
        (2, "a", "9.99"),
        (4, "b", "1"),
    ]
    assert {row["title"] for row in found} == {""}


def test_a_row_of_another_width_is_told(tmp_path: Path, mapping: SaleMapping) -> None:
    found = read(tmp_path / "s.csv", "ISBN,Sold for\na,1\nb\nc,1,2\n", mapping)
    assert [row["fault"] for row in found] == [None, "columns", "columns"]
    assert [row["code"] for row in found] == ["a", "b", "c"]


def test_a_record_over_lines_starts_at_its_first(tmp_path: Path, mapping: SaleMapping) -> None:
    text = 'ISBN,note,Sold for\na,"one\ntwo",1\nb,x,2\n'
    assert [row["line"] for row in read(tmp_path / "s.csv", text, mapping)] == [2, 4]


def test_json_lines_keep_numbers_as_they_came(tmp_path: Path, mapping: SaleMapping) -> None:
    text = '{"ISBN": 9780306406157, "Sold for": 9.90}\n\nnonsense\n[1]\n{"ISBN": null}\n'
    found = read(tmp_path / "s.jsonl", text, mapping)
    assert [(row["line"], row["fault"]) for row in found] == [
        *((1, None), (3, "bad_json")),
        *((4, "bad_json"), (5, None)),
    ]
    assert (found[0]["code"], found[0]["price"]) == ("9780306406157", "9.90")


def test_a_row_that_holds_nul_is_told_and_the_others_are_read(
    tmp_path: Path, mapping: SaleMapping
) -> None:
    """Far into a file, where a disk that was full or a transfer that broke left them."""
    many = "a,1\n" * 20_000
    *_, damaged, last = read(tmp_path / "s.csv", f"ISBN,Sold for\n{many}b\0,1\0\nc,2\n", mapping)
    assert (damaged["line"], damaged["fault"]) == (20_002, "nul")
    assert (damaged["code"], damaged["price"]) == ("b", "1")
    assert (last["line"], last["fault"], last["code"]) == (20_003, None, "c")


def test_json_lines_that_no_database_could_hold(tmp_path: Path, mapping: SaleMapping) -> None:
    deep = '{"ISBN": ' + "[" * 100_000 + "]" * 100_000 + "}"
    lines = [r'{"ISBN": "a\u0000b", "Sold for": "1\ud83d"}', deep, '{"ISBN": "c"}']
    found = read(tmp_path / "s.jsonl", "\n".join(lines), mapping)
    assert [(row["line"], row["fault"], row["code"], row["price"]) for row in found] == [
        (1, None, "ab", "1?"),
        (2, "bad_json", "", ""),
        (3, None, "c", ""),
    ]


def test_batches_lose_nothing(
    tmp_path: Path, mapping: SaleMapping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sales_files, "BATCH_ROWS", 3)
    rows = "".join(f"c{number},1\n\n" for number in range(10))
    found = read(tmp_path / "s.csv", "ISBN,Sold for\n" + rows, mapping)
    assert [row["code"] for row in found] == [f"c{number}" for number in range(10)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2\n", "no column 'ISBN'; it has 'a', 'b'"),
        (b"PK\x03\x04\0\0", "is not text"),
        ("x" * 200_000 + "\n", "s.csv:1 .* has over 131,072 characters"),
        ('ISBN,Sold for\na,"' + "x" * 10_000_001, "s.csv:.* a quote may be open"),
    ],
)
def test_what_cannot_be_read_says_why(
    tmp_path: Path, mapping: SaleMapping, content: str | bytes, says: str
) -> None:
    with pytest.raises(UnreadableFile, match=says):
        read(tmp_path / "s.csv", content, mapping)


def test_a_mapping_is_read_from_toml(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    path.write_text(TOML)
    assert mapping_of(path).source == "file:my-sales"
    for wrong in ("source = ", "source = 'x'"):
        path.write_text(wrong)
        with pytest.raises(MappingError, match=r"m\.toml: "):
            mapping_of(path)
