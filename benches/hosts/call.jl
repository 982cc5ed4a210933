# The time of one call for one sample from Julia: benches/hosts/run.
using NCG

function best(session, x, y)
    time = Inf
    for _ in 1:2000
        start = time_ns()
        for _ in 1:1000
            NCG.evaluate!(y, session, x)
        end
        time = min(time, (time_ns() - start) / 1000)
    end
    return time
end

session = NCG.Session(NCG.Model("(parameter k 2) (/ (* k q1 q2) (square r))"); engine = "native")
println("Julia    ", round(best(session, [1.0 2.0 3.0], [0.0]); digits = 1))
