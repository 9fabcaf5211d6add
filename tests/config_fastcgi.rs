//! Apache in front of PHP-FPM: what it hands over, and `.user.ini` behind it, as real Apache 2.4 and php-fpm 8.2 have it.

use outlive::config::{Builder, Config, Fate, Layer, Outcome};
use outlive::files::Memory;
use outlive::target::Target;
use std::path::Path;
use std::sync::Arc;

const CONF: &str = "\
LoadModule env_module x
LoadModule proxy_module x
LoadModule proxy_fcgi_module x
DocumentRoot /www
<FilesMatch \"\\.php$\">
SetHandler \"proxy:unix:/run/fpm.sock|fcgi://localhost\"
</FilesMatch>
";

fn config(lines: &str, user_ini: &str) -> Config {
    let files = Memory::new()
        .with("/etc/httpd.conf", format!("{CONF}{lines}"))
        .with("/etc/fpm.conf", "[www]\nphp_value[precision]=1\nphp_admin_value[memory_limit]=128M\n")
        .with("/www/.user.ini", user_ini)
        .with("/www/a.php", "")
        .with("/app/b/a.php", "")
        .with("/app/b/.user.ini", "precision=9\n");
    let mut builder = Builder::new(Arc::new(files));
    builder.load_httpd_conf(Path::new("/etc/httpd.conf")).unwrap();
    builder.load_fpm_pool(Path::new("/etc/fpm.conf"), None).unwrap();
    builder.build().unwrap()
}

fn get(config: &Config, names: &[&str]) -> Vec<String> {
    let target = Target { uri: Some(b"/a.php"), ..Target::default() };
    let Outcome::Run(settings) = config.outcome(&target).unwrap() else { panic!("no program runs") };
    let value = |name: &&str| String::from_utf8_lossy(settings.get(name.as_bytes()).unwrap()).into_owned();
    names.iter().map(value).collect()
}

#[test]
fn a_pool_beside_an_httpd_without_mod_php_is_fpm() {
    let config = config("", "upload_max_filesize=513M\nmemory_limit=700M\n");
    assert_eq!(config.sapi().name(), "fpm-fcgi");
    assert_eq!(get(&config, &["upload_max_filesize", "memory_limit", "precision"]), ["513M", "128M", "1"]);
}

#[test]
fn what_httpd_hands_over_lies_between_pool_and_user_ini() {
    let config = self::config("SetEnv PHP_VALUE \"precision=5\"\n", "upload_max_filesize=513M\n");
    assert_eq!(get(&config, &["precision", "upload_max_filesize"]), ["5", "513M"]);
    let config = self::config("SetEnv PHP_ADMIN_VALUE \"precision=5\"\n", "precision=6\n");
    assert_eq!(get(&config, &["precision"]), ["5"]);
    let target = Target { uri: Some(b"/a.php"), ..Target::default() };
    let Outcome::Run(settings) = config.outcome(&target).unwrap() else { panic!() };
    let trail = settings.explain(b"precision").unwrap().trail;
    let winner = trail.iter().find(|step| step.fate == Fate::InForce).unwrap();
    assert_eq!((winner.layer, winner.origin.to_string()), (Layer::FastCgi, "/etc/httpd.conf:8".into()));
}

#[test]
fn conditions_decide_what_is_handed_over() {
    for (lines, want) in [
        ("ProxyFCGISetEnvIf \"true\" PHP_VALUE \"precision=7\"\n", "7"),
        ("ProxyFCGISetEnvIf \"false\" PHP_VALUE \"precision=7\"\n", "1"),
        ("SetEnv PHP_VALUE \"precision=5\"\nProxyFCGISetEnvIf \"true\" !PHP_VALUE\n", "1"),
        ("ProxyFCGISetEnvIf \"true\" PHP_VALUE \"precision=7\"\nSetEnv PHP_VALUE \"precision=5\"\n", "7"),
        ("<Location /a>\nSetEnv PHP_VALUE \"precision=4\"\n</Location>\nSetEnv PHP_VALUE \"precision=5\"\n", "5"),
        ("<Location /a.php>\nSetEnv PHP_VALUE \"precision=4\"\n</Location>\nSetEnv PHP_VALUE \"precision=5\"\n", "4"),
        // The script that FPM is told of is where it looks for .user.ini.
        (
            "ProxyFCGISetEnvIf \"true\" SCRIPT_FILENAME \"/app/b/a.php\"\nProxyFCGISetEnvIf \"true\" DOCUMENT_ROOT /app\n",
            "9",
        ),
    ] {
        assert_eq!(get(&config(lines, ""), &["precision"]), [want], "{lines}");
    }
}
