# Fits a constant of physics together with a network for what is not known: the friction of a pendulum.
using NCG, Printf

# the acceleration; friction has the sign of the speed, whatever the network's weights
text = """
(parameter k 1) (import friction "friction.onnx")
(define (odd w) (* 0.5 (- (friction w) (friction (- w)))))
(- (+ (* k (sin angle)) (odd w)))"""
truth(w) = 0.1w + 0.15w * abs(w) + 0.4tanh(2w)

s = 0:199
x = hcat(1.5sin.(0.37s), 3sin.(0.73s .+ 1))
y = -9sin.(x[:, 1]) - truth.(x[:, 2]) + 0.01sin.(s .^ 2)

# A text may import what lies in the folder that it is told. All weights of the network move with k; what is expected of
# them keeps them small.
settings = (folder = "examples/hybrid", prior = "friction.*=0:3", noise = "known")
model = NCG.Model(text; settings...)
fit = NCG.Fit(model; settings...)
NCG.set_data!(fit, x, y; w = fill(1 / 0.01^2, length(s)))
NCG.run!(fit)
value = NCG.parameters(fit)
@printf("%d parameters, k = %.1f\n", length(value), value[findfirst(==("k"), NCG.names(model, :parameter))])

# hanging straight down, friction alone acts
acceleration = NCG.evaluate(NCG.Session(model; settings...), [0.0 2.0]; p = value)
@printf("friction at 2 rad/s: %.1f, in truth %.1f\n", -acceleration[1], truth(2))
