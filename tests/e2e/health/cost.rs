//! What looking costs: pages read, with 10 studios, 1,000 and 10,000.

use autopilot_tests::{Explained, Studio, World};
use autopilot_workflows::app::App;

macro_rules! statement {
    ($path:literal) => {
        include_str!(concat!("../../../", $path))
    };
}

/// What reads the whole fleet: in proportion to what is not well.
const TOTALS: [(&str, &str, &str); 7] = [
    ("parts that fail", statement!("workflows/src/state/health/unwell.sql"), ""),
    (
        "what is set aside or held back",
        statement!("engine/sql/standing/unwell.sql"),
        "'studio.provision'",
    ),
    ("set aside by kind", statement!("engine/sql/standing/letters_by_kind.sql"), ""),
    ("queues", statement!("engine/sql/standing/queues.sql"), ""),
    ("workers", statement!("engine/sql/standing/workers.sql"), ""),
    ("what workers suffer from", statement!("engine/sql/strain/list.sql"), ""),
    ("how many", "SELECT sum(workspaces) FROM studio.workspace_tally", ""),
];

/// What reads a page of ten: in proportion to the page.
const PAGE: [(&str, &str, &str); 5] = [
    (
        "the page",
        statement!("workflows/src/state/health/page.sql"),
        "'00000000-0000-0000-0000-000000000000', 10",
    ),
    ("their parts", statement!("workflows/src/state/health/of.sql"), "TEN"),
    ("their runs", statement!("engine/sql/standing/runs.sql"), "TEN, 'studio.provision'"),
    ("what was set aside of theirs", statement!("engine/sql/standing/letters.sql"), "TEN, 20"),
    (
        "their breakers",
        statement!("engine/sql/standing/own_breakers.sql"),
        "TEN, '{stripe,twilio,whatsapp,openai,smtp}'",
    ),
];

/// Adds studios that were provisioned and are well.
async fn add(world: &World<App>, studios: i64) {
    let sql = format!(
        "INSERT INTO studio.workspace (id, last_outcome) SELECT gen_random_uuid(), 'completed' FROM generate_series(1, {studios});
         INSERT INTO studio.health SELECT id, part, 'working', NULL, 'it works', '', '', now(), now()
         FROM studio.workspace, unnest('{{provisioning,stripe,twilio,whatsapp,email}}'::text[]) part ON CONFLICT DO NOTHING;
         INSERT INTO engine.run (id, workspace, kind, version, plan, created_at)
         SELECT id, id, 'studio.provision', '1', '[{{\"name\": \"a\", \"weight\": 1}}]', now() FROM studio.workspace ON CONFLICT DO NOTHING;
         INSERT INTO engine.history (id, workspace, kind, queue, priority, outcome, token, attempt, crashes, payload, created_at, goes)
         SELECT id, workspace, kind, 'provisioning', 1, 'completed', 1, 1, 0, '{{}}', created_at, current_date + 30 FROM engine.run r
         WHERE NOT EXISTS (SELECT FROM engine.history h WHERE h.id = r.id);
         ANALYZE;"
    );
    for statement in sql.split(';').filter(|statement| !statement.trim().is_empty()) {
        world.execute(statement).await;
    }
}

async fn pages(world: &World<App>, statement: &str, values: &str) -> i64 {
    let ten = world.texts("SELECT string_agg(id::text, ',') FROM (SELECT id FROM studio.workspace ORDER BY id LIMIT 10) ten").await;
    let values = values.replace("TEN", &format!("'{{{}}}'", ten.concat()));
    Explained::as_planned(world, statement, &values).await.pages()
}

#[tokio::test]
async fn looking_at_ten_thousand_studios_reads_what_looking_at_ten_reads() {
    let studio = Studio::new().await;
    let world = &studio.world;
    let all: Vec<_> = TOTALS.into_iter().chain(PAGE).collect();
    let mut read: Vec<Vec<i64>> = Vec::new();
    for studios in [10, 990, 9_000] {
        add(world, studios).await;
        let mut now = Vec::new();
        for (_, statement, values) in &all {
            // What is read of the catalogue at first is not the statement's.
            pages(world, statement, values).await;
            now.push(pages(world, statement, values).await);
        }
        // Counting what should not be counted is seen.
        now.push(pages(world, "SELECT count(*) FROM studio.workspace", "").await);
        read.push(now);
    }
    let [few, more, many] = &read[..] else { panic!("three measurements") };
    let mut told = Vec::new();
    for (place, (name, ..)) in all.iter().enumerate() {
        let (few, more, many) = (few[place], more[place], many[place]);
        told.push(format!("{name}: {few}, {more}, {many}"));
        // All rows of ten studios stand in a page or two, those of a thousand each in its own, and an index of ten times as many may be a level deeper for
        // each of the ten that are looked up.
        let most = if place < TOTALS.len() { few + 10 } else { more + more / 2 + 20 };
        assert!(
            many <= most,
            "{name}: {few} pages for ten studios, {more} for a thousand, {many} for ten thousand"
        );
    }
    eprintln!("pages read with 10, 1,000 and 10,000 studios: {}", told.join("; "));
    let (few, many) = (few.last().unwrap(), many.last().unwrap());
    // Vacuumed meanwhile, it is read from the index alone.
    assert!(*many > 5 * few, "counting all reads {few} and {many} pages");
    studio.close().await;
}
