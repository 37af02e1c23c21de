// cache.hpp: the metadata of one KV cache: sequences, prefixes, steps over a whole batch, tickets, the state.
// What moves bytes is called copy_...: copy_run(), copy_save(), copy_load(). A cache that ends takes all in it along.
#ifndef ARENAKV_CPP_CACHE_HPP
#define ARENAKV_CPP_CACHE_HPP

#include <string>

#include "arenakv/cpp/sequence.hpp"

namespace arenakv {

template <class Errors>
class BasicCache : public detail::Owner<Errors, akv_cache, akv_cache_destroy> {
  using Base = detail::Owner<Errors, akv_cache, akv_cache_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Created = BasicCreated<Errors>;
  using Sequence = BasicSequence<Errors>;
  using Plan = BasicPlan<Errors>;
  using Pin = BasicPin<Errors>;

  using Base::Base;
  static Result<BasicCache> make(const CacheConfig &config = {}) {
    akv_cache *handle = nullptr;
    const akv_status status = akv_cache_create(&config, &handle);
    BasicCache cache(handle);
    return Errors::give(status, cache);
  }
#if ARENAKV_EXCEPTIONS
  template <class E = Errors, class = std::enable_if_t<std::is_same_v<E, Throw>>>
  explicit BasicCache(const CacheConfig &config) : BasicCache(make(config)) {}
#endif
  // The price before the order.
  static Result<Sizes> config_sizes(const CacheConfig &config = {}) {
    Sizes out;
    return Errors::give(akv_cache_config_sizes(&config, &out), out);
  }

  // -- sequences

  Result<Created> create(Span<const std::int32_t> tokens, const SequenceOptions &options = {}, std::uint64_t domain = 0) {
    const akv_prompt what = prompt(tokens, domain);
    akv_created created = AKV_CREATED_INIT;
    const akv_status status = akv_sequence_create(handle(), &what, &options, &created);
    Created out(handle(), created);
    return Errors::give(status, out);
  }
  Result<Room> can_allocate(Span<const std::int32_t> tokens, const SequenceOptions &options = {},
                            std::uint64_t domain = 0) const {
    const akv_prompt what = prompt(tokens, domain);
    Room out;
    return Errors::give(akv_cache_can_allocate(handle(), &what, &options, &out), out);
  }
  // The id of the live sequence with this request id. It stays its owner's.
  Result<akv_sequence> find(std::uint64_t request_id) const {
    akv_sequence id = AKV_NONE;
    return Errors::give(akv_sequence_find(handle(), request_id, &id), id);
  }
  // The live ones are freed; how many those were. The others are counted, each one's fate goes to `out_statuses`.
  Result<std::uint32_t> free_batch(Span<const akv_sequence> sequences, std::uint32_t *out_stale = nullptr,
                                   akv_status *out_statuses = nullptr) {
    std::uint32_t freed = 0;
    return Errors::give(akv_sequence_free_batch(handle(), data32(sequences), count32(sequences), &freed, out_stale,
                                                out_statuses), freed);
  }
  Result<std::uint32_t> drop_owner(std::uint64_t owner, std::uint32_t flags = 0) {
    std::uint32_t released = 0;
    return Errors::give(akv_cache_drop_owner(handle(), owner, flags, &released), released);
  }

  // -- steps: the whole batch in one call, tables into your arrays; nothing here allocates

  // Where no bytes have to be moved for it: else PlanNeeded.
  Result<void> append_batch(const Batch &batch, const Tables *tables = nullptr) {
    return Errors::done(akv_sequence_append_batch(handle(), &batch, tables, nullptr));
  }
  Result<void> append_batch(const Batch &batch, const Tables *tables, Plan &out_plan) {
    akv_plan id = AKV_NONE;
    const akv_status status = akv_sequence_append_batch(handle(), &batch, tables, &id);
    if (status == AKV_OK) out_plan = Plan(handle(), id);
    return Errors::done(status);
  }
  Result<void> read_tables(const Batch &batch, const Tables &tables) const {
    return Errors::done(akv_sequence_read_tables(handle(), &batch, &tables));
  }
  // `lengths` empty: all of each.
  Result<void> commit_batch(Span<const akv_sequence> sequences, Span<const std::uint32_t> lengths = {},
                            akv_ticket ticket = AKV_NONE) {
    if (!lengths.empty() && lengths.size() != sequences.size()) return uneven();
    return Errors::done(akv_sequence_commit_batch(handle(), data32(sequences), lengths.empty() ? nullptr : lengths.data(),
                                                  count32(sequences), ticket));
  }
  Result<void> set_tokens_batch(const Batch &batch) {
    return Errors::done(akv_sequence_set_tokens_batch(handle(), &batch));
  }
  Result<void> truncate_batch(Span<const akv_sequence> sequences, Span<const std::uint32_t> lengths, std::uint32_t flags = 0) {
    if (lengths.size() != sequences.size()) return uneven();
    return Errors::done(
        akv_sequence_truncate_batch(handle(), data32(sequences), lengths.data(), count32(sequences), flags));
  }

  // -- prefixes

  Result<Match> prefix_match(Span<const std::int32_t> tokens, std::uint64_t domain = 0) const {
    const akv_prompt what = prompt(tokens, domain);
    Match out;
    return Errors::give(akv_prefix_match(handle(), &what, &out), out);
  }
  Result<Explanation> prefix_explain(Span<const std::int32_t> tokens, std::uint64_t domain = 0) const {
    const akv_prompt what = prompt(tokens, domain);
    Explanation out;
    return Errors::give(akv_prefix_explain(handle(), &what, &out), out);
  }
  Result<Pin> prefix_pin(Span<const std::int32_t> tokens, std::uint64_t owner = 0, std::uint64_t domain = 0) {
    const akv_prompt what = prompt(tokens, domain);
    akv_pin id = AKV_NONE;
    std::uint32_t num_tokens = 0;
    const akv_status status = akv_prefix_pin(handle(), &what, owner, &id, &num_tokens);
    Pin pin(handle(), id, num_tokens);
    return Errors::give(status, pin);
  }
  // How many blocks left the index. `domain` nullptr: all domains.
  Result<std::uint32_t> prefix_clear(const std::uint64_t *domain = nullptr, std::uint32_t flags = 0) {
    std::uint32_t blocks = 0;
    return Errors::give(akv_prefix_clear(handle(), domain, flags, &blocks), blocks);
  }

  // -- tickets: numbers, not owners. One that is forgotten stays open, and its blocks in quarantine: never a wrong byte

  Result<akv_ticket> ticket_open() {
    akv_ticket ticket = AKV_NONE;
    return Errors::give(akv_ticket_open(handle(), &ticket), ticket);
  }
  Result<void> ticket_retire(akv_ticket ticket) { return Errors::done(akv_ticket_retire(handle(), ticket)); }
  // How many sequences lost content.
  Result<std::uint32_t> ticket_abandon(akv_ticket ticket) {
    std::uint32_t sequences = 0;
    return Errors::give(akv_ticket_abandon(handle(), ticket, &sequences), sequences);
  }
  // AKV_TICKET_*.
  Result<std::uint32_t> ticket_read(akv_ticket ticket) const {
    std::uint32_t state = 0;
    return Errors::give(akv_ticket_read(handle(), ticket, &state), state);
  }

  // -- swap blocks of your own

  Result<void> swap_acquire(Span<std::int32_t> out_blocks) {
    return Errors::done(akv_swap_acquire(handle(), count32(out_blocks), data32(out_blocks)));
  }
  Result<void> swap_release(Span<const std::int32_t> blocks) {
    return Errors::done(akv_swap_release(handle(), data32(blocks), count32(blocks)));
  }

  // -- bytes. `stores` are all shards; `stream` nullptr: it is done when the call returns

  // With AKV_RUN_FINISH the plan is ended, by this call or, on a stream with workers, when that is polled; without it,
  // say plan.finish() when the stream has passed it.
  Result<void> copy_run(Plan &plan, Span<akv_store *const> stores, std::uint32_t flags = AKV_RUN_FINISH,
                        akv_stream *stream = nullptr) {
    if (!plan) return Errors::done(AKV_OK);
    const akv_status status = akv_copy_run(handle(), plan.id(), data32(stores), count32(stores), flags, stream);
    if (status == AKV_OK && (flags & AKV_RUN_FINISH) != 0) plan.detach();
    if (status == AKV_OK && plan) plan.note_run();
    return Errors::done(status);
  }
  // How many bytes of `buffer` the image has; with workers it is whole when the stream has passed this.
  Result<std::uint64_t> copy_save(const Sequence &sequence, Span<akv_store *const> stores, Span<std::uint8_t> buffer,
                                  const SaveOptions &options = {}, akv_stream *stream = nullptr) {
    std::uint64_t bytes = 0;
    return Errors::give(akv_copy_save(handle(), sequence.id(), data32(stores), count32(stores), &options, buffer.data(),
                                      buffer.size(), &bytes, stream), bytes);
  }
  Result<Created> copy_load(Span<const std::uint8_t> image, Span<akv_store *const> stores, const LoadOptions &options = {},
                            akv_stream *stream = nullptr) {
    akv_created created = AKV_CREATED_INIT;
    const akv_status status = akv_copy_load(handle(), image.data(), image.size(), &options, data32(stores),
                                            count32(stores), &created, stream);
    Created out(handle(), created);
    return Errors::give(status, out);
  }

  // -- what there is

  Result<CacheState> state() const {
    CacheState out;
    return Errors::give(akv_cache_read_state(handle(), &out), out);
  }
  Result<Measures> measure() const {
    Measures out;
    return Errors::give(akv_cache_measure(handle(), &out), out);
  }
  // Every default filled in; its pointers are NULL: group() tells the geometry.
  Result<CacheConfig> config() const {
    CacheConfig out;
    return Errors::give(akv_cache_read_config(handle(), &out), out);
  }
  Result<LayerGroup> group(std::uint32_t group, std::vector<Plane> &out_planes) const {
    LayerGroup out{};
    out.plane_size = sizeof(Plane);
    akv_status status = akv_cache_read_group(handle(), group, &out, sizeof out, nullptr, 0);
    if (status == AKV_ERROR_BUFFER_TOO_SMALL) {
      out_planes.resize(out.num_planes);
      status = akv_cache_read_group(handle(), group, &out, sizeof out, out_planes.data(), out.num_planes);
    }
    return Errors::give(status, out);
  }
  Result<std::vector<SequenceLine>> sequences() const {
    return detail::read_list<Errors, SequenceLine>([this](SequenceLine *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_cache_read_sequences(handle(), to, sizeof *to, capacity, count);
    });
  }
  Result<std::vector<HoldLine>> holds() const {
    return detail::read_list<Errors, HoldLine>([this](HoldLine *to, std::uint32_t capacity, std::uint32_t *count) {
      return akv_cache_read_holds(handle(), to, sizeof *to, capacity, count);
    });
  }
  // AKV_BLOCK_* of blocks 0 .. num_blocks, into room for so many.
  Result<void> read_block_map(Span<std::uint8_t> out) const {
    return Errors::done(akv_cache_read_block_map(handle(), data32(out), count32(out)));
  }
  // As text: a line for each sequence; a character for each block.
  Result<std::string> dump() const {
    return detail::read_text<Errors>([this](char *to, std::uint64_t capacity, std::uint64_t *length) {
      return akv_report_dump(handle(), to, capacity, length);
    });
  }
  Result<std::string> block_map(std::uint32_t columns = 0) const {
    return detail::read_text<Errors>([this, columns](char *to, std::uint64_t capacity, std::uint64_t *length) {
      return akv_report_block_map(handle(), columns, to, capacity, length);
    });
  }
  Result<void> audit() const { return Errors::done(akv_cache_audit(handle())); }
  Result<void> audit_all() const { return Errors::done(akv_cache_audit_all(handle())); }

 private:
  akv_cache *handle() const noexcept { return this->object_; }
  static akv_prompt prompt(Span<const std::int32_t> tokens, std::uint64_t domain) noexcept {
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = data32(tokens);
    prompt.num_tokens = count32(tokens);
    prompt.domain = domain;
    return prompt;
  }
  static Result<void> uneven() {
    return Errors::template fail<void>(Failure::plain(Status::InvalidArgument), "as many lengths as sequences are wanted");
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_CACHE_HPP
