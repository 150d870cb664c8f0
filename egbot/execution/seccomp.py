"""Owns the seccomp profile that Docker is given. It does not know which calls are allowed, and why.

``seccomp.json`` beside this module is what ``python -m egbot.execution.seccomp`` prints: the table
of ``egbot.execution.calls`` in the engine's words, a comment with every group. The engine adds that
a call newer than the profile answers "no such call" (runc, since 2021) instead of EPERM.
"""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path

from egbot.execution.calls import ALLOWED, CLONE3, RULES, Rule, names

PROFILE = Path(__file__).with_name("seccomp.json")

_ALLOW = "SCMP_ACT_ALLOW"
_REFUSE = "SCMP_ACT_ERRNO"


def render_profile() -> str:
    """Return the profile as the engine reads it.

    No machine brings its 32-bit calls along: the engine's own profile does.
    """
    groups = [
        {"names": list(names(one.calls)), "action": _ALLOW, "comment": one.why} for one in ALLOWED
    ]
    refused = {
        "names": list(names(CLONE3)),
        "action": _REFUSE,
        "errnoRet": errno.ENOSYS,
        "comment": "Its flags are out of a filter's reach; the C library then uses clone.",
    }
    profile = {
        "defaultAction": _REFUSE,
        "defaultErrnoRet": errno.EPERM,
        "archMap": [
            {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": []},
            {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": []},
        ],
        "syscalls": [*groups, *map(_ruled, RULES), refused],
    }
    return json.dumps(profile, indent=1) + "\n"


def _ruled(rule: Rule) -> dict[str, object]:
    arguments = [
        {"index": argument, "value": mask, "valueTwo": value, "op": "SCMP_CMP_MASKED_EQ"}
        for argument, mask, value in rule.conditions
    ]
    return {
        "names": list(names(rule.call)),
        "action": _ALLOW,
        "args": arguments,
        "comment": rule.why,
    }


if __name__ == "__main__":
    sys.stdout.write(render_profile())
