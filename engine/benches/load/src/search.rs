//! How long it takes to find jobs by tag and by output, among few and among many.

use std::error::Error;
use std::time::Instant;

use autopilot_engine::ops::{self, Search};
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use crate::arguments::Arguments;
use crate::ballast;
use crate::fleet::{Target, database};
use crate::latency::{percentile, rounded};
use crate::report;

/// What is asked, by name: a tag and an output that one job has, those that a thousandth of all have, and both tags.
const ASKED: [&str; 5] = ["tag", "common_tag", "two_tags", "output", "common_output"];

/// Fills the history twice, and asks each time.
pub(crate) async fn measure(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let few: i64 = arguments.get("few", 100_000)?;
    let many: i64 = arguments.get("many", 10_000_000)?;
    let asks: usize = arguments.get("asks", 200)?;
    let pool = database(&Target::from_environment()?).await?;
    ballast::tagged(&pool, 1, few).await?;
    let among_few = ask(&pool, few, asks).await?;
    ballast::tagged(&pool, few + 1, many).await?;
    let among_many = ask(&pool, many, asks).await?;
    let mut figures = Map::new();
    for (name, (mut few, mut many)) in ASKED.iter().zip(among_few.into_iter().zip(among_many)) {
        for (percent, suffix) in [(50.0, "p50"), (99.0, "p99")] {
            let [few, many] = [&mut few, &mut many].map(|times| percentile(times, percent));
            figures.insert(format!("{name}_{suffix}_ms"), json!(rounded(many)));
            figures.insert(format!("{name}_{suffix}_times"), json!(rounded(many / few)));
        }
    }
    let settings = format!(
        "{many} ended jobs, each with two tags and an output, beside {few}; {asks} searches each, for the newest 50"
    );
    report::answer("search", &settings, Value::Object(figures));
    Ok(())
}

/// How long each of the searches takes, with the cache as it is after some.
async fn ask(pool: &PgPool, jobs: i64, asks: usize) -> Result<[Vec<i64>; 5], Box<dyn Error>> {
    let mut times: [Vec<i64>; 5] = Default::default();
    for number in 0..asks + WARM_UP {
        // Spread over all of them.
        let order = i64::try_from(number)? * 7_919 * 104_729 % jobs + 1;
        for (question, times) in times.iter_mut().enumerate() {
            let (tag, plan) = (format!("order {order}"), format!("plan {}", order % 1_000));
            let (tags, output) = match question {
                0 => (vec![tag], None),
                1 => (vec![plan], None),
                2 => (vec![tag, plan], None),
                3 => (Vec::new(), Some(json!({ "order": order }))),
                _ => (Vec::new(), Some(json!({ "plan": order % 1_000 }))),
            };
            let search = Search { tags, output, ..Search::default() };
            let begun = Instant::now();
            let found = ops::search(pool, &search).await?;
            let took = i64::try_from(begun.elapsed().as_nanos())?;
            let expected = if matches!(question, 1 | 4) { 50 } else { 1 };
            if found.len() != expected {
                return Err(format!("{search:?} finds {} jobs", found.len()).into());
            }
            if number >= WARM_UP {
                times.push(took);
            }
        }
    }
    Ok(times)
}

/// So many searches come before those that count.
const WARM_UP: usize = 10;
