// A relay before the database that counts what is asked of it; the same as wire.rs, which counts for the Rust adapters.

import { once } from "node:events";
import net from "node:net";

/** The codes of the two requests for encryption, which are followed by a start-up message. */
const WANTS_ENCRYPTION = [80877103, 80877104];

/** Finds the messages in what a client says, wherever the packets are cut: how many statements begin in each. */
export function counter() {
  let opened = false; // the start-up message, which has no kind, has passed
  let header = [];
  let rest = 0; // bytes of the message that are still to come
  return (bytes) => {
    let statements = 0;
    for (let at = 0; at < bytes.length; ) {
      if (rest > 0) {
        const skipped = Math.min(rest, bytes.length - at);
        rest -= skipped;
        at += skipped;
        continue;
      }
      header.push(bytes[at]);
      at += 1;
      if (header.length < (opened ? 5 : 8)) continue;
      const head = Buffer.from(header);
      if (opened) {
        rest = head.readUInt32BE(1) - 4;
        if ("EQ".includes(String.fromCharCode(head[0]))) statements += 1;
      } else {
        rest = head.readUInt32BE(0) - 8;
        opened = !WANTS_ENCRYPTION.includes(head.readUInt32BE(4));
      }
      header = [];
    }
    return statements;
  };
}

/** Starts a relay before the server of `url`. */
export async function relay(url) {
  const said = { statements: 0 };
  const { hostname, port } = new URL(url);
  const server = net.createServer((client) => {
    const upstream = net.connect({ host: hostname, port: Number(port || 5432) });
    const count = counter();
    client.on("data", (bytes) => (said.statements += count(bytes)));
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => [client, upstream].forEach((each) => each.destroy()));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const way = new URL(url);
  [way.hostname, way.port] = ["127.0.0.1", String(server.address().port)];
  return { url: way.href, said };
}
