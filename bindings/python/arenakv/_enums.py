"""_enums.py: the sets and flags of the C API, and the constants that have a meaning of their own.

Names and values are those of include/arenakv/, where each is explained; tests/test_layouts.py keeps them the same.
"""
from __future__ import annotations

import enum

TOKEN_UNKNOWN = -(1 << 31)  # a token id that is not known yet; it never matches anything
PAD_SLOT = -1  # what a slot mapping holds where there is no token
NULL_BLOCK = 0  # never handed out
UNSET = 0xFFFFFFFF  # for fields whose zero has a meaning of its own
MAX_BLOCK_TOKENS = 4096


class Feature(enum.IntEnum):
    """What a build of the library may have."""

    PREFIX_INDEX = 1
    PARTIAL_HITS = 2
    BUDDY = 3
    STORES = 4
    CUDA = 5


class BlockAllocator(enum.IntEnum):
    """In what order blocks are handed out: STACK the last freed first, BUDDY neighbours together."""

    STACK = 0
    BUDDY = 1


class Scrub(enum.IntEnum):
    """When a block that held K/V is zeroed for its next user."""

    DOMAIN = 0
    NONE = 1
    ALWAYS = 2


class DType(enum.IntEnum):
    """What the elements of K/V are."""

    F32 = 1
    F16 = 2
    BF16 = 3
    F8_E4M3 = 4
    I8 = 5
    I4 = 6


class Scaling(enum.IntEnum):
    """How the codes of a quantized dtype become numbers."""

    NONE = 0
    HEAD = 1
    TOKEN_HEAD = 2
    TOKEN_GROUP = 3
    CHANNEL = 4


class Role(enum.IntEnum):
    """What a plane holds."""

    KEYS = 1
    VALUES = 2
    LATENT = 3


class Format(enum.IntEnum):
    """What K/V are kept as: dtype and scaling of all planes."""

    F32 = 1
    F16 = 2
    BF16 = 3
    F8 = 4
    F8_TOKEN = 5
    I8 = 6
    K8V4 = 7
    I4 = 8


class Layout(enum.IntEnum):
    """Whether a layer lies together, or a block."""

    LAYER_OUTER = 0
    BLOCK_OUTER = 1


class Heads(enum.IntEnum):
    """INNER: [token][head] (NHD); OUTER: [head][token] (HND)."""

    INNER = 0
    OUTER = 1


class Columns(enum.IntEnum):
    """Which blocks of a cache a store has memory for."""

    BLOCKS = 0
    SWAP_BLOCKS = 1


class Moved(enum.IntEnum):
    """Kinds of movement, as they are counted."""

    WRITE = 1
    READ = 2
    GATHER = 3
    SCATTER = 4
    ZERO = 5
    BLOCKS = 6
    COPY_ON_WRITE = 7
    PARTIAL = 8
    OUT = 9
    IN = 10
    SAVE = 11
    LOAD = 12
    TO_TENSOR = 13
    FROM_TENSOR = 14
    TENSOR = 15
    CONVERTED = 16


class RecordKind(enum.IntEnum):
    """What a record of a plan asks for."""

    COPY_ON_WRITE = 1
    PARTIAL = 2
    ZERO = 3
    SWAP_OUT = 4
    SWAP_IN = 5


class Miss(enum.IntEnum):
    """Why a prompt hits no further."""

    NONE = 0
    NEVER_STORED = 1
    OTHER_DOMAIN = 2
    NOT_COMMITTED = 3
    IN_FLIGHT = 4
    LAST_TOKEN = 5


class TicketState(enum.IntEnum):
    """Where a ticket stands. PASSED: it and all opened before it have ended."""

    OPEN = 1
    ENDED = 2
    PASSED = 3
    ABANDONED = 4


class BlockState(enum.IntEnum):
    """Where a block is, as block maps tell."""

    FREE = 0
    DIRTY = 1
    RESERVED = 2
    LIVE = 3
    PINNED = 4
    CACHED = 5
    QUARANTINED = 6
    NULL = 7


class Hold(enum.IntEnum):
    """Who keeps blocks."""

    PIN = 1
    LEASE = 2
    PLAN = 3


class Advice(enum.IntEnum):
    """What to do about fragmentation."""

    NONE = 0
    WATCH = 1
    ACT = 2


class Content(enum.IntEnum):
    """What is in memory that is handed out: zeroes, what this owner wrote, or what another did."""

    ZERO = 0
    OWN = 1
    FOREIGN = 2


class Purpose(enum.IntEnum):
    """What memory is for."""

    WEIGHTS = 1
    KV_CACHE = 2
    ACTIVATIONS = 3
    METADATA = 4
    SWAP = 5
    OTHER = 6


class LogLevel(enum.IntEnum):
    """How much is logged."""

    WARNING = 1
    INFO = 2


class Isa(enum.IntEnum):
    """Instruction sets of the kernels."""

    PLAIN = 1
    AVX2 = 2
    AVX512 = 3
    NEON = 4


class Family(enum.IntEnum):
    """Families of models."""

    OTHER = 0
    LLAMA = 1
    MISTRAL = 2
    MIXTRAL = 3
    QWEN = 4
    GEMMA = 5
    PHI = 6
    DEEPSEEK = 7
    FALCON = 8
    GPT = 9


class AttentionKind(enum.IntEnum):
    """MHA, GQA, MQA or MLA."""

    MHA = 1
    GQA = 2
    MQA = 3
    MLA = 4


class SequenceState(enum.IntEnum):
    """Where a sequence's K/V are."""

    ACTIVE = 0
    SWAPPING_OUT = 1
    SWAPPED = 2
    SWAPPING_IN = 3


class SequenceFlag(enum.IntFlag):
    """How a sequence is created; include/arenakv/sequence.h explains each."""

    COMMITTED = 1
    PARTIAL = 2
    PREFIX_ONLY = 4
    NO_MATCH = 8
    CONTIGUOUS = 32
    NO_PUBLISH = 16


class LineFlag(enum.IntFlag):
    """What a SequenceLine tells."""

    PLAN_OPEN = 1
    CONTENT_LOST = 2
    SWAPPED = 4
