"""The steps of ``stack.py`` where launching kernels costs more than what they compute: on a GPU.

A step reads its place in the training, its batch and its rate from tensors on the device and moves the place on, so
that one step is like another and can be replayed (``mibench/graphs.py``). The host does not wait for the device between
two validations: it draws the order of the next batches meanwhile, by the same generators as on the CPU.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mibench.graphs import ONE_BY_ONE, Graphs, Steps, usual_graphs

from .stack import Stack, scales

DRAWERS = 8  # threads that draw batches, at most
SHARE = 32  # critics whose batches one thread draws at a time


class RecordedStack(Stack):
    """A stack of critics whose steps are replayed.

    Recording anew costs as much as many steps, so critics that have stopped stay until they are half of the stack:
    they are trained on, and what they would learn is not looked at.
    """

    def __init__(self, *args: Any, graphs: Graphs | None = None) -> None:
        super().__init__(*args)
        device = self.x.device
        every = [scales(self.how.rate(step, self.total), step) for step in range(1, self.total + 1)]
        self._scales = torch.tensor(every, dtype=torch.float32, device=device)
        self._columns = torch.arange(self.batch, device=device)
        self._step, self._place = (torch.zeros(1, dtype=torch.long, device=device) for _ in range(2))
        self._steps, self._said = Steps(self._made, graphs or usual_graphs(device)), ""
        self._order = self._room()
        self._pool = ThreadPoolExecutor(min(DRAWERS, os.cpu_count() or 1), "mibench-batches")
        self._begun = 0
        self._next = self._begin()

    def __exit__(self, *_: object) -> None:
        """Draw no more, and let go of the recording, whose memory would else wait for Python's collector."""
        self._pool.shutdown(cancel_futures=True)
        self._said, self._steps = self.note, Steps(self._made, None)

    @property
    def note(self) -> str:  # type: ignore[override]
        """How steps were made."""
        return self._steps.note or self._said or ONE_BY_ONE

    def advance(self, step: int) -> None:
        """One optimiser step for every critic, which the device makes when it comes to it."""
        if (step - 1) % (self.per_epoch * self.bulk) == 0:
            self._shuffle()
        self.last = self._steps()

    def _made(self) -> tuple[Tensor, Tensor]:
        """The step at the place where the training is: the same kernels on the same tensors every time."""
        rows = self._order.index_select(1, self._place * self.batch + self._columns).long()
        x, y = (torch.gather(v, 1, rows[..., None].expand(-1, -1, v.shape[2])) for v in (self.x, self.y))
        by = self._scales.index_select(0, self._step)[0].unbind()
        answer = self._update(x, y, by)
        self._step += 1
        self._place += 1
        return answer

    def _remember(self, state: Tensor | None) -> None:
        """In the place of the last state, once there is one."""
        if self.state is None or state is None:
            self.state = None if state is None else state.detach().clone()
        else:
            self.state.copy_(state.detach())

    # The order of batches -------------------------------------------------------------------------------------------

    def _room(self) -> Tensor:
        shape = len(self.numbers), self.bulk * self.per_epoch * self.batch
        return torch.zeros(shape, dtype=torch.int32, device=self.x.device)

    def _begin(self) -> list[tuple[list[int], Future[npt.NDArray[np.int32]]]]:
        """Begin to draw the next batches, of some critics at a time, unless all that will be needed are drawn."""
        if self._begun >= self.total:
            return []
        self._begun += self.per_epoch * self.bulk
        shares = [self.numbers[i : i + SHARE] for i in range(0, len(self.numbers), SHARE)]
        return [(share, self._pool.submit(self._drawn, share)) for share in shares]

    def _drawn(self, numbers: Sequence[int]) -> npt.NDArray[np.int32]:
        return self.drawn(numbers).astype(np.int32)

    def _shuffle(self) -> None:
        """Hand the batches of the next epochs to the device, and begin to draw those after them."""
        drawn = self._next
        numbers = [number for share, _ in drawn for number in share]
        order = np.concatenate([rows.result() for _, rows in drawn])
        if numbers != self.numbers:  # some have left since
            at = {number: row for row, number in enumerate(numbers)}
            order = order[[at[number] for number in self.numbers]]
        found = torch.from_numpy(np.ascontiguousarray(order))
        if self.x.device.type == "cuda":
            found = found.pin_memory()
        self._order.copy_(found, non_blocking=True)
        self._place.zero_()
        self._next = self._begin()

    # Stopping -------------------------------------------------------------------------------------------------------

    def _should_part(self, live: int) -> bool:
        """When they are half of the stack: a smaller stack is another recording."""
        return 2 * live <= len(self.numbers)

    def _keep(self, kept: Sequence[int]) -> None:
        rows = torch.tensor(kept, dtype=torch.long, device=self.x.device)
        self._said = self.note
        self._steps = Steps(self._made, self._steps.graphs)  # the old recording goes first: it holds memory
        super()._keep(kept)
        self._order = self._order[rows]
