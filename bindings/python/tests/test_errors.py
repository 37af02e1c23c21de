"""test_errors.py: what a failed call becomes: class, numbers, message; each thread's own."""
import concurrent.futures
import pickle
import threading
import unittest

import arenakv
from arenakv import Status


class Surface(unittest.TestCase):
    def test_version_is_three_numbers(self):
        self.assertRegex(arenakv.version(), r"^\d+\.\d+\.\d+$")

    def test_has_knows_what_was_built_in_and_says_false_for_unknown_numbers(self):
        self.assertTrue(arenakv.has(arenakv.Feature.PREFIX_INDEX))
        self.assertFalse(arenakv.has(arenakv.Feature.CUDA))
        self.assertFalse(arenakv.has(4711))
        with self.assertRaises(arenakv.ArgumentError):
            arenakv.has(-1)

    def test_status_names_are_those_of_c(self):
        self.assertEqual(arenakv.status_name(Status.OK), "AKV_OK")
        for status in arenakv.EXCEPTIONS:
            self.assertEqual(arenakv.status_name(status), f"AKV_ERROR_{status.name}")
        self.assertEqual(arenakv.status_name(-9999), "unknown status")

    def test_everything_that_is_public_is_there(self):
        for name in arenakv.__all__:
            self.assertTrue(hasattr(arenakv, name), name)


class Classes(unittest.TestCase):
    GROUPS = {10: arenakv.ArgumentError, 20: arenakv.HandleError, 30: arenakv.StateError, 40: arenakv.NoRoomError,
              50: arenakv.HostError, 60: arenakv.DamagedError, 70: arenakv.ContentError, 80: arenakv.NoRoomError}

    def test_each_status_has_the_class_of_its_group(self):
        self.assertEqual(set(arenakv.EXCEPTIONS), set(Status) - {Status.OK})
        for status, kind in arenakv.EXCEPTIONS.items():
            self.assertIs(kind, self.GROUPS[-status // 10 * 10])
            self.assertTrue(issubclass(kind, arenakv.ArenakvError))

    def test_a_wrong_argument_is_a_value_error_too(self):
        with self.assertRaises(ValueError) as caught:
            arenakv.Cache(block_tokens=5000)
        self.assertIs(type(caught.exception), arenakv.ArgumentError)
        self.assertIs(caught.exception.status, Status.INVALID_ARGUMENT)

    def test_a_message_has_the_value_and_the_limit_and_stays_as_last_error(self):
        with self.assertRaisesRegex(arenakv.ArgumentError, "^INVALID_ARGUMENT: .*5000.*4096") as caught:
            arenakv.Cache(block_tokens=5000)
        self.assertEqual(arenakv.last_error(), caught.exception.message)

    def test_no_room_says_how_many_blocks_were_needed_and_available(self):
        """B3 B17 no room is an error of its own, with both numbers."""
        with arenakv.Cache(num_blocks=4, block_tokens=16) as cache:
            with self.assertRaises(arenakv.NoRoomError) as caught:
                cache.create(range(80))
            self.assertIs(caught.exception.status, Status.NO_BLOCKS)
            self.assertEqual((caught.exception.needed, caught.exception.available), (5, 4))

    def test_an_error_can_be_pickled(self):
        with self.assertRaises(arenakv.ArgumentError) as caught:
            arenakv.Cache(block_tokens=5000)
        copy = pickle.loads(pickle.dumps(caught.exception))
        self.assertIs(type(copy), arenakv.ArgumentError)
        self.assertEqual((copy.status, str(copy)), (Status.INVALID_ARGUMENT, str(caught.exception)))

    def test_a_status_of_a_newer_library_is_an_error_all_the_same(self):
        error = arenakv._errors.make_error(-777, "text")
        self.assertIs(type(error), arenakv.ArenakvError)
        self.assertEqual(str(error), "status -777: text")

    def test_a_message_that_a_finalizer_overwrote_is_not_told_as_this_failure_s(self):
        with self.assertRaises(arenakv.ArgumentError):
            arenakv.Cache(block_tokens=5000)
        with self.assertRaisesRegex(arenakv.HandleError, "overwritten"):
            arenakv._native.check(Status.BAD_HANDLE)


class Values(unittest.TestCase):
    def test_numbers_that_do_not_fit_are_refused_and_never_cut_off(self):
        for number in (-1, 1 << 32):
            with self.subTest(number=number), self.assertRaisesRegex(arenakv.ArgumentError, f"num_blocks is {number}"):
                arenakv.Cache(num_blocks=number)
        with self.assertRaises(TypeError):
            arenakv.Cache(num_blocks=1.5)

    def test_tokens_that_are_no_int32_are_refused_and_nothing_has_changed(self):
        with arenakv.Cache(num_blocks=8) as cache, cache.create([1, 2, 3]).sequence as sequence:
            for wrong, kind in (([1 << 31], OverflowError), ([-(1 << 31) - 1], OverflowError), ([1.5], TypeError),
                                ("text", TypeError), ([None], TypeError)):
                with self.subTest(wrong=wrong):
                    self.assertRaises(kind, sequence.append, wrong)
                    self.assertRaises(kind, cache.create, wrong)
            self.assertEqual((sequence.info().length, cache.state().sequences), (3, 1))

    def test_bytes_are_ids_one_by_one(self):
        with arenakv.Cache(num_blocks=8) as cache:
            self.assertEqual(cache.create(b"12345678").length, 8)


class Threads(unittest.TestCase):
    def test_each_thread_has_its_own_last_error(self):
        """B14 four threads fail at once, and each reads its own message."""
        together = threading.Barrier(4)

        def fail(block_tokens):
            before = arenakv.last_error()
            with self.assertRaises(arenakv.ArgumentError) as caught:
                arenakv.Cache(block_tokens=block_tokens)
            together.wait()  # all have failed, each in its own way
            return before, caught.exception.message, arenakv.last_error()

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = list(pool.map(fail, range(5001, 5005)))
        for number, (before, message, after) in enumerate(results, 5001):
            self.assertEqual(before, "")
            self.assertIn(str(number), message)
            self.assertEqual(after, message)
