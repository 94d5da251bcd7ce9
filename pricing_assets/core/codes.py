"""Reading of scanned codes: which book a text names, or why it names none.

Here: what a single code, as a scanner, a spreadsheet or a person gave it, stands for.
Not here: codes of other categories (`core.readings`), files and their columns
(`resources.scan_files`), item ids (`core.items`).
Whether a number is valid is python-stdnum's word, never ours.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from operator import mul

from stdnum import ean, isbn, issn

from pricing_assets.core.wording import number_of

MAX_CODE_LENGTH = 64
"""Longer texts are not looked into. The longest honest one, an ISBN-13 with hyphens and
its label, has under 30 characters."""

SHOWN_LENGTH = 40
"""How much of a code a person is shown at most."""

MIN_STRIPPED_LENGTH = 7
"""Shortest number that may be an ISBN-10 whose leading zeros a spreadsheet removed.

One number in eleven passes the check digit by chance, so padding is only worth it where
such ISBNs are common. Three lost zeros are: group 0, publisher 00 (Collins). A fourth
would need one of that publisher's first 100,000 titles, while six-digit row numbers,
prices and stock codes are everywhere.
"""

REASONS: Mapping[str, str] = {
    "check_digit": (
        "The check digit of {code} does not fit: with the other digits right, it would end "
        "in {expected}. Scan it again or compare it with the book."
    ),
    "lost_digits": (
        "{code} is a number that a spreadsheet rounded; its last digits are gone and cannot "
        "be recovered. Format the column as text and export it again."
    ),
    "upc": (
        "{code} is a UPC, a shop's product number, and does not say which book it is. "
        "Scan the barcode that starts with 978 or 979, often inside the cover."
    ),
    "ean_not_book": (
        "{code} is the EAN of {kind}, not of a book. Scan the barcode that starts with 978 "
        "or 979 (but not 9790)."
    ),
    "issn": (
        "{code} is the ISSN of a periodical, which is the same for all its issues. "
        "Only books are read: give the ISBN."
    ),
    "asin": (
        "{code} is Amazon's own product number (ASIN) and names no book elsewhere. "
        "Give the ISBN from the product page or the book."
    ),
    "placeholder": (
        "{code} fills a field whose ISBN was unknown; it is no real book's. "
        "Give the ISBN from the book."
    ),
    "wrong_length": (
        "{code} has {characters}; an ISBN has 10 or 13. Look for missing or doubled "
        "digits and scan it again."
    ),
    "control_characters": (
        "{code} has control characters inside it. Set the scanner to send plain text, or "
        "export the file again as UTF-8."
    ),
    "too_long": (
        "{code} has {length} characters, too many for a code. Put one code in each field or line."
    ),
    "not_of_category": "'{code}' names no {kind}. Give {hint}.",
    "not_a_code": (
        "'{code}' is not a code that is known here. Give an ISBN (10 or 13 digits, the last "
        "of 10 may be X) or a minifigure's number (sw0001, fig-000123); for a card say that it "
        "is one: --category card, or in a file a column named category."
    ),
    "empty": "There is no code. Scan the item again or delete the row.",
}
"""Why a code is refused: slug to sentence, the most telling reason first.

The order counts where one row has several codes and none is accepted: the reason that
comes first here is the one worth telling. Fields of the sentences: `code` (as shown to
a person), `expected` (check digit), `kind` (of product or item), `hint` (what to give
instead), `length` (in characters), `characters` (the same in words).
"""

_RESTORED = "Put back {zeros} that a spreadsheet had removed: read as {code}."
_SBN = "Nine characters, as printed before 1970 (SBN): read as {code}."
_ADD_ON = "Left out the five digits of the price barcode: read as {code}."

_CLEAN_13 = re.compile(r"97[89][0-9]{10}").fullmatch
_CLEAN_10 = re.compile(r"[0-9]{9}[0-9X]").fullmatch
_SCIENTIFIC = re.compile(r"([0-9]+)(?:[.,]([0-9]*))?E\+?([0-9]{1,3})").fullmatch
_WHOLE_FLOAT = re.compile(r"([0-9]+)[.,]0+").fullmatch
_DIGITS = re.compile(r"[0-9]+X?").fullmatch
_ASIN = re.compile(r"B0[0-9A-Z]{8}").fullmatch
_ISSN = re.compile(r"[0-9]{4}-[0-9]{3}[0-9X]").fullmatch
# ']E0' and the like is the symbology identifier that scanners can be set to send (ISO/IEC
# 15424). The 13 or 10 of 'ISBN-13' counts as a label only where a full number follows it.
_LABEL = re.compile(
    r"\]E[0-4]|(?:URN)?E?(?:ISBN|SBN|EAN)(?:13(?=[0-9]{13}$)|10(?=[0-9]{9}[0-9X]$))?"
)
_FRAMING = str.maketrans("", "", " -:#=\"'()")


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What one code turned out to be. Accepted exactly when `reason` is None.

    Attributes:
        category: ``book``, ``card`` or ``minifigure``; None when refused.
        natural_key: The item's key in its category, such as the 13 digits of an ISBN-13.
            None when refused.
        reason: A key of `REASONS`; None when accepted.
        note: A sentence for a person: why it was refused and what to do, or what was
            repaired. Empty when there is nothing to say.
    """

    category: str | None
    natural_key: str | None
    reason: str | None
    note: str


def read_code(raw: str) -> CodeReading:
    """Say which book a code names. Never raises, whatever the text.

    Accepts ISBN-13 and ISBN-10 in any common dress: hyphens and spaces (also Unicode
    ones), labels such as ``ISBN:``, quotes, a spreadsheet's ``="..."``, a whole number
    written as float (``439023483.0``, ``9.780439023481E+12``), leading zeros lost to a
    spreadsheet (when the check digit then fits), the price add-on of a barcode.

    Args:
        raw: The code as it came.
    """
    if _CLEAN_13(raw) or _CLEAN_10(raw):  # most scans by far; spared the undressing
        return _judge(raw, raw)
    if not raw.isascii():
        if len(raw) > MAX_CODE_LENGTH:  # before normalizing, which may lengthen the text
            return refuse("too_long", raw.strip(), length=len(raw))
        raw = _to_ascii(raw)
    text = raw.strip().strip("\0\x02\x03\x04\x1c\x1d\x1e\x1f").strip()
    if len(text) > MAX_CODE_LENGTH:
        return refuse("too_long", text, length=len(text))
    if not text:
        return refuse("empty", text)
    if not text.isprintable():
        return refuse("control_characters", text)
    bare = text.upper().strip("=\"' ")
    if not bare:
        return refuse("empty", text)
    if number := _SCIENTIFIC(bare):
        whole, fraction, exponent = number[1], number[2] or "", int(number[3])
        if len(fraction) < exponent:
            return refuse("lost_digits", text)
        if fraction[exponent:].strip("0"):
            return refuse("not_a_code", text)
        return _judge(whole + fraction[:exponent], text, bare_number=True)
    if number := _WHOLE_FLOAT(bare):
        return _judge(number[1], text, bare_number=True)
    if _ISSN(bare) and issn.is_valid(bare):
        return refuse("issn", text)
    code = bare.translate(_FRAMING)
    if label := _LABEL.match(code):
        code = code[label.end() :]
    return _judge(code, text, bare_number=bare.isdigit())


def isbn10_of(isbn13: str) -> str | None:
    """Return the ISBN-10 of a valid ISBN-13 (13 digits); None when it has none (979)."""
    if not isbn13.startswith("978"):
        return None
    body = isbn13[3:12]
    check = sum(map(mul, range(1, 10), map(int, body))) % 11
    return body + "0123456789X"[check]


def _to_ascii(raw: str) -> str:
    """Turn wide digits, dashes, spaces and quotes of other scripts into their plain ones.

    Invisible characters (byte order mark, direction marks, soft hyphen) are dropped.
    """
    plain = []
    for char in unicodedata.normalize("NFKC", raw):
        match unicodedata.category(char):
            case "Pd":
                plain.append("-")
            case "Zs" | "Zl" | "Zp":
                plain.append(" ")
            case "Pi" | "Pf":
                plain.append('"')
            case "Cf":
                pass
            case _:
                plain.append("-" if char == "\N{MINUS SIGN}" else char)
    return "".join(plain)


def _judge(code: str, shown: str, *, bare_number: bool = False) -> CodeReading:
    """Judge a code that has nothing around it.

    Args:
        code: Upper-case, without separators, label or armour.
        shown: What to call it when it is refused.
        bare_number: It came as a plain number, as a spreadsheet writes one. Only then
            can it have lost zeros: 7 or 8 digits with a hyphen are an ISSN or no ISBN.
    """
    key = _isbn13(code)
    if key is not None:
        return _book(key, shown)
    if not _DIGITS(code):
        return refuse("asin" if _ASIN(code) else "not_a_code", shown)
    length = len(code)
    if length == 18 and (key := _isbn13(code[:13])):  # EAN-13 and its EAN-5, in one scan
        return _book(key, shown, _ADD_ON.format(code=code[:13]))
    if code.isdigit() and (refused := _product_number(code, shown)):
        return refused
    # A number that lost zeros does not start with one; nine digits may be an old SBN.
    stripped = bare_number and length >= MIN_STRIPPED_LENGTH and not code.startswith("0")
    if length == 9 or (stripped and length < 9):
        padded = code.zfill(10)
        key = _isbn13(padded)
        if key is None:
            return _wrong_digit(padded, padded)
        zeros = "a leading zero" if length == 9 else f"{10 - length} leading zeros"
        return _book(key, shown, (_RESTORED if stripped else _SBN).format(code=padded, zeros=zeros))
    if length == 10 or (length == 13 and code.isdigit()):
        return _wrong_digit(code, shown)
    return refuse("wrong_length", shown, characters=number_of(length, "character"))


def _isbn13(code: str) -> str | None:
    """Return the 13 digits of a valid ISBN-10 or ISBN-13 without separators, else None."""
    if _CLEAN_13(code):
        # 979-0 is the range of printed music (ISMN), which stdnum counts in.
        music = code.startswith("9790")
        return None if music or ean.calc_check_digit(code[:-1]) != code[-1] else code
    if _CLEAN_10(code) and isbn.is_valid(code):
        body = "978" + code[:-1]
        return body + ean.calc_check_digit(body)
    return None


def _product_number(code: str, shown: str) -> CodeReading | None:
    """Refuse digits that are a valid product number of something else; else None."""
    length = len(code)
    # 11 digits are a UPC that lost its zero; 13 with a leading zero are one written as EAN.
    upc = code.zfill(12) if length < 13 else code.removeprefix("0")
    if length in (11, 12, 13) and len(upc) == 12 and upc[:3] not in ("978", "979"):
        return refuse("upc", shown) if ean.is_valid(upc) else None
    if length == 13 and ean.is_valid(code):
        kinds = {"9790": "printed music (ISMN)", "977": "a periodical (ISSN)"}
        kind = next((k for p, k in kinds.items() if code.startswith(p)), "another product")
        return refuse("ean_not_book", shown, kind=kind)
    if length == 8 and ean.is_valid(code) and not isbn.is_valid(code.zfill(10)):
        return refuse("ean_not_book", shown, kind="another product")
    return None


def _wrong_digit(code: str, shown: str) -> CodeReading:
    body = code[:-1] if len(code) == 13 else f"978{code[:-1]}"
    expected = ean.calc_check_digit(body)
    if len(code) == 10:
        expected = isbn.to_isbn10(body + expected)[-1]
    return refuse("check_digit", shown, expected=expected)


def _book(key: str, shown: str, note: str = "") -> CodeReading:
    # Ten or thirteen times one digit pass the check, and stand for "unknown" in many
    # exports; as an item they would gather the prices of every unknown book.
    if len(set(key[3:12])) == 1:
        return refuse("placeholder", shown)
    return CodeReading("book", key, None, note)


def refuse(reason: str, shown: str, **details: str | int) -> CodeReading:
    """Return the refusal of a code for one of `REASONS`, with the sentence's fields."""
    sentence = REASONS[reason].format(code=shown_code(shown), **details)
    return CodeReading(None, None, reason, sentence)


def shown_code(raw: str) -> str:
    """Return a code as a person is shown it: cut with a sign of it, and nothing but text."""
    code = raw if len(raw) <= SHOWN_LENGTH else f"{raw[: SHOWN_LENGTH - 1]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in code)
