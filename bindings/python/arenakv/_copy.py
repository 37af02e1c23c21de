"""_copy.py: what moves bytes for a cache: plans that are run, sequences that are saved and loaded: `cache.copy`.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterable, Optional

from . import _native
from ._copy_store import RUN_FINISH, RUN_ORDERED, RUN_VERIFY, packed
from ._enums import SequenceFlag
from ._errors import Status, make_error
from ._image import Image
from ._native import byte_structs as b
from ._native import structs as s
from ._plan import Plan
from ._sequence import Created, Sequence, created_of, options_of
from ._stream import Stream, on

if TYPE_CHECKING:
    from ._cache import Cache
    from ._store import Store

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

_ANY_LABEL = 1


class CacheCopy:
    """Everything that moves bytes for a cache. `stores` are all shards that are concerned."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def run(self, plan: Plan, stores: Iterable[Store], *, finish: bool = False, ordered: bool = False,
            verify: bool = False, stream: Optional[Stream] = None) -> None:
        """Run a plan's records. `finish`: and finish the plan when they have run (on a stream with workers: by its
        poll() or wait()). `ordered`: what the records wait for comes before this on the stream. `verify`: compare."""
        cache, given = self._cache.handle, _native.object_list(store.handle for store in stores)
        flags = (RUN_FINISH * finish) | (RUN_ORDERED * ordered) | (RUN_VERIFY * verify)
        on(stream, None, lambda queue: lib.akv_copy_run(cache, plan.handle, given.address, given.count, flags, queue))
        if finish:
            plan._hand_over()

    def save(self, sequence: Sequence, stores: Iterable[Store], *, num_tokens: int = 0, owner: int = 0,
             label: Optional[bytes] = None, ordered: bool = False, buffer: Any = None,
             stream: Optional[Stream] = None) -> Image:
        """An image of a sequence's committed tokens (0: all of them), in `buffer` or new memory. On a stream with
        workers it is whole when the stream has passed this. `label`: up to 64 bytes that stand for what made them."""
        cache, given, mark = self._cache.handle, _native.object_list(store.handle for store in stores), _label(label)
        size = _native.U64(sequence.image_bytes(num_tokens))
        place = bytearray(size.value) if buffer is None else buffer
        room = packed(place, "buffer", True)
        options = b.SaveOptions(flags=int(ordered), num_tokens=unsigned("num_tokens", num_tokens),
                                owner=unsigned("owner", owner, 64), label=mark.address)
        on(stream, (room, mark), lambda queue: lib.akv_copy_save(cache, sequence.handle, given.address, given.count,
                                                                 options, room.address, room.bytes, ref(size), queue))
        return Image(place, size.value)

    def load(self, image: Image, stores: Iterable[Store], *, domain: int = 0, label: Optional[bytes] = None,
             any_label: bool = False, request_id: int = 0, owner: int = 0, reserve_tokens: int = 0, max_tokens: int = 0,
             flags: SequenceFlag = SequenceFlag(0), stream: Optional[Stream] = None) -> Created:
        """A sequence out of an image, every byte of which is checked first; committed, so that others find it."""
        cache, given, mark = self._cache.handle, _native.object_list(store.handle for store in stores), _label(label)
        how, created = options_of(flags, request_id, owner, reserve_tokens, max_tokens), s.Created()
        options = b.LoadOptions(flags=_ANY_LABEL if any_label else 0, domain=unsigned("domain", domain, 64),
                                label=mark.address, sequence=_native.address(how))
        data = image.bytes_at()
        on(stream, (data, mark), lambda queue: lib.akv_copy_load(cache, data.address, image.size, options,
                                                                 given.address, given.count, created, queue))
        return created_of(self._cache, created)


def _label(label: Optional[bytes]) -> _native.Numbers:
    if label is None:
        return _native.Numbers(None, 0, None)
    if len(label) > _native.LABEL_BYTES:
        raise make_error(Status.INVALID_ARGUMENT, f"a label of {len(label)} bytes, at most {_native.LABEL_BYTES}")
    return _native.numbers("B", bytearray(label.ljust(_native.LABEL_BYTES, b"\0")))
