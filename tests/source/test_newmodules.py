"""Modules that nobody has written: which are the repository's own, and where they go."""

from __future__ import annotations

import textwrap

import pytest

from egbot.dependencies import declared_imports
from egbot.records import TreeFile
from egbot.source.newmodules import NewModules, new_modules
from egbot.source.symbols import Code


def asked(files: dict[str, str], **installed: str) -> NewModules:
    tree = {path: TreeFile(textwrap.dedent(text).encode()) for path, text in files.items()}
    paths = [path for path in files if path.startswith("tests/")]
    return new_modules(
        Code(tree, declared_imports(tree)), paths, lambda name: installed.get(name, "")
    )


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


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("pyproject.toml", '[project]\ndependencies = ["flask>=2"]\n', "flask"),
        ("pyproject.toml", '[project.optional-dependencies]\nweb = ["Flask"]\n', "flask"),
        ("pyproject.toml", '[dependency-groups]\ndocs = ["flask ; python_version>\\"3\\""]\n', "flask"),
        ("pyproject.toml", '[tool.poetry.dependencies]\nflask = "^2"\n', "flask"),
        ("pyproject.toml", '[tool.poetry.group.web.dependencies]\nflask = {version = "2"}\n', "flask"),
        ("pyproject.toml", '[build-system]\nrequires = ["setuptools"]\n', "pkg_resources"),
        ("setup.py", "setup(name='shop', install_requires=['flask'])", "flask"),
        ("setup.py", "setup(extras_require={'web': ['flask']})", "flask"),
        ("setup.py", "WEB = ['flask']\nsetup(extras_require={'web': WEB + read('x')})", "flask"),
        ("setup.cfg", "[options]\ninstall_requires =\n  flask\n", "flask"),
        ("setup.cfg", "[options.extras_require]\nweb = flask\n", "flask"),
        ("requirements.txt", "flask @ https://x.example/flask.whl\n", "flask"),
        ("requirements.txt", "-e git+https://x.example/x.git#egg=flask\n", "flask"),
        ("requirements/docs.in", "Flask[async]==2\n", "flask"),
        ("tools/dev-requirements.txt", "-r more.txt\nflask\n", "flask"),
        ("requirements.txt", "PyYAML\n", "yaml"),
        ("requirements.txt", "beautifulsoup4\n", "bs4"),
        ("requirements.txt", "opencv_python\n", "cv2"),
        ("requirements.txt", "Pillow\n", "PIL"),
        ("requirements.txt", "scikit.learn\n", "sklearn"),
        ("requirements.txt", "python-dateutil\n", "dateutil"),
        ("requirements.txt", "ruamel.yaml\n", "ruamel"),
        ("requirements.txt", "typing-inspection\n", "typing_inspection"),
    ],
)  # fmt: skip
def test_what_is_declared_is_never_stubbed(path: str, text: str, name: str) -> None:
    """Not even where a test file bears its name, and whether or not it is installed here."""
    test = f"import {name}\nfrom shop.cart import total\n"
    new = asked({path: text, "shop/__init__.py": "", f"tests/test_{name}.py": test})
    assert list(new.files) == ["shop/cart.py"]
    assert not new.problems


def test_a_project_that_declares_its_own_extras_is_its_own() -> None:
    text = '[project]\nname = "shop"\n[dependency-groups]\ndev = ["shop[web]", "flask"]\n'
    assert list(asked({"pyproject.toml": text, "tests/test_a.py": "import shop\n"}).files) == [
        "shop.py"
    ]


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
