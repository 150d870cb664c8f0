"""What one job's answer holds of all its tests together, so that it stays small however many they are.

It does not know where outcomes come from. An outcome is trimmed when it comes, before the next one.
"""

from __future__ import annotations

import json
from typing import Any

SHORT_CHARS = 200
"""What is kept of a test's output, and of its fault's message, once there is no more room."""
ROOM_CHARS = 512 * 1024
EVIDENCE_CHARS = 24 * 1024 * 1024
"""What a probe's sights of all tests may come to."""

Outcome = dict[str, Any]


class Room:
    """The ``outcomes`` by node id: the room in one answer, with ``max_events`` for traces.

    Whole, up to their own limit, are the traces of the first test that fails and of the first that
    passes; of the others as many as there is room for. Of one more, the last outermost call and how
    it ended are left.
    """

    def __init__(self, max_events: int) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self._events_left = max_events
        self._chars_left = ROOM_CHARS
        self._evidence_left = EVIDENCE_CHARS
        self._seen: set[bool] = set()

    def add(self, outcome: Outcome, output: str, trace: dict[str, Any] | None) -> None:
        """Keep what there is room for."""
        fault = outcome.get("fault")
        used = len(output) + (len(fault["message"]) if fault else 0)
        if used > self._chars_left:
            output = _short(output)
            if fault:
                outcome["fault"] = dict(fault, message=_short(fault["message"]))
        self._chars_left -= min(used, self._chars_left)
        if trace is not None:
            trace = self._fit_trace(trace, outcome["status"] == "passed")
        evidence = outcome.get("evidence")
        if evidence is not None:
            self._evidence_left -= len(json.dumps(evidence))
            if self._evidence_left < 0:
                notes = [
                    *evidence["notes"],
                    "there was no more room for what happened in this test",
                ]
                outcome["evidence"] = dict(evidence, sights=[], notes=notes)
        self.outcomes[outcome["node_id"]] = dict(outcome, output=output, trace=trace)

    def _fit_trace(self, trace: dict[str, Any], passed: bool) -> dict[str, Any]:
        """Return the trace, or of its last outermost call the arguments, and its last event."""
        events = trace["events"]
        if passed not in self._seen:
            self._seen.add(passed)
            return trace
        if len(events) <= self._events_left:
            self._events_left -= len(events)
            return trace
        starts = [one for one in events if one["kind"] == "call" and one["depth"] == 0]
        kept = [*starts[-1:], *(events[-1:] if events[-1:] != starts[-1:] else [])]
        num_dropped = trace["num_dropped"] + len(events) - len(kept)
        return dict(trace, events=kept, num_dropped=num_dropped)


def _short(text: str) -> str:
    if len(text) <= SHORT_CHARS:
        return text
    return f"{text[:SHORT_CHARS]}... {len(text) - SHORT_CHARS} more characters"
