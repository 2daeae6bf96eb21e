import { defineConfig } from "vitest/config";

// Each test file has a process of its own: native state (the engine) is global to a process.
export default defineConfig({
  test: {
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
    exclude: ["test/long/**", "node_modules/**"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
