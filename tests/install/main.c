/* A separate project in C: evaluates a model through the installed library. */
#include <stdio.h>
#include <string.h>

#include <ncg.h>

int main(void)
{
    const char *source = "(parameter k 2) (* k (square x))";
    const double x[2] = {3, 4};
    double y[2] = {0, 0};
    ncg_model *model = NULL;
    ncg_session *session = NULL;
    ncg_error *error = NULL;
    if (ncg_version() != NCG_VERSION)
        return 2;
    if (ncg_model_compile(source, (int64_t)strlen(source), NULL, &model, &error) != NCG_OK
        || ncg_session_new(model, NULL, &session, &error) != NCG_OK
        || ncg_eval_f64(session, 2, x, 1, 1, NULL, y, 1, 1, &error) != NCG_OK) {
        fprintf(stderr, "%s\n", ncg_error_message(error));
        return 1;
    }
    printf("C %g %g\n", y[0], y[1]);
    ncg_session_free(session);
    ncg_model_free(model);
    return 0;
}
