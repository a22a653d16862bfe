"""Images whose shape and texture are of different categories, and how decisions about them are counted.

After Geirhos et al. 2019 (ICLR, "ImageNet-trained CNNs are biased towards texture"): an image lies in the
folder of its shape's category, and its file is called SHAPEn-TEXTUREm. Of the images with a conflict for
which the network decides for one of the two, the shape bias is the share of decisions for the shape.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphpath.data import BaseImages
from graphpath.errors import StudyError
from graphpath.studies.bench import Bench
from graphpath.studies.decisions import decide_images
from graphpath.studies.study import make_frame

Names = npt.NDArray[np.str_]
NAMED = re.compile(r"(?:.*/)?(?P<shape>[A-Za-z_ ]+?)\d+-(?P<texture>[A-Za-z_ ]+?)\d+\.\w+")


@dataclass(frozen=True)
class Conflicts:
    """Images, the categories of their shapes and textures, and those that the network decides for: (N,)."""

    images: BaseImages
    shape: Names
    texture: Names
    decided: Names

    @property
    def conflicting(self) -> npt.NDArray[np.bool_]:
        """(N,): whether shape and texture are of two categories."""
        differ: npt.NDArray[np.bool_] = self.shape != self.texture
        return differ


def read_conflicts(bench: Bench) -> Conflicts:
    """All test images; decided once. Raises StudyError where their files are not named so."""
    images, scheme = bench.setting.images(), bench.setting.scheme
    assert scheme is not None
    shape, texture = read_names(images)
    table = bench.make_once(
        "decisions",
        images,
        [],
        lambda: make_frame([{"decided": one} for one in decide_images(bench.model, images, scheme)]),
    )
    return Conflicts(images, shape, texture, table.decided.to_numpy(dtype=np.str_))


def read_names(images: BaseImages) -> tuple[Names, Names]:
    """The category of each image's shape and of its texture, by the name of its file. Raises StudyError."""
    found = []
    for detail in images.rows()["detail"].to_pylist():
        file = str(json.loads(detail or "{}").get("file", ""))
        if (named := NAMED.fullmatch(file)) is None:
            raise StudyError(
                f"{images.dataset}: {file!r} is not called SHAPEn-TEXTUREm, such as cat1-dog2.jpg."
            )
        found.append((named["shape"], named["texture"]))
    shape, texture = np.array(found, dtype=np.str_).reshape(-1, 2).T
    return shape, texture


def count_shape_bias(
    conflicts: Conflicts, chosen: npt.NDArray[np.bool_], texture: Names | None = None
) -> float:
    """Of the chosen images' decisions for shape or texture, the share for shape; NaN where there are none."""
    texture = conflicts.texture if texture is None else texture
    used = chosen & conflicts.conflicting
    shapes = int((used & (conflicts.decided == conflicts.shape)).sum())
    textures = int((used & (conflicts.decided == texture) & (texture != conflicts.shape)).sum())
    return shapes / (shapes + textures) if shapes + textures else float("nan")
