/** A hub on loopback that can misbehave in every way that a network has. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** What goes wrong with one request; the answer is given as if all were well where it returns nothing. */
export type Trouble =
  | { kind: "stall"; afterBytes: number }
  | { kind: "cut"; afterBytes: number }
  | { kind: "corrupt"; atByte: number }
  | { kind: "status"; status: number; headers?: Record<string, string> }
  | { kind: "redirect" }
  | { kind: "whole" };

export interface TestHub extends AsyncDisposable {
  url: string;
  /** Bytes by path; may be changed under way. */
  files: Map<string, Buffer>;
  /** Asked for each request of a file: its number and where its range begins. */
  trouble: (request: { count: number; path: string; start: number }) => Trouble | undefined;
  requests: { path: string; range: string; authorization: string }[];
}

const COMMIT = "c".repeat(40);

export async function startHub(files: Record<string, Buffer>): Promise<TestHub> {
  const listed = Object.entries(files).map(([name, bytes]) => ({
    rfilename: name,
    size: bytes.length,
    ...(name.endsWith(".safetensors")
      ? { lfs: { sha256: createHash("sha256").update(bytes).digest("hex"), size: bytes.length } }
      : {
          blobId: createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex"),
        }),
  }));
  const hub: Omit<TestHub, "url" | typeof Symbol.asyncDispose> = {
    files: new Map(Object.entries(files)),
    trouble: () => undefined,
    requests: [],
  };
  const server = createServer((request, response) => {
    const url = request.url ?? "";
    if (url.startsWith("/api/models/o/r/revision/main")) {
      response.end(JSON.stringify({ sha: COMMIT, siblings: listed, cardData: { license: "mit" } }));
      return;
    }
    const [, name] = /^\/(?:moved\/)?o\/r\/resolve\/c{40}\/(.+)$/.exec(url) ?? [];
    const bytes = hub.files.get(decodeURIComponent(name ?? ""));
    if (name === undefined || bytes === undefined) response.writeHead(404).end();
    else sendFile(hub, { name, bytes, request, response });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(hub, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function sendFile(
  hub: Pick<TestHub, "trouble" | "requests">,
  {
    name,
    bytes,
    request,
    response,
  }: { name: string; bytes: Buffer; request: IncomingMessage; response: ServerResponse },
): void {
  const { range = "", authorization = "" } = request.headers;
  const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(range) ?? [];
  const start = Number(first);
  hub.requests.push({ path: name, range, authorization });
  const trouble = hub.trouble({ count: hub.requests.length, path: name, start });
  if (trouble?.kind === "redirect" && !(request.url ?? "").startsWith("/moved")) {
    response.writeHead(302, { location: `/moved${request.url ?? ""}` }).end();
    return;
  }
  if (trouble?.kind === "status") {
    response.writeHead(trouble.status, trouble.headers).end();
    return;
  }
  if (start >= bytes.length) {
    response.writeHead(416).end();
    return;
  }
  const etag = `"${createHash("sha1").update(bytes).digest("hex")}"`;
  const isWhole = trouble?.kind === "whole";
  const end = isWhole || last === "" ? bytes.length : Math.min(bytes.length, Number(last) + 1);
  const part = Buffer.from(bytes.subarray(isWhole ? 0 : start, end));
  if (trouble?.kind === "corrupt") part[trouble.atByte]! ^= 0xff;
  response.writeHead(isWhole ? 200 : 206, {
    ...{ etag, "content-length": part.length },
    ...(isWhole ? {} : { "content-range": `bytes ${start}-${end - 1}/${bytes.length}` }),
  });
  if (trouble?.kind === "stall") response.write(part.subarray(0, trouble.afterBytes));
  else if (trouble?.kind === "cut")
    response.write(part.subarray(0, trouble.afterBytes), () => response.destroy());
  else response.end(part);
}
