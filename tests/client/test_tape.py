"""The tape, against a real server."""

from __future__ import annotations

import numpy as np
import pytest

import gradwire as gw
from gradwire.errors import InvalidTarget, ShapeMismatch, TapeError

pytestmark = pytest.mark.usefixtures("client")


def test_the_articles_regression_converges() -> None:
    w, b = gw.Variable([0.5], name="weight"), gw.Variable([0.0], name="bias")
    x, y = gw.constant([1.0, 2.0, 3.0]), gw.constant([2.0, 4.0, 6.0])
    optimizer = gw.keras.optimizers.SGD(learning_rate=0.05)
    for _ in range(100):
        with gw.GradientTape() as tape:
            loss = gw.reduce_mean(gw.square(y - (w * x + b)))
        optimizer.apply_gradients(zip(tape.gradient(loss, [w, b]), [w, b], strict=True))
    assert w.numpy()[0] == pytest.approx(2.0, abs=0.1)
    assert optimizer.iterations == 100


def test_gradients_come_in_the_structure_of_the_sources() -> None:
    a, b = gw.Variable(2.0, name="a"), gw.Variable([3.0, 4.0], name="b")

    def ask(sources: object) -> object:
        with gw.GradientTape() as tape:
            loss = gw.sum(a * b)
        return tape.gradient(loss, sources)

    single, listed, paired, named = ask(a), ask([a, b]), ask((b, a)), ask({"x": {"a": a}, "y": [b]})
    assert isinstance(single, gw.Tensor)
    assert float(single) == 7.0
    assert isinstance(listed, list)
    np.testing.assert_array_equal(listed[1], [2.0, 2.0])
    assert isinstance(paired, tuple)
    assert float(paired[1]) == 7.0
    assert isinstance(named, dict)
    assert float(named["x"]["a"]) == 7.0
    np.testing.assert_array_equal(named["y"][0], [2.0, 2.0])


def test_gradients_keep_dtype_and_shape() -> None:
    w = gw.Variable(np.ones((2, 3), np.float32))
    with gw.GradientTape() as tape:
        loss = gw.sum(w * 0.5)
    gradient = tape.gradient(loss, w)
    assert gradient.dtype == np.float32
    assert gradient.shape == (2, 3)


def test_a_tape_answers_once_unless_persistent() -> None:
    w = gw.Variable(3.0)
    with gw.GradientTape() as tape:
        y = w * w
    assert float(tape.gradient(y, w)) == 6.0
    with pytest.raises(TapeError, match="persistent=True"):
        tape.gradient(y, w)
    with gw.GradientTape(persistent=True) as lasting:
        y = w * w
        z = y * y
    assert float(lasting.gradient(y, w)) == 6.0
    assert float(lasting.gradient(z, w)) == 108.0
    assert float(lasting.gradient(z, y)) == 18.0


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_constants_need_watching() -> None:
    x = gw.constant(3.0)
    with gw.GradientTape() as tape:
        y = x * x
    with pytest.warns(UserWarning, match=r"tape\.watch"):
        assert tape.gradient(y, x) is None
    assert "tape.watch" in str(tape.explain(y, x))
    with gw.GradientTape() as tape:
        tape.watch(x)
        y = x * x
    assert float(tape.gradient(y, x)) == 6.0
    with pytest.raises(TapeError, match="convert_to_tensor"):
        gw.GradientTape().watch(np.ones(3))


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_trainable_variables_are_watched_by_themselves() -> None:
    kept, frozen = gw.Variable(2.0), gw.Variable(3.0, trainable=False)
    with gw.GradientTape(persistent=True) as tape:
        y = kept * frozen
    assert float(tape.gradient(y, kept)) == 3.0
    with pytest.warns(UserWarning, match="make it trainable"):
        assert tape.gradient(y, frozen) is None
    assert float(tape.gradient(y, frozen, unconnected_gradients="zero")) == 0.0
    with gw.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(frozen)
        y = kept * frozen
    with pytest.warns(UserWarning, match=r"tape\.watch\(variable\)"):
        found = tape.gradient(y, [kept, frozen])
    assert [g if g is None else float(g) for g in found] == [None, 2.0]


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_what_is_computed_outside_is_a_constant() -> None:
    w = gw.Variable(2.0, name="w")
    outside = gw.exp(w)
    with gw.GradientTape(persistent=True) as tape:
        y = w * outside
        with tape.stop_recording():
            factor = w * 5.0
        z = w * factor
    assert float(tape.gradient(y, w)) == pytest.approx(np.exp(2.0))
    assert float(tape.gradient(z, w)) == 10.0
    outside.numpy()
    assert float(tape.gradient(y, w)) == pytest.approx(np.exp(2.0))
    with pytest.warns(UserWarning, match="inside the `with` block"):
        assert tape.gradient(outside, w) is None


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_a_result_from_outside_can_be_watched() -> None:
    w = gw.Variable(2.0)
    for fetched in (False, True):
        h = gw.square(w)
        if fetched:
            h.numpy()
        with gw.GradientTape(persistent=True) as tape:
            tape.watch(h)
            y = h * h
        assert float(tape.gradient(y, h)) == 8.0
        assert tape.gradient(y, w) is None


def test_a_variable_assigned_on_the_way_gets_both_gradients() -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        y = w * 3.0
        w.assign(5.0)
        y = y + w * w
    with pytest.warns(UserWarning, match="2 values"):
        assert float(tape.gradient(y, w)) == 13.0


def test_targets_of_several_elements_are_summed() -> None:
    w = gw.Variable([1.0, 2.0])
    for _ in range(3):
        with gw.GradientTape() as tape:
            y = w**3
        np.testing.assert_array_equal(tape.gradient(y, w), [3.0, 12.0])
    np.testing.assert_array_equal(y, [1.0, 8.0])


def test_several_targets_are_added_up_and_weighed() -> None:
    w = gw.Variable([1.0, 2.0])
    with gw.GradientTape(persistent=True) as tape:
        y, z = w**2, gw.sum(w)
    np.testing.assert_array_equal(tape.gradient([y, z], w), [3.0, 5.0])
    np.testing.assert_array_equal(tape.gradient(y, w, output_gradients=[1.0, 10.0]), [2.0, 40.0])


def test_a_variable_is_its_own_target() -> None:
    w = gw.Variable(4.0)
    with gw.GradientTape() as tape:
        pass
    assert float(tape.gradient(w, w)) == 1.0


def test_a_target_must_be_traced_and_floating() -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape(persistent=True) as tape:
        y = w * 2.0
        count = gw.cast(y, "int64")
    with pytest.raises(TapeError, match="plain number"):
        tape.gradient(y.numpy(), w)
    with pytest.raises(TapeError, match="Variable"):
        tape.gradient(y, np.ones(1))
    with pytest.raises(InvalidTarget):
        tape.gradient(count, w)


def test_what_the_answer_held_costs_no_second_request(client: gw.Client) -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        loss = gw.exp(w)
    tape.gradient(loss, w)
    client.close()
    assert float(loss) == pytest.approx(np.exp(2.0))
    w.assign(9.0)
    assert f"{loss:.3f}" == "7.389"


def test_reset_forgets() -> None:
    w = gw.Variable(2.0)
    with gw.GradientTape() as tape:
        before = w * w
        tape.reset()
        after = w * 3.0
        both = after + before
    assert float(tape.gradient(both, w)) == 3.0


def test_an_error_names_the_users_line() -> None:
    w = gw.Variable(np.ones((2, 3)))
    with gw.GradientTape() as tape:
        h = w @ np.ones((2, 2))  # does not fit
        loss = gw.sum(h)
    with pytest.raises(ShapeMismatch, match="does not fit") as caught:
        tape.gradient(loss, w)
    assert caught.value.place is not None
    assert caught.value.place.file == __file__


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_explain_points_to_the_line_that_blocks() -> None:
    w, b, v = gw.Variable(1.3, name="w"), gw.Variable(0.0, name="b"), gw.Variable(1.0, name="v")
    x = gw.constant([1.0, 2.0])
    with gw.GradientTape() as tape:
        rounded = gw.round(w * x)  # flat
        loss = gw.mean((rounded + b) ** 2)
    gradients = tape.gradient(loss, [w, b, v])
    assert gradients[0] is None
    assert gradients[2] is None
    report = tape.explain(loss, [w, b, v])
    assert (report["w"].status, report["w"].reason) == ("blocked", "nondifferentiable")
    assert (report["b"].status, report["v"].status) == ("ok", "disconnected")
    assert report["w"].places[0] is not None
    assert report["w"].places[0].text.endswith("# flat")
    assert "# flat" in str(report)
    assert report["w"].fix
    assert report["v"].place is not None
    assert 'name="v"' in report["v"].place.text
    assert report.value == float(loss)


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_explain_takes_the_reasons_from_the_gradients_answer(client: gw.Client) -> None:
    w = gw.Variable(1.3, name="w")
    with gw.GradientTape() as tape:
        loss = gw.round(w)
    assert tape.gradient(loss, w) is None
    client.close()
    assert tape.explain(loss, w)["w"].status == "blocked"


@pytest.mark.filterwarnings("ignore::gradwire.errors.GradientWarning")
def test_the_same_answers_once_the_graph_is_published(client: gw.Client) -> None:
    for _ in range(3):
        w, v = gw.Variable(1.3, name="w"), gw.Variable(1.0, name="v")
        with gw.GradientTape() as tape:
            h = gw.round(w * 2.0)  # flat
            left, right = gw.split(gw.stack([h, h + w]), 2)
            loss = gw.sum(left * right)
        found = tape.gradient(loss, [w, v, h, right])
        assert [g if g is None else float(gw.sum(g)) for g in found] == [3.0, None, 3.0 + 4.3 - 0.0, 3.0]
        report = tape.explain(loss, [w, v])
        assert [finding.status for finding in report.findings] == ["ok", "disconnected"]
        assert [warning["code"] for warning in report["w"].warnings] == ["partial_path"]
    entries = client._session._known.values()
    assert all(entry.id for entry in entries)


def test_explain_without_asking_for_gradients_first() -> None:
    w = gw.Variable([1.3, 2.0], name="w")
    with gw.GradientTape() as tape:
        y = gw.floor(w)  # two elements
    assert tape.explain(y, w)["w"].status == "blocked"


def test_explain_a_round_trip_through_numpy() -> None:
    w, v = gw.Variable(1.3, name="w"), gw.Variable(1.0, name="v")
    with gw.GradientTape(persistent=True) as tape:
        plain = w.numpy() * 2.0  # it leaves here
        with pytest.warns(gw.errors.ReadWarning, match="it leaves here"):
            loss = v * plain  # it comes back here
    report = tape.explain(loss, [w, v])
    assert report["w"].status == "disconnected"
    assert "# it leaves here" in str(report["w"])
    assert "# it comes back here" in str(report["w"])
    assert "# it leaves here" not in str(report["v"])


def test_explain_what_was_computed_outside() -> None:
    w = gw.Variable(1.3, name="w")
    outside = gw.exp(w)
    with gw.GradientTape() as tape:
        loss = outside * 2.0
    report = tape.explain(loss, w)
    assert report["w"].status == "stopped"
    assert "outside = gw.exp(w)" in str(report)


def test_a_tape_uses_the_client_it_is_given(client: gw.Client, url: str) -> None:
    gw.set_default_client(None)
    with gw.Client(url) as other:
        gw.set_default_client(None)
        w = gw.Variable(2.0)
        with gw.GradientTape(client=other) as tape:
            y = gw.exp(w)
        assert float(tape.gradient(y, w)) == pytest.approx(np.exp(2.0))
