"""Both sides in one forward: the same tokens and the same caches as two forwards."""

from __future__ import annotations

import pytest

from egbot.engine.decode import Session
from egbot.engine.naive import NaiveSession
from tests.engine.tiny_models import KINDS, PROMPT, SIGNAL, never, tiny


@pytest.mark.parametrize("gamma", [0.5, 3.0])
@pytest.mark.parametrize("kind", KINDS)
def test_one_forward_equals_two(kind: str, gamma: float) -> None:
    """Token for token, line by line, with looks ahead that would show a damaged cache."""
    joined, apart = (Session(tiny(kind), PROMPT, joins=joins) for joins in (True, False))
    slow = NaiveSession(tiny(kind), PROMPT)
    for signal, num_tokens in ((SIGNAL * 3, 6), ("", 3), (SIGNAL, 7), (SIGNAL, 2)):
        one, two, three = (
            session.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never)
            for session in (joined, apart, slow)
        )
        assert one.text == two.text == three.text
        for mine, theirs in zip(one.tokens, two.tokens, strict=True):
            assert mine.text == theirs.text
            assert mine.logp_plain == pytest.approx(theirs.logp_plain, abs=1e-3)
            assert mine.logp_conditioned == pytest.approx(theirs.logp_conditioned, abs=1e-3)
        draws = [
            session.sample(3, temperature=1.0, top_p=0.9, max_tokens=5, seed=8, stop=never)
            for session in (joined, apart)
        ]
        assert draws[0] == draws[1]
    assert joined.usage.num_tokens_forwarded == apart.usage.num_tokens_forwarded
    assert joined.usage.num_forwards < apart.usage.num_forwards


def test_sides_of_very_different_lengths_share_a_forward() -> None:
    """A signal forty times as long as the plain side's own window, in every kind of cache."""
    for kind in KINDS:
        joined, apart = (Session(tiny(kind), PROMPT, joins=joins) for joins in (True, False))
        lines = [
            session.advance(signal="x = 1\n" * 60, gamma=2.0, max_tokens=8, stop=never)
            for session in (joined, apart)
        ]
        assert [token.text for token in lines[0].tokens] == [
            token.text for token in lines[1].tokens
        ]
        assert joined.usage.num_forwards < apart.usage.num_forwards
