"""What all commands share: help with examples, exit codes, and no traceback for bad input."""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from sqlalchemy.engine import make_url

from pricing_assets.cli import COMMANDS, pricing
from tests.conftest import DatabaseUrl
from tests.runs import pricing as run_pricing
from tests.runs import pricing_here


def commands(command: click.Command = pricing, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path]
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found += commands(child, (*path, name))
    return found


ALL = commands()


def test_the_commands() -> None:
    assert {" ".join(path) for path in ALL if path} == {
        *("demo", "scan", "run", "status", "explain", "snapshot", "price"),
        *("review", "review accept", "review reject"),
        *("training-set", "training-set build", "training-set verify", "training-set list"),
        *("training-set diff", "training-set publish", "db", "db upgrade", "db check"),
        "db partitions",
        *("sandbox", "sandbox serve", "refresh", "index", "index check", "index repair"),
        *("sources", "sources list", "sources enable", "sources disable"),
        *("sources set", "sources agree", "calls", "import", "search"),
        *("catalogue", "catalogue load", "catalogue search", "rates", "rates load", "rates update"),
        *("sales", "sales merged", "sales unmerge"),
    }
    assert set(COMMANDS) == {path[0] for path in ALL if path}


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_says_what_a_command_does_and_shows_how(path: tuple[str, ...]) -> None:
    for option in ("--help", "-h"):
        shown = CliRunner().invoke(pricing, [*path, option], prog_name="pricing")
        assert shown.exit_code == 0, shown.output
        assert shown.output.startswith("Usage: pricing")
    text = shown.output.partition("Options:")[0]
    if path[:1] in {("db",), ("index",)} and len(path) == 2:
        text = CliRunner().invoke(pricing, [path[0], "--help"]).output
    lines = [line.strip() for line in text.splitlines()[1:]]
    assert [line for line in lines if "pricing " in f"{line} "], text


def test_version() -> None:
    shown = CliRunner().invoke(pricing, ["--version"])
    assert shown.exit_code == 0
    assert shown.output.startswith("pricing")


USAGE = {
    "no command": (),
    "unknown command": ("prices",),
    "unknown option": ("status", "--xml"),
    "nothing to scan": ("scan",),
    "missing file": ("scan", "--file", "no-such-file.csv"),
    "directory": ("scan", "--file", "/"),
    "nobody": ("scan", "9780316769174", "--user", " "),
    "month": ("training-set", "build", "--month", "2026-13"),
    "month in words": ("training-set", "build", "--month", "October"),
    "month to come": ("training-set", "build", "--month", "2999-01"),
    "month before the first": ("training-set", "build", "--month", "1999-12"),
    "foreign digits": ("training-set", "build", "--month", "٢٠٢٦-10"),
    "no month": ("training-set", "build"),
    "as-of": ("training-set", "build", "--month", "2026-01", "--as-of", "yesterday"),
    "as-of without offset": (
        *("training-set", "build", "--month", "2026-01", "--as-of", "2026-01-15T00:00:00"),
    ),
    "as-of after the month": (
        *("training-set", "build", "--month", "2026-01", "--as-of", "2026-02-15T00:00:00Z"),
    ),
    "no ISBN": ("explain", "not an isbn"),
    "wrong check digit": ("explain", "9780316769175"),
    "no item": ("price", "not an isbn"),
    "no days of prices": ("price", "9780316769174", "--days", "0"),
    "a picture in a directory": ("price", "9780316769174", "--png", "/"),
    "review of one": ("review", "accept", "9780316769174"),
    "review of no ISBN": ("review", "reject", "9780316769174", "9780316769175"),
    "review of a pair of one": ("review", "accept", "9780316769174", "0316769177"),
    "review by nobody": (*("review", "accept", "9780316769174", "9780316769488", "--user", " "),),
    "review of none": ("review", "--limit", "0"),
    "demo of a directory": ("demo", "--catalogue", "/"),
    "demo of nothing": ("demo", "--books", "0"),
    "unknown source": ("sources", "enable", "open_libary"),
    "no zone": ("sources", "set", "open_library", "--time-zone", "Europe/Nowhere"),
    "a directory of zones": ("sources", "set", "open_library", "--time-zone", "Europe"),
    "negative budget": ("sources", "set", "open_library", "--calls-a-day", "-5"),
    "half a call": ("sources", "set", "open_library", "--calls-a-day", "1.5"),
    "no number": ("sources", "set", "open_library", "--cost", "nan"),
    "no freshness": ("sources", "set", "open_library", "--freshness-days", "none"),
    "nothing to set": ("sources", "set", "open_library"),
    "empty agreement": ("sources", "agree", "open_library", "--reference", " "),
    "weeks before no day": ("db", "partitions", "--detach-before", "2026-13-01"),
    "no days": ("calls", "--days", "0"),
    "port": ("sandbox", "serve", "--port", "99999"),
    "catalogue": ("sandbox", "serve", "--catalogue", "no-such-file.csv"),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_wrong_usage_ends_with_2_and_a_sentence(home: Path, arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(pricing, arguments)
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert len(done.output.splitlines()) >= 1


def unreadable(home: Path) -> Path:
    path = home / "scans.xlsx"
    path.write_bytes(b"PK\x03\x04" + bytes(500))
    return path


FAILURES: dict[str, tuple[dict[str, str], tuple[str, ...], str]] = {
    "unscanned": ({}, ("explain", "9780316769174"), "never scanned"),
    "prices of the unscanned": (
        {},
        ("price", "--category", "card", "base1-4"),
        "pricing scan --category card base1-4",
    ),
    "unscanned pair": (
        {},
        ("review", "accept", "9780316769174", "9780316769488"),
        "pricing scan 9780316769174",
    ),
    "workbook": ({}, ("scan", "--file", "scans.xlsx"), "Excel"),
    "workbook as a catalogue": ({}, ("demo", "--catalogue", "scans.xlsx"), "Excel"),
    "profile": ({"PRICING_PROFILE": "nonsense"}, ("status",), "PRICING_PROFILE"),
    "time": ({"PRICING_NOW": "noon"}, ("scan", "9780316769174"), "PRICING_NOW"),
    "settle": ({"PRICING_INBOX_SETTLE_SECONDS": "soon"}, ("status",), "SETTLE_SECONDS"),
    "home is a file": ({"PRICING_HOME": "/etc/passwd"}, ("status",), "/etc/passwd"),
    "home cannot be": ({"PRICING_HOME": "/proc/nowhere/x"}, ("status",), "PRICING_HOME"),
    "Dagster's home is a file": ({"DAGSTER_HOME": "/etc/passwd"}, ("run",), "DAGSTER_HOME"),
    "no server": (
        {"PRICING_DATABASE_URL": "postgresql://me:canary-77@127.0.0.1:1/pricing"},
        ("status",),
        "PRICING_DATABASE_URL",
    ),
    "no server for a run": (
        {"PRICING_DATABASE_URL": "postgresql://me:canary-77@127.0.0.1:1/pricing"},
        ("run",),
        "PRICING_DATABASE_URL",
    ),
    "no server for a check": (
        {"PRICING_DATABASE_URL": "postgresql://me:canary-77@127.0.0.1:1/pricing"},
        ("db", "check"),
        "PRICING_DATABASE_URL",
    ),
    "no URL": ({"PRICING_DATABASE_URL": "canary-77"}, ("status",), "PRICING_DATABASE_URL"),
    "no port": (
        {"PRICING_DATABASE_URL": "postgresql://me:canary-77@host:port/x"},
        ("status",),
        "PRICING_DATABASE_URL",
    ),
    "no such database": (
        {"PRICING_DATABASE_URL": "oracle://me:canary-77@host/x"},
        ("status",),
        "oracle",
    ),
    "nothing observed": ({}, ("training-set", "build", "--month", "2026-01"), "pricing scan"),
}


@pytest.mark.parametrize(("env", "arguments", "says"), FAILURES.values(), ids=FAILURES)
def test_a_failure_ends_with_1_and_says_what_to_do(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    arguments: tuple[str, ...],
    says: str,
) -> None:
    path = unreadable(home)
    given = [str(path) if argument == path.name else argument for argument in arguments]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    done = pricing_here(*given)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.startswith("Error: ")
    assert says in done.stderr
    assert "canary-77" not in done.stdout + done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    home.chmod(0o500)
    done = pricing_here("scan", "9780316769174")
    home.chmod(0o700)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_a_damaged_database_file_is_named(home: Path) -> None:
    (home / "pricing.db").write_bytes(b"not a database, but long enough to be read as one" * 50)
    done = run_pricing("status")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "PRICING_HOME" in done.stderr


def test_a_database_that_is_not_on_the_server_is_named(
    postgres_url: DatabaseUrl, home: Path
) -> None:
    missing = make_url(str(postgres_url)).set(database="no_such_database")
    url = missing.render_as_string(hide_password=False)
    done = run_pricing("status", env={"PRICING_DATABASE_URL": url})
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "no_such_database" in done.stderr
