#!/usr/bin/env python3
"""test_checkers.py: every checker of tests/rules and tests/abi can fail.

Promise: on a small sound tree each checker passes; after one change that breaks its promise it fails, and names the
file and the line. The C programs of tests/abi fail on libraries that break theirs. A checker without a case here fails.
It does not look at the real tree: the checkers do, as tests of their own.
"""
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ABI = HERE.parent / "abi"
HELPERS = {"tree.py", "public_api.py", "compilers.py", "measure.py", "test_checkers.py", "installed.py",
           "kernel_symbols.py"}  # it looks at archives: archive_cases

THING_H = """/* thing.h: a thing. */
#ifndef ARENAKV_THING_H
#define ARENAKV_THING_H

#include "base.h"

typedef struct akv_thing {
  uint32_t struct_size;
  uint32_t count;
  uint64_t (*next)(void *context);
  const uint8_t *bytes;
} akv_thing;

#define AKV_THING_INIT {(uint32_t)sizeof(akv_thing), 0u, NULL, NULL}

/* Read a thing.
 * META     O(1).
 * Thread   any, per-seq: not twice at once.
 * Fails    never. */
AKV_META AKV_NODISCARD akv_status akv_thing_read(akv_thing *out_thing) AKV_NOEXCEPT;

/* Copy a thing.
 * COPY     O(bytes).
 * Thread   any.
 * Fails    INVALID_ARGUMENT. */
AKV_COPY AKV_NODISCARD akv_status
akv_thing_copy(const akv_thing *thing, akv_stream *stream) AKV_NOEXCEPT;

#endif
"""
BASE_H = """/* base.h: words. */
#ifndef ARENAKV_BASE_H
#define ARENAKV_BASE_H
#include <stddef.h>
#include <stdint.h>
#define AKV_API __attribute__((visibility("default")))
#define AKV_META AKV_API
#define AKV_COPY AKV_API
#define AKV_NODISCARD __attribute__((warn_unused_result))
#define AKV_NOEXCEPT
#define AKV_VERSION_MAJOR 0
enum { AKV_OK = 0, AKV_ERROR = -10 /* an error, and a comma */ };
typedef int32_t akv_status;
typedef struct akv_stream akv_stream;
#endif
"""
SOUND = {
    "include/arenakv.h": '/* arenakv.h: all. */\n#include "arenakv/base.h"\n#include "arenakv/thing.h"\n',
    "include/arenakv/base.h": BASE_H,
    "include/arenakv/thing.h": THING_H,
    "include/CHANGELOG.md": "# 0.1.0\n* `akv_thing`\n* `akv_thing_read`\n* `akv_thing_copy`\n",
    "lib/libarenakv.map": "/* akv_old; */\nARENAKV_0.1 {\n  global:\n    akv_thing_copy;\n    akv_thing_read;\n"
                          "  local:\n    *;\n};\n",
    "lib/base/number.hpp": "// number.hpp: numbers. It may say assert( and exit( and throw here.\n#include <new>\n",
    "lib/data/store.hpp": "// store.hpp: bytes.\n#include \"meta/thing.hpp\"\n",
    "lib/meta/thing.hpp": '// thing.hpp: things.\n#include "arenakv/thing.h"\n#include "base/number.hpp"\n'
                          '#include "meta/prefix/run.hpp"\n',
    "lib/meta/thing.cpp": '// thing.cpp: things.\nconst char *say = "throw new";\nvoid *a = new (std::nothrow) int;\n'
                          'static_assert(true);\n',
    "examples/c/hello.c": '/* hello.c: hello. */\n#include "arenakv.h"\n#include "hello.h"\n',
    "examples/c/hello.h": "/* hello.h: its own. */\n",
    "bindings/go/cache.go": "//go:build linux\n\n// cache.go: a cache.\npackage arenakv\n",
    "tests/run.py": '"""Run it."""\n',
    "tests/abi/facts.golden.json": "{}\n",
    "README.md": "`arenakv replay`, `tests/run`: Linux, arm64, not Windows; [hello](examples/c/hello.c)\n\n"
                 "<!-- examples/c/hello.h -->\n```c\n/* hello.h: its own. */\n```\n",
}
T, B = "include/arenakv/thing.h", "include/arenakv/base.h"
READ = "AKV_META AKV_NODISCARD akv_status akv_thing_read"

# checker, file, what stands there ("": a new file), what stands there instead, what the checker must print
CASES = (
    ("layers", "lib/meta/thing.hpp", "base/number.hpp", "data/store.hpp", 'thing.hpp:3: "data/store.hpp": meta/ may'),
    ("layers", "lib/base/number.hpp", "<new>", '"meta/thing.hpp"', 'number.hpp:2: "meta/thing.hpp" points up'),
    ("layers", "lib/mem/pool.hpp", "", '#include "obs/counters.hpp"\n', "points sideways from mem/"),
    ("layers", "lib/base/number.hpp", "<new>", '"tests/run.hpp"', "is not for the library"),
    ("layers", "lib/base/number.hpp", "<new>", '"../meta/thing.hpp"', "goes up"),
    ("layers", "lib/base/number.hpp", "<new>", '"number.hpp"', "neither of lib/ nor public"),
    ("layers", "lib/odd/one.hpp", "", "#include <new>\n", "the folder lib/odd has no level"),
    ("layers", "examples/c/hello.c", "arenakv.h", "meta/thing.hpp", 'hello.c:2: "meta/thing.hpp" is not public'),
    ("file_sizes", "lib/base/long.hpp", "", "\n" * 251, "lib/base/long.hpp:251: 251 lines, at most 250"),
    ("file_sizes", "lib/base/long.cpp", "", "\n" * 401, "401 lines, at most 400"),
    ("file_sizes", "include/arenakv/long.h", "", "\n" * 351, "351 lines, at most 350"),
    ("file_sizes", "tests/unit/long.py", "", "\n" * 501, "501 lines, at most 500"),
    ("file_sizes", "lib/README.md", "", "\n" * 121, "121 lines, at most 120"),
    ("file_sizes", "examples/c/hello.h", "its own", "x" * 121, "examples/c/hello.h:1: 137 columns, at most 120"),
    ("banners", "lib/meta/thing.cpp", "thing.cpp", "other.cpp", "lib/meta/thing.cpp:1: no banner"),
    ("banners", "bindings/go/cache.go", "// cache.go: a cache.", "", "cache.go:1: no banner"),
    ("banners", "tests/run.py", '"""Run it."""', "import sys", "tests/run.py:1: no banner"),
    ("banners", "examples/meson.build", "", "subdir('c')\n", "examples/meson.build:1: no banner"),
    ("banners", "tests/run.sh", "", "#!/bin/sh\nset -e\n", "tests/run.sh:1: no banner"),
    *(("no_abort", "lib/meta/thing.cpp", "static_assert(true);", f"void f() {{\n  {bad}\n}}", f"thing.cpp:5: {say}")
      for bad, say in (("assert(x);", "assert()"), ("std::abort();", "abort()"), ("_exit(1);", "exit()"),
                       ("throw 1;", "throw"), ("std::terminate();", "terminate()"), ('printf("x");', "prints"),
                       ("std::cerr << 1;", "prints"), ("int *p = new int;", "naked new"),
                       ('getenv("X");', "reads the environment"), ("// FIXME", "FIXME"))),
    ("readme", "README.md", "Windows", "macOS", 'README.md:1: "Windows" is not mentioned'),
    ("readme", "README.md", "c/hello.c)", "c/hi.c)", "README.md:1: examples/c/hi.c is not there"),
    ("readme", "README.md", "its own", "his own", "README.md:3: this is not in examples/c/hello.h"),
    ("ledger", "include/CHANGELOG.md", "`akv_thing_read`", "`akv_thing_reader`", "thing.h:20: akv_thing_read is not"),
    ("ledger", "include/CHANGELOG.md", "* `akv_thing`\n", "", "thing.h:7: akv_thing is not in"),
    ("contracts", T, " * META ", " * SETUP", "thing.h:20: akv_thing_read: its class line must be"),
    ("contracts", T, "any, per-seq:", "any, sometimes:", 'line " * Thread ..."'),
    ("contracts", T, " * Fails    never. */", " */", 'one line " * Fails ..."'),
    ("contracts", T, "never. */\n", "never. */\n\n", "akv_thing_read: no contract"),
    ("contracts", T, READ, READ.replace(" AKV_NODISCARD", ""), "add AKV_NODISCARD"),
    ("contracts", T, READ, READ.replace("AKV_META ", ""), "it wants one export macro"),
    ("contracts", T, "*out_thing) AKV_NOEXCEPT", "*out_thing)", "add AKV_NOEXCEPT"),
    ("contracts", T, "akv_thing_copy", "akv_thing_move", "thing.h:26: akv_thing_move: `copy` is in a name if"),
    ("contracts", T, "akv_thing_read", "akv_thing_copy_out", "`copy` is in a name if and only if"),
    ("contracts", T, "*out_thing)", "*out_thing, akv_stream *s)", "a stream parameter is there if and only if"),
    ("contracts", T, ", akv_stream *stream", "", "a stream parameter is there if and only if"),
    *(("contracts", T, "uint32_t count", bad, "thing.h:9: akv_thing.")
      for bad in ("bool count", "enum akv_e count", "uint32_t count : 3", "union u count", "long count", "size_t count",
                  "int count", "uint32_t a, b")),
    ("contracts", B, "typedef int32_t", "extern int akv_global;\ntypedef int32_t",
     "base.h:13: `extern int akv_global` is no declaration"),
    ("headers", T, '#include "base.h"', "", "include/arenakv/thing.h:1: as c99 with gcc"),
    ("headers", T, "#ifndef ARENAKV_THING_H", "#if 1", "redefinition"),
    ("headers", B, "an error, and a comma */", "*/, // x", "as c99 with gcc"),
    ("inits", T, "(uint32_t)sizeof(akv_thing)", "8", "thing.h:14: AKV_THING_INIT: struct_size is 8, the struct has 24"),
    ("inits", T, "0u, NULL", "7u, NULL", "thing.h:14: AKV_THING_INIT: byte 4 is not 0"),
    ("inits", T, "NULL, NULL}", "NULL}", "missing initializer"),
    ("inits", T, "AKV_THING_INIT", "AKV_THINGS_INIT", "thing.h:7: akv_thing starts with struct_size and has no"),
    ("inits", T, "AKV_THING_INIT", "AKV_THINGS_INIT", "AKV_THINGS_INIT belongs to no struct"),
    ("facts", T, "uint32_t count", "uint8_t count", "thing.h:10: akv_thing hides 3 bytes before next"),
    ("facts", T, "*bytes;", "*bytes;\n  uint32_t more;", "thing.h:7: akv_thing hides 4 bytes at its end"),
    ("facts", B, "AKV_VERSION_MAJOR 0", "AKV_VERSION_MAJOR 1", "structs.akv_thing.size: was not there, is 24"),
    ("facts", T, "uint32_t count", "akv_unknown count", "can't be measured"),
    ("symbols", T, "akv_thing_read", "akv_thing_see", "thing.h:20: akv_thing_see is not in lib/libarenakv.map"),
    ("symbols", T, "akv_thing_read", "akv_thing_see", "thing.h:20: akv_thing_see is not exported"),
    ("symbols", T, "akv_thing_read", "akv_thing_see", "libarenakv.so: exports akv_thing_read, which no header"),
    ("symbols", "lib/libarenakv.map", "akv_thing_read", "akv_other", "libarenakv.map:5: akv_other is declared in no"),
    ("symbols", "lib/libarenakv.map", "akv_thing_read", "akv_*", "lib/libarenakv.map:5: wildcard akv_*"),
)

LIBRARY = "int akv_thing_read(void) { return 0; }\nint akv_thing_copy(void) { return 0; }\n"
GOOD_LINK = "-Wl,-z,nodelete,-z,relro,-z,now,-z,noexecstack"
HOST = """int akv_version(void) { return VERSION; }\nconst char *akv_version_string(void) { return "0"; }
const char *akv_status_name(int s) { return s ? "bad" : "good"; }
long akv_last_error(char *b, long n) { if (n) *b = 0; return 0; }
int akv_cache_create(void *c, void **out) { (void)c; static char place; *out = &place; return 0; }
int akv_cache_destroy(void *c) { (void)c; return ANSWER; }
int akv_cache_audit(void *c) { (void)c; return ANSWER; }
"""


def make(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(*command):
    environment = {key: value for key, value in os.environ.items() if key not in ("ARENAKV_TESTS_FULL", "CC")}
    done = subprocess.run([str(part) for part in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          env=environment, check=False)
    return done.returncode, done.stdout


def build(folder, name, source, *flags):
    """A file of this source; the compiler must take it."""
    make(folder, {name + ".c": source})
    status, output = run("gcc", "-w", "-o", folder / name, folder / (name + ".c"), *flags)
    assert status == 0, output
    return folder / name


def checker(name, root, library):
    script = HERE / f"{name}.py" if (HERE / f"{name}.py").is_file() else ABI / f"{name}.py"
    return run(sys.executable, script, "--root", root, *([library] if name == "symbols" else []))


def expect(label, outcome, status, text):
    if outcome[0] == status and text in outcome[1]:
        return []
    return [f"{label}: expected exit {status} and `{text}`, got exit {outcome[0]} and:\n{outcome[1]}"]


def sound_case(name, folder, library):
    root = folder / f"sound-{name}"
    make(root, SOUND)
    say = "advisory" if name == "facts" else "looked at"
    return expect(f"{name} on a sound tree", checker(name, root, library), 0, say)


def broken_case(number, case, folder, library):
    name, path, old, new, text = case
    root = folder / f"broken-{number}"
    if old and old not in SOUND[path]:
        return [f"case {number}: `{old}` does not stand in {path}"]
    make(root, {**SOUND, path: SOUND[path].replace(old, new, 1) if old else new})
    return expect(f"{name}, {path} with `{new.strip()[:60]}`", checker(name, root, library), 1, text)


def library_cases(folder):
    """What is wrong with the library itself, and not with the text."""
    make(folder / "tree", SOUND)
    for flags, say in (("", "not nodelete"), ("-Wl,-z,nodelete,-z,lazy", "not bound at once"),
                       (GOOD_LINK + ",-z,norelro", "no relro"), (GOOD_LINK + ",-z,execstack", "an executable stack"),
                       (GOOD_LINK + " -Wl,--no-as-needed -lstdc++", "it needs libstdc++.so.6")):
        library = build(folder, f"bad-{say.split()[-1]}.so", LIBRARY, "-shared", "-fPIC", *flags.split())
        yield expect(f"symbols, {flags}", checker("symbols", folder / "tree", library), 1, say)


def program_cases(folder):
    """The C programs, with libraries that break what they promise."""
    include = ["-I", HERE.parents[1] / "include"]
    dlopen, two_copies = (build(folder, name, (ABI / f"{name}.c").read_text(), *include, "-ldl", "-lpthread")
                          for name in ("dlopen", "two_copies"))
    shared = ("-shared", "-fPIC", "-DVERSION=1", "-DANSWER=0")
    stays, goes = build(folder, "libstays.so", HOST, *shared, GOOD_LINK), build(folder, "libgoes.so", HOST, *shared)
    short, long = folder / "short.map", folder / "long.map"
    make(folder, {"short.map": "    akv_version;\n", "long.map": "    akv_version;\n    akv_missing;\n"})
    yield expect("dlopen on a library that stays", run(dlopen, stays, short), 0, "1 names")
    yield expect("dlopen on a map with a name too many", run(dlopen, stays, long), 1, "long.map:2: dlsym finds no")
    yield expect("dlopen on a library that goes", run(dlopen, goes, short), 1, "has unloaded it")
    yield expect("two_copies that know each other's caches", run(two_copies, stays), 1, "expected -20")
    linked = build(folder, "links", (ABI / "links.c").read_text(), *include, stays, f"-Wl,-rpath,{folder}")
    yield expect("links with a library of another version", run(linked), 1, "the library 0x000001")


def archive_cases(folder):
    """Archives of kernels: a table and nothing else, and whatever else could come out of one."""
    table = "namespace akv { extern const int x_kernels; extern const int x_kernels = 1; }\n"
    for name, more, status, say in (("data", "int (*in_use)();", 1, "in_use (B) can be"),
                                    ("local", "namespace { volatile int own = 1; }", 0, "1 looked at"),
                                    ("weak", "inline int w() { return 1; } static auto p = &w;", 1, "_Z1wv (W)"),
                                    ("named", "int f() { return 1; }", 1, "_Z1fv (T) can be linked with")):
        source, archive = folder / f"{name}.cpp", folder / f"{name}.a"
        source.write_text(table + more)
        assert run("g++", "-w", "-c", source, "-o", folder / f"{name}.o")[0] == 0
        assert run("ar", "rcs", archive, folder / f"{name}.o")[0] == 0
        yield expect(f"kernel_symbols, {name}", run(sys.executable, HERE / "kernel_symbols.py", archive), status, say)
    (folder / "none.cpp").write_text("static int own;\n")
    assert run("g++", "-w", "-c", folder / "none.cpp", "-o", folder / "none.o")[0] == 0
    outcome = run(sys.executable, HERE / "kernel_symbols.py", folder / "none.o")
    yield expect("kernel_symbols without a table", outcome, 1, "there is no akv::")
    yield expect("kernel_symbols of no archive", run(sys.executable, HERE / "kernel_symbols.py"), 1, "nothing was found")


def padding_case(folder):
    """-Wpadded is clang's part of headers.py --full."""
    make(folder / "padded", {**SOUND, T: THING_H.replace("*bytes;", "*bytes;\n  uint32_t more;")})
    outcome = run(sys.executable, ABI / "headers.py", "--root", folder / "padded", "--full")
    return expect("headers --full with padding", outcome, 1, "-Wpadded")


def main():
    if shutil.which("gcc") is None or shutil.which("g++") is None:
        print("skipped: gcc and g++ are not installed")
        return 77
    names = {path.stem for folder in (HERE, ABI) for path in folder.glob("*.py") if path.name not in HELPERS}
    failures = [f"{name}.py has no case in tests/rules/test_checkers.py: add one"
                for name in sorted(names - {case[0] for case in CASES})]
    with tempfile.TemporaryDirectory() as name, concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        folder = pathlib.Path(name)
        library = build(folder, "libarenakv.so", LIBRARY, "-shared", "-fPIC", GOOD_LINK)
        jobs = [pool.submit(sound_case, name, folder, library) for name in sorted(names)]
        jobs += [pool.submit(broken_case, number, case, folder, library) for number, case in enumerate(CASES)]
        results = [job.result() for job in jobs] + list(library_cases(folder)) + list(program_cases(folder))
        results += archive_cases(folder)
        if shutil.which("clang-19") and shutil.which("clang++-19"):
            results.append(padding_case(folder))
    failures += [line for result in results for line in result]
    print("\n".join(failures + [f"{len(failures)} failures in {len(results)} cases: every checker can fail"]))
    return 1 if failures else 0


sys.exit(main())
