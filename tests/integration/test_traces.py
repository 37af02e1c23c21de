"""test_traces.py: what a trace means, in both formats, and that a bad line is told with its number, exit code 1.

A hash id stands for 512 tokens. The last token of a prompt is always computed, so a prompt of n tokens can find
(n - 1) // 16 blocks of 16.
"""
import json
import unittest

import command
from command import azure, mooncake, replay_as_json

GOOD = {"timestamp": 0, "input_length": 512, "output_length": 3, "hash_ids": [7]}


class Mooncake(command.CommandTest):
    def replayed(self, text: str, *words: object) -> "dict[str, int]":
        return replay_as_json("--trace", self.write(text), "--verify", *words)

    def test_equal_ids_hit_in_whole_blocks_and_partly_in_the_next(self) -> None:
        numbers = self.replayed(mooncake((1024, 16, [1, 2]), (1500, 5, [1, 2, 3]), (512, 0, [1])))
        self.assertEqual((numbers["requests"], numbers["skipped"], numbers["retired_early"]), (3, 0, 0))
        self.assertEqual((numbers["input_tokens"], numbers["output_tokens"]), (3036, 21))
        self.assertEqual(numbers["cached_tokens"], 0 + 1024 + 496)
        self.assertEqual(numbers["partial_tokens"], 15)  # of the 16 that are cached behind, less the last token
        self.assertAlmostEqual(numbers["hit_ratio"], 1520 / 3036)
        self.assertEqual(numbers["evicted_blocks"], 0)
        self.assertEqual(numbers["peak_live_blocks"], 65 + 31 + 1)  # 1024 + 16, 1505 and 512 tokens, shared ones once

    def test_outputs_never_match_and_other_ids_share_nothing(self) -> None:
        numbers = self.replayed(mooncake((512, 512, [1]), (1024, 0, [1, 2]), (512, 0, [3])))
        self.assertEqual(numbers["cached_tokens"], 512)

    def test_the_least_recently_used_leaves_first(self) -> None:
        three = (480, 0, [1]), (480, 0, [2]), (480, 0, [3])  # 30 blocks each, room for two
        words = ("--pool-tokens", 60 * 16, "--max-live", 1)
        self.assertEqual(self.replayed(mooncake(*three, (480, 0, [2])), *words)["cached_tokens"], 464)
        again = self.replayed(mooncake(*three, (480, 0, [1])), *words)
        self.assertEqual(again["cached_tokens"], 0)
        self.assertEqual(again["evicted_blocks"], 60)

    def test_a_request_that_is_larger_than_the_pool_is_skipped(self) -> None:
        numbers = self.replayed(mooncake((100, 0, [1]), (100, 61, [2]), (160, 0, [3])), "--pool-tokens", 160)
        self.assertEqual((numbers["requests"], numbers["skipped"]), (2, 1))
        self.assertEqual(numbers["input_tokens"], 260)

    def test_the_oldest_request_ends_early_when_blocks_are_short(self) -> None:
        two = mooncake((320, 0, [1]), (320, 160, [2]))
        numbers = self.replayed(two, "--pool-tokens", 640)  # the second one's output has no room beside the first
        self.assertEqual((numbers["requests"], numbers["retired_early"]), (2, 1))
        self.assertEqual(self.replayed(two, "--pool-tokens", 800)["retired_early"], 0)
        self.assertEqual(self.replayed(two, "--pool-tokens", 640, "--max-live", 1)["retired_early"], 0)

    def test_a_request_that_fits_just_so_is_replayed_though_a_block_of_it_is_there_twice(self) -> None:
        two = mooncake((480, 0, [1]), (480, 20, [1]))  # 30 blocks; the last one is computed again; 2 more for the output
        numbers = self.replayed(two, "--pool-tokens", 512, "--max-live", 1)
        self.assertEqual(numbers["requests"], 2)
        self.assertGreaterEqual(numbers["output_tokens"], 16)  # it may end early itself, see replayer.hpp
        numbers = self.replayed(two, "--pool-tokens", 528, "--max-live", 1)
        self.assertEqual((numbers["requests"], numbers["retired_early"], numbers["output_tokens"]), (2, 0, 20))

    def test_a_request_without_tokens_is_one_too(self) -> None:
        numbers = self.replayed(mooncake((0, 0, []), (0, 20, []), (1, 0, [1])))
        self.assertEqual((numbers["requests"], numbers["input_tokens"], numbers["hit_ratio"]), (3, 1, 0))

    def test_block_sizes(self) -> None:
        for block_tokens in (1, 3, 16, 64, 4096):
            numbers = self.replayed(mooncake((1000, 40, [1, 2]), (1000, 40, [1, 2])), "--block-tokens", block_tokens,
                                    "--pool-tokens", 100_000)
            self.assertEqual(numbers["cached_tokens"], 999 // block_tokens * block_tokens, block_tokens)
            if block_tokens <= 1000:  # else the first request has no whole block
                self.assertEqual(numbers["cached_tokens"] + numbers["partial_tokens"], 999, block_tokens)

    def test_limit_takes_the_first_ones_and_reads_no_further(self) -> None:
        path = self.write(mooncake((512, 1, [1]), (512, 1, [1])) + "this is no JSON\n")
        self.assertEqual(replay_as_json("--trace", path, "--limit", 2)["requests"], 2)
        self.refused(1, ["line 3"], "replay", "--trace", path)

    def test_a_file_may_have_blank_lines_a_mark_and_lack_its_last_newline(self) -> None:
        text = "\ufeff" + mooncake((512, 1, [1]), (512, 1, [1])).replace("\n", "\r\n\r\n  \n").strip()
        self.assertEqual(self.replayed(text)["requests"], 2)


class Azure(command.CommandTest):
    def test_lengths_count_and_nothing_hits(self) -> None:
        numbers = replay_as_json("--trace", self.write(azure((374, 44), (374, 44), (16, 0), (0, 2))), "--verify")
        self.assertEqual((numbers["requests"], numbers["cached_tokens"]), (4, 0))
        self.assertEqual((numbers["input_tokens"], numbers["output_tokens"]), (764, 90))

    def test_bad_lines_are_told_by_number(self) -> None:
        for line, part in {"x,1": "TIMESTAMP,ContextTokens,GeneratedTokens", "x,1,2,3": "must be TIMESTAMP",
                           "x,-1,2": "ContextTokens is '-1'", "x,1,": "GeneratedTokens is ''",
                           "x,1,1.5": "GeneratedTokens is '1.5'", "x,65537,1": "from 0 to 65536",
                           "x,1,99999999999999999999999": "from 0 to 65536"}.items():
            path = self.write(azure((1, 1)) + line + "\n")
            self.refused(1, [f"{path}: line 3 ", part], "replay", "--trace", path)

    def test_without_its_header_it_is_not_one(self) -> None:
        path = self.write("1,2,3\n")
        self.refused(1, ["line 1", "header"], "replay", "--trace", path, "--format", "azure")


class Formats(command.CommandTest):
    def test_auto_is_the_default_and_takes_both(self) -> None:
        for text, name in ((mooncake((512, 1, [1])), "Mooncake"), (azure((512, 1)), "Azure")):
            path = self.write(text)
            for words in ((), ("--format", "auto"), ("--format", name.lower())):
                numbers = replay_as_json("--trace", path, *words)
                self.assertEqual(numbers["workload"], f"{name} trace {path}")

    def test_a_format_that_was_named_is_held(self) -> None:
        self.refused(1, ["line 1", "not JSON"], "replay", "--format", "mooncake", "--trace", self.write(azure((1, 1))))
        self.refused(1, ["line 1", "header"], "replay", "--format", "azure", "--trace", self.write(mooncake((1, 1, [1]))))

    def test_what_is_neither_is_told(self) -> None:
        for text in ("hello\n", "[1, 2]\n", b"\xff\xfe\x00{\n", "\x00" * 100):
            self.refused(1, ["line 1 is neither"], "replay", "--trace", self.write(text))

    def test_an_empty_file_has_no_request(self) -> None:
        for text in ("", "\n \n", "TIMESTAMP,ContextTokens,GeneratedTokens\n"):
            path = self.write(text)
            self.refused(1, [str(path), "no request"], "replay", "--trace", path)


class BadLines(command.CommandTest):
    def refuses(self, line: "str | bytes", part: str) -> None:
        good = json.dumps(GOOD).encode() + b"\n\n"
        path = self.write(good + (line.encode() if isinstance(line, str) else line) + b"\n" + good)
        self.refused(1, [f"{path}: line 3 ", part], "replay", "--trace", path)

    def test_what_is_no_json_object(self) -> None:
        for line, part in {"{": "byte 2", '{"a": 1,}': "byte 9", "": "", "nonsense": "byte 2", "[]": "must be a JSON object",
                           "12": "is '12'", '"' + "x" * 200 + '"': "xxx...'", '{"input_length": 1e999}': "too large"}.items():
            if line:
                self.refuses(line, part)
        self.refuses(b'{"a\xff": 1}', "byte 4")
        self.refuses(b'{"a": 1}\x00{', "byte 9 of it is 0")

    def test_fields_that_lack(self) -> None:
        for key in ("input_length", "output_length", "hash_ids"):
            self.refuses(json.dumps({name: value for name, value in GOOD.items() if name != key}), f'has no "{key}"')

    def test_numbers_beyond_their_limits(self) -> None:
        for key, most in {"input_length": 4194304, "output_length": 65536}.items():
            for value in (-5, most + 1, 2**64, 1.5, 1.0, "5", None, True, [1], {}):
                self.refuses(json.dumps({**GOOD, key: value}), f"must be a whole number from 0 to {most}")
        self.refuses('{"timestamp": 0, "input_length": -5}', "input_length is '-5'")

    def test_hash_ids_are_as_many_as_the_prompt_has_pieces(self) -> None:
        for length, ids in ((512, []), (512, [1, 2]), (513, [1]), (0, [1])):
            self.refuses(json.dumps({**GOOD, "input_length": length, "hash_ids": ids}),
                         f"hash_ids has {len(ids)} ids, an input_length of {length} wants {(length + 511) // 512}")

    def test_hash_ids_are_numbers(self) -> None:
        for ids, part in (([2**41], "hash_ids[0] is '2199023255552'"), ([-1], "hash_ids[0] is '-1'"),
                          (["a"], "hash_ids[0]"), ([None], "hash_ids[0]"), ([[]], "hash_ids[0]"),
                          ({"a": 1}, "must be a list"), (3, "must be a list"), (None, "must be a list")):
            self.refuses(json.dumps({**GOOD, "hash_ids": ids}), part)

    def test_depth_and_length_do_no_harm(self) -> None:
        self.refuses('{"a":' + "[" * 1_000_000, "byte 1000006")
        self.refuses('{"a":' + "[" * 1_000_000 + "]" * 1_000_000 + "}", 'has no "input_length"')
        self.refuses("{" + " " * (5 << 20), "longer than 4194304 bytes")

    def test_nothing_is_replayed_before_the_file_was_read(self) -> None:
        target = self.folder / "out.json"
        target.write_text("as before")
        path = self.write(json.dumps(GOOD) + "\n{}\n")
        self.refused(1, ["line 2"], "replay", "--trace", path, "--json", target)
        self.assertEqual(target.read_text(), "as before")


if __name__ == "__main__":
    unittest.main()
