"""The package as a whole: what it costs to import, what its wheel holds, and whether its papers agree."""

import dataclasses
import doctest
import functools
import importlib.metadata
import io
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest
from numpydoc.validate import validate

import fastgmmmi
from fastgmmmi import _core, jit

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


# What numpydoc asks for and this house does not: the summary on a line of its own, sections that only some names need,
# returned values without names.
OTHER_LAYOUT = {"GL01", "GL02", "ES01", "SA01", "EX01", "RT02"}


def public_names():
    """Dotted names of what the package exports, and of the public members of its classes."""
    for name in fastgmmmi.__all__:
        exported = getattr(fastgmmmi, name)
        if callable(exported):
            yield f"fastgmmmi.{name}"
        if isinstance(exported, type):
            yield from (f"fastgmmmi.{name}.{member}" for member in vars(exported) if not member.startswith("_"))
    yield from (f"fastgmmmi.jit.{name}" for name in jit.__all__)


def run(script, cwd):
    """What a fresh interpreter prints, away from the checkout."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


def test_import_brings_in_numpy_and_nothing_else(tmp_path):
    script = "import sys; before = set(sys.modules); import fastgmmmi; print(*{*sys.modules} - before)"
    modules = {name.partition(".")[0] for name in run(script, tmp_path).split()} - set(sys.stdlib_module_names)
    made_by_extensions = {name for name in modules if name == "cython_runtime" or name.startswith("_cython_")}
    assert modules - made_by_extensions == {"numpy", "fastgmmmi"}


def test_the_source_folder_without_a_core_says_so(tmp_path):
    for module in (ROOT / "fastgmmmi").glob("*.py"):
        (tmp_path / "fastgmmmi").mkdir(exist_ok=True)
        (tmp_path / "fastgmmmi" / module.name).write_bytes(module.read_bytes())
    script = "import sys; sys.path.insert(0, '.'); import fastgmmmi"
    command = [sys.executable, "-S", "-c", script]  # without site-packages, where the installed core is
    failed = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert failed.stderr.endswith("or build it here with `pip install -e .`\n")


def test_versions_agree():
    version = PROJECT["version"]
    assert fastgmmmi.__version__ == version
    assert importlib.metadata.version("fastgmmmi") == version
    header = (ROOT / "fastgmmmi" / "include" / "fastgmmmi.h").read_text(encoding="utf-8")
    assert re.search(r'#define FGM_VERSION "(.*)"', header)[1] == version
    assert re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.M)[1] == version
    assert re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)[1] == version


def test_wheel_is_small_and_holds_what_others_build_against():
    files = importlib.metadata.files("fastgmmmi")
    if not any(path.match("fastgmmmi/_core.*") for path in files):
        pytest.skip("an editable install has no wheel's contents")
    names = {str(path) for path in files if path.parts[0] == "fastgmmmi" and "__pycache__" not in path.parts}
    headers = {"fastgmmmi/include/fastgmmmi.h", "fastgmmmi/include/fastgmmmi.hpp"}
    assert {"fastgmmmi/py.typed", "fastgmmmi/_core.pyi", *headers} <= names
    assert {Path(name).suffix for name in names} <= {".py", ".pyi", ".pxd", ".h", ".hpp", ".typed", ".so", ".pyd"}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as wheel:
        for path in files:
            if "__pycache__" not in path.parts and ".." not in path.parts:
                wheel.write(path.locate(), str(path))
    assert archive.tell() < 2_000_000


def test_one_build_serves_every_later_cpython():
    tags = importlib.metadata.distribution("fastgmmmi").read_text("WHEEL")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert re.search(r"^Tag: cp3\d+-cp3\d+t-", tags, re.M)
        return
    assert re.search(r"^Tag: cp311-abi3-", tags, re.M)
    core = Path(_core.__file__).name  # one for a single version, left over from older builds, would be taken first
    assert core == ("_core.pyd" if sys.platform == "win32" else "_core.abi3.so"), f"delete fastgmmmi/{core}"


def test_readme_has_its_two_commands():
    setups = re.findall(
        r"^python3 -m venv \.venv && \.venv/bin/pip install (?:-e )?(\S+) && \.venv/bin/(\S+)", README, re.M
    )
    assert setups == [(".", "fastgmmmi"), ("'.[test]'", "pytest")]


def test_readme_examples_run_one_after_the_other(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(compile(block, "README.md", "exec"), names)
        assert capsys.readouterr().out


@pytest.mark.parametrize("path", re.findall(r"\]\(([^):]+)\)", README))
def test_readme_links_exist(path):
    assert (ROOT / path).exists()


@pytest.mark.parametrize("module", sorted(path.stem for path in ROOT.glob("fastgmmmi/[a-z]*.py")))
def test_docstring_examples_run(module):
    assert doctest.testmod(importlib.import_module(f"fastgmmmi.{module}")).failed == 0


@pytest.mark.parametrize("name", [*public_names()])
def test_public_docstring_is_numpydoc(name):
    _, *members = name.split(".")
    documented = functools.reduce(getattr, members, fastgmmmi)
    # A result's fields are its attributes, not parameters of a call that anyone makes.
    ignored = OTHER_LAYOUT | ({"PR01"} if dataclasses.is_dataclass(documented) else set())
    assert [text for code, text in validate(name)["errors"] if code not in ignored] == []
