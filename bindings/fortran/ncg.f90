!> Interfaces to the C functions of ncg that a Fortran simulator needs. Comments on each function stand in ncg.h.
!!
!! Array arguments are passed as type(c_ptr), made by c_loc, so that strides can describe array sections; c_null_ptr leaves an
!! argument out. The argument err may be left out altogether.
module ncg
    use, intrinsic :: iso_c_binding, only: c_char, c_double, c_funptr, c_int32_t, c_int64_t, c_null_char, c_ptr
    implicit none
    public

    integer(c_int32_t), parameter :: NCG_OK = 0
    integer(c_int32_t), parameter :: NCG_ERR_ARGUMENT = 1
    integer(c_int32_t), parameter :: NCG_ERR_PARSE = 2
    integer(c_int32_t), parameter :: NCG_ERR_COMPILE = 3
    integer(c_int32_t), parameter :: NCG_ERR_FORMAT = 4
    integer(c_int32_t), parameter :: NCG_ERR_IO = 5
    integer(c_int32_t), parameter :: NCG_ERR_UNSUPPORTED = 6
    integer(c_int32_t), parameter :: NCG_ERR_ENGINE_UNAVAILABLE = 7
    integer(c_int32_t), parameter :: NCG_ERR_ENGINE = 8
    integer(c_int32_t), parameter :: NCG_ERR_SHAPE = 9
    integer(c_int32_t), parameter :: NCG_ERR_NUMERIC = 10
    integer(c_int32_t), parameter :: NCG_ERR_LIMIT = 11
    integer(c_int32_t), parameter :: NCG_ERR_MEMORY = 12
    integer(c_int32_t), parameter :: NCG_ERR_BUSY = 13
    integer(c_int32_t), parameter :: NCG_ERR_BUFFER = 14
    integer(c_int32_t), parameter :: NCG_ERR_PANIC = 15
    integer(c_int32_t), parameter :: NCG_INPUT = 0
    integer(c_int32_t), parameter :: NCG_PARAMETER = 1
    integer(c_int32_t), parameter :: NCG_OUTPUT = 2
    integer(c_int32_t), parameter :: NCG_FIT_NOT_RUN = 0
    integer(c_int32_t), parameter :: NCG_FIT_GRADIENT = 1
    integer(c_int32_t), parameter :: NCG_FIT_LOSS = 2
    integer(c_int32_t), parameter :: NCG_FIT_STEP = 3
    integer(c_int32_t), parameter :: NCG_FIT_MAX_ITERATIONS = 4
    integer(c_int32_t), parameter :: NCG_FIT_MAX_TIME = 5
    integer(c_int32_t), parameter :: NCG_FIT_STOPPED = 6
    integer(c_int32_t), parameter :: NCG_FIT_MAX_EVALUATIONS = 7
    integer(c_int32_t), parameter :: NCG_FIT_TARGET = 8

    interface
        function ncg_version() bind(C) result(version)
            import :: c_int32_t
            integer(c_int32_t) :: version
        end function

        function ncg_status_name(status) bind(C) result(name)
            import :: c_int32_t, c_ptr
            integer(c_int32_t), value :: status
            type(c_ptr) :: name
        end function

        function ncg_error_message(error) bind(C) result(message)
            import :: c_ptr
            type(c_ptr), value :: error
            type(c_ptr) :: message
        end function

        subroutine ncg_error_free(error) bind(C)
            import :: c_ptr
            type(c_ptr), value :: error
        end subroutine

        function ncg_options_new(out, err) bind(C) result(status)
            import :: c_int32_t, c_ptr
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_options_set_str(options, name, value, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_ptr
            type(c_ptr), value :: options
            character(kind=c_char), intent(in) :: name(*), value(*)
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_options_set_int(options, name, value, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: options
            character(kind=c_char), intent(in) :: name(*)
            integer(c_int64_t), value :: value
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_options_set_real(options, name, value, err) bind(C) result(status)
            import :: c_char, c_double, c_int32_t, c_ptr
            type(c_ptr), value :: options
            character(kind=c_char), intent(in) :: name(*)
            real(c_double), value :: value
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        subroutine ncg_options_free(options) bind(C)
            import :: c_ptr
            type(c_ptr), value :: options
        end subroutine

        function ncg_model_compile(source, length, options, out, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_int64_t, c_ptr
            character(kind=c_char), intent(in) :: source(*)
            integer(c_int64_t), value :: length
            type(c_ptr), value :: options
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_interpreter(options, out, err) bind(C) result(status)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: options
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_bind_program(interpreter, source, length, options, out, err) &
                bind(C) result(status)
            import :: c_char, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: interpreter
            character(kind=c_char), intent(in) :: source(*)
            integer(c_int64_t), value :: length
            type(c_ptr), value :: options
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_load(path, out, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_ptr
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_save(model, path, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_ptr
            type(c_ptr), value :: model
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_count(model, kind) bind(C) result(count)
            import :: c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: model
            integer(c_int32_t), value :: kind
            integer(c_int64_t) :: count
        end function

        function ncg_model_index(model, kind, name) bind(C) result(index)
            import :: c_char, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: model
            integer(c_int32_t), value :: kind
            character(kind=c_char), intent(in) :: name(*)
            integer(c_int64_t) :: index
        end function

        function ncg_model_parameter_value(model, index, value, err) bind(C) result(status)
            import :: c_double, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: model
            integer(c_int64_t), value :: index
            real(c_double), intent(out) :: value
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_model_warnings(model, buffer, capacity, needed, err) bind(C) result(status)
            import :: c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: model, buffer
            integer(c_int64_t), value :: capacity
            integer(c_int64_t), intent(out), optional :: needed
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        subroutine ncg_model_free(model) bind(C)
            import :: c_ptr
            type(c_ptr), value :: model
        end subroutine

        function ncg_session_new(model, options, out, err) bind(C) result(status)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: model, options
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_session_describe(session) bind(C) result(description)
            import :: c_ptr
            type(c_ptr), value :: session
            type(c_ptr) :: description
        end function

        function ncg_eval_f64(session, n_samples, x, x_sample_stride, x_stride, p, &
                y, y_sample_stride, y_stride, err) bind(C) result(status)
            import :: c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: session, x, p, y
            integer(c_int64_t), value :: n_samples, x_sample_stride, x_stride, y_sample_stride, y_stride
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_grad_f64(session, n_samples, x, x_sample_stride, x_stride, p, &
                seed, seed_sample_stride, seed_stride, y, y_sample_stride, y_stride, &
                dx, dx_sample_stride, dx_stride, dp, err) bind(C) result(status)
            import :: c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: session, x, p, seed, y, dx, dp
            integer(c_int64_t), value :: n_samples, x_sample_stride, x_stride, seed_sample_stride, seed_stride
            integer(c_int64_t), value :: y_sample_stride, y_stride, dx_sample_stride, dx_stride
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        subroutine ncg_session_free(session) bind(C)
            import :: c_ptr
            type(c_ptr), value :: session
        end subroutine

        function ncg_fit_new(model, options, out, err) bind(C) result(status)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: model, options
            type(c_ptr), intent(out) :: out
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_add_parameter(fit, name, initial, lower, upper, err) bind(C) result(status)
            import :: c_char, c_double, c_int32_t, c_ptr
            type(c_ptr), value :: fit
            character(kind=c_char), intent(in) :: name(*)
            real(c_double), value :: initial, lower, upper
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_set_data_f64(fit, n_samples, x, x_sample_stride, x_stride, &
                y, y_sample_stride, y_stride, w, w_sample_stride, w_stride, err) bind(C) result(status)
            import :: c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: fit, x, y, w
            integer(c_int64_t), value :: n_samples, x_sample_stride, x_stride, y_sample_stride, y_stride
            integer(c_int64_t), value :: w_sample_stride, w_stride
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_set_covariance_f64(fit, n, covariance, err) bind(C) result(status)
            import :: c_double, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: fit
            integer(c_int64_t), value :: n
            real(c_double), intent(in) :: covariance(*)
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_set_callback(fit, callback, user_data, every, err) bind(C) result(status)
            import :: c_funptr, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: fit, user_data
            type(c_funptr), value :: callback
            integer(c_int64_t), value :: every
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_checkpoint(fit, path, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_ptr
            type(c_ptr), value :: fit
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_resume(fit, path, err) bind(C) result(status)
            import :: c_char, c_int32_t, c_ptr
            type(c_ptr), value :: fit
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_run(fit, stop, err) bind(C) result(status)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: fit
            integer(c_int32_t), intent(out) :: stop
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        subroutine ncg_fit_cancel(fit) bind(C)
            import :: c_ptr
            type(c_ptr), value :: fit
        end subroutine

        function ncg_fit_stat(fit, name, value, err) bind(C) result(status)
            import :: c_char, c_double, c_int32_t, c_ptr
            type(c_ptr), value :: fit
            character(kind=c_char), intent(in) :: name(*)
            real(c_double), intent(out) :: value
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_parameters(fit, values, capacity, err) bind(C) result(status)
            import :: c_double, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: fit
            real(c_double), intent(out) :: values(*)
            integer(c_int64_t), value :: capacity
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        function ncg_fit_covariance(fit, values, capacity, err) bind(C) result(status)
            import :: c_double, c_int32_t, c_int64_t, c_ptr
            type(c_ptr), value :: fit
            real(c_double), intent(out) :: values(*)
            integer(c_int64_t), value :: capacity
            type(c_ptr), intent(inout), optional :: err
            integer(c_int32_t) :: status
        end function

        subroutine ncg_fit_free(fit) bind(C)
            import :: c_ptr
            type(c_ptr), value :: fit
        end subroutine
    end interface

contains

    !> Text from the library as a Fortran string.
    function ncg_string(text) result(string)
        use, intrinsic :: iso_c_binding, only: c_associated, c_f_pointer
        type(c_ptr), intent(in) :: text
        character(len=:), allocatable :: string
        character(kind=c_char), pointer :: characters(:)
        integer(c_int64_t) :: i, length
        interface
            function strlen(text) bind(C) result(length)
                import :: c_ptr, c_int64_t
                type(c_ptr), value :: text
                integer(c_int64_t) :: length
            end function
        end interface

        length = 0
        if (c_associated(text)) length = strlen(text)
        string = repeat(' ', int(length))
        if (length == 0) return
        call c_f_pointer(text, characters, [length])
        do i = 1, length
            string(i:i) = characters(i)
        end do
    end function

    !> A Fortran string as C has it, trailing blanks dropped.
    pure function c_text(string) result(text)
        character(len=*), intent(in) :: string
        character(kind=c_char, len=:), allocatable :: text
        text = trim(string)//c_null_char
    end function

end module ncg
