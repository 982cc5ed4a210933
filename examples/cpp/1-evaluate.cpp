/* Loads a model and evaluates it once: 1-evaluate [MODEL [ENGINE]] */
#include <array>
#include <cstdio>

#include "ncg.hpp"

int main(int argc, char **argv)
{
    try {
        /* a .scm, .ncg or .onnx file, told apart by what is in it */
        const ncg::model model = ncg::model::load(argc > 1 ? argv[1] : "examples/models/screened-force.scm");
        const ncg::options options = ncg::options().set("engine", argc > 2 ? argv[2] : "auto");
        /* the model can be shared by all threads; each has a session of its own */
        const ncg::session session(model, options);
        std::fprintf(stderr, "%s\n", session.describe().c_str());

        /* the order of inputs is that in which the model names them; parameters are those of the file */
        for (const std::string &name : model.names(NCG_INPUT))
            std::printf("input %s\n", name.c_str());
        const std::array<double, 2> x{2.0, 1.0};
        std::array<double, 1> force;
        session.eval(ncg::rows(x, 2), force);
        std::printf("force %.6f\n", force[0]);
    } catch (const ncg::error &failure) {
        /* what fails throws; the message names the thing, and the place in the source where there is one */
        std::fprintf(stderr, "%s: %s\n", failure.name(), failure.what());
        return 1;
    }
}
