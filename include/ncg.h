/* ncg.h: the C interface of ncg. Generated from src/ffi; do not edit. */

#ifndef NCG_H
#define NCG_H

#include <stdint.h>

/* The major version: functions are only added within one, and the shared library's name carries it. */
#define NCG_VERSION_MAJOR 0

/* The minor version. */
#define NCG_VERSION_MINOR 1

/* The patch version. */
#define NCG_VERSION_PATCH 0

/* The version of this header; compare with ncg_version(). */
#define NCG_VERSION (((NCG_VERSION_MAJOR * 1000000) + (NCG_VERSION_MINOR * 1000)) + NCG_VERSION_PATCH)

/* The call succeeded. */
#define NCG_OK 0

/* A NULL, out-of-range or otherwise unusable argument. */
#define NCG_ERR_ARGUMENT 1

/* The source text is not well-formed Scheme; the error carries a location. */
#define NCG_ERR_PARSE 2

/* The source is well-formed but is not a model that can be compiled; the error carries a location. */
#define NCG_ERR_COMPILE 3

/* A file or byte string is not a valid .ncg or .onnx document. */
#define NCG_ERR_FORMAT 4

/* The operating system refused a read or a write. */
#define NCG_ERR_IO 5

/* The operation exists but this engine, dtype or export target lacks it. */
#define NCG_ERR_UNSUPPORTED 6

/* The requested engine cannot be loaded on this machine. */
#define NCG_ERR_ENGINE_UNAVAILABLE 7

/* The engine was loaded and failed. */
#define NCG_ERR_ENGINE 8

/* Shapes, ranks or element types do not agree. */
#define NCG_ERR_SHAPE 9

/* A fit cannot start: the loss or its gradient is not finite. */
#define NCG_ERR_NUMERIC 10

/* A configured limit (recursion, heap, size, iterations inside the model) was reached. */
#define NCG_ERR_LIMIT 11

/* Memory could not be allocated. */
#define NCG_ERR_MEMORY 12

/* The handle is in use by another call. */
#define NCG_ERR_BUSY 13

/* The caller's buffer is too small; the needed size has been written. */
#define NCG_ERR_BUFFER 14

/* A bug in this library; free the handle it happened on. */
#define NCG_ERR_PANIC 15

/* A model input: one value per sample. */
#define NCG_INPUT 0

/* A model constant that can be differentiated and fitted: one value for the whole batch. */
#define NCG_PARAMETER 1

/* A model output. */
#define NCG_OUTPUT 2

/* An input as it was declared: a number, a vector or a matrix, whose numbers are inputs. What ncg_run takes. */
#define NCG_INPUT_ARRAY 3

/* A parameter as it was declared: a number, a vector or a matrix. */
#define NCG_PARAMETER_ARRAY 4

/* A number, vector or matrix of the model's value. */
#define NCG_OUTPUT_ARRAY 5

/* The fit has not run. */
#define NCG_FIT_NOT_RUN 0

/* Gradient tolerance met. */
#define NCG_FIT_GRADIENT 1

/* Loss change below tolerance. */
#define NCG_FIT_LOSS 2

/* Parameter step below tolerance. */
#define NCG_FIT_STEP 3

/* Iteration limit reached. */
#define NCG_FIT_MAX_ITERATIONS 4

/* Time limit reached. */
#define NCG_FIT_MAX_TIME 5

/* Stopped by the callback or by ncg_fit_cancel. */
#define NCG_FIT_STOPPED 6

/* The limit on evaluations was reached. */
#define NCG_FIT_MAX_EVALUATIONS 7

/* The loss has come down to the option "target". */
#define NCG_FIT_TARGET 8

/* One failure: status code, message, place in the source. Freed by ncg_error_free. */
typedef struct ncg_error ncg_error;

/* A parameter-fitting problem: one thread at a time, ncg_fit_cancel excepted. Freed by ncg_fit_free. */
typedef struct ncg_fit ncg_fit;

/* A compiled model: immutable, shareable between threads. Made by ncg_model_*, freed by ncg_model_free. */
typedef struct ncg_model ncg_model;

/* A bag of named settings; copied wherever it is passed. Freed by ncg_options_free. */
typedef struct ncg_options ncg_options;

/* One engine's prepared state and scratch memory for one model: one thread at a time. Freed by ncg_session_free. */
typedef struct ncg_session ncg_session;

/* Called on the thread that called ncg_fit_run. Return non-zero to stop. Must return normally (no longjmp, no exception);
   may call on its fit ncg_fit_cancel, ncg_fit_stat for the number "start", and nothing else. A fit with many starts, hops or
   smoothing is many runs: the callback hears of each, which counts its iterations from 0, and "start" says which it is. */
typedef int32_t (*ncg_fit_callback)(void *user_data,
                                    int64_t iteration,
                                    double loss,
                                    const double *params,
                                    int64_t n_params);

/* Called by a fit that several processes share, on the thread that called ncg_fit_run: own are n_own numbers of this process,
   equally many for each of its blocks; all receives those of all blocks in order, n_all numbers, the same on every process
   (MPI_Allgatherv). Return 0, or anything else where that failed. Must return normally. In the first call of a run there is room
   behind all for as many numbers again: a process with more blocks than its place is found there, and does no harm. */
typedef int32_t (*ncg_fit_gather)(void *user_data,
                                  const double *own,
                                  int64_t n_own,
                                  double *all,
                                  int64_t n_all);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ==== Version and engines ==== */

/* The version of the loaded library: major*1000000 + minor*1000 + patch. */
int32_t ncg_version(void);

/* Version, commit, compiler, target and engines of this build, as text. Static. */
const char *ncg_build_info(void);

/* The name of a status code, e.g. "NCG_ERR_PARSE"; "unknown status" for other numbers. Static, never NULL. */
const char *ncg_status_name(int32_t status);

/* NCG_OK when the engine ("native", "onnxruntime", "tagged") can run here; the error says where it was looked for. */
int32_t ncg_engine_probe(const char *engine,
                         ncg_error **err);

/* ==== Errors ==== */

/* The status code of an error; NCG_OK for NULL. */
int32_t ncg_error_code(const ncg_error *error);

/* The message, with the line of the source where there is one; borrowed from the error; "" for NULL. */
const char *ncg_error_message(const ncg_error *error);

/* Where in the source text: zero-based byte offset, one-based line and column. Returns 1 if known, 0 if not; NULL outputs
   are skipped. */
int32_t ncg_error_location(const ncg_error *error,
                           int64_t *offset,
                           int64_t *line,
                           int64_t *column);

/* Frees an error; NULL is a no-op. */
void ncg_error_free(ncg_error *error);

/* ==== Options: a self-describing bag of names ==== */

/* A new, empty bag of settings. */
int32_t ncg_options_new(ncg_options **out, ncg_error **err);

/* Sets a text option, e.g. "engine" to "onnxruntime", "params" to "k,alpha". An unknown name is an error. */
int32_t ncg_options_set_str(ncg_options *options,
                            const char *name,
                            const char *value,
                            ncg_error **err);

/* Sets an integer option, e.g. "threads" to 1. */
int32_t ncg_options_set_int(ncg_options *options, const char *name, int64_t value, ncg_error **err);

/* Sets a real option, e.g. "gtol" to 1e-10. */
int32_t ncg_options_set_real(ncg_options *options, const char *name, double value, ncg_error **err);

/* How many options this build knows. */
int64_t ncg_option_count(void);

/* Option i as four static strings: name, type ("str", "int", "real"), default, one-line description. NULL outputs are
   skipped. Returns NCG_ERR_ARGUMENT where there is no such option. */
int32_t ncg_option_describe(int64_t index,
                            const char **name,
                            const char **type_name,
                            const char **default_value,
                            const char **description);

/* Frees the bag; NULL is a no-op. */
void ncg_options_free(ncg_options *options);

/* ==== Models: make, save, export, look inside ==== */

/* Compiles Scheme source text: UTF-8, length in bytes. options may be NULL; "folder" says where the files lie that the text
   may import, without it the text imports nothing. */
int32_t ncg_model_compile(const char *source,
                          int64_t length,
                          const ncg_options *options,
                          ncg_model **out,
                          ncg_error **err);

/* Reads a .scm, .ncg or .onnx file, told apart by content. A .scm file imports networks from where it lies, and any file that
   it names: to confine a text that is not trusted, load it by ncg_model_load_with with the option "folder". */
int32_t ncg_model_load(const char *path,
                       ncg_model **out,
                       ncg_error **err);

/* The same with options, those of ncg_model_compile and "weights", which says which weights of another tool's .onnx file
   become parameters. options may be NULL; where "folder" is set, a .scm file imports from there, and what lies below it only. */
int32_t ncg_model_load_with(const char *path,
                            const ncg_options *options,
                            ncg_model **out,
                            ncg_error **err);

/* As ncg_model_load, from memory: length in bytes. */
int32_t ncg_model_parse(const char *document, int64_t length, ncg_model **out, ncg_error **err);

/* Writes a .ncg file: to a temporary name, then renamed. */
int32_t ncg_model_save(const ncg_model *model, const char *path, ncg_error **err);

/* Writes the model as text into the caller's buffer. format is "ncg" (what a .ncg file holds) or "text" (its graph, for
   reading). needed receives the size including the final NUL; a NULL buffer asks for it alone. */
int32_t ncg_model_write(const ncg_model *model,
                        const char *format,
                        char *buffer,
                        int64_t capacity,
                        int64_t *needed,
                        ncg_error **err);

/* Writes what in the model is allowed but hardly meant into the caller's buffer: a constant inside a test, an input that
   nothing uses, a constant that no output depends on. One warning is its message and, below, its place in the source; an
   empty line stands between two; an empty text where there is none. needed receives the size including the final NUL; a
   NULL buffer asks for it alone. */
int32_t ncg_model_warnings(const ncg_model *model,
                           char *buffer,
                           int64_t capacity,
                           int64_t *needed,
                           ncg_error **err);

/* Writes an ONNX file: to a temporary name, then renamed. Options: "dtype", "gradient", "learning_rate". */
int32_t ncg_model_export_onnx(const ncg_model *model,
                              const char *path,
                              const ncg_options *options,
                              ncg_error **err);

/* The interpreter of this library as a model, compiled once per process: a graph with the inputs program and env, which
   ncg_model_bind_program takes and ncg_model_save writes. options may be NULL. */
int32_t ncg_model_interpreter(const ncg_options *options,
                              ncg_model **out,
                              ncg_error **err);

/* A new model: an interpreter (from ncg_model_interpreter, ncg_model_load or ncg_model_parse) with a program bound as data
   and specialised to it. source is UTF-8, length in bytes. Options: "params", "bind", "literals", "folder". */
int32_t ncg_model_bind_program(const ncg_model *interpreter,
                               const char *source,
                               int64_t length,
                               const ncg_options *options,
                               ncg_model **out,
                               ncg_error **err);

/* Frees this reference; sessions and fits made from the model stay valid. NULL is a no-op. */
void ncg_model_free(ncg_model *model);

/* How many entries of a kind, NCG_INPUT and so on; 0 for NULL and for other kinds. */
int64_t ncg_model_count(const ncg_model *model, int32_t kind);

/* The name of entry i (zero-based), borrowed from the model; NULL when out of range. */
const char *ncg_model_name(const ncg_model *model, int32_t kind, int64_t index);

/* The zero-based index of a name; -1 when absent. */
int64_t ncg_model_index(const ncg_model *model, int32_t kind, const char *name);

/* Rank and dimensions of one sample of entry i: 0 for a number, as each NCG_INPUT, NCG_PARAMETER and NCG_OUTPUT is, 1 for a
   vector and 2 for a matrix. At most capacity dimensions are written to dims, which may be NULL where capacity is 0. */
int32_t ncg_model_shape(const ncg_model *model,
                        int32_t kind,
                        int64_t index,
                        int64_t *dims,
                        int64_t capacity,
                        int64_t *rank,
                        ncg_error **err);

/* The value that a parameter has in the source text. */
int32_t ncg_model_parameter_value(const ncg_model *model,
                                  int64_t index,
                                  double *value,
                                  ncg_error **err);

/* The bounds that a parameter has in the source text; infinite where there are none. */
int32_t ncg_model_parameter_bounds(const ncg_model *model,
                                   int64_t index,
                                   double *lower,
                                   double *upper,
                                   ncg_error **err);

/* ==== Sessions: evaluate and differentiate ==== */

/* Prepares a model for one engine. Options: "engine", "device", "dtype", "threads", "onnxruntime", "chunk", and "max_depth",
   "max_steps" and "max_heap". options may be NULL. */
int32_t ncg_session_new(const ncg_model *model,
                        const ncg_options *options,
                        ncg_session **out,
                        ncg_error **err);

/* What was really chosen, e.g. "native cpu f64 threads=1". Borrowed from the session; "" for NULL. */
const char *ncg_session_describe(const ncg_session *session);

/* y = f(x; p) for models whose entries are all scalars. Entry i of sample s is x[s*x_sample_stride + i*x_stride]; p has one
   value per parameter, NULL takes those of the source. */
int32_t ncg_eval_f64(ncg_session *session,
                     int64_t n_samples,
                     const double *x,
                     int64_t x_sample_stride,
                     int64_t x_stride,
                     const double *p,
                     double *y,
                     int64_t y_sample_stride,
                     int64_t y_stride,
                     ncg_error **err);

/* As ncg_eval_f64, in single precision; needs a session with "dtype" = "f32". */
int32_t ncg_eval_f32(ncg_session *session,
                     int64_t n_samples,
                     const float *x,
                     int64_t x_sample_stride,
                     int64_t x_stride,
                     const float *p,
                     float *y,
                     int64_t y_sample_stride,
                     int64_t y_stride,
                     ncg_error **err);

/* Reverse mode: dx[s,i] = sum_o seed[s,o] dy[s,o]/dx[s,i] and dp[j] = sum_s sum_o seed[s,o] dy[s,o]/dp[j]. y, dx and dp may
   be NULL; seed NULL means ones. */
int32_t ncg_grad_f64(ncg_session *session,
                     int64_t n_samples,
                     const double *x,
                     int64_t x_sample_stride,
                     int64_t x_stride,
                     const double *p,
                     const double *seed,
                     int64_t seed_sample_stride,
                     int64_t seed_stride,
                     double *y,
                     int64_t y_sample_stride,
                     int64_t y_stride,
                     double *dx,
                     int64_t dx_sample_stride,
                     int64_t dx_stride,
                     double *dp,
                     ncg_error **err);

/* The Jacobian of the outputs by the parameters: dy[s,o]/dp[k] at j[s*j_sample_stride + o*j_output_stride + k*j_stride]. y
   may be NULL. */
int32_t ncg_jacobian_f64(ncg_session *session,
                         int64_t n_samples,
                         const double *x,
                         int64_t x_sample_stride,
                         int64_t x_stride,
                         const double *p,
                         double *y,
                         int64_t y_sample_stride,
                         int64_t y_stride,
                         double *j,
                         int64_t j_sample_stride,
                         int64_t j_output_stride,
                         int64_t j_stride,
                         ncg_error **err);

/* Frees a session; NULL is a no-op, and so is a session that a call on another thread is using. */
void ncg_session_free(ncg_session *session);

/* ==== Sessions: vectors and matrices ==== */

/* Evaluates a model whose entries are vectors and matrices too: one pointer per NCG_INPUT_ARRAY, NCG_PARAMETER_ARRAY and
   NCG_OUTPUT_ARRAY. The numbers are of the session's precision. The strides of an entry are its sample stride and one for each
   dimension, in elements, one entry after the other; NULL means packed, samples one after the other and the last dimension
   fastest. Parameters lie packed; those of the source are taken where `parameters` or one of its pointers is NULL. Outputs
   whose pointer is NULL are left out. */
int32_t ncg_run(ncg_session *session,
                int64_t n_samples,
                const void *const *inputs,
                const int64_t *input_strides,
                const void *const *parameters,
                void *const *outputs,
                const int64_t *output_strides,
                ncg_error **err);

/* As ncg_run, with the reverse sweep: d_inputs and d_parameters receive the derivatives of the sum of seeds times outputs;
   those of parameters are summed over the samples, and lie packed. `seeds` NULL means ones. `outputs`, d_inputs and
   d_parameters may be NULL, and so may each of their pointers: what is left out is not written. */
int32_t ncg_run_gradient(ncg_session *session,
                         int64_t n_samples,
                         const void *const *inputs,
                         const int64_t *input_strides,
                         const void *const *parameters,
                         const void *const *seeds,
                         const int64_t *seed_strides,
                         void *const *outputs,
                         const int64_t *output_strides,
                         void *const *d_inputs,
                         const int64_t *d_input_strides,
                         void *const *d_parameters,
                         ncg_error **err);

/* ==== Fitting ==== */

/* A fitting problem. Options: those of a session, and those whose description (ncg_option_describe) begins with "Fit", such
   as "optimizer", "loss", "noise", "max_iterations", "tie". options may be NULL. */
int32_t ncg_fit_new(const ncg_model *model,
                    const ncg_options *options,
                    ncg_fit **out,
                    ncg_error **err);

/* Lets a parameter move between two bounds, which may be infinite. Parameters not named keep their value; if none is named,
   all move, from the values and within the bounds of the source. The name of a vector or matrix stands for all its numbers. */
int32_t ncg_fit_add_parameter(ncg_fit *fit,
                              const char *name,
                              double initial,
                              double lower,
                              double upper,
                              ncg_error **err);

/* Copies the observations: inputs x, targets y (one for each output; one for each mean with the loss "gaussian", none with
   "value"), and weights w (NULL means ones). A squared residual counts as often as its weight says. What weights are has to be
   said by the option "noise": "known", one over known variances, which the standard errors rest on; or "estimated", relative to
   each other: their scale does not matter, the residuals tell the noise. Without it they are refused; the losses "poisson" and
   "gaussian" need none. */
int32_t ncg_fit_set_data_f64(ncg_fit *fit,
                             int64_t n_samples,
                             const double *x,
                             int64_t x_sample_stride,
                             int64_t x_stride,
                             const double *y,
                             int64_t y_sample_stride,
                             int64_t y_stride,
                             const double *w,
                             int64_t w_sample_stride,
                             int64_t w_stride,
                             ncg_error **err);

/* Adds observations to those that are there, with or without ncg_fit_set_data_f64 before; arguments as there, and all
   rows have weights or none has. The next run goes on from the last estimate. With the option "window" the fit keeps at least
   so many of the last rows, at most twice as many, and memory does not grow with the rows: whenever there are twice as many,
   this call runs the fit and makes the older half part of a quadratic summary. That is exact where the model is linear in
   its parameters; the report says how far the estimate has moved since. */
int32_t ncg_fit_add_data_f64(ncg_fit *fit,
                             int64_t n_samples,
                             const double *x,
                             int64_t x_sample_stride,
                             int64_t x_stride,
                             const double *y,
                             int64_t y_sample_stride,
                             int64_t y_stride,
                             const double *w,
                             int64_t w_sample_stride,
                             int64_t w_stride,
                             ncg_error **err);

/* Copies the covariance of the observations, after ncg_fit_set_data_f64 without weights: n by n, symmetric, where n is
   n_samples times the number of targets, in the order of all samples of the first target, then of the next. */
int32_t ncg_fit_set_covariance_f64(ncg_fit *fit,
                                   int64_t n,
                                   const double *covariance,
                                   ncg_error **err);

/* Asks for a call every `every` iterations (1 or more); a NULL callback removes it. user_data is given to the callback as
   it is, and must live as long as the fit may run. */
int32_t ncg_fit_set_callback(ncg_fit *fit,
                             ncg_fit_callback callback,
                             void *user_data,
                             int64_t every,
                             ncg_error **err);

/* Shares the fit among processes. The observations of all of them are one table, cut into n_blocks blocks of block_samples
   samples, the last of which may have fewer; each process sets the data of one or more whole blocks, the processes in order.
   All then call ncg_fit_run at the same time, with the same model, parameters, options and answers of callbacks, and find the
   same, with digits that do not hang on the number of processes. A request to cancel one stops all. Other losses and optimizers
   than the default, starts, hops, a window, profiles, smoothing and max_seconds are refused, and so is ncg_fit_add_data_f64.
   A process that has no data, or more or fewer samples than its blocks, fails, and all others with it: none waits for it. One
   that has no data gives `gather` the numbers of one block. */
int32_t ncg_fit_share(ncg_fit *fit,
                      int64_t n_blocks,
                      int64_t block_samples,
                      ncg_fit_gather gather,
                      void *user_data,
                      ncg_error **err);

/* Writes the state of the fit to a file: whole or not at all. ncg_fit_resume goes on from there. */
int32_t ncg_fit_checkpoint(const ncg_fit *fit, const char *path, ncg_error **err);

/* Takes up the state that ncg_fit_checkpoint wrote, after the parameters and the data have been given again: the next
   ncg_fit_run goes on with the same bits. Until then the result is that state, as if the run had been stopped there. Another
   model, other data or other options are refused. */
int32_t ncg_fit_resume(ncg_fit *fit,
                       const char *path,
                       ncg_error **err);

/* Runs until an NCG_FIT_* stop. A limit, the callback and ncg_fit_cancel are stops, not errors; calling again continues. */
int32_t ncg_fit_run(ncg_fit *fit,
                    int32_t *stop,
                    ncg_error **err);

/* Asks a running fit to stop soon; where none is running, the next run stops at once. The one call allowed from another
   thread, a signal handler or a callback. */
void ncg_fit_cancel(const ncg_fit *fit);

/* A number about the fit so far: "loss", "iterations", "evaluations", "seconds", "gradient_norm", "stop" (an NCG_FIT_*
   value), "parameters" (how many move), "rows" (how many samples there were), "summarised" (how many of them are kept as a
   summary only), "start" (which run the callback was last told of: 0 begins at the initial values, then come the other starts,
   then the hops). */
int32_t ncg_fit_stat(const ncg_fit *fit,
                     const char *name,
                     double *value,
                     ncg_error **err);

/* The best values so far, in the order the parameters were added (that of the model where none was). capacity counts
   numbers. */
int32_t ncg_fit_parameters(const ncg_fit *fit,
                           double *values,
                           int64_t capacity,
                           ncg_error **err);

/* The covariance of the fitted parameters, n by n; symmetric, so either index order reads it. NaN where the data do not
   determine it, and for parameters that a bound holds. */
int32_t ncg_fit_covariance(const ncg_fit *fit,
                           double *values,
                           int64_t capacity,
                           ncg_error **err);

/* The report as text or JSON (format "text" or "json"): estimates, standard errors, intervals, correlations, chi-square, stop reason,
   active bounds, what cannot be told apart. needed receives the size including the final NUL; a NULL buffer asks for it
   alone. */
int32_t ncg_fit_report(const ncg_fit *fit,
                       const char *format,
                       char *buffer,
                       int64_t capacity,
                       int64_t *needed,
                       ncg_error **err);

/* A new model with the fitted values as its parameter values. */
int32_t ncg_fit_bake(const ncg_fit *fit, ncg_model **out, ncg_error **err);

/* Frees a fit; NULL is a no-op, and so is a fit that runs. */
void ncg_fit_free(ncg_fit *fit);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* NCG_H */
