!> A separate project in Fortran.
program main
    use, intrinsic :: iso_c_binding, only: c_double
    use ncg
    implicit none
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    real(c_double) :: x(2) = [3, 4], y(2)

    call model%compile('(* 2 (square x))')
    call session%create(model)
    call session%eval(x, y)
    print '(a,2(1x,i0))', 'Fortran', nint(y)
end program main
