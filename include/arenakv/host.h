/* host.h: what the host lends to the library (memory, a log), and what was built into it.
 * Callbacks are never called under a lock: they may call back into the library.
 */
#ifndef ARENAKV_HOST_H
#define ARENAKV_HOST_H

#include "base.h"

AKV_BEGIN_DECLS

/* Where the metadata of a cache lives. Without one it is an anonymous mapping whose pages the kernel commits as
 * they are first touched; with one, every array is asked for in full when the cache is created. Only SETUP calls
 * ask; after akv_cache_create() nothing is ever allocated.
 * Outside of it stay the sequences' gates (64 bytes each) and a few kilobytes for each cache: the library keeps them
 * for the life of the process, so that a stale handle finds a generation and not a hole.
 *
 * `allocate` returns `size` bytes aligned to `alignment` (a power of two, at most 4096), or NULL. The memory need
 * not be zero. Memory that is misaligned is answered with AKV_ERROR_CALLBACK, and so is a throw; but better don't: the
 * thread's std::uncaught_exceptions() keeps counting it. */
typedef struct akv_allocator {
  uint32_t struct_size;
  uint32_t flags; /* none yet: 0 */
  void *context;  /* handed to both functions */
  void *(*allocate)(void *context, uint64_t size, uint64_t alignment);
  void (*release)(void *context, void *memory, uint64_t size, uint64_t alignment);
} akv_allocator;

#define AKV_ALLOCATOR_INIT {sizeof(akv_allocator), 0u, NULL, NULL, NULL}

enum {
  AKV_LOG_WARNING = 1, /* something is wrong and the library coped: an audit failed, content was given up */
  AKV_LOG_INFO = 2     /* rare events worth a line: a cache was created, an owner was dropped */
};

/* Receives one line of text, without a newline, valid during the call. No token, domain or salt is ever logged. */
typedef void (*akv_log_function)(void *context, uint32_t level, const char *message);

/* Send log lines of level `max_level` and below to `function`; NULL sends them nowhere, which is the default.
 * Process-wide for this copy of the library. Waits until nobody is inside the old function, except when called from
 * there, so that a binding may free it afterwards.
 * SETUP    O(1), and up to a second for a call that is inside the old function.
 * Thread   any.
 * Fails    INVALID_ARGUMENT for an unknown level; BUSY when the old function did not return within a second: the new
 *          one is in place, keep the old one and its context alive. BUSY too, and the message says that nothing was
 *          changed, when the function before the old one, or another akv_set_log(), goes on for a second: so call it
 *          once from inside a function, and not in a child of a fork() made there.
 * Owns     `context` stays yours and must outlive the hook. */
AKV_SETUP AKV_NODISCARD akv_status
akv_set_log(akv_log_function function, void *context, uint32_t max_level) AKV_NOEXCEPT;

enum {
  AKV_FEATURE_PREFIX_INDEX = 1, /* exact prefix sharing */
  AKV_FEATURE_PARTIAL_HITS = 2, /* hits that end inside a block, as a plan */
  AKV_FEATURE_BUDDY = 3,        /* AKV_BLOCK_ALLOCATOR_BUDDY */
  AKV_FEATURE_STORES = 4,       /* block memory on the host */
  AKV_FEATURE_CUDA = 5          /* block memory and kernels on CUDA devices */
};

/* 1 if this build has the feature, else 0; 0 for numbers it does not know.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META int32_t akv_has(uint32_t feature) AKV_NOEXCEPT;

enum {
  AKV_ISA_PLAIN = 1,  /* C++ for any processor: what the others are compared with */
  AKV_ISA_AVX2 = 2,   /* x86-64 with AVX2, FMA and F16C */
  AKV_ISA_AVX512 = 3, /* x86-64-v4 with AVX512-BF16 and VNNI */
  AKV_ISA_NEON = 4    /* arm64 */
};

/* Take the kernels (copies, formats, attention) of this instruction set, in all stores and streams of this copy of the
 * library; 0: the quickest that the processor runs, which is the default. All make the same bytes; attention differs in
 * its last bits. Work that is queued already may take either.
 * SETUP    O(1).
 * Thread   any.
 * Fails    INVALID_ARGUMENT, UNSUPPORTED (not in this build, or not for this processor). */
AKV_SETUP AKV_NODISCARD akv_status akv_isa_choose(uint32_t isa) AKV_NOEXCEPT;

/* The instruction set in use: AKV_ISA_*.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META uint32_t akv_isa_in_use(void) AKV_NOEXCEPT;

/* "AVX2": static memory, never NULL; unknown values have a text too.
 * META     O(1).
 * Thread   any.
 * Fails    never. */
AKV_META const char *akv_isa_name(uint32_t isa) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_HOST_H */
