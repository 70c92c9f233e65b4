"""Random tables with the statistics that SciPy, NumPy and statsmodels compute of them, as JSON on stdout.

    python3 tests/stats/reference.py [SEED] > tests/stats/reference.json

needs numpy, scipy, statsmodels and pandas. tests/statistics.rs holds the program against it.
"""

import json
import sys
import warnings

import numpy as np
import pandas as pd
from scipy import spatial, stats
from scipy.stats._resampling import BootstrapResult
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

warnings.filterwarnings("ignore")


def describe(rng):
    x = rng.normal(size=rng.integers(3, 40)).round(rng.integers(1, 6))  # rounding makes ties
    y = rng.normal(size=rng.integers(3, 40)).round(2)
    d = np.diff(x)
    e = [x[0]]
    for value in x[1:]:
        e.append(0.9 * e[-1] + 0.1 * value)
    share = float(rng.uniform())
    p, q = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(5))
    q[rng.integers(5)] = 0.0
    return dict(
        x=x, y=y, share=share, p=p, q=q,
        mean=x.mean(), deviation=x.std(ddof=1), quantile=np.quantile(x, share),
        interquartile_mean=stats.trim_mean(x, 0.25),
        slope=stats.linregress(np.arange(len(x)), x).slope,
        sigma=stats.median_abs_deviation(d, scale="normal") / np.sqrt(2),
        ema=e,
        jensen_shannon=spatial.distance.jensenshannon(p, q, base=2) ** 2,
        kolmogorov_smirnov=stats.ks_2samp(x, y).statistic,
    )


def paired(rng):
    n = int(rng.integers(2, 12))
    d = (rng.normal(size=n) * 0.02 + rng.normal() * 0.02).round(3)
    if d.std() == 0:
        d[0] += 0.001
    share = float(rng.uniform(0.1, 0.6))
    error = np.sqrt((1 / n + share) * d.var(ddof=1))
    t = d.mean() / error
    reach = stats.t.ppf(0.975, n - 1) * error
    p = rng.uniform(size=6).round(2) ** 2
    enough = (m for m in range(n, 1001)
              if abs(d.mean()) > stats.t.ppf(0.975, m - 1) * np.sqrt(1 / m + share) * d.std(ddof=1))
    wins = (d > 0).sum() + 0.5 * (d == 0).sum()
    low, high = proportion_confint(wins, n, method="wilson")
    return dict(
        differences=d, val_share=share, difference=d.mean(), t=t, p=2 * stats.t.sf(abs(t), n - 1),
        low=d.mean() - reach, high=d.mean() + reach, splits_needed=next(enough, None),
        p_values=p, holm=multipletests(p, method="holm")[1],
        superiority=wins / n, superiority_low=low, superiority_high=high,
    )


def bca(rng):
    x = np.round(rng.gamma(2.0, size=rng.integers(5, 25)) * 64) / 64  # sums are exact, so that ties are ties
    draws = np.array([rng.choice(x, size=len(x)).mean() for _ in range(400)])
    given = BootstrapResult(confidence_interval=None, bootstrap_distribution=draws, standard_error=None)
    result = stats.bootstrap((x,), np.mean, method="BCa", n_resamples=0, bootstrap_result=given)
    left_out = [np.delete(x, i).mean() for i in range(len(x))]
    interval = result.confidence_interval
    return dict(observed=x.mean(), draws=draws, left_out=left_out, low=interval.low, high=interval.high)


def anova(rng, index):
    shape = [(2, 2, 3), (3, 2, 4), (2, 3, 2), (4, 2, 2)][index % 4]
    grid = np.array(np.meshgrid(*map(range, shape), indexing="ij")).reshape(3, -1).T
    scores = 0.6 + 0.03 * grid[:, 0] - 0.01 * grid[:, 1] + rng.normal(size=len(grid)) * 0.02
    if index % 2:  # missing cells and ties
        keep = np.sort(rng.permutation(len(grid))[: len(grid) - 2])
        grid, scores = grid[keep], scores[keep].round(2)
    table = pd.DataFrame(grid, columns=["a", "b", "split"])
    table["score"] = scores
    both = {}
    for name, formula in [("main", "C(a) + C(b) + C(split)"), ("pairs", "(C(a) + C(b) + C(split)) ** 2")]:
        model = ols("score ~ " + formula, table).fit()
        if model.df_resid < 1:
            continue
        if np.linalg.matrix_rank(model.model.exog) < model.model.exog.shape[1]:
            continue  # statsmodels' type II counts degrees of freedom by columns, not by rank
        result = anova_lm(model, typ=2)
        both[name] = dict(squares=list(result["sum_sq"]), freedom=[int(round(f)) for f in result["df"]],
                          variance=variances(table, result), p=list(result["PR(>F)"])[:-1])
    return dict(levels=grid.T, scores=scores, **both)


def variances(table, result):
    """Each term's variance by equating its mean square to its expectation."""
    noise = result["sum_sq"].iloc[-1] / result["df"].iloc[-1]
    found = []
    for name, row in list(result.iterrows())[:-1]:
        axes = [part[2:-1] for part in name.split(":")]
        runs = table.groupby(axes).size()
        a_level = (len(table) - (runs**2).sum() / len(table)) / (len(runs) - 1)
        found.append(max(0.0, (row["sum_sq"] / row["df"] - noise) / a_level))
    return found + [noise]


def ends(intervals):
    """The mean of repeated intervals' ends, and the standard deviation of one: the Monte Carlo error."""
    intervals = np.array(intervals)
    (low, high), (low_error, high_error) = intervals.mean(axis=0), intervals.std(axis=0, ddof=1)
    return dict(low=low, high=high, low_error=low_error, high_error=high_error)


def middle(rng):
    """Interquartile means of scores drawn within strata; eight scores or more, with ties."""
    strata = [rng.normal(rng.normal(), 0.5, size=rng.integers(2, 6)).round(1) for _ in range(rng.integers(4, 7))]

    def interval():
        drawn = np.concatenate([rng.choice(s, size=(2000, len(s))) for s in strata], axis=1)
        return np.quantile(stats.trim_mean(drawn, 0.25, axis=1), [0.025, 0.975])

    kept = sum(map(len, strata)) - 2 * (sum(map(len, strata)) // 4)
    # Means of so many tenths move in steps.
    return dict(strata=strata, step=0.1 / kept, **ends([interval() for _ in range(20)]))


def images(rng):
    """BCa intervals of a Dice from counts that are summed over drawn images."""
    hits = rng.integers(0, 50, size=rng.integers(8, 40))
    wrong = rng.integers(1, 50, size=len(hits))
    dice = lambda h, w, axis=-1: 2 * h.sum(axis=axis) / (2 * h.sum(axis=axis) + w.sum(axis=axis))

    def interval():
        result = stats.bootstrap((hits, wrong), dice, paired=True, method="BCa", n_resamples=2000, random_state=rng)
        return result.confidence_interval.low, result.confidence_interval.high

    return dict(hits=hits, wrong=wrong, value=dice(hits, wrong), step=1e-9,
                **ends([interval() for _ in range(20)]))


def permutation(rng):
    """Every arrangement of the factor's values within strata, by scipy's exact test on two levels."""
    n = int(rng.integers(4, 7))
    scores = rng.normal(size=(2, n)).round(2) + np.array([[0.0], [0.4]])
    result = stats.permutation_test(
        (scores[0], scores[1]),
        lambda a, b: abs(np.mean(a - b)),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    return dict(scores=scores.ravel(), factor=[0] * n + [1] * n, strata=list(range(n)) * 2, p=result.pvalue)


def plain(value):
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return value.item()
    return value


if __name__ == "__main__":
    rng = np.random.default_rng(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    cases = dict(
        describe=[describe(rng) for _ in range(20)],
        paired=[paired(rng) for _ in range(20)],
        bca=[bca(rng) for _ in range(20)],
        anova=[anova(rng, index) for index in range(20)],
        permutation=[permutation(rng) for _ in range(20)],
        middle=[middle(rng) for _ in range(20)],
        images=[images(rng) for _ in range(20)],
    )
    json.dump(plain(cases), sys.stdout, separators=(",", ":"))
    print()
