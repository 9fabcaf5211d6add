/*
 * libcurl: the progress function is called once a second, however little happens, and may end the transfer. With the multi interface
 * curl_multi_wakeup, which any thread may call, does so at once.   cc curl.c $(pkg-config --cflags --libs outlive libcurl)
 */
#include "stop.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

static int progress(void *request, curl_off_t total, curl_off_t now, curl_off_t up_total, curl_off_t up_now) {
    (void)total, (void)now, (void)up_total, (void)up_now;
    return outlive_request_check(request) == OUTLIVE_STOP;
}

static void wake(void *multi, int ending) {
    (void)ending;
    curl_multi_wakeup(multi);
}

int main(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char url[100];
    int silent = socket(AF_INET, SOCK_STREAM, 0), running = 1; /* it takes connections and never answers */
    host host = host_open(0);
    if (bind(silent, (struct sockaddr *)&address, sizeof address) != 0 || listen(silent, 8) != 0 ||
        getsockname(silent, (struct sockaddr *)&address, &size) != 0) {
        perror("listen");
        return 1;
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", (unsigned)ntohs(address.sin_port));
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);

    outlive_request *request = host_begin(&host, 200, NULL, NULL);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, progress);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, request);
    host_end(request, "waiting for an answer, with a progress function", curl_easy_strerror(curl_easy_perform(easy)));

    CURLM *multi = curl_multi_init();
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
    request = host_begin(&host, 200, wake, multi);
    curl_multi_add_handle(multi, easy);
    while (running > 0 && outlive_request_check(request) == OUTLIVE_OK) {
        curl_multi_perform(multi, &running);
        curl_multi_poll(multi, NULL, 0, 60000, NULL);
    }
    curl_multi_remove_handle(multi, easy); /* ends the transfer */
    host_end(request, "waiting for an answer, with curl_multi_wakeup", running > 0 ? "removed while it ran" : "answered");
    curl_multi_cleanup(multi);
    curl_easy_cleanup(easy);
    curl_global_cleanup();
    close(silent);
    host_close(&host);
    return 0;
}
