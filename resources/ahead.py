"""Work that threads do ahead of the one who uses what comes of it."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    executor: Executor, function: Callable[[T], R], tasks: Iterable[T], most: int
) -> Generator[R, None, None]:
    """Yield what a function makes of every task, in their order.

    Tasks are taken as they are needed. Where one fails, or the generator is closed, those that wait
    are not begun.

    Args:
        most: Tasks that are worked on, or done, while the caller is busy with another.
    """
    ahead: deque[Future[R]] = deque()
    try:
        for task in tasks:
            ahead.append(executor.submit(function, task))
            if len(ahead) > most:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        for future in ahead:
            future.cancel()
