"""Engine handles on embedded files: one for each state of a file in a process, counted, shared by threads.

An engine must not be closed while one of its queries runs, and a file that is replaced must be opened anew.
So whoever asks takes a lease: it holds the handle of the file's present state, which is closed when its
last lease is given back. Each thread has a connection of its own for as long as it asks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from graphpath.errors import StoreUnavailable
from graphpath.stores.engine import LadybugSession
from graphpath.stores.location import Generation, read_generation
from graphpath.stores.vetting import check_content, check_file


class HandleKey(NamedTuple):
    """What a handle is of."""

    path: Path
    generation: Generation
    buffer_bytes: int


class Lease:
    """A handle that stays open until ``release``; made by :func:`take_lease`."""

    def __init__(self, handle: _Handle) -> None:
        self._handle: _Handle | None = handle
        self._process = os.getpid()
        self.key = handle.key

    @contextmanager
    def session(self) -> Iterator[LadybugSession]:
        """A connection for one thread."""
        assert self._handle is not None, "released"
        with self._handle.session() as session:
            yield session

    @property
    def is_inherited(self) -> bool:
        """Whether it was taken in a process of which this one is a fork: it cannot be used here."""
        return self._process != os.getpid()

    def share(self) -> Lease:
        """Another lease of the same handle."""
        assert self._handle is not None, "released"
        return Lease(_pool.hold(self._handle))

    def release(self) -> None:
        """Give it back; a second time changes nothing."""
        handle, self._handle = self._handle, None
        if handle is not None and not self.is_inherited:
            _pool.release(handle)


def take_lease(path: Path, buffer_bytes: int) -> Lease:
    """A lease of the engine on the store ``path`` as it is now, with a buffer pool of ``buffer_bytes``.

    Raises:
        StoreUnavailable: there is no store, it cannot be opened, or another version made it.
    """
    while True:
        key = HandleKey(path, _read_present(path), buffer_bytes)
        handle = _pool.take(key)
        try:
            handle.open()
            if _read_present(path) == key.generation:
                return Lease(handle)
        except BaseException:
            _pool.release(handle)
            raise
        _pool.release(handle)  # replaced while it was opened: nobody knows which of the two it is


def _read_present(path: Path) -> Generation:
    if (found := read_generation(path)) is None:
        raise StoreUnavailable(
            f"There is no store at {path}: `graphpath load DIR --store {path}` makes it."
        ) from FileNotFoundError(path)
    return found


class KeptLease:
    """The lease that one store keeps between its queries, so that the next need not open the file again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lease: Lease | None = None

    def take_lease(self, path: Path, buffer_bytes: int) -> Lease:
        """A lease of the store ``path`` as it is now; raises as :func:`take_lease`."""
        with self._lock:
            wanted = HandleKey(path, _read_present(path), buffer_bytes)
            if self._lease is None or self._lease.key != wanted or self._lease.is_inherited:
                self._swap(None)  # the old one first: there may be no room for both
                self._swap(take_lease(path, buffer_bytes))
            assert self._lease is not None
            return self._lease.share()

    def release(self) -> None:
        """Keep none."""
        with self._lock:
            self._swap(None)

    def _swap(self, lease: Lease | None) -> None:
        before, self._lease = self._lease, lease
        if before is not None:
            before.release()


class _Handle:
    """A database file, opened once to be read, and connections to it that wait to be used again."""

    def __init__(self, key: HandleKey) -> None:
        self.key = key
        self.leases = 0
        self._lock = threading.Lock()
        self._session: LadybugSession | None = None
        self._idle: list[LadybugSession] = []

    def open(self) -> None:
        """Open the file, unless that is done. Whoever else wants it waits."""
        with self._lock:
            if self._session is None:
                self._session = _open_session(self.key)

    @contextmanager
    def session(self) -> Iterator[LadybugSession]:
        with self._lock:
            assert self._session is not None, "not open"
            session = self._idle.pop() if self._idle else self._session.connect_again()
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)

    def close(self) -> None:
        for session in (*self._idle, self._session):
            if session is not None:
                session.close()


def _open_session(key: HandleKey) -> LadybugSession:
    check_file(key.path)
    session = LadybugSession(key.path, read_only=True, buffer_bytes=key.buffer_bytes)
    try:
        check_content(session, key.path)
    except BaseException:
        session.close()
        raise
    return session


class _Pool:
    """The handles of this process by what they are of."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handles: dict[HandleKey, _Handle] = {}

    def take(self, key: HandleKey) -> _Handle:
        with self._lock:
            handle = self._handles.setdefault(key, _Handle(key))
            handle.leases += 1
            return handle

    def hold(self, handle: _Handle) -> _Handle:
        with self._lock:
            handle.leases += 1
            return handle

    def release(self, handle: _Handle) -> None:
        with self._lock:
            handle.leases -= 1
            last = handle.leases == 0
            if last and self._handles.get(handle.key) is handle:
                del self._handles[handle.key]
        if last:
            handle.close()

    def __len__(self) -> int:
        return len(self._handles)


_pool = _Pool()
_inherited: list[_Pool] = []


def count_open_handles() -> int:
    """How many files this process has open."""
    return len(_pool)


def _forget_inherited() -> None:
    """In a child that was forked: an engine's threads are not there, so its handles are left alone."""
    global _pool
    _inherited.append(_pool)
    _pool = _Pool()


os.register_at_fork(after_in_child=_forget_inherited)
