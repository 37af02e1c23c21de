"""test_streams.py: work in the background: it keeps the buffers it needs, calls back, and ends before its stream."""
import array
import gc
import os
import select
import threading
import unittest
import warnings
import weakref

import arenakv
from arenakv import Columns, DType, Geometry, SequenceState, Span, Status, Stream, TicketState

SHAPE = Geometry.of(2, 2, 16, DType.F32)


class Buffer(array.array):
    """An array that can be seen to go."""


class Streams(unittest.TestCase):
    def setUp(self):
        self.cache = arenakv.Cache(num_blocks=64, block_tokens=4, num_swap_blocks=8, geometry=SHAPE)
        self.store = self.cache.store()
        self.addCleanup(self.cache.close)
        self.addCleanup(self.store.close)

    def held(self, stream):
        """Hold a stream's worker up; the event that lets it go on."""
        inside, go = threading.Event(), threading.Event()
        stream.call(lambda: (inside.set(), go.wait(60)))
        self.assertTrue(inside.wait(60))
        return go

    def test_a_buffer_that_its_owner_forgets_is_kept_until_the_copy_is_done(self):
        """B14 buffers freed during an asynchronous copy."""
        size, sequence = self.store.span_bytes(64), self.cache.create(range(64)).sequence
        with Stream(2) as stream:
            go = self.held(stream)
            seen = []
            for turn in range(8):
                data = Buffer("f", [float(turn)] * (size // 4))
                seen.append(weakref.ref(data))
                self.store.copy.scatter([Span(sequence.blocks(), 64, data)], stream=stream)
            del data
            gc.collect()
            junk = [bytearray(b"\xee" * size) for _ in range(16)]  # where freed buffers would be
            self.assertTrue(all(one() is not None for one in seen))
            go.set()
            stream.wait()
            self.assertTrue(all(one() is None for one in seen))
            self.assertEqual(len(junk), 16)
            back = array.array("f", [0.0] * (size // 4))
            self.store.copy.gather([Span(sequence.blocks(), 64, back)])
            self.assertEqual(set(back), {7.0})

    def test_polling_lets_go_what_has_passed(self):
        with Stream(1) as stream:
            data = Buffer("f", [1.0] * (self.store.span_bytes(4) // 4))
            seen = weakref.ref(data)
            self.store.copy.scatter([Span([1], 4, data)], stream=stream)
            del data
            point = stream.record()
            while not stream.read(point):
                threading.Event().wait(0.001)
            stream.poll()
            self.assertIsNone(seen())

    def test_a_call_that_was_refused_keeps_nothing(self):
        with Stream(1) as stream:
            data = Buffer("f", [1.0] * 4)
            seen = weakref.ref(data)
            with self.assertRaises(arenakv.ArgumentError):
                self.store.copy.scatter([Span([1], 4, data)], stream=stream)
            del data
            gc.collect()
            stream.wait()
            self.assertIsNone(seen())

    def test_a_forgotten_stream_finishes_its_work_first(self):
        sequence, size = self.cache.create(range(64)).sequence, self.store.span_bytes(64)
        stream = Stream(1)
        go = self.held(stream)
        self.store.copy.scatter([Span(sequence.blocks(), 64, array.array("f", [5.0] * (size // 4)))], stream=stream)
        threading.Timer(0.05, go.set).start()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del stream
            gc.collect()
        self.assertIn("unclosed arenakv.Stream", str(told[0].message))
        back = array.array("f", [0.0] * (size // 4))
        self.store.copy.gather([Span(sequence.blocks(), 64, back)])
        self.assertEqual(set(back), {5.0})

    def test_a_stream_with_work_can_t_be_closed_and_lives_on(self):
        stream = Stream(1)
        go = self.held(stream)
        with self.assertRaises(arenakv.StateError) as caught:
            stream.close()
        self.assertIs(caught.exception.status, Status.BUSY)
        self.assertFalse(stream.closed)
        with self.assertRaises(arenakv.HostError) as caught:
            stream.wait(0)
        self.assertIs(caught.exception.status, Status.TIMEOUT)
        go.set()
        stream.wait()
        stream.close()
        for call in (stream.record, stream.poll, stream.wait, stream.read_fd, lambda: stream.call(print),
                     lambda: self.store.copy.zero([1], stream=stream)):
            self.assertRaises(arenakv.HandleError, call)

    def test_a_store_with_queued_work_can_t_be_closed(self):
        with Stream(1) as stream:
            go = self.held(stream)
            self.store.copy.zero([1], stream=stream)
            self.assertRaises(arenakv.StateError, self.store.close)
            go.set()
            stream.wait()

    def test_a_store_that_was_closed_before_its_last_view_goes_when_its_work_is_done(self):
        with arenakv.Tracker() as tracker, Stream(1) as stream:
            store = self.cache.store(tracker=tracker)
            view = store.view(0, 0)
            store.close()
            go = self.held(stream)
            del view  # at once: nothing is queued on it
            self.assertEqual(tracker.totals().records, 0)
            go.set()
            stream.wait()

    def test_tickets_are_retired_behind_the_work(self):
        with Stream(1) as stream:
            go, ticket = self.held(stream), self.cache.ticket_open()
            stream.record_ticket(ticket)
            self.assertEqual(stream.poll(), 0)
            self.assertIs(ticket.read(), TicketState.OPEN)
            go.set()
            stream.wait()
            self.assertIs(ticket.read(), TicketState.PASSED)

    def test_a_sequence_swaps_out_in_the_background(self):
        with self.cache.store(columns=Columns.SWAP_BLOCKS) as swap, Stream(2) as stream:
            sequence = self.cache.create(range(8)).sequence
            sequence.commit()
            with sequence.swap_out() as plan:
                self.cache.copy.run(plan, [self.store, swap], finish=True, stream=stream)
            stream.wait()
            self.assertEqual(sequence.info().state, SequenceState.SWAPPED)

    def test_streams_follow_each_other(self):
        with Stream(1) as first, Stream(1) as second:
            go, done = self.held(first), []
            first.call(lambda: done.append("first"))
            second.follow(first)
            second.call(lambda: done.append("second"))
            go.set()
            second.wait()
            self.assertEqual(done, ["first", "second"])

    def test_a_callback_s_exception_comes_out_where_it_was_called(self):
        with Stream() as stream:
            with self.assertRaises(KeyError):
                stream.call(lambda: {}["none"])
            done = []
            stream.call(lambda: done.append(1))
            self.assertEqual(done, [1])
        told = []
        hook, threading.excepthook = threading.excepthook, told.append
        try:
            with Stream(1) as stream:
                stream.call(lambda: {}["none"])
                stream.call(lambda: done.append(2))
                stream.wait()
        finally:
            threading.excepthook = hook
        self.assertEqual((done, [one.exc_type for one in told]), ([1, 2], [KeyError]))

    def test_a_file_descriptor_tells_when_there_is_something(self):
        with Stream(1) as stream:
            fd = stream.read_fd()
            stream.call(lambda: None)
            self.assertEqual(select.select([fd], [], [], 60)[0], [fd])
            self.assertEqual(len(os.read(fd, 8)), 8)
            stream.wait()

    def test_many_threads_queue_on_one_stream(self):
        with Stream(2) as stream:
            def work(number):
                for _ in range(50):
                    data = array.array("f", [float(number)] * (self.store.span_bytes(4) // 4))
                    self.store.copy.scatter([Span([number + 1], 4, data)], stream=stream)

            threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            stream.wait()
            for number in range(4):
                back = array.array("f", [9.0] * (self.store.span_bytes(4) // 4))
                self.store.copy.gather([Span([number + 1], 4, back)])
                self.assertEqual(set(back), {float(number)})
