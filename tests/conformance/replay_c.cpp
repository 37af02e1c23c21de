/* replay_c.cpp: replays the stories as calls of the C API, and compares what they answer. It knows no word of a step.
 * Usage: replay_c STORIES BROKEN: two folders; all of the first must pass, all of the second fail.
 */
#include "story.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

using namespace conformance;

std::string short_name(akv_status status) {
  const std::string name = akv_status_name(status);
  return name == "AKV_OK" ? "OK" : name.substr(sizeof "AKV_ERROR_" - 1);
}

void expect_same(const std::string &what, const json &wanted, const json &got) {
  if (wanted.is_object()) {
    for (const auto &item : wanted.items()) {
      if (!got.is_object() || !got.contains(item.key()))
        throw std::runtime_error(what + item.key() + ": no such result");
      expect_same(what + item.key() + ".", item.value(), got.at(item.key()));
    }
  } else if (wanted.is_array() && got.is_array() && wanted.size() == got.size()) {
    for (size_t i = 0; i < wanted.size(); i++) expect_same(what + std::to_string(i) + ".", wanted[i], got[i]);
  } else if (wanted != got) {
    throw std::runtime_error(what.substr(0, what.size() - 1) + " is " + got.dump() + ", must be " + wanted.dump());
  }
}

void expect_error(const json &step, akv_status status, const akv_error_detail &detail) {
  const std::string wanted = step.value("error", "OK");
  if (short_name(status) != wanted) {
    char message[512];
    akv_last_error(message, sizeof message);
    throw std::runtime_error("answered " + short_name(status) +
                             (status != AKV_OK ? std::string(" (") + message + ")" : "") + ", must be " + wanted);
  }
  if (status == AKV_OK) return;
  expect_same("", json(step.contains("needed") ? json{{"needed", step["needed"]}} : json::object()),
              {{"needed", detail.needed}});
  expect_same("", json(step.contains("available") ? json{{"available", step["available"]}} : json::object()),
              {{"available", detail.available}});
  expect_same("", json(step.contains("row") ? json{{"row", step["row"]}} : json::object()), {{"row", detail.row}});
}

void take(const Words &words, Story &story, const json &told) {
  Step step(told);
  const auto word = words.find(told.at("do").get<std::string>());
  if (word == words.end()) throw std::runtime_error("unknown word");
  json results = json::object();
  const akv_status status = word->second(story, step, results);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  if (status != AKV_OK && akv_last_error_detail(&detail) != AKV_OK) throw std::runtime_error("no detail");
  expect_error(told, status, detail);
  if (status == AKV_OK && told.contains("expect")) expect_same("", told.at("expect"), results);
  step.all_were_used();
}

/* Streams are waited for, books are looked at, and all is ended. */
void end(Story &story) {
  const auto each = [&story](Kind kind, auto what) {
    for (auto &[name, thing] : story.things())
      if (thing.kind == kind && thing.open)
        if (const akv_status status = what(thing); status != AKV_OK)
          throw std::runtime_error("at the end, " + name + " answered " + short_name(status));
  };
  each(Kind::Stream,
       [](Thing &thing) { return akv_stream_wait(pointer<akv_stream>(thing), AKV_POINT_ALL, UINT64_C(60000000000)); });
  each(Kind::Cache, [](Thing &thing) { return akv_cache_audit_all(pointer<akv_cache>(thing)); });
  for (const Kind kind : {Kind::Stream, Kind::Store, Kind::Pool, Kind::Cache}) each(kind, close_thing);
}

bool replay(const Words &words, const std::string &path) {
  std::string where = path;
  try {
    const json told = json::parse(std::ifstream(path));
    for (const auto &item : told.items())
      if (!std::set<std::string>{"story", "proves", "cache", "steps"}.count(item.key()))
        throw std::runtime_error("unknown key \"" + item.key() + '"');
    Story story;
    if (open_cache(story, "cache", told.at("cache")) != AKV_OK) throw std::runtime_error("the cache can't be made");
    size_t number = 0;
    for (const json &step : told.at("steps")) {
      where = path + ", step " + std::to_string(++number) + " " + step.dump();
      take(words, story, step);
    }
    where = path;
    end(story);
    std::printf("ok: %s (%zu steps)\n", told.at("story").get<std::string>().c_str(), number);
    return true;
  } catch (const std::exception &error) {
    std::printf("FAILED: %s\n  %s\n", where.c_str(), error.what());
    return false;
  }
}

/* The stories of a folder, in the order of their names. */
std::vector<std::string> stories_of(const char *folder) {
  std::vector<std::string> paths;
  for (const auto &entry : std::filesystem::directory_iterator(folder)) paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace

int main(int count, char **arguments) {
  Words words;
  add_cache_words(words);
  add_sequence_words(words);
  add_byte_words(words);
  add_pool_words(words);
  if (count != 3) return 2;
  bool as_promised = true;
  const std::vector<std::string> told = stories_of(arguments[1]), broken = stories_of(arguments[2]);
  for (const std::string &path : told) as_promised = replay(words, path) && as_promised;
  std::printf("and these must fail:\n");
  for (const std::string &path : broken) as_promised = !replay(words, path) && as_promised;
  return as_promised && !told.empty() && !broken.empty() ? 0 : 1;
}
