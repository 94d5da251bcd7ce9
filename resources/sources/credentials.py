"""Keys and secrets of the sources: read once, shown never.

What a source needs it declares itself (`Source.credential_names`); no list is kept here.
"""

import os
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from resources.sources.base import MissingCredential

_SECRET_QUERY = re.compile(r"(?i)([?&](?:key|api_?key|access_token|token)=)[^&#\s\"']+")
_SHOWN = "***"


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
        environ = os.environ if environ is None else environ
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
                f"{name} is not set; set it in the environment, or use the sandbox profile, "
                "which needs no credentials"
            )
        return value

    def redact(self, text: str) -> str:
        """Return the text without any of the secrets, quoted or not, and without query keys."""
        secrets = [secret.get_secret_value() for secret in self._values.values()]
        forms = {form(secret) for secret in secrets for form in (str, _quoted, quote_plus)}
        # Longest first: a secret may be part of another one.
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _SHOWN)
        return redact_query(text)

    def __repr__(self) -> str:
        """Name what is set, without values."""
        return f"Credentials({', '.join(sorted(self._values))})"


def _quoted(secret: str) -> str:
    return quote(secret, safe="")


def redact_query(text: str) -> str:
    """Return the text with the values of query keys such as ``key=`` and ``api_key=`` hidden."""
    return _SECRET_QUERY.sub(rf"\g<1>{_SHOWN}", text)
