# Where the library is found, and what its failures become.

"A failed call: status code and its name, message, and the place in the source: zero-based byte offset, one-based line and column."
struct Error <: Exception
    code::Int32
    name::String
    message::String
    place::Union{Nothing, NamedTuple{(:offset, :line, :column), NTuple{3, Int64}}}
end

Base.showerror(io::IO, error::Error) = print(io, error.name, ": ", error.message)

const ARGUMENT = Ref("")
const HANDLE = Ref(C_NULL)
const LOADING = ReentrantLock()

"""
    use(path)

Takes the library at this path, a file or a folder. To be called before the first use of the library.
"""
function use(path::AbstractString)
    lock(LOADING) do
        HANDLE[] == C_NULL || throw(ArgumentError("the library is loaded already: $(library_path())"))
        ARGUMENT[] = path
    end
    nothing
end

"The path of the loaded library."
library_path() = (load(); dlpath(HANDLE[]))

# The preference `library` in the table [NCG].
function preference()
    project = Base.active_project()
    project === nothing && return ""
    file = joinpath(dirname(project), "LocalPreferences.toml")
    isfile(file) || return ""
    table = ""
    for line in eachline(file)
        header = match(r"^\s*\[([^\]]*)\]", line)
        header === nothing || (table = strip(header[1]))
        value = match(r"^\s*library\s*=\s*(\"[^\"]*\"|'[^']*')", line)
        table == "NCG" && value !== nothing && return String(value[1][2:end-1])
    end
    return ""
end

file_name() = Sys.iswindows() ? "ncg.dll" : Sys.isapple() ? "libncg.dylib" : "libncg.so"

# One place where somebody said that the library is: no other is tried.
at(path) = isdir(path) ? joinpath(path, file_name()) : path

function wanted()
    for said in (ARGUMENT[], preference(), get(ENV, "NCG_LIBRARY", ""))
        isempty(said) || return [at(said)]
    end
    # share/ncg/julia/src is where an archive has this file, and lib where it has the library
    beside = normpath(joinpath(@__DIR__, "..", "..", "..", "..", "lib", file_name()))
    return [beside; Sys.islinux() ? "libncg.so.$NCG_VERSION_MAJOR" : file_name(); file_name()]
end

function load()
    HANDLE[] == C_NULL || return
    lock(LOADING) do
        HANDLE[] == C_NULL || return
        paths = wanted()
        for path in paths
            handle = dlopen(path; throw_error = false)
            handle === nothing && continue
            version = ccall(dlsym(handle, :ncg_version), Int32, ())
            version ÷ 1_000_000 == NCG_VERSION_MAJOR ||
                error("$path is of version $version; this package needs major version $NCG_VERSION_MAJOR")
            HANDLE[] = handle
            return
        end
        error("libncg was not found; tried $(join(paths, ", ")): call NCG.use(path) or set NCG_LIBRARY")
    end
end

# Fills the place of a function.
function found(place)
    load()
    for (name, other) in POINTERS
        other === place && (place[] = dlsym(HANDLE[], name))
    end
    return place[]
end

# Gives `call` a place for an error, and throws what arrives there.
@inline function check(call::F) where {F}
    failure = Ref{Ptr{Cvoid}}(C_NULL)
    status = call(failure)
    status == NCG_OK || raise(status, failure[])
    nothing
end

@noinline function raise(status, failure)
    numbers = ntuple(_ -> Ref{Int64}(-1), 3)
    known = ncg_error_location(failure, numbers...)
    place = known == 1 ? (offset = numbers[1][], line = numbers[2][], column = numbers[3][]) : nothing
    message = unsafe_string(ncg_error_message(failure))
    ncg_error_free(failure)
    throw(Error(status, unsafe_string(ncg_status_name(status)), message, place))
end

# Text of a length that the library knows.
function text(call)
    size = Ref{Int64}(0)
    check(failure -> call(C_NULL, 0, size, failure))
    buffer = Vector{UInt8}(undef, size[])
    check(failure -> call(buffer, size[], size, failure))
    return String(buffer[1:end-1])
end

"The version of the loaded library."
function version()
    number = ncg_version()
    return VersionNumber(number ÷ 1_000_000, number ÷ 1000 % 1000, number % 1000)
end

"Version, commit, compiler, target and engines of the loaded library."
build_info() = unsafe_string(ncg_build_info())

"Throws, with the places that were searched, where the engine cannot run."
probe(engine) = check(failure -> ncg_engine_probe(engine, failure))
