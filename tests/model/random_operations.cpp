// random_operations.cpp: the library and the reference model side by side, over random calls; they must agree on every
// answer, table, count and gauge. On a difference it prints the seed and the last calls, and ends with 1.
//
//   random_operations [--operations N] [--seed S] [--seconds T] [--print]
//
// Promises: B5 B6 B7 B17 B18 D2 D4 D6 D7 (as far as they are metadata), and every contract line of the headers.
#include "reference_model.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <string>

using reference::Hold;
using reference::Model;
using reference::Plan;
using reference::Sequence;
using reference::Tokens;

namespace {

constexpr std::uint32_t kOperationsPerSeed = 3000;

struct Random {
  std::uint64_t state;
  std::uint64_t next() {
    std::uint64_t x = state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
  }
  std::uint32_t below(std::uint32_t limit) { return static_cast<std::uint32_t>(next() % limit); }
  bool one_in(std::uint32_t n) { return below(n) == 0; }
  template <class Container>
  auto &pick(Container &from) {
    return *std::next(from.begin(), below(static_cast<std::uint32_t>(from.size())));
  }
};

bool print_all = false;

class Run {
 public:
  explicit Run(std::uint64_t seed) : seed_(seed), random_{seed * 0x2545f4914f6cdd1du + 1}, model_(make_config()) {
    akv_cache_config config = AKV_CACHE_CONFIG_INIT;
    const reference::Config &c = model_.config;
    config.num_blocks = c.num_blocks;
    config.block_tokens = c.block_tokens;
    config.max_sequences = c.max_sequences;
    config.max_tokens_per_sequence = c.max_tokens;
    config.max_plans = c.max_plans;
    config.max_holds = c.max_holds;
    config.max_pinned_blocks = c.max_pinned;
    config.magazine_blocks = c.magazine;
    config.max_open_tickets = c.max_tickets;
    config.scrub = c.scrub;
    config.block_allocator = random_.one_in(3) ? AKV_BLOCK_ALLOCATOR_BUDDY : AKV_BLOCK_ALLOCATOR_STACK;
    expect(akv_cache_create(&config, &cache_), AKV_OK, "create cache");
    model_.read_table = [this](akv_sequence s) { return read_table(s); };
    if (c.scrub == AKV_SCRUB_DOMAIN) {
      // Blocks are looked at from the start: which ones a thread has taken ahead by then the model can't know.
      for (std::uint64_t domain : {1, 2}) {
        const akv_prompt prompt = prompt_of({}, domain);
        akv_created created = AKV_CREATED_INIT, want = AKV_CREATED_INIT;
        expect(akv_sequence_create(cache_, &prompt, nullptr, &created), AKV_OK, "create");
        model_.create({}, domain, AKV_SEQUENCE_OPTIONS_INIT, created, want);
        expect(akv_sequence_free(cache_, created.sequence), AKV_OK, "free");
        model_.free(model_.sequences.front());
      }
    }
    rows_.resize(c.max_sequences);
    row_table_.assign(std::size_t{c.max_sequences} * row_width(), -7);
  }
  ~Run() {
    if (akv_cache_destroy(cache_) != AKV_OK) fail("destroy");
  }
  Run(const Run &) = delete;
  Run &operator=(const Run &) = delete;

  void run(std::uint32_t operations) {
    for (std::uint32_t i = 0; i < operations; ++i) {
      one_operation();
      // Not always: to look is to publish what is pending, and what piles up is to be seen as well.
      if (print_all || random_.one_in(look_often_)) compare(print_all || random_.one_in(8));
    }
    wind_down();
  }

 private:
  // -- what is asked --

  reference::Config make_config() {
    static const std::uint32_t block_tokens[] = {1, 2, 3, 4, 4, 5, 8, 16};
    reference::Config c;
    c.num_blocks = 3 + random_.below(random_.one_in(4) ? 60 : 24);
    c.block_tokens = block_tokens[random_.below(8)];
    c.max_sequences = 1 + random_.below(8);
    c.max_tokens = c.block_tokens * (2 + random_.below(c.num_blocks + 4));
    c.max_plans = 1 + random_.below(6);
    c.max_holds = 1 + random_.below(4);
    c.max_pinned = 1 + random_.below(c.num_blocks);
    c.magazine = 1 + random_.below(4);
    c.max_tickets = 1u << random_.below(5);
    c.scrub = random_.one_in(3) ? random_.below(3) : static_cast<std::uint32_t>(AKV_SCRUB_NONE);
    // With scrubbing, which block of a magazine comes next decides about plans; the model does not know magazines'
    // order.
    single_appends_ = c.scrub == AKV_SCRUB_NONE;
    letters_ = 1 + random_.below(3);
    domains_ = 1 + random_.below(3);
    tickets_ = random_.one_in(2);
    look_often_ = 1 + random_.below(6);
    return c;
  }

  Tokens some_tokens(std::uint32_t count) {
    Tokens tokens(count);
    for (std::int32_t &token : tokens) token = static_cast<std::int32_t>(random_.below(letters_)) - 1;
    return tokens;
  }
  // Something new, or a beginning of something that is there, so that prompts meet.
  Tokens some_prompt() {
    const std::uint32_t longest = model_.config.max_tokens + 2;
    Tokens tokens;
    if (!model_.sequences.empty() && !random_.one_in(4)) {
      const Sequence &s = random_.pick(model_.sequences);
      tokens = s.tokens;
    } else if (!history_.empty() && !random_.one_in(3)) {
      tokens = random_.pick(history_);
    }
    if (!tokens.empty() && random_.one_in(2))
      tokens.resize(random_.below(static_cast<std::uint32_t>(tokens.size()) + 1));
    if (tokens.size() < longest && random_.one_in(2)) {
      const Tokens more =
          some_tokens(random_.below(static_cast<std::uint32_t>(std::min<std::size_t>(longest - tokens.size(), 24))));
      tokens.insert(tokens.end(), more.begin(), more.end());
    }
    if (!tokens.empty() && random_.one_in(30))
      tokens[random_.below(static_cast<std::uint32_t>(tokens.size()))] = AKV_TOKEN_UNKNOWN;
    if (history_.size() > 12) history_.pop_front();
    history_.push_back(tokens);
    return tokens;
  }
  Sequence *some_sequence() { return model_.sequences.empty() ? nullptr : &random_.pick(model_.sequences); }
  akv_prompt prompt_of(const Tokens &tokens, std::uint64_t domain) {
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens.data();
    prompt.num_tokens = static_cast<std::uint32_t>(tokens.size());
    prompt.domain = domain;
    return prompt;
  }
  std::uint64_t some_domain() { return random_.below(domains_) * 0x100000001u; }
  akv_sequence_options some_options(bool for_fork) {
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.request_id = random_.one_in(2) ? 1 + random_.below(12) : 0;
    options.owner = random_.below(4);
    options.max_tokens = random_.one_in(6) ? 1 + random_.below(model_.config.max_tokens) : 0;
    if (random_.one_in(12)) options.flags |= AKV_SEQUENCE_NO_PUBLISH;
    if (for_fork) return options;
    if (random_.one_in(6)) options.reserve_tokens = random_.below(model_.config.max_tokens + 1);
    if (random_.one_in(3)) options.flags |= AKV_SEQUENCE_COMMITTED;
    if (random_.one_in(4)) options.flags |= AKV_SEQUENCE_PREFIX_ONLY;
    if (random_.one_in(10)) options.flags |= AKV_SEQUENCE_NO_MATCH;
    else if (random_.one_in(2)) options.flags |= AKV_SEQUENCE_PARTIAL;
    return options;
  }
  // 0, an open ticket, sometimes one that has ended.
  akv_ticket some_ticket() {
    if (!tickets_ || model_.newest == 0 || random_.one_in(3)) return 0;
    if (model_.open_tickets.empty() || random_.one_in(12))
      return ticket(1 + random_.below(static_cast<std::uint32_t>(model_.newest)));
    return ticket(random_.pick(model_.open_tickets));
  }
  akv_ticket ticket(std::uint64_t number) const { return number == 0 ? 0 : ticket_base_ | number; }
  static std::uint64_t number(akv_ticket ticket) { return ticket & ((std::uint64_t{1} << 48) - 1); }

  // -- one call on both --

  void one_operation() {
    const std::uint32_t what = random_.below(100);
    if (what < 14) create();
    else if (what < 34) append();
    else if (what < 44) append_batch();
    else if (what < 56) commit();
    else if (what < 60) set_tokens();
    else if (what < 66) fork();
    else if (what < 71) truncate();
    else if (what < 73) set_length();
    else if (what < 76) reserve();
    else if (what < 82) free();
    else if (what < 83) drop_owner();
    else if (what < 85) pin_or_unpin();
    else if (what < 88) lease_or_release();
    else if (what < 93) open_or_end_ticket();
    else if (what < 97) end_plan();
    else if (what < 98) look();
    else if (what < 99) read_tables();
    else if (random_.one_in(8)) clear();
  }

  void create() {
    const Tokens tokens = some_prompt();
    const std::uint64_t domain = some_domain();
    const akv_prompt prompt = prompt_of(tokens, domain);
    const akv_sequence_options options = some_options(false);
    note("create %zu tokens, domain %" PRIu64 ", flags %u, reserve %u, max %u", tokens.size(), domain, options.flags,
         options.reserve_tokens, options.max_tokens);
    akv_room room = AKV_ROOM_INIT, want_room = AKV_ROOM_INIT;
    expect(akv_cache_can_allocate(cache_, &prompt, &options, &room), AKV_OK, "can_allocate");
    model_.can_allocate(tokens, domain, options, want_room);
    same(room.blocks_needed, want_room.blocks_needed, "room.blocks_needed");
    same(room.blocks_available, want_room.blocks_available, "room.blocks_available");
    akv_created got = AKV_CREATED_INIT, want = AKV_CREATED_INIT;
    const akv_status status = akv_sequence_create(cache_, &prompt, &options, &got);
    same(room.status, status, "can_allocate's forecast");
    expect(status, model_.create(tokens, domain, options, got, want), "create");
    if (status != AKV_OK) return;
    same(got.length, want.length, "length");
    same(got.cached_tokens, want.cached_tokens, "cached_tokens");
    same(got.partial_tokens, want.partial_tokens, "partial_tokens");
    same(got.shared_blocks, want.shared_blocks, "shared_blocks");
    same(got.new_blocks, want.new_blocks, "new_blocks");
    same(got.plan, want.plan, "plan");
    same(number(got.wait), want.wait, "wait");
    check_plan(got.plan);
  }

  void append() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    std::uint32_t count = random_.one_in(4) ? random_.below(2 * model_.config.block_tokens + 2) : 1;
    const bool commit = random_.one_in(2), unknown = random_.one_in(6), may_plan = !random_.one_in(8);
    Tokens tokens = some_tokens(count);
    if (unknown) std::fill(tokens.begin(), tokens.end(), AKV_TOKEN_UNKNOWN);
    note("append %u%s%s to %" PRIx64, count, unknown ? " unknown" : "", commit ? " committed" : "", s->handle);
    akv_room room = AKV_ROOM_INIT, want_room = AKV_ROOM_INIT;
    expect(akv_sequence_can_extend(cache_, s->handle, count, &room), AKV_OK, "can_extend");
    model_.can_extend(*s, count, want_room);
    same(static_cast<std::uint32_t>(room.status), static_cast<std::uint32_t>(want_room.status), "room.status");
    same(room.blocks_needed, want_room.blocks_needed, "room.blocks_needed");
    same(room.blocks_available, want_room.blocks_available, "room.blocks_available");
    akv_plan plan = 77, want = AKV_NONE;
    akv_plan *out = may_plan ? &plan : nullptr;
    akv_status status;
    if (single_appends_) {
      status = akv_sequence_append(cache_, s->handle, unknown ? nullptr : tokens.data(), count,
                                   commit ? AKV_APPEND_COMMITTED : 0u, out);
    } else {
      akv_batch batch = AKV_BATCH_INIT;
      batch.flags = commit ? AKV_APPEND_COMMITTED : 0u;
      batch.num_sequences = 1;
      batch.sequences = &s->handle;
      batch.num_tokens = &count;
      batch.tokens = unknown ? nullptr : tokens.data();
      batch.tokens_count = unknown ? 0 : count;
      status = akv_sequence_append_batch(cache_, &batch, nullptr, out);
    }
    expect(status, model_.append({{s, tokens}}, commit, may_plan, single_appends_, plan, want), "append");
    if (status == AKV_OK && may_plan) {
      same(plan, want, "plan");
      check_plan(plan);
    }
  }

  void append_batch() {
    std::vector<Sequence *> chosen;
    for (Sequence &s : model_.sequences)
      if (!random_.one_in(3)) chosen.push_back(&s);
    if (chosen.empty()) return;
    if (random_.one_in(2)) std::reverse(chosen.begin(), chosen.end());
    std::vector<Model::Row> rows;
    std::vector<akv_sequence> handles;
    std::vector<std::uint32_t> counts, row_of;
    Tokens all;
    const bool commit = random_.one_in(2), may_plan = !random_.one_in(8), permuted = random_.one_in(2),
               all_one = random_.one_in(2);
    for (Sequence *s : chosen) {
      Tokens tokens =
          some_tokens(!all_one && random_.one_in(4) ? random_.below(2 * model_.config.block_tokens + 2) : 1);
      if (random_.one_in(8)) std::fill(tokens.begin(), tokens.end(), AKV_TOKEN_UNKNOWN);
      handles.push_back(s->handle);
      counts.push_back(static_cast<std::uint32_t>(tokens.size()));
      row_of.push_back(static_cast<std::uint32_t>(s->handle & 0xfffff));
      all.insert(all.end(), tokens.begin(), tokens.end());
      rows.push_back({s, tokens});
    }
    note("append_batch of %zu, %zu tokens%s", chosen.size(), all.size(), commit ? " committed" : "");
    akv_batch batch = AKV_BATCH_INIT;
    batch.flags = commit ? AKV_APPEND_COMMITTED : 0u;
    batch.num_sequences = static_cast<std::uint32_t>(handles.size());
    batch.sequences = handles.data();
    batch.num_tokens = all_one ? nullptr : counts.data();
    batch.tokens = all.data();
    batch.tokens_count = static_cast<std::uint32_t>(all.size());
    Outputs outputs(*this, all.size() + random_.below(4), handles.size() + random_.below(3));
    outputs.tables.row_of = permuted && outputs.tables.padded_sequences <= handles.size() ? row_of.data() : nullptr;
    akv_plan plan = 77, want = AKV_NONE;
    const akv_status status = akv_sequence_append_batch(cache_, &batch, &outputs.tables, may_plan ? &plan : nullptr);
    expect(status, model_.append(rows, commit, may_plan, false, plan, want), "append_batch");
    if (status != AKV_OK) return;
    if (may_plan) same(plan, want, "plan");
    std::vector<std::uint32_t> ends;
    for (Sequence *s : chosen) ends.push_back(s->length());
    outputs.check(chosen, counts, ends, true);
    if (may_plan) check_plan(plan);
  }

  void read_tables() {
    std::vector<Sequence *> chosen;
    std::vector<akv_sequence> handles;
    std::vector<std::uint32_t> counts, first, ends;
    std::uint32_t query = 0;
    akv_status want = AKV_OK;
    const bool at_the_end = random_.one_in(4);
    for (Sequence &s : model_.sequences) {
      if (random_.one_in(2)) continue;
      const auto room = static_cast<std::uint32_t>(s.table.size()) * model_.config.block_tokens;
      first.push_back(random_.below(room + 2));
      counts.push_back(random_.below(room + 2 > first.back() ? room + 2 - first.back() : 1));
      if (at_the_end) {  // what NULL stands for
        counts.back() = 1;
        first.back() = s.length() - 1;
        if (s.length() == 0) return;
      }
      const std::uint32_t end = first.back() + counts.back();
      chosen.push_back(&s);
      handles.push_back(s.handle);
      ends.push_back(end);
      query += counts.back();
      const std::uint32_t size = model_.config.block_tokens;
      const bool shared_tail = s.length() % size != 0 && (s.length() + size - 1) / size <= s.path.size();
      if (want == AKV_OK) want = s.lost ? AKV_ERROR_CONTENT_LOST : s.plan != nullptr ? AKV_ERROR_PLAN_OPEN : AKV_OK;
      if (want == AKV_OK && end > room) want = AKV_ERROR_OUT_OF_RANGE;
      if (want == AKV_OK && end > s.length() && counts.back() != 0 && shared_tail) want = AKV_ERROR_PLAN_NEEDED;
    }
    if (chosen.empty()) return;
    note("read_tables of %zu", chosen.size());
    if (std::any_of(chosen.begin(), chosen.end(), [](const Sequence *s) { return s->pending; }))
      model_.publish_pending();
    akv_batch batch = AKV_BATCH_INIT;
    batch.num_sequences = static_cast<std::uint32_t>(handles.size());
    batch.sequences = handles.data();
    batch.num_tokens = counts.data();
    batch.first = first.data();
    if (at_the_end) {
      batch.first = nullptr;
      if (random_.one_in(2)) batch.num_tokens = nullptr;
    }
    Outputs outputs(*this, query, handles.size());
    expect(akv_sequence_read_tables(cache_, &batch, &outputs.tables), want, "read_tables");
    if (want == AKV_OK) outputs.check(chosen, counts, ends, false);
  }

  void commit() {
    std::vector<Sequence *> chosen;
    std::vector<akv_sequence> handles;
    std::vector<std::uint32_t> lengths;
    const bool all = random_.one_in(4);
    for (Sequence &s : model_.sequences) {
      if (random_.one_in(2)) continue;
      chosen.push_back(&s);
      handles.push_back(s.handle);
      lengths.push_back(all || random_.one_in(2) ? s.length() : random_.below(s.length() + 2));
    }
    if (chosen.empty()) return;
    const akv_ticket t = some_ticket();
    note("commit %zu under ticket %" PRIu64, chosen.size(), number(t));
    const akv_status want = model_.commit(chosen, lengths, number(t));
    if (chosen.size() == 1 && random_.one_in(2))
      expect(akv_sequence_commit(cache_, handles[0], lengths[0], t), want, "commit");
    else
      expect(akv_sequence_commit_batch(cache_, handles.data(), all ? nullptr : lengths.data(),
                                       static_cast<std::uint32_t>(handles.size()), t),
             want, "commit_batch");
  }

  void set_tokens() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    const std::uint32_t known = s->known(), first = random_.one_in(3) ? random_.below(s->length() + 2) : known;
    Tokens tokens = some_tokens(1 + random_.below(3));
    if (random_.one_in(20)) tokens[0] = AKV_TOKEN_UNKNOWN;
    note("set_tokens %zu at %u of %" PRIx64, tokens.size(), first, s->handle);
    expect(akv_sequence_set_tokens(cache_, s->handle, first, tokens.data(), static_cast<std::uint32_t>(tokens.size())),
           model_.set_tokens(*s, first, tokens), "set_tokens");
  }

  void fork() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    const std::uint32_t length = random_.one_in(2) ? AKV_UNSET : random_.below(s->length() + 2);
    const akv_sequence_options options = some_options(true);
    note("fork %" PRIx64 " at %u", s->handle, length);
    akv_sequence child = 0;
    const akv_status status = akv_sequence_fork(cache_, s->handle, length, &options, &child);
    expect(status, model_.fork(*s, length, options, child), "fork");
  }

  void truncate() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    std::uint32_t length = random_.below(s->length() + 2);
    if (random_.one_in(2)) length = s->length() - std::min(s->length(), random_.below(3));
    if (s->lost && random_.one_in(2)) length = random_.below(s->sound + 1);
    const bool keep = random_.one_in(3);
    note("truncate %" PRIx64 " to %u%s", s->handle, length, keep ? ", keep blocks" : "");
    expect(akv_sequence_truncate(cache_, s->handle, length, keep ? AKV_TRUNCATE_KEEP_BLOCKS : 0u),
           model_.truncate(*s, length, keep), "truncate");
  }

  void set_length() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    const std::uint32_t length = random_.below(s->length() + 2 * model_.config.block_tokens + 2);
    note("set_length %" PRIx64 " to %u", s->handle, length);
    expect(akv_sequence_set_length(cache_, s->handle, length), model_.set_length(*s, length), "set_length");
  }

  void reserve() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    const std::uint32_t tokens = random_.below(s->length() + 2 * model_.config.block_tokens + 3);
    const bool may_plan = !random_.one_in(6);
    note("reserve %u for %" PRIx64, tokens, s->handle);
    akv_plan plan = 77, want = AKV_NONE;
    const akv_status status = akv_sequence_reserve(cache_, s->handle, tokens, may_plan ? &plan : nullptr);
    expect(status, model_.reserve(*s, tokens, may_plan, plan, want), "reserve");
    if (status == AKV_OK && may_plan) {
      same(plan, want, "plan");
      check_plan(plan);
    }
  }

  void free() {
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    note("free %" PRIx64, s->handle);
    const akv_sequence handle = s->handle;
    if (random_.one_in(3)) {
      const akv_sequence twice[] = {handle, handle};
      akv_status statuses[2];
      std::uint32_t freed = 0, stale = 0;
      expect(akv_sequence_free_batch(cache_, twice, 2, &freed, &stale, statuses), AKV_OK, "free_batch");
      same(freed * 10 + stale, 11, "freed and stale");
      expect(statuses[1], AKV_ERROR_BAD_HANDLE, "the second free");
    } else {
      expect(akv_sequence_free(cache_, handle), AKV_OK, "free");
      expect(akv_sequence_free(cache_, handle), AKV_ERROR_BAD_HANDLE, "the second free");
    }
    model_.free(*s);
  }

  void drop_owner() {
    const std::uint64_t owner = 1 + random_.below(3);
    const bool in_flight = random_.one_in(2);
    note("drop_owner %" PRIu64 "%s", owner, in_flight ? ", in flight" : "");
    std::uint32_t released = 0;
    expect(akv_cache_drop_owner(cache_, owner, in_flight ? AKV_DROP_IN_FLIGHT : 0u, &released), AKV_OK, "drop_owner");
    same(released, model_.drop_owner(owner, in_flight), "released");
  }

  void pin_or_unpin() {
    if (!model_.holds.empty() && random_.one_in(2)) {
      const Hold hold = random_.pick(model_.holds);
      if (!hold.pin) return;
      note("unpin");
      expect(akv_prefix_unpin(cache_, hold.handle), AKV_OK, "unpin");
      expect(akv_prefix_unpin(cache_, hold.handle), AKV_ERROR_BAD_HANDLE, "the second unpin");
      return model_.release(hold.handle);
    }
    const Tokens tokens = some_prompt();
    const std::uint64_t domain = some_domain(), owner = random_.below(4);
    note("pin %zu tokens", tokens.size());
    const akv_prompt prompt = prompt_of(tokens, domain);
    akv_pin pin = 0;
    std::uint32_t pinned = 0, want = 0;
    const akv_status status = akv_prefix_pin(cache_, &prompt, owner, &pin, &pinned);
    expect(status, model_.pin(tokens, domain, owner, pin, want), "pin");
    if (status == AKV_OK) same(pinned, want, "pinned tokens");
  }

  void lease_or_release() {
    if (!model_.holds.empty() && random_.one_in(2)) {
      const Hold hold = random_.pick(model_.holds);
      if (hold.pin) return;
      note("release lease");
      std::vector<std::int32_t> want, got(model_.config.num_blocks);
      for (const reference::Node *node = hold.end; node != nullptr; node = node->parent)
        want.insert(want.begin(), node->id);
      std::uint32_t count = 0;
      expect(akv_lease_read_blocks(cache_, hold.handle, got.data(), model_.config.num_blocks, &count), AKV_OK,
             "lease_read_blocks");
      got.resize(count);
      if (got != want) fail("the blocks of a lease");
      expect(akv_lease_release(cache_, hold.handle), AKV_OK, "lease_release");
      expect(akv_lease_release(cache_, hold.handle), AKV_ERROR_BAD_HANDLE, "the second release");
      return model_.release(hold.handle);
    }
    Sequence *s = some_sequence();
    if (s == nullptr) return;
    const std::uint32_t tokens = random_.below(s->length() + 2);
    const std::uint64_t owner = random_.below(4);
    note("lease %u tokens of %" PRIx64, tokens, s->handle);
    akv_lease lease = 0;
    akv_ticket wait = 0;
    std::uint64_t want = 0;
    const akv_status status = akv_lease_acquire(cache_, s->handle, tokens, owner, &lease, &wait);
    expect(status, model_.lease(*s, tokens, owner, lease, want), "lease_acquire");
    if (status == AKV_OK) same(number(wait), want, "wait");
  }

  void open_or_end_ticket() {
    if (!tickets_) return;
    if (model_.open_tickets.empty() || random_.one_in(2)) {
      note("open ticket");
      akv_ticket opened = 0;
      const akv_status status = akv_ticket_open(cache_, &opened);
      expect(status, model_.open_ticket(), "ticket_open");
      if (status != AKV_OK) return;
      same(number(opened), model_.newest, "the ticket's number");
      ticket_base_ = opened & ~((std::uint64_t{1} << 48) - 1);
      return;
    }
    const std::uint64_t n = random_.one_in(10) ? 1 + random_.below(static_cast<std::uint32_t>(model_.newest))
                                               : random_.pick(model_.open_tickets);
    std::uint32_t state = 0;
    expect(akv_ticket_read(cache_, ticket(n), &state), AKV_OK, "ticket_read");
    same(state, model_.ticket_state(n), "the ticket's state");
    if (random_.one_in(8) && model_.open_tickets.count(n) != 0) {
      note("abandon ticket %" PRIu64, n);
      std::uint32_t lost = 0;
      expect(akv_ticket_abandon(cache_, ticket(n), &lost), AKV_OK, "ticket_abandon");
      return same(lost, model_.abandon(n), "sequences that lost content");
    }
    note("retire ticket %" PRIu64, n);
    expect(akv_ticket_retire(cache_, ticket(n)), model_.retire(n), "ticket_retire");
  }

  void end_plan() {
    if (model_.plans.empty()) return;
    Plan &plan = random_.pick(model_.plans);
    const akv_plan handle = plan.handle;
    check_plan(handle);
    if (random_.one_in(3)) {
      note("abandon plan %" PRIx64, handle);
      expect(akv_plan_abandon(cache_, handle), AKV_OK, "plan_abandon");
      model_.abandon_plan(plan);
      return expect(akv_plan_abandon(cache_, handle), AKV_ERROR_BAD_HANDLE, "the second abandon");
    }
    const akv_ticket t = some_ticket();
    note("finish plan %" PRIx64 " under ticket %" PRIu64, handle, number(t));
    expect(akv_plan_finish(cache_, handle, t), model_.finish(plan, number(t)), "plan_finish");
  }

  void look() {
    const Tokens tokens = some_prompt();
    const std::uint64_t domain = some_domain();
    const akv_prompt prompt = prompt_of(tokens, domain);
    note("match and explain %zu tokens", tokens.size());
    model_.publish_pending();
    akv_match got = AKV_MATCH_INIT;
    expect(akv_prefix_match(cache_, &prompt, &got), AKV_OK, "match");
    const reference::Match want =
        model_.match(domain, tokens, tokens.empty() ? 0 : static_cast<std::uint32_t>(tokens.size()) - 1);
    same(got.cached_blocks, static_cast<std::uint32_t>(want.path.size()), "cached_blocks");
    same(got.partial_tokens, want.partial, "partial_tokens");
    same(number(got.wait), std::max(want.wait, want.partial_wait), "wait");
    akv_explanation why = AKV_EXPLANATION_INIT;
    expect(akv_prefix_explain(cache_, &prompt, &why), AKV_OK, "explain");
    same(why.reason, model_.explain(tokens, domain), "the reason of a miss");
  }

  void clear() {
    const std::uint64_t domain = some_domain();
    const bool one = random_.one_in(2), keep = random_.one_in(2);
    note("clear%s%s", one ? " one domain" : "", keep ? ", keep pinned" : "");
    std::uint32_t blocks = 0;
    expect(akv_prefix_clear(cache_, one ? &domain : nullptr, keep ? AKV_CLEAR_KEEP_PINNED : 0u, &blocks), AKV_OK,
           "clear");
    same(blocks, model_.clear(one ? &domain : nullptr, keep), "cleared blocks");
  }

  // Give everything back: nothing may be left over.
  void wind_down() {
    note("wind down");
    while (!model_.plans.empty()) {
      expect(akv_plan_abandon(cache_, model_.plans.front().handle), AKV_OK, "plan_abandon");
      model_.abandon_plan(model_.plans.front());
    }
    while (!model_.sequences.empty()) {
      expect(akv_sequence_free(cache_, model_.sequences.front().handle), AKV_OK, "free");
      model_.free(model_.sequences.front());
    }
    while (!model_.holds.empty()) {
      const Hold hold = model_.holds.front();
      expect(hold.pin ? akv_prefix_unpin(cache_, hold.handle) : akv_lease_release(cache_, hold.handle), AKV_OK,
             "release");
      model_.release(hold.handle);
    }
    while (!model_.open_tickets.empty()) {
      const std::uint64_t n = *model_.open_tickets.begin();
      expect(akv_ticket_retire(cache_, ticket(n)), model_.retire(n), "ticket_retire");
    }
    expect(akv_prefix_clear(cache_, nullptr, 0, nullptr), AKV_OK, "clear");
    model_.clear(nullptr, false);
    compare(true);
    akv_cache_state state = AKV_CACHE_STATE_INIT;
    expect(akv_cache_read_state(cache_, &state), AKV_OK, "read_state");
    same(state.free_blocks + state.dirty_blocks, state.num_blocks, "free blocks when all is over");
    same(state.runs, 0, "runs when all is over");
  }

  // -- comparing --

  // The arrays of one step, and what must be in them.
  struct Outputs {
    Outputs(Run &of, std::size_t slots, std::size_t sequences) : run(of) {
      const std::size_t width = run.row_width();
      slot_mapping.assign(slots + 1, -9);
      positions.assign(slots + 1, -9);
      query_start.assign(sequences + 2, -9);
      indptr.assign(sequences + 2, -9);
      indices.assign(sequences * width + 1, -9);
      last_page.assign(sequences + 1, -9);
      const std::size_t rows = run.rows_.size() + 4;
      seq_lens.assign(rows, -9);
      first.assign(rows, -9);
      run.rows_.resize(rows);
      run.row_table_.resize(rows * width, -7);
      tables.pad_block = -1;
      tables.slot_mapping = slot_mapping.data();
      tables.positions = positions.data();
      tables.slot_capacity = slots;
      tables.padded_slots = slots;
      tables.query_start_loc = query_start.data();
      tables.kv_indptr = indptr.data();
      tables.kv_indices = indices.data();
      tables.kv_indices_capacity = indices.size() - 1;
      tables.kv_last_page_len = last_page.data();
      tables.sequence_capacity = static_cast<std::uint32_t>(sequences);
      tables.padded_sequences = static_cast<std::uint32_t>(sequences);
      tables.block_table = run.row_table_.data();
      tables.row_states = run.rows_.data();
      tables.first_positions = first.data();
      tables.seq_lens = seq_lens.data();
      tables.row_stride = width;
      tables.row_width = static_cast<std::uint32_t>(width);
      tables.num_rows = static_cast<std::uint32_t>(rows);
    }

    void check(const std::vector<Sequence *> &sequences, const std::vector<std::uint32_t> &counts,
               const std::vector<std::uint32_t> &ends, bool appended) {
      const std::uint32_t size = run.model_.config.block_tokens;
      std::size_t query = 0, index = 0;
      for (std::size_t i = 0; i < sequences.size(); ++i) {
        const Sequence &s = *sequences[i];
        run.same(query_start[i], static_cast<std::int32_t>(query), "query_start_loc");
        run.same(indptr[i], static_cast<std::int32_t>(index), "kv_indptr");
        for (std::uint32_t p = ends[i] - counts[i]; p < ends[i]; ++p, ++query) {
          const bool there = !appended && p / size < s.path.size() && p < s.committed;
          run.same(slot_mapping[query], there ? -1 : std::int64_t{s.table[p / size]} * size + p % size, "slot_mapping");
          run.same(positions[query], std::int64_t{p}, "positions");
        }
        const std::uint32_t blocks = (ends[i] + size - 1) / size;
        const std::size_t row = tables.row_of != nullptr ? tables.row_of[i] : i;
        for (std::uint32_t b = 0; b < blocks; ++b) run.same(indices[index++], s.table[b], "kv_indices");
        for (std::size_t b = 0; b < run.row_width(); ++b)
          run.same(run.row_table_[row * run.row_width() + b], b < blocks ? s.table[b] : -1, "block_table");
        run.same(last_page[i], static_cast<std::int32_t>(blocks == 0 ? 0 : ends[i] - (blocks - 1) * size),
                 "kv_last_page_len");
        run.same(seq_lens[row], static_cast<std::int32_t>(ends[i]), "seq_lens");
        run.same(first[row], 0, "first_positions");
      }
      for (std::size_t i = sequences.size(); i <= tables.padded_sequences; ++i) {
        run.same(query_start[i], static_cast<std::int32_t>(query), "padded query_start_loc");
        run.same(indptr[i], static_cast<std::int32_t>(index), "padded kv_indptr");
        if (i < tables.padded_sequences && tables.row_of == nullptr)
          for (std::size_t b = 0; b < run.row_width(); ++b)
            run.same(run.row_table_[i * run.row_width() + b], -1, "a padded row");
      }
      for (; query < tables.padded_slots; ++query)
        run.same(slot_mapping[query], std::int64_t{-1}, "padded slot_mapping");
      run.same(slot_mapping.back(), std::int64_t{-9}, "behind slot_mapping");
      run.same(indices.back(), -9, "behind kv_indices");
    }

    Run &run;
    akv_tables tables = AKV_TABLES_INIT;
    std::vector<std::int64_t> slot_mapping, positions;
    std::vector<std::int32_t> query_start, indptr, indices, last_page, seq_lens, first;
  };

  std::size_t row_width() const { return model_.config.max_tokens / model_.config.block_tokens + 4; }

  std::vector<std::int32_t> read_table(akv_sequence sequence) {
    std::vector<std::int32_t> table(model_.config.num_blocks);
    std::uint32_t count = 0;
    expect(akv_sequence_read_blocks(cache_, sequence, 0, table.data(), model_.config.num_blocks, &count), AKV_OK,
           "read_blocks");
    table.resize(count);
    return table;
  }

  void check_plan(akv_plan handle) {
    if (handle == AKV_NONE) return;
    const Plan *plan = model_.find_plan(handle);
    if (plan == nullptr) return fail("a plan the model does not know");
    akv_plan_info info = AKV_PLAN_INFO_INIT;
    expect(akv_plan_read_info(cache_, handle, &info), AKV_OK, "plan_read_info");
    std::vector<akv_plan_record> records(info.num_records);
    std::uint32_t count = 0;
    expect(akv_plan_read_records(cache_, handle, 0, records.data(), info.num_records, &count), AKV_OK,
           "plan_read_records");
    same(count, static_cast<std::uint32_t>(plan->records.size()), "records");
    same(info.num_sequences, static_cast<std::uint32_t>(plan->sequences.size()), "sequences of a plan");
    std::uint64_t copied = 0, zeroed = 0;
    for (std::size_t i = 0; i < records.size() && i < plan->records.size(); ++i) {
      akv_plan_record got = records[i];
      got.wait = number(got.wait);
      if (std::memcmp(&got, &plan->records[i], sizeof got) != 0) fail("a record of a plan");
      (got.kind == AKV_PLAN_ZERO ? zeroed : copied) += got.kind == AKV_PLAN_ZERO ? 1 : got.num_tokens;
    }
    same(info.copied_tokens, copied, "copied_tokens");
    same(info.zeroed_blocks, zeroed, "zeroed_blocks");
  }

  void compare_sequence(const Sequence &s) {
    akv_sequence_info info = AKV_SEQUENCE_INFO_INIT;
    expect(akv_sequence_read_info(cache_, s.handle, &info), AKV_OK, "read_info");
    same(info.length, s.length(), "length");
    same(info.known, s.known(), "known");
    same(info.committed, s.committed, "committed");
    same(info.published_tokens, model_.published_tokens(s), "published_tokens");
    same(info.sound_tokens, s.lost ? s.sound : s.length(), "sound_tokens");
    same(info.num_blocks, static_cast<std::uint32_t>(s.table.size()), "num_blocks");
    same(info.shared_blocks, static_cast<std::uint32_t>(s.path.size()) - model_.duplicates(s), "shared_blocks");
    same(info.remaining, s.max_tokens - s.length(), "remaining");
    same(info.plan, s.plan != nullptr ? s.plan->handle : 0, "plan of a sequence");
    if (number(info.wait) != model_.wait_of(s)) std::printf("sequence %" PRIx64 "\n", s.handle);
    same(number(info.wait), model_.wait_of(s), "wait of a sequence");
    if (read_table(s.handle) != s.table) fail("a block table");
    Tokens tokens(s.length());
    expect(akv_sequence_read_tokens(cache_, s.handle, 0, s.length(), tokens.data()), AKV_OK, "read_tokens");
    if (tokens != s.tokens) fail("token ids");
    akv_sequence found = 0;
    if (s.request_id != 0) {
      expect(akv_sequence_find(cache_, s.request_id, &found), AKV_OK, "find");
      same(found, s.handle, "the sequence of a request id");
    }
  }

  void compare(bool everything) {
    if (!model_.complaint.empty()) fail(model_.complaint.c_str());
    akv_cache_state got = AKV_CACHE_STATE_INIT;
    expect(akv_cache_read_state(cache_, &got), AKV_OK, "read_state");
    model_.publish_pending();
    const akv_cache_state want = model_.state();
    same(got.free_blocks + got.dirty_blocks, want.free_blocks, "free and dirty blocks");
    same(got.reserved_blocks, want.reserved_blocks, "reserved_blocks");
    same(got.live_blocks, want.live_blocks, "live_blocks");
    same(got.pinned_blocks, want.pinned_blocks, "pinned_blocks");
    same(got.cached_blocks, want.cached_blocks, "cached_blocks");
    same(got.quarantined_blocks, want.quarantined_blocks, "quarantined_blocks");
    same(got.evictable_blocks, want.evictable_blocks, "evictable_blocks");
    same(got.duplicate_blocks, want.duplicate_blocks, "duplicate_blocks");
    same(got.peak_live_blocks, want.peak_live_blocks, "peak_live_blocks");
    same(got.sequences, want.sequences, "sequences");
    same(got.lost_sequences, want.lost_sequences, "lost_sequences");
    same(got.pins, want.pins, "pins");
    same(got.leases, want.leases, "leases");
    same(got.plans, want.plans, "plans");
    same(got.open_tickets, want.open_tickets, "open_tickets");
    same(number(got.oldest_open), want.oldest_open, "oldest_open");
    same(number(got.newest), want.newest, "newest");
    same(got.sequence_tokens, want.sequence_tokens, "sequence_tokens");
    same(got.cached_tokens, want.cached_tokens, "cached_tokens");
    same(got.created_sequences, want.created_sequences, "created_sequences");
    same(got.freed_sequences, want.freed_sequences, "freed_sequences");
    same(got.prompt_tokens, want.prompt_tokens, "prompt_tokens");
    same(got.hit_tokens, want.hit_tokens, "hit_tokens");
    same(got.partial_tokens, want.partial_tokens, "partial_tokens of the state");
    same(got.published_blocks, want.published_blocks, "published_blocks");
    same(got.evicted_blocks, want.evicted_blocks, "evicted_blocks");
    same(got.copy_on_writes, want.copy_on_writes, "copy_on_writes");
    same(got.refused_no_blocks, want.refused_no_blocks, "refused_no_blocks");
    if (single_appends_) same(got.refills, want.refills, "refills");
    if (got.runs > got.num_blocks) fail("more runs than blocks");
    expect(akv_cache_audit(cache_), AKV_OK, "audit");
    if (!everything) return;
    expect(akv_cache_audit_all(cache_), AKV_OK, "audit_all");
    for (const Sequence &s : model_.sequences) compare_sequence(s);
    std::vector<std::uint8_t> map(model_.config.num_blocks + 1);
    expect(akv_cache_read_block_map(cache_, map.data(), model_.config.num_blocks + 1), AKV_OK, "read_block_map");
    for (std::uint8_t &code : map) code = code == AKV_BLOCK_DIRTY ? std::uint8_t{AKV_BLOCK_FREE} : code;
    if (map != model_.block_map()) fail("the block map");
    akv_measures measures = AKV_MEASURES_INIT;
    expect(akv_cache_measure(cache_, &measures), AKV_OK, "measure");
    const akv_measures wanted = model_.measure();
    same(measures.largest_free_run, wanted.largest_free_run, "largest_free_run");
    same(measures.live_tokens, wanted.live_tokens, "live_tokens");
  }

  template <class A, class B>
  void same(A got, B want, const char *what) {
    if (got == static_cast<A>(want)) return;
    std::printf("%s: the library says %lld, the model %lld\n", what, static_cast<long long>(got),
                static_cast<long long>(want));
    fail(what);
  }
  void expect(akv_status got, akv_status want, const char *what) {
    if (got == want) return;
    char text[300] = "";
    if (got != AKV_OK) akv_last_error(text, sizeof text);
    std::printf("%s: the library says %s (%s), the model %s\n", what, akv_status_name(got), text,
                akv_status_name(want));
    fail(what);
  }

  [[gnu::format(printf, 2, 3)]] void note(const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    ++calls_;
    if (print_all) std::printf("%6" PRIu64 " %s\n", calls_, line);
    calls_log_.push_back(line);
    if (calls_log_.size() > 12) calls_log_.pop_front();
  }
  [[noreturn]] void fail(const char *what) {
    std::printf("DIFFERENCE in %s: seed %" PRIu64 ", call %" PRIu64 ". The last calls:\n", what, seed_, calls_);
    for (const std::string &line : calls_log_) std::printf("  %s\n", line.c_str());
    std::vector<std::uint8_t> map(model_.config.num_blocks + 1);
    if (akv_cache_read_block_map(cache_, map.data(), model_.config.num_blocks + 1) != AKV_OK)
      std::printf("no block map\n");
    const std::vector<std::uint8_t> wanted = model_.block_map();
    for (std::size_t i = 0; i < map.size(); ++i) std::printf("%x", map[i]);
    std::printf("  the library's block map\n");
    for (std::size_t i = 0; i < map.size(); ++i) std::printf("%x", wanted[i]);
    std::printf("  the model's\n");
    std::vector<char> text(1 << 16);
    if (akv_report_dump(cache_, text.data(), text.size(), nullptr) == AKV_OK) std::printf("%s", text.data());
    const reference::Config &c = model_.config;
    std::printf(
        "config: %u blocks of %u, %u sequences of %u, %u plans, %u holds, %u pinned, magazine %u, %u tickets, scrub "
        "%u\n",
        c.num_blocks, c.block_tokens, c.max_sequences, c.max_tokens, c.max_plans, c.max_holds, c.max_pinned, c.magazine,
        c.max_tickets, c.scrub);
    std::exit(1);
  }

  std::uint64_t seed_;
  Random random_;
  bool single_appends_ = true, tickets_ = true;
  std::uint32_t look_often_ = 1;
  std::uint32_t letters_ = 2, domains_ = 1;
  Model model_;
  akv_cache *cache_ = nullptr;
  std::deque<Tokens> history_;
  std::vector<akv_row_state> rows_;
  std::vector<std::int32_t> row_table_;
  std::uint64_t ticket_base_ = 0;
  std::uint64_t calls_ = 0;
  std::deque<std::string> calls_log_;
};

}  // namespace

int main(int argc, char **argv) {
  std::uint64_t operations = 200000, seed = 1, seconds = 0;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--print") print_all = true;
    else if (i + 1 < argc && argument == "--operations") operations = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seed") seed = std::strtoull(argv[++i], nullptr, 10);
    else if (i + 1 < argc && argument == "--seconds") seconds = std::strtoull(argv[++i], nullptr, 10);
    else {
      std::fprintf(stderr, "usage: random_operations [--operations N] [--seed S] [--seconds T] [--print]\n");
      return 2;
    }
  }
  const std::time_t start = std::time(nullptr);
  std::uint64_t done = 0, seeds = 0;
  for (; done < operations; ++seeds, done += kOperationsPerSeed) {
    if (seconds != 0 && static_cast<std::uint64_t>(std::time(nullptr) - start) >= seconds) break;
    Run run(seed + seeds);
    run.run(kOperationsPerSeed);
  }
  std::printf("random operations: %" PRIu64 " calls from %" PRIu64 " seeds (first %" PRIu64 ") without a difference\n",
              done, seeds, seed);
  return 0;
}
