"""The kernels of kernels.c once more, as a user of numba would write them: loops over samples, derivatives by forward tangents. `x`
holds the inputs by column, the target last; `y` takes the squared residuals, `dp` the derivatives of their sum."""

from math import cos, exp, sin

import earth
import numba
import numpy as np

compiled = numba.njit(fastmath=True)


@compiled
def coulomb(x, p, y, dp):
    q1, q2, r, target = x[0], x[1], x[2], x[3]
    dk = 0.0
    for i in range(y.size):
        charge = q1[i] * q2[i] / (r[i] * r[i])
        residual = p[0] * charge - target[i]
        y[i] = residual * residual
        dk += 2 * residual * charge
    dp[0] = dk


@compiled
def oscillator(x, p, y, dp):
    t, target = x[0], x[1]
    a, b, w = p
    da = db = dw = 0.0
    for i in range(y.size):
        decay, c, s = exp(-b * t[i]), cos(w * t[i]), sin(w * t[i])
        residual = a * decay * c - target[i]
        g = 2 * residual * decay
        y[i] = residual * residual
        da += g * c
        db -= g * a * c * t[i]
        dw -= g * a * s * t[i]
    dp[0], dp[1], dp[2] = da, db, dw


@compiled
def lotka_volterra(x, p, y, dp):
    a, b, c = p
    h = 0.02
    da = db = dc = 0.0
    for i in range(y.size):
        u, v = x[0, i], x[1, i]
        ua = ub = uc = va = vb = vc = 0.0
        for _ in range(20):
            uv = u * v
            fu, fv, gu, gv = 1 + h * (a - b * v), -h * b * u, h * c * v, 1 + h * (c * u - 0.9)
            ua, va = fu * ua + fv * va + h * u, gu * ua + gv * va
            ub, vb = fu * ub + fv * vb - h * uv, gu * ub + gv * vb
            uc, vc = fu * uc + fv * vc, gu * uc + gv * vc + h * uv
            u, v = u + h * (a * u - b * uv), v + h * (c * uv - 0.9 * v)
        residual = u - x[2, i]
        y[i] = residual * residual
        da += 2 * residual * ua
        db += 2 * residual * ub
        dc += 2 * residual * uc
    dp[0], dp[1], dp[2] = da, db, dc


@compiled
def pendulum(x, p, y, dp):
    g, drag = p
    h = 0.01
    dg = dd = 0.0
    for i in range(y.size):
        u, v = x[0, i], x[1, i]
        ug = ud = vg = vd = 0.0
        for _ in range(200):
            s, gc = sin(u), g * cos(u)
            nvg = vg - h * (s + gc * ug + drag * vg)
            nvd = vd - h * (gc * ud + v + drag * vd)
            nv = v - h * (g * s + drag * v)
            u, ug, ud = u + h * v, ug + h * vg, ud + h * vd
            v, vg, vd = nv, nvg, nvd
        residual = u - x[2, i]
        y[i] = residual * residual
        dg += 2 * residual * ug
        dd += 2 * residual * ud
    dp[0], dp[1] = dg, dd


@compiled
def heat(x, p, y, dp):
    d = p[0]
    u, du = np.empty(64), np.empty(64)
    dd = 0.0
    for i in range(y.size):
        u[:20] = x[0, i]
        u[20:] = 10.0
        du[:] = 0.0
        for _ in range(100):
            before, dbefore = u[0], du[0]
            for c in range(1, 63):
                here, dhere = u[c], du[c]
                flow, dflow = before - 2 * here + u[c + 1], dbefore - 2 * dhere + du[c + 1]
                u[c] = here + d * flow
                du[c] = dhere + d * dflow + flow
                before, dbefore = here, dhere
        residual = u[30] - x[1, i]
        y[i] = residual * residual
        dd += 2 * residual * du[30]
    dp[0] = dd


def _earth():
    scope = {}
    exec(earth.numba_kernel(), scope)
    return compiled(scope["earth"])


KERNELS = {
    "coulomb": coulomb,
    "oscillator": oscillator,
    "lotka_volterra": lotka_volterra,
    "pendulum": pendulum,
    "heat": heat,
    "earth": _earth(),
}


@compiled
def members(kernel, x, p, y, dp):
    """A kernel for each set of parameters."""
    for member in range(p.shape[0]):
        kernel(x, p[member], y[member], dp[member])
