"""Processes of ours: when one is gone, and what it holds until then."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphpath.errors import ServerError
from graphpath.server import ports
from graphpath.server.process import Process, read_start

# Its first thread ends; the one that listens stays: what the system shows of a server that is being killed.
HALF_GONE = """
import ctypes, socket, threading, time
heard = socket.create_server(("127.0.0.1", 0))
def stay():
    time.sleep(60)
threading.Thread(target=stay, daemon=True).start()
print(heard.getsockname()[1], flush=True)
ctypes.CDLL(None).pthread_exit(None)
"""

# Freeing so much memory takes a while, in which the system shows no command line and the port is taken still.
LARGE = """
import socket, time
held = b"x" * (400 << 20)
heard = socket.create_server(("127.0.0.1", 0))
print(heard.getsockname()[1], flush=True)
time.sleep(60)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_a_process_is_alive_until_its_last_thread_lets_go_of_its_port() -> None:
    with subprocess.Popen([sys.executable, "-c", HALF_GONE], stdout=subprocess.PIPE, text=True) as child:
        process = Process(child.pid, read_start(child.pid) or "", "-c")
        port = int(child.stdout.readline())
        state = Path(f"/proc/{child.pid}/stat")
        until = time.monotonic() + 10
        while state.read_text().rpartition(")")[2].split()[0] != "Z" and time.monotonic() < until:
            time.sleep(0.01)
        assert process.alive
        with pytest.raises(ServerError, match=f"Port {port} is taken"):
            ports.choose(port, 0)
        child.send_signal(signal.SIGKILL)
        while process.alive and time.monotonic() < until:
            time.sleep(0.01)
        assert not process.alive
        assert ports.choose(port, 0)[0] == port


def test_a_killed_process_is_alive_until_its_port_is_free() -> None:
    for _ in range(5):
        with subprocess.Popen([sys.executable, "-c", LARGE], stdout=subprocess.PIPE, text=True) as child:
            process = Process(child.pid, read_start(child.pid) or "", "-c")
            port = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            until = time.monotonic() + 10
            while process.alive and time.monotonic() < until:
                pass
            assert ports.choose(port, 0)[0] == port


def test_free_ports_are_not_those_of_outgoing_connections() -> None:
    outgoing = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(20):
        bolt, http = ports.choose(0, 0)
        assert bolt != http
        assert min(bolt, http) >= ports.LOWEST and max(bolt, http) < outgoing
    with socket.create_server((ports.HOST, bolt)):
        assert bolt not in ports.choose(0, 0)
