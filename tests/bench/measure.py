#!/usr/bin/env python3
"""measure.py: runs every benchmark of a build and prints the figures as Markdown.

    tests/bench/measure.py [BUILD] > tests/bench/figures.md       BUILD: build/release

Everything is a ratio within this one run, of the best of several rounds taken in turn: the machine may be shared, and
disturbance only ever makes a thing slower. The traces and the yardstick lie in ../shared beside the project; without
them what needs them is left out, and said. It knows programs and their output; nothing of the library.
"""
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
TRACE = SHARED / "data" / "conversation_trace.jsonl"
YARDSTICK = SHARED / "reference" / "limit" / "run.sh"
REFERENCE = {200_000: 0.042965, 2_000_000: 0.085869, 5_000_000: 0.209381, 20_000_000: 0.357412}


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout


def replay(build, *flags):
    return json.loads(output(build / "examples" / "replay" / "arenakv", "replay", "--json", "-", *flags))


def processor():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    names = re.findall(r"model name\s*: (.*)", text)
    return f"{len(names)} x {names[0]}" if names else "an unnamed processor"


def yardstick():
    """{blocks: (milliseconds of the first 2,000 requests, ns of one append)}, the best of its repetitions."""
    found = {}
    for blocks, total, append in re.findall(r"pool=(\d+) .*?total_ms=([\d.]+) .*?append_ns_tok=([\d.]+)",
                                            output(YARDSTICK, 2000)):
        best = found.setdefault(int(blocks), [float(total), float(append)])
        best[:] = min(best[0], float(total)), min(best[1], float(append))
    return found


def against_the_yardstick(build):
    rounds = {12_500: [], 125_000: []}
    bare = {}
    for _ in range(3):
        for blocks, best in yardstick().items():
            known = bare.setdefault(blocks, best)
            known[:] = min(known[0], best[0]), min(known[1], best[1])
        for blocks, runs in rounds.items():
            runs.append(replay(build, "--trace", TRACE, "--limit", 2000, "--pool-tokens", 16 * blocks))
    print("## First 2,000 requests of the conversation trace\n")
    print("CPU time of the library against the yardstick (`../shared/reference/limit`): a bare index of runs without an "
          "API, gates, plans, tickets, domains, counters or threads.\n")
    print("| blocks | yardstick | arenakv | ratio (at most 1.5) | admit / append / free |\n|---|---|---|---|---|")
    for blocks, runs in rounds.items():
        best = min((run["cpu_ms"] for run in runs), key=lambda ms: ms["total"])
        print(f"| {blocks:,} | {bare[blocks][0]:.1f} ms | {best['total']:.1f} ms | {best['total'] / bare[blocks][0]:.2f} | "
              f"{best['admit']:.1f} / {best['append']:.1f} / {best['free']:.1f} ms |")
    append = min(best[1] for best in bare.values())
    print(f"\nIts append takes {append:.2f} ns a token: the limit of a decode step of 256 sequences, three times that, is "
          f"{3 * 256 * append:.0f} ns.\n")


def hit_ratios(build):
    print("## Conversation trace, LRU, at most 64 requests alive\n")
    print("| pool | hit ratio | reference | skipped | evicted blocks | metadata a block |\n|---|---|---|---|---|---|")
    for tokens, reference in REFERENCE.items():
        run = replay(build, "--trace", TRACE, "--pool-tokens", tokens)
        print(f"| {tokens:,} tokens | {run['hit_ratio']:.6f} | {reference:.6f} | {run['skipped']} | "
              f"{run['evicted_blocks']:,} | {run['metadata_bytes_per_block']:.1f} bytes |")
    print()


def block_sizes(build):
    print("## Which block size? (pool of 2,000,000 tokens)\n")
    print("| tokens a block | hit ratio: trace | chat | CPU: trace | chat | metadata a token |\n|---|---|---|---|---|---|")
    for size in (8, 16, 32, 64):
        chat = replay(build, "--block-tokens", size)
        cells = [f"{chat['hit_ratio']:.4f}", f"{chat['cpu_ms']['total']:.0f} ms"]
        trace = replay(build, "--trace", TRACE, "--block-tokens", size) if TRACE.exists() else None
        cells[0:0] = [f"{trace['hit_ratio']:.4f}"] if trace else ["no trace"]
        cells[2:2] = [f"{trace['cpu_ms']['total']:.0f} ms"] if trace else ["no trace"]
        print(f"| {size} | {' | '.join(cells)} | {chat['metadata_bytes_per_block'] / size:.1f} bytes |")
    print()


def verbatim(title, *command):
    print(f"## {title}\n\n```\n{output(*command).rstrip()}\n```\n")


def main():
    build = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "release"
    bench = build / "tests" / "bench"
    print(f"# Figures\n\nMade by `tests/bench/measure.py` on {processor()}.\n")
    if YARDSTICK.exists() and TRACE.exists():
        against_the_yardstick(build)
        hit_ratios(build)
    else:
        print("No ../shared beside the project: nothing about the trace and the yardstick.\n")
    verbatim("A decode step", bench / "bench_step")
    verbatim("Two threads", bench / "bench_threads")
    verbatim("Pages, tensors and extents", bench / "bench_pages")
    verbatim("Stores: made, touched, and bytes moved", bench / "bench_store")
    verbatim("Swap", bench / "bench_swap")
    verbatim("Kernels", build / "kernelcheck" / "arenakv-kernelcheck", "--bench")
    verbatim("Every hot call over the whole trace", bench / "bench_latency", *([TRACE] if TRACE.exists() else []))
    block_sizes(build)
    return 0


if __name__ == "__main__":
    sys.exit(main())
