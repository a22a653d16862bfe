"""The tables of a trace, as Arrow schemas (``graphpath/README.md``, "The record").

They are a contract: every file of a trace keeps them.

The order of the columns is fixed: relationship tables begin with their two end keys, because the
embedded engine's ``COPY`` goes by position.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = "1"
SCHEMA_KEY: Final = b"graphpath.schema"


def _schema(nullable: tuple[str, ...] = (), **columns: pa.DataType) -> pa.Schema:
    fields = [pa.field(name, kind, nullable=name in nullable) for name, kind in columns.items()]
    return pa.schema(fields, metadata={SCHEMA_KEY: SCHEMA_VERSION.encode()})


INT8, INT32, INT64 = pa.int8(), pa.int32(), pa.int64()
FLOAT32, FLOAT64, STRING = pa.float32(), pa.float64(), pa.string()

SINGLE: Final[dict[str, pa.Schema]] = {
    "layers": _schema(
        layer=INT32, name=STRING, kind=STRING, channels=INT32, height=INT32, width=INT32, offset=INT64
    ),
    "samples": _schema(
        nullable=("parent",),
        sample=INT64,
        dataset=STRING,
        split=STRING,
        index=INT64,
        label=INT32,
        variant=STRING,
        parent=INT64,
        detail=STRING,
    ),
    "categories": _schema(category=INT64, scheme=STRING, label=INT32, name=STRING),
    "predictions": _schema(sample=INT64, rank=INT32, category=INT64, logit=FLOAT32, confidence=FLOAT32),
    "pathways": _schema(
        nullable=("origin",),
        pathway=INT64,
        sample=INT64,
        target=INT32,
        origin=INT64,
        neurons=INT64,
        edges=INT64,
        coverage=FLOAT32,
        logit=FLOAT64,
        bias=FLOAT64,
    ),
    "reach": _schema(
        layer=INT32,
        source_layer=INT32,
        term=INT32,
        axis=STRING,
        to_first=INT32,
        to_count=INT32,
        from_first=INT32,
        from_count=INT32,
    ),
    "fields": _schema(layer=INT32, axis=STRING, place=INT32, first=INT32, last=INT32),
}
"""Tables in one file each, ``<name>.parquet``. ``reach`` says which edges the network can have at all:
a neuron of ``source_layer`` can reach one of ``layer`` if in some ``term`` of the two each of their three
coordinates (``axis`` "channel", "y", "x") is in one of the term's rectangles, the target's among the
``to_count`` from ``to_first`` on and the source's among the ``from_count`` from ``from_first`` on. Terms are
disjoint, and so are the rectangles of an axis: the possible edges of a term number the product over the axes
of ``sum(to_count * from_count)``. Traces of before 2026-11-21, and imported graphs, have no such file.
``fields`` says from which pixels anything can flow into a neuron: into one of row (``axis`` "y") or column
("x") ``place`` of a layer from the rows or columns ``first`` to ``last`` of the image, where -1 as ``last``
is none. Traces of before 2026-12-01, and imported graphs, have no such file."""

PARTED: Final[dict[str, pa.Schema]] = {
    "balance": _schema(
        pathway=INT64,
        layer=INT32,
        edges_all=INT64,
        edges_kept=INT64,
        abs_all=FLOAT64,
        abs_kept=FLOAT64,
        bias=FLOAT64,
        bias_fed=INT64,
    ),
    "visits": _schema(pathway=INT64, neuron=INT64, layer=INT32, activation=FLOAT32, score=FLOAT32),
    "edges": _schema(
        source=INT64, target=INT64, pathway=INT64, layer=INT32, flow=FLOAT32, score=FLOAT32, rank=INT32
    ),
    "routes": _schema(route=INT64, pathway=INT64, rank=INT32, sign=INT8, log10_abs=FLOAT64),
    "steps": _schema(route=INT64, neuron=INT64, position=INT32),
    "crosses": _schema(
        pathway=INT64, pixel=INT64, layer=INT32, channel=INT32, size=FLOAT32, signed=FLOAT32, rank=INT32
    ),
    "channels": _schema(
        source=INT64, target=INT64, pathway=INT64, layer=INT32, flow=FLOAT32, score=FLOAT32, rank=INT32
    ),
    "maps": _schema(map=INT64, name=STRING, detail=STRING),
}
"""Tables in parts, ``<name>/part-*.parquet``. ``crosses`` is there for diffusion only, ``channels`` for
the method of that name: its ends are feature maps, each by the id of its first neuron, and ``flow`` and
``score`` the sums over all neuron edges between the two. ``maps`` is there where feature maps have names of
their own, as imported ones have; ``detail`` is JSON, what else their publisher says of each."""

OPTIONAL: Final = frozenset({"crosses", "channels", "maps", "reach", "fields"})
STAGED: Final = ("samples", "predictions", "pathways")
"""Single tables that a tracer writes part by part and ``finish`` merges."""

TABLES: Final[dict[str, pa.Schema]] = SINGLE | PARTED

IMAGES: Final = _schema(
    sample=INT64, shape=pa.list_(pa.field("element", INT32, nullable=False)), pixels=pa.binary()
)
"""Images of an image set: ``shape`` is (C, H, W), ``pixels`` the bytes of little-endian float32."""
