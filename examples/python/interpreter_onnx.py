"""Encodes programs as tensors and runs them, with gradients, on interpreter.onnx: with onnxruntime and numpy alone. It takes
numbers, names, operations, if, let and procedures of up to four arguments; `ncg bind` encodes the whole language.
    ncg compile --interpreter -o interpreter.onnx && python interpreter_onnx.py interpreter.onnx"""
import ast, re, sys, numpy as np, onnxruntime

BRANCH, MOVE, CALL, RETURN, FRAME = 1, 2, 6, 9, 32
WORDS = "* + - / = < exp sqrt sin cos log neg > <= >= expt abs min max tanh not".split()

def read(text):                             # lists of words and lists
    words = re.sub(r"[^\s()]+", lambda word: repr(word[0]) + ",", f"({text})")
    return ast.literal_eval(words.replace("(", "[").replace(")", "],"))[0]

def encode(text, names):
    code, cells, entries = [[0] * 17], [[1.0, 0, -1], [0, 0, -1], [0, 0, -1]], {}
    def emit(operation, operands, to, other=0):  # a place is (0, address) or (1, slot of the frame)
        places = [*operands, *[(0, 0)] * (4 - len(operands)), to, (1, FRAME)]
        code.append([operation, len(code) + 1, other, 0, 0, *[p[0] for p in places], *[p[1] for p in places]])
        return len(code) - 1
    def value(e, env, used):                # where the value of e is, once the instructions so far have run
        if isinstance(e, str):
            cells.append([3.0, 0.0 if e in env else float(e), -1])
            return env.get(e, (0, len(names) + len(cells) - 1))
        if e[0] == "let":
            return value(e[2], {**env, **{name: value(init, env, used) for name, init in e[1]}}, used)
        args = [value(arg, env, used) for arg in (e[1:2] if e[0] == "if" else e[1:])]
        used.append(1)
        to = (1, len(used) + 1)
        if e[0] == "if":
            branch = emit(BRANCH, args, (0, 2))
            code[branch][2] = 1 + (leave := emit(MOVE, [value(e[2], env, used)], to))
            code[leave][1] = emit(MOVE, [value(e[3], env, used)], to) + 1
        elif e[0] in WORDS:
            emit(32 + WORDS.index("neg" if len(e) == 2 and e[0] == "-" else e[0]), args[:2], to)
            for arg in args[2:]:
                emit(32 + WORDS.index(e[0]), [to, arg], to)
        else:
            emit(CALL, args, to, other=e[0])  # the name, until it is known where that procedure begins
        return to
    *definitions, program = read(text)
    for _, (name, *params), body in [("", [""], program), *definitions]:
        entries[name] = len(code)
        env = {name: (0, 3 + i) for i, name in enumerate(names)} | {name: (1, 2 + i) for i, name in enumerate(params)}
        result = [value(body, env, used := [1] * len(params)), (0, 0), (1, 0)]
        emit(RETURN, result, (0, 0)) if name else emit(MOVE, result, (0, 1))
        code[-1][1] *= bool(name)           # instruction 0 ends a run
        assert len(used) + 2 < FRAME, "a procedure has too many values"
    code = [[entries.get(number, number) for number in row] for row in code]
    return {"code": np.array(code), "cells": np.array(cells + [[0, 0, -1]] * 4)}

def run(session, text, **inputs):
    rows = np.array(np.broadcast_arrays(*inputs.values()), np.float64).reshape(len(inputs), -1)
    value, gradient, status, *_ = session.run(None, {**encode(text, list(inputs)), "inputs": rows})
    return value, dict(zip(inputs, gradient)), status

if __name__ == "__main__":
    onnxruntime.set_default_logger_severity(3)
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    print(run(session, "(* a (exp (* (- b) x)))", a=2.5, b=0.8, x=[0.0, 1.5, 3.0]))
    power = "(define (power x n) (if (< n 1) 1 (* x (power x (- n 1))))) (power x n)"
    print(run(session, power, x=[2.0, 3.0, -1.5], n=[3, 0, 5]))
