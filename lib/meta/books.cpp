// books.cpp: a cache's memory, its slots, and all its gates at once.
// It knows where things are; what is done with them is in the other files.
#include "meta/books.hpp"

#include "base/process.hpp"

namespace akv {
namespace {

std::uint32_t nonzero(std::uint64_t random, std::uint32_t mask) {
  const auto value = static_cast<std::uint32_t>(random) & mask;
  return value != 0 ? value : 1;
}

}  // namespace

Books::Books(const Config &config, std::uint32_t index, std::uint32_t ticket_tag, Mutex &mutex,
             SequenceTable &sequences) noexcept
    : config_(config),
      index_(index),
      ticket_tag_(ticket_tag),
      math_(config.block_tokens),
      block_tokens_(config.block_tokens),
      mutex_(mutex),
      sequences_(sequences),
      pool_(tickets_, lists_),
      tree_(pool_, tokens_, tickets_, lists_),
      supply_(pool_, tree_),
      swap_(tickets_) {
  supply_.set_magazine_blocks(config.magazine_blocks);
}

// The same arrays in the same order as in allocate().
void Books::plan_memory(const Config &config, Reservation &memory) noexcept {
  const std::uint32_t blocks = config.num_blocks, sequences = config.max_sequences, tickets = config.max_open_tickets;
  const std::uint32_t swap_blocks = config.num_swap_blocks;
  TokenStore::plan(memory, blocks + swap_blocks, config.block_tokens);
  memory.plan<SequenceRest>(sequences);
  Rows::plan(memory, config.longest_row(), sequences);
  memory.plan<std::uint32_t>(sequences);
  memory.plan<std::uint8_t>(std::size_t{blocks} + 1);
  memory.plan<RunCensus>(std::size_t{blocks} + 2);
  if (swap_blocks != 0) memory.plan<std::uint8_t>(std::size_t{swap_blocks} + 1);
  memory.plan<std::uint64_t>(tickets);
  Tickets::plan(memory, tickets);
  IdLists::plan(memory, blocks);
  BlockPool::plan(memory, blocks, config.block_allocator == AKV_BLOCK_ALLOCATOR_BUDDY, tickets);
  RunTree::plan(memory, blocks, tickets);
  Scrubber::plan(memory, blocks, config.scrub);
  Pending::plan(memory, sequences);
  RequestIds::plan(memory, sequences);
  Plans::plan(memory, config.max_plans, blocks + swap_blocks, sequences);
  Holds::plan(memory, config.max_holds);
  SwapSpace::plan(memory, swap_blocks, tickets);
}

Status Books::allocate(const akv_allocator *allocator) noexcept {
  const std::uint32_t blocks = config_.num_blocks, sequences = config_.max_sequences,
                      tickets = config_.max_open_tickets, swap_blocks = config_.num_swap_blocks;
  plan_memory(config_, memory_);
  all_touched_ = allocator != nullptr || (config_.flags & AKV_CACHE_PREFAULT) != 0;
  if (Status status = memory_.commit(allocator, (config_.flags & AKV_CACHE_PREFAULT) != 0); status != AKV_OK)
    return status;
  tokens_.take_memory(memory_, blocks + swap_blocks, config_.block_tokens);
  rest_ = memory_.take<SequenceRest>(sequences);
  rows_.take_memory(memory_, config_.longest_row(), sequences);
  free_slots_ = memory_.take<std::uint32_t>(sequences);
  map_ = memory_.take<std::uint8_t>(std::size_t{blocks} + 1);
  census_ = memory_.take<RunCensus>(std::size_t{blocks} + 2);
  if (swap_blocks != 0) swap_map_ = memory_.take<std::uint8_t>(std::size_t{swap_blocks} + 1);
  abandoned_ = memory_.take<std::uint64_t>(tickets);
  tickets_.take_memory(memory_, tickets);
  lists_.take_memory(memory_, blocks);
  pool_.take_memory(memory_, blocks, config_.block_allocator == AKV_BLOCK_ALLOCATOR_BUDDY, tickets);
  tree_.take_memory(memory_, blocks, tickets);
  scrubber_.take_memory(memory_, blocks, config_.scrub);
  pending_.take_memory(memory_, sequences);
  request_ids_.take_memory(memory_, sequences, random_number());
  plans_.take_memory(memory_, config_.max_plans, blocks + swap_blocks, sequences, nonzero(random_number(), 0x7fffffff));
  holds_.take_memory(memory_, config_.max_holds, nonzero(random_number(), 0x7fffffff));
  swap_.take_memory(memory_, swap_blocks, blocks, tickets);
  return AKV_OK;
}

Status Books::enter_all_locked() noexcept {
  if (enter_those_locked([](Slot) { return true; })) return AKV_OK;
  return fail(AKV_ERROR_BUSY, "a sequence of this cache is inside another call");
}

void Books::leave_all_locked() noexcept {
  for (Slot slot = 0; slot < touched_slots_; ++slot)
    if (sequences_.live(slot)) sequences_.leave(slot);
}

void Books::bury_all_locked() noexcept {
  for (Slot slot = 0; slot < touched_slots_; ++slot)
    if (sequences_.live(slot)) sequences_.bury(slot);
}

// -- slots --

Status Books::check_admission_locked(const akv_sequence_options &options, std::uint32_t length) const noexcept {
  std::uint32_t slot = 0;
  if (options.request_id != 0 && request_ids_.find(options.request_id, slot))
    return fail(AKV_ERROR_ALREADY_EXISTS, "request id %llu is in use by a live sequence", options.request_id);
  if (slots_available() == 0)
    return fail_with(AKV_ERROR_NO_SEQUENCES, 1, 0, "all %llu sequences (max_sequences) are live",
                     config_.max_sequences);
  const bool contiguous = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0;
  if (contiguous && config_.block_allocator != AKV_BLOCK_ALLOCATOR_BUDDY)
    return fail(AKV_ERROR_UNSUPPORTED, "AKV_SEQUENCE_CONTIGUOUS wants block_allocator AKV_BLOCK_ALLOCATOR_BUDDY");
  if (contiguous && length == 0 && options.reserve_tokens == 0)
    return fail(AKV_ERROR_INVALID_ARGUMENT, "AKV_SEQUENCE_CONTIGUOUS wants a prompt or reserve_tokens: both are 0");
  const std::uint32_t limit = options.max_tokens;
  if (length > limit)
    return fail_with(AKV_ERROR_NO_CAPACITY, length, limit, "%llu tokens exceed the sequence's max_tokens %llu", length,
                     limit);
  if (options.reserve_tokens > limit)
    return fail_with(AKV_ERROR_NO_CAPACITY, options.reserve_tokens, limit,
                     "reserve_tokens %llu exceeds the sequence's max_tokens %llu", options.reserve_tokens, limit);
  return AKV_OK;
}

Slot Books::take_slot_locked(std::uint64_t domain, const akv_sequence_options &options,
                             std::uint32_t max_tokens) noexcept {
  const Slot slot = num_free_slots_ != 0 ? free_slots_[--num_free_slots_] : touched_slots_++;
  sequences_.bear(slot);
  ++num_sequences_;
  ++counters_.created_sequences;
  Sequence &s = sequences_[slot];
  s.length = 0;
  s.known = 0;
  s.committed = 0;
  s.num_blocks = 0;
  s.flags = 0;
  s.pending.store(0, std::memory_order_relaxed);  // of a cache that ended here
  s.max_tokens = max_tokens;
  s.version = 1;
  SequenceRest &rest = rest_[slot];
  rest = SequenceRest{};
  rest.anchor = kRoot;
  rest.domain = domain;
  rest.request_id = options.request_id;
  rest.owner = options.owner;
  rest.contiguous = (options.flags & AKV_SEQUENCE_CONTIGUOUS) != 0;
  rest.no_publish = (options.flags & AKV_SEQUENCE_NO_PUBLISH) != 0;
  const Rows::Row row = rows_.take(1);  // a table is never NULL
  s.table = row.ids;
  rest.row_capacity = row.capacity;
  if (options.request_id != 0) request_ids_.add(options.request_id, slot);
  return slot;
}

void Books::give_back_slot_locked(Slot slot) noexcept {
  if (rest_[slot].request_id != 0) request_ids_.remove(rest_[slot].request_id);
  rows_.give_back({sequences_[slot].table, rest_[slot].row_capacity});
  sequences_.bury(slot);
  --num_sequences_;
  ++counters_.freed_sequences;
  if (!sequences_.worn_out(slot)) free_slots_[num_free_slots_++] = slot;
}

}  // namespace akv
