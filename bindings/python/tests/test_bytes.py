"""test_bytes.py: K/V in and out of stores, of the library's memory and of the caller's, converted, counted, bounded."""
import array
import gc
import struct
import unittest
import weakref

import arenakv
from arenakv import Columns, DType, Format, Geometry, Heads, Layout, Moved, Region, Span, Status

try:
    import numpy
except ImportError:
    numpy = None

LAYERS, HEADS, DIM, BLOCK = 2, 2, 4, 4
SHAPE = Geometry.of(LAYERS, HEADS, DIM, DType.F32)


def rows(values, heads=HEADS, dim=DIM):
    data = array.array("f", values)
    return memoryview(data).cast("B").cast("f", (len(data) // (heads * dim), heads, dim))


class Stores(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=SHAPE, num_swap_blocks=4)
        self.addCleanup(self.cache.close)

    def test_tokens_come_back_as_they_were_written_in_every_layout(self):
        """B13 A11 whatever the layout."""
        for layout in Layout:
            for heads in Heads:
                with self.cache.store(layout=layout, heads=heads) as store:
                    wanted = [float(i) for i in range(3 * HEADS * DIM)]
                    store.copy.write_tokens(1, [4, -1, 9], {0: rows(wanted), 1: rows([-x for x in wanted])})
                    got = rows([7.0] * len(wanted))
                    store.copy.read_tokens(1, [4, -1, 9], {1: got})
                    for token in range(3):
                        for head in range(HEADS):
                            for i in range(DIM):
                                at = (token * HEADS + head) * DIM + i
                                self.assertEqual(got[token, head, i], 7.0 if token == 1 else -wanted[at])

    def test_what_moved_is_counted(self):
        """A4 every byte that moves is counted, by kind."""
        with self.cache.store() as store:
            store.copy.write_tokens(0, [4, 5], {0: rows([1.0] * 16), 1: rows([1.0] * 16)})
            store.copy.zero([1])
            lines = {Moved(line.kind): line for line in store.stats()}
            self.assertEqual(lines[Moved.WRITE].bytes, 2 * 2 * HEADS * DIM * 4)
            self.assertEqual(lines[Moved.ZERO].bytes, store.info().bytes_per_block)

    def test_arrays_of_another_shape_are_refused_before_anything_is_read(self):
        with self.cache.store() as store:
            for wrong in (rows([1.0] * 8), rows([1.0] * 16, 4, 2), array.array("f", [1.0] * 16),
                          rows([1.0] * 16, 1, 8)):
                with self.assertRaises(arenakv.ArgumentError):
                    store.copy.write_tokens(0, [4, 5], {0: wrong})
            with self.assertRaises(arenakv.ArgumentError):
                store.copy.write_tokens(0, [4], {0: array.array("d", [1.0] * 8)})
            with self.assertRaises(arenakv.ArgumentError):
                store.copy.read_tokens(0, [4], {0: memoryview(bytes(32)).cast("f", (1, HEADS, DIM))})
            for slots, plane, layer in (([4], 2, 0), ([4], 0, 2), ([3], 0, 0), ([36], 0, 0)):
                with self.assertRaises(arenakv.ArgumentError) as caught:
                    store.copy.write_tokens(layer, slots, {plane: rows([1.0] * 8)})
                self.assertIs(caught.exception.status, Status.OUT_OF_RANGE)
            self.assertEqual(store.stats(), [])

    def test_scales_of_heads_are_floats_and_as_many(self):
        geometry = Geometry.of(1, HEADS, 16, DType.F32).choose(Format.F8, BLOCK)
        data = memoryview(array.array("f", [float(i) for i in range(HEADS * 16)])).cast("B").cast("f", (1, HEADS, 16))
        with arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=geometry) as cache, cache.store() as store:
            scales, back = array.array("f", [0.5, 0.25]), memoryview(bytearray(HEADS * 16 * 4)).cast("f", data.shape)
            store.copy.write_tokens(0, [4], {0: data}, scales={0: scales})
            store.copy.read_tokens(0, [4], {0: back}, scales={0: scales})
            worst = max(abs(back[0, head, i] - data[0, head, i]) for head in range(HEADS) for i in range(16))
            self.assertTrue(0 < worst < 1.1)
            for wrong in (array.array("f", [0.5]), array.array("d", [0.5, 0.5]), bytes(8), memoryview(scales)[::2]):
                with self.assertRaises(arenakv.ArgumentError):
                    store.copy.write_tokens(0, [4], {0: data}, scales={0: wrong})

    def test_spans_are_gathered_and_scattered_with_a_conversion_between(self):
        with self.cache.store() as store:
            size = store.span_bytes(6)
            self.assertEqual(size, LAYERS * 2 * 6 * HEADS * DIM * 4)
            data = array.array("f", [float(i % 50) for i in range(size // 4)])
            store.copy.scatter([Span([3, 5], 6, data)])
            back = array.array("f", [0.0] * len(data))
            store.copy.gather([Span([3, 5], 6, back)])
            self.assertEqual(back, data)
            half = bytearray(store.span_bytes(6, dtype=DType.F16))
            store.copy.gather([Span([3, 5], 6, half, dtype=DType.F16)])
            self.assertEqual(list(struct.unpack(f"<{len(data)}e", half)), list(data))
            with self.assertRaises(arenakv.ArgumentError) as caught:
                store.copy.gather([Span([3, 5], 6, bytearray(size - 1))])
            self.assertIs(caught.exception.status, Status.BUFFER_TOO_SMALL)
            with self.assertRaises(arenakv.ArgumentError):
                store.copy.gather([Span([3, 5], 6, bytes(size))])

    def test_a_store_over_the_caller_s_memory_writes_there_and_keeps_it(self):
        """A11 the caller's regions: pointers and strides."""
        memory = [bytearray(9 * BLOCK * HEADS * DIM * 4) for _ in range(LAYERS * 2)]
        with self.cache.store(regions=[memoryview(one).cast("f", (9, BLOCK, HEADS, DIM)) for one in memory]) as store:
            self.assertEqual(store.info().callers_memory, 1)
            store.copy.write_tokens(1, [4], {1: rows(range(8))})
            at = memoryview(memory[3]).cast("f", (9, BLOCK, HEADS, DIM))
            self.assertEqual([at[1, 0, head, i] for head in range(HEADS) for i in range(DIM)], list(range(8)))
            with self.assertRaises(BufferError):
                memory[3].extend(b"x")  # it is in use
            self.assertEqual(store.view(1, 1).data, store.region(1, 1).data)

    def test_memory_that_its_owner_forgets_is_kept_as_long_as_the_store(self):
        class Memory(array.array):
            """An array that can be seen to go."""

        memory = [Memory("f", bytes(9 * BLOCK * HEADS * DIM * 4)) for _ in range(LAYERS * 2)]
        seen = [weakref.ref(one) for one in memory]
        shape = (9, BLOCK, HEADS, DIM)
        store = self.cache.store(regions=[memoryview(one).cast("B").cast("f", shape) for one in memory])
        memory.clear()
        gc.collect()
        self.assertTrue(all(one() is not None for one in seen))
        view = store.view(0, 0)
        store.close()
        gc.collect()
        self.assertTrue(all(one() is not None for one in seen))
        del view
        gc.collect()
        self.assertTrue(all(one() is None for one in seen))

    def test_memory_of_another_shape_is_refused(self):
        def region(*shape, kind="f"):
            count = 1
            for size in shape:
                count *= size
            return memoryview(bytearray(count * 4)).cast("B").cast(kind, shape)

        good = [region(9, BLOCK, HEADS, DIM) for _ in range(4)]
        for wrong, status in ((region(8, BLOCK, HEADS, DIM), Status.OUT_OF_RANGE),
                              (region(9, HEADS, BLOCK, DIM), Status.INVALID_ARGUMENT),
                              (region(9, BLOCK, HEADS * DIM), Status.INVALID_ARGUMENT),
                              (region(9, BLOCK, DIM, HEADS), Status.INVALID_ARGUMENT),
                              (region(9 * BLOCK * HEADS * DIM), Status.INVALID_ARGUMENT),
                              (memoryview(bytes(9 * BLOCK * HEADS * DIM * 4)).cast("f", (9, BLOCK, HEADS, DIM)),
                               Status.INVALID_ARGUMENT)):
            with self.assertRaises(arenakv.ArgumentError) as caught:
                self.cache.store(regions=good[:3] + [wrong])
            self.assertIs(caught.exception.status, status)
        with self.assertRaises(arenakv.ArgumentError):
            self.cache.store(regions=good[:3])
        self.cache.store(regions=[Region(one) for one in good]).close()

    def test_blocks_go_from_store_to_store_and_are_converted_where_asked(self):
        quantized = arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=SHAPE.choose(Format.I8, BLOCK))
        with quantized, self.cache.store() as store, quantized.store() as small:
            data = array.array("f", [float(i % 7) for i in range(store.span_bytes(4) // 4)])
            store.copy.scatter([Span([2], 4, data)])
            store.copy.converted([2], small, [3])
            back = array.array("f", [0.0] * len(data))
            small.copy.gather([Span([3], 4, back, dtype=DType.F32)])
            self.assertLess(max(abs(a - b) for a, b in zip(data, back)), 0.05)
            with self.assertRaises(arenakv.ContentError) as caught:
                store.copy.blocks([2], small, [3])
            self.assertIs(caught.exception.status, Status.OTHER_GEOMETRY)
            with self.assertRaises(arenakv.ArgumentError):
                store.copy.blocks([2, 3], small, [3])

    def test_records_run_without_their_cache(self):
        with self.cache.store() as store:
            first = self.cache.create(range(6)).sequence
            store.copy.scatter([Span(first.blocks(), 6, bytearray(b"\1") * store.span_bytes(6))])
            first.commit()
            second = first.fork()
            plan = second.append([7])
            store.copy.records(plan.records(), verify=True)
            plan.finish()
            got = bytearray(store.span_bytes(6))
            store.copy.gather([Span(second.blocks(), 6, got)])
            self.assertEqual(got, bytearray(b"\1") * len(got))

    def test_warm_up_tells_how_far_it_is_and_can_be_stopped(self):
        """B2 pages are touched up front."""
        told = []
        with self.cache.store() as store:
            store.warm_up()
            store.warm_up(lambda done, total: told.append((done, total)))
            self.assertEqual(told[-1][0], told[-1][1])
            with self.assertRaises(arenakv.HostError) as caught:
                store.warm_up(lambda done, total: False)
            self.assertIs(caught.exception.status, Status.CALLBACK)
            with self.assertRaises(KeyError):
                store.warm_up(lambda done, total: {}["no such key"])

    def test_shards_have_their_layers_and_heads(self):
        with self.cache.store(layers=[1]) as layers, self.cache.store(first_head=1, num_heads=1) as heads:
            self.assertEqual((layers.info().num_layers, heads.info().num_heads), (1, 1))
            heads.copy.write_tokens(0, [4], {0: rows([1.0] * DIM, 1)})
            with self.assertRaises(arenakv.ArgumentError):
                heads.copy.write_tokens(0, [4], {0: rows([1.0] * DIM * 2, 2)})
            with self.assertRaises(arenakv.ArgumentError):
                layers.view(0, 0)

    def test_a_tracker_knows_what_stores_reserve(self):
        """E4 who has how much memory, and for what."""
        with arenakv.Tracker() as tracker:
            with self.cache.store(tracker=tracker) as store, self.cache.store(columns=Columns.SWAP_BLOCKS,
                                                                              tracker=tracker):
                recorded = tracker.totals(purpose=arenakv.Purpose.KV_CACHE).bytes
                self.assertLessEqual(9 * store.info().bytes_per_block, recorded)
                self.assertLessEqual(recorded, store.info().bytes)
                self.assertEqual(tracker.totals().records, 2)
                self.assertRaises(arenakv.StateError, tracker.close)
            self.assertEqual(tracker.totals().bytes, 0)


@unittest.skipIf(numpy is None, "NumPy is not installed: pip install numpy")
class Numpy(unittest.TestCase):
    def test_slices_of_a_fused_tensor_are_strides(self):
        with arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=SHAPE) as cache, cache.store() as store:
            fused = numpy.random.default_rng(1).normal(size=(5, 3, HEADS, DIM)).astype(numpy.float32)
            slots = numpy.array([4, 6, 8, 10, 12], numpy.int64)
            store.copy.write_tokens(0, slots, {0: fused[:, 1], 1: fused[:, 2]})
            seen = store.view(0, 1).numpy().reshape(-1, HEADS, DIM)
            numpy.testing.assert_array_equal(seen[slots], fused[:, 2])

    def test_half_precision_is_converted_on_its_way(self):
        geometry = Geometry.of(LAYERS, HEADS, DIM, DType.F16)
        with arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=geometry) as cache, cache.store() as store:
            data = numpy.random.default_rng(2).normal(size=(2, HEADS, DIM)).astype(numpy.float32)
            store.copy.write_tokens(0, [4, 5], {0: data})
            back, halves = numpy.empty_like(data), numpy.empty(data.shape, numpy.float16)
            store.copy.read_tokens(0, [4, 5], {0: back})
            store.copy.read_tokens(0, [4, 5], {0: halves})
            numpy.testing.assert_array_equal(back, data.astype(numpy.float16).astype(numpy.float32))
            numpy.testing.assert_array_equal(halves, data.astype(numpy.float16))

    def test_an_engine_s_tensor_of_all_layers_is_a_store(self):
        """A11 one tensor [plane][layer][block][token][head][dim], cut into regions."""
        memory = numpy.zeros((2, LAYERS, 9, BLOCK, HEADS, DIM), numpy.float32)
        regions = [memory[plane, layer] for layer in range(LAYERS) for plane in range(2)]
        with arenakv.Cache(num_blocks=8, block_tokens=BLOCK, geometry=SHAPE) as cache:
            with cache.store(regions=regions) as store:
                store.copy.write_tokens(1, [17], {0: numpy.ones((1, HEADS, DIM), numpy.float32)})
        self.assertEqual(memory[0, 1, 4, 1].tolist(), numpy.ones((HEADS, DIM)).tolist())
        self.assertEqual(memory.sum(), HEADS * DIM)
