"""
Small Scheme models of known physics as differentiable graphs, and their constants fitted to data.

    using NCG
    model = NCG.Model("(parameter k 2) (* k (square x))")
    session = NCG.Session(model)
    y = NCG.evaluate(session, [1.0, 2.0, 3.0])

A matrix holds samples by entries, `x[sample, entry]`; with the keyword `samples = 2` it is `x[entry, sample]`. A vector holds
the samples of a model's only input or output, or one sample's values where there are more. Matrices and views are passed as
they lie in memory, without a copy. What fails throws an [`NCG.Error`](@ref). Objects free themselves; `close` does it at once.

The library is looked for in this order: `NCG.use(path)`, called before anything else; the preference `library` of the package
NCG in `LocalPreferences.toml` beside the active project; the environment variable `NCG_LIBRARY`; the folder in which this
package was installed with it; the system.
"""
module NCG

using Libdl

include("constants.jl")
include("c.jl")
include("library.jl")
include("objects.jl")
include("arrays.jl")
include("fit.jl")

end
