// pager_tickets.cpp: a pager while device work is open: what was sent out is waited for, by the ticket that its blocks
// wait for, and nobody else goes in its place; and it is not waited for what never comes.
// It knows the public API only.
#include "paged.hpp"

using namespace akv::test;

namespace {

constexpr std::uint32_t kOneBlock = 4, kThreeBlocks = 12;

// All 8 blocks are of four sequences, of which the first is asked for.
struct Full : Paged {
  explicit Full(std::uint32_t workers = 0) : Paged(workers) {
    for (std::int32_t i = 0; i < 4; ++i) all.push_back(create(i * 100, 8));
  }
  // Ask, and again when all that was sent out has been copied.
  akv_residence ask_for(std::uint32_t more) const {
    akv_residence residence = ask({all[0]}, &more);
    if (residence.pending == 0) return residence;
    stream.wait();
    const std::uint32_t out = residence.started_out;
    residence = ask({all[0]}, &more);
    residence.started_out += out;
    return residence;
  }
  std::uint32_t gone() const { return cache.state().swapped_sequences; }

  std::vector<akv_sequence> all;
};

}  // namespace

TEST_CASE("pager: A22 while a ticket is open one goes for one that is missing, and the answer names the ticket") {
  const std::uint32_t workers = GENERATE(0u, 2u);
  const Full paged(workers);
  const akv_ticket ticket = paged.cache.open_ticket();
  akv_residence residence = paged.ask_for(kOneBlock);
  CHECK((residence.pending == 1 && residence.resident == 1 && residence.started_out == 1));
  CHECK(residence.wait == ticket);
  for (int again = 0; again < 5; ++again) {
    residence = paged.ask_for(kOneBlock);
    CHECK((residence.pending == 1 && residence.started_out == 0 && residence.wait == ticket));
  }
  CHECK(paged.gone() == 1);
  paged.cache.retire(ticket);
  residence = paged.ask_for(kOneBlock);
  CHECK((residence.pending == 0 && residence.started_out == 0 && residence.wait == AKV_NONE));
  CHECK(paged.gone() == 1);
  CHECK(paged.intact(paged.all[0]));
}

TEST_CASE("pager: A22 what comes back counts once, and of several tickets the newest that is needed is named") {
  const std::uint32_t workers = GENERATE(0u, 1u);
  const Full paged(workers);
  const akv_ticket first = paged.cache.open_ticket();
  CHECK(paged.ask_for(kOneBlock).wait == first);
  const akv_ticket second = paged.cache.open_ticket();
  akv_residence residence = paged.ask_for(kThreeBlocks);
  CHECK((residence.wait == second && residence.started_out == 1));  // two blocks come with the first
  CHECK(paged.ask_for(kOneBlock).wait == first);
  CHECK(paged.gone() == 2);
  paged.cache.retire(second);
  CHECK(paged.cache.ticket_state(second) == AKV_TICKET_ENDED);
  CHECK(paged.ask_for(kThreeBlocks).wait == second);
  CHECK(paged.ask_for(kOneBlock).wait == first);
  paged.cache.retire(first);
  residence = paged.ask_for(kThreeBlocks);
  CHECK((residence.pending == 0 && residence.wait == AKV_NONE));
  CHECK(paged.gone() == 2);
}

TEST_CASE("pager: A22 of a ticket that was abandoned PASSED is not told: the one before it is named, and then none") {
  const Full paged;
  const akv_ticket first = paged.cache.open_ticket(), second = paged.cache.open_ticket();
  CHECK(paged.ask_for(kOneBlock).wait == second);
  paged.cache.give_up(second);
  CHECK(paged.cache.ticket_state(second) == AKV_TICKET_ABANDONED);
  CHECK(paged.ask_for(kOneBlock).wait == first);
  paged.cache.retire(first);
  CHECK(paged.cache.ticket_state(second) == AKV_TICKET_ABANDONED);
  const akv_residence residence = paged.ask_for(kOneBlock);
  CHECK((residence.pending == 0 && residence.wait == AKV_NONE));
  CHECK(paged.gone() == 1);
}

TEST_CASE(
    "pager: A22 blocks that somebody else holds are not waited for once the ticket has passed: the next one goes") {
  const Full paged;
  const akv_lease lease = paged.cache.lease(paged.all[1], 8);  // the coldest
  const akv_ticket ticket = paged.cache.open_ticket();
  CHECK(paged.ask_for(kOneBlock).wait == ticket);
  paged.cache.retire(ticket);
  const akv_residence residence = paged.ask_for(kOneBlock);
  CHECK((residence.pending == 0 && residence.started_out == 1));
  CHECK(paged.gone() == 2);
  paged.cache.release(lease);
}

TEST_CASE("pager: what is freed on its way out is still on its way, until its plan has ended and its ticket passed") {
  Full paged(1);
  paged.stream.hold();
  akv_residence residence = paged.ask({paged.all[0]}, &kOneBlock);
  CHECK((residence.pending == 1 && residence.started_out == 1 && residence.wait == AKV_NONE));
  paged.cache.free(paged.all[1]);
  residence = paged.ask({paged.all[0]}, &kOneBlock);
  CHECK((residence.pending == 1 && residence.started_out == 0 && residence.wait == AKV_NONE));
  const akv_ticket ticket = paged.cache.open_ticket();
  paged.stream.release();
  paged.stream.wait();
  residence = paged.ask({paged.all[0]}, &kOneBlock);
  CHECK((residence.pending == 1 && residence.started_out == 0 && residence.wait == ticket));
  paged.cache.retire(ticket);
  residence = paged.ask({paged.all[0]}, &kOneBlock);
  CHECK((residence.pending == 0 && residence.started_out == 0));
  CHECK(paged.gone() == 0);
}

TEST_CASE("pager: what was sent out and asked for again is brought in, and its old blocks are still on their way") {
  const Full paged;
  const akv_ticket ticket = paged.cache.open_ticket();
  CHECK(paged.ask_for(kOneBlock).wait == ticket);
  akv_residence residence = paged.ask({paged.all[1]});  // its two blocks are all that is missing
  CHECK((residence.pending == 1 && residence.resident == 0 && residence.started_out == 0 && residence.wait == ticket));
  paged.cache.retire(ticket);
  residence = paged.ask({paged.all[1]});
  CHECK((residence.pending == 0 && residence.started_in == 1 && residence.started_out == 0));
  CHECK(paged.intact(paged.all[1]));
}

TEST_CASE("pager: it is pending while something comes, and NO_BLOCKS when all has come and it is not enough") {
  const Full paged;
  const akv_ticket ticket = paged.cache.open_ticket();
  const std::uint32_t more = 28;  // one block more than there are
  for (int again = 0; again < 3; ++again) {
    const akv_residence residence = paged.ask_for(more);
    CHECK((residence.pending == 1 && residence.wait == ticket));
    CHECK(paged.gone() == 3);
  }
  paged.cache.retire(ticket);
  CHECK(paged.try_ask({paged.all[0]}, &more) == AKV_ERROR_NO_BLOCKS);
  akv_error_detail detail = AKV_ERROR_DETAIL_INIT;
  OK(akv_last_error_detail(&detail));
  CHECK(detail.needed == 1);
}

TEST_CASE("pager: many tickets, one behind the other, and sequences that go and come under each: nothing is lost") {
  const Full paged;
  std::vector<akv_ticket> open;
  for (std::uint32_t step = 0; step < 200; ++step) {
    const akv_sequence wanted = paged.all[step % 4];
    akv_residence residence = paged.ask({wanted}, &kOneBlock);
    for (int rounds = 0; residence.pending != 0; ++rounds) {
      REQUIRE(rounds < 10);
      REQUIRE(residence.wait != AKV_NONE);
      while (paged.cache.ticket_state(residence.wait) != AKV_TICKET_PASSED) {
        paged.cache.retire(open.front());
        open.erase(open.begin());
      }
      residence = paged.ask({wanted}, &kOneBlock);
    }
    REQUIRE(paged.intact(wanted));
    if (step % 3 != 0) open.push_back(paged.cache.open_ticket());
  }
  for (const akv_ticket ticket : open) paged.cache.retire(ticket);
}

TEST_CASE("pager: a pager whose cache is gone says so, also while something was on its way") {
  akv_cache_config config = AKV_CACHE_CONFIG_INIT;
  config.num_blocks = 4;
  config.block_tokens = 4;
  config.num_swap_blocks = 8;
  akv_cache *cache = nullptr;
  OK(akv_cache_create(&config, &cache));
  akv_store *stores[2] = {};
  akv_store_config of_store = AKV_STORE_CONFIG_INIT;
  OK(akv_store_create(cache, &of_store, &stores[0]));
  of_store.columns = AKV_STORE_SWAP_BLOCKS;
  OK(akv_store_create(cache, &of_store, &stores[1]));
  akv_pager_config of_pager = AKV_PAGER_CONFIG_INIT;
  of_pager.stores = stores;
  of_pager.num_stores = 2;
  akv_pager *pager = nullptr;
  OK(akv_pager_create(cache, &of_pager, &pager));
  akv_sequence all[2] = {};
  for (std::int32_t i = 0; i < 2; ++i) {
    const Tokens tokens = count_up(i * 100, 8);
    akv_prompt prompt = AKV_PROMPT_INIT;
    prompt.tokens = tokens.data();
    prompt.num_tokens = 8;
    akv_sequence_options options = AKV_SEQUENCE_OPTIONS_INIT;
    options.flags = AKV_SEQUENCE_COMMITTED | AKV_SEQUENCE_NO_PUBLISH;
    akv_created created = AKV_CREATED_INIT;
    OK(akv_sequence_create(cache, &prompt, &options, &created));
    all[i] = created.sequence;
  }
  akv_ticket ticket = AKV_NONE;
  OK(akv_ticket_open(cache, &ticket));
  akv_residence residence = AKV_RESIDENCE_INIT;
  OK(akv_copy_make_resident(pager, all, &kOneBlock, 1, &residence, nullptr));
  CHECK((residence.pending == 1 && residence.wait == ticket));
  OK(akv_cache_destroy(cache));
  CHECK(akv_copy_make_resident(pager, all, &kOneBlock, 1, &residence, nullptr) == AKV_ERROR_BAD_HANDLE);
  OK(akv_copy_make_resident(pager, nullptr, nullptr, 0, &residence, nullptr));
  CHECK((residence.pending == 0 && residence.wait == AKV_NONE));
  OK(akv_pager_destroy(pager));
  for (akv_store *const store : stores) OK(akv_store_destroy(store));
}
