"""The project under test is there as its users have it, made from what it declares alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egbot.execution.options import Backend, SandboxOptions
from egbot.execution.select import choose
from egbot.projects import Project, find_project, own_names, source_root
from egbot.records import Execution, Job, Limits, Program, Tree, TreeFile
from tests.machine import IMAGE, need
from tests.sandbox.interpreters import find_interpreters, run_script

STUB = "def double(x):\n    raise NotImplementedError\n"
WHOLE = {
    "pyproject.toml": """
[project]
name = "My.Pk"
dynamic = ["version"]
description = "Doubles"
dependencies = ["pytest>=1"]
[project.optional-dependencies]
fast = ["numba; python_version > '3'"]
[project.scripts]
pk-double = "pk.tools:main.run"
[project.entry-points.pytest11]
pkplug = "pk.plugin"
[project.entry-points."pk.kinds"]
twice = "pk:double"
[tool.setuptools]
package-dir = {"" = "lib"}
[tool.setuptools.dynamic]
version = {attr = "pk.about.VERSION"}
""",
    "lib/pk/__init__.py": STUB,
    "lib/pk/about.py": "VERSION: str = '1.02'\n",
    "lib/pk/__main__.py": "from pk.tools import main\nmain.run()\n",
    "lib/pk/tools.py": (
        "import sys\nfrom pk import double\n\nclass main:\n    @staticmethod\n    def run():\n"
        "        print(double(int(sys.argv[1])))\n"
    ),
    "lib/pk/plugin.py": (
        "import pytest\nimport pk\n\n@pytest.fixture\ndef four():\n    return pk.double(2)\n"
    ),
    "test_pk.py": """
import importlib.metadata as metadata
import subprocess, sys
import pk

def out(*argv, **more):
    done = subprocess.run(argv, capture_output=True, text=True, cwd="/", **more)
    return done.stdout.strip() or done.stderr

def test_metadata():
    assert metadata.version("my-pk") == "1.2"
    assert metadata.metadata("My.Pk")["Summary"] == "Doubles"
    wanted = ["pytest>=1", 'numba; python_version > "3" and extra == "fast"']
    assert metadata.requires("my_pk") == wanted
    points = metadata.distribution("my-pk").entry_points
    assert next(one for one in points if one.name == "twice").load() is pk.double
    assert metadata.version("pytest")

def test_children():
    assert out(sys.executable, "-m", "pk", "2") == "4"
    assert out(sys.executable, "-I", "-m", "pk", "2", env={}) == "4"
    assert out(sys.executable, "-c", "import pytest; print(pytest.__name__)") == "pytest"

def test_command():
    assert out("pk-double", "3") == "6"

def test_plugin(four):
    assert four == 4
""",
}
WRITTEN = Program(
    "lib/pk/__init__.py", "double", STUB.replace("raise Not", "return 2 * x  # raise Not")
)


def tree_of(files: dict[str, str]) -> Tree:
    return {path: TreeFile(text.encode()) for path, text in files.items()}


def project_of(files: dict[str, str]) -> Project:
    found, _ = find_project(tree_of(files))
    assert found is not None
    return found


def text_of(project: Project, name: str) -> str:
    return next(text for path, text in project.site.items() if path.endswith(name))


def options_of(backend: Backend) -> SandboxOptions:
    need(backend)
    return SandboxOptions(
        backend, image=IMAGE, python=None if backend == "docker" else Path(sys.executable)
    )


def statuses(execution: Execution) -> dict[str, str]:
    return {one.node_id.partition("::")[2]: one.status for one in execution.outcomes}


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param("docker", marks=pytest.mark.docker),
        pytest.param("bubblewrap", marks=pytest.mark.bubblewrap),
        "process",
    ],
)
def test_metadata_commands_children_and_plugins_are_as_installed(backend: Backend) -> None:
    """They are there from the stub on, and what a candidate changes shows in all of them.

    A name added at the end has the file imported afresh, although pytest's start imports it too.
    """
    sandbox = choose(tree_of(WHOLE), options_of(backend), print)
    with sandbox.open(tree_of(WHOLE), (), Limits()) as executor:
        tests = executor.collection.node_ids
        before = executor.run(Job(tests, trace=False))
        after = executor.run(Job(tests, WRITTEN, trace=False))
        more = Program(WRITTEN.path, "double", WRITTEN.source + "\nMORE = 1\n")
        afresh = executor.run(Job(tests, more, trace=False))
    assert statuses(before) == {
        "test_metadata": "passed",
        "test_children": "failed",
        "test_command": "failed",
        "test_plugin": "error",
    }
    assert set(statuses(after).values()) == {"passed"}, after
    assert set(statuses(afresh).values()) == {"passed"}, afresh


def test_what_a_run_does_to_the_installed_project_is_undone() -> None:
    tree = tree_of(
        {
            **WHOLE,
            "test_pk.py": """
import pathlib, shutil, sys
import importlib.metadata as metadata

def test_spoil():
    home = pathlib.Path(sys.executable).parents[1]
    place = next(home.glob("lib/*/site-packages"))
    (place / "evil.pth").write_text("import os")
    (place / "egbot.pth").unlink()
    shutil.rmtree(home / "bin")

def test_whole():
    home = pathlib.Path(sys.executable).parents[1]
    assert {one.name for one in home.glob("lib/*/site-packages/*.pth")} == {"egbot.pth"}
    assert (home / "bin" / "pk-double").exists() and (home / "bin" / "python").exists()
""",
        }
    )
    sandbox = choose(tree, options_of("process"), print)
    with sandbox.open(tree, (), Limits()) as executor:
        for test in ("test_spoil", "test_whole"):
            found = executor.run(Job((f"test_pk.py::{test}",), trace=False))
            assert statuses(found) == {test: "passed"}, found


def test_a_plugin_that_cannot_be_imported_is_a_failure_and_not_the_end() -> None:
    """What it lacks can be written; until then the tests are collected without it."""
    tree = tree_of({**WHOLE, "lib/pk/plugin.py": "from pk import missing\n"})
    with choose(tree, options_of("process"), print).open(tree, (), Limits()) as executor:
        (error,) = executor.collection.errors
        assert len(executor.collection.node_ids) == 4
    assert error.node_id == "lib/pk/plugin.py"
    assert "missing" in error.fault.message


@pytest.mark.parametrize(
    "more",
    [
        {"conftest.py": "pytest_plugins = [\n    'pytester', 'pk.plugin']\n"},
        {"pytest.ini": "[pytest]\naddopts = -v -p pk.plugin\npythonpath = lib\n"},
        {"conftest.py": "# pk.plugin is an entry point\n"},
    ],
)
def test_a_plugin_that_the_repository_loads_by_itself_too_is_loaded_once(
    more: dict[str, str],
) -> None:
    test = "import pk\npk.double = lambda x: 4\n\ndef test_plugin(four):\n    assert four == 4\n"
    tree = tree_of({**WHOLE, "test_pk.py": test, **more})
    with choose(tree, options_of("process"), print).open(tree, (), Limits()) as executor:
        found = executor.run(Job(("test_pk.py::test_plugin",), trace=False))
    assert statuses(found) == {"test_plugin": "passed"}


LAY_OVER = """
import os, subprocess, sys, tempfile
sys.path.insert(0, {root!r})
from sandbox.installed import lay_over
with tempfile.TemporaryDirectory() as home:
    os.makedirs(home + "/repo/src")
    os.makedirs(home + "/repo/lib/new")
    open(home + "/repo/lib/new/at.py", "w").write("")
    open(home + "/repo/src/pk.py", "w").write("def main(): print('ran')")
    project = {{
        "site": {{"pk-1.dist-info/METADATA": "Metadata-Version: 2.1\\nName: pk\\nVersion: 1\\n"}},
        "scripts": {{"pk": "#!python\\nimport pk\\npk.main()\\n"}},
        "roots": ["src"],
        "packages": {{"old.pkg": "lib/new", "old": "lib"}},
        "plugins": [],
    }}
    lay_over(project, home + "/repo", os.path.realpath(home) + "/env")
    ask = "import importlib.metadata as m, pk, old.pkg.at as at; print(m.version('pk'), at.__file__)"
    for argv in ([sys.executable, "-c", ask], ["pk"]):
        print(subprocess.check_output(argv, cwd="/").decode().replace(home + "/repo/", "").strip())
"""


@pytest.mark.parametrize("version", sorted(find_interpreters()))
def test_every_python_lays_it_over_itself(version: str) -> None:
    command = find_interpreters()[version]
    if command[0] == "docker":
        pytest.skip("the runner is not in that image")
    root = str(Path(__file__).resolve().parents[1])
    assert run_script(command, LAY_OVER.format(root=root)).split() == ["1", "lib/new/at.py", "ran"]


SETUP_PY = """
from setuptools import setup, find_packages
NAME = "pk"
setup(name=NAME, version=read_it(), author="A", package_dir={"": "source"},
      packages=find_packages("source"), install_requires=["attrs"],
      entry_points={"console_scripts": ["pk = pk.cli:main"], "pytest11": "pk = pk.plug"})
"""
SETUP_CFG = """
[metadata]
name = pk
version = file: VERSION
[options]
package_dir =
    = source
[options.entry_points]
console_scripts =
    pk = pk.cli:main
"""
POETRY = """
[tool.poetry]
name = "pk"
version = "2.0"
packages = [{include = "pk", from = "source"}]
[tool.poetry.dependencies]
python = "^3.8"
attrs = "^22"
[tool.poetry.scripts]
pk = "pk.cli:main"
other = {reference = "pk.cli:other", type = "console"}
[tool.poetry.plugins.pytest11]
pk = "pk.plug"
"""


@pytest.mark.parametrize(
    ("files", "version", "roots", "scripts"),
    [
        (
            {"setup.py": SETUP_PY, "source/pk/version.py": "__version__ = '3.1'"},
            "3.1",
            "source",
            "pk",
        ),
        ({"setup.cfg": SETUP_CFG, "VERSION": "1.0rc1\n"}, "1.0rc1", "source", "pk"),
        ({"pyproject.toml": POETRY}, "2.0", "source", "pk other"),
        (
            {
                "pyproject.toml": "[project]\nname='pk'\n[tool.hatch.version]\npath='src/pk/a.py'",
                "src/pk/a.py": "__version__ = version = '4'",
            },
            "4",
            "src",
            "",
        ),
        (
            {
                "pyproject.toml": "[build-system]\nrequires=['setuptools']",
                "setup.cfg": "[metadata]\nname = pk\nversion = attr: pk.__version__\n",
                "pk/__init__.py": "from pk._version import __version__\n",
                "pk/_version.py": '__version__ = "5.6"\n',
            },
            "5.6",
            "",
            "",
        ),
        ({"pyproject.toml": "[project]\nname='pk'", "src/__init__.py": ""}, "0.0.0", "", ""),
        (
            {
                "pyproject.toml": "[tool.black]\n",
                "setup.py": "setup(name='pk', version='7', entry_points='[console_scripts]\\npk=pk:f')",
            },
            "7",
            "",
            "pk",
        ),
    ],
)
def test_every_way_to_declare_a_project_is_read(
    files: dict[str, str], version: str, roots: str, scripts: str
) -> None:
    found = project_of(files)
    assert f"pk-{version}.dist-info/METADATA" in found.site
    assert f"\nVersion: {version}\n" in text_of(found, "METADATA")
    assert found.roots == (roots,)
    assert set(found.scripts) == set(scripts.split())
    text = "".join(files.values())
    assert ("attrs" in text_of(found, "METADATA")) == ("attrs" in text)
    assert found.plugins == ({"pk": "pk.plug"} if "pytest11" in text else {})


@pytest.mark.parametrize(
    ("path", "text", "roots", "packages"),
    [
        ("setup.py", "setup(package_dir={'': 'lib/py'})", "lib/py", {}),
        ("setup.py", "HERE = 'lib'\nsetup(name=name(), package_dir={'': HERE})", "lib", {}),
        ("setup.py", "setup(package_dir={'pk': 'a/pk', 'pk.x': './b'})", "a", {"pk.x": "b"}),
        (
            "setup.cfg",
            "[options]\npackage_dir =\n  = lib\n  pk = old/it\n",
            "lib",
            {"pk": "old/it"},
        ),
        ("setup.cfg", "[options.packages.find]\nwhere = lib\n", "lib", {}),
        ("setup.cfg", "[files]\npackages_root = lib\n", "lib", {}),
        (
            "pyproject.toml",
            "[tool.setuptools]\npackage-dir = {'' = 'lib', pk = 'x'}",
            "lib",
            {"pk": "x"},
        ),
        ("pyproject.toml", "[tool.setuptools.packages.find]\nwhere = ['lib', 'b']", "lib b", {}),
        ("pyproject.toml", "[[tool.poetry.packages]]\ninclude = 'pk'\nfrom = 'lib'", "lib", {}),
        ("pyproject.toml", "[tool.hatch.build.targets.wheel]\npackages = ['lib/pk/']", "lib", {}),
        ("pyproject.toml", "[tool.hatch.build.targets.wheel]\nsources = ['lib']", "lib", {}),
        (
            "pyproject.toml",
            "[tool.hatch.build.sources]\nlib = ''\n'a/b' = 'pk'",
            "lib",
            {"pk": "a/b"},
        ),
        ("pyproject.toml", "[tool.hatch.build]\ndev-mode-dirs = ['.', 'lib']", " lib", {}),
        ("pyproject.toml", "[tool.pdm.build]\npackage-dir = 'lib'", "lib", {}),
        ("pyproject.toml", "[tool.maturin]\npython-source = 'python'", "python", {}),
        ("pyproject.toml", "[tool.uv.build-backend]\nmodule-root = 'lib'", "lib", {}),
        ("pyproject.toml", "[tool.scikit-build.wheel]\npackages = ['py/pk']", "py", {}),
        ("pyproject.toml", "[tool.scikit-build.wheel.packages]\npk = 'py'", "src", {"pk": "py"}),
        ("pyproject.toml", "[project]\nname = 'pk'\n[tool.pytest]\npythonpath = ['t']", "src", {}),
        (
            "pyproject.toml",
            "[tool.setuptools]\npackage-dir = {'' = '../up', pk = '/etc'}",
            "src",
            {},
        ),
    ],
)
def test_packages_are_imported_from_where_their_builder_has_them(
    path: str, text: str, roots: str, packages: dict[str, str]
) -> None:
    """Whether or not the project's name can be read; `src` counts where nothing else is said."""
    files = {path: text, "src/pk.py": "", "tests/test_pk.py": ""}
    found = project_of(files)
    assert (" ".join(found.roots), dict(found.packages)) == (roots, packages)
    inside = {f"packages/one/{name}": one for name, one in files.items()}
    there, _ = find_project(tree_of(inside), "packages/one")
    assert there is not None
    assert [one.removeprefix("packages/one").lstrip("/") for one in there.roots] == [*found.roots]


@pytest.mark.parametrize(
    ("files", "names", "root"),
    [
        ({"pk/a.py": "", "b.py": "", "tests/test_c.py": "", "tests/help.py": ""}, "pk b", ""),
        ({"src/pk/a.py": "", "setup.py": "setup(name='py-It')"}, "src pk setup py_it it", "src"),
        ({"lib/pk/a.py": "", "pytest.ini": "[pytest]\npythonpath = lib ../../up"}, "lib pk", "lib"),
        ({"lib/a.py": "", "pyproject.toml": "[tool.pytest]\npythonpath = ['lib']"}, "lib a", "lib"),
        ({"old/a.py": "", "setup.cfg": "[options]\npackage_dir =\n  pk = old\n"}, "old pk", ""),
        ({"exercise/test_x.py": "", "exercise/x.py": ""}, "exercise x", ""),
        ({"a-b/x.py": "", "pyproject.toml": "not [ toml", "setup.cfg": "[[["}, "", ""),
    ],
)
def test_which_names_are_a_project_s_own(files: dict[str, str], names: str, root: str) -> None:
    """At the root as in a folder, where another project's are not."""
    tree = tree_of(files)
    assert (set(own_names(tree)), source_root(tree)) == (set(names.split()), root)
    inside = {f"services/api/{path}": file for path, file in tree.items()}
    others = tree_of({"web/setup.py": "", "web/other.py": "", "web/test_other.py": ""})
    there = {**inside, **others}
    assert own_names(there, "services/api") == own_names(tree)
    assert source_root(there, "services/api") == f"services/api/{root}".rstrip("/")


def test_a_version_that_only_a_build_knows_is_told() -> None:
    said: list[str] = []
    text = "[project]\nname = 'pk'\ndynamic = ['version']\n[tool.setuptools_scm]\n"
    choose(tree_of({"pyproject.toml": text}), options_of("process"), said.append)
    assert said[0] == (
        "pyproject.toml: the version of pk is computed when it is built; 0.0.0 stands for it"
    )


@pytest.mark.parametrize(
    "text", ["", "[tool.black]\n", "[project]\n", "[project]\nname = '../x'\n"]
)
def test_nothing_is_added_where_no_project_is_declared(text: str) -> None:
    assert find_project(tree_of({"pyproject.toml": text, "m.py": ""})) == (None, ())


def test_names_and_references_cannot_leave_their_places() -> None:
    found = project_of(
        {
            "pyproject.toml": """
[project]
name = "pk"
version = "1/../../x"
description = "a\\nName: evil"
dependencies = ["attrs\\nName: evil", "b"]
[project.scripts]
"../up" = "m:f"
python3 = "m:f"
"a b" = "m:f"
good = "m:f"
bad = "m:f()"
worse = "m;import os:f"
[project.entry-points.'x]\\n[y']
a = "m"
[project.entry-points.z]
"a = m\\nb" = "m"
[tool.setuptools.packages.find]
where = ["../up", "/etc", "a\\nimport os"]
"""
        }
    )
    assert set(found.site) == {
        f"pk-0.0.0.dist-info/{name}"
        for name in ("METADATA", "entry_points.txt", "INSTALLER", "RECORD")
    }
    assert set(found.scripts) == {"good"}
    points = ["[console_scripts]", "../up = m:f", "python3 = m:f", "good = m:f"]
    assert text_of(found, "entry_points.txt").splitlines() == points
    assert "\nName: evil" not in text_of(found, "METADATA")
    assert found.roots == ("",)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["pyproject.toml", "setup.cfg", "setup.py"]), st.binary())
def test_no_file_makes_it_raise(path: str, data: bytes) -> None:
    find_project({path: TreeFile(data)})


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["1", "''", "'a'", "true", "[]", "[1]", "{}", "{a = 1}", "[{a = 'b'}]"]))
def test_values_of_an_unexpected_shape_never_raise(value: str) -> None:
    keys = ("version", "authors", "dependencies", "scripts", "entry-points", "description")
    text = "".join(f"{key} = {value}\n" for key in keys)
    inner = f"[tool.setuptools]\ndynamic = {value}\npackage-dir = {value}\npackages = {value}\n"
    document = f"[project]\nname = 'pk'\n{text}{inner}[tool.poetry]\nplugins = {value}\n{text}"
    assert project_of({"pyproject.toml": document}).site
