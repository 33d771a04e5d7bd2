"""A program of forks, pools and workers: `python forking.py SCENARIO URL`, with GRADWIRE_URL set.

Each scenario prints {"asked": n, "right": n}: how many answers were asked for, how many were the asker's own.
It is a program of its own, so that one that hangs can be ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import gradwire as gw

Count = tuple[int, int]  # asked, right


def cube(x: Any) -> Any:
    return gw.sum(x**3)


@gw.grad
def slope(x: Any) -> Any:
    return gw.sum(x**3)


@gw.function
def published(x: Any) -> Any:
    return gw.sum(x**3)


def quarters(start: int, count: int) -> list[float]:
    """Numbers whose cubes and squares are exact, so that answers can be compared with ==."""
    return [start + k + 0.25 for k in range(count)]


def own(x: float) -> bool:
    """Whether gradient, value and a client's own call answer what this process asked."""
    value, gradient = gw.value_and_grad(cube)(np.array([x]))
    again = gw.default_client().gradient("sum(x ** 3)", {"x": [x]}, wrt="x")
    return bool(value == again.value == x**3 and gradient[0] == again["x"][0] == 3 * x * x)


def in_child(work: Callable[[], Sequence[bool]]) -> tuple[int, int]:
    """Fork, and have the child count; the pid, and where its answer is to be read from."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        found: Any = "died"
        try:
            found = [bool(each) for each in work()]
        except BaseException as error:
            found = f"{type(error).__name__}: {error}"
        finally:
            os.write(writing, json.dumps(found).encode() + b"\n")
            os._exit(0)
    os.close(writing)
    return pid, reading


def counted(child: tuple[int, int], asked: int) -> Count:
    pid, reading = child
    with os.fdopen(reading) as pipe:
        found = json.loads(pipe.readline() or '"no answer"')
    os.waitpid(pid, 0)
    if isinstance(found, str):
        print(found, file=sys.stderr)
        return asked, 0
    assert len(found) == asked
    return asked, sum(found)


def total(counts: Sequence[Count]) -> Count:
    return sum(asked for asked, _ in counts), sum(right for _, right in counts)


@contextlib.contextmanager
def traffic(threads: int) -> Iterator[list[bool]]:
    """Threads that ask meanwhile; whether their answers were right."""
    stop, found = threading.Event(), list[bool]()

    def ask(k: int) -> None:
        x = -1000.25 * (k + 1)
        while not stop.is_set():
            found.append(own(x))
            x -= 1.0

    asking = [threading.Thread(target=ask, args=(k,)) for k in range(threads)]
    for thread in asking:
        thread.start()
    try:
        yield found
    finally:
        stop.set()
        for thread in asking:
            thread.join()


def forks(children: int = 8, calls: int = 25) -> Count:
    """Children of a process whose threads ask all the time; half of them fork before their first call."""
    own(0.25)  # a connection that is there already
    with traffic(3) as found:
        started = []
        for n in range(children):
            started.append(in_child(lambda n=n: [own(x) for x in quarters(1000 * n, calls)]))
            if n % 2:
                time.sleep(0.02)
        counts = [counted(child, calls) for child in started]
    return total([*counts, (1, int(bool(found) and all(found)))])


def many_forks() -> Count:
    """10,000 calls in 40 children; the parent's do not count, but are asserted."""
    asked, right = forks(40, 250)
    return asked - 1, right - 1


def idle_connection() -> Count:
    """Children that start at one moment, each with the parent's one idle connection."""
    own(0.25)
    own(1.25)
    gate = multiprocessing.get_context("fork").Barrier(6)

    def work(n: int) -> list[bool]:
        gate.wait()
        return [own(x) for x in quarters(1000 * n, 36)]

    return total([counted(child, 36) for child in [in_child(lambda n=n: work(n)) for n in range(6)]])


def grandchildren() -> Count:
    """A child that forks in its turn, after calls of its own."""

    def work() -> list[bool]:
        mine = [own(x) for x in quarters(10, 3)]
        asked, right = counted(in_child(lambda: [own(x) for x in quarters(20, 3)]), 3)
        return [*mine, asked == right, own(30.25)]

    own(0.25)
    return total([counted(in_child(work), 5) for _ in range(3)])


def locks() -> Count:
    """Every lock is held by another thread at the moment of the fork."""
    from tqdm import tqdm

    from gradwire import random
    from gradwire._client.client import _default

    own(0.25)
    client = gw.default_client()
    held = [
        client._session._lock,
        client._driver.connection._lock,
        _default._lock,
        random._generator.bit_generator.lock,
        tqdm.get_lock().th_lock,
        *pool_locks(client),
    ]
    ready, stop = threading.Event(), threading.Event()

    def hold() -> None:
        with contextlib.ExitStack() as stack:
            for lock in held:
                stack.enter_context(lock)
            ready.set()
            stop.wait()

    def work() -> list[bool]:
        x = quarters(7, 1)
        drawn = gw.random.normal((2,)).numpy().shape == (2,)
        model = gw.Sequential([gw.layers.Dense(1, input_shape=(1,))])
        model.compile("sgd", "mse")
        trained = len(model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=1).epoch) == 1
        gw.set_default_client(None)
        return [own(x[0]), drawn, trained, own(8.25)]

    holding = threading.Thread(target=hold)
    holding.start()
    ready.wait()
    child = in_child(work)
    found = counted(child, 4)
    stop.set()
    holding.join()
    return found


def pool_locks(client: gw.Client) -> list[Any]:
    """The lock of the HTTP library's pool, where its private name is still this one."""
    pool = getattr(client._driver.connection.get().http._transport, "_pool", None)
    lock = getattr(getattr(pool, "_optional_thread_lock", None), "_lock", None)
    return [] if lock is None else [lock]


def streams() -> Count:
    """A child goes on with a job's stream where the parent was, on a connection of its own."""
    client = gw.default_client()
    data = {"x": np.arange(64.0), "y": np.arange(64.0)}
    sent = {"data": data, "parameters": {"w": 0.5}, "batch_size": 1, "epochs": 40}
    job = client.jobs.submit("mean((w * x - y) ** 2)", optimizer={"name": "adam"}, **sent)
    expected = 3
    stream = iter(job.stream())
    seen = [next(stream) for _ in range(3)]

    def rest() -> list[str]:
        return [event.id for event in [*seen, *stream]]

    def work() -> list[bool]:
        ids = rest()
        again = [event.id for event in client.jobs.get(job.id).stream()]
        return [ids == again, len(set(ids)) == len(ids), own(3.25)]

    def dropped() -> list[bool]:
        stream.close()  # the parent's connection stays open
        return [own(4.25)]

    children = [in_child(work), in_child(dropped)]
    ids = rest()  # while the child reads too
    counts = [counted(children[0], expected), counted(children[1], 1)]
    kinds = [ids == [event.id for event in job.stream()], own(5.25)]
    return total([*counts, (len(kinds), sum(kinds))])


def event_loops() -> Count:
    """A fork inside a running event loop, with connections open; the parent's go on."""
    url = os.environ["GRADWIRE_URL"]

    async def ask(client: gw.AsyncClient, x: float) -> bool:
        answer = await client.gradient("sum(x ** 3)", {"x": [x]}, wrt="x")
        return bool(answer["x"][0] == 3 * x * x)

    async def parent() -> Count:
        async with gw.AsyncClient(url) as client:
            running = [asyncio.create_task(ask(client, x)) for x in quarters(0, 10)]
            await asyncio.sleep(0.01)
            children = [in_child(lambda n=n: apart(client, n)) for n in (0, 1)]
            found = [*await asyncio.gather(*running)]
            children += [in_child(lambda n=n: apart(client, n)) for n in (2, 3)]  # connections are idle
            found += [await ask(client, x) for x in quarters(50, 10)]
            counts = [await asyncio.to_thread(counted, child, 10) for child in children]
            found += [await ask(client, x) for x in quarters(90, 10)]
            return total([*counts, (len(found), sum(found))])

    def apart(client: gw.AsyncClient, n: int) -> list[bool]:
        found: list[bool] = []

        async def child() -> None:
            found.extend(await asyncio.gather(*[ask(client, x) for x in quarters(1000 * n, 10)]))
            await client.close()

        thread = threading.Thread(target=lambda: asyncio.run(child()))  # outside of the parent's loop
        thread.start()
        thread.join()
        return found

    counts = [asyncio.run(parent())]
    with contextlib.suppress(ImportError):
        import uvloop

        counts.append(uvloop.run(parent()))
    return total(counts)


def tapes() -> Count:
    """A worker that was forked inside a tape's block does not record on it; a plain fork goes on with it."""
    w = gw.Variable([2.0])
    with gw.GradientTape() as tape:
        y = w * w
        with multiprocessing.get_context("fork").Pool(2) as pool:
            slopes = pool.map(slope, [np.array([x]) for x in quarters(0, 4)])

        def work() -> list[bool]:
            return [tape_of_child(tape, y, w)]

        child = in_child(work)
        loss = gw.sum(y)
    found = [
        isinstance(g, np.ndarray) and g[0] == 3 * x * x for g, x in zip(slopes, quarters(0, 4), strict=True)
    ]
    found.append(tape.gradient(loss, w).numpy()[0] == 4.0)
    return total([counted(child, 1), (len(found), sum(found))])


def tape_of_child(tape: Any, y: Any, w: Any) -> bool:
    loss = gw.sum(y * 3.0)
    tape.__exit__(None, None, None)
    return bool(tape.gradient(loss, w).numpy()[0] == 12.0)


def draws() -> Count:
    """Children draw numbers of their own, unless the sequence was seeded."""

    def drawn() -> list[float]:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            return pool.map(draw, range(2), chunksize=2)

    different = drawn() != drawn()
    gw.random.set_seed(0)
    return 2, int(different) + int(drawn() == drawn() == [draw(0), draw(1)])


def draw(_: int) -> float:
    return float(gw.random.uniform(()).numpy())


def failing(x: float) -> Any:
    """One task in three fails on the server, one in three here."""
    if x % 3 == 0:
        return gw.grad(lambda v: v * np.ones(int(x) + 2))(x)  # not one number
    if x % 3 == 1:
        raise gw.errors.ConfigurationError(f"the task {x}")
    return gw.grad(cube)(np.array([float(x)]))[0]


def judged(error: BaseException, x: int) -> bool:
    if x % 3 == 0:
        assert isinstance(error, gw.errors.InvalidTarget)
        return error.code == "invalid_target" and error.status == 422 and error.request_id is not None
    return isinstance(error, gw.errors.ConfigurationError) and str(error) == f"the task {x}"


def pools(method: str) -> Count:
    """multiprocessing and concurrent.futures, by one way of starting processes."""
    context = multiprocessing.get_context(method)
    own(0.25)
    xs, found = quarters(0, 20), list[bool]()
    arrays = [np.array([x]) for x in xs]
    made = [gw.grad(cube), slope, gw.grad(cube, client=gw.default_client())]
    with context.Pool(3) as pool:
        for function in made:
            found += [g[0] == 3 * x * x for g, x in zip(pool.map(function, arrays), xs, strict=True)]
        values = pool.map(gw.value_and_grad(cube), arrays)
        found += [v == x**3 and g[0] == 3 * x * x for (v, g), x in zip(values, xs, strict=True)]
        found += [v == x**3 for v, x in zip(pool.map(published, arrays), xs, strict=True)]
        found += pool.map(own, xs)
        handles = [pool.apply_async(failing, (x,)) for x in range(9)]
        for x, handle in enumerate(handles):
            try:
                found.append(handle.get(60) == 3 * x * x)
            except gw.GradwireError as error:
                found.append(judged(error, x))
        model = pool.apply(trained, (gw.Sequential([gw.layers.Dense(1, input_shape=(1,))]),))
        found.append(model.predict(np.ones((2, 1))).shape == (2, 1))
    with ProcessPoolExecutor(3, mp_context=context) as executor:
        found += [g[0] == 3 * x * x for g, x in zip(executor.map(gw.grad(cube), arrays), xs, strict=True)]
        futures = [executor.submit(failing, x) for x in range(9)]
        for x, future in enumerate(futures):
            error = future.exception(60)
            found.append(future.result() == 3 * x * x if error is None else judged(error, x))
    return len(found), sum(bool(each) for each in found)


def trained(model: Any) -> Any:
    model.compile("sgd", "mse")
    model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)
    return model


def joblib(backend: str) -> Count:
    """Functions of `__main__`, plain and decorated, by joblib's processes."""
    from joblib import Parallel, delayed

    own(0.25)
    client, xs = gw.default_client(), quarters(0, 12)
    arrays, found = [np.array([x]) for x in xs], list[bool]()
    made = [gw.grad(cube), slope, gw.grad(lambda x: gw.sum(x**3), client=client)]
    for function in made if backend == "loky" else made[:2]:
        slopes = Parallel(n_jobs=2, backend=backend)(delayed(function)(x) for x in arrays)
        found += [g[0] == 3 * x * x for g, x in zip(slopes, xs, strict=True)]
    values = Parallel(n_jobs=2, backend=backend)(delayed(published)(x) for x in arrays)
    found += [v == x**3 for v, x in zip(values, xs, strict=True)]
    try:
        Parallel(n_jobs=2, backend=backend)(delayed(failing)(x) for x in (0, 3))
    except gw.errors.InvalidTarget as error:
        found.append(judged(error, 0))
    return len(found), sum(bool(each) for each in found)


def emcee() -> Count:
    """An ensemble of walkers on a log-probability of the server, with a Pool and without."""
    import emcee as sampler

    def chain(pool: Any) -> Any:
        np.random.seed(0)
        start = np.random.default_rng(0).normal(size=(8, 2))
        ensemble = sampler.EnsembleSampler(8, 2, log_probability, pool=pool)
        ensemble.run_mcmc(start, 10)
        return ensemble.get_chain()

    alone = chain(None)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        together = chain(pool)
    return alone.size, int((alone == together).sum())


def log_probability(theta: Any) -> float:
    return float(gw.default_client().evaluate("-0.5 * sum(x ** 2)", {"x": theta})["result"])


def loader() -> Count:
    """A DataLoader whose items come from the server, in two workers."""
    from torch.utils.data import DataLoader

    own(0.25)
    xs = quarters(0, 24)
    found = list[bool]()
    for context in ("fork", "spawn"):
        rows = DataLoader(Slopes(xs), batch_size=4, num_workers=2, multiprocessing_context=context)  # type: ignore[arg-type]
        slopes = np.concatenate([batch.numpy() for batch in rows])
        found += [s == 3 * x * x for s, x in zip(slopes, xs, strict=True)]
    return len(found), sum(found)


class Slopes:
    def __init__(self, xs: Sequence[float]) -> None:
        self.xs = xs
        self.slope = gw.grad(cube)

    def __len__(self) -> int:
        return len(self.xs)

    def __getitem__(self, k: int) -> float:
        return float(self.slope(np.array([self.xs[k]]))[0])


def unaware() -> Count:
    """A fork that Python is told nothing of, as by a library in C."""
    import ctypes

    own(0.25)
    libc = ctypes.PyDLL(None)
    answers = multiprocessing.get_context("fork").SimpleQueue()
    pids = []
    for n in range(3):
        pid = libc.fork()
        if pid == 0:
            answers.put([own(x) for x in quarters(100 * n, 5)])
            os._exit(0)
        pids.append(pid)
    found = [answers.get() for _ in pids]
    for pid in pids:
        os.waitpid(pid, 0)
    return 15, sum(map(sum, found))


def transports() -> Count:
    """A transport of the user's own is the parent's: it is refused in the child, with the cure."""
    import httpx

    client = gw.Client(os.environ["GRADWIRE_URL"], transport=httpx.HTTPTransport())
    client.evaluate("x", {"x": 1.0})

    def work() -> list[bool]:
        try:
            client.evaluate("x", {"x": 1.0})
        except gw.errors.ConfigurationError as error:
            return ["make a gradwire.Client, and its transport, in the child" in str(error)]
        return [False]

    asked, right = counted(in_child(work), 1)
    client.close()
    closed = counted(in_child(lambda: [refused_closed(client)]), 1)
    return total([(asked, right), closed, (1, int(refused_closed(client)))])


def refused_closed(client: gw.Client) -> bool:
    try:
        client.evaluate("x", {"x": 1.0})
    except gw.errors.ConfigurationError as error:
        return "closed" in str(error)
    return False


SCENARIOS: dict[str, Callable[..., Count]] = {
    "forks": forks,
    "many_forks": many_forks,
    "idle_connection": idle_connection,
    "grandchildren": grandchildren,
    "locks": locks,
    "streams": streams,
    "event_loops": event_loops,
    "tapes": tapes,
    "draws": draws,
    "pools": pools,
    "joblib": joblib,
    "emcee": emcee,
    "loader": loader,
    "unaware": unaware,
    "transports": transports,
}

if __name__ == "__main__":
    if sys.version_info >= (3, 12):
        # Forking with threads about is what these scenarios are for.
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    name, *arguments = sys.argv[1].split(":")
    asked, right = SCENARIOS[name](*arguments)
    print(json.dumps({"asked": int(asked), "right": int(right)}))
