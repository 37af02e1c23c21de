/* arenakv.h: the umbrella. It declares nothing; it includes one header per noun.
 *
 *   version.h    the version of this header and of the library that was loaded
 *   base.h       cost classes, handles, the few constants everybody needs
 *   status.h     what a call answers, and the text behind it
 *   host.h       what the host lends to the library: memory, a log, and what was built in
 *   geometry.h   what a block is in bytes: planes, layer groups, sizes
 *   model.h      what a cache must know of a model: presets, config.json, exact sizes
 *   planner.h    how much fits into a memory, and what memory so much takes
 *   cache.h      the metadata of one KV cache
 *   prefix.h     which beginnings of prompts are cached: match, explain, pin, clear
 *   sequence.h   one list of tokens mapped to blocks, from create to free
 *   step.h       the same for a whole batch, and the tables kernels read
 *   plan.h       what must be copied or zeroed before the next kernel
 *   ticket.h     when device work has finished with blocks; leases on blocks
 *   swap.h       sequences leave the cache's blocks for its swap blocks, and come back
 *   view.h       bytes described as a strided tensor
 *   store.h      the bytes of a cache's blocks: memory, layout, strides
 *   stream.h     an order of work on a device; points, tickets and waits on it
 *   copy.h       what moves KV bytes, all of it counted
 *   copy_pager.h the coldest sequences go out when the cache is full, and come back on use
 *   arena.h      page pools: pages recycled without a lock, and arenas of tensors that grow in place
 *   copy_tensor.h bytes to and from an arena's tensors
 *   two_tier.h   the last tokens of a sequence in full precision, all before them quantized
 *   copy_two_tier.h  between the two
 *   attention.h  attention of new tokens over stores, and the merge of two results
 *   memory.h     a tracker: who has how much memory, where and for what
 *   image.h      one saved sequence as bytes: checked, written to a file and read back
 *   copy_image.h sequences become images, and images sequences
 *   state.h      one read-out of everything, and the audit
 *   report.h     the same as text: dump and block map
 *
 * Start with sequence.h. include/README.md says what the words in front of every function mean.
 */
#ifndef ARENAKV_H
#define ARENAKV_H

#include "arenakv/version.h"

#include "arenakv/arena.h"
#include "arenakv/attention.h"
#include "arenakv/base.h"
#include "arenakv/cache.h"
#include "arenakv/copy.h"
#include "arenakv/copy_image.h"
#include "arenakv/copy_pager.h"
#include "arenakv/copy_tensor.h"
#include "arenakv/copy_two_tier.h"
#include "arenakv/geometry.h"
#include "arenakv/host.h"
#include "arenakv/image.h"
#include "arenakv/memory.h"
#include "arenakv/model.h"
#include "arenakv/plan.h"
#include "arenakv/planner.h"
#include "arenakv/prefix.h"
#include "arenakv/report.h"
#include "arenakv/sequence.h"
#include "arenakv/state.h"
#include "arenakv/status.h"
#include "arenakv/step.h"
#include "arenakv/store.h"
#include "arenakv/stream.h"
#include "arenakv/swap.h"
#include "arenakv/ticket.h"
#include "arenakv/two_tier.h"
#include "arenakv/view.h"

#endif /* ARENAKV_H */
