!> One fit by all ranks of an MPI program: each holds some of the observations, and all find the same constants.
!!
!! The digits do not hang on the number of ranks: observations are cut into blocks of a fixed size, and what the blocks say is
!! combined in their order, whoever holds them.
module gathering
    use, intrinsic :: iso_c_binding
    use mpi
    implicit none
    integer, parameter :: blocks = 12, samples = 50
contains
    !> Which blocks a rank holds: those behind before(rank), up to before(rank + 1).
    pure integer function before(rank, ranks)
        integer, intent(in) :: rank, ranks
        before = blocks*rank/ranks
    end function

    !> What the fit calls: brings the numbers of all blocks to all ranks. The library itself knows nothing of MPI.
    function gather(user_data, own, n_own, all, n_all) bind(C) result(failed)
        type(c_ptr), value :: user_data
        integer(c_int64_t), value :: n_own, n_all
        real(c_double), intent(in) :: own(n_own)
        real(c_double), intent(inout) :: all(n_all)
        integer(c_int32_t) :: failed
        integer :: ranks, r, error
        integer, pointer :: comm
        call c_f_pointer(user_data, comm)
        call MPI_Comm_size(comm, ranks, error)
        call MPI_Allgatherv(own, int(n_own), MPI_DOUBLE_PRECISION, all, &
            [(int(n_all)/blocks*(before(r + 1, ranks) - before(r, ranks)), r=0, ranks - 1)], &
            [(int(n_all)/blocks*before(r, ranks), r=0, ranks - 1)], MPI_DOUBLE_PRECISION, comm, error)
        failed = merge(0_c_int32_t, 1_c_int32_t, error == MPI_SUCCESS)
    end function
end module

program ranks_fit
    use gathering
    use ncg
    implicit none
    real(c_double), allocatable :: x(:, :), y(:)
    real(c_double) :: value(2), covariance(2, 2)
    type(ncg_model_t) :: model
    type(ncg_fit_t) :: fit
    integer(c_int32_t) :: stop
    integer, target :: comm = MPI_COMM_WORLD
    integer :: rank, ranks, first, n, s, error

    call MPI_Init(error)
    call MPI_Comm_rank(comm, rank, error)
    call MPI_Comm_size(comm, ranks, error)
    if (ranks > blocks) call MPI_Abort(comm, 2, error)  ! a rank holds one block or more
    ! the observations of this rank's blocks: of k = 2.5, a = 0.75, and what stands for noise
    first = samples*before(rank, ranks)
    n = samples*before(rank + 1, ranks) - first
    allocate (x(n, 2), y(n))
    do s = 1, n
        x(s, :) = [0.5_c_double + 0.01_c_double*(first + s - 1), merge(1.0_c_double, -1.5_c_double, mod(first + s, 2) == 0)]
        y(s) = 2.5_c_double*x(s, 2)*exp(-0.75_c_double*x(s, 1)) + 0.01_c_double*sin(real(first + s - 1, c_double)**2)
    end do
    call model%load('examples/models/screened-force.scm')
    call fit%create(model)
    call fit%set_data(x, y)
    call fit%share(blocks, samples, c_funloc(gather), c_loc(comm))
    call fit%run(stop)
    value = fit%parameters()
    covariance = fit%covariance()
    if (rank == 0) print '(2(a, es23.16))', 'k = ', value(1), ' +- ', sqrt(covariance(1, 1)), &
        'a = ', value(2), ' +- ', sqrt(covariance(2, 2))
    call MPI_Finalize(error)
end program
