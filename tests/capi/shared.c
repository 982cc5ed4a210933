/*
 * A fit that threads share as ranks of a parallel program would: the same digits from any number of them, one that is asked to
 * stop stops all, one that fails or has no data lets none wait. Prints "ok".
 *
 *     shared ENGINE
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>

#include "expect.h"

enum { BLOCKS = 7, SAMPLES = 37, N = BLOCKS * SAMPLES - 5, MOST = 7 };

static const char SOURCE[] = "(input r) (input q) (parameter k 1 0 100) (parameter a 1) (* k q (exp (- (* a r))))";
static const char *engine;
static double x[N][2], y[N], expected[8];

/* What the threads of one fit have in common: a place for all numbers, and a barrier. */
struct team {
    int ranks, stop_at, fail_at, calls;
    /* The rank that sets no data, or -1, and the one that sets those of all. */
    int empty, greedy;
    double *all;
    pthread_barrier_t barrier;
};
struct rank {
    struct team *team;
    int number;
    ncg_fit *fit;
    int32_t stop, status;
    double found[8];
};

static int first(int rank, int ranks) { return BLOCKS * rank / ranks; }

static int32_t gather(void *user_data, const double *own, int64_t n_own, double *all, int64_t n_all)
{
    struct rank *rank = user_data;
    struct team *team = rank->team;
    int64_t each = n_all / BLOCKS;
    if (rank->number == 0)
        team->all = all;
    pthread_barrier_wait(&team->barrier);
    memcpy(team->all + each * first(rank->number, team->ranks), own, (size_t)n_own * sizeof *own);
    if (rank->number == 0)
        team->calls++;
    pthread_barrier_wait(&team->barrier);
    if (rank->number != 0)
        memcpy(all, team->all, (size_t)n_all * sizeof *all);
    int last = rank->number == team->ranks - 1;
    if (last && team->calls == team->stop_at)
        ncg_fit_cancel(rank->fit);
    pthread_barrier_wait(&team->barrier);
    return team->calls == team->fail_at;
}

static void *take_part(void *data)
{
    struct rank *rank = data;
    ncg_error *err = NULL;
    ncg_options *options;
    ncg_model *model;
    int begin = SAMPLES * first(rank->number, rank->team->ranks), end = SAMPLES * first(rank->number + 1, rank->team->ranks);
    if (end > N)
        end = N;
    if (rank->number == rank->team->greedy) {
        begin = 0;
        end = N;
    }
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", engine, &err));
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, NULL, &model, &err));
    OK(ncg_fit_new(model, options, &rank->fit, &err));
    if (rank->number != rank->team->empty)
        OK(ncg_fit_set_data_f64(rank->fit, end - begin, x[begin], 2, 1, y + begin, 1, 1, NULL, 0, 0, &err));
    OK(ncg_fit_share(rank->fit, BLOCKS, SAMPLES, gather, rank, &err));
    rank->status = ncg_fit_run(rank->fit, &rank->stop, &err);
    ncg_error_free(err);
    if (rank->status == NCG_OK) {
        double moving;
        OK(ncg_fit_stat(rank->fit, "parameters", &moving, &err));
        OK(ncg_fit_parameters(rank->fit, rank->found, 2, &err));
        OK(ncg_fit_covariance(rank->fit, rank->found + 2, 4, &err));
        OK(ncg_fit_stat(rank->fit, "loss", rank->found + 6, &err));
        rank->found[7] = moving;
    }
    ncg_fit_free(rank->fit);
    ncg_model_free(model);
    ncg_options_free(options);
    return NULL;
}

static void run(struct rank *rank, struct team *team, int ranks, int stop_at, int fail_at, int empty, int greedy)
{
    pthread_t thread[MOST];
    *team = (struct team){.ranks = ranks, .stop_at = stop_at, .fail_at = fail_at, .empty = empty, .greedy = greedy};
    pthread_barrier_init(&team->barrier, NULL, (unsigned)ranks);
    for (int i = 0; i < ranks; i++) {
        rank[i] = (struct rank){.team = team, .number = i};
        HOLDS(pthread_create(&thread[i], NULL, take_part, &rank[i]) == 0);
    }
    for (int i = 0; i < ranks; i++)
        pthread_join(thread[i], NULL);
    pthread_barrier_destroy(&team->barrier);
}

static void alone(void)
{
    ncg_error *err;
    ncg_options *options;
    ncg_model *model;
    ncg_fit *fit;
    int32_t stop;
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", engine, &err));
    OK(ncg_model_compile(SOURCE, sizeof SOURCE - 1, NULL, &model, &err));
    OK(ncg_fit_new(model, options, &fit, &err));
    EXPECT(ARG, "\"gather\" is NULL", ncg_fit_share(fit, 1, 1, NULL, NULL, &err));
    EXPECT(ARG, "at least one block", ncg_fit_share(fit, 0, 1, gather, NULL, &err));
    EXPECT(ARG, "\"n_blocks\"", ncg_fit_share(fit, -1, 1, gather, NULL, &err));
    EXPECT(ARG, "\"fit\" is NULL", ncg_fit_share(NULL, 1, 1, gather, NULL, &err));
    OK(ncg_fit_set_data_f64(fit, N, x[0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    OK(ncg_fit_run(fit, &stop, &err));
    OK(ncg_fit_parameters(fit, expected, 2, &err));
    OK(ncg_fit_covariance(fit, expected + 2, 4, &err));
    OK(ncg_fit_stat(fit, "loss", expected + 6, &err));
    expected[7] = 2;
    ncg_fit_free(fit);
    OK(ncg_options_set_str(options, "optimizer", "adam", &err));
    OK(ncg_fit_new(model, options, &fit, &err));
    EXPECT(NCG_ERR_UNSUPPORTED, "optimizer=levmar", ncg_fit_share(fit, 1, 1, gather, NULL, &err));
    ncg_fit_free(fit);
    ncg_model_free(model);
    ncg_options_free(options);
}

int main(int argc, char **argv)
{
    static struct rank one[MOST], many[MOST];
    struct team team;
    if (argc < 2)
        return 2;
    engine = argv[1];
    for (int i = 0; i < N; i++) {
        x[i][0] = 0.5 + 0.02 * i;
        x[i][1] = i % 2 ? 1.0 : -1.5;
        y[i] = 2.5 * x[i][1] * exp(-0.75 * x[i][0]) + 0.01 * sin((double)i * i);
    }
    alone();
    run(one, &team, 1, 0, 0, -1, -1);
    HOLDS(one[0].status == NCG_OK && one[0].stop >= NCG_FIT_GRADIENT && one[0].stop <= NCG_FIT_STEP);
    /* not the digits of a fit by one process without blocks, but its result */
    for (int i = 0; i < 8; i++)
        HOLDS(fabs(one[0].found[i] - expected[i]) <= 1e-8 * fabs(expected[i]));
    for (int ranks = 2; ranks <= MOST; ranks++) {
        run(many, &team, ranks, 0, 0, -1, -1);
        for (int i = 0; i < ranks; i++)
            HOLDS(many[i].status == NCG_OK && !memcmp(many[i].found, one[0].found, sizeof one[0].found));
    }
    /* one is asked to stop: all do, at the same place, with a result */
    run(many, &team, 3, 4, 0, -1, -1);
    for (int i = 0; i < 3; i++) {
        HOLDS(many[i].status == NCG_OK && many[i].stop == NCG_FIT_STOPPED);
        HOLDS(!memcmp(many[i].found, many[0].found, sizeof many[0].found) && isfinite(many[0].found[6]));
    }
    /* the gathering fails: all say so */
    run(many, &team, 3, 0, 3, -1, -1);
    for (int i = 0; i < 3; i++)
        HOLDS(many[i].status == NCG_ERR_ENGINE);
    /* one has no data: none waits for it */
    run(many, &team, 3, 0, 0, 1, -1);
    for (int i = 0; i < 3; i++)
        HOLDS(many[i].status == (i == 1 ? NCG_ERR_ARGUMENT : NCG_ERR_ENGINE));
    HOLDS(team.calls == 1);
    /* one has more than its place, and its gather writes all of it: into room that is there */
    for (int ranks = 2; ranks <= MOST; ranks++)
        for (int greedy = 0; greedy < ranks; greedy++) {
            run(many, &team, ranks, 0, 0, -1, greedy);
            for (int i = 0; i < ranks; i++)
                HOLDS(many[i].status == NCG_ERR_ARGUMENT);
            HOLDS(team.calls == 1);
        }
    puts("ok");
    return 0;
}
