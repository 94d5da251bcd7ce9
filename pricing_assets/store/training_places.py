"""Where builds are: showing one by one rename, finding those before it, recording it.

Every build has a directory of its own under `.builds`; a month is a link to one of them, so
that a reader never sees half a build and a failed build leaves the previous one.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from pricing_assets.schema import tables as t
from pricing_assets.store.training_parquet import file_problems
from resources.database import Database


@dataclass(frozen=True, slots=True)
class Build:
    """A finished build: where it is, and its manifest."""

    path: Path
    manifest: dict[str, Any]


def publish(staging: Path, directory: Path, month: str, manifest: dict[str, Any]) -> Build:
    """Show a build as `directory`/`month`."""
    builds = directory / ".builds" / month
    builds.mkdir(parents=True, exist_ok=True)
    # A new place every time: the same build made again must not vanish under its readers.
    target = builds / f"{manifest['build_id']}.{uuid.uuid4().hex[:12]}"
    staging.rename(target)
    place = _link(directory, month, target)
    # The build before stays for readers that have just resolved the link.
    others = [other for other in builds.iterdir() if other != target]
    for other in sorted(others, key=lambda path: path.stat().st_mtime)[:-1]:
        shutil.rmtree(other, ignore_errors=True)
    return Build(place, manifest)


def same_build(directory: Path, month: str, identity: Mapping[str, Any]) -> Build | None:
    """Show the whole build of the same identity again; None where there is none."""
    for build in builds(directory, month):
        same = all(build.manifest.get(name) == value for name, value in identity.items())
        if same and not file_problems(build.path, build.manifest):
            return Build(_link(directory, month, build.path), build.manifest)
    return None


def build_before(
    directory: Path, month: str, at: datetime, identity: Mapping[str, Any]
) -> Build | None:
    """Return the build that this one is compared with: the latest as-of before its own.

    Of the same month, otherwise what is shown of the month before.
    """
    earlier = [
        build
        for build in builds(directory, month)
        if comparable(build, identity) and datetime.fromisoformat(build.manifest["as_of"]) < at
    ]
    latest = max(earlier, key=lambda b: (b.manifest["as_of"], b.manifest["build_id"]), default=None)
    return latest or month_before(directory, month, identity)


def month_before(directory: Path, month: str, identity: Mapping[str, Any]) -> Build | None:
    """Return what is shown of the month before."""
    last_day = date.fromisoformat(f"{month}-01") - timedelta(days=1)
    build = shown(directory, f"{last_day:%Y-%m}")
    return build if build is not None and comparable(build, identity) else None


def comparable(build: Build, identity: Mapping[str, Any]) -> bool:
    """Tell whether a build has the same policy and the same world as another."""
    return all(build.manifest.get(name) == identity[name] for name in ("policy", "simulated"))


def shown(directory: Path, month: str) -> Build | None:
    """Return the build that a month shows; None where it shows none of this layout."""
    return _read((directory / month).resolve())


def all_shown(directory: Path) -> list[Build]:
    """Return what the months of a directory show, in the order of the months."""
    months = sorted(place.parent.name for place in directory.glob("[0-9]*/manifest.json"))
    return [build for month in months if (build := shown(directory, month)) is not None]


def all_builds(directory: Path) -> list[tuple[Build, bool]]:
    """Return all builds by month and as-of, each with whether its month shows it."""
    showing = {build.path for build in all_shown(directory)}
    found = [
        (build, build.path.resolve() in showing)
        for month in sorted(place.name for place in (directory / ".builds").glob("*"))
        for build in builds(directory, month)
    ]
    return sorted(found, key=lambda f: (f[0].manifest["month"], f[0].manifest["as_of"], f[1]))


def facts_of(build: Build) -> dict[str, Any]:
    """Return what the documents of a build say, as numbers."""
    found: dict[str, Any] = json.loads((build.path / "facts.json").read_text("utf-8"))
    return found


def builds(directory: Path, month: str) -> Iterator[Build]:
    """Yield the builds of a month that are still there, in the order of their places."""
    for place in sorted((directory / ".builds" / month).glob("*")):
        build = _read(place)
        if build is not None:
            yield build


def final_months(database: Database) -> set[str]:
    """Return the months of which a build was recorded that is not provisional."""
    sets = t.training_sets
    statement = sa.select(sets.c.month).where(~sets.c.provisional).distinct()
    return {row.month for row in database.rows(statement)}


def record(database: Database, build: Build, now: datetime, run_id: str) -> None:
    """Write the build into `training_sets`."""
    manifest = build.manifest
    moment = pa.timestamp("us", tz="UTC")
    database.upsert(
        t.training_sets,
        pa.table(
            {
                "build_id": [manifest["build_id"]],
                "month": [manifest["month"]],
                "as_of": pa.array([datetime.fromisoformat(manifest["as_of"])], moment),
                "provisional": [manifest["provisional"]],
                "policy": [manifest["policy"]],
                "rows": [manifest["rows"]["examples"]],
                "path": [str(build.path)],
                "examples_sha256": [manifest["files"]["examples.parquet"]["sha256"]],
                "built_at": pa.array([now], moment),
                "run_id": [run_id],
            }
        ),
        update=("built_at", "run_id", "path"),
    )


def _read(place: Path) -> Build | None:
    path = place / "manifest.json"
    if not path.is_file():
        return None
    manifest = json.loads(path.read_text("utf-8"))
    # Builds from before the schema had a version have no tables to compare with.
    return Build(place, manifest) if "schema_version" in manifest else None


def _link(directory: Path, month: str, target: Path) -> Path:
    place = directory / month
    link = directory / f".{month}.{uuid.uuid4().hex}.link"
    link.symlink_to(os.path.relpath(target, directory), target_is_directory=True)
    link.replace(place)
    return place
