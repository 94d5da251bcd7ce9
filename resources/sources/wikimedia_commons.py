"""Wikimedia Commons: where a picture is, how large, and under which licence.

We ask ``imageinfo`` about a file by its name. A file that another wiki shows from Commons is
``missing`` there and ``known``, under the page number -1, and has its ``imageinfo`` all the
same; one that does not exist has none. Pages are a list (``formatversion`` 2) or an object.
Whom to name and the licence are in ``extmetadata``, as HTML that people wrote.
"""

import html
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from pricing_assets.core.answers import Answer, ItemQuery
from resources.sources.base import Licence, UnparsablePayload
from resources.sources.wikimedia import Wikimedia
from resources.sources.wire import Count, Text, Wire, excerpt

_TAG = re.compile(r"<[^>]{0,2000}>")
_ATTRIBUTION_CHARACTERS = 300


class _Entry(Wire):
    value: Text = ""


class _Extra(Wire):
    LicenseShortName: _Entry = _Entry()
    LicenseUrl: _Entry = _Entry()
    Artist: _Entry = _Entry()
    Credit: _Entry = _Entry()


class _File(Wire):
    essential: ClassVar[frozenset[str]] = frozenset({"url"})

    url: Text
    width: Count | None = None
    height: Count | None = None
    mime: Text = ""
    extmetadata: _Extra = _Extra()


class WikimediaCommons(Wikimedia):
    """Pictures by the name of their file."""

    name = "wikimedia_commons"
    kind = "image"
    base_url = "https://commons.wikimedia.org"
    licence = Licence(
        store_payloads=True,
        payload_retention_days=None,
        display_max_age_hours=None,
        redistribute=True,
        train="with agreement",
        note=(
            "Each file has a licence of its own, kept in images.licence with whom to name. "
            "Only facts about files are kept here, not the files."
        ),
    )

    def parameters(self, query: ItemQuery) -> Mapping[str, str]:
        """Ask for the file's address, size and licence."""
        return {
            "action": "query",
            "prop": "imageinfo",
            "iiprop": "url|size|mime|extmetadata",
            "iiextmetadatafilter": "LicenseShortName|LicenseUrl|Artist|Credit",
            "titles": f"File:{query.natural_key}",
        }

    def read_answer(self, query: ItemQuery, document: Mapping[str, Any]) -> Answer:
        """Read the one page."""
        match document:
            case {"query": {"pages": list(pages)}}:
                named = [(f"query.pages[{place}]", page) for place, page in enumerate(pages)]
            case {"query": {"pages": dict(pages)}}:
                named = [(f"query.pages.{key}", page) for key, page in pages.items()]
            case _:
                raise UnparsablePayload("query.pages", "missing")
        problems: list[str] = []
        for place, page in named:
            match page:
                case {"imageinfo": [raw, *_]}:
                    file = _File.read(raw, f"{place}.imageinfo[0]", problems)
                    if file is None:
                        raise UnparsablePayload(place, "; ".join(problems))
                    return Answer("found", _fields(file), problems=tuple(problems))
                case {"missing": _} | {"invalid": _}:
                    continue
            raise UnparsablePayload(place, "neither a file nor missing")
        return Answer("not_found")


def _fields(file: _File) -> dict[str, str | int]:
    extra = file.extmetadata
    fields: dict[str, str | int | None] = {
        "url": file.url,
        "width": file.width,
        "height": file.height,
        "mime": file.mime,
        "licence": _plain(extra.LicenseShortName.value),
        "licence_url": extra.LicenseUrl.value,
        "attribution": _plain(extra.Artist.value or extra.Credit.value),
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _plain(text: str) -> str:
    """Return HTML as text on one line."""
    return excerpt(html.unescape(_TAG.sub(" ", text)), _ATTRIBUTION_CHARACTERS)
