// A request that outlives its connection, in C++: the client goes after table B, and all four tables are written.
//   c++ -std=c++17 hello.cpp $(pkg-config --cflags --libs outlive)
#include "outlive.hpp"

#include <iostream>

int main() try {
    const outlive::settings settings = outlive::config_builder().set("ignore_user_abort", "On").build().resolve();
    const outlive::engine engine;

    outlive::request_options options;
    options.label = "POST /form";
    options.write = [](std::string_view bytes) { std::cout << bytes << std::flush; };
    outlive::request request = engine.begin(settings, std::move(options));
    request.register_shutdown_function([](outlive::ending ending) {
        std::cout << (ending == outlive::ending::completed ? "saved, though the client has gone\n" : "stopped at a safe point\n");
    });
    for (const char *table : {"A", "B", "C", "D"}) {
        if (request.check() == outlive::result::stop) { // a safe point
            break;
        }
        const outlive::hold whole(request); // no stop inside a table
        if (request.write(std::string("table ") + table + '\n') == outlive::result::ok && *table == 'B') {
            request.client_gone(); // any thread may tell: the browser was closed
        }
    }
    request.end(); // runs the shutdown functions, whatever the ending
} catch (const outlive::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
