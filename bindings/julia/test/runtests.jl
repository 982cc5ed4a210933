using NCG
using Test

const SOURCE = "(input r) (input q) (parameter k 2) (parameter a 0.5) (* k q (exp (- (* a r))))"
exact(r, q) = 2q * exp(-0.5r)

# The error of a call.
function failure(call)
    try
        call()
    catch error
        return error
    end
    return nothing
end

@testset "library" begin
    @test NCG.version().major == NCG.NCG_VERSION_MAJOR
    @test occursin("native", NCG.build_info())
    @test occursin("ncg", NCG.library_path())
    @test_throws ArgumentError NCG.use("elsewhere")
    @test NCG.probe("native") === nothing
    @test any(row -> row.name == "engine" && row.type == "str", NCG.option_table())
    for (name, place) in NCG.POINTERS
        @test NCG.found(place) != C_NULL
    end
end

@testset "preference" begin
    mktempdir() do folder
        project = joinpath(folder, "Project.toml")
        write(project, "")
        write(joinpath(folder, "LocalPreferences.toml"), "[Other]\nlibrary = \"wrong\"\n[NCG]\nlibrary = \"right\"\n")
        code = "push!(LOAD_PATH, $(repr(dirname(@__DIR__)))); using NCG; print(NCG.preference(), NCG.wanted())"
        printed = read(`$(Base.julia_cmd()) --startup-file=no --project=$folder -e $code`, String)
        @test printed == "right[\"right\"]"
    end
end

@testset "models" begin
    model = NCG.Model("(parameter k 2 0 5) (input u) (input w) (* k u)")
    @test NCG.names(model, :input) == ["u", "w"]
    @test NCG.names(model, :parameter) == ["k"]
    @test NCG.shape(model, :input, 1) == ()
    @test NCG.parameter_value(model, "k") == 2
    @test NCG.parameter_bounds(model, "k") == (0, 5)
    @test occursin("\"w\"", NCG.warnings(model))
    @test NCG.document(NCG.parse_document(NCG.document(model))) == NCG.document(model)
    bound = NCG.bind_program(NCG.interpreter(), "(* 2 x)")
    @test NCG.evaluate(NCG.Session(bound), [4.0]) == [8.0]
    mktempdir() do folder
        path = joinpath(folder, "model.ncg")
        NCG.save(model, path)
        @test NCG.document(NCG.load(path)) == NCG.document(model)
        text = joinpath(folder, "text.scm")
        write(text, "(* k x)")
        @test NCG.document(NCG.load(text; params = "k=2")) == NCG.document(NCG.Model("(* k x)"; params = "k=2"))
        NCG.export_onnx(model, joinpath(folder, "model.onnx"))
        @test isfile(joinpath(folder, "model.onnx"))
    end
end

@testset "arrays" begin
    session = NCG.Session(NCG.Model(SOURCE); engine = "native", threads = 1)
    @test startswith(NCG.describe(session), "native")
    x = [0.0 1.0; 1.0 2.0; 2.0 3.0]
    y = NCG.evaluate(session, x)
    @test y ≈ exact.(x[:, 1], x[:, 2])
    @test NCG.evaluate(session, permutedims(x); samples = 2) == y
    @test NCG.evaluate(session, x[2, :]) ≈ y[2:2]
    @test NCG.evaluate(session, x; p = [4.0, 0.5]) ≈ 2y

    # a view is read and written where it lies
    state = fill(-1.0, 6, 4)
    state[1:2:5, 1:2:3] = x
    NCG.evaluate!(view(state, 1:2:5, 4), session, view(state, 1:2:5, 1:2:3))
    @test state[1:2:5, 4] ≈ y
    @test all(state[2:2:6, :] .== -1)
    @test NCG.evaluate(session, view(x, 3:-1:1, :)) ≈ reverse(y)

    seed = [1.0, 10.0, 100.0]
    result = NCG.gradient(session, x; seed = seed)
    @test result.y ≈ y
    @test result.dx[:, 1] ≈ -0.5 * seed .* y
    j = NCG.jacobian(session, x)
    @test size(j) == (3, 1, 2)
    @test result.dp ≈ vec(seed' * j[:, 1, :])
    dx = zeros(4, 3)
    NCG.gradient!(session, permutedims(x); dx = view(dx, 1:3:4, :), samples = 2)
    @test dx[1, :] ≈ -0.5y
    @test all(dx[2:3, :] .== 0)

    both = NCG.Session(NCG.Model("(list x (* 2 x))"))
    @test NCG.evaluate(both, [1.0, 2.0]) == [1.0 2.0; 2.0 4.0]
    single = NCG.Session(NCG.Model("(* 2 x)"); dtype = "f32")
    @test NCG.evaluate(single, Float32[1.5]) == Float32[3.0]
end

@testset "vectors and matrices" begin
    model = NCG.Model("(input m 2 3) (input v 3) (parameter w [1 2]) (input s) (list (* s (matvec m v)) (dot w (matvec m v)))")
    @test NCG.names(model, :input_array) == ["m", "v", "s"]
    @test [NCG.shape(model, :input_array, i) for i in 1:3] == [(2, 3), (3,), ()]
    @test [NCG.shape(model, :output_array, i) for i in 1:2] == [(2,), ()]
    session = NCG.Session(model)
    m, v, s = [i + 10j + 100k for i in 1.0:4, j in 1:2, k in 1:3], [i * k for i in 1.0:4, k in 1:3], [1.0, 2, 3, 4]
    product = [sum(m[i, j, :] .* v[i, :]) for i in 1:4, j in 1:2]
    y, z = NCG.run(session, m, v, s)
    @test y ≈ s .* product && z ≈ product * [1, 2]
    @test NCG.run(session, m, v, s; p = [3.0, 5.0])[2] ≈ product * [3, 5]
    # every second sample, and a matrix that lies transposed in memory
    turned = permutedims(permutedims(m, (3, 2, 1)), (3, 2, 1))
    @test NCG.run(session, view(turned, 1:2:3, :, :), v[1:2:3, :], s[1:2:3])[1] == y[1:2:3, :]
    result = NCG.run_gradient(session, m, v, s; seeds = (zeros(4, 2), ones(4)))
    @test result.outputs == (y, z)
    @test result.d_inputs[1] ≈ [j * v[i, k] for i in 1:4, j in 1:2, k in 1:3] && result.d_inputs[3] == zeros(4)
    @test result.dp ≈ vec(sum(product; dims = 1))
    @test NCG.run_gradient(session, m, v, s).d_inputs[3] ≈ vec(sum(product; dims = 2))
    single = NCG.Session(model; dtype = "f32")
    @test NCG.run(single, Float32.(m), Float32.(v), Float32.(s))[1] ≈ y
    @test_throws ArgumentError NCG.run(single, m, v, s)
    @test_throws DimensionMismatch NCG.run(session, m[:, :, 1:2], v, s)
    @test_throws DimensionMismatch NCG.run(session, m, v)
end

@testset "errors" begin
    error = failure(() -> NCG.Model("(define (foo x) x)\n(fooo 1)"))
    @test error isa NCG.Error && error.name == "NCG_ERR_COMPILE" && error.code == NCG.NCG_ERR_COMPILE
    @test (error.place.line, error.place.column) == (2, 2)
    @test occursin("did you mean \"foo\"", sprint(showerror, error))
    @test occursin("\"engine\"", failure(() -> NCG.Session(NCG.Model("x"); enigne = "native")).message)
    @test failure(() -> NCG.load("no such file")).name == "NCG_ERR_IO"
    session = NCG.Session(NCG.Model(SOURCE))
    @test_throws DimensionMismatch NCG.evaluate(session, zeros(3, 3))
    @test_throws DimensionMismatch NCG.evaluate!(zeros(2), session, zeros(3, 2))
    @test_throws DimensionMismatch NCG.evaluate(session, zeros(3, 2); p = [1.0])
    close(session)
    close(session)
    @test failure(() -> NCG.evaluate(session, zeros(3, 2))).name == "NCG_ERR_ARGUMENT"
end

@testset "fits" begin
    model = NCG.Model(SOURCE)
    x = hcat(collect(0.1:0.1:2), [1.0 + i % 3 for i in 1:20])
    y = exact.(x[:, 1], x[:, 2])
    function start()
        fit = NCG.Fit(model; noise = "known")
        NCG.add_parameter!(fit, "k", 1; lower = 0)
        NCG.add_parameter!(fit, "a", 1)
        NCG.set_data!(fit, x, y; w = ones(20))
        return fit
    end
    fit = start()
    seen = Int[]
    @test NCG.run!(fit) do progress
        GC.gc()
        push!(seen, length(progress.params))
        false
    end in (:gradient, :loss, :step)
    @test !isempty(seen) && all(seen .== 2)
    @test NCG.parameters(fit) ≈ [2, 0.5]
    @test size(NCG.covariance(fit)) == (2, 2)
    @test occursin("\"k\"", NCG.report(fit, "json"))
    @test NCG.parameter_value(NCG.bake(fit), "a") ≈ 0.5

    fit = start()
    @test_throws DomainError NCG.run!(_ -> throw(DomainError(1, "from the callback")), fit)
    @test NCG.run!(_ -> true, fit) == :stopped
    @test NCG.run!(_ -> (NCG.cancel(fit); false), start()) == :stopped
    @test NCG.run!(fit) in (:gradient, :loss, :step)
    @test_throws DimensionMismatch NCG.set_data!(fit, x, y[1:19])
    @test occursin("\"noise\"", failure(() -> NCG.set_data!(NCG.Fit(model), x, y; w = ones(20))).message)

    # what is written and read again goes on with the same bits
    mktempdir() do folder
        path = joinpath(folder, "state")
        one, two = start(), start()
        NCG.run!(_ -> true, one)
        NCG.checkpoint(one, path)
        NCG.resume!(two, path)
        NCG.run!(one)
        NCG.run!(two)
        @test NCG.parameters(two) == NCG.parameters(one)
    end
    # one process that has all three blocks brings together its own numbers
    shared = start()
    NCG.share!((own, all) -> (GC.gc(); copyto!(all, own)), shared, 3, 8)
    @test NCG.run!(shared) in (:gradient, :loss, :step)
    @test NCG.parameters(shared) ≈ [2, 0.5]
    NCG.share!((own, all) -> throw(DomainError(length(own))), shared, 3, 8)
    @test_throws DomainError NCG.run!(shared)
    @test failure(() -> NCG.share!(copyto!, shared, 0, 8)).name == "NCG_ERR_ARGUMENT"
    added = NCG.Fit(model)
    NCG.add_data!(added, x[1:7, :], y[1:7])
    NCG.add_data!(added, x[8:20, :], y[8:20])
    NCG.run!(added)
    @test NCG.parameters(added) ≈ [2, 0.5]
    whole = NCG.Fit(model)
    NCG.set_data!(whole, x, y)
    NCG.set_covariance!(whole, [exp(-abs(i - j)) for i in 1:20, j in 1:20])
    NCG.run!(whole)
    @test NCG.parameters(whole) ≈ [2, 0.5]
    @test_throws DimensionMismatch NCG.set_covariance!(whole, zeros(2, 3))
end

@testset "the collector frees, and nothing that is in use" begin
    for _ in 1:300
        session = NCG.Session(NCG.Model("(* 2 x)"); engine = "native")
        @test NCG.evaluate(session, [1.0]) == [2.0]
    end
    GC.gc()
end
