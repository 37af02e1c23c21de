/* model.h: a Llama model's weights as llama2.c keeps them in a file.
 * It knows no token's text and no K/V.
 */
#ifndef GENERATE_MODEL_H
#define GENERATE_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* All matrices are row-major, [out][in]; those of the layers lie one behind the other. */
struct model {
  uint32_t dim;
  uint32_t hidden;
  uint32_t layers;
  uint32_t heads;    /* of queries */
  uint32_t kv_heads; /* of keys and values: divides heads */
  uint32_t vocabulary;
  uint32_t context;
  uint32_t head_dim; /* dim / heads */
  uint32_t kv_dim;   /* kv_heads x head_dim */

  const float *embedding; /* [vocabulary][dim] */
  const float *attention_norm;
  const float *query;
  const float *key;
  const float *value;
  const float *attention_out;
  const float *ffn_norm;
  const float *gate;    /* w1 */
  const float *ffn_out; /* w2 */
  const float *up;      /* w3 */
  const float *final_norm;
  const float *classifier; /* [vocabulary][dim]: the embedding, or a matrix of its own */

  void *mapping;
  size_t mapping_bytes;
};

/* Map a file; one that is no such model, or not whole, ends the program. */
void model_open(const char *path, struct model *model);
void model_close(struct model *model);

#endif /* GENERATE_MODEL_H */
