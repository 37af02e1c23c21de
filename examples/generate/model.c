/* model.c: see model.h. */
#define _POSIX_C_SOURCE 200809L
#include "model.h"

#include "fail.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_FIELDS = 7, HEADER_BYTES = 4 * HEADER_FIELDS };

/* So large that no real model is refused, so small that no sum of sizes overflows 64 bits. */
enum { MOST_LAYERS = 65535, MOST_WIDTH = 1 << 20, MOST_TOKENS = 1 << 24 };

/* Newer exports of llama2.c (versions 1 and 2) begin with this. */
static const int32_t kNewerMagic = 0x616b3432;

static void map_file(const char *path, struct model *model) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat about;
  if (file < 0 || fstat(file, &about) != 0) fail("%s: %s", path, strerror(errno));
  if (!S_ISREG(about.st_mode)) fail("%s is not a file", path);
  if (about.st_size < HEADER_BYTES)
    fail("%s has %lld bytes: a model begins with a header of %d", path, (long long)about.st_size, HEADER_BYTES);
  model->mapping_bytes = (size_t)about.st_size;
  model->mapping = mmap(NULL, model->mapping_bytes, PROT_READ, MAP_PRIVATE, file, 0);
  if (model->mapping == MAP_FAILED) fail("%s can't be mapped: %s", path, strerror(errno));
  close(file);
}

static uint32_t within(const char *path, const char *name, int32_t value, int32_t most) {
  if (value < 1 || value > most)
    fail("%s is no model of llama2.c: its %s is %d, must be 1 to %d", path, name, value, most);
  return (uint32_t)value;
}

/* dim, hidden, layers, heads, KV heads, vocabulary (negative: a classifier of its own), context. */
static void read_header(const char *path, const int32_t *header, struct model *model) {
  if (header[0] == kNewerMagic)
    fail("%s is of version %d of llama2.c's format: export it with --version 0", path, header[1]);
  model->dim = within(path, "dim", header[0], MOST_WIDTH);
  model->hidden = within(path, "hidden dim", header[1], MOST_WIDTH);
  model->layers = within(path, "number of layers", header[2], MOST_LAYERS);
  model->heads = within(path, "number of heads", header[3], MOST_WIDTH);
  model->kv_heads = within(path, "number of KV heads", header[4], MOST_WIDTH);
  model->vocabulary =
      within(path, "vocabulary", header[5] < 0 && header[5] != INT32_MIN ? -header[5] : header[5], MOST_TOKENS);
  model->context = within(path, "context", header[6], MOST_TOKENS);
  if (model->dim % model->heads != 0 || model->heads % model->kv_heads != 0)
    fail("%s is no model of llama2.c: dim %u, %u heads and %u KV heads do not divide", path, model->dim, model->heads,
         model->kv_heads);
  model->head_dim = model->dim / model->heads;
  model->kv_dim = model->kv_heads * model->head_dim;
  if (model->head_dim % 2 != 0) fail("%s: heads of %u elements can't be rotated in pairs", path, model->head_dim);
}

/* Place the tensors one behind the other, from `base` on; how many floats that are. Without a base they are counted. */
static size_t place_tensors(struct model *model, const float *base, int own_classifier) {
  const size_t dim = model->dim, hidden = model->hidden, kv = model->kv_dim, layers = model->layers;
  const struct {
    const float **place;
    size_t floats;
  } tensors[] = {
      {&model->embedding, model->vocabulary * dim},
      {&model->attention_norm, layers * dim},
      {&model->query, layers * dim * dim},
      {&model->key, layers * kv * dim},
      {&model->value, layers * kv * dim},
      {&model->attention_out, layers * dim * dim},
      {&model->ffn_norm, layers * dim},
      {&model->gate, layers * hidden * dim},
      {&model->ffn_out, layers * dim * hidden},
      {&model->up, layers * hidden * dim},
      {&model->final_norm, dim},
  };
  size_t floats = 0;
  for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
    if (base != NULL) *tensors[i].place = base + floats;
    floats += tensors[i].floats;
  }
  floats += (size_t)model->context * model->head_dim; /* two tables of rotations, which nobody reads any more */
  if (base != NULL) model->classifier = own_classifier ? base + floats : model->embedding;
  return own_classifier ? floats + model->vocabulary * dim : floats;
}

void model_open(const char *path, struct model *model) {
  memset(model, 0, sizeof *model);
  map_file(path, model);
  int32_t header[HEADER_FIELDS];
  memcpy(header, model->mapping, sizeof header);
  read_header(path, header, model);
  const int own_classifier = header[5] < 0;
  const size_t wanted = HEADER_BYTES + place_tensors(model, NULL, own_classifier) * sizeof(float);
  if (model->mapping_bytes != wanted)
    fail("%s has %zu bytes, its header says %zu: it is not whole, or no model of llama2.c", path, model->mapping_bytes,
         wanted);
  place_tensors(model, (const float *)(const void *)((const char *)model->mapping + HEADER_BYTES), own_classifier);
}

void model_close(struct model *model) { munmap(model->mapping, model->mapping_bytes); }
