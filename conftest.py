"""Let tests, and the interpreters that they start, import the installed package.

`python -m pytest` and `python -c` put the working directory on sys.path, where the source folder fastgmmmi/ would hide
the installed package although it holds no compiled module (unless the package was built in place, by an editable
install).
"""

import os
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parent.resolve()
if not any(path.suffix in {".so", ".pyd"} for path in CHECKOUT.glob("fastgmmmi/_core.*")):
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != CHECKOUT]
    os.environ["PYTHONSAFEPATH"] = "1"
