"""Owns the action's inputs: the JSON that action.yml passes, as values and as settings.

It does not know what is done with them. An empty input is one that was not given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, cast

from egbot.config import known_keys
from egbot.errors import UsageError

Mode = Literal["synthesize", "publish", "all", "stubs"]
MODES = ("synthesize", "publish", "all", "stubs")
OWN = ("mode", "token", "tests", "targets", "path", "output", "junit-artifact", "python")
"""The inputs that are no settings."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the workflow's author wrote under ``with:``. ``overrides`` is nested as Settings is."""

    mode: Mode
    token: str = field(repr=False)
    tests: tuple[str, ...]
    targets: tuple[str, ...]
    path: str
    output: str
    junit_artifact: str
    overrides: Mapping[str, object]


def input_name(key: str) -> str:
    """The input of the setting ``key``: ``sandbox.test_s`` is ``sandbox-test-s``."""
    return key.replace(".", "-").replace("_", "-")


def read_inputs(text: str) -> Inputs:
    """The inputs in a JSON object of strings. Raises UsageError for what action.yml lacks."""
    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(
            "the action's inputs are no JSON", hint="use action.yml as it is"
        ) from error
    if not isinstance(given, dict):
        raise UsageError("the action's inputs are no JSON object", hint="use action.yml as it is")
    values = {str(name): str(value).strip() for name, value in given.items() if value is not None}
    names = {input_name(key): key for key in known_keys()}
    unknown = sorted(set(values) - set(names) - set(OWN))
    if unknown:
        raise UsageError(f"there is no input {unknown[0]!r}", hint="see the inputs in action.yml")
    mode = values.get("mode") or "synthesize"
    if mode not in MODES:
        raise UsageError(f"mode is {mode!r}", hint=f"give one of {', '.join(MODES)}")
    return Inputs(
        mode=cast("Mode", mode),
        token=values.get("token", ""),
        tests=tuple(values.get("tests", "").split()),
        targets=tuple(values.get("targets", "").split()),
        path=values.get("path", ""),
        output=values.get("output") or "egbot-out",
        junit_artifact=values.get("junit-artifact", ""),
        overrides=_nested({names[name]: value for name, value in values.items() if name in names}),
    )


def _nested(flat: Mapping[str, str]) -> dict[str, object]:
    """Dotted keys as tables; what was not given is left out."""
    tables: dict[str, dict[str, object]] = {"": {}}
    for key, value in flat.items():
        if value:
            table, _, name = key.rpartition(".")
            tables.setdefault(table, {})[name] = _value(key, value)
    top = tables.pop("")
    return {**top, **tables}


def _value(key: str, text: str) -> object:
    """An input is one string; what a setting holds several of stands in lines or words."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if key in ("github.bots", "guard.allow"):
        return tuple(text.replace(",", " ").split())
    if key == "sandbox.setup":
        return tuple(lines)
    if key == "sandbox.env":
        pairs = [line.partition("=") for line in lines]
        return {name.strip(): value.strip() for name, _, value in pairs}
    return text
