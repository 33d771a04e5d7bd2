"""Why is my gradient None? Five typical mistakes, each with the server's explanation.

Every mistake gives None for `w`; `tape.explain` says which node is to blame, on which line, and what to
write instead.
"""

import gradwire as gw

x = gw.constant([1.0, 2.0, 3.0])
y = gw.constant([2.0, 4.0, 6.0])


def report(title, tape, target, variable):
    """Print the gradient and the explanation."""
    print(f"--- {title}")
    print("gradient:", tape.gradient(target, variable))
    print(tape.explain(target, variable))
    print()


# 1. The variable is never used: `v` stands where `w` was meant.
w, v = gw.Variable(0.5, name="w"), gw.Variable(0.5, name="v")
with gw.GradientTape(persistent=True) as tape:
    loss = gw.mean((v * x - y) ** 2)
report("the variable is not used", tape, loss, w)

# 2. The value left the tape: `.numpy()` gives plain numbers, which are constants from then on.
w = gw.Variable(0.5, name="w")
with gw.GradientTape(persistent=True) as tape:
    scale = w.numpy() * 2.0
    loss = gw.mean((scale * x - y) ** 2)
report("a round trip through NumPy", tape, loss, w)

# 3. Rounding is flat wherever it has a derivative: no gradient gets through.
w = gw.Variable(1.3, name="w")
with gw.GradientTape(persistent=True) as tape:
    loss = gw.mean((gw.round(w * x) - y) ** 2)
report("rounding on the way", tape, loss, w)

# 4. stop_gradient does what it says.
w = gw.Variable(0.5, name="w")
with gw.GradientTape(persistent=True) as tape:
    loss = gw.mean((gw.stop_gradient(w) * x - y) ** 2)
report("stopped on purpose, and forgotten", tape, loss, w)

# 5. The name was bound to something new: the tape saw the old tensor, the question is about the new one.
w = gw.Variable(0.5, name="w")
with gw.GradientTape(persistent=True) as tape:
    loss = gw.mean((w * x - y) ** 2)
    w = gw.Variable(0.6, name="w")
report("the variable was rebound", tape, loss, w)
