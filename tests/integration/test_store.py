"""test_store.py: --store host: real bytes under a replay, their price, and what is told about them."""
import re
import unittest

import command
from command import mooncake, replay_as_json, run

KEYS = {
    "kind": str, "model": str, "layers": int, "planes": int, "kv_heads": int, "head_dim": int, "dtype": str, "workers": int, "blocks": int,
    "bytes_per_block": int, "price_bytes": int, "bytes": int, "bytes_written": int, "bytes_checked": int,
    "hits_checked_tokens": int, "freed_checked_tokens": int, "copies": dict, "planned_bytes": int,
    "bytes_match_plan": bool, "swap": dict,
}
SWAP = {"every": int, "swap_blocks": int, "swapped": int, "refused": int, "shared_tokens": int}
COPY = {"calls": int, "items": int, "bytes": int, "planned_bytes": int}
SMALL = ("--limit", 200, "--pool-tokens", 60_000)


class Flags(command.CommandTest):
    def test_they_go_with_a_store(self) -> None:
        for flag, value in {"--layers": 2, "--kv-heads": 2, "--head-dim": 4, "--dtype": "f32", "--max-store-bytes": 9,
                            "--swap-every": 3, "--workers": 1, "--model": "mistral-7b"}.items():
            self.refused(2, [flag, "--store host"], "replay", flag, value)

    def test_swap_tokens_go_with_swap_every_and_make_blocks_that_exist(self) -> None:
        self.refused(2, ["--swap-tokens", "--swap-every"], "replay", "--store", "host", "--swap-tokens", 3)
        self.refused(2, ["--swap-tokens 34359738352", "2147483647 blocks", "2147483646"], "replay", "--store", "host",
                     "--swap-every", 1, "--swap-tokens", 34359738352)

    def test_a_geometry_that_is_none_is_told(self) -> None:
        self.refused(1, ["akv_cache_config_sizes"], "replay", "--store", "host", "--dtype", "i4", "--head-dim", 3)


class Price(command.CommandTest):
    def test_what_does_not_fit_is_refused_with_blocks_times_bytes(self) -> None:
        words = ("replay", "--store", "host", "--pool-tokens", 1600)
        self.refused(1, ["101 blocks x 512 bytes = 51712 bytes", "51711 are allowed by --max-store-bytes"],
                     *words, "--max-store-bytes", 51711)
        self.assertEqual(run(*words, "--limit", 1, "--max-store-bytes", 51712).returncode, 0)

    def test_swap_blocks_have_their_price_too(self) -> None:
        self.refused(1, ["212 blocks x 512 bytes = 108544 bytes"], "replay", "--store", "host", "--pool-tokens", 1600,
                     "--swap-every", 1, "--swap-tokens", 1745, "--max-store-bytes", 1)

    def test_a_model_too_large_for_the_machine_is_refused_at_once(self) -> None:
        self.refused(1, ["125001 blocks x", "are available on this machine", "--pool-tokens"], "replay", "--store", "host",
                     "--layers", 61_000, "--kv-heads", 128, "--head-dim", 256)

    def test_more_than_numbers_can_say_is_refused(self) -> None:
        self.refused(1, ["2^64 - 1"], "replay", "--store", "host", "--layers", 65535, "--kv-heads", 65535, "--head-dim",
                     65535, "--pool-tokens", 10**9)

    def test_nothing_is_written_before_it_fits(self) -> None:
        target = self.folder / "out.json"
        self.assertEqual(run("replay", "--store", "host", "--max-store-bytes", 1, "--json", target).returncode, 1)
        self.assertEqual(target.read_text() if target.exists() else "", "")


class Bytes(command.CommandTest):
    def test_the_keys_are_these_with_their_types(self) -> None:
        store = replay_as_json(*SMALL, "--store", "host", "--swap-every", 5)["store"]
        self.assertEqual({key: type(value) for key, value in store.items()}, KEYS)
        self.assertEqual({key: type(value) for key, value in store["swap"].items()}, SWAP)
        self.assertEqual(set(store["copies"]), {"write", "gather", "partial", "swap_out", "swap_in"})
        for line in store["copies"].values():
            self.assertEqual({key: type(value) for key, value in line.items()}, COPY)

    def test_without_a_store_there_is_no_such_key(self) -> None:
        self.assertNotIn("store", replay_as_json("--limit", 1))

    def test_every_token_is_written_once_and_every_hit_and_freed_token_checked(self) -> None:
        for words in ((), ("--verify",), ("--workers", 2), ("--pool-tokens", 2_000_000)):
            numbers = replay_as_json(*SMALL, "--store", "host", *words)
            store, hits = numbers["store"], numbers["cached_tokens"] + numbers["partial_tokens"]
            tokens = numbers["input_tokens"] + numbers["output_tokens"]
            self.assertGreater(hits, 0)
            self.assertEqual(store["hits_checked_tokens"], hits)
            self.assertEqual(store["freed_checked_tokens"], tokens)
            self.assertEqual(store["bytes_written"], (tokens - hits) * 32)
            self.assertEqual(store["bytes_checked"], (tokens + hits) * 32)
            self.agrees(store)
            self.assertEqual((store["layers"], store["kv_heads"], store["head_dim"], store["dtype"]), (1, 1, 8, "f16"))
            self.assertEqual(store["price_bytes"], store["blocks"] * store["bytes_per_block"])
            self.assertGreaterEqual(store["bytes"], store["price_bytes"])

    def agrees(self, store: "dict[str, object]") -> None:
        self.assertIs(store["bytes_match_plan"], True)
        copies: "dict[str, dict[str, int]]" = store["copies"]  # type: ignore[assignment]
        self.assertEqual(sum(line["bytes"] for line in copies.values()), store["planned_bytes"])
        for kind, line in copies.items():
            self.assertEqual(line["bytes"], line["planned_bytes"], kind)
        self.assertEqual(copies["write"]["bytes"], store["bytes_written"])
        self.assertEqual(copies["gather"]["bytes"], store["bytes_checked"])

    def test_bytes_change_no_hit(self) -> None:
        trace = self.write(mooncake(*((1024, 20, [1, 2 + i % 3]) for i in range(30))))
        words = ("--trace", trace, "--pool-tokens", 4_000, "--max-live", 2)
        plain, real = replay_as_json(*words), replay_as_json(*words, "--store", "host")
        for key in ("requests", "retired_early", "cached_tokens", "partial_tokens", "output_tokens"):
            self.assertEqual(plain[key], real[key], key)

    def test_any_geometry_has_its_bytes(self) -> None:
        for layers, heads, dim, dtype, bytes_per_token in ((3, 2, 5, "f32", 240), (2, 3, 2, "i4", 12), (1, 1, 1, "i8", 2),
                                                           (5, 1, 3, "f8", 30), (1, 8, 128, "bf16", 4096)):
            store = replay_as_json("--limit", 40, "--pool-tokens", 30_000, "--store", "host", "--layers", layers,
                                   "--kv-heads", heads, "--head-dim", dim, "--dtype", dtype, "--swap-every", 7)["store"]
            self.assertEqual(store["bytes_per_block"], 16 * bytes_per_token, dtype)
            self.agrees(store)

    def test_a_model_has_its_bytes(self) -> None:
        words = ("--limit", 20, "--pool-tokens", 4_000, "--max-live", 2, "--message-tokens", 50, "--store", "host")
        for name, layers, planes, bytes_per_token, more in (
                ("qwen2.5-0.5b", 24, 2, 24 * 2 * 2 * 64 * 2, ()), ("deepseek-v3", 2, 1, 2 * 576 * 2, ("--layers", 2)),
                ("Mistral-7B", 1, 2, 8 * 128 * 2, ("--layers", 1, "--dtype", "f8"))):
            store = replay_as_json(*words, "--model", name, *more)["store"]
            self.assertEqual((store["layers"], store["planes"]), (layers, planes), name)
            self.assertEqual(store["bytes_per_block"], 16 * bytes_per_token, name)
            self.assertEqual(store["model"].lower(), name.lower())
            self.agrees(store)

    def test_a_model_is_told_and_keeps_its_heads(self) -> None:
        self.refused(2, ["--model", "'gpt-9'"], "replay", "--store", "host", "--model", "gpt-9")
        self.refused(2, ["--head-dim", "--model"], "replay", "--store", "host", "--model", "mistral-7b", "--head-dim", 4)
        self.refused(2, ["--layers", "'33'", "has 32"], "replay", "--store", "host", "--model", "mistral-7b",
                     "--layers", 33)

    def test_every_nth_request_is_swapped(self) -> None:
        numbers = replay_as_json(*SMALL, "--store", "host", "--swap-every", 4, "--verify", "--workers", 1)
        store, swap = numbers["store"], numbers["store"]["swap"]
        self.assertEqual((swap["every"], swap["swapped"], swap["refused"]), (4, 50, 0))
        out, back = (store["copies"][kind]["bytes"] for kind in ("swap_out", "swap_in"))
        self.assertEqual(out, back + 32 * swap["shared_tokens"])
        self.assertGreater(swap["shared_tokens"], 0)
        self.assertGreater(back, out // 10)  # the first of two publishes nothing, and comes back as a whole
        self.agrees(store)

    def test_what_is_larger_than_the_swap_blocks_stays_and_is_counted(self) -> None:
        trace = self.write(mooncake((512, 1, [1]), (1024, 1, [1, 2]), (512, 1, [3])))
        swap = replay_as_json("--trace", trace, "--store", "host", "--swap-every", 1, "--swap-tokens", 512)["store"]["swap"]
        self.assertEqual((swap["swap_blocks"], swap["swapped"], swap["refused"]), (32, 2, 1))

    def test_requests_without_tokens_have_no_bytes_and_can_be_swapped(self) -> None:
        trace = self.write(mooncake((0, 0, []), (0, 20, []), (1, 0, [1])))
        store = replay_as_json("--trace", trace, "--store", "host", "--swap-every", 1)["store"]
        self.assertEqual((store["bytes_written"], store["swap"]["swapped"]), (21 * 32, 3))

    def test_people_are_told(self) -> None:
        done = run("replay", *SMALL, "--store", "host", "--swap-every", 9, "--layers", 2)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for pattern in (r"store +[\d,]+ +bytes: [\d,]+ blocks x 1,024, 2 layers, KV heads 1 of 8 in f16", r"written +[\d,]+ ", r"checked +[\d,]+ ",
                        r"by swap_out +[\d,]+ +bytes as planned", r"swapped +22 +requests out and in again"):
            self.assertTrue(re.search(pattern, done.stdout), (pattern, done.stdout))


if __name__ == "__main__":
    unittest.main()
