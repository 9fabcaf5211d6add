"""Plays scenarios on a whole server: the same client for real ones and for outlive's."""
import visit
import protocol


def request_with(upload, path, make, method, where):
    """The request of a scenario; what only asks whether the server is free uploads nothing."""
    return make(method, where, path) if path.endswith(".ping") else make(method, where, path, *upload)


def play_http(workplace, scenarios, numbers, port):
    for position, (scenario, number) in enumerate(zip(scenarios, numbers)):
        method = scenario.get("method", "GET")
        upload = visit.upload_of(scenario)[:2]
        request = lambda path, url=f"/i{number}/play.php", method=method, upload=upload: request_with(upload, path, visit.http_request, method, url)
        play_one(workplace, position, scenario, ("127.0.0.1", port), request)


def play_fastcgi(workplace, scenarios, numbers, ports, script):
    for position, (scenario, number) in enumerate(zip(scenarios, numbers)):
        method = scenario.get("method", "GET")
        upload = visit.upload_of(scenario)[:2]
        request = lambda path, method=method, upload=upload: request_with(upload, path, visit.fastcgi_request, method, script)
        play_one(workplace, position, scenario, ("127.0.0.1", ports[number]), request)


def play_one(workplace, position, scenario, address, request):
    path = workplace.file(f"{position}.json")
    try:
        protocol.answer(scenario, visit.play(scenario, path, address, request))
    except (visit.Hung, OSError) as error:
        protocol.failed(scenario, f"{type(error).__name__}: {error}; log so far: {visit.lines(path + '.log')}; {workplace.said()[-500:]}")
        # The one worker may still wait for its client: what follows would hang, too.
        raise SystemExit(1) from error
