"""Owns building an image, without a network and a secret, and what of a failed build's log is told."""

from __future__ import annotations

import hashlib
import io
import re
import time
from contextlib import suppress
from typing import IO

import docker
from docker.errors import APIError, DockerException

from egbot.consent import build_context
from egbot.errors import SandboxError, SpaceError
from egbot.execution.docker_engine import connected, engine_error
from egbot.execution.options import Report
from egbot.execution.payload import LINK_MODE, build_tar
from egbot.records import Tree

BUILD_TIMEOUT_S = 1800
BASE_REPOSITORY = "egbot-dockerfile"
KEPT_BASES = 5
_MAX_LOG_CHARS = 50_000
_LOG_LINES = 12
_NOISE = re.compile(r" ---> |Removing intermediate|\s*$")
_STEP = re.compile(r"Step \d+/\d+ :")


def build(
    context: IO[bytes], *, tag: str, labels: dict[str, str], dockerfile: str = "Dockerfile"
) -> str:
    """Build an image of ``context``, a tar; return what is told of a failure, "" after success.

    Raises SandboxError or SpaceError when the engine is at fault, or no end comes.
    """
    deadline = time.monotonic() + BUILD_TIMEOUT_S
    log, has_failed = "", False
    with connected(BUILD_TIMEOUT_S) as client:
        try:
            for told in client.build(
                fileobj=context,
                custom_context=True,
                dockerfile=dockerfile,
                tag=tag,
                labels=labels,
                network_mode="none",
                forcerm=True,
                decode=True,
                use_config_proxy=False,
            ):
                text = str(told.get("stream") or told.get("error") or "")
                log = (log + text)[-_MAX_LOG_CHARS:]
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
    fault = engine_error(DockerException(log), BUILD_TIMEOUT_S)
    if has_failed and isinstance(fault, SpaceError):
        raise fault
    return relevant_end(log) if has_failed else ""


def relevant_end(log: str, limit_chars: int = 1600) -> str:
    """Return what a build's log says of its failure: the step that failed and what it printed."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]|(?<=//)[^/@\s]+(?=@)", "", log)
    lines = [line.rstrip() for line in plain.splitlines() if not _NOISE.match(line)]
    step = max((at for at, line in enumerate(lines) if _STEP.match(line)), default=0)
    shown = lines[step:] or ["it said nothing"]
    if len(shown) > _LOG_LINES:
        shown = [shown[0], "...", *shown[2 - _LOG_LINES :]]
    return "\n".join(shown)[-limit_chars:]


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
    with connected() as client:
        if client.images(name, filters={"label": f"egbot.base={digest}"}):
            return name
    report(f"building {path}")
    labels = {"egbot.base": digest}
    log = build(io.BytesIO(context), tag=name, labels=labels, dockerfile=path[start:])
    if log:
        raise SandboxError(
            f"{path} cannot be built:\n{log}",
            hint="mend the Dockerfile (its build has no network and no BuildKit, and its own folder "
            "is all that it can copy), or build an image by hand and name it with --image",
        )
    with connected() as client:
        remove_old(client, BASE_REPOSITORY, KEPT_BASES)
    return name


def remove_old(client: docker.APIClient, repository: str, num_kept: int) -> None:
    """Remove all but the newest images of ``repository``, and those in use: the engine refuses."""
    found = sorted(client.images(repository), key=lambda one: int(one["Created"]), reverse=True)
    for name in [tag for one in found for tag in one["RepoTags"] or ()][num_kept:]:
        with suppress(APIError):
            client.remove_image(name)
