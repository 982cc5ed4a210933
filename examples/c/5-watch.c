/* Watches a fit, stops it from outside, and lets it go on. */
#include <math.h>
#include <signal.h>

#include "check.h"

/* What the signal handler stops: cancel may be called from there, and from any thread. */
static ncg_fit *fit;

static void interrupted(int number)
{
    (void)number;
    ncg_fit_cancel(fit);
}

/* Called by the fit on the thread that runs it; user_data is what set_callback was given. */
static int32_t progress(void *user_data, int64_t iteration, double loss, const double *params, int64_t n_params)
{
    int *calls = user_data;
    *calls += 1;
    fprintf(stderr, "iteration %d: loss %g, %d parameters, k = %g\n", (int)iteration, loss, (int)n_params, params[0]);
    if (*calls == 2)
        raise(SIGINT); /* as if someone had pressed Ctrl-C */
    return 0;          /* anything else would stop the fit, too */
}

int main(void)
{
    enum { N = 100 };
    double x[N][2], y[N], value[2];
    int calls = 0;
    ncg_model *model;
    int32_t stop;

    for (int s = 0; s < N; s++) {
        x[s][0] = 0.5 + 0.05 * s;
        x[s][1] = s % 2 ? 1.0 : -1.5;
        y[s] = 2.5 * x[s][1] * exp(-0.75 * x[s][0]);
    }
    check(ncg_model_load("examples/models/screened-force.scm", &model, &err));
    check(ncg_fit_new(model, NULL, &fit, &err));
    check(ncg_fit_set_data_f64(fit, N, &x[0][0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    check(ncg_fit_set_callback(fit, progress, &calls, 1, &err));
    signal(SIGINT, interrupted);

    /* stopping is no failure: the best values so far are there, and the fit can go on from them */
    check(ncg_fit_run(fit, &stop, &err));
    check(ncg_fit_parameters(fit, value, 2, &err));
    printf("stopped: %s, k is finite: %s\n", stop == NCG_FIT_STOPPED ? "yes" : "no", isfinite(value[0]) ? "yes" : "no");
    check(ncg_fit_run(fit, &stop, &err));
    check(ncg_fit_parameters(fit, value, 2, &err));
    printf("k = %.6f, a = %.6f\n", value[0], value[1]);
    ncg_fit_free(fit);
    ncg_model_free(model);
    return 0;
}
