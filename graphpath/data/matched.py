"""Images whose labels are the numbers of a model's outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from graphpath.data.base import BaseImages, Images, Positions
from graphpath.data.rows import UNLABELLED
from graphpath.ids import digest

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassMatch:
    """How the classes of images became those of a model."""

    how: str
    """"own", "by-name", "by-position", "numbers" or "none"."""
    words: str
    """In a sentence."""
    numbers: Numbers | None = None
    """(classes,): for each class of the images the model's number, -1 for none; None: the same number."""

    def renumber(self, labels: npt.NDArray[np.integer]) -> Numbers:
        """The model's number for each of the images' labels (N,); -1 stays, and so does what has none."""
        known = labels.astype(np.int64)
        if self.numbers is None or not len(self.numbers):
            return known
        inside = (known >= 0) & (known < len(self.numbers))
        return np.where(inside, self.numbers[np.where(inside, known, 0)], UNLABELLED)

    def describe(self) -> Mapping[str, str]:
        """As run.json says it."""
        return {"matched": self.how, "said": self.words}


class MatchedImages(BaseImages):
    """Another set of images, for one model: labels, classes and scheme are the model's.

    Where the numbers are the same on both sides, ids and fingerprint stay those of the set.
    """

    def __init__(
        self,
        images: Images,
        numbered: ClassMatch,
        classes: Sequence[str],
        scheme: str,
        model: str,
    ) -> None:
        super().__init__(images.dataset, images.split, classes, images.shape, scheme)
        self.images, self.numbered, self.model = images, numbered, model

    def __len__(self) -> int:
        return len(self.images)

    @property
    def fingerprint(self) -> str:
        """The set's own, and of the new numbers where there are any."""
        own = self.images.fingerprint
        numbers = self.numbered.numbers
        return own if numbers is None else digest(own, numbers.tolist(), self.scheme)

    @property
    def notes(self) -> tuple[str, ...]:
        return getattr(self.images, "notes", ())

    def _sample_rows(self) -> pa.Table:
        rows = self.images.rows()
        if self.numbered.numbers is None:
            return rows
        labels = pa.array(self.numbered.renumber(rows["label"].to_numpy()).astype(np.int32))
        place = rows.schema.get_field_index("label")
        return rows.set_column(place, rows.schema.field(place), labels)

    def batch(self, start: int, stop: int) -> torch.Tensor:
        """The set's own images, unchanged."""
        return self.images.batch(start, stop)

    def read(self, positions: Positions) -> torch.Tensor:
        if isinstance(self.images, BaseImages):
            return self.images.read(positions)
        single = [self.images.batch(int(one), int(one) + 1) for one in positions]
        return torch.cat(single) if single else torch.empty((0, *self.shape))
