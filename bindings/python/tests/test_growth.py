"""test_growth.py: what a million steps leave behind in memory, as bench/decode_step.py counts it: nothing."""
import pathlib
import sys
import unittest

import arenakv

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "bench"))
import decode_step  # noqa: E402


class Growth(unittest.TestCase):
    def test_a_million_steps_leave_nothing_behind(self):
        with arenakv.Cache(num_blocks=decode_step.SEQUENCES * 80, max_tokens_per_sequence=80 * 16) as cache:
            batch, _, back = decode_step.make(arenakv, cache)
            self.assertEqual(decode_step.growth(batch, back, 1_000_000)[0], 0)
            self.assertEqual(cache.state().sequences, decode_step.SEQUENCES)
            cache.audit_all()
