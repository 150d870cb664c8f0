"""How many threads a forward uses, on a CPU whose idle threads sleep."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from egbot.engine.threads import has_small_weights, threads_for


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class _Model(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.inner = nn.Linear(size, size, bias=False, dtype=torch.bfloat16)
        self.head = nn.Linear(size, 9_000, bias=False, dtype=torch.bfloat16)
        self.device, self.dtype = torch.device("cpu"), torch.bfloat16

    def get_output_embeddings(self) -> nn.Module:
        return self.head


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("num_tokens", "num_threads"), [(1, 1), (32, 1), (33, 2), (1_500, 2)])
def test_few_tokens_use_one_thread_and_many_use_all(num_tokens: int, num_threads: int) -> None:
    with threads_for(num_tokens, small_weights=True):
        assert torch.get_num_threads() == num_threads
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_the_threads_come_back_after_an_error() -> None:
    with pytest.raises(MemoryError), threads_for(1, small_weights=True):
        raise MemoryError
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_large_weights_always_use_all_threads() -> None:
    with threads_for(1, small_weights=False):
        assert torch.get_num_threads() == 2


def test_small_is_a_matter_of_the_inner_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert has_small_weights(_Model(576))
    assert not has_small_weights(_Model(2_048))


def test_threads_that_spin_are_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    """They cost nothing to use, so that a person who chose them gets them."""
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert not has_small_weights(_Model(576))


def test_a_gpu_has_no_such_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert not has_small_weights(SimpleNamespace(device=torch.device("cuda")))
