!> ncg for Fortran 2018, in source form: compile this file with your own compiler, and link with -lncg.
!!
!! Two layers. The types below hold a handle, free it when the last copy goes out of scope (or by free), take arrays of rank
!! 1 and 2 with any strides without a copy, and report through an optional argument:
!!
!!     type(ncg_model_t) :: model
!!     type(ncg_session_t) :: session
!!     call model%compile('(parameter k 2) (* k (square x))')
!!     call session%create(model)
!!     call session%eval(x, y)
!!
!! A failed call sets `error`; where that is left out, it prints the message and stops the program, as allocate does without
!! stat. Below them, the C functions as they stand in ncg.h, where each has a comment: there arrays are passed as c_loc(x), so
!! that strides can describe sections, c_null_ptr leaves an argument out, and err may be left out altogether.
module ncg
    use, intrinsic :: iso_c_binding, only: c_associated, c_char, c_double, c_f_pointer, c_float, c_funloc, c_funptr, &
        c_int32_t, c_int64_t, c_intptr_t, c_loc, c_null_char, c_null_funptr, c_null_ptr, c_ptr
    use, intrinsic :: iso_fortran_env, only: error_unit
    implicit none
    public
    private :: arrays_of, pointers_of, step_between, strides_of, whole_parameters
    private :: table_t, hook_t, address, check_shape, check_size, entries_first, list, matrix, &
        or_null, samples_of, settle, settle_text, single_table, table, told

    include 'ncg_c.inc'

    !> How a table of rank 2 lies in an array: x(sample, entry), which is taken unless it is said, or x(entry, sample), which
    !! is x[sample][entry] in C.
    integer, parameter :: NCG_SAMPLES_FIRST = 1
    integer, parameter :: NCG_ENTRIES_FIRST = 2

    abstract interface
        subroutine free_interface(handle) bind(C)
            import
            type(c_ptr), value :: handle
        end subroutine
    end interface

    !> What the handles below share. A copy is another name for the same thing, which ends with its last copy. Copy
    !! handles, not records or arrays that hold them: compilers there are (gfortran 12) that copy a record's bits without asking the
    !! types of its components. Such a copy is known by its place in memory: it is never freed, and its first use stops the program.
    type :: ncg_handle_t
        type(c_ptr), pointer, private :: handle => null()
        integer, pointer, private :: copies => null()
        procedure(free_interface), pointer, nopass, private :: give_back => null()
        !> Where this component lay when the handle was taken.
        integer(c_intptr_t), private :: home = 0
        integer(c_int64_t), private :: n_inputs = 0, n_parameters = 0, n_outputs = 0
        !> Of a session, the whole arrays of its model: kind, rank, rows, columns of each.
        integer(c_int64_t), pointer, private :: arrays(:, :) => null()
    contains
        !> The handle for a C function; still owned here.
        procedure :: c_handle => handle_get
        procedure :: free => handle_free
        procedure, private :: take => handle_take
        procedure, private :: at_home => handle_at_home
        procedure, private :: assign => handle_assign
        generic :: assignment(=) => assign
        final :: handle_final
    end type

    !> What a call says: NCG_OK, or a code, a message and, for source text, a place.
    type :: ncg_error_t
        integer(c_int32_t) :: code = NCG_OK
        character(len=:), allocatable :: message
        !> Zero-based byte offset, one-based line and column; -1 where there is no place.
        integer(c_int64_t) :: offset = -1, line = -1, column = -1
    contains
        procedure :: failed => error_failed
        !> "NCG_ERR_PARSE" and so on.
        procedure :: name => error_name
    end type

    !> Named settings: call options%set('engine', 'native').
    type, extends(ncg_handle_t) :: ncg_options_t
    contains
        procedure, private :: set_text => options_set_text
        procedure, private :: set_integer => options_set_integer
        procedure, private :: set_long => options_set_long
        procedure, private :: set_real => options_set_real
        generic :: set => set_text, set_integer, set_long, set_real
    end type

    !> A compiled model: immutable, for any number of threads. Indices of entries begin at 1.
    type, extends(ncg_handle_t) :: ncg_model_t
    contains
        procedure :: compile => model_compile
        procedure :: load => model_load
        procedure :: parse => model_parse
        procedure :: interpreter => model_interpreter
        procedure :: bind_program => model_bind_program
        procedure :: save => model_save
        procedure :: export_onnx => model_export_onnx
        procedure :: write => model_write
        procedure :: warnings => model_warnings
        procedure :: count => model_count
        procedure :: name => model_name
        procedure :: index => model_index
        procedure :: shape => model_shape
        procedure :: parameter_value => model_parameter_value
        procedure :: parameter_bounds => model_parameter_bounds
    end type

    !> One engine's state for one model: one thread at a time. An array of rank 1 holds the samples of a model's only input
    !! or output; where there are more, one sample's values of all.
    type, extends(ncg_handle_t) :: ncg_session_t
    contains
        procedure :: create => session_create
        procedure :: describe => session_describe
        procedure, private :: session_eval, session_single
        !> eval(x, y, p, order, error): y = f(x; p), in double or single precision.
        generic :: eval => session_eval, session_single
        !> gradient(x, y, dx, dp, seed, p, order, error): a reverse sweep; what is left out is not computed.
        procedure :: gradient => session_gradient
        !> jacobian(x, j, y, p, order, error): j(sample, output, parameter), or j(parameter, output, sample) with entries
        !! first; of rank 2, without the output, where there is but one.
        procedure :: jacobian => session_jacobian
        !> run(samples, inputs, outputs, p, error): inputs and outputs that may be vectors and matrices, each an ncg_entry.
        procedure :: run => session_run
        !> run_gradient(samples, inputs, outputs, seeds, d_inputs, p, dp, error): the same with a reverse sweep.
        procedure :: run_gradient => session_run_gradient
    end type

    !> An array of the caller's that holds one vector, matrix or number for each sample; ncg_entry makes it.
    type :: ncg_entry_t
        private
        type(c_ptr) :: first = c_null_ptr
        !> -1 where there is no array.
        integer :: rank = -1
        integer(c_int64_t) :: extents(3) = 1, steps(3) = 0
        logical :: samples_last = .false.
    end type

    !> What a fit calls as it goes: extend it with what is to be kept, and give it to run.
    type, abstract :: ncg_monitor_t
    contains
        procedure(progress_interface), deferred :: progress
    end type

    abstract interface
        !> Whether the fit is to stop.
        logical function progress_interface(self, iteration, loss, params)
            import
            class(ncg_monitor_t), intent(inout) :: self
            integer(c_int64_t), intent(in) :: iteration
            real(c_double), intent(in) :: loss, params(:)
        end function
    end interface

    type :: hook_t
        class(ncg_monitor_t), pointer :: monitor => null()
    end type

    !> A fitting problem: one thread at a time, cancel excepted.
    type, extends(ncg_handle_t) :: ncg_fit_t
    contains
        procedure :: create => fit_create
        procedure :: add_parameter => fit_add_parameter
        procedure :: set_data => fit_set_data
        procedure :: add_data => fit_add_data
        !> share(blocks, samples, gather, user_data, error): one fit by several processes; gather as in ncg_fit_share.
        procedure :: share => fit_share
        procedure :: run => fit_run
        procedure :: cancel => fit_cancel
        procedure :: stat => fit_stat
        procedure :: parameters => fit_parameters
        procedure :: covariance => fit_covariance
        procedure :: report => fit_report
        procedure :: bake => fit_bake
    end type

    !> A table of samples by entries in the caller's memory. It must have as many entries as the model, if it is there.
    type :: table_t
        type(c_ptr) :: first = c_null_ptr
        integer(c_int64_t) :: samples = 0, entries = 0, sample_stride = 0, stride = 0
    end type

contains

    ! the procedures of the handles themselves and of errors; those of each type are in the files that are included at the end
    !> Text from the library as a Fortran string.
    function ncg_string(text) result(string)
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

    logical function handle_at_home(self) result(at_home)
        class(ncg_handle_t), intent(in), target :: self
        at_home = self%home == address(c_loc(self%home))
    end function

    subroutine handle_take(self, handle, give_back)
        class(ncg_handle_t), intent(inout), target :: self
        type(c_ptr), intent(in) :: handle
        procedure(free_interface) :: give_back
        call self%free()
        if (.not. c_associated(handle)) return
        allocate (self%handle, self%copies)
        self%handle = handle
        self%copies = 1
        self%give_back => give_back
        self%home = address(c_loc(self%home))
    end subroutine

    function handle_get(self) result(handle)
        class(ncg_handle_t), intent(in) :: self
        type(c_ptr) :: handle
        handle = c_null_ptr
        if (.not. associated(self%handle)) return
        if (.not. self%at_home()) error stop &
            'ncg: a record or array of handles was assigned as a whole; assign its parts one by one'
        handle = self%handle
    end function

    subroutine handle_free(self)
        class(ncg_handle_t), intent(inout) :: self
        if (.not. associated(self%handle)) return
        ! a copy of bits has not been counted, and what it points to may be gone
        if (self%at_home()) then
            self%copies = self%copies - 1
            if (self%copies == 0) then
                call self%give_back(self%handle)
                deallocate (self%handle, self%copies)
                if (associated(self%arrays)) deallocate (self%arrays)
            end if
        end if
        nullify (self%handle, self%copies, self%arrays)
    end subroutine

    impure elemental subroutine handle_assign(self, other)
        class(ncg_handle_t), intent(inout), target :: self
        class(ncg_handle_t), intent(in) :: other
        if (.not. same_type_as(self, other)) error stop 'ncg: a handle is assigned to one of another type'
        ! the other may be a copy of bits that the compiler has made of an array, or of self, for the time of this call
        if (associated(other%copies)) other%copies = other%copies + 1
        call self%free()
        self%home = address(c_loc(self%home))
        self%handle => other%handle
        self%copies => other%copies
        self%give_back => other%give_back
        self%n_inputs = other%n_inputs
        self%n_parameters = other%n_parameters
        self%n_outputs = other%n_outputs
        self%arrays => other%arrays
    end subroutine

    impure elemental subroutine handle_final(self)
        type(ncg_handle_t), intent(inout) :: self
        call self%free()
    end subroutine

    pure logical function error_failed(self)
        class(ncg_error_t), intent(in) :: self
        error_failed = self%code /= NCG_OK
    end function

    function error_name(self) result(name)
        class(ncg_error_t), intent(in) :: self
        character(len=:), allocatable :: name
        name = ncg_string(ncg_status_name(self%code))
    end function

    !> Gives a failure to the caller, or stops the program where the caller does not take it.
    subroutine settle(status, failure, error)
        integer(c_int32_t), intent(in) :: status
        type(c_ptr), intent(in) :: failure
        type(ncg_error_t), intent(out), optional :: error
        character(len=:), allocatable :: message
        integer(c_int32_t) :: known
        integer(c_int64_t) :: place(3)

        if (status == NCG_OK) return
        place = -1
        known = ncg_error_location(failure, place(1), place(2), place(3))
        message = ncg_string(ncg_error_message(failure))
        call ncg_error_free(failure)
        call settle_text(status, message, error)
        if (present(error) .and. known == 1) then
            error%offset = place(1)
            error%line = place(2)
            error%column = place(3)
        end if
    end subroutine

    subroutine settle_text(status, message, error)
        integer(c_int32_t), intent(in) :: status
        character(len=*), intent(in) :: message
        type(ncg_error_t), intent(inout), optional :: error
        if (present(error)) then
            error%code = status
            error%message = message
        else
            write (error_unit, '(3a)') ncg_string(ncg_status_name(status)), ': ', message
            error stop 1
        end if
    end subroutine

    include 'ncg_model.inc'
    include 'ncg_session.inc'
    include 'ncg_run.inc'
    include 'ncg_fit.inc'

end module ncg
