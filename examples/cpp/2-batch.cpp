/* All particles in one call, read from and written to the simulator's own records. */
#include <array>
#include <cstdio>
#include <vector>

#include "ncg.hpp"

/* What the simulator keeps. The model reads two of the fields and fills a third. */
struct particle {
    double mass, position[3];
    double r, q;
    double force;
};

int main()
{
    constexpr std::int64_t n = 100, record = sizeof(particle) / sizeof(double);
    std::vector<particle> particles(n);
    for (std::size_t s = 0; s < n; s++) {
        particles[s].r = 0.5 + 0.05 * static_cast<double>(s);
        particles[s].q = s % 2 ? 1.0 : -1.5;
    }
    const ncg::model model = ncg::model::load("examples/models/screened-force.scm");
    const ncg::session session(model);

    /* Tables are views: where the first number is, samples, entries, and two strides. Nothing is copied. p gives the
       parameters k and a values of their own. */
    const std::array<double, 2> p{2.5, 0.75};
    session.eval({&particles[0].r, n, 2, record, 1}, p, {&particles[0].force, n, 1, record, 1});

    double total = 0;
    for (const particle &one : particles)
        total += one.force;
    std::printf("force on particle 8: %.6f\ntotal %.6f\n", particles[7].force, total);
}
