"""What ``--model`` may say: literals are read, nothing is run, all else is refused in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.errors import ModelError
from graphpath.models.spec import Member, Named, Stored, parse_arguments, parse_spec

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(str.isidentifier)
KEYWORDS = NAMES.filter(lambda name: name not in {"None", "True", "False"} and not _is_reserved(name))
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
LITERALS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


def _is_reserved(name: str) -> bool:
    import keyword

    return keyword.iskeyword(name)


@given(st.lists(LITERALS, max_size=3), st.dictionaries(KEYWORDS, LITERALS, max_size=3))
@settings(deadline=None)
def test_literals_come_back_as_they_were(positional: list[Any], named: dict[str, Any]) -> None:
    written = ", ".join([*map(repr, positional), *(f"{key}={value!r}" for key, value in named.items())])
    spec = parse_spec(f"some/nets.py:Net({written})")
    assert isinstance(spec, Member)
    assert (spec.place, spec.name, spec.title) == (Path("some/nets.py"), "Net", f"nets.py:Net({written})")
    assert (spec.arguments.positional, spec.arguments.named) == (tuple(positional), named)
    assert spec.arguments.given
    assert parse_spec(f"resnet18({written})") == Named("resnet18", spec.arguments)


@given(st.text(max_size=60) | st.text(alphabet="a1.:/()=,*'\"[]{}py ", max_size=60))
@settings(deadline=None)
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    try:
        spec = parse_spec(text)
    except ModelError:
        return
    assert isinstance(spec, Named | Member | Stored)


RUNNING = [
    "width=print(1)",
    "width=__import__('os').mkdir('sprung')",
    "width=2*8",
    "f'{1}'",
    "lambda: 3",
    "[x for x in (1, 2)]",
    "width=relu",
    "width=nn.ReLU()",
    "width=1 if True else 2",
    "[1][0]",
    "(x := 3)",
    "not True",
]


@pytest.mark.parametrize("written", RUNNING)
def test_nothing_is_evaluated(written: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="is no literal"):
        parse_spec(f"nets:Net({written})")
    assert list(tmp_path.iterdir()) == []


def test_a_string_without_quotes_is_told_how_to_be_one() -> None:
    with pytest.raises(
        ModelError, match=r"the argument act is relu, which is no literal \(a string\? then 'relu'\)"
    ):
        parse_spec("nets:Net(act=relu)")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("(1", "cannot be read"),
        ("(1))", "cannot be read"),
        ("(a=1, a=2)", "the argument a is given twice"),
        ("(1)(2)", "one pair of parentheses"),
        ("(1).half()", "one pair of parentheses"),
        ("()[0]", "one pair of parentheses"),
        ("(*[1])", r"with \* or \*\*"),
        ("(**{'a': 1})", r"with \* or \*\*"),
        ("(\0)", "not what Python takes"),
        ("(" + "[" * 5000 + "]" * 5000 + ")", "cannot be read"),
        ("(" + "9" * 5000 + ")", "cannot be read"),
    ],
)
def test_what_is_no_call_is_refused(written: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        parse_arguments(written, "nets:Net")


@pytest.mark.parametrize(
    ("text", "place", "name", "title"),
    [
        ("nets.py:Net", Path("nets.py"), "Net", "nets.py:Net"),
        ("./my-nets.py:make", Path("my-nets.py"), "make", "my-nets.py:make"),
        ("a b/c (1).py:Net.build(3)", Path("a b/c (1).py"), "Net.build", "c (1).py:Net.build(3)"),
        ("net.v2.py:Net('x.py:y')", Path("net.v2.py"), "Net", "net.v2.py:Net('x.py:y')"),
        (" nets.py: Net ( 3 ) ", Path("nets.py"), "Net", "nets.py:Net ( 3 )"),
        ("pack.nets:Net(1)", "pack.nets", "Net", "pack.nets:Net(1)"),
    ],
)
def test_a_place_and_a_name(text: str, place: str | Path, name: str, title: str) -> None:
    spec = parse_spec(text)
    assert isinstance(spec, Member) and (spec.place, spec.name, spec.title) == (place, name, title)


def test_names_and_checkpoints(tmp_path: Path) -> None:
    assert parse_spec("resnet18") == Named("resnet18", parse_spec("resnet18").arguments)
    timms = parse_spec("timm:resnet18.a1_in1k(num_classes=3)")
    assert isinstance(timms, Named) and timms.timm and timms.name == "resnet18.a1_in1k"
    assert timms.arguments.named == {"num_classes": 3}
    assert parse_spec("absent.ckpt") == Stored(Path("absent.ckpt"))
    (tmp_path / "odd:name(1)").write_text("")
    assert parse_spec(str(tmp_path / "odd:name(1)")) == Stored(tmp_path / "odd:name(1)")


def test_what_is_not_whole_is_told_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nets.py").write_text("class Net: ...\ndef make(): ...\n_x = 1\n")
    Path("bare.py").write_text("x = 1\n")
    Path("wrong.py").write_text("class (")
    for text, said in [
        ("nets.py", r"such as nets\.py:Net, nets\.py:make"),
        ("bare.py", "defines no class and no function"),
        ("wrong.py", "say which network of the file"),
        ("absent.py", "no such file"),
        ("nets.py:", "is no name of a class or function"),
        ("nets.py:3", "is no name of a class or function"),
        ("./nets:Net", r"did you mean the file \./nets\.py"),
        ("my nets:Net", "expected module:function"),
        ("work.ipynb:Net", "is a notebook"),
        ("", "No model is named"),
        ("  ", "No model is named"),
        ("https://example.com/net.pt", "an address; fetch the file"),
    ]:
        with pytest.raises(ModelError, match=said):
            parse_spec(text)
