/*
 * Evaluates, differentiates and fits a model from C++.
 *
 *     fit MODEL [ENGINE]
 *
 * MODEL is a .ncg, .onnx or .scm file with the inputs r and q, the parameters k and a, and one output, k q exp(-a r):
 * examples/models/screened-force.scm is one. ENGINE is native, onnxruntime or auto. After `cargo build --release`, from the
 * project's root:
 *
 *     c++ -std=c++17 examples/cpp/fit.cpp -Iinclude -Ibindings/cpp -Ltarget/release -lncg \
 *         -Wl,-rpath,$PWD/target/release -o target/fit_cpp
 *     target/fit_cpp examples/models/screened-force.scm
 */
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <vector>

#include "ncg.hpp"

/* What a simulator keeps for each particle. The model needs two of the fields and fills a third. */
struct particle {
    double mass;
    double position[3];
    double r, q;
    double force;
};

constexpr std::int64_t record = sizeof(particle) / sizeof(double);

int fit_model(const char *path, const char *engine)
{
    const ncg::options options = ncg::options().set("engine", engine);
    const ncg::model model = ncg::model::load(path);
    const ncg::session session(model, options);
    std::printf("engine %s\n", session.describe().c_str());

    /* The forces on all particles, straight from and to the records. */
    std::vector<particle> particles(100);
    const auto n = static_cast<std::int64_t>(particles.size());
    for (std::size_t s = 0; s < particles.size(); s++) {
        particles[s].r = 0.5 + 0.05 * static_cast<double>(s);
        particles[s].q = s % 2 ? 1.0 : -1.5;
    }
    const std::array<double, 2> truth{2.5, 0.75};
    const ncg::table<const double> x(&particles[0].r, n, 2, record, 1);
    const ncg::table<double> force(&particles[0].force, n, 1, record, 1);
    session.eval(x, truth, force);
    double worst = 0;
    for (const particle &one : particles)
        worst = std::max(worst, std::fabs(one.force - truth[0] * one.q * std::exp(-truth[1] * one.r)));
    std::printf("largest deviation %s\n", worst < 1e-14 ? "below 1e-14" : "TOO LARGE");

    /* The gradient at one particle: by its inputs, and by the parameters. */
    std::array<double, 1> y;
    std::array<double, 2> dx, dp;
    ncg::session::sweep sweep;
    sweep.y = y;
    sweep.dx = ncg::rows(dx, 2);
    sweep.dp = dp;
    session.gradient(ncg::table<const double>(&particles[7].r, 1, 2, record, 1), truth, sweep);
    std::printf("force %.12f\ndforce/dr %.12f\ndforce/dk %.12f\n", y[0], dx[0], dp[0]);

    /* The parameters back from the forces. A closure is told of the progress. */
    int calls = 0;
    ncg::fit fit(model, options);
    fit.add_parameter("k", 1.0, 0.0, 100.0).add_parameter("a", 1.0).set_data(x, force);
    fit.set_callback([&calls](const ncg::progress &now) {
        calls++;
        return now.iteration > 500;
    });
    const auto stop = fit.run();
    const auto values = fit.parameters();
    std::printf("converged %s\n", stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP ? "yes" : "no");
    std::printf("k %.9f\na %.9f\n", values[0], values[1]);
    std::printf("callback %s\n", calls > 0 ? "called" : "NEVER CALLED");
    std::fputs(fit.report().c_str(), stderr);
    std::printf("baked k %.9f\n", fit.bake().parameter_value("k"));
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::fprintf(stderr, "usage: fit MODEL [ENGINE]\n");
        return 2;
    }
    try {
        return fit_model(argv[1], argc > 2 ? argv[2] : "auto");
    } catch (const ncg::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
        return 1;
    }
}
