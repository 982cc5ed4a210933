# Fits, and closures as their callbacks.

# A closure that a fit calls, and what it threw.
mutable struct Hook
    call::Any
    thrown::Any
end

"""
    Fit(model; settings...)

A fitting problem. Settings: those of a session, `optimizer`, `max_iterations`, `gtol` and others of [`option_table`](@ref).
"""
mutable struct Fit <: Handle
    handle::Ptr{Cvoid}
    inputs::Int64
    outputs::Int64
    # what the library calls where several processes share the fit
    meeting::Any
    function Fit(model::Model; settings...)
        options = Options(settings)
        handle = made((out, failure) -> ncg_fit_new(model, options, out, failure))
        object = new(handle, ncg_model_count(model, NCG_INPUT), ncg_model_count(model, NCG_OUTPUT), nothing)
        finalizer(close, object)
        return object
    end
end

free(::Fit, handle) = ncg_fit_free(handle)

"Lets a parameter move between two bounds."
add_parameter!(fit::Fit, name, initial; lower = -Inf, upper = Inf) =
    check(failure -> ncg_fit_add_parameter(fit, name, initial, lower, upper, failure))

"Copies the observations: inputs `x`, targets `y`, and weights `w` of their shape; what those are, the option `noise` must say."
set_data!(fit::Fit, x::Strided{Float64}, y::Strided{Float64}; w::Optional{Float64} = nothing, samples = 1) =
    give(ncg_fit_set_data_f64, fit, x, y, w, samples)

"""
Adds observations to those that are there; the next run goes on from the last estimate. With the option `window` memory does
not grow with them.
"""
add_data!(fit::Fit, x::Strided{Float64}, y::Strided{Float64}; w::Optional{Float64} = nothing, samples = 1) =
    give(ncg_fit_add_data_f64, fit, x, y, w, samples)

function give(take, fit, x, y, w, samples)
    GC.@preserve x y w begin
        n = table(y, fit.outputs, samples).samples
        x = agreeing("x", x, fit.inputs, samples, n)
        y = agreeing("y", y, fit.outputs, samples, n)
        w = agreeing("w", w, fit.outputs, samples, n)
        check(failure -> take(
            fit, n, x.first, x.sample_stride, x.stride, y.first, y.sample_stride, y.stride,
            w.first, w.sample_stride, w.stride, failure))
    end
end

"""
    set_covariance!(fit, covariance)

The covariance of the observations, after `set_data!` without weights: all samples of the first target, then of the next.
"""
set_covariance!(fit::Fit, covariance::Matrix{Float64}) =
    check(failure -> ncg_fit_set_covariance_f64(fit, size(covariance, 1), square(covariance), failure))

square(matrix) = size(matrix, 1) == size(matrix, 2) ? matrix : throw(DimensionMismatch("the covariance is not square"))

# As for `told`: what is thrown fails the fit on all processes.
function met(user_data::Ptr{Cvoid}, own::Ptr{Float64}, own_count::Int64, all::Ptr{Float64}, count::Int64)::Int32
    hook = unsafe_pointer_to_objref(user_data)::Hook
    try
        hook.call(copy(unsafe_wrap(Array, own, own_count)), unsafe_wrap(Array, all, count))
        return Int32(0)
    catch exception
        hook.thrown = (exception, catch_backtrace())
        return Int32(1)
    end
end

"""
    share!(gather, fit, blocks, samples)

Shares the fit among processes: the observations of all are one table, cut into `blocks` blocks of `samples` samples, and each
process sets the data of whole blocks. `gather(own, all)` brings the numbers of all processes together: it fills the vector `all`
with those of all blocks in order (`MPI.Allgatherv!`). An exception in it fails the fit on all processes, and comes out of `run!`.
"""
function share!(gather, fit::Fit, blocks, samples)
    hook = Hook(gather, nothing)
    pointer = @cfunction(met, Int32, (Ptr{Cvoid}, Ptr{Float64}, Int64, Ptr{Float64}, Int64))
    check(failure -> ncg_fit_share(fit, blocks, samples, pointer, pointer_from_objref(hook), failure))
    fit.meeting = hook
    return
end

"Writes the state of the fit to a file."
checkpoint(fit::Fit, path) = check(failure -> ncg_fit_checkpoint(fit, path, failure))

"Goes on from a file that `checkpoint` wrote for the same model and data."
resume!(fit::Fit, path) = check(failure -> ncg_fit_resume(fit, path, failure))

"Why a run ended."
const STOPS = Dict(
    NCG_FIT_NOT_RUN => :not_run, NCG_FIT_GRADIENT => :gradient, NCG_FIT_LOSS => :loss, NCG_FIT_STEP => :step,
    NCG_FIT_MAX_ITERATIONS => :max_iterations, NCG_FIT_MAX_TIME => :max_time, NCG_FIT_STOPPED => :stopped,
    NCG_FIT_MAX_EVALUATIONS => :max_evaluations, NCG_FIT_TARGET => :target)

# What the library calls. No exception may pass through it: it is kept, and the fit stops.
function told(user_data::Ptr{Cvoid}, iteration::Int64, loss::Float64, params::Ptr{Float64}, count::Int64)::Int32
    hook = unsafe_pointer_to_objref(user_data)::Hook
    try
        values = copy(unsafe_wrap(Array, params, count))
        return hook.call((iteration = iteration, loss = loss, params = values)) === true
    catch exception
        hook.thrown = (exception, catch_backtrace())
        return Int32(1)
    end
end

"""
    run!([callback,] fit; every = 1)

Runs until a stop, and says which: `:gradient`, `:loss`, `:step`, `:max_iterations`, `:max_evaluations`, `:max_time`,
`:target` or `:stopped`. Calling again continues. The callback is told `(iteration, loss, params)` every so many iterations; a result of `true` stops the fit, and an
exception stops it and comes out of `run!`.
"""
function run!(callback, fit::Fit; every = 1)
    hook = Hook(callback, nothing)
    pointer = @cfunction(told, Int32, (Ptr{Cvoid}, Int64, Float64, Ptr{Float64}, Int64))
    GC.@preserve hook begin
        check(failure -> ncg_fit_set_callback(fit, pointer, pointer_from_objref(hook), every, failure))
        try
            return run!(fit)
        finally
            # the library must not keep what ends with this call
            ncg_fit_set_callback(fit, C_NULL, C_NULL, 1, C_NULL)
            hook.thrown === nothing || rethrow_kept(hook.thrown)
        end
    end
end

rethrow_kept((exception, _)) = throw(exception)

function run!(fit::Fit)
    stop = Ref(NCG_FIT_NOT_RUN)
    meeting = fit.meeting
    GC.@preserve meeting try
        check(failure -> ncg_fit_run(fit, stop, failure))
    catch
        # what the caller's function has thrown says more than that it failed
        meeting isa Hook && meeting.thrown !== nothing || rethrow()
        thrown, meeting.thrown = meeting.thrown, nothing
        rethrow_kept(thrown)
    end
    return STOPS[stop[]]
end

"Asks a running fit to stop: from another thread, or from the callback."
cancel(fit::Fit) = ncg_fit_cancel(fit)

"A number about the fit so far, such as \"loss\" and \"iterations\"."
function stat(fit::Fit, name)
    value = Ref(0.0)
    check(failure -> ncg_fit_stat(fit, name, value, failure))
    return value[]
end

moving(fit) = Int(stat(fit, "parameters"))

"The best values so far, in the order the parameters were added."
function parameters(fit::Fit)
    values = Vector{Float64}(undef, moving(fit))
    check(failure -> ncg_fit_parameters(fit, values, length(values), failure))
    return values
end

"Their covariance."
function covariance(fit::Fit)
    values = Matrix{Float64}(undef, moving(fit), moving(fit))
    check(failure -> ncg_fit_covariance(fit, values, length(values), failure))
    return values
end

"The report: format \"text\" or \"json\"."
report(fit::Fit, format = "text") =
    text((buffer, capacity, size, failure) -> ncg_fit_report(fit, format, buffer, capacity, size, failure))

"A new model with the fitted values."
bake(fit::Fit) = Model(made((out, failure) -> ncg_fit_bake(fit, out, failure)))
