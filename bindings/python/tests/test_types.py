"""test_types.py: the package is clean under mypy --strict. Skipped where mypy is not installed."""
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PACKAGE = pathlib.Path(__file__).resolve().parents[1] / "arenakv"
USER = """import arenakv

with arenakv.Cache(num_blocks=8) as cache:
    created: arenakv.Created = cache.create(range(4))
    blocks: list[int] = created.sequence.blocks()
    free: int = cache.state().free_blocks
    with cache.store() as store, arenakv.Stream(1) as stream:
        store.copy.zero(blocks, stream=stream)
        shape: tuple[int, ...] = store.view(0, 0).shape
"""


def mypy():
    if importlib.util.find_spec("mypy"):
        return [sys.executable, "-m", "mypy"]
    if shutil.which("mypy"):
        return ["mypy"]
    raise unittest.SkipTest("mypy is not installed: pip install mypy")


class Types(unittest.TestCase):
    def check(self, *arguments, **options):
        with tempfile.TemporaryDirectory() as cache:
            done = subprocess.run([*mypy(), "--strict", "--cache-dir", cache, *arguments], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        return done.returncode, done.stdout

    def test_the_package_is_strict(self):
        status, output = self.check(str(PACKAGE))
        self.assertEqual(status, 0, output)

    def test_a_program_sees_the_types(self):
        with tempfile.TemporaryDirectory() as folder:
            program = pathlib.Path(folder) / "program.py"
            shutil.copytree(PACKAGE, pathlib.Path(folder) / "arenakv")
            program.write_text(USER)
            status, output = self.check("program.py", cwd=folder)
            self.assertEqual(status, 0, output)
            program.write_text(USER.replace("free: int", "free: str"))
            status, output = self.check("program.py", cwd=folder)
            self.assertEqual(status, 1, output)
            self.assertIn("program.py:6: error: Incompatible types", output)
