/*
 * Fits MODEL to the columns x and y of DATA, and prints each parameter with its standard error, with 17 digits.
 *
 *     digits MODEL DATA
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ncg.h"

static ncg_error *err;

static void check(int32_t status)
{
    if (status != NCG_OK) {
        fprintf(stderr, "%s: %s\n", ncg_status_name(status), ncg_error_message(err));
        exit(1);
    }
}

int main(int argc, char **argv)
{
    enum { MOST = 1000, PARAMETERS = 16 };
    static double x[MOST], y[MOST], value[PARAMETERS], covariance[PARAMETERS * PARAMETERS];
    char line[256];
    int64_t rows = 0, n;
    int32_t stop;
    ncg_options *options;
    ncg_model *model;
    ncg_fit *fit;
    FILE *file = argc == 3 ? fopen(argv[2], "r") : NULL;

    if (!file)
        return 2;
    while (rows < MOST && fgets(line, sizeof line, file))
        rows += sscanf(line, "%lf,%lf", &x[rows], &y[rows]) == 2;
    fclose(file);

    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", "native", &err));
    check(ncg_model_load(argv[1], &model, &err));
    check(ncg_fit_new(model, options, &fit, &err));
    check(ncg_fit_set_data_f64(fit, rows, x, 1, 1, y, 1, 1, NULL, 0, 0, &err));
    check(ncg_fit_run(fit, &stop, &err));
    check(ncg_fit_parameters(fit, value, PARAMETERS, &err));
    check(ncg_fit_covariance(fit, covariance, PARAMETERS * PARAMETERS, &err));
    n = ncg_model_count(model, NCG_PARAMETER);
    for (int64_t i = 0; i < n; i++)
        printf("%s %.16e %.16e\n", ncg_model_name(model, NCG_PARAMETER, i), value[i], sqrt(covariance[i * n + i]));
    ncg_fit_free(fit);
    ncg_model_free(model);
    ncg_options_free(options);
    return 0;
}
