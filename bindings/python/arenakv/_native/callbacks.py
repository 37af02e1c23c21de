"""callbacks.py: Python functions that the library calls: log lines, progress, and what a stream calls on its way.

An exception can't pass through C: it is kept, and raised by the Python call that the function was called in; in a
stream's worker it goes where exceptions of threads go. It knows no stream.
"""
from __future__ import annotations

import atexit
import ctypes
import itertools
import threading
from typing import Any, Callable, Dict, Optional

from .._errors import ArenakvError
from .library import check, lib

_Log = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p)
_Progress = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64)
_Call = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_log_lock = threading.Lock()
_log_kept: Any = None  # the hook in use
_log_lost: Any = []  # hooks that were inside a call for too long: C may still be in one of them


def set_log(function: Optional[Callable[[int, str], None]], max_level: int) -> None:
    global _log_kept

    def hook(_: Any, level: int, message: bytes) -> None:
        if function is not None:
            function(level, message.decode(errors="replace"))

    new = _Log(hook) if function is not None else None
    with _log_lock:
        old, _log_kept = _log_kept, new
        try:
            check(lib.akv_set_log(ctypes.cast(new, ctypes.c_void_p) if new else None, None, max_level))
        except ArenakvError:
            _log_lost.append((old, new))
            raise


def _end_log() -> None:
    if _log_kept is not None:
        lib.akv_set_log(None, None, 1)


atexit.register(_end_log)


def with_progress(progress: Callable[[int, int], Optional[bool]], call: Callable[[Any], int]) -> None:
    """Make a call that tells how far it is. `progress` that answers False stops it, and so does an exception."""
    failure = []

    def told(_: Any, done: int, total: int) -> int:
        try:
            return 1 if progress(done, total) is False else 0
        except BaseException as error:
            failure.append(error)
            return 1

    hook = _Progress(told)
    status = call(ctypes.cast(hook, ctypes.c_void_p))
    if failure:
        raise failure[0]
    check(status)


_numbers = itertools.count(1)
_waiting: Dict[int, Callable[[], object]] = {}
_failures: Dict[int, BaseException] = {}
_inside = threading.local()


def _run(number: Optional[int]) -> None:
    function = _waiting.pop(number or 0, None)
    if function is None:
        return
    try:
        function()
    except BaseException as error:
        if getattr(_inside, "number", None) == number:
            _failures[number or 0] = error
        else:
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))


_run_hook = _Call(_run)  # one for all, so that none is ever freed while C is inside it


def call_later(function: Callable[[], object], queue: Callable[[Any, int], int]) -> None:
    """Queue a call of `function`; where it is made at once, its exception comes out here."""
    number = next(_numbers)
    _waiting[number] = function
    before, _inside.number = getattr(_inside, "number", None), number
    try:
        check(queue(ctypes.cast(_run_hook, ctypes.c_void_p), number))
    except ArenakvError:
        _waiting.pop(number, None)
        raise
    finally:
        _inside.number = before
    failure = _failures.pop(number, None)
    if failure is not None:
        raise failure
