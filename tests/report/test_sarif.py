"""The SARIF log is one that code scanning takes: valid by the standard, inert, at the right lines."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker

from egbot.records import Origin, Outcome, Reason, Run
from egbot.report.sarif import sarif_document
from tests.fetched import kept
from tests.report.golden import check
from tests.report.samples import hidden, hostile, no_target, sample_run, solved, unsolved

LEVELS = {"none", "note", "warning", "error"}
RUNS = {
    "empty": (),
    "solved": (solved(),),
    "mixed": (solved(), unsolved(), no_target()),
    "hostile": (hostile(), hostile(3_000)),
}


def document(run: Run) -> dict[str, Any]:
    text = json.dumps(sarif_document(run), allow_nan=False)
    assert text.isascii()
    found: dict[str, Any] = json.loads(text)
    return found


def faults(found: dict[str, Any]) -> list[str]:
    """What the standard and code scanning ask for and the log lacks."""
    told = [] if found["version"] == "2.1.0" and found["$schema"] else ["version"]
    (run,) = found["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    if len(set(rules)) != len(rules) or not run["tool"]["driver"]["name"]:
        told.append("driver")
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        region, uri = place["region"], place["artifactLocation"]["uri"]
        if rules[result["ruleIndex"]] != result["ruleId"] or result["level"] not in LEVELS:
            told.append("rule")
        if not 1 <= region["startLine"] <= region["endLine"]:
            told.append("region")
        if not uri.isascii() or uri.startswith("/") or set(uri) & set(' <>"\\{}|^`'):
            told.append(f"uri {uri}")
        if not result["message"]["text"] or not result["partialFingerprints"]:
            told.append("message")
    return told


@pytest.mark.parametrize("name", RUNS)
def test_log_has_what_code_scanning_needs(name: str) -> None:
    assert faults(document(sample_run(*RUNS[name]))) == []


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """The standard's own JSON Schema, as Microsoft ships it."""
    found = json.loads(kept("sarif.json"))
    Draft7Validator.check_schema(found)
    return Draft7Validator(found, format_checker=FormatChecker())


@pytest.mark.parametrize("name", RUNS)
def test_log_is_valid_by_the_standard(name: str, schema: Draft7Validator) -> None:
    """The JSON Schema of SARIF 2.1.0 accepts every log, and is not blind."""
    found = document(sample_run(*RUNS[name]))
    assert [error.message for error in schema.iter_errors(found)] == []
    found["runs"][0]["tool"]["driver"]["rules"][0]["extra"] = 1
    found["version"] = "2.2.0"
    assert len(list(schema.iter_errors(found))) == 2


def result_of(outcome: Outcome) -> dict[str, Any]:
    (result,) = document(sample_run(outcome))["runs"][0]["results"]
    found: dict[str, Any] = result
    return found


def test_what_is_solved_or_has_no_place_is_no_result() -> None:
    """Only targets that are still open are told; a test without a target becomes a note."""
    (run,) = document(sample_run(solved(), no_target()))["runs"]
    assert run["results"] == []
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "tests/test_web.py::test_login: needs a network"


@pytest.mark.parametrize("reason", ["no_patch", "rejected", "contradictory_tests", "over_budget"])
def test_every_unsolved_reason_has_its_rule(reason: Reason) -> None:
    result = result_of(replace(unsolved(), reason=reason))
    assert result["ruleId"] == f"egbot/{reason.replace('_', '-')}"


@pytest.mark.parametrize(
    ("origin", "lines"), [("stub", (12, 14)), ("named", (12, 14)), ("missing_name", (1, 1))]
)
def test_result_lies_where_the_reader_has_lines(origin: Origin, lines: tuple[int, int]) -> None:
    """A function that is only missing has no lines yet in the file that the reader has."""
    outcome = unsolved()
    assert outcome.target is not None
    result = result_of(replace(outcome, target=replace(outcome.target, origin=origin)))
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["endLine"]) == lines


def test_every_text_of_a_hostile_log_is_visible() -> None:
    """No control, bidirectional or lone character is left in any name, message or key."""
    assert hidden(document(sample_run(hostile(), hostile(3_000), solved()))) == []


def test_outside_text_makes_no_link_and_no_placeholder() -> None:
    """Brackets, backslashes and braces of names and messages are escaped as the standard says."""
    text = result_of(hostile(3_000))["message"]["text"]
    assert "\\[link\\](javascript:alert(1))" in text
    assert "[link](" not in text.replace("\\[link\\](", "")
    assert "{{{{ 7 * 7 }}}}" in text
    assert text.isprintable()


def test_fingerprint_stays_when_the_run_changes() -> None:
    """Code scanning takes two runs' results on one function for the same alert."""
    later = replace(unsolved(), reason="rejected", attempts=())
    prints = [result_of(each)["partialFingerprints"] for each in (unsolved(), later)]
    assert prints[0] == prints[1]


def test_golden_log() -> None:
    log = sarif_document(sample_run(solved(), unsolved(), no_target()))
    check("run.sarif.json", json.dumps(log, indent=1) + "\n")
