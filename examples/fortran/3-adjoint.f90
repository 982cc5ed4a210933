!> The gradient of a whole simulation: its own adjoint code, with the model's reverse sweep inside.
!!
!! A particle is pushed by a force that the model gives; how does the place where it ends hang on the model's constants?
program adjoint
    use, intrinsic :: iso_c_binding, only: c_double
    use ncg
    implicit none
    integer, parameter :: steps = 50
    real(c_double), parameter :: dt = 0.1_c_double, q = 1
    real(c_double) :: p(2) = [1.0_c_double, 0.5_c_double]
    real(c_double) :: x(2, steps), force(1), dx(2), dp(2)
    real(c_double) :: r, v, r_bar, v_bar, p_bar(2)
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    integer :: n

    call model%load('examples/models/screened-force.scm')
    call session%create(model)

    ! the simulator, which keeps what the way back needs
    r = 1
    v = 0
    do n = 1, steps
        x(:, n) = [r, q]
        call session%eval(x(:, n), force, p)
        v = v + dt*force(1)
        r = r + dt*v
    end do
    print '(a, f7.5)', 'the particle ends at r = ', r

    ! Each line of a step backwards. The seed is the adjoint of the force; the sweep gives that of its inputs, dx, and of its
    ! parameters, dp.
    r_bar = 1
    v_bar = 0
    p_bar = 0
    do n = steps, 1, -1
        v_bar = v_bar + dt*r_bar
        call session%gradient(x(:, n), dx=dx, dp=dp, seed=[dt*v_bar], p=p)
        r_bar = r_bar + dx(1)
        p_bar = p_bar + dp
    end do
    print '(a, f7.5)', 'dr/dk = ', p_bar(1)
    print '(a, f8.5)', 'dr/da = ', p_bar(2)
end program
