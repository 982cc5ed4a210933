/* Loads a model and evaluates it once: 1-evaluate [MODEL [ENGINE]] */
#include "check.h"

int main(int argc, char **argv)
{
    ncg_options *options;
    ncg_model *model;
    ncg_session *session;

    /* a .scm, .ncg or .onnx file, told apart by what is in it */
    check(ncg_model_load(argc > 1 ? argv[1] : "examples/models/screened-force.scm", &model, &err));
    check(ncg_options_new(&options, &err));
    check(ncg_options_set_str(options, "engine", argc > 2 ? argv[2] : "auto", &err));
    /* the model can be shared by all threads; each has a session of its own */
    check(ncg_session_new(model, options, &session, &err));
    fprintf(stderr, "%s\n", ncg_session_describe(session));

    /* the order of inputs is that in which the model names them; parameters are those of the file, since none are given */
    for (int64_t i = 0; i < ncg_model_count(model, NCG_INPUT); i++)
        printf("input %s\n", ncg_model_name(model, NCG_INPUT, i));
    const double x[2] = {2.0, 1.0};
    double force;
    check(ncg_eval_f64(session, 1, x, 2, 1, NULL, &force, 1, 1, &err));
    printf("force %.6f\n", force);

    /* in any order */
    ncg_model_free(model);
    ncg_session_free(session);
    ncg_options_free(options);
    return 0;
}
