/* The time of one call for one sample from C++: benches/hosts/run. */
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include "ncg.hpp"

int main()
{
    const ncg::model model = ncg::model::compile("(parameter k 2) (/ (* k q1 q2) (square r))");
    const ncg::session session(model, ncg::options().set("engine", "native"));
    std::array<double, 3> x{1, 2, 3};
    std::array<double, 1> y;
    double best = 1e30;
    for (int round = 0; round < 2000; round++) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < 1000; i++)
            session.eval(ncg::rows(x, 3), y);
        const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - start;
        best = std::min(best, time.count() / 1000);
    }
    std::printf("C++      %6.1f\n", best);
}
