"""test_bench.py: `arenakv bench` checks the kernels, times them beside memcpy, and says what it finds."""
import json
import os
import pathlib
import tempfile
import unittest
from unittest import mock

import command

QUICK = ("--only", "copies", "--rows", "zero, in order", "--size", "8")


class Bench(command.CommandTest):
    def test_a_row_is_timed_on_every_instruction_set_and_told_as_json_too(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "rows.json"
            done = command.run("bench", *QUICK, "--json", path)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("comparisons on plain", done.stdout)
            self.assertIn("zero, in order", done.stdout)
            self.assertRegex(done.stdout.splitlines()[-1], r"kernelcheck: \d+ of \d+ targets reached")
            self.assertGreater(len(json.loads(path.read_text())["rows"]), 0)

    def test_help_and_words_that_make_no_sense(self) -> None:
        self.assertIn("usage: arenakv bench", command.run("bench", "--help").stdout)
        for words in (["--only", "nothing"], ["--isa", "mmx"], ["--size", "much"], ["--size", "7"], ["--what"]):
            done = command.run("bench", *words)
            self.assertEqual(done.returncode, 2, words)
            self.assertIn(words[-1].lstrip("-"), done.stderr, words)

    def test_where_kernelcheck_is_missing_its_place_is_told(self) -> None:
        with mock.patch.dict(os.environ, {"ARENAKV_KERNELCHECK": "/nowhere/kernelcheck"}):
            done = command.run("bench", *QUICK)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("/nowhere/kernelcheck", done.stderr)


if __name__ == "__main__":
    unittest.main()
