"""`pricing sandbox`: the simulated vendors, for people and tests."""

import sys
from pathlib import Path

import click


@click.group()
def sandbox() -> None:
    """Serve simulated vendors on this machine.

    \b
    Example:
      pricing sandbox serve --port 8099 --catalogue books.csv
    """


@sandbox.command()
@click.option("--port", default=8099, show_default=True, help="Loopback port; 0 takes a free one.")
@click.option(
    "--catalogue",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Books to serve: a CSV with isbn, title, authors, year under any usual names, or an "
    "Open Library editions dump. Without it, the bundled catalogue.",
)
@click.option("--seed", default=0, show_default=True, help="Another seed is another market.")
@click.option("--latency-ms", default=0, show_default=True, help="Waits before every answer.")
@click.option(
    "--rate", default=300, show_default=True, help="Requests a second per source; 0: no limit."
)
@click.option(
    "--faults",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Faults to make on purpose: a YAML or JSON file, as in the README.",
)
def serve(
    port: int,
    catalogue: Path | None,
    seed: int,
    latency_ms: int,
    rate: int,
    faults: Path | None,
) -> None:
    """Serve until stopped; point the platform at it with PRICING_SANDBOX_URL.

    \b
    Examples:
      pricing sandbox serve
      pricing sandbox serve --faults storm.yaml
      PRICING_SANDBOX_URL=http://127.0.0.1:8099 pricing run
    """
    from resources.sandbox.__main__ import main

    arguments = ["--port", str(port), "--seed", str(seed)]
    arguments += ["--latency-ms", str(latency_ms), "--rate", str(rate)]
    if catalogue is not None:
        arguments += ["--catalogue", str(catalogue)]
    if faults is not None:
        arguments += ["--faults", str(faults)]
    sys.exit(main(arguments))
