"""The posts: they read like a careful colleague, fit the limit, and no quoted text takes effect."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from egbot.forge import MAX_BODY_CHARS
from egbot.publish.comment import (
    Voice,
    commit_message,
    pull_body,
    pull_title,
    report_body,
    suggestion_body,
)
from egbot.publish.fit import num_units
from egbot.publish.markers import REPORT
from egbot.publish.recheck import Function
from egbot.publish.said import Said
from egbot.publish.suggestion import Fit
from egbot.records import Outcome, Patch, Run, Verdict
from tests.publish.scenes import STUB, WRITTEN, outcome, run_of, target, unsolved
from tests.report.samples import EVIL, hostile, no_target, sample_run, solved

GOLDENS = Path(__file__).parent / "goldens"
OWN_HTML = re.compile(
    r"<details>\n<summary>[\w ():,.]+</summary>\n?|</details>\n?|<!-- egbot:[\w:-]+ -->\n?|</?sub>"
)
RUN = run_of(outcome(STUB.encode()))
BOTH = run_of(solved(), unsolved())
PATCH = "--- a/shop.py\n+++ b/shop.py\n@@ -12 +12 @@\n-    raise NotImplementedError\n+    return sum(prices)\n"
SHA, NOW = "5b89a8584f6ebe7d06445c62d2b3f82d6fd4d76a", "c0ffee584f6ebe7d06445c62d2b3f82d6fd4d76a"
URL = "https://github.com/octo/shop/pull/12"
PLACES: dict[str, tuple[Run, Said]] = {
    "suggestion": (RUN, Said("suggestion", suggestion_urls=(f"{URL}#discussion_r7",))),
    "suggestions": (BOTH, Said("suggestion", suggestion_urls=(f"{URL}#r7", f"{URL}#r8"))),
    "stacked": (RUN, Said("pull_request", branch="egbot/12-total", pull_number=13, commit_sha=SHA)),
    "commit": (RUN, Said("commit", commit_sha=SHA)),
    "fork": (RUN, Said("branch", branch="egbot/12-total", commit_sha=SHA, patch=PATCH)),
    "patch": (RUN, Said("comment", patch=PATCH)),
    "there": (RUN, Said(state="there", commit_sha=SHA)),
    "moved": (RUN, Said(state="moved", head_sha=SHA, now_sha=NOW, patch=PATCH)),
    "refused": (RUN, Said(state="refused", refusals=("total: its diff changes more",))),
    "issue": (
        RUN,
        Said("pull_request", is_issue=True, branch="egbot/12-total", pull_number=13),
    ),
    "no_permission": (
        RUN,
        Said("comment", patch=PATCH, problems=("GitHub answered 403: add `contents: write`.",)),
    ),
    "no_pull": (
        RUN,
        Said(
            "pull_request",
            branch="egbot/12-total",
            compare_url="https://github.com/octo/shop/compare/a...b?expand=1",
            problems=("GitHub answered 403: Actions may not open pull requests.",),
        ),
    ),
    "unsolved": (run_of(unsolved()), Said()),
    "no_target": (run_of(no_target()), Said()),
    "broken_off": (replace(run_of(), finished=False, detail="no model"), Said()),
}


def check(name: str, text: str) -> None:
    path = GOLDENS / name
    if os.environ.get("EGBOT_REGENERATE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name}: look, then EGBOT_REGENERATE=1"


@pytest.mark.parametrize("name", PLACES)
def test_golden_comment(name: str) -> None:
    """The posts are reviewed by eye when they change."""
    run, said = PLACES[name]
    check(f"{name}.comment.md", report_body(run, said, Voice()))


def fit_of(code: str, lines: tuple[str, ...]) -> Fit:
    return Fit(Function("shop.py", "total", code, b""), 12, 12, lines)


def test_golden_posts_besides_the_comment() -> None:
    said = PLACES["stacked"][1]
    check("stacked.pull.md", pull_body(RUN, said, Voice(), 12))
    check("issue.pull.md", pull_body(RUN, PLACES["issue"][1], Voice(), 12))
    fit = fit_of(WRITTEN, tuple(WRITTEN.splitlines()[2:]))
    check("suggestion.review.md", suggestion_body(fit, RUN, SHA, Voice()))
    check("commit.txt", commit_message(BOTH))


def test_the_order_is_the_one_in_which_a_reader_asks() -> None:
    run, said = PLACES["suggestion"]
    text = report_body(run, said, Voice())
    parts = ["### egbot wrote", "It makes these 2 failing tests pass", "**To take it**"]
    parts += ["#### How it came to be", "All tests (2)", "Attempt 1", "Settings, versions and cost"]
    parts += ["#### What was not checked", "<sub>This comes from egbot"]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


def test_who_speaks_can_be_left_out_but_is_there_by_default() -> None:
    run, said = PLACES["suggestion"]
    assert "which is a bot" in report_body(run, said, Voice("robot"))
    assert "take the label `robot` away" in report_body(run, said, Voice("robot"))
    assert "which is a bot" not in report_body(run, said, Voice(identity=False))
    fit = fit_of(WRITTEN, ("    return 0",))
    assert "which is a bot" in suggestion_body(fit, RUN, SHA, Voice())
    assert "which is a bot" in pull_body(RUN, said, Voice(), 12)


def test_a_suggestion_s_fence_is_longer_than_any_run_of_backticks() -> None:
    lines = ('    """```', "    `````", '    """')
    text = suggestion_body(fit_of(WRITTEN, lines), RUN, SHA, Voice())
    (block,) = [token for token in parse(text) if token.type == "fence"]
    assert block.info == "suggestion"
    assert block.markup == "``````"
    assert block.content == "\n".join(lines) + "\n"


# --- hostile text -------------------------------------------------------------------------------


def parse(text: str) -> list[Token]:
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    tokens = []
    for token in parser.parse(text):
        tokens += [token, *(token.children or [])]
    return tokens


def attacks(size: int = 3_000) -> Run:
    evil = hostile(size)
    as_patched = replace(evil, reason="patched", verdict=Verdict(True, (EVIL,), (EVIL,)))
    run = sample_run(as_patched, evil)
    settings = {"model": EVIL, EVIL: EVIL, "verify_repeats": EVIL}
    return replace(run, settings=settings, egbot=EVIL, detail=EVIL, versions={EVIL: EVIL})


def said_of(run: Run, said: Said) -> Said:
    patch = run.outcomes[0].patch
    assert isinstance(patch, Patch)
    return replace(said, branch=EVIL, patch=patch.unified_diff, problems=(EVIL,), refusals=(EVIL,))


@pytest.mark.parametrize("name", PLACES)
def test_no_quoted_text_takes_effect(name: str) -> None:
    """No mention, no issue link, no HTML, no heading, no forged marker, whatever the run says."""
    run = attacks()
    said = said_of(run, PLACES[name][1])
    for finished in (True, False):
        text = report_body(replace(run, finished=finished), said, Voice(EVIL))
        tokens = parse(text)
        words = "\n".join(token.content for token in tokens if token.type == "text")
        for attack in ("@everyone", "#12 ", "repo#3", "GH-9", "example.com", "@b.example"):
            assert attack not in words, name
        html = [one.content for one in tokens if one.type in ("html_block", "html_inline")]
        assert all(
            not OWN_HTML.sub("", one).strip() or one.startswith("<!-- egbot:report -->")
            for one in html
        )
        kinds = {token.type for token in tokens}
        assert not kinds & {"image", "hr", "blockquote_open", "table_open"}
        assert text.split("\n")[0] == REPORT
        outside = [token.content for token in tokens if token.type == "html_block"]
        assert sum(one.count("<!-- egbot:") for one in outside) == 1


def test_titles_and_messages_hold_no_outside_text_but_names() -> None:
    """In a commit message or title, words such as "fixes #12" would act."""
    run = attacks()
    for text in (pull_title(run), commit_message(run)):
        assert not re.search(r"[@#<>`\[\]:]", text.replace("Egbot-Run:", ""))
    told = run_of(replace(solved(), target=replace(target(), tests=("t.py::t[fixes #1]",))))
    assert "#" not in commit_message(told)


# --- the limit ----------------------------------------------------------------------------------


def many(number: int) -> Run:
    long = solved()
    return sample_run(*[replace(long, attempts=long.attempts * 6) for _ in range(number)])


@pytest.mark.parametrize("number", [1, 3, 30])
def test_the_body_always_fits_and_keeps_what_matters(number: int) -> None:
    """The comment is shortened by whole sections: all fences and folds are closed."""
    run = many(number)
    for said in (PLACES["suggestion"][1], replace(PLACES["patch"][1], patch=PATCH * 100)):
        for text in (report_body(run, said, Voice()), pull_body(run, said, Voice(), 12)):
            assert num_units(text) <= MAX_BODY_CHARS
            assert text.count("<details>") == text.count("</details>")
            assert len(re.findall("^ *```", text, re.MULTILINE)) % 2 == 0
            assert "which is a bot" in text
    if number == 30:
        assert "_Left out to keep this short" in report_body(run, PLACES["suggestion"][1], Voice())


def test_a_megabyte_of_attacks_fits_and_is_utf_8() -> None:
    run = attacks(1_000_000)
    text = report_body(run, said_of(run, PLACES["patch"][1]), Voice())
    assert num_units(text) <= MAX_BODY_CHARS
    assert text.encode("utf-8").decode() == text


def test_a_patch_that_cannot_be_shown_exactly_is_not_shown() -> None:
    """People copy it: cut short or with escapes in it, it would do something else."""
    for patch in ("+" + "x" * 30_000, "+\x1b[31m\n", "+a\r\n"):
        text = report_body(RUN, Said("comment", patch=patch), Voice())
        assert "The patch is in the run's artifact" in text
        assert "```diff" not in text


def test_an_outcome_without_anything_to_tell_is_still_a_comment() -> None:
    empty = Outcome("over_budget", None, ())
    text = report_body(replace(run_of(empty), settings={}), Said(), Voice())
    assert text.startswith(f"{REPORT}\n### egbot ran out of its budget\n")
