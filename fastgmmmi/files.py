"""Files: where the C headers are, and the format in which results and mixtures are saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FORMAT = 1


def get_include() -> str:
    """Give the folder that holds the headers ``fastgmmmi.h`` for C and ``fastgmmmi.hpp`` for C++.

    Returns
    -------
    str
        A path, for the include folders of a C or Cython build.

    Examples
    --------
    >>> import fastgmmmi as fg
    >>> import os
    >>> sorted(os.listdir(fg.get_include()))
    ['fastgmmmi.h', 'fastgmmmi.hpp']
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "include")


def save(path: str | os.PathLike[str], kind: str, numbers: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write an .npz file: arrays as they are, everything else in one JSON text. Loading it runs no code."""
    import json

    header = json.dumps({"format": _FORMAT, "kind": kind, **numbers}, default=lambda scalar: scalar.item())
    with open(path, "wb") as file:
        np.savez(file, header=np.array(header), **arrays)


def load(path: str | os.PathLike[str], kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read what `save` wrote: numbers and arrays."""
    import json
    from zipfile import BadZipFile

    name = os.fspath(path)
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = dict(archive.items())
        header = json.loads(str(arrays.pop("header")))
        found, version = header.pop("kind"), header.pop("format")
    except (ValueError, KeyError, TypeError, AttributeError, EOFError, BadZipFile):
        raise ValueError(f"{name} is not a file that fastgmmmi saved") from None
    if found != kind or version != _FORMAT:
        raise ValueError(f"{name} holds a {found} in format {version}, not a {kind} in format {_FORMAT}")
    return header, arrays
