"""Every loop by name. A new one is a module with ``LOOPS``, named here."""

from __future__ import annotations

from tests.faults import (
    archives,
    checkpoints,
    cyphers,
    flips,
    headers,
    images,
    imagesets,
    kills,
    options,
    parameters,
    races,
)
from tests.faults.harness import Loop

LOOPS: dict[str, Loop] = {
    **headers.LOOPS,
    **cyphers.LOOPS,
    **parameters.LOOPS,
    **options.LOOPS,
    **images.LOOPS,
    **archives.LOOPS,
    **imagesets.LOOPS,
    **checkpoints.LOOPS,
    **flips.LOOPS,
    **kills.LOOPS,
    **races.LOOPS,
}
