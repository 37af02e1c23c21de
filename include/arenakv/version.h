/* version.h: the version of this header, and of the library that was loaded.
 *
 * 0.x: names and structs may still change between minor releases; include/CHANGELOG.md lists every change.
 * From 1.0 on the ABI is held by a golden file, and AKV_VERSION_MAJOR is the SOVERSION.
 */
#ifndef ARENAKV_VERSION_H
#define ARENAKV_VERSION_H

#include "base.h"

#define AKV_VERSION_MAJOR 0
#define AKV_VERSION_MINOR 1
#define AKV_VERSION_PATCH 0

/* One number to compare: 0x00MMmmpp. */
#define AKV_VERSION ((AKV_VERSION_MAJOR << 16) | (AKV_VERSION_MINOR << 8) | AKV_VERSION_PATCH)

AKV_BEGIN_DECLS

/* The version of the loaded library, as AKV_VERSION; compare it with the header's after a dlopen().
 * META     O(1).
 * Thread   any; also from a signal handler.
 * Fails    never. */
AKV_META uint32_t akv_version(void) AKV_NOEXCEPT;

/* The same as text, "0.1.0": static memory, never NULL.
 * META     O(1).
 * Thread   any; also from a signal handler.
 * Fails    never. */
AKV_META const char *akv_version_string(void) AKV_NOEXCEPT;

AKV_END_DECLS

#endif /* ARENAKV_VERSION_H */
