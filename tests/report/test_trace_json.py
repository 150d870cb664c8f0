"""trace.json holds what docs/trace.schema.json promises, and any reader can parse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from egbot.records import Outcome
from egbot.report.trace_json import trace_document, traced_document
from tests.report.golden import check
from tests.report.samples import (
    fib_seen,
    fib_target,
    hostile,
    no_target,
    sample_run,
    solved,
    unsolved,
)

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "trace.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def faults(document: object) -> list[str]:
    """What is wrong with a document by the published schema."""
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(document)]


def test_the_schema_itself_is_valid() -> None:
    """It is one by the rules of its own draft, and closes every object that it describes."""
    Draft202012Validator.check_schema(SCHEMA)
    named = [SCHEMA, *SCHEMA["$defs"].values()]
    assert [each for each in named if each.get("additionalProperties") is not False] == []


@pytest.mark.parametrize("build", [solved, unsolved, no_target, hostile])
def test_document_obeys_its_schema(build: Callable[[], Outcome]) -> None:
    """Every kind of outcome gives a document that the published schema accepts."""
    outcome = build()
    text = json.dumps(trace_document(outcome, sample_run(outcome)), allow_nan=False)
    assert text.isascii()
    assert faults(json.loads(text)) == []


def test_document_of_a_traced_test_obeys_the_same_schema() -> None:
    """What ``egbot trace --json`` prints is a trace.json, with the reason "traced"."""
    document = traced_document(fib_seen(), fib_target(), {"egbot": "0.1.0", "python": "3.11.9"})
    assert faults(json.loads(json.dumps(document))) == []
    assert (document["reason"], document["egbot"]) == ("traced", "0.1.0")
    assert document["versions"] == {"python": "3.11.9"}


def test_the_check_finds_faults() -> None:
    """The check is not blind: unknown, missing and ill-typed keys are found."""
    document = json.loads(json.dumps(trace_document(solved())))
    document["extra"] = 1
    del document["detail"]
    document["tests"][0]["trace"]["events"][0]["kind"] = "jump"
    document["code"]["first_line"] = "12"
    document["attempts"][1]["lines"][0]["tokens"][0]["logp_plain"] = True
    assert len(faults(document)) == 5


def test_golden_document() -> None:
    """The document of the sample is reviewed by eye when it changes."""
    outcome = solved()
    document = trace_document(outcome, sample_run(outcome))
    check("solved.trace.json", json.dumps(document, indent=1) + "\n")


def test_code_and_trace_lines_meet() -> None:
    """``first_line`` places every event of the function on a line of the code."""
    document: Any = trace_document(solved())
    lines = document["code"]["text"].splitlines()
    first = document["code"]["first_line"]
    for test in document["tests"]:
        events = test["trace"]["events"]
        assert all(0 <= event["line"] - first < len(lines) for event in events)
        assert lines[events[-1]["line"] - first].strip() == "return sums"
