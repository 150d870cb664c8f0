"""Owns the sandbox's images: a base image, the requirements' wheels and the runner.

It does not know the repository's files; those are streamed in later. The wheels are downloaded by
the host and installed by a build without network, so a build sees no secret and fetches nothing.
"""

from __future__ import annotations

import json
import re
import shlex
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from egbot.dependencies import Requirements
from egbot.errors import SandboxError
from egbot.execution.build import BuildFailedError, build
from egbot.execution.cache import cache_folder, locked, space_error
from egbot.execution.confinement import docker_run_arguments
from egbot.execution.docker_cli import docker
from egbot.execution.options import Report, SandboxOptions
from egbot.execution.packages import RETRY_S, Target, install_for, platform_name
from egbot.execution.payload import runner_files

REPOSITORY = "egbot-sandbox"
PULL_TIMEOUT_S = 900
ENVIRONMENT_PATH = "/opt/egbot/env"
RUNNER_PATH = "/opt/egbot/runner"
SETUP_PATH = "/opt/egbot/setup"
_LEFT_OUT = "egbot.left-out"

_QUESTION = """
import json, os, platform, sys
version = platform.python_version()
if sys.version_info < (3, 8):
    sys.exit(print(json.dumps({"too_old": version})))
import importlib.metadata
print(json.dumps({
    "version": version,
    "libc": platform.libc_ver(),
    "machine": platform.machine(),
    "installed": {
        one.metadata["Name"]: one.version
        for one in importlib.metadata.distributions() if one.metadata["Name"]
    },
}))
"""

_DOCKERFILE = """\
FROM {base} AS build
LABEL egbot=1 egbot.stage=build
USER 0
RUN ["python3", "-I", "-m", "venv", "--without-pip", "--system-site-packages", "{environment}"]
COPY packages {environment}/lib/python{short}/site-packages
COPY bin {environment}/bin

FROM {base}
LABEL egbot=1 egbot.image={digest}
USER 0
COPY --from=build {environment} {environment}
COPY runner {runner}
RUN ["{environment}/bin/python", "-I", "-S", "-m", "compileall", "-q", "{runner}", \
"{environment}/lib"]
{setup}\
ENTRYPOINT []
CMD ["{environment}/bin/python"]
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
        docker(["pull", "--quiet", name], timeout_s=PULL_TIMEOUT_S)
    except SandboxError as error:
        raise SandboxError(
            f"the image {name} is not here and cannot be pulled: {error.message}",
            hint="name an image that is here and has Python 3.8 or newer with --image NAME",
        ) from error
    found = inspect(name)
    if found is None:
        raise SandboxError(f"the image {name} was pulled and is gone", hint="try again")
    return found


def inspect(name: str) -> Image | None:
    """Return the image ``name`` if the engine has it."""
    try:
        known = json.loads(docker(["image", "inspect", name]))[0]
    except SandboxError as error:
        if "no such image" in error.message.lower():
            return None
        raise
    config = known.get("Config") or {}
    labels = config.get("Labels") or {}
    volumes = tuple(sorted(config.get("Volumes") or {}))
    told = json.loads(labels.get(_LEFT_OUT, "{}"))
    is_stale = bool(told) and time.time() - told["at_s"] > RETRY_S
    digest = str(labels.get("egbot.image", ""))
    return Image(name, str(known["Id"]), volumes, told.get("lines", {}), is_stale, digest)


def ensure_image(requirements: Requirements, options: SandboxOptions, report: Report) -> Image:
    """Return an image with ``requirements`` and the runner in it, building it once.

    Its tag is the hash of all that goes in. Raises SandboxError, SpaceError.
    """
    base = base_image(options, report)
    files = runner_files()
    parts = sorted((path, data.hex()) for path, data in files.items())
    made_of = [base.image_id, json.dumps(parts), _DOCKERFILE, json.dumps(_scripts(options))]
    digest = requirements.digest(*made_of)[:24]
    tag = f"{REPOSITORY}:{digest}"
    found = inspect(tag)
    if found is not None and found.digest == digest and not found.is_stale:
        return found
    if found is not None and found.digest != digest:
        report(f"the image {tag} is not egbot's: built anew")
    folder = cache_folder(options) / "images"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / f"{digest}.lock", report):
            found = inspect(tag)
            if found is None or found.digest != digest or found.is_stale:
                _build(tag, base, requirements, files, options, report)
                found = inspect(tag)
    except OSError as error:
        raise space_error(error, folder) from error
    if found is None:
        raise SandboxError(f"the image {tag} was built and is gone", hint="try again")
    return found


def platform_of(base: Image, options: SandboxOptions) -> Target:
    """Ask the image's own Python what it is, in a confined container."""
    arguments = docker_run_arguments(
        options, labels={"egbot": "1"}, environment={}, volumes=base.volumes
    )
    cause: Exception | None = None
    try:
        answer = docker([*arguments, "--entrypoint", "python3", base.name, "-I", "-c", _QUESTION])
        known = json.loads(answer)
        detail = f"it is Python {known.get('too_old')}"
        if "too_old" not in known:
            return _target(known)
    except (SandboxError, ValueError, KeyError, TypeError, AttributeError) as error:
        cause = error
        detail = error.message if isinstance(error, SandboxError) else "no sensible answer"
        if re.search("executable file not found|no such file or directory", detail, re.IGNORECASE):
            detail = "there is none"
    raise SandboxError(
        f"python3 does not work in the image {base.name}: {detail}",
        hint="name an image that has Python 3.8 or newer with --image NAME",
    ) from cause


def _target(known: dict[str, Any]) -> Target:
    return Target(
        version=str(known["version"]),
        platform=platform_name(known["libc"], known["machine"]),
        installed={canonicalize_name(key): str(one) for key, one in known["installed"].items()},
    )


def _build(
    tag: str,
    base: Image,
    requirements: Requirements,
    files: Mapping[str, bytes],
    options: SandboxOptions,
    report: Report,
) -> None:
    report(f"building an image with {', '.join(requirements.lines)[:300]}")
    target = platform_of(base, options)
    wanted = SpecifierSet(requirements.requires_python)
    if not wanted.contains(target.version, prereleases=True):
        report(
            f"the repository asks for Python {requirements.requires_python}, the image "
            f"{base.name} has {target.version}: name another with --image"
        )
    with tempfile.TemporaryDirectory(prefix="egbot-image-") as name:
        context = Path(name)
        packages = context / "packages"
        left_out = install_for(
            target,
            requirements.lines,
            packages,
            python=f"{ENVIRONMENT_PATH}/bin/python",
            next_step="name an image that has the packages, or a Python that has wheels, with --image",
        )
        (packages / "bin").mkdir(exist_ok=True)
        (packages / "bin").rename(context / "bin")
        for path, data in files.items():
            at = context / "runner" / path
            at.parent.mkdir(parents=True, exist_ok=True)
            at.write_bytes(data)
        scripts = _scripts(options)
        (context / "setup").mkdir()
        for path, script in scripts.items():
            (context / "setup" / path).write_text(script, encoding="utf-8")
        text = _DOCKERFILE.format(
            base=base.name,
            digest=tag.rpartition(":")[2],
            environment=ENVIRONMENT_PATH,
            short=".".join(target.version.split(".")[:2]),
            runner=RUNNER_PATH,
            setup=_setup_steps(scripts),
        )
        (context / "Dockerfile").write_text(text, encoding="utf-8")
        try:
            told = json.dumps({"at_s": time.time(), "lines": left_out})
            labels = ["--label", f"{_LEFT_OUT}={told}"] if left_out else []
            build(["--tag", tag, *labels, str(context)])
        except BuildFailedError as error:
            raise _build_error(str(error), options) from error


def _scripts(options: SandboxOptions) -> dict[str, str]:
    """Return one shell script for each set-up command; they know the variables of the tests."""
    variables = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in options.env)
    path = f'export PATH="{ENVIRONMENT_PATH}/bin:$PATH"\n'
    return {
        f"{number}.sh": f"{path}{variables}{command}\n"
        for number, command in enumerate(options.setup, 1)
    }


def _setup_steps(scripts: Mapping[str, str]) -> str:
    """The commands stand in files of their own, where no Dockerfile syntax can be made of them."""
    steps = [f'RUN ["/bin/sh", "-e", "{SETUP_PATH}/{path}"]\n' for path in scripts]
    return "".join([f"COPY setup {SETUP_PATH}\n", *steps] if steps else steps)


def _build_error(log: str, options: SandboxOptions) -> SandboxError:
    """Say which part of the build failed: a set-up command, or the installation."""
    failed = re.search(rf"{re.escape(SETUP_PATH)}/(\d+)\.sh", log)
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
