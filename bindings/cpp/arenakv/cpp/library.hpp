// library.hpp: what belongs to no cache: models and planners, images, the memory tracker, versions and instruction sets.
// Functions take the choice of errors as their first template argument: model_find<Expect>("mistral").
#ifndef ARENAKV_CPP_LIBRARY_HPP
#define ARENAKV_CPP_LIBRARY_HPP

#include <string>
#include <vector>

#include "arenakv/cpp/owner.hpp"

namespace arenakv {

// -- the library itself

inline std::uint32_t version() noexcept { return akv_version(); }
inline const char *version_string() noexcept { return akv_version_string(); }
inline bool has(std::uint32_t feature) noexcept { return akv_has(feature) != 0; }
inline std::uint32_t isa_in_use() noexcept { return akv_isa_in_use(); }
inline const char *isa_name(std::uint32_t isa) noexcept { return akv_isa_name(isa); }
template <class Errors = DefaultErrors>
typename Errors::template Result<void> isa_choose(std::uint32_t isa) {
  return Errors::done(akv_isa_choose(isa));
}
// nullptr sends lines nowhere. `context` must outlive the hook.
template <class Errors = DefaultErrors>
typename Errors::template Result<void> set_log(akv_log_function function, void *context = nullptr,
                                               std::uint32_t max_level = AKV_LOG_WARNING) {
  return Errors::done(akv_set_log(function, context, max_level));
}
inline std::uint64_t blocks_for(std::uint64_t num_tokens, std::uint32_t block_tokens) noexcept {
  return akv_blocks_for(num_tokens, block_tokens);
}

// -- models and planners: numbers

template <class Errors = DefaultErrors>
typename Errors::template Result<Model> model_find(const std::string &name) {
  Model out;
  return Errors::give(akv_model_find(name.c_str(), &out), out);
}
inline const char *model_name(std::uint32_t preset) noexcept { return akv_model_name(preset); }
inline const char *family_name(std::uint32_t family) noexcept { return akv_family_name(family); }
inline const char *attention_name(std::uint32_t attention) noexcept { return akv_attention_name(attention); }
template <class Errors = DefaultErrors>
typename Errors::template Result<Model> model_from_fields(const ModelFields &fields) {
  Model out;
  return Errors::give(akv_model_from_fields(&fields, &out), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<std::uint32_t> model_detect_kv_heads(std::uint64_t key_projection_rows,
                                                                      std::uint32_t head_dim,
                                                                      std::uint32_t query_heads = 0) {
  std::uint32_t heads = 0;
  return Errors::give(akv_model_detect_kv_heads(key_projection_rows, head_dim, query_heads, &heads), heads);
}
// The model's layer group for CacheConfig; its planes go to `out_planes`, and must stay there until the cache is made.
template <class Errors = DefaultErrors>
typename Errors::template Result<LayerGroup> model_group(const Model &model, Plane (&out_planes)[2],
                                                         std::uint32_t dtype = 0) {
  LayerGroup out{};
  out.plane_size = sizeof(Plane);
  return Errors::give(akv_model_read_group(&model, dtype, &out, sizeof out, out_planes, 2), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<ModelSizes> model_sizes(const Model &model, std::uint64_t num_tokens,
                                                         std::uint32_t dtype = 0, std::uint32_t num_layers = 0) {
  ModelSizes out;
  return Errors::give(akv_model_read_sizes(&model, dtype, num_layers, num_tokens, &out), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<PlannerResult> planner_fit(const Model &model, const PlannerRequest &request) {
  PlannerResult out;
  return Errors::give(akv_planner_fit(&model, &request, &out), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<PlannerResult> planner_need(const Model &model, const PlannerRequest &request) {
  PlannerResult out;
  return Errors::give(akv_planner_need(&model, &request, &out), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<PageSize> planner_page_size(const Model &model, const PlannerRequest &request) {
  PageSize out;
  return Errors::give(akv_planner_page_size(&model, &request, &out), out);
}

// -- images: saved sequences as bytes (Cache::copy_save() makes one, at a multiple of 4)

template <class Errors = DefaultErrors>
typename Errors::template Result<ImageInfo> image_check(Span<const std::uint8_t> image) {
  ImageInfo out;
  return Errors::give(akv_image_check(image.data(), image.size(), &out), out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<LayerGroup> image_group(Span<const std::uint8_t> image, std::vector<Plane> &out_planes) {
  LayerGroup out{};
  out.plane_size = sizeof(Plane);
  akv_status status = akv_image_read_group(image.data(), image.size(), &out, sizeof out, nullptr, 0);
  if (status == AKV_ERROR_BUFFER_TOO_SMALL) {
    out_planes.resize(out.num_planes);
    status = akv_image_read_group(image.data(), image.size(), &out, sizeof out, out_planes.data(), out.num_planes);
  }
  return Errors::give(status, out);
}
template <class Errors = DefaultErrors>
typename Errors::template Result<void> image_read_tokens(Span<const std::uint8_t> image, std::uint32_t first,
                                                         Span<std::int32_t> out) {
  return Errors::done(akv_image_read_tokens(image.data(), image.size(), first, count32(out), data32(out)));
}
template <class Errors = DefaultErrors>
typename Errors::template Result<void> image_write_file(const std::string &path, Span<const std::uint8_t> image) {
  return Errors::done(akv_image_write_file(path.c_str(), image.data(), image.size()));
}
template <class Errors = DefaultErrors>
typename Errors::template Result<std::vector<std::uint8_t>> image_read_file(const std::string &path) {
  std::vector<std::uint8_t> out;
  std::uint64_t bytes = 0;
  akv_status status = akv_image_read_file(path.c_str(), nullptr, 0, &bytes);
  if (status == AKV_ERROR_BUFFER_TOO_SMALL) {
    out.resize(static_cast<std::size_t>(bytes));
    status = akv_image_read_file(path.c_str(), out.data(), out.size(), &bytes);
  }
  return Errors::give(status, out);
}

// -- who has how much memory, where and for what

// One allocation that a tracker knows of: forgotten when it goes.
template <class Errors>
class [[nodiscard]] BasicMemoryRecord {
 public:
  BasicMemoryRecord() noexcept = default;
  BasicMemoryRecord(akv_tracker *tracker, akv_memory_record id) noexcept : tracker_(tracker), id_(id) {}
  BasicMemoryRecord(BasicMemoryRecord &&other) noexcept
      : tracker_(other.tracker_), id_(std::exchange(other.id_, AKV_NONE)) {}
  BasicMemoryRecord &operator=(BasicMemoryRecord &&other) noexcept {
    if (this != &other) {
      forget_quietly();
      tracker_ = other.tracker_;
      id_ = std::exchange(other.id_, AKV_NONE);
    }
    return *this;
  }
  ~BasicMemoryRecord() { forget_quietly(); }
  akv_memory_record id() const noexcept { return id_; }
  explicit operator bool() const noexcept { return id_ != AKV_NONE; }
  typename Errors::template Result<void> forget() {
    const akv_status status = akv_tracker_forget(tracker_, &id_, 1);
    if (status == AKV_OK) id_ = AKV_NONE;
    return Errors::done(status);
  }

 private:
  void forget_quietly() noexcept {
    if (id_ != AKV_NONE) (void)!akv_tracker_forget(tracker_, &id_, 1);
  }
  akv_tracker *tracker_ = nullptr;
  akv_memory_record id_ = AKV_NONE;
};

template <class Errors>
class BasicTracker : public detail::Owner<Errors, akv_tracker, akv_tracker_destroy> {
  using Base = detail::Owner<Errors, akv_tracker, akv_tracker_destroy>;

 public:
  template <class T>
  using Result = typename Errors::template Result<T>;
  using Record = BasicMemoryRecord<Errors>;

  using Base::Base;
  static Result<BasicTracker> make(const TrackerConfig &config = {}) {
    akv_tracker *handle = nullptr;
    const akv_status status = akv_tracker_create(&config, &handle);
    BasicTracker tracker(handle);
    return Errors::give(status, tracker);
  }
  // Before you allocate, so that a limit can refuse. `purpose`: AKV_PURPOSE_*.
  Result<Record> record(std::uint32_t purpose, std::uint64_t bytes, std::uint32_t device = AKV_DEVICE_HOST) {
    const akv_allocation allocation = {device, purpose, bytes};
    akv_memory_record id = AKV_NONE;
    const akv_status status = akv_tracker_record(this->object_, &allocation, sizeof allocation, 1, &id);
    Record record(this->object_, id);
    return Errors::give(status, record);
  }
  // 0: no limit.
  Result<void> set_limit(std::uint32_t device, std::uint64_t bytes) {
    return Errors::done(akv_tracker_set_limit(this->object_, device, bytes));
  }
  // AKV_UNSET: of all devices, for all purposes.
  Result<MemoryTotals> totals(std::uint32_t device = AKV_UNSET, std::uint32_t purpose = AKV_UNSET) const {
    MemoryTotals out;
    return Errors::give(akv_tracker_read_totals(this->object_, device, purpose, &out), out);
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_LIBRARY_HPP
