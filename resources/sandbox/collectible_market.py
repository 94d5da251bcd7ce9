"""The simulated market of cards and minifigures: a pure function of (seed, key, date).

It works as the books' does (`market`): nothing is stored, time is cut into blocks of 30 days
since 1970, and an event has the same date, price and quantity whenever it is asked for.

The item, drawn once from (seed, key), with Z1, Z2, Z3 standard normal:

- 10 % of the items never sell. The others are ordered ``rate`` = exp(1.6 + 1.5 Z1) times in
  90 days, at most 300: lognormal, so a few items make most of the orders.
- ``base`` = exp(1.9 - 0.20 (ln rate - 1.6) + 0.95 Z2) USD: half of the items are worth less
  than about 7 USD, and a few a hundred times as much.
- ``trend`` = 0.05 + 0.10 Z3 a year.

Over time, with y years since 2026-01-01 (held between -10 and 10):

- price level(y) = exp(trend y)
- orders in a block ~ Poisson(rate / 3), uniform within it, at base * level * exp(0.22 Z), at
  least 0.05; 1 % are at a quarter of the price, as of damaged ones, so there are outliers
- an order is of one piece, in 12 % of two to nine (geometric)
- lots on offer arrive as Poisson((1 + 0.6 rate) / 3) a block, stay 3 to 180 days
  (exponential, mean 60), want base * level * 1.3 exp(0.35 Z), and are of one piece, in 30 %
  of more
- the estimate is base * level, the same for a whole day

Each source lacks some items of its own (`UNKNOWN`).

Here: events and what a source knows. Not here: the form in which a vendor tells of them.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

ORDERS_WINDOW = timedelta(days=182)
BLOCK_SECONDS = 30 * 86_400
LONGEST_LOT = timedelta(days=180)

UNKNOWN = {
    "bricklink_catalogue": 0.04,
    "bricklink_sold": 0.05,
    "bricklink_stock": 0.03,
    "rebrickable": 0.06,
    "pokemontcg": 0.06,
}
"""Share of items that each source lacks."""

_YEAR_SECONDS = 365.25 * 86_400
_YEAR_ZERO = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True, slots=True)
class Lot:
    """Pieces that were ordered together, or that are on offer together.

    Attributes:
        price: Of one piece, in USD with four decimals.
        at: When it was ordered; of a lot on offer, when it was put there. To the millisecond.
        until: When an offer ends; of an order, the same as `at`.
    """

    quantity: int
    price: str
    at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Profile:
    order_rate: float
    lot_rate: float
    base: float
    trend: float


class CollectibleMarket:
    """The market of one seed. Methods are pure; profiles are only cached."""

    def __init__(self, seed: int) -> None:
        """Take the seed, which chooses the market."""
        self.seed = seed
        self._profile = lru_cache(maxsize=16_384)(self._draw_profile)

    def knows(self, source: str, key: str) -> bool:
        """Whether the source has ever heard of the item."""
        return self._hash(key, source) / 2**64 >= UNKNOWN[source]

    def orders(self, key: str, now: datetime) -> list[Lot]:
        """Return the orders of the last six months up to `now`, the latest first."""
        since = now - ORDERS_WINDOW
        orders = self._events(key, "order", since, now)
        return _latest_first(lot for lot in orders if since < lot.at <= now)

    def stock(self, key: str, now: datetime) -> list[Lot]:
        """Return the lots on offer at `now`, the most recent first."""
        lots = self._events(key, "stock", now - LONGEST_LOT, now)
        return _latest_first(lot for lot in lots if lot.at <= now < lot.until)

    def estimate(self, key: str, now: datetime) -> float:
        """Return what one piece is worth on the day of `now`, in USD."""
        profile = self._profile(key)
        day = now.timestamp() // 86_400 * 86_400
        return profile.base * float(_level(profile, np.array(day)))

    def _events(
        self, key: str, kind: Literal["order", "stock"], since: datetime, until: datetime
    ) -> list[Lot]:
        profile = self._profile(key)
        rate = profile.order_rate if kind == "order" else profile.lot_rate
        if not rate:
            return []
        first, last = (int(t.timestamp() // BLOCK_SECONDS) for t in (since, until))
        return [
            lot
            for block in range(first, last + 1)
            for lot in self._block(key, kind, block, rate, profile)
        ]

    def _block(self, key: str, kind: str, block: int, rate: float, profile: _Profile) -> list[Lot]:
        rng = np.random.Generator(np.random.PCG64(self._hash(key, kind, str(block))))
        count = int(rng.poisson(rate / 3))
        if not count:
            return []
        draws = rng.random((4, count))
        noise = rng.standard_normal(count)
        more = 1 + rng.geometric(0.5, count)
        seconds = (block + draws[0]) * BLOCK_SECONDS
        price = profile.base * _level(profile, seconds)
        if kind == "order":
            price = price * np.exp(0.22 * noise) * np.where(draws[1] < 0.01, 0.25, 1.0)
            several, stay = draws[2] < 0.12, np.zeros(count)
        else:
            price = price * 1.3 * np.exp(0.35 * noise)
            several = draws[2] < 0.30
            stay = np.clip(-60 * np.log1p(-draws[3]), 3, LONGEST_LOT.days) * 86_400
        quantities = np.where(several, np.minimum(more, 9), 1).tolist()
        prices = np.maximum(price, 0.05).tolist()
        starts, ends = seconds.tolist(), (seconds + stay).tolist()
        return [
            Lot(quantities[i], f"{prices[i]:.4f}", _moment(starts[i]), _moment(ends[i]))
            for i in range(count)
        ]

    def _draw_profile(self, key: str) -> _Profile:
        rng = np.random.Generator(np.random.PCG64(self._hash(key, "profile")))
        z1, z2, z3 = rng.standard_normal(3).tolist()
        log_rate = min(1.6 + 1.5 * z1, math.log(300))
        rate = math.exp(log_rate)
        return _Profile(
            order_rate=rate if rng.random() >= 0.10 else 0.0,
            lot_rate=1 + 0.6 * rate,
            base=math.exp(1.9 - 0.20 * (log_rate - 1.6) + 0.95 * z2),
            trend=0.05 + 0.10 * z3,
        )

    def _hash(self, *parts: str) -> int:
        text = ":".join((str(self.seed), *parts))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())


def _level(profile: _Profile, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    years = np.clip((seconds - _YEAR_ZERO) / _YEAR_SECONDS, -10.0, 10.0)
    return np.exp(profile.trend * years)


def _moment(seconds: float) -> datetime:
    whole = int(seconds)
    return datetime.fromtimestamp(whole, UTC) + timedelta(
        milliseconds=int((seconds - whole) * 1000)
    )


def _latest_first(lots: Iterable[Lot]) -> list[Lot]:
    return sorted(lots, key=lambda lot: (lot.at, lot.price, lot.quantity), reverse=True)
