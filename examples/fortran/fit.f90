!> Evaluates, differentiates and fits a model from Fortran: fit MODEL [ENGINE].
!!
!! MODEL is a .ncg, .onnx or .scm file with the inputs r and q, the parameters k and a, and one output, k q exp(-a r):
!! examples/models/screened-force.scm is one. After `cargo build --release`, from the project's root:
!!
!!     gfortran -J target bindings/fortran/ncg.f90 examples/fortran/fit.f90 -Ltarget/release -lncg \
!!         -Wl,-rpath,$PWD/target/release -o target/fit_fortran
!!     target/fit_fortran examples/models/screened-force.scm
module progress_of_fit
    use, intrinsic :: iso_c_binding
    implicit none
contains
    !> Counts the iterations in the caller's variable; a result that is not 0 would stop the fit.
    function progress(user_data, iteration, loss, params, n_params) bind(C) result(stop)
        type(c_ptr), value :: user_data
        integer(c_int64_t), value :: iteration, n_params
        real(c_double), value :: loss
        real(c_double), intent(in) :: params(n_params)
        integer(c_int32_t) :: stop
        integer, pointer :: calls

        call c_f_pointer(user_data, calls)
        calls = calls + 1
        stop = 0
        if (iteration > 500 .or. loss < 0 .or. any(abs(params) > huge(loss))) stop = 1
    end function
end module progress_of_fit

program fit_example
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use ncg
    use progress_of_fit
    implicit none

    integer, parameter :: n = 100
    !> The state of the simulator: one column for each quantity, and more rows than are in use.
    real(c_double), target :: state(2*n, 5)
    real(c_double), target :: truth(2) = [2.5_c_double, 0.75_c_double]
    real(c_double), target :: y, dx(2), dp(2)
    real(c_double) :: values(2), covariance(4), worst, unbounded
    character(len=1000) :: path, engine
    real(c_double), target :: zero = 0
    type(c_ptr) :: options, model, session, fit, err
    type(c_ptr) :: reciprocal, reciprocal_session
    integer(c_int32_t) :: stop
    integer, target :: calls = 0
    integer :: i

    if (command_argument_count() < 1) then
        write (error_unit, '(a)') 'usage: fit MODEL [ENGINE]'
        stop 2
    end if
    call get_command_argument(1, path)
    engine = 'auto'
    if (command_argument_count() > 1) call get_command_argument(2, engine)

    ! A model, and a session that runs it.
    err = c_null_ptr
    call check(ncg_options_new(options, err))
    call check(ncg_options_set_str(options, c_text('engine'), c_text(engine), err))
    call check(ncg_model_load(c_text(path), model, err))
    call check(ncg_session_new(model, options, session, err))
    print '(2a)', 'engine ', ncg_string(ncg_session_describe(session))

    ! The section state(1:2n:2, 2:3), every second row of two columns: sample stride 2, entry stride 2n.
    state = 0
    do i = 1, n
        state(2*i - 1, 2) = 0.5_c_double + 0.05_c_double*(i - 1)
        state(2*i - 1, 3) = merge(1.0_c_double, -1.5_c_double, mod(i, 2) == 0)
    end do
    call check(ncg_eval_f64(session, int(n, c_int64_t), &
        c_loc(state(1, 2)), 2_c_int64_t, int(2*n, c_int64_t), c_loc(truth), &
        c_loc(state(1, 5)), 2_c_int64_t, int(2*n, c_int64_t), err))
    worst = maxval(abs(state(1::2, 5) - truth(1)*state(1::2, 3)*exp(-truth(2)*state(1::2, 2))))
    print '(2a)', 'largest deviation ', trim(merge('below 1e-14', 'TOO LARGE  ', worst < 1e-14_c_double))

    ! The gradient at one sample: by its inputs, and by the parameters.
    call check(ncg_grad_f64(session, 1_c_int64_t, &
        c_loc(state(15, 2)), 1_c_int64_t, int(2*n, c_int64_t), c_loc(truth), &
        c_null_ptr, 0_c_int64_t, 0_c_int64_t, c_loc(y), 1_c_int64_t, 1_c_int64_t, &
        c_loc(dx), 2_c_int64_t, 1_c_int64_t, c_loc(dp), err))
    print '(a,f0.12)', 'force ', y, 'dforce/dr ', dx(1), 'dforce/dk ', dp(1)

    ! The parameters back from the forces.
    unbounded = huge(unbounded)
    call check(ncg_fit_new(model, options, fit, err))
    call check(ncg_fit_add_parameter(fit, c_text('k'), 1.0_c_double, 0.0_c_double, 100.0_c_double, err))
    call check(ncg_fit_add_parameter(fit, c_text('a'), 1.0_c_double, -unbounded, unbounded, err))
    call check(ncg_fit_set_data_f64(fit, int(n, c_int64_t), &
        c_loc(state(1, 2)), 2_c_int64_t, int(2*n, c_int64_t), &
        c_loc(state(1, 5)), 2_c_int64_t, int(2*n, c_int64_t), c_null_ptr, 0_c_int64_t, 0_c_int64_t, err))
    call check(ncg_fit_set_callback(fit, c_funloc(progress), c_loc(calls), 1_c_int64_t, err))
    call check(ncg_fit_run(fit, stop, err))
    call check(ncg_fit_parameters(fit, values, 2_c_int64_t, err))
    call check(ncg_fit_covariance(fit, covariance, 4_c_int64_t, err))
    print '(2a)', 'converged ', trim(merge('yes', 'no ', stop >= NCG_FIT_GRADIENT .and. stop <= NCG_FIT_STEP))
    print '(a,f0.9)', 'k ', values(1)
    print '(a,f11.9)', 'a ', values(2)
    print '(2a)', 'callback ', trim(merge('called      ', 'NEVER CALLED', calls > 0))

    ! Division by zero inside the library is no trap, even where this program is built to trap it.
    call check(ncg_model_compile(c_text('(/ 1.0 x)'), 9_c_int64_t, c_null_ptr, reciprocal, err))
    call check(ncg_session_new(reciprocal, options, reciprocal_session, err))
    call check(ncg_eval_f64(reciprocal_session, 1_c_int64_t, c_loc(zero), 1_c_int64_t, 1_c_int64_t, c_null_ptr, &
        c_loc(y), 1_c_int64_t, 1_c_int64_t, err))
    print '(2a)', '1/0 is ', trim(merge('infinite', 'FINITE  ', y > huge(y)))
    call ncg_session_free(reciprocal_session)
    call ncg_model_free(reciprocal)

    call ncg_fit_free(fit)
    call ncg_session_free(session)
    call ncg_model_free(model)
    call ncg_options_free(options)

contains

    !> Prints the message of a failed call and ends the program. The library itself does neither.
    subroutine check(status)
        integer(c_int32_t), intent(in) :: status
        if (status == NCG_OK) return
        write (error_unit, '(3a)') ncg_string(ncg_status_name(status)), ': ', ncg_string(ncg_error_message(err))
        call ncg_error_free(err)
        error stop
    end subroutine

end program fit_example
