"""Which samples derive from one original: an image is compared with classes from which they are left out.

A sample's *family* is the id of its oldest ancestor: of the original that it was made from, by one attack or
several in turn, and so of the original itself. Of an ancestor that nobody knows, its id is known.
"""

from __future__ import annotations


def select_families(everyone: str) -> str:
    """SQL for the columns sample and family of the samples in ``everyone`` (SQL: sample, parent).

    A circle of parents is a family too.
    """
    return f"""WITH RECURSIVE everyone AS ({everyone}), up(sample, ancestor) AS (
            SELECT sample, sample FROM everyone
            UNION SELECT u.sample, e.parent FROM up u JOIN everyone e ON e.sample = u.ancestor
            WHERE e.parent IS NOT NULL
        ), oldest AS (
            SELECT u.*, e.sample IS NULL AS oldest
            FROM up u LEFT JOIN (SELECT DISTINCT sample FROM everyone WHERE parent IS NOT NULL) e
                ON e.sample = u.ancestor)
        SELECT sample, coalesce(min(ancestor) FILTER (oldest), min(ancestor)) AS family
        FROM oldest GROUP BY sample"""
