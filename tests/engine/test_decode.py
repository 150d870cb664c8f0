"""The session keeps its promises on models of five kinds, and equals its slow twin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.engine.decode import Session
from egbot.engine.naive import NaiveSession
from egbot.engine.network import Network
from egbot.errors import ModelError
from egbot.records import GuidedText
from tests.engine.tiny_models import KINDS, PROMPT, SIGNAL, at_line_end, never, tiny

GAMMAS = (0.0, 0.5, 1.0, 3.0)


def after(num_calls: int) -> Callable[[str], bool]:
    """A stop rule that is satisfied at its ``num_calls``-th token."""
    calls = iter(range(1, num_calls))
    return lambda _: next(calls, None) is None


def ids_of(guided: GuidedText) -> list[str]:
    return [token.text for token in guided.tokens]


def assert_same(fast: GuidedText, slow: GuidedText) -> None:
    assert fast.text == slow.text
    assert ids_of(fast) == ids_of(slow)
    assert fast.finish == slow.finish
    for one, other in zip(fast.tokens, slow.tokens, strict=True):
        assert one.logp_plain == pytest.approx(other.logp_plain, abs=1e-3)
        assert one.logp_conditioned == pytest.approx(other.logp_conditioned, abs=1e-3)
        assert one.plain_choice == other.plain_choice


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("kind", KINDS)
def test_cached_equals_uncached(kind: str, gamma: float) -> None:
    """Lines with changing signals, samples in between: token for token what the slow twin says."""
    fast, slow = Session(tiny(kind), PROMPT), NaiveSession(tiny(kind), PROMPT)
    for signal, num_tokens in ((SIGNAL, 6), ("", 3), (SIGNAL + "x = 1\n", 7), (SIGNAL, 1)):
        fast.sample(2, temperature=0.9, top_p=0.95, max_tokens=4, seed=3, stop=never)
        assert_same(
            fast.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never),
            slow.advance(signal=signal, gamma=gamma, max_tokens=num_tokens, stop=never),
        )
    assert fast.text == slow.text


@pytest.mark.parametrize("kind", KINDS)
def test_many_rows_are_each_what_the_slow_twin_draws(kind: str) -> None:
    """More rows than are looked at together, of different lengths, beyond a sliding window."""
    ways = (Session(tiny(kind), PROMPT), NaiveSession(tiny(kind), PROMPT))
    fast, slow = (
        way.sample(40, temperature=1.0, top_p=0.95, max_tokens=9, seed=5, stop=at_line_end)
        for way in ways
    )
    assert fast == slow


@settings(max_examples=12)
@given(
    gamma=st.floats(0, 5),
    lengths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    signals=st.lists(st.text(max_size=20), min_size=3, max_size=3),
)
def test_any_course_equals_the_slow_twin(
    gamma: float, lengths: list[int], signals: list[str]
) -> None:
    """Whatever the scale, the signals (any Unicode) and the stops: cached equals uncached."""
    fast, slow = Session(tiny("gemma3"), PROMPT), NaiveSession(tiny("gemma3"), PROMPT)
    for num_tokens, signal in zip(lengths, signals, strict=False):
        assert_same(
            fast.advance(signal=signal, gamma=gamma, max_tokens=9, stop=after(num_tokens)),
            slow.advance(signal=signal, gamma=gamma, max_tokens=9, stop=after(num_tokens)),
        )


@pytest.mark.parametrize("kind", KINDS)
def test_gamma_zero_is_plain_greedy_decoding(kind: str) -> None:
    """With gamma 0 a signal changes nothing, to the bit, and costs no forward."""
    plain, zero = Session(tiny(kind), PROMPT), Session(tiny(kind), PROMPT)
    expected = plain.advance(signal="", gamma=2.0, max_tokens=12, stop=never)
    assert zero.advance(signal=SIGNAL, gamma=0.0, max_tokens=12, stop=never) == expected
    assert zero.usage.num_tokens_forwarded == plain.usage.num_tokens_forwarded
    greedy = Session(tiny(kind), PROMPT).sample(
        1, temperature=0.0, top_p=0.95, max_tokens=12, seed=0, stop=never
    )
    assert greedy[0].text == expected.text


def test_gamma_one_is_the_conditioned_model() -> None:
    """With gamma 1 the answer is what the model writes when the signal is simply in the prompt."""
    network = tiny("llama")
    inside = replace(PROMPT, head=PROMPT.head + SIGNAL)
    expected = Session(network, inside).advance(signal="", gamma=0.0, max_tokens=12, stop=never)
    session = Session(network, PROMPT)
    guided = session.advance(signal=SIGNAL, gamma=1.0, max_tokens=12, stop=never)
    assert guided.text == expected.text
    plain = Session(network, PROMPT).advance(signal="", gamma=0.0, max_tokens=12, stop=never)
    assert guided.text != plain.text


@pytest.mark.parametrize("gamma", [3.0, 5.0])
def test_large_gamma_gives_no_nan(gamma: float) -> None:
    guided = Session(tiny("qwen2"), PROMPT).advance(
        signal=SIGNAL, gamma=gamma, max_tokens=8, stop=never
    )
    assert all(token.logp_conditioned == token.logp_conditioned for token in guided.tokens)
    assert guided.tokens


def test_stop_keeps_the_token_that_satisfied_it() -> None:
    """The rule is asked after every token, about this call's text, and its token stays."""
    session = Session(tiny("llama"), PROMPT)
    session.advance(signal="", gamma=0.0, max_tokens=3, stop=never)
    seen: list[str] = []

    def at_third(text: str) -> bool:
        seen.append(text)
        return len(seen) == 3

    before = session.text
    guided = session.advance(signal=SIGNAL, gamma=3.0, max_tokens=9, stop=at_third)
    assert guided.finish == "stop"
    assert len(guided.tokens) == 3
    assert guided.text == seen[-1]
    assert session.text == before + guided.text
    assert all(late.startswith(early) for early, late in pairwise(seen))


def test_zero_tokens_are_no_step() -> None:
    session = Session(tiny("llama"), PROMPT)
    assert session.advance(signal=SIGNAL, gamma=1.0, max_tokens=0, stop=never) == GuidedText(
        "", (), "length"
    )
    assert session.text == ""


def with_ends(network: Network, *ends: int) -> Network:
    return replace(network, end_ids=frozenset(ends))


def favourites(network: Network, num_tokens: int) -> list[int]:
    """The plain greedy tokens' ids."""
    session = Session(network, PROMPT)
    session.advance(signal="", gamma=0.0, max_tokens=num_tokens, stop=never)
    return session._answer


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_an_end_token_ends_the_answer_for_good(gamma: float) -> None:
    """EOS is not part of the text, ends every later call at once and costs them nothing."""
    network = tiny("gpt2")
    end = favourites(network, 4)[3]
    session = Session(with_ends(network, end), PROMPT)
    guided = session.advance(signal="", gamma=gamma, max_tokens=40, stop=never)
    assert guided.finish == "eos"
    assert len(guided.tokens) <= 3
    used, text = session.usage, session.text
    assert session.advance(signal=SIGNAL, gamma=1.0, max_tokens=5, stop=never).finish == "eos"
    drawn = session.sample(2, temperature=1.0, top_p=1.0, max_tokens=5, seed=0, stop=never)
    assert [sample.finish for sample in drawn] == ["eos", "eos"]
    assert (session.usage, session.text) == (used, text)


def test_each_token_is_forwarded_once() -> None:
    """The meter: prompt once, each side's tokens once, the last token only when it is needed."""
    session = Session(tiny("llama"), PROMPT)
    num_prompt = len(session._prompt)
    session.advance(signal="", gamma=0.0, max_tokens=5, stop=never)
    assert session.usage.num_tokens_forwarded == num_prompt + 4
    assert session.usage.num_forwards == 2 + 4  # before the slot, after it, then token by token
    session.sample(3, temperature=5.0, top_p=1.0, max_tokens=4, seed=1, stop=never)
    assert session.usage.num_tokens_forwarded == num_prompt + 5 + 3 * 3
    assert session.usage.num_tokens_generated == 5 + 3 * 4
    assert session.usage.sample_s > 0
    assert session.usage.decode_s > 0


@pytest.mark.parametrize(("gamma", "num_forwards"), [(1.0, 1 + 3 + 2), (2.0, 1 + 3 + 3)])
def test_the_conditioned_side_reuses_the_shared_prefix(gamma: float, num_forwards: int) -> None:
    """A line forwards [signal + after + answer] and its own tokens; the same signal only tokens."""
    network = tiny("llama")
    session = Session(network, PROMPT)
    session.advance(signal="", gamma=0.0, max_tokens=3, stop=never)
    before = session.usage
    session.advance(signal=SIGNAL, gamma=gamma, max_tokens=4, stop=never)
    num_signal = len(network.tokenizer(SIGNAL)["input_ids"])
    spent = session.usage.num_tokens_forwarded - before.num_tokens_forwarded
    assert spent == num_signal + len(session._prompt.after) + 3 + 3 + (1 + 3)
    assert session.usage.num_forwards - before.num_forwards <= num_forwards + 1
    again = session.usage
    session.advance(signal=SIGNAL, gamma=gamma, max_tokens=4, stop=never)
    assert session.usage.num_tokens_forwarded - again.num_tokens_forwarded == 8


@pytest.mark.parametrize("kind", KINDS)
def test_the_cost_of_a_signal_is_known_before_it_is_read(kind: str) -> None:
    """Of one read before, of one that goes on otherwise, of none, and of one that is cut."""
    session = Session(tiny(kind), PROMPT)
    session.sample(1, temperature=0.9, top_p=0.95, max_tokens=2, seed=3, stop=never)
    longer = f"{SIGNAL}x = 1\n"
    for signal in (SIGNAL, SIGNAL, longer, "", SIGNAL, "y = 2\n" * 500):
        told = session.cost(signal, max_tokens=1)
        before = session.usage.num_tokens_forwarded
        session.advance(signal=signal, gamma=0.5, max_tokens=1, stop=never)
        assert session.usage.num_tokens_forwarded - before - told in (0, 1, 2), signal
        assert bool(told) == bool(signal) or signal == SIGNAL
    assert session.cost("", max_tokens=1) == 0


def test_a_long_signal_loses_its_last_lines() -> None:
    """What does not fit the context is cut from the signal's end, by lines, never from the tests."""
    network = tiny("llama", num_context_tokens=256)
    kept = "first line\n"
    session = Session(network, PROMPT)
    long = Session(network, PROMPT)
    expected = session.advance(signal=kept, gamma=1.0, max_tokens=4, stop=never)
    signal = kept + "y" * 400 + "\n"
    assert long.advance(signal=signal, gamma=1.0, max_tokens=4, stop=never) == expected
    alone = Session(network, PROMPT).advance(signal="y" * 400, gamma=1.0, max_tokens=4, stop=never)
    assert all(token.logp_plain == token.logp_conditioned for token in alone.tokens)


def test_the_context_is_never_exceeded() -> None:
    """Decoding and sampling end with "length" at the last position the model has."""
    network = with_ends(tiny("gpt2", num_context_tokens=160))
    session = Session(network, PROMPT)
    guided = session.advance(signal=SIGNAL, gamma=2.0, max_tokens=999, stop=never)
    rest = session.advance(signal="", gamma=0.0, max_tokens=999, stop=never)
    assert (guided.finish, rest.finish) == ("length", "length")
    assert len(session._prompt) + len(session._answer) == 160
    drawn = session.sample(2, temperature=1.0, top_p=1.0, max_tokens=9, seed=0, stop=never)
    assert {(sample.text, sample.finish) for sample in drawn} == {("", "length")}


def test_a_prompt_beyond_the_context_is_refused() -> None:
    with pytest.raises(ModelError, match="reads at most 64"):
        Session(tiny("llama", num_context_tokens=64), PROMPT)


@contextmanager
def broken_weights(network: Network) -> Iterator[None]:
    weight = network.model.get_output_embeddings().weight
    kept = weight.detach().clone()
    with torch.no_grad():
        weight[5] = float("nan")
    yield
    with torch.no_grad():
        weight.copy_(kept)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_nan_is_an_error_that_names_the_way_out(gamma: float) -> None:
    network = tiny("qwen2", num_context_tokens=500)
    with broken_weights(network), pytest.raises(ModelError, match=r"NaN in torch.float32 on cpu"):
        Session(network, PROMPT).advance(signal=SIGNAL, gamma=gamma, max_tokens=2, stop=never)


def test_lines_end_in_the_text_not_at_a_token() -> None:
    """A token may hold the newline and the next indent; both stay in the text."""
    session = Session(with_ends(tiny("llama")), PROMPT)
    guided = session.advance(signal="", gamma=0.0, max_tokens=300, stop=at_line_end)
    if guided.finish == "stop":
        assert "\n" in guided.text
    assert session.text == guided.text
    assert guided.text == "".join(ids_of(guided)) or "\ufffd" in "".join(ids_of(guided))
