# Loads a model and evaluates it once.
using NCG, Printf

# a .scm, .ncg or .onnx file, told apart by what is in it
model = NCG.load("examples/models/screened-force.scm")
# the model can be shared by all tasks; each has a session of its own
session = NCG.Session(model; engine = "auto")
println(stderr, NCG.describe(session))

# the order of inputs is that in which the model names them; parameters are those of the file, since none are given
foreach(name -> println("input ", name), NCG.names(model, :input))
@printf("force %.6f\n", NCG.evaluate(session, [2.0 1.0])[1])
