//! `[schedules.NAME]`: what an operator writes, and what he is told.

use autopilot_engine::{NewJob, Schedule};
use autopilot_workflows::provisioning::Provision;

use super::*;

const STUDIO: &str = "0192a1b2-c3d4-7e8f-8a9b-0c1d2e3f4a5b";

fn nightly(more: &str) -> String {
    format!(
        "[schedules.nightly]\ncron = \"0 3 * * *\"\nkind = \"studio.provision\"\n\
         payload = {{ workspace = \"{STUDIO}\" }}\n{more}"
    )
}

fn line(loaded: &Loaded, key: &str) -> String {
    let text = loaded.report().to_string();
    let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_schedule_in_a_file_is_shown_with_all_its_keys_and_their_sources() {
    let loaded = load(&nightly("zone = \"Europe/Berlin\"\nmissed = \"all\""), &[DATABASE]);
    assert_eq!(errors(&loaded), [""; 0]);
    for expected in [
        "schedules.nightly.cron 0 3 * * * /etc/autopilot.toml",
        "schedules.nightly.zone Europe/Berlin /etc/autopilot.toml",
        "schedules.nightly.missed all /etc/autopilot.toml",
        "schedules.nightly.overlap skip default",
        "schedules.nightly.priority not set default",
    ] {
        assert_eq!(line(&loaded, expected.split(' ').next().unwrap()), expected);
    }
    let report = serde_json::to_value(loaded.report()).unwrap();
    let payload = &report["values"]["schedules.nightly.payload"];
    assert_eq!(payload["value"]["workspace"], STUDIO);
    assert_eq!(payload["variable"], serde_json::Value::Null, "only a file sets it");
    let [schedule] = &loaded.accept().unwrap().schedules[..] else { panic!("one schedule") };
    let shown = format!("{schedule:?}");
    assert!(shown.contains("Europe/Berlin") && shown.contains("studio.provision"), "{shown}");
}

/// Something wrong in every key.
const WRONG: &str = "
    [schedules]
    d = \"@daily\"
    [schedules.a]
    colour = 1
    corn = \"@daily\"
    kind = \"studio.provison\"
    zone = \"Mars/Base\"
    [schedules.b]
    cron = 3
    kind = \"studio.provision\"
    missed = \"none\"
    [schedules.\"c.1\"]
    cron = \"0 0 31 2 *\"
    kind = \"gardening\"
    [schedules.e]
    cron = \"@daily\"
    kind = \"studio.provision\"
    payload = { workspace = 2026-01-01 }
    [schedules.\"\"]
    cron = \"@daily\"
";

#[test]
fn all_that_is_wrong_with_schedules_is_told_at_once_with_key_source_and_fix() {
    let found = errors(&load(WRONG, &[DATABASE, ("AUTOPILOT__SCHEDULES__A__CRON", "@daily")]));
    let expected = [
        "AUTOPILOT__SCHEDULES__A__CRON (AUTOPILOT__SCHEDULES__A__CRON) is not read: schedules have \
         no variables; write them into a file and name it with --config",
        "schedules.\"\" (/etc/autopilot.toml) cannot be used: the name \"\" of a schedule has 1 to \
         200 bytes and no control characters; rename it in /etc/autopilot.toml",
        "schedules.\"\".kind (/etc/autopilot.toml) is not set; write one of KINDS",
        "schedules.a.colour (/etc/autopilot.toml) is no key of a schedule; remove it; its keys are \
         cron, kind, missed, overlap, payload, priority, zone",
        "schedules.a.corn (/etc/autopilot.toml) is no key of a schedule; did you mean cron?",
        "schedules.a.cron (/etc/autopilot.toml) is not set; write for example cron = \"0 3 * * *\"",
        "schedules.a.zone (/etc/autopilot.toml) is wrong: there is no time zone \"Mars/Base\"; it is a \
         name like \"Europe/Berlin\" or \"UTC\"; correct it in /etc/autopilot.toml",
        "schedules.a.kind (/etc/autopilot.toml) is \"studio.provison\", which this program does \
         not know; did you mean studio.provision? it knows KINDS",
        "schedules.b.cron (/etc/autopilot.toml) invalid type: integer `3`, expected a string; \
         correct schedules.b.cron in /etc/autopilot.toml",
        "schedules.b.missed (/etc/autopilot.toml) unknown variant `none`, expected one of `skip`, \
         `one`, `all`; correct schedules.b.missed in /etc/autopilot.toml",
        "schedules.b.payload (/etc/autopilot.toml) is wrong: the payload does not fit kind \
         studio.provision: missing field `workspace`; correct it in /etc/autopilot.toml",
        "schedules.\"c.1\".cron (/etc/autopilot.toml) is wrong: the cron text \"0 0 31 2 *\" makes no \
         sense: no day ever fits it; it has five fields (minute, hour, day of month, month, day of \
         week), for example \"30 2 * * 1-5\", or is @hourly, @daily, @weekly, @monthly or @yearly; \
         correct it in /etc/autopilot.toml",
        "schedules.\"c.1\".kind (/etc/autopilot.toml) is \"gardening\", which this program does \
         not know; it knows KINDS",
        "schedules.d (/etc/autopilot.toml) is no table; write [schedules.d] with cron and kind",
    ];
    let kinds = registry().known();
    let expected = expected.map(|error| format!("error: {}", error.replace("KINDS", &kinds)));
    assert_eq!(found[..expected.len()], expected);
    let [payload] = &found[expected.len()..] else { panic!("{found:#?}") };
    assert!(payload.starts_with("error: schedules.e.payload"), "{payload}");
}

#[test]
fn a_name_that_a_schedule_of_the_code_has_is_refused() {
    let coded = NewJob::of(&Provision { workspace: STUDIO.parse().unwrap() }).unwrap();
    let coded = Schedule::of("nightly", "@daily", &coded).unwrap();
    let file = File { path: "/etc/autopilot.toml".into(), text: nightly("") };
    let variables = [(DATABASE.0.to_owned(), DATABASE.1.to_owned())].into_iter();
    let found = errors(&Config::load(Some(&file), variables, &registry().schedule(coded)));
    let [taken] = &found[..] else { panic!("{found:#?}") };
    assert!(taken.starts_with("error: schedules.nightly (/etc/autopilot.toml) cannot be used: "));
    assert!(taken.contains("has a schedule \"nightly\" of its own"), "{taken}");
}

#[test]
fn a_section_that_is_no_table_is_told() {
    assert_eq!(
        errors(&load("schedules = 3", &[DATABASE])),
        [
            "error: schedules (/etc/autopilot.toml) is no table; write [schedules.NAME] with cron and kind"
        ]
    );
}

/// The example of `worker.toml` is a comment there, so nothing else reads it.
#[test]
fn the_documented_example_is_one() {
    let example: Vec<&str> = DEFAULTS
        .lines()
        .skip_while(|line| !line.starts_with("# [schedules."))
        .take_while(|line| line.starts_with("# "))
        .filter_map(|line| line.strip_prefix("# "))
        .collect();
    let loaded = load(&example.join("\n"), &[DATABASE]);
    assert_eq!(errors(&loaded), [""; 0]);
    let report = serde_json::to_value(loaded.report()).unwrap();
    let settings = report["values"].as_object().unwrap().iter();
    let documented = settings.filter(|(key, _)| key.starts_with("schedules."));
    assert!(documented.clone().count() > 0, "{example:#?}");
    for (key, setting) in documented {
        assert_eq!(setting["source"], "/etc/autopilot.toml", "{key} is not in the example");
    }
}
