!> The time of one call for one sample from Fortran, by the types and by the C function: benches/hosts/run.
program call_time
    use, intrinsic :: iso_c_binding
    use ncg
    implicit none
    type(ncg_options_t) :: options
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    real(c_double), target :: x(3) = [1, 2, 3], y(1)
    real(c_double) :: best(2)
    integer(c_int64_t) :: start, finish, rate
    integer(c_int32_t) :: status
    integer :: round, i
    call options%set('engine', 'native')
    call model%compile('(parameter k 2) (/ (* k q1 q2) (square r))')
    call session%create(model, options)
    best = huge(best)
    do round = 1, 2000
        call system_clock(start, rate)
        do i = 1, 1000
            call session%eval(x, y)
        end do
        call system_clock(finish)
        best(1) = min(best(1), 1d9*(finish - start)/rate/1000)
        call system_clock(start)
        do i = 1, 1000
            status = ncg_eval_f64(session%c_handle(), 1_c_int64_t, c_loc(x), 3_c_int64_t, 1_c_int64_t, c_null_ptr, c_loc(y), &
                1_c_int64_t, 1_c_int64_t)
        end do
        call system_clock(finish)
        best(2) = min(best(2), 1d9*(finish - start)/rate/1000)
    end do
    print '(a, f6.1)', 'Fortran, types      ', best(1), 'Fortran, C function ', best(2)
end program
