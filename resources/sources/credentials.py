"""Keys and secrets of the sources: read once, shown never.

They come from the environment or a `.env` file (`resources.settings.environment`). What a
source needs it declares itself (`Source.credential_names`); no list is kept here.
"""

import base64
import functools
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import permutations
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from resources.settings import environment
from resources.sources.base import MissingCredential

_SECRET_QUERY = re.compile(r"(?i)([?&](?:key|api_?key|access_token|token)=)[^&#\s\"']+")
_SHOWN = "***"
_SHORTEST_IN_A_BODY = 8
"""A shorter secret is a word like others in what a vendor sends, and guessed anyway."""


class Credentials:
    """The credentials that are set, by the name of their environment variable.

    The repr names them without their values. An empty value counts as not set.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {
            name: SecretStr(value.strip()) for name, value in values.items() if value.strip()
        }

    @classmethod
    def from_env(
        cls, names: Iterable[str] | None = None, environ: Mapping[str, str] | None = None
    ) -> "Credentials":
        """Read the named variables, by default all that the registered sources declare."""
        if names is None:
            # The registry imports the sources, and they import this module for its type.
            from resources.sources import registered_sources

            names = {name for s in registered_sources().values() for name in s.credential_names}
        environ = environment() if environ is None else environ
        return cls({name: environ[name] for name in names if name in environ})

    def get(self, name: str) -> str | None:
        """Return the value, or None when it is not set."""
        secret = self._values.get(name)
        return secret.get_secret_value() if secret else None

    def require(self, name: str) -> str:
        """Return the value.

        Raises:
            MissingCredential: It is not set; the sentence says which variable to set.
        """
        value = self.get(name)
        if value is None:
            raise MissingCredential(
                f"{name} is not set; set it in the environment or in .env, or use the sandbox "
                "profile, which needs no credentials"
            )
        return value

    def redact(self, text: str) -> str:
        """Return the text without any of the secrets, however written, and without query keys."""
        for form in self._written:
            text = text.replace(form, _SHOWN)
        return redact_query(text)

    def redact_body(self, body: bytes, authorization: str | None) -> bytes:
        """Return a body without the secrets of at least eight characters that it repeats.

        Args:
            authorization: Header of that name that was sent: its token or login is one too.
        """
        secrets = self._secrets()
        if authorization:
            secrets = (*secrets, authorization.rpartition(" ")[2])
        for form in _longest_first(secrets):
            if len(form) >= _SHORTEST_IN_A_BODY:
                body = body.replace(form.encode(), _SHOWN.encode())
        return body

    def _secrets(self) -> tuple[str, ...]:
        return tuple(secret.get_secret_value() for secret in self._values.values())

    @functools.cached_property
    def _written(self) -> tuple[str, ...]:
        """The secrets in all their forms, with the logins that two of them make together."""
        logins = (
            base64.b64encode(f"{user}:{password}".encode()).decode()
            for user, password in permutations(self._secrets(), 2)
        )
        return _longest_first((*self._secrets(), *logins))

    def __repr__(self) -> str:
        """Name what is set, without values."""
        return f"Credentials({', '.join(sorted(self._values))})"


@functools.lru_cache(maxsize=64)
def _longest_first(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """Return all forms of the secrets; a secret may be part of another one.

    Kept, since every answer is searched for them: making the forms anew took half the time of
    asking.
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(secret: str) -> Iterator[str]:
    """Yield the ways in which a secret is written into URLs, JSON and HTML."""
    yield secret
    for quoted in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield quoted
        yield re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)
    for escaped in (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
        yield escaped
        yield escaped.replace("/", r"\/")
    yield html.escape(secret)


def redact_query(text: str) -> str:
    """Return the text with the values of query keys such as ``key=`` and ``api_key=`` hidden."""
    return _SECRET_QUERY.sub(rf"\g<1>{_SHOWN}", text)
