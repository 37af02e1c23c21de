/* options.c: see options.h. */
#include "options.h"

#include "fail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char kHelp[] =
    "usage: generate MODEL.bin TOKENIZER.bin [flags]\n"
    "\n"
    "A Llama model in llama2.c's weight format continues a text. Its K/V live in arenakv.\n"
    "\n"
    "what is generated\n"
    "  --prompt TEXT      how the text begins; may be given several times: one text after the other, and what\n"
    "                     they begin with in common is computed once. Default: one empty prompt\n"
    "  --tokens N         a text ends after N tokens, the prompt included; 0: prompts only. Default 256,\n"
    "                     and at most what the model's context holds\n"
    "  --samples N        N texts for each prompt, 1 to 64: its K/V are shared, not copied. Default 1\n"
    "  --temperature T    0 (default): always the most likely token; above: drawn, the wilder the higher\n"
    "  --seed N           of the drawing; default 1\n"
    "\n"
    "how K/V are kept\n"
    "  --block-tokens N   tokens of a block, 1 to 4096; default 16\n"
    "  --mode MODE        paged (default), or contiguous: neighbouring blocks for each prompt\n"
    "  --format FORMAT    fp32 (default), bf16, int8, or two-tier: the last tokens in bf16, all before in int8\n"
    "  --tail-tokens N    of two-tier: tokens that stay in bf16, 1 to 65536; default 128\n"
    "  --swap-every N     every N decode steps all sequences leave for the swap blocks, the room is used by\n"
    "                     somebody else, and they come back; default 0: never\n"
    "\n"
    "what is printed\n"
    "  --ids              token ids, prompt included, one line for each text, instead of texts\n"
    "  --report           and on the standard error: what was cached, shared, written and moved\n";

static uint64_t whole_number(const char *flag, const char *text, uint64_t least, uint64_t most) {
  char *end = NULL;
  errno = 0;
  const unsigned long long number = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number < least || number > most)
    fail_usage("%s is '%s', must be a whole number from %llu to %llu", flag, text, (unsigned long long)least,
               (unsigned long long)most);
  return number;
}

static float temperature_of(const char *text) {
  char *end = NULL;
  const float number = strtof(text, &end);
  if (end == text || *end != '\0' || !(number >= 0.0f && number <= 100.0f))
    fail_usage("--temperature is '%s', must be a number from 0 to 100", text);
  return number;
}

static int choice(const char *flag, const char *text, const char *const *names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(text, names[i]) == 0) return i;
  char list[128] = "";
  for (int i = 0; i < count; i++) {
    if (i > 0) strcat(list, i + 1 < count ? ", " : " or ");
    strcat(list, names[i]);
  }
  fail_usage("%s is '%s', must be %s", flag, text, list);
}

static void set(struct options *options, const char *flag, const char *value) {
  static const char *const modes[] = {"paged", "contiguous"};
  static const char *const formats[] = {"fp32", "bf16", "int8", "two-tier"};
  if (strcmp(flag, "--prompt") == 0) options->prompts[options->num_prompts++] = value;
  else if (strcmp(flag, "--tokens") == 0) options->tokens = (uint32_t)whole_number(flag, value, 0, INT32_MAX);
  else if (strcmp(flag, "--samples") == 0) options->samples = (uint32_t)whole_number(flag, value, 1, MAX_SAMPLES);
  else if (strcmp(flag, "--temperature") == 0) options->temperature = temperature_of(value);
  else if (strcmp(flag, "--seed") == 0) options->seed = whole_number(flag, value, 0, UINT64_MAX);
  else if (strcmp(flag, "--block-tokens") == 0) options->block_tokens = (uint32_t)whole_number(flag, value, 1, 4096);
  else if (strcmp(flag, "--mode") == 0) options->contiguous = choice(flag, value, modes, 2) == 1;
  else if (strcmp(flag, "--format") == 0) options->format = (enum format)choice(flag, value, formats, 4);
  else if (strcmp(flag, "--tail-tokens") == 0) options->tail_tokens = (uint32_t)whole_number(flag, value, 1, 65536);
  else if (strcmp(flag, "--swap-every") == 0) options->swap_every = (uint32_t)whole_number(flag, value, 0, INT32_MAX);
  else fail_usage("there is no flag '%s': see generate --help", flag);
}

/* "--flag=value" as well as "--flag value": the value, and the flag without it. */
static const char *value_of(int count, char **words, int *at, char *flag, size_t capacity) {
  const char *const equals = strchr(words[*at], '=');
  const size_t length = equals != NULL ? (size_t)(equals - words[*at]) : strlen(words[*at]);
  snprintf(flag, capacity, "%.*s", (int)length, words[*at]);
  if (equals != NULL) return equals + 1;
  return *at + 1 < count ? words[++*at] : NULL;
}

void read_options(int count, char **words, struct options *options) {
  memset(options, 0, sizeof *options);
  options->prompts = allocate((size_t)count + 1, sizeof *options->prompts);
  options->tokens = 256;
  options->samples = 1;
  options->block_tokens = 16;
  options->tail_tokens = 128;
  options->seed = 1;
  int num_files = 0;
  for (int i = 1; i < count; i++) {
    if (strcmp(words[i], "--help") == 0) {
      fputs(kHelp, stdout);
      exit(0);
    } else if (strcmp(words[i], "--ids") == 0) {
      options->ids = true;
    } else if (strcmp(words[i], "--report") == 0) {
      options->report = true;
    } else if (strncmp(words[i], "--", 2) == 0) {
      char flag[32];
      const char *const value = value_of(count, words, &i, flag, sizeof flag);
      if (value == NULL) fail_usage("%s wants a value: see generate --help", flag);
      set(options, flag, value);
    } else if (num_files++ == 0) {
      options->model_path = words[i];
    } else if (num_files == 2) {
      options->tokenizer_path = words[i];
    } else {
      fail_usage("'%s' is one file too many: a model and a tokenizer are wanted", words[i]);
    }
  }
  if (num_files < 2) fail_usage("a model and a tokenizer are wanted: generate MODEL.bin TOKENIZER.bin; see --help");
  if (options->num_prompts == 0) options->prompts[options->num_prompts++] = "";
}
