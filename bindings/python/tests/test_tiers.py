"""test_tiers.py: where K/V go: swap blocks, images and files, a quantized tier; and attention over what lies there."""
import array
import math
import os
import pathlib
import tempfile
import unittest

import arenakv
from arenakv import Columns, DType, Format, Geometry, Image, Overflow, Part, SequenceState, Span, Status

try:
    import numpy
except ImportError:
    numpy = None

SHAPE = Geometry.of(2, 2, 4, DType.F32)


def fill(store, sequence, seed):
    count = sequence.info().length
    data = array.array("f", [float((seed * 7 + i) % 101) for i in range(store.span_bytes(count) // 4)])
    store.copy.scatter([Span(sequence.blocks(), count, data)])
    return data


def content(store, sequence):
    count = sequence.info().length
    data = array.array("f", [0.0] * (store.span_bytes(count) // 4))
    store.copy.gather([Span(sequence.blocks(), count, data)])
    return data


class Swap(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=8, block_tokens=4, num_swap_blocks=16, geometry=SHAPE, magazine_blocks=1)
        self.stores = [self.cache.store(), self.cache.store(columns=Columns.SWAP_BLOCKS)]
        for thing in (self.cache, *self.stores):
            self.addCleanup(thing.close)

    def test_a_sequence_leaves_and_comes_back_with_its_bytes(self):
        """D3 swap out, swap in, is it swapped."""
        sequence = self.cache.create(range(10)).sequence
        data = fill(self.stores[0], sequence, 1)
        sequence.commit()
        self.cache.copy.run(sequence.swap_out(), self.stores, finish=True)
        self.assertEqual(sequence.info().state, SequenceState.SWAPPED)
        self.cache.clear()
        self.stores[0].copy.zero(range(1, 9))
        back = sequence.swap_in()
        self.assertEqual((back.cached_tokens, back.copied_tokens), (0, 10))
        with back.plan as plan:
            self.cache.copy.run(plan, self.stores)
        self.assertEqual(sequence.info().state, SequenceState.ACTIVE)
        self.assertEqual(content(self.stores[0], sequence), data)

    def test_a_plan_that_is_left_by_an_exception_is_abandoned(self):
        sequence = self.cache.create(range(6)).sequence
        sequence.commit()
        with self.assertRaises(KeyError), sequence.swap_out():
            raise KeyError
        self.assertEqual((sequence.info().state, self.cache.state().plans), (SequenceState.ACTIVE, 0))

    def test_a_pager_makes_room_for_who_is_asked_for(self):
        """B13 paging to the host."""
        with arenakv.Pager(self.cache, self.stores) as pager:
            cold = self.cache.create(range(16)).sequence
            data = fill(self.stores[0], cold, 2)
            cold.commit()
            warm = self.cache.create(range(100, 116)).sequence
            fill(self.stores[0], warm, 3)
            warm.commit()
            pager.copy.make_resident([warm])
            got = pager.copy.make_resident([warm], [4])
            self.assertEqual((got.resident, got.pending, got.started_out), (1, 0, 1))
            self.assertEqual(cold.info().state, SequenceState.SWAPPED)
            got = pager.copy.make_resident([cold])
            self.assertEqual((got.pending, got.started_in), (0, 1))
            self.assertEqual(content(self.stores[0], cold), data)
            self.assertRaises(ValueError, pager.copy.make_resident, [cold], [1, 2])
            with self.assertRaises(arenakv.ArgumentError):
                pager.copy.make_resident([cold, cold])
        self.assertRaises(arenakv.HandleError, pager.copy.make_resident, [cold])

    def test_swap_blocks_may_be_had_for_bytes_of_one_s_own(self):
        blocks = self.cache.swap_acquire(2)
        sequence = self.cache.create(range(8)).sequence
        fill(self.stores[0], sequence, 4)
        sequence.commit()
        with sequence.lease_acquire(8) as lease:
            self.stores[0].copy.blocks(lease.blocks(), self.stores[1], blocks, verify=True)
            self.assertEqual(self.cache.state().leases, 1)
        self.assertEqual(self.cache.state().leases, 0)
        self.cache.swap_release(blocks)
        self.assertRaises(arenakv.HandleError, self.cache.swap_release, blocks)


class Images(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=8, block_tokens=4, geometry=SHAPE)
        self.store = self.cache.store()
        self.sequence = self.cache.create(range(9)).sequence
        self.data = fill(self.store, self.sequence, 5)
        self.sequence.commit()
        for thing in (self.cache, self.store):
            self.addCleanup(thing.close)

    def test_an_image_tells_what_it_is_and_loads_into_another_cache(self):
        image = self.cache.copy.save(self.sequence, [self.store], label=b"weights v1")
        info = image.check()
        self.assertEqual((info.num_tokens, info.known_tokens, info.label[:10]), (9, 9, b"weights v1"))
        self.assertEqual((image.tokens(), image.tokens(7, 2), image.geometry()), (list(range(9)), [7, 8], SHAPE))
        with arenakv.Cache(num_blocks=8, block_tokens=8, geometry=image.geometry()) as other, other.store() as store:
            with self.assertRaises(arenakv.ContentError) as caught:
                other.copy.load(image, [store])
            self.assertIs(caught.exception.status, Status.OTHER_GEOMETRY)
            for how in ({"label": b"weights v1"}, {"any_label": True}):
                created = other.copy.load(image, [store], request_id=0, domain=3, **how)
                self.assertEqual((created.length, created.plan), (9, None))
                self.assertEqual(content(store, created.sequence), self.data)

    def test_an_image_goes_through_a_file(self):
        image = self.cache.copy.save(self.sequence, [self.store])
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "image"
            image.write_file(path)
            self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
            again = Image.read_file(str(path))
            self.assertEqual(bytes(again), bytes(image))
            with self.assertRaises(arenakv.HostError) as caught:
                Image.read_file(folder + "/none")
            self.assertIs(caught.exception.status, Status.IO)
            self.assertRaises(ValueError, Image.read_file, "a\0b")
            path.write_bytes(path.read_bytes()[:-1])
            self.assertRaises(arenakv.ContentError, Image.read_file, path)

    def test_damage_is_found_and_nothing_changes(self):
        image = self.cache.copy.save(self.sequence, [self.store])
        damaged = bytearray(bytes(image))
        damaged[-5] ^= 1
        for wrong in (Image(damaged), Image(bytes(image)[:-4]), Image(bytes(100)), Image(b"")):
            self.assertRaises(arenakv.ArenakvError, wrong.check)
            self.assertRaises(arenakv.ArenakvError, self.cache.copy.load, wrong, [self.store])
        self.assertEqual(self.cache.state().sequences, 1)
        self.assertRaises(ValueError, Image(bytes(8), 16).check)

    def test_a_buffer_that_is_too_small_or_read_only_is_refused(self):
        size = self.sequence.image_bytes()
        self.assertEqual(self.cache.copy.save(self.sequence, [self.store], buffer=bytearray(size + 64)).size, size)
        for wrong in (bytearray(size - 1), bytes(size)):
            with self.assertRaises(arenakv.ArgumentError):
                self.cache.copy.save(self.sequence, [self.store], buffer=wrong)
        with self.assertRaises(arenakv.ArgumentError):
            self.cache.copy.save(self.sequence, [self.store], label=bytes(65))


class Tiers(unittest.TestCase):
    def test_old_tokens_are_quantized_and_new_ones_are_not(self):
        """D5 a recent tail in full precision, the rest quantized; append, read all."""
        geometry = Geometry.of(1, 1, 32, DType.F32).choose(Format.I8, 4)
        with arenakv.Cache(num_blocks=8, block_tokens=4, geometry=geometry) as cache, cache.store() as store:
            with arenakv.Tail(store, dtype=DType.F32, tail_tokens=4, max_sequences=2) as tail:
                self.assertEqual(tail.info().tail_tokens, 4)
                sequence, row = cache.create(range(12)).sequence, tail.open_row()
                wanted = [array.array("f", (math.sin(token * 32 + i) for i in range(32))) for token in range(12)]
                done = 0
                for token in range(12):
                    slots = tail.slots([row], [token])
                    data = memoryview(wanted[token]).cast("B").cast("f", (1, 1, 32))
                    tail.store.copy.write_tokens(0, slots, {0: data, 1: data})
                    done, = tail.copy.overflow([Overflow(row, sequence.blocks(), token + 1)])
                self.assertEqual(done, 8)
                back = array.array("f", [0.0] * (2 * 12 * 32))
                tail.copy.read_tiers(Overflow(row, sequence.blocks(), 12), back, DType.F32)
                for token in range(12):
                    worst = max(abs(a - b) for a, b in zip(back[token * 32:], wanted[token]))
                    self.assertTrue(worst == 0 if token >= 8 else 0 < worst < 0.02, (token, worst))
                with self.assertRaises(arenakv.ArgumentError):
                    tail.slots([row], [0])
                with self.assertRaises(arenakv.ArgumentError):
                    tail.slots([row, row], [11])
                table, stored = array.array("i", [9] * 8), array.array("I", [9])
                tail.tables([row], memoryview(table).cast("B").cast("i", (1, 8)), stored)
                self.assertEqual(stored[0], 8)
                with self.assertRaises(arenakv.ArgumentError):
                    tail.tables([row, row], memoryview(table).cast("B").cast("i", (1, 8)), stored)
                tail.close_row(row)
                self.assertRaises(arenakv.HandleError, tail.close_row, row)
            self.assertTrue(tail.store.closed)


@unittest.skipIf(numpy is None, "NumPy is not installed: pip install numpy")
class Attention(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=16, block_tokens=4, geometry=Geometry.of(2, 2, 8, DType.F32))
        self.store = self.cache.store()
        self.addCleanup(self.cache.close)
        self.addCleanup(self.store.close)
        numbers = numpy.random.default_rng(3)
        self.sequences = [self.cache.create(range(at * 50, at * 50 + count)).sequence for at, count in ((0, 9), (1, 5))]
        self.lengths = numpy.array([9, 5], numpy.uint32)
        self.kv = [numbers.normal(size=(2, 2, count, 2, 8)).astype(numpy.float32) for count in (9, 5)]
        for sequence, kv in zip(self.sequences, self.kv):
            self.store.copy.scatter([Span(sequence.blocks(), kv.shape[2], kv)])
        self.table = numpy.zeros((2, 4), numpy.int32)
        for row, sequence in zip(self.table, self.sequences):
            row[:len(sequence.blocks())] = sequence.blocks()
        self.query = numbers.normal(size=(2, 1, 4, 8)).astype(numpy.float32)

    def plain(self, sequence, layer):
        """The same with NumPy: query head h reads KV head h // 2."""
        out = numpy.empty((4, 8), numpy.float32)
        for head in range(4):
            keys, values = self.kv[sequence][layer, 0][:, head // 2], self.kv[sequence][layer, 1][:, head // 2]
            scores = keys @ self.query[sequence, 0, head] / math.sqrt(8)
            weights = numpy.exp(scores - scores.max())
            out[head] = weights @ values / weights.sum()
        return out

    def test_attention_over_blocks_is_attention(self):
        """A23 grouped queries over the KV heads of a store."""
        out, sums = numpy.empty_like(self.query), numpy.empty((2, 1, 4), numpy.float32)
        arenakv.attention_decode(1, self.query, out, [Part(self.store, self.table, self.lengths)], log_sums=sums)
        for sequence in range(2):
            numpy.testing.assert_allclose(out[sequence, 0], self.plain(sequence, 1), atol=1e-5)

    def test_two_halves_merge_into_the_whole(self):
        whole, halves, sums = numpy.empty_like(self.query), [], []
        arenakv.attention_decode(0, self.query, whole, [Part(self.store, self.table, self.lengths)])
        for table, lengths in ((self.table[:, :1].copy(), [4, 4]), (self.table[:, 1:].copy(), [5, 1])):
            halves.append(numpy.empty_like(self.query))
            sums.append(numpy.empty((2, 1, 4), numpy.float32))
            arenakv.attention_decode(0, self.query, halves[-1], [Part(self.store, table, lengths)], log_sums=sums[-1])
        arenakv.attention_merge(halves[0], sums[0], halves[1], sums[1], halves[0])
        numpy.testing.assert_allclose(halves[0], whole, atol=1e-5)

    def test_on_a_stream_the_arrays_are_kept(self):
        with arenakv.Stream(1) as stream:
            out = numpy.empty_like(self.query)
            arenakv.attention_decode(1, self.query.copy(), out, [Part(self.store, self.table.copy(),
                                                                      self.lengths.copy())], stream=stream)
            stream.wait()
            numpy.testing.assert_allclose(out[0, 0], self.plain(0, 1), atol=1e-5)

    def test_arrays_that_do_not_fit_are_refused(self):
        good, part = numpy.empty_like(self.query), Part(self.store, self.table, self.lengths)
        for query, out, parts, more in (
                (self.query[..., :4].copy(), good, [part], {}), (self.query, good[:1], [part], {}),
                (self.query, good[..., :4].copy(), [part], {}), (self.query.astype(numpy.float64), good, [part], {}),
                (self.query, good.astype(numpy.float16), [part], {}), (self.query, good, [], {}),
                (self.query, good, [Part(self.store, self.table[:1], self.lengths)], {}),
                (self.query, good, [Part(self.store, self.table, self.lengths[:1])], {}),
                (self.query, good, [Part(self.store, self.table, [17, 1])], {}),
                (self.query, good, [Part(self.store, self.table[0, :2].copy(), [9, 1])], {}),
                (self.query, good, [Part(self.store, self.table.astype(numpy.int64), self.lengths)], {}),
                (self.query, good, [part], {"log_sums": numpy.empty(7, numpy.float32)}),
                (self.query, good, [part], {"sink_logits": [0.0] * 3}),
                (self.query, good, [part], {"positions": [1]})):
            with self.assertRaises(arenakv.ArgumentError):
                arenakv.attention_decode(1, query, out, parts, **more)
        with self.assertRaisesRegex(arenakv.ArgumentError, "room for 8"):
            arenakv.attention_decode(1, self.query, good, [Part(self.store, self.table[0, :2].copy(), [9, 1])])
