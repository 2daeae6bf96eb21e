/**
 * Who may ask, and in which form. A server on this machine can be reached by every page that its browser shows: a page of
 * another origin is refused by `Origin`, a name that was pointed here (DNS rebinding) by `Host`, a form by its content type.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import type { MiddlewareHandler } from "hono";
import { STUDIO_PATH } from "../studio/pages.ts";
import { HttpError } from "./errors.ts";

export interface GuardOptions {
  /** The address that is listened on. */
  host: string;
  /** Requests must bring it as a bearer token. */
  apiKey: string | undefined;
  /** Other names under which the server is reached. */
  allowedHosts: readonly string[];
  /** Origins of pages that may ask, beside the server's own. */
  allowedOrigins: readonly string[];
}

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

/** Whether only this machine can reach an address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function guard(options: GuardOptions): MiddlewareHandler {
  const { host, apiKey, allowedHosts, allowedOrigins } = options;
  const names = new Set([
    ...LOOPBACK_NAMES,
    ...allowedHosts,
    isIP(host) === 6 ? `[${host}]` : host,
  ]);
  return async (context, next) => {
    const { req } = context;
    const asked = hostName(req.header("host"));
    // Behind an address of a network the key decides; names that point there are the owner's own.
    if (asked === undefined || (isLoopback(host) && !names.has(asked)))
      throw new HttpError(403, `the host ${JSON.stringify(asked ?? "")} is none of this server's`, {
        hint: "Name it with --allow-host where it is meant.",
      });
    const origin = req.header("origin");
    if (origin !== undefined)
      checkOrigin(origin, { own: req.header("host") ?? "", allowedOrigins });
    const isOtherPage = origin !== undefined && allowedOrigins.includes(origin);
    if (isOtherPage && req.method === "OPTIONS")
      return context.body(null, 204, {
        ...crossOriginHeaders(origin),
        "access-control-allow-methods": "GET, POST, DELETE",
        "access-control-allow-headers": "authorization, content-type",
      });
    const isOpen = req.path === "/health" || isPage(req);
    if (apiKey !== undefined && !isOpen) checkKey(req.header("authorization"), apiKey);
    if (
      req.method === "POST" &&
      !/^application\/json\s*(;|$)/i.test(req.header("content-type") ?? "")
    )
      throw new HttpError(415, "the content type must be application/json");
    await next();
    if (isOtherPage)
      for (const [name, value] of Object.entries(crossOriginHeaders(origin)))
        context.res.headers.set(name, value);
    return undefined;
  };
}

/** The studio's pages hold no data: they bring the key to what they ask. */
function isPage({ method, path }: { method: string; path: string }): boolean {
  return method === "GET" && (path === "/" || path.startsWith(STUDIO_PATH));
}

function crossOriginHeaders(origin: string): Record<string, string> {
  return { "access-control-allow-origin": origin, vary: "Origin" };
}

/** The name in a `Host` header, without the port, in lower case. */
function hostName(header: string | undefined): string | undefined {
  return /^(\[[0-9a-f:.]+\]|[^:@/\\\s]+)(?::\d+)?$/.exec((header ?? "").toLowerCase())?.[1];
}

function checkOrigin(
  origin: string,
  { own, allowedOrigins }: { own: string; allowedOrigins: readonly string[] },
): void {
  const isOwn = origin === `http://${own}` || origin === `https://${own}`;
  if (isOwn || allowedOrigins.includes(origin)) return;
  throw new HttpError(403, `pages of ${origin.slice(0, 100)} may not ask this server`, {
    hint: "Allow them with --allow-origin.",
  });
}

function checkKey(header: string | undefined, apiKey: string): void {
  const [, given = ""] = /^Bearer\s+(\S+)\s*$/i.exec(header ?? "") ?? [];
  // Digests have one length, and comparing them takes one time.
  const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
  if (timingSafeEqual(digest(given), digest(apiKey))) return;
  throw new HttpError(401, given === "" ? "no API key was given" : "the API key is wrong", {
    hint: "Send it as: Authorization: Bearer KEY.",
  });
}
