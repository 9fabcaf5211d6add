"""Resident bytes of one nginx request that waits for its upstream: the growth of a worker over many, divided by their number."""

import contextlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

COUNT = 4000
CONF = """
daemon off; master_process off; error_log stderr crit; pid {dir}/pid; worker_rlimit_nofile 20000;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  server {{ listen 127.0.0.1:{port} backlog=8192; location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_read_timeout 300s; }} }}
}}
"""


def listener():
    made = socket.create_server(("127.0.0.1", 0), backlog=8192)
    return made, made.getsockname()[1]


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * 4096


def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (20000, max(20000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        upstream, upstream_port = listener()
        stack.enter_context(upstream)
        free, port = listener()
        free.close()
        with open(f"{directory}/conf", "w", encoding="ascii") as file:
            file.write(CONF.format(dir=directory, port=port, upstream=upstream_port))
        server = subprocess.Popen(["/usr/sbin/nginx", "-p", directory, "-c", f"{directory}/conf"])
        try:
            until = time.monotonic() + 30
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    if time.monotonic() > until:
                        sys.exit("nginx does not listen")
                    time.sleep(0.05)

            def ask(count):
                for _ in range(count):
                    client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                    client.sendall(b"POST /form/save HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a\r\nContent-Length: 3\r\n\r\na=b")
                    stack.enter_context(upstream.accept()[0])

            ask(200)
            before = resident(server.pid)
            ask(COUNT)
            print(round((resident(server.pid) - before) / COUNT))
        finally:
            server.terminate()
            server.wait(30)


main()
