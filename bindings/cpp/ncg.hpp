/*
 * ncg.hpp: the C interface of ncg for C++17. Header only; comments on what each call does stand in ncg.h.
 *
 *     ncg::model model = ncg::model::compile("(parameter k 2) (* k (square x))");
 *     ncg::session session(model);
 *     std::vector<double> x{1, 2, 3}, y(3);
 *     session.eval(x, y);
 *
 * Handles are moved, not copied, and free themselves. What fails throws ncg::error. Arrays are passed as views (pointer and
 * strides) without a copy: a std::vector, std::array or std::span of the samples of one entry, or ncg::rows, ncg::columns
 * and ncg::matrix_of (Eigen's matrices, vectors and maps) for tables of samples by entries.
 */
#ifndef NCG_HPP
#define NCG_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "ncg.h"

namespace ncg {

/* Where in a source text: zero-based byte offset, one-based line and column. */
struct location {
    std::int64_t offset = -1;
    std::int64_t line = 0;
    std::int64_t column = 0;
    /* Whether the place is known. */
    explicit operator bool() const noexcept { return offset >= 0; }
};

/* A failed call: status code, message, and the place in the source where there is one. */
class error : public std::runtime_error {
public:
    error(std::int32_t code, const std::string &message, ncg::location where = {})
        : std::runtime_error(message), code_(code), where_(where) {}
    /* NCG_ERR_*. */
    std::int32_t code() const noexcept { return code_; }
    /* "NCG_ERR_PARSE" and so on. */
    const char *name() const noexcept { return ncg_status_name(code_); }
    const ncg::location &where() const noexcept { return where_; }

private:
    std::int32_t code_;
    ncg::location where_;
};

namespace detail {

/* Gives an error back when its text has been copied. */
struct error_free {
    void operator()(ncg_error *failure) const noexcept { ncg_error_free(failure); }
};

[[noreturn]] inline void raise(std::int32_t status, ncg_error *failure)
{
    const std::unique_ptr<ncg_error, error_free> owner(failure);
    ncg::location where;
    if (!ncg_error_location(failure, &where.offset, &where.line, &where.column))
        where = {};
    const char *message = failure ? ncg_error_message(failure) : ncg_status_name(status);
    throw error(status, message, where);
}

/* Makes the call with a place for an error, and throws what arrives there. */
template <class Call> void check(Call &&call)
{
    ncg_error *failure = nullptr;
    const std::int32_t status = std::forward<Call>(call)(&failure);
    if (status != NCG_OK)
        raise(status, failure);
}

/* A handle that frees itself. */
template <class Handle, void (*Free)(Handle *)> class owned {
public:
    owned() noexcept = default;
    explicit owned(Handle *handle) noexcept : handle_(handle) {}
    owned(owned &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    owned &operator=(owned &&other) noexcept
    {
        if (this != &other) {
            Free(handle_);
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    owned(const owned &) = delete;
    owned &operator=(const owned &) = delete;
    ~owned() { Free(handle_); }

    /* The handle for a C function; still owned by this object. */
    Handle *get() const noexcept { return handle_; }
    /* The handle, no longer owned by this object. */
    Handle *release() noexcept { return std::exchange(handle_, nullptr); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }

private:
    Handle *handle_ = nullptr;
};

/* Calls a function that makes a handle; `call` gets the places for the handle and for the error. */
template <class Handle, class Call> Handle *made(Call &&call)
{
    Handle *handle = nullptr;
    check([&](ncg_error **failure) { return call(&handle, failure); });
    return handle;
}

/* Text of a length that the library knows. `call` gets buffer, capacity, and the places for the size and for the error. */
template <class Call> std::string text(Call &&call)
{
    std::int64_t size = 0;
    check([&](ncg_error **failure) { return call(static_cast<char *>(nullptr), std::int64_t{0}, &size, failure); });
    std::string written(static_cast<std::size_t>(size), '\0');
    check([&](ncg_error **failure) { return call(written.data(), size, &size, failure); });
    written.resize(static_cast<std::size_t>(size) - 1);
    return written;
}

template <class C> using element = std::remove_pointer_t<decltype(std::declval<C &>().data())>;

/* A container of T side by side: std::vector, std::array, std::span. What has columns is no such thing: matrix_of asks it
   for its strides. */
template <class C, class T, class = void> struct is_list : std::false_type {};
template <class C, class T>
struct is_list<C, T,
    std::void_t<decltype(std::declval<C &>().data()), decltype(std::declval<C &>().size())>>
    : std::is_convertible<element<C> (*)[], T (*)[]> {};

template <class C, class = void> struct has_columns : std::false_type {};
template <class C> struct has_columns<C, std::void_t<decltype(std::declval<C &>().cols())>> : std::true_type {};

} // namespace detail

/*
 * A table of samples by entries in the caller's memory: entry i of sample s is data[s*sample_stride + i*stride]. T is
 * double, float or their const. It owns nothing, and may be empty where an argument can be left out.
 */
template <class T> class table {
public:
    constexpr table() noexcept = default;
    constexpr table(std::nullptr_t) noexcept {}
    constexpr table(T *data, std::int64_t samples, std::int64_t entries, std::int64_t sample_stride,
                    std::int64_t stride) noexcept
        : data_(data), samples_(samples), entries_(entries), sample_stride_(sample_stride), stride_(stride)
    {}
    /* A writable table can be read. */
    template <class U, class = std::enable_if_t<std::is_convertible_v<U (*)[], T (*)[]>>>
    constexpr table(const table<U> &other) noexcept
        : table(other.data(), other.samples(), other.entries(), other.sample_stride(), other.stride())
    {}
    /* A vector: the samples of one entry. */
    template <class C, class = std::enable_if_t<detail::is_list<C, T>::value && !detail::has_columns<C>::value>>
    constexpr table(C &&list) noexcept
        : table(list.data(), static_cast<std::int64_t>(list.size()), 1, 1, 1)
    {}

    constexpr T *data() const noexcept { return data_; }
    constexpr std::int64_t samples() const noexcept { return samples_; }
    constexpr std::int64_t entries() const noexcept { return entries_; }
    constexpr std::int64_t sample_stride() const noexcept { return sample_stride_; }
    constexpr std::int64_t stride() const noexcept { return stride_; }

private:
    T *data_ = nullptr;
    std::int64_t samples_ = 0;
    std::int64_t entries_ = 0;
    std::int64_t sample_stride_ = 0;
    std::int64_t stride_ = 0;
};

/* A table whose samples lie one after the other, as in `double x[n][3]`: rows of `entries` numbers. */
template <class C> constexpr auto rows(C &&list, std::int64_t entries)
{
    using T = detail::element<C>;
    const auto size = static_cast<std::int64_t>(list.size());
    if (entries < 1 || size % entries != 0)
        throw error(NCG_ERR_SHAPE, std::to_string(size) + " numbers are no rows of " + std::to_string(entries));
    return table<T>(list.data(), size / entries, entries, entries, 1);
}

/* A table whose entries lie one after the other: columns of all samples each. */
template <class C> constexpr auto columns(C &&list, std::int64_t entries)
{
    using T = detail::element<C>;
    const auto size = static_cast<std::int64_t>(list.size());
    if (entries < 1 || size % entries != 0)
        throw error(NCG_ERR_SHAPE, std::to_string(size) + " numbers are no columns for " + std::to_string(entries));
    return table<T>(list.data(), size / entries, entries, 1, size / entries);
}

/* A matrix or map with data(), rows(), cols(), rowStride() and colStride(), as Eigen's have: row s is sample s. */
template <class M> constexpr auto matrix_of(M &&matrix)
{
    using T = detail::element<M>;
    return table<T>(matrix.data(), static_cast<std::int64_t>(matrix.rows()), static_cast<std::int64_t>(matrix.cols()),
                    static_cast<std::int64_t>(matrix.rowStride()), static_cast<std::int64_t>(matrix.colStride()));
}

/* One value for all samples, or one row for all: a table that is read with sample stride 0. */
template <class C> constexpr auto broadcast(C &&row, std::int64_t samples)
{
    using T = const detail::element<C>;
    return table<T>(row.data(), samples, static_cast<std::int64_t>(row.size()), 0, 1);
}

/* The three-way table of a Jacobian: dy[s,o]/dp[k] is data[s*sample_stride + o*output_stride + k*stride]. */
struct jacobian_table {
    double *data = nullptr;
    std::int64_t samples = 0, outputs = 0, parameters = 0;
    std::int64_t sample_stride = 0, output_stride = 0, stride = 0;
};

/* A Jacobian that is packed: for each sample, and within it for each output, one number per parameter. */
template <class C> jacobian_table jacobian_rows(C &list, std::int64_t outputs, std::int64_t parameters)
{
    const auto size = static_cast<std::int64_t>(list.size());
    const std::int64_t each = outputs * parameters;
    if (each < 1 || size % each != 0)
        throw error(NCG_ERR_SHAPE, std::to_string(size) + " numbers are no Jacobians of " + std::to_string(each));
    return {list.data(), size / each, outputs, parameters, each, parameters, 1};
}

/* An array of one vector, matrix or number for each sample, or none. Its strides are one for the samples and one for each
   dimension; without strides it is packed: samples one after the other, the last dimension fastest. T is double or const
   double. */
template <class T> class entry {
public:
    entry(std::nullptr_t = nullptr) noexcept {}
    entry(T *data, std::vector<std::int64_t> strides) : data_(data), strides_(std::move(strides)) {}
    /* std::vector, std::array or std::span, packed. */
    template <class C, class = std::enable_if_t<detail::is_list<C, T>::value>>
    entry(C &&list) : data_(list.data()), size_(static_cast<std::int64_t>(list.size()))
    {}
    T *data() const noexcept { return data_; }
    /* How many numbers there are, if that is known; else -1. */
    std::int64_t size() const noexcept { return size_; }
    const std::vector<std::int64_t> &strides() const noexcept { return strides_; }

private:
    T *data_ = nullptr;
    std::int64_t size_ = -1;
    std::vector<std::int64_t> strides_;
};

/* The version of the loaded library: major*1000000 + minor*1000 + patch. */
inline std::int32_t version() noexcept { return ncg_version(); }
inline std::string build_info() { return ncg_build_info(); }

/* Throws, with the places that were searched, where the engine cannot run. */
inline void probe(const std::string &engine)
{
    detail::check([&](ncg_error **failure) { return ncg_engine_probe(engine.c_str(), failure); });
}

/* One row of the table of options. */
struct option {
    std::string name, type, default_value, description;
};

inline std::vector<option> option_table()
{
    std::vector<option> all;
    for (std::int64_t i = 0; i < ncg_option_count(); i++) {
        const char *name, *type, *value, *description;
        if (ncg_option_describe(i, &name, &type, &value, &description) == NCG_OK)
            all.push_back({name, type, value, description});
    }
    return all;
}

/* Named settings: ncg::options{}.set("engine", "native").set("max_iterations", 50). */
class options {
public:
    options()
        : handle_(detail::made<ncg_options>(
              [](ncg_options **out, ncg_error **failure) { return ncg_options_new(out, failure); }))
    {}
    options &set(const std::string &name, const std::string &value) &
    {
        detail::check([&](ncg_error **failure) {
            return ncg_options_set_str(get(), name.c_str(), value.c_str(), failure);
        });
        return *this;
    }
    options &set(const std::string &name, const char *value) & { return set(name, std::string(value)); }
    template <class N, class = std::enable_if_t<std::is_arithmetic_v<N>>> options &set(const std::string &name, N value) &
    {
        detail::check([&](ncg_error **failure) {
            if constexpr (std::is_floating_point_v<N>)
                return ncg_options_set_real(get(), name.c_str(), static_cast<double>(value), failure);
            else
                return ncg_options_set_int(get(), name.c_str(), static_cast<std::int64_t>(value), failure);
        });
        return *this;
    }
    template <class V> options set(const std::string &name, const V &value) &&
    {
        set(name, value);
        return std::move(*this);
    }
    ncg_options *get() const noexcept { return handle_.get(); }

private:
    detail::owned<ncg_options, ncg_options_free> handle_;
};

namespace detail {
inline const ncg_options *or_null(const options *settings) noexcept { return settings ? settings->get() : nullptr; }
} // namespace detail

/* A compiled model: immutable, used from any number of threads. */
class model {
public:
    explicit model(ncg_model *handle) noexcept : handle_(handle) {}

    static model compile(std::string_view source) { return compile_with(source, nullptr); }
    static model compile(std::string_view source, const options &settings) { return compile_with(source, &settings); }
    static model load(const std::string &path) { return load_with(path, nullptr); }
    static model load(const std::string &path, const options &settings) { return load_with(path, &settings); }
    static model parse(std::string_view document)
    {
        return model(detail::made<ncg_model>([&](ncg_model **out, ncg_error **failure) {
            return ncg_model_parse(document.data(), static_cast<std::int64_t>(document.size()), out, failure);
        }));
    }
    static model interpreter()
    {
        return model(detail::made<ncg_model>(
            [](ncg_model **out, ncg_error **failure) { return ncg_model_interpreter(nullptr, out, failure); }));
    }
    /* A new model: this interpreter with a program bound as data. */
    model bind_program(std::string_view source) const { return bind_with(source, nullptr); }
    model bind_program(std::string_view source, const options &settings) const { return bind_with(source, &settings); }

    void save(const std::string &path) const
    {
        detail::check([&](ncg_error **failure) { return ncg_model_save(get(), path.c_str(), failure); });
    }
    void export_onnx(const std::string &path) const { export_with(path, nullptr); }
    void export_onnx(const std::string &path, const options &settings) const { export_with(path, &settings); }
    /* The model as text: "ncg" or "text". */
    std::string write(const std::string &format = "ncg") const
    {
        return detail::text([&](char *buffer, std::int64_t capacity, std::int64_t *size, ncg_error **failure) {
            return ncg_model_write(get(), format.c_str(), buffer, capacity, size, failure);
        });
    }
    std::string warnings() const
    {
        return detail::text([&](char *buffer, std::int64_t capacity, std::int64_t *size, ncg_error **failure) {
            return ncg_model_warnings(get(), buffer, capacity, size, failure);
        });
    }

    /* How many entries of a kind: NCG_INPUT, NCG_PARAMETER or NCG_OUTPUT. */
    std::int64_t count(std::int32_t kind) const noexcept { return ncg_model_count(get(), kind); }
    std::vector<std::string> names(std::int32_t kind) const
    {
        std::vector<std::string> all;
        for (std::int64_t i = 0; i < count(kind); i++)
            all.emplace_back(ncg_model_name(get(), kind, i));
        return all;
    }
    /* The zero-based index of a name; -1 when absent. */
    std::int64_t index(std::int32_t kind, const std::string &name) const noexcept
    {
        return ncg_model_index(get(), kind, name.c_str());
    }
    /* The dimensions of one sample of an entry; none for a scalar. */
    std::vector<std::int64_t> shape(std::int32_t kind, std::int64_t index) const
    {
        std::int64_t rank = 0;
        detail::check([&](ncg_error **failure) {
            return ncg_model_shape(get(), kind, index, nullptr, 0, &rank, failure);
        });
        std::vector<std::int64_t> dimensions(static_cast<std::size_t>(rank));
        detail::check([&](ncg_error **failure) {
            return ncg_model_shape(get(), kind, index, dimensions.data(), rank, &rank, failure);
        });
        return dimensions;
    }
    double parameter_value(std::int64_t index) const
    {
        double value = 0;
        detail::check([&](ncg_error **failure) { return ncg_model_parameter_value(get(), index, &value, failure); });
        return value;
    }
    double parameter_value(const std::string &name) const { return parameter_value(index(NCG_PARAMETER, name)); }
    /* Lower and upper bound of a parameter in the source text. */
    std::pair<double, double> parameter_bounds(std::int64_t index) const
    {
        std::pair<double, double> bounds;
        detail::check([&](ncg_error **failure) {
            return ncg_model_parameter_bounds(get(), index, &bounds.first, &bounds.second, failure);
        });
        return bounds;
    }
    ncg_model *get() const noexcept { return handle_.get(); }

private:
    static model compile_with(std::string_view source, const options *settings)
    {
        return model(detail::made<ncg_model>([&](ncg_model **out, ncg_error **failure) {
            return ncg_model_compile(source.data(), static_cast<std::int64_t>(source.size()),
                                     detail::or_null(settings), out, failure);
        }));
    }
    static model load_with(const std::string &path, const options *settings)
    {
        return model(detail::made<ncg_model>([&](ncg_model **out, ncg_error **failure) {
            return ncg_model_load_with(path.c_str(), detail::or_null(settings), out, failure);
        }));
    }
    model bind_with(std::string_view source, const options *settings) const
    {
        return model(detail::made<ncg_model>([&](ncg_model **out, ncg_error **failure) {
            return ncg_model_bind_program(get(), source.data(), static_cast<std::int64_t>(source.size()),
                                          detail::or_null(settings), out, failure);
        }));
    }
    void export_with(const std::string &path, const options *settings) const
    {
        detail::check([&](ncg_error **failure) {
            return ncg_model_export_onnx(get(), path.c_str(), detail::or_null(settings), failure);
        });
    }

    detail::owned<ncg_model, ncg_model_free> handle_;
};

/* One engine's state for one model: one thread at a time. */
class session {
public:
    explicit session(const model &source) : session(source, nullptr) {}
    session(const model &source, const options &settings) : session(source, &settings) {}

    std::string describe() const { return ncg_session_describe(get()); }

    /* y = f(x; p). p has one value per parameter; without it those of the source are taken. */
    void eval(table<const double> x, table<double> y) const { eval_with(x, nullptr, y); }
    template <class P> void eval(table<const double> x, const P &p, table<double> y) const
    {
        eval_with(x, parameters<double>(p), y);
    }
    /* The same in single precision; needs the option "dtype" = "f32". */
    void eval(table<const float> x, table<float> y) const { eval_with(x, nullptr, y); }
    template <class P> void eval(table<const float> x, const P &p, table<float> y) const
    {
        eval_with(x, parameters<float>(p), y);
    }

    /* What a reverse sweep reads and writes; what is left out is not computed. */
    struct sweep {
        /* The adjoints of the outputs; ones where left out. */
        table<const double> seed = {};
        table<double> y = {};
        table<double> dx = {};
        /* One number per parameter, side by side. */
        table<double> dp = {};
    };
    /* Reverse mode: dx and dp, the derivatives of the sum of seed*y. */
    void gradient(table<const double> x, const sweep &wanted) const { gradient_with(x, nullptr, wanted); }
    template <class P> void gradient(table<const double> x, const P &p, const sweep &wanted) const
    {
        gradient_with(x, parameters<double>(p), wanted);
    }

    /* The derivatives of the outputs by the parameters; y may be left out. */
    void jacobian(table<const double> x, jacobian_table j, table<double> y = {}) const
    {
        jacobian_with(x, nullptr, j, y);
    }
    template <class P> void jacobian(table<const double> x, const P &p, jacobian_table j, table<double> y = {}) const
    {
        jacobian_with(x, parameters<double>(p), j, y);
    }

    /* Inputs and outputs that are vectors and matrices too, as the model declares them (NCG_INPUT_ARRAY). p has one value
       for each number of the parameters, those of a matrix row by row. Outputs may be left out. */
    void run(std::int64_t samples, const std::vector<entry<const double>> &inputs,
             const std::vector<entry<double>> &outputs, table<const double> p = {}) const
    {
        run_gradient(samples, inputs, {outputs, {}, {}, {}}, p);
    }
    /* What run_gradient reads and writes; what is left out is not computed. */
    struct sweep_of_arrays {
        std::vector<entry<double>> outputs = {};
        /* The adjoints of the outputs; ones where left out. */
        std::vector<entry<const double>> seeds = {};
        std::vector<entry<double>> d_inputs = {};
        table<double> dp = {};
    };
    void run_gradient(std::int64_t samples, const std::vector<entry<const double>> &inputs,
                      const sweep_of_arrays &wanted, table<const double> p = {}) const
    {
        if (describe().find(" f32 ") != std::string::npos)
            throw error(NCG_ERR_SHAPE, "run is for sessions in double precision");
        const arrays<const void *> x("inputs", samples, inputs, shapes_[0]);
        const arrays<const void *> s("seeds", samples, wanted.seeds, shapes_[2]);
        const arrays<void *> y("outputs", samples, wanted.outputs, shapes_[2]);
        const arrays<void *> dx("d_inputs", samples, wanted.d_inputs, shapes_[0]);
        const auto values = whole_parameters<const void *>("p", p);
        const auto sums = whole_parameters<void *>("dp", wanted.dp);
        detail::check([&](ncg_error **failure) {
            return ncg_run_gradient(get(), samples, x.pointers.data(), x.strides.data(), or_null(values),
                                    or_null(s.pointers), s.strides.data(), or_null(y.pointers), y.strides.data(),
                                    or_null(dx.pointers), dx.strides.data(), or_null(sums), failure);
        });
    }
    ncg_session *get() const noexcept { return handle_.get(); }

private:
    using shapes = std::vector<std::vector<std::int64_t>>;

    static std::int64_t product(const std::vector<std::int64_t> &shape)
    {
        std::int64_t size = 1;
        for (const std::int64_t extent : shape)
            size *= extent;
        return size;
    }
    static shapes shapes_of(const model &source, std::int32_t kind)
    {
        shapes all;
        for (std::int64_t i = 0; i < source.count(kind); i++)
            all.push_back(source.shape(kind, i));
        return all;
    }
    template <class P> static const P *or_null(const std::vector<P> &list) noexcept
    {
        return list.empty() ? nullptr : list.data();
    }
    /* Pointers and strides of arrays as the C function takes them. */
    template <class P> struct arrays {
        std::vector<P> pointers;
        std::vector<std::int64_t> strides;
        template <class E>
        arrays(const char *name, std::int64_t samples, const std::vector<entry<E>> &given, const shapes &wanted)
        {
            const bool left_out = given.empty() && std::string_view(name) != "inputs";
            if (!left_out && given.size() != wanted.size())
                throw error(NCG_ERR_SHAPE, std::string(name) + " has " + std::to_string(given.size()) +
                                               " arrays; the model has " + std::to_string(wanted.size()));
            for (std::size_t i = 0; i < given.size(); i++) {
                const auto &one = given[i];
                const std::int64_t size = product(wanted[i]);
                if (one.size() >= 0 && one.size() != samples * size)
                    throw error(NCG_ERR_SHAPE, std::string(name) + "[" + std::to_string(i) + "] has " +
                                                   std::to_string(one.size()) + " numbers; " + std::to_string(samples) +
                                                   " samples of " + std::to_string(size) + " are wanted");
                if (!one.strides().empty() && one.strides().size() != wanted[i].size() + 1)
                    throw error(NCG_ERR_SHAPE, std::string(name) + "[" + std::to_string(i) + "] has " +
                                                   std::to_string(one.strides().size()) + " strides; " +
                                                   std::to_string(wanted[i].size() + 1) +
                                                   " are wanted, the first for the samples");
                pointers.push_back(one.data());
                if (!one.strides().empty()) {
                    strides.insert(strides.end(), one.strides().begin(), one.strides().end());
                    continue;
                }
                std::int64_t step = size;
                strides.push_back(step);
                for (const std::int64_t extent : wanted[i])
                    strides.push_back(step = extent > 0 ? step / extent : 0);
            }
        }
    };
    /* Where each parameter that is an array begins. */
    template <class P, class T> std::vector<P> whole_parameters(const char *name, const table<T> &given) const
    {
        std::vector<P> pointers;
        if (!given.data())
            return pointers;
        agree(name, given, parameters_, 1);
        T *next = given.data();
        for (const auto &shape : shapes_[1]) {
            pointers.push_back(next);
            next += product(shape);
        }
        return pointers;
    }

    session(const model &source, const options *settings)
        : handle_(detail::made<ncg_session>([&](ncg_session **out, ncg_error **failure) {
              return ncg_session_new(source.get(), detail::or_null(settings), out, failure);
          })),
          inputs_(source.count(NCG_INPUT)), parameters_(source.count(NCG_PARAMETER)),
          outputs_(source.count(NCG_OUTPUT)),
          shapes_{shapes_of(source, NCG_INPUT_ARRAY), shapes_of(source, NCG_PARAMETER_ARRAY),
                  shapes_of(source, NCG_OUTPUT_ARRAY)}
    {}

    /* Refuses a table of another shape: C functions cannot see how long an array is. An empty one has been left out. */
    template <class T>
    static void agree(const char *name, const table<T> &given, std::int64_t samples, std::int64_t entries)
    {
        if (given.samples() == samples && given.entries() == entries)
            return;
        throw error(NCG_ERR_SHAPE, std::string(name) + " is " + std::to_string(given.samples()) + " samples by " +
                                       std::to_string(given.entries()) + " entries; " + std::to_string(samples) +
                                       " by " + std::to_string(entries) + " are wanted");
    }
    template <class T>
    static void agree_if_given(const char *name, const table<T> &given, std::int64_t samples, std::int64_t entries)
    {
        if (given.data())
            agree(name, given, samples, entries);
    }
    /* The samples of x. A model without inputs takes those of the output. */
    template <class T, class U> std::int64_t samples_of(const table<T> &x, const table<U> &y) const
    {
        if (inputs_ == 0)
            return y.samples();
        agree("x", x, x.samples(), inputs_);
        return x.samples();
    }
    template <class T, class P> const T *parameters(const P &p) const
    {
        if (static_cast<std::int64_t>(p.size()) != parameters_)
            throw error(NCG_ERR_SHAPE, "p has " + std::to_string(p.size()) + " values; the model has " +
                                           std::to_string(parameters_) + " parameters");
        return p.data();
    }
    void eval_with(table<const double> x, const double *p, table<double> y) const
    {
        const std::int64_t samples = samples_of(x, y);
        agree("y", y, samples, outputs_);
        detail::check([&](ncg_error **failure) {
            return ncg_eval_f64(get(), samples, x.data(), x.sample_stride(), x.stride(), p, y.data(),
                                y.sample_stride(), y.stride(), failure);
        });
    }
    void eval_with(table<const float> x, const float *p, table<float> y) const
    {
        const std::int64_t samples = samples_of(x, y);
        agree("y", y, samples, outputs_);
        detail::check([&](ncg_error **failure) {
            return ncg_eval_f32(get(), samples, x.data(), x.sample_stride(), x.stride(), p, y.data(),
                                y.sample_stride(), y.stride(), failure);
        });
    }
    void gradient_with(table<const double> x, const double *p, const sweep &wanted) const
    {
        const auto &[seed, y, dx, dp] = wanted;
        const std::int64_t samples = samples_of(x, y);
        agree_if_given("seed", seed, samples, outputs_);
        agree_if_given("y", y, samples, outputs_);
        agree_if_given("dx", dx, samples, inputs_);
        agree_if_given("dp", dp, parameters_, 1);
        if (dp.data() && dp.sample_stride() != 1)
            throw error(NCG_ERR_SHAPE, "the numbers of dp do not lie side by side");
        detail::check([&, &seed = seed, &y = y, &dx = dx, &dp = dp](ncg_error **failure) {
            return ncg_grad_f64(get(), samples, x.data(), x.sample_stride(), x.stride(), p, seed.data(),
                                seed.sample_stride(), seed.stride(), y.data(), y.sample_stride(), y.stride(),
                                dx.data(), dx.sample_stride(), dx.stride(), dp.data(), failure);
        });
    }
    void jacobian_with(table<const double> x, const double *p, jacobian_table j, table<double> y) const
    {
        const std::int64_t samples = inputs_ == 0 ? j.samples : samples_of(x, y);
        agree_if_given("y", y, samples, outputs_);
        if (j.samples != samples || j.outputs != outputs_ || j.parameters != parameters_)
            throw error(NCG_ERR_SHAPE, "the Jacobian is not of " + std::to_string(samples) + " samples by " +
                                           std::to_string(outputs_) + " outputs by " + std::to_string(parameters_) +
                                           " parameters");
        detail::check([&](ncg_error **failure) {
            return ncg_jacobian_f64(get(), samples, x.data(), x.sample_stride(), x.stride(), p, y.data(),
                                    y.sample_stride(), y.stride(), j.data, j.sample_stride, j.output_stride,
                                    j.stride, failure);
        });
    }

    detail::owned<ncg_session, ncg_session_free> handle_;
    std::int64_t inputs_, parameters_, outputs_;
    /* Of whole inputs, parameters and outputs. */
    shapes shapes_[3];
};

/* What a callback is told. */
struct progress {
    std::int64_t iteration;
    double loss;
    /* As many numbers as parameters move; they live until the callback returns. */
    const double *params;
    std::int64_t n_params;
};

/* A fitting problem: one thread at a time, cancel() excepted. */
class fit {
public:
    /* Brings the numbers of all processes together: the n_own numbers of this one, into the n_all numbers of all. */
    using gather_function =
        std::function<void(const double *own, std::int64_t n_own, double *all, std::int64_t n_all)>;

    explicit fit(const model &source) : fit(source, nullptr) {}
    fit(const model &source, const options &settings) : fit(source, &settings) {}

    /* Lets a parameter move between two bounds. */
    fit &add_parameter(const std::string &name, double initial,
                       double lower = -std::numeric_limits<double>::infinity(),
                       double upper = std::numeric_limits<double>::infinity())
    {
        detail::check([&](ncg_error **failure) {
            return ncg_fit_add_parameter(get(), name.c_str(), initial, lower, upper, failure);
        });
        return *this;
    }
    /* Copies the observations; without weights all count the same. What weights are, the option "noise" must say. */
    fit &set_data(table<const double> x, table<const double> y, table<const double> w = {})
    {
        return give(ncg_fit_set_data_f64, x, y, w);
    }
    /* Adds observations to those that are there; the next run goes on from the last estimate. With the option "window"
       memory does not grow with them. */
    fit &add_data(table<const double> x, table<const double> y, table<const double> w = {})
    {
        return give(ncg_fit_add_data_f64, x, y, w);
    }
    /* The covariance of the n observations, n by n, after set_data without weights. */
    fit &set_covariance(table<const double> covariance)
    {
        if (covariance.samples() != covariance.entries() || covariance.sample_stride() != covariance.samples() ||
            covariance.stride() != 1)
            throw error(NCG_ERR_SHAPE, "the covariance is no square matrix whose numbers lie side by side");
        detail::check([&](ncg_error **failure) {
            return ncg_fit_set_covariance_f64(get(), covariance.samples(), covariance.data(), failure);
        });
        return *this;
    }
    /* Shares the fit among processes: the observations of all are one table, cut into so many blocks of so many samples, and each
       process sets the data of whole blocks. The function brings the numbers of all processes together, those of all blocks in
       order (MPI_Allgatherv); an exception in it fails the fit everywhere, and comes out of run(). */
    fit &share(std::int64_t blocks, std::int64_t samples, gather_function gather)
    {
        auto next = std::make_unique<meeting>();
        next->gather = std::move(gather);
        detail::check([&](ncg_error **failure) {
            return ncg_fit_share(get(), blocks, samples, next->gather ? met : nullptr, next.get(), failure);
        });
        meeting_ = std::move(next);
        return *this;
    }
    /* Writes the state of the fit to a file. */
    void checkpoint(const std::string &path) const
    {
        detail::check([&](ncg_error **failure) { return ncg_fit_checkpoint(get(), path.c_str(), failure); });
    }
    /* Goes on from a file that checkpoint() wrote for the same model and data. */
    fit &resume(const std::string &path)
    {
        detail::check([&](ncg_error **failure) { return ncg_fit_resume(get(), path.c_str(), failure); });
        return *this;
    }
    /* Asks for a call every so many iterations. A result of true stops the fit; an exception stops it and comes out of
       run(). An empty function removes the callback. */
    fit &set_callback(std::function<bool(const progress &)> callback, std::int64_t every = 1)
    {
        auto next = std::make_unique<hook>();
        next->callback = std::move(callback);
        detail::check([&](ncg_error **failure) {
            return ncg_fit_set_callback(get(), next->callback ? called : nullptr, next.get(), every, failure);
        });
        hook_ = std::move(next);
        return *this;
    }
    /* Runs until an NCG_FIT_* stop. */
    std::int32_t run()
    {
        std::int32_t stop = NCG_FIT_NOT_RUN;
        /* what a function of the caller has thrown says more than that it failed */
        try {
            detail::check([&](ncg_error **failure) { return ncg_fit_run(get(), &stop, failure); });
        } catch (const error &) {
            rethrow();
            throw;
        }
        rethrow();
        return stop;
    }
    /* Asks a running fit to stop: from another thread, a signal handler or the callback. */
    void cancel() const noexcept { ncg_fit_cancel(get()); }

    double stat(const std::string &name) const
    {
        double value = 0;
        detail::check([&](ncg_error **failure) { return ncg_fit_stat(get(), name.c_str(), &value, failure); });
        return value;
    }
    /* The best values so far, in the order the parameters were added. */
    std::vector<double> parameters() const
    {
        std::vector<double> values(moving());
        detail::check([&](ncg_error **failure) {
            return ncg_fit_parameters(get(), values.data(), static_cast<std::int64_t>(values.size()), failure);
        });
        return values;
    }
    /* Their covariance, n by n. */
    std::vector<double> covariance() const
    {
        std::vector<double> values(moving() * moving());
        detail::check([&](ncg_error **failure) {
            return ncg_fit_covariance(get(), values.data(), static_cast<std::int64_t>(values.size()), failure);
        });
        return values;
    }
    /* The report: "text" or "json". */
    std::string report(const std::string &format = "text") const
    {
        return detail::text([&](char *buffer, std::int64_t capacity, std::int64_t *size, ncg_error **failure) {
            return ncg_fit_report(get(), format.c_str(), buffer, capacity, size, failure);
        });
    }
    /* A new model with the fitted values. */
    model bake() const
    {
        return model(detail::made<ncg_model>(
            [&](ncg_model **out, ncg_error **failure) { return ncg_fit_bake(get(), out, failure); }));
    }
    ncg_fit *get() const noexcept { return handle_.get(); }

private:
    template <typename Take>
    fit &give(Take take, table<const double> x, table<const double> y, table<const double> w)
    {
        if (x.samples() != y.samples() && x.data())
            throw error(NCG_ERR_SHAPE, "x has " + std::to_string(x.samples()) + " samples and y " +
                                           std::to_string(y.samples()));
        if (x.entries() != inputs_ || y.entries() != outputs_)
            throw error(NCG_ERR_SHAPE, "x and y have " + std::to_string(x.entries()) + " and " +
                                           std::to_string(y.entries()) + " entries; the model has " +
                                           std::to_string(inputs_) + " and " + std::to_string(outputs_));
        if (w.data() && (w.samples() != y.samples() || w.entries() != y.entries()))
            throw error(NCG_ERR_SHAPE, "the weights have another shape than y");
        detail::check([&](ncg_error **failure) {
            return take(get(), y.samples(), x.data(), x.sample_stride(), x.stride(), y.data(), y.sample_stride(),
                        y.stride(), w.data(), w.sample_stride(), w.stride(), failure);
        });
        return *this;
    }

    /* Where the callback lives: its address stays when the fit is moved. */
    struct hook {
        std::function<bool(const progress &)> callback;
        std::exception_ptr thrown;
    };

    /* The same for what brings the numbers of processes together. */
    struct meeting {
        gather_function gather;
        std::exception_ptr thrown;
    };

    void rethrow()
    {
        if (hook_ && hook_->thrown)
            std::rethrow_exception(std::exchange(hook_->thrown, nullptr));
        if (meeting_ && meeting_->thrown)
            std::rethrow_exception(std::exchange(meeting_->thrown, nullptr));
    }
    static std::int32_t met(void *user_data, const double *own, std::int64_t n_own, double *all,
                            std::int64_t n_all) noexcept
    {
        meeting &place = *static_cast<meeting *>(user_data);
        try {
            place.gather(own, n_own, all, n_all);
            return 0;
        } catch (...) {
            place.thrown = std::current_exception();
            return 1;
        }
    }

    fit(const model &source, const options *settings)
        : handle_(detail::made<ncg_fit>([&](ncg_fit **out, ncg_error **failure) {
              return ncg_fit_new(source.get(), detail::or_null(settings), out, failure);
          })),
          inputs_(source.count(NCG_INPUT)), outputs_(source.count(NCG_OUTPUT))
    {}

    static std::int32_t called(void *user_data, std::int64_t iteration, double loss, const double *params,
                               std::int64_t n_params) noexcept
    {
        hook &own = *static_cast<hook *>(user_data);
        try {
            return own.callback({iteration, loss, params, n_params}) ? 1 : 0;
        } catch (...) {
            own.thrown = std::current_exception();
            return 1;
        }
    }
    std::size_t moving() const { return static_cast<std::size_t>(stat("parameters")); }

    /* the fit stands last, so that it is freed before what it calls */
    std::unique_ptr<hook> hook_;
    std::unique_ptr<meeting> meeting_;
    detail::owned<ncg_fit, ncg_fit_free> handle_;
    std::int64_t inputs_, outputs_;
};

} // namespace ncg

#endif
