"""Functions of packages are blanked, found and written again; the table says what came of each."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import subprocess
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from egbot.bench.formats import load_tasks
from egbot.bench.oracle import Oracle
from egbot.bench.packages import ORACLE, SHIPPED, blanked, deleted, package_tree
from egbot.bench.reading import read_source
from egbot.bench.results import read_results
from egbot.bench.runs import run_bench
from egbot.bench.tasks import BlankedFunction
from egbot.errors import SandboxError, UsageError
from egbot.progress import TargetStarted
from egbot.records import Prompt, Span, Target
from egbot.testing import Script, ScriptedDecoder
from tests.bench.sets import ADD, Fields, Shelf, jsonl, order_of
from tests.shelf import tree_of

ENTRY: Fields = {"package": "calc", "version": "1.0", "target": "calc.py::add"}


def rows(*targets: str) -> list[Fields]:
    return [{**ENTRY, "target": target} for target in targets]


def test_only_the_body_is_blanked() -> None:
    source = (
        "import os\n\n\nclass Cart:\n    @property\n    def total(\n        self,\n    ) -> int:\n"
        '        """The total.\n\n        All of it.\n        """\n        a = 1\n        return a  # yes\n\n\n'
        "def add(a, b=2): return a + b\n"
    )
    once = blanked(tree_of({"calc.py": source}), "calc.py::Cart.total")["calc.py"].data.decode()
    assert once == source.replace(
        "        a = 1\n        return a  # yes\n", "        raise NotImplementedError\n"
    )
    twice = blanked(tree_of({"calc.py": source}), "calc.py::add")["calc.py"].data.decode()
    assert twice.endswith("def add(a, b=2):\n    raise NotImplementedError\n")


def test_a_function_that_the_package_lacks_is_a_fault_of_the_list() -> None:
    with pytest.raises(UsageError, match=r"has no function calc\.py::divide"):
        blanked(tree_of(ADD), "calc.py::divide")


def test_each_outcome_has_its_status(tmp_path: Path) -> None:
    """Solved, not needed by any test, and not there: nobody tells the pipeline what was blanked."""
    bench = Shelf(ScriptedDecoder(Script("\n    return a + b\n")))
    tasks = jsonl(tmp_path / "list.jsonl", rows("calc.py::add", "calc.py::unused", "calc.py::gone"))
    summary = run_bench(order_of(tasks, tmp_path / "out"), bench.say, bench.effects())
    assert summary.by_status == {"solved": 1, "not_needed": 1, "error": 1}
    assert summary.by_package == {"calc==1.0": {"solved": 1, "not_needed": 1, "error": 1}}
    results = read_results(tmp_path / "out" / "results.jsonl")
    assert results[0].targets == ("calc.py::add",)
    assert results[0].code.endswith("return a + b\n")
    assert results[0].num_judged_passed == 1
    assert "| calc==1.0 | 1 | 1 | 1 |" in (tmp_path / "out" / "summary.md").read_text()


def test_find_only_needs_no_model(tmp_path: Path) -> None:
    bench = Shelf()
    tasks = jsonl(tmp_path / "list.jsonl", rows("calc.py::add"))
    order = order_of(tasks, tmp_path / "out", find_only=True)
    summary = run_bench(order, bench.say, bench.effects())
    assert (summary.by_status, bench.num_loads) == ({"found": 1}, 0)
    assert "| solved |" not in (tmp_path / "out" / "summary.md").read_text()


FAMILY = {
    "calc.py": (
        "class Base:\n    def size(self):\n        return 3\n\n    def name(self):\n        return 1\n\n\n"
        "class Special(Base):\n    def name(self):\n        return 2\n"
    ),
    "test_calc.py": (
        "from calc import Special\n\n\ndef test_size():\n    assert Special().size() == 3\n\n\n"
        "def test_name():\n    assert Special().name() == 2\n"
    ),
}


@pytest.mark.parametrize(
    ("target", "status", "taken"),
    [
        ("calc.py::Base.size", "wrong_target", ("calc.py::Special.size",)),
        ("calc.py::Special.name", "no_target", ()),
    ],
    ids=["asked of a subclass alone", "a base answers"],
)
def test_another_function_or_none_is_no_right_target(
    tmp_path: Path, target: str, status: str, taken: tuple[str, ...]
) -> None:
    bench = Shelf(package=lambda work: tree_of(FAMILY))
    tasks = jsonl(tmp_path / "list.jsonl", [{**ENTRY, "target": target, "form": "deleted"}])
    summary = run_bench(order_of(tasks, tmp_path / "out"), bench.say, bench.effects())
    result = read_results(tmp_path / "out" / "results.jsonl")[0]
    assert (result.status, result.targets) == (status, taken)
    assert (summary.solved, summary.total) == (0, 1)


def test_a_package_whose_own_tests_fail_is_counted_apart(tmp_path: Path) -> None:
    files = {**ADD, "test_calc.py": ADD["test_calc.py"].replace("== 3", "== 4")}
    bench = Shelf(package=lambda work: tree_of(files))
    tasks = jsonl(tmp_path / "list.jsonl", rows("calc.py::add", "calc.py::unused"))
    summary = run_bench(order_of(tasks, tmp_path / "out"), bench.say, bench.effects())
    assert (summary.total, summary.by_status) == (0, {"bad_reference": 2})
    assert (
        "1 of its own tests fail here, such as test_calc.py::test_add" in summary.bad_references[0]
    )
    assert len([line for line in bench.said if line.startswith("running the tests")]) == 1


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"package": "a", "version": "1", "target": "add"}, "is not PATH::QUALNAME"),
        ({"package": "a", "target": "a.py::f"}, "has no version"),
        ({"package": "", "target": "a.py::f"}, "neither a package nor a path"),
        ({"version": "1", "target": "a.py::f"}, "has no package or path"),
        ({"package": 5, "version": "1", "target": "a.py::f"}, "package is no text"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: Fields, why: str) -> None:
    source = read_source(jsonl(tmp_path / "list.jsonl", [ENTRY, entry]))
    found = load_tasks(source, "repo")
    assert len(found.tasks) == 1
    assert why in found.faults[0].why


def test_the_shipped_list_has_three_packages_and_thirty_functions() -> None:
    found = load_tasks(read_source(str(SHIPPED)), None)
    works = [one.work for one in found.tasks]
    assert (found.format_name, found.faults) == ("repo", ())
    assert len(works) >= 30
    assert len({one.package for one in works if isinstance(one, BlankedFunction)}) == 3
    assert all(isinstance(one, BlankedFunction) and len(one.sha256) == 64 for one in works)


# --- the package's files -------------------------------------------------------------------------


def archive(folder: Path, files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            opened.addfile(member, io.BytesIO(text.encode()))
        link = tarfile.TarInfo("calc-1.0/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        opened.addfile(link)
    place = folder / "packages" / "calc-1.0"
    place.mkdir(parents=True)
    (place / "calc-1.0.tar.gz").write_bytes(made.getvalue())
    return made.getvalue()


def test_an_archive_gives_its_regular_files_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    data = archive(
        tmp_path, {"calc-1.0/calc.py": "x = 1\n", "calc-1.0/../../evil.py": "", "/abs/a.py": ""}
    )
    digest = hashlib.sha256(data).hexdigest()
    tree = package_tree(BlankedFunction("calc", "1.0", digest, "", "calc.py::f"))
    assert {path: file.data for path, file in tree.items()} == {"calc.py": b"x = 1\n"}


def test_an_archive_of_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    archive(tmp_path, {"calc-1.0/calc.py": "x = 1\n"})
    with pytest.raises(UsageError, match="is not the file that the list names"):
        package_tree(BlankedFunction("calc", "1.0", "0" * 64, "", "calc.py::f"))


def test_without_an_index_the_error_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGBOT_CACHE", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(SandboxError, match=r"fetching the source of no-such==1\.0 failed") as told:
        package_tree(BlankedFunction("no-such", "1.0", "", "", "calc.py::f"))
    assert "package index" in told.value.hint


def test_a_folder_stands_for_a_package(tmp_path: Path) -> None:
    for path, text in ADD.items():
        (tmp_path / path).write_text(text)
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    assert set(package_tree(BlankedFunction("", "", "", str(tmp_path), "calc.py::add"))) == set(ADD)


def test_the_shipped_list_is_plain_json() -> None:
    assert all(
        set(one) == {"package", "version", "sha256", "target"}
        for one in json.loads(SHIPPED.read_text())
    )


# --- the perfect model ---------------------------------------------------------------------------

SHOP = {
    "shop.py": (
        "from contextlib import contextmanager\n\nOPEN = []\n\n\n"
        "def priced(value, *, rate=0.5, digits=1):\n"
        '    """Round it."""\n    text = f"""\n{value}"""\n    return round(float(text) * rate, digits)\n\n\n'
        "@contextmanager\ndef opened(door):\n    OPEN.append(door)\n    yield door\n    OPEN.pop()\n\n\n"
        "class Cart:\n    def add(self, item, times=3):\n        return [item] * times\n"
    ),
    "test_shop.py": (
        "import shop\n\n\n"
        "def test_priced():\n    assert shop.priced(2) == 1.0\n    assert shop.priced(4, digits=0) == 2\n\n\n"
        "def test_opened():\n    with shop.opened(7) as door:\n        assert shop.OPEN == [door]\n"
        "    assert shop.OPEN == []\n\n\n"
        "def test_add():\n    many = 1\n    assert shop.Cart().add(5, many) == [5]\n"
        "    assert shop.Cart().add(5) == [5, 5, 5]\n"
    ),
}


def test_a_perfect_model_writes_what_was_blanked_or_deleted(tmp_path: Path) -> None:
    """Under whatever header egbot wrote: names, defaults and decorators may be others."""
    bench = Shelf(package=lambda work: tree_of(SHOP))
    forms = {
        "shop.py::priced": "blanked",
        "shop.py::opened": "deleted",
        "shop.py::Cart.add": "deleted",
    }
    listed = [{**ENTRY, "target": target, "form": form} for target, form in forms.items()]
    tasks = jsonl(tmp_path / "list.jsonl", listed)
    summary = run_bench(order_of(tasks, tmp_path / "out", oracle=True), bench.say, bench.effects())
    row = {"tasks": 1, "target right": 1, "header fits": 1, "accepted": 1}
    kinds = ("blanked body", "deleted function", "deleted method")
    assert summary.by_form == dict.fromkeys(kinds, row)
    assert bench.num_loads == 0
    assert (
        "| deleted method | 1 | 1 (100%) | 1 (100%) | 1 (100%) |"
        in (tmp_path / "out" / "summary.md").read_text()
    )


@pytest.mark.parametrize(
    ("written", "asked", "call"),
    [
        ("f(a, b=1)", "f(x, y)", "f(x, y)"),
        ("f(a, b=1)", "f(x, y=None)", "f(x, 1 if y is None else y)"),
        ("f(a, b=1, c=2)", "f(x, c=None)", "f(x, c=2 if c is None else c)"),
        ("f(a, *rest)", "f(x, y=None)", "f(x, *([] if y is None else [y]))"),
        ("f(a, **more)", "f(x, *, key)", "f(x, key=key)"),
        ("f(self, a)", "f(self, x)", "f(self, x)"),
        ("f(cls, a)", "f(x)", "f(__class__, x)"),
        ("f(cls, a)", "f(self, x)", "f(type(self), x)"),
        ("f(a, b)", "f(*args, **options)", "f(*args, **options)"),
    ],
)
def test_the_old_function_is_called_with_the_new_ones_arguments(
    written: str, asked: str, call: str
) -> None:
    oracle = Oracle("m.py::f", f"def {written}:\n    return 7\n".encode())
    header = f"def {asked}:"
    span = Span(0, 0, 1, 1)
    target = Target("m.py", "f", "missing_name", header, "", span, "", ())
    oracle.report(TargetStarted(1, 1, target))
    prompt = Prompt("", "", "", f"```python\n{header}")
    session = oracle.decoder().open(prompt)
    answer = session.advance(signal="", gamma=0, max_tokens=999, stop=lambda _: False)
    assert ast.unparse(ast.parse(call)) in answer.text


def test_what_is_deleted_leaves_a_file_that_compiles() -> None:
    source = "class A:\n    x = 1\n\n    def f(self):\n        return 1\n\n\nclass B:\n    @staticmethod\n    def g():\n        return 2\n"
    once = deleted(tree_of({"a.py": source}), "a.py::A.f")
    assert "def f" not in once["a.py"].data.decode()
    twice = deleted(once, "a.py::B.g")["a.py"].data.decode()
    assert {"A", "B"} <= set(run_source(twice))
    assert "staticmethod" not in twice


def run_source(source: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(source, names)
    return names


def test_the_perfect_models_list_has_a_hundred_functions_of_other_packages() -> None:
    works = [one.work for one in load_tasks(read_source(str(ORACLE)), None).tasks]
    functions = [one for one in works if isinstance(one, BlankedFunction)]
    assert Counter(one.form for one in functions) == {
        "blanked body": 40,
        "deleted function": 30,
        "deleted method": 30,
    }
    others = {one["package"] for one in json.loads(SHIPPED.read_text())}
    assert len({one.package for one in functions} - others) >= 14
