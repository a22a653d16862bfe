"""All studies by name."""

from __future__ import annotations

import difflib

from graphpath.errors import StudyError
from graphpath.studies.effective_path import classes, detection
from graphpath.studies.imagenet import attacks, categories, circuits, cue_conflict
from graphpath.studies.khakzar import decoding, degradation, linearity, overlap, roar, sanity, sensitivity
from graphpath.studies.lyu import (
    attacked,
    causal,
    consistency,
    counts,
    key_maps,
    movement,
    occlusion,
    portion_hot,
)
from graphpath.studies.study import Study

LYU = (key_maps, causal, consistency, portion_hot, attacked, occlusion, movement, counts)
KHAKZAR = (overlap, degradation, sanity, sensitivity, linearity, roar, decoding)
EFFECTIVE_PATH = (classes, detection)
IMAGENET = (categories, attacks, cue_conflict, circuits)
STUDIES: dict[str, Study] = {
    module.STUDY.name: module.STUDY for module in (*LYU, *KHAKZAR, *EFFECTIVE_PATH, *IMAGENET)
}


def find(name: str) -> Study:
    """The study ``name``; its last part will do where that is one study's only. Raises StudyError."""
    asked = name.lower().replace("-", "_")
    ending = [study for known, study in STUDIES.items() if known == asked or known.split("/")[1] == asked]
    if len(ending) == 1:
        return ending[0]
    close = difflib.get_close_matches(asked, [*STUDIES, *(known.split("/")[1] for known in STUDIES)], n=1)
    hint = f"did you mean {close[0]}?" if close else "graphpath study --list shows all."
    raise StudyError(f"There is no study {name!r}: {hint}")
