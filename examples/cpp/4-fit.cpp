/* Fits the constants of a model to observations. */
#include <cmath>
#include <cstdio>
#include <vector>

#include "ncg.hpp"

int main()
{
    constexpr std::size_t n = 100;
    /* observations of k = 2.5, a = 0.75, and what stands for noise */
    std::vector<double> x(2 * n), y(n);
    for (std::size_t s = 0; s < n; s++) {
        x[2 * s] = 0.5 + 0.05 * static_cast<double>(s);
        x[2 * s + 1] = s % 2 ? 1.0 : -1.5;
        y[s] = 2.5 * x[2 * s + 1] * std::exp(-0.75 * x[2 * s]) + 0.01 * std::sin(static_cast<double>(s * s));
    }

    /* Which constants move, from where, between which bounds. The data are copied. */
    const ncg::model model = ncg::model::load("examples/models/screened-force.scm");
    ncg::fit fit(model);
    fit.add_parameter("k", 1.0, 0.0, 100.0).add_parameter("a", 1.0).set_data(ncg::rows(x, 2), y);
    const auto stop = fit.run();
    std::printf("converged: %s\n", stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP ? "yes" : "no");
    const std::vector<double> value = fit.parameters(), covariance = fit.covariance();
    std::printf("k = %.4f +- %.4f\n", value[0], std::sqrt(covariance[0]));
    std::printf("a = %.4f +- %.4f\n", value[1], std::sqrt(covariance[3]));
    std::fputs(fit.report().c_str(), stderr);

    /* the same model with these values: evaluate it, save it, export it */
    std::printf("the fitted model has k = %.4f\n", fit.bake().parameter_value("k"));
}
