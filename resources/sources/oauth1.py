"""OAuth 1.0a: signing requests with HMAC-SHA1 (RFC 5849), for vendors that still want it.

For requests without a form in their body. No vendor's rule belongs here.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Generator, Iterable
from urllib.parse import quote

import httpx

_DEFAULT_PORTS = {"http": 80, "https": 443}


class OAuth1(httpx.Auth):
    """Signs every request anew: a nonce is good for one.

    Args:
        clock: Seconds since 1970. The vendor compares them with its own, so this is the
            machine's clock and not the platform's, which may stand still.
        nonce: Returns a text that was never used before.
    """

    def __init__(
        self,
        consumer_key: str,
        consumer_secret: str,
        token: str,
        token_secret: str,
        *,
        clock: Callable[[], float] = time.time,
        nonce: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        self._consumer_key = consumer_key
        self._token = token
        self._secrets = consumer_secret, token_secret
        self._clock = clock
        self._nonce = nonce

    def __repr__(self) -> str:
        """Name the scheme, and none of what it knows."""
        return "OAuth1(***)"

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Send the request with its signature in the Authorization header."""
        protocol = {
            "oauth_consumer_key": self._consumer_key,
            "oauth_token": self._token,
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(self._clock())),
            "oauth_nonce": self._nonce(),
            "oauth_version": "1.0",
        }
        parameters = [*request.url.params.multi_items(), *protocol.items()]
        base = signature_base_string(request.method, request.url, parameters)
        protocol["oauth_signature"] = signature(base, *self._secrets)
        request.headers["Authorization"] = "OAuth " + ", ".join(
            f'{name}="{_encoded(value)}"' for name, value in protocol.items()
        )
        yield request


def signature_base_string(
    method: str, url: httpx.URL, parameters: Iterable[tuple[str, str]]
) -> str:
    """Return what is signed (RFC 5849, section 3.4.1).

    Args:
        url: Its query is not read; give it in `parameters`.
        parameters: Decoded, of query, body and protocol, without the signature.
    """
    host = url.host.lower()
    if url.port is not None and url.port != _DEFAULT_PORTS.get(url.scheme):
        host = f"{host}:{url.port}"
    path = url.raw_path.decode("ascii").partition("?")[0]
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parameters)
    normalized = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join(
        _encoded(part) for part in (method.upper(), f"{url.scheme}://{host}{path}", normalized)
    )


def signature(base_string: str, consumer_secret: str, token_secret: str) -> str:
    """Return the HMAC-SHA1 of a base string, in Base64 (RFC 5849, section 3.4.2)."""
    key = f"{_encoded(consumer_secret)}&{_encoded(token_secret)}"
    digest = hmac.digest(key.encode(), base_string.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode()


def _encoded(text: str) -> str:
    return quote(text, safe="~")
