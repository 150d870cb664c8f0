"""One budget of seconds and tokens over everything, handed out in shares."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from egbot.synthesis.budget import Budget


@dataclass
class Clock:
    now_s: float = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.mark.parametrize(
    ("elapsed_s", "num_tokens", "word"),
    [(0.0, 0, ""), (9.9, 99, ""), (10.0, 0, "time"), (0.0, 100, "token"), (11.0, 200, "time")],
)
def test_a_budget_is_exhausted_when_either_limit_is_reached(
    elapsed_s: float, num_tokens: int, word: str
) -> None:
    clock = Clock()
    budget = Budget(10.0, 100, clock)
    clock.now_s += elapsed_s
    budget.spend(num_tokens)
    words = budget.exhausted
    assert words.startswith(f"the {word} budget of ") if word else words == ""


@pytest.mark.parametrize(
    ("least_s", "kept_s", "expected_s"),
    [(0, 0, 10), (30, 0, 30), (500, 0, 100), (30, 10, 20), (30, 25, 15), (500, 90, 50)],
)
def test_a_share_has_a_least_size_and_leaves_time_for_what_follows(
    least_s: float, kept_s: float, expected_s: float
) -> None:
    clock = Clock()
    whole = Budget(120.0, 100, clock)
    clock.now_s += 20
    share = whole.share(10, least_s=least_s, kept_s=kept_s)
    assert (share.left_s, share.deadline_s) == (expected_s, clock.now_s + expected_s)


def test_a_share_that_starts_late_ends_with_the_whole() -> None:
    clock = Clock()
    whole = Budget(100.0, 100, clock)
    share = whole.share(2)
    share.start_s += 70
    clock.now_s += 99
    assert (share.left_s, share.exhausted) == (1, "")
    clock.now_s += 1
    assert share.exhausted == "the time budget of 100 s is used up"


def test_spending_adds_up() -> None:
    budget = Budget(1.0, 10, Clock())
    budget.spend(4)
    budget.spend(5)
    assert (budget.num_tokens_spent, budget.exhausted) == (9, "")
    budget.spend(1)
    assert "10 tokens" in budget.exhausted


def test_what_is_being_spent_counts_at_once_and_once() -> None:
    whole = Budget(1.0, 100, Clock())
    share = whole.share(1)
    share.spend(10)
    forwarded = [7, 0]
    with share.spending(lambda: forwarded[0]), share.spending(lambda: forwarded[1]):
        assert share.num_tokens_spent == 10, "what was forwarded before is somebody else's"
        forwarded[:] = [37, 5]
        assert (share.num_tokens_spent, share.num_tokens_left) == (45, 55)
        forwarded[0] = 97
        assert "100 tokens" in share.exhausted
    assert share.num_tokens_spent == whole.num_tokens_spent == 105


def test_two_cannot_count_on_the_same_tokens() -> None:
    budget, forwarded = Budget(1.0, 100, Clock()), [0, 0]
    with budget.spending(lambda: forwarded[0], 60) as first_is_left:
        with budget.spending(lambda: forwarded[1], 60) as second_is_left:
            assert (first_is_left, second_is_left) == (True, False)
            assert budget.num_tokens_left == 40
        forwarded[0] = 70
        assert budget.num_tokens_left == 30
        forwarded[0] = 20
    assert budget.num_tokens_left == 80, "what was set aside and not needed comes back"


def test_what_was_spent_until_something_failed_is_spent() -> None:
    budget, forwarded = Budget(1.0, 100, Clock()), [0]

    def fail() -> None:
        with budget.spending(lambda: forwarded[0]):
            forwarded[0] = 30
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    forwarded[0] = 50
    assert budget.num_tokens_spent == 30


def test_time_runs_from_when_the_budget_was_made() -> None:
    clock = Clock()
    budget = Budget(10.0, 1, clock)
    clock.now_s += 2.5
    assert budget.elapsed_s == 2.5


def test_a_share_is_a_part_of_what_is_left() -> None:
    clock = Clock()
    whole = Budget(12.0, 100, clock)
    whole.spend(40)
    clock.now_s += 6.0
    share = whole.share(3)
    assert (share.max_s, share.max_tokens, share.exhausted) == (2.0, 20, "")


def test_what_a_share_spends_is_spent_of_the_whole() -> None:
    whole = Budget(10.0, 100, Clock())
    share = whole.share(2)
    share.spend(50)
    assert share.exhausted
    assert (whole.num_tokens_spent, whole.exhausted) == (50, "")


def test_what_a_share_saves_stays_with_the_whole() -> None:
    whole = Budget(10.0, 100, Clock())
    whole.share(2).spend(10)
    assert whole.share(1).max_tokens == 90


def test_a_share_of_nothing_is_exhausted() -> None:
    clock = Clock()
    whole = Budget(10.0, 100, clock)
    clock.now_s += 20.0
    assert whole.share(4).exhausted
