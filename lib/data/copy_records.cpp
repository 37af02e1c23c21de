// copy_records.cpp: the records of plans, run on all the stores that they name.
// It knows stores, streams and kernels, and how to read a cache's plans.
//
// Records run in their order, and a part of the work is a number of planes of layers: so what a record does comes
// before what the next one does to the same bytes, on any number of workers.
#include "data/copy_engine.hpp"
#include "data/device/endings.hpp"
#include "data/device/work.hpp"
#include "data/kernels/caches.hpp"
#include "data/store_set.hpp"
#include "meta/cache_home.hpp"

namespace akv {
namespace {

constexpr std::uint32_t kChunk = 64;  // records that are read under one lock where they are not kept
constexpr std::uint32_t kPlanKinds = AKV_PLAN_SWAP_IN + 1;

std::uint32_t moved_kind(std::uint32_t plan_kind) {
  switch (plan_kind) {
    case AKV_PLAN_COPY_ON_WRITE: return AKV_MOVED_COPY_ON_WRITE;
    case AKV_PLAN_PARTIAL: return AKV_MOVED_PARTIAL;
    case AKV_PLAN_ZERO: return AKV_MOVED_ZERO;
    case AKV_PLAN_SWAP_OUT: return AKV_MOVED_OUT;
    default: return AKV_MOVED_IN;
  }
}

// What records come to, by kind and the columns they write to.
struct Tally {
  std::uint64_t records[kPlanKinds][2]{};
  std::uint64_t tokens[kPlanKinds][2]{};

  void add(const akv_plan_record &record, const BlockCopy &copy) noexcept {
    ++records[record.kind][copy.to_store];
    tokens[record.kind][copy.to_store] += copy.num_tokens;
  }
  bool has(std::uint32_t kind) const noexcept { return records[kind][0] + records[kind][1] != 0; }
  std::uint64_t all_tokens() const noexcept {
    std::uint64_t sum = 0;
    for (const auto &kind : tokens) sum += kind[0] + kind[1];
    return sum;
  }
};

Status check_sides(const akv_plan_record &record) {
  const std::uint32_t from = record.source_store, to = record.target_store;
  bool fits = to <= AKV_STORE_SWAP_BLOCKS;
  switch (record.kind) {
    case AKV_PLAN_ZERO: break;
    case AKV_PLAN_COPY_ON_WRITE:
    case AKV_PLAN_PARTIAL: fits = fits && from == to; break;
    case AKV_PLAN_SWAP_OUT: fits = from == AKV_STORE_BLOCKS && to == AKV_STORE_SWAP_BLOCKS; break;
    case AKV_PLAN_SWAP_IN: fits = from == AKV_STORE_SWAP_BLOCKS && to == AKV_STORE_BLOCKS; break;
    default: return fail(AKV_ERROR_UNSUPPORTED, "its kind is %llu: this release knows 1 to 5", record.kind);
  }
  if (record.group != 0 || record.part != 0)
    return fail(AKV_ERROR_UNSUPPORTED, "it is of layer group %llu, part %llu: this release knows 0", record.group,
                record.part);
  if (fits) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "a record of kind %llu can't go from store %llu to store %llu", record.kind,
              from, to);
}

Status check_record(const StoreSet &stores, const akv_plan_record &record, BlockCopy &out) {
  AKV_TRY(check_sides(record));
  AKV_TRY(stores.check_side(record.target_store));
  AKV_TRY(stores.check_block(record.target_store, record.target_block, true));
  const auto to = static_cast<std::uint16_t>(record.target_store);
  const std::uint32_t block_tokens = stores.block_tokens();
  out = {-1, record.target_block, 0, static_cast<std::uint16_t>(block_tokens), to, to};
  if (record.kind == AKV_PLAN_ZERO) return AKV_OK;
  AKV_TRY(stores.check_side(record.source_store));
  AKV_TRY(stores.check_block(record.source_store, record.source_block, false));
  if (std::uint64_t{record.first_token} + record.num_tokens > block_tokens)
    return fail(AKV_ERROR_OUT_OF_RANGE, "tokens %llu to %llu of blocks that have %llu", record.first_token,
                std::uint64_t{record.first_token} + record.num_tokens - 1, block_tokens);
  const std::uint32_t together = stores[0].shape().geometry.tokens_together(block_tokens);
  if (record.first_token % together != 0 || record.num_tokens % together != 0)
    return fail(AKV_ERROR_UNSUPPORTED,
                "%llu tokens from %llu on: %llu tokens share scales by channel and stay together", record.num_tokens,
                record.first_token, together);
  if (record.source_store == record.target_store && record.source_block == record.target_block)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "block %llu is copied onto itself",
                static_cast<unsigned>(record.source_block));
  out = {record.source_block,
         record.target_block,
         static_cast<std::uint16_t>(record.first_token),
         static_cast<std::uint16_t>(record.num_tokens),
         static_cast<std::uint16_t>(record.source_store),
         to};
  return AKV_OK;
}

// Read and check all records; `take(first, copies, count)` gets them a chunk at a time. When the sequence of some is
// freed meanwhile, they leave the plan: then all begins again, for what is left.
template <class Take>
Status scan(const RecordSource &source, const StoreSet &stores, Tally &tally, Take take) {
  akv_plan_record records[kChunk];
  BlockCopy copies[kChunk];
  std::uint32_t total = 0;
  tally = {};
  for (std::uint32_t first = 0, count = 0;; first += count) {
    std::uint32_t now = 0;
    AKV_TRY(source.read(first, records, kChunk, count, now));
    if (first != 0 && now != total) {
      first = count = 0;
      tally = {};
      continue;
    }
    total = now;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (const Status status = check_record(stores, records[i], copies[i]); status != AKV_OK) {
        name_row(first + i);
        return status;
      }
      tally.add(records[i], copies[i]);
    }
    AKV_TRY(take(first, copies, count));
    if (first + count >= total) return AKV_OK;
  }
}

struct RecordWork {
  StoreSet stores;
  const BlockCopy *copies = nullptr;  // kept in the queue; else they are read from their source again
  std::uint32_t num_copies = 0;
  bool verify = false;
  std::uint32_t past_caches = 0;
  RecordSource source;
  Status *answer = nullptr;
  Tally tally;

  bool run(std::uint32_t part, std::uint32_t parts) noexcept {
    if (answer == nullptr) {
      const Share share(stores.num_units(), part, parts);
      return copy(copies, num_copies, share) && same(copies, num_copies, share);
    }
    *answer = run_from_source();
    return *answer == AKV_OK;
  }
  void finish(bool failed) noexcept {
    for (std::uint32_t i = 0; i < stores.count(); ++i)
      for (std::uint32_t kind = 1; kind < kPlanKinds; ++kind) count(stores[i], kind, failed);
  }

 private:
  void count(Store &store, std::uint32_t kind, bool failed) noexcept {
    const std::uint32_t columns = store.columns_kind();
    if (tally.records[kind][columns] == 0) return;
    const std::uint64_t bytes = tally.tokens[kind][columns] * store.layout().bytes_per_token();
    store.stats().count_call(moved_kind(kind), tally.records[kind][columns]);
    store.stats().count_bytes(moved_kind(kind), bytes);
    const bool compared = verify || kind == AKV_PLAN_SWAP_OUT || kind == AKV_PLAN_SWAP_IN;
    if (compared && kind != AKV_PLAN_ZERO && !failed) store.stats().count_verified(moved_kind(kind), bytes);
  }

  // A chunk at a time; compared when all have run, as where they are kept.
  Status run_from_source() noexcept {
    const Share all(stores.num_units(), 0, 1);
    AKV_TRY(scan(source, stores, tally, [&](std::uint32_t, const BlockCopy *some, std::uint32_t count) {
      copy(some, count, all);
      return Status{AKV_OK};
    }));
    if (!verify && !tally.has(AKV_PLAN_SWAP_OUT) && !tally.has(AKV_PLAN_SWAP_IN)) return AKV_OK;
    Tally again;
    return scan(source, stores, again, [&](std::uint32_t, const BlockCopy *some, std::uint32_t count) {
      if (same(some, count, all)) return Status{AKV_OK};
      return fail(AKV_ERROR_VERIFY_FAILED, "a copy differs from its source: something else writes there");
    });
  }

  bool copy(const BlockCopy *some, std::uint32_t count, const Share &share) noexcept {
    return for_each_run(some, count, share,
                        [this](const PlanePiece &piece, const BlockCopy *run, std::uint64_t length) {
                          piece.copy(run, length, past_caches);
                          return true;
                        });
  }
  bool same(const BlockCopy *some, std::uint32_t count, const Share &share) noexcept {
    return for_each_run(some, count, share,
                        [this](const PlanePiece &piece, const BlockCopy *run, std::uint64_t length) {
                          return (!verify && run->from_store == run->to_store) || piece.same(run, length);
                        });
  }

  // For each unit, and each stretch of copies between the same two sides: what(piece, copies, count).
  template <class What>
  bool for_each_run(const BlockCopy *some, std::uint32_t count, const Share &share, What what) noexcept {
    for (std::uint64_t unit = share.first; unit < share.end; ++unit)
      for (std::uint32_t first = 0, end = 0; first < count; first = end) {
        const BlockCopy *run = some + first;
        for (end = first + 1;
             end < count && some[end].from_store == run->from_store && some[end].to_store == run->to_store;)
          ++end;
        const auto place = [&](std::uint32_t store, std::uint32_t layer_index, std::uint32_t plane) {
          return stores.for_each_source(store, layer_index, plane, run->from_store,
                                        [&](const PlanePiece &piece) { return what(piece, run, end - first); });
        };
        if (!stores.for_each_place(unit, run->to_store, place)) return false;
      }
    return true;
  }
};

Status check_cache(const RecordSource &source, const StoreSet &stores) {
  StoreShape shape;
  std::uint32_t num_swap_blocks = 0;
  {
    Locked locked(source.cache);
    AKV_TRY(locked.status());
    const Config &config = locked->config();
    shape = {config.geometry, config.block_tokens, config.num_blocks};
    num_swap_blocks = config.num_swap_blocks;
    akv_plan_info info{};
    AKV_TRY(locked->read_plan_info_locked(source.plan, info));
  }
  return stores.check_shape(shape, num_swap_blocks);
}

Status check_waits(Locked &locked, const akv_plan_record *records, std::uint32_t count) {
  akv_ticket passed = AKV_NONE;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (records[i].wait == passed || records[i].wait == AKV_NONE) continue;
    std::uint32_t state = AKV_TICKET_OPEN;
    AKV_TRY(locked->read_ticket_locked(records[i].wait, state));
    passed = records[i].wait;
    if (state == AKV_TICKET_PASSED) continue;
    const std::uint64_t number = TicketHandle::number(passed);
    if (state == AKV_TICKET_ABANDONED)
      return fail(AKV_ERROR_CONTENT_LOST, "a record copies what ticket %llu was to write, and that was abandoned",
                  number);
    return fail(AKV_ERROR_NOT_READY, "a record waits for ticket %llu, which has not passed: run it behind that work",
                number);
  }
  return AKV_OK;
}

}  // namespace

Status RecordSource::read(std::uint32_t first, akv_plan_record *out, std::uint32_t capacity, std::uint32_t &count,
                          std::uint32_t &total) const noexcept {
  if (cache == nullptr) {
    total = num_records;
    count = std::min(capacity, total - first);
    std::copy_n(records + first, count, out);
    return AKV_OK;
  }
  Locked locked(cache);
  AKV_TRY(locked.status());
  akv_plan_info info{};
  AKV_TRY(locked->read_plan_info_locked(plan, info));
  total = info.num_records;
  count = first < total ? std::min(capacity, total - first) : 0;
  if (count == 0) return AKV_OK;
  {
    const KeepLastError keep;  // that the buffer is too small for the rest is known
    std::uint32_t there = 0;
    const Status status = locked->read_plan_records_locked(plan, first, out, count, there);
    if (status != AKV_OK && status != AKV_ERROR_BUFFER_TOO_SMALL) return status;
  }
  return ordered ? AKV_OK : check_waits(locked, out, count);
}

Status run_records(const RecordSource &source, const RunRequest &request, Stream *stream) noexcept {
  StoreSet stores;
  AKV_TRY(stores.find(request.stores, request.num_stores));
  if (source.cache != nullptr) AKV_TRY(check_cache(source, stores));
  Tally tally;
  std::uint32_t total = 0;
  AKV_TRY(scan(source, stores, tally, [&total](std::uint32_t first, const BlockCopy *, std::uint32_t count) {
    total = first + count;
    return Status{AKV_OK};
  }));
  if (tally.has(AKV_PLAN_SWAP_OUT) || tally.has(AKV_PLAN_SWAP_IN))
    AKV_TRY(stores.check_crossing(AKV_STORE_BLOCKS, AKV_STORE_SWAP_BLOCKS));

  const PlanEnd end = request.finish ? PlanEnd{source.cache, source.plan} : PlanEnd{};
  Submission<RecordWork> work(stream, kept_bytes<BlockCopy>(total), end);
  AKV_TRY(work.status());
  Status answer = AKV_OK;
  work->verify = request.verify;
  if (work.queued()) {
    auto *kept = work.room<BlockCopy>(total);
    const std::uint32_t room = total;
    AKV_TRY(scan(source, stores, work->tally, [&](std::uint32_t first, const BlockCopy *copies, std::uint32_t count) {
      if (first + count > room)
        return fail(AKV_ERROR_BUSY, "the plan has more than the %llu records that it had", room);
      std::copy_n(copies, count, kept + first);
      total = first + count;
      return Status{AKV_OK};
    }));
    work->copies = kept;
    work->num_copies = total;
  } else {
    work->source = source;
    work->answer = &answer;
  }
  const std::uint64_t units = stores.num_units(), tokens = tally.all_tokens();
  const std::uint64_t bytes = stores.count() != 0 ? tokens * stores[0].layout().bytes_per_token() : 0;
  const auto most = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(units, 1, UINT32_MAX));
  const bool queued = work.queued();
  work->past_caches = past_caches(bytes);
  work->stores = std::move(stores);
  work.submit(std::min(parts_for(stream, bytes), most));
  if (queued || (answer != AKV_OK && answer != AKV_ERROR_VERIFY_FAILED) || !request.finish) return answer;
  if (answer == AKV_OK) return end_plan(end, false);
  const KeepLastError keep;
  static_cast<void>(end_plan(end, true));  // what could not be abandoned is still open: its caller's to end
  return answer;
}

}  // namespace akv
