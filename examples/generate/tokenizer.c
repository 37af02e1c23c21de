/* tokenizer.c: the file, and tokens to text. How text becomes tokens is in merges.c. */
#include "tokenizer.h"

#include "fail.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 28 };

static char *read_file(const char *path, size_t *out_bytes) {
  FILE *const file = fopen(path, "rb");
  if (file == NULL) fail("%s: %s", path, strerror(errno));
  size_t bytes = 0, capacity = 1 << 16;
  char *text = allocate(capacity, 1);
  for (;;) {
    const size_t read = fread(text + bytes, 1, capacity - bytes, file);
    if (ferror(file)) fail("%s can't be read: %s", path, strerror(errno));
    bytes += read;
    if (read == 0) break;
    if (bytes < capacity) continue;
    if (bytes >= MOST_BYTES) fail("%s is no tokenizer: it has over %d bytes", path, MOST_BYTES);
    capacity *= 2;
    text = realloc(text, capacity);
    if (text == NULL) fail("the host has no memory for %zu bytes of %s", capacity, path);
  }
  fclose(file);
  *out_bytes = bytes;
  return text;
}

/* A record: float score, int32 length, bytes. */
static size_t read_piece(const char *path, const char *file, size_t bytes, size_t at, uint32_t id, uint32_t count,
                         struct piece *piece) {
  int32_t length = 0;
  if (bytes - at < sizeof piece->score + sizeof length)
    fail("%s ends behind %u tokens: the model has %u", path, id, count);
  memcpy(&piece->score, file + at, sizeof piece->score);
  memcpy(&length, file + at + sizeof piece->score, sizeof length);
  at += sizeof piece->score + sizeof length;
  if (length < 0 || (size_t)length > bytes - at || isnan(piece->score))
    fail("%s is no tokenizer of llama2.c: token %u has %d bytes and score %g, %zu bytes are left", path, id, length,
         (double)piece->score, bytes - at);
  piece->text = file + at;
  piece->length = (uint32_t)length;
  return at + (size_t)length;
}

static int is_byte_token(const struct piece *piece, uint32_t byte) {
  char name[8];
  snprintf(name, sizeof name, "<0x%02X>", byte);
  return piece->length == 6 && memcmp(piece->text, name, 6) == 0;
}

static int compare(const struct piece *a, const char *text, size_t length) {
  const int order = memcmp(a->text, text, a->length < length ? a->length : length);
  return order != 0 ? order : (a->length > length) - (a->length < length);
}

static const struct piece *sorting; /* qsort() hands no context on */

static int compare_ids(const void *a, const void *b) {
  const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
  const int order = compare(&sorting[left], sorting[right].text, sorting[right].length);
  return order != 0 ? order : (left > right) - (left < right);
}

static void sort_pieces(struct tokenizer *tokenizer) {
  tokenizer->has_bytes = tokenizer->count >= TOKEN_FIRST_BYTE + NUM_BYTE_TOKENS;
  for (uint32_t byte = 0; tokenizer->has_bytes && byte < NUM_BYTE_TOKENS; byte++)
    tokenizer->has_bytes = is_byte_token(&tokenizer->pieces[TOKEN_FIRST_BYTE + byte], byte);
  const uint32_t first = TOKEN_FIRST_BYTE + (tokenizer->has_bytes ? NUM_BYTE_TOKENS : 0);
  tokenizer->sorted = allocate(tokenizer->count, sizeof *tokenizer->sorted);
  for (uint32_t id = first; id < tokenizer->count; id++)
    if (tokenizer->pieces[id].length > 0) tokenizer->sorted[tokenizer->num_sorted++] = id;
  sorting = tokenizer->pieces;
  qsort(tokenizer->sorted, tokenizer->num_sorted, sizeof *tokenizer->sorted, compare_ids);
}

void tokenizer_open(const char *path, uint32_t vocabulary, struct tokenizer *tokenizer) {
  memset(tokenizer, 0, sizeof *tokenizer);
  size_t bytes = 0;
  tokenizer->file = read_file(path, &bytes);
  int32_t longest = 0; /* in bytes; told for buffers, which are not needed here */
  if (bytes < sizeof longest) fail("%s has %zu bytes: a tokenizer begins with a number of 4", path, bytes);
  memcpy(&longest, tokenizer->file, sizeof longest);
  if (longest < 1) fail("%s is no tokenizer of llama2.c: its longest token has %d bytes", path, longest);
  tokenizer->count = vocabulary;
  tokenizer->pieces = allocate(vocabulary, sizeof *tokenizer->pieces);
  size_t at = sizeof longest;
  for (uint32_t id = 0; id < vocabulary; id++)
    at = read_piece(path, tokenizer->file, bytes, at, id, vocabulary, &tokenizer->pieces[id]);
  if (at != bytes)
    fail("%s has %zu bytes behind its first %u tokens, and more the model has not: it is of another model", path,
         bytes - at, vocabulary);
  sort_pieces(tokenizer);
}

void tokenizer_close(struct tokenizer *tokenizer) {
  free(tokenizer->sorted);
  free(tokenizer->pieces);
  free(tokenizer->file);
}

uint32_t tokenizer_find(const struct tokenizer *tokenizer, const char *text, size_t length) {
  uint32_t low = 0, high = tokenizer->num_sorted;
  while (low < high) { /* the first that is not before the text: of two pieces alike the lower id */
    const uint32_t middle = low + (high - low) / 2;
    if (compare(&tokenizer->pieces[tokenizer->sorted[middle]], text, length) < 0) low = middle + 1;
    else high = middle;
  }
  if (low == tokenizer->num_sorted) return TOKEN_UNKNOWN;
  const uint32_t id = tokenizer->sorted[low];
  return compare(&tokenizer->pieces[id], text, length) == 0 ? id : TOKEN_UNKNOWN;
}

struct piece tokenizer_decode(const struct tokenizer *tokenizer, int32_t before, int32_t token, char *buffer) {
  struct piece piece = tokenizer->pieces[token];
  if (token <= TOKEN_END) {
    piece.length = 0;
  } else if (tokenizer->has_bytes && token < TOKEN_FIRST_BYTE + NUM_BYTE_TOKENS) {
    *buffer = (char)(token - TOKEN_FIRST_BYTE);
    piece.text = buffer;
    piece.length = 1;
  } else if (before == TOKEN_BEGIN && piece.length > 0 && piece.text[0] == ' ') {
    piece.text++; /* the space that encoding put in front of the text */
    piece.length--;
  }
  const unsigned char only = piece.length == 1 ? (unsigned char)piece.text[0] : ' ';
  if ((only < 0x20 && only != '\n' && only != '\t') || only == 0x7f) piece.length = 0;
  return piece;
}
