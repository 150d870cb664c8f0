"""Memory runs out: the batch is halved, and what is decoded stays the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from egbot.engine import store
from egbot.engine.batch import NoMemoryError, is_no_memory
from egbot.engine.decode import Session
from egbot.engine.network import Network
from egbot.records import Sample
from tests.engine.agents import agent, alone
from tests.engine.test_odd_models import hybrid
from tests.engine.test_together import together
from tests.engine.tiny_models import KINDS, PROMPT, never, tiny

CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
SAY: dict[str, Callable[[], Exception]] = {
    "cuda": lambda: torch.OutOfMemoryError("CUDA out of memory."),
    "cpu": lambda: RuntimeError(CPU_MESSAGE),
    "python": MemoryError,
}


class Tight:
    """A model on a device with memory for ``most_tokens`` of a forward, and none for more.

    It fails where real ones do: some layers have taken their keys in, others have not.
    """

    def __init__(self, model: Any, most_tokens: int, say: Callable[[], Exception]) -> None:
        self._model = model
        self._most_tokens = most_tokens
        self._say = say
        self.num_failures = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **options: Any) -> Any:
        if options["input_ids"].numel() <= self._most_tokens:
            return self._model(**options)
        self.num_failures += 1
        self._model(**options)
        cache = options["past_key_values"]
        if hasattr(cache, "grown"):
            cache.grown[-1].num_cells -= 1
        raise self._say()


def tight(network: Network, most_tokens: int, say: str = "cuda") -> Network:
    model: Any = Tight(network.model, most_tokens, SAY[say])
    return replace(network, model=model)


@pytest.mark.parametrize(
    ("kind", "say"), [*((kind, "cuda") for kind in KINDS), ("llama", "cpu"), ("llama", "python")]
)
def test_a_session_survives_in_halves(kind: str, say: str) -> None:
    """Prefills in parts, rows in smaller groups, sides one by one: the same answer."""
    roomy = tiny(kind)
    narrow = tight(roomy, 9, say)
    work = agent(5, 3.0, 10)
    assert work(Session(narrow, PROMPT)) == work(Session(roomy, PROMPT))
    assert narrow.model.num_failures > 5


def test_rows_whose_copies_find_no_memory_are_drawn_in_halves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a model whose contexts cannot be packed, copies are most of what rows need."""
    copied = store.pick_rows

    def copy_few(cache: Any, rows: list[int], device: torch.device) -> None:
        if len(rows) > 2:
            raise SAY["cuda"]()
        copied(cache, rows, device)

    def draw() -> tuple[Sample, ...]:
        session = Session(hybrid(), PROMPT)
        return session.sample(5, temperature=1.0, top_p=0.95, max_tokens=4, seed=3, stop=never)

    roomy = draw()
    monkeypatch.setattr(store, "pick_rows", copy_few)
    assert draw() == roomy


def test_a_group_survives_in_halves() -> None:
    """Several sessions' forwards are split, and each session decodes what it would alone."""
    roomy = tiny("gemma3")
    agents = [agent(seed, gamma, 3) for seed, gamma in ((1, 0.0), (2, 1.0), (3, 3.0), (4, 0.5))]
    assert together(tight(roomy, 9), agents) == alone(roomy, agents)


def test_rows_that_are_copies_are_drawn_in_smaller_groups() -> None:
    """A hybrid's batch cannot be taken back, so that its rows are drawn again, fewer at a time."""
    roomy = hybrid()
    session, narrow = Session(roomy, PROMPT), Session(roomy, PROMPT)
    for one in (session, narrow):
        one.advance(signal="", gamma=0.0, max_tokens=2, stop=never)
        one.sample(1, temperature=1.0, top_p=0.9, max_tokens=2, seed=0, stop=never)
    narrow._network = narrow._meter.network = tight(roomy, 2)
    narrow._drive._network = narrow._network  # type: ignore[attr-defined]
    draws = [
        one.sample(5, temperature=1.1, top_p=0.95, max_tokens=6, seed=4, stop=never)
        for one in (session, narrow)
    ]
    assert draws[0] == draws[1]
    assert narrow._network.model.num_failures == 2  # five rows, and three of them


def test_no_memory_for_one_token_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(NoMemoryError, match="ran out of memory on cpu at 1 tokens") as caught:
        Session(tight(tiny("llama"), 0), PROMPT).advance(
            signal="", gamma=0.0, max_tokens=1, stop=never
        )
    assert "smaller model" in caught.value.hint


def test_other_errors_are_not_taken_for_lack_of_memory() -> None:
    """A broken kernel must not be run again and again in halves."""
    assert not is_no_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_no_memory(ValueError("out of memory"))
    assert is_no_memory(RuntimeError("CUDA error: out of memory"))
