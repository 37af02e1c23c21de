"""plain_llama.py: what the C program is compared with: a seeded model and tokenizer in llama2.c's formats, and the same
arithmetic written the plain way, over Python's own numbers and lists that grow.

It knows no arenakv: K/V are lists, merges are tried one by one.
"""
import dataclasses
import math
import random
import struct
from typing import Dict, List, Sequence, Tuple

UNKNOWN, BEGIN, END, FIRST_BYTE = 0, 1, 2, 3
Piece = Tuple[bytes, float]
Matrix = List[List[float]]


@dataclasses.dataclass(frozen=True)
class Shape:
    """The header of a model. own_classifier: it is not the embedding."""
    dim: int = 16
    hidden: int = 24
    layers: int = 2
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 320
    context: int = 96
    own_classifier: bool = False

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def kv_dim(self) -> int:
        return self.kv_heads * self.head_dim

    def header(self) -> bytes:
        vocabulary = -self.vocabulary if self.own_classifier else self.vocabulary
        return struct.pack("<7i", self.dim, self.hidden, self.layers, self.heads, self.kv_heads, vocabulary,
                           self.context)

    def tensors(self) -> List[Tuple[str, int, int]]:
        """name, rows, columns, in the file's order; what lies in every layer has the rows of all of them."""
        n, dim, kv = self.layers, self.dim, self.kv_dim
        named = [("embedding", self.vocabulary, dim), ("attention_norm", n, dim), ("query", n * dim, dim),
                 ("key", n * kv, dim), ("value", n * kv, dim), ("attention_out", n * dim, dim), ("ffn_norm", n, dim),
                 ("gate", n * self.hidden, dim), ("ffn_out", n * dim, self.hidden), ("up", n * self.hidden, dim),
                 ("final_norm", 1, dim), ("rotations", self.context, self.head_dim)]
        return named + ([("classifier", self.vocabulary, dim)] if self.own_classifier else [])


class Model:
    """Random weights, the same for the same seed."""

    def __init__(self, shape: Shape, seed: int) -> None:
        draw = random.Random(seed)
        self.shape = shape
        self.weights: Dict[str, Matrix] = {}
        packed = []
        for name, rows, columns in shape.tensors():
            centre, spread = (1.0, 0.1) if name.endswith("norm") else (0.0, 0.45)
            spread = 1.0 if name in ("embedding", "classifier") else spread
            flat = struct.pack(f"<{rows * columns}f", *(draw.gauss(centre, spread) for _ in range(rows * columns)))
            numbers = struct.unpack(f"<{rows * columns}f", flat)  # as the file rounds them
            self.weights[name] = [list(numbers[row * columns:(row + 1) * columns]) for row in range(rows)]
            packed.append(flat)
        self.weights.setdefault("classifier", self.weights["embedding"])
        self.file = shape.header() + b"".join(packed)

    def rows(self, name: str, layer: int) -> Matrix:
        per_layer = len(self.weights[name]) // self.shape.layers
        return self.weights[name][layer * per_layer:(layer + 1) * per_layer]


def multiply(matrix: Matrix, vector: Sequence[float]) -> List[float]:
    return [sum(a * b for a, b in zip(row, vector)) for row in matrix]


def normalise(vector: Sequence[float], weight: Sequence[float]) -> List[float]:
    scale = 1 / math.sqrt(sum(x * x for x in vector) / len(vector) + 1e-5)
    return [w * scale * x for w, x in zip(weight, vector)]


class Generator:
    """One text: its keys and values grow by a row for each token."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.keys: List[Matrix] = [[] for _ in range(model.shape.layers)]
        self.values: List[Matrix] = [[] for _ in range(model.shape.layers)]

    def rotate(self, row: List[float], position: int) -> List[float]:
        dim, out = self.model.shape.head_dim, list(row)
        for i in range(0, len(row), 2):
            angle = position * 10000.0 ** (-(i % dim) / dim)
            cosine, sine = math.cos(angle), math.sin(angle)
            out[i], out[i + 1] = row[i] * cosine - row[i + 1] * sine, row[i] * sine + row[i + 1] * cosine
        return out

    def attend(self, layer: int, queries: List[float]) -> List[float]:
        shape, out = self.model.shape, []
        for head in range(shape.heads):
            at = head // (shape.heads // shape.kv_heads) * shape.head_dim
            query = queries[head * shape.head_dim:(head + 1) * shape.head_dim]
            scores = [sum(q * k for q, k in zip(query, row[at:])) / math.sqrt(shape.head_dim)
                      for row in self.keys[layer]]
            most = max(scores)
            shares = [math.exp(score - most) for score in scores]
            out += [sum(share * row[at + i] for share, row in zip(shares, self.values[layer])) / sum(shares)
                    for i in range(shape.head_dim)]
        return out

    def step(self, token: int) -> List[float]:
        """The logits behind this token."""
        model, position = self.model, len(self.keys[0])
        stream = list(model.weights["embedding"][token])
        for layer in range(model.shape.layers):
            normed = normalise(stream, model.rows("attention_norm", layer)[0])
            self.keys[layer].append(self.rotate(multiply(model.rows("key", layer), normed), position))
            self.values[layer].append(multiply(model.rows("value", layer), normed))
            attended = self.attend(layer, self.rotate(multiply(model.rows("query", layer), normed), position))
            stream = [a + b for a, b in zip(stream, multiply(model.rows("attention_out", layer), attended))]
            normed = normalise(stream, model.rows("ffn_norm", layer)[0])
            gate, up = multiply(model.rows("gate", layer), normed), multiply(model.rows("up", layer), normed)
            inner = [g / (1 + math.exp(-g)) * u for g, u in zip(gate, up)]
            stream = [a + b for a, b in zip(stream, multiply(model.rows("ffn_out", layer), inner))]
        return multiply(model.weights["classifier"], normalise(stream, model.weights["final_norm"][0]))


def greedy(model: Model, prompt: List[int], tokens: int) -> Tuple[List[int], float]:
    """The text's ids, and the smallest lead of a token that was chosen: a float32 program must choose the same where
    that is far above its rounding."""
    generator, ids, lead = Generator(model), list(prompt), math.inf
    for position in range(min(tokens, model.shape.context)):
        logits = generator.step(ids[position])
        if position + 1 < len(ids):
            continue
        order = sorted(range(len(logits)), key=lambda token: -logits[token])
        lead = min(lead, logits[order[0]] - logits[order[1]])
        if order[0] in (BEGIN, END):
            break
        ids.append(order[0])
    return ids, lead


def vocabulary_of(texts: Sequence[str], count: int) -> List[Piece]:
    """Pieces for these texts: bytes, characters, and pairs of neighbours that occur, the longer the later."""
    pieces: List[bytes] = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % byte for byte in range(256)]
    characters = sorted({character for text in texts for character in " " + text if ord(character) < 0x250})
    pieces += [character.encode() for character in characters]
    for length in (2, 3, 4, 5):
        for text in texts:
            spaced = " " + text
            pieces += [spaced[at:at + length].encode() for at in range(len(spaced) - length + 1)
                       if all(character in characters for character in spaced[at:at + length])]
    unique = list(dict.fromkeys(pieces))[:count]
    if len(unique) < count:
        raise ValueError(f"{len(unique)} pieces, {count} are wanted")
    draw = random.Random(count)
    return [(piece, 0.0 if place < 259 else round(draw.uniform(-60, 0))) for place, piece in enumerate(unique)]


def tokenizer_file(pieces: Sequence[Piece]) -> bytes:
    records = b"".join(struct.pack("<fi", score, len(text)) + text for text, score in pieces)
    return struct.pack("<i", max(len(text) for text, _ in pieces)) + records


def encode(pieces: Sequence[Piece], text: bytes) -> List[int]:
    """Byte-pair merges, the plain way: look for the best pair, merge it, look again."""
    ids = {piece: place for place, (piece, _) in reversed(list(enumerate(pieces))) if place >= 259}
    if not text:
        return [BEGIN]
    symbols = [piece for piece in split(b" " + text)]
    while True:
        pairs = [(-pieces[ids[a + b]][1], at) for at, (a, b) in enumerate(zip(symbols, symbols[1:])) if a + b in ids]
        if not pairs:
            break
        at = min(pairs)[1]
        symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
    out = [BEGIN]
    for symbol in symbols:
        out += [ids[symbol]] if symbol in ids else [FIRST_BYTE + byte for byte in symbol]
    return out


def split(text: bytes) -> List[bytes]:
    """Characters; a byte that is part of none by itself."""
    out: List[bytes] = []
    at = 0
    while at < len(text):
        for length in (1, 2, 3, 4):
            try:
                text[at:at + length].decode()
                break
            except UnicodeDecodeError:
                continue
        else:
            length = 1
        out.append(text[at:at + length])
        at += length
    return out
