"""The first look at an artifact: its size and shape, and what makes two runs the same."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from egbot.errors import UsageError
from egbot.publish.load import fingerprint, load_run
from egbot.records import Outcome
from egbot.report.files import run_json, write_run
from tests.publish.scenes import STUB, WRITTEN, outcome, run_of

RUN = run_of(outcome(STUB.encode()))


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    write_run(tmp_path / "run.json", RUN)
    assert load_run(tmp_path / "run.json") == RUN


def test_a_file_that_is_too_large_is_not_even_opened(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    write_run(path, RUN)
    with pytest.raises(UsageError, match="more than 100 are not read"):
        load_run(path, max_bytes=100)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path("/dev/zero")):
        with pytest.raises(UsageError):
            load_run(path)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "egbot.run/2"},
        {"surprise": 1},
        {"finished": "perhaps"},
        {"outcomes": [{}]},
        {"trigger": {"event": "x"}},
    ],
)
def test_unknown_missing_and_ill_typed_keys_are_refused(change: object, tmp_path: Path) -> None:
    document = {**json.loads(run_json(RUN)), **change}  # type: ignore[dict-item]
    (tmp_path / "run.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError):
        load_run(tmp_path / "run.json")


def test_text_that_is_no_json_is_refused(tmp_path: Path) -> None:
    for text in ("", "{", "[" * 100_000, "null", '"x"'):
        (tmp_path / "run.json").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError):
            load_run(tmp_path / "run.json")


def test_a_run_with_more_outcomes_than_anybody_reads_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "run.json", replace(RUN, outcomes=(Outcome("no_target", None, ()),) * 201))
    with pytest.raises(UsageError, match="201 outcomes"):
        load_run(tmp_path / "run.json")


def test_the_fingerprint_is_of_the_change_and_not_of_the_story() -> None:
    """Two runs that wrote the same function are one change, so that it is committed once."""
    told_otherwise = replace(RUN, finished=False, detail="x", settings={}, versions={})
    assert fingerprint(told_otherwise) == fingerprint(RUN)
    other = run_of(outcome(STUB.encode(), code=WRITTEN.replace("result", "amount")))
    assert fingerprint(other) != fingerprint(RUN)
    assert len(fingerprint(RUN)) == 16
