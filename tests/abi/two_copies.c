/* two_copies.c: two packages of one process bring a library each.
 *
 * Promise: two copies of the library share nothing: a cache of one given to the other is BAD_HANDLE, also when the
 * other has a cache in the same place, and harms neither; and so are pages of one's page pool in the other's.
 * Usage: two_copies LIBRARY.
 * It does not look at copies of different versions.
 */
#define _POSIX_C_SOURCE 200809L
#include "arenakv.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct copy {
  akv_status (*create)(const akv_cache_config *, akv_cache **);
  akv_status (*destroy)(akv_cache *);
  akv_status (*audit)(akv_cache *);
  akv_cache *cache;
  void *library;
} copy;

/* Its page pool, and a page of that. */
typedef struct copy_pages {
  akv_status (*create)(const akv_page_pool_config *, akv_page_pool **);
  akv_status (*destroy)(akv_page_pool *);
  akv_status (*acquire)(akv_page_pool *, uint64_t, akv_page *, uint32_t *, uint32_t);
  akv_status (*release)(akv_page_pool *, const akv_page *, uint32_t);
  akv_page_pool *pool;
  akv_page page;
} copy_pages;

static int failures;

static void expect(const char *what, akv_status answer, akv_status expected) {
  if (answer == expected) return;
  fprintf(stderr, "two_copies.c: %s answered %d, expected %d: copies share no state and tell their handles apart\n",
          what, (int)answer, (int)expected);
  failures++;
}

static void resolve(void *library, const char *name, void *function) {
  void *symbol = dlsym(library, name);
  if (symbol == NULL) {
    fprintf(stderr, "two_copies.c: no %s: %s\n", name, dlerror());
    exit(1);
  }
  memcpy(function, &symbol, sizeof symbol);
}

/* The loader knows a file by its inode, so a copy is another library. */
static copy load_copy(const char *path) {
  char name[] = "/tmp/arenakv-copy-XXXXXX", buffer[65536];
  copy result = {0};
  size_t count;
  int to = mkstemp(name);
  FILE *from = fopen(path, "rb");
  void *library;
  while (from != NULL && to >= 0 && (count = fread(buffer, 1, sizeof buffer, from)) > 0)
    if (write(to, buffer, count) != (ssize_t)count) break;
  if (from != NULL) fclose(from);
  if (to >= 0) close(to);
  library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) fprintf(stderr, "two_copies.c: %s\n", dlerror());
  unlink(name);
  if (library == NULL) exit(1);
  resolve(library, "akv_cache_create", &result.create);
  resolve(library, "akv_cache_destroy", &result.destroy);
  resolve(library, "akv_cache_audit", &result.audit);
  result.library = library;
  return result;
}

/* The same calls in both: each has a pool in its first place, and the page in it that was asked for first. */
static void exchange_pages(const copy *one, const copy *two) {
  copy_pages pages[2] = {{0}};
  for (int i = 0; i < 2; i++) {
    void *library = i == 0 ? one->library : two->library;
    resolve(library, "akv_page_pool_create", &pages[i].create);
    resolve(library, "akv_page_pool_destroy", &pages[i].destroy);
    resolve(library, "akv_page_acquire", &pages[i].acquire);
    resolve(library, "akv_page_release", &pages[i].release);
    expect("create a page pool", pages[i].create(NULL, &pages[i].pool), AKV_OK);
    expect("acquire a page", pages[i].acquire(pages[i].pool, 1, &pages[i].page, NULL, 1), AKV_OK);
  }
  for (int i = 0; i < 2; i++)
    expect("release of a page of the other copy", pages[i].release(pages[i].pool, &pages[1 - i].page, 1),
           AKV_ERROR_BAD_HANDLE);
  for (int i = 0; i < 2; i++) {
    expect("release of a page", pages[i].release(pages[i].pool, &pages[i].page, 1), AKV_OK);
    expect("destroy a page pool", pages[i].destroy(pages[i].pool), AKV_OK);
  }
}

int main(int argc, char **argv) {
  copy one, two = {0};
  if (argc != 2) return fprintf(stderr, "usage: two_copies LIBRARY\n"), 2;
  one = load_copy(argv[1]);
  expect("create in copy one", one.create(NULL, &one.cache), AKV_OK);
  /* Copies are told apart by 16 random bits: the same once is chance, three times is not. */
  for (int i = 0; i < 3 && (i == 0 || two.cache == one.cache); i++) {
    two = load_copy(argv[1]);
    if (i == 0) expect("copy two, still empty, with a cache of copy one", two.audit(one.cache), AKV_ERROR_BAD_HANDLE);
    expect("create in copy two", two.create(NULL, &two.cache), AKV_OK);
  }
  expect("copy two with a cache of copy one", two.audit(one.cache), AKV_ERROR_BAD_HANDLE);
  expect("copy one with a cache of copy two", one.audit(two.cache), AKV_ERROR_BAD_HANDLE);
  expect("destroy in copy two of a cache of copy one", two.destroy(one.cache), AKV_ERROR_BAD_HANDLE);
  exchange_pages(&one, &two);
  expect("destroy in copy one", one.destroy(one.cache), AKV_OK);
  expect("destroy in copy two", two.destroy(two.cache), AKV_OK);
  if (failures == 0) puts("two_copies: each answers BAD_HANDLE to the other's cache");
  return failures != 0;
}
