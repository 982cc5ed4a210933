/* All particles in one call, read from and written to the simulator's own records: 2-batch [MODEL [ENGINE]] */
#include "check.h"

/* What the simulator keeps. The model reads two of the fields and fills a third. */
struct particle {
    double mass, position[3];
    double r, q;
    double force;
};

int main(int argc, char **argv)
{
    enum { N = 100, RECORD = sizeof(struct particle) / sizeof(double) };
    static struct particle particles[N];
    ncg_options *options;
    ncg_model *model;
    ncg_session *session;

    check(ncg_model_load(argc > 1 ? argv[1] : "examples/models/screened-force.scm", &model, &err));
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", argc > 2 ? argv[2] : "auto", &err));
    check(ncg_session_new(model, options, &session, &err));
    for (int s = 0; s < N; s++) {
        particles[s].r = 0.5 + 0.05 * s;
        particles[s].q = s % 2 ? 1.0 : -1.5;
    }

    /* Entry i of sample s is x[s*RECORD + i]: strides are counted in elements, and nothing is copied. One call for all
       particles is what makes it fast. The last column of arguments gives the parameters k and a values of their own. */
    const double p[2] = {2.5, 0.75};
    check(ncg_eval_f64(session, N, &particles[0].r, RECORD, 1, p, &particles[0].force, RECORD, 1, &err));

    double total = 0;
    for (int s = 0; s < N; s++)
        total += particles[s].force;
    printf("force on particle 8: %.6f\ntotal %.6f\n", particles[7].force, total);
    ncg_model_free(model);
    ncg_session_free(session);
    ncg_options_free(options);
    return 0;
}
