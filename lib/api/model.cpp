// model.cpp: thunks of model.h.
#include "model/model.hpp"

#include "api/model_thunk.hpp"
#include "api/write_group.hpp"
#include "model/model_fields.hpp"
#include "model/presets.hpp"

using namespace akv;

extern "C" {

akv_status akv_model_find(const char *name, akv_model *out_model) noexcept {
  AKV_TRY(check_pointer(name, "name"));
  AKV_TRY(check_output(out_model, kOutputV1));
  akv_model model;
  AKV_TRY(find_preset(name, model));
  write_struct(model, out_model);
  return AKV_OK;
}

const char *akv_model_name(uint32_t preset) noexcept { return preset_name(preset); }

const char *akv_family_name(uint32_t family) noexcept { return family_name(family); }

const char *akv_attention_name(uint32_t attention) noexcept { return attention_name(attention); }

akv_status akv_model_from_fields(const akv_model_fields *fields, akv_model *out_model) noexcept {
  AKV_TRY(check_output(out_model, kOutputV1));
  akv_model_fields wanted;
  AKV_TRY(read_struct(fields, wanted, kModelFieldsV1));
  akv_model model;
  AKV_TRY(model_from_fields(wanted, model));
  write_struct(model, out_model);
  return AKV_OK;
}

akv_status akv_model_detect_kv_heads(uint64_t key_projection_rows, uint32_t head_dim, uint32_t query_heads,
                                     uint32_t *out_kv_heads) noexcept {
  AKV_TRY(check_pointer(out_kv_heads, "out_kv_heads"));
  return detect_kv_heads(key_projection_rows, head_dim, query_heads, *out_kv_heads);
}

akv_status akv_model_read_group(const akv_model *model, uint32_t dtype, akv_layer_group *out_group, uint32_t group_size,
                                akv_plane *out_planes, uint32_t capacity) noexcept {
  AKV_TRY(check_group(out_group, group_size, out_planes, capacity));
  const std::uint32_t plane_size = out_group->plane_size;
  akv_model wanted;
  AKV_TRY(read_model(model, wanted));
  Geometry geometry;
  AKV_TRY(model_geometry(wanted, dtype, 0, geometry));
  akv_layer_group group = geometry.group;
  if (capacity < group.num_planes)
    return fail_with(AKV_ERROR_BUFFER_TOO_SMALL, group.num_planes, capacity,
                     "the model has %llu planes, the array holds %llu", group.num_planes, capacity);
  group.plane_size = plane_size;
  group.planes = out_planes;
  write_element(group, reinterpret_cast<unsigned char *>(out_group), group_size);
  auto *to = reinterpret_cast<unsigned char *>(out_planes);
  for (std::uint32_t i = 0; i < group.num_planes; ++i, to += plane_size)
    write_element(geometry.planes[i], to, plane_size);
  return AKV_OK;
}

akv_status akv_model_read_sizes(const akv_model *model, uint32_t dtype, uint32_t num_layers, uint64_t num_tokens,
                                akv_model_sizes *out_sizes) noexcept {
  AKV_TRY(check_output(out_sizes, kOutputV1));
  akv_model wanted;
  AKV_TRY(read_model(model, wanted));
  akv_model_sizes sizes{};
  AKV_TRY(model_sizes(wanted, dtype, num_layers, num_tokens, sizes));
  write_struct(sizes, out_sizes);
  return AKV_OK;
}

}  // extern "C"
