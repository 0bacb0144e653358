"""The examples run, in less than a minute each, and say what they are there to show."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def run(tmp_path):
    """Run an example in a folder of its own; give what it prints."""

    def run(name, *arguments):
        variables = os.environ | {"MPLBACKEND": "agg", "PYTHONUTF8": "1"}
        command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
        began = time.monotonic()
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, encoding="utf-8")
        assert (done.returncode, done.stderr) == (0, "")
        assert time.monotonic() - began < 60
        return done.stdout

    return run


@pytest.mark.slow
def test_network(run, tmp_path):
    out = run("network.py", "units.png")
    assert (tmp_path / "units.png").read_bytes().startswith(b"\x89PNG")
    assert out.count("  unit ") == 8
    assert "The ink is known best by unit" in out


@pytest.mark.slow
def test_features(run):
    out = run("features.py")
    assert "SelectKBest for the body mass keeps flipper_length_mm" in out
    assert "leads" in out


@pytest.mark.slow
def test_conditional(run):
    out = run("conditional.py")
    sunburns, swimmers = (line for line in out.splitlines() if "95% interval" in line)
    assert "the temperature explains all of it" in sunburns
    assert "something is left" in swimmers


@pytest.mark.slow
def test_divergences(run):
    out = run("divergences.py")
    for name in ("Renyi information", "Hellinger distance"):
        value, error, exact = map(float, re.search(rf"{name} +(\S+) ± (\S+), exactly (\S+)", out).groups())
        assert abs(value - exact) <= error + 1e-6 < 1e-4
    orders = [float(value) for value in re.findall(r"order .*?: (\S+) ±", out)]
    information = float(re.search(r"order is 1: (\S+)", out)[1])
    assert orders == sorted(orders)  # Renyi's information grows with the order
    assert orders[1] == pytest.approx(information, rel=0.01)
