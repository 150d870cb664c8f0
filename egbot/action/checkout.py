"""Owns fetching the one commit that a run works on, into a folder of its own.

No hook, filter, submodule or configuration of the repository takes effect. A pull request is
fetched as ``refs/pull/N/head``, so that forks are like all others.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

from egbot.errors import ForgeError, HeadMovedError
from egbot.gitcommand import ask_git, run_git
from egbot.records import Trigger


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to fetch from; the token goes to git in its environment, never on its command line."""

    server_url: str
    repository: str
    token: str = field(default="", repr=False)


def fetch(origin: Origin, trigger: Trigger, branch: str, folder: Path) -> str:
    """Check the trigger's commit out into ``folder`` (made here); its SHA.

    Without a pull request it is the tip of ``branch``. Raises HeadMovedError when the pull
    request is at another commit by now, ForgeError when it cannot be fetched.
    """
    is_pull = trigger.kind == "pull_request" and trigger.number is not None
    ref = f"refs/pull/{trigger.number}/head" if is_pull else f"refs/heads/{branch}"
    folder.mkdir(parents=True)
    ask_git(folder, "init", "--quiet", "--template=", own={})
    # the address is not stored as a remote: nothing that runs later shall fetch or push by name
    url = f"{origin.server_url}/{origin.repository}.git"
    fetched = ("fetch", "--quiet", "--no-tags", "--depth=1", "--", url, ref)
    status, _, said = run_git(folder, *fetched, own=_online(origin))
    if status:
        raise ForgeError(
            f"git fetch of {origin.repository} failed: {said[-400:] or 'no message'}",
            hint="the token needs contents: read; see that the branch still exists",
        )
    sha = ask_git(folder, "rev-parse", "--verify", "FETCH_HEAD^{commit}", own={}).decode()
    if trigger.head_sha and sha != trigger.head_sha:
        raise HeadMovedError(
            f"{ref} is at {sha[:12]} now, and {trigger.head_sha[:12]} was asked for",
            hint="ask again: /egbot retry",
        )
    ask_git(folder, "checkout", "--quiet", "--detach", sha, own={})
    return sha


def _online(origin: Origin) -> dict[str, str]:
    protocols = {"GIT_ALLOW_PROTOCOL": "https:http:file"}
    if not origin.token:
        return protocols
    basic = base64.b64encode(f"x-access-token:{origin.token}".encode()).decode()
    return protocols | {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{origin.server_url}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {basic}",
    }
