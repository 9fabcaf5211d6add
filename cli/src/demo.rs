//! `outlive demo`: the story, in one process. A form is submitted over a real connection, another party has table C locked, and
//! the browser is closed; the demo's php.ini decides for each form which of tables A to D are written.

use crate::output::{Answer, BAD, DIM, GOOD, Problem, STRONG, printable};
use outlive::config::{Builder, Fate, Outcome, Settings};
use outlive::engine::{Engine, EngineOptions, Handle, Host, Options};
use outlive::error::Code;
use outlive::files::Disk;
use outlive::request::Ending;
use outlive::target::Target;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const INI: &str = include_str!("demo.ini");
/// How long the other party keeps table C.
const LOCKED: Duration = Duration::from_secs(3);
/// How long the person looks at the page.
const STAYS: Duration = Duration::from_millis(400);
/// How often a waiting program reaches a safe point.
const LOOK: Duration = Duration::from_millis(20);

/// One decision, and its expected result.
struct Scene {
    name: &'static str,
    told: &'static str,
    directive: &'static str,
    stays: bool,
    written: &'static str,
    ending: Ending,
}

const SCENES: [Scene; 6] = [
    scene("php", "as PHP: stop when output fails", "ignore_user_abort", "ABC", Ending::Aborted),
    scene("stop", "stop at the next safe point", "ignore_user_abort", "AB", Ending::Aborted),
    scene("finish", "finish, whoever is gone", "ignore_user_abort", "ABCD", Ending::Completed),
    scene("hold", "stop, but not inside a hold", "outlive.disconnect", "ABCD", Ending::Aborted),
    scene("cap", "finish, within a second", "outlive.max_detached_time", "AB", Ending::Aborted),
    Scene {
        stays: true,
        ..scene("limit", "a time limit; the person stays", "max_execution_time", "AB", Ending::TimeLimit)
    },
];

const fn scene(
    name: &'static str,
    told: &'static str,
    directive: &'static str,
    written: &'static str,
    ending: Ending,
) -> Scene {
    Scene { name, told, directive, stays: false, written, ending }
}

/// Plays every scene.
pub fn run() -> Result<Answer, Problem> {
    let place = Place::new()?;
    let ini = place.0.join("php.ini");
    fs::write(&ini, INI)?;
    let mut builder = Builder::new(Arc::new(Disk));
    builder.set_sapi(b"cgi-fcgi")?;
    builder.load_php_ini(&ini)?;
    let config = builder.build()?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let engine = Engine::new(EngineOptions::default())?;
    let mut status = 0;
    say(&format!(
        "A form is submitted: tables A, B, C and D are to be written. Another party has C locked for {} s, and the person\n\
         closes the browser after {} s. What happens is what demo.ini says:\n",
        LOCKED.as_secs(),
        STAYS.as_secs_f32()
    ));
    for scene in &SCENES {
        let file = format!("/demo/{}/form.php", scene.name);
        let target = Target { filename: Some(file.as_bytes()), method: Some(b"POST"), ..Target::default() };
        let Outcome::Run(settings) = config.outcome(&target)? else {
            return Err(Problem::Call("the demo's own configuration answers the request".into()));
        };
        let tables = place.0.join(scene.name);
        fs::create_dir(&tables)?;
        let (ended, took) = play(&engine, &settings, scene, &listener, &tables)?;
        let written = written(&tables);
        let right = written == scene.written && ended == scene.ending;
        let mark = if right { format!("{GOOD}✓{GOOD:#}") } else { format!("{BAD}✗{BAD:#}") };
        say(&format!(
            "{mark} {STRONG}{:31}{STRONG:#} {:8} {:11} {:4.1} s  {DIM}{}{DIM:#}\n",
            scene.told,
            spread(&written),
            ended.word(),
            took.as_secs_f32(),
            because(&settings, scene.directive)
        ));
        status |= u8::from(!right);
    }
    Ok(Answer::text(if status == 0 {
        "\nEach ending ran the shutdown function, once, and told it why. `outlive explain` says the same of your own files.\n"
    } else {
        "\nSomething came out otherwise than the file says; please report it.\n"
    })
    .with_status(status))
}

/// The person, the other party and the server, until the request has ended.
fn play(
    engine: &Engine<Server>,
    settings: &Arc<Settings>,
    scene: &Scene,
    listener: &TcpListener,
    tables: &Path,
) -> io::Result<(Ending, Duration)> {
    let lock = tables.join("C.lock");
    fs::File::create_new(&lock)?;
    let address = listener.local_addr()?;
    let (over, until_over) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(move || {
            let _ = until_over.recv_timeout(LOCKED);
            let _ = fs::remove_file(&lock);
        });
        scope.spawn(move || -> io::Result<()> {
            let mut browser = TcpStream::connect(address)?;
            browser.set_read_timeout(Some(5 * LOCKED))?;
            browser.write_all(b"POST /form HTTP/1.0\r\n\r\n")?;
            browser.read_exact(&mut [0; 3])?;
            if scene.stays {
                browser.read_to_end(&mut Vec::new())?;
            }
            thread::sleep(STAYS);
            Ok(())
        });
        let (client, _) = listener.accept()?;
        let (connection, began) = (client.try_clone()?, Instant::now());
        let ending = serve(engine, settings, scene, client, tables);
        let took = began.elapsed();
        let _ = connection.shutdown(Shutdown::Both);
        drop(over); // nobody waits for C any more
        Ok((ending?, took))
    })
}

fn serve(
    engine: &Engine<Server>,
    settings: &Arc<Settings>,
    scene: &Scene,
    client: TcpStream,
    tables: &Path,
) -> io::Result<Ending> {
    (&client).read_exact(&mut [0; 23])?;
    let socket = Some(client.as_raw_fd());
    let options = Options { label: b"POST /form", method: b"POST", socket, ..Options::new(client) };
    let request = engine.begin(settings, options).map_err(|error| io::Error::other(error.to_string()))?;
    let mut told = None;
    if request.register(()).is_ok() {
        save(&request, scene, tables)?;
    }
    let ending = request.end(|(), ending| {
        told = Some(ending);
        false
    });
    match (ending, told) {
        (Ok(ending), Some(told)) if told == ending => Ok(ending),
        other => Err(io::Error::other(format!("the shutdown function was not told: {other:?}"))),
    }
}

/// The program: A to D, with a safe point before each; it holds from C to D where the scene says so.
fn save(request: &Handle<'_, Server>, scene: &Scene, tables: &Path) -> io::Result<()> {
    let holds = scene.name == "hold";
    for table in ["A", "B", "C", "D"] {
        if holds && table == "C" {
            let _ = request.hold();
        }
        while table == "C" && tables.join("C.lock").exists() {
            if request.check() == Ok(Code::Stop) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        fs::write(tables.join(table), "one row\n")?;
        // PHP notices at the second write: the first one still finds room.
        for line in [&b"saved "[..], table.as_bytes(), b"\n"] {
            if request.write(line) == Ok(Code::Stop) {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
    }
    if holds {
        let _ = request.release();
    }
    Ok(())
}

/// The server's side of a connection.
#[derive(Default)]
struct Server(Mutex<Option<TcpStream>>);

impl Host for Server {
    type Callbacks = TcpStream;
    type Function = ();
    type OnEnded = ();
    type Notices = ();

    fn attach(&self, client: TcpStream, _: Option<&()>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    fn write(&self, bytes: &[u8]) -> bool {
        let client = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().is_none_or(|mut client| client.write_all(bytes).is_ok())
    }
}

/// The line that put a directive in force.
fn because(settings: &Settings, directive: &str) -> String {
    let trail = settings.explain(directive.as_bytes()).map(|answer| answer.trail).unwrap_or_default();
    let line = trail.iter().rfind(|step| step.fate == Fate::InForce).map_or(0, |step| step.origin.line);
    let text = INI.lines().nth((line as usize).saturating_sub(1)).unwrap_or_default();
    format!("demo.ini:{line}: {}", text.split(';').next().unwrap_or_default().trim())
}

fn written(tables: &Path) -> String {
    ["A", "B", "C", "D"].into_iter().filter(|table| tables.join(table).exists()).collect()
}

fn spread(written: &str) -> String {
    let shown: Vec<_> = "ABCD".chars().map(|table| if written.contains(table) { table } else { '-' }).collect();
    shown.iter().map(char::to_string).collect::<Vec<_>>().join(" ")
}

/// Printed as it happens, not at the end.
fn say(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(printable(text.as_bytes()).as_bytes()).and_then(|()| out.flush());
}

/// A directory that goes with the demo.
struct Place(PathBuf);

impl Place {
    fn new() -> io::Result<Self> {
        for number in 0.. {
            let place = std::env::temp_dir().join(format!("outlive-demo-{}-{number}", std::process::id()));
            match fs::create_dir(&place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => {}
                made => return made.map(|()| Self(place)),
            }
        }
        unreachable!()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
