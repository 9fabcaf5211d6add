// cpp-httplib with outlive: a pool of threads. Its handlers do not see the socket, but may ask whether it still takes output: so
// the server itself tells outlive that the client has gone.
//   c++ -std=c++17 httplib.cpp $(pkg-config --cflags --libs outlive) -lcpp-httplib -lpthread      ./a.out DIRECTORY PHP_INI
#include "tables.h"

#include <chrono>
#include <httplib.h>
#include <iostream>
#include <outlive.hpp>
#include <thread>

namespace {

std::string directory;

// What an application writes: the work, with a safe point between its steps.
void save(outlive::request &request, const httplib::DataSink &client) {
    for (char table : {'A', 'B', 'C', 'D'}) {
        do {
            if (!client.is_writable()) {
                request.client_gone();
            }
            if (request.check() == outlive::result::stop) {
                return; // the client has gone, or time is up, and the configuration says stop
            }
            if (tables_write(directory.c_str(), table)) {
                break;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        } while (true);
    }
}

} // namespace

int main(int argc, char **argv) try {
    if (argc != 3) {
        std::cerr << "usage: " << argv[0] << " DIRECTORY PHP_INI\n";
        return 2;
    }
    directory = argv[1];
    const outlive::settings settings = outlive::config_builder().load_php_ini(argv[2]).build().resolve();
    const outlive::engine engine;

    httplib::Server server;
    server.Post(".*", [&](const httplib::Request &http, httplib::Response &response) {
        const std::string path = http.path;
        response.set_chunked_content_provider("text/plain", [&, path](size_t, httplib::DataSink &client) {
            outlive::request_options options;
            options.label = path;
            options.method = "POST";
            options.write = [&](std::string_view bytes) { return client.write(bytes.data(), bytes.size()); };
            outlive::request request = engine.begin(settings, std::move(options));
            request.register_shutdown_function([](outlive::ending ending) { // runs whatever happened, once, and is told why
                tables_note(directory.c_str(), std::string(outlive::name(ending)).c_str());
            });
            save(request, client);
            static_cast<void>(request.write("saved\n"));
            request.end();
            client.done();
            return true;
        });
    });
    std::cout << server.bind_to_any_port("127.0.0.1") << std::endl;
    std::thread listener([&] { server.listen_after_bind(); });
    std::cin.get(); // until standard input ends
    server.stop();
    listener.join();
} catch (const outlive::error &error) {
    std::cerr << error.what() << '\n';
    return 1;
}
