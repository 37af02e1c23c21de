"""_host.py: the library as a whole: its version, what was built into it, its log, its kernels' instruction set.
"""
from __future__ import annotations

from typing import Callable, Optional

from . import _native
from ._enums import Isa, LogLevel

lib, check, unsigned = _native.lib, _native.check, _native.unsigned


def version() -> str:
    """The version of the library, which is the package's too."""
    text: bytes = lib.akv_version_string()
    return text.decode()


def version_number() -> int:
    """The same as one number to compare: 0x00MMmmpp."""
    number: int = lib.akv_version()
    return number


def has(feature: int) -> bool:
    """Whether the library was built with this feature; False for numbers that it does not know."""
    return bool(lib.akv_has(unsigned("feature", feature)))


def status_name(status: int) -> str:
    """The name of a status as C has it, "AKV_ERROR_NO_BLOCKS"; unknown values have a text too."""
    return _native.status_name(status)


def last_error() -> str:
    """The message of the last call on this thread that failed; empty if none has."""
    return _native.last_error()


def set_log(function: Optional[Callable[[int, str], None]], max_level: LogLevel = LogLevel.INFO) -> None:
    """Send log lines of this level and below to function(level, message), from whatever thread; None: nowhere."""
    _native.set_log(function, unsigned("max_level", max_level))


def isa_choose(isa: int) -> None:
    """Take the kernels of this instruction set; 0: the quickest that the processor runs."""
    check(lib.akv_isa_choose(unsigned("isa", isa)))


def isa_in_use() -> Isa:
    return Isa(lib.akv_isa_in_use())


def isa_name(isa: int) -> str:
    return _native.name_of(lib.akv_isa_name, unsigned("isa", isa))
