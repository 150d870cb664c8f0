"""Owns the calls of pip on the host. It does not know what the wheels are for.

Only wheels are ever asked for: building a source package would run its code on the host. Where
pip downloads from is its own configuration's affair.
"""

from __future__ import annotations

import email.parser
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from egbot.errors import SandboxError, SpaceError

PIP_TIMEOUT_S = 1800
MAX_ROUNDS = 8
"""How often missing dependencies are looked for; each round goes one level deeper."""

_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|USER|LANG|TMPDIR|NETRC|(?:PIP|SSL_CERT|LC|XDG)_\w+|REQUESTS_CA_BUNDLE"
    r"|CURL_CA_BUNDLE|(?:https?|ftp|all|no)_proxy",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Platform:
    """The Python that wheels are for: its version, pip's platform tags and marker values.

    ``markers`` are the PEP 508 environment markers as that Python sees them; ``installed`` maps
    canonical names to the versions that it has already.
    """

    version: str
    implementation: str
    platforms: tuple[str, ...]
    markers: Mapping[str, str]
    installed: Mapping[str, str]


def has_pip() -> bool:
    """Say whether pip is installed next to egbot."""
    return importlib.util.find_spec("pip") is not None


def run_pip(command: Sequence[str], *, what: str, next_step: str) -> None:
    """Run ``command`` (a pip call); raise SandboxError with pip's own reason when it fails."""
    environment = {
        name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)
    }
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PIP_TIMEOUT_S,
            env={**environment, "PIP_NO_INPUT": "1"},
            cwd="/",  # a file beside us is no requirement, whatever a wheel's metadata name
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"{what} took longer than {PIP_TIMEOUT_S} s", hint="check the network, then try again"
        ) from error
    except OSError as error:
        raise SandboxError(f"pip could not be started: {error}", hint=next_step) from error
    if done.returncode == 0:
        return
    output = done.stdout + "\n" + done.stderr
    if "No space left on device" in output or "Disk quota exceeded" in output:
        raise SpaceError(f"{what} failed: no space left", hint="free some space, then try again")
    raise SandboxError(f"{what} failed: {relevant_lines(output)}", hint=next_step)


def relevant_lines(output: str, limit_chars: int = 1200) -> str:
    """Return what pip says went wrong, without progress, hosts' credentials and colour."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    plain = re.sub(r"//[^/@\s]+@", "//***@", plain)
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    marked = [
        line.removeprefix("ERROR:").strip()
        for line in lines
        if re.match(r"ERROR|error:|The conflict|.*(?:depends on|No module named)", line)
    ]
    text = "; ".join(dict.fromkeys(marked or lines[-3:]))
    return text if len(text) <= limit_chars else text[:limit_chars] + "..."


def download(lines: Iterable[str], target: Platform, folder: Path, *, next_step: str) -> None:
    """Download into ``folder`` the wheels that ``lines`` need under ``target``, and pip itself.

    pip judges the markers of dependencies by the Python that it runs in, not by the one that it
    downloads for; so the wheels' metadata are read and what is still missing is asked for again.
    """
    if not has_pip():
        raise SandboxError(
            "pip is not installed next to egbot", hint=f"run {sys.executable} -m ensurepip"
        )
    wanted = ["pip", *missing(lines, (), target)]
    for _ in range(MAX_ROUNDS):
        command = [sys.executable, "-I", "-m", "pip", "download", "--quiet", "--only-binary=:all:"]
        command += ["--dest", str(folder), "--python-version", target.version]
        command += ["--implementation", target.implementation]
        for platform in target.platforms:
            command += ["--platform", platform]
        run_pip([*command, "--", *wanted], what="downloading the wheels", next_step=next_step)
        wheels = sorted(folder.glob("*.whl"))
        more = [line for line in missing(lines, wheels, target) if line not in wanted]
        if not more:
            return
        wanted.extend(more)


def missing(lines: Iterable[str], wheels: Sequence[Path], target: Platform) -> list[str]:
    """Return the requirements, direct or by way of ``wheels``, that nothing in reach meets."""
    reach = _reach(wheels, target)
    waiting = [(line, "") for line in lines]
    seen: set[tuple[str, str]] = set()
    unmet: list[str] = []
    while waiting:
        line, extra = waiting.pop()
        if (line, extra) in seen:
            continue
        seen.add((line, extra))
        requirement = _applying(line, extra, target)
        if requirement is None:
            continue
        fitting = [
            wheel
            for version, wheel in reach.get(canonicalize_name(requirement.name), [])
            if _fits(requirement, version)
        ]
        if not fitting:
            unmet.append(str(requirement))
        for wheel in fitting:
            if wheel is not None:
                for needed in requires(wheel):
                    waiting.extend((needed, one) for one in ["", *sorted(requirement.extras)])
    return sorted(set(unmet))


def requires(wheel: Path) -> tuple[str, ...]:
    """Return the ``Requires-Dist`` lines of a wheel; none when it cannot be read."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")]
            text = archive.read(names[0]).decode("utf-8", errors="replace") if names else ""
    except (OSError, zipfile.BadZipFile):
        return ()
    message = email.parser.HeaderParser().parsestr(text)
    return tuple(message.get_all("Requires-Dist") or ())


def _reach(wheels: Sequence[Path], target: Platform) -> dict[str, list[tuple[str, Path | None]]]:
    """Map each canonical name to the versions in reach and their wheels (None: installed)."""
    reach: dict[str, list[tuple[str, Path | None]]] = {}
    for name, version in target.installed.items():
        reach.setdefault(canonicalize_name(name), []).append((version, None))
    for path in wheels:
        try:
            wheel_name, wheel_version, _, _ = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        reach.setdefault(wheel_name, []).append((str(wheel_version), path))
    return reach


def _applying(line: str, extra: str, target: Platform) -> Requirement | None:
    """Return the requirement without its marker, or None when it does not apply to ``target``."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    if requirement.marker is not None:
        if not requirement.marker.evaluate({**target.markers, "extra": extra}):
            return None
        requirement.marker = None
    return requirement if requirement.url is None else None


def _fits(requirement: Requirement, version: str) -> bool:
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return False
