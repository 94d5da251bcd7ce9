"""Loading a training set: one line for people who train models.

Needs only the files, on this machine or at a URL that fsspec knows: no database, no Dagster.
"""

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

from pricing_assets.core.periods import month_end
from pricing_assets.core.training import (
    POINTER,
    SPLITS,
    SchemaMismatch,
    check_readable,
    files_of_manifest,
)
from resources.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

Form = Literal["pandas", "polars", "arrow", "duckdb", "torch", "hf"]
TableName = Literal["examples", "sales", "rejected", "changes"]


class TrainingSetError(RuntimeError):
    """A training set cannot be loaded; the message says why and what to do."""


@overload
def load_training_set(
    month: str,
    *,
    split: str | None = ...,
    category: str | None = ...,
    as_: Literal["pandas"] = ...,
    table: TableName = ...,
    directory: Path | str | None = ...,
    build_id: str | None = ...,
) -> "pd.DataFrame": ...
@overload
def load_training_set(
    month: str,
    *,
    split: str | None = ...,
    category: str | None = ...,
    as_: Literal["arrow"],
    table: TableName = ...,
    directory: Path | str | None = ...,
    build_id: str | None = ...,
) -> "pa.Table": ...
@overload
def load_training_set(
    month: str,
    *,
    split: str | None = ...,
    category: str | None = ...,
    as_: Literal["duckdb"],
    table: TableName = ...,
    directory: Path | str | None = ...,
    build_id: str | None = ...,
) -> "duckdb.DuckDBPyRelation": ...
@overload
def load_training_set(
    month: str,
    *,
    split: str | None = ...,
    category: str | None = ...,
    as_: Literal["polars", "torch", "hf"],
    table: TableName = ...,
    directory: Path | str | None = ...,
    build_id: str | None = ...,
) -> Any: ...
def load_training_set(
    month: str,
    *,
    split: str | None = None,
    category: str | None = None,
    as_: Form = "pandas",
    table: TableName = "examples",
    directory: Path | str | None = None,
    build_id: str | None = None,
) -> Any:
    """Load one table of a month's training set, its bytes checked against the manifest.

    Args:
        month: Like `2026-10`.
        split: `train`, `validation` or `test`; all by default.
        category: Such as `book`; all by default.
        as_: `pandas` (Arrow-backed columns, money as exact decimals), `polars`, `arrow`,
            `duckdb` (a relation), `torch` (a dict of tensors, one a numeric column; money as
            float64, an unknown number as NaN) or `hf` (a `datasets.Dataset`).
        table: `examples`, `sales`, `rejected` or `changes`.
        directory: Where training sets live: a path, or the URL they were published to; by
            default that of `PRICING_HOME`.
        build_id: Pins the build; another one is refused.

    Returns:
        One row an example (or sale, or item); the columns and their roles are in
        `manifest.json`.

    Raises:
        TrainingSetError: The month was not built, its file is not what its manifest says, or
            the package for the form is not installed.
        ValueError: An argument names nothing that there is.
    """
    if as_ not in _FORMS:
        raise ValueError(f"as_={as_!r}: use {_listed(_FORMS)}")
    month_end(month)  # a month that cannot be is not worth telling how to build
    # Asked for first: what is missing is told before anything is read.
    package = _package(*_PACKAGES[as_]) if as_ in _PACKAGES else None
    place = _place(month, directory, build_id)
    manifest = _manifest(place, month, build_id)
    if table not in manifest["tables"]:
        raise ValueError(f"table={table!r}: use {_listed(manifest['tables'])}")
    rows = _verified_rows(place, manifest, table, month)
    return _FORMS[as_](_chosen(rows, split, category, table), package)


class _Place(Protocol):
    """Where a build's files are."""

    name: str

    def read(self, file: str) -> bytes | None:
        """Return a file's bytes; None where there is no such file."""


class _LocalPlace:
    def __init__(self, path: Path) -> None:
        # Resolved once, so that a build published meanwhile does not mix with this one.
        self._path = path.resolve()
        self.name = str(path)

    def read(self, file: str) -> bytes | None:
        path = self._path / file
        return path.read_bytes() if path.is_file() else None


class _RemotePlace:
    def __init__(self, url: str) -> None:
        import fsspec.core

        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise TrainingSetError(f"{url} cannot be read: {error}") from None
        self.name = url

    def read(self, file: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"{self._root.rstrip('/')}/{file}"))
        except FileNotFoundError:
            return None


def _place(month: str, directory: Path | str | None, build_id: str | None) -> _Place:
    if directory is not None and "://" in str(directory):
        return _published(str(directory).rstrip("/"), month, build_id)
    root = Path(directory) if directory else Settings.from_env().training_sets
    if build_id is not None:
        for pinned in sorted((root / ".builds" / month).glob(f"{build_id}.*")):
            return _LocalPlace(pinned)
    return _LocalPlace(root / month)


def _published(url: str, month: str, build_id: str | None) -> _Place:
    if build_id is not None:
        return _RemotePlace(f"{url}/{month}/{build_id}")
    pointer = _RemotePlace(f"{url}/{month}").read(POINTER)
    if pointer is None:
        raise TrainingSetError(
            f"there is no training set at {url}/{month}: publish it with 'pricing training-set "
            f"publish {month} --to {url}'"
        )
    named = json.loads(pointer)
    place = _RemotePlace(f"{url}/{month}/{named['build_id']}")
    manifest = place.read("manifest.json") or b""
    if hashlib.sha256(manifest).hexdigest() != named["manifest_sha256"]:
        raise TrainingSetError(
            f"{place.name}/manifest.json is not the one that {POINTER} names (SHA-256 differs): "
            "publish the month again"
        )
    return place


def _manifest(place: _Place, month: str, build_id: str | None) -> dict[str, Any]:
    text = place.read("manifest.json")
    if text is None:
        raise TrainingSetError(
            f"there is no training set at {place.name}: build it with "
            f"'pricing training-set build --month {month}', or name its directory"
        )
    manifest: dict[str, Any] = json.loads(text)
    try:
        check_readable(str(manifest.get("schema_version")), place.name)
    except SchemaMismatch as error:
        raise TrainingSetError(str(error)) from None
    if build_id is not None and manifest["build_id"] != build_id:
        raise TrainingSetError(
            f"{place.name} is build {manifest['build_id']} and {build_id} was asked for: load "
            "another month, or build it again with --as-of"
        )
    return manifest


def _verified_rows(place: _Place, manifest: Mapping[str, Any], table: str, month: str) -> Any:
    import pyarrow as pa

    files = files_of_manifest(manifest, table)
    rows = pa.concat_tables(_verified_file(place, manifest, name, month) for name in files)
    declared = [column["name"] for column in manifest["tables"][table]["columns"]]
    if rows.column_names != declared:
        raise TrainingSetError(
            f"{place.name}: {table} has the columns {rows.column_names} and its manifest declares "
            f"{declared}: build it again"
        )
    return rows


def _verified_file(place: _Place, manifest: Mapping[str, Any], name: str, month: str) -> Any:
    import io

    import pyarrow.parquet as pq

    content = place.read(name)
    wrong = "is missing"
    if content is not None:
        digest = hashlib.sha256(content).hexdigest()
        same = digest == manifest["files"][name]["sha256"]
        wrong = "" if same else "is not the file that its manifest names (SHA-256 differs)"
    if wrong or content is None:
        raise TrainingSetError(
            f"{place.name}/{name} {wrong}: build it again with "
            f"'pricing training-set build --month {month}'"
        )
    return pq.read_table(io.BytesIO(content))


def _chosen(rows: Any, split: str | None, category: str | None, table: str) -> Any:
    import pyarrow.compute as pc

    if category is not None:
        found = sorted(pc.unique(rows["category"]).to_pylist())
        if category not in found and rows.num_rows:
            raise ValueError(f"category={category!r}: there is {_listed(found)}")
        rows = rows.filter(pc.equal(rows["category"], category))
    if split is not None:
        if split not in SPLITS:
            raise ValueError(f"split={split!r}: use {_listed(SPLITS)}")
        if "split" not in rows.column_names:
            raise ValueError(f"table={table!r} has no split")
        rows = rows.filter(pc.equal(rows["split"], split))
    return rows


def _pandas(rows: Any, package: ModuleType | None) -> Any:
    import pandas as pd

    return rows.to_pandas(types_mapper=pd.ArrowDtype)


def _duckdb(rows: Any, package: ModuleType | None) -> Any:
    import duckdb

    return duckdb.from_arrow(rows)


def _polars(rows: Any, package: Any) -> Any:
    return package.from_arrow(rows)


def _torch(rows: Any, package: Any) -> Any:
    import numpy as np
    import pyarrow as pa

    tensors = {}
    for name, column in zip(rows.column_names, rows.columns, strict=True):
        if pa.types.is_boolean(column.type):
            tensors[name] = package.from_numpy(column.to_numpy().astype(bool))
        elif any(is_number(column.type) for is_number in _numbers(pa)):
            numbers = column.cast(pa.float64()).to_numpy()
            tensors[name] = package.from_numpy(np.array(numbers, dtype="float64"))
    return tensors


def _numbers(pa: Any) -> tuple[Callable[[Any], bool], ...]:
    return (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal)


def _hf(rows: Any, package: Any) -> Any:
    return package.Dataset(rows)


_FORMS: Mapping[str, Callable[[Any, Any], Any]] = {
    "pandas": _pandas,
    "polars": _polars,
    "arrow": lambda rows, _: rows,
    "duckdb": _duckdb,
    "torch": _torch,
    "hf": _hf,
}
_PACKAGES = {"polars": ("polars",), "torch": ("torch",), "hf": ("datasets",)}
"""Packages that are not installed with ours: imported only when asked for."""


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise TrainingSetError(
            f"the package {name!r} is not installed: install it with 'pip install {name}', or "
            "use as_='pandas', 'arrow' or 'duckdb'"
        ) from None


def _listed(names: Any) -> str:
    quoted = [repr(name) for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
