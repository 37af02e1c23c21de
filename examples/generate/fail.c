/* fail.c: see fail.h. */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(const char *format, va_list arguments) {
  fflush(stdout);
  fputs("generate: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
}

void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tell(format, arguments);
  va_end(arguments);
  exit(1);
}

void fail_usage(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tell(format, arguments);
  va_end(arguments);
  exit(2);
}

void check(akv_status status, const char *call) {
  if (status == AKV_OK) return;
  char message[512];
  akv_last_error(message, sizeof message);
  fail("%.*s answered %s: %s", (int)strcspn(call, "("), call, akv_status_name(status), message);
}

void *allocate(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
  if (memory == NULL) fail("the host has no memory for %zu times %zu bytes", count, size);
  return memory;
}
