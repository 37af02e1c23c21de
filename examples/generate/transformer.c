/* transformer.c: see transformer.h. The order of sums does not depend on how many tokens a step has: so a text comes
 * out the same whether its prompt was computed in one piece, in several, or found in the cache.
 */
#include "transformer.h"

#include "fail.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 8 };

static const float kNormEpsilon = 1e-5f;
static const float kRotationBase = 10000.0f;

static float *rows_of(size_t width) { return allocate((size_t)STEP_TOKENS * width, sizeof(float)); }

void transformer_open(struct transformer *transformer, const struct model *model) {
  transformer->model = model;
  transformer->stream = rows_of(model->dim);
  transformer->normed = rows_of(model->dim);
  transformer->queries = rows_of(model->dim);
  transformer->keys = rows_of(model->kv_dim);
  transformer->values = rows_of(model->kv_dim);
  transformer->attended = rows_of(model->dim);
  transformer->hidden = rows_of(model->hidden);
  transformer->gate = rows_of(model->hidden);
  transformer->logits = rows_of(model->vocabulary);
  transformer->rotations = allocate((size_t)model->context * model->head_dim, sizeof(float));
  for (uint32_t position = 0; position < model->context; position++)
    for (uint32_t i = 0; i < model->head_dim; i += 2) {
      const float frequency = 1.0f / powf(kRotationBase, (float)i / (float)model->head_dim);
      float *const rotation = transformer->rotations + (size_t)position * model->head_dim + i;
      rotation[0] = cosf((float)position * frequency);
      rotation[1] = sinf((float)position * frequency);
    }
}

void transformer_close(struct transformer *transformer) {
  float *const all[] = {transformer->stream,    transformer->normed,   transformer->queries, transformer->keys,
                        transformer->values,    transformer->attended, transformer->hidden,  transformer->gate,
                        transformer->rotations, transformer->logits};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) free(all[i]);
}

/* In eight sums side by side, which a compiler may keep in one register. */
static float dot(const float *a, const float *b, uint32_t count) {
  float lanes[LANES] = {0.0f}, sum = 0.0f;
  uint32_t i = 0;
  for (; i + LANES <= count; i += LANES)
    for (uint32_t lane = 0; lane < LANES; lane++) lanes[lane] += a[i + lane] * b[i + lane];
  for (; i < count; i++) sum += a[i] * b[i];
  for (uint32_t lane = 0; lane < LANES; lane++) sum += lanes[lane];
  return sum;
}

/* out[token][row] = matrix[row] . in[token]: each row is read once for all tokens. */
static void multiply(const float *matrix, const float *in, float *out, uint32_t width, uint32_t height,
                     uint32_t tokens) {
  for (uint32_t row = 0; row < height; row++)
    for (uint32_t token = 0; token < tokens; token++)
      out[(size_t)token * height + row] = dot(matrix + (size_t)row * width, in + (size_t)token * width, width);
}

static void normalise(const float *in, const float *weight, float *out, uint32_t width, uint32_t tokens) {
  for (uint32_t token = 0; token < tokens; token++) {
    const float *const from = in + (size_t)token * width;
    const float scale = 1.0f / sqrtf(dot(from, from, width) / (float)width + kNormEpsilon);
    for (uint32_t i = 0; i < width; i++) out[(size_t)token * width + i] = weight[i] * (scale * from[i]);
  }
}

static void add(float *to, const float *what, size_t count) {
  for (size_t i = 0; i < count; i++) to[i] += what[i];
}

/* Rotate neighbouring pairs of each head by the token's position (RoPE, Su et al. 2021). */
static void rotate(const struct transformer *transformer, const struct kv_step *step, float *rows, uint32_t heads) {
  const uint32_t dim = transformer->model->head_dim;
  for (uint32_t token = 0; token < step->count; token++) {
    const float *const rotation = transformer->rotations + (size_t)step->positions[token] * dim;
    for (uint32_t head = 0; head < heads; head++) {
      float *const pair = rows + ((size_t)token * heads + head) * dim;
      for (uint32_t i = 0; i < dim; i += 2) {
        const float first = pair[i], second = pair[i + 1];
        pair[i] = first * rotation[i] - second * rotation[i + 1];
        pair[i + 1] = first * rotation[i + 1] + second * rotation[i];
      }
    }
  }
}

static void attend(struct transformer *transformer, struct kv *kv, uint32_t layer) {
  const struct model *const model = transformer->model;
  const size_t dim = model->dim, kv_dim = model->kv_dim;
  const uint32_t tokens = kv->step.count;
  float *const normed = transformer->normed;
  normalise(transformer->stream, model->attention_norm + layer * dim, normed, model->dim, tokens);
  multiply(model->query + layer * dim * dim, normed, transformer->queries, model->dim, model->dim, tokens);
  multiply(model->key + layer * kv_dim * dim, normed, transformer->keys, model->dim, model->kv_dim, tokens);
  multiply(model->value + layer * kv_dim * dim, normed, transformer->values, model->dim, model->kv_dim, tokens);
  rotate(transformer, &kv->step, transformer->queries, model->heads);
  rotate(transformer, &kv->step, transformer->keys, model->kv_heads);
  kv_write(kv, layer, transformer->keys, transformer->values);
  kv_attend(kv, layer, transformer->queries, transformer->attended);
  multiply(model->attention_out + layer * dim * dim, transformer->attended, normed, model->dim, model->dim, tokens);
  add(transformer->stream, normed, tokens * dim);
}

/* SwiGLU (Shazeer 2020). */
static void feed_forward(struct transformer *transformer, uint32_t layer, uint32_t tokens) {
  const struct model *const model = transformer->model;
  const size_t dim = model->dim, hidden = model->hidden;
  float *const normed = transformer->normed;
  normalise(transformer->stream, model->ffn_norm + layer * dim, normed, model->dim, tokens);
  multiply(model->gate + layer * hidden * dim, normed, transformer->gate, model->dim, model->hidden, tokens);
  multiply(model->up + layer * hidden * dim, normed, transformer->hidden, model->dim, model->hidden, tokens);
  for (size_t i = 0; i < tokens * hidden; i++) {
    const float gate = transformer->gate[i];
    transformer->hidden[i] *= gate / (1.0f + expf(-gate));
  }
  multiply(model->ffn_out + layer * dim * hidden, transformer->hidden, normed, model->hidden, model->dim, tokens);
  add(transformer->stream, normed, tokens * dim);
}

const float *transformer_step(struct transformer *transformer, struct kv *kv, uint32_t first_logits) {
  const struct model *const model = transformer->model;
  const size_t dim = model->dim;
  const uint32_t tokens = kv->step.count;
  for (uint32_t i = 0; i < tokens; i++)
    memcpy(transformer->stream + i * dim, model->embedding + (size_t)kv->step.tokens[i] * dim, dim * sizeof(float));
  for (uint32_t layer = 0; layer < model->layers; layer++) {
    attend(transformer, kv, layer);
    feed_forward(transformer, layer, tokens);
  }
  kv_step_done(kv);
  if (first_logits >= tokens) return NULL;
  const uint32_t wanted = tokens - first_logits;
  float *const last = transformer->stream + first_logits * dim;
  normalise(last, model->final_norm, transformer->normed, model->dim, wanted);
  multiply(model->classifier, transformer->normed, transformer->logits, model->dim, model->vocabulary, wanted);
  return transformer->logits;
}
