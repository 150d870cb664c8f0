"""Owns ``docker build``: how one is started, and what of its log a person needs when it fails.

It does not know what the images are for. A build has no network, no secret and none of the
command's own proxy settings; the context goes in as a tar, so that nothing of it is written here.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress

from egbot.consent import build_context
from egbot.errors import SandboxError, SpaceError
from egbot.execution.docker_cli import (
    PROXY_NAMES,
    docker,
    docker_environment,
    docker_path,
    engine_fault,
)
from egbot.execution.options import Report
from egbot.execution.payload import LINK_MODE, build_tar
from egbot.records import Tree

BUILD_TIMEOUT_S = 1800
BASE_REPOSITORY = "egbot-dockerfile"
KEPT_BASES = 5
_LOG_LINES = 12
_NOISE = re.compile(
    r"DEPRECATED:|\s*Install the buildx|\s*https://docs\.docker\.com|Sending build context"
    r"| ---> [0-9a-f]{12}$| ---> Running in| ---> Using cache|Removing intermediate|-+$"
    r"|#\d+ (?:DONE|CACHED|sha256|transferring|resolve)"
)


class BuildFailedError(Exception):
    """The build itself failed; the message is the log's relevant end."""


def build(arguments: Sequence[str], context: bytes | None = None) -> None:
    """Run ``docker build`` with ``arguments``; ``context`` is a tar that replaces the folder.

    Raises BuildFailedError when an instruction fails, SandboxError or SpaceError when the engine
    is at fault.
    """
    command = [docker_path(), "build", "--network", "none", "--force-rm", *arguments]
    for proxy in PROXY_NAMES:
        command[2:2] = ["--build-arg", f"{proxy}="]
    if context is not None:
        command.append("-")
    try:
        done = subprocess.run(
            command,
            input=context or b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=BUILD_TIMEOUT_S,
            env=docker_environment(),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"docker build did not end within {BUILD_TIMEOUT_S} s",
            hint="see which instruction never ends: run docker build by hand",
        ) from error
    except OSError as error:
        raise SandboxError(
            f"the docker command could not be started: {error}", hint="run egbot doctor"
        ) from error
    if done.returncode == 0:
        return
    log = done.stdout.decode("utf-8", "replace")
    fault = engine_fault(log)
    if fault is not None:
        raise fault
    raise BuildFailedError(relevant_end(log))


def relevant_end(log: str, limit_chars: int = 1600) -> str:
    """Return what a build's log says of its failure: the step that failed and what it printed."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[^\S\n]+$", "", log, flags=re.MULTILINE)
    plain = re.sub(r"//[^/@\s]+@", "//***@", plain)
    lines = [line for line in plain.splitlines() if line.strip() and not _NOISE.match(line)]
    steps = [at for at, line in enumerate(lines) if re.match(r"Step \d+/\d+ :| > \[", line)]
    shown = lines[steps[-1] :] if steps else lines
    if len(shown) > _LOG_LINES:
        shown = [shown[0], "...", *shown[2 - _LOG_LINES :]]
    text = "\n".join(shown) or "it said nothing"
    return text if len(text) <= limit_chars else "..." + text[-limit_chars:]


def built_base(tree: Tree, path: str, report: Report) -> str:
    """Build the Dockerfile at ``path`` of ``tree`` once and return the image's name.

    Its folder is the build's context, and the hash of all in it the image's tag. Raises
    SandboxError, SpaceError.
    """
    file = tree.get(path)
    if file is None or file.mode == LINK_MODE:
        why = "is not in the repository" if file is None else "is a link"
        raise SandboxError(
            f"the Dockerfile {path} {why}",
            hint="name a file that git tracks: [tool.egbot.sandbox] dockerfile",
        )
    start = path.rfind("/") + 1
    inside = build_context(tree, path)
    context = build_tar({name[start:]: one for name, one in inside.items()})
    digest = hashlib.sha256(f"{path[start:]}\0".encode() + context).hexdigest()[:24]
    name = f"{BASE_REPOSITORY}:{digest}"
    label = f"egbot.base={digest}"
    if not docker(["image", "ls", "--quiet", "--filter", f"label={label}", name]).strip():
        report(f"building {path}")
        try:
            build(["--tag", name, "--label", label, "--file", path[start:]], context)
        except BuildFailedError as error:
            raise SandboxError(
                f"{path} cannot be built:\n{error}",
                hint="mend the Dockerfile (its build has no network, and its own folder is all "
                "that it can copy), or build an image by hand and name it with --image",
            ) from error
        _reap_bases()
    return name


def _reap_bases() -> None:
    """Remove all but the newest bases; what other images are made of stays with those."""
    with suppress(SandboxError, SpaceError):
        shown = ["--format", "{{.Repository}}:{{.Tag}}"]
        for old in docker(["image", "ls", BASE_REPOSITORY, *shown]).split()[KEPT_BASES:]:
            docker(["image", "rm", old])
