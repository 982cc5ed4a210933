/*
 * Evaluates, differentiates and fits a model from C.
 *
 *     fit MODEL [ENGINE]
 *
 * MODEL is a .ncg, .onnx or .scm file with the inputs r and q, the parameters k and a, and one output, k q exp(-a r):
 * examples/models/screened-force.scm is one. ENGINE is native, onnxruntime or auto. After `cargo build --release`, from the
 * project's root:
 *
 *     cc examples/c/fit.c -Iinclude -Ltarget/release -lncg -lm -Wl,-rpath,$PWD/target/release -o target/fit_c
 *     target/fit_c examples/models/screened-force.scm
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "ncg.h"

/* Where a failed call puts its error. */
static ncg_error *err;

/* Prints the message of a failed call and ends the program. The library itself does neither. */
static void check(int32_t status)
{
    if (status != NCG_OK) {
        fprintf(stderr, "%s: %s\n", ncg_status_name(status), ncg_error_message(err));
        ncg_error_free(err);
        exit(1);
    }
}

/* What a simulator keeps for each particle. The model needs two of the fields and fills a third. */
struct particle {
    double mass;
    double position[3];
    double r, q;
    double force;
};

#define RECORD ((int64_t)(sizeof(struct particle) / sizeof(double)))
#define N 100

/* Counts the iterations in the caller's variable; returning non-zero would stop the fit. */
static int32_t progress(void *user_data, int64_t iteration, double loss, const double *params, int64_t n_params)
{
    int *calls = user_data;
    *calls += 1;
    return iteration > 500 || n_params != 2 || !isfinite(loss) || !isfinite(params[0]);
}

int main(int argc, char **argv)
{
    ncg_options *options;
    ncg_model *model, *fitted;
    ncg_session *session;
    ncg_fit *fit;
    static struct particle particles[N];

    if (argc < 2) {
        fprintf(stderr, "usage: fit MODEL [ENGINE]\n");
        return 2;
    }
    if (ncg_version() / 1000000 != NCG_VERSION_MAJOR) {
        fprintf(stderr, "the library is not the one this program was built for\n");
        return 2;
    }

    /* A model, and a session that runs it. */
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", argc > 2 ? argv[2] : "auto", &err));
    check(ncg_model_load(argv[1], &model, &err));
    check(ncg_session_new(model, options, &session, &err));
    printf("engine %s\n", ncg_session_describe(session));
    for (int64_t i = 0; i < ncg_model_count(model, NCG_PARAMETER); i++) {
        double value;
        check(ncg_model_parameter_value(model, i, &value, &err));
        printf("parameter %s = %g\n", ncg_model_name(model, NCG_PARAMETER, i), value);
    }

    /* The forces on all particles, straight from and to the records: entry i of sample s is x[s*RECORD + i]. */
    for (int s = 0; s < N; s++) {
        particles[s].r = 0.5 + 0.05 * s;
        particles[s].q = s % 2 ? 1.0 : -1.5;
    }
    const double truth[2] = {2.5, 0.75};
    check(ncg_eval_f64(session, N, &particles[0].r, RECORD, 1, truth, &particles[0].force, RECORD, 1, &err));
    double worst = 0;
    for (int s = 0; s < N; s++) {
        double exact = truth[0] * particles[s].q * exp(-truth[1] * particles[s].r);
        worst = fmax(worst, fabs(particles[s].force - exact));
    }
    printf("largest deviation %s\n", worst < 1e-14 ? "below 1e-14" : "TOO LARGE");

    /* The gradient at one particle: by its inputs, and by the parameters. */
    double y, dx[2], dp[2];
    check(ncg_grad_f64(session, 1, &particles[7].r, RECORD, 1, truth, NULL, 0, 0, &y, 1, 1, dx, 2, 1, dp, &err));
    printf("force %.12f\ndforce/dr %.12f\ndforce/dk %.12f\n", y, dx[0], dp[0]);

    /* The parameters back from the forces. */
    double values[2], covariance[4], loss;
    int calls = 0;
    int32_t stop;
    check(ncg_fit_new(model, options, &fit, &err));
    check(ncg_fit_add_parameter(fit, "k", 1.0, 0.0, 100.0, &err));
    check(ncg_fit_add_parameter(fit, "a", 1.0, -INFINITY, INFINITY, &err));
    check(ncg_fit_set_data_f64(fit, N, &particles[0].r, RECORD, 1, &particles[0].force, RECORD, 1, NULL, 0, 0, &err));
    check(ncg_fit_set_callback(fit, progress, &calls, 1, &err));
    check(ncg_fit_run(fit, &stop, &err));
    check(ncg_fit_parameters(fit, values, 2, &err));
    check(ncg_fit_covariance(fit, covariance, 4, &err));
    check(ncg_fit_stat(fit, "loss", &loss, &err));
    printf("converged %s\n", stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP ? "yes" : "no");
    printf("k %.9f\na %.9f\n", values[0], values[1]);
    printf("loss %s\n", loss < 1e-20 ? "below 1e-20" : "TOO LARGE");
    printf("callback %s\n", calls > 0 ? "called" : "NEVER CALLED");

    /* The report, whose size is asked for first. */
    int64_t size;
    check(ncg_fit_report(fit, "text", NULL, 0, &size, &err));
    char *report = malloc((size_t)size);
    if (!report)
        return 1;
    check(ncg_fit_report(fit, "text", report, size, &size, &err));
    fputs(report, stderr);
    free(report);

    /* The model with these values. Handles can be freed in any order. */
    check(ncg_fit_bake(fit, &fitted, &err));
    double k;
    check(ncg_model_parameter_value(fitted, ncg_model_index(fitted, NCG_PARAMETER, "k"), &k, &err));
    printf("baked k %.9f\n", k);
    ncg_model_free(model);
    ncg_session_free(session);
    ncg_fit_free(fit);
    ncg_options_free(options);
    ncg_model_free(fitted);
    return 0;
}
