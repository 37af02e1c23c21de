"""specification.py: which tests prove which row of the specification, read out of the tests' names.

A test names its rows: TEST_CASE("sequence: B5 B17 ..."), test('symbols - S2 ...'), def test_...: with a docstring that
starts with them. It knows the rows of this release by id and in a few words.
"""
import re

ROWS = {
    "A1": "bump allocation in pages",
    "A2": "pages recycled without a lock, counted",
    "A3": "a tensor grows in place by one atomic update",
    "A4": "metadata and copies are told apart",
    "A5": "page size for a model's tensors, with its waste",
    "A6": "models: by name, by config.json, by dimensions; KV heads are not query heads",
    "A10": "streams, and order on them",
    "A11": "views without a copy; counted copies with bounds",
    "A13": "batches, statistics and a verification of lock freedom",
    "A15": "Python: managers and arenas as torch tensors",
    "A17": "what was cached, computed, written and moved, told honestly",
    "A19": "raw pointers and strides",
    "A22": "dropping frees no memory; the usable share at the first refusal",
    "A23": "query heads apart; what GQA saves",
    "B1": "a logical cache over physical blocks",
    "B2": "warm-up",
    "B3": "allocate for a request, fail fast",
    "B4": "views of keys and values, layer by layer",
    "B5": "append a token; clear result beyond capacity",
    "B6": "free: instant reuse; a second free is safe",
    "B7": "statistics",
    "B8": "dump and block map",
    "B9": "memory calculator and budget planner",
    "B11": "buddy allocator",
    "B12": "no lock contention between sequences",
    "B13": "CPU paging, layouts, a layer at a time, a part of the layers",
    "B14": "thread safety stated and tested",
    "B15": "block sizes",
    "B16": "deterministic timing, no malloc",
    "B17": "request ids; messages with both numbers",
    "B18": "fragmentation with thresholds and advice",
    "D1": "configuration with defaults; sizes",
    "D2": "allocate, extend, free, table, length, room",
    "D3": "swap out, swap in, is it swapped",
    "D4": "statistics of slots and blocks",
    "D5": "two tiers of precision",
    "D6": "the named defects can't happen",
    "D7": "can_extend, read-back, slots' own error, owner",
    "E1": "bytes of a context",
    "E2": "keys and values apart, evenly spaced",
    "E3": "zero at first",
    "E4": "memory by purpose and device",
    "E5": "an error says what was asked for",
    "E6": "edge cases of models and plans",
    "E7": "later items: saved sequences",
    "E8": "C++: ownership, moves, a strong guarantee, an inference session",
    "S1": "a stable extern \"C\" API, metadata apart",
    "S2": "hand-written C headers",
    "S3": "packages for other languages",
    "S4": "dlopen, linked, embedded",
    "S5": "Meson, Catch2, the folders",
    "S6": "Linux; the rest is said to be out of scope",
}
NAMED = re.compile(r"""(?:TEST_CASE\(|\btest\()\s*["'](.+?)["']\s*[,)]|def\s+test_\w+\([^)]*\)[^:]*:\s*\"\"\"(.+?)(?:\.|\"\"\")
                       |'((?:[A-E]\d{1,2}|S\d)\s[^']+)'""",
                   re.DOTALL | re.VERBOSE)
ID = re.compile(r"\b(?:[A-E]\d{1,2}|S\d)\b")


def proofs(root):
    """row -> ["file: test", ...]"""
    found = {}
    for folder in ("tests", "bindings", "examples"):
        for path in sorted((root / folder).rglob("*")):
            if "tools" in path.parts or (path.suffix not in (".cpp", ".py") and path.name != "meson.build"):
                continue
            for match in NAMED.finditer(path.read_text()):
                name = " ".join((match[1] or match[2] or match[3]).split())
                for row in dict.fromkeys(ID.findall(name)):
                    found.setdefault(row, []).append(f"{path.relative_to(root)}: {name}")
    return found


def show(root):
    found = proofs(root)
    for row, promise in ROWS.items():
        print(f"{row}  {promise}")
        for proof in found.get(row, ("NO TEST NAMES IT",)):
            print(f"      {proof}")
    for row in sorted(set(found) - set(ROWS)):
        print(f"{row} is no row of this release: {found[row][0]}")
    lacking = [row for row in ROWS if row not in found] + sorted(set(found) - set(ROWS))
    print(f"\n{sum(row in found for row in ROWS)} of {len(ROWS)} rows of this release are named by tests"
          + (f"; look at {', '.join(lacking)}" if lacking else ""))
    return 1 if lacking else 0
