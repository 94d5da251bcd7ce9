"""How numbers are said to a person."""


def number_of(count: float, one: str, many: str = "") -> str:
    """Return a number with what it counts, such as ``1 call`` and ``1,200 calls``.

    Args:
        one: The words after a 1.
        many: The words after any other number, where they are not the one with an s.
    """
    number = f"{count:,}" if isinstance(count, int) else f"{count:g}"
    return f"{number} {one if count == 1 else many or f'{one}s'}"
