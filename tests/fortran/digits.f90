!> Fits the model in the first argument to the columns x and y of the second, and prints each parameter with its standard error,
!> with 17 digits.
program digits
    use, intrinsic :: iso_c_binding
    use ncg
    implicit none

    character(len=1000) :: path, line
    type(ncg_options_t) :: options
    type(ncg_model_t) :: model
    type(ncg_fit_t) :: fit
    real(c_double), allocatable :: x(:), y(:), values(:), covariance(:, :)
    real(c_double) :: row(2)
    integer(c_int32_t) :: stop
    integer :: unit, status, i

    allocate (x(0), y(0))
    call get_command_argument(2, path)
    open (newunit=unit, file=path, status='old', action='read')
    do
        read (unit, '(a)', iostat=status) line
        if (status /= 0) exit
        if (scan(line(1:1), '0123456789-.') == 0) cycle
        read (line, *) row
        x = [x, row(1)]
        y = [y, row(2)]
    end do
    close (unit)

    call get_command_argument(1, path)
    call options%set('engine', 'native')
    call model%load(trim(path))
    call fit%create(model, options)
    call fit%set_data(x, y)
    call fit%run(stop)
    values = fit%parameters()
    covariance = fit%covariance()
    do i = 1, size(values)
        print '(a, 2(1x, es23.16e2))', model%name(NCG_PARAMETER, i), values(i), sqrt(covariance(i, i))
    end do
end program digits
