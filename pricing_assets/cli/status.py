"""`pricing status`: the platform in a few numbers."""

import json

import click
import sqlalchemy as sa

from pricing_assets.core.codes import shown_code
from pricing_assets.core.wording import number_of
from pricing_assets.schema import tables as t
from pricing_assets.store.circuits import troubles
from pricing_assets.store.opening import open_database, usable_sources
from pricing_assets.store.status import has_simulated
from pricing_assets.store.status import status as read_status
from resources.database import Database
from resources.settings import DEFAULT_USER, Settings
from resources.sources import registered_sources
from resources.sources.credentials import Credentials

REJECTED_SHOWN = 50


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--rejected", is_flag=True, help=f"List the last {REJECTED_SHOWN} rejected scans.")
@click.option("--user", default=DEFAULT_USER, show_default=True, help="Whose scans are counted.")
def status(as_json: bool, rejected: bool, user: str) -> None:
    """Show scans, items, training quality and calls.

    \b
    Examples:
      pricing status
      pricing status --json
      pricing status --rejected
    """
    if not user.strip():
        raise click.UsageError("--user is empty")
    settings = Settings.from_env()
    with open_database(settings) as database:
        if rejected:
            _list_rejected(database, user)
            return
        state = read_status(database, user)
        left_in_peace = troubles(database, settings.limits, settings.source_prefix)
        mixed = settings.profile == "live" and has_simulated(database)
    if as_json:
        circuits = [trouble.document() for trouble in left_in_peace]
        click.echo(json.dumps({**state, "circuits": circuits}, indent=2))
        return
    _name_unusable(settings)
    scans, calls = state["scans"], state["calls"]
    simulated = "  (simulated: sandbox profile)" if settings.profile == "sandbox" else ""
    click.echo(f"home          {settings.home}{simulated}")
    click.echo(f"database      {database.shown_url}")
    if mixed:
        click.echo(
            "simulated     some prices here are the sandbox's, and count with those of the live "
            "profile: give that a PRICING_HOME and a database of its own"
        )
    click.echo(
        f"scans         {scans['accepted']:,} accepted, {scans['rejected']:,} rejected, "
        f"{scans['pending']:,} pending"
    )
    for reason, count in scans["rejected_by_reason"].items():
        click.echo(f"                {count:>7,}  {reason}")
    click.echo(f"items         {state['items']:,}, {state['items_scored']:,} scored")
    click.echo(
        f"in training   {state['in_training']:,}; mean quality {state['mean_training_quality']:.2f}"
    )
    for tier, count in state["tiers"].items():
        click.echo(f"                {count:>7,}  {tier}")
    click.echo(
        f"calls         {calls['made']:,} made (${calls['cost_usd']:.2f}), "
        f"{calls['saved']:,} saved (${calls['saved_usd']:.2f}), {calls['errors']:,} failed"
    )
    for trouble in left_in_peace:
        click.echo(
            f"left in peace {trouble.status.source}: circuit {trouble.status.state}, "
            f"tried again {trouble.tried_again}; {trouble.reason}"
        )
    for session in state["asking"]:
        click.echo(
            f"asking now    {'/'.join(session['kinds'])}: {session['calls_answered']:,} of "
            f"{number_of(session['calls_planned'], 'call')} answered, "
            f"{session['calls_failed']:,} failed, "
            f"{session['calls_unanswered']:,} not sent, ${session['cost_usd']:.2f}; "
            f"since {session['started_at']}, last sign of life {session['updated_at']}"
        )


def _name_unusable(settings: Settings) -> None:
    """Name the sources that are not asked for want of credentials."""
    usable = usable_sources(settings)
    for name, source in registered_sources().items():
        if name not in usable:
            missing = ", ".join(source.missing_credentials(Credentials.from_env()))
            click.echo(f"not asked     {name}: set {missing}")


def _list_rejected(database: Database, user: str) -> None:
    scans = t.scans
    rows = database.rows(
        sa.select(scans.c.origin_name, scans.c.line, scans.c.code, scans.c.note)
        .where(scans.c.user_id == user, scans.c.status == "rejected")
        .order_by(scans.c.id.desc())
        .limit(REJECTED_SHOWN)
    )
    for row in rows:
        click.echo(f"{row.origin_name}:{row.line}  {shown_code(row.code)!r}  {row.note}")
    if not rows:
        click.echo("No scan was rejected.")
