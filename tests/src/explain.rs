//! What a statement did, by EXPLAIN: counted in what does not depend on the machine.

use serde_json::Value;
use sqlx::Row;

use crate::World;

/// A statement's plan as it was run.
#[derive(Debug)]
pub struct Explained(Value);

impl Explained {
    /// Runs a statement of the engine with these values, as a loop's own connection would: by a plan that was made without
    /// knowing them, and by index.
    pub async fn of<A: Send + Sync + 'static>(
        world: &World<A>,
        statement: &str,
        values: &str,
    ) -> Self {
        let by_index = ["enable_seqscan", "enable_mergejoin", "jit"]
            .map(|setting| format!("SET {setting} = off;"))
            .concat();
        let settings = format!("{by_index} SET plan_cache_mode = force_generic_plan");
        Self::with(world, &settings, statement, values).await
    }

    /// Runs a statement with these values as any connection would: by whichever plan the planner takes for the best.
    pub async fn as_planned<A: Send + Sync + 'static>(
        world: &World<A>,
        statement: &str,
        values: &str,
    ) -> Self {
        Self::with(world, "SET plan_cache_mode = auto", statement, values).await
    }

    async fn with<A: Send + Sync + 'static>(
        world: &World<A>,
        settings: &str,
        statement: &str,
        values: &str,
    ) -> Self {
        let mut conn = world.connect().await;
        let statement: String =
            statement.lines().filter(|line| !line.starts_with("--")).collect::<Vec<_>>().join("\n");
        let plain = statement.replace(['!', '?'], "");
        let sql = format!("{settings}; PREPARE measured AS {plain}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut conn).await.unwrap();
        let explain = format!(
            "EXPLAIN (ANALYZE, WAL, BUFFERS, COSTS OFF, TIMING OFF, FORMAT JSON) EXECUTE measured{}",
            if values.is_empty() { String::new() } else { format!("({values})") }
        );
        let row = sqlx::raw_sql(sqlx::AssertSqlSafe(explain)).fetch_one(&mut conn).await.unwrap();
        let explained: Value = row.get(0);
        Self(explained.pointer("/0/Plan").unwrap().clone())
    }

    /// The bytes of WAL that it has written.
    #[must_use]
    pub fn written(&self) -> i64 {
        written(&self.0)
    }

    /// The rows of `engine.job` that it has looked at.
    #[must_use]
    pub fn jobs(&self) -> i64 {
        jobs(&self.0)
    }

    /// The pages that it has read, from wherever.
    #[must_use]
    pub fn pages(&self) -> i64 {
        let blocks = |name: &str| whole(&self.0, name);
        blocks("Shared Hit Blocks") + blocks("Shared Read Blocks")
    }
}

fn whole(plan: &Value, name: &str) -> i64 {
    plan.get(name).and_then(Value::as_i64).unwrap_or_default()
}

fn text<'p>(plan: &'p Value, name: &str) -> &'p str {
    plan.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn children(plan: &Value) -> &[Value] {
    plan.get("Plans").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// What each node that writes adds to what its input wrote.
fn written(plan: &Value) -> i64 {
    let bytes = |node: &Value| whole(node, "WAL Bytes");
    let inputs =
        children(plan).iter().filter(|child| text(child, "Parent Relationship") != "InitPlan");
    let writes = matches!(text(plan, "Node Type"), "ModifyTable" | "LockRows");
    let here = if writes { bytes(plan) - inputs.map(bytes).sum::<i64>() } else { 0 };
    here + children(plan).iter().map(written).sum::<i64>()
}

fn jobs(plan: &Value) -> i64 {
    let is_scan = text(plan, "Relation Name") == "job" && text(plan, "Node Type").contains("Scan");
    let rows = |name: &str| plan.get(name).and_then(Value::as_f64).unwrap_or_default();
    let each = rows("Actual Rows") + rows("Rows Removed by Filter");
    #[expect(clippy::cast_possible_truncation, reason = "a count")]
    let here = if is_scan { (each * rows("Actual Loops")) as i64 } else { 0 };
    here + children(plan).iter().map(jobs).sum::<i64>()
}
