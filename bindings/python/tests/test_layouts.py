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
from arenakv import _enums, _native
from arenakv._native import byte_structs, library, structs

ROOT = pathlib.Path(__file__).resolve().parents[3]
PACKAGE = pathlib.Path(arenakv.__file__).parent
PACKAGE_SOURCE = ROOT / "bindings/python/arenakv"
PLAIN = {"int32_t": ctypes.c_int32, "uint32_t": ctypes.c_uint32, "uint64_t": ctypes.c_uint64,
         "int64_t": ctypes.c_int64, "uint16_t": ctypes.c_uint16, "size_t": ctypes.c_size_t, "float": ctypes.c_float,
         "double": ctypes.c_double, "uint8_t": ctypes.c_uint8, "akv_status": ctypes.c_int32}
LENGTHS = {"AKV_MAX_DIMENSIONS": _native.MAX_DIMENSIONS, "AKV_LABEL_BYTES": _native.LABEL_BYTES}
STRUCTS = {"akv" + re.sub("([A-Z])", lambda letter: "_" + letter[1].lower(), name): one
           for module in (structs, byte_structs) for name, one in vars(module).items()
           if inspect.isclass(one) and issubclass(one, ctypes.Structure) and one.__module__ == module.__name__
           and one is not structs.Sized}
NOT_BOUND = {"akv_allocator"}  # a binding has no memory to lend that is better than the library's own
# Enumerations of the package and the prefix of their constants; what else has that prefix is in another one.
ENUMS = {"Feature": "FEATURE", "BlockAllocator": "BLOCK_ALLOCATOR", "Scrub": "SCRUB", "DType": "DTYPE",
         "Scaling": "SCALING", "Role": "PLANE", "Format": "FORMAT", "Layout": "LAYOUT", "Heads": "HEADS",
         "Columns": "STORE", "Moved": "MOVED", "RecordKind": "PLAN", "Miss": "MISS", "TicketState": "TICKET",
         "BlockState": "BLOCK", "Hold": "HOLD", "Advice": "ADVICE", "Content": "CONTENT", "Purpose": "PURPOSE",
         "LogLevel": "LOG", "Isa": "ISA", "Family": "FAMILY", "AttentionKind": "ATTENTION",
         "SequenceState": "SEQUENCE", "SequenceFlag": "SEQUENCE", "LineFlag": "LINE"}
ELSEWHERE = {"AKV_BLOCK_ALLOCATOR_STACK", "AKV_BLOCK_ALLOCATOR_BUDDY", "AKV_STORE_SMALL_PAGES"}
VALUES = {"Room": "akv_room", "SequenceInfo": "akv_sequence_info", "CacheState": "akv_cache_state",
          "Match": "akv_match", "Explanation": "akv_explanation", "PlanInfo": "akv_plan_info",
          "PlanRecord": "akv_plan_record", "Measures": "akv_measures", "SequenceLine": "akv_sequence_line",
          "HoldLine": "akv_hold_line", "Sizes": "akv_sizes", "StoreInfo": "akv_store_info",
          "CopyStats": "akv_copy_stats", "Residence": "akv_residence", "ImageInfo": "akv_image_info",
          "MemoryTotals": "akv_memory_totals", "MemoryView": "akv_memory_view", "ArenaInfo": "akv_arena_info",
          "Dropped": "akv_dropped", "PagePoolState": "akv_page_pool_state", "TailInfo": "akv_tail_info",
          "ModelSizes": "akv_model_sizes", "PlannerResult": "akv_planner_result", "PageSize": "akv_page_size",
          "RegionInfo": "akv_region", "Plane": "akv_plane"}
# What Cache() has other words for, or none.
NO_KEYWORD = {"struct_size", "flags", "num_groups", "group_size", "groups", "allocator"}


def ctype_of(c_type):
    """The ctypes type for a C type of a field or parameter, as the package declares such a one."""
    name = re.sub(r"\bconst\b", "", c_type).replace(" ", "")
    if match := re.fullmatch(r"(\w+)\[(\w+)\]", name):
        return ctype_of(match[1]) * LENGTHS.get(match[2], int(match[2]) if match[2].isdigit() else 0)
    if name in PLAIN:
        return PLAIN[name]
    if name.endswith("_function") or "*" in name:
        return ctypes.c_void_p
    return ctypes.c_uint64  # a handle


def parameter_of(c_type):
    """A pointer to a struct takes the struct, any other one an address."""
    name = re.sub(r"\bconst\b", "", c_type).replace(" ", "")
    return STRUCTS[name[:-1]] if name[:-1] in STRUCTS and name.endswith("*") else ctype_of(c_type)


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
        for name, struct in STRUCTS.items():
            fact = self.facts["structs"][name]
            self.assertEqual((ctypes.sizeof(struct), ctypes.alignment(struct)), (fact["size"], fact["align"]), name)
            self.assertEqual([field[0] for field in struct._fields_], list(fact["fields"]), name)
            for field, kind in struct._fields_:
                told = fact["fields"][field]
                here = getattr(struct, field)
                self.assertEqual((here.offset, here.size), (told["offset"], told["size"]), f"{name}.{field}")
                self.assertIs(kind, ctype_of(told["type"]), f"{name}.{field}")

    def test_every_struct_of_the_headers_is_there(self):
        self.assertEqual(set(STRUCTS), set(self.facts["structs"]) - NOT_BOUND)

    def test_sized_structs_say_their_size(self):
        for name, fact in self.facts["structs"].items():
            if name not in NOT_BOUND:
                sized = "struct_size" in fact["fields"]
                self.assertEqual(issubclass(STRUCTS[name], structs.Sized), sized, name)
                if sized:
                    self.assertEqual(STRUCTS[name]().struct_size, fact["size"], name)

    def test_functions_have_the_header_s_types(self):
        """S2 S3 the package has every function of the headers, with its types."""
        self.assertEqual(set(library.FUNCTIONS), set(self.facts["functions"]))
        for name, parameters in library.FUNCTIONS.items():
            fact = self.facts["functions"][name]
            result = ctypes.c_char_p if fact["returns"] == "const char *" else ctype_of(fact["returns"])
            self.assertIs(library.RESULTS.get(name, ctypes.c_int32), result, name)
            self.assertEqual(list(parameters), [parameter_of(kind) for kind in fact["parameters"]], name)

    def test_every_function_is_called_by_somebody(self):
        text = "".join(path.read_text() for path in PACKAGE.rglob("*.py"))
        called = set(re.findall(r"\blib\.(akv_\w+)", text))
        self.assertEqual(called - set(library.FUNCTIONS), set())
        self.assertEqual(set(library.FUNCTIONS) - called, set())

    def test_only_one_folder_knows_ctypes(self):
        wrong = [path.name for path in PACKAGE.rglob("*.py")
                 if "ctypes" in path.read_text() and path.parent.name != "_native"]
        self.assertEqual(wrong, [])

    def test_constants_have_the_header_s_values(self):
        constants = self.facts["constants"]
        statuses = {name[10:]: value for name, value in constants.items() if name.startswith("AKV_ERROR_")}
        self.assertEqual({status.name: status.value for status in arenakv.Status}, {"OK": 0, **statuses})
        told = {}
        for name, prefix in ENUMS.items():
            for one in getattr(arenakv, name):
                told[f"AKV_{prefix}_{one.name}"] = one.value
        for name, value in told.items():
            self.assertEqual(constants[name], value, name)
        prefixes = tuple(f"AKV_{prefix}_" for prefix in ENUMS.values())
        self.assertEqual({name for name in constants if name.startswith(prefixes)} - set(told) - ELSEWHERE, set())
        for name in ("TOKEN_UNKNOWN", "PAD_SLOT", "NULL_BLOCK", "UNSET", "MAX_BLOCK_TOKENS"):
            self.assertEqual(getattr(_enums, name), constants[f"AKV_{name}"], name)
        self.assertEqual((arenakv.POINT_ALL, _native.MAX_DIMENSIONS, _native.LABEL_BYTES), tuple(
            constants[f"AKV_{name}"] for name in ("POINT_ALL", "MAX_DIMENSIONS", "LABEL_BYTES")))

    def test_flags_that_are_keywords_have_the_header_s_values(self):
        from arenakv import _cache, _copy, _copy_store, _pool, _store, _view

        for value, name in ((_cache._PREFAULT, "CACHE_PREFAULT"), (_cache._KEEP_PINNED, "CLEAR_KEEP_PINNED"),
                            (_cache._IN_FLIGHT, "DROP_IN_FLIGHT"), (_copy._ANY_LABEL, "LOAD_ANY_LABEL"),
                            (True, "SAVE_ORDERED"), (True, "APPEND_COMMITTED"), (True, "TRUNCATE_KEEP_BLOCKS"),
                            (_copy_store._VERIFY, "BLOCKS_VERIFY"), (_copy_store.RUN_ORDERED, "RUN_ORDERED"),
                            (_copy_store.RUN_VERIFY, "RUN_VERIFY"), (_copy_store.RUN_FINISH, "RUN_FINISH"),
                            (_pool._PREFAULT, "PAGE_POOL_PREFAULT"), (_pool._DIRTY, "PAGE_POOL_DIRTY"),
                            (_store._SMALL_PAGES, "STORE_SMALL_PAGES"), (_view._READ_ONLY, "VIEW_READ_ONLY")):
            self.assertEqual(value, self.facts["constants"][f"AKV_{name}"], name)

    def test_values_have_the_fields_of_their_structs(self):
        for value, name in VALUES.items():
            kind = getattr(arenakv, value)
            self.assertEqual([field.name for field in dataclasses.fields(kind)],
                             [field for field in self.facts["structs"][name]["fields"]
                              if field not in ("struct_size", "unused")], value)

    def test_keywords_are_fields_of_their_configuration(self):
        for call, name, others, without in (
                (arenakv.Cache, "akv_cache_config", {"prefault", "geometry"}, NO_KEYWORD),
                (arenakv.PagePool, "akv_page_pool_config", {"prefault", "dirty"}, {"flags", "device", "memory_bytes"}),
                (arenakv.Stream, "akv_stream_config", set(), {"flags", "device"}),
                (arenakv.Tracker, "akv_tracker_config", set(), set()),
                (arenakv.Store, "akv_store_config", {"cache", "small_pages"},
                 {"flags", "device", "num_layers", "num_regions", "region_size"})):
            keywords = set(inspect.signature(call).parameters) - others
            fields = set(self.facts["structs"][name]["fields"]) - {"struct_size", "unused"} - without
            self.assertEqual(keywords, fields, name)

    def test_the_version_is_the_header_s(self):
        parts = [self.facts["constants"][f"AKV_VERSION_{part}"] for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(arenakv.version(), ".".join(map(str, parts)))
        self.assertEqual(arenakv.version_number(), self.facts["constants"]["AKV_VERSION"])


class Files(unittest.TestCase):
    def test_every_file_of_the_package_is_installed(self):
        listed = set(re.findall(r"'arenakv/([\w/.]+\.\w+)'", (PACKAGE_SOURCE.parent / "meson.build").read_text()))
        there = {str(path.relative_to(PACKAGE_SOURCE)) for path in PACKAGE_SOURCE.rglob("*")
                 if path.suffix in (".py", ".typed") and "__pycache__" not in path.parts}
        self.assertEqual(listed, there)
