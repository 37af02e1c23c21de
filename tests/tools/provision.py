"""provision.py: what the tests want from outside: Debian packages, and Python tools in .venv.

It installs what is missing and says what it could not install; it knows no test.
"""
import os
import shutil
import subprocess
import sys

TSAN_RUNTIME = "/usr/lib/llvm-19/lib/clang/19/lib/linux/libclang_rt.tsan-x86_64.a"
# A program or file that tells whether the package is there, and the package.
SYSTEM = (
    ("/usr/include/catch2", "catch2"),
    ("pkg-config", "pkg-config"),
    ("g++", "g++"),
    ("cmake", "cmake"),
    ("clang++-19", "clang-19"),
    (TSAN_RUNTIME, "libclang-rt-19-dev"),
    ("clang++-22", "clang-22"),
    ("/usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.rtsan-x86_64.a", "libclang-rt-22-dev"),
)
PYTHON = ("meson==1.12.1", "ninja==1.13.2", "nlohmann-json==3.12.0", "meson-python==0.22.1", "build==1.6.1", "mypy==2.4.1",
          "numpy==2.4.6")


def present(sign):
    sign = sign.replace("x86_64", os.uname().machine)
    return os.path.exists(sign) if sign.startswith("/") else shutil.which(sign) is not None


def call(*command, **options):
    print("+", *command, flush=True)
    return subprocess.run(command, check=False, **options).returncode == 0


def system_packages():
    """The packages that are missing and could not be installed."""
    wanted = [package for sign, package in SYSTEM if not present(sign)]
    if not wanted:
        return []
    root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") and (not root or shutil.which("sudo")):
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        call(*root, "apt-get", "update", "-q", **quiet)
        for package in wanted:  # one by one: an old release lacks some
            call(*root, "apt-get", "install", "-yq", "--no-install-recommends", package, **quiet)
    return [package for sign, package in SYSTEM if not present(sign)]


def python_tools(root):
    """The folder of the programs in .venv."""
    venv = root / ".venv"
    if not (venv / "bin" / "pip").exists():
        made = call(sys.executable, "-m", "venv", str(venv))
        if not made and os.geteuid() == 0 and shutil.which("apt-get"):  # Debian keeps ensurepip in a package of its own
            call("apt-get", "update", "-q", stdout=subprocess.DEVNULL)
            call("apt-get", "install", "-yq", "python3-venv", stdout=subprocess.DEVNULL)
            made = call(sys.executable, "-m", "venv", "--clear", str(venv))
        if not made:
            sys.exit("tests/run: no virtual environment can be made: install python3-venv")
    stamp = venv / ".arenakv-tests"
    if not stamp.exists() or stamp.read_text() != repr(PYTHON):
        if not call(str(venv / "bin" / "pip"), "install", "-q", "--disable-pip-version-check", *PYTHON):
            sys.exit("tests/run: pip could not install what the tests are built with")
        stamp.write_text(repr(PYTHON))
    return venv / "bin"
