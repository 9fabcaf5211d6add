// Requests: callbacks of all kinds, exceptions at the C boundary, guards, and what a destructor does.
#include "test.hpp"

#include <atomic>
#include <csignal>
#include <poll.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace std::chrono_literals;
using outlive::ending;
using outlive::request;
using outlive::request_ref;
using outlive::result;

static void output(const outlive::engine &engine) {
    std::string sent;
    int flushes = 0;
    outlive::request_options options;
    options.label = "POST /form";
    options.method = "POST";
    options.write = [&](std::string_view bytes) { sent += bytes; };
    options.flush = [&, owned = std::make_unique<int>(1)] { flushes += *owned; }; // can only be moved
    request first = engine.begin(settings_of({{"output_buffering", "1"}}), std::move(options));
    CHECK(first.write("hello ") == result::ok && sent.empty());
    request second = std::move(first); // its callbacks stay where they are
    CHECK(!first && second);
    CHECK(second.write(std::string_view("world\0!", 7)) == result::ok && second.write({}) == result::ok);
    CHECK(second.finish() == result::ok && second.finish() == result::already);
    CHECK(sent == std::string("hello world\0!", 13) && flushes == 1);

    int rows = 0;
    CHECK(engine.requests([&](const outlive::request_row &row) {
        rows++;
        CHECK(row.label == "POST /form" && row.method == "POST" && row.stage == outlive::stage::running && row.finished && !row.gone);
        CHECK(row.written == 13 && row.time_limit == 30s && row.connection_status == outlive::connection::normal && row.age >= 0ms);
    }));
    CHECK(rows == 1);
    CHECK(!engine.requests([](const outlive::request_row &) { return outlive::visit::enough; }));
    CHECK(engine.metrics().find("outlive") != std::string::npos && engine.metrics().back() == '\n');

    ending told = ending::none;
    second.register_shutdown_function([&](ending why) { told = why; });
    second.end();
    CHECK(!second && told == ending::finished);
    std::error_code code;
    std::exception_ptr thrown;
    CHECK(second.end(code, thrown) == result::error_argument && code == result::error_argument);
    CHECK(second.check(code) == result::error_argument);
    THROWS(result::error_argument, first.check());
}

static void a_client_that_goes(const outlive::engine &engine) {
    const outlive::settings off = settings_of({{"ignore_user_abort", "0"}});
    // false, and an exception, mean the same
    for (int form = 0; form < 4; form++) {
        outlive::request_options options;
        int asked = 0;
        options.write = [&](std::string_view) -> bool {
            asked++;
            if (form == 1) {
                throw std::runtime_error("broken pipe");
            }
            return form > 1;
        };
        options.flush = [&]() -> bool {
            asked++;
            if (form == 3) {
                throw 3;
            }
            return form != 2;
        };
        request request = engine.begin(off, std::move(options));
        CHECK(!request.is_gone());
        CHECK((form < 2 ? request.write("x") : request.flush()) == result::stop);
        CHECK(request.is_gone() && asked == 1);
        CHECK(request.connection_status() == outlive::connection::aborted && request.ending() == ending::aborted);
        CHECK(request.check() == result::stop && request.write("x") == result::stop);
        request.end();
    }
    // another thread tells
    request other = engine.begin(off);
    CHECK(other.check() == result::ok);
    std::thread([ref = other.ref()] { CHECK(ref.client_gone() == result::ok); }).join();
    CHECK(other.check() == result::stop);
    const request_ref after = other.ref();
    other.end();
    CHECK(after.client_gone() == result::error_ended);
    std::error_code code;
    CHECK(!after.is_gone(code) && code == result::error_ended);
    CHECK(after.connection_status(code) == outlive::connection::normal && code == result::error_ended);
    CHECK(after.ending(code) == ending::none && code == result::error_ended);
    THROWS(result::error_ended, after.check());
}

static request_ref in_handler;
static void a_signal_handler(const outlive::engine &engine) {
    request request = engine.begin(settings_of({}));
    in_handler = request.ref();
    std::signal(SIGUSR1, [](int) { in_handler.client_gone(); });
    std::raise(SIGUSR1);
    std::signal(SIGUSR1, SIG_DFL);
    CHECK(request.check() == result::stop);
}

static void shutdown_functions(const outlive::engine &engine) {
    const outlive::settings plain = settings_of({}), all = settings_of({{"outlive.shutdown", "all"}});
    std::string order;
    auto alive = std::make_shared<int>(0);

    // all forms, in order; one that registers another; each is destroyed once
    request first = engine.begin(plain, {});
    first.register_shutdown_function([&, alive](request_ref request, ending why) {
        order += why == ending::completed ? "a" : "?";
        CHECK(request.native() == first.native());
        request.register_shutdown_function([&, alive] { order += "d"; });
    });
    first.register_shutdown_function([&, alive](ending) { return order += "b", result::ok; });
    first.register_shutdown_function([&, alive, owned = std::make_unique<int>(3)]() mutable { order += *owned == 3 ? "c" : "?"; });
    CHECK(alive.use_count() == 4);
    std::error_code code;
    std::exception_ptr thrown;
    CHECK(first.end(code, thrown) == result::ok && !code && !thrown);
    CHECK(order == "abcd" && alive.use_count() == 1);

    // stop ends the pass
    order.clear();
    first = engine.begin(plain);
    first.register_shutdown_function([&] { return order += "a", result::stop; });
    first.register_shutdown_function([&, alive] { order += "b"; });
    first.end();
    CHECK(order == "a" && alive.use_count() == 1);

    // an exception ends the pass, as PHP has it (C-114); it comes out when the request has ended
    order.clear();
    first = engine.begin(plain);
    first.register_shutdown_function([&] { order += "a", throw std::runtime_error("from a"); });
    first.register_shutdown_function([&, alive] { order += "b"; });
    try {
        first.end();
        CHECK(false);
    } catch (const std::runtime_error &error) {
        CHECK(error.what() == std::string("from a"));
    }
    CHECK(!first && order == "a" && alive.use_count() == 1);

    // where all are wanted, all run, and the first exception is told
    outlive::engine own;
    first = own.begin(all);
    first.register_shutdown_function([&]() -> result { throw 1; });
    first.register_shutdown_function([&] { order += "b", throw 2; });
    CHECK(first.end(code, thrown) == result::ok && !code && thrown && order == "ab");
    try {
        std::rethrow_exception(thrown);
    } catch (int number) {
        CHECK(number == 1);
    }

    // an end inside is refused, and changes nothing
    first = own.begin(plain);
    first.register_shutdown_function([&] {
        std::exception_ptr none;
        CHECK(first.end(code, none) == result::error_stage && code == result::error_stage);
        CHECK(first.exit(ending::host_error) == result::ok && first.check() == result::stop);
    });
    first.end();
    CHECK(first.register_shutdown_function([alive] {}, code) == result::error_argument && alive.use_count() == 1);
}

static void numbers_and_time() {
    outlive::engine engine;
    const outlive::settings plain = settings_of({{"max_execution_time", "0"}});
    std::error_code code;
    request first = engine.begin(plain), second = engine.begin(plain);
    CHECK(first.id() != 0 && first.id() != second.id() && first.time_left() == outlive::no_limit);
    CHECK(first.set_time_limit_ms(2500ms) == result::ok && first.time_left() > 1s && first.time_left() <= 2500ms);
    CHECK(first.ini_get("max_execution_time") == "3" && first.set_time_limit_ms(outlive::no_limit) == result::ok);
    std::uint64_t seen = 0;
    engine.requests([&](const outlive::request_row &row) { seen ^= row.id; });
    CHECK(seen == (first.id() ^ second.id()));
    CHECK(engine.cancel(first.id()) == result::ok && first.cancel() == result::already && first.time_left() == 0ms);
    CHECK(first.check() == result::stop && first.ending() == ending::cancelled && outlive::name(first.ending()) == "cancelled");
    CHECK(second.check() == result::ok);
    const std::uint64_t old = first.id();
    first.end();
    CHECK(engine.cancel(old) == result::error_not_found && first.id() == 0 && first.cancel() == result::error_argument);
    CHECK(first.time_left(code) == 0ms && code == result::error_argument);
}

static void accepted_and_shut_down() {
    outlive::engine engine;
    const outlive::settings plain = settings_of({{"max_execution_time", "0"}});
    std::error_code code;
    std::vector<ending> told;
    outlive::request_options options;
    options.key = "order 7";
    options.on_ended = [&](ending why) { told.push_back(why), throw 1; };
    request first = engine.begin(plain, std::move(options));
    CHECK(first.set_accepted() == result::ok && first.set_accepted(code) == result::already);
    first.client_gone();
    CHECK(first.check() == result::ok && first.ignore_user_abort());
    engine.requests([](const outlive::request_row &row) { CHECK(row.key == "order 7" && row.accepted && !row.resumed); });
    CHECK(first.shut_down() == ending::completed && told.empty() && first.shut_down(code) == ending::completed && !code);
    first.end();
    CHECK(told.size() == 1 && told[0] == ending::completed && outlive::name(ending::handed_back) == "handed back");
    options = {};
    options.resumed = true;
    first = engine.begin(plain, std::move(options));
    CHECK(first.set_accepted() == result::already && first.finish() == result::already);
    engine.requests([](const outlive::request_row &row) { CHECK(row.key.empty() && row.accepted && row.resumed && row.finished); });
    CHECK(first.shut_down() == ending::finished);
}

static void queues() {
    outlive::engine_options two;
    two.stop_queues = 2;
    outlive::engine engine(two);
    const outlive::settings plain = settings_of({{"max_execution_time", "0"}});
    std::error_code code;
    CHECK(engine.stop_fd(2, code) == -1 && code == result::error_argument && !engine.next_stop(0, code) && !code);
    outlive::request_options options;
    options.stop_queue = 1;
    request first = engine.begin(plain, std::move(options));
    CHECK(first.cancel() == result::ok && engine.begin_drain(0ms) == result::ok && !engine.is_drained());
    pollfd wait{engine.stop_fd(1), POLLIN, 0};
    CHECK(poll(&wait, 1, 20000) == 1);
    const auto due = engine.next_stop(1);
    CHECK(due && due->kind == outlive::stop_kind::due && due->why == ending::cancelled && due->id == first.id());
    first.end();
    wait.fd = engine.stop_fd();
    CHECK(poll(&wait, 1, 20000) == 1);
    const auto drained = engine.next_stop();
    CHECK(drained && drained->kind == outlive::stop_kind::drained && drained->id == 0 && engine.is_drained());
}

static void destructors() {
    outlive::engine engine;
    const outlive::settings plain = settings_of({});
    ending told = ending::none;
    {
        request dropped = engine.begin(plain);
        dropped.register_shutdown_function([&](ending why) { told = why, throw std::runtime_error("lost"); });
    }
    CHECK(told == ending::completed);

    // an exception that unwinds the stack is no completion …
    try {
        request dropped = engine.begin(plain);
        dropped.register_shutdown_function([&](ending why) { told = why; });
        throw std::runtime_error("the host failed");
    } catch (const std::runtime_error &) {
    }
    CHECK(told == ending::host_error);
    // … but what was first stays first
    try {
        request dropped = engine.begin(plain);
        dropped.register_shutdown_function([&](ending why) { told = why; });
        dropped.client_gone();
        if (dropped.check() == result::stop) {
            throw std::runtime_error("unwinding is how this host stops");
        }
    } catch (const std::runtime_error &) {
    }
    CHECK(told == ending::aborted);

    // replaced by another one
    int ends = 0;
    request one = engine.begin(plain), two = engine.begin(plain);
    one.register_shutdown_function([&] { ends += 1; });
    two.register_shutdown_function([&] { ends += 10; });
    one = std::move(two);
    CHECK(ends == 1 && one && !two);
    one = std::move(*&one);
    CHECK(ends == 1 && one.check() == result::ok);
    one = request();
    CHECK(ends == 11);
    CHECK(engine.drain(0ms)); // nothing was left in flight
}

static void holds(const outlive::engine &engine) {
    request request = engine.begin(settings_of({{"ignore_user_abort", "0"}}));
    result waited = result::already;
    {
        outlive::hold quiet(request, waited);
    }
    CHECK(waited == result::ok);
    {
        outlive::hold outer(request, waited);
        {
            outlive::hold inner(request);
            request.client_gone();
            CHECK(request.check() == result::ok);
        }
        CHECK(request.check() == result::ok);
        outlive::hold moved = std::move(outer);
        CHECK(request.check() == result::ok);
    }
    CHECK(waited == result::stop);
    CHECK(request.check() == result::stop); // and it stays one, for those who did not ask

    request = engine.begin(settings_of({{"ignore_user_abort", "0"}}));
    outlive::hold held(request);
    request.client_gone();
    CHECK(held.release() == result::stop);
    THROWS(result::error_argument, held.release());
    THROWS(result::error_stage, request.release());
    CHECK(request.hold() == result::ok && request.release() == result::stop);
    outlive::request none;
    THROWS(result::error_argument, outlive::hold(none));
    std::error_code code;
    outlive::hold nothing(none, code);
    CHECK(code == result::error_argument);

    request = engine.begin(settings_of({}));
    {
        outlive::suspend away(request);
        THROWS(result::error_stage, request.suspend());
        THROWS(result::error_stage, outlive::suspend(request));
        outlive::suspend moved = std::move(away);
        outlive::suspend refused(request, code);
        CHECK(code == result::error_stage);
    }
    THROWS(result::error_stage, request.resume()); // the guard did, once
    CHECK(request.suspend() == result::ok && request.resume() == result::ok);
}

static void at_run_time(const outlive::engine &engine) {
    outlive::request_options options;
    options.reading_input = true;
    options.label = std::string_view("a label that is not terminated").substr(0, 7);
    request request = engine.begin(settings_of({{"ignore_user_abort", "On"}, {"max_execution_time", "7"}}), std::move(options));
    THROWS(result::error_stage, request.set_time_limit(3s));
    CHECK(engine.requests([](const outlive::request_row &row) { CHECK(row.label == "a label" && row.stage == outlive::stage::input); }));
    CHECK(request.run() == result::ok);
    THROWS(result::error_stage, request.run());
    CHECK(request.set_label("another") == result::ok);
    CHECK(engine.requests([](const outlive::request_row &row) { CHECK(row.label == "another"); }));
    CHECK(request.set_label(std::string(500, 'x')) == result::ok && request.set_label({}) == result::ok && !request.is_forced());
    CHECK(engine.requests([](const outlive::request_row &row) { CHECK(row.label.empty()); }));
    CHECK(request.ignore_user_abort());
    CHECK(request.ignore_user_abort(false) && !request.ignore_user_abort());
    std::error_code code;
    CHECK(!request.ignore_user_abort(true, code) && !code && request.ignore_user_abort(code));
    CHECK(request.set_time_limit(1min) == result::ok && request.ini_get("max_execution_time") == "60");
    CHECK(request.ini_set("max_execution_time", "9") == "60");
    CHECK(request.ini_restore("max_execution_time") == result::ok && request.ini_get("max_execution_time") == "7");
    CHECK(request.ini_set("hard_timeout", "9", code).empty() && code == result::error_access);
    CHECK(request.ini_restore("no.such", code) == result::error_not_found);
    THROWS(result::error_not_found, request.ini_get("no.such"));
    THROWS(result::error_argument, request.exit(static_cast<ending>(99)));
    CHECK(request.exit(ending::host_error) == result::ok && request.check() == result::stop);
    CHECK(request.ending() == ending::host_error && outlive::name(request.ending()) == "host error");
}

static void notices() {
    outlive::engine engine(outlive::engine_options{1});
    const outlive::settings settings = settings_of({{"outlive.clock", "wall"}, {"max_execution_time", "1"}, {"hard_timeout", "1"}});
    std::atomic<int> stops = 0, forced = 0;
    outlive::request_options options;
    options.on_stop = [&](ending why) {
        stops += why == ending::time_limit ? 1 : 100;
        throw std::runtime_error("must not reach the engine's thread");
    };
    options.on_forced = [&](ending) {
        forced++;
        throw 1;
    };
    request slow = engine.begin(settings, std::move(options));
    std::error_code code;
    CHECK(!engine.begin(settings, {}, code) && code == result::error_full);
    THROWS(result::error_full, engine.begin(settings));
    for (int i = 0; i < 500 && forced == 0; i++) {
        std::this_thread::sleep_for(20ms);
    }
    CHECK(stops == 1 && forced == 1 && slow.is_forced());
    CHECK(slow.check() == result::stop && slow.connection_status() == outlive::connection::timeout);
    CHECK(!engine.drain(0ms) && !engine.drain(0ms, code) && !code); // time ran out: an answer, no failure
    slow.end();
    CHECK(engine.drain(0ms));
    THROWS(result::error_draining, engine.begin(settings));
}

static void many_threads() {
    outlive::engine engine;
    const outlive::settings settings = settings_of({{"ignore_user_abort", "0"}});
    std::atomic<int> ended = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
        threads.emplace_back([&] {
            for (int j = 0; j < 200; j++) {
                request request = engine.begin(settings);
                request.register_shutdown_function([&](ending why) { ended += why == ending::aborted; });
                std::thread teller;
                if (j % 50 == 0) {
                    teller = std::thread([ref = request.ref()] { ref.client_gone(); });
                } else {
                    request.client_gone();
                }
                while (request.check() == result::ok) {
                    std::this_thread::yield();
                }
                if (teller.joinable()) {
                    teller.join();
                }
            }
        });
    }
    for (std::thread &thread : threads) {
        thread.join();
    }
    CHECK(ended == 800);
}

static void lifetimes() {
    // settings of which nobody else has a reference, and an engine that moves
    ending told = ending::none;
    {
        request late;
        outlive::engine engine;
        late = engine.begin(settings_of({}));
        late.register_shutdown_function([&](ending why) { told = why; });
        outlive::engine moved = std::move(engine);
        std::error_code code;
        CHECK(!engine && !engine.drain(0ms, code) && code == result::error_argument);
        CHECK(late.check() == result::ok);
        late.end();
    }
    CHECK(told == ending::completed);
    std::error_code code;
    outlive::engine made({}, code);
    CHECK(made && !code);
}

static void in_a_forked_child(const outlive::engine &engine) {
    const outlive::settings plain = settings_of({});
    int ran = 0;
    request parents = engine.begin(plain);
    parents.register_shutdown_function([&] { ran++; });
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child == 0) {
        const int before = failures;
        std::error_code code;
        CHECK(parents.write("x", code) == result::error_forked);
        THROWS(result::error_forked, engine.begin(plain));
        CHECK(parents.client_gone() == result::error_forked);
        CHECK(engine.metrics(code).empty() && code == result::error_forked);
        CHECK(!engine.requests([](const outlive::request_row &) {}, code) && code == result::error_forked);
        parents = request(); // the parent's: nothing runs
        CHECK(ran == 0);
        outlive::engine own;
        own.begin(plain).end();
        // The parent's engine thread does not exist here, and valgrind would call what only it held a leak; another program has none.
        if (failures == before) {
            execlp("true", "true", static_cast<char *>(nullptr));
        }
        _exit(1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    parents.end();
    CHECK(ran == 1);
}

static void a_scoreboard() {
    char place[] = "/tmp/outlive-cpp-XXXXXX";
    CHECK(mkdtemp(place) != nullptr);
    const std::string path = std::string(place) + "/board";
    outlive::engine_options with_board;
    with_board.scoreboard = path;
    const outlive::engine engine(with_board), other;
    std::error_code code;
    CHECK(engine.scoreboard(code) == result::ok && other.scoreboard(code) == result::error_not_found);
    outlive::request_options options;
    options.label = "POST /form";
    request one = engine.begin(settings_of({}), std::move(options));
    int rows = 0;
    CHECK(outlive::read_scoreboard(path, [&](const outlive::scoreboard_row &row) {
        rows++;
        CHECK(row.process == getpid() && !row.unfinished && row.request.label == "POST /form" && row.request.time_left <= 30s);
        CHECK(std::chrono::system_clock::now() - row.began < 60s);
    }));
    CHECK(rows == 1 && outlive::clear_scoreboard(path) == 0);
    CHECK(outlive::clear_scoreboard_key(path, "no key") == 0 && outlive::clear_scoreboard_process(path, 1) == 0);
    CHECK(!outlive::cancel_request(path, 0, 12345));
    THROWS(result::error_io, outlive::cancel_request("/nowhere/at/all", 0, 1));
    for (const std::string &text : {engine.render(outlive::rendered::json), outlive::render_scoreboard(path, outlive::rendered::json)}) {
        CHECK(text.find("\"in_flight\": ") != std::string::npos);
    }
    CHECK(engine.render(outlive::rendered::page, "the <shop>", "a note").find("the &lt;shop&gt;") != std::string::npos);
    CHECK(std::string(outlive::content_type(outlive::rendered::metrics)).find("text/plain") == 0);
    THROWS(result::error_io, outlive::render_scoreboard("/nowhere/at/all", outlive::rendered::metrics));
    one.end();
    CHECK(outlive::read_scoreboard(path, [](const outlive::scoreboard_row &) { CHECK(false); }));
    THROWS(result::error_io, outlive::read_scoreboard("/nowhere/at/all", [](const outlive::scoreboard_row &) {}));
    THROWS(result::error_io, outlive::clear_scoreboard("/nowhere/at/all"));
    const std::string prepared = path + ".prepared";
    outlive::prepare_scoreboard(prepared, geteuid(), getegid());
    CHECK(access(prepared.c_str(), R_OK | W_OK) == 0);
    unlink(prepared.c_str());
    THROWS(result::error_io, outlive::prepare_scoreboard("/nowhere/at/all", geteuid(), getegid()));
    CHECK(outlive::holds_secret("mysqli.default_pw", "x") && !outlive::holds_secret("precision", "14"));
    CHECK(std::remove(path.c_str()) == 0 && rmdir(place) == 0);
}

int main() {
    outlive::engine engine;
    output(engine);
    a_client_that_goes(engine);
    a_signal_handler(engine);
    holds(engine);
    at_run_time(engine);
    in_a_forked_child(engine);
    numbers_and_time();
    accepted_and_shut_down();
    queues();
    destructors();
    notices();
    many_threads();
    lifetimes();
    shutdown_functions(engine);
    a_scoreboard();
    return finished("request");
}
