"""test_abuse.py: what a caller can do wrong, with every kind of object: an error each time, and never a crash."""
import array
import concurrent.futures
import gc
import threading
import unittest
import warnings

import arenakv
from arenakv import Columns, DType, Geometry, PagePool, Span, Status, Stream, Tail, Tracker
from test_sharing import in_child

SHAPE = Geometry.of(1, 2, 4, DType.F32)


def calls_on(cache, sequence):
    """Every call of a cache and of a sequence."""
    plan, ticket = arenakv.Plan(cache, 1), arenakv.Ticket(cache, 1)
    lease, pin = arenakv.Lease(cache, 1), arenakv.Pin(cache, 1)
    return (
        cache.config, cache.geometry, cache.store, cache.create, cache.can_allocate, lambda: cache.find(1),
        lambda: cache.append_batch([1]), lambda: cache.read_tables([1], tables=arenakv.Tables()),
        lambda: cache.commit_batch([1]), lambda: cache.set_tokens_batch([1], [0], [1]),
        lambda: cache.truncate_batch([1], [0]), lambda: cache.free_batch([1]), lambda: cache.drop_owner(1),
        lambda: cache.match([1]), lambda: cache.explain([1]), lambda: cache.pin([1]), cache.clear, cache.ticket_open,
        lambda: cache.swap_acquire(1), lambda: cache.swap_release([1]), cache.state, cache.measure, cache.sequences,
        cache.holds, cache.read_block_map, cache.audit, cache.audit_all, cache.dump, cache.block_map,
        lambda: cache.copy.run(plan, []), lambda: cache.copy.save(sequence, []),
        lambda: arenakv.Pager(cache, []), *sequence_calls(sequence), plan.info, plan.records, plan.finish, plan.abandon,
        ticket.retire, ticket.abandon, ticket.read, lease.blocks, lease.release, pin.unpin)


def sequence_calls(sequence):
    return (lambda: sequence.append([1]), lambda: sequence.reserve(9), lambda: sequence.set_tokens(0, [1]),
            sequence.commit, lambda: sequence.commit(1), sequence.fork, lambda: sequence.truncate(0),
            lambda: sequence.set_length(0), lambda: sequence.can_extend(1), sequence.swap_out, sequence.swap_in,
            lambda: sequence.lease_acquire(1), sequence.blocks, lambda: sequence.tokens(0, 1), sequence.info,
            sequence.image_bytes, sequence.free)


class Everything:
    """One object of every kind that has an end, and calls of each."""

    def __init__(self):
        self.cache = arenakv.Cache(num_blocks=16, block_tokens=4, num_swap_blocks=4, geometry=SHAPE)
        self.store, self.stream, self.tracker = self.cache.store(), Stream(1), Tracker()
        self.swap = self.cache.store(columns=Columns.SWAP_BLOCKS)
        self.pool = PagePool(page_bytes=4096, num_pages=2)
        self.pager = arenakv.Pager(self.cache, [self.store, self.swap])
        self.tail = Tail(self.store, dtype=DType.F32)
        self.all = (self.pager, self.tail, self.stream, self.swap, self.store, self.pool, self.tracker, self.cache)

    def calls(self):
        pool, store, stream, tail, data = self.pool, self.store, self.stream, self.tail, array.array("f", [0.0] * 64)
        arena = arenakv.Arena(pool, 1)
        tensor = arenakv.Tensor(arena, 1, arenakv.Content.ZERO)
        return {
            store: (store.info, store.warm_up, lambda: store.region(0, 0), lambda: store.view(0, 0), store.stats,
                    lambda: store.span_bytes(1), lambda: store.copy.zero([1]),
                    lambda: store.copy.gather([Span([1], 1, data)]), lambda: store.copy.scatter([Span([1], 1, data)]),
                    lambda: store.copy.write_tokens(0, [4], {}), lambda: store.copy.read_tokens(0, [4], {}),
                    lambda: store.copy.blocks([1], store, [2]), lambda: store.copy.converted([1], store, [2]),
                    lambda: store.copy.records([]), lambda: Tail(store)),
            stream: (stream.record, lambda: stream.read(0), lambda: stream.call(print), stream.read_fd, stream.poll,
                     stream.wait),
            self.tracker: (self.tracker.totals, lambda: self.tracker.record([]), lambda: self.tracker.forget([]),
                           lambda: self.tracker.set_limit(0, 0)),
            self.pager: (lambda: self.pager.copy.make_resident([1]),),
            tail: (tail.info, tail.open_row, lambda: tail.close_row(1), lambda: tail.slots([1], [0]),
                   lambda: tail.copy.overflow([])),
            pool: (pool.config, lambda: pool.reserve(1), pool.state, pool.stats, pool.page_acquire,
                   lambda: pool.page_release([1]), lambda: pool.page_view(1), pool.arena_create, pool.ticket_open,
                   lambda: pool.drop_owner(1), pool.drop_all, lambda: pool.copy.zero_page(1), arena.info, arena.drop,
                   lambda: arena.tensor(1), lambda: arena.tensors([1]), lambda: tensor.extend(1), tensor.memory_view,
                   lambda: tensor.view(DType.F32, [1]), lambda: tensor.copy.write(data),
                   lambda: tensor.copy.read(data), tensor.copy.zero, lambda: tensor.copy.tensor(tensor, 1)),
        }

    def close(self):
        for thing in self.all:
            thing.close()


class Closed(unittest.TestCase):
    def test_every_call_on_a_closed_object_is_bad_handle(self):
        """B14 use after close."""
        everything = Everything()
        sequence = everything.cache.create([1, 2]).sequence
        everything.close()
        everything.close()
        for thing, calls in everything.calls().items():
            self.assertIn("closed", repr(thing))
            self.refused(calls, Status.BAD_HANDLE)
        self.refused(calls_on(everything.cache, sequence), Status.BAD_HANDLE)

    def refused(self, calls, status):
        for number, call in enumerate(calls):
            with self.subTest(call=number), self.assertRaises(arenakv.ArenakvError) as caught:
                call()
            self.assertIs(caught.exception.status, status, f"call {number}: {caught.exception}")

    def test_every_call_on_a_freed_sequence_is_bad_handle(self):
        with arenakv.Cache(num_blocks=16, num_swap_blocks=4) as cache:
            sequence = cache.create(range(5)).sequence
            sequence.free()
            before = cache.state()
            self.refused(sequence_calls(sequence), Status.BAD_HANDLE)
            self.assertEqual(cache.state(), before)

    def test_every_call_with_a_handle_of_another_kind_or_cache_is_an_error(self):
        with arenakv.Cache(num_blocks=16, num_swap_blocks=4) as cache, arenakv.Cache(num_blocks=16) as other:
            created = cache.create(range(40))
            created.sequence.commit()
            pin = cache.pin(range(40))
            self.refused(sequence_calls(arenakv.Sequence(cache, int(pin))), Status.WRONG_TYPE)
            self.refused(sequence_calls(arenakv.Sequence(other, created.sequence.handle)), Status.BAD_HANDLE)
            for number in (1, 0xdeadbeef, (1 << 64) - 1):
                self.refused(sequence_calls(arenakv.Sequence(cache, number)), Status.BAD_HANDLE)
            wrong = created.sequence.handle
            self.refused((arenakv.Plan(cache, wrong).info, arenakv.Lease(cache, wrong).release,
                          arenakv.Pin(cache, wrong).unpin), Status.WRONG_TYPE)
            self.assertEqual((cache.state().sequences, cache.state().pins), (1, 1))

    def test_forgotten_objects_of_every_kind_are_closed_with_a_warning(self):
        for _ in range(3):
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                everything = Everything()
                del everything
                gc.collect()
            kinds = {str(one.message).split(".")[1].split()[0] for one in told if one.category is ResourceWarning}
            self.assertEqual(kinds, {"Cache", "Store", "Stream", "Tracker", "PagePool", "Pager", "Tail"})
        gc.collect()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Everything().close()  # and nothing is left that would stop another one

    def test_ends_may_come_twice_and_in_any_order(self):
        with arenakv.Cache(num_blocks=16) as cache:
            with cache.ticket_open() as ticket:
                ticket.retire()
            with cache.create([1]).sequence as sequence, sequence.lease_acquire(1) as lease:
                lease.release()
                sequence.free()
            with cache.create([1]).sequence, cache.ticket_open():
                cache.close()


class Numbers(unittest.TestCase):
    def test_what_does_not_fit_a_field_is_refused_and_never_cut_off(self):
        with arenakv.Cache(num_blocks=16) as cache, cache.create([1]).sequence as sequence:
            for call in (lambda: cache.create(domain=-1), lambda: cache.create(owner=1 << 64),
                         lambda: cache.create(reserve_tokens=1 << 32), lambda: cache.drop_owner(-1),
                         lambda: cache.swap_acquire(-1), lambda: sequence.append(unknown=1 << 32),
                         lambda: sequence.commit(-1), lambda: sequence.truncate(1 << 32), lambda: sequence.fork(-1),
                         lambda: sequence.set_tokens(-1, []), lambda: sequence.tokens(-1, 1),
                         lambda: sequence.lease_acquire(-1), lambda: cache.clear(domain=1 << 64),
                         lambda: Stream(-1), lambda: PagePool(page_bytes=-1), lambda: Tracker(max_records=1 << 32)):
                self.assertRaises(arenakv.ArgumentError, call)
            self.assertEqual(sequence.info().length, 1)

    def test_what_is_no_number_is_a_type_error(self):
        with arenakv.Cache(num_blocks=16) as cache, cache.create([1]).sequence as sequence:
            for call in (lambda: cache.create(owner="x"), lambda: cache.create(5), lambda: sequence.truncate(1.5),
                         lambda: sequence.append(["x"]), lambda: cache.append_batch(["x"]),
                         lambda: cache.batch([sequence], tokens=[None])):
                self.assertRaises(TypeError, call)


class Sharing(unittest.TestCase):
    def test_the_child_of_fork_is_told_so_by_every_object_and_may_close_all(self):
        """B14 fork."""
        everything = Everything()
        sequence = everything.cache.create([1, 2]).sequence

        def check():
            closed = Closed()
            for calls in everything.calls().values():
                closed.refused(calls, Status.FORKED)
            closed.refused(calls_on(everything.cache, sequence)[:29], Status.FORKED)
            everything.close()

        self.assertEqual(in_child(check), 0)
        self.assertEqual(everything.store.info().num_blocks, 16)
        everything.close()

    def test_many_threads_write_read_and_close_views_of_one_store(self):
        """B14 many threads."""
        with arenakv.Cache(num_blocks=64, block_tokens=4, geometry=SHAPE) as cache:
            store, start = cache.store(), threading.Barrier(4)

            def work(number):
                start.wait()
                size = store.span_bytes(4)
                for turn in range(200):
                    data = array.array("f", [float(number * 1000 + turn)] * (size // 4))
                    back = array.array("f", [0.0] * (size // 4))
                    store.copy.scatter([Span([number + 1], 4, data)])
                    store.copy.gather([Span([number + 1], 4, back)])
                    view = store.view(0, 0).slice(0, number + 1, 1)
                    if back != data or view.memory().cast("f")[0] != data[0]:
                        return False
                return True

            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                self.assertTrue(all(pool.map(work, range(4))))
            store.close()

    def test_a_store_that_is_closed_under_its_users_ends_their_calls_with_an_error(self):
        with arenakv.Cache(num_blocks=64, block_tokens=4, geometry=SHAPE) as cache:
            store, started = cache.store(), threading.Semaphore(0)

            def work(_):
                started.release()
                try:
                    while True:
                        store.copy.zero([1])
                        bytes(store.view(0, 0).memory()[:64])
                except arenakv.HandleError:
                    return True

            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                workers = [pool.submit(work, number) for number in range(3)]
                for _ in workers:
                    started.acquire()
                while not store.closed:
                    try:
                        store.close()
                    except arenakv.StateError as error:
                        self.assertIs(error.status, Status.BUSY)
                self.assertTrue(all(worker.result() for worker in workers))
