//! choices.rs: the sets and flags of the headers as enums and flag types. It knows their numbers only.
use arenakv_sys as sys;

macro_rules! choices {
    ($($(#[$about:meta])* $name:ident { $($(#[$about_one:meta])* $choice:ident = $value:ident,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$about_one])* $choice,)*
        }

        impl $name {
            /// Its number in the C API.
            pub const fn as_raw(self) -> u32 {
                match self {
                    $($name::$choice => sys::$value,)*
                }
            }

            /// The one of this number; `None` where this version of the crate knows none.
            pub const fn from_raw(value: u32) -> Option<Self> {
                match value {
                    $(sys::$value => Some($name::$choice),)*
                    _ => None,
                }
            }
        }
    )*};
}

macro_rules! default_choices {
    ($($name:ident::$choice:ident,)*) => {$(
        impl Default for $name {
            fn default() -> Self {
                $name::$choice
            }
        }
    )*};
}

macro_rules! flags {
    ($($(#[$about:meta])* $name:ident { $($(#[$about_one:meta])* $flag:ident = $value:ident,)* })*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $name(u32);

        impl $name {
            /// None of them.
            pub const NONE: $name = $name(0);
            $($(#[$about_one])* pub const $flag: $name = $name(sys::$value);)*

            pub const fn as_raw(self) -> u32 {
                self.0
            }

            pub const fn contains(self, other: $name) -> bool {
                self.0 & other.0 == other.0
            }
        }

        impl std::ops::BitOr for $name {
            type Output = $name;
            fn bitor(self, other: $name) -> $name {
                $name(self.0 | other.0)
            }
        }
    )*};
}

choices! {
    /// How block ids are handed out.
    BlockAllocator {
        /// Last freed, first used: O(1), warm.
        Stack = AKV_BLOCK_ALLOCATOR_STACK,
        /// Neighbours stay together: O(log n), long extents.
        Buddy = AKV_BLOCK_ALLOCATOR_BUDDY,
    }
    /// When a block is zeroed before it is handed out again.
    Scrub {
        /// Before another domain gets it, and after work on it was abandoned.
        Domain = AKV_SCRUB_DOMAIN,
        /// Never: every prompt belongs to one trust domain.
        Never = AKV_SCRUB_NONE,
        /// Before every reuse.
        Always = AKV_SCRUB_ALWAYS,
    }
    /// What an element of a plane is.
    Dtype {
        F32 = AKV_DTYPE_F32,
        F16 = AKV_DTYPE_F16,
        Bf16 = AKV_DTYPE_BF16,
        F8E4m3 = AKV_DTYPE_F8_E4M3,
        I8 = AKV_DTYPE_I8,
        /// Two to a byte.
        I4 = AKV_DTYPE_I4,
    }
    /// How the codes of a quantized dtype become numbers.
    Scaling {
        None = AKV_SCALING_NONE,
        Head = AKV_SCALING_HEAD,
        TokenHead = AKV_SCALING_TOKEN_HEAD,
        TokenGroup = AKV_SCALING_TOKEN_GROUP,
        Channel = AKV_SCALING_CHANNEL,
    }
    PlaneRole {
        Keys = AKV_PLANE_KEYS,
        Values = AKV_PLANE_VALUES,
        Latent = AKV_PLANE_LATENT,
    }
    /// What K/V are kept as: names for dtypes and scalings of planes.
    Format {
        F32 = AKV_FORMAT_F32,
        F16 = AKV_FORMAT_F16,
        Bf16 = AKV_FORMAT_BF16,
        F8 = AKV_FORMAT_F8,
        F8Token = AKV_FORMAT_F8_TOKEN,
        I8 = AKV_FORMAT_I8,
        K8v4 = AKV_FORMAT_K8V4,
        I4 = AKV_FORMAT_I4,
    }
    Layout {
        LayerOuter = AKV_LAYOUT_LAYER_OUTER,
        BlockOuter = AKV_LAYOUT_BLOCK_OUTER,
    }
    Heads {
        /// A token's heads lie together (NHD).
        Inner = AKV_HEADS_INNER,
        /// A head's tokens lie together (HND).
        Outer = AKV_HEADS_OUTER,
    }
    /// What a store has columns for.
    Columns {
        Blocks = AKV_STORE_BLOCKS,
        SwapBlocks = AKV_STORE_SWAP_BLOCKS,
    }
    /// Where a ticket stands.
    TicketState {
        Open = AKV_TICKET_OPEN,
        Ended = AKV_TICKET_ENDED,
        /// It and all before it have ended.
        Passed = AKV_TICKET_PASSED,
        Abandoned = AKV_TICKET_ABANDONED,
    }
    /// Why a prompt hits no further.
    Miss {
        None = AKV_MISS_NONE,
        NeverStored = AKV_MISS_NEVER_STORED,
        OtherDomain = AKV_MISS_OTHER_DOMAIN,
        NotCommitted = AKV_MISS_NOT_COMMITTED,
        InFlight = AKV_MISS_IN_FLIGHT,
        LastToken = AKV_MISS_LAST_TOKEN,
    }
    /// Where a sequence's K/V are.
    SequenceState {
        Active = AKV_SEQUENCE_ACTIVE,
        SwappingOut = AKV_SEQUENCE_SWAPPING_OUT,
        Swapped = AKV_SEQUENCE_SWAPPED,
        SwappingIn = AKV_SEQUENCE_SWAPPING_IN,
    }
    /// What a record of a plan does.
    PlanKind {
        CopyOnWrite = AKV_PLAN_COPY_ON_WRITE,
        Partial = AKV_PLAN_PARTIAL,
        Zero = AKV_PLAN_ZERO,
        SwapOut = AKV_PLAN_SWAP_OUT,
        SwapIn = AKV_PLAN_SWAP_IN,
    }
    /// A kind of movement of bytes.
    Moved {
        Write = AKV_MOVED_WRITE,
        Read = AKV_MOVED_READ,
        Gather = AKV_MOVED_GATHER,
        Scatter = AKV_MOVED_SCATTER,
        Zero = AKV_MOVED_ZERO,
        Blocks = AKV_MOVED_BLOCKS,
        CopyOnWrite = AKV_MOVED_COPY_ON_WRITE,
        Partial = AKV_MOVED_PARTIAL,
        Out = AKV_MOVED_OUT,
        In = AKV_MOVED_IN,
        Save = AKV_MOVED_SAVE,
        Load = AKV_MOVED_LOAD,
        ToTensor = AKV_MOVED_TO_TENSOR,
        FromTensor = AKV_MOVED_FROM_TENSOR,
        Tensor = AKV_MOVED_TENSOR,
        Converted = AKV_MOVED_CONVERTED,
    }
    /// What memory is for.
    Purpose {
        Weights = AKV_PURPOSE_WEIGHTS,
        KvCache = AKV_PURPOSE_KV_CACHE,
        Activations = AKV_PURPOSE_ACTIVATIONS,
        Metadata = AKV_PURPOSE_METADATA,
        Swap = AKV_PURPOSE_SWAP,
        Other = AKV_PURPOSE_OTHER,
    }
    /// What is in memory that is handed out.
    Content {
        Zero = AKV_CONTENT_ZERO,
        /// The same owner has used it before.
        Own = AKV_CONTENT_OWN,
        /// Another owner has.
        Foreign = AKV_CONTENT_FOREIGN,
    }
    /// Something that a build of the library has or has not.
    Feature {
        PrefixIndex = AKV_FEATURE_PREFIX_INDEX,
        PartialHits = AKV_FEATURE_PARTIAL_HITS,
        Buddy = AKV_FEATURE_BUDDY,
        Stores = AKV_FEATURE_STORES,
        Cuda = AKV_FEATURE_CUDA,
    }
    /// An instruction set that the kernels are compiled for.
    Isa {
        Plain = AKV_ISA_PLAIN,
        Avx2 = AKV_ISA_AVX2,
        Avx512 = AKV_ISA_AVX512,
        Neon = AKV_ISA_NEON,
    }
    LogLevel {
        Warning = AKV_LOG_WARNING,
        Info = AKV_LOG_INFO,
    }
    /// `use_sliding_window` of a config.json.
    Sliding {
        Absent = AKV_SLIDING_ABSENT,
        False = AKV_SLIDING_FALSE,
        True = AKV_SLIDING_TRUE,
    }
}

default_choices! {
    BlockAllocator::Stack, Scrub::Domain, Scaling::None, Layout::LayerOuter, Heads::Inner, Columns::Blocks,
    Sliding::Absent,
}

flags! {
    /// How a sequence is created; `SequenceOptions` has them.
    SequenceFlags {
        /// For simulators: the prompt's K/V count as written.
        COMMITTED = AKV_SEQUENCE_COMMITTED,
        /// Also take hits that end inside a block; the plan copies them.
        PARTIAL = AKV_SEQUENCE_PARTIAL,
        /// Place the cached prefix only; the prompt follows in chunks.
        PREFIX_ONLY = AKV_SEQUENCE_PREFIX_ONLY,
        /// Share nothing.
        NO_MATCH = AKV_SEQUENCE_NO_MATCH,
        /// Neighbouring blocks, so that K/V are one strided tensor a layer. Wants the buddy allocator.
        CONTIGUOUS = AKV_SEQUENCE_CONTIGUOUS,
        /// What is computed here, and in its forks, is never found by others.
        NO_PUBLISH = AKV_SEQUENCE_NO_PUBLISH,
    }
    AppendFlags {
        /// For simulators: and commit up to the new length.
        COMMITTED = AKV_APPEND_COMMITTED,
    }
    TruncateFlags {
        /// Its own blocks behind the new end stay with it as reserved ones.
        KEEP_BLOCKS = AKV_TRUNCATE_KEEP_BLOCKS,
    }
    ClearFlags {
        /// What pins hold stays findable.
        KEEP_PINNED = AKV_CLEAR_KEEP_PINNED,
    }
    DropFlags {
        /// Also leases, and what open plans have for its sequences: nothing of this owner's reads or writes any more.
        IN_FLIGHT = AKV_DROP_IN_FLIGHT,
    }
    RunFlags {
        /// Whatever the records have to wait for comes before this on the stream.
        ORDERED = AKV_RUN_ORDERED,
        /// Compare each copy with its source when it is complete.
        VERIFY = AKV_RUN_VERIFY,
    }
    BlocksFlags {
        /// Compare the copy with its source when it is complete.
        VERIFY = AKV_BLOCKS_VERIFY,
    }
}
