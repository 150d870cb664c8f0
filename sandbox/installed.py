"""The project under test as an installer leaves it: a virtual environment laid over the one at hand.

Child processes find the project too, whatever their own environment variables and working folder:
they start the same ``sys.executable``. The environment at hand is only read; many share it.
"""

from __future__ import annotations

import importlib
import os
import site
import sys

from sandbox.tree import Tree
from sandbox.wire import Message

FINDER = "egbot_packages"
_FINDER_TEXT = """\
import os, sys
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        place = PLACES.get(name)
        if place is None:
            return None
        start = os.path.join(place, "__init__.py")
        if os.path.isfile(start):
            return spec_from_file_location(name, start, submodule_search_locations=[place])
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [place]
        return spec

sys.meta_path.append(Finder)
"""
"""Finds the packages whose folders have other names than they, as setuptools' own does."""


def lay_over(project: Message, root: str, folder: str) -> Tree:
    """Write the environment into ``folder`` and make it this process's own. Returns its files.

    ``root`` is the repository's folder. Raises OSError.
    """
    version = "python{}.{}".format(*sys.version_info[:2])
    packages = f"lib/{version}/site-packages"
    environment = Tree(folder)
    below = [one for one in site.getsitepackages() if os.path.isdir(one)]
    roots = [os.path.join(root, one).rstrip("/") for one in project["roots"]]
    hooks = [f"import site; site.addsitedir({one!r})" for one in below]
    places = {name: os.path.join(root, at) for name, at in project["packages"].items()}
    if places:
        hooks.append(f"import {FINDER}")
        text = f"PLACES = {places!r}\n{_FINDER_TEXT}"
        environment.add(f"{packages}/{FINDER}.py", text)
    environment.add(f"{packages}/egbot.pth", "\n".join([*hooks, *roots, ""]))
    for path, text in project["site"].items():
        environment.add(f"{packages}/{path}", text)
    executable = os.path.join(folder, "bin", "python")
    for name, text in project["scripts"].items():
        environment.add(f"bin/{name}", text.replace("#!python", "#!" + executable, 1), 0o755)
    environment.add("pyvenv.cfg", _configuration())
    for name in ("python", "python3", version):
        environment.link(f"bin/{name}", os.path.realpath(sys.executable))
    sys.executable = executable
    os.environ["PATH"] = os.pathsep.join([os.path.dirname(executable), os.environ.get("PATH", "")])
    sys.path[:0] = [os.path.join(folder, packages)]
    sys.path += [one for one in roots if one not in sys.path]
    if places:
        importlib.import_module(FINDER)
    return environment


def _configuration() -> str:
    """What ``venv`` would write: the environment at hand's own words, where it is one."""
    if sys.prefix != sys.base_prefix:
        with open(os.path.join(sys.prefix, "pyvenv.cfg"), encoding="utf-8") as file:
            return file.read()
    home = os.path.dirname(os.path.realpath(sys.executable))
    return f"home = {home}\ninclude-system-site-packages = true\n"
