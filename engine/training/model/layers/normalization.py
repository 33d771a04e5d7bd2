"""LayerNormalization and BatchNormalization.

Sources: Ba et al. 2016; Ioffe and Szegedy 2015. The running averages of BatchNormalization are state: they
come in as inputs of the graph and their next values are nodes, committed with the step.
"""

from __future__ import annotations

from engine.ir.attributes import AXES, AXIS, BOOLEAN, Attribute
from engine.training.catalogue.initializers import Initializer, initializer
from engine.training.catalogue.registry import Choice, number
from engine.training.model.builder import GraphBuilder, Shape, Symbol
from engine.training.model.layers.layer import Layer, axes_of


def _layer_normalization(
    scope: GraphBuilder,
    x: Symbol,
    *,
    axis: tuple[int, ...],
    epsilon: float,
    center: bool,
    scale: bool,
    beta_initializer: Choice[Initializer],
    gamma_initializer: Choice[Initializer],
) -> Symbol:
    """(x - mean) / √(var + ε) over `axis` of each row, times gamma, plus beta."""
    axes = axes_of(axis, x)
    over = [a + 1 for a in axes]
    mean = scope.node("mean", x.name, axis=over, keepdims=True)
    centred = scope.node("subtract", x.name, mean)
    variance = scope.node("mean", scope.node("square", centred), axis=over, keepdims=True)
    y = scope.node("multiply", centred, _inverse_deviation(scope, variance, epsilon))
    size = tuple(x.shape[a] for a in axes)
    shape = tuple(s if i in axes else 1 for i, s in enumerate(x.shape))
    return _affine(
        scope, Symbol(y, x.shape, x.dtype), size, shape, center, scale, beta_initializer, gamma_initializer
    )


def _batch_normalization(
    scope: GraphBuilder,
    x: Symbol,
    *,
    axis: int,
    momentum: float,
    epsilon: float,
    center: bool,
    scale: bool,
    beta_initializer: Choice[Initializer],
    gamma_initializer: Choice[Initializer],
    moving_mean_initializer: Choice[Initializer],
    moving_variance_initializer: Choice[Initializer],
) -> Symbol:
    """(x - mean) / √(var + ε): of the batch while training, of the running averages else.

    Frozen, it uses the running averages while training too, and leaves them alone, as in Keras.
    """
    (feature,) = axes_of((axis,), x)
    shape = tuple(size if i == feature else 1 for i, size in enumerate(x.shape))
    size = (x.shape[feature],)
    moving_mean = scope.carried("moving_mean", size, moving_mean_initializer)
    moving_variance = scope.carried("moving_variance", size, moving_variance_initializer)
    if scope.training and not scope.frozen:
        over = [i for i in range(len(x.shape) + 1) if i != feature + 1]
        mean = scope.node("mean", x.name, axis=over)
        centred = scope.node("subtract", x.name, _laid_out(scope, mean, size, shape))
        variance = scope.node("mean", scope.node("square", centred), axis=over)
        for old, new in ((moving_mean, mean), (moving_variance, variance)):
            decayed = scope.node("multiply", old, momentum)
            added = scope.node("multiply", scope.node("stop_gradient", new), 1 - momentum)
            scope.node("add", decayed, added, name=scope.states[old].update)
    else:
        for name in (moving_mean, moving_variance):
            scope.keep(name)
        centred = scope.node("subtract", x.name, _laid_out(scope, moving_mean, size, shape))
        variance = moving_variance
    inverse = _inverse_deviation(scope, variance, epsilon)
    y = scope.node("multiply", centred, _laid_out(scope, inverse, size, shape))
    return _affine(
        scope, Symbol(y, x.shape, x.dtype), size, shape, center, scale, beta_initializer, gamma_initializer
    )


def _inverse_deviation(scope: GraphBuilder, variance: str, epsilon: float) -> str:
    return scope.node("rsqrt", scope.node("add", variance, epsilon))


def _laid_out(scope: GraphBuilder, name: str, size: Shape, shape: Shape) -> str:
    """A tensor of `size` along its axes of a row; itself if those are the last ones."""
    if shape[len(shape) - len(size) :] == size:
        return name
    return scope.node("reshape", name, shape=list(shape))


def _affine(
    scope: GraphBuilder,
    y: Symbol,
    size: Shape,
    shape: Shape,
    center: bool,
    scale: bool,
    beta_initializer: Choice[Initializer],
    gamma_initializer: Choice[Initializer],
) -> Symbol:
    """Y · gamma + beta, each of them where it is wanted."""
    name = y.name
    if scale:
        gamma = scope.weight("gamma", size, gamma_initializer)
        name = scope.node("multiply", name, _laid_out(scope, gamma, size, shape))
    if center:
        beta = scope.weight("beta", size, beta_initializer)
        name = scope.node("add", name, _laid_out(scope, beta, size, shape))
    return Symbol(name, y.shape, y.dtype)


_EPSILON = Attribute("epsilon", number(0.0, above=True), 1e-3)
_AFFINE = (
    Attribute("center", BOOLEAN, True, "add beta"),
    Attribute("scale", BOOLEAN, True, "multiply by gamma"),
    initializer("beta_initializer", "zeros"),
    initializer("gamma_initializer", "ones"),
)

LAYERS = (
    Layer(
        "LayerNormalization",
        "layer_normalization",
        "(x - mean) / √(var + ε) · gamma + beta over `axis` of each row (Ba et al. 2016).",
        _layer_normalization,
        (Attribute("axis", AXES, (-1,)), _EPSILON, *_AFFINE),
    ),
    Layer(
        "BatchNormalization",
        "batch_normalization",
        "(x - mean) / √(var + ε) · gamma + beta over the batch, for each feature on `axis`; predicting, with "
        "running averages (Ioffe and Szegedy 2015).",
        _batch_normalization,
        (
            Attribute("axis", AXIS, -1),
            Attribute("momentum", number(0.0, 1.0), 0.99, "how slowly the running averages are forgotten"),
            _EPSILON,
            *_AFFINE,
            initializer("moving_mean_initializer", "zeros"),
            initializer("moving_variance_initializer", "ones"),
        ),
        absent={
            "renorm": "there is no renormalisation",
            "synchronized": "a job runs in one process: leave it out",
        },
    ),
)
