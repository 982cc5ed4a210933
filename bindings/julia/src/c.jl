# The functions of ncg.h, where each has a comment. A function is looked up in the library at its first call.

# The places of the functions, which loading the library fills.
const POINTERS = Pair{Symbol, Ref{Ptr{Cvoid}}}[]

# `@c name(argument::Type, ...)::Type` defines a Julia function that makes the call.
macro c(signature)
    call, result = signature.args
    name, arguments = call.args[1], call.args[2:end]
    place = Symbol(name, "_place")
    names = [argument.args[1] for argument in arguments]
    types = [argument.args[2] for argument in arguments]
    found = :($place[] == C_NULL ? found($place) : $place[])
    return esc(quote
        const $place = Ref{Ptr{Cvoid}}(C_NULL)
        push!(POINTERS, $(QuoteNode(name)) => $place)
        $name($(names...)) = ccall($found, $result, ($(types...),), $(names...))
    end)
end

# Version and engines
@c ncg_version()::Int32
@c ncg_build_info()::Cstring
@c ncg_status_name(status::Int32)::Cstring
@c ncg_engine_probe(engine::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
# Errors
@c ncg_error_code(error::Ptr{Cvoid})::Int32
@c ncg_error_message(error::Ptr{Cvoid})::Cstring
@c ncg_error_location(error::Ptr{Cvoid}, offset::Ptr{Int64}, line::Ptr{Int64}, column::Ptr{Int64})::Int32
@c ncg_error_free(error::Ptr{Cvoid})::Cvoid
# Options: a self-describing bag of names
@c ncg_options_new(out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_options_set_str(options::Ptr{Cvoid}, name::Cstring, value::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_options_set_int(options::Ptr{Cvoid}, name::Cstring, value::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_options_set_real(options::Ptr{Cvoid}, name::Cstring, value::Float64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_option_count()::Int64
@c ncg_option_describe(index::Int64, name::Ptr{Cstring}, type_name::Ptr{Cstring},
    default_value::Ptr{Cstring}, description::Ptr{Cstring})::Int32
@c ncg_options_free(options::Ptr{Cvoid})::Cvoid
# Models: make, save, export, look inside
@c ncg_model_compile(source::Cstring, length::Int64, options::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}},
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_load(path::Cstring, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_load_with(path::Cstring, options::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_parse(document::Cstring, length::Int64, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_save(model::Ptr{Cvoid}, path::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_write(model::Ptr{Cvoid}, format::Cstring, buffer::Ptr{UInt8}, capacity::Int64,
    needed::Ptr{Int64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_warnings(model::Ptr{Cvoid}, buffer::Ptr{UInt8}, capacity::Int64, needed::Ptr{Int64},
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_export_onnx(model::Ptr{Cvoid}, path::Cstring, options::Ptr{Cvoid}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_interpreter(options::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_bind_program(interpreter::Ptr{Cvoid}, source::Cstring, length::Int64, options::Ptr{Cvoid},
    out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_free(model::Ptr{Cvoid})::Cvoid
@c ncg_model_count(model::Ptr{Cvoid}, kind::Int32)::Int64
@c ncg_model_name(model::Ptr{Cvoid}, kind::Int32, index::Int64)::Cstring
@c ncg_model_index(model::Ptr{Cvoid}, kind::Int32, name::Cstring)::Int64
@c ncg_model_shape(model::Ptr{Cvoid}, kind::Int32, index::Int64, dims::Ptr{Int64}, capacity::Int64,
    rank::Ptr{Int64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_parameter_value(model::Ptr{Cvoid}, index::Int64, value::Ptr{Float64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_model_parameter_bounds(model::Ptr{Cvoid}, index::Int64, lower::Ptr{Float64}, upper::Ptr{Float64},
    err::Ptr{Ptr{Cvoid}})::Int32
# Sessions: evaluate and differentiate
@c ncg_session_new(model::Ptr{Cvoid}, options::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_session_describe(session::Ptr{Cvoid})::Cstring
@c ncg_eval_f64(session::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float64}, x_sample_stride::Int64,
    x_stride::Int64, p::Ptr{Float64}, y::Ptr{Float64}, y_sample_stride::Int64, y_stride::Int64,
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_eval_f32(session::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float32}, x_sample_stride::Int64,
    x_stride::Int64, p::Ptr{Float32}, y::Ptr{Float32}, y_sample_stride::Int64, y_stride::Int64,
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_grad_f64(session::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float64}, x_sample_stride::Int64,
    x_stride::Int64, p::Ptr{Float64}, seed::Ptr{Float64}, seed_sample_stride::Int64, seed_stride::Int64,
    y::Ptr{Float64}, y_sample_stride::Int64, y_stride::Int64, dx::Ptr{Float64}, dx_sample_stride::Int64,
    dx_stride::Int64, dp::Ptr{Float64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_jacobian_f64(session::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float64}, x_sample_stride::Int64,
    x_stride::Int64, p::Ptr{Float64}, y::Ptr{Float64}, y_sample_stride::Int64, y_stride::Int64,
    j::Ptr{Float64}, j_sample_stride::Int64, j_output_stride::Int64, j_stride::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_session_free(session::Ptr{Cvoid})::Cvoid
# Sessions: vectors and matrices
@c ncg_run(session::Ptr{Cvoid}, n_samples::Int64, inputs::Ptr{Ptr{Cvoid}}, input_strides::Ptr{Int64},
    parameters::Ptr{Ptr{Cvoid}}, outputs::Ptr{Ptr{Cvoid}}, output_strides::Ptr{Int64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_run_gradient(session::Ptr{Cvoid}, n_samples::Int64, inputs::Ptr{Ptr{Cvoid}}, input_strides::Ptr{Int64},
    parameters::Ptr{Ptr{Cvoid}}, seeds::Ptr{Ptr{Cvoid}}, seed_strides::Ptr{Int64}, outputs::Ptr{Ptr{Cvoid}},
    output_strides::Ptr{Int64}, d_inputs::Ptr{Ptr{Cvoid}}, d_input_strides::Ptr{Int64},
    d_parameters::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
# Fitting
@c ncg_fit_new(model::Ptr{Cvoid}, options::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_add_parameter(fit::Ptr{Cvoid}, name::Cstring, initial::Float64, lower::Float64, upper::Float64,
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_set_data_f64(fit::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float64}, x_sample_stride::Int64,
    x_stride::Int64, y::Ptr{Float64}, y_sample_stride::Int64, y_stride::Int64, w::Ptr{Float64},
    w_sample_stride::Int64, w_stride::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_add_data_f64(fit::Ptr{Cvoid}, n_samples::Int64, x::Ptr{Float64}, x_sample_stride::Int64,
    x_stride::Int64, y::Ptr{Float64}, y_sample_stride::Int64, y_stride::Int64, w::Ptr{Float64},
    w_sample_stride::Int64, w_stride::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_set_covariance_f64(fit::Ptr{Cvoid}, n::Int64, covariance::Ptr{Float64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_set_callback(fit::Ptr{Cvoid}, callback::Ptr{Cvoid}, user_data::Ptr{Cvoid}, every::Int64,
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_share(fit::Ptr{Cvoid}, n_blocks::Int64, block_samples::Int64, gather::Ptr{Cvoid}, user_data::Ptr{Cvoid},
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_checkpoint(fit::Ptr{Cvoid}, path::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_resume(fit::Ptr{Cvoid}, path::Cstring, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_run(fit::Ptr{Cvoid}, stop::Ptr{Int32}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_cancel(fit::Ptr{Cvoid})::Cvoid
@c ncg_fit_stat(fit::Ptr{Cvoid}, name::Cstring, value::Ptr{Float64}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_parameters(fit::Ptr{Cvoid}, values::Ptr{Float64}, capacity::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_covariance(fit::Ptr{Cvoid}, values::Ptr{Float64}, capacity::Int64, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_report(fit::Ptr{Cvoid}, format::Cstring, buffer::Ptr{UInt8}, capacity::Int64, needed::Ptr{Int64},
    err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_bake(fit::Ptr{Cvoid}, out::Ptr{Ptr{Cvoid}}, err::Ptr{Ptr{Cvoid}})::Int32
@c ncg_fit_free(fit::Ptr{Cvoid})::Cvoid
