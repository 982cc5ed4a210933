/*
 * The time of one call for one sample through the C interface, in ns: the median over rounds, with the 10 % and 90 % quantiles.
 *
 *     cargo build --release
 *     cc -O2 benches/capi_latency.c -Iinclude -ldl -lm -o target/capi_latency
 *     taskset -c 0 target/capi_latency target/release/libncg.so [OTHER/libncg.so ...]
 *
 * Several libraries are measured in turns, so that what else the machine does meets all of them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ncg.h"

enum { ROUNDS = 400, CALLS = 2000, LIBRARIES = 8, MODELS = 3, INPUTS = 4 };

static const char *const names[MODELS] = {"Coulomb", "oscillator", "Lotka-Volterra, 20 steps"};
static const char *const sources[MODELS] = {
    "(parameter k 2) (/ (* k q1 q2) (square r))",
    "(parameter a 1.2) (parameter b 0.3) (parameter w 2) (* a (* (exp (- 0 (* b t))) (cos (* w t))))",
    "(parameter a 1.1) (parameter b 0.4) (parameter c 0.1) (parameter d 0.4)"
    "(define (steps n x y)"
    "  (if (= n 0) (+ x y)"
    "    (steps (- n 1)"
    "      (+ x (* 0.05 (- (* a x) (* b (* x y)))))"
    "      (+ y (* 0.05 (- (* c (* x y)) (* d y)))))))"
    "(steps 20 x y)",
};

struct library {
    void *handle;
    __typeof__(&ncg_model_compile) compile;
    __typeof__(&ncg_session_new) session_new;
    __typeof__(&ncg_eval_f64) eval;
    __typeof__(&ncg_grad_f64) grad;
    ncg_session *sessions[MODELS];
};

static double times[LIBRARIES][MODELS][2][ROUNDS];

static void *symbol(struct library *library, const char *name)
{
    void *address = dlsym(library->handle, name);
    if (!address) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    return address;
}

static void open_library(struct library *library, const char *path)
{
    library->handle = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
    if (!library->handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    library->compile = symbol(library, "ncg_model_compile");
    library->session_new = symbol(library, "ncg_session_new");
    library->eval = symbol(library, "ncg_eval_f64");
    library->grad = symbol(library, "ncg_grad_f64");
    __typeof__(&ncg_options_new) options_new = symbol(library, "ncg_options_new");
    __typeof__(&ncg_options_set_str) set_str = symbol(library, "ncg_options_set_str");
    ncg_options *options = NULL;
    if (options_new(&options, NULL) != NCG_OK || set_str(options, "engine", "native", NULL) != NCG_OK)
        exit(1);
    for (int m = 0; m < MODELS; m++) {
        ncg_model *model = NULL;
        if (library->compile(sources[m], (int64_t)strlen(sources[m]), NULL, &model, NULL) != NCG_OK
            || library->session_new(model, options, &library->sessions[m], NULL) != NCG_OK) {
            fprintf(stderr, "%s: not a model\n", names[m]);
            exit(1);
        }
    }
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* ns per call; the input changes from call to call, as it would in a simulator. */
static double measure(struct library *library, int m, int gradient)
{
    double x[INPUTS] = {1.5, 1.25, 2.5, 1}, y = 0, dx[INPUTS], dp[4], sum = 0;
    ncg_session *session = library->sessions[m];
    double start = now();
    for (int i = 0; i < CALLS; i++) {
        x[0] = 1.5 + i * 1e-4;
        int32_t status = gradient
            ? library->grad(session, 1, x, INPUTS, 1, NULL, NULL, 0, 0, &y, 1, 1, dx, INPUTS, 1, dp, NULL)
            : library->eval(session, 1, x, INPUTS, 1, NULL, &y, 1, 1, NULL);
        if (status != NCG_OK)
            exit(1);
        sum += y;
    }
    double elapsed = now() - start;
    if (!isfinite(sum))
        exit(1);
    return elapsed / CALLS;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static struct library libraries[LIBRARIES];
    if (argc < 2 || argc > LIBRARIES + 1) {
        fprintf(stderr, "usage: capi_latency LIBRARY...\n");
        return 2;
    }
    int count = argc - 1;
    for (int l = 0; l < count; l++)
        open_library(&libraries[l], argv[l + 1]);
    for (int round = -10; round < ROUNDS; round++)
        for (int m = 0; m < MODELS; m++)
            for (int gradient = 0; gradient < 2; gradient++)
                for (int l = 0; l < count; l++) {
                    double time = measure(&libraries[l], m, gradient);
                    if (round >= 0)
                        times[l][m][gradient][round] = time;
                }
    for (int m = 0; m < MODELS; m++)
        for (int gradient = 0; gradient < 2; gradient++) {
            printf("%s, %s\n", names[m], gradient ? "value and gradient" : "value");
            for (int l = 0; l < count; l++) {
                double *sorted = times[l][m][gradient];
                qsort(sorted, ROUNDS, sizeof *sorted, ascending);
                printf("  %8.1f ns  (%.1f to %.1f)  %s\n", sorted[ROUNDS / 2], sorted[ROUNDS / 10],
                       sorted[ROUNDS * 9 / 10], argv[l + 1]);
            }
        }
    return 0;
}
