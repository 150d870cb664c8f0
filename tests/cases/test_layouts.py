"""Any layout: import roots wherever the run has them, several projects, files in odd shapes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.cases.front import Case, Front, check, files_of, lay_out, table

# --- import roots: the root of the package cd, and the file that makes it one -------------------

TESTS = """
    -- tests/test_new.py
    from cd.core import shout

    def test_shout():
        assert shout("a") == "A"
    -- tests/test_member.py
    import cd.core as c

    def test_thrice():
        assert c.thrice(2) == 6
    -- tests/test_module.py
    from cd.fresh import four

    def test_four():
        assert four(2) == 8
    """
BODIES = {"shout": "return $1.upper()", "thrice": "return 3 * $1", "four": "return 4 * $1"}
PLACES = {"shout": "core", "thrice": "core", "four": "fresh"}
ROOTS = table("roots.txt")


@pytest.mark.parametrize("case", ROOTS.values(), ids=ROOTS)
def test_what_is_missing_goes_into_the_package_that_the_tests_import(
    case: Case, front: Front
) -> None:
    """And no second package of its name is made anywhere."""
    folder = f"{case.bodies['root'].strip()}/cd".lstrip("/")
    text = f"{case.text}-- {folder}/__init__.py\n-- {folder}/core.py\nONE = 1\n{TESTS}"
    answer = front.stubs(text)
    assert answer.code == 0, answer.said
    assert answer.changed == {f"{folder}/core.py", f"{folder}/fresh.py"}
    for name, place in PLACES.items():
        assert f"def {name}(" in (answer.repository / folder / f"{place}.py").read_text()


def test_a_namespace_package_needs_no_init_file(front: Front) -> None:
    text = f"{ROOTS['src'].text}-- src/cd/core.py\nONE = 1\n{TESTS}"
    keys = {f"src/cd/{PLACES[name]}.py::{name}": body for name, body in BODIES.items()}
    check(front, text, keys)


@pytest.mark.parametrize(
    ("package_dir", "folder"),
    [("{'': 'lib'}", "lib/cd"), ("{'cd': 'source/cd_impl'}", "source/cd_impl")],
)
@pytest.mark.parametrize("command", ["solve", "stubs"])
def test_no_second_package_stands_beside_one_with_another_folder(
    package_dir: str, folder: str, command: str, front: Front
) -> None:
    text = f"""
        -- setup.py
        from setuptools import setup
        setup(name="cd", package_dir={package_dir}, packages=["cd"])
        -- {folder}/__init__.py
        -- {folder}/core.py
        def twice(x):
            return x * 2
        -- tests/test_core.py
        from cd.core import newer, twice

        def test_newer():
            assert newer(twice(1)) == 5
        """
    if command == "solve":
        check(front, text, {f"{folder}/core.py::newer": "return $1 + 3"})
    else:
        answer = front.stubs(text)
        assert (answer.code, answer.changed) == (0, {f"{folder}/core.py"}), answer.said
        assert "def newer(" in (answer.repository / folder / "core.py").read_text()


# --- several projects ---------------------------------------------------------------------------

MONO = """
    -- README.md
    # all of it
    -- packages/a/pyproject.toml
    [project]
    name = "acme-a"
    version = "0.1"
    [tool.pytest.ini_options]
    pythonpath = ["src"]
    -- packages/a/src/acme_a/__init__.py
    -- packages/a/src/acme_a/core.py
    def double(x: int) -> int:
        raise NotImplementedError

    def half(x: int) -> float:
        return x / 2
    -- packages/a/tests/test_core.py
    from acme_a.core import double, half

    def test_double():
        assert double(3) == 6

    def test_half():
        assert half(3) == 1.5
    -- packages/b/pyproject.toml
    [project]
    name = "acme-b"
    version = "0.1"
    dependencies = ["acme-a", "attrs"]
    [tool.pytest.ini_options]
    pythonpath = ["src", "../a/src"]
    -- packages/b/src/acme_b/__init__.py
    -- packages/b/src/acme_b/names.py
    import attr
    from acme_a.core import half

    @attr.s
    class Person:
        first = attr.ib()
        last = attr.ib()

        def full(self):
            raise NotImplementedError

        def half_length(self):
            return half(len(self.first))
    -- packages/b/tests/test_core.py
    from acme_b.names import Person

    def test_full():
        assert Person("Ada", "L").full() == "Ada L"

    def test_half_length():
        assert Person("Ada", "L").half_length() == 1.5
    """
DOUBLE = "packages/a/src/acme_a/core.py::double"
FULL = "packages/b/src/acme_b/names.py::Person.full"
MONO_BODIES = {"double": "return 2 * $1", "Person.full": "return f'{self.first} {self.last}'"}


@pytest.mark.parametrize(
    ("where", "patched"), [("", {DOUBLE, FULL}), ("packages/a", {DOUBLE})], ids=["all", "one"]
)
def test_each_project_has_its_own_tests_and_a_folder_chooses_one(
    where: str, patched: set[str], front: Front
) -> None:
    answer = front.solve(MONO, MONO_BODIES, where=where)
    assert answer.patched == patched, answer.said
    assert answer.code == 0, answer.said
    assert answer.changed == {key.partition("::")[0] for key in patched}


def test_the_current_folder_chooses_a_project(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = lay_out(front.folder / "repository", MONO)
    monkeypatch.chdir(repository / "packages/b")
    answer = front.solve(Path(), MONO_BODIES)
    assert answer.patched == {FULL}, answer.said


def test_stubs_of_a_project_stand_in_its_own_package(front: Front) -> None:
    added = """
        -- packages/a/tests/test_more.py
        from acme_a.more import third
        from acme_a.core import quarter

        def test_third():
            assert third(3) == 1
            assert quarter(x=4) == 1
        """
    answer = front.stubs(MONO + added, tests="packages/a/tests")
    assert answer.code == 0, answer.said
    package = "packages/a/src/acme_a"
    assert answer.changed == {f"{package}/core.py", f"{package}/more.py"}


# --- files in odd shapes ------------------------------------------------------------------------

ODD = {
    "a backslash line above it": (
        "def e(x):\n r = 1\n return r\n\\\ndef f(x): raise NotImplementedError\n"
    ),
    "tabs and spaces mixed": (
        "class A:\n\t def g(self, x):\n\t\t return 1\n\ndef f(x):\n    raise NotImplementedError\n"
    ),
    "a name that Python reads as another": (
        "def to_\xb5m(x):\n    return x * 1e6\n\n\ndef f(x):\n    raise NotImplementedError\n"
    ),
    "CRLF": "X = 1\r\n\r\n\r\ndef f(x):\r\n    raise NotImplementedError\r\n",
    "a form feed": "X = 1\n\x0c\ndef f(x):\n    raise NotImplementedError\n",
    "latin-1": "# -*- coding: latin-1 -*-\nN = '\xe9'\n\ndef f(x):\n    raise NotImplementedError\n",
    "no newline at its end": "def f(x):\n\traise NotImplementedError",
    "semicolons": "a = 1; b = 2\ndef f(x): raise NotImplementedError\nc = 3; d = 4\n",
    "a decorator over several lines": (
        "import functools\n\n@(\n    functools.lru_cache\n)\ndef f(x):\n    raise NotImplementedError\n"
    ),
    "a decorator behind a backslash": (
        "import functools\n\n@ \\\nfunctools.cache\ndef f(x):\n    raise NotImplementedError\n"
    ),
}


@pytest.mark.parametrize("kind", ODD)
def test_a_function_is_written_into_a_file_of_any_shape(kind: str, front: Front) -> None:
    """All other lines stay as they are, byte by byte."""
    old = ODD[kind]
    test = "-- tests/test_it.py\nfrom odd import f\n\ndef test_it():\n    assert f(2) == 2\n"
    text = f"-- odd.py\n{old}-- tests/__init__.py\n{test}"
    if not old.endswith("\n"):
        repository = lay_out(front.folder / "repository", test)
        (repository / "odd.py").write_bytes(old.encode())
    else:
        repository = lay_out(front.folder / "repository", text)
    before = (repository / "odd.py").read_bytes()
    answer = front.solve(repository, {"f": "return $1"})
    assert answer.patched == {"odd.py::f"}, answer.said
    assert answer.code == 0
    after = (repository / "odd.py").read_bytes()
    start, end = before.index(b"raise Not"), len(b"raise NotImplementedError")
    assert after.startswith(before[:start].rstrip(b" \t")), after
    assert after.endswith(before[start + end :]), after


def test_a_file_that_cannot_be_edited_is_told_and_others_are_solved(front: Front) -> None:
    """A run never ends well while a test fails that it was to look at."""
    text = """
        -- fine.py
        def h(x):
            raise NotImplementedError
        -- odd.py
        class A:
        \t def g(self, x):
        \t\t raise NotImplementedError
        -- tests/test_it.py
        from fine import h
        from odd import A

        def test_g():
            assert A().g(2) == 2

        def test_h():
            assert h(2) == 2
        """
    answer = front.solve(text, {"h": "return $1", "A.g": "return $1"})
    assert "fine.py::h" in answer.patched, answer.said
    if answer.code == 0:
        assert answer.patched == {"fine.py::h", "odd.py::A.g"}
    else:
        assert "tests/test_it.py::test_g" in answer.left


@pytest.mark.parametrize("cookie", ["latin-1", "utf-8"])
def test_a_stub_stands_below_the_shebang_in_the_file_s_own_encoding(
    cookie: str, front: Front
) -> None:
    text = f"""
        -- shop/__init__.py
        -- shop/cart.py
        #!/usr/bin/env python3
        # -*- coding: {cookie} -*-
        # Licence: caf\xe9

        NAME = "\xe9"


        def name():
            return NAME
        -- tests/test_cart.py
        import pytest
        from shop.cart import EmptyCartError, pay

        def test_pay():
            with pytest.raises(EmptyCartError, match="\xe9"):
                pay([])
        """
    answer = front.stubs(text)
    assert (answer.code, answer.changed) == (0, {"shop/cart.py"}), answer.said
    data = (answer.repository / "shop/cart.py").read_bytes()
    assert data.startswith(files_of(text)["shop/cart.py"].partition(b"\n\n")[0])
    names = {getattr(node, "name", "") for node in ast.parse(data).body}
    assert {"EmptyCartError", "pay", "name"} <= names
