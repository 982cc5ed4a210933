/*
 * Vectors and matrices through ncg_run and ncg_run_gradient: the digits of ncg_eval_f64 and ncg_grad_f64 from any strides, and
 * what is refused. Prints "ok".
 *
 *     arrays ENGINE
 */
#include <math.h>

#include "expect.h"

static const char SOURCE[] = "(input m 2 3) (input v 3) (parameter w [1 2]) (input s) (parameter k 0.5)"
                             "(list (* k (exp (* s -0.01)) (matvec m v)) (dot w (matvec m v)))";

enum { N = 1000, NUMBERS = 10, OUTPUTS = 3, PARAMETERS = 3 };

/* The inputs as a simulator may keep them: all numbers of a sample in a row, m, v, s. */
static double x[N][NUMBERS], y[N][OUTPUTS], dx[N][NUMBERS], seed[N][OUTPUTS];
static double m[N][2][3], v[N][3], s[N], a[N][2], b[N];

static ncg_session *session(ncg_model *model, const char *engine, const char *dtype)
{
    ncg_error *err;
    ncg_options *options;
    ncg_session *made;
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", engine, &err));
    OK(ncg_options_set_str(options, "dtype", dtype, &err));
    OK(ncg_session_new(model, options, &made, &err));
    ncg_options_free(options);
    return made;
}

static void look(ncg_model *model)
{
    static const struct {
        int32_t kind;
        const char *name;
        int64_t index, rank, dims[2];
    } known[] = {{NCG_INPUT_ARRAY, "m", 0, 2, {2, 3}},    {NCG_INPUT_ARRAY, "v", 1, 1, {3, -1}},
                 {NCG_INPUT_ARRAY, "s", 2, 0, {-1, -1}},  {NCG_PARAMETER_ARRAY, "w", 0, 1, {2, -1}},
                 {NCG_PARAMETER_ARRAY, "k", 1, 0, {-1, -1}}, {NCG_OUTPUT_ARRAY, "value.0", 0, 1, {2, -1}},
                 {NCG_OUTPUT_ARRAY, "value.1", 1, 0, {-1, -1}}, {NCG_INPUT, "m.1.2", 5, 0, {-1, -1}}};
    ncg_error *err;
    int64_t rank;
    HOLDS(ncg_model_count(model, NCG_INPUT_ARRAY) == 3 && ncg_model_count(model, NCG_INPUT) == NUMBERS);
    HOLDS(ncg_model_count(model, NCG_PARAMETER_ARRAY) == 2 && ncg_model_count(model, NCG_OUTPUT_ARRAY) == 2);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        int64_t dims[2] = {-1, -1};
        HOLDS(!strcmp(ncg_model_name(model, known[i].kind, known[i].index), known[i].name));
        HOLDS(ncg_model_index(model, known[i].kind, known[i].name) == known[i].index);
        OK(ncg_model_shape(model, known[i].kind, known[i].index, dims, 2, &rank, &err));
        HOLDS(rank == known[i].rank && dims[0] == known[i].dims[0] && dims[1] == known[i].dims[1]);
    }
    int64_t dims[2] = {-1, -1};
    OK(ncg_model_shape(model, NCG_INPUT_ARRAY, 0, dims, 1, &rank, &err));
    HOLDS(rank == 2 && dims[0] == 2 && dims[1] == -1);
    EXPECT(ARG, "\"index\"", ncg_model_shape(model, NCG_INPUT_ARRAY, 3, dims, 2, &rank, &err));
}

static void same_digits(ncg_session *one)
{
    ncg_error *err;
    const double p[PARAMETERS] = {3, 5, 0.25};
    double dp[PARAMETERS], dw[2], dk;
    OK(ncg_grad_f64(one, N, &x[0][0], NUMBERS, 1, p, &seed[0][0], OUTPUTS, 1, &y[0][0], OUTPUTS, 1, &dx[0][0], NUMBERS, 1,
                    dp, &err));

    /* packed arrays */
    const void *inputs[] = {m, v, s}, *parameters[] = {p, p + 2};
    void *outputs[] = {a, b};
    OK(ncg_run(one, N, inputs, NULL, parameters, outputs, NULL, &err));
    for (int i = 0; i < N; i++)
        HOLDS(a[i][0] == y[i][0] && a[i][1] == y[i][1] && b[i] == y[i][2]);

    /* from and to the rows where the other call has them, an output left out, the matrix of the last sample for all */
    const int64_t rows[] = {NUMBERS, 3, 1, NUMBERS, 1, NUMBERS}, to[] = {2, 1, OUTPUTS};
    const void *in_rows[] = {x[0], &x[0][6], &x[0][9]};
    void *second[] = {NULL, &y[0][2]};
    for (int i = 0; i < N; i++)
        y[i][2] = -1;
    OK(ncg_run(one, N, in_rows, rows, parameters, second, to, &err));
    for (int i = 0; i < N; i++)
        HOLDS(y[i][2] == b[i]);
    const int64_t shared[] = {0, 3, 1, NUMBERS, 1, NUMBERS};
    in_rows[0] = x[N - 1];
    OK(ncg_run(one, N, in_rows, shared, parameters, second, to, &err));
    HOLDS(y[N - 1][2] == b[N - 1] && y[0][2] != b[0]);

    /* backwards, columns first, and the outputs between the inputs */
    static double mixed[N][12];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 2; j++)
            for (int k = 0; k < 3; k++)
                mixed[N - 1 - i][2 * k + j] = m[i][j][k];
    const void *back[] = {mixed[N - 1], v, s};
    const int64_t from[] = {-12, 1, 2, 3, 1, 1}, between[] = {-12, 1, -12};
    void *into[] = {&mixed[N - 1][6], &mixed[N - 1][11]};
    OK(ncg_run(one, N, back, from, parameters, into, between, &err));
    for (int i = 0; i < N; i++)
        HOLDS(mixed[N - 1 - i][7] == a[i][1] && mixed[N - 1 - i][11] == b[i]);

    /* derivatives */
    static double dm[N][2][3], ds[N];
    const void *seeds[] = {seed[0], &seed[0][2]};
    const int64_t by[] = {OUTPUTS, 1, OUTPUTS};
    void *d_inputs[] = {dm, NULL, ds}, *d_parameters[] = {dw, &dk};
    OK(ncg_run_gradient(one, N, inputs, NULL, parameters, seeds, by, outputs, NULL, d_inputs, NULL, d_parameters, &err));
    for (int i = 0; i < N; i++)
        HOLDS(!memcmp(dm[i], dx[i], sizeof dm[i]) && ds[i] == dx[i][9]);
    HOLDS(dw[0] == dp[0] && dw[1] == dp[1] && dk == dp[2]);
    dk = -7;
    d_parameters[1] = NULL;
    dw[0] = -7;
    OK(ncg_run_gradient(one, N, inputs, NULL, parameters, seeds, by, NULL, NULL, NULL, NULL, d_parameters, &err));
    HOLDS(dw[0] == dp[0] && dk == -7);
    /* seeds of ones, parameters of the source */
    OK(ncg_grad_f64(one, N, &x[0][0], NUMBERS, 1, NULL, NULL, 0, 0, NULL, 0, 0, &dx[0][0], NUMBERS, 1, NULL, &err));
    OK(ncg_run_gradient(one, N, inputs, NULL, NULL, NULL, NULL, NULL, NULL, d_inputs, NULL, NULL, &err));
    HOLDS(!memcmp(dm[N / 2], dx[N / 2], sizeof dm[0]));
    OK(ncg_run_gradient(one, N, inputs, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, &err));
    /* strides of what is left out are not read */
    const int64_t *nowhere = (const int64_t *)8;
    OK(ncg_run_gradient(one, N, inputs, NULL, NULL, NULL, nowhere, NULL, nowhere, NULL, nowhere, NULL, &err));
    OK(ncg_run(one, 0, inputs, NULL, NULL, outputs, NULL, &err));
}

static void refused(ncg_session *one)
{
    ncg_error *err;
    const void *inputs[] = {m, v, s}, *missing[] = {m, NULL, s}, *odd[] = {m, (char *)v + 3, s};
    const void *const *none = NULL;
    void *outputs[] = {a, b};
    const int64_t falls[] = {2, 0, 1}, far[] = {INT64_MAX, 3, 1, 3, 1, 1}, once[] = {2, 1, 0};
    EXPECT(ARG, "\"session\" is NULL", ncg_run(NULL, N, inputs, NULL, NULL, outputs, NULL, &err));
    EXPECT(ARG, "\"inputs\" is NULL", ncg_run(one, N, none, NULL, NULL, outputs, NULL, &err));
    EXPECT(ARG, "\"inputs\" is NULL at 1, \"v\"", ncg_run(one, N, missing, NULL, NULL, outputs, NULL, &err));
    EXPECT(ARG, "\"inputs\" is not aligned", ncg_run(one, N, odd, NULL, NULL, outputs, NULL, &err));
    EXPECT(ARG, "\"n_samples\"", ncg_run(one, -1, inputs, NULL, NULL, outputs, NULL, &err));
    EXPECT(ARG, "\"inputs\" lead out", ncg_run(one, N, inputs, far, NULL, outputs, NULL, &err));
    EXPECT(ARG, "output \"outputs\" is 0", ncg_run(one, N, inputs, NULL, NULL, outputs, falls, &err));
    EXPECT(ARG, "output \"outputs\" is 0", ncg_run(one, N, inputs, NULL, NULL, outputs, once, &err));
    EXPECT(ARG, "\"parameters\" is not", ncg_run(one, N, inputs, NULL, odd, outputs, NULL, &err));
    EXPECT(ARG, "\"seeds\" is NULL at 1",
           ncg_run_gradient(one, N, inputs, NULL, NULL, missing, NULL, outputs, NULL, NULL, NULL, NULL, &err));
    EXPECT(ARG, "output \"d_inputs\" is 0",
           ncg_run_gradient(one, N, inputs, NULL, NULL, NULL, NULL, NULL, NULL, (void *[]){m, NULL, NULL},
                            (int64_t[]){0, 3, 1, 3, 1, 1}, NULL, &err));
    OK(ncg_run(one, N, inputs, NULL, NULL, NULL, NULL, &err));
}

static void single(ncg_session *narrow)
{
    ncg_error *err;
    float fm[2][3] = {{1, 2, 3}, {4, 5, 6}}, fv[3] = {1, 2, 3}, fs = 0, fa[2], fb, dv[3], fw[2] = {1, 10}, dw[2];
    const void *inputs[] = {fm, fv, &fs}, *parameters[] = {fw, NULL}, *odd[] = {(char *)fm + 1, fv, &fs};
    void *outputs[] = {fa, &fb}, *d_inputs[] = {NULL, dv, NULL}, *d_parameters[] = {dw, NULL};
    OK(ncg_run(narrow, 1, inputs, NULL, parameters, outputs, NULL, &err));
    HOLDS(fa[0] == 7 && fa[1] == 16 && fb == 14 + 320);
    const float zero[2] = {0, 0}, one = 1;
    const void *seeds[] = {zero, &one};
    OK(ncg_run_gradient(narrow, 1, inputs, NULL, parameters, seeds, NULL, NULL, NULL, d_inputs, NULL, d_parameters, &err));
    HOLDS(dv[0] == 41 && dv[2] == 63 && dw[0] == 14 && dw[1] == 32);
    EXPECT(ARG, "multiple of 4", ncg_run(narrow, 1, odd, NULL, parameters, outputs, NULL, &err));
}

int main(int argc, char **argv)
{
    ncg_error *err;
    ncg_model *model;
    if (argc < 2)
        return 2;
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, NULL, &model, &err));
    look(model);
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < NUMBERS; j++)
            x[i][j] = sin(i + 100.0 * j);
        for (int o = 0; o < OUTPUTS; o++)
            seed[i][o] = cos(i + 10.0 * o);
        memcpy(m[i], x[i], sizeof m[i]);
        memcpy(v[i], x[i] + 6, sizeof v[i]);
        s[i] = x[i][9];
    }
    ncg_session *one = session(model, argv[1], "f64"), *narrow = session(model, argv[1], "f32");
    same_digits(one);
    refused(one);
    single(narrow);
    ncg_session_free(one);
    ncg_session_free(narrow);
    ncg_model_free(model);
    puts("ok");
    return 0;
}
