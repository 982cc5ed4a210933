# Watches a fit, stops it, and lets it go on.
using NCG, Printf

n = 100
x = hcat(0.5 .+ 0.05 * (0:n-1), [iseven(s) ? -1.5 : 1.0 for s in 0:n-1])
y = 2.5 * x[:, 2] .* exp.(-0.75 * x[:, 1])
fit = NCG.Fit(NCG.load("examples/models/screened-force.scm"))
NCG.set_data!(fit, x, y)

# A closure, called on the thread that runs the fit. What it throws stops the fit and comes out of run!.
stop = NCG.run!(fit) do now
    println(stderr, "iteration ", now.iteration, ": loss ", now.loss)
    now.iteration >= 2 && NCG.cancel(fit)  # another thread may do that as well
    return false                           # true would stop the fit, too
end

# stopping is no failure: the best values so far are there, and the fit can go on from them
println("stopped: ", stop == :stopped ? "yes" : "no", ", k is finite: ", isfinite(NCG.parameters(fit)[1]) ? "yes" : "no")
NCG.run!(fit)
@printf("k = %.6f, a = %.6f\n", NCG.parameters(fit)...)
