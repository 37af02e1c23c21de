/* options.h: the command line as a struct.
 * It knows neither models nor the library.
 */
#ifndef GENERATE_OPTIONS_H
#define GENERATE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* What K/V are kept as. */
enum format { FORMAT_FP32, FORMAT_BF16, FORMAT_INT8, FORMAT_TWO_TIER };

enum { MAX_SAMPLES = 64 };

struct options {
  const char *model_path;
  const char *tokenizer_path;
  const char **prompts; /* in the order given; at least one, which may be empty */
  uint32_t num_prompts;
  uint32_t tokens; /* of a text at most, its begin-of-sequence not counted */
  uint32_t samples;
  uint32_t block_tokens;
  uint32_t swap_every; /* decode steps; 0: never */
  uint32_t tail_tokens;
  enum format format;
  bool contiguous;
  bool ids;
  bool report;
  float temperature; /* 0: the most likely token always */
  uint64_t seed;
};

/* Read the command line; ends the program where that makes no sense, and after --help. */
void read_options(int count, char **words, struct options *options);

#endif /* GENERATE_OPTIONS_H */
