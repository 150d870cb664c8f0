"""``egbot stubs``: what it writes collects and is complete, what exists stays, bad input is told."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from egbot.cli import cli

SHOP = {
    "pyproject.toml": '[project]\nname = "shop"\n\n[tool.ruff]\nline-length = 60\n',
    "tests/conftest.py": (
        "import pytest\nfrom shop.cart import Cart\n\n\n"
        "@pytest.fixture\ndef cart():\n    return Cart('ada', limit=3)\n"
    ),
    "tests/test_shop.py": """
        import pytest
        from shop import Cart, prices
        from shop.errors import FullError
        from shop.cart import LIMIT, total

        class Special(Cart): ...

        @pytest.mark.parametrize("cart", [Special("x"), Cart("y")])
        def test_kinds(cart):
            assert isinstance(cart, Cart)

        def test_cart(cart):
            cart.add("tea", count=2)
            assert cart.owner == "ada"
            assert total([1, 2]) == 3
            assert LIMIT == 10
            with pytest.raises(FullError):
                cart.add("x", count=99)
            assert prices.of("tea") == 2
    """,
}


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(textwrap.dedent(text))
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def call(folder: Path, *arguments: str) -> Result:
    where = ("--repo", str(folder), "--sandbox", "process", "--python", sys.executable)
    return CliRunner().invoke(cli, ["stubs", "tests", *where, *arguments])


def test_stubs_collect_and_then_nothing_is_missing(tmp_path: Path) -> None:
    lay_out(tmp_path, SHOP)
    assert call(tmp_path, "--check").exit_code == 1
    assert call(tmp_path, "--write").exit_code == 0
    assert call(tmp_path, "--check").exit_code == 0
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 tests collected" in done.stdout
    assert "from shop.cart import Cart" in (tmp_path / "shop/__init__.py").read_text()
    assert "def of(" in (tmp_path / "shop/prices.py").read_text()


def test_the_diff_is_shown_and_nothing_written(tmp_path: Path) -> None:
    lay_out(tmp_path, SHOP)
    shown = call(tmp_path)
    assert shown.exit_code == 0
    assert "+class FullError(Exception):" in shown.stdout
    assert not (tmp_path / "shop").exists()
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=shown.stdout, text=True, check=True)
    assert call(tmp_path, "--check").exit_code == 0


def test_json_names_each_stub_with_its_places(tmp_path: Path) -> None:
    lay_out(tmp_path, SHOP)
    value = json.loads(call(tmp_path, "--json").stdout)
    stubs = {(item["path"], item["name"]): item for item in value["stubs"]}
    assert stubs["shop/errors.py", "FullError"]["kind"] == "exception"
    assert stubs["shop/errors.py", "FullError"]["places"][0] == "tests/test_shop.py:4"
    assert stubs["shop/cart.py", "total"]["kind"] == "function"
    assert value["problems"] == []


def test_the_repository_s_formatter_is_used(tmp_path: Path) -> None:
    lay_out(tmp_path, SHOP)
    call(tmp_path, "--write")
    command = [sys.executable, "-m", "ruff", "format", "--check", "shop"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("settings", ["", "[tool.ruff]\nline-length = 60\n"])
def test_what_exists_keeps_its_every_line(tmp_path: Path, settings: str) -> None:
    """An odd layout stays, whatever formatter the repository has settings for."""
    odd = "import os\n\nclass Cart:\n  kind='odd'\n  def add( self,x ) : return x\n\ndef  old( ):pass\n"
    files = {**SHOP, "pyproject.toml": '[project]\nname = "shop"\n' + settings}
    lay_out(tmp_path, {**files, "shop/__init__.py": "", "shop/cart.py": odd})
    assert call(tmp_path, "--write").exit_code == 0
    lines = iter((tmp_path / "shop/cart.py").read_text().splitlines())
    assert all(line in lines for line in odd.splitlines() if line.strip())
    assert call(tmp_path, "--check").exit_code == 0


@pytest.mark.parametrize(
    ("encoding", "newline", "licence"),
    [("latin-1", "\n", "# Licence: caf\xe9\n\n"), ("utf-8", "\r\n", ""), ("ascii", "\n", "")],
)
def test_what_opens_a_file_stays_on_top_in_its_encoding(
    tmp_path: Path, encoding: str, newline: str, licence: str
) -> None:
    """Shebang, encoding and licence count at the start alone; new text fits the encoding."""
    head = f"#!/usr/bin/env python3\n# -*- coding: {encoding} -*-\n{licence}"
    tests = """
        import pytest
        from shop.cart import EmptyError, pay

        def test_pay():
            assert pay("\xe9\u2192") == "\u2192"
            with pytest.raises(EmptyError):
                pay("")
    """
    lay_out(tmp_path, {"shop/__init__.py": "", "tests/test_cart.py": tests})
    cart = tmp_path / "shop/cart.py"
    before = f"{head}NAME = 1\n".replace("\n", newline).encode(encoding)
    cart.write_bytes(before)
    assert call(tmp_path, "--write").exit_code == 0
    assert cart.read_bytes().startswith(head.replace("\n", newline).encode(encoding))
    made = {getattr(node, "name", ""): node for node in ast.parse(cart.read_bytes()).body}
    pay = made["pay"]
    assert "EmptyError" in made
    assert isinstance(pay, ast.FunctionDef)
    assert "pay('\xe9\u2192')" in (ast.get_docstring(pay) or "")


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"tests/test_a.py": "def test_a(:\n"}, 1, ["tests/test_a.py", "line 1"]),
        ({"tests/test_a.py": "import click\n"}, 0, ["nothing that the tests use is lacking"]),
        ({"tests/data.txt": "x"}, 2, ["no test files"]),
    ],
)
def test_bad_input_is_told_where_it_stands(
    tmp_path: Path, files: dict[str, str], code: int, words: list[str]
) -> None:
    lay_out(tmp_path, files)
    done = call(tmp_path)
    assert done.exit_code == code
    assert all(word in done.stderr for word in words), done.stderr


def test_a_read_only_file_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    lay_out(tmp_path, {**SHOP, "shop/__init__.py": "", "shop/cart.py": "X = 1\n"})
    (tmp_path / "shop/cart.py").chmod(0o444)
    done = call(tmp_path, "--write")
    assert done.exit_code == 2
    assert "shop/cart.py is read-only" in done.stderr
    assert not (tmp_path / "shop/errors.py").exists()


def test_write_and_check_exclude_each_other(tmp_path: Path) -> None:
    lay_out(tmp_path, SHOP)
    assert call(tmp_path, "--write", "--check").exit_code == 2
