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
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from egbot.errors import SandboxError, SpaceError

PIP_TIMEOUT_S = 1800
MAX_LEFT_OUT = 8
RETRY_S = 24 * 3600
"""So long what could not be had is not asked for again."""

MAX_ROUNDS = 8
"""How often missing dependencies are looked for; each round goes one level deeper."""

_NETWORK = re.compile(
    r"Retrying \(Retry|Connection|Temporary failure|ProxyError|timed out|SSLError"
)
_NOT_FOUND = re.compile(
    r"that satisfies the requirement (?P<name>[\w.-]+).*?(?: \(from (?P<way>(?!versions)[^()]*)\))?"
    r" \(from versions: (?P<all>[^)]*)\)"
)
_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|USER|LANG|TMPDIR|NETRC|(?:PIP|SSL_CERT|LC|XDG)_\w+|REQUESTS_CA_BUNDLE"
    r"|CURL_CA_BUNDLE|(?:https?|ftp|all|no)_proxy",
    re.IGNORECASE,
)


class PipError(SandboxError):
    """pip said no. ``output`` is all that it printed."""

    def __init__(self, message: str, *, hint: str, output: str) -> None:
        super().__init__(message, hint=hint)
        self.output = output


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
    """Run ``command`` (a pip call); raise SandboxError with pip's own reason when it fails.

    It is a PipError unless the disk is full or pip took too long.
    """
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
    message = f"{what} failed: {relevant_lines(output)}"
    raise PipError(message, hint=next_step, output=output)


def install_most(lines: Sequence[str], attempt: Callable[[Sequence[str]], None]) -> dict[str, str]:
    """Call ``attempt`` with ``lines``, less those because of which it raises PipError.

    Returns what was left out, a line each, and why. Of two lines that exclude each other the later
    goes. Raises the PipError when pytest itself cannot be had, the network is at fault, or after
    ``MAX_LEFT_OUT`` lines or ``PIP_TIMEOUT_S``.
    """
    kept = sorted(lines, key=lambda line: _name_of(line) != "pytest")
    left_out: dict[str, str] = {}
    deadline = time.monotonic() + PIP_TIMEOUT_S
    while True:
        try:
            attempt(kept)
        except PipError as error:
            is_over = len(left_out) >= MAX_LEFT_OUT or time.monotonic() > deadline
            if is_over or not kept or _NETWORK.search(error.output):
                raise
            culprit, cause = _named_culprit(kept, error.output), error
            if culprit is None:
                culprit, cause = _found_culprit(kept, attempt, error)
            if _name_of(culprit) == "pytest":
                raise
            kept.remove(culprit)
            left_out[culprit] = _reason(culprit, cause.output)
        else:
            return left_out


def tell_left_out(left_out: Mapping[str, str], report: Callable[[str], None]) -> None:
    """Tell the person who watches which requirements are not there, and why."""
    for line, why in left_out.items():
        report(f"{line} is left out: {why}")


def _named_culprit(lines: Sequence[str], output: str) -> str | None:
    """The line that pip names as one without any distribution, or by which such a one comes."""
    found = _NOT_FOUND.search(output)
    culprit = _name_of((found["way"] or found["name"]).rpartition("->")[2]) if found else None
    return next((line for line in lines if _name_of(line) == culprit), None)


def _found_culprit(
    lines: Sequence[str], attempt: Callable[[Sequence[str]], None], error: PipError
) -> tuple[str, PipError]:
    """The last line of the shortest beginning that cannot be installed, found by halves."""
    good, bad = 0, len(lines)
    while bad - good > 1:
        middle = (good + bad) // 2
        try:
            attempt(lines[:middle])
        except PipError as other:
            bad, error = middle, other
        else:
            good = middle
    return lines[bad - 1], error


def _reason(line: str, output: str) -> str:
    found = _NOT_FOUND.search(output)
    if found is None:
        return relevant_lines(output, 300)
    is_own = _name_of(found["name"]) == _name_of(line)
    what = "no wheel" if is_own else f"no wheel for {found['name']}, which it needs,"
    return f"{what} {'was found' if found['all'] == 'none' else 'fits'}"


def _name_of(line: str) -> str:
    found = re.match(r"\s*([\w.-]+)", line)
    return canonicalize_name(found[1]) if found else ""


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
