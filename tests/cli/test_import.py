from pathlib import Path

from tests.examples import isbn
from tests.runs import pricing_here

MAPPING = """
source = "shop"
category = "book"
currency = "USD"

[columns]
code = "isbn"
price = "amount"
"""


def test_a_file_is_imported_and_its_rejections_are_listed(home: Path, tmp_path: Path) -> None:
    mapping, file = tmp_path / "shop.toml", tmp_path / "shop.csv"
    mapping.write_text(MAPPING)
    file.write_text(f"isbn,amount\n{isbn(1)},9.99\n{isbn(2)},nine\n")
    done = pricing_here("import", str(file), "--mapping", str(mapping))
    assert done.returncode == 0, done.stderr
    assert "2 rows of file:shop: 1 stored, 0 known before, 1 rejected" in done.stdout
    listed = pricing_here("import", "--rejected")
    assert "shop.csv:3" in listed.stdout
    assert "price: the price is not" in listed.stdout
    shown = pricing_here("sources", "list")
    assert "file:shop" in shown.stdout
    assert "read from files" in shown.stdout
    explained = pricing_here("explain", isbn(1))
    assert explained.returncode == 0, explained.stderr


def test_a_wrong_mapping_or_file_is_a_sentence(home: Path, tmp_path: Path) -> None:
    mapping, file = tmp_path / "shop.toml", tmp_path / "shop.csv"
    mapping.write_text("source = ")
    file.write_text("isbn\n1\n")
    done = pricing_here("import", str(file), "--mapping", str(mapping))
    assert done.returncode == 2
    assert "shop.toml" in done.stderr
    mapping.write_text(MAPPING)
    done = pricing_here("import", str(file), "--mapping", str(mapping))
    assert done.returncode == 1
    assert "no column 'amount'; it has 'isbn'" in done.stderr
    assert pricing_here("import", str(file)).returncode == 2
    assert pricing_here("import").returncode == 2
