"""How near an EM pass comes to the limit of one core: `python benchmarks/limit.py`.

Run it with the Python that has fastgmmmi installed. Writes benchmarks/results/limit.md, unless --quick measures once.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import programs
import report
import speed

D, N_COMPONENTS = 2, (1, 2, 4, 8, 16)
EXPLANATION = (
    "An EM pass needs K - 1 exponentials per sample, since that of the largest term is 1. What they take in "
    "first-level cache with nothing beside them is a floor; the last column is its share of the pass. The rest is "
    "whitening, normalising, a logarithm per sample and the sums of moments. The exponential here is the one that is "
    "right to the last digits; the pass has one of 13 digits, three multiplications shorter. Processor time of one "
    "core per sample and component, d=2, n=10,000: the least over rounds, each of which takes the median over passes, "
    "or the least over runs for the exponential."
)


def time_exponential(program: Path, tier: str) -> float:
    """Seconds per exponential."""
    variables = os.environ | {"FASTGMMMI_CPU": tier}
    reply = subprocess.run([program], env=variables, capture_output=True, text=True, check=True)
    return 1e-9 * float(reply.stdout.split()[1])


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one round")
    options = parser.parse_args()
    tiers = report.machine_tiers()
    least: dict[tuple[str, int], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        exp_rate, em_pass = (programs.compile_program(name, folder) for name in ("exp_rate", "em_pass"))
        for _ in range(1 if options.quick else options.rounds):
            for tier in tiers:
                times = {0: time_exponential(exp_rate, tier)}
                for n_components in N_COMPONENTS:
                    arrays = speed.pass_arrays(D, n_components)
                    times[n_components] = speed.time_pass(em_pass, tier, arrays, Path(folder) / "data")["seconds"]
                for n_components, seconds in times.items():
                    least[tier, n_components] = min(seconds, least.get((tier, n_components), np.inf))
    rows = []
    for tier in tiers:
        exponential = least[tier, 0]
        rows.append([f"exp, {tier}", report.duration(exponential), f"{1e-9 / exponential:.3g}", ""])
        for n_components in N_COMPONENTS:
            seconds = least[tier, n_components]
            share = f"{100 * exponential * (1 - 1 / n_components) / seconds:.0f}%"
            rows.append(
                [f"EM pass, K={n_components}, {tier}", report.duration(seconds), f"{1e-9 / seconds:.3g}", share]
            )
    header = ["work", "time of one", "10^9 per second", "floor"]
    text = f"# The limit of one core\n\n{report.machine()}.\n\n{EXPLANATION}\n\n{report.table(header, rows)}"
    report.publish("limit", text, record=not options.quick)


if __name__ == "__main__":
    main()
