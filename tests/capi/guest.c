/*
 * How the library behaves in somebody else's process: it leaves signals, masks, affinity, threads and floating-point modes as
 * they are, survives a fork, a second copy of itself and other threads, stops when it is told to, and gives memory back.
 * Prints "ok".
 *
 *     guest ENGINE MODEL COPY [OTHER]
 *
 * MODEL is a file with the inputs r and q and the parameters k and a. COPY is another copy of libncg, OTHER another ONNX Runtime.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

enum { N = 300, THREADS = 64 };

static double x[N][2], y[N];
static ncg_options *options;
static ncg_model *model;

struct digits {
    double y[N], dx[N][2], dp[2];
};

static void evaluate(struct digits *found)
{
    ncg_error *err;
    ncg_session *s;
    OK(ncg_session_new(model, options, &s, &err));
    OK(ncg_grad_f64(s, N, x[0], 2, 1, NULL, NULL, 0, 0, found->y, 1, 1, found->dx[0], 2, 1, found->dp, &err));
    ncg_session_free(s);
}

static ncg_fit *prepare(int64_t n, const char *optimizer)
{
    ncg_error *err;
    ncg_fit *fit;
    if (optimizer) {
        OK(ncg_options_set_str(options, "optimizer", optimizer, &err));
        OK(ncg_options_set_int(options, "max_iterations", 1000000000, &err));
        OK(ncg_options_set_real(options, "gtol", 0, &err));
        /* each of very many steps finds something a little better */
        OK(ncg_options_set_real(options, "learning_rate", 1e-9, &err));
    }
    OK(ncg_fit_new(model, options, &fit, &err));
    OK(ncg_fit_set_data_f64(fit, n, x[0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    return fit;
}

static void fit_once(double *value)
{
    ncg_error *err;
    int32_t stop;
    ncg_fit *fit = prepare(N, NULL);
    OK(ncg_fit_run(fit, &stop, &err));
    HOLDS(stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP);
    OK(ncg_fit_parameters(fit, value, 2, &err));
    ncg_fit_free(fit);
}

static int threads_of_process(void)
{
    char line[200];
    int count = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Threads:", 8))
            count = atoi(line + 8);
    if (file)
        fclose(file);
    return count;
}

/* What belongs to the process and not to a library in it. */
static void process_state(void)
{
    struct sigaction before[32], after;
    sigset_t mask, mask_after;
    cpu_set_t cpus, cpus_after;
    struct digits found;
    double value[2];
    int threads = threads_of_process();
    /* the kernel writes less than these hold */
    memset(&mask, 0, sizeof mask);
    memset(&mask_after, 0, sizeof mask_after);
    CPU_ZERO(&cpus);
    CPU_ZERO(&cpus_after);
    for (int i = 1; i < 32; i++)
        sigaction(i, NULL, &before[i]);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    sched_getaffinity(0, sizeof cpus, &cpus);
    evaluate(&found);
    fit_once(value);
    for (int i = 1; i < 32; i++) {
        sigaction(i, NULL, &after);
        HOLDS(after.sa_handler == before[i].sa_handler && after.sa_flags == before[i].sa_flags);
    }
    sigprocmask(SIG_SETMASK, NULL, &mask_after);
    sched_getaffinity(0, sizeof cpus_after, &cpus_after);
    HOLDS(!memcmp(&mask, &mask_after, sizeof mask) && CPU_EQUAL(&cpus, &cpus_after));
    HOLDS(threads_of_process() == threads);
}

/* Traps, directions of rounding and flags are the host's; the digits are those of the default. */
static void floating_point(void)
{
    static const int modes[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    struct digits plain, other;
    double value[2], again[2], zero = 0, infinite;
    ncg_error *err;
    ncg_model *reciprocal;
    ncg_session *s;
    evaluate(&plain);
    fit_once(value);
    OK(ncg_model_compile("(/ 1 x)", 7, options, &reciprocal, &err));
    feclearexcept(FE_ALL_EXCEPT);
    feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW);
    OK(ncg_session_new(reciprocal, options, &s, &err));
    OK(ncg_eval_f64(s, 1, &zero, 1, 1, NULL, &infinite, 1, 1, &err));
    ncg_session_free(s);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        fesetround(modes[i]);
        evaluate(&other);
        fit_once(again);
        HOLDS(fegetround() == modes[i] && fetestexcept(FE_ALL_EXCEPT) == 0);
        HOLDS(fegetexcept() == (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW));
        HOLDS(!memcmp(&plain, &other, sizeof plain) && !memcmp(value, again, sizeof value));
    }
    fesetround(FE_TONEAREST);
    fedisableexcept(FE_ALL_EXCEPT);
    HOLDS(isinf(infinite));
#ifdef __x86_64__
    /* flush to zero and denormals are zero, as -ffast-math sets them */
    unsigned before = __builtin_ia32_stmxcsr() | 0x8040;
    __builtin_ia32_ldmxcsr(before);
    evaluate(&other);
    HOLDS(__builtin_ia32_stmxcsr() == before && !memcmp(&plain, &other, sizeof plain));
    __builtin_ia32_ldmxcsr(before & ~0x8040u);
#endif
    ncg_model_free(reciprocal);
}

static struct digits of_threads[THREADS];

static void *work(void *number)
{
    evaluate(&of_threads[(size_t)number]);
    return NULL;
}

static void many_threads(void)
{
    pthread_t thread[THREADS];
    struct digits one;
    evaluate(&one);
    for (size_t i = 0; i < THREADS; i++)
        HOLDS(pthread_create(&thread[i], NULL, work, (void *)i) == 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (size_t i = 0; i < THREADS; i++)
        HOLDS(!memcmp(&of_threads[i], &one, sizeof one));
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

struct race {
    ncg_fit *fit;
    double told;
    int busy;
};

static void *cancel_later(void *data)
{
    struct race *race = data;
    ncg_error *err = NULL;
    double value;
    usleep(20000);
    /* the fit is at work: who else wants it is told so */
    race->busy = ncg_fit_stat(race->fit, "loss", &value, &err) == NCG_ERR_BUSY;
    ncg_error_free(err);
    race->told = now();
    ncg_fit_cancel(race->fit);
    return NULL;
}

/* A fit that would go on for hours ends within 50 ms of being told, in the best of a few attempts on a busy machine. */
static void stops_when_told(void)
{
    ncg_error *err;
    double best = 1e9;
    for (int attempt = 0; attempt < 10 && best > 0.05; attempt++) {
        struct race race = {prepare(N, "adam"), 0, 0};
        pthread_t thread;
        int32_t stop;
        int64_t size;
        double value[2];
        HOLDS(pthread_create(&thread, NULL, cancel_later, &race) == 0);
        OK(ncg_fit_run(race.fit, &stop, &err));
        double ended = now();
        pthread_join(thread, NULL);
        HOLDS(stop == NCG_FIT_STOPPED && race.busy);
        OK(ncg_fit_parameters(race.fit, value, 2, &err));
        OK(ncg_fit_report(race.fit, "json", NULL, 0, &size, &err));
        HOLDS(isfinite(value[0]) && size > 100);
        best = ended - race.told < best ? ended - race.told : best;
        ncg_fit_free(race.fit);
    }
    HOLDS(best < 0.05);
}

/* A child has what its parent had. */
static void forks(void)
{
    struct digits before, after;
    evaluate(&before);
    fflush(stdout);
    pid_t child = fork();
    HOLDS(child >= 0);
    if (child == 0) {
        evaluate(&after);
        _exit(memcmp(&before, &after, sizeof before) != 0);
    }
    int status = -1;
    HOLDS(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    evaluate(&after);
    HOLDS(!memcmp(&before, &after, sizeof before));
}

static void impossible_sizes(void)
{
    const int64_t far = (int64_t)1 << 45;
    ncg_error *err;
    ncg_session *s;
    ncg_fit *fit = prepare(N, NULL);
    OK(ncg_session_new(model, options, &s, &err));
    EXPECT(ARG, "lead out", ncg_eval_f64(s, INT64_MAX, x[0], 2, 1, NULL, y, 1, 1, &err));
    /* all samples at one place: only the copy is too large */
    EXPECT(NCG_ERR_MEMORY, "no memory", ncg_fit_set_data_f64(fit, far, x[0], 0, 1, y, 0, 1, NULL, 0, 0, &err));
    int32_t status = ncg_fit_set_covariance_f64(fit, far, y, &err);
    HOLDS(status == ARG || status == NCG_ERR_MEMORY);
    ncg_error_free(err);
    ncg_session_free(s);
    ncg_fit_free(fit);
}

/* Another copy of the library: its handles are its own, and both work. */
static void two_copies(const char *path)
{
    void *copy = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!copy) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    __typeof__(&ncg_model_compile) compile;
    __typeof__(&ncg_session_new) session_new;
    __typeof__(&ncg_eval_f64) eval;
    __typeof__(&ncg_model_compile) own = ncg_model_compile;
    *(void **)&compile = dlsym(copy, "ncg_model_compile");
    *(void **)&session_new = dlsym(copy, "ncg_session_new");
    *(void **)&eval = dlsym(copy, "ncg_eval_f64");
    HOLDS(compile && session_new && eval && compile != own);
    ncg_error *err;
    ncg_model *theirs;
    ncg_session *s;
    struct digits found;
    double one = 1, two;
    OK(compile("(* 2 x)", 7, NULL, &theirs, &err));
    OK(session_new(theirs, NULL, &s, &err));
    OK(eval(s, 1, &one, 1, 1, NULL, &two, 1, 1, &err));
    evaluate(&found);
    HOLDS(two == 2 && isfinite(found.dp[0]));
}

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

static void cycle(const char *path)
{
    ncg_error *err;
    ncg_model *own, *fitted;
    ncg_fit *fit;
    int32_t stop;
    OK(ncg_model_load(path, &own, &err));
    OK(ncg_fit_new(own, options, &fit, &err));
    OK(ncg_fit_set_data_f64(fit, 10, x[0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    OK(ncg_fit_run(fit, &stop, &err));
    OK(ncg_fit_bake(fit, &fitted, &err));
    ncg_fit_free(fit);
    ncg_model_free(own);
    ncg_model_free(fitted);
}

static void no_growth(const char *path, int cycles)
{
    for (int i = 0; i < cycles / 5; i++)
        cycle(path);
    long before = resident();
    for (int i = 0; i < cycles; i++)
        cycle(path);
    long after = resident();
    if (after - before > 2048) {
        fprintf(stderr, "memory grew from %ld to %ld kB\n", before, after);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    ncg_error *err;
    if (argc < 4)
        return 2;
    if (argc > 4)
        HOLDS(dlopen(argv[4], RTLD_NOW | RTLD_GLOBAL) != NULL);
    for (int i = 0; i < N; i++) {
        x[i][0] = 0.1 + 0.01 * i;
        x[i][1] = 1 + i % 3;
        y[i] = 3 * x[i][1] * exp(-0.7 * x[i][0]) + 0.01 * sin(i * i);
    }
    OK(ncg_options_new(&options, &err));
    OK(ncg_options_set_str(options, "engine", argv[1], &err));
    OK(ncg_model_load(argv[2], &model, &err));
    /* ONNX Runtime 1.31 starts a thread of its own when it is loaded, whatever it is told */
    if (strcmp(argv[1], "native"))
        evaluate(&of_threads[0]);
    process_state();
    floating_point();
    many_threads();
    forks();
    impossible_sizes();
    two_copies(argv[3]);
    no_growth(argv[2], strcmp(argv[1], "native") ? 100 : 10000);
    stops_when_told();
    ncg_model_free(model);
    ncg_options_free(options);
    puts("ok");
    return 0;
}
