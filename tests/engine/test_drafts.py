"""Drafts save forwards and change no token: each test compares with decoding without them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.engine.decode import Session
from egbot.engine.drafts import Drafts
from egbot.engine.network import Network
from egbot.records import GuidedText
from tests.engine.tiny_models import KINDS, PROMPT, SIGNAL, at_line_end, never, tiny

GAMMAS = (0.0, 0.5, 1.0, 3.0)
LINES = ((SIGNAL, 9), (SIGNAL + "x = 1\n", 7), ("", 4))


def play(session: Session, gamma: float, drafts: list[list[tuple[int, ...]]]) -> list[GuidedText]:
    """Three lines, with ``drafts`` as token ids for each of them and a look ahead in between."""
    lines = []
    for (signal, num_tokens), tokens in zip(LINES, drafts, strict=True):
        names = {f"draft {number}": one for number, one in enumerate(tokens)}
        session._drawn.update(names)
        lines.append(
            session.advance(
                signal=signal,
                gamma=gamma,
                max_tokens=num_tokens,
                stop=never,
                drafts=tuple(names),
            )
        )
        session.sample(2, temperature=0.9, top_p=0.95, max_tokens=3, seed=3, stop=never)
    return lines


def assert_same(drafted: list[GuidedText], plain: list[GuidedText]) -> None:
    for one, other in zip(drafted, plain, strict=True):
        assert (one.text, one.finish) == (other.text, other.finish)
        for mine, theirs in zip(one.tokens, other.tokens, strict=True):
            assert mine.text == theirs.text
            assert mine.plain_choice == theirs.plain_choice
            assert mine.logp_plain == pytest.approx(theirs.logp_plain, abs=1e-3)
            assert mine.logp_conditioned == pytest.approx(theirs.logp_conditioned, abs=1e-3)


def written(network: Network, gamma: float) -> tuple[list[GuidedText], list[tuple[int, ...]]]:
    """What is decoded without drafts, and the tokens of each line."""
    session = Session(network, PROMPT)
    lines, tokens, start = [], [], 0
    for signal, num_tokens in LINES:
        lines += [session.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never)]
        tokens.append(tuple(session._answer[start:]))
        start = len(session._answer)
        session.sample(2, temperature=0.9, top_p=0.95, max_tokens=3, seed=3, stop=never)
    return lines, tokens


@st.composite
def near(draw: Any, tokens: tuple[int, ...]) -> tuple[int, ...]:
    """A draft: ``tokens`` with some exchanged, dropped or added, or nothing like them."""
    draft = list(tokens)
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(draft)))
        draft[place : place + draw(st.integers(0, 2))] = draw(
            st.lists(st.integers(0, 319), max_size=2)
        )
    return tuple(draft)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(data=st.data(), gamma=st.sampled_from(GAMMAS), joins=st.booleans())
def test_whatever_the_drafts_the_tokens_are_the_same(
    kind: str, data: st.DataObject, gamma: float, joins: bool
) -> None:
    """On every kind of cache, at every scale, apart or as one batch."""
    expected, tokens = written(tiny(kind), gamma)
    drafts = [data.draw(st.lists(near(line), max_size=3)) for line in tokens]
    session = Session(tiny(kind), PROMPT, joins=joins)
    assert_same(play(session, gamma, drafts), expected)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_right_draft_costs_one_forward_a_side(kind: str, gamma: float) -> None:
    """The signal's prefill carries the draft; every token but a line's first is foretold."""
    expected, tokens = written(tiny(kind), gamma)
    session = Session(tiny(kind), PROMPT)
    session.sample(2, temperature=0.9, top_p=0.95, max_tokens=3, seed=3, stop=never)
    before = session.usage
    line = play(session, gamma, [[tokens[0]], [], []])[0]
    assert_same([line], expected[:1])
    assert session.usage.num_draft_tokens_accepted == len(tokens[0]) - 1
    num_sides = 1 if gamma == 0 else 2
    again = Session(tiny(kind), PROMPT)
    again.sample(2, temperature=0.9, top_p=0.95, max_tokens=3, seed=3, stop=never)
    again._drawn["right"] = tokens[0]
    again.advance(signal=SIGNAL, gamma=gamma, max_tokens=9, stop=never, drafts=("right",))
    assert again.usage.num_forwards - before.num_forwards == num_sides


def test_a_second_draft_is_followed_where_the_first_was_left() -> None:
    expected, (tokens, *_) = written(tiny("llama"), 1.0)
    wrong = (*tokens[:3], (tokens[3] + 1) % 300, *tokens[4:])
    session = Session(tiny("llama"), PROMPT)
    line = play(session, 1.0, [[wrong, tokens], [], []])[0]
    assert_same([line], expected[:1])
    assert session.usage.num_draft_tokens_accepted == len(tokens) - 2


def test_the_drafts_are_rejoined_behind_a_difference() -> None:
    """One token is exchanged: two tokens later the draft is trusted again."""
    expected, (tokens, *_) = written(tiny("llama"), 1.0)
    wrong = (*tokens[:3], (tokens[3] + 1) % 300, *tokens[4:])
    session = Session(tiny("llama"), PROMPT)
    line = play(session, 1.0, [[wrong], [], []])[0]
    assert_same([line], expected[:1])
    assert session.usage.num_draft_tokens_accepted >= 3 + len(tokens) - 7


def test_samples_are_drafts_by_their_text() -> None:
    """A sample's own tokens are used; greedy samples are what gamma 0 decodes, so all fit."""
    session = Session(tiny("qwen2"), PROMPT)
    (sample,) = session.sample(
        1, temperature=0.0, top_p=1.0, max_tokens=20, seed=0, stop=at_line_end
    )
    guided = session.advance(
        signal="", gamma=0.0, max_tokens=20, stop=at_line_end, drafts=(sample.text,)
    )
    assert guided.text == sample.text
    assert session.usage.num_draft_tokens_accepted == len(guided.tokens) - 1


@settings(max_examples=20)
@given(st.lists(st.text(max_size=12), max_size=3))
def test_any_text_may_be_a_draft(texts: list[str]) -> None:
    """Also text that was never drawn, holds control tokens or broken characters."""
    session, alone = Session(tiny("llama"), PROMPT), Session(tiny("llama"), PROMPT)
    drafts = (*texts, "<|end|>", "\ud800")
    assert_same(
        [session.advance(signal=SIGNAL, gamma=2.0, max_tokens=5, stop=never, drafts=drafts)],
        [alone.advance(signal=SIGNAL, gamma=2.0, max_tokens=5, stop=never)],
    )


def test_a_draft_is_not_followed_beyond_the_lines_end() -> None:
    """What the stop rule would cut is not forwarded."""
    _, (tokens, *_) = written(tiny("llama"), 1.0)
    session = Session(tiny("llama"), PROMPT)
    session._drawn["long"] = (*tokens, *range(40))
    mark = session._text_of(list(tokens[:4]))
    before = session.usage.num_tokens_forwarded
    session.advance(
        signal=SIGNAL,
        gamma=1.0,
        max_tokens=60,
        stop=lambda text: text.startswith(mark),
        drafts=("long",),
    )
    alone = Session(tiny("llama"), PROMPT)
    alone.advance(signal=SIGNAL, gamma=1.0, max_tokens=60, stop=lambda text: text.startswith(mark))
    assert session.text == alone.text
    assert session.usage.num_tokens_forwarded - before <= alone.usage.num_tokens_forwarded + 1


# --- guessing ----------------------------------------------------------------------------------


def test_a_guess_is_the_rest_of_the_first_draft_that_fits() -> None:
    drafts = Drafts(((1, 2, 3), (1, 4, 5, 6)))
    assert drafts.guess([], 9) == [1, 2, 3]
    assert drafts.guess([1, 4], 9) == [5, 6]
    assert drafts.guess([1, 4], 1) == [5]
    assert drafts.guess([1, 2, 3], 9) == []
    assert drafts.guess([], 0) == []


def test_one_common_token_is_no_overlap() -> None:
    drafts = Drafts(((1, 2, 3, 4, 5),))
    assert drafts.guess([9, 3], 9) == []
    assert drafts.guess([9, 2, 3], 9) == [4, 5]


def test_the_longest_overlap_decides() -> None:
    drafts = Drafts(((2, 3, 7), (8, 2, 3, 4)))
    assert drafts.guess([0, 8, 2, 3], 9) == [4]
    assert drafts.guess([0, 1, 2, 3], 9) == [7]
