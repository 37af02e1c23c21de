"""test_layouts.py: what the package declares of the C API, against what the compiler measures in the headers.

Structs, functions and constants; the measuring is that of tests/abi/facts.py. Skipped without a C compiler.
"""
import ctypes
import dataclasses
import inspect
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import arenakv
from arenakv import _cache, _native

ROOT = pathlib.Path(__file__).resolve().parents[3]
PLAIN = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64,
         "int64_t": ctypes.c_int64, "size_t": ctypes.c_size_t, "akv_status": ctypes.c_int32,
         "akv_sequence": ctypes.c_uint64, "akv_plan": ctypes.c_uint64, "akv_ticket": ctypes.c_uint64}
# Of akv_cache_config; the rest belongs to nouns that the package does not have.
NO_KEYWORD = {"struct_size", "flags", "max_open_tickets", "max_plans", "max_holds", "max_pinned_blocks", "scrub",
              "num_groups", "group_size", "num_swap_blocks", "groups", "allocator"}


def ctype_of(c_type):
    """The ctypes type for a C type, as _native.py declares such a one."""
    name = re.sub(r"\bconst\b", "", c_type).replace(" ", "")
    if name in PLAIN:
        return PLAIN[name]
    if name == "char*":
        return ctypes.c_char_p
    if name in ("akv_cache*", "akv_layer_group*", "akv_allocator*"):
        return ctypes.c_void_p
    inner = name[:-1]
    if inner in _native.STRUCTS:
        return ctypes.POINTER(_native.STRUCTS[inner])
    return ctypes.POINTER(ctype_of(inner))


def facts():
    with tempfile.TemporaryDirectory() as folder:
        output = pathlib.Path(folder) / "facts.json"
        done = subprocess.run([sys.executable, ROOT / "tests/abi/facts.py", "--output", output], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode == 77:
            raise unittest.SkipTest(done.stdout.strip())
        if not output.is_file():
            raise AssertionError(done.stdout)
        return json.loads(output.read_text())


class Layouts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.facts = facts()

    def test_structs_have_the_compiler_s_sizes_offsets_and_types(self):
        for name, struct in _native.STRUCTS.items():
            fact = self.facts["structs"][name]
            self.assertEqual((ctypes.sizeof(struct), ctypes.alignment(struct)), (fact["size"], fact["align"]), name)
            self.assertEqual([field[0] for field in struct._fields_], list(fact["fields"]), name)
            for field, kind in struct._fields_:
                told = fact["fields"][field]
                here = getattr(struct, field)
                self.assertEqual((here.offset, here.size), (told["offset"], told["size"]), f"{name}.{field}")
                self.assertIs(kind, ctype_of(told["type"]), f"{name}.{field}")

    def test_every_struct_of_the_module_is_looked_at(self):
        declared = {one for one in vars(_native).values()
                    if inspect.isclass(one) and issubclass(one, ctypes.Structure)}
        self.assertEqual(declared, set(_native.STRUCTS.values()))

    def test_functions_have_the_header_s_types(self):
        """S2 the package calls what the headers declare."""
        for name, (result, parameters) in _native.FUNCTIONS.items():
            fact = self.facts["functions"][name]
            self.assertIs(result, ctype_of(fact["returns"]), name)
            self.assertEqual(parameters, [ctype_of(parameter) for parameter in fact["parameters"]], name)

    def test_every_function_that_is_called_was_declared(self):
        text = pathlib.Path(_native.__file__).read_text()
        self.assertEqual(set(re.findall(r"_library\.(\w+)", text)), set(_native.FUNCTIONS))

    def test_only_one_file_knows_ctypes(self):
        folder = pathlib.Path(_native.__file__).parent
        self.assertEqual([path.name for path in folder.glob("*.py") if "ctypes." in path.read_text()], ["_native.py"])

    def test_constants_have_the_header_s_values(self):
        constants = self.facts["constants"]
        statuses = {name[10:]: value for name, value in constants.items() if name.startswith("AKV_ERROR_")}
        self.assertEqual({status.name: status.value for status in arenakv.Status}, {"OK": 0, **statuses})
        for enumeration, prefix in ((arenakv.Feature, "AKV_FEATURE_"),
                                    (arenakv.BlockAllocator, "AKV_BLOCK_ALLOCATOR_")):
            told = {name[len(prefix):]: value for name, value in constants.items() if name.startswith(prefix)}
            self.assertEqual({one.name: one.value for one in enumeration}, told)
        self.assertEqual(_cache._PREFAULT, constants["AKV_CACHE_PREFAULT"])

    def test_values_have_the_fields_of_their_structs(self):
        for value, name in ((arenakv.CacheState, "akv_cache_state"), (arenakv.SequenceInfo, "akv_sequence_info")):
            fields = self.facts["structs"][name]["fields"]
            self.assertEqual([field.name for field in dataclasses.fields(value)],
                             [field for field in fields if field not in ("struct_size", "unused")])

    def test_keywords_of_a_cache_are_fields_of_its_configuration(self):
        keywords = set(inspect.signature(arenakv.Cache).parameters) - {"prefault"}
        self.assertEqual(keywords, set(self.facts["structs"]["akv_cache_config"]["fields"]) - NO_KEYWORD)

    def test_the_version_is_the_header_s(self):
        parts = [self.facts["constants"][f"AKV_VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(arenakv.version(), ".".join(map(str, parts)))
