// abuse_pager_calls.cpp: the rows of the pager in the table of all functions. Each makes a pager for the call.
// It knows the public API only, and no test.
#include "abuse_calls.hpp"

namespace akv::test {
namespace {

akv_status make_pager(const Call &c, akv_pager **out) {
  akv_pager_config config = AKV_PAGER_CONFIG_INIT;
  config.stores = &c.store;
  config.num_stores = 1;
  return akv_pager_create(c.cache, &config, out);
}

akv_status make_resident(const Call &c) {
  akv_pager *pager = nullptr;
  if (const akv_status status = make_pager(c, &pager); status != AKV_OK) return status;
  const akv_status status =
      akv_copy_make_resident(pager, &c.sequence, nullptr, 1, c.out_as<akv_residence>(), nullptr);
  CHECK(akv_pager_destroy(pager) == AKV_OK);
  return status;
}

}  // namespace

std::vector<Function> pager_functions() {
  return {
      {"akv_pager_create", kCache | kOut | kOnce, 0, 0, 0,
       [](const Call &c) { return make_pager(c, c.out_as<akv_pager *>()); }},
      {"akv_pager_destroy", 0, 0, 0, 0, [](const Call &) { return akv_pager_destroy(nullptr); }},
      {"akv_copy_make_resident", kCache | kSequence | kOut, sizeof(akv_residence), 0, 0, make_resident},
  };
}

}  // namespace akv::test
