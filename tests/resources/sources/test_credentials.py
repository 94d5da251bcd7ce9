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
