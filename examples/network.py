"""What the hidden units of a small network know.

Trains a network of eight hidden units on scikit-learn's digits, then measures on other images how much each unit tells
about the digit, and about three factors that a person would name: how much ink there is, how slanted and how wide the
digit is. Draws the table as a heat map and reads it aloud.

    python examples/network.py [network.png]

Needs scikit-learn and matplotlib beside fastgmmmi.
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

import fastgmmmi as fg

N_UNITS = 8


def factors(images):
    """Ink, slant and width of each image, (n, 8, 8): the mass, shear and spread of its grey values."""
    rows, columns = np.mgrid[:8, :8]
    ink = images.sum(axis=(1, 2))

    def mean(values):
        return (images * values).sum(axis=(1, 2)) / ink

    down, across = (part - mean(part)[:, None, None] for part in (rows, columns))
    slant = -mean(down * across) / mean(down**2)
    return {"ink": ink, "slant": slant, "width": np.sqrt(mean(across**2))}


def main():
    """Train, measure, draw, read."""
    images, digits = load_digits(return_X_y=True)
    train, test, train_digits, test_digits = train_test_split(images / 16, digits, test_size=0.5, random_state=0)
    network = MLPClassifier((N_UNITS,), activation="tanh", max_iter=2000, random_state=0).fit(train, train_digits)
    print(f"{network.score(test, test_digits):.0%} of {len(test)} test images are recognised")

    # The input of each unit: its tanh is a monotone map of it, which leaves mutual information as it is.
    inputs = test @ network.coefs_[0] + network.intercepts_[0]
    units = {f"unit {unit}": inputs[:, unit] for unit in range(N_UNITS)}
    known = {"digit": test_digits, **factors(test.reshape(-1, 8, 8))}
    m = fg.mutual_information_matrix(units, known, discrete="digit", units="bits", rng=0)
    m.plot().figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "network.png")

    print(f"\nThe digit itself is {np.log2(10):.2f} bits. Each unit, and what it knows best:")
    gap = m.information_gap()
    for i, unit in enumerate(m.row_names):
        sure = "clearly" if gap.value[i] > 2 * gap.standard_error[i] else "if only just"
        j = m.column_names.index(gap.largest[i])
        amount = m.results[i, j].amount()
        print(f"  {unit}: {gap.largest[i]}, {amount}; more than of the {gap.second[i]}, {sure}")
    for j, factor in enumerate(m.column_names[1:], start=1):
        best = int(np.argmax(m.values[:, j]))
        low, _ = m.results[best, j].confidence_interval()
        verdict = "knows it" if low > 0 else "may know nothing of it"
        print(f"The {factor} is known best by {m.row_names[best]} ({m.results[best, j].amount()}), which {verdict}.")


if __name__ == "__main__":
    main()
