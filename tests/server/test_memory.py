"""How much memory the server gets."""

from __future__ import annotations

import pytest

from graphpath.errors import ServerError
from graphpath.server.memory import measure_free, plan


@pytest.mark.parametrize(("asked", "total"), [("768m", 768), ("2g", 2048), ("2GB", 2048), ("1 GiB", 1024)])
def test_sizes(asked: str, total: int) -> None:
    room = plan(asked, free=100_000)
    assert room.total == total
    assert room.heap == total * 2 // 3


@pytest.mark.parametrize(("free", "total"), [(2000, 768), (8000, 2000), (64_000, 4096), (None, None)])
def test_by_default_a_quarter_of_what_is_free(free: int | None, total: int | None) -> None:
    if free is None:
        assert plan().total >= 768
    else:
        assert plan(free=free).total == total


def test_too_little() -> None:
    with pytest.raises(ServerError, match=r"900 MB are free; .*--memory"):
        plan("2g", free=900)
    with pytest.raises(ServerError, match="900 MB are free"):
        plan(free=900)
    with pytest.raises(ServerError, match="at least --memory 512m"):
        plan("100m", free=10_000)


@pytest.mark.parametrize("text", ["", "1", "lots", "1t", "-1g", "1.5g"])
def test_no_size(text: str) -> None:
    with pytest.raises(ServerError, match="is not a size: write it as 768m or 2g"):
        plan(text, free=10_000)


def test_this_machine_says() -> None:
    free = measure_free()
    assert free is None or 0 < free < 1 << 30
