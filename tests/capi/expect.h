/* What the C tests say of calls: each ends the program where it does not hold. */
#ifndef EXPECT_H
#define EXPECT_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ncg.h"

static void fail(const char *file, int line, const char *what, int32_t got, ncg_error *err)
{
    fprintf(stderr, "%s:%d: %s gave %s: %s\n", file, line, what, ncg_status_name(got), ncg_error_message(err));
    exit(1);
}

/* The call fails with this code, and its error has this code and names this thing. */
#define EXPECT(code, name, call)                                                                                       \
    do {                                                                                                               \
        err = NULL;                                                                                                    \
        int32_t got = (call);                                                                                          \
        if (got != (code) || ncg_error_code(err) != (code) || !strstr(ncg_error_message(err), name))                   \
            fail(__FILE__, __LINE__, #call, got, err);                                                                 \
        ncg_error_free(err);                                                                                           \
    } while (0)

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        err = NULL;                                                                                                    \
        int32_t got = (call);                                                                                          \
        if (got != NCG_OK || err)                                                                                      \
            fail(__FILE__, __LINE__, #call, got, err);                                                                 \
    } while (0)

#define HOLDS(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            fail(__FILE__, __LINE__, #condition, NCG_OK, NULL);                                                        \
    } while (0)

#define ARG NCG_ERR_ARGUMENT
#endif
