"""The command line: `pricing`, one module a group of commands."""

import importlib
import sys

import click

from pricing_assets.cli.errors import Refusal, explained

COMMANDS = {
    "demo": "pricing_assets.cli.demo:demo",
    "scan": "pricing_assets.cli.scan:scan",
    "run": "pricing_assets.cli.run:run",
    "status": "pricing_assets.cli.status:status",
    "explain": "pricing_assets.cli.explain:explain",
    "training-set": "pricing_assets.cli.training_set:training_set",
    "db": "pricing_assets.cli.db:db",
    "sandbox": "pricing_assets.cli.sandbox:sandbox",
}
"""Where each command is; imported when it is called, so that `--help` is quick."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        return command if isinstance(command, click.Command) else None


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
      pricing training-set build --month 2026-10
    """


def main() -> None:
    """Run the command line; an expected failure is a sentence and exit code 1, usage is 2."""
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
        refusal = explained(error)
        if refusal is None:
            raise
        Refusal(refusal).show()
        sys.exit(1)
