// What the compiler can tell: who may be copied, what never throws, which numbers mean what.
#include "outlive.hpp"
#include "outlive.hpp"
#include "test.hpp"

#include <array>
#include <functional>

template <class T>
constexpr bool move_only = !std::is_copy_constructible_v<T> && !std::is_copy_assignable_v<T> && std::is_nothrow_move_constructible_v<T> &&
                           std::is_nothrow_move_assignable_v<T>;
template <class T> constexpr bool shared = std::is_nothrow_copy_constructible_v<T> && std::is_nothrow_copy_assignable_v<T> &&
                                           std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T>;

static_assert(move_only<outlive::config_builder> && move_only<outlive::dir_config> && move_only<outlive::engine> && move_only<outlive::request>);
static_assert(shared<outlive::config> && shared<outlive::settings>);
static_assert(std::is_trivially_copyable_v<outlive::request_ref>);
static_assert(std::is_nothrow_destructible_v<outlive::request> && std::is_nothrow_destructible_v<outlive::hold>);
static_assert(!std::is_copy_constructible_v<outlive::hold> && !std::is_copy_constructible_v<outlive::suspend>);
static_assert(std::is_nothrow_copy_constructible_v<outlive::error>, "an exception that is copied must not throw");

using outlive::request;
static_assert(noexcept(std::declval<request &>().check(std::declval<std::error_code &>())));
static_assert(noexcept(std::declval<request &>().write("", std::declval<std::error_code &>())));
static_assert(noexcept(std::declval<request &>().end(std::declval<std::error_code &>(), std::declval<std::exception_ptr &>())));
static_assert(noexcept(std::declval<request &>().client_gone()) && noexcept(std::declval<request &>().ref()));
static_assert(noexcept(std::declval<request &>().is_gone(std::declval<std::error_code &>())));
static_assert(!noexcept(std::declval<request &>().check()));

// ignore_user_abort(-1) only asks in C; here it must not become true.
template <class T, class = void> struct sets : std::false_type {};
template <class T> struct sets<T, std::void_t<decltype(std::declval<request &>().ignore_user_abort(std::declval<T>()))>> : std::true_type {};
static_assert(sets<bool>::value && !sets<int>::value);

// C's 0 for success must not be taken for false: a write function returns bool or nothing. (Anything else is a static_assert, so that
// the message is readable; what cannot be called is no callback at all.)
using write_function = outlive::detail::callback<bool(std::string_view)>;
static_assert(std::is_constructible_v<write_function, bool (*)(std::string_view)> && !std::is_constructible_v<write_function, bool (*)(int *)>);

static_assert(static_cast<int>(outlive::result::error_unsupported) == -21 && static_cast<int>(outlive::ending::host_error) == 7);
static_assert((outlive::access::user | outlive::access::perdir | outlive::access::system) == outlive::access::all);
static_assert((outlive::access::all & outlive::access::perdir) == outlive::access::perdir);
static_assert((outlive::connection::aborted | outlive::connection::timeout) != outlive::connection::aborted);

static void callbacks() {
    // small, large, move-only, function pointers and none
    int calls = 0;
    using outlive::detail::callback;
    callback<bool()> none, null = static_cast<bool (*)()>(nullptr), empty = std::function<bool()>();
    CHECK(!none && !null && !empty);
    callback<bool()> quiet = [&] { calls++; };
    CHECK(quiet() && calls == 1);
    auto count = std::make_shared<int>(0);
    struct large {
        std::shared_ptr<int> count;
        std::array<char, 200> bytes;
        bool operator()() { return ++*count > 1; }
    };
    {
        callback<bool()> big = large{count, {}}, small = [count] { return ++*count > 100; };
        CHECK(count.use_count() == 3);
        CHECK(!big() && big());
        callback<bool()> moved = std::move(big);
        CHECK(!big && moved && moved());
        small = std::move(moved); // what it was goes at once
        CHECK(count.use_count() == 2 && small() && *count == 4);
        small = std::move(*&small);
        CHECK(small && small());
    }
    CHECK(count.use_count() == 1);
    callback<bool()> owner = [owned = std::make_unique<int>(7)] { return *owned == 7; };
    callback<bool()> next = std::move(owner);
    CHECK(next());
}

static void spans() {
    int numbers[] = {1, 2, 3};
    std::vector<int> vector = {4, 5};
    outlive::span<const int> a(numbers), b(vector), c(numbers, 1), d;
    CHECK(a.size() == 3 && a[2] == 3 && b.size() == 2 && b[0] == 4 && c.size() == 1 && d.size() == 0);
    int sum = 0;
    for (int number : b) {
        sum += number;
    }
    CHECK(sum == 9);
}

static void codes() {
    std::error_code code = outlive::result::error_locked;
    CHECK(code == outlive::result::error_locked && code.value() == OUTLIVE_ERROR_LOCKED);
    CHECK(std::string(code.category().name()) == "outlive" && code.category() == outlive::category());
    CHECK(code.message() == outlive::text(outlive::result::error_locked) && !code.message().empty());
    CHECK(code == std::errc::operation_not_permitted && code != std::errc::io_error);
    CHECK(outlive::make_error_code(outlive::result::error_timeout) == std::errc::timed_out);
    CHECK(outlive::make_error_code(outlive::result::error_ended).default_error_condition().category() == outlive::category());
    CHECK(outlive::name(outlive::result::error_locked) == "OUTLIVE_ERROR_LOCKED");
    CHECK(outlive::name(static_cast<outlive::result>(-999)) == "OUTLIVE_UNKNOWN");
    CHECK(outlive::version() == OUTLIVE_VERSION);
    for (int number = OUTLIVE_ERROR_UNSUPPORTED; number <= OUTLIVE_ALREADY; number++) {
        CHECK(outlive::name(static_cast<outlive::result>(number)) != "OUTLIVE_UNKNOWN");
    }
    CHECK(outlive::name(static_cast<outlive::result>(OUTLIVE_ERROR_UNSUPPORTED - 1)) == "OUTLIVE_UNKNOWN"); // the enum knows them all
}

// An older library writes a shorter event: what it does not know is 0, and nothing behind it is read.
static void older_events() {
    auto bytes = std::make_unique<unsigned char[]>(offsetof(outlive_setting, global_value)); // valgrind sees a step too far
    const std::size_t size = offsetof(outlive_setting, global_value);
    const outlive_str name = {"a", 1};
    std::memset(bytes.get(), 0, size);
    std::memcpy(bytes.get(), &size, sizeof size);
    std::memcpy(bytes.get() + offsetof(outlive_setting, name), &name, sizeof name);
    const auto setting = outlive::detail::wrap(outlive::detail::whole(reinterpret_cast<const outlive_setting *>(bytes.get())));
    CHECK(setting.name == "a" && setting.global_value.empty() && !setting.locked);
}

int main() {
    callbacks();
    spans();
    codes();
    older_events();
    return finished("types");
}
