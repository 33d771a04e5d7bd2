"""Densities and distributions as R and SciPy call them, as formulas of ops, and R's sums and products."""

from typing import Final

#: R's call of a density without its first letter, and the logarithm of the density.
_OF_R: Final = {
    "norm(x, mean=0, sd=1)": "-((x - mean) / sd) ** 2 / 2 - log(sd * sqrt(2 * pi))",
    "lnorm(x, mean=0, sd=1)": "-((log(x) - mean) / sd) ** 2 / 2 - log(x * sd * sqrt(2 * pi))",
    "pois(x, rate)": "x * log(rate) - rate - gammaln(x + 1)",
    "binom(x, n, p)": "gammaln(n + 1) - gammaln(x + 1) - gammaln(n - x + 1) + xlogy(x, p)"
    " + (n - x) * log1p(-p)",
    "nbinom(x, n, p)": "gammaln(x + n) - gammaln(n) - gammaln(x + 1) + n * log(p) + x * log1p(-p)",
    "exp(x, rate=1)": "log(rate) - rate * x",
    "gamma(x, k, rate=1)": "k * log(rate) + (k - 1) * log(x) - rate * x - gammaln(k)",
    "beta(x, a, b)": "(a - 1) * log(x) + (b - 1) * log1p(-x) + gammaln(a + b) - gammaln(a) - gammaln(b)",
    "t(x, n)": "gammaln((n + 1) / 2) - gammaln(n / 2) - log(n * pi) / 2 - (n + 1) / 2 * log1p(x ** 2 / n)",
    "cauchy(x, m=0, s=1)": "-log(pi * s * (1 + ((x - m) / s) ** 2))",
    "logis(x, m=0, s=1)": "log_sigmoid((x - m) / s) + log_sigmoid(-((x - m) / s)) - log(s)",
    "weibull(x, k, s=1)": "log(k / s) + (k - 1) * log(x / s) - (x / s) ** k",
}

#: SciPy's name of a distribution, its call, and the logarithm of its density.
_OF_SCIPY: Final = {
    "norm": (
        "x, loc=0, scale=1",
        _OF_R["norm(x, mean=0, sd=1)"].replace("mean", "loc").replace("sd", "scale"),
    ),
    "poisson": ("x, rate", _OF_R["pois(x, rate)"]),
    "binom": ("x, n, p", _OF_R["binom(x, n, p)"]),
    "nbinom": ("x, n, p", _OF_R["nbinom(x, n, p)"]),
    "beta": ("x, a, b", _OF_R["beta(x, a, b)"]),
    "t": ("x, n", _OF_R["t(x, n)"]),
    "expon": ("x, loc=0, scale=1", "-(x - loc) / scale - log(scale)"),
    "cauchy": ("x, loc=0, scale=1", "-log(pi * scale * (1 + ((x - loc) / scale) ** 2))"),
    "logistic": (
        "x, loc=0, scale=1",
        "log_sigmoid((x - loc) / scale) + log_sigmoid(-((x - loc) / scale)) - log(scale)",
    ),
    "laplace": ("x, loc=0, scale=1", "-abs(x - loc) / scale - log(2 * scale)"),
}

#: The names before a point that are distributions, as in norm.logpdf(x).
DISTRIBUTIONS: Final = frozenset(_OF_SCIPY)
#: What stands for a distribution's function whose name is that of an op without its options.
STANDS_FOR: Final = {"norm_cdf": "pnorm"}

FORMULAS: Final = {
    **{f"d{call[:-1]}, log=False)": f"exp({text})" for call, text in _OF_R.items()},
    **{f"d{call[:-1]}, log=True)": text for call, text in _OF_R.items()},
    **{
        f"{name}_{kind}({call})": text
        for name, (call, text) in _OF_SCIPY.items()
        for kind in ("logpdf", "logpmf")
    },
    **{
        f"{name}_{kind}({call})": f"exp({text})"
        for name, (call, text) in _OF_SCIPY.items()
        for kind in ("pdf", "pmf")
    },
    "norm_sf(x, loc=0, scale=1)": "ndtr((loc - x) / scale)",
    "norm_logcdf(x, loc=0, scale=1)": "log_ndtr((x - loc) / scale)",
    "norm_logsf(x, loc=0, scale=1)": "log_ndtr((loc - x) / scale)",
    "norm_ppf(p, loc=0, scale=1)": "loc + scale * ndtri(p)",
    "expon_sf(x, loc=0, scale=1)": "exp(-(x - loc) / scale)",
    "expon_logsf(x, loc=0, scale=1)": "-(x - loc) / scale",
    "pnorm(x, mean=0, sd=1)": "ndtr((x - mean) / sd)",
    "pnorm(x, mean=0, sd=1, lower_tail=False)": "ndtr((mean - x) / sd)",
    "pnorm(x, mean=0, sd=1, lower_tail=True, log_p=True)": "log_ndtr((x - mean) / sd)",
    "pnorm(x, mean=0, sd=1, lower_tail=False, log_p=True)": "log_ndtr((mean - x) / sd)",
    "qnorm(p, mean=0, sd=1)": "mean + sd * ndtri(p)",
    "plogis(x)": "sigmoid(x)",
    "qlogis(p)": "logit(p)",
    "invlogit(x)": "sigmoid(x)",
    "inv_logit(x)": "sigmoid(x)",
    "normal_lpdf(x, mean, sd)": _OF_R["norm(x, mean=0, sd=1)"],
    "lchoose(n, k)": "gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)",
    "choose(n, k)": "exp(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))",
    "lfactorial(n)": "gammaln(n + 1)",
    "lbeta(a, b)": "gammaln(a) + gammaln(b) - gammaln(a + b)",
    "colSums(x)": "sum(x, axis=0)",
    "rowSums(x)": "sum(x, axis=1)",
    "colMeans(x)": "mean(x, axis=0)",
    "rowMeans(x)": "mean(x, axis=1)",
    "crossprod(x)": "x.T @ x",
    "crossprod(x, y)": "x.T @ y",
    "tcrossprod(x)": "x @ x.T",
    "nrow(x)": "x.shape[0]",
    "ncol(x)": "x.shape[1]",
    "sd(x)": "std(x, correction=1)",
    "abs2(x)": "x ** 2",
}

NOTES: Final = {
    "abs2": "of real tensors",
}
