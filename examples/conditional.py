"""Two effects of one cause: they share information, and none of it is left once the cause is given.

Sales of ice and sunburns both rise on warm days. A third quantity, people in the water, depends on the sales of ice
beyond the weather: of that link something is left.

    python examples/conditional.py
"""

import numpy as np

import fastgmmmi as fg


def main():
    """Measure with and without the cause."""
    rng = np.random.default_rng(0)
    n = 1500
    temperature = rng.normal(20, 6, n)
    warmth = (temperature - 20) / 6
    ice = np.exp(warmth + 0.5 * rng.normal(size=n))
    sunburns = warmth**2 * (warmth > 0) + warmth + 0.7 * rng.normal(size=n)
    swimmers = np.log(ice) + warmth + 0.7 * rng.normal(size=n)

    print(f"{'':24}{'as they are':26}given the temperature")
    for name, effect in (("sunburns", sunburns), ("swimmers", swimmers)):
        plain = fg.mutual_information(np.log(ice), effect, rng=0)
        given = fg.mutual_information(np.log(ice), effect, given=temperature, rng=0)
        print(f"{f'ice and {name}':24}{plain.amount():26}{given.amount()}")
        low, high = given.confidence_interval()
        left = "something is left" if low > 0 else "the temperature explains all of it"
        print(f"{'':24}{left}: 95% interval {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
