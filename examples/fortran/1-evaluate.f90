!> Loads a model and evaluates it once.
program evaluate
    use, intrinsic :: iso_c_binding, only: c_double
    use, intrinsic :: iso_fortran_env, only: error_unit
    use ncg
    implicit none
    type(ncg_options_t) :: options
    type(ncg_model_t) :: model
    type(ncg_session_t) :: session
    real(c_double) :: force(1)
    integer :: i

    ! a .scm, .ncg or .onnx file, told apart by what is in it
    call model%load('examples/models/screened-force.scm')
    call options%set('engine', 'auto')
    ! the model can be shared by all threads; each has a session of its own
    call session%create(model, options)
    write (error_unit, '(a)') session%describe()

    ! the order of inputs is that in which the model names them; parameters are those of the file, since none are given
    do i = 1, int(model%count(NCG_INPUT))
        print '(2a)', 'input ', model%name(NCG_INPUT, i)
    end do
    call session%eval([2.0_c_double, 1.0_c_double], force)
    print '(a, f8.6)', 'force ', force
end program
