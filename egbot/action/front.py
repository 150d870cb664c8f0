"""Owns the way from an event to a plan: read it, weigh it, and settle what is to be written.

It runs no code of the repository and writes nothing. What it asks, it asks the forge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import click

from egbot.action.inputs import Inputs
from egbot.action.runner import Runner, event_payload
from egbot.config import Settings, load_settings
from egbot.consent import refuse_forbidden
from egbot.errors import UsageError
from egbot.forge import Forge
from egbot.intake.command import Answer, Wish, issue_help_text, read_command
from egbot.intake.event import Ignored, read_event
from egbot.intake.issue import tests_in_issue
from egbot.intake.trust import base_settings, decide
from egbot.records import Trigger

_SEEDS = 2**31


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that counts: who asked, under which settings, for what."""

    trigger: Trigger
    settings: Settings
    wish: Wish
    has_issue_tests: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """No run, and why. ``reply`` is Markdown that is due to the person who asked, or ""."""

    outcome: Literal["ignored", "refused", "answered"]
    why: str
    trigger: Trigger | None = None
    reply: str = ""
    topic: str = ""


def read_trigger(runner: Runner) -> Trigger | Ignored:
    """What the runner's event asks for, as yet unchecked."""
    return read_event(runner.event_name, event_payload(runner), runner.repository)


def settings_for(trigger: Trigger, inputs: Inputs, forge: Forge) -> Settings:
    """The base branch's settings under those of the workflow. Raises UsageError, ForgeError."""
    settings = _changed(base_settings(trigger, forge), inputs.overrides)
    refuse_forbidden(settings, inputs.overrides, None, "pyproject.toml of the base branch")
    return settings


def plan(runner: Runner, inputs: Inputs, forge: Forge, solve: click.Command) -> Plan | Pause:
    """What to do about the runner's event. Raises ForgeError when the forge cannot be asked."""
    trigger = read_trigger(runner)
    if isinstance(trigger, Ignored):
        return Pause("ignored", trigger.why)
    settings = settings_for(trigger, inputs, forge)
    decision = decide(trigger, settings, forge)
    if not decision.is_trusted:
        reply = decision.why if decision.is_heard and trigger.comment else ""
        return Pause("refused", decision.why, trigger, f"{reply}." if reply else "", "refused")
    trigger = decision.trigger
    wish = _wish(trigger, settings, solve)
    if isinstance(wish, Answer):
        return Pause(
            "answered", f"answered with words: {wish.topic}", trigger, wish.text, wish.topic
        )
    return _settled(trigger, settings, wish, inputs)


def _settled(trigger: Trigger, settings: Settings, wish: Wish, inputs: Inputs) -> Plan | Pause:
    has_issue_tests = False
    if trigger.kind == "issue":
        issue = tests_in_issue(trigger.text)
        has_issue_tests = bool(issue.blocks or issue.named)
        if not has_issue_tests and not wish.tests and not wish.targets:
            reply = issue_help_text(settings.github.label)
            return Pause("answered", "the issue holds no test", trigger, reply, "issue-help")
    elif not wish.tests and not wish.targets:
        wish = Wish(wish.verb, inputs.tests, inputs.targets, wish.overrides)
    try:
        settings = _changed(settings, wish.overrides)
    except UsageError as error:
        return Pause("answered", error.message, trigger, f"{error.message}.", "unknown")
    if wish.verb == "retry" and "seed" not in wish.overrides and trigger.comment:
        settings = settings.model_copy(update={"seed": trigger.comment[1] % _SEEDS})
    return Plan(trigger, settings, wish, has_issue_tests)


def _wish(trigger: Trigger, settings: Settings, solve: click.Command) -> Wish | Answer:
    if not trigger.command:
        return Wish("solve")
    limits = {
        "max_seconds": settings.max_seconds,
        "max_tokens": float(settings.max_tokens),
        "max_lines": float(settings.max_lines),
    }
    return read_command(trigger.command, solve, limits)


def _changed(settings: Settings, overrides: Mapping[str, object]) -> Settings:
    """The settings with ``overrides``, which are nested as they are. Raises UsageError."""
    dumped = settings.model_dump(mode="json")
    for key, value in overrides.items():
        below = dumped.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            dumped[key] = {**below, **value}
        else:
            dumped[key] = value
    return load_settings(None, dumped, where="the workflow or the comment")
