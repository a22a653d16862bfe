"""Every network in a process of its own, with a limit of time and of memory."""

from __future__ import annotations

import importlib
import multiprocessing
import resource
import signal
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from tests.networks.measuring import Measured, measure
from tests.networks.results import Key

_processes = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Limits:
    """What a network may take: seconds of a core, and gigabytes; whether it is measured in float64 alone."""

    seconds: float = 300.0
    memory: float = 8.0
    quick: bool = False


WAITING = 5
"""Seconds that a second of a core may take while others work on the machine."""


@dataclass
class _Running:
    key: Key
    process: BaseProcess
    answer: Connection
    until: float


def run(keys: Iterable[Key], limits: Limits, workers: int = 1) -> Iterator[Measured]:
    """What is found of each network, as it comes in."""
    keys = list(keys)
    waiting, running = iter(keys), list[_Running]()
    for package in {corpus for corpus, _ in keys} & {"timm", "pytorchcv"}:
        importlib.import_module(package)  # once, not in every process
    torch.set_num_threads(1)
    while True:
        for key in waiting:
            running.append(_start(key, limits))
            if len(running) >= workers:
                break
        if not running:
            return
        wait(
            [one.answer for one in running], timeout=max(0, min(r.until for r in running) - time.monotonic())
        )
        for one in [one for one in running if one.answer.poll() or one.until < time.monotonic()]:
            running.remove(one)
            yield _answered(one, limits)


def _start(key: Key, limits: Limits) -> _Running:
    ours, theirs = _processes.Pipe(duplex=False)
    process = _processes.Process(target=_measure, args=(key, theirs, limits))
    process.start()
    theirs.close()
    return _Running(key, process, ours, time.monotonic() + WAITING * limits.seconds)


def _answered(one: _Running, limits: Limits) -> Measured:
    try:
        if not one.answer.poll():
            return _too_long(one, limits)
        found: Measured = one.answer.recv()
        return found
    except EOFError:
        one.process.join(5)
        if one.process.exitcode == -signal.SIGXCPU:
            return _too_long(one, limits)
        return Measured(*one.key, "failed", f"its process ended with {one.process.exitcode}")
    finally:
        one.process.kill()
        one.process.join()
        one.answer.close()


def _too_long(one: _Running, limits: Limits) -> Measured:
    return Measured(*one.key, "failed", f"longer than {limits.seconds:.0f} s")


def _measure(key: Key, answer: Connection, limits: Limits) -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    size = int(limits.memory * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    used = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(used + limits.seconds), resource.RLIM_INFINITY))
    answer.send(measure(*key, limits.quick))
