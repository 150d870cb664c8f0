"""The Markdown report tells the story in order, within its limit, and is inert."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from egbot.records import Attempt, Outcome
from egbot.report.markdown import fence, render_markdown, span
from tests.report.golden import check
from tests.report.samples import EVIL, hostile, no_target, sample_run, solved, unsolved

OWN_HTML = re.compile(r"<details>\n<summary>[\w ():,.]+</summary>\n?|</details>\n?")
TEXT = st.text(alphabet=st.characters(), max_size=60) | st.text(alphabet="`\n ~a|\\", max_size=30)


def parse(text: str) -> list[Token]:
    """All tokens, inline ones too, of the most permissive reading: tables, HTML, bare links."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = []
    for token in parser.parse(text):
        tokens += [token, *(token.children or [])]
    return tokens


def outside_words(tokens: list[Token]) -> str:
    """All that is neither code nor our own HTML."""
    return "\n".join(token.content for token in tokens if token.type == "text")


@pytest.mark.parametrize("name", ["solved", "unsolved", "no_target"])
def test_golden_report(name: str) -> None:
    """The reports of the samples are reviewed by eye when they change."""
    outcome = {"solved": solved, "unsolved": unsolved, "no_target": no_target}[name]()
    check(f"{name}.report.md", render_markdown(outcome, run=sample_run(outcome)))


def test_order_of_a_solved_report() -> None:
    """What was written, the diff, what was not checked, in 30 lines; the rest is folded."""
    text = render_markdown(solved(), run=sample_run())
    parts = ["### egbot wrote", "```diff", "How it runs", "All tests", "Attempt 1"]
    parts += ["Settings, versions and cost", "#### What was not checked"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert num_unfolded(text) <= 30


def num_unfolded(text: str) -> int:
    """The lines that a reader sees before anything is opened."""
    story = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    return len([line for line in story.splitlines() if line.strip()])


def test_unsolved_report_shows_the_nearest_try() -> None:
    """Without a patch a reader sees the nearest code and the assertion that it fails."""
    text = render_markdown(unsolved())
    assert "The nearest try passes 2 of 3" in text
    assert "    total = 0\n" in text
    assert "left       [1, 3]" in text
    assert "right      [101, 103]" in text
    assert "```diff" not in text
    assert num_unfolded(text) <= 30


def test_hostile_report_is_inert() -> None:
    """No link, image, HTML, heading, task or mention of outside text survives as markup."""
    outcome = hostile(3_000)
    text = render_markdown(outcome, run=sample_run(outcome), limit_chars=10**7)
    tokens = parse(text)
    kinds = {token.type for token in tokens}
    assert not kinds & {"link_open", "image", "html_inline", "hr", "blockquote_open", "table_open"}
    assert all(OWN_HTML.fullmatch(t.content) for t in tokens if t.type == "html_block")
    words = outside_words(tokens)
    for attack in ("@everyone", "#12", "repo#3", "GH-9", "http", "www.", "@b.example", "[link]"):
        assert attack in text
        assert attack not in words
    assert all(char.isprintable() or char == "\n" for char in text)


@given(TEXT)
@settings(max_examples=200)
def test_span_and_fence_hold_any_text(text: str) -> None:
    """Whatever backticks and breaks a text holds, it stays inside its one piece of code."""
    tokens = parse(f"before {span(text)} after")
    assert [t.type for t in tokens if t.level == 0 and t.nesting == 0 and t.type != "inline"] == [
        "text",
        "code_inline",
        "text",
    ]
    tokens = parse(f"{fence(text, 'text', 1000)}\nafter")
    assert [token.type for token in tokens][:1] == ["fence"]
    assert tokens[-2].content == "after"


def many_attempts() -> Outcome:
    outcome = solved()
    attempts: tuple[Attempt, ...] = outcome.attempts * 12
    return replace(outcome, attempts=attempts)


@given(st.integers(0, 40_000))
@settings(max_examples=25)
def test_report_is_always_within_its_limit(limit: int) -> None:
    """Any limit is kept by leaving out whole sections, never the middle of a fence."""
    for outcome in (many_attempts(), hostile(30_000)):
        text = render_markdown(outcome, limit_chars=limit)
        assert len(text) <= limit
        html = [token.content for token in parse(text) if token.type == "html_block"]
        assert sum("<details>" in each for each in html) == sum("</det" in each for each in html)
        if limit > 3_000:
            assert text.startswith("### egbot")


def test_what_was_left_out_is_said() -> None:
    """A shortened report says that it is one, and keeps what matters most."""
    text = render_markdown(many_attempts(), limit_chars=6_000)
    assert "_Left out to keep this short: " in text
    assert "#### What was not checked" in text
    assert "```diff" in text
    short = render_markdown(many_attempts(), limit_chars=900)
    assert "_Left out to keep this short: 28 sections._" in short


def test_default_limit_fits_a_comment() -> None:
    """A megabyte of hostile text still makes a comment that a forge takes, and is UTF-8."""
    text = render_markdown(hostile())
    assert len(text) <= 60_000
    assert "\x1b" not in text.encode("utf-8").decode()
    assert EVIL not in text
