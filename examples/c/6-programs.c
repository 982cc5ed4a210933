/* Programs that arrive while the simulator runs: each is bound to the compiled interpreter and takes the place of the last. */
#include <string.h>

#include "check.h"

/* as if they came from an input deck or a socket; the second is wrong */
static const char *const programs[] = {"(* k x)", "(* k (sine x))", "(* k (sin x))"};

int main(void)
{
    ncg_model *interpreter, *model;
    ncg_session *session = NULL, *next;
    double x = 0.5, y;

    check(ncg_model_interpreter(NULL, &interpreter, &err));
    for (int i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "(input x) (parameter k 2) %s", programs[i]);
        int32_t status = ncg_model_bind_program(interpreter, text, (int64_t)strlen(text), NULL, &model, &err);
        if (status == NCG_OK) {
            /* the new session first, so that there always is one to run */
            check(ncg_session_new(model, NULL, &next, &err));
            ncg_session_free(session);
            session = next;
            ncg_model_free(model); /* the session keeps what it needs of it */
        } else {
            /* a bad program is an error to report, and no reason to stop */
            printf("program %d is refused: %s\n", i + 1, ncg_status_name(status));
            fprintf(stderr, "%s\n", ncg_error_message(err));
            ncg_error_free(err);
        }
        check(ncg_eval_f64(session, 1, &x, 1, 1, NULL, &y, 1, 1, &err));
        printf("y = %.6f\n", y);
    }
    ncg_session_free(session);
    ncg_model_free(interpreter);
    return 0;
}
