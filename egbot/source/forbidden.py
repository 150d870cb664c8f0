"""Owns the guard's tables: the names, attributes and texts that a written function may not use.

It does not know how code is searched for them; ``egbot.source.guard`` does that.
"""

from __future__ import annotations

import re

_EXIT = "ends or signals the process"
_FRAMES = "looks into the interpreter's frames"
_HOOKS = "hooks into the interpreter"
_TESTS = "touches the test framework"
_MEMORY = "reaches around the language into memory"
_IMPORT = "imports modules by computed names"
_PROCESS = "starts a process"
_NETWORK = "uses the network"
_DESCRIPTORS = "writes to file descriptors"
_SOURCE = "reads source code"
_ASKS = "waits for a person"


def _table(**groups: tuple[str, str]) -> dict[str, str]:
    """Dotted names to reasons. An entry forbids everything below it, too."""
    return {
        f"{prefix}.{name}" if prefix else name: reason
        for key, (reason, names) in groups.items()
        for prefix in [key.rstrip("_0123456789")]
        for name in names.split()
    }


NEVER: dict[str, str] = {
    **_table(
        os=(_EXIT, "_exit abort kill killpg fork forkpty _Environ"),
        os1=(_PROCESS, "posix_spawn posix_spawnp execl execle execlp execlpe execv execve execvp"),
        os2=(_PROCESS, "execvpe spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe"),
        sys=(_EXIT, "exit"),
        sys1=(_FRAMES, "_getframe _getframemodulename _current_frames _current_exceptions"),
        sys2=(
            _HOOKS,
            "settrace gettrace setprofile getprofile monitoring addaudithook call_tracing",
        ),
        sys3=(
            _HOOKS,
            "meta_path path_hooks path_importer_cache breakpointhook _setprofileallthreads",
        ),
        sys4=(_TESTS, "modules"),
        inspect=(_FRAMES, "stack currentframe trace getouterframes getinnerframes getframeinfo"),
        inspect1=(_FRAMES, "getgeneratorlocals getcoroutinelocals getclosurevars"),
        traceback=(_FRAMES, "extract_stack format_stack print_stack walk_stack walk_tb"),
        threading=(_HOOKS, "settrace setprofile settrace_all_threads setprofile_all_threads"),
        threading1=(_EXIT, "_shutdown"),
        _thread=(_EXIT, "interrupt_main"),
        types=(_MEMORY, "CodeType FrameType"),
        builtins=(_EXIT, "exit quit"),
        builtins1=(_MEMORY, "__build_class__ __loader__ __spec__ __builtins__"),
        builtins2=(_IMPORT, "globals"),
        builtins3=(_ASKS, "input breakpoint help"),
        importlib=(_IMPORT, "import_module reload util machinery abc _bootstrap find_loader"),
    ),
    **dict.fromkeys(["importlib", "imp", "pkgutil", "runpy", "zipimport"], _IMPORT),
    **dict.fromkeys(["gc", "ctypes", "_ctypes", "cffi", "mmap", "marshal", "pickletools"], _MEMORY),
    **dict.fromkeys(
        ["pytest", "_pytest", "unittest", "doctest", "nose", "nose2", "hypothesis", "pluggy"],
        _TESTS,
    ),
    **dict.fromkeys(
        ["atexit", "signal", "_signal", "faulthandler", "posix", "_posixsubprocess"], _EXIT
    ),
    **dict.fromkeys(["bdb", "pdb", "trace", "code", "codeop"], _HOOKS),
    **dict.fromkeys(["_imp", "_testcapi", "_xxsubinterpreters"], _HOOKS),
}
"""Forbidden whatever the file did before."""

UNLESS_USED: dict[str, str] = {
    **_table(
        os=(_PROCESS, "system popen startfile"),
        os1=(_DESCRIPTORS, "write pwrite writev dup dup2 fdopen sendfile"),
        inspect=(_SOURCE, "getsource getsourcelines getsourcefile findsource getfile"),
        urllib=(_NETWORK, "request robotparser"),
        http=(_NETWORK, "client server"),
        asyncio=(_PROCESS, "create_subprocess_exec create_subprocess_shell"),
        asyncio1=(_NETWORK, "open_connection start_server open_unix_connection"),
    ),
    **dict.fromkeys(["subprocess", "multiprocessing", "pty", "popen2", "sh"], _PROCESS),
    **dict.fromkeys(["socket", "socketserver", "ssl", "ftplib", "smtplib"], _NETWORK),
    **dict.fromkeys(
        ["telnetlib", "xmlrpc", "imaplib", "poplib", "requests", "httpx", "aiohttp"], _NETWORK
    ),
    "linecache": _SOURCE,
}
"""Forbidden unless the file imported that module, or used that function, before."""

ATTRIBUTES: dict[str, str] = {
    **dict.fromkeys(
        ["_getframe", "_current_frames", "f_back", "f_locals", "f_globals", "f_builtins"], _FRAMES
    ),
    **dict.fromkeys(
        ["f_code", "tb_frame", "gi_frame", "gi_code", "cr_frame", "cr_code", "ag_frame"], _FRAMES
    ),
    "ag_code": _FRAMES,
    **dict.fromkeys(
        ["__globals__", "__code__", "__closure__", "__builtins__", "__subclasses__"], _MEMORY
    ),
    **dict.fromkeys(["__kwdefaults__", "__loader__", "__spec__", "__subclasshook__"], _MEMORY),
    "_exit": _EXIT,
}
"""Attribute names that are forbidden on any object."""

SENSITIVE_MODULES = frozenset(
    [
        "os",
        "sys",
        "builtins",
        "inspect",
        "types",
        "threading",
        "traceback",
        "posix",
        "nt",
        "importlib",
        "io",
    ]
)
"""Modules that may be used (``os.path``) but not handed around, where no rule could follow."""

OPEN_MODULES = frozenset({"errno", "logging", "math", "operator", "string"})
"""Modules whose attributes ordinary code looks up by a computed name."""

EXITS = frozenset({"builtins.SystemExit", "builtins.KeyboardInterrupt"})
CODE_RUNNERS = frozenset({"builtins.eval", "builtins.exec", "builtins.compile"})
GETTERS = frozenset({"builtins.getattr", "builtins.hasattr"})
SETTERS = frozenset({"builtins.setattr", "builtins.delattr"})
COMPARISONS = frozenset(
    [
        "__eq__",
        "__ne__",
        "__lt__",
        "__le__",
        "__gt__",
        "__ge__",
        "__contains__",
        "__instancecheck__",
        "__subclasscheck__",
    ]
)
"""Methods that decide an assertion; a class in which they are constant fools every test."""

TEST_FILE = re.compile(r"(?:^|[/\\])(?:test[\w*?]*|[\w*?]*_tests?|conftest)\.pyc?$")
TEST_FOLDER = re.compile(r"(?:^|[/\\])(?:tests?|__pycache__|\.pytest_cache)(?:[/\\]|$)")
TEST_MODULE = re.compile(r"(?:tests?|test_\w*|\w+_tests?|conftest)$")
TEST_ENVIRONMENT = re.compile(r"\b_?PYTEST_|\bpytest\b")
PROCESS_FILES = re.compile(r"^/(?:proc|dev/fd)(?:/|$)")
DUNDER_TEXT = re.compile(r"__(?:globals|builtins|subclasses|code|closure|traceback)__")
FILE_OPENERS = frozenset(
    [
        "builtins.open",
        "io.open",
        "codecs.open",
        "pathlib.Path",
        "pathlib.PurePath",
        "os.open",
        "os.listdir",
        "os.scandir",
        "os.walk",
        "glob.glob",
        "glob.iglob",
    ]
)
