# Sessions, and arrays as tables: pointer, sample stride and entry stride.

"""
    Session(model; settings...)

Prepares a model for one engine; for one task at a time. Settings: `engine`, `device`, `dtype`, `threads` and others of
[`option_table`](@ref).
"""
mutable struct Session <: Handle
    handle::Ptr{Cvoid}
    inputs::Int64
    parameters::Int64
    outputs::Int64
    # The shapes of whole inputs, parameters and outputs.
    shapes::NTuple{3, Vector{Tuple}}
    function Session(model::Model; settings...)
        options = Options(settings)
        handle = made((out, failure) -> ncg_session_new(model, options, out, failure))
        counts = map(kind -> ncg_model_count(model, kind), KINDS)
        shapes = map((:input_array, :parameter_array, :output_array)) do kind
            Tuple[shape(model, kind, i) for i in 1:counts[kind]]
        end
        object = new(handle, counts.input, counts.parameter, counts.output, shapes)
        finalizer(close, object)
        return object
    end
end

free(::Session, handle) = ncg_session_free(handle)

"What was really chosen."
describe(session::Session) = unsafe_string(ncg_session_describe(session))

struct Table{T}
    first::Ptr{T}
    samples::Int64
    entries::Int64
    sample_stride::Int64
    stride::Int64
end

const Strided{T} = Union{StridedVector{T}, StridedMatrix{T}}
const Optional{T} = Union{Nothing, Strided{T}}

# The table of an array. The caller preserves the array.
function table(x::StridedVector{T}, entries, samples) where {T}
    entries == 1 ? Table{T}(pointer(x), length(x), 1, stride(x, 1), 1) : Table{T}(pointer(x), 1, length(x), 1, stride(x, 1))
end
function table(x::StridedMatrix{T}, entries, samples) where {T}
    samples in (1, 2) || throw(ArgumentError("samples is the dimension along which samples lie, 1 or 2, not $samples"))
    other = 3 - samples
    Table{T}(pointer(x), size(x, samples), size(x, other), stride(x, samples), stride(x, other))
end

@noinline disagree(name, table, samples, entries) = throw(DimensionMismatch(
    "$name has $(table.samples) samples of $(table.entries) entries; $samples of $entries are wanted"))

function agreeing(name, x, entries, samples, count)
    x === nothing && return Table{Float64}(C_NULL, 0, 0, 0, 0)
    found = table(x, entries, samples)
    found.samples == count && found.entries == entries || disagree(name, found, count, entries)
    return found
end

# One value per parameter, side by side.
numbers(::Nothing, ::Type{T}, count, name) where {T} = Ptr{T}(C_NULL)
function numbers(p::StridedVector{T}, ::Type{T}, count, name) where {T}
    length(p) == count || throw(DimensionMismatch("$name has $(length(p)) values; the model has $count parameters"))
    length(p) < 2 || stride(p, 1) == 1 || throw(ArgumentError("the values of $name do not lie side by side"))
    return pointer(p)
end

samples_of(session, x, y) = session.inputs == 0 && y !== nothing ? y.samples : x.samples

"""
    evaluate!(y, session, x; p = nothing, samples = 1)

`y = f(x; p)`. `p` has one value per parameter; without it those of the source are taken. Arrays of `Float32` need a session with
`dtype = "f32"`.
"""
function evaluate!(y::Strided{T}, session::Session, x::Strided{T}; p = nothing, samples = 1) where {T <: Union{Float64, Float32}}
    GC.@preserve x y p begin
        from, to = table(x, session.inputs, samples), table(y, session.outputs, samples)
        count = samples_of(session, from, to)
        session.inputs == 0 || from.entries == session.inputs || disagree("x", from, count, session.inputs)
        to.samples == count && to.entries == session.outputs || disagree("y", to, count, session.outputs)
        values = numbers(p, T, session.parameters, "p")
        check(failure -> call_eval(session, count, from, values, to, failure))
    end
    return y
end

call_eval(session, n, x::Table{Float64}, p, y, failure) = ncg_eval_f64(
    session, n, x.first, x.sample_stride, x.stride, p, y.first, y.sample_stride, y.stride, failure)
call_eval(session, n, x::Table{Float32}, p, y, failure) = ncg_eval_f32(
    session, n, x.first, x.sample_stride, x.stride, p, y.first, y.sample_stride, y.stride, failure)

count_of(session, x::StridedVector, samples) = session.inputs == 1 ? length(x) : 1
count_of(session, x::StridedMatrix, samples) = size(x, samples)

# A new array of samples by entries: a vector where there is one entry.
fresh(::Type{T}, count, entries, samples) where {T} =
    entries == 1 ? Vector{T}(undef, count) : samples == 1 ? Matrix{T}(undef, count, entries) : Matrix{T}(undef, entries, count)

"The values in a new array."
evaluate(session::Session, x::Strided{T}; p = nothing, samples = 1) where {T} =
    evaluate!(fresh(T, count_of(session, x, samples), session.outputs, samples), session, x; p = p, samples = samples)

"""
    gradient!(session, x; p, seed, y, dx, dp, samples = 1)

Reverse mode: writes the values to `y`, and the derivatives of the sum of `seed .* y` to `dx` and `dp`. What is left out is not
computed; without a `seed` it is ones.
"""
function gradient!(session::Session, x::Strided{Float64}; p = nothing, seed::Optional{Float64} = nothing,
                   y::Optional{Float64} = nothing, dx::Optional{Float64} = nothing, dp = nothing, samples = 1)
    GC.@preserve x p seed y dx dp begin
        from = table(x, session.inputs, samples)
        to = y === nothing ? nothing : table(y, session.outputs, samples)
        n = samples_of(session, from, to)
        from = agreeing("x", x, session.inputs, samples, n)
        s = agreeing("seed", seed, session.outputs, samples, n)
        y = agreeing("y", y, session.outputs, samples, n)
        dx = agreeing("dx", dx, session.inputs, samples, n)
        values = numbers(p, Float64, session.parameters, "p")
        sums = numbers(dp, Float64, session.parameters, "dp")
        check(failure -> ncg_grad_f64(
            session, n, from.first, from.sample_stride, from.stride, values, s.first, s.sample_stride, s.stride,
            y.first, y.sample_stride, y.stride, dx.first, dx.sample_stride, dx.stride, sums, failure))
    end
    nothing
end

"`(y = …, dx = …, dp = …)` in new arrays."
function gradient(session::Session, x::Strided{Float64}; p = nothing, seed = nothing, samples = 1)
    y = fresh(Float64, count_of(session, x, samples), session.outputs, samples)
    dx, dp = similar(x), Vector{Float64}(undef, session.parameters)
    gradient!(session, x; p = p, seed = seed, y = y, dx = dx, dp = dp, samples = samples)
    return (y = y, dx = dx, dp = dp)
end

"The derivatives of the outputs by the parameters, as `j[sample, output, parameter]`."
function jacobian(session::Session, x::Strided{Float64}; p = nothing, samples = 1)
    GC.@preserve x p begin
        from = table(x, session.inputs, samples)
        n = from.samples
        agreeing("x", x, session.inputs, samples, n)
        j = Array{Float64}(undef, n, session.outputs, session.parameters)
        values = numbers(p, Float64, session.parameters, "p")
        check(failure -> ncg_jacobian_f64(
            session, n, from.first, from.sample_stride, from.stride, values, C_NULL, 0, 0, j, strides(j)..., failure))
        return j
    end
end

# Numbers, vectors and matrices whole: x[sample], x[sample, entry], x[sample, row, column].

element(session) = occursin(" f32 ", describe(session)) ? Float32 : Float64

# Pointers and strides of the arrays of a kind; `nothing` is one that is left out. The caller preserves the arrays.
function whole(name, arrays, shapes, count, ::Type{T}) where {T}
    length(arrays) == length(shapes) || throw(DimensionMismatch("$name: $(length(arrays)) arrays; $(length(shapes)) are wanted"))
    pointers, strides = Ptr{Cvoid}[], Int64[]
    for (array, shape) in zip(arrays, shapes)
        if array === nothing
            push!(pointers, C_NULL)
            append!(strides, zeros(Int64, 1 + length(shape)))
            continue
        end
        array isa StridedArray{T} || throw(ArgumentError("$name holds a $(typeof(array)); the session computes in $T"))
        size(array) == (count, shape...) ||
            throw(DimensionMismatch("$name holds an array of size $(size(array)); $((count, shape...)) is wanted"))
        push!(pointers, pointer(array))
        append!(strides, Base.strides(array))
    end
    return pointers, strides
end

# Where the parameters begin that are arrays, among the numbers of all of them.
function whole_parameters(session, p, name, ::Type{T}) where {T}
    p === nothing && return Ptr{Cvoid}[]
    at, pointers = numbers(p, T, session.parameters, name), Ptr{Cvoid}[]
    for shape in session.shapes[2]
        push!(pointers, at)
        at += sizeof(T) * prod(shape)
    end
    return pointers
end

or_null(list::Vector) = isempty(list) ? Ptr{eltype(list)}(C_NULL) : pointer(list)

"""
    run(session, inputs...; samples, p = nothing)

The outputs of a model whose inputs and outputs are vectors and matrices too, as a tuple: `x[sample]`, `x[sample, entry]` and
`x[sample, row, column]`. `p` has one value for each number of the parameters, those of a matrix row by row. Without inputs,
`samples` says how many there are.
"""
run(session::Session, inputs...; samples = nothing, p = nothing) =
    run_gradient(session, inputs...; samples = samples, p = p, derivatives = false).outputs

"""
    run_gradient(session, inputs...; seeds = nothing, samples, p = nothing)

`(outputs = …, d_inputs = …, dp = …)`: as [`run`](@ref), with the derivatives of the sum of seeds times outputs.
"""
function run_gradient(session::Session, inputs...; seeds = nothing, samples = nothing, p = nothing, derivatives = true)
    T = element(session)
    n = samples === nothing ? size(first(inputs), 1) : samples
    outputs = Tuple(Array{T}(undef, n, shape...) for shape in session.shapes[3])
    d_inputs = derivatives ? map(x -> Array{T}(undef, size(x)), inputs) : ()
    dp = Vector{T}(undef, derivatives ? session.parameters : 0)
    none = (Ptr{Cvoid}[], Int64[])
    GC.@preserve inputs seeds outputs d_inputs p dp begin
        from, from_strides = whole("inputs", inputs, session.shapes[1], n, T)
        to, to_strides = whole("outputs", outputs, session.shapes[3], n, T)
        by, by_strides = seeds === nothing ? none : whole("seeds", seeds, session.shapes[3], n, T)
        back, back_strides = derivatives ? whole("d_inputs", d_inputs, session.shapes[1], n, T) : none
        values = whole_parameters(session, p, "p", T)
        sums = derivatives ? whole_parameters(session, dp, "dp", T) : Ptr{Cvoid}[]
        GC.@preserve from from_strides to to_strides by by_strides back back_strides values sums begin
            check(failure -> ncg_run_gradient(session, n, or_null(from), or_null(from_strides), or_null(values),
                or_null(by), or_null(by_strides), or_null(to), or_null(to_strides), or_null(back),
                or_null(back_strides), or_null(sums), failure))
        end
    end
    return (outputs = outputs, d_inputs = d_inputs, dp = dp)
end
