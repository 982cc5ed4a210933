# Fits the constants of a model to observations.
using NCG, Printf

# observations of k = 2.5, a = 0.75, and what stands for noise
n = 100
x = hcat(0.5 .+ 0.05 * (0:n-1), [iseven(s) ? -1.5 : 1.0 for s in 0:n-1])
y = 2.5 * x[:, 2] .* exp.(-0.75 * x[:, 1]) + 0.01 * sin.((0:n-1) .^ 2)

# Which constants move, from where, between which bounds. The data are copied.
model = NCG.load("examples/models/screened-force.scm")
fit = NCG.Fit(model)
NCG.add_parameter!(fit, "k", 1.0; lower = 0.0, upper = 100.0)
NCG.add_parameter!(fit, "a", 1.0)
NCG.set_data!(fit, x, y)
println("converged: ", NCG.run!(fit) in (:gradient, :loss, :step) ? "yes" : "no")
value, covariance = NCG.parameters(fit), NCG.covariance(fit)
@printf("k = %.4f +- %.4f\n", value[1], sqrt(covariance[1, 1]))
@printf("a = %.4f +- %.4f\n", value[2], sqrt(covariance[2, 2]))
print(stderr, NCG.report(fit))

# the same model with these values: evaluate it, save it, export it
@printf("the fitted model has k = %.4f\n", NCG.parameter_value(NCG.bake(fit), "k"))
