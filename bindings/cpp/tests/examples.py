#!/usr/bin/env python3
"""examples.py: an example prints what stands here, and the quick start has under 20 lines.

    examples.py PROGRAM SOURCE.cpp
"""
import pathlib
import subprocess
import sys

SAID = {
    "quick_start": ["cached: 32 of 41 tokens", "block 1", "block 2", "block 4"],
    "inference_session": ["K/V: 65536 bytes for 64 tokens", "recorded: yes", "behind 8 tokens: 0.4054, behind 9: 0.4129",
                          "recorded when the session has gone: 0 bytes",
                          "AKV_ERROR_OUT_OF_MEMORY: failed to allocate KV cache (16492674416 MB, 1073741824 tokens, "
                          "60000 layers): "],
}


def main() -> int:
    program, source = sys.argv[1], pathlib.Path(sys.argv[2])
    done = subprocess.run([program], capture_output=True, text=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    findings = [f"it ended with {done.returncode}: {done.stderr}"] if done.returncode or done.stderr else []
    wanted = SAID[source.stem]
    if len(lines) != len(wanted) or not all(line.startswith(start) for line, start in zip(lines, wanted)):
        findings.append(f"it said\n{done.stdout}instead of\n" + "\n".join(wanted))
    core = source.read_text().split("// [core: begin]\n")[1].split("// [core: end]")[0]
    if source.stem == "quick_start" and len([line for line in core.splitlines() if line.strip()]) >= 20:
        findings.append("the quick start has 20 lines or more")
    print("\n".join(findings) or f"{source.stem} says what it promises")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
