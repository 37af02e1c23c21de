"""find_nlohmann_json.py: print where the PyPI package nlohmann-json keeps its headers, or fail.

It imports nothing of that package, which wants others.
"""
import importlib.util
import pathlib
import sys

package = importlib.util.find_spec("nlohmann_json")
for folder in (package.submodule_search_locations or ()) if package else ():
    if (pathlib.Path(folder) / "include/nlohmann/json.hpp").is_file():
        print(pathlib.Path(folder) / "include")
        sys.exit(0)
sys.exit("nlohmann-json is not installed")
