/** The routes as a Hono application: who may ask, bounded bodies, errors, counting. */
import type { HttpBindings } from "@hono/node-server";
import { Hono, type Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Fleet } from "./fleet/fleet.ts";
import { checkBody, readJson } from "./http/body.ts";
import { errorAnswer, HttpError } from "./http/errors.ts";
import { guard, type GuardOptions } from "./http/guard.ts";
import type { Route, RunService } from "./http/route.ts";
import type { Machine } from "./lab/machine.ts";
import type { Metrics } from "./metrics.ts";
import type { Log, RecentLog } from "./recent-log.ts";
import { ROUTES } from "./routes.ts";
import { pageAnswer, STUDIO_PATH, type Pages } from "./studio/pages.ts";

export interface AppOptions extends GuardOptions {
  fleet: Fleet;
  metrics: Metrics;
  maxBodyBytes: number;
  runs: RunService;
  /** The studio's pages, where they are served. */
  pages?: Pages;
  machine: Machine;
  recent: RecentLog;
  log: Log;
}

type App = Hono<{ Bindings: HttpBindings }>;

export function createApp(options: AppOptions): App {
  const { metrics, log } = options;
  const app: App = new Hono();
  app.use(async (context, next) => {
    metrics.inFlight++;
    try {
      await next();
    } finally {
      metrics.inFlight--;
      const route = ROUTES.find((one) => matches(one, context.req.path))?.path ?? "other";
      metrics.count(route, context.res.status);
    }
  });
  app.use(guard(options));
  for (const route of ROUTES)
    app.on(route.method, route.path, (context) => answer(route, context, options));
  if (options.pages !== undefined) servePages(app, options.pages);
  app.notFound((context) => {
    const known = ROUTES.some((route) => matches(route, context.req.path));
    const message = `there is no ${context.req.method} ${context.req.path.slice(0, 200)}`;
    throw new HttpError(known ? 405 : 404, message, { hint: "/openapi.json lists what there is." });
  });
  app.onError((error, context) => {
    const { status, body, headers } = errorAnswer(error);
    const { path } = context.req;
    // Whoever asks while the first model is being loaded is told so: nothing failed.
    if (status >= 500 && path !== "/health")
      log("request failed", { path, error: body.error.message });
    return context.json(body, status as ContentfulStatusCode, headers);
  });
  return app;
}

function servePages(app: App, pages: Pages): void {
  app.get("/", (context) => context.redirect(STUDIO_PATH));
  app.get(`${STUDIO_PATH}*`, (context) => {
    const acceptEncoding = context.req.header("accept-encoding") ?? "";
    const { path: asked } = context.req;
    return pageAnswer(pages, { asked, acceptEncoding }) ?? context.notFound();
  });
}

async function answer(
  route: Route,
  context: Context<{ Bindings: HttpBindings }>,
  { fleet, metrics, maxBodyBytes, runs, machine, recent }: AppOptions,
): Promise<Response> {
  const body =
    route.body === undefined
      ? {}
      : checkBody(route.body, await readJson(context as Context, maxBodyBytes));
  const { user } = body as { user?: string | null };
  const address = context.env.incoming.socket.remoteAddress ?? "";
  return route.handle(
    {
      ...{ fleet, metrics, runs, machine, log: recent },
      ...{ client: user ?? address, signal: context.req.raw.signal },
      params: context.req.param(),
    },
    body,
  );
}

function matches({ path }: Route, asked: string): boolean {
  return new RegExp(`^${path.replace(/:\w+/g, "[^/]+").replaceAll(".", "\\.")}$`).test(asked);
}
