/* Watches a fit, stops it from another thread, and lets it go on. */
#include <cmath>
#include <cstdio>
#include <thread>
#include <vector>

#include "ncg.hpp"

int main()
{
    constexpr std::size_t n = 100;
    std::vector<double> x(2 * n), y(n);
    for (std::size_t s = 0; s < n; s++) {
        x[2 * s] = 0.5 + 0.05 * static_cast<double>(s);
        x[2 * s + 1] = s % 2 ? 1.0 : -1.5;
        y[s] = 2.5 * x[2 * s + 1] * std::exp(-0.75 * x[2 * s]);
    }
    ncg::fit fit(ncg::model::load("examples/models/screened-force.scm"));
    fit.set_data(ncg::rows(x, 2), y);

    /* A closure, called on the thread that runs the fit. What it throws stops the fit and comes out of run(). */
    int calls = 0;
    fit.set_callback([&](const ncg::progress &now) {
        std::fprintf(stderr, "iteration %d: loss %g\n", static_cast<int>(now.iteration), now.loss);
        if (++calls == 2) /* as if the user interface had a button */
            std::thread([&] { fit.cancel(); }).join();
        return false; /* true would stop the fit, too */
    });

    /* stopping is no failure: the best values so far are there, and the fit can go on from them */
    const bool stopped = fit.run() == NCG_FIT_STOPPED;
    const bool finite = std::isfinite(fit.parameters()[0]);
    std::printf("stopped: %s, k is finite: %s\n", stopped ? "yes" : "no", finite ? "yes" : "no");
    fit.run();
    std::printf("k = %.6f, a = %.6f\n", fit.parameters()[0], fit.parameters()[1]);
}
