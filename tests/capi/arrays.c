/*
 * Vectors and matrices through ncg_run and ncg_run_gradient: the digits of ncg_eval_f64 and ncg_grad_f64 from any strides, and
 * what is refused. Prints "ok".
 *
 *     arrays ENGINE
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <math.h>
#include <time.h>

#include "expect.h"

static const char SOURCE[] = "(input m 2 3) (input v 3) (parameter w [1 2]) (input s) (parameter k 0.5)"
                             "(list (* k (exp (* s -0.01)) (matvec m v)) (dot w (matvec m v)))";

enum { N = 1000, NUMBERS = 10, OUTPUTS = 3, PARAMETERS = 3 };

/* The inputs as a simulator may keep them: all numbers of a sample in a row, m, v, s. */
static double x[N][NUMBERS], y[N][OUTPUTS], dx[N][NUMBERS], seed[N][OUTPUTS];
static double m[N][2][3], v[N][3], s[N], a[N][2], b[N];

static ncg_session *session(ncg_model *model, const char *engine, const char *dtype, int threads)
{
    ncg_error *err;
    ncg_options *options;
    ncg_session *made;
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", engine, &err));
    OK(ncg_options_set_str(options, "dtype", dtype, &err));
    OK(ncg_options_set_int(options, "threads", threads, &err));
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

enum { MANY = 5001, ROOM = 40 };
static double given[MANY][NUMBERS], made[2][MANY * ROOM];

/* Where the outputs and the derivatives of the inputs go: from where on in `made`, and their strides. -1 is left out. */
struct layout {
    long a, b, dm, dv, ds;
    int64_t to[3], back[6];
};
static const struct layout layouts[] = {
    /* rows of samples, arrays one behind the other */
    {0, 2 * MANY, 3 * MANY, 9 * MANY, 12 * MANY, {2, 1, 1}, {6, 3, 1, 3, 1, 1}},
    /* one number after the other, the samples of each side by side */
    {0, 2 * MANY, 3 * MANY, 9 * MANY, 12 * MANY, {1, MANY, 1}, {1, 3 * MANY, MANY, 1, MANY, 1}},
    /* samples backwards, with gaps; columns of the matrix */
    {3 * MANY - 3, 5 * MANY - 2, 12 * MANY - 7, 18 * MANY - 5, 20 * MANY - 1, {-3, 1, -2}, {-7, 1, 2, -5, 2, -1}},
    /* fields of records */
    {0, 2, 3, 9, 12, {ROOM, 1, ROOM}, {ROOM, 3, 1, ROOM, 1, ROOM}},
    /* some are left out */
    {0, -1, -1, 9 * MANY, -1, {2, 1, 1}, {6, 3, 1, 3, 1, 1}},
    {-1, 0, 3 * MANY, -1, 12 * MANY, {2, 1, 1}, {6, 3, 1, 3, 1, 1}},
    /* the second number of each sample is the first of the next: the last that is written stays */
    {0, 2 * MANY, 3 * MANY, 9 * MANY, 12 * MANY, {1, 1, 1}, {6, 3, 1, 1, 1, 1}},
};

static void *place(double *memory, long from) { return from < 0 ? NULL : memory + from; }

#ifdef __linux__
/* How long each thread of this process has been on a processor, in ns: as many as there is place for, the first the caller. */
static int time_of_threads(unsigned long long *spent, int most)
{
    int count = 0;
    DIR *tasks = opendir("/proc/self/task");
    HOLDS(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) && count < most;) {
        char path[300];
        snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", task->d_name);
        FILE *file = *task->d_name == '.' ? NULL : fopen(path, "r");
        if (!file)
            continue;
        if (fscanf(file, "%llu", &spent[count]) == 1)
            count++;
        fclose(file);
    }
    closedir(tasks);
    return count;
}

/* All threads of a session work: none has less than a part of the time of the busiest, which is more than waking up takes. */
static void threads_work(ncg_session *session, int threads, const void *const *inputs, const int64_t *rows)
{
    enum { MOST = 64 };
    ncg_error *err;
    unsigned long long before[MOST], after[MOST];
    void *outputs[] = {made[0], made[0] + 2 * MANY};
    int known = time_of_threads(before, MOST), busy = 0;
    for (time_t end = time(NULL) + 60; busy < threads && time(NULL) < end;) {
        for (int i = 0; i < 200; i++)
            OK(ncg_run(session, MANY, inputs, rows, NULL, outputs, NULL, &err));
        /* no thread begins or ends meanwhile, so they come in the same order */
        HOLDS(time_of_threads(after, MOST) == known);
        unsigned long long longest = 1000000;
        for (int i = 0; i < known; i++)
            if (after[i] - before[i] > longest)
                longest = after[i] - before[i];
        busy = 0;
        for (int i = 0; i < known; i++)
            busy += after[i] - before[i] > longest / 5;
    }
    HOLDS(busy == threads);
}
#endif

/* One thread and three write the same, wherever it goes. */
static void shared_by_threads(ncg_model *model, const char *engine)
{
    static const int threads[2] = {1, 3};
    ncg_error *err;
    const int64_t rows[] = {NUMBERS, 3, 1, NUMBERS, 1, NUMBERS};
    const void *inputs[] = {given[0], &given[0][6], &given[0][9]};
    double sums[2][PARAMETERS];
    ncg_session *by[2];
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < NUMBERS; j++)
            given[i][j] = sin(i + 100.0 * j);
    for (int t = 0; t < 2; t++)
        by[t] = session(model, engine, "f64", threads[t]);
    for (size_t l = 0; l < sizeof layouts / sizeof *layouts; l++)
        for (int sweeps = 0; sweeps < 2; sweeps++) {
            const struct layout *at = &layouts[l];
            for (int t = 0; t < 2; t++) {
                void *outputs[] = {place(made[t], at->a), place(made[t], at->b)};
                void *d_inputs[] = {place(made[t], at->dm), place(made[t], at->dv), place(made[t], at->ds)};
                void *d_parameters[] = {sums[t], &sums[t][2]};
                for (long i = 0; i < (long)MANY * ROOM; i++)
                    made[t][i] = -7;
                if (sweeps)
                    OK(ncg_run_gradient(by[t], MANY, inputs, rows, NULL, NULL, NULL, outputs, at->to, d_inputs, at->back,
                                        d_parameters, &err));
                else
                    OK(ncg_run(by[t], MANY, inputs, rows, NULL, outputs, at->to, &err));
            }
            HOLDS(!memcmp(made[0], made[1], sizeof made[0]));
            HOLDS(!sweeps || !memcmp(sums[0], sums[1], sizeof sums[0]));
            HOLDS(made[0][(at->a < 0 ? at->b : at->a)] != -7);
        }
#ifdef __linux__
    if (!strcmp(engine, "native"))
        for (int t = 0; t < 2; t++)
            threads_work(by[t], threads[t], inputs, rows);
#endif
    /* the outputs in the place of inputs */
    for (int t = 0; t < 2; t++) {
        memcpy(made[t], given, sizeof given);
        const void *from[] = {made[t], made[t] + 6, made[t] + 9};
        void *into[] = {made[t] + 6, made[t] + 9};
        OK(ncg_run(by[t], MANY, from, rows, NULL, into, (int64_t[]){NUMBERS, 1, NUMBERS}, &err));
    }
    HOLDS(!memcmp(made[0], made[1], sizeof given) && memcmp(made[0], given, sizeof given));
    ncg_session_free(by[0]);
    ncg_session_free(by[1]);
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
    ncg_session *one = session(model, argv[1], "f64", 1), *narrow = session(model, argv[1], "f32", 1);
    same_digits(one);
    refused(one);
    single(narrow);
    shared_by_threads(model, argv[1]);
    ncg_session_free(one);
    ncg_session_free(narrow);
    ncg_model_free(model);
    puts("ok");
    return 0;
}
