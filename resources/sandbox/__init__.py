"""The sandbox: a local HTTP server in place of the vendors, so that nothing else is needed.

It speaks the vendors' paths, parameters, authentication and response shapes about a
catalogue of books, cards and minifigures with a simulated market. Whatever it shows to a
person says that it is simulated. Start it with ``python -m resources.sandbox``, or from a
program with `resources.sandbox.process.SandboxProcess`.

A vendor's module holds one concrete `wire.Vendor`. Nothing lists the vendors: a new module
here is found by itself, and the name of its source says where it answers and which
credentials it accepts.

Not here: any client of a vendor (`resources.sources`).
"""

import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.sandbox.wire import Vendor


def base_path(source: str) -> str:
    """Return where a source's host begins under the sandbox's origin."""
    return f"/{source}"


def credential(name: str) -> str:
    """Return what the sandbox accepts for a credential, by its environment variable's name."""
    return f"sandbox-{name.lower().replace('_', '-')}"


def registered_vendors() -> dict[str, type["Vendor"]]:
    """Return every vendor of this package by the name of its source, sorted by name.

    Imports them all, so it is for the sandbox's own process.

    Raises:
        ValueError: Two modules stand in for the same source.
    """
    from resources.sandbox.wire import Vendor

    found: dict[str, type[Vendor]] = {}
    for module_info in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        if module_info.name.endswith(".__main__"):
            continue
        module = importlib.import_module(module_info.name)
        for _, member in inspect.getmembers(module, inspect.isclass):
            if (
                member.__module__ != module.__name__
                or not issubclass(member, Vendor)
                or inspect.isabstract(member)
            ):
                continue
            if member.source in found:
                raise ValueError(
                    f"{module.__name__}: the source {member.source!r} is played by "
                    f"{found[member.source].__module__} already; keep one of them."
                )
            found[member.source] = member
    return dict(sorted(found.items()))
