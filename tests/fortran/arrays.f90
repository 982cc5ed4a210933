!> The types of module ncg: ranks, slices, both orders, copies, errors, monitors. Prints "ok" or what is wrong.
module counting
    use, intrinsic :: iso_c_binding
    use ncg
    implicit none

    type, extends(ncg_monitor_t) :: counter_t
        integer :: calls = 0
        integer :: most = huge(1)
    contains
        procedure :: progress => count_calls
    end type

    type :: holder_t
        integer :: number = 0
        type(ncg_model_t) :: model
    end type

contains

    logical function count_calls(self, iteration, loss, params)
        class(counter_t), intent(inout) :: self
        integer(c_int64_t), intent(in) :: iteration
        real(c_double), intent(in) :: loss, params(:)
        self%calls = self%calls + 1
        count_calls = self%calls >= self%most .or. loss < 0 .or. size(params) /= 2 .or. iteration > 1000
    end function

end module counting

program arrays
    use, intrinsic :: iso_c_binding
    use ncg
    use counting
    implicit none

    character(*), parameter :: source = '(input r) (input q) (parameter k 2) (parameter a 0.5) (* k q (exp (- (* a r))))'
    integer :: failures = 0

    call look_inside()
    call ranks_and_orders()
    call several_outputs()
    call derivatives()
    call vectors_and_matrices()
    call errors()
    call fits()
    call copies()
    if (failures == 0) print '(a)', 'ok'
    if (failures > 0) error stop 1

contains

    subroutine expect(condition, what)
        logical, intent(in) :: condition
        character(*), intent(in) :: what
        if (condition) return
        print '(2a)', 'wrong: ', what
        failures = failures + 1
    end subroutine

    elemental real(c_double) function exact(r, q)
        real(c_double), intent(in) :: r, q
        exact = 2*q*exp(-0.5d0*r)
    end function

    elemental logical function near(a, b)
        real(c_double), intent(in) :: a, b
        near = abs(a - b) <= 1d-14*abs(b)
    end function

    subroutine look_inside()
        type(ncg_model_t) :: model, again, interpreter, bound
        type(ncg_session_t) :: session
        type(ncg_options_t) :: options
        real(c_double) :: x(1) = [4], y(1), bounds(2)

        call model%compile('(parameter k 2 0 5) (input u) (input w) (* k u)')
        call expect(model%count(NCG_INPUT) == 2 .and. model%count(NCG_PARAMETER) == 1, 'counts')
        call expect(model%name(NCG_INPUT, 2) == 'w' .and. model%index(NCG_INPUT, 'w') == 2, 'names')
        call expect(model%name(NCG_INPUT, 3) == '' .and. model%index(NCG_INPUT, 'v') == 0, 'absent names')
        call expect(size(model%shape(NCG_INPUT, 1)) == 0, 'shape of a scalar')
        bounds = model%parameter_bounds('k')
        call expect(near(model%parameter_value('k'), 2d0) .and. abs(bounds(1)) < tiny(0d0) .and. near(bounds(2), 5d0), 'k')
        call expect(index(model%warnings(), '"w"') > 0, 'warnings')
        call again%parse(model%write('ncg'))
        call expect(again%write('ncg') == model%write('ncg'), 'document')
        call again%compile('(* 2 x)')
        call expect(again%warnings() == '', 'no warnings')
        call interpreter%interpreter()
        call interpreter%bind_program('(* 2 x)', bound)
        call options%set('engine', 'native')
        call options%set('threads', 1)
        call options%set('max_steps', 100000_c_int64_t)
        call session%create(bound, options)
        call session%eval(x, y)
        call expect(near(y(1), 8d0) .and. index(session%describe(), 'native') == 1, 'bound program')
    end subroutine

    subroutine ranks_and_orders()
        type(ncg_model_t) :: model
        type(ncg_session_t) :: session
        type(ncg_options_t) :: options
        real(c_double) :: state(8, 5), x(4, 2), y(4), out(4, 1), turned(2, 4), p(2)
        real(c_float) :: single_x(4, 2), single_y(4)
        integer :: i

        call model%compile(source)
        call session%create(model)
        state = -1
        do i = 1, 4
            x(i, :) = [0.5d0*i, 1d0 + i]
            state(2*i - 1, 2:4:2) = x(i, :)
        end do
        call session%eval(x, y)
        call expect(all(near(y, exact(x(:, 1), x(:, 2)))), 'rank 2 and 1')
        call session%eval(x, out)
        call expect(all(near(out(:, 1), y)), 'rank 2 and 2')
        turned = transpose(x)
        y = 0
        call session%eval(turned, y, order=NCG_ENTRIES_FIRST)
        call expect(all(near(y, out(:, 1))), 'entries first')
        call session%eval(state(1::2, 2:4:2), state(1::2, 5))
        call expect(all(near(state(1::2, 5), y)), 'slices')
        call expect(all(near(state(2::2, 5), -1d0)), 'between slices')
        call session%eval(state(7:1:-2, 2:4:2), y(4:1:-1))
        call expect(all(near(y, out(:, 1))), 'backwards')
        call session%eval(x(3, :), y(2:2))
        call expect(near(y(2), out(3, 1)), 'one sample of a row')
        call session%eval(x(2:2, :), y(1:1))
        call expect(near(y(1), out(2, 1)), 'one sample of rank 2')
        p = [4d0, 0.5d0]
        call session%eval(x, y, p)
        call expect(all(near(y, 2*out(:, 1))), 'parameters')
        call session%eval(x(:0, :), y(:0))

        call options%set('dtype', 'f32')
        call session%create(model, options)
        single_x = real(x, c_float)
        call session%eval(single_x, single_y)
        call expect(all(abs(single_y - out(:, 1)) < 1e-6), 'single precision')
    end subroutine

    subroutine several_outputs()
        type(ncg_model_t) :: model
        type(ncg_session_t) :: session
        real(c_double) :: x(3) = [1, 2, 3], y(3, 2), z(2, 3), j(3, 2, 1), turned(1, 2, 3), values(3, 2)

        call model%compile('(parameter k 2) (list (* k x) (* k k x))')
        call session%create(model)
        call session%eval(x, y)
        call expect(all(near(y(:, 1), 2*x)) .and. all(near(y(:, 2), 4*x)), 'two outputs')
        call session%eval(x, z, order=NCG_ENTRIES_FIRST)
        call expect(all(near(z, transpose(y))), 'two outputs, entries first')
        call session%jacobian(x, j, values)
        call expect(all(near(j(:, 1, 1), x)) .and. all(near(j(:, 2, 1), 4*x)), 'Jacobian of rank 3')
        call expect(all(near(values, y)), 'values beside the Jacobian')
        call session%jacobian(x, turned, order=NCG_ENTRIES_FIRST)
        call expect(all(near(turned(1, 2, :), j(:, 2, 1))), 'Jacobian, entries first')
    end subroutine

    subroutine derivatives()
        type(ncg_model_t) :: model
        type(ncg_session_t) :: session
        real(c_double) :: x(3, 2), y(3), dx(6, 4), dp(2), seed(3), j(3, 2), turned(2, 3)

        call model%compile(source)
        call session%create(model)
        x = reshape([1d0, 2d0, 3d0, 1d0, 1d0, 2d0], [3, 2])
        seed = [1d0, 10d0, 100d0]
        dx = 7
        call session%gradient(x, y, dx(2::2, 1:4:3), dp, seed)
        call expect(all(near(dx(2::2, 1), -0.5d0*seed*exact(x(:, 1), x(:, 2)))), 'dx')
        call expect(all(near(dx(1::2, 1), 7d0)), 'between dx')
        call session%jacobian(x, j)
        call expect(all(near(dp, matmul(seed, j))), 'dp is the seed times the Jacobian')
        call session%jacobian(transpose(x), turned, order=NCG_ENTRIES_FIRST)
        call expect(all(near(turned, transpose(j))), 'Jacobian of rank 2, entries first')
        dp = 0
        call session%gradient(x, dp=dp)
        call expect(all(near(dp, sum(j, 1))), 'dp alone')
    end subroutine

    subroutine vectors_and_matrices()
        type(ncg_model_t) :: model
        type(ncg_session_t) :: session
        type(ncg_error_t) :: error
        real(c_double), target :: m(4, 2, 3), v(4, 3), s(4), y(4, 2), z(4), turned(2, 3, 4), again(2, 4)
        real(c_double), target :: dm(4, 2, 3), ds(4), seed(4), zero(4, 2), w(3)
        real(c_double) :: product(4, 2), dp(2)
        integer :: i, j, k

        call model%compile('(input m 2 3) (input v 3) (parameter w [1 2]) (input s) '// &
            '(list (* s (matvec m v)) (dot w (matvec m v)))')
        call expect(model%count(NCG_INPUT_ARRAY) == 3 .and. model%name(NCG_INPUT_ARRAY, 2) == 'v', 'whole inputs')
        call expect(all(model%shape(NCG_INPUT_ARRAY, 1) == [2, 3]), 'shape of a matrix')
        call expect(all(model%shape(NCG_OUTPUT_ARRAY, 1) == [2]), 'shape of a vector')
        call session%create(model)
        m = reshape([(((i + 10d0*j + 100d0*k, i=1, 4), j=1, 2), k=1, 3)], [4, 2, 3])
        v = reshape([((1d0*i*k, i=1, 4), k=1, 3)], [4, 3])
        s = [1, 2, 3, 4]
        do i = 1, 4
            product(i, :) = matmul(m(i, :, :), v(i, :))
            turned(:, :, i) = m(i, :, :)
        end do
        call session%run(4, [ncg_entry(m), ncg_entry(v), ncg_entry(s)], [ncg_entry(y), ncg_entry(z)])
        call expect(all(near(y, spread(s, 2, 2)*product)) .and. all(near(z, matmul(product, [1d0, 2d0]))), 'arrays')
        call session%run(4, [ncg_entry(turned, NCG_ENTRIES_FIRST), ncg_entry(v), ncg_entry(s)], &
            [ncg_entry(again, NCG_ENTRIES_FIRST), ncg_entry()], [3d0, 5d0])
        call expect(all(near(again, transpose(y))), 'the sample last, and an output left out')
        call session%run(2, [ncg_entry(m(3:1:-2, :, :)), ncg_entry(v(3:1:-2, :)), ncg_entry(s(3:1:-2))], &
            [ncg_entry(again(:, 2:1:-1), NCG_ENTRIES_FIRST), ncg_entry(z(:2))], [3d0, 5d0])
        call expect(all(near(again(:, 2), y(3, :))) .and. near(z(2), 3*product(1, 1) + 5*product(1, 2)), 'sections')
        w = v(2, :)
        call session%run(4, [ncg_entry(m), ncg_entry(w), ncg_entry(s)], [ncg_entry(), ncg_entry(z)])
        call expect(near(z(3), dot_product([1d0, 2d0], matmul(m(3, :, :), w))), 'one vector for all samples')
        seed = 1
        zero = 0
        call session%run_gradient(4, [ncg_entry(m), ncg_entry(v), ncg_entry(s)], seeds=[ncg_entry(zero), ncg_entry(seed)], &
            d_inputs=[ncg_entry(dm), ncg_entry(), ncg_entry(ds)], dp=dp)
        call expect(all(near(dp, sum(product, 1))), 'dp of arrays')
        call expect(all(near(dm(:, 2, :), 2*v)) .and. all(abs(ds) < tiny(0d0)), 'd_inputs')
        call session%run(4, [ncg_entry(m(:, :, :2)), ncg_entry(v), ncg_entry(s)], [ncg_entry(), ncg_entry(z)], error=error)
        call expect(error%code == NCG_ERR_SHAPE .and. index(error%message, 'inputs(1)') == 1, 'shape of an array')
        call session%run(4, [ncg_entry(m), ncg_entry(m), ncg_entry(s)], [ncg_entry(), ncg_entry(z)], error=error)
        call expect(error%code == NCG_ERR_SHAPE .and. index(error%message, 'rank') > 0, 'rank of an array')
        call session%run(4, [ncg_entry(m)], [ncg_entry(), ncg_entry(z)], error=error)
        call expect(error%code == NCG_ERR_SHAPE .and. index(error%message, 'arrays') > 0, 'number of arrays')
    end subroutine

    subroutine errors()
        type(ncg_model_t) :: model
        type(ncg_session_t) :: session
        type(ncg_options_t) :: options
        type(ncg_error_t) :: error
        real(c_double) :: x(3, 2) = 1, y(3), wrong(3, 3), cube(2, 2, 2) = 1, value

        call model%compile('(define (foo x) x)'//new_line('a')//'(fooo 1)', error=error)
        call expect(error%failed() .and. error%name() == 'NCG_ERR_COMPILE', 'code')
        call expect(error%line == 2 .and. error%column == 2 .and. error%offset == 20, 'place')
        call expect(index(error%message, 'did you mean "foo"') > 0, 'message')
        call expect(.not. c_associated(model%c_handle()), 'no model')
        call session%create(model, error=error)
        call expect(error%code == NCG_ERR_ARGUMENT .and. error%line == -1, 'session of no model')
        call options%set('enigne', 'native', error)
        call expect(index(error%message, 'did you mean "engine"') > 0, 'option')
        call model%load('no such file', error=error)
        call expect(error%code == NCG_ERR_IO, 'file')
        call model%load('no such file', options, error)
        call expect(error%code == NCG_ERR_IO, 'file')
        call model%compile(source, error=error)
        call expect(.not. error%failed(), 'success resets the error')
        call session%create(model)
        call session%eval(wrong, y, error=error)
        call expect(error%code == NCG_ERR_SHAPE, 'entries')
        call session%eval(x, y(:2), error=error)
        call expect(error%code == NCG_ERR_SHAPE, 'samples')
        call session%eval(x, y, [1d0], error=error)
        call expect(error%code == NCG_ERR_SHAPE, 'parameters')
        call session%eval(cube, y, error=error)
        call expect(error%code == NCG_ERR_SHAPE .and. index(error%message, 'rank') > 0, 'rank')
        call session%jacobian(x, wrong, error=error)
        call expect(error%code == NCG_ERR_SHAPE, 'Jacobian')
        value = model%parameter_value('zeta', error)
        call expect(error%code == NCG_ERR_ARGUMENT, 'no such parameter')
    end subroutine

    subroutine fits()
        type(ncg_model_t) :: model, baked
        type(ncg_session_t) :: session
        type(ncg_fit_t) :: fit
        type(ncg_error_t) :: error
        type(ncg_options_t) :: options
        type(counter_t) :: counter
        real(c_double) :: x(20, 2), y(20)
        real(c_double), allocatable :: values(:)
        integer(c_int32_t) :: stop
        integer :: i

        allocate (values(0))
        call model%compile(source)
        call session%create(model)
        x = reshape([(0.1d0*i, i=1, 20), (1d0 + mod(i, 3), i=1, 20)], [20, 2])
        call session%eval(x, y)
        call fit%create(model)
        call fit%add_parameter('k', 1d0, lower=0d0)
        call fit%add_parameter('a', 1d0)
        call fit%set_data(x, y)
        call fit%run(stop, counter)
        values = fit%parameters()
        call expect(stop >= NCG_FIT_GRADIENT .and. stop <= NCG_FIT_STEP .and. counter%calls > 0, 'converged')
        call expect(all(abs(values - [2d0, 0.5d0]) < 1d-9) .and. fit%stat('loss') < 1d-20, 'values')
        call expect(all(shape(fit%covariance()) == 2) .and. index(fit%report('json'), '"k"') > 0, 'statistics')
        call fit%bake(baked)
        call expect(abs(baked%parameter_value('a') - 0.5d0) < 1d-9, 'baked')

        call fit%create(model)
        call fit%set_data(x, y, spread(1d0, 1, 20), error=error)
        call expect(index(error%message, '"noise"') > 0, 'weights need a meaning')
        call options%set('noise', 'estimated')
        call fit%create(model, options)
        call fit%add_parameter('k', 1d0)
        call fit%add_parameter('a', 1d0)
        call fit%set_data(transpose(x), reshape(y, [1, 20]), spread(spread(1d0, 1, 20), 1, 1), NCG_ENTRIES_FIRST)
        counter = counter_t(most=1)
        call fit%run(stop, counter)
        call expect(stop == NCG_FIT_STOPPED .and. counter%calls == 1, 'stopped by the monitor')
        call fit%cancel()
        call fit%run(stop)
        call expect(stop == NCG_FIT_STOPPED, 'cancelled')
        call fit%run(stop)
        call expect(stop >= NCG_FIT_GRADIENT .and. stop <= NCG_FIT_STEP, 'goes on')
        call fit%create(model)
        call fit%add_data(x(:7, :), y(:7))
        call fit%run(stop)
        call fit%add_data(x(8:, :), y(8:))
        call fit%run(stop)
        values = fit%parameters()
        call expect(all(abs(values - [2d0, 0.5d0]) < 1d-9) .and. nint(fit%stat('rows')) == 20, 'added rows')
        call fit%set_data(x, y(:19), error=error)
        call expect(error%code == NCG_ERR_SHAPE, 'samples of the data')
        call fit%run(stop, counter, every=0, error=error)
        call expect(error%code == NCG_ERR_ARGUMENT, 'every')
    end subroutine

    subroutine copies()
        type(ncg_model_t) :: model
        type(ncg_model_t), allocatable :: models(:)
        type(holder_t) :: holder
        type(ncg_session_t) :: session
        real(c_double) :: x(1) = [3], y(1)
        integer :: i

        call model%compile('(* 5 x)')
        allocate (models(3))
        do i = 1, 3
            models(i) = model
        end do
        models(1) = models(2)
        model = model
        holder%model = models(1)
        call holder%model%free()
        holder%model = models(1)
        call models(2)%free()
        call model%free()
        call model%free()
        call expect(.not. c_associated(model%c_handle()), 'freed')
        call session%create(models(3))
        deallocate (models)
        call session%eval(x, y)
        call expect(near(y(1), 15d0), 'a session outlives its model')
    end subroutine

end program arrays
