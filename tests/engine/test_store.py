"""The store keeps what it was given, through growth, cuts and forks."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.engine.store import GrowingLayer, Store, windows_of
from tests.engine.test_odd_models import hybrid, slanted
from tests.engine.tiny_models import KINDS, tiny


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 60)), max_size=6), st.integers(1, 3))
def test_growing_in_place_equals_concatenating(course: list[tuple[int, int]], rows: int) -> None:
    """Each step takes cells in and cuts some; forks made on the way do not change afterwards."""
    store, twin = Store([None, 7]), torch.empty(rows, 2, 0, 4)
    forks: list[tuple[Store, torch.Tensor]] = []
    for number, (num_new, num_cut) in enumerate(course):
        new = torch.arange(rows * 2 * num_new * 4).reshape(rows, 2, num_new, 4) + 1000.0 * number
        twin = torch.cat([twin, new], dim=2)
        for layer in store.grown:
            keys, values = layer.update(new, -new)
            assert torch.equal(keys, twin)
            assert torch.equal(values, -twin)
        twin = twin[:, :, : max(twin.shape[2] - num_cut, 1)]
        store.cut(twin.shape[2])
        forks.append((store.fork(), twin.clone()))
    for forked, expected in forks:
        for layer in forked.grown:
            assert torch.equal(layer.held()[0], expected)
            assert layer.get_seq_length() == expected.shape[2]


def test_a_layer_does_not_move_its_cells_at_every_token() -> None:
    """A thousand tokens, a handful of allocations."""
    layer, places = GrowingLayer(None), set()
    for _ in range(1000):
        layer.update(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
        places.add(layer.held()[0].data_ptr())
    assert len(places) < 15


def test_rows_can_be_picked_and_repeated() -> None:
    store = Store([None])
    cells = torch.arange(12.0).reshape(3, 1, 2, 2)
    store.grown[0].update(cells, cells)
    store.grown[0].reorder_cache(torch.tensor([2, 0, 0]))
    assert torch.equal(store.grown[0].held()[0], cells[[2, 0, 0]])


def test_every_usual_kind_packs_and_a_hybrid_does_not() -> None:
    """Otherwise the fast paths would be tested on nothing."""
    assert all(tiny(kind).packs for kind in KINDS)
    assert tiny("gemma3").windows == (12, None)
    assert hybrid().windows is None
    assert not hybrid().packs
    assert slanted().windows == (None, None)
    assert not slanted().packs
    assert windows_of(None) is None
