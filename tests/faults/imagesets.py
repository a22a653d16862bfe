"""Image sets with damaged files, or entries of other kinds in image_set.json: refused, or as they were."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphpath.data import TensorImages, open_images
from graphpath.data.rows import build_categories
from graphpath.record.imageset import DESCRIPTION, ImagePart, write_image_set
from tests.faults.harness import Attempt, Loop, Wrong
from tests.faults.mutate import Random, mutated

VALUES: list[Any] = [None, True, -1, 0, 1, 2, 10**30, 0.5, "", "2", [], [1], {}, {"a": 1}, "\ud800", [[]]]


def _prepare(folder: Path) -> Attempt:
    pixels = torch.from_numpy(np.random.default_rng(0).random((6, 1, 3, 3), dtype=np.float32))
    rows = TensorImages(pixels, [0, 1, 2, 0, 1, 2]).rows()
    parts = [ImagePart(rows.slice(at, 3), pixels[at : at + 3].numpy()) for at in (0, 3)]
    made = write_image_set(folder / "set", parts, build_categories("things", ("x", "y", "z")), {"a": 1}).path
    files = sorted(file for file in made.rglob("*") if file.is_file())
    whole = {file: file.read_bytes() for file in files}

    def attempt(random: Random) -> None:
        file = files[int(random.integers(len(files)))]
        described = file.name == DESCRIPTION and random.random() < 0.7
        file.write_bytes(_changed(whole[file], random) if described else mutated(whole[file], random))
        try:
            images = open_images(made)
            if not torch.equal(images.batch(0, 9), pixels) or images.rows() != rows:
                raise Wrong(f"{file.name} was damaged, and other images were read")
        finally:
            file.write_bytes(whole[file])

    return attempt


def _changed(data: bytes, random: Random) -> bytes:
    told = json.loads(data)
    if random.random() < 0.5:
        for name in ("digest", "files"):  # as sets were written before they had digests
            del told[name]
    name = list(told)[int(random.integers(len(told)))]
    if random.random() < 0.2:
        del told[name]
    else:
        told[name] = VALUES[int(random.integers(len(VALUES)))]
    return json.dumps(told).encode()


LOOPS = {"imagesets": Loop("image sets with damaged files or wrong entries", _prepare, 300)}
