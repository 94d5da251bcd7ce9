"""Wikimedia Commons as the sandbox plays it: ``imageinfo`` of a file.

All files are simulated portraits, at addresses that end in ``.invalid``.
"""

from urllib.parse import quote

from pricing_assets.core.people import name_key
from resources.sandbox.people import PORTRAIT, SIMULATED
from resources.sandbox.wikimedia import WikimediaVendor, error
from resources.sandbox.wire import Call, Reply

_FILES = "https://upload.wikimedia.sandbox.invalid/wikipedia/commons"
_SITE = "https://commons.wikimedia.sandbox.invalid/wiki"
_LICENCES = (
    ("CC BY-SA 4.0", "https://creativecommons.org/licenses/by-sa/4.0"),
    ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0"),
    ("Public domain", ""),
)


class WikimediaCommons(WikimediaVendor):
    """Pictures by the name of their file."""

    source = "wikimedia_commons"
    lacks = 0.02

    def answer(self, call: Call) -> Reply:
        """Return where the file is, how large, and under which licence."""
        title = call.params.get("titles", "")
        if call.params.get("action") != "query" or call.params.get("prop") != "imageinfo":
            return error("badvalue", "the sandbox has action=query&prop=imageinfo only")
        file = title.removeprefix("File:")
        name = file.removeprefix(PORTRAIT).removesuffix(".jpg")
        person = self.people.get(name_key(name)) or self.people.get(name_key(f"{name} {SIMULATED}"))
        page: dict[str, object] = {"ns": 6, "title": title}
        if person is None or person.portrait != file or not self.knows(file):
            page["missing"] = True
        else:
            number = person.number
            licence, url = _LICENCES[number % 3]
            artist = f'<a href="//{_SITE[8:]}/User:Sim">Simulated photographer {number % 50}</a>'
            address = f"{_FILES}/9/99/{quote(file.replace(' ', '_'))}"
            entry = {
                "size": 100_000 + number % 900_000,
                "width": 400 + number % 1_600,
                "height": 500 + number // 7 % 2_000,
                "url": address,
                "descriptionurl": f"{_SITE}/{quote(title.replace(' ', '_'))}",
                "mime": "image/jpeg",
                "extmetadata": {
                    "LicenseShortName": {"value": licence, "source": "commons-desc-page"},
                    "Artist": {"value": artist, "source": "commons-desc-page"},
                },
            }
            if url:
                entry["extmetadata"]["LicenseUrl"] = {"value": url}  # type: ignore[index]
            page |= {"pageid": number % 10**8, "imagerepository": "local", "imageinfo": [entry]}
        return Reply(200, {"batchcomplete": True, "query": {"pages": [page]}}, asked=(file,))
