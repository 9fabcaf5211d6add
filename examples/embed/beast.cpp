// Boost.Beast with C++20 coroutines and outlive: a coroutine for each request, one that waits for stops, one thread.
//   c++ -std=c++20 beast.cpp $(pkg-config --cflags --libs outlive)      ./a.out DIRECTORY PHP_INI [MILLISECONDS]
#include <utility> // which Boost 1.74 forgets
//
#include "tables.h"

#include <boost/asio.hpp>
#include <boost/beast.hpp>
#include <cstdlib>
#include <iostream>
#include <map>
#include <outlive.hpp>

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::use_awaitable;
using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

const char *directory;
std::map<std::uint64_t, asio::steady_timer *> waiting; // what to cancel when a stop is due, by id

asio::awaitable<void> answer(tcp::socket &socket, http::status status, const char *body) {
    http::response<http::string_body> response(status, 11, body);
    response.keep_alive(false);
    response.prepare_payload();
    boost::system::error_code gone;
    co_await http::async_write(socket, response, asio::redirect_error(use_awaitable, gone));
}

asio::awaitable<void> serve(tcp::socket socket, const outlive::engine &engine, const outlive::settings &settings) {
    boost::beast::flat_buffer buffer;
    http::request<http::string_body> message;
    co_await http::async_read(socket, buffer, message, use_awaitable);
    outlive::request_options options;
    const std::string label(message.target()), method(message.method_string());
    options.label = label;
    options.method = method;
    options.socket = socket.native_handle(); // nobody reads it while the request works: the engine watches it
    std::error_code refused;
    outlive::request request = engine.begin(settings, std::move(options), refused);
    if (!request) {
        std::cerr << refused.message() << '\n';
        co_return co_await answer(socket, http::status::service_unavailable, "");
    }
    request.register_shutdown_function([](outlive::ending why) { tables_note(directory, std::string(outlive::name(why)).c_str()); });
    asio::steady_timer timer(socket.get_executor());
    const std::uint64_t id = request.id();
    waiting.emplace(id, &timer);
    for (const char *table = "ABCD"; request.check() == outlive::result::ok && *table != 0;) {
        if (tables_write(directory, *table)) {
            ++table;
            continue;
        }
        const outlive::suspend away(request.ref()); // locked: this thread does something else meanwhile
        boost::system::error_code cancelled;
        timer.expires_after(20ms);
        co_await timer.async_wait(asio::redirect_error(use_awaitable, cancelled));
    }
    waiting.erase(id);
    request.end();
    co_await answer(socket, http::status::ok, "saved\n");
}

asio::awaitable<void> listen(tcp::acceptor &acceptor, const outlive::engine &engine, const outlive::settings &settings) {
    for (;;) {
        tcp::socket socket = co_await acceptor.async_accept(use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket), engine, settings), asio::detached);
    }
}

// Stops are events of the loop, and so is the end of a drain.
asio::awaitable<void> hear(asio::io_context &context, const outlive::engine &engine) {
    asio::posix::stream_descriptor descriptor(context, engine.stop_fd());
    for (bool drained = false; !drained;) {
        co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, use_awaitable);
        while (const auto stop = engine.next_stop()) {
            drained = stop->kind == outlive::stop_kind::drained;
            if (const auto found = waiting.find(stop->id); found != waiting.end()) {
                found->second->cancel(); // its coroutine goes on, and looks
            }
        }
    }
    descriptor.release(); // the engine's
    context.stop();
}

asio::awaitable<void> quit(asio::io_context &context, tcp::acceptor &acceptor, const outlive::engine &engine, std::chrono::milliseconds time) {
    asio::posix::stream_descriptor input(context, ::dup(STDIN_FILENO));
    char byte;
    boost::system::error_code ended;
    while (co_await input.async_read_some(asio::buffer(&byte, 1), asio::redirect_error(use_awaitable, ended)) > 0) {
    }
    acceptor.close();
    engine.begin_drain(time);
}

} // namespace

int main(int argc, char **argv) {
    if (argc < 3) {
        std::cerr << "usage: " << argv[0] << " DIRECTORY PHP_INI [MILLISECONDS]\n";
        return 2;
    }
    try {
        directory = argv[1];
        const std::chrono::milliseconds time(argc > 3 ? std::atol(argv[3]) : 10000);
        const outlive::config config = outlive::config_builder().load_php_ini(argv[2]).build();
        const outlive::settings settings = config.resolve();
        outlive::engine_options one_loop;
        one_loop.stop_queues = 1;
        const outlive::engine engine(one_loop);
        asio::io_context context;
        tcp::acceptor acceptor(context, {asio::ip::make_address("127.0.0.1"), 0});
        std::cout << acceptor.local_endpoint().port() << std::endl;
        asio::co_spawn(context, listen(acceptor, engine, settings), asio::detached);
        asio::co_spawn(context, hear(context, engine), asio::detached);
        asio::co_spawn(context, quit(context, acceptor, engine, time), asio::detached);
        context.run();
    } catch (const std::exception &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
