"""Modules that nobody has written: which are the repository's own, and where they go."""

from __future__ import annotations

import textwrap

from egbot.records import TreeFile
from egbot.source.newmodules import NewModules, new_modules
from egbot.source.symbols import Code


def asked(files: dict[str, str], **installed: str) -> NewModules:
    tree = {path: TreeFile(textwrap.dedent(text).encode()) for path, text in files.items()}
    paths = [path for path in files if path.startswith("tests/")]
    return new_modules(Code(tree), paths, lambda name: installed.get(name, ""))


PROJECT = '[project]\nname = "python-shop"\ndependencies = ["requests"]\n'


def test_the_project_s_own_modules_are_made_as_packages_where_they_must_be() -> None:
    test = "import shop\nimport shop.cart.items\nfrom shop.text import f\n"
    new = asked({"pyproject.toml": PROJECT, "tests/test_a.py": test})
    assert sorted(new.files) == [
        "shop/__init__.py",
        "shop/cart/__init__.py",
        "shop/cart/items.py",
        "shop/text.py",
    ]
    assert new.files["shop/text.py"] == "tests/test_a.py:3"


def test_declared_guarded_and_skipped_packages_are_left_to_others() -> None:
    test = """
        import pytest
        import requests
        import shop
        numpy = pytest.importorskip("numpy")
        try:
            import speedups
        except ImportError:
            speedups = None
    """
    new = asked({"pyproject.toml": PROJECT, "tests/test_a.py": test})
    assert list(new.files) == ["shop.py"]
    assert set(new.foreign) >= {"requests", "numpy", "speedups"}


def test_without_a_project_what_is_not_installed_is_to_be_written() -> None:
    new = asked({"tests/test_a.py": "import yaml\nfrom shop.cart import Cart\n"}, yaml="/lib/yaml")
    assert sorted(new.files) == ["shop/__init__.py", "shop/cart.py"]


def test_a_stub_never_hides_an_installed_package() -> None:
    new = asked({"tests/test_yaml.py": "import yaml\n"}, yaml="/lib/yaml/__init__.py")
    assert not new.files
    assert "tests/test_yaml.py:1" in new.problems[0]
    assert "/lib/yaml/__init__.py" in new.problems[0]


def test_a_module_that_would_have_to_be_a_package_is_told_with_both_places() -> None:
    files = {"shop.py": "", "tests/test_a.py": "import shop\nimport shop.cart\n"}
    new = asked(files)
    assert not new.files
    assert "tests/test_a.py:2" in new.problems[0]
    assert "shop.py" in new.problems[0]


def test_tests_inside_their_package_get_it_back() -> None:
    files = {"shop/tests/test_a.py": "", "tests/test_b.py": "from shop.cart import f\n"}
    new = asked({"pyproject.toml": PROJECT, **files})
    assert sorted(new.files) == ["shop/__init__.py", "shop/cart.py"]


def test_src_is_used_where_the_settings_say_so() -> None:
    settings = PROJECT + '[tool.setuptools.packages.find]\nwhere = ["src"]\n'
    new = asked({"pyproject.toml": settings, "tests/test_a.py": "import shop\n"})
    assert list(new.files) == ["src/shop.py"]
