"""test_readme.py: the example in the package's README does what the README says it does."""
import contextlib
import io
import pathlib
import re
import unittest

README = pathlib.Path(__file__).resolve().parents[1] / "README.md"


class Readme(unittest.TestCase):
    def test_the_example_prints_what_stands_below_it(self):
        text = README.read_text()
        programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        wanted = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
        self.assertEqual((len(programs), len(wanted)), (1, 1))
        self.assertLess(programs[0].count("\n"), 20)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(programs[0], str(README), "exec"), {"__name__": "readme"})
        self.assertEqual(printed.getvalue(), wanted[0])
