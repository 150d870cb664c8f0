"""What is left of earlier samples, and of the last signal, is not computed twice; nothing changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.engine.decode import Session
from egbot.engine.naive import NaiveSession
from egbot.ports import DecodeSession, StopRule
from egbot.records import Sample
from tests.engine.test_decode import assert_same
from tests.engine.test_odd_models import hybrid
from tests.engine.tiny_models import KINDS, PROMPT, SIGNAL, never, tiny


def long_enough(num_chars: int) -> StopRule:
    return lambda text: len(text) >= num_chars


def draw(
    session: DecodeSession, num_samples: int, starts: tuple[str, ...], *, num_chars: int = 18
) -> tuple[Sample, ...]:
    return session.sample(
        num_samples,
        temperature=1.1,
        top_p=0.95,
        max_tokens=14,
        seed=4,
        stop=long_enough(num_chars),
        starts=starts,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_go_on_from_starts_equal_the_slow_twin_s(kind: str) -> None:
    """Ragged starts in one batch: two rows that go on, one that is long enough, one from nothing."""
    fast, slow = Session(tiny(kind), PROMPT), NaiveSession(tiny(kind), PROMPT)
    starts = (" a", "return a + b", " enough: it is long already", "")
    found = draw(fast, 4, starts)
    assert found == draw(slow, 4, starts)
    assert all(one.text.startswith(start) for one, start in zip(found, starts, strict=True))
    assert found[2].text == starts[2]
    assert draw(fast, 4, starts) == found, "and leave the session as it was"


def test_rows_of_a_cache_that_cannot_branch_go_on_as_well() -> None:
    fast, slow = Session(hybrid(), PROMPT), NaiveSession(hybrid(), PROMPT)
    starts = (" a", "return a + b", "")
    assert draw(fast, 4, starts) == draw(slow, 4, starts)


@pytest.mark.parametrize("kind", KINDS)
def test_left_over_samples_keep_their_own_tokens(kind: str) -> None:
    """A sample is cut where the text went on with it; what follows is drawn from its tokens."""
    fast, slow = Session(tiny(kind), PROMPT), NaiveSession(tiny(kind), PROMPT)
    likely: dict[str, Any] = {
        "temperature": 0.05,
        "top_p": 0.9,
        "max_tokens": 9,
        "seed": 1,
        "stop": never,
    }
    drawn = fast.sample(3, **likely)
    assert drawn == slow.sample(3, **likely)
    one = fast.advance(signal="", gamma=0.0, max_tokens=2, stop=never)
    assert_same(one, slow.advance(signal="", gamma=0.0, max_tokens=2, stop=never))
    left = tuple(s.text.removeprefix(one.text) for s in drawn if s.text.startswith(one.text))
    assert left, "nearly greedy samples begin as greedy decoding does"
    found = draw(fast, 3, left, num_chars=30)
    assert found == draw(slow, 3, left, num_chars=30)
    assert all(row.text.startswith(start) for row, start in zip(found, left, strict=False))


def test_starts_cost_one_forward_for_all_rows() -> None:
    session = Session(tiny("llama"), PROMPT)
    draw(session, 3, ())
    before = session.usage
    starts = ("return a + b", "return a - b", "x = a")
    draw(session, 3, starts, num_chars=1)
    assert session.usage.num_forwards == before.num_forwards, "they were long enough already"
    drawn = draw(session, 3, starts, num_chars=16)
    longest = max(s.num_tokens for s in drawn)
    assert session.usage.num_forwards - before.num_forwards < longest


@settings(max_examples=15)
@given(
    kind=st.sampled_from(KINDS),
    gamma=st.sampled_from([0.5, 1.0, 3.0]),
    signals=st.lists(
        st.lists(st.sampled_from([SIGNAL, "# x = 1\n", "# gone\n"]), max_size=4).map("".join),
        min_size=2,
        max_size=4,
    ),
)
def test_a_signal_that_begins_like_the_last_one_changes_no_token(
    kind: str, gamma: float, signals: list[str]
) -> None:
    """The conditioned side goes back to what both share, whatever follows."""
    fast, slow = Session(tiny(kind), PROMPT), NaiveSession(tiny(kind), PROMPT)
    for signal in signals:
        assert_same(
            fast.advance(signal=signal, gamma=gamma, max_tokens=4, stop=never),
            slow.advance(signal=signal, gamma=gamma, max_tokens=4, stop=never),
        )


def test_what_two_signals_share_is_forwarded_once() -> None:
    session = Session(tiny("llama"), PROMPT)
    session.advance(signal=SIGNAL * 6, gamma=1.0, max_tokens=3, stop=never)
    before = session.usage.num_tokens_forwarded
    session.advance(signal=f"{SIGNAL * 6}# more\n", gamma=1.0, max_tokens=3, stop=never)
    again = session.usage.num_tokens_forwarded - before
    fresh = Session(tiny("llama"), PROMPT)
    fresh.advance(signal="", gamma=0.0, max_tokens=3, stop=never)
    before = fresh.usage.num_tokens_forwarded
    fresh.advance(signal=f"{SIGNAL * 6}# more\n", gamma=1.0, max_tokens=3, stop=never)
    assert again < (fresh.usage.num_tokens_forwarded - before) / 2
