"""The vectors are those of RFC 5849 and of the specification before it (OAuth Core 1.0)."""

import base64
import hashlib
import hmac
import re
from urllib.parse import parse_qsl, unquote, urlencode

import httpx
from hypothesis import given
from hypothesis import strategies as st

from resources.sources.oauth1 import OAuth1, signature, signature_base_string

SECRETS = ("kd94hf93k423kf44", "pfkkdhi9sl3r4s00")
PHOTOS = "http://photos.example.net/photos"


def signed(url: str, **clocks: object) -> dict[str, str]:
    auth = OAuth1(
        "dpf43f3p2l4k3l03",
        SECRETS[0],
        "nnch734d00sl2jdk",
        SECRETS[1],
        **clocks,  # type: ignore[arg-type]
    )
    request = next(auth.auth_flow(httpx.Request("GET", url)))
    scheme, _, header = request.headers["Authorization"].partition(" ")
    assert scheme == "OAuth"
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', header)}


def test_a_request_is_signed_as_in_the_specifications_example() -> None:
    assert signed(
        f"{PHOTOS}?file=vacation.jpg&size=original",
        clock=lambda: 1191242096.7,
        nonce=lambda: "kllo9940pd9333jh",
    ) == {
        "oauth_consumer_key": "dpf43f3p2l4k3l03",
        "oauth_token": "nnch734d00sl2jdk",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "1191242096",
        "oauth_nonce": "kllo9940pd9333jh",
        "oauth_version": "1.0",
        "oauth_signature": "tR3+Ty81lMeYAr/Fid0kMTYa/WM=",
    }


def test_the_signature_of_rfc_5849() -> None:
    base = signature_base_string(
        "GET",
        httpx.URL(PHOTOS),
        [
            ("file", "vacation.jpg"),
            ("size", "original"),
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ],
    )
    assert signature(base, *SECRETS) == "MdpQcU8iPSUjWoN/UDMsK2sui9I="


def test_the_base_string_of_rfc_5849() -> None:
    query = "b5=%3D%253D&a3=a&c%40=&a2=r%20b"
    body = "c2&a3=2+q"
    parameters = [
        *parse_qsl(query, keep_blank_values=True),
        *parse_qsl(body, keep_blank_values=True),
        ("oauth_consumer_key", "9djdj82h48djs9d2"),
        ("oauth_token", "kkk9d7dh3k39sjv7"),
        ("oauth_signature_method", "HMAC-SHA1"),
        ("oauth_timestamp", "137131201"),
        ("oauth_nonce", "7d8f3e4a"),
    ]
    url = httpx.URL(f"http://EXAMPLE.COM:80/request?{query}")
    assert signature_base_string("post", url, parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D"
        "%253D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce"
        "%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201"
        "%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_a_port_counts_unless_it_is_the_schemes_own() -> None:
    for url, shown in (
        ("https://a.example:8443/x", "https%3A%2F%2Fa.example%3A8443%2Fx"),
        ("https://a.example:443/x", "https%3A%2F%2Fa.example%2Fx"),
        ("http://127.0.0.1:80/x%2Fy", "http%3A%2F%2F127.0.0.1%2Fx%252Fy"),
    ):
        assert signature_base_string("GET", httpx.URL(url), []) == f"GET&{shown}&"


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=4))
def test_what_the_url_says_is_what_is_signed(params: dict[str, str]) -> None:
    def printable(text: str) -> str:
        return text.encode("utf-8", "replace").decode()

    url = f"{PHOTOS}?{urlencode({printable(k): printable(v) for k, v in params.items()})}"
    header = signed(url)
    given_signature = header.pop("oauth_signature")
    # As a server would check it: from the query string as it came over the wire.
    came = parse_qsl(httpx.URL(url).query.decode(), keep_blank_values=True)
    base = signature_base_string("GET", httpx.URL(url), [*came, *header.items()])
    key = "&".join(SECRETS).encode()
    expected = base64.b64encode(hmac.digest(key, base.encode(), hashlib.sha1)).decode()
    assert given_signature == expected


def test_every_request_has_its_own_nonce_and_the_time() -> None:
    first, second = (signed(PHOTOS) for _ in range(2))
    assert first["oauth_nonce"] != second["oauth_nonce"]
    assert first["oauth_signature"] != second["oauth_signature"]
    assert int(first["oauth_timestamp"]) > 1_700_000_000


def test_no_secret_is_shown() -> None:
    auth = OAuth1("consumer", "hidden-1", "token", "hidden-2")
    assert repr(auth) == "OAuth1(***)"
    request = next(auth.auth_flow(httpx.Request("GET", PHOTOS)))
    assert "hidden" not in request.headers["Authorization"]
