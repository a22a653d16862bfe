# ruff: noqa: T201
# Stands in for mvn: $FAKE_MVN says how it behaves. Its first line is put before it by the test.
import os
import sys
import time
from pathlib import Path

MODE = os.environ["FAKE_MVN"]
out = Path(next(word for word in sys.argv if word.startswith("-DoutputDirectory=")).partition("=")[2])
pom = Path(sys.argv[sys.argv.index("-f") + 1]).read_text("utf-8")
version = pom.partition("<neo4j.version>")[2].partition("<")[0]
(out / "neo4j-kernel.jar").write_text("kernel")
if MODE == "fails":
    print("[INFO] Downloading\n[ERROR] Could not transfer artifact: Connection refused\n[ERROR] Help 1")
    sys.exit(1)
if MODE == "hangs":
    time.sleep(60)
if "gds" in sys.argv:
    version_of_gds = pom.partition("<gds.version>")[2].partition("<")[0]
    (out / f"core-{version_of_gds}.jar").write_text("no procedures")
    (out / f"proc-catalog-{version_of_gds}.jar").write_text("procedures")
if MODE != "brings too little":
    (out / f"neo4j-server-{version}.jar").write_text("server")
with Path(os.environ["GRAPHPATH_CACHE"], "calls").open("a") as calls:
    calls.write("x")
