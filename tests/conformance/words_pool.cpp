/* words_pool.cpp: the words of a story about page pools: pages, arenas, tensors and their tickets, made as C calls.
 */
#include "story.hpp"

namespace conformance {
namespace {

#define PUT(field) out[#field] = from.field

const char *const kContents[] = {"zero", "own", "foreign"};

akv_page_pool *pool_of(const Thing &thing) {
  return reinterpret_cast<akv_page_pool *>(
      static_cast<uintptr_t>(thing.kind == Kind::Pool ? thing.handle : thing.pool));
}

akv_status make_pool(Story &story, Step &step, json &) {
  Step keys(step.at("config"));
  akv_page_pool_config config = AKV_PAGE_POOL_CONFIG_INIT;
  config.page_bytes = keys.count("page_bytes", 0);
  config.num_pages = keys.count32("num_pages");
  config.max_pages = keys.count32("max_pages");
  config.max_arenas = keys.count32("max_arenas");
  config.tensors_per_page = keys.count32("tensors_per_page");
  keys.all_were_used();
  akv_page_pool *pool = nullptr;
  const std::string as = step.text("as");
  const akv_status status = akv_page_pool_create(&config, &pool);
  if (status == AKV_OK) story.name(as, Kind::Pool, number(pool));
  return status;
}

akv_status pool_state(Story &story, Step &step, json &out) {
  akv_page_pool_state from = AKV_PAGE_POOL_STATE_INIT;
  const akv_status status = akv_page_pool_read_state(pool_of(story.on(step)), &from);
  PUT(max_pages), PUT(free_pages), PUT(live_pages), PUT(quarantined_pages), PUT(unreserved_pages), PUT(fresh_pages);
  PUT(arena_pages), PUT(arenas), PUT(tensors), PUT(capacity_bytes), PUT(handed_out), PUT(recycled), PUT(refused);
  return status;
}

akv_status page_acquire(Story &story, Step &step, json &out) {
  const auto as = step.list<std::string>("as");
  const Thing pool = story.on(step);
  std::vector<akv_page> pages(as.size());
  std::vector<uint32_t> contents(as.size());
  const akv_status status = akv_page_acquire(pool_of(pool), step.count("owner", 0), pages.data(), contents.data(),
                                             static_cast<uint32_t>(pages.size()));
  if (status != AKV_OK) return status;
  json list = json::array();
  for (size_t i = 0; i < as.size(); i++) {
    story.name(as[i], Kind::Page, pages[i], pool.handle);
    list.push_back(kContents[contents[i]]);
  }
  out["contents"] = list;
  return status;
}

akv_status page_release(Story &story, Step &step, json &) {
  const auto pages = story.many(step, "pages");
  return akv_page_release(pool_of(story.on(step)), pages.data(), static_cast<uint32_t>(pages.size()));
}

akv_status arena_create(Story &story, Step &step, json &) {
  const Thing pool = story.on(step);
  const std::string as = step.text("as");
  akv_arena arena = 0;
  const akv_status status = akv_arena_create(pool_of(pool), step.count("owner", 0), &arena);
  if (status == AKV_OK) story.name(as, Kind::Arena, arena, pool.handle);
  return status;
}

akv_status arena_drop(Story &story, Step &step, json &) {
  const Thing &arena = story.on(step);
  return akv_arena_drop(pool_of(arena), arena.handle);
}

akv_status tensor_create(Story &story, Step &step, json &out) {
  const Thing arena = story.on(step);
  const std::string as = step.text("as");
  akv_tensor tensor = 0;
  uint32_t content = 0;
  const akv_status status =
      akv_tensor_create(pool_of(arena), arena.handle, step.count("capacity_bytes", 0), &tensor, &content);
  if (status == AKV_OK) story.name(as, Kind::Tensor, tensor, arena.pool);
  out["content"] = kContents[content];
  return status;
}

akv_status tensor_extend(Story &story, Step &step, json &out) {
  const Thing &tensor = story.on(step);
  uint64_t offset = 0;
  const akv_status status = akv_tensor_extend(pool_of(tensor), tensor.handle, step.count("bytes", 0), &offset);
  out["offset"] = offset;
  return status;
}

akv_status tensor_view(Story &story, Step &step, json &out) {
  const Thing &tensor = story.on(step);
  akv_memory_view from = AKV_MEMORY_VIEW_INIT;
  const akv_status status = akv_tensor_read_view(pool_of(tensor), tensor.handle, &from);
  PUT(bytes), PUT(capacity_bytes), PUT(owner), PUT(page);
  out["content"] = kContents[from.content];
  return status;
}

std::vector<uint8_t> pattern(Step &step) {
  std::vector<uint8_t> bytes(step.count("bytes", 0));
  const uint64_t seed = step.count("seed", 0);
  for (size_t i = 0; i < bytes.size(); i++) bytes[i] = static_cast<uint8_t>(seed * 31 + i);
  return bytes;
}

akv_status tensor_write(Story &story, Step &step, json &) {
  const Thing &tensor = story.on(step);
  const std::vector<uint8_t> bytes = pattern(step);
  return akv_copy_to_tensor(pool_of(tensor), tensor.handle, step.count("offset", 0), bytes.data(), bytes.size(),
                            nullptr);
}

akv_status tensor_read(Story &story, Step &step, json &) {
  const Thing &tensor = story.on(step);
  const std::vector<uint8_t> wanted = pattern(step);
  std::vector<uint8_t> bytes(wanted.size());
  const akv_status status = akv_copy_from_tensor(pool_of(tensor), tensor.handle, step.count("offset", 0), bytes.data(),
                                                 bytes.size(), nullptr);
  if (status == AKV_OK && bytes != wanted) throw std::runtime_error("bytes differ from what was written");
  return status;
}

akv_status pool_drop_owner(Story &story, Step &step, json &out) {
  akv_dropped from = AKV_DROPPED_INIT;
  const akv_status status = akv_page_pool_drop_owner(pool_of(story.on(step)), step.count("owner", 0), &from);
  PUT(arenas), PUT(tensors), PUT(raw_pages), PUT(pages), PUT(bytes);
  return status;
}

akv_status pool_ticket_open(Story &story, Step &step, json &) {
  const Thing pool = story.on(step);
  const std::string as = step.text("as");
  akv_ticket ticket = 0;
  const akv_status status = akv_page_pool_ticket_open(pool_of(pool), &ticket);
  if (status == AKV_OK) story.name(as, Kind::Ticket, ticket, pool.handle);
  return status;
}
akv_status pool_ticket_retire(Story &story, Step &step, json &) {
  const Thing &ticket = story.on(step);
  return akv_page_pool_ticket_retire(pool_of(ticket), ticket.handle);
}

}  // namespace

void add_pool_words(Words &words) {
  words.insert({{"pool", make_pool},
                {"pool_state", pool_state},
                {"page_acquire", page_acquire},
                {"page_release", page_release},
                {"arena_create", arena_create},
                {"arena_drop", arena_drop},
                {"tensor_create", tensor_create},
                {"tensor_extend", tensor_extend},
                {"tensor_view", tensor_view},
                {"tensor_write", tensor_write},
                {"tensor_read", tensor_read},
                {"pool_drop_owner", pool_drop_owner},
                {"pool_ticket_open", pool_ticket_open},
                {"pool_ticket_retire", pool_ticket_retire}});
}

}  // namespace conformance
