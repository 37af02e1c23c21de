// help.cpp: see help.hpp.
#include "command/help.hpp"

#include "arenakv.h"

namespace replay {
namespace {

constexpr char kHelp[] = R"(arenakv: the memory of LLM inference, as a library; and its command.

usage:
  arenakv replay [flags]   requests through the real block allocator and prefix index; no GPU, no model
  arenakv plan [flags]     what a model's K/V take, and how many sequences fit into a memory
  arenakv bench            how quick the kernels are on this processor, and that they are right
  arenakv info             version, features, limits and sizes
  arenakv --version
  arenakv replay --help    all flags; arenakv plan --help likewise

Try `arenakv replay` first: it needs no file.
)";

constexpr char kReplayHelp[] = R"(usage: arenakv replay [flags]

Send requests through a cache, without K/V memory by default: the same block allocator, prefix index and eviction that
an inference server would use. Shows how much of the prompts is found in the cache, and what the bookkeeping costs.

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

with real bytes
  --store host        K/V memory under the cache, on the host: a pattern is written for every token, and checked at
                      every hit, copy and swap, and before every free. What does not fit is refused with its price
  --model NAME        the K/V of a model, by name or config.json (arenakv plan --list); default: the four numbers below
  --layers N          1 to 65535; default 1, or all of the model's
  --kv-heads N        of a layer, 1 to 65535; default 1
  --head-dim N        elements of a head, 1 to 65535; default 8
  --dtype DTYPE       f32, f16, bf16, f8, i8 or i4; default f16, or the model's
  --max-store-bytes N what stores may take, 1 to 18446744073709551615; default: the memory that is available
  --swap-every N      every N-th request is swapped out and in again between its prompt and its output, 1 to 10000000.
                      Every second of these shares what is still cached; the others, the first one too, publish nothing
                      and are copied back as a whole
  --swap-tokens N     room of the swap blocks, in whole blocks; default: the longest request
  --workers N         threads that copy, 0 to 64; default 0: the copies are made inside the calls

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

exit codes: 0 fine; 1 a file or line that is wrong, a store that does not fit, or --verify or --store found something;
2 a flag that is wrong
)";

constexpr char kPlanHelp[] = R"(usage: arenakv plan --model NAME|FILE [flags]
       arenakv plan --list

What the K/V of a model take, to the byte; in blocks, what so many sequences take, and how many fit into a memory.

of what
  --model NAME        a model by name, as mistral-7b or meta-llama/Llama-3.1-8B-Instruct (--list shows all); a family by
                      its name, as qwen3, is its model that is used most. Or the config.json of a Hugging Face model, or
                      the folder it is in: what has a '/' in it and exists is that, never a name
  --context N         tokens of a sequence, 1 to 2147483647; default the model's longest
  --dtype DTYPE       of K/V: f32, f16, bf16, f8, i8, i4 (without scales); default the model's
  --format FORMAT     instead: of K/V with their scales: f32, f16, bf16, f8 (a scale for each head), f8-token, i8 (one
                      for each token and head), k8v4 (keys f8-token, values i4), i4
  --layers N          cache so many of its layers only, 1 to 65535; default all
  --block-tokens N    tokens of a block, 1 to 4096; default 16

how much
  --sequences N       sequences of that context, 1 to 1048575; default 1: what do they take?
  --budget SIZE       bytes for the cache: what fits? SIZE is 25769803776, 24GiB or 24G (2^30 each), 24GB (10^9 each)
  --total SIZE        of the device, instead of a budget; less
  --weights SIZE      the model's weights,
  --activations SIZE  activations at their peak, and
  --overhead SIZE     whatever else is on it

what is told
  --json              the numbers as JSON
  --list              the models that are known by name

A store has a region for each layer and plane, padded to 256 bytes, and in each of them a place for the null block.
Layers with a sliding window are sized as full attention: that is how this release keeps them.

exit codes: 0 fine, also when not all sequences fit; 1 a file that is wrong; 2 a flag that is wrong
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

int print_plan_help(std::FILE *file) {
  std::fputs(kPlanHelp, file);
  return 0;
}

int print_version() {
  std::printf("arenakv %s\n", akv_version_string());
  return 0;
}

}  // namespace replay
