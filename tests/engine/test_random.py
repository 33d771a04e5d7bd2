"""Draws by keys: same key, same bits; distributions; derivatives by their parameters; rows."""

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad
from scipy.special import digamma, gammaln

from engine import Compiler, Query, TensorType, parse_program
from engine.errors import DtypeMismatch, ShapeMismatch

N = 20_000
FIRST = ["0x1.16cebe420fb24p-4", "0x1.4b8ceb23cbf90p-1", "0x1.0e69425e80bfep-1"]


def ask(kind, program, values, **choices):
    values = {name: np.asarray(v) for name, v in values.items()}
    types = {name: TensorType(v.shape, v.dtype.name) for name, v in values.items()}
    query = Query(graph=parse_program(program), kind=kind, inputs=types, **choices)
    return Compiler().compile(query).run(values)


def draw(program, key=7, **values):
    return ask("evaluate", f"y = {program}", {"key": np.int64(key), **values})["outputs"]["y"]


@pytest.mark.parametrize(
    ("program", "distribution"),
    [
        (f"random_uniform(key, -1, 3, shape=[{N}])", stats.uniform(-1, 4)),
        (f"random_normal(key, 2, 0.5, shape=[{N}])", stats.norm(2, 0.5)),
        (f"random_gamma(key, 0.3, shape=[{N}])", stats.gamma(0.3)),
        (f"random_gamma(key, 40, shape=[{N}])", stats.gamma(40)),
    ],
)
def test_continuous_draws_have_their_distribution(program, distribution):
    assert stats.kstest(draw(program), distribution.cdf).pvalue > 1e-3


def test_discrete_draws_have_their_frequencies():
    assert draw(f"random_bernoulli(key, 0.3, shape=[{N}])").mean() == pytest.approx(0.3, abs=0.02)
    logits = np.log([0.2, 0.5, 0.3])
    counts = np.bincount(draw(f"random_categorical(key, logits, shape=[{N}])", logits=logits), minlength=3)
    np.testing.assert_allclose(counts / N, [0.2, 0.5, 0.3], atol=0.02)
    orders = {tuple(draw("random_permutation(key, 3)", key=k)) for k in range(60)}
    assert len(orders) == 6


def test_a_key_is_all_that_a_draw_depends_on():
    """These bits are a promise: they do not change."""
    first, again, other = (draw("random_uniform(key, 0, 1, shape=[3])", key=k) for k in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)
    assert [value.hex() for value in first] == FIRST
    more = draw("random_uniform(key, 0, 1, shape=[5])")
    np.testing.assert_array_equal(more[:3], first)
    assert not np.any(draw("random_uniform(key, 0, 1, shape=[3])", key=-7) == first)


def test_draws_take_the_dtype_and_shape_of_their_parameters():
    loc = np.zeros((2, 1), np.float32)
    y = draw("random_normal(key, loc, 1)", loc=loc)
    assert (y.dtype, y.shape) == (np.float32, (2, 1))
    assert draw("random_normal(key, loc, 1, shape=[2, 3], dtype='float64')", loc=loc).dtype == np.float64
    with pytest.raises(ShapeMismatch, match="draws of shape"):
        draw("random_normal(key, loc, 1, shape=[3])", loc=loc)
    with pytest.raises(DtypeMismatch):
        draw("random_normal(key, 0, 1, dtype='int64')")
    with pytest.raises(ShapeMismatch, match="one integer"):
        ask("evaluate", "random_normal(key, 0, 1)", {"key": np.array([1, 2])})


def test_reparameterised_draws_have_derivatives():
    program = (
        "z = random_normal(key, loc, scale, shape=[5])\nu = random_uniform(key, low, high)\nsum(z * z) + u"
    )
    given = {"key": np.int64(3), "loc": 0.5, "scale": 2.0, "low": 0.0, "high": 1.0}
    answer = ask("gradient", program, given)["gradients"]
    z = draw("random_normal(key, 0.5, 2, shape=[5])", key=3)
    u = draw("random_uniform(key, 0, 1)", key=3)
    assert answer["loc"] == pytest.approx(np.sum(2 * z))
    assert answer["scale"] == pytest.approx(np.sum(2 * z * (z - 0.5) / 2))
    assert (answer["low"], answer["high"]) == pytest.approx((1 - float(u), float(u)))


@pytest.mark.parametrize("alpha", [0.05, 0.7, 3.0, 250.0])
def test_a_gamma_draw_moves_with_alpha_as_its_distribution_does(alpha):
    """dx/da = -(dP/da) / pdf, with dP/da by quadrature over v = log t."""
    answer = ask("gradient", "sum(random_gamma(key, a))", {"key": np.int64(5), "a": np.full(4, alpha)})
    law = stats.gamma(alpha)
    low = np.log(law.ppf(1e-18)) if alpha > 1 else -40 / alpha

    def inner(v):
        return (v - digamma(alpha)) * np.exp(alpha * v - np.exp(v) - gammaln(alpha))

    draws = draw("random_gamma(key, a)", key=5, a=np.full(4, alpha))
    for x, slope in zip(draws, answer["gradients"]["a"], strict=True):
        total, _ = quad(inner, low, np.log(x), epsabs=1e-13, epsrel=1e-11, limit=500)
        assert slope == pytest.approx(-total / law.pdf(x), rel=1e-6)


@pytest.mark.oracle
def test_a_gamma_draw_moves_with_alpha_as_in_pytorch(oracle):
    """PyTorch's implicit gradient of the same draws."""
    torch = oracle("torch")
    alpha = np.repeat([0.1, 0.6, 1.5, 4.0, 30.0], 200)
    draws = draw("random_gamma(key, a)", key=11, a=alpha)
    slopes = ask("gradient", "sum(random_gamma(key, a))", {"key": np.int64(11), "a": alpha})["gradients"]["a"]
    expected = torch._standard_gamma_grad(torch.tensor(alpha), torch.tensor(draws)).numpy()
    np.testing.assert_allclose(slopes, expected, rtol=2e-3, atol=1e-8)


def test_rows_draw_anew_only_where_keys_are_batched():
    program = "y = random_normal(key, loc, 1, shape=[2])"
    keys = np.array([1, 2, 1])
    batched = ask("evaluate", program, {"key": keys, "loc": 0.0}, batch=("key",))["outputs"]["y"]
    np.testing.assert_array_equal(batched[0], batched[2])
    assert not np.any(batched[0] == batched[1])
    np.testing.assert_array_equal(batched[1], draw("random_normal(key, 0, 1, shape=[2])", key=2))
    shared = ask("evaluate", program, {"key": np.int64(1), "loc": np.arange(2.0)}, batch=("loc",))
    np.testing.assert_allclose(shared["outputs"]["y"][1] - shared["outputs"]["y"][0], 1)


def test_a_loop_over_keys_draws_anew_in_each_step():
    program = (
        "def step(c, k):\n    z = random_normal(k, 0, 1)\n    return c + z, z\nlast, y = scan(step, 0, keys)"
    )
    y = ask("evaluate", program, {"keys": np.arange(4)}, outputs=("y",))["outputs"]["y"]
    np.testing.assert_array_equal(y, [draw("random_normal(key, 0, 1)", key=k) for k in range(4)])
