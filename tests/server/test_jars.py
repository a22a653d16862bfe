"""The download: once, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from graphpath.errors import ServerError
from graphpath.server.jars import POM, ensure_jars, is_complete, version
from graphpath.server.java import build_command

Fake = Callable[..., None]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def calls(cache: Path) -> int:
    return len((cache / "calls").read_text("utf-8"))


def left(cache: Path) -> list[str]:
    return sorted(path.name for path in (cache / "neo4j").iterdir() if path.name != "lock")


def test_it_comes_once(cache: Path, fake: Fake) -> None:
    fake(mvn="brings")
    said: list[str] = []
    folder = ensure_jars(cache, say=said.append)
    assert folder == cache / "neo4j" / version()
    assert sorted(path.name for path in folder.glob("*.jar")) == [
        "neo4j-kernel.jar",
        f"neo4j-server-{version()}.jar",
    ]
    assert ensure_jars(cache, say=said.append) == folder
    assert calls(cache) == len(said) == 1


def test_with_gds_it_lies_beside_the_other(cache: Path, fake: Fake) -> None:
    fake(mvn="brings")
    plain, folder = ensure_jars(cache), ensure_jars(cache, gds=True)
    assert folder == cache / "neo4j" / f"{version()}-gds-{version('gds')}"
    # Neo4j looks for procedures in every jar of this folder: its own must not be there, others need not.
    assert [path.name for path in (folder / "plugins").iterdir()] == [f"proc-catalog-{version('gds')}.jar"]
    assert not (plain / "plugins").exists()
    assert (ensure_jars(cache), ensure_jars(cache, gds=True)) == (plain, folder)
    assert calls(cache) == 2
    path = build_command(Path("java"), folder, 512, "Main", [])[-2]
    assert path == f"{folder}/*:{folder}/plugins/*"
    assert build_command(Path("java"), plain, 512, "Main", [])[-2] == f"{plain}/*"
    (folder / "plugins" / f"proc-catalog-{version('gds')}.jar").unlink()
    assert not is_complete(folder)


@pytest.mark.parametrize("damage", ["unlink", "shorten", "manifest"])
def test_a_damaged_one_comes_again(damage: str, cache: Path, fake: Fake) -> None:
    fake(mvn="brings")
    folder = ensure_jars(cache)
    jar = folder / "neo4j-kernel.jar"
    if damage == "unlink":
        jar.unlink()
    elif damage == "shorten":
        jar.write_text("ker", "utf-8")
    else:
        (folder / "manifest.json").write_text("{", "utf-8")
    assert not is_complete(folder)
    assert is_complete(ensure_jars(cache))
    assert calls(cache) == 2


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("fails", "Maven could not fetch Neo4j .*network"),
        ("brings too little", "brought no neo4j-server"),
        ("hangs", "did not fetch Neo4j within 1 s"),
    ],
)
def test_a_download_that_fails_leaves_nothing(mode: str, said: str, cache: Path, fake: Fake) -> None:
    fake(mvn=mode)
    with pytest.raises(ServerError, match=said) as caught:
        ensure_jars(cache, timeout=1 if mode == "hangs" else 60)
    assert left(cache) == []
    assert ("[ERROR] Could not transfer" in caught.value.log) == (mode == "fails")
    assert "[INFO]" not in caught.value.log


def test_what_an_interrupted_one_left_is_swept(cache: Path, fake: Fake) -> None:
    fake(mvn="brings")
    half = cache / "neo4j" / ".partial-x"
    half.mkdir(parents=True)
    (half / f"neo4j-server-{version()}.jar").touch()
    ensure_jars(cache)
    assert left(cache) == [version()]


def test_no_maven(cache: Path, programs: Path) -> None:
    with pytest.raises(ServerError, match=r"no mvn on the path: install it .* or use docker/compose\.yaml"):
        ensure_jars(cache)


def test_two_at_once_fetch_once(cache: Path, fake: Fake) -> None:
    fake(mvn="brings")
    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(lambda _: ensure_jars(cache), range(2)))
    assert folders[0] == folders[1]
    assert calls(cache) == 1


def test_a_cache_that_cannot_be_made(tmp_path: Path, fake: Fake) -> None:
    fake(mvn="brings")
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="set GRAPHPATH_CACHE"):
        ensure_jars(tmp_path / "file")


def test_the_pom_names_versions_and_no_place() -> None:
    text = POM.read_text(encoding="utf-8")
    assert "<repositor" not in text
    assert "SNAPSHOT" not in text and "LATEST" not in text and "[" not in text
    assert json.dumps(version()) == '"5.26.30"'
    assert version("gds").startswith("2.13.")  # the line for Neo4j 5.26
