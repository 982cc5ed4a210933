/* What the examples do about a failed call: print its message and end the program. The library itself does neither. */
#ifndef CHECK_H
#define CHECK_H
#include <stdio.h>
#include <stdlib.h>

#include "ncg.h"

/* Where a failed call puts its error. */
static ncg_error *err;

static void check(int32_t status)
{
    if (status == NCG_OK)
        return;
    fprintf(stderr, "%s: %s\n", ncg_status_name(status), ncg_error_message(err));
    ncg_error_free(err);
    exit(1);
}
#endif
