"""test_report.py: what a replay tells: a report for people, JSON for programs, and nothing where it does not belong."""
import json
import os
import pty
import subprocess
import unittest

import command
from command import replay_as_json, run

KEYS = {
    "version": str, "workload": str, "policy": str, "pool_tokens": int, "pool_blocks": int, "block_tokens": int,
    "max_live": int, "requests": int, "skipped": int, "retired_early": int, "input_tokens": int, "output_tokens": int,
    "cached_tokens": int, "partial_tokens": int, "hit_ratio": float, "evicted_blocks": int, "peak_live_blocks": int,
    "metadata_bytes": int, "metadata_bytes_per_block": float, "cpu_ms": dict, "append_ns_per_token": float,
    "wall_seconds": float, "verified": bool,
}
VERIFIED = {"block_lru_hit_ratio": float, "block_lru_evicted_blocks": int}
CPU = {"admit", "append", "free", "total"}


class Json(command.CommandTest):
    def test_the_keys_are_these_with_their_types(self) -> None:
        numbers = replay_as_json("--limit", 50)
        self.assertEqual({key: type(value) for key, value in numbers.items()}, KEYS)
        self.assertEqual(set(numbers["cpu_ms"]), CPU)
        verified = replay_as_json("--limit", 50, "--verify")
        self.assertEqual({key: type(value) for key, value in verified.items()}, {**KEYS, **VERIFIED})
        self.assertTrue(verified["verified"])

    def test_the_numbers_agree_with_each_other(self) -> None:
        numbers = replay_as_json("--limit", 2000, "--pool-tokens", 500_008)
        self.assertEqual((numbers["pool_tokens"], numbers["pool_blocks"]), (500_008, 31_250))
        self.assertAlmostEqual(numbers["hit_ratio"], numbers["cached_tokens"] / numbers["input_tokens"])
        self.assertAlmostEqual(numbers["metadata_bytes_per_block"], numbers["metadata_bytes"] / numbers["pool_blocks"])
        cpu = numbers["cpu_ms"]
        self.assertTrue(all(value > 0 for value in cpu.values()), cpu)
        self.assertAlmostEqual(cpu["total"], cpu["admit"] + cpu["append"] + cpu["free"], places=5)
        self.assertAlmostEqual(numbers["append_ns_per_token"], cpu["append"] * 1e6 / numbers["output_tokens"], places=5)
        self.assertLessEqual(numbers["peak_live_blocks"], numbers["pool_blocks"])
        self.assertGreater(numbers["evicted_blocks"], 0)
        self.assertEqual(f"arenakv {numbers['version']}\n", run("--version").stdout)

    def test_the_same_flags_give_the_same_numbers_but_for_time(self) -> None:
        timed = ("cpu_ms", "append_ns_per_token", "wall_seconds")
        first, second = (replay_as_json("--limit", 300, "--seed", 5) for _ in range(2))
        for key in timed:
            del first[key], second[key]
        self.assertEqual(first, second)

    def test_verify_changes_no_number(self) -> None:
        words = ("--limit", 1000, "--pool-tokens", 400_000)
        plain, verified = replay_as_json(*words), replay_as_json(*words, "--verify")
        for key in ("requests", "retired_early", "cached_tokens", "partial_tokens", "evicted_blocks", "peak_live_blocks"):
            self.assertEqual(plain[key], verified[key], key)
        self.assertAlmostEqual(verified["block_lru_hit_ratio"], verified["hit_ratio"], delta=0.002)

    def test_a_file_gets_the_json_and_stdout_the_report(self) -> None:
        path = self.folder / "out.json"
        path.write_text("x" * 10_000)  # what was there is gone
        done = run("replay", "--limit", 20, "--json", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(path.read_text())["requests"], 20)
        self.assertIn("hit ratio", done.stdout)

    def test_a_dash_sends_the_json_to_stdout_and_the_report_to_stderr(self) -> None:
        done = run("replay", "--limit", 20, "--json", "-")
        self.assertEqual(json.loads(done.stdout)["requests"], 20)
        self.assertIn("hit ratio", done.stderr)

    def test_a_full_disk_is_told(self) -> None:
        done = run("replay", "--limit", 20, "--json", "/dev/full")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)


class Report(command.CommandTest):
    def test_without_a_trace_a_newcomer_sees_hits(self) -> None:
        numbers = replay_as_json()
        self.assertEqual((numbers["requests"], numbers["skipped"], numbers["retired_early"]), (20_000, 0, 0))
        self.assertAlmostEqual(numbers["hit_ratio"], 0.36, delta=0.02)
        self.assertGreater(numbers["evicted_blocks"], 1_000_000)

    def test_it_has_the_numbers_in_words(self) -> None:
        done = run("replay", "--limit", 1500, "--pool-tokens", 100_000, "--verify")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for pattern in (r"built-in chat, seed 1", r"requests +1,\d\d\d +replayed, .* ended early", r"\d,\d{3},\d{3}",
                        r"\d\.\d\d %  hit ratio", r"blocks +6,250 +of 16 tokens", r"evicted +\d", r"CPU time +\d+\.\d ms",
                        r"ns an output token", r"verified: .*plain LRU"):
            self.assertRegex(done.stdout, pattern)

    def test_there_is_no_progress_bar_without_a_terminal(self) -> None:
        done = run("replay", "--limit", 500)
        self.assertEqual(done.stderr, "")
        self.assertNotIn("\r", done.stdout)

    def test_skipped_requests_are_told(self) -> None:
        path = self.write(command.azure((100, 0), (1000, 0)))
        self.assertIn("1 skipped: larger than the pool", run("replay", "--trace", path, "--pool-tokens", 160).stdout)

    def test_a_bar_and_its_wiping_are_for_a_terminal(self) -> None:
        ours, theirs = pty.openpty()
        with subprocess.Popen([command.COMMAND, "replay", "--limit", "400"], stdout=subprocess.DEVNULL, stderr=theirs) as it:
            os.close(theirs)
            shown = b""
            try:
                while part := os.read(ours, 65536):
                    shown += part
            except OSError:  # how a pseudo-terminal ends
                pass
            it.wait(60)
        os.close(ours)
        self.assertIn(b"400 requests", shown)
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown[-80:])


if __name__ == "__main__":
    unittest.main()
