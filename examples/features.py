"""Which measurements tell the most about a penguin's body mass, and about its species.

Ranks columns of examples/penguins.csv with scikit-learn's interface, then with error bars, which say whether the first
place is more than luck.

    python examples/features.py

Needs pandas and scikit-learn beside fastgmmmi.
"""

from pathlib import Path

import pandas as pd
from sklearn.feature_selection import SelectKBest

import fastgmmmi as fg


def main():
    """Rank twice."""
    penguins = pd.read_csv(Path(__file__).with_name("penguins.csv")).dropna()
    sizes = penguins[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]

    features, mass = sizes.drop(columns="body_mass_g"), sizes["body_mass_g"]
    selector = SelectKBest(fg.mutual_info_regression, k=1).fit(features, mass)
    print(f"SelectKBest for the body mass keeps {selector.get_feature_names_out()[0]}")

    m = fg.mutual_information_matrix(penguins[["species"]], sizes, rng=0)
    table = m.to_dataframe().sort_values("value", ascending=False)
    print("\nInformation about the species, in nats:")
    print(table[["column", "value", "standard_error", "low", "high"]].round(3).to_string(index=False))

    gap = m.information_gap()
    print(
        f"\n{gap.largest[0]} leads {gap.second[0]} by {gap.value[0]:.3f} ± {gap.standard_error[0]:.3f} nats, "
        f"{'more' if gap.value[0] > 2 * gap.standard_error[0] else 'no more'} than luck explains"
    )


if __name__ == "__main__":
    main()
