"""Other people's files of edges: whatever their shape, the rows are those that they hold, or none."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphpath.errors import DataError
from graphpath.imports import EdgeMapping, import_edges
from graphpath.imports.delimited import Delimited
from graphpath.record import Trace
from graphpath.stores import open_store

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
HEADER = "sl,sc,tl,tc,w,cls,img"
TEXT = f"""{HEADER}
conv1,0,conv2,0,0.5,007,1
conv1,1,conv2,0,-1.0,007,1
conv2,0,fc,3,2.0,007,1
conv1,2,conv2,0,0.25,010,2
"""
UNITS = f"{HEADER}\nconv1,01,conv2,0,1.0,007,1\nconv1,1,conv2,0,2.0,007,1\n"
QUOTE = f"{HEADER}\n" + "".join(
    f"c,{k},d,2,1,cat,{img}\n" for k, img in enumerate(("i0", '"i1', "i2", "i3", "i4"))
)
MAPPING = EdgeMapping.from_value(
    {
        "name": "a-list",
        "columns": {
            "source_layer": "sl",
            "source_channel": "sc",
            "target_layer": "tl",
            "target_channel": "tc",
            "weight": "w",
            "sample": "img",
            "category": "cls",
        },
    }
)
WEIGHTS = [0.5, -1.0, 2.0, 0.25]


def imported(folder: Path, name: str, data: str | bytes, mapping: EdgeMapping = MAPPING) -> Trace:
    file = folder / name
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    return import_edges([file], mapping, out=folder / "trace")


def classes(trace: Trace) -> list[str]:
    return trace.categories().to_table()["name"].to_pylist()


def weights(trace: Trace) -> list[float]:
    return sorted(trace.edges().to_table()["score"].to_pylist())


def packed_zip(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("of/edges.csv", data)
        archive.writestr("__MACOSX/of/._edges.csv", b"\0")
    return file.getvalue()


def as_objects(text: str, lines: bool) -> str:
    return pd.read_csv(io.StringIO(text), dtype={"cls": str}).to_json(orient="records", lines=lines)


SHAPES: dict[str, tuple[str, str | bytes]] = {
    "as it is": ("a.csv", TEXT),
    "semicolons": ("a.csv", TEXT.replace(",", ";")),
    "tabs in a csv": ("a.csv", TEXT.replace(",", "\t")),
    "upper case": ("A.CSV", TEXT),
    "txt": ("a.txt", TEXT),
    "tsv": ("a.tsv", TEXT.replace(",", "\t")),
    "gzip": ("a.csv.gz", gzip.compress(TEXT.encode())),
    "bzip2": ("a.csv.bz2", bz2.compress(TEXT.encode())),
    "xz": ("a.csv.xz", lzma.compress(TEXT.encode())),
    "zstd": ("a.csv.zst", pa.compress(TEXT.encode(), "zstd", asbytes=True)),
    "packed and not said so": ("a.csv", gzip.compress(TEXT.encode())),
    "said so and not packed": ("a.csv.gz", TEXT),
    "zip": ("a.zip", packed_zip(TEXT.encode())),
    "byte order mark": ("a.csv", "\ufeff" + TEXT),
    "utf-16": ("a.csv", TEXT.encode("utf-16")),
    "crlf": ("a.csv", TEXT.replace("\n", "\r\n")),
    "cr": ("a.csv", TEXT.replace("\n", "\r")),
    "blank lines": ("a.csv", f"\n{TEXT}\n\n  \n"),
    "spaces in the header": ("a.csv", TEXT.replace("sl,sc", "sl, sc ")),
    "sep=": ("a.csv", "sep=;\r\n" + TEXT.replace(",", ";")),
    "all quoted": (
        "a.csv",
        "\n".join('"' + line.replace(",", '","') + '"' for line in TEXT.split("\n")[:-1]),
    ),
    "json lines": ("a.jsonl", as_objects(TEXT, lines=True)),
    "json": ("a.json", as_objects(TEXT, lines=False)),
    "json lines, packed": ("a.ndjson.gz", gzip.compress(as_objects(TEXT, lines=True).encode())),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_the_same_list(shape: str, tmp_path: Path) -> None:
    trace = imported(tmp_path, *SHAPES[shape])
    assert (classes(trace), weights(trace)) == (["007", "010"], sorted(WEIGHTS))
    assert trace.counts["pathways"] == 2


def test_what_was_guessed_is_said(tmp_path: Path) -> None:
    text = TEXT.replace("007", "café ").replace(",", ";")
    trace = imported(tmp_path, "a.csv", text.encode("latin-1"))
    assert classes(trace) == ["010", "café "]
    semicolons, latin, spaces = trace.run["imported"]["read"]
    assert semicolons.endswith("a.csv: separated by semicolons.")
    assert "not UTF-8, read as Latin-1" in latin
    assert "'category' has values that begin or end with a space (first at line 2)" in spaces


def test_decimal_commas_and_encodings_are_as_the_mapping_says(tmp_path: Path) -> None:
    text = TEXT.replace(",", ";").replace(".", ",")
    trace = imported(
        tmp_path, "a.csv", text.encode("utf-16-le"), replace(MAPPING, decimal=",", encoding="utf-16-le")
    )
    assert weights(trace) == sorted(WEIGHTS)


def test_a_name_is_what_the_cell_says(tmp_path: Path) -> None:
    names = [
        "NA",
        "null",
        "nan",
        "None",
        "NULL",
        "N/A",
        "-",
        "True",
        "1e5",
        "0x1",
        "007",
        "7",
        "<NA>",
        "#N/A",
    ]
    rows = [f"conv1,{name},conv2,0,1,{name},{name}" for name in names]
    trace = imported(tmp_path, "a.csv", "\n".join([HEADER, *rows]))
    assert classes(trace) == sorted(names)
    with open_store(tmp_path / "a.lbdb") as store:
        store.load(trace)
        assert set(store.cypher("MATCH (c:Category) RETURN c.name AS name").name) == set(names)
        units = {f"conv1 {name}" for name in names}
        assert units < set(store.cypher("MATCH (n:Neuron) RETURN n.name AS name").name)


def test_numbers_with_zeros_before_them_are_names(tmp_path: Path) -> None:
    trace = imported(tmp_path, "units.csv", UNITS)
    assert trace.counts["edges"] == 2
    assert trace.dataset("maps").to_table()["name"].to_pylist() == ["conv1 01", "conv1 1", "conv2 0"]
    if CASES.is_dir():
        case = import_edges([CASES / "leading_zero_units.csv"], CASES / "mapping.toml", out=tmp_path / "case")
        assert case.counts["edges"] == 2 and classes(case) == ["007"]


def test_lists_of_two_kinds_go_together(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text(TEXT.replace("007", "7").replace("010", "10"))
    (tmp_path / "names.csv").write_text(TEXT)
    files = [tmp_path / "numbers.csv", tmp_path / "names.csv"]
    assert classes(import_edges(files, MAPPING, out=tmp_path / "trace")) == ["007", "010", "10", "7"]


@pytest.mark.parametrize("label", [16_777_217, 2**31 - 1])
def test_a_label_makes_no_array_of_its_size(label: int, tmp_path: Path) -> None:
    trace = imported(tmp_path, "a.csv", TEXT.replace("007", str(label)).replace("010", "3"))
    assert classes(trace) == ["3", str(label)]


def test_a_folder_of_parquet_is_a_list_and_its_names_a_column(tmp_path: Path) -> None:
    rows = pd.read_csv(io.StringIO(TEXT), dtype={"cls": str})
    rows.to_parquet(tmp_path / "list.parquet", partition_cols=["cls"])
    (tmp_path / "list.parquet" / "_SUCCESS").touch()
    trace = import_edges([tmp_path / "list.parquet"], MAPPING, out=tmp_path / "trace")
    assert (classes(trace), weights(trace)) == (["007", "010"], sorted(WEIGHTS))
    if CASES.is_dir():
        case = import_edges([CASES / "parquet_folder.parquet"], CASES / "mapping.toml", out=tmp_path / "case")
        assert classes(case) == ["cat", "dog"] and case.counts["edges"] == 4


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "a quote never closed": ("a.csv", QUOTE, "a.csv, line 3: a quote is opened and never closed"),
    "a quote closed rows later": ("a.csv", QUOTE.replace("i3", 'i3"'), "line 3: .* runs to line 5"),
    "a quote within": ("a.csv", QUOTE.replace("i3", '"i3"'), "line 3: a quote is closed and more follows"),
    "a row cut": ("a.csv", TEXT.replace(",010,2", ""), "line 5 has 5 values, where the header has 7"),
    "a value more": ("a.csv", TEXT.replace("010", "010,x"), "line 5 has 8 values, where the header has 7"),
    "no category": ("a.csv", TEXT.replace("010", ""), "line 5 has no 'category'"),
    "no weight": ("a.csv", TEXT.replace("0.25", ""), "line 5 has no 'weight'"),
    "not a number": (
        "a.csv",
        TEXT.replace("0.25", "nan"),
        "line 5 has the 'weight' 'nan', which is no number",
    ),
    "infinite": ("a.csv", TEXT.replace("0.25", "-inf"), "line 5 has the 'weight' '-inf'"),
    "beyond float32": ("a.csv", TEXT.replace("0.25", "1e39"), "'1e39', which is no finite number of 32 bits"),
    "a decimal comma": ("a.csv", TEXT.replace("0.25", '"0,25"'), "the mapping says decimal = ','"),
    "underscores": ("a.csv", TEXT.replace("0.25", "1_0"), "line 5 has the 'weight' '1_0'"),
    "a column twice": (
        "a.csv",
        TEXT.replace("sl,", "sl,sl,", 1).replace("conv", "x,conv"),
        "2 columns .*'sl'",
    ),
    "a column less": (
        "a.csv",
        TEXT.replace("cls", "kind", 1),
        "no column 'cls'.* it has sl, sc, .* kind, img",
    ),
    "empty": ("a.csv", "", "a.csv is empty"),
    "blank": ("a.csv", "\n \n", "a.csv is empty"),
    "only a header": ("a.csv", HEADER, "there are no edges"),
    "cut gzip": ("a.csv.gz", gzip.compress(TEXT.encode())[:-9], "cannot be read; it is truncated"),
    "cut xz": ("a.csv.xz", lzma.compress(TEXT.encode())[:-9], "cannot be read; it is truncated"),
    "no mark": ("a.csv", TEXT.encode("utf-16-le"), "UTF-16 without a mark"),
    "an endless line": ("a.csv", b"sl," * 6_000_000, "has a line of more than 16,777,216 characters"),
    "a huge label": ("a.csv", TEXT.replace("007", "2147483648").replace("010", "3"), "not 2147483648"),
    "no parquet": ("a.parquet", TEXT, "a.parquet is no whole Parquet file"),
    "a spreadsheet": ("a.xlsx", b"PK\3\4", "a.xlsx should be an edge list in .csv"),
    "a list in json": ("a.json", "[[1, 2]]", "row 1 should be a JSON object, not list"),
    "a bad line": ("a.jsonl", as_objects(TEXT, lines=True) + "{bad", "a.jsonl, line 5 is no JSON"),
    "null in json": ("a.jsonl", as_objects(TEXT, True).replace('"010"', "null"), "line 4 has no 'category'"),
    "NaN in json": ("a.jsonl", as_objects(TEXT, True).replace("0.25", "NaN"), "line 4 is no JSON: NaN"),
    "deep json": ("a.json", "[" * 100_000, "a.json is no JSON"),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_a_damaged_list_is_refused_by_its_line_and_nothing_is_left(wrong: str, tmp_path: Path) -> None:
    name, data, said = REFUSED[wrong]
    with pytest.raises(DataError, match=said):
        imported(tmp_path, name, data)
    assert [path.name for path in tmp_path.iterdir()] == [name]


WRONG_PARQUET: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "null": (lambda rows: rows.assign(cls=["NA", None, "x", "y"]), "row 2 has no 'category'"),
    "halves": (lambda rows: rows.assign(sc=[0, 1.5, 2, 3]), "row 2 has the 'source_channel' 1.5"),
    "missing among floats": (lambda rows: rows.assign(sc=[0, None, 2, 3]), "row 2 has no 'source_channel'"),
    "NaN": (lambda rows: rows.assign(w=[1, float("nan"), 3, 4]), "row 2 has no 'weight'"),
    "infinity": (lambda rows: rows.assign(w=[1, 2, float("inf"), 4]), "row 3 has the 'weight' inf"),
    "truths": (lambda rows: rows.assign(w=[True, False, True, True]), "'weight' should be numbers, not bool"),
    "lists": (
        lambda rows: rows.assign(cls=[[1]] * 4),
        "'category' should be text or whole numbers, not list",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_PARQUET)
def test_a_wrong_column_of_parquet_is_named(wrong: str, tmp_path: Path) -> None:
    change, said = WRONG_PARQUET[wrong]
    change(pd.read_csv(io.StringIO(TEXT), dtype={"cls": str})).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=said):
        import_edges([tmp_path / "a.parquet"], MAPPING, out=tmp_path / "trace")


def test_columns_of_parquet_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = pd.read_csv(io.StringIO(TEXT), dtype={"cls": str}).assign(
        cls=lambda found: found.cls.astype("category"),
        sc=[0.0, 1.0, 0.0, 2.0],
        w=[2**60 + 1, 2, 3, 4],
        tc=pd.Series([0, 0, 2**63 + 5, 0], dtype="uint64"),
    )
    rows.to_parquet(tmp_path / "a.parquet")
    trace = import_edges([tmp_path / "a.parquet"], MAPPING, out=tmp_path / "trace")
    assert classes(trace) == ["007", "010"]
    assert f"fc {2**63 + 5}" in trace.dataset("maps").to_table()["name"].to_pylist()


def test_the_same_list_twice_in_parquet_and_csv_is_one_graph(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(UNITS)
    pq.write_table(pa.Table.from_pandas(pd.read_csv(tmp_path / "a.csv", dtype=str)), tmp_path / "a.parquet")
    one, two = (
        import_edges([tmp_path / f"a.{end}"], MAPPING, out=tmp_path / end) for end in ("csv", "parquet")
    )
    assert one.edges().to_table().drop(["pathway"]) == two.edges().to_table().drop(["pathway"])
    assert one.dataset("maps").to_table() == two.dataset("maps").to_table()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "edges.csv")
    for files, mapping in (([tmp_path / "edges.csv"], MAPPING), ([CASES], tmp_path / "edges.csv")):
        with pytest.raises(DataError, match=r"edges\.csv is a pipe or device"):
            import_edges(files, mapping, out=tmp_path / "trace")


CELL = st.text(st.sampled_from("a0 ,;\t|'\"\n\r\\=#é漢\u2028\x85\U0001f40d"), min_size=0, max_size=6)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_tables_come_back_row_by_row_and_as_pandas_reads_them(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    width = data.draw(st.integers(4, 7))
    header = [f"column {number}" for number in range(width)]
    table = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1, max_size=9))
    separator, ending = data.draw(st.sampled_from(",;\t|")), data.draw(st.sampled_from(["\n", "\r\n"]))
    returns = any("\r" in cell for row in table for cell in row)  # which Python 3.11 does not quote by itself
    quoting = csv.QUOTE_ALL if returns else data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=ending, quoting=quoting).writerows([header, *table])
    file = tmp_path_factory.getbasetemp() / "table.csv"
    file.write_bytes(text.getvalue().encode())
    try:
        found = Delimited.open_separated(file, header, None, [separator]).read_columns(
            {name: name for name in header}
        )
    except DataError as error:
        assert "holds whole rows" in str(error)
        assert any(
            {"\n", "\r"} & {*cell} and cell.count(separator) >= width - 1 for row in table for cell in row
        )
        return
    rows = [list(row) for row in zip(*(found[name].to_pylist() for name in header), strict=True)]
    assert rows == table
    if not returns:  # pandas ends lines at them, within quotes too
        theirs = pd.read_csv(file, sep=separator, dtype=str, keep_default_na=False, skip_blank_lines=False)
        assert theirs.to_numpy().tolist() == table


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_damaged_table_is_refused_or_read_as_strictly_as_duckdb_does(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import duckdb

    text = list(data.draw(st.sampled_from([TEXT, QUOTE, UNITS, QUOTE.replace('"', "")])))
    for _ in range(data.draw(st.integers(1, 3))):
        place, what = data.draw(st.integers(0, len(text) - 1)), data.draw(st.sampled_from('",\nx'))
        text[place : place + data.draw(st.integers(0, 1))] = [what]
    file = tmp_path_factory.getbasetemp() / "damaged.csv"
    file.write_text("".join(text).lstrip("\n"))  # DuckDB takes a blank line before the header for one
    names = HEADER.split(",")
    try:
        ours = Delimited.open_separated(file, names, None, [","])
        found = ours.read_columns({name: name for name in names})
    except (DataError, ValueError):  # a name that the header has not, which is checked before
        return
    columns = ", ".join(f"'{number}': 'VARCHAR'" for number in range(len(ours.header)))
    asked = f"""FROM read_csv($file, columns={{{columns}}}, auto_detect=false, header=true, delim=',',
        quote='"', escape='"', strict_mode=true, nullstr='none at all', new_line='\\n', parallel=false)"""
    theirs = duckdb.sql(asked, params={"file": str(file)}).fetchall()
    places = [ours.header.index(name) for name in names]
    rows = list(zip(*(found[name].to_pylist() for name in names), strict=True))
    assert rows == [tuple(row[place] for place in places) for row in theirs]
