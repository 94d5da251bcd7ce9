"""The layer rule: an arrow between our modules only points at what its layer may know."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("pricing_assets", "resources", "sensors")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    # The rules are pure; the outside world is reached through resources only.
    "pricing_assets.core": (),
    "resources": ("pricing_assets.core",),
    "pricing_assets.schema": ("pricing_assets.core", "resources"),
    "pricing_assets.store": ("pricing_assets.core", "pricing_assets.schema", "resources"),
    # Loading a training set needs neither Dagster nor the database.
    "pricing_assets.loading": ("pricing_assets.core", "resources"),
    "pricing_assets": ("pricing_assets.loading",),
    "pricing_assets.assets": (
        "pricing_assets.core",
        "pricing_assets.schema",
        "pricing_assets.store",
        "resources",
    ),
    "pricing_assets.checks": (
        "pricing_assets.assets",
        "pricing_assets.core",
        "pricing_assets.schema",
        "pricing_assets.store",
        "resources",
    ),
    "pricing_assets.jobs": ("pricing_assets.assets", "pricing_assets.checks"),
    "sensors": ("pricing_assets.core", "pricing_assets.jobs", "pricing_assets.store", "resources"),
    # The only wiring: it knows everything that is to be wired.
    "pricing_assets.build": (
        "pricing_assets.assets",
        "pricing_assets.checks",
        "pricing_assets.core",
        "pricing_assets.jobs",
        "pricing_assets.schema",
        "pricing_assets.store",
        "resources",
        "sensors",
    ),
    # What Dagster loads. No layer may import it.
    "pricing_assets.definitions": ("pricing_assets.build",),
    "pricing_assets.cli": (
        "pricing_assets.build",
        "pricing_assets.core",
        "pricing_assets.jobs",
        "pricing_assets.loading",
        "pricing_assets.schema",
        "pricing_assets.store",
        "resources",
    ),
}
"""For every layer the layers that it may import, besides itself."""

OUTSIDE = {
    "adbc_driver_postgresql",
    "alembic",
    "dagster",
    "httpx",
    "sqlalchemy",
    "starlette",
    "uvicorn",
}
"""Libraries of the outside world, which the pure rules do not know."""


def layer_of(module: str) -> str | None:
    """The layer a module belongs to: the longest name in the table that it starts with."""
    fitting = [layer for layer in MAY_IMPORT if module == layer or module.startswith(f"{layer}.")]
    longest = max(fitting, key=len, default=None)
    if longest == "pricing_assets" and module != longest:
        return None
    return longest


def imported(source: str, module: str, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """Line and absolute name of all that a module imports, inside functions as well."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = node.module or ""
            if node.level:
                parents = module.split(".")[: len(module.split(".")) - node.level + package]
                origin = ".".join([*parents, origin] if origin else parents)
            # `from package import name` may name a module of the package: of the two
            # readings the longer one decides where it has a layer of its own.
            yield from ((node.lineno, f"{origin}.{alias.name}") for alias in node.names)


def violations(source: str, module: str, *, package: bool = False) -> list[str]:
    """A line for each import that the module's layer may not have."""
    layer = layer_of(module)
    if layer is None:
        return [f"{module} is in no layer: give it one in MAY_IMPORT of {Path(__file__).name}"]
    found = []
    for line, name in imported(source, module, package=package):
        top = name.split(".")[0]
        if layer == "pricing_assets.core" and top in OUTSIDE:
            found.append(f"{module}:{line} imports {name}: core has only pure rules")
        if top not in PACKAGES:
            continue
        target = layer_of(name) or "pricing_assets"
        if target != layer and target not in MAY_IMPORT[layer]:
            found.append(f"{module}:{line} imports {name}: {layer} may not import {target}")
    return found


def our_modules() -> list[tuple[str, Path]]:
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
        for path in sorted(files)
    ]


def test_every_arrow_points_to_a_layer_it_may_know() -> None:
    modules = our_modules()
    assert len(modules) > 20
    found = [
        line
        for module, path in modules
        for line in violations(path.read_text(), module, package=path.name == "__init__.py")
    ]
    assert not found, "\n" + "\n".join(found)


def test_the_table_has_no_cycle() -> None:
    reached: set[str] = set()
    waiting = dict(MAY_IMPORT)
    while waiting:
        free = [layer for layer, allowed in waiting.items() if reached.issuperset(allowed)]
        assert free, f"these layers import each other: {sorted(waiting)}"
        reached.update(free)
        for layer in free:
            del waiting[layer]


def test_nothing_may_import_the_definitions() -> None:
    assert not [
        layer for layer, allowed in MAY_IMPORT.items() if "pricing_assets.definitions" in allowed
    ]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("pricing_assets.core.gate", "from resources.database import Database"),
        ("pricing_assets.core.gate", "import sqlalchemy as sa"),
        ("pricing_assets.core.gate", "def f():\n    import dagster"),
        ("resources.inbox", "import pricing_assets.schema.tables"),
        ("resources.inbox", "from pricing_assets import schema"),
        ("resources.inbox", "from pricing_assets import load_training_set"),
        ("pricing_assets.schema.tables", "from ..assets import raw_scans"),
        ("pricing_assets.assets.raw_scans", "from pricing_assets.build import build_defs"),
        ("pricing_assets.assets.raw_scans", "from sensors import new_scans"),
        ("sensors.new_scans", "from pricing_assets.definitions import defs"),
        ("sensors.new_scans", "from pricing_assets import definitions"),
        ("sensors.new_scans", "def tick():\n    from pricing_assets.build import build_defs"),
        ("pricing_assets.cli.run", "import pricing_assets.definitions"),
        ("pricing_assets.shelf", "import json"),
    ],
)
def test_a_forbidden_arrow_is_found(module: str, source: str) -> None:
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("resources.scan_files", "from pricing_assets.core.codes import read_code"),
        ("pricing_assets.core.gate", "from pricing_assets.core.answers import Answer"),
        ("pricing_assets.core.gate", "from .answers import Answer"),
        ("pricing_assets.assets.raw_scans", "from pricing_assets.schema import tables as t"),
        ("sensors.new_scans", "from pricing_assets.jobs import process_scans\nimport dagster"),
        ("pricing_assets.definitions", "from pricing_assets.build import build_defs"),
    ],
)
def test_an_allowed_arrow_is_let_through(module: str, source: str) -> None:
    assert violations(source, module) == []
