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

    subroutine options_begin(self, error)
        class(ncg_options_t), intent(inout) :: self
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        if (c_associated(self%c_handle())) return
        failure = c_null_ptr
        call settle(ncg_options_new(handle, failure), failure, error)
        call self%take(handle, ncg_options_free)
    end subroutine

    subroutine options_set_text(self, name, value, error)
        class(ncg_options_t), intent(inout) :: self
        character(len=*), intent(in) :: name
        character(len=*), intent(in) :: value
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call options_begin(self, error)
        call settle(ncg_options_set_str(self%c_handle(), c_text(name), c_text(value), failure), failure, error)
    end subroutine

    subroutine options_set_integer(self, name, value, error)
        class(ncg_options_t), intent(inout) :: self
        character(len=*), intent(in) :: name
        integer, intent(in) :: value
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call options_begin(self, error)
        call settle(ncg_options_set_int(self%c_handle(), c_text(name), int(value, c_int64_t), failure), failure, error)
    end subroutine

    subroutine options_set_long(self, name, value, error)
        class(ncg_options_t), intent(inout) :: self
        character(len=*), intent(in) :: name
        integer(c_int64_t), intent(in) :: value
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call options_begin(self, error)
        call settle(ncg_options_set_int(self%c_handle(), c_text(name), value, failure), failure, error)
    end subroutine

    subroutine options_set_real(self, name, value, error)
        class(ncg_options_t), intent(inout) :: self
        character(len=*), intent(in) :: name
        real(c_double), intent(in) :: value
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call options_begin(self, error)
        call settle(ncg_options_set_real(self%c_handle(), c_text(name), value, failure), failure, error)
    end subroutine

    function or_null(options) result(handle)
        type(ncg_options_t), intent(in), optional :: options
        type(c_ptr) :: handle
        handle = c_null_ptr
        if (present(options)) handle = options%c_handle()
    end function

    !> Compiles Scheme source text.
    subroutine model_compile(self, source, options, error)
        class(ncg_model_t), intent(inout) :: self
        character(len=*), intent(in) :: source
        type(ncg_options_t), intent(in), optional :: options
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_model_compile(source, len(source, c_int64_t), or_null(options), handle, failure), failure, error)
        call self%take(handle, ncg_model_free)
    end subroutine

    !> Reads a .scm, .ncg or .onnx file.
    subroutine model_load(self, path, error)
        class(ncg_model_t), intent(inout) :: self
        character(len=*), intent(in) :: path
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_model_load(c_text(path), handle, failure), failure, error)
        call self%take(handle, ncg_model_free)
    end subroutine

    !> The same from memory.
    subroutine model_parse(self, document, error)
        class(ncg_model_t), intent(inout) :: self
        character(len=*), intent(in) :: document
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_model_parse(document, len(document, c_int64_t), handle, failure), failure, error)
        call self%take(handle, ncg_model_free)
    end subroutine

    !> The interpreter of the library.
    subroutine model_interpreter(self, error)
        class(ncg_model_t), intent(inout) :: self
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_model_interpreter(c_null_ptr, handle, failure), failure, error)
        call self%take(handle, ncg_model_free)
    end subroutine

    !> Makes `bound` of this interpreter and a program.
    subroutine model_bind_program(self, source, bound, options, error)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: source
        type(ncg_model_t), intent(inout) :: bound
        type(ncg_options_t), intent(in), optional :: options
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_model_bind_program(self%c_handle(), source, len(source, c_int64_t), or_null(options), handle, &
            failure), failure, error)
        call bound%take(handle, ncg_model_free)
    end subroutine

    !> Writes a .ncg file.
    subroutine model_save(self, path, error)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: path
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call settle(ncg_model_save(self%c_handle(), c_text(path), failure), failure, error)
    end subroutine

    !> Writes an ONNX file.
    subroutine model_export_onnx(self, path, options, error)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: path
        type(ncg_options_t), intent(in), optional :: options
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call settle(ncg_model_export_onnx(self%c_handle(), c_text(path), or_null(options), failure), failure, error)
    end subroutine

    !> The model as text: format 'ncg' or 'text'.
    function model_write(self, format, error) result(text)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: format
        type(ncg_error_t), intent(out), optional :: error
        character(len=:), allocatable :: text
        character(kind=c_char, len=:), allocatable, target :: buffer
        integer(c_int64_t) :: needed
        type(c_ptr) :: failure
        failure = c_null_ptr
        needed = 1
        call settle(ncg_model_write(self%c_handle(), c_text(format), c_null_ptr, 0_c_int64_t, needed, failure), failure, error)
        allocate (character(kind=c_char, len=needed) :: buffer)
        buffer = repeat(' ', int(needed))
        if (needed > 1) call settle(ncg_model_write(self%c_handle(), c_text(format), c_loc(buffer), needed, err=failure), &
            failure, error)
        text = buffer(:needed - 1)
    end function

    !> What in the model is allowed but hardly meant.
    function model_warnings(self, error) result(text)
        class(ncg_model_t), intent(in) :: self
        type(ncg_error_t), intent(out), optional :: error
        character(len=:), allocatable :: text
        character(kind=c_char, len=:), allocatable, target :: buffer
        integer(c_int64_t) :: needed
        type(c_ptr) :: failure
        failure = c_null_ptr
        needed = 1
        call settle(ncg_model_warnings(self%c_handle(), c_null_ptr, 0_c_int64_t, needed, failure), failure, error)
        allocate (character(kind=c_char, len=needed) :: buffer)
        buffer = repeat(' ', int(needed))
        if (needed > 1) call settle(ncg_model_warnings(self%c_handle(), c_loc(buffer), needed, err=failure), &
            failure, error)
        text = buffer(:needed - 1)
    end function

    !> How many entries of a kind: NCG_INPUT, NCG_PARAMETER or NCG_OUTPUT.
    integer(c_int64_t) function model_count(self, kind)
        class(ncg_model_t), intent(in) :: self
        integer(c_int32_t), intent(in) :: kind
        model_count = ncg_model_count(self%c_handle(), kind)
    end function

    !> The name of an entry; empty where there is none.
    function model_name(self, kind, index) result(name)
        class(ncg_model_t), intent(in) :: self
        integer(c_int32_t), intent(in) :: kind
        integer, intent(in) :: index
        character(len=:), allocatable :: name
        name = ncg_string(ncg_model_name(self%c_handle(), kind, int(index, c_int64_t) - 1))
    end function

    !> The index of a name, from 1; 0 when absent.
    integer function model_index(self, kind, name)
        class(ncg_model_t), intent(in) :: self
        integer(c_int32_t), intent(in) :: kind
        character(len=*), intent(in) :: name
        model_index = int(ncg_model_index(self%c_handle(), kind, c_text(name))) + 1
    end function

    !> The dimensions of one sample of an entry; none for a scalar.
    function model_shape(self, kind, index, error) result(dims)
        class(ncg_model_t), intent(in) :: self
        integer(c_int32_t), intent(in) :: kind
        integer, intent(in) :: index
        type(ncg_error_t), intent(out), optional :: error
        integer(c_int64_t), allocatable :: dims(:)
        integer(c_int64_t) :: capacity, rank, place
        type(c_ptr) :: failure
        failure = c_null_ptr
        place = int(index, c_int64_t) - 1
        capacity = 0
        allocate (dims(capacity))
        call settle(ncg_model_shape(self%c_handle(), kind, place, dims, 0_c_int64_t, capacity, failure), failure, error)
        if (c_associated(failure) .or. capacity == 0) return
        deallocate (dims)
        allocate (dims(capacity))
        call settle(ncg_model_shape(self%c_handle(), kind, place, dims, capacity, rank, failure), failure, error)
    end function

    !> The value that a parameter has in the source text.
    real(c_double) function model_parameter_value(self, name, error) result(value)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: name
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        value = 0
        call settle(ncg_model_parameter_value(self%c_handle(), &
            ncg_model_index(self%c_handle(), NCG_PARAMETER, c_text(name)), value, failure), failure, error)
    end function

    !> Lower and upper bound of a parameter in the source text.
    function model_parameter_bounds(self, name, error) result(bounds)
        class(ncg_model_t), intent(in) :: self
        character(len=*), intent(in) :: name
        type(ncg_error_t), intent(out), optional :: error
        real(c_double) :: bounds(2)
        type(c_ptr) :: failure
        failure = c_null_ptr
        bounds = 0
        call settle(ncg_model_parameter_bounds(self%c_handle(), &
            ncg_model_index(self%c_handle(), NCG_PARAMETER, c_text(name)), bounds(1), bounds(2), failure), failure, error)
    end function

    integer(c_intptr_t) function address(pointer)
        type(c_ptr), intent(in) :: pointer
        address = transfer(pointer, 0_c_intptr_t)
    end function

    !> An array as a table; `unusable` where its rank is not 1 or 2, and an empty one where it has been left out.
    function table(x, entries, order) result(given)
        real(c_double), intent(in), target, optional :: x(..)
        integer(c_int64_t), intent(in) :: entries
        integer, intent(in), optional :: order
        type(table_t) :: given
        integer(c_intptr_t) :: steps(2), first
        ! 1, but gfortran 12 begins expressions at 0
        integer :: at(2)

        if (.not. present(x)) return
        steps = 1
        select rank (x)
        rank (1)
            if (size(x) == 0) return
            at(1) = lbound(x, 1)
            if (size(x) > 1) steps(1) = (address(c_loc(x(at(1) + 1))) - address(c_loc(x(at(1)))))/(storage_size(x)/8)
            given = list(c_loc(x(at(1))), size(x, kind=c_int64_t), steps(1), entries)
        rank (2)
            if (size(x) == 0) return
            at = lbound(x)
            first = address(c_loc(x(at(1), at(2))))
            if (size(x, 1) > 1) steps(1) = (address(c_loc(x(at(1) + 1, at(2)))) - first)/(storage_size(x)/8)
            if (size(x, 2) > 1) steps(2) = (address(c_loc(x(at(1), at(2) + 1))) - first)/(storage_size(x)/8)
            given = matrix(c_loc(x(at(1), at(2))), shape(x, kind=c_int64_t), steps, order)
        rank default
            given = table_t(samples=-1, entries=-1)
        end select
    end function

    !> An array as a table; `unusable` where its rank is not 1 or 2, and an empty one where it has been left out.
    function single_table(x, entries, order) result(given)
        real(c_float), intent(in), target, optional :: x(..)
        integer(c_int64_t), intent(in) :: entries
        integer, intent(in), optional :: order
        type(table_t) :: given
        integer(c_intptr_t) :: steps(2), first
        ! 1, but gfortran 12 begins expressions at 0
        integer :: at(2)

        if (.not. present(x)) return
        steps = 1
        select rank (x)
        rank (1)
            if (size(x) == 0) return
            at(1) = lbound(x, 1)
            if (size(x) > 1) steps(1) = (address(c_loc(x(at(1) + 1))) - address(c_loc(x(at(1)))))/(storage_size(x)/8)
            given = list(c_loc(x(at(1))), size(x, kind=c_int64_t), steps(1), entries)
        rank (2)
            if (size(x) == 0) return
            at = lbound(x)
            first = address(c_loc(x(at(1), at(2))))
            if (size(x, 1) > 1) steps(1) = (address(c_loc(x(at(1) + 1, at(2)))) - first)/(storage_size(x)/8)
            if (size(x, 2) > 1) steps(2) = (address(c_loc(x(at(1), at(2) + 1))) - first)/(storage_size(x)/8)
            given = matrix(c_loc(x(at(1), at(2))), shape(x, kind=c_int64_t), steps, order)
        rank default
            given = table_t(samples=-1, entries=-1)
        end select
    end function

    !> Rank 1: samples where there is one entry, else the entries of one sample. `step` is in elements.
    function list(first, length, step, entries)
        type(c_ptr), intent(in) :: first
        integer(c_int64_t), intent(in) :: length, entries
        integer(c_intptr_t), intent(in) :: step
        type(table_t) :: list
        if (entries == 1) then
            list = table_t(first, length, 1_c_int64_t, int(step, c_int64_t), 1_c_int64_t)
        else
            list = table_t(first, 1_c_int64_t, length, 1_c_int64_t, int(step, c_int64_t))
        end if
    end function

    function matrix(first, extents, steps, order)
        type(c_ptr), intent(in) :: first
        integer(c_int64_t), intent(in) :: extents(2)
        integer(c_intptr_t), intent(in) :: steps(2)
        integer, intent(in), optional :: order
        type(table_t) :: matrix
        integer :: sample, entry
        sample = merge(2, 1, entries_first(order))
        entry = 3 - sample
        matrix = table_t(first, extents(sample), extents(entry), int(steps(sample), c_int64_t), int(steps(entry), c_int64_t))
    end function

    logical function entries_first(order)
        integer, intent(in), optional :: order
        entries_first = .false.
        if (present(order)) entries_first = order == NCG_ENTRIES_FIRST
    end function

    !> Says so where a table has another shape than is wanted.
    subroutine check_shape(name, given, samples, entries, status, error)
        character(len=*), intent(in) :: name
        type(table_t), intent(in) :: given
        integer(c_int64_t), intent(in) :: samples, entries
        integer(c_int32_t), intent(inout) :: status
        type(ncg_error_t), intent(inout), optional :: error
        character(len=200) :: message
        if (status /= NCG_OK .or. (given%samples == samples .and. given%entries == entries)) return
        ! an array without elements says nothing of its shape
        if (samples*entries == 0 .and. given%samples == 0) return
        status = NCG_ERR_SHAPE
        write (message, '(a,4(a,i0))') name, ' has ', given%samples, ' samples by ', given%entries, ' entries: wanted are ', &
            samples, ' by ', entries
        if (given%entries == -1) message = name//' is neither of rank 1 nor 2'
        call settle_text(status, trim(message), error)
    end subroutine

    !> Says so where an array has another size than the number of parameters.
    subroutine check_size(name, length, parameters, status, error)
        character(len=*), intent(in) :: name
        integer, intent(in) :: length
        integer(c_int64_t), intent(in) :: parameters
        integer(c_int32_t), intent(inout) :: status
        type(ncg_error_t), intent(inout), optional :: error
        character(len=200) :: message
        if (status /= NCG_OK .or. length == parameters) return
        status = NCG_ERR_SHAPE
        write (message, '(a,2(a,i0))') name, ' has ', length, ' values; the number of parameters is ', parameters
        call settle_text(status, trim(message), error)
    end subroutine

    !> Prepares a model for one engine.
    subroutine session_create(self, model, options, error)
        class(ncg_session_t), intent(inout) :: self
        type(ncg_model_t), intent(in) :: model
        type(ncg_options_t), intent(in), optional :: options
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_session_new(model%c_handle(), or_null(options), handle, failure), failure, error)
        call self%take(handle, ncg_session_free)
        self%n_inputs = model%count(NCG_INPUT)
        self%n_parameters = model%count(NCG_PARAMETER)
        self%n_outputs = model%count(NCG_OUTPUT)
        if (c_associated(handle)) call arrays_of(model, self%arrays)
    end subroutine

    !> What was really chosen.
    function session_describe(self) result(description)
        class(ncg_session_t), intent(in) :: self
        character(len=:), allocatable :: description
        description = ncg_string(ncg_session_describe(self%c_handle()))
    end function

    !> The samples of a call: those of x, or of y where the model has no input.
    integer(c_int64_t) function samples_of(self, x, y)
        class(ncg_session_t), intent(in) :: self
        type(table_t), intent(in) :: x, y
        samples_of = merge(y%samples, x%samples, self%n_inputs == 0)
    end function

    subroutine session_eval(self, x, y, p, order, error)
        class(ncg_session_t), intent(in) :: self
        real(c_double), intent(in), target :: x(..)
        real(c_double), intent(inout), target :: y(..)
        real(c_double), intent(in), target, contiguous, optional :: p(:)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error
        type(table_t) :: from, to
        type(c_ptr) :: failure, values
        integer(c_int32_t) :: status

        from = table(x, self%n_inputs, order)
        to = table(y, self%n_outputs, order)
        failure = c_null_ptr
        status = NCG_OK
        values = c_null_ptr
        if (present(p)) then
            values = c_loc(p)
            call check_size('p', size(p), self%n_parameters, status, error)
        end if
        call check_shape('x', from, samples_of(self, from, to), self%n_inputs, status, error)
        call check_shape('y', to, samples_of(self, from, to), self%n_outputs, status, error)
        if (status /= NCG_OK) return
        call settle(ncg_eval_f64(self%c_handle(), samples_of(self, from, to), from%first, from%sample_stride, from%stride, &
            values, to%first, to%sample_stride, to%stride, failure), failure, error)
    end subroutine

    subroutine session_single(self, x, y, p, order, error)
        class(ncg_session_t), intent(in) :: self
        real(c_float), intent(in), target :: x(..)
        real(c_float), intent(inout), target :: y(..)
        real(c_float), intent(in), target, contiguous, optional :: p(:)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error
        type(table_t) :: from, to
        type(c_ptr) :: failure, values
        integer(c_int32_t) :: status

        from = single_table(x, self%n_inputs, order)
        to = single_table(y, self%n_outputs, order)
        failure = c_null_ptr
        status = NCG_OK
        values = c_null_ptr
        if (present(p)) then
            values = c_loc(p)
            call check_size('p', size(p), self%n_parameters, status, error)
        end if
        call check_shape('x', from, samples_of(self, from, to), self%n_inputs, status, error)
        call check_shape('y', to, samples_of(self, from, to), self%n_outputs, status, error)
        if (status /= NCG_OK) return
        call settle(ncg_eval_f32(self%c_handle(), samples_of(self, from, to), from%first, from%sample_stride, from%stride, &
            values, to%first, to%sample_stride, to%stride, failure), failure, error)
    end subroutine

    subroutine session_gradient(self, x, y, dx, dp, seed, p, order, error)
        class(ncg_session_t), intent(in) :: self
        real(c_double), intent(in), target :: x(..)
        real(c_double), intent(inout), target, optional :: y(..), dx(..)
        real(c_double), intent(inout), target, contiguous, optional :: dp(:)
        real(c_double), intent(in), target, optional :: seed(..)
        real(c_double), intent(in), target, contiguous, optional :: p(:)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error
        type(table_t) :: from, from_seed, to, to_dx
        type(c_ptr) :: failure, values, sums
        integer(c_int32_t) :: status
        integer(c_int64_t) :: samples

        from = table(x, self%n_inputs, order)
        to = table(y, self%n_outputs, order)
        from_seed = table(seed, self%n_outputs, order)
        to_dx = table(dx, self%n_inputs, order)
        failure = c_null_ptr
        status = NCG_OK
        values = c_null_ptr
        sums = c_null_ptr
        if (present(p)) then
            values = c_loc(p)
            call check_size('p', size(p), self%n_parameters, status, error)
        end if
        if (present(dp)) then
            sums = c_loc(dp)
            call check_size('dp', size(dp), self%n_parameters, status, error)
        end if
        samples = samples_of(self, from, to)
        call check_shape('x', from, samples, self%n_inputs, status, error)
        if (present(y)) call check_shape('y', to, samples, self%n_outputs, status, error)
        if (present(seed)) call check_shape('seed', from_seed, samples, self%n_outputs, status, error)
        if (present(dx)) call check_shape('dx', to_dx, samples, self%n_inputs, status, error)
        if (status /= NCG_OK) return
        call settle(ncg_grad_f64(self%c_handle(), samples, from%first, from%sample_stride, from%stride, values, &
            from_seed%first, from_seed%sample_stride, from_seed%stride, to%first, to%sample_stride, to%stride, &
            to_dx%first, to_dx%sample_stride, to_dx%stride, sums, failure), failure, error)
    end subroutine

    subroutine session_jacobian(self, x, j, y, p, order, error)
        class(ncg_session_t), intent(in) :: self
        real(c_double), intent(in), target :: x(..)
        real(c_double), intent(inout), target :: j(..)
        real(c_double), intent(inout), target, optional :: y(..)
        real(c_double), intent(in), target, contiguous, optional :: p(:)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error
        type(table_t) :: from, to, by_parameter, by_output
        type(c_ptr) :: failure, values
        integer(c_int32_t) :: status
        integer(c_int64_t) :: samples

        from = table(x, self%n_inputs, order)
        to = table(y, self%n_outputs, order)
        failure = c_null_ptr
        status = NCG_OK
        values = c_null_ptr
        if (present(p)) then
            values = c_loc(p)
            call check_size('p', size(p), self%n_parameters, status, error)
        end if
        select rank (j)
        rank (2)
            by_parameter = table(j, self%n_parameters, order)
            by_output = by_parameter
            by_output%entries = 1
        rank (3)
            if (entries_first(order)) then
                by_parameter = table(j(:, 1, :), self%n_parameters, order)
                by_output = table(j(1, :, :), self%n_outputs, order)
            else
                by_parameter = table(j(:, 1, :), self%n_parameters, order)
                by_output = table(j(:, :, 1), self%n_outputs, order)
            end if
        rank default
            by_parameter = table_t(samples=-1, entries=-1)
            by_output = by_parameter
        end select
        samples = samples_of(self, from, by_parameter)
        call check_shape('x', from, samples, self%n_inputs, status, error)
        if (present(y)) call check_shape('y', to, samples, self%n_outputs, status, error)
        call check_shape('j, by output,', by_output, samples, self%n_outputs, status, error)
        call check_shape('j, by parameter,', by_parameter, samples, self%n_parameters, status, error)
        if (status /= NCG_OK) return
        call settle(ncg_jacobian_f64(self%c_handle(), samples, from%first, from%sample_stride, from%stride, values, &
            to%first, to%sample_stride, to%stride, by_parameter%first, by_parameter%sample_stride, by_output%stride, &
            by_parameter%stride, failure), failure, error)
    end subroutine

    !> Kind, rank, rows and columns of each whole array of a model.
    subroutine arrays_of(model, arrays)
        type(ncg_model_t), intent(in) :: model
        integer(c_int64_t), pointer, intent(out) :: arrays(:, :)
        integer(c_int32_t), parameter :: kinds(3) = [NCG_INPUT_ARRAY, NCG_PARAMETER_ARRAY, NCG_OUTPUT_ARRAY]
        integer(c_int64_t) :: counts(3), dims(2), rank
        integer(c_int32_t) :: status
        integer :: kind, i, last
        do kind = 1, 3
            counts(kind) = model%count(kinds(kind))
        end do
        allocate (arrays(4, sum(counts)))
        last = 0
        do kind = 1, 3
            do i = 1, int(counts(kind))
                last = last + 1
                rank = 0
                dims = 1
                status = ncg_model_shape(model%c_handle(), kinds(kind), i - 1_c_int64_t, dims, 2_c_int64_t, rank)
                if (rank == 1) dims = [1_c_int64_t, dims(1)]
                arrays(:, last) = [int(kinds(kind), c_int64_t), rank, dims]
            end do
        end do
    end subroutine

    !> An array for run: x(sample), x(sample, entry) or x(sample, row, column), or, with entries first, the sample last. Without a
    !! dimension for them, all samples of an input share one value. The array must have the attribute target: what is made here
    !! refers to it. Without an argument, what run is to leave out.
    function ncg_entry(x, order) result(entry)
        real(c_double), intent(in), target, optional :: x(..)
        integer, intent(in), optional :: order
        type(ncg_entry_t) :: entry
        ! 1, but gfortran 12 begins expressions at 0
        integer :: at(3)

        if (.not. present(x)) return
        entry%samples_last = entries_first(order)
        entry%rank = rank(x)
        select rank (x)
        rank (0)
            entry%first = c_loc(x)
        rank (1)
            entry%extents(1) = size(x, kind=c_int64_t)
            if (size(x) == 0) return
            at(1:1) = lbound(x)
            entry%first = c_loc(x(at(1)))
            if (size(x) > 1) entry%steps(1) = step_between(entry%first, c_loc(x(at(1) + 1)))
        rank (2)
            entry%extents(1:2) = shape(x, kind=c_int64_t)
            if (size(x) == 0) return
            at(1:2) = lbound(x)
            entry%first = c_loc(x(at(1), at(2)))
            if (size(x, 1) > 1) entry%steps(1) = step_between(entry%first, c_loc(x(at(1) + 1, at(2))))
            if (size(x, 2) > 1) entry%steps(2) = step_between(entry%first, c_loc(x(at(1), at(2) + 1)))
        rank (3)
            entry%extents = shape(x, kind=c_int64_t)
            if (size(x) == 0) return
            at = lbound(x)
            entry%first = c_loc(x(at(1), at(2), at(3)))
            if (size(x, 1) > 1) entry%steps(1) = step_between(entry%first, c_loc(x(at(1) + 1, at(2), at(3))))
            if (size(x, 2) > 1) entry%steps(2) = step_between(entry%first, c_loc(x(at(1), at(2) + 1, at(3))))
            if (size(x, 3) > 1) entry%steps(3) = step_between(entry%first, c_loc(x(at(1), at(2), at(3) + 1)))
        end select
    end function

    !> From one number to another, in numbers.
    integer(c_int64_t) function step_between(from, to)
        type(c_ptr), intent(in) :: from, to
        step_between = (address(to) - address(from))/(storage_size(0.0_c_double)/8)
    end function

    !> The strides of the arrays of a kind as the library takes them; says so where shapes differ from those of the model.
    subroutine strides_of(self, kind, name, entries, samples, strides, status, error)
        class(ncg_session_t), intent(in) :: self
        integer(c_int32_t), intent(in) :: kind
        character(len=*), intent(in) :: name
        type(ncg_entry_t), intent(in) :: entries(:)
        integer(c_int64_t), intent(in) :: samples
        integer(c_int64_t), allocatable, intent(out) :: strides(:)
        integer(c_int32_t), intent(inout) :: status
        type(ncg_error_t), intent(inout), optional :: error
        integer(c_int64_t) :: wanted(2), extents(3), steps(3)
        integer :: i, place, rank
        character(len=200) :: message

        allocate (strides(0))
        if (status /= NCG_OK) return
        place = 0
        message = ''
        if (.not. associated(self%arrays)) then
            message = 'the session has not been created'
        else if (index(self%describe(), ' f32 ') > 0) then
            message = 'run is for sessions in double precision'
        else if (count(self%arrays(1, :) == kind) /= size(entries)) then
            write (message, '(2a,2(i0,a))') name, ' has ', size(entries), ' arrays; the model has ', &
                count(self%arrays(1, :) == kind), ' of that kind'
        else
            do i = 1, size(self%arrays, 2)
                if (self%arrays(1, i) /= kind) cycle
                place = place + 1
                rank = int(self%arrays(2, i))
                wanted = self%arrays(3:4, i)
                extents = entries(place)%extents
                steps = entries(place)%steps
                if (entries(place)%rank == rank .or. entries(place)%rank == -1) then
                    extents = [samples, extents(1:2)]
                    steps = [0_c_int64_t, steps(1:2)]
                else if (entries(place)%rank /= rank + 1) then
                    write (message, '(2a,3(i0,a))') name, '(', place, ') is of rank ', entries(place)%rank, &
                        '; wanted is rank ', rank + 1, ', a dimension for the samples among them'
                    exit
                else if (entries(place)%samples_last) then
                    extents(:rank + 1) = cshift(extents(:rank + 1), rank)
                    steps(:rank + 1) = cshift(steps(:rank + 1), rank)
                end if
                strides = [strides, steps(:rank + 1)]
                if (entries(place)%rank == -1) cycle
                if (extents(1) /= samples .or. any(extents(2:rank + 1) /= wanted(3 - rank:))) then
                    write (message, '(2a,2(i0,a),*(i0,:,","))') name, '(', place, ') does not hold ', samples, ' samples of ', &
                        wanted(3 - rank:)
                    exit
                end if
            end do
        end if
        ! one more, so that there is an address where there are no arrays
        strides = [strides, 0_c_int64_t]
        if (message == '') return
        status = NCG_ERR_SHAPE
        call settle_text(status, trim(message), error)
    end subroutine

    !> Where the arrays begin.
    function pointers_of(entries) result(pointers)
        type(ncg_entry_t), intent(in) :: entries(:)
        type(c_ptr) :: pointers(size(entries))
        integer :: i
        do i = 1, size(entries)
            pointers(i) = entries(i)%first
        end do
    end function

    !> Where the parameters begin that are arrays, among the numbers of all of them.
    subroutine whole_parameters(self, values, pointers)
        class(ncg_session_t), intent(in) :: self
        real(c_double), intent(in), target, contiguous :: values(:)
        type(c_ptr), allocatable, intent(out) :: pointers(:)
        integer :: i, at, place
        allocate (pointers(count(self%arrays(1, :) == NCG_PARAMETER_ARRAY)))
        at = 1
        place = 0
        do i = 1, size(self%arrays, 2)
            if (self%arrays(1, i) /= NCG_PARAMETER_ARRAY) cycle
            place = place + 1
            pointers(place) = c_loc(values(at))
            at = at + int(product(self%arrays(3:4, i)))
        end do
    end subroutine

    subroutine session_run(self, samples, inputs, outputs, p, error)
        class(ncg_session_t), intent(in) :: self
        integer, intent(in) :: samples
        type(ncg_entry_t), intent(in) :: inputs(:), outputs(:)
        !> One value for each number of the parameters, matrices row by row.
        real(c_double), intent(in), target, contiguous, optional :: p(:)
        type(ncg_error_t), intent(out), optional :: error
        call self%run_gradient(samples, inputs, outputs, p=p, error=error)
    end subroutine

    subroutine session_run_gradient(self, samples, inputs, outputs, seeds, d_inputs, p, dp, error)
        class(ncg_session_t), intent(in) :: self
        integer, intent(in) :: samples
        type(ncg_entry_t), intent(in) :: inputs(:)
        type(ncg_entry_t), intent(in), optional :: outputs(:), seeds(:), d_inputs(:)
        real(c_double), intent(in), target, contiguous, optional :: p(:)
        real(c_double), intent(inout), target, contiguous, optional :: dp(:)
        type(ncg_error_t), intent(out), optional :: error
        integer(c_int64_t), allocatable, target :: from(:), by(:), to(:), back(:)
        type(c_ptr), target :: x(size(inputs))
        type(c_ptr), allocatable, target :: s(:), y(:), dx(:), values(:), sums(:)
        type(c_ptr) :: failure, at_s, at_y, at_dx, at_p, at_dp
        integer(c_int32_t) :: status
        integer(c_int64_t) :: n

        n = samples
        status = NCG_OK
        failure = c_null_ptr
        at_s = c_null_ptr
        at_y = c_null_ptr
        at_dx = c_null_ptr
        at_p = c_null_ptr
        at_dp = c_null_ptr
        allocate (by(1), to(1), back(1))
        call strides_of(self, NCG_INPUT_ARRAY, 'inputs', inputs, n, from, status, error)
        if (present(seeds)) call strides_of(self, NCG_OUTPUT_ARRAY, 'seeds', seeds, n, by, status, error)
        if (present(outputs)) call strides_of(self, NCG_OUTPUT_ARRAY, 'outputs', outputs, n, to, status, error)
        if (present(d_inputs)) call strides_of(self, NCG_INPUT_ARRAY, 'd_inputs', d_inputs, n, back, status, error)
        if (present(p)) call check_size('p', size(p), self%n_parameters, status, error)
        if (present(dp)) call check_size('dp', size(dp), self%n_parameters, status, error)
        if (status /= NCG_OK) return
        x = pointers_of(inputs)
        if (present(seeds)) then
            allocate (s(size(seeds)))
            s = pointers_of(seeds)
            at_s = c_loc(s)
        end if
        if (present(outputs)) then
            allocate (y(size(outputs)))
            y = pointers_of(outputs)
            at_y = c_loc(y)
        end if
        if (present(d_inputs)) then
            allocate (dx(size(d_inputs)))
            dx = pointers_of(d_inputs)
            at_dx = c_loc(dx)
        end if
        if (present(p)) then
            call whole_parameters(self, p, values)
            at_p = c_loc(values)
        end if
        if (present(dp)) then
            call whole_parameters(self, dp, sums)
            at_dp = c_loc(sums)
        end if
        call settle(ncg_run_gradient(self%c_handle(), n, c_loc(x), c_loc(from), at_p, at_s, c_loc(by), at_y, c_loc(to), at_dx, &
            c_loc(back), at_dp, failure), failure, error)
    end subroutine

    !> A fitting problem.
    subroutine fit_create(self, model, options, error)
        class(ncg_fit_t), intent(inout) :: self
        type(ncg_model_t), intent(in) :: model
        type(ncg_options_t), intent(in), optional :: options
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_fit_new(model%c_handle(), or_null(options), handle, failure), failure, error)
        call self%take(handle, ncg_fit_free)
        self%n_inputs = model%count(NCG_INPUT)
        self%n_outputs = model%count(NCG_OUTPUT)
    end subroutine

    !> Lets a parameter move; a bound that is left out is infinite.
    subroutine fit_add_parameter(self, name, initial, lower, upper, error)
        use, intrinsic :: ieee_arithmetic, only: ieee_negative_inf, ieee_positive_inf, ieee_value
        class(ncg_fit_t), intent(in) :: self
        character(len=*), intent(in) :: name
        real(c_double), intent(in) :: initial
        real(c_double), intent(in), optional :: lower, upper
        type(ncg_error_t), intent(out), optional :: error
        real(c_double) :: from, to
        type(c_ptr) :: failure
        failure = c_null_ptr
        from = ieee_value(from, ieee_negative_inf)
        to = ieee_value(to, ieee_positive_inf)
        if (present(lower)) from = lower
        if (present(upper)) to = upper
        call settle(ncg_fit_add_parameter(self%c_handle(), c_text(name), initial, from, to, failure), failure, error)
    end subroutine

    !> Copies the observations x and y, and the weights w of y.
    subroutine fit_set_data(self, x, y, w, order, error)
        class(ncg_fit_t), intent(in) :: self
        real(c_double), intent(in), target :: x(..), y(..)
        real(c_double), intent(in), target, optional :: w(..)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error

        call give_data(self, .false., x, y, w, order, error)
    end subroutine

    !> Adds observations to those that are there; the next run goes on from the last estimate. With the option "window" memory
    !> does not grow with them.
    subroutine fit_add_data(self, x, y, w, order, error)
        class(ncg_fit_t), intent(in) :: self
        real(c_double), intent(in), target :: x(..), y(..)
        real(c_double), intent(in), target, optional :: w(..)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error

        call give_data(self, .true., x, y, w, order, error)
    end subroutine

    subroutine give_data(self, adds, x, y, w, order, error)
        class(ncg_fit_t), intent(in) :: self
        logical, intent(in) :: adds
        real(c_double), intent(in), target :: x(..), y(..)
        real(c_double), intent(in), target, optional :: w(..)
        integer, intent(in), optional :: order
        type(ncg_error_t), intent(out), optional :: error
        type(table_t) :: from, to, weights
        type(c_ptr) :: failure
        integer(c_int32_t) :: status

        from = table(x, self%n_inputs, order)
        to = table(y, self%n_outputs, order)
        weights = table(w, self%n_outputs, order)
        failure = c_null_ptr
        status = NCG_OK
        if (self%n_inputs > 0) call check_shape('x', from, to%samples, self%n_inputs, status, error)
        call check_shape('y', to, to%samples, self%n_outputs, status, error)
        if (present(w)) call check_shape('w', weights, to%samples, self%n_outputs, status, error)
        if (status /= NCG_OK) return
        if (adds) then
            status = ncg_fit_add_data_f64(self%c_handle(), to%samples, from%first, from%sample_stride, from%stride, &
                to%first, to%sample_stride, to%stride, weights%first, weights%sample_stride, weights%stride, failure)
        else
            status = ncg_fit_set_data_f64(self%c_handle(), to%samples, from%first, from%sample_stride, from%stride, &
                to%first, to%sample_stride, to%stride, weights%first, weights%sample_stride, weights%stride, failure)
        end if
        call settle(status, failure, error)
    end subroutine

    !> Shares the fit among processes, each with the data of some of the blocks. `gather` is the c_funloc of a function as
    !! ncg_fit_share calls it.
    subroutine fit_share(self, blocks, samples, gather, user_data, error)
        class(ncg_fit_t), intent(in) :: self
        integer, intent(in) :: blocks, samples
        type(c_funptr), intent(in) :: gather
        type(c_ptr), intent(in) :: user_data
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        call settle(ncg_fit_share(self%c_handle(), int(blocks, c_int64_t), int(samples, c_int64_t), gather, user_data, failure), &
            failure, error)
    end subroutine

    !> Runs until an NCG_FIT_* stop, and tells the monitor of every so many iterations.
    subroutine fit_run(self, stop, monitor, every, error)
        class(ncg_fit_t), intent(in) :: self
        integer(c_int32_t), intent(out) :: stop
        class(ncg_monitor_t), intent(inout), optional, target :: monitor
        integer, intent(in), optional :: every
        type(ncg_error_t), intent(out), optional :: error
        type(hook_t), target :: hook
        type(c_ptr) :: failure
        integer(c_int32_t) :: status
        integer(c_int64_t) :: step

        stop = NCG_FIT_NOT_RUN
        failure = c_null_ptr
        step = 1
        if (present(every)) step = every
        status = NCG_OK
        if (present(monitor)) then
            hook%monitor => monitor
            status = ncg_fit_set_callback(self%c_handle(), c_funloc(told), c_loc(hook), step, failure)
        end if
        if (status == NCG_OK) status = ncg_fit_run(self%c_handle(), stop, failure)
        ! the library must not keep what ends with this call
        if (present(monitor)) step = ncg_fit_set_callback(self%c_handle(), c_null_funptr, c_null_ptr, 1_c_int64_t)
        call settle(status, failure, error)
    end subroutine

    function told(user_data, iteration, loss, params, n_params) bind(C, name='') result(stop)
        type(c_ptr), value :: user_data
        integer(c_int64_t), value :: iteration, n_params
        real(c_double), value :: loss
        real(c_double), intent(in) :: params(n_params)
        integer(c_int32_t) :: stop
        type(hook_t), pointer :: hook
        call c_f_pointer(user_data, hook)
        stop = 0
        if (hook%monitor%progress(iteration, loss, params)) stop = 1
    end function

    !> Asks a running fit to stop: from another thread, or from the monitor.
    subroutine fit_cancel(self)
        class(ncg_fit_t), intent(in) :: self
        call ncg_fit_cancel(self%c_handle())
    end subroutine

    !> A number about the fit so far, such as 'loss' and 'iterations'.
    real(c_double) function fit_stat(self, name, error) result(value)
        class(ncg_fit_t), intent(in) :: self
        character(len=*), intent(in) :: name
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: failure
        failure = c_null_ptr
        value = 0
        call settle(ncg_fit_stat(self%c_handle(), c_text(name), value, failure), failure, error)
    end function

    !> The best values so far.
    function fit_parameters(self, error) result(values)
        class(ncg_fit_t), intent(in) :: self
        type(ncg_error_t), intent(out), optional :: error
        real(c_double), allocatable :: values(:)
        type(c_ptr) :: failure
        failure = c_null_ptr
        allocate (values(nint(self%stat('parameters', error))))
        call settle(ncg_fit_parameters(self%c_handle(), values, size(values, kind=c_int64_t), failure), failure, error)
    end function

    !> Their covariance.
    function fit_covariance(self, error) result(values)
        class(ncg_fit_t), intent(in) :: self
        type(ncg_error_t), intent(out), optional :: error
        real(c_double), allocatable :: values(:, :)
        integer :: n
        type(c_ptr) :: failure
        failure = c_null_ptr
        n = nint(self%stat('parameters', error))
        allocate (values(n, n))
        call settle(ncg_fit_covariance(self%c_handle(), values, size(values, kind=c_int64_t), failure), failure, error)
    end function

    !> The report: format 'text' or 'json'.
    function fit_report(self, format, error) result(text)
        class(ncg_fit_t), intent(in) :: self
        character(len=*), intent(in) :: format
        type(ncg_error_t), intent(out), optional :: error
        character(len=:), allocatable :: text
        character(kind=c_char, len=:), allocatable, target :: buffer
        integer(c_int64_t) :: needed
        type(c_ptr) :: failure
        failure = c_null_ptr
        needed = 1
        call settle(ncg_fit_report(self%c_handle(), c_text(format), c_null_ptr, 0_c_int64_t, needed, failure), failure, error)
        allocate (character(kind=c_char, len=needed) :: buffer)
        buffer = repeat(' ', int(needed))
        if (needed > 1) call settle(ncg_fit_report(self%c_handle(), c_text(format), c_loc(buffer), needed, err=failure), &
            failure, error)
        text = buffer(:needed - 1)
    end function

    !> A new model with the fitted values.
    subroutine fit_bake(self, baked, error)
        class(ncg_fit_t), intent(in) :: self
        type(ncg_model_t), intent(inout) :: baked
        type(ncg_error_t), intent(out), optional :: error
        type(c_ptr) :: handle, failure
        failure = c_null_ptr
        call settle(ncg_fit_bake(self%c_handle(), handle, failure), failure, error)
        call baked%take(handle, ncg_model_free)
    end subroutine

end module ncg
