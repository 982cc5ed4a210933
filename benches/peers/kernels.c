/* The models of the comparison by hand: for each sample the squared residual, which is written too, and the sums of the
 * derivatives by the parameters. One loop with the derivatives by forward tangents, which for so few parameters is cheaper
 * than the way back, but for the heat equation, whose states are linear in each other: there it is the same work.
 *
 * -ffast-math lets gcc use the vector functions of libmvec, which are within 4 ulp, and add sums in any order: more than the
 * library allows itself. (-fno-builtin-sin and -cos: gcc would join the two to one function that has no vector form.) */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define VECTORS _Pragma("omp simd")

/* x holds the columns of the inputs, the target last, each of n values. */

void coulomb(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {
    const double *q1 = x, *q2 = x + n, *r = x + 2 * n, *target = x + 3 * n;
    const double k = p[0];
    double dk = 0;
    _Pragma("omp simd reduction(+ : dk)")
    for (ptrdiff_t i = 0; i < n; i++) {
        double charge = q1[i] * q2[i] / (r[i] * r[i]), residual = k * charge - target[i];
        y[i] = residual * residual;
        dk += 2 * residual * charge;
    }
    dp[0] = dk;
}

void oscillator(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {
    const double *t = x, *target = x + n;
    const double a = p[0], b = p[1], w = p[2];
    double da = 0, db = 0, dw = 0;
    _Pragma("omp simd reduction(+ : da, db, dw)")
    for (ptrdiff_t i = 0; i < n; i++) {
        double decay = exp(-b * t[i]), c = cos(w * t[i]), s = sin(w * t[i]);
        double residual = a * decay * c - target[i], g = 2 * residual * decay;
        y[i] = residual * residual;
        da += g * c;
        db -= g * a * c * t[i];
        dw -= g * a * s * t[i];
    }
    dp[0] = da, dp[1] = db, dp[2] = dw;
}

void lotka_volterra(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {
    const double *x0 = x, *y0 = x + n, *target = x + 2 * n;
    const double a = p[0], b = p[1], c = p[2], h = 0.02;
    double da = 0, db = 0, dc = 0;
    _Pragma("omp simd reduction(+ : da, db, dc)")
    for (ptrdiff_t i = 0; i < n; i++) {
        double u = x0[i], v = y0[i], ua = 0, ub = 0, uc = 0, va = 0, vb = 0, vc = 0;
        for (int step = 0; step < 20; step++) {
            double uv = u * v, fu = 1 + h * (a - b * v), fv = -h * b * u, gu = h * c * v, gv = 1 + h * (c * u - 0.9);
            double nua = fu * ua + fv * va + h * u, nva = gu * ua + gv * va;
            double nub = fu * ub + fv * vb - h * uv, nvb = gu * ub + gv * vb;
            double nuc = fu * uc + fv * vc, nvc = gu * uc + gv * vc + h * uv;
            double nu = u + h * (a * u - b * uv), nv = v + h * (c * uv - 0.9 * v);
            u = nu, v = nv, ua = nua, ub = nub, uc = nuc, va = nva, vb = nvb, vc = nvc;
        }
        double residual = u - target[i];
        y[i] = residual * residual;
        da += 2 * residual * ua, db += 2 * residual * ub, dc += 2 * residual * uc;
    }
    dp[0] = da, dp[1] = db, dp[2] = dc;
}

/* Calls one after the other: what it takes Python to make a call is not what is measured. */

typedef void kernel(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp);

void repeat_kernel(ptrdiff_t count, kernel *run, ptrdiff_t n, const double *x, const double *p, double *y, double *dp) {
    while (count-- > 0) run(n, x, p, y, dp);
}

typedef int32_t gradient(void *session, int64_t samples, const double *x, int64_t x_sample, int64_t x_entry, const double *p,
                         const double *seed, int64_t seed_sample, int64_t seed_entry, double *y, int64_t y_sample,
                         int64_t y_entry, double *dx, int64_t dx_sample, int64_t dx_entry, double *dp, void **error);

int repeat_gradient(ptrdiff_t count, gradient *run, void *session, int64_t n, const double *x, const double *p, double *y, double *dp) {
    int status = 0;
    while (count-- > 0) status |= run(session, n, x, 1, n, p, NULL, 0, 0, y, 1, 1, NULL, 0, 0, dp, NULL);
    return status;
}

/* The vector functions want the samples innermost. */
enum { CELLS = 64, LANES = 8 };

void pendulum(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {
    const double *angle = x, *speed = x + n, *target = x + 2 * n;
    const double g = p[0], drag = p[1], h = 0.01;
    double dg = 0, dd = 0;
    for (ptrdiff_t i = 0; i < n; i += LANES) { /* n is a multiple */
        double u[LANES], v[LANES], ug[LANES], ud[LANES], vg[LANES], vd[LANES];
        for (int l = 0; l < LANES; l++) u[l] = angle[i + l], v[l] = speed[i + l], ug[l] = ud[l] = vg[l] = vd[l] = 0;
        for (int step = 0; step < 200; step++) {
            VECTORS
            for (int l = 0; l < LANES; l++) {
                double s = sin(u[l]), gc = g * cos(u[l]);
                double nvg = vg[l] - h * (s + gc * ug[l] + drag * vg[l]);
                double nvd = vd[l] - h * (gc * ud[l] + v[l] + drag * vd[l]);
                double nv = v[l] - h * (g * s + drag * v[l]);
                u[l] += h * v[l], ug[l] += h * vg[l], ud[l] += h * vd[l];
                v[l] = nv, vg[l] = nvg, vd[l] = nvd;
            }
        }
        for (int l = 0; l < LANES; l++) {
            double residual = u[l] - target[i + l];
            y[i + l] = residual * residual;
            dg += 2 * residual * ug[l], dd += 2 * residual * ud[l];
        }
    }
    dp[0] = dg, dp[1] = dd;
}

void heat(ptrdiff_t n, const double *restrict x, const double *p, double *restrict y, double *dp) {
    const double *hot = x, *target = x + n, d = p[0];
    double dd = 0;
    for (ptrdiff_t i = 0; i < n; i += LANES) { /* n is a multiple */
        double u[CELLS][LANES], du[CELLS][LANES];
        for (int c = 0; c < CELLS; c++)
            for (int l = 0; l < LANES; l++) u[c][l] = c < 20 ? hot[i + l] : 10, du[c][l] = 0;
        for (int step = 0; step < 100; step++) {
            double before[LANES], dbefore[LANES];
            for (int l = 0; l < LANES; l++) before[l] = u[0][l], dbefore[l] = du[0][l];
            for (int c = 1; c < CELLS - 1; c++) {
                VECTORS
                for (int l = 0; l < LANES; l++) {
                    double here = u[c][l], dhere = du[c][l];
                    double flow = before[l] - 2 * here + u[c + 1][l];
                    double dflow = dbefore[l] - 2 * dhere + du[c + 1][l];
                    u[c][l] = here + d * flow;
                    du[c][l] = dhere + d * dflow + flow;
                    before[l] = here, dbefore[l] = dhere;
                }
            }
        }
        for (int l = 0; l < LANES; l++) {
            double residual = u[30][l] - target[i + l];
            y[i + l] = residual * residual;
            dd += 2 * residual * du[30][l];
        }
    }
    dp[0] = dd;
}

/* What is timed: so many times, one set of parameters after the other, of `count` parameters each, over the same samples. */

typedef void kernel(ptrdiff_t, const double *, const double *, double *, double *);

void members(ptrdiff_t times, kernel *f, ptrdiff_t sets, ptrdiff_t count, ptrdiff_t n, const double *x, const double *p, double *y,
             double *dp) {
    while (times-- > 0)
        for (ptrdiff_t m = 0; m < sets; m++) f(n, x, p + m * count, y + m * n, dp + m * count);
}

typedef int32_t gradient(void *session, int64_t n, const double *x, int64_t, int64_t, const double *p, const double *, int64_t, int64_t,
                         double *y, int64_t, int64_t, double *, int64_t, int64_t, double *dp, void **);

/* The same through ncg_grad_f64; the first status that is not 0. */
int32_t ncg_members(ptrdiff_t times, gradient *f, void *session, ptrdiff_t sets, ptrdiff_t count, int64_t n, const double *x,
                    const double *p, double *y, double *dp) {
    int32_t status = 0;
    while (times-- > 0)
        for (ptrdiff_t m = 0; m < sets && !status; m++)
            status = f(session, n, x, 1, n, p + m * count, 0, 0, 0, y + m * n, 1, 1, 0, 0, 0, dp + m * count, 0);
    return status;
}
