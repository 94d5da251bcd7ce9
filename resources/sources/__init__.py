"""Clients of the outside systems that are asked about items, one module per vendor.

A vendor's module holds one concrete `base.Source`: its address, limits, licence, request and
response. Nothing lists the vendors: a new module here is found by itself. What sources share
is in `base` (the interface), `wire` (reading JSON) and `bibliographic` (fields of books);
`client` asks them.
"""

import importlib
import inspect
import pkgutil

from resources.sources.base import Source


def registered_sources() -> dict[str, Source]:
    """Return every source of this package by its name, sorted by name.

    Raises:
        ValueError: Two modules define a source of the same name.
    """
    found: dict[str, Source] = {}
    for module_info in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        module = importlib.import_module(module_info.name)
        for _, member in inspect.getmembers(module, inspect.isclass):
            if (
                member.__module__ != module.__name__
                or not issubclass(member, Source)
                or inspect.isabstract(member)
            ):
                continue
            if member.name in found:
                raise ValueError(
                    f"{module.__name__}: the source name {member.name!r} is taken by "
                    f"{type(found[member.name]).__module__}; give each source its own name."
                )
            found[member.name] = member()
    return dict(sorted(found.items()))
