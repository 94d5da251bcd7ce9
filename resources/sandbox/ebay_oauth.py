"""What eBay's REST APIs have in common as the sandbox plays them: tokens and errors.

A token comes for Basic credentials and lives two hours. A request without one is 401
(errorId 1002), with a wrong or expired one 401 (errorId 1001).
"""

import base64
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import parse_qs

from resources.sandbox import credential
from resources.sandbox.wire import Call, Reply, TokenVendor

TOKEN_SECONDS = 7200


@dataclass
class EbayVendor(TokenVendor):
    """One of eBay's APIs; an application token in the Authorization header.

    Attributes:
        scope: That a token must have been asked for.
    """

    clock: Callable[[], float] = time.monotonic
    _tokens: dict[str, float] = field(default_factory=dict, repr=False)
    token_path = "/identity/v1/oauth2/token"  # noqa: S105 - a path
    token_counter = "ebay_token"  # noqa: S105 - the name of a counter
    scope: ClassVar[str]
    faults = frozenset({"quota_exceeded", "expired_token"})

    def token(self, call: Call) -> Reply:
        """Give an application token for the sandbox's Basic credentials."""
        login = f"{credential('EBAY_CLIENT_ID')}:{credential('EBAY_CLIENT_SECRET')}"
        basic = base64.b64encode(login.encode()).decode()
        given = call.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), f"Basic {basic}".encode()):
            return _token_error(401, "invalid_client", "client authentication failed")
        form = parse_qs(call.body.decode("utf-8", "replace"))
        if form.get("grant_type") != ["client_credentials"]:
            return _token_error(
                400,
                "unsupported_grant_type",
                "grant type in request is not supported by the authorization server",
            )
        if self.scope not in form.get("scope", [""])[0].split():
            return _token_error(
                400,
                "invalid_scope",
                "The requested scope is invalid, unknown, malformed, or exceeds the scope "
                "granted to the client",
            )
        now = self.clock()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = f"v^1.1#sandbox#{secrets.token_urlsafe(48)}"
        self._tokens[token] = now + TOKEN_SECONDS
        return Reply(
            200,
            {
                "access_token": token,
                "expires_in": TOKEN_SECONDS,
                "token_type": "Application Access Token",
            },
        )

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a request without a living token."""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        header = "the Authorization HTTP request header."
        if scheme.lower() != "bearer" or not token:
            long = f"Access token is missing in {header}"
            return error(401, 1002, "OAuth", "Missing access token", long)
        if self._tokens.get(token, 0.0) <= self.clock():
            long = f"Invalid access token. Check the value of {header}"
            return error(401, 1001, "OAuth", "Invalid access token", long)
        return None

    def failing(self, kind: str) -> Reply | None:
        """Answer that the day's limit is reached, or that the token is not valid any more."""
        if kind == "expired_token":
            return error(401, 1001, "OAuth", "Invalid access token")
        if kind != "quota_exceeded":
            return None
        long = "The request limit has been reached for the resource."
        return error(429, 2001, "ACCESS", "Too many requests.", long)

    def throttled(self) -> Reply:
        """Answer that the requests come too fast.

        Without an errorId: 2001, the only one eBay documents with 429, says that the
        day's limit is reached.
        """
        entry = {
            "domain": "ACCESS",
            "category": "REQUEST",
            "message": "Too many requests.",
            "longMessage": "More requests a second than the sandbox was started to allow.",
        }
        return Reply(429, {"errors": [entry]}, {"Retry-After": "1"})


def _token_error(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})


def error(
    status: int, error_id: int, domain: str, message: str, long_message: str | None = None
) -> Reply:
    """Return eBay's answer to a request that it refuses."""
    entry = {
        "errorId": error_id,
        "domain": domain,
        "category": "REQUEST",
        "message": message,
    }
    if long_message:
        entry["longMessage"] = long_message
    return Reply(status, {"errors": [entry]})
