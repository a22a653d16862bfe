"""Where graphpath runs: Linux and macOS. On another system this module says so as it is imported.

Locks between processes (``flock``) keep two writers apart, and what they keep apart would be lost without
them. The limits of the process that runs free Cypher, and the signals that end it, are POSIX's too.
"""

from __future__ import annotations

from graphpath.errors import UnsupportedSystem

try:
    import fcntl
except ModuleNotFoundError as error:
    raise UnsupportedSystem(
        "graphpath runs on Linux and macOS, and this system has no file locks as they have. On Windows use "
        "the Windows Subsystem for Linux, or the container of docker/compose.yaml."
    ) from error

__all__ = ["fcntl"]
