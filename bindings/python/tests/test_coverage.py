"""test_coverage.py: bindings/coverage-python.toml names a wrapper for every C function, and each is there."""
import pathlib
import re
import unittest

import arenakv
from arenakv import _copy, _copy_store, _pager, _pool, _tail

ROOT = pathlib.Path(__file__).resolve().parents[3]
COPIES = {name: getattr(module, name) for module, name in (
    (_copy, "CacheCopy"), (_copy_store, "StoreCopy"), (_pool, "PoolCopy"), (_pool, "TensorCopy"),
    (_pager, "PagerCopy"), (_tail, "TailCopy"))}


class Coverage(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = (ROOT / "bindings/coverage-python.toml").read_text()
        cls.told = dict(re.findall(r'^(\w+) = "([^"]+)"$', text, re.MULTILINE))

    def test_every_function_of_the_symbol_map_is_there(self):
        """S3 no function is forgotten."""
        exported = re.findall(r"^\s+(akv_\w+);", (ROOT / "lib/libarenakv.map").read_text(), re.MULTILINE)
        self.assertEqual(sorted(self.told), sorted(exported))

    def test_every_wrapper_is_there(self):
        for function, wrapper in self.told.items():
            if wrapper.startswith("raw-only: "):
                continue
            first, _, rest = wrapper.partition(".")
            owner = COPIES[first] if first in COPIES else getattr(arenakv, first)
            self.assertTrue(callable(getattr(owner, rest) if rest else owner), f"{function}: {wrapper}")

    def test_only_copies_move_bytes(self):
        """A4 what moves K/V is under `copy`, and nothing else is."""
        for function, wrapper in self.told.items():
            moves = function.startswith("akv_copy_")
            self.assertEqual(wrapper.partition(".")[0] in COPIES, moves, f"{function}: {wrapper}")
