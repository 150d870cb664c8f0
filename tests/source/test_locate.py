"""From real pytest failures to targets: what is located, stubbed, ordered and left alone."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from itertools import count
from pathlib import Path

import pytest

from egbot.dependencies import declared_imports
from egbot.errors import UsageError
from egbot.records import FailingTest, Fault, Frame, Tree, TreeFile
from egbot.source.locate import Location, locate, named_target
from egbot.source.outline import read_outline

ROOT = Path(__file__).resolve().parents[2]
PLUGIN = """
import json, os, sys
sys.path.append({root!r})
from sandbox.faults import describe
sys.path.remove({root!r})
FOUND = []

def _add(node_id, phase, info):
    error = info.value
    if type(error).__name__ == "CollectError" and error.__cause__ is not None:
        error = error.__cause__
    fault = describe(error, error.__traceback__, os.getcwd())
    FOUND.append(dict(node_id=node_id, phase=phase, fault=fault))

import pytest

@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    yield  # unittest's exceptions are put into the call by another hook
    if call.excinfo is not None:
        _add(item.nodeid, call.when, call.excinfo)

def pytest_exception_interact(node, call, report):
    if report.when == "collect" or not hasattr(node, "runtest"):
        _add(node.nodeid, "collect", call.excinfo)

def pytest_sessionfinish():
    with open("found.json", "w") as file:
        json.dump(FOUND, file)
"""


def tree_of(files: dict[str, str]) -> Tree:
    return {path: TreeFile(textwrap.dedent(text).encode()) for path, text in files.items()}


def run_pytest(folder: Path, tree: Tree, *options: str) -> tuple[FailingTest, ...]:
    """The failures of a real pytest run over ``tree``."""
    folder.mkdir(exist_ok=True)
    for path, file in tree.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(file.data)
    (folder / "egbot_recorder.py").write_text(PLUGIN.format(root=str(ROOT)))
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "egbot_recorder",
        "-p",
        "no:cacheprovider",
    ]
    environment = {
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        [*command, "--rootdir", str(folder), *options],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "found.json").exists(), done.stdout + done.stderr
    found = json.loads((folder / "found.json").read_text())
    return tuple(_failing(item) for item in found)


def _failing(item: dict[str, object]) -> FailingTest:
    fault = item["fault"]
    assert isinstance(fault, dict)
    return FailingTest(
        node_id=str(item["node_id"]),
        phase=item["phase"],  # type: ignore[arg-type]
        fault=Fault(
            type_name=fault["type_name"],
            message=fault["message"],
            frames=tuple(Frame(**frame) for frame in fault["frames"]),
            attributes=tuple((key, value) for key, value in fault["attributes"]),
        ),
    )


def rounds(tmp_path: Path, files: dict[str, str], *options: str) -> Location:
    """Run, locate, run again with the stubs, until nothing new is found; the last location."""
    tree = tree_of(files)
    location = Location(tree, (), ())
    for number in range(4):
        failures = run_pytest(tmp_path / f"round_{number}", location.tree, *options)
        before = location.tree
        location = locate(failures, location.tree, location.targets)
        if location.tree == before:
            break
    return location


def names(location: Location) -> list[str]:
    return [f"{target.path}::{target.qualname}" for target in location.targets]


def test_missing_name_is_found_in_two_rounds_and_keeps_its_origin(tmp_path: Path) -> None:
    location = rounds(
        tmp_path,
        {
            "words.py": "def shout(text):\n    return text.upper()\n",
            "tests/test_words.py": """
                from words import reverse_words, shout

                def test_reverse():
                    assert reverse_words("a b") == "b a"

                def test_shout():
                    assert shout("a") == "A"
            """,
        },
    )
    assert names(location) == ["words.py::reverse_words"]
    (target,) = location.targets
    assert target.origin == "missing_name"
    assert target.tests == ("tests/test_words.py::test_reverse",)
    assert target.header == "def reverse_words(text: str) -> str:"
    assert ">>> reverse_words('a b')\n'b a'" in target.docstring
    assert location.left == ()


def test_missing_module_in_src_package_gets_a_file(tmp_path: Path) -> None:
    location = rounds(
        tmp_path,
        {
            "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["src"]\n',
            "src/pkg/__init__.py": "",
            "tests/test_dates.py": """
                import pytest
                from pkg.dates import days_between as between

                @pytest.mark.parametrize("start, end, expected", [(1, 4, 3), (2, 2, 0)])
                def test_between(start, end, expected):
                    assert between(start, end) == expected
            """,
        },
    )
    (target,) = location.targets
    assert (target.path, target.qualname) == ("src/pkg/dates.py", "days_between")
    assert target.origin == "missing_module"
    assert target.header == "def days_between(start: int, end: int) -> int:"
    assert len(target.tests) == 2


def test_missing_class_becomes_its_methods(tmp_path: Path) -> None:
    location = rounds(
        tmp_path,
        {
            "stack.py": '"""Stacks."""\n',
            "test_stack.py": """
                import pytest
                from stack import EmptyError, Stack

                @pytest.fixture
                def stack():
                    return Stack([1, 2])

                def test_pop(stack):
                    assert stack.pop() == 2

                def test_push(stack):
                    stack.push(5)
                    assert len(stack) == 3

                def test_empty():
                    with pytest.raises(EmptyError):
                        Stack([]).pop()
            """,
        },
    )
    assert names(location) == [
        "stack.py::Stack.__init__",
        "stack.py::Stack.pop",
        "stack.py::Stack.push",
        "stack.py::Stack.__len__",
    ]
    assert location.left == ()
    assert b"class EmptyError(Exception)" in location.tree["stack.py"].data


def test_many_kinds_of_failures_in_one_real_run(tmp_path: Path) -> None:
    """Members, names, stubs, re-exports, helpers, doctests; and those that are left say why."""
    location = rounds(
        tmp_path,
        {
            "pkg/__init__.py": "from .core import area, fill\nfrom pkg import late\n",
            "pkg/late.py": "def helper():\n    return compute(3)\n",
            "pkg/core.py": '''
                class Box:
                    def __init__(self, side):
                        self.side = side

                    def volume(self):
                        """Tell the volume."""

                def area(x):
                    """Tell the area.

                    >>> area(2)
                    4
                    """

                def fill(x):
                    raise NotImplementedError("later")

                def total(xs):
                    return sum(fill(x) for x in xs)

                def done(x):
                    return x
            ''',
            "tests/conftest.py": """
                import pytest
                from pkg.core import Box

                @pytest.fixture
                def box():
                    return Box(2)

                @pytest.fixture
                def bad():
                    raise ValueError("no data")
            """,
            "tests/test_all.py": """
                import unittest
                from pkg import area as surface
                from pkg import core, late

                def test_area():
                    assert surface(2) == 4

                def test_total():
                    assert core.total([1]) == 1

                def test_total_and_area():
                    assert core.total([1]) == surface(1)

                def test_double(box):
                    assert box.double().side == 4

                def test_volume(box):
                    assert box.volume() == 8

                def test_edge(box):
                    assert box.edge == 2

                def test_shape():
                    assert core.shape(1) == "square"

                def test_name():
                    assert late.helper() == 9

                def test_wrong():
                    assert core.done(1) == 2
                    assert surface(1) == 1

                def test_fixture(bad):
                    pass

                class TestUnit(unittest.TestCase):
                    def setUp(self):
                        self.box = core.Box(3)

                    def test_volume(self):
                        self.assertEqual(self.box.volume(), 27)
            """,
            "tests/test_broken.py": "def test_x(:\n    pass\n",
            "tests/test_package.py": "import nonexistent_package\n\ndef test_y():\n    pass\n",
        },
        "--doctest-modules",
        "--continue-on-collection-errors",
    )
    found = {f"{target.qualname}": target for target in location.targets}
    origins = {name: target.origin for name, target in found.items()}
    assert origins == {
        "area": "stub",
        "fill": "stub",
        "compute": "missing_name",
        "shape": "missing_member",
        "Box.volume": "stub",
        "Box.double": "missing_member",
        "Box.edge": "missing_member",
    }
    assert "pkg/core.py::pkg.core.area" in found["area"].tests
    assert "tests/test_all.py::TestUnit::test_volume" in found["Box.volume"].tests
    assert found["Box.edge"].header.startswith("@property")
    assert found["compute"].path == "pkg/late.py"
    left = {item.node_id.rpartition("/")[2]: item.why for item in location.left}
    assert set(left) == {
        "test_all.py::test_wrong",
        "test_all.py::test_fixture",
        "test_broken.py",
        "test_package.py",
    }
    assert "tests/test_broken.py, line 1" in left["test_broken.py"]
    assert "nonexistent_package, which is not installed" in left["test_package.py"]
    assert "a fixture failed in setup" in left["test_all.py::test_fixture"]
    assert "every function that it calls is written" in left["test_all.py::test_wrong"]


# --- without a run ----------------------------------------------------------------------------


def failing(
    node_id: str, type_name: str, message: str, *frames: Frame, **attributes: str
) -> FailingTest:
    phase = "call" if "::" in node_id else "collect"
    fault = Fault(type_name, message, frames, tuple(attributes.items()))
    return FailingTest(node_id, phase, fault)  # type: ignore[arg-type]


def cannot_import(path: str, name: str, module: str) -> FailingTest:
    message = f"cannot import name '{name}' from '{module}' (/x/{module}.py)"
    return failing(path, "ImportError", message, Frame(path, 1, "<module>"), name=module)


def test_order_serves_simple_tests_first_and_callees_before_callers() -> None:
    tree = tree_of(
        {
            "m.py": """
                def both(x):
                    raise NotImplementedError

                def one(x):
                    raise NotImplementedError
            """,
            "test_m.py": """
                from m import both, one

                def test_both():
                    assert both(one(1)) == 1

                def test_one():
                    assert one(1) == 1
            """,
        }
    )
    failures = (
        failing("test_m.py::test_both", "NotImplementedError", "", Frame("m.py", 6, "one")),
        failing("test_m.py::test_one", "NotImplementedError", "", Frame("m.py", 6, "one")),
    )
    location = locate(failures, tree)
    assert [target.qualname for target in location.targets] == ["one", "both"]
    assert location.targets[0].tests == ("test_m.py::test_both", "test_m.py::test_one")
    assert location.targets[1].tests == ("test_m.py::test_both",)
    assert locate(failures, tree) == location


@pytest.mark.parametrize(
    ("files", "test", "expected"),
    [
        (
            {
                "src/app/__init__.py": "",
                "src/app/a.py": "",
                "tests/test_a.py": "from app.a import f\n",
            },
            cannot_import("tests/test_a.py", "f", "app.a"),
            ["src/app/a.py::f"],
        ),
        (
            {"space/inner/a.py": "", "test_a.py": "from space.inner.a import f\n"},
            cannot_import("test_a.py", "f", "space.inner.a"),
            ["space/inner/a.py::f"],
        ),
        (
            {
                "app/__init__.py": "from .a import f\n",
                "app/a.py": "",
                "tests/__init__.py": "",
                "tests/test_a.py": "from app import f\n",
            },
            failing(
                "tests/test_a.py",
                "ImportError",
                "cannot import name 'f' from 'app.a' (/x)",
                Frame("tests/test_a.py", 1, "<module>"),
                Frame("app/__init__.py", 1, "<module>"),
            ),
            ["app/a.py::f"],
        ),
        (
            {
                "pkg/__init__.py": "",
                "pkg/tests/__init__.py": "",
                "pkg/tests/test_a.py": "from ..a import f, G\n\ndef test_a():\n    G().go(1)\n    f()\n",
            },
            failing(
                "pkg/tests/test_a.py",
                "ModuleNotFoundError",
                "No module named 'pkg.a'",
                name="pkg.a",
            ),
            ["pkg/a.py::f", "pkg/a.py::G.__init__", "pkg/a.py::G.go"],
        ),
        (
            {
                "pkg/__init__.py": "",
                "test_a.py": "import pkg.new.deep\n\ndef test_a():\n    pkg.new.deep.f(1)\n",
            },
            failing(
                "test_a.py", "ModuleNotFoundError", "No module named 'pkg.new'", name="pkg.new"
            ),
            ["pkg/new/deep.py::f"],
        ),
        (
            {
                "test_slug.py": "from slug import slugify\n\ndef test_a():\n    assert slugify('a b') == 'a-b'\n"
            },
            failing("test_slug.py", "ModuleNotFoundError", "No module named 'slug'", name="slug"),
            ["slug.py::slugify"],
        ),
        (
            {
                "src/other/__init__.py": "",
                "pyproject.toml": "[project]\nname = 'my-app'\n",
                "tests/test_x.py": "import my_app\n\ndef test_a():\n    my_app.run()\n",
            },
            failing(
                "tests/test_x.py", "ModuleNotFoundError", "No module named 'my_app'", name="my_app"
            ),
            ["src/my_app.py::run"],
        ),
    ],
)
def test_layouts(files: dict[str, str], test: FailingTest, expected: list[str]) -> None:
    """Src layout, namespace packages, re-exports, relative imports, new modules of each kind."""
    location = locate((test,), tree_of(files))
    assert names(location) == expected
    assert location.left == ()
    for target in location.targets:
        compile(location.tree[target.path].data, target.path, "exec")


@pytest.mark.parametrize(
    ("files", "test", "why"),
    [
        (
            {
                "a.py": "",
                "test_a.py": "from a import LIMIT\n\ndef test_a():\n    assert LIMIT == 3\n",
            },
            cannot_import("test_a.py", "LIMIT", "a"),
            "a value, not a function",
        ),
        (
            {"a.py": "def f(:\n", "test_a.py": "from a import f\n"},
            failing(
                "test_a.py",
                "SyntaxError",
                "invalid syntax (a.py, line 1)",
                Frame("test_a.py", 1, ""),
            ),
            "syntax error in a.py, line 1",
        ),
        (
            {"requirements.txt": "slug>=1\n", "test_slug.py": "from slug import f\n"},
            failing("test_slug.py", "ModuleNotFoundError", "No module named 'slug'", name="slug"),
            "needs the package slug",
        ),
        (
            {"a.py": "", "test_a.py": "import a.b\n"},
            failing(
                "test_a.py",
                "ModuleNotFoundError",
                "No module named 'a.b'; 'a' is not a package",
                name="a.b",
            ),
            "a is no package",
        ),
        (
            {
                "p/__init__.py": "",
                "p/s.py": "def f(): ...\n",
                "test_a.py": "import p\n\ndef test_a():\n    p.s.f()\n",
            },
            failing(
                "test_a.py::test_a",
                "AttributeError",
                "module 'p' has no attribute 's'",
                name="s",
                owner_type="module",
                owner_name="p",
            ),
            "that nothing imports",
        ),
        (
            {
                "a.py": "def f():\n    return math.pi\n",
                "test_a.py": "from a import f\n\ndef test_a():\n    f()\n",
            },
            failing(
                "test_a.py::test_a",
                "NameError",
                "name 'math' is not defined",
                Frame("a.py", 2, "f"),
                name="math",
            ),
            "uses math without importing it",
        ),
        (
            {"test_a.py": "def test_a():\n    f()\n"},
            failing(
                "test_a.py::test_a",
                "NameError",
                "name 'f' is not defined",
                Frame("test_a.py", 2, "test_a"),
                name="f",
            ),
            "without defining or importing it",
        ),
    ],
)
def test_left_tests_say_why(files: dict[str, str], test: FailingTest, why: str) -> None:
    tree = tree_of(files)
    location = locate((test,), tree, declared=declared_imports(tree))
    assert location.targets == ()
    assert [item.node_id for item in location.left] == [test.node_id]
    assert why in location.left[0].why


def test_members_are_found_through_fixtures_of_a_conftest() -> None:
    tree = tree_of(
        {
            "m.py": "",
            "tests/conftest.py": """
                import pytest
                from m import Stack

                @pytest.fixture
                def stack():
                    return Stack()
            """,
            "tests/test_m.py": "def test_pop(stack):\n    assert stack.pop() == 1\n",
        }
    )
    location = locate((cannot_import("tests/conftest.py", "Stack", "m"),), tree)
    assert names(location) == ["m.py::Stack.__init__", "m.py::Stack.pop"]


def test_hostile_failures_and_files_never_raise() -> None:
    tree = {
        "a.py": TreeFile(b"\xff\x00\xfe"),
        "deep.py": TreeFile(b"x = " + b"-" * 3000 + b"1\n"),
        "bin.py": TreeFile(bytes(range(256))),
        "test_a.py": TreeFile(
            b"from a import f\nfrom . import *\nfrom .... import z\nimport a.b.c\n\ndef test_a(x=f()):\n    f(*x)\n"
        ),
    }
    for type_name in (
        "ImportError",
        "ModuleNotFoundError",
        "AttributeError",
        "NameError",
        "",
        "X.Y",
    ):
        for node_id in (
            "test_a.py",
            "test_a.py::test_a[",
            "nope.py::x",
            "",
            "::",
            "deep.py::deep.x",
        ):
            test = failing(
                node_id, type_name, "'" * 50, Frame("a.py", -1, ""), Frame("no.py", 10**9, "")
            )
            found = locate((test,), tree)
            assert len(found.targets) + len(found.left) >= 1


def test_named_target_is_found_or_refused_with_advice() -> None:
    tree = tree_of(
        {"m.py": "class A:\n    def go(self):\n        return 1\n", "bad.py": "def (:\n"}
    )
    target = named_target("./m.py::A::go", tree)
    assert (target.qualname, target.origin, target.header) == ("A.go", "named", "def go(self):")
    for spec, hint in [
        ("m.py::A.goo", "A.go"),
        ("n.py::x", "m.py"),
        ("m.py", "PATH::NAME"),
        ("bad.py::x", "correct"),
    ]:
        with pytest.raises(UsageError) as caught:
            named_target(spec, tree)
        assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("message", "line", "why"),
    [
        ("No module named 'yaml'", "PyYAML>=6", "needs the package pyyaml, which could not be"),
        ("No module named 'a_b.c'", "a-b[x]; python_version > '3'", "needs the package a-b, which"),
        ("fixture 'two' not found", "pytest-two", "lacks the fixture two; pytest-two could not be"),
        ("No module named 'other'", "yaml", "needs the package other, which is not installed"),
    ],
)
def test_a_requirement_that_could_not_be_installed_is_named_with_the_reason(
    message: str, line: str, why: str
) -> None:
    kind = "ModuleNotFoundError" if "module" in message else "FixtureLookupError"
    tree = {"tests/test_a.py": TreeFile(b"import yaml, a_b.c, other\n\ndef test(two):\n    pass\n")}
    node_id = "tests/test_a.py" if "module" in message else "tests/test_a.py::test"
    found = locate((failing(node_id, kind, message),), tree, (), {line: "no wheel was found"})
    assert found.left[0].why.startswith(why)
    assert ("no wheel was found" in found.left[0].why) == ("other" not in message)


def test_the_functions_of_a_file_share_one_reading_of_it() -> None:
    """One for each function made hundreds of failing tests a matter of minutes."""
    names = [f"f{n}" for n in range(60)]
    tree = tree_of(
        {
            "m.py": "".join(f"def {name}():\n    raise NotImplementedError\n\n" for name in names),
            "test_m.py": "import m\n\n"
            + "".join(f"def test_{name}():\n    m.{name}()\n\n" for name in names),
        }
    )
    failures = tuple(
        failing(
            f"test_m.py::test_{name}", "NotImplementedError", "", Frame("m.py", 3 * n + 2, name)
        )
        for n, name in enumerate(names)
    )
    before = read_outline.cache_info().misses
    assert len(locate(failures, tree).targets) == len(names)
    assert read_outline.cache_info().misses - before <= 4


def test_finding_what_is_missing_can_be_ended() -> None:
    """What was found by then is there, stubs and all; the rest is left, with the reason."""
    names = [f"f{n}" for n in range(9)]
    tree = tree_of(
        {
            "m.py": "ONE = 1\n",
            "test_m.py": "import m\n\n"
            + "".join(f"def test_{name}():\n    assert m.{name}() == 1\n\n" for name in names),
        }
    )
    failures = tuple(
        failing(
            f"test_m.py::test_{name}",
            "AttributeError",
            f"module 'm' has no attribute '{name}'",
            Frame("test_m.py", 3 * n + 4, f"test_{name}"),
        )
        for n, name in enumerate(names)
    )
    asked = count()
    found = locate(failures, tree, is_over=lambda: next(asked) >= len(names) + 4)
    assert len(found.targets) == found.tree["m.py"].data.count(b"def ") == 4
    assert len(found.left) == len(names) - 4
    assert all("the time for finding" in one.why for one in found.left)
