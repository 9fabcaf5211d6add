"""Plays scenarios on a whole server: the same client for real ones and for outlive's."""
import visit
import protocol


def play_http(workplace, scenarios, numbers, port):
    for position, (scenario, number) in enumerate(zip(scenarios, numbers)):
        method = scenario.get("method", "GET")
        request = lambda path, url=f"/i{number}/play.php", method=method: visit.http_request(method, url, path)
        play_one(workplace, position, scenario, ("127.0.0.1", port), request)


def play_fastcgi(workplace, scenarios, numbers, ports, script):
    for position, (scenario, number) in enumerate(zip(scenarios, numbers)):
        method = scenario.get("method", "GET")
        request = lambda path, method=method: visit.fastcgi_request(method, script, path)
        play_one(workplace, position, scenario, ("127.0.0.1", ports[number]), request)


def play_one(workplace, position, scenario, address, request):
    path = workplace.file(f"{position}.json")
    try:
        protocol.answer(scenario, visit.play(scenario, path, address, request))
    except (visit.Hung, OSError) as error:
        protocol.failed(scenario, f"{type(error).__name__}: {error}; log so far: {visit.lines(path + '.log')}; {workplace.said()[-500:]}")
        # The one worker may still wait for its client: what follows would hang, too.
        raise SystemExit(1) from error
