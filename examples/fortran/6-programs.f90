!> Programs that arrive while the simulator runs: each is bound to the compiled interpreter and takes the place of the last.
program programs
    use, intrinsic :: iso_c_binding, only: c_double
    use, intrinsic :: iso_fortran_env, only: error_unit
    use ncg
    implicit none
    !> As if they came from an input deck or a socket; the second is wrong.
    character(len=14), parameter :: texts(3) = ['(* k x)       ', '(* k (sine x))', '(* k (sin x)) ']
    type(ncg_model_t) :: interpreter, model
    type(ncg_session_t) :: session
    type(ncg_error_t) :: error
    real(c_double) :: y(1)
    integer :: i

    call interpreter%interpreter()
    do i = 1, size(texts)
        call interpreter%bind_program('(input x) (parameter k 2) '//texts(i), model, error=error)
        if (error%failed()) then
            ! a bad program is an error to report, and no reason to stop: the old session stays
            print '(a, i0, 2a)', 'program ', i, ' is refused: ', error%name()
            write (error_unit, '(a)') error%message
        else
            call session%create(model)
        end if
        call session%eval([0.5_c_double], y)
        print '(a, f8.6)', 'y = ', y
    end do
end program
