/* merges.c: text becomes tokens, by byte-pair merges in SentencePiece's order (Kudo and Richardson 2018).
 *
 * The text, with a space in front, is cut into its characters. Of all neighbours that are a token together, those with
 * the highest score are merged, the leftmost of equals, until there are none. What is no token then is spelled in
 * bytes. A heap has the candidates, so a long text takes O(n log n).
 */
#include "tokenizer.h"

#include "fail.h"

#include <stdlib.h>
#include <string.h>

enum { NONE = -1 };

/* A stretch of the text. Merged into its left neighbour it has no length any more. */
struct symbol {
  const char *text;
  uint32_t length;
  int32_t left;
  int32_t right;
};

/* Two neighbours that may be merged; `length` of both together tells whether they still are what they were. */
struct candidate {
  float score;
  int32_t left;
  uint32_t length;
};

struct merging {
  const struct tokenizer *tokenizer;
  struct symbol *symbols;
  uint32_t num_symbols;
  struct candidate *heap;
  uint32_t heap_size;
};

static int comes_before(const struct candidate *a, const struct candidate *b) {
  return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void push(struct merging *merging, struct candidate candidate) {
  uint32_t at = merging->heap_size++;
  while (at > 0 && comes_before(&candidate, &merging->heap[(at - 1) / 2])) {
    merging->heap[at] = merging->heap[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  merging->heap[at] = candidate;
}

static struct candidate pop(struct merging *merging) {
  struct candidate *const heap = merging->heap;
  const struct candidate first = heap[0], last = heap[--merging->heap_size];
  uint32_t at = 0;
  for (;;) {
    uint32_t child = 2 * at + 1;
    if (child >= merging->heap_size) break;
    if (child + 1 < merging->heap_size && comes_before(&heap[child + 1], &heap[child])) child++;
    if (!comes_before(&heap[child], &last)) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = last;
  return first;
}

/* Bytes of the character at `text`; a byte that begins none is one by itself. */
static uint32_t character_length(const char *text, size_t left) {
  const unsigned char first = (unsigned char)text[0];
  const uint32_t length = first < 0x80                    ? 1
                          : first >= 0xf0 && first < 0xf8 ? 4
                          : first >= 0xe0                 ? 3
                          : first >= 0xc2                 ? 2
                                                          : 1;
  if (first >= 0xf8 || length > left) return 1;
  for (uint32_t i = 1; i < length; i++)
    if (((unsigned char)text[i] & 0xc0) != 0x80) return 1;
  return length;
}

static void cut_into_characters(struct merging *merging, const char *text, size_t length) {
  for (size_t at = 0; at < length;) {
    const int32_t here = (int32_t)merging->num_symbols++;
    struct symbol *const symbol = &merging->symbols[here];
    symbol->text = text + at;
    symbol->length = character_length(text + at, length - at);
    symbol->left = here - 1;
    symbol->right = here + 1;
    at += symbol->length;
  }
  merging->symbols[merging->num_symbols - 1].right = NONE;
}

/* Symbols that are neighbours lie next to each other in the text. */
static void consider(struct merging *merging, int32_t left) {
  if (left == NONE || merging->symbols[left].right == NONE) return;
  const struct symbol *const symbol = &merging->symbols[left];
  const struct candidate candidate = {0.0f, left, symbol->length + merging->symbols[symbol->right].length};
  const uint32_t id = tokenizer_find(merging->tokenizer, symbol->text, candidate.length);
  if (id == TOKEN_UNKNOWN) return;
  push(merging, (struct candidate){merging->tokenizer->pieces[id].score, left, candidate.length});
}

static void merge_all(struct merging *merging) {
  for (uint32_t i = 0; i < merging->num_symbols; i++) consider(merging, (int32_t)i);
  while (merging->heap_size > 0) {
    const struct candidate best = pop(merging);
    struct symbol *const left = &merging->symbols[best.left];
    if (left->length == 0 || left->right == NONE) continue;
    struct symbol *const right = &merging->symbols[left->right];
    if (left->length + right->length != best.length) continue;
    left->length = best.length;
    right->length = 0;
    left->right = right->right;
    if (left->right != NONE) merging->symbols[left->right].left = best.left;
    consider(merging, left->left);
    consider(merging, best.left);
  }
}

static uint32_t write_tokens(const struct merging *merging, int32_t *ids) {
  uint32_t count = 0;
  for (int32_t i = 0; i != NONE; i = merging->symbols[i].right) {
    const struct symbol *const symbol = &merging->symbols[i];
    const uint32_t id = tokenizer_find(merging->tokenizer, symbol->text, symbol->length);
    if (id != TOKEN_UNKNOWN || !merging->tokenizer->has_bytes) {
      ids[count++] = (int32_t)id;
    } else {
      for (uint32_t byte = 0; byte < symbol->length; byte++)
        ids[count++] = TOKEN_FIRST_BYTE + (unsigned char)symbol->text[byte];
    }
  }
  return count;
}

int32_t *tokenizer_encode(const struct tokenizer *tokenizer, const char *text, uint32_t *out_count) {
  const size_t length = strlen(text);
  if (length > INT32_MAX / 4) fail("a prompt of %zu bytes is too long", length);
  int32_t *const ids = allocate(length + 2, sizeof *ids);
  ids[0] = TOKEN_BEGIN;
  *out_count = 1;
  if (length == 0) return ids;
  char *const spaced = allocate(length + 2, 1);
  spaced[0] = ' ';
  memcpy(spaced + 1, text, length);
  struct merging merging = {tokenizer, NULL, 0, NULL, 0};
  merging.symbols = allocate(length + 1, sizeof *merging.symbols);
  merging.heap = allocate(3 * (length + 1), sizeof *merging.heap); /* a merge makes one candidate of two, or two more */
  cut_into_characters(&merging, spaced, length + 1);
  merge_all(&merging);
  *out_count += write_tokens(&merging, ids + 1);
  free(merging.heap);
  free(merging.symbols);
  free(spaced);
  return ids;
}
