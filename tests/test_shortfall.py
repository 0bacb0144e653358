"""What the mixture misses, or makes up: by definition, where it is, where it is not, and what it does."""

import json
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import twins

import fastgmmmi as fg

TRUTH = -math.log(1 - 0.8**2)  # of two pairs of correlation .8
MISSES = r"^nearest neighbours find 0\.\d+ nats that the mixture misses"
MADE_UP = r"^the mixture claims more than its own rows bear out; 0\.\d+ nats are taken off"


def spirals(n, seed):
    """Two correlated pairs; then x is turned by an angle that is its squared length, which takes no information."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    y = 0.8 * x + 0.6 * rng.normal(size=(n, 2))
    angle = (x**2).sum(axis=1)
    turned = np.column_stack(
        [np.cos(angle) * x[:, 0] - np.sin(angle) * x[:, 1], np.sin(angle) * x[:, 0] + np.cos(angle) * x[:, 1]]
    )
    return turned, y


def lumps(n, seed):
    """Three Gaussians in 2 + 1 dimensions: a mixture holds all there is."""
    rng = np.random.default_rng(seed)
    centres = np.array([[-2.0, 0, 1], [2, 1, 0], [0, -2, -1]])[rng.integers(3, size=n)]
    rows = centres + rng.normal(size=(n, 3)) * [0.5, 0.7, 0.4]
    return rows[:, :2], rows[:, 2]


def discs(n, seed):
    """Independent, each uniform in a disc of its own."""
    rng = np.random.default_rng(seed)
    angle, radius = rng.uniform(0, 2 * np.pi, (2, n)), np.sqrt(rng.uniform(size=(2, n)))
    return tuple(np.column_stack([r * np.cos(a), r * np.sin(a)]) for a, r in zip(angle, radius, strict=True))


def gaussian(n, seed):
    """In 2 + 1 dimensions, correlated."""
    rows = np.random.default_rng(seed).normal(size=(n, 3)) @ [[1, 0.5, 0.3], [0, 1, -0.6], [0, 0, 0.7]]
    return rows[:, :2], rows[:, 2]


@pytest.fixture(scope="module")
def found():
    """An estimate that falls short."""
    with pytest.warns(UserWarning, match=MISSES):
        return fg.mutual_information(*spirals(1000, 0), n_components=3, marginals="standardize", rng=3)


# ---- what it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [False, True])
def test_it_is_what_its_definition_says(swap):
    x, y = spirals(700, 1)[:: -1 if swap else 1]
    with pytest.warns(UserWarning, match=MISSES):
        r = fg.mutual_information(x, y, n_components=2, marginals="standardize", n_bootstrap=0, rng=3)
    m = r.model
    assert r.shortfall == pytest.approx(
        twins.shortfall(m.weights, m.means, m.covariances, *r.transform(x, y), 3), rel=1e-9
    )
    assert r.value == r.plug_in + r.shortfall
    assert r.standard_error is None


def test_it_is_part_of_value_and_error(found):
    replicates = found.bootstrap_distribution
    assert found.shortfall > 0.1
    assert found.value == pytest.approx(2 * found.plug_in - replicates.mean() + found.shortfall)
    missing = math.sqrt(found.standard_error**2 - replicates.std(ddof=1) ** 2)
    assert found.shortfall < missing < 1.1 * found.shortfall
    assert found.warnings[0].endswith(
        "part of the value, and, since as much may be missing still, of its standard error"
    )


@pytest.mark.parametrize("method", ["bca", "percentile", "basic", "normal"])
def test_intervals_widen_by_it(found, method):
    for level, z in ((0.68, 0.994), (0.95, 1.96)):
        low, high = found.confidence_interval(level, method)
        assert low < found.value < high
        assert (high - low) / 2 == pytest.approx(z * found.standard_error, rel=0.02)


def test_units_and_files_carry_it(found, tmp_path):
    found.save(tmp_path / "found.npz")
    loaded = fg.MIResult.load(tmp_path / "found.npz")
    assert loaded == found
    assert loaded.confidence_interval() == found.confidence_interval()
    assert json.loads(json.dumps(found.to_dict()))["shortfall"] == found.shortfall
    with pytest.warns(UserWarning, match=MISSES):
        bits = fg.mutual_information(*spirals(1000, 0), n_components=3, marginals="standardize", rng=3, units="bits")
    assert bits.shortfall == pytest.approx(found.shortfall / math.log(2))
    assert bits.standard_error == pytest.approx(found.standard_error / math.log(2))
    assert bits.confidence_interval() == pytest.approx(np.array(found.confidence_interval()) / math.log(2))


def test_threads_and_executors_give_the_same_bits(found):
    same = {"n_components": 3, "marginals": "standardize", "rng": 3}
    with ThreadPoolExecutor(2) as executor:
        for options in ({"threads": 1}, {"threads": 2}, {"executor": executor}):
            with pytest.warns(UserWarning, match=MISSES):
                assert fg.mutual_information(*spirals(1000, 0), **same, **options) == found


@pytest.mark.parametrize("tier", twins.tiers())
def test_tiers_agree(found, tier):
    with twins.on_tier(tier), pytest.warns(UserWarning, match=MISSES):
        r = fg.mutual_information(*spirals(1000, 0), n_components=3, marginals="standardize", rng=3)
    assert r.shortfall == pytest.approx(found.shortfall, rel=1e-9)
    assert r.value == pytest.approx(found.value, rel=1e-9)


def test_it_is_added_to_the_error_of_one_fit():
    x, y = spirals(1000, 0)
    with pytest.warns(UserWarning, match=MISSES):
        r = fg.mutual_information(x, y, n_components=3, marginals="standardize", error="delta", rng=3)
    assert r.standard_error > r.shortfall > 0.1
    assert r.value > r.plug_in
    low, high = r.confidence_interval(0.68)
    assert (high - low) / 2 == pytest.approx(0.994 * r.standard_error, rel=1e-3)


# ---- what a mixture makes up ----------------------------------------------------------------------------------------


def test_half_is_taken_off_where_rows_bear_out_some():
    """Cauchy's distribution, whose columns share their scale: .432 nats, of which three Gaussians claim more."""
    rng = np.random.default_rng(15)
    rows = rng.normal(size=(800, 4)) / np.abs(rng.normal(size=(800, 1)))
    with pytest.warns(UserWarning, match=MADE_UP):
        r = fg.mutual_information(
            rows[:, :2], rows[:, 2:], n_components=3, marginals="standardize", n_bootstrap=0, rng=0
        )
    terms = r.pointwise(rows[:, :2], rows[:, 2:])
    assert r.shortfall == pytest.approx((terms.mean() - r.plug_in) / 2, abs=1e-9)
    assert r.shortfall < -2 * terms.std() / math.sqrt(800)
    assert r.value == r.plug_in + r.shortfall


def test_all_is_taken_off_where_rows_cannot_be_told_from_pairs_of_different_rows():
    x, y = discs(3000, 0)
    options = {"n_components": 4, "marginals": "standardize", "rng": 0}
    r = fg.mutual_information(x, y, n_bootstrap=0, **options)
    terms = r.pointwise(x, y)
    error = terms.std() / math.sqrt(3000)
    assert r.plug_in - terms.mean() > 4 * error
    assert r.shortfall == -r.plug_in
    assert r.value == 0
    resampled = fg.mutual_information(x, y, n_bootstrap=20, **options)
    scatter = resampled.bootstrap_distribution.std(ddof=1)
    assert resampled.standard_error == pytest.approx(math.hypot(scatter, r.shortfall, error), rel=1e-3)
    low, high = resampled.confidence_interval()
    assert low < 0 < high
    weighted = fg.mutual_information(x, y, n_bootstrap=0, sample_weight=np.full(3000, 2.0), **options)
    assert weighted.shortfall == pytest.approx(r.shortfall, rel=1e-6)


def chance(seed):
    """Heavy tails of x and y that know nothing of each other, of which chance brings several components together."""
    return np.random.default_rng([seed, 7]).standard_t(2, size=(2, 500))


@pytest.mark.filterwarnings("ignore:the mixture claims")
def test_what_chance_may_claim_is_put_to_held_out_rows():
    """Of 200 independent pairs a few take several components. All that these claim is taken off of some, nothing of
    the others; what is left in the mean is a small part of the mean error bar."""
    found = [fg.mutual_information(*chance(seed), rng=seed, n_bootstrap=50) for seed in range(200)]
    several = [r for r in found if r.n_components > 1]
    made_up = [r for r in several if r.shortfall != 0]
    assert {(r.value, r.shortfall) for r in made_up} == {(0.0, -r.plug_in) for r in made_up}
    assert len(several) / 4 <= len(made_up) < len(several)
    assert all(r.standard_error > r.plug_in for r in made_up)
    assert all(low < 0 < high for low, high in (r.confidence_interval(0.68) for r in made_up))
    values, errors = np.array([(r.value, r.standard_error) for r in found]).T
    assert abs(values.mean()) < 0.2 * errors.mean()


def first_made_up():
    """The first of these that comes out at 0, and its result."""
    results = ((seed, fg.mutual_information(*chance(seed), rng=seed, n_bootstrap=0)) for seed in range(200))
    return next((seed, r) for seed, r in results if r.shortfall < 0)


def test_components_that_were_asked_for_are_not_chance():
    seed, found = first_made_up()
    assert found.value == 0
    asked = {"n_components": found.n_components, "marginals": found.marginals}
    r = fg.mutual_information(*chance(seed), rng=seed, n_bootstrap=0, **asked)
    assert r.shortfall == 0
    assert r.value == r.plug_in > 0


def test_chance_is_the_same_on_threads_and_executors():
    seed, _ = first_made_up()
    with ThreadPoolExecutor(2) as executor:
        ways = {"threads": 1}, {"threads": 2}, {"executor": executor}
        first, *others = (fg.mutual_information(*chance(seed), rng=seed, n_bootstrap=20, **way) for way in ways)
    assert first.value == 0
    assert others == [first, first]


def test_rows_bear_out_what_is_small_and_there():
    """.036 nats, n = 2,000: y spreads more where x is large. Of the mixtures of several components none is at 0."""
    made_up = []
    for seed in range(20):
        x, noise = np.random.default_rng(seed).normal(size=(2, 2000))
        r = fg.mutual_information(x, noise * np.exp(0.2 * x), rng=seed, n_bootstrap=0)
        made_up.append(r.shortfall < 0)
        assert r.n_components > 1 or r.shortfall == 0
    assert not any(made_up)


@pytest.mark.filterwarnings("ignore:the mixture claims")
def test_what_is_made_up_is_taken_off():
    """Of independent data: without it three error bars too much and more, with it nearer, and no further than two."""
    for seed in range(6):
        r = fg.mutual_information(*discs(3000, seed), n_components=4, marginals="standardize", rng=seed, n_bootstrap=20)
        assert r.shortfall < 0
        assert r.value - r.shortfall > 2.5 * r.bootstrap_distribution.std()
        assert abs(r.value) < min(2 * r.standard_error, r.value - r.shortfall)


@pytest.mark.filterwarnings("ignore:the mixture claims")
@pytest.mark.parametrize("which", ["labels", "given", "groups"])
def test_rows_are_asked_whatever_the_variables(which):
    """Labels that say nothing of discs, a condition that says nothing, rows that come in twos."""
    x, y = discs(3000, 0)
    rng = np.random.default_rng(1)
    options = {"n_components": 6, "marginals": "standardize", "rng": 0, "n_bootstrap": 0}
    if which == "labels":
        r = fg.mutual_information(x, y, given=rng.integers(2, size=3000), discrete="given", **options)
    elif which == "given":
        r = fg.mutual_information(x, y, given=rng.normal(size=3000), **options)
    else:
        r = fg.mutual_information(x, y, groups=np.arange(3000) // 2, **options)
    assert r.shortfall < 0
    assert r.value == pytest.approx(r.plug_in + r.shortfall)


def test_rows_bear_out_a_mixture_that_is_right():
    """Far within the four deviations: the likelihood ties the two means to each other."""
    for seed in range(20):
        rows = lumps(400, seed)
        r = fg.mutual_information(*rows, n_components=3, marginals="standardize", n_bootstrap=0, rng=0)
        terms = r.pointwise(*rows)
        assert abs(terms.mean() - r.plug_in) < 2 * terms.std() / 20


# ---- where it is, and where it is not --------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:nearest neighbours")
def test_it_makes_up_for_what_a_mixture_misses():
    """Over eight data sets, with every default: nearer to the truth, and error bars that say how near."""
    results = [fg.mutual_information(*spirals(500, seed), rng=seed) for seed in range(8)]
    shortfalls = np.array([r.shortfall for r in results])
    errors = np.array([r.value - TRUTH for r in results])
    quoted = np.array([r.standard_error for r in results])
    assert (shortfalls > 0).sum() >= 5
    assert abs(errors.mean()) < 0.6 * abs((errors - shortfalls).mean())
    assert (abs(errors) < 2 * quoted)[shortfalls > 0].all()


def test_a_mixture_does_not_fall_short():
    """Beyond three deviations once in 700; of 40, more than one would be once in 600."""
    options = {"n_bootstrap": 0, "marginals": "standardize"}
    jobs = [(lumps(400, seed), 3) for seed in range(20)] + [(gaussian(300, seed), 1) for seed in range(20)]
    shortfalls = [fg.mutual_information(*rows, n_components=k, rng=0, **options).shortfall for rows, k in jobs]
    assert np.count_nonzero(shortfalls) <= 1


def with_coarse_columns(x, y):
    return {"x": np.round(x, 1), "y": y}


def with_two_columns(x, y):
    return {"x": x[:, 0], "y": y[:, 0]}


def with_labels(x, y):
    return {"x": x, "y": (y[:, 0] > 0).astype(int), "discrete": "y"}


@pytest.mark.parametrize(
    ("change", "options"),
    [
        (with_coarse_columns, {}),
        (with_two_columns, {}),
        (with_labels, {}),
        (None, {"integral": "data"}),
        (None, {"sample_weight": np.repeat([1.0, 2.0], 500)}),
        (None, {"groups": np.arange(1000) // 2}),
        (None, {"given": np.random.default_rng(0).normal(size=1000)}),
    ],
)
def test_it_is_not_looked_for_where_neighbours_say_nothing(change, options):
    x, y = spirals(1000, 0)
    arguments = change(x, y) if change else {"x": x, "y": y}
    r = fg.mutual_information(**arguments, **{"n_components": 3, "n_bootstrap": 0, "rng": 0, **options})
    assert r.shortfall == 0


def test_columns_rounded_finely_are_looked_at():
    x, y = spirals(1000, 0)
    with pytest.warns(UserWarning, match=MISSES):
        r = fg.mutual_information(np.round(x, 4), y, n_components=3, marginals="standardize", n_bootstrap=0, rng=0)
    assert r.shortfall > 0.1


@pytest.mark.filterwarnings("ignore:nearest neighbours")
def test_of_many_rows_some_are_asked():
    """A quarter of them at n = 12,000, and none where few could be; under one Gaussian fewer."""
    options = {"n_bootstrap": 0, "marginals": "standardize", "rng": 0}
    for k, n, is_found in ((2, 12_000, True), (2, 70_000, False), (1, 1_000, True), (1, 1_100, False)):
        assert (fg.mutual_information(*spirals(n, 0), n_components=k, **options).shortfall > 0.2) is is_found
