"""Owns forwarding pieces: small ones together, and in halves where memory runs out.

It does not know whose pieces they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch

from egbot.engine.network import Network
from egbot.engine.piece import Forward, Piece, Result
from egbot.engine.store import Store
from egbot.errors import ModelError

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""How torch's CPU allocators and kernels say it in a RuntimeError."""


class NoMemoryError(ModelError):
    """The device has no memory even for the smallest batch."""


def is_no_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed, on a GPU or a CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


@contextmanager
def memory_told(network: Network) -> Iterator[None]:
    """Make a failed allocation inside a NoMemoryError; nothing is tried again."""
    try:
        yield
    except Exception as error:
        if not is_no_memory(error):
            raise
        reason = error.with_traceback(None)  # its frames hold tensors
    else:
        return
    raise _no_memory(network, "at copying its caches") from reason


def forward_all(
    network: Network, pieces: Sequence[Piece], log: list[Forward] | None = None
) -> list[Result]:
    """The results of ``pieces``, in their order; ``log`` is told every forward, waited for.

    Small pieces share one forward where the network packs. Without memory for that, halves of it
    are forwarded one after another; what comes of them differs by rounding at most. Raises
    ModelError.
    """
    results: dict[int, Result] = {}
    small = [index for index, piece in enumerate(pieces) if network.packs and piece.is_small]
    rest = [[index] for index in range(len(pieces)) if index not in small]
    for group in [small, *rest] if small else rest:
        found = _forward(network, [pieces[index] for index in group], log)
        results.update(zip(group, found, strict=True))
    return [results[index] for index in range(len(pieces))]


def _forward(network: Network, pieces: list[Piece], log: list[Forward] | None) -> list[Result]:
    """One forward of all pieces, or as many as memory demands."""
    num_cells = [piece.cache.num_cells if isinstance(piece.cache, Store) else 0 for piece in pieces]
    try:
        return _timed(network, pieces, log)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not is_no_memory(error):
            raise
        reason = error.with_traceback(None)  # its frames hold tensors
    for piece, count in zip(pieces, num_cells, strict=True):
        if isinstance(piece.cache, Store):
            piece.cache.cut(count)
    if len(pieces) > 1:
        half = len(pieces) // 2
        return [*_forward(network, pieces[:half], log), *_forward(network, pieces[half:], log)]
    (piece,) = pieces
    if isinstance(piece.cache, Store) and len(piece.tokens) == 1 and piece.num_tokens > 1:
        return [_in_halves(network, piece, log)]
    raise _no_memory(network, f"at {piece.num_tokens} tokens") from reason


def _no_memory(network: Network, where: str) -> NoMemoryError:
    return NoMemoryError(
        f"{network.name} ran out of memory on {network.device} {where}",
        hint="Use a smaller model, shorter prompts, or --device cpu.",
    )


def _in_halves(network: Network, piece: Piece, log: list[Forward] | None) -> Result:
    early, late = piece.halves()
    results = [_forward(network, [half], log)[0] for half in (early, late)]
    logits = [
        result.logits[:, result.logits.shape[1] - half.num_logits :]
        for result, half in zip(results, (early, late), strict=True)
    ]
    return Result(torch.cat(logits, dim=1), piece.cache, results[-1].forward)


def _timed(network: Network, pieces: list[Piece], log: list[Forward] | None) -> list[Result]:
    start_s, start_cpu_s = time.perf_counter(), time.process_time()
    if network.packs and pieces[0].is_small:
        shape = (1, sum(piece.num_tokens for piece in pieces))
        logits = network.forward_pack(pieces)
        caches = [piece.cache for piece in pieces]
    else:
        (piece,) = pieces
        shape = (len(piece.tokens), len(piece.tokens[0]))
        found, cache = network.forward(piece.tokens, piece.cache, max(piece.num_logits, 1))
        logits, caches = [found], [cache]
    if log is not None and logits[0].is_cuda:
        torch.cuda.synchronize(logits[0].device)
    wall_s, cpu_s = time.perf_counter() - start_s, time.process_time() - start_cpu_s
    forward = Forward(*shape, wall_s, cpu_s)
    if log is not None:
        log.append(forward)
    return [Result(one, cache, forward) for one, cache in zip(logits, caches, strict=True)]
