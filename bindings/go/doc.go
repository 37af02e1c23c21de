// doc.go: what the package is, for people who start here. It has no code.

// Package arenakv is the memory of LLM inference as a library, for Go: a paged KV cache with exact prefix sharing, stores
// for its bytes, streams that move them, swap, page pools and arenas, over the C library of the same name.
//
// A [Cache] is bookkeeping: sequences of tokens in blocks, and what of a prompt is cached. A [Store] holds the bytes of a
// cache's blocks; functions that move K/V are called Copy..., on whatever they write to or read from, and nothing else
// does. What a call costs, who may make it and what it may answer is said in the C header of the same noun
// (include/arenakv/sequence.h for [Sequence]); the names are those of C without akv_.
//
// # Ownership
//
// What was opened is closed with Close. That is the contract; what was forgotten is closed after the garbage collector has
// found it, some time. A sequence ends with [Sequence.Free], a plan, lease, pin or ticket as its type says: those are
// numbers inside a cache, nothing finds them when they are forgotten, and they end with their cache.
//
// # Errors
//
// A failed call has changed nothing, and returns an [*Error] with the library's message and numbers. Compare with
// errors.Is(err, arenakv.ErrNoBlocks). A handle that is stale, and an object that was closed, is [ErrBadHandle].
//
// # Memory
//
// C never keeps a Go pointer. Slices are read and written while a call lasts; where work is queued on a [Stream] with
// workers, its data must lie in a [Buffer], whose memory is not Go's. The calls of a scheduler's step do not allocate.
//
// # Threads
//
// Any goroutine may call anything. A sequence belongs to one caller at a time; a second one that meets it is told
// [ErrBusy].
package arenakv
