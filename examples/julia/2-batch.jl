# All particles in one call, read from and written to the simulator's own array.
using NCG, Printf

# The state of the simulator: one column for each quantity, and more rows than are in use.
n = 100
state = zeros(2n, 5)
used = 1:2:2n-1
state[used, 2] = 0.5 .+ 0.05 * (0:n-1)
state[used, 3] = [iseven(s) ? -1.5 : 1.0 for s in 0:n-1]
session = NCG.Session(NCG.load("examples/models/screened-force.scm"))

# Views are passed as they lie: every second row of two columns, and the results beside them. Nothing is copied. p gives the
# parameters k and a values of their own.
force = view(state, used, 5)
NCG.evaluate!(force, session, view(state, used, 2:3); p = [2.5, 0.75])

@printf("force on particle 8: %.6f\ntotal %.6f\n", force[8], sum(force))
