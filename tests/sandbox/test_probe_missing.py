"""Missing classes, functions and constants of every kind: recorders stand in, and tell what is expected.

Each row is the body of a test of a module that is not there, and what must be among the sights.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sandbox.probes import Asked, closing, module_of

CASES = {
    "enum": (
        "assert Color.RED.value == 1\nassert Color.RED.name == 'RED'\nassert Color(1) == Color.RED\nassert [c.name for c in Color] == ['RED', 'BLUE']",
        "get pkg.m:Color.RED.value -> eq 1",
    ),
    "enumis": ("assert Color(1) is Color.RED", ""),
    "flag": ("assert (Perm.R | Perm.W).value == 3\nassert Perm.R in (Perm.R | Perm.W)", ""),
    "dc": (
        "p = Point(1, y=2)\nassert p.x == 1\nassert p == Point(1, 2)\nassert p.y == 2",
        "call pkg.m:Point (1, y=2) ->.x eq 1",
    ),
    "exc": (
        "with pytest.raises(BadError) as e:\n    boom(1)\nassert e.value.code == 3\nassert 'x' in str(e.value)",
        "call pkg.m:boom (1) -> raises pkg.m.BadError",
    ),
    "excodd": ("with pytest.raises(Oops):\n    boom(1)", ""),
    "excmatch": ("with pytest.raises(ValueError, match=r'bad \\d+ thing'):\n    boom(1)", ""),
    "exctry": (
        "try:\n    boom(2)\nexcept BadError as e:\n    assert e.code == 4\nelse:\n    pytest.fail('no')",
        "",
    ),
    "exctry2": (
        "try:\n    boom(2)\n    assert False\nexcept ValueError:\n    pass",
        "call pkg.m:boom (2) -> raises ValueError",
    ),
    "excraise": ("with pytest.raises(BadError):\n    raise BadError('x', 3)", ""),
    "excsub": (
        "class Mine(BadError):\n    pass\nassert issubclass(Mine, BadError)\nassert Mine('x').args == ('x',)",
        "",
    ),
    "oddraise": ("with pytest.raises(Weird):\n    raise Weird(3)", "class pkg.m:Weird Exception"),
    "ctx": ("with opened('f') as f:\n    assert f.read() == 'x'", ""),
    "actx": (
        "import asyncio\nasync def go():\n    async with opened('f') as f:\n        assert await f.read() == 'x'\n    async for x in stream(2):\n        assert x == 3\n    return await co(1)\nassert asyncio.run(go()) == 3",
        "",
    ),
    "arun": ("import asyncio\nassert asyncio.run(co(1)) == 3", ""),
    "agather": (
        "import asyncio\nasync def go():\n    return await asyncio.gather(co(1), co(2))\nassert asyncio.run(go()) == [1, 2]",
        "call pkg.m:co coroutine (1) -> eq 1",
    ),
    "iter": ("assert list(gen(2)) == [1, 2]", ""),
    "iterfor": ("out = []\nfor x in gen(3):\n    out.append(x * 2)\nassert out == [2, 4, 6]", ""),
    "next": (
        "it = gen(1)\nassert next(it) == 1\nassert next(it) == 2\nwith pytest.raises(StopIteration):\n    next(it)",
        "",
    ),
    "unpack": (
        "a, b, c = triple(1)\nassert a == 1\nassert c == 3",
        "call pkg.m:triple (1) -> unpacks 3",
    ),
    "unpackx": ("a, *b = triple(1)\nassert a == 1", ""),
    "len": ("assert len(gen(2)) == 3", "call pkg.m:gen (2) -> len 3"),
    "text": ("assert f'{fmt(1)}!' == 'one!'", "call pkg.m:fmt (1) -> str 'one'"),
    "strc": ("assert str(fmt(1)) == 'one'", ""),
    "reprc": ("assert repr(Point(1, 2)) == 'Point(1, 2)'", ""),
    "join": ("assert ','.join([fmt(1), 'b']) == 'a,b'", "call pkg.m:fmt (1) -> eq 'a'"),
    "int": ("assert int(num(1)) + 1 == 3", ""),
    "approx": (
        "assert num(1) == pytest.approx(2.5)\nassert pytest.approx(3.5) == num(2)",
        "call pkg.m:num (1) -> approx 2.5",
    ),
    "approxl": ("assert [num(1)] == pytest.approx([2.5])", ""),
    "none": ("assert num(1) is None", "call pkg.m:num (1) -> is None"),
    "true": ("assert num(1) is True", "call pkg.m:num (1) -> is True"),
    "isnot": ("assert num(1) is not None", ""),
    "not": (
        "assert not num(1)\nassert num(2)\nassert not num(3) and num(4)",
        "call pkg.m:num (1) -> false False",
    ),
    "ne": ("assert num(1) != 2", ""),
    "lt": ("assert 1 < num(1) <= 5", "call pkg.m:num (1) -> le 5"),
    "in": (
        "assert 'x' in words(1)\nassert 'y' not in words(1)",
        "call pkg.m:words (1) -> contains 'x'",
    ),
    "isinst": (
        "assert isinstance(num(1), int)\nassert isinstance(num(1), Point)\nassert not isinstance(num(2), str)",
        "call pkg.m:num (1) -> isinstance int",
    ),
    "typeis": ("assert type(words(1)) is dict", ""),
    "sorted": ("assert sorted(words(1)) == ['a', 'b']", ""),
    "set": ("assert set(words(1)) == {'a', 'b'}", ""),
    "dictof": ("assert dict(words(1)) == {'a': 1}", ""),
    "json": ("import json\nassert json.dumps(words(1)) == '\"a\"'", ""),
    "re": ("import re\nassert re.sub('a', 'b', fmt(1)) == 'b'", ""),
    "startswith": ("assert fmt(1).startswith('a')\nassert fmt(1).upper() == 'A'", ""),
    "dt": (
        "import datetime\nassert datetime.datetime(2020,1,1) - delta(1) == datetime.datetime(2019,12,31)",
        "",
    ),
    "tz": ("import datetime\nassert datetime.datetime(2020,1,1,tzinfo=Zone()).hour == 0", ""),
    "dictkey": ("d = {num(1): 2}\nassert d[num(1)] == 2", ""),
    "hash": ("assert hash(Point(1,2)) == hash(Point(1,2))", ""),
    "subclass": (
        "class Mine(Base):\n    def go(self):\n        return self.helper(3)\nassert Mine(1).go() == 4\nassert Mine.make(2) == 3",
        "",
    ),
    "subisinst": (
        "class Mine(Base): pass\nclass More(Mine): pass\nassert isinstance(More(1), Mine)\nassert not isinstance(3, Mine)",
        "",
    ),
    "subabc": (
        "import abc\nclass Mine(Base, abc.ABC):\n    @abc.abstractmethod\n    def go(self): ...\nassert Mine(1).x == 4",
        "",
    ),
    "supercall": (
        "class Mine(Base):\n    def __init__(self, x):\n        super().__init__(x)\n        self.y = super().calc(x)\nassert Mine(1).y == 4",
        "subclass pkg.m:Base",
    ),
    "decorator": ("@retry(times=3)\ndef f(x):\n    return x\nassert f(3) == 3", ""),
    "deco0": ("@traced\ndef f(x):\n    return x\nassert f(3) == 3", ""),
    "setattr": (
        "o = Point(1, 2)\no.z = 5\nassert o.z == 5\ndel o.z\no['k'] = 3\nassert o['k'] == 3",
        "",
    ),
    "ops": ("assert Point(1,2) + Point(2,3) == Point(3,5)\nassert -Point(1,2) == Point(-1,-2)", ""),
    "mutates": (
        "x = [2, 1]\nsort_it(x)\nassert x == [1, 2]",
        "call pkg.m:sort_it ([2, 1]) -> argument 0 becomes [1, 2]",
    ),
    "capsys": (
        "main(['a'])\nassert capsys.readouterr().out == 'hello\\n'",
        "call pkg.m:main (['a']) -> prints 'hello\\n'",
    ),
    "while": ("n = 0\nwhile more():\n    n += 1\nassert n == 2", ""),
    "whilenot": ("q = Queue()\nwhile not q.empty():\n    q.get()\nassert q.empty()", ""),
    "const": (
        "assert LIMIT == 3\nassert 2 < LIMIT\nassert range(LIMIT)[0] == 0",
        "name pkg.m:LIMIT -> eq 3",
    ),
    "copy": ("import copy\na = copy.deepcopy(Point(1,2))\nassert a == Point(1,2)", ""),
    "warns": (
        "with pytest.warns(DeprecationWarning, match='old') as rec:\n    v = old(1)\nassert v == 2\nassert len(rec) == 1",
        "call pkg.m:old (1) -> warns DeprecationWarning",
    ),
    "dwarn": ("with pytest.deprecated_call():\n    old(1)", ""),
    "ifraise": ("if check(1):\n    raise AssertionError('x')\nassert True", ""),
    "fspath": ("import os\nassert os.path.basename(where(1)) == 'x'", ""),
    "any": ("assert any(check(x) for x in [1, 2])\nassert not any(check(x) for x in [3])", ""),
    "nested": (
        "r = parse('x')\nassert r['items'][0]['name'] == 'a'\nassert r.meta.total == 3\nassert len(r['items']) == 2",
        "call pkg.m:parse ('x') ->['items'][0]['name'] eq 'a'",
    ),
    "selfcmp": ("a = num(1)\nassert a == a\nassert not (a != a)", ""),
    "version": ("import pkg\nassert pkg.__version__ == '1.2'", ""),
    "tuple": ("assert pair(1) == (1, 'a')\nassert pair(2)[0] == 5", ""),
    "lam": ("f = maker(2)\nassert f(3) == 5", ""),
    "chain": (
        "assert Builder().add(1).add(2).build() == [1, 2]",
        "call pkg.m:Builder().add().add().build () -> eq [1, 2]",
    ),
    "cls": ("assert Point.origin().x == 0\nassert Point.SIZE == 2", ""),
}
UNENDED = {
    "asdict": (
        "import dataclasses\nassert dataclasses.asdict(Point(1, 2)) == {'x': 1, 'y': 2}",
        "",
    ),
    "range": ("assert sum(range(num(1))) == 6", ""),
    "float": ("import math\nassert math.sqrt(num(4)) == 2.0", ""),
    "startsw2": ("assert 'abc'.startswith(fmt(1))", ""),
    "decimal": ("from decimal import Decimal\nassert Decimal(num(1)) == 3", ""),
    "pickle": ("import pickle\nassert pickle.loads(pickle.dumps(Point(1,2))) == Point(1,2)", ""),
    "mock": (
        "from unittest import mock\nm = mock.Mock()\nnotify(m, 3)\nm.send.assert_called_once_with(3)",
        "",
    ),
}
"""What is seen by name, but not to its end: the value goes through other code, or is an effect."""

HEAD = """
import pytest
from pkg.m import (
    Color, Perm, Point, BadError, Oops, Weird, boom, opened, stream, co, gen, triple, fmt,
    num, words, delta, Zone, Base, retry, traced, sort_it, main, run_all, more, Queue, LIMIT,
    old, check, where, parse, notify, pair, maker, Builder
)
"""

MORE = """
import unittest
class TC(unittest.TestCase):
    def setUp(self):
        self.p = Point(1, 2)
    def test_u1(self):
        self.assertEqual(num(1), 3)
        self.assertFalse(check(2))
        self.assertIsNone(num(2))
        self.assertIn('a', words(1))
        self.assertNotIn('b', words(1))
        self.assertIsInstance(num(3), int)
        self.assertTrue(check(1))
        self.assertAlmostEqual(num(9), 3.5)
        self.assertGreater(num(3), 2)
        self.assertListEqual(words(2), [1])
        self.assertCountEqual(words(3), [1, 2])
        with self.assertRaises(ValueError):
            boom(1)
        with self.assertRaisesRegex(BadError, 'x.y'):
            boom(3)
        self.assertRaises(BadError, boom, 4)
        for i in range(2):
            with self.subTest(i=i):
                self.assertEqual(num(i), i)
    def test_u2(self):
        self.assertEqual([num(1), num(2)], [1, 2])
        self.assertEqual(self.p.x, 1)
class AT(unittest.IsolatedAsyncioTestCase):
    async def test_a1(self):
        self.assertEqual(await co(1), 2)
@pytest.mark.parametrize("a,b", [(1, 2), (num(1), LIMIT)])
def test_param(a, b): assert num(a) == b
CASES = [(n, w) for n, w in words(1)]
@pytest.mark.parametrize("n,w", CASES)
def test_cases(n, w): assert fmt(n) == w
@pytest.fixture
def thing(): return Point(3, 4)
def test_fix(thing): assert thing.norm() == 5
@retry
def test_decorated(): assert num(1) == 1
"""


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    """Return a sandbox with a probe in which all the rows are tests."""
    bodies = {name: body for name, (body, _) in {**CASES, **UNENDED}.items()}
    text = module_of(bodies, HEAD, "capsys") + MORE
    yield from closing(Asked({"pkg/__init__.py": "", "tests/test_it.py": text}))


@pytest.mark.parametrize("name", CASES)
def test_what_is_expected_is_seen_and_the_test_ends(name: str, asked: Asked) -> None:
    told = asked.told("test_" + name)
    assert not CASES[name][1] or CASES[name][1] in told, "\n".join(told)
    assert asked.search("test_" + name).status == "passed"


@pytest.mark.parametrize("name", UNENDED)
def test_a_call_is_seen_where_the_test_cannot_end(name: str, asked: Asked) -> None:
    assert any(one.startswith("call pkg.m:") for one in asked.told("test_" + name))


@pytest.mark.parametrize(
    "test",
    [
        "test_u1",
        "test_u2",
        "test_a1",
        "test_param[1-2]",
        "test_cases[n0-w0]",
        "test_fix",
        "test_decorated",
    ],
)
def test_every_kind_of_test_runs_against_recorders(test: str, asked: Asked) -> None:
    known = [
        one
        for one in asked.collection.node_ids
        if one.partition("[")[0].endswith(test.partition("[")[0])
    ]
    assert asked.search(known[0].rpartition("::")[2]).status == "passed"


def test_equal_runs_give_equal_evidence(asked: Asked) -> None:
    first, second = (asked.run("test_nested").evidence for _ in range(2))
    assert first == second
