/* The resident memory of a host, in kB: before the library is loaded, after a model is loaded and has been evaluated.
 *
 *     memory LIBRARY MODEL ENGINE */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

#include "ncg.h"

static long resident(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    long before = resident();
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    __typeof__(&ncg_options_new) options_new;
    __typeof__(&ncg_options_set_str) set_str;
    __typeof__(&ncg_model_load) load;
    __typeof__(&ncg_session_new) session_new;
    __typeof__(&ncg_eval_f64) eval;
    *(void **)&options_new = dlsym(library, "ncg_options_new");
    *(void **)&set_str = dlsym(library, "ncg_options_set_str");
    *(void **)&load = dlsym(library, "ncg_model_load");
    *(void **)&session_new = dlsym(library, "ncg_session_new");
    *(void **)&eval = dlsym(library, "ncg_eval_f64");
    ncg_options *options;
    ncg_model *model;
    ncg_session *session;
    double x[8] = {1, 1, 1, 1, 1, 1, 1, 1}, y[8];
    if (options_new(&options, NULL) || set_str(options, "engine", argv[3], NULL) || load(argv[2], &model, NULL)
        || session_new(model, options, &session, NULL) || eval(session, 1, x, 8, 1, NULL, y, 1, 1, NULL))
        return 1;
    printf("%s: %ld kB before, %ld kB more after\n", argv[3], before, resident() - before);
    return 0;
}
