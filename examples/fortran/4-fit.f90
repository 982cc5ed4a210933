!> Fits the constants of a model to observations.
program fit_model
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use ncg
    implicit none
    integer, parameter :: n = 100
    real(c_double) :: x(n, 2), y(n)
    real(c_double) :: value(2), covariance(2, 2)
    type(ncg_model_t) :: model, fitted
    type(ncg_fit_t) :: fit
    integer(c_int32_t) :: stop
    integer :: s

    ! observations of k = 2.5, a = 0.75, and what stands for noise
    do s = 1, n
        x(s, :) = [0.5_c_double + 0.05_c_double*(s - 1), merge(1.0_c_double, -1.5_c_double, mod(s, 2) == 0)]
        y(s) = 2.5_c_double*x(s, 2)*exp(-0.75_c_double*x(s, 1)) + 0.01_c_double*sin(real((s - 1)**2, c_double))
    end do

    ! Which constants move, from where, between which bounds. The data are copied.
    call model%load('examples/models/screened-force.scm')
    call fit%create(model)
    call fit%add_parameter('k', 1.0_c_double, lower=0.0_c_double, upper=100.0_c_double)
    call fit%add_parameter('a', 1.0_c_double)
    call fit%set_data(x, y)
    call fit%run(stop)
    print '(2a)', 'converged: ', trim(merge('yes', 'no ', stop >= NCG_FIT_GRADIENT .and. stop <= NCG_FIT_STEP))
    value = fit%parameters()
    covariance = fit%covariance()
    print '(2(a, f6.4))', 'k = ', value(1), ' +- ', sqrt(covariance(1, 1)), 'a = ', value(2), ' +- ', sqrt(covariance(2, 2))
    write (error_unit, '(a)') fit%report('text')

    ! the same model with these values: evaluate it, save it, export it
    call fit%bake(fitted)
    print '(a, f6.4)', 'the fitted model has k = ', fitted%parameter_value('k')
end program
