"""Recorded steps give what the model gives by itself, whatever becomes of the memory they use."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from egbot.engine.arena import Arena
from egbot.engine.decode import Session
from egbot.engine.network import Network
from egbot.engine.piece import Piece
from egbot.engine.recorded import RecordedSteps, cuda_recorder, is_right, make_steps
from egbot.engine.store import Store
from tests.engine.tiny_models import PROMPT, SIGNAL, at_line_end, never, tiny

_BYTES = 64 * 1024 * 1024
GROUPED = ("llama", "qwen2")


class Tape:
    """Records by remembering the work, and counts replays: all of it but the GPU's part."""

    def __init__(self) -> None:
        self.num_recorded = self.num_replayed = 0

    def __call__(self, work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        self.num_recorded += 1
        with torch.inference_mode():
            output = work()

        def replay() -> Tensor:
            self.num_replayed += 1
            output.copy_(work())  # into the same tensor, as a graph does
            return output

        return replay


def with_steps(network: Network, num_bytes: int = _BYTES) -> tuple[Network, Tape]:
    tape = Tape()
    steps = make_steps(network, num_bytes, tape)
    assert steps is not None
    return replace(network, steps=steps), tape


def written(network: Network, gamma: float) -> list[object]:
    """Three lines with samples as drafts and a signal."""
    session = Session(network, PROMPT)
    done: list[object] = []
    for line in range(3):
        samples = session.sample(
            3, temperature=0.9, top_p=0.95, max_tokens=6, seed=line, stop=at_line_end
        )
        drafts = tuple(sample.text for sample in samples)
        guided = session.advance(
            signal=SIGNAL * (line + 1), gamma=gamma, max_tokens=6, stop=never, drafts=drafts
        )
        done += [samples, guided.text]
    return done


@pytest.mark.parametrize("kind", GROUPED)
@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.5])
def test_a_session_writes_the_same_with_recorded_steps(kind: str, gamma: float) -> None:
    plain = tiny(kind)
    recording, tape = with_steps(plain)
    assert written(recording, gamma) == written(plain, gamma)
    assert tape.num_replayed > tape.num_recorded > 0


@pytest.mark.parametrize("kind", GROUPED)
def test_the_trial_accepts_steps_that_are_right(kind: str) -> None:
    network, _ = with_steps(tiny(kind))
    assert network.steps is not None
    assert is_right(tiny(kind), network.steps)


def test_the_trial_refuses_steps_that_are_not() -> None:
    def wrong(work: Callable[[], Tensor]) -> Callable[[], Tensor]:
        with torch.inference_mode():
            first = work()
        return lambda: first  # what was recorded, and never what was asked for

    steps = make_steps(tiny("llama"), _BYTES, wrong)
    assert steps is not None
    assert not is_right(tiny("llama"), steps)


def test_contexts_in_one_step_do_not_see_each_other() -> None:
    plain = tiny("llama")
    network, _ = with_steps(plain)
    tokens = ([5, 6, 7, 8], [9, 10])

    def after(net: Network, together: bool) -> list[Tensor]:
        stores = [net.new_cache() for _ in tokens]
        for store, one in zip(stores, tokens, strict=True):
            net.forward([[*one, *one]], store)
        pieces = [Piece([one], store, len(one)) for store, one in zip(stores, tokens, strict=True)]
        if together:
            return net.forward_pack(pieces)
        return [net.forward_pack([piece])[0] for piece in pieces]

    for ours, theirs in zip(after(network, True), after(plain, False), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)


def test_a_dropped_context_leaves_its_cells_to_others() -> None:
    network, _ = with_steps(tiny("llama"))
    assert network.steps is not None
    starts: set[int | None] = set()
    for _ in range(50):
        store = network.new_cache()
        network.forward([[1, 2, 3]], store)
        starts.add(store.start)
        del store
        gc.collect()
    assert len(starts) == 1


def test_without_room_in_the_arena_a_context_has_tensors_of_its_own() -> None:
    """The first contexts are in the arena, the next is not, and all write the same."""
    plain = tiny("llama")
    network, tape = with_steps(plain)
    assert network.steps is not None
    network = replace(network, steps=_smaller(network.steps, 400, tape))
    stores = [network.new_cache() for _ in range(6)]
    expected = plain.forward_pack([Piece([[3, 4]], _filled(plain, plain.new_cache()))])[0]
    for store in stores:
        found = network.forward_pack([Piece([[3, 4]], _filled(network, store))])[0]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert {store.start is None for store in stores} == {True, False}


def test_a_context_that_outgrows_the_arena_keeps_what_it_holds() -> None:
    plain = tiny("llama")
    network, tape = with_steps(plain)
    assert network.steps is not None
    network = replace(network, steps=_smaller(network.steps, 200, tape))
    ours, theirs = network.new_cache(), plain.new_cache()
    for _ in range(30):
        found = network.forward([list(range(9))], ours)[0]
        torch.testing.assert_close(
            found, plain.forward([list(range(9))], theirs)[0], atol=1e-4, rtol=1e-3
        )
    assert ours.start is None
    assert network.steps is not None
    assert network.steps.arena.take(199) is not None  # it left all that it had


def test_many_tokens_and_sliding_windows_are_not_recorded() -> None:
    network, tape = with_steps(tiny("llama"))
    network.forward_pack([Piece([list(range(17))], network.new_cache())])
    assert tape.num_recorded == 0
    assert tiny("gemma2").steps is None


def test_steps_are_not_recorded_without_a_gpu() -> None:
    assert tiny("llama").steps is None


def test_a_small_arena_is_not_worth_it() -> None:
    assert make_steps(tiny("llama"), 1024, Tape()) is None


def test_pieces_of_an_arena_join_again() -> None:
    row = torch.zeros(1, 1, 1, 1, 2)
    arena = Arena(row, row, 100)
    pieces = [arena.take(33) for _ in range(3)]
    assert pieces == [(1, 34), (34, 67), (67, 100)]
    assert arena.take(1) is None
    for index in (0, 2, 1):
        piece = pieces[index]
        assert piece is not None
        arena.give_back(*piece)
    assert arena.take(99) == (1, 100)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", GROUPED)
def test_a_gpu_replays_what_the_model_computes(kind: str) -> None:
    network = tiny(kind)
    network.model.to("cuda")
    try:
        steps = make_steps(network, _BYTES, cuda_recorder(network.device))
        assert steps is not None
        assert is_right(network, steps)
        assert written(replace(network, steps=steps), 1.0) == written(network, 1.0)
    finally:
        network.model.to("cpu")


def _smaller(steps: RecordedSteps, num_cells: int, tape: Tape) -> RecordedSteps:
    cells = slice(1)
    arena = Arena(steps.arena.keys[:, :, :, cells], steps.arena.values[:, :, :, cells], num_cells)
    return RecordedSteps(steps._model, arena, tape)


def _filled(network: Network, store: Store) -> Store:
    network.forward([list(range(40))], store)
    return store
