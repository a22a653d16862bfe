"""Windows against sets: which places a tile of pixels can touch."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from graphpath.tracing.diffusion.footprints import Axis, Span

spans = st.builds(Span, st.integers(-9, 9), st.integers(1, 12), st.integers(1, 9))


def places(span: Span, tile: int) -> set[int]:
    return set(range(span.start + tile * span.pitch, span.stop + tile * span.pitch))


@given(spans, st.integers(1, 4), st.integers(0, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3))
def test_windows_hold_just_what_is_touched(
    span: Span, stride: int, before: int, kernel: int, dilation: int, tile: int
) -> None:
    slides = Axis(stride, before, (kernel - 1) * dilation)
    after = span.slide(slides)
    reads = [set(range(y * stride - before, y * stride - before + slides.reach + 1)) for y in range(-60, 61)]
    touched = {y for y, read in zip(range(-60, 61), reads, strict=True) if read & places(span, tile)}
    if after is None:
        assert (
            span.pitch % stride or not touched or not {y for y in touched if reads[y + 60] & places(span, 0)}
        )
        return
    assert places(after, tile) == touched
    first, last = span.measure_margins(after, slides)
    needed = set().union(*(reads[y + 60] for y in places(after, tile)))
    assert min(needed) == min(places(span, tile)) - first
    assert max(needed) == max(places(span, tile)) + last
