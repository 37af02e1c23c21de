"""test_cache.py: a cache and its sequences through the package: what they do, and that a closed one raises."""
import gc
import unittest
import warnings

import arenakv
from arenakv import _native
from arenakv._native import structs

GAUGES = ("free", "dirty", "reserved", "live", "pinned", "cached", "quarantined")


def gauges_sum(state):
    return sum(getattr(state, f"{name}_blocks") for name in GAUGES)


class Sequences(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=32, block_tokens=4, max_sequences=8, max_tokens_per_sequence=64)
        self.addCleanup(self.cache.close)

    def test_a_committed_prompt_is_shared_in_whole_blocks_and_the_last_token_is_computed(self):
        first = self.cache.create(range(10))
        self.assertEqual((first.length, first.cached_tokens, first.shared_blocks, first.new_blocks), (10, 0, 0, 3))
        self.assertEqual(self.cache.create(range(10)).cached_tokens, 0)  # nothing is committed
        first.sequence.commit()
        again = self.cache.create(range(10))
        self.assertEqual((again.cached_tokens, again.shared_blocks, again.new_blocks), (8, 2, 1))
        self.assertEqual(again.sequence.blocks()[:2], first.sequence.blocks()[:2])
        self.assertNotEqual(again.sequence.blocks()[2], first.sequence.blocks()[2])
        self.assertEqual(self.cache.create(range(8)).cached_tokens, 4)

    def test_a_commit_of_a_part_shares_that_part(self):
        first = self.cache.create(range(12))
        first.sequence.commit(5)
        self.assertEqual(self.cache.create(range(12)).cached_tokens, 4)

    def test_append_grows_and_tells_where(self):
        """B5 D2 append extends the table by the blocks it needs."""
        sequence = self.cache.create([1, 2, 3]).sequence
        sequence.append([4])
        self.assertEqual(len(sequence.blocks()), 1)
        sequence.append([5, 6])
        info = sequence.info()
        self.assertEqual((info.length, info.known, info.committed, info.num_blocks), (6, 6, 0, 2))
        self.assertEqual((info.capacity, info.remaining, info.max_tokens), (8, 58, 64))
        self.assertEqual(len(set(sequence.blocks())), 2)
        sequence.append([])
        self.assertEqual(sequence.info().length, 6)

    def test_an_empty_sequence_has_no_block(self):
        created = self.cache.create()
        self.assertEqual((created.length, created.new_blocks, created.sequence.blocks()), (0, 0, []))

    def test_reserve_tokens_takes_blocks_and_max_tokens_bounds(self):
        """B5 beyond max_tokens is NO_CAPACITY, and nothing has changed."""
        created = self.cache.create([1], reserve_tokens=10, max_tokens=10)
        self.assertEqual((created.new_blocks, self.cache.state().reserved_blocks), (3, 2))
        with self.assertRaises(arenakv.NoRoomError) as caught:
            created.sequence.append(range(10))
        self.assertIs(caught.exception.status, arenakv.Status.NO_CAPACITY)
        self.assertEqual(created.sequence.info().length, 1)

    def test_a_table_of_more_blocks_than_the_first_guess_is_read_whole(self):
        with arenakv.Cache(num_blocks=500, block_tokens=1) as cache:
            blocks = cache.create(range(300)).sequence.blocks()
            self.assertEqual((len(blocks), len(set(blocks))), (300, 300))

    def test_a_second_free_is_bad_handle_and_changes_nothing(self):
        """B6 a second free is safe."""
        sequence = self.cache.create(range(10)).sequence
        sequence.free()
        before = self.cache.state()
        for call in (sequence.free, sequence.info, sequence.blocks, sequence.commit, lambda: sequence.append([1])):
            with self.assertRaises(arenakv.HandleError) as caught:
                call()
            self.assertIs(caught.exception.status, arenakv.Status.BAD_HANDLE)
        self.assertEqual(self.cache.state(), before)
        self.assertIn("freed", repr(sequence))

    def test_a_sequence_of_another_cache_is_bad_handle(self):
        with arenakv.Cache(num_blocks=8) as other:
            stranger = arenakv.Sequence(other, self.cache.create([1]).sequence.handle)
            self.assertRaises(arenakv.HandleError, stranger.info)

    def test_with_frees_also_after_an_error_and_copes_with_free_and_close_inside(self):
        with self.assertRaises(KeyError), self.cache.create([1]).sequence:
            raise KeyError
        with self.cache.create([1]).sequence as sequence:
            sequence.free()
        with self.cache.create([1]).sequence:
            self.assertEqual(self.cache.state().sequences, 1)
            self.cache.close()

    def test_losing_the_object_ends_no_sequence(self):
        self.cache.create([1, 2])
        gc.collect()
        self.assertEqual(self.cache.state().sequences, 1)


class Reports(unittest.TestCase):
    def test_the_gauges_sum_to_num_blocks(self):
        """B7 D4 every block is in one gauge."""
        with arenakv.Cache(num_blocks=64, block_tokens=4) as cache:
            self.assertEqual((cache.state().num_blocks, cache.state().free_blocks), (64, 64))
            kept = cache.create(range(20), reserve_tokens=40).sequence
            with cache.create(range(100, 109)).sequence as left:
                left.commit()
            kept.commit()
            state = cache.state()
            self.assertEqual(gauges_sum(state), 64)
            self.assertEqual((state.live_blocks, state.reserved_blocks, state.cached_blocks), (5, 5, 2))
            self.assertEqual((state.created_sequences, state.freed_sequences, state.prompt_tokens), (2, 1, 29))

    def test_dump_and_block_map_are_text_of_any_length(self):
        with arenakv.Cache(num_blocks=20000, block_tokens=4, max_sequences=200) as cache:
            for at in range(200):
                cache.create([at])
            dump, block_map = cache.dump(), cache.block_map(columns=100)
            self.assertIn("20000 blocks of 4 tokens", dump)
            self.assertGreater(len(dump), 200 * 60)
            self.assertEqual(block_map.split("null\n")[1].count("#"), 200)
            self.assertEqual(len(block_map.splitlines()), 1 + 201)

    def test_state_is_a_value_of_its_moment(self):
        with arenakv.Cache(num_blocks=8) as cache:
            before = cache.state()
            cache.create([1])
            self.assertEqual((before.sequences, cache.state().sequences), (0, 1))
            with self.assertRaises(AttributeError):
                before.sequences = 5


class Closing(unittest.TestCase):
    def test_after_close_every_call_raises_bad_handle(self):
        cache = arenakv.Cache(num_blocks=8)
        sequence = cache.create([1, 2]).sequence
        handle = cache.handle
        cache.close()
        cache.close()
        self.assertTrue(cache.closed)
        self.assertEqual(repr(cache), "<arenakv.Cache closed>")
        for call in (cache.state, cache.dump, cache.block_map, lambda: cache.handle, lambda: cache.create([1]),
                     sequence.info, sequence.blocks, sequence.commit, sequence.free, lambda: sequence.append([1])):
            with self.assertRaises(arenakv.HandleError) as caught:
                call()
            self.assertIs(caught.exception.status, arenakv.Status.BAD_HANDLE)
            self.assertIn("closed", str(caught.exception))
        self.below(handle, sequence.handle)

    def below(self, handle, sequence):
        """The same one layer down, where only the library can tell."""
        lib, out = _native.lib, _native.U64()
        for call in (lambda: lib.akv_cache_destroy(handle),
                     lambda: lib.akv_cache_read_state(handle, structs.CacheState()),
                     lambda: lib.akv_report_dump(handle, None, 0, _native.ref(out)),
                     lambda: lib.akv_sequence_create(handle, structs.Prompt(), None, structs.Created()),
                     lambda: lib.akv_sequence_append(handle, sequence, None, 1, 0, None),
                     lambda: lib.akv_sequence_commit(handle, sequence, 1, 0),
                     lambda: lib.akv_sequence_read_info(handle, sequence, structs.SequenceInfo()),
                     lambda: lib.akv_sequence_read_blocks(handle, sequence, 0, None, 0, _native.ref(out)),
                     lambda: lib.akv_sequence_free(handle, sequence)):
            self.assertEqual(call(), arenakv.Status.BAD_HANDLE)

    def test_handles_that_never_were_one_raise(self):
        for handle in (1, 0xdeadbeef, (1 << 64) - 1):
            self.assertEqual(_native.lib.akv_cache_read_state(handle, structs.CacheState()), arenakv.Status.BAD_HANDLE)
        self.assertEqual(_native.lib.akv_cache_read_state(0, structs.CacheState()), arenakv.Status.INVALID_ARGUMENT)

    def test_with_closes_also_after_an_error(self):
        with self.assertRaises(KeyError), arenakv.Cache(num_blocks=8) as cache:
            raise KeyError
        self.assertTrue(cache.closed)

    def test_a_cache_that_could_not_be_made_leaves_nothing_behind(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(300):  # more than caches may live at once
                self.assertRaises(arenakv.ArgumentError, arenakv.Cache, block_tokens=5000)
            gc.collect()
        arenakv.Cache().close()

    def test_a_forgotten_cache_is_closed_with_a_warning(self):
        for _ in range(300):
            with self.assertWarns(ResourceWarning):
                arenakv.Cache(num_blocks=8)
                gc.collect()

    def test_a_closed_cache_leaves_without_a_warning(self):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            cache = arenakv.Cache(num_blocks=8)
            cache.close()
            del cache
            gc.collect()
        self.assertEqual(told, [])
