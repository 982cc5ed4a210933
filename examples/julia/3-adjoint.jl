# The gradient of a whole simulation: its own adjoint code, with the model's reverse sweep inside.
#
# A particle is pushed by a force that the model gives; how does the place where it ends hang on the model's constants?
using NCG, Printf

function simulate(session, p, steps; dt = 0.1, q = 1.0)
    # the simulator, which keeps what the way back needs
    x, r, v = zeros(steps, 2), 1.0, 0.0
    for n in 1:steps
        x[n, :] = [r, q]
        v += dt * NCG.evaluate(session, x[n:n, :]; p = p)[1]
        r += dt * v
    end
    # Each line of a step backwards. The seed is the adjoint of the force; the sweep gives that of its inputs, dx, and of its
    # parameters, dp.
    r_bar, v_bar, p_bar = 1.0, 0.0, zero(p)
    for n in steps:-1:1
        v_bar += dt * r_bar
        _, dx, dp = NCG.gradient(session, x[n:n, :]; p = p, seed = [dt * v_bar])
        r_bar += dx[1]
        p_bar += dp
    end
    return r, p_bar
end

session = NCG.Session(NCG.load("examples/models/screened-force.scm"))
r, p_bar = simulate(session, [1.0, 0.5], 50)
@printf("the particle ends at r = %.5f\ndr/dk = %.5f\ndr/da = %.5f\n", r, p_bar...)
