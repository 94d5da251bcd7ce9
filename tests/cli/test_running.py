"""The commands that run jobs and those that read what came of it, on one small platform."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from click.testing import CliRunner, Result

from pricing_assets.cli import pricing
from pricing_assets.definitions import defs
from pricing_assets.schema import tables as t
from pricing_assets.store.opening import open_database
from resources.clock import Clock
from resources.sandbox.process import SandboxProcess
from resources.settings import Settings
from tests.conftest import ROOT
from tests.runs import (
    COMMAND,
    NOON,
    asked,
    isbns,
    make_dagster_home,
    new_platform,
    pricing_here,
)
from tests.runs import pricing as run_pricing

BOOKS = isbns(12)


@dataclass(frozen=True)
class Ran:
    """A home where twelve books were scanned and run by the command line, and its environment."""

    env: Mapping[str, str]
    home: Path
    output: str


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, sandbox_url: str) -> Ran:
    directory = tmp_path_factory.mktemp("ran")
    make_dagster_home(directory / "dagster_home")
    home = directory / "home"
    env = {
        "PRICING_HOME": str(home),
        "DAGSTER_HOME": str(directory / "dagster_home"),
        "PRICING_SANDBOX_URL": sandbox_url,
        "PRICING_NOW": NOON.isoformat(),
        "PRICING_INBOX_SETTLE_SECONDS": "0",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        scanned = pricing_here("scan", *BOOKS, "B00ZV9PXP2")
        assert scanned.returncode == 0, scanned.stderr
        (home / "inbox" / "more.txt").write_text(BOOKS[0] + "\n")
        done = pricing_here("run")
        assert done.returncode == 0, done.stderr
    return Ran(env, home, done.stdout)


@pytest.fixture
def invoke(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> "Invoke":
    for name, value in ran.env.items():
        monkeypatch.setenv(name, value)
    return Invoke()


class Invoke:
    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(pricing, arguments)


def test_run_shows_progress_and_what_it_cost(ran: Ran) -> None:
    assert "raw scans" in ran.output
    assert "13 scans are pending" in ran.output
    last = ran.output.splitlines()[-1]
    # 60 about the books, and 7 about their authors.
    assert last.startswith("67 calls made for $0.05 (0 failed), 5 saved")
    assert "Run " in last
    assert (ran.home / "inbox" / "done" / "more.txt").is_file()


def test_the_ui_shows_a_run_under_its_job(ran: Ran) -> None:
    (place,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    with dg.DagsterInstance.from_config(ran.env["DAGSTER_HOME"]) as instance:
        run = instance.get_runs(dg.RunsFilter(job_name="process_scans"))[-1]
    assert run.remote_job_origin is not None
    # The timeline goes by the origin, and the list of jobs by the tag.
    assert run.remote_job_origin.job_name == "process_scans"
    origin = run.remote_job_origin.repository_origin
    assert origin.code_location_origin.location_name == place["python_module"]["location_name"]
    assert origin.repository_name == defs.get_repository_def().name
    assert run.tags[".dagster/repository"] == origin.get_label()


def test_status_as_json_has_every_number(invoke: Invoke) -> None:
    shown = invoke("status", "--json")
    assert shown.exit_code == 0
    state = json.loads(shown.output)
    assert state["scans"]["accepted"] == 13
    assert state["scans"]["rejected"] == 1
    assert state["scans"]["pending"] == 0
    assert state["items"] == 12
    assert 0 <= state["in_training"] <= 12
    assert 0 < state["mean_training_quality"] <= 1
    assert sum(state["tiers"].values()) == 12
    assert state["calls"]["made"] == 67
    assert state["calls"]["saved"] == 5
    assert state["calls"]["cost_usd"] > 0


def test_status_in_words_says_that_it_is_simulated(invoke: Invoke) -> None:
    shown = invoke("status").output
    assert "simulated" in shown
    assert "13 accepted, 1 rejected, 0 pending" in shown
    assert "67 made" in shown


def test_status_names_the_database_and_what_is_simulated_in_a_live_one(
    ran: Ran, invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = invoke("status").output
    assert f"database      sqlite:///{ran.home}/pricing.db" in shown
    assert "sandbox's" not in shown
    monkeypatch.setenv("PRICING_PROFILE", "live")
    assert "some prices here are the sandbox's" in invoke("status").output


def test_scans_of_another_user_are_not_shown(invoke: Invoke) -> None:
    state = json.loads(invoke("status", "--json", "--user", "anna").output)
    assert state["scans"] == {
        "accepted": 0, "rejected": 0, "pending": 0, "rejected_by_reason": {},
    }  # fmt: skip
    assert invoke("status", "--user", "").exit_code == 2


def test_explain_says_what_is_known_from_where_and_what_it_needs(invoke: Invoke) -> None:
    for isbn in BOOKS:
        shown = invoke("explain", isbn)
        assert shown.exit_code == 0, shown.output
        text = shown.output
        assert isbn in text.splitlines()[0]
        assert "Scans: " in text
        assert "; 0 pending" in text
        for source in ("open_library", "google_books", "ebay_browse", "searchapi_ebay_sold"):
            assert f"sandbox:{source}" in text
        assert "skip: fresh" in text
        (training,) = [line for line in text.splitlines() if line.startswith("Training: ")]
        assert "by policy v1: " in training
        assert ("needs" in training) == ("not in training" in training)
    hyphens = f"{BOOKS[0][:3]}-{BOOKS[0][3:]}"
    assert invoke("explain", hyphens).output.splitlines()[0].endswith(BOOKS[0])


def test_explain_of_a_book_that_was_never_scanned_says_how_to(invoke: Invoke) -> None:
    (unknown,) = isbns(1, 150)
    shown = invoke("explain", unknown)
    assert shown.exit_code == 1
    assert f"pricing scan {unknown}" in shown.output


def test_explain_of_a_book_that_waits_says_so(home: Path) -> None:
    pricing_here("scan", BOOKS[0])
    shown = pricing_here("explain", BOOKS[0])
    assert shown.returncode == 0, shown.stderr
    assert "1 pending" in shown.stdout
    assert shown.stdout.count("never asked") == 5
    assert "not asked yet" in shown.stdout


def test_a_second_run_asks_nothing(invoke: Invoke) -> None:
    shown = invoke("run")
    assert shown.exit_code == 0, shown.output
    assert "0 calls made for $0.00" in shown.output


def test_a_month_of_which_nothing_was_observed_is_refused_without_a_run(home: Path) -> None:
    pricing_here("scan", BOOKS[0])
    done = pricing_here("training-set", "build", "--month", "2026-01")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nothing had been observed by 2026-01-31")
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []
    for arguments in (("verify", "2026-01"), ("diff", "2026-01", "2026-02")):
        absent = pricing_here("training-set", *arguments)
        assert absent.returncode == 1
        assert "no training set of 2026-01; build one: pricing training-set build" in absent.stderr


def test_the_same_as_of_twice_gives_the_same_bytes(ran: Ran, invoke: Invoke) -> None:
    place = ran.home / "training_sets" / "2026-10"
    built = []
    for _ in range(2):
        done = invoke("training-set", "build", "--month", "2026-10", "--as-of", NOON.isoformat())
        assert done.exit_code == 0, done.output
        assert f"examples as of {NOON.isoformat()}, provisional, simulated" in done.output
        assert str(place) in done.output
        assert 'load_training_set("2026-10")' in done.output
        names = ("examples.parquet", "manifest.json", "card.md")
        built.append({name: (place / name).read_bytes() for name in names})
    assert built[0] == built[1]


def test_the_same_moment_in_another_zone_gives_the_same_bytes(ran: Ran, invoke: Invoke) -> None:
    place = ran.home / "training_sets" / "2026-10"
    built = []
    for moment in ("2026-10-20T12:00:00+00:00", "2026-10-20T14:00:00+02:00"):
        done = invoke("training-set", "build", "--month", "2026-10", "--as-of", moment)
        assert done.exit_code == 0, done.output
        built.append((place / "manifest.json").read_bytes())
    assert built[0] == built[1]


def test_a_failing_check_is_told_with_its_remedy(
    home: Path, tmp_path: Path, sandbox_url: str
) -> None:
    with new_platform(tmp_path, sandbox_url, Clock(NOON)) as platform:
        platform = replace(platform, settings=Settings.from_env())
        platform = platform.with_sandbox(sandbox_url)
        platform.scan(BOOKS[:2])
        platform.run()
        with platform.database() as database:
            database.execute(sa.delete(t.unified_index))
    done = pricing_here("run")
    assert done.returncode == 1
    assert "unified_index" in done.stderr
    assert "disagrees with the store" in done.stderr
    assert "run again" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_secret_is_in_what_is_printed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_BOOKS_API_KEY", "SEARCHAPI_API_KEY", "EBAY_CLIENT_SECRET"):
        monkeypatch.setenv(name, f"canary-{name}")
    for arguments in (("status",), ("run",), ("explain", BOOKS[0])):
        done = invoke(*arguments)
        assert done.exit_code == 0
        assert "canary" not in done.output


def test_a_run_in_a_process_of_its_own_says_the_same(ran: Ran) -> None:
    done = run_pricing("run", env=ran.env)
    assert done.returncode == 0, done.stderr
    assert "0 calls made for $0.00" in done.stdout.splitlines()[-1]
    assert "s  raw scans" in done.stdout


def test_run_says_by_source_what_failed_and_why(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = [{"kind": "server_error", "status": 403, "share": 1, "permanent": True}]
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({"faults": {"booksrun": refused, "wikidata": refused}}))
    monkeypatch.setenv("PRICING_NOW", NOON.isoformat())
    assert pricing_here("scan", *BOOKS[:2]).returncode == 0
    with SandboxProcess(size=len(BOOKS), faults=faults) as sandbox:
        monkeypatch.setenv("PRICING_SANDBOX_URL", sandbox.url)
        done = pricing_here("run")
    assert done.returncode == 0, done.stderr
    *_, of_items, of_people, last = done.stdout.splitlines()
    with open_database(Settings.from_env()) as database:
        of_errors = sa.select(t.api_calls).where(t.api_calls.c.result == "error")
        errors = database.rows(of_errors.order_by(t.api_calls.c.id))
    assert f"({len(errors)} failed)" in last
    about_items = [error for error in errors if error.source == "sandbox:booksrun"]
    about_people = [error for error in errors if error.source == "sandbox:wikidata"]
    assert len(about_items) == 2
    assert of_items == (
        "sandbox:booksrun: 2 failed, due again from 2026-10-21 12:00 UTC. "
        f"The last: {about_items[-1].error}"
    )
    assert of_people == (
        f"sandbox:wikidata: {len(about_people)} failed. The last: {about_people[-1].error}"
    )


def test_ctrl_c_is_one_line_and_what_was_scanned_stays_pending(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pricing_here("scan", *BOOKS[:3]).returncode == 0
    with SandboxProcess(size=3, latency_ms=500) as sandbox:
        monkeypatch.setenv("PRICING_SANDBOX_URL", sandbox.url)
        process = subprocess.Popen(
            [*COMMAND, "run"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + 60
            while not asked(sandbox.url):
                assert process.poll() is None
                assert time.monotonic() < deadline, "it does not get on"
                time.sleep(0.02)
            # A terminal sends it to all processes of the command.
            os.killpg(process.pid, signal.SIGINT)
            output = process.communicate(timeout=60)[0]
        finally:
            process.kill()
        assert process.returncode == 130
        assert "Traceback" not in output
        assert output.splitlines()[-1] == (
            "Interrupted. What was answered is kept; go on with: pricing run"
        )
    # That another run takes it up is what the tests of kills are about.
    state = json.loads(pricing_here("status", "--json").stdout)
    assert state["scans"]["pending"] == 3


def test_a_training_set_is_listed_verified_compared_and_published(
    ran: Ran, invoke: Invoke, tmp_path: Path
) -> None:
    done = invoke("training-set", "build", "--month", "2026-10")
    assert done.exit_code == 0, done.output
    listed = invoke("training-set", "list").output.splitlines()
    assert any(line.startswith("* 2026-10") and "policy v1" in line for line in listed)
    build_id = next(line for line in listed if line.startswith("*")).split()[2]
    verified = invoke("training-set", "verify", build_id, "--rederive", "5")
    assert verified.exit_code == 0, verified.output
    assert "labels recomputed from stored observations and bodies" in verified.output
    compared = invoke("training-set", "diff", "2026-10", build_id)
    assert compared.output.splitlines()[-1] == "0 added, 0 removed, 0 changed"
    published = invoke("training-set", "publish", "2026-10", "--to", f"file://{tmp_path}/sets")
    assert published.exit_code == 0, published.output
    assert f'directory="file://{tmp_path}/sets"' in published.output
    place = tmp_path / "sets" / "2026-10" / build_id
    assert invoke("training-set", "verify", str(place)).exit_code == 0
    with (place / "examples.parquet").open("ab") as file:
        file.write(b"x")
    broken = pricing_here("training-set", "verify", str(place))
    assert broken.returncode == 1
    assert "examples.parquet is not the file that its manifest names" in broken.stderr
    unknown = pricing_here("training-set", "verify", "2020-01")
    assert unknown.returncode == 1
    assert "there is no training set of 2020-01; there are: 2026-10" in unknown.stderr
