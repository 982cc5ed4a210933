/* Fits a constant of physics together with a network for what is not known: the friction of a pendulum. */
#include <cmath>
#include <cstdio>
#include <vector>

#include "ncg.hpp"

/* The acceleration. Friction has the sign of the speed, whatever the network's weights. */
static const char model_text[] = R"((parameter k 1) (import friction "friction.onnx")
    (define (odd w) (* 0.5 (- (friction w) (friction (- w)))))
    (- (+ (* k (sin angle)) (odd w))))";

static double truth(double w)
{
    return 0.1 * w + 0.15 * w * std::abs(w) + 0.4 * std::tanh(2 * w);
}

int main()
{
    constexpr std::size_t n = 200;
    std::vector<double> x(2 * n), y(n), weight(n, 1 / (0.01 * 0.01));
    for (std::size_t i = 0; i < n; i++) {
        const double s = static_cast<double>(i);
        x[2 * i] = 1.5 * std::sin(0.37 * s);
        x[2 * i + 1] = 3 * std::sin(0.73 * s + 1);
        y[i] = -9 * std::sin(x[2 * i]) - truth(x[2 * i + 1]) + 0.01 * std::sin(s * s);
    }

    /* A text may import what lies in the folder that it is told. All weights of the network move with k; what is expected of
     * them keeps them small. */
    ncg::options options;
    options.set("folder", "examples/hybrid").set("prior", "friction.*=0:3").set("noise", "known");
    const ncg::model model = ncg::model::compile(model_text, options);
    ncg::fit fit(model, options);
    fit.set_data(ncg::rows(x, 2), y, weight);
    fit.run();
    const std::vector<double> value = fit.parameters();
    std::printf("%d parameters, k = %.1f\n", static_cast<int>(value.size()), value[model.index(NCG_PARAMETER, "k")]);

    /* hanging straight down, friction alone acts */
    const ncg::session session(model, options);
    std::vector<double> still{0, 2}, acceleration(1);
    session.eval(ncg::rows(still, 2), value, acceleration);
    std::printf("friction at 2 rad/s: %.1f, in truth %.1f\n", -acceleration[0], truth(2));
}
