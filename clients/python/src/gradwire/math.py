"""Every op by its names, as in TensorFlow's `math`: `gradwire.math.log` is `gradwire.log`."""

from gradwire._tracing.ops import *  # noqa: F403  # __all__ of the generated module says which
from gradwire._tracing.ops import __all__  # noqa: F401  # for `import *` from here
from gradwire._tracing.respelling import respell as _respell

_respell(globals())
