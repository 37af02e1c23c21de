// save.cpp: the K/V of a sequence are gathered into an image.
// It knows caches, stores, streams and images; not the structs of the API.
//
// With workers a lease keeps the blocks until the work is done; without, the sequence's gate is shut for as long as it
// takes, and its own table tells the blocks. A stream's queue is taken before a gate, never behind it.
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/image/image_copy.hpp"
#include "data/image/measure.hpp"
#include "data/image/payload.hpp"
#include "meta/cache_home.hpp"

namespace akv {
namespace {

struct SaveWork {
  StoreSet stores;
  ImageShape shape;
  PayloadMove move;
  akv_cache *cache = nullptr;
  akv_lease lease = AKV_NONE;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(stores.num_units(), part, parts);
    return stores.for_each_place_of(share.first, share.end, AKV_STORE_BLOCKS, [this](const StoreSet::Place &place) {
      move_payload(stores, place, shape, move);
      return true;
    });
  }
  void finish(bool) noexcept {
    const KeepLastError keep;
    shape.seal(move.image);
    for (std::uint32_t i = 0; i < stores.count(); ++i) {
      stores[i].stats().count_call(AKV_MOVED_SAVE, 1);
      stores[i].stats().count_bytes(AKV_MOVED_SAVE, moved_bytes_per_token(stores, i, false) * shape.num_tokens());
    }
    // A cache that was destroyed meanwhile, or an owner that was dropped, has taken the lease along.
    Locked locked(cache);
    if (locked.status() == AKV_OK) static_cast<void>(locked->release_lease_locked(lease));
  }
};

// Have the K/V been written that the lease names? (Their ticket has not been abandoned since that was taken: it would
// take the sequence's gate.)
Status check_written(akv_cache *cache, akv_ticket wait) {
  if (wait == AKV_NONE) return AKV_OK;
  Locked locked(cache);
  AKV_TRY(locked.status());
  std::uint32_t state = AKV_TICKET_OPEN;
  AKV_TRY(locked->read_ticket_locked(wait, state));
  if (state == AKV_TICKET_PASSED) return AKV_OK;
  return fail(AKV_ERROR_NOT_READY, "the K/V's writer has not finished: ticket %llu has not passed; save behind it",
              TicketHandle::number(wait));
}

Status keep_lease_blocks(akv_cache *cache, akv_lease lease, std::int32_t *out, std::uint32_t capacity) {
  Locked locked(cache);
  AKV_TRY(locked.status());
  std::uint32_t count = 0;
  return locked->read_lease_locked(lease, out, capacity, count);
}

void let_go(akv_cache *cache, akv_lease lease) {
  const KeepLastError keep;
  Locked locked(cache);
  if (locked.status() == AKV_OK) static_cast<void>(locked->release_lease_locked(lease));
}

// With the gate shut: lease, tokens, and the blocks where they are to be kept.
Status prepare(Cache &cache, Slot slot, const SaveRequest &request, Submission<SaveWork> &work,
               std::uint32_t num_blocks) {
  const std::uint32_t num_tokens = work->shape.num_tokens();
  if (cache.committed_tokens(slot) < num_tokens)
    return fail_with(AKV_ERROR_OUT_OF_RANGE, num_tokens, cache.committed_tokens(slot),
                     "%llu tokens, the sequence has %llu committed", num_tokens, cache.committed_tokens(slot));
  akv_ticket wait = AKV_NONE;
  AKV_TRY(cache.acquire_lease(slot, num_tokens, request.owner, work->lease, wait));
  Status status = request.ordered ? AKV_OK : check_written(work->cache, wait);
  if (status == AKV_OK && work.queued()) {
    auto *const kept = work.room<std::int32_t>(num_blocks);
    work->move.blocks = kept;
    status = keep_lease_blocks(work->cache, work->lease, kept, num_blocks);
  } else {
    work->move.blocks = cache.table(slot);
  }
  if (status == AKV_OK)
    status = cache.read_tokens(slot, 0, num_tokens,
                               reinterpret_cast<std::int32_t *>(request.buffer + work->shape.tokens_offset()));
  if (status != AKV_OK) let_go(work->cache, work->lease);
  return status;
}

// The image's shape, and the stores of this cache.
Status measure(akv_cache *handle, akv_sequence sequence, const StoreList &list, std::uint32_t num_tokens,
               ImageShape &shape, StoreSet &stores) {
  StoreShape wanted;
  std::uint32_t num_swap_blocks = 0;
  {
    CacheHome *home = nullptr;
    AKV_TRY(CacheHome::find(handle, home));
    const Gate gate(*home, sequence);
    AKV_TRY(gate.status());
    AKV_TRY(measure_image(home->cache(), gate.slot(), num_tokens, shape));
    const Config &config = home->cache().config();
    wanted = {config.geometry, config.block_tokens, config.num_blocks};
    num_swap_blocks = config.num_swap_blocks;
  }
  AKV_TRY(stores.find(list.stores, list.count));
  AKV_TRY(stores.check_shape(wanted, num_swap_blocks));
  return check_whole(stores, wanted.geometry, shape.num_tokens());
}

}  // namespace

Status save_image(akv_cache *cache, akv_sequence sequence, const StoreList &list, const SaveRequest &request,
                  Stream *stream, std::uint64_t &out_bytes) noexcept {
  ImageShape shape;
  StoreSet stores;
  AKV_TRY(measure(cache, sequence, list, request.num_tokens, shape, stores));
  const std::uint64_t bytes = shape.image_bytes();
  if (request.capacity < bytes) {
    out_bytes = bytes;
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, bytes, request.capacity, "the image has %llu bytes, the buffer %llu",
                     bytes, request.capacity);
  }
  std::memcpy(shape.label, request.label, sizeof shape.label);
  const auto num_blocks = static_cast<std::uint32_t>(blocks_for(shape.num_tokens(), stores.block_tokens()));
  const std::uint32_t parts =
      std::min(parts_for(stream, shape.payload_bytes()), static_cast<std::uint32_t>(stores.num_units()));
  Submission<SaveWork> work(stream, kept_bytes<std::int32_t>(num_blocks));
  AKV_TRY(work.status());
  work->cache = cache;
  work->shape = shape;
  work->move.image = request.buffer;
  CacheHome *home = nullptr;
  AKV_TRY(CacheHome::find(cache, home));
  const Gate gate(*home, sequence);
  AKV_TRY(gate.status());
  AKV_TRY(prepare(home->cache(), gate.slot(), request, work, num_blocks));
  work->stores = std::move(stores);
  work.submit(parts);
  out_bytes = bytes;
  return AKV_OK;
}

}  // namespace akv
