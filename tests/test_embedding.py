"""Programs that call the core: each in tests/consumers is built as its users would, run, and compared with Python."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import fastgmmmi as fg

ROOT = Path(__file__).parent.parent
INCLUDE = Path(fg.get_include())
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
SEED, N_BOOTSTRAP = 7, 20

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="csrc/Makefile and these builds are for Linux")


def need(*programs):
    """Skip, saying why, where a compiler or a tool is absent, or only its launcher is there (of rustup)."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
        if attempt(program, "--version").returncode != 0:
            pytest.skip(f"{program} is installed, but does not run")


def attempt(*command, cwd=None, **environment):
    """A command, run to its end."""
    words = [str(word) for word in command]
    return subprocess.run(words, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=600)


def run(*command, **surroundings):
    """What a command prints. Where it fails, its output is the test's."""
    done = attempt(*command, **surroundings)
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def numbers(text):
    """Value and standard error, the words that each consumer prints."""
    value, standard_error = text.split()
    return float(value), float(standard_error)


@pytest.fixture(scope="module")
def data(tmp_path_factory, xy):
    """Two columns as a CSV file that holds every bit of them."""
    path = tmp_path_factory.mktemp("data") / "data.csv"
    path.write_text("x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in np.transpose(xy).tolist()))
    return path


@pytest.fixture(scope="module")
def expected(xy):
    result = fg.mutual_information(*xy, rng=SEED, n_bootstrap=N_BOOTSTRAP)
    return result.value, result.standard_error


def install_library(work, *settings):
    """Build and install the standalone library by csrc/Makefile; give the prefix."""
    need("make", "cc")
    folders = [f"BUILD={work / 'build'}", f"PREFIX={work / 'prefix'}"]
    run("make", "-j2", "-C", ROOT / "csrc", *folders, *settings, "install")
    return work / "prefix"


def build_program(consumer, library, *settings):
    """Build the package in C on the static library."""
    need("pkg-config")
    static = f"LIBS={library / 'lib' / 'libfastgmmmi.a'} -lm"
    run("make", static, *settings, cwd=consumer, PKG_CONFIG_PATH=str(library / "lib" / "pkgconfig"))


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return install_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def consumer(tmp_path, request):
    """A copy of the package in tests/consumers that the test is about."""
    return Path(shutil.copytree(ROOT / "tests" / "consumers" / request.param, tmp_path / request.param))


def consumer_of(name):
    return pytest.mark.parametrize("consumer", [name], indirect=True)


# ---- the header ------------------------------------------------------------------------------------------------------


def public_functions():
    """Names in the table, in its order."""
    header = (INCLUDE / "fastgmmmi.h").read_text(encoding="utf-8")
    names = re.search(r"#define FGM_FUNCTIONS\(X\)((?: *\\\n *X\(\w+\))+)\n", header)[1]
    return re.findall(r"X\((\w+)\)", names)


@pytest.mark.parametrize("through_table", [False, True], ids=["linked", "imported"])
@pytest.mark.parametrize("standard", ["c99", "c11", "c17", "c++17"])
def test_header_compiles_without_a_warning(standard, through_table, tmp_path):
    compiler = "c++" if standard.startswith("c++") else "cc"
    need(compiler)
    lines = ["#include <Python.h>", "#define FASTGMMMI_IMPORT"] if through_table else []
    lines += [f'#include "fastgmmmi.{"hpp" if compiler == "c++" else "h"}"', "int main(void) {"]
    lines += ["if (fastgmmmi_import() < 0) return 1;"] if through_table else []
    lines += [*(f"if (!{name}) return 1;" for name in public_functions()[::2] if through_table)]
    lines += ["fgm_options options; fgm_options_init(&options);", "return fgm_strerror(options.n_components) == 0; }"]
    source = tmp_path / ("program.cpp" if compiler == "c++" else "program.c")
    source.write_text("\n".join(lines) + "\n")
    python = sysconfig.get_path("include")
    for stable in [[], ["-DPy_LIMITED_API=0x030b0000"]][: 1 + through_table]:
        flags = [f"-std={standard}", *WARNINGS, *stable, f"-I{INCLUDE}", "-isystem", python]
        run(compiler, *flags, "-fsyntax-only", source)


def test_the_table_holds_every_declared_function():
    header = (INCLUDE / "fastgmmmi.h").read_text(encoding="utf-8")
    declared = re.findall(r"^FGM_FUNCTION\([\w *]+, (fgm_\w+), ", header, re.M)
    assert sorted(declared) == sorted(public_functions())
    assert len(declared) == len(set(declared)) > 25


def test_import_without_python_says_so(tmp_path):
    need("cc")
    source = tmp_path / "program.c"
    source.write_text('#define FASTGMMMI_IMPORT\n#include "fastgmmmi.h"\n')
    failed = attempt("cc", f"-I{INCLUDE}", "-fsyntax-only", source)
    assert failed.returncode != 0
    assert "include Python.h before fastgmmmi.h" in failed.stderr


# ---- the standalone library ------------------------------------------------------------------------------------------


def exported(path):
    return {line.split()[-1] for line in run("nm", "-D", "--defined-only", path).splitlines()}


def test_library_exports_public_functions_alone(library, tmp_path):
    need("nm")
    assert exported(library / "lib" / "libfastgmmmi.so") == {*public_functions(), "fgm_get_api"}
    # A shared library that takes in the static one does not pass the core off as its own.
    other = tmp_path / "libother.so"
    run(
        "cc",
        "-shared",
        "-Wl,--whole-archive",
        library / "lib" / "libfastgmmmi.a",
        "-Wl,--no-whole-archive",
        "-lm",
        "-o",
        other,
    )
    assert exported(other) == set()


@consumer_of("c")
def test_c_program_links_the_shared_library_by_pkg_config(consumer, library, data, expected):
    need("pkg-config")
    run("make", cwd=consumer, PKG_CONFIG_PATH=str(library / "lib" / "pkgconfig"))
    outputs = {
        run(consumer / "estimate", data, "x", "y", SEED, N_BOOTSTRAP, n_threads, LD_LIBRARY_PATH=str(library / "lib"))
        for n_threads in (1, 2, 5)
    }
    assert len(outputs) == 1  # threads do not change a bit
    assert numbers(outputs.pop()) == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.slow
@consumer_of("c")
def test_valgrind_finds_nothing(consumer, library, data, expected):
    need("valgrind")
    build_program(consumer, library)
    checks = [
        "--quiet",
        "--error-exitcode=9",
        "--leak-check=full",
        "--show-leak-kinds=all",
        "--errors-for-leak-kinds=all",
    ]
    found = run("valgrind", *checks, consumer / "estimate", data, "x", "y", SEED, N_BOOTSTRAP, 2)
    assert numbers(found) == pytest.approx(expected, rel=1e-9, abs=0)


@pytest.mark.slow
@consumer_of("c")
def test_thread_sanitizer_finds_nothing(consumer, data, expected, tmp_path):
    settings = ["CFLAGS=-O1 -g -fsanitize=thread", "LDFLAGS=-fsanitize=thread"]
    build_program(consumer, install_library(tmp_path, *settings), *settings)
    found = run(consumer / "estimate", data, "x", "y", SEED, N_BOOTSTRAP, 4)
    assert numbers(found) == pytest.approx(expected, rel=1e-9, abs=0)


@consumer_of("c")
def test_c_program_says_what_is_wrong(consumer, library, data, tmp_path):
    build_program(consumer, library)
    constant = tmp_path / "constant.csv"
    constant.write_text("x,y\n" + "".join(f"{i},1\n" for i in range(50)))
    for arguments, message in [
        ((constant, "x", "y"), "estimate: a column is constant, so its information is undefined\n"),
        ((data, "x", "z"), f"estimate: no file {data} with columns x and z\n"),
    ]:
        failed = attempt(consumer / "estimate", *arguments, SEED, N_BOOTSTRAP, 1)
        assert (failed.returncode, failed.stderr) == (2, message)


@pytest.mark.slow
@consumer_of("cxx")
@pytest.mark.parametrize("shared", ["OFF", "ON"])
def test_cxx_program_finds_the_library_by_cmake(consumer, data, expected, tmp_path, shared):
    need("cmake", "c++", "pkg-config")
    built, prefix = tmp_path / "built", tmp_path / "prefix"
    run("cmake", "-S", ROOT / "csrc", "-B", built, f"-DBUILD_SHARED_LIBS={shared}")
    run("cmake", "--build", built, "--parallel", 2)
    run("cmake", "--install", built, "--prefix", prefix)
    config, *_ = prefix.glob("lib*/**/fastgmmmi-config.cmake")
    run(
        "cmake",
        "-S",
        ".",
        "-B",
        "build",
        f"-Dfastgmmmi_DIR={config.parent}",
        f"-DCMAKE_CXX_FLAGS={' '.join(WARNINGS)}",
        cwd=consumer,
    )
    run("cmake", "--build", "build", cwd=consumer)
    assert numbers(run(consumer / "build" / "estimate", data, SEED, N_BOOTSTRAP)) == pytest.approx(
        expected, rel=1e-9, abs=0
    )
    failed = attempt(consumer / "build" / "estimate", data, SEED, -1)
    assert (failed.returncode, failed.stderr) == (2, "estimate: an option has a value that is not allowed\n")
    package, *_ = prefix.glob("lib*/**/fastgmmmi.pc")
    found = run("pkg-config", "--modversion", "fastgmmmi", PKG_CONFIG_PATH=str(package.parent)).strip()
    assert found == fg.__version__
    if shared == "ON":
        assert exported(next(prefix.glob("lib*/**/libfastgmmmi.so"))) == {*public_functions(), "fgm_get_api"}


@consumer_of("rust")
def test_rust_program_links_the_static_library(consumer, library, data, expected):
    need("cargo", "rustc")
    run("cargo", "build", "--offline", "--quiet", cwd=consumer, FASTGMMMI_LIB_DIR=str(library / "lib"))
    program = consumer / "target" / "debug" / "estimate"
    assert numbers(run(program, data, SEED, N_BOOTSTRAP)) == pytest.approx(expected, rel=1e-9, abs=0)
    failed = attempt(program, data, SEED, -1)
    assert (failed.returncode, failed.stderr) == (1, 'Error: "an option has a value that is not allowed"\n')


# ---- an extension module on the installed core -----------------------------------------------------------------------

ESTIMATE = f"""
import consumer, numpy
x, y = numpy.loadtxt(FILE, delimiter=",", skiprows=1).T.copy()
value, standard_error = consumer.mutual_information(x, y, {SEED}, {N_BOOTSTRAP})
print(repr(value), repr(standard_error))
"""

# A later release of the library: its table is this one and 20 functions more.
LATER_LIBRARY = """
import ctypes, fastgmmmi._core as core
get_pointer, new = ctypes.pythonapi.PyCapsule_GetPointer, ctypes.pythonapi.PyCapsule_New
get_pointer.argtypes, get_pointer.restype = [ctypes.py_object, ctypes.c_char_p], ctypes.c_void_p
new.argtypes, new.restype = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p], ctypes.py_object
name = ctypes.create_string_buffer(b"fastgmmmi._core._C_API")
address = get_pointer(core._C_API, name)
size = ctypes.c_size_t.from_address(address + 8)
table = ctypes.create_string_buffer(ctypes.string_at(address, size.value), size.value + 20 * 8)
ctypes.c_size_t.from_buffer(table, 8).value += 20 * 8
core._C_API = new(ctypes.addressof(table), name, None)
"""


def build_extension(folder, include=None):
    """Compile the package in place; include: a folder with another header."""
    flags = [*([f"-I{include}"] if include else []), *WARNINGS, "-Wno-missing-field-initializers"]
    run(sys.executable, "setup.py", "--quiet", "build_ext", "--inplace", cwd=folder, CFLAGS=" ".join(flags))


def python(script, folder):
    """Run a script for which the modules in a folder are installed."""
    return attempt(sys.executable, "-c", script, cwd=folder, PYTHONPATH=str(folder))


@consumer_of("cext")
@pytest.mark.parametrize("library_version", ["", LATER_LIBRARY], ids=["this library", "a later one"])
def test_extension_gives_the_same_bits(consumer, data, expected, library_version):
    need("cc")
    build_extension(consumer)
    done = python(f"FILE = {str(data)!r}\n{library_version}\n{ESTIMATE}", consumer)
    assert numbers(done.stdout) == expected, done.stderr
    failed = python(
        "import consumer, numpy; consumer.mutual_information(numpy.ones(50), numpy.arange(50.0), 0, 1)", consumer
    )
    message = "ValueError: mutual_information: a column is constant, so its information is undefined\n"
    assert failed.stderr.endswith(message)


def later_header(header):
    """That of a later release, with one more function."""
    last = public_functions()[-1]
    section = "/* ---- The table of functions"
    header = header.replace(f"    X({last})\n", f"    X({last}) \\\n    X(fgm_later)\n")
    return header.replace(section, f"FGM_FUNCTION(int, fgm_later, (void));\n\n{section}")


def other_header(header):
    """That of a later release, with which this one's programs would not run either."""
    return re.sub(r"FGM_ABI_VERSION (\d+)", lambda found: f"FGM_ABI_VERSION {int(found[1]) + 1}", header)


@consumer_of("cext")
@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (later_header, "which is older, is installed: upgrade with pip install 'fastgmmmi>=99.1.0'\n"),
        (other_header, "is installed: compile the module again, or install fastgmmmi 99.1.0\n"),
    ],
)
def test_extension_refuses_an_older_library(consumer, tmp_path, change, advice):
    need("cc")
    header = (INCLUDE / "fastgmmmi.h").read_text(encoding="utf-8")
    header = change(header).replace(f'FGM_VERSION "{fg.__version__}"', 'FGM_VERSION "99.1.0"')
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "fastgmmmi.h").write_text(header, encoding="utf-8")
    build_extension(consumer, tmp_path / "later")
    failed = python("import consumer", consumer)
    start, end = (
        "ImportError: this module was compiled with the header of fastgmmmi 99.1.0 ",
        f"fastgmmmi {fg.__version__} ",
    )
    assert start in failed.stderr
    assert end in failed.stderr
    assert failed.stderr.endswith(advice)


def test_capsule_bears_its_dotted_path():
    core = sys.modules["fastgmmmi._core"]
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.argtypes, get_name.restype = [ctypes.py_object], ctypes.c_char_p
    assert get_name(core._C_API) == b"fastgmmmi._core._C_API"


# ---- the page about all this -----------------------------------------------------------------------------------------


def test_docs_show_the_consumers():
    page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(\.\./([^)]+)\)", page)
    assert [link for link in links if not (ROOT / link).exists()] == []
    files = [path for path in (ROOT / "tests" / "consumers").rglob("*.*") if path.suffix in {".c", ".cpp", ".rs"}]
    shown = {line.strip() for path in files for line in path.read_text(encoding="utf-8").splitlines()}
    blocks = re.findall(r"```(?:c|cpp|rust)\n(.*?)```", page, re.S)
    assert len(blocks) == 4
    assert [line for block in blocks for line in block.splitlines() if line.strip() not in shown | {""}] == []
