"""Evidence is a stranger's word: what is no name, place or module of the tree becomes no need."""

from __future__ import annotations

import pytest

from egbot.discovery.needs import merge
from egbot.discovery.stubplan import make_plan
from egbot.records import (
    Evidence,
    Expectation,
    Place,
    Probe,
    Seen,
    Sight,
    StubPlace,
    Tree,
    TreeFile,
)

TREE: Tree = {
    path: TreeFile(text.encode())
    for path, text in {
        "shop/__init__.py": "",
        "shop/cart.py": "def total(rows):\n    raise NotImplementedError\n",
        "lib/tax/__init__.py": "",
        "setup.py": "",
        "tests/test_cart.py": "from shop.cart import total, add\n\ndef test_it():\n    add(1)\n",
    }.items()
}
PROBE = Probe(
    own=("shop",),
    declared=("numpy",),
    test_paths=("tests/test_cart.py",),
    stubs=(StubPlace("shop/cart.py", "total"),),
)
TEST = "tests/test_cart.py::test_it"
AT = Place("tests/test_cart.py", 4, 4, 4, 10)


def there(module: str, path: str) -> Sight:
    return Sight("module", module, "exists", Place(path, 1))


CART = there("shop.cart", "shop/cart.py")


def needs_of(*sights: Sight, is_bold: bool = False) -> list[str]:
    found = merge({TEST: Evidence(sights=sights)}, TREE, PROBE, is_bold=is_bold)
    return [f"{one.path}::{one.qualname}" for one in found.needs]


def test_a_name_of_a_module_of_ours_is_a_need() -> None:
    assert needs_of(CART, Sight("name", "shop.cart:add"), Sight("call", "shop.cart:add")) == [
        "shop/cart.py::add"
    ]


@pytest.mark.parametrize(
    "sights",
    [
        (CART, Sight("name", "shop.cart:__import__('os')")),
        (CART, Sight("name", "shop.cart:class")),
        (CART, Sight("name", "shop.cart:a b")),
        (Sight("name", "os:system"),),
        (there("os", "../../etc/passwd"), Sight("name", "os:system")),
        (there("os", "shop/cart.py"), Sight("name", "os:system")),
        (there("test_cart", "tests/test_cart.py"), Sight("name", "test_cart:helper")),
        (CART, Sight("stub", "shop.cart:other"), Sight("call", "shop.cart:other")),
        (CART, Sight("stub", "shop.cart:total@1"), Sight("call", "shop.cart:total@1")),
        (Sight("module", "../evil", "missing"), Sight("name", "../evil:f")),
        (Sight("module", "json", "missing"), Sight("name", "json:f")),
        (Sight("module", "numpy", "missing"), Sight("name", "numpy:f")),
        (Sight("module", "unknown", "missing"), Sight("name", "unknown:f")),
        (CART, Sight("module", "shop.cart.deep", "missing"), Sight("name", "shop.cart.deep:f")),
    ],
)
def test_what_is_not_ours_or_no_name_is_no_need(sights: tuple[Sight, ...]) -> None:
    assert needs_of(*sights) == []


def test_an_unknown_package_is_ours_for_who_asks_boldly_but_never_twice() -> None:
    unknown = (Sight("module", "unknown", "missing"), Sight("name", "unknown:f"))
    twice = (Sight("module", "tax", "missing"), Sight("name", "tax:f"))
    assert needs_of(*unknown, is_bold=True) == ["unknown.py::f"]
    assert needs_of(*twice, is_bold=True) == []
    found = merge({TEST: Evidence(sights=twice)}, TREE, PROBE, is_bold=True)
    assert "lib/tax/__init__.py" in found.problems[0]


def test_a_silent_stub_counts_where_its_result_does_or_nothing_else_is_needed() -> None:
    hook = (CART, Sight("stub", "shop.cart:total", "silent"), Sight("call", "shop.cart:total"))
    assert needs_of(*hook) == ["shop/cart.py::total"]
    other = (Sight("name", "shop.cart:add"), Sight("call", "shop.cart:add"))
    assert needs_of(*hook, *other) == ["shop/cart.py::add"]


def test_forged_places_and_texts_reach_no_message_and_no_code() -> None:
    """Names of arguments are read from our own tree, and texts are escaped."""
    hostile = Seen('"""\x1b[2J' + "x" * 100, "str", "")
    sights = (
        CART,
        Sight("name", "shop.cart:add"),
        Sight("call", "shop.cart:add", place=AT, args=(hostile,), kwargs=(("a b", hostile),)),
        Sight("call", "shop.cart:add", place=Place("../../etc/passwd", 1), args=(hostile,)),
    )
    plan = make_plan(merge({TEST: Evidence(sights=sights)}, TREE, PROBE), TREE, {})
    (target,) = plan.targets
    assert target.header == "def add(text: str, **kwargs):"  # ``add("", **{"a b": ""})``
    assert target.tests == (TEST,)
    text = plan.tree["shop/cart.py"].data.decode()
    compile(text, "cart.py", "exec")
    assert "\x1b" not in text
    assert not any("etc/passwd" in one for one in target.evidence)


@pytest.mark.parametrize("forged", ["__import__('os').getpid()", "1\nimport os", "1 +", "(" * 900])
def test_what_is_no_literal_becomes_no_code(forged: str) -> None:
    """Values of constants and of enums' members are written as they were seen."""
    value = Seen("1", "int", forged)
    equal = (Expectation("", "eq", value),)
    member = (Expectation("", "is", Seen("", "unwritten", "", "shop.cart:Size.BIG")),)
    sights = (
        CART,
        Sight("name", "shop.cart:LIMIT"),
        Sight("get", "shop.cart:LIMIT", expected=equal),
        Sight("name", "shop.cart:Size"),
        Sight("call", "shop.cart:Size", args=(value,), expected=member),
    )
    plan = make_plan(merge({TEST: Evidence(sights=sights)}, TREE, PROBE), TREE, {})
    text = plan.tree["shop/cart.py"].data.decode()
    assert "LIMIT = 0  # the tests do not tell its value" in text
    assert "BIG = enum.auto()" in text
    assert plan.problems == ()


def stubs_of(source: str, *sights: Sight) -> tuple[str, tuple[str, ...]]:
    """The module with stubs for what was seen of it, and the problems."""
    tree = {**TREE, "shop/cart.py": TreeFile(source.encode())}
    plan = make_plan(merge({TEST: Evidence(sights=(CART, *sights))}, tree, PROBE), tree, {})
    return plan.tree["shop/cart.py"].data.decode(), plan.problems


def test_a_function_that_its_own_file_asks_for_stands_above_what_asks() -> None:
    """Functions of one place are written at once, but for those."""
    names = ("one", "add", "two")
    text, problems = stubs_of(
        "TABLE = [add]\n\n\ndef total(rows):\n    return sum(rows)\n",
        *(Sight("name", f"shop.cart:{name}", place=AT) for name in names if name != "add"),
        Sight("name", "shop.cart:add", place=Place("shop/cart.py", 1)),
        *(Sight("call", f"shop.cart:{name}", place=AT) for name in names),
    )
    places = [text.index(word) for word in ("def add", "TABLE", "def total", "def one", "def two")]
    assert places == sorted(places)
    assert problems == ()


def test_what_two_names_of_a_module_lack_is_written_once() -> None:
    text, _ = stubs_of(
        "",
        there("cart", "shop/cart.py"),
        *(
            Sight(kind, f"{home}:add")
            for home in ("cart", "shop.cart")
            for kind in ("name", "call")
        ),
    )
    assert text.count("def add(") == 1


def test_what_does_not_fit_into_a_file_keeps_no_other_from_it() -> None:
    """The file's encoding has no such letter, and a name cannot be escaped."""
    names = ("one", "\u03c0", "two")
    text, problems = stubs_of(
        "# -*- coding: latin-1 -*-\n",
        *(Sight(kind, f"shop.cart:{name}") for name in names for kind in ("name", "call")),
    )
    assert ("def one(" in text, "def two(" in text, len(problems)) == (True, True, 1)
    assert "\u03c0" in problems[0]


def test_many_names_are_bounded() -> None:
    names = tuple(Sight("name", f"shop.cart:f{number}") for number in range(1_990))
    assert len(needs_of(CART, *names)) == 1_990
