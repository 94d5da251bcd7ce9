"""The categories of items, one module each.

A category's module holds one `base.Category` under the name ``CATEGORY``. Nothing lists the
categories: a new module here is found by itself.
"""

import importlib
import pkgutil
from collections.abc import Mapping

from pricing_assets.core.categories.base import Category


def _found() -> dict[str, Category]:
    modules = [
        importlib.import_module(info.name)
        for info in pkgutil.iter_modules(__path__, prefix=f"{__name__}.")
    ]
    categories = [module.CATEGORY for module in modules if hasattr(module, "CATEGORY")]
    return {category.name: category for category in sorted(categories, key=lambda c: c.name)}


CATEGORIES: Mapping[str, Category] = _found()
"""Every category by its name."""
