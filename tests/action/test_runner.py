"""What the step tells the runner, and what it keeps from everybody else."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.action.runner import (
    MAX_SUMMARY_BYTES,
    Runner,
    annotate,
    event_payload,
    mask,
    no_commands,
    put_outputs,
    put_summary,
    runner_of,
    say,
    take_secrets,
)
from egbot.errors import SpaceError, UsageError


def runner(tmp_path: Path) -> Runner:
    return replace(
        runner_of({"GITHUB_REPOSITORY": "octo/shop"}),
        workspace=tmp_path,
        output_file=tmp_path / "output",
        summary_file=tmp_path / "summary.md",
    )


def test_outside_of_actions_the_step_says_so() -> None:
    with pytest.raises(UsageError, match="GITHUB_REPOSITORY"):
        runner_of({})


def test_github_enterprise_s_addresses_are_the_runner_s() -> None:
    found = runner_of(
        {
            "GITHUB_REPOSITORY": "octo/shop",
            "GITHUB_SERVER_URL": "https://ghe.example/",
            "GITHUB_API_URL": "https://ghe.example/api/v3/",
        }
    )
    assert found.api_url == "https://ghe.example/api/v3"
    assert found.server_url == "https://ghe.example"


def test_no_child_process_inherits_a_secret() -> None:
    environment = {
        "PATH": "/bin",
        "EGBOT_INPUTS": "{}",
        "GITHUB_TOKEN": "t",
        "ACTIONS_RUNTIME_TOKEN": "t",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t",
        "INPUT_TOKEN": "t",
    }
    taken = take_secrets(environment)
    assert environment == {"PATH": "/bin"}
    assert taken["EGBOT_INPUTS"] == "{}"


def test_a_missing_payload_is_a_usage_error(tmp_path: Path) -> None:
    assert event_payload(runner(tmp_path)) == b"{}"
    with pytest.raises(UsageError, match="payload cannot be read"):
        event_payload(replace(runner(tmp_path), event_path=tmp_path / "none.json"))


def test_a_token_is_masked_in_every_form_in_which_it_travels(
    capsys: pytest.CaptureFixture[str],
) -> None:
    mask("tok%en")
    mask("")
    lines = capsys.readouterr().out.splitlines()
    basic = base64.b64encode(b"x-access-token:tok%en").decode()
    assert lines == ["::add-mask::tok%25en", f"::add-mask::{basic}"]


def test_strangers_words_are_no_commands_to_the_runner(
    capsys: pytest.CaptureFixture[str],
) -> None:
    say("::add-path::/evil\n  ::set-output name=x::y\na ##[add-path]x\nplain :: text\r::error::z")
    out = capsys.readouterr().out
    assert not re.search(r"^\s*::|##\[", out, re.MULTILINE)
    assert "plain :: text" in out
    annotate("error", "a\n::error::b % c")
    assert capsys.readouterr().out == "::error title=egbot::a%0A::error::b %25 c\n"


def test_within_a_run_commands_are_stopped_by_a_word_that_nobody_knows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = []
    for _ in range(2):
        with pytest.raises(KeyError), no_commands():
            raise KeyError
        first, *_middle, last = capsys.readouterr().out.split()
        word = first.removeprefix("::stop-commands::")
        assert last == f"::{word}::"
        assert re.fullmatch(r"[0-9a-f]{32}", word)
        words.append(word)
    assert words[0] != words[1]


def test_outputs_cannot_end_their_own_delimiter(tmp_path: Path) -> None:
    here = runner(tmp_path)
    put_outputs(here, {"outcome": "patched\nEOF\nadmin=yes", "patched": "1"})
    text = (tmp_path / "output").read_text()
    found = re.findall(
        r"^([a-z]+)<<(egbot-[0-9a-f]{32})\n(.*?)\n\2$", text, re.DOTALL | re.MULTILINE
    )
    assert [(name, value) for name, _, value in found] == [
        ("outcome", "patched\nEOF\nadmin=yes"),
        ("patched", "1"),
    ]


def test_a_summary_stays_below_its_limit_by_whole_sections(tmp_path: Path) -> None:
    here = runner(tmp_path)
    section = "é" * 200_000
    put_summary(here, [f"one {section}", f"two {section}", f"three {section}"])
    put_summary(here, [f"four {section}"])
    text = (tmp_path / "summary.md").read_text()
    assert len(text.encode()) <= MAX_SUMMARY_BYTES
    assert "two" in text
    assert "three" not in text
    assert "The rest is in the artifact" in text


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    here = replace(runner(tmp_path), summary_file=tmp_path)
    with pytest.raises(SpaceError, match="cannot be written"):
        put_summary(here, ["text"])


def test_without_files_nothing_is_written() -> None:
    here = runner_of({"GITHUB_REPOSITORY": "octo/shop"})
    put_outputs(here, {"outcome": "patched"})
    put_summary(here, ["text"])
    assert here.output_file is None
