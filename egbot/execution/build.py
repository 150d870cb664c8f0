"""Owns building an image: how a build is started, and what of its log a person needs if it fails.

A build has no network and no secret.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
from contextlib import suppress
from pathlib import Path

import docker
from docker.errors import APIError

from egbot.consent import build_context
from egbot.errors import SandboxError
from egbot.execution.docker_engine import NO_SPACE, connected, no_space
from egbot.execution.options import Report
from egbot.execution.payload import LINK_MODE, build_tar
from egbot.records import Tree

BUILD_TIMEOUT_S = 1800
BASE_REPOSITORY = "egbot-dockerfile"
KEPT_BASES = 5
_LOG_LINES = 12
_NOISE = re.compile(r" ---> |Removing intermediate|Successfully (?:built|tagged)")


class BuildFailedError(Exception):
    """The build itself failed; the message is the log's relevant end."""


def build(
    context: bytes | Path, *, tag: str, labels: dict[str, str], dockerfile: str = "Dockerfile"
) -> None:
    """Build an image of ``context``, a tar or a folder.

    Raises BuildFailedError when an instruction fails, SandboxError or SpaceError when the engine
    is at fault.
    """
    deadline = time.monotonic() + BUILD_TIMEOUT_S
    log, has_failed = "", False
    with connected(BUILD_TIMEOUT_S) as client:
        try:
            for told in client.build(
                path=None if isinstance(context, bytes) else str(context),
                fileobj=io.BytesIO(context) if isinstance(context, bytes) else None,
                custom_context=isinstance(context, bytes),
                dockerfile=dockerfile,
                tag=tag,
                labels=labels,
                network_mode="none",
                forcerm=True,
                decode=True,
                use_config_proxy=False,
            ):
                log += str(told.get("stream") or told.get("error") or "")
                has_failed |= "error" in told
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"the build did not end within {BUILD_TIMEOUT_S} s",
                        hint=f"see which instruction never ends: {relevant_end(log)}",
                    )
        except APIError as error:  # a Dockerfile that cannot be read
            if not error.is_client_error():
                raise
            log, has_failed = str(error.explanation), True
    if has_failed:
        raise no_space() if NO_SPACE.search(log) else BuildFailedError(relevant_end(log))


def relevant_end(log: str, limit_chars: int = 1600) -> str:
    """Return what a build's log says of its failure: the step that failed and what it printed."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|[^\S\n]+$", "", log, flags=re.MULTILINE)
    plain = re.sub(r"//[^/@\s]+@", "//***@", plain)
    lines = [line for line in plain.splitlines() if line.strip() and not _NOISE.match(line)]
    steps = [at for at, line in enumerate(lines) if re.match(r"Step \d+/\d+ :", line)]
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
    name, label = f"{BASE_REPOSITORY}:{digest}", {"egbot.base": digest}
    with connected() as client:
        found = client.images(name, filters={"label": f"egbot.base={digest}"})
    if not found:
        report(f"building {path}")
        try:
            build(context, tag=name, labels=label, dockerfile=path[start:])
        except BuildFailedError as error:
            raise SandboxError(
                f"{path} cannot be built:\n{error}",
                hint="mend the Dockerfile (its build has no network and no BuildKit, and its own "
                "folder is all that it can copy), or build an image by hand and name it with "
                "--image",
            ) from error
        with connected() as client:
            remove_old(client, BASE_REPOSITORY, KEPT_BASES)
    return name


def remove_old(client: docker.APIClient, repository: str, num_kept: int) -> int:
    """Remove all but the newest images of ``repository`` and return how many.

    The engine refuses to remove what a container, or another image, uses.
    """
    found = sorted(client.images(repository), key=lambda one: int(one["Created"]), reverse=True)
    num_removed = 0
    for name in [tag for one in found for tag in one["RepoTags"] or ()][num_kept:]:
        with suppress(APIError):
            client.remove_image(name)
            num_removed += 1
    return num_removed
