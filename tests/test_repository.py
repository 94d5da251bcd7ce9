"""What holds for the repository as a whole: its files, its lock, its names."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent

DATABASE_FILE = re.compile(r"\.(db|sqlite|sqlite3|duckdb)(-wal|-shm|-journal|\.wal)?$")

PINNED = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)(?:\[[a-z0-9,-]+\])?==(?P<version>\S+?)"
    r"(?: ; (?P<marker>[^\\]+?))?"
)


@pytest.fixture(scope="module")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock() -> str:
    return (ROOT / "requirements.lock").read_text()


def locked(text: str) -> dict[str, list[str]]:
    """The lock's requirements with their hashes; fails on a line it cannot read."""
    found: dict[str, list[str]] = {}
    hashes: list[str] = []
    for raw in text.splitlines():
        line = raw.removesuffix("\\").strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("--hash="):
            hashes.append(line.removeprefix("--hash="))
            continue
        requirement = PINNED.fullmatch(line)
        assert requirement, f"not a pinned requirement: {line!r}"
        hashes = []
        # A package may be there twice, with markers that exclude each other.
        found[f"{requirement['name']}=={requirement['version']}"] = hashes
    return found


def normalized(requirement: str) -> str:
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def tracked_files() -> list[str]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name]


def test_no_database_file_is_tracked_or_would_be_added() -> None:
    files = tracked_files()
    assert "pyproject.toml" in files
    assert not [name for name in files if DATABASE_FILE.search(name)]


@pytest.mark.parametrize("name", ["pricing.db", "a/b.sqlite3", "x.duckdb", "pricing.db-wal"])
def test_git_ignores_a_database_file(name: str) -> None:
    tracked_files()
    ignored = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False)
    assert ignored.returncode == 0


@pytest.mark.parametrize(
    "name",
    ["dagster_home/dagster.yaml", "dagster_home/dagster.postgres.yaml", "benchmarks/results.json"],
)
def test_git_keeps_what_is_not_state(name: str) -> None:
    tracked_files()
    ignored = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False)
    assert ignored.returncode == 1


def test_the_hook_against_database_files_knows_them_all() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    (hook,) = [hook for hook in hooks if hook["id"] == "no-database-files"]
    for name in ("data/pricing.db", "a.sqlite", "a.sqlite3", "x.duckdb", "pricing.db-wal"):
        assert re.search(hook["files"], name)
    assert not re.search(hook["files"], "resources/database.py")


def test_every_locked_requirement_has_hashes(lock: str) -> None:
    requirements = locked(lock)
    assert len(requirements) > 50
    for requirement, hashes in requirements.items():
        assert hashes, f"{requirement} has no hash; run make lock"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", value) for value in hashes)


def test_the_lock_names_no_place(lock: str) -> None:
    assert "://" not in lock
    options = [
        line
        for line in lock.splitlines()
        if line.startswith("-") or " @ " in line or line.startswith("file:")
    ]
    assert options == []


def test_every_dependency_is_locked(pyproject: dict[str, Any], lock: str) -> None:
    project = pyproject["project"]
    wanted = [*project["dependencies"], *pyproject["build-system"]["requires"]]
    for extra in project["optional-dependencies"].values():
        wanted += extra
    have = {requirement.split("==")[0] for requirement in locked(lock)}
    assert not {normalized(requirement) for requirement in wanted} - have, "run make lock"


def test_the_code_location_has_one_name(pyproject: dict[str, Any]) -> None:
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = pyproject["tool"]["dg"]["project"]
    assert location["python_module"]["location_name"] == project["code_location_name"]
    assert location["python_module"]["module_name"] == project["code_location_target_module"]


def test_the_readme_names_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "make demo" in readme
    assert "make test" in readme


def test_every_make_target_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text()
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    explained = set(re.findall(r"^([a-z]+):.* ## \S", makefile, re.MULTILINE))
    assert set(phony.split()) == explained
