"""Densities and distributions of R and SciPy, with what SciPy computes: calls to be pasted and compared."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special, stats

u, pos, W = (
    np.array([1.0, -2.0, 0.5]),
    np.array([0.5, 1.5, 3.25]),
    np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]]),
)
V = np.array([[2.0, 0.0, 1.0], [1.0, 1.0, 0.5]])
xp, p = np.array([0.0, 1.0, 2.5]), np.array([0.2, 0.3, 0.5])
k = np.round(pos)

#: R's arguments, and SciPy's distribution with its own; the numbers are those of the tests' tensors.
_R: dict[str, tuple[str, Any, bool]] = {
    "norm": ("u, 0.3, 1.5", stats.norm(0.3, 1.5), False),
    "lnorm": ("pos, 0.3, 1.5", stats.lognorm(1.5, scale=np.exp(0.3)), False),
    "pois": ("round(pos), 1.5", stats.poisson(1.5), True),
    "binom": ("round(pos), 5, 0.3", stats.binom(5, 0.3), True),
    "nbinom": ("round(pos), 2.5, 0.3", stats.nbinom(2.5, 0.3), True),
    "exp": ("pos, 1.5", stats.expon(scale=1 / 1.5), False),
    "gamma": ("pos, 2.5, 1.5", stats.gamma(2.5, scale=1 / 1.5), False),
    "beta": ("p, 2.5, 1.5", stats.beta(2.5, 1.5), False),
    "t": ("u, 4", stats.t(4), False),
    "cauchy": ("u, 0.3, 1.5", stats.cauchy(0.3, 1.5), False),
    "logis": ("u, 0.3, 1.5", stats.logistic(0.3, 1.5), False),
    "weibull": ("pos, 2.5, 1.5", stats.weibull_min(2.5, scale=1.5), False),
}
_SCIPY: dict[str, tuple[str, Any, bool]] = {
    "norm": ("u, 0.3, 1.5", stats.norm(0.3, 1.5), False),
    "poisson": ("round(pos), 1.5", stats.poisson(1.5), True),
    "binom": ("round(pos), 5, 0.3", stats.binom(5, 0.3), True),
    "nbinom": ("round(pos), 2.5, 0.3", stats.nbinom(2.5, 0.3), True),
    "beta": ("p, 2.5, 1.5", stats.beta(2.5, 1.5), False),
    "t": ("u, 4", stats.t(4), False),
    "expon": ("pos, 0.3, 1.5", stats.expon(0.3, 1.5), False),
    "cauchy": ("u, 0.3, 1.5", stats.cauchy(0.3, 1.5), False),
    "logistic": ("u, 0.3, 1.5", stats.logistic(0.3, 1.5), False),
    "laplace": ("u, 0.3, 1.5", stats.laplace(0.3, 1.5), False),
}
_AT = {"u": u, "pos": pos, "round(pos)": k, "p": p}


def _density(distribution: Any, x: Any, *, discrete: bool, log: bool) -> Any:
    kind = ("log" if log else "") + ("pmf" if discrete else "pdf")
    return getattr(distribution, kind)(x)


def _cases() -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, (call, distribution, discrete) in _R.items():
        x = _AT[call.partition(", ")[0]]
        plain, log = (_density(distribution, x, discrete=discrete, log=which) for which in (False, True))
        found += [(f"d{name}({call})", plain), (f"d{name}({call}, log=False)", plain)]
        found += [(f"d{name}({call}, log=True)", log)]
    for name, (call, distribution, discrete) in _SCIPY.items():
        x = _AT[call.partition(", ")[0]]
        plain, log = (_density(distribution, x, discrete=discrete, log=which) for which in (False, True))
        found += [(f"{name}_{kind}({call})", plain) for kind in ("pdf", "pmf")]
        found += [(f"{name}_{kind}({call})", log) for kind in ("logpdf", "logpmf")]
    return found


_NORMAL = stats.norm(0.3, 1.5)
CASES: list[tuple[str, Any]] = [
    *_cases(),
    ("norm.logpdf(u, 0.3, 1.5)", _NORMAL.logpdf(u)),
    ("poisson.logpmf(round(pos), 1.5)", stats.poisson(1.5).logpmf(k)),
    ("norm.cdf(u, 0.3, 1.5)", _NORMAL.cdf(u)),
    ("norm_sf(u, 0.3, 1.5)", _NORMAL.sf(u)),
    ("norm_logcdf(u, 0.3, 1.5)", _NORMAL.logcdf(u)),
    ("norm_logsf(u, 0.3, 1.5)", _NORMAL.logsf(u)),
    ("norm_ppf(p, 0.3, 1.5)", _NORMAL.ppf(p)),
    ("expon_sf(pos, 0.3, 1.5)", stats.expon(0.3, 1.5).sf(pos)),
    ("expon_logsf(pos, 0.3, 1.5)", stats.expon(0.3, 1.5).logsf(pos)),
    ("pnorm(u, 0.3, 1.5)", _NORMAL.cdf(u)),
    ("pnorm(u, 0.3, 1.5, lower_tail=False)", _NORMAL.sf(u)),
    ("pnorm(u, 0.3, 1.5, lower_tail=True, log_p=True)", _NORMAL.logcdf(u)),
    ("pnorm(u, lower_tail=False, log_p=True)", stats.norm.logsf(u)),
    ("qnorm(p, 0.3, 1.5)", _NORMAL.ppf(p)),
    ("plogis(u)", special.expit(u)),
    ("qlogis(p)", special.logit(p)),
    ("invlogit(u)", special.expit(u)),
    ("inv_logit(u)", special.expit(u)),
    ("normal_lpdf(u, 0.3, 1.5)", _NORMAL.logpdf(u)),
    ("lchoose(7, pos)", np.log(special.binom(7, pos))),
    ("choose(7, pos)", special.binom(7, pos)),
    ("lfactorial(pos)", special.gammaln(pos + 1)),
    ("lbeta(pos, 1.5)", special.betaln(pos, 1.5)),
    ("colSums(W)", W.sum(0)),
    ("rowSums(W)", W.sum(1)),
    ("colMeans(W)", W.mean(0)),
    ("rowMeans(W)", W.mean(1)),
    ("crossprod(W)", W.T @ W),
    ("crossprod(W, V)", W.T @ V),
    ("tcrossprod(W)", W @ W.T),
    ("nrow(W)", 2),
    ("ncol(W)", 3),
    ("sd(u)", u.std(ddof=1)),
    ("abs2(u)", u**2),
]
