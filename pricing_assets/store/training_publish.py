"""Publishing a build to a place that fsspec knows, and finding what was published."""

from pathlib import Path

import fsspec
import fsspec.core

from pricing_assets.core.training import POINTER, pointer_text
from pricing_assets.store.training_parquet import file_problems
from pricing_assets.store.training_places import Build


class NotPublished(RuntimeError):
    """A build was not published; the message says why and what to do."""


def publish_to(build: Build, url: str) -> str:
    """Copy a build under a URL and point its month to it; return where it is.

    Every build has a place of its own that nothing overwrites, and the pointer is written
    last: a reader sees the build before or this one, whole.

    Args:
        build: Its files are checked first.
        url: Like `s3://bucket/training-sets`, `file:///srv/sets` or `memory://sets`.

    Raises:
        NotPublished: A file is not what the manifest says, or the place cannot be written.
    """
    if wrong := file_problems(build.path, build.manifest):
        raise NotPublished(f"{build.path}: {'; '.join(wrong)}. Build the month again first.")
    month, build_id = build.manifest["month"], build.manifest["build_id"]
    try:
        files, root = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise NotPublished(f"{url} cannot be written: {error}") from None
    place = f"{root.rstrip('/')}/{month}/{build_id}"
    names = [*build.manifest["files"], "training_set.duckdb", "manifest.json"]
    for directory in {f"{place}/{name}".rpartition("/")[0] for name in names}:
        files.makedirs(directory, exist_ok=True)
    for name in names:
        source = Path(build.path) / name
        if source.is_file():
            files.put_file(str(source), f"{place}/{name}")
    manifest = (Path(build.path) / "manifest.json").read_bytes()
    pointer = f"{root.rstrip('/')}/{month}/{POINTER}"
    with files.open(pointer, "wb") as file:
        file.write(pointer_text(build_id, manifest).encode())
    return str(files.unstrip_protocol(place))
