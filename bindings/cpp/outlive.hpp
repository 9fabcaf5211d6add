// outlive for C++17: PHP's connection handling for any server.
//
// SPDX-License-Identifier: MIT OR Apache-2.0
//
// Header-only, on top of outlive.h alone; link liboutlive. The words are those of the C API, so what a call does, its units, its
// errors, and its thread, fork and signal safety stand at the C function of the same name, here named where the name differs.
//
// Conventions
//  - Handles own: config_builder, dir_config, engine and request can only be moved; config and settings are shared, a copy is a
//    reference. An empty handle (moved from, or never made) answers result::error_argument, as NULL does in C.
//  - Every call that can fail has two forms: one throws outlive::error; the other takes a last argument `error_to`, which a
//    std::error_code or an outlive_error converts to, and never throws for the library's errors. Where memory can run out in it, that
//    is result::error_system.
//  - Text in is a std::string_view and is copied. Text out is a view, NUL-terminated, that lives as long as the C function says.
//  - Callbacks are any callables, also such as can only be moved. What they throw never passes through the library:
//      write, flush                the client has gone, as if they had returned false
//      shutdown functions          the pass ends, as with result::stop; end() throws the first one when the request has ended
//      visitors, look-ups          nothing more is visited; the visiting call throws it, in both forms
//      on_stop, on_forced          dropped: they run on the engine's thread
//      a directive's check         the value is refused
//  - With -fno-exceptions the throwing forms abort where they would throw.
#ifndef OUTLIVE_HPP
#define OUTLIVE_HPP

#include "outlive.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#if defined(__cpp_exceptions)
#define OUTLIVE_TRY_ try
#define OUTLIVE_CATCH_ALL_ catch (...)
#else
#define OUTLIVE_TRY_ if (true)
#define OUTLIVE_CATCH_ALL_ else
#endif

namespace outlive {

// ---- words ----

/// What a call answers: OUTLIVE_OK, OUTLIVE_STOP, OUTLIVE_ALREADY, OUTLIVE_ERROR_…; the errors are std::error_code values too.
enum class result : int {
    ok = OUTLIVE_OK,
    stop = OUTLIVE_STOP,
    already = OUTLIVE_ALREADY,
    error_argument = OUTLIVE_ERROR_ARGUMENT,
    error_not_found = OUTLIVE_ERROR_NOT_FOUND,
    error_io = OUTLIVE_ERROR_IO,
    error_too_large = OUTLIVE_ERROR_TOO_LARGE,
    error_syntax = OUTLIVE_ERROR_SYNTAX,
    error_refused = OUTLIVE_ERROR_REFUSED,
    error_not_served = OUTLIVE_ERROR_NOT_SERVED,
    error_locked = OUTLIVE_ERROR_LOCKED,
    error_access = OUTLIVE_ERROR_ACCESS,
    error_value = OUTLIVE_ERROR_VALUE,
    error_stage = OUTLIVE_ERROR_STAGE,
    error_ended = OUTLIVE_ERROR_ENDED,
    error_busy = OUTLIVE_ERROR_BUSY,
    error_forked = OUTLIVE_ERROR_FORKED,
    error_draining = OUTLIVE_ERROR_DRAINING,
    error_full = OUTLIVE_ERROR_FULL,
    error_system = OUTLIVE_ERROR_SYSTEM,
    error_timeout = OUTLIVE_ERROR_TIMEOUT,
    error_panic = OUTLIVE_ERROR_PANIC,
    error_interrupted = OUTLIVE_ERROR_INTERRUPTED,
    error_unsupported = OUTLIVE_ERROR_UNSUPPORTED,
};

/// Why a request ends.
enum class ending : int {
    none = OUTLIVE_ENDING_NONE,
    completed = OUTLIVE_ENDING_COMPLETED,
    finished = OUTLIVE_ENDING_FINISHED,
    aborted = OUTLIVE_ENDING_ABORTED,
    time_limit = OUTLIVE_ENDING_TIME_LIMIT,
    forced = OUTLIVE_ENDING_FORCED,
    shutdown = OUTLIVE_ENDING_SHUTDOWN,
    host_error = OUTLIVE_ENDING_HOST_ERROR,
    cancelled = OUTLIVE_ENDING_CANCELLED,
    handed_back = OUTLIVE_ENDING_HANDED_BACK,
};

/// PHP's connection_status(): bits.
enum class connection : int {
    normal = OUTLIVE_CONNECTION_NORMAL,
    aborted = OUTLIVE_CONNECTION_ABORTED,
    timeout = OUTLIVE_CONNECTION_TIMEOUT,
};

/// Where a request is.
enum class stage : int {
    input = OUTLIVE_STAGE_INPUT,
    running = OUTLIVE_STAGE_RUNNING,
    shutdown = OUTLIVE_STAGE_SHUTDOWN,
    final_flush = OUTLIVE_STAGE_FINAL_FLUSH,
};

/// Who may change a directive: bits.
enum class access : int {
    none = 0,
    user = OUTLIVE_ACCESS_USER,
    perdir = OUTLIVE_ACCESS_PERDIR,
    system = OUTLIVE_ACCESS_SYSTEM,
    all = OUTLIVE_ACCESS_ALL,
};

/// What became of a value.
enum class fate : int {
    in_force = OUTLIVE_FATE_IN_FORCE,
    overridden = OUTLIVE_FATE_OVERRIDDEN,
    refused = OUTLIVE_FATE_REFUSED,
};

/// A line of a container: php_value, php_flag, php_admin_value, php_admin_flag.
enum class kind : int {
    value = OUTLIVE_PHP_VALUE_VALUE,
    flag = OUTLIVE_PHP_VALUE_FLAG,
    admin_value = OUTLIVE_PHP_VALUE_ADMIN_VALUE,
    admin_flag = OUTLIVE_PHP_VALUE_ADMIN_FLAG,
};

/// How grave a diagnostic is.
enum class severity : int { note = OUTLIVE_SEVERITY_NOTE, warning = OUTLIVE_SEVERITY_WARNING, error = OUTLIVE_SEVERITY_ERROR };

/// How ini values are read.
enum class ini_mode : int { normal = OUTLIVE_INI_NORMAL, raw = OUTLIVE_INI_RAW, typed = OUTLIVE_INI_TYPED };

/// An ini statement.
enum class ini_kind : int {
    section = OUTLIVE_INI_SECTION,
    entry = OUTLIVE_INI_ENTRY,
    array_entry = OUTLIVE_INI_ARRAY_ENTRY,
    bare = OUTLIVE_INI_BARE,
};

/// An ini value's type: OUTLIVE_INI_TEXT, _BOOL, _NULL, _INT, _FLOAT.
enum class ini_type : int {
    text = OUTLIVE_INI_TEXT,
    boolean = OUTLIVE_INI_BOOL,
    null = OUTLIVE_INI_NULL,
    integer = OUTLIVE_INI_INT,
    real = OUTLIVE_INI_FLOAT,
};

/// What a visitor may answer. One that returns nothing sees everything.
enum class visit { more, enough };

constexpr access operator|(access left, access right) noexcept {
    return static_cast<access>(static_cast<int>(left) | static_cast<int>(right));
}
constexpr access operator&(access left, access right) noexcept {
    return static_cast<access>(static_cast<int>(left) & static_cast<int>(right));
}
constexpr connection operator|(connection left, connection right) noexcept {
    return static_cast<connection>(static_cast<int>(left) | static_cast<int>(right));
}
constexpr connection operator&(connection left, connection right) noexcept {
    return static_cast<connection>(static_cast<int>(left) & static_cast<int>(right));
}

/// outlive_version: the library's; OUTLIVE_VERSION is the header's.
inline std::string_view version() noexcept { return outlive_version(); }

/// outlive_result_name: "OUTLIVE_ERROR_LOCKED" …
inline std::string_view name(result code) noexcept {
    const outlive_str text = outlive_result_name(static_cast<int>(code));
    return {text.ptr, text.len};
}

/// outlive_result_text: one phrase for people.
inline std::string_view text(result code) noexcept {
    const outlive_str text = outlive_result_text(static_cast<int>(code));
    return {text.ptr, text.len};
}

/// outlive_result_cname: the name as a C string, for printf and the like.
inline const char *name_c_str(result code) noexcept { return outlive_result_cname(static_cast<int>(code)); }

/// outlive_result_ctext: the phrase as a C string.
inline const char *text_c_str(result code) noexcept { return outlive_result_ctext(static_cast<int>(code)); }

/// outlive_ending_name: "completed", "time limit" …
inline std::string_view name(ending ending) noexcept {
    const outlive_str text = outlive_ending_name(static_cast<int>(ending));
    return {text.ptr, text.len};
}

// ---- errors ----

namespace detail {
class category final : public std::error_category {
public:
    constexpr category() noexcept = default;
    const char *name() const noexcept override { return "outlive"; }
    std::string message(int code) const override { return std::string(text(static_cast<result>(code))); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<result>(code)) {
        case result::error_argument:
        case result::error_value: return std::errc::invalid_argument;
        case result::error_io: return std::errc::io_error;
        case result::error_access:
        case result::error_locked: return std::errc::operation_not_permitted;
        case result::error_busy: return std::errc::device_or_resource_busy;
        case result::error_timeout: return std::errc::timed_out;
        case result::error_interrupted: return std::errc::operation_canceled;
        case result::error_unsupported: return std::errc::not_supported;
        default: return {code, *this};
        }
    }
};
// Initialised by the compiler, so that a signal handler or another global may use it at any time.
inline const category the_category;
} // namespace detail

/// The category "outlive": values are result codes.
inline const std::error_category &category() noexcept { return detail::the_category; }

inline std::error_code make_error_code(result code) noexcept { return {static_cast<int>(code), category()}; }

/// The exception of the throwing forms: code, place and message of an outlive_error.
class error : public std::system_error {
public:
    explicit error(const outlive_error &record)
        : std::system_error(make_error_code(static_cast<outlive::result>(record.code))), said_(std::make_shared<said>(record)) {}

    /// The code as the enum; code() has it as std::error_code.
    outlive::result result() const noexcept { return static_cast<outlive::result>(code().value()); }
    /// The file; empty: none. Lives as long as the error or a copy of it, as does message().
    std::string_view file() const noexcept { return said_->file; }
    /// Counted from 1; 0: none.
    std::uint32_t line() const noexcept { return said_->line; }
    /// Counted from 1; 0: none.
    std::uint32_t column() const noexcept { return said_->column; }
    /// For people, without the place.
    std::string_view message() const noexcept { return said_->message; }
    /// "file:line: message"
    const char *what() const noexcept override { return said_->what.c_str(); }

private:
    struct said {
        explicit said(const outlive_error &record)
            : file(record.file), message(record.message), line(record.line), column(record.column) {
            if (!file.empty()) {
                what = file + (line == 0 ? "" : ":" + std::to_string(line)) + (column == 0 ? "" : ":" + std::to_string(column)) + ": ";
            }
            what += message;
        }
        std::string file, message, what;
        std::uint32_t line, column;
    };
    std::shared_ptr<const said> said_; // shared, because copying an exception must not throw
};

/// Where a call that does not throw stores its error; cleared (code 0) on success. Made from the caller's own std::error_code or
/// outlive_error, to which it only refers.
class error_to {
public:
    error_to(std::error_code &code) noexcept : code_(&code) {}
    error_to(outlive_error &record) noexcept : record_(&record) { clear(); }

    /// For C calls that take a record; NULL if only the code is wanted.
    outlive_error *record() const noexcept { return record_; }

    /// Stores the result of a C call.
    result said(int answer) const noexcept {
        const auto answered = static_cast<result>(answer);
        if (code_ != nullptr) {
            *code_ = answer < 0 ? make_error_code(answered) : std::error_code();
        } else if (answer >= 0) {
            clear();
        } else if (record_->code != answer) { // a call that takes no record
            clear();
            record_->code = answer;
            const std::string_view words = text(answered);
            const std::size_t fits = words.size() < sizeof record_->message ? words.size() : sizeof record_->message - 1;
            std::memcpy(record_->message, words.data(), fits);
            record_->message[fits] = 0;
        }
        return answered;
    }
    result said(result answer) const noexcept { return said(static_cast<int>(answer)); }

private:
    void clear() const noexcept {
        record_->code = OUTLIVE_OK;
        record_->line = record_->column = 0;
        record_->file[0] = record_->message[0] = 0;
    }
    std::error_code *code_ = nullptr;
    outlive_error *record_ = nullptr;
};

// ---- views ----

/// A pointer and a length, for what C++17 has no std::span for. Does not own.
template <class T> class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N> constexpr span(T (&array)[N]) noexcept : data_(array), size_(N) {}
    /// A container that has data() and size(): std::vector, std::array …
    template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
    constexpr span(C &container) noexcept : data_(container.data()), size_(container.size()) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t at) const noexcept { return data_[at]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// outlive_diagnostic. It and its texts live until the visitor returns, as with all that visitors see.
struct diagnostic {
    std::string_view file;
    std::uint32_t line;
    outlive::severity severity;
    std::string_view code, text;
};

/// outlive_origin: one layer that sets a directive.
struct origin {
    std::string_view layer, file;
    std::uint32_t line;
    std::string_view raw, value;
    outlive::access access;
    bool locks;
    outlive::fate fate;
    std::string_view because;
};

/// outlive_setting: one directive.
struct setting {
    std::string_view name, value, global_value;
    outlive::access access;
    bool locked;
};

/// outlive_request_row: one request in flight.
struct request_row {
    std::string_view label, method;
    std::chrono::milliseconds age;
    std::optional<std::chrono::milliseconds> gone; ///< since when; none: the client is there, as far as anybody knows
    outlive::stage stage;
    connection connection_status;
    bool held, ignores_abort, finished, watched;
    std::chrono::seconds time_limit; ///< 0: none
    std::uint32_t thread;
    std::uint64_t written;
    std::optional<std::chrono::milliseconds> time_left; ///< of the limit, of CPU or elapsed time; none: no limit
    std::uint64_t id;     ///< as request_ref::id; 0 in a scoreboard's rows
    std::string_view key; ///< any bytes; of a long one its hash; empty: none
    bool accepted, resumed;
};

/// outlive_scoreboard_row: one request of any process.
struct scoreboard_row {
    std::int64_t process;
    bool unfinished; ///< its process has died
    std::chrono::system_clock::time_point began;
    bool unresponsive;   ///< its process lives, as far as can be seen, and does not move
    std::uint32_t row;   ///< with count its name, for cancel_request
    std::uint64_t count; ///< which request of the row it is
    request_row request;
};

/// outlive_ini_event: one statement.
struct ini_event {
    ini_kind kind;
    std::uint32_t line;
    std::string_view key, offset;
    ini_type value_type;
    std::string_view text;
    std::int64_t integer;
    double real;
};

// ---- what the rest is made of ----

namespace detail {

inline std::string_view view(outlive_str text) noexcept { return {text.ptr, text.len}; }

// NULL means more than an empty text in places: a view never means NULL.
inline const char *start(std::string_view text) noexcept { return text.data() == nullptr ? "" : text.data(); }

// A NUL-terminated copy of a label or method, NULL if it is empty. The library cuts a label to 96 bytes and a method to 8, so what
// does not fit need not be copied.
class terminated {
public:
    explicit terminated(std::string_view text) noexcept : has_text_(!text.empty()) {
        const std::size_t fits = text.size() < sizeof copy_ ? text.size() : sizeof copy_ - 1;
        if (has_text_) {
            std::memcpy(copy_, text.data(), fits);
        }
        copy_[fits] = 0;
    }
    const char *get() const noexcept { return has_text_ ? copy_ : nullptr; }

private:
    bool has_text_;
    char copy_[128];
};

// An event as far as the library fills it; the rest is 0. An older library writes a shorter one.
template <class T> T whole(const T *from) noexcept {
    T to = {};
    std::memcpy(&to, from, from->size < sizeof to ? from->size : sizeof to);
    return to;
}

inline diagnostic wrap(const outlive_diagnostic &from) noexcept {
    return {view(from.file), from.line, static_cast<severity>(from.severity), view(from.code), view(from.text)};
}
inline origin wrap(const outlive_origin &from) noexcept {
    return {view(from.layer), view(from.file), from.line, view(from.raw), view(from.value), static_cast<access>(from.access),
            from.locks != 0, static_cast<fate>(from.fate), view(from.because)};
}
inline setting wrap(const outlive_setting &from) noexcept {
    return {view(from.name), view(from.value), view(from.global_value), static_cast<access>(from.access), from.locked != 0};
}
inline request_row wrap(const outlive_request_row &from) noexcept {
    const auto known = [](std::int64_t time) {
        return time < 0 ? std::nullopt : std::make_optional(std::chrono::milliseconds(time));
    };
    return {view(from.label), view(from.method), std::chrono::milliseconds(from.age_ms), known(from.gone_ms), static_cast<stage>(from.stage),
            static_cast<connection>(from.connection_status), from.held != 0, from.ignores_abort != 0, from.finished != 0,
            from.watched != 0, std::chrono::seconds(from.time_limit), from.thread, from.written, known(from.time_left_ms), from.id,
            view(from.key), from.accepted != 0, from.resumed != 0};
}
inline scoreboard_row wrap(const outlive_scoreboard_row &from) {
    const std::chrono::milliseconds began(static_cast<std::int64_t>(from.began_unix_ms));
    return {from.process, from.unfinished != 0, std::chrono::system_clock::time_point(began), from.unresponsive != 0, from.row,
            from.count, wrap(from.request)};
}
inline ini_event wrap(const outlive_ini_event &from) noexcept {
    return {static_cast<ini_kind>(from.kind), from.line, view(from.key), view(from.offset), static_cast<ini_type>(from.value_type),
            view(from.text), from.integer, from.real};
}

[[noreturn]] inline void raise(const outlive_error &record) {
#if defined(__cpp_exceptions)
    throw error(record);
#else
    static_cast<void>(record);
    std::abort();
#endif
}

[[noreturn]] inline void raise(result code) {
    outlive_error record;
    error_to(record).said(code);
    raise(record);
}

[[noreturn]] inline void no_memory() {
#if defined(__cpp_exceptions)
    throw std::bad_alloc();
#else
    std::abort();
#endif
}

inline result checked(int answer) {
    if (answer < 0) {
        raise(static_cast<result>(answer));
    }
    return static_cast<result>(answer);
}

// The throwing form of a call, made of the other one.
template <class F> auto throwing(F &&call) {
    outlive_error record;
    const error_to to(record);
    auto answer = call(to);
    if (record.code < 0) {
        raise(record);
    }
    return answer;
}

template <class T, auto Free> struct free_with {
    void operator()(T *handle) const noexcept { Free(handle); }
};
template <class T, auto Free> using unique = std::unique_ptr<T, free_with<T, Free>>;

template <class T, auto Ref, auto Free> class shared {
public:
    shared() noexcept = default;
    explicit shared(const T *adopted) noexcept : handle_(adopted) {}
    shared(const shared &other) noexcept : handle_(Ref(other.handle_)) {}
    shared(shared &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    shared &operator=(shared other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~shared() { Free(handle_); }
    const T *get() const noexcept { return handle_; }

private:
    const T *handle_ = nullptr;
};

template <class> struct shutdown_function;

template <class> inline constexpr bool is_function = false;
template <class S> inline constexpr bool is_function<std::function<S>> = true;

// An owned callable of any type; unlike std::function it also takes move-only ones. Small ones need no allocation.
template <class> class callback;
template <class R, class... A> class callback<R(A...)> {
public:
    callback() noexcept = default;
    callback(std::nullptr_t) noexcept {}
    template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, callback> && std::is_invocable_v<std::decay_t<F> &, A...>>>
    callback(F &&function) {
        using G = std::decay_t<F>;
        using Said = std::invoke_result_t<G &, A...>;
        static_assert(std::is_void_v<Said> || std::is_same_v<Said, R>,
                      "a callback returns exactly what is asked for (a number is no bool: 0 means success in C), or nothing");
        if constexpr (std::is_pointer_v<G> || is_function<G>) {
            if (!function) { // calls nothing, so there is no callback
                return;
            }
        }
        if constexpr (fits<G>) {
            ::new (static_cast<void *>(place_)) G(std::forward<F>(function));
        } else {
            ::new (static_cast<void *>(place_)) G *(new G(std::forward<F>(function)));
        }
        does_ = &does<G>::all;
    }
    callback(callback &&other) noexcept { take(other); }
    callback &operator=(callback &&other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }
    ~callback() { reset(); }
    explicit operator bool() const noexcept { return does_ != nullptr; }
    R operator()(A... arguments) { return does_->call(place_, std::forward<A>(arguments)...); }

private:
    template <class G>
    static constexpr bool fits = sizeof(G) <= 4 * sizeof(void *) && alignof(G) <= alignof(void *) && std::is_nothrow_move_constructible_v<G>;
    struct table {
        R (*call)(void *, A...);
        void (*move)(void *to, void *from) noexcept;
        void (*destroy)(void *) noexcept;
    };
    template <class G> struct does {
        static G &at(void *place) noexcept {
            if constexpr (fits<G>) {
                return *static_cast<G *>(place);
            } else {
                return **static_cast<G **>(place);
            }
        }
        static R call(void *place, A... arguments) {
            if constexpr (std::is_void_v<R> || !std::is_void_v<std::invoke_result_t<G &, A...>>) {
                return std::invoke(at(place), std::forward<A>(arguments)...);
            } else { // says nothing, so all went well
                std::invoke(at(place), std::forward<A>(arguments)...);
                return R(true);
            }
        }
        static void move(void *to, void *from) noexcept {
            if constexpr (fits<G>) {
                ::new (to) G(std::move(at(from)));
                at(from).~G();
            } else {
                ::new (to) G *(*static_cast<G **>(from));
            }
        }
        static void destroy(void *place) noexcept {
            if constexpr (fits<G>) {
                at(place).~G();
            } else {
                delete *static_cast<G **>(place);
            }
        }
        static constexpr table all = {call, move, destroy};
    };
    void take(callback &other) noexcept {
        if (other.does_ != nullptr) {
            other.does_->move(place_, other.place_);
            does_ = std::exchange(other.does_, nullptr);
        }
    }
    void reset() noexcept {
        if (does_ != nullptr) {
            std::exchange(does_, nullptr)->destroy(place_);
        }
    }
    alignas(void *) unsigned char place_[4 * sizeof(void *)];
    const table *does_ = nullptr;
};

// A visitor behind a C one: shows it each event, keeps what it throws.
template <class Event, class F> struct visitor {
    using Seen = decltype(wrap(std::declval<const Event &>()));
    using Said = std::invoke_result_t<F &, const Seen &>;
    static_assert(std::is_void_v<Said> || std::is_same_v<Said, visit>, "a visitor returns outlive::visit or nothing");
    F &see;
    bool enough = false;
    std::exception_ptr thrown = nullptr;

    static int call(void *userdata, const Event *event) noexcept {
        auto &self = *static_cast<visitor *>(userdata);
        if (self.thrown) { // by a look-up
            return 1;
        }
        OUTLIVE_TRY_ {
            const Seen seen = wrap(whole(event));
            if constexpr (std::is_void_v<Said>) {
                std::invoke(self.see, seen);
            } else {
                self.enough = std::invoke(self.see, seen) == visit::enough;
            }
            return self.enough ? 1 : 0;
        }
        OUTLIVE_CATCH_ALL_ {
            self.thrown = std::current_exception();
            return 1;
        }
    }
    bool done(int answer, error_to to) {
        if (thrown) {
            to.said(OUTLIVE_ERROR_INTERRUPTED);
            std::rethrow_exception(std::move(thrown));
        }
        if (enough) {
            to.said(OUTLIVE_OK);
            return false;
        }
        return to.said(answer) == result::ok;
    }
};

// The data of a request's callbacks, at a fixed address however the request object is moved.
struct host {
    callback<bool(std::string_view)> write;
    callback<bool()> flush;
    callback<void(ending)> on_stop, on_forced, on_ended;
    std::exception_ptr thrown = nullptr; // the first one of a shutdown function

    static int on_write(void *userdata, const void *buf, std::size_t len) noexcept {
        OUTLIVE_TRY_ { return static_cast<host *>(userdata)->write({static_cast<const char *>(buf), len}) ? 0 : -1; }
        OUTLIVE_CATCH_ALL_ { return -1; }
    }
    static int on_flush(void *userdata) noexcept {
        OUTLIVE_TRY_ { return static_cast<host *>(userdata)->flush() ? 0 : -1; }
        OUTLIVE_CATCH_ALL_ { return -1; }
    }
    static void stop(void *userdata, int why) noexcept {
        OUTLIVE_TRY_ { static_cast<host *>(userdata)->on_stop(static_cast<ending>(why)); }
        OUTLIVE_CATCH_ALL_ {}
    }
    static void ended(void *userdata, int why) noexcept {
        OUTLIVE_TRY_ { static_cast<host *>(userdata)->on_ended(static_cast<ending>(why)); }
        OUTLIVE_CATCH_ALL_ {}
    }
    static void forced(void *userdata, int why) noexcept {
        OUTLIVE_TRY_ { static_cast<host *>(userdata)->on_forced(static_cast<ending>(why)); }
        OUTLIVE_CATCH_ALL_ {}
    }
};

} // namespace detail
} // namespace outlive

/// @cond
template <> struct std::is_error_code_enum<outlive::result> : std::true_type {};
/// @endcond

namespace outlive {

// ---- ini text ----

/// outlive_ini_options. The look-ups are callables `std::optional<std::string>(std::string_view name)`.
struct ini_options {
    ini_mode mode = ini_mode::normal;
    std::uint32_t php_version = 0; ///< as PHP_VERSION_ID; 0: 80200
    std::string file;              ///< for messages
    bool stop_at_nul = false;
    std::function<std::optional<std::string>(std::string_view)> variable; ///< ${NAME}; none: there are no variables
    std::function<std::optional<std::string>(std::string_view)> constant; ///< none: the core constants of that PHP version
};

/// outlive_ini_parse: shows each statement to `see(const ini_event &)`. False: the visitor had enough, or it failed.
template <class F> bool ini_parse(std::string_view text, const ini_options &options, F &&see, error_to to) {
    using visitor = detail::visitor<outlive_ini_event, std::remove_reference_t<F>>;
    struct state {
        visitor visit;
        const ini_options &options;
        std::string found;
        int look_up(const std::function<std::optional<std::string>(std::string_view)> &function, const char *name, std::size_t len,
                    outlive_str *value) noexcept {
            OUTLIVE_TRY_ {
                std::optional<std::string> answer;
                if (!visit.thrown) {
                    answer = function(std::string_view(name, len));
                }
                if (!answer) {
                    return 0;
                }
                found = std::move(*answer);
                *value = {found.c_str(), found.size()};
                return 1;
            }
            OUTLIVE_CATCH_ALL_ {
                visit.thrown = std::current_exception();
                return 0;
            }
        }
        static int variable(void *userdata, const char *name, std::size_t len, outlive_str *value) noexcept {
            auto &self = *static_cast<state *>(userdata);
            return self.look_up(self.options.variable, name, len, value);
        }
        static int constant(void *userdata, const char *name, std::size_t len, outlive_str *value) noexcept {
            auto &self = *static_cast<state *>(userdata);
            return self.look_up(self.options.constant, name, len, value);
        }
    } state{{see}, options, {}};
    outlive_ini_options given = OUTLIVE_INI_OPTIONS_INIT;
    given.mode = static_cast<int>(options.mode);
    given.php_version = options.php_version;
    given.file = options.file.empty() ? nullptr : options.file.c_str();
    given.stop_at_nul = options.stop_at_nul;
    given.variable = options.variable ? &state::variable : nullptr;
    given.constant = options.constant ? &state::constant : nullptr;
    given.lookup_userdata = &state;
    const int answer = outlive_ini_parse(detail::start(text), text.size(), &given, &visitor::call, &state.visit, to.record());
    return state.visit.done(answer, to);
}
template <class F> bool ini_parse(std::string_view text, const ini_options &options, F &&see) {
    return detail::throwing([&](error_to to) { return ini_parse(text, options, see, to); });
}

// ---- settings ----

/// outlive_settings: the values in force for one target. A copy is another reference. Immutable: any thread.
class settings {
public:
    settings() noexcept = default;
    /// Takes over a reference that came from the C API.
    explicit settings(const outlive_settings *adopted) noexcept : handle_(adopted) {}
    explicit operator bool() const noexcept { return handle_.get() != nullptr; }
    /// For C calls; stays owned.
    const outlive_settings *native() const noexcept { return handle_.get(); }

    /// outlive_settings_get: as text; the view lives as long as the settings. Empty if it failed.
    std::string_view get(std::string_view name, error_to to) const noexcept {
        outlive_str value = {"", 0};
        to.said(outlive_settings_get(native(), detail::start(name), name.size(), &value));
        return detail::view(value);
    }
    std::string_view get(std::string_view name) const {
        return detail::throwing([&](error_to to) { return get(name, to); });
    }
    /// outlive_settings_fingerprint
    std::uint64_t fingerprint() const noexcept { return outlive_settings_fingerprint(native()); }
    /// outlive_settings_get_int; 0 if it failed.
    std::int64_t get_int(std::string_view name, error_to to) const noexcept {
        std::int64_t value = 0;
        to.said(outlive_settings_get_int(native(), detail::start(name), name.size(), &value));
        return value;
    }
    std::int64_t get_int(std::string_view name) const {
        return detail::throwing([&](error_to to) { return get_int(name, to); });
    }
    /// outlive_settings_get_bool; false if it failed.
    bool get_bool(std::string_view name, error_to to) const noexcept {
        int value = 0;
        to.said(outlive_settings_get_bool(native(), detail::start(name), name.size(), &value));
        return value != 0;
    }
    bool get_bool(std::string_view name) const {
        return detail::throwing([&](error_to to) { return get_bool(name, to); });
    }
    /// outlive_settings_get_quantity: "128M" is 134217728; 0 if it failed.
    std::int64_t get_quantity(std::string_view name, error_to to) const noexcept {
        std::int64_t value = 0;
        to.said(outlive_settings_get_quantity(native(), detail::start(name), name.size(), &value));
        return value;
    }
    std::int64_t get_quantity(std::string_view name) const {
        return detail::throwing([&](error_to to) { return get_quantity(name, to); });
    }

    /// outlive_settings_explain: shows each layer to `see(const origin &)`. False: the visitor had enough, or it failed.
    template <class F> bool explain(std::string_view name, F &&see, error_to to) const {
        detail::visitor<outlive_origin, std::remove_reference_t<F>> visitor{see};
        return visitor.done(outlive_settings_explain(native(), detail::start(name), name.size(), &visitor.call, &visitor), to);
    }
    template <class F> bool explain(std::string_view name, F &&see) const {
        return detail::throwing([&](error_to to) { return explain(name, see, to); });
    }
    /// outlive_settings_each: shows each directive to `see(const setting &)`. False: the visitor had enough, or it failed.
    template <class F> bool each(F &&see, error_to to) const {
        detail::visitor<outlive_setting, std::remove_reference_t<F>> visitor{see};
        return visitor.done(outlive_settings_each(native(), &visitor.call, &visitor), to);
    }
    template <class F> bool each(F &&see) const {
        return detail::throwing([&](error_to to) { return each(see, to); });
    }

private:
    detail::shared<outlive_settings, outlive_settings_ref, outlive_settings_free> handle_;
};

// ---- configuration ----

/// Where a line of a container stands.
struct place {
    std::string_view file = {};
    std::uint32_t line = 0;
    bool from_htaccess = false;
};

/// outlive_dir_config: the php_value … lines of one container. Move-only; one thread at a time.
class dir_config {
public:
    /// An empty container; throws std::bad_alloc.
    dir_config() : handle_(outlive_dir_config_new()) {
        if (!handle_) {
            detail::no_memory();
        }
    }
    /// Takes over a handle that came from the C API.
    explicit dir_config(outlive_dir_config *adopted) noexcept : handle_(adopted) {}
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /// For C calls; stays owned.
    outlive_dir_config *native() const noexcept { return handle_.get(); }
    /// Gives the handle away, to be freed with outlive_dir_config_free.
    outlive_dir_config *release() noexcept { return handle_.release(); }

    /// outlive_dir_config_set: one line.
    result set(kind kind, std::string_view name, std::string_view value, const place &at, error_to to) noexcept {
        OUTLIVE_TRY_ {
            const std::string file(at.file);
            return to.said(outlive_dir_config_set(native(), static_cast<int>(kind), detail::start(name), name.size(),
                                                  detail::start(value), value.size(), at.file.empty() ? nullptr : file.c_str(), at.line,
                                                  at.from_htaccess, to.record()));
        }
        OUTLIVE_CATCH_ALL_ { return to.said(result::error_system); }
    }
    dir_config &set(kind kind, std::string_view name, std::string_view value, const place &at = {}) {
        detail::throwing([&](error_to to) { return set(kind, name, value, at, to); });
        return *this;
    }
    /// outlive_dir_config_merge: a new container, `base` with `add` on top; throws std::bad_alloc.
    static dir_config merge(const dir_config &base, const dir_config &add) {
        dir_config made(outlive_dir_config_merge(base.native(), add.native()));
        if (!made) {
            detail::no_memory();
        }
        return made;
    }

private:
    detail::unique<outlive_dir_config, outlive_dir_config_free> handle_;
};

/// A request header of a target.
struct header {
    std::string_view name, value;
};

/// outlive_target: what a request asks for. Everything is optional, empty where unknown; only read during the call. A NUL inside a text
/// is result::error_argument.
struct target {
    std::string_view server_name = {}, server_address = {};
    int port = 0;
    std::string_view scheme = {}, method = {}, uri = {}, filename = {}, document_root = {}, protocol = {}, client_address = {};
    span<const header> headers = {};
};

/// outlive_config: a configuration, immutable. A copy is another reference. Any thread.
class config {
public:
    config() noexcept = default;
    /// Takes over a reference that came from the C API.
    explicit config(const outlive_config *adopted) noexcept : handle_(adopted) {}
    explicit operator bool() const noexcept { return handle_.get() != nullptr; }
    /// For C calls; stays owned.
    const outlive_config *native() const noexcept { return handle_.get(); }

    /// outlive_config_resolve without a target: the settings of the whole server.
    settings resolve(error_to to) const noexcept { return resolve_native(nullptr, to); }
    settings resolve() const {
        return detail::throwing([&](error_to to) { return resolve(to); });
    }
    /// outlive_config_resolve: the settings in force for a target. Empty if it failed.
    settings resolve(const target &target, error_to to) const noexcept;
    settings resolve(const target &target) const {
        return detail::throwing([&](error_to to) { return resolve(target, to); });
    }
    /// outlive_config_status: 0, or the HTTP status with which httpd answers a target by itself. 0 as well if it failed.
    int status(const target &target, error_to to) const noexcept;
    int status(const target &target) const {
        return detail::throwing([&](error_to to) { return status(target, to); });
    }
    /// outlive_config_refresh: from now on every .htaccess and .user.ini is read again once.
    void refresh() const noexcept { outlive_config_refresh(native()); }
    /// outlive_config_resolve_dir: the settings for a merged container. Empty if it failed.
    settings resolve_dir(const dir_config &dir_config, error_to to) const noexcept {
        const outlive_settings *made = nullptr;
        to.said(outlive_config_resolve_dir(native(), dir_config.native(), &made, to.record()));
        return settings(made);
    }
    settings resolve_dir(const dir_config &dir_config) const {
        return detail::throwing([&](error_to to) { return resolve_dir(dir_config, to); });
    }
    /// outlive_config_diagnostics: shows each finding to `see(const diagnostic &)`. False: the visitor had enough, or it failed.
    template <class F> bool diagnostics(F &&see, error_to to) const {
        detail::visitor<outlive_diagnostic, std::remove_reference_t<F>> visitor{see};
        return visitor.done(outlive_config_diagnostics(native(), &visitor.call, &visitor), to);
    }
    template <class F> bool diagnostics(F &&see) const {
        return detail::throwing([&](error_to to) { return diagnostics(see, to); });
    }

private:
    /// Makes a call with a C target; returns an error of its own if the target cannot be made.
    template <class F> auto with_native(const target &target, error_to to, F &&call) const noexcept -> decltype(call(nullptr));
    settings resolve_native(const outlive_target *target, error_to to) const noexcept {
        const outlive_settings *made = nullptr;
        to.said(outlive_config_resolve(native(), target, &made, to.record()));
        return settings(made);
    }
    detail::shared<outlive_config, outlive_config_ref, outlive_config_free> handle_;
};

template <class F> auto config::with_native(const target &target, error_to to, F &&call) const noexcept -> decltype(call(nullptr)) {
    OUTLIVE_TRY_ {
        // The C struct wants NUL-terminated texts: one buffer for all of them, sized first so that it does not move.
        const std::string_view texts[] = {target.server_name, target.server_address, target.scheme,   target.method,        target.uri,
                                          target.filename,    target.document_root,  target.protocol, target.client_address};
        const char *copies[sizeof texts / sizeof *texts] = {};
        std::size_t size = 0;
        bool has_nul = false;
        const auto count = [&](std::string_view text) {
            size += text.size() + 1;
            has_nul = has_nul || text.find('\0') != text.npos;
        };
        for (const std::string_view text : texts) {
            count(text);
        }
        for (const header &header : target.headers) {
            count(header.name), count(header.value);
        }
        if (has_nul) {
            to.said(result::error_argument);
            return {};
        }
        std::string buffer;
        buffer.reserve(size);
        const auto copy = [&](std::string_view text) {
            const char *at = buffer.data() + buffer.size();
            buffer.append(text).push_back('\0');
            return at;
        };
        for (std::size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            copies[i] = texts[i].empty() ? nullptr : copy(texts[i]);
        }
        const auto headers = std::make_unique<outlive_header[]>(target.headers.size());
        for (std::size_t i = 0; i < target.headers.size(); i++) {
            headers[i] = {copy(target.headers[i].name), copy(target.headers[i].value)};
        }
        outlive_target given = OUTLIVE_TARGET_INIT;
        given.server_name = copies[0];
        given.server_address = copies[1];
        given.port = target.port;
        given.scheme = copies[2];
        given.method = copies[3];
        given.uri = copies[4];
        given.filename = copies[5];
        given.document_root = copies[6];
        given.protocol = copies[7];
        given.client_address = copies[8];
        given.headers = target.headers.size() == 0 ? nullptr : headers.get();
        given.header_count = target.headers.size();
        return call(&given);
    }
    OUTLIVE_CATCH_ALL_ {
        to.said(result::error_system);
        return {};
    }
}

inline settings config::resolve(const target &target, error_to to) const noexcept {
    return with_native(target, to, [&](const outlive_target *given) { return resolve_native(given, to); });
}

inline int config::status(const target &target, error_to to) const noexcept {
    return with_native(target, to, [&](const outlive_target *given) {
        int status = 0;
        to.said(outlive_config_status(native(), given, &status, to.record()));
        return status;
    });
}

/// outlive_directive: a directive of the host's own. `check(std::string_view value)` returns bool; any thread may call it, several at
/// once; it lives until no configuration needs it.
struct directive {
    std::string_view name;
    outlive::access access = outlive::access::all;
    std::optional<std::string_view> default_value = {};
    detail::callback<bool(std::string_view)> check = {};
};

/// outlive_config_builder: collects files, definitions and options. Move-only; one thread at a time.
class config_builder {
public:
    /// Nothing loaded: PHP's defaults; throws std::bad_alloc.
    config_builder() : handle_(outlive_config_builder_new()) {
        if (!handle_) {
            detail::no_memory();
        }
    }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /// For C calls; stays owned.
    outlive_config_builder *native() const noexcept { return handle_.get(); }

    /// outlive_config_builder_set_php_version: 70400 to 80500.
    result set_php_version(std::uint32_t version, error_to to) noexcept {
        return to.said(outlive_config_builder_set_php_version(native(), version, to.record()));
    }
    config_builder &set_php_version(std::uint32_t version) {
        return chain([&](error_to to) { return set_php_version(version, to); });
    }
    /// outlive_config_builder_set_sapi: "apache2handler", "fpm-fcgi" …
    result set_sapi(std::string_view name, error_to to) noexcept {
        return to.said(outlive_config_builder_set_sapi(native(), detail::start(name), name.size(), to.record()));
    }
    config_builder &set_sapi(std::string_view name) {
        return chain([&](error_to to) { return set_sapi(name, to); });
    }
    /// outlive_config_builder_set_env: one variable that ${NAME} may see.
    result set_env(std::string_view name, std::string_view value, error_to to) noexcept {
        return to.said(outlive_config_builder_set_env(native(), detail::start(name), name.size(), detail::start(value), value.size(),
                                                      to.record()));
    }
    config_builder &set_env(std::string_view name, std::string_view value) {
        return chain([&](error_to to) { return set_env(name, value, to); });
    }
    /// outlive_config_builder_use_process_env: all variables of the process.
    result use_process_env(error_to to) noexcept { return to.said(outlive_config_builder_use_process_env(native())); }
    config_builder &use_process_env() {
        return chain([&](error_to to) { return use_process_env(to); });
    }
    /// outlive_config_builder_set: as php -d name=value.
    result set(std::string_view name, std::string_view value, error_to to) noexcept {
        return to.said(
            outlive_config_builder_set(native(), detail::start(name), name.size(), detail::start(value), value.size(), to.record()));
    }
    config_builder &set(std::string_view name, std::string_view value) {
        return chain([&](error_to to) { return set(name, value, to); });
    }
    /// outlive_config_builder_load_php_ini without a path: PHP's own search.
    result load_php_ini(error_to to) noexcept {
        return to.said(outlive_config_builder_load_php_ini(native(), nullptr, 0, to.record()));
    }
    config_builder &load_php_ini() {
        return chain([&](error_to to) { return load_php_ini(to); });
    }
    /// outlive_config_builder_load_php_ini: one php.ini.
    result load_php_ini(std::string_view path, error_to to) noexcept {
        return to.said(outlive_config_builder_load_php_ini(native(), detail::start(path), path.size(), to.record()));
    }
    config_builder &load_php_ini(std::string_view path) {
        return chain([&](error_to to) { return load_php_ini(path, to); });
    }
    /// outlive_config_builder_set_compiled_in: where a search looks last, and the scan directory; empty: none.
    result set_compiled_in(std::string_view directory, std::string_view scan_directory, error_to to) noexcept {
        return to.said(outlive_config_builder_set_compiled_in(native(), directory.empty() ? nullptr : directory.data(), directory.size(),
                                                              scan_directory.empty() ? nullptr : scan_directory.data(),
                                                              scan_directory.size(), to.record()));
    }
    config_builder &set_compiled_in(std::string_view directory, std::string_view scan_directory) {
        return chain([&](error_to to) { return set_compiled_in(directory, scan_directory, to); });
    }
    /// outlive_config_builder_set_binary_dir: the directory of the PHP program.
    result set_binary_dir(std::string_view directory, error_to to) noexcept {
        return to.said(
            outlive_config_builder_set_binary_dir(native(), detail::start(directory), directory.size(), to.record()));
    }
    config_builder &set_binary_dir(std::string_view directory) {
        return chain([&](error_to to) { return set_binary_dir(directory, to); });
    }
    /// outlive_config_builder_set_scan_dirs: as PHP_INI_SCAN_DIR.
    result set_scan_dirs(std::string_view list, error_to to) noexcept {
        return to.said(outlive_config_builder_set_scan_dirs(native(), detail::start(list), list.size(), to.record()));
    }
    config_builder &set_scan_dirs(std::string_view list) {
        return chain([&](error_to to) { return set_scan_dirs(list, to); });
    }
    /// outlive_config_builder_add_fastcgi_param: "PHP_VALUE" or "PHP_ADMIN_VALUE".
    result add_fastcgi_param(std::string_view name, std::string_view text, error_to to) noexcept {
        return to.said(outlive_config_builder_add_fastcgi_param(native(), detail::start(name), name.size(), detail::start(text),
                                                                text.size(), to.record()));
    }
    config_builder &add_fastcgi_param(std::string_view name, std::string_view text) {
        return chain([&](error_to to) { return add_fastcgi_param(name, text, to); });
    }
    /// outlive_config_builder_load_httpd_conf: Apache's main file, with all that it includes.
    result load_httpd_conf(std::string_view path, error_to to) noexcept {
        return to.said(outlive_config_builder_load_httpd_conf(native(), detail::start(path), path.size(), to.record()));
    }
    config_builder &load_httpd_conf(std::string_view path) {
        return chain([&](error_to to) { return load_httpd_conf(path, to); });
    }
    /// outlive_config_builder_load_fpm_pool without a pool: the first one.
    result load_fpm_pool(std::string_view path, error_to to) noexcept {
        return to.said(outlive_config_builder_load_fpm_pool(native(), detail::start(path), path.size(), nullptr, 0, to.record()));
    }
    config_builder &load_fpm_pool(std::string_view path) {
        return chain([&](error_to to) { return load_fpm_pool(path, to); });
    }
    /// outlive_config_builder_load_fpm_pool
    result load_fpm_pool(std::string_view path, std::string_view pool, error_to to) noexcept {
        return to.said(outlive_config_builder_load_fpm_pool(native(), detail::start(path), path.size(), detail::start(pool), pool.size(),
                                                            to.record()));
    }
    config_builder &load_fpm_pool(std::string_view path, std::string_view pool) {
        return chain([&](error_to to) { return load_fpm_pool(path, pool, to); });
    }
    /// outlive_config_builder_define: httpd's -D NAME.
    result define(std::string_view name, error_to to) noexcept {
        return to.said(outlive_config_builder_define(native(), detail::start(name), name.size(), nullptr, 0, to.record()));
    }
    config_builder &define(std::string_view name) {
        return chain([&](error_to to) { return define(name, to); });
    }
    /// outlive_config_builder_define: Define NAME VALUE.
    result define(std::string_view name, std::string_view value, error_to to) noexcept {
        return to.said(
            outlive_config_builder_define(native(), detail::start(name), name.size(), detail::start(value), value.size(), to.record()));
    }
    config_builder &define(std::string_view name, std::string_view value) {
        return chain([&](error_to to) { return define(name, value, to); });
    }
    /// outlive_config_builder_register (`register` is a word of the language). Takes the check over.
    result register_directive(directive directive, error_to to) noexcept;
    config_builder &register_directive(directive directive) {
        return chain([&](error_to to) { return register_directive(std::move(directive), to); });
    }
    /// outlive_config_builder_build: uses up what was loaded. Empty if it failed.
    config build(error_to to) noexcept {
        outlive_config *made = nullptr;
        to.said(outlive_config_builder_build(native(), &made, to.record()));
        return config(made);
    }
    config build() {
        return detail::throwing([&](error_to to) { return build(to); });
    }

private:
    template <class F> config_builder &chain(F &&call) {
        detail::throwing(call);
        return *this;
    }
    detail::unique<outlive_config_builder, outlive_config_builder_free> handle_;
};

inline result config_builder::register_directive(directive directive, error_to to) noexcept {
    using check = detail::callback<bool(std::string_view)>;
    OUTLIVE_TRY_ {
        const std::string name(directive.name), value(directive.default_value.value_or(""));
        if (name.find('\0') != name.npos || value.find('\0') != value.npos) {
            return to.said(result::error_argument);
        }
        outlive_directive given = OUTLIVE_DIRECTIVE_INIT;
        given.name = name.c_str();
        given.access = static_cast<int>(directive.access);
        given.default_value = directive.default_value ? value.c_str() : nullptr;
        std::unique_ptr<check> owned;
        if (directive.check) {
            owned = std::make_unique<check>(std::move(directive.check));
            given.userdata = owned.get();
            given.check = [](void *userdata, const char *text, std::size_t len) noexcept {
                OUTLIVE_TRY_ { return (*static_cast<check *>(userdata))({text, len}) ? 1 : 0; }
                OUTLIVE_CATCH_ALL_ { return 0; }
            };
            given.destroy = [](void *userdata) noexcept { delete static_cast<check *>(userdata); };
        }
        const result answer = to.said(outlive_config_builder_register(native(), &given, to.record()));
        if (answer == result::ok) {
            static_cast<void>(owned.release()); // the library's now
        }
        return answer;
    }
    OUTLIVE_CATCH_ALL_ { return to.said(result::error_system); }
}

// ---- requests ----

/// OUTLIVE_NO_LIMIT, for request_ref::set_time_limit_ms and from request_ref::time_left.
inline constexpr std::chrono::milliseconds no_limit{OUTLIVE_NO_LIMIT};

/// The options of a request; outlive_request_options. The request owns the callables until it has ended.
struct request_options {
    std::string_view label = {};  ///< for people; copied
    std::string_view method = {}; ///< "GET" …; copied
    int socket = -1;              ///< to watch, stays the host's; -1: none
    bool reading_input = false;   ///< begins in the input stage; request_ref::run ends that
    /// bool or void (std::string_view bytes): writes all of it. False, or an exception: the client has gone.
    detail::callback<bool(std::string_view)> write = {};
    /// bool or void (). False, or an exception: the client has gone.
    detail::callback<bool()> flush = {};
    /// void (ending), from the engine's thread: a stop is due at the next safe point.
    detail::callback<void(ending)> on_stop = {};
    /// void (ending), from the engine's thread: the forced stage.
    detail::callback<void(ending)> on_forced = {};
    /// void (ending), on the thread that ends the request, after everything else: it has ended.
    detail::callback<void(ending)> on_ended = {};
    std::string_view key = {}; ///< what makes two submissions the same, scoped by the host; copied
    bool resumed = false;      ///< works on what was accepted before, for no client
    std::uint32_t stop_queue = 0; ///< which of the engine's queues tells of it
};

/// A non-owning reference to a request, freely copied; shutdown functions and guards get it. Calls after the end answer
/// result::error_ended as long as the engine lives. One thread at a time, but for client_gone and is_gone.
class request_ref {
public:
    request_ref() noexcept = default;
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /// For C calls other than outlive_request_end.
    outlive_request *native() const noexcept { return handle_; }

    /// outlive_request_run: the input has been read.
    result run(error_to to) const noexcept { return to.said(outlive_request_run(handle_)); }
    result run() const { return detail::checked(outlive_request_run(handle_)); }
    /// outlive_request_write: ok or stop. A safe point.
    [[nodiscard]] result write(std::string_view bytes, error_to to) const noexcept {
        return to.said(outlive_request_write(handle_, bytes.data(), bytes.size()));
    }
    [[nodiscard]] result write(std::string_view bytes) const {
        return detail::checked(outlive_request_write(handle_, bytes.data(), bytes.size()));
    }
    /// outlive_request_flush: ok or stop. A safe point.
    [[nodiscard]] result flush(error_to to) const noexcept { return to.said(outlive_request_flush(handle_)); }
    [[nodiscard]] result flush() const { return detail::checked(outlive_request_flush(handle_)); }
    /// outlive_request_check: ok or stop. A safe point.
    [[nodiscard]] result check(error_to to) const noexcept { return to.said(outlive_request_check(handle_)); }
    [[nodiscard]] result check() const { return detail::checked(outlive_request_check(handle_)); }
    /// outlive_request_client_gone: any thread, and signal handlers; so it never throws, and returns its result.
    result client_gone() const noexcept { return static_cast<result>(outlive_request_client_gone(handle_)); }
    /// outlive_request_is_gone: any thread; with an error_to, signal handlers too.
    bool is_gone(error_to to) const noexcept { return to.said(outlive_request_is_gone(handle_)) == result(1); }
    bool is_gone() const { return detail::checked(outlive_request_is_gone(handle_)) == result(1); }
    /// outlive_request_connection_status
    connection connection_status(error_to to) const noexcept {
        const int answer = outlive_request_connection_status(handle_);
        to.said(answer);
        return static_cast<connection>(answer < 0 ? 0 : answer);
    }
    connection connection_status() const { return static_cast<connection>(detail::checked(outlive_request_connection_status(handle_))); }
    /// outlive_request_ignore_user_abort: asks.
    bool ignore_user_abort(error_to to) const noexcept { return to.said(outlive_request_ignore_user_abort(handle_, -1)) == result(1); }
    bool ignore_user_abort() const { return detail::checked(outlive_request_ignore_user_abort(handle_, -1)) == result(1); }
    /// outlive_request_ignore_user_abort: sets; the setting before.
    template <class Bool, class = std::enable_if_t<std::is_same_v<Bool, bool>>> // not -1, which would be true
    bool ignore_user_abort(Bool enable, error_to to) const noexcept {
        return to.said(outlive_request_ignore_user_abort(handle_, enable)) == result(1);
    }
    template <class Bool, class = std::enable_if_t<std::is_same_v<Bool, bool>>> bool ignore_user_abort(Bool enable) const {
        return detail::checked(outlive_request_ignore_user_abort(handle_, enable)) == result(1);
    }
    /// outlive_request_set_time_limit: from now; 0 or less: none.
    result set_time_limit(std::chrono::seconds limit, error_to to) const noexcept {
        return to.said(outlive_request_set_time_limit(handle_, limit.count()));
    }
    result set_time_limit(std::chrono::seconds limit) const {
        return detail::checked(outlive_request_set_time_limit(handle_, limit.count()));
    }
    /// outlive_request_set_time_limit_ms: from now; no_limit: none; 0 or less: it has passed.
    result set_time_limit_ms(std::chrono::milliseconds limit, error_to to) const noexcept {
        return to.said(outlive_request_set_time_limit_ms(handle_, limit.count()));
    }
    result set_time_limit_ms(std::chrono::milliseconds limit) const {
        return detail::checked(outlive_request_set_time_limit_ms(handle_, limit.count()));
    }
    /// outlive_request_time_left: until it may be told to stop; 0: a stop waits; no_limit: there is no known reason to stop. Any
    /// thread.
    std::chrono::milliseconds time_left(error_to to) const noexcept {
        const std::int64_t left = outlive_request_time_left(handle_);
        to.said(left < 0 ? static_cast<int>(left) : OUTLIVE_OK);
        return std::chrono::milliseconds(left < 0 ? 0 : left);
    }
    std::chrono::milliseconds time_left() const {
        return detail::throwing([&](error_to to) { return time_left(to); });
    }
    /// outlive_request_set_accepted: ok or already. The submission is stored durably: from here on a disconnect does not stop the
    /// request.
    result set_accepted(error_to to) const noexcept { return to.said(outlive_request_set_accepted(handle_)); }
    result set_accepted() const { return detail::checked(outlive_request_set_accepted(handle_)); }
    // outlive_request_userdata is this class's own: it keeps the host's functions there.
    /// outlive_request_id: of one engine, never used twice; 0: there is no request. Any thread.
    std::uint64_t id() const noexcept { return outlive_request_id(handle_); }
    /// outlive_request_cancel: ok or already. Any thread, and signal handlers; so it never throws, and answers with its result.
    result cancel() const noexcept { return static_cast<result>(outlive_request_cancel(handle_)); }
    /// outlive_request_register_shutdown_function. `function` is called with (request_ref, ending), (ending) or (), and returns nothing or
    /// a result: ok, or stop, which ends the pass. It is taken over, and destroyed when the request has ended; a captured reference
    /// has to live until then. What it throws ends the pass too; see request::end.
    template <class F> result register_shutdown_function(F &&function, error_to to) const noexcept;
    template <class F> result register_shutdown_function(F &&function) const {
        return detail::throwing([&](error_to to) { return register_shutdown_function(std::forward<F>(function), to); });
    }
    /// outlive_request_set_label: the label in the live table.
    result set_label(std::string_view label, error_to to) const noexcept {
        return to.said(outlive_request_set_label(handle_, detail::terminated(label).get()));
    }
    result set_label(std::string_view label) const {
        return detail::checked(outlive_request_set_label(handle_, detail::terminated(label).get()));
    }
    /// outlive_request_is_forced
    bool is_forced(error_to to) const noexcept { return to.said(outlive_request_is_forced(handle_)) == result(1); }
    bool is_forced() const { return detail::checked(outlive_request_is_forced(handle_)) == result(1); }
    /// outlive_request_hold; the guard outlive::hold does it, too.
    result hold(error_to to) const noexcept { return to.said(outlive_request_hold(handle_)); }
    result hold() const { return detail::checked(outlive_request_hold(handle_)); }
    /// outlive_request_release: ok, or stop if one waited. The last release is a safe point.
    [[nodiscard]] result release(error_to to) const noexcept { return to.said(outlive_request_release(handle_)); }
    [[nodiscard]] result release() const { return detail::checked(outlive_request_release(handle_)); }
    /// outlive_request_suspend; the guard outlive::suspend does it, too.
    result suspend(error_to to) const noexcept { return to.said(outlive_request_suspend(handle_)); }
    result suspend() const { return detail::checked(outlive_request_suspend(handle_)); }
    /// outlive_request_resume
    result resume(error_to to) const noexcept { return to.said(outlive_request_resume(handle_)); }
    result resume() const { return detail::checked(outlive_request_resume(handle_)); }
    /// outlive_request_finish: ok, already or stop. A safe point.
    [[nodiscard]] result finish(error_to to) const noexcept { return to.said(outlive_request_finish(handle_)); }
    [[nodiscard]] result finish() const { return detail::checked(outlive_request_finish(handle_)); }
    /// outlive_request_ini_get: the view lives until the next change of a directive in this request. Empty if it failed.
    std::string_view ini_get(std::string_view name, error_to to) const noexcept {
        outlive_str value = {"", 0};
        to.said(outlive_request_ini_get(handle_, detail::start(name), name.size(), &value));
        return detail::view(value);
    }
    std::string_view ini_get(std::string_view name) const {
        return detail::throwing([&](error_to to) { return ini_get(name, to); });
    }
    /// outlive_request_ini_set: the value before, which lives until the next change. Empty if it failed.
    std::string_view ini_set(std::string_view name, std::string_view value, error_to to) const noexcept {
        outlive_str before = {"", 0};
        to.said(outlive_request_ini_set(handle_, detail::start(name), name.size(), detail::start(value), value.size(), &before));
        return detail::view(before);
    }
    std::string_view ini_set(std::string_view name, std::string_view value) const {
        return detail::throwing([&](error_to to) { return ini_set(name, value, to); });
    }
    /// outlive_request_ini_restore
    result ini_restore(std::string_view name, error_to to) const noexcept {
        return to.said(outlive_request_ini_restore(handle_, detail::start(name), name.size()));
    }
    result ini_restore(std::string_view name) const {
        return detail::checked(outlive_request_ini_restore(handle_, detail::start(name), name.size()));
    }
    /// outlive_request_ending: none while nothing has ended it.
    outlive::ending ending(error_to to) const noexcept {
        const int answer = outlive_request_ending(handle_);
        to.said(answer);
        return static_cast<outlive::ending>(answer < 0 ? OUTLIVE_ENDING_NONE : answer);
    }
    outlive::ending ending() const { return static_cast<outlive::ending>(detail::checked(outlive_request_ending(handle_))); }
    /// outlive_request_exit: every safe point of this stage says stop from here on.
    result exit(outlive::ending why, error_to to) const noexcept {
        return to.said(outlive_request_exit(handle_, static_cast<int>(why)));
    }
    result exit(outlive::ending why) const { return detail::checked(outlive_request_exit(handle_, static_cast<int>(why))); }

protected:
    request_ref(outlive_request *handle, detail::host *host) noexcept : handle_(handle), host_(host) {}
    outlive_request *handle_ = nullptr;
    detail::host *host_ = nullptr; // only handed on; looked into while the request ends
    template <class> friend struct detail::shutdown_function;
};

namespace detail {
// What is registered for a callable.
template <class F> struct shutdown_function {
    F function;
    detail::host *host;

    static int call(outlive_request *request, int why, void *userdata) noexcept {
        auto &self = *static_cast<shutdown_function *>(userdata);
        OUTLIVE_TRY_ {
            const request_ref ref(request, self.host);
            const auto because = static_cast<outlive::ending>(why);
            if constexpr (std::is_invocable_v<F &, request_ref, outlive::ending>) {
                return said([&]() -> decltype(auto) { return std::invoke(self.function, ref, because); });
            } else if constexpr (std::is_invocable_v<F &, outlive::ending>) {
                return said([&]() -> decltype(auto) { return std::invoke(self.function, because); });
            } else {
                return said([&]() -> decltype(auto) { return std::invoke(self.function); });
            }
        }
        OUTLIVE_CATCH_ALL_ {
            if (!self.host->thrown) {
                self.host->thrown = std::current_exception();
            }
            return OUTLIVE_STOP;
        }
    }
    static void destroy(void *userdata) noexcept { delete static_cast<shutdown_function *>(userdata); }

private:
    template <class Call> static int said(Call &&call) {
        using Said = decltype(call());
        static_assert(std::is_void_v<Said> || std::is_same_v<Said, result>, "a shutdown function returns outlive::result or nothing");
        if constexpr (std::is_void_v<Said>) {
            call();
            return OUTLIVE_OK;
        } else {
            return static_cast<int>(call());
        }
    }
};
} // namespace detail

template <class F> result request_ref::register_shutdown_function(F &&function, error_to to) const noexcept {
    using owned = detail::shutdown_function<std::decay_t<F>>;
    OUTLIVE_TRY_ {
        std::unique_ptr<owned> made(new owned{std::forward<F>(function), host_});
        const result answer = to.said(outlive_request_register_shutdown_function(handle_, &owned::call, made.get(), &owned::destroy));
        if (answer == result::ok) {
            static_cast<void>(made.release()); // the library's now
        }
        return answer;
    }
    OUTLIVE_CATCH_ALL_ { return to.said(result::error_system); }
}

/// outlive_request: owns the request; made by engine::begin. Move-only.
///
/// Destroyed without end(), it ends the request, with ending host_error if that is because an exception unwinds the stack (and
/// nothing else was first); what shutdown functions throw is lost then. Not to be destroyed in its own callbacks, nor while
/// another thread is inside a call on it.
class request : public request_ref {
public:
    request() noexcept = default;
    request(request &&other) noexcept
        : request_ref(std::exchange(other.handle_, nullptr), std::exchange(other.host_, nullptr)),
          flags_(std::exchange(other.flags_, &no_flags)), exceptions_(other.exceptions_) {}
    request &operator=(request &&other) noexcept {
        if (this != &other) {
            drop();
            handle_ = std::exchange(other.handle_, nullptr);
            host_ = std::exchange(other.host_, nullptr);
            flags_ = std::exchange(other.flags_, &no_flags);
            exceptions_ = other.exceptions_;
        }
        return *this;
    }
    ~request() { drop(); }

    /// The request without owning it, for other threads and for guards.
    request_ref ref() const noexcept { return *this; }

    /// As request_ref::check, for a fraction of a nanosecond while nothing waits (OUTLIVE_CHECK).
    [[nodiscard]] result check() const { return detail::checked(OUTLIVE_CHECK(handle_, flags_)); }
    [[nodiscard]] result check(error_to to) const noexcept { return to.said(OUTLIVE_CHECK(handle_, flags_)); }

    /// outlive_request_shut_down: the shutdown functions and the last output; end() then only frees. Why it ended. What a shutdown function
    /// threw is thrown by end().
    outlive::ending shut_down(error_to to) noexcept {
        int why = OUTLIVE_ENDING_NONE;
        to.said(outlive_request_shut_down(handle_, &why, to.record()));
        return static_cast<outlive::ending>(why);
    }
    outlive::ending shut_down() {
        return detail::throwing([&](error_to to) { return shut_down(to); });
    }

    /// outlive_request_end. The object is empty then. Throws the first exception that a shutdown function threw, once everything is done;
    /// if the end itself is refused, outlive::error, and the request is still there.
    void end() {
        std::exception_ptr thrown;
        detail::throwing([&](error_to to) { return end(to, thrown); });
        if (thrown) {
            std::rethrow_exception(std::move(thrown));
        }
    }
    /// As end(), without throwing: `thrown` is what a shutdown function threw, or null.
    result end(error_to to, std::exception_ptr &thrown) noexcept {
        thrown = nullptr;
        const result answer = to.said(outlive_request_end(handle_, to.record()));
        if (answer == result::ok) {
            thrown = std::move(host_->thrown);
            delete host_;
            handle_ = nullptr;
            host_ = nullptr;
            flags_ = &no_flags;
        }
        return answer;
    }

private:
    friend class engine;
    request(outlive_request *handle, detail::host *host) noexcept
        : request_ref(handle, host), flags_(outlive_request_flags(handle)), exceptions_(std::uncaught_exceptions()) {}

    void drop() noexcept {
        if (handle_ == nullptr) {
            return;
        }
        if (std::uncaught_exceptions() > exceptions_) {
            outlive_request_exit(handle_, OUTLIVE_ENDING_HOST_ERROR);
        }
        const int answer = outlive_request_end(handle_, nullptr);
        // Refused (another thread is inside): the request goes on, and its callbacks have to stay. In a forked child they are never called.
        if (answer == OUTLIVE_OK || answer == OUTLIVE_ERROR_FORKED) {
            delete host_;
        }
        handle_ = nullptr;
        host_ = nullptr;
        flags_ = &no_flags;
    }
    static constexpr std::uint32_t no_flags = 1; // an empty handle: the C function says what is wrong
    const std::uint32_t *flags_ = &no_flags;
    int exceptions_ = 0;
};

/// A section in which no stop is delivered; nestable. Has to go before the request does. On the thread that works on it.
class hold {
public:
    /// outlive_request_hold; throws outlive::error.
    explicit hold(request_ref request) : request_(request) { request_.hold(); }
    /// As well; when the section ends, `waited` becomes stop if a stop waited, else ok, also where the destructor ends it.
    hold(request_ref request, result &waited) : hold(request) { waited_ = &waited; }
    /// Without throwing: holds nothing if it failed.
    hold(request_ref request, error_to to) noexcept {
        if (request.hold(to) == result::ok) {
            request_ = request;
        }
    }
    hold(hold &&other) noexcept : request_(std::exchange(other.request_, {})), waited_(other.waited_) {}
    hold &operator=(hold &&) = delete;
    /// Releases, silently: a stop that waited shows at the next safe point of this stage again.
    ~hold() {
        if (request_) {
            tell(outlive_request_release(request_.native()));
        }
    }
    /// Ends the section now: stop if a stop waited. A safe point; throws outlive::error, also if there is nothing to release.
    [[nodiscard]] result release() { return detail::checked(tell(outlive_request_release(std::exchange(request_, {}).native()))); }

private:
    int tell(int answer) noexcept {
        if (waited_ != nullptr) {
            *waited_ = static_cast<result>(answer);
        }
        return answer;
    }
    request_ref request_;
    result *waited_ = nullptr;
};

/// For event loops: this thread does not work on the request while the guard lives; its CPU time is not charged. Resumes on the thread
/// that destroys it. Has to go before the request does.
class suspend {
public:
    /// outlive_request_suspend; throws outlive::error.
    explicit suspend(request_ref request) : request_(request) { request_.suspend(); }
    /// Without throwing: suspends nothing if it failed.
    suspend(request_ref request, error_to to) noexcept {
        if (request.suspend(to) == result::ok) {
            request_ = request;
        }
    }
    suspend(suspend &&other) noexcept : request_(std::exchange(other.request_, {})) {}
    suspend &operator=(suspend &&) = delete;
    /// outlive_request_resume
    ~suspend() {
        if (request_) {
            outlive_request_resume(request_.native());
        }
    }

private:
    request_ref request_;
};

// ---- what can be seen, as text ----

/// OUTLIVE_RENDER_METRICS …
enum class rendered : int {
    metrics = OUTLIVE_RENDER_METRICS,
    json = OUTLIVE_RENDER_JSON,
    page = OUTLIVE_RENDER_PAGE,
    table = OUTLIVE_RENDER_TABLE,
};

/// outlive_render_content_type
inline const char *content_type(rendered what) noexcept { return outlive_render_content_type(static_cast<int>(what)); }

namespace detail {

// Memory that runs out must not pass through the library.
inline int append(void *userdata, const void *bytes, std::size_t len) noexcept {
#if defined(__cpp_exceptions)
    try {
#endif
        static_cast<std::string *>(userdata)->append(static_cast<const char *>(bytes), len);
        return 0;
#if defined(__cpp_exceptions)
    } catch (...) {
        return -1;
    }
#endif
}

template <class F> std::string rendering(std::string_view title, std::string_view notes, F &&render) {
    const std::string first(title), second(notes);
    outlive_render_options options = OUTLIVE_RENDER_OPTIONS_INIT;
    options.title = first.c_str();
    options.notes = second.c_str();
    std::string text;
    if (render(options, text) != result::ok) {
        text.clear();
    }
    return text;
}

} // namespace detail

// ---- engine ----

/// outlive_engine_options
struct engine_options {
    std::uint32_t max_requests = 0; ///< 0: as many as can be held
    std::string scoreboard = {};    ///< a file; empty: what outlive.scoreboard says
    std::uint32_t scoreboard_rows = 0; ///< of a file that is made; 0: 65,536
    int scoreboard_fd = 0;             ///< an open file in place of a path; stays yours; 0: none
    std::uint32_t stop_queues = 0;  ///< one for each event loop; 0: stops are told by request_options::on_stop and on_forced
    bool no_thread = false;         ///< the only queue's loop looks around, and no thread does
};

/// outlive_stop's kind.
enum class stop_kind : int {
    due = OUTLIVE_STOP_DUE,
    forced = OUTLIVE_STOP_FORCED,
    drained = OUTLIVE_STOP_DRAINED,
};

/// outlive_stop: an entry of a stop queue. Look your request up by its id: it may have ended since, if other threads end
/// requests.
struct stop {
    stop_kind kind;
    ending why;
    std::uint64_t id;
};

/// outlive_engine: manages many requests at once; one per process is usual. Move-only. Any thread; make it after a fork. Requests
/// should end before it is destroyed: drain it.
class engine {
public:
    /// outlive_engine_new; throws outlive::error.
    explicit engine(const engine_options &options = {}) {
        detail::throwing([&](error_to to) { return make(options, to); });
    }
    /// Without throwing: empty if it failed.
    engine(const engine_options &options, error_to to) noexcept { make(options, to); }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /// For C calls; stays owned.
    outlive_engine *native() const noexcept { return handle_.get(); }

    /// outlive_request_begin, on the calling thread. Empty if it failed. Costs one allocation beside the C call.
    request begin(const settings &settings, request_options options, error_to to) const noexcept;
    request begin(const settings &settings, request_options options = {}) const {
        return detail::throwing([&](error_to to) { return begin(settings, std::move(options), to); });
    }
    /// outlive_engine_drain. False: time ran out and something still runs (or it failed); true: nothing is in flight.
    bool drain(std::chrono::milliseconds time, error_to to) const noexcept {
        const int answer = outlive_engine_drain(native(), time.count());
        to.said(answer == OUTLIVE_ERROR_TIMEOUT ? OUTLIVE_OK : answer);
        return answer == OUTLIVE_OK;
    }
    bool drain(std::chrono::milliseconds time) const {
        return detail::throwing([&](error_to to) { return drain(time, to); });
    }
    /// outlive_engine_begin_drain: returns at once; negative: no deadline.
    result begin_drain(std::chrono::milliseconds time, error_to to) const noexcept {
        return to.said(outlive_engine_begin_drain(native(), time.count()));
    }
    result begin_drain(std::chrono::milliseconds time) const { return detail::checked(outlive_engine_begin_drain(native(), time.count())); }
    /// outlive_engine_is_drained
    bool is_drained(error_to to) const noexcept { return to.said(outlive_engine_is_drained(native())) == result(1); }
    bool is_drained() const { return detail::checked(outlive_engine_is_drained(native())) == result(1); }
    /// outlive_engine_stop_fd: a descriptor for an event loop to wait on, never to read; it belongs to the engine. -1
    /// if it failed.
    int stop_fd(std::uint32_t queue, error_to to) const noexcept {
        const int fd = outlive_engine_stop_fd(native(), queue);
        to.said(fd < 0 ? fd : OUTLIVE_OK);
        return fd < 0 ? -1 : fd;
    }
    int stop_fd(std::uint32_t queue = 0) const {
        return detail::throwing([&](error_to to) { return stop_fd(queue, to); });
    }
    /// outlive_engine_next_stop: the next one, or none; then the descriptor is unreadable until more comes.
    std::optional<stop> next_stop(std::uint32_t queue, error_to to) const noexcept {
        outlive_stop next = OUTLIVE_STOP_INIT;
        const int answer = outlive_engine_next_stop(native(), queue, &next);
        to.said(answer == OUTLIVE_ERROR_NOT_FOUND ? OUTLIVE_OK : answer);
        if (answer != OUTLIVE_OK) {
            return std::nullopt;
        }
        return stop{static_cast<stop_kind>(next.kind), static_cast<ending>(next.ending), next.id};
    }
    std::optional<stop> next_stop(std::uint32_t queue = 0) const {
        return detail::throwing([&](error_to to) { return next_stop(queue, to); });
    }
    /// outlive_engine_cancel: ok, already, or error_not_found where it has ended. Any thread, and signal handlers; never throws.
    result cancel(std::uint64_t id) const noexcept { return static_cast<result>(outlive_engine_cancel(native(), id)); }
    /// outlive_engine_requests: shows what is in flight to `see(const request_row &)`. False: the visitor had enough, or it failed.
    template <class F> bool requests(F &&see, error_to to) const {
        detail::visitor<outlive_request_row, std::remove_reference_t<F>> visitor{see};
        return visitor.done(outlive_engine_requests(native(), &visitor.call, &visitor), to);
    }
    template <class F> bool requests(F &&see) const {
        return detail::throwing([&](error_to to) { return requests(see, to); });
    }
    /// outlive_engine_scoreboard: result::ok, result::error_not_found, or why the file of outlive.scoreboard is not used.
    result scoreboard(error_to to) const noexcept { return to.said(outlive_engine_scoreboard(native(), to.record())); }
    /// outlive_engine_render: of all processes of the scoreboard, or of this engine alone. Throws std::bad_alloc only.
    std::string render(rendered what, std::string_view title, std::string_view notes, error_to to) const {
        return detail::rendering(title, notes, [&](const outlive_render_options &options, std::string &text) {
            return to.said(outlive_engine_render(native(), static_cast<int>(what), &options, &detail::append, &text, to.record()));
        });
    }
    std::string render(rendered what, std::string_view title = {}, std::string_view notes = {}) const {
        return detail::throwing([&](error_to to) { return render(what, title, notes, to); });
    }
    /// outlive_engine_count
    result count(ending ending, std::chrono::milliseconds time, error_to to) const noexcept {
        return to.said(outlive_engine_count(native(), static_cast<int>(ending), time.count()));
    }
    void count(ending ending, std::chrono::milliseconds time) const {
        detail::throwing([&](error_to to) { return count(ending, time, to); });
    }
    /// outlive_engine_set_policy
    result set_policy(const settings &settings, error_to to) const noexcept {
        return to.said(outlive_engine_set_policy(native(), settings.native()));
    }
    void set_policy(const settings &settings) const {
        detail::throwing([&](error_to to) { return set_policy(settings, to); });
    }
    /// outlive_engine_metrics: Prometheus text. Throws std::bad_alloc only.
    std::string metrics(error_to to) const {
        std::string text;
        std::size_t needed = 0;
        int answer = outlive_engine_metrics(native(), nullptr, 0, &needed);
        while (answer == OUTLIVE_OK) { // it may grow between the two calls
            text.resize(needed);
            answer = outlive_engine_metrics(native(), text.data(), text.size(), &needed);
            if (answer == OUTLIVE_OK) {
                text.resize(needed - 1);
                break;
            }
            answer = answer == OUTLIVE_ERROR_TOO_LARGE ? OUTLIVE_OK : answer;
        }
        if (to.said(answer) != result::ok) {
            text.clear();
        }
        return text;
    }
    std::string metrics() const {
        return detail::throwing([&](error_to to) { return metrics(to); });
    }

private:
    result make(const engine_options &options, error_to to) noexcept {
        outlive_engine_options given = OUTLIVE_ENGINE_OPTIONS_INIT;
        given.max_requests = options.max_requests;
        given.scoreboard = options.scoreboard.c_str();
        given.scoreboard_rows = options.scoreboard_rows;
        given.scoreboard_fd = options.scoreboard_fd;
        given.stop_queues = options.stop_queues;
        given.no_thread = options.no_thread;
        outlive_engine *made = nullptr;
        const result answer = to.said(outlive_engine_new(&given, &made, to.record()));
        handle_.reset(made);
        return answer;
    }
    detail::unique<outlive_engine, outlive_engine_free> handle_;
};

/// outlive_scoreboard_read: shows each request to `see(const scoreboard_row &)`. False: the visitor had enough, or it failed.
template <class F> bool read_scoreboard(std::string_view path, F &&see, error_to to) {
    detail::visitor<outlive_scoreboard_row, std::remove_reference_t<F>> visitor{see};
    return visitor.done(outlive_scoreboard_read(detail::start(path), path.size(), &visitor.call, &visitor, to.record()), to);
}
template <class F> bool read_scoreboard(std::string_view path, F &&see) {
    return detail::throwing([&](error_to to) { return read_scoreboard(path, see, to); });
}

/// outlive_scoreboard_clear: clears the unfinished requests of dead processes; returns how many there were.
inline std::size_t clear_scoreboard(std::string_view path, error_to to) noexcept {
    std::size_t cleared = 0;
    to.said(outlive_scoreboard_clear(detail::start(path), path.size(), &cleared, to.record()));
    return cleared;
}
inline std::size_t clear_scoreboard(std::string_view path) {
    return detail::throwing([&](error_to to) { return clear_scoreboard(path, to); });
}

/// outlive_scoreboard_clear_key, as clear_scoreboard.
inline std::size_t clear_scoreboard_key(std::string_view path, std::string_view key, error_to to) noexcept {
    std::size_t cleared = 0;
    to.said(outlive_scoreboard_clear_key(detail::start(path), path.size(), detail::start(key), key.size(), &cleared, to.record()));
    return cleared;
}
inline std::size_t clear_scoreboard_key(std::string_view path, std::string_view key) {
    return detail::throwing([&](error_to to) { return clear_scoreboard_key(path, key, to); });
}

/// outlive_scoreboard_clear_process, as clear_scoreboard.
inline std::size_t clear_scoreboard_process(std::string_view path, std::int64_t process, error_to to) noexcept {
    std::size_t cleared = 0;
    to.said(outlive_scoreboard_clear_process(detail::start(path), path.size(), process, &cleared, to.record()));
    return cleared;
}
inline std::size_t clear_scoreboard_process(std::string_view path, std::int64_t process) {
    return detail::throwing([&](error_to to) { return clear_scoreboard_process(path, process, to); });
}

/// outlive_scoreboard_cancel: cancels a request of any process, by its row and count. False: it is over (or it failed).
inline bool cancel_request(std::string_view path, std::uint32_t row, std::uint64_t count, error_to to) noexcept {
    const int answer = outlive_scoreboard_cancel(detail::start(path), path.size(), row, count, to.record());
    to.said(answer == OUTLIVE_ERROR_NOT_FOUND ? OUTLIVE_OK : answer);
    return answer == OUTLIVE_OK;
}
inline bool cancel_request(std::string_view path, std::uint32_t row, std::uint64_t count) {
    return detail::throwing([&](error_to to) { return cancel_request(path, row, count, to); });
}

/// outlive_scoreboard_render. Throws std::bad_alloc only.
inline std::string render_scoreboard(std::string_view path, rendered what, std::string_view title, std::string_view notes, error_to to) {
    return detail::rendering(title, notes, [&](const outlive_render_options &options, std::string &text) {
        return to.said(outlive_scoreboard_render(detail::start(path), path.size(), static_cast<int>(what), &options, &detail::append, &text,
                                                 to.record()));
    });
}
inline std::string render_scoreboard(std::string_view path, rendered what, std::string_view title = {}, std::string_view notes = {}) {
    return detail::throwing([&](error_to to) { return render_scoreboard(path, what, title, notes, to); });
}

/// outlive_scoreboard_prepare: makes the file for workers that will run as `user` and `group`. False: it failed.
inline bool prepare_scoreboard(std::string_view path, std::uint32_t user, std::uint32_t group, error_to to) noexcept {
    return to.said(outlive_scoreboard_prepare(detail::start(path), path.size(), user, group, to.record())) == result::ok;
}
inline void prepare_scoreboard(std::string_view path, std::uint32_t user, std::uint32_t group) {
    detail::throwing([&](error_to to) { return prepare_scoreboard(path, user, group, to); });
}

/// outlive_holds_secret: whether a directive's value is a secret. An invalid length counts as one.
inline bool holds_secret(std::string_view name, std::string_view value) noexcept {
    return outlive_holds_secret(detail::start(name), name.size(), detail::start(value), value.size()) != 0;
}

inline request engine::begin(const settings &settings, request_options options, error_to to) const noexcept {
    const detail::terminated label(options.label), method(options.method);
    std::unique_ptr<detail::host> host(new (std::nothrow) detail::host{
        std::move(options.write), std::move(options.flush), std::move(options.on_stop), std::move(options.on_forced),
        std::move(options.on_ended)});
    if (!host) {
        to.said(result::error_system);
        return {};
    }
    outlive_request_options given = OUTLIVE_REQUEST_OPTIONS_INIT;
    given.label = label.get();
    given.method = method.get();
    given.socket = options.socket;
    given.reading_input = options.reading_input;
    given.write = host->write ? &detail::host::on_write : nullptr;
    given.flush = host->flush ? &detail::host::on_flush : nullptr;
    given.on_stop = host->on_stop ? &detail::host::stop : nullptr;
    given.on_forced = host->on_forced ? &detail::host::forced : nullptr;
    given.on_ended = host->on_ended ? &detail::host::ended : nullptr;
    given.key = options.key.data();
    given.key_len = options.key.size();
    given.resumed = options.resumed;
    given.stop_queue = options.stop_queue;
    given.userdata = host.get();
    outlive_request *made = nullptr;
    if (to.said(outlive_request_begin(native(), settings.native(), &given, &made, to.record())) != result::ok) {
        return {};
    }
    return request(made, host.release());
}

} // namespace outlive

#undef OUTLIVE_TRY_
#undef OUTLIVE_CATCH_ALL_

#endif
