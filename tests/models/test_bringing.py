"""Networks in files and modules of a user's own: how they are found, made, and refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from torch import nn

from graphpath.errors import ModelError
from graphpath.models import LoadedModel, load_model

NETS = '''
"""A user's networks."""
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, classes=3, *, act="relu", kernels=(3, 3)):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernels[0], padding=1)
        self.bn1 = nn.BatchNorm2d(width)
        self.act = {"relu": nn.ReLU(), "gelu": nn.GELU()}[act]
        self.fc = nn.Linear(width, classes)
    def forward(self, x):
        return self.fc(self.act(self.bn1(self.conv1(x))).mean((2, 3)))

class Needs(Net):
    def __init__(self, depth, *, width):
        super().__init__(width)

class Outer:
    class Inner(Net):
        pass
    @classmethod
    def build(cls, width=5):
        return Net(width)

class Raises(Net):
    def __init__(self):
        raise ValueError("the width must be\\n  a multiple of 8")

class Plain:
    pass

def make(width=4):
    return Net(width)

def factory():
    return Net

def pair():
    return Net(), "a transform"

def ended():
    raise SystemExit(3)

def frozen():
    with torch.inference_mode():
        return Net()

def halved():
    return Net().half()

def lazy():
    return nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten())

def hollow():
    with torch.device("meta"):
        return Net()

def infinite():
    net = Net()
    net.fc.bias.data[1] = float("inf")
    return net

def sparse():
    net = Net()
    net.register_buffer("table", torch.eye(3).to_sparse())
    return net

def complex_numbers():
    net = Net()
    net.phase = nn.Parameter(torch.ones(2, dtype=torch.complex64))
    return net

def quantised():
    return torch.ao.quantization.quantize_dynamic(Net(), {nn.Linear})

def settings():
    import os
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return Net()

torch.manual_seed(5)
net = Net(width=6)
constant = 3
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of networks that no other test imports as a module."""
    (tmp_path / "own.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def classify(model: LoadedModel) -> torch.Tensor:
    """The logits of two images."""
    with torch.no_grad():
        logits: torch.Tensor = model.module(torch.rand(2, 3, 8, 8))
    return logits


@pytest.mark.parametrize(
    ("spec", "width", "title"),
    [
        ("own.py:Net", 4, "own.py:Net"),
        ("own.py:Net()", 4, "own.py:Net()"),
        ("own.py:Net(16)", 16, "own.py:Net(16)"),
        ("./own.py:Net(width=7, kernels=[3, 1])", 7, "own.py:Net(width=7, kernels=[3, 1])"),
        ("own.py:Net(act='gelu')", 4, "own.py:Net(act='gelu')"),
        ("own.py:Needs(2, width=8)", 8, "own.py:Needs(2, width=8)"),
        ("own.py:Outer.Inner(5)", 5, "own.py:Outer.Inner(5)"),
        ("own.py:Outer.build", 5, "own.py:Outer.build"),
        ("own.py:make(width=9)", 9, "own.py:make(width=9)"),
        ("own.py:net", 6, "own.py:net"),
        ("own.py:frozen", 4, "own.py:frozen"),
        ("own.py:halved", 4, "own.py:halved"),
    ],
)
def test_classes_functions_and_networks_of_a_file(folder: Path, spec: str, width: int, title: str) -> None:
    loaded = load_model(spec)
    assert loaded.name == title and not loaded.module.training
    assert loaded.module.conv1.weight.shape[0] == width  # type: ignore[union-attr, index]
    assert classify(loaded).shape == (2, 3)
    assert loaded.sha256 == load_model(spec).sha256
    assert str(loaded.describe()["weights"]).startswith("as the code makes them")


def test_a_module_takes_arguments_too(folder: Path) -> None:
    (folder / "own_as_module_nets.py").write_text(NETS)
    assert load_model("own_as_module_nets:Net(width=3)").module.conv1.weight.shape[0] == 3  # type: ignore[union-attr, index]
    assert load_model("torch.nn:Linear(4, out_features=2)").name == "torch.nn:Linear(4, out_features=2)"


@pytest.mark.parametrize("name", ["my-net.py", "net.v2.py", "a (b).py", "größe.py", "class.py"])
def test_files_by_any_name(folder: Path, name: str) -> None:
    (folder / "sub folder").mkdir()
    (folder / "sub folder" / name).write_text(NETS)
    loaded = load_model(f"sub folder/{name}:Net(width=3)")
    assert loaded.name == f"{name}:Net(width=3)" and classify(loaded).shape == (2, 3)
    assert load_model(f"{folder / 'sub folder' / name}:Net(width=3)").sha256 == loaded.sha256


def test_a_file_that_changed_is_read_again(folder: Path) -> None:
    assert load_model("own.py:make").module.conv1.weight.shape[0] == 4  # type: ignore[union-attr, index]
    (folder / "own.py").write_text(NETS.replace("def make(width=4)", "def make(width=12)"))
    assert load_model("own.py:make").module.conv1.weight.shape[0] == 12  # type: ignore[union-attr, index]


def test_a_network_in_a_module_is_left_as_it_is(folder: Path) -> None:
    """Weights go into a copy of it."""
    (folder / "own_kept_nets.py").write_text(NETS)
    first = load_model("own_kept_nets:net")
    torch.save({k: v + 1 for k, v in first.module.state_dict().items()}, folder / "other.pt")
    assert load_model("own_kept_nets:net", weights="other.pt").sha256 != first.sha256
    assert load_model("own_kept_nets:net").sha256 == first.sha256


# ---- what lies beside a file -------------------------------------------------------------------------

BLOCK = "from torch import nn\ndef block():\n    return nn.Conv2d(3, {width}, 1)\n"
USER = """
from torch import nn
{imports}
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = block()
    def forward(self, x):
        {inside}
        return self.conv(x).mean((2, 3))
"""


def write_user(folder: Path, imports: str, width: int, inside: str = "pass") -> Path:
    """A file that imports its neighbour blocks.py, which makes ``width`` maps."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "blocks.py").write_text(BLOCK.format(width=width))
    (folder / "net.py").write_text(USER.format(imports=imports, inside=inside))
    return folder / "net.py"


@pytest.mark.parametrize("imports", ["from blocks import block", "from .blocks import block"])
def test_two_files_have_each_its_own_neighbour(folder: Path, imports: str) -> None:
    """In one process; the second does not get the first one's module of the same name."""
    files = [write_user(folder / str(width), imports, width) for width in (2, 5, 3)]
    models = [load_model(f"{file}:Net") for file in files]
    assert [classify(model).shape[1] for model in models] == [2, 5, 3]


def test_a_neighbour_that_changed_is_read_again(folder: Path) -> None:
    file = write_user(folder / "edited", "from .blocks import block", 2)
    assert classify(load_model(f"{file}:Net")).shape[1] == 2
    write_user(folder / "edited", "from .blocks import block", 12)
    assert classify(load_model(f"{file}:Net")).shape[1] == 12


def test_a_forward_pass_may_import_a_neighbour(folder: Path) -> None:
    file = write_user(folder / "late", "from blocks import block", 4, "import lately_imported_neighbour")
    (folder / "late" / "lately_imported_neighbour.py").write_text("")
    assert classify(load_model(f"{file}:Net")).shape == (2, 4)


def test_packages_import_relatively_and_by_name(folder: Path) -> None:
    for place in ("own_pack", "own_pack/sub"):
        (folder / place).mkdir()
        (folder / place / "__init__.py").write_text("from .blocks import block\n")
        (folder / place / "blocks.py").write_text(BLOCK.format(width=len(place)))
    write_user(folder / "own_pack" / "sub", "from ..blocks import block\nfrom own_pack.sub import blocks", 3)
    for spec in ("own_pack/sub/net.py:Net", "own_pack.sub.net:Net"):
        assert classify(load_model(spec)).shape == (2, len("own_pack"))
    assert load_model("./own_pack:block").name == "./own_pack:block"


def test_what_a_file_prints_is_kept_from_stdout(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "loud.py").write_text("print('hello from the file')\n" + NETS)
    load_model("loud.py:Net")
    said = capfd.readouterr()
    assert said.out == "" and "hello from the file" in said.err


# ---- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("own.py:Ner", r"own\.py has no Ner; did you mean Net"),
        ("own.py:xyzzy", r"own\.py has no xyzzy; it defines .*Net"),
        ("own.py:Outer.Iner", "has no Outer.Iner; did you mean Inner"),
        ("owm.py:Net", r"there is no file owm\.py; did you mean own\.py"),
        ("nowhere/own.py:Net", "there is no file nowhere/own.py"),
        (
            "own.py:Net(widht=3)",
            r"unexpected keyword argument 'widht'; Net takes \(width=4, classes=3, \*, act",
        ),
        ("own.py:Net(1, 2, 3)", "too many positional arguments; Net takes"),
        ("own.py:Needs", r"missing a required argument: 'depth'; Needs takes \(depth, \*, width\)"),
        ("own.py:net()", "net is a network already, a Net; leave out the parentheses"),
        ("own.py:constant", "constant is a int, expected a network, or a class or function"),
        ("own.py:Plain", "it returned Plain"),
        ("own.py:factory", "it returned the class Net, not a network of it"),
        ("own.py:pair", "a tuple with a network in it; write a function that returns the network alone"),
        ("own.py:Raises", r"failed with ValueError: the width must be a multiple of 8 \(own\.py, line 29\)"),
        ("own.py:ended", "calling it ended the program"),
        ("own.py:lazy", "the weight 0.weight has no shape yet"),
        ("own.py:hollow", r"the weight conv1.weight has no values \(device meta\)"),
        ("own.py:sparse", "the weight table is sparse; expected dense real numbers"),
        ("own.py:complex_numbers", "the weight phase is complex; expected dense real numbers"),
        ("own.py:infinite", "1 of 3 weights of fc.bias are NaN or infinite"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, spec: str, said: str) -> None:
    with pytest.raises(ModelError, match=said) as caught:
        load_model(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise RuntimeError('no GPU\\nfound')", r"RuntimeError: no GPU found \(odd\.py, line 1\)"),
        ("import a_package_not_here", "it needs a_package_not_here, which is not installed here"),
        ("from math import nothing_such", "ImportError: cannot import name 'nothing_such'"),
        ("class Net(:", r"SyntaxError: invalid syntax \(odd\.py, line 1\)"),
        ("import sys; sys.exit()", "ended the program.*__main__"),
        ("def f(): f()\nf()", "RecursionError"),
        ("raise ValueError('x' * 10_000)", r"ValueError: x{300}\.\.\."),
        ("\0", "failed with (ValueError|SyntaxError)"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_imported_is_refused(folder: Path, text: str, said: str) -> None:
    (folder / "odd.py").write_text(text)
    with pytest.raises(ModelError, match=f"odd.py:Net: importing odd.py .*{said}") as caught:
        load_model("odd.py:Net")
    assert len(str(caught.value)) < 600
    assert not [name for name in sys.modules if name.endswith(".odd")]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ("absent.pt", "'absent.pt': no such file of weights"),
        ("", "'': no such file of weights"),
        ("", "no such file of weights"),
        (".", "a folder, expected a file of weights"),
    ],
)
def test_weights_that_are_none_are_refused(folder: Path, weights: str, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        load_model("own.py:Net", weights=weights)


def test_weights_go_into_what_a_file_makes(folder: Path) -> None:
    source = load_model("own.py:Net", seed=9)
    torch.save({"state_dict": {f"module.{k}": v for k, v in source.module.state_dict().items()}}, "net.pth")
    for name in ("Net", "frozen", "hollow"):
        loaded = load_model(f"own.py:{name}", weights="net.pth")
        assert loaded.sha256 == source.sha256
        assert loaded.weights == "from net.pth (under state_dict, without the prefix module.)"
    frozen = load_model("own.py:frozen", weights="net.pth").module
    assert all(type(value) is nn.Parameter and value.requires_grad for value in frozen.parameters())
    halved = load_model("own.py:halved", weights="net.pth")
    assert "widened from float16 to float32" in str(halved.weights)
    assert {value.dtype for value in halved.module.parameters()} == {torch.float32}


def test_a_model_that_says_all_of_itself_takes_weights_too(folder: Path) -> None:
    (folder / "whole.py").write_text(
        "from torch import nn\nfrom graphpath.models import LoadedModel, Normalize, digest_weights\n"
        "def make():\n    net = nn.Sequential(Normalize([0.5], [0.5]), nn.Flatten(), nn.Linear(4, 2))\n"
        "    return LoadedModel(net, 'whole', digest_weights(net), ('a', 'b'), (1, 2, 2), 'letters')\n"
    )
    state = {"2.weight": torch.ones(2, 4), "2.bias": torch.zeros(2)}
    torch.save(state, "two.pt")
    loaded = load_model("whole.py:make", weights="two.pt")
    assert loaded.module(torch.ones(1, 1, 2, 2)).tolist() == [[4.0, 4.0]]
    assert (loaded.classes, loaded.shape, loaded.scheme) == (("a", "b"), (1, 2, 2), "letters")
    bare = load_model("whole.py:make", weights="two.pt", normalize="none")
    assert bare.module(torch.ones(1, 1, 2, 2)).tolist() == [[4.0, 4.0]] and bare.normalisation is None
    assert bare.module(torch.zeros(1, 1, 2, 2)).tolist() == [[0.0, 0.0]]


def test_nothing_of_the_caller_is_changed_but_the_end_of_the_path(folder: Path) -> None:
    before, state = [*sys.path], torch.random.get_rng_state()
    load_model("own.py:Net")
    assert sys.path == [*before, str(folder.resolve())]
    load_model("own.py:Net")
    assert sys.path == [*before, str(folder.resolve())]
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_a_file_sets_for_the_whole_process_is_put_back(folder: Path) -> None:
    loaded = load_model("own.py:settings")
    assert Path.cwd() == folder.resolve()
    assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32
    assert {value.dtype for value in loaded.module.parameters()} == {torch.float64}


@pytest.mark.filterwarnings("ignore")  # torch's own, of quantisation's future
def test_a_quantised_network_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"fc is quantised \(Linear\), its weights are whole numbers"):
        load_model("own.py:quantised")


def test_attributes_that_raise_are_left_alone(folder: Path) -> None:
    (folder / "rude.py").write_text(
        "from own import Net as Base\nclass Net(Base):\n    def __getattr__(self, name):\n"
        "        if name in ('std', 'mu'):\n            raise RuntimeError('not before training')\n"
        "        return super().__getattr__(name)\n"
    )
    assert classify(load_model("rude.py:Net")).shape == (2, 3)


def test_files_are_found_by_a_fresh_process(folder: Path) -> None:
    """As the command line does it, where nothing was imported before."""
    program = "from graphpath.models import load_model; print(load_model('own.py:Net(width=3)').sha256)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=folder
    )
    assert done.stdout.split() == [load_model("own.py:Net(width=3)").sha256]


def test_a_networks_builder_is_torchvisions_by_either_name() -> None:
    pytest.importorskip("torchvision")
    by_name = load_model("squeezenet1_1(num_classes=4)")
    by_module = load_model("torchvision.models:squeezenet1_1(num_classes=4)")
    assert (by_name.sha256, by_name.describe()) == (by_module.sha256, by_module.describe())
    assert "random (seed 0), as none were given" in by_name.to_sentence()
    assert isinstance(by_name.module, nn.Module) and classify_large(by_name).shape == (2, 4)


def classify_large(model: LoadedModel) -> torch.Tensor:
    """The logits of two larger images."""
    with torch.no_grad():
        logits: torch.Tensor = model.module(torch.rand(2, 3, 64, 64))
    return logits
