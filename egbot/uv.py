"""Owns the calls of uv on the host: what it sees, where it downloads from, and how it fails."""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

import platformdirs
from uv import find_uv_bin

from egbot.errors import SandboxError, SpaceError

UV_TIMEOUT_S = 1800
_MAX_MESSAGE_CHARS = 1200
_KEPT_VARIABLES = re.compile(
    r"PATH|HOME|USER|LANG|TMPDIR|NETRC|(?:PIP|SSL|LC|XDG)_\w+|(?:REQUESTS_CA|CURL_CA)_BUNDLE"
    r"|(?:https?|ftp|all|no)_proxy|UV_(?:\w*INDEX\w*|FIND_LINKS|INSECURE_HOST|SYSTEM_CERTS"
    r"|CONSTRAINT|EXCLUDE_NEWER|KEYRING_PROVIDER|OFFLINE|CACHE_DIR|HTTP_\w+|CONCURRENT_\w+)",
    re.IGNORECASE,
)
_OWN_VARIABLES = {"UV_NO_CONFIG": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_LINK_MODE": "copy"}
"""Copies: what somebody changes in uv's cache, or we in a copy, must not show in the other."""

_FROM_PIP = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "constraint": "UV_CONSTRAINT",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "ALL_PROXY",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
_NETWORK = "Request failed after|error sending request|HTTP status server|network was disabled"


class PackagesError(SandboxError):
    """uv said no, and not because of the network or the disk."""


def run_uv(verb: str, *arguments: str, what: str, next_step: str) -> None:
    """Run uv's command ``verb``. Raises PackagesError with uv's own reason when it says no.

    Raises SpaceError when the disk is full, SandboxError when uv or the network is not reached.
    """
    pip = _pip_settings()
    is_offline = pip.get("no-index", "").lower() in ("1", "true", "yes", "on", "t", "y")
    options = ["--quiet", *["--no-index"] * is_offline]  # which has no variable
    try:
        done = subprocess.run(  # noqa: S603  an argument list of our own
            [find_uv_bin(), *verb.split(), *options, *arguments],
            capture_output=True,
            errors="replace",
            timeout=UV_TIMEOUT_S,
            env=_environment(pip),
            cwd="/",  # a file beside us is no requirement, whatever a wheel's metadata name
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        why = f"{what} took longer than {UV_TIMEOUT_S} s"
        raise SandboxError(why, hint="check the network, then try again") from error
    except OSError as error:
        raise SandboxError(f"uv could not be started: {error}", hint=next_step) from error
    if done.returncode == 0:
        return
    output = done.stderr + "\n" + done.stdout
    if re.search("No space left on device|Disk quota exceeded", output):
        raise SpaceError(f"{what} failed: no space left", hint="free some space, then try again")
    plain = re.sub(r"(?m)^\s*(?:error|cause): ", "", re.sub(r"//[^/@\s]+@", "//***@", output))
    message = f"{what} failed: " + (" ".join(plain.split())[:_MAX_MESSAGE_CHARS] or "no word")
    if re.search(_NETWORK, output):
        raise SandboxError(message, hint="check the network and pip's settings, then try again")
    raise PackagesError(message, hint=next_step)


def _environment(pip: dict[str, str]) -> dict[str, str]:
    """The variables that uv sees: none that it does not need, the person's own before pip's."""
    seen = {name: value for name, value in os.environ.items() if _KEPT_VARIABLES.fullmatch(name)}
    for name, variable in _FROM_PIP.items():
        if words := pip.get(name, "").split():
            seen.setdefault(variable, ("," if name == "find-links" else " ").join(words))
    if pip.get("extra-index-url"):
        seen.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")  # as pip: the best of all
    bundles = (seen.get("REQUESTS_CA_BUNDLE", ""), seen.get("CURL_CA_BUNDLE", ""), *_BUNDLES)
    for bundle in filter(os.path.isfile, bundles):  # uv's own does not know a company's
        seen.setdefault("SSL_CERT_FILE", bundle)
    cache = Path(seen.get("UV_CACHE_DIR") or platformdirs.user_cache_path("uv"))
    nearest = next(one for one in (cache, *cache.parents) if one.exists())
    return seen | _OWN_VARIABLES | ({} if os.access(nearest, os.W_OK) else {"UV_NO_CACHE": "1"})


def _pip_settings() -> dict[str, str]:
    """pip's settings from where pip has them: a later file wins, and variables over files."""
    named = os.environ.get("PIP_CONFIG_FILE", "")
    shared = platformdirs.site_config_dir("pip", multipath=True).split(os.pathsep)
    own = [] if Path(named).is_file() else ["~/.pip", platformdirs.user_config_dir("pip")]
    homes = [*shared, "/etc", *own, sys.prefix]
    files = [*(Path(home, "pip.conf").expanduser() for home in homes), Path(named)]
    parser = configparser.RawConfigParser()
    for file in files if named != os.devnull else ():  # by that name pip is told to read none
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:  # its text may hold a secret
            why = type(error).__name__
            raise SandboxError(f"pip's settings {file}: {why}", hint="mend that file") from None
    sections = [dict(parser[name]) for name in ("global", "install") if name in parser]
    sections.append({key[4:].lower(): os.environ[key] for key in os.environ if key[:4] == "PIP_"})
    return {key.replace("_", "-"): value for one in sections for key, value in one.items()}
