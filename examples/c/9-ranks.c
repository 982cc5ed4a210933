/* One fit by all ranks of an MPI program: each holds some of the observations, and all find the same constants.
 *
 * The digits do not hang on the number of ranks: observations are cut into blocks of a fixed size, and what the blocks say is
 * combined in their order, whoever holds them. */
#include <math.h>
#include <mpi.h>

#include "check.h"

enum { BLOCKS = 12, SAMPLES = 50 };

/* Which blocks a rank holds: from first(rank) up to first(rank + 1). */
static int first(int rank, int ranks) { return BLOCKS * rank / ranks; }

/* What the fit calls: brings the numbers of all blocks to all ranks. The library itself knows nothing of MPI. */
static int32_t gather(void *user_data, const double *own, int64_t n_own, double *all, int64_t n_all)
{
    int ranks, counts[BLOCKS], places[BLOCKS], each = (int)(n_all / BLOCKS);
    MPI_Comm comm = *(MPI_Comm *)user_data;
    MPI_Comm_size(comm, &ranks);
    for (int rank = 0; rank < ranks; rank++) {
        counts[rank] = each * (first(rank + 1, ranks) - first(rank, ranks));
        places[rank] = each * first(rank, ranks);
    }
    return MPI_Allgatherv(own, (int)n_own, MPI_DOUBLE, all, counts, places, MPI_DOUBLE, comm) != MPI_SUCCESS;
}

int main(int argc, char **argv)
{
    static double x[BLOCKS * SAMPLES][2], y[BLOCKS * SAMPLES];
    int rank, ranks, n = 0;
    MPI_Comm comm = MPI_COMM_WORLD;
    double value[2], covariance[4];
    ncg_model *model;
    ncg_fit *fit;
    int32_t stop;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(comm, &rank);
    MPI_Comm_size(comm, &ranks);
    if (ranks > BLOCKS)
        MPI_Abort(comm, 2); /* a rank holds one block or more */
    /* the observations of this rank's blocks: of k = 2.5, a = 0.75, and what stands for noise */
    for (int s = SAMPLES * first(rank, ranks); s < SAMPLES * first(rank + 1, ranks); s++, n++) {
        x[n][0] = 0.5 + 0.01 * s;
        x[n][1] = s % 2 ? 1.0 : -1.5;
        y[n] = 2.5 * x[n][1] * exp(-0.75 * x[n][0]) + 0.01 * sin((double)s * s);
    }
    check(ncg_model_load("examples/models/screened-force.scm", &model, &err));
    check(ncg_fit_new(model, NULL, &fit, &err));
    check(ncg_fit_set_data_f64(fit, n, &x[0][0], 2, 1, y, 1, 1, NULL, 0, 0, &err));
    check(ncg_fit_share(fit, BLOCKS, SAMPLES, gather, &comm, &err));
    check(ncg_fit_run(fit, &stop, &err));
    check(ncg_fit_parameters(fit, value, 2, &err));
    check(ncg_fit_covariance(fit, covariance, 4, &err));
    if (rank == 0)
        printf("k = %.17g +- %.17g\na = %.17g +- %.17g\n", value[0], sqrt(covariance[0]), value[1], sqrt(covariance[3]));
    ncg_fit_free(fit);
    ncg_model_free(model);
    MPI_Finalize();
    return 0;
}
