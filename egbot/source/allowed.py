"""Owns the guard's tables: what a written function may use, of the language and its library.

``members.json`` holds the standard modules and the public members of the free ones, as
``python -m tests.guard_members`` wrote it. What stands in no table is not allowed.
"""

from __future__ import annotations

import ast
import functools
import json
from collections.abc import Mapping
from pathlib import Path


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- grammar ------------------------------------------------------------------------------------

NODES = frozenset(
    getattr(ast, name)
    for name in [
        "Module",
        "FunctionDef",
        "AsyncFunctionDef",
        "ClassDef",
        "Return",
        "Delete",
        "Assign",
        "AugAssign",
        "AnnAssign",
        "For",
        "AsyncFor",
        "While",
        "If",
        "With",
        "AsyncWith",
        "Match",
        "Raise",
        "Try",
        "TryStar",
        "Assert",
        "Import",
        "ImportFrom",
        "Global",
        "Nonlocal",
        "Expr",
        "Pass",
        "Break",
        "Continue",
        "BoolOp",
        "NamedExpr",
        "BinOp",
        "UnaryOp",
        "Lambda",
        "IfExp",
        "Dict",
        "Set",
        "ListComp",
        "SetComp",
        "DictComp",
        "GeneratorExp",
        "Await",
        "Yield",
        "YieldFrom",
        "Compare",
        "Call",
        "FormattedValue",
        "JoinedStr",
        "Constant",
        "Attribute",
        "Subscript",
        "Starred",
        "Name",
        "List",
        "Tuple",
        "Slice",
        "Load",
        "Store",
        "Del",
        "And",
        "Or",
        "Add",
        "Sub",
        "Mult",
        "MatMult",
        "Div",
        "Mod",
        "Pow",
        "LShift",
        "RShift",
        "BitOr",
        "BitXor",
        "BitAnd",
        "FloorDiv",
        "Invert",
        "Not",
        "UAdd",
        "USub",
        "Eq",
        "NotEq",
        "Lt",
        "LtE",
        "Gt",
        "GtE",
        "Is",
        "IsNot",
        "In",
        "NotIn",
        "comprehension",
        "ExceptHandler",
        "arguments",
        "arg",
        "keyword",
        "alias",
        "withitem",
        "match_case",
        "MatchValue",
        "MatchSingleton",
        "MatchSequence",
        "MatchMapping",
        "MatchClass",
        "MatchStar",
        "MatchAs",
        "MatchOr",
    ]
    if hasattr(ast, name)
)
"""The grammar of Python 3.11; type parameters and template strings are not in it."""

# --- builtins -----------------------------------------------------------------------------------

BUILTINS = _words(
    "abs aiter all anext any ascii bin bool bytearray bytes callable chr classmethod complex dict "
    "divmod enumerate filter float format frozenset hash hex id int isinstance issubclass iter len "
    "list map max memoryview min next object oct ord pow print property range repr reversed round set "
    "slice sorted staticmethod str sum tuple zip Ellipsis NotImplemented True False None __debug__ "
    "__name__ __doc__ __class__ reveal_type"
)
"""Those that are values like any other; all exceptions but ``ENDS`` are, too."""

CALLED = _words("type getattr hasattr setattr delattr super vars dir")
"""Those that are only called."""

ENDS = _words("SystemExit KeyboardInterrupt GeneratorExit BaseException BaseExceptionGroup")
"""Exceptions that may be caught and asked for, and not raised."""

# --- the standard library -------------------------------------------------------------------------

FREE = _words(
    "abc array ast base64 binascii bisect bz2 calendar cmath codecs collections collections.abc colorsys "
    "contextlib contextvars copy csv dataclasses datetime decimal difflib email.header email.utils enum "
    "errno fnmatch fractions functools gettext graphlib gzip hashlib heapq hmac html html.entities html.parser "
    "http io ipaddress itertools json json.decoder json.encoder keyword lzma math ntpath numbers "
    "operator os.path pathlib posixpath pprint queue quopri random re reprlib secrets shlex "
    "statistics stat string stringprep struct textwrap time token tokenize traceback types typing "
    "typing_extensions unicodedata urllib.parse uuid warnings weakref xml.etree.ElementTree "
    "xml.sax.saxutils zlib zoneinfo __future__"
)
"""Modules that compute and touch nothing; their public members but ``BUT`` are free."""

BUT: Mapping[str, frozenset[str]] = {
    "abc": _words("ABCMeta"),
    "ast": _words("main"),
    "calendar": _words("setfirstweekday main"),
    "codecs": _words("open register register_error unregister EncodedFile StreamReaderWriter"),
    "contextlib": _words("redirect_stdout redirect_stderr chdir"),
    "csv": _words("field_size_limit"),
    "dataclasses": _words("make_dataclass"),
    "decimal": _words("setcontext"),
    "enum": _words("EnumType EnumMeta"),
    "functools": _words("update_wrapper WRAPPER_ASSIGNMENTS WRAPPER_UPDATES"),
    "gzip": _words("open GzipFile"),
    "bz2": _words("open BZ2File"),
    "lzma": _words("open LZMAFile"),
    "io": _words(
        "open open_code FileIO BufferedReader BufferedWriter BufferedRandom BufferedRWPair"
    ),
    "http": _words("server client"),
    "os.path": _words("genericpath os"),
    "pathlib": _words("Path PosixPath WindowsPath"),
    "random": _words("seed setstate"),
    "string": _words("Formatter"),
    "time": _words("clock_settime clock_settime_ns tzset"),
    "tokenize": _words("open main"),
    "traceback": _words(
        "extract_stack format_stack print_stack walk_stack walk_tb extract_tb StackSummary "
        "FrameSummary clear_frames print_last print_list"
    ),
    "types": _words("CodeType FrameType new_class prepare_class"),
    "typing": _words("get_type_hints ForwardRef evaluate_forward_ref"),
    "typing_extensions": _words("get_type_hints ForwardRef evaluate_forward_ref"),
    "warnings": _words("showwarning resetwarnings filterwarnings simplefilter catch_warnings"),
    "weakref": _words("finalize getweakrefs"),
    "xml.etree.ElementTree": _words("parse iterparse ElementTree"),
    "zoneinfo": _words("reset_tzpath"),
}

SOME: Mapping[str, frozenset[str]] = {
    "asyncio": _words(
        "sleep gather wait wait_for as_completed shield create_task ensure_future iscoroutine "
        "iscoroutinefunction isfuture timeout timeout_at to_thread run Lock Event Condition Semaphore "
        "BoundedSemaphore Barrier Queue PriorityQueue LifoQueue QueueEmpty QueueFull Future Task "
        "TaskGroup CancelledError TimeoutError InvalidStateError IncompleteReadError current_task "
        "get_event_loop get_running_loop FIRST_COMPLETED FIRST_EXCEPTION ALL_COMPLETED"
    ),
    "inspect": _words(
        "signature getfullargspec getcallargs Signature Parameter BoundArguments cleandoc getdoc unwrap isclass isfunction "
        "ismethod isbuiltin isroutine ismodule isabstract isgenerator isgeneratorfunction iscoroutine "
        "iscoroutinefunction isawaitable isasyncgen isasyncgenfunction isdatadescriptor getmro "
        "ismethoddescriptor"
    ),
    "logging": _words(
        "getLogger Logger LoggerAdapter Formatter Filter LogRecord Handler NullHandler StreamHandler "
        "DEBUG INFO WARNING WARN ERROR CRITICAL FATAL NOTSET getLevelName debug info warning error "
        "critical exception log"
    ),
    "os": _words(
        "path sep altsep pathsep linesep curdir pardir extsep devnull fspath fsencode fsdecode "
        "PathLike SEEK_SET SEEK_CUR SEEK_END name"
    ),
    "sys": _words(
        "version version_info hexversion maxsize maxunicode byteorder platform implementation stdin "
        "stdout stderr intern getdefaultencoding getfilesystemencoding float_info int_info hash_info "
        "getsizeof getrefcount executable prefix base_prefix flags"
    ),
    "threading": _words(
        "Lock RLock Event Condition Semaphore BoundedSemaphore Barrier local current_thread "
        "get_ident"
    ),
}
"""Members that are free of modules that are not."""

NEVER = _words(
    "unittest pytest _pytest doctest test gc ctypes marshal importlib pkgutil runpy atexit signal pdb bdb "
    "timeit cProfile profile pydoc builtins _thread _ctypes pickle _pickle shelve concurrent "
    "multiprocessing code codeop trace faulthandler tracemalloc ensurepip venv idlelib lib2to3 "
    "logging.config logging.handlers site sitecustomize zipimport zipapp modulefinder imp linecache "
    "rlcompleter pyclbr symtable dis opcode inspect.currentframe inspect.stack inspect.trace "
    "inspect.getmembers inspect.getmembers_static inspect.getmodule inspect.getsource "
    "inspect.getsourcelines inspect.getsourcefile inspect.getfile inspect.findsource inspect.getouterframes "
    "inspect.getinnerframes inspect.getframeinfo inspect.getattr_static inspect.getclosurevars "
    "inspect.importlib inspect.getcomments inspect.getblock inspect.classify_class_attrs "
    "sys.modules sys._getframe sys._current_frames sys._current_exceptions sys.settrace sys.gettrace "
    "sys.setprofile sys.getprofile sys.last_traceback sys.meta_path sys.path_hooks "
    "sys.path_importer_cache sys.monitoring sys.breakpointhook sys.excepthook sys.displayhook "
    "sys.unraisablehook sys.addaudithook sys.call_tracing sys.setswitchinterval sys._getframemodulename "
    "sys.set_asyncgen_hooks sys.set_coroutine_origin_tracking_depth sys.orig_argv "
    "sys._MEIPASS sys.__dict__ os._exit os.abort os.kill os.killpg os.fork os.forkpty os.environ.setdefault "
    "os.putenv os.execv os.execve os.dup2 os.closerange threading.settrace threading.setprofile "
    "threading.excepthook threading._active threading.enumerate threading.main_thread types.CodeType "
    "types.FrameType types.new_class traceback.walk_stack traceback.extract_stack "
    "traceback.print_stack traceback.format_stack traceback.StackSummary traceback.walk_tb "
    "asyncio.create_subprocess_exec asyncio.create_subprocess_shell asyncio.subprocess"
)
"""Modules and members that stay forbidden, whether the file uses them or not."""

SHOWN = _words(
    "os sys builtins importlib gc subprocess ctypes threading signal socket shutil unittest "
    "pytest pickle marshal runpy pkgutil _os _sys _io _thread"
)
"""Modules that others show as an attribute: never used through them."""

# --- attributes ---------------------------------------------------------------------------------

FRAMES = _words(
    "f_back f_locals f_globals f_builtins f_code f_trace f_lineno f_lasti tb_frame tb_next tb_lasti "
    "gi_frame gi_code gi_yieldfrom cr_frame cr_code cr_await cr_origin ag_frame ag_code ag_await "
    "currentframe getouterframes getinnerframes co_code co_consts co_names co_varnames co_filename func_globals func_code findCaller _getframe "
    "_current_frames _exit"
)
"""Attributes that lead into the interpreter, whoever has them."""

READ = _words(
    "__name__ __qualname__ __doc__ __module__ __class__ __dict__ __slots__ __mro__ __bases__ __base__ "
    "__wrapped__ __signature__ __annotations__ __cause__ __context__ __suppress_context__ __notes__ "
    "__traceback__ __defaults__ __kwdefaults__ __isabstractmethod__ __abstractmethods__ __func__ "
    "__file__ __path__ __all__ __version__ __author__ __members__ __origin__ __args__ __parameters__ "
    "__metadata__ __supertype__ __dataclass_fields__ __match_args__ __orig_bases__ __weakref__ __objclass__ "
    "__text_signature__ __debug__ __type_params__ "
    "__init__ __new__ __del__ __repr__ __str__ __bytes__ __format__ __lt__ __le__ __eq__ __ne__ __gt__ "
    "__ge__ __hash__ __bool__ __call__ __len__ __length_hint__ __getitem__ __setitem__ __delitem__ "
    "__missing__ __iter__ __next__ __reversed__ __contains__ __enter__ __exit__ __aenter__ __aexit__ "
    "__aiter__ __anext__ __await__ __get__ __set__ __delete__ __set_name__ __init_subclass__ "
    "__class_getitem__ __instancecheck__ __subclasscheck__ __add__ __sub__ __mul__ __matmul__ "
    "__truediv__ __floordiv__ __mod__ __divmod__ __pow__ __lshift__ __rshift__ __and__ __xor__ __or__ "
    "__radd__ __rsub__ __rmul__ __rmatmul__ __rtruediv__ __rfloordiv__ __rmod__ __rdivmod__ __rpow__ "
    "__rlshift__ __rrshift__ __rand__ __rxor__ __ror__ __iadd__ __isub__ __imul__ __imatmul__ "
    "__itruediv__ __ifloordiv__ __imod__ __ipow__ __ilshift__ __irshift__ __iand__ __ixor__ __ior__ "
    "__neg__ __pos__ __abs__ __invert__ __complex__ __int__ __float__ __index__ __round__ __trunc__ "
    "__floor__ __ceil__ __fspath__ __sizeof__ __copy__ __deepcopy__ __reduce__ __reduce_ex__ "
    "__getstate__ __setstate__ __getnewargs__ __getnewargs_ex__ __array__ __array_interface__ "
    "__array_ufunc__ __array_function__ __array_priority__ __index__ __html__ __post_init__ __concat__ "
    "__aiter__ __prepare__ __getformat__"
)
"""Dunders that read nothing dangerous."""

LANGUAGE = READ | _words(
    "__self__ __globals__ __code__ __closure__ __builtins__ __subclasses__ __getattribute__ __getattr__ "
    "__setattr__ __delattr__ __dir__ __loader__ __spec__ __import__ __subclasshook__ __build_class__ "
    "__class_cell__ __classcell__ __type_params__ __annotate__ __firstlineno__ __static_attributes__ "
    "__basicsize__ __dictoffset__ __flags__ __itemsize__ __weakrefoffset__ __mro_entries__ __cached__ "
    "__package__ __main__ __buffer__ __release_buffer__"
)
"""The dunders that Python itself gives a meaning; a library's own are names like any other."""

SET = _words(
    "__name__ __qualname__ __doc__ __module__ __wrapped__ __signature__ __cause__ __context__ "
    "__notes__ __isabstractmethod__ __suppress_context__ __traceback__ __annotations__"
)
"""Dunders that may be set on values."""

IN_CLASS = _words(
    "__init__ __new__ __repr__ __str__ __call__ __enter__ __exit__ __aenter__ __aexit__ __iter__ "
    "__next__ __aiter__ __anext__ __await__ __len__ __getitem__ __setitem__ __delitem__ __slots__ "
    "__post_init__ __match_args__ __get__ __set_name__ __missing__ __format__ __doc__ __module__ "
    "__qualname__ __init_subclass__ __class_getitem__ __annotations__ __name__ __bytes__ __fspath__"
)
"""Dunders that a class made inside a function may have: none compares."""


@functools.cache
def standard() -> Mapping[str, frozenset[str]]:
    """The standard modules of Python 3.10 to 3.14, with the free members of the free ones."""
    text = Path(__file__).with_name("members.json").read_text(encoding="utf-8")
    listed = {name: frozenset(members.split()) for name, members in json.loads(text).items()}
    return {name: members - BUT.get(name, frozenset()) for name, members in listed.items()}
