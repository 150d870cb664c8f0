"""Owns fetching the one commit that a run works on, into a folder of its own.

It knows git and nothing of what the commit holds: no hook, filter, submodule or configuration of
the repository takes effect. A pull request is fetched as ``refs/pull/N/head``, so that forks are
like all others.
"""

from __future__ import annotations

import base64
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from egbot.errors import ForgeError, HeadMovedError, SurroundingsError
from egbot.records import Trigger

_TIMEOUT_S = 600
_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


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
    _git(folder, origin, "init", "--quiet", "--template=")
    # the address is not stored as a remote: nothing that runs later shall fetch or push by name
    url = f"{origin.server_url}/{origin.repository}.git"
    _git(folder, origin, "fetch", "--quiet", "--no-tags", "--depth=1", url, ref)
    sha = _git(folder, origin, "rev-parse", "--verify", "FETCH_HEAD^{commit}")
    if trigger.head_sha and sha != trigger.head_sha:
        raise HeadMovedError(
            f"{ref} is at {sha[:12]} now, and {trigger.head_sha[:12]} was asked for",
            hint="ask again: /egbot retry",
        )
    _git(folder, origin, "checkout", "--quiet", "--detach", sha)
    return sha


def _git(folder: Path, origin: Origin, *arguments: str) -> str:
    name = arguments[0]
    try:
        done = subprocess.run(  # noqa: S603  an argument list of our own
            ["git", *arguments],  # noqa: S607  the runner's git
            cwd=folder,
            env=_environment(origin if name == "fetch" else None),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise SurroundingsError("git was not found", hint="install git on the runner") from error
    except subprocess.TimeoutExpired as error:
        raise ForgeError(f"git {name} did not finish in {_TIMEOUT_S} s") from error
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()[-400:]
        raise ForgeError(
            f"git {name} of {origin.repository} failed: {said or 'no message'}",
            hint="the token needs contents: read; see that the branch still exists",
        )
    return done.stdout.decode("utf-8", "replace").strip()


def _environment(origin: Origin | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in (*_KEPT, *_PROXIES) if name in os.environ}
    settings = {"core.hooksPath": os.devnull, "submodule.recurse": "false"}
    if origin is not None and origin.token:
        basic = base64.b64encode(f"x-access-token:{origin.token}".encode()).decode()
        settings[f"http.{origin.server_url}/.extraheader"] = f"AUTHORIZATION: basic {basic}"
    numbered: dict[str, str] = {"GIT_CONFIG_COUNT": str(len(settings))}
    for index, (key, value) in enumerate(settings.items()):
        numbered[f"GIT_CONFIG_KEY_{index}"] = key
        numbered[f"GIT_CONFIG_VALUE_{index}"] = value
    return {
        **kept,
        **numbered,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https:http:file",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
