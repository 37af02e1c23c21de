"""test_generate.py: `generate` on tiny seeded models that are made here, against plain arithmetic; and on bad files.

ARENAKV_GENERATE is the program that was built. It wants no data: stories260K is test_stories.py's.
"""
import os
import pathlib
import random
import re
import struct
import subprocess
import tempfile
import unittest
from typing import List, Sequence

import plain_llama as plain

TEXTS = ("the cat sat on the mat, and the dog sat by the cat", "the cat sat on a log; añb")
TOKENS = 60
SEEDS = {plain.Shape(): 7, plain.Shape(heads=2, kv_heads=2, own_classifier=True): 3,
         plain.Shape(dim=24, hidden=40, layers=1, heads=3, kv_heads=1): 5}


class Case(unittest.TestCase):
    """A test with a folder, a tokenizer and a tiny model in it."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.pieces = plain.vocabulary_of(TEXTS, plain.Shape().vocabulary)
        self.tokenizer = self.write("tokenizer.bin", plain.tokenizer_file(self.pieces))
        self.use(plain.Shape())

    def use(self, shape: plain.Shape) -> None:
        self.tiny = plain.Model(shape, SEEDS[shape])
        self.model = self.write("model.bin", self.tiny.file)

    def write(self, name: str, content: bytes) -> pathlib.Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def call(self, *words: object) -> "subprocess.CompletedProcess[bytes]":
        texts = [word if isinstance(word, bytes) else str(word) for word in words]
        return subprocess.run([os.environ["ARENAKV_GENERATE"], *texts],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=100, check=False)

    def generate(self, *words: object) -> "subprocess.CompletedProcess[bytes]":
        done = self.call(self.model, self.tokenizer, *words)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def ids(self, *words: object) -> List[List[int]]:
        done = self.generate("--ids", *words)
        self.assertEqual(done.stderr, b"")
        return [[int(word) for word in line.split(b" ")] for line in done.stdout.splitlines()]

    def expected(self, text: str, tokens: int = TOKENS) -> List[int]:
        ids, lead = plain.greedy(self.tiny, plain.encode(self.pieces, text.encode()), tokens)
        self.assertGreater(lead, 1e-3, "this seed makes two tokens nearly alike: take another one")
        return ids

    def refused(self, code: int, parts: Sequence[str], *words: object) -> None:
        done = self.call(*words)
        said = done.stderr.decode(errors="replace")
        self.assertEqual((done.returncode, done.stdout), (code, b""), said)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertTrue(said.startswith("generate: "), said)
        for part in parts:
            self.assertIn(part, said)


class Tokens(Case):
    def test_tokens_are_those_of_plain_arithmetic(self) -> None:
        """S4 E8: grouped heads and as many as queries, a classifier of its own, one layer."""
        for shape in SEEDS:
            self.use(shape)
            wanted = [self.expected(text) for text in TEXTS]
            self.assertGreater(min(map(len, wanted)), 40, "this seed stops too early: take another one")
            for block_tokens in (1, 3, 16, 64, 4096):
                for mode in ("paged", "contiguous"):
                    for more in ((), ("--swap-every", 5), ("--samples", 2), ("--samples", 3, "--swap-every", 1)):
                        words = ("--prompt", TEXTS[0], "--prompt", TEXTS[1], "--tokens", TOKENS, "--mode", mode,
                                 "--block-tokens", block_tokens, *more)
                        samples = more[1] if more and more[0] == "--samples" else 1
                        self.assertEqual(self.ids(*words), [ids for ids in wanted for _ in range(int(samples))], words)

    def test_a_text_ends_at_the_context(self) -> None:
        context = self.tiny.shape.context
        wanted = self.expected(TEXTS[0], context)
        self.assertEqual(self.ids("--prompt", TEXTS[0], "--tokens", 100000), [wanted])
        self.assertLessEqual(len(wanted), context + 1)

    def test_no_tokens_is_the_prompt_alone(self) -> None:
        self.assertEqual(self.ids("--tokens", 0, "--prompt", TEXTS[0]), [plain.encode(self.pieces, TEXTS[0].encode())])
        self.assertEqual(self.ids("--tokens", 0), [[plain.BEGIN]])

    def test_text_is_the_ids_text(self) -> None:
        """and a prompt comes out as it went in."""
        text = self.generate("--prompt", TEXTS[0], "--tokens", 30).stdout
        self.assertTrue(text.startswith(TEXTS[0].encode()), text)
        twice = self.generate("--prompt", TEXTS[0], "--tokens", 30, "--samples", 2).stdout
        self.assertEqual(twice, b"== prompt 1, sample 1 ==\n" + text + b"== prompt 1, sample 2 ==\n" + text)

    def test_drawn_samples_go_ways_of_their_own_and_a_seed_repeats_them(self) -> None:
        words = ("--prompt", TEXTS[0], "--samples", 3, "--temperature", 2, "--tokens", TOKENS)
        first = self.ids(*words)
        self.assertEqual(len({tuple(ids) for ids in first}), 3)
        self.assertEqual(self.ids(*words, "--swap-every", 3, "--block-tokens", 5, "--mode", "contiguous"), first)
        self.assertNotEqual(self.ids(*words, "--seed", 2), first)


class Cache(Case):
    def report(self, *words: object) -> str:
        return self.generate("--report", "--tokens", TOKENS, *words).stderr.decode()

    def moved(self, report: str, what: str) -> int:
        found = re.search(rf"K/V: (\d+) bytes {what}", report)
        return int(found[1]) if found else 0

    def test_what_two_prompts_begin_with_is_computed_once(self) -> None:
        """A17: and the bytes that were not written are those of the cached tokens."""
        first, second = (plain.encode(self.pieces, text.encode()) for text in TEXTS)
        alike = next(at for at, pair in enumerate(zip(first, second)) if pair[0] != pair[1])
        self.assertGreater(alike, 4)
        report = self.report("--prompt", TEXTS[0], "--prompt", TEXTS[1], "--block-tokens", 2)
        self.assertIn(f"prompt 1: 0 of {len(first)} tokens were cached, {len(first)} computed\n", report)
        left = len(second) - alike
        self.assertIn(f"prompt 2: {alike} of {len(second)} tokens were cached, {left} computed\n", report)
        a_token = 2 * self.tiny.shape.layers * self.tiny.shape.kv_dim * 4
        texts = [self.expected(text) for text in TEXTS]
        forwarded = [min(len(ids), TOKENS) for ids in texts]
        self.assertEqual(self.moved(report, "written"), (sum(forwarded) - alike) * a_token)
        self.assertIn(", 0 live\n", report)

    def test_the_same_prompt_again_computes_its_last_token_alone(self) -> None:
        count = len(plain.encode(self.pieces, TEXTS[0].encode()))
        report = self.report("--prompt", TEXTS[0], "--prompt", TEXTS[0], "--block-tokens", 1)
        self.assertIn(f"prompt 2: {count - 1} of {count} tokens were cached, 1 computed\n", report)

    def test_samples_share_their_prompt_and_pay_for_one_block(self) -> None:
        """a fork copies nothing; who appends first to a last block that is shared copies that."""
        count = len(plain.encode(self.pieces, TEXTS[0].encode()))
        one = self.report("--prompt", TEXTS[0], "--block-tokens", 7)
        two = self.report("--prompt", TEXTS[0], "--block-tokens", 7, "--samples", 2)
        a_token = 2 * self.tiny.shape.layers * self.tiny.shape.kv_dim * 4
        self.assertEqual(self.moved(one, "copied on write"), 0)
        self.assertEqual(self.moved(two, "copied on write"), count % 7 * a_token)
        self.assertEqual(self.moved(two, "written"), 2 * self.moved(one, "written") - count * a_token)

    def test_what_is_swapped_out_comes_back(self) -> None:
        report = self.report("--prompt", TEXTS[0], "--swap-every", 9)
        self.assertGreater(self.moved(report, "swapped out"), 0)
        self.assertEqual(self.moved(report, "swapped out"), self.moved(report, "swapped in"))

    def test_contiguous_is_one_tensor(self) -> None:
        """B4: with room for the whole text."""
        report = self.report("--prompt", TEXTS[0], "--mode", "contiguous", "--block-tokens", 7)
        room = -(-TOKENS // 7) * 7
        self.assertIn(f"prompt 1: its keys are one strided tensor a layer, with room for {room} tokens\n", report)


class Formats(Case):
    def test_every_format_takes_every_way(self) -> None:
        """D5: the first token is right in all of them, and none depends on how the K/V were kept."""
        wanted = self.expected(TEXTS[0])
        prompt = len(plain.encode(self.pieces, TEXTS[0].encode()))
        for kind in ("bf16", "int8", "two-tier"):
            words = ("--prompt", TEXTS[0], "--prompt", TEXTS[1], "--tokens", TOKENS, "--format", kind,
                     "--tail-tokens", 9)
            first = self.ids(*words, "--block-tokens", 4)
            self.assertEqual(first[0][:prompt + 1], wanted[:prompt + 1])
            for more in (("--mode", "contiguous"), ("--samples", 2), ("--swap-every", 3),
                         ("--samples", 2, "--swap-every", 1)):
                again = self.ids(*words, "--block-tokens", 4, *more)
                self.assertEqual(again[0], first[0], (kind, more))
                self.assertEqual(again[-1], first[-1], (kind, more))

    def test_a_tail_that_holds_all_is_bf16(self) -> None:
        """D5: nothing is quantized as long as it is young."""
        words = ("--prompt", TEXTS[0], "--tokens", TOKENS, "--samples", 2)
        self.assertEqual(self.ids(*words, "--format", "two-tier", "--tail-tokens", 60),
                         self.ids(*words, "--format", "bf16"))

    def test_what_is_older_than_the_tail_is_quantized(self) -> None:
        done = self.generate("--prompt", TEXTS[0], "--tokens", TOKENS, "--format", "two-tier", "--tail-tokens", 9,
                             "--report")
        self.assertRegex(done.stderr.decode(), r"K/V: \d+ bytes quantized\n")


class Merges(Case):
    def test_merges_are_made_in_the_order_of_their_scores(self) -> None:
        """whatever the text: characters of several bytes, bytes that are none, and the names of special tokens."""
        texts = [text.encode() for text in TEXTS]
        texts += [b" ", b"  ", b"\n", "añb€𝄞 the".encode(), b"\xff\xfe\xc3", b"\xe2\x82 the \xf0\x9d\x84",
                  b"\xc0\xaf\xed\xa0\x80", b"<s> the <0x41> </s><unk>", b"\n<s>\n", b"the" * 50, b"t" * 200]
        draw = random.Random(1)
        alphabet = [character.encode() for character in "thecats nodg,;ñ€"] + [b"\x80", b"\xf0"]
        texts += [b"".join(draw.choice(alphabet) for _ in range(draw.randrange(40))) for _ in range(60)]
        model = plain.Model(plain.Shape(layers=1, context=4096), 1)
        self.model = self.write("model.bin", model.file)
        words = [word for text in texts for word in ("--prompt", text)]
        self.assertEqual(self.ids("--tokens", 0, *words), [plain.encode(self.pieces, text) for text in texts])

    def test_a_long_text_takes_no_square_of_its_length(self) -> None:
        """100,000 characters: a search for the best pair at each merge would take hours."""
        text = "the cat sat on a mat " * 4800
        self.refused(1, ["tokens, the model's context is 96"], self.model, self.tokenizer, "--prompt", text)


class BadFiles(Case):
    def test_models(self) -> None:
        """B17: what is wrong is named, and nothing of it is read."""
        good = self.tiny.file
        def header(**changed: int) -> bytes:
            shape = {"dim": 16, "hidden": 24, "layers": 2, "heads": 4, "kv_heads": 2, "vocabulary": 320, "context": 96}
            return struct.pack("<7i", *{**shape, **changed}.values()) + good[28:]
        for content, parts in (
                (b"", ["has 0 bytes", "28"]), (good[:27], ["has 27 bytes"]), (good[:28], ["28 bytes", str(len(good))]),
                (good[:-4], [str(len(good) - 4), str(len(good))]), (good + b"\0", [str(len(good) + 1)]),
                (header(dim=0), ["dim is 0"]), (header(dim=-16), ["dim is -16"]),
                (header(hidden=2**31 - 1), ["hidden dim"]),
                (header(layers=0), ["layers is 0"]), (header(heads=3), ["3 heads"]),
                (header(kv_heads=3), ["3 KV heads"]),
                (header(heads=16, kv_heads=16), ["heads of 1 elements"]),
                (header(vocabulary=-2**31), ["vocabulary"]),
                (header(context=0), ["context is 0"]), (header(layers=3), ["its header says"]),
                (struct.pack("<7i", 2**20, 2**20, 65535, 1, 1, 2**24, 2**24), ["its header says"]),
                (struct.pack("<Ii", 0x616b3432, 2) + good, ["version 2", "--version 0"]),
                (b"GGUF" + good, ["must be"])):
            bad = self.write("bad.bin", content)
            self.refused(1, [str(bad), *parts], bad, self.tokenizer)
        self.refused(1, ["No such file"], self.folder / "missing", self.tokenizer)
        self.refused(1, ["is not a file"], self.folder, self.tokenizer)

    def test_tokenizers(self) -> None:
        good = plain.tokenizer_file(self.pieces)
        for content, parts in (
                (b"", ["has 0 bytes"]), (good[:4], ["ends behind 0 tokens"]), (good[:-1], ["token 319"]),
                (good + b"\0", ["of another model"]),
                (plain.tokenizer_file(self.pieces[:300]), ["ends behind 300 tokens", "320"]),
                (struct.pack("<i", 0) + good[4:], ["longest token has 0 bytes"]),
                (good[:8] + struct.pack("<i", -1) + good[12:], ["token 0 has -1 bytes"]),
                (good[:8] + struct.pack("<i", 2**31 - 1) + good[12:], ["token 0"]),
                (good[:4] + struct.pack("<f", float("nan")) + good[8:], ["score nan"])):
            self.refused(1, [str(self.folder / "bad.bin"), *parts], self.model, self.write("bad.bin", content))
        self.refused(1, ["No such file"], self.model, self.folder / "missing")
        self.refused(1, [], self.model, self.folder)

    def test_weights_that_are_no_numbers(self) -> None:
        nan = struct.pack("<f", float("nan"))
        bad = self.write("bad.bin", self.tiny.file[:28] + nan * ((len(self.tiny.file) - 28) // 4))
        self.refused(1, ["weights are damaged"], bad, self.tokenizer, "--ids")

    def test_a_tokenizer_without_bytes(self) -> None:
        """what can't be spelled is unknown."""
        pieces = [(text.replace(b"<0x", b"<1x"), score) for text, score in self.pieces]
        self.tokenizer = self.write("tokenizer.bin", plain.tokenizer_file(pieces))
        self.assertIn(plain.UNKNOWN, self.ids("--tokens", 0, "--prompt", "€")[0])


class Words(Case):
    def test_words_that_make_no_sense(self) -> None:
        files = (self.model, self.tokenizer)
        for words, parts in (
                ((), ["MODEL.bin"]), ((self.model,), ["MODEL.bin"]),
                ((*files, "third"), ["third", "one file too many"]),
                ((*files, "--prompt"), ["--prompt wants a value"]), ((*files, "--tokens", "x"), ["'x'"]),
                ((*files, "--tokens=-1"), ["'-1'", "0 to"]), ((*files, "--tokens", "9" * 20), ["--tokens"]),
                ((*files, "--block-tokens", 0), ["1 to 4096"]), ((*files, "--block-tokens=4097"), ["'4097'"]),
                ((*files, "--mode", "flat"), ["'flat'", "paged or contiguous"]),
                ((*files, "--samples", 65), ["1 to 64"]),
                ((*files, "--format", "int4"), ["fp32, bf16, int8 or two-tier"]),
                ((*files, "--swap-every", ""), ["''"]),
                ((*files, "--temperature", "nan"), ["'nan'"]), ((*files, "--wild"), ["--wild"]),
                ((*files, "--ids=1"), ["--ids"])):
            self.refused(2, parts, *words)

    def test_help(self) -> None:
        said = self.generate("--help").stdout.decode()
        for flag in ("--prompt", "--tokens", "--block-tokens", "--mode", "--swap-every", "--format", "--ids"):
            self.assertIn(flag, said)

    def test_a_prompt_beyond_the_context(self) -> None:
        self.refused(1, ["prompt 1 has 202 tokens, the model's context is 96"], self.model, self.tokenizer,
                     "--prompt", "x" * 200)


if __name__ == "__main__":
    unittest.main()
