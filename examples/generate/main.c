/* main.c: generate: a small Llama model continues texts, and its K/V live in arenakv.
 *
 * Prompts come one after the other; what a prompt begins with in common with one before it is found in the cache. The
 * samples of a prompt are forks, which go on together: one step, one token of each.
 */
#include "fail.h"
#include "kv.h"
#include "model.h"
#include "options.h"
#include "sampler.h"
#include "tokenizer.h"
#include "transformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct program {
  struct options options;
  struct model model;
  struct tokenizer tokenizer;
  struct kv kv;
  struct transformer transformer;
  uint32_t most_tokens; /* that go through the model, of one text */
};

/* One text. */
struct sample {
  struct kv_sequence sequence;
  int32_t *ids;
  uint32_t count;
  uint64_t random;
  int running;
};

static void print_token(const struct program *program, int32_t before, int32_t token) {
  char byte;
  const struct piece piece = tokenizer_decode(&program->tokenizer, before, token, &byte);
  fwrite(piece.text, 1, piece.length, stdout);
}

static void print_sample(const struct program *program, const struct sample *sample) {
  if (program->options.ids) {
    for (uint32_t i = 0; i < sample->count; i++) printf(i == 0 ? "%d" : " %d", sample->ids[i]);
  } else {
    for (uint32_t i = 1; i < sample->count; i++) print_token(program, sample->ids[i - 1], sample->ids[i]);
  }
  putchar('\n');
}

/* Through the model with what is not cached; logits of the prompt's last token. */
static const float *compute_prompt(struct program *program, struct sample *sample, uint32_t number) {
  struct kv *const kv = &program->kv;
  const uint32_t cached = kv_start(kv, &sample->sequence, sample->ids, sample->count, program->most_tokens);
  if (program->options.report)
    fprintf(stderr, "prompt %u: %u of %u tokens were cached, %u computed\n", number, cached, sample->count,
            sample->count - cached);
  if (program->options.report && program->options.contiguous)
    fprintf(stderr, "prompt %u: its keys are one strided tensor a layer, with room for %u tokens\n", number,
            kv_stretch(kv, &sample->sequence));
  const float *logits = NULL;
  for (uint32_t first = cached; first < sample->count; first += STEP_TOKENS) {
    const uint32_t left = sample->count - first, count = left < STEP_TOKENS ? left : STEP_TOKENS;
    kv_prefill(kv, &sample->sequence, sample->ids, first, count);
    logits = transformer_step(&program->transformer, kv, first + count == sample->count ? count - 1 : count);
  }
  return logits;
}

/* The token that these logits say; a text that has ended gives its blocks back. */
static void extend(struct program *program, struct sample *sample, const float *logits) {
  const uint32_t vocabulary = program->model.vocabulary;
  const int32_t token = sample_token(logits, vocabulary, program->options.temperature, &sample->random);
  const int ended = token == TOKEN_BEGIN || token == TOKEN_END;
  if (!ended) sample->ids[sample->count++] = token;
  sample->running = !ended && sample->count <= program->most_tokens;
  if (!sample->running) kv_end(&program->kv, &sample->sequence);
}

/* A step of all samples that still run; how many those were. */
static uint32_t decode(struct program *program, struct sample *samples, int swap_first) {
  struct kv_sequence *sequences[MAX_SAMPLES];
  struct sample *running[MAX_SAMPLES];
  int32_t tokens[MAX_SAMPLES];
  uint32_t count = 0;
  for (uint32_t i = 0; i < program->options.samples; i++) {
    if (!samples[i].running) continue;
    running[count] = &samples[i];
    sequences[count] = &samples[i].sequence;
    tokens[count++] = samples[i].ids[samples[i].count - 1];
  }
  if (count == 0) return 0;
  if (swap_first) kv_swap(&program->kv, sequences, count);
  kv_decode(&program->kv, sequences, tokens, count);
  const float *const logits = transformer_step(&program->transformer, &program->kv, 0);
  for (uint32_t i = 0; i < count; i++) extend(program, running[i], logits + (size_t)i * program->model.vocabulary);
  return count;
}

static void start_samples(struct program *program, struct sample *samples, uint32_t number) {
  const float *const logits = compute_prompt(program, &samples[0], number);
  for (uint32_t i = 1; i < program->options.samples; i++) {
    memcpy(samples[i].ids, samples[0].ids, samples[0].count * sizeof *samples[0].ids);
    samples[i].count = samples[0].count;
    kv_fork(&program->kv, &samples[0].sequence, &samples[i].sequence);
  }
  for (uint32_t i = 0; i < program->options.samples; i++) extend(program, &samples[i], logits);
}

/* With one sample the text is printed as it comes. */
static void generate(struct program *program, struct sample *samples, uint32_t number) {
  const struct sample *const only = program->options.samples == 1 && !program->options.ids ? &samples[0] : NULL;
  uint32_t printed = 1;
  if (samples[0].count <= program->most_tokens) {
    start_samples(program, samples, number);
    for (uint32_t step = 1;; step++) {
      for (; only != NULL && printed < only->count; printed++)
        print_token(program, only->ids[printed - 1], only->ids[printed]);
      fflush(stdout);
      const uint32_t every = program->options.swap_every;
      if (decode(program, samples, every > 0 && step % every == 0) == 0) break;
    }
  }
  for (; only != NULL && printed < only->count; printed++)
    print_token(program, only->ids[printed - 1], only->ids[printed]);
}

static void run_prompt(struct program *program, uint32_t number) {
  const struct options *const options = &program->options;
  struct sample *const samples = allocate(options->samples, sizeof *samples);
  uint32_t count = 0;
  int32_t *const prompt = tokenizer_encode(&program->tokenizer, options->prompts[number - 1], &count);
  if (count > program->model.context)
    fail("prompt %u has %u tokens, the model's context is %u", number, count, program->model.context);
  for (uint32_t i = 0; i < options->samples; i++) {
    samples[i].ids = allocate((size_t)count + program->most_tokens + 1, sizeof *prompt);
    samples[i].random = options->seed + (uint64_t)i * UINT64_C(0x632be59bd9b4e019);
    memcpy(samples[i].ids, prompt, count * sizeof *prompt);
    samples[i].count = count;
  }
  generate(program, samples, number);
  for (uint32_t i = 0; i < options->samples; i++) {
    if (options->samples > 1 && !options->ids) printf("== prompt %u, sample %u ==\n", number, i + 1);
    if (options->samples == 1 && !options->ids) putchar('\n');
    else print_sample(program, &samples[i]);
    free(samples[i].ids);
  }
  free(prompt);
  free(samples);
}

static void report(struct program *program) {
  static const struct {
    uint32_t kind;
    const char *what;
  } kinds[] = {{AKV_MOVED_WRITE, "written"},
               {AKV_MOVED_PARTIAL, "copied out of cached blocks"},
               {AKV_MOVED_COPY_ON_WRITE, "copied on write, for forks"},
               {AKV_MOVED_BLOCKS, "copied for forks, of what is not quantized"},
               {AKV_MOVED_CONVERTED, "quantized"},
               {AKV_MOVED_OUT, "swapped out"},
               {AKV_MOVED_IN, "swapped in"},
               {AKV_MOVED_ZERO, "zeroed by others, while swapped out"}};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    const uint64_t bytes = kv_moved(&program->kv, kinds[i].kind);
    if (bytes > 0) fprintf(stderr, "K/V: %llu bytes %s\n", (unsigned long long)bytes, kinds[i].what);
  }
  akv_cache_state state = AKV_CACHE_STATE_INIT;
  CHECK(akv_cache_read_state(program->kv.cache, &state));
  fprintf(stderr, "blocks: %u of %u are cached, %u live\n", state.cached_blocks, state.num_blocks, state.live_blocks);
}

int main(int count, char **words) {
  struct program program;
  read_options(count, words, &program.options);
  model_open(program.options.model_path, &program.model);
  tokenizer_open(program.options.tokenizer_path, program.model.vocabulary, &program.tokenizer);
  const uint32_t context = program.model.context;
  program.most_tokens = program.options.tokens < context ? program.options.tokens : context;
  kv_open(&program.kv, &program.model, &program.options, program.most_tokens > 0 ? program.most_tokens : 1);
  transformer_open(&program.transformer, &program.model);
  for (uint32_t number = 1; number <= program.options.num_prompts; number++) {
    if (program.options.num_prompts > 1 && number > 1 && !program.options.ids) putchar('\n');
    run_prompt(&program, number);
  }
  if (program.options.report) report(&program);
  transformer_close(&program.transformer);
  kv_close(&program.kv);
  tokenizer_close(&program.tokenizer);
  model_close(&program.model);
  free(program.options.prompts);
  if (fflush(stdout) != 0 || ferror(stdout)) fail("the output can't be written");
  return 0;
}
