/* dlopen.c: a host that loads the library by its path, and unloads it at the worst moment.
 *
 * Promise: every name of the map resolves; after dlclose() the library stays (nodelete), so that a thread in a call,
 * and its thread-local error text, survive it. Usage: dlopen LIBRARY MAP.
 * It does not look at several copies of the library: two_copies.c does.
 */
#define _POSIX_C_SOURCE 200809L
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint32_t (*version)(void);
static int32_t (*destroy)(void *);
static uint64_t calls;
static int stop;

/* No cache is at that address, so the call fails and writes the thread's error text. */
static void *call_loop(void *unused) {
  (void)unused;
  while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
    (void)version();
    (void)destroy((void *)&calls);
    __atomic_add_fetch(&calls, 1, __ATOMIC_RELEASE);
  }
  return NULL;
}

/* Until the thread has made so many more calls; 0 after five seconds without. */
static int wait_for_calls(uint64_t more) {
  const struct timespec nap = {0, 1000000};
  uint64_t goal = __atomic_load_n(&calls, __ATOMIC_ACQUIRE) + more;
  for (int i = 0; i < 5000 && __atomic_load_n(&calls, __ATOMIC_ACQUIRE) < goal; i++) nanosleep(&nap, NULL);
  return __atomic_load_n(&calls, __ATOMIC_ACQUIRE) >= goal;
}

/* How many names of the map are missing. A name is a line "akv_...;" of its own. */
static int resolve_all(void *library, const char *map, int *out_found) {
  char line[256], name[256];
  int missing = 0;
  FILE *file = fopen(map, "r");
  for (int number = 1; file != NULL && fgets(line, sizeof line, file) != NULL; number++) {
    if (sscanf(line, " %255[a-z0-9_];", name) != 1 || strncmp(name, "akv_", 4) != 0) continue;
    if (dlsym(library, name) != NULL) {
      ++*out_found;
      continue;
    }
    fprintf(stderr, "%s:%d: dlsym finds no %s: define it, or take it out of the map\n", map, number, name);
    missing++;
  }
  if (file != NULL) fclose(file);
  return missing;
}

int main(int argc, char **argv) {
  int found = 0;
  pthread_t thread;
  void *library, *symbol;
  if (argc != 3) return fprintf(stderr, "usage: dlopen LIBRARY MAP\n"), 2;
  library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return fprintf(stderr, "dlopen.c: %s\n", dlerror()), 1;
  if (resolve_all(library, argv[2], &found) != 0 || found == 0)
    return fprintf(stderr, "dlopen.c: %d names of %s resolved\n", found, argv[2]), 1;
  dlclose(library); /* first with nobody inside, so that a library that goes is a message and not a crash */
  library = dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD);
  if (library == NULL) return fprintf(stderr, "dlopen.c: dlclose() has unloaded it: link it with -z nodelete\n"), 1;
  symbol = dlsym(library, "akv_version");
  memcpy(&version, &symbol, sizeof symbol); /* a data pointer becomes a function pointer, as POSIX has it */
  symbol = dlsym(library, "akv_cache_destroy");
  memcpy(&destroy, &symbol, sizeof symbol);
  if (pthread_create(&thread, NULL, call_loop, NULL) != 0) return fprintf(stderr, "dlopen.c: no thread\n"), 1;
  if (!wait_for_calls(1000)) return fprintf(stderr, "dlopen.c: the thread makes no calls\n"), 1;
  dlclose(library);
  if (!wait_for_calls(1000)) return fprintf(stderr, "dlopen.c: the thread makes no calls after dlclose()\n"), 1;
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
  printf("dlopen: version 0x%06x, %d names, calls go on after dlclose()\n", (unsigned)version(), found);
  return 0;
}
