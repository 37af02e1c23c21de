// abuse_calls.hpp: every exported function as one row of a table, and a scene in which each of them succeeds. The tests
// of abuse bend one argument at a time. A function that is not in the table fails abuse_arguments.cpp.
// It knows the public API only, and no test.
#pragma once

#include "fixture.hpp"

#include <cstring>

namespace akv::test {

// What a function is given, and what of it may be bent.
enum Takes : std::uint64_t {
  kCache = 1u << 0,
  kSequence = 1u << 1,
  kPlan = 1u << 2,
  kPin = 1u << 3,
  kLease = 1u << 4,
  kTicket = 1u << 5,        // an open one
  kTicketOrNone = 1u << 6,  // 0 is fine
  kSequences = 1u << 7,     // an array, all or nothing
  kSequencesOneByOne = 1u << 8,
  kLengths = 1u << 9,  // an array that is needed
  kTokens = 1u << 10,  // an array that is needed
  kPrompt = 1u << 11,
  kPromptOrNone = 1u << 12,
  kOptions = 1u << 13,  // may be NULL
  kBatch = 1u << 14,
  kFirst = 1u << 15,  // batch.first is needed
  kTables = 1u << 16,
  kTablesOrNone = 1u << 17,
  kConfig = 1u << 18,  // may be NULL
  kFlags = 1u << 19,
  kOut = 1u << 20,          // `out` may not be NULL
  kArray = 1u << 21,        // `array` with a capacity
  kArrayAlways = 1u << 22,  // `array` may not even be NULL with a capacity of 0
  kCount = 1u << 23,        // `out_count`
  kExtra = 1u << 24,        // `extra`: up to four outputs of 8 bytes that may all be NULL
  kElement = 1u << 25,      // `element_size`
  kGroup = 1u << 26,        // `out` is an akv_layer_group
  kOnce = 1u << 27,         // a second call in the same scene would answer something else
  kStream = 1u << 28,
  kStreamConfig = 1u << 29,  // may be NULL
  kModel = 1u << 30,
  kFields = 1u << 31,
  kRequest = 1ull << 32,
  kStore = 1ull << 33,
  kStoreConfig = 1ull << 34,  // may be NULL
  kView = 1ull << 35,
};

// The arguments of all functions together.
struct Call {
  akv_cache *cache;
  akv_sequence sequence;
  akv_plan plan;
  akv_pin pin;
  akv_lease lease;
  akv_ticket ticket;
  const akv_sequence *sequences;
  const std::uint32_t *lengths;
  std::uint32_t count;
  const std::int32_t *tokens;
  const akv_prompt *prompt;
  const akv_sequence_options *options;
  const akv_batch *batch;
  const akv_tables *tables;
  const akv_cache_config *config;
  std::uint32_t flags;
  unsigned char *out;
  unsigned char *array;
  std::uint32_t capacity;  // elements; texts have 64 bytes for each
  std::uint32_t element_size;
  std::uint32_t *out_count;
  std::uint64_t *extra;
  akv_stream *stream;
  akv_stream *other_stream;
  const akv_stream_config *stream_config;
  const akv_model *model;
  const akv_model_fields *fields;
  const akv_planner_request *request;
  akv_store *store;
  const akv_store_config *store_config;
  const akv_view *view;
  unsigned char *image;  // a sound one, or room for one
  std::uint64_t image_bytes;
  const char *path;

  template <class T>
  T *out_as() const {
    return reinterpret_cast<T *>(out);
  }
  template <class T>
  T *array_as() const {
    return reinterpret_cast<T *>(array);
  }
  template <class T>
  T *extra_as(std::size_t i = 0) const {
    return extra == nullptr ? nullptr : reinterpret_cast<T *>(extra + i);
  }
};

struct Function {
  const char *name;
  std::uint64_t takes;
  std::uint32_t out_size;  // of the struct in `out`, where that begins with its size; else 0
  std::uint32_t known_flags;
  std::uint32_t element_size;
  akv_status (*run)(const Call &);

  bool has(std::uint64_t what) const { return (takes & what) != 0; }
};

const std::vector<Function> &every_function();
std::vector<Function> pool_functions();    // of them, those of arena.h and memory.h
std::vector<Function> image_functions();   // abuse_image_calls.cpp
std::vector<Function> number_functions();  // abuse_number_calls.cpp: conversions, attention, two tiers
std::vector<Function> pager_functions();   // abuse_pager_calls.cpp
std::vector<Function> store_functions();   // abuse_store_calls.cpp: stores, views and copies
const Function &function_named(const std::string &name);

// Everything that a call may write to.
struct Outputs {
  alignas(64) unsigned char out[4096 + 64];
  alignas(64) unsigned char array[8192];
  std::uint32_t count;
  std::uint64_t extra[4];
  std::int64_t slots[8];
  std::int32_t rows[8 * 8];
  std::int32_t lens[8];
  std::int32_t indices[64];

  bool operator==(const Outputs &other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
};
inline constexpr unsigned char kCanary = 0xa5;

// A cache with one of everything, and arguments with which `function` succeeds.
struct Scene {
  explicit Scene(const Function &function, void (*change)(akv_cache_config &) = nullptr);
  ~Scene();
  Scene(const Scene &) = delete;
  Scene &operator=(const Scene &) = delete;

  akv_status run() const { return function.run(call); }
  // A call that ended something of the scene's, or made something: put that in order.
  void tidy();
  void make_image();
  // All that can be read out of the cache, as one string of bytes, with an audit.
  std::string everything() const;
  // The call is refused with `status`, wrote nothing, and changed nothing.
  void refused(akv_status status);

  const Function &function;
  Cache cache;
  akv_sequence sequence = 0, forked = 0;
  akv_plan plan = 0;
  akv_pin pin = 0;
  akv_lease lease = 0;
  akv_ticket ticket = 0;

  Tokens tokens;
  std::uint32_t first = 0, length = 10;
  akv_prompt prompt = AKV_PROMPT_INIT;
  akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
  akv_batch batch = AKV_BATCH_INIT;
  akv_tables tables = AKV_TABLES_INIT;
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  akv_stream_config stream_config = AKV_STREAM_CONFIG_INIT;
  akv_stream *stream = nullptr, *other_stream = nullptr;
  akv_model model = AKV_MODEL_INIT;
  akv_model_fields fields = AKV_MODEL_FIELDS_INIT;
  akv_planner_request request = AKV_PLANNER_REQUEST_INIT;
  akv_store_config store_config = AKV_STORE_CONFIG_INIT;
  akv_store *store = nullptr;
  akv_view view = AKV_VIEW_INIT;
  std::vector<std::uint64_t> image;
  std::string path;
  Outputs outputs;
  Call call{};
};

}  // namespace akv::test
