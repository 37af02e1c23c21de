"""tree.py: what the checkers share: the files of the tree, code without its comments, and how findings are told.

It knows no rule. Every checker takes --root DIR, so that it can be tried on a small broken tree (test_checkers.py).
"""
import argparse
import pathlib
import re

C_FAMILY = (".c", ".h", ".cpp", ".hpp", ".cu", ".cuh")
SOURCES = C_FAMILY + (".py", ".sh", ".rs", ".go")
NOT_OURS = re.compile(r"\.|build$|dist$|target$|__pycache__$|node_modules$|.*\.egg-info$")

COMMENT = r"//[^\n]*|/\*.*?\*/"
QUOTED = r'R"(?P<mark>\w*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|(?<!\w)\'(?:\\.|[^\'\\\n])+\''
COMMENT_OR_QUOTED = re.compile(f"(?P<comment>{COMMENT})|{QUOTED}", re.DOTALL)


def parser(description):
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve()
    result.add_argument("--root", type=pathlib.Path, default=here.parents[2], help="the tree to look at")
    return result


def root(description):
    """For checkers that take nothing else."""
    return parser(description).parse_args().root


def files(root, *folders, suffixes=SOURCES, names=()):
    """The files of these folders that have one of these suffixes or names, without what tools put there."""
    found = []
    for folder in folders:
        for path in sorted((root / folder).rglob("*")):
            inside = path.relative_to(root).parts
            if any(NOT_OURS.match(part) for part in inside[:-1]) or not path.is_file():
                continue
            if path.suffix in suffixes or path.name in names:
                found.append(path)
    return found


def blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_of(text, keep_quoted=False):
    """C-like text with comments, and what stands in quotes, as blanks: lines and columns stay where they are."""
    def replace(match):
        return match[0] if keep_quoted and match["comment"] is None else blank(match[0])
    return COMMENT_OR_QUOTED.sub(replace, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def finish(promise, findings, looked_at):
    """Tell what was found; the exit status."""
    for finding in findings:
        print(finding)
    if not looked_at:
        print(f"nothing was found to look at, so this is not kept: {promise}")
    elif findings:
        print(f"{len(findings)} findings against: {promise}")
    else:
        print(f"{looked_at} looked at: {promise}")
    return 1 if findings or not looked_at else 0
