"""Drawing tokens, and rows of samples that do not depend on each other."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from egbot.engine.decode import Session
from egbot.engine.guidance import log_probs
from egbot.engine.naive import NaiveSession
from egbot.engine.sampling import nucleus, row_generator
from egbot.records import Sample
from tests.engine.test_odd_models import hybrid
from tests.engine.tiny_models import KINDS, PROMPT, in_float64, never, tiny

PROBABILITIES = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def frequencies(top_p: float, temperature: float, num_draws: int = 2000) -> list[float]:
    generator = row_generator(0, 0)
    drawn = [nucleus(PROBABILITIES, temperature, top_p).draw(generator) for _ in range(num_draws)]
    return [drawn.count(token) / num_draws for token in range(4)]


def test_draws_follow_the_distribution() -> None:
    """2,000 draws: a frequency strays by more than 0.05 less than once in 100,000 seeds."""
    assert frequencies(1.0, 1.0) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.05)


def test_temperature_sharpens() -> None:
    squared = [0.25, 0.09, 0.0225, 0.0025]
    expected = [value / sum(squared) for value in squared]
    assert frequencies(1.0, 0.5) == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("top_p", "kept"), [(0.45, 1), (0.75, 2), (0.85, 3), (1.0, 4)])
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p: float, kept: int) -> None:
    found = frequencies(top_p, 1.0)
    assert [value > 0 for value in found] == [token < kept for token in range(4)]


def test_temperature_zero_is_greedy() -> None:
    drawn = {nucleus(PROBABILITIES, 0.0, 0.1).draw(row_generator(seed, 0)) for seed in range(50)}
    assert drawn == {0}


@given(st.integers(0, 2**31), st.floats(0.1, 3.0), st.floats(0.05, 1.0))
def test_a_ruled_out_token_is_never_drawn(seed: int, temperature: float, top_p: float) -> None:
    """Also in a vocabulary larger than the first guess at its nucleus."""
    scores = torch.zeros(1000)
    scores[::2] = -torch.inf
    drawn = nucleus(log_probs(scores), temperature, top_p).draw(row_generator(seed, 0))
    assert drawn % 2 == 1


def test_a_wide_nucleus_reaches_beyond_the_likeliest() -> None:
    """A flat distribution over 1,000 tokens is drawn from as a whole."""
    flat = log_probs(torch.zeros(1000))
    generator = row_generator(5, 0)
    assert len({nucleus(flat, 1.0, 1.0).draw(generator) for _ in range(2000)}) > 700


def drawn(session: Session, num_samples: int, seed: int = 4) -> tuple[Sample, ...]:
    return session.sample(
        num_samples, temperature=1.2, top_p=0.95, max_tokens=12, seed=seed, stop=never
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_depend_on_their_neighbours(kind: str) -> None:
    """Row i is the same alone, among three and among five."""
    session = Session(tiny(kind), PROMPT)
    five = drawn(session, 5)
    assert drawn(session, 1) == five[:1]
    assert drawn(session, 3) == five[:3]
    assert len({sample.text for sample in five}) > 1


@settings(max_examples=25)
@given(
    network=st.sampled_from([*KINDS, "hybrid"]),
    temperature=st.sampled_from([0.02, 0.1, 0.3, 1.0]),
    num_samples=st.integers(2, 8),
    seed=st.integers(0, 99),
    starts=st.lists(st.sampled_from(["return a", "return a + b", " x", ""]), max_size=4),
)
@example(network="llama", temperature=0.1, num_samples=2, seed=29, starts=[" x", " x"])
def test_rows_that_share_what_they_have_in_common_equal_rows_drawn_alone(
    network: str, temperature: float, num_samples: int, seed: int, starts: list[str]
) -> None:
    """Low temperatures part late, high ones at once; the slow twin draws each from the prompt on."""
    model = in_float64(hybrid() if network == "hybrid" else tiny(network))
    fast, slow = (
        one.sample(
            num_samples,
            temperature=temperature,
            top_p=0.95,
            max_tokens=10,
            seed=seed,
            stop=lambda text: text.count("e") > 1,
            starts=tuple(starts),
        )
        for one in (Session(model, PROMPT), NaiveSession(model, PROMPT))
    )
    assert fast == slow


@pytest.mark.parametrize("network", ["llama", "hybrid"])
def test_equal_rows_cost_as_much_as_one(network: str) -> None:
    model = hybrid() if network == "hybrid" else tiny(network)
    costs = []
    for num_samples in (1, 20):
        session = Session(model, PROMPT)
        rows = session.sample(
            num_samples, temperature=1e-4, top_p=0.9, max_tokens=9, seed=1, stop=never
        )
        assert len(set(rows)) == 1
        costs.append(session.usage.num_tokens_forwarded)
    assert costs[0] == costs[1]


def test_rows_that_end_leave_the_others_alone() -> None:
    """Each row stops on its own rule's word; the others go on as they would have."""
    session = Session(tiny("gemma2"), PROMPT)
    whole = drawn(session, 4)
    mark = whole[1].text[:3]
    cut = session.sample(
        4, temperature=1.2, top_p=0.95, max_tokens=12, seed=4, stop=lambda text: mark in text
    )
    assert cut[1].finish == "stop"
    assert cut[1].num_tokens < whole[1].num_tokens
    for full, short in zip(whole, cut, strict=True):
        assert full.text.startswith(short.text)
        assert (short.finish == "stop") == (mark in full.text)


@pytest.mark.parametrize("kind", KINDS)
def test_sampling_does_not_move_the_session(kind: str) -> None:
    """Text, next line and a second sampling are as if nobody had looked ahead."""
    looked, blind = Session(tiny(kind), PROMPT), Session(tiny(kind), PROMPT)
    first = drawn(looked, 3)
    assert looked.text == ""
    assert drawn(looked, 3) == first
    line = looked.advance(signal="", gamma=0.0, max_tokens=8, stop=never)
    assert line == blind.advance(signal="", gamma=0.0, max_tokens=8, stop=never)
    assert drawn(looked, 2) == drawn(blind, 2)


def test_the_seed_decides() -> None:
    session = Session(tiny("llama"), PROMPT)
    assert drawn(session, 3, seed=1) == drawn(Session(tiny("llama"), PROMPT), 3, seed=1)
    assert drawn(session, 3, seed=1) != drawn(session, 3, seed=2)


def test_greedy_rows_are_computed_once() -> None:
    session = Session(tiny("llama"), PROMPT)
    rows = session.sample(3, temperature=0.0, top_p=0.9, max_tokens=5, seed=0, stop=never)
    assert len(rows) == 3
    assert len(set(rows)) == 1
    assert session.usage.num_tokens_generated == 5


def test_no_samples_and_no_tokens_are_fine() -> None:
    session = Session(tiny("llama"), PROMPT)
    assert session.sample(0, temperature=1.0, top_p=1.0, max_tokens=5, seed=0, stop=never) == ()
    empty = session.sample(2, temperature=1.0, top_p=1.0, max_tokens=0, seed=0, stop=never)
    assert empty == (Sample("", 0, "length"),) * 2
