import { defineConfig } from "vitest/config";

const source = new URL("src/", import.meta.url).pathname;

// Each test file has a process of its own: native state (the engine) is global to a process.
export default defineConfig({
  // The examples import the package by its name.
  resolve: {
    alias: [
      { find: /^philab$/, replacement: `${source}index.ts` },
      { find: /^philab\/(\w+)$/, replacement: `${source}$1/index.ts` },
    ],
  },
  test: {
    include: ["src/**/*.test.ts", "studio/src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/long/**", "node_modules/**"],
    setupFiles: ["test/support/seed.ts"],
    pool: "forks",
    maxWorkers: 2,
    // ggml's threads wait for each other by spinning: two workers with two threads each on two cores would stand still.
    env: { PHILAB_THREADS: "1" },
    // Only for what hangs: a busy machine takes its time.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 60_000 } },
  },
});
