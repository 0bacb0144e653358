"""Programs in C that hold the core, compiled as setup.py compiles it."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def compile_program(name: str, folder: str, *flags: str) -> Path:
    """Compile NAME.c of this folder with the core; flags come after those of setup.py."""
    sys.path.insert(0, str(ROOT))
    from setup import unix_flags

    compile_flags, link_flags = unix_flags()
    program = Path(folder) / name
    sources = [Path(__file__).with_name(f"{name}.c"), *sorted(ROOT.glob("csrc/*.c"))]
    includes = [f"-I{ROOT / 'csrc'}", f"-I{ROOT / 'fastgmmmi' / 'include'}"]
    command = [compiler(), *compile_flags, *flags, *includes, *sources, "-o", program, *link_flags, "-lm"]
    subprocess.run(command, check=True)
    return program


def compiler() -> str:
    """The C compiler."""
    return os.environ.get("CC", "cc")


def compiler_version() -> str:
    """What the compiler calls itself."""
    reply = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=True)
    return reply.stdout.splitlines()[0]


def processor_seconds(command: list[str | Path]) -> float:
    """Processor time of a process and its children."""
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system
