# Handles as objects: options, models.

"A handle of the library, freed by the collector or by `close`."
abstract type Handle end

# A call keeps the object alive, and with it the handle.
Base.cconvert(::Type{Ptr{Cvoid}}, object::Handle) = object
Base.unsafe_convert(::Type{Ptr{Cvoid}}, object::Handle) = object.handle

function Base.close(object::Handle)
    handle, object.handle = object.handle, C_NULL
    free(object, handle)
    nothing
end

# Calls `call` with the places for a handle and an error.
function made(call)
    out = Ref{Ptr{Cvoid}}(C_NULL)
    check(failure -> call(out, failure))
    return out[]
end

mutable struct Options <: Handle
    handle::Ptr{Cvoid}
    function Options(settings)
        object = new(made((out, failure) -> ncg_options_new(out, failure)))
        finalizer(close, object)
        for (name, value) in settings
            set!(object, String(name), value)
        end
        return object
    end
end

free(::Options, handle) = ncg_options_free(handle)
set!(options, name, value::Integer) = check(failure -> ncg_options_set_int(options, name, value, failure))
set!(options, name, value::Real) = check(failure -> ncg_options_set_real(options, name, value, failure))
set!(options, name, value) = check(failure -> ncg_options_set_str(options, name, string(value), failure))

"The settings that keywords of `Model`, `Session` and `Fit` may be: name, type, default and description."
function option_table()
    texts = ntuple(_ -> Ref{Cstring}(C_NULL), 4)
    return map(0:ncg_option_count()-1) do i
        ncg_option_describe(i, texts...)
        name, type, default, description = map(text -> unsafe_string(text[]), texts)
        (name = name, type = type, default = default, description = description)
    end
end

"""
    Model(source; settings...)

Compiles Scheme source text. See also [`load`](@ref), [`parse_document`](@ref), [`interpreter`](@ref).
"""
mutable struct Model <: Handle
    handle::Ptr{Cvoid}
    function Model(handle::Ptr{Cvoid})
        object = new(handle)
        finalizer(close, object)
        return object
    end
end

free(::Model, handle) = ncg_model_free(handle)

function Model(source::AbstractString; settings...)
    source, options = String(source), Options(settings)
    GC.@preserve source begin
        return Model(made((out, failure) ->
            ncg_model_compile(bytes(source), sizeof(source), options, out, failure)))
    end
end

# Text that is passed with its length, so that it may hold NUL. The caller preserves it.
bytes(text::String) = Cstring(Ptr{Int8}(pointer(text)))

"Reads a .scm, .ncg or .onnx file, with these settings."
function load(path::AbstractString; settings...)
    options = Options(settings)
    return Model(made((out, failure) -> ncg_model_load_with(path, options, out, failure)))
end

"The same from memory."
function parse_document(document::AbstractString)
    document = String(document)
    GC.@preserve document begin
        return Model(made((out, failure) -> ncg_model_parse(bytes(document), sizeof(document), out, failure)))
    end
end

"The interpreter of the library as a model."
interpreter() = Model(made((out, failure) -> ncg_model_interpreter(C_NULL, out, failure)))

"A new model: an interpreter with a program bound as data."
function bind_program(model::Model, source::AbstractString; settings...)
    source, options = String(source), Options(settings)
    GC.@preserve source begin
        return Model(made((out, failure) ->
            ncg_model_bind_program(model, bytes(source), sizeof(source), options, out, failure)))
    end
end

"Writes a .ncg file."
save(model::Model, path) = check(failure -> ncg_model_save(model, path, failure))

"Writes an ONNX file."
function export_onnx(model::Model, path; settings...)
    options = Options(settings)
    check(failure -> ncg_model_export_onnx(model, path, options, failure))
end

"The model as text: format \"ncg\" or \"text\"."
document(model::Model, format = "ncg") =
    text((buffer, capacity, size, failure) -> ncg_model_write(model, format, buffer, capacity, size, failure))

"What in the model is allowed but hardly meant."
warnings(model::Model) =
    text((buffer, capacity, size, failure) -> ncg_model_warnings(model, buffer, capacity, size, failure))

const KINDS = (input = NCG_INPUT, parameter = NCG_PARAMETER, output = NCG_OUTPUT,
    input_array = NCG_INPUT_ARRAY, parameter_array = NCG_PARAMETER_ARRAY, output_array = NCG_OUTPUT_ARRAY)

"""
The names of the entries of a kind: `:input`, `:parameter` or `:output`, which are numbers, or these as they were declared,
with vectors and matrices whole: `:input_array` and so on.
"""
names(model::Model, kind::Symbol) =
    [unsafe_string(ncg_model_name(model, KINDS[kind], i)) for i in 0:ncg_model_count(model, KINDS[kind])-1]

"The dimensions of one sample of an entry, counted from 1; `()` for a number."
function shape(model::Model, kind::Symbol, index)
    rank = Ref{Int64}(0)
    check(failure -> ncg_model_shape(model, KINDS[kind], index - 1, C_NULL, 0, rank, failure))
    dimensions = Vector{Int64}(undef, rank[])
    check(failure -> ncg_model_shape(model, KINDS[kind], index - 1, dimensions, rank[], rank, failure))
    return Tuple(dimensions)
end

parameter_index(model, name) = ncg_model_index(model, NCG_PARAMETER, name)

"The value that a parameter has in the source text."
function parameter_value(model::Model, name)
    value = Ref(0.0)
    check(failure -> ncg_model_parameter_value(model, parameter_index(model, name), value, failure))
    return value[]
end

"The bounds that a parameter has in the source text."
function parameter_bounds(model::Model, name)
    lower, upper = Ref(0.0), Ref(0.0)
    check(failure -> ncg_model_parameter_bounds(model, parameter_index(model, name), lower, upper, failure))
    return (lower[], upper[])
end
