"""The European Central Bank as the sandbox plays it: its file of all days, and that of 90 days."""

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import ClassVar

from resources.sandbox.exchange_rates import BEGINS, CURRENCIES, published_days, units_per_euro
from resources.sandbox.wire import Call, Reply, Vendor


@dataclass
class Ecb(Vendor):
    """Simulated reference rates."""

    source: ClassVar[str] = "ecb"
    path: ClassVar[str] = "/stats/eurofxref/{file}"

    def refusal(self, call: Call) -> Reply | None:
        """Let everyone in."""
        return None

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, b"Too many requests", {"Retry-After": "1"}, media_type="text/plain")

    def answer(self, call: Call) -> Reply:
        """Return the file."""
        match call.path_params["file"]:
            case "eurofxref-hist.zip":
                body = _zip(_csv(published_days(BEGINS, call.now)))
                return Reply(200, body, media_type="application/zip")
            case "eurofxref-hist-90d.xml":
                first = call.now.date() - timedelta(days=90)
                body = _xml(published_days(first, call.now))
                return Reply(200, body, media_type="text/xml")
            case _:
                return Reply(404, b"Not found", media_type="text/plain")


def _csv(days: Iterable[date]) -> bytes:
    """Return days by currencies, the newest first; a comma ends each line."""
    lines = [",".join(["Date", *CURRENCIES]) + ","]
    for day in sorted(days, reverse=True):
        rates = (units_per_euro(currency, day) or "N/A" for currency in CURRENCIES)
        lines.append(",".join([day.isoformat(), *rates]) + ",")
    return "\n".join(lines).encode() + b"\n"


def _zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # A member of a fixed date, so that a day's file is always the same.
        archive.writestr(zipfile.ZipInfo("eurofxref-hist.csv"), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def _xml(days: Iterable[date]) -> bytes:
    cubes = "".join(
        f'<Cube time="{day}">'
        + "".join(
            f'<Cube currency="{currency}" rate="{rate}"/>'
            for currency in CURRENCIES
            if (rate := units_per_euro(currency, day))
        )
        + "</Cube>"
        for day in sorted(days, reverse=True)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" '
        'xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">'
        "<gesmes:subject>Reference rates (simulated)</gesmes:subject>"
        "<gesmes:Sender><gesmes:name>Sandbox, not the European Central Bank</gesmes:name>"
        f"</gesmes:Sender><Cube>{cubes}</Cube></gesmes:Envelope>"
    ).encode()
