"""test_pools.py: pages, arenas and tensors through the package, and the layer of K/V tensors over them."""
import array
import unittest

import arenakv
from arenakv import Content, DType, Geometry, PagePool, Status, TicketState

try:
    import numpy
except ImportError:
    numpy = None


class Pools(unittest.TestCase):
    def test_pages_are_recycled_and_say_what_is_in_them(self):
        """A2 pages go back to the pool and are used again."""
        with PagePool(page_bytes=4096, num_pages=2) as pool:
            pages = pool.page_acquire(2, owner=1)
            self.assertEqual([page.content for page in pages], [Content.ZERO] * 2)
            with self.assertRaises(arenakv.NoRoomError) as caught:
                pool.page_acquire(owner=2)
            self.assertEqual((caught.exception.status, caught.exception.needed), (Status.NO_PAGES, 1))
            view = pool.page_view(pages[0])
            self.assertEqual((view.bytes, view.owner, view.page), (4096, 1, 1))
            with self.assertRaises(arenakv.HandleError) as caught:
                pool.page_release([pages[0], pages[0]])
            self.assertEqual(caught.exception.row, 1)
            pool.page_release(pages)
            page, = pool.page_acquire(owner=2)
            self.assertIs(page.content, Content.FOREIGN)
            pool.copy.zero_page(page)
            self.assertEqual((pool.state().recycled, pool.state().hit_ratio), (1, 1 / 3))

    def test_tensors_grow_in_place(self):
        """A1 A3 bump allocation; growing moves no byte."""
        with PagePool(page_bytes=8192, num_pages=2) as pool, pool.arena_create(owner=4) as arena:
            keys, values = arena.tensors([1000, 3000])
            before = keys.memory_view()
            self.assertEqual((keys.extend(400), keys.extend(100)), (0, 400))
            after = keys.memory_view()
            self.assertEqual((after.data, after.bytes, after.capacity_bytes), (before.data, 500, 1024))
            self.assertEqual(values.memory_view().data, before.data + 1024)
            with self.assertRaises(arenakv.NoRoomError) as caught:
                keys.extend(1000)
            self.assertIs(caught.exception.status, Status.NO_CAPACITY)
            self.assertEqual((arena.info().tensors, arena.info().capacity_bytes), (2, 1024 + 3072))

    def test_bytes_go_in_and_out_and_from_one_to_the_other(self):
        with PagePool(page_bytes=4096, num_pages=2) as pool, pool.arena_create() as arena:
            first, second = arena.tensors([512, 512])
            first.extend(512), second.extend(512)
            data = bytes(range(256))
            first.copy.write(data, 128)
            first.copy.tensor(second, 256, offset=128, target_offset=16)
            got = bytearray(256)
            second.copy.read(got, 16)
            self.assertEqual(got, data)
            self.assertEqual(second.view(DType.I8, [4, -1]).shape, (4, 128))
            self.assertEqual(bytes(second.view(DType.I8, [512]).memory()[16:272]), data)
            for wrong in (lambda: first.copy.write(data, 300), lambda: first.copy.read(bytes(4)),
                          lambda: second.view(DType.F32, [3, 64]), lambda: first.copy.write(data, -1)):
                self.assertRaises(arenakv.ArgumentError, wrong)
            second.copy.zero()
            second.copy.read(got, 16)
            self.assertEqual(got, bytes(256))
            self.assertEqual(sum(line.bytes for line in pool.stats()), 256 * 4 + 512)

    def test_a_dropped_arena_s_pages_wait_for_tickets(self):
        with PagePool(page_bytes=4096, num_pages=1) as pool:
            arena = pool.arena_create()
            tensor = arena.tensor(100)
            with pool.ticket_open() as ticket:
                arena.drop()
                self.assertEqual((pool.state().quarantined_pages, ticket.read()), (1, TicketState.OPEN))
                self.assertRaises(arenakv.StateError, pool.close)
            self.assertEqual((pool.state().free_pages, ticket.read()), (1, TicketState.PASSED))
            for call in (arena.drop, arena.info, tensor.memory_view, lambda: tensor.extend(1), lambda: arena.tensor(1)):
                self.assertRaises(arenakv.HandleError, call)

    def test_an_emergency_gives_back_everything(self):
        """A13 emergency cleanup."""
        with PagePool(page_bytes=4096, num_pages=4) as pool:
            pool.arena_create(owner=1).tensor(100)
            pool.page_acquire(2, owner=1)
            pool.arena_create(owner=2).tensor(100)
            dropped = pool.drop_owner(1)
            self.assertEqual((dropped.arenas, dropped.raw_pages, dropped.pages), (1, 2, 3))
            self.assertEqual((pool.drop_all().arenas, pool.state().free_pages), (1, 4))

    def test_a_view_keeps_a_closed_pool_s_memory(self):
        with arenakv.Tracker() as tracker:
            with PagePool(page_bytes=4096, num_pages=1, tracker=tracker) as pool:
                tensor = pool.arena_create().tensor(256)
                tensor.extend(256)
                tensor.copy.write(bytes(range(256)))
                memory = tensor.view(DType.I8, [256]).memory()
            self.assertRaises(arenakv.HandleError, tensor.memory_view)
            self.assertEqual(bytes(memory), bytes(range(256)))
            self.assertEqual(tracker.totals().records, 1)
            del memory
            self.assertEqual(tracker.totals().records, 0)

    def test_the_caller_s_memory_is_used_and_kept(self):
        room = bytearray(3 * 4096 + 256)
        skip = -memoryview_address(room) % 256
        with PagePool(page_bytes=4096, num_pages=3, memory=memoryview(room)[skip:skip + 3 * 4096]) as pool:
            tensor = pool.arena_create().tensor(256)
            tensor.extend(256)
            tensor.copy.write(b"\7" * 256)
            self.assertEqual(room[skip:skip + 257], b"\7" * 256 + b"\0")
            self.assertEqual(pool.config()["memory"], memoryview_address(room) + skip)
            self.assertRaises(BufferError, room.append, 1)
        for wrong in (bytes(4096 * 4), memoryview(room)[::2]):
            self.assertRaises(arenakv.ArgumentError, PagePool, page_bytes=4096, num_pages=1, memory=wrong)

    def test_pools_grow_when_they_are_told_to(self):
        with PagePool(page_bytes=4096, num_pages=1, max_pages=3) as pool:
            self.assertRaises(arenakv.NoRoomError, pool.page_acquire, 2)
            pool.reserve(3)
            self.assertEqual(len(pool.page_acquire(3)), 3)
            self.assertRaises(arenakv.ArgumentError, pool.reserve, 4)


def memoryview_address(data):
    return arenakv._native.tensor_of(data).address


class Manager(unittest.TestCase):
    def test_a_model_by_name_decides_the_pages(self):
        """A5 A15 pages that hold any one tensor of a sequence."""
        with arenakv.ArenaKVCacheManager("mistral-7b", max_tokens=128, num_sequences=1) as manager:
            self.assertEqual(manager.pool.config()["page_bytes"], 128 * 8 * 128 * 2)
            with manager.create_sequence_arena() as arena:
                cache = arena.create_cache()
                self.assertEqual((cache.extend(7), len(cache)), (0, 7))
                self.assertEqual(cache.view(31, 1).shape, (7, 8, 128))
                self.assertEqual(arena.info().tensors, 64)
                with self.assertRaises(arenakv.NoRoomError):
                    manager.create_sequence_arena().create_cache()
            self.assertEqual(manager.state().arena_pages, 0)

    def test_growth_beyond_the_end_is_refused_in_all_layers(self):
        geometry = Geometry.of(3, 1, 4, DType.F32)
        with arenakv.ArenaKVCacheManager(geometry, max_tokens=8) as manager:
            cache = manager.create_sequence_arena().create_cache(5)
            cache.extend(4)
            with self.assertRaises(arenakv.NoRoomError) as caught:
                cache.extend(2)
            self.assertEqual((caught.exception.needed, caught.exception.available), (6, 5))
            self.assertEqual((len(cache), {cache.view(layer, 0).shape[0] for layer in range(3)}), (4, {4}))
            for wrong in ((3, 0), (0, 2), (-1, 0)):
                self.assertRaises(arenakv.ArgumentError, cache.view, *wrong)
            self.assertRaises(arenakv.ArgumentError, manager.create_sequence_arena().create_cache, 9)

    def test_k_v_come_back_and_are_never_another_owner_s(self):
        geometry = Geometry.of(1, 1, 4, DType.F32)
        with arenakv.ArenaKVCacheManager(geometry, max_tokens=64, num_sequences=1) as manager:
            with manager.create_sequence_arena(owner=1) as arena:
                cache = arena.create_cache()
                cache.extend(2)
                data = memoryview(array.array("f", range(8))).cast("B").cast("f", (2, 1, 4))
                cache.copy.update(0, 0, data, data)
                self.assertEqual(cache.view(0, 1).memory().cast("f").tolist(), list(range(8)))
                with self.assertRaises(arenakv.ArgumentError):
                    cache.copy.update(0, 1, data, data)
            with manager.create_sequence_arena(owner=2) as arena:
                cache = arena.create_cache()
                cache.extend(2)
                self.assertEqual(cache.view(0, 1).memory().cast("f").tolist(), [0.0] * 8)

    @unittest.skipIf(numpy is None, "NumPy is not installed: pip install numpy")
    def test_numpy_sees_what_is_written_later(self):
        with arenakv.ArenaKVCacheManager(Geometry.of(1, 2, 4, DType.F32), max_tokens=64) as manager:
            cache = manager.create_sequence_arena().create_cache()
            cache.extend(3)
            seen = cache.view(0, 0).numpy()
            cache.copy.update(0, 1, numpy.ones((2, 2, 4), numpy.float32), numpy.ones((2, 2, 4), numpy.float32))
            self.assertEqual(seen.sum(axis=(1, 2)).tolist(), [0.0, 8.0, 8.0])
