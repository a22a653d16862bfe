"""Bytes and values as damage, carelessness and malice make them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Random = np.random.Generator


def mutated(data: bytes, random: Random) -> bytes:
    """``data`` with one to eight changes, each of a kind drawn at random."""
    for _ in range(int(random.integers(1, 9))):
        data = _KINDS[int(random.integers(len(_KINDS)))](data, random)
    return data


def _place(data: bytes, random: Random) -> int:
    """Anywhere; every other time near the front, where the headers are."""
    most = len(data) if random.random() < 0.5 else min(len(data), 64)
    return int(random.integers(0, most + 1))


def _flip(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = min(_place(data, random), len(data) - 1)
    return data[:at] + bytes([data[at] ^ 1 << int(random.integers(8))]) + data[at + 1 :]


def _set(data: bytes, random: Random) -> bytes:
    if not data:
        return data
    at = min(_place(data, random), len(data) - 1)
    value = (0, 1, 127, 128, 255, int(random.integers(256)))[int(random.integers(6))]
    return data[:at] + bytes([value]) + data[at + 1 :]


def _fill(data: bytes, random: Random) -> bytes:
    at, size = _place(data, random), int(random.integers(1, 9))
    return data[:at] + (b"\x00", b"\xff")[int(random.integers(2))] * size + data[at + size :]


def _cut(data: bytes, random: Random) -> bytes:
    return data[: _place(data, random)] if random.random() < 0.3 else data


def _drop(data: bytes, random: Random) -> bytes:
    at, size = _place(data, random), int(random.integers(1, 65))
    return data[:at] + data[at + size :]


def _repeat(data: bytes, random: Random) -> bytes:
    at, size = _place(data, random), int(random.integers(1, 65))
    return data[: at + size] + data[at:]


def _insert(data: bytes, random: Random) -> bytes:
    at = _place(data, random)
    return data[:at] + random.bytes(int(random.integers(1, 17))) + data[at:]


_KINDS: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _flip,
    _set,
    _set,
    _fill,
    _cut,
    _drop,
    _repeat,
    _insert,
)
