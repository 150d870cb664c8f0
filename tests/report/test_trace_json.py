"""trace.json holds what docs/trace.schema.json promises, and any reader can parse it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def has_type(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def faults(value: Any, schema: dict[str, Any], where: str = "$") -> list[str]:
    """What is wrong with ``value`` by the part of JSON Schema that our schema uses."""
    known = {"$ref", "anyOf", "const", "enum", "type", "items", "minItems", "maxItems"}
    known |= {"properties", "required", "additionalProperties"}
    known |= {"$schema", "$id", "$defs", "title", "description"}
    assert schema.keys() <= known, f"{where}: this check does not know {schema.keys() - known}"
    if "$ref" in schema:
        return faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
    if "anyOf" in schema:
        found = [faults(value, each, where) for each in schema["anyOf"]]
        return [] if [] in found else found[0]
    if "const" in schema or "enum" in schema:
        allowed = schema.get("enum", [schema.get("const")])
        return [] if value in allowed else [f"{where}: {value!r} is not allowed"]
    names = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(has_type(value, name) for name in names):
        return [f"{where}: {value!r} is no {names}"]
    if isinstance(value, dict):
        return faults_of_object(value, schema, where)
    if isinstance(value, list):
        size = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        inner = [
            fault
            for index, item in enumerate(value)
            for fault in faults(item, schema["items"], f"{where}[{index}]")
        ]
        return inner if size else [f"{where}: wrong length", *inner]
    return []


def faults_of_object(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    own, extra = schema.get("properties", {}), schema.get("additionalProperties", True)
    found = [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
    for key, item in value.items():
        if key not in own and extra is False:
            found.append(f"{where}: {key} is unknown")
        elif key in own or isinstance(extra, dict):
            found += faults(item, own.get(key, extra), f"{where}.{key}")
    return found


@pytest.mark.parametrize("build", [solved, unsolved, no_target, hostile])
def test_document_obeys_its_schema(build: Callable[[], Outcome]) -> None:
    """Every kind of outcome gives a document that the published schema accepts."""
    outcome = build()
    text = json.dumps(trace_document(outcome, sample_run(outcome)), allow_nan=False)
    assert text.isascii()
    assert faults(json.loads(text), SCHEMA) == []


def test_document_of_a_traced_test_obeys_the_same_schema() -> None:
    """What ``egbot trace --json`` prints is a trace.json, with the reason "traced"."""
    document = traced_document(fib_seen(), fib_target(), {"egbot": "0.1.0", "python": "3.11.9"})
    assert faults(json.loads(json.dumps(document)), SCHEMA) == []
    assert (document["reason"], document["egbot"]) == ("traced", "0.1.0")
    assert document["versions"] == {"python": "3.11.9"}


def test_the_check_finds_faults() -> None:
    """The small schema check is not blind: unknown, missing and ill-typed keys are found."""
    document = json.loads(json.dumps(trace_document(solved())))
    document["extra"] = 1
    del document["detail"]
    document["tests"][0]["trace"]["events"][0]["kind"] = "jump"
    document["code"]["first_line"] = "12"
    document["attempts"][1]["lines"][0]["tokens"][0]["logp_plain"] = True
    assert len(faults(document, SCHEMA)) == 5


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
