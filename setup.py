"""Build the extension module; everything else about the package is in pyproject.toml.

Environment variables for development: FASTGMMMI_DEBUG=1 (no optimisation, assertions), FASTGMMMI_COVERAGE=1 (gcov),
FASTGMMMI_SANITIZE=address,undefined. There are no flags for the processor: each tier of csrc sets its own in the code.
"""

import os
import sys
import sysconfig
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = bool(os.environ.get("FASTGMMMI_DEBUG"))
COVERAGE = bool(os.environ.get("FASTGMMMI_COVERAGE"))
SANITIZE = os.environ.get("FASTGMMMI_SANITIZE")
# One build serves CPython 3.11 and later, by the limited API, which free-threaded CPython and other interpreters lack.
ABI3 = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
LIMITED_API = [("Py_LIMITED_API", "0x030b0000")] if ABI3 else []


def unix_flags() -> tuple[list[str], list[str]]:
    """Flags of gcc and clang, for compiling and for linking."""
    compile_flags = ["-std=gnu11", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
    link_flags = []
    if SANITIZE:
        compile_flags += [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"]
        link_flags += [f"-fsanitize={SANITIZE}"]
    if COVERAGE:
        compile_flags += ["--coverage"]
        link_flags += ["--coverage"]
    if DEBUG or COVERAGE:
        compile_flags += ["-O0", "-g", "-UNDEBUG"]
    elif SANITIZE:
        compile_flags += ["-O1", "-g", "-UNDEBUG"]
    else:
        compile_flags += ["-O3", "-g0"]
    return compile_flags, link_flags


class build_core(build_ext):
    """Give the extension the flags of the compiler at hand."""

    def build_extensions(self) -> None:
        """Build."""
        for extension in self.extensions:
            if self.compiler.compiler_type == "msvc":
                extension.extra_compile_args = ["/std:c11", "/Od" if DEBUG else "/O2"]
            else:
                extension.extra_compile_args, extension.extra_link_args = unix_flags()
        super().build_extensions()


if __name__ == "__main__":  # benchmarks/ takes unix_flags from here
    setup(
        ext_modules=[
            Extension(
                "fastgmmmi._core",
                sources=["fastgmmmi/_core.pyx", *sorted(glob("csrc/*.c"))],
                depends=[*glob("csrc/*.h"), *glob("fastgmmmi/include/*.h"), *glob("fastgmmmi/*.pxd"), "setup.py"],
                include_dirs=["csrc", "fastgmmmi/include"],
                libraries=[] if sys.platform == "win32" else ["m"],
                define_macros=LIMITED_API,
                py_limited_api=ABI3,
            ),
            Extension(  # links nothing: it finds the core as any other package does
                "fastgmmmi.cython_api",
                sources=["fastgmmmi/cython_api.pyx"],
                depends=[
                    "fastgmmmi/cython_api.pxd",
                    "fastgmmmi/types.pxd",
                    "fastgmmmi/include/fastgmmmi.h",
                    "setup.py",
                ],
                include_dirs=["fastgmmmi/include"],
                define_macros=[("FASTGMMMI_IMPORT", None), *LIMITED_API],
                py_limited_api=ABI3,
            ),
        ],
        cmdclass={"build_ext": build_core},
        options={"build_ext": {"cython_c_in_temp": True}, "bdist_wheel": {"py_limited_api": "cp311"} if ABI3 else {}},
    )
