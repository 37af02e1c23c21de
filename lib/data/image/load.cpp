// load.cpp: a sequence is made out of an image: all is checked, then the sequence is created, then its bytes are
// written. It knows caches, stores, streams and images; not the structs of the API.
//
// Everything that can fail comes before the first byte is written. With workers the sequence is committed under a
// ticket that the work retires itself, in the worker's thread: who finds the sequence before that is told to wait, and
// what is freed before that stays in quarantine. A stream's queue is taken before a gate, never behind it.
#include "data/copy_engine.hpp"
#include "data/device/work.hpp"
#include "data/image/image_copy.hpp"
#include "data/image/payload.hpp"
#include "meta/cache_home.hpp"

#include <sched.h>

namespace akv {
namespace {

constexpr std::uint32_t kChunk = 64;  // records that are read under one lock

void count_zeroes(const StoreSet &stores, std::uint32_t num_blocks) {
  for (std::uint32_t i = 0; i < stores.count(); ++i) {
    stores[i].stats().count_call(AKV_MOVED_ZERO, num_blocks);
    stores[i].stats().count_bytes(AKV_MOVED_ZERO, num_blocks * stores[i].layout().bytes_per_block());
  }
}

struct LoadWork {
  StoreSet stores;
  ImageShape shape;
  PayloadMove move;
  bool write = true;                     // else only zero
  const std::int32_t *zeroes = nullptr;  // blocks that are zeroed first
  std::uint32_t num_zeroes = 0;
  akv_cache *cache = nullptr;
  akv_ticket ticket = AKV_NONE;  // to be retired

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    const Share share(stores.num_units(), part, parts);
    return stores.for_each_place_of(share.first, share.end, AKV_STORE_BLOCKS, [this](const StoreSet::Place &place) {
      zero_place(stores, place, zeroes, num_zeroes);
      if (write) move_payload(stores, place, shape, move);
      return true;
    });
  }
  void finish(bool) noexcept {
    const KeepLastError keep;
    const std::uint64_t tokens = shape.num_tokens() - move.first_token;
    if (num_zeroes != 0) count_zeroes(stores, num_zeroes);
    for (std::uint32_t i = 0; write && i < stores.count(); ++i) {
      stores[i].stats().count_call(AKV_MOVED_LOAD, 1);
      stores[i].stats().count_bytes(AKV_MOVED_LOAD, moved_bytes_per_token(stores, i, true) * tokens);
    }
    if (ticket == AKV_NONE) return;
    Locked locked(cache);  // it may have been destroyed
    if (locked.status() == AKV_OK) static_cast<void>(locked->retire_ticket_locked(ticket));
  }
};

// The new sequence is nobody else's yet. Who meets it all the same, by its request id or in a call on the whole cache,
// is out of it again in a moment.
template <class Call>
Status settle(Call call) noexcept {
  for (;;) {
    const Status status = call();
    if (status != AKV_ERROR_BUSY) return status;
    sched_yield();
  }
}

// Steps on the cache while a sequence is made.
class Making {
 public:
  explicit Making(akv_cache *cache) noexcept : cache_(cache) {}

  Status open_ticket() noexcept {
    Locked locked(cache_);
    AKV_TRY(locked.status());
    return locked->open_ticket_locked(ticket_);
  }

  Status create(const Prompt &prompt, const akv_sequence_options &options) noexcept {
    Locked locked(cache_);
    AKV_TRY(locked.status());
    return locked->create_sequence(locked.lock(), prompt, options, created_);
  }

  // The blocks that its plan zeroes, a few at a time: take(blocks, count).
  template <class Take>
  Status read_zeroes(Take take) noexcept {
    if (created_.plan == AKV_NONE) return AKV_OK;
    const RecordSource source{cache_, created_.plan, true, nullptr, 0};
    akv_plan_record records[kChunk];
    std::int32_t blocks[kChunk];
    for (std::uint32_t first = 0, count = 0, total = 1; first < total; first += count) {
      AKV_TRY(source.read(first, records, kChunk, count, total));
      for (std::uint32_t i = 0; i < count; ++i) {
        if (records[i].kind != AKV_PLAN_ZERO)
          return fail(AKV_ERROR_UNSUPPORTED, "a record of kind %llu in the plan of a load", records[i].kind);
        blocks[i] = records[i].target_block;
      }
      take(blocks, count);
    }
    return AKV_OK;
  }

  Status finish_plan() noexcept {
    if (created_.plan == AKV_NONE) return AKV_OK;
    const Status status = settle([this] {
      Locked locked(cache_);
      AKV_TRY(locked.status());
      return locked->finish_plan_locked(created_.plan, ticket_);
    });
    if (status == AKV_OK) created_.plan = AKV_NONE;
    return status;
  }

  // It never was. The ticket is still open: what work is queued for stays in quarantine.
  void undo() noexcept {
    const KeepLastError keep;
    static_cast<void>(settle([this] {
      Locked locked(cache_);
      AKV_TRY(locked.status());
      if (created_.plan != AKV_NONE) return locked->abandon_plan_locked(created_.plan);
      std::uint32_t freed = 0, stale = 0;
      Status fate = AKV_OK;
      locked->free_batch_locked(&created_.sequence, 1, freed, stale, &fate);
      return fate;
    }));
  }

  void retire_ticket() noexcept {
    if (ticket_ == AKV_NONE) return;
    const KeepLastError keep;
    Locked locked(cache_);
    if (locked.status() == AKV_OK) static_cast<void>(locked->retire_ticket_locked(ticket_));
  }

  akv_cache *cache() const noexcept { return cache_; }
  akv_ticket ticket() const noexcept { return ticket_; }
  const akv_created &created() const noexcept { return created_; }

 private:
  akv_cache *const cache_;
  akv_ticket ticket_ = AKV_NONE;
  akv_created created_{};
};

// With the gate shut and no plan open: the blocks, then the bytes or their place in the queue, then the commit. Where
// work is queued, the commit is made first, under its ticket; where not, last, and it can't fail any more.
Status write_and_commit(Cache &cache, Slot slot, const Making &making, Submission<LoadWork> &work,
                        std::uint32_t parts) {
  const akv_sequence sequence = making.created().sequence;
  const std::uint32_t length = work->shape.num_tokens(), cached = making.created().cached_tokens;
  const std::uint32_t block_tokens = work->stores.block_tokens();
  work->move.first_token = cached;
  if (work.queued()) {
    AKV_TRY(cache.commit_batch(&sequence, &length, 1, making.ticket()));
    work->move.blocks = work.keep(cache.table(slot), blocks_for(length, block_tokens));
    work.submit(parts);
    return AKV_OK;
  }
  AKV_TRY(cache.commit_batch(&sequence, &cached, 1, AKV_NONE));  // changes nothing: is its content sound?
  work->move.blocks = cache.table(slot);
  work.submit(parts);
  return cache.commit_batch(&sequence, &length, 1, AKV_NONE);
}

// What the plan zeroes becomes part of the work, or is zeroed at once; then the plan ends.
Status run_plan(Making &making, Submission<LoadWork> &work, std::uint32_t room) {
  if (work.queued()) {
    auto *const kept = work.room<std::int32_t>(room);
    work->zeroes = kept;
    AKV_TRY(making.read_zeroes([&](const std::int32_t *blocks, std::uint32_t count) {
      std::copy_n(blocks, count, kept + work->num_zeroes);
      work->num_zeroes += count;
    }));
  } else {
    AKV_TRY(making.read_zeroes([&](const std::int32_t *blocks, std::uint32_t count) {
      const StoreSet &stores = work->stores;
      stores.for_each_place_of(0, stores.num_units(), AKV_STORE_BLOCKS, [&](const StoreSet::Place &place) {
        zero_place(stores, place, blocks, count);
        return true;
      });
      count_zeroes(stores, count);
    }));
  }
  return making.finish_plan();
}

Prompt prompt_of(const LoadRequest &request, const ImageShape &shape) {
  const unsigned char *const tokens = request.image + shape.tokens_offset();
  return {reinterpret_cast<const std::int32_t *>(tokens), shape.num_tokens(), request.domain};
}

Status make(Making &making, const LoadRequest &request, Submission<LoadWork> &work, std::uint32_t parts,
            std::uint32_t room) {
  if (work.queued()) AKV_TRY(making.open_ticket());
  work->ticket = making.ticket();
  Status status = making.create(prompt_of(request, work->shape), request.options);
  if (status == AKV_OK) {
    status = run_plan(making, work, room);
    if (status == AKV_OK)
      status = settle([&] {
        CacheHome *home = nullptr;
        AKV_TRY(CacheHome::find(making.cache(), home));
        const Gate gate(*home, making.created().sequence);
        AKV_TRY(gate.status());
        return write_and_commit(home->cache(), gate.slot(), making, work, parts);
      });
    if (status == AKV_OK) return AKV_OK;
    making.undo();
    // The plan ended as one that runs: what it promised is done, and until then the ticket keeps the blocks.
    if (work.queued() && work->num_zeroes != 0 && making.created().plan == AKV_NONE) {
      work->write = false;
      work.submit(parts);
      return status;
    }
  }
  making.retire_ticket();
  return status;
}

// Would the sequence be refused whatever is cached and free? Before it is counted on in asking for room in a queue.
Status check_sequence(akv_cache *cache, LoadRequest &request, const ImageShape &shape) {
  Locked locked(cache);
  AKV_TRY(locked.status());
  AKV_TRY(bound_max_tokens(request.options, locked->config()));
  akv_sequence_options unmatched = request.options;
  unmatched.flags |= AKV_SEQUENCE_NO_MATCH;
  akv_room room{};
  AKV_TRY(locked->can_allocate_locked(prompt_of(request, shape), unmatched, room));
  const bool later = room.status == AKV_ERROR_NO_BLOCKS || room.status == AKV_ERROR_NO_PLANS;
  return later ? AKV_OK : room.status;
}

// The header, and what it has to meet; then every byte, and the sequence.
Status check(akv_cache *cache, LoadRequest &request, const StoreList &list, ImageShape &shape, StoreSet &stores) {
  AKV_TRY(shape.read(request.image, request.bytes));
  StoreShape wanted;
  std::uint32_t num_swap_blocks = 0;
  {
    Locked locked(cache);
    AKV_TRY(locked.status());
    const Config &config = locked->config();
    wanted = {config.geometry, config.block_tokens, config.num_blocks};
    num_swap_blocks = config.num_swap_blocks;
  }
  AKV_TRY(shape.check_geometry(wanted.geometry));
  if (!request.any_label && std::memcmp(shape.label, request.label, sizeof shape.label) != 0)
    return fail(AKV_ERROR_OTHER_GEOMETRY,
                "the image has another label: its K/V were made by another model or in another way");
  AKV_TRY(stores.find(list.stores, list.count));
  AKV_TRY(stores.check_shape(wanted, num_swap_blocks));
  AKV_TRY(check_whole(stores, wanted.geometry, shape.num_tokens()));
  AKV_TRY(shape.check_content(request.image));
  return check_sequence(cache, request, shape);
}

}  // namespace

Status load_image(akv_cache *cache, LoadRequest &request, const StoreList &list, Stream *stream,
                  akv_created &out) noexcept {
  ImageShape shape;
  StoreSet stores;
  AKV_TRY(check(cache, request, list, shape, stores));
  // (What is more than all blocks is refused by create.)
  const std::uint32_t most = std::max(shape.num_tokens(), request.options.reserve_tokens);
  const auto room = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(blocks_for(most, stores.block_tokens()), stores[0].shape().num_blocks));
  const std::uint32_t parts =
      std::min(parts_for(stream, shape.payload_bytes()), static_cast<std::uint32_t>(stores.num_units()));
  Submission<LoadWork> work(stream, 2 * kept_bytes<std::int32_t>(room));
  AKV_TRY(work.status());
  work->cache = cache;
  work->shape = shape;
  work->stores = std::move(stores);
  work->move.image = const_cast<unsigned char *>(request.image);  // it is only read
  work->move.load = true;
  Making making(cache);
  AKV_TRY(make(making, request, work, parts, room));
  out = making.created();
  out.wait = std::max(out.wait, making.ticket());
  return AKV_OK;
}

}  // namespace akv
