(parameter k 8.99 0 20)
(/ (* k (* q1 q2)) (* r r))
