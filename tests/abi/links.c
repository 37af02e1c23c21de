/* links.c: a C program that links the shared library and uses it.
 *
 * Promise: header and library are of one version, and a cache can be created and destroyed by a program that knows
 * nothing but arenakv.h. It does not look at what a cache does: the engines beside this file do.
 */
#include "arenakv.h"

#include <stdio.h>
#include <string.h>

static int complain(const char *what, akv_status status) {
  char text[256];
  akv_last_error(text, sizeof text);
  fprintf(stderr, "links.c: %s answered %s: %s\n", what, akv_status_name(status), text);
  return 1;
}

int main(void) {
  char text[32];
  akv_cache *cache = NULL;
  akv_status status;

  if (akv_version() != (uint32_t)AKV_VERSION) {
    fprintf(stderr, "links.c: the header is version 0x%06x, the library 0x%06x: build both from one tree\n",
            (unsigned)AKV_VERSION, (unsigned)akv_version());
    return 1;
  }
  snprintf(text, sizeof text, "%d.%d.%d", AKV_VERSION_MAJOR, AKV_VERSION_MINOR, AKV_VERSION_PATCH);
  if (strcmp(text, akv_version_string()) != 0) {
    fprintf(stderr, "links.c: akv_version_string() says \"%s\", the header %s\n", akv_version_string(), text);
    return 1;
  }
  status = akv_cache_create(NULL, &cache);
  if (status != AKV_OK) return complain("akv_cache_create", status);
  status = akv_cache_destroy(cache);
  if (status != AKV_OK) return complain("akv_cache_destroy", status);
  printf("links: version %s, a cache was created and destroyed\n", text);
  return 0;
}
