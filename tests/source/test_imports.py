"""Imports that new code lacks are named without guessing and put where the file keeps its own."""

from __future__ import annotations

import pytest

from egbot.source.imports import add_imports, missing_imports, read_bindings
from egbot.source.text import SourceSyntaxError, parse_text

_LAZY = "from __future__ import annotations\n"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(): return math.pi + re.compile('a')", ["import math", "import re"]),
        ("def f(): return deque(), defaultdict(int), collections.Counter()",
         ["import collections", "from collections import defaultdict, deque"]),
        ("def f(a: List[int]) -> Optional[str]: pass", ["from typing import List, Optional"]),
        ("@lru_cache\ndef f(): return reduce", ["from functools import lru_cache, reduce"]),
        ("def f(math): return math.pi", []),
        ("def f():\n    import math\n    return math.pi", []),
        ("def f():\n    math = a\n    return math.pi", []),
        ("import math\ndef f(): return math.pi", []),
        ("def math(): pass\ndef f(): return math.pi", []),
        ("def f(): return [math for math in a]", []),
        ("def f(): return unknown.thing + os_path", []),
        ("def f(): return math", []),
        ("def f():\n    def g(): return math.e\n    return g", ["import math"]),
        ("def f(): return (lambda: json.dumps(1))()", ["import json"]),
        ("def f(): return datetime.now()", ["from datetime import datetime"]),
        ("def f(): return datetime(2020, 1, 1)", ["from datetime import datetime"]),
        ("def f(): return datetime.datetime.now()", ["import datetime"]),
        ("def f(): return timedelta(1) + date.today()", ["from datetime import date, timedelta"]),
        ("def f(): return copy.deepcopy(1)", ["import copy"]),
        ("def f(): return copy(1)", ["from copy import copy"]),
        ("def f(): return heapq.heappop(a), heappush", ["import heapq", "from heapq import heappush"]),
        ("def f(): return subprocess.run(1), ctypes.c_int, pytest.raises", []),
        ("from pkg import *\ndef f(): return math.pi", []),
        ("from collections import *\ndef f(): return deque, math.pi", ["import math"]),
        (_LAZY + "def f(a: List): return sqrt(a)", ["from math import sqrt"]),
        ("if TYPE_CHECKING:\n    from typing import List\ndef f(a: List): pass", []),
        ("def g():\n    global math\n    math = 1\ndef f(): return math.pi", []),
        ("def f(a):\n    match a:\n        case {'x': math}: return math.pi", []),
        ("class A:\n    def f(self): return math.pi", ["import math"]),
        ("try:\n    import math\nexcept ImportError as e:\n    math = None\ndef f(): return math.e", []),
    ],
)  # fmt: skip
def test_names_without_a_meaning_get_their_imports(code: str, expected: list[str]) -> None:
    assert list(missing_imports(code)) == expected


def test_names_bound_around_a_function_are_not_missing() -> None:
    around = read_bindings(parse_text("import math\n\ndef deque(): pass\n"))
    assert missing_imports("def f(): return math.pi, deque, Counter()", around) == (
        "from collections import Counter",
    )


@pytest.mark.parametrize(
    "code", ["def f(:", "def f():\n    nonlocal a", "x = '\0'", "def f(a, a): pass"]
)
def test_code_that_cannot_be_read_is_one_error(code: str) -> None:
    with pytest.raises(SourceSyntaxError):
        missing_imports(code)


_MATH = ("import math",)


@pytest.mark.parametrize(
    ("before", "lines", "after"),
    [
        ("", _MATH, "import math\n"),
        ("x = 1\n", _MATH, "import math\n\nx = 1\n"),
        ("def f(): pass\n", _MATH, "import math\n\n\ndef f(): pass\n"),
        ('"""Doc."""\n', _MATH, '"""Doc."""\n\nimport math\n'),
        ('"""Doc."""', _MATH, '"""Doc."""\n\nimport math'),
        ('"""Doc."""\n\n\ndef f(): pass\n', _MATH, '"""Doc."""\n\nimport math\n\n\ndef f(): pass\n'),
        ('"""Doc."""\nx = 1\n', _MATH, '"""Doc."""\n\nimport math\n\nx = 1\n'),
        ("#!/bin/python\n# coding: utf-8\nx = 1\n", _MATH,
         "#!/bin/python\n# coding: utf-8\n\nimport math\n\nx = 1\n"),
        ("# Licence\n# text\n\nx = 1\n", _MATH, "# Licence\n# text\n\nimport math\n\nx = 1\n"),
        ("# about x\nx = 1\n", _MATH, "import math\n\n# about x\nx = 1\n"),
        ("from __future__ import annotations\n\nx = 1\n", _MATH,
         "from __future__ import annotations\n\nimport math\n\nx = 1\n"),
        ("import json\nimport re\n", _MATH, "import json\nimport math\nimport re\n"),
        ("import re\nimport json\n", _MATH, "import re\nimport json\nimport math\n"),
        ("import os\nfrom re import sub\n", ("import json", "from abc import ABC"),
         "import json\nimport os\nfrom abc import ABC\nfrom re import sub\n"),
        ("from abc import ABC\nimport re\n", _MATH, "from abc import ABC\nimport math\nimport re\n"),
        ("import numpy\n", _MATH, "import math\n\nimport numpy\n"),
        ("import os\n\nimport numpy\n", _MATH, "import math\nimport os\n\nimport numpy\n"),
        ("import numpy\n\nimport os\n", _MATH, "import numpy\n\nimport math\nimport os\n"),
        ("# about numpy\nimport numpy\n", _MATH, "# about numpy\nimport math\n\nimport numpy\n"),
        ("x = 1\n# about numpy\nimport numpy\n", _MATH,
         "x = 1\nimport math\n\n# about numpy\nimport numpy\n"),
        ("import os  # files\nimport re; import sys\n", ("import zlib",),
         "import os  # files\nimport re; import sys\nimport zlib\n"),
        ("from a import (\n    b,\n)\nfrom re import (\n    sub,\n)\n", ("from string import digits",),
         "from a import (\n    b,\n)\nfrom re import (\n    sub,\n)\nfrom string import digits\n"),
        ("import math\n", _MATH, "import math\n"),
        ("from math import pi, e\n", ("from math import e",), "from math import pi, e\n"),
        ("from math import pi\n", ("from math import pi, e",),
         "from math import pi\nfrom math import pi, e\n"),
        ("if TYPE_CHECKING:\n    import re\nx = 1\n", _MATH,
         "import math\n\nif TYPE_CHECKING:\n    import re\nx = 1\n"),
        ("import abc\r\nimport re\r\n", _MATH, "import abc\r\nimport math\r\nimport re\r\n"),
        ("import os", ("import re",), "import os\nimport re"),
        ("\ufeffimport os\n", _MATH, "\ufeffimport math\nimport os\n"),
        ("def f(): pass\nimport re\n", _MATH, "import math\n\n\ndef f(): pass\nimport re\n"),
        ("import os\n\n\n\n@deco\nclass A: pass\n", _MATH,
         "import math\nimport os\n\n\n\n@deco\nclass A: pass\n"),
    ],
)  # fmt: skip
def test_import_joins_the_file_s_own(before: str, lines: tuple[str, ...], after: str) -> None:
    assert add_imports(before.encode(), lines).decode() == after
    assert add_imports(after.encode(), lines).decode() == after


def test_line_that_is_no_import_is_refused() -> None:
    with pytest.raises(SourceSyntaxError, match="not an import"):
        add_imports(b"x = 1\n", ("os.system('x')",))
