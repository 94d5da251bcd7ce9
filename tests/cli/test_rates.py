from pathlib import Path

from tests.cli.test_import import MAPPING
from tests.examples import isbn
from tests.runs import pricing_here

HISTORY = "Date,USD,GBP,\n2026-10-01,1.25,0.8,\n2026-09-30,1.2,0.8,\n"


def test_a_file_of_the_ecb_converts_what_waited_for_it(home: Path, tmp_path: Path) -> None:
    mapping, sales, rates = (tmp_path / name for name in ("shop.toml", "shop.csv", "hist.csv"))
    mapping.write_text(MAPPING.replace("USD", "GBP") + 'sold_date = "sold"\n')
    sales.write_text(f"isbn,amount,sold\n{isbn(1)},8.00,2026-10-03\n{isbn(2)},1.00,2020-01-01\n")
    rates.write_text(HISTORY)
    taken = pricing_here("import", str(sales), "--mapping", str(mapping))
    assert "2 are kept and not counted" in taken.stdout
    assert "unknown currency GBP" in pricing_here("explain", isbn(1)).stdout
    loaded = pricing_here("rates", "load", str(rates))
    assert loaded.returncode == 0, loaded.stderr
    assert (
        "4 rates of ecb: 4 added, 0 known before; 1 price that waited was converted"
        in loaded.stdout
    )
    again = pricing_here("rates", "load", str(rates))
    assert "0 added, 4 known before; 0 prices" in again.stdout
    assert "Not counted" not in pricing_here("explain", isbn(1)).stdout
    assert "Not counted: 1 prices in GBP" in pricing_here("explain", isbn(2)).stdout


def test_a_file_without_rates_is_a_sentence(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.csv"
    file.write_text("a,b\n1,2\n")
    refused = pricing_here("rates", "load", str(file))
    assert refused.returncode == 1
    assert "other.csv: neither rates of the ECB nor of Frankfurter" in refused.stderr
