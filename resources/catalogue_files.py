"""Files of a catalogue, CSV or CSV in gzip: told apart by their columns, read as text.

Here: formats, columns and line numbers. Not here: which tables there are, and which of their
rows can be used (`core.catalogue`).
"""

import csv
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, cast

import pyarrow as pa

from pricing_assets.core.catalogue import TABLES, CatalogueTable
from resources.sales_files import BATCH_ROWS, numbered_records, text_batch
from resources.scan_files import UnreadableFile

_ENDINGS = (".csv", ".csv.gz")
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class CatalogueFile:
    """A file, and the table that its columns are of."""

    path: Path
    table: CatalogueTable


def catalogue_files(places: Iterable[Path]) -> tuple[list[CatalogueFile], list[Path]]:
    """Return the files of tables that are known, and those of a directory that are of none.

    Raises:
        UnreadableFile: A file that is named itself is of no known table, or there is none.
    """
    known: list[CatalogueFile] = []
    others: list[Path] = []
    for place in places:
        paths = [place]
        if place.is_dir():
            paths = sorted(path for path in place.iterdir() if path.name.endswith(_ENDINGS))
        for path in paths:
            header = _header(path)
            table = next((t for t in TABLES.values() if set(t.needs) <= set(header)), None)
            if table is not None:
                known.append(CatalogueFile(path, table))
            elif place.is_dir():
                others.append(path)
            else:
                raise UnreadableFile(
                    f"{path.name} is no table of a catalogue that is known: it has the columns "
                    f"{', '.join(header)[:200] or 'of an empty file'}."
                )
    if not known:
        raise UnreadableFile(
            "There is no catalogue: give files of figures, sets, themes and inventories, or of "
            "cards, or a directory that has them as .csv or .csv.gz."
        )
    return known, others


def read_catalogue(file: CatalogueFile) -> Iterator[pa.RecordBatch]:
    """Read a file; every row comes back once, with its columns as text or with a fault.

    Yields:
        Batches with the columns line, fault and those of the table, empty where it has none.

    Raises:
        UnreadableFile: It is no CSV from some line on.
    """
    names = (*file.table.needs, *file.table.may_have)
    with _opened(file.path) as text:
        reader = csv.reader(text)
        try:
            header = [column.strip() for column in next(reader)]
            places = {name: header.index(name) for name in names if name in header}
            rows = numbered_records(reader)
            while batch := list(islice(rows, BATCH_ROWS)):
                yield text_batch(batch, len(header), places, names)
        except (csv.Error, EOFError, gzip.BadGzipFile) as error:
            raise UnreadableFile(
                f"{file.path.name}:{reader.line_num} cannot be read as CSV ({error}). Download "
                "the file again, or correct it."
            ) from None


def _header(path: Path) -> list[str]:
    with _opened(path) as text:
        try:
            return [column.strip() for column in next(csv.reader(text), [])]
        except (csv.Error, EOFError, gzip.BadGzipFile) as error:
            raise UnreadableFile(f"{path.name} cannot be read as CSV ({error}).") from None


def _opened(path: Path) -> IO[str]:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    opened = gzip.open if packed else open
    return cast("IO[str]", opened(path, "rt", encoding="utf-8-sig", errors="replace", newline=""))
