mod schedules;

use autopilot_workflows::app::registry;

use super::*;

/// Loads without a process environment.
fn load(file: &str, variables: &[(&str, &str)]) -> Loaded {
    let file = File { path: "/etc/autopilot.toml".into(), text: file.to_owned() };
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    Config::load(Some(&file), variables, &registry())
}

fn errors(loaded: &Loaded) -> Vec<String> {
    let errors = loaded.problems().iter().filter(|problem| problem.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}

fn warnings(loaded: &Loaded) -> Vec<String> {
    let warnings = loaded.problems().iter().filter(|problem| problem.severity == Severity::Warning);
    warnings.map(ToString::to_string).collect()
}

const DATABASE: (&str, &str) = ("DATABASE_URL", "postgres://autopilot@127.0.0.1/autopilot");

#[test]
fn the_defaults_lack_nothing_but_a_database() {
    let loaded = load("", &[]);
    assert_eq!(
        errors(&loaded),
        ["error: database.url (default) is not set; set DATABASE_URL; \
          write postgres://user:password@host:port/name"]
    );
    assert!(load("", &[DATABASE]).accept().is_ok());
}

#[test]
fn every_key_of_the_defaults_is_documented() {
    let mut above = "";
    for line in DEFAULTS.lines() {
        if line.split_once(" = ").is_some() && !line.starts_with('#') {
            assert!(above.starts_with("# "), "no comment above `{line}`");
        }
        above = line;
    }
}

#[test]
fn every_variable_with_a_name_of_its_own_is_documented_above_its_key() {
    for (key, _) in keys::flatten(defaults()) {
        let variable = keys::variable(&key);
        if !variable.starts_with(keys::PREFIX) {
            assert!(DEFAULTS.contains(&format!("# {variable}. ")), "{variable} of {key}");
        }
    }
}

#[test]
fn every_variable_with_a_name_of_its_own_sets_a_key_that_exists() {
    let known = keys::flatten(defaults());
    for (variable, key) in keys::NAMED {
        assert!(known.contains_key(key), "{variable} sets {key}");
    }
}

#[test]
fn the_defaults_hold_no_secret() {
    let report = serde_json::to_value(load("", &[]).report()).unwrap();
    let values = report["values"].as_object().unwrap();
    assert!(values.values().all(|setting| setting["value"] != "set"));
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_defaults() {
    let file = "[worker]\nlease = \"9s\"\npoll_max = \"2s\"\n[stripe]\nsecret_key = \"sk_file\"";
    let variables = [
        DATABASE,
        ("AUTOPILOT__WORKER__LEASE", "11s"),
        ("AUTOPILOT__WORKER__QUEUES__DEFAULT", "3"),
        ("AUTOPILOT__DATABASE__LISTEN", "false"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old,"),
        ("SMTP_PORT", "465"),
        ("SMTP_TLS", "implicit"),
        ("OPENAI_BASE_URL", " http://127.0.0.1:9/v1\n"),
        ("OPENAI_API_KEY", ""),
    ];
    let loaded = load(file, &variables);
    assert_eq!(errors(&loaded), [""; 0]);
    let source = |key: &str| loaded.provenance[key].to_string();
    assert_eq!(source("worker.lease"), "AUTOPILOT__WORKER__LEASE");
    assert_eq!(source("worker.poll_max"), "/etc/autopilot.toml");
    assert_eq!(source("worker.poll_min"), "default");
    assert_eq!(source("stripe.webhook_secrets"), "STRIPE_WEBHOOK_SECRET");
    assert_eq!(source("openai.api_key"), "default");
    let config = loaded.accept().unwrap();
    assert_eq!(config.worker.lease.as_secs(), 11);
    assert_eq!(config.worker.poll_max.as_secs(), 2);
    assert_eq!(config.worker.queues["default"], 3);
    assert!(!config.database.listen);
    assert_eq!(config.stripe.webhook_secrets.len(), 2);
    assert!(config.stripe.secret_key.is_some());
    assert_eq!((config.smtp.port.get(), config.smtp.tls), (465, SmtpTls::Implicit));
    assert_eq!(config.openai.base_url.as_str(), "http://127.0.0.1:9/v1");
    assert!(config.openai.api_key.is_none());
}

#[test]
fn a_purchase_is_not_settled_while_its_call_may_be_under_way() {
    let file = "[twilio]\ntimeout = \"6s\"\n[provisioning]\nsettle = \"11s\"";
    let told = errors(&load(file, &[DATABASE])).concat();
    for part in ["provisioning.settle", "is 11s, less than twice twilio.timeout", "12s or more"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(load(&file.replace("11s", "12s"), &[DATABASE]).accept().is_ok());
}

#[test]
fn all_problems_are_told_at_once_with_key_source_and_fix() {
    let file =
        "[worker]\nleese = \"9s\"\npoll_min = 50\n[http]\nbind = \"here\"\n[colours]\nsky = 1";
    let variables = [
        DATABASE,
        ("AUTOPILOT__WORKER__LEESE", "9s"),
        ("AUTOPILOT__DATABASE__URL", "postgres://localhost/a"),
        ("AUTOPILOT__WORKER__POLL_MAX", "1"),
        ("AUTOPILOT__DATABASE__LISTEN", "yes"),
        ("AUTOPILOT__WORKER__CLAIM_BATCH", "0"),
        ("SMTP_PORT", "70000"),
        ("SMTP_TLS", "sometimes"),
        ("AUTOPILOT_CONFIG", "not a knob"),
    ];
    let expected = [
        "error: colours.sky (/etc/autopilot.toml) is no key of worker.toml; \
         remove it; worker.toml in the source names every key",
        "error: http.bind (/etc/autopilot.toml) invalid socket address syntax; \
         correct http.bind in /etc/autopilot.toml",
        "error: worker.leese (/etc/autopilot.toml) is no key of worker.toml; \
         did you mean worker.lease?",
        "error: worker.poll_min (/etc/autopilot.toml) `50` has no unit; write it in quotes with \
         one, for example \"10s\"; correct worker.poll_min in /etc/autopilot.toml",
        "error: AUTOPILOT__WORKER__LEESE (AUTOPILOT__WORKER__LEESE) sets no key of worker.toml; \
         use AUTOPILOT__WORKER__LEASE",
        "error: AUTOPILOT__DATABASE__URL (AUTOPILOT__DATABASE__URL) is not read: database.url has \
         a variable of its own; use DATABASE_URL",
        "error: worker.poll_max (AUTOPILOT__WORKER__POLL_MAX) `1` has no unit; add one of ms, s, \
         m, h or d, for example \"10s\"; correct AUTOPILOT__WORKER__POLL_MAX",
        "error: database.listen (AUTOPILOT__DATABASE__LISTEN) `yes` is neither true nor false; \
         correct AUTOPILOT__DATABASE__LISTEN",
        "error: worker.claim_batch (AUTOPILOT__WORKER__CLAIM_BATCH) invalid value: integer `0`, \
         expected a nonzero u32; correct AUTOPILOT__WORKER__CLAIM_BATCH",
        "error: smtp.port (SMTP_PORT) invalid value: integer `70000`, expected a nonzero u16; \
         correct SMTP_PORT",
        "error: smtp.tls (SMTP_TLS) unknown variant `sometimes`, expected one of `starttls`, \
         `implicit`, `none`; correct SMTP_TLS",
    ];
    assert_eq!(errors(&load(file, &variables)), expected);
}

/// One wrong value among right ones, and what is said of it.
#[test]
fn each_rule_names_the_key_and_the_way_out() {
    let table: [(&[(&str, &str)], &str); 27] = [
        (&[("DATABASE_URL", "mysql://h/d")], "database.url (DATABASE_URL) is not the address of"),
        (&[("DATABASE_URL", "h/d")], "database.url (DATABASE_URL) is not the address of"),
        (&[("AUTOPILOT__DATABASE__POOLER", "session")], "expected `none` or `transaction`"),
        (&[("AUTOPILOT__DATABASE__STATEMENT_CACHE", "0")], "expected a nonzero usize"),
        (&[("RATE_LIMIT_REDIS_URL", "h:1")], "write redis://host:port"),
        (&[("RATE_LIMIT_REDIS_URL", "redis://h:1/first")], "write redis://host:port"),
        (&[("AUTOPILOT__WORKER__LEASE", "5s")], "shorter than three heartbeats of 2s"),
        (&[("AUTOPILOT__WORKER__LEASE", "13s")], "a rescue takes 18s, more than 15s"),
        (&[("AUTOPILOT__WORKER__POLL_MIN", "4s")], "is longer than worker.poll_max"),
        (&[("AUTOPILOT__RETRY__BASE", "11m")], "is longer than retry.cap"),
        (&[("AUTOPILOT__BREAKERS__OPEN_FOR", "10ms")], "is less than a second"),
        (&[("AUTOPILOT__BREAKERS__SPREAD", "2h")], "is more than an hour"),
        (&[("AUTOPILOT__HTTP__BIND", "0.0.0.0:80")], "set AUTOPILOT_API_TOKEN"),
        (&[("AUTOPILOT__HTTP__BIND", "[::]:80")], "set AUTOPILOT_API_TOKEN"),
        (&[("AUTOPILOT__HTTP__BODY_LIMIT", "1000")], "`1000` has no unit"),
        (&[("AUTOPILOT_API_TOKEN", "short")], "is shorter than 32 characters"),
        (&[("AUTOPILOT_API_TOKEN", "ä")], "has characters that no header can carry"),
        (&[("PUBLIC_BASE_URL", "http://studio.example")], "must begin with https://"),
        (&[("PUBLIC_BASE_URL", "https://studio.example/x")], "carries a path"),
        (
            &[("TWILIO_ACCOUNT_SID", "AC1")],
            "twilio.auth_token (default) is not set, but twilio.acc",
        ),
        (&[("TWILIO_AUTH_TOKEN", "x")], "set TWILIO_ACCOUNT_SID"),
        (&[("WHATSAPP_API_TOKEN", "x")], "set WHATSAPP_PHONE_NUMBER_ID"),
        (&[("WHATSAPP_VERIFY_TOKEN", "x")], "set WHATSAPP_APP_SECRET"),
        (&[("SMTP_HOST", "mail.example"), ("SMTP_USER", "u")], "set SMTP_PASSWORD"),
        (&[("AUTOPILOT__OPENAI__TIMEOUT", "8s")], "within the lease less a heartbeat, 8s"),
        (
            &[("AUTOPILOT__LOG__FILTER", "a=b=c")],
            "log.filter (AUTOPILOT__LOG__FILTER) is not a filter",
        ),
        (&[("ENCRYPTION_KEY", "hunter2")], "pair 1 has no id before a colon"),
    ];
    for (wrong, expected) in table {
        let mut variables = vec![DATABASE];
        variables.retain(|(name, _)| wrong.iter().all(|(other, _)| name != other));
        variables.extend(wrong);
        let found = errors(&load("", &variables));
        let told = found.iter().filter(|error| error.contains(expected));
        assert_eq!(told.count(), 1, "{wrong:?}: {found:#?}");
    }
}

#[test]
fn a_password_does_not_leave_in_plain_text() {
    let mail = |host| {
        let smtp = [("SMTP_USER", "u"), ("SMTP_PASSWORD", "p"), ("SMTP_TLS", "none")];
        errors(&load("", &[&[DATABASE, ("SMTP_HOST", host)][..], &smtp].concat()))
    };
    assert!(mail("mail.example")[0].contains("use starttls or implicit"));
    assert!(mail("127.0.0.1").is_empty());
}

#[test]
fn a_variable_that_is_not_utf8_is_refused_without_its_value() {
    let found = errors(&load("", &[DATABASE, ("SMTP_PASSWORD", "canary\u{fffd}")]));
    assert_eq!(
        found,
        ["error: smtp.password (SMTP_PASSWORD) is not UTF-8 text; set SMTP_PASSWORD anew"]
    );
}

#[test]
fn a_queue_of_zero_is_not_served_but_one_must_be() {
    let zero = |queue| (queue, "0");
    let two = [
        zero("AUTOPILOT__WORKER__QUEUES__DEFAULT"),
        zero("AUTOPILOT__WORKER__QUEUES__PROVISIONING"),
        DATABASE,
    ];
    assert!(load("", &two).accept().is_ok());
    let all = [&two[..], &[zero("AUTOPILOT__WORKER__QUEUES__WEBHOOKS")]].concat();
    assert!(errors(&load("", &all))[0].contains("this worker would do nothing"));
}

#[test]
fn missing_integrations_are_warnings() {
    let found = warnings(&load("", &[DATABASE]));
    for variable in [
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "TWILIO_ACCOUNT_SID",
        "WHATSAPP_API_TOKEN",
        "WHATSAPP_APP_SECRET",
        "OPENAI_API_KEY",
        "SMTP_HOST",
        "ENCRYPTION_KEY",
        "PUBLIC_BASE_URL",
        "AUTOPILOT_API_TOKEN",
    ] {
        let named = found.iter().filter(|warning| warning.ends_with(&format!("set {variable}")));
        assert_eq!(named.count(), 1, "{variable}: {found:#?}");
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn private_endpoints_are_loud_on_this_machine_and_refused_where_others_can_reach_it() {
    let private = ("AUTOPILOT__ENDPOINTS__ALLOW_PRIVATE", "true");
    let named = |told: Vec<String>| {
        told.into_iter().filter(|one| one.contains("endpoints.allow_private")).collect::<Vec<_>>()
    };
    let here = load("", &[DATABASE, private]);
    assert_eq!(named(errors(&here)), [""; 0]);
    let [loud] = named(warnings(&here)).try_into().unwrap();
    assert!(loud.contains("every studio reach our own network"), "{loud}");
    let token = ("AUTOPILOT_API_TOKEN", "a-token-that-is-long-enough-for-everybody");
    let bind = ("AUTOPILOT__HTTP__BIND", "0.0.0.0:8080");
    let [refused] = named(errors(&load("", &[DATABASE, private, token, bind]))).try_into().unwrap();
    assert!(refused.contains("0.0.0.0:8080") && refused.contains("remove it"), "{refused}");
    assert_eq!(named(errors(&load("", &[DATABASE, token, bind]))), [""; 0], "it is off by default");
}

#[test]
fn a_webhook_secret_of_an_odd_shape_is_a_warning() {
    let found = warnings(&load("", &[("STRIPE_WEBHOOK_SECRET", "whsec_a,sk_live_canary")]));
    assert!(found.iter().any(|warning| warning.contains("secret 2 does not begin with whsec_")));
    assert!(!found.iter().any(|warning| warning.contains("canary")));
}

/// Every secret is set to a text that must never appear again.
#[test]
fn no_secret_is_ever_shown() {
    const SECRETS: [&str; 12] = [
        "DATABASE_URL",
        "RATE_LIMIT_REDIS_URL",
        "AUTOPILOT_API_TOKEN",
        "STRIPE_SECRET_KEY",
        "STRIPE_WEBHOOK_SECRET",
        "TWILIO_AUTH_TOKEN",
        "WHATSAPP_API_TOKEN",
        "WHATSAPP_VERIFY_TOKEN",
        "WHATSAPP_APP_SECRET",
        "OPENAI_API_KEY",
        "SMTP_PASSWORD",
        "ENCRYPTION_KEY",
    ];
    let variables = SECRETS.map(|name| (name, "canary"));
    let loaded = load("", &variables);
    let shown = [
        loaded.report().to_string(),
        serde_json::to_string(&loaded.report()).unwrap(),
        format!("{loaded:?}"),
        loaded.clone().accept().unwrap_err().to_string(),
    ];
    for text in shown {
        assert!(!text.contains("canary"), "{text}");
    }
    let report = serde_json::to_value(loaded.report()).unwrap();
    let settings = report["values"].as_object().unwrap().values();
    let set = settings.filter(|setting| setting["value"] == "set");
    let set: Vec<_> = set.filter_map(|setting| setting["variable"].as_str()).collect();
    assert_eq!(set.len(), SECRETS.len(), "{set:?}");
    assert!(SECRETS.iter().all(|name| set.contains(name)), "{set:?}");
    assert!(!SECRETS.iter().any(|name| !DEFAULTS.contains(&format!("# {name}. "))));
}

#[test]
fn a_broken_file_is_told_without_its_text() {
    for file in [
        "[stripe]\nsecret_key = \"sk_canary",
        "[stripe]\nsecret_key = sk_canary",
        "[stripe]\nsecret_key = \"a\"\nsecret_key = \"sk_canary\"",
        "[stripe]\nsecret_key = [\"sk_canary\"]",
        "[stripe]\nwebhook_secrets = \"sk_canary\"",
        "[stripe]\nwebhook_secrets = [[\"sk_canary\"]]",
        "[database]\nurl = \"sk_canary\"",
        "[stripe]\nbase_url = \"https://u:sk_canary@h\"",
        "[http]\npublic_base_url = \"https://u:sk_canary@h\"",
    ] {
        let loaded = load(file, &[]);
        let found = errors(&loaded);
        assert!(found[0].contains("/etc/autopilot.toml"), "{found:#?}");
        assert!(!format!("{found:?}{loaded:?}").contains("sk_canary"), "{found:#?}");
    }
    let found = errors(&load("[http]\nbind = ", &[DATABASE]));
    assert!(found[0].starts_with("error: /etc/autopilot.toml is not TOML: "), "{found:?}");
    assert!(found[0].ends_with(", line 2"), "{found:?}");
}

#[test]
fn a_table_in_place_of_a_value_and_the_reverse_are_unknown_keys() {
    let found = errors(&load("http = 3\n[log.filter]\nx = 1", &[DATABASE]));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("error: http (/etc/autopilot.toml) is no key"));
    assert!(found[1].starts_with("error: log.filter.x (/etc/autopilot.toml) is no key"));
}

#[test]
fn the_report_tells_value_and_source_of_every_key() {
    let loaded =
        load("[worker]\npoll_max = \"2s\"", &[DATABASE, ("STRIPE_WEBHOOK_SECRET", "whsec_a,b")]);
    let text = loaded.report().to_string();
    let line = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("worker.poll_max"), "worker.poll_max 2s /etc/autopilot.toml");
    assert_eq!(line("http.body_limit"), "http.body_limit 1MiB default");
    assert_eq!(line("database.url"), "database.url set DATABASE_URL");
    assert_eq!(line("openai.api_key"), "openai.api_key not set default");
    assert_eq!(
        line("stripe.webhook_secrets"),
        "stripe.webhook_secrets 2 set STRIPE_WEBHOOK_SECRET"
    );
    assert!(loaded.report().is_accepted());
    assert!(!load("", &[]).report().is_accepted());
}

#[test]
fn a_missing_file_names_itself() {
    let error = File::read("/nowhere/autopilot.toml".as_ref()).unwrap_err().to_string();
    assert!(error.contains("/nowhere/autopilot.toml"), "{error}");
    assert!(error.contains("AUTOPILOT_CONFIG"), "{error}");
}
