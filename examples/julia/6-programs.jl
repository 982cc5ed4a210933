# Programs that arrive while the simulator runs: each is bound to the compiled interpreter and takes the place of the last.
using NCG, Printf

function run_programs(programs)
    interpreter, session = NCG.interpreter(), nothing
    for (number, program) in enumerate(programs)
        try
            # where this throws, the old session stays
            session = NCG.Session(NCG.bind_program(interpreter, "(input x) (parameter k 2) " * program))
        catch failure
            # a bad program is an error to report, and no reason to stop
            failure isa NCG.Error || rethrow()
            println("program ", number, " is refused: ", failure.name)
            println(stderr, failure.message)
        end
        @printf("y = %.6f\n", NCG.evaluate(session, [0.5])[1])
    end
end

# as if they came from an input deck or a socket; the second is wrong
run_programs(["(* k x)", "(* k (sine x))", "(* k (sin x))"])
