/* story.hpp: what the words of a story share in the C replayer: the names that steps gave, and a step's keys, each of
 * which must be asked for. It knows the format of README.md and no word of it.
 */
#pragma once

#include <arenakv.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

namespace conformance {

using json = nlohmann::ordered_json;

enum class Kind { Cache, Store, Stream, Pool, Sequence, Plan, Ticket, Pin, Lease, Image, Page, Arena, Tensor };

/* What a name stands for. A cache, store, stream or pool is a pointer that carries a number. */
struct Thing {
  Kind kind = Kind::Cache;
  uint64_t handle = 0;
  uint64_t pool = 0;            /* of a page, an arena, a tensor, or a pool's ticket */
  bool open = true;             /* caches, stores, streams, pools: to be ended behind the story */
  uint32_t layers = 0, row = 0; /* stores and caches: of their geometry; elements of a token in a plane */
  uint32_t block_tokens = 0;
  std::vector<uint32_t> image; /* as numbers: images lie at a multiple of 4 */
  uint64_t image_bytes = 0;
};

template <typename T>
T *pointer(const Thing &thing) {
  return reinterpret_cast<T *>(static_cast<uintptr_t>(thing.handle));
}
template <typename T>
uint64_t number(T *object) {
  return reinterpret_cast<uintptr_t>(object);
}

/* One step, and which of its keys were looked at. */
class Step {
 public:
  explicit Step(const json &step) : step_(step) {
    for (const char *key : {"do", "error", "needed", "available", "row", "expect"}) used_.insert(key);
  }

  bool has(const char *key) {
    used_.insert(key);
    return step_.contains(key);
  }
  const json &at(const char *key) {
    if (!has(key)) throw std::runtime_error(std::string("the step has no \"") + key + '"');
    return step_.at(key);
  }
  std::string text(const char *key, const char *otherwise = nullptr) {
    return otherwise != nullptr && !has(key) ? otherwise : at(key).get<std::string>();
  }
  uint64_t count(const char *key, uint64_t otherwise) { return has(key) ? step_.at(key).get<uint64_t>() : otherwise; }
  uint32_t count32(const char *key, uint32_t otherwise = 0) { return static_cast<uint32_t>(count(key, otherwise)); }
  template <typename T>
  std::vector<T> list(const char *key) {
    return has(key) ? step_.at(key).get<std::vector<T>>() : std::vector<T>{};
  }
  std::vector<int32_t> tokens();
  uint32_t flags(const std::map<std::string, uint32_t> &known);
  /* A word of a set, and its number. */
  uint32_t word(const char *key, const std::map<std::string, uint32_t> &known, uint32_t otherwise);
  void all_were_used() const;

 private:
  const json &step_;
  std::set<std::string> used_;
};

/* The names so far. */
class Story {
 public:
  Thing &thing(const std::string &name) {
    const auto found = things_.find(name);
    if (found == things_.end()) throw std::runtime_error("nothing is called " + name);
    return found->second;
  }
  Thing &on(Step &step, const char *key = "on") { return thing(step.text(key)); }
  std::vector<uint64_t> many(Step &step, const char *key = "on");
  akv_cache *cache(Step &step) { return pointer<akv_cache>(thing(step.text("in", "cache"))); }
  Thing &cache_thing(Step &step) { return thing(step.text("in", "cache")); }
  uint64_t handle(Step &step, const char *key = "on") { return on(step, key).handle; }
  uint64_t ticket(Step &step) { return step.has("ticket") ? on(step, "ticket").handle : AKV_NONE; }
  /* The stores a step names. */
  std::vector<akv_store *> stores(Step &step);

  Thing &name(const std::string &name, Kind kind, uint64_t handle, uint64_t pool = 0);
  /* A plan that a call handed out, or 0: the step names it if and only if there is one. */
  void plan(Step &step, akv_plan plan);
  /* What a ticket or sequence is called; null for 0. */
  json called(Kind kind, uint64_t handle) const;
  std::map<std::string, Thing> &things() { return things_; }

 private:
  std::map<std::string, Thing> things_;
};

/* A word of README.md: makes the call, and on success tells its results. */
using Word = akv_status (*)(Story &, Step &, json &);
using Words = std::map<std::string, Word>;

void add_cache_words(Words &words);    /* words_cache.cpp: metadata */
void add_sequence_words(Words &words); /* words_sequence.cpp: one sequence, and batches */
void add_byte_words(Words &words);     /* words_bytes.cpp: stores, copies, streams, images */
void add_pool_words(Words &words);     /* words_pool.cpp: page pools */

akv_status open_cache(Story &story, const std::string &name, const json &config);
akv_status close_thing(Thing &thing);
/* The lines of akv_store_read_stats(), by kind. */
json stats_of(const std::vector<akv_copy_stats> &lines);

}  // namespace conformance
