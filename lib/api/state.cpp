// state.cpp: thunks of state.h.
#include "api/thunk.hpp"

using namespace akv;

namespace {

Status check_lines(const void *lines, std::uint32_t line_size, std::uint32_t smallest,
                   std::uint32_t capacity) noexcept {
  AKV_TRY(check_array(lines, capacity, "out_lines"));
  if (line_size >= smallest && line_size <= kLargestStruct) return AKV_OK;
  return fail(AKV_ERROR_INVALID_ARGUMENT, "line_size is %llu, must be the struct's: %llu", line_size, smallest);
}

// With no lock held: the hook may call back.
Status tell_damage(Status status) noexcept {
  if (status == AKV_ERROR_DAMAGED) log(AKV_LOG_WARNING, "an audit failed: akv_last_error() has the sum that is off");
  return status;
}

// For read-outs that look at every block: no sequence may be inside another call.
class Quiet {
 public:
  explicit Quiet(Locked &cache) noexcept : cache_(cache), status_(cache->enter_all_locked()) {}
  ~Quiet() {
    if (status_ == AKV_OK) cache_->leave_all_locked();
  }
  Quiet(const Quiet &) = delete;
  Quiet &operator=(const Quiet &) = delete;
  Status status() const noexcept { return status_; }

 private:
  Locked &cache_;
  Status status_;
};

}  // namespace

extern "C" {

akv_status akv_cache_read_state(akv_cache *cache, akv_cache_state *out_state) noexcept {
  AKV_TRY(check_output(out_state, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  akv_cache_state state{};
  locked->read_state_locked(state);
  write_struct(state, out_state);
  return AKV_OK;
}

akv_status akv_cache_measure(akv_cache *cache, akv_measures *out_measures) noexcept {
  AKV_TRY(check_output(out_measures, kOutputV1));
  Locked locked(cache);
  AKV_TRY(locked.status());
  const Quiet quiet(locked);
  AKV_TRY(quiet.status());
  akv_measures measures{};
  locked->measure_locked(measures);
  write_struct(measures, out_measures);
  return AKV_OK;
}

akv_status akv_cache_read_sequences(akv_cache *cache, akv_sequence_line *out_lines, uint32_t line_size,
                                    uint32_t capacity, uint32_t *out_count) noexcept {
  AKV_TRY(check_lines(out_lines, line_size, kSequenceLineV1, capacity));
  AKV_TRY(check_pointer(out_count, "out_count"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->read_sequences_locked(reinterpret_cast<unsigned char *>(out_lines), line_size, capacity, *out_count);
}

akv_status akv_cache_read_holds(akv_cache *cache, akv_hold_line *out_lines, uint32_t line_size, uint32_t capacity,
                                uint32_t *out_count) noexcept {
  AKV_TRY(check_lines(out_lines, line_size, kHoldLineV1, capacity));
  AKV_TRY(check_pointer(out_count, "out_count"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  return locked->read_holds_locked(reinterpret_cast<unsigned char *>(out_lines), line_size, capacity, *out_count);
}

akv_status akv_cache_read_block_map(akv_cache *cache, uint8_t *out_map, uint32_t capacity) noexcept {
  AKV_TRY(check_pointer(out_map, "out_map"));
  Locked locked(cache);
  AKV_TRY(locked.status());
  const std::uint64_t needed = std::uint64_t{locked->config().num_blocks} + 1;
  if (capacity < needed)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, needed, capacity, "the map has %llu bytes, the buffer holds %llu",
                     needed, capacity);
  const Quiet quiet(locked);
  AKV_TRY(quiet.status());
  locked->read_block_map_locked(out_map);
  return AKV_OK;
}

akv_status akv_cache_audit(akv_cache *cache) noexcept {
  const akv_status status = [cache]() noexcept -> akv_status {
    Locked locked(cache);
    AKV_TRY(locked.status());
    return locked->audit_locked();
  }();
  return tell_damage(status);
}

akv_status akv_cache_audit_all(akv_cache *cache) noexcept {
  const akv_status status = [cache]() noexcept -> akv_status {
    Locked locked(cache);
    AKV_TRY(locked.status());
    const Quiet quiet(locked);
    AKV_TRY(quiet.status());
    return locked->audit_all_locked();
  }();
  return tell_damage(status);
}

}  // extern "C"
