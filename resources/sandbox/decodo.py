"""Decodo as the sandbox plays it for any target: login, order, job."""

import base64
import hmac
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from resources.sandbox import credential
from resources.sandbox.wire import Call, Reply, Vendor, stable_number


@dataclass(frozen=True, slots=True)
class Job:
    """What became of an order.

    Attributes:
        asked: ISBNs that it asked about.
        url: Of the page.
        status: That the page's site answered.
        content: The page, parsed or as HTML.
    """

    asked: Sequence[str]
    url: str
    status: int
    content: Any


class DecodoVendor(Vendor):
    """One target of ``POST /v2/scrape``; a login in the Authorization header."""

    path = "/v2/scrape"
    method = "POST"

    @abstractmethod
    def job(self, order: Mapping[str, Any], call: Call) -> Job | str:
        """Do what was ordered, or say why it cannot be."""

    def refusal(self, call: Call) -> Reply | None:
        """Refuse a missing or wrong login."""
        login = f"{credential('DECODO_AUTHENTICATION')}:{credential('DECODO_PASSWORD')}"
        basic = f"Basic {base64.b64encode(login.encode()).decode()}"
        given = call.headers.get("authorization", "")
        if hmac.compare_digest(given.encode(), basic.encode()):
            return None
        return Reply(401, {"message": "Unauthorized"})

    def throttled(self) -> Reply:
        """Answer that the requests come too fast."""
        return Reply(429, {"message": "Too many requests"}, {"Retry-After": "1"})

    def answer(self, call: Call) -> Reply:
        """Do the one job that the body orders."""
        try:
            order = json.loads(call.body)
        except ValueError:
            return Reply(400, {"message": "The body is not JSON"})
        if not isinstance(order, dict):
            return Reply(400, {"message": "The body is not an order"})
        done = self.job(order, call)
        if isinstance(done, str):
            return Reply(400, {"message": done})
        moment = f"{call.now:%Y-%m-%d %H:%M:%S}"
        job = {
            "content": done.content,
            "status_code": done.status,
            "url": done.url,
            "task_id": str(stable_number("task", done.url, call.now.isoformat())),
            "created_at": moment,
            "updated_at": moment,
        }
        return Reply(200, {"results": [job]}, asked=done.asked)
