// The works, over the few operations in which the systems differ; the same as src/queue/ of the Rust adapters.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { GraphileWorker } from "./graphile-worker.mjs";
import { PgBossQueue } from "./pg-boss.mjs";
import { relay } from "./wire.mjs";

const SYSTEMS = { "graphile-worker": GraphileWorker, "pg-boss": PgBossQueue };
const WARM_UP = 0;
const WARM_UPS = 20;
const TICK_MS = 10;
const PATIENCE_MS = 120_000;

/** `CLOCK_MONOTONIC` in nanoseconds; a double holds it exactly for the first 104 days of uptime. */
const now = () => Number(process.hrtime.bigint());

const state = { handled: 0, recording: false, samples: [] };

/** What every job does: nothing, and be counted. */
function handle(n) {
  if (state.recording && n !== WARM_UP) state.samples.push([n, now()]);
  state.handled += 1;
}

class NotOffered extends Error {}

/** The works by name: what each is after, and how to run it. */
const WORKS = {
  drain: ["throughput", drain],
  "enqueue-single": ["throughput", enqueueSingle],
  "enqueue-batch": ["throughput", enqueueBatch],
  pickup: ["latency", pickup],
  "loaded-pickup": ["latency", loadedPickup],
  snapshot: ["latency", snapshot],
  planetscale: ["latency", planetscale],
  idle: ["latency", idle],
};

async function drain({ System, url, number }) {
  const jobs = number("jobs", 50_000);
  const queue = await System.connect(url, 32, "throughput", handle);
  const monitor = await connect(url);
  for (let first = 1; first <= jobs; first += 1000) {
    const size = Math.min(1000, jobs - first + 1);
    await queue.enqueueBatch(Array.from({ length: size }, (_, i) => first + i));
  }
  console.error(`${System.system}: ${jobs} jobs enqueued`);
  const start = performance.now();
  await queue.startWorker();
  let [last, since] = [0, start];
  while (state.handled < jobs) {
    if (state.handled !== last) [last, since] = [state.handled, performance.now()];
    if (performance.now() - since > 60_000) throw new Error(`stands still at ${last} of ${jobs}`);
    await sleep(1);
  }
  await untilFinished(System, monitor, 5);
  const elapsed = performance.now() - start;
  await queue.close();
  await monitor.end();
  return { rate: round((jobs / elapsed) * 1000) };
}

async function enqueueSingle({ System, url, number }) {
  const callers = number("callers", 64);
  const queue = await System.connect(url, Math.min(callers, 64), "throughput", handle);
  const { latencies, seconds } = await closedLoop(callers, number("seconds", 5), (n) =>
    queue.enqueue(n),
  );
  await queue.close();
  return { rate: round(latencies.length / seconds), ...p50p99(latencies) };
}

async function enqueueBatch({ System, url, number }) {
  const [size, callers] = [number("batch", 500), number("callers", 4)];
  const queue = await System.connect(url, Math.min(callers, 64), "throughput", handle);
  const { latencies, seconds } = await closedLoop(callers, number("seconds", 5), (n) =>
    queue.enqueueBatch(Array.from({ length: size }, (_, i) => n * size + i)),
  );
  await queue.close();
  return { rate: round((latencies.length * size) / seconds) };
}

async function pickup(context) {
  const jobs = context.number("jobs", 500);
  const bench = await startBench(context);
  for (let job = 0; job < jobs; job += 1) {
    await pause();
    await bench.queue.enqueue(now());
  }
  const samples = await bench.finish();
  if (samples.length !== jobs) throw new Error(`${samples.length} of ${jobs} jobs were handled`);
  await bench.monitor.end();
  return p50p99(samples.map(([due, started]) => started - due));
}

async function loadedPickup(context) {
  const bench = await startBench(context);
  const [rate, seconds] = [context.number("rate", 1000), context.number("seconds", 60)];
  const start = await openLoop(bench.queue, rate, seconds);
  const samples = await bench.finish();
  await bench.monitor.end();
  const last = samples.reduce((latest, [, started]) => Math.max(latest, started), start);
  return {
    rate: round(samples.length / ((last - start) / 1e9)),
    ...p50p99(samples.map(([due, started]) => started - due)),
    p99_by_window_ms: byWindow(samples, start, 10, 0.99),
  };
}

/** A snapshot that is held from the start to the end. */
async function snapshot(context) {
  await migrate(context);
  const held = await hold(context.url);
  const figures = await load(context, 180);
  await held.release();
  return figures;
}

/** Readers that each hold a snapshot for some time and then take a new one, in turn. */
async function planetscale(context) {
  const [readers, seconds] = [context.number("readers", 3), context.number("hold", 120)];
  await migrate(context);
  const read = async (reader) => {
    await sleep((seconds * 1000 * reader) / readers);
    for (;;) {
      const held = await hold(context.url);
      await sleep(seconds * 1000);
      await held.release();
    }
  };
  const broken = Promise.all(Array.from({ length: readers }, (_, reader) => read(reader)));
  return Promise.race([load(context, 300), broken]);
}

/** The schema must be there before the snapshot, as it would be in production. */
async function migrate({ System, url }) {
  await (await System.connect(url, 2, "latency", handle)).close();
}

/** An idle transaction whose snapshot keeps every row version that dies from now on. */
async function hold(url) {
  const holder = await connect(url);
  await holder.query("BEGIN ISOLATION LEVEL REPEATABLE READ");
  await holder.query("SELECT count(*) FROM pg_class");
  return {
    async release() {
      await holder.query("ROLLBACK");
      await holder.end();
    },
  };
}

async function load(context, seconds) {
  const { number } = context;
  const window = number("window", 30);
  const bench = await startBench(context);
  const start = await openLoop(bench.queue, number("rate", 800), number("seconds", seconds));
  const samples = await bench.finish();
  await sleep(1500); // sessions report their statistics at most once a second
  const { rows } = await bench.monitor.query(
    "SELECT coalesce(sum(n_dead_tup), 0)::bigint AS dead, " +
      "coalesce(sum(pg_total_relation_size(relid)), 0)::bigint AS bytes FROM pg_stat_user_tables",
  );
  await bench.monitor.end();
  return {
    p50_by_window_ms: byWindow(samples, start, window, 0.5),
    p99_by_window_ms: byWindow(samples, start, window, 0.99),
    dead_tuples: Number(rows[0].dead),
    bytes: Number(rows[0].bytes),
  };
}

/** What a worker that has worked and now waits asks of the database, and writes into it. */
async function idle(context) {
  const seconds = context.number("seconds", 30);
  const wire = await relay(context.url);
  const bench = await startBench(context, wire.url);
  await bench.leave(); // the producer would only add what it does by itself
  await sleep(12_000); // by then every session has told its statistics
  const [said, before] = [wire.said.statements, await written(bench.monitor)];
  await sleep(seconds * 1000);
  const statements = wire.said.statements - said;
  await sleep(3000); // those that go on speaking tell theirs a little late
  const after = await written(bench.monitor);
  await bench.finish();
  await bench.monitor.end();
  const rows = [...after].map(([table, count]) => count - (before.get(table) ?? 0));
  return {
    statements_per_second: round(statements / seconds),
    // All tables but the one that is written most: that may be a heartbeat's.
    other_writes: rows.reduce((sum, count) => sum + count, 0) - Math.max(0, ...rows),
  };
}

/** Rows that were inserted, updated or deleted so far, by table. */
async function written(monitor) {
  const { rows } = await monitor.query(
    "SELECT relid, n_tup_ins + n_tup_upd + n_tup_del AS count FROM pg_stat_user_tables",
  );
  return new Map(rows.map(({ relid, count }) => [relid, Number(count)]));
}

/** A producer in this process and a worker, already warm, in another, which may take another way to the database. */
async function startBench({ System, url, self }, way = url) {
  const queue = await System.connect(url, 4, "latency", handle);
  const worker = spawn(process.execPath, [self, System.system, "worker"], {
    env: { ...process.env, DATABASE_URL: way },
    stdio: ["pipe", "pipe", "inherit"],
  });
  process.on("exit", () => worker.kill("SIGKILL"));
  const lines = createInterface({ input: worker.stdout });
  const [ready] = await Promise.race([once(lines, "line"), once(worker, "exit").then(() => [""])]);
  if (ready !== "ready") throw new Error("the worker did not start; its reason is on stderr");
  const monitor = await connect(url);
  for (let job = 0; job < WARM_UPS; job += 1) {
    await queue.enqueue(WARM_UP);
    await pause();
  }
  await untilFinished(System, monitor, 50);
  console.error(`${System.system}: warm`);
  let producing = true;
  const leave = async () => {
    if (producing) await queue.close();
    producing = false;
  };
  return {
    queue,
    monitor,
    leave,
    async finish() {
      await untilFinished(System, monitor, 50);
      const samples = once(lines, "line");
      worker.stdin.end(); // the worker's signal to stop
      const [[line]] = await Promise.all([samples, once(worker, "exit")]);
      await leave();
      return JSON.parse(line);
    },
  };
}

/** The worker's process: works until stdin closes, then prints its samples. */
async function serve({ System, url }) {
  const queue = await System.connect(url, 16, "latency", handle);
  state.recording = true;
  await queue.startWorker();
  process.stdout.write("ready\n");
  await text(process.stdin);
  await queue.close();
  await print(state.samples);
}

/** Callers that each wait for their call before they make the next. */
async function closedLoop(callers, seconds, call) {
  const latencies = [];
  const start = performance.now();
  let number = 0;
  const caller = async () => {
    while (performance.now() - start < seconds * 1000) {
      const before = now();
      await call((number += 1));
      latencies.push(now() - before);
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { latencies, seconds: (performance.now() - start) / 1000 };
}

/** One batch every tick; late batches follow at once. Gives up after twice the time. */
async function openLoop(queue, rate, seconds) {
  const [start, begun] = [now(), performance.now()];
  let enqueued = 0;
  for (let tick = 0; tick < seconds * 100; tick += 1) {
    const wait = begun + tick * TICK_MS - performance.now();
    if (wait > 0) await sleep(wait);
    if (performance.now() - begun > 2000 * seconds) {
      console.error(`gave up at ${enqueued} jobs, too slow`);
      break;
    }
    const size = Math.floor((rate * (tick + 1)) / 100) - enqueued;
    if (size > 0) await queue.enqueueBatch(Array(size).fill(start + tick * TICK_MS * 1e6));
    enqueued += size;
  }
  return start;
}

async function untilFinished(System, monitor, interval) {
  const deadline = performance.now() + PATIENCE_MS;
  while ((await monitor.query(System.unfinished)).rows[0].exists) {
    if (performance.now() > deadline) throw new Error("the table still shows unfinished jobs");
    await sleep(interval);
  }
}

async function connect(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

const pause = () => sleep(30 + Math.random() * 40);
const round = (value) => Math.round(value * 1000) / 1000;

function percentileMs(latencies, percentile) {
  const sorted = latencies.toSorted((a, b) => a - b);
  return round(sorted[Math.max(Math.ceil(sorted.length * percentile), 1) - 1] / 1e6);
}

const p50p99 = (latencies) => ({
  p50_ms: percentileMs(latencies, 0.5),
  p99_ms: percentileMs(latencies, 0.99),
});

function byWindow(samples, start, seconds, percentile) {
  const windows = [];
  for (const [due, started] of samples) {
    (windows[Math.floor((due - start) / (seconds * 1e9))] ??= []).push(started - due);
  }
  return windows.filter(Boolean).map((latencies) => percentileMs(latencies, percentile));
}

/** Prints one line of JSON and waits until it is written: `process.exit` cuts off what is not. */
const print = (value) =>
  new Promise((resolve) => process.stdout.write(`${JSON.stringify(value)}\n`, resolve));

function version(name) {
  const lock = JSON.parse(readFileSync(new URL("package-lock.json", import.meta.url), "utf8"));
  return lock.packages[`node_modules/${name}`].version;
}

function parse(argv) {
  const values = {};
  for (let i = 0; i < argv.length; i += 2) {
    if (!argv[i].startsWith("--") || argv[i + 1] === undefined) {
      throw new Error(`expected \`--name value\`, found \`${argv[i]}\``);
    }
    values[argv[i].slice(2)] = argv[i + 1];
  }
  return (name, fallback) => {
    const value = Number(values[name] ?? fallback);
    if (!(value > 0)) throw new Error(`\`--${name} ${values[name]}\` is not a positive number`);
    return value;
  };
}

async function run(self, [system, work, ...rest]) {
  const System = SYSTEMS[system];
  if (!System) throw new Error(`no system \`${system}\`; \`list\` names them`);
  const url = process.env.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set");
  const context = { self, System, url, number: parse(rest) };
  if (work === "worker") return serve(context);
  const [goal, measure] = WORKS[work] ?? [];
  if (!measure) throw new NotOffered(`${system} does not offer the work \`${work}\``);
  const figures = await measure(context);
  const settings = System.settings(goal);
  await print({ system: `${system} ${version(system)}`, work, settings, ...figures });
}

/** Runs what the arguments say and ends the process. */
export async function main(self, argv) {
  if (argv[0] === "list") {
    const works = Object.keys(WORKS);
    const list = Object.keys(SYSTEMS).map((system) => ({ system, version: version(system), works }));
    await print(list);
    return;
  }
  try {
    await run(self, argv);
    process.exit(0); // neither system promises to leave no timer behind
  } catch (error) {
    console.error(`error: ${error.stack ?? error}`);
    process.exit(error instanceof NotOffered ? 3 : 1);
  }
}
