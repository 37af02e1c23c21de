"""public_api.py: the public headers as lists of functions, structs, aliases, enumerators and macros.

It knows C as far as these headers use it: one declaration after the other, no nested structs. It knows no rule, and not
what a compiler makes of them (tests/abi/facts.py measures that).
"""
import re
from dataclasses import dataclass, field

import tree

CLASSES = ("SETUP", "META", "ORDER", "COPY", "KERNEL", "WAIT")
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.MULTILINE)
DEFINE = re.compile(r"#[ \t]*define[ \t]+(\w+)(\([^)]*\))?((?:\\\n|[^\n])*)")


@dataclass
class Declaration:
    name: str
    path: str  # from the root on
    line: int
    text: str = ""  # without comments, with single spaces

    @property
    def where(self):
        return f"{self.path}:{self.line}"


@dataclass
class Function(Declaration):
    words: list = field(default_factory=list)  # the AKV_ words in front of it and behind it
    returns: str = ""
    parameters: list = field(default_factory=list)  # types, without names
    comment: str = ""  # the block right before it

    @property
    def classes(self):
        return [word[4:] for word in self.words if word[4:] in CLASSES]


@dataclass
class Struct(Declaration):
    fields: list = field(default_factory=list)  # Declaration, whose text is the type

    @property
    def grows(self):
        return bool(self.fields) and self.fields[0].name == "struct_size"


@dataclass
class Api:
    headers: list = field(default_factory=list)  # as one includes them
    functions: list = field(default_factory=list)
    structs: list = field(default_factory=list)
    aliases: list = field(default_factory=list)
    enumerators: list = field(default_factory=list)
    macros: list = field(default_factory=list)  # without parameters
    strange: list = field(default_factory=list)  # what is none of these


def squeeze(text):
    return " ".join(text.split())


def comment_before(text, start):
    """The comment that ends on the line before `start`, or nothing."""
    before = text[:start].rstrip(" \t")
    if not before.endswith("*/\n"):
        return ""
    return before[before.rindex("/*"):]


def split(text, separator):
    """Split at separators that are outside of all brackets; yields (offset, piece)."""
    depth, start = 0, 0
    for at, character in enumerate(text):
        depth += {"{": 1, "(": 1, "}": -1, ")": -1}.get(character, 0)
        if character == separator and depth == 0:
            yield start, text[start:at]
            start = at + 1
    if text[start:].strip():
        yield start, text[start:]


def function_of(path, line, text, comment):
    name = re.search(r"(\w+)\s*\(", text)
    front, back = text[:name.start()], text[name.end():]
    inside, _, after = back.rpartition(")")
    types = []
    for _, parameter in split(inside, ","):
        parameter = parameter.strip()
        named = "(" not in parameter and parameter != "void"
        types.append(re.sub(r"\s*\w+$", "", parameter) if named else parameter)
    return Function(name[1], path, line, text, words=re.findall(r"AKV_\w+", front + after),
                    returns=squeeze(re.sub(r"\bAKV_\w+|\bextern\b|\bstatic\b|\binline\b", "", front)),
                    parameters=[] if types == ["void"] else types, comment=comment)


def struct_of(path, line, text, body_line, body):
    result = Struct(re.match(r"(?:typedef )?struct (\w+)", text)[1], path, line, text)
    for offset, piece in split(body, ";"):
        lead = len(piece) - len(piece.lstrip())
        one = squeeze(piece)
        if not one:
            continue
        parts = re.match(r"(.*)\( ?\* ?(\w+) ?\) ?(\(.*\))$", one) or re.match(r"(.*?)(\w+)((?: ?\[[^\]]*\])*)$", one)
        line_of_field = body_line + body.count("\n", 0, offset + lead)
        star = "(*)" if parts and parts[3].startswith("(") else ""
        name, kind = (parts[2], squeeze(parts[1] + star + parts[3])) if parts else (one, one)
        result.fields.append(Declaration(name, path, line_of_field, kind))
    return result


def read_header(api, path, text):
    code = tree.code_of(text, keep_quoted=True)
    for match in DEFINE.finditer(code):
        if not match[2]:
            value = squeeze(match[3].replace("\\\n", " "))
            api.macros.append(Declaration(match[1], path, tree.line_of(code, match.start()), value))
    code = DIRECTIVE.sub(lambda match: tree.blank(match[0]), code)
    code = re.sub(r"\bAKV_(?:BEGIN|END)_DECLS\b", lambda match: tree.blank(match[0]), code)
    for offset, piece in split(code, ";"):
        offset += len(piece) - len(piece.lstrip())
        one, line = squeeze(piece), tree.line_of(code, offset)
        body = piece[piece.find("{") + 1:piece.rfind("}")] if "{" in piece else ""
        body_line = line + piece.lstrip()[:piece.lstrip().find("{")].count("\n")
        if re.match(r"(?:typedef )?struct \w+ ?\{", one):
            api.structs.append(struct_of(path, line, one, body_line, body))
        elif re.match(r"enum\b[^;(]*\{", one):
            for at, item in split(body, ","):
                at += len(item) - len(item.lstrip())
                api.enumerators.append(Declaration(item.split()[0], path, body_line + body.count("\n", 0, at)))
        elif re.match(r"typedef struct (\w+) \1$", one):
            api.aliases.append(Declaration(one.split()[-1], path, line, "opaque"))
        elif one.startswith("typedef ") and "{" not in one:
            name = re.search(r"\( ?\* ?(\w+) ?\)", one) or re.search(r"(\w+)$", one)
            kind = "callback" if "(" in one else squeeze(one[8:name.start()])
            api.aliases.append(Declaration(name[1], path, line, kind))
        elif "(" in one and "typedef" not in one:
            api.functions.append(function_of(path, line, one, comment_before(text, offset)))
        elif one:
            api.strange.append(Declaration(one, path, line, one))


def read(root):
    api = Api()
    for path in tree.files(root, "include", suffixes=(".h",)):
        api.headers.append(str(path.relative_to(root / "include")))
        read_header(api, str(path.relative_to(root)), path.read_text())
    return api
