"""What a run left unsolved as a SARIF 2.1.0 log, which code scanning shows at the functions.

It does not know where the log is written or sent. Only targets without an accepted function
become results: what was written is in the patch.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

from egbot.records import Outcome, Run, Target
from egbot.report import story
from egbot.report.text import WHY_CHARS, count, one_line

Json = dict[str, object]

SCHEMA_URI = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {
    "no_patch": "warning",
    "rejected": "warning",
    "contradictory_tests": "error",
    "over_budget": "note",
    "interrupted": "note",
}
_REASONS = tuple(_LEVELS)


def sarif_document(run: Run) -> Json:
    """One SARIF run: a rule for each reason, a result for each unsolved or rejected target."""
    results = [
        _result(outcome, outcome.target)
        for outcome in run.outcomes
        if outcome.target is not None and outcome.reason in _LEVELS
    ]
    return {
        "$schema": SCHEMA_URI,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": _driver(run)},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(run)],
                "results": results,
            }
        ],
    }


def _driver(run: Run) -> Json:
    return {
        "name": "egbot",
        "version": one_line(run.egbot, 40) or "unknown",
        "rules": [
            {
                "id": _rule(reason),
                "name": story.VERDICTS[reason].title().replace(" ", ""),
                "shortDescription": {"text": story.VERDICTS[reason]},
                "fullDescription": {"text": f"{story.REASONS[reason]}.".capitalize()},
                "defaultConfiguration": {"level": level},
            }
            for reason, level in _LEVELS.items()
        ],
    }


def _rule(reason: str) -> str:
    return f"egbot/{reason.replace('_', '-')}"


def _invocation(run: Run) -> Json:
    """Whether the run ended by itself, and the failing tests that no target explains."""
    told = [
        f"{one_line(left.node_id, 300)}: {one_line(left.why, WHY_CHARS)}"
        for outcome in run.outcomes
        for left in outcome.left[:50]
    ]
    return {
        "executionSuccessful": run.finished,
        "toolExecutionNotifications": [
            {"level": "note", "message": {"text": _literal(text)}} for text in told
        ],
    }


def _result(outcome: Outcome, target: Target) -> Json:
    key = f"{target.path}::{target.qualname}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": _rule(outcome.reason),
        "ruleIndex": _REASONS.index(outcome.reason),
        "level": _LEVELS[outcome.reason],
        "message": {"text": _literal(_words(outcome))},
        "locations": [{"physicalLocation": _place(target)}],
        "partialFingerprints": {"egbotTarget/v1": digest},
    }


def _words(outcome: Outcome) -> str:
    passed, total = story.score(outcome)
    words = f"{story.name(outcome)}: {story.verdict_words(outcome)}"
    words += f"; the nearest try passes {passed} of {count(total, 'test')}."
    failed = story.first_failure(story.shown(outcome).tests)
    if failed is not None:
        words += f" {one_line(failed.node_id, 200)}: {story.fault_words(failed)}."
    return words + (f" {one_line(outcome.detail, 400)}" if outcome.detail else "")


def _place(target: Target) -> Json:
    # the lines of a function that is missing are those of egbot's stub, which nobody else has
    is_there = target.origin in ("stub", "named")
    first = max(target.span.start_line, 1) if is_there else 1
    last = max(target.span.end_line, first) if is_there else 1
    path = quote(target.path.encode("utf-8", "surrogatepass"), safe="/")
    return {
        "artifactLocation": {"uri": path.lstrip("/"), "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": first, "endLine": last},
    }


def _literal(text: str) -> str:
    """Text in which no link and no placeholder is seen (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    return re.sub(r"([\[\]\\])", r"\\\1", text).replace("{", "{{").replace("}", "}}")
