"""What is missing is made where it belongs, as what it is, with the signature of the calls."""

from __future__ import annotations

import pytest

from tests.cases.front import Case, Front, check, holds, lay_out, table

MISSING = table("missing.txt")
STUBBED = table("stubs.txt")


@pytest.mark.parametrize("case", MISSING.values(), ids=MISSING)
def test_what_is_missing_is_written_where_it_belongs(case: Case, front: Front) -> None:
    check(front, case.text, case.bodies)


@pytest.mark.parametrize("case", STUBBED.values(), ids=STUBBED)
def test_stubs_are_of_the_kind_that_the_tests_show(case: Case, front: Front) -> None:
    """``places`` are the files that are written; all others stay as they are."""
    answer = front.stubs(case.text)
    assert answer.code == 0, answer.said
    assert answer.changed == set(case.bodies["places"].split())
    holds(answer.repository, case.bodies["holds"], "src")
    assert front.stubs(answer.repository, "--check").code == 0


DECLARED = {
    "pyproject": '-- pyproject.toml\n[project]\nname = "shop"\nversion = "1"\n'
    'dependencies = ["flask"]\n',
    "setup": "-- setup.py\nfrom setuptools import setup\n"
    'setup(name="shop", install_requires=["flask"])\n',
    "poetry": '-- pyproject.toml\n[tool.poetry]\nname = "shop"\nversion = "1"\n'
    '[tool.poetry.dependencies]\nflask = "*"\n',
    "requirements": "-- requirements-dev.txt\nflask>=2\n",
}
USING = """
    -- shop/__init__.py
    -- shop/cart.py
    def total(x):
        return sum(x)
    -- tests/test_flask.py
    import flask
    from shop.cart import total

    def test_app():
        assert flask.Flask("x")
        assert total([1]) == 1
    """


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_a_declared_dependency_is_never_stubbed(declared: str, front: Front) -> None:
    """And what cannot be collected without it is not called complete."""
    answer = front.stubs(declared + USING)
    assert answer.changed == set()
    answer = front.stubs(answer.repository, "--check")
    assert (answer.code, "flask" in answer.said) == (1, True), answer.said


@pytest.mark.parametrize("use", ["from click import surely_not", "import click; click.surely_not"])
def test_what_is_installed_is_never_stubbed(use: str, front: Front) -> None:
    text = f"-- lib.py\nX = 1\n-- tests/test_it.py\n{use}\nimport lib\ndef test_it():\n    assert lib.X"
    answer = front.stubs(text)
    assert answer.changed == set()
    answer = front.solve(answer.repository, {})
    assert (answer.code, answer.patched, answer.changed) == (1, set(), set())
    assert "surely_not" in answer.said


def test_no_stub_takes_the_place_of_a_module_that_git_ignores(front: Front) -> None:
    text = """
        -- .gitignore
        _version.py
        -- pkg/__init__.py
        -- tests/test_it.py
        from pkg import _version, core
        def test_it():
            assert core.double(_version.NUMBER) == 2
        """
    repository = lay_out(front.folder / "repository", text)
    (repository / "pkg/_version.py").write_text("NUMBER = 1\n")
    answer = front.stubs(repository)
    assert answer.changed == {"pkg/core.py"}, answer.said
