"""AsyncSequential: the same model as Sequential, awaited; one code drives both."""

from __future__ import annotations

import asyncio
import inspect
import io
import json
from collections import deque
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

import gradwire as gw
from gradwire._transport.driver import call
from gradwire.errors import ConfigurationError, JobFailed
from tests.client.fake import JSON, Fake, fake_server, problem

SSE = {"content-type": "text/event-stream"}


def blobs(rows: int = 200) -> tuple[Any, Any]:
    """Two clouds of points, and which one each is of."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, rows)
    points = random.normal(size=(rows, 2)) + 3.0 * labels[:, None]
    return points.astype(np.float32), labels


def layers() -> list[gw.layers.Layer]:
    return [gw.layers.Dense(8, activation="relu", input_shape=(2,)), gw.layers.Dense(2, activation="softmax")]


def compiled(model: Any, **changes: Any) -> Any:
    settings = {"optimizer": gw.optimizers.Adam(0.05), "metrics": ["accuracy"], **changes}
    model.compile(loss=gw.losses.SparseCategoricalCrossentropy(), **settings)
    return model


def job(status: str, **changes: Any) -> httpx.Response:
    document = {"id": "job_1", "status": status, "progress": {"steps": 4}, "error": None, **changes}
    return httpx.Response(200, content=json.dumps(document), headers=JSON)


def test_both_models_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, inspect.Signature]:
        return {n: inspect.signature(m) for n, m in inspect.getmembers(kind) if isinstance(m, call)}

    assert methods(gw.Sequential) == methods(gw.AsyncSequential)
    assert set(methods(gw.Sequential)) == {
        *("build", "summary", "count_params", "get_weights", "set_weights"),
        *("save", "save_weights", "load_weights"),
        *("predict", "fit", "evaluate"),
    }
    public = {n for n in vars(gw.Sequential) | vars(gw.AsyncSequential) if not n.startswith("_")}
    assert public == set()


@pytest.mark.anyio
async def test_the_same_bits_either_way(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    x, y = blobs()
    settings: dict[str, Any] = {"epochs": 3, "batch_size": 16, "seed": 5, "validation_split": 0.2}
    with gw.Client(url) as sync:
        blocking = compiled(gw.Sequential(layers(), client=sync))
        expected = blocking.fit(x, y, verbose=0, **settings)
        async with gw.AsyncClient(url) as client:
            model = compiled(gw.AsyncSequential(layers(), client=client))
            history = await model.fit(x, y, **settings)
            assert "epoch 3" in capsys.readouterr().out
            assert history.history == expected.history
            for mine, other in zip(await model.get_weights(), blocking.get_weights(), strict=True):
                np.testing.assert_array_equal(mine, other)
            np.testing.assert_array_equal(await model.predict(x, batch_size=64), blocking.predict(x))
            assert await model.evaluate(x, y, return_dict=True) == blocking.evaluate(x, y, return_dict=True)
            assert await model.count_params() == blocking.count_params() == 42
            await model.summary()
            assert "Parameters: 42" in capsys.readouterr().out


@pytest.mark.anyio
async def test_models_of_a_loop_train_at_the_same_time(url: str) -> None:
    x, y = blobs()
    async with gw.AsyncClient(url) as client:
        models = [compiled(gw.AsyncSequential(layers(), client=client)) for _ in range(3)]
        histories = await asyncio.gather(*(model.fit(x, y, epochs=2, verbose=0) for model in models))
    assert all(len(history.epoch) == 2 for history in histories)


@pytest.mark.anyio
async def test_weights_are_read_set_saved_and_loaded(url: str, tmp_path: Path) -> None:
    x, _ = blobs(5)
    async with gw.AsyncClient(url) as client:
        model = gw.AsyncSequential(layers(), client=client)
        with pytest.raises(ConfigurationError, match="await model"):
            model.trainable_variables  # noqa: B018  # asks the server, which a property cannot wait for
        with pytest.raises(ConfigurationError, match="await model"):
            model(x)
        await model.build((None, 2))
        assert [v.name for v in model.trainable_variables][:2] == ["dense.kernel", "dense.bias"]
        await model.set_weights([np.full_like(w, 0.5) for w in await model.get_weights()])
        [answer] = await client.values([model(x)])
        np.testing.assert_allclose(answer, await model.predict(x), rtol=1e-6)
        await model.save(tmp_path / "model.safetensors")
        loaded = gw.models.load_model(tmp_path / "model.safetensors", client=client)
        assert isinstance(loaded, gw.AsyncSequential)
        assert [v.trainable for v in loaded.variables] == [True] * 4
        np.testing.assert_array_equal(await loaded.predict(x), await model.predict(x))


@pytest.mark.anyio
async def test_a_failed_job_is_an_error_either_way(url: str) -> None:
    x, y = blobs()
    async with gw.AsyncClient(url) as client:
        model = compiled(gw.AsyncSequential(layers(), client=client), optimizer=gw.optimizers.SGD(1e30))
        with pytest.raises(JobFailed):
            await model.fit(x * np.float32(1e30), y, epochs=5, verbose=0)
        with pytest.raises(ConfigurationError, match="compile"):
            await gw.AsyncSequential(layers(), client=client).fit(x, y)


@pytest.mark.anyio
async def test_a_cancelled_fit_cancels_its_job(url: str) -> None:
    x, y = blobs()
    async with gw.AsyncClient(url) as client:
        model = compiled(gw.AsyncSequential(layers(), client=client))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(model.fit(x, y, epochs=1_000_000, verbose=0), 2.0)
        [newest] = await client.jobs.list(limit=1)
        assert newest.document["cancel_requested"]


def events(*kinds: str) -> httpx.Response:
    data = {"step": '{"epoch": 1, "step": 4, "loss": 1.0}', "epoch": '{"epoch": 1, "step": 4, "loss": 0.5}'}
    texts = [f"id: {k}\nevent: {kind}\ndata: {data.get(kind, '{}')}\n\n" for k, kind in enumerate(kinds)]
    return httpx.Response(200, content="".join(texts).encode(), headers=SSE)


def test_an_interrupted_fit_cancels_its_job() -> None:
    def interrupted(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events"):
            raise KeyboardInterrupt
        return fake(request)

    fake = Fake(deque([job("queued"), job("cancelled")]))
    with gw.Client("http://fake", transport=httpx.MockTransport(interrupted)) as client:
        model = compiled(gw.Sequential(layers(), client=client))
        with pytest.raises(KeyboardInterrupt):
            model.fit(*blobs(8), verbose=0)
    assert fake.paths == ["/v1/jobs", "/v1/jobs/job_1/cancel"]


@pytest.mark.anyio
async def test_a_fit_survives_a_stream_that_breaks_off() -> None:
    learned = {"dense.kernel": np.ones((2, 2)), "dense.bias": np.zeros(2)}
    expansion = {
        "train": {},
        "predict": {"inputs": {"x": {}}},
        "parameters": {n: {"shape": list(a.shape)} for n, a in learned.items()},
        "state": {},
        "draws": {},
        "summary": [],
    }
    fake = Fake(
        deque(
            [
                job("queued"),
                events("step"),
                problem(503, "busy", headers={"retry-after": "0"}),
                events("step", "epoch", "end"),
                job("succeeded"),
                httpx.Response(200, content=npz(learned), headers={}),
                httpx.Response(200, content=json.dumps(expansion), headers=JSON),
            ]
        )
    )
    retry = gw.Retry(first_wait=0.0)
    async with gw.AsyncClient("http://fake", retry=retry, transport=httpx.MockTransport(fake)) as client:
        model = gw.AsyncSequential([gw.layers.Dense(2, input_shape=(2,))], client=client)
        model.compile("sgd", "mse")
        history = await model.fit(*blobs(8), verbose=0)
    assert history.history == {"loss": [0.5]}
    assert [variable.name for variable in model.variables] == ["dense.kernel", "dense.bias"]
    assert fake.requests[2].headers["last-event-id"] == "0"


def npz(arrays: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def test_a_model_asks_its_own_client(client: gw.Client) -> None:
    """Its client need not be the default one."""
    x, _ = blobs(4)
    with fake_server() as (fake, _):  # the default one, which has nothing to do here
        model = gw.Sequential(layers(), client=client)
        assert model.predict(x).shape == (4, 2)
        assert model.count_params() == 42
    assert fake.requests == []
