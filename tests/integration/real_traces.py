#!/usr/bin/env python3
"""real_traces.py: on production traces the hit ratios are those of the block-LRU reference, and --verify finds nothing.

Reads ../shared/data beside the project's root; skipped (77) where that is missing. With --full (or
ARENAKV_TESTS_FULL=1) every replay is verified too, and the built-in plain LRU list is held against the reference.
"""
import argparse
import os
import pathlib
import sys

from command import replay_as_json

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
CONVERSATION = DATA / "conversation_trace.jsonl"
AZURE = DATA / "AzureLLMInferenceTrace_conv.csv"
TOLERANCE = 0.0005
REFERENCE = {200_000: 0.042965, 2_000_000: 0.085869, 5_000_000: 0.209381, 20_000_000: 0.357412}
METADATA_BYTES = 128  # a block, at most


class Findings:
    def __init__(self) -> None:
        self.bad = 0

    def hold(self, fine: bool, what: str) -> None:
        print(f"{'holds' if fine else 'FALLS SHORT'}: {what}", flush=True)
        self.bad += not fine


def conversation(findings: Findings, full: bool) -> None:
    words = ("--trace", CONVERSATION, "--policy", "lru", "--block-tokens", 16, "--max-live", 64)
    for pool, reference in REFERENCE.items():
        numbers = replay_as_json(*words, "--pool-tokens", pool, *(["--verify"] if full else []), timeout=600)
        ratio, metadata = numbers["hit_ratio"], numbers["metadata_bytes_per_block"]
        findings.hold(abs(ratio - reference) <= TOLERANCE, f"{pool} tokens: hit ratio {ratio:.6f}, reference {reference}")
        findings.hold((numbers["requests"], numbers["skipped"]) == (12_031, 0), f"{pool} tokens: 12,031 requests, 0 skipped")
        findings.hold(metadata <= METADATA_BYTES, f"{pool} tokens: {metadata:.1f} bytes of metadata a block")
        if full:
            plain = numbers["block_lru_hit_ratio"]
            findings.hold(abs(plain - reference) < 1e-6, f"{pool} tokens: the plain LRU list has {plain:.6f}")
    if not full:
        numbers = replay_as_json(*words, "--pool-tokens", 2_000_000, "--limit", 2000, "--verify", timeout=600)
        findings.hold(numbers["requests"] == 2000, "2,000 requests verified")
    bytes_too = ("--store", "host", "--verify", *(["--swap-every", 10] if full else ["--limit", 1000]))
    numbers = replay_as_json(*words, "--pool-tokens", 200_000 if full else 2_000_000, *bytes_too, timeout=800)
    store, hits = numbers["store"], numbers["cached_tokens"] + numbers["partial_tokens"]
    findings.hold(store["bytes_match_plan"] and store["hits_checked_tokens"] == hits,
                  f"{numbers['requests']:,} requests with real bytes: {store['bytes_checked']:,} of them checked")


def azure(findings: Findings, full: bool) -> None:
    numbers = replay_as_json("--trace", AZURE, *(["--verify"] if full else []), timeout=600)
    findings.hold((numbers["requests"], numbers["cached_tokens"]) == (19_366, 0), "Azure: 19,366 requests, nothing hits")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", default=os.environ.get("ARENAKV_TESTS_FULL") == "1")
    full = parser.parse_args().full
    if not (CONVERSATION.is_file() and AZURE.is_file()):
        print("skipped: there is no ../shared/data with the traces beside the project")
        return 77
    findings = Findings()
    conversation(findings, full)
    azure(findings, full)
    return 1 if findings.bad else 0


if __name__ == "__main__":
    sys.exit(main())
