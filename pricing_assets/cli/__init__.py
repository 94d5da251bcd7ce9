"""The command line: `pricing`, one module a group of commands."""

import gc
import importlib
import sys

import click

OBJECTS_BETWEEN_COLLECTIONS = 20_000
"""Python's own 700 make a fifth of a command's start: what is imported is never garbage."""

COMMANDS = {
    "demo": (
        "pricing_assets.cli.demo:demo",
        "Books, cards, minifigures to a training set, simulated.",
    ),
    "scan": (
        "pricing_assets.cli.scan:scan",
        "Scan books, cards and minifigures, typed or from a file.",
    ),
    "import": ("pricing_assets.cli.import_:import_", "Import a file of sold listings."),
    "catalogue": (
        "pricing_assets.cli.catalogue:catalogue",
        "Load catalogues of minifigures and cards, and find items.",
    ),
    "search": ("pricing_assets.cli.search:search", "What cards sold for, or are offered for."),
    "rates": ("pricing_assets.cli.rates:rates", "Exchange rates: ask for them, or load a file."),
    "run": ("pricing_assets.cli.run:run", "Take what is pending through all assets."),
    "refresh": ("pricing_assets.cli.refresh:refresh", "Renew old answers that no scan asks for."),
    "status": ("pricing_assets.cli.status:status", "Scans, items, training quality and calls."),
    "explain": ("pricing_assets.cli.explain:explain", "What is known of an item, and why."),
    "snapshot": (
        "pricing_assets.cli.snapshot:snapshot",
        "Build a day's snapshots, today's at once.",
    ),
    "price": ("pricing_assets.cli.price:price", "What an item was worth, day by day: a chart."),
    "review": ("pricing_assets.cli.review:review", "Likely duplicates: list, accept, reject."),
    "sales": ("pricing_assets.cli.sales:sales", "Sales seen twice: list, and take a merge back."),
    "sources": ("pricing_assets.cli.sources:sources", "What is asked, its limits and licences."),
    "calls": ("pricing_assets.cli.calls:calls", "Calls by source: errors, latency, cost."),
    "training-set": (
        "pricing_assets.cli.training_set:training_set",
        "Build, verify, compare and publish training sets.",
    ),
    "index": ("pricing_assets.cli.index:index", "Compare the unified index, and rebuild it."),
    "db": ("pricing_assets.cli.db:db", "Upgrade and check the database."),
    "sandbox": ("pricing_assets.cli.sandbox:sandbox", "Serve simulated vendors."),
}
"""Where each command is, with its line in the list: a command is imported when it is called,
so that the list itself is quick."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pricing-assets", prog_name="pricing")
def pricing() -> None:
    """From scans to prices and training sets.

    \b
    Start here:
      pricing demo                           2,000 books from scan to training set
      pricing scan 9780316769174             scan a book
      pricing run                            take what is pending through all assets
      pricing explain 9780316769174          what is known, and why it is (not) in training
      pricing price 9780316769174            what it was worth, day by day
      pricing training-set --help            build, verify, compare and publish them
    """


def main() -> None:
    """Run the command line; an expected failure is a sentence and exit code 1, usage is 2."""
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    try:
        pricing(standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Exception as error:
        from pricing_assets.cli.errors import Refusal, explained

        refusal = explained(error)
        if refusal is None:
            raise
        Refusal(refusal).show()
        sys.exit(1)
