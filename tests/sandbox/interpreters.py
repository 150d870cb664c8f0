"""The CPython interpreters that can be had here: on the PATH, under pyenv, in Docker images.

It does not make them (``tests/make_python_images.sh`` does) and does not know what is run in them.
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

LABEL = "egbot.pythons"
VERSIONS = tuple(f"3.{minor}" for minor in range(10, 15))
LOCAL = f"3.{sys.version_info[1]}"
PYENV = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")


def find_interpreters() -> dict[str, list[str]]:
    """Return, by version, the command that runs a script from its standard input."""
    found = _in_images()
    for version in VERSIONS:
        paths = [shutil.which(f"python{version}")]
        # unlike Path.glob, it finds nothing where it may not look
        paths += glob.glob(f"{PYENV}/versions/{version}.*/bin/python{version}")  # noqa: PTH207
        works = next((path for path in paths if path and _output([path, "--version"])), None)
        if works is not None:
            found[version] = [works, "-I", "-"]
    found[LOCAL] = [sys.executable, "-I", "-"]
    return {version: found[version] for version in VERSIONS if version in found}


def run_script(argv: list[str], text: str) -> str:
    """Run ``text`` and return what it printed."""
    done = subprocess.run(argv, input=text, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{argv[0]}: {done.stderr[-2000:]}"
    return done.stdout


def _in_images() -> dict[str, list[str]]:
    """Images say in a label which pythonX.Y they hold."""
    docker = shutil.which("docker")
    if docker is None:
        return {}
    listing = [docker, "images", "--quiet", "--filter", f"label={LABEL}"]
    names = _output(listing).split()
    if not names:
        return {}
    images = json.loads(_output([docker, "image", "inspect", *names]) or "[]")
    run = [docker, "run", "--rm", "-i", "--network=none"]
    return {
        version: [*run, image["Id"], f"python{version}", "-I", "-"]
        for image in images
        for version in image["Config"]["Labels"][LABEL].split(",")
    }


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""
