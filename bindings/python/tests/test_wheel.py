"""test_wheel.py: `pip install .` gives a wheel for any Python 3 of this platform, and what is in it works.

It builds the wheel from a copy of the tree and installs it into an environment of its own. pip fetches the build tools,
so it wants a network, and is of the suite `full` (tests/run --full).
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
HERE = pathlib.Path(__file__).resolve().parent
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")
FILES = ("LICENSE", "meson.build", "meson.options", "pyproject.toml", "bindings", "examples", "include", "kernelcheck",
         "lib")


def output_of(*command, **options):
    """What a command prints; without the caller's Python paths."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          env=environment, **options)
    if done.returncode != 0:
        raise AssertionError(f"{command} exited with {done.returncode}:\n{done.stdout}")
    return done.stdout


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(holder.cleanup)
        folder = pathlib.Path(holder.name)
        source = folder / "source"
        source.mkdir()
        for name in FILES:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, source / name)
        venv.create(folder / "env", with_pip=True)
        cls.bin = folder / "env" / "bin"
        output_of(cls.bin / "python", "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, source)
        (cls.wheel,) = folder.glob("*.whl")
        output_of(cls.bin / "python", "-m", "pip", "install", "--no-index", cls.wheel)
        cls.names = zipfile.ZipFile(cls.wheel).namelist()

    def text(self, name):
        (found,) = [one for one in self.names if one.endswith(name)]
        return zipfile.ZipFile(self.wheel).read(found).decode()

    def python(self, program):
        return output_of(self.bin / "python", "-c", program, cwd=self.bin).strip()

    def test_the_tag_is_any_python_3_of_this_platform(self):
        version = output_of(sys.executable, ROOT / "include/read_version.py").strip()
        self.assertEqual(self.wheel.name, f"arenakv-{version}-py3-none-{PLATFORM}.whl")
        self.assertIn(f"\nTag: py3-none-{PLATFORM}\n", self.text("/WHEEL").rstrip() + "\n")
        self.assertIn("\nRoot-Is-Purelib: false\n", self.text("/WHEEL"))

    def test_it_holds_the_package_the_library_and_nothing_else(self):
        source = HERE.parent / "arenakv"
        package = {f"arenakv/{path.relative_to(source)}" for path in source.rglob("*")
                   if path.suffix in (".py", ".typed")}
        rest = {re.sub(r"^arenakv-[^/]*\.", "", name) for name in self.names} - package
        information = {"dist-info/METADATA", "dist-info/WHEEL", "dist-info/RECORD", "dist-info/licenses/LICENSE"}
        self.assertLessEqual(package | {"arenakv/libarenakv.so"}, set(self.names))
        self.assertEqual(rest, information | {"arenakv/libarenakv.so", "data/scripts/arenakv",
                                           "data/scripts/arenakv-kernelcheck"})

    def test_the_metadata_says_license_and_python(self):
        metadata = self.text("/METADATA")
        for line in ("License-Expression: Apache-2.0", "License-File: LICENSE", "Requires-Python: >=3.9"):
            self.assertIn(f"\n{line}\n", metadata)
        self.assertNotIn("\nRequires-Dist:", metadata)

    def test_installed_it_loads_its_own_library(self):
        """S4 the package loads the library that it ships."""
        self.assertEqual(self.python("import arenakv, importlib.metadata as m; print(m.version('arenakv') == "
                                     "arenakv.version())"), "True")
        loaded = self.python("import arenakv; print([line.split()[-1] for line in open('/proc/self/maps') if "
                             "'libarenakv' in line][0] == arenakv.__path__[0] + '/libarenakv.so')")
        self.assertEqual(loaded, "True")

    def test_installed_it_runs_the_readme_s_example(self):
        text = (HERE.parent / "README.md").read_text()
        program, wanted = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL)[1] for kind in ("python", "text"))
        self.assertEqual(self.python(program), wanted.strip())

    def test_installed_it_needs_nothing_else_for_k_v(self):
        """A15 tensors in pages, and a block in a store, without NumPy or torch."""
        self.assertEqual(self.python(
            "import array, arenakv as a\n"
            "shape = a.Geometry.of(1, 1, 4, a.DType.F32)\n"
            "with a.ArenaKVCacheManager(shape) as m, a.Cache(num_blocks=4, geometry=shape) as c, c.store() as s:\n"
            "    k = m.create_sequence_arena().create_cache(); k.extend(2)\n"
            "    s.copy.scatter([a.Span([1], 1, array.array('f', range(8)))])\n"
            "    print(k.view(0, 1).shape, s.view(0, 1).memory().cast('f')[64:68].tolist())"),
            "(2, 1, 4) [4.0, 5.0, 6.0, 7.0]")

    def test_installed_the_command_is_on_the_path_and_needs_no_library_beside_it(self):
        self.assertIn(self.python("import arenakv; print(arenakv.version())"), output_of(self.bin / "arenakv", "info"))
