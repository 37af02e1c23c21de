"""test_example.py: the programs in examples/c show what their comments say, line by line.

ARENAKV_FIRST_STEPS and ARENAKV_SWAP are the programs that were built from them.
"""
import os
import subprocess
import unittest

EXPECTED = """\
0 of 10 tokens were cached
8 of 11 tokens were cached
8 of 12 tokens were cached
sequence 0: new token in slot 15, block table 1 2 3 0 0 0 0 0
sequence 1: new token in slot 20, block table 1 2 4 5 0 0 0 0
"""


class FirstSteps(unittest.TestCase):
    def test_prompts_that_begin_alike_share_blocks(self) -> None:
        done = subprocess.run([os.environ["ARENAKV_FIRST_STEPS"]], capture_output=True, text=True, timeout=60, check=True)
        steps, running, left = done.stdout.split("\n\n")
        self.assertEqual(steps + "\n", EXPECTED)
        self.assertEqual(running.splitlines()[-1].split()[-1], "0#####...........")
        self.assertEqual(left.splitlines()[-1].split()[-1], "0cccc,...........")
        self.assertEqual(done.stderr, "")


class Swap(unittest.TestCase):
    def test_a_sequence_comes_back_as_it_left_and_every_byte_is_counted(self) -> None:
        done = subprocess.run([os.environ["ARENAKV_SWAP"]], capture_output=True, text=True, timeout=60, check=True)
        moved = 10 * 2 * 2 * 2 * 8 * 4  # tokens x layers x planes x heads x dim x float
        self.assertEqual(done.stdout.splitlines(), [
            "back: 0 tokens were still cached, 10 are copied", "0 values are wrong",
            f"out: {moved} bytes, {moved} of them compared", f"in: {moved} bytes, {moved} of them compared"])
        self.assertEqual(done.stderr, "")


if __name__ == "__main__":
    unittest.main()
