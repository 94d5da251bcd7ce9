import base64
import html
import json
import re
import urllib.parse
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.sources.base import MissingCredential
from resources.sources.credentials import Credentials, redact_query


def test_what_the_sources_declare_is_read_from_the_environment() -> None:
    environ = {
        "GOOGLE_BOOKS_API_KEY": "key-1",
        "EBAY_CLIENT_ID": "  ",
        "PRICING_CONTACT": "ops@example.org",
        "UNRELATED": "x",
    }
    credentials = Credentials.from_env(environ=environ)
    assert credentials.require("GOOGLE_BOOKS_API_KEY") == "key-1"
    assert credentials.get("PRICING_CONTACT") == "ops@example.org"
    assert credentials.get("UNRELATED") is None
    with pytest.raises(MissingCredential, match="EBAY_CLIENT_ID is not set"):
        credentials.require("EBAY_CLIENT_ID")


@given(st.text("abcdefXYZ0123456789-", min_size=6), st.text("abcdefXYZ", min_size=6))
def test_a_secret_is_never_shown(secret: str, other: str) -> None:
    credentials = Credentials({"A_KEY": secret, "B_KEY": secret + other})
    assert repr(credentials) == "Credentials(A_KEY, B_KEY)"
    text = credentials.redact(f"asked ...?q=1&x={secret} with {secret}{other}!")
    assert secret not in text.replace("***", "")


WRITTEN: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a query": urllib.parse.quote_plus,
    "in a path": urllib.parse.quote,
    "quoted in small letters": lambda secret: re.sub(
        "%..", lambda match: match[0].lower(), urllib.parse.quote(secret, safe="")
    ),
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON of PHP": lambda secret: json.dumps(secret)[1:-1].replace("/", r"\/"),
    "in HTML": html.escape,
}


@pytest.mark.parametrize("way", WRITTEN)
@given(secret=st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=8))
def test_a_secret_is_found_however_it_is_written(way: str, secret: str) -> None:
    written = WRITTEN[way](secret)
    credentials = Credentials({"A_KEY": secret})
    assert credentials.redact(f"before [{written}] after") == "before [***] after"
    body = credentials.redact_body(f"before [{written}] after".encode(), None)
    assert body == b"before [***] after"


def test_a_body_loses_the_token_that_was_sent_and_keeps_what_is_only_short() -> None:
    credentials = Credentials({"EBAY_CLIENT_ID": "app", "PRICING_CONTACT": "ops@example.org"})
    body = b'{"app": "Bearer v^1.1#token", "mail": "ops@example.org"}'
    redacted = credentials.redact_body(body, "Bearer v^1.1#token")
    assert redacted == b'{"app": "Bearer ***", "mail": "***"}'


def test_a_login_is_hidden_in_errors() -> None:
    credentials = Credentials({"EBAY_CLIENT_ID": "app", "EBAY_CLIENT_SECRET": "top-secret"})
    login = base64.b64encode(b"app:top-secret").decode()
    assert credentials.redact(f"Basic {login}") == "Basic ***"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?q=1&key=abc&x=2", "https://h/p?q=1&key=***&x=2"),
        ("https://h/p?api_key=abc", "https://h/p?api_key=***"),
        ("https://h/p?apiKey=abc#f", "https://h/p?apiKey=***#f"),
        ("https://h/p?monkey=abc&bibkeys=ISBN:1", "https://h/p?monkey=abc&bibkeys=ISBN:1"),
    ],
)
def test_query_keys_are_hidden(url: str, shown: str) -> None:
    assert redact_query(url) == shown
