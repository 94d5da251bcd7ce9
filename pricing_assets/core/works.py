"""The work a book is an edition of: what must not be split between training and test."""


def work_sql(work_key: str, title: str, authors: str, otherwise: str) -> str:
    """Return the key that all editions of a work share, as a DuckDB expression.

    Open Library's work key where a source gave it; otherwise a fingerprint of title and
    first author, without subtitle, case, accents and punctuation; without a title, the
    item itself.

    Args:
        work_key: Expression of the source's own work key, null where there is none.
        title: Expression of the title.
        authors: Expression of the authors, the first one first.
        otherwise: Expression of the key of an item of which nothing is known.
    """
    short = _normalized(f"regexp_replace({title}, '\\s*[:(\\[].*$', '')")
    first = _normalized(f"regexp_replace(coalesce({authors}, ''), '(,|;|&| and ).*$', '')")
    fingerprint = f"'work:' || substr(sha256({short} || '|' || {first}), 1, 24)"
    return f"coalesce({work_key}, CASE WHEN {short} <> '' THEN {fingerprint} END, {otherwise})"


def _normalized(text: str) -> str:
    return f"trim(regexp_replace(strip_accents(lower({text})), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g'))"
