"""Loading a training set: one line for people who train models.

Needs only the files: no database, no Dagster.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from resources.settings import Settings

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import pyarrow as pa

Form = Literal["pandas", "arrow", "duckdb"]


class TrainingSetError(RuntimeError):
    """A training set cannot be loaded; the message says why and what to do."""


@overload
def load_training_set(
    month: str, *, as_: Literal["pandas"] = ..., directory: Path | str | None = ...
) -> "pd.DataFrame": ...
@overload
def load_training_set(
    month: str, *, as_: Literal["arrow"], directory: Path | str | None = ...
) -> "pa.Table": ...
@overload
def load_training_set(
    month: str, *, as_: Literal["duckdb"], directory: Path | str | None = ...
) -> "duckdb.DuckDBPyRelation": ...
def load_training_set(
    month: str, *, as_: Form = "pandas", directory: Path | str | None = None
) -> Any:
    """Load the examples of one month's training set.

    Args:
        month: Like `2026-10`.
        as_: `pandas` (Arrow-backed columns, money as exact decimals), `arrow` or `duckdb`
            (a relation).
        directory: Where training sets live; by default that of `PRICING_HOME`.

    Returns:
        One row per example; the columns and their roles are in `manifest.json`.

    Raises:
        TrainingSetError: The month was not built, or its file is not what its manifest says.
        ValueError: `as_` is none of the forms.
    """
    if as_ not in ("pandas", "arrow", "duckdb"):
        raise ValueError(f"as_={as_!r}: use 'pandas', 'arrow' or 'duckdb'")
    place = (Path(directory) if directory else Settings.from_env().training_sets) / month
    if not (place / "manifest.json").is_file():
        raise TrainingSetError(
            f"there is no training set at {place}: build it with "
            f"'pricing training-set build --month {month}', or name its directory"
        )
    # Resolved once, so that a build published meanwhile does not mix with this one.
    place = place.resolve()
    examples = place / "examples.parquet"
    manifest = json.loads((place / "manifest.json").read_text("utf-8"))
    wrong = "is missing"
    if examples.is_file():
        with examples.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        same = digest == manifest["files"]["examples.parquet"]["sha256"]
        wrong = "" if same else "is not the file that its manifest names (SHA-256 differs)"
    if wrong:
        raise TrainingSetError(
            f"{examples} {wrong}: build it again with 'pricing training-set build --month {month}'"
        )
    if as_ == "duckdb":
        import duckdb

        return duckdb.read_parquet(str(examples))
    import pyarrow.parquet as pq

    table = pq.read_table(examples)
    if as_ == "arrow":
        return table
    import pandas as pd

    return table.to_pandas(types_mapper=pd.ArrowDtype)
