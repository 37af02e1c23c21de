#!/usr/bin/env python3
"""test_stories.py: on a real small model the tokens of `generate` are the expected ones, however its K/V are kept.

Reads ../shared/data beside the project's root; skipped (77) where that is missing. ARENAKV_GENERATE is the program.
"""
import json
import os
import pathlib
import subprocess
import sys
from typing import List

DATA = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data"
MODEL, TOKENIZER, EXPECTED = (DATA / name for name in ("stories260K.bin", "tok512.bin", "stories260K.expected.json"))
WAYS = ([], ["--samples", "2"], ["--swap-every", "7"], ["--swap-every", "1", "--samples", "3"])


def generate(*words: str) -> str:
    done = subprocess.run([os.environ["ARENAKV_GENERATE"], str(MODEL), str(TOKENIZER), *words], stdout=subprocess.PIPE,
                          text=True, timeout=300, check=True)
    return done.stdout


def main() -> int:
    missing = [path.name for path in (MODEL, TOKENIZER, EXPECTED) if not path.exists()]
    if missing:
        print(f"skipped: ../shared/data has no {', '.join(missing)}")
        return 77
    cases = json.loads(EXPECTED.read_text())
    prompts = [word for case in cases for word in ("--prompt", case["prompt"])]
    bad = 0
    for mode in ("paged", "contiguous"):
        for block_tokens in ("1", "5", "16", "100"):
            for way in WAYS:
                words = ["--tokens", "200", "--mode", mode, "--block-tokens", block_tokens, *way]
                samples = int(way[-1]) if "--samples" in way else 1
                lines: List[List[int]] = [[int(word) for word in line.split()]
                                          for line in generate(*prompts, "--ids", *words).splitlines()]
                if lines != [case["ids"] for case in cases for _ in range(samples)]:
                    print(f"FALLS SHORT: other tokens with {' '.join(words)}")
                    bad += 1
    for case in cases:
        if generate("--prompt", case["prompt"], "--tokens", "200") != case["text"] + "\n":
            print(f"FALLS SHORT: another text behind {case['prompt']!r}")
            bad += 1
    print(f"{len(cases)} texts in 32 ways: {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
