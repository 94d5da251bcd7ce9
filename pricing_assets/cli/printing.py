"""How the demo prints: headings, rows of a name and a text, and commands as one types them."""

import sys
from pathlib import Path

import click


def heading(text: str) -> None:
    """Print a heading after an empty line."""
    click.echo()
    click.secho(text, bold=True)


def row(name: str, text: str) -> None:
    """Print a text under its name; without one it goes on with the row before."""
    click.echo(f"  {name:<17} {text}")


def typed(command: str) -> str:
    """Return a command of this environment as one types it from here."""
    place = Path(sys.executable).parent
    if place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    return f"{place}/{command}"
