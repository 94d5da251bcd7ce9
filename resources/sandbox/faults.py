"""Faults that the sandbox makes on purpose: the file that orders them, and which are due.

A file, YAML or JSON, orders faults for each source; a question is what a request asks about.
The same file, questions and order of questions give the same faults. What a fault looks like
on the wire is in `failing`.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from resources.sandbox import registered_vendors
from resources.sandbox.wire import TokenVendor, Vendor, stable_number

Kind = Literal[
    "too_many_requests", "quota_exceeded", "expired_token", "server_error",
    "timeout", "slow_drip", "reset", "truncated_body", "lying_length",
    "truncated_json", "mangled_json", "wrong_charset",
    "duplicate_page", "endless_next",
    "echo_error", "echo_redirect", "echo_body",
]  # fmt: skip

OF_PAGES: frozenset[Kind] = frozenset({"duplicate_page", "endless_next"})
"""Kinds that only a vendor with pages can have."""

WORDED: frozenset[Kind] = frozenset({"quota_exceeded", "expired_token"})
"""Kinds that only a vendor can have that has words for them (`Vendor.faults`)."""

OPTIONS: dict[str, frozenset[Kind]] = {
    "retry_after": frozenset({"too_many_requests", "server_error"}),
    "status": frozenset({"server_error", "echo_error"}),
    "seconds": frozenset({"timeout", "slow_drip"}),
}
"""The kinds that have an option."""

_SHARE_LIMIT = 1 + 1e-9


class UnreadableFaults(ValueError):
    """A file of faults that cannot be used; the message names each bad field."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fault(_Strict):
    """One kind of fault of one source, and how often.

    Attributes:
        share: Share of the questions that it befalls.
        every: Instead of a share: every so many questions, counted as they first come.
        times: Requests for such a question that fail before one succeeds.
        permanent: Whether all of them fail, however often it is asked.
        retry_after: Seconds in the ``Retry-After`` header; no header without it.
        status: The HTTP status.
        seconds: How long it is silent, or drips.
    """

    kind: Kind
    share: Annotated[float, Field(gt=0, le=1)] | None = None
    every: Annotated[int, Field(ge=1)] | None = None
    times: Annotated[int, Field(ge=1)] = 1
    permanent: bool = False
    retry_after: Annotated[int, Field(ge=0)] | None = None
    status: Annotated[int, Field(ge=400, le=599)] = 500
    seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.share is None) == (self.every is None):
            raise ValueError("give either share or every")
        for option, kinds in OPTIONS.items():
            if option in self.model_fields_set and self.kind not in kinds:
                raise ValueError(f"{self.kind} has no {option}; {', '.join(sorted(kinds))} have")
        return self


class FaultPlan(_Strict):
    """A whole file of faults.

    Attributes:
        seed: Which questions are befallen.
        faults: Faults by source; a question is befallen by one of them at most.
    """

    seed: int = 0
    faults: dict[str, tuple[Fault, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_the_sources(self) -> Self:
        vendors = registered_vendors()
        tokens = {v.token_counter for v in vendors.values() if issubclass(v, TokenVendor)}
        known = {*vendors, *tokens}
        for source, faults in self.faults.items():
            if source not in known:
                raise ValueError(f"faults.{source}: no such source; {', '.join(sorted(known))} are")
            for number, fault in enumerate(faults):
                only = _only_for(fault.kind, vendors.values())
                if only is not None and source not in only:
                    raise ValueError(
                        f"faults.{source}[{number}].kind: only {', '.join(sorted(only))} "
                        f"can have {fault.kind}"
                    )
            if sum(fault.share or 0 for fault in faults) > _SHARE_LIMIT:
                raise ValueError(f"faults.{source}: the shares are more than 1 together")
        return self


def _only_for(kind: Kind, vendors: Iterable[type[Vendor]]) -> set[str] | None:
    """Return the sources that can have a kind; None where all can."""
    if kind in OF_PAGES:
        return {vendor.source for vendor in vendors if vendor.listings}
    if kind in WORDED:
        return {vendor.source for vendor in vendors if kind in vendor.faults}
    return None


def read_faults(path: Path) -> FaultPlan:
    """Return the plan of a YAML or JSON file.

    Raises:
        UnreadableFaults: It cannot be read or used; the message names file and fields.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
        return FaultPlan.model_validate(document if document is not None else {})
    except OSError as error:
        raise UnreadableFaults(f"{path} cannot be read: {error.strerror}") from None
    except ValidationError as error:
        raise UnreadableFaults(f"{path}: {'; '.join(_sentences(error))}") from None
    except (ValueError, yaml.YAMLError) as error:
        what = " ".join(str(error).split())
        raise UnreadableFaults(f"{path} is not {path.suffix or 'YAML'}: {what}") from None


def _sentences(error: ValidationError) -> list[str]:
    sentences = []
    for detail in error.errors(include_url=False):
        place = ""
        for step in detail["loc"]:
            place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else step
        message = detail["msg"].removeprefix("Value error, ")
        sentences.append(f"{place}: {message}" if place else message)
    return sentences


class Faults:
    """Says of each request whether a fault is due, and remembers what was asked before."""

    def __init__(self, plan: FaultPlan) -> None:
        self._plan = plan
        self._requests: Counter[tuple[str, str]] = Counter()
        self._questions: Counter[str] = Counter()
        self._numbers: dict[tuple[str, str], int] = {}

    def due(self, source: str, question: str) -> Fault | None:
        """Count a request for a question; return the fault that befalls it, if any."""
        key = (source, question)
        if key not in self._numbers:
            self._questions[source] += 1
            self._numbers[key] = self._questions[source]
        self._requests[key] += 1
        fault = self._fault(source, question)
        if fault and (fault.permanent or self._requests[key] <= fault.times):
            return fault
        return None

    def _fault(self, source: str, question: str) -> Fault | None:
        draw = stable_number("fault", str(self._plan.seed), source, question) / 2**64
        below = 0.0
        for fault in self._plan.faults.get(source, ()):
            if fault.every is not None:
                if self._numbers[source, question] % fault.every == 0:
                    return fault
                continue
            below += fault.share or 0.0
            if draw < below:
                return fault
        return None
