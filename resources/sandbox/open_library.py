"""Open Library as the sandbox plays it: ``/api/books``.

``jscmd=data`` is complete with ``works``, ``physical_format`` and ``languages``, which the
real one tells on an edition's own page and in ``jscmd=details`` only. An unknown book is
absent from the answer, which is 200 and ``{}``. Addresses end in ``.invalid``, and keys
begin with 99, so that nobody is sent to another book's page.
"""

from typing import Any

from stdnum import isbn

from resources.sandbox.catalogue import Book
from resources.sandbox.wire import Call, Reply, Vendor, isbns_in, stable_number

_SITE = "https://openlibrary.sandbox.invalid"
_COVERS = "https://covers.sandbox.invalid"
_SUBJECTS = (
    "Fiction", "Large type books", "Family life", "Voyages and travels", "Friendship",
    "History", "Coming of age", "Mystery", "Love stories", "Adventure stories",
)  # fmt: skip
_MARC_LANGUAGES = {
    "en": "eng", "fr": "fre", "de": "ger", "es": "spa", "it": "ita", "pt": "por", "nl": "dut",
    "ja": "jpn", "ru": "rus", "zh": "chi",
}  # fmt: skip


class OpenLibrary(Vendor):
    """Metadata by ISBN; no credentials."""

    source = "open_library"
    path = "/api/books"
    lacks = 0.09
    is_metadata = True

    def refusal(self, call: Call) -> Reply | None:
        """Let everyone in."""
        return None

    def throttled(self) -> Reply:
        """Answer as the site's nginx does, in JSON."""
        return Reply(429, {"error": "Too Many Requests"}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Have no quota and no token."""
        return None

    def answer(self, call: Call) -> Reply:
        """Look up each of ``bibkeys``; the answer names a book as it was asked for."""
        if call.params.get("format") != "json" or call.params.get("jscmd") != "data":
            return Reply(
                400, {"error": "the sandbox answers format=json and jscmd=data only; ask for both"}
            )
        keys = [key.strip() for key in call.params.get("bibkeys", "").split(",")]
        asked: list[str] = []
        found: dict[str, Any] = {}
        for key in keys:
            for isbn13 in isbns_in(key):
                asked.append(isbn13)
                book = self.books.get(isbn13)
                if book and self.knows(isbn13):
                    found[key] = edition(book)
        return Reply(200, found, asked=tuple(dict.fromkeys(asked)))


def edition(book: Book) -> dict[str, Any]:
    """Return the record of an edition; what is not known of it is absent."""
    number = stable_number("edition", book.isbn13)
    edition_id = f"OL99{number % 10**8:08d}M"
    isbn10 = isbn.to_isbn10(book.isbn13) if book.isbn13.startswith("978") else ""
    record: dict[str, Any] = {
        "url": f"{_SITE}/books/{edition_id}/simulated",
        "key": f"/books/{edition_id}",
        "title": book.title,
        "authors": [
            {"url": f"{_SITE}/authors/{_author_key(name)}/simulated", "name": name}
            for name in book.authors
        ],
        "number_of_pages": book.page_count,
        "identifiers": {
            "isbn_10": [isbn10] if isbn10 else [],
            "isbn_13": [book.isbn13],
            "openlibrary": [edition_id],
        },
        "publishers": [{"name": book.publisher}] if book.publisher else [],
        "publish_date": str(book.publication_year) if book.publication_year else "",
        "subjects": _subjects(book),
        "works": [{"key": f"/works/{work_id(book)}"}],
        "physical_format": book.binding,
        "languages": _languages(book),
        "notes": "Simulated record of the sandbox.",
    }
    if number >> 32 & 7:  # one in eight has no cover
        cover = f"{_COVERS}/b/id/99{number % 10**8:08d}"
        record["cover"] = {
            "small": f"{cover}-S.jpg", "medium": f"{cover}-M.jpg", "large": f"{cover}-L.jpg",
        }  # fmt: skip
    return {name: value for name, value in record.items() if value}


def work_id(book: Book) -> str:
    """Return the key that all editions of the work share."""
    return f"OL99{stable_number('work', book.work) % 10**10:010d}W"


def _author_key(name: str) -> str:
    return f"OL99{stable_number('author', name) % 10**8:08d}A"


def _subjects(book: Book) -> list[dict[str, str]]:
    number = stable_number("subjects", book.work)
    names = {_SUBJECTS[number % 10], _SUBJECTS[number // 10 % 10]}
    return [
        {"name": name, "url": f"{_SITE}/subjects/{name.lower().replace(' ', '_')}"}
        for name in sorted(names)
    ]


def _languages(book: Book) -> list[dict[str, str]]:
    marc = _MARC_LANGUAGES.get(book.language)
    return [{"key": f"/languages/{marc}"}] if marc else []
