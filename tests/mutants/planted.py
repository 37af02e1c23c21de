"""planted.py: the bugs that run.py plants, one at a time, and the test that must notice.

Each is a text that stands exactly once in a file of lib/, what stands there instead, and the quickest killers: filters
of the contract tests, or "model" for random operations against the reference model, "threads" for many threads and a
shadow of the K/V, "memory" for failing allocations, "realtime" for decode steps under RealtimeSanitizer. It knows no
build.
"""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Mutant:
    bug: str
    path: str
    old: str
    new: str
    killer: str
    quick: bool = False


MUTANTS = (
    Mutant("a holder is not counted", "lib/meta/prefix/run_holds.cpp",
           "if (run.holds[k]++ != 0) return;", "if (run.holds[k] != 0) return; else run.holds[k] = 1;", "model", True),
    Mutant("no copy-on-write: a shared tail is written to", "lib/meta/tail.cpp",
           "const bool own_tail = s.used_blocks > rest.anchored_blocks;",
           "const bool own_tail = s.used_blocks > 0;", "sequence:*", True),
    Mutant("published before it is committed", "lib/meta/publish.cpp",
           "target = math_.whole_blocks(std::min<std::uint32_t>(s.known, s.committed))",
           "target = math_.whole_blocks(std::uint32_t{s.known})", "field:*,prefix:*,plan:*,sequence:*", True),
    Mutant("unknown tokens are published", "lib/meta/publish.cpp",
           "target = math_.whole_blocks(std::min<std::uint32_t>(s.known, s.committed))",
           "target = math_.whole_blocks(std::uint32_t{s.committed})", "model"),
    Mutant("blocks are used again before their tickets have ended", "lib/meta/block_pool.hpp",
           "if (tickets_.settled(tickets_.newest())) ids_->give_back(ids, count);",
           "if (tickets_.num_open() < 100) ids_->give_back(ids, count);", "ticket:*", True),
    Mutant("the last token of a prompt is not kept back", "lib/meta/admit.cpp",
           "a.walk = tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens - 1);",
           "a.walk = tree_.match(prompt.domain, prompt.tokens, prompt.num_tokens);", "prefix:*,sequence:*"),
    Mutant("pinned blocks count as cached and are evicted", "lib/meta/prefix/run_holds.cpp",
           "if (run.holds[1] != 0) return RunClass::pinned;", "", "prefix:*"),
    Mutant("a replaced entry of a table is not told to its row", "lib/meta/tail.cpp",
           "  s.table[index] = to;\n  ++s.version;", "  s.table[index] = to;", "step:*,plan:*,field:*"),
    Mutant("a slot's next sequence has its old handle", "lib/meta/sequence_table.cpp",
           "(gate.load(std::memory_order_relaxed) >> 32) + 1;",
           "std::max<std::uint64_t>(gate.load(std::memory_order_relaxed) >> 32, 1);", "abuse:*,sequence:*", True),
    Mutant("a second call enters a busy sequence", "lib/meta/sequence_table.hpp",
           "compare_exchange_strong(expected, expected | kGateBusy,", "compare_exchange_strong(expected, expected,",
           "threads:*,step:*,abuse:*"),
    Mutant("another domain's prefix hits", "lib/meta/prefix/run_match.cpp",
           "if (child == kNoRun || (walk.run == kRoot && runs_[child].domain != domain)) return walk;",
           "if (child == kNoRun) return walk;", "prefix:*,field:*,scrub:*"),
    Mutant("a partial hit is one token too long", "lib/meta/prefix/run_match.cpp",
           "        walk.partial_tokens = common;", "        walk.partial_tokens = common + 1;", "plan:*,prefix:*"),
    Mutant("roll-back forgets the blocks it took", "lib/meta/plan_ends.cpp",
           "  give_back_own_locked(s.table + undo.num_blocks, s.num_blocks - undo.num_blocks);\n", "", "plan:*"),
    Mutant("quarantined blocks are counted without leased ones", "lib/meta/state.cpp",
           "pool_.quarantined() + tree_.blocks(RunClass::leased);", "pool_.quarantined();", "state:*,lease:*"),
    Mutant("a block that changes its domain is not zeroed", "lib/meta/scrubber.hpp",
           "(state & kCondemned) != 0 || domains_[index(block)] != domain;", "(state & kCondemned) != 0;", "scrub:*"),
    Mutant("a use does not make a prefix young again", "lib/meta/prefix/run_holds.cpp",
           "    run.stamp = clock_;", "    run.stamp = run.stamp != 0 ? run.stamp : clock_;", "prefix:*,model"),
    Mutant("a plan does not lease what it copies from", "lib/meta/admit.cpp",
           "    tree_.hold(end, Hold::lease);\n    plans_.add_lease(plan, end);\n", "    plans_.add_lease(plan, end);\n"
           "    tree_.hold(end, Hold::lease);\n    tree_.release(end, Hold::lease);\n", "plan:*"),
    Mutant("an abandoned plan's zeroing counts as done", "lib/meta/plan_ends.cpp",
           "    condemn_unzeroed_locked(plans_.record(at).record);", "    static_cast<void>(at);", "scrub:*"),
    Mutant("a commit forgets its ticket", "lib/meta/publish.cpp",
           "  if (ticket != 0) note_ticket(rest_[slot], s.committed, ticket, ticket);\n", "", "ticket:*"),
    Mutant("one token more than max_tokens", "lib/meta/grow.cpp",
           "if (AKV_UNLIKELY(s.flags != 0 || count > s.max_tokens - s.length)) return cannot_grow(s, count, row);",
           "if (AKV_UNLIKELY(s.flags != 0 || count > s.max_tokens - s.length + 1)) return cannot_grow(s, count, row);",
           "sequence:*,step:*"),
    Mutant("slots of a decode step are one off", "lib/meta/tables.cpp",
           "(block_tokens - s.room - 1);", "(block_tokens - s.room) % block_tokens;", "step:*"),
    Mutant("a refused batch has grown its first rows", "lib/meta/grow.cpp",
           "if (Status status = check_growth_locked(growth, may_plan); status != AKV_OK) return status;\n\n"
           "  supply_.gather(",
           "if (Status status = check_growth_locked(growth, may_plan); status != AKV_OK) {\n"
           "    append_blocks_locked(slot_of(batch.sequences[0]), std::min(1u, supply_.secured()));\n"
           "    return status;\n  }\n\n  supply_.gather(", "step:*,sequence:*,abuse:*"),
    Mutant("content is evicted that queued work may still read", "lib/meta/prefix/run_holds.cpp",
           "    if (!tickets_.settled(run.release_epoch)) break;\n", "", "threads"),
    Mutant("freed blocks of a busy cache are used again at once", "lib/meta/block_pool.hpp",
           "if (tickets_.settled(tickets_.newest())) ids_->give_back(ids, count);",
           "if (tickets_.num_open() < 100) ids_->give_back(ids, count);", "threads"),
    Mutant("a leased block is written to again", "lib/meta/prefix/run_tree.hpp",
           "return r.num_children == 0 && r.holds[0] == 1 && r.holds[1] == 0 && r.holds[2] == 0;",
           "return r.num_children == 0 && r.holds[0] == 1 && r.holds[1] == 0;", "threads"),
    Mutant("a hit does not tell what to wait for", "lib/meta/prefix/run_match.cpp",
           "    walk.wait = std::max(walk.wait, wait_for(child, matched));\n", "", "threads"),
    Mutant("blocks of abandoned work are not condemned", "lib/meta/scrub.cpp",
           "  for (std::uint32_t i = 0; i < count; ++i) scrubber_.condemn(ids[i]);\n", "", "threads"),
    Mutant("a gate is left open by a batch that was refused", "lib/meta/cache_home.cpp",
           "    leave_all(sequences, i);\n", "", "threads"),
    Mutant("two pops of a shared magazine hand out one block", "lib/meta/supply.hpp",
           "      magazine.count = there - count;\n",
           "      if (thread_index() % 64 != 63) magazine.count = there - count;\n", "threads"),
    Mutant("a refused create keeps its place", "lib/meta/cache_home.cpp",
           "  if (status != AKV_OK) home->claimed_.store(false, std::memory_order_release);\n", "", "memory"),
    Mutant("a refused create keeps what the host gave", "lib/mem/reservation.cpp",
           "% kPage != 0) {\n    release();\n", "% kPage != 0) {\n    memory_ = nullptr;\n", "memory"),
    Mutant("destroy leaves the metadata mapped", "lib/mem/reservation.cpp",
           "    munmap(memory_, planned_);\n", "", "memory"),
    Mutant("a report without memory ends the process", "lib/api/report.cpp",
           "catch (const std::bad_alloc &)", "catch (const std::bad_array_new_length &)", "memory"),
    Mutant("a commit allocates", "lib/meta/publish.cpp",
           "  if (s.pending.exchange(kNews, std::memory_order_acq_rel) == 0)",
           "  ::operator delete(::operator new(8));\n"
           "  if (s.pending.exchange(kNews, std::memory_order_acq_rel) == 0)", "memory"),
    Mutant("a decode step takes the cache's lock for each new block", "lib/meta/grow.cpp",
           "  if (growth.shared_tails != 0 || growth.new_blocks > Magazine::kCapacity || scrubber_.looking())"
           " return false;\n",
           "  if (growth.new_blocks != 0) return false;\n", "realtime"),
    Mutant("the lock of a refill is not marked", "lib/meta/short_lock.hpp",
           "    AKV_BLOCKING_SCOPE;\n    mutex_.unlock();", "    mutex_.unlock();", "realtime"),
    Mutant("the checksum of an image's chunk is not looked at", "lib/data/image/format.cpp",
           "chunk_checksum(image, chunk); found != wanted)", "chunk_checksum(image, chunk); found == 0 && wanted != 0)",
           "copy_image:*,image:*"),
    Mutant("an image of another label is loaded", "lib/data/image/load.cpp",
           "if (!request.any_label && ", "if (!request.any_label && request.bytes == 0 && ", "copy_image:*"),
    Mutant("blocks of another domain are not zeroed before a load on workers", "lib/data/image/load.cpp",
           "      zero_unit(stores, unit, zeroes, num_zeroes);\n", "", "copy_image:*"),
    Mutant("a load on workers is committed without its ticket", "lib/data/image/load.cpp",
           "commit_batch(&sequence, &length, 1, making.ticket())", "commit_batch(&sequence, &length, 1, AKV_NONE)",
           "copy_image:*"),
    Mutant("a save lets its lease go before it is done", "lib/data/image/save.cpp",
           "  if (status != AKV_OK) let_go(work->cache, work->lease);", "  let_go(work->cache, work->lease);",
           "copy_image:*"),
    Mutant("scales of a shard of heads are saved as the first head's", "lib/data/image/payload.cpp",
           "if (plane.num_heads != plane.all_heads) at +=", "if (plane.num_heads > plane.all_heads) at +=",
           "copy_image:*"),
    Mutant("a file has the umask's rights", "lib/data/image/file.cpp",
           "if (::fchmod(file_.number(), S_IRUSR | S_IWUSR) != 0)", "if (file_.number() < 0)", "image:*"),
    Mutant("a file is written through a symbolic link", "lib/data/image/file.cpp",
           "if (S_ISREG(old.st_mode)) return AKV_OK;", "return AKV_OK;", "image:*"),
)
