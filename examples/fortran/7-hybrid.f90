!> Fits a constant of physics together with a network for what is not known: the friction of a pendulum.
program hybrid
    use, intrinsic :: iso_c_binding
    use ncg
    implicit none
    ! the acceleration; friction has the sign of the speed, whatever the network's weights
    character(len=*), parameter :: text = '(parameter k 1) (import friction "friction.onnx")' // &
        '(define (odd w) (* 0.5 (- (friction w) (friction (- w)))))' // &
        '(- (+ (* k (sin angle)) (odd w)))'
    integer, parameter :: n = 200
    real(c_double) :: x(n, 2), y(n), weight(n), s(n), acceleration(1)
    real(c_double), allocatable :: value(:)
    type(ncg_options_t) :: options
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    type(ncg_fit_t) :: fit
    integer(c_int32_t) :: stop
    integer :: i, k

    s = [(real(i, c_double), i=0, n - 1)]
    x(:, 1) = 1.5_c_double*sin(0.37_c_double*s)
    x(:, 2) = 3*sin(0.73_c_double*s + 1)
    y = -9*sin(x(:, 1)) - truth(x(:, 2)) + 0.01_c_double*sin(s**2)
    weight = 1/0.01_c_double**2

    ! A text may import what lies in the folder that it is told. All weights of the network move with k; what is expected of
    ! them keeps them small.
    call options%set('folder', 'examples/hybrid')
    call options%set('prior', 'friction.*=0:3')
    call options%set('noise', 'known')
    call model%compile(text, options)
    call fit%create(model, options)
    call fit%set_data(x, y, weight)
    call fit%run(stop)
    value = fit%parameters()
    k = int(model%index(NCG_PARAMETER, 'k'))
    print '(i0, a, f3.1)', size(value), ' parameters, k = ', value(k)

    ! hanging straight down, friction alone acts
    call session%create(model, options)
    call session%eval(reshape([0.0_c_double, 2.0_c_double], [1, 2]), acceleration, value)
    print '(a, f3.1, a, f3.1)', 'friction at 2 rad/s: ', -acceleration(1), ', in truth ', truth(2.0_c_double)
contains
    elemental real(c_double) function truth(w)
        real(c_double), intent(in) :: w
        truth = 0.1_c_double*w + 0.15_c_double*w*abs(w) + 0.4_c_double*tanh(2*w)
    end function
end program
