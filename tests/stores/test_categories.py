"""Files of categories: how their classes are found, and what is refused."""

from pathlib import Path

import pytest

from graphpath.errors import DataError
from graphpath.stores import Scheme
from graphpath.stores.categories import describe_groups, merge_groups

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "imagenet-classes.csv"
ANIMALS = {0: "tench", 1: "n01443537_goldfish", 2: "crane", 3: "crane", 4: "great white shark"}


def write(folder: Path, text: str) -> Path:
    path = folder / "categories.csv"
    path.write_text(text, encoding="utf-8")
    return path


def match(folder: Path, text: str, classes: dict[int, str] = ANIMALS, **options: str) -> dict[int, str]:
    return Scheme.read(write(folder, text), "coarse", **options).match(classes)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name,category\ntench,fish\nGreat White-Shark,fish\n", {0: "fish", 4: "fish"}),
        ("wnid,category\nn01443537,fish\nn01440764,fish\n", {1: "fish"}),
        ("label,category\n0,fish\n2,bird\n9,none of them\n", {0: "fish", 2: "bird"}),
        ("index,category16\n0,fish\n1,\n2,\n", {0: "fish"}),
        ("name,label,category\nthing,2,bird\ntench,1,fish\n", {0: "fish"}),
        ("label,name,category\n2,crane,bird\n3,crane,machine\n", {2: "bird", 3: "machine"}),
        ("\ufeffname,category\ntench,fish\nunknown,fish\n", {0: "fish"}),
        ('name,category\n"tench","fish, fresh water"\n', {0: "fish, fresh water"}),
        ("name,category\ntench,fish\ntench,fish\n", {0: "fish"}),
    ],
)
def test_classes_are_found_by_name_then_by_number(tmp_path: Path, text: str, wanted: dict[int, str]) -> None:
    assert match(tmp_path, text) == wanted


def test_a_column_can_be_named(tmp_path: Path) -> None:
    assert match(tmp_path, "name,kind,category\ntench,fish,x\n", column="kind") == {0: "fish"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has the columns none: expected one called category"),
        ("name,kind\ntench,fish\n", "has the columns name, kind: expected one called category"),
        ("name,category1,category2\n", "expected one called category, or say which"),
        ("colour,category\nred,fish\n", "none tells which class a row is about"),
        ("name,category\ntench,\n", "column 'category' is empty"),
        ("name,category\nperch,fish\n", "names none of the classes of the trace, which are 'tench'"),
        (
            "index,name,category\n0,perch,fish\n",
            "To go by their numbers all the same, leave the columns of names",
        ),
        ("name,category\ncrane,bird\n", "'crane' is the name of 2 classes"),
        ("name,category\ntench,fish\nTench,bird\n", "into two categories, 'fish' and 'bird'"),
    ],
)
def test_what_is_no_scheme_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        match(tmp_path, text)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "binary.csv"):
        with pytest.raises(DataError, match="cannot be read as a CSV file of categories"):
            Scheme.read(path, "coarse")
    good = write(tmp_path, "name,category\ntench,fish\n")
    with pytest.raises(DataError, match="has no column 'kind'; it has name, category"):
        Scheme.read(good, "coarse", "kind")
    for name in ("classes", "", "a b", "x" * 65, "-x", "a/b"):
        with pytest.raises(DataError, match="scheme"):
            Scheme.read(good, name)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/data")
def test_the_16_categories_of_imagenet() -> None:
    meta = pytest.importorskip("torchvision.models._meta")
    names = dict(enumerate(meta._IMAGENET_CATEGORIES))
    scheme = Scheme.read(SHARED, "coarse")
    found = scheme.match(names)
    assert len(found) == 207
    assert len(set(found.values())) == 16
    assert found[207] == "dog"
    classes = [
        {"category": 10 + k, "scheme": "imagenet", "label": k, "name": name} for k, name in names.items()
    ]
    said = describe_groups(merge_groups([], [], classes, scheme), classes, scheme)
    assert said == "Scheme coarse: 207 of the 1,000 classes are in 16 categories; 793 are in none."
