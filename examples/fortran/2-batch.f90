!> All particles in one call, read from and written to the simulator's own array.
program batch
    use, intrinsic :: iso_c_binding, only: c_double
    use ncg
    implicit none
    integer, parameter :: n = 100
    !> The state of the simulator: one column for each quantity, and more rows than are in use.
    real(c_double) :: state(2*n, 5)
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    integer :: i

    call model%load('examples/models/screened-force.scm')
    call session%create(model)
    state = 0
    do i = 1, n
        state(2*i - 1, 2) = 0.5_c_double + 0.05_c_double*(i - 1)
        state(2*i - 1, 3) = merge(1.0_c_double, -1.5_c_double, mod(i, 2) == 0)
    end do

    ! Sections are passed as they lie: every second row of two columns, and the results beside them. Nothing is copied. p gives
    ! the parameters k and a values of their own.
    call session%eval(state(1::2, 2:3), state(1::2, 5), p=[2.5_c_double, 0.75_c_double])

    print '(a, f8.6)', 'force on particle 8: ', state(15, 5)
    print '(a, f10.6)', 'total ', sum(state(1::2, 5))
end program
