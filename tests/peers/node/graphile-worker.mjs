// Graphile Worker: deletes finished jobs; local queue and batched completion.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

const TASK = "noop";
const LOCAL_QUEUE = 500;
const COMPLETION_DELAY_MS = 5;
const CONCURRENCY = 24;

const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

export class GraphileWorker {
  static system = "graphile-worker";
  static unfinished = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs)";

  static settings() {
    return (
      `local queue ${LOCAL_QUEUE}, completion batched for ${COMPLETION_DELAY_MS} ms, ` +
      `concurrency ${CONCURRENCY}, LISTEN/NOTIFY, bulk by addJobs; finished jobs are deleted`
    );
  }

  static async connect(url, connections, _goal, handle) {
    const pool = new pg.Pool({ connectionString: url, max: connections });
    pool.on("error", (error) => console.error(error));
    pool.on("connect", (client) => client.on("error", (error) => console.error(error)));
    const utils = await makeWorkerUtils({ pgPool: pool, logger });
    await utils.migrate();
    return Object.assign(new GraphileWorker(), { pool, utils, handle });
  }

  async enqueue(n) {
    await this.utils.addJob(TASK, { n });
  }

  async enqueueBatch(batch) {
    await this.utils.addJobs(batch.map((n) => ({ identifier: TASK, payload: { n } })));
  }

  async startWorker() {
    this.runner = await run({
      pgPool: this.pool,
      logger,
      noHandleSignals: true,
      crontab: "",
      taskList: { [TASK]: ({ n }) => this.handle(n) },
      preset: {
        worker: {
          concurrentJobs: CONCURRENCY,
          localQueue: { size: LOCAL_QUEUE },
          completeJobBatchDelay: COMPLETION_DELAY_MS,
          failJobBatchDelay: COMPLETION_DELAY_MS,
        },
      },
    });
  }

  async close() {
    await this.runner?.stop();
    await this.utils.release();
    await this.pool.end();
  }
}
