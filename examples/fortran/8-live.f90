!> Calibrates a simulation while it runs.
!!
!! A front moves along a line of cells: u diffuses, and reacts at the rate k u (1 - u), which is a model. Sensors in some cells
!! of the plant observe u, with noise; its rate constant is not known, and changes as its catalyst ages. The simulation keeps
!! the last observations, refits k every so many steps, and goes on with what it found.
program live
    use, intrinsic :: iso_c_binding
    use ncg
    implicit none
    integer, parameter :: cells = 200, steps = 2000, refit = 250, window = 250, sensors = 8
    real(c_double), parameter :: dt = 0.01_c_double, dx = 0.5_c_double, diffusion = 0.5_c_double
    !> The plant, which the simulation knows by its sensors only, and the simulation.
    real(c_double) :: plant(0:cells + 1), u(0:cells + 1), rate(cells), k(1) = 1
    !> Observations, a ring of the last: what u was, and how fast it rose beside what diffusion explains.
    real(c_double) :: seen_u(sensors*window), seen_rate(sensors*window)
    real(c_double) :: covariance(1, 1)
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    type(ncg_fit_t) :: fit
    integer(c_int32_t) :: stop
    integer :: step, place

    ! one text for the rate that the simulation takes and for the fit of its constant
    call model%compile('(input u) (parameter k 1 0 10) (* k u (- 1 u))')
    call session%create(model)
    call fit%create(model)
    plant = merge(1.0_c_double, 0.0_c_double, [(step <= 20, step=0, cells + 1)])
    u = plant

    do step = 1, steps
        place = mod(step - 1, window)*sensors + 1
        call observe(true_k(step), seen_u(place:place + sensors - 1), seen_rate(place:place + sensors - 1))

        ! all cells in one call, with the constant of the moment
        call session%eval(u(1:cells), rate, k)
        u(1:cells) = u(1:cells) + dt*(diffused(u) + rate)
        call close_ends(u)

        if (mod(step, refit) == 0) then
            ! new data for the same fit, which begins anew and is over in microseconds: the simulation hardly notices
            call fit%set_data(seen_u, seen_rate)
            call fit%run(stop)
            k = fit%parameters()
            covariance = fit%covariance()
            print '(a, f5.2, 3(a, f5.3))', 't = ', step*dt, ': k = ', k, ' +- ', sqrt(covariance(1, 1)), &
                ', the plant has ', true_k(step)
        end if
    end do

contains

    !> Twice as fast at the start as at the end.
    pure real(c_double) function true_k(step)
        integer, intent(in) :: step
        true_k = merge(2.0_c_double, 1.0_c_double, step <= steps/2)
    end function

    pure function diffused(u)
        real(c_double), intent(in) :: u(0:)
        real(c_double) :: diffused(cells)
        diffused = diffusion*(u(0:cells - 1) - 2*u(1:cells) + u(2:cells + 1))/dx**2
    end function

    !> Nothing flows through the ends.
    pure subroutine close_ends(u)
        real(c_double), intent(inout) :: u(0:)
        u(0) = u(1)
        u(cells + 1) = u(cells)
    end subroutine

    !> A step of the plant, and what its sensors tell of it.
    subroutine observe(k, at, rises)
        real(c_double), intent(in) :: k
        real(c_double), intent(out) :: at(sensors), rises(sensors)
        real(c_double) :: change(cells)
        integer :: i
        change = k*plant(1:cells)*(1 - plant(1:cells))
        do i = 1, sensors
            at(i) = plant(10*i)
            ! what stands for noise
            rises(i) = change(10*i) + 0.01_c_double*sin(real(i*step, c_double)**2)
        end do
        plant(1:cells) = plant(1:cells) + dt*(diffused(plant) + change)
        call close_ends(plant)
    end subroutine

end program
