"""Owns the sandbox's images: a base image, the packages that tests need, and the runner.

The host downloads the packages and lays them out, so that a build needs no network and sees no
secret. The repository's own files are streamed in later.
"""

from __future__ import annotations

import json
import re
import shlex
import tarfile
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from docker.errors import APIError, ImageNotFound
from packaging.specifiers import SpecifierSet

from egbot.dependencies import Requirements
from egbot.errors import SandboxError
from egbot.execution.attached import Attached
from egbot.execution.build import build, remove_old
from egbot.execution.cache import cache_folder, locked
from egbot.execution.confinement import host_config
from egbot.execution.docker_engine import connected
from egbot.execution.interpreter import QUESTION, Interpreter, newest_in, read_answer
from egbot.execution.link import LinkLostError
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.packages import RETRY_S, install_for
from egbot.execution.payload import runner_files, write_files

REPOSITORY = "egbot-sandbox"
KEPT_IMAGES = 10
PULL_TIMEOUT_S = 900
ASK_TIMEOUT_S = 60
ENVIRONMENT_PATH = "/opt/egbot/env"
PYTHON_PATH = f"{ENVIRONMENT_PATH}/bin/python"
RUNNER_PATH = "/opt/egbot/runner"
_LEFT_OUT = "egbot.left-out"
_FITTING = "name an image that is here and has Python 3.10 or newer with --image NAME"

_DOCKERFILE = """\
FROM {base}
LABEL egbot=1 egbot.image={digest}
USER 0
RUN ["python3", "-I", "-m", "venv", "--without-pip", "--system-site-packages", "{environment}"]
COPY packages {environment}/lib/python{version}/site-packages
COPY scripts {environment}/bin
COPY runner {runner}
RUN ["{python}", "-I", "-S", "-c", "from compileall import compile_dir as compile; \
compile('{environment}/lib', quiet=2); compile('{runner}', quiet=2)"]
{setup}\
ENTRYPOINT []
CMD ["{python}"]
"""


@dataclass(frozen=True, slots=True)
class Image:
    """An image as the engine knows it; ``volumes`` are the folders that it declares.

    ``left_out`` are the requirement lines that could not be installed when it was built, and why;
    ``is_stale`` says that they should be tried again. ``digest`` is what it says it is made of.
    """

    name: str
    image_id: str
    volumes: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    is_stale: bool = False
    digest: str = ""


def base_image(options: SandboxOptions, report: Report) -> Image:
    """Return the base image, pulling it when it is not there. Raises SandboxError."""
    name = options.image
    if not re.fullmatch(r"[A-Za-z0-9][\w./:@-]*", name):
        raise SandboxError(f"{name!r} is not an image's name", hint="set another with --image NAME")
    found = inspect(name)
    if found is not None:
        return found
    report(f"pulling the image {name}")
    try:
        with connected(PULL_TIMEOUT_S) as client:
            client.pull(name, tag=None if re.search(r":[^/]*$|@", name) else "latest")
    except SandboxError as error:
        why = f"the image {name} is not here and cannot be pulled: {error.message}"
        raise SandboxError(why, hint=_FITTING) from error
    return _present(name)


def inspect(name: str) -> Image | None:
    """Return the image ``name`` if the engine has it. Raises SandboxError."""
    with connected() as client:
        try:
            known = client.inspect_image(name)  # type: ignore[no-untyped-call]
        except ImageNotFound:
            return None
    config = known.get("Config") or {}
    labels = config.get("Labels") or {}
    digest = str(labels.get("egbot.image", ""))
    told = json.loads(labels.get(_LEFT_OUT, "{}")) if digest else {}
    return Image(
        name,
        image_id=str(known["Id"]),
        volumes=tuple(sorted(config.get("Volumes") or {})),
        left_out=told.get("lines", {}),
        is_stale=bool(told) and time.time() - told["at_s"] > RETRY_S,
        digest=digest,
    )


def _present(name: str) -> Image:
    found = inspect(name)
    if found is None:
        raise SandboxError(f"the image {name} was made and is gone", hint="try again")
    return found


def ensure_image(requirements: Requirements, options: SandboxOptions, report: Report) -> Image:
    """Return an image with ``requirements`` and the runner in it, building it once.

    Its tag is the hash of all that goes in. Raises SandboxError, SpaceError.
    """
    base = base_image(options, report)
    runner = sorted((path, data.hex()) for path, data in runner_files().items())
    parts = [base.image_id, json.dumps(runner), _DOCKERFILE, json.dumps(_scripts(options))]
    digest = requirements.digest(*parts)[:24]
    tag = f"{REPOSITORY}:{digest}"
    found = inspect(tag)
    if found is not None and found.digest != digest:
        report(f"the image {tag} is not egbot's: built anew")
    if found is not None and _is_ready(found, digest):
        return found
    with locked(cache_folder(options) / "images" / f"{digest}.lock", report):
        found = inspect(tag)
        if found is None or not _is_ready(found, digest):
            _build(tag, base, requirements, options, report)
    return _present(tag)


def _is_ready(image: Image, digest: str) -> bool:
    return image.digest == digest and not image.is_stale


def reap_images() -> None:
    """Remove all but the newest images and what builds left behind."""
    with connected() as client:
        remove_old(client, REPOSITORY, KEPT_IMAGES)
        with suppress(APIError):
            client.prune_images({"label": "egbot", "until": "1h"})  # type: ignore[no-untyped-call]


def target_of(base: Image, options: SandboxOptions) -> Interpreter:
    """Ask the image's own Python what it is, in a confined container. Raises SandboxError.

    Its ``path`` is where the image that is built will have it.
    """
    config = host_config(options, volumes=base.volumes)
    try:
        link = Attached(base.name, ["python3", "-I", "-c", QUESTION], config, {})
        try:
            return read_answer(Path(PYTHON_PATH), link.exchange(b"", ASK_TIMEOUT_S))
        finally:
            link.close()
    except (SandboxError, LinkLostError) as error:
        why = getattr(error, "message", "no sensible answer")
        if re.search("executable file not found|no such file or directory", why, re.IGNORECASE):
            why = "there is none"
        what = f"python3 does not work in the image {base.name}: {why}"
        raise SandboxError(what, hint=_FITTING) from error


def _build(
    tag: str, base: Image, requirements: Requirements, options: SandboxOptions, report: Report
) -> None:
    report(f"building an image with {', '.join(requirements.lines)[:300]}")
    target = target_of(base, options)
    wanted = requirements.requires_python
    if not SpecifierSet(wanted).contains(target.version, prereleases=True):
        step = "name another with --image" if newest_in(wanted) else "egbot needs 3.10 or later"
        report(
            f"the repository asks for Python {wanted}, the image {base.name} has "
            f"{target.version}: {step}"
        )
    scripts = _scripts(options)
    steps = [f'RUN ["/bin/sh", "-e", "/opt/egbot/{name}"]\n' for name in scripts]
    text = _DOCKERFILE.format(
        base=base.name,
        digest=tag.rpartition(":")[2],
        environment=ENVIRONMENT_PATH,
        python=PYTHON_PATH,
        version=".".join(target.version.split(".")[:2]),
        runner=RUNNER_PATH,
        setup="".join(["COPY setup /opt/egbot/setup\n", *steps] if steps else steps),
    )
    step = "name an image that has the packages, or a Python that has wheels, with --image"
    with tempfile.TemporaryDirectory(prefix="egbot-image-") as name:
        context = Path(name)
        packages = context / "packages"
        left_out = install_for(target, requirements.lines, packages, step)
        (packages / "bin").mkdir(parents=True, exist_ok=True)
        (packages / "bin").rename(context / "scripts")
        texts = {"Dockerfile": text, **scripts}
        files = {f"runner/{path}": data for path, data in runner_files().items()}
        write_files(files | {path: one.encode() for path, one in texts.items()}, context)
        told = json.dumps({"at_s": time.time(), "lines": left_out})
        with tempfile.TemporaryFile() as file:
            with tarfile.open(fileobj=file, mode="w") as archive:
                archive.add(context, arcname=".")
            file.seek(0)
            log = build(file, tag=tag, labels={_LEFT_OUT: told} if left_out else {})
    if log:
        raise _build_error(log, options)


def _scripts(options: SandboxOptions) -> dict[str, str]:
    """Return one shell script for each set-up command, where no Dockerfile syntax is made of it.

    They know the variables of the tests.
    """
    variables = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in options.env)
    path = f'export PATH="{ENVIRONMENT_PATH}/bin:$PATH"\n'
    return {
        f"setup/{number}.sh": f"{path}{variables}{command}\n"
        for number, command in enumerate(options.setup, 1)
    }


def _build_error(log: str, options: SandboxOptions) -> SandboxError:
    """Say which part of the build failed: a set-up command, or the installation."""
    failed = re.search(r"/opt/egbot/setup/(\d+)\.sh", log)
    if failed and 0 < int(failed[1]) <= len(options.setup):
        return SandboxError(
            f"the set-up command {options.setup[int(failed[1]) - 1]!r} failed:\n{log}",
            hint="mend it in [tool.egbot.sandbox] setup; it runs as root in the image, with "
            "neither a network nor the repository's files",
        )
    return SandboxError(
        f"the sandbox's image cannot be built:\n{log}",
        hint="name an image that has the packages, or another Python, with --image",
    )
