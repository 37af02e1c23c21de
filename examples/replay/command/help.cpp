// help.cpp: see help.hpp.
#include "command/help.hpp"

#include "arenakv.h"

namespace replay {
namespace {

constexpr char kHelp[] = R"(arenakv: the memory of LLM inference, as a library; and its command.

usage:
  arenakv replay [flags]   requests through the real block allocator and prefix index; no GPU, no model
  arenakv info             version, features, limits and sizes
  arenakv --version
  arenakv replay --help    all flags

Try `arenakv replay` first: it needs no file.
)";

constexpr char kReplayHelp[] = R"(usage: arenakv replay [flags]

Send requests through a cache without K/V memory: the same block allocator, prefix index and eviction that an
inference server would use. Shows how much of the prompts is found in the cache, and what the bookkeeping costs.

what is replayed
  --trace FILE        a recorded workload; without it, the built-in chat (below)
  --format FORMAT     auto (default), mooncake (JSON lines) or azure (CSV)
  --limit N           the first N requests only (the built-in chat: N instead of 20000), up to 10000000

through what
  --pool-tokens N     room of the pool, in whole blocks; default 2000000
  --block-tokens N    tokens of a block, 1 to 4096; default 16
  --max-live N        requests alive at once, first in first out, 1 to 1048575; default 64
  --policy POLICY     which cached blocks leave first: lru (the only one yet)

what is told
  --json FILE         the numbers as JSON; - is the standard output (then the report goes to the standard error)
  --verify            check every answer against a shadow map of block to tokens, and every gauge; compare the hit
                      ratio with that of a plain LRU list of blocks. About ten times slower

the built-in chat: conversations that begin at random, of some turns each. A prompt is all that was said so far and a
new message; the answer is said too; then the user thinks. The same seed gives the same requests.
  --seed N            default 1
  --turns X           turns of a conversation, on average (geometric), 1 to 1000; default 2.5
  --think-seconds X   from an answer to the next message, on average (exponential), 0 to 1000000; default 60
  --system-share X    of the conversations that open with one of 8 common system prompts, 0 to 1; default 0.5
  --message-tokens X  median length of a message (lognormal, sigma 1.1), 1 to 16384; default 1600
  --answer-tokens X   median length of an answer (lognormal, sigma 0.8), 1 to 2000; default 250

rules: a prompt's blocks count as written when its request is admitted, an output token when it is appended. When
blocks are short, the oldest other request ends early. A request that is larger than the pool is skipped.

exit codes: 0 fine; 1 a file or line that is wrong, or --verify found something; 2 a flag that is wrong
)";

}  // namespace

int print_help(std::FILE *file) {
  std::fputs(kHelp, file);
  return 0;
}

int print_replay_help(std::FILE *file) {
  std::fputs(kReplayHelp, file);
  return 0;
}

int print_version() {
  std::printf("arenakv %s\n", akv_version_string());
  return 0;
}

}  // namespace replay
