"""builds.py: the builds that tests run in, how one is made and run, and what is told at the end.

It knows Meson; suites are named in the tests' own meson.build files.
"""
import dataclasses
import json
import shutil
import subprocess
import sys

import provision


@dataclasses.dataclass(frozen=True)
class Build:
    name: str
    options: tuple
    compiler: tuple = ()  # CC, CXX; empty: the system's own
    suites: tuple = ()    # empty: all
    wants: tuple = ()     # programs and files without which it is skipped
    sanitizer: bool = True


SANITIZER = ("-Ddebug=true", "-Doptimization=1", "-Dsanitizer_runtime=true", "-Db_lundef=false")
BUILDS = (
    # Where variables are kept is for debuggers, and takes gcc a third of its time; lines of code are told without it.
    Build("asan", SANITIZER + ("-Db_sanitize=address,undefined", "-Dcpp_args=-fno-var-tracking"),
          suites=("unit", "contract", "conformance", "model", "bytes", "stress")),
    Build("tsan", SANITIZER + ("-Db_sanitize=thread",), ("clang-19", "clang++-19"),
          ("unit", "contract", "conformance", "model", "bytes", "stress"), ("clang++-19", provision.TSAN_RUNTIME)),
    # (Under sanitizers gcc warns about the standard library's own code.)
    Build("release", ("-Dbuildtype=release", "--werror"), sanitizer=False),
)


@dataclasses.dataclass
class Result:
    build: str
    passed: bool
    summary: list
    skips: list


def choose(names):
    """(build, its suites) for these names of builds and suites; all without names."""
    builds = {build.name: build for build in BUILDS}
    chosen = [(build, build.suites) for build in BUILDS if not names or build.name in names]
    suites = tuple(name for name in names or () if name not in builds)
    return chosen + ([(builds["release"], suites)] if suites else [])


def run(root, build, suites, full, environment):
    if missing := [want for want in build.wants if not provision.present(want)]:
        return Result(build.name, True, [], [(f"the {build.name} build", f"{missing[0]} is not installed")])
    print(f"\n== {build.name}: {', '.join(suites) or 'all suites'} ==", flush=True)
    folder = root / "build" / build.name
    if not set_up(root, folder, build, environment):
        return Result(build.name, False, ["it can't be configured or compiled, see above"], [])
    setup = "full" if full and not build.sanitizer else "quick"
    # It builds what these suites want, and no more.
    command = ["meson", "test", "-C", str(folder), "--print-errorlogs", "--num-processes", "2", "--setup", setup]
    for suite in suites:
        command += ["--suite", suite]
    command += [] if setup == "full" else ["--no-suite", "full"]  # the setup alone does not hold where suites are named
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, errors="replace")
    lines = []
    for line in process.stdout:
        sys.stdout.write(line)
        sys.stdout.flush()
        lines.append(line.rstrip())
    summary = closing(lines)
    passed = process.wait() == 0 and bool(summary)
    return Result(build.name, passed, summary or [f"no test has the suite {', '.join(suites)}"], skipped(folder, setup))


def set_up(root, folder, build, environment):
    """Configure the folder, anew where the options have changed."""
    stamp = folder / ".arenakv-options"
    if not stamp.exists() or stamp.read_text() != repr(build):
        shutil.rmtree(folder, ignore_errors=True)
        compilers = dict(zip(("CC", "CXX"), build.compiler))
        done = subprocess.run(["meson", "setup", str(folder), str(root), "-Dtests=true", *build.options],
                              env={**environment, **compilers}, check=False)
        if done.returncode != 0:
            return False
        stamp.write_text(repr(build))
    if build.suites:
        return True
    return subprocess.run(["ninja", "-C", str(folder)], env=environment, check=False).returncode == 0


def closing(lines):
    """The runner's own last words: the lines from "Ok:" on."""
    start = max((i for i, line in enumerate(lines) if line.startswith("Ok:")), default=len(lines))
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
