"""What every simulated vendor has in common: a call, a reply, and how one finds a book.

Not here: any vendor's own format (one module each), HTTP itself (`server`).
"""

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from stdnum import isbn

from resources.sandbox.catalogue import Book
from resources.sandbox.market import Market, Offer

_ISBN = re.compile(r"(?<![\dXx])(?:97[89]\d{10}|\d{9}[\dXx])(?![\dXx])")


@dataclass(frozen=True, slots=True)
class Call:
    """One request: what a vendor's answer can depend on.

    Attributes:
        params: Of the query.
        path_params: What stands where the vendor's path has a name in braces.
        url: The whole address, as it was signed.
    """

    params: Mapping[str, str]
    headers: Mapping[str, str]
    now: datetime
    body: bytes = b""
    path_params: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """One response.

    Attributes:
        document: What is sent as JSON; bytes are sent as they are.
        asked: Natural keys that the request asked about, each counted once; empty for the
            later pages of an answer and for what was refused.
    """

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: Sequence[str] = ()
    media_type: str = "application/json"

    def body(self) -> bytes:
        """Return the document as it is sent."""
        if isinstance(self.document, bytes):
            return self.document
        return json.dumps(self.document, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class Vendor(ABC):
    """One simulated source.

    Attributes:
        books: The books that exist, by ISBN-13.
        source: Name of the source that it stands in for.
        path: Of its one resource, below `base_path`; may have names in braces.
        method: By which it is asked.
        lacks: Share of the books that it has never heard of.
        is_metadata: Whether it tells metadata; some books are in no such source.
        faults: Kinds of faults that it words in its own way (see `failing`): of those that not
            every vendor has, the ones that it does.
        listings: Name of the list that its pages hold; empty where it has no pages.
    """

    books: Mapping[str, Book]
    market: Market
    source: ClassVar[str]
    path: ClassVar[str]
    method: ClassVar[str] = "GET"
    lacks: ClassVar[float] = 0.05
    is_metadata: ClassVar[bool] = False
    faults: ClassVar[frozenset[str]] = frozenset()
    listings: ClassVar[str] = ""

    def knows(self, key: str) -> bool:
        """Whether it has ever heard of the item with this natural key."""
        return self.market.knows(self.source, key, self.lacks, is_metadata=self.is_metadata)

    @abstractmethod
    def refusal(self, call: Call) -> Reply | None:
        """Return the vendor's answer to missing or wrong credentials, or None."""

    @abstractmethod
    def throttled(self) -> Reply:
        """Return the vendor's answer to more requests a second than it allows."""

    def failing(self, kind: str) -> Reply | None:
        """Return the answer to a fault that each vendor words in its own way, or None.

        Args:
            kind: As in `faults.Kind`.
        """
        return None

    def next_page(self, url: str) -> Mapping[str, Any]:
        """Return the part of a document that names a next page."""
        return {"next": url}

    @abstractmethod
    def answer(self, call: Call) -> Reply:
        """Return the answer to an authorised request within the limit."""


class TokenVendor(Vendor):
    """A simulated source that gives tokens itself.

    Attributes:
        token_path: Where it gives them, below `base_path`; asked by POST, without a limit.
        token_counter: Under which name those requests are counted.
    """

    token_path: ClassVar[str]
    token_counter: ClassVar[str]

    @abstractmethod
    def token(self, call: Call) -> Reply:
        """Return the answer to a request for a token."""


def isbns_in(text: str) -> list[str]:
    """Return the ISBNs that a search text names, as ISBN-13, each once."""
    found = (isbn.compact(code, convert=True) for code in _ISBN.findall(text.replace("-", "")))
    return list(dict.fromkeys(found))


def stable_number(*parts: str) -> int:
    """Return a number from 0 to 2**64 - 1 that depends on the texts alone."""
    digest = hashlib.blake2b(":".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest)


def listing_title(book: Book, offer: Offer) -> str:
    """Return a seller's title; it says at its end that the listing is simulated."""
    by = f" by {book.authors[0].removesuffix(' (simulated)')}" if book.authors else ""
    details = ", ".join(str(d) for d in (book.binding, book.publication_year) if d)
    signed = "SIGNED " if offer.signed else ""
    return f"{signed}{book.title}{by}{f' ({details})' if details else ''} (simulated)"


def dollars(cents: int) -> str:
    """Return cents as a text such as ``12.50``."""
    return f"{cents // 100}.{cents % 100:02d}"


def whole_number(text: str | None, default: int) -> int | None:
    """Return the number, `default` when there is none, None when it is not one."""
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
