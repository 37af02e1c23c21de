"""command.py: how the tests call `arenakv` and write traces for it. It knows no answer.

ARENAKV_COMMAND is the program that was built; without it, the one on the PATH.
"""
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from typing import Any, Sequence

COMMAND = os.environ.get("ARENAKV_COMMAND", "arenakv")


def run(*words: object, timeout: float = 100) -> "subprocess.CompletedProcess[str]":
    """The command with these words; its texts are decoded, and its exit code is not looked at."""
    return subprocess.run([COMMAND, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout, check=False)


def replay_as_json(*words: object, timeout: float = 100) -> Any:
    """The numbers of a replay that must go well."""
    done = run("replay", *words, "--json", "-", timeout=timeout)
    if done.returncode != 0:
        raise AssertionError(f"arenakv replay {words} answered {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def mooncake(*requests: "tuple[int, int, Sequence[int]]") -> str:
    """A Mooncake trace: for each request its input length, output length and hash ids."""
    rows = [{"timestamp": place * 1000, "input_length": length, "output_length": output, "hash_ids": list(ids)}
            for place, (length, output, ids) in enumerate(requests)]
    return "".join(json.dumps(row) + "\n" for row in rows)


def azure(*requests: "tuple[int, int]") -> str:
    rows = [f"2023-11-16 18:15:{place % 60:02}.0000000,{length},{output}\n"
            for place, (length, output) in enumerate(requests)]
    return "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(rows)


class CommandTest(unittest.TestCase):
    """A test with a folder of its own, and words for what must not work."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, text: "str | bytes", name: str = "trace") -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def refused(self, exit_code: int, parts: "Sequence[str]", *words: object) -> None:
        """The command answers exit_code, prints nothing, and all parts stand in its one line of error."""
        done = run(*words)
        self.assertEqual(done.returncode, exit_code, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("arenakv: "), done.stderr)
        for part in parts:
            self.assertIn(part, done.stderr)
