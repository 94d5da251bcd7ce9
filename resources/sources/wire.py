"""Reading vendors' JSON: field types, and models that survive a bad field.

For rules that any vendor's payload needs. What a field of a book means is in `bibliographic`;
which fields a vendor sends is in that vendor's module.
"""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

_EXCERPT_CHARACTERS = 200
_SHOWN_CHARACTERS = 60
_AMOUNT_LIMIT = Decimal(1_000_000_000)
_CURRENCY = re.compile(r"[A-Z]{3}")


def read_json(body: bytes) -> Any:
    """Return the document of a body; numbers with a point are Decimal.

    Raises:
        ValueError: It is not JSON; the message says where and never quotes the body.
    """
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except InvalidOperation:
        raise ValueError("a number has an impossible exponent") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def excerpt(text: str, limit: int = _EXCERPT_CHARACTERS) -> str:
    """Return the text on one line, cut to ``limit`` characters."""
    line = " ".join(clean(text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def storable(text: str) -> str:
    """Return the text without what a database cannot hold: NUL and lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def clean(text: str) -> str:
    """Return the text as it is stored of a vendor: `storable`, without space around it."""
    return storable(text).strip()


def _text(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def amount(value: object) -> Decimal:
    """Return a money amount from a number or a plain numeric string.

    Raises:
        PydanticCustomError: It is no finite number from 0 to below 1e9.
    """
    number: Decimal | None = None
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        number = Decimal(value)
    elif isinstance(value, str):
        try:
            number = Decimal(value.strip())
        except InvalidOperation:
            number = None
    if number is None or not number.is_finite():
        raise PydanticCustomError("amount", "not a number: {shown}", {"shown": shown(value)})
    if not 0 <= number < _AMOUNT_LIMIT:
        raise PydanticCustomError(
            "amount", "not an amount of money: {shown}", {"shown": shown(value)}
        )
    return number


def _count(value: object) -> object:
    """Accept 304, "304" and 304.0, and nothing that costs memory to convert."""
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and abs(value) < _AMOUNT_LIMIT else str(value)
    return value


def _percent(value: object) -> float:
    number = float(amount(value))
    if number > 100:
        raise PydanticCustomError("amount", "not a percentage: {shown}", {"shown": shown(value)})
    return number


def _currency(value: object) -> str:
    text = value.strip().upper() if isinstance(value, str) else ""
    if not _CURRENCY.fullmatch(text):
        raise PydanticCustomError(
            "currency", "not an ISO 4217 code: {shown}", {"shown": shown(value)}
        )
    return text


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("moment", "not within the years 1 to 9999 in UTC") from None


def shown(value: object) -> str:
    """Return a value as a message shows it: quoted and short."""
    text = repr(str(value) if isinstance(value, Decimal) else value)
    return excerpt(text, _SHOWN_CHARACTERS)


Text = Annotated[str, BeforeValidator(_text)]
Amount = Annotated[Decimal, BeforeValidator(amount)]
Percent = Annotated[float, BeforeValidator(_percent)]
Count = Annotated[int, BeforeValidator(_count)]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
"""A time that tells its offset, turned into UTC; one that UTC has no year for is a bad field."""
Part = BeforeValidator(lambda value: value if isinstance(value, dict) else None)
"""Takes anything but an object for silence, and does not quote it: a seller's name, say."""
CurrencyCode = Annotated[str, BeforeValidator(_currency)]


class Wire(BaseModel):
    """A part of a vendor's payload. Fields that are not declared are not kept.

    Attributes:
        essential: Names, as the vendor spells them, of the fields without which the part
            is of no use. Any other field may be bad without losing the rest.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True)
    essential: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: object) -> object:
        """Take null for silence, as vendors mean it."""
        if isinstance(raw, dict):
            return {key: value for key, value in raw.items() if value is not None}
        return raw

    @classmethod
    def read(cls, raw: object, path: str, problems: list[str]) -> Self | None:
        """Return the part, or None when an essential field cannot be read.

        Args:
            raw: The JSON value.
            path: Where it is, such as ``itemSummaries[3]``; empty for the document itself.
            problems: What could not be read is added here, as ``path.of.field: reason``.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            problems.extend(_problems(error, path))
            bad = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
        if not isinstance(raw, dict) or not bad or bad & cls.essential:
            return None
        return cls.model_validate({key: value for key, value in raw.items() if key not in bad})


def _problems(error: ValidationError, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for detail in error.errors(include_url=False):
        place = path
        for step in detail["loc"]:
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
        if detail["type"] == "missing":
            reason = "missing"
        elif detail["type"] in ("amount", "currency"):
            reason = detail["msg"]
        else:
            reason = f"{detail['msg'][:1].lower()}{detail['msg'][1:]}: {shown(detail['input'])}"
        if (problem := f"{place or 'body'}: {reason}") not in seen:
            seen.add(problem)
            yield problem
