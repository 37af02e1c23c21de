"""builds.py: the builds that tests run in, how one is made and run, and what is told at the end.

It knows Meson; suites are named in the tests' own meson.build files.
"""
import dataclasses
import json
import shutil
import subprocess
import sys


@dataclasses.dataclass(frozen=True)
class Build:
    name: str
    options: tuple
    compiler: tuple = ()  # CC, CXX; empty: the system's own
    suites: tuple = ()    # empty: all
    wants: str = ""       # a program without which it is skipped


SANITIZER = ("-Ddebug=true", "-Doptimization=1", "-Dsanitizer_runtime=true", "-Db_lundef=false")
BUILDS = (
    Build("asan", SANITIZER + ("-Db_sanitize=address,undefined",), suites=("unit", "contract", "model", "stress")),
    Build("tsan", SANITIZER + ("-Db_sanitize=thread",), ("clang-19", "clang++-19"),
          ("unit", "contract", "model", "stress"), "clang++-19"),
    # (Under sanitizers gcc warns about the standard library's own code.)
    Build("release", ("-Dbuildtype=release", "--werror")),
)


@dataclasses.dataclass
class Result:
    build: str
    passed: bool
    summary: list
    skips: list


def choose(names):
    """The builds that have the suites of these names; all without names."""
    if not names:
        return BUILDS
    chosen = [build for build in BUILDS if build.name in names]
    if any(name not in {build.name for build in BUILDS} for name in names):
        chosen.append(BUILDS[-1])
    return list(dict.fromkeys(chosen))


def run(root, build, names, full, environment):
    if build.wants and not shutil.which(build.wants, path=environment["PATH"]):
        return Result(build.name, True, [], [(f"the {build.name} build", f"{build.wants} is not installed")])
    folder = root / "build" / build.name
    compilers = dict(zip(("CC", "CXX"), build.compiler))
    if not (folder / "build.ninja").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run(["meson", "setup", str(folder), str(root), "-Dtests=true", *build.options],
                       env={**environment, **compilers}, check=True)
    suites = [name for name in names or () if name != build.name] or list(build.suites)
    # It builds what these suites want, and no more.
    command = ["meson", "test", "-C", str(folder), "--print-errorlogs", "--num-processes", "2"]
    command += ["--setup", "full" if full else "quick"]
    for suite in suites:
        command += ["--suite", suite]
    command += [] if full else ["--no-suite", "full"]  # the setup alone does not hold where suites are named
    print(f"\n== {build.name}: {', '.join(suites) or 'all suites'} ==", flush=True)
    if not suites:
        subprocess.run(["ninja", "-C", str(folder)], env=environment, check=True)
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    lines = []
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line.rstrip())
    passed = process.wait() == 0
    return Result(build.name, passed, closing(lines), skipped(folder, "full" if full else "quick"))


def closing(lines):
    """The runner's own last words: the lines from "Ok:" on."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Ok:")), len(lines))
    return [line for line in lines[start:] if line and not line.startswith("Full log")]


def skipped(folder, setup):
    """(test, its reason) of what the last run skipped."""
    log = folder / "meson-logs" / f"testlog-{setup}.json"
    skips = []
    for line in log.read_text().splitlines() if log.exists() else ():
        test = json.loads(line)
        if test["result"] == "SKIP":
            said = [text for text in test.get("stdout", "").splitlines() if text.strip()]
            skips.append((test["name"], said[-1] if said else "it gave no reason"))
    return skips


def tell(results, missing):
    print("\n== all builds ==")
    for package in missing:
        print(f"not installed: {package}")
    for result in results:
        for test, reason in result.skips:
            print(f"skipped in {result.build}: {test}: {reason}")
    for result in results:
        print(f"{result.build}:")
        for line in result.summary:
            print(f"  {line}")
    failed = [result.build for result in results if not result.passed]
    print(f"FAILED: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0
