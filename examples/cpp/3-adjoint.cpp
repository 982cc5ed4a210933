/* The gradient of a whole simulation: its own adjoint code, with the model's reverse sweep inside.
 *
 * A particle is pushed by a force that the model gives; how does the place where it ends hang on the model's constants? */
#include <array>
#include <cstdio>

#include "ncg.hpp"

int main()
{
    constexpr std::size_t steps = 50;
    constexpr double dt = 0.1, q = 1.0;
    const std::array<double, 2> p{1.0, 0.5};
    const ncg::model model = ncg::model::load("examples/models/screened-force.scm");
    const ncg::session session(model);

    /* the simulator, which keeps what the way back needs */
    std::array<std::array<double, 2>, steps> x;
    std::array<double, 1> force;
    double r = 1, v = 0;
    for (auto &now : x) {
        now = {r, q};
        session.eval(ncg::rows(now, 2), p, force);
        v += dt * force[0];
        r += dt * v;
    }
    std::printf("the particle ends at r = %.5f\n", r);

    /* Each line of a step backwards. The seed is the adjoint of the force; the sweep gives that of its inputs, dx, and
       of its parameters. */
    std::array<double, 1> force_bar;
    std::array<double, 2> dx, dp, p_bar{};
    ncg::session::sweep sweep;
    sweep.seed = force_bar;
    sweep.dx = ncg::rows(dx, 2);
    sweep.dp = dp;
    double r_bar = 1, v_bar = 0;
    for (auto now = x.rbegin(); now != x.rend(); ++now) {
        v_bar += dt * r_bar;
        force_bar[0] = dt * v_bar;
        session.gradient(ncg::rows(*now, 2), p, sweep);
        r_bar += dx[0];
        p_bar[0] += dp[0];
        p_bar[1] += dp[1];
    }
    std::printf("dr/dk = %.5f\ndr/da = %.5f\n", p_bar[0], p_bar[1]);
}
