"""test_views.py: views of stores for NumPy and DLPack: the same bytes, read-only where shared, memory that stays."""
import array
import gc
import unittest
import warnings

import arenakv
from arenakv import BlockAllocator, DType, Format, Geometry, Layout, SequenceFlag, Span, Status

try:
    import numpy
except ImportError:
    numpy = None

SHAPE = Geometry.of(2, 2, 4, DType.F32)


class Views(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=8, block_tokens=4, geometry=SHAPE, block_allocator=BlockAllocator.BUDDY)
        self.addCleanup(self.cache.close)

    def filled(self, sequence, store):
        """Write a value of its own for each token into a sequence."""
        count = sequence.info().length
        data = array.array("f", [float(token) for _ in range(4) for token in range(count) for _ in range(8)])
        store.copy.scatter([Span(sequence.blocks(), count, data)])

    def contiguous(self, tokens):
        return self.cache.create(tokens, flags=SequenceFlag.CONTIGUOUS).sequence

    def test_a_view_has_the_shape_and_strides_of_its_store(self):
        """B4 views per layer, zero-copy."""
        with self.cache.store() as store, self.cache.store(layout=Layout.BLOCK_OUTER) as outer:
            view = store.view(1, 0)
            self.assertEqual((view.shape, view.strides, view.dtype), ((9, 4, 2, 4), (128, 32, 16, 4), DType.F32))
            self.assertEqual(outer.view(0, 0).strides[0], outer.info().bytes_per_block * 2)  # pieces of 256 bytes
            self.assertEqual(view.measure(), (True, 9 * 128))
            store.check_view(view)
            with self.assertRaises(arenakv.HandleError):
                outer.check_view(view)

    def test_slices_and_shapes_cost_nothing_and_a_copy_is_refused(self):
        with self.cache.store() as store:
            view = store.view(0, 0)
            part = view.slice(0, 2, 3)
            self.assertEqual((part.shape, part.data - view.data), ((3, 4, 2, 4), 256))
            self.assertEqual(part.reshape(-1, 8).shape, (12, 8))
            turned = part.permute(0, 2, 1, 3)
            self.assertEqual(turned.strides, (128, 16, 32, 4))
            with self.assertRaises(arenakv.StateError) as caught:
                turned.reshape(-1)
            self.assertIs(caught.exception.status, Status.NOT_CONTIGUOUS)
            self.assertRaises(arenakv.StateError, turned.memory)
            self.assertRaises(arenakv.ArgumentError, view.slice, 0, 8, 2)
            self.assertRaises(arenakv.ArgumentError, view.permute, 0, 1)

    def test_bytes_can_be_read_without_numpy_and_are_read_only(self):
        with self.cache.store() as store:
            sequence = self.contiguous(range(5))
            self.filled(sequence, store)
            memory = store.view(0, 0).slice(0, sequence.blocks()[0], 1).memory().cast("f")
            self.assertEqual(memory.tolist(), [float(token) for token in range(4) for _ in range(8)])
            with self.assertRaises(TypeError):
                memory[0] = 1.0

    def test_a_sequence_s_own_tensor_is_writable_and_a_shared_one_is_not(self):
        with self.cache.store() as store:
            own = self.contiguous(range(5))
            self.assertFalse(store.sequence_view(own, 0, 0).read_only)
            own.commit()
            self.cache.match(range(5))  # what was committed is published when somebody looks
            self.assertTrue(store.sequence_view(own, 0, 0).read_only)
            self.assertTrue(store.view(0, 0).read_only)
            self.assertFalse(store.view(0, 0, writable=True).read_only)
            self.assertTrue(store.view(0, 0).slice(0, 1, 1).read_only)
            paged = self.cache.create(range(50, 58)).sequence
            blocks = paged.blocks()
            if blocks[1] != blocks[0] + 1:
                with self.assertRaises(arenakv.StateError):
                    store.sequence_view(paged, 0, 0)

    def test_a_view_keeps_the_memory_of_a_store_that_was_closed(self):
        """B4 lifetime: an array never points to nothing."""
        store = self.cache.store()
        sequence = self.contiguous(range(8))
        self.filled(sequence, store)
        memory = store.view(1, 1).memory()
        store.close()
        self.assertTrue(store.closed)
        with self.assertRaises(arenakv.HandleError):
            store.info()
        with self.assertRaises(arenakv.HandleError):
            store.view(0, 0)
        at = sequence.blocks()[0] * 128
        self.assertEqual(memory[at:at + 128].cast("f")[8], 1.0)
        self.cache.close()
        self.assertEqual(memory[at:at + 128].cast("f")[8], 1.0)

    def test_the_last_view_ends_a_closed_store(self):
        with arenakv.Tracker() as tracker:
            store = self.cache.store(tracker=tracker)
            views = [store.view(0, 0), store.view(1, 0).slice(0, 1, 1)]
            store.close()
            store.close()
            self.assertEqual(tracker.totals().records, 1)
            views.pop()
            self.assertEqual(tracker.totals().records, 1)
            views.pop()
            self.assertEqual(tracker.totals().records, 0)

    def test_a_forgotten_store_warns_and_waits_for_its_views(self):
        with arenakv.Tracker() as tracker:
            view = self.cache.store(tracker=tracker).view(0, 0)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                gc.collect()
                store = self.cache.store(tracker=tracker)
                del store
            self.assertIn("unclosed arenakv.Store", str(told[0].message))
            self.assertEqual(tracker.totals().records, 1)
            del view
            self.assertEqual(tracker.totals().records, 0)

    def test_a_capsule_that_nobody_takes_lets_go(self):
        with arenakv.Tracker() as tracker:
            store = self.cache.store(tracker=tracker)
            capsules = [store.view(0, 0, writable=True).__dlpack__(), store.view(0, 0).__dlpack__(max_version=(1, 0))]
            self.assertIn("dltensor_versioned", repr(capsules[1]))
            store.close()
            self.assertEqual(tracker.totals().records, 1)
            capsules.clear()
            self.assertEqual(tracker.totals().records, 0)

    def test_a_read_only_view_is_not_given_to_who_can_t_know(self):
        with self.cache.store() as store:
            view = store.view(0, 0)
            for wrong in ({}, {"max_version": (0, 8)}):
                self.assertRaises(BufferError, view.__dlpack__, **wrong)
            self.assertRaises(BufferError, view.__dlpack__, max_version=(1, 0), copy=True)
            self.assertRaises(BufferError, view.__dlpack__, max_version=(1, 0), dl_device=(2, 0))
            self.assertEqual(view.__dlpack_device__(), (1, 0))


@unittest.skipIf(numpy is None, "NumPy is not installed: pip install numpy")
class Numpy(unittest.TestCase):
    def test_numpy_sees_the_store_s_own_bytes(self):
        with arenakv.Cache(num_blocks=8, block_tokens=4, geometry=SHAPE) as cache, cache.store() as store:
            array_ = store.view(1, 0, writable=True).numpy()
            self.assertEqual((array_.shape, array_.dtype, array_.ctypes.data), ((9, 4, 2, 4), numpy.float32,
                                                                               store.view(1, 0).data))
            array_[3, 2] = 5.0
            back = numpy.zeros((1, 2, 4), numpy.float32)
            store.copy.read_tokens(1, [14], {0: back})
            self.assertEqual(back.tolist(), [[[5.0] * 4] * 2])
            shared = numpy.asarray(store.view(1, 0))
            self.assertFalse(shared.flags.writeable)
            with self.assertRaises(ValueError):
                shared[0, 0, 0, 0] = 1.0
            with self.assertRaises(ValueError):
                shared.flags.writeable = True

    def test_an_array_keeps_the_memory(self):
        with arenakv.Cache(num_blocks=8, block_tokens=4, geometry=SHAPE) as cache, arenakv.Tracker() as tracker:
            with cache.store(tracker=tracker) as store:
                piece = store.view(0, 0, writable=True).numpy()[2, 1:3, 0]
            piece[:] = 3.0
            self.assertEqual(piece.sum(), 3.0 * 8)
            self.assertEqual(tracker.totals().records, 1)
            del piece
            self.assertEqual(tracker.totals().records, 0)

    def test_dlpack_gives_the_same_bytes(self):
        """B4 DLPack: read-only is said, and the capsule keeps the memory."""
        with arenakv.Cache(num_blocks=8, block_tokens=4, geometry=SHAPE) as cache, arenakv.Tracker() as tracker:
            store = cache.store(tracker=tracker)
            taken = numpy.from_dlpack(store.view(0, 1, writable=True).permute(0, 2, 1, 3))
            taken[1, 0, 2] = 9.0
            self.assertEqual(store.view(0, 1).numpy()[1, 2, 0].tolist(), [9.0] * 4)
            shared = numpy.from_dlpack(store.view(0, 1))
            self.assertFalse(shared.flags.writeable)
            store.close()
            self.assertEqual(shared[1, 2, 0, 0], 9.0)
            del taken, shared
            self.assertEqual(tracker.totals().records, 0)

    def test_types_that_numpy_lacks_come_as_their_bits(self):
        for dtype, wanted in ((DType.BF16, numpy.uint16), (DType.F16, numpy.float16), (DType.F8_E4M3, numpy.uint8),
                              (DType.I8, numpy.int8)):
            with arenakv.Cache(num_blocks=4, geometry=Geometry.of(1, 2, 4, dtype)) as cache, cache.store() as store:
                self.assertEqual(store.view(0, 0).numpy().dtype, wanted)
        geometry = Geometry.of(1, 2, 32, DType.F16).choose(Format.I4)
        with arenakv.Cache(num_blocks=4, geometry=geometry) as cache, cache.store() as store:
            self.assertEqual(store.view(0, 0).numpy().shape[-1], 16)
