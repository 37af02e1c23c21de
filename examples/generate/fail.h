/* fail.h: how generate ends when something is wrong: one line on the standard error, and an exit code.
 * It knows no model.
 */
#ifndef GENERATE_FAIL_H
#define GENERATE_FAIL_H

#include <arenakv.h>

#include <stddef.h>

#define PRINTF_LIKE __attribute__((noreturn, format(printf, 1, 2)))

/* A file or a machine that will not do: exit code 1. */
void fail(const char *format, ...) PRINTF_LIKE;
/* A command line that makes no sense: exit code 2. */
void fail_usage(const char *format, ...) PRINTF_LIKE;

/* Every call of the library answers a status; one that failed ends the program with the library's own message. */
#define CHECK(call) check((call), #call)
void check(akv_status status, const char *call);

/* Zeroed memory, or the end of the program. */
void *allocate(size_t count, size_t size);

#endif /* GENERATE_FAIL_H */
