// pg-boss: keeps finished jobs; batches fetched and completed at once, burst polling, LISTEN/NOTIFY.

import { PgBoss } from "pg-boss";

const QUEUE = "noop";
const WORKERS = { throughput: 4, latency: 2 };
const BATCH = { throughput: 1000, latency: 100 };

export class PgBossQueue {
  static system = "pg-boss";
  static unfinished = "SELECT EXISTS (SELECT FROM pgboss.job WHERE name = 'noop' AND state < 'completed')";

  static settings(goal) {
    const wake = goal === "latency" ? "LISTEN/NOTIFY and a poll every 0.5 s" : "a poll every 0.5 s";
    return (
      `batchSize ${BATCH[goal]}, burstWhenBatchFull, localConcurrency ${WORKERS[goal]}, ${wake}, ` +
      "bulk by insert, own partition"
    );
  }

  static async connect(url, connections, goal, handle) {
    const boss = new PgBoss({
      connectionString: url,
      max: connections,
      useListenNotify: goal === "latency",
    });
    boss.on("error", (error) => console.error(error));
    await boss.start();
    await boss.createQueue(QUEUE, { notify: goal === "latency", partition: true });
    return Object.assign(new PgBossQueue(), { boss, goal, handle });
  }

  async enqueue(n) {
    await this.boss.send(QUEUE, { n });
  }

  async enqueueBatch(batch) {
    await this.boss.insert(QUEUE, batch.map((n) => ({ data: { n } })));
  }

  async startWorker() {
    const options = {
      batchSize: BATCH[this.goal],
      burstWhenBatchFull: true,
      localConcurrency: WORKERS[this.goal],
      pollingIntervalSeconds: 0.5,
      notifyPollingIntervalSeconds: 0.5,
    };
    await this.boss.work(QUEUE, options, async (jobs) => {
      for (const job of jobs) this.handle(job.data.n);
    });
  }

  async close() {
    await this.boss.stop({ graceful: true, timeout: 10_000 });
  }
}
