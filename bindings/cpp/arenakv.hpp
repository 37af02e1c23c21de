// arenakv.hpp: arenakv for C++17 and later, header only, over the C library (link it: pkg-config arenakv).
//
//   arenakv::Cache, Sequence, Store ...             a call that failed throws arenakv::Error
//   arenakv::expected::Cache, Sequence, Store ...   the same calls answer with arenakv::Expected<T>
//
// Objects own what they stand for: they can be moved and not copied, and end it when they go. On failure nothing has
// changed, neither in the library nor in your objects. What a call costs, who may make it and what it may answer stands
// in front of the C function of the same name in arenakv/*.h.
#ifndef ARENAKV_HPP
#define ARENAKV_HPP

#include "arenakv/cpp/arena.hpp"
#include "arenakv/cpp/cache.hpp"
#include "arenakv/cpp/error.hpp"
#include "arenakv/cpp/library.hpp"
#include "arenakv/cpp/owner.hpp"
#include "arenakv/cpp/sequence.hpp"
#include "arenakv/cpp/span.hpp"
#include "arenakv/cpp/store.hpp"
#include "arenakv/cpp/stream.hpp"
#include "arenakv/cpp/structs.hpp"
#include "arenakv/cpp/two_tier.hpp"
#include "arenakv/cpp/view.hpp"

namespace arenakv {

#define ARENAKV_NAMES(Errors)                    \
  using Arena = BasicArena<Errors>;              \
  using Cache = BasicCache<Errors>;              \
  using Created = BasicCreated<Errors>;          \
  using Lease = BasicLease<Errors>;              \
  using MemoryRecord = BasicMemoryRecord<Errors>; \
  using PagePool = BasicPagePool<Errors>;        \
  using Pager = BasicPager<Errors>;              \
  using Pin = BasicPin<Errors>;                  \
  using Plan = BasicPlan<Errors>;                \
  using Sequence = BasicSequence<Errors>;        \
  using Store = BasicStore<Errors>;              \
  using Stream = BasicStream<Errors>;            \
  using Tail = BasicTail<Errors>;                \
  using TailRow = BasicTailRow<Errors>;          \
  using Tensor = BasicTensor<Errors>;            \
  using Tracker = BasicTracker<Errors>;          \
  using View = BasicView<Errors>

#if ARENAKV_EXCEPTIONS
ARENAKV_NAMES(Throw);
#endif
namespace expected {
ARENAKV_NAMES(Expect);
}

#undef ARENAKV_NAMES

}  // namespace arenakv

#endif  // ARENAKV_HPP
