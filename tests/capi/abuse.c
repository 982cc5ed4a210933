/*
 * Everything a caller can do wrong, in one program: it must end normally, with "ok" as all that is printed.
 *
 *     abuse ENGINE FOLDER [quick]
 *
 * quick leaves out the watch on memory, for runs under a checker that has memory of its own.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "expect.h"

static const char SOURCE[] = "(parameter k 2.0) (parameter a 0.5 0.0 10.0)\n"
                             "(define (force r q) (* k q (exp (- (* a r)))))\n"
                             "(force r q)\n";

static const char *engine;
static ncg_options *options;
static ncg_model *model;

static void names_and_versions(void)
{
    ncg_error *err;
    HOLDS(ncg_version() == NCG_VERSION);
    HOLDS(strstr(ncg_build_info(), "ncg "));
    HOLDS(!strcmp(ncg_status_name(NCG_OK), "NCG_OK"));
    HOLDS(!strcmp(ncg_status_name(NCG_ERR_BUSY), "NCG_ERR_BUSY"));
    HOLDS(ncg_status_name(-1) && ncg_status_name(INT_MAX));
    OK(ncg_engine_probe("native", &err));
    EXPECT(ARG, "\"engine\" is NULL", ncg_engine_probe(NULL, &err));
    EXPECT(ARG, "\"nativ\"", ncg_engine_probe("nativ", &err));
    HOLDS(ncg_engine_probe("nativ", NULL) == ARG);
    HOLDS(ncg_error_code(NULL) == NCG_OK && !*ncg_error_message(NULL));
    HOLDS(ncg_error_location(NULL, NULL, NULL, NULL) == 0);
    ncg_error_free(NULL);
}

static void bad_options(void)
{
    ncg_error *err;
    ncg_options *o;
    EXPECT(ARG, "\"out\" is NULL", ncg_options_new(NULL, &err));
    OK(ncg_options_new(&o, &err));
    EXPECT(ARG, "\"options\" is NULL", ncg_options_set_str(NULL, "engine", "native", &err));
    EXPECT(ARG, "\"name\" is NULL", ncg_options_set_str(o, NULL, "native", &err));
    EXPECT(ARG, "\"value\" is NULL", ncg_options_set_str(o, "engine", NULL, &err));
    EXPECT(ARG, "did you mean \"engine\"", ncg_options_set_str(o, "enigne", "native", &err));
    EXPECT(ARG, "\"gpu\"", ncg_options_set_str(o, "engine", "gpu", &err));
    EXPECT(ARG, "\"name\" is not UTF-8", ncg_options_set_str(o, "\xff", "native", &err));
    EXPECT(ARG, "\"value\" is not UTF-8", ncg_options_set_str(o, "params", "a\xc3", &err));
    EXPECT(ARG, "\"options\" is NULL", ncg_options_set_int(NULL, "threads", 1, &err));
    EXPECT(ARG, "\"name\" is NULL", ncg_options_set_int(o, NULL, 1, &err));
    EXPECT(ARG, "threads", ncg_options_set_int(o, "threads", -1, &err));
    EXPECT(ARG, "type str", ncg_options_set_int(o, "engine", 1, &err));
    EXPECT(ARG, "\"options\" is NULL", ncg_options_set_real(NULL, "gtol", 1, &err));
    EXPECT(ARG, "\"name\" is NULL", ncg_options_set_real(o, NULL, 1, &err));
    EXPECT(ARG, "gtol", ncg_options_set_real(o, "gtol", NAN, &err));
    EXPECT(ARG, "no handle of a model", ncg_model_save((ncg_model *)o, "x", &err));
    for (int64_t i = 0; i < ncg_option_count(); i++) {
        const char *text[4];
        HOLDS(ncg_option_describe(i, &text[0], &text[1], &text[2], &text[3]) == NCG_OK && *text[0] && *text[3]);
        HOLDS(ncg_option_describe(i, NULL, NULL, NULL, NULL) == NCG_OK);
    }
    HOLDS(ncg_option_describe(-1, NULL, NULL, NULL, NULL) == ARG);
    HOLDS(ncg_option_describe(ncg_option_count(), NULL, NULL, NULL, NULL) == ARG);
    ncg_options_free(o);
    ncg_options_free(NULL);
}

/* A program bound to the interpreter is the model of direct compilation; what is no interpreter is refused. */
static void interpreted(void)
{
    ncg_error *err;
    ncg_model *own, *bound = NULL;
    ncg_options *o;
    char direct[4096], text[4096];
    int64_t n = sizeof SOURCE - 1, needed;

    EXPECT(ARG, "\"out\" is NULL", ncg_model_interpreter(NULL, NULL, &err));
    OK(ncg_model_interpreter(NULL, &own, &err));
    HOLDS(ncg_model_index(own, NCG_INPUT, "program") >= 0 && ncg_model_index(own, NCG_INPUT, "env") >= 0);
    EXPECT(NCG_ERR_UNSUPPORTED, "program", ncg_session_new(own, NULL, (ncg_session **)&bound, &err));
    EXPECT(ARG, "\"model\" is NULL", ncg_model_bind_program(NULL, SOURCE, n, NULL, &bound, &err));
    EXPECT(ARG, "\"source\" is NULL", ncg_model_bind_program(own, NULL, 1, NULL, &bound, &err));
    EXPECT(ARG, "\"length\"", ncg_model_bind_program(own, SOURCE, -1, NULL, &bound, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_model_bind_program(own, SOURCE, n, NULL, NULL, &err));
    EXPECT(ARG, "no interpreter", ncg_model_bind_program(model, SOURCE, n, NULL, &bound, &err));
    EXPECT(NCG_ERR_PARSE, "", ncg_model_bind_program(own, "(", 1, NULL, &bound, &err));
    EXPECT(NCG_ERR_COMPILE, "frobnicate", ncg_model_bind_program(own, "(frobnicate 1)", 14, NULL, &bound, &err));
    HOLDS(bound == NULL);
    OK(ncg_model_bind_program(own, SOURCE, n, NULL, &bound, &err));
    OK(ncg_model_write(bound, "text", text, sizeof text, &needed, &err));
    OK(ncg_model_write(model, "text", direct, sizeof direct, &needed, &err));
    HOLDS(!strcmp(text, direct));
    ncg_model_free(bound);
    OK(ncg_options_new(&o, &err));
    OK(ncg_options_set_str(o, "literals", "all", &err));
    OK(ncg_model_bind_program(own, "(+ 2.5 x)", 9, o, &bound, &err));
    HOLDS(ncg_model_index(bound, NCG_PARAMETER, "lit.0") == 0);
    ncg_options_free(o);
    ncg_model_free(own);
    ncg_model_free(bound);
}

static void bad_models(const char *folder)
{
    ncg_error *err = NULL;
    ncg_model *m = model;
    char path[4096], small[4];
    int64_t n = sizeof SOURCE - 1, offset, line, column, rank, needed;
    double value, other;

    EXPECT(ARG, "\"source\" is NULL", ncg_model_compile(NULL, 1, NULL, &m, &err));
    HOLDS(m == NULL);
    EXPECT(ARG, "\"length\"", ncg_model_compile(SOURCE, -1, NULL, &m, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_model_compile(SOURCE, n, NULL, NULL, &err));
    EXPECT(ARG, "\"source\" is not UTF-8", ncg_model_compile("(\xff)", 3, NULL, &m, &err));
    EXPECT(ARG, "no handle of a options", ncg_model_compile(SOURCE, n, (ncg_options *)model, &m, &err));
    HOLDS(ncg_model_compile("(", 1, NULL, &m, NULL) == NCG_ERR_PARSE);
    HOLDS(ncg_model_compile("", 0, NULL, &m, NULL) != NCG_OK);
    HOLDS(ncg_model_compile("(+ 1\n  (oops))", 14, NULL, &m, &err) != NCG_OK && m == NULL);
    HOLDS(ncg_error_location(err, &offset, &line, &column) == 1 && line == 2 && offset >= 7 && column >= 3);
    HOLDS(ncg_error_location(err, NULL, NULL, NULL) == 1);
    ncg_error_free(err);

    EXPECT(ARG, "\"path\" is NULL", ncg_model_load(NULL, &m, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_model_load("x", NULL, &err));
    EXPECT(ARG, "\"path\" is not UTF-8", ncg_model_load("\xff", &m, &err));
    EXPECT(NCG_ERR_IO, "no/such/file", ncg_model_load("no/such/file", &m, &err));
    EXPECT(NCG_ERR_IO, folder, ncg_model_load(folder, &m, &err));
    EXPECT(ARG, "\"path\" is NULL", ncg_model_load_with(NULL, NULL, &m, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_model_load_with("x", NULL, NULL, &err));
    EXPECT(NCG_ERR_IO, "no/such/file", ncg_model_load_with("no/such/file", NULL, &m, &err));
    EXPECT(ARG, "\"document\" is NULL", ncg_model_parse(NULL, 1, &m, &err));
    EXPECT(ARG, "\"length\"", ncg_model_parse("x", INT64_MIN, &m, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_model_parse("x", 1, NULL, &err));
    EXPECT(NCG_ERR_FORMAT, "", ncg_model_parse("{}", 2, &m, &err));
    EXPECT(NCG_ERR_FORMAT, "", ncg_model_parse("\x08\xff\xff", 3, &m, &err));

    EXPECT(ARG, "\"model\" is NULL", ncg_model_save(NULL, "x", &err));
    EXPECT(ARG, "\"path\" is NULL", ncg_model_save(model, NULL, &err));
    EXPECT(NCG_ERR_IO, "no/such", ncg_model_save(model, "no/such/file", &err));
    EXPECT(ARG, "\"model\" is NULL", ncg_model_export_onnx(NULL, "x", NULL, &err));
    EXPECT(ARG, "\"path\" is NULL", ncg_model_export_onnx(model, NULL, NULL, &err));
    EXPECT(NCG_ERR_IO, "no/such", ncg_model_export_onnx(model, "no/such/file", NULL, &err));

    EXPECT(ARG, "\"model\" is NULL", ncg_model_warnings(NULL, NULL, 0, &needed, &err));
    EXPECT(ARG, "both NULL", ncg_model_warnings(model, NULL, 0, NULL, &err));
    EXPECT(ARG, "\"capacity\"", ncg_model_warnings(model, small, -1, &needed, &err));
    OK(ncg_model_warnings(model, NULL, 0, &needed, &err));
    EXPECT(ARG, "\"model\" is NULL", ncg_model_write(NULL, "ncg", NULL, 0, &needed, &err));
    EXPECT(ARG, "\"format\" is NULL", ncg_model_write(model, NULL, NULL, 0, &needed, &err));
    EXPECT(ARG, "\"pdf\"", ncg_model_write(model, "pdf", NULL, 0, &needed, &err));
    EXPECT(ARG, "both NULL", ncg_model_write(model, "text", NULL, 0, NULL, &err));
    EXPECT(ARG, "\"capacity\"", ncg_model_write(model, "text", small, -1, &needed, &err));
    EXPECT(NCG_ERR_BUFFER, "needed", ncg_model_write(model, "text", small, sizeof small, &needed, &err));
    OK(ncg_model_write(model, "ncg", NULL, 0, &needed, &err));
    char *text = malloc((size_t)needed);
    HOLDS(text);
    EXPECT(NCG_ERR_BUFFER, "needed", ncg_model_write(model, "ncg", text, needed - 1, NULL, &err));
    OK(ncg_model_write(model, "ncg", text, needed, NULL, &err));
    HOLDS((int64_t)strlen(text) == needed - 1);
    OK(ncg_model_parse(text, needed - 1, &m, &err));
    free(text);
    HOLDS(ncg_model_index(m, NCG_PARAMETER, "a") == 1);
    ncg_model_free(m);

    snprintf(path, sizeof path, "%s/abuse.ncg", folder);
    OK(ncg_model_save(model, path, &err));
    OK(ncg_model_load(path, &m, &err));
    ncg_model_free(m);
    snprintf(path, sizeof path, "%s/abuse.onnx", folder);
    OK(ncg_model_export_onnx(model, path, NULL, &err));
    OK(ncg_model_load(path, &m, &err));
    ncg_model_free(m);

    /* a file loaded by its path with options: an input becomes a parameter, and imports stay below a folder */
    ncg_options *with = NULL;
    OK(ncg_options_new(&with, &err));
    OK(ncg_options_set_str(with, "params", "k=2.5", &err));
    snprintf(path, sizeof path, "%s/abuse.scm", folder);
    FILE *file = fopen(path, "w");
    HOLDS(file != NULL);
    fputs("(* k x)", file);
    fclose(file);
    OK(ncg_model_load_with(path, with, &m, &err));
    HOLDS(ncg_model_count(m, NCG_PARAMETER) == 1 && ncg_model_index(m, NCG_PARAMETER, "k") == 0);
    ncg_model_free(m);
    OK(ncg_model_load_with(path, NULL, &m, &err));
    HOLDS(ncg_model_count(m, NCG_PARAMETER) == 0);
    ncg_model_free(m);
    file = fopen(path, "w");
    HOLDS(file != NULL);
    fputs("(import net \"../elsewhere.onnx\") (* k (net x))", file);
    fclose(file);
    OK(ncg_options_set_str(with, "folder", folder, &err));
    EXPECT(ARG, "does not lie below", ncg_model_load_with(path, with, &m, &err));
    EXPECT(NCG_ERR_IO, "elsewhere", ncg_model_load_with(path, NULL, &m, &err));
    ncg_options_free(with);

    HOLDS(ncg_model_count(NULL, NCG_INPUT) == 0 && ncg_model_count(model, 6) == 0 && ncg_model_count(model, -1) == 0);
    HOLDS(ncg_model_count(model, NCG_INPUT) == 2 && ncg_model_count(model, NCG_PARAMETER) == 2);
    HOLDS(!ncg_model_name(NULL, NCG_INPUT, 0) && !ncg_model_name(model, 7, 0));
    HOLDS(!ncg_model_name(model, NCG_INPUT, -1) && !ncg_model_name(model, NCG_INPUT, 2));
    HOLDS(!strcmp(ncg_model_name(model, NCG_INPUT, 1), "q"));
    HOLDS(ncg_model_index(NULL, NCG_INPUT, "q") == -1 && ncg_model_index(model, NCG_INPUT, NULL) == -1);
    HOLDS(ncg_model_index(model, NCG_INPUT, "\xff") == -1 && ncg_model_index(model, 9, "q") == -1);
    HOLDS(ncg_model_index(model, NCG_INPUT, "q") == 1);
    EXPECT(ARG, "\"model\" is NULL", ncg_model_shape(NULL, NCG_INPUT, 0, NULL, 0, &rank, &err));
    EXPECT(ARG, "\"rank\" is NULL", ncg_model_shape(model, NCG_INPUT, 0, NULL, 0, NULL, &err));
    EXPECT(ARG, "\"dims\" is NULL", ncg_model_shape(model, NCG_INPUT, 0, NULL, 1, &rank, &err));
    EXPECT(ARG, "\"capacity\"", ncg_model_shape(model, NCG_INPUT, 0, NULL, -1, &rank, &err));
    EXPECT(ARG, "\"kind\"", ncg_model_shape(model, 6, 0, NULL, 0, &rank, &err));
    EXPECT(ARG, "\"index\"", ncg_model_shape(model, NCG_INPUT, 2, NULL, 0, &rank, &err));
    OK(ncg_model_shape(model, NCG_INPUT, 0, NULL, 0, &rank, &err));
    HOLDS(rank == 0);
    EXPECT(ARG, "\"model\" is NULL", ncg_model_parameter_value(NULL, 0, &value, &err));
    EXPECT(ARG, "\"value\" is NULL", ncg_model_parameter_value(model, 0, NULL, &err));
    EXPECT(ARG, "\"index\"", ncg_model_parameter_value(model, 2, &value, &err));
    EXPECT(ARG, "\"index\"", ncg_model_parameter_value(model, INT64_MIN, &value, &err));
    EXPECT(ARG, "\"model\" is NULL", ncg_model_parameter_bounds(NULL, 0, &value, &other, &err));
    EXPECT(ARG, "\"lower\" is NULL", ncg_model_parameter_bounds(model, 0, NULL, &other, &err));
    EXPECT(ARG, "\"upper\" is NULL", ncg_model_parameter_bounds(model, 0, &value, NULL, &err));
    EXPECT(ARG, "\"index\"", ncg_model_parameter_bounds(model, -1, &value, &other, &err));
    OK(ncg_model_parameter_bounds(model, 1, &value, &other, &err));
    HOLDS(value == 0 && other == 10);
    ncg_model_free(NULL);
}

static void bad_sessions(void)
{
    ncg_error *err;
    ncg_session *s, *single;
    ncg_options *narrow;
    double x[8] = {1, 1, 2, 2, 3, 3, 4, 4}, p[2] = {2, 0.5}, y[8] = {0}, dx[8], dp[2], j[16];
    float fx[2] = {1, 1}, fy;

    EXPECT(ARG, "\"model\" is NULL", ncg_session_new(NULL, options, &s, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_session_new(model, options, NULL, &err));
    HOLDS(!*ncg_session_describe(NULL));
    ncg_session_free(NULL);
    OK(ncg_session_new(model, options, &s, &err));
    HOLDS(strstr(ncg_session_describe(s), engine));

    EXPECT(ARG, "\"session\" is NULL", ncg_eval_f64(NULL, 1, x, 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "no handle of a session", ncg_eval_f64((ncg_session *)model, 1, x, 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "\"x\" is NULL", ncg_eval_f64(s, 1, NULL, 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "\"y\" is NULL", ncg_eval_f64(s, 1, x, 2, 1, p, NULL, 1, 1, &err));
    EXPECT(ARG, "\"n_samples\"", ncg_eval_f64(s, -1, x, 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "output \"y\" is 0", ncg_eval_f64(s, 2, x, 2, 1, p, y, 0, 1, &err));
    EXPECT(ARG, "\"x\" lead out", ncg_eval_f64(s, 4, x, INT64_MAX, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "\"x\" lead out", ncg_eval_f64(s, 4, x, 1, INT64_MIN, p, y, 1, 1, &err));
    EXPECT(ARG, "\"y\" lead out", ncg_eval_f64(s, 4, x, 2, 1, p, y, INT64_MIN, 1, &err));
    EXPECT(ARG, "\"x\" lead out", ncg_eval_f64(s, INT64_MAX, x, 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "\"x\" is not aligned", ncg_eval_f64(s, 1, (double *)((char *)x + 1), 2, 1, p, y, 1, 1, &err));
    EXPECT(ARG, "\"p\" is not aligned", ncg_eval_f64(s, 1, x, 2, 1, (double *)((char *)p + 4), y, 1, 1, &err));
    EXPECT(NCG_ERR_SHAPE, "f32", ncg_eval_f32(s, 1, fx, 2, 1, NULL, &fy, 1, 1, &err));
    HOLDS(y[0] == 0);
    OK(ncg_eval_f64(s, 0, NULL, 0, 0, NULL, NULL, 0, 0, &err));

    /* Forwards, backwards, broadcast, in place, with p in the way of y. */
    OK(ncg_eval_f64(s, 4, x, 2, 1, NULL, y, 1, 1, &err));
    OK(ncg_eval_f64(s, 4, x + 6, -2, 1, p, y + 7, -1, 1, &err));
    for (int i = 0; i < 4; i++)
        HOLDS(y[i] == y[i + 4] && fabs(y[i] - 2 * (i + 1) * exp(-0.5 * (i + 1))) < 1e-14);
    OK(ncg_eval_f64(s, 4, x, 0, 1, p, y + 4, 1, 1, &err));
    HOLDS(y[4] == y[0] && y[7] == y[0]);
    double columns[8] = {1, 2, 3, 4, 1, 2, 3, 4};
    OK(ncg_eval_f64(s, 4, columns, 1, 4, p, columns, 1, 1, &err));
    HOLDS(columns[0] == y[0] && columns[3] == y[3]);
    double shared[2] = {2, 0.5};
    OK(ncg_eval_f64(s, 2, x, 2, 1, shared, shared, 1, 1, &err));
    HOLDS(shared[0] == y[0] && shared[1] == y[1]);

    EXPECT(ARG, "\"session\" is NULL", ncg_grad_f64(NULL, 1, x, 2, 1, p, NULL, 0, 0, y, 1, 1, dx, 2, 1, dp, &err));
    EXPECT(ARG, "\"x\" is NULL", ncg_grad_f64(s, 1, NULL, 2, 1, p, NULL, 0, 0, y, 1, 1, dx, 2, 1, dp, &err));
    EXPECT(ARG, "\"n_samples\"", ncg_grad_f64(s, -5, x, 2, 1, p, NULL, 0, 0, y, 1, 1, dx, 2, 1, dp, &err));
    EXPECT(ARG, "output \"dx\" is 0", ncg_grad_f64(s, 4, x, 2, 1, p, NULL, 0, 0, y, 1, 1, dx, 2, 0, dp, &err));
    EXPECT(ARG, "\"seed\" lead out", ncg_grad_f64(s, 4, x, 2, 1, p, x, INT64_MIN, 0, y, 1, 1, dx, 2, 1, dp, &err));
    EXPECT(ARG, "\"dp\" is not aligned",
           ncg_grad_f64(s, 1, x, 2, 1, p, NULL, 0, 0, NULL, 0, 0, NULL, 0, 0, (double *)((char *)dp + 2), &err));
    OK(ncg_grad_f64(s, 4, x, 2, 1, NULL, NULL, 0, 0, NULL, 0, 0, NULL, 0, 0, NULL, &err));
    OK(ncg_grad_f64(s, 4, x, 2, 1, p, NULL, 0, 0, y, 1, 1, dx, 2, 1, dp, &err));
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        HOLDS(fabs(dx[2 * i] + 0.5 * y[i]) < 1e-14 && fabs(dx[2 * i + 1] - y[i] / (i + 1)) < 1e-14);
        sum += y[i] / 2;
    }
    HOLDS(fabs(dp[0] - sum) < 1e-14);
    OK(ncg_grad_f64(s, 0, NULL, 0, 0, p, NULL, 0, 0, NULL, 0, 0, NULL, 0, 0, dp, &err));
    HOLDS(dp[0] == 0 && dp[1] == 0);

    EXPECT(ARG, "\"session\" is NULL", ncg_jacobian_f64(NULL, 1, x, 2, 1, p, y, 1, 1, j, 2, 2, 1, &err));
    EXPECT(ARG, "\"x\" is NULL", ncg_jacobian_f64(s, 1, NULL, 2, 1, p, y, 1, 1, j, 2, 2, 1, &err));
    EXPECT(ARG, "\"j\" is NULL", ncg_jacobian_f64(s, 1, x, 2, 1, p, y, 1, 1, NULL, 2, 2, 1, &err));
    EXPECT(ARG, "output \"j\" is 0", ncg_jacobian_f64(s, 4, x, 2, 1, p, y, 1, 1, j, 2, 2, 0, &err));
    EXPECT(ARG, "\"n_samples\"", ncg_jacobian_f64(s, -1, x, 2, 1, p, y, 1, 1, j, 2, 2, 1, &err));
    OK(ncg_jacobian_f64(s, 4, x, 2, 1, p, NULL, 0, 0, j, 1, 0, 4, &err));
    for (int i = 0; i < 4; i++)
        HOLDS(fabs(j[i] - y[i] / 2) < 1e-14 && fabs(j[4 + i] + y[i] * (i + 1)) < 1e-14);

    OK(ncg_options_new(&narrow, &err));
    OK(ncg_options_set_str(narrow, "engine", engine, &err));
    OK(ncg_options_set_str(narrow, "dtype", "f32", &err));
    OK(ncg_session_new(model, narrow, &single, &err));
    EXPECT(NCG_ERR_SHAPE, "dtype", ncg_eval_f64(single, 1, x, 2, 1, p, y, 1, 1, &err));
    EXPECT(NCG_ERR_SHAPE, "dtype", ncg_jacobian_f64(single, 1, x, 2, 1, p, y, 1, 1, j, 2, 2, 1, &err));
    EXPECT(ARG, "\"y\" is NULL", ncg_eval_f32(single, 1, fx, 2, 1, NULL, NULL, 1, 1, &err));
    EXPECT(ARG, "\"session\" is NULL", ncg_eval_f32(NULL, 1, fx, 2, 1, NULL, &fy, 1, 1, &err));
    OK(ncg_eval_f32(single, 1, fx, 2, 1, NULL, &fy, 1, 1, &err));
    HOLDS(fabsf(fy - 2 * expf(-0.5f)) < 1e-6f);
    ncg_session_free(single);
    ncg_options_free(narrow);
    ncg_session_free(s);
}

struct watch {
    ncg_fit *fit;
    int calls, stop_at, cancel_at, busy;
    pthread_t thread;
};

static int32_t watch(void *user_data, int64_t iteration, double loss, const double *params, int64_t n)
{
    struct watch *w = user_data;
    double value;
    ncg_error *err = NULL;
    (void)iteration;
    (void)params;
    w->calls++;
    /* The handle is in use: every other call on it is refused, and freeing it does nothing. */
    if (ncg_fit_stat(w->fit, "loss", &value, &err) == NCG_ERR_BUSY && strstr(ncg_error_message(err), "in use"))
        w->busy++;
    ncg_error_free(err);
    ncg_fit_free(w->fit);
    if (w->calls == w->cancel_at)
        ncg_fit_cancel(w->fit);
    return w->calls == w->stop_at || n < 1 || loss < 0;
}

static int32_t wait_for_cancel(void *user_data, int64_t iteration, double loss, const double *params, int64_t n)
{
    struct watch *w = user_data;
    (void)iteration, (void)loss, (void)params, (void)n;
    w->calls++;
    if (w->calls == 1)
        pthread_join(w->thread, NULL);
    return 0;
}

static void *cancel(void *fit)
{
    ncg_fit_cancel(fit);
    return NULL;
}

static ncg_fit *new_fit(const double *x, const double *y, int64_t n)
{
    ncg_error *err;
    ncg_fit *fit;
    OK(ncg_fit_new(model, options, &fit, &err));
    OK(ncg_fit_add_parameter(fit, "k", 1, 0, INFINITY, &err));
    OK(ncg_fit_add_parameter(fit, "a", 1, -INFINITY, INFINITY, &err));
    OK(ncg_fit_set_data_f64(fit, n, x, 2, 1, y, 1, 1, NULL, 0, 0, &err));
    return fit;
}

static void bad_fits(void)
{
    enum { N = 20 };
    ncg_error *err;
    ncg_fit *fit;
    ncg_model *m;
    double x[2 * N], y[N], w[N], nan[N], value, values[4];
    int32_t stop = -7;
    int64_t needed;
    char small[4];
    for (int i = 0; i < N; i++) {
        x[2 * i] = 0.2 * i;
        x[2 * i + 1] = 1 + i % 3;
        y[i] = 3 * x[2 * i + 1] * exp(-0.7 * x[2 * i]);
        w[i] = -1;
        nan[i] = NAN;
    }

    EXPECT(ARG, "\"model\" is NULL", ncg_fit_new(NULL, options, &fit, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_fit_new(model, options, NULL, &err));
    OK(ncg_fit_new(model, options, &fit, &err));
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_add_parameter(NULL, "k", 1, 0, 2, &err));
    EXPECT(ARG, "\"name\" is NULL", ncg_fit_add_parameter(fit, NULL, 1, 0, 2, &err));
    EXPECT(ARG, "\"kk\"", ncg_fit_add_parameter(fit, "kk", 1, 0, 2, &err));
    EXPECT(ARG, "\"k\"", ncg_fit_add_parameter(fit, "k", 1, 2, 0, &err));
    EXPECT(ARG, "\"k\"", ncg_fit_add_parameter(fit, "k", NAN, 0, 2, &err));
    EXPECT(ARG, "\"name\" is not UTF-8", ncg_fit_add_parameter(fit, "\xff", 1, 0, 2, &err));
    OK(ncg_fit_add_parameter(fit, "k", 1, 0, INFINITY, &err));
    EXPECT(ARG, "already", ncg_fit_add_parameter(fit, "k", 1, 0, 2, &err));
    EXPECT(ARG, "no data", ncg_fit_run(fit, &stop, &err));
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_set_data_f64(NULL, N, x, 2, 1, y, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "\"x\" is NULL", ncg_fit_set_data_f64(fit, N, NULL, 2, 1, y, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "\"y\" is NULL", ncg_fit_set_data_f64(fit, N, x, 2, 1, NULL, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "\"n_samples\"", ncg_fit_set_data_f64(fit, -1, x, 2, 1, y, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "one sample", ncg_fit_set_data_f64(fit, 0, x, 2, 1, y, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "\"w\" lead out", ncg_fit_set_data_f64(fit, N, x, 2, 1, y, 1, 1, w, INT64_MAX, 0, &err));
    EXPECT(ARG, "\"noise\"", ncg_fit_set_data_f64(fit, N, x, 2, 1, y, 1, 1, w, 1, 1, &err));
    EXPECT(ARG, "\"noise\"", ncg_fit_add_data_f64(fit, N, x, 2, 1, y, 1, 1, w, 1, 1, &err));
    EXPECT(NCG_ERR_NUMERIC, "row 0", ncg_fit_set_data_f64(fit, N, x, 2, 1, nan, 1, 1, NULL, 0, 0, &err));
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_set_callback(NULL, watch, NULL, 1, &err));
    EXPECT(ARG, "\"every\"", ncg_fit_set_callback(fit, watch, NULL, 0, &err));
    OK(ncg_fit_set_callback(fit, NULL, NULL, 0, &err));
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_run(NULL, &stop, &err));
    EXPECT(ARG, "\"stop\" is NULL", ncg_fit_run(fit, NULL, &err));
    HOLDS(stop == -7);
    EXPECT(ARG, "not run", ncg_fit_stat(fit, "loss", &value, &err));
    OK(ncg_fit_stat(fit, "stop", &value, &err));
    HOLDS(value == NCG_FIT_NOT_RUN);
    EXPECT(ARG, "not run", ncg_fit_parameters(fit, values, 4, &err));
    EXPECT(ARG, "not run", ncg_fit_covariance(fit, values, 4, &err));
    EXPECT(ARG, "not run", ncg_fit_report(fit, "text", NULL, 0, &needed, &err));
    EXPECT(ARG, "not run", ncg_fit_bake(fit, &m, &err));
    ncg_fit_free(fit);
    ncg_fit_free(NULL);
    ncg_fit_cancel(NULL);

    fit = new_fit(x, y, N);
    OK(ncg_fit_run(fit, &stop, &err));
    HOLDS(stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP);
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_stat(NULL, "loss", &value, &err));
    EXPECT(ARG, "\"name\" is NULL", ncg_fit_stat(fit, NULL, &value, &err));
    EXPECT(ARG, "\"value\" is NULL", ncg_fit_stat(fit, "loss", NULL, &err));
    EXPECT(ARG, "\"los\"", ncg_fit_stat(fit, "los", &value, &err));
    OK(ncg_fit_stat(fit, "parameters", &value, &err));
    HOLDS(value == 2);
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_parameters(NULL, values, 2, &err));
    EXPECT(ARG, "\"values\" is NULL", ncg_fit_parameters(fit, NULL, 2, &err));
    EXPECT(ARG, "\"capacity\"", ncg_fit_parameters(fit, values, -2, &err));
    EXPECT(NCG_ERR_BUFFER, "2 are needed", ncg_fit_parameters(fit, values, 1, &err));
    OK(ncg_fit_parameters(fit, values, 4, &err));
    HOLDS(fabs(values[0] - 3) < 1e-9 && fabs(values[1] - 0.7) < 1e-9);
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_covariance(NULL, values, 4, &err));
    EXPECT(ARG, "\"values\" is NULL", ncg_fit_covariance(fit, NULL, 4, &err));
    EXPECT(NCG_ERR_BUFFER, "4 are needed", ncg_fit_covariance(fit, values, 3, &err));
    OK(ncg_fit_covariance(fit, values, 4, &err));
    HOLDS(values[1] == values[2]);
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_report(NULL, "text", NULL, 0, &needed, &err));
    EXPECT(ARG, "\"format\" is NULL", ncg_fit_report(fit, NULL, NULL, 0, &needed, &err));
    EXPECT(ARG, "\"xml\"", ncg_fit_report(fit, "xml", NULL, 0, &needed, &err));
    EXPECT(NCG_ERR_BUFFER, "needed", ncg_fit_report(fit, "json", small, 4, &needed, &err));
    HOLDS(needed > 100);
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_bake(NULL, &m, &err));
    EXPECT(ARG, "\"out\" is NULL", ncg_fit_bake(fit, NULL, &err));
    OK(ncg_fit_bake(fit, &m, &err));
    ncg_fit_free(fit);
    OK(ncg_model_parameter_value(m, 0, &value, &err));
    HOLDS(fabs(value - 3) < 1e-9);
    ncg_model_free(m);

    /* The callback stops; then it cancels; then the fit goes on to its end. */
    struct watch seen = {new_fit(x, y, N), 0, 2, 0, 0, pthread_self()};
    OK(ncg_fit_set_callback(seen.fit, watch, &seen, 1, &err));
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop == NCG_FIT_STOPPED && seen.calls == 2 && seen.busy == 2);
    seen.stop_at = 0;
    seen.cancel_at = 4;
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop == NCG_FIT_STOPPED && seen.calls == 4);
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP);
    OK(ncg_fit_parameters(seen.fit, values, 2, &err));
    HOLDS(fabs(values[0] - 3) < 1e-9);
    ncg_fit_free(seen.fit);

    /* Another thread cancels, while the fit runs and before it does; the result is the same as at the start. */
    seen = (struct watch){new_fit(x, y, N), 0, 0, 0, 0, pthread_self()};
    OK(ncg_fit_set_callback(seen.fit, wait_for_cancel, &seen, 1, &err));
    HOLDS(pthread_create(&seen.thread, NULL, cancel, seen.fit) == 0);
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop == NCG_FIT_STOPPED && seen.calls <= 1);
    if (seen.calls == 0)
        pthread_join(seen.thread, NULL);
    OK(ncg_fit_set_callback(seen.fit, NULL, NULL, 0, &err));
    ncg_fit_cancel(seen.fit);
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop == NCG_FIT_STOPPED);
    double expected = 0, d;
    OK(ncg_fit_parameters(seen.fit, values, 2, &err));
    OK(ncg_fit_stat(seen.fit, "loss", &value, &err));
    for (int i = 0; i < N; i++) {
        d = values[0] * x[2 * i + 1] * exp(-values[1] * x[2 * i]) - y[i];
        expected += d * d;
    }
    HOLDS(fabs(value - expected) < 1e-9 * (1 + expected));
    OK(ncg_fit_run(seen.fit, &stop, &err));
    HOLDS(stop != NCG_FIT_STOPPED);
    ncg_fit_free(seen.fit);
}

static void any_order(void)
{
    ncg_error *err, *kept = NULL;
    ncg_options *o;
    ncg_model *m;
    ncg_session *s;
    ncg_fit *f;
    double x[2] = {1, 1}, y = 0;
    OK(ncg_options_new(&o, &err));
    OK(ncg_options_set_str(o, "engine", engine, &err));
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, o, &m, &err));
    OK(ncg_session_new(m, o, &s, &err));
    OK(ncg_fit_new(m, o, &f, &err));
    HOLDS(ncg_options_set_str(o, "x", "y", &kept) == ARG);
    ncg_model_free(m);
    ncg_options_free(o);
    OK(ncg_eval_f64(s, 1, x, 2, 1, NULL, &y, 1, 1, &err));
    HOLDS(fabs(y - 2 * exp(-0.5)) < 1e-14);
    ncg_fit_free(f);
    ncg_session_free(s);
    HOLDS(strstr(ncg_error_message(kept), "unknown option"));
    ncg_error_free(kept);
}

enum { SAMPLES = 257, THREADS = 8 };
static double shared_x[2 * SAMPLES];
static double results[THREADS][3 * SAMPLES + 2];

static void *work(void *number)
{
    double *y = results[(size_t)number], *dx = y + SAMPLES, *dp = dx + 2 * SAMPLES;
    ncg_error *err;
    ncg_session *s;
    OK(ncg_session_new(model, options, &s, &err));
    for (int i = 0; i < 20; i++)
        OK(ncg_grad_f64(s, SAMPLES, shared_x, 2, 1, NULL, NULL, 0, 0, y, 1, 1, dx, 2, 1, dp, &err));
    ncg_session_free(s);
    return NULL;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < SAMPLES; i++) {
        shared_x[2 * i] = 0.01 * i;
        shared_x[2 * i + 1] = sin(i);
    }
    for (size_t i = 0; i < THREADS; i++)
        HOLDS(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 1; i < THREADS; i++)
        HOLDS(memcmp(results[i], results[0], sizeof results[0]) == 0);
}

static long resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* Everything from source text to gradient, and a failure. */
static void cycle(void)
{
    ncg_error *err;
    ncg_model *m, *none;
    ncg_session *s;
    double x[2] = {1, 1}, y, dx[2], dp[2];
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, options, &m, &err));
    OK(ncg_session_new(m, options, &s, &err));
    OK(ncg_grad_f64(s, 1, x, 2, 1, NULL, NULL, 0, 0, &y, 1, 1, dx, 2, 1, dp, &err));
    EXPECT(NCG_ERR_PARSE, "", ncg_model_parse("(", 1, &none, &err));
    ncg_session_free(s);
    ncg_model_free(m);
}

static void no_growth(int cycles)
{
    for (int i = 0; i < cycles / 5 + 1; i++)
        cycle();
    long before = resident();
    for (int i = 0; i < cycles; i++)
        cycle();
    long after = resident();
    if (after - before > 2048) {
        fprintf(stderr, "memory grew from %ld to %ld kB\n", before, after);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    ncg_error *err;
    if (argc < 3)
        return 2;
    int quick = argc > 3;
    engine = argv[1];
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", engine, &err));
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, options, &model, &err));
    names_and_versions();
    bad_options();
    interpreted();
    bad_models(argv[2]);
    bad_sessions();
    bad_fits();
    any_order();
    threads();
    /* ONNX Runtime takes about 10 ms to make a session. */
    if (!quick)
        no_growth(strcmp(engine, "native") ? 200 : 10000);
    ncg_model_free(model);
    ncg_options_free(options);
    puts("ok");
    return 0;
}
