/* The time of one call for one sample from C: benches/hosts/run. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ncg.h"

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

int main(void)
{
    const char *source = "(parameter k 2) (/ (* k q1 q2) (square r))";
    double x[3] = {1, 2, 3}, y, best = 1e30;
    ncg_options *options;
    ncg_model *model;
    ncg_session *session;
    if (ncg_options_new(&options, NULL) || ncg_options_set_str(options, "engine", "native", NULL)
        || ncg_model_compile(source, (int64_t)strlen(source), NULL, &model, NULL)
        || ncg_session_new(model, options, &session, NULL))
        return 1;
    for (int round = 0; round < 2000; round++) {
        double start = now();
        for (int i = 0; i < 1000; i++)
            ncg_eval_f64(session, 1, x, 3, 1, NULL, &y, 1, 1, NULL);
        double time = (now() - start) / 1000;
        best = time < best ? time : best;
    }
    printf("C        %6.1f\n", best);
    return 0;
}
