/* tokenizer.h: text to token ids and back, as SentencePiece's byte-pair encoding does it (llama2.c's tokenizer.bin).
 * It knows no model: only how many tokens there must be.
 */
#ifndef GENERATE_TOKENIZER_H
#define GENERATE_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

/* The first three tokens are unknown, begin and end; behind them 256 of single bytes, where the vocabulary has them. */
enum { TOKEN_UNKNOWN = 0, TOKEN_BEGIN = 1, TOKEN_END = 2, TOKEN_FIRST_BYTE = 3, NUM_BYTE_TOKENS = 256 };

struct piece {
  const char *text;
  uint32_t length;
  float score; /* of two merges the one with the higher score is made first */
};

struct tokenizer {
  struct piece *pieces;
  uint32_t count;
  uint32_t *sorted; /* ids of the pieces that text may become, by text */
  uint32_t num_sorted;
  int has_bytes;
  char *file;
};

/* Read a file, which must have `vocabulary` tokens; one that is no such tokenizer ends the program. */
void tokenizer_open(const char *path, uint32_t vocabulary, struct tokenizer *tokenizer);
void tokenizer_close(struct tokenizer *tokenizer);

/* The token that is this text, or TOKEN_UNKNOWN. Text never becomes begin or end, nor the token of a byte by its name.
 */
uint32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length);

/* Encode a prompt, begin-of-sequence included. The ids are the caller's to free(). */
int32_t *tokenizer_encode(const struct tokenizer *tokenizer, const char *text, uint32_t *out_count);

/* The text of a token behind another one: `buffer` has room for a byte. Never what would move a terminal's cursor. */
struct piece tokenizer_decode(const struct tokenizer *tokenizer, int32_t before, int32_t token, char *buffer);

#endif /* GENERATE_TOKENIZER_H */
