"""`pricing training-set`: building, listing, comparing, verifying and publishing training sets."""

from pathlib import Path
from typing import Any

import click

from pricing_assets.cli.errors import Refusal
from pricing_assets.cli.running import run_job
from pricing_assets.core.periods import FIRST_MONTH, moment, month_end
from pricing_assets.core.wording import number_of
from pricing_assets.store.opening import open_database
from pricing_assets.store.training_compare import differences
from pricing_assets.store.training_places import Build, all_builds, all_shown
from pricing_assets.store.training_publish import publish_to
from pricing_assets.store.training_set import refuse_nothing
from pricing_assets.store.training_verify import (
    NotATrainingSet,
    build_at,
    content_problems,
    rederived_problems,
)
from resources.clock import Clock
from resources.settings import Settings

DIFFERENCES_SHOWN = 20


@click.group("training-set")
def training_set() -> None:
    """Build, list, compare, verify and publish training sets.

    \b
    Examples:
      pricing training-set build --month 2026-10
      pricing training-set verify data/training_sets/2026-10 --rederive 100
      pricing training-set diff 2026-09 2026-10
      pricing training-set publish 2026-10 --to s3://bucket/training-sets
    """


@training_set.command()
@click.option("--month", required=True, help="The month to build, like 2026-10.")
@click.option(
    "--as-of",
    "at",
    default=None,
    help="Use only what was known at this moment (ISO-8601 with an offset). The same moment "
    "gives the same bytes.",
)
@click.option(
    "--internal",
    is_flag=True,
    help="Also take what its licence does not let leave the house; the card says so.",
)
def build(month: str, at: str | None, internal: bool) -> None:
    """Build one month; a month that has not ended is built as of now, provisionally.

    \b
    Examples:
      pricing training-set build --month 2026-10
      pricing training-set build --month 2026-11 --as-of 2026-11-15T00:00:00+00:00
      pricing training-set build --month 2026-10 --internal

    Observations and metadata whose licence does not let them train a model, or leave in an
    export, are left out and counted in the manifest and the card.
    """
    try:
        end = month_end(month)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--month") from None
    now = Clock.from_env().now()
    if month > f"{now:%Y-%m}":
        raise click.BadParameter(f"{month} has not begun", param_hint="--month")
    if month < FIRST_MONTH:
        raise click.BadParameter(f"the first month is {FIRST_MONTH}", param_hint="--month")
    if at is not None:
        try:
            known_at = moment(at)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--as-of") from None
        if known_at > min(end, now):
            raise click.BadParameter(
                f"{at} is after {min(end, now).isoformat(timespec='seconds')}, the last moment "
                f"that {month} can know of",
                param_hint="--as-of",
            )
        at = known_at.isoformat()
    settings = Settings.from_env()
    with open_database(settings) as database:
        refuse_nothing(
            database,
            month,
            now=now,
            sandbox=settings.profile == "sandbox",
            at=moment(at) if at else None,
            internal=internal,
        )
    result = run_job(
        "build_training_set",
        partition=f"{month}-01",
        ops={"training_set": {"as_of": at or "", "internal": internal}},
    )
    event = next(e for e in result.get_asset_materialization_events())
    metadata: dict[str, Any] = {
        name: value.value for name, value in event.materialization.metadata.items()
    }
    provisional = ", provisional" if metadata["provisional"] else ""
    simulated = ", simulated" if metadata["simulated"] else ""
    kept_in = ", internal" if metadata["internal"] else ""
    examples = metadata["dagster/partition_row_count"]
    click.echo(
        f"{number_of(examples, 'example')} as of {metadata['as_of']}"
        f"{provisional}{simulated}{kept_in}, build {metadata['build_id']}"
    )
    click.echo(f"  {settings.training_sets / month}")
    click.echo(f'Load it: pricing_assets.load_training_set("{month}")')


@training_set.command("list")
def list_builds() -> None:
    """List the builds that are there, the one that a month shows marked by a star.

    \b
    Example:
      pricing training-set list
    """
    directory = Settings.from_env().training_sets
    found = all_builds(directory)
    if not found:
        click.echo(f"No training set at {directory}: pricing training-set build --month MONTH")
    for build, is_shown in found:
        manifest = build.manifest
        marks = [name for name in ("provisional", "simulated") if manifest[name]]
        click.echo(
            f"{'*' if is_shown else ' '} {manifest['month']}  {manifest['build_id']}  "
            f"{manifest['rows']['examples']:>9,} examples  policy {manifest['policy']}  "
            f"as of {manifest['as_of']}{'  ' if marks else ''}{', '.join(marks)}"
        )


@training_set.command()
@click.argument("path", metavar="PATH")
@click.option(
    "--rederive",
    type=click.IntRange(min=1),
    default=None,
    help="Recompute this many labels from the stored observations and their bodies.",
)
def verify(path: str, rederive: int | None) -> None:
    """Check a build's files, rows and, when asked, labels; exit code 1 names what differs.

    PATH is a month, a build id or a directory.

    \b
    Examples:
      pricing training-set verify 2026-10
      pricing training-set verify data/training_sets/2026-10 --rederive 100
    """
    settings = Settings.from_env()
    build = _named(path)
    problems = content_problems(build)
    click.echo(f"{len(build.manifest['files'])} files of build {build.manifest['build_id']} read")
    if rederive is not None and not problems:
        with open_database(settings) as database:
            count, problems = rederived_problems(build, database, rederive)
        labels = number_of(count, "label")
        click.echo(f"{labels} recomputed from stored observations and bodies")
    if problems:
        raise Refusal(f"{build.path} does not verify:\n  " + "\n  ".join(problems))
    click.echo("All of it is what the manifest says.")


@training_set.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="B")
def diff(before: str, after: str) -> None:
    """Say which examples were added, removed and changed from A to B.

    A and B are months, build ids or directories.

    \b
    Example:
      pricing training-set diff 2026-09 2026-10
    """
    old, new = _named(before), _named(after)
    counts, rows = differences(old, new, DIFFERENCES_SHOWN)
    for name in ("month", "as_of", "policy", "build_id", "schema_version", "code_sha256"):
        if old.manifest[name] != new.manifest[name]:
            click.echo(f"{name}: {old.manifest[name]} -> {new.manifest[name]}")
    for row in rows:
        columns = f" ({row['columns']})" if row["columns"] else ""
        prices = f"{row['target_price_before'] or '-'} -> {row['target_price'] or '-'}"
        click.echo(f"  {row['change']:<8} {row['natural_key']}  {prices}{columns}")
    if sum(counts.values()) > len(rows):
        click.echo(f"  ... and {sum(counts.values()) - len(rows):,} more")
    click.echo(", ".join(f"{count:,} {change}" for change, count in counts.items()))


@training_set.command()
@click.argument("path", metavar="PATH")
@click.option("--to", "url", required=True, help="Like s3://bucket/sets or file:///srv/sets.")
def publish(path: str, url: str) -> None:
    """Copy a build to a URL, its files first and the pointer to it last.

    PATH is a month, a build id or a directory.

    \b
    Example:
      pricing training-set publish 2026-10 --to s3://bucket/training-sets
    """
    build = _named(path)
    place = publish_to(build, url)
    month = build.manifest["month"]
    click.echo(f"{place}")
    click.echo(f'Load it: pricing_assets.load_training_set("{month}", directory="{url}")')


def _named(name: str) -> Build:
    """Return the build that a directory, a month or a build id names.

    Raises:
        NotATrainingSet: It names none; the message says which months there are.
    """
    if Path(name).is_dir():
        return build_at(Path(name))
    directory = Settings.from_env().training_sets
    for build, _ in all_builds(directory):
        if build.manifest["build_id"] == name:
            return build_at(build.path)
    if (directory / name).is_dir():
        return build_at(directory / name)
    months = ", ".join(build.manifest["month"] for build in all_shown(directory))
    there = (
        f"there are: {months}" if months else "build one: pricing training-set build --month MONTH"
    )
    raise NotATrainingSet(f"there is no training set of {name}; {there}")
