# ruff: noqa: T201
# Stands in for java: $FAKE_JAVA says how it behaves. Its first line is put before it by the test.
import json
import os
import signal
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

MODE = os.environ["FAKE_JAVA"]
VERSIONS = {"java 8": '1.8.0_402"', "java 11": '11.0.2" 2019', "java 25": '25" 2025', "java 21": '21.0.4" x'}


def main():
    if "-version" in sys.argv:
        if MODE == "broken":
            sys.exit("Error: could not find libjava.so")
        print('openjdk version "' + VERSIONS.get(MODE, '17.0.1" 2021'), file=sys.stderr)
    elif "org.neo4j.cli.AdminTool" in sys.argv:
        words = sys.argv[sys.argv.index("org.neo4j.cli.AdminTool") + 1 :]
        secret = [Path(word[1:]).read_text("utf-8") for word in words if word.startswith("@")]
        print("admin", *words)
        Path(os.environ["NEO4J_HOME"], "data", "argv.json").write_text(json.dumps(sys.argv), "utf-8")
        Path(os.environ["NEO4J_HOME"], "data", "secret").write_text("".join(secret), "utf-8")
        sys.exit("no such command" if MODE == "admin fails" else 0)
    else:
        run()


def run():
    says = {
        "out of memory": "Error occurred during initialization of VM\nCould not reserve enough space",
        "port taken late": "java.net.BindException: Address already in use",
        "locked": "org.neo4j.io.locker.FileLockException: Lock file has been locked by another process",
        "full disk": "java.io.IOException: No space left on device",
        "dies": "Exception in thread main: something nobody has thought of",
    }
    print("the log of the fake")
    if MODE in says:
        sys.exit(says[MODE])
    if MODE == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if MODE == "hangs":
        sys.stdout.flush()
        time.sleep(60)
    serve()


def serve():
    home = next(word for word in sys.argv if word.startswith("--home-dir=")).partition("=")[2]
    lines = Path(home, "conf", "neo4j.conf").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    socketserver.ThreadingTCPServer.allow_reuse_address = True
    socketserver.ThreadingTCPServer.daemon_threads = True
    for name, handler in (("bolt", Bolt), ("http", Http)):
        host, _, port = settings[f"server.{name}.listen_address"].partition(":")
        listener = socketserver.ThreadingTCPServer((host, int(port)), handler)
        threading.Thread(target=listener.serve_forever, daemon=True).start()
    time.sleep(60)


class Bolt(socketserver.BaseRequestHandler):
    def handle(self):
        if self.request.recv(20)[:4] == b"\x60\x60\xb0\x17":
            self.request.sendall(b"\0\0\x04\x05")


class Http(BaseHTTPRequestHandler):
    def do_POST(self):
        body = b'{"errors": []}'
        self.send_response(401 if MODE == "other password" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


main()
