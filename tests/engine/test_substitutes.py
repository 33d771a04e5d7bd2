"""Substitutes for ops that are not there: each is pasted and compared with the library that has it."""

from __future__ import annotations

import builtins
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from scipy import special, stats

import engine.ops.control  # noqa: F401  # its ops are in the table too
from engine.errors import UserError, slip_of
from engine.frontend.program import parse_program
from engine.ir import substitutes
from engine.ir.table import TABLE, lookup
from tests.engine.distributions import CASES as DISTRIBUTIONS
from tests.engine.pasting import computed, mended

x, y = np.array([0.5, -1.25, 2.0, 0.75]), np.array([1.5, 0.75, -0.5, 2.5])
p, q = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.25, 0.25])
N = np.array([1.0, np.nan, 3.0, -2.0])
W = np.array([[1.0, 2.0, 3.0], [0.5, -1.0, 4.0]])
V = np.array([[2.0, 0.0, 1.0], [1.0, 1.0, 0.5]])
A = np.array([[2.0, 0.5, 0.1], [0.3, 1.5, 0.2], [0.0, 0.4, 3.0]])
T = np.arange(24.0).reshape(2, 3, 4)
C = np.array([1.0 + 2.0j, 3.0, -1.0j])
u, v, pos = np.array([1.0, -2.0, 0.5]), np.array([0.25, 3.0, 1.0]), np.array([0.5, 1.5, 3.25])
labels, bit = np.array([2, 0]), np.array([0.0, 1.0, 1.0])
ids = np.array([0, 2, 2, 1])
K = np.array([-1.0, -3.0])
mask = x > 0
xp, fp = np.array([0.0, 1.0, 2.5]), np.array([1.0, 3.0, -1.0])
GIVEN: dict[str, Any] = {
    name: value for name, value in globals().items() if isinstance(value, np.ndarray) and name != "labels_"
}
nansum_axis = np.nansum(np.stack([N, N + 1]), axis=0)


def same(text: str, value: Any) -> list[tuple[str, Any]]:
    """One value for calls under several names, as "a b: (x)"."""
    names, _, call = text.partition(": ")
    return [(f"{name}{call}", value) for name in names.split()]


def softplus(z: Any) -> Any:
    return np.log1p(np.exp(z))


log_softmax = W - special.logsumexp(W, axis=1, keepdims=True)
onehot = np.eye(3)[labels]

CASES: list[tuple[str, Any]] = [
    *DISTRIBUTIONS,
    ("ediff1d(x)", np.ediff1d(x)),
    ("nanargmax(N)", np.nanargmax(N)),
    ("nanargmin(N)", np.nanargmin(N)),
    ("fsum(x)", x.sum()),
    *same("sum_squares sumsq: (x)", (x**2).sum()),
    *same("sumproduct sumprod: (x, y)", x @ y),
    ("rms(x)", np.sqrt(np.mean(x**2))),
    ("rmse(x, y)", np.sqrt(np.mean((x - y) ** 2))),
    ("avg(x)", x.mean()),
    ("stdev(x)", np.std(x, ddof=1)),
    ("percentile(x, 30)", np.percentile(x, 30)),
    ("pearsonr(x, y)", np.corrcoef(x, y)[0, 1]),
    ("interp1(xp, fp, x, 'linear')", np.interp(x, xp, fp)),
    ("approx(xp, fp, x)", np.interp(x, xp, fp)),
    ("IF(x > 0, x, y)", np.where(x > 0, x, y)),
    ("rem(x, y)", np.fmod(x, y)),
    *same("isin in1d: (x, [0.5, 2.0])", np.isin(x, [0.5, 2.0])),
    ("allclose(x, y)", np.allclose(x, y)),
    *same("array_equal array_equiv: (x, x)", True),
    *same("len length: (W)", 2),
    *same("numel nelement: (W)", 6),
    ("hsplit(stack(x, y), 2)[0]", [x[:2], y[:2]]),
    ("vsplit(W, 2)[1]", W[1:]),
    ("dsplit(T, 2)[0]", T[:, :, :2]),
    *same("array_split tensor_split chunk: (x, 2)[1]", x[2:]),
    ("dstack(W, V)", np.dstack([W, V])),
    ("column_stack(x, y)", np.column_stack([x, y])),
    ("row_stack(x, y)", np.vstack([x, y])),
    ("append(x, W)", np.append(x, W)),
    ("horzcat(W, V)", np.hstack([W, V])),
    ("vertcat(W, V)", np.vstack([W, V])),
    ("repmat(W, 2, 3)", np.tile(W, (2, 3))),
    ("rot90(W)", np.rot90(W)),
    ("rollaxis(T, 2)", np.rollaxis(T, 2)),
    ("diagflat(u)", np.diagflat(u)),
    ("tri(3)", np.tri(3)),
    ("delete(x, 1)", np.delete(x, 1)),
    ("insert(x, 1, 7.0)", np.insert(x, 1, 7.0)),
    ("logspace(0, 2, 5)", np.logspace(0, 2, 5)),
    ("geomspace(1, 100, 5)", np.geomspace(1, 100, 5)),
    ("empty((2, 3)) + 0", np.zeros((2, 3))),
    ("empty_like(x)", 0 * x),
    *same(
        "array asarray asanyarray ascontiguousarray asarray_chkfinite list tuple copy deepcopy print disp "
        "tensor as_tensor from_numpy convert_to_tensor constant clone contiguous cpu cuda numpy item tolist: "
        "(x * 2)",
        x * 2,
    ),
    *same("float double float64: (x)", x),
    *same("single float32: (x)", x.astype(np.float32)),
    ("half(x)", x.astype(np.float16)),
    *same("int int64 long: (x)", x.astype(int)),
    ("int32(x)", x.astype(np.int32)),
    ("short(x)", x.astype(np.int16)),
    ("bool(x - 0.5)", x != 0.5),
    ("sorted(x)", np.sort(x)),
    ("reversed(x)", x[::-1]),
    ("msort(W)", np.sort(W, axis=0)),
    ("argpartition(x, 2)", np.argsort(x)),
    ("partition(x, 2)", np.sort(x)),
    ("resize(W, (3, 2))", W.reshape(3, 2)),
    *same("putmask place: (x, mask, y)", np.where(mask, y, x)),
    ("masked_fill(x, mask, 3.0)", np.where(mask, 3, x)),
    *same("ifelse iif if_else: (mask, x, y)", np.where(mask, x, y)),
    ("iscomplex(C)", np.iscomplex(C)),
    ("isreal(C)", np.isreal(C)),
    ("isposinf(N / 0)", [True, False, True, False]),
    ("isneginf(N / 0)", [False, False, False, True]),
    ("real_if_close(C)", C.real),
    ("float_power(pos, u)", np.float_power(pos, u)),
    ("pow2(x)", 2.0**x),
    ("exp10(x)", 10.0**x),
    ("sqr(x)", x**2),
    ("sgn(x)", np.sign(x)),
    ("isqrt(pos)", np.floor(np.sqrt(pos))),
    ("ldexp(x, 3)", np.ldexp(x, 3)),
    ("dist(u, v)", np.linalg.norm(u - v)),
    ("logaddexp2(x, y)", np.logaddexp2(x, y)),
    ("clip_by_norm(10 * u, 2.0)", u / np.linalg.norm(u) * 2),
    ("sec(x)", 1 / np.cos(x)),
    ("csc(x)", 1 / np.sin(x)),
    ("cot(x)", 1 / np.tan(x)),
    ("sech(x)", 1 / np.cosh(x)),
    ("csch(x)", 1 / np.sinh(x)),
    ("coth(x)", 1 / np.tanh(x)),
    ("asec(4 * y)", np.arccos(1 / (4 * y))),
    ("acsc(4 * y)", np.arcsin(1 / (4 * y))),
    ("acot(pos)", np.arctan(1 / pos)),
    ("nthroot(x, 3)", np.cbrt(x)),
    ("fract(x)", x - np.floor(x)),
    ("frac(x)", np.modf(x)[0]),
    ("step(x)", np.heaviside(x, 0)),
    *same("mix lerp: (x, y, 0.3)", x + 0.3 * (y - x)),
    ("saturate(x)", np.clip(x, 0, 1)),
    ("logdet(A)", np.linalg.slogdet(A)[1]),
    *same("linsolve mldivide: (A, u)", np.linalg.solve(A, u)),
    *same("frobenius_norm: (W)", np.linalg.norm(W)),
    *same("matvec mv: (A, u)", A @ u),
    ("vecmat(u, A)", u @ A),
    ("cosine_distance(u, v)", 1 - u @ v / np.linalg.norm(u) / np.linalg.norm(v)),
    ("r2_score(x, y)", 1 - ((x - y) ** 2).sum() / ((x - x.mean()) ** 2).sum()),
    ("def f(r): return sum(r ** 2)\napply_along_axis(f, W)", (W**2).sum(1)),
    ("def f(r): return sum(r ** 2)\nvectorize(f, W)", (W**2).sum(1)),
    # special functions
    ("gamma(pos)", special.gamma(pos)),
    ("factorial(pos)", special.factorial(pos)),
    ("loggamma(pos)", special.loggamma(pos)),
    ("rgamma(pos)", special.rgamma(pos)),
    ("gammasgn(x)", special.gammasgn(x)),
    ("beta(pos, v)", special.beta(pos, v)),
    ("betaln(pos, v)", special.betaln(pos, v)),
    *same("comb binom nchoosek: (5 + pos, v)", special.binom(5 + pos, v)),
    ("perm(5.0, 2.0)", special.perm(5, 2)),
    ("poch(pos, 2.0)", special.poch(pos, 2)),
    ("entr(p)", special.entr(p)),
    ("entropy(p)", stats.entropy(p)),
    ("rel_entr(p, q)", special.rel_entr(p, q)),
    ("erfcinv(p)", special.erfcinv(p)),
    ("cosm1(x)", special.cosm1(x)),
    ("exprel(x)", special.exprel(x)),
    ("log_expit(x)", special.log_expit(x)),
    ("log1mexp(pos)", np.log1p(-np.exp(-pos))),
    ("logmeanexp(x)", np.log(np.mean(np.exp(x)))),
    ("logsubexp(pos + v, pos)", np.log(np.exp(pos + v) - np.exp(pos))),
    ("powm1(pos, u)", special.powm1(pos, u)),
    ("boxcox(pos, 0.5)", special.boxcox(pos, 0.5)),
    ("boxcox1p(pos, 0.5)", special.boxcox1p(pos, 0.5)),
    ("inv_boxcox(pos, 0.5)", special.inv_boxcox(pos, 0.5)),
    ("inv_boxcox1p(pos, 0.5)", special.inv_boxcox1p(pos, 0.5)),
    ("pseudo_huber(1.5, x)", special.pseudo_huber(1.5, x)),
    *same("cosdg cosd: (x)", special.cosdg(x)),
    *same("sindg sind: (x)", special.sindg(x)),
    *same("tandg tand: (x)", special.tandg(x)),
    ("cotdg(x)", special.cotdg(x)),
    ("radian(1.0, 30.0, 2.0)", special.radian(1, 30, 2)),
    *same("norm_pdf normpdf: (x)", stats.norm.pdf(x)),
    ("norm_logpdf(x)", stats.norm.logpdf(x)),
    ("normcdf(x)", stats.norm.cdf(x)),
    ("norminv(p)", stats.norm.ppf(p)),
    ("zscore(x)", stats.zscore(x)),
    *same("standardize standardise: (W)", stats.zscore(W, axis=1)),
    # networks
    *same("mm batch_matmul: (W, A)", W @ A),
    ("bmm(stack(W, V), stack(A, A))", np.stack([W, V]) @ A),
    ("ger(u, v)", np.outer(u, v)),
    *same("addmm baddbmm: (V, W, A)", V + W @ A),
    ("addmv(K, W, u)", K + W @ u),
    ("addr(A, u, v)", A + np.outer(u, v)),
    ("addcmul(x, x, y)", x + x * y),
    ("addcdiv(x, x, y)", x + x / y),
    ("rsub(x, y)", y - x),
    ("linear(W, V)", W @ V.T),
    ("linear(W, V, K)", W @ V.T + K),
    ("dense(W, A, u)", W @ A + u),
    ("bias_add(W, u)", W + u),
    ("embedding(labels, A)", A[labels]),
    ("pairwise_distance(W, V)", np.linalg.norm(W - V, axis=-1)),
    ("cat([x, y])", np.concatenate([x, y])),
    ("cat([W, V], dim=1)", np.hstack([W, V])),
    ("view(W, (3, 2))", W.reshape(3, 2)),
    ("t(W)", W.T),
    ("adjoint(W)", W.T),
    ("H(W)", W.T),
    ("mH(T)", np.swapaxes(T, -1, -2)),
    ("movedim(T, 0, 2)", np.moveaxis(T, 0, 2)),
    ("expand(u, (2, 3))", np.stack([u, u])),
    ("swapdims(T, 0, 2)", np.swapaxes(T, 0, 2)),
    ("narrow(x, 0, 1, 2)", x[1:3]),
    ("index_select(T, 1, [2, 0])", T[:, [2, 0]]),
    *same("unsorted_segment_sum: (x, ids, 3)", np.eye(3)[ids].T @ x),
    ("real(polar(pos, u))", pos * np.cos(u)),
    ("reduce_and(x > 0)", False),
    ("reduce_or(x > 0)", True),
    ("reduce_logsumexp(W)", special.logsumexp(W)),
    ("reduce_logsumexp(W, 1)", special.logsumexp(W, axis=1)),
    ("reduce_euclidean_norm(W)", np.linalg.norm(W)),
    ("global_norm(W)", np.linalg.norm(W)),
    ("l2_loss(x)", (x**2).sum() / 2),
    ("bucketize(x, xp)", np.searchsorted(xp, x)),
    ("cummax(W, 1)", np.maximum.accumulate(W, 1)),
    ("cummin(W, 0)", np.minimum.accumulate(W, 0)),
    ("triangular_solve(u, A)", np.linalg.solve(np.triu(A), u)),
    ("std_mean(x)", [np.std(x, ddof=1), x.mean()]),
    ("var_mean(x)", [np.var(x, ddof=1), x.mean()]),
    ("aminmax(x)", [x.min(), x.max()]),
    *same("dim ndimension: (T)", 3),
    ("clamp_min(x, 0.6)", np.maximum(x, 0.6)),
    ("clamp_max(x, 0.6)", np.minimum(x, 0.6)),
    ("take_along_dim(W, [[0], [2]], 1)", np.take_along_axis(W, np.array([[0], [2]]), 1)),
    ("new_zeros(x, (2,))", np.zeros(2)),
    ("new_ones(x, (2,))", np.ones(2)),
    ("new_tensor(x, [1.0, 2.0])", [1.0, 2.0]),
    ("cross_entropy(W, labels)", -log_softmax[[0, 1], labels].mean()),
    *same("binary_cross_entropy bce_loss: (p, bit)", -np.mean(bit * np.log(p) + (1 - bit) * np.log(1 - p))),
    *same("binary_cross_entropy_with_logits bce_with_logits: (u, bit)", np.mean(softplus(u) - bit * u)),
    ("kl_div(log(p), q)", np.mean(q * (np.log(q) - np.log(p)))),
    ("hinge_loss(2 * bit - 1, u)", np.maximum(0, 1 - (2 * bit - 1) * u).mean()),
    ("softmax_cross_entropy_with_logits(one_hot(labels, 3), W)", -(onehot * log_softmax).sum(1)),
    ("softmax_cross_entropy(W, one_hot(labels, 3))", -(onehot * log_softmax).sum(1)),
    ("sparse_softmax_cross_entropy_with_logits(labels, W)", -log_softmax[[0, 1], labels]),
    ("softmin(x)", special.softmax(-x)),
    ("squareplus(x)", (x + np.sqrt(x**2 + 4)) / 2),
]


@pytest.mark.parametrize(("program", "meant"), CASES, ids=[case[0] for case in CASES])
def test_a_formula_is_what_the_library_computes(program: str, meant: Any) -> None:
    text, errors = mended(program, GIVEN)
    assert errors[0].code == "unknown_op"
    np.testing.assert_allclose(computed(text, GIVEN), meant, rtol=1e-6, atol=1e-7, err_msg=text)


def test_every_formula_is_compared() -> None:
    called = {
        re.findall(r"\b[A-Za-z_]\w*(?=\()", program.split("\n")[-1])[k] for program, _ in CASES for k in (0,)
    }
    called |= {"polar", "T"}
    formulas = {name for name in substitutes.names() if substitutes.find(name).formulas}  # type: ignore[union-attr]  # listed
    assert not formulas - called


def test_no_substitute_stands_before_an_op() -> None:
    assert not [name for name in substitutes.names() if name in TABLE.public_names()]


@pytest.mark.parametrize("name", [n for n in substitutes.names() if not substitutes.find(n).formulas])  # type: ignore[union-attr]  # listed
def test_code_in_sentences_is_a_program(name: str) -> None:
    found = substitutes.find(name)
    assert found is not None
    for code in re.findall(r"`([^`]+)`", found.sentence):
        if code != "root":
            parse_program(code)
    with pytest.raises(UserError) as caught:
        lookup(name)
    assert caught.value.hint == found.sentence


def test_formulas_of_sentences_compute_what_they_say() -> None:
    k = np.array([0.5, 0.25, -1.0])
    z = np.arange(8.0) ** 1.5
    given = {**GIVEN, "k": k, "z": z}
    np.testing.assert_allclose(
        computed("k[0] * x[2:] + k[1] * x[1:-1] + k[2] * x[:-2]", given), np.convolve(x, k, "valid")
    )
    spectrum = "abs(fft(z)) ** 2"
    np.testing.assert_allclose(computed(spectrum, given), np.abs(np.fft.fft(z)) ** 2, rtol=1e-9)
    pooled = sliding_window_view(z, 2)[::2].max(1)
    np.testing.assert_allclose(computed("max(z.reshape(-1, 2), axis=1)", given), pooled)
    fit = "a = [x ** 2, x, 1 + 0 * x].T; solve(a.T @ a, a.T @ y)"
    np.testing.assert_allclose(computed(fit, given), np.polyfit(x, y, 2), rtol=1e-6)
    root = "def f(z, p): return p[0] * z ** 2 + p[1] * z + p[2]\nroot(f, 1.0, p)"
    quadratic = {"p": np.array([1.0, 1.0, -1.0])}
    np.testing.assert_allclose(computed(root, quadratic), (np.sqrt(5) - 1) / 2)


#: Names of other libraries for which an op of nearly the same name may be proposed: it is the same function.
ALLOWED = {
    "soft_sign": "softsign",
    "erf_inv": "erfinv",
    "grid_sampler": "grid_sample",
}


def public(*owners: object) -> set[str]:
    """The names of functions and methods, without modules and classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            name
            for owner in owners
            for name in dir(owner)
            if not name.startswith("_")
            and not name.endswith("_")
            and callable(getattr(owner, name, None))
            and not isinstance(getattr(owner, name), type)
        }


def look_alikes(names: set[str]) -> dict[str, str]:
    """The proposals for names that are not there, but for those that are allowed."""
    known = TABLE.public_names()
    proposed = {name: slip_of(name, known) for name in names - set(known) if substitutes.find(name) is None}
    return {name: hint for name, hint in proposed.items() if hint and f"'{ALLOWED.get(name)}'" not in hint}


def test_no_function_of_numpy_or_scipy_gets_a_look_alike() -> None:
    assert not look_alikes(public(np, np.linalg, np.fft, np.random, np.ndarray, special, math, builtins))


@pytest.mark.oracle
def test_no_function_of_torch_or_jax_gets_a_look_alike(oracle: Callable[[str], Any]) -> None:
    torch, jax = oracle("torch"), oracle("jax")
    nn = torch.nn.functional
    assert not look_alikes(public(torch, torch.linalg, torch.special, torch.fft, nn, torch.Tensor))
    assert not look_alikes(public(jax.numpy, jax.nn, oracle("jax.scipy.special"), jax.lax, jax))


@pytest.mark.parametrize(
    ("name", "hint"),
    [("sinn", "'sin'"), ("sofmax", "'softmax'"), ("reduceSum", "'reduce_sum'"), ("Relu", "'relu'"),
     ("sigmiod", "'sigmoid'"), ("maen", "'mean'"), ("logsumxep", "'logsumexp'")],
)  # fmt: skip
def test_slips_are_seen(name: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        lookup(name)
    assert hint in str(caught.value.hint)
