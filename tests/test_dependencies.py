"""What a repository needs is read without running it, whatever its files hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from egbot.dependencies import Requirements, declared_imports, detect, homes
from egbot.records import TreeFile

DEPENDENCY_FILES = (
    "pyproject.toml",
    "setup.cfg",
    "setup.py",
    "requirements.txt",
    "uv.lock",
)
PYPROJECT = """
[project]
name = "My.Package"
requires-python = ">=3.9"
dependencies = ["Attrs >= 22", "tomli; python_version < '3.11'"]
[project.optional-dependencies]
test = ["pytest>=7", "my_package[speed]"]
speed = ["msgpack"]
docs = ["sphinx"]
[dependency-groups]
dev = ["ruff", {include-group = "lint"}]
lint = ["mypy"]
"""


def lines_of(path: str, text: str) -> tuple[str, ...]:
    return tuple(sorted(detect({path: TreeFile(text.encode())}).lines))


def test_pyproject_dependencies_test_extras_and_groups_are_found() -> None:
    found = detect({"pyproject.toml": TreeFile(PYPROJECT.encode())})
    assert tuple(sorted(found.lines)) == (
        "attrs>=22",
        "msgpack",
        "pytest>=7",
        'tomli; python_version < "3.11"',
    )
    assert found.requires_python == ">=3.9"


def test_pytest_is_added_when_nothing_lists_it_for_every_python() -> None:
    assert detect({}).lines == ("pytest",)
    assert "pytest" in lines_of("requirements.txt", "pytest; python_version < '3'")
    assert lines_of("requirements.txt", "pytest==8.*") == ("pytest==8.*",)


def test_poetry_tables_are_translated() -> None:
    text = """
[tool.poetry.dependencies]
python = "^3.9"
requests = "^2.28.1"
zero = "^0.2.3"
flask = {version = "~2.1", extras = ["async"], python = ">=3.10"}
plain = "1.4"
private = {git = "https://example.invalid/x.git"}
[tool.poetry.group.test.dependencies]
pytest = "*"
[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""
    found = detect({"pyproject.toml": TreeFile(text.encode())})
    assert tuple(sorted(found.lines)) == (
        'flask[async]<2.2,>=2.1; python_version >= "3.10"',
        "plain==1.4",
        "pytest",
        "requests<3.0.0,>=2.28.1",
        "zero<0.3.0,>=0.2.3",
    )
    assert found.requires_python == "<4.0,>=3.9"
    assert ["private" in one.why for one in found.ignored] == [True]


@pytest.mark.parametrize(
    ("versions", "line"),
    [
        ("^1.2 || ^2.0", "x<3.0,>=1.2"),
        ("<1 | >=3", "x"),
        (">=1.0, !=1.5, <2", "x!=1.5,<2,>=1.0"),
        (">=1 <2", "x<2,>=1"),
        ("1.*", "x==1.*"),
        ("~1", "x<2,>=1"),
    ],
)
def test_all_that_poetry_says_of_versions_is_understood(versions: str, line: str) -> None:
    """Alternatives, which no other words can say, become the range around them."""
    text = f"[tool.poetry.dependencies]\npytest = '*'\nx = '{versions}'\n"
    found = detect({"pyproject.toml": TreeFile(text.encode())})
    assert (set(found.lines), found.ignored) == ({"pytest", line}, ())


def test_of_poetrys_alternative_pythons_none_between_them_is_meant() -> None:
    text = "[tool.poetry.dependencies]\npython = '~3.9 || ^3.11'\n"
    wanted = SpecifierSet(detect({"pyproject.toml": TreeFile(text.encode())}).requires_python)
    assert [f"3.{minor}.1" in wanted for minor in (8, 9, 10, 11, 12)] == [0, 1, 0, 1, 1]


@pytest.mark.parametrize("versions", ["^", "===x", "3 4 5", "1" * 10_000, "||".join(["1.1"] * 900)])
def test_versions_that_poetry_would_refuse_are_named_and_any_is_taken(versions: str) -> None:
    text = f"[tool.poetry.dependencies]\nx = {{version = '{versions}', python = '{versions}'}}\n"
    found = detect({"pyproject.toml": TreeFile(text.encode())})
    assert found.lines == ("pytest", "x")
    assert len(found.ignored) == 2
    assert all(len(one.why) < 200 for one in found.ignored)


def test_setup_cfg_and_setup_py_are_read() -> None:
    config = "[options]\ninstall_requires =\n  attrs\n[options.extras_require]\ntest =\n  pytest\n"
    assert lines_of("setup.cfg", config) == ("attrs", "pytest")
    script = (
        "NEEDS = ['attrs', 'rich>=13']\nfrom setuptools import setup\n"
        "setup(name='x', install_requires=NEEDS, extras_require={'test': ['pytest']},\n"
        "      python_requires='>=3.9')\n"
    )
    assert lines_of("setup.py", script) == ("attrs", "pytest", "rich>=13")


def test_a_setup_py_that_names_one_long_list_a_thousand_times_is_read_once() -> None:
    """Each naming read anew would take hours."""
    script = f"N = {['attrs'] * 50_000}\n" + "setup(install_requires=N, my_requires=N)\n" * 10_000
    tree = {"setup.py": TreeFile(script.encode())}
    assert detect(tree).lines == ("pytest", "attrs")
    assert declared_imports(tree) == {"attr", "attrs"}


def test_of_a_setup_py_only_what_its_requirements_use_is_declared() -> None:
    script = "import os\nos.environ['A'] = 'flask'\nN = ['attrs']\nsetup(install_requires=f(N))\n"
    assert declared_imports({"setup.py": TreeFile(script.encode())}) == {"attr", "attrs"}


def test_setup_py_is_never_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    script = f"open({str(mark)!r}, 'w')\nsetup(install_requires=open('/etc/hostname').read())\n"
    found = detect({"setup.py": TreeFile(script.encode())})
    assert not mark.exists()
    assert "computed" in found.ignored[0].why


def test_requirement_files_follow_includes_and_drop_what_chooses_where_to_download() -> None:
    tree = {
        "requirements.txt": TreeFile(
            b"attrs==23.1 \\\n  --hash=sha256:00  # why\n-r requirements/test.txt\n"
            b"--index-url https://user:a@secret@example.invalid/simple\n"
            b"https://user:a@secret@example.invalid/evil.whl\n-e .\n./local\n"
            b"evil @ file:///etc/passwd\n-r ../../outside.txt\n"
        ),
        "requirements/test.txt": TreeFile(b"pytest\n-r ../requirements.txt\n"),
        "requirements-docs.txt": TreeFile(b"sphinx\n"),
    }
    found = detect(tree)
    assert tuple(sorted(found.lines)) == ("attrs==23.1", "pytest")
    assert len(found.ignored) >= 6
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("pyproject.toml", b"[project\n"),
        ("pyproject.toml", b"\xff\xfe"),
        ("setup.cfg", b"no section\n"),
        ("setup.py", b"def (:\n"),
        ("setup.py", b"setup(" + b"(" * 100_000),
        ("requirements.txt", b"\x00" * (2 << 20)),
    ],
)
def test_a_broken_file_is_named_and_left_out(path: str, data: bytes) -> None:
    found = detect({path: TreeFile(data), "requirements-test.txt": TreeFile(b"attrs")})
    assert tuple(sorted(found.lines)) == ("attrs", "pytest")
    assert found.ignored[0].path == path
    assert found.ignored[0].why


def test_a_link_is_not_read() -> None:
    assert "link" in detect({"setup.py": TreeFile(b"/etc/passwd", 0o120000)}).ignored[0].why


@settings(max_examples=60)
@given(
    st.sampled_from(DEPENDENCY_FILES),
    st.binary(),
)
def test_detect_never_raises(path: str, data: bytes) -> None:
    assert detect({path: TreeFile(data)}).lines


@settings(max_examples=60)
@given(
    st.recursive(
        st.integers() | st.text("abc[]^~<>=.*|0123 ;", max_size=8) | st.booleans(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["version", "extras", "python", "a"]), inner, max_size=2
            )
        ),
        max_leaves=6,
    )
)
def test_values_of_an_unexpected_shape_never_raise(value: object) -> None:
    text = toml_of(value)
    document = (
        f"project = {{name = {text}, dependencies = {text}, requires-python = {text}}}\n"
        f"tool = {{poetry = {{dependencies = {{python = {text}, x = {text}}}, group = {text}}}}}\n"
        f"dependency-groups = {{dev = {text}}}\n"
    )
    assert detect({"pyproject.toml": TreeFile(document.encode())}).lines


def toml_of(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_of(one)}" for key, one in value.items()) + "}"
    return repr(value) if isinstance(value, int) else f'"{value}"'


UV_LOCK = """
[[package]]
name = "mine"
source = { editable = "." }
dependencies = [{ name = "attrs" }, { name = "tomli", marker = "python_full_version < '3.11'" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }, { name = "twice" }, { name = "sibling", source = { editable = "x" } }]
docs = [{ name = "sphinx" }]
[[package]]
name = "attrs"
version = "23.1"
[[package]]
name = "tomli"
version = "2.0"
[[package]]
name = "pytest"
version = "8.0"
[[package]]
name = "twice"
version = "1"
[[package]]
name = "twice"
version = "2"
"""


def test_the_lock_is_a_hint_where_nothing_names_the_test_runner() -> None:
    tree = {"uv.lock": TreeFile(UV_LOCK.encode())}
    lines = {"attrs==23.1", "pytest==8.0", 'tomli==2.0; python_full_version < "3.11"', "twice"}
    assert set(detect(tree).lines) == lines
    declared = {"requirements.txt": TreeFile(b"pytest-mock\n")}
    assert set(detect({**tree, **declared}).lines) == {"pytest-mock", *lines}
    better = {"requirements.txt": TreeFile(b"pytest\n")}
    assert detect({**tree, **better}).lines == ("pytest",)


DEV = "ruff>=0.1\nMyPy\nmock\nsphinx_rtd_theme\nblack"
DEV_LIST = DEV.splitlines()


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": f"[project.optional-dependencies]\ndev = {DEV_LIST}\ndocs = ['furo']"},
        {
            "pyproject.toml": f"[dependency-groups]\ndev = ['mock', {{include-group = 'lint'}}]\n"
            f"lint = {[*DEV_LIST[:2], 'unheard-of', 'black']}"
        },
        {
            "pyproject.toml": "[project]\nname = 'pk'\n[project.optional-dependencies]\n"
            f"dev = ['pk[docs]', 'mock']\ndocs = {[*DEV_LIST[:2], 'unheard-of', 'black']}"
        },
        {"pyproject.toml": f"[tool.uv]\ndev-dependencies = {DEV_LIST}"},
        {
            "pyproject.toml": "[tool.poetry.group.dev.dependencies]\n"
            "ruff = '*'\nmypy = '*'\nmock = '*'\nblack = '*'"
        },
        {"setup.cfg": "[options.extras_require]\ndev =\n  " + "\n  ".join(DEV_LIST)},
        {"setup.py": f"setup(extras_require={{'dev': {DEV_LIST}}})"},
        {"requirements-dev.txt": DEV},
        {"requirements-dev.txt": "mock\n-r lint.txt", "lint.txt": "unheard-of\nblack"},
    ],
)
def test_what_only_lints_or_documents_is_installed_where_code_speaks_of_it(
    files: dict[str, str],
) -> None:
    tree = {path: TreeFile(text.encode()) for path, text in files.items()}
    assert set(detect(tree).lines) == {"mock", "pytest"}
    for path, text in (
        ("tests/test_x.py", "def test(): run(['black', '.'])"),
        ("conftest.py", "import black.api"),
    ):
        assert set(detect({**tree, path: TreeFile(text.encode())}).lines) == {
            "mock",
            "pytest",
            "black",
        }
    assert set(detect({**tree, "docs/conf.py": TreeFile(b"import black")}).lines) == {
        "mock",
        "pytest",
    }


def test_what_the_project_itself_or_its_tests_ask_for_is_installed_whatever_it_is() -> None:
    text = "[project]\ndependencies=['sphinx']\n[dependency-groups]\ntest=['mypy', 'pytest']\n"
    assert lines_of("pyproject.toml", text) == ("mypy", "pytest", "sphinx")
    assert lines_of("requirements-test.txt", "black") == ("black", "pytest")


def test_the_tables_of_uv_pdm_and_hatch_are_read() -> None:
    text = """
[tool.uv]
dev-dependencies = ["pytest>=7"]
[tool.pdm.dev-dependencies]
test = ["mock"]
docs = ["sphinx"]
[tool.hatch.envs.default]
dependencies = ["attrs"]
[tool.hatch.envs.docs]
dependencies = ["mkdocs"]
"""
    assert lines_of("pyproject.toml", text) == ("attrs", "mock", "pytest>=7")


def test_the_digest_changes_with_the_lines_and_the_python_only() -> None:
    one = Requirements(("a", "b"), ">=3.9")
    assert one.digest("3.11") == Requirements(("a", "b")).digest("3.11")
    assert one.digest("3.11") != one.digest("3.12")
    assert one.digest("3.11") != Requirements(("a",)).digest("3.11")


# --- several packages --------------------------------------------------------------------------

ONE = """
[project]
name = "Acme.One"
dependencies = ["attrs"]
optional-dependencies = {fast = ["numpy"], test = ["mock"]}
"""
POETRY_PATHS = """
[tool.poetry]
name = "two"
[tool.poetry.dependencies]
rich = "*"
three = {path = "../x"}
acme-one = {path = "../one", develop = true, extras = ["fast"]}
"""
PIP = "-e ../one[fast]\n./../three\n../nowhere\n--no-index\nrich\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "pyproject.toml",
            "[project]\nname='two'\ndependencies=['acme-one[fast]>=3', 'rich', 'three']",
        ),
        ("pyproject.toml", POETRY_PATHS),
        (
            "setup.cfg",
            "[options]\ninstall_requires =\n  acme_one[fast] @ file:../one\n  rich\n  three",
        ),
        ("setup.py", "setup(install_requires=['rich', 'three', 'acme.one[fast]'])"),
        ("requirements.txt", PIP),
    ],
)
def test_what_the_repository_itself_provides_is_not_asked_for_elsewhere(
    path: str, text: str
) -> None:
    """What it needs in turn is; and nothing of a package that was not required."""
    files = {
        f"p/two/{path}": text,
        "p/two/test_two.py": "",
        "p/one/pyproject.toml": ONE,
        "p/one/test_one.py": "",
        "p/three/setup.py": "setup(name='three', install_requires=['click', 'acme-one'])",
        "p/four/setup.py": "setup(name='four', install_requires=['flask'])",
    }
    tree = {name: TreeFile(one.encode()) for name, one in files.items()}
    assert set(detect(tree, "p/two").lines) == {"pytest", "attrs", "numpy", "rich", "click"}
    assert set(homes(tree, "p/two")) == {"p/two", "p/one", "p/three"}
    assert set(detect(tree, "p/one").lines) == {"pytest", "attrs", "mock"}
    assert homes(tree, "p/one") == ("p/one",)
    assert declared_imports(tree) >= {"attr", "rich", "flask"}
    assert not declared_imports(tree) & {"two", "three", "acme_one", "acme"}


def test_a_workspace_shares_its_tools_and_its_lock() -> None:
    root = (
        "[project]\nname='all'\ndependencies=['flask']\n[dependency-groups]\ndev=['hypothesis']\n"
    )
    lock = (
        '[[package]]\nname = "one"\nversion = "1"\nsource = { editable = "p/one" }\n'
        'dependencies = [{ name = "attrs" }]\n'
        '[[package]]\nname = "two"\nversion = "1"\nsource = { editable = "p/two" }\n'
        'dependencies = [{ name = "rich" }]\n[[package]]\nname = "attrs"\nversion = "22.1"\n'
    )
    files = {
        "pyproject.toml": f"{root}[tool.uv.workspace]\nmembers = ['p/*']\n",
        "uv.lock": lock,
        "p/one/pyproject.toml": "[project]\nname='one'\ndependencies=['attrs']\n",
        "p/one/test_one.py": "",
        "p/two/pyproject.toml": "[project]\nname='two'\ndependencies=['rich']\n",
        "p/two/test_two.py": "",
    }
    tree = {name: TreeFile(one.encode()) for name, one in files.items()}
    assert set(detect(tree, "p/one").lines) == {"pytest", "attrs", "attrs==22.1", "hypothesis"}
    no_workspace = {**tree, "pyproject.toml": TreeFile(root.encode())}
    assert "hypothesis" not in detect(no_workspace, "p/one").lines
    shared = {**tree, "pyproject.toml": TreeFile(b"[tool.pytest.ini_options]\n")}
    assert set(homes(shared, "")) == {"", "p/one", "p/two"}
    assert {"attrs", "rich"} <= set(detect(shared).lines)


def test_settings_of_egbot_below_the_root_are_told_to_count_for_nothing() -> None:
    tree = {"a/pyproject.toml": TreeFile(b"[tool.egbot]\n"), "a/test_a.py": TreeFile(b"")}
    assert [one.path for one in detect(tree, "a").ignored] == ["a/pyproject.toml"]


def test_a_list_that_names_its_own_package_brings_its_extras() -> None:
    files = {"pyproject.toml": ONE, "requirements-dev.txt": "-e .[fast]\n"}
    tree = {name: TreeFile(one.encode()) for name, one in files.items()}
    found = detect(tree)
    assert set(found.lines) == {"pytest", "attrs", "mock", "numpy"}
    assert found.ignored == ()
