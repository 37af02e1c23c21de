"""_pool.py: page pools: fixed pages of memory, recycled without a lock, and arenas of tensors over them.

A tensor grows in place up to its capacity, and its bytes never move; an arena goes as a whole. What moves bytes is
under `copy`.
"""
from __future__ import annotations

from types import TracebackType
from typing import Any, Iterable, List, NamedTuple, Optional, Sequence, Tuple, Type, Union

from . import _native
from ._byte_state import ArenaInfo, CopyStats, Dropped, MemoryView, PagePoolState
from ._copy_store import packed
from ._enums import Content, DType, Purpose, TicketState
from ._errors import HandleError, Status, make_error
from ._managed import Managed
from ._memory import Tracker
from ._native import byte_structs as b
from ._store import read_stats
from ._stream import Stream, on
from ._view import View

lib, check, ref, unsigned = _native.lib, _native.check, _native.ref, _native.unsigned

_PREFAULT, _DIRTY = 1, 2


class Page(NamedTuple):
    """A page that was acquired as such: its handle, and what is in it."""

    handle: int
    content: Content


class PagePool(Managed):
    """Pages of `page_bytes` each. Arguments are the fields of akv_page_pool_config, and 0 is its default. `memory`: an
    array of the caller's for max_pages pages (`dirty`: it is not zero); it lives as long as the pool.

    Views of pages and tensors keep the pool's memory: close() ends it for all calls, its memory goes when they do.
    """

    def __init__(self, *, page_bytes: int = 0, num_pages: int = 0, max_pages: int = 0, max_arenas: int = 0,
                 tensors_per_page: int = 0, max_open_tickets: int = 0, purpose: Union[Purpose, int] = 0,
                 memory: Any = None, dirty: bool = False, prefault: bool = False,
                 tracker: Optional[Tracker] = None) -> None:
        config = b.PagePoolConfig(
            flags=(_PREFAULT * prefault) | (_DIRTY * dirty), page_bytes=unsigned("page_bytes", page_bytes, 64),
            num_pages=unsigned("num_pages", num_pages), max_pages=unsigned("max_pages", max_pages),
            max_arenas=unsigned("max_arenas", max_arenas), purpose=unsigned("purpose", purpose),
            tensors_per_page=unsigned("tensors_per_page", tensors_per_page),
            max_open_tickets=unsigned("max_open_tickets", max_open_tickets),
            tracker=None if tracker is None else tracker.handle)
        kept = None
        if memory is not None:
            kept = packed(memory, "memory", True)
            config.memory, config.memory_bytes = kept.address, kept.bytes
        pool = _native.U64()
        check(lib.akv_page_pool_create(config, ref(pool)))
        # The memory of the caller's lives in this function, and with that as long as the pool.
        self._own(pool.value, lambda handle, kept=kept: check(lib.akv_page_pool_destroy(handle)))  # type: ignore[misc]

    @property
    def copy(self) -> PoolCopy:
        """The calls that move bytes of pages."""
        return PoolCopy(self)

    def config(self) -> Any:
        """The configuration in use, as a dictionary with every default filled in; `memory` is where page 1 begins."""
        config = b.PagePoolConfig()
        check(lib.akv_page_pool_read_config(self.handle, config))
        return _native.values(config)

    def reserve(self, num_pages: int) -> None:
        """See that at least so many pages have memory."""
        check(lib.akv_page_pool_reserve(self.handle, unsigned("num_pages", num_pages)))

    def state(self) -> PagePoolState:
        state = b.PagePoolState()
        check(lib.akv_page_pool_read_state(self.handle, state))
        return PagePoolState(**_native.values(state))

    def stats(self) -> List[CopyStats]:
        """What was moved, a line for each kind and direction."""
        return read_stats(lambda *out: lib.akv_page_pool_read_stats(self.handle, *out))

    def page_acquire(self, count: int = 1, *, owner: int = 0) -> List[Page]:
        """Take pages, all or none."""
        pages = _native.array(_native.U64, unsigned("count", count))
        contents = _native.array(_native.U32, count)
        check(lib.akv_page_acquire(self.handle, unsigned("owner", owner, 64), pages, contents, count))
        return [Page(page, Content(content)) for page, content in zip(pages, contents)]

    def page_release(self, pages: Iterable[Union[Page, int]]) -> None:
        """Give pages back, all or none, each once."""
        given = _native.numbers("Q", [page.handle if isinstance(page, Page) else page for page in pages])
        check(lib.akv_page_release(self.handle, given.address, given.count))

    def page_view(self, page: Union[Page, int]) -> MemoryView:
        """Where a page lies."""
        view = b.MemoryView()
        check(lib.akv_page_read_view(self.handle, page.handle if isinstance(page, Page) else page, view))
        return MemoryView(**_native.values(view))

    def arena_create(self, owner: int = 0) -> Arena:
        """An arena for this owner: a trust domain or a request."""
        arena = _native.U64()
        check(lib.akv_arena_create(self.handle, unsigned("owner", owner, 64), ref(arena)))
        return Arena(self, arena.value)

    def ticket_open(self) -> PoolTicket:
        """Pages that go back from now on wait for this ticket."""
        ticket = _native.U64()
        check(lib.akv_page_pool_ticket_open(self.handle, ref(ticket)))
        return PoolTicket(self, ticket.value)

    def drop_owner(self, owner: int) -> Dropped:
        """Emergency: drop every arena of an owner, and give back every page it has acquired."""
        dropped = b.Dropped()
        check(lib.akv_page_pool_drop_owner(self.handle, unsigned("owner", owner, 64), dropped))
        return Dropped(**_native.values(dropped))

    def drop_all(self) -> Dropped:
        """The same for everybody."""
        dropped = b.Dropped()
        check(lib.akv_page_pool_drop_all(self.handle, dropped))
        return Dropped(**_native.values(dropped))


class PoolCopy:
    def __init__(self, pool: PagePool) -> None:
        self._pool = pool

    def zero_page(self, page: Union[Page, int], *, stream: Optional[Stream] = None) -> None:
        """Zero a page: one whose content is FOREIGN, before its new owner reads it."""
        pool, handle = self._pool.handle, page.handle if isinstance(page, Page) else page
        on(stream, None, lambda queue: lib.akv_copy_zero_page(pool, handle, queue))


class PoolTicket:
    """Work that names pages or tensors. A `with` block retires it, or abandons it after an exception."""

    def __init__(self, pool: PagePool, handle: int) -> None:
        self._pool, self._handle = pool, handle
        self._ended = False

    def __int__(self) -> int:
        return self._handle

    def retire(self) -> None:
        check(lib.akv_page_pool_ticket_retire(self._pool.handle, self._handle))
        self._ended = True

    def abandon(self) -> None:
        """The work failed, and touches no memory any more."""
        check(lib.akv_page_pool_ticket_abandon(self._pool.handle, self._handle))
        self._ended = True

    def read(self) -> TicketState:
        state = _native.U32()
        check(lib.akv_page_pool_ticket_read(self._pool.handle, self._handle, ref(state)))
        return TicketState(state.value)

    def __enter__(self) -> PoolTicket:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if not self._ended and not self._pool.closed:
            self.retire() if kind is None else self.abandon()


class Arena:
    """Tensors one behind the other; all of them end with it: drop(), or a `with` block."""

    def __init__(self, pool: PagePool, handle: int) -> None:
        self._pool, self._handle = pool, handle
        self._dropped = False

    @property
    def pool(self) -> PagePool:
        return self._pool

    @property
    def handle(self) -> int:
        return self._handle

    def tensor(self, capacity_bytes: int) -> Tensor:
        """A tensor that may hold so many bytes, and holds nothing yet."""
        tensor, content = _native.U64(), _native.U32()
        check(lib.akv_tensor_create(self._pool.handle, self._handle, unsigned("capacity_bytes", capacity_bytes, 64),
                                    ref(tensor), ref(content)))
        return Tensor(self, tensor.value, Content(content.value))

    def tensors(self, capacities: Iterable[int]) -> List[Tensor]:
        """Many at once, all or none: the keys and values of all layers."""
        given = _native.numbers("Q", capacities)
        found, contents = _native.array(_native.U64, given.count), _native.array(_native.U32, given.count)
        check(lib.akv_tensor_create_batch(self._pool.handle, self._handle, given.address, given.count, found, contents))
        return [Tensor(self, tensor, Content(content)) for tensor, content in zip(found, contents)]

    def info(self) -> ArenaInfo:
        info = b.ArenaInfo()
        check(lib.akv_arena_read_info(self._pool.handle, self._handle, info))
        return ArenaInfo(**_native.values(info))

    def drop(self) -> None:
        """End it with all its tensors. Its pages go back at once, or when every ticket open now has ended."""
        check(lib.akv_arena_drop(self._pool.handle, self._handle))
        self._dropped = True

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        if self._dropped or self._pool.closed:
            return
        try:
            self.drop()
        except HandleError:
            pass  # it has gone with its owner, or with its pool


class Tensor:
    """A tensor in an arena: grows in place, by one atomic update."""

    def __init__(self, arena: Arena, handle: int, content: Content) -> None:
        self._arena, self._handle, self.content = arena, handle, content

    @property
    def pool(self) -> PagePool:
        return self._arena.pool

    @property
    def handle(self) -> int:
        return self._handle

    @property
    def copy(self) -> TensorCopy:
        """The calls that move bytes."""
        return TensorCopy(self)

    def extend(self, size: int) -> int:
        """Grow by so many bytes; answers where they begin. No byte moves."""
        offset = _native.U64()
        check(lib.akv_tensor_extend(self.pool.handle, self._handle, unsigned("size", size, 64), ref(offset)))
        return offset.value

    def memory_view(self) -> MemoryView:
        """Where it lies, how long it is and how long it may get."""
        view = b.MemoryView()
        check(lib.akv_tensor_read_view(self.pool.handle, self._handle, view))
        return MemoryView(**_native.values(view))

    def view(self, dtype: DType, shape: Sequence[int], *, offset: int = 0) -> View:
        """The bytes that it has now, from `offset` on, as a packed tensor; one size may be -1. Its arena's drop hands
        the memory to others: read it before."""
        pin, view, sizes = self.pool._keeper.pin(), b.View(), _native.numbers("q", shape)
        check(lib.akv_tensor_read_shape(self.pool.handle, self._handle, unsigned("offset", offset, 64), dtype,
                                        sizes.address, sizes.count, view))
        return View(view, pin, False)


class TensorCopy:
    """Everything that moves a tensor's bytes."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = tensor

    def _at(self) -> Tuple[int, int]:
        return self._tensor.pool.handle, self._tensor.handle

    def write(self, data: Any, offset: int = 0, *, stream: Optional[Stream] = None) -> None:
        """A packed array's bytes into it, from byte `offset` on: extend() first."""
        (pool, handle), given = self._at(), packed(data, "data", False)
        on(stream, (given, self._tensor), lambda queue: lib.akv_copy_to_tensor(
            pool, handle, unsigned("offset", offset, 64), given.address, given.bytes, queue))

    def read(self, data: Any, offset: int = 0, *, stream: Optional[Stream] = None) -> None:
        """Its bytes, from byte `offset` on, into a packed array."""
        (pool, handle), given = self._at(), packed(data, "data", True)
        on(stream, (given, self._tensor), lambda queue: lib.akv_copy_from_tensor(
            pool, handle, unsigned("offset", offset, 64), given.address, given.bytes, queue))

    def tensor(self, target: Tensor, size: int, offset: int = 0, target_offset: int = 0, *,
               stream: Optional[Stream] = None) -> None:
        """Bytes of this tensor to another of the same pool, or inside it."""
        (pool, handle), keep = self._at(), (self._tensor, target)
        if target.pool is not self._tensor.pool:
            raise make_error(Status.BAD_HANDLE, "the target is a tensor of another pool")
        on(stream, keep, lambda queue: lib.akv_copy_tensor(
            pool, handle, unsigned("offset", offset, 64), target.handle, unsigned("target_offset", target_offset, 64),
            unsigned("size", size, 64), queue))

    def zero(self, *, stream: Optional[Stream] = None) -> None:
        """All of its capacity: where its content is FOREIGN, before its new owner reads it."""
        (pool, handle), keep = self._at(), self._tensor
        on(stream, keep, lambda queue: lib.akv_copy_zero_tensor(pool, handle, queue))
