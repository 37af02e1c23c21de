/* story.cpp: names, keys, tokens and flags of a story's steps, for the C replayer. It knows no word of a step.
 */
#include "story.hpp"

namespace conformance {

std::vector<int32_t> Step::tokens() {
  if (!has("tokens")) return {};
  const json &told = step_.at("tokens");
  std::vector<int32_t> ids;
  if (told.is_object()) {
    if (told.size() != 2) throw std::runtime_error("tokens are {\"from\", \"count\"} or a list");
    for (int32_t i = 0; i < told.at("count").get<int32_t>(); i++) ids.push_back(told.at("from").get<int32_t>() + i);
  } else {
    for (const json &token : told) ids.push_back(token.is_null() ? AKV_TOKEN_UNKNOWN : token.get<int32_t>());
  }
  return ids;
}

uint32_t Step::flags(const std::map<std::string, uint32_t> &known) {
  uint32_t flags = 0;
  for (const std::string &flag : list<std::string>("flags")) {
    if (known.count(flag) == 0) throw std::runtime_error("unknown flag " + flag);
    flags |= known.at(flag);
  }
  return flags;
}

uint32_t Step::word(const char *key, const std::map<std::string, uint32_t> &known, uint32_t otherwise) {
  if (!has(key)) return otherwise;
  const auto found = known.find(step_.at(key).get<std::string>());
  if (found == known.end()) throw std::runtime_error(std::string("unknown ") + key);
  return found->second;
}

void Step::all_were_used() const {
  for (const auto &item : step_.items())
    if (used_.count(item.key()) == 0) throw std::runtime_error("unknown key \"" + item.key() + '"');
}

std::vector<uint64_t> Story::many(Step &step, const char *key) {
  std::vector<uint64_t> handles;
  for (const std::string &name : step.list<std::string>(key)) handles.push_back(thing(name).handle);
  return handles;
}

std::vector<akv_store *> Story::stores(Step &step) {
  std::vector<akv_store *> stores;
  for (const std::string &name : step.list<std::string>("stores")) stores.push_back(pointer<akv_store>(thing(name)));
  return stores;
}

Thing &Story::name(const std::string &name, Kind kind, uint64_t handle, uint64_t pool) {
  Thing &thing = things_[name];
  thing = Thing{};
  thing.kind = kind;
  thing.handle = handle;
  thing.pool = pool;
  return thing;
}

void Story::plan(Step &step, akv_plan plan) {
  if (step.has("plan") != (plan != AKV_NONE))
    throw std::runtime_error(plan != AKV_NONE ? "there is a plan, and the step has no name for it"
                                              : "there is no plan");
  if (plan != AKV_NONE) name(step.text("plan"), Kind::Plan, plan);
}

json Story::called(Kind kind, uint64_t handle) const {
  if (handle == AKV_NONE) return nullptr;
  for (const auto &[name, thing] : things_)
    if (thing.kind == kind && thing.handle == handle) return name;
  return "something that has no name";
}

}  // namespace conformance
