// structs.hpp: the C structs that start with struct_size, initialised: `CacheConfig config; config.num_blocks = 64;`.
// They are the C structs, with a constructor and nothing else, so a pointer to one is a pointer to the other.
#ifndef ARENAKV_CPP_STRUCTS_HPP
#define ARENAKV_CPP_STRUCTS_HPP

#include <cstdint>

#include "arenakv.h"

namespace arenakv {

#define ARENAKV_STRUCT(Name, c_struct, init)                             \
  struct Name : c_struct {                                               \
    Name() noexcept : c_struct init {}                                   \
  };                                                                     \
  static_assert(sizeof(Name) == sizeof(c_struct), "a constructor and nothing else")

ARENAKV_STRUCT(Allocator, akv_allocator, AKV_ALLOCATOR_INIT);
ARENAKV_STRUCT(ArenaInfo, akv_arena_info, AKV_ARENA_INFO_INIT);
ARENAKV_STRUCT(Attention, akv_attention, AKV_ATTENTION_INIT);
ARENAKV_STRUCT(Batch, akv_batch, AKV_BATCH_INIT);
ARENAKV_STRUCT(CacheConfig, akv_cache_config, AKV_CACHE_CONFIG_INIT);
ARENAKV_STRUCT(CacheState, akv_cache_state, AKV_CACHE_STATE_INIT);
ARENAKV_STRUCT(Dropped, akv_dropped, AKV_DROPPED_INIT);
ARENAKV_STRUCT(Explanation, akv_explanation, AKV_EXPLANATION_INIT);
ARENAKV_STRUCT(ImageInfo, akv_image_info, AKV_IMAGE_INFO_INIT);
ARENAKV_STRUCT(LoadOptions, akv_load_options, AKV_LOAD_OPTIONS_INIT);
ARENAKV_STRUCT(Match, akv_match, AKV_MATCH_INIT);
ARENAKV_STRUCT(Measures, akv_measures, AKV_MEASURES_INIT);
ARENAKV_STRUCT(MemoryTotals, akv_memory_totals, AKV_MEMORY_TOTALS_INIT);
ARENAKV_STRUCT(MemoryView, akv_memory_view, AKV_MEMORY_VIEW_INIT);
ARENAKV_STRUCT(Model, akv_model, AKV_MODEL_INIT);
ARENAKV_STRUCT(ModelFields, akv_model_fields, AKV_MODEL_FIELDS_INIT);
ARENAKV_STRUCT(ModelSizes, akv_model_sizes, AKV_MODEL_SIZES_INIT);
ARENAKV_STRUCT(PagePoolConfig, akv_page_pool_config, AKV_PAGE_POOL_CONFIG_INIT);
ARENAKV_STRUCT(PagePoolState, akv_page_pool_state, AKV_PAGE_POOL_STATE_INIT);
ARENAKV_STRUCT(PageSize, akv_page_size, AKV_PAGE_SIZE_INIT);
ARENAKV_STRUCT(PlanInfo, akv_plan_info, AKV_PLAN_INFO_INIT);
ARENAKV_STRUCT(PlannerRequest, akv_planner_request, AKV_PLANNER_REQUEST_INIT);
ARENAKV_STRUCT(PlannerResult, akv_planner_result, AKV_PLANNER_RESULT_INIT);
ARENAKV_STRUCT(Residence, akv_residence, AKV_RESIDENCE_INIT);
ARENAKV_STRUCT(Room, akv_room, AKV_ROOM_INIT);
ARENAKV_STRUCT(SaveOptions, akv_save_options, AKV_SAVE_OPTIONS_INIT);
ARENAKV_STRUCT(SequenceInfo, akv_sequence_info, AKV_SEQUENCE_INFO_INIT);
ARENAKV_STRUCT(SequenceOptions, akv_sequence_options, AKV_SEQUENCE_OPTIONS_INIT);
ARENAKV_STRUCT(Sizes, akv_sizes, AKV_SIZES_INIT);
ARENAKV_STRUCT(StoreConfig, akv_store_config, AKV_STORE_CONFIG_INIT);
ARENAKV_STRUCT(StoreInfo, akv_store_info, AKV_STORE_INFO_INIT);
ARENAKV_STRUCT(StreamConfig, akv_stream_config, AKV_STREAM_CONFIG_INIT);
ARENAKV_STRUCT(SwappedIn, akv_swapped_in, AKV_SWAPPED_IN_INIT);
ARENAKV_STRUCT(Tables, akv_tables, AKV_TABLES_INIT);
ARENAKV_STRUCT(TailConfig, akv_tail_config, AKV_TAIL_CONFIG_INIT);
ARENAKV_STRUCT(TailInfo, akv_tail_info, AKV_TAIL_INFO_INIT);
ARENAKV_STRUCT(TrackerConfig, akv_tracker_config, AKV_TRACKER_CONFIG_INIT);

#undef ARENAKV_STRUCT

// Elements of arrays: `Plane plane{};`.
using Allocation = akv_allocation;
using AttentionPart = akv_attention_part;
using CopyStats = akv_copy_stats;
using HoldLine = akv_hold_line;
using LayerGroup = akv_layer_group;
using Overflow = akv_overflow;
using Plane = akv_plane;
using PlanRecord = akv_plan_record;
using Region = akv_region;
using RowState = akv_row_state;
using SequenceLine = akv_sequence_line;
using TokenData = akv_token_data;
using TokenSpan = akv_span;

// Keys and values of so many heads: the planes of a usual model.
struct KeysAndValues {
  Plane planes[2];
  KeysAndValues(std::uint32_t dtype, std::uint32_t kv_heads, std::uint32_t head_dim) noexcept
      : planes{{AKV_PLANE_KEYS, dtype, kv_heads, head_dim, 0, 0}, {AKV_PLANE_VALUES, dtype, kv_heads, head_dim, 0, 0}} {}
  // Layers that point to these planes, which must stay where they are until the cache has been made.
  LayerGroup group(std::uint32_t num_layers, std::uint32_t query_heads = 0) const noexcept {
    return {AKV_RULE_FULL, num_layers, 2, sizeof(Plane), planes, query_heads, 0};
  }
};

}  // namespace arenakv

#endif  // ARENAKV_CPP_STRUCTS_HPP
