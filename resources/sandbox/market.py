"""The simulated market: what happens to each book is a pure function of (seed, ISBN, date).

Nothing is stored. Time is cut into blocks of 30 days since 1970; a book's events in a block
come from a generator seeded with (seed, ISBN, block), so an event has the same id, date,
price, condition and type whenever and however often it is asked for.

The book, drawn once from (seed, ISBN), with Z1, Z2, Z3 standard normal:

- 12 % of the books never sell. The others sell at ``rate`` = exp(2.25 + 1.45 Z1) times in
  90 days, at most 400: lognormal, so a few books make most of the sales.
- ``base`` = exp(2.45 + b + a - 0.10 (ln rate - 2.25) + 0.70 Z2) USD, where b is +0.35 for a
  hardcover, -0.30 for a mass market paperback, else 0, and a = 0.35 exp(-age / 3) while a book
  is new plus 0.006 (age - 40) from its 40th year on (at most 0.6); age in years at 2026.
- ``trend`` = 0.04 + 0.10 Z3 a year, and a phase of the season.

Over time, with y years since 2026-01-01 (held between -10 and 10):

- price level(y) = exp(trend y + 0.05 sin(2 pi y + phase))
- sales in a block ~ Poisson(rate / 3 (1 + 0.2 sin(2 pi y + phase))), uniform within it
- price of a sale = base * level * condition (1.30 brand new to 0.66 acceptable)
  * 0.92 for an auction * exp(0.20 Z), at least 0.99; 1.5 % are signed copies at 3 to 8
  times that, so there are outliers to find
- asks arrive as Poisson((1 + 0.5 rate) / 3) a block, stay 3 to 120 days (exponential, mean 40),
  and want base * level * condition * 1.25 exp(0.30 Z).

What dealers pay, anew every week: a dealer buys 45 % of the books, at base * level(y) * 0.28
exp(0.25 Z) for a good copy, with Z drawn once from (seed, ISBN, dealer, week), and nothing that
comes to less than half a dollar.

What the sources know differs: 3 % of the books are in no metadata source, and each source
lacks some others of its own.

Here: events and what a source knows. Not here: the form in which a vendor tells of them.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from resources.sandbox.catalogue import Book

SALES_WINDOW = timedelta(days=90)
BLOCK_SECONDS = 30 * 86_400
LONGEST_ASK = timedelta(days=120)

CONDITIONS = ("Brand New", "Like New", "Very Good", "Good", "Acceptable")
_CONDITION_FACTOR = np.array((1.30, 1.12, 1.00, 0.86, 0.66))
_CONDITION_BOUNDS = np.array((0.14, 0.30, 0.60, 0.88))
LISTING_TYPES = ("fixed_price", "auction", "best_offer")
_TYPE_BOUNDS = np.array((0.60, 0.82))
_SHIPPING_CENTS = np.array((0, 0, 0, 399, 413, 447, 522, 595))

NO_METADATA = 0.03
BOUGHT = 0.45
LEAST_BID_CENTS = 50
_WEEK_SECONDS = 7 * 86_400
_NORMAL = NormalDist()

_YEAR_SECONDS = 365.25 * 86_400
_YEAR_ZERO = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Offer:
    """One listing: a sale that happened, or a copy on offer.

    Attributes:
        listing_id: 18 digits that begin with 99; eBay's own have 12.
        price_cents: In US cents, without shipping.
        shipping_cents: In US cents; 0 is free.
        listing_type: One of `LISTING_TYPES`.
        bids: How many; 0 unless an auction.
        at: When it was sold; of an ask, when it was listed.
        until: When an ask ends; of a sale, the same as `at`.
    """

    listing_id: str
    price_cents: int
    shipping_cents: int
    condition: str
    listing_type: str
    bids: int
    signed: bool
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Profile:
    sale_rate: float
    ask_rate: float
    base: float
    trend: float
    phase: float


class _Block(NamedTuple):
    """The events of one block, as they were drawn.

    Attributes:
        ids: Numbers of the listings.
        draws: Seven rows of a number from 0 to 1 for each; the first has become its time, in
            seconds since 1970.
        noise: Standard normal.
    """

    ids: npt.NDArray[np.int64]
    draws: npt.NDArray[np.float64]
    noise: npt.NDArray[np.float64]


class Market:
    """The market of one seed. Methods are pure; profiles are only cached."""

    def __init__(self, seed: int) -> None:
        """Take the seed, which chooses the market."""
        self.seed = seed
        self._profile = lru_cache(maxsize=16_384)(self._draw_profile)

    def knows(self, source: str, isbn13: str, lacks: float, *, is_metadata: bool) -> bool:
        """Whether the source has ever heard of the book.

        Args:
            source: Its name.
            isbn13: Of the book.
            lacks: Share of the books that it lacks, apart from `NO_METADATA`.
            is_metadata: Whether it tells metadata.
        """
        if is_metadata and self._uniform(isbn13, "metadata") < NO_METADATA:
            return False
        return self._uniform(isbn13, source) >= lacks

    def sales(self, book: Book, now: datetime) -> list[Offer]:
        """Return the sales of the last 90 days up to `now`, the latest first."""
        return self._offers(book, "sold", now - SALES_WINDOW, now)

    def asks(self, book: Book, now: datetime, marketplace: str = "") -> list[Offer]:
        """Return the copies on offer at `now`, the most recently listed first.

        Args:
            book: Which is offered.
            now: The market's date.
            marketplace: Where; eBay when empty. Each has copies of its own, at like prices.
        """
        kind = f"ask:{marketplace}" if marketplace else "ask"
        return self._offers(book, kind, now - LONGEST_ASK, now)

    def bid(self, book: Book, dealer: str, now: datetime) -> int:
        """Return the US cents that a dealer pays for a good copy at `now`; 0 for no bid."""
        if self._uniform(book.isbn13, f"buys:{dealer}") >= BOUGHT:
            return 0
        profile = self._profile(book)
        week = int(now.timestamp() // _WEEK_SECONDS)
        noise = _NORMAL.inv_cdf(self._uniform(book.isbn13, f"bid:{dealer}:{week}") or 0.5)
        years = _years(now.timestamp())
        level = math.exp(profile.trend * years + 0.05 * math.sin(math.tau * years + profile.phase))
        cents = round(100 * profile.base * level * 0.28 * math.exp(0.25 * noise))
        return cents if cents >= LEAST_BID_CENTS else 0

    def _offers(self, book: Book, kind: str, since: datetime, now: datetime) -> list[Offer]:
        """Return what was sold since then, or is on offer now; the latest first."""
        profile = self._profile(book)
        is_sale = kind == "sold"
        rate = profile.sale_rate if is_sale else profile.ask_rate
        if not rate:
            return []
        first, last = (int(t.timestamp() // BLOCK_SECONDS) for t in (since, now))
        blocks = [
            block
            for number in range(first, last + 1)
            if (block := self._block(book.isbn13, kind, number, rate, profile))
        ]
        if not blocks:
            return []
        # Once for all blocks: what numpy does with ten numbers takes it as long as with fifty.
        ids = np.concatenate([block.ids for block in blocks])
        draws = np.concatenate([block.draws for block in blocks], axis=1)
        noise = np.concatenate([block.noise for block in blocks])
        seconds = draws[0]
        starts = seconds.astype(int)
        ends = starts
        if is_sale:
            kept = (starts > since.timestamp()) & (starts <= now.timestamp())
        else:
            stay = (-40 * np.log1p(-draws[3])).clip(3, LONGEST_ASK.days) * 86_400
            ends = (seconds + stay).astype(int)
            kept = (starts <= now.timestamp()) & (ends > now.timestamp())
        ids, draws, noise = ids[kept], draws[:, kept], noise[kept]
        starts, ends = starts[kept], ends[kept]
        years = ((draws[0] - _YEAR_ZERO) / _YEAR_SECONDS).clip(-10, 10)
        condition = np.searchsorted(_CONDITION_BOUNDS, draws[1], side="right")
        kinds = np.searchsorted(_TYPE_BOUNDS, draws[2], side="right")
        level = np.exp(profile.trend * years + 0.05 * np.sin(math.tau * years + profile.phase))
        price = profile.base * level * _CONDITION_FACTOR[condition]
        signed = np.zeros(len(ids), dtype=bool)
        if is_sale:
            price *= np.where(kinds == 1, 0.92, 1.0) * np.exp(0.20 * noise)
            signed = draws[3] < 0.015
            price *= np.where(signed, 3 + 5 * draws[4], 1.0)
        else:
            price *= 1.25 * np.exp(0.30 * noise)
        offers = zip(
            ids.tolist(),
            np.maximum(99, np.rint(price * 100)).astype(int).tolist(),
            _SHIPPING_CENTS[(draws[5] * len(_SHIPPING_CENTS)).astype(int)].tolist(),
            condition.tolist(),
            kinds.tolist(),
            np.where(kinds == 1, 1 + (draws[6] ** 2 * 24).astype(int), 0).tolist(),
            signed.tolist(),
            starts.tolist(),
            ends.tolist(),
            strict=True,
        )
        found = [
            Offer(
                listing_id=f"99{number:016d}",
                price_cents=cents,
                shipping_cents=shipping,
                condition=CONDITIONS[copy],
                listing_type=LISTING_TYPES[way],
                bids=bids,
                signed=is_signed,
                at=datetime.fromtimestamp(start, UTC),
                until=datetime.fromtimestamp(end, UTC),
            )
            for number, cents, shipping, copy, way, bids, is_signed, start, end in offers
        ]
        return sorted(found, key=lambda offer: (offer.at, offer.listing_id), reverse=True)

    def _block(
        self, isbn13: str, kind: str, number: int, rate: float, profile: _Profile
    ) -> _Block | None:
        """Draw the events of one block; None where there are none."""
        entropy = self._hash(isbn13, kind, str(number))
        rng = np.random.Generator(np.random.PCG64(entropy))
        season = 1.0
        if kind == "sold":
            season += 0.2 * math.sin(
                math.tau * _years((number + 0.5) * BLOCK_SECONDS) + profile.phase
            )
        count = int(rng.poisson(rate / 3 * season))
        if not count:
            return None
        draws = rng.random((7, count))
        draws[0] = (number + draws[0]) * BLOCK_SECONDS
        ids = np.array([(entropy + i) % 10**16 for i in range(count)])
        return _Block(ids, draws, rng.standard_normal(count))

    def _draw_profile(self, book: Book) -> _Profile:
        rng = np.random.Generator(np.random.PCG64(self._hash(book.isbn13, "profile")))
        z1, z2, z3 = rng.standard_normal(3).tolist()
        sells, phase = rng.random(2).tolist()
        log_rate = min(2.25 + 1.45 * z1, math.log(400))
        age = 2026 - (book.publication_year or 2000)
        log_base = (
            2.45
            + {"Hardcover": 0.35, "Mass Market Paperback": -0.30}.get(book.binding, 0.0)
            + 0.35 * math.exp(-max(age, 0) / 3)
            + min(max(0.006 * (age - 40), 0.0), 0.6)
            - 0.10 * (log_rate - 2.25)
            + 0.70 * z2
        )
        rate = math.exp(log_rate)
        return _Profile(
            sale_rate=rate if sells >= 0.12 else 0.0,
            ask_rate=1 + 0.5 * rate,
            base=math.exp(log_base),
            trend=0.04 + 0.10 * z3,
            phase=math.tau * phase,
        )

    def _uniform(self, isbn13: str, purpose: str) -> float:
        return self._hash(isbn13, purpose) / 2**64

    def _hash(self, *parts: str) -> int:
        text = ":".join((str(self.seed), *parts))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _years(timestamp: float) -> float:
    return min(max((timestamp - _YEAR_ZERO) / _YEAR_SECONDS, -10.0), 10.0)
