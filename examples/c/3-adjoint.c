/* The gradient of a whole simulation: its own adjoint code, with the model's reverse sweep inside.
 *
 * A particle is pushed by a force that the model gives; how does the place where it ends hang on the model's constants? */
#include "check.h"

enum { STEPS = 50 };
static const double dt = 0.1, q = 1.0;

/* Runs the simulator, keeping what the way back needs; returns where the particle ends. */
static double forward(ncg_session *session, const double p[2], double x[STEPS][2])
{
    double r = 1, v = 0, force;
    for (int n = 0; n < STEPS; n++) {
        x[n][0] = r;
        x[n][1] = q;
        check(ncg_eval_f64(session, 1, x[n], 2, 1, p, &force, 1, 1, &err));
        v += dt * force;
        r += dt * v;
    }
    return r;
}

int main(void)
{
    const double p[2] = {1.0, 0.5};
    double x[STEPS][2], dx[2], dp[2], k_bar = 0, a_bar = 0;
    ncg_model *model;
    ncg_session *session;

    check(ncg_model_load("examples/models/screened-force.scm", &model, &err));
    check(ncg_session_new(model, NULL, &session, &err));
    printf("the particle ends at r = %.5f\n", forward(session, p, x));

    /* Each line of a step backwards. The seed is the adjoint of the force; the sweep gives that of its inputs, dx, and
       adds to those of its parameters. */
    double r_bar = 1, v_bar = 0;
    for (int n = STEPS - 1; n >= 0; n--) {
        v_bar += dt * r_bar;
        const double force_bar = dt * v_bar;
        check(ncg_grad_f64(session, 1, x[n], 2, 1, p, &force_bar, 1, 1, NULL, 0, 0, dx, 2, 1, dp, &err));
        r_bar += dx[0];
        k_bar += dp[0];
        a_bar += dp[1];
    }
    printf("dr/dk = %.5f\ndr/da = %.5f\n", k_bar, a_bar);
    ncg_model_free(model);
    ncg_session_free(session);
    return 0;
}
