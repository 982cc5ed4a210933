/*
 * Trains a network inside a physical model, in a running program: the friction of a pendulum.
 *
 *     hybrid FOLDER
 *
 * FOLDER is examples/hybrid. The program swings a pendulum whose friction the model does not know, observes its angle, and fits
 * hybrid.scm to that: the constant k and the weights of the network together. After `cargo build --release`, from the project's
 * root:
 *
 *     cc examples/hybrid/train.c -Iinclude -Ltarget/release -lncg -lm -Wl,-rpath,$PWD/target/release -o target/hybrid_c
 *     target/hybrid_c examples/hybrid
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ncg.h"

/* Where a failed call puts its error. */
static ncg_error *err;

static void check(int32_t status)
{
    if (status != NCG_OK) {
        fprintf(stderr, "%s: %s\n", ncg_status_name(status), ncg_error_message(err));
        ncg_error_free(err);
        exit(1);
    }
}

/* The truth: what the model is to find. */
static double friction(double w)
{
    return 0.1 * w + 0.15 * w * fabs(w) + 0.4 * tanh(2 * w);
}

/* Moves the pendulum on by 0.05 s, in small steps (Stoermer and Verlet, friction at the middle). */
static void swing(double *angle, double *w)
{
    const int fine = 500;
    const double h = 0.05 / fine;
    for (int i = 0; i < fine; i++) {
        *angle += 0.5 * h * *w;
        double middle = *w + 0.5 * h * (-9 * sin(*angle) - friction(*w));
        *w += h * (-9 * sin(*angle) - friction(middle));
        *angle += 0.5 * h * *w;
    }
}

#define RELEASES 2
#define STEPS 50
#define N (RELEASES * STEPS)

/* An observation: what the model is given, what it is to say, and one over the variance of that. */
struct row {
    double release, step;
    double angle;
    double weight;
};

#define ROW ((int64_t)(sizeof(struct row) / sizeof(double)))

int main(int argc, char **argv)
{
    static const double releases[RELEASES] = {1.0, 1.8}, sigma = 0.002;
    /* The same parameters in the same order as hybrid.scm: the friction that it has found. */
    static const char law[] = "(parameter k 1) (import friction \"friction.onnx\")"
                              "(* 0.5 (- (friction w) (friction (- w))))";
    static struct row rows[N];
    char path[4096];
    ncg_options *options;
    ncg_model *model, *found;
    ncg_session *session;
    ncg_fit *fit;
    int32_t stop;

    if (argc < 2 || strlen(argv[1]) > sizeof path - 20) {
        fprintf(stderr, "usage: hybrid FOLDER\n");
        return 2;
    }
    for (int r = 0; r < RELEASES; r++) {
        double angle = releases[r], w = 0;
        for (int i = 0; i < STEPS; i++) {
            struct row *row = &rows[r * STEPS + i];
            swing(&angle, &w);
            row->release = releases[r];
            row->step = i + 1;
            row->angle = angle;
            row->weight = 1 / (sigma * sigma);
        }
    }

    /* A file imports the network from where it lies. */
    sprintf(path, "%s/hybrid.scm", argv[1]);
    check(ncg_model_load(path, &model, &err));
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", "native", &err));
    check(ncg_options_set_str(options, "noise", "known", &err));
    check(ncg_options_set_str(options, "prior", "friction.*=0:3", &err));
    check(ncg_options_set_int(options, "max_iterations", 80, &err));
    check(ncg_options_set_real(options, "ftol", 1e-5, &err));
    check(ncg_fit_new(model, options, &fit, &err));
    check(ncg_fit_set_data_f64(fit, N, &rows[0].release, ROW, 1, &rows[0].angle, ROW, 1, &rows[0].weight, ROW, 1, &err));
    check(ncg_fit_run(fit, &stop, &err));

    int64_t count = ncg_model_count(model, NCG_PARAMETER);
    double *values = malloc((size_t)count * sizeof *values);
    if (!values)
        return 1;
    check(ncg_fit_parameters(fit, values, count, &err));
    printf("%d parameters, k = %.1f\n", (int)count, values[ncg_model_index(model, NCG_PARAMETER, "k")]);

    /* A text from memory imports what lies in the folder that it is told. */
    double speeds[5] = {0.25, 0.5, 1.0, 2.0, 3.0}, drag[5], worst = 0;
    check(ncg_options_set_str(options, "folder", argv[1], &err));
    check(ncg_model_compile(law, (int64_t)strlen(law), options, &found, &err));
    check(ncg_session_new(found, options, &session, &err));
    check(ncg_eval_f64(session, 5, speeds, 1, 1, values, drag, 1, 1, &err));
    for (int i = 0; i < 5; i++) {
        fprintf(stderr, "friction at %.2f rad/s: %.3f, in truth %.3f\n", speeds[i], drag[i], friction(speeds[i]));
        worst = fmax(worst, fabs(drag[i] - friction(speeds[i])));
    }
    printf("friction %s\n", worst < 0.1 ? "found within 0.1" : "NOT FOUND");

    free(values);
    ncg_session_free(session);
    ncg_fit_free(fit);
    ncg_model_free(model);
    ncg_model_free(found);
    ncg_options_free(options);
    return 0;
}
