!> A record that holds a handle, assigned as a whole: the copy may be a handle like any other, or its use stops the program.
!! In either case nothing is freed twice. With an argument the copy is used.
program records
    use ncg
    implicit none
    type :: record_t
        integer :: number = 0
        type(ncg_model_t) :: model
    end type
    call work()
    print '(a)', 'ok'
contains
    subroutine work()
        type(record_t) :: one, two
        call one%model%compile('(* 2 x)')
        two = one
        two%number = 2
        if (one%model%count(NCG_INPUT) /= 1) error stop 'the first record has lost its model'
        if (command_argument_count() > 0) then
            if (two%model%count(NCG_INPUT) /= 1) error stop 'the second record has no model'
        end if
        call one%model%free()
    end subroutine
end program
