"""test_batch.py: a step for many sequences over the caller's arrays: written in place, never copied, never overrun."""
import array
import unittest

import arenakv
from arenakv import Status

try:
    import numpy
except ImportError:
    numpy = None


class Batches(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=64, block_tokens=4, max_sequences=16, max_tokens_per_sequence=64,
                                   magazine_blocks=1)
        self.addCleanup(self.cache.close)

    def sequences(self, *lengths):
        return [self.cache.create(range(at * 100, at * 100 + length)).sequence for at, length in enumerate(lengths)]

    def test_a_step_writes_every_table_into_the_caller_s_arrays(self):
        """S3 one call for prefill and decode."""
        sequences = self.sequences(3, 4)
        slots, positions, lens = array.array("q", [9] * 6), array.array("q", [9] * 6), array.array("i", [9] * 2)
        cells = array.array("i", [9] * 6)
        table = memoryview(cells).cast("B").cast("i", (2, 3))
        tables = arenakv.Tables(slot_mapping=slots, positions=positions, seq_lens=lens, block_table=table)
        self.assertIsNone(self.cache.append_batch(sequences, [1, 5], tokens=[4, 1, 2, 3, 4, 5], tables=tables))
        first, second = (sequence.blocks() for sequence in sequences)
        self.assertEqual(positions.tolist(), [3, 4, 5, 6, 7, 8])
        self.assertEqual(slots.tolist(), [first[0] * 4 + 3] + [second[at // 4] * 4 + at % 4 for at in range(4, 9)])
        self.assertEqual((lens.tolist(), cells.tolist()), ([4, 9], [*first, 0, 0, *second]))

    def test_a_batch_reads_what_is_in_its_arrays_at_each_call(self):
        sequences = self.sequences(1, 1)
        tokens, handles = array.array("i", [5, 6]), array.array("Q", [one.handle for one in sequences])
        batch = self.cache.batch(handles, tokens=tokens)
        batch.append()
        tokens[0], tokens[1] = 7, 8
        batch.append()
        self.assertEqual([one.tokens()[1:] for one in sequences], [[5, 7], [6, 8]])
        handles[0], handles[1] = handles[1], handles[0]
        batch.append()
        self.assertEqual([one.tokens()[3:] for one in sequences], [[8], [7]])

    def test_a_refused_batch_names_its_row_and_changes_nothing(self):
        sequences = self.sequences(1, 1, 60)
        slots = array.array("q", [77] * 7)
        with self.assertRaises(arenakv.NoRoomError) as caught:
            self.cache.append_batch(sequences, [1, 1, 5], tables=arenakv.Tables(slot_mapping=slots))
        self.assertEqual((caught.exception.status, caught.exception.row), (Status.NO_CAPACITY, 2))
        self.assertEqual([one.info().length for one in sequences], [1, 1, 60])
        self.assertEqual(slots.tolist(), [77] * 7)

    def test_arrays_that_are_too_small_are_refused_and_never_overrun(self):
        sequences = self.sequences(3, 3)
        guarded = array.array("q", [77] * 8)
        small = memoryview(guarded)[:1]
        for tables in (arenakv.Tables(slot_mapping=small), arenakv.Tables(seq_lens=array.array("i", [0])),
                       arenakv.Tables(block_table=memoryview(bytearray(8)).cast("i", (2, 1))),
                       arenakv.Tables(query_start_loc=array.array("i", [0, 0])),
                       arenakv.Tables(slot_mapping=array.array("q")),
                       arenakv.Tables(seq_lens=array.array("i", [0] * 9), row_of=[3]),
                       arenakv.Tables(seq_lens=array.array("i", [0] * 9), row_of=[3, 4, 5], padded_sequences=4),
                       arenakv.Tables(kv_indptr=array.array("i", [0] * 3), kv_indices=array.array("i", [0]))):
            with self.assertRaises(arenakv.ArgumentError) as caught:
                self.cache.append_batch(sequences, [3, 3], tables=tables)
            self.assertIs(caught.exception.status, Status.BUFFER_TOO_SMALL)
        with self.assertRaisesRegex(arenakv.ArgumentError, "row_of has 1 elements, must have 2"):
            self.cache.batch(sequences, tables=arenakv.Tables(seq_lens=array.array("i", [0] * 9), row_of=[3]))
        self.assertEqual(guarded.tolist(), [77] * 8)
        self.assertEqual([one.info().length for one in sequences], [3, 3])

    def test_arrays_of_another_type_or_read_only_are_refused(self):
        for wrong in (array.array("i", [0] * 4), array.array("d", [0] * 4), bytes(32), memoryview(bytes(32)).cast("q"),
                      memoryview(array.array("q", [0] * 8))[::2]):
            with self.assertRaises(arenakv.ArgumentError):
                arenakv.Tables(slot_mapping=wrong)
        with self.assertRaises(arenakv.ArgumentError):
            arenakv.Tables(block_table=array.array("i", [0] * 4))
        with self.assertRaises(TypeError):
            arenakv.Tables(slot_mapping=[0, 0])

    def test_counts_that_do_not_match_the_sequences_are_refused(self):
        sequences = self.sequences(1, 1)
        for wrong in ({"num_tokens": [1]}, {"num_tokens": [1, 1, 1]}, {"first": [1]}, {"lengths": [1]}):
            with self.assertRaises(arenakv.ArgumentError):
                self.cache.batch(sequences, **wrong)
        with self.assertRaises(arenakv.ArgumentError):
            self.cache.append_batch(sequences, tokens=[1])
        with self.assertRaises(arenakv.ArgumentError):
            self.cache.append_batch([sequences[0], sequences[0]])
        with self.assertRaises(arenakv.ArgumentError):
            self.cache.batch(sequences).truncate()
        with self.assertRaises(OverflowError):
            self.cache.append_batch(sequences, [1, -1])

    def test_rows_that_stay_in_place_are_added_to_and_rewritten_when_they_change_hands(self):
        first, second = self.sequences(4, 4)
        cells = array.array("i", [0] * 8)
        table = memoryview(cells).cast("B").cast("i", (2, 4))
        tables = arenakv.Tables(block_table=table, keep_rows=True)
        self.cache.append_batch([first, second], tables=tables)
        self.assertEqual(cells.tolist(), [*first.blocks(), 0, 0, *second.blocks(), 0, 0])
        cells[0] = -5  # what the library has written it does not write again
        self.cache.append_batch([first, second], tables=tables)
        self.assertEqual(cells[0], -5)
        self.cache.append_batch([second, first], tables=tables)
        self.assertEqual(cells.tolist(), [*second.blocks(), 0, 0, *first.blocks(), 0, 0])
        cells[0] = -5
        tables.forget_rows()
        self.cache.append_batch([second, first], tables=tables)
        self.assertEqual(cells.tolist(), [*second.blocks(), 0, 0, *first.blocks(), 0, 0])

    def test_rows_go_where_the_caller_wants_them(self):
        sequences, lens = self.sequences(3, 4), array.array("i", [9] * 4)
        self.cache.append_batch(sequences, tables=arenakv.Tables(seq_lens=lens, row_of=array.array("I", [3, 1])))
        self.assertEqual(lens.tolist(), [9, 5, 9, 4])

    def test_padding_is_what_graphs_want(self):
        first, second = self.sequences(4, 2)
        slots, starts, lens = array.array("q", [9] * 4), array.array("i", [9] * 4), array.array("i", [9] * 3)
        tables = arenakv.Tables(slot_mapping=slots, query_start_loc=starts, seq_lens=lens, padded_slots=4,
                                padded_sequences=3)
        self.cache.append_batch([first, second], tables=tables)
        self.assertEqual(slots.tolist()[2:], [arenakv.PAD_SLOT] * 2)
        self.assertEqual((starts.tolist(), lens.tolist()), ([0, 1, 2, 2], [5, 3, 0]))

    def test_late_tokens_commits_and_truncations_go_in_batches(self):
        first, second = self.sequences(4, 4)
        self.cache.append_batch([first, second])
        self.assertEqual(first.info().known, 4)
        self.cache.set_tokens_batch([first, second], [4, 4], [41, 42])
        self.assertEqual((first.tokens()[4], second.tokens()[4]), (41, 42))
        self.cache.commit_batch([first, second])
        self.assertEqual(second.info().committed, 5)
        self.cache.truncate_batch([first, second], [4, 2])
        self.assertEqual((first.info().length, second.info().length), (4, 2))
        freed = self.cache.free_batch([first, second, first])
        self.assertEqual((freed.freed, freed.stale), (2, 1))
        self.assertEqual(freed.statuses, [Status.OK, Status.OK, Status.BAD_HANDLE])

    def test_a_shared_last_block_is_copied_by_one_plan_for_all(self):
        first = self.sequences(2)[0]
        first.commit()
        second = first.fork()
        plan = self.cache.append_batch([first, second], tokens=[1, 2])
        self.assertGreaterEqual(plan.info().num_records, 1)
        with plan:
            pass
        self.assertEqual((first.tokens(), second.tokens()), ([0, 1, 1], [0, 1, 2]))
        self.cache.commit_batch([first, second])
        third = first.fork()
        with self.assertRaises(KeyError), self.cache.append_batch([third, first], tokens=[3, 4]):
            raise KeyError  # a plan that is left by an exception is abandoned
        self.assertEqual((first.tokens(), third.tokens()), ([0, 1, 1], [0, 1, 1]))
        self.cache.audit_all()


@unittest.skipIf(numpy is None, "NumPy is not installed: pip install numpy")
class Numpy(unittest.TestCase):
    def test_numpy_arrays_are_read_and_written_in_place(self):
        """S3 batch calls over NumPy arrays without copies."""
        with arenakv.Cache(num_blocks=64, block_tokens=4) as cache:
            handles = numpy.array([cache.create(range(n, n + 3)).sequence.handle for n in (0, 9)], numpy.uint64)
            tokens, slots = numpy.array([7, 8], numpy.int32), numpy.full(2, 9, numpy.int64)
            table, counts = numpy.full((2, 3), 9, numpy.int32), numpy.ones(2, numpy.uint32)
            tables = arenakv.Tables(slot_mapping=slots, block_table=table)
            batch = cache.batch(handles, counts, tokens=tokens, tables=tables)
            batch.append()
            self.assertEqual(slots.tolist(), [table[0, 0] * 4 + 3, table[1, 0] * 4 + 3])
            tokens[:] = 17, 18
            batch.append()
            self.assertEqual(arenakv.Sequence(cache, int(handles[1])).tokens(), [9, 10, 11, 8, 18])
            counts[1] = 0
            cache.append_batch(handles, counts, tokens=tokens[:1])
            self.assertEqual(arenakv.Sequence(cache, int(handles[0])).info().length, 6)

    def test_any_numpy_integers_are_tokens_and_others_are_refused(self):
        with arenakv.Cache(num_blocks=64) as cache:
            self.assertEqual(cache.create(numpy.arange(5, dtype=numpy.int32)[::2]).sequence.tokens(), [0, 2, 4])
            self.assertEqual(cache.create(numpy.arange(3, dtype=numpy.int64)).sequence.tokens(), [0, 1, 2])
            with self.assertRaises(OverflowError):
                cache.create(numpy.array([1 << 31]))
            with self.assertRaises(TypeError):
                cache.create(numpy.array([1.5]))
            with self.assertRaises(TypeError):
                cache.create(numpy.zeros((2, 2), numpy.int64))

    def test_arrays_that_may_not_be_written_to_are_refused(self):
        frozen = numpy.zeros(4, numpy.int64)
        frozen.flags.writeable = False
        for wrong in (frozen, numpy.zeros(8, numpy.int64)[::2], numpy.zeros(4, numpy.int32)):
            with self.assertRaises(arenakv.ArgumentError):
                arenakv.Tables(slot_mapping=wrong)
