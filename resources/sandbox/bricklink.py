"""BrickLink as the sandbox plays it: what its three simulated sources have in common.

Requests are signed with OAuth 1.0a, which is checked here from the specification and not with
the client's own code. Every answer is 200, text/html and an envelope whose ``meta.code`` is
the outcome, refusals too; only asking too fast is a bare 429. A token is bound to no address
here, since everything is on loopback. A price guide is of new items unless ``new_or_used``
says ``U``; the market is of used ones, and new ones are 1.5 times as dear.
"""

import base64
import hashlib
import hmac
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from resources.sandbox import credential
from resources.sandbox.collectible_market import Lot
from resources.sandbox.collectible_vendor import CollectibleVendor
from resources.sandbox.collectibles import Minifigure, minifigures_by_number
from resources.sandbox.wire import Call, Reply

ITEMS = "/api/store/v1/items/{type}/{number}"
NEW_FACTOR = 1.5
_CLOCK_SECONDS = 300
_IMAGES = "//img.bricklink.sandbox.invalid"
_HEADERS = {"Content-Type": "text/html;charset=utf-8"}
_PROTOCOL = re.compile(r'(oauth_\w+)="([^"]*)"')
_COUNTRIES = ("US", "DE", "NL", "UK", "CZ", "PL", "CA", "AU")


@dataclass
class BrickLink(CollectibleVendor):
    """What the simulated sources share: credentials, envelope, and finding a figure."""

    figures: Mapping[str, Minifigure] = field(default_factory=minifigures_by_number)
    clock: Callable[[], float] = time.time
    faults: ClassVar[frozenset[str]] = frozenset({"quota_exceeded"})
    _nonces: dict[str, float] = field(default_factory=dict, repr=False)

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a request that is not signed with the sandbox's credentials."""
        reason = self._refused(call)
        return envelope(401, "BAD_OAUTH_REQUEST", reason) if reason else None

    def throttled(self) -> Reply:
        """Answer as the gateway does, without an envelope."""
        return Reply(429, {"error": "Too Many Requests"}, {"Retry-After": "1"})

    def failing(self, kind: str) -> Reply | None:
        """Answer that the day's calls are used up, which all three sources share."""
        if kind != "quota_exceeded":
            return None
        return envelope(429, "TOO_MANY_REQUESTS", "Daily limit of 5000 calls exceeded")

    def _refused(self, call: Call) -> str | None:
        header = call.headers.get("authorization", "")
        given = {name: unquote(value) for name, value in _PROTOCOL.findall(header)}
        if not header.startswith("OAuth ") or "oauth_signature" not in given:
            return "OAUTH_PARAMETER_MISSING: no OAuth protocol parameters"
        if given.get("oauth_consumer_key") != credential("BRICKLINK_CONSUMER_KEY"):
            return f"CONSUMER_KEY_UNKNOWN: consumer: {given.get('oauth_consumer_key')}"
        if given.get("oauth_token") != credential("BRICKLINK_TOKEN"):
            return f"TOKEN_VALUE_UNKNOWN: consumer: {credential('BRICKLINK_CONSUMER_KEY')}"
        if not hmac.compare_digest(_signature(call.url, given), given["oauth_signature"].encode()):
            return f"SIGNATURE_INVALID: consumer: {credential('BRICKLINK_CONSUMER_KEY')}"
        now = self.clock()
        timestamp, nonce = given.get("oauth_timestamp", ""), given.get("oauth_nonce", "")
        if not timestamp.isdigit() or abs(int(timestamp[:12]) - now) > _CLOCK_SECONDS:
            return f"TIMESTAMP_REFUSED: {timestamp[:20]}"
        self._nonces = {n: until for n, until in self._nonces.items() if until > now}
        if nonce in self._nonces:
            return "NONCE_USED: each request needs its own"
        self._nonces[nonce] = now + 2 * _CLOCK_SECONDS
        return None


def envelope(code: int, message: str, description: str, data: Any = None) -> Reply:
    """Return an answer; HTTP's own status is 200 whatever the code."""
    meta = {"description": description, "message": message, "code": code}
    return Reply(200, {"meta": meta, "data": {} if data is None else data}, _HEADERS)


def unknown(kind: str, number: str) -> Reply:
    """Return the answer about an item that does not exist."""
    return envelope(404, "RESOURCE_NOT_FOUND", f"{kind} {number} does not exist (simulated)")


def price_guide(call: Call, source: BrickLink, lots: Callable[[str], list[Lot]]) -> Reply:
    """Return the price guide of the figure that the path names.

    Args:
        source: It may not know the figure.
        lots: Returns the figure's lots.
    """
    kind, number = call.path_params["type"].upper(), call.path_params["number"].lower()
    if call.params.get("vat", "N") not in ("N", "Y", "O"):
        return envelope(400, "PARAMETER_MISSING_OR_INVALID", "vat is invalid")
    condition = call.params.get("new_or_used", "N").upper()
    if condition not in ("N", "U"):
        return envelope(400, "PARAMETER_MISSING_OR_INVALID", "new_or_used is invalid")
    if kind != "MINIFIG" or number not in source.figures:
        return unknown(kind, number)
    found = lots(number) if source.knows(number) else []
    factor = NEW_FACTOR if condition == "N" else 1.0
    prices = [float(lot.price) * factor for lot in found]
    pieces = sum(lot.quantity for lot in found)
    total = sum(price * lot.quantity for price, lot in zip(prices, found, strict=True))
    sold = source.source == "bricklink_sold"
    data = {
        "item": {"no": number, "type": kind},
        "new_or_used": condition,
        "currency_code": "USD",
        "min_price": f"{min(prices, default=0):.4f}",
        "max_price": f"{max(prices, default=0):.4f}",
        "avg_price": f"{sum(prices) / len(prices) if prices else 0:.4f}",
        "qty_avg_price": f"{total / pieces if pieces else 0:.4f}",
        "unit_quantity": len(found),
        "total_quantity": pieces,
        "price_detail": [
            _line(lot, price, number, sold=sold) for lot, price in zip(found, prices, strict=True)
        ],
    }
    reply = envelope(200, "OK", "OK", data)
    return Reply(reply.status, reply.document, reply.headers, asked=(number,))


def _line(lot: Lot, price: float, number: str, *, sold: bool) -> dict[str, Any]:
    line: dict[str, Any] = {"quantity": lot.quantity, "unit_price": f"{price:.4f}"}
    if not sold:
        return line | {"qunatity": lot.quantity, "shipping_available": "Y"}
    draw = hashlib.blake2b(f"{number}:{lot.at.isoformat()}".encode(), digest_size=2).digest()
    return line | {
        "seller_country_code": _COUNTRIES[draw[0] % 8],
        "buyer_country_code": _COUNTRIES[draw[1] % 8],
        "date_ordered": f"{lot.at:%Y-%m-%dT%H:%M:%S}.{lot.at.microsecond // 1000:03d}Z",
    }


def catalogue_item(figure: Minifigure) -> dict[str, Any]:
    """Return a figure as the catalogue shows it; pictures come without a scheme."""
    digest = hashlib.blake2b(figure.theme.encode(), digest_size=2).digest()
    item = {
        "no": figure.number,
        "name": _with_entities(figure.name),
        "type": "MINIFIG",
        "category_id": 90_000 + int.from_bytes(digest) % 1_000,
        "image_url": f"{_IMAGES}/ML/{figure.number}.jpg",
        "thumbnail_url": f"{_IMAGES}/M/{figure.number}.jpg",
        "weight": f"{2 + (figure.part_count or 4) * 0.3:.2f}",
        "dim_x": "0.00",
        "dim_y": "0.00",
        "dim_z": "0.00",
        "year_released": figure.year,
        "is_obsolete": False,
    }
    return {name: value for name, value in item.items() if value is not None}


def _with_entities(name: str) -> str:
    return name.replace("&", "&amp;").replace("(", "&#40;").replace(")", "&#41;")


def _signature(url: str, given: Mapping[str, str]) -> bytes:
    """Return the signature that a GET of this address should have (RFC 5849, section 3.4)."""
    parts = urlsplit(url)
    port = (
        parts.port if parts.port not in (None, {"http": 80, "https": 443}[parts.scheme]) else None
    )
    host = f"{parts.hostname}:{port}" if port else str(parts.hostname)
    pairs = [
        *parse_qsl(parts.query, keep_blank_values=True),
        *((name, value) for name, value in given.items() if name != "oauth_signature"),
    ]
    encoded = sorted(f"{_escaped(name)}={_escaped(value)}" for name, value in pairs)
    base = "&".join(
        _escaped(part)
        for part in ("GET", f"{parts.scheme}://{host}{parts.path}", "&".join(encoded))
    )
    secrets = (credential("BRICKLINK_CONSUMER_SECRET"), credential("BRICKLINK_TOKEN_SECRET"))
    key = "&".join(_escaped(secret) for secret in secrets)
    return base64.b64encode(hmac.digest(key.encode(), base.encode(), "sha1"))


def _escaped(text: str) -> str:
    return quote(text, safe="")
