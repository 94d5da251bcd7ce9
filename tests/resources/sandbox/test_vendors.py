"""The sandbox finds its vendors by itself, and knows them by the names of their sources."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import resources.sandbox
from resources.sandbox import base_path, credential, registered_vendors
from resources.sandbox.server import create_app
from resources.sources import registered_sources

MODULE = """
from resources.sandbox.open_library import OpenLibrary as Base
class Extra(Base):
    source = "{source}"
"""


@pytest.fixture
def extra_modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(resources.sandbox, "__path__", [*resources.sandbox.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("extra_vendor", "other_vendor"):
        sys.modules.pop(f"resources.sandbox.{name}", None)
        vars(resources.sandbox).pop(name, None)


def ask(path: str) -> httpx.Response:
    async def scenario() -> httpx.Response:
        transport = httpx.ASGITransport(create_app([]))
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.get(path)

    return asyncio.run(scenario())


def test_every_vendor_plays_a_source() -> None:
    vendors = registered_vendors()
    assert {"open_library", "google_books", "ebay_browse", "searchapi_ebay_sold"} <= set(vendors)
    assert set(vendors) <= set(registered_sources())
    for name, vendor in vendors.items():
        assert vendor.__module__ == f"resources.sandbox.{name}"


def test_a_new_module_is_a_new_vendor(extra_modules: Path) -> None:
    (extra_modules / "extra_vendor.py").write_text(MODULE.format(source="extra"))
    assert ask(f"{base_path('extra')}/api/books?format=json&jscmd=data").json() == {}


def test_two_vendors_of_one_source_are_refused(extra_modules: Path) -> None:
    (extra_modules / "other_vendor.py").write_text(MODULE.format(source="google_books"))
    with pytest.raises(ValueError, match="google_books"):
        registered_vendors()


def test_what_no_vendor_answers_is_refused_and_not_taken_for_unknown() -> None:
    for address in ("/nobody/api", f"{base_path('google_books')}/elsewhere", "/"):
        response = ask(address)
        assert response.status_code == 403
        assert address in response.json()["error"]


def test_a_credential_is_told_from_its_name_and_says_what_it_is() -> None:
    assert credential("EBAY_CLIENT_SECRET") == "sandbox-ebay-client-secret"


def test_the_names_alone_cost_no_discovery() -> None:
    check = "import sys, resources.sandbox; print('numpy' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"
