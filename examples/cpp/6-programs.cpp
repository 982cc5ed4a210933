/* Programs that arrive while the simulator runs: each is bound to the compiled interpreter and takes the place of the last. */
#include <array>
#include <cstdio>
#include <optional>
#include <string>

#include "ncg.hpp"

int main()
{
    const ncg::model interpreter = ncg::model::interpreter();
    std::optional<ncg::session> session;
    std::array<double, 1> x{0.5}, y;
    int number = 0;
    /* as if they came from an input deck or a socket; the second is wrong */
    for (const std::string program : {"(* k x)", "(* k (sine x))", "(* k (sin x))"}) {
        number++;
        try {
            /* where this throws, the old session stays */
            session = ncg::session(interpreter.bind_program("(input x) (parameter k 2) " + program));
        } catch (const ncg::error &failure) {
            /* a bad program is an error to report, and no reason to stop */
            std::printf("program %d is refused: %s\n", number, failure.name());
            std::fprintf(stderr, "%s\n", failure.what());
        }
        session->eval(x, y);
        std::printf("y = %.6f\n", y[0]);
    }
}
