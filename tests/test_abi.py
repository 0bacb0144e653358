"""The binary interface of fastgmmmi.h as programs have it compiled in: tests/abi/fastgmmmi.txt, written by this file.

Functions and constants that are added pass. Whatever else differs fails, and says what a maintainer must do.
"""

import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import fastgmmmi as fg

HEADER = Path(fg.get_include()) / "fastgmmmi.h"
SNAPSHOT = Path(__file__).parent / "abi" / "fastgmmmi.txt"
ADVICE = """
Programs compiled against a released fastgmmmi.h would break or read the wrong memory. What you can do:
- put it back: functions of the table are appended, never moved, changed or taken away; fields come last in a structure;
- where a structure has grown at its end: let the library take the sizes of released headers as well, with defaults for
  the fields beyond them (every test of a size field in csrc/ with FGM_ERROR_VERSION), then write the snapshot anew;
- where it must change: raise FGM_ABI_VERSION in fastgmmmi.h, say so in CHANGELOG.md, then write the snapshot anew.
What no release contains yet may change freely. `python tests/test_abi.py` writes the snapshot.
"""


def parse(header):
    """Functions in the order of the table (name -> type), structures (name -> fields), constants and callbacks."""
    text = re.sub(r"\s*/\*.*?\*/", "", header, flags=re.S).replace("\\\n", " ")
    declared = re.findall(r"\bFGM_FUNCTION\(([\w *]+), (fgm_\w+), (\(.*?\))\);", text, re.S)
    types = {name: " ".join(f"{returned} {parameters}".split()) for returned, name, parameters in declared}
    order = re.findall(r"X\((fgm_\w+)\)", re.search(r"#define FGM_FUNCTIONS\(X\)(.*)", text)[1])
    functions = {name: types[name] for name in order}
    structures = {}
    for name, body in re.findall(r"typedef struct (?!fgm_api )(fgm_\w+) \{(.*?)\}", text, re.S):
        fields = structures[name] = {}
        for declaration in filter(None, (line.strip() for line in body.split(";"))):
            kind, names = re.match(r"(.*?[ *])(\w+(?:, \w+)*)$", declaration).groups()
            fields.update((field, kind.strip()) for field in names.split(", "))
    statuses = re.findall(r"X\((\w+), \d+, \"", text)
    enums = "".join(re.findall(r"typedef enum fgm_\w+ \{([^#]*?)\}", text))
    constants = [*(f"FGM_{name}" for name in statuses), *re.findall(r"FGM_\w+(?= =)", enums)]
    constants += re.findall(r"#define (FGM_(?:ABI_VERSION|MAX_\w+)) ", text)
    callbacks = {
        name: " ".join(body.split()) for body, name in re.findall(r"typedef (int \(\*(fgm_\w+)\)\(.*?\));", text)
    }
    return functions, structures, constants, callbacks


def interface(header, folder):
    """One line for each fact that a compiler takes from the header, with numbers as it has them."""
    functions, structures, constants, callbacks = parse(header)
    facts = [(f"{name} = %zu", name) for name in constants]
    facts += [(callback, None) for callback in callbacks.values()]
    for name, fields in structures.items():
        facts += [(f"sizeof({name}) = %zu", f"sizeof({name})")]
        facts += [(f"{name}.{field} at %zu: {kind}", f"offsetof({name}, {field})") for field, kind in fields.items()]
    table = {"abi_version": "int32_t", "size": "size_t"} | functions
    facts += [(f"fgm_api.{name} at %zu: {kind}", f"offsetof(fgm_api, {name})") for name, kind in table.items()]
    lines = [f'    printf("{text}\\n"{f", (size_t)({number})" if number else ""});' for text, number in facts]
    program = ['#include "fastgmmmi.h"', "#include <stdio.h>", "int main(void) {", *lines, "    return 0;", "}"]
    (folder / "fastgmmmi.h").write_text(header, encoding="utf-8")
    (folder / "facts.c").write_text("\n".join(program) + "\n", encoding="utf-8")
    # The functions are declared, not linked: only the inline ones would need them.
    subprocess.run(["cc", "-O1", "-w", "facts.c", "-o", "facts"], cwd=folder, check=True)
    return subprocess.run([folder / "facts"], check=True, capture_output=True, text=True).stdout.splitlines()


def differences(lines):
    """Lines of the snapshot that no longer hold, with what there is instead."""
    now = {line.partition(" ")[0]: line for line in lines}
    gone = [line for line in SNAPSHOT.read_text(encoding="utf-8").splitlines() if line not in lines]
    return [f"was: {line}\nis:  {now.get(line.partition(' ')[0], 'nothing')}" for line in gone]


@pytest.fixture
def header():
    if not shutil.which("cc") or struct.calcsize("PNl") != 24:
        pytest.skip("a C compiler with pointers and longs of 64 bits is needed")
    return HEADER.read_text(encoding="utf-8")


def test_interface_is_the_one_that_programs_were_compiled_against(header, tmp_path):
    changed = differences(interface(header, tmp_path))
    if changed:
        pytest.fail("\n".join(["the binary interface has changed:", *changed, ADVICE]))


def test_appended_functions_pass(header, tmp_path):
    last = list(parse(header)[0])[-1]
    header = header.replace(f"    X({last})\n", f"    X({last}) \\\n    X(fgm_later)\n")
    header = header.replace("/* ---- The table", "FGM_FUNCTION(int, fgm_later, (double x));\n\n/* ---- The table")
    lines = interface(header, tmp_path)
    assert lines[-1].startswith("fgm_api.fgm_later at ")
    assert differences(lines) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("    X(fgm_cpu_tier) \\\n", "", "was: fgm_api.fgm_cpu_tier at 32: const char * (void)\nis:  nothing"),
        ("(int status)", "(long status)", "is:  fgm_api.fgm_strerror at 24: const char * (long status)"),
        ("    int32_t n_folds;", "    int64_t n_folds;", "is:  fgm_options.n_folds at 24: int64_t"),
        ("    double least_variance;", "    double least_variance, more;", "was: sizeof(fgm_options) = "),
        (
            "X(ERROR_CANCELLED, 2,",
            "X(ERROR_CANCELLED, 20,",
            "was: FGM_ERROR_CANCELLED = 2\nis:  FGM_ERROR_CANCELLED = 20",
        ),
        (
            "int64_t index, int is_caller",
            "int64_t index",
            "was: int (*fgm_task)(void *task_data, int64_t index, int is_caller)",
        ),
    ],
)
def test_changes_fail(header, tmp_path, old, new, complaint):
    assert old in header
    assert complaint in "\n".join(differences(interface(header.replace(old, new, 1), tmp_path)))


if __name__ == "__main__":
    import tempfile

    source = Path(__file__).parent.parent / "fastgmmmi" / "include" / "fastgmmmi.h"
    with tempfile.TemporaryDirectory() as work:
        lines = interface(source.read_text(encoding="utf-8"), Path(work))
    SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{SNAPSHOT}: {len(lines)} lines\n")
