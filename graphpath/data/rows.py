"""The samples table of a set of images, and choices made from it. No pixels here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from graphpath.errors import DataError
from graphpath.ids import category_id, sample_id
from graphpath.record.schema import TABLES

UNLABELLED = -1


def format_detail(detail: Mapping[str, object]) -> str:
    """``detail`` as the JSON that a sample keeps: compact, keys sorted, so equal details are equal text."""
    return json.dumps(detail, separators=(",", ":"), sort_keys=True)


def build_sample_rows(
    dataset: str,
    split: str,
    labels: npt.ArrayLike | None,
    *,
    index: Sequence[int] | npt.NDArray[np.int64],
    details: Sequence[Mapping[str, object]] | None = None,
    variant: str = "original",
    parents: Sequence[int | None] | None = None,
) -> pa.Table:
    """The samples table for images numbered ``index`` of ``dataset``/``split``.

    ``details`` identify a sample further (its file, the attack it came from). They are part
    of its id. ``labels`` None means that none is known.
    """
    count = len(index)
    numbers = [int(i) for i in index]
    texts = ["{}"] * count if details is None else [format_detail(d) for d in details]
    known = np.full(count, UNLABELLED, np.int32) if labels is None else _check_labels(labels, dataset)
    for name, values in (("labels", known), ("details", texts), ("parents", parents)):
        if values is not None and len(values) != count:
            raise DataError(f"{name}: {len(values)} given for {count} images of {dataset}")
    ids = [sample_id(dataset, split, i, variant, text) for i, text in zip(numbers, texts, strict=True)]
    columns = {
        "sample": ids,
        "dataset": [dataset] * count,
        "split": [split] * count,
        "index": numbers,
        "label": known,
        "variant": [variant] * count,
        "parent": [None] * count if parents is None else list(parents),
        "detail": texts,
    }
    return pa.table(columns, schema=TABLES["samples"])


def _check_labels(labels: npt.ArrayLike, dataset: str) -> npt.NDArray[np.int32]:
    """``labels`` as int32. Raises DataError for what is no number of a class, or -1."""
    given = np.asarray(labels)
    whole = given.size == 0 or (given.dtype.kind in "iuf" and bool((given == np.floor(given)).all()))
    if given.ndim != 1 or not whole:
        raise DataError(
            f"labels of {dataset}: expected a list of whole numbers, one an image, "
            f"got {given.dtype} {given.shape}"
        )
    if given.size and not (given.min() >= UNLABELLED and given.max() <= np.iinfo(np.int32).max):
        raise DataError(
            f"labels of {dataset}: they go from {given.min()} to {given.max()}; expected numbers from 0 to "
            f"{np.iinfo(np.int32).max:,}, or -1 where there is none"
        )
    return given.astype(np.int32)


def build_categories(scheme: str, classes: Sequence[str]) -> pa.Table:
    """The record's table ``categories`` for the classes of ``scheme``, by label."""
    columns = {
        "category": [category_id(scheme, label) for label in range(len(classes))],
        "scheme": [scheme] * len(classes),
        "label": np.arange(len(classes), dtype=np.int32),
        "name": list(classes),
    }
    return pa.table(columns, schema=TABLES["categories"])


def read_labels(rows: pa.Table) -> npt.NDArray[np.int32]:
    """int32 (n,): the label column."""
    labels: npt.NDArray[np.int32] = rows["label"].to_numpy()
    return labels


def digest_set(rows: pa.Table, shape: Sequence[int]) -> str:
    """A sha256 of the samples in order and the shape they are read in."""
    ids = np.ascontiguousarray(rows["sample"].to_numpy(), dtype="<i8")
    return hashlib.sha256(ids.tobytes() + repr(tuple(shape)).encode()).hexdigest()


def choose_balanced(labels: npt.NDArray[np.int32], count: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """Positions of ``count`` images, ascending, as evenly from all classes as they allow.

    Each class is shuffled by ``seed``; then every class gives its first image, then its second, and so
    on until ``count`` are had. So a smaller count with the same seed is a part of a larger one.
    """
    if count < 0:
        raise DataError(f"limit {count}: expected 0 or more images")
    if seed < 0:
        raise DataError(f"seed {seed}: expected 0 or more")
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, starts, sizes = np.unique(labels[by_class], return_index=True, return_counts=True)
    turn = np.arange(len(labels)) - np.repeat(starts, sizes)
    order = np.lexsort((rng.permutation(len(labels)), turn))
    return np.sort(by_class[order[:count]])
