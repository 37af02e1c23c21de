/* sampler.h: which token comes next.
 * It knows logits and a temperature, and nothing else.
 */
#ifndef GENERATE_SAMPLER_H
#define GENERATE_SAMPLER_H

#include <stdint.h>

/* Temperature 0: the most likely token, the first of equals. Else drawn; `random` goes on from draw to draw. */
int32_t sample_token(const float *logits, uint32_t count, float temperature, uint64_t *random);

#endif /* GENERATE_SAMPLER_H */
