!> Watches a fit, stops it, and lets it go on.
module watching
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use ncg
    implicit none
    !> What the fit calls, on the thread that runs it, with whatever it is to keep.
    type, extends(ncg_monitor_t) :: watch_t
        integer :: calls = 0
    contains
        procedure :: progress
    end type
contains
    logical function progress(self, iteration, loss, params)
        class(watch_t), intent(inout) :: self
        integer(c_int64_t), intent(in) :: iteration
        real(c_double), intent(in) :: loss, params(:)
        self%calls = self%calls + 1
        write (error_unit, *) 'iteration', iteration, 'loss', loss, 'parameters', params
        progress = self%calls == 2  ! .true. stops the fit, as fit%cancel() does from another thread
    end function
end module

program watch
    use watching
    use, intrinsic :: ieee_arithmetic, only: ieee_is_finite
    implicit none
    integer, parameter :: n = 100
    real(c_double) :: x(n, 2), y(n)
    real(c_double) :: value(2)
    type(ncg_model_t) :: model
    type(ncg_fit_t) :: fit
    type(watch_t) :: watcher
    integer(c_int32_t) :: stop
    integer :: s

    do s = 1, n
        x(s, :) = [0.5_c_double + 0.05_c_double*(s - 1), merge(1.0_c_double, -1.5_c_double, mod(s, 2) == 0)]
    end do
    y = 2.5_c_double*x(:, 2)*exp(-0.75_c_double*x(:, 1))
    call model%load('examples/models/screened-force.scm')
    call fit%create(model)
    call fit%set_data(x, y)

    ! stopping is no failure: the best values so far are there, and the fit can go on from them
    call fit%run(stop, watcher)
    value = fit%parameters()
    print '(4a)', 'stopped: ', trim(merge('yes', 'no ', stop == NCG_FIT_STOPPED)), ', k is finite: ', &
        trim(merge('yes', 'no ', ieee_is_finite(value(1))))
    call fit%run(stop, watcher)
    value = fit%parameters()
    print '(2(a, f8.6))', 'k = ', value(1), ', a = ', value(2)
end program
