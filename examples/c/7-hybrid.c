/* Fits a constant of physics together with a network for what is not known: the friction of a pendulum. */
#include <math.h>
#include <string.h>

#include "check.h"

/* The acceleration. Friction has the sign of the speed, whatever the network's weights. */
static const char MODEL[] = "(parameter k 1) (import friction \"friction.onnx\")"
                            "(define (odd w) (* 0.5 (- (friction w) (friction (- w)))))"
                            "(- (+ (* k (sin angle)) (odd w)))";

static double truth(double w)
{
    return 0.1 * w + 0.15 * w * fabs(w) + 0.4 * tanh(2 * w);
}

int main(void)
{
    enum { N = 200, MOST = 64 };
    double x[N][2], y[N], weight[N], value[MOST], still[2] = {0.0, 2.0}, acceleration;
    ncg_options *options;
    ncg_model *model;
    ncg_session *session;
    ncg_fit *fit;
    int32_t stop;

    /* a text may import what lies in the folder that it is told */
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "folder", "examples/hybrid", &err));
    check(ncg_model_compile(MODEL, (int64_t)strlen(MODEL), options, &model, &err));
    for (int s = 0; s < N; s++) {
        x[s][0] = 1.5 * sin(0.37 * s);
        x[s][1] = 3 * sin(0.73 * s + 1);
        y[s] = -9 * sin(x[s][0]) - truth(x[s][1]) + 0.01 * sin(s * s);
        weight[s] = 1 / (0.01 * 0.01);
    }

    /* all weights of the network move with k; what is expected of them keeps them small */
    check(ncg_options_set_str(options, "prior", "friction.*=0:3", &err));
    check(ncg_options_set_str(options, "noise", "known", &err));
    check(ncg_fit_new(model, options, &fit, &err));
    check(ncg_fit_set_data_f64(fit, N, &x[0][0], 2, 1, y, 1, 1, weight, 1, 1, &err));
    check(ncg_fit_run(fit, &stop, &err));
    int64_t count = ncg_model_count(model, NCG_PARAMETER);
    check(ncg_fit_parameters(fit, value, count < MOST ? count : MOST, &err));
    printf("%d parameters, k = %.1f\n", (int)count, value[ncg_model_index(model, NCG_PARAMETER, "k")]);

    /* hanging straight down, friction alone acts */
    check(ncg_session_new(model, options, &session, &err));
    check(ncg_eval_f64(session, 1, still, 2, 1, value, &acceleration, 1, 1, &err));
    printf("friction at 2 rad/s: %.1f, in truth %.1f\n", -acceleration, truth(2));
    ncg_session_free(session);
    ncg_fit_free(fit);
    ncg_model_free(model);
    ncg_options_free(options);
    return 0;
}
