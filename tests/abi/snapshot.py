"""Write cython_api.json from the installed package, after functions were added: `python tests/abi/snapshot.py`."""

import ctypes
import json
from pathlib import Path

from fastgmmmi import cython_api

SNAPSHOT = Path(__file__).with_name("cython_api.json")


def exported_signatures():
    """Name to signature of each function that Cython modules can import, as Cython compares them: to the letter."""
    capsule_name = ctypes.pythonapi.PyCapsule_GetName
    capsule_name.restype, capsule_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return {name: capsule_name(capsule).decode() for name, capsule in sorted(cython_api.__pyx_capi__.items())}


if __name__ == "__main__":
    SNAPSHOT.write_text(json.dumps(exported_signatures(), indent=2) + "\n", encoding="utf-8")
