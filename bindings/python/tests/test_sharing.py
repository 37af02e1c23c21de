"""test_sharing.py: one cache and many threads; one cache and a child of fork()."""
import concurrent.futures
import os
import random
import threading
import traceback
import unittest
import warnings

import arenakv
from arenakv import Status


def in_child(check):
    """Run `check` in a child of fork(); the child's exit status."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork() beside threads
        child = os.fork()
    if child == 0:
        status = 1
        try:
            check()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class Threads(unittest.TestCase):
    def test_threads_share_a_cache_and_nothing_is_lost(self):
        """B14 Eight threads create, grow, commit and free; in the end every block is accounted for."""
        start, per_thread = threading.Barrier(8), 200
        system = list(range(64))

        def work(seed):
            numbers, hits = random.Random(seed), 0
            start.wait()
            for turn in range(per_thread):
                created = cache.create(system + [1000 * seed + turn])
                with created.sequence as sequence:
                    hits += created.cached_tokens
                    for token in range(numbers.randrange(20)):
                        sequence.append([token])
                    sequence.commit()
                    blocks = sequence.blocks()
                    self.assertEqual(len(blocks), len(set(blocks)))
            return hits

        with arenakv.Cache(num_blocks=256, block_tokens=8) as cache:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                hits = sum(pool.map(work, range(8)))
            state = cache.state()
            self.assertEqual((state.sequences, state.live_blocks, state.reserved_blocks), (0, 0, 0))
            self.assertEqual((state.created_sequences, state.freed_sequences), (8 * per_thread, 8 * per_thread))
            self.assertEqual(state.hit_tokens, hits)
            self.assertGreater(hits, 64 * 7 * per_thread)
            self.assertEqual(state.free_blocks + state.dirty_blocks + state.cached_blocks, 256)

    def test_one_sequence_and_two_threads_is_busy_or_in_turn_and_never_a_crash(self):
        start = threading.Barrier(2)

        def grow(_):
            done = 0
            start.wait()
            for token in range(2000):
                try:
                    sequence.append([token])
                    done += 1
                except arenakv.StateError as error:
                    self.assertIs(error.status, Status.BUSY)
            return done

        with arenakv.Cache(num_blocks=1024) as cache:
            sequence = cache.create().sequence
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                done = sum(pool.map(grow, range(2)))
            self.assertEqual(sequence.info().length, done)

    def test_close_while_others_work_ends_their_calls_with_an_error(self):
        started = threading.Semaphore(0)

        def work(_):
            started.release()
            while True:
                try:
                    with cache.create([1, 2, 3]).sequence as sequence:
                        sequence.append([4])
                except arenakv.HandleError:
                    return True
                except arenakv.StateError as error:  # a close() that was refused had looked at the sequence
                    self.assertIs(error.status, Status.BUSY)
                except arenakv.NoRoomError:  # where that met its end, its blocks stay taken
                    pass

        cache = arenakv.Cache(num_blocks=64)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            workers = [pool.submit(work, number) for number in range(4)]
            for _ in workers:
                started.acquire()
            while not cache.closed:
                try:
                    cache.close()
                except arenakv.StateError as error:
                    self.assertIs(error.status, Status.BUSY)
            self.assertTrue(all(worker.result() for worker in workers))

    def test_many_may_close_at_once(self):
        start = threading.Barrier(4)

        def close(cache):
            start.wait()
            cache.close()
            return cache.closed

        for _ in range(50):
            cache = arenakv.Cache(num_blocks=8)
            with concurrent.futures.ThreadPoolExecutor(4) as pool:
                self.assertTrue(all(pool.map(close, [cache] * 4)))


class Fork(unittest.TestCase):
    def test_the_child_gets_forked_for_each_call_and_may_close(self):
        with arenakv.Cache(num_blocks=8) as cache:
            sequence = cache.create([1, 2]).sequence

            def check():
                for call in (cache.state, cache.dump, cache.block_map, lambda: cache.create([1]), sequence.info,
                             sequence.blocks, sequence.commit, sequence.free, lambda: sequence.append([1])):
                    with self.assertRaises(arenakv.HostError) as caught:
                        call()
                    self.assertIs(caught.exception.status, Status.FORKED)
                cache.close()
                self.assertTrue(cache.closed)

            before = cache.state()
            self.assertEqual(in_child(check), 0)
            self.assertEqual(cache.state(), before)

    def test_the_child_may_make_a_cache_of_its_own(self):
        def check():
            with arenakv.Cache(num_blocks=8) as own:
                self.assertEqual(own.create([1, 2]).length, 2)

        with arenakv.Cache(num_blocks=8):
            self.assertEqual(in_child(check), 0)

    def test_with_in_the_child_ends_without_an_error_of_its_own(self):
        def check():
            with self.assertRaises(arenakv.HostError), cache:
                cache.state()
            self.assertTrue(cache.closed)

        with arenakv.Cache(num_blocks=8) as cache:
            self.assertEqual(in_child(check), 0)
            self.assertFalse(cache.closed)
