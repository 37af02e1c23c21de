/* transformer.h: a step of tokens through a Llama model: norms, matrices, rotations; K/V and attention are kv.h's.
 * It knows no text and no sampling.
 */
#ifndef GENERATE_TRANSFORMER_H
#define GENERATE_TRANSFORMER_H

#include "kv.h"
#include "model.h"

/* Room for one step: [STEP_TOKENS] rows each. */
struct transformer {
  const struct model *model;
  float *stream; /* what goes from layer to layer */
  float *normed;
  float *queries;
  float *keys;
  float *values;
  float *attended;
  float *hidden;
  float *gate;
  float *rotations; /* [context][head_dim / 2] cosine and sine */
  float *logits;    /* [STEP_TOKENS][vocabulary] */
};

void transformer_open(struct transformer *transformer, const struct model *model);
void transformer_close(struct transformer *transformer);

/* Take the step that kv has begun, and finish it. Logits of its tokens from number `first_logits` on, row by row. */
const float *transformer_step(struct transformer *transformer, struct kv *kv, uint32_t first_logits);

#endif /* GENERATE_TRANSFORMER_H */
