"""Runs in the environment of a peer (or of fastgmmmi) and times calls there.

One JSON object per line comes in: {"call": name, "arrays": {argument: path of a .npy file}, "options": {...}}; one goes
back: {"seconds": ..., other results} or {"failed": why}. Modules are imported before the clock starts. Peers are used
through their public interface alone.
"""

import importlib
import json
import math
import sys
import time
import warnings

import numpy as np

MODULES = {
    "fastgmmmi": "fastgmmmi",
    "fastgmmmi_matrix": "fastgmmmi",
    "gmm_mi": "gmm_mi.mi",
    "gmm_mi_categorical": "gmm_mi.mi",
    "ksg_scikit_learn": "sklearn.feature_selection",
    "ksg_scikit_learn_columns": "sklearn.feature_selection",
    "mixture_scikit_learn": "sklearn.mixture",
    "fit_scikit_learn": "sklearn.mixture",
    "ksg_ennemi": "ennemi",
    "ksg_infomeasure": "infomeasure",
    "ksg_npeet": "npeet_plus",
}


def fastgmmmi(module, x, y, **options):
    """The whole job of this package: value and error bar."""
    result, seconds = timed(module.mutual_information, x, y, **options)
    return {
        "seconds": seconds,
        "value": result.value,
        "standard_error": result.standard_error,
        "n_components": result.n_components,
    }


def fastgmmmi_matrix(module, x, y=None, **options):
    """All pairs of columns, and the memory that they took at most."""
    before = memory("VmRSS")
    matrix, seconds = timed(module.mutual_information_matrix, x, y, **options)
    failed = sum(error is not None for error in matrix.errors.flat)
    return {"seconds": seconds, "megabytes": memory("VmHWM") - before, "failed pairs": failed}


def gmm_mi(module, x, y, fit=None, distribution=None, **select):
    """The whole job of gmm-mi with its defaults, but for what is said about fits, replicates and the selection."""
    estimate = module.EstimateMI(
        gmm_fit_params=module.GMMFitParamHolder(**(fit or {})),
        select_components_params=module.SelectComponentsParamHolder(**select),
    )
    replicates = module.MIDistParamHolder(**(distribution or {}))
    (value, error), seconds = timed(estimate.fit_estimate, np.column_stack([x, y]), mi_dist_params=replicates)
    return {
        "seconds": seconds,
        "value": float(value),
        "standard_error": float(error),
        "n_components": int(estimate.best_components),
    }


def gmm_mi_categorical(module, x, labels, n_bootstrap):
    """The same between a number and a class, which gmm-mi wants coded 0, 1, ..."""
    distribution = module.MIDistParamHolder(n_bootstrap=n_bootstrap)
    (value, error), seconds = timed(module.EstimateMI().fit_estimate_categorical, x, labels, distribution)
    return {"seconds": seconds, "value": float(value), "standard_error": float(error)}


def ksg_scikit_learn(module, x, y, n_neighbors=3):
    """A nearest-neighbour estimate, without an error bar. It adds noise to break ties, hence the seed."""
    value, seconds = timed(module.mutual_info_regression, x[:, None], y, n_neighbors=n_neighbors, random_state=0)
    return {"seconds": seconds, "value": float(value[0])}


def ksg_scikit_learn_columns(module, x, targets):
    """The same of every column of x about some of them."""
    scores = module.mutual_info_regression
    _, seconds = timed(lambda: [scores(x, x[:, target], random_state=0) for target in targets])
    return {"seconds": seconds}


def ksg_ennemi(module, x, y):
    """A nearest-neighbour estimate, without an error bar."""
    value, seconds = timed(module.estimate_mi, y, x)
    return {"seconds": seconds, "value": float(np.squeeze(value))}


def ksg_infomeasure(module, x, y):
    """A nearest-neighbour estimate, without an error bar."""
    value, seconds = timed(module.mutual_information, x, y, approach="ksg")
    return {"seconds": seconds, "value": float(value)}


def ksg_npeet(module, x, y):
    """A nearest-neighbour estimate, without an error bar."""
    value, seconds = timed(module.mi, x, y, base=math.e)
    return {"seconds": seconds, "value": float(value)}


def mixture_scikit_learn(module, X, weights, means, precisions, passes):
    """Seconds of one pass of EM on one thread: a long fit less a short one, over the difference of their passes.

    Processor time, which other work on the machine does not lengthen.
    """
    start = {"weights_init": weights, "means_init": means, "precisions_init": precisions}

    def fit(max_iter):
        before = time.process_time()
        module.GaussianMixture(n_components=len(weights), tol=0, max_iter=max_iter, **start).fit(X)
        return time.process_time() - before

    short = fit(1)
    return {"seconds": (fit(1 + passes) - short) / passes}


def fit_scikit_learn(module, X, weights, means, precisions, tol):
    """A whole fit from given parameters; reg_covar is 0, since a ridge moves the maximum."""
    start = {"weights_init": weights, "means_init": means, "precisions_init": precisions}
    mixture = module.GaussianMixture(n_components=len(weights), tol=tol, reg_covar=0, max_iter=100_000, **start)
    _, seconds = timed(mixture.fit, X)
    return {"seconds": seconds, "log_likelihood": mixture.score(X), "n_iter": mixture.n_iter_}


def memory(kind):
    """Megabytes of this process, "VmRSS" now or "VmHWM" at most so far; NaN where the system does not tell."""
    try:
        with open("/proc/self/status") as status:
            return next(float(line.split()[1]) / 1e3 for line in status if line.startswith(kind))
    except OSError:
        return math.nan


def timed(function, *arguments, **options):
    """What the function returns, and the seconds it took."""
    start = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - start


def main():
    """Serve requests until the input ends."""
    warnings.simplefilter("ignore")
    replies = sys.stdout
    sys.stdout = sys.stderr  # what a peer prints is not a reply
    for line in sys.stdin:
        request = json.loads(line)
        try:
            module = importlib.import_module(MODULES[request["call"]])
            arrays = {name: np.load(path) for name, path in request["arrays"].items()}
            reply = globals()[request["call"]](module, **arrays, **request["options"])
        except Exception as error:
            reply = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
