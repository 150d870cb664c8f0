"""Owns steps of few tokens that are recorded once and replayed, without Python or launches between.

It does not know whose contexts they are. What a replay reads and writes must keep its address, so
that contexts live in an arena and a step sees all of its cells through a mask.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from egbot.engine.arena import SCRATCH, Arena
from egbot.engine.packing import OPTION, Attend, Contexts
from egbot.engine.piece import Piece
from egbot.engine.store import Store

if TYPE_CHECKING:
    from egbot.engine.network import Network

_MOST_TOKENS = 16
_LEAST_CELLS = 2048
_MOST_CELLS = 32 * 1024
_MEMORY_SHARE = 0.2
"""Of the memory that is free when the weights are there."""
_ROUNDING = 0.02
"""By how much of the largest logit two orders of the same sums may differ in a 16-bit format."""

Work = Callable[[], Tensor]
Record = Callable[[Work], Work]
"""Turns work into its replay: the same kernels on the same addresses, with the same result tensor."""


class RecordedSteps:
    """A model's steps, for each number of tokens (a power of two) and of cells in view."""

    def __init__(self, model: Any, arena: Arena, record: Record) -> None:
        self.arena = arena
        self._model = model
        self._record = record
        self._steps: dict[tuple[int, int], _Step] = {}

    def forward(self, pieces: Sequence[Piece]) -> list[Tensor] | None:
        """Each piece's logits (1, num_logits, V), and extend the stores.

        None where the pieces have too many tokens, or one of their stores is not in the arena.
        """
        num_tokens = sum(piece.num_tokens for piece in pieces)
        starts = [piece.cache.start for piece in pieces]
        if num_tokens > _MOST_TOKENS or None in starts:
            return None
        ends = [
            start + piece.cache.num_cells + piece.num_tokens
            for start, piece in zip(starts, pieces, strict=True)
        ]
        logits = self._step(num_tokens, max(ends)).replay(pieces)
        for piece in pieces:
            piece.cache.cut(piece.cache.num_cells + piece.num_tokens)
        return logits

    def _step(self, num_tokens: int, num_cells: int) -> _Step:
        in_view = min(max(_power(num_cells), _LEAST_CELLS), self.arena.num_cells)
        size = (_power(num_tokens), in_view)
        if size not in self._steps:
            self._steps[size] = _Step(self._model, self.arena, *size, self._record)
        return self._steps[size]


def _power(number: int) -> int:
    """The least power of two that is not below ``number``."""
    return 1 << (number - 1).bit_length()


class _Step(Contexts):
    """One recorded forward of ``num_tokens`` tokens that sees the first ``num_cells`` cells.

    For the model it is the pack and the cache. Where there are fewer tokens the rest writes to the
    scratch cell and sees nothing else.
    """

    def __init__(
        self, model: Any, arena: Arena, num_tokens: int, num_cells: int, record: Record
    ) -> None:
        super().__init__()
        device = arena.keys.device
        self._arena = arena
        self._model = model
        self._ids = torch.zeros(1, num_tokens, dtype=torch.long, device=device)
        self._positions = torch.zeros(1, num_tokens, dtype=torch.long, device=device)
        self._cells = torch.empty(num_tokens, dtype=torch.long, device=device)
        self._seen = torch.empty(1, 1, num_tokens, num_cells, dtype=torch.bool, device=device)
        self._clear()
        self._mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
        self._replay = record(self._run)

    def replay(self, pieces: Sequence[Piece]) -> list[Tensor]:
        """Run it for ``pieces``; their logits (1, num_logits, V)."""
        self._fill(pieces)
        with torch.inference_mode():
            logits = self._replay().clone()  # the next replay writes there again
        found: list[Tensor] = []
        end = 0
        for piece in pieces:
            end += piece.num_tokens
            found.append(logits[:, end - piece.num_logits : end])
        return found

    def _fill(self, pieces: Sequence[Piece]) -> None:
        """Write what this forward is about to where the recording reads it."""
        self._clear()
        first = 0
        for piece in pieces:
            last = first + piece.num_tokens
            begin, held = piece.cache.start, piece.cache.num_cells
            cells = torch.arange(held + piece.num_tokens, device=self._cells.device)
            positions, seen = cells[held:], cells <= cells[held:, None]
            if piece.branching is not None:
                positions, seen = piece.branching.positions, piece.branching.seen
            self._ids[0, first:last] = torch.tensor(piece.tokens[0], device=self._ids.device)
            self._positions[0, first:last] = positions
            self._cells[first:last] = cells[held:] + begin
            self._seen[0, 0, first:last, SCRATCH] = False
            self._seen[0, 0, first:last, begin : begin + len(cells)] = seen
            first = last

    def _clear(self) -> None:
        """Let every token write to the scratch cell and see nothing else."""
        self._cells.fill_(SCRATCH)
        self._seen.zero_()
        self._seen[..., SCRATCH] = True

    def _run(self) -> Tensor:
        output = self._model(
            input_ids=self._ids,
            past_key_values=self,
            use_cache=True,
            position_ids=self._positions,
            attention_mask=self._mask,
            **{OPTION: self},
        )
        logits: Tensor = output.logits
        return logits

    def update(  # type: ignore[explicit-override]
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write the tokens' keys and values (1, heads, n, d) to their cells."""
        del args, kwargs  # transformers passes them to other kinds of layers
        self._arena.keys[layer_idx].index_copy_(2, self._cells, key_states)
        self._arena.values[layer_idx].index_copy_(2, self._cells, value_states)
        return key_states, value_states

    def attend(  # type: ignore[explicit-override]
        self, query: Tensor, layer_idx: int, attend: Attend
    ) -> Tensor:
        """Attention of all tokens' queries (1, heads, n, d): (1, n, heads, d)."""
        num_cells = self._seen.shape[-1]
        keys = self._arena.keys[layer_idx][:, :, :num_cells]
        values = self._arena.values[layer_idx][:, :, :num_cells]
        return attend(query, keys, values, self._seen)


# --- where it pays -------------------------------------------------------------------------------


def cuda_recorder(device: torch.device) -> Record:
    """Records work as CUDA graphs on ``device``.

    Work runs twice before, on a stream of its own, so that libraries choose their kernels first
    (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
    """

    def record(work: Work) -> Work:
        with torch.cuda.device(device), torch.inference_mode():
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                work()
                work()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            # other threads may be at work on other devices meanwhile
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                output = work()

        def replay() -> Tensor:
            graph.replay()
            return output

        return replay

    return record


def recorded_steps(network: Network) -> RecordedSteps | None:
    """The steps of a ``network`` that has none, where recording them pays; None elsewhere.

    That is on CUDA, for a model that packs and has no sliding windows, after a trial: the logits
    are the same but for rounding, and a replay takes less time than a step of the model itself.
    """
    windows = network.windows or ()
    if network.device.type != "cuda" or not network.packs or any(windows):
        return None
    try:
        with torch.cuda.device(network.device):
            free_bytes, _ = torch.cuda.mem_get_info()
            record = cuda_recorder(network.device)
            steps = make_steps(network, int(free_bytes * _MEMORY_SHARE), record)
            return steps if steps and is_right(network, steps) and _pays(network, steps) else None
    except (RuntimeError, MemoryError, TypeError, ValueError, AttributeError, LookupError):
        return None


def make_steps(network: Network, num_bytes: int, record: Record) -> RecordedSteps | None:
    """Steps with an arena of about ``num_bytes``, if the layers are alike and it is worth it."""
    store = Store(network.windows or ())
    network.forward_pack([Piece([[0]], store)])
    held = [layer.held() for layer in store.grown]
    if len({(keys.shape, values.shape) for keys, values in held}) != 1:
        return None
    keys, values = (torch.stack(one) for one in zip(*held, strict=True))
    cell_bytes = keys.nbytes + values.nbytes
    num_cells = min(num_bytes // cell_bytes, _MOST_CELLS)
    if num_cells < _LEAST_CELLS:
        return None
    return RecordedSteps(network.model, Arena(keys, values, num_cells), record)


def is_right(network: Network, steps: RecordedSteps) -> bool:
    """Whether a recorded step gives what the model gives by itself, for one and two contexts."""
    plain = [Store(network.windows or ()) for _ in range(2)]
    placed = [Store(network.windows or (), steps.arena) for _ in range(2)]
    for stores in (plain, placed):
        for length, store in enumerate(stores, 5):
            store.reserve(length + _MOST_TOKENS)
            network.forward_pack([Piece([list(range(length))], store)])
    for count in (1, 2):
        asked = [
            [Piece([[7, 8][:count]], store, count) for store in stores[:count]]
            for stores in (plain, placed)
        ]
        found = steps.forward(asked[1])
        if found is None:
            return False
        for ours, theirs in zip(found, network.forward_pack(asked[0]), strict=True):
            if (ours - theirs).abs().max() > _ROUNDING * theirs.abs().max():
                return False
    return True


def _pays(network: Network, steps: RecordedSteps) -> bool:
    store = Store(network.windows or (), steps.arena)
    store.reserve(_MOST_TOKENS)
    piece = Piece([[7]], store)
    plain_s = _time_s(lambda: network.forward_pack([piece]))
    return _time_s(lambda: steps.forward([piece])) < plain_s


def _time_s(work: Callable[[], object]) -> float:
    """Seconds of the fastest of a few runs, after one that may have to record."""
    times: list[float] = []
    for _ in range(5):
        torch.cuda.synchronize()
        start_s = time.perf_counter()
        work()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start_s)
    return min(times[1:])
