/* A separate project in C++: reads the installed interpreter, where it is told of one, and binds a program to it. */
#include <cstdio>
#include <vector>

#include <ncg.hpp>

int main(int argc, char **argv)
{
    try {
        const char *const source = "(* 2 (square x))";
        const ncg::model model =
            argc > 1 ? ncg::model::load(argv[1]).bind_program(source) : ncg::model::compile(source);
        std::vector<double> x{3, 4}, y(2);
        ncg::session(model).eval(x, y);
        std::printf("C++ %g %g\n", y[0], y[1]);
    } catch (const ncg::error &failure) {
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
        return 1;
    }
    return 0;
}
