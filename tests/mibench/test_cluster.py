"""Cells on a cluster, as far as no cluster is needed: what fits, what is the same, what travels, and who is asked."""

from __future__ import annotations

import itertools
import json
import operator
import os
import random
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mibench import registry, runtime
from mibench.cli import main
from mibench.engine import executor, parcels, ray, sameness, station
from mibench.engine.executor import Lost, find_executor
from mibench.engine.grid import Grid, expand
from mibench.engine.parcels import LARGE, Packer, Unreadable, make
from mibench.engine.ray import RayPool
from mibench.engine.room import Node, Request, crew, room
from mibench.engine.station import Greeting
from mibench.engine.worker import answer_all
from mibench.errors import MibenchError, UsageError
from mibench.functions import FunctionEstimator
from mibench.result import Status

PLUGINS = Path(__file__).parent / "troublemakers.py"
ROWS = np.arange(2.0)


@pytest.fixture(autouse=True)
def nothing_stays_chosen() -> Iterator[None]:
    """A station chooses for its process, which is this one here."""
    with runtime.using():
        yield


# What fits -----------------------------------------------------------------------------------------------------------

NODES = [Node("a", 4, 0, 16.0), Node("b", 16, 2, 64.0)]


def placed(node: Node, share: float) -> int:
    """Workers with a share of a GPU each, placed one by one, each on one GPU."""
    gpus, cpus, workers = [1.0] * int(node.gpus), node.cpus, 0
    while cpus >= 1 and any(gpu >= share - 1e-9 for gpu in gpus):
        chosen = next(i for i, gpu in enumerate(gpus) if gpu >= share - 1e-9)
        gpus[chosen] -= share
        cpus, workers = cpus - 1, workers + 1
    return workers


def test_shares_of_gpus_are_counted_as_they_can_be_placed() -> None:
    for share, gpus, cpus in itertools.product((0.1, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0), range(4), (1, 3, 40)):
        node = Node("a", cpus, gpus, 1.0)
        assert Request(share).fit(node) == placed(node, share), (share, gpus, cpus)


def test_workers_are_bounded_by_cpus_gpus_and_memory() -> None:
    assert room(NODES, Request()) == 20 and room(NODES, Request(memory=32.0)) == 16
    assert room(NODES, Request(gpus=1)) == 2 and room(NODES, Request(gpus=2)) == 1 and room(NODES, Request(0.25)) == 8
    assert crew(NODES, Request()) == 20 and crew(NODES, Request(), 3) == 3


@pytest.mark.parametrize(
    ("request_", "wanted", "said"),
    [
        (
            {"memory": 80.0},
            None,
            "the memory limit is 80 GiB, and the largest node has 64.0 GiB; lower it with --memory-l",
        ),
        ({"gpus": 4.0}, None, "each asks for 4 GPUs, and no node has more than 2 GPUs"),
        ({"cpus": 32.0}, 1, "each asks for 32 CPUs, and no node has one to give"),
        ({}, 21, "21 workers do not fit on the cluster, which has room for 20 (a for 4, b for 16)."),
        ({"gpus": 0.5}, 5, "which has room for 4 (a for 0, b for 4)."),
    ],
)
def test_what_fits_nowhere_is_refused_in_a_sentence(request_: dict[str, float], wanted: int | None, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        crew(NODES, Request(**request_), wanted)
    assert said in str(refused.value) and str(refused.value).count("\n") == 0


def test_what_no_single_node_has_and_what_nobody_could_have_is_refused() -> None:
    with pytest.raises(UsageError, match="a CPU, 1 GPU and 32 GiB of memory, and no node has all of that"):
        crew([Node("a", 4, 1, 16.0), Node("b", 4, 0, 64.0)], Request(1.0, 32.0))
    with pytest.raises(UsageError, match="it has no nodes"):
        crew([], Request())
    for number in (-1.0, float("nan"), float("inf"), 1.5):
        with pytest.raises(UsageError, match="a worker can have"):
            Request(number)


# What is the same ----------------------------------------------------------------------------------------------------


def test_versions_are_compared_without_the_build_of_torch() -> None:
    here = sameness.versions()
    assert {"Python", "mibench", "torch", "numpy"} <= here.keys() and not any("+" in v for v in here.values())
    assert sameness.difference("n1", here, dict(here)) == ""
    for name in here:
        assert sameness.difference("n1", here, {**here, name: "0.0"}) == (
            f"{name} on the node n1 is 0.0, and here it is {here[name]}; install the same on both."
        )
    assert sameness.difference("n1", here, {k: v for k, v in here.items() if k != "torch"}).startswith("torch on the n")


def package(folder: Path, name: str, **files: str) -> None:
    for file, text in {"__init__": "", **files}.items():
        (folder / name).mkdir(exist_ok=True, parents=True)
        (folder / name / f"{file}.py").write_text(text)


def test_content_follows_the_sources_and_not_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(place: str, name: str = "visiting", **files: str) -> str:
        package(tmp_path / place, name, **files)
        with monkeypatch.context() as only:
            only.syspath_prepend(str(tmp_path / place))
            return sameness.content(name)

    first = seen("a", one="x = 1")
    assert first and first == seen("b", one="x = 1")
    assert len({first, seen("c", one="x = 2"), seen("d", two="x = 1"), seen("e", one="x = 1", two=""), ""}) == 5
    assert sameness.content("nowhere_at_all") == sameness.content("__main__.x") == ""
    (tmp_path / "single.py").write_text("x = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sameness.content("single")


def test_an_installed_package_has_the_digest_of_the_checkout_it_was_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # a checkout keeps the plug-ins beside the engine, an installed package within it
    for name, sources in (("engine", "x = 1"), ("estimators", "y = 1"), ("tasks", "z = 1")):
        package(tmp_path / "installed" / "whole", name, m=sources)
        package(tmp_path / "checkout" / ("whole" if name == "engine" else "."), name, m=sources)
    for place in ("installed/whole", "checkout/whole"):
        package(tmp_path / place, ".")
    found = {}
    names = {"estimators": "whole.estimators", "tasks": "whole.tasks"}
    for place in ("installed", "checkout"):
        folders = {
            "whole": tmp_path / place / "whole",
            **{full: tmp_path / place / ("whole" if place == "installed" else ".") / n for n, full in names.items()},
        }

        def spec(name: str, folders: dict[str, Path] = folders) -> Any:
            return type("Spec", (), {"submodule_search_locations": [str(folders[name])], "origin": None})

        monkeypatch.setattr("importlib.util.find_spec", spec)
        monkeypatch.setattr(sameness, "_OURS", ("whole", *names.values()))
        found[place] = sameness.engine()
    assert found["installed"] == found["checkout"] != ""


def test_packages_of_plugins_that_are_not_the_same_are_named() -> None:
    assert sameness.strange("n1", {"mine": "ab"}, {"mine": "ab"}) == ""
    assert sameness.strange("n1", {"mine": "ab"}, {"mine": "cd"}).startswith("the node n1 has another 'mine' than this")
    assert sameness.strange("n1", {"mine": "ab"}, {"mine": ""}).startswith("the node n1 has no module 'mine', which a")


# What travels --------------------------------------------------------------------------------------------------------


def holding(table: Any) -> FunctionEstimator:
    def holder(x: Any, y: Any) -> float:
        return float(table[0]) + len(x)

    return FunctionEstimator(holder)


class Sent:
    """Where things are sent ahead to: a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bytes = folder, 0

    def put(self, pickled: bytes) -> str:
        self.bytes += len(pickled)
        (self.folder / str(self.bytes)).write_bytes(pickled)
        return str(self.bytes)

    def arrive(self, parcel: parcels.Parcel) -> None:
        for name, sent in parcel.large.items():
            (self.folder / name).write_bytes((self.folder / sent).read_bytes())


def test_a_large_plugin_travels_once_and_a_small_one_with_its_call(tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    packer = Packer(sent.put)
    large, small = holding(np.arange(10**6, dtype=float)), holding([7.0])

    def both(a: FunctionEstimator, b: FunctionEstimator, rows: Any) -> tuple[float, float, FunctionEstimator]:
        return a.estimate(rows, rows).mi, b.estimate(rows, rows).mi, a

    for n in range(2, 30):
        parcel = packer.pack(partial(both, large, small, list(range(n))))
        assert len(parcel.call) < LARGE and len(parcel.large) == 1
        sent.arrive(parcel)
        first, second, again = make(parcel.call, str(tmp_path))
        assert (first, second) == (n, n + 7) and again is not large and again.label == large.label
    assert 8e6 < sent.bytes < 9e6
    assert packer.pack(partial(small.estimate, ROWS, ROWS)).large == {}


def test_a_plugin_that_is_named_twice_in_a_call_arrives_as_one(tmp_path: Path) -> None:
    for table in (np.zeros(10**5), [0.0]):
        sent = Sent(tmp_path)
        plugin = holding(table)
        parcel = Packer(sent.put).pack(partial(operator.is_, plugin, plugin))
        sent.arrive(parcel)
        assert make(parcel.call, str(tmp_path)) is True


def test_every_call_has_plugins_of_its_own(tmp_path: Path) -> None:
    sent = Sent(tmp_path)
    plugin = holding(np.zeros(10**5))

    def mark() -> list[int]:
        marks: list[int] = vars(plugin).setdefault("marks", [])
        marks.append(1)
        return marks

    parcel = Packer(sent.put).pack(mark)
    sent.arrive(parcel)
    assert [make(parcel.call, str(tmp_path)) for _ in range(3)] == [[1]] * 3


def test_an_included_file_travels_and_is_not_looked_for(tmp_path: Path) -> None:
    file = tmp_path / "wanderer.py"
    file.write_text(
        "import mibench\n\n@mibench.register_estimator('wanderer')\nclass Wanderer(mibench.Estimator):\n"
        "    def estimate(self, x, y, seed=0):\n        return mibench.Estimate(0.125)\n"
    )
    registry.include(file)
    parcel = Packer(Sent(tmp_path).put).pack(partial(registry.estimators.create("wanderer").estimate, ROWS, ROWS))
    assert parcel.needs == {}
    name = next(name for name in sys.modules if name.startswith("mibench_include_wanderer"))
    registry.estimators.forget(name)
    del sys.modules[name]
    file.unlink()
    assert make(parcel.call, "").mi == 0.125


def test_what_is_found_by_name_is_noted_and_missed_where_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def answer(x, y):\n    return 0.5\n"
    (tmp_path / "neighbour.py").write_text(text)
    with monkeypatch.context() as here:
        here.syspath_prepend(str(tmp_path))
        import neighbour  # type: ignore[import-not-found]

        plugin = FunctionEstimator(neighbour.answer)
        parcel = Packer(Sent(tmp_path).put).pack(partial(plugin.estimate, ROWS, ROWS))
        assert parcel.needs == {"neighbour": sameness.content("neighbour")}
        assert make(parcel.call, "").mi == 0.5
    del sys.modules["neighbour"]
    assert make(parcel.call, "") == Unreadable("ModuleNotFoundError: No module named 'neighbour'")


def test_what_cannot_travel_is_lost_with_the_words_of_one_machine() -> None:
    lock = threading.Lock()
    with pytest.raises(Lost, match="it cannot be sent to another process: TypeError"):
        Packer(lambda pickled: None).pack(lambda: lock)


# Who is asked --------------------------------------------------------------------------------------------------------


class Died(Exception):
    """What a cluster says of an actor that is gone."""


class Fake:
    """A cluster that is none: actors answer in threads, and die as the test says."""

    def __init__(self, hello: Callable[[int], Any], answer: Callable[[int, Any], Any], nodes: int = 2) -> None:
        self.hello, self.answer, self.number = hello, answer, itertools.count()
        self.asked: Counter[int] = Counter()
        self.killed: list[int] = []
        self.closed: list[int] = []
        self.options_seen: dict[str, Any] = {}
        self._nodes = nodes

    def nodes(self) -> list[dict[str, Any]]:
        resources = {"CPU": 1.0, "memory": 2.0**34}
        return [{"Alive": True, "NodeManagerAddress": f"n{i}", "Resources": resources} for i in range(self._nodes)]

    def remote(self, cls: type) -> Any:
        assert cls is ray.RayStation
        return type("Actors", (), {"options": staticmethod(self._options)})

    def _options(self, **options: Any) -> Any:
        self.options_seen = options
        return type("Actors", (), {"remote": staticmethod(self._actor)})

    def put(self, pickled: bytes) -> bytes:
        return pickled

    def wait(self, refs: list[Any], **_: Any) -> None: ...

    def kill(self, actor: Any) -> None:
        self.killed.append(actor.number)

    def _actor(self, *_: Any) -> Any:
        number = next(self.number)

        class Method:
            def __init__(self, call: Callable[..., Any]) -> None:
                self.call = call

            def remote(self, *arguments: Any) -> Any:
                done: Future[Any] = Future()

                def work() -> None:
                    try:
                        done.set_result(self.call(*arguments))
                    except Exception as error:
                        done.set_exception(error)

                threading.Thread(target=work, daemon=True).start()
                return type("Ref", (), {"future": staticmethod(lambda: done)})

        def answer(parcel: parcels.Parcel, *_: Any) -> Any:
            self.asked[number] += 1
            return self.answer(number, make(parcel.call, ""))

        actor = type("Actor", (), {"number": number})
        actor.hello = Method(lambda *_: self.hello(number))  # type: ignore[attr-defined]
        actor.answer = Method(answer)  # type: ignore[attr-defined]
        actor.close = Method(lambda: self.closed.append(number))  # type: ignore[attr-defined]
        return actor


def well(number: int) -> Greeting:
    return Greeting(f"n{number}")


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[..., RayPool]:
    def pool(fake: Fake, workers: int = 2) -> RayPool:
        monkeypatch.setattr(ray, "_ray", lambda: fake)
        return RayPool(workers, Request(), "cpu")

    monkeypatch.setattr(ray, "_LOOK_EVERY", 0.02)
    monkeypatch.setattr(ray, "_PATIENCE", 0.2)
    return pool


def test_calls_are_answered_by_all_and_actors_are_ended(on: Callable[..., RayPool]) -> None:
    together = threading.Barrier(3)
    fake = Fake(well, lambda number, value: (together.wait(5), value)[1])
    with on(fake, 3) as pool:
        assert [f.result(10) for f in [pool.submit(partial(int, str(i)), 1.0) for i in range(60)]] == list(range(60))
    assert set(fake.asked) == {0, 1, 2} == set(fake.killed) == set(fake.closed)
    assert fake.options_seen["max_restarts"] == 0 and fake.options_seen["num_cpus"] == 1


def test_a_call_whose_actor_is_gone_is_made_elsewhere(on: Callable[..., RayPool]) -> None:
    dice = random.Random(0)
    died: list[int] = []

    def answer(number: int, value: int) -> int:
        if number in died or dice.random() < 0.2:
            died.append(number)
            raise Died("The actor died unexpectedly before finishing this task.")
        return value

    with on(Fake(well, answer)) as pool:
        found = [f.result(10) for f in [pool.submit(partial(int, str(i)), 1.0) for i in range(100)]]
    assert found == list(range(100)) and len(died) > 5
    assert len(set(died)) == len(died)  # nobody who is gone is asked again


def test_a_call_that_takes_every_node_with_it_is_lost_by_chance_and_costs_no_other(on: Callable[..., RayPool]) -> None:
    def answer(number: int, value: int) -> int:
        if value == 3:
            raise Died("The node\nwas lost.\nActorDiedError: The node was lost.")
        return value

    with on(Fake(well, answer)) as pool:
        futures = [pool.submit(partial(int, str(i)), 1.0) for i in range(8)]
        with pytest.raises(Lost) as lost:
            futures[3].result(10)
        assert [f.result(10) for i, f in enumerate(futures) if i != 3] == [0, 1, 2, 4, 5, 6, 7]
    assert lost.value.by_chance and lost.value.status is Status.CRASH
    assert lost.value.message == ("the node that answered it was lost 5 times: ActorDiedError: The node was lost.")


def test_a_node_that_is_not_the_same_ends_the_run_in_a_sentence(on: Callable[..., RayPool]) -> None:
    problem = "torch on the node n1 is 2.0, and here it is 2.1; install the same on both."
    with on(Fake(lambda number: Greeting(f"n{number}", problem), lambda number, value: value)) as pool:
        for _ in range(2):
            with pytest.raises(UsageError, match="torch on the node n1 is 2.0"):
                pool.submit(partial(int, "1"), 1.0).result(10)


def test_an_error_of_a_station_ends_the_run(on: Callable[..., RayPool]) -> None:
    with on(Fake(well, lambda number, value: MibenchError("it cannot be loaded."))) as pool:
        for future in [pool.submit(partial(int, "1"), 1.0) for _ in range(5)]:
            with pytest.raises(MibenchError, match="it cannot be loaded"):
                future.result(10)


@pytest.mark.parametrize("raised", [False, True])  # Ray's client raises answers that are exceptions
def test_a_call_without_an_answer_is_not_made_again(on: Callable[..., RayPool], raised: bool) -> None:
    lost = Lost(Status.CRASH, "the worker process ended by signal 9.", by_chance=True)

    def answer(number: int, value: int) -> Any:
        if raised:
            raise lost
        return lost

    fake = Fake(well, answer)
    with on(fake) as pool, pytest.raises(Lost, match="signal 9"):
        pool.submit(partial(int, "1"), 1.0).result(10)
    assert sum(fake.asked.values()) == 1


def test_actors_that_cannot_start_are_one_sentence(on: Callable[..., RayPool]) -> None:
    def hello(number: int) -> Any:
        raise Died("The actor died because of an error raised in its creation task\n  File x\nNameError: no such thing")

    with on(Fake(hello, lambda number, value: value)) as pool, pytest.raises(MibenchError) as refused:
        pool.submit(partial(int, "1"), 1.0).result(10)
    assert str(refused.value) == "no worker can be started on the cluster: NameError: no such thing."


def test_a_cluster_without_nodes_is_given_up_and_a_busy_one_is_waited_for(
    on: Callable[..., RayPool], caplog: pytest.LogCaptureFixture
) -> None:
    free = threading.Event()

    def hello(number: int) -> Greeting:
        assert free.wait(10)
        return well(number)

    with on(Fake(hello, lambda number, value: value)) as pool:
        future = pool.submit(partial(int, "1"), 1.0)
        with pytest.raises(TimeoutError):
            future.result(0.5)
        assert [record.message for record in caplog.records] == [
            "the cluster is busy with other work; waiting for room on it."
        ]
        free.set()
        assert future.result(10) == 1
    free.clear()
    with on(Fake(hello, lambda number, value: value, nodes=0)) as pool:
        with pytest.raises(MibenchError, match="no node of the cluster is left that has room for a worker"):
            pool.submit(partial(int, "1"), 1.0).result(10)
        free.set()


def test_what_has_not_begun_can_be_cancelled(on: Callable[..., RayPool]) -> None:
    begun, end = threading.Event(), threading.Event()

    def answer(number: int, value: int) -> int:
        begun.set()
        assert end.wait(10)
        return value

    with on(Fake(well, answer), 1) as pool:
        first, second = (pool.submit(partial(int, "1"), 1.0) for _ in range(2))
        assert begun.wait(10) and second.cancel() and not first.cancel()
        end.set()
        assert first.result(10) == 1


# A station -----------------------------------------------------------------------------------------------------------


class Boxed:
    """A station that is no actor, and what was sent to it."""

    def __init__(self, folder: Path, memory_limit: float = 4.0, device: str = "cpu") -> None:
        self.sent, self.fetched = Sent(folder), 0
        self.packer = Packer(self.sent.put)
        self.station = station.Station("n1", self._fetch, memory_limit, device, str(folder))

    def _fetch(self, name: str) -> bytes:
        self.fetched += 1
        return (self.sent.folder / name).read_bytes()

    def __enter__(self) -> Boxed:
        return self

    def __exit__(self, *_: object) -> None:
        self.station.close()

    def ask(self, call: Callable[[], Any]) -> Any:
        return self.station.answer(self.packer.pack(call), 20.0, 1)


def test_a_station_knows_its_own_and_keeps_what_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = sameness.versions(), sameness.engine()
    with Boxed(tmp_path) as boxed:
        assert boxed.station.hello(*here) == Greeting("n1")
        assert "torch on the node n1 is" in boxed.station.hello({**here[0], "torch": "0.1"}, here[1]).problem
        assert "has other sources of mibench than this" in boxed.station.hello(here[0], "0" * 16).problem
        large = holding(np.arange(10**5, dtype=float))
        for n in range(2, 7):
            assert boxed.ask(partial(large.estimate, np.arange(float(n)), np.arange(float(n)))).mi == n
        assert boxed.fetched == 1

        def fail() -> None:
            raise RuntimeError("something odd")

        lost = boxed.ask(fail)
        assert isinstance(lost, Lost) and lost.message == "RuntimeError: something odd"
        (tmp_path / "neighbour.py").write_text("def answer(x, y):\n    return 0.5\n")
        with monkeypatch.context() as only:
            only.syspath_prepend(str(tmp_path))
            import neighbour

            call = boxed.packer.pack(partial(FunctionEstimator(neighbour.answer).estimate, ROWS, ROWS))
            monkeypatch.setattr(sameness, "content", lambda name: "another")
            assert "has another 'neighbour' than this" in str(boxed.station.answer(call, 20.0, 1))
    del sys.modules["neighbour"]


def test_a_device_is_asked_for_where_it_is(tmp_path: Path) -> None:
    with Boxed(tmp_path, device="cuda:77") as boxed:
        problem = boxed.station.hello(sameness.versions(), sameness.engine()).problem
    assert problem.startswith("the device 'cuda:77' cannot be used on the node n1: ") and problem.endswith(".")


def test_folders_of_a_package_are_taken_out_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/a/ray/thirdparty", "/a", "", "/a/rays", "/a/ray"])
    station.without("/a/ray")
    assert sys.path == ["/a", "", "/a/rays"]


# Names ---------------------------------------------------------------------------------------------------------------


def test_without_ray_a_sentence_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for address in ("ray", "ray://head:10001", "10.0.0.1:6379"):
        with pytest.raises(SystemExit) as stop:
            main(["run", "quick", "--executor", address])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.endswith(" here; pip install 'mibench[ray]' does it.\n")


def test_names_and_addresses_of_executors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    for address, held in (("ray", ""), ("ray://head:10001", "ray://head:10001"), ("[::1]:6379", "[::1]:6379")):
        found = find_executor(address, 0.5)
        assert isinstance(found, executor.Cluster) and vars(found) == {"_address": held, "_num_gpus": 0.5}
    for wrong in ("moon", "ray:", "http://head", "head:port"):
        with pytest.raises(UsageError, match="there is no executor"):
            find_executor(wrong)
    with pytest.raises(UsageError, match="a share of one GPU, or whole ones, but not 1.5"):
        find_executor("ray", 1.5)
    with pytest.raises(UsageError, match="on one machine they share what there is"):
        find_executor("local", 0.5)
    with pytest.raises(UsageError, match="say cuda instead of cuda:1"):
        ray.Ray()._request(1.0, "cuda:1")


def test_gpus_of_a_worker() -> None:
    assert ray.Ray()._request(8.0, "cuda") == Request(1.0, 8.0)
    assert ray.Ray()._request(8.0, None) == ray.Ray()._request(8.0, "cpu") == Request(0.0, 8.0)
    assert ray.Ray(num_gpus=0.25)._request(8.0, "cuda") == Request(0.25, 8.0)
    assert ray.Ray(num_gpus=0.0)._request(8.0, "cuda") == Request(0.0, 8.0)


def test_an_address_where_nobody_answers_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "_REACH", 0.5)
    import socket

    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for name in (address, f"ray://{address}"):
            with pytest.raises(UsageError, match=rf"^cannot connect to {name}: connection refused\.$"):
                ray._reach(name, f"to {name}")
    with pytest.raises(UsageError, match="cannot connect"):
        ray._reach("no.such.host.invalid:6379", "there")


def test_stamps_name_the_machine_of_the_answer_and_not_of_this_process(tmp_path: Path) -> None:
    registry.include(PLUGINS)
    [job] = expand(Grid(estimators=("correlation",), tasks=("copy",), n=(50,), seeds=(0,), references=False))
    with Boxed(tmp_path) as boxed:
        boxed.station.hello(sameness.versions(), sameness.engine())
        [found], seconds = boxed.ask(partial(answer_all, [[job]], 20.0))  # as a run asks
    assert seconds > 0 and found.result.mi is not None and found.result.provenance["machine"]["device"] == "cpu"
    assert json.dumps(found.result.to_json())


def test_what_is_complained_of_below_python_is_heard_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    heard: list[str] = []
    with ray._overheard(heard):
        os.write(2, b"[2026-01-01 00:00:00,000 W 7 7] gcs_client.cc:210: Failed: the token is wrong.\nsomething else\n")
    os.write(2, b"shown\n")
    assert heard == ["Failed: the token is wrong"] and capfd.readouterr().err == "shown\n"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("The actor died.\n\tclass_name: RayStation\n\tpid: 7", "The actor died"),
        (
            "Version mismatch: The cluster was started with:\n  Ray: 2.1\nThis process",
            "Version mismatch: The cluster was",
        ),
        ("The actor died\n  File x\nModuleNotFoundError: No module named 'mibench'", "ModuleNotFoundError: No module"),
        ("", "RuntimeError"),
    ],
)
def test_errors_of_ray_are_told_in_a_line(message: str, said: str) -> None:
    told = ray._said(RuntimeError(message))
    assert told.startswith(said) and "\n" not in told and len(told) <= 300
    assert ray._said(RuntimeError("x" * 1000)) == "x" * 300
