/* ncg.hpp: every member, views without copies, moved handles, exceptions, closures. Prints "ok" or what is wrong. */
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif
#ifdef WITH_EIGEN
#include <Eigen/Dense>
#endif

#include "ncg.hpp"

static int failures = 0;

#define EXPECT(condition) \
    do { \
        if (!(condition)) { \
            std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            failures++; \
        } \
    } while (0)

/* The error that a call throws. */
template <class Call> static ncg::error failure(Call &&call)
{
    try {
        call();
    } catch (const ncg::error &error) {
        return error;
    }
    return ncg::error(NCG_OK, "nothing was thrown");
}

static const char *const source = "(input r) (input q) (parameter k 2) (parameter a 0.5) (* k q (exp (- (* a r))))";

static double exact(double r, double q) { return 2 * q * std::exp(-0.5 * r); }
static bool near(double a, double b) { return std::fabs(a - b) <= 1e-14 * std::fabs(b); }

static void handles_move_and_are_not_copied()
{
    static_assert(!std::is_copy_constructible_v<ncg::model> && !std::is_copy_assignable_v<ncg::model>);
    static_assert(!std::is_copy_constructible_v<ncg::session> && !std::is_copy_constructible_v<ncg::fit>);
    static_assert(std::is_nothrow_move_constructible_v<ncg::model> && std::is_nothrow_move_assignable_v<ncg::fit>);
    ncg::model first = ncg::model::compile(source), second = std::move(first);
    EXPECT(first.get() == nullptr && second.get() != nullptr);
    first = std::move(second);
    ncg::session session(first);
    first = ncg::model::compile("x");
    std::vector<double> x{1, 3}, y(1);
    session.eval(ncg::rows(x, 2), y);
    EXPECT(near(y[0], exact(1, 3)));
}

static void models_can_be_looked_into()
{
    const ncg::model model = ncg::model::compile("(parameter k 2 0 5) (input v 3) (* k (+ u (ref v 0)))");
    EXPECT(model.names(NCG_PARAMETER) == std::vector<std::string>{"k"});
    EXPECT(model.count(NCG_INPUT) == 4 && model.index(NCG_INPUT, "nothing") == -1);
    EXPECT(model.names(NCG_INPUT) == (std::vector<std::string>{"v.0", "v.1", "v.2", "u"}));
    EXPECT(model.shape(NCG_INPUT, model.index(NCG_INPUT, "u")).empty());
    EXPECT(model.parameter_value("k") == 2 && model.parameter_bounds(0) == std::make_pair(0.0, 5.0));
    EXPECT(ncg::model::parse(model.write()).write() == model.write());
    EXPECT(model.warnings().find("v.1") != std::string::npos);
    const ncg::model bound = ncg::model::interpreter().bind_program("(* 2 x)");
    std::vector<double> x{4}, y(1);
    ncg::session(bound).eval(x, y);
    EXPECT(y[0] == 8);
    EXPECT(ncg::version() == NCG_VERSION && !ncg::build_info().empty() && ncg::option_table().size() > 5);
    ncg::probe("native");
}

static void views_have_any_strides(const ncg::session &session)
{
    /* both orders, a slice backwards, one value for all */
    const std::vector<double> by_row{0, 1, 1, 2, 2, 3}, by_column{0, 1, 2, 1, 2, 3};
    std::vector<double> y(3), z(3);
    session.eval(ncg::rows(by_row, 2), y);
    session.eval(ncg::columns(by_column, 2), z);
    EXPECT(y == z && near(y[1], exact(1, 2)));
    session.eval(ncg::table<const double>(&by_row[4], 3, 2, -2, 1), z);
    EXPECT(near(z[0], y[2]) && near(z[2], y[0]));
    const std::array<double, 2> same{1, 2};
    session.eval(ncg::broadcast(same, 3), z);
    EXPECT(near(z[0], y[1]) && near(z[2], y[1]));
#if __cplusplus >= 202002L
    std::vector<double> w(3);
    session.eval(ncg::rows(std::span<const double>(by_row), 2), std::span<double>(w));
    EXPECT(w == y);
#endif
#ifdef WITH_EIGEN
    using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::MatrixXd columns = Eigen::Map<const Eigen::MatrixXd>(by_column.data(), 3, 2);
    const Eigen::Map<const RowMajor> map(by_row.data(), 3, 2);
    Eigen::VectorXd out(3);
    session.eval(ncg::matrix_of(columns), ncg::matrix_of(out));
    EXPECT(out[0] == y[0] && out[2] == y[2]);
    session.eval(ncg::matrix_of(map), ncg::matrix_of(out));
    EXPECT(out[0] == y[0] && out[1] == y[1]);
    /* every second row of a larger matrix, and one of its columns as output */
    Eigen::MatrixXd state = Eigen::MatrixXd::Zero(6, 4);
    for (int s = 0; s < 3; s++)
        state.row(2 * s).segment(1, 2) = columns.row(s);
    Eigen::Map<Eigen::MatrixXd, 0, Eigen::Stride<6, 2>> half(state.data() + 6, 3, 2);
    Eigen::Map<Eigen::VectorXd, 0, Eigen::InnerStride<2>> last(state.data() + 18, 3);
    session.eval(ncg::matrix_of(half), ncg::matrix_of(last));
    EXPECT(state(0, 3) == y[0] && state(4, 3) == y[2] && state(1, 3) == 0);
#endif
}

static void derivatives(const ncg::session &session)
{
    const std::vector<double> x{0, 1, 1, 2, 2, 3}, seed{1, 10, 100};
    std::vector<double> y(3), dx(6), dp(2), j(6);
    ncg::session::sweep sweep;
    sweep.y = y;
    sweep.seed = seed;
    sweep.dx = ncg::rows(dx, 2);
    sweep.dp = dp;
    session.gradient(ncg::rows(x, 2), sweep);
    session.jacobian(ncg::rows(x, 2), ncg::jacobian_rows(j, 1, 2));
    EXPECT(near(dp[0], j[0] + 10 * j[2] + 100 * j[4]) && near(dp[1], j[1] + 10 * j[3] + 100 * j[5]));
    EXPECT(near(j[2] * 2, y[1]));
    const std::array<double, 2> p{4, 0.5};
    const double before = y[1];
    session.eval(ncg::rows(x, 2), p, y);
    EXPECT(near(y[1], 2 * before));
    const ncg::session single(ncg::model::compile("(* 2 x)"), ncg::options().set("dtype", "f32"));
    std::vector<float> a{1.5f}, b(1);
    single.eval(a, b);
    EXPECT(b[0] == 3.0f);
}

static void vectors_and_matrices()
{
    const ncg::model model = ncg::model::compile("(input m 2 3) (input v 3) (parameter w [1 2]) (input s)"
                                                 "(list (* s (matvec m v)) (dot w (matvec m v)))");
    EXPECT(model.names(NCG_INPUT_ARRAY) == (std::vector<std::string>{"m", "v", "s"}));
    EXPECT(model.shape(NCG_INPUT_ARRAY, 0) == (std::vector<std::int64_t>{2, 3}));
    EXPECT(model.shape(NCG_OUTPUT_ARRAY, 0) == std::vector<std::int64_t>{2} && model.shape(NCG_OUTPUT_ARRAY, 1).empty());
    const ncg::session session(model);
    /* two samples, packed */
    const std::vector<double> m{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, v{1, 2, 3, 4, 5, 6}, s{10, 100};
    std::vector<double> y(4), z(2), z2(2), dm(12), dp(2);
    session.run(2, {m, v, s}, {y, z});
    EXPECT((y == std::vector<double>{140, 320, 12200, 16700}) && (z == std::vector<double>{14 + 64, 122 + 334}));
    session.run(2, {m, v, s}, {nullptr, z2}, std::vector<double>{2, 4});
    EXPECT(z2[0] == 2 * z[0] && z2[1] == 2 * z[1]);
    /* the same matrix and vector for both samples; the matrix lies column by column */
    const double turned[6] = {1, 4, 2, 5, 3, 6};
    session.run(2, {{turned, {0, 1, 2}}, {v.data(), {0, 1}}, s}, {y, nullptr});
    EXPECT((y == std::vector<double>{140, 320, 1400, 3200}));
    /* the derivatives of z alone */
    const std::vector<double> none(4), ones{1, 1};
    ncg::session::sweep_of_arrays sweep;
    sweep.seeds = {none, ones};
    sweep.d_inputs = {dm, nullptr, nullptr};
    sweep.dp = dp;
    session.run_gradient(2, {m, v, s}, sweep);
    EXPECT((dm == std::vector<double>{1, 2, 3, 2, 4, 6, 4, 5, 6, 8, 10, 12}));
    EXPECT((dp == std::vector<double>{14 + 122, 32 + 167}));
    EXPECT(failure([&] { session.run(2, {m, v}, {y, z}); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { session.run(3, {m, v, s}, {y, z}); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { session.run(2, {{turned, {0, 1}}, v, s}, {y, z}); }).code() == NCG_ERR_SHAPE);
    const ncg::session single(model, ncg::options().set("dtype", "f32"));
    EXPECT(failure([&] { single.run(2, {m, v, s}, {y, z}); }).code() == NCG_ERR_SHAPE);
}

static void failures_are_exceptions(const ncg::session &session)
{
    const ncg::error unbound = failure([] { ncg::model::compile("(define (foo x) x)\n(fooo 1)"); });
    EXPECT(unbound.code() == NCG_ERR_COMPILE && std::string(unbound.name()) == "NCG_ERR_COMPILE");
    EXPECT(unbound.where() && unbound.where().line == 2 && unbound.where().column == 2);
    EXPECT(std::string(unbound.what()).find("did you mean \"foo\"?") != std::string::npos);
    const ncg::error option = failure([] { ncg::options().set("enigne", "native"); });
    EXPECT(option.code() == NCG_ERR_ARGUMENT && !option.where());
    EXPECT(failure([] { ncg::model::load("no such file"); }).code() == NCG_ERR_IO);
    EXPECT(failure([] { ncg::model::load("no such file", ncg::options()); }).code() == NCG_ERR_IO);
    std::vector<double> x(6), y(3), few(2);
    EXPECT(failure([&] { session.eval(x, y); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { session.eval(ncg::rows(x, 2), few); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { session.eval(ncg::rows(x, 2), x, y); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { ncg::rows(x, 4); }).code() == NCG_ERR_SHAPE);
    std::vector<double> dp(1);
    ncg::session::sweep sweep;
    sweep.dp = dp;
    EXPECT(failure([&] { session.gradient(ncg::rows(x, 2), sweep); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { session.jacobian(ncg::rows(x, 2), {}); }).code() == NCG_ERR_SHAPE);
}

static void fits_call_closures(const ncg::model &model, const ncg::session &session)
{
    std::vector<double> x, y(20);
    for (int s = 0; s < 20; s++)
        x.insert(x.end(), {0.1 * s, 1.0 + s % 3});
    session.eval(ncg::rows(x, 2), y);
    const auto start = [&](ncg::options options) {
        ncg::fit fit(model, options);
        fit.add_parameter("k", 1).add_parameter("a", 1, 0, 10).set_data(ncg::rows(x, 2), y);
        return fit;
    };
    std::string heard;
    ncg::fit fit = start(ncg::options());
    fit.set_callback([&heard](const ncg::progress &now) {
        heard += std::to_string(now.n_params);
        return false;
    });
    ncg::fit moved = std::move(fit);
    const auto stop = moved.run();
    EXPECT(stop >= NCG_FIT_GRADIENT && stop <= NCG_FIT_STEP && !heard.empty() && heard[0] == '2');
    EXPECT(std::fabs(moved.parameters()[0] - 2) < 1e-9 && std::fabs(moved.parameters()[1] - 0.5) < 1e-9);
    EXPECT(moved.covariance().size() == 4 && moved.stat("loss") < 1e-20);
    EXPECT(moved.report("json").find("\"k\"") != std::string::npos);
    EXPECT(std::fabs(moved.bake().parameter_value("k") - 2) < 1e-9);

    ncg::fit thrower = start(ncg::options());
    thrower.set_callback([](const ncg::progress &) -> bool { throw std::domain_error("from the callback"); });
    std::string caught;
    try {
        thrower.run();
    } catch (const std::domain_error &error) {
        caught = error.what();
    }
    EXPECT(caught == "from the callback");
    thrower.set_callback(nullptr);
    EXPECT(thrower.run() != NCG_FIT_STOPPED);

    ncg::fit stopper = start(ncg::options());
    stopper.set_callback([&stopper](const ncg::progress &) {
        stopper.cancel();
        return false;
    });
    EXPECT(stopper.run() == NCG_FIT_STOPPED);
    /* what is written and read again goes on with the same bits */
    stopper.checkpoint("state");
    ncg::fit resumed = start(ncg::options());
    resumed.resume("state");
    stopper.set_callback(nullptr);
    EXPECT(stopper.run() != NCG_FIT_STOPPED && resumed.run() != NCG_FIT_STOPPED);
    EXPECT(resumed.parameters() == stopper.parameters());

    ncg::fit added(model, ncg::options().set("window", 5));
    for (std::size_t i = 0; i < 20; i += 4)
        added.add_data(ncg::rows(std::vector<double>(x.begin() + 2 * i, x.begin() + 2 * i + 8), 2),
                       std::vector<double>(y.begin() + i, y.begin() + i + 4));
    added.run();
    EXPECT(std::fabs(added.parameters()[1] - 0.5) < 1e-9 && added.stat("summarised") >= 10);

    std::vector<double> covariance(400);
    for (std::size_t i = 0; i < 400; i++)
        covariance[i] = std::exp(-std::fabs(static_cast<double>(i / 20) - static_cast<double>(i % 20)));
    ncg::fit whole(model);
    whole.set_data(ncg::rows(x, 2), y).set_covariance(ncg::rows(covariance, 20)).run();
    EXPECT(std::fabs(whole.parameters()[1] - 0.5) < 1e-9);
    EXPECT(failure([&] { whole.set_covariance(ncg::rows(covariance, 40)); }).code() == NCG_ERR_SHAPE);
    EXPECT(failure([&] { ncg::fit(model).set_data(x, y); }).code() == NCG_ERR_SHAPE);
    /* one process that has all three blocks brings together its own numbers */
    ncg::fit shared = start(ncg::options());
    int calls = 0;
    const ncg::fit::gather_function alone = [&](const double *own, std::int64_t n_own, double *all, std::int64_t n_all) {
        calls++;
        if (n_own != n_all)
            throw std::length_error("not all blocks");
        std::copy(own, own + n_own, all);
    };
    shared.share(3, 8, alone);
    ncg::fit meeting = std::move(shared);
    EXPECT(meeting.run() <= NCG_FIT_STEP && calls > 2);
    EXPECT(std::fabs(meeting.parameters()[1] - 0.5) < 1e-9);
    meeting.share(4, 8, alone);
    bool thrown = false;
    try {
        meeting.run();
    } catch (const std::length_error &) {
        thrown = true;
    }
    EXPECT(thrown);
    EXPECT(failure([&] { meeting.share(0, 8, alone); }).code() == NCG_ERR_ARGUMENT);
    EXPECT(failure([&] { meeting.share(3, 8, nullptr); }).code() == NCG_ERR_ARGUMENT);

    const std::vector<double> ones(20, 1.0);
    EXPECT(std::string(failure([&] { ncg::fit(model).set_data(ncg::rows(x, 2), y, ones); }).what()).find("\"noise\"") !=
           std::string::npos);
    for (const char *noise : {"known", "estimated"})
        ncg::fit(model, ncg::options().set("noise", noise)).set_data(ncg::rows(x, 2), y, ones);
}

static void one_model_serves_many_threads(const ncg::model &model)
{
    std::vector<double> results(8);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < results.size(); t++)
        threads.emplace_back([&, t] {
            const std::vector<double> x{0.3, 1.7};
            std::vector<double> y(1);
            ncg::session(model, ncg::options().set("engine", "native")).eval(ncg::rows(x, 2), y);
            results[t] = y[0];
        });
    for (std::thread &thread : threads)
        thread.join();
    EXPECT(results == std::vector<double>(8, results[0]) && near(results[0], exact(0.3, 1.7)));
}

int main()
{
    const ncg::model model = ncg::model::compile(source);
    const ncg::session session(model);
    handles_move_and_are_not_copied();
    models_can_be_looked_into();
    views_have_any_strides(session);
    derivatives(session);
    vectors_and_matrices();
    failures_are_exceptions(session);
    fits_call_closures(model, session);
    one_model_serves_many_threads(model);
    if (failures == 0)
        std::puts("ok");
    return failures;
}
