"""Whether workers fit on the nodes of a cluster: known before they are asked for, because a request that fits nowhere
would wait for ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mibench.errors import UsageError
from mibench.words import counted, listed


@dataclass(frozen=True)
class Node:
    """What a machine of the cluster has in all; memory in GiB."""

    name: str
    cpus: float = 0.0
    gpus: float = 0.0
    memory: float = 0.0


@dataclass(frozen=True)
class Request:
    """What one worker asks of a node: a CPU, a number of GPUs or a share of one, and room for its memory limit in GiB.

    The memory is not set aside: workers of one node may share it, as they do on one machine.

    Raises
    ------
    UsageError : a number of GPUs that nobody could have.
    """

    gpus: float = 0.0
    memory: float = 0.0
    cpus: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.gpus < math.inf:
            raise UsageError(f"a worker can have no {self.gpus:g} GPUs.")
        if self.gpus > 1 and self.gpus != int(self.gpus):
            raise UsageError(f"a worker can have a share of one GPU, or whole ones, but not {self.gpus:g}.")

    def fit(self, node: Node) -> int:
        """How many workers of this kind a node has room for."""
        if self.memory > node.memory:
            return 0
        workers = _times(node.cpus, self.cpus)
        if 0 < self.gpus < 1:  # a share lies on one GPU
            return min(workers, int(node.gpus) * _times(1.0, self.gpus))
        return min(workers, _times(node.gpus, self.gpus)) if self.gpus else workers


def room(nodes: Sequence[Node], request: Request) -> int:
    """How many workers fit on all nodes together."""
    return sum(request.fit(node) for node in nodes)


def crew(nodes: Sequence[Node], request: Request, wanted: int | None = None) -> int:
    """The workers that a run can have: those that are wanted, or as many as fit.

    Raises
    ------
    UsageError : no node has what one worker asks for, or all together have no room for so many.
    """
    there = room(nodes, request)
    if not there:
        raise UsageError(f"no worker fits on the cluster: {_lack(nodes, request)}.")
    if wanted is not None and wanted > there:
        have = listed([f"{node.name} for {request.fit(node)}" for node in nodes], most=4)
        raise UsageError(f"{wanted} workers do not fit on the cluster, which has room for {there} ({have}).")
    return wanted or there


def _lack(nodes: Sequence[Node], request: Request) -> str:
    if not nodes:
        return "it has no nodes"
    most = {name: max(getattr(node, name) for node in nodes) for name in ("cpus", "gpus", "memory")}
    if request.memory > most["memory"]:
        return (
            f"the memory limit is {request.memory:g} GiB, and the largest node has {most['memory']:.1f} GiB; "
            "lower it with --memory-limit"
        )
    if request.gpus > most["gpus"]:
        return f"each asks for {_gpus(request.gpus)}, and no node has more than {_gpus(most['gpus'])}"
    if request.cpus > most["cpus"]:
        return f"each asks for {counted(int(request.cpus), 'CPU')}, and no node has one to give"
    return (
        f"each asks for a CPU, {_gpus(request.gpus)} and {request.memory:g} GiB of memory, and no node has all of that"
    )


def _gpus(number: float) -> str:
    return counted(int(number), "GPU") if number == int(number) else f"{number:g} of a GPU"


def _times(there: float, each: float) -> int:
    """How often ``each`` goes into what is there, but for the rounding of decimals."""
    return int(there / each + 1e-9)
