"""Owns one block of memory for the keys and values of many contexts, at addresses that stay.

It does not know models or tokens. A context that finds no room has tensors of its own instead.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor

SCRATCH = 0
"""A cell that belongs to nobody: what must be written somewhere and is never read goes there."""


class Arena:
    """Keys and values (layers, 1, heads, cells, d), and which of the cells are free."""

    def __init__(self, keys: Tensor, values: Tensor, num_cells: int) -> None:
        """Have ``num_cells`` cells like those of ``keys`` and ``values`` (layers, 1, heads, n, d).

        Raises what torch raises without memory.
        """
        self.keys, self.values = (
            torch.zeros(*one.shape[:3], num_cells, one.shape[4], dtype=one.dtype, device=one.device)
            for one in (keys, values)
        )
        self._free = [(SCRATCH + 1, num_cells)]  # from, to; in order, none touching another
        self._lock = threading.Lock()  # contexts may be dropped in any thread

    @property
    def num_cells(self) -> int:
        """All cells, taken or free."""
        return self.keys.shape[3]

    def take(self, num_cells: int) -> tuple[int, int] | None:
        """The first cell and the one behind the last of a free piece, the lowest that fits."""
        with self._lock:
            for index, (start, end) in enumerate(self._free):
                if end - start >= num_cells:
                    self._free[index : index + 1] = (
                        [(start + num_cells, end)] if start + num_cells < end else []
                    )
                    return start, start + num_cells
        return None

    def give_back(self, start: int, end: int) -> None:
        """Free a piece that was taken."""
        with self._lock:
            pieces = sorted([*self._free, (start, end)])
            self._free = pieces[:1]
            for first, last in pieces[1:]:
                if first == self._free[-1][1]:
                    self._free[-1] = (self._free[-1][0], last)
                else:
                    self._free.append((first, last))
