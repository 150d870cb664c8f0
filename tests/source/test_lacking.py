"""The survey of tests: every way to name something that is missing is seen, with its place."""

from __future__ import annotations

import textwrap

import pytest

from egbot.records import TreeFile
from egbot.source.lacking import lacking, used_files
from egbot.source.symbols import Code

BASE = {
    "pkg/__init__.py": "",
    "pkg/mod.py": "import os\n\n\nclass Old:\n    def known(self): ...\n",
}


def code_of(files: dict[str, str]) -> Code:
    return Code({path: TreeFile(textwrap.dedent(text).encode()) for path, text in files.items()})


def found(test: str, **more: str) -> set[str]:
    files = {**BASE, "tests/test_a.py": test, **{k.replace("__", "/"): v for k, v in more.items()}}
    code = code_of(files)
    return {f"{path}::{name}" for path, name in lacking(code, ("tests/test_a.py",))}


@pytest.mark.parametrize(
    "test",
    [
        "from pkg.mod import new\n",
        "import pkg.mod\n\ndef test_a():\n    pkg.mod.new(1)\n",
        "import pkg.mod as m\n\ndef test_a():\n    assert m.new\n",
        "from pkg import mod as m\n\nVALUE = m.new\n",
        "from pkg.mod import *\n\ndef test_a():\n    new()\n",
        "import importlib\nm = importlib.import_module('pkg.mod')\n\ndef test_a():\n    m.new()\n",
        "import importlib\n\ndef test_a():\n    m = importlib.import_module('pkg.mod')\n    m.new()\n",
        "import pytest\nm = pytest.importorskip('pkg.mod')\n\ndef test_a():\n    m.new()\n",
        "from unittest import mock\n\n@mock.patch('pkg.mod.new')\ndef test_a(new): ...\n",
        (
            "import pkg.mod\nfrom unittest import mock\n\ndef test_a():\n"
            "    with mock.patch.object(pkg.mod, 'new'): ...\n"
        ),
        "import pkg.mod\n\ndef test_a(monkeypatch):\n    monkeypatch.setattr(pkg.mod, 'new', 3)\n",
        "def test_a(monkeypatch):\n    monkeypatch.setattr('pkg.mod.new', 3)\n",
        "import pkg.mod\n\ndef test_a():\n    assert getattr(pkg.mod, 'new')\n",
    ],
)
def test_a_missing_name_is_seen_however_it_is_named(test: str) -> None:
    assert found(test) == {"pkg/mod.py::new"}


@pytest.mark.parametrize(
    "test",
    [
        "from pkg.mod import Old\n\ndef test_a():\n    Old().new()\n",
        "from pkg.mod import Old\n\ndef test_a():\n    assert Old.new == 3\n",
        "from pkg.mod import Old\n\ndef test_a(old: Old):\n    assert old.new\n",
        "from pkg.mod import Old\n\nclass Mine(Old): ...\n\ndef test_a():\n    Mine().new()\n",
        (
            "from pkg.mod import Old\n\nclass Mine(Old):\n"
            "    def known(self):\n        super().new()\n"
        ),
        (
            "import pytest\nfrom pkg.mod import Old\n\n@pytest.fixture\ndef old():\n    return Old()\n\n"
            "def test_a(old):\n    old.new()\n"
        ),
        "from pkg.mod import Old\n\ndef test_a():\n    old = Old()\n    old.new = 3\n",
    ],
)
def test_a_missing_member_belongs_to_its_class(test: str) -> None:
    assert found(test) == {"pkg/mod.py::Old.new"}


def test_what_is_there_or_comes_from_python_is_not_missing() -> None:
    test = """
        import os
        import pkg.mod
        from pkg.mod import Old

        def test_a():
            assert pkg.mod.os and pkg.mod.__file__ and Old().known() and Old.__name__
            assert sorted([Old()]) and os.nothing
    """
    assert found(test) == set()


def test_a_name_that_hides_a_built_in_one_is_missing_all_the_same() -> None:
    assert found("from pkg.mod import sorted\n") == {"pkg/mod.py::sorted"}


def test_conftests_and_imported_helpers_belong_to_the_tests() -> None:
    code = code_of(
        {
            **BASE,
            "tests/__init__.py": "",
            "tests/conftest.py": "",
            "tests/helpers.py": "from tests import deep\n",
            "tests/deep.py": "",
            "tests/test_a.py": "from .helpers import x\nimport pkg.mod\n",
        }
    )
    assert set(used_files(code, ["tests/test_a.py"])) == {
        "tests/test_a.py",
        "tests/conftest.py",
        "tests/helpers.py",
        "tests/deep.py",
        "tests/__init__.py",
    }
