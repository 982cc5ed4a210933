/* Fits the constants of a model to observations: 4-fit [MODEL [ENGINE]] */
#include <math.h>

#include "check.h"

int main(int argc, char **argv)
{
    enum { N = 100 };
    double x[N][2], y[N], value[2], covariance[4];
    ncg_options *options;
    ncg_model *model, *fitted;
    ncg_fit *fit;
    int32_t stop;

    check(ncg_model_load(argc > 1 ? argv[1] : "examples/models/screened-force.scm", &model, &err));
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", argc > 2 ? argv[2] : "auto", &err));
    /* observations of k = 2.5, a = 0.75, and what stands for noise */
    for (int s = 0; s < N; s++) {
        x[s][0] = 0.5 + 0.05 * s;
        x[s][1] = s % 2 ? 1.0 : -1.5;
        y[s] = 2.5 * x[s][1] * exp(-0.75 * x[s][0]) + 0.01 * sin(s * s);
    }

    /* Which constants move, from where, between which bounds. The data are copied. */
    check(ncg_fit_new(model, options, &fit, &err));
    check(ncg_fit_add_parameter(fit, "k", 1.0, 0.0, 100.0, &err));
    check(ncg_fit_add_parameter(fit, "a", 1.0, -INFINITY, INFINITY, &err));
    check(ncg_fit_set_data_f64(fit, N, &x[0][0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    check(ncg_fit_run(fit, &stop, &err));
    printf("converged: %s\n", stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP ? "yes" : "no");
    check(ncg_fit_parameters(fit, value, 2, &err));
    check(ncg_fit_covariance(fit, covariance, 4, &err));
    printf("k = %.4f +- %.4f\na = %.4f +- %.4f\n", value[0], sqrt(covariance[0]), value[1], sqrt(covariance[3]));

    /* all that is known of the fit, as text; its size is asked for first */
    int64_t size;
    check(ncg_fit_report(fit, "text", NULL, 0, &size, &err));
    char *report = malloc((size_t)size);
    if (!report)
        return 1;
    check(ncg_fit_report(fit, "text", report, size, NULL, &err));
    fputs(report, stderr);
    free(report);

    /* the same model with these values: evaluate it, save it, export it */
    check(ncg_fit_bake(fit, &fitted, &err));
    check(ncg_model_parameter_value(fitted, ncg_model_index(fitted, NCG_PARAMETER, "k"), value, &err));
    printf("the fitted model has k = %.4f\n", value[0]);
    ncg_model_free(fitted);
    ncg_model_free(model);
    ncg_fit_free(fit);
    ncg_options_free(options);
    return 0;
}
