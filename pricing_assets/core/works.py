"""The work a book is an edition of: what must not be split between training and test."""


def works_sql(editions: str, accepted: str) -> str:
    """Return the DuckDB statement that gives every edition the key of its work.

    The key is Open Library's own where an answer gave one. An edition without one joins the
    editions that share its fingerprint: it takes the smallest of their keys, in the order of
    the text, or the fingerprint where none has one. Without a title an edition is a work of
    its own, under its item's id. Works with a pair of editions that a person called one are
    one work, under the smallest of their keys.

    So the key of an edition follows from the editions of its fingerprint, and from the
    accepted pairs with the editions of theirs: over these alone the statement says the same
    as over all books.

    Args:
        editions: Relation with item_id, work_key (the source's own, null where there is
            none) and fingerprint (`editions.work_fingerprint_sql`, null without a title).
        accepted: Relation of the accepted pairs, with item_id and other_item_id.

    Returns:
        A statement giving item_id and work_key, one row an edition.
    """
    return f"""
    WITH RECURSIVE told AS MATERIALIZED (
        SELECT item_id, coalesce(
            work_key,
            CASE WHEN fingerprint IS NOT NULL
                THEN min(work_key) OVER (PARTITION BY fingerprint) END,
            fingerprint, CAST(item_id AS VARCHAR)
        ) AS work_key
        FROM {editions}
    ), pair AS (
        SELECT a.work_key AS near, b.work_key AS far
        FROM {accepted} p JOIN told a ON a.item_id = p.item_id
            JOIN told b ON b.item_id = p.other_item_id
        WHERE a.work_key <> b.work_key
    ), link AS MATERIALIZED (
        SELECT near, far FROM pair UNION SELECT far, near FROM pair
    ), reached AS (
        SELECT near AS work_key, far AS other FROM link
        UNION SELECT reached.work_key, far FROM reached JOIN link ON near = other
    ), one_work AS (
        SELECT work_key, min(other) AS smallest FROM reached GROUP BY work_key
    )
    SELECT item_id, coalesce(smallest, work_key) AS work_key
    FROM told LEFT JOIN one_work USING (work_key)
    """
