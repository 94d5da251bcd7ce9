"""`pricing training-set`: building a month's training set by hand."""

import click

from pricing_assets.cli.running import run_job
from pricing_assets.core.periods import FIRST_MONTH, moment, month_end
from resources.clock import Clock
from resources.settings import Settings


@click.group("training-set")
def training_set() -> None:
    """Build training sets.

    \b
    Examples:
      pricing training-set build --month 2026-10
      pricing training-set build --month 2026-11 --as-of 2026-11-15T00:00:00+00:00
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
    result = run_job(
        "build_training_set",
        partition=f"{month}-01",
        ops={"training_set": {"as_of": at or "", "internal": internal}},
    )
    event = next(e for e in result.get_asset_materialization_events())
    metadata = {name: value.value for name, value in event.materialization.metadata.items()}
    provisional = ", provisional" if metadata["provisional"] else ""
    simulated = ", simulated" if metadata["simulated"] else ""
    kept_in = ", internal" if metadata["internal"] else ""
    click.echo(
        f"{metadata['dagster/partition_row_count']:,} examples as of {metadata['as_of']}"
        f"{provisional}{simulated}{kept_in}, build {metadata['build_id']}"
    )
    click.echo(f"  {Settings.from_env().training_sets / month}")
    click.echo(f'Load it: pricing_assets.load_training_set("{month}")')
