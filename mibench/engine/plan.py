"""What grids ask for, as points with many seeds each: counted by arithmetic, made into jobs one by one when wanted.

A shard is a share of a plan that any machine can work out by itself: which cells are in it follows from what they are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

from mibench.errors import UsageError
from mibench.estimator import Estimator
from mibench.result import Cell, cell_ids
from mibench.task import AnyTask, TaskKind

from .job import Job, names_of

_MOST_SHARDS = 1_000_000


@dataclass(frozen=True)
class Shard:
    """The ``number``-th of ``of`` shares, counted from 1."""

    number: int
    of: int

    @classmethod
    def read(cls, text: str) -> Self:
        """A share as it is written: ``3/10``.

        Raises
        ------
        UsageError : anything else.
        """
        match = re.fullmatch(r"(\d{1,7})/(\d{1,7})", text.strip())
        if match is None or not 1 <= int(match[1]) <= int(match[2]) <= _MOST_SHARDS:
            raise UsageError(f"cannot read the shard '{text}': write K/N with K from 1 to N, such as 3/10.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def has(self, digest: str) -> bool:
        """Whether what has this hash belongs to the share."""
        return int(digest, 16) % self.of == self.number - 1


@dataclass(frozen=True)
class Point:
    """An estimator on a task at a sample size, with all of its seeds, which differ."""

    estimator: Estimator
    task: AnyTask
    n: int
    seeds: Sequence[int]

    def jobs(self, without: Container[str] = ()) -> Iterator[Job]:
        """A job for each seed, but for the cells with these ids."""
        facts, id_of = names_of(self.estimator, self.task), cell_ids(self.estimator, self.task, self.n)
        estimator, task = self.estimator.label, self.task.label
        for seed in self.seeds:
            if (id := id_of(seed)) not in without:
                yield Job(Cell(estimator, task, self.n, seed, id), self.estimator, self.task, facts)

    def part(self, shard: Shard) -> Self:
        """The seeds of a share.

        Those that an estimator answers in one stack stay together: as many seeds as it takes at once are dealt as one
        card. All others are dealt one by one.
        """
        stack = 1 if self.task.kind is TaskKind.DOWNSTREAM else max(1, self.estimator.capabilities.max_batch)
        id_of = cell_ids(self.estimator, self.task, self.n)
        if stack == 1:
            return replace(self, seeds=[seed for seed in self.seeds if shard.has(id_of(seed))])
        cards = {card: shard.has(_stirred(id_of(card), stack)) for card in {seed // stack for seed in self.seeds}}
        return replace(self, seeds=[seed for seed in self.seeds if cards[seed // stack]])


def _stirred(digest: str, stack: int) -> str:
    """The hash of a stack, which is not that of the cell with the same number."""
    return hashlib.sha256(f"{stack} from {digest}".encode()).hexdigest()[:16]


class Plan:
    """Points in the order of their grids; iterating gives the jobs."""

    def __init__(self, points: Iterable[Point]) -> None:
        self.points = tuple(point for point in points if point.seeds)

    def __len__(self) -> int:
        return sum(len(point.seeds) for point in self.points)

    def __iter__(self) -> Iterator[Job]:
        for point in self.points:
            yield from point.jobs()

    def without(self, ids: Container[str]) -> Iterator[Job]:
        """The jobs of the other cells."""
        for point in self.points:
            yield from point.jobs(ids)

    def part(self, shard: Shard) -> Plan:
        """The cells of a share."""
        return Plan(point.part(shard) for point in self.points)
