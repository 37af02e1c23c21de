"""test_flags.py: every flag is read, and a wrong one is told with its name, its value and its limit, exit code 2."""
import re
import unittest

import command

NUMBERS = {  # flag: (least, most) of whole numbers
    "--limit": (1, 10_000_000),
    "--pool-tokens": (1, 8796093014016),
    "--block-tokens": (1, 4096),
    "--max-live": (1, 1048575),
    "--seed": (0, 2**64 - 1),
    "--layers": (1, 65535),
    "--kv-heads": (1, 65535),
    "--head-dim": (1, 65535),
    "--max-store-bytes": (1, 2**64 - 1),
    "--swap-every": (1, 10_000_000),
    "--swap-tokens": (1, 8796093014016),
    "--workers": (0, 64),
}
FRACTIONS = {"--turns": (1, 1000), "--think-seconds": (0, 1_000_000), "--system-share": (0, 1),
             "--message-tokens": (1, 16384), "--answer-tokens": (1, 2000)}
FLAGS = [*NUMBERS, *FRACTIONS, "--trace", "--format", "--policy", "--json", "--verify", "--store", "--dtype", "--model"]


class Words(command.CommandTest):
    def test_nothing_is_answered_with_help_on_stderr_and_2(self) -> None:
        done = command.run()
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("arenakv replay", done.stderr)

    def test_help_goes_to_stdout_and_is_0(self) -> None:
        for words in (["--help"], ["-h"], ["help"], ["replay", "--help"], ["replay", "-h"], ["info", "--help"]):
            done = command.run(*words)
            self.assertEqual((done.returncode, done.stderr), (0, ""), words)
            self.assertIn("usage", done.stdout, words)

    def test_help_names_every_flag_and_the_limits_of_its_numbers(self) -> None:
        text = command.run("replay", "--help").stdout
        for flag in FLAGS:
            self.assertRegex(text, rf"(?m)^  {flag}( |$)")
        for flag, (least, most) in {**NUMBERS, **FRACTIONS}.items():
            if flag not in ("--seed", "--pool-tokens", "--swap-tokens"):  # whatever fits; too much is told with the blocks
                self.assertRegex(text, rf"(?m)^  {flag} .*\b{'up to ' if flag == '--limit' else f'{least} to '}{most}\b")

    def test_version_is_the_librarys(self) -> None:
        done = command.run("--version")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^arenakv \d+\.\d+\.\d+\n$")

    def test_an_unknown_command_is_named(self) -> None:
        self.refused(2, ["'repaly'", "--help"], "repaly")

    def test_info_tells_version_features_limits_and_sizes(self) -> None:
        done = command.run("info")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith(command.run("--version").stdout))
        for pattern in (r"yes +prefix index", r"no +CUDA", r"blocks of a cache +2147483646", r"tokens of a block +4096",
                        r"pool +4096 blocks of 16 tokens", r"K/V of a block +2097152 bytes", r"metadata, .*[1-9]\d* bytes"):
            self.assertRegex(done.stdout, pattern)

    def test_info_takes_no_other_words(self) -> None:
        self.refused(2, ["'--now'"], "info", "--now")


class Flags(command.CommandTest):
    def test_an_unknown_flag_or_a_stray_word_is_named(self) -> None:
        for word in ("--pool", "--pool=3", "-v", "trace.jsonl", "", "--=", "\x1b[2J"):
            self.refused(2, ["there is no flag", "arenakv replay --help", re.sub(r"[^ -~]", "?", f"'{word}'")],
                         "replay", word)

    def test_a_missing_value_is_told(self) -> None:
        for flag in FLAGS:
            if flag != "--verify":
                self.refused(2, [flag, "wants a value"], "replay", flag)

    def test_a_switch_takes_no_value(self) -> None:
        self.refused(2, ["--verify", "'yes'"], "replay", "--verify=yes")

    def test_whole_numbers_have_limits(self) -> None:
        for flag, (least, most) in NUMBERS.items():
            for value in ("", "x", "-1", "1.5", "1e3", " 1", "1 ", "0x10", str(most + 1), "9" * 400, *(["0"] * (least > 0))):
                self.refused(2, [flag, f"'{value[:57]}", f"from {least} to {most}"], "replay", f"{flag}={value}")

    def test_fractions_have_limits(self) -> None:
        for flag, (least, most) in FRACTIONS.items():
            for value in ("", "x", "nan", "inf", "1e999", "-0.5", f"{most + 1}"):
                self.refused(2, [flag, f"'{value}'", f"from {least:g} to {most:g}"], "replay", f"{flag}={value}")

    def test_words_of_a_set(self) -> None:
        trace = self.write(command.azure((1, 1)))
        self.refused(2, ["--format", "'csv'", "auto or mooncake or azure"], "replay", "--trace", trace, "--format", "csv")
        self.refused(2, ["--policy", "'fifo'", "must be lru"], "replay", "--policy", "fifo")
        self.refused(2, ["--store", "'gpu'", "must be host"], "replay", "--store", "gpu")
        self.refused(2, ["--dtype", "'f17'", "f32 or f16 or bf16"], "replay", "--store", "host", "--dtype", "f17")
        self.refused(2, ["--trace", "''"], "replay", "--trace", "")
        self.refused(2, ["--json", "''"], "replay", "--json", "")

    def test_a_pool_has_at_least_one_block_and_no_more_than_ids(self) -> None:
        self.refused(2, ["--pool-tokens 15", "--block-tokens 16", "0 blocks"], "replay", "--pool-tokens", 15)
        self.refused(2, ["34359738352", "2147483647 blocks", "2147483646"], "replay", "--pool-tokens", 34359738352)

    def test_flags_of_the_chat_do_not_go_with_a_trace_nor_the_other_way_round(self) -> None:
        trace = self.write(command.azure((1, 1)))
        for flag in ("--seed", *FRACTIONS):
            self.refused(2, [flag, "built-in chat"], "replay", "--trace", trace, flag, 1)
        self.refused(2, ["--format", "--trace"], "replay", "--format", "azure")

    def test_equals_sign_and_space_are_the_same_and_the_last_one_counts(self) -> None:
        spaced = command.replay_as_json("--limit", 7, "--max-live", 3, "--policy", "lru", "--block-tokens", 8)
        joined = command.replay_as_json("--limit=9", "--limit=7", "--max-live=3", "--policy=lru", "--block-tokens=8")
        for key in ("requests", "input_tokens", "block_tokens", "max_live", "policy", "pool_blocks"):
            self.assertEqual(spaced[key], joined[key])
        self.assertEqual((spaced["requests"], spaced["max_live"], spaced["block_tokens"]), (7, 3, 8))
        self.assertEqual(spaced["pool_blocks"], 2_000_000 // 8)

    def test_every_flag_of_the_chat_changes_its_requests(self) -> None:
        plain = command.replay_as_json("--limit", 500)
        for flag, value in {"--seed": 2, "--turns": 6, "--think-seconds": 1, "--system-share": 1, "--message-tokens": 99,
                            "--answer-tokens": 9}.items():
            other = command.replay_as_json("--limit", 500, flag, value)
            self.assertNotEqual((plain["input_tokens"], plain["output_tokens"], plain["cached_tokens"]),
                                (other["input_tokens"], other["output_tokens"], other["cached_tokens"]), flag)

    def test_a_file_that_cannot_be_read_or_written_is_1_and_says_why(self) -> None:
        self.refused(1, ["nowhere", "No such file"], "replay", "--trace", self.folder / "nowhere")
        self.refused(1, ["Is a directory"], "replay", "--trace", self.folder)
        self.refused(1, ["--json", "No such file"], "replay", "--limit", 1, "--json", self.folder / "no" / "file")


if __name__ == "__main__":
    unittest.main()
