"""The command line: the same numbers as from Python, and one line that names what is wrong."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fastgmmmi as fg
from fastgmmmi.cli import main

PENGUINS = Path(__file__).parents[1] / "examples" / "penguins.csv"
COLUMNS = ("bill_length_mm", "flipper_length_mm")
QUICK = ("--bootstrap", "5", "--threads", "1")


@pytest.fixture
def run(capsys):
    """Run a command; give exit status, standard output and standard error."""

    def run(*arguments):
        try:
            status = main(list(map(str, arguments)))
        except SystemExit as end:
            status = end.code
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def numbers(run):
    """Run mi with --json; give its object."""

    def numbers(*arguments):
        status, out, err = run("mi", *arguments, *QUICK, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return numbers


@pytest.fixture
def fails(run):
    """Run mi; give the one line on standard error."""

    def fails(*arguments):
        status, out, err = run("mi", *arguments, *QUICK)
        assert (status, out) == (2, "")
        assert err.startswith("fastgmmmi: ")
        assert err.count("\n") == 1
        return err.removeprefix("fastgmmmi: ").rstrip()

    return fails


@pytest.fixture
def table(xy, tmp_path):
    """A small CSV file with the columns p and q, and what it holds."""
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"p": xy[0], "q": xy[1]})
    frame.to_csv(path, index=False)
    return path


# ---- mi --------------------------------------------------------------------------------------------------------------


def test_penguins(run):
    status, out, err = run("mi", PENGUINS, *COLUMNS)
    data = pd.read_csv(PENGUINS)
    r = fg.mutual_information(*(data[column] for column in COLUMNS), missing="drop", rng=0)
    low, high = r.confidence_interval()
    assert (status, err) == (0, "")
    assert [line[:20].rstrip() for line in out.splitlines()] == [
        "mutual information",
        "95% interval",
        "samples used",
        "rows dropped",
        "components",
        "seed",
    ]
    assert [line[20:] for line in out.splitlines()] == [
        r.amount(),
        f"{low:.4g} to {high:.4g} nats",
        "342",
        "2 (missing values)",
        str(r.n_components),
        "0",
    ]


def test_json_holds_the_same_numbers(numbers):
    found = numbers(PENGUINS, *COLUMNS, "--units", "bits", "--seed", "3")
    data = pd.read_csv(PENGUINS)
    r = fg.mutual_information(*(data[column] for column in COLUMNS), missing="drop", rng=3, units="bits", n_bootstrap=5)
    assert found["value"] == r.value
    assert found["standard_error"] == r.standard_error
    assert found["confidence_interval"] == list(r.confidence_interval())
    assert (found["n_samples"], found["n_dropped"], found["units"], found["seed"]) == (342, 2, "bits", 3)
    assert (found["x"], found["y"]) == COLUMNS


def test_labels_and_conditions(numbers):
    data = pd.read_csv(PENGUINS)
    columns = {name: data[name] for name in (*COLUMNS, "species", "sex", "year")}
    x, y, species, sex, year = columns.values()
    quick = {"missing": "drop", "rng": 0, "n_bootstrap": 5}
    assert numbers(PENGUINS, COLUMNS[0], "species")["value"] == fg.mutual_information(x, species, **quick).value
    both = numbers(PENGUINS, "species", "sex")
    assert both["value"] == fg.mutual_information(species, sex, **quick).value
    assert 0 < both["normalized"] + 0.1 < 1
    conditional = numbers(PENGUINS, *COLUMNS, "--given", "species")
    assert conditional["value"] == fg.mutual_information(x, y, given=species, **quick).value
    assert conditional["given"] == ["species"]
    several = numbers(PENGUINS, *COLUMNS, "--given", "body_mass_g", "sex")
    given = data[["body_mass_g", "sex"]]
    assert several["value"] == fg.mutual_information(x, y, given=given, **quick).value
    coded = numbers(PENGUINS, COLUMNS[0], "year", "--discrete", "y")
    assert coded["value"] == fg.mutual_information(x, year, discrete="y", **quick).value


def test_lines_of_classes_and_tables(run):
    _, out, _ = run("mi", PENGUINS, COLUMNS[0], "species", "--bootstrap", "0")
    assert "classes             3\n" in out
    _, out, _ = run("mi", PENGUINS, "sex", "species", "--bootstrap", "0")
    assert "classes             6\n" in out
    assert "components" not in out
    _, out, _ = run("mi", PENGUINS, *COLUMNS, "--given", "species", "--bootstrap", "0")
    assert out.startswith("conditional MI      ")


def test_text_among_numbers_is_said(run, tmp_path):
    """One slip of the pen makes a column of labels, which may not be what was meant."""
    path = tmp_path / "t.csv"
    path.write_text("p,q\n" + "".join(f"{i % 7},{i % 3 if i else 'x'}\n" for i in range(60)))
    _, _, err = run("mi", path, "p", "q", "--discrete", "x", "--bootstrap", "0")
    assert err.splitlines()[0] == "fastgmmmi: warning: column 'q' is taken as class labels: 'x' is no number"


def test_missing_labels_are_dropped(numbers, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,q\n" + "".join(f"{i % 11 + i / 100},{('a', 'b', 'NA', '', 'nan')[i % 5]}\n" for i in range(100)))
    found = numbers(path, "p", "q")
    assert (found["n_samples"], found["n_dropped"]) == (40, 60)


def test_without_error_bar(run, table):
    status, out, _ = run("mi", table, "p", "q", "--bootstrap", "0")
    assert status == 0
    assert "±" not in out
    assert "interval" not in out


def test_warnings_are_lines_on_standard_error(run):
    status, out, err = run("mi", PENGUINS, "bill_length_mm", "year", "--bootstrap", "0")
    assert status == 0
    assert err.startswith("fastgmmmi: warning: y column 'year' takes only 3 distinct values")
    assert err.count("\n") == 1
    assert "rows dropped        2" in out


def test_numbers_count_columns_from_zero(numbers, table):
    assert numbers(table, "0", "1")["value"] == numbers(table, "p", "q")["value"]


def test_a_name_goes_before_a_number(numbers, xy, tmp_path):
    pd.DataFrame({"1": xy[0], "0": xy[1]}).to_csv(tmp_path / "t.csv", index=False)
    assert numbers(tmp_path / "t.csv", "1", "0")["value"] == fg.mutual_information(*xy, n_bootstrap=5, rng=0).value


FORMATS = {
    "t.tsv": lambda frame, path: frame.to_csv(path, sep="\t", index=False),
    "t.txt": lambda frame, path: frame.to_csv(path, sep="\t", index=False),
    "semicolons.csv": lambda frame, path: frame.to_csv(path, sep=";", index=False),
    "mark.csv": lambda frame, path: frame.to_csv(path, index=False, encoding="utf-8-sig"),
    "lines.csv": lambda frame, path: frame.to_csv(path, index=False, lineterminator="\r\n"),
    "quoted.csv": lambda frame, path: frame.to_csv(path, index=False, quoting=1),
    "structured.npy": lambda frame, path: np.save(path, frame.to_records(index=False)),
    "arrays.npz": lambda frame, path: np.savez(path, **{name: frame[name] for name in frame}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(numbers, xy, tmp_path, name):
    frame = pd.DataFrame({"p": xy[0], "other": 0.0, "q": xy[1]})
    FORMATS[name](frame, tmp_path / name)
    assert numbers(tmp_path / name, "p", "q")["value"] == fg.mutual_information(*xy, n_bootstrap=5, rng=0).value


def test_plain_arrays(numbers, xy, tmp_path):
    np.save(tmp_path / "t.npy", np.column_stack(xy).astype(">f8"))
    assert numbers(tmp_path / "t.npy", "0", "1")["value"] == fg.mutual_information(*xy, n_bootstrap=5, rng=0).value


def test_parquet(numbers, xy, tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"p": xy[0], "other": "text", "q": xy[1]}).to_parquet(tmp_path / "t.parquet")
    found = numbers(tmp_path / "t.parquet", "p", "2")
    assert found["value"] == fg.mutual_information(*xy, n_bootstrap=5, rng=0).value


def test_parquet_without_pyarrow(fails, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert fails("t.parquet", "p", "q") == "t.parquet: reading Parquet needs pyarrow: pip install pyarrow"


def test_standard_input(numbers, table, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(table.read_bytes())))
    assert numbers("-", "p", "q")["n_samples"] == 200


def test_missing_values(numbers, xy, tmp_path):
    lines = [f"{p},{q}" for p, q in zip(*xy, strict=True)]
    for i, gap in enumerate(["NA,1", ",1", "NaN,1", "1, nan", "NA,NA", '"",1']):
        lines[10 * i] = gap
    (tmp_path / "t.csv").write_text("p,q\n" + "\n".join(lines) + "\n\n")
    found = numbers(tmp_path / "t.csv", "p", "q")
    assert (found["n_samples"], found["n_dropped"]) == (194, 6)


# ---- matrix ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def three(tmp_path):
    """A CSV file with the columns p, q and r, the second with gaps, and a constant; and the three columns."""
    columns = np.random.default_rng(0).normal(size=(100, 3))
    columns[:, 2] += columns[:, 0]
    columns[3:8, 1] = np.nan
    frame = pd.DataFrame(columns, columns=list("pqr"))
    frame.assign(flat=2).to_csv(tmp_path / "three.csv", index=False)
    return tmp_path / "three.csv", frame


def test_matrix_of_rows_and_columns(run, three):
    path, frame = three
    status, out, err = run("matrix", path, "--rows", "p", "q", "--columns", "r", *QUICK)
    m = fg.mutual_information_matrix(frame[["p", "q"]], frame[["r"]], missing="drop", n_bootstrap=5, rng=0)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"p  r  {m.results[0, 0].amount()}",
        f"q  r  {m.results[1, 0].amount()}",
        "",
        "pairs               2",
        "rows dropped        up to 5 in a pair (missing values)",
        "seed                0",
    ]


def test_matrix_of_everything(run, three):
    path, frame = three
    status, out, err = run("matrix", path, *QUICK, "--json", "--units", "bits", "--seed", "2")
    found = json.loads(out)
    m = fg.mutual_information_matrix(
        frame.assign(flat=2), missing="drop", units="bits", n_bootstrap=5, rng=2, n_components=None
    )
    assert status == 0
    assert found == m.to_dict()
    assert err.count("is constant, so no information") == 3
    assert err.splitlines()[0].startswith("fastgmmmi: warning: p and flat: X column 'flat' is constant")


def test_matrix_of_labels(run):
    arguments = ("--rows", "species", "year", "--columns", "sex", "body_mass_g", "--discrete", "year")
    status, out, err = run("matrix", PENGUINS, *arguments, *QUICK)
    data = pd.read_csv(PENGUINS)
    m = fg.mutual_information_matrix(
        data[["species", "year"]],
        data[["sex", "body_mass_g"]],
        discrete=["year"],
        missing="drop",
        n_bootstrap=5,
        rng=0,
    )
    assert (status, err) == (0, "")
    assert out.splitlines()[2].split(maxsplit=2) == ["year", "sex", m.results[1, 0].amount()]
    assert "rows dropped        up to 11 in a pair (missing values)" in out


@pytest.mark.parametrize(("side", "shape"), [("--rows", (1, 3)), ("--columns", (3, 1))])
def test_one_side_goes_against_the_rest(run, three, side, shape):
    _, out, _ = run("matrix", three[0], side, "q", *QUICK, "--json")
    found = json.loads(out)
    assert (len(found["row_names"]), len(found["column_names"])) == shape
    assert not found["symmetric"]


def test_matrix_as_csv(run, three, tmp_path):
    path, frame = three
    assert run("matrix", path, *QUICK, "--csv", tmp_path / "out.csv")[0] == 0
    m = fg.mutual_information_matrix(frame.assign(flat=2), missing="drop", n_bootstrap=5, rng=0)
    found = pd.read_csv(tmp_path / "out.csv")
    pd.testing.assert_frame_equal(found, m.to_dataframe(), check_dtype=False)


@pytest.mark.parametrize("arguments", [("matrix",), ("mi", "p", "r")])
def test_plots(run, three, tmp_path, arguments):
    command, *columns = arguments
    status, _, _ = run(command, three[0], *columns, *QUICK, "--plot", tmp_path / "out.png")
    assert status == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    status, _, err = run(command, three[0], *columns, *QUICK, "--plot", tmp_path / "out.xyz")
    assert status == 2
    assert "Format 'xyz' is not supported" in err.splitlines()[-1]


def test_plots_without_matplotlib(run, three, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "fastgmmmi.plotting", raising=False)
    status, out, err = run("matrix", three[0], "--plot", "out.png")
    assert (status, out) == (2, "")
    assert err == "fastgmmmi: drawing needs matplotlib: pip install matplotlib, or fastgmmmi[plot]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "z"], "no column 'z'; there are p, q, r, flat"),
        (["--rows", "p", "q", "r", "flat"], "--rows names every column"),
        (["--columns", "p", "q", "r", "flat"], "--columns names every column"),
        (["--rows", "flat"], "no pair could be estimated; flat and p: X column 'flat' is constant"),
        (["--bootstrap", "-1"], "n_bootstrap must be a whole number"),
        (["--csv", "nowhere/out.csv"], "nowhere/out.csv: No such file or directory"),
    ],
)
def test_faults_of_matrices(run, three, arguments, message):
    status, out, err = run("matrix", three[0], "--threads", "1", "--bootstrap", "0", *arguments)
    assert (status, out) == (2, "")
    assert message in err.splitlines()[-1]


def test_matrix_with_a_bar(run, three, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert run("matrix", three[0], *QUICK)[0] == 0


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_missing_file(fails):
    assert fails("nowhere.csv", "p", "q") == "nowhere.csv: No such file or directory"
    assert fails("nowhere.npy", "p", "q") == "nowhere.npy: No such file or directory"


def test_a_folder(fails, tmp_path):
    assert fails(tmp_path, "p", "q") == f"{tmp_path}: Is a directory"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"p,q\n1,2\n3\n", "line 3 has 1 field, the header has 2"),
        (b"p,q\n1,2\n\n3,4,5\n", "line 4 has 3 fields, the header has 2"),
        (b"p,q\n1,2\n3,\xe9\n", "not UTF-8: byte 0xe9 at position 10, in line 3"),
        (b"\xff\xfep\x00,\x00q\x00", "not UTF-8: byte 0xff at position 0, in line 1"),
        (b"", "the first line is empty; it must be a header with the names of the columns"),
        (b"\n1,2\n", "the first line is empty; it must be a header with the names of the columns"),
        (b"1.5,2.5\n3,4\n", "the first line holds numbers; it must be a header with the names of the columns"),
        (b"a,b\n1,2\n", "no column 'p'; there are a, b"),
        (b"p,p,q\n1,2,3\n", "2 columns are named 'p'"),
        (b'p,q\n1,2\n"3,4\n', "line 3 has 1 field, the header has 2"),
        (b"p,q\n1,2\r3,4\n", "line 2: new-line character seen in unquoted field"),
    ],
)
def test_faults_of_text(fails, tmp_path, content, message):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert fails(path, "p", "q").startswith(f"{path}: {message}")


def test_faults_that_the_estimate_finds(fails, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("p,q\n")
    assert fails(path, "p", "q") == "x is empty: its shape is (0, 1)"
    path.write_text("p,q\n" + "".join(f"{i},5\n" for i in range(30)))
    assert fails(path, "p", "q").startswith("y column 'q' is constant")
    path.write_text("p,q\n" + "".join(f"{i},inf\n" for i in range(30)))
    assert fails(path, "p", "q") == "y has 30 infinite values, the first in row 0, column 'q'"
    path.write_text("p,q\nNA,1\n2,NA\n")
    assert fails(path, "p", "q").startswith("no row is without NaN")


def test_faults_of_arrays(fails, tmp_path):
    np.save(tmp_path / "t.npy", np.zeros(5))
    assert "an array of shape (5,); rows and columns, or named fields, are needed" in fails(
        tmp_path / "t.npy", "0", "1"
    )
    np.save(tmp_path / "t.npy", np.zeros((5, 2)))
    assert fails(tmp_path / "t.npy", "0", "2").endswith("no column '2'; there are 0, 1")
    np.savez(tmp_path / "t.npz", p=np.zeros(5), q=np.zeros(4))
    assert fails(tmp_path / "t.npz", "p", "r").endswith("no column 'r'; there are p, q")
    assert fails(tmp_path / "t.npz", "p", "q").startswith("y has 4 rows but x has 5")
    np.savez(tmp_path / "t.npz", p=np.array([{}]), q=np.zeros(1))
    assert "Object arrays cannot be loaded" in fails(tmp_path / "t.npz", "p", "q")
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04 and no more")
    assert "not a file that NumPy saved" in fails(tmp_path / "t.npz", "p", "q")
    (tmp_path / "t.npy").write_bytes(b"")
    assert "not a file that NumPy saved" in fails(tmp_path / "t.npy", "p", "q")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--units", "bit"], "argument --units: invalid choice: 'bit'"),
        (["--seed", "x"], "argument --seed: invalid int value: 'x'"),
        (["--seed", "-1"], "rng must be at least 0"),
        (["--bootstrap", "-1"], "n_bootstrap must be a whole number of at least 0, got -1"),
        (["--threads", "0"], "threads must be a whole number of at least 1, got 0"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_options(run, table, arguments, message):
    status, _, err = run("mi", table, "p", "q", *arguments)
    assert status == 2
    assert err.startswith(f"fastgmmmi: {message}")
    assert err.count("\n") == 1


def test_no_command(run):
    assert run()[::2] == (2, "fastgmmmi: the following arguments are required: COMMAND; see fastgmmmi --help\n")


# ---- the rest --------------------------------------------------------------------------------------------------------


def test_info(run):
    status, out, err = run("info")
    lines = dict(line.split(maxsplit=1) for line in out.replace("CPU tier", "tier").splitlines())
    assert (status, err) == (0, "")
    assert lines["version"] == fg.__version__
    assert lines["tier"] == fg.cpu_tier()
    assert int(lines["threads"]) >= 1
    assert lines["scipy"] == "yes"


def test_help_and_version(run):
    assert run("--version")[:2] == (0, f"fastgmmmi {fg.__version__}\n")
    status, out, _ = run("mi", "--help")
    assert status == 0
    assert "--bootstrap N" in out


def test_bar_on_a_terminal(run, table, monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert run("mi", table, "p", "q", *QUICK)[0] == 0


def python(*arguments, **keywords):
    return subprocess.Popen(
        [sys.executable, "-m", "fastgmmmi", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
        **keywords,
    )


def test_as_a_module():
    with python("mi", PENGUINS, *COLUMNS, *QUICK) as process:
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "samples used        342" in out


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_reader_that_leaves():
    with python("info") as process:
        process.stdout.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (141, "")


@pytest.mark.skipif(sys.platform == "win32", reason="signals are different there")
def test_an_interrupt(tmp_path):
    x, noise = np.random.default_rng(0).normal(size=(2, 50_000))
    np.save(tmp_path / "t.npy", np.column_stack([x**3, x + noise]))
    with python("mi", tmp_path / "t.npy", "0", "1", "--bootstrap", "500000") as process:
        time.sleep(1.5)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        out, err = process.communicate(timeout=30)
    assert time.monotonic() - began < 10  # of minutes
    assert (process.returncode, out, err) == (130, "", "")
